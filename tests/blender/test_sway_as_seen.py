"""Meshes that sway as a picture of them does: what is asked for, and what becomes of it."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon.scene import looking, poking, sway, sway_bake  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.drawing import drawn  # noqa: E402
from tests.blender.picturing import SENTENCE, UNTRAINED, an_image, records_of  # noqa: E402
from tests.blender.swaying import LOOP, assert_shows, at, bends, breeze, edit, windy  # noqa: E402
from tests.blender.test_panel import assert_made_from  # noqa: E402

CAMERA = protocol.Camera(
    view=(1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, -5, 0, 0, 0, 1),
    projection=(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -0.2, 0, 0, -1, 0),
)


# --- What becomes of it


def seen(script, obj, given=None, **about):
    """The job, when its records have come, and its spectral volume."""
    record, arrays, target = samples.subject_of(obj)
    packed, coefficients = records_of(record, arrays, **about)
    job = script.job(protocol.SwayAsSeen(camera=CAMERA), packed, target)
    script.give(job, given)
    return job, arrays["vertices"], coefficients


def test_a_mesh_sways_by_the_amplitudes_that_were_seen_in_its_own_axes(script):
    obj = samples.grid()
    samples.place(obj, scale=(1, 3, 1), rotation=(0.2, 0, 0.5), location=(3, 0, -1))
    job, world, coefficients = seen(script, obj, said=("It was dark.", "And cold"))
    for frame in (1, 23, 1 + 3 * LOOP + 7):
        at(frame)
        assert_shows(obj, bends(coefficients, world, (frame - 1) / LOOP))
    assert script.pump.arrivals.notes[job.id] == [
        'Imported as "Grid"',
        "It was dark",
        "And cold",
        "Its vibration modes take up 75% of the motion that the picture shows",
        "The scene now plays one loop, frames 1 to 60",
    ]


def test_it_has_no_wind_and_all_else_that_a_sway_has(script):
    obj = samples.grid()
    _, world, coefficients = seen(script, obj)
    assert [name for name, _ in sway.properties(obj)] == ["Sway", "Amplitude"]
    assert not sway.in_wind(obj) and sway.direction(obj) is None and obj.anthesis_sway.direction == 0
    with pytest.raises(ValueError, match='"Grid" sways as a picture of it does: there is no wind to turn'):
        sway.turn(obj, 1.0)
    obj.anthesis_sway.direction = 1.0  # as a script may
    edit(obj, Amplitude=0.5)
    obj.anthesis_sway.speed = 0.5
    at(31)
    half = bends(coefficients / 2, world, 30 / (2 * LOOP))
    assert_shows(obj, half)
    poking.require(obj)
    poke = poking.Poke(obj)
    poke.hand.take(7)
    poke.hand.move(np.array([0.0, 0.0, 0.1]))
    poke.tick(obj, 0.02)
    bpy.context.view_layer.update()
    assert np.abs(samples.shown(obj) - half).max() > 0.01
    poke.end(keep=False)
    sway_bake.bake(obj)
    at(31)
    assert_shows(obj, half)
    sway.remove(obj)
    assert obj.data.shape_keys is None and not [*obj.data.keys()]


def test_a_seen_sway_takes_the_place_of_one_in_the_wind_and_back(script):
    obj = samples.grid()
    sway.put(obj, windy(obj, gusts=breeze()))
    at_rest = sway.rest(obj.data)
    _, _, coefficients = seen(script, obj)
    assert "Calm to Storm" not in obj
    at(9)
    assert_shows(obj, bends(coefficients, at_rest, 8 / LOOP))
    sway.put(obj, windy(obj, gusts=breeze()))
    assert sway.direction(obj) == 0 and sway.in_wind(obj)


@pytest.mark.parametrize("wrong", ["modes", "nan"])
def test_amplitudes_that_do_not_fit_are_refused(script, wrong):
    obj = samples.grid()
    record, arrays, target = samples.subject_of(obj)
    packed, _ = records_of(record, arrays)
    if wrong == "modes":
        del packed[3]
    else:
        seen, values = protocol.unpack(packed[4])
        packed[4] = protocol.pack(seen, {"amplitudes": np.full_like(values["amplitudes"], np.nan)})
    job = script.job(protocol.SwayAsSeen(camera=CAMERA), packed, target)
    script.give(job)
    assert script.pump.arrivals.notes[job.id] == ["The sway does not fit its modes"] and obj.data.shape_keys is None


# --- What is asked for


def test_the_mesh_its_picture_and_its_camera_are_asked_for(asked):
    obj = samples.grid()
    samples.place(obj, location=(0, 0, 1), rotation=(0, 0, 1))
    bpy.context.view_layer.objects.active = obj
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.matrix_world.translation = (0, 0, 9)
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    settings = scene.anthesis
    settings.seen.picture, settings.seen.steps = an_image(), 50
    settings.sway.bend, settings.sway.modes, settings.sway.frequencies = 0.3, 12, 5
    settings.sway.seed = 4
    assert bpy.ops.anthesis.sway_as_seen() == {"FINISHED"}
    ((request, title, (record, arrays)),) = asked
    look = looking.look(bpy.context, obj, settings.seen.picture)
    assert request == protocol.SwayAsSeen(camera=look.camera, steps=50, bend=0.3, modes=12, seed=4)
    assert title == "Sway Grid as Seen" and isinstance(record, protocol.Subject)
    np.testing.assert_array_equal(arrays["picture"], look.picture)
    np.testing.assert_array_equal(arrays["vertices"], samples.subject_of(obj)[1]["vertices"])


def test_a_folder_on_another_computer_stays_as_it_was_typed(addon, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settings, entry = bpy.context.scene.anthesis, bpy.context.preferences.addons["blender_addon"].preferences
    settings.seen.model = "//weights"
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    assert settings.seen.to_request(settings.sway, CAMERA).model == "//weights"
    entry.place = "LOCAL"
    assert settings.seen.to_request(settings.sway, CAMERA).model == str(tmp_path / "weights")


def test_where_there_is_no_view_that_is_answered_with_a_sentence_and_no_job(asked):
    assert not bpy.ops.anthesis.sway_as_seen.poll()
    bpy.context.view_layer.objects.active = samples.grid()
    with pytest.raises(RuntimeError, match="There is no 3D view to look from"):
        bpy.ops.anthesis.sway_as_seen()
    assert not asked


def test_the_button_is_grey_where_the_backend_lacks_libraries_or_a_model_that_is_not_named(asked, said):
    settings, button = bpy.context.scene.anthesis, bpy.ops.anthesis.sway_as_seen
    bpy.context.view_layer.objects.active = samples.grid()
    said()
    assert button.poll()
    said(no_model=f"{UNTRAINED}.")
    settings.picture.model = "/weights"  # of the other button
    assert not button.poll()
    settings.seen.model = "/weights"
    assert button.poll()
    said(lacking=f"{SENTENCE}.", no_model=f"{UNTRAINED}.")
    assert not button.poll()


def test_the_settings_are_those_of_the_request(addon):
    settings, own = bpy.context.scene.anthesis, {"steps", "model"}
    assert_made_from(settings.seen, protocol.SwayAsSeen, set(protocol.SwayAsSeen.__struct_fields__) - own)
    assert settings.seen.to_request(settings.sway, CAMERA) == protocol.SwayAsSeen(camera=CAMERA)
    changed = msgspec.structs.replace(protocol.SwayAsSeen(camera=CAMERA), pitch=2.0)
    settings.sway.direction, settings.sway.pitch = 0.5, 2.0
    assert settings.seen.to_request(settings.sway, CAMERA) == changed  # it is in no one wind


def test_the_panels_show_what_there_is_and_what_is_lacking(script, said):
    from blender_addon.panels import sway as panels

    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    said(no_model=f"{UNTRAINED}.")
    assert UNTRAINED in drawn(panels.ANTHESIS_PT_sway_seen).text
    bpy.context.scene.anthesis.seen.model = "/weights"
    assert UNTRAINED not in drawn(panels.ANTHESIS_PT_sway_seen).text
    said(lacking=f"{SENTENCE}.")
    assert drawn(panels.ANTHESIS_PT_sway).named("operator") == ["anthesis.sway_selected", "anthesis.sway_as_seen"]
    as_seen = drawn(panels.ANTHESIS_PT_sway_seen)
    assert as_seen.named("prop") == ["steps", "model"]  # and no wind
    assert "a Python of your own. Restart" in as_seen.text and "Press Install" not in as_seen.text
    seen(script, obj)
    assert drawn(panels.ANTHESIS_PT_sway).named("prop") == ['["Sway"]', '["Amplitude"]', "speed"]
    assert "anthesis.sway_as_seen" in drawn(panels.ANTHESIS_PT_sway_seen).named("operator")
    sway.put(obj, windy(obj))
    assert drawn(panels.ANTHESIS_PT_sway).named("prop")[-1] == "direction"
