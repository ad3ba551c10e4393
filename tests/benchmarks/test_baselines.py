"""The baselines on motions whose answer is known, and that each sees only what it says it is given."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from backend.clip import Clip, Mesh
from backend.species import Rose
from tests.benchmarks.lifebench import baselines
from tests.benchmarks.lifebench.baselines import (
    BASELINES,
    HANDLES,
    LEAST,
    Sound,
    amberg,
    arap,
    chosen_handles,
    similarity,
    still,
    sumner,
)
from tests.benchmarks.lifebench.nouns import Truth
from tools.environments import LEARNED_ENVIRONMENT

needs_igl = pytest.mark.skipif(
    not LEARNED_ENVIRONMENT.executable.exists(), reason=f"there is no {LEARNED_ENVIRONMENT.executable}"
)
AS_GIVEN = [pytest.param(each, marks=needs_igl if each is arap else ()) for each in BASELINES]


def truth_of(positions, faces, given=None, **look):
    """A life made by hand."""
    positions = np.asarray(positions, np.float32)
    tau = np.linspace(0, 1, len(positions), dtype=np.float32)
    return Truth(
        Clip(Mesh.from_triangles(positions[0], faces), positions, tau, 10.0, **look), Rose(), 0, None, given=given
    )


def error(sequence, truth, frame):
    """Metres, the mean over the vertices."""
    return np.linalg.norm(sequence.positions[frame] - truth.sequence.positions[frame], axis=1).mean()


def off_the_surface(sequence, truth, frame):
    """Metres, the mean from the answer's vertices to points that lie close together on the truth's surface."""
    surface = trimesh.Trimesh(truth.sequence.positions[frame], truth.sequence.frames[0][1], process=False)
    points, _ = trimesh.sample.sample_surface(surface, 200_000, seed=5)
    return cKDTree(points).query(sequence.positions[frame])[0].mean()


@pytest.fixture(scope="module")
def rose():
    """Its last third, in which petals wilt and fall."""
    whole = Truth.grown(Rose(detail=0.3), 23, 7)
    clip = whole.clip
    look = {"albedo": clip.albedo[4:], "roughness": clip.roughness[4:]}
    return Truth(
        Clip(clip.subject, clip.positions[4:], clip.tau[4:], clip.fps, **look), whole.record, whole.seed, None, given=1
    )


@pytest.mark.parametrize("baseline", AS_GIVEN)
def test_each_answers_with_the_mesh_and_the_colours_it_was_given(rose, baseline):
    answer = baseline(rose)
    known = rose.sequence
    assert answer.tracked and answer.name == baseline.__name__
    np.testing.assert_array_equal(answer.times, known.times)
    np.testing.assert_array_equal(answer.frames[2][1], known.frames[0][1])
    np.testing.assert_allclose(answer.positions[1], known.positions[1], atol=2e-5)
    for frame in range(3):
        np.testing.assert_array_equal(answer.albedo[frame], known.albedo[1])
        np.testing.assert_array_equal(answer.roughness[frame], known.roughness[1])
    if baseline is still:
        np.testing.assert_array_equal(answer.positions, np.repeat(known.positions[1][None], 3, axis=0))
    else:
        assert error(answer, rose, 2) < 0.8 * error(still(rose), rose, 2)


def bent(vertices, angle):
    """A rod along z bent into an arc of `angle` radians in x: its middle line keeps its length."""
    x, y, z = vertices.T
    phase = angle * z
    radius = 1 / angle - x
    return np.stack([1 / angle - radius * np.cos(phase), y, radius * np.sin(phase)], axis=1)


@pytest.fixture(scope="module")
def rod():
    """A closed rod of length 1 that bends by more than a right angle."""
    mesh = trimesh.creation.box((0.1, 0.14, 1.0)).subdivide_to_size(0.06).apply_translation((0, 0, 0.5))
    frames = [mesh.vertices if k == 0 else bent(mesh.vertices, 0.35 * k) for k in range(6)]
    return truth_of(frames, mesh.faces, given=2)


def test_similarity_is_exact_where_the_truth_is_one_and_never_mirrors():
    ball = trimesh.creation.icosphere(2)
    vertices = ball.vertices * [1.0, 0.6, 0.3] + [0, 0, 0.1] * ball.vertices[:, :1] ** 2
    turn = Rotation.from_rotvec([0.4, -2.0, 0.9]).as_matrix()
    moved = 1.7 * vertices @ turn.T + [3.0, -1.0, 2.0]
    mirrored = vertices * [1, 1, -1]
    truth = truth_of([vertices, moved, mirrored], ball.faces)
    answer = similarity(truth)
    np.testing.assert_allclose(answer.positions[1], moved, atol=1e-6)
    volumes = [trimesh.Trimesh(each, ball.faces, process=False).volume for each in answer.positions]
    assert volumes[1] == pytest.approx(1.7**3 * volumes[0], rel=1e-5)
    assert volumes[2] > 0
    mean = vertices.mean(axis=0)
    best, _ = Rotation.align_vectors(mirrored - mirrored.mean(axis=0), vertices - mean)  # scipy's, without a scale
    turned = best.apply(vertices - mean)
    scale = (turned * (mirrored - mirrored.mean(axis=0))).sum() / (turned**2).sum()
    np.testing.assert_allclose(answer.positions[2], scale * turned + mirrored.mean(axis=0), atol=1e-6)


def test_similarity_of_a_point_stays_a_point():
    ball = trimesh.creation.icosphere(1)
    truth = truth_of([0 * ball.vertices + 0.5, ball.vertices], ball.faces)
    np.testing.assert_allclose(similarity(truth).positions[1], 0, atol=1e-6)


@pytest.mark.parametrize("register", [amberg, sumner])
def test_a_registration_comes_to_the_surface_and_does_not_see_what_slides_on_it(register):
    ball = trimesh.creation.icosphere(2)
    oval = ball.vertices * [1.3, 1.0, 0.8]
    slid = Rotation.from_euler("z", 0.7).apply(ball.vertices)  # the same sphere, and every vertex elsewhere
    truth = truth_of([ball.vertices, oval, slid], ball.faces)
    answer = register(truth)
    assert off_the_surface(answer, truth, 1) < 0.1 * off_the_surface(still(truth), truth, 1)
    away = np.linalg.norm(answer.positions[2] - ball.vertices, axis=1)
    assert away.mean() < 0.02
    assert error(answer, truth, 2) > 0.4  # sliding: 2 sin(0.35) of a mean radius of pi / 4


def test_what_is_gone_is_no_surface():
    """Of two balls one is gone in the second frame: what was registered to it would have stayed apart."""
    ball = trimesh.creation.icosphere(2)
    two = np.concatenate([ball.vertices, ball.vertices + [5, 0, 0]])
    faces = np.concatenate([ball.faces, ball.faces + len(ball.vertices)])
    opacity = np.ones((2, len(two)), np.float32)
    opacity[1, len(ball.vertices) :] = 0
    truth = truth_of([two, two], faces, opacity=opacity)
    answer = sumner(truth)
    np.testing.assert_allclose(answer.positions[1][: len(ball.vertices)], ball.vertices, atol=0.05)
    assert answer.positions[1][len(ball.vertices) :, 0].max() < 1.5


def test_handles_are_spread_over_every_piece():
    parts = [trimesh.creation.icosphere(3), trimesh.creation.box(), trimesh.creation.icosphere(1)]
    vertices = np.concatenate([part.vertices + [4 * k, 0, 0] for k, part in enumerate(parts)])
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)])
    handles = chosen_handles(vertices, faces)
    counts = [((handles >= low) & (handles < high)).sum() for low, high in pairwise(starts)]
    assert counts[1:] == [LEAST, LEAST] and counts[0] == round(HANDLES * len(parts[0].vertices) / len(vertices))
    alone = chosen_handles(parts[0].vertices, parts[0].faces)
    assert len(alone) == len(set(alone)) == HANDLES
    assert len(set(chosen_handles(np.zeros((5, 3)), np.array([(0, 1, 2), (2, 3, 4)])))) == 5
    apart = np.linalg.norm(parts[0].vertices[alone][:, None] - parts[0].vertices[alone][None], axis=2)
    # as far apart as 32 points on a sphere can be is 0.66 (Tammes); farthest points come within a factor of two
    assert apart[np.triu_indices(HANDLES, 1)].min() > 0.35


@needs_igl
def test_arap_follows_a_bend_and_a_rigid_motion_from_the_middle_both_ways(rod):
    answer = arap(rod)
    straight, farthest = np.ptp(rod.sequence.positions[0], axis=0).max(), error(still(rod), rod, 5)
    assert error(answer, rod, 2) < 1e-5
    for frame in (0, 5):
        assert error(answer, rod, frame) < 0.03 * straight < 0.3 * farthest
    turn = Rotation.from_rotvec([0.3, 0.2, -0.4])
    places = [rod.sequence.positions[0]]
    for _ in range(4):
        places.append(turn.apply(places[-1]) + [0.1, 0, 0.2])
    rigid = truth_of(places, rod.sequence.frames[0][1], given=1)
    answer = arap(rigid)
    assert max(error(answer, rigid, frame) for frame in range(5)) < 2e-3


def test_what_no_solver_takes_is_left_out_and_follows():
    """A disc whose middle is three vertices at one place, with a needle at its rim and a vertex that no face has."""
    ring = np.array([(np.cos(a), np.sin(a), 0.1 * a) for a in np.arange(6) * np.pi / 3])
    vertices = np.concatenate([np.zeros((3, 3)), ring, [(1.5, 0, 0), (2.0, 0, 0), (0, 0.95, 0.2)]])
    faces = [(k // 2, 3 + k, 3 + (k + 1) % 6) for k in range(6)] + [(0, 1, 3), (0, 1, 5), (1, 2, 7), (3, 9, 10)]
    vertices[[3, 9, 10]] = [(1, 0, 0), (1.5, 0, 0), (2, 0, 0)]
    sound = Sound.of(truth_of([vertices], np.array(faces)))
    assert sound.kept.tolist() == [0, *range(3, 9)]
    assert len(sound.faces) == 6
    np.testing.assert_allclose(sound.whole(sound.vertices), vertices, atol=1e-6)
    moved = sound.vertices.copy()
    moved[1] += [0, 0, 7]  # the ring's first
    whole = sound.whole(moved) - vertices
    assert np.flatnonzero(np.abs(whole[:, 2]) > 1).tolist() == [3, 9, 10]


def test_pieces_that_touch_do_not_lead_each_other():
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 0), (-1, 0, 0), (0, -1, 0.0)])
    sound = Sound.of(truth_of([vertices], np.array([(0, 1, 2), (3, 4, 5)])))
    assert sound.leader.tolist() == list(range(6))


@needs_igl
@pytest.mark.parametrize("baseline", [amberg, sumner, arap])
def test_a_mesh_that_no_solver_takes_gets_an_answer(baseline):
    ball = trimesh.creation.icosphere(2)
    doubled = np.concatenate([ball.vertices[:1], ball.vertices])  # 0 and 1 are at one place
    faces = ball.faces + 1
    mine = np.flatnonzero((faces == 1).any(axis=1))[:2]
    faces[mine] = np.where(faces[mine] == 1, 0, faces[mine])
    faces = np.concatenate([faces, [(1, 0, faces[mine[0]].max())]])
    truth = truth_of([doubled, 1.2 * doubled], faces)
    answer = baseline(truth)
    assert error(answer, truth, 1) < 0.5 * error(still(truth), truth, 1)


def test_without_libigl_arap_says_what_to_do(rod, monkeypatch, tmp_path):
    gone = type("Gone", (), {"executable": tmp_path / "python"})
    monkeypatch.setattr(baselines, "LEARNED_ENVIRONMENT", gone)
    with pytest.raises(baselines.Unavailable, match="--only learned"):
        arap(rod)
