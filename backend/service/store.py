"""The truth: jobs and their records, in SQLite and in one log a job. The gateway is its only writer.

A record is entered after its bytes are on the device, and announced after it is entered. So what a client was told
is there, whatever is killed, and when. A job's state moves by compare-and-set: of a cancel and a finish that meet,
one wins.
"""

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from backend import protocol
from backend.service import disk, pipes, recordlog

GROUP_SECONDS = 0.05  # records that come faster than this are entered together: a commit costs some milliseconds
RESERVE_BYTES = 1024 * 1024  # of the table's files, so that commits find room when the disk is full
CHECKPOINT_PAGES = 100  # of 4 KiB; well within the reserve
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, client TEXT NOT NULL, title TEXT NOT NULL,
    request BLOB NOT NULL, blob TEXT, created REAL NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, failure BLOB
);
CREATE TABLE records (
    job INTEGER NOT NULL, seq INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    digest INTEGER NOT NULL, preview INTEGER NOT NULL, PRIMARY KEY (job, seq)
) WITHOUT ROWID;
"""
_log = logging.getLogger(__name__)
_requests = msgspec.msgpack.Decoder(protocol.Request)
_failures = msgspec.msgpack.Decoder(protocol.Failure)


class DiskFull(Exception):
    """Nothing was changed, and the same can be tried again once there is space."""


class Damaged(Exception):
    """The table cannot be read. The message says what to do."""


@dataclass(eq=False)
class Job:
    """A row of the table, and what is known of the job only while it runs."""

    number: int
    id: str
    client: str
    title: str
    request: protocol.Request
    blob: str | None
    created: float
    state: protocol.State
    attempt: int = 0
    crashes: int = 0  # attempts that took the worker with them
    failure: protocol.Failure | None = None
    records: int = 0  # entered, and so readable
    size: int = 0  # bytes of the log up to the last entered record
    done: float = 0.0
    text: str = ""
    pending: list[pipes.Stored] = field(default_factory=list)  # on the device, not yet entered

    @property
    def final(self) -> bool:
        return self.state in protocol.FINAL


@dataclass(frozen=True)
class Entry:
    """Where a record's payload lies in its job's log."""

    seq: int
    offset: int
    length: int
    digest: int
    preview: bool


class Store:
    def __init__(self, home: Path):
        """Open or make the store of `home`. Raises Damaged and DiskFull."""
        self._home = home
        self._folder = home / "jobs"
        self._folder.mkdir(exist_ok=True)
        self._committed_at = -1e9
        path = home / "store.sqlite3"
        try:
            self._table = self._open(path)
            self.jobs = {job.id: job for job in self._load()}
        except sqlite3.DatabaseError as error:
            if _is_full(error):
                raise DiskFull from error
            raise Damaged(
                f"The job store {path} cannot be read ({error}): move it away, and Anthesis starts a new one"
            ) from error
        self._mend()
        self._reserve()

    def log(self, job: Job) -> Path:
        return protocol.records_path(self._home, job.id)

    @property
    def size(self) -> int:
        """Bytes of all records."""
        return sum(job.size for job in self.jobs.values())

    def add(self, job: str, call: protocol.Submit, client: str) -> Job:
        """A new job, queued, on the device. Raises DiskFull."""
        created = time.time()
        row = (job, client, call.title, protocol_bytes(call.request), call.blob, created, "queued")
        self._make_folder(job)
        with self._transaction() as table:
            number = table.execute(
                "INSERT INTO jobs (id, client, title, request, blob, created, state) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            ).lastrowid
        self.jobs[job] = Job(number, job, client, call.title, call.request, call.blob, created, "queued")
        return self.jobs[job]

    def move(self, job: Job, to: protocol.State, *, since: tuple[protocol.State, ...], **fields) -> bool:
        """Change the state, and `attempt`, `crashes` or `failure` with it, if it is one of `since`.

        What is pending of the job is entered in the same transaction. Raises DiskFull.
        """
        values = {"state": to} | fields
        row = {name: protocol_bytes(value) if name == "failure" and value else value for name, value in values.items()}
        columns = ", ".join(f"{name} = :{name}" for name in row)
        allowed = ", ".join(f"'{state}'" for state in since)
        with self._transaction() as table:
            self._enter(table, [job])
            changed = table.execute(
                f"UPDATE jobs SET {columns} WHERE number = :number AND state IN ({allowed})",
                row | {"number": job.number},
            ).rowcount
        self._entered([job])
        if changed:
            for name, value in values.items():
                setattr(job, name, value)
        return bool(changed)

    def commit(self) -> list[Job]:
        """Enter what is pending; the jobs that have new records. Raises DiskFull."""
        jobs = [job for job in self.jobs.values() if job.pending]
        if jobs:
            with self._transaction() as table:
                self._enter(table, jobs)
            self._entered(jobs)
        return jobs

    def commit_due(self) -> float | None:
        """Seconds until pending records should be entered; None where there are none."""
        if not any(job.pending for job in self.jobs.values()):
            return None
        return max(0.0, self._committed_at + GROUP_SECONDS - time.monotonic())

    def entry(self, job: Job, seq: int) -> Entry | None:
        row = self._table.execute(
            "SELECT seq, offset, length, digest, preview FROM records WHERE job = ? AND seq = ?", (job.number, seq)
        ).fetchone()
        return None if row is None else Entry(*row[:4], bool(row[4]))

    def remove(self, job: Job) -> None:
        """Forget a job and delete its records. Raises DiskFull."""
        with self._transaction() as table:
            table.execute("DELETE FROM records WHERE job = ?", (job.number,))
            table.execute("DELETE FROM jobs WHERE number = ?", (job.number,))
        del self.jobs[job.id]
        shutil.rmtree(self._folder / job.id, ignore_errors=True)  # what stays is swept at the next start

    def close(self) -> None:
        self._table.close()

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        table = sqlite3.connect(path, isolation_level=None)
        table.execute("PRAGMA journal_mode = WAL")
        table.execute("PRAGMA synchronous = FULL")  # NORMAL may forget committed rows when the power fails
        table.execute("PRAGMA fullfsync = ON")  # macOS
        table.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        (version,) = table.execute("PRAGMA user_version").fetchone()
        if version == 0:
            table.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        elif version != _SCHEMA_VERSION:
            raise Damaged(
                f"The job store {path} is of version {version} and this software knows {_SCHEMA_VERSION}:"
                " update the backend, or move the store away"
            )
        os.chmod(path, 0o600)
        return table

    def _load(self) -> Iterator[Job]:
        ends = {
            job: (records, size)
            for job, records, size in self._table.execute(
                "SELECT job, COUNT(*), MAX(offset + length) FROM records GROUP BY job"
            )
        }
        columns = "number, id, client, title, request, blob, created, state, attempt, crashes, failure"
        rows = self._table.execute(f"SELECT {columns} FROM jobs ORDER BY number")
        rows.row_factory = sqlite3.Row
        for row in rows:
            job = Job(**row)
            try:
                job.request = _requests.decode(row["request"])
            except ValueError as error:
                _log.warning("Job %s was asked for in words of another version, and is passed over: %s", job.id, error)
                continue
            job.failure = _failures.decode(row["failure"]) if row["failure"] else None
            job.records, job.size = ends.get(job.number, (0, 0))
            job.done = float(job.state == "done")
            yield job

    def _mend(self) -> None:
        """After whatever happened: logs end at their last entered record, what ran is queued, the rest is swept."""
        for job in self.jobs.values():
            whole = recordlog.cut(self.log(job), job.size)
            if not whole and not job.final:
                failure = protocol.Failure(
                    "store_corrupt",
                    "Records of this job are missing on the disk: remove the job and run it again",
                    f"{self.log(job)} is shorter than {job.size} bytes",
                )
                self.move(job, "failed", since=(job.state,), failure=failure)
            elif job.state == "running":
                self.move(job, "queued", since=("running",))
            elif job.state == "cancelling":
                self.move(job, "cancelled", since=("cancelling",))
        known = {id_ for (id_,) in self._table.execute("SELECT id FROM jobs")}
        for folder in self._folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _make_folder(self, job: str) -> None:
        try:
            (self._folder / job).mkdir(exist_ok=True)
        except OSError as error:
            if error.errno in disk.FULL:
                raise DiskFull from error
            raise

    def _enter(self, table: sqlite3.Connection, jobs: list[Job]) -> None:
        table.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)",
            [
                (job.number, new.seq, new.offset, new.length, new.digest, new.preview)
                for job in jobs
                for new in job.pending
            ],
        )

    def _entered(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.pending:
                job.records = job.pending[-1].seq + 1
                job.size = job.pending[-1].offset + job.pending[-1].length
                job.pending.clear()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, on the device. Raises DiskFull."""
        try:
            self._table.execute("BEGIN IMMEDIATE")
            yield self._table
            self._table.execute("COMMIT")
        except BaseException as error:
            if self._table.in_transaction:
                self._table.execute("ROLLBACK")
            if _is_full(error):
                raise DiskFull from error
            raise
        self._committed_at = time.monotonic()

    def _reserve(self) -> None:
        """Leave free pages in the table, and a write-ahead log longer than it need be: both are written over later."""
        if shutil.disk_usage(self._home).free < 8 * RESERVE_BYTES:
            return
        with self._transaction() as table:
            table.execute("DROP TABLE IF EXISTS reserve")  # of a start that was interrupted
            table.execute(f"CREATE TABLE reserve AS SELECT zeroblob({RESERVE_BYTES})")
        with self._transaction() as table:
            table.execute("DROP TABLE reserve")
        self._table.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def protocol_bytes(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(value)


def _is_full(error: BaseException) -> bool:
    # a full disk shows as an I/O error where SQLite was growing its shared-memory file
    full = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in full
