"""One connected client: what it is still to be told, and the records that it reads.

Answers wait in order while the client's pipe is full. News of jobs waits as a set of names, so that of ten changes
the last is told. Records do not wait here at all: they are read from the log when they can be sent.
"""

import logging
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backend import protocol
from backend.service.door import Door, Full
from backend.service.store import Entry, Job, Store

OUTBOX = 4096  # answers that a client may leave unread before it is dropped
SHORTEST_REST, LONGEST_REST = 0.005, 0.1  # seconds before a full pipe is tried again
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Stream:
    """A cursor over one job's records, and the bytes that it may send."""

    number: int
    job: Job
    path: Path
    seq: int
    credit: int
    local: bool = False
    sent: int = 0
    entry: Entry | None = None  # the record that is being sent
    offset: int = 0  # in that record
    file: BinaryIO | None = None

    def next_entry(self, store: Store) -> protocol.Gap | None:
        """Go to the next record, if there is one; previews that have a successor are passed over."""
        first = self.seq
        while self.seq < self.job.records:
            entry = store.entry(self.job, self.seq)
            if not entry.preview or self.seq == self.job.records - 1:
                self.entry, self.offset = entry, 0
                break
            self.seq += 1
        return protocol.Gap(stream=self.number, first=first, last=self.seq - 1) if self.seq > first else None

    def read(self) -> tuple[protocol.Chunk, bytes]:
        """The next chunk of the record, within the credit. EOFError where the log has lost its end."""
        if self.file is None:
            self.file = self.path.open("rb", buffering=0)
        size = min(protocol.CHUNK_BYTES, self.entry.length - self.offset, self.credit - self.sent)
        self.file.seek(self.entry.offset + self.offset)
        payload = self.file.read(size)
        if len(payload) < size:
            raise EOFError
        entry = self.entry
        chunk = protocol.Chunk(
            stream=self.number,
            job=self.job.id,
            seq=entry.seq,
            offset=self.offset,
            total=entry.length,
            digest=entry.digest,
        )
        return chunk, payload

    def locate(self) -> protocol.Located:
        """Where the whole record lies, for a client that reads the log itself."""
        entry = self.entry
        return protocol.Located(
            stream=self.number,
            job=self.job.id,
            seq=entry.seq,
            position=entry.offset,
            total=entry.length,
            digest=entry.digest,
        )

    def advance(self, size: int) -> None:
        self.sent += size
        self.offset += size
        if self.offset == self.entry.length:
            self.entry = None
            self.seq += 1

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


@dataclass(eq=False)
class Peer:
    """A greeted client. Its methods raise door.Gone."""

    route: bytes
    client: str
    heard_at: float
    watches: set[str] = field(default_factory=set)  # jobs
    watches_all: bool = False
    news: dict[str, int] = field(default_factory=dict)  # job: the call that asked, or 0
    listed: protocol.Listed | None = None  # to be said when the news is out
    outbox: deque[protocol.Answer] = field(default_factory=deque)
    streams: dict[int, Stream] = field(default_factory=dict)
    bad: int = 0  # messages that made no sense
    rests_until: float = 0.0
    _rest: float = SHORTEST_REST

    def post(self, answer: protocol.Answer) -> None:
        self.outbox.append(answer)

    def tell(self, job: str, asked: int = 0) -> None:
        self.news[job] = asked or self.news.get(job, 0)

    def knows(self, job: str) -> bool:
        return self.watches_all or job in self.watches

    def forget(self, job: str) -> None:
        """A job that was removed."""
        self.watches.discard(job)
        self.news.pop(job, None)
        for stream in [stream for stream in self.streams.values() if stream.job.id == job]:
            self.drop_stream(stream.number)

    def drop_stream(self, number: int) -> None:
        if stream := self.streams.pop(number, None):
            stream.close()

    def close(self) -> None:
        for number in list(self.streams):
            self.drop_stream(number)

    def flush(self, door: Door, store: Store, now: float) -> None:
        """Say what waits, as far as the pipe takes it."""
        if now < self.rests_until:
            return
        try:
            while self.outbox:
                door.send(self.route, self.outbox[0])
                self.outbox.popleft()
            while self.news:
                job, asked = next(iter(self.news.items()))
                if job in store.jobs:
                    door.send(self.route, state_of(store.jobs[job], asked))
                del self.news[job]
            if self.listed:
                door.send(self.route, self.listed)
                self.listed = None
        except Full:
            self._rest_a_while(now)
        else:
            self._rest = SHORTEST_REST

    def feed(self, stream: Stream, door: Door, store: Store, now: float) -> bool:
        """Send one chunk of a stream. False where it has nothing to send, or may not send it."""
        if now < self.rests_until:
            return False
        if stream.entry is None and (gap := stream.next_entry(store)):
            self.post(gap)
        if stream.entry is None:
            if stream.job.final and not stream.job.pending:
                job = stream.job
                self.post(protocol.End(stream=stream.number, job=job.id, records=job.records, state=job.state))
                self.drop_stream(stream.number)
            return False
        if stream.sent >= stream.credit:
            return False
        if self.outbox:  # a Gap or an earlier End goes first
            self.flush(door, store, now)
            if self.outbox:
                return False
        try:
            if stream.local:
                size = stream.entry.length
                door.send(self.route, stream.locate())
            else:
                chunk, payload = stream.read()
                size = len(payload)
                door.send(self.route, chunk, payload)
        except Full:
            self._rest_a_while(now)
            return False
        except (OSError, EOFError) as error:
            self._give_up(stream, error)
            return False
        stream.advance(size)
        return True

    def _give_up(self, stream: Stream, error: Exception) -> None:
        _log.error("The log of job %s cannot be read at record %d: %r", stream.job.id, stream.seq, error)
        text = f"Record {stream.seq} of this job cannot be read from the disk: remove the job and run it again"
        self.post(protocol.Refused(failure=protocol.Failure("store_corrupt", text), job=stream.job.id))
        self.drop_stream(stream.number)

    def _rest_a_while(self, now: float) -> None:
        self.rests_until = now + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)


def state_of(job: Job, asked: int = 0) -> protocol.JobState:
    return protocol.JobState(
        re=asked,
        job=job.id,
        state=job.state,
        title=job.title,
        request=job.request,
        done=job.done,
        text=job.text,
        records=job.records,
        attempt=job.attempt,
        created=job.created,
        failure=job.failure,
    )
