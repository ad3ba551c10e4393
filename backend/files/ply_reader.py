"""Stanford .ply, text or binary, to polygons: every vertex and every face in the file's order, UVs of vertices or of
corners, colours of vertices (sRGB).

Text is read as if it were binary with doubles throughout, so that there is one way to take a file apart.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend import protocol
from backend.files.polygons import Ints, Polygons, Unsound, numbers, ramps

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDER = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
_COLOURS = ("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue")
_CORNERS = ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class _Property:
    name: str
    kind: np.dtype  # of a value, or of each in a list
    length: np.dtype | None  # of the number before a list
    declared: str


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: list[_Property]


def read(path: Path) -> Polygons:
    """Raises Unsound."""
    data = path.read_bytes()
    ascii_, elements, start = _header(data)
    if ascii_:
        values, widths = numbers(data[start:])
        if len(values) != widths.sum():
            raise Unsound("there is a word where a number is meant")
        data, start = values.astype("<f8").tobytes(), 0
    vertex: dict[str, np.ndarray] = {}
    face: dict[str, tuple[np.ndarray, Ints]] = {}
    declared: dict[str, str] = {}
    for element in elements:
        plain, lists, start = _taken(data, start, element)
        if element.name == "vertex":
            vertex, declared = plain, {one.name: one.declared for one in element.properties}
        elif element.name == "face":
            face = lists
        elif element.name == "tristrips" and element.count:
            raise Unsound("its faces are triangle strips, which are not read here: export it with faces")
    if not all(axis in vertex for axis in "xyz"):
        raise Unsound("its vertices have no x, y and z")
    places = np.stack([vertex[axis] for axis in "xyz"], axis=1).astype(np.float64)
    corners, sizes = next((face[name] for name in _CORNERS if name in face), (np.empty(0), np.empty(0, np.int64)))
    polygons = Polygons(places, corners.astype(np.int64), sizes, albedo=_colours(vertex, declared))
    polygons.checked()  # before its corners are used
    uv = _uv(vertex, face, polygons.corners)
    return Polygons(places, polygons.corners, sizes, uv, polygons.albedo).checked()


def _header(data: bytes) -> tuple[bool, list[_Element], int]:
    """Whether it is text, what it holds, and where that begins."""
    end = data.find(b"end_header")
    begin = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or not begin:
        raise Unsound("it has no header of a .ply")
    form, order, elements = "", "", []
    try:
        for line in data[:end].decode("ascii", "replace").splitlines()[1:]:
            match line.split():
                case ["format", form, _]:
                    order = _ORDER[form]
                case ["element", name, count]:
                    elements.append(_Element(name, int(count), []))
                case ["property", "list", length, kind, name]:
                    one = _Property(name, _kind(form, order, kind), _kind(form, order, length), kind)
                    elements[-1].properties.append(one)
                case ["property", kind, name]:
                    elements[-1].properties.append(_Property(name, _kind(form, order, kind), None, kind))
    except (KeyError, ValueError, IndexError):
        raise Unsound(f'its header holds "{line}"') from None
    for element in elements:
        names = [one.name for one in element.properties]
        if not form or element.count < 0 or len(set(names)) < len(names):
            raise Unsound(f'its header says "{element.name}" in a way that makes no sense')
    return form == "ascii", elements, begin


def _kind(form: str, order: str, name: str) -> np.dtype:
    own = _TYPES[name]
    return np.dtype(order + ("f8" if form == "ascii" else own))


def _taken(data: bytes, start: int, element: _Element) -> tuple[dict, dict, int]:
    """The values of an element by name, (N,); its lists, all values and (N,) lengths; and where the next begins."""
    if not element.count or not element.properties:
        nothing = {one.name: np.empty(0, one.kind) for one in element.properties}
        return nothing, {name: (none, np.empty(0, np.int64)) for name, none in nothing.items()}, start
    even = _even(data, start, element)
    if even is None:
        return _uneven(data, start, element)
    plain = {one.name: even[one.name] for one in element.properties if one.length is None}
    lists = {
        one.name: (even[one.name].ravel(), np.full(element.count, even[one.name].shape[1]))
        for one in element.properties
        if one.length is not None
    }
    return plain, lists, start + even.nbytes


def _even(data: bytes, start: int, element: _Element) -> np.ndarray | None:
    """(N,) structured, where the lists of all are as long as those of the first; otherwise None."""
    fields, at = [], start
    for one in element.properties:
        if one.length is None:
            fields.append((one.name, one.kind))
            at += one.kind.itemsize
            continue
        length = _length(data, at, one)
        fields += [(f"{one.name} length", one.length), (one.name, one.kind, (length,))]
        at += one.length.itemsize + length * one.kind.itemsize
    layout = np.dtype(fields)
    if start + element.count * layout.itemsize > len(data):
        if any(one.length is not None for one in element.properties):
            return None
        raise Unsound("it ends too early")
    rows = np.frombuffer(data, layout, element.count, start)
    lengths = [rows[f"{one.name} length"] for one in element.properties if one.length is not None]
    return rows if all((length == length[0]).all() for length in lengths) else None


def _uneven(data: bytes, start: int, element: _Element) -> tuple[dict, dict, int]:
    at, places = start, {one.name: [] for one in element.properties}
    lengths: dict[str, list[int]] = {one.name: [] for one in element.properties}
    for _ in range(element.count):
        for one in element.properties:
            length = 1
            if one.length is not None:
                length = _length(data, at, one)
                at += one.length.itemsize
            places[one.name].append(at)
            lengths[one.name].append(length)
            at += length * one.kind.itemsize
    if at > len(data):
        raise Unsound("it ends too early")
    plain, lists, octets = {}, {}, np.frombuffer(data, np.uint8)
    for one in element.properties:
        sizes = np.array(lengths[one.name], np.int64)
        first = np.repeat(np.array(places[one.name], np.int64), sizes) + ramps(sizes) * one.kind.itemsize
        values = octets[first[:, None] + np.arange(one.kind.itemsize)].view(one.kind).ravel()
        if one.length is None:
            plain[one.name] = values
        else:
            lists[one.name] = values, sizes
    return plain, lists, at


def _length(data: bytes, at: int, one: _Property) -> int:
    octets = data[at : at + one.length.itemsize]
    length = float(np.frombuffer(octets, one.length)[0]) if len(octets) == one.length.itemsize else -1.0
    if not 0.0 <= length <= len(data):
        raise Unsound("it ends too early, or a list in it has no length")
    return int(length)


def _colours(vertex: dict[str, np.ndarray], declared: dict[str, str]) -> np.ndarray | None:
    names = next((each for each in _COLOURS if all(name in vertex for name in each)), None)
    if names is None:
        return None
    kind = np.dtype(_TYPES[declared[names[0]]])
    most = np.iinfo(kind).max if kind.kind in "iu" else 1.0
    colours = np.stack([vertex[name] for name in names], axis=1).astype(np.float32) / np.float32(most)
    return protocol.srgb_to_linear(np.clip(colours, 0.0, 1.0))


def _uv(vertex: dict[str, np.ndarray], face: dict, corners: Ints) -> np.ndarray | None:
    """(C, 2), of the corners where the faces bring them, otherwise of the vertices."""
    values, _ = face.get("texcoord", (np.empty(0), None))
    if len(values) and len(values) == 2 * len(corners):
        return values.reshape(-1, 2).astype(np.float64)
    for s, t in _UV:
        if s in vertex and t in vertex:
            return np.stack([vertex[s], vertex[t]], axis=1).astype(np.float64)[corners]
    return None
