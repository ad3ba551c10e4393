"""A sway made plain and live again: what it shows, and the settings that it had."""

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import curves, keys, sway, sway_bake  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.swaying import (  # noqa: E402
    LOOP,
    assert_shows,
    at,
    bends,
    breeze,
    coefficients_of,
    drivers,
    edit,
    swaying,
    windy,
)


def test_a_baked_sway_repeats_for_ever_without_drivers_and_can_be_made_live_again():
    obj, given, at_rest = swaying(lambda obj: windy(obj, gusts=breeze()))
    edit(obj, Amplitude=0.5)
    sway_bake.bake(obj)
    assert not drivers(obj) and not [*obj.keys()]
    half = coefficients_of(given) / 2
    for frame in (1, 17, 60, 61, 1 + 5 * LOOP + 33):
        at(frame)
        assert_shows(obj, bends(half, at_rest, (frame - 1) / LOOP))
    sway.turn(obj, 0.0)
    sway.enliven(obj, 1)
    at(25)
    assert_shows(obj, bends(half, at_rest, 24 / LOOP))


def ramp(obj, name, points):
    """Keyframes that ease, of a slider."""
    for frame, value in points:
        obj[name] = value
        obj.keyframe_insert(f'["{name}"]', frame=frame)
    curve = curves.find(obj, f'["{name}"]')
    curve.keyframe_points[0].handle_right_type = "FREE"
    curve.keyframe_points[0].handle_right = points[0][0] + 3.0, 0.9


def with_sliders_moved(obj):
    at(13)
    sway.set_speed(obj, 0.75)
    edit(obj, Amplitude=0.5, Calm_to_Storm=0.8)


def with_sliders_animated(obj):
    ramp(obj, "Amplitude", [(1, 0.0), (50, 1.5)])
    ramp(obj, "Calm to Storm", [(-3, 0.2), (70, 0.9)])


def with_a_timing_of_the_artists(obj):
    curve = curves.find(obj, '["Sway"]')
    curve.keyframe_points[1].co.x = 41.5
    curve.modifiers[0].mode_before = "MIRROR"
    noise = curve.modifiers.new("NOISE")
    noise.strength, noise.use_restricted_range, noise.frame_start, noise.frame_end = 0.1, True, 20, 60
    curve.update()


@pytest.mark.parametrize("settle", [with_sliders_moved, with_sliders_animated, with_a_timing_of_the_artists])
def test_what_is_baked_and_made_live_again_has_all_its_settings(settle):
    obj, _, _ = swaying(lambda obj: windy(obj, gusts=breeze()))
    sway.turn(obj, 1.1)
    settle(obj)
    before = []
    for frame in (1, 24, 55, 90):
        at(frame)
        sliders = [obj[name] for name in ("Sway", "Amplitude", "Calm to Storm")]
        before.append((frame, sliders, samples.shown(obj)))
    timing, storing = (sway.loop(obj), sway.speed(obj)), {*obj.data.keys()}
    at(7)
    sway_bake.bake(obj)
    assert not [*obj.keys()] and not curves.there(obj)
    sway.enliven(obj, 1)
    assert (sway.loop(obj), sway.speed(obj)) == timing and sway.direction(obj) == pytest.approx(1.1)
    for frame, sliders, shape in before:
        at(frame)
        assert [obj[name] for name in ("Sway", "Amplitude", "Calm to Storm")] == sliders
        assert_shows(obj, shape)
    limits = obj.id_properties_ui("Amplitude").as_dict()
    assert (limits["max"], limits["default"]) == (sway.MOST, 1.0) and "up to 3 may be typed" in limits["description"]
    sway_bake.bake(obj)
    sway.enliven(obj, 1)
    assert {*obj.data.keys()} == storing and "settings" not in obj.data[sway.FACTS]


def test_an_animated_slider_is_baked_over_the_scene():
    obj, _, _ = swaying()
    bpy.context.scene.frame_end = 90
    for frame, value in ((1, 0.0), (90, 1.0)):
        obj["Amplitude"] = value
        obj.keyframe_insert('["Amplitude"]', frame=frame)
    shapes = []
    for frame in range(1, 91):
        at(frame)
        shapes.append(samples.shown(obj))
    sway_bake.bake(obj)
    for frame in (1, 20, 71, 90):
        at(frame)
        assert_shows(obj, shapes[frame - 1])


def test_lifted_values_are_from_0_to_1_and_show_the_same():
    obj, given, at_rest = swaying()
    names = sway.of(obj)
    values = sway_bake.watch(obj, 1, LOOP)
    lifted = sway_bake.lift(obj, names, values)
    sway_bake.write(obj, names, 1, lifted)
    assert lifted.min() >= -1e-6 and lifted.max() <= 1 + 1e-6 and values.min() < -0.9
    for frame in (1, 22, 60):
        at(frame)
        assert_shows(obj, bends(coefficients_of(given), at_rest, (frame - 1) / LOOP))
    assert keys.ours(obj) == []
