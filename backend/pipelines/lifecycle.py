"""A life for any mesh: weld it, give it a floor and a root, let a process act on it, hand the frames back.

The process sees a Body (welded, one unit large, standing on z = 0) and tells Moments; what goes in and what comes
out are the artist's own vertices, in their order and their units. The first frame is the artist's mesh.
Reversed, the same frames come last to first, and each keeps its tau: it then falls from 1 to 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.clip import Frame, Mesh
from backend.geometry.body import Body, Moment, Reals
from backend.geometry.fields import sound_faces
from backend.report import Report

COINCIDENT = 1e-6  # of the mesh's size: vertices closer than this are one
HEAVY, LIGHT = 60_000, 15_000  # above so many vertices a stand-in with so many is moved in the mesh's place
NEUTRAL = 0.5  # albedo of a mesh without colour
MATT = 0.6  # roughness of a mesh without one


class UnusableSubject(ValueError):
    """The mesh cannot live. The message says why and what to do."""


def animate(subject: Mesh, settings, report: Report) -> Iterator[Frame]:
    """The life of `subject` under settings.process, frame by frame as it is computed."""
    refuse_unusable(subject)
    report(0.0, "Preparing the mesh")
    welded = weld(subject)
    taus = np.linspace(0.0, 1.0, settings.frames)
    moments = _moments(_process(settings.process), welded.body, settings, taus, report)
    frames = (welded.frame(subject, moment) for moment in moments)
    yield from reversed(list(frames)) if settings.reverse else frames


def _moments(process, body: Body, settings, taus: Reals, report: Report) -> Iterator[Moment]:
    if len(body.vertices) <= HEAVY:
        yield from process(body, settings.amount, settings.seed, taus, report)
        return
    from backend.geometry.proxy import Proxy

    yield Moment(0.0, body.vertices, body.albedo, body.roughness)
    report(0.0, "Simplifying the mesh")
    proxy = Proxy(body, LIGHT)
    if proxy.lost > 0.5:  # a cloud of scraps: there is nothing to simplify
        moments = process(body, settings.amount, settings.seed, taus, report)
    else:
        moments = map(proxy.carry, process(proxy.body, settings.amount, settings.seed, taus, report))
    yield from islice(moments, 1, None)


def _process(name: str):
    if name == "wilt":
        from backend.pipelines.processes.wilt import wilt

        return wilt
    from backend.pipelines.processes.melt import melt

    return melt


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
    if subject.pin is not None and (subject.pin >= 1.0).all():
        raise UnusableSubject("Every vertex is pinned, so nothing can move: take some out of the pin group.")
    if subject.weight is not None and not (subject.weight > 0.0).any():
        raise UnusableSubject("The weight group is zero everywhere, so nothing can move: paint some weight.")


@dataclass(frozen=True, eq=False)
class Welded:
    """A body and the way back from it to the artist's mesh."""

    body: Body
    vertex: NDArray[np.int64]  # (V,) the body's vertex that carries each of the artist's
    metres: float  # size of the body's unit

    def frame(self, subject: Mesh, moment: Moment) -> Frame:
        # the motion is added to the artist's own numbers, so that rest is exact and vertices keep their offsets
        motion = self.metres * (moment.positions - self.body.vertices)
        positions = (subject.vertices + motion[self.vertex]).astype(np.float32)
        if not np.isfinite(positions).all():
            raise FloatingPointError(f"the solve lost its footing at life time {moment.tau:.2f}")
        return Frame(
            moment.tau,
            positions,
            None if moment.albedo is None else moment.albedo[self.vertex].astype(np.float32),
            None if moment.roughness is None else moment.roughness[self.vertex].astype(np.float32),
        )


def weld(subject: Mesh) -> Welded:
    """Vertices at one place become one; those that no sound face uses ride on the nearest one that is used."""
    points = subject.vertices.astype(np.float64)
    used = points[np.unique(subject.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    metres = float((high - low).max())
    points = (points - [*(0.5 * (low + high))[:2], low[2]]) / metres

    pairs = cKDTree(points).query_pairs(COINCIDENT, output_type="ndarray")
    same = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(points),) * 2)
    _, first, vertex = np.unique(connected_components(same, directed=False)[1], return_index=True, return_inverse=True)
    points = points[first]
    faces = sound_faces(vertex[subject.faces], points)
    if not len(faces):
        raise UnusableSubject("The mesh's faces have no area: they are folded flat into lines.")
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
        albedo=np.full((len(kept), 3), NEUTRAL) if subject.albedo is None else gathered(subject.albedo, NEUTRAL),
        roughness=gathered(subject.roughness, MATT),
    )
    return Welded(body, vertex, metres)
