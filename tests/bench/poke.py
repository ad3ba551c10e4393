"""Poke: what one update of a mesh costs that somebody plays with, and where Blender evaluates it.

ENVIRONMENT: bpy-5.0

An update is what the modal operator does at a turn of its timer: the modes are advanced by their closed form and a key
each gets its value; then Blender sums the keys. Drawing is not in it.
"""

import statistics
import time

import bpy
import numpy as np

from blender_addon.scene import poking, sway
from blender_addon.scene.ringing import Modes
from blender_addon.scene.sway import Mix, Sway
from tests.bench.sheets import sheet
from tests.bench.table import Table

VERTICES, MODES = 20_000, 24  # a sway's usual number
UPDATES = 300
STEP = 1 / 60  # seconds between two turns of the operator's timer
PROMISED = 30.0  # updates a second


def swaying() -> bpy.types.Object:
    """A sheet with modes of its own, in no wind."""
    made = sheet(VERTICES)
    mesh = bpy.data.meshes.new("sheet")
    mesh.from_pydata(made.vertices.tolist(), [], made.faces.tolist())
    obj = bpy.data.objects.new("sheet", mesh)
    bpy.context.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    number = np.arange(1, MODES + 1)
    place = made.vertices[:, 0] / np.ptp(made.vertices[:, 0])
    shapes = np.zeros((MODES, len(made.vertices), 3), np.float32)
    shapes[:, :, 2] = 0.1 * np.sin(np.pi * number[:, None] * place)
    modes = Modes(shapes, np.linspace(0.7, 9.0, MODES), np.full(MODES, 0.05))
    sway.put(obj, Sway(None, 0.4, Mix(modes, np.zeros((1, 2, MODES), complex))))
    return obj


def played(obj: bpy.types.Object) -> tuple[list[float], list[float]]:
    """Seconds of each update, and of each with Blender's evaluation: pulled for a third of them, then let go."""
    poke, updates, evaluated = poking.Poke(obj), [], []
    poke.take(obj, obj.data.vertices[len(obj.data.vertices) // 2].co)
    for number in range(UPDATES):
        if number < UPDATES // 3:
            poke.move(obj, (0.0, 0.0, 0.01 * np.sin(0.1 * number)))
        elif number == UPDATES // 3:
            poke.let_go()
        began = time.perf_counter()
        poke.tick(obj, STEP)
        updates.append(time.perf_counter() - began)
        obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data  # noqa: B018  (asking for it evaluates)
        evaluated.append(time.perf_counter() - began)
    poke.end(keep=False)
    return updates, evaluated


def main() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    obj = swaying()
    updates, evaluated = played(obj)
    table = Table(
        f"Poke, {len(obj.data.vertices):,} vertices, {MODES} modes, {UPDATES} updates, Blender without a window"
    )
    table.add("one update, median", 1000 * statistics.median(updates), "ms")
    table.add("the same with Blender's evaluation, median", 1000 * statistics.median(evaluated), "ms")
    table.add("the same, longest", 1000 * max(evaluated), "ms")
    table.add("updates a second, Blender's evaluation counted", 1 / statistics.median(evaluated), "", least=PROMISED)
    table.show()


if __name__ == "__main__":
    main()
