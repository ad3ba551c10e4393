"""What tests of pictures that come to life share: a picture, what the backend sends of it, and what it lacks."""

import bpy
import numpy as np

from backend import protocol
from tests.blender.swaying import BASE, BINS

UNTRAINED = "No trained model comes with this version: train one"
SENTENCE = "Nothing learned is installed here: install the learned engine"


def records_of(record, arrays, count=3, said=(), explained=0.75, advised=1.0, seed=2):
    """What the backend sends, and the (K, V, 3) spectral volume in its axes."""
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, len(arrays["vertices"]), 3)).astype(np.float32)
    pairs = random.normal(0, 0.1, (BINS, count, 2)).astype(np.float32)
    pairs[0, :, 1] = 0
    records = [(record, arrays)]
    for number, shape in enumerate(shapes):
        records.append((protocol.ModeRecord(index=number, frequency=0.6 + number, damping=0.05), {"shape": shape}))
    seen = protocol.SeenRecord(base=BASE, explained=explained, pixels=900, advised=advised, said=said)
    records += [(seen, {"amplitudes": pairs}), (protocol.Certificate(), {})]
    coefficients = np.einsum("km,mvc->kvc", pairs[..., 0] + 1j * pairs[..., 1], shapes)
    return [protocol.pack(*each) for each in records], coefficients


def an_image(name="rose.png", size=(48, 32), opacity=1.0):
    made = bpy.data.images.new(name, *size, alpha=True)
    pixels = np.random.default_rng(0).random((size[1], size[0], 4)).astype(np.float32)
    pixels[..., 3] = opacity
    made.pixels.foreach_set(pixels.ravel())
    return made
