"""The gateway as this client sees it: where it is, whether it lives, and the one link to it."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import zmq

from ..seam import protocol
from . import launch, link
from .link import Link

ANSWER_SECONDS = 2.0  # for a Hello, after which the connection is tried anew
START_SECONDS = 20.0  # for a backend that was started to listen
SPAWN_INTERVAL = 5.0  # at least between two starts, so that a backend that dies at once does not pin the processor
SPAWN_LIMIT = 4  # starts without a Welcome in between
MISSED_PINGS = 5
IDLE_PING_SECONDS = 5.0
ABSENCE_SECONDS = 0.5  # between two ticks; what is longer is not the gateway's doing

State = Literal["off", "starting", "connecting", "ready", "reconnecting", "refused"]
Starts = Literal["never", "for jobs", "always"]  # whether a gateway that is not there is started


class Gateway:
    """Found, started where it may be, greeted, listened to; and found again. `state` and `text` say how it stands."""

    def __init__(self, client: str, software: str, on_lost: Callable[[], None]):
        """`on_lost` is called whenever the link is given up: what was asked over it has to be asked anew."""
        self.state: State = "off"
        self.text = "The backend is not running"
        self.changed = False  # something visible did
        self._client, self._software, self._on_lost = client, software, on_lost
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
        self.calls = 0  # messages that were sent, and so the number of the last one
        self._opened_at = self._hello_at = self._heard_at = self._pinged_at = self._searched_at = -1e9
        self._ticked_at = time.monotonic()
        self._unanswered_since = -1e9  # when the first ping since the last answer was due

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
            self.send(protocol.Bye())
            time.sleep(0.02)  # with LINGER 0 the goodbye needs a moment to leave
        self._reset()
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        self._home = self._command = self._remote = None
        self._say("off", "The backend is not running")

    def shut_down(self, force: bool) -> None:
        """Ask it to end. Where it obeys, no other is started until start() or allow_start()."""
        if self.send(protocol.Shutdown(force=force)):
            self._shutdown = self.calls

    @property
    def ending(self) -> bool:
        """It was asked to end, and has not refused."""
        return self._shutdown >= 0

    @property
    def local_logs(self) -> Path | None:
        """Its home, where it is this user's own on this machine."""
        return self._home if self._link and self._link.connection.endpoint.startswith("ipc://") else None

    @property
    def linked(self) -> bool:
        return self._link is not None

    # --- Messages

    def send(self, call: protocol.Call, payload: memoryview | None = None) -> bool:
        """False where it cannot leave now."""
        if self._link is None:
            return False
        self.calls += 1
        return self._link.send(msgspec.structs.replace(call, id=self.calls), payload)

    def receive(self) -> tuple[protocol.Answers, memoryview | None] | None:
        """The next message, or None. Raises protocol.BadMessage for one that makes no sense."""
        message = self._link.receive()
        if message is not None:
            self._heard_at = time.monotonic()
        return message

    def rest(self, seconds: float) -> None:
        """Sleep until something arrives, at most so long."""
        if self._link is not None:
            self._link.rest(seconds)
        else:
            time.sleep(seconds)

    def ask_soon(self) -> None:
        """Ping it with the next tick: there may be news of what it can do."""
        self._pinged_at = -1e9

    def hear_welcome(self) -> None:
        self._failed_starts, self._shutdown = 0, -1
        self._pinged_at = time.monotonic()
        self._say("ready", "Connected")

    def hear_refusal(self, answer: protocol.Refused) -> bool:
        """True where it is about the connection itself and not about what was asked."""
        if answer.re == self._shutdown:
            self._shutdown = -1
            self._say("ready", answer.failure.text)
        elif answer.failure.code == "bad_version":
            self._say("refused", answer.failure.text)
            self.give_up_link()
        elif answer.failure.code == "not_greeted":
            self._say("connecting", "Connecting to the backend")
            self._opened_at, self._hello_at = time.monotonic(), -1e9
            self._on_lost()
        else:
            return False
        return True

    # --- Time passes

    def tick(self, active: bool, wanted: bool) -> None:
        """Look after the connection. `active`: something is awaited from it, so it is asked often whether it lives;
        `wanted`: jobs of this client are under way, so it may be started for them.
        """
        self._forgive_absence()
        if self._home is not None or self._remote is not None:
            self._look_after_connection(active, wanted)

    def _forgive_absence(self) -> None:
        """Time in which nobody called tick() does not count against the gateway: Blender may have been busy."""
        now = time.monotonic()
        absent = max(0.0, now - self._ticked_at - ABSENCE_SECONDS)
        self._ticked_at = now
        self._opened_at += absent
        if self._heard_at < self._unanswered_since:
            self._unanswered_since += absent

    def _look_after_connection(self, active: bool, wanted: bool) -> None:
        now = time.monotonic()
        if self._link is None:
            if self.state != "refused" and now - self._searched_at > 0.1:
                self._searched_at = now
                self._search(wanted)
        elif self.state == "ready":
            self._look_after_pulse(now, active)
        elif now - self._opened_at > ANSWER_SECONDS:
            self._unanswered = True
            self.give_up_link()
        elif now - self._hello_at > 0.25 and self.send(
            protocol.Hello(client=self._client, software=self._software[:200])
        ):
            self._hello_at = now

    def _look_after_pulse(self, now: float, active: bool) -> None:
        every = protocol.PING_SECONDS if active else IDLE_PING_SECONDS
        if now - self._pinged_at > every:
            if self._heard_at >= self._unanswered_since:
                self._unanswered_since = now
            if self.send(protocol.Ping()):
                self._pinged_at = now
        silent = self._heard_at < self._unanswered_since < now - MISSED_PINGS * protocol.PING_SECONDS
        if silent or not self._lives(self._link.connection):
            self._say("reconnecting", "The backend does not answer; trying to reach it again")
            self.give_up_link()

    def give_up_link(self) -> None:
        """Close the socket and look again: the gateway may listen elsewhere, or be gone."""
        self._reset()
        self._hello_at = -1e9

    def _lives(self, connection: protocol.Connection) -> bool:
        """As far as its process number tells; a gateway on another machine is believed to."""
        if self._process is not None:
            self._process.poll()  # a child that has ended keeps its number until it is asked
        return connection is self._remote or launch.alive(connection.pid)

    def _search(self, wanted: bool) -> None:
        """One look for a gateway: open a link, start a process, or wait for the one that was started."""
        try:
            connection = self._remote or protocol.read_connection(self._home)
        except OSError as error:
            what = f"The home folder {self._home} cannot be read ({error.strerror or error})"
            self._say("refused", f"{what}: choose another one in the Preferences")
            return
        if connection is not None and self._lives(connection):
            if self._unanswered and self._remote is None:
                self._spawn(wanted)  # its number may be another process's now; the lock decides who serves
            self._unanswered = False
            self._open(connection)
        elif self._process is None or self._process.poll() is not None or self._overdue():
            self._spawn(wanted)

    def _may_start(self, wanted: bool) -> bool:
        return self._command is not None and (self._starts == "always" or (self._starts == "for jobs" and wanted))

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

    def _spawn(self, wanted: bool) -> None:
        """Start a backend, at a measured pace. One that finds another at work ends with 0, which is no failure."""
        now = time.monotonic()
        if self._shutdown >= 0:  # it was asked to end, and has
            self._starts, self._shutdown = "never", -1
        if not self._may_start(wanted):
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
            remedy = "check its Python in the Preferences"
            if error.filename != self._command.argv[0]:
                remedy = f"choose another Home Folder than {self._home} in the Preferences"
            self._say("refused", f"The backend cannot be started ({reason}): {remedy}")
            return
        self._spawned_at = now
        if self.state != "reconnecting":
            self._say("starting", "Starting the backend")

    def _reset(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._on_lost()

    def _say(self, state: State, text: str) -> None:
        if (state, text) != (self.state, self.text):
            self.state, self.text, self.changed = state, text, True
