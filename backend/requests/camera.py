"""The camera that a picture was taken through."""

import math
from typing import Annotated

from msgspec import Meta, Struct

FLAT = 1e-9  # beside the largest number of its column: a pivot as small as this is rounding

Matrix = Annotated[tuple[float, ...], Meta(min_length=16, max_length=16)]  # 4 x 4, row after row


class Camera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What takes a point (x, y, z, 1), a column, to clip space: projection @ view @ point.

    `view` leads from the axes of the Subject's vertices to the camera's, x to the right and y up, which looks along -z.
    `projection` is OpenGL's, for the aspect of the picture: after the division all that is seen lies in [-1, 1].
    """

    view: Matrix
    projection: Matrix

    def __post_init__(self):
        for name in ("view", "projection"):
            matrix = getattr(self, name)
            if len(matrix) != 16:
                raise ValueError(f"The camera's {name} has {len(matrix)} numbers, and 16 are needed, row after row")
            if not all(map(math.isfinite, matrix)):
                raise ValueError(f"The camera's {name} holds NaN or infinity: set its lens and its place anew")
            if _is_singular(matrix):
                raise ValueError(
                    f"The camera's {name} makes all that it shows flat: see that neither it nor the mesh is scaled to "
                    "nothing, and that it has a field of view"
                )


def _is_singular(matrix: tuple[float, ...]) -> bool:
    """Whether Gaussian elimination, the largest number of a column first, comes upon a column with nothing left."""
    rows = [list(matrix[start : start + 4]) for start in range(0, 16, 4)]
    largest = [max(abs(row[column]) for row in rows) for column in range(4)]
    for column in range(4):
        pivot = max(rows, key=lambda row, column=column: abs(row[column]))
        if abs(pivot[column]) <= FLAT * largest[column]:
            return True
        rows.remove(pivot)
        for row in rows:
            share = row[column] / pivot[column]
            row[:] = [value - share * other for value, other in zip(row, pivot, strict=True)]
    return False
