"""Bridges between loose parts: the shortest tree, against scipy's over all pairs."""

import numpy as np
import pytest
import trimesh
from scipy.sparse.csgraph import minimum_spanning_tree

from backend.geometry.bridges import bridges


def test_bridges_join_all_parts_by_their_nearest_vertices():
    rng = np.random.default_rng(0)
    places = np.array([[0, 0, 0], [1, 0, 0], [2.5, 0, 0], [2.5, 2, 0], [9, 9, 9]], float)
    points = (places[:, None] + 0.1 * rng.uniform(size=(5, 30, 3))).reshape(-1, 3)
    labels = np.repeat(np.arange(5), 30)
    found = bridges(points, np.zeros((0, 3), int), labels)
    assert {tuple(sorted(labels[pair])) for pair in found} == {(0, 1), (1, 2), (2, 3), (3, 4)}
    for a, b in found:
        gap = np.linalg.norm(points[labels == labels[a]][:, None] - points[labels == labels[b]][None], axis=2)
        assert np.linalg.norm(points[a] - points[b]) == pytest.approx(gap.min())


def test_bridges_are_a_shortest_tree_between_many_parts():
    rng = np.random.default_rng(6)
    points = (rng.uniform(size=(40, 1, 3)) + 0.03 * rng.normal(size=(40, 3, 3))).reshape(-1, 3)
    labels = np.repeat(np.arange(40), 3)
    found = bridges(points, np.zeros((0, 3), int), labels)
    gap = np.linalg.norm(points[:, None] - points[None], axis=2).reshape(40, 3, 40, 3).min(axis=(1, 3))
    tree = minimum_spanning_tree(gap)
    length = np.linalg.norm(np.subtract(*points[found.T]), axis=1)
    assert len(found) == 39
    assert length.sum() == pytest.approx(tree.sum(), rel=0.02)


def test_what_touches_the_middle_of_a_large_triangle_hangs_on_it():
    wall = trimesh.creation.box((0.4, 0.4, 1.0))
    wall.apply_translation([0, 0, 0.5])
    leaf = np.array([[0.2, 0.08, 0.35], [0.2, 0.09, 0.35], [0.5, 0.08, 0.5], [0.5, 0.1, 0.5]])
    other = leaf + [0.0, 0.1, 0.02]  # whose corners are nearer to the leaf's than any of the box's are
    vertices = np.concatenate([wall.vertices, leaf, other])
    quad = np.array([[0, 1, 3], [0, 3, 2]])
    faces = np.concatenate([wall.faces, quad + 8, quad + 12])
    labels = np.repeat([0, 1, 2], [8, 4, 4])
    found = bridges(vertices, faces, labels)
    assert sorted(tuple(sorted(labels[pair])) for pair in found) == [(0, 1), (0, 2)]
    feet = found[found >= 8]
    assert set(feet) <= {8, 9, 12, 13}


def test_far_islands_of_many_vertices_are_joined_at_their_shortest_gaps():
    rng = np.random.default_rng(3)
    places = 20.0 * rng.uniform(size=(30, 3))
    points = (places[:, None] + rng.uniform(size=(30, 40, 3))).reshape(-1, 3)  # no neighbour of any is foreign
    labels = np.repeat(np.arange(30), 40)
    found = bridges(points, np.zeros((0, 3), int), labels)
    gap = np.linalg.norm(points[:, None] - points[None], axis=2).reshape(30, 40, 30, 40).min(axis=(1, 3))
    length = np.linalg.norm(np.subtract(*points[found.T]), axis=1)
    assert len(found) == 29
    assert length.sum() == pytest.approx(minimum_spanning_tree(gap).sum())
