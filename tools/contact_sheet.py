"""Eight moments of an object's life, rendered by Cycles on the CPU and laid side by side in one picture."""

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

COLUMNS, ROWS = 4, 2
TILE = 300  # pixels: the side of a square as large as a tile
SAMPLES = 16  # with denoising
GAP = 4  # pixels
AZIMUTH = math.radians(32)
LENS = 70  # mm on a 36 mm film: little perspective, as in a portrait
MARGIN = 0.9


def render(subject: bpy.types.Object, path: Path, elevation: float) -> None:
    """Write the sheet of the object's whole clip, seen from `elevation` radians above the horizon.

    The open file gets a studio around it.
    """
    scene = bpy.context.scene
    first, last = scene.frame_start, scene.frame_end
    moments = [round(first + (last - first) * k / (COLUMNS * ROWS - 1)) for k in range(COLUMNS * ROWS)]
    places = _places(subject, moments)
    lowest, highest = Vector(places.min(axis=0)), Vector(places.max(axis=0))
    _studio(lowest, highest)
    width, height = _camera(places, elevation)
    _settings(scene, width, height)
    with tempfile.TemporaryDirectory() as folder:
        tiles = []
        for moment in moments:
            scene.frame_set(moment)
            scene.render.filepath = str(Path(folder) / f"{moment}.png")
            bpy.ops.render.render(write_still=True)
            tiles.append(_pixels(scene.render.filepath))
    _write(tiles, path)


def _places(subject: bpy.types.Object, moments: list[int]) -> np.ndarray:
    """(N, 3) where its vertices are at all these moments, in the world."""
    found = []
    for moment in moments:
        bpy.context.scene.frame_set(moment)
        evaluated = subject.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        local = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", local)
        evaluated.to_mesh_clear()
        matrix = np.array(subject.matrix_world)
        found.append(local.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(found)


def _studio(lowest: Vector, highest: Vector) -> None:
    """A floor that runs up into a wall, one large soft light, and a dim one from behind for the outline."""
    size = (highest - lowest).length
    middle = (lowest + highest) / 2
    floor = bpy.data.meshes.new("Backdrop")
    turn = [(math.sin(a), 1 - math.cos(a)) for a in np.linspace(0, math.pi / 2, 16)]
    profile = [
        (-20 * size, 0.0),
        *((1.2 * size + 2 * size * y, 2 * size * z) for y, z in turn),
        (3.2 * size, 20 * size),
    ]
    points = [(x, middle.y + y, lowest.z + z) for y, z in profile for x in (middle.x - 30 * size, middle.x + 30 * size)]
    floor.from_pydata(points, [], [(2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2) for k in range(len(profile) - 1)])
    floor.shade_smooth()
    backdrop = bpy.data.objects.new("Backdrop", floor)
    material = bpy.data.materials.new("Backdrop")
    if material.node_tree is None:  # from 5.0 on a material is born with one
        material.use_nodes = True
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    surface.inputs["Base Color"].default_value = (0.24, 0.225, 0.21, 1)
    surface.inputs["Roughness"].default_value = 0.9
    floor.materials.append(material)
    bpy.context.collection.objects.link(backdrop)
    _light("Key", middle + size * Vector((-1.1, -1.5, 1.9)), middle, 1.2 * size, 80 * size**2)
    _light("Rim", middle + size * Vector((1.5, 1.2, 1.4)), middle, 0.6 * size, 50 * size**2)
    world = bpy.data.worlds.new("Studio")
    bpy.context.scene.world = world
    if world.node_tree is None:
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.75, 0.85, 1.0, 1)
    background.inputs["Strength"].default_value = 0.5


def _light(name: str, place: Vector, target: Vector, size: float, watts: float) -> None:
    data = bpy.data.lights.new(name, "AREA")
    data.shape, data.size, data.energy = "DISK", size, watts
    light = bpy.data.objects.new(name, data)
    light.location = place
    light.rotation_euler = (target - place).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(light)


def _camera(places: np.ndarray, elevation: float) -> tuple[int, int]:
    """A camera a little above, from as far as shows all places; width and height of the picture that fits them."""
    flat = math.cos(elevation)
    back = Vector((flat * math.sin(AZIMUTH), -flat * math.cos(AZIMUTH), math.sin(elevation)))
    turn = back.to_track_quat("Z", "Y")
    axes = np.array(turn.to_matrix())  # columns: right, up, back
    seen = places @ axes
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    seen -= middle
    half = np.abs(seen[:, :2]).max(axis=0)
    ratio = float(np.clip(half[0] / half[1], 0.7, 1.5))
    # what the film shows to each side at distance 1, with a margin; the longer side has all of the film
    view = MARGIN * 18 / LENS * np.array([min(1, ratio), min(1, 1 / ratio)])
    away = float((np.abs(seen[:, :2]) / view + seen[:, 2:]).max())
    data = bpy.data.cameras.new("Camera")
    data.lens = LENS
    data.clip_start, data.clip_end = away / 100, away * 100
    camera = bpy.data.objects.new("Camera", data)
    camera.location = axes @ (middle + [0, 0, away])
    camera.rotation_euler = turn.to_euler()
    bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    return round(TILE * math.sqrt(ratio)), round(TILE / math.sqrt(ratio))


def _settings(scene: bpy.types.Scene, width: int, height: int) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 4
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def _pixels(path: str) -> np.ndarray:
    """(height, width, 4) as they are displayed, first row at the bottom."""
    image = bpy.data.images.load(path)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)


def _write(tiles: list[np.ndarray], path: Path) -> None:
    """In reading order, the first at the top left."""
    height, width = tiles[0].shape[:2]
    sheet = np.ones((ROWS * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 4), np.float32)
    for number, tile in enumerate(tiles):
        low, left = (ROWS - 1 - number // COLUMNS) * (height + GAP), number % COLUMNS * (width + GAP)
        sheet[low : low + height, left : left + width] = tile
    image = bpy.data.images.new(path.stem, sheet.shape[1], sheet.shape[0])
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(sheet.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
