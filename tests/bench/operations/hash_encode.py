"""hash_encode against the same in torch, as a field in torch would do it: forward and backward, 50,000 points.

16 levels of 2 features, 16 to 4096 cells along a side and 2^19 rows, as MVDream has them. The floor counts once the
points, the features and their gradient, the table's gradient, and of each level the eight rows that a point reads, and
those that it adds to.
"""

import torch

from kernels.hash_encode import hash_encode, hash_encode_reference, table_rows
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

POINTS, ROWS = 50_000, 2**19
SIZES = [int(16 * 256 ** (level / 15) * (1 + 1e-9)) for level in range(16)]


def table(device: str, copy: float) -> Table:
    """`copy`: bytes a second, as `copy_speed` has it."""
    result = Table(
        f"hash_encode on {device}: forward and backward of {POINTS:,} random points, 16 levels of 2 features"
    )
    for moving in (False, True):
        _compare(result, moving, device, copy)
    return result


def _compare(result: Table, moving: bool, device: str, copy: float) -> None:
    """`moving`: with gradients of the points as well."""
    generator = torch.Generator().manual_seed(0)
    points = (torch.rand(POINTS, 3, generator=generator) * 2 - 1).to(device).requires_grad_(moving)
    rows = torch.randn(sum(table_rows(SIZES, ROWS)), 2, generator=generator).to(device).requires_grad_()
    gradient = torch.randn(POINTS, 2 * len(SIZES), generator=generator).to(device)

    def run(encode) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(encode(points, rows, SIZES, ROWS), [rows, points][: 1 + moving], gradient)

    (one, *_), (other, *_) = run(hash_encode), run(hash_encode_reference)
    if (one - other).norm() > 1e-3 * other.norm():
        raise AssertionError("the ways do not agree on the gradient")
    seconds = side_by_side({"ours": lambda: run(hash_encode), "theirs": lambda: run(hash_encode_reference)}, rounds=5)
    corners = 8 * len(SIZES) * POINTS * 2 * 4  # bytes
    floor = (2 + moving) * points.nbytes + 2 * gradient.nbytes + (2 + moving) * corners + rows.nbytes
    what = f"gradients of the table{' and of points' if moving else ''}"
    result.add(f"{what}: torch", 1000 * seconds["theirs"], "ms")
    result.add(f"{what}: ours", 1000 * seconds["ours"], "ms")
    result.add(f"{what}: times faster", seconds["theirs"] / seconds["ours"], "x")
    result.add(f"{what}: times above the floor", seconds["ours"] * copy / floor, "x")


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table(device, copy_speed(device)).show()
