"""Sway on an object: the loop is the spectral volume, and the sliders do what they say."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import wind  # noqa: E402
from backend.spectral import Loop  # noqa: E402
from blender_addon.scene import curves, sway  # noqa: E402
from blender_addon.scene.gusts import Gusts  # noqa: E402
from blender_addon.scene.sway import Sway  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.swaying import (  # noqa: E402
    BASE,
    BINS,
    LOOP,
    assert_shows,
    at,
    bends,
    breeze,
    coefficients_of,
    drivers,
    edit,
    swaying,
    volume_of,
    windy,
)

# --- The loop


@pytest.mark.parametrize("frame", [1, 2, 16.5, 31, 60, 61, 1 + 7 * LOOP + 5, 1 + 10000 * LOOP + 17, -100])
def test_the_sway_is_the_spectral_volume_at_any_time(frame):
    obj, given, at_rest = swaying()
    at(frame)
    assert_shows(obj, bends(coefficients_of(given), at_rest, (frame - 1) / LOOP))


def test_the_frame_after_the_last_is_the_first():
    obj, _, _ = swaying()
    for frame in (1, 2, 37):
        at(frame)
        first = samples.shown(obj)
        at(frame + LOOP)
        np.testing.assert_allclose(samples.shown(obj), first, atol=1e-6)


def test_there_are_two_keys_a_frequency_and_one_of_the_lean():
    obj, _, _ = swaying()
    assert [key.name for key in obj.data.shape_keys.key_blocks] == [
        "Basis",
        "Sway Lean",
        *(f"Sway {hertz} Hz {wave}" for hertz in ("0.4", "0.8", "1.2") for wave in ("cos", "sin")),
    ]


def test_a_loop_is_a_whole_number_of_frames_at_any_rate():
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.001
    obj = samples.grid()
    sway.put(obj, Sway(volume_of(obj), 0.7))
    assert sway.loop(obj) == (1, 43)  # of 42.81


@pytest.mark.parametrize("made", [None, lambda obj: windy(obj, gusts=breeze())])
def test_no_driver_needs_python(made):
    obj, _, _ = swaying(made)
    assert len(drivers(obj)) == 2 * BINS - 1
    assert all(driver.is_simple_expression and driver.is_valid for driver in drivers(obj))


def test_the_longest_expression_has_room_in_a_driver():
    gusts = Gusts(0.123456789, 23.45678912, 0.05, 340.2, 123.456789)
    obj = samples.grid()
    mix = windy(obj, bins=24).mix
    sway.put(obj, Sway(None, 0.05, mix, gusts, 0.0))
    assert max(len(driver.expression) for driver in drivers(obj)) < 255
    assert all(driver.is_simple_expression for driver in drivers(obj))
    for number, name in enumerate(sway.of(obj).keys):
        edit(obj, Calm_to_Storm=0.5)
        at(1)
        found = obj.data.shape_keys.key_blocks[name].value
        gain = gusts.gain(0.05 * ((number + 1) // 2), 0.5)
        size = max(1.0, 3 * gusts.gain(0.05 * ((number + 1) // 2), 1.0) / 10)
        assert found == pytest.approx(gain / size if number % 2 or not number else 0, rel=1e-4, abs=1e-6)


def test_the_sway_is_in_the_saved_file(tmp_path):
    obj, given, at_rest = swaying(lambda obj: windy(obj, gusts=breeze()))
    edit(obj, Amplitude=0.5)
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path, use_scripts=False)
    obj = bpy.data.objects["Grid"]
    at(20)
    assert_shows(obj, at_rest + 0.5 * (bends(coefficients_of(given), at_rest, 19 / LOOP) - at_rest))
    assert not bpy.app.autoexec_fail
    sway.turn(obj, np.pi / 2)
    assert sway.direction(obj) == pytest.approx(np.pi / 2)


# --- Sliders


def test_amplitude_scales_all_and_can_be_animated():
    obj, given, at_rest = swaying()
    for frame, value in ((1, 0.0), (21, 2.0)):
        obj["Amplitude"] = value
        obj.keyframe_insert('["Amplitude"]', frame=frame)
    curve = curves.find(obj, '["Amplitude"]')
    for point in curve.keyframe_points:
        point.interpolation = "LINEAR"
    for frame in (1, 11, 16):
        at(frame)
        moved = bends(coefficients_of(given), at_rest, (frame - 1) / LOOP) - at_rest
        assert_shows(obj, at_rest + (frame - 1) / 10 * moved)


@pytest.mark.parametrize("storm", [0.0, 0.15, 0.4, 1.0])
def test_a_storm_weighs_each_frequency_by_the_spectrum_of_wind(storm):
    gusts = breeze()
    obj, given, at_rest = swaying(lambda obj: windy(obj, gusts=gusts))
    edit(obj, Calm_to_Storm=storm)
    at(14)
    weights = [gusts.gain(k * BASE, storm) for k in range(BINS)]
    assert_shows(obj, bends(coefficients_of(given) * np.reshape(weights, (-1, 1, 1)), at_rest, 13 / LOOP), atol=3e-5)


@pytest.mark.parametrize(("strain", "height"), [(0.0, 2.0), (0.6, 2.0), (4.0, 25.0)])
def test_gains_are_those_of_the_wind_that_the_sway_was_made_in(strain, height):
    made_in = wind.Wind.of_force(4.0, height=height)
    made = wind.Sway(np.zeros((BINS, 1)), np.zeros((BINS, 1)), made_in, Loop(BASE, BINS), strain)
    gusts = Gusts(made_in.speed, wind.speed_of(10.0, height), BASE, made_in.length, strain)
    assert gusts.storm == pytest.approx(0.4)
    forces = np.array([0.5, 4.0, 7.0, 10.0])
    found = [[gusts.gain(BASE * number, force / 10) for number in range(BINS)] for force in forces]
    np.testing.assert_allclose(found, made.gains([wind.speed_of(force, height) for force in forces]), rtol=1e-6)


def test_a_storm_made_from_a_breath_of_wind_is_still_shown_whole():
    gusts = breeze(1.0, strain=0.0)
    assert gusts.gain(BASE, 1.0) > 10  # more than a shape key's value may be
    obj, given, at_rest = swaying(lambda obj: windy(obj, gusts=gusts))
    edit(obj, Calm_to_Storm=1.0, Amplitude=1.5)
    at(9)
    weights = 1.5 * np.array([gusts.gain(k * BASE, 1.0) for k in range(BINS)])
    expected = bends(coefficients_of(given) * weights[:, None, None], at_rest, 8 / LOOP)
    np.testing.assert_allclose(samples.shown(obj), expected, rtol=1e-4, atol=1e-3)
    edit(obj, Calm_to_Storm=0.1, Amplitude=1.0)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 8 / LOOP))


def test_speed_changes_without_a_jump_and_the_loop_stays_exact():
    obj, given, at_rest = swaying()
    at(20)
    before = samples.shown(obj)
    sway.set_speed(obj, 0.75)
    assert sway.speed(obj) == 0.75 and sway.loop(obj)[1] == 80
    at(20)
    assert_shows(obj, before)
    at(20 + 16)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 19 / LOOP + 16 / 80))
    at(20 + 80)
    assert_shows(obj, before)
    sway.set_speed(obj, 1.03)
    assert sway.speed(obj) == pytest.approx(LOOP / 58)  # the nearest whole loop


def test_a_timing_of_the_artist_is_left_alone():
    obj, given, at_rest = swaying()
    curve = curves.find(obj, '["Sway"]')
    curve.keyframe_points[1].co.y = 2.0
    curve.update()
    assert sway.speed(obj) is None
    with pytest.raises(ValueError, match="timing of its own"):
        sway.set_speed(obj, 2.0)
    at(16)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 2 * 15 / LOOP))


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, -2.5])
def test_a_direction_mixes_both_winds(angle):
    obj, given, at_rest = swaying(windy)
    sway.turn(obj, angle)
    shapes = given.mix.modes.shapes
    along_x, along_y = np.einsum("wkm,mvc->wkvc", given.mix.amplitudes, shapes)
    mixed = np.cos(angle) * along_x + np.sin(angle) * along_y
    for frame in (1, 27):
        at(frame)
        assert_shows(obj, bends(mixed, at_rest, (frame - 1) / LOOP))
    assert sway.direction(obj) == pytest.approx(angle)


def test_what_has_no_modes_cannot_be_turned_and_says_so():
    obj, _, _ = swaying()
    assert sway.direction(obj) is None
    with pytest.raises(ValueError, match="lost modes of its sway"):
        sway.turn(obj, 1.0)
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["Sway 0.8 Hz sin"])
    assert sway.of(obj) is None
    with pytest.raises(ValueError, match="lost shape keys of its sway"):
        sway.turn(obj, 1.0)


def test_what_is_no_mesh_has_no_wind():
    empty = bpy.data.objects.new("Empty", None)
    assert sway.direction(empty) is None and not sway.in_wind(empty)


def test_modes_follow_the_vertices():
    obj, given, _ = swaying(windy)
    bpy.context.view_layer.objects.active = obj
    obj.data.vertices.foreach_set("select", [False] * 36)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    obj.data.vertices[3].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.delete(type="VERT")
    bpy.ops.object.mode_set(mode="OBJECT")
    left = np.delete(given.mix.modes.shapes, 3, axis=1)
    np.testing.assert_array_equal(sway.modes_on(obj).shapes, left)
    at_rest = sway.rest(obj.data)
    sway.turn(obj, 0.0)
    at(12)
    assert_shows(obj, bends(np.delete(coefficients_of(given), 3, axis=1), at_rest, 11 / LOOP))


# --- Beside other things


def test_life_and_sway_are_both_shown():
    from tests.blender.samples import clip, frames_of, imported, subject_of

    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    imported(records, target)
    given = Sway(volume_of(obj), BASE)
    at_rest = sway.rest(obj.data)
    sway.put(obj, given)
    for number, frame in enumerate(frames_of(records)):
        at(1 + number)
        assert_shows(obj, frame["positions"] + bends(coefficients_of(given), at_rest, number / LOOP) - at_rest)
    sway.remove(obj)
    at(4)
    assert_shows(obj, frames_of(records)[3]["positions"])
    assert obj["Life"] == pytest.approx(0.5)


def test_a_removed_sway_leaves_nothing():
    obj = samples.grid()
    before, at_rest = samples.blocks(), samples.positions(obj.data)
    sway.put(obj, windy(obj, gusts=breeze()))
    sway.remove(obj)
    assert obj.data.shape_keys is None and not [*obj.keys()] and not [*obj.data.keys()]
    assert not [each.name for each in obj.data.attributes if "anthesis" in each.name]
    assert samples.blocks() == before
    assert_shows(obj, at_rest)


def test_a_new_sway_takes_the_place_of_the_old():
    obj, _, at_rest = swaying()
    again = Sway(volume_of(obj, bins=3, seed=5), 0.6)
    sway.put(obj, again)
    assert len(obj.data.shape_keys.key_blocks) == 1 + 5
    at(8)
    assert_shows(obj, bends(again.coefficients, at_rest, 7 / 40))


def test_properties_of_the_artist_with_the_same_names_stay():
    obj = samples.grid()
    obj["Sway"], obj["Amplitude"] = "to the beat", 7.0
    given = Sway(volume_of(obj), BASE)
    at_rest = samples.positions(obj.data)
    for _ in range(2):
        sway.put(obj, given)
        assert [name for name, _ in sway.properties(obj)] == ["Sway (Anthesis)", "Amplitude (Anthesis)"]
    at(30)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 29 / LOOP))
    sway.remove(obj)
    assert (obj["Sway"], obj["Amplitude"]) == ("to the beat", 7)


def test_what_does_not_fit_is_refused():
    obj = samples.grid()
    with pytest.raises(ValueError, match='"Grid" has 36 vertices, not 35'):
        sway.put(obj, Sway(volume_of(obj)[:, :-1], BASE))
    obj.shape_key_add(name="Basis")
    obj.data.shape_keys.use_relative = False
    with pytest.raises(ValueError, match="absolute shape keys"):
        sway.put(obj, Sway(volume_of(obj), BASE))


def test_an_undo_takes_all_of_it_away():
    obj = samples.grid()
    bpy.ops.ed.undo_push(message="Before")
    sway.put(obj, windy(obj))
    bpy.ops.ed.undo_push(message="Sway")
    bpy.ops.ed.undo()
    obj = bpy.data.objects["Grid"]
    assert obj.data.shape_keys is None and not [*obj.keys()] and obj.animation_data is None
    bpy.ops.ed.redo()
    assert sway.of(bpy.data.objects["Grid"]) and sway.modes_on(bpy.data.objects["Grid"])
