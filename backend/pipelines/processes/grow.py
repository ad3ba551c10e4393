"""Grow: a front runs from the root to the tips; behind it everything lengthens, then thickens, straightens, unfolds.

What the front has not reached has no size and sits in the growing tip. Lengths grow before girths do, as in a shoot;
leaves start along their stem, folded, and turn out; petals start in a bud. Every triangle is told how far it has come
and the body is put together from them (`backend.geometry.growth`), so each moment is one solve with one matrix.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.geometry import fields
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Look, Reals
from backend.geometry.bud import closed
from backend.geometry.charts import Blade, Integers
from backend.geometry.coats import coats
from backend.geometry.fields import smoothstep
from backend.geometry.growth import Between, Puzzle
from backend.geometry.heart import heart
from backend.geometry.lattice import surface_samples
from backend.geometry.petals import Flower, flowers
from backend.pipelines.processes.process import Posed, Process
from backend.report import Report
from kernels.turning import turned

TOGETHER = 0.25  # of a leaf or a fruit: how much its tip lags behind its foot, over what it would on a stem
COMPACT = 0.3  # width over length from which a part without others on it grows as one
GIRTH, FLAT = 1.7, 1.25  # power of the length that the girth of stems follows, and the width of leaves
LEAN = 1.3  # radians by which the growing tip leans, at sway 1
TURNS = 4.0  # radians by which the side to which it leans turns, from the root to the tips
ALONG = 0.85  # share of the angle to its stem by which a young leaf is turned
FOLD = 1.1  # radians by which either half of a young leaf is folded
TIGHTNESS = 0.5  # of the bud that a flower starts as
TOUCH = 0.02  # what is nearer than this to a part that takes no part, as a pot, stands on it
YOUNG = np.array([0.38, 0.55, 0.12])  # linear albedo
STEM, PETAL = 0.7, 0.35  # share of the way to it from which a part of a plant starts
LEAFY = 0.3  # of its green, by which a leaf has more of it than of red and blue
OTHER, PLANT = 0.05, 0.15  # share of the surface that is leafy: a fruit with a leaf has less than a flower on its stem
FRESH = 0.30  # roughness


class Grow(Process):
    moves = True
    birth = True
    spares = True
    doing = "Growing"

    def __init__(self, settings, circumstances):
        super().__init__(settings, circumstances)
        body, anatomy = self.body, self.anatomy
        count = len(body.vertices)
        still = self.strength <= 0.0
        self.held = np.maximum(anatomy.held, standing(anatomy, still))
        self.distance = fields.root_distance(body, self.held, anatomy.bridged)
        self.start = self.distance.copy()  # when each vertex begins, before it is scaled to the settings
        self.carried = self.distance.copy()  # the same, of what carries it
        self.opened = self.distance.copy()  # the same, of the tip of the leaf or of the flower that it is in
        self.girth, self.pale = np.full(count, GIRTH), np.full(count, STEM)
        self.hinge, self.angle = np.tile([1.0, 0.0, 0.0], (count, 1)), np.zeros(count)
        self.midrib, self.fold = self.hinge.copy(), np.zeros(count)
        self.bud = body.vertices.copy()
        links = self._parts()
        self.pale *= self._vegetal()
        fixed = np.maximum(body.pin, still)
        self.fixed = fixed >= 0.5
        self.roots = _patches(self.held * ~self.fixed, body.faces)
        self.puzzle = puzzle = Puzzle(body.vertices, body.faces, np.maximum(fixed, self.roots >= 0), links)
        self._unfolding()
        self.outwards = fields.unit(puzzle.slope_of(self.start))
        self.start, self.carried, self.opened = map(self._spread, (self.start, self.carried, self.opened))
        azimuth = np.random.default_rng(self.seed).uniform(0.0, 2.0 * np.pi) + TURNS * self._over(self.distance)
        self.aside = np.stack([np.cos(azimuth), np.sin(azimuth), 0.0 * azimuth], axis=1)
        self._pace()
        self.webbed |= bool(_most(anatomy.labels, self.roots) > 1)

    def _vegetal(self) -> Reals:
        """(N,) in [0, 1] what starts in a young shoot's green: all of a plant, and of other things what is leafy."""
        red, green, blue = self.body.albedo.T
        leafy = smoothstep((green - np.maximum(red, blue)) / np.maximum(LEAFY * green, 1e-12))
        area = self.strength * fields.areas_around(self.body.vertices, self.body.faces)
        share = (area * leafy).sum() / max(area.sum(), 1e-12)
        return np.maximum(leafy, smoothstep((share - OTHER) / (PLANT - OTHER)))

    def _unfolding(self) -> None:
        """Of the triangles of leaves and petals: how they lie when young."""
        faces, sides = self.body.faces, self.puzzle.sides
        fold, angle = self._over(self.fold), self._over(self.angle)
        target = self.bud[faces][:, 1:] - self.bud[faces][:, :1]
        self.shaped = np.flatnonzero((fold != 0.0) | (angle != 0.0) | (target != sides).any(axis=(1, 2)))
        hinge = fields.unit(self._over(self.hinge))
        as_leaf = (target == sides).all(axis=(1, 2))  # swung, and no more; petals know where they lie in the bud
        target[as_leaf] = turned(target[as_leaf], hinge[as_leaf], angle[as_leaf])
        self.between = Between(*(values[self.shaped] for values in (sides, target, hinge, angle)))
        self.midrib, self.fold = fields.unit(self._over(self.midrib))[self.shaped], fold[self.shaped]

    def _spread(self, start: Reals) -> Reals:
        return (0.1 + 0.9 * self.settings.order) * start

    def _over(self, values: Reals) -> Reals:
        """The mean over each triangle."""
        return values[self.body.faces].mean(axis=1)

    def _pace(self) -> None:
        """How far the front is at what tau: so that as much of the body, and of its height, appears in each frame."""
        self.band = 1.05 - 0.75 * self.settings.order
        last = self._spread(np.ones(1))[0] + self.band
        self.fronts = np.linspace(0.0, last, 129)
        growing = self.start[self.strength > 0.0]
        even = np.concatenate([growing, self._spread(np.linspace(0.0, 1.0, len(growing)))])
        some = even[:: max(len(even) // 4000, 1)]
        done = np.array([_grown(np.clip((front - some) / self.band, 0.0, 1.0)).mean() for front in self.fronts])
        self.done = done / done[-1]

    def _parts(self) -> Integers:
        """Sets when and how the parts that grow as one begin; (L, 2) by what vertices all hang together."""
        anatomy, vertices, distance = self.anatomy, self.body.vertices, self.distance
        labels = anatomy.labels
        found, alone = flowers(anatomy)
        first = np.full(labels.max() + 1, np.inf)
        np.minimum.at(first, labels, distance)
        whole = np.zeros(len(first), bool)  # parts whose beginning is known
        links: list[tuple[int, int]] = []
        for flower in found:
            middle = heart(flower, anatomy)
            shut = closed(flower, self.body, middle, TIGHTNESS)
            self.bud[shut.chosen] = shut.positions
            self.hinge[shut.chosen], self.angle[shut.chosen] = shut.hinge, shut.angle
            receptacle, feet = self._feet(flower, middle.chosen[~middle.fixed], first)
            begin = float(distance[receptacle])
            links += [(receptacle, foot) for foot in feet if foot != receptacle]
            longest = max(blade.length for blade in flower.blades)
            for blade in flower.blades:
                late = TOGETHER * (1.0 - begin) * blade.along / longest
                self.start[blade.chosen], self.carried[blade.chosen] = begin + late, begin
                self.pale[blade.chosen] = PETAL
                self.opened[blade.chosen] = begin + TOGETHER * (1.0 - begin)
                self.girth[blade.chosen] = FLAT
            whole[labels[feet]] = True
        sheet = np.bincount(labels, anatomy.is_sheet) > 0
        coat = coats(vertices, self.body.faces, labels, sheet)
        whole |= coat
        rooted = np.bincount(labels, self.held) > 0
        legs = rooted & (np.bincount(labels, anatomy.is_sheet | (self.strength <= 0.0)) == 0)
        joined, self.webbed = _joining(labels, rooted, legs, links, anatomy.bridged)
        links += joined

        leaves = {int(labels[blade.chosen[0]]): blade for blade in alone}
        later = first[labels[anatomy.bridged]]
        parent = np.where(later[:, 0] <= later[:, 1], anatomy.bridged[:, 0], anatomy.bridged[:, 1])
        carries = np.bincount(labels[parent], minlength=len(first)) > 0
        stems = np.flatnonzero(~whole[labels] & ~np.isin(labels, list(leaves)))
        for label in np.flatnonzero(~rooted & ~whole):
            chosen = np.flatnonzero(labels == label)
            leaf = leaves.get(int(label))
            if leaf is None and (carries[label] or not _compact(vertices[chosen])):
                continue
            self.start[chosen] = first[label] + TOGETHER * (distance[chosen] - first[label])
            self.carried[chosen] = first[label]
            if leaf is not None:
                self.opened[chosen] = self.start[chosen].max()
                self.girth[chosen] = FLAT
                self._unfold(leaf, stems)
        solid = np.flatnonzero(~sheet[labels] & ~coat[labels])
        for label in np.flatnonzero(coat):
            links += self._cover(np.flatnonzero(labels == label), solid)
        return np.array(links, np.int64).reshape(-1, 2)

    def _cover(self, chosen: Integers, solid: Integers) -> list[tuple[int, int]]:
        """Lets a coat grow as what is beneath it does, among `solid`; by what vertices it is bound to that."""
        under = solid[cKDTree(self.body.vertices[solid]).query(self.body.vertices[chosen])[1]]
        for values in (self.start, self.carried, self.opened, self.girth, self.pale):
            values[chosen] = values[under]
        return list(zip(under.tolist(), chosen.tolist(), strict=True))

    def _feet(self, flower: Flower, middle: Integers, first: Reals) -> tuple[int, list[int]]:
        """The vertex on which a flower sits, and of each of its parts the one that is nearest to its middle."""
        labels, vertices = self.anatomy.labels, self.body.vertices
        blades = [blade.chosen for blade in flower.blades]
        inside = [middle[labels[middle] == label] for label in np.unique(labels[middle])]
        away = np.linalg.norm(vertices - flower.middle, axis=1)
        feet = [int(chosen[np.argmin(away[chosen])]) for chosen in [*blades, *inside]]
        stem = np.ones(len(vertices), bool)
        stem[np.concatenate(blades)] = False
        near = np.flatnonzero(stem & (away < 0.35 * max(blade.length for blade in flower.blades)))
        if not len(near):
            return feet[0], feet
        carrier = labels[near[np.argmin(first[labels[near]])]]
        near = near[labels[near] == carrier]
        return int(near[np.argmin(away[near])]), [foot for foot in feet if labels[foot] != carrier]

    def _unfold(self, leaf: Blade, stems: Integers) -> None:
        """Turns a young leaf along the stem that it is on, among `stems`, and folds it along its midrib."""
        vertices, distance = self.body.vertices, self.distance
        points = vertices[leaf.chosen]
        foot = points[leaf.foot].mean(axis=0)
        near = stems[np.linalg.norm(vertices[stems] - foot, axis=1) < max(0.05, 0.5 * leaf.length)]
        if not len(near):  # a sheet on sheets, as of a book, is no leaf
            return
        rise = distance[near] - distance[leaf.chosen[leaf.foot]].mean()
        stem = rise @ (vertices[near] - foot)
        size = np.linalg.norm(stem)
        stem = stem / size if size > 1e-9 else np.array([0.0, 0.0, 1.0])
        midrib = points.mean(axis=0) - foot
        midrib /= max(np.linalg.norm(midrib), 1e-12)
        hinge = np.cross(midrib, stem)
        sine = np.linalg.norm(hinge)
        if sine > 1e-6:
            self.hinge[leaf.chosen] = hinge / sine
            self.angle[leaf.chosen] = ALONG * np.arctan2(sine, midrib @ stem)
        aside = leaf.across @ (points - points.mean(axis=0))
        side = np.sign(np.cross(midrib, aside) @ (stem - (stem @ midrib) * midrib)) or 1.0
        self.midrib[leaf.chosen] = midrib
        self.fold[leaf.chosen] = side * FOLD * np.clip(leaf.across / max(0.12 * leaf.width, 1e-12), -1.0, 1.0)

    def age(self, tau: float, start: Reals) -> Reals:
        """(N,) 0 before the front has come, 1 when grown, where `start` (N,) says when the front comes."""
        front = np.interp(tau, self.done, self.fronts)
        return 1.0 - self.strength * (1.0 - np.clip((front - start) / self.band, 0.0, 1.0))

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        for tau in taus:
            report(float(tau), self.doing)
            positions = self.body.vertices.copy() if tau >= 1.0 else self.pose(float(tau))
            yield Posed(positions, keeps=_grown(self.age(float(tau), self.start)))  # what is small moves little

    def pose(self, tau: float) -> Reals:
        """(N, 3) the body when the front is as far as it is at tau."""
        start, puzzle = self.body.vertices, self.puzzle
        age = self.age(tau, self.start)
        length = _grown(age)
        wide = length**self.girth
        young = 1.0 - smoothstep(self._over(self.age(tau, self.carried)))
        a, b = puzzle.links.T
        gap = 0.5 * (wide[a] + wide[b])[:, None] * (start[b] - start[a])
        long, wide = self._over(length)[:, None, None], self._over(wide)[:, None, None]
        out = self.outwards[:, None]
        sides = wide * puzzle.sides + (long - wide) * (puzzle.sides * out).sum(axis=2, keepdims=True) * out
        shut = 1.0 - smoothstep(self.age(tau, self.opened)[self.body.faces[self.shaped]].mean(axis=1))
        sides[self.shaped] = self.between.at(shut, turned(sides[self.shaped], self.midrib, self.fold * shut))
        sides = turned(sides, self.aside, LEAN * self.settings.sway * young)
        positions = puzzle.solve(sides, gap, self._rooted(length**GIRTH))
        positions[self.fixed] = start[self.fixed]
        positions[:, 2] = np.maximum(positions[:, 2], 0.0)
        return positions

    def _rooted(self, girth: Reals) -> Reals:
        """(N, 3) where the root is: each patch of it spreads from its own middle."""
        places = self.body.vertices.copy()
        mine = np.flatnonzero(self.roots >= 0)
        if len(mine):
            patch = self.roots[mine]
            size = np.bincount(patch)
            middle = np.stack([np.bincount(patch, column) / size for column in places[mine].T], axis=1)[patch]
            middle[:, 2] = 0.0
            places[mine] = middle + girth[mine, None] * (places[mine] - middle)
        return places

    def look(self, tau: float, look: Look) -> Look:
        age = self.age(tau, self.start)
        young = self.strength * (1.0 - smoothstep(age))
        if self.webbed:  # between two roots what has not come yet is a web, not a point
            look = look.toward(1.0 - np.clip(age / 0.04, 0.0, 1.0), opacity=0.0)
        return look.toward(self.pale * young, albedo=YOUNG).toward(0.8 * young, roughness=FRESH)


def _grown(age: Reals) -> Reals:
    """Length over final length: an S, but from next to nothing at once."""
    return 0.15 * age + 0.85 * smoothstep(age)


def _compact(points: Reals) -> bool:
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov((points - points.mean(axis=0)).T)), 0.0))
    return bool(spread[1] > COMPACT * spread[2])


def _patches(held: Reals, faces) -> Integers:
    """(N,) the patch of the root that each vertex is in, -1 outside."""
    inside = held >= 0.5
    sides = fields.edges(faces)
    sides = sides[inside[sides].all(axis=1)]
    label = fields.components(len(held), sides)
    patch = np.full(len(held), -1)
    patch[inside] = np.unique(label[inside], return_inverse=True)[1]
    return patch


def _most(labels: Integers, roots: Integers) -> int:
    """The largest number of root patches that one part has."""
    pairs = np.unique(np.stack([labels, roots], axis=1)[roots >= 0], axis=0)
    return int(np.bincount(pairs[:, 0]).max(initial=0))


def _joining(
    labels: Integers, rooted, legs, links: list[tuple[int, int]], bridged: Integers
) -> tuple[list[tuple[int, int]], bool]:
    """Those of the bridges that join what neither roots nor `links` join already, and all on which a part stands on
    several `legs`, as a table does; and whether one does. rooted, legs (P,) bool, of the parts."""
    group = np.arange(len(rooted))
    group[rooted] = len(rooted)
    known = np.zeros(len(rooted), bool)  # parts that hang together by `links`
    carriers = [set() for _ in rooted]
    found = []

    def join(a: int, b: int) -> bool:
        one, other = group[labels[a]], group[labels[b]]
        group[group == other] = one
        return one != other

    for a, b in links:
        join(a, b)
        known[labels[[a, b]]] = True
    for a, b in bridged:
        carried, carrier = labels[[a, b] if legs[labels[b]] else [b, a]]
        direct = legs[carrier] and not known[carried]
        if join(a, b) or (direct and carriers[carried] - {carrier}):
            found.append((int(a), int(b)))
        if direct:
            carriers[carried].add(carrier)
    return found, any(len(several) > 1 for several in carriers)


def standing(anatomy: Anatomy, still: NDArray[np.bool_]) -> Reals:
    """(N,) 1 for what stands on, or in, what is `still` (N,): its root is there, however coarse that part is.

    A leaf that only leans on the rim of a pot does not stand there: it hangs on its stem.
    """
    vertices, labels = anatomy.body.vertices, anatomy.labels
    faces = anatomy.body.faces[still[anatomy.body.faces].all(axis=1)]
    found = np.zeros(len(still))
    if not len(faces) or still.all():
        return found
    rising = np.zeros(labels.max() + 1, bool)  # parts, of which nothing else carries one
    rising[labels[anatomy.bridged[still[anatomy.bridged].any(axis=1)]]] = True
    rising[labels[still | ~anatomy.is_sheet]] = True
    surface, _ = surface_samples(vertices, faces, TOUCH)
    moving = np.flatnonzero(~still & rising[labels])
    gap, _ = cKDTree(surface).query(vertices[moving], distance_upper_bound=TOUCH)
    found[moving[np.isfinite(gap)]] = 1.0
    return found
