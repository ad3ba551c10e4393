"""What LifeBench gives to see, against closed forms: a ball that moves and turns, a sheet painted by its place."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from backend import protocol
from backend.clip import Clip, Mesh
from tests.bench.sheets import sheet
from tests.benchmarks.lifebench import data, pictures
from tests.benchmarks.lifebench.tasks import HAPPENINGS, Case, Task, cases
from tests.benchmarks.lifebench.texels import Atlas
from tests.benchmarks.lives import sphere
from tools.environments import ROOT

RADIUS, SIDE = 0.3, 96
CENTRES = np.array([[0.5, -0.2, 0.8], [0.56, -0.16, 0.83], [0.6, -0.1, 0.9]])
TURN = np.radians(35)


@pytest.fixture(scope="module")
def ball():
    """A ball of three frames that moves, and turns about Z, and each of its frames through two cameras."""
    vertices, faces = sphere(RADIUS, 4)
    positions = []
    for k, centre in enumerate(CENTRES):
        c, s = np.cos(k * TURN), np.sin(k * TURN)
        positions.append(vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + centre)
    mesh = Mesh.from_triangles(np.float32(positions[0]), faces, albedo=np.full_like(vertices, 0.5, np.float32))
    clip = Clip(mesh, np.float32(positions), np.linspace(0, 1, 3, dtype=np.float32), 24.0)
    through = {name: each for name, each in pictures.cameras(clip, SIDE).items() if name in ("fixed1", "turning")}
    return through, list(pictures.seen(clip, through))


def rays(view, frame):
    """Where the camera is, and the direction (side, side, 3) of each pixel, one metre along its axis."""
    matrix = view.matrices[frame]
    turn, eye = matrix[:, :3], -matrix[:, :3].T @ matrix[:, 3]
    j, i = np.meshgrid(np.arange(view.side) + 0.5, np.arange(view.side) + 0.5)
    local = np.stack([(j - view.side / 2) / view.focal, (view.side / 2 - i) / view.focal, -np.ones_like(i)], axis=-1)
    return eye, local @ turn


def hits(view, frame):
    """(side, side) depth along the axis at which each pixel's ray meets the ball; nan where it misses."""
    eye, way = rays(view, frame)
    to = eye - CENTRES[frame]
    a, b, c = (way**2).sum(axis=-1), way @ to, to @ to - RADIUS**2
    with np.errstate(invalid="ignore"):
        return (-b - np.sqrt(b * b - a * c)) / a


@pytest.mark.parametrize("name", ["fixed1", "turning"])
def test_mask_and_depth_are_those_of_a_ball(ball, name):
    through, frames = ball
    for frame, seen in enumerate(frames):
        depth = hits(through[name][1], frame)
        assert (seen[name].mask != np.isfinite(depth)).mean() < 0.006  # its outline has corners
        both = seen[name].mask & np.isfinite(depth)
        assert both.sum() > 400
        error = np.abs(seen[name].depth - depth)[both]
        assert np.median(error) < 0.002 * RADIUS and np.percentile(error, 95) < 0.02 * RADIUS
        assert (seen[name].depth[~seen[name].mask] == 0).all()


@pytest.mark.parametrize("name", ["fixed1", "turning"])
def test_flow_is_where_each_point_goes(ball, name):
    through, frames = ball
    view = through[name][1]
    for frame in (0, 1):
        seen, (eye, way) = frames[frame][name], rays(view, frame)
        points = eye + way * seen.depth[..., None].astype(float) - CENTRES[frame]
        c, s = np.cos(TURN), np.sin(TURN)
        after = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + CENTRES[frame + 1]
        local = after @ view.matrices[frame + 1][:, :3].T + view.matrices[frame + 1][:, 3]
        pixel = view.focal * local[..., :2] / -local[..., 2:] * [1, -1] + SIDE / 2
        j, i = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
        expected = pixel - np.stack([j, i], axis=-1)
        assert np.abs(seen.flow - expected)[seen.mask].max() < 0.02
        assert np.abs(expected[seen.mask]).max() > 3
    assert (frames[2][name].flow == 0).all() and not frames[2][name].followed.any()


def test_a_point_is_followed_while_it_faces_the_camera(ball):
    through, frames = ball
    view = through["fixed1"][1]
    seen, (eye, way) = frames[0]["fixed1"], rays(view, 0)
    normal = eye + way * seen.depth[..., None].astype(float) - CENTRES[0]
    c, s = np.cos(TURN), np.sin(TURN)
    normal = normal @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) / RADIUS
    eye_then = rays(view, 1)[0]
    facing = np.einsum("ijk,ijk->ij", normal, eye_then - CENTRES[1] - RADIUS * normal) / np.linalg.norm(eye_then)
    sure = seen.mask & (np.abs(facing) > 0.12)
    assert (seen.followed == (facing > 0))[sure].mean() > 0.99
    assert 0.05 < (~seen.followed)[seen.mask].mean() < 0.6


def test_texels_hold_what_lies_at_their_place():
    mesh = sheet(100)
    low, span = mesh.vertices.min(axis=0), np.ptp(mesh.vertices, axis=0)
    flat = ((mesh.vertices - low) / np.maximum(span, 1e-9))[:, :2]
    mesh = replace(mesh, uv=np.ascontiguousarray(0.1 + 0.6 * flat[mesh.corners], np.float32))
    atlas = Atlas.of(mesh, 64)
    baked = atlas.baked(np.stack([flat[:, 0], flat[:, 1], np.full(len(flat), 0.25)], axis=1))
    u, v = np.meshgrid((np.arange(64) + 0.5) / 64, 1 - (np.arange(64) + 0.5) / 64)
    inside = (u > 0.1) & (u < 0.7) & (v > 0.1) & (v < 0.7)
    assert np.array_equal(atlas.covered, inside)
    expected = np.stack([(u - 0.1) / 0.6, (v - 0.1) / 0.6, np.full_like(u, 0.25)], axis=-1)
    assert np.allclose(baked[inside], expected[inside], atol=1e-5)
    rim = atlas.filled & ~inside
    assert rim.sum() > 4 * 38 and np.allclose(baked[rim][:, 2], 0.25) and (baked[~atlas.filled] == 0).all()


def test_what_is_made_once_stays_and_what_was_broken_off_is_made_anew(tmp_path):
    case = Case(Task.VIDEO, "ice_block", 12, detail=0.4)
    (tmp_path / "ice_block" / "12.part").mkdir(parents=True)
    home = data.make(case, tmp_path, frames=2, side=32, texels=64)
    told = sorted(path.relative_to(home).as_posix() for path in home.rglob("*"))
    assert {"clip.npz", "texels.npz", "life.json", "fixed0.mp4", "fixed0/0001.png", "turning.npz"} <= set(told)
    assert not (tmp_path / "ice_block" / "12.part").exists()
    before = (home / "clip.npz").stat().st_mtime_ns
    assert data.make(case, tmp_path, 2, 32, 64) == home and (home / "clip.npz").stat().st_mtime_ns == before
    given = {
        task: sorted(p.name for p in data.give(replace(case, task=task), tmp_path, 2, 32).iterdir())
        for task in (Task.VIDEO, Task.MESH, Task.WORDS)
    }
    assert given == {
        Task.VIDEO: ["film.mp4", "first.png"], Task.MESH: ["subject.glb", "words.txt"], Task.WORDS: ["words.txt"],
    }  # fmt: skip
    assert (tmp_path / "mesh" / "ice_block-12" / "words.txt").read_text() == "an ice block, melting\n"


@pytest.mark.parametrize("other", [{"frames": 3}, {"side": 24}, {"texels": 48}, {"detail": 0.3}, {"version": "0.0.1"}])
def test_what_was_made_in_another_way_is_made_anew(tmp_path, monkeypatch, other):
    case, usual = Case(Task.WORDS, "ice_block", 12, detail=0.4), {"frames": 2, "side": 16, "texels": 32}
    home = data.make(case, tmp_path, **usual)
    (home / "old").touch()
    if "version" in other:
        monkeypatch.setattr(data.protocol, "VERSION", other["version"])
    case = replace(case, detail=other.get("detail", case.detail))
    asked = {name: other.get(name, value) for name, value in usual.items()}
    assert data.make(case, tmp_path, **asked) == home and not (home / "old").exists()
    told = json.loads((home / "life.json").read_text())["made"]
    assert told == {"version": protocol.VERSION, "detail": case.detail} | asked


ANOTHER = """
from pathlib import Path
from tests.benchmarks.lifebench import data
from tests.benchmarks.lifebench.tasks import Case, Task
data.make(Case(Task.WORDS, "match", 12, detail=0.4), Path({folder!r}), 3, 48, 64)
"""


def test_another_process_makes_the_same_arrays_and_pictures(tmp_path):
    home = data.make(Case(Task.WORDS, "match", 12, detail=0.4), tmp_path / "here", 3, 48, 64)
    script, surroundings = ANOTHER.format(folder=str(tmp_path / "there")), os.environ | {"PYTHONHASHSEED": "5"}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=surroundings, check=True)
    there, arrays = tmp_path / "there" / "match" / "12", 0
    for path in home.rglob("*.npz"):
        with np.load(path) as one, np.load(there / path.name) as other:
            assert set(one) == set(other)
            for name in one:
                assert np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f"), (path, name)
                arrays += 1
    pictures = [path.relative_to(home) for path in home.rglob("*.png")]
    assert arrays > 30 and len(pictures) == 3 * 5
    for path in pictures:
        assert np.array_equal(np.asarray(Image.open(home / path)), np.asarray(Image.open(there / path))), path


def test_every_specimen_has_its_happening():
    for case in cases(Task.MESH, list(HAPPENINGS), [11], detail=0.4):
        truth = case.truth(3)
        moved = np.abs(np.diff(truth.clip.positions, axis=0)).max() / truth.size
        assert truth.given == (2 if case.happening.born else 0) and moved > 0.01, case.name
