"""Frames of a picture in motion: its features are carried along the motion, and a network makes a picture of them.

After "Generative Image Dynamics" (Li et al., arXiv:2309.07906), section 5:

    features      of I_0 at several scales, each half the size of the one before
    F_t           displacements from I_0 to frame t, in pixels; at each scale in the pixels of that scale
    W(p)          = (1 / T) sum_t |F_t(p)|: what moves far is taken to be in front
    warped        every scale's features by softmax splatting along F_t, with W
    I^_t          what the synthesis network makes of them; it fills what the motion uncovers

Departs from the paper:
- Encoder and synthesis are small residual networks, trained together from the beginning: no ResNet-34, no GAN. They
  have no normalisation over the picture, so that a leaf that moves in one corner changes no colour in another.
- The frame is the splatted picture and what the network adds. It adds nothing where nothing near has moved: what
  stands still comes back as it was, to the bit.
- What the motion uncovers lay behind what moved. So holes of the splatted picture are first filled with what is seen
  about them, the less it moves the rather (pull and push of Gortler et al., "The Lumigraph", 1996).
- A picture that is finer than what its motion was found in is stretched where parts move apart, for there the motion
  has no edges. Pixels come to lie apart, and what is behind shows between them: such cracks are closed.
- How much W decides is learned: the metric of the splatting is `sharpness` times W.

`single_scale` is the baseline of the paper's ablation: features of one scale are splatted, and those of the others are
made of what came out. It is the same network, with the splatting at another place.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

from backend.priors.dynamics.features import Perception, distance
from backend.priors.dynamics.sizes import Widths
from kernels.softmax_splat import softmax_splat

COLOURS = 3
STILL = 0.5  # pixels: what moves farther is all the network's to change
REACH = 2  # pixels: as near as this to what moves, the network may change what stands still
SHARPNESS = 4.0  # at first, per pixel of W
FARTHEST_FRONT = -10.0  # exp of it is what is left of the weight of what moves most, where holes are filled
NOTHING = 1e-8  # of a weight
FINER = 3.0  # times as fine as its motion: from here on a picture has cracks where it is stretched
CRACKS = 2  # pixels: what is nearer than this to what moves on both sides is within it
STRETCHED = 1.2  # pixels from one to the next: from here on splatted ones leave some out
AT_ONCE = 16  # frames of a video
PERCEPTUAL = 1.0


class Renderer(ModelMixin, ConfigMixin):
    """One picture and its motion -> frames."""

    @register_to_config
    def __init__(self, widths: Widths, single_scale: bool = False) -> None:
        super().__init__()
        widths = tuple(widths)
        coarser = widths[1:]
        self.stem = nn.Sequential(_convolution(COLOURS, widths[0]), Residual(widths[0]))
        self.downs = nn.ModuleList(
            nn.Sequential(_convolution(one, two, stride=2), Residual(two))
            for one, two in zip(widths[:-1], coarser, strict=True)
        )
        # Each is given the warped features and where they are, and what the coarser one made; the finest the base too.
        given = [width + 1 for width in widths]
        given[0] += COLOURS + 1
        self.ups = nn.ModuleList(
            nn.Sequential(_convolution(one + below, width), Residual(width))
            for one, below, width in zip(given, (*coarser, 0), widths, strict=True)
        )
        self.last = nn.Sequential(nn.SiLU(), _empty(widths[0], COLOURS))
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))

    def forward(self, picture: Tensor, motion: Tensor, prominence: Tensor) -> Tensor:
        """Frames (B, 3, H, W) of pictures (B, 3, H, W) in [-1, 1], displaced by motion (B, 2, H, W), in pixels.

        `prominence` (B, 1, H, W) is W. All are float32. Values may leave [-1, 1] a little.

        Raises:
            ValueError: sides that the coarsest scale does not divide.
        """
        return self.frames(picture, self.features(picture), motion, prominence)

    def features(self, picture: Tensor) -> list[Tensor]:
        """What is splatted of a picture, the finest scale first; it is the same for all of its frames."""
        step = 2 ** len(self.downs)
        if picture.shape[-2] % step or picture.shape[-1] % step:
            raise ValueError(f"Sides must be multiples of {step}, not {picture.shape[-2]} x {picture.shape[-1]}")
        finest = self.stem(picture)
        return [finest] if self.config.single_scale else self._coarser(finest)

    def frames(
        self, picture: Tensor, features: list[Tensor], motion: Tensor, prominence: Tensor, finer: float = 1.0
    ) -> Tensor:
        """As `forward`, of features that are already there. `finer`: how many times as fine the picture is as what its
        motion was found in."""
        length = torch.linalg.vector_norm(motion.detach(), dim=1, keepdim=True)
        given = [picture, length, prominence, features[0]]
        if finer >= FINER:
            given.append(stretch(motion.detach()))
        carried, covered = self._splat(torch.cat(given, dim=1), motion, prominence)
        base, arrived, front, finest, *apart = carried.split([one.shape[1] for one in given], dim=1)
        if apart:
            base, covered, front = _closed(base, covered, front, *apart)
        base = _filled(base, covered, covered * (-self.sharpness * front).clamp(min=FARTHEST_FRONT).exp())
        near = _near(torch.maximum(length, arrived.detach()))

        if self.config.single_scale:
            warped = [[one, _smaller(covered, scale)] for scale, one in enumerate(self._coarser(finest))]
        else:
            coarser = (self._splat(one, motion, prominence, scale) for scale, one in enumerate(features[1:], start=1))
            warped = [[finest, covered], *map(list, coarser)]
        warped[0] += [base, near]
        return base + near * self.last(self._synthesised(warped))

    @torch.no_grad()
    def video(self, picture: Tensor, motions: Tensor) -> Tensor:
        """Frames (T, 3, H, W) in [-1, 1] of one picture (3, H, W), displaced by motions (T, 2, H, W), in pixels."""
        features, front = self.features(picture[None]), prominence(motions[None])
        frames = []
        for some in motions.split(AT_ONCE):
            count = len(some)
            given = [one.expand(count, *one.shape[1:]) for one in (picture[None], *features, front)]
            frames.append(self.frames(given[0], given[1:-1], some, given[-1]).clamp(-1, 1))
        return torch.cat(frames)

    def _coarser(self, finest: Tensor) -> list[Tensor]:
        scales = [finest]
        for down in self.downs:
            scales.append(down(scales[-1]))
        return scales

    def _splat(self, features: Tensor, motion: Tensor, front: Tensor, scale: int = 0) -> tuple[Tensor, Tensor]:
        """Features after the motion, and where there are any, (B, 1, h, w)."""
        splat = softmax_splat(features, _smaller(motion, scale) / 2**scale, self.sharpness * _smaller(front, scale))
        return splat.image, splat.covered.to(features)

    def _synthesised(self, warped: list[list[Tensor]]) -> Tensor:
        coarser = []
        for up, given in zip(reversed(self.ups), reversed(warped), strict=True):
            made = up(torch.cat([*given, *coarser], dim=1))
            coarser = [F.interpolate(made, scale_factor=2.0)]
        return made


def fresh(widths: Widths, single_scale: bool = False) -> Renderer:
    """An untrained renderer, which splats; its first weights come from torch's global generator."""
    return Renderer(widths, single_scale)


def prominence(motions: Tensor) -> Tensor:
    """W (B, 1, H, W), in pixels, of the motions (B, T, 2, H, W) of whole videos."""
    return torch.linalg.vector_norm(motions, dim=2).mean(dim=1, keepdim=True)


class Losses(NamedTuple):
    """Of one batch, each without its weight."""

    l1: Tensor
    perceptual: Tensor

    @property
    def total(self) -> Tensor:
        return self.l1 + PERCEPTUAL * self.perceptual


def losses(frames: Tensor, truth: Tensor, perception: Perception) -> Losses:
    """Of frames (B, 3, H, W) against what they should be, with a perception that is trained and frozen."""
    return Losses((frames - truth).abs().mean(), distance(perception, frames, truth))


class Residual(nn.Module):
    """What comes in, and what two convolutions make of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.added = nn.Sequential(nn.SiLU(), _convolution(width, width), nn.SiLU(), _convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.added(x)


def _convolution(width: int, out: int, stride: int = 1) -> nn.Conv2d:
    """It keeps the size of what comes in: nothing later would bring that back."""
    convolution = nn.Conv2d(width, out, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")
    nn.init.zeros_(convolution.bias)
    return convolution


def _empty(width: int, out: int) -> nn.Conv2d:
    convolution = _convolution(width, out)
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    return convolution


def _smaller(x: Tensor, scale: int) -> Tensor:
    return F.avg_pool2d(x, 2**scale) if scale else x


def _near(moved: Tensor) -> Tensor:
    """How much of a pixel is the network's, in [0, 1], of how far it or what came to it has moved."""
    return F.max_pool2d(moved / STILL, 2 * REACH + 1, stride=1, padding=REACH).clamp(max=1)


def stretch(motion: Tensor) -> Tensor:
    """(B, 1, H, W) how far a pixel comes to lie from the farthest of its four neighbours, by motion (B, 2, H, W)."""
    across, down = (motion.diff(dim=dim) for dim in (3, 2))
    right = torch.hypot(1 + across[:, :1], across[:, 1:])
    below = torch.hypot(down[:, :1], 1 + down[:, 1:])
    sides = F.pad(right, (0, 1)), F.pad(right, (1, 0)), F.pad(below, (0, 0, 0, 1)), F.pad(below, (0, 0, 1, 0))
    return torch.stack(sides).amax(dim=0)


def _closed(image: Tensor, covered: Tensor, front: Tensor, apart: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Image (B, C, H, W), where it is covered and how prominent it is (B, 1, H, W), all without cracks: where what is
    before it on both sides is at least twice as prominent, and its pixels lie `apart`, it is a mean of these."""
    size = 2 * CRACKS + 1
    there = covered * front
    ahead = -F.max_pool2d(-F.max_pool2d(there, size, 1, CRACKS), size, 1, CRACKS)  # closing, of grey-scale morphology
    crack = (F.max_pool2d(covered * apart, size, 1, CRACKS) > STRETCHED) & (2 * there < ahead)
    sound = there * ~crack
    share, beside = (F.avg_pool2d(one, size, 1, CRACKS) for one in (sound, sound * image))
    mended = crack & (share > NOTHING)
    image = torch.where(mended, beside / share.clamp(min=NOTHING), image)
    return image, torch.maximum(covered, mended.to(covered)), torch.where(mended, ahead, front)


def _filled(image: Tensor, covered: Tensor, weight: Tensor) -> Tensor:
    """The image (B, C, H, W) where it is `covered` (B, 1, H, W), else means of what is near, by `weight`, alike."""
    if image.shape[-2] % 2 or image.shape[-1] % 2:
        total = weight.sum(dim=(-2, -1), keepdim=True)
        beyond = (weight * image).sum(dim=(-2, -1), keepdim=True) / (total + NOTHING)
    else:
        share = F.avg_pool2d(weight, 2)
        means = F.avg_pool2d(weight * image, 2) / (share + NOTHING)
        trusted = (4 * share).clamp(max=1)
        beyond = F.interpolate(_filled(means, trusted, trusted), scale_factor=2.0, mode="bilinear")
    return covered * image + (1 - covered) * beyond
