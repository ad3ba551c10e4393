"""A subject of the artist: its pictures on their way, what is asked for and refused, the choice of what was learnt."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol, wire  # noqa: E402
from blender_addon import job_list  # noqa: E402
from blender_addon.scene import album  # noqa: E402
from tests.blender.drawing import drawn  # noqa: E402
from tests.blender.picturing import SENTENCE  # noqa: E402
from tests.blender.test_panel import assert_made_from  # noqa: E402

MUG = "zebedee mug"
LEARN = protocol.LearnSubject(known_as="zebedee", of="mug")
UNTRAINED = "No trained model of views comes with this version: train one"


@pytest.fixture
def folder(tmp_path):
    """Three pictures, and what is none."""
    place = tmp_path / "pictures"
    place.mkdir()
    for number, name in enumerate(("c.png", "a.JPG", "b.webp")):
        (place / name).write_bytes(bytes([number]) * (5 + number))
    (place / "notes.txt").write_text("of my mug")
    return place


def settle(folder, **values):
    settings = bpy.context.scene.anthesis
    for name, value in ({"pictures": str(folder), "known_as": " zebedee", "of": "mug"} | values).items():
        setattr(settings.subject, name, value)
    return settings


def test_the_pictures_travel_as_they_lie_there_with_what_is_asked_for(asked, folder):
    settle(folder, effort=0.3, seed=7, model="mine")
    assert bpy.ops.anthesis.learn_subject() == {"FINISHED"}
    ((request, title, (record, arrays)),) = asked
    assert request == protocol.LearnSubject(known_as=" zebedee", of="mug", effort=0.3, seed=7, model="mine")
    assert title == 'Learn "zebedee mug"' and record.names == ("a.JPG", "b.webp", "c.png")
    assert wire.unpack_pictures(protocol.pack(protocol.PicturesRecord(names=record.names), arrays)) == [
        ("a.JPG", b"\1" * 6), ("b.webp", b"\2" * 7), ("c.png", b"\0" * 5)
    ]  # fmt: skip


def test_a_folder_beside_the_file_is_found(asked, folder, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settle("//pictures")
    assert bpy.ops.anthesis.learn_subject() == {"FINISHED"} and len(asked) == 1


def test_the_settings_are_those_of_the_request(addon):
    assert_made_from(bpy.context.scene.anthesis.subject, protocol.LearnSubject)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"known_as": " "}, "The subject has no name: type one, best a word that means nothing else"),
        ({"known_as": "!?"}, "The subject has no name"),
        ({"known_as": "x" * 41}, "The name has 41 letters and 40 are allowed: shorten it"),
        ({"of": "x" * 50}, "The kind has 50 letters"),
        (
            {"known_as": "Rose", "of": "Vase"},
            '"Rose Vase" has been learnt already: choose it as the subject, or another',
        ),
        ({"pictures": "/nowhere/at all"}, "There is no folder /nowhere/at all: choose the one that"),
    ],
)
def test_what_cannot_be_learnt_is_answered_with_words_and_no_job(asked, folder, said, values, sentence):
    said(subjects=("rose vase",))
    settle(folder, **values)
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.anthesis.learn_subject()
    assert not asked


def test_as_many_pictures_as_it_takes(asked, folder):
    settle(folder)
    for number in range(7):
        (folder / f"{number}.png").write_bytes(b"x")
    assert bpy.ops.anthesis.learn_subject() == {"FINISHED"}  # ten
    (folder / "more.bmp").write_bytes(b"x")
    with pytest.raises(RuntimeError, match="has 11 pictures, and 3 to 10 are wanted: take some out"):
        bpy.ops.anthesis.learn_subject()
    for path in folder.glob("*.*"):
        if path.name not in ("a.JPG", "notes.txt", "more.bmp"):
            path.unlink()
    with pytest.raises(RuntimeError, match="has 2 pictures, and 3 to 10 are wanted: add some"):
        bpy.ops.anthesis.learn_subject()
    for name in ("a.JPG", "more.bmp"):
        (folder / name).unlink()
    with pytest.raises(RuntimeError, match=r"has 0 pictures \(\.png, \.jpg, .*: add some"):
        bpy.ops.anthesis.learn_subject()
    assert len(asked) == 1


def test_what_cannot_be_read_or_sent_is_named(folder, monkeypatch):
    (folder / "b.webp").unlink()
    (folder / "b.webp").mkdir()
    with pytest.raises(ValueError, match=r"b\.webp cannot be read \(Is a directory\): copy it again"):
        album.read(str(folder))
    (folder / "b.webp").rmdir()
    (folder / "b.webp").write_bytes(b"x")
    monkeypatch.setattr(album, "_bytes", lambda path: np.zeros(80 * 1024**2, np.uint8))
    with pytest.raises(ValueError, match=r"too large \(file_0 has 83,886,080 bytes; .*: save them smaller"):
        album.read(str(folder))


def test_the_button_is_grey_until_it_can_work(asked, folder, said):
    said()
    settle("")
    button = bpy.ops.anthesis.learn_subject
    with pytest.raises(RuntimeError, match="Choose the folder of its pictures first"):
        button()
    settings = settle(folder)
    for lacking, enough in (({}, True), ({"lacking": SENTENCE}, False), ({"no_views": UNTRAINED}, False)):
        said(**lacking)
        assert button.poll() == enough
    settings.subject.model = "mine"
    assert button.poll()


# --- What was learnt


def test_it_is_chosen_when_it_is_learnt_and_again_when_it_is_imported(script, said):
    settings = bpy.context.scene.anthesis.text_to_mesh
    packed = protocol.pack(protocol.Certificate(summary="learnt"), {})
    job = script.job(LEARN, [packed])
    assert settings.model == ""
    script.give(job)
    assert settings.model == MUG and job.id not in script.pump.arrivals.open
    row = job_list.shown(job, script.pump)
    assert row["text"] == 'Learnt as "zebedee mug". Say "zebedee mug" in the prompt' and row["importable"]
    said(subjects=("other thing", MUG))
    assert settings.subject == MUG
    settings.subject = "NONE"
    assert settings.model == ""
    bpy.ops.anthesis.import_again(job=job.id)
    script.give(job)
    assert settings.model == MUG
    assert not bpy.data.objects and not bpy.data.images


def test_one_that_was_cancelled_says_how_to_go_on_and_chooses_nothing(script):
    job = script.job(LEARN, [protocol.pack(protocol.Certificate(), {})])
    job.text = "Learning: subject, step 3 of 600"
    assert job_list.shown(job, script.pump)["text"] == job.text
    job.state = "uploading"
    job.text = ""
    assert job_list.shown(job, script.pump)["text"] == "Sending the pictures"
    job.state = "cancelled"
    script.pump.tick(1.0)
    row = job_list.shown(job, script.pump)
    assert row["text"].startswith("Cancelled. Learn Subject again, with the same pictures") and not row["importable"]
    assert bpy.context.scene.anthesis.text_to_mesh.model == "" and job.id not in script.pump.arrivals.open


def test_the_one_that_is_chosen_makes_views_and_meshes(script, said, monkeypatch):
    wanted = []
    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    monkeypatch.setattr(
        script.session, "submit", lambda request, *_, **__: wanted.append(request) or f"{len(wanted):032x}"
    )
    said(subjects=(MUG, "Dougal"), no_views=UNTRAINED)
    settings = bpy.context.scene.anthesis.text_to_mesh
    settings.prompt = "a zebedee mug on a log"
    assert not bpy.ops.anthesis.make_views.poll()
    settings.subject = MUG
    assert (settings.model, settings.subject) == (MUG, MUG)
    bpy.ops.anthesis.make_views()
    bpy.ops.anthesis.make_mesh()
    assert [type(request).__struct_config__.tag for request in wanted] == ["views", "text_to_mesh"]
    assert {request.model for request in wanted} == {MUG}


def test_none_leaves_a_model_that_is_no_subjects(said):
    said(subjects=(MUG,))
    settings = bpy.context.scene.anthesis.text_to_mesh
    settings.model = "mvdream"
    assert settings.subject == "NONE"
    settings.subject = "NONE"
    assert settings.model == "mvdream"
    settings.subject = MUG
    said(subjects=())  # its folder was deleted
    assert settings.subject == "NONE" and settings.model == MUG


def test_the_panel_offers_what_there_is_and_minds_the_prompt(script, said):
    from blender_addon.panels import text_to_mesh as panels

    panel, settings = panels.ANTHESIS_PT_text_to_mesh, bpy.context.scene.anthesis.text_to_mesh
    script.pump.packages.has_learned = True
    assert "subject" not in drawn(panel).named("prop")
    said(subjects=(MUG, "Dougal"))
    settings.prompt = "a red mushroom"
    shown = drawn(panel)
    assert "subject" in shown.named("prop") and shown.text == ""
    settings.prompt = "my  Zebedee Mug"
    assert '"zebedee mug" is a subject that was learnt: choose it' in drawn(panel).text
    settings.subject = MUG
    assert drawn(panel).text == ""
    settings.subject = "Dougal"
    assert 'Say "Dougal" in the prompt' in drawn(panel).text


def test_the_box_shows_what_is_asked_for_and_what_is_lacking(script, said):
    from blender_addon.panels.text_to_mesh import ANTHESIS_PT_text_to_mesh_subject as panel

    shown = drawn(panel)
    assert set(shown.named("prop")) == {*protocol.LearnSubject.__struct_fields__, "pictures"}
    assert shown.named("operator") == ["anthesis.learn_subject"] and "once the backend runs" in shown.text
    said(no_views=f"{UNTRAINED}.")
    assert UNTRAINED in drawn(panel).text
    said()
    assert drawn(panel).text == ""


def test_news_of_a_subject_are_asked_for_at_once(script):
    session, job = script.session, script.job(LEARN, [])
    session.gateway._pinged_at = 1e12
    news = protocol.JobState(job=job.id, state="running", title="", request=LEARN)
    session._hear_state(news, job)
    assert session.gateway._pinged_at == 1e12
    session._hear_state(msgspec.structs.replace(news, state="done"), job)
    assert session.gateway._pinged_at < 0
