"""What lies in a .glb or .gltf: its JSON, and its accessors as arrays (glTF 2.0, sections 3.6 and 5.1).

Interleaved, sparse and normalised accessors, buffers beside the file and in data URIs. Nothing compressed.
"""

import base64
import json
import struct
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from tests.benchmarks.lifebench.readers.moments import Unreadable

_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_PACKED = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression"}


class Document:
    """`json` as it stands in the file, and array(accessor)."""

    def __init__(self, path: Path):
        """Raises Unreadable."""
        self.path, self._buffers = path, {}
        data = path.read_bytes()
        self.size = len(data)
        try:
            chunks = _chunks(data) if data[:4] == b"glTF" else {_JSON: data}
            self.json = json.loads(chunks[_JSON])
        except (KeyError, ValueError, struct.error) as error:
            raise Unreadable(f"{path.name} is not a sound glTF file: {error!r}. Export it again") from error
        if _BINARY in chunks:
            self._buffers[0] = chunks[_BINARY]
        if packed := _PACKED & set(self.json.get("extensionsRequired", ())):
            raise Unreadable(f"{path.name} is packed by {', '.join(packed)}: export it without compression")

    def array(self, number: int) -> np.ndarray:
        """(N, width) of one accessor; float64 in its own range where it is normalised."""
        accessor = self.json["accessors"][number]
        kind, width = np.dtype(_KINDS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        if "bufferView" in accessor:
            values = self._taken(accessor, kind, accessor["count"], width)
        else:
            values = np.zeros((accessor["count"], width), kind)
        if sparse := accessor.get("sparse"):
            indices = np.dtype(_KINDS[sparse["indices"]["componentType"]])
            where = self._taken(sparse["indices"], indices, sparse["count"], 1)[:, 0]
            values[where] = self._taken(sparse["values"], kind, sparse["count"], width)
        if accessor.get("normalized"):
            return np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def view(self, number: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.json["bufferViews"][number]
        start = view.get("byteOffset", 0)
        return self._buffer(view["buffer"])[start : start + view["byteLength"]]

    def beside(self, uri: str) -> bytes:
        """What a URI holds: data of its own, or a file beside this one."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        data = (self.path.parent / unquote(uri)).read_bytes()
        self.size += len(data)
        return data

    def _taken(self, where: dict, kind: np.dtype, count: int, width: int) -> np.ndarray:
        view = self.json["bufferViews"][where["bufferView"]]
        start = view.get("byteOffset", 0) + where.get("byteOffset", 0)
        row = kind.itemsize * width
        step = view.get("byteStride", row)
        octets = np.frombuffer(self._buffer(view["buffer"]), np.uint8, (count - 1) * step + row if count else 0, start)
        rows = np.lib.stride_tricks.as_strided(octets, (count, row), (step, 1))
        return np.ascontiguousarray(rows).view(kind).reshape(count, width)

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            self._buffers[number] = self.beside(self.json["buffers"][number]["uri"])
        return self._buffers[number]


def _chunks(data: bytes) -> dict[int, bytes]:
    found, at = {}, 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return found
