"""The specimen on an object, and the object grown anew from it."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import SECONDS, key_positions, needs_backend  # noqa: E402
from tests.blender.ordering import REQUEST, ROSE, adopt, bouquet, grown, know, wish  # noqa: E402


def test_a_specimens_sliders_are_the_protocols_and_become_its_record_again(addon):
    from tests.blender.test_panel import assert_made_from

    specimen = bpy.data.objects.new("Any", None).anthesis_specimen
    assert not specimen.there and specimen.to_record() is None
    for name, kind in protocol.SPECIES.items():
        assert_made_from(getattr(specimen, name), kind, {"colour"})
        specimen.show(kind(colour=(0.1, 0.2, 0.3), height=0.07), 5)
        assert specimen.to_record() == kind(colour=(0.1, 0.2, 0.3), height=0.07)
        assert specimen.parameters.bl_rna.properties["colour"].subtype == "COLOR"


def single(script, orders, records=None):
    """An object grown from a prompt, in the file."""
    know(script)
    order = orders.place(wish(), (1, 2, 3))
    script.give(adopt(script, order.jobs[0], records or grown(colour=True)))
    (obj,) = (obj for obj in bpy.data.objects if obj.type == "MESH")
    return obj


def regrow(script, obj, records, count=None):
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.anthesis.regrow() == {"FINISHED"}
    job = adopt(script, list(script.session.jobs)[-1], records)
    script.give(job, count)
    return job


def bigger(seed=5):
    """A clip of another mesh, with more frames."""
    made = samples.grid()
    record, arrays, _ = samples.subject_of(made)
    records = samples.clip(record, arrays, frames=6, colour=True, seed=seed)
    bpy.data.meshes.remove(made.data)
    return records, [protocol.pack(each, values) for each, values in records]


def test_an_object_is_grown_anew_in_its_place(script, orders):
    obj = single(script, orders)
    parent, uid = bpy.data.objects.new("Parent", None), obj.session_uid
    bpy.context.scene.collection.objects.link(parent)
    obj.name, obj.parent, obj.location, obj.scale = "Mine", parent, (4, 5, 6), (2, 2, 2)
    obj.constraints.new("LIMIT_SCALE")
    obj.modifiers.new("Twist", "SIMPLE_DEFORM").show_viewport = False
    former, shader = obj.data.name, samples_shader(obj)
    shader.inputs["Coat Weight"].default_value = 0.75
    collections = list(obj.users_collection)
    obj.anthesis_specimen.rose.petals, obj.anthesis_specimen.seed = 33, 99
    records, packed = bigger()
    job = regrow(script, obj, packed)
    assert job.request == msgspec.structs.replace(
        REQUEST, specimen=msgspec.structs.replace(ROSE, petals=33), seed=99, count=1
    )
    assert [each.name for each in bpy.data.objects if each.type == "MESH"] == ["Mine"]
    assert (obj.session_uid, obj.parent, tuple(obj.location)) == (uid, parent, (4, 5, 6))
    assert [each.type for each in obj.constraints] == ["LIMIT_SCALE"] and "Twist" in obj.modifiers
    assert list(obj.users_collection) == collections
    assert samples_shader(obj).inputs["Coat Weight"].default_value == 0.75 and len(obj.material_slots) == 1
    assert obj.data.name == former and len(bpy.data.meshes) == 1
    wanted = np.stack([arrays["positions"] for arrays in samples.frames_of(records)])
    np.testing.assert_array_equal(key_positions(obj), wanted)
    for frame in (1, 3, 6):
        bpy.context.scene.frame_set(frame)
        np.testing.assert_allclose(samples.positions(samples.evaluated(obj).data), wanted[frame - 1], atol=1e-5)
        corners = samples.corner_vertices(obj.data)
        seen = samples.colours(samples.evaluated(obj).data)
        assert (seen == samples.frames_of(records)[frame - 1]["albedo"][corners]).all()
    assert obj.anthesis_specimen.rose.petals == 33


def samples_shader(obj):
    return next(node for node in obj.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def test_an_object_that_is_grown_anew_keeps_the_curve_of_its_life(script, orders):
    from blender_addon.scene import curves, live

    obj = single(script, orders)
    curve = curves.find(obj, live.path_of("Life"))
    curve.keyframe_points[1].co.x = 20
    obj["Amount"] = 0.5
    regrow(script, obj, grown(seed=9, colour=True))
    assert curves.find(obj, live.path_of("Life")).range()[1] == 20 and obj["Amount"] == 0.5
    assert live.leads(obj)


@pytest.mark.parametrize("count", [1, 2])
def test_growing_anew_that_ends_early_leaves_the_object_as_it_was(script, orders, count):
    obj = single(script, orders)
    bpy.context.scene.frame_set(3)
    shown, colours = samples.shown(obj), samples.colours(samples.evaluated(obj).data)
    before = samples.blocks()
    job = regrow(script, obj, bigger()[1], count)
    job.state = "cancelled"
    script.give(job, 0)
    bpy.context.view_layer.update()
    np.testing.assert_array_equal(samples.shown(obj), shown)
    assert (samples.colours(samples.evaluated(obj).data) == colours).all()
    assert samples.blocks() == before


def test_an_object_that_is_grown_anew_twice_at_once_becomes_what_was_asked_last(script, orders):
    obj = single(script, orders)
    first = regrow(script, obj, bigger(1)[1], 3)
    last = regrow(script, obj, grown(seed=12))
    assert first.id not in script.session.jobs and last.id in script.pump.arrivals.objects
    assert len(obj.data.vertices) == 12 and len(bpy.data.objects) == len(bpy.data.meshes) == 1


def test_one_of_a_bouquet_that_is_grown_anew_leaves_the_others_alone(script, orders):
    from blender_addon.scene import clips

    bouquet(script, orders, count=3, variations=1)
    first = next(obj for obj in bpy.data.objects if clips.leads(obj))
    shared = first.data
    regrow(script, first, bigger()[1])
    assert first.data != shared and shared.users == 2
    assert len(bpy.data.objects) == 3 and clips.leads(first)


def test_an_object_that_is_gone_is_grown_anew_as_a_new_one(script, orders):
    obj = single(script, orders)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.anthesis.regrow()
    bpy.data.objects.remove(obj)
    job = adopt(script, list(script.session.jobs)[-1], bigger()[1])
    script.give(job)
    assert len(bpy.data.objects) == 1
    assert any("not there any more" in note for note in script.pump.arrivals.notes[job.id])


def test_a_saved_object_can_be_grown_anew(script, orders, tmp_path):
    obj = single(script, orders)
    obj.anthesis_specimen.rose.leaves = 4
    name = obj.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    obj = bpy.data.objects[name]
    job = regrow(script, obj, bigger()[1])
    assert job.request.specimen.leaves == 4 and job.request.seed == REQUEST.seed
    assert len(obj.data.vertices) == 36


def test_what_was_not_grown_from_words_cannot_be_grown_anew(script, orders):
    from blender_addon.scene import provenance

    obj = single(script, orders)
    facts = provenance.read(obj)
    facts["request"]["specimen"]["wings"] = 2
    provenance.write(obj, facts.pop("made_by"), facts)
    bpy.context.view_layer.objects.active = obj
    with pytest.raises(RuntimeError, match="another version of Anthesis"):
        bpy.ops.anthesis.regrow()
    bpy.context.view_layer.objects.active = samples.prism()
    assert not bpy.ops.anthesis.regrow.poll()


@pytest.mark.once
@needs_backend
def test_a_bouquet_from_a_real_backend_and_one_of_it_grown_anew(addon):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt, settings.frames, settings.variations = "four mushrooms growing", 3, 2
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}
    assert len(bpy.data.objects) == 4 and len(bpy.data.meshes) == 2
    obj = bpy.data.objects[0]
    before = key_positions(obj)
    bpy.context.view_layer.objects.active = obj
    obj.anthesis_specimen.mushroom.height *= 2
    assert bpy.ops.anthesis.regrow(wait=True, timeout=SECONDS) == {"FINISHED"}
    tall = key_positions(obj)
    assert tall[-1, :, 2].max() == pytest.approx(2 * before[-1, :, 2].max(), rel=0.05)
