"""How an old rose sheds: when each petal lets go, where it comes to lie, and how those that are left open further."""

import functools
from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from backend.species import Rose
from backend.specimens.core import Array, Chance, Draws, mix, ramp
from backend.specimens.falling import Fall, Landing

FIRST_FALL, LAST_FALL, FALL = 0.5, 0.8, 0.19  # when petals let go, and how long each falls
ABREAST = 12  # petals take all of that time to let go; fewer take less, and so keep their pace
HANGS = 0.25  # of its fall: a petal comes loose before it sinks
FREE = 0.25, 0.7  # of its fall: between these it stops to go with the flower, which nods and would pass through it
LOOSE = 0.25  # of its fall: until then it still does what the petals about it do
BLOWN, SPREADS = 6.0, 0.06  # the most that layers move outwards; life time in which they do when a petal has gone
TOUCHED = 0.4  # of the petals go with the one before, which touched them
LAYERING = 1.2  # the power of a petal's rank that is its layer

Pose = tuple[Array, Array]  # a point (3,) and a frame (3, 3)


def moments_of(rose: Rose, chance: Chance) -> Array:
    """(n,) when each of the petals that fall lets go, the first first: alone, or in a little group at a touch."""
    n = min(rose.fallen, rose.petals)
    draws = chance.each("petal's wait", n)
    waits = np.where(draws.uniform() < TOUCHED, 0.08, draws.uniform(0.6, 1.4))
    waits[:1] = 0.0
    lasts = (LAST_FALL - FIRST_FALL) * min(1.0, n / ABREAST)
    return FIRST_FALL + lasts * np.cumsum(waits) / max(float(waits.sum()), 1e-9)


def blowing(gone: float, petals: int) -> float:
    """A blown rose: as outer petals fall, those that are left take their layers, so that each lies open before it
    goes. What layers are multiplied by once `gone` of them have fallen; their order, and so the nesting, stays."""
    return min((1 - min(gone / petals, 0.999)) ** -LAYERING, BLOWN)


def falls_of(
    petals: int, scale: float, starts: Array, held: Callable[[float], Array], draws: Draws
) -> dict[int, tuple[float, Callable[[], Fall]]]:
    """Petal -> when it lets go, and its fall, found when it is asked for: the outermost go first, one after another,
    and come to lie about the stem. `held` gives all petals (n, rows, columns, 3) as they are held, metres; `scale` is
    the flower's."""
    n = len(starts)
    chances = draws.uniform(
        np.array([0.6, 0.3, 0.05, 0.0, -0.4, 0.8]), np.array([1.1, 0.45, 0.10, 2 * np.pi, 0.4, 1.3]), 6
    )

    def fall(petal: int, k: int) -> Fall:
        arch, rocks, strays, phase, turned, far = chances[k]
        # Outwards, the way it faces: petals face golden angles apart, so that their spots are a spiral of Vogel's. The
        # first, wide and fresh, flutter farthest.
        way = _facing(held_then := held(float(starts[k]))[: petal + 1])
        radius = scale * far * (0.05 + 0.030 * np.sqrt(n - 1 - k))
        spot = radius * np.cos(way), radius * np.sin(way)
        landing = Landing(spot, way + turned, arch, (rocks, strays), phase, HANGS)
        return Fall.of(held_then[petal], float(starts[k]), FALL, landing)

    outermost = [(petals - 1 - k, k) for k in range(n)]
    return {petal: (starts[k], functools.cache(functools.partial(fall, petal, k))) for petal, k in outermost}


def shed(held: Array, fall: Fall, tau: float, pose: Callable[[float], Pose]) -> Array:
    """(rows, columns, 3) metres of a petal that has let go, `held` being where it would be had it not, `pose` where
    the flower stands."""
    done = (tau - fall.start) / fall.lasts
    placed = _carried(fall.placed(held, tau), pose(fall.start), pose(tau), 1 - ramp(done, *FREE))
    return mix(held, placed, ramp(done, 0.0, LOOSE))


def _carried(points: Array, first: Pose, now: Pose, share: float) -> Array:
    """Points that go along with a share of a rigid motion."""
    turned = share * Rotation.from_matrix(now[1] @ first[1].T).as_rotvec()
    return (points - first[0]) @ Rotation.from_rotvec(turned).as_matrix().T + mix(first[0], now[0], share)


def _facing(petals: Array) -> float:
    """Azimuth of the last of the petals (n, rows, columns, 3) about the middle of all."""
    outwards = (centres := petals.mean(axis=(1, 2))[:, :2])[-1] - centres.mean(axis=0)
    return float(np.arctan2(outwards[1], outwards[0]))
