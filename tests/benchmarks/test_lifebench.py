"""What LifeBench asks and who answers: seeds that nothing else uses, truths that loop, answers that go through files,
and a page that shows only what can be compared."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.lifebench import tasks
from tests.benchmarks.lifebench.__main__ import FORMS
from tests.benchmarks.lifebench.entries import ENTRIES, through_file
from tests.benchmarks.lifebench.metrics import Counts, Freedom, Pair, score
from tests.benchmarks.lifebench.metrics.playing import loop_seam
from tests.benchmarks.lifebench.page import Conditions, Mixed, is_kept, keep, path_of, write
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


@pytest.fixture
def scored(tmp_path):
    """Keeps the scores of a ball that rises, as an entry's of a task."""
    vertices, faces = sphere(fine=1)
    truth = life(vertices + shifts(3, (0, 0, 1.0)), faces)
    scores = score(truth.sequence, truth, counts=FEW)

    def kept(task: Task, entry: str, seed: int, conditions: Conditions = QUICK) -> Path:
        path = path_of(tmp_path, Case(task, "rose", seed), entry)
        keep(scores, path, 1.5, conditions, f"python -m benchmark entries --entries {entry}")
        return path

    return kept


def test_a_page_tells_how_its_numbers_were_made(scored, tmp_path):
    scored(Task.MESH, "still", 3), scored(Task.MESH, "physics", 3), scored(Task.MESH, "physics", 4)
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    page = (tmp_path / "page.md").read_text()
    for said in (
        str(QUICK), "3 frames, 2,000 points, meshes of detail 0.4, read from .usdc", "2 lives of 1 specimens",
        "    python -m benchmark entries --entries still\n", "    python -m benchmark entries --entries physics\n",
        "| progress | of the life | higher | 1 | 1 |", "| lives | | | 1 | 2 |",
    ):  # fmt: skip
        assert said in page
    assert "loop seam" not in page and "size on disk" not in page  # of no loop, and of no file
    assert page.count("## ") == 1


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
def test_numbers_of_other_conditions_are_made_anew_and_no_table_mixes_them(scored, tmp_path, other):
    path = scored(Task.MESH, "physics", 3)
    assert is_kept(path, QUICK) and not is_kept(path, other)
    scored(Task.WORDS, "still", 3, other)  # another table
    write(tmp_path, tmp_path / "page.md", "2026-01-02")
    scored(Task.MESH, "truth", 4, other)
    with pytest.raises(Mixed, match="score both in one way") as raised:
        write(tmp_path, tmp_path / "page.md", "2026-01-02")
    assert str(path) in str(raised.value) and str(other) in str(raised.value)


def test_scores_without_their_conditions_are_made_anew(scored):
    path = scored(Task.MESH, "still", 3)
    told = json.loads(path.read_text())
    del told["conditions"]
    path.write_text(json.dumps(told))
    assert not is_kept(path, QUICK)


def test_every_task_has_the_truth_and_what_stands_still():
    for task in Task:
        assert {"truth", "still"} <= {entry.name for entry in ENTRIES[task]}
