"""What has come of one result so far: checked at the door, kept as arrays, and nothing of Blender's."""

from dataclasses import dataclass

import numpy as np

from ..seam import protocol
from .strip import Looks, look_of

STILL = 1e-3  # largest displacement, in units of the mesh's size, below which nobody sees it move


class BadResult(ValueError):
    """A record that must not reach the scene: the message says what is wrong with it. Nothing of it was written."""


@dataclass(frozen=True, eq=False)
class Came:
    """A frame: (V, 3) under the first process, under the first two, ..., under all; and its material."""

    index: int
    poses: tuple[np.ndarray, ...]
    arrays: dict[str, np.ndarray]


class Taken:
    """The records of one job, in their order."""

    def __init__(self):
        self.record = protocol.Subject()
        self.subject: dict[str, np.ndarray] = {}
        self.previews: list[Came] = []  # by index, all of them: what is left where the job ends early
        self.frames: list[Came] = []
        self.looks: Looks | None = None  # of the frames
        self.newest: dict[str, np.ndarray] = {}  # the look that came last
        self.measured: tuple = ()
        self.summary = ""

    @property
    def processes(self) -> int:
        """How many meet in each frame."""
        first = next(iter([*self.frames, *self.previews]), None)
        return len(first.poses) if first else 1

    @property
    def reached(self) -> int:
        """The newest frame, -1 before the first."""
        return self.frames[-1].index if self.frames else -1

    @property
    def last(self) -> int:
        """The frame that life ends with."""
        ends = [frames[-1].index for frames in (self.frames, self.previews) if frames]
        return max(ends, default=0)

    def take_subject(self, record: protocol.Subject, arrays: dict[str, np.ndarray]) -> None:
        protocol.check_subject(arrays)
        self.record, self.subject = record, arrays
        self.looks = Looks(look_of(arrays), record.frames)

    def take_frame(self, record: protocol.FrameRecord, arrays: dict[str, np.ndarray]) -> None:
        """Raises BadResult."""
        frame = self._checked(record, arrays)
        if record.preview:
            self._take_preview(frame)
            return
        if self.frames and frame.index <= self.frames[-1].index:
            raise BadResult(f"Frame {frame.index + 1} came after frame {self.frames[-1].index + 1}")
        self.frames.append(frame)
        self.newest = self.looks.add(frame.index, arrays)

    def _take_preview(self, frame: Came) -> None:
        if self.frames:  # too late to be of use
            return
        self.previews = sorted([*self.previews, frame], key=lambda each: each.index)
        if len({each.index for each in self.previews}) < len(self.previews):
            raise BadResult(f"The preview of frame {frame.index + 1} came twice")
        self.newest = self.looks.start | {name: frame.arrays[name] for name in self.looks.start if name in frame.arrays}

    def _checked(self, record: protocol.FrameRecord, arrays: dict[str, np.ndarray]) -> Came:
        if not self.subject:
            raise BadResult(f"Frame {record.index + 1} came before its subject")
        poses = (*arrays.get("poses", ()), arrays["positions"])
        if len(poses[-1]) != len(self.subject["vertices"]):
            raise BadResult(
                f"Frame {record.index + 1} has {len(poses[-1]):,} vertices and its subject "
                f"{len(self.subject['vertices']):,}"
            )
        if not all(np.isfinite(pose).all() for pose in poses):
            raise BadResult(f"Frame {record.index + 1} holds NaN or infinity")
        if (self.frames or self.previews) and len(poses) != self.processes:
            raise BadResult(f"Frame {record.index + 1} has {len(poses)} processes and the first {self.processes}")
        return Came(record.index, poses, {name: arrays[name] for name in self.looks.start if name in arrays})

    def take_certificate(self, record: protocol.Certificate) -> None:
        self.measured, self.summary = record.measured, record.summary

    @property
    def still(self) -> bool:
        """Nothing of it moves or changes so that one could see it."""
        moved = {name: value for name, value, _ in self.measured}.get(protocol.Certificate.DISPLACEMENT)
        return moved is not None and moved < STILL and not self.looks.lives

    def preview_looks(self) -> Looks:
        """For the looks of the previews, which are still to be added, spread evenly over life: not exact in time."""
        return Looks(self.looks.start, len(self.previews))

    def settle_for(self) -> str:
        """The job ended early: keep the frames, or the preview where it has more of them, and never a mix of the two.
        What is kept, in words; "" where it is too little to keep."""
        if len(self.frames) >= max(2, len(self.previews)):
            self.previews = []
            return f"the {len(self.frames)} frames that came"
        if len(self.previews) < 2:
            self.frames, self.previews = [], []
            return ""
        self.frames, self.previews, self.looks = self.previews, [], self.preview_looks()
        return f"its preview of {len(self.frames)} frames, because too few of the full ones came"

    def facts(self) -> dict:
        """What provenance keeps of it."""
        return {
            "frames": len(self.frames),
            "measured": [list(entry) for entry in self.measured],
            "summary": self.summary,
            "lives": sorted(self.looks.lives),
        }

    def free(self) -> None:
        """Everything is written: the memory goes back."""
        self.frames = [Came(frame.index, (), {}) for frame in self.frames]
