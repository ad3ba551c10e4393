"""Albedo and roughness over life: images that a Geometry Nodes group samples at (vertex, frame).

One texel a vertex and frame: a frame is a band of rows, an image holds a few frames, the first at the top; red,
green and blue are the sRGB-encoded albedo, alpha is the roughness. The group stores what it finds as the corner
byte colour attribute that Material Preview, Alembic and USD all show (the only type that Alembic animates). The
static attributes of the same names hold the start of life, for glTF and FBX.

Where an artist's material has a texture, colours per vertex would take its detail away: the texture is then
multiplied by how much the albedo has changed since the start.
"""

import struct

import bpy
import numpy as np

from .surface import principled

MODIFIER = "Anthesis Colour"
ROW = 4096  # widest image row
IMAGE_TEXELS = 1 << 20  # of one image: written and decoded in a few milliseconds, and only when its frames are shown
TEXELS = 1 << 25  # of all images: Blender decodes them to 16 bytes a texel, half a gigabyte
CHANGE = "Anthesis Change"  # attribute: albedo now over albedo at the start, linear; white in the mesh itself
MATERIAL_IS_OURS = "anthesis"  # custom property of a material that we made or copied


class Strip:
    """The images being written, a frame at a time, so that no step is long.

    TARGA files, uncompressed: they need no checksum, and PNG's two would cost ten times as much as the rest.
    """

    def __init__(self, vertices: int, frames: int):
        """`frames` is how many are to come; where they are too many for TEXELS, every nth is kept."""
        self.width = min(vertices, ROW)
        self.rows = -(-vertices // self.width)  # of one frame
        texels = self.width * self.rows
        self.every = max(1, -(-texels * frames // TEXELS))
        self.frames_an_image = max(1, min(-(-frames // self.every), IMAGE_TEXELS // texels))
        self.frames = 0  # offered
        self._bands: list[bytes] = []

    def add(self, albedo: np.ndarray, roughness: np.ndarray) -> None:
        """One frame: (V, 3) and (V,) bytes."""
        if self.frames % self.every == 0:
            texels = np.zeros((self.rows * self.width, 4), np.uint8)
            texels[: len(albedo), 2::-1] = albedo  # the file has blue, green, red, alpha
            texels[: len(albedo), 3] = roughness
            self._bands.append(texels.tobytes())
        self.frames += 1

    @property
    def height(self) -> int:
        """Rows of one image; the last one is filled up with its last frame."""
        return self.rows * self.frames_an_image

    @property
    def images(self) -> int:
        return -(-len(self._bands) // self.frames_an_image)

    def file(self, image: int) -> bytes:
        """One image file. Its header: no palette, true colour, 32 bits a texel, 8 of them alpha, top row first."""
        header = struct.pack("<3B2HB4H2B", 0, 0, 2, 0, 0, 0, 0, 0, self.width, self.height, 32, 0x28)
        bands = self._bands[image * self.frames_an_image :][: self.frames_an_image]
        bands += bands[-1:] * (self.frames_an_image - len(bands))
        return b"".join([header, *bands])


def new_image(name: str, data: bytes):
    """An image file as an image packed into the .blend."""
    image = bpy.data.images.new(name, 1, 1, alpha=True)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = "sRGB"
    return image


def write_attributes(
    mesh, ours: tuple[str, str] | None, corners: np.ndarray, albedo: np.ndarray, roughness: np.ndarray
) -> tuple[str, str]:
    """Static albedo and roughness from (V, 3) and (V,) bytes, into `ours` where there are such attributes.

    Returns their names: new ones are called Albedo and Roughness, or Albedo.001 where the artist has an Albedo.
    """
    colour = mesh.attributes.get(ours[0]) if ours else None
    if colour is None:
        colour = mesh.color_attributes.new("Albedo", "BYTE_COLOR", "CORNER")
    rgba = np.ones((len(corners), 4), np.float32)
    rgba[:, :3] = albedo[corners] * np.float32(1 / 255)
    colour.data.foreach_set("color_srgb", rgba.ravel())
    name = colour.name  # adding the next attribute moves this one
    rough = mesh.attributes.get(ours[1]) if ours else None
    if rough is None:
        rough = mesh.attributes.new("Roughness", "FLOAT", "POINT")
    rough.data.foreach_set("value", roughness * np.float32(1 / 255))
    return name, rough.name


def new_material(name: str, names: tuple[str, str], roughness: float | None, metallic: float):
    """A Principled material that shows the attributes; `roughness` is a number where it never varies."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    shader = principled(material)
    shader.inputs["Metallic"].default_value = metallic
    _feed_albedo(material, names[0])
    if roughness is None:
        _feed_roughness(material, names[1])
    else:
        shader.inputs["Roughness"].default_value = roughness
    material[MATERIAL_IS_OURS] = True
    return material


def dress(obj, names: tuple[str, str], lives: set[str], metallic: float) -> None:
    """Give every material slot a copy that shows what lives, of "albedo" and "roughness"; the artist's materials
    stay as they are."""
    if not obj.material_slots:
        obj.data.materials.append(None)
    textured = False
    for slot in obj.material_slots:
        if slot.material is None:
            slot.material = new_material(obj.name, names, None, metallic)
            continue
        if MATERIAL_IS_OURS not in slot.material:
            copy = slot.material.copy()
            copy.name = f"{slot.material.name} (Life)"
            copy[MATERIAL_IS_OURS] = True
            slot.material = copy
        if principled(slot.material) is not None:
            if "albedo" in lives:
                textured |= _feed_albedo(slot.material, names[0])
            if "roughness" in lives:
                _feed_roughness(slot.material, names[1])
    if textured and CHANGE not in obj.data.attributes:
        white = obj.data.attributes.new(CHANGE, "FLOAT_COLOR", "POINT")
        white.data.foreach_set("color", np.ones(4 * len(white.data), np.float32))


def _feed_albedo(material, attribute: str) -> bool:
    """Base Color from the attribute, or, True, what feeds it already times the change."""
    tree, socket = material.node_tree, principled(material).inputs["Base Color"]
    link = next(iter(socket.links), None)
    if link is None or link.from_node.bl_idname == "ShaderNodeVertexColor":
        # The Color Attribute node, not the general one: glTF's exporter writes COLOR_0 for it.
        node = _input_node(material, "Base Color", "ShaderNodeVertexColor", "Color")
        node.layer_name = attribute
        return False
    if link.from_node.label != CHANGE:
        mix = tree.nodes.new("ShaderNodeMixRGB")
        mix.label, mix.blend_type, mix.location = CHANGE, "MULTIPLY", link.from_node.location
        mix.location.y -= 300
        mix.inputs["Fac"].default_value = 1.0
        change = tree.nodes.new("ShaderNodeAttribute")
        change.attribute_name = CHANGE
        change.location = (mix.location.x - 220, mix.location.y)
        tree.links.new(link.from_socket, mix.inputs["Color1"])
        tree.links.new(change.outputs["Color"], mix.inputs["Color2"])
        tree.links.new(mix.outputs["Color"], socket)
    return True


def _feed_roughness(material, attribute: str) -> None:
    node = _input_node(material, "Roughness", "ShaderNodeAttribute", "Fac")
    node.attribute_name = attribute


def _input_node(material, socket: str, kind: str, output: str):
    """The node of this kind that feeds a socket of the Principled shader; a new one where another kind does."""
    tree, shader = material.node_tree, principled(material)
    feeding = [link.from_node for link in shader.inputs[socket].links if link.from_node.bl_idname == kind]
    if feeding:
        return feeding[0]
    node = tree.nodes.new(kind)
    node.location = (shader.location.x - 220, shader.location.y - (140 if socket == "Roughness" else 0))
    tree.links.new(node.outputs[output], shader.inputs[socket])
    return node


def play(obj, images: list, strip: Strip, first_frame: int, names: tuple[str, str]) -> None:
    """Sample the images in a modifier below all others, where vertices still have the clip's numbers."""
    modifier = obj.modifiers.get(MODIFIER)
    if modifier is None:
        modifier = obj.modifiers.new(MODIFIER, "NODES")
        obj.modifiers.move(len(obj.modifiers) - 1, 0)
    earlier = modifier.node_group
    changes = CHANGE in obj.data.attributes
    modifier.node_group = _node_group(f"{obj.name} Colour", images, strip, first_frame, names, changes)
    if earlier is not None and not earlier.users:
        _remove(earlier)


def forget(obj) -> None:
    """Take the colours of an earlier clip off the object: a later one brought none."""
    modifier = obj.modifiers.get(MODIFIER)
    if modifier is None:
        return
    group = modifier.node_group
    obj.modifiers.remove(modifier)
    if group is not None and not group.users:
        _remove(group)


def _remove(group) -> None:
    """The node group of an earlier clip and its images, which nobody else uses."""
    sockets = [socket for node in group.nodes for socket in node.inputs if socket.type == "IMAGE"]
    images = {socket.default_value for socket in sockets if socket.default_value is not None}
    bpy.data.node_groups.remove(group)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def _node_group(name: str, images: list, strip: Strip, first_frame: int, names: tuple[str, str], changes: bool):
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.is_modifier = True
    for in_out in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=in_out, socket_type="NodeSocketGeometry")
    add = _Adder(tree)
    index = add.node("GeometryNodeInputIndex").outputs[0]
    frame = add.math("SUBTRACT", add.node("GeometryNodeInputSceneTime").outputs["Frame"], float(first_frame))
    frame = add.math("FLOOR", add.math("ADD", frame, 0.5))
    frame = add.math("MAXIMUM", add.math("MINIMUM", frame, float(strip.frames - 1)), 0.0)
    band = add.whole(frame, strip.every)
    number = add.whole(band, strip.frames_an_image)
    band = add.math("SUBTRACT", band, add.math("MULTIPLY", number, float(strip.frames_an_image)))
    row = add.whole(index, strip.width)
    column = add.math("SUBTRACT", index, add.math("MULTIPLY", row, float(strip.width)))
    row = add.math("ADD", row, add.math("MULTIPLY", band, float(strip.rows)))
    u = add.math("DIVIDE", add.math("ADD", column, 0.5), float(strip.width))
    v = add.math("DIVIDE", add.math("ADD", row, 0.5), float(strip.height))
    place = add.node("ShaderNodeCombineXYZ")
    add.link(u, place.inputs[0])
    add.link(add.math("SUBTRACT", 1.0, v), place.inputs[1])  # a file's first row is Blender's top one
    texture = add.node("GeometryNodeImageTexture", interpolation="Closest", extension="EXTEND")
    add.link(add.chosen(images, number), texture.inputs["Image"])
    add.link(place.outputs[0], texture.inputs["Vector"])
    # Corners have other numbers than vertices: the colour is looked up on points, then spread to their corners.
    on_points = add.node("GeometryNodeFieldOnDomain", domain="POINT", data_type="FLOAT_COLOR")
    add.link(texture.outputs["Color"], _enabled(on_points.inputs))
    geometry = add.node("NodeGroupInput").outputs[0]
    if changes:  # before the albedo of the start is written over
        start = add.node("GeometryNodeInputNamedAttribute", data_type="FLOAT_COLOR")
        start.inputs["Name"].default_value = names[0]
        ratio = add.node("ShaderNodeMixRGB", blend_type="DIVIDE")
        ratio.inputs["Fac"].default_value = 1.0
        add.link(texture.outputs["Color"], ratio.inputs["Color1"])
        add.link(next(socket for socket in start.outputs if socket.enabled), ratio.inputs["Color2"])
        geometry = add.stored(geometry, CHANGE, "FLOAT_COLOR", "POINT", ratio.outputs["Color"])
    geometry = add.stored(geometry, names[1], "FLOAT", "POINT", texture.outputs["Alpha"])
    geometry = add.stored(geometry, names[0], "BYTE_COLOR", "CORNER", _enabled(on_points.outputs))
    add.link(geometry, add.node("NodeGroupOutput").inputs[0])
    return tree


def _enabled(sockets):
    return next(socket for socket in sockets if socket.enabled and socket.name == "Value")


class _Adder:
    """Adds nodes to one tree, each a column to the right of the last."""

    def __init__(self, tree):
        self.tree = tree

    def node(self, kind: str, **settings):
        node = self.tree.nodes.new(kind)
        node.location = (180 * (len(self.tree.nodes) - 1), 0)
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def link(self, output, socket) -> None:
        self.tree.links.new(output, socket)

    def math(self, operation: str, *operands):
        node = self.node("ShaderNodeMath", operation=operation)
        for operand, socket in zip(operands, node.inputs, strict=False):
            if isinstance(operand, float):
                socket.default_value = operand
            else:
                self.link(operand, socket)
        return node.outputs[0]

    def whole(self, number, divisor: int):
        """The whole part of a whole number divided; the half keeps rounding errors away from the edge."""
        return self.math("FLOOR", self.math("DIVIDE", self.math("ADD", number, 0.5), float(divisor)))

    def chosen(self, images: list, number):
        switch = self.node("GeometryNodeIndexSwitch", data_type="IMAGE")
        while len(switch.index_switch_items) < len(images):
            switch.index_switch_items.new()
        for socket, image in zip([s for s in switch.inputs if s.type == "IMAGE"], images, strict=False):
            socket.default_value = image
        self.link(number, switch.inputs["Index"])
        return switch.outputs[0]

    def stored(self, geometry, name: str, data_type: str, domain: str, value):
        node = self.node("GeometryNodeStoreNamedAttribute", data_type=data_type, domain=domain)
        node.inputs["Name"].default_value = name
        self.link(geometry, node.inputs["Geometry"])
        self.link(value, _enabled(node.inputs))
        return node.outputs[0]
