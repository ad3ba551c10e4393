"""Exported files, read by others than who wrote them: glTF by its own grammar, FBX and Alembic by Blender's importers,
USD by usd-core."""

import json
import os
import struct
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon.scene import curves
from tests.blender import samples

ROOT = Path(__file__).resolve().parents[2]
BACKEND = Path(os.environ.get("ANTHESIS_ENV") or ROOT / ".env") / "backend" / "bin" / "python"

READ_USD = """
import sys
import numpy as np
from pxr import Usd, UsdGeom
stage = Usd.Stage.Open(sys.argv[1])
(mesh,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
start, end = int(stage.GetStartTimeCode()), int(stage.GetEndTimeCode())
points, colours = [], []
for time in range(start, end + 1):
    matrix = np.array(UsdGeom.Xformable(mesh).ComputeLocalToWorldTransform(time))
    points.append(np.array(mesh.GetPointsAttr().Get(time)) @ matrix[:3, :3] + matrix[3, :3])
    primvar = UsdGeom.PrimvarsAPI(mesh).GetPrimvar("Albedo")
    colours.append(np.array(primvar.ComputeFlattened(time)) if primvar else np.zeros(0))
np.savez(sys.argv[2], points=points, colours=colours, corners=mesh.GetFaceVertexIndicesAttr().Get(),
         range=[start, end], up=UsdGeom.GetStageUpAxis(stage))
"""


class Glb:
    """A binary glTF file with one mesh: its arrays, and what its targets show over time."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        length = struct.unpack_from("<I", data, 12)[0]
        self.json, self.binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def array(self, number):
        accessor = self.json["accessors"][number]
        view = self.json["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        dtype = {5121: "|u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        return np.frombuffer(self.binary, dtype, accessor["count"] * width, start).reshape(-1, width)

    @property
    def primitives(self):
        return self.json["meshes"][0]["primitives"]

    def matrix(self):
        node = self.json["nodes"][0]
        x, y, z, w = node.get("rotation", (0, 0, 0, 1))
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return turn * np.array(node.get("scale", (1, 1, 1))), np.array(node.get("translation", (0, 0, 0)))

    def frames(self):
        """(times, [(V', 3) world positions in Blender's axes]), by glTF's formula: base + sum of weight x target."""
        (animation,) = self.json["animations"]
        (channel,) = animation["channels"]
        assert channel["target"] == {"node": 0, "path": "weights"}
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        times = self.array(sampler["input"]).ravel()
        weights = self.array(sampler["output"]).reshape(len(times), -1)
        base = np.concatenate([self.array(each["attributes"]["POSITION"]) for each in self.primitives])
        targets = [
            np.concatenate([self.array(each["targets"][n]["POSITION"]) for each in self.primitives])
            for n in range(weights.shape[1])
        ]
        turn, shift = self.matrix()
        local = base + np.einsum("tn,nvc->tvc", weights, np.array(targets, np.float64))
        world = local @ turn.T + shift
        return times, np.stack([world[..., 0], -world[..., 2], world[..., 1]], -1), weights


def read_by_blender(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.endswith(".abc"):
        bpy.ops.wm.alembic_import(filepath=path, as_background_job=False)
    elif hasattr(bpy.types, "WM_OT_fbx_import"):
        bpy.ops.wm.fbx_import(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path)
    (obj,) = (obj for obj in bpy.data.objects if obj.type == "MESH")
    return obj


def assert_plays_in_world(obj, expected, first=1, atol=1e-5):
    found = []
    for number in range(len(expected)):
        bpy.context.scene.frame_set(first + number)
        found.append(samples.shown_in_world(obj))
    assert_same_surface(found, expected, atol)


def first_key_frame(obj):
    """Importers put the first frame of an FBX where they like."""
    return round(min(curve.range()[0] for curve in curves.there(obj.data.shape_keys)))


def read_usd(path):
    """By the backend's own usd-core: Blender has its own, but not one that Python may import."""
    if not BACKEND.exists():
        pytest.skip(f"no usd-core: {BACKEND} is not there, so no .usdc is checked by it")
    out = path + ".npz"
    subprocess.run([BACKEND, "-c", READ_USD, path, out], check=True)
    return np.load(out)


def assert_same_surface(found, expected, atol=1e-5):
    """Per frame: the file's vertices, split at seams and reordered, are the source's, each the same in all frames."""
    assert len(found) == len(expected)
    nearest = np.linalg.norm(found[0][:, None] - expected[0][None], axis=2).argmin(axis=1)
    assert set(nearest) == set(range(len(expected[0])))
    for found_frame, frame in zip(found, expected, strict=True):
        np.testing.assert_allclose(found_frame, frame[nearest], atol=atol)
