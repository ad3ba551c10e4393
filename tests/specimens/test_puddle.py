"""Puddles: areas and volumes against closed forms and trimesh."""

import numpy as np
import pytest
import trimesh

from backend.specimens.core import grid_quads
from backend.specimens.puddle import Outline, area, puddle, unit
from backend.specimens.solids import enclosed

ANGLE = np.arange(60) * (2 * np.pi / 60)


def solid(points: np.ndarray) -> trimesh.Trimesh:
    quads = grid_quads((1, len(points), points.shape[1] + 1), True)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return trimesh.Trimesh(points.reshape(-1, 3), faces, process=False)


@pytest.fixture
def outline():
    return Outline.drawn((1 + 0.2 * np.cos(2 * ANGLE))[:, None] * unit(ANGLE), np.random.default_rng(4))


def test_an_outline_holds_the_area_that_is_asked(outline):
    assert area(unit(ANGLE) * 3) == pytest.approx(9 * 30 * np.sin(2 * np.pi / 60))
    for wanted in (1.2, 4.0, 30.0):
        assert area(outline.holding(wanted * area(outline.first))) == pytest.approx(wanted * area(outline.first))


def test_an_outline_that_spreads_goes_nowhere_back(outline):
    sizes = [np.linalg.norm(outline.holding(k * area(outline.first)), axis=1) for k in (1.0, 1.5, 3.0, 9.0)]
    assert (np.diff([size.mean() for size in sizes]) > 0).all() and (sizes[-1] > sizes[0]).all()


@pytest.mark.parametrize(("volume", "thick", "lift"), [(0.9, 0.2, 0.01), (0.35, 0.06, 0.05)])
def test_a_puddle_holds_its_volume_and_has_a_well(outline, volume, thick, lift):
    foot = 0.5 * outline.first + [0.1, 0.0]
    rim = outline.holding(area(foot) + volume / thick)
    points, depth = puddle(foot, rim, lift, 14, (volume, thick))
    assert solid(points).volume == pytest.approx(volume, rel=1e-9) and enclosed(points) == pytest.approx(volume)
    assert points[..., 2].min() == 0 and points[-1, :, 2] == pytest.approx(lift) and depth.max() == 1
    assert points[3:-3, :, 2].max() == pytest.approx(thick, rel=0.35)
    assert (np.diff(points[2:-3, :, 2], axis=0) > -1e-9).all()  # it rises from its rim to the foot


def test_faces_look_out(outline):
    points, _ = puddle(0.5 * outline.first, 2 * outline.first, 0.02, 12, (0.8, 0.1))
    normals = np.cross(points[4:-4, 1:] - points[4:-4, :-1], points[5:-3, :-1] - points[4:-4, :-1])
    assert (normals[..., 2] > 0).all()
