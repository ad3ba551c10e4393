"""An import as Blender's window does it: tick by tick, with the waits that the add-on asks its timer for.

ENVIRONMENT: bpy-5.0
"""

import statistics
import time
from pathlib import Path

import bpy

from backend import protocol
from blender_addon.preferences import Settings
from blender_addon.pump import Pump
from tests.bench.backend_process import Backend
from tests.bench.table import Table

VERTICES, FRAMES, ROUNDS = 50_000, 120, 5


def import_in_ticks(pump: Pump, job: str) -> tuple[float, float, float]:
    """(seconds in all, seconds waited, longest tick)."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    pump.arrivals.again(job)
    began, waited, longest = time.perf_counter(), 0.0, 0.0
    while job in pump.arrivals.open:
        start = time.perf_counter()
        pump.tick()
        longest = max(longest, time.perf_counter() - start)
        if pump.interval:
            start = time.perf_counter()
            time.sleep(pump.interval)
            waited += time.perf_counter() - start
    return time.perf_counter() - began, waited, longest


def measure(pump: Pump, prompt: str) -> list[tuple[float, float, float]]:
    job = pump.session.submit(protocol.Generate(prompt=prompt, frames=FRAMES), "ticks", fetch=False)
    pump.session.wait(job, 120)
    return [import_in_ticks(pump, job) for _ in range(ROUNDS)]


def main() -> None:
    with Backend("tests.bench.runner") as backend:
        pump = Pump(Settings(home=Path(backend.home)))
        pump.join()
        while pump.session.state != "ready":
            pump.tick()
        for kind, prompt in (("shape", f"{VERTICES}"), ("shape and colour", f"{VERTICES} colour")):
            found = measure(pump, prompt)
            table = Table(
                f"An import in ticks, {VERTICES:,} vertices x {FRAMES} frames, {kind}, {ROUNDS} rounds, "
                f"{bpy.app.version_string}"
            )
            table.add("whole import, median", statistics.median(total for total, _, _ in found), "s")
            share = statistics.median(waited / total for total, waited, _ in found)
            table.add("waiting / whole, median", share, "x", 0.5)
            longest = [longest * 1000 for _, _, longest in found]
            table.add("longest tick, median of rounds", statistics.median(longest), "ms", 20)
            table.add("longest tick of all rounds", max(longest), "ms", 20)
            table.show()
        pump.close()


if __name__ == "__main__":
    main()
