"""What a trained model expects of a picture: how all in it sways, as a spectral volume.

"Generative Image Dynamics" (arXiv:2309.07906): the picture, seen at the networks' size, gives a spectral volume by
diffusion. This much is shared by whatever is made of it: a film, a plane, the motion of a mesh.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend import learned, protocol, spectral, wire
from backend.pipelines import trained
from backend.pipelines.still import Pixels
from backend.report import Report

if TYPE_CHECKING:
    from torch import Tensor

    from backend.priors.dynamics import Dynamics, Sampling

WEIGHTS = Path(__file__).parents[1] / "weights" / "dynamics"  # of the model that comes with us
LIBRARIES = {"torch": "torch", "diffusers": "diffusers", "safetensors": "safetensors"}
FAR = 0.15  # of the picture's side: in the seedling's pictures 99 of 100 pixels that move stay within
STILL = 0.05  # pixels: what moves less than this everywhere is not seen to move


class UnusableSetting(ValueError):
    """What is asked for does not fit the model; the message says what to do."""


class Still(ValueError):
    """A motion that nobody would see; the message says what to do."""


def lacking() -> str:
    """Which libraries are missing, without which no model can be asked, and what to do; "" where all are there."""
    return learned.lacking(**LIBRARIES)


def no_model() -> str:
    """Why a model must be named, and what to do, in a sentence; "" where one comes with us."""
    return trained.lacking_one(WEIGHTS)


def model_of(named: str) -> "Dynamics":
    """The model in a folder, or the one that comes with us. Raises trained.NoModel, NotInstalled."""
    learned.wanted(**LIBRARIES)
    from backend.priors.dynamics import Dynamics

    return trained.loaded(Dynamics.load, named, WEIGHTS, "dynamics")


def sampling(model: "Dynamics", steps: int, loop: bool = False) -> "Sampling":
    """How the motion is drawn: in so many steps, 0 being the usual number. Raises UnusableSetting."""
    from backend.priors.dynamics import Sampling
    from backend.priors.dynamics.sampler import Loop

    how = Sampling(loop=Loop() if loop else None)
    if not steps:
        return how
    try:
        protocol.check_steps(steps, model.scheduler.config.num_train_timesteps)
    except ValueError as error:
        raise UnusableSetting(str(error)) from None
    return replace(how, steps=steps)


def expected(
    model: "Dynamics", picture: "Tensor", seed: int, how: "Sampling", report: Report
) -> spectral.SpectralVolume:
    """How a picture (1, 3, H, W) in [-1, 1] sways: (K, h, w, 2) in pixels of the networks' size. Raises NotFinite."""
    seen = resized(picture, model.sizes.height, model.sizes.width)
    with _told(model, how, report):
        volume = model.predict(seen[0].to(model.denoiser.device), seed, how)
    if not np.isfinite(volume.coefficients).all():
        raise wire.NotFinite(
            "The motion that the model expects holds values that are not numbers: its weights are broken. Train it "
            "again, or name another model"
        )
    return volume


def refuse_too_fast(fps: float, bins: int, speed: float | None = None) -> None:
    """Where motion may have another speed, that is one. Raises UnusableSetting."""
    fastest = (bins - 1) * spectral.BASE * (speed or 1.0)
    if fastest > fps / 2:
        do = "raise the frame rate" if speed is None else "lower the speed, or raise the frame rate"
        raise UnusableSetting(f"Its fastest swing, {fastest:g} Hz, is too fast for {fps:g} frames a second: {do}")


def to_keys(model: "Dynamics", request: protocol.Plane | protocol.SwayAsSeen) -> "Sampling":
    """How the motion is drawn that such a request plays by keys. Raises UnusableSetting."""
    refuse_too_fast(request.fps, model.sizes.bins)
    return sampling(model, request.steps)


def sways(model: "Dynamics", colours: Pixels, seed: int, how: "Sampling", report: Report) -> spectral.SpectralVolume:
    """How what these colours (H, W, 3) show sways, (K, h, w, 2) in pixels of the networks' size.

    Raises:
        NotFinite: what the networks give holds NaN or infinity.
        Still: nothing would be seen to move.
    """
    volume = expected(model, signed(colours), seed, how, report)
    moved = spectral.farthest(volume)
    if moved < STILL:
        raise Still(
            f"Nothing in the picture is seen to move, for it moves by {moved:.2g} pixels at most: try another seed or "
            "another view, or a picture of something that sways"
        )
    return volume


def too_far(volume: spectral.SpectralVolume, amplitude: float) -> tuple[str, ...]:
    """What is said where what is expected, so many times as large, goes farther than a picture holds together."""
    advised, share = amplitude * held_together(volume, amplitude), _reach(volume, amplitude)
    if advised >= amplitude:
        return ()
    return (
        f"Something in it moves by up to {share:.0%} of a side, farther than is often seen: if it is torn, take "
        f"another seed, or an amplitude of {advised:.1g}",
    )


def held_together(volume: spectral.SpectralVolume, amplitude: float) -> float:
    """By what to multiply an amplitude, at most 1, so that nothing goes farther than a picture holds together: such
    that the product has one digit."""
    share = _reach(volume, amplitude)
    return 1.0 if share <= FAR else min(1.0, float(f"{amplitude * FAR / share:.1g}") / amplitude)


def _reach(volume: spectral.SpectralVolume, amplitude: float) -> float:
    """How far anything goes, in sides of the picture."""
    return amplitude * spectral.farthest(volume) / min(volume.coefficients.shape[1:3])


@contextmanager
def _told(model: "Dynamics", how: "Sampling", report: Report) -> Iterator[None]:
    """Each time that the denoiser is asked is a step of the work, and a place where the job may be cancelled."""
    count, asked = how.steps * (how.loop.recurrences if how.loop else 1), 0

    def step(*_: object) -> None:
        nonlocal asked
        report(asked / count, f"Drawing the motion, step {asked + 1} of {count}")
        asked += 1

    hook = model.denoiser.register_forward_pre_hook(step)
    try:
        yield
    finally:
        hook.remove()


def signed(pixels: Pixels) -> "Tensor":
    """(1, 3, H, W) in [-1, 1]."""
    import torch

    return torch.from_numpy(pixels.astype(np.float32)).movedim(-1, 0)[None] / 127.5 - 1


def resized(x: "Tensor", height: int, width: int) -> "Tensor":
    """(B, C, height, width): what is there already comes back to the bit."""
    import torch.nn.functional as F

    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", antialias=True)
