"""From a field to a mesh that can be used: closed, of so many faces, with its colours on a texture.

The surface is where half of the light is stopped (backend.geometry.isosurface). The colour of a point on it is what a
renderer gathers along a short way through it, straight inwards: fields are soft, and at the surface itself there may
still be what was never seen.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from backend import images, learned, protocol
from backend.clip import Mesh, Texture
from backend.fields import Field
from backend.geometry.decimation import Unmeshable
from backend.geometry.decimation import finished as decimated
from backend.geometry.isosurface import FINEST, Solid, Surface, surface
from backend.geometry.texture import baked, unwrapped

CELLS = 96  # along the cube, where that gives enough faces
SPARE = 1.5  # faces of the surface for each that is asked for, for it is made simpler without loss
TEXELS = 16  # for each of a field's samples along its cube, and for each face 16 in all
FINE = 128  # samples that a field has along its cube, if it does not say
SIDES = 512, 4096  # texels along a texture
THROUGH = 0.08  # radii of the field: how deep colours are gathered
BEFORE = 0.02  # radii of the field before the surface, where that begins
STEPS = 16
DULL = 1.0  # roughness of what was lit by Lambert's law, which knows no gloss

Reals = NDArray[np.floating]


def finished(field: Field, faces: int, size: float, shading: bool = False) -> Mesh:
    """The mesh of a field with about as many faces, its longest side `size` metres; it stands on the ground, z = 0,
    its middle above the origin. With a texture of its albedo, and of its roughness where it was made with shading; and
    with the albedo of its vertices.

    Raises:
        NoSurface: the field is empty, full, or broken.
        Unmeshable: so few or so many faces cannot be had of it.
        Unpaintable: no texture fits so many faces.
        NotInstalled: a library is missing.
    """
    learned.wanted(skimage="scikit-image", fast_simplification="fast-simplification", xatlas="xatlas", PIL="pillow")
    found = _surface(field, faces)
    side = texels(field, len(found.faces))
    mesh = unwrapped(Mesh.from_triangles(found.vertices.astype(np.float32), found.faces), side)
    painted = baked(mesh, lambda points: seen_colours(field, found.solid, points), side)
    texture = Texture(_png(painted), _png(np.full(painted.shape[:2], DULL)) if shading else None)
    albedo = protocol.srgb_to_linear(seen_colours(field, found.solid, mesh.vertices.astype(np.float64)))
    rough = np.full(len(albedo), DULL, np.float32) if shading else None
    return replace(mesh, vertices=_placed(mesh.vertices, size), texture=texture, albedo=albedo, roughness=rough)


def _surface(field: Field, faces: int) -> Surface:
    """With as many faces; of a surface that is fine enough, and of a coarser one where that is too rugged."""
    found = surface(lambda points: densities(field, points), field.radius, CELLS)
    if len(found.faces) < SPARE * faces:
        cells = min(FINEST, math.ceil(CELLS * math.sqrt(SPARE * faces / len(found.faces))))
        found = surface(lambda points: densities(field, points), field.radius, cells, found.solid.level)
    try:
        return decimated(found, faces)
    except Unmeshable:
        cells = round(2 * field.radius / found.solid.cell * 2 / 3)
        coarser = surface(lambda points: densities(field, points), field.radius, cells, found.solid.level)
        if len(coarser.faces) < faces:
            raise
        return decimated(coarser, faces)


def texels(field: Field, faces: int) -> int:
    """Along the side of a texture that shows all that a field has, on so many faces: a power of 2."""
    wanted = max(TEXELS * getattr(field, "resolution", FINE), math.sqrt(TEXELS * faces))
    return min(max(2 ** math.ceil(math.log2(wanted)), SIDES[0]), SIDES[1])


def densities(field: Field, points: Reals) -> Reals:
    """(N,) 1/metre at points (N, 3) in metres."""
    return _asked(field, points)[0]


def seen_colours(field: Field, solid: Solid, points: Reals) -> Reals:
    """(N, 3) sRGB of what is seen of points (N, 3) on a surface, from straight above each."""
    slope = solid.slope(points)  # inwards
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    inwards = slope / np.maximum(length, 1e-30)
    step = (BEFORE + THROUGH) * field.radius / STEPS
    along = -BEFORE * field.radius + step * (np.arange(STEPS) + 0.5)
    there = points[:, None] + along[:, None] * inwards[:, None]
    density, colour = _asked(field, there.reshape(-1, 3))
    thickness = step * density.reshape(-1, STEPS)
    before = np.cumsum(thickness, axis=1) - thickness
    weights = np.exp(-before) * -np.expm1(-thickness) + 1e-12  # where nothing is, all alike
    return (weights[..., None] * colour.reshape(-1, STEPS, 3)).sum(axis=1) / weights.sum(axis=1, keepdims=True)


@torch.no_grad()
def _asked(field: Field, points: Reals) -> tuple[Reals, Reals]:
    """Densities (N,) and colours (N, 3)."""
    device = next(iter(field.parameters())).device
    density, colour = field(torch.from_numpy(np.asarray(points, np.float32)).to(device))
    return density.double().cpu().numpy(), colour.double().cpu().numpy()


def _placed(vertices: Reals, size: float) -> Reals:
    """(V, 3) of a longest side, on the ground."""
    low, high = vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
    foot = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return np.ascontiguousarray(size / (high - low).max() * (vertices - foot), np.float32)


def _png(picture: Reals) -> bytes:
    """Of numbers in [0, 1], (H, W) or (H, W, 3)."""
    return images.png(protocol.to_bytes(picture))
