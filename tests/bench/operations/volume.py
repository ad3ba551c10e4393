"""What a picture of a grid of voxels is made of, each beside the same in torch: march, composite and total variation.

65,536 rays of 64 samples, of which the cells leave out about half. The floor counts every number once, read or written:
of march the rays, the shares and what comes back; of composite all given and all that comes back, forward and backward;
of total variation the grid, and its gradient.
"""

import torch
from torch.nn import functional

from kernels.composite import composite
from kernels.march import march, march_reference
from kernels.total_variation import total_variation, total_variation_reference
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table

RAYS, SAMPLES, SIDE = 65_536, 64, 64


def table(device: str, copy: float) -> Table:
    """`copy`: bytes a second, as `copy_speed` has it."""
    result = Table(f"Volumes on {device}: {RAYS:,} rays of {SAMPLES} samples; a grid of {SIDE}^3 x 4")
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator).to(device)

    _compare_march(result, random, copy)
    _compare_composite(result, random, copy)
    _compare_variation(result, random, copy)
    return result


def _compare_march(result: Table, random, copy: float) -> None:
    origin = 2 * random(RAYS, 3) - 1
    direction = functional.normalize(2 * random(RAYS, 3) - 1, dim=1)
    begin, end, share = random(RAYS) - 1, random(RAYS), random(RAYS, SAMPLES)
    cells = random(SIDE, SIDE, SIDE) < 0.5
    given = origin, direction, begin, end, SAMPLES, share, cells, 1.0
    ours, theirs = march(*given), march_reference(*given)
    if abs(len(ours.points) - len(theirs.points)) > 1e-4 * len(theirs.points):  # points on a cell's wall may differ
        raise AssertionError("the ways do not agree on what is asked")
    seconds = side_by_side({"ours": lambda: march(*given), "theirs": lambda: march_reference(*given)})
    moved = sum(each.nbytes for each in (origin, direction, begin, end, share, *ours))
    _add(result, "march", seconds, moved / copy)


def _compare_composite(result: Table, random, copy: float) -> None:
    density, colour, edges = (
        8 * random(RAYS, SAMPLES),
        random(RAYS, SAMPLES, 3),
        random(RAYS, SAMPLES + 1).cumsum(dim=1),
    )
    density, colour, edges = density.requires_grad_(), colour.requires_grad_(), edges / SAMPLES
    starts = torch.arange(RAYS + 1, device=density.device) * SAMPLES
    intervals = torch.stack([edges[:, :-1], edges[:, 1:]], dim=2).flatten(0, 1)
    gradient = random(RAYS, 3)

    def ours() -> tuple[torch.Tensor, ...]:
        found = composite(density.flatten(), colour.flatten(0, 1), intervals, starts)
        return torch.autograd.grad(found.features + found.opacity[:, None], [density, colour], gradient)

    def theirs() -> tuple[torch.Tensor, ...]:
        thickness = density * edges.diff()
        before = functional.pad(thickness[:, :-1].cumsum(dim=1), (1, 0))
        weights = torch.exp(-before) * -torch.expm1(-thickness)
        gathered = torch.einsum("rs,rsc->rc", weights, colour) + weights.sum(dim=1)[:, None]
        return torch.autograd.grad(gathered, [density, colour], gradient)

    for one, other in zip(ours(), theirs(), strict=True):
        if (one - other).norm() > 1e-4 * other.norm():
            raise AssertionError("the ways do not agree on the gradient")
    seconds = side_by_side({"ours": ours, "theirs": theirs})
    moved = 3 * (density.nbytes + colour.nbytes) + 2 * intervals.nbytes + 2 * gradient.nbytes
    _add(result, "composite, forward and backward", seconds, moved / copy)


def _compare_variation(result: Table, random, copy: float) -> None:
    grid = random(SIDE, SIDE, SIDE, 4).requires_grad_()
    ways = {"ours": total_variation, "theirs": total_variation_reference}
    seconds = side_by_side(
        {name: lambda way=way: torch.autograd.grad(way(grid).sum(), grid) for name, way in ways.items()}
    )
    _add(result, "total_variation, forward and backward", seconds, 2 * grid.nbytes / copy)


def _add(result: Table, what: str, seconds: dict[str, float], floor: float) -> None:
    result.add(f"{what}: torch", 1000 * seconds["theirs"], "ms")
    result.add(f"{what}: ours", 1000 * seconds["ours"], "ms")
    result.add(f"{what}: times faster", seconds["theirs"] / seconds["ours"], "x")
    result.add(f"{what}: times above the floor", seconds["ours"] / floor, "x")


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table(device, copy_speed(device)).show()
