"""A .glb or .gltf with morph targets, skins and moving nodes, as a Sequence.

glTF splits vertices where UVs or normals break. Those that are at one place at every time are one vertex again: an
answer should not be judged by what its format does to its seams. Y up becomes Z up; units are metres.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.lifebench.nouns import Ints, Reals, Sequence
from tests.benchmarks.lifebench.readers import textures
from tests.benchmarks.lifebench.readers.gltf_animation import Motion
from tests.benchmarks.lifebench.readers.gltf_document import Document
from tests.benchmarks.lifebench.readers.moments import Moment, Unreadable, joined, moments_between, sequence, z_up

_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_FLAT = 1e-9  # a node whose matrix has so small a determinant is hidden: so mesh sequences are made in glTF


@dataclass(frozen=True, eq=False)
class Shape:
    """A glTF mesh: all its primitives as one, seams closed."""

    rest: Reals  # (V, 3)
    targets: Reals  # (K, V, 3) offsets
    faces: Ints  # (F, 3)
    joints: Ints  # (V, J) into the skin's joints; J is 0 without a skin
    shares: Reals  # (V, J)
    albedo: Reals | None  # (V, 3) linear
    roughness: Reals | None  # (V,)
    opacity: Reals | None  # (V,)


def read(path: Path, fps: float | None = None) -> Sequence:
    """All meshes of the default scene. `fps` None: at the key times of its curves. Raises Unreadable."""
    document = Document(path)
    try:
        motion, roots = Motion(document), _roots(document.json)
        shapes = {number: _shape(document, mesh) for number, mesh in enumerate(document.json.get("meshes", ()))}
        times = moments_between(motion.times, fps)
        moments = [_moment(document, motion, shapes, roots, time) for time in times]
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{path.name} is not a sound glTF file: {error!r}. Export it again") from error
    return sequence(moments, times, document.size, path.name)


def _roots(json: dict) -> list[int]:
    if "scenes" in json:
        return json["scenes"][json.get("scene", 0)].get("nodes", [])
    children = {child for node in json.get("nodes", ()) for child in node.get("children", ())}
    return [number for number in range(len(json.get("nodes", ()))) if number not in children]


def _moment(document: Document, motion: Motion, shapes: dict[int, Shape], roots: list[int], time: float) -> Moment:
    worlds, pieces = motion.worlds(roots, time), []
    for node in sorted(worlds):
        said = motion.nodes[node]
        shape = shapes.get(said.get("mesh", -1))
        if shape is None or not len(shape.faces):
            continue
        mesh = document.json["meshes"][said["mesh"]]
        vertices = _morphed(shape, motion.weights(node, mesh, len(shape.targets), time))
        if "skin" in said and shape.joints.shape[1]:
            vertices, faces = _skinned(document, said["skin"], shape, vertices, worlds), shape.faces
        else:
            turn, shift = worlds[node][:3, :3], worlds[node][:3, 3]
            size = np.linalg.det(turn)
            if abs(size) < _FLAT:
                continue
            vertices, faces = vertices @ turn.T + shift, shape.faces if size > 0 else shape.faces[:, ::-1]
        pieces.append(Moment(z_up(vertices), faces, shape.albedo, shape.roughness, shape.opacity))
    if not pieces:
        raise Unreadable(f"{document.path.name} shows no mesh of triangles at {time:.3f} s")
    return joined(pieces)


def _morphed(shape: Shape, weights: Reals) -> Reals:
    vertices = shape.rest.copy()
    for weight, target in zip(weights, shape.targets, strict=True):
        if weight:
            vertices += weight * target
    return vertices


def _skinned(document: Document, skin: int, shape: Shape, vertices: Reals, worlds: dict[int, Reals]) -> Reals:
    """Linear blend skinning. The node's own matrix does not count, as the specification says."""
    said = document.json["skins"][skin]
    bones = np.stack([worlds[joint] for joint in said["joints"]])
    if "inverseBindMatrices" in said:
        inverse = document.array(said["inverseBindMatrices"]).astype(np.float64)
        bones = bones @ inverse.reshape(-1, 4, 4).transpose(0, 2, 1)
    shares = shape.shares / np.maximum(shape.shares.sum(axis=1, keepdims=True), 1e-12)
    blended = np.einsum("vj,vjab->vab", shares, bones[shape.joints])
    return np.einsum("vab,vb->va", blended[:, :3, :3], vertices) + blended[:, :3, 3]


def _shape(document: Document, mesh: dict) -> Shape:
    parts = [each for each in mesh["primitives"] if each.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN)]
    rest, targets, faces, joints, shares, looks, start = [], [], [], [], [], [], 0
    for part in parts:
        attributes = part["attributes"]
        rest.append(document.array(attributes["POSITION"]).astype(np.float64))
        count = len(rest[-1])
        zero = np.zeros((count, 3))
        moved = [document.array(t["POSITION"]) if "POSITION" in t else zero for t in part.get("targets", ())]
        targets.append(np.array(moved, np.float64).reshape(-1, count, 3))
        sets = sum(name.startswith("JOINTS_") for name in attributes)
        none = [np.zeros((count, 0))]
        joints.append(np.hstack([document.array(attributes[f"JOINTS_{k}"]) for k in range(sets)] or none).astype(int))
        shares.append(np.hstack([document.array(attributes[f"WEIGHTS_{k}"]) for k in range(sets)] or none))
        looks.append(_look(document, part))
        faces.append(_faces(document, part, count) + start)
        start += count
    if not parts:
        return Shape(*(np.zeros(shape) for shape in ((0, 3), (0, 0, 3), (0, 3), (0, 0), (0, 0))), None, None, None)
    sets = max(each.shape[1] for each in joints)
    joints, shares = (
        np.concatenate([np.pad(each, ((0, 0), (0, sets - each.shape[1]))) for each in of]) for of in (joints, shares)
    )
    whole = joined([Moment(r, f, *look) for r, f, look in zip(rest, faces, looks, strict=True)])
    targets = np.concatenate(targets, axis=1)
    key = np.hstack([whole.vertices, targets.transpose(1, 0, 2).reshape(start, -1), joints, shares])
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # the file's own order, not that of their places
    first, which = first[order], np.argsort(order)[which.reshape(-1)]
    look = (None if each is None else _mean(each, which) for each in (whole.albedo, whole.roughness, whole.opacity))
    return Shape(
        whole.vertices[first], targets[:, first], which[np.concatenate(faces)], joints[first], shares[first], *look
    )


def _mean(values: Reals, which: Ints) -> Reals:
    """Of the vertices that became one: each side of a seam may have its own colour."""
    total = np.zeros((which.max() + 1, *values.shape[1:]))
    np.add.at(total, which, values)
    return total / np.bincount(which).reshape(-1, *[1] * (values.ndim - 1))


def _faces(document: Document, part: dict, count: int) -> Ints:
    index = document.array(part["indices"])[:, 0].astype(np.int64) if "indices" in part else np.arange(count)
    mode = part.get("mode", _TRIANGLES)
    if mode == _TRIANGLES:
        return index.reshape(-1, 3)
    k = np.arange(len(index) - 2)
    if mode == _FAN:
        return np.stack([np.full(len(k), index[0]), index[k + 1], index[k + 2]], axis=1)
    odd = k % 2
    return np.stack([index[k], index[k + 1 + odd], index[k + 2 - odd]], axis=1)


def _look(document: Document, part: dict) -> tuple[Reals | None, Reals | None, Reals | None]:
    """Albedo (V, 3) linear, roughness (V,) and opacity (V,), from factors, textures and COLOR_0."""
    attributes = part["attributes"]
    count = document.json["accessors"][attributes["POSITION"]]["count"]
    painted = document.array(attributes["COLOR_0"]).astype(np.float64) if "COLOR_0" in attributes else None
    if "material" not in part:
        return (None if painted is None else painted[:, :3]), None, None
    material = document.json["materials"][part["material"]]
    surface = material.get("pbrMetallicRoughness", {})
    colour = np.tile(np.array(surface.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0)), np.float64), (count, 1))
    roughness = np.full(count, float(surface.get("roughnessFactor", 1.0)))
    if "baseColorTexture" in surface:
        colour *= textures.linear(textures.sampled(document, surface["baseColorTexture"], attributes))
    if "metallicRoughnessTexture" in surface:
        roughness *= textures.sampled(document, surface["metallicRoughnessTexture"], attributes)[:, 1]
    if painted is not None:
        colour[:, : painted.shape[1]] *= painted
    opaque = material.get("alphaMode", "OPAQUE") == "OPAQUE"
    return colour[:, :3], roughness, None if opaque else colour[:, 3]
