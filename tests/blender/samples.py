"""Meshes an artist might select, clips that move every vertex its own way, and readers of what Blender shows."""

import bpy
import msgspec
import numpy as np
from mathutils import Euler, Matrix

from blender_addon.scene import reading, writing
from blender_addon.seam import protocol

FRAMES = 7


def add(name, vertices, polygons, link=True):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, vertex)) for vertex in vertices], [], polygons)
    obj = bpy.data.objects.new(name, mesh)
    if link:
        bpy.context.scene.collection.objects.link(obj)
    return obj


def grid(n=6, name="Grid"):
    """n x n vertices in quads, with UVs that tell every corner apart."""
    at = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)
    index = np.arange(n * n).reshape(n, n)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    obj = add(name, np.column_stack([at / n, 0.1 * np.sin(at[:, 0])]), quads.tolist())
    corner_uvs(obj)
    return obj


def prism(name="Prism"):
    """A closed prism over an L: two hexagons that are not convex and six quads, outward."""
    outline = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 3), (0, 3)]
    vertices = [(x, y, 0) for x, y in outline] + [(x, y, 1) for x, y in outline]
    sides = [[i, (i + 1) % 6, (i + 1) % 6 + 6, i + 6] for i in range(6)]
    obj = add(name, vertices, [[5, 4, 3, 2, 1, 0], [6, 7, 8, 9, 10, 11], *sides])
    corner_uvs(obj)
    return obj


PRISM_VOLUME = 4.0


def monkey():
    bpy.ops.mesh.primitive_monkey_add()
    return bpy.context.object


def corner_uvs(obj):
    layer = obj.data.uv_layers.new(name="Mine")
    count = len(obj.data.loops)
    uv = np.column_stack([np.arange(count) / count, (np.arange(count) * 0.37) % 1]).astype(np.float32)
    layer.uv.foreach_set("vector", uv.ravel())
    return uv


def place(obj, scale=(1, 1, 1), rotation=(0, 0, 0), location=(0, 0, 0)):
    obj.matrix_world = Matrix.LocRotScale(location, Euler(rotation), scale)
    bpy.context.view_layer.update()


def principled(name, colour=(0.8, 0.8, 0.8, 1.0), roughness=0.5, metallic=0.0):
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    for socket, value in (("Base Color", colour), ("Roughness", roughness), ("Metallic", metallic)):
        shader.inputs[socket].default_value = value
    return material, shader


def subject_of(obj, **part):
    """The Subject record of an object as the backend gets it, its arrays, and the Target."""
    packed, target = reading.read_subject(obj, reading.Part(**part))
    record, arrays = protocol.unpack(packed)
    protocol.check_subject(arrays)
    return record, arrays, target


def clip(record, arrays, frames=FRAMES, colour=False, seed=0, processes=1):
    """The records of a clip: each vertex goes its own way, no frame is the rest shape or another frame."""
    random = np.random.default_rng(seed)
    count = len(arrays["vertices"])
    velocity, wobble = random.normal(0, 0.3, (2, count, 3))
    records = [(msgspec.structs.replace(record, frames=frames), arrays)]
    for index in range(frames):
        tau = (index + 1) / frames
        moved = {"positions": (arrays["vertices"] + tau * velocity + np.sin(5 * tau) * wobble).astype(np.float32)}
        if processes > 1:
            way = random.normal(0, 0.2, (processes - 1, count, 3)) * tau
            moved["poses"] = (arrays["vertices"] + np.cumsum(way, axis=0)).astype(np.float32)
        if colour:
            moved["albedo"] = random.integers(0, 256, (count, 3)).astype(np.uint8)
            moved["roughness"] = random.integers(0, 256, count).astype(np.uint8)
        records.append((protocol.FrameRecord(index=index, tau=tau), moved))
    records.append((protocol.Certificate(measured=(("Volume drift", 0.5, "%"),)), {}))
    return records


MADE_BY = {"kind": "animate", "process": "melt", "seed": "3", "version": "0.1.0"}


def import_now(title, made_by, target, records, **where):
    """All of a result at once: `records` yields (record, arrays) as protocol.unpack gives them."""
    result = writing.Import(title, made_by, target, **where)
    for record, arrays in records:
        result.apply(record, arrays)
        while result.step():
            pass
    for _ in result.finish():
        pass
    return result


def imported(records, target=None, **where):
    """The finished Import and its object."""
    result = import_now("a test", MADE_BY, target, records, **where)
    return result, bpy.data.objects[result.object_name]


def frames_of(records):
    frames = [(record, arrays) for record, arrays in records if isinstance(record, protocol.FrameRecord)]
    return [arrays for record, arrays in frames if not record.preview]


def previewed(records, every=4, seed=17, **clipped):
    """The records with a preview before the frames: every nth frame and the last, each of another shape."""
    record, arrays = records[0]
    count = record.frames
    coarse = clip(record, arrays, frames=count, seed=seed, **clipped)[1:-1]
    wanted = [index for index in range(count) if index % every == 0 or index == count - 1]
    previews = [(msgspec.structs.replace(coarse[n][0], preview=True), coarse[n][1]) for n in wanted]
    return [records[0], *previews, *records[1:]]


def evaluated(obj):
    return obj.evaluated_get(bpy.context.evaluated_depsgraph_get())


def positions(mesh):
    result = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", result.ravel())
    return result


def shown(obj):
    """(V, 3) as the viewport has it now, in world orientation and scale."""
    seen = evaluated(obj)
    return positions(seen.data) @ np.array(seen.matrix_world, np.float32)[:3, :3].T


def shown_in_world(obj):
    seen = evaluated(obj)
    return shown(obj) + np.array(seen.matrix_world.translation, np.float32)


def colours(mesh, name="Albedo"):
    """(C, 3) bytes of a colour attribute."""
    attribute = mesh.attributes[name]
    assert (attribute.data_type, attribute.domain) == ("BYTE_COLOR", "CORNER")
    rgba = np.empty((len(attribute.data), 4), np.float32)
    attribute.data.foreach_get("color_srgb", rgba.ravel())
    return np.rint(rgba[:, :3] * 255).astype(np.uint8)


def corner_vertices(mesh):
    result = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", result)
    return result


def blocks():
    """Names of everything in the file that an import could leave behind."""
    kinds = ("objects", "meshes", "materials", "images", "node_groups", "actions", "shape_keys")
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}
