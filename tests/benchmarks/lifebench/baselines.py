"""What can be had without any system: five answers to a truth, each made of as little of it as its text says.

Every one starts from the mesh of one frame, with its colours, and keeps those: none can brown or char. It is the frame
that was given. Where a task gives none, entries.py takes the one that stands at its best; a truth of which nothing is
said is taken from its first. Topology and the colours at the start are therefore the truth's own, and what is scored is
motion. Some are oracles: they see what no system is given, and show how far their kind of motion reaches even so.

    still       that mesh alone                             nothing moves: what every system must beat
    similarity  and every vertex of every frame             turns, scales and moves as one (Umeyama 1991)
    amberg      and the surface of every frame              non-rigid registration (Amberg et al. 2007), by trimesh
    sumner      and the surface of every frame              (Sumner and Popovic 2004, its section on correspondence)
    arap        and the paths of a few vertices             as rigid as possible (Sorkine and Alexa 2007), by libigl
"""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from trimesh import registration

from tests.benchmarks.lifebench.nouns import Ints, Reals, Sequence, Truth
from tools.environments import LEARNED_ENVIRONMENT, ROOT

HANDLES = 32  # vertices whose paths arap is given, of a mesh of one piece
LEAST = 3  # of each piece, so that it knows how it is turned
POINTS = 100_000  # on the surface that a registration is given
FLAT = 1e-6  # of the size: shorter edges and lower triangles are none
PATIENCE = 1800.0  # seconds


class Unavailable(RuntimeError):
    """A baseline whose library is not installed here; the message says what to do."""


class Refused(RuntimeError):
    """An entry that says that this is nothing it can do; the message is its own. It counts as what stands still."""


def still(truth: Truth) -> Sequence:
    """The mesh it starts from, held."""
    return _answer(truth, np.repeat(_start(truth)[None], len(truth.tau), axis=0), "still")


def similarity(truth: Truth) -> Sequence:
    """The mesh it starts from, turned, scaled and moved so that its vertices come as near as may be to each frame's."""
    start = _start(truth)
    return _answer(truth, np.stack([_nearest_similar(start, each) for each in truth.sequence.positions]), "similarity")


def amberg(truth: Truth) -> Sequence:
    """The mesh it starts from, registered to the surface of each frame, by trimesh.registration.nricp_amberg."""
    return _answer(truth, _registered(truth, registration.nricp_amberg), "amberg")


def sumner(truth: Truth) -> Sequence:
    """The mesh it starts from, registered to the surface of each frame, by trimesh.registration.nricp_sumner."""
    return _answer(truth, _registered(truth, registration.nricp_sumner), "sumner")


def arap(truth: Truth) -> Sequence:
    """The mesh it starts from, of which a few vertices are led along their true paths, by libigl: frame after frame,
    both ways.

    Raises Unavailable where there is no environment with libigl.
    """
    sound, positions, start = Sound.of(truth), truth.sequence.positions, _number(truth)
    handles = chosen_handles(sound.vertices, sound.faces)
    paths = positions[:, sound.kept[handles]]
    after = _led(sound, handles, paths[start:])
    before = _led(sound, handles, paths[: start + 1][::-1])
    return _answer(truth, sound.whole(np.concatenate([before[:0:-1], after])), "arap")


BASELINES: tuple[Callable[[Truth], Sequence], ...] = (still, similarity, amberg, sumner, arap)


def _number(truth: Truth) -> int:
    """Of the frame to start from."""
    return 0 if truth.given is None else truth.given


def _start(truth: Truth) -> Reals:
    """(V, 3)"""
    return truth.sequence.positions[_number(truth)]


def _answer(truth: Truth, positions: Reals, name: str) -> Sequence:
    known, start, frames = truth.sequence, _number(truth), len(positions)

    def held(look: Reals | None) -> Reals | None:
        return None if look is None else np.repeat(look[start][None], frames, axis=0)

    faces = known.frames[0][1]
    return Sequence(
        [(each, faces) for each in positions],
        True,
        known.times,
        held(known.albedo),
        held(known.roughness),
        held(known.opacity),
        name=name,
    )


def _nearest_similar(source: Reals, target: Reals) -> Reals:
    """(V, 3): Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991),
    equations 40 to 43. No reflection."""
    mean, aim = source.mean(axis=0), target.mean(axis=0)
    x, y = source - mean, target - aim
    u, d, vt = np.linalg.svd(y.T @ x / len(x))
    s = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    spread = (x**2).sum() / len(x)
    scale = (d * s).sum() / spread if spread > 0 else 1.0
    return scale * x @ ((u * s) @ vt).T + aim


@dataclass(frozen=True, eq=False)
class Sound:
    """A mesh without what no solver takes: edges without length are one vertex, triangles without area are left out,
    and vertices that are then in no triangle go along with the nearest one that is. K of its V vertices are kept."""

    vertices: Reals  # (K, 3)
    faces: Ints  # (F', 3) into them
    kept: Ints  # (K,) which of the V they are
    leader: Ints  # (V,) into the kept ones
    beside: Reals  # (V, 3) from its leader to each vertex

    @classmethod
    def of(cls, truth: Truth) -> Self:
        """The frame of a truth to start from."""
        vertices, faces = truth.sequence.frames[_number(truth)]
        count, least = len(vertices), FLAT * truth.size
        edges = np.stack([faces.ravel(), np.roll(faces, -1, axis=1).ravel()])
        short = edges[:, np.linalg.norm(vertices[edges[0]] - vertices[edges[1]], axis=1) < least]
        pieces, piece = connected_components(
            coo_matrix((np.ones(short.shape[1]), short), (count, count)), directed=False
        )
        first = np.full(pieces, count)
        np.minimum.at(first, piece, np.arange(count))
        merged = first[piece][faces]
        a, b, c = (vertices[merged[:, k]] for k in range(3))
        longest = np.max([np.linalg.norm(each, axis=1) for each in (b - a, c - b, a - c)], axis=0)
        merged = merged[np.linalg.norm(np.cross(b - a, c - a), axis=1) > least * longest]
        kept, used = np.unique(merged, return_inverse=True)
        place = np.full(count, -1)
        place[kept] = np.arange(len(kept))
        own, (_, nearest) = place[first[piece]], cKDTree(vertices[kept]).query(vertices)
        leader = np.where(own >= 0, own, nearest)
        return cls(vertices[kept], used.reshape(-1, 3), kept, leader, vertices - vertices[kept][leader])

    def whole(self, positions: Reals) -> Reals:
        """(..., V, 3) from (..., K, 3)."""
        return positions[..., self.leader, :] + self.beside


def _registered(truth: Truth, fit: Callable) -> Reals:
    """(T, V, 3). Every match counts, however far: a piece without one would have no place, and nothing is missing in
    the truth. The surface is given as points on it, which asks for no more packages than the tests have."""
    positions, sound, start = truth.sequence.positions, Sound.of(truth), _number(truth)
    found = np.empty_like(positions)
    for number, shape in enumerate(positions):
        if number == start or not len(truth.sequence.there(number)):
            found[number] = positions[start]
            continue
        source = trimesh.Trimesh(sound.vertices.copy(), sound.faces, process=False)
        surface = trimesh.Trimesh(shape.copy(), truth.sequence.there(number), process=False)
        points, _ = trimesh.sample.sample_surface(surface, POINTS, seed=number)
        fitted = fit(source, trimesh.PointCloud(points), use_faces=False, distance_threshold=np.inf)
        found[number] = sound.whole(fitted)
    return found


def chosen_handles(vertices: Reals, faces: Ints) -> Ints:
    """(H,) spread over each piece of the mesh, farthest point after farthest point; a piece has its share of HANDLES,
    and LEAST at least."""
    count = len(vertices)
    edges = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    pieces, label = connected_components(coo_matrix((np.ones(faces.size), edges), (count, count)), directed=False)
    chosen = []
    for piece in range(pieces):
        (members,) = np.nonzero(label == piece)
        wanted = min(max(LEAST, round(HANDLES * len(members) / count)), len(members))
        chosen.append(members[_spread(vertices[members], wanted)])
    return np.sort(np.concatenate(chosen))


def _spread(points: Reals, wanted: int) -> Ints:
    """Indices of `wanted` points, each the farthest from those before; the first the farthest from the middle."""
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    near = np.full(len(points), np.inf)
    while len(chosen) < wanted:
        near = np.minimum(near, np.linalg.norm(points - points[chosen[-1]], axis=1))
        near[chosen] = -1.0  # points at one place are different vertices
        chosen.append(int(near.argmax()))
    return np.array(chosen)


def _led(sound: Sound, handles: Ints, targets: Reals) -> Reals:
    """(T, K, 3) for targets (T, H, 3): libigl in its own environment."""
    if not LEARNED_ENVIRONMENT.executable.exists():
        raise Unavailable("arap needs libigl: make its environment by python build.py test --only learned")
    with tempfile.TemporaryDirectory(prefix="lifebench-") as folder:
        asked, out = Path(folder) / "asked.npz", Path(folder) / "out.npz"
        np.savez(asked, vertices=sound.vertices, faces=sound.faces, handles=handles, targets=targets)
        command = [LEARNED_ENVIRONMENT.executable, "-m", "tests.bench.by_arap", asked, out]
        subprocess.run(command, cwd=ROOT, check=True, timeout=PATIENCE)
        with np.load(out) as stored:
            return stored["positions"]
