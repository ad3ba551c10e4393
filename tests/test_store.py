"""The store: what was entered is there after any death, in order, whole; what was not is cut away."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import xxhash

from backend import protocol
from backend.service import disk, pipes, recordlog, security
from backend.service.blobs import Blobs, Mismatch
from backend.service.recordlog import RecordLog
from backend.service.store import Damaged, Job, Store

ROOT = Path(__file__).parents[1]


def new_job(store: Store, prompt: str = "a rose", client: str = "c" * 32, blob: str | None = None) -> Job:
    id_ = uuid.uuid4().hex
    call = protocol.Submit(job=id_, request=protocol.Generate(prompt=prompt), title=prompt, blob=blob)
    return store.add(id_, call, client)


def payload(seq: int) -> bytes:
    return bytes([seq % 251]) * (1000 + 37 * seq)


def write(store: Store, job: Job, count: int, log: RecordLog | None = None) -> None:
    """Append `count` records as a worker would, and make them pending."""
    mine = log or RecordLog(store.log(job), job.size)
    for seq in range(job.records + len(job.pending), job.records + len(job.pending) + count):
        data = payload(seq)
        digest = recordlog.digest_of(data)
        offset = mine.append(seq, data, digest)
        job.pending.append(pipes.Stored(job.id, seq, offset, len(data), digest, preview=seq % 2 == 1))
    if log is None:
        mine.close()


def read(store: Store, job: Job) -> list[bytes]:
    """Every entered record, verified."""
    log, records = store.log(job).read_bytes(), []
    for seq in range(job.records):
        entry = store.entry(job, seq)
        data = log[entry.offset : entry.offset + entry.length]
        assert recordlog.digest_of(data) == entry.digest
        assert entry.seq == seq
        records.append(data)
    return records


def test_jobs_and_records_are_there_when_the_store_is_opened_again(tmp_path):
    store = Store(tmp_path)
    first, second = new_job(store, "a rose"), new_job(store, "a tulip", blob="b" * 32)
    write(store, first, 5)
    assert store.entry(first, 0) is None, "a record was readable before it was entered"
    assert store.commit() == [first]
    failure = protocol.Failure("internal", "It broke", "detail")
    assert store.move(second, "failed", since=("queued",), failure=failure, attempt=3)
    store.close()

    again = Store(tmp_path)
    assert list(again.jobs) == [first.id, second.id]
    found = again.jobs[second.id]
    assert (found.state, found.failure, found.attempt, found.blob) == ("failed", failure, 3, "b" * 32)
    assert found.request == protocol.Generate(prompt="a tulip")
    assert read(again, again.jobs[first.id]) == [payload(seq) for seq in range(5)]
    assert [again.entry(again.jobs[first.id], seq).preview for seq in range(5)] == [False, True, False, True, False]
    again.close()


def test_a_state_moves_only_from_where_it_is(tmp_path):
    store = Store(tmp_path)
    job = new_job(store)
    assert store.move(job, "running", since=("queued",), attempt=1)
    assert store.move(job, "cancelling", since=("running",))
    assert not store.move(job, "done", since=("running",))
    assert job.state == "cancelling"
    assert store.move(job, "cancelled", since=("running", "cancelling"))
    assert not store.move(job, "done", since=("running", "cancelling"))
    assert job.state == "cancelled"
    store.close()


def test_records_are_entered_with_the_state_that_they_lead_to(tmp_path):
    store = Store(tmp_path)
    job = new_job(store)
    store.move(job, "running", since=("queued",))
    write(store, job, 3)
    store.move(job, "done", since=("running",))
    assert (job.records, len(job.pending)) == (3, 0)
    assert len(read(store, job)) == 3
    store.close()


def test_a_log_is_cut_to_its_last_entered_record(tmp_path):
    store = Store(tmp_path)
    job = new_job(store)
    store.move(job, "running", since=("queued",), attempt=1)
    write(store, job, 4)
    store.commit()
    write(store, job, 2)  # never entered, as after a kill
    with store.log(job).open("ab") as log:
        log.write(b"half a rec")
    store.close()

    again = Store(tmp_path)
    job = again.jobs[job.id]
    assert (job.state, job.records) == ("queued", 4)
    assert again.log(job).stat().st_size == job.size
    write(again, job, 3)
    again.commit()
    assert read(again, job) == [payload(seq) for seq in range(7)]
    again.close()


def test_a_log_that_lost_records_fails_its_job_with_words(tmp_path):
    store = Store(tmp_path)
    lost, fine = new_job(store), new_job(store)
    for job in (lost, fine):
        write(store, job, 2)
    store.commit()
    store.close()
    os.truncate(store.log(lost), 100)
    again = Store(tmp_path)
    assert again.jobs[lost.id].state == "failed"
    assert again.jobs[lost.id].failure.code == "store_corrupt"
    assert again.jobs[fine.id].state == "queued"
    again.close()


def test_a_removed_job_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    job, other = new_job(store), new_job(store)
    write(store, job, 3)
    write(store, other, 1)
    store.commit()
    store.remove(job)
    assert store.size == other.size
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [other.id]
    with sqlite3.connect(tmp_path / "store.sqlite3") as table:
        assert table.execute("SELECT COUNT(*) FROM records").fetchone() == (1,)
    table.close()
    (tmp_path / "jobs" / ("e" * 32)).mkdir()  # whose removal was interrupted
    store.close()
    Store(tmp_path).close()
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [other.id]


def test_a_store_that_cannot_be_read_says_what_to_do(tmp_path):
    (tmp_path / "store.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(Damaged, match="move it away"):
        Store(tmp_path)


def test_a_record_that_found_no_space_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "job").mkdir()
    path = tmp_path / "job" / "records.log"
    log = RecordLog(path, 0)
    first = log.append(0, b"first", 1)
    whole = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", full)
        with pytest.raises(OSError, match="No space"):
            log.append(1, b"second", 2)
    assert path.read_bytes() == whole
    assert log.append(1, b"again", 3) == first + len(b"first") + recordlog.HEAD.size
    log.close()
    size = path.stat().st_size
    with path.open("ab") as torn:
        torn.write(b"half a rec")
    RecordLog(path, size).close()
    assert path.stat().st_size == size


def test_a_log_whose_folder_found_no_space_can_be_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(recordlog, "LOCK_SECONDS", 0.1)
    (tmp_path / "job").mkdir()
    path, synced = tmp_path / "job" / "records.log", []

    def full_at_first(folder):
        synced.append(folder)
        if len(synced) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "sync_folder", full_at_first)
    with pytest.raises(OSError, match="No space"):
        RecordLog(path, 0)
    log = RecordLog(path, 0)  # the first one has let go of it
    assert synced[1:] == [path.parent, tmp_path], "its name is not on the device"
    log.append(0, b"record", 1)
    log.close()
    assert not [file for file in psutil.Process().open_files() if file.path == str(path)]


def test_a_store_of_another_version_is_left_alone(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "store.sqlite3") as table:
        table.execute("PRAGMA user_version = 7")
    table.close()
    with pytest.raises(Damaged, match=r"is of version 7 .* update the backend"):
        Store(tmp_path)


def test_two_workers_do_not_write_to_one_log(tmp_path, monkeypatch):
    monkeypatch.setattr(recordlog, "LOCK_SECONDS", 0.1)
    (tmp_path / "job").mkdir()
    path = tmp_path / "job" / "records.log"
    log = RecordLog(path, 0)
    with pytest.raises(OSError, match="held by another"):
        RecordLog(path, 0)
    log.close()
    RecordLog(path, 0).close()


WRITER = """
import sys
from pathlib import Path
from backend.service.recordlog import RecordLog
from backend.service.store import Store
from tests.test_store import new_job, write
store = Store(Path(sys.argv[1]))
job = next(iter(store.jobs.values()), None) or new_job(store)
store.move(job, "running", since=("queued",), attempt=job.attempt + 1)
log = RecordLog(store.log(job), job.size)
while True:
    write(store, job, 1, log)
    store.commit()
    print(job.records, flush=True)
"""


def test_no_acknowledged_record_is_lost_when_the_process_is_killed(tmp_path):
    """Killed between any two instructions, twelve times, and every time taken up where it was."""
    acknowledged = 0
    for round_ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3 + 5 * round_ % 7):
            line = writer.stdout.readline()
            assert line, "the writer died by itself"
            acknowledged = int(line)
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged = int(rest.split()[-1]) if rest.split() and rest.endswith("\n") else acknowledged
        store = Store(tmp_path)
        (job,) = store.jobs.values()
        assert job.records >= acknowledged
        assert read(store, job) == [payload(seq) for seq in range(job.records)]
        assert (job.state, job.attempt) == ("queued", round_ + 1)
        store.close()


def chunks(data: bytes, start: int = 0):
    for offset in range(start, len(data), protocol.CHUNK_BYTES):
        yield offset, data[offset : offset + protocol.CHUNK_BYTES]


def test_a_blob_is_there_once_it_is_whole_and_verified(tmp_path):
    data = os.urandom(700_000)
    name = xxhash.xxh3_128_hexdigest(data)
    blobs = Blobs(tmp_path, ())
    answers = [blobs.put(name, len(data), offset, part) for offset, part in chunks(data)]
    assert answers == [(262144, False), (524288, False), (700000, True)]
    assert blobs.path(name).read_bytes() == data
    assert blobs.put(name, len(data), 0, data[:10]) == (700000, True)
    assert blobs.size == 700000
    blobs.remove(name)
    assert blobs.path(name) is None
    assert not list((tmp_path / "blobs").iterdir())


def test_a_blob_that_cannot_be_deleted_is_told_to_the_log(tmp_path, caplog):
    blobs = Blobs(tmp_path, ())
    for data in (b"deleted by somebody", b"in the way"):
        name = xxhash.xxh3_128_hexdigest(data)
        blobs.put(name, len(data), 0, data)
        blobs.path(name).unlink()
        if data == b"in the way":
            (tmp_path / "blobs" / name).mkdir()
        blobs.remove(name)
        assert blobs.path(name) is None
    assert caplog.text.count("cannot be deleted") == 1
    assert blobs.size == 0


def test_half_a_blob_is_gone_on_with_after_a_restart(tmp_path):
    data = os.urandom(1_000_000)
    name = xxhash.xxh3_128_hexdigest(data)
    blobs = Blobs(tmp_path, ())
    for offset, part in list(chunks(data))[:2]:
        blobs.put(name, len(data), offset, part)
    assert blobs.put(name, len(data), 0, data[:100]) == (524288, False), "a repeated chunk changes nothing"
    assert blobs.put(name, len(data), 600_000, data[:100]) == (524288, False), "a gap is not filled with nothing"
    blobs.close()
    again = Blobs(tmp_path, ())
    assert again.path(name) is None
    assert again.put(name, len(data), 0, data[: protocol.CHUNK_BYTES]) == (524288, False)
    *_, last = (again.put(name, len(data), offset, part) for offset, part in chunks(data, 524288))
    assert last == (1_000_000, True)
    assert again.path(name).read_bytes() == data


def test_a_blob_that_is_not_what_its_name_says_is_thrown_away(tmp_path):
    data = os.urandom(300_000)
    name = xxhash.xxh3_128_hexdigest(data)
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    blobs = Blobs(tmp_path, ())
    parts = list(chunks(wrong))
    blobs.put(name, len(wrong), *parts[0])
    with pytest.raises(Mismatch):
        blobs.put(name, len(wrong), *parts[1])
    assert blobs.path(name) is None
    assert [blobs.put(name, len(data), *part) for part in chunks(data)][-1] == (300_000, True)


def test_a_blob_that_was_begun_with_another_size_does_not_block_the_right_one(tmp_path):
    data = os.urandom(1000)
    name = xxhash.xxh3_128_hexdigest(data)
    blobs = Blobs(tmp_path, ())
    assert blobs.put(name, 5000, 0, data) == (1000, False)
    with pytest.raises(Mismatch):
        blobs.put(name, 1000, 0, data)
    assert blobs.put(name, 1000, 0, data) == (1000, True)


def test_many_uploads_at_once_keep_few_files_open(tmp_path):
    blobs = Blobs(tmp_path, ())
    blocks = [os.urandom(300_000) for _ in range(40)]
    for data in blocks:
        blobs.put(xxhash.xxh3_128_hexdigest(data), len(data), *next(chunks(data)))
    assert sum(str(tmp_path) in file.path for file in psutil.Process().open_files()) <= 16
    for data in blocks:
        (_, second) = chunks(data)
        assert blobs.put(xxhash.xxh3_128_hexdigest(data), len(data), *second) == (300_000, True)


def test_what_no_job_came_for_is_swept_after_a_day(tmp_path):
    blobs = Blobs(tmp_path, ())
    names = {}
    for label in ("used", "old", "young"):
        data = label.encode() * 100
        names[label] = xxhash.xxh3_128_hexdigest(data)
        blobs.put(names[label], len(data), 0, data)
        if label != "young":
            os.utime(blobs.path(names[label]), (1e9, 1e9))
    again = Blobs(tmp_path, {names["used"]})
    assert {label for label, name in names.items() if again.path(name)} == {"used", "young"}


def test_a_network_drive_is_refused_with_the_reason(tmp_path, monkeypatch):
    Partition = namedtuple("Partition", "mountpoint fstype opts")
    mounts = [Partition("/", "ext4", "rw"), Partition(str(tmp_path / "share"), "nfs4", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    disk.prepare_home(tmp_path / "local")
    with pytest.raises(disk.UnfitHome, match=r"network drive \(nfs4\).*--home"):
        disk.prepare_home(tmp_path / "share" / "anthesis")


def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(disk.UnfitHome, match="--home"):
        disk.prepare_home(tmp_path / "file" / "home")


def test_one_holder_of_a_home(tmp_path):
    held = security.HomeLock(tmp_path)
    assert held.take()
    take = "import sys; from pathlib import Path; from backend.service.security import HomeLock; "
    take += f"sys.exit(HomeLock(Path({str(tmp_path)!r})).take())"
    assert subprocess.run([sys.executable, "-c", take], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("length", [10, 150])
def test_a_socket_lies_in_a_private_folder_and_its_path_is_short_enough(tmp_path, monkeypatch, length):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    home = tmp_path / ("h" * length)
    home.mkdir()
    path = Path(security.endpoint_for(home).removeprefix("ipc://"))
    assert len(os.fsencode(path)) <= security.IPC_BYTES
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (home in path.parents) == (length == 10)


def test_a_folder_that_somebody_else_made_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    home = tmp_path / ("h" * 150)
    home.mkdir()
    folder = Path(security.endpoint_for(home).removeprefix("ipc://")).parent
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(security.Closed, match="somebody else"):
        security.endpoint_for(home)


def test_a_small_file_is_private_and_replaced_whole(tmp_path):
    path = tmp_path / "connection.json"
    disk.replace(path, b"old")
    disk.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
