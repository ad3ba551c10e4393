"""What stands in the middle of a flower: stamens, a pistil, a disc, a daffodil's trumpet; and how it fits in a bud."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.charts import Integers
from backend.geometry.fields import components, edges, smoothstep
from backend.geometry.petals import Flower

NEAR = 0.35  # how near to the middle of a flower what stands there comes, in lengths of its longest petal
WIDE, HIGH, LOW = 1.1, 1.5, 0.35  # how far it reaches, in the same: aside, up, and down
STEPS = np.linspace(0.0, 1.0, 241)  # heights at which a bud is known, in heights of the bud


@dataclass(frozen=True, eq=False)
class Heart:
    """C vertices."""

    chosen: Integers  # (C,)
    loose: NDArray[np.bool_]  # (C,) of a part that is wholly in the flower; else only its upper end is
    fixed: NDArray[np.bool_]  # (C,) one surface with the petals: it stays as it is


def heart(flower: Flower, anatomy: Anatomy) -> Heart:
    """What is in the flower and none of its petals."""
    body, labels = anatomy.body, anatomy.labels
    reach = max(blade.length for blade in flower.blades)
    rest = (body.weight > 0.0) & ~anatomy.vessel  # a pot stands about a plant, not in its flower
    rest[np.concatenate([blade.chosen for blade in flower.blades])] = False
    radius, _, height = flower.local(body.vertices)
    near = rest & (np.hypot(radius, height) < NEAR * reach)
    around = rest & (radius < WIDE * reach) & (height < HIGH * reach)
    own = np.zeros(labels.max() + 1, bool)
    own[[labels[blade.chosen[0]] for blade in flower.blades if blade.welded]] = True
    has_near = np.bincount(labels, near) > 0
    wholly = np.bincount(labels, ~(around & (height > -LOW * reach))) == 0
    loose = (has_near & wholly & ~own)[labels]

    # of a stem that reaches into the flower the end that is in it, but not where it passes by
    above = around & (height > 0.02 * reach)
    above[loose] = False
    sides = edges(body.faces[above[body.faces].all(axis=1)])
    piece = components(len(labels), sides)
    above &= (np.bincount(piece, near & above) > 0)[piece]
    chosen = np.flatnonzero(loose | above)
    return Heart(chosen, loose[chosen], own[labels[chosen]])


def gathered(outer: Reals, tall: float, base: float, points: tuple[Reals, Reals], loose: Reals) -> tuple[Reals, Reals]:
    """Radius and height of `points`, (C,) each, drawn together to fit into a bud of radius `outer` at STEPS and this
    height, whose petals stand `base` from its axis; what is not loose keeps its foot."""
    radius, height = points
    front = np.maximum(height, 0.0)
    most = max(float(front.max()), 1e-12)
    lower = np.where(height > 0.0, height * min(1.0, 0.8 * tall / most), height)
    share = np.clip(lower / tall, 0.0, 1.0)
    need = envelope(share, radius)
    room = np.maximum(0.5 * outer, 1.05 * base * (1.0 - STEPS) ** 2)
    fit = np.minimum(1.0, room / np.maximum(need, 1e-12))
    foot = min(1.0, 0.9 * base / max(float(radius[loose & (share < 0.1)].max(initial=0.0)), 1e-12))
    foot = np.where(loose, foot, 1.0)
    return radius * (foot + smoothstep(share / 0.15) * (np.minimum(np.interp(share, STEPS, fit), foot) - foot)), lower


def envelope(share: Reals, radius: Reals) -> Reals:
    """Radius at STEPS of points at heights `share` of the bud's, smooth."""
    need = np.zeros(len(STEPS))
    inside = share > 0.0
    np.maximum.at(need, (share[inside] * (len(STEPS) - 1)).astype(np.int64), radius[inside])
    reach = np.abs(STEPS[:, None] - STEPS)
    return (need * np.maximum(1.0 - (reach / 0.15) ** 2, 0.0)).max(axis=1)
