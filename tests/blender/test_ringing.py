"""How a body rings by its modes, and a hand that takes it, moves it and lets it go."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import oscillators  # noqa: E402
from blender_addon.scene import ringing  # noqa: E402
from blender_addon.scene.ringing import Hand, State  # noqa: E402
from tests.blender.swaying import FPS, some_modes  # noqa: E402


@pytest.mark.parametrize("damping", [0.0, 0.02, 0.7, 1.0, 1.0 + 1e-9, 1.001, 5.0])
@pytest.mark.parametrize("seconds", [1e-3, 0.04, 2.0])
def test_a_step_is_that_of_the_equation(damping, seconds):
    modes, random = some_modes(damping=damping), np.random.default_rng(1)
    start = State(*random.normal(0, 1, (2, 4)))
    found = ringing.advance(modes, start, seconds)
    for m, frequency in enumerate(modes.frequencies):
        w = 2 * np.pi * frequency
        matrix = np.array([[0.0, 1.0], [-(w**2), -2 * damping * w]])
        expected = exponential(matrix * seconds) @ [start.q[m], start.v[m]]
        np.testing.assert_allclose([found.q[m], found.v[m]], expected, rtol=1e-9, atol=1e-9)


def exponential(matrix):
    """By its series, of the 1024th part, ten times squared."""
    small, term, total = matrix / 1024, np.eye(2), np.eye(2)
    for n in range(1, 20):
        term = term @ small / n
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def test_many_small_steps_are_one_large_one():
    modes, random = some_modes(), np.random.default_rng(2)
    start, goal = State(*random.normal(0, 1, (2, 4))), random.normal(0, 1, 4)
    small = start
    for _ in range(50):
        small = ringing.advance(modes, small, 0.03, goal)
    large = ringing.advance(modes, start, 1.5, goal)
    np.testing.assert_allclose([small.q, small.v], [large.q, large.v], rtol=1e-9)


def test_it_rings_as_the_backend_has_it():
    modes, random = some_modes(), np.random.default_rng(3)
    q, v = random.normal(0, 1, (2, 4))
    times = np.arange(1, 30) / FPS
    theirs = oscillators.ring_down(
        oscillators.Oscillators(modes.frequencies, modes.damping), oscillators.State(q, v), times
    )
    ours = [ringing.advance(modes, State(q, v), time).q for time in times]
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_a_steady_force_ends_where_it_would_hold_the_modes():
    modes, goal = some_modes(damping=0.2), np.array([1.0, -2.0, 0.5, 0.1])
    found = ringing.advance(modes, ringing.at_rest(modes), 60.0, goal)
    np.testing.assert_allclose(found.q, goal, rtol=1e-6)
    np.testing.assert_allclose(found.v, 0, atol=1e-6)


def test_a_grip_brings_the_vertex_along_at_the_least_energy(monkeypatch):
    monkeypatch.setattr(ringing, "SOFT", 1e-9)
    modes = some_modes(count=6)
    d = np.array([0.1, -0.2, 0.05])
    q = ringing.grip(modes, 7) @ d
    np.testing.assert_allclose(ringing.displacement(modes, q)[7], d, atol=1e-5)
    energy = ((2 * np.pi * modes.frequencies * q) ** 2).sum()
    idle = np.linalg.svd(modes.shapes[:, 7].T.astype(float))[2][3:]  # what does not move the vertex
    for way in idle:
        for sign in (-0.01, 0.01):
            assert ((2 * np.pi * modes.frequencies * (q + sign * way)) ** 2).sum() > energy


def test_a_stalk_pulled_along_itself_does_not_fly_to_pieces():
    modes = some_modes()
    modes.shapes[:, :, 2] *= 1e-4  # it hardly gives upwards
    q = ringing.grip(modes, 3) @ np.array([0.0, 0.0, 1.0])
    assert np.abs(ringing.displacement(modes, q)).max() < 0.05
    along = ringing.grip(modes, 3) @ np.array([1.0, 0.0, 0.0])
    assert ringing.displacement(modes, along)[3][0] > 0.8


def test_what_is_held_cannot_be_pulled():
    modes = some_modes()
    modes.shapes[:, 5] = 0
    assert not ringing.grip(modes, 5).any()


def test_however_far_the_hand_goes_the_body_stays_within_its_limit():
    modes = some_modes()
    grip = ringing.grip(modes, 7)
    for metres in (0.01, 1.0, 100.0):
        moved = ringing.displacement(modes, ringing.within(modes, grip @ [metres, 0, 0], 0.5))
        farthest = np.linalg.norm(moved, axis=1).max()
        assert farthest < 0.5
    assert farthest == pytest.approx(0.5, rel=1e-3)


# --- The hand


def test_the_vertex_follows_the_hand_and_rings_out_when_it_lets_go():
    modes = some_modes()
    hand = Hand(modes, limit=10.0)
    hand.take(9)
    hand.move(np.array([0.0, 0.1, 0.0]))
    for _ in range(200):
        held = hand.tick(0.01)
    np.testing.assert_allclose(held, ringing.grip(modes, 9) @ [0, 0.1, 0], rtol=2e-3)
    hand.let_go()
    after = hand.tick(1e-9)
    np.testing.assert_allclose(after, held, rtol=1e-6)  # nothing jumps
    found = hand.tick(0.5)
    expected = ringing.advance(modes, State(held, np.zeros(4)), 0.5).q
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(hand.tick(120.0)).max() < 1e-6


def test_a_flick_goes_on_with_the_speed_of_the_hand():
    modes = some_modes()
    hand = Hand(modes, limit=100.0)
    hand.take(9)
    for n in range(1, 101):
        hand.move(np.array([0.0, 0.002 * n, 0.0]))
        hand.tick(0.01)
    hand.let_go()
    np.testing.assert_allclose(hand.state.v, ringing.grip(modes, 9) @ [0, 0.2, 0], rtol=1e-2)


def test_however_fast_the_flick_the_body_stays_near_its_limit():
    modes = some_modes(damping=0.01)
    hand = Hand(modes, limit=0.5)
    hand.take(9)
    hand.move(np.array([0.0, 50.0, 0.0]))
    hand.tick(0.001)
    hand.let_go()
    swings = [ringing.displacement(modes, hand.tick(0.03)) for _ in range(100)]
    assert 0.5 < np.linalg.norm(swings, axis=2).max() < 2.5 * 0.5


def test_what_rings_is_taken_without_a_jump():
    modes = some_modes()
    hand = Hand(modes, limit=10.0)
    hand.state = State(np.array([0.1, -0.05, 0.2, 0.0]), np.array([0.0, 0.3, 0.0, 0.1]))
    before = hand.state.q.copy()
    hand.take(4)
    np.testing.assert_allclose(hand.tick(1e-9), before, atol=1e-7)
    hand.let_go()
    np.testing.assert_allclose(hand.tick(1e-9), before, atol=1e-7)
