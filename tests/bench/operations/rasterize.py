"""Rasterising 20 480 triangles in 8 views of 256 x 256 pixels, against ray casters: `rasterize` of ours."""

from collections.abc import Callable

import numpy as np
import torch
import trimesh

from kernels.rasterize import rasterize
from tests.bench.side_by_side import copy_speed, side_by_side
from tests.bench.table import Table
from tests.learned.scenes import around, perspective, seen

SIDE, VIEWS = 256, 8


def table(device: str, copy: float) -> Table:
    """`copy` is the machine's own, bytes a second, read and written both counted.

    The ray casters are given their trees, and rays that are already there; ours is given positions in clip space, and
    its checks at the door are part of its time.
    """
    mesh = trimesh.creation.icosphere(subdivisions=5)
    poses, projection = around(VIEWS, 3.0), perspective()
    positions, faces = (tensor.to(device) for tensor in seen(mesh.vertices, mesh.faces, poses, projection))
    rays = _rays(poses, projection)
    ours = lambda: rasterize(positions, faces, SIDE, SIDE)  # noqa: E731
    casters = {name: caster for name, caster in _casters(mesh, rays, device).items() if caster}
    fragments = ours()
    for name, caster in casters.items():
        alike = np.mean(np.asarray(caster()).reshape(-1) == fragments.triangle.cpu().numpy().reshape(-1))
        if alike < 0.9999:
            raise AssertionError(f"{name} sees the same triangle at {alike:.4%} of the pixels only")
    seconds = side_by_side({"ours": ours, **casters}, rounds=15)
    result = Table(f"rasterize: {len(mesh.faces)} triangles, {VIEWS} views, {SIDE} x {SIDE} pixels, {device}")
    result.add("rasterize", 1000 * seconds["ours"], "ms")
    # the promise: so much faster than Mitsuba or, where that does not start, than embreex
    promised = {"Mitsuba 3": 1.7} if "Mitsuba 3" in casters else {"embreex": 7}
    for name in casters:
        least = promised.get(name) if device == "cpu" else None
        result.add(f"times faster than {name}", seconds[name] / seconds["ours"], "x", least=least)
    # read once: positions and faces; written once: what comes back
    moved = positions.nbytes + faces.nbytes + sum(tensor.nbytes for tensor in fragments)
    result.add("floor: its input and output moved once", 1000 * moved / copy, "ms")
    result.add("times above the floor", seconds["ours"] / (moved / copy), "x")
    return result


def _rays(poses: list[np.ndarray], projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions (VIEWS * SIDE * SIDE, 3) float32 of the rays through the pixels' centres."""
    y, x = np.meshgrid(1 - (2 * np.arange(SIDE) + 1) / SIDE, (2 * np.arange(SIDE) + 1) / SIDE - 1, indexing="ij")
    ahead = np.stack([x / projection[0, 0], y / projection[1, 1], -np.ones_like(x)], axis=-1).reshape(-1, 3)
    directions = np.concatenate([ahead @ pose[:3, :3] for pose in poses])
    origins = np.concatenate([np.broadcast_to(-pose[:3, :3].T @ pose[:3, 3], ahead.shape) for pose in poses])
    return origins.astype(np.float32), directions.astype(np.float32)


def _casters(mesh: trimesh.Trimesh, rays: tuple[np.ndarray, np.ndarray], device: str) -> dict[str, Callable | None]:
    return {"Mitsuba 3": _mitsuba(mesh, rays, device), "embreex": _embree(mesh, rays) if device == "cpu" else None}


def _mitsuba(mesh: trimesh.Trimesh, rays: tuple[np.ndarray, np.ndarray], device: str) -> Callable | None:
    """None where its variant does not start: on the CPU it looks for the system's LLVM."""
    import drjit
    import mitsuba

    try:
        mitsuba.set_variant("llvm_ad_rgb" if device == "cpu" else "cuda_ad_rgb")
        drjit.eval(mitsuba.Float(0))
    except (ImportError, RuntimeError, AttributeError) as absent:
        print(f"Mitsuba 3 does not start: {absent}")
        return None
    loaded = mitsuba.Mesh("mesh", len(mesh.vertices), len(mesh.faces))
    parameters = mitsuba.traverse(loaded)
    parameters["vertex_positions"] = mitsuba.Float(mesh.vertices.astype(np.float32).ravel())
    parameters["faces"] = mitsuba.UInt32(mesh.faces.astype(np.uint32).ravel())
    parameters.update()
    scene = mitsuba.load_dict({"type": "scene", "mesh": loaded})
    origins, directions = (mitsuba.Point3f(rays[0].T), mitsuba.Vector3f(rays[1].T))
    ray = mitsuba.Ray3f(origins, directions)
    drjit.eval(ray)

    def cast():
        hit = scene.ray_intersect_preliminary(ray, coherent=True)
        triangle = drjit.select(hit.is_valid(), mitsuba.Int32(hit.prim_index), -1)
        drjit.eval(triangle, hit.t, hit.prim_uv)
        drjit.sync_thread()
        return triangle

    return cast


def _embree(mesh: trimesh.Trimesh, rays: tuple[np.ndarray, np.ndarray]) -> Callable:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    TriangleMesh(scene, mesh.triangles.astype(np.float32))
    return lambda: scene.run(*rays)


if __name__ == "__main__":
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    table(kind, copy_speed(kind)).show()
