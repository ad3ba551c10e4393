"""Solids in vibration: exact integrals over what a surface encloses, and frequencies that have closed forms."""

import numpy as np
import pytest
import trimesh
from scipy.optimize import brentq
from scipy.special import spherical_jn

from backend.geometry.anatomy import Anatomy
from backend.geometry.modes import Matter, cells, modes_of
from backend.geometry.modes.enclosed import enclosed
from tests.shapes import body_of

STEEL = Matter(young=2e11, density=7800.0, poisson=0.3)
BEAM = np.array([1.8751041, 4.6940911, 7.8547574])  # roots of cos(x) cosh(x) = -1
TURN = trimesh.transformations.rotation_matrix(0.7, [0.3, -0.5, 0.8])


def modes(mesh, held=None, matter=STEEL, count=8):
    held = np.zeros(len(mesh.vertices), bool) if held is None else held
    return modes_of(Anatomy(body_of(mesh.vertices, mesh.faces)), matter, count, held)


def bar(length, width, depth):
    mesh = trimesh.creation.box([width, depth, length])
    mesh.apply_translation([0.0, 0.0, 0.5 * length])
    return mesh.subdivide_to_size(1.01 * max(width, depth))


def monomials_within(corners, powers):
    """Integral over a tetrahedron, by Gauss's rule on a cube folded into it."""
    x, w = np.polynomial.legendre.leggauss(10)
    u, v, t = np.meshgrid(*[0.5 * (x + 1.0)] * 3, indexing="ij")
    weight = 0.125 * w[:, None, None] * w[:, None] * w * (1.0 - u) ** 2 * (1.0 - v)
    shares = np.stack([u, (1.0 - u) * v, (1.0 - u) * (1.0 - v) * t], axis=-1)
    edges = corners[1:] - corners[0]
    points = corners[0] + shares @ edges
    return abs(np.linalg.det(edges)) * (weight * np.prod(points**powers, axis=-1)).sum()


@pytest.mark.parametrize("powers", [(0, 0, 0), (1, 0, 0), (4, 0, 0), (0, 3, 1), (2, 1, 4), (4, 4, 4)])
def test_moments_are_the_integrals_over_what_is_inside(powers):
    corners = np.array([[0.3, 0.4, 0.2], [2.8, 0.7, 1.1], [0.9, 2.6, 0.5], [1.2, 0.9, 2.7]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    weights, _ = cells.moments(corners[faces], (3, 3, 3))
    line = 0.5 * (np.polynomial.legendre.leggauss(cells.ORDER)[0] + 1.0)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    corner = np.argwhere(np.ones((3, 3, 3))).reshape(3, 3, 3, 1, 3)
    found = (weights / 8.0 * np.prod((corner + points) ** powers, axis=-1)).sum()
    assert found == pytest.approx(monomials_within(corners, powers), rel=1e-9)


def test_each_cell_holds_what_of_the_inside_is_in_it():
    middle, radius = np.array([1.5, 1.4, 1.6]), 1.3
    ball = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    share = cells.moments(np.asarray(ball.triangles) + middle, (3, 3, 3))[0].sum(axis=-1) / 8.0
    assert share[1, 1, 1] == pytest.approx(1.0)
    points = np.stack(np.meshgrid(*[(np.arange(60) + 0.5) / 60] * 3, indexing="ij"), axis=-1)
    for cell in ((0, 1, 0), (2, 1, 2), (0, 0, 0), (1, 1, 2)):
        sampled = (np.linalg.norm(points + cell - middle, axis=-1) < radius).mean()
        assert share[cell] == pytest.approx(sampled, abs=0.005)


def test_no_cell_is_more_than_full_or_has_less_than_nothing():
    ball = np.asarray(trimesh.creation.icosphere(subdivisions=3, radius=0.5).triangles)
    twice = cells.build(np.concatenate([ball, ball]), 0.3)
    assert twice.inside.sum(axis=1).max() <= 8.0 + 1e-9
    muddled = cells.build(np.concatenate([ball, ball[:, ::-1] + [0.4, 0.2, 0.1]]), 0.3)
    assert np.linalg.eigvalsh(muddled.mass().toarray()).min() > -1e-9


@pytest.mark.parametrize(("width", "depth"), [(0.02, 0.02), (0.03, 0.02)])
def test_a_cantilever_bends_as_euler_and_bernoulli_say(width, depth):
    length, mesh = 1.0, bar(1.0, width, depth)
    held = mesh.vertices[:, 2] < 1e-9
    mesh.apply_transform(TURN)
    found = modes(mesh, held).frequencies
    wave = np.sqrt(STEEL.young / STEEL.density) / (2.0 * np.pi * length**2)
    expected = np.sort(np.outer(BEAM**2, [width / 12**0.5, depth / 12**0.5]).ravel() * wave)
    np.testing.assert_allclose(found[:5], expected[:5], rtol=0.02)


def test_a_stalk_is_clamped_where_what_is_held_of_it_ends():
    stalk = trimesh.creation.cylinder(radius=0.012, height=1.0, sections=24)
    stalk = stalk.subdivide_to_size(0.02)
    stalk.apply_translation([0.0, 0.0, 0.5])
    rings = np.unique(stalk.vertices[:, 2].round(9))
    foot = rings[np.searchsorted(rings, 0.18)]
    found = modes(stalk, stalk.vertices[:, 2] <= foot + 1e-9).frequencies[0]
    gyration = stalk.moment_inertia[2, 2] / 2.0 / stalk.volume  # radius of it, squared
    expected = BEAM[0] ** 2 / (2.0 * np.pi * (1.0 - foot) ** 2) * np.sqrt(STEEL.young * gyration / STEEL.density)
    assert found == pytest.approx(expected, rel=0.02)


def lamb(poisson):
    """Lowest k R of a free ball, k of shear waves: torsional and spheroidal motions of the second degree.

    Lamb, "On the vibrations of an elastic sphere", 1882; as in Eringen and Suhubi, "Elastodynamics" II, 1975, 8.13-14.
    """
    ratio = np.sqrt((1.0 - 2.0 * poisson) / (2.0 - 2.0 * poisson))  # of the speeds, shear over pressure
    n = 2

    def torsional(x):
        return (n - 1) * spherical_jn(n, x) - x * spherical_jn(n + 1, x)

    def spheroidal(x):
        a = ratio * x
        t11 = (n * n - n - x * x / 2) * spherical_jn(n, a) + 2 * a * spherical_jn(n + 1, a)
        t13 = n * (n + 1) * ((n - 1) * spherical_jn(n, x) - x * spherical_jn(n + 1, x))
        t41 = (n - 1) * spherical_jn(n, a) - a * spherical_jn(n + 1, a)
        t43 = (n * n - 1 - x * x / 2) * spherical_jn(n, x) + x * spherical_jn(n + 1, x)
        return t11 * t43 - t13 * t41

    def first(function):
        x = np.linspace(1.0, 4.0, 301)
        y = np.array([function(each) for each in x])
        k = np.flatnonzero(y[1:] * y[:-1] < 0.0)[0]
        return brentq(function, x[k], x[k + 1])

    return first(torsional), first(spheroidal)


@pytest.mark.parametrize("poisson", [0.25, 0.4])
def test_a_free_ball_rings_as_lamb_says(poisson):
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    matter = Matter(young=3e9, density=1200.0, poisson=poisson)
    found = modes(ball, matter=matter, count=10).frequencies
    radius = (0.75 * ball.volume / np.pi) ** (1.0 / 3.0)
    shear = np.sqrt(matter.young / (2.0 * (1.0 + poisson)) / matter.density)
    torsional, spheroidal = np.array(lamb(poisson)) * shear / (2.0 * np.pi * radius)
    np.testing.assert_allclose(found[:5], torsional, rtol=0.02)
    np.testing.assert_allclose(found[5:10], spheroidal, rtol=0.02)


class TestEnclosed:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)

    def volume(self, vertices, faces, held=None):
        held = np.zeros(len(vertices), bool) if held is None else held
        corner = enclosed(vertices, faces, held).surface
        return np.einsum("si,si->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6.0

    def test_however_its_faces_are_wound(self):
        faces = self.ball.faces.copy()
        faces[::3] = faces[::3, ::-1]
        for wound in (faces, self.ball.faces[:, ::-1]):
            assert self.volume(self.ball.vertices, wound) == pytest.approx(self.ball.volume)

    def test_a_hole_is_closed_by_a_plane(self):
        cup = trimesh.creation.cylinder(radius=0.3, height=1.0, sections=16)
        open_cup = cup.faces[~(cup.triangles[:, :, 2] > 0.499).all(axis=1)]
        assert len(open_cup) < len(cup.faces)
        assert self.volume(cup.vertices, open_cup) == pytest.approx(cup.volume)

    def test_a_hollow_is_hollow_and_two_balls_are_two(self):
        inner = 0.6 * self.ball.vertices
        faces = np.concatenate([self.ball.faces, self.ball.faces[:, ::-1] + len(inner)])
        hollow = np.concatenate([self.ball.vertices, inner])
        assert self.volume(hollow, faces) == pytest.approx((1.0 - 0.6**3) * self.ball.volume)
        beside = np.concatenate([self.ball.vertices, inner + [2.0, 0.0, 0.0]])
        assert self.volume(beside, faces) == pytest.approx((1.0 + 0.6**3) * self.ball.volume)

    def test_what_is_held_is_cut_off(self):
        mesh = bar(1.0, 0.1, 0.1)
        held = mesh.vertices[:, 2] <= 0.25 + 1e-9
        edge = mesh.vertices[held, 2].max()
        assert self.volume(mesh.vertices, mesh.faces, held) == pytest.approx(0.01 * (1.0 - edge))
        clamped = enclosed(mesh.vertices, mesh.faces, held).clamped
        np.testing.assert_allclose(clamped[..., 2], edge)
