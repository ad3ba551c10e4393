"""What systems write, read back: by our own exporters, by Blender's, and by hand where the answer is known."""

import json
import struct
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from pxr import Sdf, Usd, UsdGeom
from scipy.spatial import cKDTree

from backend.files import npz, save
from backend.protocol import linear_to_srgb
from backend.species import Rose
from tests.benchmarks.lifebench.nouns import Truth
from tests.benchmarks.lifebench.readers import Unreadable, read
from tests.benchmarks.lifebench.readers.blender import ENVIRONMENT
from tests.benchmarks.lifebench.readers.gltf_animation import Curve
from tests.benchmarks.lifebench.readers.moments import moments_between
from tests.benchmarks.lifebench.readers.textures import bilinear
from tools.environments import ROOT

FRAMES, FPS = 8, 12.0
OURS = {"life.glb": 1e-7, "life.usdc": 0.0, "life.npz": 0.0, "life": 1e-7}
BLENDERS = {".glb": 1e-6, ".usdc": 1e-6, ".fbx": 2e-5, ".abc": 1e-6}  # FBX holds weights in per cent

needs_blender = pytest.mark.skipif(not ENVIRONMENT.executable.exists(), reason=f"there is no {ENVIRONMENT.executable}")


@pytest.fixture(scope="module")
def clip():
    return Truth.grown(Rose(detail=0.3), 11, FRAMES, FPS).clip


@pytest.fixture(scope="module")
def written(clip, tmp_path_factory):
    """The folder in which Blender wrote rose.* and scene.*."""
    folder = tmp_path_factory.mktemp("blender")
    npz.save(clip, folder / "life.npz")
    command = [ENVIRONMENT.executable, "-m", "tests.benchmarks.in_blender", folder / "life.npz", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def followed(sequence, positions):
    """(V,) the truth's vertex behind each of the answer's: nearest in all frames at once; each is met once."""
    assert sequence.tracked and len(sequence.frames) == len(positions)
    assert sequence.positions.shape == positions.shape
    paths = [each.transpose(1, 0, 2).reshape(each.shape[1], -1) for each in (positions, sequence.positions)]
    _, which = cKDTree(paths[0]).query(paths[1])
    assert len(np.unique(which)) == len(which)
    return which


def turning(faces):
    """Triangles as a set, each from its least vertex: the same where they look to the same side."""
    start = faces.argmin(axis=1)[:, None]
    return {tuple(row) for row in np.take_along_axis(faces, (start + np.arange(3)) % 3, axis=1).tolist()}


def area(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("name", OURS)
def test_our_own_files_hold_the_rose(clip, tmp_path, name):
    save(clip, tmp_path / name)
    again = read(tmp_path / name, fps=FPS if name == "life" else None)
    which = followed(again, clip.positions)
    np.testing.assert_allclose(again.positions, clip.positions[:, which], atol=OURS[name])
    np.testing.assert_allclose(again.times, np.arange(FRAMES) / FPS, atol=1e-6)
    assert turning(which[again.frames[3][1]]) == turning(clip.subject.faces)
    files = [tmp_path / name] if (tmp_path / name).is_file() else (tmp_path / name).iterdir()
    assert again.bytes == sum(file.stat().st_size for file in files) > 0
    albedo = clip.albedo[:, which]
    if name == "life.glb":  # only the first frame's colour is in it
        albedo = np.broadcast_to(albedo[:1], albedo.shape)
    np.testing.assert_allclose(again.albedo, albedo, atol=1.01e-4 if name == "life" else 1e-5)
    if name == "life.npz":
        np.testing.assert_allclose(read(tmp_path / name, fps=5.0).times, np.arange(FRAMES) / 5)
    if name in ("life.usdc", "life.npz"):
        np.testing.assert_allclose(again.roughness, clip.roughness[:, which], atol=1e-6)


@needs_blender
@pytest.mark.parametrize("ending", BLENDERS)
def test_what_the_add_on_exports_holds_the_rose(clip, written, ending):
    again = read(written / f"rose{ending}", fps=FPS if ending == ".abc" else None)
    which = followed(again, clip.positions)
    np.testing.assert_allclose(again.positions, clip.positions[:, which], atol=BLENDERS[ending])
    np.testing.assert_allclose(again.times, np.arange(FRAMES) / FPS, atol=1e-6)
    assert area(*again.frames[0]) == pytest.approx(
        area(clip.positions[0], clip.subject.faces), rel=2e-3
    )  # cut otherwise
    over_life = ending in (".abc", ".usdc")
    seen, wanted = again.albedo, clip.albedo[:, which] if over_life else clip.albedo[:1, which]
    steps = (linear_to_srgb(each.astype(np.float32)) * 255 for each in (seen, np.broadcast_to(wanted, seen.shape)))
    assert np.abs(np.subtract(*steps)).max() < 1.1  # of 255: that is what the add-on is sent


@needs_blender
@pytest.mark.parametrize("ending", BLENDERS)
def test_between_its_frames_a_file_is_where_it_goes_straight(clip, written, ending):
    again = read(written / f"rose{ending}", fps=2.5 * FPS)
    number = np.arange(18) / 2.5
    low, share = number.astype(int), (number % 1)[:, None, None]
    expected = (1 - share) * clip.positions[low] + share * clip.positions[np.minimum(low + 1, FRAMES - 1)]
    which = followed(again, expected)
    np.testing.assert_allclose(again.positions, expected[:, which], atol=BLENDERS[ending])


@needs_blender
@pytest.mark.parametrize("ending", BLENDERS)
def test_bones_and_moving_parents_of_another_program_are_played(written, ending):
    held = np.load(written / "scene.npz")
    bar, positions = int(held["bar"]), held["positions"]
    again = read(written / f"scene{ending}", fps=FPS if ending == ".abc" else None)
    which = followed(again, positions)
    np.testing.assert_allclose(again.positions, positions[:, which], atol=2e-5)
    np.testing.assert_allclose(again.times, np.arange(len(positions)) / FPS, atol=1e-6)
    faces = again.frames[0][1]
    plate = faces[(which[faces] >= bar).all(axis=1)]
    for number, (vertices, _) in enumerate(again.frames):  # mirrored, and all the same it looks out
        assert volume(vertices, plate) == pytest.approx(4.0 * 0.5 * 0.3 * 0.7 * (0.6 + 0.1 * number) ** 3, rel=1e-4)


def test_glb_of_trimesh_stands_where_its_nodes_say(tmp_path):
    """Two boxes of different size; glTF's y is our z, and its z is our -y."""
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3), (0.1, 0.2, 0.3))
    parts = [(trimesh.creation.box((1, 2, 3)), turn), (trimesh.creation.icosphere(1, 0.2), np.diag([1, 1, -1, 1.0]))]
    for part, place in parts:
        scene.add_geometry(part, transform=place)
    scene.export(tmp_path / "boxes.glb")
    again = read(tmp_path / "boxes.glb")
    placed = [part.copy().apply_transform(place) for part, place in parts]
    whole = trimesh.util.concatenate(placed)
    expected = np.stack([whole.vertices[:, 0], -whole.vertices[:, 2], whole.vertices[:, 1]], axis=1)
    vertices, faces = again.frames[0]
    assert sorted(map(tuple, vertices.round(5).tolist())) == sorted(map(tuple, expected.round(5).tolist()))
    assert volume(vertices, faces) == pytest.approx(whole.volume, rel=1e-5)


# --- a file by hand: what the specification says, and no exporter of ours writes


def glb(path, document, arrays):
    """A .glb of `arrays` by name; accessors are (name, componentType, type, further)."""
    data, views = b"", []
    for array in arrays:
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        data += array.tobytes() + b"\0" * (-array.nbytes % 4)
    for number, more in document.pop("views", {}).items():
        views[number] |= more
    document |= {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(data)}], "bufferViews": views}
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data)) + struct.pack("<I4s", len(text), b"JSON")
    path.write_bytes(head + text + struct.pack("<I4s", len(data), b"BIN\0") + data)
    return path


def strip(path, material=None):
    """A strip of two triangles, interleaved with its colours, whose one target is sparse and moves one vertex."""
    rows = np.zeros(4, [("place", "<f4", 3), ("colour", "u1", 4)])
    rows["place"] = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]
    rows["colour"] = [(255, 0, 0, 255), (0, 51, 0, 255), (0, 0, 255, 255), (51, 51, 51, 255)]
    arrays = [
        rows,
        np.array([2], "<u2"),  # the vertex that moves
        np.array([(0, 0, 3)], "<f4"),
        np.array([0, 1, 4], "<f4"),  # key times
        np.array([0, 1, 0.5], "<f4"),  # weights
        np.array(  # a cubic spline: slope in, value, slope out
            [(0, 0, 0), (0, 0, 0), (9, 0, 0), (0, 0, 0), (2, 0, 0), (0, 0, 6), (0, 12, 0), (2, 0, 0), (0, 0, 0)], "<f4"
        ),
        np.array([(1, 1, 1), (0, 0, 0), (1, 1, 1)], "<f4"),  # there, gone, there
    ]
    float_, byte, short = 5126, 5121, 5123
    accessors = [
        {"bufferView": 0, "componentType": float_, "type": "VEC3", "count": 4},
        {"bufferView": 0, "byteOffset": 12, "componentType": byte, "type": "VEC4", "count": 4, "normalized": True},
        {
            "componentType": float_, "type": "VEC3", "count": 4,
            "sparse": {
                "count": 1, "indices": {"bufferView": 1, "componentType": short}, "values": {"bufferView": 2},
            },
        },
        {"bufferView": 3, "componentType": float_, "type": "SCALAR", "count": 3},
        {"bufferView": 4, "componentType": float_, "type": "SCALAR", "count": 3},
        {"bufferView": 5, "componentType": float_, "type": "VEC3", "count": 9},
        {"bufferView": 6, "componentType": float_, "type": "VEC3", "count": 3},
    ]  # fmt: skip

    def channel(node, path, sampler):
        return {"sampler": sampler, "target": {"node": node, "path": path}}

    primitive = {"attributes": {"POSITION": 0, "COLOR_0": 1}, "mode": 5, "targets": [{"POSITION": 2}]}
    document = {
        "views": {0: {"byteStride": 16}},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0}, {"mesh": 0, "translation": [0, 5, 0]}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "animations": [
            {
                "samplers": [
                    {"input": 3, "output": 4},
                    {"input": 3, "output": 5, "interpolation": "CUBICSPLINE"},
                    {"input": 3, "output": 6, "interpolation": "STEP"},
                ],
                "channels": [channel(0, "weights", 0), channel(0, "translation", 1), channel(1, "scale", 2)],
            }
        ],
    }
    if material:
        primitive["material"], document["materials"] = 0, [material]
    return glb(path, document, arrays)


def test_glb_as_the_specification_says(tmp_path):
    again = read(strip(tmp_path / "a.glb"))
    np.testing.assert_allclose(again.times, [0, 1, 4])
    assert [len(vertices) for vertices, _ in again.frames] == [8, 4, 8]  # the second is hidden by a scale of zero
    assert not again.tracked
    first, second, last = (vertices for vertices, _ in again.frames)
    np.testing.assert_allclose(first[2], [0, 0, 1])  # y up
    np.testing.assert_allclose(second[2], [2, -3, 1])  # all of the target, and 2 along x
    np.testing.assert_allclose(last[2], [2, -1.5, 1])
    np.testing.assert_allclose(last[4:], [[0, 0, 5], [1, 0, 5], [0, 0, 6], [1, 0, 6]])
    assert again.frames[1][1].tolist() == [[0, 1, 2], [1, 3, 2]]
    np.testing.assert_allclose(again.albedo[1], [[1, 0, 0], [0, 0.2, 0], [0, 0, 1], [0.2, 0.2, 0.2]])
    assert again.roughness is None and again.opacity is None


def test_glb_has_the_look_of_its_material(tmp_path):
    surface = {"baseColorFactor": [0.5, 1, 0.25, 0.75], "roughnessFactor": 0.3}
    again = read(strip(tmp_path / "a.glb", {"pbrMetallicRoughness": surface}))
    np.testing.assert_allclose(again.albedo[1], [[0.5, 0, 0], [0, 0.2, 0], [0, 0, 0.25], [0.1, 0.2, 0.05]])
    assert (again.roughness[1] == 0.3).all() and again.opacity is None
    again = read(strip(tmp_path / "a.glb", {"pbrMetallicRoughness": surface, "alphaMode": "BLEND"}))
    assert (again.opacity[1] == 0.75).all()


def test_glb_is_looked_at_as_often_as_one_asks(tmp_path):
    again = read(strip(tmp_path / "a.glb"), fps=2.0)
    np.testing.assert_allclose(again.times, np.arange(9) / 2)
    # half way, by hermite: an eighth of what the slopes would make of the whole span, and half of both values
    np.testing.assert_allclose(again.frames[1][0][2], [9 / 8 + 1, -1.5, 1])
    np.testing.assert_allclose(again.frames[5][0][2], [2, -3 * 6 / 8 - 0.75 * 3, 1 - 3 * 12 / 8])
    assert [len(vertices) for vertices, _ in again.frames] == [8, 8, 4, 4, 4, 4, 4, 4, 8]  # STEP


def test_what_two_curves_round_differently_is_one_time():
    np.testing.assert_array_equal(moments_between([0.0, 0.1, 0.1 + 1e-8, 0.25], None), [0.0, 0.1, 0.25])
    np.testing.assert_allclose(moments_between([0.2, 1.1], 10.0), 0.2 + np.arange(10) / 10)


def test_quaternions_turn_the_short_way_round():
    quarter = np.array([0, 0, np.sin(np.pi / 4), np.cos(np.pi / 4)])
    curve = Curve(np.array([1.0, 3.0]), np.array([[0, 0, 0, 1.0], -quarter]), "LINEAR", turns=True)
    third = np.array([0, 0, np.sin(np.pi / 12), np.cos(np.pi / 12)])
    np.testing.assert_allclose(curve.at(1 + 2 / 3), third, atol=1e-12)
    np.testing.assert_allclose(np.abs(curve.at(9.0)), np.abs(quarter))


def test_seams_are_closed_and_what_only_touches_for_a_while_is_not(clip, tmp_path):
    """Our .glb splits the rose along its UV seams: more vertices in the file than in the answer. Two of the rose's own
    begin at one place here, and part."""
    positions = clip.positions.copy()
    positions[0, 7] = positions[0, 900]
    clip = replace(clip, positions=positions)
    save(clip, tmp_path / "life.glb")
    data = (tmp_path / "life.glb").read_bytes()
    document = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    count = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]["count"]
    assert count > len(clip.subject.vertices) == len(read(tmp_path / "life.glb").frames[0][0])


def test_usd_in_other_units_with_y_up_and_a_mesh_that_comes_later(tmp_path):
    stage = Usd.Stage.CreateNew(str(tmp_path / "later.usda"))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetTimeCodesPerSecond(10)
    for name, corners in (("A", [0, 1, 2, 0, 2, 3]), ("B", [3, 2, 1, 3, 1, 0])):
        mesh = UsdGeom.Mesh.Define(stage, f"/{name}")
        mesh.CreatePointsAttr([(0, 0, 0), (100, 0, 0), (100, 200, 0), (0, 200, 0)])
        mesh.CreateFaceVertexCountsAttr([3, 3])
        mesh.CreateFaceVertexIndicesAttr(corners)
        colour = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("displayColor", Sdf.ValueTypeNames.Color3fArray)
        colour.SetInterpolation(UsdGeom.Tokens.faceVarying)
        colour.Set([(0.1 * k, 0, 1) for k in (0, 1, 2, 0, 2, 3)])
        for name, way, values in (("roughness", "constant", [0.3]), ("displayOpacity", "uniform", [0.6, 0.2])):
            UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(name, Sdf.ValueTypeNames.FloatArray, way).Set(values)
    mesh.CreateOrientationAttr(UsdGeom.Tokens.leftHanded)
    mesh.AddTranslateOp().Set((0, 0, 300), 5)
    visible = mesh.CreateVisibilityAttr()
    visible.Set("invisible", 5)
    visible.Set("inherited", 7)
    stage.Save()
    again = read(tmp_path / "later.usda")
    np.testing.assert_allclose(again.times, [0, 0.2])
    assert not again.tracked
    np.testing.assert_allclose(again.frames[0][0], [[0, 0, 0], [1, 0, 0], [1, 0, 2], [0, 0, 2]], atol=1e-7)
    np.testing.assert_allclose(again.frames[1][0][4:, 1], -3, atol=1e-6)
    assert again.frames[1][1].tolist() == [[0, 1, 2], [0, 2, 3], [5, 6, 7], [4, 5, 7]]
    np.testing.assert_allclose(again.roughness[1], np.full(8, 0.3), rtol=1e-6)
    np.testing.assert_allclose(again.opacity[1], [0.4, 0.6, 0.4, 0.2, 0.2, 0.4, 0.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(again.albedo[1][:, 0], [0, 0.1, 0.2, 0.3, 0.3, 0.2, 0.1, 0], atol=1e-6)


def test_a_folder_is_counted_as_people_count_and_may_change_its_topology(tmp_path):
    for number, subdivisions in ((10, 2), (9, 1), (11, 2)):
        ball = trimesh.creation.icosphere(subdivisions).apply_translation((number, 0, 5))
        ball.export(tmp_path / f"frame_{number}.ply")
    again = read(tmp_path, fps=5.0)
    assert [round(vertices[:, 0].mean()) for vertices, _ in again.frames] == [9, 10, 11]
    assert [round(vertices[:, 2].mean()) for vertices, _ in again.frames] == [5, 5, 5]
    assert not again.tracked
    np.testing.assert_allclose(again.times, [0, 0.2, 0.4])
    turned = read(tmp_path, up="Y")
    assert round(turned.frames[0][0][:, 1].mean()) == -5


def test_a_frame_far_from_the_origin_stays_there(tmp_path):
    place = np.array([(1e7, 0, 2e7), (1e7 + 0.25, 0, 2e7), (1e7, 0.5, 2e7)])
    (tmp_path / "a_1.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in place) + "f 1 2 3\n")
    np.testing.assert_allclose(read(tmp_path, up="Z").frames[0][0], place, rtol=0, atol=1e-6)


def test_a_texture_is_read_between_its_pixels_and_repeats():
    pixels = np.array([[[0.0], [1.0]], [[2.0], [3.0]]])  # (H, W, 1)
    uv = np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.5], [0.25, 0.5], [1.25, -0.75], [0.0, 0.25]])
    np.testing.assert_allclose(bilinear(pixels, uv)[:, 0], [0, 1, 1.5, 1, 0, 0.5])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.glb", b"glTF\2\0\0\0", "not a sound glTF"),
        ("a.gltf", b'{"asset": {}}', "no mesh of triangles"),
        ("a.gltf", b'{"extensionsRequired": ["KHR_draco_mesh_compression"]}', "without compression"),
        ("a.usda", b"#usda 1.0\n", "no mesh"),
        ("a.usdc", b"PXR-USDC", "not a sound USD"),
        ("a.npz", b"PK", "no clip"),
        ("a.max", b"", "may be .glb"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable, match=words):
        read(tmp_path / name)


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(Unreadable, match="no mesh"):
        read(tmp_path)
    with pytest.raises(Unreadable, match="check its name"):
        read(tmp_path / "a.glb")


@needs_blender
def test_what_blender_cannot_read_is_refused_in_words(tmp_path):
    (tmp_path / "a.fbx").write_bytes(b"no fbx")
    with pytest.raises(Unreadable, match=r"Blender could not read a\.fbx"):
        read(tmp_path / "a.fbx")


def test_a_folder_of_polygons_is_tracked_however_they_are_best_cut_up(tmp_path):
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    for number, dented in enumerate((0, 1)):  # a corner that is pushed in decides which of the two ways it is cut
        corners = square.copy()
        corners[dented, :2] += 1.2 * (1 - corners[dented, :2])
        rows = [f"v {x} {y} {z}" for x, y, z in corners]
        (tmp_path / f"quad_{number}.obj").write_text("\n".join([*rows, "f 1 2 3 4", ""]))
    found = read(tmp_path, up="Z")
    assert found.tracked and len(found.frames[0][1]) == 2
    np.testing.assert_allclose(found.positions[:, 1], [[2, 0, 0], [0.8, 1.2, 0]], atol=1e-6)
