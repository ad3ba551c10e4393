"""Poke: the modes follow a hand, ring out by themselves, and Blender shows the sum; kept or left as all was."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import oscillators  # noqa: E402
from blender_addon.scene import curves, poking, ringing, sway  # noqa: E402
from blender_addon.scene.poking import CannotPoke  # noqa: E402
from blender_addon.scene.ringing import Hand, Modes, State  # noqa: E402
from blender_addon.scene.sway import Mix, Sway  # noqa: E402
from tests.blender import samples  # noqa: E402

FPS = 24


def some_modes(count=4, vertices=36, damping=0.05, seed=0):
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, vertices, 3)).astype(np.float32)
    return Modes(shapes, np.linspace(0.7, 3.0, count), np.full(count, damping))


def swaying(modes=None):
    """An object with modes, in no wind, and the modes."""
    obj = samples.grid()
    modes = modes or some_modes()
    count = len(modes.frequencies)
    amplitudes = np.zeros((1, 2, count), complex)
    sway.put(obj, Sway(None, 0.4, Mix(modes, amplitudes)))
    bpy.context.view_layer.objects.active = obj
    return obj, modes


# --- How a body rings


@pytest.mark.parametrize("damping", [0.0, 0.02, 0.7, 1.0, 1.0 + 1e-9, 1.001, 5.0])
@pytest.mark.parametrize("seconds", [1e-3, 0.04, 2.0])
def test_a_step_is_that_of_the_equation(damping, seconds):
    modes, random = some_modes(damping=damping), np.random.default_rng(1)
    start = State(*random.normal(0, 1, (2, 4)))
    found = ringing.advance(modes, start, seconds)
    for m, frequency in enumerate(modes.frequencies):
        w = 2 * np.pi * frequency
        matrix = np.array([[0.0, 1.0], [-(w**2), -2 * damping * w]])
        expected = exponential(matrix * seconds) @ [start.q[m], start.v[m]]
        np.testing.assert_allclose([found.q[m], found.v[m]], expected, rtol=1e-9, atol=1e-9)


def exponential(matrix):
    """By its series, of the 1024th part, ten times squared."""
    small, term, total = matrix / 1024, np.eye(2), np.eye(2)
    for n in range(1, 20):
        term = term @ small / n
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def test_many_small_steps_are_one_large_one():
    modes, random = some_modes(), np.random.default_rng(2)
    start, goal = State(*random.normal(0, 1, (2, 4))), random.normal(0, 1, 4)
    small = start
    for _ in range(50):
        small = ringing.advance(modes, small, 0.03, goal)
    large = ringing.advance(modes, start, 1.5, goal)
    np.testing.assert_allclose([small.q, small.v], [large.q, large.v], rtol=1e-9)


def test_it_rings_as_the_backend_has_it():
    modes, random = some_modes(), np.random.default_rng(3)
    q, v = random.normal(0, 1, (2, 4))
    times = np.arange(1, 30) / FPS
    theirs = oscillators.ring_down(
        oscillators.Oscillators(modes.frequencies, modes.damping), oscillators.State(q, v), times
    )
    ours = [ringing.advance(modes, State(q, v), time).q for time in times]
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_a_steady_force_ends_where_it_would_hold_the_modes():
    modes, goal = some_modes(damping=0.2), np.array([1.0, -2.0, 0.5, 0.1])
    found = ringing.advance(modes, ringing.at_rest(modes), 60.0, goal)
    np.testing.assert_allclose(found.q, goal, rtol=1e-6)
    np.testing.assert_allclose(found.v, 0, atol=1e-6)


def test_a_grip_brings_the_vertex_along_at_the_least_energy(monkeypatch):
    monkeypatch.setattr(ringing, "SOFT", 1e-9)
    modes = some_modes(count=6)
    d = np.array([0.1, -0.2, 0.05])
    q = ringing.grip(modes, 7) @ d
    np.testing.assert_allclose(ringing.displacement(modes, q)[7], d, atol=1e-5)
    energy = ((2 * np.pi * modes.frequencies * q) ** 2).sum()
    idle = np.linalg.svd(modes.shapes[:, 7].T.astype(float))[2][3:]  # what does not move the vertex
    for way in idle:
        for sign in (-0.01, 0.01):
            assert ((2 * np.pi * modes.frequencies * (q + sign * way)) ** 2).sum() > energy


def test_a_stalk_pulled_along_itself_does_not_fly_to_pieces():
    modes = some_modes()
    modes.shapes[:, :, 2] *= 1e-4  # it hardly gives upwards
    q = ringing.grip(modes, 3) @ np.array([0.0, 0.0, 1.0])
    assert np.abs(ringing.displacement(modes, q)).max() < 0.05
    along = ringing.grip(modes, 3) @ np.array([1.0, 0.0, 0.0])
    assert ringing.displacement(modes, along)[3][0] > 0.8


def test_what_is_held_cannot_be_pulled():
    modes = some_modes()
    modes.shapes[:, 5] = 0
    assert not ringing.grip(modes, 5).any()


def test_however_far_the_hand_goes_the_body_stays_within_its_limit():
    modes = some_modes()
    grip = ringing.grip(modes, 7)
    for metres in (0.01, 1.0, 100.0):
        moved = ringing.displacement(modes, ringing.within(modes, grip @ [metres, 0, 0], 0.5))
        farthest = np.linalg.norm(moved, axis=1).max()
        assert farthest < 0.5
    assert farthest == pytest.approx(0.5, rel=1e-3)


# --- The hand


def test_the_vertex_follows_the_hand_and_rings_out_when_it_lets_go():
    modes = some_modes()
    hand = Hand(modes, limit=10.0)
    hand.take(9)
    hand.move(np.array([0.0, 0.1, 0.0]))
    for _ in range(200):
        held = hand.tick(0.01)
    np.testing.assert_allclose(held, ringing.grip(modes, 9) @ [0, 0.1, 0], rtol=2e-3)
    hand.let_go()
    after = hand.tick(1e-9)
    np.testing.assert_allclose(after, held, rtol=1e-6)  # nothing jumps
    found = hand.tick(0.5)
    expected = ringing.advance(modes, State(held, np.zeros(4)), 0.5).q
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(hand.tick(120.0)).max() < 1e-6


def test_a_flick_goes_on_with_the_speed_of_the_hand():
    modes = some_modes()
    hand = Hand(modes, limit=100.0)
    hand.take(9)
    for n in range(1, 101):
        hand.move(np.array([0.0, 0.002 * n, 0.0]))
        hand.tick(0.01)
    hand.let_go()
    np.testing.assert_allclose(hand.state.v, ringing.grip(modes, 9) @ [0, 0.2, 0], rtol=1e-2)


def test_however_fast_the_flick_the_body_stays_near_its_limit():
    modes = some_modes(damping=0.01)
    hand = Hand(modes, limit=0.5)
    hand.take(9)
    hand.move(np.array([0.0, 50.0, 0.0]))
    hand.tick(0.001)
    hand.let_go()
    swings = [ringing.displacement(modes, hand.tick(0.03)) for _ in range(100)]
    assert 0.5 < np.linalg.norm(swings, axis=2).max() < 2.5 * 0.5


def test_what_rings_is_taken_without_a_jump():
    modes = some_modes()
    hand = Hand(modes, limit=10.0)
    hand.state = State(np.array([0.1, -0.05, 0.2, 0.0]), np.array([0.0, 0.3, 0.0, 0.1]))
    before = hand.state.q.copy()
    hand.take(4)
    np.testing.assert_allclose(hand.tick(1e-9), before, atol=1e-7)
    hand.let_go()
    np.testing.assert_allclose(hand.tick(1e-9), before, atol=1e-7)


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


def test_a_kept_ring_down_plays_from_the_frame_where_it_was_let_go():
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    bpy.context.scene.frame_set(11)
    poke = poking.Poke(obj)
    poke.take(obj, at_rest[20])
    for n in range(30):
        poke.move(obj, np.array([0.0, 0.003 * n, 0.1]))
        poke.tick(obj, 0.01)
    poke.let_go()
    start = State(poke.hand.state.q.copy(), poke.hand.state.v.copy())
    poke.tick(obj, 1.7)
    poke.end(keep=True)
    assert len(poking.kept(obj)) == 4
    for frame in (11, 12, 30, 60):
        bpy.context.scene.frame_set(frame)
        q = ringing.advance(modes, start, (frame - 11) / FPS).q
        np.testing.assert_allclose(samples.shown(obj), at_rest + ringing.displacement(modes, q), atol=5e-5)
    for frame in (5, 2000):
        bpy.context.scene.frame_set(frame)
        np.testing.assert_allclose(samples.shown(obj), at_rest, atol=1e-6)


def test_a_second_poke_is_added_to_the_first():
    obj, modes = swaying()
    at_rest = samples.shown(obj)
    one, two = np.random.default_rng(5).normal(0, 0.05, (2, 4))
    still = np.zeros(4)
    poking.keep_frames(obj, modes, 1, poking.ring_down(modes, one, still))
    poking.keep_frames(obj, modes, 21, poking.ring_down(modes, two, still))
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
        assert bpy.ops.anthesis.poke_by_empty(way="PUSH") == {"FINISHED"}
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
