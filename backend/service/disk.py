"""What the service asks of the file system, and where systems differ: syncing, locking, replacing, refusing."""

import errno
import os
import tempfile
from pathlib import Path

import psutil

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
    import msvcrt

REMOTE = ("nfs", "cifs", "smb", "afp", "9p", "afs", "ceph", "glusterfs", "lustre", "webdav", "davfs", "fuse.sshfs")
FULL = (errno.ENOSPC, errno.EDQUOT)  # errors that free space cures


class UnfitHome(Exception):
    """The home folder cannot hold the store. The message says why and what to do."""


def sync(file: int) -> None:
    """The bytes of an open file are on the device when this returns."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync stops at the drive's cache
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:
        os.fsync(file)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the device. Windows has no such call and journals them itself."""
    if os.name == "posix":
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def lock(file: int) -> bool:
    """Take the lock that the system gives back when this process ends, however it ends. False: another has it."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            # far beyond what is written: a byte locked on Windows cannot be read by others
            os.lseek(file, 1 << 40, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            raise
        return False
    return True


def replace(path: Path, data: bytes) -> None:
    """Write a small file, readable by its user alone, so that a reader sees the old one or the new one, whole."""
    file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
    with os.fdopen(file, "wb") as writing:
        writing.write(data)
        writing.flush()
        sync(writing.fileno())
    os.replace(name, path)
    sync_folder(path.parent)


def prepare_home(home: Path) -> Path:
    """The home folder, made and resolved. Raises UnfitHome for one that is remote or cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = home.resolve()
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnfitHome(f"Anthesis cannot write to {home} ({reason}): choose another folder with --home") from None
    kind = _file_system(home)
    if kind.startswith(REMOTE):
        raise UnfitHome(
            f"{home} is on a network drive ({kind}), where a job store gets damaged: choose a local folder with --home"
        )
    return home


def _file_system(folder: Path) -> str:
    holding = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    if not holding:
        return ""
    mounted = max(holding, key=lambda part: len(part.mountpoint))
    return "smb" if "remote" in mounted.opts.split(",") else mounted.fstype
