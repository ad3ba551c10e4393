"""What specimens are made of: grids joined into meshes, curves, surfaces, noise, wind; against closed forms."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from backend.specimens import rose
from backend.specimens.bouquet import gather, spiral
from backend.specimens.core import (
    Chance,
    Noise,
    Organ,
    Skin,
    Spine,
    blade,
    golden,
    grid_quads,
    join,
    lathe,
    lathe_chart,
    pack,
    ramp,
    tube,
    turn,
)
from backend.specimens.wind import Breeze
from tests import growth


def test_pack_keeps_shape_and_distance():
    rng = np.random.default_rng(2)
    charts = [rng.uniform(-1, 1, (5, 4, 2)) * size for size in rng.uniform(0.1, 3, (30, 1))]
    packed = pack(charts)
    scales = [np.ptp(p[..., 0]) / np.ptp(c[..., 0]) for p, c in zip(packed, charts, strict=True)]
    assert np.allclose(scales, scales[0]) and all(p.min() >= 0 and p.max() <= 1 for p in packed)
    low, high = (np.array([f(p.reshape(-1, 2), axis=0) for p in packed]) for f in (np.min, np.max))
    apart = (low[:, None] >= high[None] + 0.002) | (low[None] >= high[:, None] + 0.002)
    assert (apart.any(axis=2) | np.eye(30, dtype=bool)).all()


def test_tube_is_a_tube():
    """Every point lies at the radius from an arc of a circle, and the arc has its closed form."""
    samples, bend = np.linspace(0, 1, 401), 1.1
    spine = Spine.bent(np.array([1.0, 2, 3]), turn("z", np.array(0.4)), 2.0, bend * samples, 0 * samples)
    across, up = 2 / bend * (1 - np.cos(bend)), 2 / bend * np.sin(bend)
    assert np.allclose(spine.points[-1], [1 + across * np.cos(0.4), 2 + across * np.sin(0.4), 3 + up], atol=1e-5)
    rows = np.linspace(0, 1, 9)
    points, frames = spine.pose(rows)
    assert np.allclose(frames.transpose(0, 2, 1) @ frames, np.eye(3), atol=1e-9)
    ring = tube(spine, rows, 0.1 + 0.2 * rows, 7)
    assert np.allclose(np.linalg.norm(ring - points[:, None], axis=2), (0.1 + 0.2 * rows)[:, None])


def test_flat_blade_is_flat_and_folded_blade_is_folded():
    width, length, u = np.full((1, 5), 0.3), np.array([2.0]), np.linspace(-1, 1, 5)
    flat = blade(width, length, u, np.zeros((1, 5)), np.zeros((1, 5)), np.zeros((1, 5)))
    assert (
        np.allclose(flat[0, :, :, 2], 0) and np.allclose(flat[0, -1, :, 0], 2) and np.allclose(flat[0, :, -1, 1], 0.3)
    )
    folded = blade(width, length, u, np.zeros((1, 5)), np.full((1, 5), 0.5), np.zeros((1, 5)))
    assert np.allclose(folded[0, :, 0, 1:], [-0.3 * np.cos(0.5), 0.3 * np.sin(0.5)])


def test_join_counts_a_closed_seam_once():
    angle = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    points = np.stack([ring, ring + [0, 0, 1]])[None]
    skin = Skin(points, np.full_like(points, 0.5), np.full((1, 2, 6), 0.5))
    chart = np.stack(np.meshgrid(np.arange(7.0), np.arange(2.0)), axis=-1)[None]
    mesh = join([Organ("tube", chart, lambda tau: skin, closed=True)]).mesh
    assert len(mesh.vertices) == 12 and len(mesh.sizes) == 6
    outward = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert (np.einsum("ij,ij->i", outward.face_normals, outward.triangles_center * [1, 1, 0]) > 0).all()
    assert np.array_equal(grid_quads((1, 2, 3), False), [[0, 1, 4, 3], [1, 2, 5, 4]])


def test_ramp_is_smooth_at_its_ends():
    x = np.linspace(-0.2, 1.2, 1401)
    y = ramp(x)
    assert y[0] == 0 and y[-1] == 1 and (np.diff(y) >= 0).all()
    assert np.abs(np.diff(y, 2)[np.abs(x[1:-1]) < 0.003]).max() < 3e-7  # times 1e6, its second derivative at 0


def solid() -> tuple:
    """A closed lathe with a pole at either end, radius 2 about the axis, from z = -1 to 1, and its chart."""
    rows, columns = 41, 64
    t = np.linspace(-np.pi / 2, np.pi / 2, rows)[None, :, None]
    radius, height = 2 * np.cos(t) + np.zeros((1, rows, columns)), np.sin(t) + np.zeros((1, rows, columns))
    points = lathe(radius, height)
    skin = Skin(points, np.full_like(points, 0.5), np.full(points.shape[:3], 0.5))
    return Organ("egg", lathe_chart(radius, height), lambda tau: skin, closed=True, poles=(True, True)), points


def test_a_solid_between_poles_is_closed_and_encloses_its_volume():
    organ, _ = solid()
    mesh = join([organ]).mesh
    egg = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert egg.is_watertight and egg.volume == pytest.approx(4 / 3 * np.pi * 4, rel=0.01)
    assert growth.volumes_of_closed_pieces(mesh, mesh.vertices) == pytest.approx([egg.volume])
    assert growth.volumes_of_closed_pieces(mesh, mesh.vertices * [-1, 1, 1]) == pytest.approx([-egg.volume])
    assert len(mesh.vertices) == 39 * 64 + 2 and set(mesh.sizes) == {3, 4}


def test_every_corner_of_a_solid_keeps_its_texel():
    """UV of a corner is the chart of the grid point that it came from, also at the poles and across the seam."""
    organ, points = solid()
    mesh = join([organ]).mesh
    chart = pack(list(organ.chart))[0]
    place = np.concatenate([points[0], points[0][:, :1]], axis=1)
    corners = mesh.vertices[mesh.corners]
    found = place.reshape(-1, 3)[cKDTree(chart.reshape(-1, 2)).query(mesh.uv)[1]]
    assert np.allclose(found, corners, atol=1e-5)


def test_what_an_organ_does_not_say_is_as_usual():
    organ, _ = solid()
    plain = join([organ]).at(0.5)
    assert plain.emission is None and plain.opacity is None and plain.metallic is None
    points = organ.at(0.0).points + [5, 0, 0]
    glow = np.full(points.shape[:3], 0.7)
    lit = Organ("flame", organ.chart, lambda tau: Skin(points, np.ones(3), glow, emission=glow), True, (True, True))
    both = join([organ, lit]).at(0.5)
    assert np.array_equal(np.unique(both.emission), np.float32([0, 0.7])) and both.opacity is None
    assert (both.emission > 0).sum() == len(both.emission) // 2


@pytest.mark.parametrize(("octaves", "roughness"), [(1, 0.5), (3, 0.5), (2, 0.8)])
def test_noise_has_its_wavelength_and_its_spread(octaves, roughness):
    """Over space, waves of height a and number k have a variance of a^2 / 2 and a mean squared slope of (a k)^2 / 2."""
    length, step, spread, slope = 0.5, 1e-4, [], []
    points = np.random.default_rng(4).uniform(-40, 40, (20_000, 3))
    for seed in range(12):
        noise = Noise.grown(np.random.default_rng(seed), length, octaves, roughness)
        spread.append(noise(points).std())
        slope.append([(noise(points + step * way) - noise(points - step * way)) / (2 * step) for way in np.eye(3)])
        assert abs(noise(points).mean()) < 0.03
    assert np.allclose(spread, 1, atol=0.03)
    octave = np.arange(octaves)
    power = roughness ** (2.0 * octave)
    squares = (4.0**octave * power).sum() / power.sum() / (0.75 * 1.3)  # the mean of 1 / x^2 for x in 0.75 .. 1.3
    found = np.sqrt(np.square(slope).sum(axis=1).mean())
    assert found == pytest.approx(2 * np.pi / length * np.sqrt(squares), rel=0.05)


def test_each_of_a_kind_has_a_stream_of_its_own():
    """One more changes none of the others; organs, numbers and seeds all differ; a stream is the same at every call."""
    chance = Chance(3)
    three, four = (chance.each("petal", n).uniform(-1.0, 2.0, 2, 5) for n in (3, 4))
    assert three.shape == (3, 2, 5) and np.array_equal(three, four[:3])
    assert np.array_equal(four[2], -1 + 3 * chance.of("petal", 2).random((2, 5)))
    firsts = [chance.of("petal", 2), chance.of("petal"), chance.of("leaf", 2), Chance(4).of("petal", 2)]
    assert len({stream.random() for stream in firsts}) == 4
    assert chance.each("petal", 0).uniform(0.0, 1.0, 4).shape == (0, 4)


@pytest.mark.parametrize("n", [2, 7, 16])
def test_places_are_spread_evenly_however_many(n):
    gaps = np.diff(np.append(np.sort(golden(np.arange(n))), 1.0))
    assert golden(0) == 0 and gaps.max() < 2.0 / n and gaps.min() > 0.35 / n


def test_a_stream_is_the_same_in_every_process():
    leaf = [108, 101, 97, 102]  # its letters
    assert Chance(7).of("leaf", 1).random() == np.random.default_rng([7, 1, *leaf]).random()


# Wind and several at once


def test_wind_bends_about_the_foot_and_keeps_lengths_of_the_axis():
    breeze = Breeze(2.0, 3, 0.7, 0.4)
    axis = np.linspace([0, 0, 0], [0, 0, 0.5], 2001)
    for time in (0.0, 0.21, 0.8):
        bent = breeze.bend(axis, 0.5, time)
        assert np.allclose(bent[0], 0) and np.linalg.norm(np.diff(bent, axis=0), axis=1).sum() == pytest.approx(
            0.5, rel=0.003
        )
        assert np.linalg.norm(bent[-1] - axis[-1]) > 0.01
    assert np.allclose(breeze.bend(axis, 0.5, 0.0), breeze.bend(axis, 0.5, 1.0))  # loops
    assert not np.allclose(breeze.bend(axis, 0.5, 0.0), breeze.bend(axis, 0.5, 0.5), atol=1e-3)


def test_a_breeze_leans_a_plant_down_the_wind_on_the_whole():
    """The mean over a clip is a few hundredths of the height, towards where it blows, and none athwart."""
    breeze = Breeze(1.0, 3, azimuth=0.8)
    tops = [breeze.bend(np.array([[0.0, 0.0, 2.0]]), 2.0, time)[0, :2] / 2.0 for time in np.arange(64) / 64]
    along, athwart = np.mean(tops, axis=0) @ turn("z", np.array(0.8))[:2, :2]
    assert 0.01 < along < 0.03 and abs(athwart) < 0.001


def test_higher_parts_of_a_plant_follow_lower_ones():
    """The slope of its axis swings as many times as it was told, at the top well after near the foot."""
    times, heights = np.arange(64) / 64, np.array([0.20, 0.21, 0.99, 1.0])
    axis = heights[:, None] * [0.0, 0.0, 1.0]
    bent = np.array([Breeze(0.1, 5, azimuth=0.0).bend(axis, 1.0, time) for time in times])
    slopes = (bent[:, 1::2] - bent[:, ::2])[..., :2]  # (T, low and high, along and athwart)
    waves = np.fft.rfft(slopes, axis=0)
    assert (np.abs(waves[1:]).argmax(axis=0) == 5 - 1).all()
    low, high = waves[5]
    assert np.allclose(np.angle(low / high), 0.75, atol=0.35)
    assert 0.2 < np.abs(high[1]) / np.abs(high[0]) < 0.8  # it swings less athwart the wind


def test_what_stands_higher_than_the_bent_axis_and_what_is_in_the_ground_keep_their_way_to_it():
    breeze = Breeze(1.5, 2, azimuth=0.0, phase=0.6)
    points = np.array([[0.02, 0.01, 1.25], [0.02, 0.01, 1.75], [0.02, 0.01, -0.3]])
    at_end, above, below = breeze.bend(points, 1.0, 0.2)
    assert np.allclose(above - at_end, [0, 0, 0.5]) and np.allclose(below, points[2])


def test_wind_turns_nothing_inside_out():
    breeze = Breeze(2.0, 2, 0.3, 1.1)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.3, 0.3, 13)] * 2, np.linspace(0, 1, 25), indexing="ij"), axis=-1)
    bent = breeze.bend(grid.reshape(-1, 3), 1.0, 0.3).reshape(grid.shape)
    x, y, z = np.diff(bent, axis=0)[:, :-1, :-1], np.diff(bent, axis=1)[:-1, :, :-1], np.diff(bent, axis=2)[:-1, :-1]
    assert (np.einsum("...k,...k", np.cross(x, y), z) > 0).all()


def test_several_stand_apart_and_keep_what_is_theirs():
    meshes = [rose.grow(rose.Rose(detail=0.4, leaves=k), seed).mesh for k, seed in ((1, 4), (2, 5), (0, 6))]
    together = gather(meshes)
    assert len(together.vertices) == sum(len(mesh.vertices) for mesh in meshes)
    assert together.sizes.sum() == len(together.corners) == len(together.uv)
    first = len(meshes[0].faces)
    second = slice(first, first + len(meshes[1].faces))
    assert np.array_equal(together.vertices[together.faces[second]], meshes[1].vertices[meshes[1].faces])
    names = [together.part_names[k] for k in together.parts[len(meshes[0].vertices) :][: len(meshes[1].vertices)]]
    assert names == [meshes[1].part_names[k] for k in meshes[1].parts]
    cells = {tuple(cell) for cell in np.floor(together.uv[together.triangles].mean(axis=1) * 2).astype(int).tolist()}
    assert len(cells) == 3  # of the atlas, one each
    places = spiral(50, 0.2, np.random.default_rng(3))
    spots = np.array([place[:2] for place in places])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2)[~np.eye(50, dtype=bool)]
    assert apart.min() > 0.2
