"""A finished clip out of Blender: presets of its four exporters that really keep the animation.

By default glTF samples what is on the timeline, FBX drops shape keys that are animated on their own data-block,
Alembic colours everything white unless told, and USD prefers blend shapes, which lose colour over life. The
settings below are the ones whose files, read back, hold every frame; what a format cannot hold is said in words.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import bpy

from .scene import clips

HEAVY = 20_000_000  # vertices times frames, above which a morph target file is a burden


class CannotExport(ValueError):
    """The message says what to do."""


@dataclass(frozen=True)
class Exported:
    path: str
    lost: tuple[str, ...]  # what the file does not hold, a sentence each


def export(path: str, obj, frame_step: int = 1, normals: bool = True) -> Exported:
    """Write one object, alone, with its whole clip; the ending .glb, .fbx, .abc or .usdc says how.

    `frame_step`: every nth shape key goes into a .glb or .fbx, and the frames between are blended by the player.
    `normals`: with them surfaces shade right in every frame; without them a .glb has half the size.
    A path that starts with // is beside the saved .blend. Raises CannotExport.
    """
    if path.startswith("//") and not bpy.data.filepath:
        raise CannotExport(f"{path} is beside a .blend that was never saved: save it first, or choose a folder")
    path = bpy.path.abspath(path)
    ending = Path(path).suffix.lower()
    if ending not in _WRITERS:
        raise CannotExport(f'"{Path(path).name}" has no ending that can be exported: use {", ".join(_WRITERS)}')
    _require_exportable(obj)
    if not Path(path).parent.is_dir():
        raise CannotExport(f"There is no folder {Path(path).parent}: create it or choose another one")
    before = _written_at(path)
    first, last = clips.frame_range(obj)
    keeps_keys = ending in (".glb", ".fbx")
    subject = clips.plain(obj, frame_step) if keeps_keys else nullcontext(obj)  # the others evaluate drivers
    with _scene_of(obj, first, last), subject as plain, _selected_alone(plain):
        try:
            _WRITERS[ending](path, first, last, normals)
        except RuntimeError as error:  # what an operator reports as an error
            raise CannotExport(f"Blender could not write {path}: {_last_words(error)}") from None
    if _written_at(path) == before:  # Alembic reports no error
        raise CannotExport(f"Blender could not write {path}: check that the folder can be written to")
    return Exported(path, tuple(_lost(obj, ending, frame_step, last - first + 1)))


def _gltf(path: str, first: int, last: int, normals: bool) -> None:
    _call(
        bpy.ops.export_scene.gltf,
        filepath=path,
        export_format="GLB",
        use_selection=True,
        export_apply=False,  # applied modifiers would take the shape keys away
        export_morph=True,
        export_morph_normal=normals,
        export_morph_tangent=False,
        export_morph_animation=True,
        export_animations=True,
        export_animation_mode="ACTIONS",
        export_force_sampling=True,
        export_frame_range=True,
        export_anim_slide_to_zero=True,  # the clip starts at second 0, wherever it lies in the scene
        export_optimize_animation_size=False,
        export_try_sparse_sk=False,
        export_extras=True,
    )


def _fbx(path: str, first: int, last: int, normals: bool) -> None:
    _call(
        bpy.ops.export_scene.fbx,
        filepath=path,
        use_selection=True,
        object_types={"MESH"},
        use_mesh_modifiers=False,
        colors_type="SRGB",
        bake_anim=True,
        bake_anim_use_nla_strips=False,  # with either of the two FBX leaves out curves on shape key data
        bake_anim_use_all_actions=False,
        bake_anim_force_startend_keying=True,
        bake_anim_step=1.0,
        bake_anim_simplify_factor=0.0,
    )


def _alembic(path: str, first: int, last: int, normals: bool) -> None:
    _call(
        bpy.ops.wm.alembic_export,
        filepath=path,
        selected=True,
        start=first,
        end=last,
        vcolors=True,
        uvs=True,
        normals=normals,
        as_background_job=False,
        export_custom_properties=False,
    )


def _usd(path: str, first: int, last: int, normals: bool) -> None:
    _call(
        bpy.ops.wm.usd_export,
        filepath=path,
        selected_objects_only=True,
        export_animation=True,
        export_shapekeys=False,  # points a frame: blend shapes take the mesh without modifiers, so without colours
        export_mesh_colors=True,
        export_normals=normals,
        export_uvmaps=True,
        export_materials=True,
    )


_WRITERS = {".glb": _gltf, ".fbx": _fbx, ".abc": _alembic, ".usdc": _usd}


def _call(operator, **settings) -> None:
    """Settings come and go from one Blender to the next; the ones that this one has are passed."""
    known = operator.get_rna_type().properties.keys()
    operator(**{name: value for name, value in settings.items() if name in known})


def _last_words(error: RuntimeError) -> str:
    """Of an operator's report, which may be a whole traceback and where it was called from."""
    lines = [line.strip() for line in str(error).splitlines()]
    return [line for line in lines if line and not line.startswith("Location:")][-1]


def _written_at(path: str) -> int | None:
    """Nanoseconds; None where there is no such file."""
    file = Path(path)
    return file.stat().st_mtime_ns if file.is_file() else None


def _require_exportable(obj) -> None:
    if obj is None or obj.type != "MESH":
        raise CannotExport("Nothing to export: select a mesh that Anthesis made or animated")
    if bpy.context.mode != "OBJECT":
        raise CannotExport("Go back to Object Mode before exporting")
    if not obj.visible_get():
        raise CannotExport(f'"{obj.name}" is hidden: show it (Alt H) before exporting')


@contextmanager
def _scene_of(obj, first: int, last: int) -> Iterator[None]:
    """The scene plays just the clip meanwhile."""
    scene = bpy.context.scene
    before = scene.frame_start, scene.frame_end, scene.frame_current
    scene.frame_start, scene.frame_end = first, last
    scene.frame_set(first)  # what is static in a file is its first frame
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end, frame = before
        scene.frame_set(frame)


@contextmanager
def _selected_alone(obj) -> Iterator[None]:
    view_layer = bpy.context.view_layer
    names, active = [other.name for other in view_layer.objects.selected], view_layer.objects.active
    for name in names:
        view_layer.objects[name].select_set(False)
    obj.select_set(True)
    view_layer.objects.active = obj
    try:
        yield
    finally:
        obj.select_set(False)
        for name in names:
            view_layer.objects[name].select_set(True)
        view_layer.objects.active = active


def _lost(obj, ending: str, frame_step: int, frames: int) -> Iterator[str]:
    name, keys_only = obj.name, ending in (".glb", ".fbx")
    lives = clips.lives(obj)
    modifiers = [modifier.name for modifier in obj.modifiers if modifier.name not in clips.MODIFIERS]
    if keys_only and lives - {"opacity"}:
        yield f"Colour over life is not in a {ending} file, only the colour at the start: Alembic and USD keep it"
    if keys_only and "opacity" in lives:
        yield f"What vanishes over life is still there in a {ending} file: USD says what is gone"
    if ending == ".abc" and lives - {"albedo"}:
        what = ", ".join(each.capitalize() for each in sorted(lives - {"albedo"}))
        yield f"Only colour lives on in an .abc file, and USD keeps the rest too: {what}"
    if ending == ".abc":
        yield "An .abc file holds no materials: give it one that shows its colour attribute"
    if ending == ".usdc" and lives:
        what = ", ".join(each.capitalize() for each in sorted(lives))
        yield f"The material over life is in the .usdc file as primvars, to be read where you open it: {what}"
    if keys_only and modifiers:
        names = ", ".join(modifiers)
        yield f'The modifiers of "{name}" are not in the file, because shape keys go without them: {names}'
    if frame_step > 1 and keys_only and not clips.can_thin(obj):
        yield f'"{name}" has not just the shape keys that Anthesis gave it, so the frame step was passed over'
        frame_step = 1
    if frame_step > 1 and not keys_only:
        yield f"An {ending} file holds every frame: the frame step is for .glb and .fbx"
    if ending == ".glb" and len(obj.data.vertices) * frames // frame_step > HEAVY:
        yield "This .glb is heavy: take a frame step of 2 or more, or Alembic or USD, which play it as it is"
