"""Things to look at: specimens of random age and parameters, and how the wind moves them.

An object is grown once, its modes are solved once, and it is then seen in several winds from many sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend import specimens, wind
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Body
from backend.geometry.fields import sound_faces
from backend.geometry.modes import Matter, Modes, Rigid, modes_of
from backend.species import SPECIES, Species
from backend.spectral import Loop, SpectralVolume, looped

Reals = NDArray[np.floating]

MATTER = Matter(thickness=0.001)  # of the body's size: leaves are thin
MODES = 16
STRONGEST = 10.0  # of the Beaufort scale: bent by it, an object leans 0.95 of what it can
FULL = 3.0  # strain in that wind
PITCH, PITCHES = 0.5, (0.3, 1.5)  # Hz, of what is a metre large, and limits: most of the motion has to be below 3 Hz
DRIVEN = 30  # bins of the wind, more than are ever kept: real motion has no last bin either
VISIBLE = 0.5  # opacity below which a vertex is taken to be gone
AGES = 0.05, 0.95
BESIDE = 0.3, 0.8  # of an object's size: how far from it another one stands
SCRAP = 0.02  # of the surface


@dataclass(frozen=True, eq=False)
class Object:
    """Something that stands on the ground: V vertices, F triangles, M modes, of which a still thing has none."""

    kind: str
    points: Reals  # (V, 3) metres, at rest
    faces: NDArray[np.int32]  # (F, 3)
    albedo: Reals  # (V, 3) linear
    roughness: Reals  # (V,)
    emission: Reals  # (V,)
    shapes: Reals  # (M, V, 3) kg^-1/2
    answers: tuple[wind.Sway, ...]  # to some winds

    @classmethod
    def grown(cls, kind: str, detail: float, winds: int, breeze: float, rng: np.random.Generator) -> Self:
        """An individual of `kind`, at any age. One that nothing can bend, as a bud in the ground, stands still."""
        specimen = specimens.grow(record(SPECIES[kind], detail, rng), int(rng.integers(2**31)))
        frame = specimen.at(rng.uniform(*AGES))
        faces = specimen.mesh.faces
        if frame.opacity is not None:
            faces = faces[(frame.opacity[faces] > VISIBLE).all(axis=1)]
        points = frame.positions.astype(np.float64)
        used = points[np.unique(faces)]
        low, high = used.min(axis=0), used.max(axis=0)
        metres = float((high - low).max())
        points -= [*(low + high)[:2] / 2, low[2]]
        kept, faces = np.unique(sound_faces(faces, points / metres), return_inverse=True)
        points, faces = points[kept], faces.reshape(-1, 3).astype(np.int32)

        def own(name: str, usual: float) -> Reals:
            value = getattr(frame, name)
            return np.full(len(kept), usual) if value is None else value[kept].astype(np.float64)

        still = cls(
            kind, points, faces, frame.albedo[kept].astype(np.float64), own("roughness", 0.5), own("emission", 0.0),
            np.zeros((0, len(points), 3), np.float32), (),
        )  # fmt: skip
        if not SPECIES[kind].life.sways:
            return still
        try:
            return still.in_winds(metres, winds, breeze, rng, specimen.mesh.ground[kept])
        except Rigid:
            return still

    def in_winds(
        self, metres: float, winds: int, breeze: float, rng: np.random.Generator, ground: NDArray[np.bool_]
    ) -> Self:
        """With modes, and their answers to so many winds of about `breeze` Beaufort; `ground` (V,) stands still.

        No picture tells how hard it blows, and how far things go rises with its third power. Where it went from 2 to
        10, motions of one picture lay two orders of magnitude apart, and a model could not learn how far they go.
        Raises Rigid.
        """
        count = len(self.points)
        body = Body(
            self.points / metres, self.faces, ground.astype(float), np.ones(count),
            self.albedo, self.roughness, np.zeros(count),
        )  # fmt: skip
        anatomy = Anatomy(body)
        surface = wind.Surface.of(self.points, self.faces, anatomy.is_sheet)
        modes = without_scraps(modes_of(anatomy, MATTER, MODES).enlarged(metres), surface.areas)
        modes = modes.pitched(np.clip(PITCH * metres**-0.5, *PITCHES) * np.exp(rng.normal(0.0, 0.3)))
        damping, bend = rng.uniform(0.03, 0.12), rng.uniform(0.08, 0.2)
        limber = wind.Limber(modes, surface, damping, bend)
        height = max(wind.HEIGHT, metres)
        modes = modes.lightened(FULL / wind.strain(limber, wind.Wind.of_force(STRONGEST, height)))
        limber = replace(limber, modes=modes)
        answers = []
        for _ in range(winds):
            blowing = wind.Wind.of_force(breeze + rng.uniform(-1.0, 1.0), height, seed=int(rng.integers(2**31)))
            blowing = replace(blowing, turbulence=rng.uniform(0.25, 0.35))
            answers.append(wind.sway_both_ways(limber, blowing, Loop(bins=DRIVEN)))
        return replace(self, shapes=modes.shapes.astype(np.float32), answers=tuple(answers))

    def swing(self, frames: int, azimuth: float, rng: np.random.Generator) -> Reals:
        """(T, M) modal coordinates of one loop in `frames` even steps, in one of its winds, which blows towards
        `azimuth`; it begins at any moment of the loop."""
        if not self.answers:
            return np.zeros((frames, 0), np.float32)
        amplitudes = self.answers[rng.integers(len(self.answers))].towards(azimuth)
        return np.roll(looped(SpectralVolume(amplitudes), frames), -int(rng.integers(frames)), axis=0)

    def placed(self, turn: float, scale: float, shift: Reals) -> Self:
        """Turned about z by `turn` radians, scaled, and moved on the ground by `shift` (2,) metres. The winds that it
        knows turn with it."""
        c, s = np.cos(turn), np.sin(turn)
        matrix = scale * np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        points, shapes = self.points @ matrix + [*shift, 0.0], self.shapes @ matrix.astype(np.float32)
        return replace(self, points=points, shapes=shapes)

    def moved(self, swing: Reals) -> NDArray[np.float32]:
        """(T, V, 3) metres, of modal coordinates (T, M)."""
        flat = self.shapes.reshape(len(self.shapes), 3 * len(self.points))
        return (swing.astype(np.float32) @ flat).reshape(-1, *self.points.shape) + self.points.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """Objects that stand together, as one, and how it swings."""

    thing: Object  # of the first one's kind
    swing: Reals  # (T, M)


def gather(things: Sequence[Object], frames: int, rng: np.random.Generator) -> Scene:
    """The first of them at the origin, the others beside it and about as large, all turned anyhow, in one direction of
    the wind; each swings for itself."""
    azimuth = rng.uniform(0, 2 * np.pi)
    standing, swings = [], []
    for number, thing in enumerate(things):
        scale, shift = 1.0, np.zeros(2)
        if number:
            metres = np.ptp(things[0].points, axis=0).max()
            scale = metres / np.ptp(thing.points, axis=0).max() * rng.uniform(0.5, 1.0)
            angle = rng.uniform(0, 2 * np.pi)
            shift = metres * rng.uniform(*BESIDE) * np.array([np.cos(angle), np.sin(angle)])
        turn = rng.uniform(0, 2 * np.pi)
        standing.append(thing.placed(turn, scale, shift))
        swings.append(thing.swing(frames, azimuth - turn, rng))
    return Scene(_joined(standing), np.concatenate(swings, axis=1))


def _joined(things: Sequence[Object]) -> Object:
    """One object, whose modes are those of each."""
    if len(things) == 1:
        return things[0]
    vertices = np.cumsum([0, *(len(thing.points) for thing in things)])
    modes = np.cumsum([0, *(len(thing.shapes) for thing in things)])
    shapes = np.zeros((modes[-1], vertices[-1], 3), np.float32)
    for number, thing in enumerate(things):
        own = slice(*modes[number : number + 2]), slice(*vertices[number : number + 2])
        shapes[own] = thing.shapes
    faces = [thing.faces + np.int32(first) for thing, first in zip(things, vertices[:-1], strict=True)]
    surface = {
        name: np.concatenate([getattr(thing, name) for thing in things])
        for name in ("points", "albedo", "roughness", "emission")
    }
    return replace(things[0], faces=np.concatenate(faces), shapes=shapes, answers=(), **surface)


def without_scraps(modes: Modes, areas: Reals) -> Modes:
    """The modes that move more than a scrap, such as a wart on a cap. Of so small a thing nobody sees the swing, but if
    it is the softest, it sets the pace and the reach of all. Raises Rigid where no other mode is left."""
    squares = (modes.shapes**2).sum(axis=2)
    moving = (squares @ areas) ** 2 / (squares**2 @ areas) / areas.sum()  # share of the area: inverse participation
    kept = moving > SCRAP
    if not kept.any():
        raise Rigid("Nothing but scraps can sway.")
    return Modes(modes.frequencies[kept], modes.shapes[kept])


def record(kind: type[Species], detail: float, rng: np.random.Generator) -> Species:
    """Parameters about the usual ones, and any colour now and then."""
    values = {}
    for field in msgspec.inspect.type_info(kind).fields:
        own, kinded = field.default, field.type
        while isinstance(kinded, msgspec.inspect.Metadata):
            kinded = kinded.type
        low, high = getattr(kinded, "ge", None), getattr(kinded, "le", None)
        if field.name == "fallen":
            own = 0  # what falls does not hang on anything that sways
        elif isinstance(kinded, msgspec.inspect.IntType):
            own = int(np.clip(round(own * rng.uniform(0.5, 1.4)), low, high))
        elif field.name == "height":
            own = float(own * rng.uniform(0.7, 1.4))
        elif isinstance(kinded, msgspec.inspect.FloatType):
            own = float(np.clip(own * rng.uniform(0.7, 1.3), low, high))
        elif rng.random() < 0.3:
            own = tuple(float(channel) for channel in rng.uniform(0.01, 0.8, 3) ** 1.5)
        else:
            own = tuple(float(channel) for channel in np.clip(np.array(own) * np.exp(rng.normal(0, 0.3, 3)), 0, 1))
        values[field.name] = own
    return kind(**values | {"detail": detail})
