"""The pot or vase that a plant stands in: it does not wilt, dry out or rot with the plant.

Only what can hardly be anything else is taken for one, and only where the artist has neither pinned nor painted
anything: with a weight group of their own, artists say what lives.
"""

import numpy as np
from numpy.typing import NDArray

from backend.geometry.anatomy import Anatomy

SLENDER = 2.0  # of its width: what is taller than this is a stem, hollow or not
DEEP = 0.25  # of its height is the least depth of its hollow; an apple's dimple has less
THIN = 0.5  # of the radius of its rim is the most that its wall may be thick
TALLER = 0.5  # of its height is the least by which something rises out of it
BAND = 0.12  # of its height is the rim
SECTORS = 8


def vessel(anatomy: Anatomy) -> NDArray[np.bool_]:
    """(N,) True for the one solid part that the whole body stands on, if it is a hollow open above in which another
    part stands that rises far out of it; and for what lies in it and does not: soil, water."""
    body, labels = anatomy.body, anatomy.labels
    none = np.zeros(len(labels), bool)
    standing = np.unique(labels[anatomy.held > 0.0])
    if body.pin.any() or (body.weight < 1.0).any() or len(standing) != 1 or anatomy.lying:
        return none
    part = labels == standing[0]
    if part.all() or anatomy.is_sheet[part].any():
        return none
    points = body.vertices[part]
    low, top = points[:, 2].min(), points[:, 2].max()
    height = top - low
    rim = points[:, 2] > top - BAND * height
    middle = 0.5 * (points[rim, :2].min(axis=0) + points[rim, :2].max(axis=0))
    arm = points[:, :2] - middle
    reach = np.linalg.norm(arm, axis=1)
    radius = float(np.median(reach[rim]))
    sector = np.floor(SECTORS * (np.arctan2(arm[rim, 1], arm[rim, 0]) / (2.0 * np.pi) + 0.5)).astype(int) % SECTORS
    ground = points[reach < 0.5 * radius, 2].max(initial=low)
    if (
        height > SLENDER * np.ptp(points[:, :2], axis=0).max()
        or len(np.unique(sector)) < SECTORS
        or ground > top - DEEP * height
        or np.median(anatomy.thickness[part][points[:, 2] > ground]) > THIN * radius
    ):
        return none
    within = ~part & (np.linalg.norm(body.vertices[:, :2] - middle, axis=1) < radius) & (body.vertices[:, 2] < top)
    rising = ~part & (body.vertices[:, 2] > top + TALLER * height)
    count = labels.max() + 1
    inside, whole = np.bincount(labels[within], minlength=count), np.bincount(labels, minlength=count)
    if not (inside[np.unique(labels[rising])] > 0).any():
        return none
    return part | (inside == whole)[labels]
