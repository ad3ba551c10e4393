"""Sway of any mesh: its vibration modes, the wind that drives them, and a loop that plays for ever.

After "Generative Image Dynamics" (arXiv:2309.07906), with the modes of the mesh in the place of a learned prior. What a
mesh is made of cannot be seen. Its shape, at equal density and stiffness, tells the shapes of its modes and how their
frequencies compare; how fast it swings is asked for (`pitch`), and how far a storm bends it (`bend`): its matter is
made as stiff and as light as that, or less light where a part would be drawn out like rubber.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend import protocol, spectral, wind
from backend.clip import Mesh
from backend.geometry.anatomy import Anatomy
from backend.geometry.fields import edges
from backend.geometry.modes import Matter, Modes, modes_of
from backend.pipelines.lifecycle import UnusableSubject, Welded, refuse_unusable, weld
from backend.report import Report

MATTER = Matter(thickness=0.001)  # of the body's size: leaves are thin
WAVES = np.random.default_rng(0).normal(0, [6, 6, 6, 3], (6, 4))  # of gusts in a body of size 1: radians, and phases
STRONGEST = 10.0  # of the Beaufort scale: where Calm to Storm ends
FULL = 3.0  # strain in the strongest wind, which leaves 0.95 of `bend` for its lean
PITCHES = (0.4, 2.5)  # Hz: of what is large and what is small, where none is asked for
CALMEST = 0.02  # of it: a sway that was made in no wind at all could never be turned up
LONGEST = 2.0  # times its length: what one edge in a hundred reaches in the strongest wind, and no more
EDGES, MOMENTS, TRIES = 4000, 16, 4  # that are looked at, of a loop, and how often the matter is made heavier
STIFF = 0.01  # of the farthest swing: a loose part that swings less stands still beside it
UNSEEN = 1e-3  # of its size: what goes no further, and far less than in a wind across, is blown edgewise
HARDLY = 5e-3  # of its size: what swings less is taken for a still, being 2 pixels where it fills 400
LARGE = 10.0  # metres: what stands in our winds as a plant does is smaller, or large enough for gusts to pass it by


@dataclass(frozen=True, eq=False)
class Swaying:
    """A mesh, its modes on the artist's vertices in metres, and their answer to the wind."""

    mesh: Mesh
    request: protocol.Sway | protocol.SwayAsSeen
    modes: Modes
    damping: NDArray[np.float64]  # (M,) ratios, of the body and of the air
    answer: wind.Sway
    limber: wind.Limber  # what answered: its body, welded, in metres
    strongest: float  # m/s, mean speed of the storm that `bend` is said of
    leafy: bool  # sheets on solids: how thick the sheets are decides which of the two bends
    said: tuple[str, ...] = ()  # for its owner: that it hardly sways, and why; which of its loose parts do

    @property
    def volume(self) -> spectral.SpectralVolume:
        return self.answer.volume(self.modes.shapes, self.request.direction)


def sway(mesh: Mesh, request: protocol.Sway | protocol.SwayAsSeen, report: Report, matter: Matter = MATTER) -> Swaying:
    """What a specimen grows in stands still, as what is pinned. Raises UnusableSubject, and Rigid where a mesh cannot
    vibrate."""
    if mesh.ground.any():
        mesh = replace(mesh, pin=np.maximum(mesh.ground, 0 if mesh.pin is None else mesh.pin).astype(np.float32))
    refuse_unusable(mesh)
    welded = weld(mesh, report)
    body = welded.body
    anatomy = Anatomy(replace(body, pin=np.maximum(body.pin, body.weight <= 0)))
    report(0.1, "Finding its vibration modes")
    loads = _gusts(wind.Surface.of(body.vertices, body.faces, anatomy.is_sheet), request.modes // 3)
    # the body is one unit large: of its own size it has the same modes, slower ones, and as pitch says in the end
    modes = modes_of(anatomy, matter, request.modes - len(loads), loads=loads).enlarged(welded.metres)
    modes = modes.pitched(request.pitch or usual_pitch(welded.metres))
    report(0.8, "Letting the wind blow")
    limber = wind.Limber(modes, _surface(welded, anatomy), request.damping, request.bend)
    strongest, blowing = (_wind(force, request, welded) for force in (1.0, max(request.storm, CALMEST)))
    strain = wind.strain(limber, strongest)
    if not strain > 0:
        raise UnusableSubject("The mesh lies flat, and wind along the ground has nothing to push: turn it up a little.")
    loop = spectral.Loop(request.lowest, request.frequencies)
    limber = _unstretched(replace(limber, modes=modes.lightened(FULL / strain)), strongest, body.faces, loop)
    modes = limber.modes
    answer = wind.sway_both_ways(limber, blowing, loop)
    damping = request.damping + wind.air_damping(limber, blowing)
    own = replace(modes, shapes=(modes.shapes * body.weight[:, None])[:, welded.vertex])
    if isinstance(request, protocol.Sway):  # what a picture shows moves as that says, wherever wind comes from
        _refuse_edgewise(answer, own, request.direction, welded.metres)
    said = _told_of_stillness(answer, own, request, welded.metres) + _told_of_parts(anatomy, modes.shapes, answer)
    leafy = bool(anatomy.is_sheet.any() and not anatomy.is_sheet.all())
    return Swaying(mesh, request, own, damping, answer, limber, strongest.speed, leafy, said)


def _told_of_stillness(
    answer: wind.Sway, modes: Modes, request: protocol.Sway | protocol.SwayAsSeen, metres: float
) -> tuple[str, ...]:
    """A sentence where nobody would see it move, with what helps. What a picture shows moves as that says."""
    if not isinstance(request, protocol.Sway):
        return ()
    if request.storm == 0:
        return ("The air is calm (storm 0): it stands still until that is raised",)
    volume = answer.volume(modes.shapes, request.direction)
    swing = spectral.farthest(spectral.magnified(volume, np.arange(len(volume.coefficients)) > 0)) / metres
    if swing >= HARDLY:
        return ()
    told = f"It swings by {max(100 * swing, 0.01):.2f} % of its size at most, hardly to be seen"
    helps = "raise Calm to Storm (storm)" if request.storm < 1 else "raise Most Lean (bend)"
    if metres < LARGE:
        return (f"{told}: {helps}",)
    large = f"it is {metres:,.0f} m large, and gusts pass by such things"
    return (f"{told}: {large}. Make it 100 times smaller if it is meant in centimetres, else {helps}"[:200],)


def _told_of_parts(anatomy: Anatomy, shapes: NDArray[np.float64], answer: wind.Sway) -> tuple[str, ...]:
    """A sentence on the loose parts of a body, where it has several: how many of them sway, and why others do not.

    Shapes (M, N, 3) are what answered.
    """
    anatomy, body, labels = anatomy.planted, anatomy.body, anatomy.labels
    count = int(labels.max()) + 1
    if count == 1:
        return ()
    power = sum((np.abs(way) ** 2).sum(axis=0) for way in (answer.along_x, answer.along_y))
    farthest = np.zeros(count)
    np.maximum.at(farthest, labels, np.sqrt(np.einsum("m,mnc,mnc->n", power, shapes, shapes)))
    sways = farthest > STIFF * farthest.max()
    hanging = sways & (np.bincount(labels, anatomy.held, minlength=count) == 0)
    those = "" if (hanging == sways).all() else f" {np.count_nonzero(hanging)} of them"
    those = f",{those} hanging on what is nearest" if hanging.any() else ""
    if sways.all():
        return (f"All of its {count} loose parts sway{those}",)
    reasons, left = [], ~sways
    for why, chosen in {
        "outside the Effect group": body.weight <= 0,
        "pinned": body.pin >= 0.5,
        "a pot": anatomy.vessel,
        "flat on the ground": anatomy.held >= 0.5,
        "stuck in what stands still": ~shapes.any(axis=(0, 2)),
        "too stiff to be seen to move": np.ones(len(labels), bool),
    }.items():
        mine = left & (np.bincount(labels, ~chosen, minlength=count) == 0)
        reasons += [(np.count_nonzero(mine), why)] if mine.any() else []
        left &= ~mine
    why = f", {reasons[0][1]}" if len(reasons) == 1 else ": " + ", ".join(f"{each} {why}" for each, why in reasons)
    numbers = {"sway": np.count_nonzero(sways), "stand": np.count_nonzero(~sways)}
    some, others = (f"{each} {verb}{'s' if each == 1 else ''}" for verb, each in numbers.items())
    return (f"Of its {count} loose parts {some}{those}, and {others} still{why}"[:200],)


def _unstretched(
    limber: wind.Limber, strongest: wind.Wind, faces: NDArray[np.int32], loop: spectral.Loop
) -> wind.Limber:
    """As light as before, or heavier where a part of it would be drawn out in the strongest wind: a lid that lies loose
    on its pot, a loaf. Modes are linear, and what should tumble is stretched by them."""
    sides = edges(faces)
    ends = sides[:: -(-len(sides) // EDGES)]
    way = np.subtract(*limber.surface.points[ends.T])
    length = np.linalg.norm(way, axis=1)
    ends, way, length = (each[length > 0] for each in (ends, way, length))
    for _ in range(TRIES):
        answer, shapes = wind.sway_both_ways(limber, strongest, loop), limber.modes.shapes
        apart = shapes[:, ends[:, 0]] - shapes[:, ends[:, 1]]
        longest = 1.0
        for azimuth in (0.0, np.pi / 2):
            moved = spectral.looped(answer.volume(apart, azimuth), MOMENTS)
            shares = np.linalg.norm(way + moved, axis=2) / length
            longest = max(longest, float(np.quantile(shares, 0.99, axis=1).max()))
        if longest <= 1.05 * LONGEST:
            break
        limber = replace(limber, modes=limber.modes.lightened((LONGEST - 1.0) / (longest - 1.0)))
    return limber


def _refuse_edgewise(answer: wind.Sway, modes: Modes, direction: float, metres: float) -> None:
    """Raises UnusableSubject where nothing would be seen to move, and much would in a wind from another side.

    What it tells to type is within the limits of a direction: where a quarter turn on is not, one back does as well.
    """
    along, across = (
        spectral.farthest(answer.volume(modes.shapes, azimuth)) for azimuth in (direction, direction + np.pi / 2)
    )
    if along < UNSEEN * metres and along < 0.05 * across:
        turned = direction + (np.pi / 2 if direction <= np.pi / 2 else -np.pi / 2)
        raise UnusableSubject(
            "The wind blows along the sheet, and nothing would be seen to move: turn Wind Direction by 90 degrees (in "
            f"the terminal --set direction={turned:.2f}, which is in radians), or turn the mesh."
        )


def usual_pitch(metres: float) -> float:
    """Hz of the slowest swing of a plant of that size: it goes about as one over the root of the size."""
    return float(np.clip(metres**-0.5, *PITCHES))


def _gusts(surface: wind.Surface, count: int) -> NDArray[np.float64]:
    """(P, V, 3) patterns of wind, at most `count`: an even one along x and along y, then in waves across the body."""
    patterns = []
    for facing, waves in zip((surface.facing[:, :, 0], surface.facing[:, :, 1]), np.split(WAVES, 2), strict=True):
        phase = surface.points @ waves[:, :3].T + waves[:, 3]
        patterns.append([facing, *(np.cos(phase).T[:, :, None] * facing)])
    alternating = [pattern for pair in zip(*patterns, strict=True) for pattern in pair]
    return np.array(alternating[:count]).reshape(-1, *surface.points.shape)


def _wind(share: float, request: protocol.Sway | protocol.SwayAsSeen, welded: Welded) -> wind.Wind:
    height = max(wind.HEIGHT, welded.metres)
    return wind.Wind.of_force(STRONGEST * share, height, request.direction, request.seed)


def _surface(welded: Welded, anatomy: Anatomy) -> wind.Surface:
    body = welded.body
    return wind.Surface.of(body.vertices * welded.metres, body.faces, anatomy.is_sheet)
