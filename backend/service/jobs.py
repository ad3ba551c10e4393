"""What happens to a job from Submit to its end: the queue, the worker's news, cancelling, deadlines, forgetting."""

import logging
import shutil
from pathlib import Path

from backend import protocol
from backend.service import pipes
from backend.service.blobs import Blobs
from backend.service.clock import Clock
from backend.service.store import DiskFull, Job, Store
from backend.service.supervisor import RESTART_SECONDS, RESTARTS, Supervisor

CRASHES = 2  # of one job, then it is the job
CANCEL_SECONDS = 5.0  # for the next step to come; then the worker is asked to end, then it is killed
STEPS = 10  # times the usual step, and at least the deadline
LOADING = 600.0  # seconds, or the deadline, until WARM: libraries load and kernels compile
WARM = 3  # records made: the subject and the first frame may need no computing, the second frame does
GENERATED_FRAME_BYTES = 512 * 1024  # a guess
FRAMES_A_SUBJECT = 3  # of an animated mesh: 12 to 17 bytes a vertex, against 55 to 80 with its faces
VERTEX_BYTES = 12  # of a mode
PIXEL_BYTES = 3
VIEW_BYTES = 40 * 256**2 * PIXEL_BYTES  # as often as it is shown while it is drawn
TEXTURE_BYTES = 16 * 1024**2  # with the views that came before it
LEARNT_BYTES = 200e6  # of a small model and what it goes on from; a training asks for what it needs by itself
FILM_SECONDS = 10.0  # at its usual speed: two loops, of what rings after a pull
_LIVE = ("running", "cancelling")
_log = logging.getLogger(__name__)


def room(request: protocol.Request, brought: int | None) -> int:
    """Bytes that its records will take, about; `brought` are those of the Subject or of the picture."""
    frame = GENERATED_FRAME_BYTES if brought is None else brought // FRAMES_A_SUBJECT
    match request:
        case protocol.SwayAsSeen():
            return request.modes * frame
        case protocol.Plane():
            return protocol.MODES * request.detail**2 * VERTEX_BYTES
        case protocol.Picture():
            frames = round(request.fps * FILM_SECONDS / request.speed)
            return min(frames, protocol.MAX_FRAMES) * request.size**2 * PIXEL_BYTES
        case protocol.Views():
            return request.count * VIEW_BYTES
        case protocol.TextToMesh():
            return TEXTURE_BYTES + request.faces * request.frames * VERTEX_BYTES
        case protocol.LearnSubject():
            return LEARNT_BYTES
        case _:
            return request.frames * frame


class Refusal(Exception):
    """A call that is not carried out."""

    def __init__(self, code: protocol.Code, text: str):
        super().__init__(text)
        self.failure = protocol.Failure(code, text)


class Jobs:
    """`changed` collects ids whose JobState is news, `removed` those that are gone; who reads them clears them."""

    def __init__(self, store: Store, blobs: Blobs, supervisor: Supervisor, clock: Clock, deadline: float, home: Path):
        self._store, self._blobs, self._supervisor, self._clock = store, blobs, supervisor, clock
        self._deadline, self._home = deadline, home
        self.changed: set[str] = set()
        self.removed: list[str] = []
        self.engines: protocol.Engines | None = None
        self._ready = False
        self._current: Job | None = None
        self._removing: set[str] = set()
        self._cancelled_at: float | None = None
        self._beat_at = 0.0
        self._step = 0.0  # the worker's usual one, seconds
        self._made = 0  # records in this attempt, with those that the log has from an earlier one
        self._hung = False

    @property
    def busy(self) -> bool:
        return self._current is not None or self.queued > 0

    @property
    def running(self) -> int:
        return int(self._current is not None)

    @property
    def queued(self) -> int:
        return sum(job.state == "queued" for job in self._store.jobs.values())

    @property
    def doing(self) -> str:
        """What the worker does, for the panel."""
        if self._supervisor.degraded(self._clock.now):
            return self._degraded_text()[:200]
        if not self._ready:
            return "Starting"
        return "Idle" if self._current is None else f"Working on {self._current.title}"[:200]

    # --- What clients ask

    def find(self, job: str) -> Job:
        if job not in self._store.jobs:
            raise Refusal("unknown_job", "The backend does not know this job: it was removed")
        return self._store.jobs[job]

    def submit(self, call: protocol.Submit, client: str) -> bool:
        """Queue a job. False: it was there already. Raises Refusal."""
        if known := self._store.jobs.get(call.job):
            if (known.request, known.blob) != (call.request, call.blob):
                raise Refusal("conflict", "Another job has this id: submit it under a new one")
            return False
        if self._supervisor.degraded(self._clock.now):
            raise Refusal("degraded", self._degraded_text())
        waiting = sum(job.state == "queued" and job.client == client for job in self._store.jobs.values())
        if waiting >= protocol.QUEUED_JOBS:
            raise Refusal("quota", f"{waiting} jobs are waiting already: let some finish, or cancel some")
        if call.blob is not None and self._blobs.path(call.blob) is None:
            raise Refusal("unknown_blob", "The mesh has not arrived: send it, then submit again")
        self._check_space(call)
        try:
            self._store.add(call.job, call, client)
        except DiskFull:
            raise Refusal("disk_full", "The disk is full: free some space, then try again") from None
        self.changed.add(call.job)
        return True

    def cancel(self, job: Job, force: bool) -> None:
        """Take no more steps for a job. One that is over stays as it is."""
        self.changed.add(job.id)
        if job.state == "queued":
            self._store.move(job, "cancelled", since=("queued",))
        elif job.state == "running":
            try:
                self._store.move(job, "cancelling", since=("running",))
            except DiskFull:
                job.state = "cancelling"  # not worth waiting for space: it is a wish, not a result
            self._cancelled_at = self._clock.now
            self._supervisor.send(pipes.Stop(job.id))
        if job.state == "cancelling" and force:
            self._supervisor.kill()

    def remove(self, job: Job) -> None:
        """Forget a job; a running one is cancelled first, and forgotten when it has stopped."""
        if not job.final:
            self.cancel(job, force=False)
        self._removing.add(job.id)
        self._forget_removed()

    def clear(self) -> None:
        for job in [job for job in self._store.jobs.values() if job.final]:
            self._forget(job)

    def prune(self, limit: int, in_use: set[str]) -> None:
        """Forget finished jobs, oldest first, until the store is within `limit` bytes. The newest always stays."""
        final = [job for job in self._store.jobs.values() if job.final]
        for job in final[:-1]:
            if self.stored <= limit:
                return
            if job.id not in in_use:
                _log.info("Forgetting job %s: the store has %d bytes, %d are allowed", job.id, self.stored, limit)
                self._forget(job)

    @property
    def stored(self) -> int:
        """Bytes."""
        return self._store.size + self._blobs.size

    # --- What the worker says

    def hear(self, event: pipes.Events | pipes.Died) -> None:
        """Raises DiskFull, and then nothing was heard."""
        job = self._current
        match event:
            case pipes.Ready():
                self.engines, self._ready = event.engines, True
            case pipes.Died():
                self._died(event)
            case _ if job is None or event.job != job.id:
                _log.error("The worker speaks of another job than it was given: %s", event)
                self._supervisor.kill(blame=True)
            case pipes.Progress():
                job.done, job.text, self._step, self._made = event.done, event.text, event.step, event.made
                self._beat()
            case pipes.Paused():
                job.text = event.text
                self._beat()
            case pipes.Stored() if event.seq != job.records + len(job.pending):
                _log.error("The worker stored record %d out of turn", event.seq)
                self._supervisor.kill(blame=True)
            case pipes.Stored():
                job.pending.append(event)
                self._made = event.seq + 1
                self._beat()
            case pipes.Finished():
                self._over("cancelled" if job.state == "cancelling" else "done")
            case pipes.Stopped():
                self._over("cancelled")
            case pipes.Failed():
                _log.warning("Job %s failed: %s", job.id, event.failure.text)
                self._over("cancelled" if job.state == "cancelling" else "failed", failure=event.failure)

    def _beat(self) -> None:
        self._beat_at = self._clock.now
        self.changed.add(self._current.id)

    def _over(self, state: protocol.State, **fields) -> None:
        job = self._current
        self._store.move(job, state, since=_LIVE, **fields)
        self.changed.add(job.id)
        self._current = self._cancelled_at = None
        job.done, job.text = (1.0, "") if state == "done" else (job.done, "")

    def _died(self, death: pipes.Died) -> None:
        ended = self._hung or self._cancelled_at is not None
        _log.warning("The worker is gone: %s", "it was ended from here" if ended else death.reason)
        job, hung = self._current, self._hung
        if job is not None and job.state == "cancelling":
            self._over("cancelled")
        elif job is not None:
            crashes = job.crashes + 1
            if crashes < CRASHES:
                self._over("queued", crashes=crashes)
                job.text = "The worker stopped; the job goes on with a new one"
            else:
                self._over("quarantined", crashes=crashes, failure=self._crash(death, hung))
        self._ready, self._hung = False, False

    def _crash(self, death: pipes.Died, hung: bool) -> protocol.Failure:
        what = "made no progress for too long" if hung else f"took the worker with it: {death.reason}"
        return protocol.Failure(
            "worker_hung" if hung else "worker_crashed",
            f"This job {what}, {CRASHES} times, so it is not tried again. Try a smaller mesh or fewer frames",
            death.tail,
        )

    # --- What time asks

    def tend(self) -> None:
        """Start what can be started, end what takes too long. Raises DiskFull."""
        now = self._clock.now
        self._forget_removed()
        if not self._supervisor.running:
            if not self._supervisor.degraded(now):
                self._beat_at, self._step, self._made = now, 0.0, 0
                self._supervisor.start()
            return
        if self._ready and self._current is None:
            self._dispatch()
        if self._cancelled_at is not None:
            self._press(now - self._cancelled_at)
        elif (self._current is not None or not self._ready) and now - self._beat_at > self._patience():
            _log.error("The worker made no step for %.0f s", now - self._beat_at)
            self._hung = True
            self._beat_at = now
            self._supervisor.kill(blame=True)

    def stop(self) -> None:
        """End the worker; its job waits for the next gateway."""
        self._supervisor.stop()
        job = self._current
        if job is not None:
            try:
                self._over("cancelled" if job.state == "cancelling" else "queued")
            except DiskFull:
                _log.warning("The disk is full; the next start of the backend will mend the state of job %s", job.id)

    def _patience(self) -> float:
        return max(self._deadline, LOADING if self._made < WARM else STEPS * self._step)

    def _press(self, waited: float) -> None:
        if waited > 2 * CANCEL_SECONDS:
            self._supervisor.kill()
        elif waited > CANCEL_SECONDS:
            self._supervisor.terminate()

    def _dispatch(self) -> None:
        job = next((job for job in self._store.jobs.values() if job.state == "queued"), None)
        if job is None:
            return
        subject = None if job.blob is None else self._blobs.path(job.blob)
        if job.blob is not None and subject is None:
            text = "The mesh of this job is missing on the disk: remove the job and run it again"
            self._store.move(job, "failed", since=("queued",), failure=protocol.Failure("unknown_blob", text))
            self.changed.add(job.id)
            return
        self._store.move(job, "running", since=("queued",), attempt=job.attempt + 1)
        self._current, self._beat_at = job, self._clock.now
        self._step, self._made = 0.0, 0
        job.text = "Starting"
        self.changed.add(job.id)
        last = self._store.entry(job, job.records - 1)
        self._supervisor.send(
            pipes.Run(
                job=job.id,
                request=job.request,
                subject=None if subject is None else str(subject),
                log=str(self._store.log(job)),
                records=job.records,
                size=job.size,
                digest=last.digest if last else 0,
            )
        )

    def _check_space(self, call: protocol.Submit) -> None:
        needed = room(call.request, None if call.blob is None else self._blobs.size_of(call.blob))
        free = shutil.disk_usage(self._home).free
        if free < needed:
            text = f"The result may need {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free: free some space"
            raise Refusal("disk_full", text)

    def _forget_removed(self) -> None:
        for job in [self._store.jobs[id_] for id_ in self._removing]:
            if job.final:
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._store.remove(job)
        self.changed.discard(job.id)
        self._removing.discard(job.id)
        self.removed.append(job.id)
        if job.blob is not None and not any(other.blob == job.blob for other in self._store.jobs.values()):
            self._blobs.remove(job.blob)

    def _degraded_text(self) -> str:
        log = self._home / "logs" / "worker.log"
        return (
            f"The worker died {RESTARTS} times in {RESTART_SECONDS / 60:.0f} minutes, so nothing new is begun:"
            f" {log} says why. Restart the backend to try again"
        )
