"""Meshes and frames as records: nothing changes on the way, and nothing unsound comes through."""

import numpy as np
import pytest

from backend import protocol, wire
from backend.clip import Frame, Mesh


def wedge() -> Mesh:
    """A quad, a triangle and a pentagon; every number its own."""
    rng = np.random.default_rng(5)
    corners = np.array([0, 1, 2, 3, 2, 1, 4, 0, 3, 5, 6, 4], np.int32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [7, 8, 9], [7, 9, 10], [7, 10, 11]], np.int32)
    return Mesh(
        rng.normal(size=(7, 3)).astype(np.float32),
        corners,
        np.array([4, 3, 5], np.int32),
        triangles,
        uv=rng.random((12, 2), np.float32),
        albedo=rng.random((7, 3), np.float32),
        roughness=rng.random(7, np.float32),
        metallic=rng.random(7, np.float32),
        pin=rng.random(7, np.float32),
        weight=rng.random(7, np.float32),
        parts=np.array([0, 0, 1, 1, 0, 1, 0], np.int32),
        part_names=("leaf", "stem"),
    )


def test_a_mesh_comes_back_as_it_was():
    mesh = wedge()
    back, header = wire.unpack_mesh(wire.pack_mesh(mesh, name="wedge", frames=7))
    assert (header.name, header.frames, back.part_names) == ("wedge", 7, mesh.part_names)
    for name in ("vertices", "corners", "sizes", "triangles", "uv", "pin", "weight", "parts"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mesh, name))
    # 8 bits of the sRGB curve: half a step, at most as steep as the curve's end.
    np.testing.assert_allclose(back.albedo, mesh.albedo, atol=0.5 / 255 * 2.4)
    np.testing.assert_allclose(back.roughness, mesh.roughness, atol=0.51 / 255)
    np.testing.assert_allclose(back.metallic, mesh.metallic, atol=0.51 / 255)


def test_a_frame_comes_back_as_it_was():
    mesh = wedge()
    glow = mesh.metallic[::-1].copy()
    frame = Frame(0.25, mesh.vertices * 2, roughness=mesh.roughness, opacity=mesh.weight, emission=glow)
    back = wire.unpack_frame(wire.pack_frame(frame, 3))
    np.testing.assert_array_equal(back.positions, frame.positions)
    assert back.tau == 0.25 and back.albedo is None
    np.testing.assert_allclose(back.roughness, mesh.roughness, atol=0.51 / 255)
    np.testing.assert_allclose(back.opacity, mesh.weight, atol=0.51 / 255)
    np.testing.assert_allclose(back.emission, glow, atol=0.51 / 255)


def test_what_is_all_there_and_cold_says_nothing_of_either():
    mesh = wedge()
    _, arrays = protocol.unpack(wire.pack_frame(Frame(0.25, mesh.vertices), 3))
    assert set(arrays) == {"positions"}


def test_the_srgb_curve_meets_its_published_points():
    """IEC 61966-2-1: the linear part up to 0.0031308, and middle grey."""
    linear = np.array([0, 0.0031308, 0.2140411, 1.0])
    np.testing.assert_allclose(protocol.linear_to_srgb(linear), [0, 0.04045, 0.5, 1], atol=1e-5)
    np.testing.assert_allclose(protocol.srgb_to_linear(protocol.linear_to_srgb(linear)), linear, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_result_that_is_not_finite_does_not_leave(bad):
    positions = wedge().vertices.copy()
    positions[4, 1] = bad
    with pytest.raises(wire.NotFinite, match="Frame 6"):
        wire.pack_frame(Frame(0.5, positions), 6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("corners", lambda a: a.__setitem__(3, 7)),
        ("corners", lambda a: a.__setitem__(0, -1)),
        ("triangles", lambda a: a.__setitem__((2, 1), 12)),
        ("sizes", lambda a: a.__setitem__(0, 5)),
        ("sizes", lambda a: a.__setitem__(slice(None), [5, 2, 5])),
        ("vertices", lambda a: a.__setitem__((6, 2), np.nan)),
        ("uv", lambda a: a.__setitem__((0, 0), np.inf)),
    ],
)
def test_a_mesh_that_is_not_sound_is_refused(name, change):
    mesh = wedge()
    change(getattr(mesh, name))
    with pytest.raises(protocol.BadMessage):
        wire.unpack_mesh(wire.pack_mesh(mesh))


def test_pictures_come_back_as_they_were():
    record = protocol.PicturesRecord(names=("a.png", "b.png", "c.png"))
    files = {f"file_{number}": np.arange(number + 1, dtype=np.uint8) for number in range(3)}
    back = wire.unpack_pictures(protocol.pack(record, files))
    assert back == [("a.png", b"\0"), ("b.png", b"\0\1"), ("c.png", b"\0\1\2")]
    with pytest.raises(protocol.BadMessage, match="4 pictures with 3 names"):
        wire.unpack_pictures(protocol.pack(record, files | {"file_5": files["file_0"]}))
    with pytest.raises(protocol.BadMessage, match="length >= 3"):
        wire.unpack_pictures(protocol.pack(protocol.PicturesRecord(names=("a", "b")), files))
    with pytest.raises(protocol.BadMessage, match="Expected pictures, got a Subject"):
        wire.unpack_pictures(wire.pack_mesh(wedge()))


def test_views_come_back_as_they_were():
    pixels = np.random.default_rng(2).integers(0, 256, (3, 4, 5, 3), np.uint8)
    record = protocol.ViewsRecord(step=2, steps=9, azimuths=(0.0, 2.0, 4.0), preview=True, understood=("a rose",))
    back, header = wire.unpack_views(wire.pack_views(record, pixels))
    np.testing.assert_array_equal(back, pixels)
    assert (header.step, header.steps, header.azimuths, header.preview) == (2, 9, (0.0, 2.0, 4.0), True)
    with pytest.raises(protocol.BadMessage, match="2 views from 3 azimuths"):
        wire.pack_views(record, pixels[:2])
    with pytest.raises(protocol.BadMessage, match="Expected views, got a Subject"):
        wire.unpack_views(wire.pack_mesh(wedge()))


def test_a_frame_is_no_mesh():
    with pytest.raises(protocol.BadMessage, match="Expected a mesh"):
        wire.unpack_mesh(wire.pack_frame(Frame(0.0, wedge().vertices), 0))


def test_quads_keep_their_uv_and_a_folded_quad_is_a_triangle():
    vertices = np.random.default_rng(1).normal(size=(5, 3))
    quads = np.array([[0, 1, 2, 3], [1, 4, 2, 2]])
    uv = np.arange(16.0).reshape(8, 2)
    mesh = Mesh.from_quads(vertices, quads, uv=uv)
    np.testing.assert_array_equal(mesh.sizes, [4, 3])
    np.testing.assert_array_equal(mesh.corners, [0, 1, 2, 3, 1, 4, 2])
    np.testing.assert_array_equal(mesh.uv, uv[:7])
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [1, 4, 2]])
