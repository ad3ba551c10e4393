"""Finding the object of a result, tick after tick, in a file that the artist goes on working in."""

import bpy
import numpy as np

from . import keys
from .reading import Target, fingerprint, rest

TOLERANCE = 1e-7  # of a matrix, relative, below which it is the identity


def by_uid(uid: int, likely_name: str = ""):
    """An object of the open file by its session_uid, whatever it is called now."""
    obj = bpy.data.objects.get(likely_name)
    if obj is not None and obj.session_uid == uid:
        return obj
    return next((obj for obj in bpy.data.objects if obj.session_uid == uid), None)


def in_use(obj) -> bool:
    """False for what is left of an object that was taken out of every collection."""
    return obj.users > obj.use_fake_user


def writable(obj, vertices: int):
    """The object where it can take frames now, else None."""
    if obj is None or not in_use(obj) or obj.type != "MESH":
        return None
    busy = obj.data.is_editmode or obj.mode == "SCULPT" or len(obj.data.vertices) != vertices
    return None if busy else obj


def of_target(target: Target) -> tuple[bpy.types.Object | None, str]:
    """The object that was sent, and why it cannot take its result; "" where it can.

    Ids are new in a file opened again; the name is then what is left, and the fingerprint the judge.
    """
    renamed, same_name = by_uid(target.uid), bpy.data.objects.get(target.object_name)
    obj = next((obj for obj in (renamed, same_name) if obj and not changed(target, obj)), renamed or same_name)
    return obj, changed(target, obj)


def changed(target: Target, obj) -> str:
    """Why an object cannot take the target's result, or nothing."""
    name = target.object_name
    if obj is None or not in_use(obj):
        return f'"{name}" was deleted in between'
    if obj.type != "MESH" or obj.library or obj.data.library:
        return f'"{name}" is no longer a mesh of this file'
    if obj.data.is_editmode or obj.mode == "SCULPT":
        return f'"{name}" is being edited'
    if fingerprint(obj.data) != target.fingerprint:
        return f'"{name}" was edited in between'
    if obj.data.shape_keys and not obj.data.shape_keys.use_relative:
        return f'"{name}" has absolute shape keys now'
    return ""


def edited(obj, was: np.ndarray, written: list[str]) -> bool:
    """Whether the rest shape is no longer (V, 3) `was`, or one of the keys `written` so far is gone."""
    if not np.array_equal(rest(obj.data), was):
        return True
    there = {key.name for key in obj.data.shape_keys.key_blocks} if obj.data.shape_keys else set()
    return not there.issuperset(written)


def back_to_object(target: Target | None) -> np.ndarray | None:
    """(3, 3) from world orientation and scale to the mesh's own axes; None where they are the same."""
    matrix = np.eye(3) if target is None else np.array(target.matrix).reshape(3, 3)
    if np.abs(matrix - np.eye(3)).max() < TOLERANCE:
        return None
    return np.linalg.inv(matrix).astype(np.float32)


def turned(positions: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """(V, 3) by a (3, 3) matrix. Not @: BLAS would start its threads for this, and those wait for Blender's."""
    return positions if matrix is None else np.einsum("ij,vj->vi", matrix, positions)


def key_names(indices: list[int], labels: list[str], preview: bool = False) -> list[str]:
    """The keys of these frames, a frame's processes side by side."""
    return [keys.name_of(index, label, preview) for index in indices for label in labels]
