"""Thin shells: their forces against the definition, closed forms of what bends and wrinkles, and messy sheets."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, diags
from scipy.spatial.transform import Rotation

from backend.geometry import inertia
from backend.geometry.factor import Factor, Joined
from backend.geometry.shell import Cloth, Sheet, Shell
from kernels import thinshell

STEP = 1 / 24
UNLINKED = np.zeros((0, 2), int)


def grid(columns, rows, width, height):
    """Flat, in the xy plane, all triangles leaning one way."""
    x, y = np.meshgrid(np.linspace(0, width, columns), np.linspace(0, height, rows), indexing="ij")
    i = np.arange(columns * rows).reshape(columns, rows)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    vertices = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    return vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def leaf(columns=14, rows=14):
    """Bowed, so that nothing about it is symmetric."""
    vertices, faces = grid(columns, rows, 0.5, 1.0)
    vertices[:, 2] = 0.2 * np.sin(3 * vertices[:, 0]) + 0.1 * np.cos(5 * vertices[:, 1])
    return vertices, faces


def shell_of(sheet, held=None, stretch=30.0, density=0.1, **options):
    count = len(sheet.vertices)
    held = np.zeros(count) if held is None else held
    return Shell(sheet, Cloth(stretch, density, STEP), held, UNLINKED, np.full(count, -9.0), **options)


def grown(sheet, by=1.0):
    return np.tile(by * np.eye(2), (len(sheet.faces), 1, 1))


def bent(seed):
    """A sheet's surface, crumpled positions, growth, bending stiffness and rest fold."""
    rng = np.random.default_rng(seed)
    vertices, faces = leaf()
    rest = Sheet(vertices, faces)
    surface = thinshell.surface(faces, rest.inverses, 30 * rest.area, rest.hinges, rest.stencils, len(vertices))
    positions = vertices @ Rotation.from_rotvec([0.2, 0.9, 0.1]).as_matrix().T
    positions += 0.01 * rng.normal(size=vertices.shape)
    growth = np.eye(2) - 0.3 * rng.uniform(size=(len(faces), 1, 1)) * np.array([[1.0, 0.2], [0.4, 0.4]])
    return surface, positions, growth, 0.05 * rest.hinge_weight, rest.kappa + 0.01


def forces(positions, surface, growth, bend, kappa):
    out = np.zeros_like(positions)
    thinshell.gradient(positions, surface, growth, bend, kappa, out)
    return out


# --- the rest state


def test_hinges_are_on_the_side_of_the_faces_however_vertices_are_numbered():
    vertices, faces = leaf()
    order = np.random.default_rng(3).permutation(len(vertices))
    numbered = Sheet(vertices[np.argsort(order)], order[faces])
    plain = Sheet(vertices, faces)
    for rest in (plain, numbered):
        assert (np.einsum("hi,i->h", rest.hinge_normal, [0, 0, 1]) > 0).all()  # as all faces are
    np.testing.assert_allclose(np.sort(numbered.kappa), np.sort(plain.kappa), atol=1e-12)
    turned = Sheet(vertices, faces[:, ::-1])
    np.testing.assert_allclose(np.sort(turned.kappa), np.sort(-plain.kappa), atol=1e-12)


def test_the_laplacian_knows_the_slope_of_what_is_linear():
    vertices, faces = grid(9, 7, 0.8, 0.5)
    rest = Sheet(vertices @ Rotation.from_rotvec([0.4, 0.2, 0.9]).as_matrix().T, faces)
    height = 3.0 * vertices[:, 0] - vertices[:, 1]
    assert height @ rest.laplacian() @ height == pytest.approx(10.0 * 0.8 * 0.5)


def test_what_is_ahead_has_lost_speed_falls_and_hardly_slides_on_the_floor():
    positions, velocities = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), np.array([[2.0, -4.0, 6.0], [1.0, 2.0, 0.0]])
    found = inertia.ahead(positions, velocities, np.array([8.0, 0.0]), 0.0, 0.5)
    np.testing.assert_allclose(found[0], [1.85, 0.3, 3.55])
    np.testing.assert_allclose(found[1], [0.1275, 1.255, 0.0])


# --- the kernel


def test_the_gradient_matches_its_reference_and_is_added():
    surface, positions, growth, bend, kappa = bent(4)
    expected = thinshell.gradient_reference(positions, surface, growth, bend, kappa)
    out = np.full_like(positions, 2.0)
    thinshell.gradient(positions, surface, growth, bend, kappa, out)
    np.testing.assert_allclose(out - 2.0, expected, atol=1e-10 * np.abs(expected).max())


def test_forces_turn_with_the_sheet_and_pull_nowhere():
    surface, positions, growth, bend, kappa = bent(5)
    turn = Rotation.from_rotvec([0.7, 0.2, -1.1]).as_matrix()
    force = forces(positions, surface, growth, bend, kappa)
    turned = forces(positions @ turn.T + [3, 1, 2], surface, growth, bend, kappa)
    np.testing.assert_allclose(turned, force @ turn.T, atol=1e-10 * np.abs(force).max())
    np.testing.assert_allclose(force.sum(axis=0), 0.0, atol=1e-11 * np.abs(force).sum())


def test_nan_stays_where_it_is():
    surface, positions, growth, bend, kappa = bent(6)
    positions[40, 1] = np.nan
    hurt = np.isnan(forces(positions, surface, growth, bend, kappa)).any(axis=1)
    near = np.zeros(len(positions), bool)
    near[surface.faces[(surface.faces == 40).any(axis=1)]] = True
    near[surface.hinges[(surface.hinges == 40).any(axis=1)]] = True
    np.testing.assert_array_equal(hurt, near)


def test_a_curved_sheet_is_at_rest_in_its_own_shape():
    rest = Sheet(*leaf())
    surface = thinshell.surface(rest.faces, rest.inverses, rest.area, rest.hinges, rest.stencils, len(rest.vertices))
    force = forces(rest.vertices, surface, grown(rest), rest.hinge_weight, rest.kappa)
    np.testing.assert_allclose(force, 0.0, atol=1e-11)


# --- the direct solver


def test_folds_at_rest_are_the_rest_curvature_and_turn_with_the_sheet():
    sheet = Sheet(*leaf())
    turn = Rotation.from_rotvec([0.4, -0.7, 0.2]).as_matrix()
    np.testing.assert_allclose(sheet.folds(sheet.vertices @ turn.T + [1, 2, 3]), sheet.kappa, atol=1e-9)
    # half as large, the sum of cotangents times edges is half as large too
    np.testing.assert_allclose(sheet.folds(0.5 * sheet.vertices), 0.5 * sheet.kappa, atol=1e-9)
    assert np.abs(sheet.kappa).max() > 1e-3


def test_stretch_is_the_symmetric_part_of_a_linear_map():
    sheet = Sheet(*grid(4, 3, 1.0, 0.7))
    turn = Rotation.from_rotvec([0.4, -0.7, 0.2]).as_matrix()
    plane = np.array([[1.3, 0.2, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
    found = sheet.stretch(sheet.vertices @ plane.T @ turn.T)
    expected = sheet.frame @ plane @ sheet.frame.transpose(0, 2, 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def elastic_matrix(seed=0, count=60):
    rng = np.random.default_rng(seed)
    factor = csr_matrix(np.where(rng.uniform(size=(count, count)) < 0.1, rng.normal(size=(count, count)), 0.0))
    return (factor @ factor.T + diags(rng.uniform(0.1, 1.0, count))).tocsr()


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("columns", [1, 3])
def test_a_factor_solves(form, columns):
    matrix = elastic_matrix()
    right_side = np.random.default_rng(1).normal(size=(60, columns))
    kept = matrix.copy()
    x = Factor(matrix.asformat(form)).solve(right_side)
    np.testing.assert_allclose(matrix @ x, right_side, atol=1e-11)
    np.testing.assert_array_equal(x, Factor(matrix).solve(np.asfortranarray(right_side)))
    assert (matrix != kept).nnz == 0


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pytest.raises(ValueError, match="positive definite"):
        Factor(elastic_matrix() - diags(np.full(60, 0.5)))


def test_rows_that_join_a_factor_one_time_or_another_are_solved_with_it():
    rng = np.random.default_rng(3)
    matrix = elastic_matrix()
    count = matrix.shape[0]
    rows = rng.normal(size=(7, count)) * (rng.uniform(size=(7, count)) < 4 / count)
    right_side = rng.normal(size=(count, 3))
    joined = Joined(Factor(matrix), 40.0)
    for upto, new in (0, rows[:0]), (5, rows[:5]), (7, rows[5:]):
        if len(new):
            joined.join(csr_matrix(new))
        assert len(joined) == upto
        expected = np.linalg.solve(matrix.toarray() + 40.0 * rows[:upto].T @ rows[:upto], right_side)
        np.testing.assert_allclose(joined.solve(right_side), expected, rtol=1e-9, atol=1e-12)


# --- bending, wrinkling, stretching


def test_rest_curvature_bends_a_strip_to_that_radius():
    """A strip whose hinges want curvature k becomes an arc: its chord is 2 sin(k L / 2) / k.

    Up to the mesh: slanted hinges ask for their share of the curvature, and a strip can fold at its rungs alone.
    """
    curvature, side, rows = 2.0, 0.03, 40
    i = np.arange(rows * 4).reshape(rows, 4)
    shift = 0.5 * side * (np.arange(rows) % 2)[:, None]
    height = np.sqrt(0.75) * side * np.arange(rows)[:, None]
    vertices = np.stack(np.broadcast_arrays(side * np.arange(4) + shift, 0.0, height), axis=-1).reshape(-1, 3)
    even, odd = i[:-1][::2], i[:-1][1::2]  # equilateral: rows lean to either side in turn
    above_even, above_odd = i[1:][::2], i[1:][1::2]
    faces = np.concatenate([
        np.stack([even[:, :-1], even[:, 1:], above_even[:, :-1]], -1).reshape(-1, 3),
        np.stack([even[:, 1:], above_even[:, 1:], above_even[:, :-1]], -1).reshape(-1, 3),
        np.stack([odd[:, :-1], odd[:, 1:], above_odd[:, 1:]], -1).reshape(-1, 3),
        np.stack([odd[:, :-1], above_odd[:, 1:], above_odd[:, :-1]], -1).reshape(-1, 3),
    ])  # fmt: skip
    rest = Sheet(vertices, faces)
    held = (vertices[:, 2] < 1.5 * side).astype(float)
    strip = shell_of(rest, held, stretch=5.0, density=0.01)
    kappa = -rest.hinge_area * curvature * (1 - rest.hinge_edge[:, 2] ** 2) * np.sign(rest.hinge_normal[:, 1])
    for _ in range(150):
        strip.step(grown(rest), np.full(len(rest.hinges), 0.5), kappa, np.zeros(len(vertices)), vertices)
    free = height.max() - np.sqrt(0.75) * side
    chord = np.linalg.norm(strip.positions[-4:].mean(axis=0) - vertices[4:8].mean(axis=0))
    assert chord == pytest.approx(2 * np.sin(curvature * free / 2) / curvature, rel=0.06)
    assert strip.positions[-4:, 1].min() > 0.4 * free


def wavelength(positions, columns, rows):
    """Of the ripples along x, from the power spectrum of the height, the rim left out."""
    height = positions[:, 2].reshape(columns, rows)[8:-8, 2:-2]
    height = (height - height.mean(axis=0)) * np.hanning(len(height))[:, None]
    power = (np.abs(np.fft.rfft(height, 1024, axis=0)) ** 2).sum(axis=1)
    frequency = np.fft.rfftfreq(1024)
    spacing = np.ptp(positions[:, 0]) / (columns - 1)
    return spacing * power[1:].sum() / (frequency * power)[1:].sum()


@pytest.mark.parametrize("wanted", [0.1, 0.22])
def test_a_tethered_sheet_that_grows_wrinkles_at_the_length_of_the_law(wanted):
    columns, rows, bending = 110, 9, 1e-5
    vertices, faces = grid(columns, rows, 1.1, 0.08)
    rest = Sheet(vertices, faces)
    tether = np.full(len(vertices), 3.0 * bending * (2 * np.pi / wanted) ** 4)
    held = np.isin(np.arange(len(vertices)) // rows, [0, columns - 1]).astype(float)
    skin = shell_of(rest, held, tether=tether)
    skin.positions = vertices.copy()
    skin.positions[:, 2] = 1e-4 * (1.0 - held) * np.random.default_rng(2).normal(size=len(vertices))
    along = rest.frame[:, :, 0]
    outer = along[:, :, None] * along[:, None, :]
    for k in range(50):
        growth = np.eye(2) + 0.04 * min(k / 40, 1.0) * outer
        skin.step(growth, np.full(len(rest.hinges), bending), rest.kappa, np.zeros(len(vertices)), vertices)
    assert np.ptp(skin.positions[:, 2]) > 0.1 * wanted
    assert wavelength(skin.positions, columns, rows) == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize(("shear", "angles"), [(0.0, (0.0, np.pi / 2)), (0.5, (0.0, 0.4, 1.3))])
def test_to_roll_a_sheet_up_takes_three_times_its_bending(shear, angles):
    """rigidity / 2 * curvature^2 an area: of equilateral triangles in any direction, of right-angled ones along x and
    y, across which they may be twice as stiff."""
    flat, faces = grid(60, 60, 1.0, 1.0)
    if shear:
        flat = np.stack([flat[:, 0] - shear * flat[:, 1], np.sqrt(0.75) * flat[:, 1], flat[:, 2]], axis=1)
    rest, radius = Sheet(flat, faces), 5.0
    for angle in angles:
        across = flat @ [np.cos(angle), np.sin(angle), 0]
        along = flat @ [-np.sin(angle), np.cos(angle), 0]
        rolled = np.stack([radius * np.sin(across / radius), along, radius * np.cos(across / radius)], axis=1)
        fold = np.einsum("hk,hki->hi", rest.stencils, rolled[rest.hinges])
        energy = 0.5 * (rest.hinge_weight[:, None] * fold**2).sum()
        assert energy == pytest.approx(3.0 * 0.5 * rest.area.sum() / radius**2, rel=0.05)


def needles():
    vertices, faces = grid(9, 9, 1.0, 1.0)
    vertices[40, 0] = vertices[31, 0] + 1e-5
    vertices[20] = vertices[21] + [0, 1e-9, 0]
    return vertices, faces


def collinear():
    vertices, faces = grid(6, 6, 1.0, 1.0)
    return vertices, np.concatenate([faces, [[0, 1, 2], [7, 7, 8], [3, 3, 3]]])


def stray():
    """A triangle on a line, which no other one holds."""
    vertices, faces = grid(6, 6, 1.0, 1.0)
    line = [[2, 0, 0.5], [2, 0.1, 0.5], [2, 0.2, 0.5]]
    return np.concatenate([vertices, line]), np.concatenate([faces, [[36, 37, 38]]])


def doubled():
    vertices, faces = leaf(6, 6)
    return vertices, np.concatenate([faces, faces[:10], faces[5:9, ::-1]])


def fins():
    """Four sheets on one edge."""
    vertices = [[0, 0, 0], [0, 0, 1], [1, 0, 0.5], [-1, 0, 0.4], [0, 1, 0.5], [0.2, -1, 0.6]]
    return np.array(vertices, float), np.array([[0, 1, 2], [0, 1, 3], [1, 0, 4], [0, 1, 5]])


def eight():
    return grid(4, 2, 1.0, 0.3)


def single():
    return np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), np.array([[0, 1, 2]])


MESSY = [needles, collinear, stray, doubled, fins, eight, single]


def test_a_needle_is_no_stiffer_than_thirty_triangles_and_others_are_as_they_were():
    rest = Sheet(*needles())
    stiffness = rest.area * (rest.inverses**2).sum(axis=(1, 2))
    usual = np.median(stiffness)
    assert stiffness.max() > 1e3 * usual
    assert (rest.trust * stiffness).max() < 31 * usual
    np.testing.assert_array_equal(rest.trust[stiffness < 29 * usual], 1.0)


@pytest.mark.parametrize("shape", MESSY)
def test_a_messy_sheet_is_at_rest_as_it_is(shape):
    rest = Sheet(*shape())
    sheet = shell_of(rest)
    for _ in range(3):
        weightless = np.zeros(len(rest.vertices))
        sheet.step(grown(rest), np.full(len(rest.hinges), 0.05), rest.kappa, weightless, rest.vertices)
    np.testing.assert_allclose(sheet.positions, rest.vertices, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-4, 1.0])
@pytest.mark.parametrize("shape", MESSY)
def test_a_messy_sheet_that_shrinks_and_hangs_stays_in_one_piece(shape, scale):
    vertices, faces = shape()
    rest = Sheet(scale * vertices, faces)
    sheet = shell_of(rest, np.eye(len(vertices))[0])
    gravity = np.full(len(vertices), 4.0 * scale)
    gravity[36:] *= len(vertices) != 39  # the stray is held by nothing: it alone would fall for ever
    for _ in range(24):
        bending = np.full(len(rest.hinges), 0.02 * scale**2)
        sheet.step(grown(rest, 0.8), bending, 0.5 * rest.kappa, gravity, rest.vertices)
    assert np.isfinite(sheet.positions).all()
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    before, after = (np.linalg.norm(np.subtract(*x[sides.T]), axis=1) for x in (rest.vertices, sheet.positions))
    assert (after <= 1.5 * before + 0.02 * scale).all()


def test_a_triangle_on_a_line_that_no_other_holds_goes_along_with_its_own_corner():
    rest = Sheet(*stray())
    held = np.zeros(len(rest.vertices))
    held[[0, 36]] = 1.0
    sheet = shell_of(rest, held)
    anchors = rest.vertices + [0.0, 0.0, 0.1] * (np.arange(len(held)) == 36)[:, None]
    for _ in range(30):
        sheet.step(grown(rest), np.full(len(rest.hinges), 0.05), rest.kappa, np.zeros(len(held)), anchors)
    np.testing.assert_allclose(sheet.positions[36:], anchors[36] + rest.vertices[36:] - rest.vertices[36], atol=0.02)
