"""The way through a specimen's life time that the stages of a prompt ask for."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from backend import protocol
from backend.species import Life, Stretch

from .meaning import NotUnderstood, Stage, Understanding
from .vocabulary.processes import SAID

SPEEDS = {"slow": 0.5, None: 1.0, "fast": 2.0}


class Path(NamedTuple):
    """Turning points of life time, and the share of the clip at which each is reached: 0, ..., 1.

    `rewinds` are the processes between which life is lived against its direction, to come to the start of the second.
    """

    taus: tuple[float, ...]
    shares: tuple[float, ...]
    rewinds: tuple[tuple[str, str], ...] = ()

    def at(self, share: float) -> float:
        """Life time at a share of the clip in [0, 1]: even between turning points."""
        k = min(max(bisect_right(self.shares, share) - 1, 0), len(self.taus) - 2)
        span = self.shares[k + 1] - self.shares[k]
        part = min(max((share - self.shares[k]) / span, 0.0), 1.0) if span else 1.0
        return self.taus[k] + part * (self.taus[k + 1] - self.taus[k])


def backwards(understood: Understanding) -> str:
    """Where life runs backwards between two stages, to be said after what was understood: "; its life runs back from
    wilting to blooming", or "". Raises as path_of does."""
    life = "its life runs" if understood.count == 1 else "their lives run"
    back = path_of(understood).rewinds
    return "".join(f"; {life} back from {SAID[one]} to {SAID[other]}" for one, other in back)


def processes_of(understood: Understanding) -> tuple[str, ...]:
    """What happens, in its order, without what is part of something else that happens."""
    named = tuple(stage.process for stage in understood.stages)
    within = protocol.SPECIES[understood.specimen].within
    return tuple(name for name in named if within.get(name) not in named)


def path_of(understood: Understanding, fallen: int | None = None) -> Path:
    """Life is one line. A stage goes on from where the one before it has led, where that lies in its stretch; what lies
    within the stretch of the one before it has happened with it; else there is a way to its start: what wilts and then
    blooms lives its life backwards in between.

    Of a stage that is told twice in a row, at two paces, each takes its part of the stretch.

    `fallen` petals take their time: None, as many as the words say. Paces are of one stage beside another; where all
    are fast, the end stands still for what is left of the clip. Raises NotUnderstood where a stage cannot go on from
    half of the one before it, and where two are to happen at once that happen one after the other in this life.
    """
    life = protocol.SPECIES[understood.specimen].life
    chosen = processes_of(understood)
    stages = [stage for stage in understood.stages if stage.process in life.stretches and stage.process in chosen]
    if not stages:
        still = any(stage.process == "sway" for stage in understood.stages)
        return Path((life.prime, life.prime) if still else (0.0, 1.0), (0.0, 1.0))
    walk = _Walk()
    for before, stage, part in zip([None, *stages], stages, _parts(stages), strict=False):
        stretch = _stretch(life, stage, fallen)
        start, end = stretch
        if before is not None:
            other = life.stretches[before.process]
            if stage.together and not _overlap(other, stretch):
                raise NotUnderstood.at_once(understood.specimen, before.process, stage.process)
            if _lies_within(stretch, other) and walk.here == other.end:
                continue
            if not min(start, end) <= walk.here <= max(start, end):
                if walk.half:
                    raise NotUnderstood.halfway(understood.specimen, before.process, stage.process)
                walk.rewind(start, before, stage)
        else:
            walk.taus.append(start)
        walk.half = _share(stage) is not None and part < 1.0
        walk.go(start + part * (end - start), stage)
    return walk.path(all(stage.pace == "fast" for stage in stages))


def _share(stage: Stage) -> float | None:
    """How far into its stretch a stage goes, where that is said."""
    return None if stage.process == "drop" else stage.amount


def _parts(stages: list[Stage]) -> Iterator[float]:
    """How far into its stretch each stage has come at its end."""
    for _, run in itertools.groupby(stages, lambda stage: stage.process):
        shares = [_share(stage) for stage in run]
        whole = shares[-1] or 1.0
        yield from (share or whole * (k + 1) / len(shares) for k, share in enumerate(shares))


def _stretch(life: Life, stage: Stage, fallen: int | None) -> Stretch:
    stretch = life.stretches[stage.process]
    if stage.process != "drop" or life.few is None:
        return stretch
    many = (stage.amount or (stage.drop or 0) > life.few) if fallen is None else fallen > life.few
    return Stretch(stretch.start, life.stretches["wilt"].end) if many else stretch


def _overlap(one: Stretch, other: Stretch) -> bool:
    return max(min(one), min(other)) < min(max(one), max(other))


def _lies_within(one: Stretch, other: Stretch) -> bool:
    """In the same direction, and not all of it."""
    same_way = (one[1] > one[0]) == (other[1] > other[0])
    return same_way and min(other) <= min(one) and max(one) <= max(other) and tuple(one) != tuple(other)


class _Walk:
    """A path while it is made: `times` in units of life time at the usual pace, `usual` what they come to at that."""

    def __init__(self):
        self.taus: list[float] = []
        self.rewinds: list[tuple[str, str]] = []
        self.times, self.usual, self.half = [0.0], 0.0, False

    @property
    def here(self) -> float:
        return self.taus[-1]

    def rewind(self, tau: float, before: Stage, stage: Stage) -> None:
        """To the start of a stage that life has passed, or has not come to yet."""
        if tau < self.here:
            self.rewinds.append((before.process, stage.process))
        self.go(tau, stage)

    def go(self, tau: float, stage: Stage) -> None:
        """On to `tau`, at the stage's pace."""
        way = abs(tau - self.here)
        self.times.append(self.times[-1] + way / SPEEDS[stage.pace])
        self.usual += way
        self.taus.append(tau)

    def path(self, hurried: bool) -> Path:
        whole = self.usual if hurried else self.times[-1]
        if whole > self.times[-1]:
            self.taus.append(self.here)
            self.times.append(whole)
        if whole == 0.0:  # a stage that has happened already, and no other
            return Path((self.here, self.here), (0.0, 1.0))
        return Path(tuple(self.taus), tuple(time / whole for time in self.times), tuple(self.rewinds))
