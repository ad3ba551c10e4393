"""What a certificate says of clips made by hand, against closed forms."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend import protocol
from backend.certificate import Measure, _summary, is_closed
from backend.clip import Frame, Mesh

ROOT = Path(__file__).resolve().parents[1]

# A tetrahedron of volume 1/6, faces outwards.
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)


def certificate(mesh, *frames, seconds=None, loop=False):
    """Of frames, or of positions alone."""
    measure = Measure(mesh, len(frames), loop)
    for k, frame in enumerate(frames):
        whole = isinstance(frame, Frame)
        measure.add(frame if whole else Frame(k / len(frames), np.asarray(frame, np.float32)))
    return measure.certificate(seconds)


def measured(mesh, *frames):
    return {name: value for name, value, _ in certificate(mesh, *frames).measured}


def merged(*meshes):
    """Vertices and faces of all, in float32."""
    whole = trimesh.util.concatenate(meshes)
    return Mesh.from_triangles(whole.vertices, whole.faces)


def grid(cells=10):
    """A sheet of 1 x 1 at z = 0, its faces upwards."""
    x, y = np.meshgrid(np.arange(cells + 1) / cells, np.arange(cells + 1) / cells, indexing="ij")
    first = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    quads = first + [0, cells + 1, cells + 2, 1]
    return Mesh.from_quads(np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3), quads)


def ball(scale=1.0, centre=(0, 0, 0), finer=3):
    sphere = trimesh.creation.icosphere(finer, scale)
    return sphere.apply_translation(centre)


def new_crossings(found):
    """(3, 2): in the first, middle and last frame, all and those in sight."""
    frames = ("first", "middle", "last")
    return [[found[f"new crossings{which} in the {frame} frame"] for which in ("", " in sight")] for frame in frames]


# --- Motion


def test_a_stretched_tetrahedron():
    found = measured(Mesh.from_triangles(CORNERS, FACES), CORNERS, CORNERS * [1, 1, 1.5], CORNERS * [1, 1, 1.2])
    assert found["largest change of volume"] == pytest.approx(0.5, abs=1e-6)
    assert found["largest displacement"] == pytest.approx(0.5, abs=1e-6)
    assert found["mean displacement"] == pytest.approx(0.125, abs=1e-6)
    assert found["largest step between frames"] == pytest.approx(0.5, abs=1e-6)
    assert found["largest stretch"] == pytest.approx(1.5, abs=1e-6)
    assert found["faces turned over within one frame"] == 0
    assert found["frames"] == 3


def test_a_shift_is_motion_and_nothing_else():
    mesh = merged(ball())
    frames = [mesh.vertices + [0.2 * k, 0.0, -0.1 * k] for k in range(5)]
    said = certificate(mesh, *frames, seconds=3.21)
    found = {name: value for name, value, _ in said.measured}
    size = float(np.ptp(mesh.vertices, axis=0).max())
    assert found["largest displacement"] == pytest.approx(np.hypot(0.8, 0.4) / size, rel=1e-5)
    assert found["largest displacement"] == pytest.approx(found["mean displacement"], rel=1e-5)
    assert found["below the lowest point of the subject"] == pytest.approx(0.4 / size, rel=1e-5)
    assert found["largest stretch"] == pytest.approx(1.0, abs=1e-4)
    assert found["largest change of volume"] == pytest.approx(0.0, abs=1e-5)
    assert found["time taken"] == 3.21
    assert said.summary == "moves 0.45 of its size, volume kept to 0.0 %, no new crossings, 0.20 below the floor, 3.2 s"


def test_twice_the_size_is_a_stretch_of_two_and_eight_times_the_volume():
    mesh = merged(ball())
    found = measured(mesh, *(mesh.vertices * scale for scale in (1.0, 1.5, 2.0)))
    assert found["largest stretch"] == pytest.approx(2.0, abs=1e-4)
    assert found["stretch of 99 % of the edges"] == pytest.approx(2.0, abs=1e-4)
    curve = [found[f"volume at {percent} % of the frames"] for percent in (0, 25, 50, 75, 100)]
    assert curve == pytest.approx([1.0, 1.0, 1.5**3, 8.0, 8.0], rel=1e-4)  # of three frames
    assert found["largest change of volume"] == pytest.approx(7.0, rel=1e-4)


def test_one_long_edge_is_told_apart_from_a_stretch_of_all():
    mesh = grid(20)
    pulled = mesh.vertices.copy()
    pulled[0] -= [0.2, 0.0, 0.0]
    found = measured(mesh, mesh.vertices, pulled)
    assert found["largest stretch"] == pytest.approx(5.0, abs=1e-4)
    assert found["stretch of 99 % of the edges"] == pytest.approx(1.0, abs=1e-4)


def test_progress_says_how_many_steps_move_and_where_the_middle_is():
    mesh = merged(ball(finer=1))
    places = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.75, 1.0]
    found = measured(mesh, *(mesh.vertices + [x, 0, 0] for x in places))
    assert found["steps that move"] == pytest.approx(3 / 8)
    assert found["way done at the middle"] == 0.0
    even = measured(mesh, *(mesh.vertices + [0, x, 0] for x in (0.0, 0.1, 0.2, 0.1, 0.0)))
    assert even["steps that move"] == 1.0 and even["way done at the middle"] == pytest.approx(0.5)
    creeping = measured(mesh, *(mesh.vertices + [x, 0, 0] for x in (0.0, 0.001, 0.002, 0.5, 1.0)))
    assert creeping["steps that move"] == 0.5
    still = measured(mesh, *[mesh.vertices] * 4)
    assert still["steps that move"] == still["way done at the middle"] == 0.0


@pytest.mark.parametrize("count", [20, 100])  # of the latter not all are kept
def test_of_a_loop_the_swing_and_the_lean_are_told_apart(count):
    mesh = merged(trimesh.creation.box((1, 1, 2)))
    high = mesh.vertices[:, 2:] > 0
    turns = 2 * np.pi * np.arange(count) / count
    frames = [mesh.vertices + high * [0.3 + 0.1 * np.cos(t), 0.0, 0.0] for t in turns]
    said = certificate(mesh, *frames, loop=True)
    found = {name: value for name, value, _ in said.measured}
    assert found["largest swing"] == pytest.approx(0.05, rel=1e-3)
    assert found["largest lean"] == pytest.approx(0.15, rel=1e-3)
    assert said.summary.startswith("swings by 0.05 of its size, leans by 0.15 of it, ")
    alone = certificate(mesh, *frames)
    assert alone.summary.startswith("moves 0.20 of its size, ")
    assert not any(name in ("largest swing", "largest lean") for name, _, _ in alone.measured)


@pytest.mark.parametrize(
    ("lean", "swing", "said"),
    [
        (0.38, 0.0036, "swings by 0.002 of its size, leans by 0.19 of it"),
        (0.38, 0.0, "does not swing, leans by 0.19 of it"),
        (0.0, 0.2, "swings by 0.10 of its size"),
        (0.0, 0.0005, "keeps its place"),
    ],
)
def test_a_lean_is_no_motion(lean, swing, said):
    mesh = merged(trimesh.creation.box((1, 1, 2)))
    ways = lean + swing * np.array([1.0, 0.0, -1.0, 0.0])
    found = certificate(mesh, *(mesh.vertices + [way, 0.0, 0.0] for way in ways), loop=True)
    assert found.summary.startswith(f"{said}, volume kept to 0.0 %, ")


def test_the_volume_of_a_loop_is_that_of_any_time_and_not_of_its_end():
    mesh = merged(ball())
    frames = [mesh.vertices * [1, 1, height] for height in (1.0, 1.2, 1.42, 1.2, 1.0)]
    assert "volume changes by up to 42 %" in certificate(mesh, *frames, loop=True).summary
    assert "volume 100 % at the end" in certificate(mesh, *frames).summary
    frames[2] = mesh.vertices * [1, 1, -1]
    assert "turned inside out" in certificate(mesh, *frames, loop=True).summary
    kept = [mesh.vertices * [1, 1, height] for height in (1.0, 1.04)]
    assert "volume kept to 4.0 %" in certificate(mesh, *kept, loop=True).summary


def test_what_changes_its_colour_alone_says_so():
    mesh = merged(ball(finer=1))
    black, rust = np.zeros((len(mesh.vertices), 3), np.float32), np.full((len(mesh.vertices), 3), 0.25, np.float32)
    frames = Frame(0.0, mesh.vertices, albedo=black), Frame(1.0, mesh.vertices, albedo=rust)
    said = certificate(mesh, *frames)
    assert {name: value for name, value, _ in said.measured}["colour"] == 0.25
    assert said.summary == "keeps its place, changes its colour, volume kept to 0.0 %, no new crossings"


# --- Volume


def test_a_mirrored_tetrahedron_has_turned_faces_and_is_inside_out():
    said = certificate(Mesh.from_triangles(CORNERS, FACES), CORNERS, CORNERS * [1, 1, -1])
    found = {name: value for name, value, _ in said.measured}
    assert found["faces turned over within one frame"] >= 1
    assert found["largest change of volume"] == pytest.approx(2.0)
    assert found["volume at 100 % of the frames"] == pytest.approx(-1.0)
    assert "turned inside out" in said.summary


def test_a_box_that_goes_inside_out_through_its_middle_has_a_negative_volume():
    mesh = merged(trimesh.creation.box().subdivide())
    found = measured(mesh, *(mesh.vertices * scale for scale in (1.0, 0.5, -0.5, -1.0)))
    assert found["volume at 100 % of the frames"] == pytest.approx(-1.0, abs=1e-5)
    assert found["largest change of volume"] == pytest.approx(2.0, abs=1e-5)


def test_the_correction_stands_beside_the_volume():
    mesh = merged(ball())
    frames = (Frame(t, mesh.vertices * [1 + t, 1, 1 / (1 + t)], corrected=0.04 * t) for t in (0.0, 0.5, 1.0))
    said = certificate(mesh, *frames)
    assert ("volume put back by correction", 0.04, "of the volume, summed up to the end") in said.measured
    assert "volume kept to 0.0 % (4.0 % put back)" in said.summary


def test_only_a_closed_surface_has_an_exact_volume():
    assert is_closed(FACES)
    assert not is_closed(FACES[:3])
    assert not is_closed(FACES[[0, 1, 2, 2]])
    flipped = FACES.copy()
    flipped[1] = flipped[1, ::-1]
    assert not is_closed(flipped)
    assert not is_closed(FACES[:0])


def test_a_seam_does_not_open_a_surface():
    sphere = ball()
    corners = np.arange(3 * len(sphere.faces)).reshape(-1, 3)
    soup = Mesh.from_triangles(sphere.vertices[sphere.faces].reshape(-1, 3), corners)
    for mesh in (soup, merged(sphere)):
        units = {name: unit for name, _, unit in certificate(mesh, mesh.vertices, 1.1 * mesh.vertices).measured}
        assert units["largest change of volume"] == "of the subject's, exact, part by part, in the worst frame"
    found = measured(soup, soup.vertices, 1.1 * soup.vertices)
    assert found["largest change of volume"] == pytest.approx(0.331, abs=1e-4)
    assert new_crossings(found) == [[0, 0]] * 3


def test_an_open_solid_has_a_volume_by_voxels():
    sphere = ball(finer=4)
    mesh = Mesh.from_triangles(sphere.vertices, sphere.faces[sphere.triangles_center[:, 2] < 0.95])
    said = certificate(mesh, mesh.vertices, mesh.vertices * [1.2, 1.0, 1.0], mesh.vertices * [1.3, 1.3, 1.3])
    found = {name: value for name, value, _ in said.measured}
    assert found["volume at 50 % of the frames"] == pytest.approx(1.2, rel=0.01)
    assert found["volume at 100 % of the frames"] == pytest.approx(1.3**3, rel=0.01)
    unit = next(unit for name, _, unit in said.measured if name == "largest change of volume")
    assert unit.endswith("by voxels, 64 along the subject, all parts as one, in the worst of the 5 frames below")


def area_curve(found):
    return [found[f"area of the sheets at {percent} % of the frames"] for percent in (0, 50, 100)]


def turned(outline):
    """An outline of (radius, height) turned about the axis, open where it ends beside that."""
    whole = trimesh.creation.revolve(outline, sections=64)
    return Mesh.from_triangles(whole.vertices, whole.faces)


def half_ball():
    angles = np.linspace(0.0, np.pi / 2, 24)
    return turned(np.stack([np.sin(angles), -np.cos(angles)], axis=1))


def straw():
    return turned([[0.012, z] for z in np.linspace(0, 1, 20)])


def scroll():
    """A sheet rolled up until its sides all but meet."""
    sheet = grid(20)
    turn = 6.2 * sheet.vertices[:, 0]
    rolled = np.stack([np.cos(turn), np.sin(turn), 4 * sheet.vertices[:, 1]], axis=1)
    return Mesh.from_triangles(rolled, sheet.faces)


def arch():
    x, y, _ = grid().vertices.T
    high = 0.6 * x * (1 - x) * y * (1 - y)  # 1/60 above the floor on the mean: about a cell
    return Mesh.from_triangles(np.stack([x, y, high], axis=1), grid().faces)


def doubled():
    sheet = grid()
    return Mesh.from_triangles(sheet.vertices, np.concatenate([sheet.faces, sheet.faces[:, ::-1]]))


@pytest.mark.parametrize("make", [grid, doubled, arch, half_ball, scroll, straw])
def test_a_sheet_has_an_area_and_no_volume(make):
    mesh = make()
    half = Frame(0.5, mesh.vertices * 0.5)
    gone = Frame(1.0, mesh.vertices * 2, opacity=np.zeros(len(mesh.vertices), np.float32))
    said = certificate(mesh, mesh.vertices, half, gone)
    found = {name: value for name, value, _ in said.measured}
    assert "largest change of volume" not in found
    assert found["open sheets"] == 1.0
    assert area_curve(found) == pytest.approx([1.0, 0.25, 0.0], abs=1e-5)
    assert "volume" not in said.summary and "area of the sheets 0 % at the end" in said.summary
    in_a_loop = certificate(mesh, mesh.vertices, half, mesh.vertices, loop=True).summary
    assert "area of the sheets changes by up to 75 %" in in_a_loop and "at the end" not in in_a_loop


def test_sheets_beside_a_solid_do_not_spoil_its_volume():
    """As petals on a stem, which the lower one touches at a point: the voxels between the petals are air."""
    sphere, cup = ball(finer=4), half_ball()
    cups = [trimesh.Trimesh(4 * cup.vertices + [0, 0, z], cup.faces, process=False) for z in (5, 5.5)]
    mesh, own = merged(sphere, *cups), len(sphere.vertices)
    last = mesh.vertices.copy()
    last[:own] *= 0.9
    last[own:] *= [0.5, 0.5, 1e-4]  # discs
    said = certificate(mesh, mesh.vertices, last)
    found = {name: value for name, value, _ in said.measured}
    assert found["volume at 100 % of the frames"] == pytest.approx(0.729, abs=1e-4)
    assert found["open sheets"] == pytest.approx(16 / 17, abs=0.01)  # two halves of sixteen times the area
    assert area_curve(found)[2] == pytest.approx(0.25 / 2, rel=0.02)  # a disc has half the area of half a ball
    unit = next(unit for name, _, unit in said.measured if name == "largest change of volume")
    assert unit.startswith("of the subject's without its sheets, exact")
    assert "volume" not in said.summary and "area of the sheets 12 % at the end" in said.summary


def test_what_one_part_gains_does_not_hide_what_another_loses():
    mesh, own = merged(ball(), ball(centre=(4, 0, 0))), 642
    frames = []
    for factor in (1.0, 1.5, 1.2):  # of the first one's volume; the second has the rest
        places = mesh.vertices.astype(float)
        places[:own] *= np.cbrt(factor)
        places[own:] = (places[own:] - [4, 0, 0]) * np.cbrt(2 - factor) + [4, 0, 0]
        frames.append(places)
    said = certificate(mesh, *frames)
    found = {name: value for name, value, _ in said.measured}
    assert found["volume at 50 % of the frames"] == pytest.approx(1.0, abs=1e-4)
    assert found["largest change of volume"] == pytest.approx(0.5, abs=1e-4)
    small = merged(ball(), ball(0.5, centre=(4, 0, 0)))  # an eighth of the volume, and all of it lost
    shrunk = small.vertices.copy()
    shrunk[own:] = (shrunk[own:] - [4, 0, 0]) * 1e-3 + [4, 0, 0]
    assert measured(small, small.vertices, shrunk)["largest change of volume"] == pytest.approx(1 / 9, abs=1e-4)


def test_a_cavity_is_no_volume():
    mesh = merged(ball(), ball(0.5).invert())
    shrunk = mesh.vertices.copy()
    shrunk[len(shrunk) // 2 :] *= 0.5
    found = measured(mesh, mesh.vertices, shrunk)
    assert found["volume at 100 % of the frames"] == pytest.approx((1 - 0.25**3) / (1 - 0.5**3), rel=1e-5)
    assert found["largest change of volume"] == pytest.approx((0.5**3 - 0.25**3) / (1 - 0.5**3), rel=1e-5)
    both = merged(ball(), ball(centre=(3, 0, 0)).invert())  # as much outside as inside: no number is meant
    assert "largest change of volume" not in measured(both, both.vertices, both.vertices * 0.5)


# --- What is too coarse to bend


def long_box(cells):
    """4 x 1 x 1, so many times subdivided."""
    box = trimesh.creation.box((4, 1, 1))
    for _ in range(cells):
        box = box.subdivide()
    return box


def test_edges_are_measured_beside_their_part_and_not_beside_the_whole():
    rod = trimesh.creation.cylinder(0.1, 4, sections=12)
    lengths = {"rod": rod, "box": long_box(0), "finer": long_box(2), "ball": ball(finer=3)}
    found = {name: measured(merged(mesh), mesh.vertices)["usual length of edges"] for name, mesh in lengths.items()}
    assert found["rod"] == pytest.approx(1.0, abs=0.01)  # whose edges run all along it
    assert found["box"] == pytest.approx(1.0)  # and not its diagonals, which nobody drew
    assert found["finer"] == pytest.approx(0.25)
    assert found["ball"] == pytest.approx(0.07, abs=0.005)
    coarse_in_fine = merged(ball(10, finer=3), rod)
    assert measured(coarse_in_fine, coarse_in_fine.vertices)["usual length of edges"] < 0.08
    rods = merged(*(rod.copy().apply_translation([k, 0, 0]) for k in range(30)))
    assert measured(rods, rods.vertices)["usual length of edges"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("cells", "moves", "says"), [(0, True, True), (0, False, False), (3, True, False)])
def test_only_a_coarse_mesh_that_moves_is_told_to_be_subdivided(cells, moves, says):
    mesh = merged(long_box(cells))
    bent = mesh.vertices.copy()
    bent[:, 2] += (0.1 if moves else 0.001) * bent[:, 0] ** 2
    said = certificate(mesh, mesh.vertices, bent).summary
    assert ("coarse: edges 100 % as long as their part, subdivide it first for smoother motion" in said) == says


@pytest.mark.parametrize("loop", [False, True])
def test_the_longest_summary_travels(loop):
    measured = certificate(merged(ball()), ball().vertices, loop=loop).measured
    found = dict.fromkeys((name for name, _, _ in measured), 99999.0)
    found |= {"volume put back by correction": 0.99, "open sheets": 0.5, "time taken": 9999.0}
    found |= {"area of the sheets at 100 % of the frames": 99.0}
    record = protocol.Certificate(summary=_summary(found), measured=tuple((name, 1.0, "") for name in found))
    assert protocol.unpack(bytes(protocol.pack(record, {})))[0] == record


# --- Folds and crossings


def test_a_sheet_that_is_folded_over_lies_on_its_neighbours():
    mesh = grid(10)
    x, y, z = mesh.vertices.astype(float).T
    angles = np.radians([0, 60, 170])
    frames = [
        np.stack([np.where(x > 0.5, 0.5 + (x - 0.5) * np.cos(a), x), y, np.where(x > 0.5, (x - 0.5) * np.sin(a), z)], 1)
        for a in angles
    ]
    faces = mesh.faces.copy()
    beside = np.flatnonzero((x[faces].min(axis=1) >= 0.5 - 1e-6) & (np.isclose(x[faces], 0.5).sum(axis=1) == 2))
    faces[beside[:3]] = faces[beside[:3], ::-1]
    for surface in (mesh, Mesh.from_triangles(mesh.vertices, faces)):  # whichever way its faces look
        found = measured(surface, *frames)
        told = [found[f"new folds on to a neighbour in the {frame} frame"] for frame in ("first", "middle", "last")]
        assert told == [0, 0, 20]  # ten edges, a face on each side
    turned_back = Mesh.from_triangles(frames[2], mesh.faces)
    again = measured(turned_back, frames[2], frames[2] + [0.0, 0.1, 0.0])
    assert again["new folds on to a neighbour in the last frame"] == 0


def test_crossings_of_the_subject_are_not_new():
    mesh = merged(ball(), ball(centre=(1.2, 0.1, 0.05)), ball(centre=(9.0, 0, 0)))
    apart, count = mesh.vertices.copy(), 642
    apart[count : 2 * count] += [-0.3, 0.0, 0.0]
    joined = mesh.vertices.copy()
    joined[2 * count :] -= [6.3, 0.0, 0.0]  # the third now reaches into the second
    first, middle, last = new_crossings(measured(mesh, mesh.vertices, mesh.vertices + [0, 0, 1], joined))
    assert first == middle == [0, 0]
    assert last[0] > 20 and last[1] > 0.9 * last[0]  # a crossing of two balls goes round them, in sight
    _, _, (moved, _) = new_crossings(measured(mesh, mesh.vertices, mesh.vertices, apart))
    assert moved > 20


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_crossings_are_looked_for_in_the_first_middle_and_last_frame(frame):
    mesh = merged(ball(finer=2), ball(centre=(3, 0, 0), finer=2))
    met = mesh.vertices.copy()
    met[len(met) // 2 :] -= [1.7, 0.02, 0.03]
    frames = [mesh.vertices] * 5
    frames[2 * frame] = met
    assert [all_of > 0 for all_of, _ in new_crossings(measured(mesh, *frames))] == [k == frame for k in range(3)]


def test_sheets_that_cross_inside_a_box_are_out_of_sight():
    low, high = grid(8), grid(8)
    sheets = Mesh.from_triangles(
        np.concatenate([low.vertices, high.vertices + [0.03, 0.02, 0.3]]),
        np.concatenate([low.faces, high.faces + len(low.vertices)]),
    )
    box = trimesh.creation.box((3, 3, 3)).apply_translation([0.5, 0.5, 0])
    boxed = merged(trimesh.Trimesh(sheets.vertices, sheets.faces, process=False), box)
    for mesh, in_sight in ((sheets, True), (boxed, False)):
        pushed, half = mesh.vertices.copy(), len(low.vertices)
        pushed[half : 2 * half, 2] -= 0.55 * pushed[half : 2 * half, 0]
        last = new_crossings(measured(mesh, mesh.vertices, pushed))[2]
        assert last[0] > 10 and (last[1] > 10) == in_sight and (last[1] > 0) == in_sight


def test_what_is_gone_neither_crosses_nor_hides():
    mesh = merged(ball(finer=2), ball(centre=(3, 0, 0), finer=2))
    met, half = mesh.vertices.copy(), len(mesh.vertices) // 2
    met[half:] -= [1.7, 0.02, 0.03]
    opacity = np.ones(2 * half, np.float32)
    for gone, expected in ((0.0, False), (0.9, True)):
        opacity[half:] = gone
        found = measured(mesh, Frame(0, mesh.vertices), Frame(1, met, opacity=opacity))
        assert (new_crossings(found)[2][0] > 0) == expected
        assert found["surface gone at the end"] == (0.0 if expected else 0.5)


def test_linked_rings_may_turn_as_long_as_they_do_not_meet():
    ring = trimesh.creation.torus(1.0, 0.2, major_sections=32, minor_sections=16)
    other = ring.copy()
    other.vertices = other.vertices[:, [0, 2, 1]] * [1, -1, 1] + [1, 0, 0]
    mesh, half = merged(ring, other), len(ring.vertices)
    slid = mesh.vertices.copy()
    slid[half:] += [0.3, 0.0, 0.0]
    through = mesh.vertices.copy()
    through[half:] += [0.8, 0.0, 0.0]
    (first, _), (middle, _), (last, _) = new_crossings(measured(mesh, mesh.vertices, slid, through))
    assert first == middle == 0 and last > 20


def test_rounding_far_from_the_origin_makes_no_crossing():
    below = trimesh.creation.box().subdivide().subdivide()
    above = trimesh.creation.box((0.7, 0.7, 0.7)).subdivide().apply_translation([0.03, 0.02, 0.85])
    mesh = merged(below, above)  # one stands on the other
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turned = mesh.vertices.astype(float) @ turn
    far = Mesh.from_triangles(mesh.vertices + 1000.0, mesh.faces)
    assert new_crossings(measured(far, far.vertices, turned + 1000.0, turned + 999.9)) == [[0, 0]] * 3
    assert new_crossings(measured(mesh, mesh.vertices, turned, turned + 0.1)) == [[0, 0]] * 3


def test_what_crosses_in_the_subject_is_told_and_is_not_new():
    two = merged(trimesh.creation.box((1, 1, 0.5)), trimesh.creation.box((0.5, 0.5, 0.5)))
    apart, within = two.vertices.copy(), two.vertices.copy()
    apart[8:] += [0.03, 0.02, 0.6]
    within[8:] += [0.03, 0.02, 0.4]
    met, parted = (
        measured(Mesh.from_triangles(before, two.faces), before, after)
        for before, after in ((apart, within), (within, apart))
    )
    assert met["crossings in the subject itself"] == parted["new crossings in the last frame"] == 0
    assert met["new crossings in the last frame"] == parted["crossings in the subject itself"] > 4


# --- Messy and extreme meshes


def messy_meshes():
    point = Mesh.from_triangles(np.zeros((8, 3)), [[0, 1, 2], [3, 4, 5]])
    needle = Mesh.from_triangles(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), [[0, 1, 2], [0, 0, 1]])
    fan = Mesh.from_triangles(np.eye(5, 3) + np.eye(5, 3, -2), [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    loose = Mesh.from_triangles(CORNERS, np.zeros((0, 3), int))
    nothing = Mesh.from_triangles(np.zeros((0, 3)), np.zeros((0, 3), int))
    return {"point": point, "needle": needle, "non-manifold": fan, "loose": loose, "nothing": nothing, "flat": grid(3)}


@pytest.mark.parametrize("name", messy_meshes())
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_messy_mesh_has_a_certificate_of_numbers(name, count):
    mesh = messy_meshes()[name]
    frames = [mesh.vertices * (1 + 0.1 * k) for k in range(count)]
    said = certificate(mesh, *frames, seconds=0.1, loop=True)
    assert np.isfinite([value for _, value, _ in said.measured]).all()
    assert max(len(line) for name, _, unit in said.measured for line in (name, unit, said.summary)) <= 200
    assert not any(value for name, value, _ in said.measured if name.startswith("new crossings"))


@pytest.mark.parametrize("loop", [False, True])
def test_no_frames_are_told_as_none(loop):
    assert {name: value for name, value, _ in Measure(grid(2), 3, loop).certificate().measured}["frames"] == 0


@pytest.mark.parametrize(("scale", "centre"), [(1e-4, 0.0), (1e4, 0.0), (1.0, 1000.0), (1e-4, 0.1)])
def test_size_and_place_change_nothing(scale, centre):
    box = trimesh.creation.box((1, 1, 0.5))
    eight = merged(box, trimesh.creation.box((0.5, 0.5, 0.5)).apply_translation([0, 0, 1.013]))
    pressed = eight.vertices.copy()
    pressed[8:] += [0.03, 0.02, -0.7]
    expected = measured(eight, eight.vertices, pressed)
    moved = Mesh.from_triangles(eight.vertices * scale + centre, eight.faces)
    found = measured(moved, moved.vertices, pressed * scale + centre)
    assert found.keys() == expected.keys()
    assert expected["new crossings in the last frame"] > 4
    rounding = 1e-3 if centre else 1e-5
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=rounding, rel=rounding), name


def test_a_heavy_clip_has_its_faces_measured_in_some_frames_and_always_in_the_last(monkeypatch):
    monkeypatch.setattr("backend.certificate.FACES", 100)
    mesh = merged(ball(finer=1))  # 80 faces
    frames = [mesh.vertices] * 9 + [mesh.vertices * 1.5]
    said = certificate(mesh, *frames)
    unit, stretch = next((unit, value) for name, value, unit in said.measured if name == "largest stretch")
    assert "one in 8 looked at" in unit and stretch == pytest.approx(1.5, abs=1e-4)


def test_numba_waits_until_the_frames_are_there():
    script = """
import sys, numpy as np
from backend.certificate import Measure
from backend.clip import Frame, Mesh
mesh = Mesh.from_triangles(np.eye(3), [[0, 1, 2]])
measure = Measure(mesh, 1)
measure.add(Frame(0.0, mesh.vertices))
print("numba" in sys.modules or "scipy" in sys.modules)
"""
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}
    assert subprocess.run([sys.executable, "-c", script], **options).stdout.strip() == "False"
