"""Mesh, Frame and Clip: the nouns that everything passes on.

Metres, Z up, right-handed. Arrays are C-contiguous. Colours are linear, scene-referred, in [0, 1].
A surface is what an artist drew: polygons with any number of corners, UVs on the corners (so that a seam does
not split a vertex), and beside them the triangles that cover it, for everything that computes.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

MATERIALS = ("albedo", "roughness", "metallic", "opacity", "emission")  # what of a surface may change besides its shape
USUAL = {"opacity": 1.0, "emission": 0.0}  # of what no mesh brings: where a frame does not tell it


@dataclass(frozen=True)
class Texture:
    """What a surface shows at its UVs: whole .png or .jpg files, upright, which any viewer can decode."""

    albedo: bytes  # sRGB
    roughness: bytes | None = None  # a .png of greys, 255 = 1; None: that of the mesh
    transparent: bool = False  # some of the albedo is less than opaque
    lit: bool = True  # as a surface is; False: it holds its own light, and is shown as it is

    @property
    def ending(self) -> str:
        """Of the albedo's file."""
        return ".png" if self.albedo.startswith(b"\x89PNG") else ".jpg"


GROUND = "soil"  # the part of a specimen that stands still whatever blows


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface and its material. V vertices, P polygons with C corners in all, F triangles."""

    vertices: Floats  # (V, 3) metres
    corners: Ints  # (C,) the vertex at each corner, polygon after polygon
    sizes: Ints  # (P,) corners of each polygon, at least 3
    triangles: Ints  # (F, 3) corner indices; they cover the polygons
    uv: Floats | None = None  # (C, 2)
    albedo: Floats | None = None  # (V, 3) linear; None: the mesh brings no colour of its own
    roughness: Floats | None = None  # (V,)
    metallic: Floats | None = None  # (V,)
    pin: Floats | None = None  # (V,) in [0, 1]: 1 stays where it is
    weight: Floats | None = None  # (V,) in [0, 1]: how strongly the process acts
    parts: Ints | None = None  # (V,) index into part_names
    part_names: tuple[str, ...] = ()
    texture: Texture | None = None  # its lowest row is at v = 0; a lit one's albedo is that of the vertices, finer

    @property
    def faces(self) -> Ints:
        """(F, 3) int32 vertex indices of the triangles."""
        return self.corners[self.triangles]

    @property
    def ground(self) -> NDArray[np.bool_]:
        """(V,) what a specimen grows in."""
        return self.of_parts((GROUND,))

    def of_parts(self, names: Collection[str]) -> NDArray[np.bool_]:
        """(V,) what is of parts of these names; nothing where parts are not known."""
        if self.parts is None:
            return np.zeros(len(self.vertices), bool)
        return np.isin(self.parts, [number for number, name in enumerate(self.part_names) if name in names])

    @classmethod
    def from_triangles(cls, vertices: Floats, faces: Ints, **rest) -> Self:
        """(V, 3), (F, 3) and any further field; `uv` is per corner, (3 F, 2)."""
        faces = np.ascontiguousarray(faces, np.int32)
        corners = np.arange(faces.size, dtype=np.int32).reshape(-1, 3)
        sizes = np.full(len(faces), 3, np.int32)
        return cls(np.ascontiguousarray(vertices, np.float32), faces.ravel(), sizes, corners, **rest)

    @classmethod
    def from_quads(cls, vertices: Floats, quads: Ints, **rest) -> Self:
        """(V, 3), (Q, 4) and any further field; `uv` is per corner, (4 Q, 2).

        A quad whose last two corners are one vertex is kept as a triangle.
        """
        quads = np.ascontiguousarray(quads, np.int32)
        keep = np.ones(quads.shape, bool)
        keep[:, 3] = quads[:, 3] != quads[:, 2]
        if "uv" in rest:
            rest["uv"] = np.ascontiguousarray(rest["uv"].reshape(-1, 2)[keep.ravel()])
        sizes = keep.sum(axis=1).astype(np.int32)
        return cls(np.ascontiguousarray(vertices, np.float32), quads[keep], sizes, fan_triangles(sizes), **rest)

    def at(self, positions: Floats) -> Self:
        """The same surface with its vertices elsewhere, (V, 3)."""
        return replace(self, vertices=positions)


@dataclass(frozen=True, eq=False)
class Frame:
    """One time sample. A material that is None is the subject's own, unchanged."""

    tau: float  # life time in [0, 1]
    positions: Floats  # (V, 3) metres
    albedo: Floats | None = None  # (V, 3) linear
    roughness: Floats | None = None  # (V,)
    metallic: Floats | None = None  # (V,)
    opacity: Floats | None = None  # (V,) 1: there; 0: gone; None: all is there
    emission: Floats | None = None  # (V,) 1: sends out GLOW times its albedo; 0: no light; None: nothing glows
    poses: Floats | None = None  # (K - 1, V, 3) metres: under the first of K processes, under the first two, ...
    corrected: float = 0.0  # share of the volume that was put back so far, where a process keeps it so


@dataclass(frozen=True, eq=False)
class Clip:
    """A subject and its life: T frames of one topology."""

    subject: Mesh
    positions: Floats  # (T, V, 3) metres
    tau: Floats  # (T,) life time in [0, 1]
    fps: float
    loop: bool = False
    albedo: Floats | None = None  # (T, V, 3) linear
    roughness: Floats | None = None  # (T, V)
    metallic: Floats | None = None  # (T, V)
    opacity: Floats | None = None  # (T, V)
    emission: Floats | None = None  # (T, V)
    provenance: dict[str, str] = field(default_factory=dict)  # what made it: prompt, process, engine, seed, version

    def keeps(self, name: str) -> bool:
        """Whether albedo or roughness is the subject's own in every frame, to the bytes that a texture has of it."""
        frames, own = getattr(self, name), getattr(self.subject, name)
        return frames is None or (own is not None and bool((np.abs(frames - own) < 0.5 / 255).all()))

    @classmethod
    def from_frames(cls, subject: Mesh, frames: list[Frame], fps: float, **rest) -> Self:
        """Stack frames in their order; a material is kept where every frame has it."""
        if not frames:
            raise ValueError("a clip needs at least one frame")
        for name, value in USUAL.items():
            if any(getattr(frame, name) is not None for frame in frames):
                usual = {name: np.full(len(subject.vertices), value, np.float32)}
                frames = [replace(frame, **usual) if getattr(frame, name) is None else frame for frame in frames]
        stacked = {
            name: np.stack([getattr(frame, name) for frame in frames])
            for name in MATERIALS
            if all(getattr(frame, name) is not None for frame in frames)
        }
        return cls(
            subject,
            np.stack([frame.positions for frame in frames]),
            np.array([frame.tau for frame in frames], np.float32),
            fps,
            **stacked,
            **rest,
        )


def fan_triangles(sizes: Ints) -> Ints:
    """Corner indices (F, 3) of a fan over each polygon: right for triangles, quads and convex polygons."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    fans = sizes - 2
    first = np.repeat(starts, fans)
    step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
    return np.stack([first, first + step + 1, first + step + 2], axis=1).astype(np.int32)
