"""What was measured about a finished clip: frame by frame as it comes, and the rest once it is there.

With what makes the clips it shares one kernel, the one that finds crossing triangles, which is tested against its plain
definition, and no other code. It keeps five frames of a clip, and of a loop at most 24 more. Lengths are given in
units of the subject's largest extent. How often each thing is looked at stands beside it; what costs most, crossings,
at the first, middle and last frame.
"""

import numpy as np
from numpy.typing import NDArray

from backend import protocol
from backend.certificate.solids import CELLS, Reals, is_closed
from backend.certificate.surface import STILL, Moment, Surface, face_normals, lengths, opposed
from backend.clip import Frame, Mesh

__all__ = ["Measure", "is_closed"]

CURVE = (0, 25, 50, 75, 100)  # percent of the frames at which one is kept
LOOKED_AT = {"first": 0, "middle": 50, "last": 100}
FACES = 2_000_000  # faces of all frames together; of a heavier clip not every frame has its faces measured
TOLD = 0.1  # of the surface: what is less is not spoken of in the summary
LOOKS = 24  # frames of a loop, whose mean is what it swings about
SEEN = 5e-4  # of the size: a swing or a lean that is less is not spoken of
COARSE, BENT = 0.3, 0.05  # from edges this long beside their part on, what moves this far of its size would be smoother

# Names that the summary and the detail share
COLOUR, SUNK, TIME = "colour", "below the lowest point of the subject", "time taken"
TURNED_OVER, FOLDED = "faces turned over within one frame", "new folds on to a neighbour"
CROSSING, IN_SIGHT, CROSSING_BEFORE = "new crossings", "new crossings in sight", "crossings in the subject itself"
VOLUME, VOLUME_CHANGE, CORRECTED = "volume", "largest change of volume", "volume put back by correction"
EDGES = "usual length of edges"
SWING, LEAN = "largest swing", "largest lean"
SHEETS, AREA = "open sheets", "area of the sheets"


class Measure:
    """Collects measurements of a clip of so many `frames`, previews not among them; `certificate()` sums them up.

    Of a `loop`, which has no end, it tells how far things swing and lean, and how volume changes at any time.
    """

    def __init__(self, subject: Mesh, frames: int, loop: bool = False):
        self._surface = surface = Surface(subject)
        self._keep = {percent: round(percent / 100 * (frames - 1)) for percent in CURVE}
        self._kept: dict[int, Moment] = {}  # by percent
        self._end = frames - 1
        self._loop, self._apart = loop, max(1, -(-frames // LOOKS))
        self._around: list[NDArray[np.float32]] = []  # (V, 3) from rest, of a loop, every so many frames
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
        now = Moment(surface.own(frame.positions), frame.opacity)
        away = now.positions - surface.rest
        moved = lengths(away)
        if self._loop and self._count % self._apart == 0:
            self._around.append(away.astype(np.float32))
        self._moved = max(self._moved, _largest(moved))
        self._moved_mean = max(self._moved_mean, _mean(moved))
        self._sunk = max(self._sunk, _lowest(surface.rest) - _lowest(now.positions))
        self._corrected = max(self._corrected, frame.corrected)
        self._gone = 1.0 - _mean(now.there(surface.faces))
        self._add_colour(frame)
        if self._count:
            step = lengths(now.positions - self._last)
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

    def _add_faces(self, now: Moment) -> None:
        surface, there = self._surface, now.there(self._surface.faces)
        corners = now.positions[surface.faces]
        if self._count:
            # of a frame against the one before it: a face that turns over within one has been pushed through
            turned = opposed(face_normals(self._last[surface.faces]), face_normals(corners))
            self._turned = max(self._turned, int((turned & there).sum()))
        stretch = surface.stretch(corners, there)
        self._stretch = max(self._stretch, _largest(stretch))
        if len(stretch):
            self._stretch_of_most = max(self._stretch_of_most, float(np.quantile(stretch, 0.99)))
        solids = surface.solids
        if not solids.vessels.any() and solids.holds.any():  # voxels in each frame would take too long
            self._volume_change = max(self._volume_change, solids.change(corners))

    def certificate(self, seconds: float | None = None) -> protocol.Certificate:
        """Of all frames; `seconds` is what the clip took to make, where that is known. Loads numba."""
        found = self._motion() + self._shape() + self._contents()
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
            *self._swings(),
            (COLOUR, self._coloured, "mean change of linear colour, in the frame where it is largest"),
            ("surface gone at the end", self._gone, f"of {count} faces"),
            (SUNK, self._sunk / size, "of the size, in the worst frame"),
        ]

    def _swings(self) -> list[tuple[str, float, str]]:
        """Of a loop: how far vertices go about where they are on average, and how far that is from the subject."""
        if not self._around:
            return []
        middle = np.mean(self._around, axis=0, dtype=np.float64)
        swing = max(_largest(lengths(away - middle)) for away in self._around)
        size = self._surface.size
        return [
            (SWING, swing / size, "of the size, about where a vertex is on average"),
            (LEAN, _largest(lengths(middle)) / size, "of the size, from the subject to there"),
        ]

    def _shape(self) -> list[tuple[str, float, str]]:
        surface = self._surface
        faces = f"of {len(surface.faces)}"
        often = self._often
        found = [
            ("largest stretch", self._stretch, f"times the length of an edge, {often}"),
            ("stretch of 99 % of the edges", self._stretch_of_most, f"times their length at most, {often}"),
            (TURNED_OVER, float(self._turned), f"{faces} faces, {often}"),
            (EDGES, surface.coarseness, "of their part's size, or longer on half of the surface"),
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
        found.append((CROSSING_BEFORE, float(surface.crossing_before.sum()), f"{faces} faces, never counted as new"))
        return found

    @property
    def _often(self) -> str:
        return "in the worst frame" if self._every == 1 else f"in the worst frame, one in {self._every} looked at"

    def _contents(self) -> list[tuple[str, float, str]]:
        """The volume of what holds one, and the area of the rest."""
        faces, solids = self._surface.faces, self._surface.solids
        if not self._kept:
            return []
        found, kept = [], {percent: moment.positions[faces] for percent, moment in self._kept.items()}
        if solids.holds.any():
            of = "of the subject's without its sheets" if solids.sheets else "of the subject's"
            curve = {percent: solids.volume(kept[percent]) for percent in CURVE}
            how = "exact, part by part" if solids.exact else f"by voxels, {CELLS} along the subject, all parts as one"
            often = f"in the worst of the {len(CURVE)} frames below" if solids.vessels.any() else self._often
            change = max(self._volume_change, *map(solids.change, kept.values()))
            found.append((VOLUME_CHANGE, change, f"{of}, {how}, {often}"))
            found += [(f"{VOLUME} at {percent} % of the frames", curve[percent], of) for percent in CURVE]
            found.append((CORRECTED, self._corrected, "of the volume, summed up to the end"))
        if solids.sheets:
            found.append((SHEETS, solids.sheets, "of the surface, where there is no volume"))
            for percent in CURVE:
                area = solids.area(kept[percent], self._kept[percent].there(faces))
                found.append((f"{AREA} at {percent} % of the frames", area, "of the subject's, less what is gone"))
        return found


def _summary(found: dict[str, float]) -> str:
    """One line for the panel."""
    moved = found[protocol.Certificate.DISPLACEMENT]
    said = [_motion_in_words(found)]
    if moved < 0.005 and found[COLOUR] >= 0.005:
        said.append("changes its colour")
    sheets = found.get(SHEETS, 0.0)
    if VOLUME_CHANGE in found and sheets <= 1.0 - TOLD:
        said.append(_volume_in_words(found))
    if sheets >= TOLD:
        areas = [found.get(f"{AREA} at {percent} % of the frames", 1.0) for percent in CURVE]
        much = max(abs(area - 1.0) for area in areas)
        said.append(
            f"{AREA} changes by up to {100 * much:.0f} %"
            if SWING in found
            else f"{AREA} {100 * areas[-1]:.0f} % at the end"
        )
    if found[TURNED_OVER]:
        said.append(f"{_faces(found[TURNED_OVER])} turned over")
    if f"{CROSSING} in the last frame" in found:
        new, seen = (max(found[f"{what} in the {which} frame"] for which in LOOKED_AT) for what in (CROSSING, IN_SIGHT))
        said.append(f"{_faces(new)} newly crossing, {seen:.0f} in sight" if new else "no new crossings")
    if found[SUNK] >= 0.005:
        said.append(f"{found[SUNK]:.2f} below the floor")
    if found[EDGES] > COARSE and moved >= BENT:
        edges = 100 * min(found[EDGES], 1.0)
        said.append(f"coarse: edges {edges:.0f} % as long as their part, subdivide it first for smoother motion")
    if TIME in found:
        said.append(f"{found[TIME]:.1f} s")
    return ", ".join(said)


def _motion_in_words(found: dict[str, float]) -> str:
    moved, swing, lean = (found.get(name, 0.0) for name in (protocol.Certificate.DISPLACEMENT, SWING, LEAN))
    if max(swing, lean) >= SEEN:  # of a loop: a lean alone is no motion
        swings = f"swings by {_share(swing)} of its size" if swing >= SEEN else "does not swing"
        return f"{swings}, leans by {_share(lean)} of it" if lean >= SEEN else swings
    return f"moves {moved:.2f} of its size" if moved >= 0.005 else "keeps its place"


def _share(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.3f}"


def _faces(count: float) -> str:
    return f"{count:.0f} face{'' if count == 1 else 's'}"


def _volume_in_words(found: dict[str, float]) -> str:
    change, loop = found[VOLUME_CHANGE], SWING in found
    volumes = [found[f"{VOLUME} at {percent} % of the frames"] for percent in CURVE]
    end = volumes[-1]
    if (min(volumes) if loop else end) < 0.0:  # a loop has no end
        return "turned inside out"
    told = f"volume kept to {100 * change:.1f} %"
    if change >= 0.05:
        much = f"volume changes by up to {100 * change:.0f} %"
        told = much if loop else f"volume {100 * end:.0f} % at the end"
    put_back = found[CORRECTED]
    return f"{told} ({100 * put_back:.1f} % put back)" if put_back >= 0.001 else told


def _lowest(positions: Reals) -> float:
    return float(positions[:, 2].min()) if len(positions) else 0.0


def _largest(values: Reals) -> float:
    return float(values.max(initial=0.0))


def _mean(values: NDArray) -> float:
    return float(values.mean()) if len(values) else 0.0
