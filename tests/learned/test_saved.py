"""What was saved of a job: a damaged file, a disk that fails and short memory are three things."""

import errno

import pytest
import torch

from backend import saved


@pytest.fixture
def file(tmp_path):
    torch.save({"weights": torch.arange(200_000.0), "step": 3}, tmp_path / "state")
    return tmp_path / "state"


def test_it_is_what_was_saved(file):
    found = saved.read(file)
    assert found["step"] == 3 and torch.equal(found["weights"], torch.arange(200_000.0))


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:5000], lambda data: data[:-30], lambda data: b"", lambda _: b"no state"]
)
def test_a_file_that_is_not_whole_or_no_state_is_damaged(file, spoil):
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(saved.Damaged, match="state is damaged"):
        saved.read(file)


@pytest.mark.parametrize("after", range(0, 20, 3))
def test_a_disk_that_fails_says_so_wherever_it_does(file, monkeypatch, after):
    class Failing(saved._Heard):
        reads = 0

        def _heard(self, reads, what):
            self.reads += 1
            return super()._heard(fail if self.reads > after else reads, what)

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(saved, "_Heard", Failing)
    with pytest.raises(OSError, match="Input/output"):
        saved.read(file)


def test_short_memory_is_no_damage(file, monkeypatch):
    """torch's allocator raises a RuntimeError, as a damaged file does."""
    with pytest.raises(RuntimeError, match="alloc") as short:
        torch.empty(2**55, dtype=torch.uint8)

    def load(*_, **__):
        raise short.value

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(MemoryError, match="too little memory to read state"):
        saved.read(file)


def test_none_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        saved.read(tmp_path / "none")
