"""What is seen of an object: the camera that is sent puts each vertex where the picture has it."""

from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from bpy_extras.object_utils import world_to_camera_view  # noqa: E402
from mathutils import Euler, Matrix, Vector  # noqa: E402

from blender_addon.scene import looking, reading  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402


def seen_at(look, vertices):
    """(V, 2): where in the picture vertices are that were sent, in pixels from its upper left corner, and (V,) w."""
    view, projection = (np.array(matrix).reshape(4, 4) for matrix in (look.camera.view, look.camera.projection))
    clip = np.column_stack([vertices, np.ones(len(vertices))]) @ (projection @ view).T
    height, width = look.picture.shape[:2]
    flat = clip[:, :2] / clip[:, 3:]
    return np.column_stack([(flat[:, 0] + 1) / 2 * width, (1 - flat[:, 1]) / 2 * height]), clip[:, 3]


def crooked():
    """An object with a place, a turn and scales of its own, below another."""
    obj = samples.grid()
    above = bpy.data.objects.new("Above", None)
    bpy.context.scene.collection.objects.link(above)
    above.location, above.rotation_euler = (0.5, 0, 0.2), (0.1, 0.4, 0)
    obj.parent = above
    samples.place(obj, scale=(1, 2, -0.7), rotation=(0.3, 0.1, 0.6), location=(1, 2, 3))
    return obj


# --- The scene's camera


def camera_of(scene, **about):
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(camera)
    for name, value in about.items():
        setattr(data, name, value)
    camera.matrix_world = Matrix.LocRotScale((3, -4, 5), Euler((0.9, 0.1, 0.5)), (2, 2, 2))
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = 96, 64
    bpy.context.view_layer.update()
    return camera


def photo(width=96, height=64):
    made = bpy.data.images.new("Photo", width, height)
    made.pixels.foreach_set(np.tile([1.0, 0.5, 0.25, 1.0], width * height).astype(np.float32))
    return made


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"type": "ORTHO", "ortho_scale": 4.0},
        {"shift_x": 0.2, "shift_y": -0.1, "lens": 35.0},
        {"sensor_fit": "VERTICAL", "sensor_height": 20.0},
    ],
)
def test_the_scenes_camera_puts_each_vertex_where_a_render_has_it(about):
    scene, obj = bpy.context.scene, crooked()
    camera = camera_of(scene, **about)
    scene.render.pixel_aspect_x = 1.5
    look = looking.look(bpy.context, obj, photo())
    vertices, _ = reading.sent_shape(obj)
    there, _ = seen_at(look, vertices)
    world = [obj.matrix_world @ vertex.co for vertex in obj.data.vertices]
    expected = np.array([world_to_camera_view(scene, camera, place) for place in world])
    np.testing.assert_allclose(there, np.column_stack([expected[:, 0] * 96, (1 - expected[:, 1]) * 64]), atol=0.02)
    assert np.ptp(there, axis=0).min() > 5
    assert look.picture.shape == (64, 96, 3) and (look.picture == (255, 128, 64)).all()


def test_a_picture_through_no_camera_or_of_another_shape_is_refused_in_words():
    scene, obj = bpy.context.scene, samples.grid()
    with pytest.raises(looking.NothingToSee, match='The scene has no camera, and "Photo" was taken through one'):
        looking.look(bpy.context, obj, photo())
    camera = camera_of(scene)
    with pytest.raises(
        looking.NothingToSee, match="is 64 x 64 pixels, and the scene renders 96 x 64: set the resolution"
    ):
        looking.look(bpy.context, obj, photo(64, 64))
    looking.look(bpy.context, obj, photo(48, 32))
    camera.data.type = "PANO"
    with pytest.raises(looking.NothingToSee, match='"Camera" is panoramic'):
        looking.look(bpy.context, obj, photo())
    with pytest.raises(reading.Unusable, match="is not a mesh"):
        looking.look(bpy.context, camera, photo())


def test_without_a_view_and_a_picture_it_is_said_what_to_do():
    with pytest.raises(looking.NothingToSee, match="There is no 3D view to look from: choose a Picture"):
        looking.look(bpy.context, samples.grid())


# --- A 3D view


class Drawn:
    """In place of the graphics card: a dot at each vertex of what the scene holds."""

    def __init__(self, fault=None):
        self.fault = fault

    def __call__(self, scene, view, eye, size):
        (self.model,) = scene.objects
        self.scene, self.settings = scene, settings_of(view.space)
        self.vertices = samples.positions(self.model.data)
        self.materials = [slot.material for slot in self.model.material_slots]
        assert self.model.matrix_world == Matrix.Identity(4)
        if self.fault:
            raise self.fault
        clip = np.column_stack([self.vertices, np.ones(len(self.vertices))]) @ np.array(view.projection @ eye).T
        flat = np.floor((clip[:, :2] / clip[:, 3:] * (1, -1) + 1) / 2 * size).astype(int)
        pixels = np.zeros((size[1], size[0], 4), np.uint8)
        for x, y in flat[(clip[:, 3] > 0) & ((flat >= 0) & (flat < size)).all(axis=1)]:
            pixels[y, x] = 255, 128, 0, 255
        return pixels


def settings_of(space):
    names = ((space.overlay, "show_overlays"), (space.shading, "type"), (space.shading, "show_xray"))
    names += ((space.shading, "use_scene_lights"), (space.shading, "use_scene_world"))
    names += ((space, "use_local_collections"), (space.region_3d, "use_clip_planes"))
    return [getattr(owner, name) for owner, name in names]


def view_from(place, towards, fovy=0.7, width=320, height=200, near=0.01):
    space = next(area.spaces.active for area in bpy.context.screen.areas if area.type == "VIEW_3D")
    turn = (Vector(towards) - Vector(place)).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    eye = (Matrix.Translation(place) @ turn).inverted()
    far, slope = 100.0, 1 / np.tan(fovy / 2)
    flat = np.zeros((4, 4))
    flat[0, 0], flat[1, 1], flat[3, 2] = slope * height / width, slope, -1
    flat[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    return looking.View(space, SimpleNamespace(width=width, height=height), eye, Matrix(flat.tolist()))


def from_view(view, obj, monkeypatch, fault=None):
    drawn = Drawn(fault)
    monkeypatch.setattr(looking, "_drawn", drawn)
    return looking.from_view(view, obj), drawn


def dots(look):
    """(V, 2) places of what is not grey."""
    rows, columns = np.nonzero((look.picture != protocol.PICTURE_GREY).any(axis=2))
    return np.column_stack([columns, rows])


@pytest.mark.parametrize(
    ("place", "size"), [((9, -12, 8), (320, 200)), ((-4, 9, 11), (200, 320)), ((30, 9, 0), (64, 64))]
)
def test_a_view_puts_each_vertex_where_its_picture_has_it_and_is_filled_by_the_mesh(monkeypatch, place, size):
    obj = crooked()
    towards = obj.matrix_world.translation + Vector((0.5, 0.5, 0.5))
    view = view_from(place, towards, width=size[0], height=size[1])
    look, drawn = from_view(view, obj, monkeypatch)
    vertices, _ = reading.sent_shape(obj)
    np.testing.assert_array_equal(drawn.vertices, vertices)
    there, _ = seen_at(look, vertices)
    assert {tuple(each) for each in np.floor(there).astype(int)} == {tuple(each) for each in dots(look)}
    assert len(dots(look)) > 20 and tuple(look.picture[tuple(dots(look)[0][::-1])]) == (255, 128, 0)
    filled = np.ptp(there, axis=0) / look.picture.shape[1::-1]
    assert 0.8 < filled.max() < 0.88
    assert abs(look.picture.shape[0] - look.picture.shape[1]) <= 2 and max(look.picture.shape) <= looking.SIDE + 2


def test_what_lies_outside_the_view_is_cut_and_the_rest_stays_in_place(monkeypatch):
    obj = samples.grid()
    samples.place(obj, location=(1, 2, 3))
    view = view_from((1.0, 2.2, 6), (1.0, 2.2, 3), fovy=0.3)
    look, _ = from_view(view, obj, monkeypatch)
    there, _ = seen_at(look, reading.sent_shape(obj)[0])
    inside = ((there >= 0) & (there < look.picture.shape[1::-1])).all(axis=1)
    assert 4 < inside.sum() < 36
    assert {tuple(each) for each in np.floor(there[inside]).astype(int)} == {tuple(each) for each in dots(look)}


def test_from_within_a_mesh_the_whole_view_is_the_picture(monkeypatch):
    obj = samples.grid()
    view = view_from((0.5, 0.45, 0.05), (0.5, 3, 0.0), fovy=1.5)
    look, _ = from_view(view, obj, monkeypatch)
    assert look.picture.shape == (320, 512, 3)
    there, w = seen_at(look, reading.sent_shape(obj)[0])
    inside = (w > 0) & ((there >= 0) & (there < (512, 320))).all(axis=1)
    assert inside.any() and not inside.all()
    assert {tuple(each) for each in np.floor(there[inside]).astype(int)} == {tuple(each) for each in dots(look)}


def test_what_is_behind_the_eye_does_not_say_how_large_the_picture_is(monkeypatch):
    square = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) / 4
    obj = samples.add("Two", np.vstack([square + (0, 5, 0), square - (0, 5, 0)]), [[0, 1, 2, 3], [4, 5, 6, 7]])
    look, _ = from_view(view_from((0, 0, 0), (0, 1, 0)), obj, monkeypatch)
    assert look.picture.shape == (320, 512, 3) and len(dots(look)) == 4


@pytest.mark.parametrize("towards", [(0.5, 0.5, 20), (0.5, 9, 0)])
def test_what_the_view_does_not_show_or_shows_too_small_is_said(monkeypatch, towards):
    obj = samples.grid()
    place = (0.5, 0.5, 8) if towards[2] else (0.5, -60, 0)
    with pytest.raises(looking.NothingToSee, match='shows too little of "Grid": turn it there with View > Frame'):
        from_view(view_from(place, towards, near=0.1), obj, monkeypatch)


def test_the_mesh_is_drawn_as_it_is_sent_with_its_materials_and_nothing_of_the_file_is_touched(monkeypatch):
    obj = samples.grid()
    material, _ = samples.principled("Leaf")
    obj.data.materials.append(None)
    obj.material_slots[0].link, obj.material_slots[0].material = "OBJECT", material
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Sway 0.2 Hz cos").points[3].co.z += 5
    obj.data.shape_keys.key_blocks[1].value = 1.0
    obj.modifiers.new("Wave", "WAVE")
    samples.prism()
    view = view_from((3, -3, 3), (0.5, 0.5, 0))
    view.space.shading.type, view.space.overlay.show_overlays = "RENDERED", True
    view.space.shading.use_scene_lights = view.space.shading.use_scene_world = True
    view.space.region_3d.use_clip_planes = True
    planes = [tuple(plane) for plane in view.space.region_3d.clip_planes]
    before, scene = (samples.blocks(), settings_of(view.space), len(bpy.data.scenes)), bpy.context.scene
    _, drawn = from_view(view, obj, monkeypatch)
    assert drawn.materials == [material] and drawn.settings == [False, "MATERIAL", *[False] * 5]
    np.testing.assert_array_equal(drawn.vertices, reading.rest(obj.data))
    with pytest.raises(MemoryError):
        from_view(view, obj, monkeypatch, MemoryError())
    assert (samples.blocks(), settings_of(view.space), len(bpy.data.scenes)) == before
    assert bpy.context.scene == scene and obj.data.shape_keys.key_blocks[1].value == 1.0
    assert [tuple(plane) for plane in view.space.region_3d.clip_planes] == planes


def colours_of(scene):
    view = scene.view_settings
    return scene.display_settings.display_device, view.view_transform, view.look, round(view.exposure, 3), view.gamma


def test_it_is_drawn_in_the_colours_of_the_scene_be_the_display_another_one(monkeypatch):
    scene, obj = bpy.context.scene, samples.grid()
    scene.display_settings.display_device = "Display P3"
    scene.view_settings.view_transform, scene.view_settings.exposure = "Standard", 0.5
    found = []

    def drawn(scene, view, eye, size):
        found.append(colours_of(scene))
        return np.zeros((size[1], size[0], 4), np.uint8)

    monkeypatch.setattr(looking, "_drawn", drawn)
    looking.from_view(view_from((3, -3, 3), (0.5, 0.5, 0)), obj)
    assert found == [colours_of(scene)] and found[0][0] == "Display P3"


def test_colours_that_this_blender_does_not_know_are_said():
    display = SimpleNamespace(display_device="sRGB")
    view = SimpleNamespace(view_transform="Filmic of Ours", look="None", exposure=0, gamma=1)
    with pytest.raises(looking.NothingToSee, match=r'does not know the display "sRGB" .* "Filmic of Ours" .* choose'):
        looking._take_colours(bpy.context.scene, SimpleNamespace(display_settings=display, view_settings=view))
