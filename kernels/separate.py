"""Keeping near pairs of a surface apart: a push while a solver iterates, and a guard on the way that it takes.

The push is some sweeps of projections, each pair on to its distance along the direction that it had when it was found
(Müller et al., "Position based dynamics", 2007; friction as in Macklin et al., "Unified particle physics", SIGGRAPH
2014). The guard lets no pair touch on the straight way from one shape to the next: it moves the ends of pairs that
would, as Bridson et al., "Robust treatment of collisions, contact and friction for cloth animation", SIGGRAPH 2002,
and where that does not end, it cuts ways short. When a pair would touch is found in conservative steps (the additive
CCD of Li et al., "Codimensional incremental potential contact", SIGGRAPH 2021) that see relative motion alone, so that
layers that fall together are not slowed down, as they would be by a bound on the way of each vertex.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import cpu
from kernels.proximity import closest, relative, row  # after a change there, delete the cache: cpu.py
from kernels.shapes import Integers, Reals
from kernels.vectors import dot, minus, plus, scaled

KEPT = 0.2  # share of its distance that a pair keeps on its way
SWEEPS = 12  # of a push, at most: layers on a floor hand it on to each other
RIGHT = 0.1  # of a pair's distance may be missing at the end of a push
STEPS = 32  # of additive CCD; a pair that takes more is held to touch
CUTS = 3  # times that a vertex's way is halved before it is held where it was


class Pairs(NamedTuple):
    """P near pairs: a vertex and a triangle, or, where `across`, two edges (`kernels.proximity.measure`)."""

    points: Integers  # (P, 4)
    across: NDArray[np.bool_]  # (P,)
    gaps: Reals  # (P,) distances when they were found, above 0
    weights: Reals  # (P, 4)
    normals: Reals  # (P, 3) of length 1, from the second to the first
    wanted: Reals  # (P,) the least distance that they may have


# --- CPU: the push ---


@cpu.inner(nogil=True)
def _push(x, start, near, mobility, floor, friction):
    for _ in range(SWEEPS):
        if _sweep(x, start, near, mobility, floor, friction) <= RIGHT:
            break


@cpu.inner
def _sweep(x, start, near, mobility, floor, friction):
    """The deepest that a pair was found in, as a share of the distance that it wants."""
    pairs, weights, deepest = near.points, near.weights, 0.0
    for p in range(len(pairs)):
        n, w = row(near.normals, p), (weights[p, 0], weights[p, 1], weights[p, 2], weights[p, 3])
        share = gap = 0.0
        for k in range(4):
            share += mobility[pairs[p, k]] * w[k] * w[k]
            gap += w[k] * dot(row(x, pairs[p, k]), n)
        depth = near.wanted[p] - gap
        if depth <= 0.0 or share == 0.0:
            continue
        move = scaled(depth, n)
        if friction > 0.0:
            slide = (0.0, 0.0, 0.0)
            for k in range(4):
                slide = plus(slide, scaled(w[k], minus(row(x, pairs[p, k]), row(start, pairs[p, k]))))
            slide = minus(slide, scaled(dot(slide, n), n))
            speed = math.sqrt(dot(slide, slide))
            move = minus(move, scaled(min(1.0, friction * depth / max(speed, 1e-300)), slide))
        deepest = max(deepest, depth / near.wanted[p])
        _spread(x, pairs[p], w, mobility, share, move)
        for k in range(4):
            i = pairs[p, k]
            if mobility[i] > 0.0:
                x[i, 2] = max(x[i, 2], floor[i])
    return deepest


@cpu.inner
def _spread(x, pair, w, mobility, share, move):
    """Moves the two sides of a pair apart by `move`, each point by its weight and mobility."""
    # where little but an end that hardly weighs can move, it is not thrown about to make up for the rest
    share = max(share, 0.1)
    for k in range(4):
        scale = mobility[pair[k]] * w[k] / share
        for c in range(3):
            x[pair[k], c] += scale * move[c]


# --- CPU: the guard ---


@cpu.inner
def _meeting(x, u, gap, across):
    """(time, weights, normal) when a pair of points x on ways u, `gap` apart, first keeps too little of that."""
    mean, speed = relative(u[0], u[1], u[2], u[3], across)
    v0, v1, v2, v3 = minus(u[0], mean), minus(u[1], mean), minus(u[2], mean), minus(u[3], mean)
    least = KEPT * gap
    time, distance = 0.0, gap
    w, n = (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for _ in range(STEPS):
        if speed * (1.0 - time) <= distance - least:
            return 2.0, w, n
        time += (distance - least) / speed
        w, n = closest(
            plus(x[0], scaled(time, v0)), plus(x[1], scaled(time, v1)),
            plus(x[2], scaled(time, v2)), plus(x[3], scaled(time, v3)), across,
        )  # fmt: skip
        distance = math.sqrt(dot(n, n))
        if distance - least < 0.1 * (gap - least):
            break
    return time, w, scaled(1.0 / max(distance, 1e-300), n)


@cpu.inner(nogil=True)
def _guard(start, end, near, mobility, slack, floor, rounds):
    pairs, across, gaps, wanted = near.points, near.across, near.gaps, near.wanted
    aim = end.copy()
    short = np.zeros(len(start), np.bool_)
    stamp, cuts = np.zeros(len(start), np.int64), np.zeros(len(start), np.int64)
    lost = turn = 0
    while True:
        turn += 1
        touched = False
        for p in range(len(pairs)):
            pair = pairs[p]
            i0, i1, i2, i3 = pair[0], pair[1], pair[2], pair[3]
            if max(stamp[i0], stamp[i1], stamp[i2], stamp[i3]) < turn - 1:
                continue  # nothing has changed since it was looked at
            x = (row(start, i0), row(start, i1), row(start, i2), row(start, i3))
            u = (
                minus(row(end, i0), x[0]), minus(row(end, i1), x[1]),
                minus(row(end, i2), x[2]), minus(row(end, i3), x[3]),
            )  # fmt: skip
            time, w, n = _meeting(x, u, gaps[p], across[p])
            if time > 1.0:
                continue
            moved = False
            if turn <= rounds:
                share = apart = 0.0
                for k in range(4):
                    share += mobility[pair[k]] * w[k] * w[k]
                    apart += w[k] * dot(row(end, pair[k]), n)
                depth = min(gaps[p], wanted[p]) - apart
                if depth > 0.0:
                    _spread(end, pair, w, mobility, share, scaled(depth, n))
                for k in range(4):
                    _within(aim, end, pair[k], slack, min(floor[pair[k]], start[pair[k], 2]))
                moved = True
            else:
                for k in range(4):
                    i = pair[k]
                    if mobility[i] == 0.0 or cuts[i] > CUTS:
                        continue
                    way = minus(row(aim, i), row(start, i))
                    if slack[i] * slack[i] < dot(way, way):
                        short[i] = True
                        continue
                    cuts[i] += 1
                    kept = 0.5 if cuts[i] <= CUTS else 0.0
                    for c in range(3):
                        end[i, c] = start[i, c] + kept * (end[i, c] - start[i, c])
                    moved = True
            if moved:
                touched = True
                for k in range(4):
                    stamp[pair[k]] = turn
            else:
                lost += 1
        if not touched:
            return lost, short


@cpu.inner
def _within(aim, end, i, slack, floor):
    """Keeps an end above the floor, and no farther from its aim than the search for pairs has reckoned with."""
    off = minus(row(end, i), row(aim, i))
    length = math.sqrt(dot(off, off))
    if length > slack[i]:
        for c in range(3):
            end[i, c] = aim[i, c] + slack[i] / length * off[c]
    end[i, 2] = max(end[i, 2], floor)


# --- the functions ---


def push(x: Reals, start: Reals, pairs: Pairs, mobility: Reals, floor: Reals, friction: float) -> None:
    """Parts pairs that are too near, in place on x (N, 3), along their normals, until few are or sweeps run out.

    mobility (N,) are inverse masses, 0 for what stays; nothing is pushed below the floor (N,); friction, a
    coefficient, holds things back on their way from `start` (N, 3). One pair after another: the result depends on
    their order, and on nothing else.
    """
    _push(x, start, pairs, mobility, floor, friction)


def guard(
    start: Reals, end: Reals, pairs: Pairs, mobility: Reals, slack: Reals, floor: Reals, rounds: int = 12
) -> tuple[int, NDArray[np.bool_]]:
    """Changes `end` (N, 3), in place, until no pair touches on the straight way there from `start` (N, 3).

    After `rounds` sweeps that part what would touch, ways are cut. `pairs` must hold all that can meet if ends are
    moved by up to a slack (N,) each, as `proximity.Elements.near` finds them. Ends stay above the floor (N,), and
    those of mobility 0 (N,) where they are. Returned is how many pairs would have touched that nothing could part,
    and which vertices (N,) had to be held back, but had not the slack: with the length of their ways for that, and
    pairs found anew, the guard is to be called again.
    """
    return _guard(start, end, pairs, mobility, slack, floor, rounds)
