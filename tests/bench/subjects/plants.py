"""Flowers and plants: petals and leaves are open sheets, stems closed tubes, most of them parts that overlap a little,
as artists leave them; the lily and the poppy's petals are one welded sheet."""

import numpy as np

from backend.clip import Mesh
from tests.bench.subjects.modelling import (
    Array,
    Piece,
    along,
    blade,
    curve,
    join,
    mix,
    noise,
    sheet,
    smooth,
    tube,
    turn,
    turned,
)  # fmt: skip

GREEN, DARK, PALE = np.array([0.075, 0.19, 0.032]), np.array([0.028, 0.098, 0.020]), np.array([0.24, 0.36, 0.10])
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def rows(count: float, resolution: float) -> int:
    return max(4, round(count * resolution))


def stem(points: list, radius: float, resolution: float, name: str = "stem") -> Piece:
    spine = curve(points, rows(44, resolution))
    taper = np.linspace(1.25, 0.9, len(spine))
    piece = tube(along(spine, radius * taper, rows(12, resolution)), name)
    return piece.painted(mix(DARK, GREEN, 0.5 + 0.4 * noise(piece.points, 0.05, 3)), 0.55)


def leaf(length: float, width: float, resolution: float, droop: float = 0.9, lift: float = 0.8) -> Piece:
    """A leaf along x from the origin, rising by `lift` radians at first and bending by `droop`."""
    v = np.linspace(0, 1, rows(30, resolution))
    half = width * (np.sin(np.pi * v**0.75) ** 0.9 + 0.05 * (1 - v) + 0.02)
    piece = sheet(blade(length, half, -lift + droop * v**1.3, 0.35, rows(13, resolution) | 1), "leaves")
    u = np.abs(np.linspace(-1, 1, rows(13, resolution) | 1))
    vein = np.exp(-((u[None] / 0.12) ** 2)) + 0.3 * (np.sin(40 * v[:, None] + 9 * u[None]) > 0.75)
    return piece.painted(mix(mix(DARK, GREEN, 0.6 * u + 0 * v[:, None]), PALE, 0.55 * vein).reshape(-1, 3), 0.45)


def tulip(resolution: float = 1.0) -> Mesh:
    """Six petals in two whorls, two clasping leaves; every organ a part of its own."""
    top = np.array([0.010, -0.006, 0.16])
    spine = [(0, 0, 0), (-0.005, 0.003, 0.055), (0.002, 0.002, 0.11), top]
    pieces = [stem(spine, 0.0042, resolution)]
    v, u = np.linspace(0, 1, rows(30, resolution))[:, None], np.linspace(-1, 1, rows(22, resolution) | 1)[None]
    for k in range(6):
        outer = k % 2
        around = k * np.pi / 3 + 0.07 * np.sin(5 * k)
        radius = (0.006 + 0.029 * np.sin(np.pi * np.minimum(0.05 + 0.83 * v, 1)) ** 0.8) * (0.86 + 0.16 * outer)
        radius = radius + 0.006 * v**6 * outer - 0.0022 * u**2 * v * (1 - outer) + 0.0016 * outer * u**2
        height = 0.068 * v * (1 - 0.16 * u**2 * v**2) + 0.004 * v**3 * (1 - np.abs(u))
        half = (0.25 + 0.75 * np.sin(np.pi * np.minimum(v, 1) ** 0.7) ** 0.6) * (1 - 0.75 * smooth(v, 0.62, 1.03))
        angle = around + u * 0.72 * half
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height - 0.003 + 0 * u], axis=-1) + top
        piece = sheet(points, "petals")
        red = mix([0.62, 0.012, 0.018], [0.80, 0.055, 0.02], 0.5 + 0.5 * np.sin(30 * u + 6 * v))
        colour = mix(red, [0.85, 0.50, 0.05], smooth(np.abs(u) + 0.4 * v, 0.85, 1.35) + 0 * v)
        colour = mix(colour, [0.55, 0.50, 0.10], smooth(0.16 - v, 0, 0.16) + 0 * u)
        pieces.append(piece.painted(colour.reshape(-1, 3), 0.42))
    for k, (facing, length) in enumerate(((0.4, 0.16), (3.4, 0.13))):
        base = np.array([-0.003, 0.002, 0.010 + 0.025 * k])
        pieces.append(leaf(length, 0.017, 1.25 * resolution, 1.25, 1.35).moved(turn(2, facing), base))
    for k in range(6):
        foot = top + 0.004 * np.array([np.cos(k), np.sin(k), 0])
        thread = curve([foot, foot + [0, 0, 0.014], foot * [1.0, 1.0, 1.0] + [0.002, 0, 0.026]], rows(8, resolution))
        anther = tube(along(thread, np.linspace(0.0007, 0.0018, len(thread)), 6), "stamens")
        pieces.append(anther.painted(np.array([0.06, 0.035, 0.05]), 0.8))
    return join(pieces)


def daisy(resolution: float = 1.0) -> Mesh:
    """Twenty-one ray florets about a domed disc; every organ a part of its own."""
    top = np.array([0.0, 0.010, 0.12])
    pieces = [stem([(0, 0, 0), (0.008, 0.0, 0.06), top], 0.0026, resolution)]
    s = np.linspace(0.02, 1, rows(22, resolution))
    bulge = np.concatenate([0.0135 * np.sin(0.5 * np.pi * s), 0.0135 * np.cos(0.5 * np.pi * s[1:-1])])[::-1]
    height = np.concatenate([-0.0045 * np.cos(0.5 * np.pi * s), 0.0068 * np.sin(0.5 * np.pi * s[1:-1])])
    bulge = bulge[::-1]
    disc = tube(turned(bulge, height, rows(40, resolution)), "disc")
    knobs = np.sin(900 * disc.points[:, 0]) * np.sin(900 * disc.points[:, 1]) * (disc.points[:, 2] > 0)
    points = disc.points * (1 + 0.025 * knobs[:, None])
    disc = disc.at(points + top).painted(mix([0.62, 0.30, 0.012], [0.78, 0.52, 0.03], 0.5 + 0.5 * knobs), 0.8)
    pieces.append(disc)
    count = 21
    for k in range(count):
        v = np.linspace(0, 1, rows(24, resolution))
        half = 0.0049 * (0.55 + 0.45 * np.sin(np.pi * np.minimum(v, 0.8))) * np.sqrt(1.02 - v**6)
        bend = -0.42 - 0.08 * (k % 2) + 0.75 * v + 0.1 * np.sin(7 * k)
        floret = sheet(blade(0.034 + 0.002 * np.sin(3 * k), half, bend, -0.12, rows(6, resolution) | 1), "florets")
        groove = 1 - 0.10 * np.abs(np.sin(3 * np.pi * np.linspace(-1, 1, rows(6, resolution) | 1)))[None]
        white = mix([0.72, 0.70, 0.55], [0.83, 0.83, 0.80], smooth(v, 0.0, 0.3))[:, None] * groove[..., None]
        around = 2 * np.pi * k / count + 0.03 * np.sin(11 * k)
        base = top + 0.0118 * np.array([np.cos(around), np.sin(around), -0.06 - 0.12 * (k % 2)])
        pieces.append(floret.painted(white.reshape(-1, 3), 0.6).moved(turn(2, around), base))
    for k, height in enumerate((0.02, 0.04, 0.062)):
        pieces.append(leaf(0.05, 0.009, 0.8 * resolution, 1.2, 0.9).moved(turn(2, 2.2 * k), (0.006, 0, height)))
    return join(pieces)


def lily(resolution: float = 1.0) -> Mesh:
    """A trumpet of six lobes that goes over into its stem: one welded open sheet, and two leaves beside it."""
    sides, n = rows(72, resolution) // 6 * 6, rows(64, resolution)
    s = np.linspace(0, 1, n)
    flare = np.clip((s - 0.45) / 0.55, 0, 1)[:, None]
    angle = np.arange(sides) * (2 * np.pi / sides)
    lobe = 0.5 + 0.5 * np.cos(6 * angle)[None]
    radius = 0.0036 + 0.052 * flare**2.6 * (0.45 + 0.55 * lobe) + 0.016 * smooth(flare, 0.0, 0.35)
    rise = 0.12 * np.minimum(s / 0.45, 1)[:, None] + 0.085 * np.sin(0.5 * np.pi * flare) * (0.72 + 0.28 * lobe)
    rise = rise - 0.020 * flare**6 * lobe
    spine = np.stack([0.015 * smooth(rise, 0.03, 0.21), 0.035 * smooth(rise, 0.08, 0.24) ** 2, rise], axis=-1)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    flower = tube(spine + radius[..., None] * ring[None], "flower", caps=(True, False))
    t = np.append(np.repeat(s, sides), 0.0)
    middle = np.append(np.tile(lobe[0], n), 0.0)
    white = mix(
        [0.80, 0.76, 0.68], [0.80, 0.20, 0.32], 0.75 * middle**3 * smooth(t, 0.5, 0.7) * (1 - smooth(t, 0.8, 1.0))
    )
    colour = mix(GREEN, white, smooth(t, 0.42, 0.62))
    pieces = [flower.painted(colour, 0.45)]
    for k in range(4):
        pieces.append(
            leaf(0.08, 0.010, 0.9 * resolution, 1.3, 0.9).moved(turn(2, 2.4 * k), (0.0, 0.0, 0.02 + 0.022 * k))
        )
    return join(pieces)


def poppy(resolution: float = 1.0) -> Mesh:
    """Four petals welded to the rim of one small bowl: a single sheet; pod and stem are parts of their own."""
    top = np.array([0.0, 0.0, 0.13])
    per_petal = rows(20, resolution)
    ring = 4 * per_petal
    angle = np.arange(ring) * (2 * np.pi / ring)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    levels = np.linspace(0.15, 1, rows(5, resolution))
    bowl = tube(
        levels[:, None, None] * 0.007 * circle + (0.003 * levels[:, None, None] ** 2) * [0, 0, 1.0],
        "petals",
        (True, False),
    )
    flat = bowl.with_(corners=bowl.corners, points=bowl.points)
    points, corners, sizes, uv = [flat.points], [flat.corners], [flat.sizes], [flat.uv]
    paint = [np.zeros(len(flat.points))]
    rim = (len(levels) - 1) * ring
    v = np.linspace(0, 1, rows(26, resolution))[1:]
    total = len(flat.points)
    for k in range(4):
        own = rim + (k * per_petal + np.arange(per_petal + 1)) % ring
        u = np.linspace(-1, 1, per_petal + 1)
        middle = (k + 0.5) * np.pi / 2
        spread = (np.pi / 4) * (1 + 0.62 * smooth(v, 0, 0.6))[:, None] * u
        crinkle = 0.0022 * np.sin(9 * u + 3 * k)[None] * v[:, None] ** 2
        reach = 0.007 + 0.040 * np.sin(1.35 * v)[:, None] * (1 - 0.10 * u**4)
        lift = 0.003 + 0.026 * v[:, None] ** 1.5 + crinkle + (0.003 if k % 2 else 0.0) * smooth(v, 0, 0.5)[:, None]
        grid = np.stack([reach * np.cos(middle + spread), reach * np.sin(middle + spread), lift], axis=-1)
        index = np.concatenate([own[None], total + np.arange(grid[..., 0].size).reshape(grid.shape[:2])])
        quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
        points.append(grid.reshape(-1, 3))
        corners.append(quads.ravel())
        sizes.append(np.full(len(quads), 4))
        uv.append(np.tile([[0.0, 0.0], [1, 0], [1, 1], [0, 1]], (len(quads), 1)))
        paint.append(np.repeat(v, per_petal + 1))
        total += grid[..., 0].size
    points, t = np.concatenate(points), np.concatenate(paint)
    plain = np.zeros(total)
    petals = Piece(
        "petals", points + top, np.concatenate(corners), np.concatenate(sizes), np.concatenate(uv),
        mix([0.02, 0.008, 0.012], [0.74, 0.035, 0.012], smooth(t, 0.08, 0.24)), plain + 0.5, plain,
    )  # fmt: skip
    s = np.linspace(0.06, 0.94, rows(14, resolution))
    pod = tube(turned(0.0046 * np.sin(np.pi * s) ** 0.6, 0.012 * s, rows(16, resolution)), "pod")
    pod = pod.moved(by=top + [0, 0, 0.0005]).painted(
        mix(GREEN, PALE, 0.6 + 0.3 * np.sin(np.arctan2(pod.points[:, 1], pod.points[:, 0]) * 10)), 0.6
    )
    return join([petals, pod, stem([(0, 0, 0), (0.008, 0.004, 0.06), top + [0, 0, 0.001]], 0.0026, resolution)])


def potted_plant(resolution: float = 1.0) -> Mesh:
    """A clay pot (a closed solid with thick walls), soil, a stem, leaves on stalks: separate bodies."""
    outline = curve(
        [(0.045, 0, 0), (0.053, 0, 0.04), (0.060, 0, 0.082), (0.066, 0, 0.084), (0.067, 0, 0.104), (0.060, 0, 0.105),
         (0.056, 0, 0.086), (0.050, 0, 0.04), (0.041, 0, 0.008)],
        rows(44, resolution),
    )  # fmt: skip
    pot = tube(turned(outline[:, 0], outline[:, 2], rows(44, resolution)), "pot")
    pot = pot.painted(mix([0.40, 0.125, 0.052], [0.50, 0.20, 0.10], 0.5 + 0.5 * noise(pot.points, 0.03, 1)), 0.85)
    level = np.array([0.03, 0.052, 0.055, 0.050, 0.03, 0.012])
    soil = tube(turned(level, np.array([0.070, 0.070, 0.084, 0.090, 0.092, 0.094]), rows(36, resolution)), "soil")
    soil = soil.at(soil.points + 0.0018 * noise(soil.points, 0.008, 2)[:, None] * [0, 0, 1.0])
    pieces = [pot, soil.painted(np.array([0.035, 0.020, 0.012]), 0.98)]
    trunk = [(0, 0, 0.085), (0.006, 0.002, 0.15), (-0.004, 0.004, 0.22), (0.003, 0, 0.30)]
    pieces.append(stem(trunk, 0.0042, resolution))
    spine = curve(trunk, 50)
    for k in range(11):
        at = spine[round(49 * (0.28 + 0.70 * k / 10))]
        around, reach = k * GOLDEN_ANGLE, 0.045 * (1.15 - 0.06 * k)
        stalk = curve([(0, 0, 0), (0.5 * reach, 0, 0.020), (reach, 0, 0.026)], rows(10, resolution))
        petiole = tube(along(stalk, 0.0014, rows(7, resolution)), "stalks")
        piece = leaf(0.085 - 0.003 * k, 0.026 - 0.001 * k, 0.95 * resolution, 1.35, 0.45)
        piece = piece.moved(by=stalk[-1] - [0.002, 0, 0])
        for part in (petiole.painted(GREEN, 0.5), piece):
            pieces.append(part.moved(turn(2, around), at))
    return join(pieces)


def fern(resolution: float = 1.0) -> Mesh:
    """Nine arching fronds of many small pinnae about a crown."""
    pieces: list[Piece] = []
    for k in range(9):
        around, length = k * GOLDEN_ANGLE, 0.26 + 0.04 * np.sin(5 * k)
        lift = 1.25 - 0.10 * (k % 4)
        spine = _arch(length, lift, 1.9, 40)
        rachis = tube(
            along(
                spine[:: max(1, round(2 / resolution))],
                np.linspace(0.0022, 0.0006, len(spine[:: max(1, round(2 / resolution))])),
                6,
            ),
            "rachis",
        )
        frond = [rachis.painted(mix(GREEN, [0.10, 0.05, 0.02], 0.4 + 0 * rachis.points[:, 0]), 0.6)]
        ahead = np.gradient(spine, axis=0)
        for j in range(14):
            t = 0.12 + 0.86 * j / 13
            i = min(round(39 * t), 38)
            size = 0.058 * np.sin(np.pi * (0.10 + 0.88 * t)) ** 0.8 + 0.006
            v = np.linspace(0, 1, rows(8, resolution))
            pinna = blade(
                size, 0.0075 * np.sqrt(np.maximum(1 - v**2.2, 0.01)), 0.05 + 0.5 * v, 0.15, rows(4, resolution) | 1
            )
            pitch = -np.arctan2(ahead[i, 2], ahead[i, 0])
            for side in (-1, 1):
                piece = sheet(pinna, "pinnae").painted(mix(DARK, PALE, 0.25 + 0.4 * t + 0.1 * side), 0.5)
                facing = turn(1, pitch) @ turn(2, side * 1.2)
                frond.append(piece.moved(facing, spine[i]))
        pieces += [
            piece.moved(turn(2, around), (0.006 * np.cos(around), 0.006 * np.sin(around), 0.0)) for piece in frond
        ]
    return join(pieces)


def _arch(length: float, lift: float, droop: float, count: int) -> Array:
    """(count, 3) a curve in the plane of x and z that rises at first and hangs over."""
    angle = lift - droop * np.linspace(0, 1, count) ** 1.3
    step = length / (count - 1) * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=-1)
    return np.concatenate([np.zeros((1, 3)), np.cumsum(step[:-1], axis=0)])


def flat_leaf(resolution: float = 1.0) -> Mesh:
    """One leaf with a toothed margin, lying wholly flat on the floor."""
    n, across = rows(90, resolution), rows(44, resolution) | 1
    v, u = np.linspace(0, 1, n)[:, None], np.linspace(-1, 1, across)[None]
    teeth = 1 + 0.06 * np.abs(u) ** 6 * np.sin(34 * np.pi * v)
    blade_half = 0.042 * np.sin(np.pi * np.clip((v - 0.2) / 0.8, 0, 1) ** 0.8) ** 0.85 * teeth
    half = np.maximum(blade_half, 0.0016 * (1 - 0.5 * v))
    x = 0.16 * v + 0.018 * np.abs(u) * smooth(v, 0.2, 0.35) * (1 - v)
    points = np.stack([x + 0 * u, half * u, 0 * (u + v)], axis=-1)[:, ::-1]
    u = u[:, ::-1]
    rib = np.exp(-((u / 0.05) ** 2)) + 0.8 * np.exp(-((((v * 9 + 1.6 * np.abs(u)) % 1 - 0.5) / 0.12) ** 2)) * (v > 0.2)
    colour = mix(mix(GREEN, [0.35, 0.30, 0.03], smooth(np.abs(u) + 0.2 * np.sin(9 * v), 0.5, 1.2)), PALE, 0.4 * rib)
    return join([sheet(points, "leaf").painted(colour.reshape(-1, 3), 0.5)])
