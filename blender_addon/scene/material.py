"""The look of a clip in its mesh and in its materials.

Attributes of the mesh hold the start of life; the colour modifier writes over them on the evaluated mesh. Albedo is a
corner byte colour, the type that Material Preview, Alembic and USD all show (the only one that Alembic animates).
Where an artist's material has a texture, colours per vertex would take its detail away: the texture is then
multiplied by how much the albedo has changed since the start.
"""

import bpy
import numpy as np

from ..seam import protocol
from .strip import DEFAULTS, Look
from .surface import principled

CHANGE = "Anthesis Change"  # attribute: albedo now over albedo at the start, linear; white in the mesh itself
OPACITY = "Anthesis Opacity"  # label of the node that lessens an alpha of the artist's
EMISSION = "Anthesis Emission"  # label of the nodes that add to an emission of the artist's
MATERIAL_IS_OURS = "anthesis"  # custom property of a material that we made or copied

_FACTOR, _A, _B, _RESULT = 0, 6, 7, 2  # sockets of a Mix node of colours: there are others of the same names


def write_attributes(mesh, ours: dict[str, str], corners: np.ndarray, look: Look, channels: set[str]) -> dict[str, str]:
    """Static attributes of `channels`, into `ours` where there are such attributes.

    Returns all their names by channel: new ones are called Albedo, Roughness, Metallic, Opacity and Emission, or
    Albedo.001 where the artist has an Albedo.
    """
    names = dict(ours)
    for channel in [name for name in DEFAULTS if name in channels]:
        attribute = mesh.attributes.get(ours.get(channel, ""))
        if attribute is None and channel == "albedo":
            attribute = mesh.color_attributes.new("Albedo", "BYTE_COLOR", "CORNER")
        elif attribute is None:
            attribute = mesh.attributes.new(channel.title(), "FLOAT", "POINT")
        names[channel] = attribute.name
        if channel == "albedo":
            rgba = np.ones((len(look["albedo"]), 4), np.float32)
            rgba[:, :3] = look["albedo"] * np.float32(1 / 255)
            attribute.data.foreach_set("color_srgb", np.take(rgba, corners, axis=0).ravel())
        else:
            attribute.data.foreach_set("value", look[channel] * np.float32(1 / 255))
    return names


def new_material(name: str, names: dict[str, str], look: Look, lives: set[str]):
    """A Principled material that shows the attributes; roughness and metallic are numbers where they never vary."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    shader = principled(material)
    shader.inputs["Metallic"].default_value = float(look["metallic"].mean()) / 255
    _feed_albedo(material, names["albedo"])
    if (look["roughness"] == look["roughness"][0]).all() and "roughness" not in lives:
        shader.inputs["Roughness"].default_value = float(look["roughness"][0]) / 255
    else:
        _feed(material, "Roughness", names["roughness"])
    material[MATERIAL_IS_OURS] = True
    return material


def dress(obj, names: dict[str, str], look: Look, lives: set[str]) -> None:
    """Give every material slot a copy that shows what lives; the artist's materials stay as they are."""
    if not obj.material_slots:
        obj.data.materials.append(None)
    textured = False
    for slot in obj.material_slots:
        if slot.material is None:
            slot.material = new_material(obj.name, names, look, lives)
        if MATERIAL_IS_OURS not in slot.material:
            copy = slot.material.copy()
            copy.name = f"{slot.material.name} (Life)"
            copy[MATERIAL_IS_OURS] = True
            slot.material = copy
        if principled(slot.material) is not None:
            textured |= _feed_all(slot.material, names, lives)
    if textured and CHANGE not in obj.data.attributes:
        white = obj.data.attributes.new(CHANGE, "FLOAT_COLOR", "POINT")
        white.data.foreach_set("color", np.ones(4 * len(white.data), np.float32))


def _feed_all(material, names: dict[str, str], lives: set[str]) -> bool:
    """Every socket whose channel lives. True where an albedo has a texture that was kept."""
    if "roughness" in lives:
        _feed(material, "Roughness", names["roughness"])
    if "metallic" in lives:
        _feed(material, "Metallic", names["metallic"])
    if "opacity" in lives:
        _feed_opacity(material, names["opacity"])
    textured = "albedo" in lives and _feed_albedo(material, names["albedo"])
    if "emission" in lives:
        _feed_emission(material, names["emission"])  # in the base colour, which is fed by now
    return textured


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


def _feed(material, socket: str, attribute: str) -> None:
    _input_node(material, socket, "ShaderNodeAttribute", "Fac").attribute_name = attribute


def _feed_opacity(material, attribute: str) -> None:
    """Alpha from the attribute, times what the artist's alpha is. EEVEE lets it through, and the light behind it."""
    tree, socket = material.node_tree, principled(material).inputs["Alpha"]
    if material.surface_render_method != "BLENDED":
        material.surface_render_method = "DITHERED"
    material.use_transparent_shadow = True
    link = next(iter(socket.links), None)
    if link is not None and link.from_node.label == OPACITY:
        factor = link.from_node.inputs[1].links[0].from_node
    else:
        times = tree.nodes.new("ShaderNodeMath")
        times.label, times.operation = OPACITY, "MULTIPLY"
        times.location = (socket.node.location.x - 220, socket.node.location.y - 420)
        times.inputs[0].default_value = socket.default_value
        if link is not None:
            tree.links.new(link.from_socket, times.inputs[0])
        factor = tree.nodes.new("ShaderNodeAttribute")
        factor.location = (times.location.x - 220, times.location.y)
        tree.links.new(factor.outputs["Fac"], times.inputs[1])
        tree.links.new(times.outputs[0], socket)
    factor.attribute_name = attribute


def _feed_emission(material, attribute: str) -> None:
    """Light in the colour that Base Color shows, as strong as the attribute says, beside what the artist's own is."""
    tree, shader = material.node_tree, principled(material)
    ours = {node.bl_idname: node for node in tree.nodes if node.label == EMISSION}
    if not ours:
        strength = shader.inputs["Emission Strength"]
        glow = _glow_beside if strength.links or strength.default_value > 0.0 else _glow_alone
        ours = {node.bl_idname: node for node in glow(tree, shader)}
    ours["ShaderNodeAttribute"].attribute_name = attribute
    mix, base = ours["ShaderNodeMix"], shader.inputs["Base Color"]
    own = mix.inputs[_A if mix.blend_type == "MULTIPLY" else _B]
    own.default_value = base.default_value
    for link in base.links:
        tree.links.new(link.from_socket, own)


def _glow_alone(tree, shader) -> list:
    """New nodes that feed the shader's emission. glTF's exporter takes a factor for the whole of life from them: the
    black that the base colour is multiplied by where nothing glows, so that no file shows it alight for ever."""
    factor, mix = _glow_nodes(tree, shader)
    mix.blend_type, mix.inputs[_B].default_value = "MULTIPLY", (0.0, 0.0, 0.0, 1.0)
    cold = tree.nodes.new("ShaderNodeMath")
    cold.label, cold.operation, cold.location = EMISSION, "SUBTRACT", (mix.location.x - 220, mix.location.y)
    cold.inputs[0].default_value = 1.0
    tree.links.new(factor.outputs["Fac"], cold.inputs[1])
    tree.links.new(cold.outputs[0], mix.inputs[_FACTOR])
    shader.inputs["Emission Strength"].default_value = protocol.GLOW
    shader.inputs["Emission Color"].default_value = (0.0, 0.0, 0.0, 1.0)  # which FBX's exporter reads, links or not
    tree.links.new(mix.outputs[_RESULT], shader.inputs["Emission Color"])
    return [factor, mix, cold]


def _glow_beside(tree, shader) -> list:
    """New nodes between an emission of the artist's, as it is where nothing glows, and the shader."""
    strength, colour = shader.inputs["Emission Strength"], shader.inputs["Emission Color"]
    factor, mix = _glow_nodes(tree, shader)
    mix.inputs[_A].default_value = colour.default_value
    for link in colour.links:
        tree.links.new(link.from_socket, mix.inputs[_A])
    tree.links.new(factor.outputs["Fac"], mix.inputs[_FACTOR])
    tree.links.new(mix.outputs[_RESULT], colour)
    add = tree.nodes.new("ShaderNodeMath")
    add.label, add.operation, add.location = EMISSION, "MULTIPLY_ADD", (mix.location.x, mix.location.y - 220)
    add.inputs[1].default_value, add.inputs[2].default_value = protocol.GLOW, strength.default_value
    for link in strength.links:
        tree.links.new(link.from_socket, add.inputs[2])
    tree.links.new(factor.outputs["Fac"], add.inputs[0])
    tree.links.new(add.outputs[0], strength)
    return [factor, mix, add]


def _glow_nodes(tree, shader) -> tuple:
    """An Attribute and a Mix node of colours."""
    factor, mix = tree.nodes.new("ShaderNodeAttribute"), tree.nodes.new("ShaderNodeMix")
    factor.label = mix.label = EMISSION
    mix.data_type = "RGBA"
    mix.location = (shader.location.x - 220, shader.location.y - 700)
    factor.location = (mix.location.x - 440, mix.location.y)
    return factor, mix


def _input_node(material, socket: str, kind: str, output: str):
    """The node of this kind that feeds a socket of the Principled shader; a new one where another kind does."""
    tree, shader = material.node_tree, principled(material)
    feeding = [link.from_node for link in shader.inputs[socket].links if link.from_node.bl_idname == kind]
    if feeding:
        return feeding[0]
    node = tree.nodes.new(kind)
    below = {"Base Color": 0, "Metallic": 140, "Roughness": 280}[socket]
    node.location = (shader.location.x - 220, shader.location.y - below)
    tree.links.new(node.outputs[output], shader.inputs[socket])
    return node
