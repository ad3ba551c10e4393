"""Words to a mesh and its life: records, what is kept of a job that stops, what is said where it cannot be done.

The prior is a seedling that has learnt nothing. What is distilled, and the mesh of it, are stand-ins that cost nothing,
but for the test that says so: they have tests of their own.
"""

import errno
import gc
import json
import re
import uuid
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
import trimesh

from backend import guidance, images, models, pipelines, protocol, wire
from backend.clip import Mesh, Texture
from backend.commands import interrupt, run
from backend.files import npz
from backend.pipelines import finishing, mvdream, recipes, text_to_mesh, trained, views_of
from backend.pipelines.kept import Kept
from backend.pipelines.processes.process import NotForThis
from backend.priors import stable
from backend.priors.seedling import Seedling, Sizes
from backend.report import Cancelled, Glimpse, Preview, Varying, silent
from kernels.compiling import announce
from tests.service_client import Client, Server

TINY = Sizes(side=16, widths=(8, 16), heads=2, groups=4, text=16)
STEPS = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    Seedling.fresh(TINY, ("red", "mushroom", "a", "of"), seed=3).save(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "cache" / "text_to_mesh"


class Field:
    """As mvdream.Distillation: it takes a step by counting it, and keeps the number."""

    breaks: dict[int, Exception] = {}
    full: OSError | None = None
    made: list["Field"] = []

    def __init__(self, prior, text, negative, recipe, seed, start=None, kept=None):
        self.text, self.negative, self.recipe, self.start, self.kept = text, negative, recipe, start, kept
        self.prior, self.step, self.said, self.began, self.unkept = prior, 0, "", 0, self.full
        if kept is not None and kept.exists():
            self.step = self.began = int(kept.read_text())
        self.made.append(self)

    @property
    def field(self):
        return self.step

    def __iter__(self):
        try:
            while self.step < self.recipe.steps:
                if error := self.breaks.pop(self.step + 1, None):
                    raise error
                self.step += 1
                yield mvdream.Step(self.step, self.recipe.steps, 0.0, self.show)
        finally:
            if self.step:
                self.kept.parent.mkdir(parents=True, exist_ok=True)
                self.kept.write_text(str(self.step))

    def show(self):
        return np.full((4, 8, 8, 3), self.step, np.uint8)


def slab(field, faces, size, shading) -> Mesh:
    """Two triangles that say what they were made of: steps in red, and a roughness where it was asked for."""
    vertices = np.array([[0, 0, 0], [size, 0, 0], [size, 0, size], [0, 0, size]], np.float32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = field
    texture = Texture(images.png(picture), images.png(np.full((4, 4), 51, np.uint8)) if shading else None)
    albedo = protocol.srgb_to_linear(np.tile(picture[0, 0] / 255, (4, 1)))
    return Mesh.from_triangles(vertices, [[0, 1, 2], [0, 2, 3]], uv=uv, texture=texture, albedo=albedo)


@pytest.fixture
def quick(monkeypatch):
    """Distilling and finishing in no time."""
    monkeypatch.setattr(mvdream, "Distillation", Field)
    monkeypatch.setattr(finishing, "finished", slab)
    monkeypatch.setattr(Field, "breaks", {})
    monkeypatch.setattr(Field, "made", [])
    monkeypatch.setattr(
        recipes, "SEEDLING", replace(recipes.SEEDLING, sampling=replace(recipes.SEEDLING.sampling, steps=2))
    )
    return Field


def asked(model: str, prompt: str = "a red mushroom", **more) -> protocol.TextToMesh:
    return protocol.TextToMesh(**{"prompt": prompt, "steps": STEPS, "model": model, "frames": 3, "faces": 300} | more)


def carried_out(request, report=silent) -> list[tuple]:
    """(the record as it came, header, arrays)."""
    return [(packed, *protocol.unpack(packed)) for packed in pipelines.carry_out(request, None, report)]


def kinds(records: list[tuple]) -> list[str]:
    return [type(record).__name__ for _, record, _ in records]


def stopping(at: str):
    """A report that stops where its text begins so."""

    def report(done: float, text: str) -> None:
        assert 0 <= done <= 1
        if text.startswith(at):
            raise Cancelled

    return report


def test_records_of_a_mesh_that_is_still(model, quick):
    records = carried_out(asked(model, size=0.5))
    assert kinds(records) == ["ViewsRecord"] * (1 + STEPS) + ["Subject", "Certificate"]
    *glimpses, (_, subject, arrays), (last, certificate, _) = records
    assert all(isinstance(packed, Glimpse) and record.preview for packed, record, _ in glimpses)
    assert [record.step for _, record, _ in glimpses[:3]] == [0, 1, 1]  # no new one within a second
    assert glimpses[0][2]["pixels"].shape == (4, 16, 16, 3)  # the views that it begins with
    assert {record.azimuths for _, record, _ in glimpses} == {(0, np.pi / 2, np.pi, 3 * np.pi / 2)}
    assert (subject.name, subject.frames, subject.understood) == ("A red mushroom", 0, ("a red mushroom",))
    assert (arrays["texture"] == [STEPS, 0, 0]).all() and arrays["vertices"].max() == 0.5
    assert "texture_roughness" not in arrays
    assert isinstance(last, Varying) and ("steps", STEPS, "") in certificate.measured
    assert "time of a step" in {name for name, _, _ in certificate.measured}


def test_shading_gives_a_roughness(model, quick):
    *_, (_, _, arrays), _ = carried_out(asked(model, shading=True))
    assert (arrays["texture_roughness"] == 51).all()
    assert quick.made[-1].recipe.shading and not recipes.SEEDLING.shading


def test_one_line_makes_it_and_lets_it_live(model, quick):
    records = carried_out(asked(model, "a red mushroom on a log, rusting slowly", preview=True))
    assert kinds(records)[1 + STEPS :] == ["Subject", *["FrameRecord"] * (len(records) - STEPS - 3), "Certificate"]
    whole = [record for packed, record, _ in records if isinstance(record, protocol.FrameRecord) and not record.preview]
    assert [(frame.index, frame.tau) for frame in whole] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert any(
        isinstance(packed, Preview) and isinstance(record, protocol.FrameRecord) for packed, record, _ in records
    )
    subject = next(record for _, record, _ in records if isinstance(record, protocol.Subject))
    assert subject.understood == ("a red mushroom on a log", "rusting slowly") and subject.frames == 3
    assert (subject.passed_over, subject.process) == (("log",), "rust")
    assert quick.made[-1].text == "a red mushroom on a log"
    measured = {name for name, _, _ in records[-1][1].measured}
    assert {"largest displacement", "steps", "time of a step"} <= measured


def test_stages_that_are_chosen_win_over_the_words(model, quick):
    rust = (protocol.Stage(process=protocol.Rust()),)
    records = carried_out(asked(model, "a red mushroom, melting", stages=rust, preview=False))
    subject = next(record for _, record, _ in records if isinstance(record, protocol.Subject))
    assert (subject.understood, subject.passed_over) == (("a red mushroom", "rust"), ("melting",))
    assert quick.made[-1].text == "a red mushroom"


def test_what_was_cancelled_is_gone_on_with_and_then_forgotten(model, quick, home):
    with pytest.raises(Cancelled):
        carried_out(asked(model), stopping("Optimising, step 4"))
    (kept,) = home.iterdir()
    assert {path.name for path in kept.iterdir()} == {"views", "field"}
    records = carried_out(asked(model))
    assert [one.began for one in quick.made] == [0, 3]
    np.testing.assert_array_equal(quick.made[0].start, quick.made[1].start)
    assert kinds(records) == ["ViewsRecord"] * (1 + STEPS) + ["Subject", "Certificate"]  # as many as without a break
    assert not list(home.iterdir())


def test_it_can_be_taken_as_it_is_and_still_be_gone_on_with(model, quick, home):
    with pytest.raises(text_to_mesh.NothingKept, match="Nothing has been kept of this request: make the mesh, and can"):
        carried_out(asked(model, as_it_is=True))
    with pytest.raises(Cancelled):
        carried_out(asked(model), stopping("Optimising, step 4"))
    records = carried_out(asked(model, as_it_is=True, faces=100, size=2.0))  # of the mesh, not of what is optimised
    assert kinds(records) == ["Subject", "Certificate"]
    assert (records[0][2]["texture"][..., 0] == 3).all() and ("steps", 3.0, "") in records[-1][1].measured
    carried_out(asked(model))
    assert [one.began for one in quick.made] == [0, 3, 3]


@pytest.mark.parametrize(
    "other",
    [{"prompt": "a mushroom"}, {"negative": "red"}, {"seed": 1}, {"steps": 9}, {"scale": 2.0}, {"shading": True},
     {"views": False}],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_what_is_kept_is_of_what_was_asked_and_of_nothing_else(model, other):
    request = asked(model)
    names = {Kept.of(one, one.prompt).folder for one in (request, asked(model, **other))}
    assert len(names) == 2
    same = asked(model, faces=100, size=3.0, frames=9, fps=12.0, stages=(protocol.Stage(),), reverse=True, first=0.2,
                 last=0.5, timing="slow_end", preview=False, as_it_is=True)  # fmt: skip
    assert Kept.of(same, same.prompt) == Kept.of(request, request.prompt)


def test_a_model_that_was_trained_anew_begins_anew(tmp_path):
    folder = tmp_path / "mine"
    Seedling.fresh(TINY, ("red",), seed=3).save(folder)
    before = Kept.of(asked(str(folder)), "red")
    assert Kept.of(asked(f" {folder} "), "red") != before  # another request, if not another model
    next(folder.rglob("*.safetensors")).write_bytes(b"other")
    assert Kept.of(asked(str(folder)), "red") != before


def test_a_job_that_died_while_it_lived_gives_the_same_mesh_again(model, quick, home):
    request = asked(model, "a red mushroom, rusting", preview=False)
    going = pipelines.carry_out(request, None, silent)
    first = [bytes(next(going)) for _ in range(STEPS + 3)]
    assert isinstance(protocol.unpack(first[-1])[0], protocol.FrameRecord)
    going.close()
    again = [bytes(packed) for packed, _, _ in carried_out(request)]
    assert again[STEPS + 1 : len(first)] == first[STEPS + 1 :]
    assert len(quick.made) == 1  # it was not optimised again
    assert not list(home.iterdir())


def test_a_life_that_the_mesh_cannot_live_is_refused_and_the_mesh_kept(model, quick, home):
    for prompt, preview in (("a red mushroom, closing", True), ("a red mushroom, closing", False)):
        with pytest.raises(NotForThis, match=r"No petals were found: .* The mesh itself is kept: make it again with"):
            carried_out(asked(model, prompt, preview=preview))
    with pytest.raises(NotForThis, match="The mesh itself is kept"):
        pipelines.made(asked(model, "a red mushroom", stages=(protocol.Stage(process=protocol.Bloom()),)), None, silent)
    assert len(quick.made) == 1
    records = carried_out(asked(model, "a red mushroom", size=1.0))
    assert kinds(records) == ["ViewsRecord"] * (1 + STEPS) + ["Subject", "Certificate"]
    assert (records[-2][2]["texture"] == [STEPS, 0, 0]).all()
    assert len(quick.made) == 1 and not list(home.iterdir())


def test_kernels_that_the_first_step_compiles_are_told_of(model, quick, monkeypatch):
    class Compiling(quick):
        def __iter__(self):
            announce()
            yield from super().__iter__()

    told = []
    monkeypatch.setattr(mvdream, "Distillation", Compiling)
    records = carried_out(asked(model), lambda *reported: told.append(reported))
    at = next(n for n, (_, text) in enumerate(told) if text.startswith("Optimising"))
    assert told[at + 1] == (told[at][0], "Compiling for this machine, only this once: optimising, step 1 of 6")
    assert kinds(records)[-2:] == ["Subject", "Certificate"]


def test_nan_names_its_step_and_what_can_be_done(model, quick):
    quick.breaks[4] = guidance.NotFinite("Step 4 of 6: Not a finite number in the loss")
    with pytest.raises(wire.NotFinite) as broken:
        carried_out(asked(model))
    assert "Step 4 of 6: Not a finite number in the loss. Try another seed" in str(broken.value)
    assert pipelines.failure(broken.value).code == "nan_result"
    records = carried_out(asked(model, as_it_is=True))
    assert (records[0][2]["texture"][..., 0] == 3).all()


def test_where_memory_is_short_it_goes_on_smaller_and_says_so(model, quick, monkeypatch):
    monkeypatch.setattr(recipes, "SEEDLING", recipes.PUBLISHED)
    monkeypatch.setattr(recipes.Recipe, "at", lambda recipe, side: recipe)
    monkeypatch.setattr(views_of, "drawn", lambda *_: iter([(1, 1, np.zeros((4, 8, 8, 3), np.uint8))]))
    quick.breaks |= {step: torch.OutOfMemoryError("short") for step in (1, 2, 3)}
    told = []
    records = carried_out(asked(model), lambda _, text: told.append(text))
    rungs = [views_of.IN_PARTS]
    rungs += [f"The GPU's memory is short: pictures of {side} pixels, 512 samples along a ray" for side in (128, 64)]
    steps = [text for text in told if text.startswith("Optimising")]
    assert steps[:3] == ["Optimising, step 1 of 6", *[f"Optimising, step {step} of 6. {rungs[0]}" for step in (1, 2)]]
    assert steps[3:5] == [f"Optimising, step {step} of 6. {rungs[1]}" for step in (2, 3)]
    assert steps[5] == f"Optimising, step 3 of 6. {rungs[2]}" and told[-1] == f"Making the mesh. {rungs[2]}"
    subject = next(record for _, record, _ in records if isinstance(record, protocol.Subject))
    first, *smaller = (one.recipe for one in quick.made)
    assert [one.began for one in quick.made] == [0, 0, 1, 2]
    assert smaller == [first.smaller(), first.smaller().smaller(), first.smaller().smaller().smaller()]
    assert subject.understood == ("a red mushroom", *rungs)
    quick.breaks |= {step: torch.OutOfMemoryError("again") for step in range(1, STEPS + 1)}
    with pytest.raises(trained.TooLittleMemory, match="too little memory for this model: close what else"):
        carried_out(asked(model, seed=5))


def test_a_full_disk_is_told_while_it_goes_on_and_changes_nothing(model, quick, home, monkeypatch):
    usual = [bytes(packed) for packed, _, _ in carried_out(asked(model))]
    error, told = OSError(errno.ENOSPC, "No space left on device"), []

    def full(*_):
        raise error

    monkeypatch.setattr(quick, "full", error)
    monkeypatch.setattr(Path, "write_bytes", full)
    records = [bytes(packed) for packed, _, _ in carried_out(asked(model), lambda _, text: told.append(text))]
    assert records[:-1] == usual[:-1]
    why = "What it has come to cannot be kept (No space left on device): make room"
    assert told.count(f"Optimising, step 1 of 6. {why}") == 1 and told[-1] == f"Making the mesh. {why}"
    kept = Kept(home / "any")
    assert kept.write(kept.seen, b"seen") is error
    with pytest.raises(Cancelled):
        carried_out(asked(model), stopping("Optimising, step 4"))
    quick.full = None  # there is room again
    told.clear()
    carried_out(asked(model), lambda _, text: told.append(text))
    assert told[-1] == "Making the mesh"


def test_what_was_kept_and_cannot_be_read_now_is_told_and_stays(model, quick, home, monkeypatch):
    with pytest.raises(Cancelled):
        carried_out(asked(model), stopping("Optimising, step 4"))
    (field,) = home.glob("*/field")

    def locked(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(mvdream, "Distillation", locked)
        with pytest.raises(text_to_mesh.NothingKept) as refused:
            carried_out(asked(model))
    assert re.search(
        r"cannot be read now \(Permission denied\), and stays: try again, or delete .*field to begin",
        str(refused.value),
    )
    assert pipelines.failure(refused.value).code == "unsupported" and field.read_text() == "3"


def test_where_memory_ends_after_it_was_optimised_that_is_kept(model, quick, home, monkeypatch):
    def short(*_):
        raise torch.OutOfMemoryError("short")

    for room, name in ((finishing, "finished"), (quick, "show")):
        with monkeypatch.context() as patch:
            patch.setattr(room, name, short)
            patch.setattr(text_to_mesh._Work, "_glimpsed", lambda *_: iter(()))
            with pytest.raises(
                trained.TooLittleMemory, match="to make a mesh of what was optimised, which is kept: clo"
            ):
                carried_out(asked(model))
        assert [*home.glob("*/field")]
    carried_out(asked(model))
    assert [one.began for one in quick.made] == [0, STEPS, STEPS]


def test_the_model_is_let_go_before_the_mesh_is_made(model, quick, monkeypatch):
    loaded, left, load = [], [], views_of.prior_of

    def loading(named):
        prior = load(named)
        loaded.append(weakref.ref(prior))
        return prior

    def making(*a):
        gc.collect()
        left.append(loaded[0]())
        return slab(*a)

    monkeypatch.setattr(views_of, "prior_of", loading)
    monkeypatch.setattr(finishing, "finished", making)
    carried_out(asked(model))
    assert left == [None]


def narrow(monkeypatch, latents: int, decoded: int) -> list[int]:
    """There is room for so many latents at once, and for so many pictures; how many latents have been seen."""
    seen, predict, decode = [], Seedling.predict, Seedling.decode

    def predicted(self, x_t, t, given):
        if len(x_t) > latents:
            raise torch.OutOfMemoryError("short")
        seen.append(len(x_t))
        return predict(self, x_t, t, given)

    def shown(self, latents):
        if len(latents) > decoded:
            raise torch.OutOfMemoryError("short")
        return decode(self, latents)

    monkeypatch.setattr(Seedling, "predict", predicted)
    monkeypatch.setattr(Seedling, "decode", shown)
    return seen


@pytest.mark.parametrize(("latents", "decoded"), [(4, 1), (4, 4), (8, 1)])
def test_views_that_do_not_fit_at_once_are_drawn_in_parts_and_are_the_same(model, quick, monkeypatch, latents, decoded):
    request = protocol.Views(prompt="red", model=model)
    whole = carried_out(request)
    with monkeypatch.context() as patch:
        seen, told = narrow(patch, latents, decoded), []
        records = carried_out(request, lambda done, text: told.append(text))
    steps = [text for text in told if text.startswith("Drawing")]
    in_parts = [f"Drawing views, step {step} of 2. {views_of.IN_PARTS}" for step in (1, 2, 2)]
    assert steps == ["Drawing views, step 1 of 2", *in_parts]
    assert kinds(records) == kinds(whole) and seen[-4:] == [4] * 4
    (_, found, arrays), (_, same, expected) = records[-2], whole[-2]
    assert (same.understood, found.understood) == (("red",), ("red", views_of.IN_PARTS))
    assert records[-1][1].summary == f"{whole[-1][1].summary}. {views_of.IN_PARTS}"
    assert np.abs(arrays["pixels"].astype(int) - expected["pixels"]).max() <= 1


def test_a_field_that_begins_with_views_in_parts_goes_on_in_parts(model, quick, monkeypatch):
    narrow(monkeypatch, 4, 1)
    told = []
    records = carried_out(asked(model), lambda done, text: told.append(text))
    (made,) = quick.made
    assert made.recipe == recipes.SEEDLING.asked(STEPS).at(16).asked_in_parts()
    assert f"Optimising, step 1 of 6. {views_of.IN_PARTS}" in told
    subject = next(record for _, record, _ in records if isinstance(record, protocol.Subject))
    assert subject.understood == ("a red mushroom", views_of.IN_PARTS)


def test_views_to_begin_with_that_do_not_fit_are_no_choice_of_the_artists(model, quick, monkeypatch):
    def short(*_):
        raise torch.OutOfMemoryError("short")
        yield

    monkeypatch.setattr(mvdream, "views", short)
    with pytest.raises(
        trained.TooLittleMemory, match=r"the 4 views that the mesh begins with: .* turn Start from Views"
    ):
        carried_out(asked(model))
    with pytest.raises(trained.TooLittleMemory, match="for 3 views at once: ask for fewer"):
        carried_out(protocol.Views(prompt="red", model=model, count=3))


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (torch.OutOfMemoryError("short"), trained.TooLittleMemory, "The GPU has too little memory for {}: close what"),
        (RuntimeError("torn"), trained.NoModel, "{} cannot be read (RuntimeError: torn): "),
        (FileNotFoundError("vae"), trained.NoModel, ""),
    ],
)
def test_public_models_and_folders_meet_damage_in_one_way(model, monkeypatch, error, kind, sentence):
    def broken(*_, **__):
        raise error

    found = SimpleNamespace(folder=Path("there"), files={})
    monkeypatch.setattr(models, "found", lambda one: found)
    monkeypatch.setattr(trained, "device", lambda: "cuda")
    monkeypatch.setattr(stable.LatentDiffusion, "load", broken)
    monkeypatch.setattr(Seedling, "load", broken)
    for named, title in (("mvdream", "MVDream on 2.1"), (model, f"the model in {model}")):
        with pytest.raises(kind) as refused:
            views_of.prior_of(named)
        if sentence:
            assert sentence.format(title).casefold() in str(refused.value).casefold()
    if kind is trained.NoModel:
        with pytest.raises(kind, match="`python -m backend models get mvdream` looks at all of it"):
            views_of.prior_of("mvdream")


class Reading:
    """A prior that reads so many pieces of words, of four letters each, and is none of ours."""

    tokens = 6

    def unread(self, text):
        return re.findall(r"\w{1,4}", text)[self.tokens :]


@pytest.mark.parametrize(
    ("words", "text", "unread"),
    [
        ("one two six", "one two six, 3d asset", ()),  # the suffix has three
        ("one two six ten", "one two six, 3d asset", ("ten",)),
        ("one two six ten of men", "one two six, 3d asset", ("ten", "men")),
        ("one two mushroom", "one two, 3d asset", ("mushroom",)),  # half of it would be another word
        ("supercalifragilistic", "supercalifra, 3d asset", ("gilistic",)),
    ],
)
def test_a_text_is_cut_so_that_it_is_read_with_its_suffix(monkeypatch, words, text, unread):
    monkeypatch.setattr(views_of, "prior_of", lambda named: Reading())
    asked = views_of.heard("mvdream", words, "")
    assert (asked.text, asked.unread) == (text, unread)
    assert not Reading().unread(asked.text)


def test_what_is_cut_is_told_and_not_asked_for(quick, monkeypatch, home):
    given = []
    monkeypatch.setattr(views_of, "prior_of", lambda named: Reading())
    monkeypatch.setattr(
        mvdream, "views", lambda _, text, *rest: given.append(text) or iter([np.zeros((4, 8, 8, 3), np.uint8)])
    )
    monkeypatch.setattr(Reading, "schedule", SimpleNamespace(levels=1000), raising=False)
    records = carried_out(asked("mvdream", "a red cup on big logs"))
    subject = next(record for _, record, _ in records if isinstance(record, protocol.Subject))
    assert given == [quick.made[0].text] == ["a red cup, 3d asset"] and subject.passed_over == ("big", "logs")
    *_, (_, views, _), _ = carried_out(protocol.Views(prompt="a red cup on big logs", model="mvdream"))
    assert given[1:] == given[:1] and views.passed_over == ("big", "logs")


def test_the_recipe_is_of_the_size_of_the_models_pictures(model, quick):
    carried_out(asked(model))
    assert quick.made[0].recipe.stages[0].side == TINY.side != recipes.SEEDLING.stages[0].side


def test_words_that_the_model_does_not_know_are_told_and_none_at_all_refused(model, quick):
    request = asked(model, "a dragon of the castle")
    with pytest.raises(pipelines.NotUnderstood, match='none of the words of "a dragon of the castle": it knows red, m'):
        carried_out(request)
    with pytest.raises(pipelines.NotUnderstood, match="names nothing"):
        carried_out(asked(model, "..., !"))
    request = protocol.Views(prompt="a red dragon", negative="blue castle of a dragon", model=model, steps=2)
    assert carried_out(request)[-2][1].passed_over == (
        "dragon", "negative: blue", "negative: castle", "negative: dragon",
    )  # fmt: skip
    request = msgspec.structs.replace(request, negative=f"{protocol.NEGATIVE}, blue")
    assert carried_out(request)[-2][1].passed_over == ("dragon", "negative: blue")


@pytest.mark.parametrize(("count", "listed"), [(60, 60), (61, 24)])
def test_of_the_words_that_a_model_knows_all_are_told_or_the_first_of_many(count, listed, monkeypatch, tmp_path):
    words = [f"{first}{second}x" for first in "abcdef" for second in "abcdefghijkl"][:count]
    Seedling.fresh(TINY, ("a", "of", *words)).save(tmp_path)
    with pytest.raises(pipelines.NotUnderstood) as refused:
        views_of.heard(str(tmp_path), "a dragon", "")
    rest = f" and {count - listed} more" if count > listed else ""
    assert f"it knows {', '.join(words[:listed])}{rest}. Say it" in str(refused.value)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("", "No trained model of views comes with this version: train one with `python -m backend train multiview"),
        ("nowhere", "No model lies in nowhere: train one"),
        ("empty", "The model in empty cannot be read"),
        ("dynamics", "is one of motion, for what is made from a picture: name a model of views"),
        ("torn", "cannot be read"),
        ("mvdream", "MVDream on 2.1 needs a GPU, and torch finds none"),
        ("published", "needs a GPU, and torch finds none"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_in_a_sentence(named, sentence, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(views_of, "WEIGHTS", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for folder in ("empty", "dynamics", "published/text_encoder"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dynamics" / "dynamics.json").write_text("{}")
    Seedling.fresh(TINY, ("red",)).save(tmp_path / "torn")
    weights = next((tmp_path / "torn").rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-200])
    for request in (asked(named), protocol.Views(prompt="red", model=named)):
        with pytest.raises(trained.NoModel) as refused:
            carried_out(request)
        assert sentence in str(refused.value) and len(str(refused.value)) < 600
        assert pipelines.failure(refused.value).code == "unsupported"


def test_views_come_step_by_step_and_in_the_end_as_they_are(model):
    request = protocol.Views(prompt="a red mushroom", model=model, steps=5, count=3, elevation=0.3, seed=4)
    texts = []
    records = carried_out(request, lambda done, text: texts.append(text))
    assert kinds(records) == ["ViewsRecord"] * 5 + ["Certificate"]
    assert [record.preview for _, record, _ in records[:5]] == [True] * 4 + [False]
    assert [isinstance(packed, Glimpse) for packed, _, _ in records[:5]] == [True] * 4 + [False]
    last, header = wire.unpack_views(records[4][0])
    assert last.shape == (3, 16, 16, 3)
    assert header.azimuths == pytest.approx([0, 2 * np.pi / 3, 4 * np.pi / 3])
    prior = Seedling.load(model)
    how = replace(recipes.SEEDLING.sampling, steps=5)
    *_, own = mvdream.views(prior, request.prompt, request.negative, 3, 0.3, 4, how)
    np.testing.assert_array_equal(last, own)
    other = carried_out(msgspec.structs.replace(request, seed=5))[4][2]["pixels"]
    assert np.abs(other.astype(int) - last).max() > 8
    assert "Drawing views, step 2 of 5" in texts


def test_glimpses_are_as_many_however_long_it_takes(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(views_of.time, "monotonic", lambda: clock[0])

    def seen(every: float, first: int = 0) -> list[int]:
        shown, glimpses = [], views_of.Glimpses(1000)
        for step in range(first, 1001):
            clock[0] += every
            record = protocol.ViewsRecord(step=step, steps=1000, azimuths=(0.0,), preview=True)
            for glimpse in glimpses.of(record, lambda: np.zeros((1, 2, 2, 3), np.uint8)):
                shown.append(wire.unpack_views(glimpse)[1].step)
        return shown

    slow, fast, gone_on = seen(1.0), seen(0.03), seen(1.0, first=400)
    assert len(slow) == len(fast) == len(gone_on) == views_of.GLIMPSES
    assert slow == list(range(25, 1001, 25)) and len(set(fast)) == 20
    assert gone_on[:17] == [400] * 16 + [425]


@pytest.fixture
def said(monkeypatch, capsys, tmp_path):
    """`run` in this process, in a folder of its own: (exit code, what its last line tells, what it says)."""
    monkeypatch.setattr(interrupt, "end_at_once", lambda **_: None)
    monkeypatch.chdir(tmp_path)

    def told(*options: str) -> tuple[int, dict, str]:
        code = run.main([*options])
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if out else {}, err

    return told


def test_run_writes_a_mesh_and_its_life_with_its_texture(said, model, quick, home, tmp_path):
    options = ("--engine", "views", "--model", model, "--set", f"steps={STEPS}", "--set", "size=0.5")
    code, told, err = said("a red mushroom on a log", "-o", "still.glb", *options, "--negative", "a", "--seed", "4")
    assert code == 0, err
    assert "anthesis: a red mushroom on a log; passed over: log" in err and told["passed_over"] == ["log"]
    assert (told["frames"], told["vertices"], told["measured"]["steps"]) == (1, 4, STEPS)
    assert told["made"]["negative"] == quick.made[-1].negative == "a" and told["made"]["size"] == 0.5
    material = trimesh.load_scene(tmp_path / "still.glb").geometry["Anthesis"].visual.material
    assert material.baseColorTexture.convert("RGB").getpixel((1, 1)) == (STEPS, 0, 0)
    code, told, err = said(
        "a red mushroom", "-o", "life.npz", *options, "--process", "rust", "--set", "rust.cover=0.4", "--frames", "3"
    )
    assert code == 0, err
    clip = npz.load(tmp_path / "life.npz")
    assert len(clip.positions) == 3 and images.colours(clip.subject.texture.albedo)[0, 0, 0] == STEPS
    assert json.loads(clip.provenance["stages"])[0]["process"] == {"kind": "rust", "cover": 0.4, "flakes": 0.4}
    assert not list(home.iterdir())


def test_run_writes_views_side_by_side(said, model, tmp_path):
    options = ("--engine", "views", "--model", model, "--set", "steps=2")
    code, told, err = said("a red dragon", "-o", "strip.png", *options, "--count", "3", "--seed", "7")
    assert code == 0, err
    request = protocol.Views(prompt="a red dragon", model=model, steps=2, count=3, seed=7)
    *_, (_, _, arrays), _ = carried_out(request)
    strip = images.colours((tmp_path / "strip.png").read_bytes())
    np.testing.assert_array_equal(strip, np.concatenate([*arrays["pixels"]], axis=1))
    assert (told["views"], told["passed_over"]) == (3, ["dragon"]) and "passed over: dragon" in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["a rose", "-o", "a.glb", "--engine", "views", "--set", "petals=4"], 'makes has no setting "petals": it has'),
        (
            ["a rose", "-o", "a.glb", "--engine", "views", "--set", "faces=9"],
            "faces, a whole number from 100 to 200000",
        ),
        (["a rose", "-o", "a.glb", "--engine", "views", "--count", "2"], "--count is not for a mesh by views"),
        (["a rose", "-o", "a.png", "--engine", "views", "--process", "melt"], "--process is not for views"),
        (["a rose", "-o", "a.glb", "--engine", "views", "--process", "fly"], 'There is no process "fly"'),
        (["a rose", "-o", "a.glb", "--engine", "views", "--amount", "0.5"], "--amount is for --process"),
        (["a.glb", "-o", "b.glb", "--engine", "views"], "makes something of words, and a.glb is a file"),
        (["a rose", "-o", "a.glb", "--negative", "dull"], "--negative is for --engine views"),
        (["a rose", "-o", "none/a.png", "--engine", "views"], "does not exist: make it"),
        ([" ", "-o", "a.glb", "--engine", "views"], "The prompt is empty"),
        (["a rose", "-o", "a.glb", "--engine", "views", "--model", "nowhere"], "No model lies in nowhere"),
        (["a rose", "-o", "a.png", "--engine", "views", "--count", "9"], "--count is a whole number from 2 to 8"),
    ],
)
def test_run_refuses_in_a_sentence(said, options, sentence):
    code, told, err = said(*options)
    assert (code, told) == (run.BAD_INPUT, {}) and sentence in err


def test_the_whole_way_with_nothing_in_the_place_of_anything(model, home):
    records = carried_out(asked(model, steps=2, faces=300, views=False))
    assert kinds(records) == ["ViewsRecord"] * 2 + ["Subject", "Certificate"]
    mesh, _ = wire.unpack_mesh(records[2][0])
    arrays = records[2][2]
    assert 200 <= len(mesh.triangles) <= 300 and "closed" in records[-1][1].summary
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(1.0) and mesh.vertices[:, 2].min() == 0.0
    height, width, _ = arrays["texture"].shape
    across, up = (arrays["uv"] * [width, height]).T.astype(int).clip(0, width - 1)
    own = arrays["texture"][height - 1 - up, across].astype(int)
    assert np.abs(own - arrays["albedo"][arrays["corners"]]).mean() < 8  # what the texture shows at the vertices
    assert not list(home.iterdir())


def test_it_goes_through_the_service_and_what_is_kept_lies_in_its_folder(model, tmp_path):
    requests = [protocol.Views(prompt="a red mushroom", model=model, steps=2), asked(model, steps=900)]
    jobs = [uuid.uuid4().hex for _ in requests]
    with Server(tmp_path, runner="backend.pipelines") as server, Client(server.connection) as client:
        for job, request in zip(jobs, requests, strict=True):
            submit = protocol.Submit(job=job, request=request, title="Mushroom")
            assert isinstance(client.ask(submit, protocol.Accepted), protocol.Accepted)
        assert client.wait(jobs[0], seconds=240).state == "done"
        optimising = r"Optimising, step ([3-9]|\d\d+) of 900"
        client.wait(jobs[1], "running", seconds=240, when=lambda state: re.fullmatch(optimising, state.text))
        client.send(protocol.Cancel(job=jobs[1]))
        assert client.wait(jobs[1], seconds=240).state == "cancelled"
    (kept,) = (tmp_path / "cache" / "text_to_mesh").iterdir()
    assert {path.name for path in kept.iterdir()} == {"views", "field"}
