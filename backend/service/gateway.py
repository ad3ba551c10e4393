"""One light process a user: hears every call and answers at once, always. What takes time, the worker does.

A single thread turns one loop: calls from clients, events from the worker, what time asks, records to who reads.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import zmq

from backend import protocol
from backend.prompt import NotUnderstood, backwards, record_of, understand
from backend.service.blobs import Blobs, Mismatch
from backend.service.clock import Clock
from backend.service.door import Door, Full, Gone
from backend.service.jobs import Jobs, Refusal
from backend.service.peers import OUTBOX, Peer, Stream
from backend.service.pipes import DISK_FULL
from backend.service.stay import Memory, Stay
from backend.service.store import DiskFull, Store
from backend.service.supervisor import Supervisor

TURN_SECONDS = 0.1
CALLS_A_TURN = 64
CHUNKS_A_TURN = 32
CLIENTS = 64
RETRY_SECONDS = 1.0  # on a full disk
QUOTED = 200  # characters of a prompt in the log
BAD_LOGGED = 10  # malformed messages of one peer that are worth a line


@dataclass(frozen=True)
class Settings:
    idle: float = 120.0  # seconds to stay when nobody is connected and nothing is to be done
    grace: float = 600.0  # seconds to go on with a job that nobody is connected for
    cache: float = protocol.CACHE_GB  # of results to keep


_log = logging.getLogger(__name__)


class Gateway:
    def __init__(
        self, boot: str, door: Door, store: Store, blobs: Blobs, supervisor: Supervisor, jobs: Jobs, clock: Clock,
        settings: Settings,
    ):  # fmt: skip
        self._boot, self._door, self._store, self._blobs = boot, door, store, blobs
        self._supervisor, self._jobs, self._clock, self._settings = supervisor, jobs, clock, settings
        self._peers: dict[bytes, Peer] = {}
        self._ending = False
        self._chunks = 0  # sent, in all
        self._held_event = None  # of the worker, while the disk is too full to enter it
        self._retry_at = 0.0
        self._stay = Stay(settings.idle, settings.grace)
        self._memory = Memory()
        self._watched_at = clock.now

    def end(self) -> None:
        """From a signal handler, too."""
        self._ending = True

    def run(self) -> None:
        """Serve until there is nothing to stay for."""
        poller = zmq.Poller()
        poller.register(self._door.socket, zmq.POLLIN)
        more = False
        while not self._ending:
            # a worker whose events cannot be entered is left unheard, and so waits
            poller.register(self._supervisor.events_socket, zmq.POLLIN if self._clock.now >= self._retry_at else 0)
            heard = dict(poller.poll(self._rest(more)))
            self._clock.tick()
            if self._door.socket in heard:
                for _ in range(CALLS_A_TURN):
                    if (call := self._door.receive()) is None:
                        break
                    self._hear(*call)
            self._hear_worker()
            self._spread_news()
            more = self._feed()
            if self._clock.now - self._watched_at >= TURN_SECONDS:
                self._watched_at = self._clock.now
                self._watch(poller)
        for peer in self._peers.values():
            peer.close()

    def _rest(self, more: bool) -> int:
        """Milliseconds to wait for something to happen."""
        if more:
            return 0
        due = [TURN_SECONDS]
        if self._clock.now >= self._retry_at and (commit := self._store.commit_due()) is not None:
            due.append(commit)
        due += [
            peer.rests_until - self._clock.now for peer in self._peers.values() if peer.rests_until > self._clock.now
        ]
        return math.ceil(1000 * max(0.0, min(due)))

    # --- Clients

    def _hear(self, route: bytes, frames: list) -> None:
        peer = self._peers.get(route)
        if peer:
            peer.heard_at = self._clock.now
        try:
            call, payload = protocol.decode_call(frames)
        except protocol.BadMessage as error:
            self._hear_nonsense(route, peer, error)
            return
        try:
            if isinstance(call, protocol.Hello):
                self._greet(route, call)
            elif peer is None:
                raise Refusal("not_greeted", "Say Hello first")
            else:
                self._carry_out(peer, call, payload)
        except Refusal as refusal:
            self._refuse(route, call, refusal.failure)
        except DiskFull:
            failure = protocol.Failure("disk_full", "The disk is full: free some space, then try again")
            self._refuse(route, call, failure)

    def _hear_nonsense(self, route: bytes, peer: Peer | None, error: protocol.BadMessage) -> None:
        if peer is not None:
            peer.bad += 1
            if peer.bad <= BAD_LOGGED:
                _log.warning("Client %s sent nonsense (%d): %s", peer.client, peer.bad, error.text)
        self._refuse(route, None, protocol.Failure(error.code, error.text))

    def _refuse(self, route: bytes, call: protocol.Calls | None, failure: protocol.Failure) -> None:
        """`call`: None where it could not be read."""
        refused = protocol.Refused(
            re=call.id if call else 0,
            failure=failure,
            job=getattr(call, "job", None),
            blob=call.blob if isinstance(call, protocol.Put) else None,
        )
        if peer := self._peers.get(route):
            peer.post(refused)
            return
        try:
            self._door.send(route, refused)
        except (Full, Gone):
            pass  # nobody that we know

    def _greet(self, route: bytes, call: protocol.Hello) -> None:
        if not call.protocol_min <= protocol.PROTOCOL <= call.protocol_max:
            older = "the backend" if call.protocol_min > protocol.PROTOCOL else "the add-on"
            raise Refusal(
                "bad_version",
                f"The add-on ({call.software or 'unknown'}) speaks protocol {call.protocol_min} to {call.protocol_max},"
                f" the backend ({protocol.VERSION}) {protocol.PROTOCOL}: update {older}",
            )
        if (peer := self._peers.get(route)) is None:
            peer = self._admit(route, call)
        peer.post(
            protocol.Welcome(
                re=call.id,
                protocol=protocol.PROTOCOL,
                boot=self._boot,
                software=protocol.VERSION,
                engines=self._jobs.engines,
            )
        )

    def _admit(self, route: bytes, call: protocol.Hello) -> Peer:
        for other in [peer for peer in self._peers.values() if peer.client == call.client]:
            self._drop(other)  # the same client on a connection that it has given up
        if len(self._peers) >= CLIENTS:
            raise Refusal("quota", f"{CLIENTS} clients are connected already: close one")
        self._stay.farewell = False
        _log.info("Hello from %s (%s)", call.client, call.software)
        self._peers[route] = Peer(route, call.client, self._clock.now)
        return self._peers[route]

    def _carry_out(self, peer: Peer, call: protocol.Calls, payload: memoryview | None) -> None:
        """Raises Refusal and DiskFull."""
        match call:
            case protocol.Ping():
                peer.post(self._pong(call.id))
            case protocol.Bye():
                self._stay.farewell = True
                self._drop(peer)
            case protocol.Put():
                self._put(peer, call, payload)
            case protocol.Submit():
                new = self._jobs.submit(call, peer.client)
                peer.watches.add(call.job)
                peer.post(protocol.Accepted(re=call.id, job=call.job, duplicate=not new))
                peer.tell(call.job)
            case protocol.Read():
                peer.post(_reading(call))
            case protocol.Cancel():
                job = self._jobs.find(call.job)
                self._jobs.cancel(job, call.force)
                peer.tell(job.id, call.id)
            case protocol.List():
                peer.watches_all = True
                for job in self._store.jobs:
                    peer.tell(job, call.id)
                peer.listed = protocol.Listed(re=call.id, jobs=len(self._store.jobs))
            case protocol.Subscribe():
                self._subscribe(peer, call)
            case protocol.Credit():
                if stream := peer.streams.get(call.stream):
                    stream.credit = max(stream.credit, call.total)
            case protocol.Unsubscribe():
                peer.drop_stream(call.stream)
            case protocol.Remove():
                if call.job in self._store.jobs:
                    peer.watches.add(call.job)
                    self._jobs.remove(self._store.jobs[call.job])
                else:
                    peer.post(protocol.Removed(re=call.id, job=call.job))
            case protocol.Clear():
                self._jobs.clear()
            case protocol.Shutdown():
                if self._jobs.busy and not call.force:
                    raise Refusal("conflict", "Jobs are waiting or running: cancel them first, or end it by force")
                self._ending = True

    def _pong(self, call: int) -> protocol.Pong:
        return protocol.Pong(
            re=call,
            boot=self._boot,
            worker=self._jobs.doing,
            running=self._jobs.running,
            queued=self._jobs.queued,
            store_bytes=self._jobs.stored,
            engines=self._jobs.engines,
        )

    def _put(self, peer: Peer, call: protocol.Put, payload: memoryview) -> None:
        try:
            held, whole = self._blobs.put(call.blob, call.size, call.offset, payload)
        except Mismatch:
            raise Refusal("hash_mismatch", "The mesh was damaged on its way: send it again") from None
        except OSError as error:
            _log.error("A blob cannot be written: %s", error)
            raise Refusal("disk_full", f"The mesh cannot be stored ({error.strerror}): free some space") from None
        peer.post(protocol.Have(re=call.id, blob=call.blob, offset=held, complete=whole))

    def _subscribe(self, peer: Peer, call: protocol.Subscribe) -> None:
        job = self._jobs.find(call.job)
        if call.stream in peer.streams:
            raise Refusal("conflict", "This stream is open already: take another number")
        if len(peer.streams) >= protocol.STREAMS:
            raise Refusal("quota", f"{protocol.STREAMS} streams are open already: end one first")
        peer.watches.add(job.id)
        peer.streams[call.stream] = Stream(
            call.stream, job, self._store.log(job), call.from_seq, call.credit, call.local
        )
        peer.tell(job.id, call.id)

    def _drop(self, peer: Peer) -> None:
        peer.close()
        del self._peers[peer.route]

    # --- Worker, news, records

    def _hear_worker(self) -> None:
        """Take in what the worker says; on a full disk its events wait, and it with them."""
        if self._clock.now < self._retry_at:
            return
        try:
            if self._held_event is not None:
                self._jobs.hear(self._held_event)
                self._held_event = None
            for event in self._supervisor.hear(self._clock.now):
                self._held_event = event
                self._jobs.hear(event)
                self._held_event = None
            if self._store.commit_due() == 0:
                self._jobs.changed.update(job.id for job in self._store.commit())
            self._jobs.tend()
        except DiskFull:
            self._retry_at = self._clock.now + RETRY_SECONDS
            for job in self._store.jobs.values():
                if not job.final and job.state != "queued":
                    job.text = DISK_FULL
                    self._jobs.changed.add(job.id)

    def _spread_news(self) -> None:
        for peer in self._peers.values():
            for job in self._jobs.removed:
                if peer.knows(job):
                    peer.forget(job)
                    peer.post(protocol.Removed(job=job))
            for job in self._jobs.changed:
                if peer.knows(job):
                    peer.tell(job)
        self._jobs.removed.clear()
        self._jobs.changed.clear()
        self._each_peer(lambda peer: peer.flush(self._door, self._store, self._clock.now))

    def _feed(self) -> bool:
        """A chunk of every stream, in turns, for a while. True where there is more to send."""
        hungry = True
        for _ in range(CHUNKS_A_TURN):
            before = self._chunks
            self._each_peer(self._feed_once)
            hungry = self._chunks > before
            if not hungry:
                break
        self._each_peer(lambda peer: peer.flush(self._door, self._store, self._clock.now))
        return hungry

    def _feed_once(self, peer: Peer) -> None:
        for stream in list(peer.streams.values()):
            self._chunks += peer.feed(stream, self._door, self._store, self._clock.now)

    def _each_peer(self, act: Callable[[Peer], None]) -> None:
        for peer in list(self._peers.values()):
            try:
                act(peer)
            except Gone:
                _log.info("Client %s is gone", peer.client)
                self._drop(peer)

    # --- Time

    def _watch(self, poller: zmq.Poller) -> None:
        """Ten times a second: who is there, how much memory and disk is used, whether there is a reason to stay."""
        now = self._clock.now
        for peer in list(self._peers.values()):
            if now - peer.heard_at > protocol.LEASE_SECONDS or len(peer.outbox) > OUTBOX:
                _log.info("Client %s does not %s", peer.client, "listen" if len(peer.outbox) > OUTBOX else "speak")
                self._stay.farewell = False
                self._drop(peer)
        if self._memory.overflows(now):
            self._shed(poller)
        in_use = {stream.job.id for peer in self._peers.values() for stream in peer.streams.values()}
        try:
            self._jobs.prune(round(self._settings.cache * 1e9), in_use)
        except DiskFull:
            pass  # tried again in a moment
        self._ending |= self._stay.is_over(now, bool(self._peers), self._jobs.busy)

    def _shed(self, poller: zmq.Poller) -> None:
        """Somebody fills the socket with a message that never ends: drop all connections. Who is honest comes back."""
        poller.unregister(self._door.socket)
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._door.rebind()
        poller.register(self._door.socket, zmq.POLLIN)
        self._memory.settle(self._clock.now)
        _log.warning("Memory grew without end: all clients were dropped")


def _reading(call: protocol.Read) -> protocol.Reading:
    """Raises Refusal where reading fails by a fault of ours: no text may end the gateway."""
    try:
        protocol.check_size(call.prompt)
    except ValueError as error:
        return protocol.Reading(re=call.id, refusal=str(error))
    try:
        understood = understand(call.prompt)
        return protocol.Reading(
            re=call.id,
            understood=understood.understood() + backwards(understood),
            passed_over=understood.words_passed_over(),
            specimen=record_of(understood),
            count=understood.count,
        )
    except NotUnderstood as refusal:
        return protocol.Reading(re=call.id, refusal=str(refusal))
    except Exception:  # noqa: BLE001 (the border of a text that is typed: it ends no jobs)
        _log.exception("A prompt cannot be read: %r", call.prompt[:QUOTED])
        raise Refusal("internal", "This prompt cannot be read: say it in other words") from None
