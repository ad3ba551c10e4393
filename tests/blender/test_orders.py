"""From words to orders: what is understood while one types, bouquets, what the redo panel replaces, growing anew."""

import time

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from mathutils import Vector  # noqa: E402

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.addon import SECONDS, key_positions, needs_backend, until  # noqa: E402

PROMPT = "a red rose"
REQUEST = protocol.Generate(prompt=PROMPT, seed=7)
ROSE = protocol.SPECIES["rose"](petals=20, height=0.5)


def reading(count=1, record=ROSE):
    return protocol.Reading(understood="a red rose", specimen=record, count=count)


# --- What is understood while one types


class Wire:
    """A gateway that writes down what it is asked."""

    def __init__(self):
        self.calls, self.asked = 0, []

    def send(self, call):
        self.calls += 1
        self.asked.append(call.prompt)
        return True


@pytest.fixture
def reader():
    from blender_addon.client.reader import Reader

    return Reader(Wire())


def answer(reader, said=None):
    return reader.hear(msgspec.structs.replace(said or reading(), re=reader._gateway.calls))


def test_one_question_is_under_way_and_the_newest_text_is_next(reader):
    for text in ("a", "a r", "a ro", "a rose"):
        reader.typed = text
        reader.tick()
    assert reader._gateway.asked == ["a"]
    assert answer(reader)
    reader.tick()
    reader.tick()
    assert reader._gateway.asked == ["a", "a rose"] and reader.answer("a rose") is None
    assert answer(reader) and reader.answer("a rose").specimen == ROSE
    reader.tick()
    assert len(reader._gateway.asked) == 2 and not reader.busy


def test_what_an_order_needs_is_asked_before_what_is_typed(reader):
    reader.typed = "a lily"
    reader.need(PROMPT)
    reader.tick()
    assert reader._gateway.asked == [PROMPT]


def test_a_question_without_an_answer_is_asked_again_and_only_the_last_answer_counts(reader, monkeypatch):
    reader.typed = PROMPT
    reader.tick()
    later = time.monotonic() + protocol.REQUEST_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    reader.tick()
    assert reader._gateway.asked == [PROMPT, PROMPT]
    assert not reader.hear(protocol.Reading(re=1)) and reader.answer(PROMPT) is None
    assert answer(reader)


def test_a_question_that_is_refused_is_not_asked_for_ever(reader):
    reader.need(PROMPT)
    reader.tick()
    failure = protocol.Failure("internal", "It cannot read")
    assert not reader.hear_refusal(protocol.Refused(re=99, failure=failure))
    assert reader.hear_refusal(protocol.Refused(re=1, failure=failure))
    assert reader.answer(PROMPT) == protocol.Reading() and not reader.busy


@pytest.mark.parametrize("text", ["", "  \n", "ü" * protocol.PROMPT_BYTES, "a rose\udcff"])
def test_what_is_no_prompt_is_not_asked(reader, text):
    reader.typed = text
    reader.tick()
    assert not reader._gateway.asked


def test_another_connection_may_know_other_words(reader):
    reader.typed = PROMPT
    reader.tick()
    answer(reader)
    reader.forget()
    reader.tick()
    assert reader._gateway.asked == [PROMPT, PROMPT]


class Layout:
    """A layout that writes down its labels."""

    def __init__(self):
        self.labels = []

    def column(self, **_):
        return self

    def label(self, text, icon="NONE"):
        self.labels.append((icon, text))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (reading(), [("CHECKMARK", "A red rose")]),
        (
            protocol.Reading(understood="a rose", passed_over=("big", "bad"), specimen=ROSE),
            [("CHECKMARK", "A rose"), ("INFO", "Passed over: big, bad")],
        ),
        (protocol.Reading(refusal="No locomotive"), [("ERROR", "No locomotive")]),
        (protocol.Reading(), []),
    ],
)
def test_the_panel_says_what_was_understood_passed_over_or_refused(script, monkeypatch, said, shown):
    from blender_addon.panels import generate

    monkeypatch.setattr(generate, "draw_text", lambda layout, context, text, icon: layout.label(text, icon))
    reader, layout = script.session.reader, Layout()
    generate.draw_understood(layout, None, PROMPT, script.session)
    assert not layout.labels
    reader._keep(PROMPT, said)
    generate.draw_understood(layout, None, PROMPT, script.session)
    assert layout.labels == shown


def test_while_the_next_letter_is_read_the_panel_shows_what_the_letters_before_it_say(script, monkeypatch):
    from blender_addon.panels import generate

    monkeypatch.setattr(generate, "draw_text", lambda layout, context, text, icon: layout.label(text, icon))
    reader, layout = script.session.reader, Layout()
    reader._keep(PROMPT, reading())
    reader.typed = PROMPT + " b"
    generate.draw_understood(layout, None, PROMPT + " b", script.session)
    assert layout.labels == [("CHECKMARK", "A red rose")]


def test_typing_starts_no_backend(addon):
    bpy.context.scene.anthesis.generate.prompt = PROMPT
    for _ in range(20):
        addon._turn()
    assert addon.running().session.state == "off" and not addon.running().session.jobs


@needs_backend
def test_what_is_typed_is_answered_by_a_backend_that_runs(addon):
    pump, settings = addon.running(), bpy.context.scene.anthesis.generate
    bpy.ops.anthesis.start_backend()
    until(lambda: pump.session.state == "ready", addon._turn)
    settings.prompt = "three red roses blooming, majestic"
    until(lambda: pump.session.reader.answer(settings.prompt), addon._turn)
    found = pump.session.reader.answer(settings.prompt)
    assert found.count == 3 and found.passed_over == ("majestic",) and "rose" in found.understood
    settings.text = bpy.data.texts.new("Long")
    settings.text.write("a locomotive")
    until(lambda: pump.session.reader.answer("a locomotive"), addon._turn)
    assert "locomotive" in pump.session.reader.answer("a locomotive").refusal


def test_a_job_on_hold_is_not_sent_before_it_is_released():
    from blender_addon.client.session import Session

    session, sent = Session("test"), []
    session.gateway.state = "ready"
    session.gateway.send = lambda call, payload=None: sent.append(call) or True
    job = session.submit(REQUEST, "held", hold=True)
    session._look_after_jobs()
    session.cancel(session.submit(REQUEST, "held as well", hold=True))
    assert not sent
    later = msgspec.structs.replace(REQUEST, specimen=ROSE)
    session.release(job, later, "released")
    assert [(call.job, call.request, call.title) for call in sent] == [(job, later, "released")]


# --- Orders


@pytest.fixture
def orders(script, monkeypatch):
    """What is ordered, of a backend that has read the prompt and has not answered more."""
    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    return script.pump.orders


def wish(count=0, variations=3, request=REQUEST):
    from blender_addon.orders import Wish

    return Wish(request, count, variations)


def know(script, count=1, said=None):
    script.session.reader._keep(PROMPT, said or reading(count))


def requests(script):
    return [job.request for job in script.session.jobs.values()]


def test_an_order_waits_for_its_prompt_to_be_read_and_then_says_what_the_words_say(script, orders):
    order = orders.place(wish(), (1, 2, 3))
    (job,) = script.session.jobs.values()
    assert job.held and not order.sent and script.session.reader._next() == PROMPT
    assert not orders.tick()
    know(script)
    assert orders.tick() and order.sent and not job.held and not orders.tick()
    assert job.request == msgspec.structs.replace(REQUEST, specimen=ROSE, count=1)


def test_a_bouquet_is_a_job_for_each_individual_with_a_seed_and_an_age_of_its_own(script, orders):
    know(script, count=8)
    orders.place(wish(variations=5), (0, 0, 0))
    assert [request.seed for request in requests(script)] == [protocol.child_seed(7, number) for number in range(5)]
    assert [request.age for request in requests(script)] == [-1, -0.5, 0, 0.5, 1]
    assert {(request.count, request.specimen) for request in requests(script)} == {(1, ROSE)}
    sites = [arrival.site for arrival in script.pump.arrivals.open.values()]
    assert sorted(slot for site in sites for slot in site.slots) == list(range(8))
    assert len({id(site.bed) for site in sites}) == 1


@pytest.mark.parametrize(("count", "variations", "jobs"), [(1, 3, 1), (2, 3, 2), (9, 3, 3), (9, 1, 1), (9, 12, 9)])
def test_there_are_no_more_individuals_than_objects(script, orders, count, variations, jobs):
    know(script, count=4)
    orders.place(wish(count, variations), (0, 0, 0))
    assert len(script.session.jobs) == jobs


def test_bouquets_of_neighbouring_seeds_share_no_individual(script, orders):
    know(script, count=12)
    for seed in (2**31 - 2, 2**31 - 1, 0, 1):
        orders.place(wish(variations=12, request=msgspec.structs.replace(REQUEST, seed=seed)), (0, 0, 0))
    assert len({request.seed for request in requests(script)}) == 4 * 12
    assert all(0 <= request.seed < 2**31 for request in requests(script))


def test_a_prompt_that_is_known_to_be_refused_is_answered_at_once_and_the_former_order_stays(script, orders):
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    before = dict(script.session.jobs)
    script.session.reader._answers[PROMPT] = protocol.Reading(refusal="Nobody can make this")
    with pytest.raises(ValueError, match="Nobody can make this"):
        orders.place(wish(), (0, 0, 0), replaced=order.id)
    assert script.session.jobs == before and orders.find(order.id) is order


def test_a_prompt_that_is_refused_later_fails_its_job_with_the_sentence(script, orders):
    orders.place(wish(), (0, 0, 0))
    know(script, said=protocol.Reading(refusal="Nobody can make this"))
    script.pump.tick()
    (job,) = script.session.jobs.values()
    assert job.state == "failed" and job.failure.text == "Nobody can make this"
    assert not script.pump.arrivals.open and not bpy.data.objects


def test_a_backend_that_cannot_say_is_asked_all_the_same(script, orders):
    orders.place(wish(), (0, 0, 0))
    know(script, said=protocol.Reading())
    assert orders.tick()
    (job,) = script.session.jobs.values()
    assert not job.held and job.request == REQUEST


def test_an_order_that_is_cancelled_before_it_was_read_is_never_sent(script, orders):
    order = orders.place(wish(), (0, 0, 0))
    (job,) = script.session.jobs.values()
    script.session.cancel(job.id)
    know(script, count=3)
    script.pump.tick()
    assert order.sent and job.held and job.state == "cancelled" and job.cancel is None
    assert len(script.session.jobs) == 1 and not script.pump.arrivals.open


def test_another_file_takes_an_order_away_that_was_not_sent(script, orders):
    orders.place(wish(), (0, 0, 0))
    bpy.ops.wm.read_homefile(use_empty=True)
    know(script)
    assert not script.session.jobs and not orders.tick()


def test_what_the_redo_panel_changes_takes_the_place_of_the_former_order(script, orders):
    know(script, count=3)
    order = orders.place(wish(), (0, 0, 0))
    former = set(script.session.jobs)
    wider = msgspec.structs.replace(REQUEST, specimen=protocol.SPECIES["rose"](petals=50), seed=70)
    second = orders.place(wish(2, request=wider), (0, 0, 0), replaced=order.id)
    third = orders.place(wish(2, request=msgspec.structs.replace(wider, seed=80)), (0, 0, 0), replaced=order.id)
    assert second.id == third.id == order.id
    (held,) = script.session.jobs.values()
    assert held.held and held.id not in former  # the slider still moves
    assert script.session._removing == former  # what was never sent need not be taken back
    third.due = 0.0
    orders.tick()
    seeds = [(request.specimen.petals, request.seed) for request in requests(script)]
    assert seeds == [(50, 80), (50, protocol.child_seed(80, 1))]
    assert set(script.pump.arrivals.open) == set(script.session.jobs)


def adopt(script, job, packed):
    """Let a job that was submitted have these records."""
    script.records[job] = [protocol.unpack(record) for record in packed]
    script.given[job] = script.allowed[job] = 0
    found = script.session.jobs[job]
    found.state, found.accepted = "running", True
    return found


def grown(seed=0, frames=5, colour=False, name="Rose", **said):
    """The records of a clip of a prism as the backend grows it: with a look of its own, and what it has `said`."""
    made = samples.prism(name)
    record, arrays, _ = samples.subject_of(made)
    record = msgspec.structs.replace(record, **said)
    records = samples.clip(record, arrays, frames=frames, colour=colour, seed=seed)
    bpy.data.meshes.remove(made.data)
    return [protocol.pack(each, values) for each, values in records]


def test_what_had_half_arrived_of_a_replaced_order_is_taken_away(script, orders):
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    job = adopt(script, order.jobs[0], grown())
    before = samples.blocks()
    script.give(job, 3)
    assert len(bpy.data.objects) == 1 and bpy.data.objects[0].data.shape_keys
    orders.place(wish(), (0, 0, 0), replaced=order.id)
    script.pump.tick()
    assert samples.blocks() == before


# --- A bouquet in the file


def bouquet(script, orders, count=7, variations=3, colour=True, said=({},)):
    """A whole one; `said` is what the backend says of the first individual, the second, and so on in turn."""
    know(script, count=count)
    order = orders.place(wish(variations=variations), (1.0, 2.0, 0.5))
    for number, job in enumerate(order.jobs):
        script.give(adopt(script, job, grown(seed=number, colour=colour, **said[number % len(said)])))
    return order


def gap():
    """The smallest distance of two objects on the floor, in metres."""
    flat = np.array([obj.location for obj in bpy.data.objects])[:, :2]
    return (np.linalg.norm(flat[:, None] - flat, axis=2) + 1000 * np.eye(len(flat))).min()


def test_a_bouquet_shares_the_meshes_of_its_individuals(script, orders):
    order = bouquet(script, orders)
    collection = bpy.data.collections[PROMPT]
    assert len(collection.objects) == 7 == len(bpy.data.objects)
    assert sorted(mesh.users for mesh in bpy.data.meshes) == [2, 2, 3]
    assert len(order.jobs) == 3 and not script.pump.arrivals.open
    for obj in collection.objects:
        assert obj.anthesis_specimen.to_record() == ROSE
        assert obj.anthesis_specimen.seed in [protocol.child_seed(7, number) for number in range(3)]


def test_a_bouquet_stands_around_the_cursor_on_its_floor_and_apart(script, orders):
    bouquet(script, orders, count=20)
    places = np.array([obj.location for obj in bpy.data.objects])
    assert (places[:, 2] == 0.5).all()
    flat = places[:, :2] - (1, 2)
    gaps = np.linalg.norm(flat[:, None] - flat, axis=2) + 100 * np.eye(20)
    assert gaps.min() > 3 > 0.5 * gaps.min()  # the prism is 3 wide
    assert np.linalg.norm(flat.mean(axis=0)) < gaps.min()
    assert len({round(obj.rotation_euler.z, 4) for obj in bpy.data.objects}) == 20
    assert {round(scale, 6) for obj in bpy.data.objects for scale in obj.scale} > {1.0}


@pytest.mark.parametrize("reaches", [(0.25, 0.25), (0.25, 8.0), (8.0, 0.25)])
def test_the_widest_that_one_gets_over_its_life_says_how_far_they_are_apart(script, orders, reaches):
    bouquet(script, orders, count=20, variations=2, said=[{"reach": reach} for reach in reaches])
    assert max(reaches) < gap() < 1.3 * max(reaches)


@pytest.mark.parametrize("reach", [float("nan"), float("inf"), -1.0])
def test_a_reach_that_is_none_is_as_unknown(script, orders, reach):
    bouquet(script, orders, count=4, said=[{"reach": reach}])
    assert 3 < gap() < 6


def test_those_that_were_moved_meanwhile_stay_where_they_are_when_the_others_make_room(script, orders):
    know(script, count=3)
    order = orders.place(wish(), (1.0, 2.0, 0.5))
    script.give(adopt(script, order.jobs[0], grown(reach=0.5, name="First")))
    script.give(adopt(script, order.jobs[1], grown(reach=0.5, name="Second")))
    first, second = bpy.data.objects["First"], bpy.data.objects["Second"]
    first.location, before = (5, 5, 5), second.location - Vector((1, 2, 0.5))
    script.give(adopt(script, order.jobs[2], grown(reach=2.0)))
    assert tuple(first.location) == (5, 5, 5)
    np.testing.assert_allclose(second.location - Vector((1, 2, 0.5)), before * 4, atol=1e-5)


def test_one_wind_blows_on_all_of_a_bouquet(script, orders):
    bouquet(script, orders, said=[{"windblown": True}])
    assert [obj.rotation_euler.z for obj in bpy.data.objects] == [0.0] * 7


def test_a_copy_lives_as_the_one_whose_mesh_it_shares(script, orders):
    from blender_addon.scene import clips

    bouquet(script, orders, count=2, variations=1)
    first, copy = sorted(bpy.data.objects, key=lambda obj: not clips.leads(obj))
    assert clips.leads(first) and not clips.leads(copy)
    bpy.context.scene.frame_set(4)
    first["Amount"] = 0.0
    copy["Amount"] = 1.0
    first.update_tag()
    copy.update_tag()
    bpy.context.view_layer.update()
    start = samples.colours(first.data)
    for obj in (first, copy):
        assert (samples.colours(samples.evaluated(obj).data) == start).all()
        np.testing.assert_array_equal(samples.positions(samples.evaluated(obj).data), samples.positions(obj.data))


def test_a_copy_can_be_given_a_life_of_its_own(script, orders):
    from blender_addon.scene import clips

    bouquet(script, orders, count=3, variations=1)
    first = next(obj for obj in bpy.data.objects if clips.leads(obj))
    copy, other = (obj for obj in bpy.data.objects if obj != first)
    clips.enliven(copy)
    assert clips.leads(copy) and clips.leads(first)
    assert other.data == first.data != copy.data


def test_what_is_imported_again_of_a_bouquet_is_one_object(script, orders):
    order = bouquet(script, orders, count=3, variations=1)
    script.pump.arrivals.again(order.jobs[0])  # which is one object, and no bouquet
    script.give(script.session.jobs[order.jobs[0]], 0)
    assert len(bpy.data.objects) == 4


# --- The specimen on the object


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


@needs_backend
def test_a_real_bouquet_sways_in_one_wind_and_its_plants_stand_apart(addon):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt, settings.frames, settings.variations = "five sunflowers swaying in a storm", 6, 2
    assert bpy.ops.anthesis.generate(wait=True, timeout=SECONDS) == {"FINISHED"}
    ways, circles = [], []
    for obj in bpy.data.objects:
        turned = np.array(obj.matrix_world.to_3x3())
        keys = key_positions(obj) @ turned.T
        moved = (keys[:, :, :2] - keys.mean(axis=0)[:, :2]).reshape(-1, 2)
        ways.append(np.linalg.svd(moved, full_matrices=False)[2][0])  # along which it moves most
        circles.append((np.array(obj.location)[:2], np.linalg.norm(keys[:, :, :2], axis=2).max()))
    assert np.abs(np.array(ways) @ ways[0]).min() > 0.95
    for number, (place, radius) in enumerate(circles):
        assert all(np.linalg.norm(place - other) > radius + wide for other, wide in circles[:number])


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
