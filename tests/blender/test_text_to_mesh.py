"""Meshes from words: the textured object that one becomes, its life, and what can be done with it afterwards."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon import job_list  # noqa: E402
from blender_addon.scene import clips, marks, provenance, sway  # noqa: E402
from tests.blender import samples, wording  # noqa: E402
from tests.blender.drawing import Layout, drawing_context, drawn  # noqa: E402
from tests.blender.picturing import records_of  # noqa: E402
from tests.blender.plays import key_names  # noqa: E402
from tests.blender.wording import MESH, a_living_mesh, a_mesh, a_mushroom, pixels_of, views_of  # noqa: E402


def made(script, records, given=None, request=MESH):
    job = script.job(request, wording.packed(records), title="a red mushroom")
    script.give(job, given)
    return job


def nodes(obj, kind="TEX_IMAGE"):
    return [node for node in obj.active_material.node_tree.nodes if node.type == kind]


def feeds(obj, socket):
    """What feeds a socket of the Principled shader; None where that is a number."""
    (shader,) = nodes(obj, "BSDF_PRINCIPLED")
    return next((link.from_node for link in shader.inputs[socket].links), None)


def assert_shows(obj, arrays, name="texture"):
    """Every corner looks its own texel up."""
    node = feeds(obj, "Base Color" if name == "texture" else "Roughness")
    seen, uv = pixels_of(node.image), np.array([each.vector for each in obj.data.uv_layers.active.uv])
    height, width = seen.shape[:2]
    found = seen[height - 1 - (uv[:, 1] * height).astype(int), (uv[:, 0] * width).astype(int)]
    column, row = (arrays["uv"] * width).astype(int).T
    wanted = arrays[name][height - 1 - row, column]
    np.testing.assert_array_equal(found, wanted if wanted.ndim == 2 else np.repeat(wanted[:, None], 3, axis=1))


# --- What it becomes


def test_a_still_mesh_is_an_object_at_the_cursor_that_shows_its_texture(script):
    bpy.context.scene.cursor.location = (1, 2, 3)
    job = made(script, a_mesh())
    obj, arrays = bpy.context.object, a_mushroom()[1]
    assert (obj.name, tuple(obj.location), obj.select_get()) == ("red mushroom", (1, 2, 3), True)
    np.testing.assert_allclose(samples.positions(obj.data), arrays["vertices"])
    assert obj.data.shape_keys is None and not obj.modifiers and not obj.data.color_attributes
    assert_shows(obj, arrays)
    image = feeds(obj, "Base Color").image
    assert (image.name, image.colorspace_settings.name) == ("red mushroom Texture", "sRGB")
    assert image.packed_file is not None and tuple(image.size) == (16, 16)
    (shader,) = nodes(obj, "BSDF_PRINCIPLED")
    assert feeds(obj, "Roughness") is None
    assert [shader.inputs[name].default_value for name in ("Roughness", "Metallic")] == pytest.approx([0.2, 0])
    assert script.pump.arrivals.notes[job.id] == ['Imported as "red mushroom"']
    facts = provenance.read(obj)
    assert (facts["made_by"]["kind"], facts["made_by"]["seed"], facts["frames"]) == ("text_to_mesh", "3", 0)
    assert not marks.owner_of(obj) and clips.frames(obj) == 0


def test_its_roughness_is_a_second_texture_where_there_is_one(script):
    made(script, a_mesh(rough=True))
    obj, arrays = bpy.context.object, a_mushroom(rough=True)[1]
    assert_shows(obj, arrays)
    assert_shows(obj, arrays, "texture_roughness")
    assert feeds(obj, "Roughness").image.colorspace_settings.name == "Non-Color"
    (shader,) = nodes(obj, "BSDF_PRINCIPLED")
    mean = arrays["texture_roughness"].mean() / 255
    assert shader.inputs["Roughness"].default_value == pytest.approx(mean, abs=1e-3)


def test_it_is_saved_with_all_that_it_shows(script, tmp_path):
    made(script, a_mesh(rough=True))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    obj, arrays = bpy.data.objects["red mushroom"], a_mushroom(rough=True)[1]
    assert_shows(obj, arrays)
    assert_shows(obj, arrays, "texture_roughness")


def test_while_it_is_made_the_views_of_its_seed_show_what_it_is_coming_to(script):
    views = script.job(wording.VIEWS, wording.packed([views_of(8), (protocol.Certificate(), {})]))
    script.give(views)
    (image,) = bpy.data.images
    job = made(script, a_mesh(views=(2, 6)), given=2)
    assert list(bpy.data.images) == [image] and script.pump.arrivals.reached[job.id] == 6
    np.testing.assert_array_equal(pixels_of(image)[::32, ::32], np.concatenate(list(views_of(6)[1]["pixels"]), 1))
    assert not bpy.data.objects
    script.give(job)
    assert bpy.context.object.name == "red mushroom"


def test_a_second_one_has_names_of_its_own(script):
    for _ in range(2):
        made(script, a_mesh())
    first, second = bpy.data.objects
    assert (first.name, second.name) == ("red mushroom", "red mushroom.001")
    assert first.active_material != second.active_material
    assert feeds(first, "Base Color").image != feeds(second, "Base Color").image


def test_one_that_was_deleted_before_its_end_comes_again(script):
    job = made(script, a_mesh(views=()), given=1)
    bpy.data.objects.remove(bpy.context.object)
    script.give(job)
    obj = bpy.data.objects[script.pump.arrivals.objects[job.id]]
    assert_shows(obj, a_mushroom()[1])
    assert any("changed or deleted" in note for note in script.pump.arrivals.notes[job.id])


def test_an_undo_on_the_way_takes_nothing_from_it(script):
    bpy.ops.ed.undo_push(message="Before")
    job = made(script, a_mesh(views=()), given=1)
    assert bpy.data.objects
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert not bpy.data.objects
    script.pump.arrivals.expect_another_moment()
    script.give(job)
    assert_shows(bpy.data.objects[script.pump.arrivals.objects[job.id]], a_mushroom()[1])


def test_a_file_that_is_opened_while_it_is_made_keeps_what_had_come(script, tmp_path):
    job = made(script, a_mesh(), given=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    script.give(job)
    assert not bpy.data.objects and "Another file was opened" in script.pump.arrivals.notes[job.id][0]
    (image,) = bpy.data.images
    np.testing.assert_array_equal(pixels_of(image)[::32, ::32], np.concatenate(list(views_of(2)[1]["pixels"]), 1))
    script.pump.arrivals.again(job.id)
    script.give(job)
    assert_shows(bpy.data.objects["red mushroom"], a_mushroom()[1])


# --- Its life


def shown_colours(obj):
    """(V, 3) linear: how much the albedo has changed, at each vertex, as it is shown now."""
    found = samples.evaluated(obj).data.attributes["Anthesis Change"].data
    values = np.empty(4 * len(found), np.float32)
    found.foreach_get("color", values)
    return values.reshape(-1, 4)[:, :3]


def test_what_it_lives_through_acts_on_top_of_the_texture(script):
    records = a_living_mesh(frames=5)
    made(script, records)
    obj, arrays = bpy.context.object, a_mushroom()[1]
    mix = feeds(obj, "Base Color")
    assert (mix.label, mix.blend_type) == ("Anthesis Change", "MULTIPLY")
    assert {link.from_node.type for each in mix.inputs for link in each.links} == {"TEX_IMAGE", "ATTRIBUTE"}
    assert len(bpy.data.materials) == 1 and len(obj.material_slots) == 1
    image = next(iter(nodes(obj))).image
    np.testing.assert_array_equal(pixels_of(image), arrays["texture"])
    frames = samples.frames_of(records)
    for index, frame in enumerate(frames):
        bpy.context.scene.frame_set(1 + index)
        np.testing.assert_allclose(samples.positions(samples.evaluated(obj).data), frame["positions"], atol=1e-5)
        now, start = (protocol.srgb_to_linear(each["albedo"] / 255) for each in (frame, arrays))
        clear = start > 0.05  # a quotient of small bytes says little
        np.testing.assert_allclose(shown_colours(obj)[clear], (now / start.clip(1e-3))[clear], rtol=0.05, atol=0.01)
    assert clips.frames(obj) == 5


def test_processes_that_the_words_said_are_called_by_their_names(script):
    (record, arrays), *rest = samples.clip(*a_mushroom(frames=3), 3, processes=2)
    said = msgspec.structs.replace(record, process="grow, melt")
    request = protocol.TextToMesh(prompt="a red mushroom, growing, then melting", seed=3)
    made(script, [(said, arrays), *rest], request=request)
    obj = bpy.context.object
    assert {"Life", "Amount", "Grow", "Melt"} <= set(obj.keys())
    assert key_names(obj)[1:3] == ["Anthesis 001 Grow", "Anthesis 001 Melt"]
    assert provenance.read(obj)["made_by"]["process"] == "grow, melt"


def test_one_that_was_cancelled_in_its_life_is_whole_and_still(script):
    job = made(script, a_living_mesh(frames=5), given=4)  # one of its frames
    obj = bpy.context.object
    assert obj.data.shape_keys is not None
    job.state = "cancelled"
    script.pump.tick(1.0)
    script.pump.tick(1.0)
    assert obj.data.shape_keys is None and not job_list.shown(job, script.pump)["text"].startswith("Cancelled")
    np.testing.assert_allclose(samples.positions(obj.data), a_mushroom()[1]["vertices"])
    assert_shows(obj, a_mushroom()[1])
    assert '"red mushroom" is still: too little of its life came' in script.pump.arrivals.notes[job.id]
    assert provenance.read(obj)["frames"] == 0 and not clips.is_live(obj)


# --- Cancelled, and gone on with


def test_one_that_was_cancelled_can_be_gone_on_with_or_taken_as_it_is(script, monkeypatch):
    from blender_addon.panels import jobs as panel

    job = made(script, a_mesh(), given=2)
    job.state, job.records = "cancelled", 5
    script.pump.tick(1.0)
    row = job_list.shown(job, script.pump)
    assert row["text"] == "Cancelled. Make Mesh again goes on from step 6"
    assert (row["begun"], row["importable"]) == (True, False) and not bpy.data.objects
    script.pump.arrivals.reached.clear()  # as in a Blender that was started later
    assert job_list.shown(job, script.pump)["text"] == "Cancelled. Make Mesh again goes on where it stopped"
    job_list.refill(bpy.context.window_manager.anthesis, script.pump)
    here = type("Here", (), {"layout": Layout()})
    panel.ANTHESIS_PT_jobs.draw_selected(here, drawing_context(), bpy.context.window_manager.anthesis.jobs[0])
    assert here.layout.named("operator") == ["anthesis.take_as_it_is"]
    found = []
    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    monkeypatch.setattr(script.session, "submit", lambda *asked, **_: found.append(asked[:2]) or "f" * 32)
    assert bpy.ops.anthesis.take_as_it_is(job=job.id) == {"FINISHED"}
    assert found == [(msgspec.structs.replace(MESH, as_it_is=True), "a red mushroom (as It Is)")]
    again = made(script, a_mesh())  # Make Mesh, to the end
    assert again.state == "done" and again.request == job.request
    row = job_list.shown(job, script.pump)
    assert not row["begun"] and row["text"] == "Cancelled"


def test_what_was_never_begun_or_is_done_or_is_something_else_cannot_be_taken_as_it_is(script):
    job = made(script, a_mesh(), given=0)
    for state, records, request, begun in (
        ("cancelled", 0, MESH, False),
        ("running", 2, MESH, False),
        ("done", 4, MESH, False),
        ("failed", 2, MESH, True),
        ("cancelled", 2, wording.VIEWS, False),
        ("cancelled", 2, protocol.Generate(prompt="a rose"), False),
    ):
        job.state, job.records, job.request = state, records, request
        assert job_list.shown(job, script.pump)["begun"] == begun
    with pytest.raises(RuntimeError, match="makes no mesh from words"):
        bpy.ops.anthesis.take_as_it_is(job=job.id)


# --- What is asked for


def test_the_processes_are_those_of_the_prompt_or_of_animate_selected(addon):
    from blender_addon.panels import text_to_mesh as panels

    settings = bpy.context.scene.anthesis
    settings.text_to_mesh.prompt, settings.animate.stage.process = "a cup", "melt"
    assert settings.text_to_mesh.to_request(settings.animate).stages == ()
    assert "what the prompt says" in drawn(panels.ANTHESIS_PT_text_to_mesh_life).text
    settings.text_to_mesh.animate = True
    bpy.ops.anthesis.add_process(at_once=False)
    wanted = settings.animate.to_request().stages
    assert settings.text_to_mesh.to_request(settings.animate).stages == wanted and len(wanted) == 2
    assert drawn(panels.ANTHESIS_PT_text_to_mesh_life).text == "It lives through: melt, wilt"
    settings.animate.stages[1].process = "bloom"
    with pytest.raises(ValueError, match="nothing can come before it"):
        settings.text_to_mesh.to_request(settings.animate)


def test_the_panel_says_what_was_measured_of_one_that_is_still(script):
    from blender_addon.panels import text_to_mesh as panels

    made(script, a_mesh())
    shown = drawn(panels.ANTHESIS_PT_text_to_mesh)
    assert "red mushroom: Closed, 12 faces" in shown.text and "anthesis.show_certificate" in shown.named("operator")
    assert bpy.ops.anthesis.show_certificate() == {"FINISHED"}


# --- Afterwards


def test_it_can_be_animated_with_one_press(script, asked):
    made(script, a_mesh())
    obj, arrays = bpy.context.object, a_mushroom()[1]
    own = obj.active_material
    assert bpy.ops.anthesis.animate_selected() == {"FINISHED"}
    ((request, title, (record, sent)),) = asked
    assert isinstance(request, protocol.Animate) and title == "Wilt red mushroom"
    rough = np.full(len(sent["roughness"]), 51, np.uint8)
    np.testing.assert_array_equal(sent["roughness"], rough)
    corners_of = [np.flatnonzero(arrays["corners"] == vertex) for vertex in range(len(arrays["vertices"]))]
    column, row = (arrays["uv"] * 16).astype(int).T
    linear = protocol.srgb_to_linear(arrays["texture"][15 - row, column] / 255)
    mean = protocol.to_bytes(protocol.linear_to_srgb(np.array([linear[each].mean(axis=0) for each in corners_of])))
    np.testing.assert_allclose(sent["albedo"].astype(int), mean.astype(int), atol=1)
    _, _, target = samples.subject_of(obj)
    samples.imported(samples.clip(record, sent, frames=4, colour=True), target)
    assert key_names(obj) == ["Basis", *(f"Anthesis {n:03d}" for n in range(1, 5))]
    assert feeds(obj, "Base Color").label == "Anthesis Change" and obj.active_material != own
    assert own.node_tree.nodes["Principled BSDF"].inputs["Base Color"].links[0].from_node.type == "TEX_IMAGE"


def test_it_can_sway_with_one_press(script, asked):
    made(script, a_mesh())
    obj = bpy.context.object
    assert bpy.ops.anthesis.sway_selected() == {"FINISHED"}
    ((request, _, (record, sent)),) = asked
    assert isinstance(request, protocol.Sway)
    _, _, target = samples.subject_of(obj)
    job = script.job(request, records_of(record, sent)[0], target)
    script.give(job)
    assert sway.on(obj) is not None and obj.data.shape_keys is not None
    assert_shows(obj, a_mushroom()[1])
