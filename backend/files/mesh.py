"""A mesh from a file, read by trimesh.

Vertices that lie exactly on one another become one (formats that split at UV seams, and .stl, which shares none, are
then whole again); UVs stay on the corners. Units are left as they are.
"""

from pathlib import Path

import numpy as np

from backend import protocol
from backend.clip import Mesh

Y_UP = (".obj", ".glb", ".gltf")  # by specification for glTF, by habit for .obj; other formats are taken as Z up
ENDINGS = (*Y_UP, ".ply", ".stl", ".off")


class Unreadable(ValueError):
    """A file that holds no mesh that can live; the message says what to do."""


def read(path: Path, up: str | None = None) -> Mesh:
    """The mesh in a file; all of it as one, where there are several. `up` is "Y", "Z", or None for the format's habit.

    Raises Unreadable.
    """
    import trimesh

    if not path.is_file():
        raise Unreadable(f"There is no file {path}: check its name")
    if path.suffix.lower() not in ENDINGS:
        raise Unreadable(f"Cannot read {path.suffix or path.name} files: the mesh may be {', '.join(ENDINGS)}")
    try:
        with np.errstate(all="ignore"):  # what is infinite is refused below, in words
            scene = trimesh.load_scene(path, process=False)
            placed = [(scene.geometry[name], at) for at, name in map(scene.graph.get, scene.graph.nodes_geometry)]
            meshes = [_converted(part, matrix) for part, matrix in placed if len(getattr(part, "faces", ()))]
    except ImportError as error:  # trimesh asks for more packages where a file is packed, or is not what its name says
        raise Unreadable(
            f"{path.name} is not a sound {path.suffix} file, or packed in a way that is not read here: export it again"
        ) from error
    except Exception as error:  # a stranger's file: trimesh's parsers name no error of their own
        raise Unreadable(f"{path.name} is not a sound {path.suffix} file: {error or type(error).__name__}") from error
    if not meshes:
        raise Unreadable(f"{path.name} has no faces: only a surface can be animated")
    mesh = _merged(meshes)
    if not np.isfinite(mesh.vertices).all():
        raise Unreadable(f"{path.name} has coordinates that are not numbers (NaN or infinity): repair it first")
    if not len(mesh.triangles):
        raise Unreadable(f"{path.name} has no surface: all its faces have no area")
    if (up or ("Y" if path.suffix.lower() in Y_UP else "Z")) == "Y":
        mesh = mesh.at(np.ascontiguousarray(mesh.vertices[:, [0, 2, 1]] * np.float32([1, -1, 1])))
    return mesh


def _converted(part, matrix: np.ndarray) -> Mesh:
    """One trimesh to a Mesh: UVs from vertices to corners, vertices welded, faces that fall flat by it left out."""
    points = np.asarray(part.vertices) @ matrix[:3, :3].T + matrix[:3, 3]
    points = points.astype(np.float32) + np.float32(0)  # -0 and 0 are one place
    mirrored = np.linalg.det(matrix[:3, :3]) < 0
    faces = np.asarray(part.faces)[:, :: -1 if mirrored else 1]
    colours, uv = _colours(part), getattr(part.visual, "uv", None)
    # NaN is refused later, by its name; here it must only not be merged
    points, first, which = np.unique(points, axis=0, return_index=True, return_inverse=True, equal_nan=False)
    welded = which.reshape(-1)[faces]
    whole = (welded != np.roll(welded, 1, axis=1)).all(axis=1)
    return Mesh.from_triangles(
        points,
        welded[whole],
        uv=None if uv is None else np.asarray(uv, np.float32)[faces[whole]].reshape(-1, 2),
        albedo=None if colours is None else colours[first],
    )


def _colours(part) -> np.ndarray | None:
    """(V, 3) linear: colours of the vertices, or glTF's colour factor; None where the file brings neither."""
    if part.visual.kind == "vertex":
        return protocol.srgb_to_linear(np.asarray(part.visual.vertex_colors)[:, :3].astype(np.float32) / 255)
    factor = getattr(getattr(part.visual, "material", None), "baseColorFactor", None)
    if factor is None:
        return None
    return np.tile(np.asarray(factor[:3], np.float32) / np.float32(255), (len(part.vertices), 1))


def _merged(parts: list[Mesh]) -> Mesh:
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(part.vertices) for part in parts)])
    albedo = None
    if any(part.albedo is not None for part in parts):
        own = [np.full_like(part.vertices, protocol.GREY) if part.albedo is None else part.albedo for part in parts]
        albedo = np.concatenate(own)
    uv = None
    if all(part.uv is not None for part in parts):
        uv = np.concatenate([part.uv for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, before[:-1], strict=True)])
    return Mesh.from_triangles(np.concatenate([part.vertices for part in parts]), faces, uv=uv, albedo=albedo)
