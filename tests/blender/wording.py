"""What tests of views and meshes from words share: records as the backend sends them, and readers of images."""

import math

import bpy
import msgspec
import numpy as np

from backend import protocol
from tests.blender import samples

VIEWS = protocol.Views(prompt="a red mushroom", seed=3)
MESH = protocol.TextToMesh(prompt="a red mushroom", seed=3)
STEPS = 8


def views_of(step, count=4, size=(8, 8), preview=None, **about):
    """A ViewsRecord after so many steps, and its arrays: other colours at every step."""
    record = protocol.ViewsRecord(
        preview=step < STEPS if preview is None else preview,
        step=step,
        steps=STEPS,
        azimuths=tuple(2 * math.pi * n / count for n in range(count)),
        **about,
    )
    return record, {"pixels": np.random.default_rng(step).integers(0, 256, (count, *size, 3)).astype(np.uint8)}


def a_mushroom(size=16, rough=False, frames=0, seed=0):
    """A Subject with a texture, its roughness beside it where it is `rough`; every corner has a texel of its own."""
    random = np.random.default_rng(seed)
    made = samples.prism("Any")
    record, arrays, _ = samples.subject_of(made)
    bpy.data.meshes.remove(made.data)  # and the object with it
    arrays = {name: arrays[name] for name in ("vertices", "corners", "sizes", "triangles")}
    texel = random.permutation(size * size)[: len(arrays["corners"])]
    column, row = texel % size, texel // size
    texture = random.integers(0, 256, (size, size, 3)).astype(np.uint8)
    at_corner = texture[size - 1 - row, column]
    albedo = np.zeros((len(arrays["vertices"]), 3), np.uint8)
    albedo[arrays["corners"]] = at_corner
    arrays |= {
        "uv": (np.stack([column, row], 1) + 0.5).astype(np.float32) / size,
        "texture": texture,
        "albedo": albedo,
        "roughness": np.full(len(albedo), 51, np.uint8),
    }
    if rough:
        arrays["texture_roughness"] = random.integers(0, 256, (size, size)).astype(np.uint8)
    return msgspec.structs.replace(record, name="red mushroom", frames=frames), arrays


def packed(records):
    return [protocol.pack(*each) for each in records]


def a_mesh(views=(2, 6), **about):
    """All that the backend sends of a mesh that is still."""
    certificate = protocol.Certificate(summary="Closed, 12 faces", measured=(("steps", 8.0, ""),))
    return [*(views_of(step, preview=True) for step in views), a_mushroom(**about), (certificate, {})]


def a_living_mesh(frames=5, **about):
    """The same, of one that lives through something and changes its colours."""
    record, arrays = a_mushroom(**about)
    return [*a_mesh()[:2], *samples.clip(record, arrays, frames, colour=True)]


def pixels_of(image):
    """(H, W, 3) bytes, rows from the top."""
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    return np.rint(pixels.reshape(height, width, -1)[::-1, :, :3] * 255).astype(np.uint8)


def preview_of(image):
    """(H, W, 4) bytes, rows from the top."""
    pixels = np.empty(np.prod(image.preview.image_size), np.int32)
    image.preview.image_pixels.foreach_get(pixels)
    return pixels.view(np.uint8).reshape(*image.preview.image_size, 4)[::-1]
