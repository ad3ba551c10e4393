"""One add-on's conversation with a gateway: it finds or starts one, asks, and keeps what comes.

Everything happens inside tick(), which never blocks: libzmq's own threads carry the bytes, and Blender's Python
runs no second thread. A job is safe to ask for twice because the client makes its id; what has arrived is handed
on once because records are numbered. So a lost connection is only a pause.
"""

import subprocess
import time
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import zmq

from ..seam import protocol
from . import launch, link
from .jobs import Job
from .link import Link
from .transfers import Broken, Download, LocalLog, Upload

ANSWER_SECONDS = 2.0  # for a Hello, after which the connection is tried anew
START_SECONDS = 20.0  # for a backend that was started to listen
SPAWN_INTERVAL = 5.0  # at least between two starts, so that a backend that dies at once does not pin the processor
SPAWN_LIMIT = 4  # starts without a Welcome in between
MISSED_PINGS = 5
IDLE_PING_SECONDS = 5.0
ABSENCE_SECONDS = 0.5  # between two ticks; what is longer is not the gateway's doing

State = Literal["off", "starting", "connecting", "ready", "reconnecting", "refused"]
Starts = Literal["never", "for jobs", "always"]  # whether a gateway that is not there is started


class Session:
    """State, jobs and records as far as they are known. Read its attributes; call tick() often."""

    def __init__(self, software: str, client: str | None = None):
        self.state: State = "off"
        self.text = "The backend is not running"
        self.engines: protocol.Engines | None = None
        self.worker = ""
        self.store_bytes = 0
        self.jobs: dict[str, Job] = {}
        self.client = client or uuid.uuid4().hex
        self._software = software
        self._context: zmq.Context | None = None
        self._link: Link | None = None
        self._home: Path | None = None
        self._command: launch.Command | None = None
        self._starts: Starts = "never"
        self._shutdown = -1  # the call that asked the gateway to end, while it may still be obeyed
        self._remote: protocol.Connection | None = None
        self._process: subprocess.Popen | None = None
        self._spawned_at = -1e9
        self._failed_starts = 0
        self._unanswered = False  # the last link was opened in vain
        self._boot = ""
        self._calls = 0
        self._streams = 0
        self._opened_at = self._hello_at = self._heard_at = self._pinged_at = -1e9
        self._searched_at = self._repeated_at = -1e9
        self._ticked_at = time.monotonic()
        self._unanswered_since = -1e9  # when the first ping since the last answer was due
        self._removing: set[str] = set()
        self.reads_logs = True  # of jobs, itself, where the gateway is on this machine: a quarter of the work
        self._changed = False

    # --- Where the gateway is

    def start(self, home: Path, command: launch.Command | None, starts: Starts = "always") -> None:
        """Join the gateway of `home`. Where there is none, or it dies, `command` starts one (None: wait for one):
        "always", or "for jobs" while jobs of this client are under way.
        """
        self._reset()
        self._home, self._command, self._remote = Path(home), command, None
        self._starts, self._shutdown = starts if command else "never", -1
        self._failed_starts = 0
        self._spawned_at = -1e9
        self._say("connecting", "Looking for the backend")

    def allow_start(self, command: launch.Command) -> None:
        """For the jobs of this client, `command` may start the gateway that has been joined, should it die."""
        self._command = command
        if self._starts == "never":
            self._starts = "for jobs"

    def connect_remote(self, endpoint: str, server_key: str, client_public: str, client_secret: str) -> None:
        """Join a gateway on another machine. Raises ValueError for an address or a key that is none."""
        connection = link.remote(endpoint, server_key, client_public, client_secret)
        self._reset()
        self._home = self._command = None
        self._remote, self._shutdown = connection, -1
        self._say("connecting", f"Connecting to {endpoint}")

    def close(self) -> None:
        """Say goodbye and let go of every socket. The backend goes on with what it has. Safe twice."""
        if self._link is not None and self.state == "ready":
            self._send(protocol.Bye())
            time.sleep(0.02)  # with LINGER 0 the goodbye needs a moment to leave
        self._reset()
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        self._home = self._command = self._remote = None
        self._say("off", "The backend is not running")

    def forget_jobs(self) -> None:
        """Those of one gateway are of no meaning to another."""
        for job in self.jobs.values():
            self._drop_stream(job)
        self.jobs.clear()
        self._removing.clear()
        self._changed = True

    def shutdown_backend(self, force: bool = False) -> None:
        """Ask the gateway to end. Where it obeys, no other is started until start() or allow_start()."""
        if self._send(protocol.Shutdown(force=force)):
            self._shutdown = self._calls

    def _reset(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        for job in self.jobs.values():
            self._pause(job)

    def _say(self, state: State, text: str) -> None:
        if (state, text) != (self.state, self.text):
            self.state, self.text, self._changed = state, text, True

    # --- What can be asked

    def submit(self, request: protocol.Request, title: str, subject: bytes | None = None, fetch: bool = True) -> str:
        """A new job; its id at once, the rest in tick(). `subject` is a packed Subject record."""
        job = Job(uuid.uuid4().hex, title[:200], request, mine=True)
        if subject is not None:
            job.upload, job.state = Upload(subject), "uploading"
        if fetch:
            job.download = Download(0)
        self.jobs[job.id] = job
        self._changed = True
        self._advance(job)
        return job.id

    def cancel(self, job: str, force: bool = False) -> None:
        """Take no more steps; `force` kills the worker that takes them."""
        job = self.jobs[job]
        if job.final:
            return
        job.cancel = protocol.Cancel(job=job.id, force=force)
        self._send(job.cancel)
        if not job.accepted:
            job.state, job.upload, job.download = "cancelled", None, None
        elif job.state == "running":
            job.state = "cancelling"
        self._changed = True

    def remove(self, job: str) -> None:
        """Forget a job, here and in the store."""
        self._drop_stream(self.jobs.pop(job))
        self._removing.add(job)
        self._send(protocol.Remove(job=job))
        self._changed = True

    def clear(self, keep: Collection[str] = ()) -> None:
        """Forget every finished job but those to `keep`, here and in the store."""
        for job in [job.id for job in self.jobs.values() if job.final and job.id not in keep]:
            self.remove(job)

    def fetch(self, job: str, from_seq: int = 0) -> None:
        """Read a job's records from the store, from this one on."""
        job = self.jobs[job]
        self._drop_stream(job)
        job.download, job.taken, job.damaged = Download(from_seq), from_seq, 0
        self._subscribe(job)

    def stop_fetching(self, job: str) -> None:
        self._drop_stream(self.jobs[job])

    def take(self, job: str) -> tuple[int, protocol.Records, dict[str, np.ndarray]] | None:
        """The next record of a fetched job, in order; None while there is none. Lets the next ones come."""
        job = self.jobs[job]
        whole = job.download.take() if job.download else None
        if whole is None:
            return None
        seq, data = whole
        self._grant(job)
        try:
            record, arrays = protocol.unpack(data)
        except protocol.BadMessage as error:
            self._drop_stream(job)
            job.fail(error.code, f"The result cannot be used ({error.text}). Remove the job and run it again")
            self._changed = True
            return None
        job.taken = seq + 1
        return seq, record, arrays

    def fetched(self, job: str) -> bool:
        """Every record of a finished job was taken."""
        job = self.jobs[job]
        return job.download is not None and job.download.taken

    # --- Time passes

    def tick(self, budget: float = 0.008) -> bool:
        """Talk for at most `budget` seconds. True where something visible changed."""
        ends = time.perf_counter() + budget
        self._changed, changed = False, self._changed
        self._forgive_absence()
        if self._home is not None or self._remote is not None:
            self._look_after_connection()
        while self._link is not None and time.perf_counter() < ends:
            busy = self._send_uploads()
            if not self._receive() and not busy:
                break
        if self.state == "ready":
            self._look_after_jobs()
        return changed or self._changed

    def rest(self, seconds: float) -> None:
        """For callers without an event loop: sleep until there is news, at most so long."""
        if self._link is not None:
            self._link.rest(seconds)
        else:
            time.sleep(seconds)

    def wait(self, job: str, seconds: float) -> Job:
        """For programs without a window (tests, benchmarks, scripts): tick until the job is final; its records are
        left to be taken. Raises TimeoutError, ConnectionError. In Blender it is Pump.wait() that also imports.
        """
        ends = time.monotonic() + seconds
        while not self.jobs[job].final:
            if self.state == "refused":
                raise ConnectionError(self.text)
            if time.monotonic() > ends:
                raise TimeoutError(f"{self.jobs[job].title!r} took longer than {seconds:g} s")
            self.rest(0.02)
            self.tick()
        return self.jobs[job]

    def _forgive_absence(self) -> None:
        """Time in which nobody called tick() does not count against the gateway: Blender may have been busy."""
        now = time.monotonic()
        absent = max(0.0, now - self._ticked_at - ABSENCE_SECONDS)
        self._ticked_at = now
        self._opened_at += absent
        if self._heard_at < self._unanswered_since:
            self._unanswered_since += absent

    def _look_after_connection(self) -> None:
        now = time.monotonic()
        if self._link is None:
            if self.state != "refused" and now - self._searched_at > 0.1:
                self._searched_at = now
                self._search()
        elif self.state == "ready":
            self._look_after_pulse(now)
        elif now - self._opened_at > ANSWER_SECONDS:
            self._unanswered = True
            self._give_up_link()
        elif now - self._hello_at > 0.25 and self._send(
            protocol.Hello(client=self.client, software=self._software[:200])
        ):
            self._hello_at = now

    def _look_after_pulse(self, now: float) -> None:
        every = protocol.PING_SECONDS if any(job.active for job in self.jobs.values()) else IDLE_PING_SECONDS
        if now - self._pinged_at > every:
            if self._heard_at >= self._unanswered_since:
                self._unanswered_since = now
            if self._send(protocol.Ping()):
                self._pinged_at = now
        silent = self._heard_at < self._unanswered_since < now - MISSED_PINGS * protocol.PING_SECONDS
        if silent or not self._lives(self._link.connection):
            self._say("reconnecting", "The backend does not answer; trying to reach it again")
            self._give_up_link()

    def _give_up_link(self) -> None:
        """Close the socket and look again: the gateway may listen elsewhere, or be gone."""
        self._reset()
        self._hello_at = -1e9

    def _lives(self, connection: protocol.Connection) -> bool:
        """As far as its process number tells; a gateway on another machine is believed to."""
        if self._process is not None:
            self._process.poll()  # a child that has ended keeps its number until it is asked
        return connection is self._remote or launch.alive(connection.pid)

    def _search(self) -> None:
        """One look for a gateway: open a link, start a process, or wait for the one that was started."""
        try:
            connection = self._remote or protocol.read_connection(self._home)
        except OSError as error:
            what = f"The home folder {self._home} cannot be read ({error.strerror or error})"
            self._say("refused", f"{what}: choose another one in the Preferences")
            return
        if connection is not None and self._lives(connection):
            if self._unanswered and self._remote is None:
                self._spawn()  # its number may be another process's now; the lock decides who serves
            self._unanswered = False
            self._open(connection)
        elif self._process is None or self._process.poll() is not None or self._overdue():
            self._spawn()

    @property
    def _may_start(self) -> bool:
        if self._command is None or self._starts == "never":
            return False
        return self._starts == "always" or any(job.mine and not job.final for job in self.jobs.values())

    def _overdue(self) -> bool:
        return time.monotonic() - self._spawned_at > START_SECONDS

    def _open(self, connection: protocol.Connection) -> None:
        try:
            if self._context is None:
                self._context = zmq.Context(io_threads=1)
            self._link = Link(self._context, connection)
        except zmq.ZMQError as error:
            where = f"{connection.endpoint} cannot be reached ({error.strerror})"
            self._say("refused", f"{where}: check the address and the keys in the Preferences")
            return
        self._hello_at = -1e9
        self._opened_at = time.monotonic()

    def _spawn(self) -> None:
        """Start a backend, at a measured pace. One that finds another at work ends with 0, which is no failure."""
        now = time.monotonic()
        if self._shutdown >= 0:  # it was asked to end, and has
            self._starts, self._shutdown = "never", -1
        if not self._may_start:
            self._say("off", "The backend is not running")
            return
        if now - self._spawned_at < SPAWN_INTERVAL:
            return
        if self._process is not None and self._process.poll():
            self._failed_starts += 1
        log = self._home / "logs" / "backend.log"
        if self._failed_starts >= SPAWN_LIMIT:
            self._say("refused", f"The backend ends as soon as it is started. Its log says why: {log}")
            return
        try:
            self._process = launch.spawn(self._command, log)
        except OSError as error:
            reason = error.strerror or error
            self._say("refused", f"The backend cannot be started ({reason}): check its Python in the Preferences")
            return
        self._spawned_at = now
        if self.state != "reconnecting":
            self._say("starting", "Starting the backend")

    # --- Messages

    def _send(self, call: protocol.Call, payload: memoryview | None = None) -> bool:
        if self._link is None:
            return False
        self._calls += 1
        return self._link.send(msgspec.structs.replace(call, id=self._calls), payload)

    def _send_uploads(self) -> bool:
        """One chunk of each upload; True where one left."""
        if self.state != "ready":
            return False
        busy = False
        for job in self.jobs.values():
            step = job.upload.next() if job.upload and not job.final else None
            if step is not None and self._send(*step):
                job.upload.sent(len(step[1]))
                busy = True
        return busy

    def _receive(self) -> bool:
        try:
            message = self._link.receive()
        except protocol.BadMessage:
            return True  # a gateway does not send such a thing; dropping it costs a repeated request
        if message is None:
            return False
        self._heard_at = time.monotonic()
        self._hear(*message)
        return self._link is not None

    def _hear(self, answer: protocol.Answers, payload: memoryview | None) -> None:
        job = self.jobs.get(getattr(answer, "job", None) or "")
        match answer:
            case protocol.Chunk() | protocol.Located() | protocol.Gap() | protocol.End():
                self._hear_stream(answer, payload)
            case protocol.Welcome():
                self._greet(answer)
            case protocol.Pong():
                self._hear_pong(answer)
            case protocol.Have():
                for job in self.jobs.values():
                    if job.upload and job.upload.blob == answer.blob:
                        job.upload.heard(answer)
                        if answer.offset > job.upload.stuck_at:
                            job.text = ""  # it goes on
                        self._advance(job)
            case protocol.Accepted():
                if job:
                    self._accept(job)
            case protocol.JobState():
                self._hear_state(answer, job)
            case protocol.Removed():
                self._removing.discard(answer.job)
                if job:
                    self._drop_stream(self.jobs.pop(answer.job))
                    self._changed = True
            case protocol.Refused(blob=str()):
                self._hear_upload_refused(answer)
            case protocol.Refused():
                self._removing.discard(answer.job)
                if answer.re == self._shutdown:
                    self._shutdown = -1
                    self._say("ready", answer.failure.text)
                self._hear_refusal(answer.failure, job)

    def _greet(self, welcome: protocol.Welcome) -> None:
        """A connection, perhaps not the first: take up what was interrupted."""
        self._boot, self.engines = welcome.boot, welcome.engines
        self._failed_starts, self._shutdown = 0, -1
        self._pinged_at = time.monotonic()
        self._say("ready", "Connected")
        self._changed = True
        for job in self.jobs.values():
            if job.upload:
                job.upload.probe()
            self._advance(job)
            if job.accepted:
                self._subscribe(job)
        self._send(protocol.List())

    def _hear_pong(self, pong: protocol.Pong) -> None:
        if (pong.worker, pong.engines) != (self.worker, self.engines):
            self._changed = True
        self.worker, self.engines, self.store_bytes = pong.worker, pong.engines, pong.store_bytes

    def _hear_state(self, news: protocol.JobState, job: Job | None) -> None:
        if news.job in self._removing:
            return
        if job is None:
            job = self.jobs[news.job] = Job(news.job, news.title, news.request, mine=False)
        if not job.accepted and job.mine:
            self._accept(job)
        if not (job.state == "cancelling" and news.state == "running"):
            job.update(news)
        if job.final or (news.state == "cancelling" and job.cancel and not job.cancel.force):
            job.cancel = None
        self._changed = True

    def _accept(self, job: Job) -> None:
        job.accepted, job.upload = True, None
        if job.state in ("uploading", "sending"):
            job.state = "queued"
        if job.cancel:  # it was cancelled before the gateway knew it
            self._send(job.cancel)
        self._subscribe(job)
        self._changed = True

    def _hear_refusal(self, failure: protocol.Failure, job: Job | None) -> None:
        if failure.code == "bad_version":
            self._say("refused", failure.text)
            self._give_up_link()
        elif failure.code == "not_greeted":
            self._say("connecting", "Connecting to the backend")
            self._opened_at, self._hello_at = time.monotonic(), -1e9
            for waiting in self.jobs.values():
                self._pause(waiting)
        elif failure.code == "unknown_blob" and job and job.upload:
            job.upload.complete = False
            job.upload.probe()
        elif failure.code == "store_corrupt" and job and job.download:
            self._drop_stream(job)
            job.fail(failure.code, failure.text)
        elif job and (not job.accepted or failure.code == "unknown_job"):
            job.fail(failure.code, failure.text)
        self._changed = True

    def _hear_upload_refused(self, answer: protocol.Refused) -> None:
        """A full disk, or bytes that were damaged on their way: it is asked again, and goes on where it can."""
        for job in self.jobs.values():
            if job.upload and job.upload.blob == answer.blob and not job.upload.complete:
                job.upload.refuse()
                damaged = answer.failure.code == "hash_mismatch"
                job.text = "The mesh was damaged on its way and is sent again" if damaged else answer.failure.text
        self._changed = True

    # --- Jobs

    def _look_after_jobs(self) -> None:
        """Repeat what has not been answered: every call here may be repeated."""
        now = time.monotonic()
        if now - self._repeated_at < protocol.REQUEST_SECONDS:
            return
        self._repeated_at = now
        for job in self.jobs.values():
            if job.upload and job.upload.refused:
                job.upload.probe()
            self._advance(job)
            if job.cancel and job.accepted:
                self._send(job.cancel)
        for job in self._removing:
            self._send(protocol.Remove(job=job))

    def _advance(self, job: Job) -> None:
        """Submit a job whose mesh has arrived."""
        if self.state != "ready" or job.accepted or job.final or (job.upload and not job.upload.complete):
            return
        job.state = "sending"
        blob = job.upload.blob if job.upload else None
        self._send(protocol.Submit(job=job.id, request=job.request, title=job.title, blob=blob))

    def _subscribe(self, job: Job) -> None:
        if self.state != "ready" or job.download is None or job.stream is not None or job.download.taken:
            return
        self._streams += 1
        job.stream = self._streams
        job.download.restart()
        self._open_log(job)
        self._send(
            protocol.Subscribe(
                stream=job.stream,
                job=job.id,
                from_seq=job.download.next_seq,
                credit=job.download.granted,
                local=job.log is not None,
            )
        )

    def _open_log(self, job: Job) -> None:
        """Where the gateway is this user's own on this machine."""
        if job.log is None and self.reads_logs and self._link.connection.endpoint.startswith("ipc://"):
            job.log = LocalLog(protocol.records_path(self._home, job.id))

    @staticmethod
    def _close_log(job: Job) -> None:
        if job.log is not None:
            job.log.close()
            job.log = None

    def _pause(self, job: Job) -> None:
        """The connection is gone: what was whole stays, a subscription has to be made anew."""
        job.stream = None
        if job.download and not job.download.taken:
            job.download.restart()

    def _drop_stream(self, job: Job) -> None:
        if job.stream is not None:
            self._send(protocol.Unsubscribe(stream=job.stream))
        job.stream = job.download = None
        self._close_log(job)

    def _hear_stream(self, answer: protocol.Answer, payload: memoryview | None) -> None:
        job = next((job for job in self.jobs.values() if job.stream == answer.stream), None)
        if job is None or job.download is None:
            return  # of a subscription that was given up
        match answer:
            case protocol.Chunk() | protocol.Located():
                try:
                    if isinstance(answer, protocol.Chunk):
                        job.download.add(answer, payload)
                    else:
                        job.download.place(answer, job.log.read(answer.position, answer.total))
                except Broken as error:
                    self._ask_again(job, str(error))
                    return
                except OSError:  # another root folder or another user's: the gateway has to send it
                    self.reads_logs = False
                    self._close_log(job)
                    self._ask_again(job, "its log cannot be read")
                    return
                self._grant(job)
            case protocol.Gap():
                job.download.skip(answer)
            case protocol.End():
                job.download.ended = answer
                self._close_log(job)
        self._changed = True

    def _ask_again(self, job: Job, reason: str) -> None:
        job.damaged += 1
        if job.damaged > 3:
            self._drop_stream(job)
            job.fail("store_corrupt", f"The stored result is damaged ({reason}). Remove the job and run it again")
            self._changed = True
            return
        self._send(protocol.Unsubscribe(stream=job.stream))
        job.stream = None
        self._subscribe(job)

    def _grant(self, job: Job) -> None:
        credit = job.download.grant()
        if credit is not None and job.stream is not None:
            self._send(protocol.Credit(stream=job.stream, total=credit))
