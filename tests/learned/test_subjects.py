"""A subject of one's own, from a job: the model and where it lies, what is kept of a job that stops, what is said where
it cannot be learnt.

The model that learns is a seedling that has learnt nothing, in a few steps: whether a subject is learnt is tested with
its training.
"""

import importlib.util
import io
import json
import os
import re
import signal
import uuid
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xxhash
from PIL import Image

from backend import models, pipelines, protocol, saved, wire
from backend.pipelines import finishing, learning, mvdream, recipes, subjects, trained, views_of
from backend.pipelines.kept import files_of
from backend.priors.seedling import Seedling, Sizes
from backend.report import Cancelled, Varying, silent
from backend.training.checkpoint import FILE, Checkpoint
from backend.training.disk import DiskFull
from backend.training.loop import Diverged
from backend.training.multiview import subject
from backend.training.plan import Budget
from tests.service_client import Client, Server

TINY = Sizes(side=8, widths=(16, 16), heads=2, groups=4, text=8, tokens=4)
MUG = "zebedee mug"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model") / "seedling"
    Seedling.fresh(TINY, ("a", "lamp", "mug")).save(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def quick(monkeypatch):
    budgets = {"subject": Budget(6, 2, 1e-3)}
    monkeypatch.setattr(subject, "SEEDLING", replace(subject.SEEDLING, budgets=budgets, saved=100, told=1))


def file(seed=0, size=(80, 64), kind="PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind)
    return written.getvalue()


def brought(*files: bytes) -> bytes:
    """A PicturesRecord."""
    files = files or tuple(file(seed) for seed in range(3))
    arrays = {f"file_{number}": np.frombuffer(data, np.uint8) for number, data in enumerate(files)}
    names = tuple(f"{number}.png" for number in range(len(files)))
    return bytes(protocol.pack(protocol.PicturesRecord(names=names), arrays))


def asked(model, /, **more) -> protocol.LearnSubject:
    return protocol.LearnSubject(**{"known_as": "zebedee", "of": "mug", "model": model} | more)


def learnt(request, pictures=None, report=silent) -> tuple[list, list[str]]:
    """The records as they came, and all that was told."""
    told = []

    def telling(done: float, text: str) -> None:
        assert 0 <= done <= 1
        told.append(text)
        report(done, text)

    return list(pipelines.carry_out(request, pictures or brought(), telling)), told


def stopping(at: str):
    def report(done: float, text: str) -> None:
        if text.startswith(at):
            raise Cancelled

    return report


def test_a_subject_is_learnt_and_is_a_model_by_its_name(model, quick, home):
    records, told = learnt(asked(model))
    (packed,) = records
    certificate, _ = protocol.unpack(packed)
    assert isinstance(packed, Varying) and certificate.summary == '"zebedee mug", from 3 pictures, 6 steps'
    measured = {name: value for name, value, _ in certificate.measured}
    assert (measured["pictures"], measured["steps"]) == (3, 6) and {"noise left", "moved"} < measured.keys()
    assert told[0] == "Loading the model"
    assert told[-2:] == ["Looking at what was learnt", "Keeping what was learnt"]
    assert [text for text in told if text.startswith("Reading")] == [f"Reading picture {n} of 3" for n in (1, 2, 3)]
    assert [text for text in told if text.startswith("Learning")][-1] == "Learning: subject, step 6 of 6"
    folder = home / "subjects" / "zebedee-mug"
    assert Seedling.load(folder).unread(MUG) == [] and "zebedee mug" in (folder / "README.md").read_text()
    assert not list((home / "cache" / "subjects").iterdir())
    assert pipelines.capabilities().subjects == subjects.names() == (MUG,)
    seen = [*pipelines.carry_out(protocol.Views(prompt="a Zebedee mug", model=f" {MUG} ", steps=2), None, silent)]
    _, views = wire.unpack_views(seen[-2])
    assert views.passed_over == () and views_of.folder_of(MUG) == folder
    assert files_of(MUG) == files_of(str(folder)) != []


def test_a_mesh_of_a_subject_is_distilled_from_what_has_learnt_it(model, quick, home, monkeypatch):
    plan = replace(subject.SEEDLING, budgets={"subject": Budget(40, 4, 3e-3)})
    monkeypatch.setattr(subject, "SEEDLING", plan)
    learnt(asked(model))
    fields, finished = [], finishing.finished

    def finishing_it(field, *how):
        fields.append(field.raw.detach().clone())
        return finished(field, *how)

    monkeypatch.setattr(finishing, "finished", finishing_it)
    request = protocol.TextToMesh(prompt="a zebedee mug", model=MUG, steps=5, faces=300)
    *_, packed, _ = pipelines.carry_out(request, None, silent)
    record, _ = protocol.unpack(packed)
    assert (record.name, record.understood, record.passed_over) == ("A zebedee mug", ("a zebedee mug",), ())
    assert 200 <= len(wire.unpack_mesh(packed)[0].triangles) <= 300

    def distilled(prior: Seedling) -> torch.Tensor:
        recipe, of = recipes.SEEDLING.at(TINY.side).asked(request.steps), (prior, request.prompt, request.negative)
        *_, start = mvdream.views(*of, 4, mvdream.ELEVATION, request.seed, recipe.sampling)
        going = mvdream.Distillation(*of, recipe, request.seed, start)
        assert len([*going]) == request.steps
        return going.field.raw.detach()

    (found,) = fields
    own = distilled(Seedling.load(home / "subjects" / "zebedee-mug"))
    subject.with_words(Seedling.load(model), ["zebedee"], 0).save(home / "first")  # what it was before it had learnt
    torch.testing.assert_close(found, own, rtol=0, atol=1e-4)
    assert (found - distilled(Seedling.load(home / "first"))).abs().max() > 0.1


def test_the_model_that_learns_a_second_subject_may_be_of_the_first(model, quick, home):
    learnt(asked(model))
    learnt(asked(MUG, known_as="Doug al", of=""))
    assert Seedling.load(home / "subjects" / "doug-al").unread("a zebedee doug al") == []
    os.utime(home / "subjects" / "zebedee-mug", (0, 0))
    assert subjects.names() == ("Doug al", MUG)
    (home / "subjects" / "doug-al" / "subject.json").write_text("{")
    assert subjects.names() == (MUG,) and subjects.found("Doug al") is None


def test_what_was_cancelled_is_gone_on_with(model, quick, home):
    with pytest.raises(Cancelled):
        learnt(asked(model), report=stopping("Learning: subject, step 4"))
    (kept,) = (home / "cache" / "subjects").iterdir()
    assert (kept / "checkpoint.pt").is_file() and subjects.names() == ()
    for other in ({"seed": 1}, {"effort": 0.5}, {"known_as": "dougal"}):
        with pytest.raises(Cancelled):
            learnt(asked(model, **other), report=stopping("Learning: subject, step 2"))
    with pytest.raises(Cancelled):
        learnt(asked(model), brought(*(file(seed) for seed in range(4))), stopping("Learning: subject, step 2"))
    assert len([*(home / "cache" / "subjects").iterdir()]) == 5
    _, told = learnt(asked(model))
    assert next(text for text in told if text.startswith("Learning")) == "Learning: subject, step 4 of 6"
    assert not kept.exists() and subjects.names() == (MUG,)


def test_a_job_that_died_when_all_was_done_is_done(model, quick):
    (first,), _ = learnt(asked(model))
    (again,), told = learnt(asked(model))
    assert not [text for text in told if text.startswith("Learning")]
    assert protocol.unpack(again)[0].measured[:-1] == protocol.unpack(first)[0].measured[:-1]


def test_a_name_that_is_taken_is_refused_and_what_has_it_stays(model, quick, home):
    learnt(asked(model))
    before = (home / "subjects" / "zebedee-mug" / "subject.json").read_bytes()
    for other in ({"seed": 1}, {"known_as": "ZEBEDEE "}):
        with pytest.raises(learning.Unlearnable, match=r"has been learnt already: choose another name, or delete the"):
            learnt(asked(model, **other))
    assert (home / "subjects" / "zebedee-mug" / "subject.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "files", "sentence"),
    [
        ({}, (file(), b"no picture", file()), "1.png is not a picture that can be read: save it as one of .png"),
        ({}, (file(), file(), file()[:3000]), "2.png is broken or cut off"),
        ({}, (file(), file(), file(size=(200, 40))), "2.png has 40 x 200 pixels, which show too little: 64 a side"),
        ({"known_as": "one two three four"}, (), "reads 4 words, and not mug behind them: name less"),
        (
            {"known_as": "my teapot", "of": "melt"},
            (),
            "in a prompt it would say what happens to a thing: choose another na",
        ),
        ({"known_as": "mvdream", "of": ""}, (), "for a public model has that name: choose another name"),
        ({"model": "mvdream"}, (), "MVDream on 2.1 needs a GPU, and torch finds none"),
        ({"model": "nowhere"}, (), "No model lies in nowhere: train one"),
        ({"model": ""}, (), "No trained model of views comes with this version: train one"),
    ],
)
def test_what_cannot_be_learnt_is_said_and_leaves_nothing(model, quick, home, monkeypatch, changed, files, sentence):
    monkeypatch.setattr(views_of, "WEIGHTS", home / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError) as refused:
        learnt(asked(model, **changed), brought(*files))
    failure = pipelines.failure(refused.value)
    assert sentence in failure.text and failure.code == "unsupported" and len(failure.text) < 600
    assert not (home / "subjects").exists()


@pytest.mark.parametrize(
    ("error", "kind", "code", "sentence"),
    [
        (
            DiskFull("2.0 GB are needed"),
            learning.NoRoom,
            "disk_full",
            "(2.0 GB are needed): make room, and press Learn",
        ),
        (OSError(28, "No space left"), learning.NoRoom, "disk_full", "(No space left): make room"),
        (Diverged("The loss is not a number"), learning.Unlearnable, "unsupported", "choose another Seed, or less"),
        (torch.OutOfMemoryError("x"), trained.TooLittleMemory, "unsupported", "too little memory to learn by this"),
    ],
)
def test_a_training_that_breaks_off_says_what_to_do(model, quick, monkeypatch, error, kind, code, sentence):
    def train(*_):
        raise error

    monkeypatch.setattr(subject, "train", train)
    with pytest.raises(kind) as refused:
        learnt(asked(model))
    failure = pipelines.failure(refused.value)
    assert sentence in failure.text and failure.code == code


def test_what_is_learnt_in_parts_for_want_of_memory_says_so(model, quick, monkeypatch):
    predict = Seedling.predict

    def short(self, x_t, t, given):
        if len(x_t) > 1 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("short")
        return predict(self, x_t, t, given)

    monkeypatch.setattr(Seedling, "predict", short)
    (packed,), told = learnt(asked(model))
    said = "The GPU's memory is short: it learns from 1 picture at a time, which takes longer"
    assert protocol.unpack(packed)[0].summary == f'"zebedee mug", from 3 pictures, 6 steps. {said}'
    assert f"Learning: subject, step 2 of 6. {said}" in told


@pytest.mark.parametrize("spoil", ["damaged", "of before"])
def test_what_cannot_be_gone_on_with_begins_anew_and_says_so(model, quick, home, spoil):
    with pytest.raises(Cancelled):
        learnt(asked(model), report=stopping("Learning: subject, step 4"))
    (kept,) = (home / "cache" / "subjects").iterdir()
    if spoil == "damaged":
        (kept / FILE).write_bytes((kept / FILE).read_bytes()[:1000])
    else:
        found = Checkpoint.read(kept)
        replace(found, sizes=found.sizes | {"base": "as it was told then"}).write(kept)
    there = (kept / FILE).read_bytes()
    (packed,), told = learnt(asked(model))
    assert "What was kept of it cannot be gone on with, and it begins anew" in told
    assert "Learning: subject, step 1 of 6" in told
    certificate, _ = protocol.unpack(packed)
    assert "6 steps; what was kept of it could not be gone on with, and it began anew (" in certificate.summary
    assert (home / "subjects" / "zebedee-mug").is_dir() and not kept.exists()
    assert (kept.with_name(f"{kept.name}.aside") / FILE).read_bytes() == there


def test_short_memory_loses_nothing_of_what_was_kept(model, quick, home, monkeypatch):
    with pytest.raises(Cancelled):
        learnt(asked(model), report=stopping("Learning: subject, step 4"))

    def short(path):
        raise MemoryError(f"There is too little memory to read {path.name}")

    with monkeypatch.context() as patch:
        patch.setattr(saved, "read", short)
        with pytest.raises(trained.TooLittleMemory, match="close other programs, and press Learn Subject again"):
            learnt(asked(model))
    _, told = learnt(asked(model))
    assert "Learning: subject, step 4 of 6" in told and "Learning: subject, step 1 of 6" not in told


@pytest.mark.parametrize("error", [DiskFull("2.0 GB are needed"), OSError(28, "No space left on device")])
def test_who_cancels_it_has_cancelled_it_on_a_full_disk_too(model, quick, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(Checkpoint, "write", full)
    with pytest.raises(Cancelled):
        learnt(asked(model), report=stopping("Learning: subject, step 4"))
    with pytest.raises(learning.NoRoom):
        learnt(asked(model))


def test_each_name_has_a_folder_of_its_own(home):
    def put(folder: Path, called: str) -> Path:
        folder.mkdir(parents=True)
        told = {"called": called, "key": called, "steps": 1, "scores": {}}
        (folder / subjects.FILE).write_text(json.dumps(told))
        return folder

    long = "a mug of zebedee " * 6
    names = [MUG, "zebedee-mug", "zebedee, mug", "zebedee_mug", long + "one", long + "two", "Straße mug", "mug!", "mug"]
    for called in names:
        put(subjects.place(called), called)
    folders = {subjects.found(called) for called in names}
    assert len(folders) == len(names) and {folder.parent for folder in folders} == {home / "subjects"}
    assert all(len(folder.name.encode()) < 255 for folder in folders)
    for called in names:
        assert subjects.read(subjects.found(called)).called == called
        assert subjects.found(f"  {called.upper()} ") == subjects.found(called)
    assert subjects.found(MUG) == home / "subjects" / "zebedee-mug"
    assert subjects.found("mug?") is None and subjects.found("zebedee; mug") is None


def test_folders_of_before_are_found_and_give_way_to_no_other(home):
    def put(name: str, called: str) -> Path:
        folder = home / "subjects" / name
        folder.mkdir(parents=True)
        told = {"called": called, "key": called, "steps": 1, "scores": {}}
        (folder / subjects.FILE).write_text(json.dumps(told))
        return folder

    before = put("zebedee-mug", "Zebedee-mug")
    long = "a mug of zebedee " * 6
    cut = put("a-mug-of-zebedee-a-mug-of-zebedee-a-mug-of-zebedee-a-mug-of-", long + "one")
    assert subjects.place("zebedee-MUG") == subjects.found("Zebedee-mug") == before
    sharp = put("straße-mug", "Straße mug")
    assert subjects.place(long + "one") == cut and subjects.found("straße mug") == sharp
    for other in (MUG, long + "two"):
        assert subjects.found(other) is None and not subjects.place(other).exists()
    damaged = put("doug-al", "doug al")
    (damaged / subjects.FILE).write_text("{")
    assert subjects.place("doug al") == damaged  # to be deleted, as is said then


@pytest.mark.parametrize("beside", [True, False])
def test_a_public_model_learns_by_its_own_file_where_its_words_lie_beside_it(monkeypatch, tmp_path, beside):
    weights = tmp_path / "sd-v2.1-base-4view.pt"
    weights.write_bytes(b"")
    if beside:
        (tmp_path / "tokenizer").mkdir()
    found = SimpleNamespace(folder=tmp_path, files={weights.name: weights})
    monkeypatch.setattr(views_of, "prior_of", lambda named: None)
    monkeypatch.setattr(models, "found", lambda model: found)
    if beside:
        assert learning._base("mvdream") == weights
    else:
        with pytest.raises(trained.NoModel, match="learns where its tokenizer lies beside it"):
            learning._base("mvdream")


def test_without_its_libraries_it_names_them(model, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cv2" else found(name))
    with pytest.raises(protocol.BadMessage, match="Pictures are needed: choose a folder of them"):
        [*pipelines.carry_out(asked(model), None, silent)]
    with pytest.raises(ValueError, match=r"Not installed: opencv-python-headless\. Press Install"):
        learnt(asked(model))


def test_it_goes_through_the_service_and_survives_the_end_of_its_worker(model, tmp_path):
    request, pictures, job = asked(model, effort=0.4), brought(), uuid.uuid4().hex
    with Server(tmp_path, runner="backend.pipelines") as server, Client(server.connection) as client:
        client.put(pictures)
        blob = xxhash.xxh3_128_hexdigest(pictures)
        submit = protocol.Submit(job=job, request=request, title="Learn", blob=blob)
        client.ask(submit, protocol.Accepted)
        late = r"Learning: subject, step 1[1-9]\d of 240"  # behind what is kept every 100 steps
        client.wait(job, "running", seconds=240, when=lambda state: re.fullmatch(late, state.text))
        os.kill(server.worker().pid, signal.SIGKILL)
        again = client.wait(
            job, "running", seconds=240, when=lambda state: state.attempt == 2 and state.text.startswith("Learning")
        )
        assert int(re.search(r"step (\d+)", again.text)[1]) > 100
        assert client.wait(job, seconds=240).state == "done"
        assert client.ask(protocol.Ping(), protocol.Pong).engines.subjects == (MUG,)
        records, _ = client.fetch(job)
        assert len(records) == 1
    told = json.loads((tmp_path / "subjects" / "zebedee-mug" / "subject.json").read_text())
    assert (told["called"], told["steps"]) == (MUG, 240)
