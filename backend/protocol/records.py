"""Records: a header and named arrays in one run of bytes, so that whoever carries one need not understand it."""

import math
import struct
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from ..requests import FILM_SIDE, MAX_FRAMES, MODES, PICTURES, VIEWS, Fps
from .words import ARRAY_BYTES, HEADER_BYTES, MAX_VERTICES, PICTURE_SIDE, RECORD_BYTES, BadMessage, Line, Text

Positive = Annotated[float, Meta(gt=0)]


class Array(Struct, frozen=True, forbid_unknown_fields=True):
    name: Line
    dtype: Literal["<f2", "<f4", "<i4", "|u1"]
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=ARRAY_BYTES)], ...], Meta(max_length=4)]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Record(Struct, kw_only=True, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """`layout` is the arrays that a record may hold: dtype and shape, a letter being one number throughout."""

    arrays: tuple[Array, ...] = ()
    layout: ClassVar[dict[str, tuple[str, tuple]]] = {}
    required: ClassVar[frozenset[str]] = frozenset()


class Subject(Record, tag="subject"):
    """A mesh and its material: what a client brings to Animate, Sway and SwayAsSeen, and the first record of every
    result that is a mesh.

    vertices (V, 3) metres; corners (C,) vertex at each polygon corner; sizes (P,) corners of each polygon;
    triangles (F, 3) corner indices; uv (C, 2); albedo (V, 3) sRGB-encoded, 255 = 1; roughness, metallic (V,)
    255 = 1; pin, weight (V,) in [0, 1]; parts (V,) index into part_names. picture (H, W, 3 or 4), brought to SwayAsSeen
    alone: what its camera sees of the mesh, with the values of PictureRecord. texture (T, S, 3), brought by no client:
    sRGB, rows from the top, what the surface shows at its uv, (0, 0) being the lower left corner; albedo is the same,
    at the vertices. texture_roughness (T, S), 255 = 1, likewise.
    """

    name: Line = ""
    part_names: tuple[Line, ...] = ()
    frames: Annotated[int, Meta(ge=0, le=MAX_FRAMES)] = 0  # how many will follow
    fps: Fps = 24.0
    loop: bool = False
    reach: float = 0.0  # metres: how wide it gets over its life, to set several apart; 0: unknown
    windblown: bool = False  # by a wind that blows one way in the world: it must not be turned about the vertical
    understood: tuple[Line, ...] = ()  # of the prompt
    passed_over: tuple[Line, ...] = ()  # words of the prompt that were not understood
    process: Line = ""  # of a mesh from words: what it lives through, as in_words says it
    version: Line = ""  # of the backend that made the result; empty in what a client brings
    layout = {
        "vertices": ("<f4", ("V", 3)),
        "corners": ("<i4", ("C",)),
        "sizes": ("<i4", ("P",)),
        "triangles": ("<i4", ("F", 3)),
        "uv": ("<f4", ("C", 2)),
        "albedo": ("|u1", ("V", 3)),
        "roughness": ("|u1", ("V",)),
        "metallic": ("|u1", ("V",)),
        "pin": ("<f4", ("V",)),
        "weight": ("<f4", ("V",)),
        "parts": ("<i4", ("V",)),
        "picture": ("|u1", ("H", "W", "N")),
        "texture": ("|u1", ("T", "S", 3)),
        "texture_roughness": ("|u1", ("T", "S")),
    }
    required = frozenset({"vertices", "corners", "sizes", "triangles"})


class FrameRecord(Record, tag="frame"):
    """One time sample. positions (V, 3) metres; materials as in Subject, absent where unchanged; opacity and emission
    (V,) 255 = 1, absent where all is there, and where nothing glows. Where K > 1 processes meet, poses (K - 1, V, 3) is
    the subject under the first of them, under the first two, and so on; positions is the subject under all."""

    index: Annotated[int, Meta(ge=0, lt=MAX_FRAMES)]
    tau: Annotated[float, Meta(ge=0, le=1)]
    preview: bool = False  # coarse; a later record with the same index replaces it
    layout = {
        "positions": ("<f4", ("V", 3)),
        "poses": ("<f4", ("K", "V", 3)),
        "opacity": ("|u1", ("V",)),
        "emission": ("|u1", ("V",)),
        "albedo": ("|u1", ("V", 3)),
        "roughness": ("|u1", ("V",)),
        "metallic": ("|u1", ("V",)),
    }
    required = frozenset({"positions"})


class ModeRecord(Record, tag="mode"):
    """One mode of the subject, shape (V, 3), in the order of their frequencies. Of a mesh it is a vibration mode of
    modal mass 1, kg^-1/2; of a plane, in metres, the real or the imaginary part of how it swings at that frequency."""

    index: Annotated[int, Meta(ge=0, lt=MODES)]
    frequency: Positive  # Hz, undamped
    damping: Positive  # ratio
    layout = {"shape": ("<f4", ("V", 3))}
    required = frozenset({"shape"})


class SwayRecord(Record, tag="sway"):
    """How the modes answer the wind, after all of them: the spectral volume of bin k is sum_m a_km shape_m, with
    a = cos(direction) along_x + sin(direction) along_y; each (K, M, 2) in kg^1/2 m, real and imaginary part.

    x(t) = x0 + Re sum_k S_k exp(2 pi i k base t). speed, length and strain are of the wind: its mean in m/s, the length
    of its gusts in metres, and how far its full drag would bend the subject, over what it allows; strongest is the mean
    of the storm that a slider ends with, in m/s.
    """

    base: Positive  # Hz
    direction: float  # radians from x towards y
    speed: Positive
    length: Positive
    strain: Annotated[float, Meta(ge=0)]
    strongest: Positive
    said: tuple[Line, ...] = ()  # of the mesh: sentences for the artist
    layout = {"along_x": ("<f4", ("K", "M", 2)), "along_y": ("<f4", ("K", "M", 2))}
    required = frozenset({"along_x", "along_y"})


class SeenRecord(Record, tag="seen"):
    """How the modes move as a picture does, after all of them: the spectral volume of bin k is sum_m a_km shape_m, with
    amplitudes (K, M, 2), real and imaginary part, in the unit that makes metres of the shapes.

    x(t) = x0 + Re sum_k S_k exp(2 pi i k base t). `explained` is the share of the motion in the picture that the modes
    take up; None of a plane, which moves with all of it. `advised` is the share of the motion that is shown at first:
    beyond it a picture is torn. A mode of a plane is the real or the imaginary part of how it
    swings at one frequency, in metres; who plays with it takes its mass to be 1.
    """

    base: Positive  # Hz
    explained: Annotated[float, Meta(le=1)] | None
    pixels: Annotated[int, Meta(ge=0)]  # whose motion was used
    advised: Annotated[float, Meta(gt=0, le=1)] = 1.0
    said: tuple[Line, ...] = ()  # of the picture and the mesh: sentences for the artist
    layout = {"amplitudes": ("<f4", ("K", "M", 2))}
    required = frozenset({"amplitudes"})


class PictureRecord(Record, tag="picture"):
    """What a client brings to Picture and Plane: pixels (H, W, 3 or 4), sRGB as a camera gives it, rows from the top;
    the fourth is opacity, 255 = 1, and colours are not multiplied with it."""

    layout = {"pixels": ("|u1", ("H", "W", "N"))}
    required = frozenset({"pixels"})


class PicturesRecord(Record, tag="pictures"):
    """What a client brings to LearnSubject: the files of its pictures as they lie on its disk, (B,) bytes each, and
    their names in the same order."""

    names: Annotated[tuple[Line, ...], Meta(min_length=PICTURES[0], max_length=PICTURES[1])]
    layout = {f"file_{number}": ("|u1", (f"B{number}",)) for number in range(PICTURES[1])}


FilmSide = Annotated[int, Meta(ge=1, le=FILM_SIDE)]


class VolumeRecord(Record, tag="volume"):
    """The motion of a picture, before its film: coefficients (K, H, W, 4), of each bin (Re x, Re y, Im x, Im y), x to
    the right and y down, in pixels of (H, W), the size at which the networks see all of the picture.

    d(p, t) = Re sum_k S_k(p) exp(2 pi i k base t): a pixel of the film goes width / W times as far across, height / H
    times as far down. Where there was a pull the film is another motion, its ringing, and `loop` is False.
    """

    base: Positive  # Hz
    width: FilmSide  # pixels of the film
    height: FilmSide
    frames: Annotated[int, Meta(ge=1, le=MAX_FRAMES)]  # how many will follow
    fps: Fps
    loop: bool
    farthest: Annotated[float, Meta(ge=0)]  # pixels of the film that anything gets from where the picture has it
    said: tuple[Line, ...] = ()  # of the picture: what was done to it before
    version: Line = ""  # of the backend
    layout = {"coefficients": ("<f2", ("K", "H", "W", 4))}
    required = frozenset({"coefficients"})


class FilmRecord(Record, tag="film"):
    """One frame of a film: pixels (H, W, 3), sRGB, rows from the top."""

    index: Annotated[int, Meta(ge=0, lt=MAX_FRAMES)]
    layout = {"pixels": ("|u1", ("H", "W", 3))}
    required = frozenset({"pixels"})


class ViewsRecord(Record, tag="views"):
    """Views of one thing, pixels (F, H, W, 3), sRGB, rows from the top, as cameras at these azimuths see it: 0 is in
    front of it, on the side of -Y, and a quarter turn on that of +X. Of Views, after so many of all steps; of
    TextToMesh, of what it has come to then."""

    step: Annotated[int, Meta(ge=0)]
    steps: Annotated[int, Meta(ge=1)]
    azimuths: Annotated[tuple[float, ...], Meta(min_length=1, max_length=VIEWS)]  # (F,) radians
    preview: bool = False  # a later record replaces it
    understood: tuple[Line, ...] = ()  # of the prompt, with what was done for want of a better machine
    passed_over: tuple[Line, ...] = ()  # words of the prompt that the model does not know
    version: Line = ""  # of the backend
    layout = {"pixels": ("|u1", ("F", "H", "W", 3))}
    required = frozenset({"pixels"})


class Certificate(Record, tag="certificate"):
    """The last record: what was measured about the finished clip, as (name, value, unit), and that in one line."""

    DISPLACEMENT: ClassVar[str] = "largest displacement"  # of a vertex from the subject; in units of its size
    summary: Text = ""
    measured: tuple[tuple[Line, float, Line], ...] = ()


Records = (
    Subject | FrameRecord | ModeRecord | SwayRecord | SeenRecord | PictureRecord | PicturesRecord | VolumeRecord
    | FilmRecord | ViewsRecord | Certificate
)  # fmt: skip
_records = msgspec.msgpack.Decoder(Records)
_PREFIX = struct.Struct("<4sI")  # magic, header bytes
_RECORD_MAGIC = b"ANR1"
_ALIGN = 16


def pack(record: Record, arrays: dict[str, np.ndarray]) -> bytearray:
    """One record as bytes. `arrays` must fit the record's layout; raises BadMessage where they do not."""
    specs = []
    for name, array in arrays.items():
        if name not in record.layout:
            raise BadMessage("bad_frame", f"{type(record).__name__} has no array {name!r}")
        if array.dtype.newbyteorder("=") != np.dtype(record.layout[name][0]).newbyteorder("="):
            raise BadMessage("bad_frame", f"{name} is {array.dtype}, not {record.layout[name][0]}")
        specs.append(Array(name, record.layout[name][0], array.shape))
    record = msgspec.structs.replace(record, arrays=tuple(specs))
    header = msgspec.msgpack.encode(record)
    size = _check_layout(record, len(header))
    packed = bytearray(size)
    _PREFIX.pack_into(packed, 0, _RECORD_MAGIC, len(header))
    packed[_PREFIX.size : _PREFIX.size + len(header)] = header
    for spec, start in _placed(record, len(header)):
        target = np.frombuffer(packed, spec.dtype, math.prod(spec.shape), start).reshape(spec.shape)
        target[...] = arrays[spec.name]
    return packed


def unpack(data) -> tuple[Records, dict[str, np.ndarray]]:
    """The header, and arrays that are views into `data`. Raises BadMessage; allocates no array."""
    view = memoryview(data)
    if len(view) < _PREFIX.size or len(view) > RECORD_BYTES:
        raise BadMessage("bad_frame", f"A record of {len(view):,} bytes")
    magic, length = _PREFIX.unpack_from(view)
    if magic != _RECORD_MAGIC or length > min(HEADER_BYTES, len(view) - _PREFIX.size):
        raise BadMessage("bad_frame", "Not a record")
    try:
        record = _records.decode(view[_PREFIX.size : _PREFIX.size + length])
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad_header", str(error)[:300]) from None
    if _check_layout(record, length) != len(view):
        raise BadMessage("bad_frame", "A record whose arrays do not add up to its size")
    arrays = {
        spec.name: np.frombuffer(view, spec.dtype, math.prod(spec.shape), start).reshape(spec.shape)
        for spec, start in _placed(record, length)
    }
    return record, arrays


def _placed(record: Record, header: int):
    """Each array and the byte that it starts at."""
    start = _aligned(_PREFIX.size + header)
    for spec in record.arrays:
        yield spec, start
        start = _aligned(start + spec.size)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _check_layout(record: Record, header: int) -> int:
    """Bytes of the whole record; BadMessage where an array does not fit the layout or a limit."""
    numbers: dict[str, int] = {}
    names = [spec.name for spec in record.arrays]
    if len(set(names)) != len(names) or not record.required <= set(names):
        raise BadMessage("bad_frame", f"{type(record).__name__} needs {', '.join(sorted(record.required))}, each once")
    for spec in record.arrays:
        dtype, shape = record.layout.get(spec.name, ("", ()))
        if spec.dtype != dtype or len(spec.shape) != len(shape):
            raise BadMessage("bad_frame", f"{spec.name!r} is not an array of {type(record).__name__}")
        for is_, should in zip(spec.shape, shape, strict=True):
            if is_ != (numbers.setdefault(should, is_) if isinstance(should, str) else should):
                raise BadMessage("bad_frame", f"{spec.name} has shape {spec.shape}, against {numbers}")
        if spec.size > ARRAY_BYTES:
            raise BadMessage("too_large", f"{spec.name} has {spec.size:,} bytes; {ARRAY_BYTES:,} are allowed")
    if numbers.get("V", 0) > MAX_VERTICES:
        raise BadMessage("too_large", f"{numbers['V']:,} vertices; {MAX_VERTICES:,} are allowed")
    for width, height in (("W", "H"), ("S", "T")):
        if max(numbers.get(width, 0), numbers.get(height, 0)) > PICTURE_SIDE:
            sides = f"{numbers[width]:,} x {numbers[height]:,}"
            raise BadMessage("too_large", f"A picture of {sides} pixels; {PICTURE_SIDE:,} a side are allowed")
    size = _aligned(_PREFIX.size + header)
    for spec in record.arrays:
        size = _aligned(size + spec.size)
    if header > HEADER_BYTES or size > RECORD_BYTES:
        raise BadMessage("too_large", f"A record of {size:,} bytes; {RECORD_BYTES:,} are allowed")
    return size


def check_subject(arrays: dict[str, np.ndarray]) -> None:
    """The meaning of a Subject's numbers: finite, indices in range, sizes that add up. Raises BadMessage."""
    corners, sizes, triangles = arrays["corners"], arrays["sizes"], arrays["triangles"]
    if "picture" in arrays:
        check_pixels(arrays["picture"])
    for name in ("vertices", "uv", "pin", "weight"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise BadMessage("bad_frame", f"{name} holds NaN or infinity")
    in_range = (
        _within(corners, len(arrays["vertices"]))
        and _within(triangles, len(corners))
        and (not len(sizes) or sizes.min() >= 3)
        and int(sizes.sum(dtype=np.int64)) == len(corners)
    )
    if not in_range:
        raise BadMessage("bad_frame", "The polygons do not fit the vertices")
    if not arrays.keys().isdisjoint(("texture", "texture_roughness")) and not {"uv", "texture"} <= arrays.keys():
        raise BadMessage("bad_frame", "A texture lies on a surface by its uv, and its roughness beside its colours")


def check_views(record: ViewsRecord, arrays: dict[str, np.ndarray]) -> None:
    """Raises BadMessage where there are not as many pictures as cameras, or none to see."""
    pixels = arrays["pixels"]
    if len(pixels) != len(record.azimuths) or not pixels.size or not np.isfinite(record.azimuths).all():
        raise BadMessage("bad_frame", f"{len(pixels)} views from {len(record.azimuths)} azimuths")


def check_pictures(record: PicturesRecord, arrays: dict[str, np.ndarray]) -> None:
    """Raises BadMessage where there are not as many files as names."""
    if arrays.keys() != {f"file_{number}" for number in range(len(record.names))}:
        raise BadMessage("bad_frame", f"{len(arrays)} pictures with {len(record.names)} names")


def check_pixels(pixels: np.ndarray) -> None:
    """Raises BadMessage where (H, W, N) are not colours, with opacity or without."""
    if pixels.shape[2] not in (3, 4):
        raise BadMessage("bad_frame", f"A pixel has 3 or 4 values, not {pixels.shape[2]}")


def _within(indices: np.ndarray, limit: int) -> bool:
    return not indices.size or (indices.min() >= 0 and indices.max() < limit)
