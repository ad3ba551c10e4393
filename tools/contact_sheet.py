"""Eight moments of an object's life, rendered by Cycles on the CPU and laid side by side in one picture."""

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

COLUMNS, ROWS = 4, 2
TILE = 320  # pixels
SAMPLES = 24  # with denoising
GAP = 4  # pixels
ELEVATION, AZIMUTH = math.radians(14), math.radians(-28)
LENS = 70  # mm on a 36 mm film: little perspective, as in a portrait


def render(subject: bpy.types.Object, path: Path) -> None:
    """Write the sheet of the object's whole clip. The open file gets a studio around it."""
    scene = bpy.context.scene
    first, last = scene.frame_start, scene.frame_end
    moments = [round(first + (last - first) * k / (COLUMNS * ROWS - 1)) for k in range(COLUMNS * ROWS)]
    lowest, highest = _bounds(subject, moments)
    _studio(lowest, highest)
    _camera(lowest, highest)
    _settings(scene)
    with tempfile.TemporaryDirectory() as folder:
        tiles = []
        for moment in moments:
            scene.frame_set(moment)
            scene.render.filepath = str(Path(folder) / f"{moment}.png")
            bpy.ops.render.render(write_still=True)
            tiles.append(_pixels(scene.render.filepath))
    _write(tiles, path)


def _bounds(subject: bpy.types.Object, moments: list[int]) -> tuple[Vector, Vector]:
    """Corners of the box that holds every moment, in the world."""
    boxes = []
    for moment in moments:
        bpy.context.scene.frame_set(moment)
        evaluated = subject.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        places = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", places)
        evaluated.to_mesh_clear()
        places = places.reshape(-1, 3) @ np.array(subject.matrix_world.to_3x3()).T + np.array(subject.matrix_world.translation)
        boxes.append((places.min(axis=0), places.max(axis=0)))
    return Vector(np.min([box[0] for box in boxes], axis=0)), Vector(np.max([box[1] for box in boxes], axis=0))


def _studio(lowest: Vector, highest: Vector) -> None:
    """A floor that runs up into a wall, one large soft light, and a dim one from behind for the outline."""
    size = (highest - lowest).length
    middle = (lowest + highest) / 2
    floor = bpy.data.meshes.new("Backdrop")
    turn = [(math.sin(a), 1 - math.cos(a)) for a in np.linspace(0, math.pi / 2, 16)]
    profile = [(-20 * size, 0.0), *((3 * size + size * y, size * z) for y, z in turn), (4 * size, 20 * size)]
    points = [(x, middle.y + y, lowest.z + z) for y, z in profile for x in (middle.x - 30 * size, middle.x + 30 * size)]
    floor.from_pydata(points, [], [(2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2) for k in range(len(profile) - 1)])
    floor.shade_smooth()
    backdrop = bpy.data.objects.new("Backdrop", floor)
    material = bpy.data.materials.new("Backdrop")
    material.use_nodes = True
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    surface.inputs["Base Color"].default_value = (0.62, 0.60, 0.57, 1)
    surface.inputs["Roughness"].default_value = 0.9
    floor.materials.append(material)
    bpy.context.collection.objects.link(backdrop)
    _light("Key", middle + size * Vector((-1.1, -1.5, 1.9)), middle, 1.2 * size, 90 * size**2)
    _light("Rim", middle + size * Vector((1.5, 1.2, 1.4)), middle, 0.6 * size, 45 * size**2)
    world = bpy.data.worlds.new("Studio")
    bpy.context.scene.world = world
    world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.75, 0.85, 1.0, 1)
    background.inputs["Strength"].default_value = 0.35


def _light(name: str, place: Vector, target: Vector, size: float, watts: float) -> None:
    data = bpy.data.lights.new(name, "AREA")
    data.shape, data.size, data.energy = "DISK", size, watts
    light = bpy.data.objects.new(name, data)
    light.location = place
    light.rotation_euler = (target - place).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(light)


def _camera(lowest: Vector, highest: Vector) -> None:
    """Looks at the middle of the box from a little above, from as far as shows all its corners."""
    data = bpy.data.cameras.new("Camera")
    data.lens = LENS
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    flat = math.cos(ELEVATION)
    back = Vector((flat * math.sin(AZIMUTH), -flat * math.cos(AZIMUTH), math.sin(ELEVATION)))
    middle = (lowest + highest) / 2
    turn = back.to_track_quat("Z", "Y")
    right, up = turn @ Vector((1, 0, 0)), turn @ Vector((0, 1, 0))
    corners = [Vector((x, y, z)) for x in (lowest.x, highest.x) for y in (lowest.y, highest.y) for z in (lowest.z, highest.z)]
    seen = 0.92 * 18 / LENS  # half of what the film sees at distance 1, with a margin
    away = max(
        max(abs((corner - middle).dot(right)), abs((corner - middle).dot(up))) / seen + (corner - middle).dot(back)
        for corner in corners
    )
    camera.location = middle + away * back
    camera.rotation_euler = turn.to_euler()
    data.clip_start, data.clip_end = away / 100, away * 100


def _settings(scene: bpy.types.Scene) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = bpy.app.build_options.openimagedenoise if hasattr(
        bpy.app.build_options, "openimagedenoise") else True
    scene.cycles.max_bounces = 6
    scene.render.resolution_x = scene.render.resolution_y = TILE
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def _pixels(path: str) -> np.ndarray:
    """(TILE, TILE, 4) as they are displayed, first row at the bottom."""
    image = bpy.data.images.load(path)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(TILE, TILE, 4)


def _write(tiles: list[np.ndarray], path: Path) -> None:
    """In reading order, the first at the top left."""
    step = TILE + GAP
    sheet = np.ones((ROWS * step - GAP, COLUMNS * step - GAP, 4), np.float32)
    for number, tile in enumerate(tiles):
        top, left = (ROWS - 1 - number // COLUMNS) * step, number % COLUMNS * step
        sheet[top : top + TILE, left : left + TILE] = tile
    image = bpy.data.images.new(path.stem, sheet.shape[1], sheet.shape[0])
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(sheet.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
