"""A folder with a mesh a frame, .obj, .ply, .stl, .off or .glb, in the order of the numbers in their names."""

import re
from pathlib import Path

import numpy as np

from backend.clip import Mesh
from backend.files import mesh as mesh_files
from tests.benchmarks.lifebench.nouns import Reals, Sequence
from tests.benchmarks.lifebench.readers.moments import Moment, Unreadable, sequence

PACE = 24.0  # frames a second where nobody says


def read(path: Path, fps: float | None = None, up: str | None = None) -> Sequence:
    """Tracked where every frame has the same polygons. Raises Unreadable."""
    files = listed(path)
    moments, first = [], None
    for file in files:
        mesh, moved = _placed(file, up)
        first = first or mesh
        moments.append(_moment(mesh, moved, first))
    size = sum(file.stat().st_size for file in files)
    return sequence(moments, np.arange(len(files)) / (fps or PACE), size, path.name)


def listed(path: Path) -> list[Path]:
    """The frames, counted as a person counts: frame_9 comes before frame_10. Raises Unreadable."""
    files = [file for file in path.iterdir() if file.suffix.lower() in mesh_files.ENDINGS]
    endings = {file.suffix.lower() for file in files}
    if not files:
        raise Unreadable(f"There is no mesh in {path}: a frame may be {', '.join(mesh_files.ENDINGS)}")
    if len(endings) > 1:
        raise Unreadable(f"{path} has frames of {len(endings)} formats, {', '.join(sorted(endings))}: keep one")
    return sorted(files, key=lambda file: [int(n) if n.isdigit() else n for n in re.split(r"(\d+)", file.stem)])


def _placed(file: Path, up: str | None) -> mesh_files.Placed:
    try:
        return mesh_files.placed(file, up)
    except mesh_files.Unreadable as error:
        raise Unreadable(str(error)) from error


def _moment(mesh: Mesh, moved: Reals, first: Mesh) -> Moment:
    """With the triangles of the first frame where the polygons are the same: how one that is bent is best cut up
    differs from frame to frame."""
    same = np.array_equal(mesh.sizes, first.sizes) and np.array_equal(mesh.corners, first.corners)
    faces = first.faces if same else mesh.faces
    roughness = None if mesh.roughness is None else mesh.roughness.astype(np.float64)
    albedo = None if mesh.albedo is None else mesh.albedo.astype(np.float64)
    return Moment(mesh.vertices.astype(np.float64) - moved, faces, albedo, roughness)
