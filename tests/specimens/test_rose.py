"""A rose: petals that nest and fall, measured against rays and closed forms."""

import functools

import numpy as np
import pytest
import trimesh

from backend.geometry.fields import parts
from backend.specimens.core import Chance
from backend.specimens.rose import DEAD, FADING, OPEN, USUAL_DIAMETER, Rose, grow, layer_points
from backend.specimens.rose.falls import FALL, FIRST_FALL, blowing, moments_of

LIFE = np.linspace(0, 1, 9)


@pytest.fixture(scope="module")
def rose():
    return grow(Rose(), seed=3)


def crossing_triangles(positions, faces) -> int:
    """Triangles that an edge of another one passes through; no corner shared, found with rays (embree)."""
    mesh = trimesh.Trimesh(positions.astype(float) * 100, faces, process=False)
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    start, way = mesh.vertices[edges[:, 0]], np.diff(mesh.vertices[edges], axis=1)[:, 0]
    length = np.linalg.norm(way, axis=1)
    way /= length[:, None]
    hit, ray, where = mesh.ray.intersects_id(start, way, multiple_hits=True, return_locations=True)
    far = np.einsum("ij,ij->i", where - start[ray], way[ray])
    apart = ~(faces[hit][:, :, None] == edges[ray][:, None, :]).any(axis=(1, 2))
    return len(np.unique(hit[apart & (far > 1e-5) & (far < length[ray] - 1e-5)]))


def test_crossings_are_counted():
    cross = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.5, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.6, 1]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    assert crossing_triangles(cross, faces) == 1
    assert crossing_triangles(cross + np.repeat([[0, 0, 0], [0, 0, -5]], 3, axis=0), faces) == 0


def test_petals_nest_all_their_life():
    specimen = grow(Rose(), 6)
    faces = specimen.mesh.faces
    for tau in LIFE:
        share = crossing_triangles(specimen.at(tau).positions, faces) / len(faces)
        assert share < 0.005, f"tau {tau}: {share:.2%} of triangles cross"


@pytest.mark.parametrize("tau", [0.02, *LIFE[1:]])
def test_layers_never_meet(tau):
    """(t, x) -> (r, z) keeps its orientation, up to the outermost petal."""
    t, x = np.linspace(0, 1, 161), np.linspace(0.02, 1, 81)
    r, z, _ = layer_points(t[None, :, None] + 0 * x, x[None, None], tau, Rose())
    (rt, rx), (zt, zx) = np.gradient(r[0], t, x), np.gradient(z[0], t, x)
    assert (rx * zt - rt * zx > 0).all()


def test_life_has_its_shape(rose):
    """Opens to its diameter, stands still, then sinks, shrinks, browns and grows rough."""
    mesh = rose.mesh
    petals = mesh.parts == mesh.part_names.index("petals")

    def width(tau):
        points = rose.at(tau).positions[petals][:, :2]
        return np.linalg.norm(points - points.mean(axis=0), axis=1).max() * 2

    assert width(OPEN) > 2.5 * width(0) and width(OPEN) == pytest.approx(USUAL_DIAMETER, rel=0.25)
    stands, dead = rose.at(OPEN), rose.at(DEAD)
    assert np.array_equal(stands.positions, rose.at(FADING).positions)
    assert dead.positions[petals, 2].mean() < stands.positions[petals, 2].mean() - 0.02
    assert dead.roughness[petals].mean() > stands.roughness[petals].mean() + 0.1
    assert dead.albedo[petals, 0].mean() < 0.5 * stands.albedo[petals, 0].mean()


@functools.cache
def falls(record: Rose):
    """The plant, the vertices of each petal, and when its middle has sunk 2 cm below the hip."""
    plant = grow(record, 3)
    mesh = plant.mesh
    chosen = np.flatnonzero(mesh.parts == mesh.part_names.index("petals")).reshape(record.petals, -1)
    hip = mesh.parts == mesh.part_names.index("hip")
    times = np.linspace(FIRST_FALL, DEAD, 81)
    below = np.empty((len(times), record.petals), bool)
    for i, tau in enumerate(times):
        now = plant.at(float(tau)).positions
        below[i] = now[chosen, 2].mean(axis=1) < now[hip, 2].min() - 0.02
    return plant, chosen, np.where(below.any(axis=0), times[below.argmax(axis=0)], np.inf)


@pytest.mark.parametrize("seed", [0, 3, 4711])
def test_a_few_petals_lie_at_the_end_of_their_stretch_and_more_at_that_of_wilting(seed):
    """So that a prompt that asks for a few is shown all of their fall, and no more."""
    start, end = Rose.life.stretches["drop"]
    few = Rose.life.few

    def lies(fallen):
        moments = moments_of(Rose(fallen=fallen), Chance(seed))
        assert moments[0] == FIRST_FALL > start and (np.diff(moments) >= 0).all()
        return moments.max() + FALL

    assert lies(1) < lies(few) == pytest.approx(end) and lies(few + 1) > end + 0.01
    assert lies(60) == pytest.approx(DEAD, abs=0.011) and lies(60) <= DEAD


def test_as_many_petals_fall_as_were_asked_for_the_outermost_first():
    plant, chosen, sunk = falls(Rose(fallen=4, detail=0.5))
    last = len(chosen) - 1
    assert set(np.flatnonzero(np.isfinite(sunk)).tolist()) == {last, last - 1, last - 2, last - 3}
    assert sunk[last] == sunk.min() < sunk[last - 3] < Rose.life.stretches["drop"].end
    lies = plant.at(Rose.life.stretches["drop"].end + 0.01).positions[chosen[last]]
    assert np.array_equal(lies, plant.at(DEAD).positions[chosen[last]]) and 0 <= lies[:, 2].min() < 0.001
    assert lies[:, 2].max() < 0.02


def test_a_petal_comes_loose_aside_before_it_sinks():
    plant = grow(Rose(fallen=1, detail=0.5), 3)
    petals = np.flatnonzero(plant.mesh.parts == plant.mesh.part_names.index("petals")).reshape(Rose().petals, -1)
    held, loose, falling = (plant.at(FIRST_FALL + share * FALL).positions[petals[-1]] for share in (0.0, 0.2, 0.5))
    assert np.linalg.norm((loose - held).mean(axis=0)[:2]) > 0.005
    assert abs(loose[:, 2].min() - held[:, 2].min()) < 0.003 and falling[:, 2].min() < held[:, 2].min() - 0.03


def test_many_petals_fall_one_after_another_some_at_a_touch():
    """A shower, no burst: over more than half of wilting, never all of them at once on their way."""
    record = Rose(fallen=32, detail=0.5)
    _, _, sunk = falls(record)
    assert np.isfinite(sunk).all()
    in_order = np.sort(sunk)
    assert in_order[-1] - in_order[0] > 0.5 * (DEAD - FADING)
    assert np.corrcoef(sunk, -np.arange(record.petals))[0, 1] > 0.95
    waits = np.diff(in_order)
    assert (waits < 0.01).sum() >= 6 and (waits > 0.012).sum() >= 6
    starts = in_order - FALL / 3
    assert max(((starts <= tau) & (tau < starts + FALL)).sum() for tau in starts) <= 0.7 * record.petals


def test_a_flower_that_sheds_opens_layer_by_layer():
    """Those left take the layers of those that fell, in their order, and no petal goes before it lies open."""
    layers = (np.arange(1, 33) / 32) ** 1.2
    shed = np.linspace(0, 31, 40)
    factors = np.array([blowing(gone, 32) for gone in shed])
    assert factors[0] == 1 and (np.diff(factors) >= 0).all() and np.isfinite(blowing(32, 32))
    for gone in range(24):
        assert layers[31 - gone] * blowing(gone, 32) == pytest.approx(1.0)


def test_what_is_left_of_a_flower_that_sheds_spreads():
    """The innermost petals lie farther apart than those of the same flower that keeps all."""

    def spread(fallen):
        plant = grow(Rose(fallen=fallen, detail=0.5), 3)
        chosen = np.flatnonzero(plant.mesh.parts == plant.mesh.part_names.index("petals")).reshape(32, -1)[:8]
        centres = plant.at(0.72).positions[chosen].mean(axis=1)
        return np.linalg.norm(centres - centres.mean(axis=0), axis=1).mean()

    assert spread(32) > 1.4 * spread(0)


def test_petals_that_fall_pass_through_no_other():
    specimen = grow(Rose(fallen=12), 0)
    for tau in (0.8, 0.82, 0.835, 0.85):
        share = crossing_triangles(specimen.at(tau).positions, specimen.mesh.faces) / len(specimen.mesh.faces)
        assert share < 0.0065, f"tau {tau}: {share:.2%} of triangles cross"


def test_each_petal_is_an_island(rose):
    mesh = rose.mesh
    petals = mesh.parts == mesh.part_names.index("petals")
    assert len(np.unique(parts(len(mesh.vertices), mesh.faces)[petals])) == Rose().petals
