"""Wavefront .obj to polygons: every vertex and every face in the file's order, UVs on the corners, colours of vertices
behind their positions (sRGB), or Kd of the materials (linear, as Blender takes it).

Objects and groups become one mesh. Lines, points, curves, normals and what other programs add are passed over.
"""

import re
from array import array
from pathlib import Path

import numpy as np

from backend import protocol
from backend.files.polygons import Ints, Polygons, Reals, Unsound, numbers

_CORNER = re.compile(rb"-?\d+(/-?\d+){0,2}")


class _Statements:
    """The lines of a file by what they state, each with its number."""

    def __init__(self, data: bytes):
        self.rows: dict[bytes, list[bytes]] = {b"v": [], b"vt": [], b"f": []}
        self.lines = {key: array("q") for key in self.rows}
        self.before = array("q"), array("q")  # vertices and UVs that stand before each face
        self.materials: list[tuple[int, str]] = []  # from which face on
        self.libraries: list[str] = []
        if b"\0" in data:
            raise Unsound("it is not text")
        if b"\\" in data:
            data = re.sub(rb"\\\r?\n", b" ", data)
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
            words = line.split(None, 1)
            if words:
                self._take(number, words[0], words[1] if len(words) > 1 else b"")

    def _take(self, number: int, key: bytes, rest: bytes) -> None:
        if key in self.rows:
            if key == b"f":
                self.before[0].append(len(self.rows[b"v"]))
                self.before[1].append(len(self.rows[b"vt"]))
            self.rows[key].append(rest.partition(b"#")[0] if b"#" in rest else rest)
            self.lines[key].append(number)
        elif key == b"usemtl":
            self.materials.append((len(self.rows[b"f"]), _name(rest)))
        elif key == b"mtllib":
            whole = _name(rest)  # a name may have spaces in it, or there may be several
            self.libraries += [whole, *(whole.split() if " " in whole else ())]
        elif not re.match(rb"#|[A-Za-z_]\w*$", key):
            raise Unsound(f"line {number} begins with no word that .obj knows")

    def table(self, key: bytes, least: int) -> tuple[Reals, Ints]:
        """Numbers in a row for each line, (N, most that one has), and how many it has. Raises Unsound."""
        rows = self.rows[key]
        values, widths = numbers(b"\n".join(rows))
        if len(values) != widths.sum() or (len(rows) and widths[: len(rows)].min() < least):
            bad = next(k for k, row in enumerate(rows) if len(row.split()) < least or not _all(float, row.split()))
            raise Unsound(f"line {self.lines[key][bad]} does not hold {least} numbers")
        widths = widths[: len(rows)]
        table = np.zeros((len(rows), max(least, int(widths.max(initial=0)))))
        table[np.arange(table.shape[1]) < widths[:, None]] = values
        return table, widths


def read(path: Path) -> Polygons:
    """Raises Unsound."""
    said = _Statements(path.read_bytes())
    vertices, widths = said.table(b"v", 3)
    texture = said.table(b"vt", 1)[0]
    if texture.shape[1] < 2:
        texture = np.pad(texture, ((0, 0), (0, 1)))
    corners, mapped, sizes = _faces(said, len(vertices), len(texture))
    uv = None
    if (mapped >= 0).any():
        uv = np.where(mapped[:, None] >= 0, texture[mapped, :2], 0.0)
    albedo = _vertex_colours(vertices, widths)
    if albedo is None:
        albedo = _material_colours(said, path.parent, corners, sizes, len(vertices))
    return Polygons(vertices[:, :3], corners, sizes, uv, albedo).checked()


def _faces(said: _Statements, vertices: int, uvs: int) -> tuple[Ints, Ints, Ints]:
    """(C,) vertices and (C,) UVs of the corners, -1 for none, and (P,) sizes."""
    rows = said.rows[b"f"]
    text = b"\n".join(rows)
    if b"/" in text:
        text = re.sub(rb"/(?=[/\s]|\Z)", b"/0", text)  # a UV or normal that is left out
    signs = np.frombuffer(text, np.uint8)
    begins = signs > ord(" ")
    begins[1:] &= signs[:-1] <= ord(" ")
    slashes = np.bincount(np.cumsum(begins)[signs == ord("/")] - 1, minlength=int(begins.sum()))
    values, _ = numbers(text.replace(b"/", b" "), np.int64)
    if len(values) != (slashes + 1).sum() or slashes.max(initial=0) > 2:
        lines = zip(said.lines[b"f"], text.split(b"\n"), strict=True)
        bad = next(number for number, row in lines if not all(map(_CORNER.fullmatch, row.split())))
        raise Unsound(f"line {bad} is no face: its corners are written as 1, 1/2, 1//3 or 1/2/3")
    face = np.cumsum(signs == ord("\n"))[begins]
    sizes = np.bincount(face, minlength=len(rows))[: len(rows)]
    first = np.cumsum(slashes + 1) - slashes - 1
    written = np.where(slashes > 0, values[np.minimum(first + 1, max(len(values) - 1, 0))], 0)
    lines = np.asarray(said.lines[b"f"])[face]
    corner = _counted(values[first], np.asarray(said.before[0])[face])
    _refuse(corner, vertices, "vertex", values[first], lines)
    mapped = np.where(written != 0, _counted(written, np.asarray(said.before[1])[face]), -1)
    _refuse(np.where(written != 0, mapped, 0), max(uvs, 1), "UV", written, lines)
    return corner, mapped, sizes


def _counted(written: Ints, before: Ints) -> Ints:
    """From 0; what is negative is counted back from the line that it stands in, and zero becomes -1."""
    return np.where(written < 0, before + written, written - 1)


def _refuse(index: Ints, count: int, what: str, written: Ints, lines: Ints) -> None:
    bad = np.flatnonzero((index < 0) | (index >= count))
    if len(bad):
        raise Unsound(f"line {lines[bad[0]]} names {what} {written[bad[0]]}, and there are {count:,}")


def _vertex_colours(vertices: Reals, widths: Ints) -> np.ndarray | None:
    """(V, 3) linear, grey where a vertex brings none, of positions with three numbers more (and perhaps an alpha)."""
    coloured = widths >= 6
    if not coloured.any():
        return None
    return np.where(coloured[:, None], protocol.srgb_to_linear(vertices[:, 3:6].astype(np.float32)), _grey())


def _material_colours(said: _Statements, folder: Path, corners: Ints, sizes: Ints, count: int) -> np.ndarray | None:
    """(V, 3) linear; a vertex between two materials has the colour of the later one."""
    colours = {}
    for name in said.libraries:
        if (folder / name).is_file():
            colours |= _library((folder / name).read_bytes())
    if not colours.keys() & {name for _, name in said.materials}:
        return None
    starts = [0, *(face for face, _ in said.materials), len(sizes)]
    own = [_grey(), *(colours.get(name, _grey()) for _, name in said.materials)]
    of_face = np.repeat(np.array(own), np.diff(starts), axis=0)
    albedo = np.tile(_grey(), (count, 1))
    albedo[corners] = np.repeat(of_face, sizes, axis=0)
    return albedo


def _library(data: bytes) -> dict[str, np.ndarray]:
    """Kd of each material of an .mtl, linear; none of those that have a texture in its place."""
    colours, name, textured = {}, "", set()
    for line in data.splitlines():
        key, _, rest = line.strip().replace(b"\t", b" ").partition(b" ")
        if key == b"newmtl":
            name = _name(rest)
        elif key == b"Kd" and len(rest.split()) == 3 and _all(float, rest.split()):
            colours[name] = np.clip(np.array(rest.split(), np.float32), 0.0, 1.0)
        elif key == b"map_Kd":
            textured.add(name)
    return {name: colour for name, colour in colours.items() if name not in textured}


def _grey() -> np.ndarray:
    return np.full(3, protocol.GREY, np.float32)


def _name(text: bytes) -> str:
    return text.strip().decode(errors="replace")


def _all(kind: type, words: list[bytes]) -> bool:
    try:
        return all(kind(word) is not None for word in words)
    except ValueError:
        return False
