"""Views of what words say: the image that they become, and what is asked for, offered and said on the way."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon.scene import png, sheet  # noqa: E402
from tests.blender import wording  # noqa: E402
from tests.blender.drawing import drawn  # noqa: E402
from tests.blender.picturing import SENTENCE  # noqa: E402
from tests.blender.test_panel import assert_made_from  # noqa: E402
from tests.blender.wording import MESH, VIEWS, pixels_of, preview_of, views_of  # noqa: E402

UNTRAINED = "No trained model of views comes with this version: train one"


def viewed(script, *steps, request=VIEWS, given=None, **about):
    """The job of these views, of which `given` records have come."""
    records = [*(views_of(step, **about) for step in steps), (protocol.Certificate(), {})]
    job = script.job(request, wording.packed(records), title="a red mushroom (Views, Seed 3)")
    script.give(job, given)
    return job


def the_image():
    (image,) = bpy.data.images
    return image


# --- What it becomes


@pytest.mark.parametrize(("shape", "seed"), [((5, 7, 3), 0), ((300, 211, 3), 1), ((64, 64), 2), ((1, 1, 3), 3)])
def test_a_png_holds_what_was_put_in(shape, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    parts = list(png.parts(pixels))
    image = png.new_image("Any", b"".join(parts))
    expected = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    np.testing.assert_array_equal(pixels_of(image), expected)
    assert len(parts) > 2 + pixels.nbytes / 150_000  # no step is long


def test_views_are_one_image_side_by_side_that_is_packed(script, tmp_path):
    job = viewed(script, 8, count=3)
    image = the_image()
    views = views_of(8, count=3)[1]["pixels"]
    assert tuple(image.size) == (3 * 256, 256) and image.name == "a red mushroom, Seed 3"
    np.testing.assert_array_equal(pixels_of(image), np.concatenate(list(views), axis=1).repeat(32, 0).repeat(32, 1))
    assert script.pump.arrivals.notes[job.id] == ['Imported as "a red mushroom, Seed 3"']
    before = pixels_of(image), preview_of(image)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    np.testing.assert_array_equal(pixels_of(the_image()), before[0])
    np.testing.assert_array_equal(preview_of(the_image()), before[1])
    assert bpy.context.scene.anthesis.text_to_mesh.image == the_image()


def test_large_views_are_not_enlarged_and_small_ones_are_about_as_large(script):
    viewed(script, 8, size=(300, 300))
    assert tuple(the_image().size) == (1200, 300)
    assert sheet.side_by_side(np.zeros((4, 96, 96, 3), np.uint8)).shape == (192, 768, 3)


def test_the_panel_shows_them_in_rows(script):
    viewed(script, 8, count=3)
    views, shown = views_of(8, count=3)[1]["pixels"], preview_of(the_image())
    large = [view.repeat(16, 0).repeat(16, 1) for view in views]
    for view, (y, x) in zip(large, ((0, 0), (0, 128), (128, 0)), strict=True):
        np.testing.assert_array_equal(shown[y : y + 128, x : x + 128, :3], view)
    assert (shown[..., 3] == 255).sum() == 3 * 128 * 128 and not shown[128:, 128:].any()
    assert sheet.in_rows(np.full((8, 300, 300, 3), 9, np.uint8))[84:86, 84:86, 0].tolist() == [[9, 9], [9, 9]]


def test_a_preview_is_shown_at_once_and_renewed_in_place(script):
    job = viewed(script, 2, 5, 8, given=1)
    image, settings = the_image(), bpy.context.scene.anthesis.text_to_mesh
    assert settings.image == image
    np.testing.assert_array_equal(pixels_of(image)[::32, ::32], np.concatenate(list(views_of(2)[1]["pixels"]), 1))
    settings.image = None  # the artist looks at something else
    script.give(job, 1)
    assert the_image() == image and settings.image is None
    np.testing.assert_array_equal(pixels_of(image)[::32, ::32], np.concatenate(list(views_of(5)[1]["pixels"]), 1))
    script.give(job)
    np.testing.assert_array_equal(pixels_of(image)[::32, ::32], np.concatenate(list(views_of(8)[1]["pixels"]), 1))
    assert job.id not in script.pump.arrivals.open and script.pump.arrivals.objects[job.id] == image.name


def test_views_that_come_twice_are_drawn_once(script, monkeypatch):
    drawn_as = []
    monkeypatch.setattr(png, "parts", lambda pixels, parts=png.parts: drawn_as.append(pixels) or parts(pixels))
    job = viewed(script, 2, 2, 2, 8)
    assert len(drawn_as) == 2 and job.id in script.pump.arrivals.objects


def test_each_seed_has_an_image_and_the_same_one_has_it_again(script):
    for seed, count in ((3, 1), (4, 2), (3, 2)):
        viewed(script, 8, request=msgspec.structs.replace(VIEWS, seed=seed))
        assert len(bpy.data.images) == count
    assert bpy.context.scene.anthesis.text_to_mesh.image.name.endswith("Seed 3")
    viewed(script, 8, request=msgspec.structs.replace(VIEWS, prompt="a blue mushroom"))
    assert len(bpy.data.images) == 3


def test_an_image_that_is_renamed_is_found_and_one_that_is_deleted_comes_again(script):
    job = viewed(script, 2, 5, 8, given=1)
    the_image().name = "Mine"
    script.give(job, 1)
    assert the_image().name == "Mine"
    bpy.data.images.remove(the_image())
    bpy.data.images.new("a red mushroom, Seed 3", 4, 4)  # the artist's
    script.give(job)
    mine, new = bpy.data.images
    assert (mine.size[0], new.name, new.size[0]) == (4, "a red mushroom, Seed 3.001", 1024)
    assert bpy.context.scene.anthesis.text_to_mesh.image == new


def test_an_undo_that_takes_them_away_is_no_harm(script):
    bpy.ops.ed.undo_push(message="Before")
    job = viewed(script, 2, 8, given=1)
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert not bpy.data.images
    script.give(job)
    np.testing.assert_array_equal(pixels_of(the_image())[::32, ::32], np.concatenate(list(views_of(8)[1]["pixels"]), 1))


def test_views_that_were_cancelled_stay_as_they_were_then(script):
    job = viewed(script, 2, 5, 8, given=2)
    job.state = "cancelled"
    script.pump.tick(1.0)
    said = script.pump.arrivals.notes[job.id]
    assert said == ['Imported as "a red mushroom, Seed 3"', "The views are as they were after step 5 of 8"]


def test_views_without_cameras_are_refused(script):
    record, arrays = views_of(8, count=3)
    broken = [(msgspec.structs.replace(record, azimuths=(0.0, 1.0)), arrays)]
    job = script.job(VIEWS, wording.packed(broken))
    script.give(job)
    assert not bpy.data.images and "3 views from 2 azimuths" in script.pump.arrivals.notes[job.id][0]


def test_words_that_the_model_does_not_know_are_told(script):
    job = viewed(script, 8, passed_over=("glittering",))
    assert 'change nothing: "glittering"' in script.pump.arrivals.notes[job.id][1]


# --- What is asked for


@pytest.fixture
def wanted(asked, script, monkeypatch):
    """What is asked for without a subject."""
    found = []

    def submit(request, title, subject=None, fetch=True, **_):
        found.append((request, title))
        return f"{len(found):032x}"

    monkeypatch.setattr(script.session, "submit", submit)
    return found


def settle(**values):
    settings = bpy.context.scene.anthesis
    settings.text_to_mesh.prompt, settings.text_to_mesh.seed = "a red  mushroom", 3
    for name, value in values.items():
        setattr(settings.text_to_mesh, name, value)
    return settings


def test_views_are_asked_for_as_they_are_set(wanted):
    settings = settle(negative="blurry", model="mvdream", steps=99)  # of the mesh
    settings.views.count, settings.views.steps, settings.views.scale = 6, 20, 5.0
    assert bpy.ops.anthesis.make_views() == {"FINISHED"}
    request = protocol.Views(
        prompt="a red  mushroom", seed=3, negative="blurry", model="mvdream", count=6, steps=20, scale=5.0,
        elevation=0.261799,
    )  # fmt: skip
    assert wanted == [(request, "a red mushroom (Views, Seed 3)")]


def test_the_next_seed_is_one_press_and_the_last_one_is_followed_by_the_first(wanted):
    settings = settle()
    for seed in (4, 5):
        bpy.ops.anthesis.make_views(another=True)
        assert wanted[-1][0].seed == settings.text_to_mesh.seed == seed
    settings.text_to_mesh.seed = 2**31 - 1
    bpy.ops.anthesis.make_views(another=True)
    assert wanted[-1][0].seed == 0


def test_a_prompt_that_cannot_be_used_is_answered_with_words_and_no_job(wanted):
    for prompt, words in (("  ", "The prompt is empty"), ("ü" * 5000, "shorten it")):
        for button in (bpy.ops.anthesis.make_views, bpy.ops.anthesis.make_mesh):
            settle(prompt=prompt)
            with pytest.raises(RuntimeError, match=words):
                button()
    settle(prompt="")
    with pytest.raises(RuntimeError, match="The prompt is empty"):
        bpy.ops.anthesis.make_views(another=True)
    assert not wanted and bpy.context.scene.anthesis.text_to_mesh.seed == 3


def test_the_settings_are_those_of_the_requests(addon):
    settings = bpy.context.scene.anthesis
    assert_made_from(settings.text_to_mesh, protocol.TextToMesh, {"stages", "as_it_is", "prompt"})
    assert_made_from(settings.views, protocol.Views, {"prompt", "negative", "model", "seed"})
    settings.text_to_mesh.prompt = "a cup"
    assert settings.text_to_mesh.to_request(settings.animate) == protocol.TextToMesh(prompt="a cup")


def test_a_backend_that_lacks_what_it_takes_says_so_and_the_buttons_are_grey(wanted, said):
    settings = settle()
    buttons = bpy.ops.anthesis.make_views, bpy.ops.anthesis.make_mesh
    for lacking, enough in (({}, True), ({"lacking": SENTENCE}, False), ({"no_views": UNTRAINED}, False)):
        said(**lacking)
        assert [button.poll() for button in buttons] == [enough] * 2
    with pytest.raises(RuntimeError, match=UNTRAINED):
        buttons[0]()
    said(no_model=UNTRAINED)  # of motion
    assert buttons[0].poll()
    said(no_views=UNTRAINED)
    settings.text_to_mesh.model = "mvdream"
    assert buttons[0].poll() and buttons[1]() == {"FINISHED"}


# --- The panel


def test_the_panel_shows_what_there_is_and_what_is_lacking(script, said):
    from blender_addon.panels import text_to_mesh as panels

    script.pump.packages.has_learned = True
    shown = drawn(panels.ANTHESIS_PT_text_to_mesh)
    assert shown.named("prop") == ["prompt", "seed"] and shown.text == ""
    assert shown.named("operator") == ["anthesis.make_views", "anthesis.make_views", "anthesis.make_mesh"]
    said(no_views=f"{UNTRAINED}.")
    assert UNTRAINED in drawn(panels.ANTHESIS_PT_text_to_mesh).text
    bpy.context.scene.anthesis.text_to_mesh.model = "mvdream"
    assert UNTRAINED not in drawn(panels.ANTHESIS_PT_text_to_mesh).text
    assert drawn(panels.ANTHESIS_PT_text_to_mesh_views).named("prop") == ["count", "elevation", "steps", "scale"]
    fields = {*protocol.TextToMesh.__struct_fields__} - {"stages", "as_it_is", "prompt", "seed"}
    rest = panels.ANTHESIS_PT_text_to_mesh_settings, panels.ANTHESIS_PT_text_to_mesh_life
    assert {name for panel in rest for name in drawn(panel).named("prop")} == fields | {"animate"}


@pytest.mark.parametrize("other", [{}, {"count": 6}, {"elevation": 0.5}, {"steps": 9}, {"scale": 7.0}])
def test_views_that_a_mesh_would_not_begin_with_are_told_apart(script, other):
    from blender_addon.panels import text_to_mesh as panels

    settings = bpy.context.scene.anthesis
    settings.text_to_mesh.prompt, settings.text_to_mesh.seed = "a red mushroom", 3
    for name, value in other.items():
        setattr(settings.views, name, value)
    viewed(script, 8, request=settings.text_to_mesh.to_views(settings.views))  # whose floats are single
    assert (panels.OTHERWISE in drawn(panels.ANTHESIS_PT_text_to_mesh).text) == bool(other)
    settings.text_to_mesh.views = False
    assert panels.OTHERWISE not in drawn(panels.ANTHESIS_PT_text_to_mesh).text
    settings.text_to_mesh.views = True
    mesh = msgspec.structs.replace(MESH, steps=9)  # which is shown in the same image
    script.give(script.job(mesh, wording.packed([views_of(6, preview=True)])))
    assert panels.OTHERWISE not in drawn(panels.ANTHESIS_PT_text_to_mesh).text


def test_views_of_something_else_can_be_taken_up(script):
    from blender_addon.panels import text_to_mesh as panels

    viewed(script, 8)
    shown = drawn(panels.ANTHESIS_PT_text_to_mesh)
    assert shown.named("template_ID") == ["image"] and "anthesis.use_views" in shown.named("operator")
    assert any(name == "template_icon" for name, _, _ in shown.drawn)
    settings = bpy.context.scene.anthesis.text_to_mesh
    settings.model = "mvdream"
    assert bpy.ops.anthesis.use_views() == {"FINISHED"}
    assert (settings.prompt, settings.seed, settings.model) == (VIEWS.prompt, 3, "")
    assert "anthesis.use_views" not in drawn(panels.ANTHESIS_PT_text_to_mesh).named("operator")
    settings.prompt = "a red cup"
    shown = drawn(panels.ANTHESIS_PT_text_to_mesh).drawn
    buttons = {words[0]: more.get("text") for name, words, more in shown if name == "operator"}
    assert buttons["anthesis.use_views"] == "Use Their Prompt and Model"
    settings.image = None
    with pytest.raises(RuntimeError, match="press Make Views first"):
        bpy.ops.anthesis.use_views()
    assert MESH.seed == settings.seed


def test_a_mesh_of_views_that_are_chosen_has_their_seed(script):
    from blender_addon.panels import text_to_mesh as panels

    settings = bpy.context.scene.anthesis.text_to_mesh
    settings.prompt = "a red mushroom"
    viewed(script, 8)
    first = settings.image
    settings.seed = 4
    viewed(script, 8, request=msgspec.structs.replace(VIEWS, seed=4))
    assert settings.image != first and settings.seed == 4
    settings.image = first
    assert settings.seed == 3 and settings.prompt == "a red mushroom"
    settings.seed = 7
    viewed(script, 8, request=msgspec.structs.replace(VIEWS, seed=5))  # asked for before
    assert settings.seed == 7
    settings.image = bpy.data.images.new("Mine", 4, 4)  # a script may: the menu does not offer it
    drawn(panels.ANTHESIS_PT_text_to_mesh)
    assert settings.seed == 7


def test_views_that_are_not_shown_are_saved_too(script, tmp_path):
    for seed in (3, 4):
        viewed(script, 8, request=msgspec.structs.replace(VIEWS, seed=seed))
    for _ in range(2):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert [image.name for image in bpy.data.images] == ["a red mushroom, Seed 3", "a red mushroom, Seed 4"]
