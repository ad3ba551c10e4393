"""Processes at once, or one after another: from the stages of a life to its moments.

Stages that begin after all before them have ended open a new chapter, on the body as the last chapter left it. Within
a chapter the rest states of elastic processes combine before anything moves, and the displacements of processes with
solvers of their own are added: to as much of the others' as these keep. Each moment has one pose for each stage: the
body under the first process, under the first two, and so on; so that each process can be weighed by itself afterwards.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from backend import protocol
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Detail, Look, Moment, Reals
from backend.geometry.elastic import Elastic
from backend.geometry.rest import Rest
from backend.pipelines.processes import kind_of, make
from backend.pipelines.processes.process import Circumstances, Posed, Process
from backend.report import Report

STEPS = 48  # of the elastic solve over a whole life, whatever the number of frames asked for
MANY = 4 * STEPS  # no short stage makes it more than these in all
LEAST = 24  # of the solve in any one stage: a shorter one would be all momentum


class Acting(NamedTuple):
    """A process and the part of life in which it acts."""

    process: Process
    start: float
    end: float

    @classmethod
    def of(cls, stage: protocol.Stage, anatomy: Anatomy, seed: int, detail: Detail) -> Self:
        return cls(make(stage.process, Circumstances(anatomy, stage.amount, seed, detail)), stage.start, stage.end)

    def own(self, tau):
        """The process's own life time at tau, a number or an array."""
        return np.clip((tau - self.start) / (self.end - self.start), 0.0, 1.0)


def live(
    anatomy: Anatomy, stages: tuple[protocol.Stage, ...], seed: int, taus: Reals, detail: Detail, report: Report
) -> Iterator[Moment]:
    """One Moment for each of the ascending `taus`. Each process draws its chances from `seed` and its place."""
    acted: list[Acting] = []
    ended: list[Reals] = []  # the last pose of each stage of the chapters before
    corrected = reached = 0.0
    start = anatomy.body.look
    parts = chapters(stages)
    for stage in stages[len(parts[0]) :]:  # before anything is shown: the first chapter's say so when they are made
        kind_of(stage.process).suits(anatomy)

    def told(done: float, text: str) -> None:
        nonlocal reached
        reached = max(reached, (number + done) / len(parts))
        report(reached, text)

    for number, chapter in enumerate(parts):
        until = parts[number + 1][0].start if number + 1 < len(parts) else math.inf
        mine = taus[(taus >= (chapter[0].start if number else 0.0)) & (taus < until)]
        acting = [Acting.of(stage, anatomy, seed + 101 * (len(acted) + k), detail) for k, stage in enumerate(chapter)]
        acted += acting
        samples = np.append(mine, until) if until <= taus[-1] else mine
        for tau, (poses, putback) in zip(samples, _poses(anatomy, acting, samples, told), strict=True):
            if tau == until:
                break
            to_come = [poses[-1]] * (len(stages) - len(acted))
            look = _look(start, acted, tau)
            yield Moment(float(tau), (*ended, *poses, *to_come), look, corrected + putback)
        if until > taus[-1]:
            return
        ended, corrected = [*ended, *poses], corrected + putback
        anatomy = anatomy.posed(poses[-1])


def chapters(stages: tuple[protocol.Stage, ...]) -> list[list[protocol.Stage]]:
    """The stages in their order, cut wherever one begins after all before it have ended."""
    found: list[list[protocol.Stage]] = []
    for stage in stages:
        if not found or stage.start >= max(earlier.end for earlier in found[-1]):
            found.append([])
        found[-1].append(stage)
    return found


def _look(look: Look, acted: list[Acting], tau: float) -> Look:
    for acting in acted:
        look = acting.process.look(float(acting.own(tau)), look)
    return look


def _poses(anatomy: Anatomy, acting: list[Acting], taus: Reals, report: Report) -> Iterator[tuple[list[Reals], float]]:
    """At each tau: the body under the first of the processes, the first two, ..., and the volume put back in all."""
    rest = anatomy.body.vertices
    elastic = [one for one in acting if one.process.elastic]
    bent = _elastic_poses(anatomy, elastic, taus, report) if elastic else ([] for _ in taus)
    moved = [_own_poses(one, taus, report) if one.process.moves else None for one in acting]
    for under in bent:
        shift, kept, putback, pose = np.zeros_like(rest), np.ones(len(rest)), 0.0, rest
        poses = []
        under = iter(under)
        for one, motion in zip(acting, moved, strict=True):
            if one.process.elastic:
                pose = next(under)
            if motion is not None:
                posed = next(motion)
                shift = shift + (posed.positions - rest)
                kept = kept * posed.keeps
                putback += posed.corrected
            both = rest + shift + kept[:, None] * (pose - rest)
            both[:, 2] = np.maximum(both[:, 2], 0.0)
            poses.append(both)
        yield poses, putback


def _own_poses(acting: Acting, taus: Reals, report: Report) -> Iterator[Posed]:
    """What a process with a solver of its own makes of the body, at each tau; before its start and after its end it
    stays as it is."""
    own = acting.own(taus)
    asked = np.unique(np.append(own, 0.0))
    motion = acting.process.motion(asked, report)
    reached, posed = 0, next(motion)
    for tau in own:
        while asked[reached] < tau:
            reached, posed = reached + 1, next(motion)
        yield posed


def _elastic_poses(anatomy: Anatomy, acting: list[Acting], taus: Reals, report: Report) -> Iterator[list[Reals]]:
    """At each tau: the body under the first of these, the first two, ..."""
    begin, end = min(one.start for one in acting), max(one.end for one in acting)
    shortest = min(one.end - one.start for one in acting)
    wanted = max(STEPS * (end - begin), min(LEAST * (end - begin) / shortest, MANY))
    steps = math.ceil(wanted - 1e-9)
    share = np.clip((taus - begin) / (end - begin), 0.0, 1.0)

    def motion() -> Iterator[Reals]:
        """(K, N, 3) after each step."""
        wrinkled = any(one.process.wrinkles for one in acting)
        process = acting[0].process
        # rooted in its pot where all of them leave that out
        rooted = process.anatomy if all(one.process.anatomy is process.anatomy for one in acting) else anatomy
        first = Elastic(rooted, process.detail, process.seed, wrinkled)
        engines = [first, *(first.fork() for _ in acting[1:])]
        yield np.stack([engine.positions for engine in engines])
        for step in range(1, steps + 1):
            tau = begin + (end - begin) * step / steps
            rest = Rest.of(len(first.positions))
            for engine, one in zip(engines, acting, strict=True):
                report((step - 1) / steps, one.process.doing)
                one.process.rest(float(one.own(tau)), rest)
                engine.step(rest)
            yield np.stack([engine.positions for engine in engines])

    return map(list, _sampled(motion(), share, steps))


def _sampled(motion: Iterator[Reals], share: Reals, steps: int) -> Iterator[Reals]:
    """Positions at each share of the way in [0, 1], from positions after 0, 1, ... `steps` steps, as soon as the steps
    on either side are there.

    Catmull-Rom, so that more frames than steps stay smooth; on a step it is that step.
    """
    known = {0: next(motion)}
    for place in share * steps:
        step = min(int(place + 1e-9), steps)
        part = place - step
        wanted = step if part < 1e-9 else min(step + 2, steps)
        for number in range(max(known) + 1, wanted + 1):
            known[number] = next(motion)
            known.pop(number - 5, None)
        if part < 1e-9:
            yield known[step]
            continue
        a, b = known[step], known[step + 1]
        before, after = known[max(step - 1, 0)], known[min(step + 2, steps)]
        u, slope_a, slope_b = part, 0.5 * (b - before), 0.5 * (after - a)
        yield (
            (2 * u**3 - 3 * u**2 + 1) * a + (3 * u**2 - 2 * u**3) * b
            + (u**3 - 2 * u**2 + u) * slope_a + (u**3 - u**2) * slope_b
        )  # fmt: skip
