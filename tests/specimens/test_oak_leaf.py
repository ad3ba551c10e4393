"""A twig of oak: its phyllotaxis and lobes; green last along the veins; leaves that curl, shrink and fall."""

import functools

import numpy as np
import pytest
from scipy.signal import find_peaks

from backend.geometry.fields import parts
from backend.species import OakLeaf
from backend.specimens.oak_leaf import DRIED, FALL, SHRINKS, TURNED, grow

COLUMNS = 17  # across a blade


@functools.cache
def twig(**parameters: int):
    return grow(OakLeaf(**parameters), 5)


@functools.cache
def leaves(**parameters: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Vertices of each leaf's stalk, and of its blade (rows, columns)."""
    mesh = twig(**parameters).mesh
    island = parts(len(mesh.vertices), mesh.faces)
    own = mesh.parts == mesh.part_names.index("leaves")
    each = [np.flatnonzero(island == i) for i in dict.fromkeys(island[own])]
    n = len(each) // 2
    return [(stalk, blade.reshape(-1, COLUMNS)) for stalk, blade in zip(each[:n], each[n:], strict=True)]


def placed(tau: float, vertices: np.ndarray) -> np.ndarray:
    return twig().at(tau).positions.astype(float)[vertices]


def test_five_leaves_go_twice_round_the_twig():
    feet = np.array([placed(0.0, stalk)[:8].mean(axis=0) for stalk, _ in leaves()])
    bark = twig().at(0.0).positions.astype(float)[twig().mesh.parts == twig().mesh.part_names.index("twig")]
    axis = [bark[np.abs(bark[:, 2] - foot[2]) < 0.004][:, :2].mean(axis=0) for foot in feet]
    ways = np.arctan2(*(feet[:, :2] - axis).T[::-1])
    steps = np.mod(np.degrees(np.diff(ways)), 360)
    assert np.abs(steps - 144).max() < 35 and abs(steps.mean() - 144) < 12


@pytest.mark.parametrize("lobes", [3, 5])
def test_each_side_has_as_many_lobes_as_asked(lobes):
    mesh = twig(lobes=lobes).mesh
    for _, blade in leaves(lobes=lobes):
        points = mesh.vertices[blade].astype(float)
        middle = points[:, COLUMNS // 2]
        for side in (0, -1):
            reach = np.linalg.norm(points[:, side] - middle, axis=1)
            peaks, _ = find_peaks(reach[4:], prominence=0.03 * reach.max())
            assert lobes <= len(peaks) <= lobes + 1  # and half of the one at the end


def test_green_is_held_longest_along_the_midrib():
    """Keskitalo et al. 2005: of a leaf half turned, what is near the veins is greener than the margin."""
    held = []
    for tau in np.linspace(0.05, TURNED, 12):
        colours = twig().at(tau).albedo.astype(float)
        for _, blade in leaves():
            red, green, _ = np.moveaxis(colours[blade], -1, 0)
            share = green / (red + green)
            if 0.47 < share.mean() < 0.62:
                held.append(share[10:-10, 6:11].mean() - share[10:-10, [0, 1, -2, -1]].mean())
    assert len(held) > 5 and np.mean(np.array(held) > 0.02) > 0.85


def test_a_leaf_or_a_lobe_fewer_leaves_the_others_where_they_are():
    """Six leaves to five and four lobes to three: blades grow out of the same stalks."""
    for tau in (0.0, 0.5, 0.9):
        kept = [twig(fallen=0).at(tau).positions[stalk] for stalk, _ in leaves(fallen=0)]
        fewer = [twig(fallen=0, leaves=5).at(tau).positions[each] for each, _ in leaves(fallen=0, leaves=5)]
        assert len(fewer) == 5 and np.allclose(fewer, kept[:5], atol=1e-6 * OakLeaf().height)
        narrow = [twig(fallen=0, lobes=3).at(tau).positions[each] for each, _ in leaves(fallen=0, lobes=3)]
        assert np.allclose(narrow, kept, atol=1e-6 * OakLeaf().height)


def test_each_leaf_turns_in_its_own_time():
    times = np.linspace(0, TURNED, 40)
    colours = np.array([twig().at(t).albedo for t in times])
    red = [(colours[:, blade, 0].mean(axis=(1, 2)) > 0.2).argmax() for _, blade in leaves()]
    assert np.ptp(times[red]) > 0.1


def test_blades_shrink_by_a_tenth_each_way_and_roll_up():
    def area_and_width(tau, blade):
        p = placed(tau, blade)
        d, e = p[1:, 1:] - p[:-1, :-1], p[1:, :-1] - p[:-1, 1:]
        return np.linalg.norm(np.cross(d, e), axis=-1).sum() / 2, np.linalg.norm(p[:, 0] - p[:, -1], axis=1).max()

    for _, blade in leaves():
        (area, width), (dry, narrow) = area_and_width(0.0, blade), area_and_width(DRIED, blade)
        assert dry / area == pytest.approx((1 - SHRINKS) ** 2, rel=0.12)
        assert narrow < 0.8 * width


def test_so_many_leaves_fall_and_lie():
    down = 0
    for stalk, blade in leaves():
        vertices = np.append(stalk, blade.ravel())
        before, after = placed(DRIED, vertices), placed(1.0, vertices)
        if np.allclose(before, after, atol=1e-6):
            continue
        down += 1
        assert 0 <= after[:, 2].min() < 0.004 * OakLeaf().height
        assert np.sum(after[:, 2] < 0.02 * OakLeaf().height) >= 3
        assert after[:, 2].mean() < 0.12 * OakLeaf().height < before[:, 2].mean()
    assert down == OakLeaf().fallen


def test_a_leaf_takes_its_time_to_fall_and_keeps_its_shape():
    times = np.linspace(DRIED, 1.0, 51)
    whole = np.array([twig().at(t).positions for t in times], float)
    for _, blade in leaves():
        path = whole[:, blade.ravel()[::40]]
        moving = np.linalg.norm(np.diff(path, axis=0), axis=2).max(axis=1) > 1e-6
        if moving.any():
            assert times[1:][moving][-1] - times[1:][moving][0] > FALL * 0.9 and FALL >= 0.12
            spans = np.linalg.norm(path[:, :1] - path, axis=2)
            assert np.allclose(spans, spans[0], atol=1e-4 * OakLeaf().height)


def test_fallen_leaves_lie_apart():
    points = twig(leaves=12, fallen=12).at(1.0).positions.astype(float)
    lying = [points[blade.ravel()] for _, blade in leaves(leaves=12, fallen=12)]
    assert all(leaf[:, 2].mean() < 0.12 * OakLeaf().height for leaf in lying)
    for i, a in enumerate(lying):
        for b in lying[:i]:
            apart = np.linalg.norm(a[::2, None, :2] - b[None, ::2, :2], axis=2).min()
            assert apart > 0.015 * OakLeaf().height
