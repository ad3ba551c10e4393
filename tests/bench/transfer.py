"""From frames on disk in the store to shape keys in Blender, against a bare loop over arrays in memory.

ENVIRONMENT: bpy-5.0
"""

import json
import statistics
import subprocess
import sys
import time

import bpy
import numpy as np

from backend import protocol
from blender_addon.scene.writing import Import
from tests.bench.backend_process import Backend
from tests.bench.sheets import sheet, wave
from tests.bench.table import Table

VERTICES, FRAMES, ROUNDS = 50_000, 120, 5


def bare(mesh, frames: list[np.ndarray]) -> float:
    """Seconds of the least that anyone must do: one shape key a frame, filled from memory."""
    data = bpy.data.meshes.new("bare")
    sizes = mesh.sizes
    data.from_pydata(mesh.vertices, [], mesh.corners.reshape(-1, sizes[0]))
    thing = bpy.data.objects.new("bare", data)
    thing.shape_key_add(name="Basis", from_mix=False)
    began = time.perf_counter()
    for k, positions in enumerate(frames):
        key = thing.shape_key_add(name=f"{k}", from_mix=False)
        key.points.foreach_set("co", positions.ravel())
    return time.perf_counter() - began


def through_backend(session, job: str) -> tuple[float, float]:
    """Seconds from asking to the last key, and the longest single application of a record."""
    begins = None
    longest = 0.0
    incoming = Import("wave", {}, None)
    asked = time.perf_counter()
    session.fetch(job)
    while not session.fetched(job):
        session.tick(0.05)
        while (taken := session.take(job)) is not None:
            began = time.perf_counter()
            incoming.apply(*taken[1:])
            if isinstance(taken[1], protocol.Subject):
                begins = time.perf_counter()  # the mesh itself is made in both ways, and timed in neither
                asked += begins - began
            else:
                longest = max(longest, time.perf_counter() - began)
        if not session.fetched(job):
            session.rest(0.01)
    seconds = time.perf_counter() - asked
    for _ in incoming.finish():
        pass
    return seconds, longest


def once(way: str) -> dict[str, float]:
    """One measurement. Each has a Blender of its own: what an artist imports into has not held the clip before."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if way == "bare":
        mesh = sheet(VERTICES)
        return {"seconds": bare(mesh, [wave(mesh.vertices, k / (FRAMES - 1)) for k in range(FRAMES)])}
    endpoint = ("--endpoint", "tcp://127.0.0.1:0") if way == "tcp" else ()
    with Backend("tests.bench.runner", *endpoint) as backend:
        session = backend.session()
        session.reads_logs = way == "ipc"
        job = session.submit(protocol.Generate(prompt=str(VERTICES), frames=FRAMES), way, fetch=False)
        session.wait(job, 120)
        seconds, longest = through_backend(session, job)
        session.close()
    return {"seconds": seconds, "longest": longest}


def main() -> None:
    found: dict[str, list[dict]] = {"bare": [], "ipc": [], "ipc chunks": [], "tcp": [], "curve": []}
    for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine meets all of them
        for way, results in found.items():
            command = [sys.executable, "-m", "tests.bench.transfer", "--once", way]
            if way == "curve":
                command = [sys.executable, "-m", "tests.bench.raw", str(VERTICES * FRAMES * 12)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results.append(json.loads(output.splitlines()[-1]))
    median = {way: statistics.median(result["seconds"] for result in results) for way, results in found.items()}
    longest = max(result["longest"] for way in ("ipc", "ipc chunks", "tcp") for result in found[way])
    table = Table(
        f"Store to shape keys, {VERTICES:,} vertices x {FRAMES} frames, medians of {ROUNDS}, {bpy.app.version_string}"
    )
    table.add("bare loop over arrays in memory", median["bare"], "s")
    table.add("ipc, the client reads the log", median["ipc"], "s")
    table.add("ipc, chunks over the socket", median["ipc chunks"], "s")
    table.add("TCP with CURVE", median["tcp"], "s")
    table.add("the same bytes over bare ZeroMQ, TCP with CURVE, no Blender", median["curve"], "s")
    table.add("ipc / bare", median["ipc"] / median["bare"], "x", 1.5)
    table.add("ipc, chunks over the socket / bare", median["ipc chunks"] / median["bare"], "x")
    table.add("TCP with CURVE / bare", median["tcp"] / median["bare"], "x", 4)
    table.add("TCP with CURVE / (bare loop + bare ZeroMQ)", median["tcp"] / (median["bare"] + median["curve"]), "x")
    table.add("longest application of one frame", longest * 1000, "ms", 20)
    table.show()


if __name__ == "__main__":
    if "--once" in sys.argv:
        print(json.dumps(once(sys.argv[-1])))
    else:
        main()
