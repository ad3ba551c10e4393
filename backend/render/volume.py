"""Volume rendering along rays: emission and absorption, summed up from front to back."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Composite(NamedTuple):
    """What R rays gather."""

    colour: Tensor  # (R, C), on black: add (1 - opacity) * background
    opacity: Tensor  # (R,), the share of the background that is hidden, in [0, 1]
    depth: Tensor  # (R,), metres times opacity: divided by opacity it is where the ray ends on the average


def composite(density: Tensor, colour: Tensor, edges: Tensor) -> Composite:
    """density (R, S) in 1/metre and colour (R, S, C) of the S intervals between edges (R, S + 1) or (S + 1,), metres.

    With the interval's length d_i, its middle m_i and what of the light comes through to it,
        T_i = exp(-sum_{j<i} density_j d_j),   w_i = T_i (1 - exp(-density_i d_i)),
        colour = sum_i w_i colour_i,   opacity = sum_i w_i,   depth = sum_i w_i m_i.
    That is exact where density and colour are constant in each interval, and depth in the limit of short ones.
    Max, "Optical models for direct volume rendering", TVCG 1995; Mildenhall et al., "NeRF", ECCV 2020, section 4.
    The sum in the exponent takes the place of NeRF's running product, which is slower, and whose gradient divides by
    factors that may be zero.
    """
    thickness = density * edges.diff()
    # shifted by one and not thickness subtracted again: behind a wall 1e30 thick that would leave nothing of the sum
    before = functional.pad(thickness[..., :-1].cumsum(dim=-1), (1, 0))
    weights = torch.exp(-before) * -torch.expm1(-thickness)
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    return Composite(
        colour=torch.einsum("rs,rsc->rc", weights, colour),
        opacity=weights.sum(dim=1),
        depth=(weights * middles).sum(dim=1),
    )
