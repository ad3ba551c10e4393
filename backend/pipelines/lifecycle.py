"""A life for any mesh: weld it, give it a floor and a root, let processes act on it, hand the frames back.

The processes see a Body (welded, one unit large, standing on z = 0) and tell Moments; what goes in and what comes
out are the artist's own vertices, in their order and their units. At life time 0 the mesh is the artist's; where one
frame alone is asked for, it is the last.
Reversed, the same frames come last to first, and each keeps its tau: it then falls.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend import protocol
from backend.clip import Frame, Mesh
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL, PREVIEW, Body, Detail, Moment, Reals
from backend.geometry.fields import components, smoothstep, sound_faces
from backend.pipelines.processes import kind_of
from backend.pipelines.stages import live
from backend.report import Report, silent

HELD = 0.99  # what is pinned more than this does not visibly move
COINCIDENT = 1e-6  # of the mesh's size: vertices closer than this are one
PREVIEW_EVERY = 4
PREVIEWING = "Making a preview"
SCATTERED = "Too many loose parts to simplify: this takes longer"
STUCK = 0.9  # share of its vertices to which a body of many small parts is simplified no further
REVERSIBLE = 8 * 10**9  # bytes of frames, which are all held before the last can go first
FRAME_BYTES, POSE_BYTES = 28, 12  # of each vertex of a frame: its five materials; and each pose


class BrokenSolve(FloatingPointError):
    """Positions that are no longer numbers; the message says what to do."""


class UnusableSubject(ValueError):
    """The mesh cannot live. The message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Welded:
    """A body and the way back from it to the artist's mesh."""

    body: Body
    vertex: NDArray[np.int64]  # (V,) the body's vertex that carries each of the artist's
    metres: float  # size of the body's unit

    def frame(self, subject: Mesh, moment: Moment) -> Frame:
        poses = [self._posed(subject, pose) for pose in moment.poses]
        if not all(np.isfinite(pose).all() for pose in poses):
            raise BrokenSolve(
                f"The shape could not be worked out at life time {moment.tau:.2f}: choose a lower Amount, or run "
                f"Mesh > Clean Up > Merge by Distance and Degenerate Dissolve on the mesh first."
            )
        look, start = moment.look, self.body.look
        gone, glows = (look.opacity < 1.0).any(), (look.emission > 0.0).any()
        return Frame(
            moment.tau,
            poses[-1],
            albedo=self._spread(look.albedo, start.albedo, subject.albedo),
            roughness=self._spread(look.roughness, start.roughness, subject.roughness),
            metallic=self._spread(look.metallic, start.metallic, subject.metallic),
            opacity=look.opacity[self.vertex].astype(np.float32) if gone else None,
            emission=look.emission[self.vertex].astype(np.float32) if glows else None,
            poses=np.stack(poses[:-1]) if len(poses) > 1 else None,
            corrected=moment.corrected,
        )

    def _posed(self, subject: Mesh, pose: Reals) -> NDArray[np.float32]:
        # the motion is added to the artist's own numbers, so that rest is exact and vertices keep their offsets
        motion = self.metres * (pose - self.body.vertices)
        return (subject.vertices + motion[self.vertex]).astype(np.float32)

    def _spread(self, now: Reals, rest: Reals, own: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """The body's material on the artist's vertices. Of those at one place the body has the brightest colour;
        a darker one stays darker in the same ratio, so that the clip begins with every vertex's own."""
        now, rest = now[self.vertex], rest[self.vertex]
        if own is not None:
            darker = own < rest
            now = np.where(darker, now * (own / np.where(darker, rest, 1.0)), now)
        return now.astype(np.float32)


class Life:
    """The life of `subject` under request.stages. Raises UnusableSubject at once, before a frame is asked for."""

    def __init__(self, subject: Mesh, request: protocol.Animate, report: Report = silent):
        refuse_unusable(subject)
        if request.reverse:
            _refuse_too_long(request, len(subject.vertices))
        self.subject, self.request = subject, request
        self._welded = weld(subject, report)

    def frames(self, report: Report) -> Iterator[Frame]:
        """Frame by frame as it is computed."""
        frames = self._frames(life_times(self.request), FULL, report)
        return reversed(list(frames)) if self.request.reverse else frames

    def preview(self, report: Report) -> Iterator[tuple[int, Frame]]:
        """Every PREVIEW_EVERY-th frame and the last, from a coarse solve, with their numbers among all frames."""
        count, backwards = self.request.frames, self.request.reverse
        shown = np.unique(np.append(np.arange(0, count, PREVIEW_EVERY), count - 1))
        numbers = np.sort(count - 1 - shown) if backwards else shown
        frames = self._frames(life_times(self.request)[numbers], PREVIEW, lambda done, text: report(0.0, PREVIEWING))
        return zip(map(int, shown), reversed(list(frames)) if backwards else frames, strict=True)

    def _frames(self, taus: Reals, detail: Detail, report: Report) -> Iterator[Frame]:
        for moment in _moments(self._welded.body, self.request, taus, detail, report):
            yield self._welded.frame(self.subject, moment)


def life_times(request: protocol.Animate) -> Reals:
    """(T,) ascending, from request.first to request.last; one frame shows the last."""
    pace = np.linspace(0.0, 1.0, request.frames) if request.frames > 1 else np.ones(1)
    match request.timing:
        case "slow_start":
            pace = pace**2
        case "slow_end":
            pace = 1.0 - (1.0 - pace) ** 2
        case "slow_both":
            pace = smoothstep(pace)
    return request.first + (request.last - request.first) * pace


def _moments(body: Body, request: protocol.Animate, taus: Reals, detail: Detail, report: Report) -> Iterator[Moment]:
    """On a stand-in where the body is heavy, and a lighter one where it has more sheet or skin than can be solved."""
    count = len(body.vertices)
    if count > detail.vertices:
        yield from _by_proxy(body, detail.light, request, taus, detail, report)
        return
    anatomy = Anatomy(body)
    sheets = int(np.count_nonzero(anatomy.is_sheet))
    kinds = [kind_of(stage.process) for stage in request.stages]
    most = 1.0
    if any(kind.elastic for kind in kinds):
        most = min(most, detail.sheets / max(sheets, 1))
    if any(kind.wrinkles for kind in kinds):
        most = min(most, detail.skin / max(count - sheets, 1))
    if most < 0.95:
        yield from _by_proxy(body, int(most * count), request, taus, detail, report)
    else:
        yield from live(anatomy, request.stages, request.seed, taus, detail, report)


def _by_proxy(
    body: Body, count: int, request: protocol.Animate, taus: Reals, detail: Detail, report: Report
) -> Iterator[Moment]:
    from backend.geometry.proxy import Proxy

    kinds = [kind_of(stage.process) for stage in request.stages]
    if taus[0] == 0.0 and not any(kind.birth or kind.may_refuse for kind in kinds):
        yield Moment(0.0, (body.vertices,) * len(request.stages), body.look)  # at once: it needs no proxy
        taus = taus[1:]
    proxy = Proxy(body, count, report)
    if proxy.lost > 0.5:  # a cloud of scraps: there is nothing to simplify
        report(0.0, SCATTERED)
        moments = live(Anatomy(body), request.stages, request.seed, taus, detail, report)
    elif len(proxy.body.vertices) > STUCK * len(body.vertices):
        moments = map(proxy.carry, live(Anatomy(proxy.body), request.stages, request.seed, taus, detail, report))
    else:
        moments = map(proxy.carry, _moments(proxy.body, request, taus, detail, report))
    yield from moments


def _refuse_too_long(request: protocol.Animate, vertices: int) -> None:
    frame = vertices * (FRAME_BYTES + POSE_BYTES * len(request.stages))
    if request.frames * frame > REVERSIBLE:
        raise UnusableSubject(
            f"{request.frames:,} frames of {vertices:,} vertices are too many to play in reverse: ask for fewer, "
            f"at most {REVERSIBLE // frame:,}, or take a lighter mesh."
        )


def refuse_unusable(subject: Mesh) -> None:
    if not len(subject.vertices):
        raise UnusableSubject("The mesh has no vertices: choose an object with a surface.")
    if not len(subject.triangles):
        raise UnusableSubject("The mesh has no faces: fill its edges with faces, then animate it.")
    bad = int(np.count_nonzero(~np.isfinite(subject.vertices).all(axis=1)))
    if bad:
        raise UnusableSubject(
            f"{bad} of the mesh's vertices have coordinates that are not numbers: delete them, or run Mesh > Clean Up."
        )
    used = subject.vertices[np.unique(subject.faces)].astype(np.float64)
    if not np.ptp(used, axis=0).max() > 1e-30:
        raise UnusableSubject("The mesh has no size: all its vertices are at one point.")
    for name, group in (("pin", subject.pin), ("effect", subject.weight)):
        if group is not None and not np.isfinite(group).all():
            raise UnusableSubject(f"The weights of the {name} group are not numbers: paint them again.")
    if subject.pin is not None and (subject.pin >= HELD).all():
        raise UnusableSubject("Every vertex is pinned, so nothing can move: take some out of the pin group.")
    if subject.weight is not None and not (subject.weight > 0.0).any():
        raise UnusableSubject("The weight group is zero everywhere, so nothing can move: paint some weight.")
    if subject.pin is not None and subject.weight is not None and (subject.pin >= HELD)[subject.weight > 0.0].all():
        raise UnusableSubject(
            "All that is in the effect group is pinned too, so nothing can move: take some of it out of the pin group."
        )


def _places(points: Reals) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first of the vertices (N, 3) at each of P places, (P,) ascending, and the place of each vertex, (N,)."""
    cells = np.floor(points / (0.5 * COINCIDENT)).astype(np.int64)  # whose diagonals are shorter than that
    _, one, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    pairs = cKDTree(points[one]).query_pairs(COINCIDENT, output_type="ndarray")
    place = components(len(one), pairs)[cell.ravel()]
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[place]


def weld(subject: Mesh, report: Report = silent) -> Welded:
    """Vertices at one place become one; those that no sound face uses ride on the nearest one that is used."""
    report(0.0, "Preparing the mesh")
    points = subject.vertices.astype(np.float64)
    used = points[np.unique(subject.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    metres = float((high - low).max())
    points = (points - [*(0.5 * (low + high))[:2], low[2]]) / metres

    first, vertex = _places(points)
    report(0.0, "Preparing the mesh")
    points = points[first]
    faces = sound_faces(vertex[subject.faces], points)
    if not len(faces):
        raise UnusableSubject("The mesh's faces have no area: they are folded flat into lines.")
    report(0.0, "Preparing the mesh")
    kept, faces = np.unique(faces, return_inverse=True)
    place = np.empty(len(points), np.int64)
    place[kept] = np.arange(len(kept))
    loose = np.setdiff1d(np.arange(len(points)), kept)
    if len(loose):
        place[loose] = cKDTree(points[kept]).query(points[loose])[1]
    vertex = place[vertex]

    def gathered(values: NDArray | None, default: float) -> Reals:
        if values is None:
            return np.full(len(kept), default)
        total = np.full((len(kept), *values.shape[1:]), -np.inf)
        np.maximum.at(total, vertex, np.clip(values.astype(np.float64), 0.0, 1.0))
        return total

    body = Body(
        vertices=points[kept],
        faces=faces.reshape(-1, 3).astype(np.int32),
        pin=gathered(subject.pin, 0.0),
        weight=gathered(subject.weight, 1.0),
        albedo=np.full((len(kept), 3), protocol.GREY) if subject.albedo is None else gathered(subject.albedo, 0.0),
        roughness=gathered(subject.roughness, protocol.MATT),
        metallic=gathered(subject.metallic, 0.0),
    )
    return Welded(body, vertex, metres)
