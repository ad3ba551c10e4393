"""What goes for all files: the scene stays as it was, what a format cannot hold is said, and what cannot be written."""

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon import export as exporting  # noqa: E402
from blender_addon.export import CannotExport, export  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.files import (  # noqa: E402
    Glb,
    assert_same_surface,
)
from tests.blender.samples import FRAMES  # noqa: E402

# Blender 5.2's own FBX exporter, under NumPy 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")
from tests.blender.exports import FORMATS, in_world, placed_clip, sentences  # noqa: E402


@pytest.mark.parametrize("ending", FORMATS)
def test_the_scene_is_afterwards_as_it_was(tmp_path, ending):
    obj, _ = placed_clip(colour=True)
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    scene.frame_start, scene.frame_end = 3, 77
    scene.frame_set(20)

    def state():
        selected = sorted(each.name for each in view_layer.objects.selected)
        return scene.frame_start, scene.frame_end, scene.frame_current, selected, view_layer.objects.active.name

    before = state(), samples.blocks()
    export(str(tmp_path / f"a.{ending}"), obj)
    assert (state(), samples.blocks()) == before


def test_a_path_beside_the_blend_is_written_beside_the_blend(tmp_path, monkeypatch):
    obj, _ = placed_clip()
    assert refusal("//a.glb", obj) == (
        "//a.glb is beside a .blend that was never saved: save it first, or choose a folder"
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    for ending in FORMATS:
        assert export(f"//a.{ending}", obj).path == str(tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").stat().st_size


@pytest.mark.parametrize("renamed", [1, FRAMES])
def test_keys_that_the_artist_renamed_are_all_written_and_that_is_said(tmp_path, renamed):
    obj, records = placed_clip()
    for key in obj.data.shape_keys.key_blocks[1 : 1 + renamed]:
        key.name = f"Mine {key.name}"
    before = samples.blocks()
    written = export(str(tmp_path / "a.glb"), obj, frame_step=2)
    assert written.lost == (
        '"Prism" has not just the shape keys that Anthesis gave it, so the frame step was passed over',
    )
    assert samples.blocks() == before
    assert_same_surface(Glb(written.path).frames()[1], in_world(obj, records))


@pytest.mark.parametrize("step", ["keys.remove", "keys.silence", "curves.write", "live.forget"])
def test_a_failure_while_keys_are_thinned_leaves_the_file_as_it_was(tmp_path, monkeypatch, step):
    obj, _ = placed_clip(colour=True)
    before = samples.blocks()

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(f"blender_addon.scene.{step}", fails)
    with pytest.raises(MemoryError):
        export(str(tmp_path / "a.glb"), obj, frame_step=2)
    assert samples.blocks() == before


def test_what_a_format_cannot_hold_is_said(tmp_path):
    obj, _ = placed_clip(colour=True)
    obj.modifiers.new("Bevel", "BEVEL")
    for ending in ("glb", "fbx"):
        assert sentences(tmp_path, obj, ending) == (
            f"Colour over life is not in a .{ending} file, only the colour at the start: Alembic and USD keep it",
            'The modifiers of "Prism" are not in the file, because shape keys go without them: Bevel',
        )
    assert sentences(tmp_path, obj, "abc") == (
        "Only colour lives on in an .abc file, and USD keeps the rest too: Roughness",
        "An .abc file holds no materials: give it one that shows its colour attribute",
    )
    assert sentences(tmp_path, obj, "usdc") == (
        "The material over life is in the .usdc file as primvars, to be read where you open it: Albedo, Roughness",
    )
    assert sentences(tmp_path, obj, "abc", frame_step=2)[-1] == (
        "An .abc file holds every frame: the frame step is for .glb and .fbx"
    )


def test_where_nothing_is_lost_nothing_is_said(tmp_path):
    obj, _ = placed_clip()
    for ending in ("glb", "fbx", "usdc"):
        assert sentences(tmp_path, obj, ending) == ()


def test_a_heavy_gltf_is_said_to_be_heavy(tmp_path, monkeypatch):
    monkeypatch.setattr("blender_addon.export.HEAVY", 12 * FRAMES - 1)
    obj, _ = placed_clip()
    assert sentences(tmp_path, obj, "glb") == (
        "This .glb is heavy: take a frame step of 2 or more, or Alembic or USD, which play it as it is",
    )
    assert sentences(tmp_path, obj, "glb", frame_step=2) == ()


def test_of_a_python_exporters_failure_only_the_last_words_are_told(tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError(
            "Error: Python: Traceback (most recent call last):\n  File x\nOSError: disk full\nLocation: y\n"
        )

    monkeypatch.setitem(exporting._WRITERS, ".fbx", fails)
    obj, _ = placed_clip()
    assert refusal(tmp_path / "a.fbx", obj) == f"Blender could not write {tmp_path / 'a.fbx'}: OSError: disk full"


def refusal(path, obj):
    with pytest.raises(CannotExport) as caught:
        export(str(path), obj)
    return str(caught.value)


def test_what_cannot_be_exported_is_refused(tmp_path):
    obj, _ = placed_clip()
    assert refusal(tmp_path / "a.obj", obj) == (
        '"a.obj" has no ending that can be exported: use .glb, .fbx, .abc, .usdc'
    )
    assert refusal(tmp_path / "a.glb", None) == "Nothing to export: select a mesh that Anthesis made or animated"
    assert refusal(tmp_path / "no" / "a.glb", obj) == (
        f"There is no folder {tmp_path / 'no'}: create it or choose another one"
    )
    obj.hide_set(True)
    assert refusal(tmp_path / "a.glb", obj) == '"Prism" is hidden: show it (Alt H) before exporting'
    obj.hide_set(False)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    assert refusal(tmp_path / "a.glb", obj) == "Go back to Object Mode before exporting"


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_cannot_be_written_is_an_error_in_words(tmp_path, ending):
    obj, _ = placed_clip()
    (tmp_path / f"a.{ending}").mkdir()
    assert refusal(tmp_path / f"a.{ending}", obj).startswith("Blender could not write ")


def test_an_old_file_that_was_not_written_over_is_not_taken_for_a_new_one(tmp_path, monkeypatch):
    obj, _ = placed_clip()
    path = tmp_path / "a.abc"
    path.write_bytes(b"old")
    monkeypatch.setitem(exporting._WRITERS, ".abc", lambda *_: None)  # as Alembic does on a full disk
    assert refusal(path, obj) == f"Blender could not write {path}: check that the folder can be written to"
