"""A mesh from a file, as it stands there: .obj, .ply and .off by readers of our own, .glb, .gltf and .stl by trimesh.

Libraries triangulate polygons, or put vertices into another order, and what an artist gets back would not be theirs.
Vertices stay in the file's order, with those that no face uses; polygons, doubled faces and faces without area stay;
UVs are on the corners. An .stl alone has no vertices, only triangles, whose corners at one place are taken as one.
Units are left as they are.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend import protocol
from backend.clip import Mesh
from backend.files import obj_reader, off_reader, ply_reader
from backend.files.polygons import Polygons, Reals, Unsound, joined

Y_UP = (".obj", ".glb", ".gltf")  # by specification for glTF, by habit for .obj; other formats are taken as Z up
ENDINGS = (*Y_UP, ".ply", ".stl", ".off")
OWN = {".obj": obj_reader.read, ".ply": ply_reader.read, ".off": off_reader.read}
FINE = 1e-5  # of the size: where float32 is coarser than this, a mesh lies too far from the origin for it


class Unreadable(ValueError):
    """A file that holds no mesh that can live; the message says what to do."""


class Placed(NamedTuple):
    """A mesh, and how far it was moved to lie where float32 can tell its points apart: (3,), usually zero."""

    mesh: Mesh
    moved: Reals


def read(path: Path, up: str | None = None) -> Mesh:
    """The mesh in a file, for those who do not mind whether it was moved."""
    return placed(path, up).mesh


def placed(path: Path, up: str | None = None) -> Placed:
    """The mesh in a file; all of it as one, where there are several. `up` is "Y", "Z", or None for the format's habit.

    Raises Unreadable.
    """
    if not path.is_file():
        raise Unreadable(f"There is no file {path}: check its name")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise Unreadable(f"Cannot read {path.suffix or path.name} files: the mesh may be {', '.join(ENDINGS)}")
    try:
        with np.errstate(all="ignore"):  # what is infinite is refused below, in words
            polygons = OWN.get(ending, _by_trimesh)(path)
    except Unsound as error:
        raise Unreadable(f"{path.name} is not a sound {path.suffix} file: {error}. Export it again") from error
    if not len(polygons.sizes):
        raise Unreadable(f"{path.name} has no faces: only a surface can be animated. Give it faces")
    with np.errstate(over="ignore"):
        finite = np.isfinite(polygons.vertices.astype(np.float32)).all()
    if not finite:
        raise Unreadable(f"{path.name} has coordinates that are not numbers (NaN or infinity): repair it first")
    if (up or ("Y" if ending in Y_UP else "Z")) == "Y":
        polygons = polygons.at(polygons.vertices[:, [0, 2, 1]] * [1.0, -1.0, 1.0])
    moved = _to_origin(polygons)
    return Placed(polygons.at(polygons.vertices + moved).mesh(), moved)


def _to_origin(polygons: Polygons) -> Reals:
    """(3,) by a round number near the middle where the mesh lies too far away, otherwise zero."""
    used = polygons.vertices[polygons.corners]
    low, high = used.min(axis=0), used.max(axis=0)
    size, away = (high - low).max(), np.abs([low, high]).max()
    if size == 0.0 or np.spacing(np.float32(away)) <= FINE * size:
        return np.zeros(3)
    unit = 10.0 ** np.ceil(np.log10(size))
    return 0.0 - np.round((low + high) / 2 / unit) * unit


def _by_trimesh(path: Path) -> Polygons:
    import trimesh

    try:
        scene = trimesh.load_scene(path, process=False)
        parts = [(scene.geometry[name], at) for at, name in map(scene.graph.get, scene.graph.nodes_geometry)]
        polygons = [_converted(part, matrix) for part, matrix in parts if len(getattr(part, "faces", ()))]
    except ImportError as error:  # trimesh asks for more packages where a file is packed, or is not what its name says
        raise Unsound("or it is packed in a way that is not read here") from error
    except Exception as error:  # a stranger's file: trimesh's parsers name no error of their own
        raise Unsound(str(error) or type(error).__name__) from error
    if not polygons:
        return Polygons(np.empty((0, 3)), np.empty(0, np.int64), np.empty(0, np.int64))
    whole = joined(polygons).checked()
    return _shared(whole) if path.suffix.lower() == ".stl" else whole


def _converted(part, matrix: np.ndarray) -> Polygons:
    """One trimesh, with its UVs on the corners, in its place."""
    faces = np.asarray(part.faces, np.int64)
    if np.linalg.det(matrix[:3, :3]) < 0:  # it is mirrored
        faces = faces[:, ::-1]
    uv = getattr(part.visual, "uv", None)
    return Polygons(
        np.asarray(part.vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3],
        faces.ravel(),
        np.full(len(faces), 3),
        None if uv is None else np.asarray(uv, np.float64)[faces.ravel()],
        _colours(part),
    )


def _colours(part) -> np.ndarray | None:
    """(V, 3) linear: colours of the vertices, or glTF's colour factor; None where the file brings neither."""
    if part.visual.kind == "vertex":
        return protocol.srgb_to_linear(np.asarray(part.visual.vertex_colors)[:, :3].astype(np.float32) / 255)
    factor = getattr(getattr(part.visual, "material", None), "baseColorFactor", None)
    if factor is None:
        return None
    return np.tile(np.asarray(factor[:3], np.float32) / np.float32(255), (len(part.vertices), 1))


def _shared(soup: Polygons) -> Polygons:
    """The same triangles in the same order, whose corners at one place are one vertex."""
    places = soup.vertices + 0.0  # -0 and 0 are one place
    # NaN is refused later, by its name; here it must only not be merged
    vertices, which = np.unique(places, axis=0, return_inverse=True, equal_nan=False)
    return Polygons(vertices, which.reshape(-1)[soup.corners], soup.sizes)
