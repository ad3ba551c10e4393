"""The bud that a flower came from: each petal laid, unstretched, on a layer of its own about the flower's axis.

The layers are surfaces of revolution, each the silhouette of the bud drawn nearer to the axis, so that they nest and
never meet; petals that overlap lie on different ones. The lobes of a petal that goes all the way round cross a band of
layers slantwise, one edge under the lobe before and one over the lobe behind (contorted aestivation; such terms are
explained in Bell, "Plant Form", 2008).

Notation: r0, z0 radius and height of a petal's foot; layer in [0, 1] from the axis to the silhouette; height in [0, 1]
of the bud's; small what is left of a petal's length. Departs from nature: all layers have one silhouette, and a petal
wraps about the axis like tanh of its width, so that it never meets itself.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.geometry.body import Body, Reals
from backend.geometry.charts import Blade, Integers
from backend.geometry.fields import components, edges, smoothstep
from backend.geometry.heart import STEPS, Heart, envelope, gathered
from backend.geometry.petals import Flower

SMALLER = 0.80  # size of a petal in the bud over its own
WIDEST = 2.0  # radians that a petal covers to either side, at most
STEP = 0.14  # from one layer to the next, in radii of the bud, at most
SLANT = 0.3  # how far a petal crosses from one layer to the next, from edge to edge, half of it
LOBES = 0.45  # between the layers of the two edges of a lobe, in the same
INNERMOST = 0.10  # radius of the innermost layer, in radii of the bud
POINTED = 0.45  # radius, in radii of the bud, below which a petal does not wrap further about the axis
FACET = 0.4  # half the angle that one column of faces covers, at most
SEAM = 0.2  # length over which a petal that is welded at its foot leaves it, in its own
WHORL = 0.10  # step in elevation from one whorl to the next, in right angles
SHAPE = PchipInterpolator([0.0, 0.12, 0.30, 0.45, 0.70, 0.88, 1.0], [0.0, 0.55, 0.93, 1.0, 0.72, 0.34, 0.0])


@dataclass(frozen=True, eq=False)
class Bud:
    """A silhouette, in the frame of the flower."""

    height: float
    outer: Reals  # radius at STEPS
    inner: Reals  # radius at STEPS that what is in the middle of the flower needs

    def radius(self, layer: Reals, height: Reals) -> Reals:
        """At layers in [0, 1] and heights in [0, 1] of the bud's."""
        inner = np.interp(height, STEPS, self.inner)
        share = INNERMOST + (1.0 - INNERMOST) * layer
        return inner + share * (np.interp(height, STEPS, self.outer) - inner)

    def arc(self, layer: float) -> Reals:
        """Length along a layer from its foot to STEPS."""
        radius = self.radius(np.full(len(STEPS), layer), STEPS)
        step = np.hypot(np.diff(STEPS) * self.height, np.diff(radius))
        return np.concatenate([[0.0], np.cumsum(step)])


@dataclass(frozen=True, eq=False)
class Closed:
    """A flower's blades in its bud; all arrays over the M vertices of all of them, blade after blade."""

    chosen: Integers  # (M,)
    positions: Reals  # (M, 3)
    layer: Reals  # (M,) the whorl of each, 0 the innermost
    outer: Reals  # (M,) 1 in the outermost whorl, 0 deep inside
    along: Reals  # (M,) 0 at the foot, 1 at the tip
    foot: Reals  # (M,) bool
    blade: Integers  # (M,) which
    hinge: Reals  # (M, 3) unit axis about which a blade closes
    angle: Reals  # (M,) radians about it
    core: Integers  # (C,) vertices of what stands in the middle
    gathered: Reals  # (C, 3)


@dataclass(frozen=True, eq=False)
class Lobes:
    """Of a rim that is cut: the azimuth (M,) of the lobe that each vertex is in, how far up the cuts end, how many."""

    centre: Reals
    cut: float
    count: int  # 0: the rim is whole


def closed(flower: Flower, body: Body, core: Heart, tightness: float) -> Closed:
    """The flower's bud, about what stands in its middle; tightness in [0, 1]."""
    vertices, faces = body.vertices, body.faces
    r0, _, z0 = flower.local(np.array([vertices[b.chosen[b.foot]].mean(axis=0) for b in flower.blades]))
    out, azimuth, up = flower.local(np.array([vertices[b.chosen].mean(axis=0) for b in flower.blades]))
    elevation = np.arctan2(up - z0, out - r0)
    longest = max(b.length for b in flower.blades)
    width = np.array([blade.width for blade in flower.blades])
    key = elevation / (0.5 * np.pi) + 1.5 * (z0 - z0.mean()) / longest - (r0 - r0.mean()) / longest
    inward = np.argsort(-key, kind="stable")
    whorl = whorls(key, azimuth, width / np.maximum(0.4 * longest + r0, 1e-9), inward)
    small = 1.0 - (1.0 - SMALLER) * (0.4 + tightness)
    bud = _bud(flower, whorl, r0, small, tightness)
    shrunk = np.zeros((0, 3))
    if len(core.chosen):
        open_radius, turned, open_height = flower.local(vertices[core.chosen])
        base = float(np.quantile(r0, 0.95))
        radius, height = gathered(bud.outer, bud.height, base, (open_radius, open_height), core.loose)
        radius, height = np.where(core.fixed, open_radius, radius), np.where(core.fixed, open_height, height)
        shrunk = flower.world(radius, turned, height)
        inner = np.minimum(envelope(np.clip(height / bud.height, 0.0, 1.0), radius), 0.9 * bud.outer)
        bud = Bud(bud.height, np.maximum(bud.outer, 1.05 * inner), inner)

    if flower.round:
        places = [_round(flower, vertices, lobes(flower, vertices, faces), bud, small, float(z0[0]))]
    else:
        widest = np.array([_widest(blade) for blade in flower.blades])
        half = widest * np.tanh(0.5 * small * width / (widest * bud.outer.max()))
        layer = stacked(azimuth, half, inward)
        step = min(STEP, 1.0 / (layer.max() + 1))
        top = 1.0 - step * (layer.max() - layer)
        places = [
            _petal(blade, bud, (top[k] - step, top[k]), small, (azimuth[k], z0[k]))
            for k, blade in enumerate(flower.blades)
        ]
        for k, blade in enumerate(flower.blades):
            if blade.welded and not blade.side.any():  # the foot of a thick one goes in a circle
                places[k] = _on_seam(blade, places[k], flower.local(vertices[blade.chosen]))
    chosen = np.concatenate([b.chosen for b in flower.blades])
    owner = np.repeat(np.arange(len(places)), [len(b.chosen) for b in flower.blades])
    radius, turned, height = (np.concatenate(column) for column in zip(*places, strict=True))
    positions = flower.world(radius, turned, height)
    about = flower.local(vertices[chosen])[1] if flower.round else azimuth[owner]
    hinge = np.stack([np.sin(about), -np.cos(about), 0.0 * about], axis=1) @ flower.frame()
    foot = np.concatenate([b.foot for b in flower.blades])
    along = np.concatenate([np.maximum(b.along, 0.0) / b.length for b in flower.blades])
    return Closed(
        chosen, positions, whorl[owner].astype(float), (whorl[owner] + 1.0) / (whorl.max() + 1.0), along, foot,
        owner, hinge, _hinge_angle(flower, vertices[chosen], positions, foot, owner, azimuth), core.chosen, shrunk,
    )  # fmt: skip


def whorls(key: Reals, azimuth: Reals, angle: Reals, inward: Integers) -> Integers:
    """(B,) the whorl of each of B blades, the innermost 0: it ends where `key` (B,) makes a step, and where the next
    blade, in the order `inward` (B,), stands in front of one; angle (B,) covered by each in the open flower."""
    whorl, current = np.zeros(len(key), np.int64), []
    for before, k in zip([inward[0], *inward[:-1]], inward, strict=True):
        behind = apart(azimuth[current], azimuth[k]) < 0.25 * np.minimum(angle[current], angle[k])
        new = behind.any() or key[before] - key[k] > WHORL
        whorl[k] = whorl[before] + int(new)
        current = [k] if new else [*current, k]
    return whorl


def stacked(azimuth: Reals, half: Reals, inward: Integers) -> Integers:
    """(B,) the layer of each blade: one above the highest of those further in that it overlaps, where each covers
    `half` (B,) radians to either side of its azimuth."""
    layer = np.zeros(len(azimuth), np.int64)
    for place, k in enumerate(inward):
        below = inward[:place]
        over = below[apart(azimuth[below], azimuth[k]) < half[below] + half[k]]
        layer[k] = layer[over].max(initial=-1) + 1
    return layer


def apart(azimuth: Reals, other: Reals) -> Reals:
    """The angle between two azimuths, in [0, pi]."""
    return np.abs((azimuth - other + np.pi) % (2.0 * np.pi) - np.pi)


def _bud(flower: Flower, whorl: Integers, r0: Reals, small: float, tightness: float) -> Bud:
    """As wide as its outermost whorls can cover, as high as its longest petal reaches."""
    long = small * max(b.length for b in flower.blades)
    outermost = [b for b, w in zip(flower.blades, whorl, strict=True) if w >= whorl.max() - 1]
    cover = small * sum(b.width for b in outermost) / (2.0 * np.pi * 1.3)
    if flower.round:
        cover = 0.26 * long
    base = float(np.quantile(r0, 0.95))
    belly = np.clip(cover * (1.25 - 0.6 * tightness), 0.17 * long, (0.36 - 0.15 * tightness) * long)
    belly = max(float(belly), 1.06 * base)
    foot = base * (1.0 - STEPS) ** 2
    tip = (0.02 + 0.10 * max(0.6 - tightness, 0.0)) * long
    outer, tall = _silhouette(belly, foot, tip, long)
    while tall < 1.2 * belly and tip < 0.9 * belly:  # a broad disc stays open at the top
        tip += 0.1 * belly
        outer, tall = _silhouette(belly, foot, tip, long)
    return Bud(tall, outer, 0.0 * outer)


def _silhouette(belly: float, foot: Reals, tip: float, long: float) -> tuple[Reals, float]:
    """Radius at STEPS, and the height at which the outermost layer is as long as the longest petal."""
    outer = foot + (belly - foot) * SHAPE(STEPS)
    outer = np.maximum(outer, tip)
    low, high = 0.05 * long, 1.2 * long
    for _ in range(30):
        tall = 0.5 * (low + high)
        low, high = (tall, high) if Bud(tall, outer, 0.0 * outer).arc(1.0)[-1] < 1.02 * long else (low, tall)
    return outer, tall


def _petal(blade: Blade, bud: Bud, band: tuple[float, float], small: float, foot: tuple[float, float]):
    """Radius, azimuth and height of a petal in the bud; foot: its azimuth and height."""
    height, z, girth = _raised(blade, bud, band, small, foot[1])
    widest = _widest(blade)
    turned = widest * np.tanh(small * blade.across / (widest * girth))
    layer = band[0] + (band[1] - band[0]) * (0.5 + SLANT * turned / WIDEST)
    radius = bud.radius(layer, height)
    room = 0.3 * (band[1] - band[0]) * radius
    return radius + np.clip(small * blade.side, -room, room), foot[0] + turned, z


def _widest(blade: Blade) -> float:
    """Radians that a petal covers to either side, at most: of few columns of faces each would cut through a layer."""
    columns = np.sqrt(len(blade.chosen) * blade.width / max(blade.length, 1e-12)) - 1.0
    return float(np.clip(FACET * columns, 0.2, WIDEST))


def _on_seam(blade: Blade, place: tuple[Reals, Reals, Reals], opened: tuple[Reals, Reals, Reals]):
    """Where a petal is one surface with what it stands on, its foot stays: radius, azimuth and height in the bud, from
    those that it would have there alone, and in the open flower. The petal is drawn to its foot, it does not lie along
    the open flower for a while."""
    own = 1.0 - smoothstep(blade.along / (SEAM * blade.length))
    gaps = [there - here for here, there in zip(place, opened, strict=True)]
    gaps[1] = (gaps[1] + np.pi) % (2.0 * np.pi) - np.pi
    seam = np.flatnonzero(blade.foot)
    seam = seam[np.argsort(blade.across[seam], kind="stable")]
    return tuple(
        here + np.where(blade.foot, gap, own * np.interp(blade.across, blade.across[seam], gap[seam]))
        for here, gap in zip(place, gaps, strict=True)
    )


def _round(flower: Flower, vertices: Reals, lobe: Lobes, bud: Bud, small: float, foot: float):
    """The same of a blade that goes all the way round: its lobes overlap, what is below them is drawn together."""
    (blade,), band = flower.blades, (1.0 - LOBES, 1.0)
    height, _, girth = _raised(blade, bud, band, small, foot)
    open_radius, azimuth, open_z = flower.local(vertices[blade.chosen])
    aside = (azimuth - lobe.centre + np.pi) % (2.0 * np.pi) - np.pi
    lobed = (
        smoothstep((blade.along - lobe.cut) / max(0.6 * (blade.length - lobe.cut), 1e-9))
        if lobe.count
        else 0.0 * height
    )
    widest = min(WIDEST, 1.2 * np.pi / max(lobe.count, 1))  # each lobe overlaps the next one only
    wrapped = widest * np.tanh(small * aside * open_radius / (widest * girth))
    turned = aside + lobed**2 * (wrapped - aside)
    layer = band[0] + (band[1] - band[0]) * (0.5 + 0.45 * lobed * turned / WIDEST)
    radius = bud.radius(layer, height)
    if not lobe.count:  # furled: pleats, deeper towards the mouth
        radius *= 1.0 - 0.22 * smoothstep(1.3 * height) * (1.0 - np.cos(5.0 * azimuth))
    # its foot may be one with its stem: it leaves it as it is, and rises as its length has it
    step = np.linspace(0.0, blade.length, 41)
    near = np.clip(np.searchsorted(step, blade.along) - 1, 0, 39)
    count = np.maximum(np.bincount(near, minlength=40), 1)
    mean_radius, mean_z = (np.bincount(near, values, minlength=40) / count for values in (open_radius, open_z))
    above = smoothstep(step[1:] / (0.15 * blade.length))
    layer_radius = np.bincount(near, radius, minlength=40) / count
    profile = mean_radius + above * (layer_radius - mean_radius)
    rise = np.sqrt(np.maximum((small * np.diff(step[1:])) ** 2 - np.diff(profile) ** 2, 0.0))
    z = np.interp(blade.along, step[1:], mean_z[0] + np.concatenate([[0.0], np.cumsum(rise)]))
    own = 1.0 - smoothstep(blade.along / (0.1 * blade.length))
    room = 0.3 * radius
    radius = radius + np.clip(small * blade.side, -room, room)
    return (
        radius + own * (open_radius - radius), lobe.centre + turned,
        z + own * (open_z - np.interp(blade.along, step[1:], mean_z)),
    )  # fmt: skip


def _raised(blade: Blade, bud: Bud, band: tuple[float, float], small: float, foot: float) -> tuple[Reals, Reals, Reals]:
    """(M,) share of the bud's height, height from the flower's middle, and the radius about which a petal wraps."""
    arc = bud.arc(0.5 * (band[0] + band[1]))
    height = np.interp(np.maximum(blade.along, 0.0) * min(small, 0.98 * arc[-1] / blade.length), arc, STEPS)
    z = height * bud.height + foot * (1.0 - smoothstep(blade.along / (0.4 * blade.length)))
    radius = bud.radius(np.full(len(height), band[1]), height)
    return height, z, np.maximum(radius, POINTED * bud.outer.max())


def lobes(flower: Flower, vertices: Reals, faces: Integers) -> Lobes:
    """The lobes of a flower that goes all the way round: what its rim falls into when it is cut off ever lower."""
    (blade,) = flower.blades
    count = len(blade.chosen)
    index = np.full(len(vertices), -1)
    index[blade.chosen] = np.arange(count)
    sides = edges(index[faces[(index[faces] >= 0).all(axis=1)]])
    azimuth = flower.local(vertices[blade.chosen])[1]
    best = Lobes(np.zeros(count), blade.length, 0)
    for cut in np.linspace(0.85, 0.1, 26) * blade.length:
        above = sides[(blade.along[sides] > cut).all(axis=1)]
        piece = components(count, above)
        size = np.bincount(piece[blade.along > cut], minlength=piece.max() + 1)
        large = np.flatnonzero(size > 0.02 * count)
        if len(large) < max(best.count, 2):
            continue
        centre = np.zeros(count)
        for one in large:
            mine = azimuth[piece == one]
            centre[piece == one] = np.arctan2(np.sin(mine).sum(), np.cos(mine).sum())
        best = Lobes(centre, float(cut), len(large))
    return best


def _hinge_angle(flower: Flower, opened: Reals, shut: Reals, foot: Reals, owner: Integers, azimuth: Reals) -> Reals:
    """(M,) by how much the blade of each vertex swings up from its foot, radians."""
    swing = []
    for points in (opened, shut):
        radius, angle, height = flower.local(points)
        out = radius if flower.round else radius * np.cos(angle - azimuth[owner])
        run, rise = (
            np.bincount(owner, v) / np.bincount(owner) - np.bincount(owner, v * foot) / np.bincount(owner, foot)
            for v in (out, height)
        )
        swing.append(np.arctan2(rise, run))
    return (swing[1] - swing[0])[owner]


def furled(blade: Blade, vertices: Reals, tightness: float) -> Closed:
    """A blade of no flower, rolled up lengthwise on to one of its edges, as a young leaf is."""
    chosen, points = blade.chosen, vertices[blade.chosen]
    foot = points[blade.foot].mean(axis=0)
    # the plane that the blade lies in, by its own chart: along, across
    chart = np.stack([blade.along - blade.along.mean(), blade.across - blade.across.mean()], axis=1)
    along, across = np.linalg.lstsq(chart, points - points.mean(axis=0), rcond=None)[0]
    along = along / max(np.linalg.norm(along), 1e-12)
    across = across - (across @ along) * along
    across /= max(np.linalg.norm(across), 1e-12)
    normal = np.cross(along, across)
    bulge = (points - points.mean(axis=0)) @ normal
    hollow = np.sign(np.sum((blade.across - blade.across.mean()) ** 2 * (bulge - bulge.mean()))) or 1.0
    normal *= hollow  # it rolls to the side to which it is hollow already

    start, width = float(blade.across.min()), max(blade.width, 1e-12)
    inner, pitch = (0.13 - 0.09 * tightness) * width, 0.012 * width
    arc = blade.across - start
    turned = (np.sqrt(inner**2 + 2.0 * pitch * arc) - inner) / pitch
    outmost = (np.sqrt(inner**2 + 2.0 * pitch * width) - inner) / pitch
    radius = inner + pitch * turned
    angle = turned - outmost
    rolled = np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)
    positions = foot + blade.along[:, None] * along + rolled[:, :1] * across + (rolled[:, 1:] + radius.max()) * normal
    positions += foot - positions[blade.foot].mean(axis=0)
    count, share = len(chosen), np.maximum(blade.along, 0.0) / max(blade.length, 1e-12)
    return Closed(
        chosen, positions, np.zeros(count), np.zeros(count), share, blade.foot,
        np.zeros(count, np.int64), np.tile(np.cross(across, normal), (count, 1)), angle,
        np.zeros(0, np.int64), np.zeros((0, 3)),
    )  # fmt: skip
