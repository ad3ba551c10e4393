"""LifeBench's measures of colour, soundness and playing on hand-made lives, and what a record of scores says."""

from dataclasses import replace

import numpy as np
import pytest

from backend.specimens.core import Matter
from tests.benchmarks.lifebench.metrics import Counts, Score, Sense, score
from tests.benchmarks.lifebench.metrics.colour import albedo_psnr, encoded, texel_flicker
from tests.benchmarks.lifebench.metrics.playing import bytes_per_second, loop_seam
from tests.benchmarks.lifebench.metrics.shape import crossing_share, flips, stretch_error, volume_error
from tests.benchmarks.lives import cube, life, moved, own, shifts, sphere, untracked

FEW = Counts(to=20_000, frm=2_000, placing=500)


# --- Colour


def test_encoding_is_srgb():
    linear = np.array([0, 0.0031308, 0.02, 0.21404114, 1])
    assert encoded(linear) == pytest.approx([0, 0.04045, 0.151703, 0.5, 1], abs=1e-6)


def test_a_tenth_off_is_twenty_decibels():
    vertices, faces = sphere(fine=2)
    shape = vertices[None].repeat(3, axis=0)
    truth = life(shape, faces, colours=np.full(shape.shape, 0.21404114))
    off = moved(truth, shape, albedo=np.full(shape.shape, ((0.6 + 0.055) / 1.055) ** 2.4))
    for answer in (off, untracked(off)):
        assert albedo_psnr(own(answer, truth)) == pytest.approx(20, abs=0.01)
    assert albedo_psnr(own(truth.sequence, truth)) == 100


def test_colours_are_compared_at_points_of_the_surface():
    vertices, faces = sphere(fine=3)
    shape = vertices + shifts(3, (0, 0, 3.0))
    halves = np.repeat((vertices[:, :1] > 0).astype(float), 3, axis=1)[None].repeat(3, axis=0)
    truth = life(shape, faces, colours=halves)
    coarse, few = sphere(fine=2)
    painted = np.repeat((coarse[:, :1] > 0).astype(float), 3, axis=1)
    answer = replace(
        truth.sequence,
        frames=[(coarse + step, few) for step in shifts(3, (0, 0, 3.0))],
        albedo=painted[None].repeat(3, axis=0),
    )
    assert albedo_psnr(own(answer, truth)) > 12
    wrong = replace(answer, albedo=1 - np.stack(answer.albedo))
    assert albedo_psnr(own(wrong, truth)) < 1.5


def test_black_white_black_is_all_the_flicker_there_is():
    vertices, faces = sphere(fine=2)
    shape = vertices[None].repeat(5, axis=0)
    blink = (np.arange(5) % 2)[:, None, None] + 0 * shape
    calm, blinking = life(shape, faces, colours=0 * shape), life(shape, faces, colours=blink)
    assert texel_flicker(own(moved(calm, shape, albedo=blink), calm)) == pytest.approx(1)
    assert texel_flicker(own(blinking.sequence, blinking)) == 0.0
    assert texel_flicker(own(moved(blinking, shape, albedo=0 * shape), blinking)) == 0.0
    fade = np.linspace(0, 1, 5)[:, None, None] + 0 * shape
    straight = np.where(fade <= 0.04045, fade / 12.92, ((fade + 0.055) / 1.055) ** 2.4)  # even as a screen shows it
    assert texel_flicker(own(moved(calm, shape, albedo=straight), calm)) < 1e-12


# --- Shape


def test_stretch_is_told_beside_the_truths():
    vertices, faces = cube(fine=1)
    growth = np.exp(np.array([0, 0.1, 0.3]))[:, None, None] * vertices
    still = life(vertices[None].repeat(3, axis=0), faces)
    assert stretch_error(own(moved(still, growth), still)) == pytest.approx(0.4 / 3, rel=1e-5)
    growing = life(growth, faces)
    assert stretch_error(own(growing.sequence, growing)) == 0.0
    assert stretch_error(own(still.sequence, growing)) == pytest.approx(0.4 / 3, rel=1e-5)


def test_a_quarter_that_turns_over_once():
    flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0], [4 + np.sqrt(3), 0, 0], [4, np.sqrt(3), 0]])
    over = flat.copy()
    over[2] = [0, -1, 0]
    truth = life(flat[None].repeat(5, axis=0), np.array([[0, 1, 2], [3, 4, 5]]))
    answer = moved(truth, np.stack([flat, flat, over, over, over]))
    assert flips(own(answer, truth)) == pytest.approx(0.25 / 4)
    turning = life(answer.positions, truth.clip.subject.faces)
    assert flips(own(turning.sequence, turning)) == 0.0
    opacity = np.ones((5, 6))
    opacity[2:, :3] = 0.0
    assert flips(own(replace(answer, opacity=opacity), truth)) == 0.0


def test_crossings_beyond_the_truths():
    blade = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    spike = np.array([[0.5, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.7, 1]])
    soup = np.concatenate([blade, spike, blade + [5, 0, 0], spike + [9, 0, 0]])
    faces = np.arange(12).reshape(4, 3)
    apart = soup + np.repeat([[0, 0, 0], [0, 0, 5.0], [0, 0, 0], [0, 0, 0]], 3, axis=0)
    truth = life(apart[None].repeat(5, axis=0), faces)
    crossing = np.stack([soup, soup, apart, apart, apart])
    assert crossing_share(own(moved(truth, crossing), truth)) == pytest.approx(2 / 4 * 2 / 5)
    assert crossing_share(own(life(crossing, faces).sequence, life(crossing, faces))) == 0.0


def test_a_seam_that_splits_vertices_changes_no_crossing():
    # Two blades that meet at a point and cross from there on are neighbours; so are they where that point is two.
    blades = np.array([[0.0, 0, 0], [2, -1, 0], [2, 1, 0], [0, 0, 0], [2, 0, -1], [2, 0, 1]])
    apart = blades + np.repeat([[0, 0, 0], [0, 9.0, 0]], 3, axis=0)
    truth = life(apart[None].repeat(2, axis=0), np.array([[0, 1, 2], [3, 4, 5]]))
    split = moved(truth, blades[None].repeat(2, axis=0))
    joined = replace(split, frames=[(v, np.array([[0, 1, 2], [0, 4, 5]])) for v, _ in split.frames])
    assert crossing_share(own(split, truth)) == crossing_share(own(joined, truth)) == 0.0


def test_volume_beside_its_law():
    vertices, faces = cube(fine=1)
    plate = vertices * [1.0, 1.0, 0.05] - [0, 0, 1.5]
    both = np.concatenate([vertices, plate])
    parts = np.repeat([0, 1], len(vertices)).astype(np.int32)
    sizes = np.array([1.0, 0.9, 0.7])
    paths = np.where(parts[:, None] == 0, both * sizes[:, None, None], both * [[[1.0]], [[1.2]], [[1.4]]])
    truth = life(
        paths,
        np.concatenate([faces, faces + len(vertices)]),
        parts=parts,
        part_names=("wax", "plate"),
        matter=Matter(("wax",), lambda tau: 1 - 0.5 * tau),
    )
    expected = np.abs(sizes**3 - [1, 0.75, 0.5]).mean()
    assert volume_error(own(truth.sequence, truth)) == pytest.approx(expected, rel=1e-5)
    assert volume_error(own(untracked(truth.sequence), truth)) == pytest.approx(expected, rel=1e-5)
    for gone in (slice(0, 4), slice(20, None)):  # part of a side; the plate and a side
        open_box = replace(truth.sequence, frames=[(v, np.delete(f[:48], gone, 0)) for v, f in truth.sequence.frames])
        assert volume_error(own(open_box, truth)) == pytest.approx(expected, rel=1e-5)


def test_a_law_may_let_it_grow():
    vertices, faces = cube(fine=0)
    sizes = np.array([1.0, 1.2, 1.5])
    parts = {"parts": np.zeros(8, np.int32), "part_names": ("loaf",)}
    truth = life(sizes[:, None, None] * vertices, faces, matter=Matter(("loaf",), lambda tau: 1 + tau), **parts)
    expected = np.abs((sizes / 1.5) ** 3 - np.array([1, 1.5, 2]) / 2).mean()
    assert volume_error(own(truth.sequence, truth)) == pytest.approx(expected, rel=1e-5)


def test_a_hole_is_closed_where_it_is():
    vertices, faces = cube(fine=0)
    rod = vertices * [1.0, 1, 8]
    tapered = np.where(rod[:, 2:] > 0, rod * [0.5, 0.5, 1], rod)  # (1 + 1/2 + 1/4) / 3 of the volume
    parts = {"parts": np.zeros(8, np.int32), "part_names": ("rod",)}
    truth = life(np.stack([rod, rod]), faces, matter=Matter(("rod",), lambda tau: 1 - tau * 5 / 12), **parts)
    whole = moved(truth, np.stack([rod, tapered]))
    split = replace(whole, frames=[(v[f].reshape(-1, 3), np.arange(f.size).reshape(-1, 3)) for v, f in whole.frames])
    for answer in (whole, split):
        assert volume_error(own(answer, truth)) == pytest.approx(0.0, abs=1e-6)
        for axis, end in ((0, 0.9), (0, -0.9), (1, 0.9), (2, 7.0), (2, -7.0)):
            corners = answer.frames[0][0][answer.frames[0][1]][:, :, axis] / end
            side = (corners > 1).all(axis=1)
            assert side.sum() == 2
            open_box = replace(answer, frames=[(v, f[~side]) for v, f in answer.frames])
            assert volume_error(own(open_box, truth)) == pytest.approx(0.0, abs=1e-6)


# --- Playing


def test_the_seam_of_a_loop():
    vertices, faces = sphere(fine=2)
    angle = 2 * np.pi * np.arange(12)[:, None, None] / 12
    loop = life(vertices + np.sin(angle) * np.array([0, 0, 0.4]), faces, loop=True)
    assert loop_seam(own(loop.sequence, loop)) < 1e-6
    running = moved(loop, vertices + np.arange(12)[:, None, None] * np.array([0, 0, 0.05]))
    assert loop_seam(own(running, loop)) == pytest.approx(12 * 0.05 / loop.size, rel=1e-5)


@pytest.mark.parametrize("first", [0, 1])
def test_a_change_of_pace_at_the_seam(first):
    vertices, faces = sphere(fine=2)
    bounce = np.abs(np.sin(np.pi * (np.arange(12) + first) / 12))[:, None, None] * np.array([0, 0, 0.4])
    loop = life(vertices + bounce, faces, loop=True)
    turn, top = 2 * np.sin(np.pi / 12), 2 * (1 - np.cos(np.pi / 12))  # at its ends, and within
    assert loop_seam(own(loop.sequence, loop)) == pytest.approx(0.4 * (turn - top) / loop.size, rel=1e-4)


def test_bytes_by_the_time_they_play():
    vertices, faces = sphere(fine=1)
    truth = life(vertices[None].repeat(48, axis=0), faces)
    assert bytes_per_second(replace(truth.sequence, bytes=6_000)) == pytest.approx(3_000)
    assert np.isnan(bytes_per_second(truth.sequence))


# --- Scores


def test_which_of_two_is_better():
    def of(value, sense):
        return Score("x", value, "", sense)

    assert of(1, Sense.LOWER).beats(of(2, Sense.LOWER)) and of(2, Sense.HIGHER).beats(of(1, Sense.HIGHER))
    assert of(1.1, Sense.ONE).beats(of(0.5, Sense.ONE)) and not of(3, Sense.ONE).beats(of(0.5, Sense.ONE))
    assert not of(np.nan, Sense.LOWER).beats(of(2, Sense.LOWER))


def test_what_cannot_be_told_is_not_a_number():
    vertices, faces = sphere(fine=2)
    truth = life(vertices + shifts(3, (0, 0, 1.0)), faces)
    found = score(untracked(truth.sequence), truth, counts=FEW)
    silent = {
        "CD-M",
        "trajectory error",
        "motion",
        "shake",
        "albedo",
        "texel flicker",
        "stretch error",
        "flips",
        "volume error",
    }
    assert {s.name for s in found.scores if not s.told} == silent | {"loop seam", "size on disk"}
    assert found["progress"].value == pytest.approx(1)
