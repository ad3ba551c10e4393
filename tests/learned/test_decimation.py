"""From a dense surface to so many faces, with a decimator that tears."""

import numpy as np
import pytest

from backend.geometry import decimation, fields
from backend.geometry.decimation import Unmeshable, finished, folded, mended, smoothed, sound, unfolded
from backend.geometry.isosurface import faults, surface
from backend.geometry.volume import signed_volume
from tests.learned.test_isosurface import LEVEL, ball, blobs, euler, solid, torus, union

PEAR = union(ball(0.1, 0.0, 0.0, 0.2), ball(-0.1, 0.08, 0.05, 0.25), ball(0.0, -0.1, 0.25, 0.15))


@pytest.fixture(scope="module", params=[torus, PEAR], ids=["torus", "pear"])
def dense(request):
    return surface(solid(request.param), 0.5, 40, LEVEL)


@pytest.mark.parametrize(("count", "kept"), [(400, 0.88), (3000, 0.98)])
def test_the_mesh_has_as_many_faces_as_asked_and_lies_on_the_surface(dense, count, kept):
    found = finished(dense, count)
    assert abs(len(found.faces) - count) <= 0.05 * count
    assert sound(found.vertices, found.faces)
    assert euler(found.faces) == euler(dense.faces)
    assert not folded(found.vertices, found.faces).any()
    far = np.abs(found.solid.depth(found.vertices)) > 0.05  # of which the cells are 2.5 deep
    assert far.mean() < 0.01
    # corners on a round surface hold a little less than it
    share = signed_volume(found.vertices, found.faces) / signed_volume(dense.vertices, dense.faces)
    assert kept < share < 1.02


def test_handles_as_thin_as_a_cell_may_close_but_the_mesh_is_sound():
    dense = surface(solid(blobs(0)), 0.5, 48, LEVEL)
    assert euler(dense.faces) < 2 * dense.pieces  # it has such handles, which the decimator always tears
    found = finished(dense, 1000)
    assert sound(found.vertices, found.faces) and abs(len(found.faces) - 1000) <= 50
    assert euler(dense.faces) <= euler(found.faces) <= 2 * found.pieces


def test_a_surface_that_has_just_as_many_is_not_collapsed(dense):
    found = finished(dense, len(dense.faces))
    np.testing.assert_array_equal(found.faces, dense.faces)


def test_smoothing_takes_the_stairs_away_and_keeps_the_volume():
    """A ball whose density is one number inside and another outside: all its faces lie on the grid."""
    step = surface(lambda points: np.where(ball(0.03, 0.02, -0.01, 0.35)(points) < 0, 100.0, 0.0), 0.5, 40)
    smooth = smoothed(step.vertices, step.faces)

    def roughness(vertices):
        """How far the triangles lean away from the ball's own normals, radians."""
        outward = fields.unit(vertices[step.faces].mean(axis=1) - [0.03, 0.02, -0.01])
        straight = np.einsum("fi,fi->f", fields.unit(fields.area_vectors(vertices, step.faces)), outward)
        return np.mean(np.arccos(np.clip(straight, -1, 1)))

    assert roughness(smooth) < 0.5 * roughness(step.vertices)
    before = signed_volume(step.vertices, step.faces)
    assert signed_volume(smooth, step.faces) == pytest.approx(before, rel=0.01)


def torn(collapsed, times):
    """The decimator, which pinches its mesh so many times: two vertices far from each other become one."""
    left = [times]

    def tearing(*how):
        vertices, faces = collapsed(*how)
        if left[0]:
            left[0] -= 1
            far = np.argmax(np.linalg.norm(vertices - vertices[0], axis=1))
            faces = np.where(faces == far, 0, faces).astype(np.int32)
        return vertices, faces

    return tearing


def test_a_mesh_that_the_decimator_tears_is_made_again(dense, monkeypatch):
    monkeypatch.setattr(decimation, "_collapsed", torn(decimation._collapsed, 1))
    vertices, faces = decimation._collapsed(dense.vertices, dense.faces, 1000, 5.0)
    assert not sound(vertices, faces)
    monkeypatch.setattr(decimation, "_collapsed", torn(decimation._collapsed, 3))
    found = finished(dense, 1000)
    assert sound(found.vertices, found.faces) and not folded(found.vertices, found.faces).any()
    assert abs(len(found.faces) - 1000) <= 50 and euler(found.faces) == euler(dense.faces)


def test_a_mesh_that_it_always_tears_is_mended(dense, monkeypatch):
    monkeypatch.setattr(decimation, "_collapsed", torn(decimation._collapsed, 1000))
    found = finished(dense, 1000)
    assert sound(found.vertices, found.faces)
    assert abs(len(found.faces) - 1000) <= 50 and euler(found.faces) == euler(dense.faces)


def test_what_is_sound_is_not_mended(dense):
    np.testing.assert_array_equal(mended(dense.vertices, dense.faces)[1], dense.faces)


def test_triangles_on_one_another_are_not_sound():
    faces = np.array([[0, 1, 2], [0, 2, 1]], np.int32)
    assert len(faults(faces, 3)) == 0  # by its edges it is closed
    assert not sound(np.eye(3), faces)


def test_a_triangle_that_is_turned_over_is_laid_down_again():
    dense = surface(solid(torus), 0.5, 32, LEVEL)
    found = finished(dense, 800)
    vertices = found.vertices.copy()
    face = found.faces[17]
    vertices[face[0]] += 1.8 * (vertices[face[1:]].mean(axis=0) - vertices[face[0]])
    assert folded(vertices, found.faces).any()
    laid = unfolded(vertices, found.faces, found.solid)
    assert not folded(laid, found.faces).any()
    moved = np.any(laid != vertices, axis=1)
    assert 1 <= moved.sum() < 40


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (10, "10 faces are too few: ask for at least 128, 64 for each of its 2 pieces"),
        (100, "ask for at least 128"),
        (20_000, r"more than the surface has: ask for at most \d+, or take the surface at \d+ cells"),
        (1_000_000, r"more than the surface has: ask for at most \d+$"),
    ],
)
def test_so_few_or_so_many_are_refused_in_words(count, words):
    two = surface(solid(union(ball(0.2, 0.2, 0.0, 0.2), ball(-0.2, -0.1, 0.1, 0.15))), 0.5, 24, LEVEL)
    with pytest.raises(Unmeshable, match=words):
        finished(two, count)


def test_at_the_cells_that_are_named_there_are_as_many_faces():
    with pytest.raises(Unmeshable) as refusal:
        finished(surface(solid(torus), 0.5, 24, LEVEL), 6000)
    cells = int(str(refusal.value).split()[-2])
    assert len(surface(solid(torus), 0.5, cells, LEVEL).faces) >= 6000
