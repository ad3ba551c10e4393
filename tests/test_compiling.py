"""Who waits while kernels compile is told so: in the job's report, in the panel and in the terminal."""

import os
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
    options = {"env": environment, "capture_output": True, "text": True, "timeout": 120, "check": True}
    return subprocess.run([sys.executable, "-P", *map(str, arguments)], **options)


REPORTS = """
import sys
from backend import pipelines, protocol
with open(sys.argv[1], "rb") as file:
    subject = file.read()
request = protocol.Animate(frames=3)
for _ in pipelines.carry_out(request, subject, lambda done, text: print(done, text)):
    pass
"""


def test_a_first_job_reports_that_it_compiles_and_where_it_was_and_a_second_does_not(tmp_path):
    (tmp_path / "subject").write_bytes(subject())
    said = [process(tmp_path, "-c", REPORTS, tmp_path / "subject").stdout for _ in range(2)]
    first, second = ([line.split(" ", 1) for line in lines.splitlines()] for lines in said)
    assert jobs.COMPILING in [text for _, text in first]
    reached = "0.0"
    for done, text in first:
        assert text != jobs.COMPILING or done == reached
        reached = done
    assert [line for line in first if line[1] != jobs.COMPILING] == second


def test_it_is_reported_where_the_job_has_got_to(monkeypatch):
    def frames(life, report):
        report(0.4, "Melting")
        announce()
        yield from ()

    told = []
    monkeypatch.setattr("backend.pipelines.lifecycle.Life.frames", frames)
    list(pipelines.carry_out(asked(), subject(), lambda *reported: told.append(reported)))
    assert [one for one in told if one[0] == 0.4] == [(0.4, "Melting"), (0.4, jobs.COMPILING)]


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
    assert told[at + 1] == (0.0, jobs.COMPILING)


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
    assert told == [(0.3, "Finding its vibration modes"), (0.3, jobs.COMPILING)]
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


def test_the_terminal_shows_it(tmp_path):
    ball().export(tmp_path / "ball.ply")
    run = ["-m", "backend", "run", tmp_path / "ball.ply", "--process", "melt", "--frames", "2", "-o"]
    shown = {"FORCE_COLOR": "1", "COLUMNS": "120"}  # the bar is drawn into the pipe
    first, second = (process(tmp_path, *run, tmp_path / name, **shown).stderr for name in ("a.npz", "b.npz"))
    assert jobs.COMPILING in first
    assert jobs.COMPILING not in second
    assert "Melting" in second


def test_a_file_is_told_once_in_a_line(tmp_path):
    ball().export(tmp_path / "ball.ply")
    run = ["-m", "backend", "run", tmp_path / "ball.ply", "--process", "melt", "--frames", "2", "-o"]
    first, second = (process(tmp_path, *run, tmp_path / name).stderr.split("\n") for name in ("a.npz", "b.npz"))
    assert first.count(f"anthesis: {jobs.COMPILING}") == 1
    assert not any(jobs.COMPILING in line for line in second)


def test_the_panel_hears_it_once_a_home(tmp_path):
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
    assert [jobs.COMPILING in heard for heard in texts] == [True, False]
    assert list((tmp_path / "cache" / "numba").rglob("*.nbc"))


def test_a_worker_keeps_what_it_compiles_in_the_home(tmp_path):
    with Server(tmp_path) as server:
        environment = server.worker().environ()
    assert environment["NUMBA_CACHE_DIR"] == str(tmp_path / "cache" / "numba")
    assert environment["WARP_CACHE_PATH"] == str(tmp_path / "cache" / "warp")
