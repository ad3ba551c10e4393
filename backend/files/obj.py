"""A clip as a folder of Wavefront .obj, one a frame: name_0001.obj and so on, the name being the folder's.

Y up, as Blender and most others expect of this format; polygons as they were drawn; a colour after each position,
sRGB-encoded, as Blender, MeshLab and trimesh read it. A texture lies beside them with name.mtl, which says so; where
life changes the colours, they are on the vertices and the texture is left out, for a frame has none of its own.
"""

import re
import shutil
from pathlib import Path

import numpy as np

from backend import protocol
from backend.clip import Clip, Mesh, Texture
from backend.files import Unwritable, beside, part_of


def save(clip: Clip, folder: Path) -> None:
    """Frames of an earlier, longer clip of this name are removed; other files in the folder stay.

    Raises Unwritable where the clip shows a picture that holds its own light.
    """
    texture = clip.subject.texture
    if texture is not None and not texture.lit:
        raise Unwritable("A folder of .obj holds no picture: end the name with .glb, .usdc or .usdz")
    part = part_of(folder)
    try:
        part.mkdir(exist_ok=True)
        _write(clip, part, folder.name)
        if not folder.exists():
            part.rename(folder)
            return
        for earlier in frames_in(folder):
            earlier.unlink()
        for frame in part.iterdir():
            frame.replace(folder / frame.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(clip: Clip, folder: Path, name: str) -> None:
    uv, faces = _uv(clip.subject), _faces(clip.subject)
    texture = clip.subject.texture if clip.keeps("albedo") else None
    head = ""
    if texture is not None:
        head = _material(texture, folder, name)
    for number, positions in enumerate(clip.positions, start=1):
        colours = clip.subject.albedo if clip.albedo is None else clip.albedo[number - 1]
        text = "".join([head, _vertices(positions, None if head else colours), uv, faces])
        (folder / f"{name}_{number:04d}.obj").write_text(text, encoding="utf-8")


def _material(texture: Texture, folder: Path, name: str) -> str:
    """The lines with which an .obj says that it shows a texture; files of it, and the material, are written."""
    files = beside(folder / f"{name}.obj", texture)
    for path, data in files.items():
        path.write_bytes(data)
    maps = zip(("map_Kd", "map_Pr"), files, strict=False)
    lines = ["newmtl Anthesis", "Kd 1 1 1", *(f"{word} {path.name}" for word, path in maps)]
    (folder / f"{name}.mtl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"mtllib {name}.mtl\nusemtl Anthesis\n"


def frames_in(folder: Path) -> list[Path]:
    """The files that save() writes, of any length, as they are there."""
    ours = re.compile(re.escape(folder.name) + r"_\d{4,}\.obj")
    return sorted(path for path in folder.iterdir() if ours.fullmatch(path.name))


def _vertices(positions: np.ndarray, colours: np.ndarray | None) -> str:
    columns = [positions[:, [0, 2, 1]] * [1, 1, -1]]
    if colours is not None:
        columns.append(protocol.linear_to_srgb(colours))
    rows = np.concatenate(columns, axis=1)
    line = "v" + " %.9g" * 3 + " %.4f" * (rows.shape[1] - 3) + "\n"
    return (line * len(rows)) % tuple(rows.ravel().tolist())


def _uv(subject: Mesh) -> str:
    if subject.uv is None:
        return ""
    return ("vt %.9g %.9g\n" * len(subject.uv)) % tuple(subject.uv.ravel().tolist())


def _faces(subject: Mesh) -> str:
    """Polygons, counted from one; corner k has the k-th UV."""
    corner = "%d" if subject.uv is None else "%d/%d"
    numbers = np.stack([subject.corners, np.arange(len(subject.corners))], axis=1)[:, : 1 if subject.uv is None else 2]
    lines = "".join("f" + f" {corner}" * size + "\n" for size in subject.sizes.tolist())
    return lines % tuple((numbers + 1).ravel().tolist())
