"""Colours: linear in the backend and in Blender, sRGB-encoded bytes in a record, and here the way between the two."""

import numpy as np

GREY = 0.8  # linear albedo of a surface that brings none: what a new material of Blender's has
MATT = 0.5  # its roughness
GLOW = 6.0  # radiance of what glows fully, in units of its own colour


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB-encoded (IEC 61966-2-1), both in [0, 1]; what lies outside is clipped."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB-encoded to linear light (IEC 61966-2-1) as float32, both in [0, 1]; what lies outside is clipped."""
    encoded = np.clip(encoded, 0, 1)
    low = encoded <= 0.04045
    return np.where(low, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """[0, 1] to 0..255 as uint8, to the nearest."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
