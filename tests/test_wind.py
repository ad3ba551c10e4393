"""Wind: gusts with the power and coherence that are told of them, drag on plates, sway beside plain simulation."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from backend.oscillators import Oscillators
from backend.spectral import Loop, farthest, looped, magnified, seam
from backend.wind import (
    AIR,
    PLATE,
    Limber,
    Surface,
    Wind,
    air_damping,
    drag,
    gust_sizes,
    gusts,
    kaimal,
    modal_forces,
    speed_of,
    sway,
    sway_both_ways,
)

ROOT = Path(__file__).resolve().parents[1]
BREEZE = Wind(speed=4.0, turbulence=0.25, length=12.0, seed=5)


def strip(height=0.6, width=0.05, rows=25, tilt=0.3):
    """A standing strip that faces x, turned by `tilt` about the vertical: points (V, 3), faces (F, 3)."""
    z, across = np.meshgrid(np.linspace(0, height, rows), np.linspace(-width / 2, width / 2, 3), indexing="ij")
    points = np.stack([-np.sin(tilt) * across, np.cos(tilt) * across, z], axis=-1).reshape(-1, 3)
    index = np.arange(rows * 3).reshape(rows, 3)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    return points, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def standing(count=4, kilograms=0.2, **form):
    """A strip that bends to both sides: its height to the powers 2, 3, ... as shapes, for want of the true ones."""
    points, faces = strip(**form)
    height = points[:, 2] / points[:, 2].max()
    shapes = np.zeros((count, len(points), 3))
    for m in range(count):
        shapes[m, :, m % 2] = height ** (2 + m // 2) / np.sqrt(kilograms / (5 + m))
    modes = SimpleNamespace(frequencies=np.array([0.83, 1.1, 2.6, 3.9])[:count], shapes=shapes)
    return Limber(modes, Surface.of(points, faces), damping=0.05, bend=50.0)


def ball(radius=0.3, rings=60):
    around, up = np.meshgrid(np.arange(2 * rings) * np.pi / rings, np.linspace(0, np.pi, rings + 1), indexing="ij")
    points = radius * np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], -1)
    index = np.arange(around.size).reshape(around.shape)
    ahead = np.roll(index, -1, axis=0)
    a, b, c, d = (part.ravel() for part in (index[:, :-1], ahead[:, :-1], ahead[:, 1:], index[:, 1:]))
    return points.reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


# --- the air


@pytest.mark.parametrize("wind", [BREEZE, Wind(11.0, turbulence=0.1, length=80.0)])
def test_the_spectrum_holds_the_variance_it_is_made_of(wind):
    for k, deviation in enumerate(wind.deviations):
        scale = wind.speed / wind.length

        def density(x, k=k, scale=scale):
            f = scale * np.exp(x)
            return f * kaimal(np.array(f), wind)[k]

        variance = quad(density, -25, 25, limit=400)[0]
        assert variance == pytest.approx(deviation**2, rel=2e-3)


def test_the_spectrum_ends_in_kolmogorovs_law():
    low, high = kaimal(np.array([500.0, 1000.0]), BREEZE).T
    np.testing.assert_allclose(np.log2(low / high), 5 / 3, rtol=2e-3)


def test_kaimals_gusts_across_are_a_third_as_long():
    f = np.geomspace(0.01, 5, 7)
    np.testing.assert_allclose(3 * kaimal(3 * f, BREEZE)[1], 0.8**2 * kaimal(f, BREEZE)[0])


def test_bins_have_the_power_of_their_bands():
    loop = Loop(base=0.25, bins=9)
    sizes = gust_sizes(BREEZE, loop)
    assert not sizes[:, 0].any()
    rising = 6 * BREEZE.length / BREEZE.speed  # Kaimal's law has a closed integral
    edges = 0.25 * (np.arange(9) + 0.5)
    share = np.diff((1 + rising * edges) ** (-2 / 3))
    np.testing.assert_allclose(sizes[0, 1:] ** 2 / 2, -share * BREEZE.deviations[0] ** 2, rtol=1e-4)


def test_beaufort_numbers_are_the_middles_of_their_ranges():
    # WMO's ranges in m/s, ten metres above ground.
    ranges = {1: (0.3, 1.5), 3: (3.4, 5.4), 4: (5.5, 7.9), 6: (10.8, 13.8), 8: (17.2, 20.7), 10: (24.5, 28.4)}
    for force, (low, high) in ranges.items():
        assert low < speed_of(force, height=10.0) < high
    assert speed_of(0) == 0
    assert speed_of(4, height=2.0) < speed_of(4, height=10.0)
    assert Wind.of_force(4, height=2.0).speed == speed_of(4, height=2.0)


def test_gusts_far_apart_are_as_coherent_as_davenport_says():
    rng = np.random.default_rng(10)
    here = rng.uniform(0, 20, (400, 3))
    steps = [[0, 0.4, 0], [0, 0, 0.4], [0.3, 0, 0]]  # two across the wind, one down it
    places = np.concatenate([here, *(here + step for step in steps)])
    product = np.zeros(3, complex)
    for seed in range(60):
        field = gusts(places, np.ones(len(places)), np.array([0.25]), seed)[0].reshape(2, 4, 400)
        product += (field[:, :1] * field[:, 1:].conj()).mean(axis=(0, 2)) / 60
    np.testing.assert_allclose(product[:2], np.exp(-10 * 0.25 * 0.4), atol=0.05)
    np.testing.assert_allclose(product[2], np.exp(2j * np.pi * 0.25 * 0.3), atol=0.02)  # later


def test_gusts_are_of_size_one_and_alike_at_once_where_all_is_near():
    rng = np.random.default_rng(9)
    places, areas = rng.normal(size=(50, 3)), rng.uniform(1, 2, 50)
    fields = gusts(places, areas, np.array([0.2, 0.4]), seed=1)
    np.testing.assert_allclose(np.average(np.abs(fields) ** 2, axis=2, weights=areas), 1, rtol=1e-5)
    near = gusts(1e-6 * places, areas, np.array([0.2]), seed=1)
    np.testing.assert_allclose(np.abs(near), 1, atol=1e-3)
    np.testing.assert_allclose(near, np.broadcast_to(near[:, :, :1], near.shape), atol=1e-3)


# --- drag


@pytest.mark.parametrize("azimuth", [0.0, 1.1])
def test_a_plate_takes_its_pressure_along_its_normal(azimuth):
    points, faces = strip(height=0.6, width=0.05, tilt=0.3)
    surface = Surface.of(points, faces, sheets=np.ones(len(points)))
    load = drag(surface, replace(BREEZE, azimuth=azimuth), Loop(bins=1))[0].real.sum(axis=0)
    normal = np.array([np.cos(0.3), np.sin(0.3), 0])
    expected = 0.5 * 1.2 * 1.2 * 4.0**2 * 0.03 * np.cos(azimuth - 0.3) * normal
    np.testing.assert_allclose(load, expected, rtol=1e-5, atol=1e-7)


def test_a_ball_is_pushed_along_the_wind_alone_and_as_hard_from_everywhere():
    surface = Surface.of(*ball())
    for azimuth in (0.0, 0.4, 2.0):
        load = drag(surface, replace(BREEZE, azimuth=azimuth), Loop(bins=1))[0].real.sum(axis=0)
        size = 0.5 * AIR * PLATE * 16 * 4 / 3 * np.pi * 0.3**2
        expected = size * np.array([np.cos(azimuth), np.sin(azimuth), 0])
        np.testing.assert_allclose(load, expected, atol=2e-3 * size)


def test_a_triangle_without_area_takes_nothing():
    surface = Surface.of(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 2, 0.0]]), np.array([[0, 1, 2], [0, 1, 3]]))
    assert surface.areas.sum() == pytest.approx(0.5)
    assert surface.areas[3] == 0


def test_gusts_are_the_first_order_of_the_square():
    """The load of a gust, drawn in time, beside 1/2 rho C |w| (w . n) n for a little of it and none of it."""
    points, faces = strip(height=1e-5, width=1e-5)  # so small that all of it feels one gust
    surface = Surface.of(points, faces)
    wind = replace(BREEZE, turbulence=1e-3, azimuth=0.8)
    loop = Loop(bins=6)
    loads = drag(surface, wind, loop).sum(axis=1)
    u, v = (
        gust_sizes(wind, loop)[:, 1:] * gusts(points, surface.areas, loop.frequencies[1:] / 4.0, wind.seed)[:, :, 0].T
    )
    normal = np.array([np.cos(0.3), np.sin(0.3), 0])
    along, across = np.array([np.cos(0.8), np.sin(0.8), 0]), np.array([-np.sin(0.8), np.cos(0.8), 0])
    for time in (0.0, 0.7, 2.2):
        turning = np.exp(2j * np.pi * loop.frequencies[1:] * time)
        air = (4.0 + (u * turning).real.sum()) * along + (v * turning).real.sum() * across
        pressure = 0.5 * AIR * PLATE * 1e-10 * np.linalg.norm(air) * (air @ normal) * normal
        now = (loads * np.concatenate([[1], turning])[:, None]).real.sum(axis=0)
        np.testing.assert_allclose(now, pressure, rtol=2e-5, atol=1e-17)


# --- sway


def test_sway_agrees_with_a_simulation_under_the_same_force():
    """Each mode is driven in time by the sum of its modal forces, until the start has rung out."""
    body, loop = standing(), Loop(bins=8)
    forces = modal_forces(body, BREEZE, loop)
    damping = body.damping + air_damping(body, BREEZE)
    exact = Oscillators(body.modes.frequencies, damping).transfer(loop.frequencies) * forces
    times = 60 + np.linspace(0, 5, 11)
    turning = np.exp(2j * np.pi * np.outer(times, loop.frequencies))
    for m, (w, xi) in enumerate(zip(2 * np.pi * body.modes.frequencies, damping, strict=True)):

        def rates(t, y, m=m, w=w, xi=xi):
            force = (forces[:, m] * np.exp(2j * np.pi * loop.frequencies * t)).real.sum()
            return [y[1], force - w**2 * y[0] - 2 * xi * w * y[1]]

        run = solve_ivp(rates, (0, times[-1]), [0, 0], t_eval=times, rtol=1e-8, atol=1e-10)
        expected = (turning @ exact[:, m]).real
        np.testing.assert_allclose(run.y[0], expected, atol=1e-4 * np.abs(expected).max())


def test_sway_is_the_answer_of_each_band_lifted_to_vertices():
    body = standing()
    body = replace(body, bend=1e6)
    volume = sway(body, BREEZE)
    damping = body.damping + air_damping(body, BREEZE)
    transfer = Oscillators(body.modes.frequencies, damping).band_transfer(volume.frequencies, 0.2)
    q = transfer * modal_forces(body, BREEZE, Loop())
    np.testing.assert_allclose(
        volume.coefficients, np.einsum("km,mvi->kvi", q, body.modes.shapes), rtol=1e-3, atol=1e-5 * np.abs(q).max()
    )
    assert np.iscomplexobj(volume.coefficients) and volume.coefficients.shape == (16, 75, 3)


def test_a_loop_of_sway_has_no_seam():
    assert seam(looped(sway(standing(), BREEZE), 150)) < 0.2


def test_the_same_seed_blows_the_same_and_another_one_otherwise_but_as_hard():
    body = standing(height=1e-5, width=1e-5)  # so small that all of it feels one gust
    one, again, other = (sway(body, replace(BREEZE, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.coefficients, again.coefficients)
    assert np.abs(one.coefficients[1:] - other.coefficients[1:]).max() > 0.2 * np.abs(one.coefficients[1:]).max()
    np.testing.assert_allclose(one.lean, other.lean)
    face_on = replace(BREEZE, azimuth=0.3)  # no gust across counts
    energies = [sway(body, replace(face_on, seed=seed)).energy() for seed in (1, 2)]
    np.testing.assert_allclose(*energies, rtol=0.2)


def test_any_direction_is_a_blend_of_two_where_gusts_are_larger_than_the_body():
    body = standing(height=0.02, width=0.002)
    both = sway_both_ways(body, BREEZE)
    for azimuth in (0.0, 0.9, np.pi / 2, 4.0):
        blended = both.volume(body.modes.shapes, azimuth)
        straight = sway(body, replace(BREEZE, azimuth=azimuth))
        size = np.abs(straight.coefficients).max()
        np.testing.assert_allclose(blended.coefficients, straight.coefficients, atol=0.03 * size)


def test_along_the_two_axes_the_blend_is_exact_for_a_large_body_too():
    body = standing(height=8.0, width=2.0)
    both = sway_both_ways(body, BREEZE)
    for azimuth in (0.0, np.pi / 2):
        straight = sway(body, replace(BREEZE, azimuth=azimuth))
        np.testing.assert_allclose(
            both.volume(body.modes.shapes, azimuth).coefficients,
            straight.coefficients,
            atol=1e-5 * np.abs(straight.coefficients).max(),
        )


def test_far_parts_lag_by_the_time_that_wind_takes_to_them():
    """Two plates that face the wind, three metres apart down the wind: the same gusts, later."""
    plate, faces = strip(height=1e-3, width=1e-3, tilt=0.0)
    points = np.concatenate([plate, plate + [3.0, 0, 0]])
    surface = Surface.of(points, np.concatenate([faces, faces + len(plate)]))
    loads = drag(surface, BREEZE, Loop())
    near, far = loads[:, : len(plate), 0].sum(axis=1), loads[:, len(plate) :, 0].sum(axis=1)
    frequencies = Loop().frequencies
    np.testing.assert_allclose(far / near, np.exp(-2j * np.pi * frequencies * 3.0 / 4.0), atol=1e-3)


def test_a_stronger_wind_bends_it_farther_but_never_past_its_bend():
    body = replace(standing(), bend=0.2)
    leans = [np.abs(sway(body, Wind.of_force(force)).lean).max() for force in (0, 1, 3, 6, 12)]
    assert leans[0] == 0
    assert (np.diff(leans) > 0).all()
    assert leans[-1] < 0.2 * 0.6 and leans[-1] > 0.19 * 0.6 * np.cos(0.3)


def test_the_farthest_lean_of_any_direction_is_the_bend():
    body = replace(standing(tilt=0.7), bend=0.2)
    leans = [
        np.linalg.norm(sway(body, Wind.of_force(12, azimuth=azimuth)).lean, axis=1).max()
        for azimuth in np.linspace(0, np.pi, 25)
    ]
    assert max(leans) == pytest.approx(0.2 * 0.6, rel=5e-3)
    assert min(leans) < 0.1 * max(leans)  # edge-on


def test_gains_know_how_far_a_body_bends():
    body = replace(standing(), bend=0.2)
    made = sway_both_ways(body, Wind.of_force(3))
    gains = made.gains([Wind.of_force(force).speed for force in (1, 7)])
    for gain, force in zip(gains, (1, 7), strict=True):
        expected = sway_both_ways(body, Wind.of_force(force)).along_x[0]
        np.testing.assert_allclose(gain[0] * made.along_x[0], expected, rtol=1e-5)


def test_the_add_ons_slider_gains_what_the_backend_does():
    """The add-on works without the backend, so it has the formula once more."""
    spec = importlib.util.spec_from_file_location("gusts", ROOT / "blender_addon" / "scene" / "gusts.py")
    there = importlib.util.module_from_spec(spec)
    sys.modules["gusts"] = there  # where a dataclass looks for its module
    spec.loader.exec_module(there)
    made = sway_both_ways(replace(standing(), bend=0.2), Wind.of_force(3))
    slider = there.Gusts(
        made.wind.speed, Wind.of_force(10).speed, base=0.2, length=made.wind.length, strain=made.strain
    )
    for storm in (0.2, 0.3, 0.9):
        gains = [slider.gain(frequency, storm) for frequency in made.loop.frequencies]
        np.testing.assert_allclose(gains, made.gains([Wind.of_force(10 * storm).speed])[0], rtol=1e-4)


def test_in_a_calm_nothing_moves():
    assert not sway(standing(), Wind.of_force(0)).coefficients.any()


def test_gains_turn_a_breeze_into_a_gale_up_to_what_the_air_damps():
    body = replace(standing(kilograms=100.0), damping=0.3)  # heavy: the air damps next to nothing
    made = sway_both_ways(body, replace(BREEZE, length=12.0))
    gains = made.gains([4.0, 9.0])
    np.testing.assert_allclose(gains[0], 1)
    gale = sway_both_ways(body, replace(BREEZE, speed=9.0))
    turned = gains[1][:, None] * made.along_x
    np.testing.assert_allclose(np.abs(turned[0]), np.abs(gale.along_x[0]), rtol=1e-3)
    sizes = np.linalg.norm(np.abs(turned), axis=1), np.linalg.norm(np.abs(gale.along_x), axis=1)
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.35)  # the pattern of gusts is another one


def test_air_damps_a_plate_that_moves_with_it_by_hand():
    points, faces = strip(tilt=0.0)
    shapes = np.zeros((1, len(points), 3))
    shapes[0, :, 0] = 1 / np.sqrt(0.5)  # a plate of half a kilogram that goes to and fro
    body = Limber(SimpleNamespace(frequencies=np.array([2.0]), shapes=shapes), Surface.of(points, faces))
    drag_of_speed = 0.5 * AIR * PLATE * 4.0 * 1.5 * 0.03  # newtons a m/s
    np.testing.assert_allclose(air_damping(body, BREEZE), drag_of_speed / (2 * 0.5 * 2 * np.pi * 2.0))


def test_a_long_gust_swings_the_body_about_its_lean():
    volume = sway(standing(), BREEZE)
    swing = magnified(volume, np.r_[0, np.ones(15)])
    assert 0.1 < farthest(swing) / np.abs(volume.lean).max() < 4


# --- refusals


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda: speed_of(13), "from 0 to 12"),
        (lambda: speed_of(3, height=0.0), "above the ground"),
        (lambda: Wind(-1.0), "not below 0"),
        (lambda: Wind(1.0, length=0.0), "some length"),
        (lambda: Surface.of(np.zeros((3, 3)), np.array([[0, 1, 2]])), "no area"),
        (lambda: sway_both_ways(standing(), Wind(0.0)).gains([3.0]), "calm"),
    ],
)
def test_what_cannot_be_is_refused_in_words(refused, words):
    with pytest.raises(ValueError, match=words):
        refused()
