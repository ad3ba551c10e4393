"""Pictures that come to life: the planes that they become, and what is asked for, offered and said on the way."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon.scene import photos, sway  # noqa: E402
from tests.blender.drawing import drawn  # noqa: E402
from tests.blender.picturing import SENTENCE, UNTRAINED, an_image, records_of  # noqa: E402
from tests.blender.swaying import LOOP, assert_shows, at, bends, edit  # noqa: E402
from tests.blender.test_panel import assert_made_from  # noqa: E402

# --- What it becomes


def a_plane(columns=6, rows=4, width=2.0):
    """A Subject as of Plane: a grid in XZ that faces -Y and stands on z = 0."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, columns), np.linspace(0, 1, rows))
    uv = np.column_stack([x.ravel() + 0.5, z.ravel()]).astype(np.float32)
    vertices = np.column_stack([width * x.ravel(), 0 * x.ravel(), width * z.ravel() * (rows - 1) / (columns - 1)])
    index = np.arange(columns * rows).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1)
    corner = np.arange(len(quads)).reshape(-1, 4)
    arrays = {
        "vertices": vertices.astype(np.float32),
        "corners": quads.astype(np.int32),
        "sizes": np.full(len(quads) // 4, 4, np.int32),
        "triangles": corner[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32),
        "uv": uv[quads],
    }
    return protocol.Subject(loop=True), arrays


def a_plane_of(script, image, **about):
    """The plane's job, whose records have come, its object, and its spectral volume."""
    _, photo = photos.read(image)
    packed, coefficients = records_of(*a_plane(), **{"explained": None, **about})
    job = script.job(protocol.Plane(), packed, title=photo.title)
    script.pump.arrivals.expect(job.id, None, asked=True, photo=photo)
    return job, packed, coefficients


def textures(obj):
    return [node for node in obj.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]


def feeding(obj, socket):
    shader = next(node for node in obj.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    return [(link.from_node.type, link.from_socket.name) for link in shader.inputs[socket].links]


def test_a_picture_is_a_plane_at_the_cursor_that_shows_it_unshaded_and_sways(script):
    bpy.context.scene.cursor.location = (1, 2, 3)
    bpy.context.scene.cursor.rotation_euler = (0.5, 0.6, 0.7)
    bpy.context.scene.view_settings.view_transform = "AgX"
    image = an_image()
    job, _, coefficients = a_plane_of(script, image, said=("A third of it is transparent",))
    script.give(job)
    obj = bpy.context.object
    assert obj.name == "rose" and obj.select_get() and tuple(obj.location) == (1, 2, 3)
    assert tuple(obj.rotation_euler) == (0, 0, 0) and tuple(obj.scale) == (1, 1, 1)
    vertices = a_plane()[1]["vertices"]
    at(9)
    assert_shows(obj, bends(coefficients, vertices, 8 / LOOP))
    assert obj.data.polygons[0].normal.y < 0
    (texture,) = textures(obj)
    assert texture.image == image and list(bpy.data.images) == [image]
    assert feeding(obj, "Emission Color") == [("TEX_IMAGE", "Color")] and not feeding(obj, "Base Color")
    assert not feeding(obj, "Alpha")
    uv = {vertex: tuple(obj.data.uv_layers.active.uv[n].vector) for n, vertex in enumerate(a_plane()[1]["corners"])}
    assert uv[0] == (0, 0) and uv[5] == (1, 0) and uv[23] == (1, 1)
    assert script.pump.arrivals.notes[job.id] == [
        'Imported as "rose"',
        "A third of it is transparent",
        "The picture is unshaded, and the view transform of the scene, AgX, still applies to its colours",
        "The scene now plays one loop, frames 1 to 60",
    ]
    assert sway.has_modes(obj) and not sway.in_wind(obj)


def test_a_picture_that_would_be_torn_comes_with_its_amplitude_where_it_is_not(script):
    job, _, coefficients = a_plane_of(script, an_image(), advised=0.4)
    script.give(job)
    obj = bpy.context.object
    assert obj["Amplitude"] == pytest.approx(0.4)
    words = "Amplitude is set to 0.4 for that: raise it to see all of the motion"
    assert words in script.pump.arrivals.notes[job.id]
    vertices = a_plane()[1]["vertices"]
    at(9)
    assert_shows(obj, bends(0.4 * coefficients, vertices, 8 / LOOP))
    edit(obj, Amplitude=1.0)
    assert_shows(obj, bends(coefficients, vertices, 8 / LOOP))  # and nothing of it is lost


def test_a_view_transform_that_leaves_colours_as_they_are_needs_no_words(script):
    bpy.context.scene.view_settings.view_transform = "Standard"
    job, _, _ = a_plane_of(script, an_image())
    script.give(job)
    assert not any("unshaded" in note for note in script.pump.arrivals.notes[job.id])


def test_how_much_of_the_motion_is_taken_up_is_told_where_the_backend_tells_it(script):
    for explained, told in ((0.4, True), (None, False)):  # whatever shows the picture
        job, _, _ = a_plane_of(script, an_image(), explained=explained)
        script.give(job)
        assert any("take up 40%" in note for note in script.pump.arrivals.notes[job.id]) == told


def test_what_is_transparent_in_the_picture_is_so_on_the_plane(script):
    job, _, _ = a_plane_of(script, an_image(opacity=0.5))
    script.give(job)
    assert feeding(bpy.context.object, "Alpha") == [("TEX_IMAGE", "Alpha")]
    assert bpy.context.object.active_material.surface_render_method == "BLENDED"


def test_an_image_that_was_renamed_is_found_and_one_that_is_gone_is_missed_in_words(script):
    image = an_image()
    job, packed, _ = a_plane_of(script, image)
    image.name = "another"
    an_image("rose.png")
    script.give(job)
    assert textures(bpy.data.objects["rose"])[0].image == image
    script.given[job.id] = 0
    bpy.data.images.remove(image)
    bpy.data.images.remove(bpy.data.images["rose.png"])
    script.pump.arrivals.again(job.id)
    script.give(job)
    assert textures(bpy.data.objects["rose.001"])[0].image is None
    gone = 'The picture "rose.png" is no longer in this file: choose one in the material of "rose.001"'
    assert gone in script.pump.arrivals.notes[job.id]
    earlier = script.job(protocol.Plane(), packed, title="rose")  # of an earlier Blender
    script.give(earlier)
    words = 'Its picture is not known: choose one in the material of "rose.002"'
    assert words in script.pump.arrivals.notes[earlier.id]


# --- What is asked for


def test_a_picture_is_asked_for_with_its_bytes(asked, addon, tmp_path):
    settings = bpy.context.scene.anthesis.picture
    settings.image = an_image(size=(60, 40))
    settings.size, settings.detail, settings.damping, settings.seed, settings.steps = 1.1, 33, 0.1, 7, 20
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = bpy.context.scene.anthesis.picture
    settings.model = "//weights"
    assert bpy.ops.anthesis.bring_to_life() == {"FINISHED"}
    ((request, title, (record, arrays)),) = asked
    wanted = protocol.Plane(size=1.1, detail=33, damping=0.1, seed=7, steps=20, model=str(tmp_path / "weights"))
    assert request == wanted and title == "rose" and isinstance(record, protocol.PictureRecord)
    np.testing.assert_array_equal(arrays["pixels"], photos.read(settings.image)[0])
    (arrival,) = addon.running().arrivals.open.values()
    assert arrival.target is None and arrival.photo.uid == settings.image.session_uid


def test_a_folder_on_another_computer_stays_as_it_was_typed(addon, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settings, entry = bpy.context.scene.anthesis.picture, bpy.context.preferences.addons["blender_addon"].preferences
    settings.model = "//weights"
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    assert settings.to_request().model == "//weights"
    entry.place = "LOCAL"
    assert settings.to_request().model == str(tmp_path / "weights")


def test_a_picture_that_cannot_be_sent_is_answered_with_its_sentence_and_no_job(asked):
    with pytest.raises(RuntimeError, match="Open a picture first"):
        bpy.ops.anthesis.bring_to_life()
    image = an_image()
    image.source = "MOVIE"
    bpy.context.scene.anthesis.picture.image = image
    with pytest.raises(RuntimeError, match=r'"rose\.png" is a film'):
        bpy.ops.anthesis.bring_to_life()
    assert not asked


def test_a_backend_that_lacks_what_it_takes_says_so_and_the_button_is_grey(asked, addon, said):
    settings, button = bpy.context.scene.anthesis.picture, bpy.ops.anthesis.bring_to_life
    settings.image = an_image()
    for lacking in ("", f"{SENTENCE}."):
        said(lacking=lacking)
        assert addon.running().lacking == lacking.rstrip(".")
        assert button.poll() != bool(lacking)
    with pytest.raises(RuntimeError, match=SENTENCE):
        button()
    said(lacking=f"{SENTENCE}.", no_model=f"{UNTRAINED}.")
    settings.model = "/weights"  # which helps nobody who lacks libraries
    assert not button.poll()
    said("off", lacking=f"{SENTENCE}.", no_model=f"{UNTRAINED}.")  # another one may be started
    assert addon.running().lacking == addon.running().lacking_for("") == ""
    assert button.poll() and not asked


def test_where_no_model_comes_with_the_backend_one_that_is_named_is_asked(asked, said):
    settings, button = bpy.context.scene.anthesis, bpy.ops.anthesis.bring_to_life
    settings.picture.image = an_image()
    said(no_model=f"{UNTRAINED}.")
    settings.seen.model = "/weights"  # of the other button
    assert not button.poll()
    with pytest.raises(RuntimeError, match=UNTRAINED):
        button()
    settings.picture.model = "/weights"
    assert button.poll() and button() == {"FINISHED"} and asked[0][0].model == "/weights"


def test_the_settings_are_those_of_the_request(addon):
    settings = bpy.context.scene.anthesis.picture
    assert_made_from(settings, protocol.Plane)
    assert settings.to_request() == protocol.Plane()
    assert settings.bl_rna.properties["model"].subtype == "DIR_PATH"


# --- The panel


def test_the_panel_shows_what_there_is_and_what_is_lacking(addon, said):
    from blender_addon.panels import picture

    addon.running().packages.has_learned = True
    shown = drawn(picture.ANTHESIS_PT_picture)
    assert shown.named("template_ID") == ["image"] and shown.named("prop") == ["size", "detail"]
    assert shown.named("operator") == ["anthesis.bring_to_life"] and shown.text == ""
    said(lacking=f"{SENTENCE}.")
    assert SENTENCE in drawn(picture.ANTHESIS_PT_picture).text
    said(no_model=f"{UNTRAINED}.")
    assert UNTRAINED in drawn(picture.ANTHESIS_PT_picture).text
    bpy.context.scene.anthesis.picture.model = "/weights"
    assert UNTRAINED not in drawn(picture.ANTHESIS_PT_picture).text
    settings = drawn(picture.ANTHESIS_PT_picture_settings).named("prop")
    assert settings == ["damping", "steps", "model", "seed"]


def test_the_picture_panel_offers_the_learned_engine_and_says_each_thing_once(addon, monkeypatch, said):
    from blender_addon.panels import picture

    packages, entry = addon.running().packages, bpy.context.preferences.addons["blender_addon"].preferences
    monkeypatch.setattr("sys.platform", "linux")

    def shown():
        found = drawn(picture.ANTHESIS_PT_picture)
        return found.text, "anthesis.install_learned" in found.named("operator")

    assert shown() == ("", False)  # a Python of one's own may well have it
    entry.python = ""
    does = "The learned engine brings pictures to life, and makes meshes from words"
    offer = f"{does}. To fetch: about 0.5 GB, or 3 GB for an NVIDIA GPU"
    said("off")
    assert shown() == (offer, True)
    said()
    assert shown() == ("", False)
    said(lacking=f"{SENTENCE}.", no_model=UNTRAINED)
    assert shown() == (offer, True)
    packages.has_learned = True  # the backend is to be restarted
    assert shown() == (SENTENCE, False)
    packages.has_learned = False
    packages.installation = SimpleNamespace(state="running", cancel=lambda: None)
    assert shown() == (SENTENCE, False)
    packages.installation = None
    monkeypatch.setattr(packages, "settings", replace(packages.settings, remote=True))
    assert shown() == ("The backend is on another computer: install the learned engine there", False)
    said("off", lacking=f"{SENTENCE}.", no_model=UNTRAINED)
    assert shown() == ("", False)
