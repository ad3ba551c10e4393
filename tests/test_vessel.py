"""The pot that a plant stands in: what is taken for one, and what is not."""

import numpy as np

from backend.geometry.anatomy import Anatomy
from backend.pipelines.processes.vessel import vessel
from backend.protocol import Rot, Shrivel, Wilt
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
REED = turned([(0.005, 0.0), (0.07, 0.0), (0.07, 0.3), (0.07, 0.6), (0.06, 0.6), (0.06, 0.3), (0.005, 0.05)])
DISH = turned([(0.02, 0.0), (0.2, 0.0), (0.2, 0.15), (0.2, 0.3), (0.17, 0.3), (0.17, 0.25), (0.02, 0.25)])
BLOCK = turned([(0.02, 0.0), (0.4, 0.0), (0.4, 0.2), (0.4, 0.4), (0.3, 0.4), (0.16, 0.4), (0.16, 0.25), (0.16, 0.1),
                (0.02, 0.1)])  # fmt: skip


def test_a_pot_and_its_soil_do_not_wilt_with_the_plant():
    body = body_of(*together(POT, SOIL, STEM))
    pot = np.arange(len(body.vertices)) < len(POT[0]) + len(SOIL[0])
    np.testing.assert_array_equal(vessel(Anatomy(body)), pot)
    last = lived(body, Wilt(), taus=(0.0, 1.0))[-1]
    np.testing.assert_array_equal(last.look.albedo[pot], body.albedo[pot])
    np.testing.assert_allclose(last.positions[pot], body.vertices[pot], atol=0.03)
    assert last.positions[~pot, 2].max() < 0.9
    for process in (Shrivel(), Rot()):
        strength = made(body, process).strength
        assert (strength[pot] == 0.0).all() and (strength[~pot] == 1.0).all()


def test_what_is_no_pot_is_not_taken_for_one():
    stalk = (STEM[0] * [1.0, 1.0, 0.6] + [0.0, 0.0, 0.47], STEM[1])
    lid = (FRUIT[0] * [0.4, 0.4, 0.1] + [0.0, 0.0, 0.28], FRUIT[1])
    for pieces in ((FRUIT, stalk), (REED, STEM), (DISH, STEM), (BLOCK, STEM), (POT, lid), (POT,)):
        assert not vessel(Anatomy(body_of(*together(*pieces)))).any()
    vertices, faces = together(POT, SOIL, STEM)
    painted = np.where(np.arange(len(vertices)) < 9, 0.5, 1.0)  # by which the artist says what lives
    assert not vessel(Anatomy(body_of(vertices, faces, weight=painted))).any()
