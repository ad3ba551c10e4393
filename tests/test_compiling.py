"""Who waits while kernels compile is told so: in the job's report, in the panel and in the terminal."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import trimesh

from backend import pipelines, protocol, wire
from backend.clip import Mesh
from backend.pipelines import jobs
from backend.pipelines.lifecycle import UnusableSubject
from backend.service.worker import Reporter
from blender_addon.client.launch import Command
from blender_addon.client.session import Session
from kernels.compiling import announce
from tests.asking import animate as asked
from tests.service_client import SECONDS, Server

ROOT = Path(__file__).resolve().parents[1]


def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=1, radius=0.5)


def subject() -> bytes:
    return bytes(wire.pack_mesh(Mesh.from_triangles(ball().vertices, ball().faces)))


def process(cache: Path, *arguments, **environment: str) -> subprocess.CompletedProcess:
    """A new one whose kernels are kept in `cache`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache)} | environment
    options = {"env": environment, "capture_output": True, "text": True, "timeout": SECONDS, "check": True}
    return subprocess.run([sys.executable, "-P", *map(str, arguments)], **options)


REPORTS = """
import sys
from backend import pipelines, protocol
with open(sys.argv[1], "rb") as file:
    subject = file.read()
request = protocol.Animate(stages=protocol.from_words("melt", {}), frames=2)
for _ in pipelines.carry_out(request, subject, lambda done, text: print(done, text)):
    pass
"""


def said(cache: Path, folder: Path) -> list[list[str]]:
    """How far and what, of each report of a melt."""
    (folder / "subject").write_bytes(subject())
    return [line.split(" ", 1) for line in process(cache, "-c", REPORTS, folder / "subject").stdout.splitlines()]


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Path, list[list[str]]]:
    """A cache, and what was reported by the job that filled it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, said(cache, tmp_path_factory.mktemp("subject"))


def lacking(first, cache: Path) -> Path:
    """What a melt needs but for two kernels: to compile all of them again would take long, and show no more."""
    shutil.copytree(first[0], cache, dirs_exist_ok=True)
    for part in [*cache.rglob("surface_gradients.*"), *cache.rglob("spread.*")]:
        part.unlink()
    return cache


def test_a_first_job_reports_that_it_compiles_and_where_it_was_and_a_second_does_not(first, tmp_path):
    cache, reported = first
    assert any(text.startswith(jobs.COMPILING) for _, text in reported)
    reached = "0.0"
    for done, text in reported:
        assert not text.startswith(jobs.COMPILING) or done == reached
        reached = done
    others = [line for line in reported if not line[1].startswith(jobs.COMPILING)]
    assert others == said(cache, tmp_path)


def test_it_is_reported_where_the_job_has_got_to(monkeypatch):
    def frames(life, report):
        report(0.4, "Melting")
        announce()
        yield from ()

    told = []
    monkeypatch.setattr("backend.pipelines.lifecycle.Life.frames", frames)
    list(pipelines.carry_out(asked(), subject(), lambda *reported: told.append(reported)))
    wanted = "Compiling for this machine, only this once: melting"
    assert [one for one in told if one[0] == 0.4] == [(0.4, "Melting"), (0.4, wanted)]


def test_it_is_reported_in_place_of_the_preview_that_waits_for_it(monkeypatch):
    def preview(life, report):
        report(0.0, "Making a preview")
        announce()
        yield from ()

    told = []
    monkeypatch.setattr("backend.pipelines.lifecycle.Life.preview", preview)
    records = pipelines.carry_out(asked(frames=2, preview=True), subject(), lambda *reported: told.append(reported))
    next(records)
    at = told.index((0.0, "Making a preview"))
    assert told[at + 1] == (0.0, jobs.compiling("Making a preview"))


def test_it_is_reported_while_the_modes_are_found(monkeypatch):
    """Of a sway all the work is done before its first record."""

    def sway(mesh, request, report):
        report(0.3, "Finding its vibration modes")
        announce()
        raise UnusableSubject("Enough")

    told = []
    monkeypatch.setattr("backend.pipelines.sway.sway", sway)
    with pytest.raises(UnusableSubject):
        next(pipelines.carry_out(protocol.Sway(), subject(), lambda *reported: told.append(reported)))
    assert told == [(0.3, said := "Finding its vibration modes"), (0.3, jobs.compiling(said))]
    announce()
    assert len(told) == 2


def test_a_worker_sends_a_new_sentence_at_once_and_numbers_ten_times_a_second():
    class Line:
        stopped, sent = (), []

        def send(self, event):
            self.sent.append(event.text)

    report = Reporter(Line(), "job")
    for text in ("Frame 1 of 90", "Frame 2 of 90", jobs.COMPILING, "Frame 3 of 90", "Frame 44 of 90"):
        report(0.0, text)
    assert Line.sent == ["Frame 1 of 90", jobs.COMPILING, "Frame 3 of 90"]


def test_the_terminal_shows_it(first, tmp_path):
    cache = lacking(first, tmp_path / "cache")
    ball().export(tmp_path / "ball.ply")
    run = ["-m", "backend", "run", tmp_path / "ball.ply", "--process", "melt", "--frames", "2", "-o"]
    shown = {"FORCE_COLOR": "1", "COLUMNS": "120"}  # the bar is drawn into the pipe
    one, other = (process(cache, *run, tmp_path / name, **shown).stderr for name in ("a.npz", "b.npz"))
    assert jobs.COMPILING in one
    assert jobs.COMPILING not in other
    assert "Melting" in other


def test_a_file_is_told_once_in_a_line(first, tmp_path):
    cache = lacking(first, tmp_path / "cache")
    ball().export(tmp_path / "ball.ply")
    run = ["-m", "backend", "run", tmp_path / "ball.ply", "--process", "melt", "--frames", "2", "-o"]
    one, other = (process(cache, *run, tmp_path / name).stderr.split("\n") for name in ("a.npz", "b.npz"))
    assert [line for line in one if jobs.COMPILING in line] == [f"anthesis: {jobs.COMPILING}"]
    assert not any(jobs.COMPILING in line for line in other)


def test_the_panel_hears_it_once_a_home(first, tmp_path):
    cache = lacking(first, tmp_path / "cache" / "numba")
    session = Session("test")
    command = Command((sys.executable, "-m", "backend", "serve", "--home", str(tmp_path), "--idle", "20"), ROOT)
    session.start(tmp_path, command)
    texts: list[set[str]] = []
    try:
        for _ in range(2):
            texts.append(set())
            job = session.submit(asked("melt", frames=2), "ball", subject())
            ends = time.monotonic() + SECONDS
            while not session.jobs[job].final:
                assert time.monotonic() < ends, (session.state, session.text, session.jobs)
                session.rest(0.01)
                session.tick()
                while session.take(job) is not None:
                    pass
                texts[-1].add(session.jobs[job].text)
            assert session.jobs[job].state == "done"
    finally:
        session.close()
        if connection := protocol.read_connection(tmp_path):
            gateway = psutil.Process(connection.pid)
            gateway.terminate()
            gateway.wait(SECONDS)
    assert [any(text.startswith(jobs.COMPILING) for text in heard) for heard in texts] == [True, False]
    assert list(cache.rglob("surface_gradients.*.nbc"))


def test_a_worker_keeps_what_it_compiles_in_the_home(tmp_path):
    with Server(tmp_path) as server:
        environment = server.worker().environ()
    assert environment["NUMBA_CACHE_DIR"] == str(tmp_path / "cache" / "numba")
    assert environment["WARP_CACHE_PATH"] == str(tmp_path / "cache" / "warp")
