"""pytorch3d's rasteriser with the signature of `kernels.rasterize.rasterize`, where pytorch3d is installed.

It is an oracle for tests, and a second way on a GPU. On a CPU it tries every triangle at every pixel: a picture of
20 000 triangles takes seconds.
"""

import torch
from torch import Tensor

from kernels.rasterize import Fragments


def rasterize(positions: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """positions (B, V, 4) in clip space, faces (F, 3) -> Fragments. It works in float32, whatever comes in.

    Departs from `kernels.rasterize`: a pixel whose centre lies exactly on an edge sees nothing of that triangle, and
    triangles of less than half a hundred-millionth of a unit square are never seen, the shorter side being 2 units.
    """
    try:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise ModuleNotFoundError(
            "pytorch3d is not installed, and PyPI has none for this torch: build it from source as "
            "backend/requirements-pytorch3d.txt says, or render with kernels.rasterize"
        ) from error
    shape = len(positions), height, width
    triangle = torch.full(shape, -1, dtype=torch.int32, device=positions.device)
    barycentrics, depth = positions.new_zeros(*shape, 3), positions.new_zeros(shape)
    short, faces = min(height, width), faces.long()
    for view, clip in enumerate(positions.detach().float()):
        corners, weights, origin = _in_front(clip[faces])
        if not len(corners):
            continue
        x, y, z, w = corners.unbind(dim=2)
        # Its x points left, and the shorter side of the picture is from -1 to 1. z / w is linear over the picture, so
        # it may stand for depth, moved away from 0: what comes near that counts as behind the eye.
        screen = torch.stack([-x / w * (width / short), y / w * (height / short), z / w + 2], dim=2)
        mesh = Meshes([screen.reshape(-1, 3)], [torch.arange(3 * len(corners), device=clip.device).reshape(-1, 3)])
        found, far, linear, _ = (each[0, :, :, 0] for each in rasterize_meshes(mesh, shape[1:], faces_per_pixel=1))
        seen = (found >= 0) & (far <= 3)
        piece, face = found[seen], origin[found[seen]]
        shares = torch.einsum("nk,nkc->nc", linear[seen] / w[piece], weights[piece])
        shares /= shares.sum(dim=1, keepdim=True)
        # depth from the shares: its own is off by 1e-8 / the triangle's area
        place = torch.einsum("nk,nkc->nc", shares, clip[faces[face]])
        triangle[view][seen] = face.int()
        barycentrics[view][seen] = shares.to(barycentrics)
        depth[view][seen] = (place[:, 2] / place[:, 3]).to(depth)
    return Fragments(triangle, barycentrics, depth)


def _in_front(corners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What of triangles (F, 3, 4) lies beyond the near plane, z > -w, as triangles (G, 3, 4) again.

    With them (G, 3, 3), the barycentrics of each corner in the triangle that it was cut from, and (G,) which that is.
    """
    distance = corners[..., 2] + corners[..., 3]
    inside = distance > 0
    count = inside.sum(dim=1)
    # turned so that a corner that is alone on its side comes first
    alone = torch.where(count == 1, inside.int().argmax(dim=1), inside.int().argmin(dim=1))
    order = (alone[:, None] + torch.arange(3, device=corners.device)) % 3
    a, b, c = torch.eye(3).to(corners)[order].unbind(dim=1)
    da, db, dc = distance.gather(1, order)[..., None].unbind(dim=1)
    ab, ac = (db * a - da * b) / (db - da), (dc * a - da * c) / (dc - da)  # where the plane cuts the two sides
    whole, tip, rest = count == 3, count == 1, count == 2
    weights = torch.cat([
        torch.stack([a, b, c], dim=1)[whole],
        torch.stack([a, ab, ac], dim=1)[tip],
        torch.stack([ab, b, c], dim=1)[rest],
        torch.stack([ab, c, ac], dim=1)[rest],
    ])  # fmt: skip
    index = torch.arange(len(corners), device=corners.device)
    origin = torch.cat([index[whole], index[tip], index[rest], index[rest]])
    return weights @ corners[origin], weights, origin
