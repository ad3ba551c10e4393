"""A rose: petals that nest and fall, measured against rays and closed forms."""

import numpy as np
import pytest
import trimesh

from backend.geometry.fields import parts
from backend.specimens.rose import (
    DEAD,
    FADING,
    FALL,
    FIRST_FALL,
    LAST_FALL,
    OPEN,
    USUAL_DIAMETER,
    Rose,
    grow,
    layer_points,
)

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


def test_as_many_petals_fall_as_were_asked_for_the_outermost_first():
    record = Rose(fallen=4)
    plant, whole = grow(record, 3), grow(Rose(fallen=0), 3)
    mesh = plant.mesh
    chosen = np.flatnonzero(mesh.parts == mesh.part_names.index("petals")).reshape(record.petals, -1)

    def let_go(tau):
        moved = np.linalg.norm(plant.at(tau).positions - whole.at(tau).positions, axis=1)[chosen].max(axis=1)
        return set(np.flatnonzero(moved > 0).tolist())

    last = record.petals - 1
    assert let_go(FIRST_FALL) == set()
    assert let_go((FIRST_FALL + LAST_FALL) / 2) == {last, last - 1}
    assert let_go(DEAD) == {last, last - 1, last - 2, last - 3}
    lies = plant.at(LAST_FALL + FALL + 0.01).positions[chosen[last]]
    assert np.array_equal(lies, plant.at(DEAD).positions[chosen[last]]) and 0 <= lies[:, 2].min() < 0.001
    assert lies[:, 2].max() < 0.02


def test_each_petal_is_an_island(rose):
    mesh = rose.mesh
    petals = mesh.parts == mesh.part_names.index("petals")
    assert len(np.unique(parts(len(mesh.vertices), mesh.faces)[petals])) == Rose().petals
