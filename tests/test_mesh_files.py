"""Meshes from files: what stays as it stands there, which way is up, what comes along, what is refused and how."""

import struct

import numpy as np
import pytest
import trimesh

from backend.files import polygons
from backend.files.mesh import Unreadable, placed, read
from backend.protocol import srgb_to_linear


def box(path, **more):
    trimesh.creation.box((2, 4, 6)).export(path, **more)
    return path


@pytest.mark.parametrize(
    ("ending", "size"), [("obj", (2, 6, 4)), ("glb", (2, 6, 4)), ("ply", (2, 4, 6)), ("stl", (2, 4, 6))]
)
def test_up_is_the_formats_habit(tmp_path, ending, size):
    path = box(tmp_path / f"box.{ending}")
    mesh = read(path)
    assert len(mesh.vertices) == 8  # .stl shares none: its corners at one place are one
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), size)
    np.testing.assert_allclose(np.ptp(read(path, up="Y").vertices, axis=0), (2, 6, 4))
    np.testing.assert_allclose(np.ptp(read(path, up="Z").vertices, axis=0), (2, 4, 6))


def test_turning_up_keeps_the_outside_outside(tmp_path):
    mesh = read(box(tmp_path / "box.obj"))
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume == pytest.approx(48)


def test_vertex_colours_of_ply_are_read_as_srgb(tmp_path):
    mesh = trimesh.creation.box((1, 1, 1))
    colours = np.full((8, 4), 255, np.uint8)
    colours[:, :3] = [188, 55, 10]
    mesh.visual.vertex_colors = colours
    mesh.export(tmp_path / "box.ply")
    np.testing.assert_allclose(read(tmp_path / "box.ply").albedo, np.tile([0.503, 0.0382, 0.00304], (8, 1)), rtol=5e-3)


def test_a_scene_is_one_mesh_with_every_part_in_its_place(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=trimesh.transformations.translation_matrix((5, 0, 0)))
    mirrored = np.diag([-2.0, 1, 1, 1])
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=mirrored)
    scene.export(tmp_path / "two.glb")
    mesh = read(tmp_path / "two.glb", up="Z")
    assert len(mesh.vertices) == 16
    assert mesh.vertices[:, 0].max() == pytest.approx(5.5)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume == pytest.approx(1 + 2)


# --- What stands in the file stays

WHOLE = """\
# a quad and an L of six corners beside it, a loose vertex, a doubled face, and one without area
o first thing
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 9 9 9
v 3 0 0
v 3 3 0
v 2 3 0
v 2 1 0
vt 0 0
vt 0.5 0
vt 0.5 1
vt 0 1
vn 0 0 1
f 1/1/1 2/2/1 3/3/1 4/4/1
g the second
f 2/1 6/2 7/3 8/4 9/1 \\
  3/2
f 2//1 6//1 3//1
f 2 6 3
f 1 1 2
l 1 2
f -9 -8 -7
"""
WHOLE_SIZES = [4, 6, 3, 3, 3, 3]
WHOLE_CORNERS = [0, 1, 2, 3, 1, 5, 6, 7, 8, 2, 1, 5, 2, 1, 5, 2, 0, 0, 1, 0, 1, 2]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_obj_keeps_its_vertices_polygons_and_uvs_in_their_order(tmp_path, ends):
    (tmp_path / "whole.obj").write_text("\ufeff" + WHOLE.replace("\n", ends), encoding="utf-8", newline="")
    mesh = read(tmp_path / "whole.obj", up="Z")
    assert mesh.vertices.tolist()[4:6] == [[9, 9, 9], [3, 0, 0]]
    assert len(mesh.vertices) == 9
    assert mesh.sizes.tolist() == WHOLE_SIZES
    assert mesh.corners.tolist() == WHOLE_CORNERS
    corners = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    assert mesh.uv.tolist() == [*corners, *corners, *corners[:2], *[[0, 0]] * 12]  # those that have none: zero
    areas = np.linalg.norm(np.cross(*np.diff(mesh.vertices[mesh.faces[2:6]], axis=1).swapaxes(0, 1)), axis=1) / 2
    assert areas.sum() == pytest.approx(2 + 2)  # of the L; a fan would cover 5


def test_corners_of_an_obj_are_written_in_many_ways(tmp_path):
    lines = ["v 0 0 0", "v 1 0 0", "v 0 1 0", "v 0 0 1", "vt 0.25 0.5", "vt 0.5 1 0"]
    lines += ["f 1/ 2/ 3//", "f -1/-1 -2/-2/ -3/1"]
    (tmp_path / "ways.obj").write_text("\n".join([*lines, "v 5 5 5", "vt 9 9", "f -1/-1\t1/1/-4 2/2 # a comment"]))
    mesh = read(tmp_path / "ways.obj")
    assert mesh.corners.tolist() == [0, 1, 2, 3, 2, 1, 4, 0, 1]
    first, second = [0.25, 0.5], [0.5, 1]
    assert mesh.uv.tolist() == [[0, 0]] * 3 + [second, first, first] + [[9, 9], first, second]


PLY = """\
ply
format {form} 1.0
comment made by hand
element vertex 6
property double x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property float s
property float t
element face 4
property list uchar int vertex_indices
property int flags
element edge 1
property int vertex1
property int vertex2
end_header
"""
PLY_VERTICES = [[k, k * k, -k, 10 * k, 20 * k, 30 * k, k / 8, k / 4] for k in range(6)]
PLY_FACES = [[0, 1, 2], [0, 1, 2, 3], [4, 3, 2, 1, 0], [2, 2, 2]]


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("faces", [PLY_FACES, [PLY_FACES[1], [3, 2, 1, 0]] * 2], ids=["mixed", "quads"])
def test_a_ply_keeps_its_vertices_and_polygons_in_their_order(tmp_path, form, faces):
    order = ">" if form.endswith("big_endian") else "<"
    if form == "ascii":
        rows = [*PLY_VERTICES, *([len(face), *face, 7] for face in faces), [0, 1]]
        body = "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()
    else:
        body = b"".join(struct.pack(order + "dffBBBff", *row) for row in PLY_VERTICES)
        body += b"".join(struct.pack(f"{order}B{len(face)}ii", len(face), *face, 7) for face in faces)
        body += struct.pack(order + "ii", 0, 1)
    (tmp_path / "whole.ply").write_bytes(PLY.format(form=form).encode() + body)
    mesh = read(tmp_path / "whole.ply")
    points = np.array(PLY_VERTICES)
    np.testing.assert_array_equal(mesh.vertices, points[:, :3].astype(np.float32))
    assert mesh.sizes.tolist() == [len(face) for face in faces]
    assert mesh.corners.tolist() == [corner for face in faces for corner in face]
    np.testing.assert_array_equal(mesh.uv, points[mesh.corners, 6:])
    np.testing.assert_allclose(mesh.albedo, srgb_to_linear(points[:, 3:6] / 255), rtol=1e-5)


def test_uvs_of_the_corners_of_a_ply_come_before_those_of_its_vertices(tmp_path):
    header = PLY.format(form="ascii").split("property int flags")[0]
    header += "property list uchar float texcoord\nend_header\n"
    faces = [f"{len(face)} {' '.join(map(str, face))} {2 * len(face)}" + " 0.5 0.25" * len(face) for face in PLY_FACES]
    rows = [" ".join(map(str, row)) for row in PLY_VERTICES]
    (tmp_path / "uv.ply").write_text(header + "\n".join([*rows, *faces]) + "\n")
    assert read(tmp_path / "uv.ply").uv.tolist() == [[0.5, 0.25]] * 15


def test_an_off_keeps_its_vertices_and_polygons_in_their_order(tmp_path):
    rows = ["COFF # with colours", "", "5 3 0", *(f"{k} 0 {-k} {50 * k} 0 255 255" for k in range(5))]
    rows += ["3 0 1 2", "5 4 3 2 1 0 255 0 0", "4 0 1 1 2"]
    (tmp_path / "whole.off").write_text("\n".join(rows))
    mesh = read(tmp_path / "whole.off")
    assert mesh.vertices.tolist() == [[k, 0, -k] for k in range(5)]
    assert mesh.sizes.tolist() == [3, 5, 4]
    assert mesh.corners.tolist() == [0, 1, 2, 4, 3, 2, 1, 0, 0, 1, 1, 2]
    expected = srgb_to_linear(np.array([[50 * k, 0, 255] for k in range(5)]) / 255)
    np.testing.assert_allclose(mesh.albedo, expected, rtol=1e-5)


def test_what_others_split_or_doubled_stays_so_and_no_triangle_is_lost(tmp_path):
    split = trimesh.creation.box()
    split.unmerge_vertices()
    faces = np.concatenate([split.faces, split.faces[:1], [[0, 0, 1]]])
    for ending, count in (("glb", 36), ("ply", 36), ("off", 36), ("stl", 8)):
        path = tmp_path / f"split.{ending}"
        trimesh.Trimesh(split.vertices, faces, process=False).export(path)
        mesh = read(path, up="Z")
        assert (len(mesh.vertices), len(mesh.triangles)) == (count, 14), ending
        np.testing.assert_allclose(mesh.vertices[mesh.faces[:12]], split.triangles, atol=1e-6)


def test_colours_of_an_obj_are_of_its_vertices_or_else_of_its_materials(tmp_path):
    points = ["v 0 0 0", "v 1 0 0", "v 1 1 0", "v 0 1 0", "v 2 2 2"]
    faces = ["mtllib the colours.mtl", "f 1 2 3", "usemtl red", "f 3 4 1", "usemtl wood", "f 5 5 5"]
    (tmp_path / "the colours.mtl").write_text(
        "newmtl red\nKd 0.5 0.25 0\nnewmtl wood\n\tKd 1 1 1\n\tmap_Kd wood.png\nnewmtl unused\nKd 0 0 1\n"
    )
    (tmp_path / "plain.obj").write_text("\n".join([*points, *faces]))
    red, grey = [0.5, 0.25, 0], [0.8, 0.8, 0.8]  # Kd is linear
    np.testing.assert_allclose(read(tmp_path / "plain.obj").albedo, [red, grey, red, red, grey])
    coloured = [f"{point} 0.5 0.5 0" for point in points[:4]]
    (tmp_path / "coloured.obj").write_text("\n".join([*coloured, points[4], *faces]))
    half = [0.2140, 0.2140, 0]  # sRGB
    np.testing.assert_allclose(read(tmp_path / "coloured.obj").albedo, [half] * 4 + [grey], atol=1e-4)
    (tmp_path / "the colours.mtl").unlink()
    assert read(tmp_path / "plain.obj").albedo is None


# --- Polygons that a fan does not cover


def outline_areas(outline):
    """Of the triangles that cover an outline (N, 2), signed, when it lies askew in space."""
    turn = trimesh.transformations.rotation_matrix(1.1, [1, 2, 3])[:3, :3]
    points = np.pad(np.asarray(outline, float), ((0, 0), (0, 1)))
    faces = polygons.triangles(points @ turn.T, np.arange(len(points)), np.array([len(points)]))
    a, b, c = (points[faces[:, k], :2] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


# Joined to its hole by a bridge
RING = [(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (2, 4), (4, 4), (4, 2), (2, 2)]
SPIRAL = [(0, 0), (7, 0), (7, 7), (1, 7), (1, 2), (5, 2), (5, 5), (3, 5), (3, 4), (4, 4), (4, 3), (2, 3), (2, 6),
          (6, 6), (6, 1), (0, 1)]  # fmt: skip
OUTLINES = {
    "arrow": [(0, 0), (4, -3), (1, 0), (4, 3)],
    "arrow from its barb": [(4, -3), (1, 0), (4, 3), (0, 0)],
    "ring": RING,
    "spiral": SPIRAL,
    "with corners on its sides": [(0, 0), (1, 0), (2, 0), (2, 2), (1, 1), (0, 2), (0, 1)],
}


@pytest.mark.parametrize("name", OUTLINES)
def test_triangles_cover_a_polygon_once(name):
    outline = np.array(OUTLINES[name], float)
    x, y = outline.T
    areas = outline_areas(outline)
    assert len(areas) == len(outline) - 2
    assert areas.min() >= -1e-12
    assert areas.sum() == pytest.approx((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def test_a_polygon_that_crosses_itself_is_covered_somehow():
    assert len(outline_areas([(0, 0), (4, 4), (4, 0), (0, 4), (-1, 7)])) == 3
    assert len(outline_areas([(0, 0)] * 7)) == 5


# --- Far from the origin


def test_what_is_too_far_for_float32_is_moved_to_the_origin_and_says_by_how_much(tmp_path):
    box = trimesh.creation.box((0.05, 0.03, 0.02))
    for away, moves in (([1e5, -2e5, 3e5], True), ([0.5, 0, 0], False)):
        box.apply_translation(away - box.bounds.mean(axis=0)).export(tmp_path / "far.obj", digits=12)
        mesh, moved = placed(tmp_path / "far.obj", up="Z")
        assert moved.any() == moves
        np.testing.assert_allclose(mesh.vertices - moved, box.vertices, rtol=1e-12, atol=5e-8)
        assert np.abs(mesh.vertices).max() < 1
    np.testing.assert_array_equal(moved, 0)


UNREADABLE = {
    "nothing.obj": (None, "no file"),
    "mesh.blend": (b"BLENDER", "Cannot read .blend"),
    "points.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
    "nan.obj": (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not numbers"),
    "torn.glb": (b"glTF\x02\x00\x00\x00\xff", "not a sound .glb"),
    "empty.stl": (b"", "empty.stl"),
    "index.obj": (b"v 0 0 0\nv 1 0 0\nf 1 2 9\n", "index.obj is not a sound .obj file: line 3 names vertex 9"),
    "before.obj": (b"v 0 0 0\nv 1 0 0\nf 1 2 -3\n", "line 3 names vertex -3, and there are 2"),
    "zero.obj": (b"v 0 0 0\nf 1 0 1\n", "line 2 names vertex 0"),
    "uv.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/2\n", "line 5 names UV 2, and there are 1"),
    "comma.obj": (b"v 0 0 0\nv 1,5 0 0\n", "line 2 does not hold 3 numbers"),
    "two.obj": (b"v 0 0 0\nv 1 0\nv 0 0\nv 0 0 0 0 1\n", "line 2 does not hold 3 numbers"),
    "corner.obj": (b"v 0 0 0\n\nf 1 1/ 1.5\n", "line 3 is no face"),
    "word.obj": (b"v 0 0 0\n17 0 0\n", "line 2 begins with no word"),
    "short.off": (b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n", "it ends too early"),
    "head.off": (b"3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "does not begin with OFF"),
    "short.ply": (b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
                  b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n3 0 1\n",
                  "ends too early"),
    "index.ply": (b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
                  b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n3 0 1 2\n",
                  "vertex 2, counted from 0, and there are 2"),
    "type.ply": (b"ply\nformat ascii 1.0\nelement vertex 2\nproperty real x\nend_header\n0\n1\n", "property real x"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_holds_no_mesh_is_refused_with_words(tmp_path, name):
    data, words = UNREADABLE[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable, match=words):
        read(tmp_path / name)
