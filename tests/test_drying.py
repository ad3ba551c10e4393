"""Shrivel and rot: wrinkled skins, spots that spread over a surface, and the reaction that lets mould grow."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh

from backend.geometry import reaction
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Look
from backend.geometry.fields import components, edges
from backend.geometry.mould import Mould
from backend.geometry.rest import Rest
from backend.pipelines.processes.shrivel import dents
from backend.protocol import Rot, Shrivel
from kernels import gray_scott
from kernels.crossings import crossings
from tests.flowers import grid
from tests.lives import area, ball, lived, made, rest_of, volume
from tests.shapes import body_of, column, potted, sheet

SUBJECTS = {"ball": ball, "sheet": lambda: body_of(*sheet()), "mixture": lambda: body_of(*potted())}
PROCESSES = {"shrivel": Shrivel(), "rot": Rot()}


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
    for name in ("albedo", "roughness", "metallic"):
        np.testing.assert_array_equal(getattr(first.look, name), getattr(subject, name))
    for moment in (middle, last):
        assert np.isfinite(moment.positions).all() and moment.positions[:, 2].min() >= 0.0
        for name in ("albedo", "roughness", "metallic"):
            value = getattr(moment.look, name)
            assert (value >= 0.0).all() and (value <= 1.0).all()
    assert np.linalg.norm(last.positions - subject.vertices, axis=1).mean() > 0.03
    assert last.look.albedo.mean() < 0.6 * subject.albedo.mean()
    assert last.look.metallic.mean() < 0.8 * subject.metallic.mean()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(settings):
    body = ball(2)
    one, again, other = (lived(body, settings, taus=(0.0, 1.0), seed=seed)[-1] for seed in (5, 5, 6))
    assert one.positions.tobytes() == again.positions.tobytes()
    assert one.look.albedo.tobytes() == again.look.albedo.tobytes()
    assert np.abs(one.positions - other.positions).max() > 1e-3
    assert np.abs(one.look.albedo - other.look.albedo).max() > 1e-3


def test_what_has_no_weight_keeps_its_colour_and_its_rest(settings):
    vertices, faces = column()
    weight = (vertices[:, 2] > 0.5).astype(float)
    body = body_of(vertices, faces, weight=weight)
    process, rest = made(body, settings), rest_of(body, settings, 1.0)
    look = process.look(1.0, body.look)
    np.testing.assert_array_equal(look.albedo[weight == 0.0], body.albedo[weight == 0.0])
    assert np.abs(look.albedo - body.albedo)[weight == 1.0].max() > 0.05
    for name, untouched in vars(Rest.of(len(vertices))).items():
        np.testing.assert_array_equal(getattr(rest, name)[weight == 0.0], untouched[weight == 0.0], err_msg=name)
    assert np.abs(rest.along - 1.0)[weight == 1.0].max() > 0.05


def test_it_goes_steadily_on_and_amount_says_how_far(settings):
    body = ball()
    size = [rest_of(body, settings, tau).along for tau in (0.0, 0.15, 0.4, 0.7, 0.9, 1.0)]
    assert all((after <= before + 1e-12).all() for before, after in pairwise(size))
    mean = np.array([one.mean() for one in size])
    assert (np.diff(mean) < -0.0005).all()
    half = rest_of(body, settings, 1.0, amount=0.5).along
    np.testing.assert_allclose(1.0 - half, 0.5 * (1.0 - size[-1]), atol=1e-12)


def test_it_adds_to_what_another_process_does(settings):
    body = ball(2)
    alone, both = rest_of(body, settings, 0.8), Rest.of(len(body.vertices))
    both.grow(along=1.3, across=1.1)
    both.soften(0.2)
    made(body, settings).rest(0.8, both)
    np.testing.assert_allclose(both.along, 1.3 * alone.along)
    np.testing.assert_allclose(1.0 - both.soft, 0.8 * (1.0 - alone.soft))


# --- shrivel


def test_a_dried_ball_has_more_skin_than_it_needs_and_none_of_it_crosses():
    body = ball(4)
    wrinkled = lived(body, Shrivel())[-1].positions
    smooth = lived(body, Shrivel(wrinkles=0.0))[-1].positions

    def excess(positions):
        shrunk = volume(positions, body.faces) / volume(body.vertices, body.faces)
        return area(positions, body.faces) / area(body.vertices, body.faces) / shrunk ** (2 / 3)

    assert 0.25 < volume(wrinkled, body.faces) / volume(body.vertices, body.faces) < 0.6
    assert excess(smooth) < 1.10
    assert 1.13 < excess(wrinkled) < 1.35
    corners = np.ascontiguousarray(wrinkled[body.faces])
    assert not crossings(corners, body.faces.astype(np.int64), 1e-6).any()


def jar():
    """A jar with a thin wall: its profile goes up outside and down inside."""
    z = np.linspace(0.0, 0.8, 17)
    radius = np.concatenate([[1e-3], 0.25 + 0.0 * z, 0.235 + 0.0 * z, [1e-3]])
    height = np.concatenate([[0.0], z, np.maximum(z[::-1], 0.015), [0.015]])
    azimuth = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    points = np.concatenate([radius[:, None, None] * ring, np.repeat(height[:, None, None], 40, axis=1)], axis=2)
    return body_of(points.reshape(-1, 3), grid(len(radius), 40, closed=True))


def test_a_thin_wall_dents_on_both_sides_alike_and_what_is_full_does_not():
    body = jar()
    depth = dents(Anatomy(body), 3).reshape(-1, 40)
    outer, inner = depth[4:14], depth[22:32][::-1]
    assert outer.max() <= 0.0 and inner.min() >= 0.0
    assert outer.min() < -0.02 and np.corrcoef(outer.ravel(), inner.ravel())[0, 1] < -0.9
    for full in (ball(3), body_of(*column())):
        assert not dents(Anatomy(full), 3).any()
    last = lived(body, Shrivel(), taus=(0.0, 1.0))[-1].positions.reshape(-1, 40, 3)[4:14]
    radius = np.linalg.norm(last - last.mean(axis=1, keepdims=True), axis=2)
    assert (radius.std(axis=1) / radius.mean(axis=1)).mean() > 0.045  # 0.022 without


def test_colour_deepens_before_it_browns():
    body = ball(2)
    process = made(body, Shrivel())

    def saturation(look: Look):
        return (1.0 - look.albedo.min(axis=1) / look.albedo.max(axis=1)).mean()

    early, late = process.look(0.3, body.look), process.look(1.0, body.look)
    assert saturation(early) > saturation(body.look) + 0.01
    assert late.albedo.mean() < 0.5 * early.albedo.mean()
    assert (late.albedo[:, 0] > late.albedo[:, 2]).all()


# --- rot


def test_spots_only_grow_and_begin_in_few_places():
    body = ball(4)
    process = made(body, Rot(mould=0.0))
    brown = [process.look(tau, body.look).albedo[:, 1] < 0.5 * body.albedo[:, 1] for tau in (0.1, 0.3, 0.6, 1.0)]
    share = [spot.mean() for spot in brown]
    assert 0.005 < share[0] < 0.25 and share[-1] > 0.5
    assert all(not (before & ~after).mean() > 0.02 for before, after in pairwise(brown))


def test_spots_are_where_they_are_whatever_the_triangles():
    coarse, fine = ball(4), ball(5)
    ages = [made(body, Rot()).age(0.6) for body in (coarse, fine)]
    # an icosphere keeps its vertices when it is subdivided
    assert np.abs(ages[0] - ages[1][: len(ages[0])]).mean() < 0.25 * ages[0].std()


def test_mould_grows_on_what_has_rotted_and_only_there():
    body = ball(4)
    process = made(body, Rot(mould=1.0))
    grown = process.mould.at(1.0) > 0.3
    assert (process.age(1.0)[grown] > 0.0).mean() > 0.9
    assert process.mould.at(0.0).max() == 0.0
    assert 0.03 < (process.mould.at(1.0) > 0.3).mean() < 0.9
    bare = made(body, Rot(mould=0.0)).look(1.0, body.look)
    furry = process.look(1.0, body.look)
    assert (furry.roughness > bare.roughness + 0.1).mean() > 0.03


def test_mould_grows_no_further_than_it_is_looked_at(monkeypatch):
    """So that no life waits for it, unable to tell how far it is."""
    grown = []
    grow = reaction.GrayScott.grow
    monkeypatch.setattr(reaction.GrayScott, "grow", lambda self, *rest: (grown.append(1), grow(self, *rest)))
    body = ball(3)
    process = made(body, Rot())
    process.look(0.0, body.look)
    assert not grown
    process.look(0.5, body.look)
    assert len(grown) == 12
    half = process.mould.at(0.5)
    process.mould.at(1.0)
    np.testing.assert_array_equal(process.mould.at(0.5), half)


def test_no_two_colonies_are_alike_on_a_plain_sheet():
    body = body_of(*sheet(61, 61, width=1.0))
    mould = Mould(Anatomy(body), lambda tau: np.full(len(body.vertices), tau), seed=3)
    grown = mould.at(0.6) > 0.3
    colony = components(len(grown), edges(body.faces[grown[body.faces].all(axis=1)]))[grown]
    size = np.bincount(colony)[np.bincount(colony) > 8]
    assert len(size) > 20
    assert size.std() > 0.33 * size.mean()  # of discs on even ground it is 0.22


def test_spots_do_not_thin_a_stem_to_a_thread():
    vertices, faces = column(sides=10, rings=30, radius=0.014, lean=0.1)
    body = body_of(vertices, faces)
    last = lived(body, Rot(), taus=(0.0, 1.0))[-1].positions[:300].reshape(30, 10, 3)
    width = np.linalg.norm(last - last.mean(axis=1, keepdims=True), axis=2).mean(axis=1)
    assert width[2:-2].min() > 0.4 * 0.014


def test_a_sheet_that_lies_on_the_floor_rots_to_a_dish():
    vertices, faces = sheet(15, 15, width=1.0)
    flat = vertices[:, [0, 2, 1]] * [1, 1, 0]
    height = lived(body_of(flat, faces), Rot())[-1].positions[:, 2]
    inner = np.abs(flat - flat.mean(axis=0)).max(axis=1) < 0.2
    assert height[~inner].max() > 0.05 and height[inner].mean() < 0.3 * height[~inner].mean()


# --- what spreads


def test_the_operators_know_area_and_the_eigenvalue_of_a_ball():
    mesh = trimesh.creation.icosphere(subdivisions=4)
    stiffness, mass = reaction.operators(mesh.vertices, mesh.faces)
    assert mass.sum() == pytest.approx(mesh.area)
    np.testing.assert_allclose(stiffness @ np.ones(len(mass)), 0.0, atol=1e-12)
    z = mesh.vertices[:, 2]  # a first harmonic: its Laplacian is -2 z
    assert z @ stiffness @ z / (z @ (mass * z)) == pytest.approx(2.0, rel=0.01)


def test_a_held_membrane_bulges_as_the_closed_form_says():
    """Between lines held at 0, a width 2 w apart: 1 - cosh(x / l) / cosh(w / l)."""
    vertices, faces = sheet(41, 21, width=1.0, height=0.5)
    flat = vertices * [1, 0, 1]
    hold = np.where(np.abs(flat[:, 0]) > 0.499, 1e7, 0.0)
    height = reaction.bulging(flat, faces, hold, 0.2)
    expected = 1.0 - np.cosh(flat[:, 0] / 0.2) / np.cosh(0.5 / 0.2)
    np.testing.assert_allclose(height, expected, atol=0.01)


def test_the_reaction_matches_its_reference():
    rng = np.random.default_rng(2)
    body = ball(2)
    stiffness, mass = reaction.operators(body.vertices, body.faces)
    laplacian = -(0.02**2) * stiffness.multiply(1.0 / mass[:, None]).tocsr()
    pull = laplacian.copy()
    pull.setdiag(0.0)
    pull.eliminate_zeros()
    u, v = rng.uniform(0.3, 1.0, len(mass)), rng.uniform(0.0, 0.4, len(mass))
    feed, kill = rng.uniform(0.02, 0.05, len(mass)), rng.uniform(0.05, 0.1, len(mass))
    rates = np.array([0.16, 0.08, 0.7])
    expected = gray_scott.react_reference(u, v, laplacian, feed, kill, rates, 25)
    gray_scott.react(u, v, pull.indptr, pull.indices, pull.data, feed, kill, rates, 25)
    np.testing.assert_allclose([u, v], expected, atol=1e-10)


def test_nothing_grows_from_nothing_and_colonies_stay_bounded_on_a_ragged_mesh():
    vertices, faces = sheet()
    ragged = vertices + 0.012 * np.random.default_rng(0).normal(size=vertices.shape)
    colonies = reaction.GrayScott(ragged, faces, 0.3)
    feed, kill = np.full(len(ragged), 0.042), np.full(len(ragged), 0.061)
    colonies.grow(200.0, feed, kill)
    np.testing.assert_array_equal(colonies.v, 0.0)
    colonies.plant(np.flatnonzero(np.linalg.norm(vertices - vertices[90], axis=1) < 0.15))
    colonies.grow(600.0, feed, kill)
    assert 0.15 < colonies.v.max() < 1.0 and colonies.v.min() >= 0.0
