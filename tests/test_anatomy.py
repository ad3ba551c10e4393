"""What is known of a body before it moves, against shapes whose answer is known."""

import numpy as np
import pytest
import trimesh

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from tests.shapes import body_of, potted, sheet


def body_from(mesh: trimesh.Trimesh, inside_out=False):
    vertices = mesh.vertices - [0, 0, mesh.vertices[:, 2].min()]
    return body_of(vertices / np.ptp(vertices, axis=0).max(), mesh.faces[:, ::-1] if inside_out else mesh.faces)


@pytest.mark.parametrize(("inside_out", "subdivisions"), [(False, 4), (True, 4), (False, 5)])
def test_a_ball_is_as_thick_as_it_is_wide_whichever_way_its_faces_look(inside_out, subdivisions):
    anatomy = Anatomy(body_from(trimesh.creation.icosphere(subdivisions=subdivisions), inside_out))
    np.testing.assert_allclose(anatomy.thickness, 1.0, rtol=0.02)


def test_a_slab_is_as_thick_as_it_is_high_and_thinner_at_its_edges():
    slab = trimesh.creation.box((1.0, 0.8, 0.1)).subdivide().subdivide().subdivide().subdivide()
    anatomy = Anatomy(body_from(slab))
    vertices = anatomy.body.vertices
    flat = (np.abs(vertices[:, 0]) < 0.4) & (np.abs(vertices[:, 1]) < 0.3)
    np.testing.assert_allclose(anatomy.thickness[flat], 0.1, rtol=0.05)
    assert anatomy.thickness.max() < 0.13


def test_a_dumbbell_is_thick_at_its_ends_and_thin_between():
    z = np.linspace(0.0, 1.0, 60)
    radius = np.sqrt(z * (1.0 - z)) * (0.08 + 0.5 * np.abs(z - 0.5))
    anatomy = Anatomy(body_from(trimesh.creation.revolve(np.stack([radius, z], axis=1), sections=40)))
    middle = np.abs(anatomy.body.vertices[:, 2] - 0.5) < 0.1
    wide = np.abs(anatomy.body.vertices[:, 2] - 0.85) < 0.05
    assert anatomy.thickness[wide].max() > 2.0 * anatomy.thickness[middle].min()


def test_sheets_have_a_margin_and_no_thickness_and_solids_the_other_way_round():
    vertices, faces = potted()
    anatomy = Anatomy(body_of(vertices, faces))
    leaf = anatomy.is_sheet
    assert (anatomy.thickness[leaf] == 0.0).all() and (anatomy.thickness[~leaf] > 0.0).all()
    assert np.isfinite(anatomy.margin[leaf]).all() and np.isinf(anatomy.margin[~leaf]).all()


def test_the_margin_of_a_disc_is_what_is_left_of_its_radius():
    disc = _disc(0.5)
    found = fields.rim_distance(*disc)
    np.testing.assert_allclose(found, 0.5 - np.linalg.norm(disc[0], axis=1), atol=0.02)


def _disc(radius, rings=16, sides=48):
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    vertices = np.concatenate([[[0, 0, 0]], *(radius * k / rings * ring for k in range(1, rings + 1))])
    i = 1 + np.arange(rings * sides).reshape(rings, sides)
    a, b = i[:-1], i[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    fan = np.stack([np.zeros(sides, int), i[0], np.roll(i[0], -1)], axis=1)
    walls = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    return vertices, np.concatenate([fan, *walls])


def test_normals_of_a_ball_point_away_from_its_middle():
    ball = trimesh.creation.icosphere(subdivisions=3)
    np.testing.assert_allclose(fields.normals(ball.vertices, ball.faces), ball.vertices, atol=0.02)


def test_parts_that_are_inside_out_are_known():
    one, other = trimesh.creation.box(), trimesh.creation.icosphere(subdivisions=2)
    other.apply_translation([3, 1, -2])
    vertices = np.concatenate([one.vertices, other.vertices])
    faces = np.concatenate([one.faces, other.faces[:, ::-1] + len(one.vertices)])
    labels = fields.parts(len(vertices), faces)
    assert fields.outwardness(vertices, faces, labels).tolist() == [1.0, -1.0]


def test_the_outer_side_of_a_bow_to_come_is_the_upper_one():
    vertices, faces = sheet(width=0.6, height=1.0)
    slanting = vertices @ np.array([[1, 0, 0], [0, 0, 1], [0, 0.8, 0.6]]) + [0, 0, 0.5]
    slanting[:, 2] -= slanting[:, 2].min()
    for triangles in (faces, faces[:, ::-1]):
        anatomy = Anatomy(body_of(slanting, triangles))
        up = np.sign(anatomy.normals[:, 2])
        assert (np.sign(anatomy.facing(1)) == up).mean() > 0.95


def test_what_takes_no_part_is_held():
    vertices, faces = potted()
    labels = fields.parts(len(vertices), faces)
    weight = np.where(labels == labels[np.argmin(vertices[:, 2])], 0.0, 1.0)
    anatomy = Anatomy(body_of(vertices, faces, weight=weight))
    assert (anatomy.held[weight == 0.0] == 1.0).all()
    assert anatomy.held[weight == 1.0].mean() < 0.1


def test_a_posed_body_keeps_its_parts_and_measures_itself_anew():
    vertices, faces = potted()
    anatomy = Anatomy(body_of(vertices, faces))
    before = anatomy.thickness, anatomy.margin
    posed = anatomy.posed(1.5 * vertices)
    np.testing.assert_array_equal(posed.distance, anatomy.distance)
    np.testing.assert_allclose(posed.thickness, 1.5 * before[0], rtol=1e-6)
    assert anatomy.body.vertices is not posed.body.vertices
    np.testing.assert_array_equal(anatomy.thickness, before[0])
