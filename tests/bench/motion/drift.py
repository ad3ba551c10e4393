"""Whether a long film goes away from its picture: windows of it, as in the paper's sliding windows, and their slope.

The paper claims that its films, which come round again, are as good late as early, and that predictors of frames, which
go on from what they drew last, are not. Both can be done with any predictor of one period: come round, or go on.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.priors.dynamics import normal
from backend.priors.dynamics.renderer import Renderer, prominence

PERIODS = 4
SECONDS = 20.0  # of so many periods

OnePeriod = Callable[[Tensor, int], Tensor]  # picture (3, H, W), number of the period -> (T, 2, H, W) pixels


def come_round(slices: Tensor, moments: int) -> Tensor:
    """Displacements (PERIODS T, 2, H, W) of a film of slices (K, 4, H, W), T moments a period, at all of its times."""
    return normal.displacements(slices, torch.arange(PERIODS * moments, dtype=torch.float32) / moments)


@torch.no_grad()
def gone_on(predict: OnePeriod, picture: Tensor, renderer: Renderer) -> Tensor:
    """Displacements (PERIODS T, 2, H, W) from the first picture, of a film each of whose periods is predicted from the
    last frame of the one before: a point that has gone by D goes on with what is predicted where it is now."""
    far, found = torch.zeros_like(picture[None, :2]), []
    for number in range(PERIODS):
        textures = predict(picture, number)
        found.append(far + _looked_up(textures, far))
        far = found[-1][-1:]
        picture = renderer(picture[None], textures[-1:], prominence(textures[None]))[0].clamp(-1, 1)
    return torch.cat(found)


def window_means(displacements: Tensor, length: int) -> Tensor:
    """(N - length + 1,) pixels: how far from the picture the mean of each window of so many frames lies, a mean over
    pixels, of displacements (N, 2, H, W). With `length` one period, a film that comes round has the same in all."""
    sums = F.pad(displacements.double().cumsum(dim=0), (0, 0, 0, 0, 0, 0, 1, 0))
    means = (sums[length:] - sums[:-length]) / length
    return torch.linalg.vector_norm(means, dim=1).mean(dim=(1, 2))


def slope(away: Tensor, seconds: float) -> float:
    """Pixels a second by which the windows' means (N,), `seconds` apart, go away: least squares."""
    times = seconds * torch.arange(len(away), dtype=away.dtype)
    times = times - times.mean()
    return ((times * (away - away.mean())).sum() / times.square().sum()).item()


def drift(displacements: Tensor) -> float:
    """Pixels a second, of a film of SECONDS and PERIODS, in windows of a period."""
    count = len(displacements)
    return slope(window_means(displacements, count // PERIODS), SECONDS / count)


def _looked_up(textures: Tensor, far: Tensor) -> Tensor:
    """Textures (T, 2, H, W) at p + far(p), bilinear; beyond the border it is the border's."""
    height, width = textures.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([(x + far[0, 0] + 0.5) / width, (y + far[0, 1] + 0.5) / height], dim=-1) * 2 - 1
    places = place.expand(len(textures), height, width, 2)
    return F.grid_sample(textures, places, padding_mode="border", align_corners=False)
