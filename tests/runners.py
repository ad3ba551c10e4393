"""Pipelines that misbehave, for the fault tests. What a job does is written in its prompt."""

import ctypes
import os
import signal
import time
from pathlib import Path

import numpy as np

from backend import protocol, wire
from backend.clip import Frame
from backend.report import Preview, Varying

_learnt: list[str] = []


def capabilities() -> protocol.Engines:
    return protocol.Engines(makes=("test",), processes=("melt",), device="test", subjects=tuple(_learnt))


class Refused(ValueError):
    pass


def failure(error: Exception) -> protocol.Failure | None:
    codes = {wire.NotFinite: "nan_result", Refused: "unsupported"}
    return protocol.Failure(codes[type(error)], str(error)) if type(error) in codes else None


def record(index: int, seed: int, size: int = 1000) -> np.ndarray:
    """(size,) uint8, another one for every index and seed."""
    return np.random.default_rng((seed, index)).integers(0, 256, size, np.uint8)


def carry_out(request, subject, report):
    """Commands of the prompt, in order: `name` or `name=argument`, and in the end a record a frame."""
    if isinstance(request, protocol.Animate):
        for index in range(request.frames):
            report(index / request.frames, "Repeating the subject")
            time.sleep(0.05)
            yield subject
        return
    words = dict(word.partition("=")[::2] for word in request.prompt.split())
    rest = float(words.get("rest", 0))
    size = int(words.get("size", 1000))
    for index in range(request.frames):
        report(index / request.frames, f"Frame {index + 1} of {request.frames}")
        time.sleep(rest)
        _misbehave(words, index)
        data = record(index, time.time_ns() if "whim" in words else request.seed, size)
        yield Preview(data.tobytes()) if "previews" in words and index < request.frames - 1 else data
    if "timed" in words:
        yield Varying(record(request.frames, time.time_ns()).tobytes())
    _misbehave(words, request.frames)


def _misbehave(words: dict[str, str], index: int) -> None:
    if index != int(words.get("at", 0)):
        return
    if "once" in words:  # only in the first attempt
        marker = Path(words["once"])
        if marker.exists():
            return
        marker.touch()
    if "sleep" in words:
        time.sleep(float(words["sleep"]))
    if "kill" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "segfault" in words:
        ctypes.string_at(0)
    if "hang" in words:
        while True:
            pass
    if "stuck" in words:  # in C, holding the interpreter
        ctypes.PyDLL(None).sleep(1000)
    if "nan" in words:
        positions = np.full((3, 3), np.nan, np.float32)
        wire.pack_frame(Frame(0.0, positions), index)
    if "learn" in words:
        _learnt.append(words["learn"])
    if "refuse" in words:
        raise Refused("Nothing here can make that: ask for something else")
    if "fault" in words:
        raise KeyError("petal")
    if "flood" in words:
        for _ in range(int(words["flood"])):
            print("x" * 1_000_000)
