"""A clip of our own, .npz."""

from dataclasses import replace
from pathlib import Path

from backend.files import npz
from tests.benchmarks.lifebench.nouns import Sequence
from tests.benchmarks.lifebench.readers.moments import Unreadable


def read(path: Path, fps: float | None = None) -> Sequence:
    """All its frames, at its own pace; `fps` may say another one. Raises Unreadable."""
    try:
        clip = npz.load(path)
        return Sequence.from_clip(clip if fps is None else replace(clip, fps=fps), path.name, path.stat().st_size)
    except (KeyError, ValueError, OSError) as error:
        raise Unreadable(f"{path.name} holds no clip that can be scored: {error}") from error
