"""Meshes, frames and pictures to records and back: the one place of the backend where colours become bytes.

Colours travel sRGB-encoded in 8 bits, the precision of a texture; positions as float32.
"""

import numpy as np
from numpy.typing import NDArray

from backend import images, protocol
from backend.clip import Frame, Mesh, Texture

Pixels = NDArray[np.uint8]

_PLAIN = ("vertices", "corners", "sizes", "triangles", "uv", "pin", "weight", "parts")
_BYTES = ("roughness", "metallic", "opacity", "emission")
_OF_THE_SURFACE = ("picture", "texture", "texture_roughness")  # pictures: no arrays of a Mesh


class NotFinite(ValueError):
    """A result that holds NaN or infinity."""


def pack_mesh(mesh: Mesh, picture: Pixels | None = None, **header) -> bytearray:
    """A Subject record, maybe with a picture (H, W, 3 or 4) of it; `header` is any of its fields but the arrays. A
    texture must be a lit one: what a plane shows is brought by its client, and stays there."""
    arrays = {name: getattr(mesh, name) for name in _PLAIN if getattr(mesh, name) is not None}
    if picture is not None:
        arrays["picture"] = picture
    if mesh.texture is not None:
        arrays |= _texture(mesh.texture)
    record = protocol.Subject(part_names=mesh.part_names, **header)
    return protocol.pack(record, arrays | _material(mesh))


def unpack_mesh(data) -> tuple[Mesh, protocol.Subject]:
    """The mesh, without pictures, and the header of a Subject record; raises protocol.BadMessage where it is none, or
    not sound."""
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.Subject):
        raise protocol.BadMessage("bad_frame", f"Expected a mesh, got a {type(record).__name__}")
    protocol.check_subject(arrays)
    own = {name: array for name, array in arrays.items() if name not in _OF_THE_SURFACE}
    return Mesh(part_names=record.part_names, **_decoded(own)), record


def unpack_pictured(data) -> tuple[Mesh, Pixels]:
    """The mesh of a Subject record and the picture (H, W, 3 or 4) of it; raises protocol.BadMessage."""
    mesh, _ = unpack_mesh(data)
    picture = protocol.unpack(data)[1].get("picture")
    if picture is None:
        raise protocol.BadMessage("bad_subject", "A picture of the mesh is needed: choose a camera that sees it")
    return mesh, picture


def pack_frame(frame: Frame, index: int, preview: bool = False) -> bytearray:
    """A FrameRecord. Raises NotFinite."""
    arrays = {"positions": frame.positions} | ({} if frame.poses is None else {"poses": frame.poses})
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise NotFinite(f"Frame {index} holds positions that are not numbers")
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    record = protocol.FrameRecord(index=index, tau=float(frame.tau), preview=preview)
    return protocol.pack(record, arrays | _material(frame))


def unpack_frame(data) -> Frame:
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.FrameRecord):
        raise protocol.BadMessage("bad_frame", f"Expected a frame, got a {type(record).__name__}")
    return Frame(record.tau, **_decoded(arrays))


def pack_mode(index: int, frequency: float, damping: float, shape: NDArray) -> bytearray:
    """A ModeRecord of a shape (V, 3). Raises NotFinite."""
    if not np.isfinite([frequency, damping]).all() or not np.isfinite(shape).all():
        raise NotFinite(f"Mode {index + 1} holds values that are not numbers")
    record = protocol.ModeRecord(index=index, frequency=float(frequency), damping=float(damping))
    return protocol.pack(record, {"shape": np.ascontiguousarray(shape, np.float32)})


def pack_sway(record: protocol.SwayRecord, along_x: NDArray, along_y: NDArray) -> bytearray:
    """A SwayRecord of complex amplitudes (K, M). Raises NotFinite."""
    answers = {"along_x": _pairs(along_x), "along_y": _pairs(along_y)}
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        raise NotFinite("The answer to the wind holds values that are not numbers")
    return protocol.pack(record, answers)


def pack_seen(record: protocol.SeenRecord, amplitudes: NDArray) -> bytearray:
    """A SeenRecord of complex amplitudes (K, M). Raises NotFinite."""
    pairs = _pairs(amplitudes)
    if not (np.isfinite(pairs).all() and np.isfinite(record.explained or 0.0)):
        raise NotFinite("What is seen to move holds values that are not numbers, or far too large")
    return protocol.pack(record, {"amplitudes": pairs})


def pack_picture(pixels: Pixels) -> bytearray:
    """A PictureRecord of pixels (H, W, 3 or 4)."""
    return protocol.pack(protocol.PictureRecord(), {"pixels": pixels})


def unpack_picture(data) -> Pixels:
    """(H, W, 3 or 4); raises protocol.BadMessage where it is no PictureRecord, or not sound."""
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.PictureRecord):
        raise protocol.BadMessage("bad_frame", f"Expected a picture, got a {type(record).__name__}")
    protocol.check_pixels(arrays["pixels"])
    return arrays["pixels"]


def unpack_pictures(data) -> list[tuple[str, memoryview]]:
    """Names and bytes of files; raises protocol.BadMessage where it is no PicturesRecord, or not sound."""
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.PicturesRecord):
        raise protocol.BadMessage("bad_frame", f"Expected pictures, got a {type(record).__name__}")
    protocol.check_pictures(record, arrays)
    return [(name, arrays[f"file_{number}"].data) for number, name in enumerate(record.names)]


def pack_volume(record: protocol.VolumeRecord, coefficients: NDArray) -> bytearray:
    """A VolumeRecord of complex coefficients (K, H, W, 2). Raises NotFinite, also where half floats end."""
    with np.errstate(over="ignore"):
        halves = np.concatenate([coefficients.real, coefficients.imag], axis=-1).astype(np.float16)
    if not np.isfinite(halves).all():
        raise NotFinite("The motion holds values that are not numbers, or far too large")
    return protocol.pack(record, {"coefficients": halves})


def unpack_volume(data) -> tuple[NDArray[np.complex64], protocol.VolumeRecord]:
    """Complex coefficients (K, H, W, 2) and the header; raises protocol.BadMessage where it is no VolumeRecord."""
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.VolumeRecord):
        raise protocol.BadMessage("bad_frame", f"Expected a motion, got a {type(record).__name__}")
    real, imaginary = np.split(arrays["coefficients"].astype(np.float32), 2, axis=-1)
    return real + 1j * imaginary, record


def pack_film(pixels: Pixels, index: int) -> bytearray:
    """A FilmRecord of one frame (H, W, 3)."""
    return protocol.pack(protocol.FilmRecord(index=index), {"pixels": pixels})


def pack_views(record: protocol.ViewsRecord, pixels: Pixels) -> bytearray:
    """A ViewsRecord of views (F, H, W, 3)."""
    protocol.check_views(record, {"pixels": pixels})
    return protocol.pack(record, {"pixels": pixels})


def unpack_views(data) -> tuple[Pixels, protocol.ViewsRecord]:
    """Views (F, H, W, 3) and the header; raises protocol.BadMessage where it is no ViewsRecord, or not sound."""
    record, arrays = protocol.unpack(data)
    if not isinstance(record, protocol.ViewsRecord):
        raise protocol.BadMessage("bad_frame", f"Expected views, got a {type(record).__name__}")
    protocol.check_views(record, arrays)
    return arrays["pixels"], record


def _texture(texture: Texture) -> dict[str, Pixels]:
    roughness = {} if texture.roughness is None else {"texture_roughness": images.greys(texture.roughness)}
    return {"texture": images.colours(texture.albedo)} | roughness


def _pairs(numbers: NDArray) -> NDArray[np.float32]:
    """Complex (...) as (..., 2), real and imaginary part; infinite where single precision ends."""
    with np.errstate(over="ignore"):
        return np.stack([numbers.real, numbers.imag], axis=-1).astype(np.float32)


def _material(source: Mesh | Frame) -> dict[str, np.ndarray]:
    arrays = {}
    if source.albedo is not None:
        arrays["albedo"] = _to_bytes(protocol.linear_to_srgb(source.albedo))
    return arrays | {name: _to_bytes(value) for name in _BYTES if (value := getattr(source, name, None)) is not None}


def _decoded(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    decoded = dict(arrays)
    if "albedo" in arrays:
        decoded["albedo"] = protocol.srgb_to_linear(arrays["albedo"].astype(np.float32) / 255)
    return decoded | {name: arrays[name].astype(np.float32) / 255 for name in _BYTES if name in arrays}


def _to_bytes(value: np.ndarray) -> np.ndarray:
    if not np.isfinite(value).all():
        raise NotFinite("A material holds values that are not numbers")
    return protocol.to_bytes(value)
