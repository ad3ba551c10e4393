"""Geomview's .off, as text, to polygons: as they stand in the file, with the colours of vertices (sRGB) where it says
COFF. Colours of faces are passed over.
"""

import re
from pathlib import Path

import numpy as np

from backend import protocol
from backend.files.polygons import Polygons, Unsound, numbers, ramps


def read(path: Path) -> Polygons:
    """Raises Unsound."""
    data = path.read_bytes()
    if b"\0" in data:
        raise Unsound("it is not text; a binary .off is not read here")
    rows = [row for line in data.splitlines() if (row := line.partition(b"#")[0].strip())]
    header = re.match(rb"(ST)?(C?)(N?)OFF\b\s*", rows[0] if rows else b"")
    if not header:
        raise Unsound("it does not begin with OFF")
    rows[0] = rows[0][header.end() :]
    rows = rows if rows[0] else rows[1:]
    values, widths = numbers(b"\n".join(rows))
    if len(values) != widths.sum():
        raise Unsound("there is a word where a number is meant")
    if not len(widths) or widths[0] < 2 or (values[:2] < 0).any():
        raise Unsound("its second line does not say how many vertices and faces there are")
    vertices, faces = values[:2].astype(np.int64)
    if len(widths) < 1 + vertices + faces:
        raise Unsound("it ends too early")
    starts = np.cumsum(widths) - widths
    table = widths[1 : 1 + vertices]
    if len(table) and (table.min() != table.max() or table[0] < 3):
        raise Unsound("its vertices do not have three numbers each")
    points = values[starts[1] if vertices else 0 :][: int(table.sum())].reshape(vertices, -1)
    at = starts[1 + vertices :][:faces]
    sizes = values[at].astype(np.int64)
    if (sizes < 0).any() or (sizes + 1 > widths[1 + vertices :][:faces]).any():
        raise Unsound("a face has fewer corners than it says")
    corners = values[np.repeat(at + 1, sizes) + ramps(sizes)].astype(np.int64)
    albedo, first = None, 6 if header[3] else 3
    if header[2] and vertices and points.shape[1] >= first + 3:
        colours = points[:, first : first + 3].astype(np.float32)
        albedo = protocol.srgb_to_linear(colours / 255 if colours.max() > 1 else colours)
    return Polygons(points[:, :3], corners, sizes, albedo=albedo).checked()
