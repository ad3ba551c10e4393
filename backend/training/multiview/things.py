"""Specimens as a model of views learns them: in a state of life, turned to the front, and not too thin to be seen.

Every individual stands at a chance azimuth, and no words say at which. So each is turned so that what stands out is
where it always is: the face of a nodding flower looks to the front (-Y); the leaf of an apple or a rose, and whatever
else reaches to one side, points to the right (+X); a loaf lies across. The turn is that of the individual at its best,
and is kept through its life: nothing spins as it wilts.

A flower on its stem is all stem at 32 pixels. What is below the head, by more than its size, is cut away.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend import specimens
from backend.clip import Frame
from backend.geometry.fields import sound_faces
from backend.prompt.vocabulary.colours import srgb
from backend.protocol.colours import srgb_to_linear
from backend.species import SPECIES
from backend.specimens.core import Specimen
from backend.training.dynamics.objects import VISIBLE, record
from backend.training.multiview.captions import COMPACT, KINDS, SIDES, Said, State, captions_of_two, drawn

Reals = NDArray[np.floating]

FACES = {"lily": ("tepals",), "sunflower": ("florets", "receptacle")}  # what looks to the front
HEADS = {  # parts -> how far below them, in their own size, the plant is cut
    "rose": (("petals", "sepals", "hip"), 0.8),
    "lily": (("tepals",), 0.7),
    "sunflower": (("rays", "florets", "receptacle", "bracts"), 0.8),
    "oak_leaf": (("leaves",), 0.1),
    "match": (("head",), 6.0),
}
ACROSS = ("bread", "ice_block")  # what lies along x
# Individuals with thick parts: range of each parameter that matters.
STURDY: dict[str, dict[str, tuple[float, float]]] = {
    "rose": {"flower": (1.7, 2.0), "leaves": (2, 3), "thorns": (0, 0)},
    "lily": {"flower": (1.5, 2.0), "leaves": (4, 10)},
    "sunflower": {"flower": (1.5, 2.0), "leaves": (4, 8), "petals": (16, 30), "florets": (80, 160)},
    "sprout": {"size": (1.7, 2.0), "leaves": (1, 3)},
    "oak_leaf": {"leaves": (3, 5), "lobes": (3, 5)},
    "mushroom": {"cap": (0.8, 1.3), "spots": (8, 30)},
    "apple": {"leaf": (1, 1)},
    "candle": {"girth": (0.35, 0.7), "wicks": (1, 1), "drips": (2, 8)},
    "ice_cream": {"scoops": (1, 1)},  # its colour is that of the lowest one
    "bread": {"length": (1.8, 2.8)},
    "ice_block": {"length": (1.2, 2.2)},
}
APART = 1.0, 1.2  # of both reaches: how far from each other two things stand
LIKE = 0.85, 1.15  # of one size: how large each is
TINT = 0.08  # spread of the logarithm of what a colour's name stands for


@dataclass(frozen=True, eq=False)
class Thing:
    """Something to look at: V vertices, F triangles. Its middle is at the origin."""

    points: Reals  # (V, 3), within a ball of radius 1
    faces: NDArray[np.int32]  # (F, 3)
    albedo: Reals  # (V, 3) linear
    emission: Reals  # (V,)

    @classmethod
    def of(cls, points: Reals, faces: NDArray[np.int32], albedo: Reals, emission: Reals) -> Self:
        """In the middle, and as large as fits; vertices of no triangle are left out.

        Raises:
            ValueError: there is nothing to be seen.
        """
        if not len(faces):
            raise ValueError("Nothing is to be seen")
        kept, faces = np.unique(faces, return_inverse=True)
        points = points[kept].astype(np.float64)
        points -= (points.min(axis=0) + points.max(axis=0)) / 2
        radius = np.linalg.norm(points, axis=1).max()
        if not (np.isfinite(radius) and radius > 0):
            raise ValueError("Nothing is to be seen")
        faces = faces.reshape(-1, 3).astype(np.int32)
        return cls(points / radius, faces, albedo[kept].astype(np.float64), emission[kept].astype(np.float64))

    @property
    def reach(self) -> float:
        """How far from the upright axis it goes."""
        return float(np.linalg.norm(self.points[:, :2], axis=1).max())


@dataclass(frozen=True, eq=False)
class Individual:
    """A specimen of one colour that can be in several states."""

    said: Said  # in some state
    seed: int
    specimen: Specimen
    turn: Reals  # (2, 2) that brings it to the front
    states: tuple[State, ...]

    @classmethod
    def grown(cls, kind: str, detail: float, seed: int) -> Self:
        """All that chance decides follows from the seed."""
        rng = np.random.default_rng(seed)
        said, states = _fate(kind, rng)
        return cls.of(said, states, detail, seed, rng)

    @classmethod
    def of(cls, said: Said, states: tuple[State, ...], detail: float, seed: int, rng: np.random.Generator) -> Self:
        """One that is called so, of sizes and a shade that are drawn."""
        kind = said.kind
        usual = record(SPECIES[kind], detail, rng)
        own = {name: getattr(usual, name) for name in usual.__struct_fields__}
        own |= {name: _within(span, rng) for name, span in STURDY.get(kind, {}).items()} | said.state.needs
        own["colour"] = SPECIES[kind]().colour
        if said.colour is not None:
            named = srgb_to_linear(np.array(srgb(said.colour))) * np.exp(rng.normal(0, TINT, 3))
            own["colour"] = tuple(np.clip(named, 0.004, 0.85).tolist())
        specimen = specimens.grow(type(usual)(**own), seed)
        return cls(said, seed, specimen, front(kind, specimen), states)

    @classmethod
    def foretold(cls, kind: str, seed: int) -> list[Said]:
        """What one that is grown from the seed is called in each of its states."""
        said, states = _fate(kind, np.random.default_rng(seed))
        return [replace(said, state=state) for state in states]

    def at(self, tau: float) -> Thing:
        """At a moment of its life, turned to the front."""
        frame, mesh = self.specimen.at(tau), self.specimen.mesh
        faces = seen_faces(frame, mesh.faces)
        points = frame.positions.astype(np.float64)
        if self.said.kind in HEADS:
            parts, below = HEADS[self.said.kind]
            head = points[np.unique(faces[self.specimen.mesh.of_parts(parts)[faces].all(axis=1)])]
            if len(head):
                size = np.ptp(head, axis=0).max()
                low = np.quantile(head[:, 2], 0.05) - below * size
                faces = faces[(points[faces][:, :, 2] > low).all(axis=1)]
        points[:, :2] = points[:, :2] @ self.turn.T
        emission = np.zeros(len(points)) if frame.emission is None else frame.emission
        return Thing.of(points, faces, frame.albedo, emission)

    def sometime(self, rng: np.random.Generator) -> tuple[Thing, Said]:
        """In one of its states."""
        state = self.states[_pick([state.often for state in self.states], rng)]
        return self.at(rng.uniform(state.low, state.high)), replace(self.said, state=state)


def front(kind: str, specimen: Specimen) -> Reals:
    """(2, 2) the turn about the upright axis that brings an individual's front to -Y, or what it reaches out to +X."""
    frame = specimen.at(SPECIES[kind].life.prime)
    points, faces = frame.positions.astype(np.float64), seen_faces(frame, specimen.mesh.faces)
    corner = points[faces]
    across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    areas, middles = np.linalg.norm(across, axis=1), corner.mean(axis=1)
    if kind in ACROSS:
        flat = middles[:, :2] - np.average(middles[:, :2], axis=0, weights=areas)
        axes = np.linalg.eigh((flat * areas[:, None]).T @ flat)[1]
        way = axes[:, 1]
        way = way * (1.0 if (areas * (flat @ way) ** 3).sum() >= 0 else -1.0)  # the heavier half on one side
        return _turning(way, np.array([1.0, 0.0]))
    root = points[points[:, 2] < points[:, 2].min() + 0.05 * np.ptp(points[:, 2])][:, :2].mean(axis=0)
    if kind in FACES:
        own = specimen.mesh.of_parts(FACES[kind])[faces].all(axis=1)
        head = np.average(middles[own, :2], axis=0, weights=areas[own])
        return _turning(head - root, np.array([0.0, -1.0]))
    if kind in ("apple", "rose"):
        own = specimen.mesh.of_parts(("leaf", "leaves"))[faces].all(axis=1)
        way = np.average(middles[own, :2], axis=0, weights=areas[own]) - root
    else:
        way = np.average(middles[:, :2], axis=0, weights=areas) - root
    return _turning(way, np.array([1.0, 0.0]))


def beside(first: Thing, second: Thing, side: tuple[float, float], rng: np.random.Generator) -> Thing:
    """Two things on one ground, about as large; the first stands on a side of the second."""
    sized = [(thing.points * rng.uniform(*LIKE), thing) for thing in (first, second)]
    apart = sum(np.linalg.norm(points[:, :2], axis=1).max() for points, _ in sized) * rng.uniform(*APART)
    placed = []
    for (points, _), share in zip(sized, (1.0, 0.0), strict=True):
        points = points - [0.0, 0.0, points[:, 2].min()]
        points[:, :2] += share * apart * np.array(side)
        placed.append(points)
    faces = np.concatenate([first.faces, second.faces + np.int32(len(first.points))])
    albedo, emission = (
        np.concatenate([getattr(thing, name) for thing in (first, second)]) for name in ("albedo", "emission")
    )
    return Thing.of(np.concatenate(placed), faces, albedo, emission)


def of_two(ones: list[Individual], rng: np.random.Generator) -> tuple[Thing, list[str], bool, str] | None:
    """Two of different kinds at their best, what they are called, whether a model of views may not see them, and who
    they are; None where there are no two."""
    fit = [one for one in ones if one.said.kind in COMPACT]
    kinds = sorted({one.said.kind for one in fit})
    if len(kinds) < 2:
        return None
    chosen = rng.choice(len(kinds), 2, replace=False)
    pair = [_among([one for one in fit if one.said.kind == kinds[number]], rng) for number in chosen]
    things, said = [], []
    for one in pair:
        state = one.states[_pick([state.often**4 for state in one.states], rng)]
        things.append(one.at(rng.uniform(state.low, state.high)))
        said.append(replace(one.said, state=state))
    side = SIDES[rng.integers(len(SIDES))]
    captions = captions_of_two(said[0], said[1], side)
    origin = " and ".join(f"{one.said.kind} {one.seed}" for one in pair)
    return beside(things[0], things[1], side, rng), captions, any(one.unseen for one in said), origin


def seen_faces(frame: Frame, faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Those that are there, and have an area."""
    if frame.opacity is not None:
        faces = faces[(frame.opacity[faces] > VISIBLE).all(axis=1)]
    size = max(float(np.ptp(frame.positions, axis=0).max()), 1e-9)
    return sound_faces(faces, frame.positions.astype(np.float64) / size)


def _fate(kind: str, rng: np.random.Generator) -> tuple[Said, tuple[State, ...]]:
    """What an individual is, and the states that it can be in: an apple that rots does not dry."""
    every = KINDS[kind].states
    best = every[_pick([state.often for state in every], rng)]
    needy = [one.needs for one in every if one.needs]
    needs = best.needs or (needy[rng.integers(len(needy))] if needy else {})
    fit = tuple(one for one in every if one.needs.items() <= needs.items())
    return drawn(kind, replace(best, needs=needs), rng), fit


def _turning(way: Reals, to: Reals) -> Reals:
    """The turn that brings one direction in the plane to another one."""
    angle = np.arctan2(to[1], to[0]) - np.arctan2(way[1], way[0])
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _within(span: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = span
    return int(rng.integers(low, high + 1)) if isinstance(low, int) else float(rng.uniform(low, high))


def _pick(often: list[float], rng: np.random.Generator) -> int:
    weights = np.array(often)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _among(ones: list[Individual], rng: np.random.Generator) -> Individual:
    return ones[rng.integers(len(ones))]
