"""Thin sheets as flat shell elements: stiffness and mass of a triangle mesh, six freedoms a vertex.

In its plane a triangle is the optimal ANDES membrane with drilling freedoms (OPT; Felippa, "A study of optimal membrane
triangles with drilling freedoms", CMAME 192, 2003); out of it, the discrete Kirchhoff triangle (DKT; Batoz, Bathe and
Ho, "A study of three-node triangular plate bending elements", IJNME 15, 1980). Both converge on irregular meshes.

Notation (code -> paper)
    lumping      L        forces at the corners of a constant stress, Felippa's (force-lumping) matrix
    drilling     T_theta  rotations of the corners about the normal, beyond the mean rotation of the triangle
    Q            Q_1..3   natural strains at the corners from those rotations
    slopes       beta     gradient of the deflection at three corners and three mid-sides; DKT's is minus that

Departs from the papers: a triangle less high than SLENDER is computed as one that is so high, joined to its vertices by
rigid arms. It then ties them together as the needle would, costs a rigid motion nothing, and is no needle.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, csr_matrix, diags

from backend.geometry.body import Reals
from backend.geometry.fields import area_vectors, unit
from backend.geometry.modes.matter import Matter

FREEDOMS = 6  # of a vertex: displacement x, y, z, then rotation about x, y, z
SLENDER = 0.01  # height of a triangle over its longest side, at least
SLIGHTEST = 1e-3  # mass of a vertex, in means, at least: without any, it has no frequency
MEMBRANE = np.array([0, 1, 5, 6, 7, 11, 12, 13, 17])  # u, v and rotation about z of each corner, of 18 local freedoms
BENDING = np.array([2, 3, 4, 8, 9, 10, 14, 15, 16])  # w, and rotations about x and y
LUMPING = 1.5  # alpha_b of OPT
Q = np.array(
    [
        [[1, 2, 1], [0, 1, -1], [-1, -1, -2]],
        [[-2, -1, -1], [1, 1, 2], [-1, 0, 1]],
        [[1, -1, 0], [-1, -2, -1], [2, 1, 1]],
    ]
)  # beta_1..9 of OPT; [corner, side, rotation], over the side's squared length


def stiffness_and_mass(vertices: Reals, faces: NDArray, matter: Matter) -> tuple[csr_matrix, csr_matrix]:
    """K and M, both (6 V, 6 V), of sheets with vertices (V, 3) in metres and faces (F, 3); each number of `matter` is
    one for all, or one a face (F,).

    Freedoms are displacement (m) and rotation (rad, right-handed about x, y, z) of vertex 0, then of vertex 1, ...;
    K in N/m, N and N m; M in kg and kg m^2, diagonal. Edges may be shared by any number of triangles. A vertex of no
    triangle has empty rows in both. Raises ValueError where no triangle has any extent.
    """
    faces = np.asarray(faces, np.int64)
    young, density, poisson, thickness = (
        np.broadcast_to(np.asarray(value, float), len(faces))
        for value in (matter.young, matter.density, matter.poisson, matter.thickness)
    )
    corners = _no_needles(vertices, faces)  # (F, 3, 3)
    frame = _frames(corners)  # (F, 3, 3)
    plane = np.einsum("fai,fki->fka", frame[:, :2], corners - corners[:, :1])  # (F, 3, 2)
    elastic = _plane_stress(young, poisson)  # (F, 3, 3)
    local = np.zeros((len(faces), 18, 18))
    local[:, MEMBRANE[:, None], MEMBRANE] = membrane(plane, elastic * thickness[:, None, None], poisson)
    local[:, BENDING[:, None], BENDING] = bending(plane, elastic * (thickness**3 / 12.0)[:, None, None])
    arms = _arms(frame, corners - vertices[faces])
    stiffness = _assembled(arms.transpose(0, 2, 1) @ local @ arms, faces, len(vertices))
    mass = density * thickness * np.linalg.norm(area_vectors(vertices, faces), axis=1)
    return stiffness, _lumped(mass, mass * thickness**2 / 12.0, faces, len(vertices))


def membrane(plane: Reals, elastic: Reals, poisson: Reals) -> Reals:
    """(F, 9, 9) stiffness of OPT for (u, v, rotation) of the corners; plane (F, 3, 2) counter-clockwise, elastic
    (F, 3, 3) force a length, poisson (F,)."""
    area = _area(plane)
    b, c = np.moveaxis(2.0 * area[:, None, None] * _gradients(plane), 2, 0)
    lumping = np.zeros((len(plane), 9, 3))
    drilling = np.zeros((len(plane), 3, 9))
    for i, j, k in (0, 1, 2), (1, 2, 0), (2, 0, 1):
        lumping[:, 3 * i, 0] = lumping[:, 3 * i + 1, 2] = b[:, i]
        lumping[:, 3 * i, 2] = lumping[:, 3 * i + 1, 1] = c[:, i]
        lumping[:, 3 * i + 2, 0] = LUMPING / 6.0 * b[:, i] * (b[:, k] - b[:, j])
        lumping[:, 3 * i + 2, 1] = LUMPING / 6.0 * c[:, i] * (c[:, k] - c[:, j])
        lumping[:, 3 * i + 2, 2] = LUMPING / 3.0 * (b[:, j] * c[:, j] - b[:, k] * c[:, k])
        drilling[:, :, 3 * i] = (c[:, i] / (4.0 * area))[:, None]
        drilling[:, :, 3 * i + 1] = (-b[:, i] / (4.0 * area))[:, None]
        drilling[:, i, 3 * i + 2] = 1.0
    lumping *= 0.5

    side = np.roll(plane, -1, axis=1) - plane
    x, y, squared = side[..., 0], side[..., 1], (side**2).sum(axis=2)
    natural = np.linalg.inv(np.stack([x * x, y * y, x * y], axis=2) / squared[..., None])  # strains from those of sides
    elastic_sides = _transposed(natural) @ elastic @ natural
    higher = np.zeros((len(plane), 3, 3))
    for corner in range(3):
        at_side = 0.5 * (Q[corner] + Q[(corner + 1) % 3]) * (2.0 / 3.0 * area[:, None] / squared)[..., None]
        higher += _transposed(at_side) @ elastic_sides @ at_side
    higher *= (0.75 * area * np.maximum(0.5 - 2.0 * poisson**2, 0.01))[:, None, None]  # beta_0 of OPT
    return (lumping @ elastic @ _transposed(lumping)) / area[:, None, None] + _transposed(drilling) @ higher @ drilling


def bending(plane: Reals, elastic: Reals) -> Reals:
    """(F, 9, 9) stiffness of DKT for (w, rotation about x, rotation about y) of the corners; plane (F, 3, 2)
    counter-clockwise, elastic (F, 3, 3) moment a length and curvature."""
    area, gradient, slopes = _area(plane), _gradients(plane), _slopes(plane)
    stiffness = np.zeros((len(plane), 9, 9))
    for a in range(3):  # the rule of the mid-sides is exact for squares of linear curvatures
        at = np.zeros(3)
        at[[a, (a + 1) % 3]] = 0.5
        shapes = np.zeros((len(plane), 6, 2))  # gradients of the quadratic shape functions
        for i, j, k in (0, 1, 3), (1, 2, 4), (2, 0, 5):
            shapes[:, i] = (4.0 * at[i] - 1.0) * gradient[:, i]
            shapes[:, k] = 4.0 * (at[i] * gradient[:, j] + at[j] * gradient[:, i])
        second = np.einsum("fnj,fnid->fijd", shapes, slopes)  # derivatives of the deflection
        curvature = np.stack([second[:, 0, 0], second[:, 1, 1], second[:, 0, 1] + second[:, 1, 0]], axis=1)
        stiffness += _transposed(curvature) @ (elastic * (area / 3.0)[:, None, None]) @ curvature
    return stiffness


def _slopes(plane: Reals) -> Reals:
    """(F, 6, 2, 9) the gradient of the deflection at the corners, and halfway from each to the next, from the bending
    freedoms: along a side it is that of the cubic through its ends, across it varies linearly."""
    slopes = np.zeros((len(plane), 6, 2, 9))
    for i in range(3):
        slopes[:, i, 0, 3 * i + 2] = -1.0
        slopes[:, i, 1, 3 * i + 1] = 1.0
    for i, j, k in (0, 1, 3), (1, 2, 4), (2, 0, 5):
        side = plane[:, j] - plane[:, i]
        slant = 1.5 * side / (side**2).sum(axis=1, keepdims=True)
        ends = slopes[:, i] + slopes[:, j]
        along = (side[:, None] @ ends)[:, 0]
        slopes[:, k] = 0.5 * (ends - slant[..., None] * along[:, None])
        slopes[:, k, :, 3 * j] += slant
        slopes[:, k, :, 3 * i] -= slant
    return slopes


def _no_needles(vertices: Reals, faces: NDArray) -> Reals:
    """(F, 3, 3) the corners of the triangles, those of needles moved apart within the sheet around them."""
    corners = vertices[faces]
    doubled = 2.0 * area_vectors(vertices, faces)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    if not longest.any():
        raise ValueError("the sheet has no extent: all its triangles are points")
    thin = np.flatnonzero(np.linalg.norm(doubled, axis=1) <= SLENDER * longest**2)
    if not len(thin):
        return corners
    incident = csr_matrix((np.ones(faces.size), (faces.ravel(), np.repeat(np.arange(len(faces)), 3))))
    tensors = (incident @ np.einsum("fi,fj->fij", doubled, doubled).reshape(-1, 9)).reshape(-1, 3, 3)
    # sums of squares, so that the winding of the faces is no matter
    normal = np.linalg.eigh(tensors[faces[thin]].sum(axis=1))[1][:, :, 2]
    basis = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])  # shapes of a triangle, in a row
    left, size, right = np.linalg.svd(basis @ corners[thin], full_matrices=False)
    across = np.cross(normal, right[:, 0])
    lost = np.linalg.norm(across, axis=1) < 0.1  # the needle stands upright on the sheet
    across = unit(np.where(lost[:, None], right[:, 1], across))
    across *= np.where(np.einsum("ti,ti->t", across, right[:, 1]) < 0.0, -1.0, 1.0)[:, None]
    first = np.maximum(size[:, 0], SLENDER * longest.mean())
    # a triangle of height h over a side L has singular values of about L / sqrt(2) and h sqrt(2 / 3)
    second = np.maximum(size[:, 1], 2.0 / np.sqrt(3.0) * SLENDER * first)
    shape = left @ np.stack([first[:, None] * right[:, 0], second[:, None] * across], axis=1)
    corners[thin] = corners[thin].mean(axis=1, keepdims=True) + basis.T @ shape
    return corners


def _frames(corners: Reals) -> Reals:
    """(F, 3, 3) the axes of each triangle: along its first side, across it, its normal."""
    first = unit(corners[:, 1] - corners[:, 0])
    normal = unit(np.cross(first, corners[:, 2] - corners[:, 0]))
    return np.stack([first, np.cross(normal, first), normal], axis=1)


def _arms(frame: Reals, arm: Reals) -> Reals:
    """(F, 18, 18) local freedoms of the corners from those of their vertices, which are rigid arms (F, 3, 3) away."""
    out = np.zeros((len(frame), 18, 18))
    for a in range(3):
        u, turn = slice(6 * a, 6 * a + 3), slice(6 * a + 3, 6 * a + 6)
        out[:, u, u] = out[:, turn, turn] = frame
        out[:, u, turn] = np.cross(arm[:, a, None], frame)  # frame_i . (rotation x arm) = (arm x frame_i) . rotation
    return out


def _plane_stress(young: Reals, poisson: Reals) -> Reals:
    """(F, 3, 3) stresses xx, yy, xy from strains xx, yy and twice xy."""
    unit_stress = np.zeros((len(young), 3, 3))
    unit_stress[:, 0, 0] = unit_stress[:, 1, 1] = 1.0
    unit_stress[:, 0, 1] = unit_stress[:, 1, 0] = poisson
    unit_stress[:, 2, 2] = 0.5 * (1.0 - poisson)
    return unit_stress * (young / (1.0 - poisson**2))[:, None, None]


def _assembled(elements: Reals, faces: NDArray, count: int) -> csr_matrix:
    """(6 V, 6 V) the sum of the triangles' matrices (F, 18, 18); symmetric to the last bit."""
    elements = 0.5 * (elements + _transposed(elements))
    blocks = elements.reshape(-1, 3, FREEDOMS, 3, FREEDOMS).transpose(0, 1, 3, 2, 4).reshape(-1, FREEDOMS, FREEDOMS)
    place = (faces[:, :, None] * count + faces[:, None, :]).ravel()
    place, into = np.unique(place, return_inverse=True)
    gather = csr_matrix((np.ones(len(into)), (into, np.arange(len(into)))))
    summed = (gather @ blocks.reshape(len(into), -1)).reshape(-1, FREEDOMS, FREEDOMS)
    ends = np.searchsorted(place, count * np.arange(count + 1))
    return bsr_matrix((summed, place % count, ends), shape=(FREEDOMS * count,) * 2).tocsr()


def _lumped(mass: Reals, inertia: Reals, faces: NDArray, count: int) -> csr_matrix:
    """(6 V, 6 V) a third of each triangle's mass (F,) and rotary inertia (F,) at each of its corners."""
    share = np.repeat(np.stack([mass, inertia], axis=1) / 3.0, 3, axis=0)
    found = np.stack([np.bincount(faces.ravel(), column, minlength=count) for column in share.T], axis=1)
    used = np.bincount(faces.ravel(), minlength=count) > 0
    found[used] = np.maximum(found[used], SLIGHTEST * found[used].mean(axis=0))
    return diags(np.repeat(found, 3, axis=1).ravel()).tocsr()


def _area(plane: Reals) -> Reals:
    a, b = plane[:, 1] - plane[:, 0], plane[:, 2] - plane[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _gradients(plane: Reals) -> Reals:
    """(F, 3, 2) of the linear shape function of each corner."""
    opposite = np.roll(plane, -2, axis=1) - np.roll(plane, -1, axis=1)
    return np.stack([-opposite[..., 1], opposite[..., 0]], axis=2) / (2.0 * _area(plane))[:, None, None]


def _transposed(matrices: Reals) -> Reals:
    return matrices.transpose(0, 2, 1)
