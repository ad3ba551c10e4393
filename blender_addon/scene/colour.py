"""The modifier that plays a clip's material: it samples the strips at (vertex, life) and writes the attributes that
material.py's shaders show. Its two inputs, Life and Amount, follow the object's properties; at Amount 0 all is as at
the start.
"""

from collections.abc import Callable, Iterator

import bpy

from .material import CHANGE
from .strip import MATTER, Looks, Strip

MODIFIER = "Anthesis Colour"
INPUTS = {"Life": "life", "Amount": "amount"}  # of the modifier, and what each follows

GIVEN, IMAGE, PLACE, END = "Given", "Image", "Place", "End"  # nodes that are found again, a tick later

Pictures = dict[tuple[str, ...], list[str]]  # names of the images of each strip


def steps_to_play(pictures: Pictures, looks: Looks, names: dict[str, str]) -> Iterator[Callable]:
    """What makes an object play its strips, a few milliseconds each: functions of the object. The images are sampled
    in a modifier below all others, where vertices still have the clip's numbers."""
    tree = []  # its name: a tick may come between two steps, and an undo with it

    def begin(obj) -> None:
        tree.append(_new_group(f"{obj.name} Colour", next(iter(looks.strips.values()))).name)

    def play(obj) -> None:
        modifier = obj.modifiers.get(MODIFIER)
        if modifier is None:
            modifier = obj.modifiers.new(MODIFIER, "NODES")
            obj.modifiers.move(len(obj.modifiers) - 1, 0)
        earlier, modifier.node_group = modifier.node_group, _finish_group(bpy.data.node_groups[tree[0]])
        tree[0] = earlier.name if earlier is not None and not earlier.users else ""

    def tidy(obj) -> None:
        if tree[0]:
            _remove(bpy.data.node_groups[tree[0]])

    yield begin
    for kind in looks.strips:
        yield lambda obj, kind=kind: _add_strip(obj, bpy.data.node_groups[tree[0]], kind, pictures[kind], names)
    yield play
    yield tidy


def forget(obj) -> None:
    """Take the colours of an earlier clip off the object: a later one brought none."""
    modifier = obj.modifiers.get(MODIFIER)
    if modifier is None:
        return
    for path in inputs(obj):
        obj.driver_remove(path)
    group = modifier.node_group
    obj.modifiers.remove(modifier)
    if group is not None and not group.users:
        _remove(group)


def inputs(obj) -> dict[str, str]:
    """Where the inputs of the modifier lie in the object, and what each follows: "life" or "amount"."""
    modifier = obj.modifiers.get(MODIFIER)
    if modifier is None or modifier.node_group is None:
        return {}
    sockets = [item for item in modifier.node_group.interface.items_tree if item.name in INPUTS]
    return {_input_path(modifier, socket.identifier): INPUTS[socket.name] for socket in sockets}


def _input_path(modifier, identifier: str) -> str:
    if hasattr(modifier, "properties"):  # since Blender 5.2
        return f'modifiers["{MODIFIER}"].properties.inputs.{identifier}.value'
    return f'modifiers["{MODIFIER}"]["{identifier}"]'


def _remove(group) -> None:
    """The node group of an earlier clip and its images, which nobody else uses."""
    sockets = [socket for node in group.nodes for socket in node.inputs if socket.type == "IMAGE"]
    images = {socket.default_value for socket in sockets if socket.default_value is not None}
    bpy.data.node_groups.remove(group)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def _new_group(name: str, strip: Strip):
    """A node group that knows which texel shows a vertex at a time of life: all strips of a clip are of one shape."""
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.is_modifier = True
    for in_out in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=in_out, socket_type="NodeSocketGeometry")
    for label in INPUTS:
        socket = tree.interface.new_socket(label, in_out="INPUT", socket_type="NodeSocketFloat")
        socket.default_value, socket.min_value = 0.0, 0.0  # as at the start, until it is driven
    add = _Adder(tree)
    given = add.node("NodeGroupInput", name=GIVEN)
    add.address(strip, given.outputs[1])
    end = add.node("NodeGroupOutput", name=END)
    add.link(given.outputs[0], end.inputs[0])
    return tree


def _add_strip(obj, tree, kind: tuple[str, ...], images: list[str], names: dict[str, str]) -> None:
    """Its attributes, stored on the geometry after all that is stored already."""
    add = _Adder(tree)
    texture = add.sampled([bpy.data.images[name] for name in images])
    geometry = tree.nodes[END].inputs[0].links[0].from_socket
    store = _store_matter if kind == MATTER else _store_surface
    amount = tree.nodes[GIVEN].outputs[2]
    geometry = store(add, geometry, texture, amount, names, CHANGE in obj.data.attributes)
    add.link(geometry, tree.nodes[END].inputs[0])


def _finish_group(tree):
    tree.nodes[END].location = (180 * len(tree.nodes), 0)
    return tree


def _store_matter(add: "_Adder", geometry, texture, amount, names: dict[str, str], _changes: bool):
    parts = add.node("FunctionNodeSeparateColor")
    add.link(texture.outputs["Color"], parts.inputs["Color"])
    for channel, output in zip(MATTER, parts.outputs, strict=False):
        if channel in names:
            now = add.mixed("FLOAT", amount, add.start("FLOAT", names[channel]), output)
            geometry = add.stored(geometry, names[channel], "FLOAT", "POINT", now)
    return geometry


def _store_surface(add: "_Adder", geometry, texture, amount, names: dict[str, str], changes: bool):
    # Corners have other numbers than vertices: the colour is looked up on points, then spread to their corners.
    on_points = add.node("GeometryNodeFieldOnDomain", domain="POINT", data_type="FLOAT_COLOR")
    add.link(texture.outputs["Color"], _enabled(on_points.inputs, "Value"))
    start = add.start("FLOAT_COLOR", names["albedo"])
    now = add.mixed("RGBA", amount, start, _enabled(on_points.outputs, "Value"))
    if changes:  # before the albedo of the start is written over
        ratio = add.node("ShaderNodeMixRGB", blend_type="DIVIDE")
        ratio.inputs["Fac"].default_value = 1.0
        add.link(now, ratio.inputs["Color1"])
        add.link(start, ratio.inputs["Color2"])
        geometry = add.stored(geometry, CHANGE, "FLOAT_COLOR", "POINT", ratio.outputs["Color"])
    roughness = add.mixed("FLOAT", amount, add.start("FLOAT", names["roughness"]), texture.outputs["Alpha"])
    geometry = add.stored(geometry, names["roughness"], "FLOAT", "POINT", roughness)
    return add.stored(geometry, names["albedo"], "BYTE_COLOR", "CORNER", now)


def _enabled(sockets, name: str):
    return next(socket for socket in sockets if socket.enabled and socket.name == name)


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

    def address(self, strip: Strip, life) -> None:
        """The nodes IMAGE and PLACE: which image of a strip, and where in it, shows a vertex at the nearest frame."""
        index = self.node("GeometryNodeInputIndex").outputs[0]
        frame = self.math("MULTIPLY", life, float(strip.frames - 1))
        frame = self.math("FLOOR", self.math("ADD", frame, 0.5))
        frame = self.math("MAXIMUM", self.math("MINIMUM", frame, float(strip.frames - 1)), 0.0)
        band = self.whole(frame, strip.every)
        number = self.whole(band, strip.frames_an_image)
        number.node.name = IMAGE
        band = self.math("SUBTRACT", band, self.math("MULTIPLY", number, float(strip.frames_an_image)))
        row = self.whole(index, strip.width)
        column = self.math("SUBTRACT", index, self.math("MULTIPLY", row, float(strip.width)))
        row = self.math("ADD", row, self.math("MULTIPLY", band, float(strip.rows)))
        place = self.node("ShaderNodeCombineXYZ", name=PLACE)
        self.link(self.math("DIVIDE", self.math("ADD", column, 0.5), float(strip.width)), place.inputs[0])
        v = self.math("DIVIDE", self.math("ADD", row, 0.5), float(strip.height))
        self.link(self.math("SUBTRACT", 1.0, v), place.inputs[1])  # a file's first row is Blender's top one

    def sampled(self, images: list):
        """The texture node that looks a strip of images up there."""
        texture = self.node("GeometryNodeImageTexture", interpolation="Closest", extension="EXTEND")
        self.link(self.chosen(images, self.tree.nodes[IMAGE].outputs[0]), texture.inputs["Image"])
        self.link(self.tree.nodes[PLACE].outputs[0], texture.inputs["Vector"])
        return texture

    def chosen(self, images: list, number):
        switch = self.node("GeometryNodeIndexSwitch", data_type="IMAGE")
        while len(switch.index_switch_items) < len(images):
            switch.index_switch_items.new()
        for socket, image in zip([s for s in switch.inputs if s.type == "IMAGE"], images, strict=False):
            socket.default_value = image
        self.link(number, switch.inputs["Index"])
        return switch.outputs[0]

    def start(self, data_type: str, name: str):
        """What the mesh itself has: the start of life."""
        node = self.node("GeometryNodeInputNamedAttribute", data_type=data_type)
        node.inputs["Name"].default_value = name
        return _enabled(node.outputs, "Attribute")

    def mixed(self, data_type: str, factor, start, now):
        """`start` at factor 0 and `now` at 1 and beyond."""
        node = self.node("ShaderNodeMix", data_type=data_type, clamp_factor=True)
        for socket, value in (("Factor", factor), ("A", start), ("B", now)):
            self.link(value, _enabled(node.inputs, socket))
        return _enabled(node.outputs, "Result")

    def stored(self, geometry, name: str, data_type: str, domain: str, value):
        node = self.node("GeometryNodeStoreNamedAttribute", data_type=data_type, domain=domain)
        node.inputs["Name"].default_value = name
        self.link(geometry, node.inputs["Geometry"])
        self.link(value, _enabled(node.inputs, "Value"))
        return node.outputs[0]
