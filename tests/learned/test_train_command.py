"""What the command that trains says where a machine ends it: a full disk, a file that is locked, a small GPU."""

import errno
import importlib
import signal
import time

import pytest
import torch

from backend.commands import bar, train
from backend.report import Cancelled
from backend.training import checkpoint, disk
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


@pytest.mark.parametrize(
    ("minutes", "pressed", "code", "said"),
    [
        ("1", None, 0, "The 1 minute is over: go on with --resume"),
        ("2.5", None, 0, "The 2.5 minutes are over: go on with --resume"),
        ("1", signal.SIGINT, 130, "Stopped: go on with --resume"),
        ("1", signal.SIGTERM, 130, "Stopped: go on with --resume"),
    ],
)
def test_stopping_as_asked_is_no_failure_and_ctrl_c_is(capsys, tmp_path, monkeypatch, minutes, pressed, code, said):
    def endless(arguments, how, report):
        if pressed is None:
            now = time.monotonic()
            monkeypatch.setattr(train.time, "monotonic", lambda: now + 60 * float(minutes))
        else:
            signal.raise_signal(pressed)
        report(0.5, "Step 5 of 10")

    monkeypatch.setattr(train, "multiview", endless)
    assert train.main(["multiview", "--preset", "seedling", "--out", str(tmp_path), "--minutes", minutes]) == code
    monkeypatch.undo()
    told = capsys.readouterr()
    assert (told.out, said in told.err.replace("\n", " ")) == ("", True)


@pytest.mark.parametrize("what", ["dynamics", "multiview"])
def test_what_is_stopped_while_its_pictures_are_made_is_found_again(capsys, tmp_path, monkeypatch, what):
    def stopped(*_):
        raise Cancelled("Stopped")

    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(disk, "make_room", lambda *_: None)
    monkeypatch.setattr(importlib.import_module(f"backend.training.{what}.corpus"), "make", stopped)
    assert train.main([what, "--preset", "seedling", "--out", str(tmp_path / "out" / "mine")]) == 130
    (kept,) = (tmp_path / "home" / "cache" / what).iterdir()
    said = capsys.readouterr().err.replace("\n", " ")
    assert f"kept in {kept} for later trainings: delete that folder" in said and "go on with --resume" in said
    assert (tmp_path / "out" / "mine").is_dir()


def test_out_is_a_folder(capsys, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert train.main(["multiview", "--preset", "seedling", "--out", str(tmp_path / "out")]) == 2
    assert "out is a file: --out takes a folder" in capsys.readouterr().err


def test_in_a_file_a_training_says_now_and_then_at_which_step_it_is(capsys, tmp_path, monkeypatch):
    def training(arguments, how, report):
        for step in range(3):
            report(step / 4, f"Learning: views, step {step + 1} of 4")
        return {}

    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(train, "multiview", training)
    asked = ["multiview", "--preset", "seedling", "--out", str(tmp_path)]
    assert train.main(asked) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(bar, "QUIET", 0.0)
    assert train.main(asked) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"anthesis: {25 * step} % done: Learning: views, step {step + 1} of 4" for step in range(3)
    ]


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
