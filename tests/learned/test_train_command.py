"""What the command that trains says where a machine ends it: a full disk, a file that is locked, a small GPU."""

import errno

import pytest
import torch

from backend.commands import train
from backend.report import Cancelled
from backend.training import checkpoint
from backend.training.disk import DiskFull


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DiskFull("2.0 GB are needed"), "Stopped: 2.0 GB are needed. Make room and go on with --resume"),
        (
            OSError(errno.ENOSPC, "No space left on device", "there/x"),
            "Stopped: No space left on device. Make room and go on with --resume",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "there/x"),
            "Stopped: Permission denied (there/x). See that this file can be read and written and go on with --resume",
        ),
        (
            OSError("It is gone"),
            "Stopped: It is gone. See that this file can be read and written and go on with --resume",
        ),
        (
            MemoryError("There is too little memory to read checkpoint.pt"),
            "There is too little memory to read checkpoint.pt. What was kept lies in {out}: close other programs",
        ),
        (
            torch.OutOfMemoryError("short"),
            "The GPU has too little memory. What was kept lies in {out}: close what else",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_ends_a_training_is_said_with_what_helps(capsys, tmp_path, monkeypatch, error, said):
    def broken(*_):
        raise error

    monkeypatch.setattr(train, "multiview", broken)
    code = train.main(["multiview", "--preset", "seedling", "--out", str(tmp_path)])
    assert code == train.FAILED
    assert said.format(out=tmp_path) in capsys.readouterr().err.replace("\n", " ")


def test_what_was_kept_and_is_damaged_is_named_and_stays(capsys, tmp_path, monkeypatch):
    (tmp_path / checkpoint.FILE).write_bytes(b"half of it")
    monkeypatch.setattr(train, "multiview", lambda *_: checkpoint.Checkpoint.read(tmp_path))
    code = train.main(["multiview", "--preset", "seedling", "--out", str(tmp_path), "--resume"])
    told = capsys.readouterr().err.replace("\n", " ")
    assert code == 2
    assert f"{tmp_path} cannot be gone on with: checkpoint.pt is damaged (" in told and "Name another folder" in told
    assert (tmp_path / checkpoint.FILE).read_bytes() == b"half of it"


@pytest.mark.parametrize("under_way", [False, True])
def test_a_full_disk_is_an_error_of_the_disk_whatever_torch_makes_of_it(tmp_path, monkeypatch, under_way):
    def save(_, file):
        file.write(b"half of it")
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc] . unexpected pos 704 vs 598")

    monkeypatch.setattr(torch, "save", save)
    state = checkpoint.Checkpoint({}, "", "views", 1, {}, {}, [], 0)

    def write():
        try:
            if under_way:
                raise Cancelled
        finally:
            state.write(tmp_path)

    with pytest.raises(OSError, match="No space left on device") as found:
        write()
    assert found.value.errno == errno.ENOSPC and not [*tmp_path.iterdir()]
    chain, one = [], found.value
    while one is not None:
        chain.append(type(one))
        one = one.__context__
    assert (Cancelled in chain) == under_way
