"""The demo, inside Blender (the bpy wheel): a rose from words and a melting monkey, written, saved and rendered.

Run by build.py demo, which prepares what the options name. The last line printed is JSON.
"""

import argparse
import importlib
import json
import math
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import contact_sheet

REPOSITORY, EXTENSION = "user_default", "bl_ext.user_default.anthesis"
PROMPT, FRAMES = "a red rose blooming, then wilting", 48
FORMATS = {"GLTF": ".glb", "FBX": ".fbx", "ALEMBIC": ".abc", "USD": ".usdc"}
PATIENCE = 240.0  # seconds for one job

seconds: dict[str, float] = {}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--zip", type=Path, required=True, help="the built extension")
    parser.add_argument("--python", type=Path, required=True, help="the Python that runs the backend")
    parser.add_argument("--out", type=Path, required=True, help="where the files go")
    options = parser.parse_args()
    with step("enable the add-on"):
        enable(options.zip, options.python)
    with step("start the backend"):
        start_backend()
    try:
        empty_file()
        with step("generate the rose"):
            generate()
        hand_out("rose", options.out, elevation=46)
        empty_file()
        monkey()
        with step("melt the monkey"):
            melt()
        hand_out("monkey", options.out, elevation=22)
    finally:
        stop_backend()
    files = {path.name: path.stat().st_size for path in sorted(options.out.iterdir())}
    print(json.dumps({"files": files, "seconds": seconds}), flush=True)


@contextmanager
def step(name: str):
    began = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began
    print(f"[demo] {name}: {seconds[name]:.1f} s", flush=True)


def enable(path: Path, python: Path) -> None:
    """As a user does: Install from Disk. Blender itself unpacks the wheels."""
    bpy.ops.preferences.addon_enable(module="bl_pkg")
    bpy.ops.extensions.package_install_files(filepath=str(path), repo=REPOSITORY, enable_on_install=True)
    bpy.context.preferences.addons[EXTENSION].preferences.python = str(python)


def running():
    """The add-on's own conversation with the backend."""
    return importlib.import_module(f"{EXTENSION}.events").running()


def wait_until(there, what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not there():
        running().tick()
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} took more than {PATIENCE:.0f} s: {running().session.text}")
        time.sleep(0.01)


def start_backend() -> None:
    bpy.ops.anthesis.start_backend()
    wait_until(lambda: running().session.state == "ready", "starting the backend")


def stop_backend() -> None:
    """A long render is silence to the backend, which may have let go of us: greet it first, so that it listens."""
    ends = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > ends and running().session.state == "ready", "reaching the backend again")
    bpy.ops.anthesis.stop_backend(force=True)
    wait_until(lambda: running().session.state == "off", "stopping the backend")


def empty_file() -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def generate() -> None:
    settings = bpy.context.scene.anthesis.generate
    settings.prompt, settings.frames, settings.seed = PROMPT, FRAMES, 1
    bpy.ops.anthesis.generate()
    follow()


def monkey() -> None:
    """Blender's own, subdivided, with a colour: nothing that the add-on prepared."""
    bpy.ops.mesh.primitive_monkey_add(size=1.0, location=(0, 0, 0.5), rotation=(-0.6, 0, 0))
    subject = bpy.context.active_object
    subject.modifiers.new("Smooth", "SUBSURF").levels = 2
    bpy.ops.object.modifier_apply(modifier="Smooth")
    bpy.ops.object.shade_smooth()
    material = bpy.data.materials.new("Wax")
    if material.node_tree is None:  # from 5.0 on a material is born with one
        material.use_nodes = True
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    surface.inputs["Base Color"].default_value = (0.75, 0.33, 0.08, 1)
    surface.inputs["Roughness"].default_value = 0.35
    subject.data.materials.append(material)


def melt() -> None:
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.frames = "melt", FRAMES
    bpy.ops.anthesis.animate_selected()
    follow()


def follow() -> None:
    """Import the newest job while it streams: frames are in the scene while the backend still makes others."""
    pump = running()
    job = list(pump.session.jobs)[-1]
    told = -1
    while job in pump.arrivals.open and not pump.session.jobs[job].final:
        pump.tick()
        pump.session.rest(0.02)
        here = pump.session.jobs[job].taken
        if here >= told + 8:
            told = here
            print(f"[demo]   {here} records in the scene while the backend works: {pump.session.jobs[job].text}")
    pump.wait(job, PATIENCE)  # the rest of it, and the sentence where it failed
    made = bpy.data.objects[pump.arrivals.objects[job]]
    for other in bpy.context.selected_objects:
        other.select_set(False)
    made.select_set(True)
    bpy.context.view_layer.objects.active = made
    for note in pump.arrivals.notes.get(job, ()):
        print(f"[demo]   {note}")


def hand_out(name: str, out: Path, elevation: float) -> None:
    """Export the active object in every format, save the file, and make its contact sheet, seen from that high."""
    for form, ending in FORMATS.items():
        with step(f"export {name}{ending}"):
            bpy.ops.anthesis.export(filepath=str(out / f"{name}{ending}"), format=form)
    with step(f"save {name}.blend"):
        bpy.ops.wm.save_as_mainfile(filepath=str(out / f"{name}.blend"), compress=True)
    with step(f"render {name}.png"):
        contact_sheet.render(bpy.context.active_object, out / f"{name}.png", math.radians(elevation))


main()
# Everything is written and the backend has ended. As a module Blender 4.2 may crash while Python takes it down.
os._exit(0)
