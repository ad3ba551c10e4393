"""Whether a long film goes away from how it began: the paper's sliding windows, of rendered frames, and their slope.

The paper claims that its films, which come round again, are as good late as early, and that predictors of frames, which
go on from what they drew last, are not. Both can be done with any predictor of one period: come round, or go on.

Notation (code -> "Generative Image Dynamics", arXiv:2309.07906, its evaluation by sliding windows)
    frames            I^_t  as they are rendered, over 20 s
    apart             D_i   distance of the distribution of frames in a window from that in the first window

Departs from the paper: its FID of 30 frames and DTFVD of 16 take the features of large networks, and real frames for
the first window. Here a frame's pixels are its features, each by itself a Gaussian: the Frechet distance of two windows
is

    D^2 = mean_p (m - m')^2 + (s - s')^2

with mean m and standard deviation s of pixel p over a window, as a share of white. Real frames are not at hand: the
corpus has loops of one period. So a film is held against its own beginning, which tells how it goes on, and not how
good it is. A window is a period, so that a swing is in each of them as a whole. Those that overlap with the first are
left out: where each period is another one by chance, they differ from it the more the later, and nothing has drifted.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.priors.dynamics import normal
from backend.priors.dynamics.renderer import Renderer

PERIODS = 4
SECONDS = 20.0  # of so many periods

OnePeriod = Callable[[Tensor, int], Tensor]  # picture (3, H, W), number of the period -> (T, 2, H, W) pixels


class Film(NamedTuple):
    """Of PERIODS periods and SECONDS; N frames."""

    frames: Tensor  # (N, 3, H, W) in [-1, 1]
    gone: Tensor  # (N, 2, H, W) pixels from the first picture


def come_round(slices: Tensor, moments: int, picture: Tensor, renderer: Renderer) -> Film:
    """Of slices (K, 4, H, W), T moments a period; each is rendered at its own time, and none is shown again."""
    gone = normal.displacements(slices, torch.arange(PERIODS * moments, dtype=torch.float32) / moments)
    return Film(renderer.video(picture, gone), gone)


def gone_on(predict: OnePeriod, picture: Tensor, renderer: Renderer) -> Film:
    """Each of its periods is predicted from the last frame of the one before: a point that has gone by D goes on with
    what is predicted where it is now."""
    far, gone, frames = torch.zeros_like(picture[None, :2]), [], []
    for number in range(PERIODS):
        textures = predict(picture, number)
        gone.append(far + _looked_up(textures, far))
        frames.append(renderer.video(picture, textures))
        far, picture = gone[-1][-1:], frames[-1][-1]
    return Film(torch.cat(frames), torch.cat(gone))


def apart(frames: Tensor) -> Tensor:
    """(N - T + 1,) D of each window of a period T in frames (N, 3, H, W)."""
    values = frames.double() / 2  # white is 1 from black
    length = len(values) // PERIODS
    means = _window_means(values, length)
    spread = (_window_means(values.square(), length) - means.square()).clamp(min=0).sqrt()
    return ((means - means[0]).square() + (spread - spread[0]).square()).mean(dim=(1, 2, 3)).sqrt()


def drift(film: Film) -> float:
    """Share of white a second by which frames go away from how they were."""
    return _slope(apart(film.frames), len(film.frames))


def way(film: Film) -> float:
    """Pixels a second by which points go away: of the mean of all in a window, from where the picture shows them."""
    means = _window_means(film.gone.double(), len(film.gone) // PERIODS)
    return _slope(torch.linalg.vector_norm(means, dim=1).mean(dim=(1, 2)), len(film.gone))


def _window_means(values: Tensor, length: int) -> Tensor:
    """(N - length + 1, ...) of each window of so many of N values (N, C, H, W)."""
    sums = F.pad(values.cumsum(dim=0), (0, 0, 0, 0, 0, 0, 1, 0))
    return (sums[length:] - sums[:-length]) / length


def _slope(away: Tensor, count: int) -> float:
    """A second, by least squares, of all windows (W,) of a film of `count` frames that have none in common with the
    first."""
    away = away[count // PERIODS :]
    times = SECONDS / count * torch.arange(len(away), dtype=away.dtype)
    times = times - times.mean()
    return ((times * (away - away.mean())).sum() / times.square().sum()).item()


def _looked_up(textures: Tensor, far: Tensor) -> Tensor:
    """Textures (T, 2, H, W) at p + far(p), bilinear; beyond the border it is the border's."""
    height, width = textures.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([(x + far[0, 0] + 0.5) / width, (y + far[0, 1] + 0.5) / height], dim=-1) * 2 - 1
    places = place.expand(len(textures), height, width, 2)
    return F.grid_sample(textures, places, padding_mode="border", align_corners=False)
