"""A picture comes to life: what a trained model expects of it as a spectral volume, and its film.

"Generative Image Dynamics" (arXiv:2309.07906): the picture, seen at the networks' size, gives a spectral volume S by
diffusion; that gives a displacement F_t of each pixel and each frame; the renderer carries the picture along it. The
volume may be made larger or faster before. For a pull at a point (their section on interactive dynamics; after Davis,
Chen, Durand, "Image-space modal bases for plausible manipulation of objects in video", 2015) the slices S_k are taken
as the shapes of modes with the frequencies of their bins, and the film is of these as they ring, let go:

    F_t(p) = Re sum_{k>0} S_k(p) y_k(t),    y_k = q_k - i v_k / w_k

Departs from them: the modes go by their exact exponential and not by explicit Euler, which grows without bound for
steps as long as a frame's; and a hand holds the point with the least energy, so the pull is a distance and no force.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend import oscillators, protocol, spectral, wire
from backend.pipelines.expected import (
    STILL,
    Still,
    UnusableSetting,
    expected,
    model_of,
    refuse_too_fast,
    resized,
    sampling,
    signed,
    too_far,
)
from backend.pipelines.still import Pixels, film_size, opaque
from backend.report import Report, part

if TYPE_CHECKING:
    from torch import Tensor

    from backend.priors.dynamics import Dynamics

FIRM = 0.01  # give of the hand that pulls, beside the compliance of what gives way most
HELD = 0.1  # of a pull: where the hand gets no farther, nothing sways
RINGING = 2  # periods of the loop that a film of a pull lasts
AT_ONCE = 2**19  # pixels of the frames that are rendered together
PREDICTED = 0.5  # of the work, when the motion is there

Motions = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Moving:
    """A picture and its motion."""

    picture: Pixels  # (H, W, 3) at the film's size
    volume: spectral.SpectralVolume  # (K, h, w, 2) as it is played, in pixels of the networks' size
    motions: Motions  # (T, h, w, 2) of the frames to be, in pixels of the film
    fps: float
    loop: bool
    said: tuple[str, ...]  # of the picture: what was done to it, and how far it goes
    model: "Dynamics"

    @property
    def farthest(self) -> float:
        """Pixels of the film."""
        return farthest(self.motions)

    def film(self, report: Report) -> Iterator[Pixels]:
        """The frames (H, W, 3), each as soon as it is rendered. Raises NotFinite."""
        import torch

        renderer = self.model.renderer
        height, width, _ = self.picture.shape
        step, finer = 2 ** len(renderer.downs), min(height / self.motions.shape[1], width / self.motions.shape[2])
        picture = _padded(signed(self.picture).to(renderer.device), step)

        def on_film(some: Motions) -> "Tensor":
            motions = torch.from_numpy(some).movedim(-1, 1).to(renderer.device)
            return _padded(resized(motions, height, width), step)

        count = max(1, AT_ONCE // (height * width))
        batches = [self.motions[at : at + count] for at in range(0, len(self.motions), count)]
        with torch.no_grad():
            features = renderer.features(picture)
            front = sum(on_film(some).norm(dim=1, keepdim=True).sum(dim=0, keepdim=True) for some in batches)
            front /= len(self.motions)
        done = 0
        for some in batches:
            report(PREDICTED + (1 - PREDICTED) * done / len(self.motions), f"Frame {done + 1} of {len(self.motions)}")
            with torch.no_grad():
                shown = [one.expand(len(some), *one.shape[1:]) for one in (picture, *features, front)]
                frames = renderer.frames(shown[0], shown[1:-1], on_film(some), shown[-1], finer)[..., :height, :width]
            if not frames.isfinite().all():
                raise wire.NotFinite(f"The model's frame {done + 1} holds colours that are not numbers: train it again")
            yield from ((frames.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).contiguous().cpu().numpy()
            done += len(some)


def alive(pixels: Pixels, request: protocol.Picture, report: Report) -> Moving:
    """How a picture (H, W, 3 or 4) moves.

    Raises:
        UnusablePicture: nothing can be made of it.
        UnusableSetting: nothing can be made as it is asked for.
        NoModel: there is none.
        NotInstalled: there are no libraries that could use it.
        NotFinite: what the networks give holds NaN or infinity.
        Still: nothing would be seen to move.
    """
    colours, said = opaque(pixels, "and shown before a mid grey")
    width, height = film_size(colours.shape[1], colours.shape[0], request.size)
    period = 1 / (spectral.BASE * request.speed)
    frames = _frames(request, period)
    report(0.0, "Loading the model")
    model = model_of(request.model)
    refuse_too_fast(request.fps, model.sizes.bins, request.speed)
    how = sampling(model, request.steps, request.loop and request.pull is None)
    picture = resized(signed(colours), height, width)
    volume = expected(model, picture, request.seed, how, part(report, 0.0, PREDICTED))
    if request.pull is None:
        said = (*said, *too_far(volume, request.amplitude))
    volume = spectral.slowed(spectral.magnified(volume, request.amplitude), 1 / request.speed)
    high, wide = volume.coefficients.shape[1:3]
    on_film = replace(volume, coefficients=volume.coefficients * np.float32([width / wide, height / high]))
    if request.pull is None:
        motions = spectral.looped(on_film, frames)
    else:
        x, y, *by = request.pull
        times = np.arange(frames) / request.fps
        motions = ring(on_film, (x, y), np.multiply(by, [width, height]), times, request.damping)
    _refuse_still(motions, request)
    shown = ((picture[0] + 1) * 127.5).round().clamp(0, 255).byte().movedim(0, -1).contiguous().numpy()
    return Moving(shown, volume, motions, request.fps, request.pull is None, said, model)


def ring(
    volume: spectral.SpectralVolume, point: ArrayLike, pull: ArrayLike, times: ArrayLike, damping: float
) -> Motions:
    """Displacements (T, H, W, 2) at `times` (T,), seconds after a hand let go that had pulled a point aside.

    The point (2,), across and down, is in shares of the picture, the pull (2,) in pixels of the volume (K, H, W, 2).
    `damping` is the ratio of every mode. Before the hand let go all was at rest; in the end it is where it was at
    first. The lean takes no part.

    Raises:
        Still: nothing sways there, or not that way.
    """
    modes = oscillators.Oscillators(volume.frequencies[1:], damping)
    shapes = volume.coefficients[1:].astype(np.complex128)
    height, width = shapes.shape[1:3]
    across, down = (min(int(share * side), side - 1) for share, side in zip(point, (width, height), strict=True))
    compliance = np.einsum("kyxc,k->yx", np.abs(shapes) ** 2, modes.omega**-2)
    give = FIRM * compliance.max(initial=0.0)
    pull = np.asarray(pull, np.float64)
    there = shapes[:, down, across]
    if give > 0:
        q = oscillators.Hand(modes, there, give).held(pull)
    if not give > 0 or (q @ there).real @ pull < HELD * (pull @ pull):
        best = np.unravel_index(compliance.argmax(), compliance.shape)
        raise Still(
            f"What is {point[0]:.2f} across and {point[1]:.2f} down hardly sways that way, and cannot be pulled: what "
            f"sways most is {(best[1] + 0.5) / width:.2f} across and {(best[0] + 0.5) / height:.2f} down"
        )
    taken = oscillators.free(modes, times)
    let_go = oscillators.State(taken[:, 0, 0] * q, taken[:, 1, 0] * q)
    y = oscillators.complex_state(modes, let_go)  # (T, K - 1)
    flat = shapes.reshape(len(shapes), -1)
    return (y.real @ flat.real - y.imag @ flat.imag).astype(np.float32).reshape(-1, height, width, 2)


def farthest(motions: Motions) -> float:
    """How far anything gets from where it was."""
    return float(np.sqrt((motions.astype(np.float64) ** 2).sum(axis=-1).max()))


def _frames(request: protocol.Picture, period: float) -> int:
    """How many the film has. Raises UnusableSetting."""
    seconds = period if request.pull is None else RINGING * period
    frames = max(1, round(request.fps * seconds))
    if frames > protocol.MAX_FRAMES:
        raise UnusableSetting(
            f"A film of {seconds:g} s has {frames:,} frames at {request.fps:g} a second, and {protocol.MAX_FRAMES:,} "
            "can be made: raise the speed, or lower the frame rate"
        )
    return frames


def _refuse_still(motions: Motions, request: protocol.Picture) -> None:
    moved = farthest(motions)
    if moved >= STILL:
        return
    do = "pull it farther" if request.pull else "raise the amplitude, or take a picture of something that sways"
    raise Still(f"Nothing in it is seen to move, for it moves by {moved:.2g} pixels at most: {do}")


def _padded(x: "Tensor", step: int) -> "Tensor":
    """Sides that `step` divides, with the last row and column again as often as they must be."""
    import torch.nn.functional as F

    return F.pad(x, (0, -x.shape[3] % step, 0, -x.shape[2] % step), mode="replicate")
