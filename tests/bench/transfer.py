"""From frames on disk in the store to shape keys in Blender, against a bare loop over arrays in memory.

ENVIRONMENT: bpy-5.0
"""

import statistics
import time

import bpy
import numpy as np

from backend import protocol
from blender_addon.scene.writing import Import
from tests.bench.backend_process import Backend
from tests.bench.runner import sheet, wave
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


def clean() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def main() -> None:
    mesh = sheet(VERTICES)
    frames = [wave(mesh.vertices, k / (FRAMES - 1)) for k in range(FRAMES)]
    times = {"bare": [], "ipc": [], "tcp": []}
    longest = 0.0
    runner = "tests.bench.runner:carry_out"
    with Backend(runner) as ipc, Backend(runner, "--endpoint", "tcp://127.0.0.1:0") as tcp:
        sessions = {"ipc": ipc.session(), "tcp": tcp.session()}
        jobs = {}
        for name, session in sessions.items():
            jobs[name] = session.submit(protocol.Generate(prompt=str(VERTICES), frames=FRAMES), name, fetch=False)
            session.wait(jobs[name], 120)
        for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine meets all of them
            clean()
            times["bare"].append(bare(mesh, frames))
            for name, session in sessions.items():
                clean()
                seconds, one = through_backend(session, jobs[name])
                times[name].append(seconds)
                longest = max(longest, one)
        for session in sessions.values():
            session.close()
    median = {name: statistics.median(values) for name, values in times.items()}
    table = Table(f"Store to shape keys, {VERTICES:,} vertices x {FRAMES} frames, medians of {ROUNDS}, {bpy.app.version_string}")
    table.add("bare loop over arrays in memory", median["bare"], "s")
    table.add("ipc", median["ipc"], "s")
    table.add("TCP with CURVE", median["tcp"], "s")
    table.add("ipc / bare", median["ipc"] / median["bare"], "x", 1.5)
    table.add("TCP with CURVE / bare", median["tcp"] / median["bare"], "x", 4)
    table.add("longest application of one frame", longest * 1000, "ms", 20)
    table.show()


if __name__ == "__main__":
    main()
