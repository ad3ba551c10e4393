"""Rasterise triangles in clip space: which triangle each pixel sees, where in it, and how deep.

Clip space is OpenGL's: what is seen has -w <= x, y, z <= w and w > 0; x points right, y up, and z/w grows away from
the eye. Row 0 is the top of the picture: pixel (i, j) is seen from its centre,
x = (2 j + 1) / width - 1, y = 1 - (2 i + 1) / height.

A pixel p = (x, y, 1) lies in the triangle with corners q_k = (x_k, y_k, w_k) where the three edge functions
    e_0 = p . (q_1 x q_2),   e_1 = p . (q_2 x q_0),   e_2 = p . (q_0 x q_1)
are all of the sign of det = q_0 . (q_1 x q_2), or zero. Perspective-correct barycentrics are e_k / sum(e), and the
depth z/w is sum(e_k z_k) / det. Nothing is divided by the w of a corner, and det / sum(e) is the pixel's own w, so a
triangle that reaches behind the eye needs no cutting. Olano and Greer, "Triangle scan conversion using 2D homogeneous
coordinates", Graphics Hardware 1997. The function of a shared edge is its neighbour's, exactly negated as long as no
multiply and add are fused: so there are no cracks.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Fragments(NamedTuple):
    """What the pixels of B views see. Pixels that see nothing hold -1 and zeros."""

    triangle: Tensor  # (B, height, width) int32, row of `faces`
    barycentrics: Tensor  # (B, height, width, 3), weights of the triangle's corners, which sum to 1
    depth: Tensor  # (B, height, width), z/w in [-1, 1]


def rasterize_reference(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The definition of `rasterize`: every pixel against every triangle, in float64."""
    positions, corners = positions.detach().double(), faces.long()
    views, count = len(positions), len(faces)
    y = 1 - (2 * torch.arange(height, dtype=torch.float64) + 1) / height
    x = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    pixels = torch.stack([*torch.meshgrid(y, x, indexing="ij"), torch.ones(height, width)]).to(positions)[[1, 0, 2]]
    triangle = torch.full((views, height, width), -1, dtype=torch.int32, device=positions.device)
    barycentrics, depth = positions.new_zeros(views, height, width, 3), positions.new_zeros(views, height, width)
    nearest = torch.full_like(depth, torch.inf)
    for view in range(views):
        for f in range(count):
            a, b, c = positions[view, corners[f]]
            q = torch.stack([a, b, c])[:, [0, 1, 3]]
            rows = torch.stack([torch.linalg.cross(q[(k + 1) % 3], q[(k + 2) % 3]) for k in range(3)])
            determinant = q[0] @ rows[0]
            if determinant == 0:
                continue  # seen edge-on, or without area
            e = torch.einsum("kc,chw->khw", rows, pixels) * determinant.sign()
            total = e.sum(dim=0)
            z = torch.einsum("khw,k->hw", e, torch.stack([a, b, c])[:, 2]) / torch.einsum("khw,k->hw", e, q[:, 2])
            # of triangles at one depth the first is seen
            seen = (e >= 0).all(dim=0) & (total > 0) & (z >= -1) & (z <= 1) & (z < nearest[view])
            triangle[view][seen], depth[view][seen], nearest[view][seen] = f, z[seen], z[seen]
            barycentrics[view][seen] = (e / total)[:, seen].T
    return Fragments(triangle, barycentrics, depth)
