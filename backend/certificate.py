"""What was measured about a finished clip: frame by frame as it comes, and the rest once it is there.

It shares no code with what makes the clips. Of these it keeps five frames. Lengths are given in units of the subject's
largest extent. How often each thing is looked at stands beside it; what costs most, crossings, at the first, middle
and last frame.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend import protocol
from backend.clip import Frame, Mesh

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CURVE = (0, 25, 50, 75, 100)  # percent of the frames at which one is kept
LOOKED_AT = {"first": 0, "middle": 50, "last": 100}
FACES = 2_000_000  # faces of all frames together; of a heavier clip not every frame has its faces measured
CELLS = 64  # along the subject, where volume is counted in voxels
STILL = 1e-5  # of the size: a smaller step is none
TURNED = -0.5  # cosine of the angle between two normals, 120 degrees


# Names that the summary and the detail share
COLOUR, SUNK, TIME = "colour", "below the lowest point of the subject", "time taken"
TURNED_OVER, FOLDED = "faces turned over within one frame", "new folds on to a neighbour"
CROSSING, IN_SIGHT = "new crossings", "new crossings in sight"
VOLUME, VOLUME_CHANGE, CORRECTED = "volume", "largest change of volume", "volume put back by correction"


class Measure:
    """Collects measurements of a clip of so many `frames`, previews not among them; `certificate()` sums them up."""

    def __init__(self, subject: Mesh, frames: int):
        self._surface = surface = _Surface(subject)
        self._keep = {percent: round(percent / 100 * (frames - 1)) for percent in CURVE}
        self._kept: dict[int, _Moment] = {}  # by percent
        self._end = frames - 1
        self._every = max(1, -(-frames * len(surface.faces) // FACES))
        self._colour = subject.albedo
        self._last = surface.rest
        self._steps: list[tuple[float, float]] = []  # largest, mean
        self._moved = self._moved_mean = self._sunk = self._coloured = self._corrected = self._gone = 0.0
        self._stretch = self._stretch_of_most = self._volume_change = 0.0
        self._turned = self._count = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame, whose positions must be finite."""
        surface = self._surface
        now = _Moment(surface.own(frame.positions), frame.opacity)
        moved = _lengths(now.positions - surface.rest)
        self._moved = max(self._moved, _largest(moved))
        self._moved_mean = max(self._moved_mean, _mean(moved))
        self._sunk = max(self._sunk, _lowest(surface.rest) - _lowest(now.positions))
        self._corrected = max(self._corrected, frame.corrected)
        self._gone = 1.0 - _mean(now.there(surface.faces))
        self._add_colour(frame)
        if self._count:
            step = _lengths(now.positions - self._last)
            self._steps.append((_largest(step), _mean(step)))
        if self._count % self._every == 0 or self._count == self._end:
            self._add_faces(now)
        self._kept |= {percent: now for percent, index in self._keep.items() if index == self._count}
        self._last = now.positions
        self._count += 1

    def _add_colour(self, frame: Frame) -> None:
        if frame.albedo is None:
            return
        if self._colour is None:
            self._colour = frame.albedo
        change = np.abs(frame.albedo - self._colour).max(axis=1, initial=0.0)
        self._coloured = max(self._coloured, _mean(change))

    def _add_faces(self, now: "_Moment") -> None:
        surface, there = self._surface, now.there(self._surface.faces)
        corners = now.positions[surface.faces]
        if self._count:
            # of a frame against the one before it: a face that turns over within one has been pushed through
            turned = _opposed(_normals(self._last[surface.faces]), _normals(corners))
            self._turned = max(self._turned, int((turned & there).sum()))
        stretch = surface.stretch(corners, there)
        self._stretch = max(self._stretch, _largest(stretch))
        if len(stretch):
            self._stretch_of_most = max(self._stretch_of_most, float(np.quantile(stretch, 0.99)))
        if surface.is_closed and surface.has_volume:
            self._volume_change = max(self._volume_change, abs(surface.volume(corners) - 1.0))

    def certificate(self, seconds: float | None = None) -> protocol.Certificate:
        """Of all frames; `seconds` is what the clip took to make, where that is known. Loads numba."""
        found = self._motion() + self._shape() + self._volumes()
        if seconds is not None:
            found.append((TIME, float(seconds), "s"))
        return protocol.Certificate(measured=tuple(found), summary=_summary({name: value for name, value, _ in found}))

    def _motion(self) -> list[tuple[str, float, str]]:
        size, count = self._surface.size, len(self._surface.faces)
        steps = np.array(self._steps).reshape(-1, 2) / size
        pace = steps[:, 0]
        moves = pace > max(STILL, 0.1 * _mean(pace))  # a tenth of the even pace can be seen
        way = np.concatenate([[0.0], np.cumsum(steps[:, 1])])
        middle = np.interp(0.5 * (len(way) - 1), np.arange(len(way)), way)
        return [
            ("frames", float(self._count), ""),
            (protocol.Certificate.DISPLACEMENT, self._moved / size, "of the size"),
            ("mean displacement", self._moved_mean / size, "of the size, in the frame where it is largest"),
            ("largest step between frames", _largest(pace), "of the size"),
            ("steps that move", _mean(moves), "of the steps between frames"),
            ("way done at the middle", float(middle / way[-1]) if moves.any() else 0.0, "of the whole way"),
            (COLOUR, self._coloured, "mean change of linear colour, in the frame where it is largest"),
            ("surface gone at the end", self._gone, f"of {count} faces"),
            (SUNK, self._sunk / size, "of the size, in the worst frame"),
        ]

    def _shape(self) -> list[tuple[str, float, str]]:
        surface = self._surface
        faces = f"of {len(surface.faces)}"
        often = "in the worst frame" if self._every == 1 else f"in the worst frame, one in {self._every} looked at"
        found = [
            ("largest stretch", self._stretch, f"times the length of an edge, {often}"),
            ("stretch of 99 % of the edges", self._stretch_of_most, f"times their length at most, {often}"),
            (TURNED_OVER, float(self._turned), f"{faces} faces, {often}"),
        ]
        if not self._kept:
            return found
        kept = {which: self._kept[percent] for which, percent in LOOKED_AT.items()}
        # frames may be one and the same where they are few
        results = {id(moment): (surface.folds(moment), *surface.crossings(moment)) for moment in kept.values()}
        for place, what in enumerate((FOLDED, CROSSING, IN_SIGHT)):
            for which, moment in kept.items():
                marked = float(results[id(moment)][place].sum())
                found.append((f"{what} in the {which} frame", marked, f"{faces} faces"))
        return found

    def _volumes(self) -> list[tuple[str, float, str]]:
        surface = self._surface
        if not self._kept or not surface.has_volume:
            return []
        how = "exact" if surface.is_closed else f"by voxels, {CELLS} along the subject"
        curve = {percent: surface.volume(self._kept[percent].positions[surface.faces]) for percent in CURVE}
        change = max(self._volume_change, *(abs(volume - 1.0) for volume in curve.values()))
        found = [(VOLUME_CHANGE, change, f"of the subject's, {how}")]
        found += [(f"{VOLUME} at {percent} % of the frames", curve[percent], "of the subject's") for percent in CURVE]
        return [*found, (CORRECTED, self._corrected, "of the volume, summed up to the end")]


def _summary(found: dict[str, float]) -> str:
    """One line for the panel."""
    moved = found[protocol.Certificate.DISPLACEMENT]
    said = [f"moves {moved:.2f} of its size" if moved >= 0.005 else "keeps its place"]
    if moved < 0.005 and found[COLOUR] >= 0.005:
        said.append("changes its colour")
    if VOLUME_CHANGE in found:
        said.append(_volume_in_words(found))
    if found[TURNED_OVER]:
        said.append(f"{_faces(found[TURNED_OVER])} turned over")
    if f"{CROSSING} in the last frame" in found:
        new, seen = (max(found[f"{what} in the {which} frame"] for which in LOOKED_AT) for what in (CROSSING, IN_SIGHT))
        said.append(f"{_faces(new)} newly crossing, {seen:.0f} in sight" if new else "no new crossings")
    if found[SUNK] >= 0.005:
        said.append(f"{found[SUNK]:.2f} below the floor")
    if TIME in found:
        said.append(f"{found[TIME]:.1f} s")
    return ", ".join(said)


def _faces(count: float) -> str:
    return f"{count:.0f} face{'' if count == 1 else 's'}"


def _volume_in_words(found: dict[str, float]) -> str:
    change, end = found[VOLUME_CHANGE], found[f"{VOLUME} at 100 % of the frames"]
    if end < 0.0:
        return "turned inside out"
    told = f"volume kept to {100 * change:.1f} %" if change < 0.05 else f"volume {100 * end:.0f} % at the end"
    put_back = found[CORRECTED]
    return f"{told} ({100 * put_back:.1f} % put back)" if put_back >= 0.001 else told


@dataclass(frozen=True, eq=False)
class _Moment:
    """What a frame is measured by."""

    positions: Reals  # (V, 3) about the middle of the subject
    opacity: NDArray[np.float32] | None

    def there(self, faces: Ints) -> Bools:
        """(F,) the faces that are not gone."""
        if self.opacity is None:
            return np.ones(len(faces), bool)
        return self.opacity[faces].mean(axis=1) >= 0.5


class _Surface:
    """The subject, and frames held against it. What is not always needed is worked out when it is."""

    def __init__(self, subject: Mesh):
        vertices = subject.vertices.astype(np.float64) if len(subject.vertices) else np.zeros((1, 3))
        lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
        self.faces = subject.faces
        self.size = float((highest - lowest).max()) or 1.0
        self._middle = (lowest + highest) / 2
        self.rest = self.own(subject.vertices)
        self._rest_corners = self.rest[self.faces]
        # Vertices at one place are one: faces beside a seam are neighbours.
        self._names = _welded(self.rest, self.size)[self.faces]
        # float32 far from the origin rounds coarsely, and must not decide
        self._slack = max(1e-6 * self.size, 4 * float(np.finfo(np.float32).eps * np.abs(vertices).max()))

    def own(self, positions: NDArray[np.float32]) -> Reals:
        """(V, 3) about the middle of the subject, where differences of float64 lose nothing."""
        return positions.astype(np.float64) - self._middle

    def stretch(self, corners: Reals, there: Bools) -> Reals:
        """Of each edge of each face that is `there`, against the subject."""
        rest = self._rest_lengths
        measurable = (rest > STILL * self.size) & there[:, None]
        return _edge_lengths(corners)[measurable] / rest[measurable]

    @cached_property
    def _rest_lengths(self) -> Reals:
        return _edge_lengths(self._rest_corners)

    # --- Volume

    @cached_property
    def is_closed(self) -> bool:
        return is_closed(self._names)

    @cached_property
    def has_volume(self) -> bool:
        """A sheet has none: the volume by its area is a thickness, and that must be a cell of the voxels at least."""
        area = float(_lengths(_normals(self._rest_corners)).sum()) / 2
        thickness = 1e-4 if self.is_closed else 1 / CELLS
        return abs(self._rest_volume) > area * thickness * self.size

    def volume(self, corners: Reals) -> float:
        """Of the subject's; negative where it is turned inside out."""
        return self._volume(corners) / self._rest_volume

    @cached_property
    def _rest_volume(self) -> float:
        return self._volume(self._rest_corners)

    def _volume(self, corners: Reals) -> float:
        if self.is_closed:  # the divergence theorem
            return float(np.einsum("fk,fk->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))) / 6.0
        if len(corners) == 0:
            return 0.0
        from kernels.inside import inside  # numba

        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        cell = max(self.size / CELLS, float((high - low).max()) / (4 * CELLS))
        shape = tuple(int(n) + 1 for n in np.ceil((high - low) / cell))
        return float(inside((corners - low) / cell + 0.5, shape).sum()) * cell**3

    # --- Folds

    @cached_property
    def _hinges(self) -> tuple[Ints, NDArray[np.float64]]:
        """(H, 2) faces that meet at an edge, two and no more, and 1 where they face one way, -1 where they do not."""
        edges = np.concatenate([self._names[:, [0, 1]], self._names[:, [1, 2]], self._names[:, [2, 0]]])
        face = np.tile(np.arange(len(self.faces)), 3)
        low, high = edges.min(axis=1, initial=np.iinfo(np.int64).max), edges.max(axis=1, initial=0)
        order = np.argsort(low * (high.max(initial=0) + 1) + high, kind="stable")
        low, high, face, along = low[order], high[order], face[order], (edges[:, 0] == low)[order]
        first = np.flatnonzero(np.r_[True, (np.diff(low) != 0) | (np.diff(high) != 0)][: len(low)])
        first = first[np.diff(np.r_[first, len(low)]) == 2]
        return np.stack([face[first], face[first + 1]], axis=1), np.where(along[first] != along[first + 1], 1.0, -1.0)

    def _folded(self, corners: Reals) -> Bools:
        hinges, facing = self._hinges
        normals = _normals(corners)
        return _opposed(normals[hinges[:, 0]], facing[:, None] * normals[hinges[:, 1]])

    @cached_property
    def _folded_before(self) -> Bools:
        return self._folded(self._rest_corners)

    def folds(self, moment: _Moment) -> Bools:
        """(F,) faces that lie back on a neighbour, turned against it by more than 120 degrees, and did not."""
        new = self._hinges[0][self._folded(moment.positions[self.faces]) & ~self._folded_before]
        marked = np.zeros(len(self.faces), bool)
        marked[new.ravel()] = True
        return marked & moment.there(self.faces)

    # --- Crossings

    @cached_property
    def _crossing_before(self) -> Bools:
        return self._crossing(self._rest_corners, self._names)

    def _crossing(self, corners: Reals, names: Ints) -> Bools:
        from kernels.crossings import crossings  # numba

        return crossings(corners, names, self._slack)

    def crossings(self, moment: _Moment) -> tuple[Bools, Bools]:
        """(F,) faces that cross another and did not, and those of them that can be seen from outside."""
        from kernels.visible import visible  # numba

        there = np.flatnonzero(moment.there(self.faces))
        new, in_sight = np.zeros((2, len(self.faces)), bool)
        if _largest(np.abs(moment.positions - self.rest)) <= self._slack:
            return new, in_sight
        corners = moment.positions[self.faces[there]]
        new[there] = self._crossing(corners, self._names[there]) & ~self._crossing_before[there]
        if new.any():
            pixels = int(np.clip(4 * np.sqrt(len(there)), 256, 1024))
            in_sight[there] = visible(corners, pixels) & new[there]
        return new, in_sight


def is_closed(faces: Ints) -> bool:
    """Whether the triangles (F, 3) run along each edge as often one way as the other: then a volume is well defined."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    edges = edges[edges[:, 0] != edges[:, 1]]
    base = int(edges.max(initial=0)) + 1
    return len(edges) > 0 and np.array_equal(np.sort(edges @ [base, 1]), np.sort(edges @ [1, base]))


def _welded(vertices: Reals, size: float) -> Ints:
    """(V,) a number of the place each vertex is at, to a millionth of the size."""
    place = ((vertices - vertices.min(axis=0, initial=0.0)) * (2**20 / size)).astype(np.int64)
    return np.unique(place @ [1, 2**21, 2**42], return_inverse=True)[1]


def _normals(corners: Reals) -> Reals:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _opposed(normals: Reals, others: Reals) -> Bools:
    return np.einsum("fk,fk->f", normals, others) < TURNED * _lengths(normals) * _lengths(others)


def _edge_lengths(corners: Reals) -> Reals:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.stack([_lengths(b - a), _lengths(c - b), _lengths(a - c)], axis=1)


def _lengths(vectors: Reals) -> Reals:
    return np.sqrt(np.einsum("vk,vk->v", vectors, vectors))


def _lowest(positions: Reals) -> float:
    return float(positions[:, 2].min()) if len(positions) else 0.0


def _largest(values: Reals) -> float:
    return float(values.max(initial=0.0))


def _mean(values: NDArray) -> float:
    return float(values.mean()) if len(values) else 0.0
