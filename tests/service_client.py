"""A plain client for the tests: one DEALER, blocking calls with a time limit, nothing that helps itself."""

import json
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import msgspec
import psutil
import xxhash
import zmq

from backend import protocol
from tests.homes import with_kernels

ROOT = Path(__file__).parent.parent
PIPELINES = "backend.pipelines"  # the runner that is no fake
SECONDS = 120.0  # that a test waits for what must come: machines that test are busy


class Server:
    """A gateway process of its own home."""

    def __init__(self, home: Path, *options: str, runner: str = "tests.runners", wait: bool = True):
        self.home = with_kernels(Path(home)) if runner == PIPELINES else Path(home)
        self.options = ("--runner", runner, *options)
        self.start(wait)

    def start(self, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve", "--home", str(self.home), *self.options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if wait:
            line = self.process.stdout.readline()
            if "serves" not in line:
                self.process.wait(SECONDS)
                raise AssertionError(line + self.process.stdout.read())

    @property
    def connection(self) -> protocol.Connection:
        return protocol.read_connection(self.home)

    def worker(self) -> psutil.Process:
        """The worker's process, once it is there."""
        return until(lambda: next(iter(self._children()), None), "a worker")

    def _children(self) -> list[psutil.Process]:
        # the fork that becomes a worker still carries the gateway's name
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if "backend.service.worker" in " ".join(child.cmdline())
        ]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        """SIGTERM and the rest of what it printed."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=SECONDS)
        return output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Client:
    def __init__(
        self, connection: protocol.Connection, client: str | None = None, hello: bool = True, immediate: int = 1
    ):
        self.id = client or uuid.uuid4().hex
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 0), (zmq.IMMEDIATE, immediate), (zmq.RCVHWM, 64), (zmq.SNDHWM, 64)):
            self.socket.setsockopt(option, value)
        if connection.server_key:
            self.socket.curve_serverkey = connection.server_key.encode()
            self.socket.curve_publickey = connection.client_public.encode()
            self.socket.curve_secretkey = connection.client_secret.encode()
        self.socket.connect(connection.endpoint)
        self.calls = 0
        self.unread: list[tuple] = []
        self.pinged = time.monotonic()
        if hello:
            self.welcome = self.ask(protocol.Hello(client=self.id, software="tests"), protocol.Welcome)

    def send(self, call: protocol.Call, payload=None) -> int:
        self.calls += 1
        frames = protocol.encode(msgspec.structs.replace(call, id=self.calls), payload)
        assert self.socket.poll(round(SECONDS * 1000), zmq.POLLOUT), "nobody to send to"
        self.socket.send_multipart(frames)
        return self.calls

    def send_raw(self, *frames: bytes) -> None:
        assert self.socket.poll(round(SECONDS * 1000), zmq.POLLOUT), "nobody to send to"
        self.socket.send_multipart(list(frames))

    def receive(self, seconds: float = SECONDS):
        """The next message and its payload, or None."""
        if self.unread:
            return self.unread.pop(0)
        if not self.socket.poll(round(seconds * 1000)):
            return None
        frames = self.socket.recv_multipart(copy=False)
        return protocol.decode_answer([frame.buffer for frame in frames])

    def ask(self, call: protocol.Call, *kinds: type, payload=None, seconds: float = SECONDS):
        """Send a call; its answer of one of `kinds`, or Refused. Other messages are kept for receive()."""
        number = self.send(call, payload)
        ends, others = time.monotonic() + seconds, []
        try:
            while (left := ends - time.monotonic()) > 0:
                message = self.receive(left)
                if message and message[0].re == number and isinstance(message[0], (*kinds, protocol.Refused)):
                    return message[0]
                if message:
                    others.append(message)
        finally:
            self.unread = others + self.unread
        raise TimeoutError(f"no answer to {call}")

    def submit(self, prompt: str, frames: int = 4, seed: int = 1, job: str | None = None, **rest):
        """Accepted or Refused."""
        request = protocol.Generate(prompt=prompt, frames=frames, seed=seed)
        call = protocol.Submit(job=job or uuid.uuid4().hex, request=request, title=prompt[:200], **rest)
        return self.ask(call, protocol.Accepted)

    def put(self, data: bytes, start: int = 0, chunks: int | None = None) -> protocol.Answer:
        """Upload a blob, or some chunks of it; the last answer."""
        blob = xxhash.xxh3_128_hexdigest(data)
        for number, offset in enumerate(range(start, len(data), protocol.CHUNK_BYTES)):
            if number == chunks:
                break
            call = protocol.Put(blob=blob, size=len(data), offset=offset)
            answer = self.ask(call, protocol.Have, payload=data[offset : offset + protocol.CHUNK_BYTES])
        return answer

    def jobs(self) -> dict[str, protocol.JobState]:
        number = self.send(protocol.List())
        jobs, others = {}, []
        while True:
            answer, payload = self.receive()
            if isinstance(answer, protocol.Listed):
                self.unread = others + self.unread
                assert answer.jobs == len(jobs)
                return jobs
            if isinstance(answer, protocol.JobState) and answer.re == number:
                jobs[answer.job] = answer
            else:
                others.append((answer, payload))

    def wait(self, job: str, *states: str, seconds: float = SECONDS, when=lambda state: True) -> protocol.JobState:
        """The job once it is in one of the states, or in a final one."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            message = self.receive(min(left, 1.0))
            self.ping()
            if message and isinstance(message[0], protocol.JobState) and message[0].job == job:
                state = message[0]
                if state.state in (states or protocol.FINAL) and when(state):
                    return state
        raise TimeoutError(f"job {job} did not become {states or 'final'}")

    def ping(self) -> None:
        if time.monotonic() - self.pinged > 1.0:
            self.pinged = time.monotonic()
            self.send(protocol.Ping())

    def fetch(self, job: str, from_seq: int = 0, stream: int = 1, credit: int = protocol.WINDOW_BYTES, seconds=SECONDS):
        """Every record from one on, each verified: {seq: bytes}, and the End. Grants as it reads."""
        self.send(protocol.Subscribe(stream=stream, job=job, from_seq=from_seq, credit=credit))
        return self.read_stream(stream, credit, seconds)

    def read_stream(self, stream: int, credit: int, seconds: float = SECONDS, until_records: int | None = None):
        records, parts, received, granted = {}, bytearray(), 0, credit
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            message = self.receive(left)
            self.ping()
            if message is None:
                continue
            answer, payload = message
            if isinstance(answer, protocol.End) and answer.stream == stream:
                return records, answer
            if not isinstance(answer, protocol.Chunk) or answer.stream != stream:
                continue
            assert answer.offset == len(parts), "a chunk out of turn"
            parts += payload
            received += len(payload)
            if len(parts) == answer.total:
                assert answer.seq not in records, "a record came twice"
                assert xxhash.xxh3_64_intdigest(parts) & (2**63 - 1) == answer.digest
                records[answer.seq], parts = bytes(parts), bytearray()
                if until_records is not None and len(records) == until_records:
                    return records, None
            if granted - received < credit // 2:
                granted = received + credit
                self.send(protocol.Credit(stream=stream, total=granted))
        raise TimeoutError(f"stream {stream} did not end; it gave {len(records)} records")

    def close(self) -> None:
        self.context.destroy(linger=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def until(ask, what: str, seconds: float = SECONDS):
    """What `ask` returns once it is true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if result := ask():
            return result
        time.sleep(0.02)
    raise TimeoutError(f"there never was {what}")


def gone(pid: int) -> bool:
    """Nobody runs under this number, or it is only waited for."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def connection_of(home: Path) -> dict:
    return json.loads((home / protocol.CONNECTION_FILE).read_text())
