"""What is understood of a prompt while one types."""

import time

import msgspec
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from tests.blender.addon import needs_backend, until  # noqa: E402
from tests.blender.ordering import PROMPT, REQUEST, ROSE, reading  # noqa: E402


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
