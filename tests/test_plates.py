"""Flat shell elements: patch tests, closed forms of plates, strips and shells, invariances, and triangles gone bad."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from numpy.polynomial import Polynomial
from scipy.optimize import brentq
from scipy.sparse.linalg import eigsh
from scipy.spatial import Delaunay
from scipy.spatial.transform import Rotation
from scipy.special import iv, jv

from backend.geometry.modes import plates
from backend.geometry.modes.matter import Matter

TILT = Rotation.from_rotvec([0.7, -0.4, 1.1]).as_matrix()


METAL = Matter(young=7e10, density=2700.0, poisson=0.3, thickness=0.002)


def rigidity(matter):
    return matter.young * matter.thickness**3 / 12.0 / (1.0 - matter.poisson**2)


def weight(matter):
    return matter.density * matter.thickness


def grid(columns, rows, width, height, jitter=0.0):
    """A flat rectangle with its corner at the origin, cells cut along either diagonal by turns."""
    x, y = np.meshgrid(np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1), indexing="ij")
    moved = np.random.default_rng(3).uniform(-jitter, jitter, size=(2, *x.shape))
    moved[0][[0, -1]] = 0.0
    moved[1][:, [0, -1]] = 0.0
    x, y = x + moved[0] * width / columns, y + moved[1] * height / rows
    i = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    even = (np.add.outer(np.arange(columns), np.arange(rows)).ravel() % 2 == 0)[:, None]
    one = np.where(even, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    other = np.where(even, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3), np.concatenate([one, other])


def disc(rings, jitter=0.0):
    turn = [2 * np.pi * np.arange(6 * r) / (6 * r) for r in range(1, rings + 1)]
    points = [np.stack([np.cos(t), np.sin(t)], 1) * (k + 1) / rings for k, t in enumerate(turn)]
    points = np.concatenate([[[0.0, 0.0]], *points])
    inside = np.hypot(*points.T) < 1 - 1e-9
    points[inside] += np.random.default_rng(4).uniform(-jitter, jitter, size=(inside.sum(), 2)) / rings
    return np.column_stack([points, 0 * points[:, 0]]), Delaunay(points).simplices


def tube(around, along, radius, length):
    """Open at both ends; every other ring turned by half a facet."""
    turn = 2 * np.pi * (np.arange(around)[:, None] + 0.5 * np.arange(along + 1)) / around
    z = np.broadcast_to(np.linspace(0, length, along + 1), turn.shape)
    i = np.arange(turn.size).reshape(turn.shape)
    n = np.roll(i, -1, axis=0)
    a, b, c, d = (corner.ravel() for corner in (i[:, :-1], n[:, :-1], n[:, 1:], i[:, 1:]))
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([b, c, d], 1)])
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], -1).reshape(-1, 3), faces


def crumpled(seed=0):
    """A sheet with no symmetry, welded to another along a line so that three triangles meet at its edges."""
    vertices, faces = grid(5, 4, 1.0, 0.7, 0.2)
    vertices[:, 2] = 0.3 * np.sin(3 * vertices[:, 0]) + 0.1 * np.cos(5 * vertices[:, 1])
    fin = faces[(faces < 15).all(axis=1)]
    lifted = vertices[:15] + [0.1, 0.05, 0.4]
    lifted[:5] = vertices[10:15]
    index = np.concatenate([np.arange(10, 15), len(vertices) + np.arange(10)])
    vertices = np.concatenate([vertices, lifted[5:]])
    return vertices + 0.01 * np.random.default_rng(seed).normal(size=vertices.shape), np.concatenate(
        [faces, index[fin]]
    )


def frequencies(vertices, faces, matter, held=None, count=6):
    """(count,) in Hz, ascending; `held` (V, 6) freedoms that do not move."""
    stiffness, mass = plates.stiffness_and_mass(vertices, faces, matter)
    free = np.arange(6 * len(vertices)) if held is None else np.flatnonzero(~held.ravel())
    stiffness, mass = stiffness[free][:, free].tocsc(), mass[free][:, free].tocsc()
    shift = 0.0
    if held is None:  # far below the first elastic mode, and above rounding
        shift = -1e-9 * stiffness.diagonal().sum() / mass.diagonal().sum()
    squared = eigsh(stiffness, count, mass, sigma=shift, v0=np.ones(len(free)), return_eigenvectors=False)
    return np.sqrt(np.maximum(np.sort(squared), 0.0)) / (2 * np.pi)


def hertz(squared):
    return np.sqrt(squared) / (2 * np.pi)


def holding(chosen, *freedoms):
    held = np.zeros((len(chosen), 6), bool)
    held[np.ix_(chosen, freedoms or range(6))] = True
    return held


def on_the_rim(vertices, width, height):
    x, y = vertices[:, 0], vertices[:, 1]
    return np.isclose(x, 0) | np.isclose(x, width) | np.isclose(y, 0) | np.isclose(y, height)


def simply_supported(width, height, matter, count=6):
    """Leissa, "Vibration of plates", 1969: w^2 = D / (rho h) ((m pi / a)^2 + (n pi / b)^2)^2."""
    m, n = np.meshgrid(np.arange(1, 9), np.arange(1, 9))
    waves = np.sort((((m * np.pi / width) ** 2 + (n * np.pi / height) ** 2) ** 2).ravel())[:count]
    return hertz(rigidity(matter) / weight(matter) * waves)


def beam_roots(count):
    """cos x cosh x = -1: a beam clamped at one end."""
    middle = (np.arange(count) + 0.5) * np.pi
    return np.array([brentq(lambda x: np.cos(x) + 1 / np.cosh(x), m - 0.5, m + 0.5) for m in middle])


# --- what any mesh must do -------------------------------------------------------------------------------------------


def rigid_motions(vertices):
    """(6 V, 6) three translations and three rotations."""
    motions = np.zeros((len(vertices), 6, 6))
    motions[:, :3, :3] = np.eye(3)
    for axis in range(3):
        motions[:, :3, 3 + axis] = np.cross(np.eye(3)[axis], vertices)
        motions[:, 3 + axis, 3 + axis] = 1.0
    return motions.reshape(-1, 6)


def test_a_free_sheet_has_six_motions_that_cost_nothing_and_no_more():
    vertices, faces = crumpled()
    stiffness, mass = plates.stiffness_and_mass(vertices, faces, METAL)
    assert abs(stiffness - stiffness.T).max() == 0.0
    motions = rigid_motions(vertices)
    assert abs(stiffness @ motions).max() < 1e-12 * abs(stiffness).max()
    root = 1.0 / np.sqrt(mass.diagonal())
    squared = np.linalg.eigvalsh(root[:, None] * stiffness.toarray() * root)
    assert abs(squared[:6]).max() < 1e-3 * squared[6]  # rounding, of the turns of vertices at 1e10 times as much


def test_the_mass_is_that_of_the_sheet():
    vertices, faces = crumpled()
    mass = plates.stiffness_and_mass(vertices, faces, METAL)[1]
    motions = rigid_motions(vertices)
    whole = motions.T @ mass @ motions
    surface = trimesh.Trimesh(vertices, faces, process=False)
    assert np.allclose(whole[:3, :3], weight(METAL) * surface.area * np.eye(3))
    assert np.allclose(
        whole[3:, :3].T, weight(METAL) * surface.area * skew(surface.triangles_center, surface.area_faces)
    )


def skew(points, weights):
    """The matrix of the cross product with minus the weighted mean of the points."""
    x, y, z = np.average(points, axis=0, weights=weights)
    return np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])


def test_turning_a_sheet_turns_its_matrices():
    vertices, faces = crumpled()
    stiffness, mass = plates.stiffness_and_mass(vertices, faces, METAL)
    turned, turned_mass = plates.stiffness_and_mass(vertices @ TILT.T + [3, -2, 5], faces, METAL)
    turn = np.kron(np.eye(2 * len(vertices)), TILT)
    assert abs(turn @ stiffness.toarray() @ turn.T - turned.toarray()).max() < 1e-10 * abs(stiffness).max()
    assert np.allclose(turned_mass.diagonal(), mass.diagonal(), rtol=1e-10)


def test_neither_winding_nor_the_first_corner_nor_the_order_of_faces_matters():
    vertices, faces = crumpled()
    stiffness = plates.stiffness_and_mass(vertices, faces, METAL)[0]
    order = np.random.default_rng(5).permutation(len(faces))
    other = np.where(order[:, None] % 2, np.roll(faces[order], 1, axis=1), faces[order][:, ::-1])
    again = plates.stiffness_and_mass(vertices, other, METAL)[0]
    assert abs(again - stiffness).max() < 1e-11 * abs(stiffness).max()


def test_matter_may_differ_from_face_to_face():
    vertices, faces = crumpled()
    split = len(faces) // 3
    thin, thick = (
        replace(METAL, thickness=0.001, poisson=0.1),
        replace(METAL, young=3e9, density=900.0, thickness=0.004),
    )
    both = Matter(
        *(
            np.where(np.arange(len(faces)) < split, getattr(thin, name), getattr(thick, name))
            for name in ("young", "density", "poisson", "thickness")
        )
    )
    whole = plates.stiffness_and_mass(vertices, faces, both)
    one = plates.stiffness_and_mass(vertices, faces[:split], thin)
    two = plates.stiffness_and_mass(vertices, faces[split:], thick)
    for k in range(2):
        assert abs(whole[k] - one[k] - two[k]).max() < 1e-12 * abs(whole[k]).max()


def test_a_vertex_of_no_triangle_has_no_rows():
    vertices, faces = crumpled()
    more = np.concatenate([vertices, [[9.0, 9.0, 9.0]]])
    for matrix, small in zip(*(plates.stiffness_and_mass(v, faces, METAL) for v in (more, vertices)), strict=True):
        assert matrix[-6:].nnz == matrix[:, -6:].nnz == 0
        assert abs(matrix[:-6, :-6] - small).max() == 0.0


@pytest.mark.parametrize(
    ("change", "factor"),
    [({"young": 4 * 7e10}, 2.0), ({"density": 9 * 2700.0}, 1 / 3), ({"thickness": 0.006}, 3.0)],
)
def test_frequencies_scale_with_matter(change, factor):
    vertices, faces = grid(8, 6, 1.0, 0.7, 0.25)
    held = holding(np.isclose(vertices[:, 0], 0))
    before, after = (frequencies(vertices, faces, matter, held, 3) for matter in (METAL, replace(METAL, **change)))
    assert np.allclose(
        after, factor * before, rtol=2e-3
    )  # rotary inertia does not scale with thickness as bending does


def test_frequencies_fall_with_size():
    vertices, faces = crumpled()
    held = holding(vertices[:, 0] < 0.1)
    small = frequencies(vertices, faces, METAL, held)
    assert np.allclose(frequencies(5 * vertices, faces, replace(METAL, thickness=0.01), held), small / 5, rtol=1e-6)


# --- patch tests -----------------------------------------------------------------------------------------------------


def field(vertices, displacement, turn):
    """(6 V,) of a flat sheet tilted in space."""
    return (np.stack([displacement, turn], axis=1) @ TILT.T).ravel()


def patch(displacement, turn, energy_density):
    """What a field must do on an irregular mesh: have its energy, and leave no force on inner vertices."""
    vertices, faces = grid(5, 6, 1.0, 0.7, 0.3)
    x, y = vertices[:, 0], vertices[:, 1]
    stiffness = plates.stiffness_and_mass(vertices @ TILT.T, faces, METAL)[0]
    state = field(vertices, np.stack(displacement(x, y), 1), np.stack(turn(x, y), 1))
    force = (stiffness @ state).reshape(-1, 6)
    assert state @ force.ravel() == pytest.approx(energy_density * 0.7, rel=1e-9)
    rounding = 1e-13 * abs(stiffness).max() * abs(state).max()
    assert abs(force[~on_the_rim(vertices, 1.0, 0.7)]).max() < rounding
    assert abs(force).max() > 1e3 * rounding


def test_a_constant_strain_passes_the_patch_test():
    xx, yy, xy, turn = 2e-3, -1e-3, 1.5e-3, 0.7e-3
    stretch = METAL.young * METAL.thickness / (1 - METAL.poisson**2)
    density = stretch * (xx**2 + yy**2 + 2 * METAL.poisson * xx * yy + (1 - METAL.poisson) / 2 * xy**2)
    patch(
        lambda x, y: (xx * x + (xy / 2 - turn) * y, (xy / 2 + turn) * x + yy * y, 0 * x),
        lambda x, y: (0 * x, 0 * x, turn + 0 * x),
        density,
    )


def test_a_constant_curvature_passes_the_patch_test():
    xx, yy, xy = 2.0, -1.0, 0.6  # of w = xx x^2 / 2 + yy y^2 / 2 + xy x y
    density = rigidity(METAL) * (xx**2 + yy**2 + 2 * METAL.poisson * xx * yy + 2 * (1 - METAL.poisson) * xy**2)
    patch(
        lambda x, y: (0 * x, 0 * x, xx * x**2 / 2 + yy * y**2 / 2 + xy * x * y),
        lambda x, y: (yy * y + xy * x, -xx * x - xy * y, 0 * x),
        density,
    )


@pytest.mark.parametrize(("width", "height"), [(1.0, 1.0), (6.0, 1.0), (1.0, 4.0)])
def test_two_triangles_bend_in_their_plane_as_a_beam_does(width, height):
    """What OPT was built for: u = x y, v = -(x^2 + nu y^2) / 2 has the energy E t b h^3 / 12 at any aspect ratio."""
    vertices, faces = grid(1, 1, width, height)
    x, y = (vertices - [width / 2, height / 2, 0]).T[:2]
    stiffness = plates.stiffness_and_mass(vertices @ TILT.T, faces, METAL)[0]
    sag = -0.5 * (x**2 + METAL.poisson * y**2)
    state = field(vertices, np.stack([x * y, sag, 0 * x], 1), np.stack([0 * x, 0 * x, -x], 1))
    bent = METAL.young * METAL.thickness * width * height**3 / 12
    assert state @ stiffness @ state == pytest.approx(bent, rel=1e-9)


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "rows", "jitter"), [(20, 14, 0.0), (20, 14, 0.3), (100, 8, 0.15)])
def test_a_simply_supported_plate(columns, rows, jitter):
    vertices, faces = grid(columns, rows, 1.0, 0.7, jitter)
    held = holding(on_the_rim(vertices, 1.0, 0.7), 0, 1, 2)
    found = frequencies(vertices @ TILT.T, faces, METAL, held)
    assert found == pytest.approx(simply_supported(1.0, 0.7, METAL), rel=0.02)


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_a_clamped_disc(jitter):
    """Leissa, 1969: J_n(x) I_n+1(x) + I_n(x) J_n+1(x) = 0, w = x^2 / a^2 sqrt(D / rho h)."""

    def equation(x, n):
        return jv(n, x) * iv(n + 1, x) + iv(n, x) * jv(n + 1, x)

    brackets = {0: [(3, 3.4), (6, 6.6)], 1: [(4.4, 4.8)], 2: [(5.7, 6.1)]}
    roots = [brentq(equation, *span, args=(n,)) for n, spans in brackets.items() for span in spans * (2 if n else 1)]
    expected = hertz(rigidity(METAL) / weight(METAL) * np.sort(roots) ** 4)
    vertices, faces = disc(10, jitter)
    rim = np.hypot(vertices[:, 0], vertices[:, 1]) > 1 - 1e-9
    assert frequencies(vertices @ TILT.T, faces, METAL, holding(rim)) == pytest.approx(expected, rel=0.02)


def test_a_cantilever_strip_bends_as_a_beam():
    matter = replace(METAL, poisson=0.0, thickness=0.002)
    vertices, faces = grid(24, 2, 1.0, 0.04, 0.2)
    held = holding(np.isclose(vertices[:, 0], 0))
    squared = matter.young * matter.thickness**2 / 12 / matter.density * beam_roots(3) ** 4
    assert frequencies(vertices @ TILT.T, faces, matter, held, 3) == pytest.approx(hertz(squared), rel=0.02)


def test_a_cantilever_strip_bends_in_its_plane_as_a_beam():
    matter, width = replace(METAL, poisson=0.3), 0.02
    vertices, faces = grid(40, 2, 1.0, width, 0.1)
    held = holding(np.isclose(vertices[:, 0], 0)) | holding(np.ones(len(vertices), bool), 2, 3, 4)
    squared = matter.young * width**2 / 12 / matter.density * beam_roots(2) ** 4
    assert frequencies(vertices, faces, matter, held, 2) == pytest.approx(hertz(squared), rel=0.02)


def test_three_blades_welded_at_one_edge():
    """A hinge along the edge: they turn freely, and two ways swing against each other as if clamped."""
    matter = replace(METAL, poisson=0.0)
    blade, faces = grid(16, 2, 1.0, 0.05, 0.2)
    sharing = np.isclose(blade[:, 0], 0)
    vertices, triangles = blade[sharing], []
    for turn in np.deg2rad([0.0, 100.0, 230.0]):
        index = np.zeros(len(blade), int)
        index[sharing] = np.arange(sharing.sum())
        index[~sharing] = len(vertices) + np.arange((~sharing).sum())
        turned = blade @ Rotation.from_euler("y", turn).as_matrix().T
        vertices = np.concatenate([vertices, turned[~sharing]])
        triangles.append(index[faces])
    held = holding(np.arange(len(vertices)) < sharing.sum(), 0, 1, 2)
    found = frequencies(vertices, np.concatenate(triangles), matter, held | holding(np.isclose(vertices[:, 1], -1)), 4)
    pinned = brentq(lambda x: np.tan(x) - np.tanh(x), 3.8, 4.1)
    squared = np.array([*beam_roots(1), *beam_roots(1), pinned]) ** 4
    expected = hertz(matter.young * matter.thickness**2 / 12 / matter.density * squared)
    assert found[0] < 1e-3 * found[1]
    assert found[1:] == pytest.approx(expected, rel=0.02)


def test_a_tube_breathes_without_stretching():
    """Rayleigh's and Love's inextensional modes of a cylinder with free ends (Leissa, "Vibration of shells", 1973)."""
    matter, radius, length = METAL, 0.1, 0.2
    vertices, faces = tube(36, 14, radius, length)
    n = np.array([2.0, 3.0])
    rayleigh = rigidity(matter) / weight(matter) / radius**4 * n**2 * (n**2 - 1) ** 2 / (n**2 + 1)
    # with the half length l, in R^2 / l^2 = 4 R^2 / length^2
    short = 4 * radius**2 / length**2
    love = rayleigh * (1 + 6 * (1 - matter.poisson) * short / n**2) / (1 + 3 * short / (n**2 * (n**2 + 1)))
    found = frequencies(vertices @ TILT.T, faces, matter, count=14)
    assert found[:6].max() < 1e-3 * found[6]
    expected = np.repeat(hertz(np.stack([rayleigh, love], 1).ravel()), 2)
    assert found[6:] == pytest.approx(expected, rel=0.02)


def test_a_thin_sphere_stretches():
    """Lamb 1882: a membrane's spheroidal modes, a W^4 - b W^2 + c = 0 for W = w R sqrt(rho / E)."""
    matter = replace(METAL, thickness=0.004)
    ball = trimesh.creation.icosphere(subdivisions=3)
    found = frequencies(ball.vertices, ball.faces, matter, count=18)[6:]
    n = np.array([2, 3])
    expected = [
        np.sqrt(
            Polynomial([k * (k + 1) - 2, -(k * (k + 1) + 1 + 3 * matter.poisson), 1 - matter.poisson**2]).roots()[0]
        )
        for k in n
    ]
    expected = np.repeat(expected, 2 * n + 1) * np.sqrt(matter.young / matter.density) / (2 * np.pi)
    assert found == pytest.approx(expected, rel=0.02)


# --- triangles gone bad ----------------------------------------------------------------------------------------------


def with_t_junctions(vertices, faces, off):
    """Every third inner edge broken on one side only, and the gap closed by a triangle without area."""
    vertices, faces = list(vertices), faces.tolist()
    sides: dict = {}
    for number, face in enumerate(faces):
        for k in range(3):
            sides.setdefault(frozenset((face[k], face[k - 2])), []).append((number, k))
    rng, touched, more = np.random.default_rng(1), set(), []
    for (one, k), (other, _) in [pair for pair in sides.values() if len(pair) == 2][::3]:
        if not touched & {one, other}:
            touched |= {one, other}
            a, b, c = faces[one][k], faces[one][k - 2], faces[one][k - 1]
            middle = len(vertices)
            vertices.append(0.6 * vertices[a] + 0.4 * vertices[b] + off * rng.normal(size=3))
            faces[one] = [a, middle, c]
            more += [[middle, b, c], [b, middle, a]]
    return np.array(vertices), np.array(faces + more)


def with_a_seam(vertices, faces, gap):
    """Two rows of vertices in one place, joined by needles and doubled corners."""
    right = vertices[:, 0] > 0.5
    crossing = right[faces].any(axis=1) & ~right[faces].all(axis=1)
    ends = np.unique(faces[crossing][right[faces[crossing]]])
    twin = np.arange(len(vertices))
    twin[ends] = len(vertices) + np.arange(len(ends))
    doubled = np.concatenate([vertices, vertices[ends] - [gap, 0, 0]])
    torn = np.where(crossing[:, None], twin[faces], faces)
    rim = ends[np.argsort(vertices[ends, 1])]
    a, b = rim[:-1], rim[1:]
    needles = np.concatenate([np.stack([a, twin[a], b], 1), np.stack([twin[a], twin[b], b], 1)])
    return doubled, np.concatenate([torn, needles, [[3, 3, 30], [7, 7, 7]]])


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-5])
@pytest.mark.parametrize("spoilt", [with_t_junctions, with_a_seam])
def test_triangles_without_area_hold_a_plate_together(spoilt, off):
    vertices, faces = spoilt(*grid(20, 14, 1.0, 0.7, 0.15), off)
    assert len(vertices) > 21 * 15
    held = holding(on_the_rim(vertices, 1.0, 0.7), 0, 1, 2)
    matter = replace(METAL, thickness=0.004)
    found = frequencies(vertices @ TILT.T, faces, matter, held)
    assert found == pytest.approx(simply_supported(1.0, 0.7, matter), rel=0.02)


def test_bad_triangles_cost_a_rigid_motion_nothing():
    vertices, faces = with_a_seam(*grid(6, 5, 1.0, 0.7, 0.15), 0.0)
    vertices[:, 2] = 0.2 * np.sin(4 * vertices[:, 0])
    stiffness, mass = plates.stiffness_and_mass(vertices, faces, METAL)
    assert abs(stiffness @ rigid_motions(vertices)).max() < 1e-12 * abs(stiffness).max()
    assert np.isfinite(stiffness.data).all()
    assert mass.diagonal().min() > 0.0


def test_a_mesh_in_one_point_is_refused():
    with pytest.raises(ValueError, match="extent"):
        plates.stiffness_and_mass(np.ones((4, 3)), np.array([[0, 1, 2], [0, 2, 3]]), METAL)
