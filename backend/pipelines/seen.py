"""Sway as a picture shows it: the modes of a mesh, moved as a predicted spectral volume of its render moves.

After "Generative Image Dynamics" (arXiv:2309.07906), whose motion stays in the picture. Here backend/lifting.py finds
the amplitudes of the mesh's modes that go with it, and the wind tells what cannot be seen.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from backend import protocol, spectral, wind
from backend.clip import Mesh
from backend.lifting import SHARP, Blur, Lift, Seen, Unseen, explained, lift, look, strengths
from backend.pipelines.expected import sways, to_keys
from backend.pipelines.still import Pixels, opaque
from backend.pipelines.sway import MATTER, Swaying, sway
from backend.render.cameras import Cameras
from backend.report import Report, part, silent

if TYPE_CHECKING:
    from backend.priors.dynamics import Dynamics

DRAWS = 8  # of gusts, each from two sides: what wind usually does
SHARED = 0.8  # of the covariance between modes is kept, for 16 draws show some where there is none
LEAST = 0.05  # share of what is seen that the modes must explain
WELL = 0.3  # where it is less, they may be those of another matter
THICK = replace(MATTER, thickness=0.01)  # of sheets: stiff beside what carries them, which then bends
# Of what the seedling expects. How soft it is, is measured (build.py bench lifting). Its errors go together over 52
# pixels there, but from about 12 on the wind is believed in the picture's place, and most of the motion is lost.
LEARNED = Blur(soft=1.5, grain=4.0)
STURDY = "The picture moves what carries its leaves more than them, and they are taken to be stiff"
SWAYING, PREDICTED, LIFTED = 0.3, 0.9, 0.93  # of the work, when the modes, the motion and the fit are there


@dataclass(frozen=True, eq=False)
class SwayingAsSeen:
    """A mesh that sways as a picture does."""

    swaying: Swaying
    seen: Seen
    lift: Lift
    base: float  # Hz, of the picture's volume

    @property
    def volume(self) -> spectral.SpectralVolume:
        return spectral.lifted(self.lift.amplitudes, self.swaying.modes.shapes, self.base)

    def from_here(self) -> "SwayingAsSeen":
        """The same swings, about a lean with which the mesh is at t = 0 as the picture shows it."""
        amplitudes = self.lift.amplitudes.copy()
        amplitudes[0] = -amplitudes[1:].real.sum(axis=0)
        lift = replace(self.lift, amplitudes=amplitudes, explained=explained(self.seen, amplitudes))
        return replace(self, lift=lift)


class Expected(NamedTuple):
    """A mesh that sways as a model expects."""

    found: SwayingAsSeen
    said: tuple[str, ...]  # of the picture: what was done to it


def sway_as_expected(
    mesh: Mesh, pixels: Pixels, model: "Dynamics", request: protocol.SwayAsSeen, report: Report
) -> Expected:
    """`pixels` (H, W, 3 or 4) is what the request's camera sees of the mesh.

    Raises:
        UnusablePicture: as still.opaque.
        UnusableSetting, NotFinite, Still: as expected.to_keys and sways.
        UnusableSubject, Rigid: as sway.
        Unseen: the picture does not tell how the mesh moves.
    """
    colours, said = opaque(pixels)
    how = to_keys(model, request)
    swaying = sway(mesh, request, part(report, 0.0, SWAYING))
    volume = sways(model, colours, request.seed, how, part(report, SWAYING, PREDICTED))
    view, projection = (
        torch.tensor(matrix, dtype=torch.float64).reshape(1, 4, 4)
        for matrix in (request.camera.view, request.camera.projection)
    )
    camera = Cameras(view, projection)
    found = _as_seen(swaying, camera, volume, part(report, PREDICTED, LIFTED), LEARNED)
    if swaying.leafy and found.lift.explained < WELL:
        sturdy = sway(mesh, request, part(report, LIFTED, 1.0), THICK)
        other = _as_seen(sturdy, camera, volume, silent, LEARNED)
        if other.lift.explained > found.lift.explained:
            found, said = other, (*said, STURDY)
    _refuse_unlike(found.lift)
    return Expected(found.from_here(), said)


def sway_as_seen(
    swaying: Swaying, camera: Cameras, volume: spectral.SpectralVolume, report: Report, blur: Blur = SHARP
) -> SwayingAsSeen:
    """`volume` (K, H, W, 2) is what the camera sees move, in pixels.

    How much the modes move follows from the picture, bin by bin; how they share it, where the picture leaves that open,
    from wind of any direction. Raises lifting.Unseen.
    """
    found = _as_seen(swaying, camera, volume, report, blur)
    _refuse_unlike(found.lift)
    return found


def _as_seen(
    swaying: Swaying, camera: Cameras, volume: spectral.SpectralVolume, report: Report, blur: Blur
) -> SwayingAsSeen:
    mesh, modes = swaying.mesh, swaying.modes
    report(0.0, "Looking where the picture moves")
    seen = look(camera, mesh.vertices, mesh.faces, modes.shapes, volume, blur)
    loop = spectral.Loop(volume.base, len(volume.coefficients))
    prior = usual(swaying.limber, swaying.answer.wind, loop)
    report(0.5, "Moving the mesh as the picture does")
    found = lift(seen, strengths(seen, prior)[:, None, None] * prior)
    return SwayingAsSeen(swaying, seen, found, volume.base)


def _refuse_unlike(found: Lift) -> None:
    if found.explained < LEAST:
        raise Unseen(
            f"The mesh cannot move as the picture does: its modes explain {max(found.explained, 0.0):.0%} of what is "
            "seen. Try another seed or another view, or press Sway Selected, which needs no picture."
        )


def usual(limber: wind.Limber, blowing: wind.Wind, loop: spectral.Loop) -> NDArray[np.complex128]:
    """(K, M, M) the covariance of amplitudes in a wind of any direction and any gusts.

    That of the first bin is of a body which is seen at some moment of its swings: of its way from there to their
    middle, minus the real part of all of them.
    """
    answers = [wind.sway_both_ways(limber, replace(blowing, seed=seed), loop) for seed in range(DRAWS)]
    draws = np.stack([way for answer in answers for way in (answer.along_x, answer.along_y)], axis=2)  # (K, M, draws)
    found = draws @ draws.conj().swapaxes(1, 2) / draws.shape[2]
    found *= np.where(np.eye(draws.shape[1]) > 0, 1.0, SHARED)
    found[0] = 0.5 * found[1:].real.sum(axis=0)
    return found
