"""Clips to files and back: what each format says it keeps, it keeps; read by other people's libraries."""

import json
import struct
import sys
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
import trimesh
from pxr import Ar, Sdf, Usd, UsdGeom, UsdShade

from backend import protocol
from backend.clip import Clip, Frame, Mesh, Texture
from backend.files import Unwritable, check_output, gltf, npz, obj, save, usd
from backend.files.mesh import read
from tests.gltf_validator import assert_valid, validated

FRAMES, FPS = 5, 12.5


@pytest.fixture
def clip() -> Clip:
    """A quad and a triangle that share an edge, with a UV seam along it; every vertex goes its own way."""
    rng = np.random.default_rng(7)
    vertices = np.array([[0, 0, 0], [2, 0, 0.5], [2, 3, 0], [0, 3, 1], [4, 1, 2]], np.float32)
    mesh = Mesh(
        vertices,
        corners=np.array([0, 1, 2, 3, 1, 4, 2], np.int32),
        sizes=np.array([4, 3], np.int32),
        triangles=np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]], np.int32),
        uv=np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1], [0.6, 0], [1, 0.5], [0.6, 1]], np.float32),
        albedo=rng.random((5, 3), np.float32),
        pin=np.array([1, 0, 0, 0.25, 0], np.float32),
        weight=np.array([0.5, 1, 1, 0, 1], np.float32),
        parts=np.array([0, 0, 1, 1, 1], np.int32),
        part_names=("stem", "petal"),
    )
    frames = [
        Frame(k / (FRAMES - 1), vertices + 0.3 * rng.standard_normal((5, 3), np.float32) * k,
              albedo=rng.random((5, 3), np.float32), roughness=rng.random(5, np.float32),
              opacity=None if k == 0 else rng.random(5, np.float32),
              emission=rng.random(5, np.float32) if k == 2 else None)
        for k in range(FRAMES)
    ]  # fmt: skip
    return Clip.from_frames(mesh, frames, FPS, loop=True, provenance={"prompt": "a test é", "seed": "3"})


def test_npz_keeps_everything(clip, tmp_path):
    save(clip, tmp_path / "clip.npz")
    again = npz.load(tmp_path / "clip.npz")
    for thing, other in ((clip, again), (clip.subject, again.subject)):
        for name in (field.name for field in fields(thing) if field.name != "subject"):
            np.testing.assert_array_equal(getattr(thing, name), getattr(other, name), err_msg=name)
            assert type(getattr(thing, name)) is type(getattr(other, name)), name


def test_npz_holds_what_its_page_says_for_readers_without_us(clip, tmp_path):
    npz.save(clip, tmp_path / "clip.npz")
    held = np.load(tmp_path / "clip.npz", allow_pickle=False)
    assert held["positions"].shape == (FRAMES, 5, 3)
    assert held["positions"].dtype == np.float32
    assert held["faces"].tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 2]]
    assert held["uv"][held["triangles"]].shape == (3, 3, 2)
    assert float(held["fps"]) == FPS
    assert bool(held["loop"])
    assert json.loads(str(held["provenance"])) == clip.provenance


def test_npz_of_a_later_layout_is_refused(clip, tmp_path):
    np.savez(tmp_path / "later.npz", version=2)
    with pytest.raises(ValueError, match="update Anthesis"):
        npz.load(tmp_path / "later.npz")


def glb_parts(path):
    data = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def glb_array(document, buffer, accessor) -> np.ndarray:
    """An independent, slow reading of one accessor."""
    accessor = document["accessors"][accessor]
    view = document["bufferViews"][accessor["bufferView"]]
    letter = {5126: "f", 5123: "H", 5125: "I"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    numbers = struct.unpack_from(f"<{accessor['count'] * width}{letter}", buffer, view["byteOffset"])
    return np.array(numbers).reshape(accessor["count"], width)


def played(document, buffer, time: float) -> np.ndarray:
    """Positions that a viewer shows at a time in seconds, as the specification says: base + weights x targets."""
    animation = document["animations"][0]
    sampler = animation["samplers"][0]
    times = glb_array(document, buffer, sampler["input"])[:, 0]
    weights = glb_array(document, buffer, sampler["output"]).reshape(len(times), -1)
    now = np.array([np.interp(time, times, column) for column in weights.T])
    assert (now > 0).sum() <= 2
    primitive = document["meshes"][0]["primitives"][0]
    shown = glb_array(document, buffer, primitive["attributes"]["POSITION"])
    for weight, target in zip(now, primitive["targets"], strict=True):
        shown = shown + weight * glb_array(document, buffer, target["POSITION"])
    return shown


def z_up(vectors):
    return np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=1)


def corner_positions(clip, positions):
    """What is seen: the place of each corner of each triangle, (F, 3, 3)."""
    return positions[clip.subject.faces]


def test_glb_plays_every_frame_and_goes_straight_between_them(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    primitive = document["meshes"][0]["primitives"][0]
    triangles = glb_array(document, buffer, primitive["indices"]).reshape(-1, 3)
    for k in range(FRAMES):
        seen = z_up(played(document, buffer, k / FPS))[triangles]
        np.testing.assert_allclose(seen, corner_positions(clip, clip.positions[k]), atol=2e-6)
    half = z_up(played(document, buffer, 1.5 / FPS))[triangles]
    np.testing.assert_allclose(half, corner_positions(clip, (clip.positions[1] + clip.positions[2]) / 2), atol=2e-6)


def test_glb_of_a_loop_ends_where_it_began_and_another_does_not(clip, tmp_path):
    for loops in (True, False):
        gltf.save(replace(clip, loop=loops), tmp_path / "clip.glb")
        document, buffer = glb_parts(tmp_path / "clip.glb")
        end = document["accessors"][document["animations"][0]["samplers"][0]["input"]]["max"][0]
        assert end == pytest.approx((FRAMES if loops else FRAMES - 1) / FPS)
        first, last = played(document, buffer, 0), played(document, buffer, end)
        assert np.allclose(first, last) == loops


def test_glb_splits_vertices_at_the_seam_only(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    document, _ = glb_parts(tmp_path / "clip.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert document["accessors"][attributes["POSITION"]]["count"] == 7  # 5, and the two on the seam once more
    whole = replace(clip, subject=replace(clip.subject, uv=None))
    gltf.save(whole, tmp_path / "whole.glb")
    document, _ = glb_parts(tmp_path / "whole.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert document["accessors"][attributes["POSITION"]]["count"] == 5


def test_glb_as_trimesh_reads_it(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    (mesh,) = trimesh.load_scene(tmp_path / "clip.glb", process=False).geometry.values()
    seen = z_up(mesh.vertices)[mesh.faces]
    np.testing.assert_allclose(seen, corner_positions(clip, clip.positions[0]), atol=1e-6)
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], clip.subject.uv[clip.subject.triangles], atol=1e-6)


def test_glb_normals_are_those_of_each_frame(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    primitive = document["meshes"][0]["primitives"][0]
    indices = glb_array(document, buffer, primitive["indices"])[:, 0].astype(int)
    base = glb_array(document, buffer, primitive["attributes"]["NORMAL"])
    for k in (0, 3):
        delta = 0 if k == 0 else glb_array(document, buffer, primitive["targets"][k - 1]["NORMAL"])
        seen = trimesh.Trimesh(clip.positions[k], clip.subject.faces, process=False)
        # area weighting: what trimesh calls the mean of face normals, weighted by their area
        summed = np.zeros((5, 3))
        for face, normal, area in zip(seen.faces, seen.face_normals, seen.area_faces, strict=True):
            summed[face] += normal * area
        expected = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        np.testing.assert_allclose(z_up((base + delta)[indices]), expected[clip.subject.faces.ravel()], atol=1e-5)


def test_glb_colour_is_linear_and_of_the_first_frame(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    primitive = document["meshes"][0]["primitives"][0]
    colour = glb_array(document, buffer, primitive["attributes"]["COLOR_0"]) / 65535
    indices = glb_array(document, buffer, primitive["indices"])[:, 0].astype(int)
    np.testing.assert_allclose(colour[indices, :3], clip.albedo[0][clip.subject.faces.ravel()], atol=1e-5)
    assert (colour[:, 3] == 1).all()


def still(clip):
    nothing = dict.fromkeys(("albedo", "roughness", "opacity", "emission"))
    return replace(clip, positions=clip.positions[:1], tau=clip.tau[:1], **nothing)


def needle(clip):
    """A triangle without area: its third vertex has no normal."""
    positions = clip.positions.copy()
    positions[:, 4] = positions[:, 1]
    return replace(clip, positions=positions)


@pytest.mark.parametrize("change", [lambda clip: clip, still, needle], ids=["whole", "still", "needle"])
def test_glb_is_valid(clip, tmp_path, change):
    gltf.save(change(clip), tmp_path / "clip.glb")
    assert_valid(tmp_path / "clip.glb")


@pytest.mark.parametrize("name", ["clip.usdc", "clip.usdz"])
def test_usd_as_pixar_reads_it(clip, tmp_path, name):
    save(clip, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    stage = Usd.Stage.Open(str(tmp_path / name))
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, FRAMES)
    assert stage.GetTimeCodesPerSecond() == FPS
    mesh = UsdGeom.Mesh(stage.GetDefaultPrim().GetChild("Mesh"))
    primvars = UsdGeom.PrimvarsAPI(mesh)
    for k in range(FRAMES):
        np.testing.assert_array_equal(mesh.GetPointsAttr().Get(k + 1), clip.positions[k])
        np.testing.assert_array_equal(primvars.GetPrimvar("displayColor").Get(k + 1), clip.albedo[k])
        np.testing.assert_array_equal(primvars.GetPrimvar("roughness").Get(k + 1), clip.roughness[k])
        np.testing.assert_array_equal(primvars.GetPrimvar("displayOpacity").Get(k + 1), clip.opacity[k])
        light = protocol.GLOW * clip.emission[k][:, None] * clip.albedo[k]
        np.testing.assert_allclose(primvars.GetPrimvar("emissiveColor").Get(k + 1), light, rtol=1e-6)
    np.testing.assert_array_equal(mesh.GetFaceVertexCountsAttr().Get(), clip.subject.sizes)
    np.testing.assert_array_equal(mesh.GetFaceVertexIndicesAttr().Get(), clip.subject.corners)
    assert primvars.GetPrimvar("st").GetInterpolation() == "faceVarying"
    np.testing.assert_array_equal(primvars.GetPrimvar("st").Get(), clip.subject.uv)
    assert mesh.ValidateTopology(mesh.GetFaceVertexIndicesAttr().Get(), mesh.GetFaceVertexCountsAttr().Get(), 5)[0]


def test_usdc_of_what_has_no_colour_glows_in_grey_and_of_what_is_cold_has_no_light(clip, tmp_path):
    bare = replace(clip, subject=replace(clip.subject, albedo=None), albedo=None)
    usd.save(bare, tmp_path / "glows.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "glows.usdc"))
    light = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/Anthesis/Mesh"))
    expected = protocol.GLOW * protocol.GREY * np.repeat(clip.emission[2][:, None], 3, axis=1)
    np.testing.assert_allclose(light.GetPrimvar("emissiveColor").Get(3), expected, rtol=1e-6)
    usd.save(replace(clip, emission=None), tmp_path / "cold.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "cold.usdc"))
    assert not UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/Anthesis/Mesh")).HasPrimvar("emissiveColor")
    assert stage.GetPrimAtPath("/Anthesis/Material/Surface").GetAttribute("inputs:emissiveColor").Get() == (0, 0, 0)


def test_usdc_keeps_the_subjects_own_colour_where_life_changes_none(clip, tmp_path):
    usd.save(replace(clip, albedo=None), tmp_path / "clip.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "clip.usdc"))
    colour = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/Anthesis/Mesh")).GetPrimvar("displayColor")
    assert colour.GetAttr().GetNumTimeSamples() == 0
    np.testing.assert_array_equal(colour.Get(), clip.subject.albedo)


def test_obj_folder_as_our_reader_reads_it(clip, tmp_path):
    save(clip, tmp_path / "life")
    files = sorted(path.name for path in (tmp_path / "life").iterdir())
    assert files == [f"life_{k:04d}.obj" for k in range(1, FRAMES + 1)]
    for k in (0, 3):
        mesh = read(tmp_path / "life" / files[k])
        np.testing.assert_allclose(mesh.vertices, clip.positions[k], atol=1e-6)
        np.testing.assert_array_equal(mesh.corners, clip.subject.corners)
        np.testing.assert_array_equal(mesh.sizes, clip.subject.sizes)
        np.testing.assert_array_equal(mesh.uv, clip.subject.uv)
        np.testing.assert_allclose(mesh.albedo, clip.albedo[k], atol=1e-3)


def test_an_obj_folder_loses_the_frames_of_an_earlier_longer_clip_and_nothing_else(clip, tmp_path):
    folder = tmp_path / "li[f]e"
    folder.mkdir()
    for name in ("li[f]e_0009.obj", "life_0009.obj", "li[f]e_rest.obj", "notes.txt"):
        (folder / name).write_text("old")
    save(clip, folder)
    kept = {path.name for path in folder.iterdir()} - {f"li[f]e_{k:04d}.obj" for k in range(1, FRAMES + 1)}
    assert kept == {"life_0009.obj", "li[f]e_rest.obj", "notes.txt"}
    assert [path.name for path in obj.frames_in(folder)] == [f"li[f]e_{k:04d}.obj" for k in range(1, FRAMES + 1)]


def test_an_obj_folder_that_cannot_be_written_keeps_the_earlier_frames_or_is_not_there(clip, tmp_path):
    torn = replace(clip, positions=clip.positions[:, :, :2])
    with pytest.raises(IndexError):
        save(torn, tmp_path / "new")
    save(clip, tmp_path / "life")
    before = {path.name: path.read_text() for path in (tmp_path / "life").iterdir()}
    with pytest.raises(IndexError):
        save(torn, tmp_path / "life")
    assert {path.name: path.read_text() for path in (tmp_path / "life").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["life"]


def test_a_clip_without_material_has_one_grey_in_every_file(clip, tmp_path):
    nothing = {"albedo": None, "roughness": None, "metallic": None}
    bare = replace(clip, subject=replace(clip.subject, **nothing), opacity=None, emission=None, **nothing)
    save(bare, tmp_path / "clip.glb")
    data = (tmp_path / "clip.glb").read_bytes()
    surface = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])["materials"][0]["pbrMetallicRoughness"]
    assert (surface["baseColorFactor"], surface["roughnessFactor"]) == ([0.8, 0.8, 0.8, 1], 0.5)
    save(bare, tmp_path / "clip.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "clip.usdc"))
    shader = stage.GetPrimAtPath("/Anthesis/Material/Surface")
    assert shader.GetAttribute("inputs:roughness").Get() == 0.5
    np.testing.assert_allclose(shader.GetAttribute("inputs:diffuseColor").Get(), np.full(3, 0.8), rtol=1e-6)


def test_obj_says_polygons_uvs_and_colours(clip, tmp_path):
    obj.save(clip, tmp_path / "life")
    lines = (tmp_path / "life" / "life_0002.obj").read_text().splitlines()
    assert [line for line in lines if line.startswith("f")] == ["f 1/1 2/2 3/3 4/4", "f 2/5 5/6 3/7"]
    numbers = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    np.testing.assert_allclose(z_up(numbers[:, :3]), clip.positions[1], rtol=1e-6)
    np.testing.assert_allclose(numbers[:, 3:], protocol.linear_to_srgb(clip.albedo[1]), atol=1e-4)
    uv = np.array([line.split()[1:] for line in lines if line.startswith("vt")], float)
    np.testing.assert_allclose(uv, clip.subject.uv, atol=1e-6)


@pytest.mark.parametrize("name", ["clip.usdc", "clip.usdz"])
def test_nothing_is_left_behind_when_writing_fails(clip, tmp_path, name):
    shown = replace(clip.subject, texture=Texture(png(PIXELS), lit=False))
    with pytest.raises(ValueError, match=r"shape|broadcast|dimension|size|axis"):
        save(replace(clip, subject=shown, positions=clip.positions[:, :, :2]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --- a picture instead of colours


def png(pixels: np.ndarray) -> bytes:
    """(H, W, 3 or 4) bytes as a file, by the specification: Pillow is not wanted for it."""
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PIXELS = np.random.default_rng(8).integers(0, 256, (3, 6, 4), np.uint8)


@pytest.fixture(params=[3, 4], ids=["opaque", "transparent"])
def pictured(clip, request) -> Clip:
    photo = Texture(png(PIXELS[..., : request.param]), transparent=request.param == 4, lit=False)
    assert len(photo.albedo) % 4  # it does not fit what .glb wants all to be a multiple of
    nothing = dict.fromkeys(("albedo", "roughness", "opacity", "emission"))
    return replace(clip, subject=replace(clip.subject, albedo=None, texture=photo), **nothing)


def test_glb_shows_the_picture_as_it_is(pictured, tmp_path):
    save(pictured, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    photo, (image,), (texture,) = pictured.subject.texture, document["images"], document["textures"]
    view = document["bufferViews"][image["bufferView"]]
    assert buffer[view["byteOffset"] :][: view["byteLength"]] == photo.albedo
    assert (image["mimeType"], texture["source"]) == ("image/png", 0)
    assert document["samplers"][texture["sampler"]]["wrapS"] == 33071  # to the edge
    (material,), (primitive,) = document["materials"], document["meshes"][0]["primitives"]
    assert material["pbrMetallicRoughness"]["baseColorTexture"] == {"index": 0}
    assert "baseColorFactor" not in material["pbrMetallicRoughness"] and "COLOR_0" not in primitive["attributes"]
    assert material.get("alphaMode") == ("BLEND" if photo.transparent else None)
    assert (material["extensions"], document["extensionsUsed"]) == (
        {"KHR_materials_unlit": {}},
        ["KHR_materials_unlit"],
    )
    indices = glb_array(document, buffer, primitive["indices"])[:, 0].astype(int)
    uv = glb_array(document, buffer, primitive["attributes"]["TEXCOORD_0"])[indices]
    expected = pictured.subject.uv[pictured.subject.triangles.ravel()]
    np.testing.assert_allclose(uv, np.stack([expected[:, 0], 1 - expected[:, 1]], axis=1), atol=1e-6)
    assert len(primitive["targets"]) == FRAMES - 1


def test_glb_with_a_picture_is_valid(pictured, tmp_path):
    save(pictured, tmp_path / "clip.glb")
    issues = validated(tmp_path / "clip.glb")["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_a_picture_that_is_a_jpeg_is_called_one(clip, tmp_path):
    jpeg = Texture(b"\xff\xd8\xff\xe0 and so on", lit=False)
    shown = replace(clip, subject=replace(clip.subject, texture=jpeg))
    save(shown, tmp_path / "clip.glb")
    assert glb_parts(tmp_path / "clip.glb")[0]["images"][0]["mimeType"] == "image/jpeg"
    save(shown, tmp_path / "clip.usdc")
    assert (tmp_path / "clip_picture.jpg").read_bytes() == jpeg.albedo


@pytest.mark.parametrize(("name", "files"), [("clip.usdc", ["clip_picture.png"]), ("clip.usdz", [])])
def test_usd_shows_the_picture_as_it_is(pictured, tmp_path, name, files):
    save(pictured, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, *files]
    stage, photo = Usd.Stage.Open(str(tmp_path / name)), pictured.subject.texture
    mesh = UsdGeom.Mesh(stage.GetDefaultPrim().GetChild("Mesh"))
    material, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
    surface = material.ComputeSurfaceSource()[0]
    assert surface.GetInput("diffuseColor").Get() == surface.GetInput("specularColor").Get() == (0, 0, 0)

    def source(shader: UsdShade.Shader, name: str) -> tuple[UsdShade.Shader, str]:
        (found,) = shader.GetInput(name).GetConnectedSources()[0]
        return UsdShade.Shader(found.source.GetPrim()), found.sourceName

    texture, output = source(surface, "emissiveColor")
    assert (texture.GetShaderId(), output) == ("UsdUVTexture", "rgb")
    assert texture.GetInput("sourceColorSpace").Get() == "sRGB"
    assert texture.GetInput("wrapS").Get() == texture.GetInput("wrapT").Get() == "clamp"
    with Ar.GetResolver().OpenAsset(Ar.ResolvedPath(texture.GetInput("file").Get().resolvedPath)) as asset:
        assert bytes(asset.GetBuffer()) == photo.albedo
    places, _ = source(texture, "st")
    assert (places.GetShaderId(), places.GetInput("varname").Get()) == ("UsdPrimvarReader_float2", "st")
    np.testing.assert_array_equal(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get(), pictured.subject.uv)
    if photo.transparent:
        assert source(surface, "opacity")[1] == "a"
    else:
        assert not surface.GetInput("opacity")
    for k in range(FRAMES):
        np.testing.assert_array_equal(mesh.GetPointsAttr().Get(k + 1), pictured.positions[k])


def test_what_a_usdz_holds_begins_where_usd_wants_it(pictured, tmp_path):
    save(pictured, tmp_path / "clïp.usdz")
    package = Sdf.ZipFile.Open(str(tmp_path / "clïp.usdz"))
    assert package.GetFileNames() == ["clïp.usdc", "clïp_picture.png"]
    assert [package.GetFileInfo(name).dataOffset % 64 for name in package.GetFileNames()] == [0, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size, as a full disk is here")
def test_a_disk_that_is_full_only_for_the_package_is_said_and_leaves_nothing(clip, tmp_path):
    import resource

    shown = replace(clip, subject=replace(clip.subject, texture=Texture(bytes(80_000), lit=False)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (82_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save(shown, tmp_path / "clip.usdz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_npz_keeps_the_picture_and_a_folder_of_obj_cannot(pictured, tmp_path):
    save(pictured, tmp_path / "clip.npz")
    assert npz.load(tmp_path / "clip.npz").subject.texture == pictured.subject.texture
    assert np.load(tmp_path / "clip.npz")["texture"].tobytes() == pictured.subject.texture.albedo
    with pytest.raises(Unwritable, match=r"holds no picture: end the name with \.glb"):
        save(pictured, tmp_path / "life")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


# --- a texture that is lit


GREYS = np.random.default_rng(9).integers(0, 256, (3, 6), np.uint8)


@pytest.fixture
def textured(clip) -> Clip:
    """Its colours and its roughness are those of its texture all life long."""
    texture = Texture(png(PIXELS[..., :3]), png(np.repeat(GREYS[..., None], 3, axis=2)))
    nothing = dict.fromkeys(("roughness", "opacity", "emission"))
    own = replace(clip.subject, albedo=clip.albedo[0], roughness=None, texture=texture)
    return replace(clip, subject=own, albedo=np.repeat(clip.albedo[:1], FRAMES, axis=0), **nothing)


def test_glb_of_a_lit_texture_is_a_surface_of_it(textured, tmp_path):
    save(textured, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    files = []
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        files.append(buffer[view["byteOffset"] :][: view["byteLength"]])
    texture = textured.subject.texture
    assert files == [texture.albedo, texture.roughness]
    (material,), (primitive,) = document["materials"], document["meshes"][0]["primitives"]
    surface = material["pbrMetallicRoughness"]
    assert document["textures"][surface["baseColorTexture"]["index"]]["source"] == 0
    assert document["textures"][surface["metallicRoughnessTexture"]["index"]]["source"] == 1
    assert (surface["roughnessFactor"], surface["metallicFactor"]) == (1.0, 0.0)
    assert "extensions" not in material and "extensionsUsed" not in document
    assert "COLOR_0" not in primitive["attributes"]  # it would be multiplied with what it is already
    assert validated(tmp_path / "clip.glb")["issues"]["numErrors"] == 0
    (mesh,) = trimesh.load_scene(tmp_path / "clip.glb", process=False).geometry.values()
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], textured.subject.uv[textured.subject.triangles], atol=1e-6)


def test_glb_of_a_texture_that_life_darkens_begins_as_dark(textured, tmp_path):
    half = replace(textured, albedo=textured.albedo * 0.5)
    save(half, tmp_path / "clip.glb")
    document, buffer = glb_parts(tmp_path / "clip.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    colours = glb_array(document, buffer, primitive["attributes"]["COLOR_0"])
    np.testing.assert_allclose(colours[:, :3] / 65535, 0.5, atol=1e-3)
    assert "baseColorTexture" in document["materials"][0]["pbrMetallicRoughness"]


def readers(stage: Usd.Stage) -> dict[str, UsdShade.Shader]:
    """What each input of its surface is connected to."""
    mesh = stage.GetDefaultPrim().GetChild("Mesh")
    surface = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0].ComputeSurfaceSource()[0]
    told = {each.GetBaseName(): each.GetConnectedSources()[0] for each in surface.GetInputs()}
    return {name: UsdShade.Shader(found[0].source.GetPrim()) for name, found in told.items() if found}


def test_usd_of_a_lit_texture_is_a_surface_of_it(textured, tmp_path):
    save(textured, tmp_path / "clip.usdc")
    texture = textured.subject.texture
    assert (tmp_path / "clip_picture.png").read_bytes() == texture.albedo
    assert (tmp_path / "clip_roughness.png").read_bytes() == texture.roughness
    stage = Usd.Stage.Open(str(tmp_path / "clip.usdc"))  # its prims live as long
    found = readers(stage)
    for name, file, space in (
        ("diffuseColor", "./clip_picture.png", "sRGB"),
        ("roughness", "./clip_roughness.png", "raw"),
    ):
        assert found[name].GetShaderId() == "UsdUVTexture"
        assert found[name].GetInput("file").Get().path == file
        assert found[name].GetInput("sourceColorSpace").Get() == space
    assert "emissiveColor" not in found
    save(textured, tmp_path / "clip.usdz")
    names = Sdf.ZipFile.Open(str(tmp_path / "clip.usdz")).GetFileNames()
    assert names == ["clip.usdc", "clip_picture.png", "clip_roughness.png"]


@pytest.mark.parametrize("changed", ["albedo", "roughness"])
def test_usd_shows_what_life_changes_on_its_vertices(textured, tmp_path, changed):
    if changed == "albedo":
        still = replace(
            textured, albedo=textured.albedo * np.linspace(1, 0.5, FRAMES)[:, None, None].astype(np.float32)
        )
    else:
        shape = textured.positions.shape[:2]
        still = replace(textured, roughness=np.linspace(0, 1, np.prod(shape), dtype=np.float32).reshape(shape))
    save(still, tmp_path / "clip.usdc")
    stage = Usd.Stage.Open(str(tmp_path / "clip.usdc"))  # its prims live as long
    found = readers(stage)
    ids = {name: shader.GetShaderId() for name, shader in found.items()}
    if changed == "albedo":
        assert ids == {"diffuseColor": "UsdPrimvarReader_float3"}
        assert [path.name for path in tmp_path.iterdir()] == ["clip.usdc"]
    else:
        assert ids == {"diffuseColor": "UsdUVTexture", "roughness": "UsdPrimvarReader_float"}
        assert not (tmp_path / "clip_roughness.png").exists()


def test_a_folder_of_obj_shows_a_lit_texture_by_its_material(textured, tmp_path):
    save(textured, tmp_path / "life")
    names = {path.name for path in (tmp_path / "life").iterdir()}
    assert {"life.mtl", "life_picture.png", "life_roughness.png", "life_0001.obj"} <= names
    lines = (tmp_path / "life" / "life.mtl").read_text().splitlines()
    assert {"newmtl Anthesis", "map_Kd life_picture.png", "map_Pr life_roughness.png"} <= {*lines}
    text = (tmp_path / "life" / "life_0001.obj").read_text()
    assert text.startswith("mtllib life.mtl\nusemtl Anthesis\n")
    assert {len(line.split()) for line in text.splitlines() if line.startswith("v ")} == {4}  # no colour beside it
    changing = replace(textured, albedo=textured.albedo * 0.5)
    save(changing, tmp_path / "other")
    assert not {path.name for path in (tmp_path / "other").iterdir()} & {"other.mtl", "other_picture.png"}
    text = (tmp_path / "other" / "other_0001.obj").read_text()
    assert {len(line.split()) for line in text.splitlines() if line.startswith("v ")} == {7}


def test_npz_keeps_a_lit_texture(textured, tmp_path):
    save(textured, tmp_path / "clip.npz")
    assert npz.load(tmp_path / "clip.npz").subject.texture == textured.subject.texture


@pytest.mark.parametrize(
    ("name", "words"), [("clip.png", "Cannot write .png"), ("nowhere/clip.glb", "does not exist"), ("taken", "a file")]
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, words):
    (tmp_path / "taken").write_text("")
    with pytest.raises(Unwritable, match=words):
        check_output(tmp_path / name)


def test_uvs_and_colours_come_along(clip, tmp_path):
    gltf.save(clip, tmp_path / "clip.glb")
    mesh = read(tmp_path / "clip.glb")
    assert len(mesh.vertices) == 7  # as the file splits them
    seen = np.concatenate([mesh.vertices[mesh.faces], mesh.uv.reshape(-1, 3, 2)], axis=2)
    uv = clip.subject.uv[clip.subject.triangles]
    expected = np.concatenate([corner_positions(clip, clip.positions[0]), uv], axis=2)
    np.testing.assert_allclose(seen, expected, atol=1e-5)
