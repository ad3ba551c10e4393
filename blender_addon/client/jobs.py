"""What the client knows of a job."""

import time
from dataclasses import dataclass, field

from ..seam import protocol
from .transfers import Download, LocalLog, Upload


@dataclass
class Job:
    """A job of this client, or of another one that shares the backend."""

    id: str
    title: str
    request: protocol.Request
    mine: bool
    state: str = "sending"  # "uploading", "sending", then a protocol.State
    done: float = 0.0
    text: str = ""
    records: int = 0
    created: float = field(default_factory=time.time)
    failure: protocol.Failure | None = None
    taken: int = 0  # records that were handed on
    upload: Upload | None = field(default=None, repr=False)
    download: Download | None = field(default=None, repr=False)
    log: LocalLog | None = field(default=None, repr=False)  # read instead of the socket, on the same machine
    stream: int | None = None  # the subscription that feeds the download on this connection
    fed: float = 0.0  # when that was made, or last said something
    accepted: bool = False
    held: bool = False  # not sent yet, for it is still open what just to ask for
    cancel: protocol.Cancel | None = None  # wanted, and repeated until the job's state shows it
    damaged: int = 0
    _started: tuple[float, float] | None = None  # (when, how far) the job was first seen running

    @property
    def final(self) -> bool:
        return self.state in protocol.FINAL

    @property
    def active(self) -> bool:
        """Something is still to come, so the gateway should be asked often whether it lives."""
        return (self.mine and not self.final) or (self.download is not None and not self.download.taken)

    @property
    def seconds_left(self) -> float | None:
        """As the pace so far has it; None until there is one."""
        if self.state != "running" or self._started is None:
            return None
        when, done = self._started
        if self.done - done < 0.02:
            return None
        return (time.monotonic() - when) * (1 - self.done) / (self.done - done)

    def update(self, news: protocol.JobState) -> None:
        if news.state == "running" and (self._started is None or (news.attempt > 1 and news.done < self._started[1])):
            self._started = (time.monotonic(), news.done)
        self.accepted = True
        self.upload = None
        self.state, self.done, self.text = news.state, news.done, news.text
        self.records, self.failure, self.created = news.records, news.failure, news.created

    def fail(self, code: protocol.Code, text: str) -> None:
        """A failure that the client found: the job is over for it."""
        self.state, self.failure = "failed", protocol.Failure(code, text)
        self.download = self.upload = None
