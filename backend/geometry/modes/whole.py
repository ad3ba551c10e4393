"""The modes of a whole body: solids and sheets in one system."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_matrix, hstack
from scipy.sparse.linalg import ArpackError
from scipy.spatial import cKDTree

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Reals
from backend.geometry.modes import eigen
from backend.geometry.modes.joints import held_vertices, pairs, springs
from backend.geometry.modes.matter import Matter, Modes
from backend.geometry.modes.members import Motion, Sheets, Solids

Integers = NDArray[np.int64]


class Rigid(ValueError):
    """The body cannot vibrate. The message says why and what to do."""


def modes_of(
    anatomy: Anatomy,
    matter: Matter,
    count: int,
    held: NDArray[np.bool_] | None = None,
    loads: Reals | None = None,
) -> Modes:
    """At most `count` of the lowest modes of a body whose unit is a metre.

    held (N,): what stays where it is; None: the root, which every body has. Of one that nothing holds, rigid motions
    are left out. What touches a part that is held as a whole is held there too. Parts that hang on nothing are joined
    to the nearest. Of a body with many leaves the lowest modes are a few leaves each: loads (P, N, 3), newtons, get as
    many shapes more, by which all of it gives way to them. Raises Rigid where there is nothing that could move or
    nothing that has any matter.
    """
    anatomy = anatomy.planted
    rooted = anatomy.held if held is None else held.astype(float)
    held = held_vertices(anatomy, rooted)
    if held.all():
        raise Rigid("Every vertex is held, so nothing can sway: take some out of the pin group.")
    members = [member for member in (Solids(anatomy, matter, held), Sheets(anatomy, matter, held)) if member.there]
    if not members:
        raise Rigid("The mesh has no inside and no open sheet, so there is nothing that could bend.")
    stiffness = block_diag([member.stiffness for member in members], format="csr")
    mass = block_diag([member.mass for member in members], format="csr")
    carrier = _carriers(members, anatomy, held)
    joined = carrier[pairs(anatomy, held)]
    joined = joined[(joined[:, 0] != joined[:, 1]) & ~held[joined].all(axis=1)]
    if len(joined):
        stiffness = stiffness + _joints(members, anatomy, held, _fewer(joined, members, anatomy))
    rigid = None
    if not any(member.anchored for member in members) and not held[joined].any():
        rigid = np.concatenate([member.rigid for member in members])
    try:
        pushed = None if loads is None else _pushed(members, loads)
        squares, motions = eigen.lowest(stiffness.tocsr(), mass, count, rigid, pushed)
    except (ValueError, ArpackError) as wrong:
        if held.any() and rigid is None and _in_line(anatomy.body.vertices[held]):
            raise Rigid(
                "What holds it is one point or one line, about which it turns freely: take vertices that do not lie in "
                "a line into the pin group."
            ) from wrong
        raise Rigid(
            "How the mesh sways could not be worked out: run Mesh > Clean Up > Merge by Distance and Degenerate "
            "Dissolve on it first."
        ) from wrong
    vertices = anatomy.body.vertices
    shapes = np.zeros((len(squares), *vertices.shape))
    for member, own in zip(members, np.split(motions, _starts(members)[1:]), strict=True):
        moved = member.moved(member.chosen) @ own
        shapes[:, member.chosen] = moved.T.reshape(len(squares), -1, 3)
    riding = np.flatnonzero(carrier != np.arange(len(carrier)))
    shift, turn = ((rows @ motions).T.reshape(len(squares), -1, 3) for rows in _motion(members, carrier[riding], held))
    shapes[:, riding] = shift + np.cross(turn, vertices[riding] - vertices[carrier[riding]])
    shapes *= np.where(held, 0.0, 1.0 - rooted)[:, None]
    return Modes(np.sqrt(np.maximum(squares, 0.0)) / (2.0 * np.pi), eigen.settled(squares, shapes, vertices))


def _in_line(points: Reals) -> bool:
    """Whether points (N, 3) of a body of size 1 lie in a line, or all in one place."""
    return bool(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1:].max(initial=0.0) < 1e-6)


def _pushed(members: list, loads: Reals) -> Reals:
    """(n, P) what loads (P, N, 3) on the body's vertices do to the freedoms of all members."""
    shares = [member.moved(member.chosen).T @ loads[:, member.chosen].reshape(len(loads), -1).T for member in members]
    return np.concatenate(shares)


def _carriers(members: list, anatomy: Anatomy, held: NDArray[np.bool_]) -> Integers:
    """(N,) itself, or for a vertex of what has no matter, as a scrap has none, the nearest that has or is held."""
    there = held.copy()
    for member in members:
        there[member.chosen] = True
    carrier, there = np.arange(len(held)), np.flatnonzero(there)
    riding = np.setdiff1d(carrier, there)
    carrier[riding] = there[cKDTree(anatomy.body.vertices[there]).query(anatomy.body.vertices[riding])[1]]
    return carrier


def _fewer(joined: Integers, members: list, anatomy: Anatomy) -> Integers:
    """Of the joints (J, 2) the shortest between each point of a sheet that stands in for several vertices, and each
    part."""
    ends = joined.copy()
    for member in members:
        if isinstance(member, Sheets):
            mine = np.isin(joined, member.chosen)
            ends[mine] = -1 - member.nearest(joined[mine])
    length = np.linalg.norm(np.subtract(*anatomy.body.vertices[joined.T]), axis=1)
    order = np.lexsort((joined[:, 1], joined[:, 0], length))
    key = np.column_stack([ends[:, 0], anatomy.labels[joined[:, 1]]])[order]
    return joined[order[np.unique(key, axis=0, return_index=True)[1]]]


def _joints(members: list, anatomy: Anatomy, held: NDArray[np.bool_], joined: Integers) -> csr_matrix:
    hanging, carrier = joined.T
    vertices = anatomy.body.vertices
    strength, rigidity = np.full((2, len(vertices)), np.inf)
    for member in members:
        strength[member.chosen], rigidity[member.chosen] = member.strength, member.rigidity
    one, other = (_motion(members, end, held) for end in (hanging, carrier))
    softer = [np.minimum(kind[hanging], kind[carrier]) for kind in (strength, rigidity)]
    return springs(one, other, vertices[hanging] - vertices[carrier], *softer)


def _motion(members: list, vertices: Integers, held: NDArray[np.bool_]) -> Motion:
    """How some of the body's vertices move and turn with the freedoms of all members."""
    free = np.flatnonzero(~held[vertices])
    shifts, turns = [], []
    for member in members:
        mine = free[np.isin(vertices[free], member.chosen)]
        own = member.motion(vertices[mine])
        rows = (3 * mine[:, None] + np.arange(3)).ravel()
        place = csr_matrix((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(3 * len(vertices), len(rows)))
        shifts.append(place @ own.shift)
        turns.append(place @ own.turn)
    return Motion(hstack(shifts, format="csr"), hstack(turns, format="csr"))


def _starts(members: list) -> list[int]:
    return list(np.cumsum([0, *(member.stiffness.shape[0] for member in members)])[:-1])
