"""How alike two pictures look: the distance between what a small network sees in them.

"Generative Image Dynamics" (arXiv:2309.07906) trains its renderer with the features of VGG. Weights of VGG are not
ours to ship, so a small network takes its place. It learns by itself, on the pictures that the renderer is trained on:
they are spoilt by noise, by the loss of colour and by a blank square, and every scale of the network must give the
picture back by one linear layer from each cell. So no scale can leave to another what it does not see, and to undo the
damage it must know what pictures look like (denoising and inpainting as in Vincent et al. 2010 and Pathak et al. 2016;
colour from grey as in Zhang et al. 2016).

Mean and contrast of each colour are taken out of a picture first: otherwise all features are full of them, and a tint
is farther than a blur. They are left to the other part of the renderer's loss, L1.

The distance is that of Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
(CVPR 2018), without their weights of channels: features are brought to unit length in each cell, and the mean squared
difference is summed over scales.
"""

import torch
import torch.nn.functional as F
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

from backend.priors.dynamics.sizes import Widths

COLOURS = 3
NOISE = 0.5  # at most, of pictures in [-1, 1]
SPOILT = 0.5  # of the pictures lose their colour, and as many a square
FLAT = 1e-2  # variance of a colour: what varies less is not drawn out to a variance of 1
FAINT = 1e-3  # features shorter than this are not drawn out to unit length
GREY = (0.299, 0.587, 0.114)


class Perception(ModelMixin, ConfigMixin):
    """A picture as several scales of features."""

    @register_to_config
    def __init__(self, widths: Widths) -> None:
        super().__init__()
        widths = tuple(widths)
        self.scales = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, width, 3, stride=1 if scale == 0 else 2, padding=1),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.SiLU(),
            )
            for scale, (before, width) in enumerate(zip((COLOURS, *widths[:-1]), widths, strict=True))
        )
        self.restorers = nn.ModuleList(nn.Conv2d(width, COLOURS * 4**scale, 1) for scale, width in enumerate(widths))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Features (B, C, H / 2^s, W / 2^s), s = 0, 1, ..., of pictures (B, 3, H, W) in [-1, 1]."""
        seen = [even(picture)]
        for scale in self.scales:
            seen.append(scale(seen[-1]))
        return seen[1:]

    def restored(self, picture: Tensor) -> list[Tensor]:
        """`even` of the picture (B, 3, H, W), as each scale gives it back."""
        return [
            F.pixel_shuffle(restorer(one), 2**scale)
            for scale, (restorer, one) in enumerate(zip(self.restorers, self(picture), strict=True))
        ]


def fresh(widths: Widths) -> Perception:
    """An untrained network; its first weights come from torch's global generator."""
    return Perception(widths)


def distance(perception: Perception, one: Tensor, other: Tensor) -> Tensor:
    """How differently pictures (B, 3, H, W) look: 0 for the same; the mean over pictures. Differentiable in both."""
    pairs = zip(perception(one), perception(other), strict=True)
    return sum((_unit(a) - _unit(b)).square().sum(dim=1).mean() for a, b in pairs)


def restoration_loss(perception: Perception, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The training: pictures (B, 3, H, W), spoilt as `generator` (on the CPU) will have it, are to be given back."""
    given_back, wanted = perception.restored(spoilt(pictures, generator)), even(pictures)
    return sum((one - wanted).abs().mean() for one in given_back) / len(given_back)


def even(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) whose colours each have the mean 0 and the variance 1, where there was any."""
    return F.instance_norm(pictures, eps=FLAT)


def spoilt(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (B, 3, H, W), noisy, some of them grey, and some with a blank square of a quarter of their height."""
    count, _, height, width = pictures.shape

    def chosen(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator).to(pictures)

    grey = torch.einsum("bchw,c->bhw", pictures, pictures.new_tensor(GREY))[:, None]
    out = torch.where(chosen(1, 1, 1) < SPOILT, grey, pictures)
    noise = torch.randn(pictures.shape, generator=generator).to(pictures)
    out = out + NOISE * chosen(1, 1, 1) * noise
    side = height // 4
    rows, columns = (
        _between(chosen(1) * (size - side), side, torch.arange(size, device=pictures.device))
        for size in (height, width)
    )
    square = rows[:, None, :, None] & columns[:, None, None, :] & (chosen(1, 1, 1) < SPOILT)
    return torch.where(square, 0.0, out)


def _between(first: Tensor, count: int, numbers: Tensor) -> Tensor:
    return (numbers >= first) & (numbers < first + count)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1, eps=FAINT)
