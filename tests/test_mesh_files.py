"""Meshes from files: which way is up, what is welded, what comes along, and what is refused with which words."""

import numpy as np
import pytest
import trimesh

from backend.files.mesh import Unreadable, read


def box(path, **more):
    trimesh.creation.box((2, 4, 6)).export(path, **more)
    return path


@pytest.mark.parametrize(
    ("ending", "size"), [("obj", (2, 6, 4)), ("glb", (2, 6, 4)), ("ply", (2, 4, 6)), ("stl", (2, 4, 6))]
)
def test_up_is_the_formats_habit(tmp_path, ending, size):
    path = box(tmp_path / f"box.{ending}")
    mesh = read(path)
    assert len(mesh.vertices) == 8  # .stl shares none, .glb splits at edges: welded
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


UNREADABLE = {
    "nothing.obj": (None, "no file"),
    "mesh.blend": (b"BLENDER", "Cannot read .blend"),
    "points.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
    "nan.obj": (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not numbers"),
    "torn.glb": (b"glTF\x02\x00\x00\x00\xff", "not a sound .glb"),
    "empty.stl": (b"", "empty.stl"),
    "index.obj": (b"v 0 0 0\nv 1 0 0\nf 1 2 9\n", "index.obj"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_holds_no_mesh_is_refused_with_words(tmp_path, name):
    data, words = UNREADABLE[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable, match=words):
        read(tmp_path / name)
