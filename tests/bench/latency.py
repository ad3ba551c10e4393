"""How long an artist waits: for the backend, for the first frame of a melt, for all 48.

ENVIRONMENT: bpy-5.0
"""

import statistics
import time

import bpy

from backend import protocol
from blender_addon.scene.reading import read_subject
from blender_addon.scene.writing import Import
from tests.bench.backend_process import Backend
from tests.bench.table import Table

ROUNDS = 3


def monkey():
    """About 10,000 vertices: Blender's own monkey, subdivided."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_monkey_add()
    thing = bpy.context.object
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 2
    bpy.ops.object.modifier_apply(modifier="Subdivision")
    return thing


def melt(session) -> tuple[float, float, float]:
    """Seconds from the button to the keys of the first frame (the mesh as it is), of the second and of the last."""
    thing = monkey()
    began = time.perf_counter()
    data, target = read_subject(thing)
    request = protocol.Animate(stages=(protocol.Stage(process=protocol.Melt()),), preview=False)
    job = session.submit(request, "melt", subject=data)
    incoming, arrived = Import("melt", protocol.provenance(request), target), []
    while not session.fetched(job):
        session.rest(0.005)
        session.tick()
        while (taken := session.take(job)) is not None:
            incoming.apply(*taken[1:])
            if isinstance(taken[1], protocol.FrameRecord):
                arrived.append(time.perf_counter() - began)
        if session.jobs[job].state == "failed":
            raise RuntimeError(session.jobs[job].failure)
    for _ in incoming.finish():
        pass
    return arrived[0], arrived[1], time.perf_counter() - began


def main() -> None:
    ready = []
    for _ in range(ROUNDS):
        with Backend() as backend:
            ready.append(backend.ready_seconds)
    with Backend() as backend:
        session = backend.session()
        cold = melt(session)
        warm = [melt(session) for _ in range(ROUNDS)]
        vertices = len(bpy.context.object.data.vertices)
        session.close()
    first, second, last = (statistics.median(times) for times in zip(*warm, strict=True))
    blender = bpy.app.version_string
    table = Table(f"What an artist waits for, medians of {ROUNDS}, {blender}, melt of {vertices:,} vertices")
    table.add("start of the backend to its first answer", statistics.median(ready), "s", 1)
    table.add("button to first frame", first, "s", 2)
    table.add("button to second frame, the first that moves", second, "s", 2)
    table.add("button to all 48 frames", last, "s", 10)
    for name, seconds in zip(("first frame", "second frame", "all frames"), cold, strict=True):
        table.add(f"first melt of a new installation, kernels compiled: {name}", seconds, "s")
    table.show()


if __name__ == "__main__":
    main()
