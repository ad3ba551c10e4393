"""Finding flowers: petals are told from leaves, stems and pots, whoever made them, and laid flat."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.geometry.anatomy import Anatomy
from backend.geometry.attachment import Attachment
from backend.geometry.bud import apart, stacked
from backend.geometry.charts import Charts
from backend.geometry.organs import Organs
from backend.geometry.petals import flowers
from backend.pipelines.lifecycle import weld
from tests import flowers as made
from tests.bench.subjects.plants import poppy
from tests.shapes import body_of, sheet

TILTED = Rotation.from_euler("xyz", [0.5, -0.3, 1.0]).as_matrix()


def test_petals_are_told_from_leaves_and_stem():
    body = made.tulip()
    (flower,), alone = flowers(Anatomy(body))
    assert len(flower.blades) == 6 and len(alone) == 2
    found = np.sort(np.concatenate([blade.chosen for blade in flower.blades]))
    assert np.array_equal(found, made.of_colour(body, made.RED))


@pytest.mark.parametrize("rise", [0.15, 0.5, 1.2])
def test_the_axis_is_found_however_the_flower_is_turned_and_open(rise):
    body = made.tulip(rise, turned=TILTED, petals=7)
    (flower,), _ = flowers(Anatomy(body))
    assert flower.axis @ TILTED[:, 2] > np.cos(np.radians(8.0))
    size = 1.0 / np.ptp(body.vertices[:, 2])
    assert np.linalg.norm(flower.middle[:2]) < 0.03 * size


def test_thick_petals_are_petals():
    (flower,), _ = flowers(Anatomy(made.tulip(thickness=0.012)))
    assert len(flower.blades) == 6


@pytest.mark.parametrize("cut", [0.0, 0.45])
def test_a_cup_is_a_flower_of_one_petal(cut):
    (flower,), _ = flowers(Anatomy(made.cup(cut=cut)))
    assert flower.round and flower.axis[2] > 0.99 and np.linalg.norm(flower.middle[:2]) < 0.02


def test_each_flower_of_a_plant_is_its_own():
    one, far = made.tulip(), np.array([0.6, 0.1, 0.0])
    pieces = [(one.vertices, one.faces, one.albedo), (0.8 * one.vertices + far, one.faces, one.albedo)]
    found, alone = flowers(Anatomy(made.body_of(pieces)))
    assert sorted(len(flower.blades) for flower in found) == [6, 6] and len(alone) == 4


def test_the_flowers_of_an_umbel_are_told_apart_though_their_petals_touch():
    pieces = [made.stalk()]
    for k, (x, y) in enumerate([(0.0, 0.0), (0.17, 0.02), (-0.16, 0.05), (0.02, 0.18), (0.0, -0.17)]):
        stem, faces, _ = made.stalk(height=0.2, radius=0.006)
        pieces.append((stem + stem[:, 2:] * [5 * x, 5 * y, 0] + [0, 0, 0.79], faces, made.GREEN))
        for azimuth in np.arange(4) * np.pi / 2 + 0.1 * k:
            petal, faces = made.blade(0.1, 0.09, 0.3, 0.2, azimuth, 0.004, rows=8, columns=5)
            pieces.append((petal + [x, y, 0.99], faces, made.RED))
    found, _ = flowers(Anatomy(made.body_of(pieces)))
    assert [len(flower.blades) for flower in found] == [4] * 5


def test_a_rosette_of_leaves_below_a_flower_is_none():
    body = made.tulip()
    pieces = [(body.vertices, body.faces, body.albedo)]
    for k in range(5):
        vertices, faces = made.blade(0.3, 0.12, 0.5, 0.3, 2 * np.pi * k / 5 + 0.2, 0.02)
        pieces.append((vertices, faces, made.GREEN))
    found, alone = flowers(Anatomy(made.body_of(pieces)))
    assert len(found) == 1 and len(found[0].blades) == 6 and len(alone) == 7
    found, _ = flowers(Anatomy(made.body_of(pieces[1:])))  # where there is nothing else, it closes
    assert len(found) == 1 and len(found[0].blades) == 5


@pytest.mark.parametrize("direction", [(0.1, 0.0, 1.0), (1.0, 0.2, 0.1), (-0.3, 1.0, 0.0), (0.6, 0.2, -0.8)])
def test_a_wide_open_flower_opens_away_from_its_stem_wherever_it_faces(direction):
    turned = made.towards(direction)
    (flower,), _ = flowers(Anatomy(made.facing(turned)))
    assert len(flower.blades) == 13 and flower.axis @ turned[:, 2] > np.cos(np.radians(5.0))


@pytest.mark.parametrize("petals", [5, 7])
def test_petals_that_are_one_surface_with_their_stem_are_told_from_it(petals):
    body = made.one_skin(petals)
    (flower,), alone = flowers(Anatomy(body))
    assert len(flower.blades) == petals and not alone and all(blade.welded for blade in flower.blades)
    found = np.concatenate([blade.chosen for blade in flower.blades])
    assert len(np.unique(found)) == len(found)
    rim = np.setdiff1d(found, made.of_colour(body, made.RED))
    assert set(made.of_colour(body, made.RED)) <= set(found)
    assert len(rim) == 8 * petals  # and the row that they stand on


def test_petals_that_are_one_surface_are_laid_flat_one_by_one():
    (flower,), _ = flowers(Anatomy(weld(poppy()).body))
    width = np.array([blade.width for blade in flower.blades])
    length = np.array([blade.length for blade in flower.blades])
    assert len(width) == 4 and np.ptp(width) < 0.15 * width.mean() and np.ptp(length) < 0.1 * length.mean()


@pytest.mark.parametrize("thickness", [0.0, 0.008])
def test_a_bell_that_hangs_is_a_flower_of_one_petal(thickness):
    (flower,), alone = flowers(Anatomy(made.bell(thickness)))
    assert flower.round and not alone and flower.axis[2] < -0.98
    assert np.abs(flower.blades[0].side).max() == pytest.approx(0.5 * thickness / 0.9, rel=0.2)


@pytest.mark.parametrize("corners", [False, True])
def test_a_pot_is_neither_flower_nor_leaf_however_thin_its_wall(corners):
    tulip, (stem, faces, colour) = made.tulip(), made.stalk(height=0.7)
    found, alone = flowers(Anatomy(made.body_of([made.vessel(corners), (stem + [0, 0, 0.01], faces, colour)])))
    assert not found and not alone
    grown = 0.8 * tulip.vertices + [0, 0, 0.02]
    (flower,), alone = flowers(Anatomy(made.body_of([made.vessel(corners), (grown, tulip.faces, tulip.albedo)])))
    assert len(flower.blades) == 6 and len(alone) == 2


def test_whorls_of_leaves_on_a_stem_are_told_by_it_where_nothing_is_coloured():
    grey = (0.5, 0.5, 0.5)
    pieces = [(*made.stalk()[:2], grey)]
    for whorl, (count, height, rise) in enumerate(((5, 0.3, 0.3), (5, 0.5, 0.3), (6, 0.79, 0.6))):
        for k in range(count):
            vertices, faces = made.blade(0.22, 0.08, rise, 0.3, 2 * np.pi * k / count + whorl, 0.015)
            pieces.append((vertices + [0, 0, height], faces, grey))
    (flower,), alone = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 6 and len(alone) == 10
    assert flower.middle[2] > 0.75


def test_stamens_that_are_one_with_their_stalk_are_no_petal():
    v = np.linspace(0, 1, 6)[:, None]
    parts = [made.along([0, 0, 0.05] * np.linspace(0, 1, 8)[:, None], 0.005, 7)]
    for k in range(10):
        out = 0.03 * np.array([np.cos(0.628 * k), np.sin(0.628 * k), 0.0])
        stamen, faces = made.along([0, 0, 0.05] + 2 * v**2 * out + v * [0, 0, 0.1], 0.001, 5)
        stamen[:5] = 0.05 * np.array([0, 0, 1])  # all start at one point
        parts.append((stamen, faces))
    starts = np.cumsum([0, *(len(points) for points, _ in parts)])
    points, faces = (np.concatenate(c) for c in (
        [p for p, _ in parts], [f + s for (_, f), s in zip(parts, starts, strict=False)]))  # fmt: skip
    rounded, place = np.unique(points.round(9), axis=0, return_inverse=True)
    faces = place.ravel()[faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    stem, stem_faces, colour = made.stalk(height=0.8, radius=0.012)
    pieces = [(stem, stem_faces, colour), (rounded + [0, 0, 0.79], faces, made.GREEN)]
    for k in range(5):
        petal, petal_faces = made.blade(0.1, 0.09, 0.5, 0.35, 2 * np.pi * k / 5, 0.006)
        pieces.append((petal + [0, 0, 0.84], petal_faces, made.RED))
    (flower,), alone = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 5 and not alone


def test_the_axis_of_a_spiral_is_found():
    turned, pieces = made.towards((0.3, 0.2, 1.0)), [made.stalk()]
    for k in range(20):
        t = k / 19
        petal, faces = made.blade(0.09 + 0.09 * t, 0.14, 1.5 - 1.1 * t, 0.1 + 0.7 * t, 2.4 * k, 0.006)
        pieces.append((petal @ turned.T + [0, 0, 0.8 - 0.02 * t], faces, made.RED))
    (flower,), _ = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 20 and flower.axis @ turned[:, 2] > np.cos(np.radians(3.0))


def test_narrow_leaves_that_are_bent_far_stand_in_a_ring():
    turned, pieces = made.towards((0.3, 0.2, 1.0)), []
    for k in range(6):
        vertices, faces = made.blade(0.4, 0.06, 1.2, 0.9, 2 * np.pi * k / 6, 0.01)
        pieces.append((vertices @ turned.T, faces, made.GREEN))
    (flower,), _ = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 6 and flower.axis @ turned[:, 2] > np.cos(np.radians(3.0))


def test_a_flower_on_the_floor_needs_no_stem():
    pieces = []
    for count, rise, height in ((7, 1.1, 0.05), (9, 0.6, 0.03), (11, 0.25, 0.0)):
        for k in range(count):
            petal, faces = made.blade(0.35, 0.17, rise, -0.25, 2 * np.pi * k / count + rise, 0.05)
            pieces.append((petal + [0, 0, height], faces, made.RED))
    (flower,), _ = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 27 and flower.axis[2] > np.cos(np.radians(6.0))


def test_a_rolled_petal_is_one_of_its_flower():
    body = made.tulip()
    azimuth, v = np.linspace(0, 2 * np.pi, 20, endpoint=False), np.linspace(0, 1, 10)[:, None]
    radius = 0.01 + 0.1 * v
    roll = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), 0.15 * v + 0 * azimuth], -1).reshape(-1, 3)
    roll = roll @ made.towards((0.9, 0.2, 0.6)).T + [0.02, 0.0, 0.83] / np.float64(1.14)
    pieces = [(body.vertices, body.faces, body.albedo), (roll, made.grid(10, 20, closed=True), made.RED)]
    (flower,), _ = flowers(Anatomy(made.body_of(pieces)))
    assert len(flower.blades) == 7


def lathe(profile, sides=32):
    """A surface of revolution: (R, 2) radius and height."""
    profile, azimuth = np.asarray(profile, float), np.linspace(0, 2 * np.pi, sides, endpoint=False)
    x, y = profile[:, :1] * np.cos(azimuth), profile[:, :1] * np.sin(azimuth)
    points = np.stack([x, y, np.broadcast_to(profile[:, 1:], x.shape)], axis=-1).reshape(-1, 3)
    return points, made.grid(len(profile), sides, closed=True), made.WHITE


def page(turn=0.0):
    """A sheet that stands on the floor on a whole side of it."""
    vertices, faces = sheet(13, 13, width=0.45, height=0.45)
    return (vertices * [1, 0, 1] + [0.225, 0, 0]) @ Rotation.from_euler("z", turn).as_matrix().T, faces, made.WHITE


def things():
    ring = np.linspace(0.0, np.pi, 9)
    dough = np.stack([0.3 + 0.12 * np.cos(2 * ring), 0.12 + 0.12 * np.sin(2 * ring)], axis=1)
    icing = np.stack([0.3 + 0.125 * np.cos(ring), 0.12 + 0.125 * np.sin(ring)], axis=1)
    leg = made.stalk(height=0.7, radius=0.03)
    top, faces = sheet(9, 9, width=0.8, height=0.8)
    flat = (top * [1, 0, 1] - [0, 0, 0.4])[:, [0, 2, 1]]
    cap = lathe([(0.04 * np.sin(a), 0.04 * np.cos(a)) for a in np.linspace(0.02, 1.3, 10)])
    ball = lathe([(0.2 * np.sin(a), 0.2 - 0.2 * np.cos(a)) for a in np.linspace(0.01, 3.13, 20)])
    spine = (made.stalk(height=0.45, radius=0.01)[0], *made.stalk()[1:])
    pot = lathe(
        [(1e-3, 0.0), (0.2, 0.0), (0.25, 0.2), (0.15, 0.4), (0.13, 0.4), (0.23, 0.2), (0.18, 0.02), (1e-3, 0.02)]
    )
    return {
        "table": [(flat + [0, 0, 0.7], faces, made.RED), *((leg[0] + [x, y, 0], *leg[1:])
                  for x in (-0.3, 0.3) for y in (-0.3, 0.3))],
        "round table": [lathe([(1e-3, 0.7), (0.3, 0.7), (0.3, 0.72), (1e-3, 0.72)]), leg],
        "book": [spine, *(page(turn) for turn in np.linspace(0.2, 2.9, 7))],
        "pot with a lid": [pot, lathe([(0.14, 0.41), (0.08, 0.45), (1e-3, 0.46)])],
        "face": [ball, *((cap[0] @ made.towards((x, -1, 0.1)).T + [0.6 * 0.19 * x, -0.175, 0.22], *cap[1:])
                 for x in (-0.5, 0.5))],
        "cake": [lathe(dough), lathe(icing)],
        "bowl": [lathe([(0.1, 0.0), (0.2, 0.02), (0.3, 0.1), (0.33, 0.25)])],
        "plate": [lathe([(1e-3, 0.0), (0.2, 0.0), (0.3, 0.03), (0.4, 0.06)])],
        "plane": [(flat, faces, made.RED)],
        "parasol": [leg, lathe([(0.5, 0.5), (0.4, 0.6), (0.25, 0.68), (0.02, 0.71)])],
        "board": [(page()[0] * [0.6, 1, 2], *page()[1:])],
        "flag": [leg, (page()[0] + [0.0, 0.0, 0.2], *page()[1:])],
    }  # fmt: skip


@pytest.mark.parametrize("name", things())
def test_what_is_thin_but_does_not_hang_on_a_foot_is_neither_flower_nor_leaf(name):
    body = made.body_of(things()[name])
    assert Organs(Anatomy(body)).blades  # there is something that could be taken for one
    found, alone = flowers(Anatomy(body))
    assert not found and not alone


def test_a_flower_and_its_stem_in_one_skin_are_no_leaf_and_one_of_its_petals_is():
    turns = np.arange(5) * 1.257
    blades = [made.thick(*made.blade(0.4, 0.3, 1.2, 1.4, turn, start=0.02), 13, 8, 0.02) for turn in turns]
    stem, around, _ = made.stalk(height=0.3, radius=0.02)
    pieces = [*blades, (stem - [0, 0, stem[:, 2].max()], around)]
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    sewn = [[start + 3, start + 4, starts[5] + stem[:, 2].argmax()] for start in starts[:5]]
    skin = np.concatenate([*(own + start for (_, own), start in zip(pieces, starts, strict=False)), sewn])
    for vertices, faces, leaf in ((np.concatenate([v for v, _ in pieces]), skin, False), (*blades[1], True)):
        anatomy = Anatomy(made.body_of([(vertices, faces, made.RED)]))
        (part,) = Organs(anatomy).blades
        assert Attachment(anatomy, [part]).is_leaf(part) == leaf


def test_what_the_artist_chose_is_closed_whatever_it_looks_like():
    vertices, faces, colour = page()
    leg = made.stalk(height=0.7, radius=0.03)
    body = made.body_of([leg, (vertices + [0, 0, 0.2], faces, colour)])
    chosen = made.painted(body, slice(len(leg[0])), 0.0)
    found, alone = flowers(Anatomy(chosen))
    assert not found and len(alone) == 1


def test_a_chart_lays_a_bent_blade_flat():
    vertices, faces = sheet(15, 31, width=0.4, height=1.0)
    u, s = vertices[:, 0].copy(), vertices[:, 2].copy()
    bent = np.stack([u, 0.5 * (1 - np.cos(s / 0.5)), 0.5 * np.sin(s / 0.5)], axis=1)  # on a cylinder: no stretch
    anatomy = Anatomy(body_of(bent, faces))
    (part,) = Organs(anatomy).blades
    blade = Charts(anatomy, [part]).blade(part, part.depth <= 0.05 * np.ptp(part.depth), np.array([0.0, 0.0, 1.0]))
    assert np.abs(blade.along - s).max() < 0.07
    assert abs(np.corrcoef(blade.across, u)[0, 1]) > 0.99 and blade.width == pytest.approx(0.4, rel=0.15)


def test_what_overlaps_lies_on_different_layers():
    rng = np.random.default_rng(4)
    azimuth, half = rng.uniform(-np.pi, np.pi, 30), rng.uniform(0.1, 1.0, 30)
    layer = stacked(azimuth, half, rng.permutation(30))
    i, j = np.triu_indices(30, 1)
    over = apart(azimuth[i], azimuth[j]) < half[i] + half[j]
    assert over.any() and (layer[i] != layer[j])[over].all()
    assert layer.max() < 29
