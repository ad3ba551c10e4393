"""The add-on's session against real backends: found, started, lost, found again; nothing lost, nothing twice."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import zmq

from backend import protocol, wire
from blender_addon.client.launch import Command
from blender_addon.client.session import Session
from tests.bench.sheets import sheet
from tests.paced import expected
from tests.service_client import SECONDS

ROOT = Path(__file__).parents[1]


def command(home: Path, *options: str) -> Command:
    argv = (sys.executable, "-m", "backend", "serve", "--home", str(home), "--runner", "tests.paced")
    return Command((*argv, "--idle", "20", *options), ROOT)


class Client:
    """A session and what it was handed, with the patience of a test."""

    def __init__(self, home: Path, start: bool = True, *options: str):
        self.home = home
        self.session = Session("test")
        self.frames: dict[str, list[np.ndarray]] = {}
        self.session.start(home, command(home, *options) if start else None)

    def until(self, condition, seconds: float = SECONDS):
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, (self.session.state, self.session.text, self.session.jobs)
            self.step()
        return self

    def step(self):
        self.session.rest(0.01)
        self.session.tick()
        for job in list(self.session.jobs):
            while (taken := self.session.take(job)) is not None:
                seq, _, arrays = taken
                handed = self.frames.setdefault(job, [])
                assert seq == len(handed), "a record was lost or came twice"
                handed.append({name: array.copy() for name, array in arrays.items()})

    def ready(self):
        return self.until(lambda: self.session.state == "ready")

    def paced(self, vertices=500, seconds=0.05, frames=20, fetch=True) -> str:
        return self.session.submit(
            protocol.Generate(prompt=f"{vertices} {seconds}", frames=frames), "paced", fetch=fetch
        )

    def complete(self, job: str, vertices=500, frames=20, seconds=SECONDS):
        self.until(lambda: self.session.fetched(job), seconds)
        positions = [record["positions"] for record in self.frames[job][1:-1]]
        np.testing.assert_array_equal(positions, expected(vertices, frames))

    @property
    def gateway(self) -> psutil.Process:
        return psutil.Process(protocol.read_connection(self.home).pid)


@pytest.fixture
def client(tmp_path):
    client = Client(tmp_path)
    yield client
    client.session.close()
    connection = protocol.read_connection(tmp_path)
    if connection is not None and psutil.pid_exists(connection.pid):
        process = psutil.Process(connection.pid)
        process.resume()
        process.terminate()
        process.wait(SECONDS)


@pytest.mark.parametrize("reads_logs", [True, False])
def test_a_backend_is_started_and_a_job_comes_back_whole(client, reads_logs):
    assert client.session.state == "connecting"
    client.session.reads_logs = reads_logs
    client.ready()
    job = client.paced()
    client.complete(job)
    found = client.session.jobs[job]
    assert (found.state, found.records, found.taken, found.mine) == ("done", 22, 22, True)


def test_a_job_can_be_fetched_again_from_any_record(client):
    job = client.ready().paced(frames=5)
    client.complete(job, frames=5)
    client.session.fetch(job, from_seq=4)
    client.frames[job] = client.frames[job][:4]
    client.complete(job, frames=5)


def test_a_subscription_that_is_lost_on_its_way_is_made_anew(client, monkeypatch):
    monkeypatch.setattr("blender_addon.client.streams.SILENCE", 0.5)
    gateway, lost = client.ready().session.gateway, []
    send = gateway.send

    def leaky(call, payload=None):
        if isinstance(call, protocol.Subscribe) and not lost:
            lost.append(call)
            return True
        return send(call, payload)

    monkeypatch.setattr(gateway, "send", leaky)
    client.complete(client.paced(frames=5), frames=5)
    assert lost


def test_prompts_are_read_while_they_are_typed_and_text_that_cannot_be_sent_stops_nothing(client):
    reader = client.ready().session.reader
    reader.typed = "two red roses blooming"
    client.until(lambda: reader.answer("two red roses blooming"))
    said = reader.answer("two red roses blooming")
    assert (said.count, protocol.name_of_species(said.specimen), said.refusal) == (2, "rose", "")
    reader.typed = "a locomotive"
    client.until(lambda: reader.answer("a locomotive"))
    assert "locomotive" in reader.newest.refusal and reader.newest.specimen is None
    reader.typed = "two red roses\udcff"
    client.complete(client.paced(frames=3), frames=3)
    assert not reader.busy and client.session.state == "ready"


def test_a_log_that_cannot_be_read_is_sent_instead(client, monkeypatch):
    elsewhere = client.home / "elsewhere"
    monkeypatch.setattr(protocol, "records_path", lambda home, job: elsewhere / job)
    job = client.ready().paced(frames=3)
    client.complete(job, frames=3)
    assert not client.session.reads_logs


def test_two_clients_that_start_at_once_share_one_gateway(client, tmp_path):
    other = Client(tmp_path)
    try:
        client.ready(), other.ready()
        job = client.paced(frames=4)
        other.until(lambda: client.step() or job in other.session.jobs)
        other.session.fetch(job)
        client.complete(job, frames=4)
        other.complete(job, frames=4)
        assert not other.session.jobs[job].mine
        serving = [
            process
            for process in psutil.process_iter(["cmdline"])
            if {"serve", str(tmp_path)} <= set(process.info["cmdline"] or ())
        ]
        assert len(serving) == 1
    finally:
        other.session.close()


@pytest.mark.parametrize("reads_logs", [True, False])
def test_a_killed_gateway_is_started_again_and_nothing_is_lost_or_twice(client, reads_logs):
    client.session.reads_logs = reads_logs
    job = client.ready().paced(frames=30)
    client.until(lambda: len(client.frames.get(job, ())) > 6)
    worker = client.gateway.children()[0]
    client.gateway.kill()
    client.until(lambda: client.session.state == "reconnecting")
    worker.wait(5)  # it may not outlive its gateway
    client.complete(job, frames=30)


def test_a_gateway_that_sleeps_is_waited_for(client):
    job = client.ready().paced(frames=40)
    client.until(lambda: len(client.frames.get(job, ())) > 3)
    gateway = client.gateway
    gateway.suspend()
    began = time.monotonic()
    client.until(lambda: client.session.state == "reconnecting")
    assert 3 < time.monotonic() - began < 8
    second = client.paced(frames=2)
    while time.monotonic() - began < 20:
        client.step()
    gateway.resume()
    client.complete(job, frames=40)
    client.complete(second, frames=2)
    assert client.gateway.pid == gateway.pid
    assert len(client.session.jobs) == 2


def test_a_mesh_that_was_half_sent_goes_on_after_the_gateway_was_killed(client):
    mesh = sheet(700_000)
    data = bytes(wire.pack_mesh(mesh))
    client.ready()
    job = client.session.submit(protocol.Animate(frames=1), "melt", subject=data)
    found = client.session.jobs[job]
    client.until(lambda: found.upload and 0.2 < found.upload.share < 0.9)
    client.gateway.kill()
    client.until(lambda: client.session.fetched(job), 60)
    np.testing.assert_array_equal(client.frames[job][0]["vertices"], mesh.vertices)
    assert found.state == "done"


def test_cancel_takes_effect_at_the_next_step_and_once(client):
    running, waiting = client.ready().paced(seconds=0.2, frames=200), client.paced(frames=3)
    client.until(lambda: client.session.jobs[running].state == "running")
    client.until(lambda: client.session.jobs[waiting].state == "queued")
    client.session.cancel(running)
    client.session.cancel(running)
    client.until(lambda: client.session.jobs[running].final, 3)
    assert client.session.jobs[running].state == "cancelled"
    client.complete(waiting, frames=3)


def test_a_job_cancelled_before_the_backend_knows_it_is_never_run(client):
    job = client.paced(frames=500)
    client.session.cancel(job)
    later = client.ready().paced(frames=2)
    client.complete(later, frames=2)
    assert client.session.jobs[job].state == "cancelled"


def test_a_removed_job_is_forgotten_by_the_store(client, tmp_path):
    keep, drop = client.ready().paced(frames=2), client.paced(frames=2)
    client.complete(keep, frames=2)
    client.complete(drop, frames=2)
    client.session.remove(drop)
    for _ in range(50):
        client.step()
    other = Client(tmp_path, start=False)
    other.until(lambda: keep in other.session.jobs)
    for _ in range(30):
        other.step()
    assert set(other.session.jobs) == set(client.session.jobs) == {keep}
    other.session.close()


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 5])
def test_a_connection_file_that_was_left_behind_is_not_believed(client, tmp_path, pid):
    client.session.close()
    stale = protocol.Connection(protocol.PROTOCOL, "a" * 32, pid, f"ipc://{tmp_path}/nobody")
    (tmp_path / protocol.CONNECTION_FILE).write_bytes(msgspec.json.encode(stale))
    client.session.start(tmp_path, command(tmp_path))
    client.ready()
    assert client.gateway.pid != pid


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"protocol": "x"}'])
def test_a_connection_file_that_cannot_be_read_is_as_none(tmp_path, content):
    (tmp_path / protocol.CONNECTION_FILE).write_bytes(content)
    assert protocol.read_connection(tmp_path) is None


def test_versions_that_do_not_meet_are_told(client, monkeypatch):
    client.ready()
    client.session.close()
    hello = protocol.Hello
    monkeypatch.setattr(protocol, "Hello", lambda **fields: hello(protocol_min=99, protocol_max=99, **fields))
    client.session.start(client.home, None)
    client.until(lambda: client.session.state == "refused")
    assert "update" in client.session.text.lower()


def test_a_python_that_is_not_there_is_told(tmp_path):
    session = Session("test")
    session.start(tmp_path, Command((str(tmp_path / "python"), "-m", "backend"), ROOT))
    session.tick()
    assert session.state == "refused" and "Preferences" in session.text
    session.close()


def test_a_backend_that_dies_at_once_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("blender_addon.client.gateway.SPAWN_INTERVAL", 0.2)
    session = Session("test")
    session.start(tmp_path, Command((sys.executable, "-c", "raise SystemExit('no such backend')"), ROOT))
    ends = time.monotonic() + SECONDS
    while session.state != "refused" and time.monotonic() < ends:
        session.tick()
        time.sleep(0.02)
    assert str(tmp_path / "logs" / "backend.log") in session.text
    assert "no such backend" in (tmp_path / "logs" / "backend.log").read_text()
    session.close()


def test_a_stopped_backend_leaves_its_job_waiting_and_a_cancel_is_kept_for_the_next(client):
    goes_on, cancelled = client.ready().paced(seconds=0.1, frames=20), client.paced(frames=3)
    client.until(lambda: len(client.frames.get(goes_on, ())) > 3)
    jobs = client.session.jobs
    client.session.shutdown_backend(force=True)
    client.until(lambda: client.session.state == "off")
    client.until(lambda: jobs[goes_on].state == "queued" and "started again" in jobs[goes_on].text)
    client.session.cancel(cancelled)
    assert jobs[cancelled].state == "cancelled"
    client.session.start(client.home, command(client.home))
    client.complete(goes_on, frames=20)
    client.until(lambda: jobs[cancelled].cancel is None)
    assert jobs[cancelled].state == "cancelled"


def test_a_home_that_cannot_be_made_is_told_as_that(tmp_path):
    (tmp_path / "file").write_text("in the way")
    session = Session("test")
    home = Path("/proc/anthesis") if sys.platform == "linux" else tmp_path / "file" / "home"
    session.start(home, command(tmp_path))
    session.tick()
    assert session.state == "refused" and "home folder" in session.text.lower() and str(home) in session.text
    session.close()


def test_goodbye_is_quick_with_jobs_waiting(client):
    client.ready()
    for _ in range(20):
        client.paced(frames=200)
    client.until(lambda: any(job.state == "running" for job in client.session.jobs.values()))
    began = time.monotonic()
    client.session.close()
    client.session.close()
    assert time.monotonic() - began < 2


def test_a_cut_key_is_refused_before_anything_is_sent():
    with pytest.raises(ValueError, match="copy all three"):
        Session("test").connect_remote("tcp://127.0.0.1:1", "x" * 40, "y" * 40, "z" * 39)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_client_that_sleeps_finds_its_job_done(client):
    """As a laptop that was closed: the client asks nothing for longer than its lease."""
    job = client.ready().paced(frames=10, seconds=0.02)
    client.until(lambda: len(client.frames.get(job, ())) > 2)
    time.sleep(protocol.LEASE_SECONDS + 2)
    client.complete(job, frames=10)


KEYS = [key.decode() for key in (zmq.curve_keypair()[0], *zmq.curve_keypair())]


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://192.168.1.20", "tcp://192.168.1.20:", "tcp://:5577", "tcp://two words:5577", "tcp://h:70000", "tcp://h:0"]
    + ["tcp://*:5577", "ipc://somewhere", "tcp://http://h:5577"],
)
def test_an_address_that_is_none_is_said(endpoint):
    session = Session("test")
    with pytest.raises(ValueError, match="host and port"):
        session.connect_remote(endpoint, *KEYS)
    assert session.state == "off"


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:65535"])
def test_an_address_is_tried(endpoint):
    session = Session("test")
    session.connect_remote(endpoint, *KEYS)
    session.tick()
    assert session.state == "connecting"
    session.close()


@pytest.mark.parametrize("key", ["~" * 40, "#" * 40, "ü" * 40])
def test_a_key_that_was_mistyped_is_said(key):
    with pytest.raises(ValueError, match="mistyped"):
        Session("test").connect_remote("tcp://127.0.0.1:1", KEYS[0], key, KEYS[2])


@pytest.mark.parametrize(
    "fields", [{"endpoint": "nonsense"}, {"endpoint": "tcp://127.0.0.1:1", "server_key": "~" * 40}, {"endpoint": ""}]
)
def test_an_address_that_libzmq_refuses_is_told_and_not_raised(tmp_path, fields):
    """It comes from the connection file, which anything may have written to."""
    written = protocol.Connection(protocol.PROTOCOL, "a" * 32, os.getpid(), **fields)
    (tmp_path / protocol.CONNECTION_FILE).write_bytes(msgspec.json.encode(written))
    session = Session("test")
    session.start(tmp_path, None)
    session.tick()
    assert session.state == "refused" and "cannot be reached" in session.text
    session.close()


def test_a_home_that_cannot_be_read_is_told_and_not_raised(tmp_path):
    (tmp_path / protocol.CONNECTION_FILE).mkdir()  # as one without permission, which root always has
    session = Session("test")
    session.start(tmp_path, None)
    session.tick()
    assert session.state == "refused" and str(tmp_path) in session.text
    session.close()


class Wire:
    """In place of a Link: what was sent, and the answers to come."""

    def __init__(self):
        self.sent, self.answers = [], deque()

    def send(self, call, payload=None):
        self.sent.append(call)
        return True

    def receive(self):
        return (self.answers.popleft(), None) if self.answers else None

    def close(self):
        pass

    def of(self, kind):
        """What was sent of one kind since the last look."""
        found = [call for call in self.sent if isinstance(call, kind)]
        self.sent = [call for call in self.sent if not isinstance(call, kind)]
        return found


@pytest.fixture
def wired(monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.0)
    session = Session("test")
    session.gateway._link = wire = Wire()
    session.gateway.hear_welcome()
    return session, wire


@pytest.mark.parametrize(("code", "words"), [("disk_full", "free some space"), ("hash_mismatch", "sent again")])
def test_a_mesh_that_cannot_be_stored_is_said_and_asked_again(wired, code, words):
    session, wire = wired
    data = bytes(2 * protocol.CHUNK_BYTES)
    job = session.jobs[session.submit(protocol.Animate(), "melt", subject=data)]
    blob = job.upload.blob
    session.tick()
    for _ in range(3):
        assert [put.offset for put in wire.of(protocol.Put)] == [0]
        wire.answers.append(protocol.Refused(failure=protocol.Failure(code, "No: free some space"), blob=blob))
        session.tick()
        assert words in job.text and not job.final
        session.tick()
    wire.answers.append(protocol.Have(blob=blob, offset=protocol.CHUNK_BYTES))
    session.tick()
    session.tick()
    assert job.text == ""
    assert protocol.CHUNK_BYTES in [put.offset for put in wire.of(protocol.Put)]
    wire.answers.append(protocol.Have(blob=blob, offset=len(data), complete=True))
    session.tick()
    assert job.id in [submit.job for submit in wire.of(protocol.Submit)]


def test_a_job_outlives_that_its_client_has_to_say_hello_again(wired):
    session, wire = wired
    job = session.jobs[session.submit(protocol.Generate(prompt="x"), "x")]
    refused = protocol.Failure("not_greeted", "Say Hello first")
    wire.answers.append(protocol.Refused(failure=refused, job=job.id))
    session.tick()
    assert session.state == "connecting" and not job.final
    wire.of(protocol.Submit)
    wire.answers.append(protocol.Welcome(protocol=protocol.PROTOCOL, boot="b" * 32))
    session.tick()
    assert job.id in [submit.job for submit in wire.of(protocol.Submit)]


def test_titles_are_cut_to_what_the_protocol_takes(wired):
    session, wire = wired
    session.submit(protocol.Generate(prompt="ü" * 1000), "ü" * 1000)
    (submit,) = wire.of(protocol.Submit)
    assert protocol.decode_call(protocol.encode(submit))[0].title == "ü" * 200


def test_force_is_repeated_until_the_job_has_ended(wired):
    session, wire = wired
    job = session.jobs[session.submit(protocol.Generate(prompt="x"), "x", fetch=False)]
    state = protocol.JobState(job=job.id, state="running", title="x", request=job.request)
    wire.answers.append(state)
    session.tick()
    session.cancel(job.id)
    session.cancel(job.id, force=True)
    wire.answers.append(msgspec.structs.replace(state, state="cancelling"))
    session.tick()
    wire.of(protocol.Cancel)
    session.tick()
    assert [call.force for call in wire.of(protocol.Cancel)] == [True]
    wire.answers.append(msgspec.structs.replace(state, state="cancelled"))
    session.tick()
    wire.of(protocol.Cancel)
    session.tick()
    assert not wire.of(protocol.Cancel)


def test_one_that_joined_starts_a_backend_for_its_own_jobs_only(client, tmp_path):
    client.ready()
    joined = Client(tmp_path, start=False)
    try:
        joined.ready().session.allow_start(command(tmp_path))
        client.session.close()
        client.gateway.kill()
        joined.until(lambda: joined.session.state == "off")
        for _ in range(30):
            joined.step()
        assert joined.session.state == "off"
        joined.complete(joined.paced(frames=3), frames=3)
        job = joined.paced(frames=30)
        joined.until(lambda: len(joined.frames.get(job, ())) > 3)
        joined.gateway.kill()
        joined.complete(job, frames=30)
    finally:
        joined.session.close()


def test_a_backend_that_would_not_end_is_started_again_when_it_dies(client):
    job = client.ready().paced(frames=30)
    client.until(lambda: len(client.frames.get(job, ())) > 3)
    client.session.shutdown_backend()
    client.until(lambda: "cancel them first" in client.session.text)
    client.gateway.kill()
    client.complete(job, frames=30)


def test_a_backend_that_was_ended_stays_ended_though_jobs_wait(client):
    client.ready().paced(frames=30)
    client.session.shutdown_backend(force=True)
    client.until(lambda: client.session.state == "off")
    for _ in range(50):
        client.step()
    assert client.session.state == "off"
    client.session.allow_start(command(client.home))
    client.ready()


def test_what_is_cleared_while_the_connection_is_lost_stays_cleared(client, tmp_path):
    jobs = [client.ready().paced(frames=2) for _ in range(3)]
    for job in jobs:
        client.complete(job, frames=2)
    client.session.gateway.give_up_link()
    client.session.gateway.state = "reconnecting"
    client.session.clear(keep={jobs[1]})
    client.ready()
    client.until(lambda: not client.session._removing)
    other = Client(tmp_path, start=False)
    other.until(lambda: jobs[1] in other.session.jobs)
    for _ in range(30):
        other.step()
    assert set(other.session.jobs) == set(client.session.jobs) == {jobs[1]}
    other.session.close()


@pytest.mark.parametrize(("shipped", "missing"), [(True, "no_such_package"), (False, "backend")])
def test_a_package_that_the_protocol_misses_is_named(tmp_path, shipped, missing):
    """And not the backend, which the extension has with it."""
    addon = tmp_path / "addon"
    addon.mkdir()
    (addon / "__init__.py").touch()
    shutil.copy(ROOT / "blender_addon" / "seam.py", addon)
    if shipped:
        (addon / "backend").mkdir()
        (addon / "backend" / "__init__.py").touch()
        (addon / "backend" / "protocol.py").write_text("import no_such_package")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # where ours may lie
    command = [sys.executable, "-c", "import addon.seam"]
    run = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert run.stderr.rstrip().endswith(f"No module named '{missing}'")
