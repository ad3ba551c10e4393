"""One add-on's conversation with a gateway: it finds or starts one, asks, and keeps what comes.

Everything happens inside tick(), which never blocks: libzmq's own threads carry the bytes, and Blender's Python
runs no second thread. A job is safe to ask for twice because the client makes its id; what has arrived is handed
on once because records are numbered. So a lost connection is only a pause.
"""

import time
import uuid
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..seam import protocol
from . import launch
from .gateway import Gateway, Starts, State
from .jobs import Job
from .reader import Reader
from .streams import Streams
from .transfers import Download, Upload


class Session:
    """State, jobs and records as far as they are known. Read its attributes; call tick() often."""

    def __init__(self, software: str, client: str | None = None):
        self.engines: protocol.Engines | None = None
        self.worker = ""
        self.store_bytes = 0
        self.jobs: dict[str, Job] = {}
        self.client = client or uuid.uuid4().hex
        self.gateway = Gateway(self.client, software, self._pause_all)
        self.reader = Reader(self.gateway)
        self._streams = Streams(self.gateway)
        self._repeated_at = -1e9
        self._removing: set[str] = set()
        self._changed = False

    @property
    def reads_logs(self) -> bool:
        """Whether it reads jobs' logs itself, where the gateway is on this machine: a quarter of the work."""
        return self._streams.reads_logs

    @reads_logs.setter
    def reads_logs(self, wanted: bool) -> None:
        self._streams.reads_logs = wanted

    # --- Where the gateway is

    @property
    def state(self) -> State:
        return self.gateway.state

    @property
    def text(self) -> str:
        """The state in words."""
        return self.gateway.text

    def start(self, home: Path, command: launch.Command | None, starts: Starts = "always") -> None:
        """As Gateway.start()."""
        self.gateway.start(home, command, starts)

    def connect_remote(self, endpoint: str, server_key: str, client_public: str, client_secret: str) -> None:
        """As Gateway.connect_remote()."""
        self.gateway.connect_remote(endpoint, server_key, client_public, client_secret)

    def allow_start(self, command: launch.Command) -> None:
        """As Gateway.allow_start()."""
        self.gateway.allow_start(command)

    def shutdown_backend(self, force: bool = False) -> None:
        """As Gateway.shut_down()."""
        self.gateway.shut_down(force)

    def close(self) -> None:
        """As Gateway.close(); no log stays open."""
        for job in self.jobs.values():
            self._streams.close_log(job)
        self.gateway.close()

    def _pause_all(self) -> None:
        for job in self.jobs.values():
            self._streams.pause(job)

    def forget_jobs(self) -> None:
        """Those of one gateway are of no meaning to another."""
        for job in self.jobs.values():
            self._streams.drop(job)
        self.jobs.clear()
        self._removing.clear()
        self._changed = True

    # --- What can be asked

    def submit(
        self,
        request: protocol.Request,
        title: str,
        subject: bytes | None = None,
        fetch: bool = True,
        hold: bool = False,
    ) -> str:
        """A new job; its id at once, the rest in tick(). `subject` is a packed Subject record. A job on `hold` is sent
        when release() has said what it is to be."""
        job = Job(uuid.uuid4().hex, title[:200], request, mine=True, held=hold)
        if subject is not None:
            job.upload, job.state = Upload(subject), "uploading"
        if fetch:
            job.download = Download(0)
        self.jobs[job.id] = job
        self._changed = True
        self._advance(job)
        return job.id

    def release(self, job: str, request: protocol.Request, title: str) -> None:
        """Send a job that was held, with this request."""
        job = self.jobs[job]
        job.request, job.title, job.held = request, title[:200], False
        self._changed = True
        self._advance(job)

    def refuse(self, job: str, code: protocol.Code, text: str) -> None:
        """A job that was held is not sent: it has failed, for this reason."""
        self.jobs[job].fail(code, text)
        self._changed = True

    def cancel(self, job: str, force: bool = False) -> None:
        """Take no more steps; `force` kills the worker that takes them."""
        job = self.jobs[job]
        if job.final:
            return
        if not job.held:
            job.cancel = protocol.Cancel(job=job.id, force=force)
            self.gateway.send(job.cancel)
        if not job.accepted:
            job.state, job.upload, job.download = "cancelled", None, None
        elif self.state == "off":
            job.state, job.text = "cancelled", ""  # which the next gateway will be told
            self._streams.drop(job)
        elif job.state == "running":
            job.state = "cancelling"
        self._changed = True

    def remove(self, job: str) -> None:
        """Forget a job, here and in the store."""
        found = self.jobs.pop(job)
        self._streams.drop(found)
        if not found.held:
            self._removing.add(job)
            self.gateway.send(protocol.Remove(job=job))
        self._changed = True

    def clear(self, keep: Collection[str] = ()) -> None:
        """Forget every finished job but those to `keep`, here and in the store."""
        for job in [job.id for job in self.jobs.values() if job.final and job.id not in keep]:
            self.remove(job)

    def fetch(self, job: str, from_seq: int = 0) -> None:
        """Read a job's records from the store, from this one on."""
        job = self.jobs[job]
        self._streams.drop(job)
        job.download, job.taken, job.damaged = Download(from_seq), from_seq, 0
        self._streams.subscribe(job)

    def stop_fetching(self, job: str) -> None:
        self._streams.drop(self.jobs[job])

    def take(self, job: str) -> tuple[int, protocol.Records, dict[str, np.ndarray]] | None:
        """The next record of a fetched job, in order; None while there is none. Lets the next ones come."""
        job = self.jobs[job]
        whole = job.download.take() if job.download else None
        if whole is None:
            return None
        seq, data = whole
        self._streams.grant(job)
        try:
            record, arrays = protocol.unpack(data)
        except protocol.BadMessage as error:
            self._streams.drop(job)
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
        jobs = self.jobs.values()
        changed, self._changed = self._changed, False
        self.gateway.tick(any(job.active for job in jobs), any(job.mine and not job.final for job in jobs))
        while self.gateway.linked and time.perf_counter() < ends:
            busy = self._send_uploads()
            if not self._receive() and not busy:
                break
        if self.state == "ready":
            self.reader.tick()
            self._look_after_jobs()
        elif self.state == "off":
            self._park_jobs()
        changed |= self._changed | self.gateway.changed
        self.gateway.changed = False
        return changed

    def rest(self, seconds: float) -> None:
        """For callers without an event loop: sleep until there is news, at most so long."""
        self.gateway.rest(seconds)

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

    def _park_jobs(self) -> None:
        """Nobody works on them: the store has them queued, or will have when the next gateway opens it."""
        for job in self.jobs.values():
            if job.state == "cancelling":
                job.state = "cancelled"  # which the next gateway will be told
            elif job.state == "running":
                job.state, job.text = "queued", "Goes on when the backend is started again"
                self._changed = True

    # --- Messages

    def _send_uploads(self) -> bool:
        """One chunk of each upload; True where one left."""
        if self.state != "ready":
            return False
        busy = False
        for job in self.jobs.values():
            step = job.upload.next() if job.upload and not job.final else None
            if step is not None and self.gateway.send(*step):
                job.upload.sent(len(step[1]))
                busy = True
        return busy

    def _receive(self) -> bool:
        try:
            message = self.gateway.receive()
        except protocol.BadMessage:
            return True  # a gateway does not send such a thing; dropping it costs a repeated request
        if message is None:
            return False
        self._hear(*message)
        return self.gateway.linked

    def _hear(self, answer: protocol.Answers, payload: memoryview | None) -> None:
        job = self.jobs.get(getattr(answer, "job", None) or "")
        match answer:
            case protocol.Chunk() | protocol.Located() | protocol.Gap() | protocol.End():
                self._changed |= self._streams.hear(answer, payload, self.jobs.values())
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
            case protocol.Reading():
                self._changed |= self.reader.hear(answer)
            case protocol.JobState():
                self._hear_state(answer, job)
            case protocol.Removed():
                self._removing.discard(answer.job)
                if job:
                    self._streams.drop(self.jobs.pop(answer.job))
                    self._changed = True
            case protocol.Refused(blob=str()):
                self._hear_upload_refused(answer)
            case protocol.Refused():
                self._removing.discard(answer.job)
                if self.reader.hear_refusal(answer):
                    self._changed = True
                elif not self.gateway.hear_refusal(answer):
                    self._hear_refusal(answer.failure, job)

    def _greet(self, welcome: protocol.Welcome) -> None:
        """A connection, perhaps not the first: take up what was interrupted."""
        self.engines = welcome.engines
        self.reader.forget()
        self.gateway.hear_welcome()
        self._changed = True
        for job in self.jobs.values():
            if job.upload:
                job.upload.probe()
            self._advance(job)
            if job.accepted:
                self._streams.subscribe(job)
        self.gateway.send(protocol.List())

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
        if job.state == "done" and isinstance(job.request, protocol.LearnSubject):
            self.gateway.ask_soon()
        self._changed = True

    def _accept(self, job: Job) -> None:
        job.accepted, job.upload = True, None
        if job.state in ("uploading", "sending"):
            job.state = "queued"
        if job.cancel:  # it was cancelled before the gateway knew it
            self.gateway.send(job.cancel)
        self._streams.subscribe(job)
        self._changed = True

    def _hear_refusal(self, failure: protocol.Failure, job: Job | None) -> None:
        if failure.code == "unknown_blob" and job and job.upload:
            job.upload.complete = False
            job.upload.probe()
        elif failure.code == "store_corrupt" and job and job.download:
            self._streams.drop(job)
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
                self.gateway.send(job.cancel)
            self._streams.renew(job)
        for job in self._removing:
            self.gateway.send(protocol.Remove(job=job))

    def _advance(self, job: Job) -> None:
        """Submit a job whose mesh has arrived."""
        if self.state != "ready" or job.accepted or job.held or job.final or (job.upload and not job.upload.complete):
            return
        job.state = "sending"
        blob = job.upload.blob if job.upload else None
        self.gateway.send(protocol.Submit(job=job.id, request=job.request, title=job.title, blob=blob))
