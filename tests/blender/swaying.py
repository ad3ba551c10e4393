"""Objects that sway, and what they should show."""

import bpy
import numpy as np

from backend import wind
from blender_addon.scene import sway
from blender_addon.scene.gusts import Gusts
from blender_addon.scene.ringing import Modes
from blender_addon.scene.sway import Mix, Sway
from tests.blender import samples

FPS, BASE, BINS, LOOP = 24, 0.4, 4, 60  # of the scene and of the sample; a loop of 2.5 s


def breeze(force=4.0, strain=0.5):
    return Gusts(*(wind.speed_of(one, height=2.0) for one in (force, 10.0)), BASE, strain=strain)


def volume_of(obj, bins=BINS, seed=0):
    random = np.random.default_rng(seed)
    real, imaginary = random.normal(0, 0.05, (2, bins, len(obj.data.vertices), 3))
    return (real + 1j * imaginary).astype(np.complex64)


def windy(obj, count=3, bins=BINS, seed=1, **about):
    """A sway made of modes, in a wind along x."""
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, len(obj.data.vertices), 3)).astype(np.float32)
    modes = Modes(shapes, np.array([0.5, 1.3, 2.1])[:count], np.full(count, 0.05))
    amplitudes = random.normal(0, 0.1, (2, bins, count)) + 1j * random.normal(0, 0.1, (2, bins, count))
    return Sway(None, BASE, Mix(modes, amplitudes), **{"direction": 0.0, **about})


def some_modes(count=4, vertices=36, damping=0.05, seed=0):
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, vertices, 3)).astype(np.float32)
    return Modes(shapes, np.linspace(0.7, 3.0, count), np.full(count, damping))


def coefficients_of(given):
    """(K, V, 3) in the direction that it was made in."""
    if given.mix is None:
        return given.coefficients
    along = np.cos(given.direction) * given.mix.amplitudes[0] + np.sin(given.direction) * given.mix.amplitudes[1]
    return np.einsum("km,mvc->kvc", along, given.mix.modes.shapes)


def swaying(made=None, make=samples.grid, **about):
    """An object that sways, its sway and its rest shape."""
    obj = make()
    given = made(obj) if made else Sway(volume_of(obj), BASE, **about)
    at_rest = samples.positions(obj.data)
    sway.put(obj, given)
    return obj, given, at_rest


def bends(coefficients, at_rest, turns):
    """By the formula: rest + Re sum_k S_k exp(2 pi i k turns)."""
    waves = np.exp(2j * np.pi * turns * np.arange(len(coefficients)))
    return at_rest + np.einsum("k,kvc->vc", waves, coefficients.astype(complex)).real


def at(frame):
    bpy.context.scene.frame_set(int(frame // 1), subframe=frame % 1)


def edit(obj, **values):
    """As the artist's sliders do."""
    for name, value in values.items():
        obj[name.replace("_", " ")] = value
    obj.update_tag()
    bpy.context.view_layer.update()


def assert_shows(obj, expected, atol=1e-5):
    np.testing.assert_allclose(samples.shown(obj), expected, atol=atol)


def drivers(obj):
    return [curve.driver for curve in obj.data.shape_keys.animation_data.drivers]
