"""Solids that touch: skin held back where it meets itself, lattices that go on as one piece where they would cross."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from backend.geometry import lattice
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL
from backend.geometry.crossings import Crossings
from backend.geometry.elastic import Elastic
from backend.geometry.elastic.skin import Skin
from backend.geometry.elastic.zones import CORE, REACH, Zones, _affine
from backend.geometry.rest import Rest
from backend.geometry.standoff import StandOff
from backend.protocol import Crumple, Freeze, Swell, Wilt
from kernels.crossings import crossings
from tests.lives import ball, lived
from tests.shapes import standing


def two_balls(gap=0.012, fineness=3):
    """Side by side, of different sizes, neither on an axis of the other."""
    one = trimesh.creation.icosphere(subdivisions=fineness, radius=0.27)
    other = trimesh.creation.icosphere(subdivisions=fineness, radius=0.2)
    other.apply_translation(np.array([0.98, 0.1, 0.172]) * (0.47 + gap))
    return standing(trimesh.util.concatenate([one, other]))


def dimpled():
    """A ball with a hole in it, deep and narrow."""
    mesh = trimesh.creation.icosphere(subdivisions=4)
    aside = np.arccos(np.clip(mesh.vertices @ [0.6, 0.0, 0.8], -1.0, 1.0))
    mesh.vertices *= 1.0 - 0.55 * np.exp(-((aside / 0.16) ** 4))[:, None]
    return standing(mesh)


def crossed(positions, body):
    return int(crossings(positions[body.faces], body.faces.astype(np.int64), 1e-6).sum())


def inflated(body, puff, steps=24):
    engine = Elastic(Anatomy(body), FULL, 0, True)
    for step in range(1, steps + 1):
        rest = Rest.of(len(body.vertices))
        rest.inflate(puff * step / steps)
        engine.step(rest)
    return engine.positions


@pytest.fixture
def nothing_holds(monkeypatch):
    monkeypatch.setattr(StandOff, "clear", lambda self, carried, wanted: wanted)
    monkeypatch.setattr(Zones, "kept_apart", lambda self, before, after: after)


SUBJECTS = {"two balls": (two_balls, 0.03), "a dimple": (dimpled, 0.07)}


@pytest.fixture(params=SUBJECTS)
def swelling(request):
    subject, puff = SUBJECTS[request.param]
    return subject(), puff


# --- skin


def test_what_swells_into_itself_stops_there(swelling):
    body, puff = swelling
    assert crossed(body.vertices, body) == 0
    last = inflated(body, puff)
    assert crossed(last, body) == 0
    moved = np.linalg.norm(last - body.vertices, axis=1)
    assert np.quantile(moved, 0.8) > 0.7 * puff  # and all else goes on


def test_without_contact_it_would_cross(swelling, nothing_holds):
    body, puff = swelling
    assert crossed(inflated(body, puff), body) > 4


def test_where_nothing_touches_not_a_bit_changes(monkeypatch):
    def lives():
        return [lived(ball(), settings)[-1].positions for settings in (Swell(), Wilt())]

    held = lives()
    monkeypatch.setattr(StandOff, "clear", lambda self, carried, wanted: wanted)
    monkeypatch.setattr(Zones, "kept_apart", lambda self, before, after: after)
    for one, other in zip(held, lives(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_crushed_ball_does_not_cross_itself():
    body = ball(4)
    assert crossed(lived(body, Crumple(tightness=0.8))[-1].positions, body) <= 2


def test_skin_is_held_back_where_it_touches_smoothly_around_and_for_good():
    body, reach = two_balls(fineness=4), 0.15
    standoff = StandOff(body.vertices, body.faces, reach)
    normals = Anatomy(body).outward
    first = standoff.clear(body.vertices, body.vertices + 0.02 * normals)
    kept = standoff.kept
    assert crossed(first, body) == 0 and kept.min() < 0.9
    labels = Anatomy(body).labels
    gap = np.linalg.norm(body.vertices[labels == 0][:, None] - body.vertices[labels == 1], axis=2).min(axis=1)
    assert (kept[labels == 0][gap > 0.55] == 1.0).all()
    edges = trimesh.Trimesh(body.vertices, body.faces, process=False).edges_unique
    length = np.linalg.norm(body.vertices[edges[:, 0]] - body.vertices[edges[:, 1]], axis=1)
    steepest = 1.5 * (1.0 - kept.min()) / reach
    assert (np.abs(np.diff(kept[edges], axis=1)[:, 0]) < steepest * length).all()
    np.testing.assert_allclose(first - body.vertices, 0.02 * kept[:, None] * normals, atol=1e-12)
    standoff.clear(body.vertices, body.vertices + 0.001 * normals)
    np.testing.assert_array_equal(standoff.kept, kept)
    standoff.clear(body.vertices, body.vertices + 0.06 * normals)
    assert (standoff.kept <= kept).all() and standoff.kept.min() < kept.min()


def test_what_crosses_from_the_start_is_left_alone():
    body = two_balls(gap=-0.03)
    before = crossed(body.vertices, body)
    standoff = StandOff(body.vertices, body.faces, 0.08)
    wanted = body.vertices * [1.1, 1.0, 1.0]
    assert before > 4
    np.testing.assert_array_equal(standoff.clear(body.vertices, wanted), wanted)


def test_a_fork_touches_by_itself():
    body = two_balls()
    engine = Elastic(Anatomy(body), FULL, 0, True)
    rest = Rest.of(len(body.vertices))
    rest.inflate(0.03)
    other = engine.fork()
    for _ in range(8):
        engine.step(rest)
    skins = [next(one for one in which._engines if isinstance(one, Skin)) for which in (engine, other)]
    assert skins[0].standoff.kept.min() < 1.0
    assert skins[1].standoff.kept.min() == 1.0


def test_frost_does_not_grow_through_frost(monkeypatch):
    body = two_balls(gap=0.0005)
    assert crossed(lived(body, Freeze(crystals=1.0))[-1].positions, body) == 0
    monkeypatch.setattr(StandOff, "clear", lambda self, carried, wanted: wanted)
    assert crossed(lived(body, Freeze(crystals=1.0))[-1].positions, body) > 0


# --- lattice


def zoned(body):
    grid = lattice.build(body.vertices, body.faces, np.zeros((0, 2, 3)), 3000)
    follow = grid.embedding(body.vertices)
    return grid, follow, Zones(body.vertices, body.faces, follow, grid.cell)


def closing(body, grid, shift):
    """The nodes of the second ball, on the right, moved left; and all of it turned."""
    right = grid.nodes[:, 0] > body.vertices[Anatomy(body).labels == 1, 0].min() - grid.cell
    turn = Rotation.from_rotvec([0.05, 0.1, -0.2])
    return turn.apply(grid.nodes - right[:, None] * [shift, 0.0, 0.0]) + [0.0, 0.0, 0.3]


def test_solids_that_would_pass_through_each_other_go_on_as_one_piece():
    body = two_balls(gap=0.1)
    grid, follow, zones = zoned(body)
    after = closing(body, grid, 0.13)
    assert crossed(follow @ after, body) > 4
    moved = zones.kept_apart(grid.nodes, after)
    assert crossed(follow @ moved, body) == 0
    touching = np.flatnonzero(np.abs(moved - after).max(axis=1) > 1e-12)
    assert 8 < len(touching) < 0.8 * len(after)  # what is far away is not concerned


def test_what_does_not_cross_moves_as_it_likes():
    body = two_balls(gap=0.1)
    grid, _, zones = zoned(body)
    after = closing(body, grid, 0.05)
    assert zones.kept_apart(grid.nodes, after) is after


def test_one_affine_motion_is_kept_as_it_is():
    rng = np.random.default_rng(4)
    before, weight = rng.normal(size=(30, 3)), rng.uniform(0.1, 1.0, 30)
    after = before @ np.array([[0.9, 0.1, 0.0], [-0.2, 1.1, 0.3], [0.0, 0.1, 0.7]]) + [0.3, -0.2, 9.0]
    np.testing.assert_allclose(_affine(before, after, weight), after, atol=1e-9)


def test_a_piece_that_reaches_the_floor_is_lifted_not_flattened():
    rng = np.random.default_rng(5)
    before = rng.normal(size=(30, 3)) + [0.0, 0.0, 9.0]
    after = before - [0.0, 0.0, before[:, 2].min() + 1.0]
    moved = _affine(before, after, np.ones(30))
    assert moved[:, 2].min() == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(np.ptp(moved[:, 2]), np.ptp(before[:, 2]))


def test_heavy_surfaces_are_not_looked_through_in_every_step():
    body = ball(5)
    grid, _, zones = zoned(body)
    assert CORE < REACH and zones.every == 2
    found = []
    zones._crossings = type("Counted", (Crossings,), {"corners": lambda self, x: found.append(1) or np.zeros(0, int)})(
        body.vertices, body.faces
    )
    for _ in range(6):
        zones.kept_apart(grid.nodes, grid.nodes)
    assert len(found) == 3


def test_what_a_solid_carries_turns_and_grows_with_it():
    rng = np.random.default_rng(6)
    rest = rng.normal(size=(3, 8, 3))
    turn = Rotation.from_rotvec([[0.4, -1.0, 0.2], [0.0, 0.0, 2.0], [-0.3, 0.1, 0.0]]).as_matrix()
    motion = np.array([1.3, 0.6, 1.0])[:, None, None] * turn
    moved = rest @ motion.transpose(0, 2, 1) + [1.0, -2.0, 0.5]
    np.testing.assert_allclose(lattice.similarities(rest, moved), motion, atol=1e-9)
