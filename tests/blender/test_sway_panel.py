"""What the panel of a sway shows, and its buttons."""

from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import poking, sway  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.drawing import drawn  # noqa: E402
from tests.blender.swaying import (  # noqa: E402
    BASE,
    LOOP,
    assert_shows,
    at,
    bends,
    coefficients_of,
    edit,
    swaying,
    windy,
)


@pytest.fixture
def registered():
    from blender_addon import sway as settings

    for cls in settings.CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Object.anthesis_sway = bpy.props.PointerProperty(type=settings.AnthesisSway)
    yield
    del bpy.types.Object.anthesis_sway
    for cls in reversed(settings.CLASSES):
        bpy.utils.unregister_class(cls)


@pytest.mark.usefixtures("registered")
def test_speed_and_direction_are_read_off_the_object():
    obj, given, at_rest = swaying(windy)
    assert (obj.anthesis_sway.speed, obj.anthesis_sway.direction) == (1, 0)
    obj.anthesis_sway.speed, obj.anthesis_sway.direction = 0.5, np.pi / 2
    assert obj.anthesis_sway.speed == 0.5 and sway.loop(obj)[1] == 2 * LOOP
    assert obj.anthesis_sway.direction == pytest.approx(np.pi / 2)
    along_y = np.einsum("km,mvc->kvc", given.mix.amplitudes[1], given.mix.modes.shapes)
    at(31)
    assert_shows(obj, bends(along_y, at_rest, 30 / (2 * LOOP)))
    still = samples.grid()
    still.anthesis_sway.speed = 2.0
    assert (still.anthesis_sway.speed, still.anthesis_sway.direction) == (0, 0)


@pytest.mark.usefixtures("registered")
def test_a_linked_copy_made_single_can_sway_by_itself():
    obj, given, at_rest = swaying(windy)
    copy = obj.copy()
    copy.data = obj.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    assert sway.leads(obj) and not sway.leads(copy)
    bpy.context.view_layer.objects.active = copy
    copy["Amplitude"] = 0.5
    assert bpy.ops.anthesis.make_sway_live() == {"FINISHED"} and copy["Amplitude"] == 0.5
    edit(copy, Amplitude=0.0)
    at(10)
    assert_shows(copy, at_rest)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 9 / LOOP))


@pytest.mark.usefixtures("registered")
def test_the_buttons_bake_enliven_and_remove():
    assert not bpy.ops.anthesis.bake_sway.poll()
    obj, given, at_rest = swaying(windy)
    bpy.context.view_layer.objects.active = obj
    assert not bpy.ops.anthesis.make_sway_live.poll()
    assert bpy.ops.anthesis.bake_sway() == {"FINISHED"} and not bpy.ops.anthesis.bake_sway.poll()
    assert bpy.ops.anthesis.make_sway_live() == {"FINISHED"}
    at(10)
    assert_shows(obj, bends(coefficients_of(given), at_rest, 9 / LOOP))
    assert bpy.ops.anthesis.remove_sway() == {"FINISHED"} and obj.data.shape_keys is None


def test_buttons_about_a_sway_or_a_life_are_grey_on_what_has_none(addon):
    names = ("bake_sway", "make_sway_live", "remove_sway", "bake", "make_live")
    bpy.context.view_layer.objects.active = samples.grid()
    assert not any(getattr(bpy.ops.anthesis, name).poll() for name in names)
    sway.put(bpy.context.object, sway.Sway(np.zeros((2, 36, 3), complex), BASE))
    assert bpy.ops.anthesis.remove_sway.poll() and not bpy.ops.anthesis.bake.poll()


def test_what_takes_part_is_set_in_the_panel_of_the_sway_too(addon):
    from blender_addon.panels import animate
    from blender_addon.panels import sway as panels

    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    part = drawn(animate.ANTHESIS_PT_animate_groups)
    shown = drawn(panels.ANTHESIS_PT_sway)
    assert shown.named("prop_search") == part.named("prop_search") == ["pin_group", "weight_group"]
    assert shown.named("prop") == ["storm", "direction", "only_selected"]
    settings = bpy.context.scene.anthesis
    assert {words[0] for name, words, _ in shown.drawn if name == "prop_search"} == {settings.animate}
    assert not drawn(panels.ANTHESIS_PT_sway_settings).named("prop_search")
    sway.put(obj, windy(obj))
    assert not drawn(panels.ANTHESIS_PT_sway).named("prop_search")
    assert drawn(panels.ANTHESIS_PT_sway_settings).named("prop_search") == ["pin_group", "weight_group"]


def test_the_panel_says_where_the_scene_has_to_end_for_a_speed(addon):
    from blender_addon.panels import sway as panels

    obj, _, _ = swaying()
    bpy.context.view_layer.objects.active = obj
    bpy.context.scene.frame_end = LOOP
    assert drawn(panels.ANTHESIS_PT_sway).text == ""
    obj.anthesis_sway.speed = 1.5
    assert drawn(panels.ANTHESIS_PT_sway).text == "It jumps where the scene starts again: set End to 80"


def test_what_sways_or_rings_plays_from_its_first_frame(addon, monkeypatch):
    from blender_addon import operators

    pressed = []
    screen = SimpleNamespace(animation_play=lambda: pressed.append(bpy.context.scene.frame_current))
    monkeypatch.setattr(operators, "bpy", SimpleNamespace(ops=SimpleNamespace(screen=screen)))
    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    assert not bpy.ops.anthesis.play.poll()
    sway.put(obj, windy(obj))
    assert bpy.ops.anthesis.play.poll()
    context = SimpleNamespace(
        scene=bpy.context.scene, active_object=obj, screen=SimpleNamespace(is_animation_playing=False)
    )
    modes = sway.modes_on(obj)
    for first in (1, -4):
        at(30)
        poking.keep_frames(obj, modes, first, np.full((9, len(modes.frequencies)), 0.1))
        operators.ANTHESIS_OT_play.execute(None, context)
        assert pressed.pop() == first
    sway.remove(obj)
    assert bpy.ops.anthesis.play.poll()
