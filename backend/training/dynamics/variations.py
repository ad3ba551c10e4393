"""What else a sample shows: the same thing mirrored, and in other colours. How it sways is the same.

A corpus of specimens has few individuals, for to grow one takes as long as twenty of its pictures. What tells them from
those that were never seen is where their parts are, and what colours they have.
"""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.training.dynamics.samples import Batch

ORDERS = list(itertools.permutations(range(3)))  # of red, green and blue
KEPT = 0.5  # share of the pictures for which no order is drawn; an order that is drawn may be that of before
GAIN = 0.2  # standard deviation of the logarithm of a channel's


def varied(batch: Batch, rng: np.random.Generator) -> Batch:
    """Half of the samples mirrored, all of them recoloured."""
    found = mirrored(batch, rng.random(len(batch.picture)) < 0.5)
    picture, later = recoloured(rng, found.picture, found.later)
    return found._replace(picture=picture, later=later)


def mirrored(batch: Batch, which: NDArray[np.bool_]) -> Batch:
    """`which` (B,) of the samples with left and right changed over: what went to the right goes to the left."""
    chosen = torch.from_numpy(which)

    def flipped(images: Tensor, leftward: tuple[int, ...] = ()) -> Tensor:
        """Images (B, ..., W), of whose channels (B, ..., C, H, W) some count to the right."""
        other = images.flip(-1)
        for channel in leftward:
            other[..., channel, :, :] *= -1
        return torch.where(chosen.view(-1, *[1] * (images.ndim - 1)), other, images)

    return batch._replace(
        picture=flipped(batch.picture),
        slices=flipped(batch.slices, leftward=(0, 2)),  # Re x and Im x
        mask=flipped(batch.mask),
        later=flipped(batch.later),
        flows=flipped(batch.flows, leftward=(0,)),
    )


def recoloured(rng: np.random.Generator, *images: Tensor) -> tuple[Tensor, ...]:
    """Images (B, ..., 3, H, W) in [-1, 1], those of one sample in all of them alike: some with their channels in
    another order, all with each channel made a little brighter or darker."""
    count = len(images[0])
    orders = [ORDERS[0 if rng.random() < KEPT else rng.integers(len(ORDERS))] for _ in range(count)]
    gains = torch.from_numpy(np.exp(rng.normal(0.0, GAIN, (count, 3)))).float()
    found = []
    for one in images:
        other = torch.stack([image[..., list(order), :, :] for image, order in zip(one, orders, strict=True)])
        scale = gains.view(count, *[1] * (one.ndim - 4), 3, 1, 1).to(other)
        found.append(((other + 1) * scale - 1).clamp(max=1.0))
    return tuple(found)
