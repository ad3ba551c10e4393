"""Who may come in: the socket's folder or its keys, the lock of the home folder, and the connection file.

Where the system has it, the door is an ipc socket in a folder of mode 0700. Elsewhere, and for other machines, it
is TCP with CURVE and a ZAP handler that knows one client key: a bare ZeroMQ port takes bytes from any web page.
"""

import hashlib
import hmac
import logging
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from backend import protocol
from backend.service import disk

IPC_BYTES = 103  # of a socket's path: the shortest limit there is (macOS)
ZAP_DOMAIN = b"anthesis"
REFUSALS_LOGGED = 60.0  # seconds between two log lines about keys that are not known
_log = logging.getLogger(__name__)


class Closed(Exception):
    """There is no safe way to listen. The message says why and what to do."""


@dataclass(frozen=True)
class Keys:
    """Z85, CURVE25519. The client's pair is one for all clients of a user, who hand it on themselves."""

    server_public: str
    server_secret: str
    client_public: str
    client_secret: str


def fresh_keys() -> Keys:
    pairs = (*zmq.curve_keypair(), *zmq.curve_keypair())
    return Keys(*(key.decode() for key in pairs))


def kept_keys(home: Path) -> Keys:
    """The keys for other machines: made once, for somebody typed them into an add-on there."""
    folder = home / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "curve.json"
    if not path.exists():
        disk.replace(path, msgspec.json.encode(fresh_keys()))
    return msgspec.json.decode(path.read_bytes(), type=Keys)


def keys_for(endpoint: str, home: Path) -> Keys | None:
    """None on ipc, which needs none; fresh ones on loopback, where clients read them from the connection file."""
    if endpoint.startswith("ipc://"):
        return None
    if not endpoint.startswith("tcp://"):
        raise Closed(f"{endpoint} is no endpoint: use tcp://ADDRESS:PORT, for example tcp://0.0.0.0:7777")
    address = endpoint.removeprefix("tcp://").rsplit(":", 1)[0]
    return fresh_keys() if address in ("127.0.0.1", "localhost", "[::1]") else kept_keys(home)


def endpoint_for(home: Path) -> str:
    """Where to listen when nobody says so."""
    if os.name != "posix" or not zmq.has("ipc"):
        return "tcp://127.0.0.1:*"
    folder = home / "run"
    name = "s"
    if len(os.fsencode(folder / name)) > IPC_BYTES:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"anthesis-{os.getuid()}-{digest}"
        if len(os.fsencode(folder / name)) > IPC_BYTES:
            return "tcp://127.0.0.1:*"
    _make_private(folder)
    return f"ipc://{folder / name}"


def _make_private(folder: Path) -> None:
    """Raises Closed where others could have put the folder there: a temporary folder is everybody's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        raise Closed(f"{folder} belongs to somebody else: remove it, or choose another folder with --home")
    folder.chmod(0o700)


def guard(context: zmq.Context, keys: Keys):
    """Start the ZAP handler that lets one client key in. Returns what has to be stopped."""
    from zmq.auth.thread import ThreadAuthenticator  # it brings asyncio along, which ipc need not wait for

    authenticator = ThreadAuthenticator(context, log=_quiet())
    authenticator.start()
    # The domain of a callback must be the socket's own ZAP domain: '*' with a named domain lets nobody in.
    authenticator.configure_curve_callback(domain=ZAP_DOMAIN.decode(), credentials_provider=_OneKey(keys))
    return authenticator


class _OneKey:
    def __init__(self, keys: Keys):
        self._known = keys.client_public.encode()
        self._logged_at = -1e9
        self._refused = 0

    def callback(self, domain: str, key: bytes) -> bool:
        if hmac.compare_digest(key, self._known):
            return True
        self._refused += 1
        if time.monotonic() - self._logged_at > REFUSALS_LOGGED:
            self._logged_at = time.monotonic()
            _log.warning("A client with an unknown key was refused; %d so far", self._refused)
        return False


def _quiet() -> logging.Logger:
    logger = logging.getLogger("zmq.auth")
    logger.setLevel(logging.CRITICAL)  # it writes a line for each refusal, as often as somebody cares to knock
    return logger


class HomeLock:
    """One gateway a home. The system gives the lock back when the process ends, however it ends."""

    def __init__(self, home: Path):
        self._file = os.open(home / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        return disk.lock(self._file)


def write_connection(home: Path, boot: str, endpoint: str, keys: Keys | None) -> None:
    """Tell clients of this user where to knock. Only after the socket is bound."""
    local = endpoint.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
    connection = protocol.Connection(
        protocol.PROTOCOL,
        boot,
        os.getpid(),
        local,
        *((keys.server_public, keys.client_public, keys.client_secret) if keys else ()),
    )
    disk.replace(home / protocol.CONNECTION_FILE, msgspec.json.encode(connection))


def withdraw_connection(home: Path, boot: str) -> None:
    connection = protocol.read_connection(home)
    if connection is not None and connection.boot == boot:
        (home / protocol.CONNECTION_FILE).unlink()


def words_for_owner(home: Path, endpoint: str) -> str:
    """What the user of another machine has to type into the add-on there."""
    keys = kept_keys(home)
    return (
        f"Backend key:   {keys.server_public}\n"
        f"Client key:    {keys.client_public}\n"
        f"Client secret: {keys.client_secret}\n"
        f"Whoever has these can use the backend at {endpoint}. Delete {home / 'keys'} to make new ones."
    )
