"""Swell and crumple: what puffs up between its seams, and what is crushed but keeps its surface."""

import numpy as np
import pytest
import trimesh

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL
from backend.geometry.elastic import Elastic
from backend.geometry.rest import Rest
from backend.protocol import Crumple, Swell
from kernels.crossings import crossings
from tests.lives import area, ball, lived, made, rest_of, volume
from tests.shapes import body_of, column, potted, sheet


def box():
    mesh = trimesh.creation.box((1.0, 0.7, 0.8))
    for _ in range(4):
        mesh = mesh.subdivide()
    return body_of(mesh.vertices + [0.0, 0.0, 0.4], mesh.faces)


SUBJECTS = {"ball": ball, "sheet": lambda: body_of(*sheet()), "mixture": lambda: body_of(*potted())}
PROCESSES = {"swell": Swell(), "crumple": Crumple()}


@pytest.fixture(params=SUBJECTS)
def subject(request):
    return SUBJECTS[request.param]()


@pytest.fixture(params=PROCESSES)
def settings(request):
    return PROCESSES[request.param]


# --- what an artist was promised


def test_life_begins_with_the_subject_ends_elsewhere_and_stays_within_bounds(subject, settings):
    first, middle, last = lived(subject, settings)
    np.testing.assert_array_equal(first.positions, subject.vertices)
    np.testing.assert_array_equal(first.look.albedo, subject.albedo)
    np.testing.assert_array_equal(first.look.roughness, subject.roughness)
    for moment in (middle, last):
        assert np.isfinite(moment.positions).all() and moment.positions[:, 2].min() >= 0.0
        assert (moment.look.albedo >= 0.0).all() and (moment.look.albedo <= 1.0).all()
        assert (moment.look.roughness >= 0.0).all() and (moment.look.roughness <= 1.0).all()
    assert np.linalg.norm(last.positions - subject.vertices, axis=1).mean() > 0.02
    assert np.abs(last.look.roughness - subject.roughness).max() > 0.05
    assert np.abs(last.look.albedo - subject.albedo).max() > 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(settings):
    body = ball(2)
    one, again, other = (lived(body, settings, taus=(0.0, 1.0), seed=seed)[-1] for seed in (5, 5, 6))
    assert one.positions.tobytes() == again.positions.tobytes()
    assert one.look.albedo.tobytes() == again.look.albedo.tobytes()
    assert np.abs(one.positions - other.positions).max() > 1e-3


def test_what_has_no_weight_keeps_its_colour_and_its_rest(settings):
    vertices, faces = column()
    weight = (vertices[:, 2] > 0.5).astype(float)
    body = body_of(vertices, faces, weight=weight)
    look, rest = made(body, settings).look(1.0, body.look), rest_of(body, settings, 1.0)
    np.testing.assert_array_equal(look.roughness[weight == 0.0], body.roughness[weight == 0.0])
    assert np.abs(look.roughness - body.roughness)[weight == 1.0].max() > 0.05
    for name, untouched in vars(Rest.of(len(vertices))).items():
        np.testing.assert_array_equal(getattr(rest, name)[weight == 0.0], untouched[weight == 0.0], err_msg=name)
    assert np.abs(rest.along - 1.0)[weight == 1.0].max() > 0.05


def test_it_goes_steadily_on_and_amount_says_how_far(settings):
    body = ball()
    taus = (0.0, 0.15, 0.4, 0.7, 0.9, 1.0)
    change = np.array([np.abs(rest_of(body, settings, tau).along - 1.0).mean() for tau in taus])
    assert change[0] == 0.0 and (np.diff(change) > 0.002).all()
    half = np.abs(rest_of(body, settings, 1.0, amount=0.5).along - 1.0).mean()
    assert half == pytest.approx(0.5 * change[-1])


# --- swell


def test_a_risen_solid_holds_more_and_crosses_nothing():
    for body in (ball(4), box()):
        last = lived(body, Swell())[-1].positions
        assert 1.5 < volume(last, body.faces) / volume(body.vertices, body.faces) < 2.6
        assert not crossings(np.ascontiguousarray(last[body.faces]), body.faces.astype(np.int64), 1e-6).any()


def test_a_box_puffs_to_a_cushion_between_its_edges():
    """The middle of the lid rises above its corners; scaling would leave it flat."""
    body = box()
    last = lived(body, Swell(rise=0.0, puff=1.0))[-1].positions
    lid = body.vertices[:, 2] > 0.8 - 1e-9
    x, y = np.abs(body.vertices[lid, :2]).T
    inside, rim = last[lid, 2][(x < 0.3) & (y < 0.2)], last[lid, 2][(x > 0.49) | (y > 0.34)].mean()
    assert np.quantile(inside, 0.8) > rim + 0.05
    puff = made(body, Swell()).puff
    inner = (np.abs(body.vertices[:, :2]) < 0.1).all(axis=1) & lid
    corner = (np.abs(body.vertices[:, :2]) > [0.499, 0.349]).all(axis=1) & lid
    assert puff[corner].max() < 0.2 * puff[inner].min()
    still = lived(body, Swell(rise=0.0, puff=0.0))[-1].positions[lid, 2]
    assert np.ptp(still) < 0.03


def unexplained(before, after) -> float:
    """The share of the motion that is no scaling, turning or shifting (Umeyama 1991)."""
    one, other = before - before.mean(axis=0), after - after.mean(axis=0)
    u, s, vt = np.linalg.svd(one.T @ other)
    s[2] *= np.sign(np.linalg.det(u @ vt))
    u[:, 2] *= np.sign(np.linalg.det(u @ vt))
    left = other - s.sum() / (one**2).sum() * one @ (u @ vt)
    return np.linalg.norm(left) / np.linalg.norm(after - before)


def test_even_a_smooth_ball_does_not_just_get_larger():
    body = ball(4)
    moved = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert unexplained(body.vertices, 1.3 * body.vertices @ moved + 0.2) < 1e-9
    last = lived(body, Swell())[-1].positions
    assert unexplained(body.vertices, last) > 0.13
    middle = np.array([0.0, 0.0, 0.475])
    radius = np.linalg.norm(last - middle, axis=1) / np.linalg.norm(body.vertices - middle, axis=1)
    bulge = made(body, Swell()).bulge
    above = body.vertices[:, 2] > 0.3
    assert np.corrcoef(radius[above], bulge[above])[0, 1] > 0.3


def test_what_a_leaf_lies_on_does_not_puff_into_it():
    ball_of = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
    low = ball_of.vertices + [0.0, 0.0, 0.4]
    points, faces = sheet(12, 12, width=1.0)
    leaf = 0.3 * (points[:, [0, 2, 1]] - [0.0, 0.5, 0.0]) * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.82]
    body = body_of(np.concatenate([low, leaf]), np.concatenate([ball_of.faces, faces + len(low)]))
    process = made(body, Swell())
    assert process.anatomy.is_sheet[len(low) :].all()
    gap = np.linalg.norm(low[:, None] - leaf[None], axis=2).min(axis=1)
    puff = process.puff[: len(low)]
    assert (gap < 0.04).sum() > 5 and puff[gap < 0.04].max() < 0.2 * np.quantile(puff, 0.9)


def test_colour_stays_but_for_where_the_skin_is_stretched():
    body = ball(4)
    process = made(body, Swell())
    change = np.abs(process.look(1.0, body.look).albedo - body.albedo).max(axis=1)
    held, free = process.bulge < 0.2, process.bulge > 0.7
    assert change[held].mean() < 0.4 * change[free].mean()
    assert change.max() < 0.25


def test_a_surface_stands_off_its_inside_by_as_much_as_it_is_told():
    body = ball(4)
    anatomy = Anatomy(body)
    engine = Elastic(anatomy, FULL, 0, True)
    rest = Rest.of(len(body.vertices))
    rest.inflate(0.03)
    for _ in range(30):
        engine.step(rest)
    above = body.vertices[:, 2] > 0.3
    middle = np.array([0.0, 0.0, 0.475])
    shift = np.linalg.norm(engine.positions - middle, axis=1) - np.linalg.norm(body.vertices - middle, axis=1)
    assert shift[above].mean() == pytest.approx(0.03, rel=0.15)


def test_thick_parts_grow_more_than_thin_ones():
    vertices, faces = potted()
    body = body_of(vertices, faces)
    growth = rest_of(body, Swell(), 1.0).across
    labels = Anatomy(body).labels
    assert growth[labels == 0].max() > 1.1 > growth[labels == 1].mean()


# --- crumple


def test_a_sheet_is_crushed_small_and_keeps_its_area():
    vertices, faces = sheet(20, 20, width=0.9)
    body = body_of(vertices[:, [0, 2, 1]] * [1, 1, 0], faces)
    last = lived(body, Crumple())[-1].positions
    before, after = (np.sort(np.ptp(x, axis=0))[::-1] for x in (body.vertices, last))
    assert after[0] * after[1] < 0.75 * before[0] * before[1]
    assert after[2] > 0.1
    assert area(last, body.faces) == pytest.approx(area(body.vertices, body.faces), rel=0.1)


def test_a_can_is_crushed_shorter_and_keeps_more_surface_than_scaling_would():
    vertices, faces = column(sides=30, rings=30, radius=0.3, lean=0.0)
    body = body_of(vertices, faces)
    last = lived(body, Crumple())[-1].positions
    held = volume(last, faces) / volume(vertices, faces)
    assert last[:, 2].max() < 0.9 and held < 0.7
    assert area(last, faces) / area(vertices, faces) > 1.08 * held ** (2 / 3)


def test_creases_are_darker_and_more_worn_than_what_lies_between():
    body = body_of(*sheet(30, 30))
    process = made(body, Crumple())
    look = process.look(1.0, body.look)
    crease, flat = process.crease > 0.8, process.crease < 0.1
    assert crease.mean() > 0.03 and flat.mean() > 0.2
    assert look.albedo[crease].mean() < 0.9 * look.albedo[flat].mean()
    assert look.roughness[crease].mean() > look.roughness[flat].mean() + 0.02


def test_a_crease_folds_across_itself_alone():
    vertices, faces = sheet(21, 41)
    process = made(body_of(vertices, faces), Crumple())
    inside = (np.abs(vertices[:, 2] - 0.5) < 0.3) & (np.abs(vertices[:, 0]) < 0.1)
    for border, expected in ((vertices[:, 2], 1.0), (vertices[:, 0], 0.0), (vertices[:, 0] + vertices[:, 2], 0.5)):
        assert process._crossing(border)[inside].mean() == pytest.approx(expected, abs=0.12)
    np.testing.assert_array_equal(np.sign(process.bow * process.roll) < 0.0, False)


def test_the_stalk_of_a_leaf_is_not_crushed():
    blade, faces = sheet(21, 21, width=0.5, height=0.6)
    stalk, strip = sheet(3, 41, width=0.012, height=0.4)
    vertices = np.concatenate([blade + [0, 0, 0.4], stalk * [1, 0, 1]])
    body = body_of(vertices, np.concatenate([faces, len(blade) + strip]))
    process, rest = made(body, Crumple()), rest_of(body, Crumple(), 1.0)
    narrow = np.arange(len(body.vertices)) >= len(blade)
    for crushed in (process.bow, process.roll, rest.press):
        np.testing.assert_array_equal(crushed[narrow], 0.0)
        assert np.abs(crushed[~narrow]).max() > 0.5
    assert rest.press[~narrow].min() > 0.3
