"""Vibration modes kept on a mesh: their shapes as attributes, which follow whatever the artist does to its vertices.

Names that begin with a dot are Blender's own sign for what is not shown, and no exporter writes them.
"""

import numpy as np

from .ringing import Modes

PREFIX = ".anthesis_mode_"


def write(mesh, modes: Modes) -> None:
    """The shapes of (M, V, 3), in place of those that were there."""
    forget(mesh)
    for number, shape in enumerate(modes.shapes):
        attribute = mesh.attributes.new(f"{PREFIX}{number:02d}", "FLOAT_VECTOR", "POINT")
        attribute.data.foreach_set("vector", np.ascontiguousarray(shape, np.float32).ravel())


def read(mesh, frequencies, damping) -> Modes | None:
    """The modes again; None where the artist removed some of them."""
    names = [f"{PREFIX}{number:02d}" for number in range(len(frequencies))]
    if not names or not all(name in mesh.attributes for name in names):
        return None
    shapes = np.empty((len(names), len(mesh.vertices), 3), np.float32)
    for name, shape in zip(names, shapes, strict=True):
        mesh.attributes[name].data.foreach_get("vector", shape.reshape(-1))
    return Modes(shapes, np.asarray(frequencies, float), np.asarray(damping, float))


def forget(mesh) -> None:
    for name in [each.name for each in mesh.attributes if each.name.startswith(PREFIX)]:
        mesh.attributes.remove(mesh.attributes[name])


def there(mesh) -> bool:
    return f"{PREFIX}00" in mesh.attributes
