"""A .usd of any kind as a Sequence: every mesh that is visible, at every time at which anything in the stage is keyed.

Blend shapes and skeletons are baked to points by UsdSkel. The stage says which axis is up and how long its unit is.
Colours are displayColor, linear, or else the first primvar of colours (Blender writes those of its attributes so).
"""

from pathlib import Path

import numpy as np
from pxr import Gf, Tf, Usd, UsdGeom, UsdSkel

from backend.clip import fan_triangles
from tests.benchmarks.lifebench.nouns import Ints, Reals, Sequence
from tests.benchmarks.lifebench.readers.moments import Moment, Unreadable, joined, moments_between, sequence, z_up

_COLOURS = ("color3f[]", "color4f[]", "color3d[]", "color4d[]", "color3h[]", "color4h[]")


def read(path: Path, fps: float | None = None) -> Sequence:
    """Raises Unreadable."""
    try:
        stage = Usd.Stage.Open(str(path))
        pace = stage.GetTimeCodesPerSecond()
        codes = moments_between(_keyed(stage) / pace, fps) * pace
        _bake(stage)  # only now: it puts samples between those of the file
        moments = [_moment(stage, code, path.name) for code in codes]
    except Tf.ErrorException as error:
        raise Unreadable(f"{path.name} is not a sound USD file: {error}. Export it again") from error
    return sequence(moments, codes / pace, path.stat().st_size, path.name)


def _bake(stage: Usd.Stage) -> None:
    """Skeletons and blend shapes to points, in a layer that is not saved."""
    roots = [prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Root)]
    if roots:
        layer = stage.GetSessionLayer()
        layer.timeCodesPerSecond = stage.GetTimeCodesPerSecond()  # otherwise its 24 stretch what is baked
        stage.SetEditTarget(layer)
        for prim in roots:
            UsdSkel.BakeSkinning(UsdSkel.Root(prim), Gf.Interval.GetFullInterval())


def _keyed(stage: Usd.Stage) -> Reals:
    """(T,) time codes of all samples of all attributes, rising; one where nothing moves."""
    attributes = (attribute for prim in stage.Traverse() for attribute in prim.GetAttributes())
    found = {code for attribute in attributes for code in attribute.GetTimeSamples()}
    return np.array(sorted(found) or [stage.GetStartTimeCode()])


def _moment(stage: Usd.Stage, code: float, name: str) -> Moment:
    place, pieces = UsdGeom.XformCache(code), []
    for prim in stage.Traverse(Usd.TraverseInstanceProxies()):
        if not prim.IsA(UsdGeom.Mesh):
            continue
        mesh = UsdGeom.Mesh(prim)
        if mesh.ComputeVisibility(code) == UsdGeom.Tokens.invisible or mesh.GetPurposeAttr().Get() == "guide":
            continue
        piece = _piece(mesh, code, np.array(place.GetLocalToWorldTransform(prim)))
        if len(piece.faces):
            pieces.append(piece)
    if not pieces:
        raise Unreadable(f"{name} shows no mesh at time code {code:g}")
    whole = joined(pieces)
    vertices = whole.vertices * UsdGeom.GetStageMetersPerUnit(stage)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y:
        vertices = z_up(vertices)
    return Moment(vertices, whole.faces, whole.albedo, whole.roughness, whole.opacity)


def _piece(mesh: UsdGeom.Mesh, code: float, world: Reals) -> Moment:
    points = np.array(mesh.GetPointsAttr().Get(code) or np.empty((0, 3)), np.float64).reshape(-1, 3)
    corners = np.array(mesh.GetFaceVertexIndicesAttr().Get(code) or (), np.int64)
    sizes = np.array(mesh.GetFaceVertexCountsAttr().Get(code) or (), np.int64)
    faces = corners[fan_triangles(sizes)]
    mirrored = np.linalg.det(world[:3, :3]) < 0
    if mirrored != (mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded):
        faces = faces[:, ::-1]
    primvars = UsdGeom.PrimvarsAPI(mesh)

    def told(primvar) -> Reals | None:
        return _of_vertices(primvar, code, len(points), corners, sizes) if primvar else None

    colour = told(_colour(primvars))
    look = [told(primvars.GetPrimvar(each)) for each in ("roughness", "displayOpacity")]
    return Moment(
        points @ world[:3, :3] + world[3, :3],
        faces,
        None if colour is None else colour[:, :3],
        *(None if each is None else each[:, 0] for each in look),
    )


def _colour(primvars: UsdGeom.PrimvarsAPI) -> UsdGeom.Primvar | None:
    shown = primvars.GetPrimvar("displayColor")
    if shown.HasAuthoredValue():
        return shown
    found = [each for each in primvars.GetPrimvarsWithAuthoredValues() if str(each.GetTypeName()) in _COLOURS]
    return found[0] if found else None


def _of_vertices(primvar: UsdGeom.Primvar, code: float, count: int, corners: Ints, sizes: Ints) -> Reals | None:
    """(V, width) of a primvar of any interpolation; the mean of a vertex' corners. None where it has no values."""
    values = np.array(primvar.ComputeFlattened(code) if primvar.HasAuthoredValue() else (), np.float64)
    if not values.size:
        return None
    values = values.reshape(len(values), -1)
    way = primvar.GetInterpolation()
    if way in (UsdGeom.Tokens.vertex, UsdGeom.Tokens.varying):
        return values
    if way == UsdGeom.Tokens.uniform:
        values = np.repeat(values, sizes, axis=0)
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, corners, values)  # the one value of a constant goes to every corner
    return total / np.maximum(np.bincount(corners, minlength=count), 1)[:, None]
