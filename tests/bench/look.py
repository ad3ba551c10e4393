"""Look at a clip: moments of its life in a row, or a turntable video while it lives.

    python -m tests.bench.look clip.npz [more.npz ...] -o sheet.png
    python -m tests.bench.look clip.npz --video turntable.mp4

Runs where torch is (the environment "learned"). All moments of a clip share one camera and one floor, at the height of
the subject's lowest point: what went through it is not seen.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from backend import protocol
from backend.clip import MATERIALS, Clip
from backend.files import npz
from backend.render.cameras import Cameras, orbit
from kernels.rasterize import Fragments, rasterize
from tests.bench import shading

VIEWS = ((0.55, 0.30),)  # azimuth and elevation of the cameras, radians; azimuth 0 is Blender's front
MOMENTS, SIDE = 8, 320
FINER = 2  # pictures are drawn this many times as large, and then averaged
FOVY = 0.5
FILLED = 0.88  # of the picture, by what is seen of the clip
SUN = np.radians(-38), np.radians(48)  # azimuth and elevation
SKY, SKY_SIDE, SUN_SIDE = 28, 160, 1024  # directions of the sky, and pixels of the maps of shadows
REACH, CELLS = 4.5, 96  # of the floor
SHOULDER = 0.75  # linear light above this is pressed together
HIDDEN, SOLID = 0.5, 0.9  # a face of less mean opacity is gone, or is seen through
VIDEO_SIDE, VIDEO_SECONDS, VIDEO_FPS = 400, 4.0, 24
ICON_SIDE, BAND = 128, 24


@dataclass(frozen=True, eq=False)
class Scene:
    """A clip in the unit ball: everything that a picture needs which does not change with the moment."""

    clip: Clip
    faces: np.ndarray  # (F, 3)
    starts: np.ndarray  # (V + 1,) and (3 F,): the faces about each vertex
    around: np.ndarray
    centre: np.ndarray  # (3,) metres
    radius: float  # metres
    floor: float  # height, in the ball's unit

    @classmethod
    def of(cls, clip: Clip) -> "Scene":
        faces = clip.subject.faces
        shown = clip.positions[:, np.unique(faces)].astype(np.float64)
        low, high = shown.min(axis=(0, 1)), shown.max(axis=(0, 1))
        floor = float(clip.subject.vertices[np.unique(faces), 2].min())
        low[2] = min(low[2], floor)
        centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-12)
        order = np.argsort(faces.ravel(), kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(faces.ravel(), minlength=clip.positions.shape[1]))])
        return cls(clip, faces, starts, order // 3, centre, radius, (floor - centre[2]) / radius)

    def points(self, place: float) -> np.ndarray:
        """(V, 3) at frame `place`, between two frames where it is not whole."""
        return (_between(self.clip.positions, place) - self.centre) / self.radius

    def material(self, place: float) -> np.ndarray:
        """(V, 6) albedo, roughness, metallic, glow."""
        subject, out = self.clip.subject, np.zeros((self.clip.positions.shape[1], 6), np.float32)
        for name, columns, usual in (
            ("albedo", slice(0, 3), protocol.GREY), ("roughness", 3, protocol.MATT), ("metallic", 4, 0.0)
        ):  # fmt: skip
            now, own = getattr(self.clip, name), getattr(subject, name)
            if now is not None:
                out[:, columns] = _between(now, place)
            else:
                out[:, columns] = usual if own is None else own
        if self.clip.emission is not None:
            out[:, 5] = protocol.GLOW * _between(self.clip.emission, place)
        return out

    def opacity(self, place: float) -> np.ndarray:
        """(V,) how much of each vertex is there."""
        if self.clip.opacity is None:
            return np.ones(self.clip.positions.shape[1])
        return _between(self.clip.opacity, place)

    def faces_there(self, place: float) -> np.ndarray:
        """(F,) whether each face is still there."""
        return self.opacity(place)[self.faces].mean(axis=1) >= HIDDEN


def _between(values: np.ndarray, place: float) -> np.ndarray:
    low = min(int(place), len(values) - 1)
    high, t = min(low + 1, len(values) - 1), place - low
    return values[low].astype(np.float64) * (1 - t) + values[high] * t


def picture(scene: Scene, place: float, cameras: Cameras, side: int) -> np.ndarray:
    """(B, side, side, 4) uint8: the moment at frame `place` from B cameras; the last is how much the clip covers. What
    can be seen through casts no shadow, and only the nearest of it is drawn, over what is solid."""
    points, opacity = scene.points(place), scene.opacity(place)
    there, solid = scene.faces_there(place), opacity[scene.faces].mean(axis=1) >= SOLID
    solid = solid if solid.any() else there
    normals = shading.face_normals(points, scene.faces)
    cast = np.ascontiguousarray(scene.faces[solid])
    maps = shadow_maps(points, cast, SKY_AXES, SKY_SIDE)
    whole = np.zeros_like(points)
    np.add.at(whole, scene.faces[there].ravel(), np.repeat(normals[there], 3, axis=0))
    whole /= np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-30)
    ambient = shading.irradiance(points, whole, maps, SKY_AXES, 2.5 / SKY_SIDE)
    ground = scene.floor, _floor_light(scene.floor, maps), REACH
    sun = shadow_maps(points, cast, SUN_AXES, SUN_SIDE), SUN_AXES
    material, corners = scene.material(place), shading.corner_normals(normals, scene.faces, scene.starts, scene.around)
    placed, fine = cameras.project(torch.from_numpy(points).float()), side * FINER

    def drawn(shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radiance (B, fine, fine, 3) of the faces `shown` (F,), and opacity (B, fine, fine, 1), 0 where none is."""
        faces, surface = np.ascontiguousarray(scene.faces[shown]), (points, corners[shown], material, ambient)
        seen = rasterize(placed, torch.from_numpy(faces), fine, fine)
        triangle, weights = seen.triangle.numpy(), seen.barycentrics.numpy()
        out = [
            shading.shade((triangle[b], weights[b], faces), surface, ground, sun, eye)
            for b, eye in enumerate(_eyes(cameras))
        ]
        held = (opacity[faces[np.maximum(triangle, 0)]] * weights).sum(axis=-1)
        return np.stack(out), np.where(triangle >= 0, held, 0.0)[..., None]

    radiance, alpha = drawn(there)
    covered = alpha > 0
    if (there != solid).any():
        behind, _ = drawn(solid)
        radiance = behind + alpha * (radiance - behind)
    layers = np.concatenate([_shoulder(radiance), covered], axis=3)
    mean = layers.reshape(len(layers), side, FINER, side, FINER, 4).mean(axis=(2, 4))
    mean[..., :3] = protocol.linear_to_srgb(mean[..., :3])
    return protocol.to_bytes(mean)


def shadow_maps(points: np.ndarray, faces: np.ndarray, axes: np.ndarray, side: int) -> np.ndarray:
    """(D, side, side): how near to each light the nearest surface is, seen along axes (D, 3, 3)."""
    placed = torch.from_numpy(points @ np.moveaxis(axes, 1, 2)) * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    clip_space = torch.cat([placed, torch.ones_like(placed[..., :1])], dim=2).float()
    seen: Fragments = rasterize(clip_space, torch.from_numpy(faces), side, side)
    return torch.where(seen.triangle >= 0, -seen.depth - 1.5 / side, -4.0).numpy()


def _floor_light(height: float, maps: np.ndarray) -> np.ndarray:
    """(CELLS, CELLS, 3): what the sky gives to a floor of REACH."""
    line = np.linspace(-REACH, REACH, CELLS)
    x, y = np.meshgrid(line, line, indexing="ij")
    points = np.stack([x, y, np.full_like(x, height)], axis=-1).reshape(-1, 3)
    up = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    return shading.irradiance(points, up, maps, SKY_AXES, 0.3 / SKY_SIDE)[:, 0].reshape(CELLS, CELLS, 3)


def _shoulder(radiance: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1): as it is, but for what is brighter than a picture can show."""
    over = np.maximum(radiance - SHOULDER, 0)
    return radiance - over + (1 - SHOULDER) * over / (over + 1 - SHOULDER)


def _eyes(cameras: Cameras) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each camera, as `shading.shade` takes it: its place and what a ray gains."""
    out = []
    for world, projection in zip(cameras.to_world.double().numpy(), cameras.projection.double().numpy(), strict=True):
        right, up, back = world[:3, :3].T
        out.append((world[:3, 3].copy(), np.stack([right / projection[0, 0], up / projection[1, 1], -back])))
    return out


def _axes(directions: np.ndarray) -> np.ndarray:
    """(D, 3, 3) right, up and direction from unit directions (D, 3)."""
    out = []
    for to in directions:
        right = np.cross([0.0, 0.0, 1.0] if abs(to[2]) < 0.99 else [1.0, 0.0, 0.0], to)
        right /= np.linalg.norm(right)
        out.append([right, np.cross(to, right), to])
    return np.array(out)


def _hemisphere(count: int) -> np.ndarray:
    """(count, 3) directions that share the sky evenly, along a spiral of golden angles."""
    z = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


SKY_AXES = _axes(_hemisphere(SKY))
SUN_AXES = _axes(
    np.array([[np.sin(SUN[0]) * np.cos(SUN[1]), -np.cos(SUN[0]) * np.cos(SUN[1]), np.sin(SUN[1])]])
)  # from the side of the camera


def framed(scene: Scene, views: Sequence[tuple[float, float]], turning: bool = False, above: float = 0.0) -> Cameras:
    """Cameras that see all of the clip, as large as goes, from each (azimuth, elevation); `turning`: from all sides;
    `above`: what lies higher than that share of the height."""
    shown = np.unique(scene.faces)
    shown = shown[:: max(1, len(shown) // 2000)]
    places = np.unique(np.linspace(0, len(scene.clip.positions) - 1, MOMENTS).round())
    points = torch.from_numpy(np.concatenate([scene.points(place)[shown] for place in places]))
    if turning:
        radius = points[:, :2].norm(dim=1).max()
        turns = torch.linspace(0, 2 * np.pi, 17, dtype=torch.float64)[:, None]
        x, y, z = radius * turns.cos(), radius * turns.sin(), torch.stack([points[:, 2].min(), points[:, 2].max()])
        points = torch.stack(torch.broadcast_tensors(x, y, z), dim=2).reshape(-1, 3)
    height = points[:, 2]
    points = points[height >= height.min() + above * (height.max() - height.min())]
    azimuth, elevation = torch.tensor(views, dtype=torch.float64).T
    target, distance = torch.zeros(len(views), 3, dtype=torch.float64), torch.full_like(azimuth, 1 / np.sin(FOVY / 2))
    for _ in range(4):  # what is near moves more than what is far, so a fit is found by steps
        eyes = orbit(azimuth, elevation, distance, FOVY, target)
        seen = eyes.project(points)
        seen = seen[..., :2] / seen[..., 3:]
        low, high = seen.amin(dim=1), seen.amax(dim=1)
        shift = (low + high) / 2 * (distance * np.tan(FOVY / 2))[:, None]
        target = target + (eyes.to_world[:, :3, :2] @ shift[:, :, None])[..., 0]
        distance = distance * ((high - low).amax(dim=1) / (2 * FILLED))
    eyes = orbit(azimuth, elevation, distance, FOVY, target)
    return Cameras(eyes.view.float(), eyes.projection.float())


def row(
    clip: Clip, views: Sequence[tuple[float, float]] = VIEWS, moments: int = MOMENTS, side: int = SIDE
) -> Image.Image:
    """Moments of a clip beside one another, each view a line, life time written below."""
    scene = Scene.of(clip)
    eyes = framed(scene, views)
    places = np.unique(np.linspace(0, len(clip.positions) - 1, moments).round().astype(int))
    sheet = Image.new("RGB", (side * len(places), side * len(views)))
    for column, place in enumerate(places):
        for line, pixels in enumerate(picture(scene, float(place), eyes, side)):
            sheet.paste(Image.fromarray(pixels[..., :3]), (column * side, line * side))
        ImageDraw.Draw(sheet).text(
            (column * side + 6, side * len(views) - 18), f"{clip.tau[place]:.2f}", fill=(70, 70, 74), font=_font(13)
        )
    return sheet


def stacked(rows: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Rows under one another, each below its title."""
    width, height = max(each.width for _, each in rows), sum(each.height + BAND for _, each in rows)
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for title, each in rows:
        ImageDraw.Draw(sheet).text((6, top + 3), title, fill=(20, 20, 24), font=_font(15))
        sheet.paste(each, (0, top + BAND))
        top += each.height + BAND
    return sheet


def beside(columns: Sequence[Sequence[tuple[str, Image.Image]]]) -> Image.Image:
    """Columns of rows with their titles."""
    drawn = [stacked(rows) for rows in columns if rows]
    whole = Image.new("RGB", (sum(each.width for each in drawn), max(each.height for each in drawn)), "white")
    left = 0
    for each in drawn:
        whole.paste(each, (left, 0))
        left += each.width
    return whole


def sheet(clip: Clip | Path | str, path: Path, views: Sequence[tuple[float, float]] = VIEWS, title: str = "") -> None:
    """A contact sheet of one clip, or of the .npz that holds it, as a picture at `path`."""
    if not isinstance(clip, Clip):
        clip = npz.load(Path(clip))
    stacked([(title, row(clip, views))]).save(path)


def video(clip: Clip, path: Path, side: int = VIDEO_SIDE, seconds: float = VIDEO_SECONDS) -> None:
    """A turntable while life passes: .mp4 (H.264, plays everywhere). It holds still for a moment at both ends."""
    import imageio_ffmpeg

    hold = VIDEO_FPS // 2
    count = round(seconds * VIDEO_FPS)
    life = np.clip((np.arange(count) - hold) / (count - 1 - 2 * hold), 0, 1) * (len(clip.positions) - 1)
    scene = Scene.of(clip)
    azimuths = VIEWS[0][0] + 2 * np.pi * np.arange(count) / count
    eyes = framed(scene, [(azimuth, VIEWS[0][1]) for azimuth in azimuths], turning=True)
    writer = imageio_ffmpeg.write_frames(
        str(path), (side, side), fps=VIDEO_FPS, quality=7, macro_block_size=8, ffmpeg_log_level="error"
    )
    writer.send(None)
    for k, place in enumerate(life):
        eye = Cameras(eyes.view[k : k + 1], eyes.projection[k : k + 1])
        writer.send(np.ascontiguousarray(picture(scene, float(place), eye, side)[0, ..., :3]))
    writer.close()


def icon(clip: Clip, tau: float, view: tuple[float, float] = VIEWS[0], above: float = 0.0) -> Image.Image:
    """The moment nearest to `tau` alone, small, on no background; of it what lies above that share of its height."""
    k = int(np.abs(clip.tau - tau).argmin())
    materials = {name: None if (now := getattr(clip, name)) is None else now[k : k + 1] for name in MATERIALS}
    scene = Scene.of(replace(clip, positions=clip.positions[k : k + 1], tau=clip.tau[k : k + 1], **materials))
    drawn = Image.fromarray(picture(scene, 0.0, framed(scene, [view], above=above), 4 * ICON_SIDE)[0])
    return drawn.resize((ICON_SIDE, ICON_SIDE), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path, help=".npz files; each gives a row")
    parser.add_argument("-o", "--output", type=Path, help="contact sheet, .png")
    parser.add_argument("--video", type=Path, help="turntable of the first clip, .mp4")
    parser.add_argument("--icon", type=float, metavar="TAU", help="one moment, small, on no background")
    parser.add_argument("--above", type=float, default=0.0, help="the share of the height that an icon leaves out")
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--columns", type=int, default=1, help="of rows, beside one another")
    parser.add_argument("--size", type=int, default=SIDE, help="pixels of a moment")
    parser.add_argument(
        "--view",
        type=float,
        nargs=2,
        action="append",
        metavar=("AZIMUTH", "ELEVATION"),
        help="radians; may be repeated",
    )
    arguments = parser.parse_args()
    clips = [npz.load(path) for path in arguments.clips]
    views = arguments.view or VIEWS
    if arguments.icon is not None:
        icon(clips[0], arguments.icon, views[0], arguments.above).save(arguments.output)
    elif arguments.output:
        titles = [clip.provenance.get("title", path.stem) for clip, path in zip(clips, arguments.clips, strict=True)]
        drawn = [row(clip, views, arguments.moments, arguments.size) for clip in clips]
        rows = list(zip(titles, drawn, strict=True))
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        beside([rows[k :: arguments.columns] for k in range(arguments.columns)]).save(arguments.output)
    if arguments.video:
        arguments.video.parent.mkdir(parents=True, exist_ok=True)
        video(clips[0], arguments.video)


if __name__ == "__main__":
    main()
