"""From a selected object to the Subject record that the backend animates.

Positions travel in world orientation and scale, about the object's own origin: gravity then points down whatever
the artist rotated, and an unapplied scale is as good as an applied one. Target remembers the way back.
"""

import hashlib
from dataclasses import dataclass

import bpy
import numpy as np

from ..seam import protocol
from . import colour, keys, parts, surface

FAR = 1e15  # metres: Blender writes 3.4e38 where a script says infinity
NAME = 200  # characters of a name that a record may hold; since 5.0 Blender allows more
FIELDS = {"pin": "Pin", "weight": "Effect"}  # where the artist chooses the groups
FLAT = 1e-6  # smallest to largest scale of an object, below which its shape cannot be brought back from world space


class Unusable(ValueError):
    """A selection that cannot be animated; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """Where a result belongs, as plain data: the object may be renamed, moved, edited or deleted in between."""

    object_name: str
    vertices: int
    fingerprint: str  # of topology and rest shape
    matrix: tuple[float, ...]  # row-major 3x3 of matrix_world: object space to what was sent
    location: tuple[float, ...] = (0.0, 0.0, 0.0)  # of the object in the world
    uid: int = 0  # session_uid: finds a renamed object, as long as the file stays open
    groups: tuple[tuple[str, str], ...] = ()  # of the vertices, by what they were for: ("pin_group", "Root")
    notes: tuple[str, ...] = ()  # sentences that the artist should know before the result is there


@dataclass(frozen=True)
class Part:
    """What of a mesh takes part: vertex groups by name, "" for none."""

    pin_group: str = ""  # stays in place
    weight_group: str = ""  # takes part, by its weight
    only_selected: bool = False  # instead of the weight group: what was selected in Edit Mode

    def roles(self) -> tuple[tuple[str, str], ...]:
        """What provenance keeps of it."""
        groups = {"pin_group": self.pin_group, "weight_group": "" if self.only_selected else self.weight_group}
        chosen = (("only_selected", "True"),) if self.only_selected else ()
        return *((role, name) for role, name in groups.items() if name), *chosen


WHOLE = Part()


def read_subject(
    obj, part: Part = WHOLE, picture: np.ndarray | None = None, as_shown: bool = False
) -> tuple[bytearray, Target]:
    """The packed Subject record of a mesh object's rest shape and material, and the Target of its result. `picture` is
    brought along. `as_shown`: as its life shows it at this frame, instead of at rest.

    With shape keys the rest shape is the Basis; modifiers are left out. Raises Unusable.
    """
    vertices, matrix = sent_shape(obj, as_shown)
    mesh = obj.data
    arrays = _polygons(mesh, mirrored=np.linalg.det(matrix) < 0)
    arrays["vertices"] = vertices
    arrays |= surface.material_of_start(obj)
    arrays |= _groups(obj, pin=part.pin_group, weight="" if part.only_selected else part.weight_group)
    if part.only_selected:
        arrays["weight"] = _selected(obj)
    if picture is not None:
        arrays["picture"] = picture
    part_names, numbers = parts.read(mesh)
    record = protocol.Subject(name=obj.name[:NAME], part_names=part_names)
    target = Target(
        object_name=obj.name,
        vertices=len(vertices),
        fingerprint=fingerprint(mesh),
        matrix=tuple(matrix.ravel().tolist()),
        location=tuple(obj.matrix_world.translation),
        uid=obj.session_uid,
        groups=part.roles(),
        notes=tuple(_notes(obj)),
    )
    return protocol.pack(record, arrays | numbers), target


def sent_shape(obj, as_shown: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) float32, the rest shape, or the one that is shown, in world orientation and scale, and the (3, 3) matrix
    that brought it there from object space. Raises Unusable."""
    mesh = _usable_mesh(obj)
    bpy.context.view_layer.update()  # a script may have moved the object a line ago
    matrix = np.array(obj.matrix_world)[:3, :3]
    _require_volume(obj, matrix)
    shape = lived(mesh) if as_shown else rest(mesh)
    if not (np.abs(shape) < FAR).all():  # NaN is not smaller than anything
        bad = len(shape) - int(np.count_nonzero((np.abs(shape) < FAR).all(axis=1)))
        raise Unusable(
            f'"{obj.name}" has vertices at NaN or infinity ({bad:,}): delete them in Edit Mode, or undo what made them'
        )
    return np.ascontiguousarray(shape @ matrix.T, np.float32), matrix


def rest(mesh) -> np.ndarray:
    """(V, 3) float32 in object space: the Basis where there are shape keys."""
    positions = np.empty((len(mesh.vertices), 3), np.float32)
    if mesh.shape_keys:
        mesh.shape_keys.reference_key.points.foreach_get("co", positions.ravel())
    else:
        mesh.attributes["position"].data.foreach_get("vector", positions.ravel())
    return positions


def lived(mesh) -> np.ndarray:
    """(V, 3) as rest(), and what the mesh's life has made of it by this frame; a sway and a poke are left out."""
    shape, pair = rest(mesh), np.empty((2, len(mesh.vertices), 3), np.float32)
    for key in mesh.shape_keys.key_blocks[1:] if mesh.shape_keys else ():
        if key.value and not key.mute and keys.OURS.fullmatch(key.name):
            for block, co in zip((key, key.relative_key), pair, strict=True):
                block.points.foreach_get("co", co.ravel())
            shape += np.float32(key.value) * (pair[0] - pair[1])
    return shape


def fingerprint(mesh) -> str:
    """Changes when a vertex of the rest shape moves or a polygon changes; shape keys, materials, UVs do not count."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(rest(mesh))
    digest.update(surface.corner_vertices(mesh))
    digest.update(surface.polygon_sizes(mesh))
    return digest.hexdigest()


def _usable_mesh(obj):
    if obj is None:
        raise Unusable("Nothing is selected: click a mesh object and try again")
    if obj.type != "MESH":
        raise Unusable(f'"{obj.name}" is not a mesh: select a mesh, or convert it with Object > Convert > Mesh')
    mesh = obj.data
    for block in (obj, mesh):
        if block.library or block.override_library:
            raise Unusable(
                f'"{obj.name}" comes from another file: make it local with Object > Relations > Make Local > All'
            )
    if mesh.is_editmode or obj.mode == "SCULPT":
        raise Unusable(f'"{obj.name}" is being edited: go back to Object Mode and try again')
    if len(mesh.vertices) > protocol.MAX_VERTICES:
        raise Unusable(
            f'"{obj.name}" has {len(mesh.vertices):,} vertices and {protocol.MAX_VERTICES:,} are allowed: '
            "reduce it with a Decimate modifier and apply that"
        )
    if not len(mesh.polygons):
        raise Unusable(f'"{obj.name}" has no faces: fill it with faces, only surfaces can be animated')
    if mesh.shape_keys and not mesh.shape_keys.use_relative:
        raise Unusable(f'"{obj.name}" uses absolute shape keys: tick Relative in Object Data > Shape Keys')
    for key in mesh.shape_keys.key_blocks[1:] if mesh.shape_keys else ():
        ours = keys.OURS.fullmatch(key.name) or keys.OF_MOTION.fullmatch(key.name)
        if key.value and not key.mute and not ours:
            raise Unusable(
                f'"{obj.name}" is seen with its shape key "{key.name}" switched on, and the shape without it would be '
                "animated: set its shape keys to 0, or apply them, then animate it"
            )
    return mesh


def _require_volume(obj, matrix: np.ndarray) -> None:
    if not np.isfinite(matrix).all():
        raise Unusable(f'"{obj.name}" has a NaN or infinite transform: clear it with Object > Clear')
    scales = np.linalg.svd(matrix, compute_uv=False)
    if scales[-1] <= FLAT * scales[0]:
        raise Unusable(f'"{obj.name}" is scaled to zero: give it a scale other than 0 on X, Y and Z')


def _polygons(mesh, mirrored: bool) -> dict[str, np.ndarray]:
    """corners, sizes, triangles and uv; a mirroring scale turns surfaces inside out, so their corners are reversed."""
    corners, sizes = surface.corner_vertices(mesh), surface.polygon_sizes(mesh)
    mesh.calc_loop_triangles()
    triangles = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("loops", triangles.ravel())
    uv = None
    if layer := mesh.uv_layers.active:
        uv = np.empty((len(corners), 2), np.float32)
        layer.uv.foreach_get("vector", uv.ravel())
        if not np.isfinite(uv).all():
            uv = np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)
    if mirrored:
        # Corner k of a polygon that starts at s and has n corners becomes corner s + (n - 1) - (k - s).
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        order = 2 * starts + np.repeat(sizes, sizes) - 1 - np.arange(len(corners))
        corners = corners[order]
        uv = None if uv is None else uv[order]
        triangles = order[triangles][:, ::-1]
    arrays = {"corners": corners, "sizes": sizes, "triangles": np.ascontiguousarray(triangles, np.int32)}
    return arrays if uv is None else arrays | {"uv": np.ascontiguousarray(uv)}


def _groups(obj, **names: str) -> dict[str, np.ndarray]:
    """Each named vertex group as (V,) weights; Blender has no faster way to them than this loop."""
    wanted = {}
    for role, name in names.items():
        if name and name not in obj.vertex_groups:
            known = ", ".join(f'"{group.name}"' for group in obj.vertex_groups)
            another = f", or choose one of its groups ({known})" if known else ""
            raise Unusable(
                f'"{obj.name}" has no vertex group "{name}": clear {FIELDS[role]} in the panel Sway, or in Animate '
                f"Selected, Part of the Mesh{another}"
            )
        if name:
            wanted[role] = obj.vertex_groups[name].index
    if not wanted:
        return {}
    arrays = {role: np.zeros(len(obj.data.vertices), np.float32) for role in wanted}
    by_index = {index: [role for role in wanted if wanted[role] == index] for index in wanted.values()}
    for number, vertex in enumerate(obj.data.vertices):
        for element in vertex.groups:
            for role in by_index.get(element.group, ()):
                arrays[role][number] = element.weight
    if "pin" in arrays and arrays["pin"].min() >= 1:
        raise Unusable(f'Every vertex of "{obj.name}" is pinned by "{names["pin"]}": leave some of them free to move')
    return arrays


def _selected(obj) -> np.ndarray:
    """(V,) float32: 1 for what is selected in Edit Mode, or was when it was left."""
    chosen = np.empty(len(obj.data.vertices), bool)
    obj.data.vertices.foreach_get("select", chosen)
    if not chosen.any():
        raise Unusable(
            f'No vertex of "{obj.name}" is selected: select the part that shall live in Edit Mode, or untick '
            "Only Selected Vertices"
        )
    return chosen.astype(np.float32)


def _notes(obj):
    if any(modifier.name != colour.MODIFIER for modifier in obj.modifiers):
        yield f'The modifiers of "{obj.name}" stay: the mesh under them is animated'
