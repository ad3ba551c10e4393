"""A clip as .glb (glTF 2.0): the first frame as the mesh, every later frame as a morph target, one animation.

Weight k is 1 at frame k and 0 at its neighbours, interpolated linearly: at no time are more than two targets on, which
is what game engines can play, and between frames the vertices go straight from one to the next.
glTF has Y up and one UV a vertex, so axes are turned and vertices on UV seams are split. Normals are smooth, and morph.
Not kept, for want of a carrier that viewers read: colour, roughness, metallic, opacity and emission over life. The
first frame's colour is there as COLOR_0, its roughness and metallic as the material's means.
A texture is embedded as it is. One that holds its own light is shown without any (KHR_materials_unlit); viewers that do
not know this light it. COLOR_0 multiplies a texture: it is then the first frame's colour over the subject's own, and is
left out where they are the same.
"""

import json
import struct
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from backend import protocol
from backend.clip import Clip, Mesh, Texture
from backend.files import Unwritable

_FLOAT, _SHORT, _INT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
_SMOOTH = {"magFilter": 9729, "minFilter": 9987}  # linear, and between linear mipmaps
_TO_THE_EDGE = {"wrapS": 33071, "wrapT": 33071}  # what lies beyond is like the picture's edge, not its other side
_KINDS = {".png": "image/png", ".jpg": "image/jpeg"}
_DARKEST = 1e-4  # linear: what is as dark as this stays as it is, for no factor would be within [0, 1]
_LARGEST = 2**32 - 1  # bytes; a .glb says its length in 32 bits


class _Buffer:
    """Arrays laid out one after another, and the accessors that describe them."""

    def __init__(self):
        self.arrays: list[np.ndarray] = []
        self.views: list[dict] = []
        self.accessors: list[dict] = []
        self.size = 0

    def add(self, array: np.ndarray, kind: str, component: int = _FLOAT, target: int | None = None, **more) -> int:
        """Index of the accessor; `array` has one row an element."""
        array = np.ascontiguousarray(array)
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": array.nbytes}
        self.views.append(view if target is None else view | {"target": target})
        accessor = {"bufferView": len(self.views) - 1, "componentType": component, "count": len(array), "type": kind}
        self.accessors.append(accessor | more)
        self.arrays.append(array)
        self.size += array.nbytes  # of elements of four bytes and more: always aligned
        return len(self.accessors) - 1

    def add_file(self, data: bytes) -> int:
        """Index of the view, for no accessor describes a file."""
        self.views.append({"buffer": 0, "byteOffset": self.size, "byteLength": len(data)})
        self.arrays.append(np.frombuffer(data + bytes(-len(data) % 4), np.uint8))
        self.size += self.arrays[-1].nbytes
        return len(self.views) - 1

    def add_positions(self, array: np.ndarray) -> int:
        bounds = {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        return self.add(array, "VEC3", target=_VERTICES, **bounds)


def save(clip: Clip, path: Path) -> None:
    """Raises Unwritable where the file would be longer than the format allows."""
    vertices, triangles = _split(clip.subject)
    # positions and normals of each frame; the rest is small beside them
    if len(clip.positions) * len(vertices) * 24 > _LARGEST * 0.98:
        raise Unwritable("The clip is too large for .glb, which ends at 4 GB: make fewer frames, or write .usdc")
    buffer = _Buffer()
    primitive = _primitive(buffer, clip, vertices, triangles)
    names = [f"Frame {number}" for number in range(2, len(clip.positions) + 1)]
    document = {
        "asset": {"version": "2.0", "generator": f"Anthesis {protocol.VERSION}", "extras": clip.provenance},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "Anthesis"}],
        "meshes": [{"primitives": [primitive], "name": "Anthesis", "extras": {"targetNames": names}}],
        "materials": [_material(clip)],
        "animations": _animations(buffer, clip),
    }
    if not names:
        del document["animations"], document["meshes"][0]["extras"]
    if clip.subject.texture is not None:
        document |= _pictures(buffer, clip.subject.texture)
    document |= {"buffers": [{"byteLength": buffer.size}], "bufferViews": buffer.views, "accessors": buffer.accessors}
    _write(path, document, buffer)


def _split(subject: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """glTF's vertices and triangles: (N,) the corner that each vertex is taken from, (F, 3) indices into them."""
    key = subject.corners[:, None].astype(np.int64)
    if subject.uv is not None:
        key = np.concatenate([key, np.ascontiguousarray(subject.uv, np.float32).view(np.int32)], axis=1)
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return first, which.reshape(-1)[subject.triangles]


def _primitive(buffer: _Buffer, clip: Clip, corners: np.ndarray, triangles: np.ndarray) -> dict:
    subject = clip.subject
    source = subject.corners[corners]  # (N,) the clip's vertex behind each of glTF's
    incidence = _incidence(subject)
    rest, rest_normals = _y_up(clip.positions[0]), _y_up(_normals(clip.positions[0], subject.faces, incidence))
    attributes = {
        "POSITION": buffer.add_positions(rest[source]),
        "NORMAL": buffer.add(rest_normals[source], "VEC3", target=_VERTICES),
    }
    if subject.uv is not None:
        uv = subject.uv[corners] * np.float32([1, -1]) + np.float32([0, 1])  # glTF counts v from the top
        attributes["TEXCOORD_0"] = buffer.add(uv, "VEC2", target=_VERTICES)
    albedo = _colours(clip)
    if albedo is not None:
        colour = np.ones((len(source), 4))
        colour[:, :3] = np.clip(albedo[source], 0, 1)
        shorts = np.rint(colour * 65535).astype(np.uint16)
        attributes["COLOR_0"] = buffer.add(shorts, "VEC4", _SHORT, _VERTICES, normalized=True)
    indices = buffer.add(triangles.reshape(-1).astype(np.uint32), "SCALAR", _INT, _INDICES)
    primitive = {"attributes": attributes, "indices": indices, "material": 0}
    targets = []
    for positions in clip.positions[1:]:
        normals = _y_up(_normals(positions, subject.faces, incidence)) - rest_normals
        moved = buffer.add_positions((_y_up(positions) - rest)[source])
        targets.append({"POSITION": moved, "NORMAL": buffer.add(normals[source], "VEC3", target=_VERTICES)})
    return primitive | {"targets": targets} if targets else primitive


def _colours(clip: Clip) -> np.ndarray | None:
    """(V, 3) of COLOR_0: the first frame's colours, over the subject's own where a texture has these."""
    subject = clip.subject
    if subject.texture is None:
        return subject.albedo if clip.albedo is None else clip.albedo[0]
    if clip.albedo is None or subject.albedo is None or (np.abs(clip.albedo[0] - subject.albedo) < 0.5 / 255).all():
        return None
    return clip.albedo[0] / np.maximum(subject.albedo, _DARKEST)


def _pictures(buffer: _Buffer, texture: Texture) -> dict:
    """What the document says of its pictures: the colours, and the roughness where there is one."""
    files = [("Picture", texture.albedo, _KINDS[texture.ending])]
    if texture.roughness is not None:
        files.append(("Roughness", texture.roughness, _KINDS[".png"]))
    images = [{"bufferView": buffer.add_file(data), "mimeType": kind, "name": name} for name, data, kind in files]
    told = {
        "images": images,
        "samplers": [_SMOOTH | _TO_THE_EDGE],
        "textures": [{"sampler": 0, "source": number} for number in range(len(files))],
    }
    return told if texture.lit else told | {"extensionsUsed": ["KHR_materials_unlit"]}


def _textured(clip: Clip, surface: dict) -> dict:
    """A material that shows a texture; `surface` is what it would be without one."""
    texture = clip.subject.texture
    shown = {"baseColorTexture": {"index": 0}}
    if texture.roughness is not None:  # its green; metal would be its blue, and there is none
        shown |= {"metallicRoughnessTexture": {"index": 1}, "roughnessFactor": 1.0, "metallicFactor": 0.0}
    if not texture.lit:
        shown |= {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    del surface["baseColorFactor"]
    material = {"name": "Picture", "doubleSided": True, "pbrMetallicRoughness": surface | shown}
    if not texture.lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
    return material | {"alphaMode": "BLEND"} if texture.transparent else material


def _material(clip: Clip) -> dict:
    def mean(samples, still, otherwise):
        values = still if samples is None else samples[0]
        return otherwise if values is None else float(np.clip(values.mean(), 0, 1))

    coloured = clip.albedo is not None or clip.subject.albedo is not None
    surface = {
        "baseColorFactor": [1, 1, 1, 1] if coloured else [*[protocol.GREY] * 3, 1],
        "metallicFactor": mean(clip.metallic, clip.subject.metallic, 0.0),
        "roughnessFactor": mean(clip.roughness, clip.subject.roughness, protocol.MATT),
    }
    if clip.subject.texture is not None:
        return _textured(clip, surface)
    return {"name": "Anthesis", "doubleSided": True, "pbrMetallicRoughness": surface}


def _animations(buffer: _Buffer, clip: Clip) -> list[dict]:
    frames = len(clip.positions)
    if frames == 1:
        return []
    weights = np.eye(frames, dtype=np.float32)[:, 1:]
    if clip.loop:  # one more key, a frame after the last: back to the first
        weights = np.concatenate([weights, weights[:1]])
    times = (np.arange(len(weights)) / clip.fps).astype(np.float32)
    bounds = {"min": [0.0], "max": [float(times[-1])]}
    sampler = {
        "input": buffer.add(times, "SCALAR", **bounds),
        "output": buffer.add(weights.reshape(-1), "SCALAR"),
        "interpolation": "LINEAR",
    }
    channel = {"sampler": 0, "target": {"node": 0, "path": "weights"}}
    return [{"name": "Life", "samplers": [sampler], "channels": [channel]}]


def _incidence(subject: Mesh) -> csr_matrix:
    """(V, F): 1 where a triangle has a vertex."""
    faces = subject.faces
    rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
    ones = np.ones(len(rows), np.float32)
    return csr_matrix((ones, (rows, columns)), (len(subject.vertices), len(faces)))


def _normals(positions: np.ndarray, faces: np.ndarray, incidence: csr_matrix) -> np.ndarray:
    """(V, 3) of unit length: the sum of the neighbouring triangles' normals, weighted by area."""
    a, b, c = (positions[faces[:, k]].astype(np.float64) for k in range(3))
    summed = incidence @ np.cross(b - a, c - a)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    # A vertex without area has no normal, and glTF wants one of unit length all the same.
    return np.where(length > 0, summed / np.where(length > 0, length, 1), [0, 0, 1]).astype(np.float32)


def _y_up(vectors: np.ndarray) -> np.ndarray:
    return vectors[:, [0, 2, 1]] * np.float32([1, 1, -1])


def _write(path: Path, document: dict, buffer: _Buffer) -> None:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with path.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + buffer.size))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", buffer.size, b"BIN\0"))
        for array in buffer.arrays:
            file.write(array)
