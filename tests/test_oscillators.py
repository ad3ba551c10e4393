"""Damped oscillators in closed form, beside scipy's integrators and what is known of them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

from backend.oscillators import (
    Hand,
    Oscillators,
    State,
    Stepper,
    complex_state,
    compliance,
    free,
    ring_down,
    simulate,
)

ROOT = Path(__file__).resolve().parents[1]
RATIOS = [0.0, 0.02, 0.6, 0.99, 1 - 1e-9, 1.0, 1 + 1e-4, 3.0, 400.0]
MIXED = Oscillators([0.8, 2.3, 5.1, 0.3], [0.03, 0.5, 1.0, 2.5])


def euler_step(oscillators, state, force, seconds):
    """The paper's step, explicit Euler: a reference, which grows without bound past `euler_bound`."""
    w, xi = oscillators.omega, oscillators.damping
    return State(state.q + seconds * state.v, state.v + seconds * (force - w**2 * state.q - 2 * xi * w * state.v))


def euler_bound(oscillators):
    """(M,) seconds: explicit Euler decays with steps below these alone. Without damping there is none."""
    w, xi = oscillators.omega, oscillators.damping
    beyond = np.sqrt(np.maximum(xi**2 - 1, 0.0))
    return np.where(xi <= 1, 2 * xi / w, 2 / (w * (xi + beyond)))


def integrated(oscillator, force, until, start=(0.0, 0.0)):
    """q at `until` (T,) of one oscillator, by scipy."""
    w, xi = oscillator.omega[0], oscillator.damping[0]

    def rates(t, y):
        return [y[1], force(t) - w**2 * y[0] - 2 * xi * w * y[1]]

    run = solve_ivp(rates, (0, until[-1]), start, t_eval=until, rtol=1e-10, atol=1e-13, method="DOP853", max_step=0.02)
    return run.y[0]


# --- response to a steady swing


@pytest.mark.parametrize("frequency", [0.3, 0.8, 3.0])
def test_a_steady_swing_is_answered_as_scipy_finds_it(frequency):
    oscillator = Oscillators([0.9], [0.15])
    times = np.linspace(20, 24, 9)  # what the start left has rung out
    answer = oscillator.transfer([frequency])[0, 0]
    expected = integrated(oscillator, lambda t: np.cos(2 * np.pi * frequency * t + 0.4), times)
    np.testing.assert_allclose(
        (answer * np.exp(1j * (2 * np.pi * frequency * times + 0.4))).real, expected, atol=1e-6 * abs(answer) + 1e-8
    )


def test_at_resonance_it_swings_a_quarter_behind_and_by_one_over_twice_the_damping():
    oscillators = Oscillators([0.8, 2.0], [0.05, 0.2])
    answer = oscillators.transfer([0.0, 0.8, 2.0])
    np.testing.assert_allclose(answer[0], 1 / oscillators.omega**2)
    for k, m in ((1, 0), (2, 1)):
        gain = answer[k, m] * oscillators.omega[m] ** 2
        assert gain == pytest.approx(-0.5j / oscillators.damping[m])


@pytest.mark.parametrize("damping", [1e-3, 0.05, 0.7, 1.0, 1 + 1e-9, 4.0])
@pytest.mark.parametrize("frequency", [0.2, 0.8, 1.0, 3.0])
def test_a_band_is_answered_by_its_root_mean_square(damping, frequency):
    oscillator = Oscillators([0.87], [damping])

    def squared(f):
        return abs(oscillator.transfer([f])[0, 0]) ** 2

    peak = [0.87 + side * damping * 0.87 for side in (-1, 0, 1)]
    inside = [p for p in peak if abs(p - frequency) < 0.1]
    mean = quad(squared, frequency - 0.1, frequency + 0.1, points=inside or None, limit=400, epsabs=0)[0] / 0.2
    answer = oscillator.band_transfer([frequency], 0.2)[0, 0]
    assert abs(answer) == pytest.approx(np.sqrt(mean), rel=1e-4)
    assert np.angle(answer) == pytest.approx(np.angle(oscillator.transfer([frequency])[0, 0]))


def test_a_steady_load_has_no_band():
    oscillators = Oscillators([0.05, 0.9], 0.1)
    np.testing.assert_allclose(oscillators.band_transfer([0.0], 0.2)[0], 1 / oscillators.omega**2)


def test_all_bands_together_have_the_variance_of_white_noise_wherever_the_resonance_lies():
    # The integral of |H|^2 over all frequencies is 1 / (8 xi w^3) a hertz, one-sided.
    for frequency in (0.8, 0.83, 0.9):
        oscillator = Oscillators([frequency], [0.02])
        bands = oscillator.band_transfer(0.2 * np.arange(1, 200), 0.2)[:, 0]
        half = 0.5 * abs(oscillator.transfer([0.0])[0, 0]) ** 2  # of the lowest, from 0 to half a bin
        variance = 0.2 * (np.sum(np.abs(bands) ** 2) + half)
        assert variance == pytest.approx(1 / (8 * 0.02 * oscillator.omega[0] ** 3), rel=2e-3)


# --- steps


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("seconds", [1e-4, 0.04, 1.0, 50.0])
def test_a_step_is_the_exponential_of_the_system(ratio, seconds):
    oscillator = Oscillators([0.7], [ratio])
    w = oscillator.omega[0]
    expected = expm(seconds * np.array([[0, 1], [-(w**2), -2 * ratio * w]]))
    np.testing.assert_allclose(free(oscillator, [seconds])[0, :, :, 0], expected, rtol=1e-6, atol=1e-9 * (1 + w))


def test_two_steps_are_one_of_twice_the_length():
    state = State(np.array([0.1, -0.2, 0.3, 0.05]), np.array([1.0, 0.4, -2.0, 0.0]))
    force = np.array([1.0, -2.0, 0.5, 0.1])
    short, long = Stepper(MIXED, 0.3), Stepper(MIXED, 0.6)
    twice, once = short.step(short.step(state, force), force), long.step(state, force)
    np.testing.assert_allclose(twice.q, once.q, rtol=1e-12)
    np.testing.assert_allclose(twice.v, once.v, rtol=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0, 2.0])
def test_a_force_that_is_straight_between_its_samples_is_followed_exactly(ratio):
    oscillator = Oscillators([0.9], [ratio])
    samples = np.random.default_rng(4).normal(size=9)
    path, state = simulate(oscillator, samples[:, None], rate=2.0, start=State(np.array([0.02]), np.array([-0.1])))
    times = np.arange(9) / 2.0
    expected = integrated(oscillator, lambda t: np.interp(t, times, samples), times, (0.02, -0.1))
    np.testing.assert_allclose(path[:, 0], expected, atol=1e-7)
    np.testing.assert_array_equal(path[-1], state.q)


def test_what_is_held_at_rest_stays():
    force = np.array([3.0, 1.0, -2.0, 0.5])
    state = Stepper(MIXED, 0.1).step(State(MIXED.static(force), np.zeros(4)), force)
    np.testing.assert_allclose(state.q, MIXED.static(force), rtol=1e-13)
    np.testing.assert_allclose(state.v, 0, atol=1e-13)


def test_let_go_it_rings_down_by_its_logarithmic_decrement():
    oscillator = Oscillators([0.8], [0.05])
    period = 1 / (0.8 * np.sqrt(1 - 0.05**2))
    rung = ring_down(oscillator, State(np.array([1.0]), np.array([0.0])), [0.0, period, 3 * period])[:, 0]
    decrement = 2 * np.pi * 0.05 / np.sqrt(1 - 0.05**2)
    np.testing.assert_allclose(rung, np.exp(-decrement * np.array([0, 1, 3])), rtol=1e-12)


def test_struck_it_rings_from_where_it_was():
    oscillator = Oscillators([0.8], [0.05])
    times = np.array([0.1, 0.9, 2.0])
    rung = ring_down(oscillator, State(np.array([0.2]), np.array([-3.0])), times)[:, 0]
    np.testing.assert_allclose(rung, integrated(oscillator, lambda t: 0.0, times, (0.2, -3.0)), atol=1e-8)


def test_in_honey_it_creeps_back():
    oscillator = Oscillators([0.8], [1e7])
    crept = 1 - ring_down(oscillator, State(np.array([1.0]), np.array([0.0])), [100.0])[0, 0]
    assert crept == pytest.approx(oscillator.omega[0] * 100 / 2e7, rel=1e-4)


def test_without_damping_nothing_is_lost():
    oscillators = Oscillators([0.8, 3.0], 0.0)
    start = State(np.array([1.0, -0.5]), np.array([0.2, 4.0]))
    taken = free(oscillators, np.linspace(0, 100, 50))
    q = taken[:, 0, 0] * start.q + taken[:, 0, 1] * start.v
    v = taken[:, 1, 0] * start.q + taken[:, 1, 1] * start.v
    energy = v**2 + oscillators.omega**2 * q**2
    np.testing.assert_allclose(energy, np.broadcast_to(energy[0], energy.shape), rtol=1e-10)


@pytest.mark.parametrize(("ratio", "steps"), [(0.05, 400), (0.7, 40), (1.0, 40), (3.0, 40)])
def test_explicit_euler_decays_below_its_bound_and_grows_above(ratio, steps):
    oscillator = Oscillators([1.3], [ratio])

    def energy(state):
        return state.v[0] ** 2 + (oscillator.omega[0] * state.q[0]) ** 2

    def left(seconds):
        start = state = State(np.array([1.0]), np.array([0.3]))
        for _ in range(steps):
            state = euler_step(oscillator, state, 0.0, seconds)
        return energy(state) / energy(start)

    bound = euler_bound(oscillator)[0]
    assert left(0.9 * bound) < 0.8
    assert left(1.1 * bound) > 1.2


def test_euler_goes_to_the_exact_step_with_its_length():
    force = np.array([1.0, -2.0, 0.5, 0.1])
    start = State(np.array([0.1, -0.2, 0.3, 0.05]), np.array([1.0, 0.4, -2.0, 0.0]))
    errors = []
    for seconds in (1e-3, 1e-4):
        one, exact = euler_step(MIXED, start, force, seconds), Stepper(MIXED, seconds).step(start, force)
        errors.append(max(np.abs(one.q - exact.q).max(), np.abs(one.v - exact.v).max()))
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_the_complex_state_turns_backwards_with_time():
    oscillators = Oscillators([0.8], [0.0])
    start = State(np.array([0.3]), np.array([0.7]))
    later = free(oscillators, [0.21])[0, :, :, 0] @ [0.3, 0.7]
    y = complex_state(oscillators, start)
    turned = complex_state(oscillators, State(later[:1], later[1:]))
    np.testing.assert_allclose(turned, y * np.exp(1j * oscillators.omega * 0.21))


# --- hands


def held_point(seed=7):
    rng = np.random.default_rng(seed)
    oscillators = Oscillators(np.sort(rng.uniform(0.5, 6, 8)), 0.05)
    return oscillators, rng.normal(size=(8, 3))


def test_a_hand_holds_its_point_with_the_least_energy():
    oscillators, there = held_point()
    hand = Hand(oscillators, there, give=0.0)
    wanted = np.array([0.1, -0.05, 0.02])
    q = hand.held(wanted)
    np.testing.assert_allclose(q @ there, wanted, atol=1e-12)
    energy = oscillators.omega**2 @ q**2
    rng = np.random.default_rng(8)
    for _ in range(20):
        aside = rng.normal(size=8)
        aside -= np.linalg.lstsq(there.T, there.T @ aside, rcond=None)[0]  # leaves the point where it is
        assert oscillators.omega**2 @ (q + 0.01 * aside) ** 2 > energy


def test_a_hand_near_the_root_gives_way_and_does_not_fling_the_tip():
    oscillators, tip = held_point()
    root = 1e-3 * tip
    wanted = np.array([0.1, 0.0, 0.0])
    give = 0.01 * np.trace(compliance(oscillators, tip))
    assert np.linalg.norm(Hand(oscillators, root, give).held(wanted) @ tip) < 0.1
    firm = Hand(oscillators, tip, give).held(wanted) @ tip
    assert 0.07 < np.linalg.norm(firm) < 0.1


def test_a_slow_hand_is_followed_and_a_fast_one_leaves_it_ringing():
    oscillators, there = held_point()
    hand = Hand(oscillators, there, give=0.0)
    way = np.array([0.2, 0.1, -0.1])

    def moved(seconds, afterwards=0):
        eased = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, round(100 * seconds)))
        return hand.led(5.0 + eased[:, None] * way, rate=100.0, afterwards=afterwards)

    np.testing.assert_allclose(moved(60.0)[-1] @ there, way, atol=1e-3)
    assert np.abs(moved(0.1)[-1] @ there - way).max() > 0.05
    let_go = moved(60.0, afterwards=9000)
    np.testing.assert_allclose(let_go[6000], let_go[5999], atol=0.02 * np.abs(let_go[5999]).max())
    assert np.abs(let_go[-1]).max() < 1e-3 * np.abs(let_go[5999]).max()


def test_the_add_ons_hand_and_its_steps_are_these():
    """The add-on works without the backend, so it has the formulas once more."""
    spec = importlib.util.spec_from_file_location("ringing", ROOT / "blender_addon" / "scene" / "ringing.py")
    there = importlib.util.module_from_spec(spec)
    sys.modules["ringing"] = there  # where a dataclass looks for its module
    spec.loader.exec_module(there)
    oscillators, shapes = held_point()
    modes = there.Modes(shapes[:, None].astype(np.float32), oscillators.frequencies, oscillators.damping)
    wanted = np.array([0.1, -0.05, 0.02])
    give = there.SOFT * np.trace(compliance(oscillators, shapes))
    held = Hand(oscillators, shapes, give).held(wanted)
    np.testing.assert_allclose(there.grip(modes, 0) @ wanted, held, rtol=1e-5)
    start = State(held, np.linspace(-1, 1, 8))
    goal = np.linspace(0.01, 0.03, 8)
    mine = Stepper(oscillators, 0.04).step(start, goal * oscillators.omega**2)
    other = there.advance(modes, there.State(start.q, start.v), 0.04, goal)
    np.testing.assert_allclose(other.q, mine.q, rtol=1e-6)
    np.testing.assert_allclose(other.v, mine.v, rtol=1e-6)


# --- refusals


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda: Oscillators([0.5, 0.0], 0.1), "free motions"),
        (lambda: Oscillators([0.5], -0.1), "not negative"),
        (lambda: Oscillators([0.5], 0.0).band_transfer([0.4], 0.2), "damping above 0"),
        (lambda: Hand(*held_point(), give=0.1).led(np.zeros((1, 3)), 25.0), "two samples"),
        (lambda: Hand(*held_point(), give=0.1).led(np.zeros((4, 2)), 25.0), "three coordinates"),
    ],
)
def test_what_cannot_be_is_refused_in_words(refused, words):
    with pytest.raises(ValueError, match=words):
        refused()
