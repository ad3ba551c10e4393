"""Melting: the flow that carries it, the volume it keeps, and what it makes of meshes good and bad."""

from typing import NamedTuple

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from backend import protocol
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL, PREVIEW, Body, Look
from backend.geometry.keeping import as_much_out_as_in, holding, restore
from backend.geometry.liquid import adhesion, flowing_surface, straighten
from backend.geometry.together import Together
from backend.geometry.viscous import Tank, filling, held_back, sealed, solenoidal, stokes_flow, velocity_at
from backend.geometry.volume import close_holes, face_volumes, lidded, restore_volume, ringed, signed_volume
from backend.pipelines.processes.melt import Melt, smooth, upright
from backend.pipelines.processes.process import Circumstances
from backend.report import Cancelled, silent
from kernels.crossings import crossings
from kernels.gather import gather, gather_reference
from kernels.spread import spread, spread_reference
from kernels.surface_gradients import surface_gradients, surface_gradients_reference

ODD = np.array([1.0, 1.0, -1.0])


def body(mesh: trimesh.Trimesh, pin=0.0, weight=1.0) -> Body:
    """In a body's units: largest extent 1, on the floor, centred; `pin` and `weight` numbers or (N,)."""
    low, high = mesh.bounds
    vertices = (mesh.vertices - [*(low + high)[:2] / 2.0, low[2]]) / (high - low).max()
    n = len(vertices)
    field = [np.broadcast_to(value, n).astype(float) for value in (pin, weight)]
    colour = np.tile([0.6, 0.3, 0.1], (n, 1))
    return Body(vertices, mesh.faces.astype(np.int32), *field, colour, np.full(n, 0.5), np.full(n, 0.2))


def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(3)


def ring() -> trimesh.Trimesh:
    mesh = trimesh.creation.torus(0.35, 0.15, 32, 16)
    return mesh.apply_transform(trimesh.transformations.rotation_matrix(1.2, [1, 0.2, 0]))


class Moment(NamedTuple):
    positions: np.ndarray
    corrected: float
    look: Look


def molten(
    subject: Body, amount=1.0, seed=3, taus=(0.0, 0.3, 0.6, 1.0), report=silent, detail=FULL, **settings
) -> list[Moment]:
    process = Melt(protocol.Melt(**settings), Circumstances(Anatomy(subject), amount, seed, detail))
    posed = process.motion(np.array(taus), report)
    return [
        Moment(pose.positions, pose.corrected, process.look(tau, subject.look))
        for tau, pose in zip(taus, posed, strict=True)
    ]


@pytest.fixture(scope="module")
def lives():
    return {name: (body(mesh), molten(body(mesh))) for name, mesh in (("ball", ball()), ("ring", ring()))}


def centre_height(positions, faces):
    return trimesh.Trimesh(positions, faces, process=False).center_mass[2]


# --- kernels ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cloud():
    """Points that also lie beside the floor, the lid and the periodic walls; a grid of three sizes."""
    draw = np.random.default_rng(5)
    points = draw.uniform([-0.3, 0.0, 0.001], [0.9, 1.4, 0.999], (60, 3))
    return points, draw.normal(size=(60, 3)), np.array([0.1, 0.2, 0.125]), (6, 7, 8)


def test_spread_is_its_reference(cloud):
    points, values, spacing, shape = cloud
    expected = spread_reference(points, values, spacing, shape, ODD)
    np.testing.assert_allclose(spread(points, values, spacing, shape, ODD), expected, atol=1e-12)


def test_gather_is_its_reference(cloud):
    points, _, spacing, shape = cloud
    field = np.random.default_rng(6).normal(size=(3, *shape))
    np.testing.assert_allclose(
        gather(field, points, spacing, ODD), gather_reference(field, points, spacing, ODD), atol=1e-12
    )


def test_gather_is_the_transpose_of_spread(cloud):
    points, values, spacing, shape = cloud
    field = np.random.default_rng(7).normal(size=(3, *shape))
    here = (spread(points, values, spacing, shape, ODD) * field).sum()
    assert here == pytest.approx((values * gather(field, points, spacing, ODD)).sum(), rel=1e-12)


def test_surface_gradients_are_their_reference_and_the_slopes():
    mesh = ring()
    draw = np.random.default_rng(8)
    vertices, faces = np.asarray(mesh.vertices), mesh.faces.astype(np.int32)
    tension = draw.uniform(0.5, 2.0, len(faces))
    volume, area = surface_gradients(vertices, faces, tension)
    for ours, theirs in zip((volume, area), surface_gradients_reference(vertices, faces, tension), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13)
    step = 1e-5 * draw.normal(size=vertices.shape)
    ahead, back = (trimesh.Trimesh(vertices + s * step, faces, process=False) for s in (1.0, -1.0))
    assert (volume * step).sum() == pytest.approx((ahead.volume - back.volume) / 2.0, rel=1e-6)
    assert (area * step).sum() == pytest.approx(tension @ (ahead.area_faces - back.area_faces) / 2.0, rel=1e-6)


# --- the flow ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tank():
    return Tank(np.array([-0.5, -0.6, 0.0]), np.array([1.0, 1.2, 0.8]) / (16, 20, 12), (16, 20, 12))


def waves(tank):
    """Coordinates of the cells, and wave numbers that fit the tank."""
    axes = [(np.arange(n) + 0.5) * h for n, h in zip(tank.shape, tank.spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x, y, z, 2.0 * np.pi / 1.0, 4.0 * np.pi / 1.2, 3.0 * np.pi / 0.8


def test_a_gradient_has_no_solenoidal_part(tank):
    x, y, z, kx, ky, kz = waves(tank)
    gradient = np.stack(
        [
            -kx * np.sin(kx * x) * np.cos(ky * y) * np.cos(kz * z),
            -ky * np.cos(kx * x) * np.sin(ky * y) * np.cos(kz * z),
            -kz * np.cos(kx * x) * np.cos(ky * y) * np.sin(kz * z),
        ]
    ).astype(np.float32)
    assert np.abs(solenoidal(gradient, tank)).max() < 1e-5 * np.abs(gradient).max()


def test_a_solenoidal_field_is_kept_and_the_vertical_vanishes_on_the_floor(tank):
    x, y, z, kx, ky, kz = waves(tank)
    swirl = np.stack(
        [
            kz * np.sin(kx * x) * np.cos(ky * y) * np.cos(kz * z),
            kz * np.cos(kx * x) * np.sin(ky * y) * np.cos(kz * z),
            -(kx + ky) * np.cos(kx * x) * np.cos(ky * y) * np.sin(kz * z),
        ]
    ).astype(np.float32)
    np.testing.assert_allclose(solenoidal(swirl, tank), swirl, atol=1e-4 * np.abs(swirl).max())
    on_floor = np.random.default_rng(1).uniform([-0.5, -0.6, 0], [0.5, 0.6, 0], (40, 3))
    assert np.abs(velocity_at(tank, swirl, on_floor)[:, 2]).max() < 1e-6 * np.abs(swirl).max()


def test_stokes_flow_answers_one_wave_as_the_formula_does():
    tank = Tank(np.zeros(3), np.full(3, 1.0 / 24.0), (24, 24, 24))
    grid = (np.stack(np.meshgrid(*[np.arange(24)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) + 0.5) / 24.0
    k = 2.0 * np.pi
    forces = np.zeros_like(grid)
    forces[:, 1] = np.sin(k * grid[:, 0]) / 24.0**3  # a shear wave: divergence-free, so velocity = force / k^2
    velocity = velocity_at(tank, stokes_flow(tank, grid, forces), grid)
    seen_through_the_splines = (0.75 + 0.25 * np.cos(k / 24.0)) ** 2
    np.testing.assert_allclose(velocity[:, 1], seen_through_the_splines * np.sin(k * grid[:, 0]) / k**2, atol=1e-6)
    assert np.abs(velocity[:, [0, 2]]).max() < 1e-6


def test_filling_tells_inside_from_outside_even_of_an_open_mesh():
    mesh = trimesh.creation.icosphere(4, radius=0.4)
    mesh.apply_translation([0.1, 0.0, 0.5])
    faces = np.delete(mesh.faces, np.arange(0, 40), axis=0).astype(np.int32)
    outward, _ = surface_gradients(mesh.vertices, faces, np.ones(len(faces)))
    tank = Tank.around(mesh.vertices, (32, 32, 32))
    inside = filling(tank, mesh.vertices, outward, np.zeros(len(mesh.vertices)))
    cells = tank.corner + (np.stack(np.indices(tank.shape), axis=-1) + 0.5) * tank.spacing
    distance = np.linalg.norm(cells - [0.1, 0.0, 0.5], axis=-1)
    assert inside[distance < 0.28].min() > 0.8
    assert inside[distance > 0.55].max() < 0.15


def test_a_sealed_flow_diverges_in_the_air_only(tank):
    x, _, z, kx, _, kz = waves(tank)
    sink = np.stack([np.zeros_like(x), np.zeros_like(x), kz * np.cos(kx * x) * np.sin(kz * z)]).astype(np.float32)

    def divergence(flow):
        """By the tank's own waves: of a flow, what `sealed` everywhere takes away is all of it."""
        return np.abs(flow - solenoidal(flow, tank)).max()

    for much in (1.0, 0.2):  # of a cell: there are parts thinner than it
        everywhere = np.full(tank.shape, much, np.float32)
        assert divergence(sealed(sink, everywhere, tank)) < 1e-4 * divergence(sink)
    np.testing.assert_allclose(sealed(sink, np.zeros(tank.shape, np.float32), tank), sink, atol=1e-5)


def test_a_flow_held_back_stands_still_at_the_pin_and_goes_around_it(tank):
    draw = np.random.default_rng(2)
    points = draw.uniform([-0.4, -0.5, 0.05], [0.4, 0.5, 0.6], (3000, 3))
    mobility = (points[:, 0] > 0.0) * 1.0
    flow = stokes_flow(tank, points, np.stack([np.sin(2.0 * np.pi * points[:, 1] / 1.2), *np.zeros((2, 3000))], axis=1))
    held = held_back(flow, tank, points, mobility)
    masked = held_back(flow, tank, points, np.ones(3000)) * (np.arange(16) > 7)[:, None, None]
    inside = velocity_at(tank, held, points[points[:, 0] < -0.15])
    assert np.abs(inside).max() < 0.02 * np.abs(velocity_at(tank, flow, points)).max()
    leaks = [np.linalg.norm(one - solenoidal(one, tank)) / np.linalg.norm(one) for one in (held, masked)]
    assert leaks[0] < 0.7 * leaks[1]


# --- volume -----------------------------------------------------------------------------------------------------------


def test_close_holes_restores_the_volume_of_a_box_without_lid():
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    faces = box.faces[box.face_normals[:, 2] < 0.5].astype(np.int32)
    fans, middles = close_holes(np.asarray(box.vertices), faces)
    vertices = np.concatenate([box.vertices + 5.0, middles + 5.0])
    assert len(middles) == 1
    assert signed_volume(vertices, np.concatenate([faces, fans])) == pytest.approx(6.0)


def test_rings_close_the_same_hole_with_small_triangles():
    box = trimesh.creation.box((1.0, 2.0, 3.0)).subdivide().subdivide()
    faces = box.faces[box.face_normals[:, 2] < 0.5].astype(np.int32)
    fans, middles = close_holes(np.asarray(box.vertices), faces)
    points = np.concatenate([box.vertices, middles])
    lids, within, beneath = ringed(points, fans, 0.2)
    both = np.concatenate([points, within]) + [3.0, 4.0, 5.0]
    closed = trimesh.Trimesh(both, np.concatenate([faces, lids]), process=False)
    assert closed.is_watertight
    assert closed.volume == pytest.approx(6.0)
    assert np.ptp(within[:, 2]) == 0.0
    assert np.isin(beneath, fans[:, :2]).all()
    largest = [trimesh.triangles.area(both[triangles]).max() for triangles in (lids, fans)]
    assert largest[0] < 0.4 * largest[1]


def test_restore_volume_holds_each_part_to_its_own_target():
    small, large = ball(), ball()
    small.apply_scale(0.3)
    large.apply_translation([2.0, 0.0, 0.0])
    both = trimesh.util.concatenate([small, large])
    faces = both.faces.astype(np.int32)
    parts = np.repeat([0, 1], len(small.faces))
    targets = np.array([1.05, 0.97]) * (small.volume, large.volume)
    moved = restore_volume(np.asarray(both.vertices), faces, parts, targets, np.ones((len(both.vertices), 1)))
    for part, target in enumerate(targets):
        assert signed_volume(moved, faces[parts == part]) == pytest.approx(target, rel=1e-4)


def test_lidded_parts_hold_what_is_under_their_lids_wherever_their_vertices_go():
    open_box = trimesh.creation.box((1.0, 2.0, 3.0))
    open_box = trimesh.Trimesh(open_box.vertices, open_box.faces[open_box.face_normals[:, 2] < 0.5])
    mesh = trimesh.util.concatenate([ball(), open_box])
    vertices, faces = np.asarray(mesh.vertices), mesh.faces.astype(np.int32)
    own = lidded(vertices, faces, np.arange(len(vertices)) >= len(ball().vertices))
    np.testing.assert_allclose(own.volumes, [0.0, 6.0])
    twice = own.points(vertices * [2.0, 1.0, 1.0] + 7.0)
    assert face_volumes(twice, own.faces).sum() == pytest.approx(12.0)


# --- the process ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ball", "ring"])
def test_a_closed_mesh_keeps_its_volume_and_stays_above_the_floor(lives, name):
    subject, moments = lives[name]
    volume = signed_volume(subject.vertices, subject.faces)
    for moment in moments:
        assert signed_volume(moment.positions, subject.faces) == pytest.approx(volume, rel=0.005)
        assert moment.positions[:, 2].min() >= 0.0


@pytest.mark.parametrize("name", ["ball", "ring"])
def test_little_volume_has_to_be_put_back(lives, name):
    _, moments = lives[name]
    corrected = [moment.corrected for moment in moments]
    assert corrected[0] == 0.0
    assert np.all(np.diff(corrected) > 0.0)
    assert corrected[-1] < 0.005


def test_smoothing_takes_no_volume_though_nothing_restores_it():
    surface = flowing_surface(Anatomy(body(ring())))
    draw = np.random.default_rng(4)
    surface.points = surface.points + 0.006 * draw.normal(size=surface.points.shape)
    volume = signed_volume(surface.points, surface.skin)
    surface.volumes = np.array([volume])
    before = surface.points
    smooth(surface, 0.9, 0.025, np.ones(len(before)))
    restore(surface)
    assert surface.corrected < 0.004
    rough = [np.linalg.norm(x - surface.neighbours @ x, axis=1).mean() for x in (before, surface.points)]
    assert rough[1] < 0.6 * rough[0]


def test_a_flow_that_would_swell_a_part_is_made_one_that_keeps_its_volume():
    apart = [trimesh.creation.icosphere(2, 0.2).apply_translation([side, 0.0, 0.5]) for side in (-0.5, 0.5)]
    subject = body(trimesh.util.concatenate(apart))
    surface = flowing_surface(Anatomy(subject))
    x, left = surface.points, surface.points[:, 0] < 0.0
    flow = np.stack([x[:, 2], -x[:, 0], 0.3 * x[:, 1]], axis=1)  # without divergence
    kept, lost = as_much_out_as_in(flow, x, surface)
    np.testing.assert_allclose(kept, flow, atol=1e-9)
    assert lost == pytest.approx(0.0, abs=1e-9)
    swelling = flow + left[:, None] * 0.2 * (x - x[left].mean(axis=0))
    kept, lost = as_much_out_as_in(swelling, x, surface)
    assert lost == pytest.approx(0.3, rel=0.05)  # three times the rate, of half of the volume
    np.testing.assert_allclose(kept[~left], flow[~left], atol=1e-9)
    outward = surface_gradients(x, surface.skin, np.zeros(len(surface.skin)))[0]
    assert abs((outward * kept)[left].sum()) < 1e-9 < abs((outward * swelling)[left].sum())


def test_what_is_evened_out_gives_its_volume_back_where_it_was_moved():
    surface = flowing_surface(Anatomy(body(ball())))
    before = surface.points
    dent = np.exp(-(np.linalg.norm(before - [0.3, 0.0, 0.9], axis=1) ** 2) / 0.02)
    dent[dent < 1e-3] = 0.0
    dented = before - 0.03 * dent[:, None] * [0.6, 0.0, 0.8]
    held = holding(before, dented, surface)
    volumes = [signed_volume(x, surface.skin) for x in (before, dented, held)]
    assert volumes[1] < 0.998 * volumes[0]
    assert volumes[2] == pytest.approx(volumes[0], rel=1e-5)
    np.testing.assert_array_equal(held[dent == 0.0], before[dent == 0.0])


def test_a_sheet_by_itself_comes_down_flat_and_is_pushed_aside_only_where_it_stands():
    leaf = flat_grid().subdivide().subdivide()
    leaf.vertices[:, 2] += 0.6 - 0.2 * (leaf.vertices[:, 0] - 2.0) ** 2
    subject = body(leaf)
    end = molten(subject, taus=np.linspace(0.0, 1.0, 24))[-1].positions
    assert end[:, 2].max() < 0.15 * subject.vertices[:, 2].max()
    wall = flat_grid().subdivide()
    own = len(wall.vertices)  # without the middle of the hole that its rim is
    assert upright(flowing_surface(Anatomy(body(wall))))[:own].max() < 1e-9
    wall.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 3.0, [1, 0, 0]))
    np.testing.assert_allclose(upright(flowing_surface(Anatomy(body(wall))))[:own], 0.75, atol=1e-6)


def test_a_bowed_leaf_is_a_sheet_and_its_rim_melts_with_it():
    leaf = flat_grid().subdivide().subdivide().subdivide()
    leaf.vertices[:, 2] += 0.8 * np.sin(leaf.vertices[:, 0])
    leaf.apply_transform(trimesh.transformations.rotation_matrix(1.5, [1, 0.3, 0]))
    subject = body(leaf)
    surface = flowing_surface(Anatomy(subject))
    assert len(surface.faces) == 0
    assert surface.sheet.sum() > 0.0
    end = molten(subject, taus=(0.0, 1.0))[-1].positions
    assert end[:, 2].max() < 0.3 * subject.vertices[:, 2].max()


def test_smoothing_leaves_the_straight_rim_of_a_sheet_where_it_is():
    grid = flat_grid().subdivide().subdivide()
    grid.apply_transform(trimesh.transformations.rotation_matrix(1.5, [1, 0, 0]))
    surface = flowing_surface(Anatomy(body(grid)))
    before = surface.points
    smooth(surface, 1.0, 0.1, np.ones(len(before)))
    amid = np.abs(before[:, 2] - 0.5 * before[:, 2].max()) < 0.2 * before[:, 2].max()
    side = np.flatnonzero(amid & (np.abs(before[:, 0]) > 0.499))
    assert len(side) > 4
    np.testing.assert_allclose(surface.points[side, 0], before[side, 0], atol=1e-3)


def test_large_triangles_are_divided_though_most_are_small():
    mixed = trimesh.util.concatenate([trimesh.creation.box(), trimesh.creation.icosphere(4, 0.05)])
    surface = flowing_surface(Anatomy(body(mixed)))
    corner = surface.points[surface.faces]
    assert np.ptp(corner, axis=1).max() <= 0.06
    cut = trimesh.Trimesh(surface.points, surface.faces, process=False)
    assert cut.is_watertight
    assert cut.is_winding_consistent
    assert cut.volume == pytest.approx(1.0 + mixed.split()[1].volume)
    np.testing.assert_array_equal(surface.points[: len(mixed.vertices)], body(mixed).vertices)


def test_a_preview_flows_as_the_full_melt_does(lives):
    subject, moments = lives["ring"]
    coarse = molten(subject, detail=PREVIEW)
    for one, other in zip(moments, coarse, strict=True):
        assert centre_height(other.positions, subject.faces) == pytest.approx(
            centre_height(one.positions, subject.faces), abs=0.02
        )
    assert np.ptp(coarse[-1].positions[:, 0]) == pytest.approx(np.ptp(moments[-1].positions[:, 0]), rel=0.1)


def beads() -> trimesh.Trimesh:
    """A ball with five specks around it, smaller than what is smoothed away in one stride."""
    around = [[1.5 * np.cos(angle), 1.5 * np.sin(angle), np.sin(3 * angle)] for angle in range(5)]
    specks = [trimesh.creation.icosphere(1, 0.03).apply_translation(place) for place in around]
    return trimesh.util.concatenate([ball(), *specks])


COARSE = {
    "cube": trimesh.creation.box(),
    "cube subdivided once": trimesh.creation.box().subdivide(),
    "tetrahedron on a face": trimesh.creation.cone(0.6, 1.0, sections=3),
    "tetrahedron on an edge": trimesh.Trimesh(
        [[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], process=False
    ),
    "tall box": trimesh.creation.box((1.0, 1.0, 5.0)),
    "rod": trimesh.creation.box((0.02, 0.02, 1.0)),
    "beads": beads(),
}


@pytest.mark.parametrize("name", COARSE)
def test_a_coarse_closed_mesh_keeps_the_volume_of_every_part_at_every_frame(name):
    subject = body(COARSE[name])
    own = lidded(subject.vertices, subject.faces, np.ones(len(subject.vertices), bool))
    np.testing.assert_array_equal(own.faces, subject.faces)
    for moment in molten(subject, taus=np.linspace(0.0, 1.0, 48)):
        inside = np.bincount(own.parts, face_volumes(moment.positions, own.faces))
        np.testing.assert_allclose(inside, own.volumes, rtol=0.02)
        assert moment.positions[:, 2].min() >= 0.0
    assert moment.positions[:, 2].max() < 0.6 * subject.vertices[:, 2].max()


def test_a_low_box_pinned_at_the_top_keeps_its_volume_by_spreading_on_the_floor():
    box = trimesh.creation.box((1.0, 1.0, 0.4))
    subject = body(box, (box.vertices[:, 2] > 0.0) * 1.0)
    volume = signed_volume(subject.vertices, subject.faces)
    for moment in molten(subject, taus=np.linspace(0.0, 1.0, 24)):
        assert signed_volume(moment.positions, subject.faces) == pytest.approx(volume, rel=0.02)


def test_a_plate_that_lies_already_has_nowhere_to_go_and_does_not_jump():
    subject = body(trimesh.creation.box((1.0, 1.0, 0.01)))
    frames = [moment.positions for moment in molten(subject, taus=np.linspace(0.0, 1.0, 48))]
    assert np.abs(np.diff(frames, axis=0)).max() < 0.01


def open_ball(above: float, radius=0.5, centre=(0.0, 0.0, 0.0), finer=3) -> trimesh.Trimesh:
    """Without its cap above a height, in radii."""
    mesh = trimesh.creation.icosphere(finer)
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces[mesh.triangles_center[:, 2] < above])
    return mesh.apply_scale(radius).apply_translation(centre)


@pytest.mark.parametrize("finer", [1, 3])
def test_open_parts_that_cross_keep_what_they_hold_and_stay_where_they_crossed(finer):
    vessel, knob = open_ball(0.8, finer=finer), open_ball(0.8, 0.2, (0.45, 0.0, 0.1), finer)
    subject = body(trimesh.util.concatenate([vessel, knob]))
    own = lidded(subject.vertices, subject.faces, np.ones(len(subject.vertices), bool))
    moments = molten(subject, taus=(0.0, 0.5, 1.0))
    for moment in moments:
        inside = np.bincount(own.parts, face_volumes(own.points(moment.positions), own.faces))
        np.testing.assert_allclose(inside, own.volumes, rtol=0.003)
    if finer == 1:
        return
    assert moments[-1].corrected < 0.03
    used, first = np.unique(subject.faces), len(vessel.vertices)
    a, b = used[used >= first], used[used < first]
    at_rest, now = (np.linalg.norm(x[a, None] - x[b], axis=2) for x in (subject.vertices, moments[-1].positions))
    seam = at_rest.min(axis=1) < 0.02
    assert seam.sum() > 4
    assert now[seam, at_rest[seam].argmin(axis=1)].max() < 0.045


def test_what_touches_moves_together_the_small_with_the_large():
    large, small = trimesh.creation.icosphere(3, 0.5), trimesh.creation.icosphere(2, 0.1)
    small.apply_translation([0.5, 0.0, 0.0])
    far = trimesh.creation.icosphere(2, 0.1).apply_translation([0.0, 0.9, 0.0])
    both = trimesh.util.concatenate([large, small, far])
    touching = adhesion(np.asarray(both.vertices), both.faces.astype(np.int32), np.zeros(len(both.vertices), bool))
    np.testing.assert_allclose(touching @ np.ones(len(both.vertices)), 0.0, atol=1e-12)
    n = len(large.vertices)
    moved = (np.arange(len(both.vertices)) < n) * 1.0
    lag = touching @ moved
    near = np.abs(np.linalg.norm(small.vertices, axis=1) - 0.5) < 0.02
    assert lag[n : n + len(near)][near].min() > 0.7
    assert lag.max() == pytest.approx(25.0 / 26.0, rel=0.01)  # of the area of both
    assert lag[:n].min() > -0.1
    assert not lag[n + len(near) :].any()


def iced() -> tuple[trimesh.Trimesh, int]:
    """A lying ring with a coat over its upper half, and how many vertices the ring has."""
    dough = trimesh.creation.torus(0.35, 0.15, 40, 20)
    icing = trimesh.creation.torus(0.35, 0.16, 48, 24)
    icing.update_faces(icing.triangles_center[:, 2] > 0.02)
    icing.remove_unreferenced_vertices()
    both = trimesh.util.concatenate([dough, icing])
    both.apply_translation([0.0, 0.0, -both.bounds[0, 2]])
    return both, len(dough.vertices)


def test_a_coat_flows_with_what_it_lies_on_and_stays_on_it():
    mesh, count = iced()
    subject = body(mesh)
    coated, bare = (flowing_surface(Anatomy(of)) for of in (subject, body(ring())))
    assert (coated.sheet[count : len(subject.vertices)] > 0.0).all()
    assert not coated.sheet[:count].any() and not bare.sheet.any()
    last = molten(subject)[-1]
    assert last.corrected < 0.05
    new = crossings(last.positions[subject.faces], subject.faces, 1e-6).mean()
    assert new < 0.02
    top = subject.vertices[:count, 2] > 0.2
    coat = cKDTree(last.positions[count:])
    assert np.quantile(coat.query(last.positions[:count][top])[0], 0.95) < 0.04  # what was covered still is


def test_large_triangles_are_laid_where_the_flow_goes_and_keep_what_it_holds():
    box = body(trimesh.creation.box((1.0, 0.8, 0.5)))
    surface = flowing_surface(Anatomy(box))
    own, volume = len(box.vertices), signed_volume(box.vertices, box.faces)
    still = surface.points
    straighten(surface)
    np.testing.assert_allclose(surface.points, still, atol=1e-9)
    for _ in range(200):  # it sinks and spreads on the floor, without divergence and in no straight lines
        x = surface.points
        widening = np.cos(3.0 * x[:, 2:])
        surface.points = x + 0.005 * np.concatenate([x[:, :2] * widening, -2.0 / 3.0 * np.sin(3.0 * x[:, 2:])], axis=1)
        straighten(surface)
    np.testing.assert_allclose(surface.points[: surface.cut], surface.chords @ surface.points[:own], atol=1e-12)
    assert surface.points[:, 2].max() < 0.5 * still[:, 2].max()
    assert signed_volume(surface.points[:own], box.faces) == pytest.approx(volume, rel=0.03)


def test_what_would_cross_moves_together_and_what_is_far_as_the_flow_says():
    plate = trimesh.creation.box((1.0, 1.0, 0.06)).subdivide_to_size(0.06)
    lower, upper = plate.copy(), plate.copy().apply_translation([0.013, 0.007, 0.08])
    mesh = trimesh.util.concatenate([lower, upper])
    x, faces, count = np.asarray(mesh.vertices), mesh.faces.astype(np.int32), len(lower.vertices)
    dent = np.exp(-(np.linalg.norm(x[:, :2] - [0.1, 0.0], axis=1) ** 2) / 0.02)
    flowed = x + [0.05, 0.0, 0.0]
    flowed[count:, 2] -= 0.05 * dent[count:]

    def crossing(points):
        return np.unique(faces[crossings(points[faces], faces, 1e-6)])

    there = crossing(flowed)
    assert len(there)
    kept = Together(x, faces, np.ones(len(x))).moved(x, flowed, lambda points, free: points)
    assert not len(crossing(kept))
    far = cKDTree(x[there]).query(x)[0] > 0.35
    assert far.any()
    np.testing.assert_array_equal(kept[far], flowed[far])
    held = Together(x, faces, np.zeros(len(x))).moved(x, flowed, lambda points, free: points)
    np.testing.assert_array_equal(held, flowed)


def test_smoothing_is_held_back_where_it_would_take_faces_through_each_other():
    plate = trimesh.creation.box((0.5, 0.5, 0.06)).subdivide_to_size(0.03)
    mesh = trimesh.util.concatenate([plate, plate.copy().apply_translation([0.013, 0.007, 0.08])])
    x, faces, count = np.asarray(mesh.vertices), mesh.faces.astype(np.int32), len(plate.vertices)
    dent = np.exp(-(np.linalg.norm(x[:, :2] - [0.1, 0.0], axis=1) ** 2) / 0.02) * (np.arange(len(x)) >= count)

    def smoothed(points, free):
        return points - 0.03 * (free * dent)[:, None] * [0.0, 0.0, 1.0]

    assert crossings(smoothed(x, 1.0)[faces], faces, 1e-6).any()
    kept = Together(x, faces, np.ones(len(x))).moved(x, x, smoothed)
    assert not crossings(kept[faces], faces, 1e-6).any()
    assert (smoothed(x, 1.0) != kept).any() and (kept != x).any()


def test_a_shallow_lid_holds_something_and_a_disc_does_not():
    lid = open_ball(-0.3)
    disc = trimesh.Trimesh(lid.vertices * [1.0, 1.0, 0.05], lid.faces)
    for mesh, held in ((lid, True), (disc, False)):
        assert (len(flowing_surface(Anatomy(body(mesh))).faces) > 0) == held


def areas(positions, faces):
    return trimesh.Trimesh(positions, faces, process=False).area


def test_a_lying_sheet_spreads_on_the_floor_and_a_hanging_one_keeps_its_area():
    flat = body(flat_grid().subdivide().subdivide())
    for slider, film in ((0.5, 1.7), (1.0, 3.4)):
        end = molten(flat, taus=np.linspace(0.0, 1.0, 24), spread=slider)[-1].positions
        assert areas(end, flat.faces) == pytest.approx(film * areas(flat.vertices, flat.faces), rel=0.05)
        assert end[:, 2].max() < 1e-3
    leaf = flat_grid().subdivide().subdivide().apply_transform(trimesh.transformations.rotation_matrix(1.2, [1, 0, 0]))
    leaf.apply_transform(trimesh.transformations.scale_matrix(0.3))
    stalk = trimesh.creation.cylinder(0.15, 2.0, sections=12).subdivide().subdivide()
    subject = body(trimesh.util.concatenate([stalk, leaf.apply_translation([0.1, 0.0, 0.3])]))
    faces = subject.faces[len(stalk.faces) :]
    end = molten(subject, 0.9)[-1].positions
    assert areas(end, faces) == pytest.approx(areas(subject.vertices, faces), rel=0.1)


@pytest.mark.parametrize("name", ["ball", "ring"])
def test_it_ends_flat_and_wide_and_the_centre_of_mass_only_falls(lives, name):
    subject, moments = lives[name]
    centres = [centre_height(moment.positions, subject.faces) for moment in moments]
    assert np.all(np.diff(centres) < -0.03)
    assert centres[-1] < 0.12 * np.cbrt(signed_volume(subject.vertices, subject.faces))
    assert np.ptp(moments[-1].positions[:, 0]) > 1.25 * np.ptp(subject.vertices[:, 0])
    assert moments[-1].positions[:, 2].max() < 0.35 * subject.vertices[:, 2].max()


def test_at_life_time_0_it_is_the_body_and_the_wet_surface_shines(lives):
    subject, moments = lives["ball"]
    np.testing.assert_array_equal(moments[0].positions, subject.vertices)
    np.testing.assert_array_equal(moments[0].look.roughness, subject.roughness)
    np.testing.assert_array_equal(moments[0].look.albedo, subject.albedo)
    assert moments[-1].look.roughness.mean() < 0.4 * subject.roughness.mean()
    wet = moments[-1].look.albedo
    assert (wet < subject.albedo).all()
    assert (wet[:, 0] / wet[:, 2]).mean() > 6.5  # 6 at first: the colour is purer


def test_gloss_0_is_dry_and_spread_makes_the_pool_wider(lives):
    subject, moments = lives["ball"]
    dry, wide = (molten(subject, taus=(1.0,), **one)[0] for one in ({"gloss": 0.0}, {"spread": 1.0}))
    np.testing.assert_array_equal(dry.look.roughness, subject.roughness)
    np.testing.assert_array_equal(dry.look.albedo, subject.albedo)
    assert np.ptp(wide.positions[:, 0]) > 1.15 * np.ptp(moments[-1].positions[:, 0])


@pytest.mark.parametrize("name", ["ball", "ring"])
def test_few_neighbouring_triangles_are_folded_on_each_other(lives, name):
    subject, moments = lives[name]
    pairs = trimesh.graph.face_adjacency(subject.faces)
    for moment in moments:
        normals = trimesh.Trimesh(moment.positions, subject.faces, process=False).face_normals
        assert (np.einsum("ij,ij->i", *(normals[pairs[:, side]] for side in (0, 1))) < -0.5).mean() < 0.03


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_pool():
    subject = body(ring())
    first, again, other = (molten(subject, 0.3, seed, (0.5, 1.0)) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        assert one.positions.tobytes() == two.positions.tobytes()
    assert np.abs(first[-1].positions - other[-1].positions).max() > 1e-3


def test_amount_says_how_far():
    subject = body(ball())
    slumped = centre_height(molten(subject, 0.3, taus=(1.0,))[0].positions, subject.faces)
    assert slumped == pytest.approx(0.5 - 0.3 * (0.5 - 0.5 * 0.2 * np.cbrt(np.pi / 6.0)), abs=0.02)


def test_what_is_pinned_stays_and_what_weighs_half_moves_less():
    mesh = ball()
    height = mesh.vertices[:, 2]
    for pin, weight in (((height < 0.0) * 1.0, 1.0), (0.0, (height >= 0.0) * 1.0)):
        subject = body(mesh, pin, weight)
        end = molten(subject, taus=(1.0,))[-1].positions
        np.testing.assert_array_equal(end[height < 0.0], subject.vertices[height < 0.0])
        assert end[:, 2].max() < 0.85
        assert np.abs(end).max() < 1.0
    half = body(mesh, 0.0, np.where(mesh.vertices[:, 0] < 0.0, 0.3, 1.0))
    fallen = (half.vertices - molten(half, 0.5, taus=(1.0,))[0].positions)[:, 2]
    upper = height > 0.3
    assert fallen[upper & (half.weight == 1.0)].mean() > 1.3 * fallen[upper & (half.weight < 1.0)].mean()


def flat_grid() -> trimesh.Trimesh:
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0), indexing="ij")
    corner = (np.arange(4)[:, None] * 4 + np.arange(3)).ravel()
    faces = np.concatenate([corner[:, None] + [0, 4, 5], corner[:, None] + [0, 5, 1]])
    return trimesh.Trimesh(np.stack([x.ravel(), y.ravel(), 0.0 * x.ravel()], axis=1), faces, process=False)


HARD = {
    "box of 8 vertices": trimesh.creation.box(),
    "one triangle": trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 0, 1]], [[0, 1, 2]], process=False),
    "lying sheet": flat_grid(),
    "standing sheet": flat_grid().apply_transform(trimesh.transformations.rotation_matrix(1.57, [1, 0, 0])),
    "open bowl": trimesh.Trimesh(ball().vertices, ball().faces[: len(ball().faces) * 2 // 3], process=False),
    "inside out": trimesh.Trimesh(ball().vertices, ball().faces[:, ::-1], process=False),
    "face without area": trimesh.Trimesh(
        [[0, 0, 0], [1, 0, 0], [0, 1, 1], [2, 0, 0]], [[0, 1, 2], [0, 1, 3]], process=False
    ),
    "no area at all": trimesh.Trimesh([[0, 0, 0], [1, 0, 1], [2, 0, 2]], [[0, 1, 2]], process=False),
    "loose vertex": trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 2]], [[0, 1, 2]], process=False),
}


@pytest.mark.parametrize("name", HARD)
def test_a_hard_mesh_stays_finite_above_the_floor_and_in_reach(name):
    subject = body(HARD[name])
    for moment in molten(subject, taus=(0.0, 0.5, 1.0)):
        assert np.isfinite(moment.positions).all()
        assert moment.positions[:, 2].min() >= 0.0
        assert np.abs(moment.positions).max() < 3.0
    assert moment.positions[:, 2].max() <= subject.vertices[:, 2].max() + 0.01


def test_a_mesh_inside_out_melts_as_the_right_way_round():
    right, wrong = (molten(body(mesh), 0.4, taus=(1.0,))[0].positions for mesh in (ball(), HARD["inside out"]))
    np.testing.assert_allclose(wrong, right, atol=1e-6)


def test_a_cancelled_melt_stops():
    calls = []

    def cancel(done: float, text: str) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        molten(body(ball()), taus=np.linspace(0.0, 1.0, 8), report=cancel)
    assert len(calls) == 3
