"""One life, timed and measured, and the pictures of it, drawn by the environment that has torch."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend import protocol
from backend.certificate import Measure
from backend.clip import Clip, Frame, Mesh
from backend.files import npz
from backend.pipelines.lifecycle import Life
from backend.report import silent
from tools.environments import LEARNED_ENVIRONMENT, ROOT, ensure


@dataclass(frozen=True, eq=False)
class Lived:
    """A clip and what it took."""

    clip: Clip
    certificate: protocol.Certificate
    seconds: float  # from the mesh to the last frame, without the preview and without the certificate

    def measured(self, name: str) -> float | None:
        """A number of the certificate; None where there was nothing to measure, as of the volume of a sheet."""
        return {what: value for what, value, _ in self.certificate.measured}.get(name)


def request(words: str, sliders: dict[str, float], **rest) -> protocol.Animate:
    """Of processes in words: "bloom, wilt + burn" is bloom in the first half of life, then wilt while it burns.

    `sliders` go to each process that has one of that name.
    """
    names = set(re.findall(r"\w+", words.lower())) & set(protocol.PROCESSES)
    own = {f"{name}.{field}": value for name in names for field, value in sliders.items() if _has(name, field)}
    stages = protocol.from_words(words, own)
    return protocol.Animate(stages=stages, **{"preview": False} | rest)


def _has(process: str, slider: str) -> bool:
    return slider in protocol.PROCESSES[process].__struct_fields__


def live(mesh: Mesh, asked: protocol.Animate, title: str = "") -> Lived:
    """All of a life at once."""
    began = time.perf_counter()
    frames = list(Life(mesh, asked, silent).frames(silent))
    seconds = time.perf_counter() - began
    told = protocol.provenance(asked) | {"title": title}
    clip = Clip.from_frames(mesh, frames, asked.fps, provenance=told)
    return Lived(clip, certificate_of(frames, mesh, seconds), seconds)


def certificate_of(frames: Sequence[Frame], mesh: Mesh, seconds: float) -> protocol.Certificate:
    measure = Measure(mesh, len(frames))
    for frame in frames:
        measure.add(frame)
    return measure.certificate(seconds)


def first_preview(mesh: Mesh, asked: protocol.Animate) -> float:
    """Seconds from the mesh to the second frame of its preview: the first that shows a change."""
    began = time.perf_counter()
    previews = Life(mesh, asked, silent).preview(silent)
    next(previews)
    next(previews)
    return time.perf_counter() - began


def save(lived: Lived, path: Path) -> Path:
    npz.save(lived.clip, path)
    return path


def look(clips: Sequence[Path], *options: str | float | Path) -> None:
    """`python -m tests.bench.look CLIPS OPTIONS`, where there is torch."""
    if not LEARNED_ENVIRONMENT.executable.exists():
        ensure(LEARNED_ENVIRONMENT)
    command = [LEARNED_ENVIRONMENT.executable, "-m", "tests.bench.look", *clips, *options]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
