"""Modes of whole bodies: what they do not depend on, how parts hold together, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.linalg import eigh
from scipy.sparse import csr_matrix

from backend.geometry.anatomy import Anatomy
from backend.geometry.modes import Matter, Rigid, eigen, modes_of
from backend.geometry.modes import members as parts_of
from tests.shapes import body_of, column, potted, sheet

WOOD = Matter(young=1e9, density=600.0, poisson=0.3, thickness=0.01)


def modes(vertices, faces, matter=WOOD, count=6, **body):
    return modes_of(Anatomy(body_of(vertices, faces, **body)), matter, count)


def plate(length, width, columns, rows):
    """A flat sheet from x = 0 on, its first vertices along that edge."""
    u, v = np.meshgrid(np.linspace(0, length, columns), np.linspace(0, width, rows), indexing="ij")
    faces = sheet(columns, rows)[1]
    return np.stack([u, v, 0 * u], axis=-1).reshape(-1, 3), faces


def together(*pieces):
    before = np.cumsum([0, *(len(points) for points, _ in pieces)])
    faces = [faces + at for (_, faces), at in zip(pieces, before, strict=False)]
    return np.concatenate([points for points, _ in pieces]), np.concatenate(faces)


def box(low, high, edge):
    mesh = trimesh.creation.box(bounds=[low, high]).subdivide_to_size(edge)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def alike(one, other):
    """(M,) how alike the shapes (M, N, 3) of two sets of modes are, up to their size: 1 the same, -1 turned over."""
    a, b = (shapes.reshape(len(shapes), -1) for shapes in (one, other))
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class TestScales:
    """A plant in a pot: solids, a sheet, all of them grown together."""

    vertices, faces = potted()
    found = modes(vertices, faces)

    def test_frequencies_go_with_the_root_of_modulus_over_density(self):
        stiffer = modes(self.vertices, self.faces, replace(WOOD, young=9e9, density=400.0))
        np.testing.assert_allclose(stiffer.frequencies, self.found.frequencies * np.sqrt(9.0 * 1.5), rtol=1e-6)
        np.testing.assert_allclose(stiffer.shapes, self.found.shapes * np.sqrt(1.5), atol=1e-5)

    def test_a_body_elsewhere_rings_the_same(self):
        moved = modes(self.vertices + [3.0, -2.0, 0.0], self.faces)
        np.testing.assert_allclose(moved.frequencies, self.found.frequencies, rtol=1e-6)

    def test_the_order_of_vertices_and_faces_is_nothing_to_it(self):
        rng = np.random.default_rng(3)
        order, faces = rng.permutation(len(self.vertices)), rng.permutation(self.faces)
        mixed = modes(self.vertices[order], np.argsort(order)[faces])
        np.testing.assert_allclose(mixed.frequencies, self.found.frequencies, rtol=1e-6)
        assert alike(mixed.shapes, self.found.shapes[:, order]).min() > 0.999

    def test_the_pitch_is_that_of_the_lowest(self):
        pitched = self.found.pitched(1.5)
        assert pitched.frequencies[0] == pytest.approx(1.5)
        np.testing.assert_allclose(pitched.frequencies / 1.5, self.found.frequencies / self.found.frequencies[0])

    def test_what_is_held_does_not_move_and_all_else_is_lightly_joined(self):
        assert not self.found.shapes[:, self.vertices[:, 2] <= 0.03].any()
        size = np.linalg.norm(self.found.shapes, axis=2).max(axis=1)
        assert (size > 0.0).all()


def test_a_body_twice_as_large_rings_an_octave_lower():
    vertices, faces = column(lean=0.3)
    held = vertices[:, 2] < 0.1
    small, large = (modes_of(Anatomy(body_of(k * vertices, faces)), WOOD, 4, held) for k in (1.0, 2.0))
    np.testing.assert_allclose(large.frequencies, 0.5 * small.frequencies, rtol=1e-6)
    np.testing.assert_allclose(large.frequencies, small.enlarged(2.0).frequencies, rtol=1e-6)
    np.testing.assert_allclose(large.shapes, small.enlarged(2.0).shapes, atol=1e-4)


def test_a_turned_body_rings_the_same():
    vertices, faces = column(sides=12, rings=24, radius=0.08, lean=0.3)
    held = vertices[:, 2] < 0.1
    turn = trimesh.transformations.rotation_matrix(0.9, [0.5, -0.6, 0.4])[:3, :3]
    one = modes_of(Anatomy(body_of(vertices, faces)), WOOD, 5, held)
    other = modes_of(Anatomy(body_of(vertices @ turn.T, faces)), WOOD, 5, held)
    np.testing.assert_allclose(other.frequencies, one.frequencies, rtol=0.01)
    assert np.abs(alike(other.shapes, one.shapes @ turn.T)).min() > 0.99


def test_modes_have_a_mass_of_one_and_are_orthogonal():
    vertices, faces = box([0, 0, 0], [0.1, 0.12, 1.0], 0.03)
    found = modes(vertices, faces, count=4)
    # of a slender bar that bends, the surface moves as what is within
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    area = np.bincount(faces.ravel(), np.repeat(mesh.area_faces / 3.0, 3))
    mass = WOOD.density * mesh.volume * area / area.sum()
    flat = found.shapes.reshape(len(found.shapes), -1)
    np.testing.assert_allclose((flat * np.repeat(mass, 3)) @ flat.T, np.eye(len(flat)), atol=0.12)


def test_a_free_body_has_none_but_elastic_modes():
    vertices, faces = box([0, 0, 0], [0.04, 0.05, 1.0], 0.03)
    free = modes_of(Anatomy(body_of(vertices, faces)), WOOD, 3, np.zeros(len(vertices), bool))
    wave = np.sqrt(WOOD.young / WOOD.density) / (2.0 * np.pi)
    expected = [4.7300407**2 * wave * side / 12**0.5 for side in (0.04, 0.05)]
    np.testing.assert_allclose(free.frequencies[:2], expected, rtol=0.02)


class TestJoints:
    wave = np.sqrt(WOOD.young / WOOD.density) / (2.0 * np.pi)

    def test_a_bar_in_two_pieces_is_one_bar(self):
        lower, upper = box([0, 0, 0], [0.05, 0.06, 0.497], 0.025), box([0, 0, 0.5], [0.05, 0.06, 1.0], 0.025)
        vertices, faces = together(lower, upper)
        found = modes_of(Anatomy(body_of(vertices, faces)), WOOD, 2, vertices[:, 2] < 1e-9)
        expected = 1.8751041**2 * self.wave * np.array([0.05, 0.06]) / 12**0.5
        np.testing.assert_allclose(found.frequencies, expected, rtol=0.05)

    def test_a_strip_on_a_block_is_clamped_there(self):
        strip, faces = plate(0.6, 0.1, 40, 7)
        vertices, faces = together((strip + [0.1, -0.05, 0.32], faces), box([-0.15, -0.2, 0.0], [0.1, 0.2, 0.4], 0.05))
        found = modes(vertices, faces, replace(WOOD, thickness=0.004), 2)
        bending = 1.0 / (1.0 - WOOD.poisson**2)  # at most: a wide strip is a plate
        slender = 1.8751041**2 / 0.6**2 * self.wave * 0.004 / 12**0.5
        assert 0.97 * slender < found.frequencies[0] < 1.03 * slender * np.sqrt(bending)

    def test_a_sheet_rides_on_a_stalk(self):
        stalk = box([-0.01, -0.01, 0.0], [0.01, 0.01, 0.8], 0.02)
        sail, faces = plate(0.2, 0.2, 12, 12)
        vertices, faces = together(stalk, (sail[:, [0, 2, 1]] + [-0.1, 0.0, 0.8], faces))
        found = modes(vertices, faces, replace(WOOD, thickness=0.03), 2)
        # a stalk with a mass at its end that is about as stiff as a body: Rayleigh's quotient
        mass, sail_mass = WOOD.density * 0.02**2 * 0.8, WOOD.density * 0.03 * 0.2**2
        lever = 0.8 + 0.1
        inertia = 0.02**4 / 12.0
        soft = 3.0 * WOOD.young * inertia / (0.8**3 * (sail_mass * (lever / 0.8) ** 2 * 1.3 + 0.24 * mass))
        assert found.frequencies[0] == pytest.approx(np.sqrt(soft) / (2.0 * np.pi), rel=0.2)

    def test_pieces_far_apart_do_not_fly_away(self):
        ball = trimesh.creation.icosphere(subdivisions=2, radius=0.1)
        pieces = [(ball.vertices + at, ball.faces) for at in ([0, 0, 0.1], [0.5, 0, 0.2], [0.1, 0.1, 0.9])]
        found = modes(*together(*pieces), count=4)
        assert found.frequencies[0] > 1.0

    def test_a_stem_is_clamped_by_the_pot_it_stands_in(self):
        pot = box([-0.3, -0.3, 0.0], [0.3, 0.3, 0.2], 0.1)
        vertices, faces = together(pot, box([-0.015, -0.02, 0.05], [0.015, 0.02, 1.0], 0.02))
        weight = np.repeat([0.0, 1.0], [len(pot[0]), len(vertices) - len(pot[0])])
        found = modes(vertices, faces, weight=weight, count=2)
        above = vertices[len(pot[0]) :, 2]
        foot = above[above <= 0.2 + 0.015].max()
        expected = 1.8751041**2 / (1.0 - foot) ** 2 * self.wave * np.array([0.03, 0.04]) / 12**0.5
        np.testing.assert_allclose(found.frequencies, expected, rtol=0.03)


def test_a_large_sheet_rings_like_the_one_that_stands_in_for_it(monkeypatch):
    vertices, faces = plate(1.0, 0.5, 50, 25)
    held = vertices[:, 0] < 0.25
    anatomy = Anatomy(body_of(vertices, faces))
    whole = modes_of(anatomy, WOOD, 4, held)
    monkeypatch.setattr(parts_of, "SHEETS", 300)
    light = modes_of(anatomy, WOOD, 4, held)
    np.testing.assert_allclose(light.frequencies, whole.frequencies, rtol=0.04)
    assert alike(light.shapes, whole.shapes).min() > 0.99


def test_vertices_move_and_turn_with_a_body_that_is_rigid(monkeypatch):
    monkeypatch.setattr(parts_of, "SHEETS", 60)
    leaf, faces = sheet(20, 20)
    vertices, faces = together((leaf + [0.3, 0.0, 0.0], faces), column())
    anatomy, held = Anatomy(body_of(vertices, faces)), np.zeros(len(vertices), bool)
    for member in (parts_of.Solids(anatomy, WOOD, held), parts_of.Sheets(anatomy, WOOD, held)):
        some = member.chosen[::7]
        expected = parts_of.rigid_motions(vertices[some]).reshape(-1, 6)
        np.testing.assert_allclose(member.moved(some) @ member.rigid, expected, atol=1e-9)
        motion = member.motion(some)
        np.testing.assert_allclose(motion.shift @ member.rigid, expected, atol=1e-9)
        turns = np.tile(np.concatenate([np.zeros((3, 3)), np.eye(3)], axis=1), (len(some), 1))
        np.testing.assert_allclose(motion.turn @ member.rigid, turns, atol=1e-9)
        assert abs(member.stiffness @ member.rigid).max() < 1e-9 * abs(member.stiffness).max()


def test_a_large_solid_rings_like_the_one_that_stands_in_for_it(monkeypatch):
    vertices, faces = column(sides=40, rings=120, radius=0.1, lean=0.3)
    anatomy, held = Anatomy(body_of(vertices, faces)), vertices[:, 2] < 0.1
    whole = modes_of(anatomy, WOOD, 4, held)
    monkeypatch.setattr(parts_of, "SKIN", 2000)
    light = modes_of(anatomy, WOOD, 4, held)
    assert not np.array_equal(light.frequencies, whole.frequencies)
    np.testing.assert_allclose(light.frequencies, whole.frequencies, rtol=0.03)
    assert np.abs(alike(light.shapes, whole.shapes)).min() > 0.99


def test_what_has_no_matter_rides_on_what_it_is_on():
    strip, faces = plate(1.0, 0.2, 30, 7)
    crumb = np.array([[0.99, 0.09, 0.004], [1.0, 0.09, 0.004], [0.99, 0.11, 0.004]])  # too small to be a sheet
    vertices, faces = together((strip, faces), (crumb, np.array([[0, 1, 2]])))
    pin = (vertices[:, 0] < 1e-9).astype(float)
    found = modes(vertices, faces, pin=pin, count=3)
    end = len(strip) - 4  # the middle of the free end
    # a hundredth off the middle, of the tenth to the side where a twist moves most
    np.testing.assert_allclose(found.shapes[:, -2], found.shapes[:, end], atol=0.3)
    assert np.abs(found.shapes[:2, -2, 2]).min() > 1.5
    alone = modes(strip, sheet(30, 7)[1], pin=pin[: len(strip)], count=3)
    np.testing.assert_allclose(found.frequencies, alone.frequencies, rtol=1e-6)


class TestRefused:
    vertices, faces = column()

    def test_pinned_everywhere(self):
        with pytest.raises(Rigid, match="Every vertex is held"):
            modes(self.vertices, self.faces, pin=np.ones(len(self.vertices)))

    def test_no_inside(self):
        # a closed surface that is folded flat
        flat = self.vertices * [1.0, 1e-7, 1.0]
        with pytest.raises(Rigid, match="no inside"):
            modes(flat, self.faces)


class TestEigen:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(40, 40))
    mass = csr_matrix(np.diag(rng.uniform(0.5, 2.0, 40)))

    def test_lowest_are_those_of_a_dense_solver(self):
        stiffness = self.root @ self.root.T
        squares, motions = eigen.lowest(csr_matrix(stiffness), self.mass, 5)
        expected, vectors = eigh(stiffness, self.mass.toarray())
        np.testing.assert_allclose(squares, expected[:5], rtol=1e-7)
        np.testing.assert_allclose(np.abs(motions.T @ self.mass @ vectors[:, :5]), np.eye(5), atol=1e-5)

    def test_rigid_motions_are_left_out(self):
        rigid = self.rng.normal(size=(40, 3))
        free = np.eye(40) - rigid @ np.linalg.pinv(rigid)
        stiffness = free @ self.root @ self.root.T @ free
        squares, _ = eigen.lowest(csr_matrix(0.5 * (stiffness + stiffness.T)), self.mass, 4, rigid)
        expected = eigh(stiffness, self.mass.toarray(), eigvals_only=True)
        np.testing.assert_allclose(squares, expected[3:7], rtol=1e-6)

    def test_modes_of_one_frequency_are_mixed_the_same_way_each_time(self):
        points = self.rng.normal(size=(30, 3))
        shapes = self.rng.normal(size=(4, 30, 3))
        angle = 0.8
        turned = shapes.copy()
        turned[1] = np.cos(angle) * shapes[1] - np.sin(angle) * shapes[2]
        turned[2] = np.sin(angle) * shapes[1] + np.cos(angle) * shapes[2]
        turned[3] *= -1.0
        squares = np.array([1.0, 2.0, 2.0, 3.0])
        np.testing.assert_allclose(eigen.settled(squares, turned, points), eigen.settled(squares, shapes, points))


class TestLoads:
    """A bunch of leaves on a post, with fewer modes than leaves."""

    leaves = [plate(0.3, 0.1 + 0.01 * k, 7, 4) for k in range(6)]
    placed = [(points + [0.05, 0.0, 0.25 + 0.12 * k], faces) for k, (points, faces) in enumerate(leaves)]
    vertices, faces = together(box([-0.05, -0.05, 0.0], [0.05, 0.05, 1.0], 0.08), *placed)
    anatomy = Anatomy(body_of(vertices, faces))
    loads = np.random.default_rng(5).normal(0, 1, (3, len(vertices), 3)) * (vertices[:, 2] > 0.1)[:, None]

    def answer(self, modes, load):
        """(N, 3) where a steady load brings the body, by its modes."""
        amplitudes = np.einsum("mni,ni->m", modes.shapes, load) / (2 * np.pi * modes.frequencies) ** 2
        return np.einsum("m,mni->ni", amplitudes, modes.shapes)

    def test_with_their_shapes_a_body_gives_way_to_them_as_with_all_its_modes(self):
        few = modes_of(self.anatomy, WOOD, 4, loads=self.loads)
        many = modes_of(self.anatomy, WOOD, 250)
        assert len(few.frequencies) == 7
        without = modes_of(self.anatomy, WOOD, 7)
        for load in self.loads:
            true = self.answer(many, load)
            error, usual = (np.abs(self.answer(each, load) - true).max() for each in (few, without))
            assert error < 0.05 * np.abs(true).max()
            assert error < 0.3 * usual

    def test_the_modes_themselves_stay_and_all_ascend(self):
        few, plain = modes_of(self.anatomy, WOOD, 4, loads=self.loads), modes_of(self.anatomy, WOOD, 4)
        assert (np.diff(few.frequencies) >= 0).all()
        near = np.abs(few.frequencies[:, None] - plain.frequencies).argmin(axis=0)
        np.testing.assert_allclose(few.frequencies[near], plain.frequencies, rtol=1e-6)

    def test_a_load_that_the_modes_hold_adds_nothing(self):
        stiffness, mass = np.diag([1.0, 2.0, 3.0, 4.0, 50.0]), np.eye(5)
        args = csr_matrix(stiffness), csr_matrix(mass)
        squares, motions = eigen.lowest(*args, 2, loads=np.eye(5)[:, [0, 4]])
        np.testing.assert_allclose(squares, [1.0, 2.0, 50.0], rtol=1e-6)
        np.testing.assert_allclose(motions.T @ motions, np.eye(3), atol=1e-6)
