"""Where one user's backend lies: its folder, its jobs' logs, and the file that says where the gateway listens."""

import os
from pathlib import Path

import msgspec
import platformdirs
from msgspec import Struct

from .words import Id, Line

CONNECTION_FILE = "connection.json"


def default_home() -> Path:
    """Where one user's backend keeps its jobs, logs and connection file, unless told otherwise."""
    return Path(os.environ.get("ANTHESIS_HOME") or platformdirs.user_data_path("anthesis", appauthor=False))


def records_path(home: Path, job: str) -> Path:
    """The log of a job's records: written by the worker, read by the gateway and by a client of the same user."""
    return home / "jobs" / job / "records.log"


class Connection(Struct, frozen=True):
    """Where a gateway listens: written by it, 0600, once it does; found by clients of the same user.

    Keys (Z85) are empty on ipc, where the folder's permissions guard the door.
    """

    protocol: int
    boot: Id
    pid: int
    endpoint: Line
    server_key: Line = ""
    client_public: Line = ""
    client_secret: Line = ""


def read_connection(home: Path) -> Connection | None:
    """What the connection file says, or None where there is none that can be read."""
    try:
        return msgspec.json.decode((home / CONNECTION_FILE).read_bytes(), type=Connection)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
