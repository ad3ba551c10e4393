"""A clip as .npz: plain arrays that numpy.load reads without pickle, and the form in which nothing is lost.

    positions   (T, V, 3) float32   metres, Z up, right-handed
    faces       (F, 3) int32        vertices of each triangle
    tau         (T,) float32        life time in [0, 1]
    fps         () float64          frames a second
    loop        () bool             whether the last frame leads back to the first
    albedo      (T, V, 3) float32   linear RGB; roughness, metallic (T, V) float32: each only where it changes
    opacity     (T, V) float32      1: there, 0: gone; only where something goes
    emission    (T, V) float32      0: cold, 1: glows as an ember does, in its albedo; only where something glows
    provenance  () str              JSON: prompt or process, engine, seed, version
    version     () int              of this layout, 1

The polygons as they were drawn, with UVs on their corners:
    sizes (P,) int32, corners (C,) int32 vertex at each corner, triangles (F, 3) int32 corners of each triangle, and
    uv (C, 2) float32. So faces == corners[triangles], and uv[triangles] is (F, 3, 2).
The subject before its life: subject_vertices (V, 3), and where it has them subject_albedo (V, 3),
    subject_roughness (V,), subject_metallic (V,), subject_pin (V,), subject_weight (V,), parts (V,) int32 index into
    part_names (N,) str.
What it shows at its UVs: texture (B,) uint8, the bytes of a .png or .jpg file, texture_transparent () bool, whether
    some of it is less than opaque, and texture_lit () bool, whether it is lit as a surface is, or shown as it is. Where
    its roughness is a picture too, texture_roughness (B,) uint8, the bytes of a .png of greys.
"""

import json
from pathlib import Path

import numpy as np

from backend.clip import Clip, Mesh, Texture

LAYOUT = 1
_MATERIAL = ("albedo", "roughness", "metallic")
_OVER_LIFE = (*_MATERIAL, "opacity", "emission")
_SUBJECT = ("vertices", *_MATERIAL, "pin", "weight")
_TOPOLOGY = ("corners", "sizes", "triangles", "uv", "parts")


def save(clip: Clip, path: Path) -> None:
    subject = clip.subject
    arrays = {f"subject_{name}": getattr(subject, name) for name in _SUBJECT}
    arrays |= {name: getattr(subject, name) for name in _TOPOLOGY}
    arrays |= {name: getattr(clip, name) for name in _OVER_LIFE}
    if subject.part_names:
        arrays["part_names"] = np.array(subject.part_names)
    if (texture := subject.texture) is not None:
        arrays["texture"] = np.frombuffer(texture.albedo, np.uint8)
        if texture.roughness is not None:
            arrays["texture_roughness"] = np.frombuffer(texture.roughness, np.uint8)
        arrays |= {"texture_transparent": np.bool_(texture.transparent), "texture_lit": np.bool_(texture.lit)}
    np.savez(
        path,
        positions=clip.positions,
        faces=subject.faces,
        tau=clip.tau,
        fps=np.float64(clip.fps),
        loop=np.bool_(clip.loop),
        provenance=np.array(json.dumps(clip.provenance)),
        version=np.int32(LAYOUT),
        **{name: value for name, value in arrays.items() if value is not None},
    )


def load(path: Path) -> Clip:
    """The clip that save() wrote. Raises ValueError where the layout is a later one."""
    with np.load(path, allow_pickle=False) as stored:
        held = dict(stored)
    if held["version"] != LAYOUT:
        raise ValueError(f"{path} has layout {held['version']}, and this version reads {LAYOUT}: update Anthesis")
    subject = Mesh(
        **{name: held.get(f"subject_{name}") for name in _SUBJECT},
        **{name: held.get(name) for name in _TOPOLOGY},
        part_names=tuple(held["part_names"].tolist()) if "part_names" in held else (),
        texture=_texture(held),
    )
    return Clip(
        subject,
        held["positions"],
        held["tau"],
        float(held["fps"]),
        bool(held["loop"]),
        **{name: held.get(name) for name in _OVER_LIFE},
        provenance=json.loads(str(held["provenance"])),
    )


def _texture(held: dict[str, np.ndarray]) -> Texture | None:
    if "texture" not in held:
        return None
    roughness = held["texture_roughness"].tobytes() if "texture_roughness" in held else None
    transparent, lit = bool(held["texture_transparent"]), bool(held["texture_lit"])
    return Texture(held["texture"].tobytes(), roughness, transparent, lit)
