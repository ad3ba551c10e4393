"""Poke on an object: Blender shows what the modes do under a hand and after it; kept or left as all was."""

from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import curves, poking, ringing, sway  # noqa: E402
from blender_addon.scene.poking import CannotPoke  # noqa: E402
from blender_addon.scene.ringing import Modes, State  # noqa: E402
from blender_addon.scene.sway import Mix, Sway  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.swaying import FPS, some_modes  # noqa: E402


def swaying(modes=None):
    """An object with modes, in no wind, and the modes."""
    obj = samples.grid()
    modes = modes or some_modes()
    count = len(modes.frequencies)
    amplitudes = np.zeros((1, 2, count), complex)
    sway.put(obj, Sway(None, 0.4, Mix(modes, amplitudes)))
    bpy.context.view_layer.objects.active = obj
    return obj, modes


# --- On an object


def everything(obj):
    """What a poke could leave behind."""
    found = {key.name: (samples_of(obj, key.name), key.value) for key in obj.data.shape_keys.key_blocks}
    return found, samples.blocks(), [*obj.keys()], obj.active_shape_key_index, obj.show_only_shape_key


def samples_of(obj, name):
    from blender_addon.scene import keys

    return keys.shape(obj, name).tobytes()


def test_blender_shows_the_modes_of_each_tick():
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    poke = poking.Poke(obj)
    poke.take(obj, at_rest[20])
    poke.move(obj, np.array([0.0, 0.0, 0.1]))
    for _ in range(5):
        poke.tick(obj, 0.02)
        q = poke.hand.state.q + ringing.within(modes, ringing.grip(modes, 20) @ [0, 0, 0.1], poke.hand.limit)
        bpy.context.view_layer.update()
        np.testing.assert_allclose(samples.shown(obj), at_rest + ringing.displacement(modes, q), atol=2e-5)
    poke.let_go()
    poke.tick(obj, 0.1)
    bpy.context.view_layer.update()
    expected = at_rest + ringing.displacement(modes, poke.hand.state.q)
    np.testing.assert_allclose(samples.shown(obj), expected, atol=2e-5)


def test_a_drag_in_the_world_is_turned_into_the_object():
    obj, modes = swaying()
    samples.place(obj, scale=(2, 2, 2), rotation=(0, 0, np.pi / 2), location=(5, 0, 0))
    poke = poking.Poke(obj)
    place = poking.hit(obj, *(bpy_vector(each) for each in ((5 - 0.9, 0.9, 10), (0, 0, -1))))
    assert place is not None and np.allclose(np.array(place)[:2], 0.45)
    poke.take(obj, place)
    vertex = int(np.linalg.norm(samples.positions(obj.data) - np.array(place), axis=1).argmin())
    poke.move(obj, bpy_vector((0.0, 0.2, 0.0)))
    poke.tick(obj, 1e-6)
    expected = ringing.within(modes, ringing.grip(modes, vertex) @ [0.1, 0, 0], poke.hand.limit)
    np.testing.assert_allclose(poke.hand.tick(1e-6), expected, atol=1e-6)
    assert poking.hit(obj, bpy_vector((50, 0, 10)), bpy_vector((0, 0, -1))) is None


def bpy_vector(values):
    from mathutils import Vector

    return Vector(values)


def test_what_is_left_is_as_it_was():
    obj, _ = swaying()
    obj.active_shape_key_index, obj.show_only_shape_key = 2, True
    bpy.context.view_layer.update()
    before = everything(obj)
    poke = poking.Poke(obj)
    poke.take(obj, (0, 0, 0))
    poke.move(obj, np.array([0.1, 0.1, 0.2]))
    poke.tick(obj, 0.1)
    poke.let_go()
    poke.tick(obj, 0.1)
    assert len(obj.data.shape_keys.key_blocks) == 1 + 3 + 4
    poke.end(keep=False)
    assert everything(obj) == before


def pulled(obj, poke, shapes, ticks=20, half=1 / (2 * FPS)):
    """Drag further at each tick, two ticks a frame, and let go. `shapes` gets what is seen at each frame meanwhile."""
    for n in range(1, ticks + 1):
        poke.move(obj, np.array([0.0, 0.004 * n, 0.1]))
        poke.tick(obj, half)
        bpy.context.view_layer.update()
        shapes += [samples.shown(obj)] * (n % 2 == 0)
    poke.let_go()


def test_a_kept_poke_plays_as_it_was_seen_from_the_frame_where_it_was_pressed():
    obj, _ = swaying()
    at_rest = samples.shown(obj)
    bpy.context.scene.frame_set(11)
    poke = poking.Poke(obj)
    poke.take(obj, at_rest[20])
    seen = [at_rest]
    pulled(obj, poke, seen)
    for _ in range(40):
        poke.tick(obj, 1 / FPS)
        bpy.context.view_layer.update()
        seen.append(samples.shown(obj))
    poke.end(keep=True)
    assert len(poking.kept(obj)) == 4 and poking.frame_range(obj)[0] == 11
    for number, shape in enumerate(seen):
        bpy.context.scene.frame_set(11 + number)
        np.testing.assert_allclose(samples.shown(obj), shape, atol=5e-5)
    for frame in (5, 10, 2000):
        bpy.context.scene.frame_set(frame)
        np.testing.assert_allclose(samples.shown(obj), at_rest, atol=1e-6)


@pytest.mark.parametrize("ticks", [0, 1])
def test_a_pull_that_takes_no_time_is_kept_as_one_of_a_few_frames(ticks):
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    poke = poking.Poke(obj)
    poke.take(obj, at_rest[20])
    poke.move(obj, np.array([0.0, 0.0, 0.1]))
    for _ in range(ticks):
        poke.tick(obj, 0.001)
    poke.let_go()
    far = ringing.displacement(modes, poke.hand.state.q)
    poke.end(keep=True)
    for number in range(ringing.EASED + 1):
        bpy.context.scene.frame_set(1 + number)
        np.testing.assert_allclose(samples.shown(obj), at_rest + number / ringing.EASED * far, atol=5e-5)
    assert ringing.EASED > 3  # or it is seen to jump


def test_what_still_rings_when_it_is_pressed_again_is_come_to_without_a_jump():
    obj, _ = swaying()
    at_rest = samples.shown(obj)
    poke = poking.Poke(obj)
    poke.take(obj, at_rest[7])
    pulled(obj, poke, [])
    poke.tick(obj, 0.3)
    bpy.context.view_layer.update()
    ringing_on = samples.shown(obj)
    assert np.abs(ringing_on - at_rest).max() > 0.02
    poke.take(obj, at_rest[20])
    seen = [ringing_on]
    pulled(obj, poke, seen)
    poke.end(keep=True)
    for number in range(ringing.EASED):
        bpy.context.scene.frame_set(1 + number)
        share = number / ringing.EASED
        np.testing.assert_allclose(samples.shown(obj), at_rest + share * (ringing_on - at_rest), atol=5e-5)
    for number, shape in enumerate(seen):
        bpy.context.scene.frame_set(1 + ringing.EASED + number)
        np.testing.assert_allclose(samples.shown(obj), shape, atol=5e-5)


def test_a_second_poke_is_added_to_the_first():
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    one, two = np.random.default_rng(5).normal(0, 0.05, (2, 4))
    still = np.zeros(4)
    for first, start in ((1, one), (21, two)):
        poking.keep_frames(obj, modes, first, ringing.recorded(modes, np.stack([start, start]), FPS, holds=True)[1:])
    for frame, present in ((9, [(one, 1)]), (21, [(one, 1), (two, 21)]), (44, [(one, 1), (two, 21)])):
        bpy.context.scene.frame_set(frame)
        q = sum(ringing.advance(modes, State(start, still), (frame - at) / FPS).q for start, at in present)
        np.testing.assert_allclose(samples.shown(obj), at_rest + ringing.displacement(modes, q), atol=5e-5)
    poking.forget(obj)
    assert not poking.kept(obj) and not curves.there(obj.data.shape_keys) and sway.of(obj)
    np.testing.assert_allclose(samples.shown(obj), at_rest, atol=1e-6)


def moving_empty(points):
    empty = bpy.data.objects.new("Finger", None)
    bpy.context.scene.collection.objects.link(empty)
    for frame, place in points:
        empty.location = place
        empty.keyframe_insert("location", frame=frame)
    for curve in curves.there(empty):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    return empty


def test_an_empty_holds_until_its_last_keyframe():
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    samples.place(obj, location=(1, 2, 3))
    begin = at_rest[14] + [1, 2, 3]
    empty = moving_empty([(5, begin), (17, begin + [0.06, 0, 0.12])])
    poking.by_empty(obj, empty, holds=True)
    pull = ringing.firm_grip(modes, 14)
    limit = poking.REACH * poking.size(obj)
    for frame in (5, 11, 17):
        bpy.context.scene.frame_set(frame)
        q = ringing.within(modes, pull @ (np.array([0.06, 0, 0.12]) * (frame - 5) / 12), limit, firm=poking.FIRM)
        np.testing.assert_allclose(samples.shown(obj), at_rest + ringing.displacement(modes, q), atol=5e-5)
    bpy.context.scene.frame_set(18)
    after = samples.shown(obj) - at_rest - ringing.displacement(modes, q)
    assert np.abs(after).max() > 1e-3
    bpy.context.scene.frame_set(3000)
    np.testing.assert_allclose(samples.shown(obj), at_rest, atol=1e-6)


def in_the_wind():
    """An object that sways in a loop by modes which give every way at vertex 14."""
    obj, random = samples.grid(), np.random.default_rng(3)
    shapes = random.normal(0, 0.05, (3, 36, 3)).astype(np.float32)  # what else moves is far from the limit
    shapes[:, 14] = 0.3 * np.eye(3)
    modes = Modes(shapes, np.array([0.7, 0.8, 0.9]), np.full(3, 0.05))
    sway.put(obj, Sway(None, 0.4, Mix(modes, random.normal(0, 0.03, (1, 4, 3)) * (1 + 0.5j))))
    bpy.context.view_layer.objects.active = obj
    return obj


def test_what_an_empty_holds_goes_where_it_goes_in_the_wind_too():
    obj = in_the_wind()
    bpy.context.scene.frame_set(5)
    begin = samples.shown(obj)[14]
    bpy.context.scene.frame_set(11)
    assert np.abs(samples.shown(obj)[14] - begin).max() > 0.01  # by itself
    empty = moving_empty([(5, begin), (17, begin + [0.06, 0, 0.12])])
    assert poking.by_empty(obj, empty, holds=True) < poking.BEHIND
    for frame in range(5, 18):
        bpy.context.scene.frame_set(frame)
        np.testing.assert_allclose(samples.shown(obj)[14], empty.matrix_world.translation, atol=4e-3)


def test_how_far_a_vertex_stays_behind_the_empty_is_told():
    obj, size = in_the_wind(), poking.size(samples.grid())
    bpy.context.scene.frame_set(5)
    begin = samples.shown(obj)[14]
    empty = moving_empty([(5, begin), (17, begin + [0, 0, 2 * size])])
    behind = poking.by_empty(obj, empty, holds=True) * poking.REACH * size
    bpy.context.scene.frame_set(17)
    left = np.linalg.norm(samples.shown(obj)[14] - np.array(empty.matrix_world.translation))
    assert behind == pytest.approx(left, abs=2e-3) and left > 1.5 * size
    assert poking.by_empty(obj, empty, holds=False) == 0.0


def test_a_firm_grip_lets_go_where_the_modes_hardly_give():
    modes = some_modes()
    modes.shapes[:, :, 2] *= 1e-4
    for way, least, most in (([1.0, 0, 0], 0.85, 1.0), ([0, 0, 1.0], 0.0, 0.05)):
        moved = ringing.displacement(modes, ringing.firm_grip(modes, 3) @ way)
        assert least < moved[3] @ way <= most and np.abs(moved).max() < 3
    modes.shapes[:, 5] = 0
    assert not ringing.firm_grip(modes, 5).any()


def test_an_empty_that_pushes_is_a_force():
    modes = some_modes()
    goal = np.array([0.1, -0.05, 0.02, 0.0])
    found = ringing.recorded(modes, np.tile(goal, (200, 1)), FPS, holds=False)
    state = ringing.at_rest(modes)
    for n in range(200):
        state = ringing.advance(modes, state, 1 / FPS, goal)
        np.testing.assert_allclose(found[n], state.q, atol=1e-9)
    assert np.abs(found[-1]).max() < 0.005 * 0.2


def test_what_cannot_be_poked_says_why():
    for obj, reason in (
        (None, "Select a mesh that sways"),
        (samples.grid(), '"Grid" has no vibration modes: let it sway first'),
    ):
        with pytest.raises(CannotPoke, match=reason):
            poking.Poke(obj)
    obj, _ = swaying()
    empty = bpy.data.objects.new("Finger", None)
    with pytest.raises(CannotPoke, match='"Finger" has no keyframes'):
        poking.by_empty(obj, empty, holds=True)
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(CannotPoke, match="Object Mode"):
        poking.Poke(obj)


def test_an_object_deleted_under_the_hand_ends_it():
    obj, _ = swaying()
    poke = poking.Poke(obj)
    assert poke.object() == obj
    bpy.data.objects.remove(obj)
    assert poke.object() is None
    poke.end(keep=True)


# --- The operators


def test_the_operators_ask_for_modes_and_tell_what_went_wrong(capfd):
    from blender_addon import poke

    for cls in poke.CLASSES:
        bpy.utils.register_class(cls)
    try:
        assert not bpy.ops.anthesis.poke.poll()
        obj, _ = swaying()
        assert bpy.ops.anthesis.poke.poll()
        empty = moving_empty([(1, (0, 0, 0)), (9, (0, 0, 0.2))])
        obj.select_set(True)
        empty.select_set(True)
        bpy.context.scene.frame_end = 60
        capfd.readouterr()
        assert bpy.ops.anthesis.poke_by_empty(way="PUSH") == {"FINISHED"}
        assert "and the scene ends at frame 60: set End to " in capfd.readouterr().out
        assert len(poking.kept(obj)) == 4
        assert bpy.ops.anthesis.poke_by_empty(way="HOLD") == {"FINISHED"}
        empty.location.x = 50.0
        empty.keyframe_insert("location", frame=9)
        capfd.readouterr()
        assert bpy.ops.anthesis.poke_by_empty(way="HOLD") == {"FINISHED"}
        assert "It stays behind the empty by up to" in capfd.readouterr().out
        assert bpy.ops.anthesis.forget_pokes() == {"FINISHED"}
        assert not bpy.ops.anthesis.forget_pokes.poll()
        empty.animation_data_clear()
        with pytest.raises(RuntimeError, match="has no keyframes"):
            bpy.ops.anthesis.poke_by_empty()
    finally:
        for cls in reversed(poke.CLASSES):
            bpy.utils.unregister_class(cls)


@pytest.mark.parametrize("ends", [300, 40])
def test_a_poke_that_rings_past_the_scene_says_where_that_has_to_end(ends):
    from blender_addon import poke

    obj, modes = swaying()
    bpy.context.scene.frame_end = ends
    poking.keep_frames(obj, modes, 12, np.full((42, 4), 0.1))
    told = []
    poke.warn_of_scene_end(SimpleNamespace(report=lambda kind, text: told.append((kind, text))), obj)
    said = "It rings until frame 54, and the scene ends at frame 40: set End to 60 to play all of it"
    assert told == ([({"WARNING"}, said)] if ends == 40 else []) and bpy.context.scene.frame_end == ends
