"""The material that a mesh starts with: per-vertex albedo, roughness and metallic, read from what the artist set up."""

import numpy as np

from ..seam import protocol


def material_of_start(obj) -> dict[str, np.ndarray]:
    """albedo (V, 3) sRGB bytes, roughness and metallic (V,) bytes.

    Albedo is the active colour attribute, else what the Principled shader of each polygon's slot says: an image
    sampled at the UVs, or its base colour. Without a material it is Blender's grey, which the viewport shows then.
    Corners of a vertex are averaged in linear light.
    """
    mesh = obj.data
    materials = [slot.material for slot in obj.material_slots]
    attribute = mesh.color_attributes.active_color
    corners = corner_vertices(mesh)
    slots = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    slots = np.repeat(np.clip(slots, 0, max(len(materials) - 1, 0)), polygon_sizes(mesh))
    look = _slot_looks(mesh, materials or [None], slots)
    if attribute is not None:
        colour = _attribute_colour(attribute)
        look[:, :3] = colour if attribute.domain == "CORNER" else colour[corners]
    mean = _per_vertex(look, corners, len(mesh.vertices))
    return {
        "albedo": protocol.to_bytes(protocol.linear_to_srgb(mean[:, :3])),
        "roughness": protocol.to_bytes(mean[:, 3]),
        "metallic": protocol.to_bytes(mean[:, 4]),
    }


def corner_vertices(mesh) -> np.ndarray:
    """(C,) int32: the vertex at each corner of each polygon."""
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    return corners


def polygon_sizes(mesh) -> np.ndarray:
    """(F,) int32: how many corners each polygon has."""
    sizes = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    return sizes


def _slot_looks(mesh, materials: list, slots: np.ndarray) -> np.ndarray:
    """(C, 5) linear albedo, roughness, metallic of each corner by the material slot of its polygon."""
    look = np.empty((len(slots), 5), np.float32)
    for number, material in enumerate(materials):
        mine = slots == number
        shader = principled(material)
        if shader is None:
            colour = material.diffuse_color[:3] if material else [protocol.GREY] * 3
            look[mine] = [*colour, protocol.MATT, 0.0]
            continue
        look[mine] = [
            *shader.inputs["Base Color"].default_value[:3],
            shader.inputs["Roughness"].default_value,
            shader.inputs["Metallic"].default_value,
        ]
        image = _base_colour_image(shader)
        if image is not None and mesh.uv_layers.active is not None:
            look[mine, :3] = _sample(image, _uv(mesh)[mine])
    return look


def principled(material):
    """The Principled shader of a material, or None."""
    if material is None or material.node_tree is None:
        return None
    return next((node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)


def _base_colour_image(shader):
    """The first image found upstream of Base Color, or None."""
    waiting, seen = [shader.inputs["Base Color"]], set()
    while waiting:
        for link in waiting.pop().links:
            node = link.from_node
            if node.type == "TEX_IMAGE" and node.image is not None and node.image.size[0] * node.image.size[1]:
                return node.image
            if node.name not in seen:
                seen.add(node.name)
                waiting.extend(node.inputs)
    return None


def _uv(mesh) -> np.ndarray:
    uv = np.empty((len(mesh.loops), 2), np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uv.ravel())
    return np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)


def _sample(image, uv: np.ndarray) -> np.ndarray:
    """(N, 3) linear colours of the texels nearest to (N, 2) UVs, the image being repeated."""
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, image.channels)
    column = np.floor(uv[:, 0] * width).astype(np.int64) % width
    row = np.floor(uv[:, 1] * height).astype(np.int64) % height
    colour = pixels[row, column, :3] if image.channels >= 3 else np.repeat(pixels[row, column, :1], 3, axis=1)
    encoded = not image.is_float and image.colorspace_settings.name == "sRGB"  # bytes come as they are stored
    return protocol.srgb_to_linear(colour) if encoded else colour


def _attribute_colour(attribute) -> np.ndarray:
    colour = np.empty((len(attribute.data), 4), np.float32)
    attribute.data.foreach_get("color", colour.ravel())  # linear for byte attributes too
    return np.nan_to_num(colour[:, :3], nan=0.0)


def _per_vertex(values: np.ndarray, corners: np.ndarray, count: int) -> np.ndarray:
    """Mean over each vertex's corners; a loose vertex takes the mean of all."""
    corners_at = np.bincount(corners, minlength=count)
    sums = [np.bincount(corners, column, minlength=count) for column in values.T]
    mean = np.stack(sums, axis=1) / np.maximum(corners_at, 1)[:, None]
    mean[corners_at == 0] = values.mean(axis=0)
    return mean
