"""From records to keyframed shape keys: every frame is shown as it was sent, on anything an artist might select."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import curves, keys, provenance, reading, writing  # noqa: E402
from blender_addon.scene.bouquet import Site  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.plays import (  # noqa: E402
    assert_plays,
    base_colour_source,
    key_names,
    mirrored_monkey,
    plain_grid,
    playing,
    smiling_grid,
    turned_prism,
)
from tests.blender.samples import clip, frames_of, imported, subject_of  # noqa: E402


def weights(obj, frame):
    """Values of our shape keys at a scene frame."""
    bpy.context.scene.frame_set(int(frame // 1), subframe=frame % 1)
    return np.array([obj.data.shape_keys.key_blocks[name].value for name in keys.ours(obj)])


# --- Every frame, on everything


def child_of_a_scaled_parent():
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    samples.place(parent, scale=(1, 3, 1), rotation=(0, 0, 0.5))
    obj = samples.prism()
    obj.parent = parent
    samples.place(obj, rotation=(0.5, 0, 0), location=(1, 1, 1))
    return obj


def odd_mesh():
    vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, 0), (9, 9, 9)]
    return samples.add("Odd", vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4], [5, 2, 3]])


SUBJECTS = [plain_grid, turned_prism, mirrored_monkey, child_of_a_scaled_parent, smiling_grid, odd_mesh]


@pytest.mark.parametrize("make", SUBJECTS)
def test_an_animated_mesh_shows_every_frame_as_it_was_sent(make):
    obj = make()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    result, same = imported(records, target)
    assert same == obj and result.object_name == obj.name
    assert_plays(obj, records)


@pytest.mark.parametrize("make", SUBJECTS)
def test_a_generated_mesh_shows_every_frame_as_it_was_sent(make):
    record, arrays, _ = subject_of(make())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    records = clip(record, arrays)
    _, obj = imported(records)
    assert_plays(obj, records)


def test_one_frame_is_a_clip_too():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, frames=1)
    imported(records, target)
    bpy.context.scene.frame_set(40)
    np.testing.assert_allclose(samples.shown(obj), records[1][1]["positions"], atol=1e-5)


def test_without_frames_the_generated_mesh_stands_still():
    record, arrays, _ = subject_of(samples.prism())
    _, obj = imported(clip(record, arrays, frames=1)[:1])
    assert obj.data.shape_keys is None
    assert provenance.read(obj)["frames"] == 0


def test_missing_frames_are_blended_over():
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    del records[3:5]  # frames 3 and 4
    _, obj = imported(records, target)
    frames = frames_of(records)
    bpy.context.scene.frame_set(3)
    between = (2 * frames[1]["positions"].astype(float) + frames[2]["positions"]) / 3
    np.testing.assert_allclose(samples.shown(obj), between, atol=1e-5)
    bpy.context.scene.frame_set(5)
    np.testing.assert_allclose(samples.shown(obj), frames[2]["positions"], atol=1e-5)
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == frames[2]["albedo"][samples.corner_vertices(seen)]).all()


# --- Between the frames, and beyond them


def test_halfway_between_two_frames_each_has_half_the_weight():
    record, arrays, target = subject_of(samples.grid())
    _, obj = imported(clip(record, arrays), target)
    for k in range(1, samples.FRAMES):
        expected = np.zeros(samples.FRAMES)
        expected[[k - 1, k]] = 0.5
        np.testing.assert_allclose(weights(obj, k + 0.5), expected, atol=1e-6)
        np.testing.assert_allclose(weights(obj, k + 0.5), (weights(obj, k) + weights(obj, k + 1)) / 2, atol=1e-6)


@pytest.mark.parametrize(("frame", "key"), [(-20, 0), (0, 0), (0.5, 0), (7.5, -1), (8, -1), (300, -1)])
def test_before_and_after_the_clip_its_ends_hold(frame, key):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    _, obj = imported(records, target)
    bpy.context.scene.frame_set(int(np.floor(frame)), subframe=frame % 1)
    np.testing.assert_allclose(samples.shown(obj), frames_of(records)[key]["positions"], atol=1e-5)


def test_after_the_import_the_viewport_already_shows_the_current_frame():
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    bpy.context.scene.frame_set(3)
    _, obj = imported(records, target)
    bpy.context.view_layer.update()
    values = [key.value for key in obj.data.shape_keys.key_blocks[1:]]
    np.testing.assert_allclose(values, [0, 0, 1, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(samples.shown(obj), frames_of(records)[2]["positions"], atol=1e-5)


def test_while_frames_come_in_the_newest_is_shown():
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    for whose in (target, None):
        running = writing.Import("a test", {}, whose)
        for number, (record, arrays) in enumerate(records[:-1]):
            running.apply(record, arrays)
            running.show()
            if number >= 2:
                obj = bpy.data.objects[running.object_name]
                np.testing.assert_allclose(samples.shown(obj), arrays["positions"], atol=1e-5)
    assert (samples.colours(obj.data) == arrays["albedo"][samples.corner_vertices(obj.data)]).all()


def test_the_clip_starts_where_the_scene_starts():
    bpy.context.scene.frame_start = 101
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    _, obj = imported(records, target)
    assert_plays(obj, records, first=101)
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == records[-2][1]["albedo"][samples.corner_vertices(seen)]).all()


# --- The artist's own things


def test_shape_keys_of_the_artist_stay():
    obj = smiling_grid()
    smile = obj.data.shape_keys.key_blocks["Smile"]
    before = np.array([tuple(point.co) for point in smile.points])
    obj.active_shape_key_index = 1
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    imported(records, target)
    assert key_names(obj) == ["Basis", "Smile", *(f"Anthesis {n:03d}" for n in range(1, 8))]
    assert obj.active_shape_key_index == 0
    after = np.array([tuple(point.co) for point in obj.data.shape_keys.key_blocks["Smile"].points])
    np.testing.assert_array_equal(after, before)


def test_curves_of_the_artist_stay_and_a_shared_action_is_not_written_to():
    obj, other = smiling_grid(), samples.prism()
    smile = obj.data.shape_keys.key_blocks["Smile"]
    smile.value = 0.25
    smile.keyframe_insert("value", frame=1)
    smile.value = 0
    obj.keyframe_insert("location", frame=1)
    action = other.animation_data_create().action = obj.animation_data.action
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    mine = obj.animation_data.action
    assert mine != action and other.animation_data.action == action
    driven, paths = playing(obj)
    assert paths == ["location"] * 3 + ['["Life"]'] and len(driven) == samples.FRAMES
    bpy.context.scene.frame_set(1)
    assert smile.value == 0.25
    assert [curve.data_path for curve in curves.there(obj.data.shape_keys)] == ['key_blocks["Smile"].value']


def test_an_action_that_only_a_fake_user_keeps_is_written_to():
    obj = samples.grid()
    obj.keyframe_insert("location", frame=1)
    action = obj.animation_data.action
    action.use_fake_user = True
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    assert obj.animation_data.action == action and len(bpy.data.actions) == 1


def test_a_shared_mesh_becomes_the_objects_own():
    obj = samples.grid()
    twin = bpy.data.objects.new("Twin", obj.data)
    bpy.context.scene.collection.objects.link(twin)
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    result, _ = imported(records, target)
    assert result.notes[0] == '"Grid" shared its mesh with other objects and now has its own'
    assert twin.data != obj.data and twin.data.shape_keys is None
    assert_plays(obj, records)


def test_moving_and_renaming_in_between_is_fine():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    obj.name = "Renamed"
    obj.location = (1, 2, 3)
    result, same = imported(records, target)
    assert same == obj and result.object_name == "Renamed"
    assert_plays(obj, records)


def test_a_result_finds_its_object_in_a_file_that_was_opened_again(tmp_path):
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    samples.grid()  # an object of this session with the id that the target had in the last one
    target = replace(target, uid=bpy.data.objects["Grid"].session_uid)
    _, same = imported(records, target)
    assert same.name == "Prism" and len(bpy.data.objects) == 2
    assert_plays(same, records)


# --- The scene


def test_an_untouched_scene_plays_just_the_clip():
    record, arrays, target = subject_of(samples.grid())
    result, _ = imported(clip(record, arrays), target)
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, samples.FRAMES)
    assert result.notes == ["The scene now plays frames 1 to 7"]


def test_a_scene_that_was_set_up_keeps_its_range_unless_the_clip_is_longer():
    scene = bpy.context.scene
    record, arrays, target = subject_of(samples.grid())
    scene.frame_end = 100
    result, _ = imported(clip(record, arrays), target)
    assert scene.frame_end == 100 and result.notes == []
    scene.frame_end = 5
    result, _ = imported(clip(record, arrays), target)
    assert scene.frame_end == samples.FRAMES and result.notes == ["The scene now plays frames 1 to 7"]


def test_a_scene_with_other_animation_keeps_the_default_range():
    other = samples.prism()
    other.keyframe_insert("location", frame=1)
    record, arrays, target = subject_of(samples.grid())
    imported(clip(record, arrays), target)
    assert bpy.context.scene.frame_end == 250


def test_another_frame_rate_is_said_and_left():
    bpy.context.scene.render.fps = 60
    record, arrays, target = subject_of(samples.grid())
    result, _ = imported(clip(record, arrays), target)
    assert bpy.context.scene.render.fps == 60
    assert result.notes[-1] == ("Made for 24 frames a second, and the scene plays 60: life passes 2.5 times as fast")


# --- A new object


def test_a_new_object_is_the_subject_where_it_was_asked_for():
    source = turned_prism()
    source.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2, 1.0)[0])
    record, arrays, _ = subject_of(source)
    collection = bpy.data.collections.new("Garden")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Garden"]
    _, obj = imported(clip(record, arrays), site=Site((1, 2, 3)))
    mesh = obj.data
    assert tuple(obj.location) == (1, 2, 3) and list(collection.objects) == [obj]
    assert obj.select_get() and bpy.context.view_layer.objects.active == obj and not source.select_get()
    assert samples.corner_vertices(mesh).tolist() == arrays["corners"].tolist()
    assert [polygon.loop_total for polygon in mesh.polygons] == arrays["sizes"].tolist()
    assert [layer.name for layer in mesh.uv_layers] == ["UVMap"]
    uv = np.empty((len(mesh.loops), 2), np.float32)
    mesh.uv_layers[0].uv.foreach_get("vector", uv.ravel())
    np.testing.assert_array_equal(uv, arrays["uv"])
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert not mesh.validate()  # true where it had to mend something
    assert mesh.color_attributes.active_color.name == "Albedo"
    assert (samples.colours(mesh) == (255, 0, 0)).all()
    shader = obj.material_slots[0].material.node_tree.nodes["Principled BSDF"]
    assert base_colour_source(obj.material_slots[0].material) == "Albedo"
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.2)
    assert shader.inputs["Metallic"].default_value == 1


def test_a_collection_of_another_file_does_not_stop_the_result(tmp_path):
    path, collection = str(tmp_path / "library.blend"), bpy.data.collections.new("Theirs")
    bpy.data.libraries.write(path, {collection})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = ["Theirs"]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    view_layer = bpy.context.view_layer
    view_layer.active_layer_collection = view_layer.layer_collection.children["Theirs"]
    record, arrays, _ = subject_of(samples.grid())
    _, obj = imported(clip(record, arrays))
    assert obj.visible_get() and list(obj.users_collection) == [bpy.context.scene.collection]


def test_roughness_that_changes_reaches_the_material_of_a_new_object():
    source = samples.grid()
    source.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, _ = subject_of(source)
    _, obj = imported(clip(record, arrays, colour=True))
    shader = obj.material_slots[0].material.node_tree.nodes["Principled BSDF"]
    assert shader.inputs["Roughness"].links[0].from_node.attribute_name == "Roughness"


# --- Provenance


def test_an_object_says_what_made_it(tmp_path):
    record, arrays, target = subject_of(samples.grid())
    imported(clip(record, arrays), target)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    facts = provenance.read(bpy.data.objects["Grid"])
    assert facts["made_by"] == samples.MADE_BY
    assert (facts["title"], facts["frames"], facts["first_frame"], facts["last_frame"]) == ("a test", 7, 1, 7)
    assert facts["measured"] == [["Volume drift", 0.5, "%"]]


def test_an_object_says_which_backend_and_which_groups_made_it():
    obj = samples.grid()
    for name in ("Root", "Soft"):
        obj.vertex_groups.new(name=name).add([0, 1], 0.5, "REPLACE")
    record, arrays, target = subject_of(obj, pin_group="Root", weight_group="Soft")
    imported(clip(msgspec.structs.replace(record, version="7.8.9"), arrays), target)
    made_by = provenance.read(obj)["made_by"]
    assert made_by == samples.MADE_BY | {"version": "7.8.9", "pin_group": "Root", "weight_group": "Soft"}
    assert samples.MADE_BY["version"] != "7.8.9"  # what was handed in is left as it is


def test_words_of_the_prompt_that_were_not_understood_are_said():
    record, arrays, _ = subject_of(samples.grid())
    result, _ = imported(clip(msgspec.structs.replace(record, passed_over=("on", "table")), arrays))
    assert result.notes[0] == 'Words that were not understood and change nothing: "on", "table"'


STILL = "It hardly moved: raise the amount, subdivide the mesh, or look at its pin and weight groups"


@pytest.mark.parametrize(("kind", "moved", "said"), [("animate", 9e-4, 1), ("animate", 2e-3, 0), ("generate", 0.0, 0)])
def test_a_process_that_moved_next_to_nothing_says_so(kind, moved, said):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    records[-1] = protocol.Certificate(measured=((protocol.Certificate.DISPLACEMENT, moved, "of the size"),)), {}
    result = samples.import_now("a test", {"kind": kind}, target, records)
    assert result.notes.count(STILL) == said


@pytest.mark.parametrize("value", ["not JSON", "[1]", "{}", 3])
def test_a_property_that_is_not_ours_says_nothing(value):
    obj = samples.grid()
    obj["anthesis"] = value
    assert provenance.read(obj) is None


def test_reading_an_animated_mesh_again_gives_its_rest_shape():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    bpy.context.scene.frame_set(4)
    again, second = reading.read_subject(obj)
    np.testing.assert_array_equal(protocol.unpack(again)[1]["vertices"], arrays["vertices"])
    assert second.notes == () and second.fingerprint == target.fingerprint
