"""The gateway's side of docs/protocol.md, spoken to with a plain socket: real processes, real pipes."""

import contextlib
import os
import re
import socket as sockets
import sqlite3
import subprocess
import sys
import time
import uuid
from typing import get_args

import msgspec
import psutil
import pytest
import xxhash
import zmq

from backend import protocol
from backend.service import gateway, pipes
from backend.service.door import Full
from backend.service.jobs import GENERATED_FRAME_BYTES, LEARNT_BYTES, Refusal, room
from backend.service.peers import Peer, Stream
from backend.service.recordlog import RecordLog, digest_of
from backend.service.store import Store
from tests import runners
from tests.service_client import ROOT, SECONDS, Client, Server, connection_of, until

EYE = (1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.connection) as client:
        yield client


def memory(process) -> int:
    return psutil.Process(process.pid).memory_info().rss


# --- The conversation


def test_a_job_comes_back_whole(server, client):
    accepted = client.submit("size=700000 rest=0.01", frames=6, seed=9)
    assert not accepted.duplicate
    records, end = client.fetch(accepted.job)
    assert records == {seq: runners.record(seq, 9, 700_000).tobytes() for seq in range(6)}
    assert (end.records, end.state) == (6, "done")
    state = client.jobs()[accepted.job]
    assert (state.state, state.done, state.records, state.attempt, state.failure) == ("done", 1.0, 6, 1, None)


def test_a_job_can_be_read_from_any_record_and_by_any_client(server, client):
    job = client.submit("x", frames=8).job
    client.fetch(job)
    with Client(server.connection) as other:
        assert job in other.jobs()
        records, end = other.fetch(job, from_seq=5, stream=3)
        assert sorted(records) == [5, 6, 7]
        records, end = other.fetch(job, from_seq=8, stream=4)
        assert (records, end.records) == ({}, 8)
        records, end = other.fetch(job, from_seq=1000, stream=5)
        assert (records, end.records) == ({}, 8)


@pytest.mark.parametrize("kind", [each.__struct_config__.tag for each in get_args(protocol.Request)])
def test_a_job_of_every_kind_is_taken_on(server, client, kind):
    """The tests' runner knows them not: they fail in the worker, and the gateway goes on."""
    said = {name: {"prompt": "x"} for name in ("generate", "views", "text_to_mesh")}
    said["learn_subject"] = {"known_as": "x"}
    asked = (said | {"sway_as_seen": {"camera": {"view": EYE, "projection": EYE}}}).get(kind, {})
    data = kind.encode() * 30
    client.put(data)
    job, blob = uuid.uuid4().hex, xxhash.xxh3_128_hexdigest(data)
    request = msgspec.convert({"type": kind} | asked, protocol.Request)
    client.ask(protocol.Submit(job=job, request=request, title=kind, blob=blob), protocol.Accepted)
    _, end = client.fetch(job)
    assert end.state in ("done", "failed")
    assert client.jobs()[job].request == request


def test_what_the_backend_has_learnt_is_known_when_the_job_is_done(server, client):
    for number, told in enumerate([(), ("mug",), ("mug", "cup")]):
        job = client.submit(["x", "learn=mug", "learn=cup"][number]).job
        assert client.wait(job).state == "done"
        assert client.ask(protocol.Ping(), protocol.Pong).engines.subjects == told
        with Client(server.connection) as other:
            assert other.welcome.engines.subjects == told


def test_how_much_room_a_job_takes_follows_what_is_asked_for():
    camera = protocol.Camera(view=EYE, projection=EYE)
    assert room(protocol.Generate(prompt="x", frames=10), None) == 10 * GENERATED_FRAME_BYTES
    assert room(protocol.Sway(), 3000) == 120 * 1000
    assert room(protocol.SwayAsSeen(camera=camera, modes=7), 3000) == 7 * 1000
    assert room(protocol.LearnSubject(known_as="x"), 10**7) == LEARNT_BYTES
    assert room(protocol.Plane(detail=100), 10**7) == protocol.MODES * 120_000
    slow, fast = (room(protocol.Picture(size=100, fps=10.0, speed=speed), 10**7) for speed in (0.5, 2.0))
    assert (slow, fast) == (200 * 30_000, 50 * 30_000)
    assert room(protocol.Picture(size=100, fps=240.0, speed=0.1), 10**7) == protocol.MAX_FRAMES * 30_000


def test_progress_is_told_to_who_submitted_and_to_who_listed(server, client):
    with Client(server.connection) as listening, Client(server.connection) as other:
        listening.jobs()
        job = client.submit("rest=0.1", frames=10).job
        for watching in (client, listening):
            state = watching.wait(job, "running", when=lambda state: 0.2 < state.done < 1)
            assert re.fullmatch(r"Frame \d+ of 10", state.text)
            assert state.request.prompt == "rest=0.1"
            assert watching.wait(job).state == "done"
        while message := other.receive(0.2):
            assert not isinstance(message[0], protocol.JobState)


def test_the_same_job_twice_is_one_job(server, client):
    job = uuid.uuid4().hex
    assert not client.submit("x", job=job).duplicate
    assert client.submit("x", job=job).duplicate
    client.wait(job)
    assert client.submit("x", job=job).duplicate
    refused = client.submit("x", job=job, seed=99)
    assert refused.failure.code == "conflict"
    assert client.jobs()[job].request.seed == 1


def test_a_mesh_is_sent_once_and_a_job_waits_for_none(server, client):
    data = os.urandom(600_000)
    blob = xxhash.xxh3_128_hexdigest(data)
    request = protocol.Animate(frames=2)
    submit = protocol.Submit(job=uuid.uuid4().hex, request=request, blob=blob)
    assert client.ask(submit, protocol.Accepted).failure.code == "unknown_blob"
    assert client.put(data, chunks=1) == protocol.Have(re=client.calls, blob=blob, offset=262144)
    with Client(server.connection) as other:  # the first client died while it sent: another goes on
        question = protocol.Put(blob=blob, size=len(data), offset=0)
        held = other.ask(question, protocol.Have, payload=data[: protocol.CHUNK_BYTES])
        assert (held.offset, held.complete) == (262144, False)
        assert other.put(data, start=held.offset).complete
    assert client.ask(submit, protocol.Accepted) == protocol.Accepted(re=client.calls, job=submit.job)
    records, _end = client.fetch(submit.job)
    assert records[0] == data, "the runner was not given the mesh"


def test_a_damaged_mesh_is_refused_and_can_be_sent_again(server, client):
    data = os.urandom(1000)
    blob = xxhash.xxh3_128_hexdigest(data)
    put = protocol.Put(blob=blob, size=1000)
    refused = client.ask(put, protocol.Have, payload=bytes(1000))
    assert (refused.failure.code, refused.blob, refused.job) == ("hash_mismatch", blob, None)
    assert client.ask(put, protocol.Have, payload=data).complete


def test_hello_comes_first_and_versions_must_meet(server):
    with Client(server.connection, hello=False) as client:
        assert client.ask(protocol.List()).failure.code == "not_greeted"
        for least, most, update in (
            (protocol.PROTOCOL + 1, protocol.PROTOCOL + 2, "backend"),
            (0, protocol.PROTOCOL - 1, "add-on"),
        ):
            hello = protocol.Hello(client=client.id, protocol_min=least, protocol_max=most, software="Anthesis 0.9")
            refused = client.ask(hello, protocol.Welcome)
            assert refused.failure.code == "bad_version"
            assert f"update the {update}" in refused.failure.text
            assert client.ask(protocol.Ping()).failure.code == "not_greeted"
        newer = msgspec.msgpack.encode(
            {
                "t": "hello",
                "id": 9,
                "client": client.id,
                "protocol_min": 1,
                "protocol_max": protocol.PROTOCOL,
                "a_new_field": [1],
            }
        )
        client.send_raw(b"ANT1", newer)
        welcome, _ = client.receive()
        assert (welcome.protocol, welcome.re) == (protocol.PROTOCOL, 9)
        assert welcome.boot == server.connection.boot


def test_a_hello_that_was_repeated_takes_nothing_away(server, client):
    job = client.submit("size=3000000", frames=1).job
    client.wait(job)
    client.send(protocol.Subscribe(stream=1, job=job, credit=100))
    assert isinstance(client.ask(protocol.Hello(client=client.id), protocol.Welcome), protocol.Welcome)
    client.send(protocol.Credit(stream=1, total=8_000_000))
    records, end = client.read_stream(1, 8_000_000)
    assert records == {0: runners.record(0, 1, 3_000_000).tobytes()}
    assert end.state == "done"


def test_ping_says_what_goes_on(server, client):
    until(lambda: client.ask(protocol.Ping(), protocol.Pong).engines, "a worker that is ready")
    running, waiting = client.submit("rest=0.2", frames=100).job, client.submit("x").job
    client.wait(running, "running")
    pong = client.ask(protocol.Ping(), protocol.Pong)
    assert (pong.running, pong.queued, pong.boot) == (1, 1, server.connection.boot)
    assert msgspec.structs.replace(pong.engines, subjects=()) == runners.capabilities()  # other tests let it learn
    assert "rest=0.2" in pong.worker
    client.send(protocol.Cancel(job=running))
    client.wait(waiting)
    assert client.ask(protocol.Ping(), protocol.Pong).store_bytes > 4000


def test_what_is_typed_is_read_without_making_anything(server, client):
    reading = client.ask(protocol.Read(prompt="four majestic blue candels burning"), protocol.Reading)
    assert reading.understood == "four blue candles, burning down; read candels as candles"
    assert (reading.passed_over, reading.refusal, reading.count) == (("majestic",), "", 4)
    assert isinstance(reading.specimen, protocol.SPECIES["candle"])
    assert reading.specimen.colour[2] > 3 * reading.specimen.colour[0]
    refused = client.ask(protocol.Read(prompt="a dragon"), protocol.Reading)
    assert 'cannot make "a dragon"' in refused.refusal
    assert (refused.understood, refused.specimen) == ("", None)
    assert client.ask(protocol.Read(prompt=""), protocol.Reading).refusal.startswith("The prompt names nothing")
    assert client.ask(protocol.Ping(), protocol.Pong).queued == 0


@pytest.mark.parametrize(("prompt", "refusal"), [
    ("9" * 310 + " roses", "1 to 50 roses"), (f"a rose with {'9' * 310} petals", "12 to 60"),
    ("51 roses", "asks for 51"), ("a rose " + "blooms then wilts then " * 9, "up to 8 stages"),
    ("a rose opens halfway, then wilts", "all the way"), ("rose " + "ü" * 5000, "10,005 bytes"),
])  # fmt: skip
def test_what_is_typed_and_cannot_be_made_is_refused_with_a_sentence(client, prompt, refusal):
    reading = client.ask(protocol.Read(prompt=prompt), protocol.Reading)
    assert refusal in reading.refusal and (reading.understood, reading.specimen) == ("", None)


def test_a_fault_in_reading_is_refused_and_logged_and_ends_nothing(monkeypatch, caplog):
    monkeypatch.setattr(gateway, "understand", lambda prompt: 1 / 0)
    with pytest.raises(Refusal) as refusal:
        gateway._reading(protocol.Read(prompt="a rose"))
    assert refusal.value.failure.code == "internal" and "say it in other words" in refusal.value.failure.text
    assert "'a rose'" in caplog.text and "ZeroDivisionError" in caplog.text


# --- Flow


def test_a_stream_sends_what_its_credit_allows_and_not_a_byte_more(server, client):
    job = client.submit("size=1000000", frames=5).job
    client.wait(job)
    client.send(protocol.Subscribe(stream=1, job=job, credit=1_300_001))

    def received() -> int:
        total = 0
        while message := client.receive(0.5):
            total += len(message[1]) if isinstance(message[0], protocol.Chunk) else 0
        return total

    assert received() == 1_300_001
    client.send(protocol.Credit(stream=1, total=1_300_001))
    assert received() == 0
    for total in (1_500_000, 5, 1_300_000):  # what falls is passed over
        client.send(protocol.Credit(stream=1, total=total))
    assert received() == 199_999
    client.send(protocol.Credit(stream=1, total=1 << 40))
    assert received() == 5_000_000 - 1_500_000
    for total in (1, 1 << 40):  # late: the stream has ended
        client.send(protocol.Credit(stream=1, total=total))
    client.send_raw(b"ANT1", msgspec.msgpack.encode({"t": "credit", "id": 1, "stream": 1, "total": (1 << 40) + 1}))
    assert client.receive()[0].failure.code == "bad_header"
    assert client.ask(protocol.Ping(), protocol.Pong)


def test_a_credit_never_falls(server, client):
    job = client.submit("rest=0.2", frames=4).job
    client.send(protocol.Subscribe(stream=1, job=job, credit=10))
    for total in (1 << 20, 5):
        client.send(protocol.Credit(stream=1, total=total))
    assert len(client.read_stream(1, 1 << 20)[0]) == 4


def test_a_client_on_the_same_machine_is_told_where_records_lie_within_its_credit(server, client):
    job = client.submit("size=100000", frames=5, seed=6).job
    client.wait(job)
    client.send(protocol.Subscribe(stream=1, job=job, from_seq=1, credit=150_000, local=True))
    log = protocol.records_path(server.home, job).read_bytes()

    def located() -> dict[int, bytes]:
        answers = [answer for answer, _ in iter(lambda: client.receive(0.5), None)]
        found = [answer for answer in answers if isinstance(answer, protocol.Located)]
        for answer in found:
            record = log[answer.position : answer.position + answer.total]
            assert xxhash.xxh3_64_intdigest(record) & (2**63 - 1) == answer.digest
        return {answer.seq: log[answer.position : answer.position + answer.total] for answer in found}

    assert located() == {seq: runners.record(seq, 6, 100_000).tobytes() for seq in (1, 2)}
    client.send(protocol.Credit(stream=1, total=1 << 30))
    assert sorted(located()) == [3, 4]


def test_streams_take_turns(server, client):
    jobs = [client.submit("size=2000000", frames=4, seed=seed).job for seed in (1, 2)]
    for job in jobs:
        client.wait(job)
    gateway = psutil.Process(server.process.pid)
    gateway.suspend()  # else the first may be through before the second is asked for
    for stream, job in enumerate(jobs):
        client.send(protocol.Subscribe(stream=stream, job=job))
    gateway.resume()
    order = []
    while 1 not in order or len(order) < order.index(1) + 12:  # the first may have begun alone
        answer, _ = client.receive()
        order += [answer.stream] if isinstance(answer, protocol.Chunk) else []
    assert 4 <= order[-12:].count(0) <= 8


def test_a_stream_that_nobody_wants_any_more_stops(server, client):
    job = client.submit("size=1000000", frames=30).job
    client.wait(job)
    client.send(protocol.Subscribe(stream=1, job=job, credit=1 << 40))
    client.receive()
    client.send(protocol.Unsubscribe(stream=1))
    received = 0
    while message := client.receive(0.5):
        received += len(message[1] or b"")
    assert received < 25_000_000


def test_previews_are_skipped_for_a_slow_reader_and_told_in_a_gap(server, client):
    job = client.submit("previews size=100000", frames=10).job
    client.wait(job)
    client.send(protocol.Subscribe(stream=1, job=job))
    seen = [
        answer for answer, _ in iter(lambda: client.receive(1.0), None) if not isinstance(answer, protocol.JobState)
    ]
    assert seen[0] == protocol.Gap(stream=1, first=0, last=8)
    assert [type(answer) for answer in seen[1:]] == [protocol.Chunk, protocol.End]
    assert seen[1].seq == 9


class Pipe:
    """A door whose pipe to the peer is full whenever the next of `takes` is False."""

    def __init__(self, *takes: bool):
        self.takes, self.sent = list(takes), []

    def send(self, route, answer, payload=None):
        if self.takes and not self.takes.pop(0):
            raise Full
        self.sent.append(answer)


def test_no_chunk_overtakes_the_gap_before_it(tmp_path):
    store = Store(tmp_path)
    call = protocol.Submit(job="a" * 32, request=protocol.Generate(prompt="x"))
    job = store.add(call.job, call, "c" * 32)
    log, data = RecordLog(store.log(job), 0), [b"preview", b"record"]
    for seq, part in enumerate(data):
        digest = digest_of(part)
        job.pending.append(pipes.Stored(job.id, seq, log.append(seq, part, digest), len(part), digest, seq == 0))
    log.close()
    store.commit()
    peer, door = Peer(b"route", "c" * 32, 0.0), Pipe(False, True)  # full for the Gap, open a moment later
    stream = peer.streams[1] = Stream(1, job, store.log(job), 0, 1000)
    assert not peer.feed(stream, door, store, now=0.0)
    assert peer.feed(stream, door, store, now=1.0)
    assert [type(answer) for answer in door.sent] == [protocol.Gap, protocol.Chunk]
    peer.close()
    store.close()


def test_a_slow_reader_costs_no_memory_and_does_not_slow_the_job(server, client):
    until(lambda: client.ask(protocol.Ping(), protocol.Pong).engines, "a worker that is ready")
    job = client.submit("size=2000000", frames=100).job
    client.send(protocol.Subscribe(stream=1, job=job, credit=4_000_000))
    before, most, received = memory(server.process), 0, 0
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        answer, payload = client.receive()
        received += len(payload or b"")
        if isinstance(answer, protocol.Chunk) and answer.offset + len(payload) == answer.total:
            client.send(protocol.Credit(stream=1, total=received + 4_000_000))
            time.sleep(0.2)
        most = max(most, memory(server.process))
    assert 10_000_000 < received < 100_000_000
    assert most - before < 40_000_000
    client.send(protocol.Unsubscribe(stream=1))
    until(lambda: client.jobs()[job].state == "done", "a job that is done while its reader is not")


def test_a_reader_with_endless_credit_that_does_not_read_costs_no_memory(server, client):
    with Client(server.connection) as sleeper:
        job = sleeper.submit("size=4000000", frames=50).job
        sleeper.wait(job)
        before = memory(server.process)
        for stream in range(8):
            sleeper.send(protocol.Subscribe(stream=stream, job=job, credit=1 << 40))
        refused = sleeper.ask(protocol.Subscribe(stream=8, job=job), protocol.JobState)
        assert refused.failure.code == "quota"
        time.sleep(1.5)
        assert memory(server.process) - before < 60_000_000
        began = time.monotonic()
        assert client.ask(protocol.Ping(), protocol.Pong)
        assert time.monotonic() - began < 1.0, "one client that does not read holds the others up"


def test_large_records_arrive_as_they_were_made(server, client):
    """Six megabytes each from fresh buffers: a buffer that were used again before it left would show."""
    job = client.submit("size=6000000", frames=12, seed=5).job
    records, _ = client.fetch(job)
    digests = {seq: xxhash.xxh3_64_intdigest(data) for seq, data in records.items()}
    assert digests == {seq: xxhash.xxh3_64_intdigest(runners.record(seq, 5, 6_000_000)) for seq in range(12)}


# --- Cancelling, removing


def test_cancel_ends_that_job_and_no_other_once(server, client):
    running, waiting, last = (client.submit(f"rest=0.1 n={n}", frames=30 - 13 * n).job for n in range(3))
    client.wait(running, "running", when=lambda state: state.records > 1)
    assert client.ask(protocol.Cancel(job=waiting), protocol.JobState).state == "cancelled"
    assert client.ask(protocol.Cancel(job=running), protocol.JobState).state in ("cancelling", "cancelled")
    client.ask(protocol.Cancel(job=running), protocol.JobState)
    stopped = client.wait(running)
    assert stopped.state == "cancelled"
    assert client.ask(protocol.Cancel(job=running), protocol.JobState).state == "cancelled"
    assert client.wait(last).state == "done"
    jobs = client.jobs()
    assert (jobs[waiting].state, jobs[waiting].records) == ("cancelled", 0)
    assert jobs[running].records == stopped.records < 30
    records, end = client.fetch(running)
    assert len(records) == stopped.records
    assert end.state == "cancelled"
    assert client.ask(protocol.Cancel(job="0" * 32)).failure.code == "unknown_job"


def test_a_cancel_that_meets_the_end_has_one_winner(server, client):
    for frames in range(1, 9):
        job = client.submit("rest=0.004", frames=frames).job
        at = frames - frames % 3  # in every third round it is nearly done, or it is
        client.wait(job, "running", "done", when=lambda state, at=at: state.state == "done" or state.records >= at)
        asked = client.ask(protocol.Cancel(job=job), protocol.JobState).state
        state = client.wait(job) if asked not in protocol.FINAL else client.jobs()[job]
        assert state.state == "cancelled" or (state.state, state.records) == ("done", frames)
        assert asked in (state.state, "cancelling")
        time.sleep(0.05)
        assert client.jobs()[job].state == state.state
    job = client.submit("x").job
    client.wait(job)
    assert client.ask(protocol.Cancel(job=job, force=True), protocol.JobState).state == "done"
    assert client.wait(client.submit("x", seed=2).job).state == "done"


def test_a_job_that_takes_no_step_is_cancelled_by_force(server, client):
    job = client.submit("hang", frames=2).job
    client.wait(job, "running")
    before = server.worker().pid
    client.send(protocol.Cancel(job=job, force=True))
    assert client.wait(job, seconds=3).state == "cancelled"
    job = client.submit("x").job
    assert client.wait(job).state == "done"
    assert server.worker().pid != before


def test_a_running_job_is_stopped_before_it_is_removed(server, client):
    job = client.submit("rest=0.1", frames=200).job
    client.wait(job, "running", when=lambda state: state.records > 0)
    with Client(server.connection) as other:
        other.jobs()
        client.send(protocol.Remove(job=job))
        for one in (client, other):
            until(lambda one=one: isinstance((one.receive(0.1) or [None])[0], protocol.Removed), "a Removed")
    assert job not in client.jobs()
    assert not (server.home / "jobs" / job).exists()
    assert client.ask(protocol.Remove(job=job), protocol.Removed).job == job
    assert client.wait(client.submit("x").job).state == "done"


def test_a_mesh_that_somebody_deleted_does_not_matter_to_its_removal(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as client:
        jobs = []
        for number in range(2):
            data = bytes([number]) * 1000
            client.put(data)
            blob = xxhash.xxh3_128_hexdigest(data)
            jobs.append(uuid.uuid4().hex)
            submit = protocol.Submit(job=jobs[-1], request=protocol.Animate(frames=1), blob=blob)
            client.ask(submit, protocol.Accepted)
            client.wait(jobs[-1])
        for path in (tmp_path / "blobs").iterdir():
            path.unlink()
        client.send(protocol.Remove(job=jobs[0]))
        until(lambda: set(client.jobs()) == {jobs[1]}, "one job")
        client.send(protocol.Clear())
        until(lambda: not client.jobs(), "an empty list")
        assert server.process.poll() is None


def test_clear_forgets_what_is_finished(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as client:
        data = os.urandom(1000)
        client.put(data)
        done = [client.submit("x", seed=seed).job for seed in (1, 2)]
        submit = protocol.Submit(job="a" * 32, request=protocol.Animate(frames=1), blob=xxhash.xxh3_128_hexdigest(data))
        client.ask(submit, protocol.Accepted)
        client.wait("a" * 32)
        running = client.submit("rest=0.1", frames=100).job
        client.wait(running, "running")
        assert list((tmp_path / "blobs").iterdir())
        client.send(protocol.Clear())
        until(lambda: set(client.jobs()) == {running}, "an empty list")
        assert {path.name for path in (tmp_path / "jobs").iterdir()} == {running}
        assert not list((tmp_path / "blobs").iterdir()), "nobody uses the mesh any more"
        assert not set(done) & set(client.jobs())


# --- Limits, nonsense, strangers


def test_nonsense_is_refused_and_the_connection_stays(server, client):
    good = protocol.encode(protocol.Ping(id=1))[1]
    for header, code in (
        (good[:-2], "bad_header"),
        (msgspec.msgpack.encode({"t": 7}), "bad_header"),
        (msgspec.msgpack.encode({"t": "explode"}), "bad_header"),
        (b"\x91" * 60_000, "bad_header"),
        (good.replace(b"ping", b"\xff\xfe\xfd\xfc"), "bad_header"),
        (bytes(100_000), "too_large"),
    ):
        client.send_raw(b"ANT1", header)
        refused, _ = client.receive()
        assert refused.failure.code == code, header[:20]
    client.send_raw(b"GET / HTTP/1.1")
    assert client.receive()[0].failure.code == "bad_frame"
    client.send_raw(b"ANT1", good, *[b"x"] * 50)
    assert client.receive()[0].failure.code == "bad_frame"
    assert client.ask(protocol.Ping(), protocol.Pong)
    assert "sent nonsense (8)" in (server.home / "logs" / "gateway.log").read_text()


def test_a_client_cannot_queue_without_end(server, client):
    block = client.submit("hang", frames=1).job
    client.wait(block, "running")
    answers = [client.submit("x", seed=seed) for seed in range(protocol.QUEUED_JOBS + 1)]
    assert all(isinstance(answer, protocol.Accepted) for answer in answers[:-1])
    assert answers[-1].failure.code == "quota"
    with Client(server.connection) as other:
        assert isinstance(other.submit("x"), protocol.Accepted)
        assert len(other.jobs()) > protocol.QUEUED_JOBS
    for answer in answers[:-1]:
        client.send(protocol.Remove(job=answer.job))
    client.send(protocol.Cancel(job=block, force=True))
    until(lambda: client.ask(protocol.Ping(), protocol.Pong).queued == 0, "an empty queue")


def raw(server: Server) -> sockets.socket:
    """A plain connection to whatever the gateway listens at."""
    endpoint = server.connection.endpoint
    if endpoint.startswith("ipc://"):
        plain = sockets.socket(sockets.AF_UNIX)
        plain.connect(endpoint.removeprefix("ipc://"))
    else:
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        plain = sockets.create_connection((host, int(port)))
    plain.settimeout(5)
    return plain


def exactly(plain: sockets.socket, size: int) -> bytes:
    """The next `size` bytes, however they are cut into segments on their way."""
    got = b""
    while len(got) < size:
        part = plain.recv(size - len(got))
        assert part, "the connection was closed"
        got += part
    return got


def shake_hands(plain: sockets.socket) -> None:
    """As a DEALER that speaks ZMTP 3.1 without keys; nothing of the greeting is left unread."""
    plain.sendall(b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01NULL" + bytes(48))
    exactly(plain, 64)
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    plain.sendall(b"\x04" + bytes([len(ready)]) + ready)
    flag, size = exactly(plain, 2)
    assert flag == 4, "the gateway did not answer with a short command"
    assert exactly(plain, size).startswith(b"\x05READY")


def test_a_frame_that_declares_six_gigabytes_is_not_believed(server, client):
    before = memory(server.process)
    with raw(server) as plain:
        shake_hands(plain)
        plain.sendall(b"\x02" + (6 << 30).to_bytes(8, "big") + bytes(1000))
        assert plain.recv(1000) == b"", "the connection was kept"
    assert memory(server.process) - before < 5_000_000
    assert client.ask(protocol.Ping(), protocol.Pong)


def test_a_message_without_end_is_cut_off_and_the_jobs_live_on(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as honest:
        job = honest.submit("rest=0.05", frames=60).job
        honest.wait(job, "running")
        before, most = memory(server.process), 0
        log = tmp_path / "logs" / "gateway.log"
        part = b"\x03" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)  # a long frame, and more to come
        with raw(server) as attacker:
            shake_hands(attacker)
            try:
                for _ in range(1500):
                    attacker.sendall(part)
                    most = max(most, memory(server.process))
                    time.sleep(0.001)
            except (BrokenPipeError, ConnectionResetError):
                pass
        until(lambda: "all clients were dropped" in log.read_text(), "a line in the log")
        assert most - before > 200_000_000, "the attack was none"
        assert most - before < 900_000_000
        assert server.process.poll() is None
        until(lambda: memory(server.process) - before < 20_000_000, "the memory back")
        with Client(server.connection, client=honest.id) as again:
            records, _end = again.fetch(job)
            assert len(records) == 60
            assert again.jobs()[job].attempt == 1, "the worker was not left alone"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("guarded"), "--endpoint", "tcp://127.0.0.1:*") as server:
        yield server


def test_tcp_has_keys_and_carries_a_job(guarded):
    connection = guarded.connection
    assert connection.endpoint.startswith("tcp://127.0.0.1:")
    assert len({connection.server_key, connection.client_public, connection.client_secret}) == 3
    with Client(connection) as client:
        records, _end = client.fetch(client.submit("size=3000000", frames=4, seed=2).job)
        assert records == {seq: runners.record(seq, 2, 3_000_000).tobytes() for seq in range(4)}


def test_a_stranger_without_the_right_keys_is_not_heard(guarded):
    connection = guarded.connection
    public, secret = (key.decode() for key in zmq.curve_keypair())
    log = guarded.home / "logs" / "gateway.log"
    lines = log.read_text().count("unknown key")
    for wrong in (
        msgspec.structs.replace(connection, server_key=""),
        msgspec.structs.replace(connection, client_public=public, client_secret=secret),
        msgspec.structs.replace(connection, server_key=public),
    ):
        with Client(wrong, hello=False, immediate=0) as stranger:
            with contextlib.suppress(zmq.Again):  # it has been thrown out already
                stranger.socket.send_multipart(protocol.encode(protocol.Hello(client=stranger.id)), zmq.NOBLOCK)
            assert stranger.receive(1.0) is None
            assert stranger.id not in log.read_text()
    assert log.read_text().count("unknown key") - lines == 1, "once a minute is enough"
    with Client(connection) as client:
        assert client.welcome.boot == connection.boot


@pytest.mark.parametrize("which", ["server", "guarded"])
def test_a_web_page_is_not_heard(which, request):
    server = request.getfixturevalue(which)
    hello = b"".join(bytes([len(frame)]) + frame for frame in protocol.encode(protocol.Hello(client="d" * 32)))
    for word in (b"GET", b"POST", b"PUT", b"\x01\x00"):
        with raw(server) as plain:
            body = hello * 20
            plain.settimeout(0.5)
            plain.sendall(word + b" / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            try:
                while plain.recv(1000):
                    pass
            except (TimeoutError, ConnectionResetError):
                pass
    assert "d" * 32 not in (server.home / "logs" / "gateway.log").read_text()
    with Client(server.connection) as client:
        assert client.ask(protocol.Ping(), protocol.Pong)


# --- Start, stay, end


def test_keys_for_other_machines_stay_the_same_and_can_be_shown(tmp_path):
    def show() -> str:
        command = [sys.executable, "-m", "backend", "serve", "--home", str(tmp_path), "--show-key"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    keys = re.findall(r"\S{40}(?=\n)", show())
    assert len(keys) == 3
    assert (tmp_path / "keys" / "curve.json").stat().st_mode & 0o777 == 0o600
    with Server(tmp_path, "--endpoint", "tcp://0.0.0.0:*") as server:
        connection = server.connection
        assert connection.endpoint.startswith("tcp://127.0.0.1:")
        assert [connection.server_key, connection.client_public, connection.client_secret] == keys
        with Client(connection) as client:
            assert client.welcome
        server.stop()
    assert re.findall(r"\S{40}(?=\n)", show()) == keys


def test_one_gateway_a_home(server):
    second = Server(server.home, wait=False)
    with second:
        output, _ = second.process.communicate(timeout=SECONDS)
        assert second.process.returncode == 0
        assert "serves" in output
    assert server.connection.pid == server.process.pid
    with Client(server.connection) as client:
        assert client.welcome.boot == server.connection.boot


def test_the_connection_file_is_private_and_a_stale_one_is_replaced(tmp_path):
    tmp_path.joinpath(protocol.CONNECTION_FILE).write_text('{"protocol": 1, "boot": "' + "0" * 32 + '"}')
    with Server(tmp_path) as server:
        assert (tmp_path / protocol.CONNECTION_FILE).stat().st_mode & 0o777 == 0o600
        with Client(server.connection) as client:
            client.wait(client.submit("x").job)
        made = list(tmp_path.rglob("*"))
        assert len(made) > 8
        assert not any(path.stat().st_mode & 0o077 for path in made), "others can read what a user makes"
        first = connection_of(tmp_path)
        assert first["pid"] == server.process.pid
        server.kill()
        assert connection_of(tmp_path) == first, "nobody was there to take it away"
        server.process.stdout.close()
        server.start()
        second = connection_of(tmp_path)
        assert second["boot"] != first["boot"]
        with Client(server.connection) as client:
            assert client.welcome.boot == second["boot"]
        server.stop()
        assert not (tmp_path / protocol.CONNECTION_FILE).exists()


def test_sigterm_ends_it_within_two_seconds_and_the_job_waits(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as client:
        job = client.submit("hang at=2", frames=10).job
        client.wait(job, "running", when=lambda state: state.records == 2)
        worker = server.worker()
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert not worker.is_running()
        with sqlite3.connect(tmp_path / "store.sqlite3") as table:
            assert table.execute("SELECT state FROM jobs").fetchall() == [("queued",)]
        table.close()


def test_it_ends_when_its_last_client_said_goodbye(tmp_path):
    with Server(tmp_path) as server:
        with Client(server.connection) as first, Client(server.connection) as second:
            job = first.submit("rest=0.1", frames=10).job
            first.wait(job, "running")
            first.send(protocol.Bye())
            assert second.wait(job) if job in second.jobs() else None
            second.send(protocol.Bye())
            server.process.wait(SECONDS)
        assert server.process.returncode == 0
        assert "nothing to do" in (tmp_path / "logs" / "gateway.log").read_text()


def test_it_waits_a_while_for_a_client_that_never_came(tmp_path):
    with Server(tmp_path, "--idle", "0.5") as server:
        server.process.wait(SECONDS)
        assert server.process.returncode == 0


def test_a_job_goes_on_for_a_client_that_died_and_for_its_grace(tmp_path):
    with Server(tmp_path, "--grace", "4") as server:
        with Client(server.connection) as client:
            job = client.submit("rest=0.2", frames=1000).job
            client.wait(job, "running")
            client.send(protocol.Bye())
        time.sleep(2.8)  # longer than it would stay with nothing to do
        assert server.process.poll() is None
        server.process.wait(SECONDS)
        assert "nobody came back" in (tmp_path / "logs" / "gateway.log").read_text()
        server.process.stdout.close()
        server.start()
        with Client(server.connection) as client:
            resumed = client.wait(job, "running", when=lambda state: state.done > 0) if client.jobs() else None
            assert resumed.attempt == 2
            assert resumed.records >= 5


def test_shutdown_asks_first_when_there_is_work(tmp_path):
    with Server(tmp_path) as server, Client(server.connection) as client:
        job = client.submit("rest=0.1", frames=1000).job
        client.wait(job, "running")
        assert client.ask(protocol.Shutdown()).failure.code == "conflict"
        client.send(protocol.Shutdown(force=True))
        server.process.wait(5)
        assert server.process.returncode == 0


def test_the_store_is_kept_within_its_limit(tmp_path):
    with Server(tmp_path, "--cache-gb", "0.0025") as server, Client(server.connection) as client:
        jobs = [client.submit("size=500000", frames=2, seed=seed).job for seed in range(4)]
        client.wait(jobs[-1])
        until(lambda: list(client.jobs()) == jobs[-2:], "a store within its limit")
        assert {path.name for path in (tmp_path / "jobs").iterdir()} == set(jobs[-2:])


def test_a_home_that_cannot_be_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with Server(tmp_path / "file" / "home", wait=False) as server:
        output, _ = server.process.communicate(timeout=SECONDS)
        assert server.process.returncode == 1
        assert re.fullmatch(r"Anthesis cannot write to .*: choose another folder with --home\n", output)


def test_the_gateway_imports_nothing_heavy():
    code = "import backend.service.serve, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    roots = {name.partition(".")[0] for name in loaded.split()}
    assert not roots & {"torch", "scipy", "numba", "trimesh", "rich", "bpy"}
    assert "backend.pipelines" not in loaded.split()
