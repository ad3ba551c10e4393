"""Sets of views from what others have: folders of renders, or glTF files; and single pictures. What cannot be read is
left out, and named with the reason.

Renders. Each folder in FOLDER is one thing: its pictures, square, and a `transforms.json` beside them, as of NeRF's
synthetic scenes and of many exporters from Blender:

    {"caption": "a red chair", "frames": [{"file_path": "000.png", "transform_matrix": [[...], ...]}, ...]}

The matrix is camera -> world, (4, 4), z up, of a camera that looks along its -z with y up in the picture; the thing is
about the origin. A set is made of four pictures that are a quarter of a turn apart.

Meshes. Each .glb or .gltf in FOLDER, or below it, is one thing; its front is that of glTF, +Z. It is drawn with its
textures or the colours of its vertices, unlit but for a light from above.

Pictures. Each picture in FOLDER, or below it, is for the steps without cameras: its middle, what is transparent before
white. One with fewer pixels than are learnt is left out.

What a thing is called: "caption" in its transforms.json; else what `FOLDER/captions.json` has under its name, a text or
a list of them; else its name.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from backend.protocol import PICTURE_ENDINGS
from backend.protocol.colours import srgb_to_linear
from backend.render.orbits import RADIUS, VIEWS, Orbit
from backend.report import Report
from backend.training import leftovers
from backend.training.disk import make_room
from backend.training.multiview import sets
from backend.training.multiview.sets import SUFFIX, ViewSet
from backend.training.multiview.views import FINER, Light
from backend.training.shading import encoded, normals
from kernels.interpolate import interpolate
from kernels.rasterize import rasterize

OFF = np.radians(10.0)  # of azimuth: what is a quarter of a turn apart
EACH = 8  # sets of a mesh
TRANSFORMS, CAPTIONS = "transforms.json", "captions.json"
MESHES = (".glb", ".gltf")
UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # glTF's axes, y up, as rows of ours
GREY = 0.8  # linear, of what has no colour


class Unreadable(ValueError):
    """A thing that gives no views; the message is why, in a few words."""


@dataclass
class Tally:
    """What was made of a folder."""

    things: int = 0
    sets: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)  # names by reason
    single: bool = False  # whether it is of single pictures

    def __str__(self) -> str:
        if self.single:
            what, made = "picture", leftovers.counted(self.sets, "single picture")
        else:
            what = "thing"
            made = f"{leftovers.counted(self.sets, 'set')} of views of {leftovers.counted(self.things, what)}"
        reasons = sorted(self.left_out.items(), key=lambda one: -len(one[1]))
        return "; ".join([made, *(leftovers.told(len(names), what, reason, names) for reason, names in reasons)])


def renders(folder: Path, out: Path, side: int, report: Report) -> Tally:
    """Sets from folders of renders, in `out`/train; what is there already is kept, but for
    what has other captions or files by now.

    Raises:
        FileNotFoundError: nothing is there that could be one.
    """
    found = sorted(path.parent for path in folder.glob(f"*/{TRANSFORMS}"))
    if not found:
        raise FileNotFoundError(f"No renders lie in {folder}: each thing is a folder with pictures and {TRANSFORMS}")
    return _prepared(folder, found, out, side, report, rendered)


def meshes(folder: Path, out: Path, side: int, report: Report) -> Tally:
    """Sets from glTF files, in `out`/train; what is there already is kept, but for
    what has other captions or files by now.

    Raises:
        FileNotFoundError: nothing is there that could be one.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MESHES)
    if not found:
        raise FileNotFoundError(f"No meshes ({', '.join(MESHES)}) lie in {folder}")
    return _prepared(folder, found, out, side, report, drawn)


def pictures(folder: Path, out: Path, side: int, report: Report) -> Tally:
    """Sets of one picture each without a camera that says anything, in `out`/train; what is there already is kept.

    Raises:
        FileNotFoundError: nothing is there that could be one.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS)
    if not found:
        raise FileNotFoundError(f"No pictures ({', '.join(PICTURE_ENDINGS)}) lie in {folder}")
    return _prepared(folder, found, out, side, report, pictured, single=True)


def _prepared(
    folder: Path, found: list[Path], out: Path, side: int, report: Report,
    read: Callable[[Path, int], list[tuple[NDArray, NDArray]]], single: bool = False,
) -> Tally:  # fmt: skip
    tally, told = Tally(single=single), _captions(folder)
    (out / "train").mkdir(parents=True, exist_ok=True)
    make_room(out, len(found) * (1 if single else EACH * VIEWS) * 3 * side**2)
    for number, path in enumerate(found):
        report(number / len(found), f"Reading {path.name}: {number + 1} of {len(found)}")
        name = path.relative_to(folder).as_posix()
        shard = out / "train" / f"{blake2s(name.encode(), digest_size=8).hexdigest()}{SUFFIX}"
        try:
            captions = captions_of(path, name, told)
            about = {"name": name, "side": side, "captions": list(captions), "files": _stamps(path)}
            if not (shard.exists() and sets.about(shard) == about):
                made = [ViewSet(*seen, captions, name, single) for seen in read(path, side)]
                sets.write(shard, made, about)
        except Unreadable as reason:
            tally.left_out.setdefault(str(reason), []).append(name)
            shard.unlink(missing_ok=True)  # of what it was before: nothing is learned from what is counted as left out
            continue
        tally.things += 1
        tally.sets += sets.count(shard)
    return tally


def _stamps(path: Path) -> list[list]:
    """Name, size and time of each file that a thing is made of: where one differs, it is read again."""
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file())
    else:
        files = [path, *_beside(path)]
    return [[os.path.relpath(one, path.parent), one.stat().st_size, one.stat().st_mtime_ns] for one in files]


def _beside(path: Path) -> list[Path]:
    """Buffers and pictures that a .gltf names; a .glb has them in it."""
    if path.suffix.lower() != ".gltf":
        return []
    named = [_json(path).get(kind) for kind in ("buffers", "images")]
    named = [one for each in named if isinstance(each, list) for one in each if isinstance(one, dict)]
    uris = [str(one["uri"]) for one in named if one.get("uri")]
    files = [path.parent / unquote(uri) for uri in uris if not uri.startswith("data:")]
    return [one for one in files if os.path.isfile(one)]


def captions_of(path: Path, name: str, told: dict) -> tuple[str, ...]:
    """What a thing is called."""
    own = None
    if path.is_dir():
        own = _json(path / TRANSFORMS).get("caption")
    stem = Path(name).stem if path.is_file() else Path(name).name
    found = own or told.get(name) or told.get(stem) or stem.replace("_", " ").replace("-", " ")
    found = [found] if isinstance(found, str) else found
    if not (isinstance(found, list) and found and all(isinstance(one, str) and one.strip() for one in found)):
        raise Unreadable("its caption is neither a text nor a list of texts")
    return tuple(one.strip() for one in found)


def rendered(folder: Path, side: int) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Pictures (F, 3, side, side) and cameras (F, 4, 4) of each set in a folder of renders. Raises Unreadable."""
    frames = _json(folder / TRANSFORMS).get("frames")
    try:
        matrices = np.array([frame["transform_matrix"] for frame in frames], np.float64)
        paths = [folder / str(frame["file_path"]) for frame in frames]
    except (TypeError, KeyError, ValueError):
        raise Unreadable(f"its {TRANSFORMS} has no frames with file_path and transform_matrix") from None
    if matrices.shape[1:] != (4, 4) or not np.isfinite(matrices).all():
        raise Unreadable("a camera is not of 4 x 4 numbers")
    turns = matrices[:, :3, :3]
    upright = np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-3)
    if not (upright and (np.linalg.det(turns) > 0).all()):  # a mirror leaves lengths and angles as they are
        raise Unreadable("a camera is stretched or mirrored")
    pictures = np.stack([_picture(path, side) for path in paths])
    azimuths = np.arctan2(matrices[:, 0, 3], -matrices[:, 1, 3])
    fours = list(quarters(azimuths))
    if not fours:
        raise Unreadable("no four of its pictures are a quarter of a turn apart")
    return [(pictures[list(four)], matrices[list(four)].astype(np.float32)) for four in fours]


def quarters(azimuths: NDArray[np.float64]) -> Iterator[tuple[int, ...]]:
    """Each four of them that are a quarter of a turn apart, once, in their order around."""
    known = set()
    for first in azimuths:
        wanted = first + np.arange(VIEWS) * 2 * np.pi / VIEWS
        off = np.abs((azimuths[None] - wanted[:, None] + np.pi) % (2 * np.pi) - np.pi)  # (F, N)
        four = tuple(int(one) for one in off.argmin(axis=1))
        if off.min(axis=1).max() < OFF and len(set(four)) == VIEWS and frozenset(four) not in known:
            known.add(frozenset(four))
            yield four


def _picture(path: Path, side: int) -> NDArray[np.uint8]:
    """(3, side, side), what is transparent before white."""
    for one in (path, path.with_name(f"{path.name}.png")):  # NeRF's scenes leave the ending out
        data = cv2.imread(str(one), cv2.IMREAD_UNCHANGED) if one.is_file() else None
        if data is not None:
            break
    else:
        raise Unreadable("a picture is missing or cannot be read")
    if data.shape[0] != data.shape[1]:
        raise Unreadable("a picture is not square")
    return _small(data, side)


def pictured(path: Path, side: int) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """One set: a picture (1, 3, side, side), and (1, 4, 4) for its camera, which nobody reads. Raises Unreadable."""
    data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if data is not None and data.shape[2:] != (4,):  # upright, if its file says how; transparent ones are as they are
        data = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if data is None:
        raise Unreadable("it cannot be read")
    height, width = data.shape[:2]
    if (least := min(height, width)) < side:
        raise Unreadable(f"it has fewer than {side} pixels a side")
    top, left = (height - least) // 2, (width - least) // 2
    return [(_small(data[top : top + least, left : left + least], side)[None], np.eye(4, dtype=np.float32)[None])]


def _small(data: NDArray, side: int) -> NDArray[np.uint8]:
    """(3, side, side) of what OpenCV has read, square, of any depth."""
    values = data.astype(np.float32) / np.iinfo(data.dtype).max if data.dtype.kind == "u" else data.astype(np.float32)
    values = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values
    if values.shape[2] == 4:
        values = values[..., :3] * values[..., 3:] + 1 - values[..., 3:]
    small = cv2.resize(np.ascontiguousarray(values[..., 2::-1]), (side, side), interpolation=cv2.INTER_AREA)
    return np.round(255 * np.clip(small, 0, 1)).astype(np.uint8).transpose(2, 0, 1)


@dataclass(frozen=True, eq=False)
class Painted:
    """A mesh with the colours that its file gives it: V vertices, F triangles, about the origin, radius 1."""

    points: NDArray[np.float64]  # (V, 3) z up
    faces: NDArray[np.int32]  # (F, 3)
    colours: NDArray[np.float32]  # (V, 3) linear; times the texture where there is one
    uv: NDArray[np.float32]  # (V, 2)
    which: NDArray[np.float32]  # (V,) number of the texture, counted from 1; 0: none
    textures: list[NDArray[np.float32]]  # (h, w, 3) linear

    @classmethod
    def read(cls, path: Path) -> "Painted":
        """Raises Unreadable."""
        import trimesh

        try:
            parts = [one for one in trimesh.load_scene(path, process=False).dump() if isinstance(one, trimesh.Trimesh)]
        except Exception:  # noqa: BLE001 - trimesh raises whatever its parsers meet in a broken file
            raise Unreadable("it cannot be read") from None
        points, faces, colours, uvs, which, textures, first = [], [], [], [], [], [], 0
        for part in parts:
            count = len(part.vertices)
            colour, uv, texture = _painted(part)
            if texture is not None:
                textures.append(texture)
            points.append(part.vertices)
            faces.append(part.faces + first)
            colours.append(colour)
            uvs.append(uv)
            which.append(np.full(count, 0.0 if texture is None else len(textures)))
            first += count
        if not points or not sum(map(len, faces)):
            raise Unreadable("it has no triangles")
        placed = np.concatenate(points) @ UP
        faces = np.concatenate(faces).astype(np.int32)
        used = placed[np.unique(faces)]
        placed = placed - (used.min(axis=0) + used.max(axis=0)) / 2
        radius = np.linalg.norm(placed[np.unique(faces)], axis=1).max()
        if not (np.isfinite(radius) and radius > 0):
            raise Unreadable("its vertices are no numbers, or all at one place")
        return cls(
            placed / radius, faces, np.concatenate(colours).astype(np.float32),
            np.concatenate(uvs).astype(np.float32), np.concatenate(which).astype(np.float32), textures,
        )  # fmt: skip

    def seen(self, around: Orbit, side: int, light: Light) -> NDArray[np.uint8]:
        """(F, 3, side, side) sRGB."""
        cameras, points = around.cameras, RADIUS * self.points
        up = np.abs(normals(points, self.faces)[:, 2:])  # files do not agree which side is out
        lit = light.below + (light.above - light.below) * (0.5 + 0.5 * up)
        attributes = np.concatenate([self.colours * lit, self.uv, self.which[:, None]], axis=1).astype(np.float32)
        clip, faces = cameras.project(torch.from_numpy(points)).float(), torch.from_numpy(self.faces)
        found = rasterize(clip, faces, FINER * side, FINER * side)
        fine = interpolate(torch.from_numpy(attributes), clip, faces, found)
        there, which = found.triangle >= 0, fine[..., 5].round().long()
        colours = fine[..., :3]
        for number, texture in enumerate(self.textures, start=1):
            painted = which == number
            # glTF's v goes down, trimesh turns it up; rows of a picture go down
            place = torch.stack([fine[..., 3] % 1.0, 1 - fine[..., 4] % 1.0], dim=-1)[painted] * 2 - 1
            image = torch.from_numpy(texture).permute(2, 0, 1)[None]
            sampled = F.grid_sample(image, place[None, None], padding_mode="border", align_corners=False)[0, :, 0].T
            colours[painted] = colours[painted] * sampled
        whole = torch.where(there[..., None], colours, 1.0).clamp(0, 1)
        parts = whole.reshape(VIEWS, side, FINER, side, FINER, 3).mean(dim=(2, 4))
        return encoded(parts.numpy().transpose(0, 3, 1, 2))


def _painted(part: object) -> tuple[NDArray, NDArray, NDArray | None]:
    """Colours (V, 3) linear, uv (V, 2), and a texture (h, w, 3) linear if it has one."""
    visual, count = part.visual, len(part.vertices)
    colour, uv, texture = np.full((count, 3), GREY), np.zeros((count, 2)), None
    if visual.kind == "vertex":
        colour = srgb_to_linear(np.asarray(visual.vertex_colors)[:, :3] / 255)
    elif visual.kind == "texture":
        material = visual.material
        factor = getattr(material, "baseColorFactor", None)
        if factor is not None:
            factor = np.asarray(factor, np.float64)[:3]
            colour = np.tile(factor / (255 if factor.max() > 1 else 1), (count, 1))
        picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        if picture is not None and visual.uv is not None and len(visual.uv) == count:
            colour = np.ones((count, 3)) if factor is None else colour
            uv, texture = np.asarray(visual.uv), srgb_to_linear(np.asarray(picture.convert("RGB")) / 255)
    return colour, uv, texture


def drawn(path: Path, side: int) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Pictures (F, 3, side, side) and cameras (F, 4, 4) of the sets of a mesh. Raises Unreadable."""
    mesh, rng = Painted.read(path), np.random.default_rng(0)
    out = []
    for _ in range(EACH):
        around = Orbit.somewhere(rng)
        cameras = around.cameras.to_world.numpy().astype(np.float32)
        out.append((mesh.seen(around, side, Light.somewhere(rng)), cameras))
    return out


def _captions(folder: Path) -> dict:
    try:
        return _json(folder / CAPTIONS) if (folder / CAPTIONS).exists() else {}
    except Unreadable as reason:
        raise FileNotFoundError(f"{folder / CAPTIONS} cannot be used: {reason}") from None


def _json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Unreadable(f"its {path.name} cannot be read") from None
    if not isinstance(found, dict):
        raise Unreadable(f"its {path.name} is no object of JSON")
    return found
