"""The row of shape keys that a result has on its object so far, and the properties that they follow.

As the Import that it belongs to, it holds names and numbers between two calls, and nothing of Blender's.
"""

from collections.abc import Callable, Iterator

import numpy as np

from . import keys, live, place
from .taken import Came, Taken


class Row:
    """Frames of `taken` as keys: full ones in their order, and the preview's where no full one is yet."""

    def __init__(self, taken: Taken, made_by: dict[str, str]):
        self._taken, self._made_by = taken, made_by
        self.written = 0  # of the frames
        self.previewed: set[int] = set()  # frames whose preview is on the object
        self.names: live.Names | None = None  # of the properties that the keys follow, once they do
        self._newest: tuple[str, np.ndarray] | None = None  # the key that was written last, and what it holds
        self._shown: list[str] = []  # the keys that are on, before any follow the properties

    @property
    def labels(self) -> list[str]:
        """Of the processes, where there are several."""
        return live.labels(self._made_by, self._taken.processes)

    @property
    def last(self) -> int:
        """The frame at which life ends; of a preview, the one that the whole clip will end with."""
        announced = self._taken.record.frames - 1 if self.previewed else 0
        return max(announced, self._taken.last)

    @property
    def keys(self) -> list[str]:
        """The names of those that are on the object."""
        frames = [frame.index for frame in self._taken.frames[: self.written]]
        previews = place.key_names(sorted(self.previewed), self.labels, preview=True)
        return place.key_names(frames, self.labels) + previews

    def start_over(self) -> None:
        """None of it is there any more, though the properties may be."""
        self.written, self._shown = 0, []

    def take_stock(self, obj) -> None:
        """An undo or a redo made the object what it was at another moment: what of the row is on it now."""
        there = {key.name for key in obj.data.shape_keys.key_blocks} if obj.data.shape_keys else set()
        missing = [n for n, frame in enumerate(self._taken.frames) if not self._holds(there, frame.index)]
        self.written = missing[0] if missing else len(self._taken.frames)
        previews = (each.index for each in self._taken.previews)
        self.previewed = {index for index in previews if self._holds(there, index, preview=True)}
        if self.names is not None and self.names.life not in obj:
            self.names = None
        self._newest, self._shown = None, keys.ours(obj) if self.names is None else []

    def _holds(self, there: set[str], index: int, preview: bool = False) -> bool:
        return there.issuperset(place.key_names([index], self.labels, preview))

    def is_there(self, obj) -> bool:
        """False where an undo took it away."""
        blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys else {}
        return self._newest is None or self._newest[0] in blocks

    def is_as_written(self, obj) -> bool:
        """Whether the newest key is what it was."""
        return self._newest is None or keys.holds(obj, *self._newest)

    def write(self, obj, frame: Came, preview: bool, rest: np.ndarray, back: np.ndarray | None) -> None:
        """The keys of a frame: what the first process does, and what each further one adds. It is shown in place of
        the last. `rest`: (V, 3) of the object; `back`: (3, 3) from the frame's axes to the object's, None where they
        are the same."""
        follows, before = self.names is not None, None
        for key in self._shown:
            obj.data.shape_keys.key_blocks[key].value = 0.0
        self._shown = [] if follows else place.key_names([frame.index], self.labels, preview)
        for label, pose in zip(self.labels, frame.poses, strict=True):
            pose = place.turned(pose, back)
            positions = pose if before is None else rest + (pose - before)
            name, before = keys.name_of(frame.index, label, preview), pose
            keys.write(obj, name, positions, 0.0 if follows else 1.0)
            self._newest = name, positions
        if preview:
            self.previewed.add(frame.index)
        else:
            self.written += 1
            self._replace_preview(obj)

    def _replace_preview(self, obj) -> None:
        """The frame that was written last takes the place of the preview up to its own time, at once where the
        preview plays."""
        index = self._taken.frames[self.written - 1].index
        gone = sorted(each for each in self.previewed if each <= index)
        self.previewed -= set(gone)
        if gone:
            keys.remove(obj, place.key_names(gone, self.labels, preview=True))
        if self.names is not None:
            nodes = self._nodes()
            for number in range(max(0, self.written - 2), min(self.written + 1, len(nodes))):
                self._drive(obj, nodes, number)

    def steps_to_drive(self) -> Iterator[Callable]:
        """All keys follow the properties; functions of the object."""
        nodes = self._nodes()
        for number in range(len(nodes)):
            yield lambda obj, number=number: self._drive(obj, nodes, number)

    def _nodes(self) -> list[tuple[int, bool]]:
        """What life is made of now: (frame, whether it is a preview), in the order of time."""
        frames = [(frame.index, False) for frame in self._taken.frames[: self.written]]
        return frames + [(index, True) for index in sorted(self.previewed)]

    def _drive(self, obj, nodes: list[tuple[int, bool]], number: int) -> None:
        index, preview = nodes[number]
        hat = keys.hat([each for each, _ in nodes], number, self.last)
        for process, label in enumerate(self.labels):
            live.drive_key(obj, self.names, keys.name_of(index, label, preview), hat, process)

    def steps_to_clear(self, obj) -> Iterator[Callable]:
        """Keys of ours that are not of this clip go, those of an earlier one; functions of the object."""
        wanted = set(place.key_names([frame.index for frame in self._taken.frames], self.labels))
        for name in [name for name in keys.ours(obj) if name not in wanted]:
            yield lambda obj, name=name: keys.remove(obj, [name])
