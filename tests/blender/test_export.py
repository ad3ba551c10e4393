"""Files read back: every frame of a clip is in them, compared with what was sent; what is not in them is said."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon import export as exporting  # noqa: E402
from blender_addon.export import CannotExport, export  # noqa: E402
from blender_addon.scene import clips, curves  # noqa: E402
from blender_addon.scene.bouquet import Site  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests import gltf_validator  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.files import (  # noqa: E402
    Glb,
    assert_plays_in_world,
    assert_same_surface,
    first_key_frame,
    read_by_blender,
    read_usd,
)
from tests.blender.samples import FRAMES, clip, frames_of, imported, subject_of  # noqa: E402

# Blender 5.2's own FBX exporter, under NumPy 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")

FORMATS = ["glb", "fbx", "abc", "usdc"]


def placed_clip(colour=False, frames=FRAMES, generate=False):
    """A prism with n-gons, mirrored, turned and moved, and its clip; beside it what must not get into the file."""
    obj = samples.prism()
    samples.place(obj, scale=(-2, 0.5, 1), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=colour, frames=frames)
    _, obj = imported(records, None if generate else target, site=Site((1, 2, 3)))
    bpy.context.scene.frame_end = 60  # the clip is not all that the scene plays
    samples.grid(name="Bystander").select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Bystander"]
    return obj, records


def in_world(obj, records):
    """What each frame should be: (V, 3) in the world."""
    return [arrays["positions"] + np.array(obj.matrix_world.translation) for arrays in frames_of(records)]


# --- glTF, by its own grammar


@pytest.mark.parametrize("generate", [False, True])
def test_gltf_holds_every_frame(tmp_path, generate):
    obj, records = placed_clip(generate=generate)
    path = export(str(tmp_path / "a.glb"), obj).path
    glb = Glb(path)
    assert [node["name"] for node in glb.json["nodes"]] == [obj.name]
    times, found, weights = glb.frames()
    np.testing.assert_allclose(times, np.arange(FRAMES) / 24, atol=1e-6)
    np.testing.assert_allclose(weights, np.eye(FRAMES), atol=1e-6)
    assert_same_surface(found, in_world(obj, records))


@pytest.mark.parametrize("options", [{}, {"normals": False}, {"frame_step": 3}])
def test_gltf_passes_the_validator_of_khronos(tmp_path, options):
    obj, _ = placed_clip(colour=True)
    gltf_validator.assert_valid(Path(export(str(tmp_path / "a.glb"), obj, **options).path))


def test_a_clip_that_starts_late_starts_at_second_zero_in_gltf(tmp_path):
    bpy.context.scene.frame_start = 51
    obj, records = placed_clip()
    times, found, _ = Glb(export(str(tmp_path / "a.glb"), obj).path).frames()
    np.testing.assert_allclose(times, np.arange(FRAMES) / 24, atol=1e-6)
    assert_same_surface(found, in_world(obj, records))


def test_without_normals_gltf_targets_hold_positions_only(tmp_path):
    obj, _ = placed_clip()
    with_normals = Glb(export(str(tmp_path / "a.glb"), obj).path)
    without = Glb(export(str(tmp_path / "b.glb"), obj, normals=False).path)
    assert with_normals.primitives[0]["targets"][0].keys() == {"POSITION", "NORMAL"}
    assert without.primitives[0]["targets"][0].keys() == {"POSITION"}


def test_gltf_holds_the_colour_of_the_start(tmp_path):
    obj, _ = placed_clip(colour=True)
    glb = Glb(export(str(tmp_path / "a.glb"), obj).path)
    colour = glb.array(glb.primitives[0]["attributes"]["COLOR_0"])
    full = 1 if colour.dtype.kind == "f" else np.iinfo(colour.dtype).max
    assert (colour == full * np.array([1, 0, 0, 1])[: colour.shape[1]]).all()


def test_gltf_holds_the_texture_of_an_artists_material(tmp_path):
    obj = samples.grid()
    material, shader = samples.principled("Painted")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.new("Texture", 8, 8)
    texture.image.pixels.foreach_set(np.full(256, 0.5, np.float32))
    texture.image.pack()
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    obj.data.materials.append(material)
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    glb = Glb(export(str(tmp_path / "a.glb"), obj).path)
    assert "baseColorTexture" in glb.json["materials"][0]["pbrMetallicRoughness"]


@pytest.mark.parametrize("ending", ["glb", "fbx"])
def test_a_frame_step_keeps_every_nth_key_and_the_last_and_blends_the_rest(tmp_path, ending):
    obj, records = placed_clip()
    before = samples.blocks(), [key.name for key in obj.data.shape_keys.key_blocks]
    path = export(str(tmp_path / f"a.{ending}"), obj, frame_step=4).path
    assert (samples.blocks(), [key.name for key in obj.data.shape_keys.key_blocks]) == before
    expected = blended(in_world(obj, records))
    if ending == "glb":
        glb = Glb(path)
        assert len(glb.primitives[0]["targets"]) == 3
        assert_same_surface(glb.frames()[1], expected)
    else:
        again = read_by_blender(path)
        assert len(again.data.shape_keys.key_blocks) == 4
        assert_plays_in_world(again, expected, first=first_key_frame(again), atol=2e-4)


def blended(frames):
    """Kept are 0, 4 and 6."""
    kept = {0: (0, 4), 1: (0, 4), 2: (0, 4), 3: (0, 4), 4: (4, 6), 5: (4, 6), 6: (4, 6)}
    return [frames[low] + (k - low) / (high - low) * (frames[high] - frames[low]) for k, (low, high) in kept.items()]


# --- FBX and Alembic, by Blender's own importers


def test_fbx_holds_every_frame(tmp_path):
    obj, records = placed_clip()
    expected, name = in_world(obj, records), obj.name
    again = read_by_blender(export(str(tmp_path / "a.fbx"), obj).path)
    assert again.name == name
    # FBX holds weights in per cent
    assert_plays_in_world(again, expected, first=first_key_frame(again), atol=2e-4)


@pytest.mark.parametrize("colour", [False, True])
def test_alembic_holds_every_frame_and_its_colour(tmp_path, colour):
    obj, records = placed_clip(colour=colour)
    expected, frames = in_world(obj, records), frames_of(records)
    again = read_by_blender(export(str(tmp_path / "a.abc"), obj).path)
    assert_plays_in_world(again, expected)
    if colour:
        modifier = next(modifier for modifier in again.modifiers if modifier.type == "MESH_SEQUENCE_CACHE")
        assert "COLOR" in modifier.read_data
        for number, arrays in enumerate(frames):
            bpy.context.scene.frame_set(1 + number)
            seen = samples.evaluated(again).data
            rgba = np.empty((len(seen.loops), 4), np.float32)
            seen.attributes["Albedo"].data.foreach_get("color_srgb", rgba.ravel())
            wanted = arrays["albedo"][samples.corner_vertices(seen)]
            assert np.abs(rgba[:, :3] * 255 - wanted).max() <= 1


# --- USD, by usd-core


@pytest.mark.parametrize("colour", [False, True])
def test_usd_holds_every_frame_and_its_colour(tmp_path, colour):
    obj, records = placed_clip(colour=colour)
    usd = read_usd(export(str(tmp_path / "a.usdc"), obj).path)
    assert usd["up"] == "Z" and usd["range"].tolist() == [1, FRAMES]
    for number, expected in enumerate(in_world(obj, records)):
        np.testing.assert_allclose(usd["points"][number], expected, atol=1e-5)
    if colour:
        for number, arrays in enumerate(frames_of(records)):
            linear = usd["colours"][number][:, :3]
            wanted = arrays["albedo"][usd["corners"]] / 255.0
            encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
            assert np.abs(encoded - wanted).max() < 1.01 / 255


# --- What is seen is what is written


def lived(colour=False):
    """Three processes, weighed; half the amount; life in slow motion that gathers speed. And what each frame shows."""
    obj = samples.prism()
    samples.place(obj, scale=(-2, 0.5, 1), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=colour, processes=3), target)
    obj["Amount"], obj["Process 2"], obj["Process 3"] = 0.5, 0.25, 1.25
    curve = curves.find(obj, '["Life"]')
    curve.keyframe_points[1].co.x = 13
    curve.keyframe_points[0].interpolation = "QUAD"
    curve.update()
    shapes, colours = [], []
    for frame in range(1, 14):
        bpy.context.scene.frame_set(frame)
        shapes.append(samples.shown_in_world(obj))
        seen = samples.evaluated(obj).data
        if colour:
            colours.append(dict(zip(samples.corner_vertices(seen), samples.colours(seen), strict=True)))
    return obj, shapes, colours


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_live_is_written_as_it_is_seen(tmp_path, ending):
    obj, shapes, _ = lived()
    before = samples.blocks(), [*obj.keys()], len(obj.data.shape_keys.animation_data.drivers)
    path = export(str(tmp_path / f"a.{ending}"), obj).path
    assert (samples.blocks(), [*obj.keys()], len(obj.data.shape_keys.animation_data.drivers)) == before
    if ending == "glb":
        glb = Glb(path)
        assert len(glb.primitives[0]["targets"]) == FRAMES  # one row
        assert not {"Life", "Amount"} & glb.json["nodes"][0]["extras"].keys()
        assert_same_surface(glb.frames()[1], shapes)
        gltf_validator.assert_valid(Path(path))
    elif ending == "usdc":
        for found, expected in zip(read_usd(path)["points"], shapes, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    else:
        again = read_by_blender(path)
        first = first_key_frame(again) if ending == "fbx" else 1
        assert_plays_in_world(again, shapes, first, atol=2e-4 if ending == "fbx" else 1e-5)


def test_alembic_and_usd_hold_the_colours_that_are_seen(tmp_path):
    obj, _, colours = lived(colour=True)
    usd = read_usd(export(str(tmp_path / "a.usdc"), obj).path)
    again = read_by_blender(export(str(tmp_path / "a.abc"), obj).path)
    for number, expected in enumerate(colours):
        bpy.context.scene.frame_set(1 + number)
        seen = samples.evaluated(again).data
        wanted = np.array([expected[vertex] for vertex in samples.corner_vertices(seen)])
        assert np.abs(samples.colours(seen).astype(int) - wanted).max() <= 1
        wanted = np.array([expected[vertex] for vertex in usd["corners"]])
        encoded = protocol.linear_to_srgb(usd["colours"][number][:, :3]) * 255
        assert np.abs(encoded - wanted).max() < 1.01


def test_weights_that_change_over_time_are_written_as_they_are_seen(tmp_path):
    obj, _, _ = lived()
    obj.keyframe_insert('["Process 1"]', frame=1)
    obj["Process 1"] = 0.0
    obj.keyframe_insert('["Process 1"]', frame=9)
    shapes = []
    for frame in range(1, 14):
        bpy.context.scene.frame_set(frame)
        shapes.append(samples.shown_in_world(obj))
    glb = Glb(export(str(tmp_path / "a.glb"), obj).path)
    assert len(glb.primitives[0]["targets"]) == 3 * FRAMES
    assert_same_surface(glb.frames()[1], shapes)


@pytest.mark.parametrize("baked", [False, True])
def test_a_frame_step_of_a_timing_of_the_artists_blends_in_the_time_of_the_clip(tmp_path, baked):
    obj, records = placed_clip()
    curve = curves.find(obj, '["Life"]')
    curve.keyframe_points[1].co.x = 1 + 2 * (FRAMES - 1)
    curve.update()
    if baked:
        clips.bake(obj)
    whole = blended(in_world(obj, records))
    between = [(a + b) / 2 for a, b in pairwise(whole)]
    expected = [each for pair in zip(whole, [*between, None], strict=True) for each in pair][:-1]
    glb = Glb(export(str(tmp_path / "a.glb"), obj, frame_step=4).path)
    assert len(glb.primitives[0]["targets"]) == 3
    assert_same_surface(glb.frames()[1], expected)


def test_what_vanishes_is_said_where_a_format_cannot_hold_it(tmp_path):
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    records[3][1]["opacity"] = np.zeros(36, np.uint8)
    imported(records, target)
    gone = "What vanishes over life is still there in a .glb file: USD says what is gone"
    written = export(str(tmp_path / "a.glb"), obj)
    assert written.lost == (gone,)
    gltf_validator.assert_valid(Path(written.path))
    assert sentences(tmp_path, obj, "abc")[0] == (
        "Only colour lives on in an .abc file, and USD keeps the rest too: Opacity"
    )
    assert sentences(tmp_path, obj, "usdc") == (
        "The material over life is in the .usdc file as primvars, to be read where you open it: Opacity",
    )


def test_a_glb_of_what_glowed_is_not_for_ever_alight(tmp_path):
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    records[3][1]["emission"] = np.full(36, 200, np.uint8)
    imported(records, target)
    written = export(str(tmp_path / "a.glb"), obj)
    gltf_validator.assert_valid(Path(written.path))
    (surface,) = Glb(written.path).json["materials"]
    assert not any(surface.get("emissiveFactor", (0, 0, 0)))
    assert sentences(tmp_path, obj, "usdc") == (
        "The material over life is in the .usdc file as primvars, to be read where you open it: Albedo, Emission, "
        "Roughness",
    )


# --- What goes for all of them


@pytest.mark.parametrize("ending", FORMATS)
def test_the_scene_is_afterwards_as_it_was(tmp_path, ending):
    obj, _ = placed_clip(colour=True)
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    scene.frame_start, scene.frame_end = 3, 77
    scene.frame_set(20)

    def state():
        selected = sorted(each.name for each in view_layer.objects.selected)
        return scene.frame_start, scene.frame_end, scene.frame_current, selected, view_layer.objects.active.name

    before = state(), samples.blocks()
    export(str(tmp_path / f"a.{ending}"), obj)
    assert (state(), samples.blocks()) == before


def test_a_path_beside_the_blend_is_written_beside_the_blend(tmp_path, monkeypatch):
    obj, _ = placed_clip()
    assert refusal("//a.glb", obj) == (
        "//a.glb is beside a .blend that was never saved: save it first, or choose a folder"
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    for ending in FORMATS:
        assert export(f"//a.{ending}", obj).path == str(tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").stat().st_size


@pytest.mark.parametrize("renamed", [1, FRAMES])
def test_keys_that_the_artist_renamed_are_all_written_and_that_is_said(tmp_path, renamed):
    obj, records = placed_clip()
    for key in obj.data.shape_keys.key_blocks[1 : 1 + renamed]:
        key.name = f"Mine {key.name}"
    before = samples.blocks()
    written = export(str(tmp_path / "a.glb"), obj, frame_step=2)
    assert written.lost == (
        '"Prism" has not just the shape keys that Anthesis gave it, so the frame step was passed over',
    )
    assert samples.blocks() == before
    assert_same_surface(Glb(written.path).frames()[1], in_world(obj, records))


@pytest.mark.parametrize("step", ["keys.remove", "keys.silence", "curves.write", "live.forget"])
def test_a_failure_while_keys_are_thinned_leaves_the_file_as_it_was(tmp_path, monkeypatch, step):
    obj, _ = placed_clip(colour=True)
    before = samples.blocks()

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(f"blender_addon.scene.{step}", fails)
    with pytest.raises(MemoryError):
        export(str(tmp_path / "a.glb"), obj, frame_step=2)
    assert samples.blocks() == before


def sentences(tmp_path, obj, ending, **options):
    return export(str(tmp_path / f"a.{ending}"), obj, **options).lost


def test_what_a_format_cannot_hold_is_said(tmp_path):
    obj, _ = placed_clip(colour=True)
    obj.modifiers.new("Bevel", "BEVEL")
    for ending in ("glb", "fbx"):
        assert sentences(tmp_path, obj, ending) == (
            f"Colour over life is not in a .{ending} file, only the colour at the start: Alembic and USD keep it",
            'The modifiers of "Prism" are not in the file, because shape keys go without them: Bevel',
        )
    assert sentences(tmp_path, obj, "abc") == (
        "Only colour lives on in an .abc file, and USD keeps the rest too: Roughness",
        "An .abc file holds no materials: give it one that shows its colour attribute",
    )
    assert sentences(tmp_path, obj, "usdc") == (
        "The material over life is in the .usdc file as primvars, to be read where you open it: Albedo, Roughness",
    )
    assert sentences(tmp_path, obj, "abc", frame_step=2)[-1] == (
        "An .abc file holds every frame: the frame step is for .glb and .fbx"
    )


def test_where_nothing_is_lost_nothing_is_said(tmp_path):
    obj, _ = placed_clip()
    for ending in ("glb", "fbx", "usdc"):
        assert sentences(tmp_path, obj, ending) == ()


def test_a_heavy_gltf_is_said_to_be_heavy(tmp_path, monkeypatch):
    monkeypatch.setattr("blender_addon.export.HEAVY", 12 * FRAMES - 1)
    obj, _ = placed_clip()
    assert sentences(tmp_path, obj, "glb") == (
        "This .glb is heavy: take a frame step of 2 or more, or Alembic or USD, which play it as it is",
    )
    assert sentences(tmp_path, obj, "glb", frame_step=2) == ()


def test_of_a_python_exporters_failure_only_the_last_words_are_told(tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError(
            "Error: Python: Traceback (most recent call last):\n  File x\nOSError: disk full\nLocation: y\n"
        )

    monkeypatch.setitem(exporting._WRITERS, ".fbx", fails)
    obj, _ = placed_clip()
    assert refusal(tmp_path / "a.fbx", obj) == f"Blender could not write {tmp_path / 'a.fbx'}: OSError: disk full"


def refusal(path, obj):
    with pytest.raises(CannotExport) as caught:
        export(str(path), obj)
    return str(caught.value)


def test_what_cannot_be_exported_is_refused(tmp_path):
    obj, _ = placed_clip()
    assert refusal(tmp_path / "a.obj", obj) == (
        '"a.obj" has no ending that can be exported: use .glb, .fbx, .abc, .usdc'
    )
    assert refusal(tmp_path / "a.glb", None) == "Nothing to export: select a mesh that Anthesis made or animated"
    assert refusal(tmp_path / "no" / "a.glb", obj) == (
        f"There is no folder {tmp_path / 'no'}: create it or choose another one"
    )
    obj.hide_set(True)
    assert refusal(tmp_path / "a.glb", obj) == '"Prism" is hidden: show it (Alt H) before exporting'
    obj.hide_set(False)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    assert refusal(tmp_path / "a.glb", obj) == "Go back to Object Mode before exporting"


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_cannot_be_written_is_an_error_in_words(tmp_path, ending):
    obj, _ = placed_clip()
    (tmp_path / f"a.{ending}").mkdir()
    assert refusal(tmp_path / f"a.{ending}", obj).startswith("Blender could not write ")


def test_an_old_file_that_was_not_written_over_is_not_taken_for_a_new_one(tmp_path, monkeypatch):
    obj, _ = placed_clip()
    path = tmp_path / "a.abc"
    path.write_bytes(b"old")
    monkeypatch.setitem(exporting._WRITERS, ".abc", lambda *_: None)  # as Alembic does on a full disk
    assert refusal(path, obj) == f"Blender could not write {path}: check that the folder can be written to"
