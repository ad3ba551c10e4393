"""Views from what others have: each picture with its camera, each mesh with its front and its colours; what is broken
is counted, and stops nothing."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from backend.render.cameras import orbit
from backend.render.orbits import Orbit
from backend.report import silent
from backend.training.multiview import folders
from backend.training.multiview.folders import Painted, Unreadable, captions_of, meshes, quarters, renders
from backend.training.multiview.sets import Corpus
from backend.training.multiview.views import Light

AROUND = Orbit(0.0, 0.1, 0.7, 3.0)
PLAIN = Light(1.0, 1.0)


def write_renders(folder: Path, count: int = 8, caption: str | None = None, **changed) -> Path:
    """Of each view a picture of its number, transparent on the left."""
    folder.mkdir(parents=True)
    cameras = orbit(torch.arange(count) * (2 * torch.pi / count), 0.2, 3.0, 0.7).to_world.numpy()
    frames = []
    for number, matrix in enumerate(cameras):
        picture = np.full((40, 40, 4), 255, np.uint8)
        picture[..., :3] = (10 * number, 20, 200)  # blue, green, red
        picture[:, :20, 3] = 0
        cv2.imwrite(str(folder / f"{number:03}.png"), picture)
        frames.append({"file_path": f"./{number:03}", "transform_matrix": matrix.tolist()})
    told = {"frames": frames} | ({"caption": caption} if caption else {}) | changed
    (folder / "transforms.json").write_text(json.dumps(told))
    return folder


def panels(path: Path, textured: bool) -> None:
    """A red square to glTF's front (+Z), a green one behind it, a blue one above, y up."""

    def square(centre: list[float], right: list[float], up: list[float]) -> tuple:
        corners = [
            np.add(centre, np.multiply(right, a) + np.multiply(up, b)) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        return np.array(corners), np.array([[0, 1, 2], [0, 2, 3]])

    scene = trimesh.Scene()
    for name, (points, faces), colour in (
        ("front", square([0, 0, 0.5], [1, 0, 0], [0, 1, 0]), (255, 0, 0)),
        ("back", square([0, 0, -0.5], [-1, 0, 0], [0, 1, 0]), (0, 255, 0)),
        ("top", square([0, 1.5, 0], [1, 0, 0], [0, 0, -1]), (0, 0, 255)),
    ):
        if textured:
            image = np.zeros((16, 16, 3), np.uint8)
            image[:8] = colour  # the upper half alone
            material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(image))
            uv = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
            visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
        else:
            visual = trimesh.visual.ColorVisuals(vertex_colors=np.tile([*colour, 255], (4, 1)))
        scene.add_geometry(trimesh.Trimesh(points, faces, visual=visual, process=False), geom_name=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    scene.export(path)


# --- renders ---


def test_renders_become_sets_with_their_cameras(tmp_path):
    write_renders(tmp_path / "in" / "chair", caption="a red chair")
    tally = renders(tmp_path / "in", tmp_path / "out", 16, silent)
    assert str(tally) == "2 sets of views of 1 thing"
    found = Corpus(tmp_path / "out" / "train")
    for one, first in zip(found, (0, 1), strict=True):
        assert one.captions == ("a red chair",)
        assert one.pictures.shape == (4, 3, 16, 16)
        assert [int(view[2, 8, 12]) for view in one.pictures] == [10 * (first + 2 * k) for k in range(4)]
        assert (one.pictures[:, 0, 8, 12] == 200).all()  # red is red
        assert (one.pictures[:, :, 8, 3] == 255).all()  # what is transparent is white
        azimuths = np.arctan2(one.cameras[:, 0, 3], -one.cameras[:, 1, 3])
        np.testing.assert_allclose(np.unwrap(azimuths), (first + 2 * np.arange(4)) * np.pi / 4, atol=1e-5)


def test_fours_are_a_quarter_of_a_turn_apart_and_come_once():
    azimuths = np.radians([0, 91, 178, 272, 40, 133, 222])
    assert list(quarters(azimuths)) == [(0, 1, 2, 3)]
    assert len(list(quarters(np.radians(np.arange(0, 360, 15))))) == 6


def test_broken_renders_are_counted_and_left_out(tmp_path):
    where = tmp_path / "in"
    write_renders(where / "good")
    write_renders(where / "few", count=3)
    write_renders(where / "nothing", frames="none")
    (write_renders(where / "torn") / "003.png").write_bytes(b"no picture")
    (write_renders(where / "json") / "transforms.json").write_text("{")
    flat = write_renders(where / "flat")
    cv2.imwrite(str(flat / "000.png"), np.zeros((10, 20, 3), np.uint8))
    stretched = [{"file_path": "000.png", "transform_matrix": np.diag([1, 1, -2, 1]).tolist()}]
    write_renders(where / "stretched", frames=stretched)
    write_renders(where / "mirrored", count=8)
    told = json.loads((where / "mirrored" / "transforms.json").read_text())
    for frame in told["frames"]:  # right but for x, which goes to the left
        frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ np.diag([-1, 1, 1, 1])).tolist()
    (where / "mirrored" / "transforms.json").write_text(json.dumps(told))
    tally = renders(where, tmp_path / "out", 16, silent)
    assert (tally.things, tally.sets, sum(map(len, tally.left_out.values()))) == (1, 2, 7)
    assert str(tally).startswith(
        "2 sets of views of 1 thing; 2 things left out: a camera is stretched or mirrored (mirrored, stretched); 1 t"
    )
    for part in ("missing or cannot be read", "not square", "no four of its pictures", "no frames with", "mirrored"):
        assert part in str(tally)
    assert "1 thing left out: a picture is missing or cannot be read (torn)" in str(tally)


def test_a_caption_is_its_own_or_of_the_list_or_the_name(tmp_path):
    own = write_renders(tmp_path / "old_chair", caption="a red chair")
    plain = write_renders(tmp_path / "old_lamp")
    assert captions_of(own, "old_chair", {"old_chair": "a chair"}) == ("a red chair",)
    assert captions_of(plain, "old_lamp", {"old_lamp": ["a lamp", "lamp"]}) == ("a lamp", "lamp")
    assert captions_of(plain, "old_lamp", {}) == ("old lamp",)
    with pytest.raises(Unreadable, match="neither a text nor"):
        captions_of(plain, "old_lamp", {"old_lamp": 3})


# --- meshes ---


@pytest.mark.parametrize("textured", [False, True])
def test_a_mesh_is_seen_from_its_front_in_its_colours(tmp_path, textured):
    panels(tmp_path / "panels.glb", textured)
    views = Painted.read(tmp_path / "panels.glb").seen(AROUND, 32, PLAIN).astype(int)

    def share(view: np.ndarray, channel: int) -> float:
        others = view[[one for one in range(3) if one != channel]].max(axis=0)
        return float((view[channel] > others + 100).mean())

    assert share(views[0], 0) > 0.05 > share(views[0], 1)  # red in front
    assert share(views[2], 1) > 0.05 > share(views[2], 0)  # green behind
    blue = np.argwhere(views[0][2] > views[0][:2].max(axis=0) + 100)
    red = np.argwhere(views[0][0] > views[0][1:].max(axis=0) + 100)
    assert len(blue) == 0 or blue[:, 0].mean() < red[:, 0].mean()
    if textured:  # of the upper half alone
        dark = np.argwhere((views[0] < 60).all(axis=0))
        assert len(dark) > 20
        assert dark[:, 0].mean() > red[:, 0].mean() + 3


def test_meshes_become_sets_and_are_not_made_again(tmp_path, monkeypatch):
    panels(tmp_path / "in" / "deep" / "three_panels.glb", textured=False)
    (tmp_path / "in" / "captions.json").write_text(json.dumps({"three_panels": "three panels"}))
    (tmp_path / "in" / "broken.glb").write_bytes(b"glTF and no more")
    tally = meshes(tmp_path / "in", tmp_path / "out", 16, silent)
    assert (tally.things, tally.sets) == (1, folders.EACH)
    assert str(tally) == f"{folders.EACH} sets of views of 1 thing; 1 thing left out: it cannot be read (broken.glb)"
    found = Corpus(tmp_path / "out" / "train")
    assert found[0].captions == ("three panels",)
    assert found[0].cameras.shape == (4, 4, 4)
    (tmp_path / "in" / "broken.glb").unlink()
    monkeypatch.setattr(folders, "drawn", None)
    assert meshes(tmp_path / "in", tmp_path / "out", 16, silent).sets == folders.EACH


# --- what has changed since it was read ---


def later(path: Path) -> None:
    """Of the same size, a second later."""
    times = path.stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**9))


def test_what_has_changed_is_read_again_and_nothing_else(tmp_path, monkeypatch):
    where, out, read = tmp_path / "in", tmp_path / "out", []
    write_renders(where / "chair")
    write_renders(where / "lamp")
    honest = folders.rendered
    monkeypatch.setattr(folders, "rendered", lambda folder, side: read.append(folder.name) or honest(folder, side))

    def again() -> list[str]:
        read.clear()
        renders(where, out, 16, silent)
        return read

    assert again() == ["chair", "lamp"]
    assert again() == []
    later(where / "lamp" / "003.png")
    assert again() == ["lamp"]
    (where / "captions.json").write_text(json.dumps({"chair": ["a red chair", "chair"]}))
    assert again() == ["chair"]
    assert {one.captions for one in Corpus(out / "train")} == {("a red chair", "chair"), ("lamp",)}
    assert again() == []
    (where / "lamp" / "003.png").write_bytes(b"no picture")
    assert again() == ["lamp"]
    assert {one.captions for one in Corpus(out / "train")} == {("a red chair", "chair")}  # not as it was before


def test_a_mesh_is_read_again_where_a_file_that_it_names_has_changed(tmp_path, monkeypatch):
    panels(tmp_path / "in" / "panels.gltf", textured=True)
    meshes(tmp_path / "in", tmp_path / "out", 8, silent)
    monkeypatch.setattr(folders, "drawn", None)
    meshes(tmp_path / "in", tmp_path / "out", 8, silent)
    for path in (tmp_path / "in").glob("*.bin"):
        later(path)
    with pytest.raises(TypeError):
        meshes(tmp_path / "in", tmp_path / "out", 8, silent)


# --- single pictures ---


def test_single_pictures_are_their_middles_upright_and_before_white(tmp_path):
    where = tmp_path / "in"
    (where / "deep").mkdir(parents=True)
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:40], wide[:, 40:60] = (255, 0, 0), (0, 255, 0)  # the middle: red on the left, green on the right
    Image.fromarray(wide).save(where / "a_wall.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(wide).save(where / "deep" / "turned.jpg", exif=exif, quality=100)
    clear = np.zeros((32, 32, 4), np.uint8)
    clear[:16] = (0, 0, 255, 255)
    Image.fromarray(clear).save(where / "half.png")
    Image.fromarray(np.full((64, 64), 2**15, np.uint16)).save(where / "deepgrey.png")
    Image.fromarray(wide[:10]).save(where / "small.png")
    (where / "broken.png").write_bytes(b"no picture")
    (where / "captions.json").write_text(
        json.dumps({"deep/turned.jpg": "a wall on its side", "half": ["sea", "a sea"]})
    )
    tally = folders.pictures(where, tmp_path / "out", 16, silent)
    assert str(tally).startswith("4 single pictures; ")
    assert tally.left_out == {"it has fewer than 16 pixels a side": ["small.png"], "it cannot be read": ["broken.png"]}
    assert "1 picture left out: it cannot be read (broken.png)" in str(tally)
    found = {one.captions[0]: one for one in Corpus(tmp_path / "out" / "train")}
    assert set(found) == {"a wall", "a wall on its side", "sea", "deepgrey"}
    assert all(one.flat and one.pictures.shape == (1, 3, 16, 16) for one in found.values())
    flat, side, sea = (found[name].pictures[0] for name in ("a wall", "a wall on its side", "sea"))
    assert flat[:, 8, 3].tolist() == [255, 0, 0] and flat[:, 8, 12].tolist() == [0, 255, 0]
    assert side[0, 3, 8] > 240 > side[1, 3, 8] + 200 and side[1, 12, 8] > 240
    assert sea[:, 3, 8].tolist() == [0, 0, 255] and sea[:, 12, 8].tolist() == [255, 255, 255]
    assert found["deepgrey"].pictures.std() < 1 and found["deepgrey"].pictures.mean() == pytest.approx(128, abs=1)
    with pytest.raises(FileNotFoundError, match="No pictures"):
        folders.pictures(tmp_path / "out", tmp_path / "other", 16, silent)
