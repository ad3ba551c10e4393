"""Frost and rust: where they begin, how they spread, and what they make of a surface."""

from functools import partial

import numpy as np
import pytest
import trimesh

from backend import protocol
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import PREVIEW, Body
from backend.geometry.fields import areas_around
from backend.geometry.front import hollowness
from backend.pipelines.processes import make
from backend.pipelines.processes.process import Circumstances, Process
from backend.report import silent
from tests.shapes import standing

KINDS = [protocol.Freeze, protocol.Rust]
metal = partial(standing, metallic=0.9)  # which neither frost nor rust is


def stone(level=4) -> trimesh.Trimesh:
    """A closed body without symmetry, 2562 vertices."""
    mesh = trimesh.creation.icosphere(level)
    x, y, z = mesh.vertices.T
    bump = 1.0 + 0.2 * np.sin(3 * x + 1) * np.cos(2 * y) + 0.15 * np.sin(4 * z + 2 * x)
    return trimesh.Trimesh(mesh.vertices * bump[:, None] * [1.0, 0.7, 0.9], mesh.faces, process=False)


def process_of(kind, subject: Body, amount=1.0, seed=3, **settings) -> Process:
    return make(kind(**settings), Circumstances(Anatomy(subject), amount, seed, PREVIEW))


def covered(process: Process, tau: float) -> float:
    """The share of the surface that has lost its metal."""
    subject = process.body
    area = areas_around(subject.vertices, subject.faces)
    return area[process.look(tau, subject.look).metallic < 0.45].sum() / area.sum()


def poses(process: Process, taus=(0.0, 0.5, 1.0)):
    return [posed.positions for posed in process.motion(np.array(taus), silent)]


# --- hollows ----------------------------------------------------------------------------------------------------------


def test_a_ball_is_a_bump_everywhere_by_the_formula_and_a_flat_is_nothing():
    ball = metal(trimesh.creation.icosphere(5))
    radius = 0.1
    # the chord to a point at distance s of a sphere of radius R falls s / 2 R below the tangent plane, per length; the
    # samples are spread evenly between radius / 4 and radius
    near, far = 0.25 * radius, radius
    mean = 2.0 / 3.0 * (far**3 - near**3) / (far**2 - near**2)
    found = hollowness(Anatomy(ball), radius)
    np.testing.assert_allclose(found, -2.0 * mean / (2.0 * 0.5), rtol=0.25)
    assert found.mean() == pytest.approx(-2.0 * mean / (2.0 * 0.5), rel=0.1)
    box = metal(trimesh.creation.box().subdivide().subdivide().subdivide().subdivide())
    hollow = hollowness(Anatomy(box), radius)
    inner = np.sort(np.abs(box.vertices - [0.0, 0.0, 0.5]), axis=1)[:, 1] < 0.35
    np.testing.assert_allclose(hollow[inner], 0.0, atol=1e-9)
    edges = np.sort(np.abs(box.vertices - [0.0, 0.0, 0.5]), axis=1)[:, 1] > 0.499
    assert hollow[edges].max() < -0.5


def test_inside_out_or_finer_makes_no_hollow_of_a_bump():
    coarse, fine = metal(stone(4)), metal(stone(5))
    turned = Body(**{**coarse.__dict__, "faces": np.ascontiguousarray(coarse.faces[:, ::-1])})
    one, other = (hollowness(Anatomy(subject), 0.15) for subject in (coarse, turned))
    np.testing.assert_allclose(other, one, atol=1e-9)
    near = np.linalg.norm(fine.vertices[:, None] - coarse.vertices[None, :200], axis=2).argmin(axis=0)
    np.testing.assert_allclose(hollowness(Anatomy(fine), 0.15)[near], one[:200], atol=0.08)


def test_a_groove_is_a_hollow():
    dented = stone()
    groove = np.exp(-((dented.vertices[:, 0] / 0.08) ** 2))
    dented.vertices *= (1.0 - 0.2 * groove)[:, None]
    hollow = hollowness(Anatomy(metal(dented)), 0.1)
    assert hollow[groove > 0.97].mean() > 0.2
    assert hollow[groove < 0.01].mean() < 0.0


# --- frost and rust ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS, ids=["freeze", "rust"])
def kind(request):
    return request.param


def test_it_begins_with_the_subject(kind):
    subject = metal(stone())
    process = process_of(kind, subject)
    np.testing.assert_array_equal(poses(process)[0], subject.vertices)
    for name in ("albedo", "roughness", "metallic", "opacity"):
        np.testing.assert_array_equal(getattr(process.look(0.0, subject.look), name), getattr(subject.look, name))


def test_it_spreads_at_an_even_pace_and_stays_within_bounds(kind):
    subject = metal(stone())
    process = process_of(kind, subject, cover=0.6)
    shares = [covered(process, tau) for tau in np.linspace(0.0, 1.0, 9)]
    assert np.all(np.diff(shares) > 0.02)
    assert np.all(np.diff(shares) < 0.13)
    for tau in (0.3, 0.8, 1.0):
        look = process.look(tau, subject.look)
        for values in (look.albedo, look.roughness, look.metallic):
            assert np.isfinite(values).all()
            assert 0.0 <= values.min() <= values.max() <= 1.0


def test_cover_says_how_much_of_the_surface(kind):
    subject = metal(stone())
    for cover in (0.2, 0.5):
        assert covered(process_of(kind, subject, cover=cover), 1.0) == pytest.approx(cover, abs=0.15 * cover + 0.03)
    nothing = process_of(kind, subject, cover=0.0)
    np.testing.assert_array_equal(nothing.look(1.0, subject.look).albedo, subject.albedo)
    whole = process_of(kind, subject, cover=1.0).look(1.0, subject.look)
    assert whole.metallic.max() < 0.05


def test_it_moves_by_a_hair_outwards_and_not_at_all_without_its_slider(kind):
    subject = metal(stone(5))  # the crystals and flakes of a coarser one would only flicker
    slider = {protocol.Freeze: "crystals", protocol.Rust: "flakes"}[kind]
    anatomy = Anatomy(subject)
    end = poses(process_of(kind, subject, **{slider: 0.5}))[-1] - subject.vertices
    height = np.einsum("ni,ni->n", end, anatomy.normals)
    assert 0.0005 < height.max() < 0.0051
    assert height.min() > -1e-9
    np.testing.assert_array_equal(poses(process_of(kind, subject, **{slider: 0.0}))[-1], subject.vertices)
    turned = Body(**{**subject.__dict__, "faces": np.ascontiguousarray(subject.faces[:, ::-1])})
    np.testing.assert_allclose(poses(process_of(kind, turned, **{slider: 0.5}))[-1], subject.vertices + end, atol=1e-9)


def test_weight_0_keeps_its_look_and_amount_scales_how_far(kind):
    mesh = stone()
    high = mesh.vertices[:, 2] > 0.0
    subject = metal(mesh, weight=high * 1.0)
    process = process_of(kind, subject)
    look = process.look(1.0, subject.look)
    np.testing.assert_array_equal(look.albedo[~high], subject.albedo[~high])
    np.testing.assert_array_equal(poses(process)[-1][~high], subject.vertices[~high])
    assert (look.metallic[high] < 0.45).mean() > 0.6
    little, much = (covered(process_of(kind, metal(mesh), amount=amount), 1.0) for amount in (0.3, 0.9))
    assert little == pytest.approx(much / 3.0, abs=0.06)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_pattern(kind):
    subject = metal(stone())
    first, again, other = (process_of(kind, subject, seed=seed).look(0.6, subject.look) for seed in (3, 3, 4))
    assert first.albedo.tobytes() == again.albedo.tobytes()
    assert np.abs(first.albedo - other.albedo).mean() > 0.02


def test_neither_the_triangles_nor_the_scale_change_where_it_is(kind):
    coarse, fine, far = metal(stone(4)), metal(stone(5)), metal(stone(4).apply_scale(1e-3))
    one, other, small = (process_of(kind, subject).front.share for subject in (coarse, fine, far))
    np.testing.assert_allclose(small, one, atol=2e-3)  # some arrive at the same time but for rounding
    near = np.linalg.norm(fine.vertices[:, None] - coarse.vertices[None, ::9], axis=2).argmin(axis=0)
    assert np.abs(other[near] - one[::9]).mean() < 0.09


@pytest.mark.parametrize("made", [trimesh.creation.box(), trimesh.creation.icosphere(1)], ids=["box", "ball"])
def test_a_coarse_mesh_shows_it_too(kind, made):
    subject = metal(made)
    end = process_of(kind, subject, cover=1.0).look(1.0, subject.look)
    assert np.abs(end.albedo - subject.albedo).max(axis=1).min() > 0.1


def test_frost_is_pale_and_rust_is_brown():
    subject = metal(stone())
    frost, rust = (process_of(kind, subject, cover=1.0).look(1.0, subject.look) for kind in KINDS)
    assert (frost.albedo[:, 2] > frost.albedo[:, 0]).all()
    assert frost.albedo.mean() > subject.albedo.mean() + 0.15
    # the subject's own green shines through the ice
    red = Body(**{**subject.__dict__, "albedo": np.tile([0.6, 0.1, 0.1], (len(subject.vertices), 1))})
    assert (process_of(protocol.Freeze, red, cover=1.0).look(1.0, red.look).albedo - frost.albedo)[:, 0].mean() > 0.05
    assert (rust.albedo[:, 0] > 1.5 * rust.albedo[:, 1]).all()
    assert (rust.albedo[:, 1] > rust.albedo[:, 2]).all()
    assert rust.roughness.min() > 0.9


def whiteness(subject: Body, **settings):
    """(N,) of a dark red body under frost all over: its least colour, which only what scatters light has."""
    dark = Body(**{**subject.__dict__, "albedo": np.tile([0.4, 0.03, 0.02], (len(subject.vertices), 1))})
    return process_of(protocol.Freeze, dark, cover=1.0, **settings).look(1.0, dark.look).albedo.min(axis=1)


def test_rime_is_thickest_on_what_faces_up_and_on_edges():
    subject = metal(stone(5))
    white, up = whiteness(subject), Anatomy(subject).normals[:, 2]
    assert white[up > 0.8].mean() > white[up < -0.2].mean() + 0.12
    box = metal(trimesh.creation.box().subdivide().subdivide().subdivide().subdivide().subdivide())
    white, side = whiteness(box), np.sort(np.abs(box.vertices - [0.0, 0.0, 0.5]), axis=1)
    below = box.vertices[:, 2] < 0.9
    assert white[below & (side[:, 1] > 0.499)].mean() > white[below & (side[:, 1] < 0.4)].mean() + 0.2


@pytest.mark.parametrize("level", [4, 5])
def test_feathers_stand_out_on_fine_meshes_and_on_coarse_ones(level):
    subject = metal(stone(level))
    white = whiteness(subject)[Anatomy(subject).normals[:, 2] < 0.0]
    assert (white > 0.6).mean() > 0.05 and (white < 0.3).mean() > 0.3


def wall(side=61) -> trimesh.Trimesh:
    """An upright sheet of height and width 1."""
    x, z = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()[:, None]
    faces = np.concatenate([corner + [0, side, side + 1], corner + [0, side + 1, 1]])
    return trimesh.Trimesh(np.stack([x.ravel(), 0.0 * x.ravel(), z.ravel()], axis=1), faces, process=False)


def test_rust_starts_above_and_runs_down():
    subject = metal(stone())
    share = process_of(protocol.Rust, subject).front.share
    assert subject.vertices[share < 0.1, 2].mean() > subject.vertices[:, 2].mean() + 0.1

    subject = metal(wall())
    points, arrival = subject.vertices, process_of(protocol.Rust, subject).front.arrival
    first = arrival.copy()
    sides = subject.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    np.minimum.at(first, sides[:, 0], arrival[sides[:, 1]])
    np.minimum.at(first, sides[:, 1], arrival[sides[:, 0]])
    spots = np.flatnonzero((arrival <= first) & (np.abs(points[:, 2] - 0.5) < 0.4))
    gap = np.linalg.norm(points[:, None] - points[spots], axis=2)
    nearest = gap.argmin(axis=1)
    late = arrival - arrival[spots[nearest]]
    ring = (gap.min(axis=1) < 0.06) & (gap.min(axis=1) > 0.02)
    below = points[:, 2] < points[spots[nearest], 2] - 0.01
    above = points[:, 2] > points[spots[nearest], 2] + 0.01
    assert late[ring & below].mean() < 0.6 * late[ring & above].mean()
