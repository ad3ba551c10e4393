"""How what a prior knows reaches our parameters: score distillation, one formula in one place.

Notation (code -> "MVDream", arXiv:2308.16512; "DreamFusion", arXiv:2209.14988)
    latents            z        of renders, the only thing that slopes go to
    x_t, t             x_t, t   latents noised to level t = 0 ... N - 1; alpha, sigma of it by `Schedule`
    given, without     y, none  the text, and a negative or empty one
    scale              s        of classifier-free guidance
    rescale            phi      how much of the spread that s adds is taken back
    clean              x0^      the estimate of clean latents

    eps^ = eps_without + s (eps_given - eps_without)            and so for v, and for x0
    x0^  = (phi f + 1 - phi) (x_t - sigma eps^) / alpha,        f = std(x0_given) / std(x0^), over each set of views
    loss = w(t) / 2 |z - sg(x0^)|^2                             summed over a latent, mean over latents

Since z - x0^ = (sigma / alpha) (eps^ - eps) where phi = 0, this is both of the losses that are in use:
    "x0"   w = 1: MVDream's
    "sds"  w = alpha sigma: its slope is sigma^2 (eps^ - eps), score distillation sampling as DreamFusion has it

The code of MVDream's authors has phi = 0.5 where the paper has 0.7, which they found to leave floating pieces; here it
is 0.5. Departs from their code: each set of views has a level of its own, where theirs share one in each step. With
one set, which is usual, it is the same.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from backend.priors.prior import Given, Prior

Loss = Literal["x0", "sds"]
FLAT = 1e-8  # added to what is divided and divides: what has no spread keeps it


class NotFinite(ArithmeticError):
    """Something is infinite, or no number at all; the message says what."""


@dataclass(frozen=True)
class ClassifierFree:
    """How estimates of clean latents are drawn from a prior with a text and without."""

    scale: float  # 0: as without the text; 1: as under it; more: further away from what is without it
    rescale: float = 0.0  # phi, in [0, 1]
    clamp: float | None = None  # clean latents lie in [-clamp, clamp]: 1 for priors that work on pixels
    # The two texts one after the other: for less memory, and with the same result. So no `repr` has it, by which what
    # is kept is known.
    apart: bool = field(default=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale >= 0):
            raise ValueError(f"The scale of guidance must be 0 or more, not {self.scale:g}")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"The rescaling must lie in [0, 1], not be {self.rescale:g}")
        if self.clamp is not None and not self.clamp > 0:
            raise ValueError(f"Clean latents can be held within a number above 0, not {self.clamp:g}")


@dataclass(frozen=True)
class Guidance(ClassifierFree):
    """How latents are drawn to what a prior expects. Without another word, as MVDream does it.

    The range of levels goes from its first to its last in a share of all steps, and stays there: its ends are shares
    of the levels. Rescaling and clamping go with either loss; PLAIN_SDS has neither.
    """

    scale: float = 50.0
    rescale: float = 0.5
    loss: Loss = "x0"
    lowest: tuple[float, float] = (0.98, 0.02)
    highest: tuple[float, float] = (0.98, 0.5)
    annealed: float = 0.8  # of all steps

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss not in get_args(Loss):
            raise ValueError(f"The loss is {' or '.join(get_args(Loss))}, not {self.loss!r}")
        for low, high in zip(self.lowest, self.highest, strict=True):
            if not 0 <= low <= high <= 1:
                raise ValueError(f"Levels range from a lower share to a higher one in [0, 1], not {low:g} to {high:g}")
        if not 0 <= self.annealed <= 1:
            raise ValueError(f"Levels are annealed over a share in [0, 1] of the steps, not {self.annealed:g}")

    def levels(self, progress: float, count: int) -> tuple[int, int]:
        """The lowest and the highest of `count` levels at a progress in [0, 1]; both may be drawn."""
        if not 0 <= progress <= 1:
            raise ValueError(f"Progress must lie in [0, 1], not be {progress:g}")
        done = min(progress / self.annealed, 1.0) if self.annealed else 1.0
        low, high = ((1 - done) * first + done * last for first, last in (self.lowest, self.highest))
        return min(round(low * count), count - 1), min(round(high * count), count - 1)


PLAIN_SDS = Guidance(rescale=0.0, loss="sds")


class Distilled(NamedTuple):
    """What one step of distillation gives."""

    loss: Tensor  # (), with slopes to the latents
    clean: Tensor  # (B, C, H, W): x0^, what the prior would see there
    t: Tensor  # (B,), the same for all views of a set


def distil(
    prior: Prior,
    latents: Tensor,
    given: Given,
    without: Given,
    how: Guidance,
    progress: float,
    generator: torch.Generator,
) -> Distilled:
    """Draw latents (B, C, H, W) of renders to what the prior expects of them, at a progress in [0, 1].

    The network is left out of the slopes. The generator is one of the CPU, so that draws are the same on every device.

    Raises:
        ValueError: not as many latents as texts.
        NotFinite: in the loss, or in what it comes from.
    """
    schedule = prior.schedule
    z = latents.to(torch.promote_types(latents.dtype, torch.float32))  # sums of squares overflow half precision
    low, high = how.levels(progress, schedule.levels)
    t = torch.randint(low, high + 1, (len(z) // given.views,), generator=generator)
    t = t.repeat_interleave(given.views).to(z.device)
    eps = torch.randn(z.shape, generator=generator).to(z)
    clean = estimate(prior, schedule.noised(z.detach(), eps, t), t, given, without, how)
    w = (schedule.alpha(t) * schedule.sigma(t)).to(z) if how.loss == "sds" else 1.0
    loss = (w * (z - clean).square()).flatten(1).sum(dim=1).mean() / 2
    _require_finite({"the loss": loss})
    return Distilled(loss, clean, t)


@torch.no_grad()
def estimate(prior: Prior, x_t: Tensor, t: Tensor, given: Given, without: Given, how: ClassifierFree) -> Tensor:
    """x0^ (B, C, H, W) of latents at levels (B,). The network is asked once, for both texts in one batch; or for one
    after the other.

    Raises:
        ValueError: not as many latents as texts.
        NotFinite: in the latents, in what the network says of them, or in the estimate.
    """
    if not len(x_t) == len(given.text) == len(without.text):
        raise ValueError(f"{len(x_t)} latents are given {len(given.text)} texts and {len(without.text)} without")
    if how.scale == 1:
        under = guided = prior.predict(x_t, t, given).to(x_t)
    else:
        if how.apart:
            under, free = (prior.predict(x_t, t, each).to(x_t) for each in (given, without))
        else:
            both = prior.predict(torch.cat([x_t, x_t]), torch.cat([t, t]), given.and_then(without)).to(x_t)
            under, free = both.chunk(2)
        guided = torch.lerp(free, under, how.scale)
    clean = prior.schedule.clean(x_t, guided, t)
    clean = rescaled(clean, prior.schedule.clean(x_t, under, t), how.rescale, given.views)
    _require_finite({"the latents": x_t, "what the prior predicts": guided, "the clean estimate": clean})
    return clean if how.clamp is None else clean.clamp(-how.clamp, how.clamp)


def rescaled(x0: Tensor, like: Tensor, phi: float, views: int) -> Tensor:
    """Latents (B, C, H, W) brought by a share phi to the spread of others, each set of views as a whole.

    After Lin, Liu, Li, Yang, "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv:2305.08891), who
    rescale what the network predicts, each item by itself.
    """
    f = (_spread(like, views) + FLAT) / (_spread(x0, views) + FLAT)
    return (phi * f + (1 - phi)) * x0


def _spread(latents: Tensor, views: int) -> Tensor:
    """(B, 1, 1, 1): of each set, the standard deviation over all that is in it."""
    sets = latents.unflatten(0, (-1, views)).flatten(1)
    return sets.std(dim=1).repeat_interleave(views).view(-1, 1, 1, 1)


def _require_finite(told: dict[str, Tensor]) -> None:
    finite = torch.stack([torch.isfinite(numbers).all() for numbers in told.values()]).tolist()  # the device waits once
    for what, fine in zip(told, finite, strict=True):
        if not fine:
            raise NotFinite(f"Not a finite number in {what}")
