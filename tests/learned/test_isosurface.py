"""From a density to a closed surface: solids of known volume, area and holes, and densities that are no solid."""

import numpy as np
import pytest

from backend.geometry import fields, isosurface
from backend.geometry.isosurface import NoSurface, Solid, faults, surface
from backend.geometry.volume import signed_volume

LEVEL, SHARPNESS = 80.0, 120.0  # 1/metre; at k metres within the surface the density is LEVEL exp(k SHARPNESS)


def solid(distance):
    """The density of what has a signed distance: it is LEVEL just where that is 0."""
    return lambda points: LEVEL * np.exp(np.clip(-SHARPNESS * distance(points), -9.0, 9.0))


def ball(x, y, z, radius):
    return lambda points: np.linalg.norm(points - [x, y, z], axis=1) - radius


def torus(points):
    x, y, z = points.T
    return np.hypot(np.hypot(x - 0.02, z + 0.03) - 0.29, y) - 0.11


def union(*distances):
    return lambda points: np.min([distance(points) for distance in distances], axis=0)


def blobs(seed, count=7):
    rng = np.random.default_rng(seed)
    places, sizes = rng.uniform(-0.22, 0.22, (count, 3)), rng.uniform(0.07, 0.18, count)
    return union(*(ball(*place, size) for place, size in zip(places, sizes, strict=True)))


def euler(faces):
    """V - E + F: 2 for each piece less 2 for each handle."""
    return len(np.unique(faces)) - len(fields.edges(faces)) + len(faces)


def assert_sound(found):
    """Closed and manifold by its edges and by its fans, none without area, all wound outwards."""
    sides = found.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there = {tuple(side) for side in sides.tolist()}
    assert len(there) == len(sides) and all((b, a) in there for a, b in there)
    assert len(faults(found.faces, len(found.vertices))) == 0
    assert fields.areas(found.vertices, found.faces).min() > 1e-6 * found.solid.cell**2
    assert np.array_equal(np.unique(found.faces), np.arange(len(found.vertices)))
    outward = -found.solid.slope(found.vertices[found.faces].mean(axis=1))
    straight = np.einsum("fi,fi->f", fields.area_vectors(found.vertices, found.faces), outward)
    assert np.mean(straight > 0) > 0.99


@pytest.mark.parametrize(
    ("distance", "volume", "area", "number"),
    [
        (ball(0.05, -0.1, 0.02, 0.36), 4 / 3 * np.pi * 0.36**3, 4 * np.pi * 0.36**2, 2),
        (torus, 2 * np.pi**2 * 0.29 * 0.11**2, 4 * np.pi**2 * 0.29 * 0.11, 0),
    ],
)
def test_volume_area_and_holes_are_those_of_the_solid(distance, volume, area, number):
    found = surface(solid(distance), 0.5, 48, LEVEL)
    assert_sound(found)
    assert euler(found.faces) == number and (found.pieces, found.dropped) == (1, 0)
    assert signed_volume(found.vertices, found.faces) == pytest.approx(volume, rel=0.02)
    near = found.solid.onto(found.vertices)
    assert np.abs(distance(near)).max() < 0.01 * found.solid.cell
    assert signed_volume(near, found.faces) == pytest.approx(volume, rel=0.008)  # corners on a round surface
    assert fields.areas(near, found.faces).sum() == pytest.approx(area, rel=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_blobs_without_symmetry_hold_as_much_as_a_count_of_points_says(seed):
    distance = blobs(seed)
    found = surface(solid(distance), 0.5, 48, LEVEL)
    assert_sound(found)
    points = np.random.default_rng(9).uniform(-0.5, 0.5, (200_000, 3))
    assert signed_volume(found.vertices, found.faces) == pytest.approx(np.mean(distance(points) < 0), rel=0.03)


def test_what_reaches_through_the_wall_ends_at_it():
    found = surface(solid(ball(0.5, -0.1, 0.1, 0.3)), 0.5, 40, LEVEL)
    assert_sound(found)
    assert np.abs(found.vertices).max() == pytest.approx(0.5, abs=1e-6)
    assert signed_volume(found.vertices, found.faces) == pytest.approx(2 / 3 * np.pi * 0.3**3, rel=0.04)
    corner = surface(solid(ball(0.5, -0.5, 0.5, 0.3)), 0.5, 40, LEVEL)
    assert_sound(corner)
    assert signed_volume(corner.vertices, corner.faces) == pytest.approx(np.pi / 6 * 0.3**3, rel=0.08)


def test_points_on_the_wall_stay_there():
    found = surface(solid(ball(0.5, -0.1, 0.1, 0.3)), 0.5, 40, LEVEL)
    near = found.solid.onto(found.vertices)
    lid = found.vertices[:, 0] > 0.5 - 1e-6
    assert lid.sum() > 100
    assert np.abs(near[lid, 0] - 0.5).max() < 1e-3 * found.solid.cell


def test_floaters_are_dropped_and_counted_and_a_second_thing_is_not():
    mites = [ball(-0.4, 0.2 * k, 0.3, 0.05) for k in (-1, 0, 1)]
    found = surface(solid(union(ball(0.1, 0.1, -0.1, 0.3), ball(-0.35, -0.3, -0.2, 0.12), *mites)), 0.5, 40, LEVEL)
    assert_sound(found)
    assert (found.pieces, found.dropped) == (2, 3)
    assert found.vertices[:, 2].max() < 0.25
    assert euler(found.faces) == 4


def test_a_cavity_is_filled_with_what_floats_in_it_and_a_cup_is_not():
    outer, inner, core = (ball(0.03, 0.0, 0.0, radius) for radius in (0.4, 0.3, 0.2))
    shell = lambda points: np.maximum(outer(points), -inner(points))  # noqa: E731
    found = surface(solid(union(shell, core)), 0.5, 40, LEVEL)
    assert_sound(found)
    assert euler(found.faces) == 2 and found.dropped == 0
    assert signed_volume(found.vertices, found.faces) == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.03)
    cup = lambda points: np.maximum(shell(points), points[:, 2] - 0.15)  # noqa: E731
    found = surface(solid(cup), 0.5, 40, LEVEL)
    hollow = 4 / 3 * np.pi * (0.4**3 - 0.3**3)
    assert signed_volume(found.vertices, found.faces) < hollow


def test_the_level_is_half_the_density_at_which_light_is_halved_and_haze_has_no_say():
    def density(points):
        inside = ball(0.1, 0.0, 0.05, 0.3)(points) < 0
        return np.where(inside, 260.0, 0.2)

    assert surface(density, 0.5, 40).solid.level == pytest.approx(130.0)
    # ten times as long, a tenth as dense: as much light is stopped, in the same places
    assert surface(lambda points: density(points / 10) / 10, 5.0, 40).solid.level == pytest.approx(13.0)
    # where density grows inwards, light is halved before it reaches the core
    ramp = surface(lambda points: 3000.0 * np.maximum(0.3 - np.linalg.norm(points, axis=1), 0.0), 0.5, 100)
    halved = np.sqrt(2 * 3000.0 * np.log(2))  # along the middle: 3000 x^2 / 2 = log 2, and the density 3000 x there
    assert 0.3 * halved < ramp.solid.level <= 0.51 * halved  # and less where a ray grazes it


def test_noise_is_closed_too():
    for seed in range(6):
        grid = np.random.default_rng(seed).uniform(0.0, 2.0, (12, 12, 12))
        at = lambda points, grid=grid: grid[tuple(((points + 0.5) * 12).astype(int).clip(0, 11).T)]  # noqa: E731
        found = surface(at, 0.5, 12, 1.0)
        assert len(faults(found.faces, len(found.vertices))) == 0


def test_where_the_tables_disagree_the_surface_is_smoothed_until_it_is_closed(monkeypatch):
    signed = np.random.default_rng(123).uniform(-1.0, 1.0, (8, 8, 8))
    vertices, faces = isosurface._marched(signed)
    assert len(faults(faces, len(vertices))) == 0 and signed_volume(vertices, faces) > 0
    monkeypatch.setattr(isosurface, "REPAIRS", 1)  # as marching cubes gives it
    with pytest.raises(NoSurface, match="noise"):
        isosurface._marched(signed)


TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        (TETRAHEDRON, []),
        (TETRAHEDRON[1:], [0, 1, 2]),  # open
        (np.concatenate([TETRAHEDRON[:3], TETRAHEDRON[3:, ::-1]]), [0, 2, 3]),  # one is turned round
        (np.concatenate([TETRAHEDRON, [[3, 4, 6], [3, 5, 4], [4, 5, 6], [5, 3, 6]]]), [3]),  # two meet in a point
        (np.concatenate([TETRAHEDRON, [[0, 1, 5], [1, 0, 4], [0, 5, 4], [1, 4, 5]]]), [0, 1]),  # and along an edge
    ],
)
def test_faults_are_where_a_surface_is_open_or_meets_itself(faces, expected):
    assert faults(faces, 7).tolist() == expected


def test_points_that_have_no_slope_to_go_by_stay():
    step = Solid(lambda points: np.where(np.linalg.norm(points, axis=1) < 0.3, 50.0, 0.0), 0.5, 25.0, 0.02)
    points = 0.29 * fields.unit(np.random.default_rng(1).normal(size=(50, 3)))
    np.testing.assert_array_equal(step.onto(points), points)


def outside(value):
    return lambda points: np.full(len(points), value)


def spoilt(points):
    return np.where(points[:, 0] > 0.4, np.nan, 1.0)


@pytest.mark.parametrize(
    ("density", "how", "words"),
    [
        (outside(0.0), {}, "hide what is behind it.*Optimise for longer"),
        (outside(0.0), {"level": 5.0}, "Nothing is dense: .* 0 per metre.*lower level"),
        (outside(300.0), {}, "Everything is dense.*higher level, or a larger cube"),
        (spoilt, {}, r"512 of 4096 densities.*first of them at \(0.4.*last good state"),
        (outside(-1.0), {}, "negative"),
        (solid(ball(0.0, 0.0, 0.0, 0.09)), {"level": LEVEL}, "cells, and 4 are needed. Choose more cells"),
        (outside(1.0), {"resolution": 4}, "8 to 512"),
        (outside(1.0), {"radius": 0.0}, "above 0"),
        (outside(1.0), {"level": -1.0}, "above 0"),
    ],
)
def test_what_is_no_surface_is_refused_in_words(density, how, words):
    with pytest.raises(NoSurface, match=words):
        surface(density, **{"radius": 0.5, "resolution": 16} | how)
