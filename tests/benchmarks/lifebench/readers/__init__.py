"""What other systems write, as Sequences: one module a format, chosen by the ending of the name.

    .glb .gltf              morph targets, skins, moving nodes          by our own reader
    .usd .usda .usdc .usdz  points over time, blend shapes, skeletons   by usd-core
    .npz                    a clip of our own
    .abc .fbx               no library on PyPI reads them               by Blender, in its own environment
    a folder                a mesh a frame: .obj, .ply, .stl, .off, .glb

Metres, Z up, and time begins at 0. Vertices are in the file's order; those that a format splits at its seams are one.
"""

from pathlib import Path

from tests.benchmarks.lifebench.nouns import Sequence
from tests.benchmarks.lifebench.readers.moments import Unreadable

BY_BLENDER = (".abc", ".fbx")
ENDINGS = (".glb", ".gltf", ".usd", ".usda", ".usdc", ".usdz", ".npz", *BY_BLENDER)

__all__ = ["ENDINGS", "Unreadable", "read"]


def read(path: Path, fps: float | None = None, up: str | None = None) -> Sequence:
    """The sequence in a file or folder.

    `fps`: how often its life is looked at; None: at its own key times (a folder has none, and is taken to have 24 a
    second). `up`: "Y" or "Z" for formats that do not say, which are those of a folder; None: by habit of the format.
    Raises Unreadable, whose message says what to do.
    """
    path = Path(path)
    if path.is_dir():
        from tests.benchmarks.lifebench.readers import folder

        return folder.read(path, fps, up)
    if not path.is_file():
        raise Unreadable(f"There is no file {path}: check its name")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise Unreadable(f"Cannot read {path.name}: it may be {', '.join(ENDINGS)}, or a folder with a mesh a frame")
    if ending in (".glb", ".gltf"):
        from tests.benchmarks.lifebench.readers import gltf as form
    elif ending == ".npz":
        from tests.benchmarks.lifebench.readers import clip as form
    elif ending in BY_BLENDER:
        from tests.benchmarks.lifebench.readers import blender as form
    else:
        from tests.benchmarks.lifebench.readers import usd as form
    return form.read(path, fps)
