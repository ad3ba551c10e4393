"""Open sheets that lie on a body all over, as icing on dough: what happens to it happens to them."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry.fields import areas, rim

Reals = NDArray[np.float64]
Ints = NDArray[np.int32]

COAT, OWN = 0.05, 0.1  # how near to the body a coat is at most, in extents and in roots of its area
COVERED = 0.95  # of its vertices that are
LARGEST = 200  # parts that are looked at: of more, as in a cloud of scraps, the rest are none


def coats(points: Reals, faces: Ints, label: Ints, sheet: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(P,) which parts are coats: they have a rim, and lie on larger ones that are no `sheet` (P,).

    points (M, 3), faces (F, 3) without those that close holes, label (M,) the part of each point.
    """
    count = len(sheet)
    area = np.bincount(label[faces[:, 0]], areas(points, faces), count)
    used = np.unique(faces)
    is_open, found = np.zeros(count, bool), np.zeros(count, bool)
    is_open[label[rim(faces)]] = True
    for part in [part for part in np.argsort(-area)[:LARGEST] if is_open[part]]:
        own = points[used[label[used] == part]]
        larger = points[used[(area[label[used]] > area[part]) & ~sheet[label[used]]]]
        near = min(COAT, OWN * area[part] ** 0.5)
        larger = larger[((larger > own.min(axis=0) - near) & (larger < own.max(axis=0) + near)).all(axis=1)]
        if len(larger):
            gap, _ = cKDTree(larger).query(own, distance_upper_bound=near)
            found[part] = np.isfinite(gap).mean() > COVERED
    return found
