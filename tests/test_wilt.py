"""Wilt, its fields and its kernels: closed forms, invariances and what an artist was promised."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.geometry import fields, lattice
from backend.geometry.anatomy import Anatomy
from backend.geometry.anderson import fixed_point
from backend.geometry.body import FULL, Body, Moment
from backend.geometry.bridges import bridges
from backend.geometry.elastic import Elastic
from backend.geometry.elastic.sheets import _sap
from backend.geometry.proxy import Proxy, clusters
from backend.geometry.rest import Rest
from backend.geometry.shell import Sheet
from backend.pipelines.stages import live
from backend.protocol import Stage, Wilt
from backend.report import Cancelled, silent
from kernels import corotate, winding
from tests.lives import ball, made
from tests.shapes import body_of, column, potted, sheet

TAUS = np.linspace(0.0, 1.0, 9)


SHAPES = {"solid": column, "sheet": sheet, "mixture": potted}


@pytest.fixture(params=SHAPES)
def subject(request) -> Body:
    return body_of(*SHAPES[request.param]())


def wilted(body, amount=1.0, seed=3, taus=TAUS):
    stages = (Stage(process=Wilt(), amount=amount),)
    return list(live(Anatomy(body), stages, seed, taus, FULL, silent))


# --- what an artist was promised


def test_life_begins_with_the_body_itself(subject):
    first = wilted(subject, taus=TAUS[:1])[0]
    np.testing.assert_array_equal(first.positions, subject.vertices)
    np.testing.assert_array_equal(first.look.albedo, subject.albedo)
    np.testing.assert_array_equal(first.look.roughness, subject.roughness)


def test_everything_sinks_and_nothing_goes_through_the_floor(subject):
    moments = wilted(subject)
    height = np.array([moment.positions[:, 2].mean() for moment in moments])
    assert (np.diff(height) < 0.01).all()  # a sheet may rebound by a hair where it lands
    assert height[-1] < 0.77 * height[0]
    assert min(moment.positions[:, 2].min() for moment in moments) >= 0.0


def test_the_root_stays_where_it_is_and_shrinks_with_the_rest(subject):
    foot = subject.vertices[:, 2] <= 0.03
    assert 0 < np.count_nonzero(foot) < len(foot)
    for moment in wilted(subject):
        there, here = subject.vertices[foot], moment.positions[foot]
        np.testing.assert_array_equal(here[:, 2], there[:, 2])
        np.testing.assert_allclose(here.mean(axis=0), there.mean(axis=0), atol=0.01)
        assert 0.7 < np.linalg.norm(np.ptp(here, axis=0)) / np.linalg.norm(np.ptp(there, axis=0)) < 1.001


def test_nothing_breaks_off_or_explodes(subject):
    last = wilted(subject)[-1].positions
    sides = fields.edges(subject.faces)
    before = np.linalg.norm(np.subtract(*subject.vertices[sides.T]), axis=1)
    after = np.linalg.norm(np.subtract(*last[sides.T]), axis=1)
    assert after.max() < 2.0 * before.max()
    assert np.percentile(after / before, 99) < 1.6


def test_the_leaf_stays_on_its_stem():
    vertices, faces = potted()
    body = body_of(vertices, faces)
    labels = fields.parts(len(vertices), faces)
    leaf, stem = labels == labels.max(), labels == 1
    foot = np.flatnonzero(leaf)[np.argsort(vertices[leaf, 0])[:3]]

    def gap(positions):
        return np.linalg.norm(positions[foot][:, None] - positions[stem][None], axis=2).min(axis=1)

    for moment in wilted(body):
        assert (gap(moment.positions) < gap(vertices) + 0.02).all()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(subject):
    one, again, other = (wilted(subject, seed=seed, taus=TAUS[::4]) for seed in (5, 5, 6))
    for a, b in zip(one, again, strict=True):
        assert a.positions.tobytes() == b.positions.tobytes()
        assert a.look.albedo.tobytes() == b.look.albedo.tobytes()
    assert np.abs(one[-1].positions - other[-1].positions).max() > 1e-3


def test_frame_rate_does_not_change_the_motion():
    body = body_of(*column())
    few, many = wilted(body, taus=np.linspace(0, 1, 7)), wilted(body, taus=np.linspace(0, 1, 97))
    for a, b in zip(few, many[::16], strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_frames_between_steps_are_smooth():
    body = body_of(*column())
    height = np.array([m.positions[-1, 2] for m in wilted(body, taus=np.linspace(0, 1, 145))])
    bend = np.abs(np.diff(height, 3))
    assert bend.max() < 0.25 * np.abs(np.diff(height)).max()


def test_amount_scales_how_far_it_goes(subject):
    sunk = [subject.vertices[:, 2].mean() - wilted(subject, a)[-1].positions[:, 2].mean() for a in (0.2, 0.5, 1.0)]
    assert 0 < sunk[0] < sunk[1] < sunk[2]
    brown = [np.abs(wilted(subject, a, taus=TAUS[::8])[-1].look.albedo - subject.albedo).max() for a in (0.3, 1.0)]
    assert brown[0] < 0.6 * brown[1]


def test_pinned_vertices_stay_and_hold_up_what_hangs_from_them():
    vertices, faces = sheet()
    top = vertices[:, 2] > 0.95
    hung = wilted(body_of(vertices, faces, pin=top.astype(float)))[-1].positions
    np.testing.assert_array_equal(hung[top], vertices[top])
    stood = wilted(body_of(vertices, faces))[-1].positions
    assert hung[:, 2].mean() > stood[:, 2].mean() + 0.2


def test_what_has_no_weight_keeps_its_colour_and_its_size():
    vertices, faces = column()
    weight = (vertices[:, 2] > 0.5).astype(float)
    body = body_of(vertices, faces, weight=weight)
    last = wilted(body)[-1]
    np.testing.assert_array_equal(last.look.albedo[weight == 0], body.albedo[weight == 0])
    assert np.abs(last.look.albedo[weight == 1] - body.albedo[weight == 1]).max() > 0.1
    below = vertices[:, 2] < 0.4
    np.testing.assert_allclose(last.positions[below], vertices[below], atol=0.02)


def test_a_lump_does_not_bow_as_a_limb_does():
    lump, limb = made(ball(), Wilt()).sag, made(body_of(*column(radius=0.03)), Wilt()).sag
    assert lump.max() < 0.5 * limb.min()


def test_a_stem_without_rings_between_its_ends_bows_as_one_with_many():
    few, many = (column(rings=rings, radius=0.025, lean=0.0) for rings in (2, 30))
    aside = [wilted(body_of(*shape), taus=TAUS[::4])[-1].positions[-1, :2] for shape in (few, many)]
    assert np.linalg.norm(aside[1]) > 0.2
    np.testing.assert_allclose(aside[0], aside[1], atol=0.4 * np.linalg.norm(aside[1]))


def test_it_browns_from_the_tip_and_grows_rough():
    body = body_of(*column())
    tip, foot = np.argmax(body.vertices[:, 2]), np.argmin(body.vertices[:, 2])
    middle, last = wilted(body)[4], wilted(body)[-1]
    changed = np.abs(middle.look.albedo - body.albedo).max(axis=1)
    assert changed[tip] > 3 * changed[foot]
    assert (last.look.albedo[:, 0] > last.look.albedo[:, 2]).all() and (last.look.albedo < 0.25).all()
    assert (last.look.roughness > body.roughness).all() and last.look.roughness.max() <= 1.0


def test_turning_a_sheet_turns_its_life(monkeypatch):
    monkeypatch.setattr(fields, "noise", lambda points, *_: np.zeros(len(points)))  # which is not turned with the body
    vertices, faces = sheet()
    turn = Rotation.from_euler("z", 40, degrees=True).as_matrix()
    pin = (vertices[:, 2] < 0.12).astype(float)
    straight = wilted(body_of(vertices, faces, pin))[-1].positions
    turned = wilted(body_of(vertices @ turn.T, faces, pin))[-1].positions
    scale = np.ptp(vertices, axis=0).max() / np.ptp(vertices @ turn.T, axis=0).max()
    assert scale == pytest.approx(1.0)
    np.testing.assert_allclose(turned, straight @ turn.T, atol=0.01)
    assert np.abs(turned - straight).max() > 0.1


def branch(numbering):
    """A leaf held out level, its vertices numbered by chance."""
    vertices, faces = sheet(9, 15, width=0.4)
    level = vertices[:, [0, 2, 1]] + [0, -0.5, 0.6]
    order = np.random.default_rng(numbering).permutation(len(level))
    level, faces = level[np.argsort(order)], order[faces]
    return body_of(level, faces, pin=(level[:, 1] < -0.4).astype(float)), level[:, 1] > 0.45


@pytest.mark.parametrize("side", [1, -1])
def test_bow_bends_a_leaf_towards_its_normal_in_an_arc(side):
    body, tip = branch(numbering=1)
    body = replace(body, faces=body.faces[:, ::side])
    elastic, size = Elastic(Anatomy(body), FULL, 0, False), np.sqrt(0.4)
    for step in range(80):
        rest = Rest.of(len(body.vertices))
        rest.bend(bow=min(step / 20.0, 1.0))
        elastic.step(rest)
    normal = Anatomy(body).normals[:, 2].mean()
    rise = (elastic.positions - body.vertices)[tip, 2].mean()
    free = 0.5 - body.vertices[body.pin > 0, 1].max()
    assert rise == pytest.approx(normal * size * (1.0 - np.cos(free / size)), rel=0.15)


def test_sap_flows_along_the_rims_and_not_along_the_edges():
    vertices, faces = sheet(9, 21, width=0.4)
    flat, foot = vertices * [1, 0, 1], vertices[:, 2] < 0.01
    found = _sap(Sheet(flat, faces), np.full(len(flat), 7), np.where(foot, 0.1, 0.5 + np.abs(flat[:, 0])))
    height = flat[:, 2]
    np.testing.assert_allclose(found, height - 0.5 * height**2, atol=0.03)


def test_a_twisted_leaf_that_shrinks_stays_on_its_own_axis():
    """Shrunk across a slanting axis it would twist itself aside and up."""
    vertices, faces = sheet(11, 16, width=0.3)
    aside, along = vertices[:, 0], vertices[:, 2]
    turned = np.stack([aside * np.cos(1.5 * along), along, 0.5 + aside * np.sin(1.5 * along)], axis=1)
    body = body_of(turned, faces, pin=(along < 0.05).astype(float))
    elastic = Elastic(Anatomy(body), FULL, 0, False)
    for step in range(50):
        dry = min(step / 25.0, 1.0)
        rest = Rest.of(len(turned))
        rest.grow(along=1.0 - 0.12 * dry, across=1.0 - 0.35 * dry)
        rest.soften(0.8 * dry)
        elastic.step(rest)
    shift = (elastic.positions - turned)[along > 0.97].mean(axis=0)
    assert shift[1] == pytest.approx(-0.12, abs=0.015)
    assert np.linalg.norm(shift[[0, 2]]) < 0.04  # along distances it is 0.12


def test_a_sheet_on_the_floor_curls_up_at_its_rim():
    vertices, faces = sheet(15, 15, width=1.0)
    flat = vertices[:, [0, 2, 1]] * [1, 1, 0]
    last = wilted(body_of(flat, faces))[-1].positions
    corners = np.abs(flat - flat.mean(axis=0)).min(axis=1, where=[True, True, False], initial=9) > 0.45
    assert last[corners, 2].min() > 0.05
    assert last[:, 2].min() >= 0.0


def test_a_cancelled_wilt_stops_at_once():
    calls = []

    def cancel(done, text):
        calls.append(done)
        if done > 0.3:
            raise Cancelled

    frames = live(Anatomy(body_of(*sheet())), (Stage(process=Wilt()),), 0, np.linspace(0, 1, 48), FULL, cancel)
    with pytest.raises(Cancelled):
        list(frames)
    assert 0.3 < calls[-1] < 0.35
    assert calls == sorted(calls)


# --- fields


def test_tips_wilt_first_and_in_the_end_all_have():
    distance = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(fields.life(0.0, distance), 0.0)
    np.testing.assert_array_equal(fields.life(1.0, distance), 1.0)
    assert (np.diff(fields.life(0.4, distance)) > 0).all()


def test_root_distance_is_height_on_an_upright_sheet_and_crosses_gaps():
    vertices, faces = sheet()
    body = body_of(vertices, faces)
    distance = fields.root_distance(body, fields.root(body), np.zeros((0, 2), int))
    np.testing.assert_allclose(distance, vertices[:, 2] / vertices[:, 2].max(), atol=0.06)
    mixed = body_of(*potted())
    labels = fields.parts(len(mixed.vertices), mixed.faces)
    distance = fields.root_distance(mixed, fields.root(mixed), bridges(mixed.vertices, mixed.faces, labels))
    assert np.isfinite(distance).all() and distance[labels == labels.max()].min() > 0.5


def test_openness_of_known_shapes():
    vertices, faces = column()
    assert fields.openness(vertices, faces, np.zeros(len(vertices), int))[0] == 0.0
    vertices, faces = sheet(width=1.0)
    flat = vertices * [1, 0, 1]
    square = fields.openness(flat, faces, np.zeros(len(flat), int))[0]
    assert square == pytest.approx(16 / (4 * np.pi))  # perimeter 4, area 1


def test_anatomy_tells_sheets_from_solids_and_from_scraps():
    assert Anatomy(body_of(*sheet())).is_sheet.all()
    assert not Anatomy(body_of(*column())).is_sheet.any()
    vertices, faces = potted()
    labels = fields.parts(len(vertices), faces)
    np.testing.assert_array_equal(Anatomy(body_of(vertices, faces)).is_sheet, labels == labels.max())
    standing, walls = column()
    scrap = np.array([[0.3, 0, 0.5], [0.31, 0, 0.5], [0.3, 0.01, 0.5]])
    with_scrap = body_of(np.concatenate([standing, scrap]), np.concatenate([walls, len(standing) + np.arange(3)[None]]))
    assert not Anatomy(with_scrap).is_sheet.any()


def test_noise_is_smooth_and_even():
    points = np.random.default_rng(1).uniform(size=(20_000, 3)) * 20
    values = fields.noise(points, 2.0, 7)
    assert abs(values.mean()) < 0.05 and values.std() == pytest.approx(1.0, abs=0.15)
    near = fields.noise(points + 1e-4, 2.0, 7)
    assert np.abs(near - values).max() < 0.02


# --- the lattice


def test_kuhn_tetrahedra_fill_their_cells():
    vertices, faces = column()
    grid = lattice.build(vertices, faces, np.zeros((0, 2, 3)), FULL.cells)
    corner = grid.nodes[grid.tets]
    volume = np.linalg.det(corner[:, 1:] - corner[:, :1]) / 6
    np.testing.assert_allclose(volume, grid.volume)
    np.testing.assert_allclose(volume.sum(), len(grid.cells) * grid.cell**3)
    assert grid.nodes[:, 2].min() >= 0.0


def test_trilinear_embedding_reproduces_affine_maps():
    vertices, faces = column()
    grid = lattice.build(vertices, faces, np.zeros((0, 2, 3)), FULL.cells)
    follow = grid.embedding(vertices)
    np.testing.assert_allclose(follow @ grid.nodes, vertices, atol=1e-12)
    assert follow.data.min() > -1e-6  # inside a cell, so that nodes above the floor keep vertices above it
    affine = np.array([[1.2, 0.3, 0], [-0.1, 0.8, 0.2], [0, 0.4, 1.1]])
    np.testing.assert_allclose(follow @ (grid.nodes @ affine), vertices @ affine, atol=1e-12)


def test_the_lattice_is_filled_inside_and_empty_outside():
    vertices, faces = column(sides=24, radius=0.35, lean=0.0)
    grid = lattice.build(vertices, faces, np.zeros((0, 2, 3)), FULL.cells)
    centre = grid.nodes[grid.corners].mean(axis=1)
    radius = np.linalg.norm(centre[:, :2], axis=1)
    assert radius.max() < 0.35 + grid.cell
    assert len(grid.cells) * grid.cell**3 == pytest.approx(np.pi * 0.35**2, rel=0.25)


def test_a_solid_at_rest_stays_at_rest_and_a_grown_one_grows():
    vertices, faces = column(rings=10)
    grid = lattice.build(vertices, faces, np.zeros((0, 2, 3)), FULL.cells)
    held, stiff = np.zeros(len(grid.nodes)), np.full(len(grid.tets), 200.0)
    solid = lattice.Solid(grid, held, 1 / 24, 200.0, 400.0)
    unit = np.tile(np.eye(3), (len(grid.tets), 1, 1))
    solid.step(stiff, unit, 0.0 * held, grid.nodes)
    np.testing.assert_allclose(solid.positions, grid.nodes, atol=1e-12)
    for _ in range(30):
        solid.step(stiff, 0.9 * unit, 0.0 * held, grid.nodes)
    size = np.ptp(solid.positions, axis=0)
    np.testing.assert_allclose(size, 0.9 * np.ptp(grid.nodes, axis=0), rtol=5e-3)


def test_winding_numbers_match_exact_solid_angles_one_cell_away():
    vertices, faces = column(sides=24, rings=24, radius=0.3, lean=0.2)
    points = np.random.default_rng(2).uniform([-0.5, -0.5, -0.1], [0.6, 0.5, 1.1], (300, 3))
    samples, areas = lattice.surface_samples(vertices, faces, 0.02)
    far = np.linalg.norm(points[:, None] - samples[None], axis=2).min(axis=1) > 0.05
    exact = winding.winding_reference(points, vertices[faces])
    np.testing.assert_allclose(winding.winding(points, samples, areas)[far], exact[far], atol=0.03)
    assert set(np.round(exact[far])) == {0.0, 1.0}
    np.testing.assert_allclose(areas.sum(axis=0), 0.0, atol=1e-12)


# --- kernels against their references


def bent_lattice(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = column(rings=6)
    grid = lattice.build(vertices, faces, np.zeros((0, 2, 3)), FULL.cells)
    turn = Rotation.from_rotvec([0.3, -0.5, 0.4]).as_matrix()
    positions = grid.nodes @ turn.T + 0.1 * grid.cell * rng.normal(size=grid.nodes.shape)
    growth = np.eye(3) - 0.2 * rng.uniform(size=(len(grid.tets), 1, 1)) * np.diag([1.0, 0.3, 0.6])
    return grid, positions, growth, rng.uniform(20, 200, len(grid.tets))


def test_corotated_gradient_matches_its_reference():
    grid, positions, growth, shear = bent_lattice(0)
    kinds = np.tile(np.arange(6), len(grid.cells))
    start = np.tile([1.0, 0.0, 0.0, 0.0], (len(grid.tets), 1))
    rest = (corotate.Tetrahedra(grid.tets, kinds, grid.inverses, grid.volume), shear, 400.0, growth)
    for _ in range(12):  # warm starts: the rotation arrives over calls
        out = np.zeros_like(positions)
        corotate.gradient(positions, *rest, start, out)
    expected = corotate.gradient_reference(positions, *rest)
    np.testing.assert_allclose(out, expected, atol=1e-6 * np.abs(expected).max())


def test_corotated_forces_turn_with_the_body_and_pull_nowhere():
    grid, positions, _, shear = bent_lattice(1)
    kinds = np.tile(np.arange(6), len(grid.cells))
    growth = np.tile(0.9 * np.eye(3), (len(grid.tets), 1, 1))
    rest = (corotate.Tetrahedra(grid.tets, kinds, grid.inverses, grid.volume), shear, 400.0, growth)
    turn = Rotation.from_rotvec([0.7, 0.2, -1.1]).as_matrix()
    force = corotate.gradient_reference(positions, *rest)
    np.testing.assert_allclose(corotate.gradient_reference(positions @ turn.T, *rest), force @ turn.T, atol=1e-10)
    np.testing.assert_allclose(force.sum(axis=0), 0.0, atol=1e-10)


# --- the solver and the stand-in


def test_anderson_finds_the_fixed_point_sooner_than_plain_steps():
    rng = np.random.default_rng(5)
    basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    shrink = basis @ np.diag(np.linspace(0.2, 0.97, 12)) @ basis.T
    goal = rng.normal(size=12)
    plain = np.zeros(12)
    for _ in range(20):
        plain = goal + shrink @ (plain - goal)
    mixed = fixed_point(lambda x: goal + shrink @ (x - goal), np.zeros(12), 20)
    assert np.linalg.norm(mixed - goal) < 0.05 * np.linalg.norm(plain - goal)


def test_clusters_are_connected_and_about_as_many_as_asked_for():
    vertices, faces = column(sides=60, rings=100)
    owner = clusters(vertices, faces, 500)
    assert 250 < owner.max() + 1 < 1000
    a, b = fields.edges(faces).T
    inner = owner[a] == owner[b]
    pieces = fields.parts(len(vertices), np.stack([a[inner], b[inner], b[inner]], axis=1))
    assert pieces.max() == owner.max()


def test_a_body_follows_its_stand_in_through_any_affine_motion():
    vertices, faces = column(sides=60, rings=100)
    heavy = body_of(vertices, faces)
    proxy = Proxy(heavy, 600)
    assert len(proxy.body.vertices) < 0.3 * len(vertices)
    affine = Rotation.from_rotvec([0.5, 0.2, 0.9]).as_matrix() @ np.diag([1.2, 0.9, 1.0])
    moment = wilted(proxy.body, taus=TAUS[:1])[0]
    np.testing.assert_allclose(proxy.carry(moment).positions, vertices, atol=1e-12)
    darker = replace(moment.look, albedo=moment.look.albedo * 0.5)
    moved = Moment(0.5, (proxy.body.vertices @ affine.T + [0, 0, 3],), darker)
    carried = proxy.carry(moved)
    np.testing.assert_allclose(carried.positions, vertices @ affine.T + [0, 0, 3], atol=0.02)
    np.testing.assert_allclose(carried.look.albedo, heavy.albedo * 0.5, atol=1e-9)
