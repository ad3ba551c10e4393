"""Anyone's videos as training data: clips, their motion from the first frame on, spectral volumes.

As "Generative Image Dynamics" (arXiv:2309.07906) prepares its own: clips of five seconds, 150 frames at 30 a second,
one from every tenth frame; dense flow from a clip's first frame to each of the others; its Fourier coefficients. Clips
with a cut, with a camera that moves, or in which next to nothing moves are left out, and told.

A clip is no loop: the jump from its last frame to its first is in the coefficients, as it is in the paper's. Flow is
found in pictures of at least FINE pixels across, and averaged down to those that are trained on. The paper's own flow
is a coarse-to-fine one of Brox and Liu; here it is one of those in `flow`.
"""

import json
import os
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.report import Report, silent
from backend.spectral import BASE, BINS, analyse
from backend.training import leftovers
from backend.training.dynamics import samples
from backend.training.dynamics.camera import follows_camera
from backend.training.dynamics.flow import DIS, Flow, Pictures
from backend.training.dynamics.samples import SUFFIX, Sample

ENDINGS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
RATE = 30.0  # frames a second, about: of faster videos every second frame is taken, or every third
RATES = 8.0, 1000.0  # that a video may have
STARTS = 1 / 3  # second from one clip's start to the next one's
FINE = 256  # pixels across, in which flow is found
TESTED = 10  # one in so many videos is kept for tests
SHARD = 16  # clips
CUT, OUTSTANDING = 0.06, 6.0  # of a frame's change from the one before: of white, and times the clip's median
QUIET = {"OPENCV_FFMPEG_LOGLEVEL": "-8"}  # AV_LOG_QUIET: what is wrong with a video is said by us, with its name
STILL = 0.002  # of the width: what the liveliest twentieth of the pixels must swing
LOST = 0.08  # of white: what frames may differ from the first when the flow brings them back


class Reason(StrEnum):
    """Why something is no training data."""

    UNREADABLE = "cannot be read"
    SHORT = "shorter than five seconds"
    CUT = "has a cut"
    CAMERA = "the camera moves"
    STILL = "next to nothing moves"
    LOST = "its motion cannot be followed"


@dataclass(frozen=True)
class Preparation:
    """What clips become."""

    height: int = 160
    width: int = 256
    bins: int = BINS
    later: int = 3  # frames kept beside the first
    seed: int = 0

    @property
    def finer(self) -> int:
        """Pixels in which flow is found, along one side of one that is trained on."""
        return -(-FINE // self.width)


@dataclass(frozen=True)
class Rejected:
    """A clip that was left out, or a whole video."""

    video: str
    second: float  # where the clip begins
    reason: str


@dataclass
class Tally:
    """What came of a folder of videos."""

    clips: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    def __str__(self) -> str:
        said = [leftovers.counted(self.clips, "clip")]
        for reason, count in Counter(one.reason for one in self.rejected).most_common():
            # of these there is no clip, and of the others each clip counts
            what = "video" if reason.startswith((Reason.UNREADABLE, Reason.SHORT)) else "clip"
            names = (one.video for one in self.rejected if one.reason == reason)
            said.append(leftovers.told(count, what, reason, names))
        return "; ".join(said)


@dataclass(frozen=True, eq=False)
class Clip:
    """T frames of five seconds, as large as flow is found in."""

    frames: Pictures  # (T, h, w, 3) sRGB
    second: float


class OtherFlow(ValueError):
    """A folder holds clips whose motion was found in another way."""


def prepare(folder: Path, out: Path, how: Preparation, flow: Flow, report: Report = silent) -> Tally:
    """The clips of all videos in `folder` and those in it, as shards in `out`/train and `out`/test.

    Whole videos are kept for tests, by their names. A video that was prepared before in the same way is not read again.

    Raises:
        FileNotFoundError: there is no video.
        OtherFlow: clips in `out` were prepared by another flow; nothing is changed.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not paths:
        raise FileNotFoundError(f"No videos lie in {folder}. They may be {', '.join(ENDINGS)}")
    _check(out, flow)
    tally = Tally()
    for done, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        tell = partial(report, done / len(paths), f"Preparing {name} ({done + 1} of {len(paths)})")
        tell()
        own = _prepared(path, name, out, how, flow, tell)
        tally.clips += own.clips
        tally.rejected += own.rejected
    return tally


def _check(out: Path, flow: Flow) -> None:
    """Raises OtherFlow. All that lies there is learned from, that of videos which are gone as well."""
    for path in sorted(out.glob(f"*/*{SUFFIX}")):
        if (found := _told(samples.about(path))["flow"]) != flow.name:
            raise OtherFlow(
                f"The motion of the clips in {out} was found by {found}, and not by {flow.name}: go on with that one, "
                "or name another folder"
            )


def _told(about: dict) -> dict:
    """How something was prepared; before one could choose a flow, none was named."""
    return {"flow": DIS} | about


def _prepared(path: Path, name: str, out: Path, how: Preparation, flow: Flow, tell: Callable[[], None]) -> Tally:
    """One video's clips; what came of it is written last, so that a kill in between leaves it to be done again."""
    mark, split = zlib.crc32(name.encode()), "train"
    if mark % TESTED == 0:
        split = "test"
    stem = f"{path.stem[:40]}-{mark:08x}"
    told = out / "videos" / f"{stem}.json"
    state = path.stat()
    about = asdict(how) | {"flow": flow.name, "video": name, "bytes": state.st_size, "changed": state.st_mtime_ns}
    if told.exists():
        record = json.loads(told.read_text(encoding="utf-8"))
        if _told(record["about"]) == about:
            return Tally(record["clips"], [Rejected(**one) for one in record["rejected"]])
    for old in (out / split).glob(f"{stem}-*{SUFFIX}"):
        old.unlink()
    tally, gathered, shard = Tally(), [], 0

    def flush() -> None:
        nonlocal shard
        if gathered:
            samples.write(out / split / f"{stem}-{shard:04}{SUFFIX}", gathered, about)
            shard += 1
            gathered.clear()

    for found in samples_of(path, name, how, flow):
        tell()
        if isinstance(found, Rejected):
            tally.rejected.append(found)
            continue
        tally.clips += 1
        gathered.append(found)
        if len(gathered) == SHARD:
            flush()
    flush()
    record = {"about": about, "clips": tally.clips, "rejected": [asdict(one) for one in tally.rejected]}
    samples.write_whole(told, json.dumps(record, indent=1).encode())
    return tally


def samples_of(path: Path, name: str, how: Preparation, flow: Flow) -> Iterator[Sample | Rejected]:
    """Every clip of a video: what it teaches, or why it does not."""
    rng = np.random.default_rng([how.seed, zlib.crc32(name.encode())])
    any_clip = False
    try:
        for clip in clips(path, how):
            any_clip = True
            found = sample(clip, name, how, flow, rng)
            yield Rejected(name, clip.second, str(found)) if isinstance(found, Reason) else found
    except Unreadable as error:
        yield Rejected(name, 0.0, f"{Reason.UNREADABLE}: {error}")
        return
    if not any_clip:
        yield Rejected(name, 0.0, str(Reason.SHORT))


class Unreadable(ValueError):
    """A file from which no frames come; the message says what is wrong with it."""


def clips(path: Path, how: Preparation) -> Iterator[Clip]:
    """Five seconds each, one after another; they overlap. No more than one is in memory.

    Raises:
        Unreadable: no frames come from it, or it tells no rate.
    """
    for name, level in QUIET.items():
        os.environ.setdefault(name, level)  # OpenCV looks once, at the first video
    video = cv2.VideoCapture(str(path))
    try:
        rate = video.get(cv2.CAP_PROP_FPS)
        if not video.isOpened():
            raise Unreadable("it is no video, or damaged")
        if not RATES[0] <= rate <= RATES[1]:
            raise Unreadable(f"it tells {rate:g} frames a second")
        stride = max(1, round(rate / RATE))
        length, step = round(rate / stride / BASE), max(1, round(rate / stride * STARTS))
        window: deque[Pictures] = deque(maxlen=length)
        number = 0
        while video.grab():
            if number % stride == 0:
                fine, frame = video.retrieve()
                if not fine:
                    break
                window.append(_fitted(frame, how))
                first = number // stride - length + 1
                if first >= 0 and first % step == 0:
                    yield Clip(np.stack(window), first * stride / rate)
            number += 1
        if number == 0:
            raise Unreadable("no frame of it can be decoded")
    finally:
        video.release()


def _fitted(frame: Pictures, how: Preparation) -> Pictures:
    """The largest middle part of the wanted proportions, as large as flow is found in; RGB."""
    height, width = frame.shape[:2]
    scale = min(height / how.height, width / how.width)
    high, wide = round(how.height * scale), round(how.width * scale)
    top, left = (height - high) // 2, (width - wide) // 2
    cut = frame[top : top + high, left : left + wide]
    size = how.finer * how.width, how.finer * how.height
    fitted = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if size[0] < wide else cv2.INTER_CUBIC)
    return cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB)


def sample(clip: Clip, name: str, how: Preparation, flow: Flow, rng: np.random.Generator) -> Sample | Reason:
    """What a clip teaches."""
    if has_cut(clip.frames):
        return Reason.CUT
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames])
    moved = flow_from_first(clip.frames, flow)
    if follows_camera(moved):
        return Reason.CAMERA
    if residual(grey, moved) > LOST:
        return Reason.LOST
    pixels = pooled(moved, how.finer) / how.finer
    if swing(pixels) < STILL * how.width:
        return Reason.STILL
    volume, _ = analyse(pixels, BASE, how.bins)
    slices = np.concatenate([volume.coefficients.real, volume.coefficients.imag], axis=3)
    later = np.sort(rng.choice(np.arange(1, len(pixels)), how.later, replace=False))
    small = np.round(pooled(clip.frames[[0, *later]].astype(np.float32), how.finer)).astype(np.uint8)
    pictures = np.ascontiguousarray(np.moveaxis(small, 3, 1))
    return Sample(
        pictures[0],
        np.moveaxis(slices, 3, 1).astype(np.float16),
        np.ones((how.height, how.width), bool),
        (later / len(pixels)).astype(np.float32),
        pictures[1:],
        np.moveaxis(pixels[later], 3, 1).astype(np.float16),
        name,
    )


def flow_from_first(frames: Pictures, flow: Flow) -> NDArray[np.float32]:
    """(T, h, w, 2) pixels: dense flow from the first of frames (T, h, w, 3) to each, to itself none."""
    moved = np.zeros((*frames.shape[:3], 2), np.float32)
    moved[1:] = flow.find(frames[0], frames[1:])
    return moved


def has_cut(frames: Pictures) -> bool:
    """Whether one frame differs from the one before by far more than others do."""
    small = np.stack([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in frames])
    changes = np.abs(np.diff(small.astype(np.float32), axis=0)).mean(axis=(1, 2, 3)) / 255
    return bool(changes.max() > max(CUT, OUTSTANDING * np.median(changes)))


def residual(grey: Pictures, moved: NDArray[np.float32]) -> float:
    """How far frames are from the first when the flow brings them back, where it moves anything: the median pixel's, as
    a share of white, of the worst of some frames."""
    height, width = grey.shape[1:]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    worst = 0.0
    for t in np.linspace(1, len(grey) - 1, 8).astype(int):
        back = cv2.remap(grey[t], x + moved[t, ..., 0], y + moved[t, ..., 1], cv2.INTER_LINEAR)
        off = np.abs(back.astype(np.float32) - grey[0])
        moving = np.abs(moved[t]).max(axis=-1) > 1.0
        worst = max(worst, float(np.median(off[moving] if moving.any() else off)) / 255)
    return worst


def swing(pixels: NDArray[np.float32]) -> float:
    """Pixels: the root mean square swing about its mean of the liveliest twentieth."""
    return float(np.percentile(np.sqrt(pixels.var(axis=0).sum(axis=-1)), 95))


def pooled(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """(T, H, W, C), the means of blocks of (T, factor H, factor W, C)."""
    if factor == 1:
        return values
    frames, height, width, channels = values.shape
    blocks = values.reshape(frames, height // factor, factor, width // factor, factor, channels)
    return blocks.mean(axis=(2, 4))
