"""Spectral volumes: what goes in comes out, in metres and in hertz; loops close; normalisation fills its range."""

import numpy as np
import pytest

from backend.spectral import (
    Loop,
    Scales,
    SpectralVolume,
    analyse,
    farthest,
    lifted,
    looped,
    magnified,
    seam,
    slowed,
    within,
)
from tests.played import synthesise


def drawn(bins=5, points=4, axes=3, seed=0, base=0.2):
    """A volume of random swings, falling as those of trees do; its lean is real."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, bins, points, axes)) * 0.5 ** np.arange(bins)[:, None, None]
    parts[1, 0] = 0.0
    return SpectralVolume((parts[0] + 1j * parts[1]).astype(np.complex64), base)


def close(one, other, atol=1e-6):
    assert one.base == pytest.approx(other.base)
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=atol)


# --- conventions


def test_a_swing_is_where_its_frequency_amplitude_and_phase_say():
    coefficients = np.zeros((4, 2, 3), np.complex64)
    coefficients[3, 1, 2] = 0.05 * np.exp(1j * 0.7)
    coefficients[0, 1, 2] = 0.01
    times = np.array([0.0, 0.13, 2.9, 71.03])
    moved = synthesise(SpectralVolume(coefficients, base=0.25), times)
    np.testing.assert_allclose(moved[:, 1, 2], 0.01 + 0.05 * np.cos(2 * np.pi * 0.75 * times + 0.7), atol=1e-6)
    assert not moved[:, 0].any() and not moved[:, 1, :2].any()


@pytest.mark.parametrize("count", [9, 12, 150])
def test_bins_are_rffts_bins_by_the_factors_told(count):
    displacements = np.random.default_rng(1).normal(size=(count, 3, 3))
    bins = (count + 1) // 2
    volume, _ = analyse(displacements, base=0.5, bins=bins)
    expected = np.fft.rfft(displacements, axis=0)[:bins] / count
    expected[1:] *= 2
    np.testing.assert_allclose(volume.coefficients, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(7, 3), (4, 5, 2)])
def test_a_motion_of_few_bins_comes_back_of_meshes_and_of_pictures(shape):
    rng = np.random.default_rng(2)
    coefficients = (rng.normal(size=(6, *shape)) + 1j * rng.normal(size=(6, *shape))).astype(np.complex64)
    coefficients[0].imag = 0
    volume = SpectralVolume(coefficients, 0.3)
    again, lost = analyse(looped(volume, 30), 0.3, bins=6)
    close(again, volume)
    assert lost < 1e-6


def test_what_is_cut_is_told():
    times = np.arange(64) / 64
    slow, fast = np.cos(2 * np.pi * 3 * times), 0.5 * np.sin(2 * np.pi * 20 * times)
    _, lost = analyse((slow + fast)[:, None, None] * np.array([1.0, 2.0, 0.0]), base=1.0, bins=16)
    assert lost == pytest.approx(0.25 / 1.25)


def test_energy_is_the_mean_square_of_the_motion():
    volume = drawn()
    moved = looped(volume, 40).astype(float)
    assert volume.energy().sum() == pytest.approx((moved**2).sum(axis=(1, 2)).mean(), rel=1e-5)
    only = magnified(volume, [0, 0, 1, 0, 0])
    assert volume.energy()[2] == pytest.approx((looped(only, 40).astype(float) ** 2).sum(axis=(1, 2)).mean(), rel=1e-5)


# --- playing


def test_a_loop_agrees_with_its_times_and_with_itself_at_another_rate():
    volume = drawn(base=0.4)
    frames = looped(volume, 24)
    np.testing.assert_allclose(frames, synthesise(volume, np.arange(24) / 24 * volume.period), atol=1e-6)
    np.testing.assert_allclose(looped(volume, 48)[::2], frames, atol=1e-6)


def test_a_loop_closes_to_the_bit_and_a_day_later_to_a_hair():
    volume = drawn(bins=16)
    here, there = synthesise(volume, [0.0, 1.0, 3.25]), synthesise(volume, np.array([5.0, 6.0, 8.25]))
    np.testing.assert_array_equal(here[0], there[0])
    np.testing.assert_allclose(here, there, atol=1e-6)
    np.testing.assert_allclose(synthesise(volume, [86_400.0 + 1.0])[0], here[1], atol=1e-5)


def test_magnifying_acts_bin_by_bin_and_slowing_on_the_clock_alone():
    volume = drawn(bins=3)
    times = np.linspace(0, 7, 11)
    twice = synthesise(magnified(volume, 2.0), times)
    np.testing.assert_allclose(twice, 2 * synthesise(volume, times), atol=1e-6)
    parts = sum(synthesise(magnified(volume, np.eye(3)[k]), times) for k in range(3))
    np.testing.assert_allclose(parts, synthesise(volume, times), atol=1e-6)
    np.testing.assert_allclose(synthesise(slowed(volume, 3.0), 3 * times), synthesise(volume, times), atol=1e-5)


def test_shapes_are_lifted_by_their_amplitudes():
    rng = np.random.default_rng(3)
    shapes = rng.normal(size=(2, 5, 3))
    amplitudes = rng.normal(size=(4, 2)) + 1j * rng.normal(size=(4, 2))
    volume = lifted(amplitudes, shapes, base=0.7)
    expected = amplitudes[:, 0, None, None] * shapes[0] + amplitudes[:, 1, None, None] * shapes[1]
    close(volume, SpectralVolume(expected, 0.7))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_lean_and_swing_are_held_each_within_its_reach(size):
    volume = magnified(drawn(bins=4), size)
    lean, swing = [1.0, 0, 0, 0], [0, 1.0, 1.0, 1.0]
    kept = within(volume, lean=0.3, swing=0.1)
    leans, swings = (farthest(magnified(kept, part)) for part in (lean, swing))
    assert leans < 0.3 * (1 + 1e-6) and swings < 0.1 * (1 + 1e-6)
    if size == 1e-3:
        close(kept, volume, atol=1e-6)
    if size == 1e3:
        assert leans > 0.299 and swings > 0.099
    ratio = kept.coefficients[1:] / volume.coefficients[1:]
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-4)


def test_how_far_it_gets_is_seen():
    coefficients = np.zeros((3, 2, 3), np.complex64)
    coefficients[0, 1], coefficients[2, 1] = [0.3, 0, 0], [0.1 * np.exp(0.8j), 0, 0]
    assert farthest(SpectralVolume(coefficients)) == pytest.approx(0.4, rel=0.02)


# --- the seam


def test_a_whole_loop_has_no_seam_and_a_cut_one_has():
    frames = looped(drawn(bins=6), 60)
    assert seam(frames) < 0.5
    assert seam(frames[:40]) > 3
    assert seam(np.concatenate([frames, frames[::-1]])) > seam(frames)
    assert seam(np.ones((8, 2, 3))) == 0
    jump = np.zeros((8, 2, 3))
    jump[:, 0, 0] = np.arange(8)
    assert seam(jump) == np.inf


# --- frequency-adaptive normalisation


def test_normalisation_fills_the_same_range_at_every_frequency():
    volumes = [drawn(bins=8, points=400, seed=seed) for seed in range(3)]
    scales = Scales.of(volumes)
    for volume in volumes:
        values = scales.normalised(volume)
        assert values.shape == (8, 400, 6)
        shares = (np.abs(values[1:]) <= 1).mean(axis=(1, 2))
        np.testing.assert_allclose(shares, 0.95, atol=0.02)


def test_normalisation_is_a_signed_root_of_real_parts_then_imaginary_ones():
    coefficients = np.array([[[0.09 + 0j, -0.04 + 0j]], [[0.01 - 0.16j, 0.25 + 0.36j]]], np.complex64)
    values = Scales(np.array([1.0, 4.0])).normalised(SpectralVolume(coefficients))
    np.testing.assert_allclose(values, [[[0.3, -0.2, 0, 0]], [[0.05, 0.25, -0.2, 0.3]]], atol=1e-6)


def test_normalisation_is_undone():
    volume = magnified(drawn(bins=5, points=50), [1e-4, 3.0, 1e3, 1.0, 0.0])
    scales = Scales.of([volume])
    again = scales.restored(scales.normalised(volume), volume.base)
    np.testing.assert_allclose(again.coefficients, volume.coefficients, rtol=1e-5, atol=1e-12)


def test_a_bin_in_which_little_moves_is_measured_by_what_does():
    coefficients = np.zeros((1, 100, 3), np.complex64)
    coefficients[0, 7, 1] = 0.5
    values = Scales.of([SpectralVolume(coefficients)]).normalised(SpectralVolume(coefficients))
    assert values.max() == 1 and np.isfinite(values).all()


# --- refusals


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda: analyse(np.zeros((10, 2, 3)), 0.2, bins=6), "11 samples, not 10"),
        (lambda: SpectralVolume(np.zeros((2, 4, 3))), "complex"),
        (lambda: SpectralVolume(np.zeros((2, 4, 3), complex), base=0.0), "above 0 Hz"),
        (lambda: slowed(drawn(), 0.0), "above 0"),
        (lambda: lifted(np.zeros((4, 3), complex), np.zeros((2, 5, 3))), r"\(K, 2\)"),
        (lambda: Scales.of([drawn(bins=3), drawn(bins=4)]), "same number"),
        (lambda: Scales(np.ones(3)).normalised(drawn(bins=4)), "do not fit 4"),
        (lambda: looped(drawn(), 0), "one frame"),
        (lambda: seam(np.zeros((3, 2, 3))), "four frames"),
        (lambda: Loop(base=-1.0), "above 0 Hz"),
    ],
)
def test_what_cannot_be_is_refused_in_words(refused, words):
    with pytest.raises(ValueError, match=words):
        refused()
