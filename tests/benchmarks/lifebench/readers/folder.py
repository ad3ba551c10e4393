"""A folder with a mesh a frame, .obj, .ply, .stl, .off or .glb, in the order of the numbers in their names."""

import re
from pathlib import Path

import numpy as np

from backend.files import mesh as mesh_files
from tests.benchmarks.lifebench.nouns import Sequence
from tests.benchmarks.lifebench.readers.moments import Moment, Unreadable, sequence

PACE = 24.0  # frames a second where nobody says


def read(path: Path, fps: float | None = None, up: str | None = None) -> Sequence:
    """Tracked where every frame has the same triangles. Raises Unreadable."""
    files = listed(path)
    moments = [_moment(file, up) for file in files]
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


def _moment(file: Path, up: str | None) -> Moment:
    try:
        mesh, moved = mesh_files.placed(file, up)
    except mesh_files.Unreadable as error:
        raise Unreadable(str(error)) from error
    roughness = None if mesh.roughness is None else mesh.roughness.astype(np.float64)
    albedo = None if mesh.albedo is None else mesh.albedo.astype(np.float64)
    return Moment(mesh.vertices.astype(np.float64) - moved, mesh.faces, albedo, roughness)
