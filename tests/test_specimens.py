"""Specimens: a living mesh at any life time, measured against rays, closed forms and itself."""

import numpy as np
import pytest
import trimesh

from backend.clip import Mesh
from backend.species import Rose
from backend.specimens.core import Organ, Skin, Spine, blade, grid_quads, join, pack, ramp, tube, turn
from backend.specimens.rose import DEAD, OPEN, USUAL_DIAMETER, WILTING, grow, layer_points

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


def adjacent_normals(positions, faces) -> np.ndarray:
    """Cosines between the normals of neighbouring triangles."""
    mesh = trimesh.Trimesh(positions, faces, process=False)
    first, second = mesh.face_normals[mesh.face_adjacency].transpose(1, 0, 2)
    return np.einsum("ij,ij->i", first, second)


def islands(mesh, chosen) -> list[np.ndarray]:
    """Connected groups of the chosen triangles."""
    adjacency = trimesh.Trimesh(mesh.vertices, mesh.faces[chosen], process=False).face_adjacency
    return trimesh.graph.connected_components(adjacency, nodes=np.arange(chosen.sum()))


def test_crossings_are_counted():
    cross = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.5, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.6, 1]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    assert crossing_triangles(cross, faces) == 1
    assert crossing_triangles(cross + np.repeat([[0, 0, 0], [0, 0, -5]], 3, axis=0), faces) == 0


def test_petals_nest_all_their_life():
    for seed in (1, 6):
        specimen = grow(Rose(), seed)
        faces = specimen.mesh.faces
        for tau in LIFE:
            share = crossing_triangles(specimen.at(tau).positions, faces) / len(faces)
            assert share < 0.005, f"seed {seed}, tau {tau}: {share:.2%} of triangles cross"


@pytest.mark.parametrize("tau", [0.02, *LIFE[1:]])
def test_layers_never_meet(tau):
    """(t, x) -> (r, z) keeps its orientation, up to the outermost petal."""
    t, x = np.linspace(0, 1, 161), np.linspace(0.02, 1, 81)
    r, z, _ = layer_points(t[None, :, None] + 0 * x, x[None, None], tau, Rose())
    (rt, rx), (zt, zx) = np.gradient(r[0], t, x), np.gradient(z[0], t, x)
    assert (rx * zt - rt * zx > 0).all()


def test_mesh_is_whole(rose):
    mesh = rose.mesh
    assert isinstance(mesh, Mesh) and 8_000 <= len(mesh.vertices) <= 20_000
    assert np.array_equal(mesh.vertices, rose.at(0).positions)
    assert np.array_equal(np.unique(mesh.corners), np.arange(len(mesh.vertices)))
    assert mesh.sizes.sum() == len(mesh.corners) == len(mesh.uv)
    assert set(np.unique(mesh.parts)) == set(range(len(mesh.part_names)))
    petals = mesh.parts == mesh.part_names.index("petals")
    assert len(islands(mesh, petals[mesh.faces[:, 0]])) == Rose().petals


def test_frames_are_physical(rose):
    for tau in LIFE:
        frame = rose.at(tau)
        assert frame.positions.shape == frame.albedo.shape == rose.mesh.vertices.shape
        assert frame.roughness.shape == rose.mesh.vertices.shape[:1]
        for array in (frame.positions, frame.albedo, frame.roughness):
            assert array.dtype == np.float32 and array.flags.c_contiguous and np.isfinite(array).all()
        for material in (frame.albedo, frame.roughness):
            assert material.min() >= 0 and material.max() <= 1


def test_life_has_its_shape(rose):
    """Opens to its diameter, stands still, then sinks, shrinks, browns and grows rough."""
    mesh = rose.mesh
    petals = mesh.parts == mesh.part_names.index("petals")

    def width(tau):
        points = rose.at(tau).positions[petals][:, :2]
        return np.linalg.norm(points - points.mean(axis=0), axis=1).max() * 2

    assert width(OPEN) > 2.5 * width(0) and width(OPEN) == pytest.approx(USUAL_DIAMETER, rel=0.25)
    stands, dead = rose.at(OPEN), rose.at(DEAD)
    assert np.array_equal(stands.positions, rose.at(WILTING).positions)
    assert dead.positions[petals, 2].mean() < stands.positions[petals, 2].mean() - 0.02
    assert dead.roughness[petals].mean() > stands.roughness[petals].mean() + 0.1
    assert dead.albedo[petals, 0].mean() < 0.5 * stands.albedo[petals, 0].mean()


def test_life_is_continuous(rose):
    """No vertex jumps: at most 4 mm from one of 240 frames to the next, whole plant 300 mm."""
    frames = np.stack([rose.at(tau).positions for tau in np.linspace(0, 1, 240)])
    assert np.linalg.norm(np.diff(frames, axis=0), axis=2).max() < 0.004


def test_no_face_folds_over(rose):
    start = adjacent_normals(rose.mesh.vertices, rose.mesh.faces)
    for tau in LIFE:
        assert (adjacent_normals(rose.at(tau).positions, rose.mesh.faces) < -0.5).mean() < 0.004
    assert (start < -0.5).mean() < 0.001


def test_seed_is_the_individual(rose):
    again, other = grow(Rose(), 3), grow(Rose(), 4)
    for tau in (0.0, 0.7):
        assert again.at(tau).positions.tobytes() == rose.at(tau).positions.tobytes()
        assert again.at(tau).albedo.tobytes() == rose.at(tau).albedo.tobytes()
    assert again.mesh.uv.tobytes() == rose.mesh.uv.tobytes()
    step = np.linalg.norm(other.at(OPEN).positions - rose.at(OPEN).positions, axis=1)
    assert np.median(step) > 0.005


@pytest.mark.parametrize(
    "change",
    [{"petals": 25}, {"petals": 60}, {"leaves": 0, "thorns": 0}, {"flower": 0.7, "height": 0.8}, {"detail": 0.5}],
)
def test_parameters_hold(change):
    record = Rose(**change)
    specimen = grow(record, 1)
    assert np.isfinite(specimen.at(1.0).positions).all()
    assert specimen.mesh.vertices[:, 2].max() == pytest.approx(record.height, rel=0.2)


def test_scale_is_a_similarity():
    """A plant twice as large in every length is the same plant twice as large, dead or alive."""
    small, large = grow(Rose(), 5), grow(Rose(height=0.6), 5)
    for tau in (0.0, OPEN, DEAD):
        assert np.allclose(large.at(tau).positions, 2 * small.at(tau).positions, atol=4e-5)


def test_atlas_islands_are_apart(rose):
    """Every island drawn into a 2048 image: no texel belongs to two."""
    mesh = rose.mesh
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    island = np.empty(len(mesh.faces), int)
    for k, group in enumerate(islands(mesh, np.ones(len(mesh.faces), bool))):
        island[group] = k
    corners = mesh.uv[mesh.triangles]
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], 60)
    texel = (np.einsum("kc,fcd->fkd", weights, corners) * 2048).astype(int)
    key = texel[..., 0] * 2048 + texel[..., 1]
    pairs = np.unique(np.stack([key.ravel(), np.repeat(island, 60)]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]


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
