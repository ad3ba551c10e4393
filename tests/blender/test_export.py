"""Files read back: every frame of a clip is in them, compared with what was sent."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.export import export  # noqa: E402
from blender_addon.scene import clips, curves  # noqa: E402
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
from tests.blender.exports import FORMATS, blended, in_world, placed_clip, sentences  # noqa: E402

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
