"""What must survive: killed gateways, killed workers, jobs that hang, a full disk, a client that is gone.

Real processes, each fault made the way that it happens. The runner is tests/runners.py; a job's prompt is its fault.
"""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid

import psutil
import pytest
import xxhash

from backend import protocol
from tests import runners
from tests.service_client import ROOT, SECONDS, Client, Server, gone, until


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.connection) as client:
        yield client


def expected(frames: int, seed: int = 1, size: int = 1000) -> dict[int, bytes]:
    return {seq: runners.record(seq, seed, size).tobytes() for seq in range(frames)}


def restart(server: Server) -> None:
    server.process.stdout.close()
    server.start()


def attempts(client: Client, job: str) -> int:
    return client.jobs()[job].attempt


# --- The gateway dies


def test_a_killed_gateway_takes_its_worker_along_and_the_job_goes_on(server):
    with Client(server.connection) as client:
        job = client.submit("rest=0.05 size=200000", frames=40).job
        client.send(protocol.Subscribe(stream=1, job=job))
        first, _ = client.read_stream(1, protocol.WINDOW_BYTES, until_records=7)
        worker, boot = server.worker(), client.welcome.boot
        server.kill()
        until(lambda: gone(worker.pid), "an end of the worker", seconds=10.0)
    restart(server)
    with Client(server.connection) as client:
        assert client.welcome.boot != boot
        rest, end = client.fetch(job, from_seq=7)
        assert first | rest == expected(40, size=200_000)
        assert (end.state, attempts(client, job)) == ("done", 2)


def test_a_worker_that_holds_the_interpreter_dies_with_its_gateway(server):
    with Client(server.connection) as client:
        job = client.submit("stuck at=1", frames=5).job
        client.wait(job, "running", when=lambda state: state.records == 1)
        worker = server.worker()
        server.kill()
        until(lambda: gone(worker.pid), "an end of the worker")


def test_a_worker_whose_pipe_ends_ends_too():
    """What ties it to the gateway where the system has no better way; here its parent lives on."""
    command = [sys.executable, "-m", "backend.service.worker", "--runner", "tests.runners"]
    worker = subprocess.Popen(
        [*command, "--parent", str(os.getpid())], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert worker.stdout.read(4), "the worker never was ready"
        worker.stdin.close()
        worker.wait(5)
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def test_a_gateway_killed_again_and_again_loses_and_doubles_nothing(server):
    """Wherever the kill falls, between log and table too: what was received once is there, and the same, ever after."""
    job, records = uuid.uuid4().hex, {}
    for pause in (0.02, 0.1, 0.05, 0.13, 0.07, 0.03):
        with Client(server.connection) as client:
            client.submit("rest=0.01 size=50000", frames=150, job=job)
            known = client.jobs()[job].records
            assert known >= len(records), "what was received is not there any more"
            client.send(protocol.Subscribe(stream=1, job=job, from_seq=len(records)))
            new, _ = client.read_stream(1, protocol.WINDOW_BYTES, until_records=known + 3 - len(records))
            records |= new
            time.sleep(pause)
            server.kill()
        restart(server)
    with Client(server.connection) as client:
        new, _end = client.fetch(job, from_seq=len(records))
        assert records | new == expected(150, size=50_000)
        assert (len(client.jobs()), attempts(client, job)) == (1, 7)


def test_a_gateway_killed_before_it_could_answer_has_the_job_once(server, tmp_path):
    job = uuid.uuid4().hex
    with Client(server.connection) as client, sqlite3.connect(tmp_path / "store.sqlite3") as table:
        request = protocol.Generate(prompt="rest=0.01", frames=5)
        client.send(protocol.Submit(job=job, request=request))
        until(lambda: table.execute("SELECT COUNT(*) FROM jobs").fetchone() == (1,), "the job on disk")
        server.kill()
    table.close()
    restart(server)
    with Client(server.connection) as client:
        again = client.ask(protocol.Submit(job=job, request=request), protocol.Accepted)
        assert again.duplicate
        records, end = client.fetch(job)
        assert (len(records), end.state, len(client.jobs())) == (5, "done", 1)


def test_a_gateway_that_slept_knows_its_clients_and_its_worker_still(server, client):
    """SIGSTOP for longer than a lease and a step's deadline; nothing was late but the gateway."""
    job = client.submit("rest=0.05", frames=40).job
    client.wait(job, "running", when=lambda state: state.records > 3)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(protocol.LEASE_SECONDS + 3)
    server.process.send_signal(signal.SIGCONT)
    time.sleep(0.5)  # for it to give up whom it would give up
    # the client's lease is still good: it is answered without a new Hello
    assert isinstance(client.ask(protocol.Ping(), protocol.Pong), protocol.Pong)
    records, _end = client.fetch(job)
    assert records == expected(40)
    assert attempts(client, job) == 1


def test_two_gateways_at_once_are_one(tmp_path):
    servers = [Server(tmp_path, wait=False) for _ in range(3)]
    try:
        connection = until(lambda: protocol.read_connection(tmp_path), "a connection file")
        with Client(connection) as one, Client(connection) as other:
            assert one.welcome.boot == other.welcome.boot
            until(lambda: sum(server.process.poll() is None for server in servers) == 1, "one gateway alone")
            assert sorted(server.process.poll() or 0 for server in servers) == [0, 0, 0], "the others did not know why"
            job = one.submit("x").job
            one.wait(job)
            assert job in other.jobs()
    finally:
        for server in servers:
            server.__exit__()


# --- The worker dies


def test_a_killed_worker_is_replaced_and_finished_records_are_kept(server, client):
    job = client.submit("rest=0.05", frames=20).job
    client.wait(job, "running", when=lambda state: state.records > 5)
    log = server.home / "jobs" / job / "records.log"
    kept = log.read_bytes()
    server.worker().send_signal(signal.SIGKILL)
    records, end = client.fetch(job)
    assert records == expected(20)
    assert (end.state, attempts(client, job)) == ("done", 2)
    assert log.read_bytes().startswith(kept[: len(kept) - len(kept) % 1024]), "finished records were made again"


def test_a_crash_in_the_middle_of_a_record_leaves_no_trace(server, client, tmp_path):
    job = client.submit(f"kill at=3 once={tmp_path / 'once'}", frames=8).job
    records, end = client.fetch(job)
    assert records == expected(8)
    assert (end.state, attempts(client, job)) == ("done", 2)


def test_a_job_that_crashes_its_worker_twice_is_set_aside_and_the_next_one_runs(server, client):
    bad, good = client.submit("segfault at=2", frames=5).job, client.submit("x").job
    state = client.wait(bad)
    assert (state.state, state.attempt, state.records) == ("quarantined", 2, 2)
    assert state.failure.code == "worker_crashed"
    assert "segmentation fault" in state.failure.text
    assert client.wait(good).state == "done"
    server.stop()
    restart(server)
    with Client(server.connection) as again:
        time.sleep(0.5)
        found = again.jobs()[bad]
        assert (found.state, found.attempt, found.failure) == (state.state, state.attempt, state.failure)


@pytest.mark.parametrize("how", ["hang", "stuck"])
def test_a_step_that_never_ends_is_ended(tmp_path, how):
    with Server(tmp_path, "--step-deadline", "1") as server, Client(server.connection) as client:
        job = client.submit(f"{how} at=8 rest=0.05 once={tmp_path / 'once'}", frames=10).job
        records, end = client.fetch(job)
        assert records == expected(10)
        assert (end.state, attempts(client, job)) == ("done", 2)
        job, after = client.submit(f"{how} at=8 rest=0.05", frames=10).job, client.submit("x").job
        state = client.wait(job)
        assert (state.state, state.failure.code, state.attempt) == ("quarantined", "worker_hung", 2)
        assert "no progress" in state.failure.text
        told = (tmp_path / "logs" / "gateway.log").read_text()
        assert "it was ended from here" in told and "memory" not in told
        assert client.wait(after).state == "done"


def test_a_slow_step_that_reports_is_not_a_hang(tmp_path):
    with Server(tmp_path, "--step-deadline", "0.5") as server, Client(server.connection) as client:
        job = client.submit("rest=0.1", frames=25).job
        assert client.wait(job).state == "done"
        assert attempts(client, job) == 1


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_job_that_reports_before_its_kernels_compile_is_given_the_time(tmp_path, at):
    """As an animated mesh does: a report, the subject, the first frame as it was, and then the first computing."""
    with Server(tmp_path, "--step-deadline", "0.3") as server, Client(server.connection) as client:
        job = client.submit(f"sleep=1.5 at={at}", frames=4).job
        assert client.wait(job).state == "done"
        assert attempts(client, job) == 1


def test_a_machine_on_which_no_worker_lives_is_told_and_refuses(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as client:
        until(lambda: client.ask(protocol.Ping(), protocol.Pong).engines, "a worker that is ready")
        for _ in range(5):
            worker = server.worker()
            worker.kill()
            until(lambda pid=worker.pid: gone(pid), "an end of the worker")
            time.sleep(0.3)
        refused = until(lambda: (answer := client.submit("x")).__class__ is protocol.Refused and answer, "a refusal")
        assert refused.failure.code == "degraded"
        assert str(tmp_path / "logs" / "worker.log") in refused.failure.text
        assert "died 5 times" in client.ask(protocol.Ping(), protocol.Pong).worker


def test_a_job_that_gives_another_result_the_second_time_is_not_patched_together(server, client, tmp_path):
    job = client.submit(f"whim kill at=3 once={tmp_path / 'once'}", frames=6).job
    state = client.wait(job)
    assert (state.state, state.failure.code, state.records) == ("failed", "store_corrupt", 3)


def test_a_job_killed_after_its_last_record_is_done_though_that_tells_the_time(server, client, tmp_path):
    job = client.submit(f"timed kill at=6 once={tmp_path / 'once'}", frames=6).job
    records, end = client.fetch(job)
    assert records.pop(6)
    assert records == expected(6)
    assert (end.state, attempts(client, job)) == ("done", 2)


# --- Jobs that fail


def test_a_result_that_is_not_a_number_is_told(server, client):
    state = client.wait(client.submit("nan at=2").job)
    assert (state.state, state.failure.code, state.records) == ("failed", "nan_result", 2)
    assert "not numbers" in state.failure.text


def test_a_request_that_nothing_can_carry_out_is_told_in_its_own_words(server, client):
    state = client.wait(client.submit("refuse").job)
    assert (state.failure.code, state.failure.text) == (
        "unsupported",
        "Nothing here can make that: ask for something else",
    )
    assert "Traceback" in state.failure.detail


def test_a_fault_of_ours_is_called_one(server, client):
    state = client.wait(client.submit("fault at=1").job)
    assert state.failure.code == "internal"
    assert state.failure.text.startswith("This is a fault of Anthesis")
    assert "KeyError: 'petal'" in state.failure.detail
    worker = server.worker().pid
    assert client.wait(client.submit("x").job).state == "done"
    assert server.worker().pid == worker, "a failed job is no reason for a new worker"


def test_a_flood_of_output_blocks_nobody_and_its_log_is_bounded(server, client):
    job = client.submit("flood=100 at=1", frames=3).job
    assert client.wait(job).state == "done"
    logs = list((server.home / "logs").glob("worker.log*"))
    assert len(logs) == 5
    assert sum(log.stat().st_size for log in logs) < 5 * 5_100_000


# --- Cancelling by force


def test_a_cancel_that_is_not_heard_is_done_by_force_after_a_while(server, client):
    job = client.submit("hang at=1", frames=3).job
    client.wait(job, "running", when=lambda state: state.records == 1)
    began = time.monotonic()
    assert client.ask(protocol.Cancel(job=job), protocol.JobState).state == "cancelling"
    assert client.wait(job).state == "cancelled"
    assert time.monotonic() - began > 4
    assert client.wait(client.submit("x").job).state == "done"


def test_a_cancel_by_force_ends_a_worker_that_holds_the_interpreter(server, client):
    job = client.submit("stuck at=1", frames=3).job
    client.wait(job, "running", when=lambda state: state.records == 1)
    worker = server.worker()
    client.ask(protocol.Cancel(job=job, force=True), protocol.JobState)
    assert client.wait(job, seconds=4.0).state == "cancelled", "it took until the cancel was pressed without force"
    assert gone(worker.pid)
    assert client.wait(client.submit("x").job).state == "done"


# --- The client dies


def test_a_job_outlives_the_client_that_asked_for_it(server):
    """As the add-on does when Blender is killed: no goodbye, and a new one asks what is there."""
    code = (
        "import sys; from pathlib import Path; from backend import protocol; from tests.service_client import Client\n"
        "client = Client(protocol.read_connection(Path(sys.argv[1])))\n"
        "job = client.submit('rest=0.05', frames=40).job\n"
        "client.wait(job, 'running', when=lambda state: state.records > 3)\n"
        "print(job, flush=True)\n"
        "client.fetch(job)"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", code, str(server.home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    job = asking.stdout.readline().strip()
    asking.kill()
    asking.wait()
    asking.stdout.close()
    with Client(server.connection) as client:
        assert client.jobs()[job].state == "running"
        records, _end = client.fetch(job, from_seq=2)
        assert records == {seq: data for seq, data in expected(40).items() if seq >= 2}
        assert attempts(client, job) == 1


# --- The disk


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own, 40 MB large."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a full disk needs a file system of its own, and so root on Linux")
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a full disk needs a file system of its own: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, leave: int) -> None:
    with (folder / "ballast").open("ab") as ballast, contextlib.suppress(OSError):
        ballast.write(bytes(max(0, shutil.disk_usage(folder).free - leave)))


def test_a_full_disk_pauses_the_job_and_loses_nothing(small_disk):
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        job = client.submit("rest=0.05 size=1000000", frames=25).job
        client.wait(job, "running", when=lambda state: state.records == 3)
        fill(small_disk, 2_500_000)
        paused = client.wait(job, "running", when=lambda state: "disk is full" in state.text)
        assert 3 < paused.records < 10
        refused = client.submit("x", frames=200)
        assert refused.failure.code == "disk_full"
        assert re.search(r"may need \d+ MB", refused.failure.text)
        time.sleep(1.5)
        assert client.jobs()[job].state == "running"
        (small_disk / "ballast").unlink()
        records, end = client.fetch(job)
        assert records == expected(25, size=1_000_000)
        assert (end.state, attempts(client, job)) == ("done", 1)


def test_a_job_on_a_full_disk_can_be_cancelled(small_disk):
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        job = client.submit("rest=0.05 size=1000000", frames=25).job
        client.wait(job, "running", when=lambda state: state.records == 2)
        fill(small_disk, 0)
        client.wait(job, "running", when=lambda state: "disk is full" in state.text)
        fill(small_disk, 0)
        client.send(protocol.Cancel(job=job))
        assert client.wait(job, "cancelled").records >= 2


def test_the_table_has_room_of_its_own_on_a_full_disk(small_disk):
    """All records fit into the log's first page, but each needs a row."""
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        job = client.submit("rest=0.02 size=16", frames=60).job
        client.wait(job, "running", when=lambda state: state.records > 2)
        fill(small_disk, 0)
        assert client.wait(job).state == "done"
        assert client.fetch(job)[0] == expected(60, size=16)


def repeating(client: Client, data: bytes, frames: int) -> str:
    """A job that stores what it was given as each frame, and has begun to."""
    client.put(data)
    job, request = uuid.uuid4().hex, protocol.Animate(frames=frames)
    client.ask(protocol.Submit(job=job, request=request, blob=xxhash.xxh3_128_hexdigest(data)), protocol.Accepted)
    client.wait(job, "running", when=lambda state: state.records > 5)
    return job


def test_a_table_that_cannot_grow_waits_for_space(small_disk):
    """The disk was too full for the reserve when the backend started."""
    fill(small_disk, 450_000)
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        job = repeating(client, b"subject", frames=100)
        fill(small_disk, 0)
        held = client.wait(job, "running", when=lambda state: "disk is full" in state.text).records
        (small_disk / "ballast").unlink()
        records, end = client.fetch(job)
        assert records == dict.fromkeys(range(100), b"subject")
        assert 5 < held < 100
        assert end.state == "done"
        assert "disk is full" not in client.jobs()[job].text


def test_a_job_whose_worker_died_on_a_full_disk_can_be_cancelled(small_disk):
    """The death cannot be entered, so the job stays as it was, with no worker to speak to."""
    fill(small_disk, 450_000)
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        job = repeating(client, b"subject", frames=400)
        fill(small_disk, 0)
        client.wait(job, "running", when=lambda state: "disk is full" in state.text)
        worker = server.worker().pid
        os.kill(worker, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(worker), "a gateway that knows of the death")
        for force in (False, True):
            assert client.ask(protocol.Cancel(job=job, force=force), protocol.JobState).state == "cancelling"
        assert isinstance(client.ask(protocol.Ping(), protocol.Pong), protocol.Pong)
        (small_disk / "ballast").unlink()
        assert client.wait(job).state == "cancelled"
        assert client.wait(client.submit("x").job).state == "done"


def test_a_mesh_that_finds_no_space_is_named_in_the_refusal(small_disk):
    data = os.urandom(600_000)
    blob = xxhash.xxh3_128_hexdigest(data)
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        fill(small_disk, 300_000)
        refused = client.put(data, chunks=2)
        assert (refused.failure.code, refused.blob, refused.job) == ("disk_full", blob, None)
        (small_disk / "ballast").unlink()
        assert client.put(data, start=protocol.CHUNK_BYTES).complete


def test_a_mesh_asks_for_the_space_of_its_frames_and_not_of_itself(small_disk):
    """A frame has the positions and shades of a mesh and not its faces."""
    with Server(small_disk / "home") as server, Client(server.connection) as client:
        data = os.urandom(1_000_000)
        client.put(data)
        answers = []
        for frames in (60, 200):
            request = protocol.Animate(frames=frames)
            call = protocol.Submit(job=uuid.uuid4().hex, request=request, blob=xxhash.xxh3_128_hexdigest(data))
            answers.append(client.ask(call, protocol.Accepted))
            client.send(protocol.Cancel(job=call.job))
        assert isinstance(answers[0], protocol.Accepted)
        assert answers[1].failure.code == "disk_full"
        assert "may need 67 MB" in answers[1].failure.text


def test_a_backend_that_finds_no_space_to_start_says_so(small_disk):
    home = small_disk / "home"
    home.mkdir()
    fill(small_disk, 0)
    with Server(home, wait=False) as server:
        output, _ = server.process.communicate(timeout=SECONDS)
        assert server.process.returncode == 1
        assert output == f"The disk of {home} is full: free some space, then start the backend again\n"


def test_nothing_is_left_running(server):
    with Client(server.connection) as client:
        client.wait(client.submit("x").job)
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    server.kill()
    until(lambda: all(gone(process.pid) for process in family), "an end of all")
