"""The pot that a plant stands in: what is taken for one, and what is not."""

import numpy as np
import pytest

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import PREVIEW
from backend.pipelines.stages import live
from backend.protocol import Burn, Grow, Rot, Shrivel, Stage, Wilt
from backend.report import silent
from tests.flowers import grid
from tests.lives import lived, made
from tests.shapes import body_of


def turned(profile, sides=24):
    """A closed surface turned about z from an outline [(radius, height), ...] that begins and ends near the axis."""
    radius, height = np.array(profile).T
    angle = 2.0 * np.pi * np.arange(sides) / sides
    rings = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=-1)
    rings = rings + height[:, None, None] * np.array([0.0, 0.0, 1.0])
    index = np.arange(rings[..., 0].size).reshape(rings.shape[:2])
    here, after = index, np.roll(index, -1, axis=1)
    faces = [np.stack([here[:-1], after[:-1], after[1:]], -1), np.stack([here[:-1], after[1:], here[1:]], -1)]
    lid = [[index[0, 0], index[0, k + 1], index[0, k]] for k in range(1, sides - 1)]
    lid += [[index[-1, 0], index[-1, k], index[-1, k + 1]] for k in range(1, sides - 1)]
    return rings.reshape(-1, 3), np.concatenate([*(quad.reshape(-1, 3) for quad in faces), lid])


def together(*pieces):
    before = np.cumsum([0, *(len(points) for points, _ in pieces)])
    faces = [faces + at for (_, faces), at in zip(pieces, before, strict=False)]
    return np.concatenate([points for points, _ in pieces]), np.concatenate(faces)


POT = turned([(0.02, 0.0), (0.15, 0.0), (0.17, 0.1), (0.19, 0.2), (0.20, 0.3), (0.17, 0.3), (0.16, 0.2), (0.14, 0.06),
              (0.02, 0.05)])  # fmt: skip
SOIL = turned([(0.02, 0.1), (0.13, 0.1), (0.14, 0.18), (0.02, 0.18)])
STEM = turned([(0.005, 0.16), (0.03, 0.17), (0.03, 0.4), (0.028, 0.6), (0.025, 0.8), (0.02, 1.0), (0.005, 1.0)], 8)
FRUIT = turned(
    [(0.02, 0.03), (0.2, 0.0), (0.38, 0.2), (0.4, 0.35), (0.36, 0.55), (0.2, 0.66), (0.08, 0.6), (0.02, 0.55)]
)
REED = turned([(0.005, 0.0), (0.07, 0.0), (0.07, 0.3), (0.07, 0.6), (0.065, 0.6), (0.065, 0.3), (0.005, 0.01)])
DISH = turned([(0.02, 0.0), (0.2, 0.0), (0.2, 0.15), (0.2, 0.3), (0.17, 0.3), (0.17, 0.25), (0.02, 0.25)])
BLOCK = turned([(0.02, 0.0), (0.4, 0.0), (0.4, 0.2), (0.4, 0.4), (0.3, 0.4), (0.16, 0.4), (0.16, 0.25), (0.16, 0.1),
                (0.02, 0.1)])  # fmt: skip


CACTUS = turned([(0.005, 0.1), (0.1, 0.12), (0.13, 0.2), (0.15, 0.5), (0.15, 0.8), (0.1, 0.95), (0.005, 1.0)], 16)
SAUCER = turned([(0.005, 0.0), (0.2, 0.0), (0.24, 0.025), (0.2, 0.02), (0.005, 0.01)])
BAND = turned([(0.19, 0.1), (0.2, 0.1), (0.2, 0.15), (0.19, 0.15)], 12)
THROUGH = turned([(0.005, 0.15), (0.19, 0.15), (0.19, 0.2), (0.005, 0.2)])  # soil that is wider than the pot inside
OUTLINE = [(0.01, 0.0), (0.15, 0.0), (0.20, 0.3)]
CONE = turned([(0.002, 0.0), (0.2, 0.3), (0.18, 0.3), (0.002, 0.05)])


def open_pot(sides):
    """A surface without thickness, its bottom closed."""
    points, faces = turned(OUTLINE, sides)
    return points, faces[(faces < 2 * sides).any(axis=1)]


def raised(piece, by):
    return piece[0] + [0.0, 0.0, by], piece[1]


def potted_in(*pot):
    """A stem in a pot of these pieces, and which vertices are the pot's."""
    body = body_of(*together(*pot, STEM))
    return body, np.arange(len(body.vertices)) < len(body.vertices) - len(STEM[0])


POTS = {
    "with soil": (POT, SOIL),
    "with soil that pokes through": (POT, THROUGH),
    "on a saucer": (SAUCER, raised(POT, 0.02)),
    "with a band around it": (POT, BAND),
    "without thickness": (open_pot(24),),
    "of six sides": (turned([*OUTLINE, (0.17, 0.3), (0.12, 0.04), (0.01, 0.04)], 6),),
    "of four sides": (turned([(0.15, 0.0), (0.20, 0.3), (0.17, 0.3), (0.12, 0.04)], 4),),
    "filled up": (DISH,),
    "filled up, low": (turned([(0.02, 0.0), (0.28, 0.0), (0.38, 0.2), (0.33, 0.2), (0.31, 0.17), (0.02, 0.17)]),),
    "as a vase": (turned([(0.02, 0.0), (0.09, 0.0), (0.12, 0.2), (0.06, 0.5), (0.07, 0.6), (0.06, 0.6), (0.05, 0.5),
                          (0.11, 0.2), (0.08, 0.02), (0.02, 0.02)]),),
}  # fmt: skip


@pytest.mark.parametrize("pot", POTS.values(), ids=POTS.keys())
def test_a_pot_is_known_by_its_shape(pot):
    body, expected = potted_in(*pot)
    np.testing.assert_array_equal(Anatomy(body).vessel, expected)
    moved = Anatomy(body).posed(body.vertices[:, [2, 1, 0]])  # in a later chapter of its life it has fallen over
    np.testing.assert_array_equal(moved.vessel, expected)


def test_what_is_no_pot_is_not_taken_for_one():
    stalk = (STEM[0] * [1.0, 1.0, 0.6] + [0.0, 0.0, 0.47], STEM[1])
    lid = (FRUIT[0] * [0.4, 0.4, 0.1] + [0.0, 0.0, 0.28], FRUIT[1])
    skirt = turned([(0.2, 0.0), (0.1, 0.3), (0.09, 0.3), (0.19, 0.0)])[1][:-44]  # open below as well
    skirt = (turned([(0.2, 0.0), (0.1, 0.3), (0.09, 0.3), (0.19, 0.0)])[0], skirt)
    messy = np.where(np.arange(len(FRUIT[1]))[:, None] % 2, FRUIT[1], FRUIT[1][:, ::-1])  # it seems to hold nothing
    block = turned([(0.2, 0.0), (0.2, 0.3)], 6)  # closed by flat lids
    cherry = (stalk[0] * [1.0, 1.0, 2.0] - [0.0, 0.0, 0.5], stalk[1])
    for pieces in (
        (FRUIT, stalk), (FRUIT, cherry), (REED, STEM), (BLOCK, STEM), (POT, lid), (POT,), (CONE, STEM), (skirt, STEM),
        (block, raised(STEM, 0.2)), ((FRUIT[0], messy), raised(stalk, 0.03)),
    ):  # fmt: skip
        assert not Anatomy(body_of(*together(*pieces))).vessel.any()


@pytest.mark.parametrize("settings", [Wilt(), Shrivel(), Rot()], ids=lambda settings: type(settings).__name__)
@pytest.mark.parametrize("plant", [STEM, CACTUS], ids=["stem", "cactus"])
def test_a_pot_and_its_soil_stand_as_they_are_while_the_plant_dies(settings, plant):
    body = body_of(*together(POT, SOIL, plant))
    pot = np.arange(len(body.vertices)) < len(POT[0]) + len(SOIL[0])
    last = lived(body, settings, taus=(0.0, 1.0))[-1]
    np.testing.assert_array_equal(last.look.albedo[pot], body.albedo[pot])
    np.testing.assert_allclose(last.positions[pot], body.vertices[pot], atol=1e-12)
    assert np.linalg.norm(last.positions - body.vertices, axis=1)[~pot].max() > 0.1
    assert np.abs(last.look.albedo - body.albedo)[~pot].max() > 0.1


def test_a_plant_grows_out_of_its_pot():
    body = body_of(*together(POT, SOIL, STEM))
    pot = np.arange(len(body.vertices)) < len(POT[0]) + len(SOIL[0])
    first, middle, last = lived(body, Grow())
    for moment in (first, middle, last):
        np.testing.assert_allclose(moment.positions[pot], body.vertices[pot], atol=1e-12)
        np.testing.assert_array_equal(moment.look.albedo[pot], body.albedo[pot])
    assert first.positions[~pot, 2].max() < 0.25 < 0.4 < middle.positions[~pot, 2].max() < 0.95
    np.testing.assert_array_equal(last.positions, body.vertices)


def test_with_a_weight_group_the_artist_says_what_lives_and_with_a_pin_group_what_stays():
    vertices, faces = together(POT, SOIL, STEM)
    pot = np.arange(len(vertices)) < len(POT[0]) + len(SOIL[0])
    painted = np.where(vertices[:, 2] > 0.9, 0.5, 1.0)
    np.testing.assert_array_equal(made(body_of(vertices, faces, weight=painted), Wilt()).strength, painted)
    pinned = (vertices[:, 2] < 0.2).astype(float)
    np.testing.assert_array_equal(made(body_of(vertices, faces, pin=pinned), Wilt()).strength, ~pot)


def test_a_fire_takes_the_pot_too_even_while_the_plant_wilts():
    body = body_of(*together(POT, SOIL, STEM))
    pot = np.arange(len(body.vertices)) < len(POT[0]) + len(SOIL[0])
    stages = (Stage(process=Wilt()), Stage(process=Burn()))
    last = list(live(Anatomy(body), stages, 3, np.array([0.0, 1.0]), PREVIEW, silent))[-1]
    assert np.linalg.norm(last.positions - body.vertices, axis=1)[pot].max() > 0.01
    assert np.abs(last.look.albedo - body.albedo)[pot].max() > 0.1


def test_a_leaf_that_leans_on_the_rim_grows_from_its_stem_all_the_same():
    way = np.array([(0.0275, 0.36), (0.1, 0.335), (0.15, 0.32), (0.19, 0.315), (0.25, 0.29), (0.33, 0.24)])
    side = 0.03 * np.array([-1.0, 0.0, 1.0])
    leaf = np.array([(x, y, z) for x, z in way for y in side])
    stem = turned([(0.005, 0.16), *((0.03, z) for z in np.arange(0.17, 1.0, 0.02)), (0.005, 1.0)], 8)
    vertices, faces = together(POT, SOIL, stem, (leaf, grid(len(way), 3)))
    body = body_of(vertices, faces)
    held = made(body, Grow()).held
    assert (held[-len(leaf) :] == 0.0).all()
    assert 0 < held[-len(leaf) - len(stem[0]) : -len(leaf)].sum() < len(stem[0]) / 4


def test_a_weight_group_bends_the_pot_as_it_bends_the_rest():
    vertices, faces = together(POT, SOIL, STEM)
    pot = np.arange(len(vertices)) < len(POT[0]) + len(SOIL[0])
    body = body_of(vertices, faces, weight=np.where(vertices[:, 2] > 0.9, 0.99, 1.0))
    last = list(live(Anatomy(body), (Stage(process=Wilt()),), 3, np.array([0.0, 1.0]), PREVIEW, silent))[-1]
    before, after = (x[pot] - x[pot].mean(axis=0) for x in (body.vertices, last.positions))
    one, sizes, other = np.linalg.svd(np.linalg.lstsq(before, after, rcond=None)[0])
    assert np.abs(before @ (sizes.mean() * one @ other) - after).max() > 0.008  # it is not moved as a rigid foot
