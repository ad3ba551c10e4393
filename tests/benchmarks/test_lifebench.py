"""What LifeBench asks and who answers: seeds that nothing else uses, truths that loop, answers that go through files,
and a page that shows only what can be compared."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.lifebench import baselines, running, tasks
from tests.benchmarks.lifebench.__main__ import FORMS
from tests.benchmarks.lifebench.entries import PARTS, REGISTRATIONS, WHOLE, Entry, Part, through_file
from tests.benchmarks.lifebench.metrics import Counts, Freedom, Pair, Sense, score
from tests.benchmarks.lifebench.metrics.playing import loop_seam
from tests.benchmarks.lifebench.page import SPREAD, Conditions, Mixed, Result, is_kept, keep, path_of, write
from tests.benchmarks.lifebench.running import Run, Unknown
from tests.benchmarks.lifebench.tasks import Case, Task, cases
from tests.benchmarks.lives import life, moved, shifts, sphere
from tools.environments import ROOT

FEW = Counts(to=2_000, frm=400, placing=200)
QUICK = Conditions(frames=3, points=2_000, detail=0.4, form=".usdc")


def test_nothing_uses_the_seeds_that_are_held_out():
    numbers = re.compile(rf"(?<!\d)({'|'.join(map(str, tasks.SEEDS))})(?!\d)")
    rooms = ("backend", "blender_addon", "kernels", "tests", "tools")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".jsonl", ".toml")]
    home = Path(tasks.__file__)
    assert len(files) > 200 and home in files
    assert {path for path in files if numbers.search(path.read_text(encoding="utf-8"))} == {home}


# --- Loops


@pytest.mark.parametrize("specimen", tasks.SWAYING)
def test_what_sways_moves_and_its_last_frame_leads_into_its_first(specimen):
    (case,) = cases(Task.LOOP, [specimen], [6], detail=0.4)
    truth = case.truth(24)
    assert truth.loop and case.words.endswith(f"{specimen.replace('_', ' ')}, swaying")
    waves = np.linalg.norm(np.fft.rfft(truth.sequence.positions, axis=0)[1:], axis=(1, 2))  # a step has all of them
    assert waves[5:].max() < 2e-3 * waves[0]
    assert np.ptp(truth.sequence.positions, axis=0).max() > 0.02 * truth.size


def test_only_what_sways_is_asked_for_a_loop():
    assert [case.specimen for case in cases(Task.LOOP, ["rose", "ice_block"], [6])] == ["rose"]
    assert len(cases(Task.WORDS, ["rose", "ice_block"], [6])) == 2


# --- Answers through files


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_through_a_file_is_the_same_and_has_its_bytes(form):
    vertices, faces = sphere(fine=2)
    colours = np.linspace(0.1, 0.9, 4 * vertices.size).reshape(4, -1, 3).astype(np.float32)
    truth = life(vertices + shifts(4, (0.5, 0.1, 0.9)), faces, colours=colours)
    back = through_file(truth.sequence, form)
    assert back.bytes > 1_000 and back.tracked and back.name == "truth"
    assert np.allclose(back.times, truth.sequence.times, atol=1e-6)
    assert np.array_equal(back.frames[0][1], truth.sequence.frames[0][1])
    assert np.allclose(back.positions, truth.sequence.positions, atol=1e-6)
    frames = 1 if form == ".glb" else 4  # its colours are those of the first frame
    assert np.allclose(back.albedo[:frames], colours[:frames], atol=1e-4)
    assert score(back, truth, counts=FEW)["size on disk"].value == pytest.approx(
        back.bytes * 6
    )  # 4 frames, 24 a second


@pytest.mark.parametrize("form", FORMS)
def test_a_loop_through_a_file_is_a_loop(form):
    vertices, faces = sphere(fine=2)
    angle = 2 * np.pi * np.arange(12)[:, None, None] / 12
    truth = life(vertices + np.sin(angle + 0.4) * np.array([0, 0, 0.4]), faces, loop=True)
    pair = Pair.of(through_file(truth.sequence, form, loop=True), truth, Freedom.NONE)
    assert np.allclose(pair.answer.positions, truth.sequence.positions, atol=1e-5)
    assert loop_seam(pair) < 1e-5
    ramp = moved(truth, vertices + shifts(12, (0, 0, 0.6)))
    assert loop_seam(Pair.of(through_file(ramp, form), truth, Freedom.NONE)) > 0.1


# --- The page


@pytest.fixture(scope="module")
def rising():
    """A ball that rises."""
    vertices, faces = sphere(fine=1)
    return life(vertices + shifts(3, (0, 0, 1.0)), faces)


@pytest.fixture
def scored(rising, tmp_path):
    """Keeps the scores of what rises, or other ones, as an entry's of a task."""
    scores = score(rising.sequence, rising, counts=FEW)

    def kept(task, entry, seed, conditions=QUICK, part=WHOLE, refused="", truth=rising.digest, **other) -> Path:
        path = path_of(tmp_path, part, Case(task, "rose", seed), entry)
        mine = [replace(one, value=other.get(one.name.replace(" ", "_"), one.value)) for one in scores.scores]
        result = Result(replace(scores, scores=tuple(mine)), 1.5, truth, refused)
        keep(result, path, conditions, f"python -m benchmark entries --entries {entry}")
        return path

    return kept


def test_a_page_tells_how_its_numbers_were_made(scored, tmp_path):
    first, second, *_ = tasks.SEEDS
    scored(Task.MESH, "still", first), scored(Task.MESH, "physics", first), scored(Task.MESH, "physics", second)
    scored(Task.MESH, "physics", 4, refused="no petals")
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    page = (tmp_path / "page.md").read_text()
    for said in (
        str(QUICK), "3 frames, 2,000 points, meshes of detail 0.4, read from .usdc",
        "2 of 60 lives, of 1 of 12 specimens, and 1 that the benchmark has not;",
        "    python -m benchmark entries --entries still\n", "    python -m benchmark entries --entries physics\n",
        "| progress | of the life | higher | 1 | 1 |", "| lives | | | 1 | 3 |",
        "| refused, counted as still | lives | lower | 0 | 1 |",
    ):  # fmt: skip
        assert said in page
    assert "loop seam" not in page and "size on disk" not in page  # of no loop, and of no file
    assert page.count("## ") == 1 and "registrations" not in page.lower()


@pytest.mark.parametrize(("task", "told"), [(Task.MESH, "progress"), (Task.LOOP, "surface motion")])
def test_what_stands_still_is_in_brackets_however_near_it_stays(scored, tmp_path, task, told):
    """`still` stays nearer to the truth than what lives, and is no answer for it."""
    lives = "physics" if task is Task.MESH else "individual"
    for seed in range(3):
        slow, fast = ({told.replace(" ", "_"): value} for value in (0.01 * seed, 0.2 + seed))
        scored(task, "still", seed, trajectory_error=0.125, **slow)
        scored(task, lives, seed, trajectory_error=0.25, **fast)
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    row = next(line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("| trajectory"))
    assert row == "| trajectory error | of the size | lower | (0.125) | 0.25 |"


def test_a_page_shows_the_middle_the_quartiles_and_the_worst_life(scored, tmp_path):
    for seed, value in enumerate([0.1, 0.5, 0.2, 0.4, 0.3]):
        scored(Task.MESH, "still", seed, progress=value, trajectory_error=value)
        scored(Task.MESH, "truth", seed)
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    page = (tmp_path / "page.md").read_text()
    for line in (
        "| progress | of the life | higher | 1 | 0.3 |", "| trajectory error | of the size | lower | 0 | 0.3 |",
        "| quartiles; worst | still |",  # nobody asks how the truth is spread about itself
        "| progress | 0.2 to 0.4; 0.1 rose-0 |", "| trajectory error | 0.2 to 0.4; 0.5 rose-1 |",
    ):  # fmt: skip
        assert f"{line}\n" in page


def test_a_part_of_other_conditions_has_a_section_of_its_own(scored, tmp_path):
    other = Conditions(4, 2_000, 0.4, ".usdc")
    scored(Task.MESH, "still", 3, progress=0.25)
    scored(Task.MESH, "amberg", 3, other, REGISTRATIONS, progress=0.75)
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    page = (tmp_path / "page.md").read_text()
    whole, part = page.split("\n# Registrations\n")
    for section, conditions, own, another in ((whole, QUICK, "0.25", "0.75"), (part, other, "0.75", "0.25")):
        assert str(conditions) in section and own in section and another not in section
    scored(Task.MESH, "still", 3, QUICK, REGISTRATIONS)
    with pytest.raises(Mixed, match="registrations"):
        write(tmp_path, tmp_path / "page.md", "2026-01-02")


@pytest.mark.parametrize(
    "other",
    [
        Conditions(4, 2_000, 0.4, ".usdc"),
        Conditions(3, 2_001, 0.4, ".usdc"),
        Conditions(3, 2_000, 1.0, ".usdc"),
        Conditions(3, 2_000, 0.4, ".glb"),
        Conditions(3, 2_000, 0.4, ".usdc", version="0.0.1"),
    ],
)
def test_numbers_of_other_conditions_are_made_anew_and_no_table_mixes_them(scored, rising, tmp_path, other):
    path = scored(Task.MESH, "physics", 3)
    assert is_kept(path, QUICK, rising) and not is_kept(path, other, rising)
    scored(Task.WORDS, "still", 3, other)  # another table
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    scored(Task.MESH, "truth", 4, other)
    with pytest.raises(Mixed, match="score both in one way") as raised:
        write(tmp_path, tmp_path / "page.md", "2026-01-02")
    assert str(path) in str(raised.value) and str(other) in str(raised.value)


@pytest.mark.parametrize("lost", ["conditions", "truth"])
def test_scores_without_their_conditions_or_their_truth_are_made_anew(scored, rising, lost):
    path = scored(Task.MESH, "still", 3)
    told = json.loads(path.read_text())
    del told[lost]
    path.write_text(json.dumps(told))
    assert not is_kept(path, QUICK, rising)


def test_what_was_measured_against_another_truth_is_made_anew_and_no_table_mixes_it(scored, rising, tmp_path):
    path = scored(Task.MESH, "still", 3)
    clip = rising.clip
    for other in (
        replace(rising, clip=replace(clip, positions=clip.positions + np.float32(1e-6))),
        replace(rising, clip=replace(clip, albedo=np.full_like(clip.positions, 0.5))),
        replace(rising, given=2),
    ):
        assert is_kept(path, QUICK, replace(rising)) and not is_kept(path, QUICK, other)
    scored(Task.MESH, "physics", 3, truth="another")
    with pytest.raises(Mixed, match="measured against another rose-3"):
        write(tmp_path, tmp_path / "page.md", "2026-01-02")


def test_the_measures_whose_spread_is_told_are_measures(rising):
    assert set(SPREAD) <= {one.name for one in score(rising.sequence, rising, counts=FEW).scores}


def test_the_worst_is_what_falls_short_most():
    assert max([0.2, 0.9, 1.5], key=Sense.ONE.short) == 0.2 and max([0.2, 0.9, 2.5], key=Sense.ONE.short) == 2.5
    assert max([0.2, 0.9, 1.5], key=Sense.LOWER.short) == 1.5 and max([0.2, 0.9, 1.5], key=Sense.HIGHER.short) == 0.2


def test_every_table_has_the_truth_and_what_stands_still():
    assert set(WHOLE.entries) == set(Task)
    for part in PARTS:
        for entries in part.entries.values():
            names = [entry.name for entry in entries]
            assert {"truth", "still"} <= set(names) and len(set(names)) == len(names)


# --- Running


@pytest.fixture
def asked(monkeypatch, rising):
    """Who was asked for what; `lamed`, in the task `video`, cannot answer. Nothing is grown, written to files or
    measured."""
    told = []

    def answer(name):
        return lambda case, truth: told.append((name, case.task.value, case.name)) or rising.sequence

    def unable(case, truth):
        raise baselines.Unavailable("it is lame")

    def grown(case, frames):
        told.append(("truth", case.task.value, case.name))
        return replace(rising, seed=case.seed)

    one, other = Entry("one", "", answer("one")), Entry("other", "", answer("other"))
    video, words = [one, Entry("lamed", "", unable)], [one, other]
    part = Part("part", {Task.VIDEO: video, Task.MESH: [one], Task.WORDS: words, Task.LOOP: [one]})
    monkeypatch.setattr(Case, "truth", grown)
    monkeypatch.setattr(running, "through_file", lambda answer, form, loop: answer)
    real, count = score(rising.sequence, rising, counts=FEW), Counts(2_000, 200)

    def measured(answer, truth, freedom, counts):
        assert counts == count
        return replace(real, freedom=freedom)

    monkeypatch.setattr(running, "score", measured)
    return part, told


def test_of_one_life_nothing_is_grown_or_scored_twice_and_nothing_of_another_is_taken(asked, tmp_path):
    part, told = asked
    lines = list(Run.of(part, tmp_path, QUICK, None, None, "run")(["rose", "match"], [8, 9]))
    of_one = [(who, task, "rose-8") for who, task in (
        ("truth", "video"), ("one", "video"), ("truth", "mesh"), ("one", "mesh"), ("other", "words"),
        ("truth", "loop"), ("one", "loop"),
    )]  # fmt: skip
    assert told[:7] == of_one and len(told) == 2 * (7 + 5)  # no wind moves a match
    assert list(dict.fromkeys(name for _, _, name in told)) == ["rose-8", "match-8", "rose-9", "match-9"]
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*-8.*")}
    both = {
        f"part/{of}/{name}-8.json" for of in ("video/one", "mesh/one", "words/one", "words/other")
        for name in ("rose", "match")
    }  # fmt: skip
    assert kept == both | {"part/loop/one/rose-8.json"}
    assert sum("left out: it is lame" in line for line in lines) == 4


def test_a_run_that_was_broken_off_goes_on_where_it_was(asked, tmp_path):
    part, told = asked
    run = Run.of(part, tmp_path, QUICK, None, None, "run")
    lines = run(["rose"], [8])
    next(lines)
    lines.close()
    told.clear()
    list(run(["rose"], [8]))
    assert ("one", "video", "rose-8") not in told and ("one", "mesh", "rose-8") in told
    told.clear()
    list(run(["rose"], [8]))
    assert {who for who, _, _ in told} == {"truth"}  # held against what was kept
    told.clear()
    list(replace(run, conditions=replace(QUICK, frames=4), names=["other"])(["rose"], [8]))
    assert [who for who, _, _ in told] == ["truth", "other"]


def test_an_answer_that_was_refused_counts_as_still_and_is_told(monkeypatch, rising, tmp_path):
    def no_petals(case, truth):
        raise baselines.Refused("this has no petals")

    answers = []
    monkeypatch.setattr(Case, "truth", lambda case, frames: rising)
    monkeypatch.setattr(running, "through_file", lambda answer, form, loop: answers.append(answer) or answer)
    part = Part("part", {Task.MESH: [Entry("physics", "", no_petals)]})
    (line,) = Run.of(part, tmp_path, QUICK, None, None, "run")(["rose"], [8])
    assert line.endswith("counts as still: this has no petals")
    assert np.ptp(answers[0].positions, axis=0).max() == 0.0 and len(answers) == 1
    told = json.loads(path_of(tmp_path, part, Case(Task.MESH, "rose", 8), "physics").read_text())
    assert told["refused"] == "this has no petals" and told["truth"] == rising.digest


@pytest.mark.parametrize(
    ("asked_for", "said"),
    [((None, ["phisics"]), "no entry phisics.*amberg.*physics"), (([Task.WORDS], None), "no task words.*mesh")],
)
def test_a_task_or_an_entry_that_is_not_there_is_refused(tmp_path, asked_for, said):
    with pytest.raises(Unknown, match=said):
        Run.of(REGISTRATIONS, tmp_path, QUICK, *asked_for, "run")
