"""Grow: triangles put together, from nothing at the root to the artist's mesh, with nothing torn off on the way."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from backend import protocol
from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL
from backend.geometry.coats import coats
from backend.geometry.growth import Between, Puzzle
from backend.pipelines.processes import make
from backend.pipelines.processes.process import Circumstances, NotForThis
from backend.report import silent
from kernels.crossings import crossings
from kernels.turning import turned, turned_reference
from tests import flowers as made
from tests.lives import lived
from tests.shapes import body_of, column, potted, sheet

TAUS = np.linspace(0.0, 1.0, 9)


def four_legged():
    """A slab on four legs, one closed part on four roots."""
    vertices, faces = column(sides=4, rings=2, radius=1.0, lean=0.0)
    slab = (vertices * [0.5, 0.5, 0.2] + [0, 0, 0.5], faces, made.GREEN)
    return made.body_of([slab, *((vertices * [0.1, 0.1, 0.6] + [x, y, 0], faces, made.GREEN) for x, y in
                                 ((0.3, 0.0), (-0.3, 0.02), (0.0, 0.3), (0.01, -0.3)))])  # fmt: skip


def arch():
    """A bow on two feet."""
    vertices, faces = column(sides=10, rings=40, radius=0.08, lean=0.0)
    angle = np.pi * vertices[:, 2]
    radius = 0.5 + vertices[:, 0]
    bow = np.stack([-radius * np.cos(angle), vertices[:, 1], radius * np.sin(angle)], axis=1)
    return made.body_of([(bow, faces, made.GREEN)])


MADE = {
    "tulip": made.tulip(),
    "daisy": made.daisy(),
    "leaf": made.leaf(),
    "column": body_of(*column()),
    "potted": body_of(*potted()),
    "arch": arch(),
    "one skin": made.one_skin(),
    "bell": made.bell(),
}


def process_of(body, settings=None, seed=0, amount=1.0):
    return make(settings or protocol.Grow(), Circumstances(Anatomy(body), amount, seed, FULL))


def poses_of(body, settings=None, taus=TAUS, **circumstances):
    motion = process_of(body, settings, **circumstances).motion(taus, silent)
    return np.array([posed.positions for posed in motion])


def area(body, points):
    corner = points[body.faces]
    return 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)


# What it is made of


def test_vectors_are_turned_as_scipy_turns_them():
    rng = np.random.default_rng(2)
    vectors, axis, angle = rng.normal(size=(20, 2, 3)), rng.normal(size=(20, 3)), rng.uniform(-7, 7, 20)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    expected = np.stack([Rotation.from_rotvec(angle[:, None] * axis).apply(vectors[:, k]) for k in (0, 1)], axis=1)
    assert np.allclose(turned(vectors, axis, angle), expected, atol=1e-12)
    assert np.allclose(turned_reference(vectors, axis, angle), expected, atol=1e-9)


def test_triangles_of_any_mesh_are_put_together_as_they_lie():
    vertices, faces = potted()
    moved = vertices + 0.1 * np.sin(5.0 * vertices[:, [2, 0, 1]])  # of no simple form
    labels = Anatomy(body_of(vertices, faces)).labels
    links = np.array([[0, np.flatnonzero(labels == 1)[3]], [np.flatnonzero(labels == 1)[9], len(labels) - 1]])
    held = np.zeros(len(vertices))
    held[:4] = 1.0
    puzzle = Puzzle(vertices, faces, held, links)
    corner = moved[faces]
    found = puzzle.solve(corner[:, 1:] - corner[:, :1], moved[links[:, 1]] - moved[links[:, 0]], moved)
    assert np.abs(found - moved).max() < 1e-5


def test_the_slope_of_a_linear_function_is_its_gradient_in_each_plane():
    vertices, faces = sheet()
    puzzle = Puzzle(vertices, faces, np.ones(len(vertices)), np.zeros((0, 2), np.int64))
    gradient = np.array([0.3, -1.0, 2.0])
    flat = gradient - (puzzle.normal @ gradient)[:, None] * puzzle.normal
    assert np.allclose(puzzle.slope_of(vertices @ gradient), flat, atol=1e-9)


def test_between_two_shapes_the_ends_are_exact_and_half_of_a_swing_is_half_the_angle():
    rng = np.random.default_rng(5)
    sides, target = rng.normal(size=(2, 9, 2, 3))
    hinge = rng.normal(size=(9, 3))
    hinge /= np.linalg.norm(hinge, axis=1, keepdims=True)
    angle = rng.uniform(-1, 1, 9)
    between = Between(sides, target, hinge, angle)
    assert np.allclose(between.at(np.zeros(9), sides), sides, atol=1e-12)
    assert np.allclose(between.at(np.ones(9), sides), target, atol=1e-9)
    full = np.full(9, 1.5 * np.pi)  # more than half a turn
    swung = Between(sides, turned(sides, hinge, full), hinge, full)
    assert np.allclose(swung.at(np.full(9, 0.5), sides), turned(sides, hinge, 0.5 * full), atol=1e-9)


# Growing


@pytest.mark.parametrize("name", MADE)
def test_it_ends_with_the_mesh_and_comes_there_without_a_jump(name):
    body = MADE[name]
    late, last = poses_of(body, taus=np.array([0.995, 1.0]))
    assert np.array_equal(last, body.vertices)
    assert np.abs(late - last).max() < 0.04


@pytest.mark.parametrize("name", ["tulip", "daisy", "leaf", "column"])
def test_it_starts_as_a_speck_at_the_root(name):
    first = poses_of(MADE[name])[0]
    assert np.ptp(first, axis=0).max() < 2e-3
    root = Anatomy(MADE[name]).root * [1, 1, 0]
    assert np.linalg.norm(first - root, axis=1).max() < 0.03


@pytest.mark.parametrize("name", MADE)
def test_it_grows_all_the_time_and_evenly(name):
    body = MADE[name]
    sizes = np.array([area(body, pose).sum() for pose in poses_of(body)]) ** 0.5
    steps = np.diff(sizes / sizes[-1])
    assert (steps > 0.01).all() and steps.max() < 0.35


def test_what_is_near_the_root_comes_first():
    body = MADE["column"]
    middle = poses_of(body, protocol.Grow(order=1.0, sway=0.0))[4]
    low, high = body.vertices[body.faces, 2].mean(axis=1) < 0.2, body.vertices[body.faces, 2].mean(axis=1) > 0.9
    ratio = area(body, middle) / area(body, body.vertices)
    assert np.median(ratio[low]) > 0.8 and np.median(ratio[high]) < 0.05
    together = area(body, poses_of(body, protocol.Grow(order=0.0, sway=0.0))[4]) / area(body, body.vertices)
    assert np.median(together[high]) > 5.0 * np.median(ratio[high]) + 0.05


def test_nothing_comes_off_on_the_way():
    body = MADE["tulip"]
    labels = Anatomy(body).labels
    stem = labels == labels[0]
    feet = []
    for label in np.unique(labels[~stem]):
        chosen = np.flatnonzero(labels == label)
        gap, _ = cKDTree(body.vertices[stem]).query(body.vertices[chosen])
        feet.append(chosen[np.argmin(gap)])
    at_rest = cKDTree(body.vertices[stem]).query(body.vertices[feet])[0]
    for pose in poses_of(body):
        assert (cKDTree(pose[stem]).query(pose[feet])[0] < at_rest + 0.02).all()


def test_young_leaves_lie_along_the_stem_and_young_petals_in_a_bud():
    body = MADE["tulip"]
    petals = (body.albedo == made.RED).all(axis=1)
    labels = Anatomy(body).labels
    leaf = labels == labels[~petals].max()
    early, later = poses_of(body, protocol.Grow(order=1.0, sway=0.0), taus=np.array([0.0, 0.15, 0.7]))[1:]

    def rise(points):
        foot = np.argmin(np.linalg.norm(body.vertices[leaf][:, :2], axis=1))
        way = points[leaf].mean(axis=0) - points[leaf][foot]
        return np.arctan2(way[2], np.linalg.norm(way[:2]))

    def slimness(points):
        return np.ptp(points[:, :2], axis=0).max() / np.ptp(points[:, 2])

    assert np.ptp(early[leaf], axis=0).max() > 0.01
    assert rise(early) > rise(body.vertices) + 0.3
    assert slimness(later[petals]) < 0.85 * slimness(body.vertices[petals])


def test_a_fruit_swells_as_one():
    stem, faces = column(sides=8, rings=20, radius=0.02, lean=0.0)
    ball, ball_faces = column(sides=10, rings=6, radius=0.08, lean=0.0)
    body = made.body_of([(stem, faces, made.GREEN), (ball * [1, 1, 0.16] + [0.1, 0, 0.6], ball_faces, made.RED)])
    fruit = (body.albedo == made.RED).all(axis=1)
    for pose in poses_of(body, protocol.Grow(order=1.0, sway=0.0))[4:8]:
        ratio = np.ptp(pose[fruit], axis=0) / np.ptp(body.vertices[fruit], axis=0)
        assert ratio.max() - ratio.min() < 0.25


@pytest.mark.parametrize("name", ["column", "leaf", "potted"])
def test_no_crossings_at_the_end_and_nothing_below_the_floor(name):
    body = MADE[name]
    poses = poses_of(body, taus=np.array([0.0, 0.3, 0.6, 0.9, 0.97]))
    assert poses[:, :, 2].min() >= 0.0
    before = crossings(body.vertices[body.faces], body.faces, 1e-5).sum()
    assert crossings(poses[-1][body.faces], body.faces, 1e-5).sum() <= before


def test_between_two_feet_there_is_nothing_to_see():
    process = process_of(MADE["arch"])
    first, half, last = (process.look(tau, MADE["arch"].look) for tau in (0.0, 0.5, 1.0))
    assert (first.opacity == 0.0).all() and (last.opacity == 1.0).all()
    assert 0.2 < half.opacity.mean() < 1.0
    assert (process_of(MADE["column"]).look(0.5, MADE["column"].look).opacity == 1.0).all()  # it needs no hiding


# What holds for every process


def test_a_pot_stays_and_plants_sprout_from_it():
    body = MADE["potted"]
    pot = Anatomy(body).labels == 0
    potted_plant = made.painted(body, pot, 0.0)
    poses = poses_of(potted_plant)
    assert (poses[:, pot] == body.vertices[pot]).all()
    assert np.ptp(poses[0][~pot], axis=0).max() < 0.06
    assert np.ptp(poses[3][~pot], axis=0).max() > 0.1


def test_half_the_amount_is_half_grown_at_birth():
    body = MADE["column"]
    heights = [np.ptp(poses_of(body, protocol.Grow(sway=0.0), amount=a)[0][:, 2]) for a in (1.0, 0.6, 0.3)]
    assert heights[0] < 0.01 < 0.2 < heights[1] < heights[2] < 1.0


def test_a_seed_gives_the_same_bytes_and_another_does_not():
    one, same, other = (poses_of(MADE["tulip"], seed=seed) for seed in (3, 3, 4))
    assert one.tobytes() == same.tobytes()
    assert np.abs(one[4] - other[4]).max() > 1e-3


def test_young_parts_are_light_and_glossy_and_grown_ones_have_their_own_material():
    body = MADE["tulip"]
    process = process_of(body)
    young, grown = process.look(0.4, body.look), process.look(1.0, body.look)
    assert np.array_equal(grown.albedo, body.albedo) and np.array_equal(grown.roughness, body.roughness)
    tips = body.vertices[:, 2] > 0.6
    assert young.albedo[tips, 1].mean() > body.albedo[tips, 1].mean() + 0.1
    assert young.roughness[tips].mean() < body.roughness[tips].mean() - 0.05
    for values in (young.albedo, young.roughness, young.metallic, young.opacity):
        assert values.min() >= 0.0 and values.max() <= 1.0


def coloured(body, albedo, chosen=slice(None)):
    colours = body.albedo.copy()
    colours[chosen] = albedo
    return replace(body, albedo=colours)


def test_a_plant_is_young_green_all_over_and_other_things_where_they_are_leafy():
    plant, column_ = MADE["tulip"], MADE["column"]
    red, grey, leafy = (0.5, 0.03, 0.06), (0.8, 0.8, 0.8), (0.06, 0.25, 0.04)
    petals = (plant.albedo == red).all(axis=1)
    assert petals.any() and process_of(plant).look(0.0, plant.look).albedo[petals, 1].min() > red[1] + 0.1
    for albedo in (red, grey, (0.5, 0.45, 0.1)):
        other = coloured(column_, albedo)
        assert np.array_equal(process_of(other).look(0.3, other.look).albedo, other.albedo)
    spotted = np.arange(len(column_.vertices)) < 3  # as a leaf on an apple
    fruit = coloured(coloured(column_, red), leafy, spotted)
    young = process_of(fruit).look(0.0, fruit.look).albedo
    assert np.array_equal(young[~spotted], fruit.albedo[~spotted])
    assert (young[spotted] > np.add(leafy, 0.05)).all()


def test_what_does_not_grow_makes_nothing_a_plant():
    body = coloured(body_of(*column()), (0.4, 0.12, 0.05))
    still = body.vertices[:, 2] < 0.5
    on_grass = replace(coloured(body, (0.06, 0.25, 0.04), still), weight=1.0 - still)
    assert np.array_equal(process_of(on_grass).look(0.0, on_grass.look).albedo, on_grass.albedo)


AWKWARD = {
    "one triangle": (np.array([[0, 0, 0], [1, 0, 0.0], [0.5, 0, 0.8]]), np.array([[0, 1, 2]])),
    "flat": (sheet()[0][:, [0, 2, 1]] * [1, 1, 0], sheet()[1]),
    "three at an edge": (
        np.array([[0, 0, 0], [0, 0, 1], [0.5, 0, 0.5], [-0.4, 0.3, 0.5], [-0.4, -0.3, 0.5]], float),
        np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]),
    ),
    "two far apart": (np.concatenate([column()[0] * 0.3, column()[0] * 0.3 + [0.7, 0, 0.5]]),
                      np.concatenate([column()[1], column()[1] + len(column()[0])])),
    "through itself": (np.concatenate([column()[0], column()[0][:, [2, 1, 0]] + [-0.5, 0, 0.5]]),
                       np.concatenate([column()[1], column()[1] + len(column()[0])])),
}  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("kind", [protocol.Grow, protocol.Bloom])
def test_awkward_meshes_live(name, kind):
    body = body_of(*AWKWARD[name])
    if kind is protocol.Bloom and name != "three at an edge":
        with pytest.raises(NotForThis, match="No petals"):
            poses_of(body, kind())
        return
    poses = poses_of(body, kind())
    assert np.isfinite(poses).all() and np.array_equal(poses[-1], body.vertices)
    assert np.abs(poses[0] - poses[-1]).max() > 0.05


def test_what_stands_on_several_legs_grows_on_all_of_them():
    body = four_legged()
    middle = lived(body, protocol.Grow())[1].positions
    labels = fields.parts(len(middle), body.faces)
    slab = middle[labels == labels[0]]
    for leg in (middle[labels == label] for label in np.unique(labels)[1:]):
        assert np.linalg.norm(leg[np.argmax(leg[:, 2])] - slab, axis=1).min() < 0.1


def test_sheets_that_lie_on_one_another_grow_flat():
    pages = [sheet(8, 8, 0.7, 1.0)[0][:, [0, 2, 1]] * [1, 1, 0] + [0, 0, 0.03 * k] for k in range(5)]
    faces = sheet(8, 8, 0.7, 1.0)[1]
    body = body_of(np.concatenate(pages), np.concatenate([faces + len(pages[0]) * k for k in range(5)]))
    for moment in lived(body, protocol.Grow(), taus=(0.3, 0.5, 0.7)):
        assert moment.positions[:, 2].max() < 0.25


def test_a_coat_is_as_large_as_what_it_covers_and_lies_on_it_at_every_moment():
    ball, faces = column(sides=24, rings=24, radius=0.3, lean=0.0)
    upper = faces[(ball[faces][:, :, 2] > 0.4).all(axis=1)]
    used, index = np.unique(upper, return_inverse=True)
    middle = np.array([0.0, 0.0, 0.5])
    icing = middle + 1.03 * (ball[used] - middle)
    body = made.body_of([(ball, faces, made.GREEN), (icing, index.reshape(-1, 3), made.GREEN)])
    beneath, coat = np.arange(len(ball)), np.arange(len(ball), len(body.vertices))
    assert coats(body.vertices, body.faces, Anatomy(body).labels, np.zeros(2, bool)).tolist() == [False, True]
    near = cKDTree(body.vertices[beneath]).query(body.vertices[coat])[0].max()
    for pose in poses_of(body)[3:]:
        assert cKDTree(pose[beneath]).query(pose[coat])[0].max() < 1.5 * near
        assert pose[coat, 2].max() > pose[beneath, 2].max() - near
    grown = poses_of(body)[4]
    share = np.ptp(grown[coat], axis=0) / np.ptp(body.vertices[coat], axis=0)
    under = np.ptp(grown[beneath[used]], axis=0) / np.ptp(body.vertices[beneath[used]], axis=0)
    np.testing.assert_allclose(share, under, atol=0.1)
