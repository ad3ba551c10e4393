"""Which part of a specimen each vertex is of, kept on its mesh: what stands still in it is known when it shall sway.

Names that begin with a dot are Blender's own sign for what is not shown, and no exporter writes them.
"""

import json

import numpy as np

from ..seam import protocol

NUMBERS = ".anthesis_part"
NAMES = "anthesis_parts"  # custom property of the mesh, JSON
OTHER = "other"  # what has come to it since


def write(mesh, record: protocol.Subject, arrays: dict[str, np.ndarray]) -> None:
    """Those of a Subject record, where it tells them."""
    if "parts" in arrays:
        # one higher: 0 is what Blender gives to what is joined to it
        mesh.attributes.new(NUMBERS, "INT", "POINT").data.foreach_set("value", arrays["parts"] + 1)
        mesh[NAMES] = json.dumps(record.part_names)


def read(mesh) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The names of the parts and, as an array of a Subject record, the numbers; none where they are not known."""
    attribute, told = mesh.attributes.get(NUMBERS), mesh.get(NAMES)
    if attribute is None or (attribute.domain, attribute.data_type) != ("POINT", "INT") or not isinstance(told, str):
        return (), {}
    numbers, names = np.empty(len(mesh.vertices), np.int32), (*json.loads(told), OTHER)
    attribute.data.foreach_get("value", numbers)
    known = (numbers >= 1) & (numbers < len(names))
    return names, {"parts": np.where(known, numbers - 1, len(names) - 1).astype(np.int32)}
