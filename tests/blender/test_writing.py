"""What enters Blender: every frame as it was sent, and nothing of the artist's touched."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import colour, curves, keys, material, provenance, reading, strip, writing  # noqa: E402
from blender_addon.scene.bouquet import Site  # noqa: E402
from blender_addon.scene.taken import BadResult  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.samples import clip, frames_of, imported, subject_of  # noqa: E402


def assert_plays(obj, records, first=1, atol=1e-5):
    for number, arrays in enumerate(frames_of(records)):
        bpy.context.scene.frame_set(first + number)
        np.testing.assert_allclose(samples.shown(obj), arrays["positions"], atol=atol)


def weights(obj, frame):
    """Values of our shape keys at a scene frame."""
    bpy.context.scene.frame_set(int(frame // 1), subframe=frame % 1)
    return np.array([obj.data.shape_keys.key_blocks[name].value for name in keys.ours(obj)])


def playing(obj):
    """Names of the keys that drivers play, and of the properties on the object whose curves they follow."""
    data = obj.data.shape_keys.animation_data
    driven = [keys.VALUE.fullmatch(driver.data_path)[1] for driver in data.drivers] if data else []
    return driven, [curve.data_path for curve in curves.there(obj)]


def key_names(obj):
    return [key.name for key in obj.data.shape_keys.key_blocks]


# --- Every frame, on everything


def plain_grid():
    return samples.grid()


def turned_prism():
    obj = samples.prism()
    samples.place(obj, scale=(2, 0.5, 3), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    return obj


def mirrored_monkey():
    obj = samples.monkey()
    samples.place(obj, scale=(-1.5, 1, 0.7), rotation=(0.2, 0.1, -2))
    return obj


def child_of_a_scaled_parent():
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    samples.place(parent, scale=(1, 3, 1), rotation=(0, 0, 0.5))
    obj = samples.prism()
    obj.parent = parent
    samples.place(obj, rotation=(0.5, 0, 0), location=(1, 1, 1))
    return obj


def smiling_grid():
    obj = samples.grid()
    obj.shape_key_add(name="Basis")
    smile = obj.shape_key_add(name="Smile")
    smile.points[3].co.z += 1
    smile.value = 0  # since Blender 5.0 a new key is on
    return obj


def odd_mesh():
    vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, 0), (9, 9, 9)]
    return samples.add("Odd", vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4], [5, 2, 3]])


SUBJECTS = [plain_grid, turned_prism, mirrored_monkey, child_of_a_scaled_parent, smiling_grid, odd_mesh]


@pytest.mark.parametrize("make", SUBJECTS)
def test_an_animated_mesh_shows_every_frame_as_it_was_sent(make):
    obj = make()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    result, same = imported(records, target)
    assert same == obj and result.object_name == obj.name
    assert_plays(obj, records)


@pytest.mark.parametrize("make", SUBJECTS)
def test_a_generated_mesh_shows_every_frame_as_it_was_sent(make):
    record, arrays, _ = subject_of(make())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    records = clip(record, arrays)
    _, obj = imported(records)
    assert_plays(obj, records)


def test_one_frame_is_a_clip_too():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, frames=1)
    imported(records, target)
    bpy.context.scene.frame_set(40)
    np.testing.assert_allclose(samples.shown(obj), records[1][1]["positions"], atol=1e-5)


def test_without_frames_the_generated_mesh_stands_still():
    record, arrays, _ = subject_of(samples.prism())
    _, obj = imported(clip(record, arrays, frames=1)[:1])
    assert obj.data.shape_keys is None
    assert provenance.read(obj)["frames"] == 0


def test_missing_frames_are_blended_over():
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    del records[3:5]  # frames 3 and 4
    _, obj = imported(records, target)
    frames = frames_of(records)
    bpy.context.scene.frame_set(3)
    between = (2 * frames[1]["positions"].astype(float) + frames[2]["positions"]) / 3
    np.testing.assert_allclose(samples.shown(obj), between, atol=1e-5)
    bpy.context.scene.frame_set(5)
    np.testing.assert_allclose(samples.shown(obj), frames[2]["positions"], atol=1e-5)
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == frames[2]["albedo"][samples.corner_vertices(seen)]).all()


# --- Between the frames, and beyond them


def test_halfway_between_two_frames_each_has_half_the_weight():
    record, arrays, target = subject_of(samples.grid())
    _, obj = imported(clip(record, arrays), target)
    for k in range(1, samples.FRAMES):
        expected = np.zeros(samples.FRAMES)
        expected[[k - 1, k]] = 0.5
        np.testing.assert_allclose(weights(obj, k + 0.5), expected, atol=1e-6)
        np.testing.assert_allclose(weights(obj, k + 0.5), (weights(obj, k) + weights(obj, k + 1)) / 2, atol=1e-6)


@pytest.mark.parametrize(("frame", "key"), [(-20, 0), (0, 0), (0.5, 0), (7.5, -1), (8, -1), (300, -1)])
def test_before_and_after_the_clip_its_ends_hold(frame, key):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    _, obj = imported(records, target)
    bpy.context.scene.frame_set(int(np.floor(frame)), subframe=frame % 1)
    np.testing.assert_allclose(samples.shown(obj), frames_of(records)[key]["positions"], atol=1e-5)


def test_after_the_import_the_viewport_already_shows_the_current_frame():
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    bpy.context.scene.frame_set(3)
    _, obj = imported(records, target)
    bpy.context.view_layer.update()
    values = [key.value for key in obj.data.shape_keys.key_blocks[1:]]
    np.testing.assert_allclose(values, [0, 0, 1, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(samples.shown(obj), frames_of(records)[2]["positions"], atol=1e-5)


def test_while_frames_come_in_the_newest_is_shown():
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    for whose in (target, None):
        running = writing.Import("a test", {}, whose)
        for number, (record, arrays) in enumerate(records[:-1]):
            running.apply(record, arrays)
            running.show()
            if number >= 2:
                obj = bpy.data.objects[running.object_name]
                np.testing.assert_allclose(samples.shown(obj), arrays["positions"], atol=1e-5)
    assert (samples.colours(obj.data) == arrays["albedo"][samples.corner_vertices(obj.data)]).all()


def test_the_clip_starts_where_the_scene_starts():
    bpy.context.scene.frame_start = 101
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    _, obj = imported(records, target)
    assert_plays(obj, records, first=101)
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == records[-2][1]["albedo"][samples.corner_vertices(seen)]).all()


# --- Colour over life


def assert_coloured(obj, records, every=1):
    frames = frames_of(records)
    for number in range(len(frames)):
        bpy.context.scene.frame_set(1 + number)
        seen = samples.evaluated(obj).data
        arrays = frames[number - number % every]
        assert (samples.colours(seen) == arrays["albedo"][samples.corner_vertices(seen)]).all()
        roughness = np.empty(len(seen.vertices), np.float32)
        seen.attributes["Roughness"].data.foreach_get("value", roughness)
        np.testing.assert_allclose(roughness * 255, arrays["roughness"], atol=1e-3)


@pytest.mark.parametrize("animate", [True, False])
@pytest.mark.parametrize("make", [plain_grid, turned_prism, mirrored_monkey])
def test_the_evaluated_mesh_has_the_albedo_and_roughness_of_each_frame(make, animate):
    record, arrays, target = subject_of(make())
    records = clip(record, arrays, colour=True)
    _, obj = imported(records, target if animate else None)
    assert_coloured(obj, records)


@pytest.mark.parametrize(("row", "texels"), [(4096, 80), (7, 80), (7, 36), (36, 1)])
def test_colours_survive_many_rows_and_many_images(monkeypatch, row, texels):
    monkeypatch.setattr(strip, "ROW", row)
    monkeypatch.setattr(strip, "IMAGE_TEXELS", texels)
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    _, obj = imported(records, target)
    assert len(bpy.data.images) > 1
    assert_coloured(obj, records)


def test_more_colours_than_memory_should_hold_are_kept_every_nth_frame(monkeypatch):
    monkeypatch.setattr(strip, "TEXELS", 36 * 3)
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    result, obj = imported(records, target)
    assert "Colours are kept every 3 frames: all of them would be too large" in result.notes
    assert_coloured(obj, records, every=3)


def test_colours_are_in_the_saved_file(tmp_path):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, colour=True)
    _, obj = imported(records, target)
    name = obj.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert_plays(bpy.data.objects[name], records)
    assert_coloured(bpy.data.objects[name], records)


def test_frames_before_the_first_colour_have_the_subjects():
    obj = samples.grid()
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    for _, arrays in records[1:4]:
        del arrays["albedo"], arrays["roughness"]
    imported(records, target)
    bpy.context.scene.frame_set(3)
    assert (samples.colours(samples.evaluated(obj).data) == (255, 0, 0)).all()
    bpy.context.scene.frame_set(4)
    seen = samples.evaluated(obj).data
    assert (samples.colours(seen) == records[4][1]["albedo"][samples.corner_vertices(seen)]).all()


def test_a_subdivision_above_keeps_the_colours_in_their_places():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    modifier = obj.modifiers.new("Subdivision", "SUBSURF")
    modifier.subdivision_type = "SIMPLE"
    imported(records, target)
    assert [modifier.name for modifier in obj.modifiers] == [colour.MODIFIER, "Subdivision"]
    bpy.context.scene.frame_set(3)
    seen = samples.evaluated(obj).data
    shown = dict(zip(samples.corner_vertices(seen).tolist(), samples.colours(seen).tolist(), strict=True))
    assert [shown[vertex] for vertex in range(36)] == records[3][1]["albedo"].tolist()


def test_the_start_of_life_stays_in_the_mesh_for_formats_without_time():
    obj = samples.grid()
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, target = subject_of(obj)
    _, obj = imported(clip(record, arrays, colour=True), target)
    assert (samples.colours(obj.data) == (255, 0, 0)).all()


def base_colour_source(material):
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    links = shader.inputs["Base Color"].links
    return links[0].from_node.layer_name if links and links[0].from_node.type == "VERTEX_COLOR" else None


def test_the_artists_materials_are_copied_never_changed():
    obj, other = samples.grid(), samples.prism()
    red, _ = samples.principled("Red", (1, 0, 0, 1))
    for each in (obj, other):
        each.data.materials.append(red)
    obj.data.materials.append(None)
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    imported(records, target)
    assert base_colour_source(red) is None and other.data.materials[0] == red
    assert [base_colour_source(slot.material) for slot in obj.material_slots] == ["Albedo", "Albedo"]
    assert obj.material_slots[0].material.name == "Red (Life)"
    imported(records, target)
    assert sorted(material.name for material in bpy.data.materials) == ["Grid", "Red", "Red (Life)"]


def textured_grid():
    """A grid under a texture of its own for every corner, none of it black."""
    obj = samples.grid()
    image = bpy.data.images.new("Texture", 8, 8)
    texels = np.random.default_rng(2).integers(60, 256, (64, 4)) / 255
    image.pixels.foreach_set(texels.astype(np.float32).ravel())
    material, shader = samples.principled("Painted")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    obj.data.materials.append(material)
    return obj, material


def test_a_texture_keeps_its_detail_and_is_multiplied_by_the_change():
    obj, painted = textured_grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    for _ in range(2):
        imported(records, target)
        copy = obj.material_slots[0].material
        mix = copy.node_tree.nodes["Principled BSDF"].inputs["Base Color"].links[0].from_node
        assert mix.blend_type == "MULTIPLY" and mix.inputs["Color1"].links[0].from_node.type == "TEX_IMAGE"
        assert mix.inputs["Color2"].links[0].from_node.attribute_name == material.CHANGE
        assert len(painted.node_tree.nodes) == 3
    assert_coloured(obj, records)
    change = np.empty((36, 4), np.float32)
    for number, frame in enumerate(frames_of(records)):
        bpy.context.scene.frame_set(1 + number)
        samples.evaluated(obj).data.attributes[material.CHANGE].data.foreach_get("color", change.ravel())
        start, now = (protocol.srgb_to_linear(each["albedo"] / 255) for each in (arrays, frame))
        np.testing.assert_allclose(change[:, :3] * start, now, atol=1e-4)
    imported(clip(record, arrays), target)  # without colours the texture is as it was
    samples.evaluated(obj).data.attributes[material.CHANGE].data.foreach_get("color", change.ravel())
    assert (change == 1).all()


def test_a_clip_without_colour_leaves_materials_and_attributes_alone():
    obj = samples.grid()
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1))[0])
    record, arrays, target = subject_of(obj)
    before = [attribute.name for attribute in obj.data.attributes]
    imported(clip(record, arrays), target)
    assert obj.material_slots[0].material.name == "Red"
    assert [attribute.name for attribute in obj.data.attributes] == before
    assert not obj.modifiers and not bpy.data.images


def test_an_attribute_of_the_artists_with_the_same_name_is_not_overwritten():
    obj = samples.grid()
    mine = obj.data.attributes.new("Albedo", "FLOAT", "POINT")
    mine.data.foreach_set("value", np.arange(36, dtype=np.float32))
    paint = obj.data.color_attributes.new("Roughness", "BYTE_COLOR", "CORNER")
    paint.data.foreach_set("color_srgb", np.full(4 * len(paint.data), 0.2, np.float32))
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    for _ in range(2):
        imported(records, target)
        kept = np.empty(36, np.float32)
        obj.data.attributes["Albedo"].data.foreach_get("value", kept)
        assert kept.tolist() == list(range(36))
        assert (samples.colours(obj.data, "Roughness") == 51).all()
        bpy.context.scene.frame_set(4)
        seen = samples.evaluated(obj).data
        assert (samples.colours(seen, "Albedo.001") == records[4][1]["albedo"][samples.corner_vertices(seen)]).all()
    assert base_colour_source(obj.material_slots[0].material) == "Albedo.001"


def test_an_artists_colour_attribute_called_albedo_is_not_overwritten():
    obj = samples.grid()
    paint = obj.data.color_attributes.new("Albedo", "BYTE_COLOR", "CORNER")
    paint.data.foreach_set("color_srgb", np.full(4 * len(paint.data), 0.2, np.float32))
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    assert (samples.colours(obj.data) == 51).all()
    assert base_colour_source(obj.material_slots[0].material) == "Albedo.001"


def test_a_mesh_without_material_begins_its_clip_in_the_grey_that_it_had():
    """As the viewport showed it, and as glTF and FBX will."""
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    assert (arrays["albedo"] == 231).all() and (arrays["roughness"] == 128).all()  # 0.8 linear, and a half
    records = clip(record, arrays, colour=True)
    imported(records, target)
    assert (samples.colours(obj.data) == arrays["albedo"][0]).all()
    bare = {name: array for name, array in arrays.items() if name not in ("albedo", "roughness", "metallic")}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _, obj = imported([(record, bare), *records[1:]])  # of a backend that tells no colour
    assert (samples.colours(obj.data) == arrays["albedo"][0]).all()


def values(mesh, name):
    """(V,) of a float attribute, as bytes."""
    found = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[name].data.foreach_get("value", found)
    return np.rint(found * 255).astype(np.uint8)


def living_matter(records, *names, after=2):
    """Metallic, opacity and emission of their own in each frame from `after` on."""
    random = np.random.default_rng(9)
    for _, arrays in records[1 + after : -1]:
        for name in names:
            arrays[name] = random.integers(0, 255, len(arrays["positions"])).astype(np.uint8)
    return records


@pytest.mark.parametrize("names", [("metallic",), ("opacity",), ("emission",), ("metallic", "opacity", "emission")])
@pytest.mark.parametrize("colour", [False, True])
def test_metallic_opacity_and_emission_of_each_frame_are_on_the_evaluated_mesh(names, colour):
    obj = samples.grid()
    obj.data.materials.append(samples.principled("Steel", metallic=0.4)[0])
    record, arrays, target = subject_of(obj)
    records = living_matter(clip(record, arrays, colour=colour), *names)
    imported(records, target)
    start = {"metallic": 102, "opacity": 255, "emission": 0}
    for number, frame in enumerate(frames_of(records)):
        bpy.context.scene.frame_set(1 + number)
        seen = samples.evaluated(obj).data
        for name in names:
            assert (values(seen, name.title()) == frame.get(name, start[name])).all()
    if colour:
        assert_coloured(obj, records)
    shader = obj.material_slots[0].material.node_tree.nodes["Principled BSDF"]
    assert bool(shader.inputs["Metallic"].links) == ("metallic" in names)
    assert bool(shader.inputs["Alpha"].links) == ("opacity" in names)
    assert bool(shader.inputs["Emission Color"].links) == ("emission" in names)


def test_what_vanishes_lets_light_through_in_eevee_and_its_shadows():
    obj = samples.grid()
    glass, shader = samples.principled("Glass")
    shader.inputs["Alpha"].default_value = 0.25
    glass.use_transparent_shadow = False
    obj.data.materials.append(glass)
    record, arrays, target = subject_of(obj)
    records = living_matter(clip(record, arrays), "opacity")
    for _ in range(2):
        imported(records, target)
        look = obj.material_slots[0].material
        (times,) = (node for node in look.node_tree.nodes if node.label == material.OPACITY)
        assert times.inputs[0].default_value == 0.25
        assert times.inputs[1].links[0].from_node.attribute_name == "Opacity"
        assert look.surface_render_method == "DITHERED" and look.use_transparent_shadow
    assert not glass.use_transparent_shadow


def rendered(obj, frame):
    """(3,) linear light that Cycles sees of the middle of an object from above, in a black world."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 4
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.cycles.use_denoising = False
    scene.world = None
    if scene.camera is None:
        lens = bpy.data.cameras.new("Lens")
        lens.type, lens.ortho_scale = "ORTHO", 0.2
        scene.camera = bpy.data.objects.new("Lens", lens)
        scene.camera.location = (0.4, 0.4, 9.0)
        scene.collection.objects.link(scene.camera)
    scene.render.filepath = f"{bpy.app.tempdir}light.exr"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(4 * 64, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(-1, 4)[:, :3].mean(axis=0)


def glowing(arrays, level):
    """The emission of a flat piece whose frames do not move: none at first, then all of it `level`."""
    return arrays | {
        "positions": arrays["positions"] * 0 + np.float32(GRID),
        "albedo": np.full((36, 3), (188, 99, 0), np.uint8),  # half, an eighth and nothing of the light
        "emission": np.full(36, level, np.uint8),
    }


GRID = np.column_stack([*(at.ravel() / 6 for at in np.meshgrid(range(6), range(6), indexing="ij")), np.zeros(36)])


@pytest.mark.parametrize("own", ["none", "number", "texture"])
def test_what_glows_sends_out_its_albedo_beside_the_artists_own_light(own):
    obj = samples.grid()
    lamp, shader = samples.principled("Lamp")
    if own == "number":
        shader.inputs["Emission Color"].default_value = (0.0, 0.25, 0.5, 1.0)
        shader.inputs["Emission Strength"].default_value = 2.0
    if own == "texture":
        colour, strength = (lamp.node_tree.nodes.new(f"ShaderNode{kind}") for kind in ("RGB", "Value"))
        colour.outputs[0].default_value, strength.outputs[0].default_value = (0.0, 0.25, 0.5, 1.0), 2.0
        lamp.node_tree.links.new(colour.outputs[0], shader.inputs["Emission Color"])
        lamp.node_tree.links.new(strength.outputs[0], shader.inputs["Emission Strength"])
    nodes = len(lamp.node_tree.nodes)
    obj.data.materials.append(lamp)
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    records[1:-1] = [(head, glowing(frame, 255 * (k >= 3))) for k, (head, frame) in enumerate(records[1:-1])]
    cold = np.array([0.0, 0.5, 1.0]) if own != "none" else np.zeros(3)
    for _ in range(2):  # a second clip over the first finds what this one has made
        imported(records, target)
        np.testing.assert_allclose(rendered(obj, 1), cold, atol=2e-3)
        hot = np.array([0.5, 0.125, 0.0]) * (protocol.GLOW + (2.0 if own != "none" else 0.0))
        np.testing.assert_allclose(rendered(obj, 5), hot, rtol=0.02, atol=1e-3)
        obj["Amount"] = 0.0
        obj.update_tag()
        np.testing.assert_allclose(rendered(obj, 5), cold, atol=2e-3)
        obj["Amount"] = 1.0
        look = obj.material_slots[0].material.node_tree.nodes
        assert sum(node.label == material.EMISSION for node in look) == 3
    assert len(lamp.node_tree.nodes) == nodes
    assert [bool(shader.inputs[name].links) for name in ("Base Color", "Emission Color", "Emission Strength")] == [
        False, own == "texture", own == "texture"
    ]  # fmt: skip


# --- The artist's own things


def test_shape_keys_of_the_artist_stay():
    obj = smiling_grid()
    smile = obj.data.shape_keys.key_blocks["Smile"]
    before = np.array([tuple(point.co) for point in smile.points])
    obj.active_shape_key_index = 1
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    imported(records, target)
    assert key_names(obj) == ["Basis", "Smile", *(f"Anthesis {n:03d}" for n in range(1, 8))]
    assert obj.active_shape_key_index == 0
    after = np.array([tuple(point.co) for point in obj.data.shape_keys.key_blocks["Smile"].points])
    np.testing.assert_array_equal(after, before)


def test_curves_of_the_artist_stay_and_a_shared_action_is_not_written_to():
    obj, other = smiling_grid(), samples.prism()
    smile = obj.data.shape_keys.key_blocks["Smile"]
    smile.value = 0.25
    smile.keyframe_insert("value", frame=1)
    smile.value = 0
    obj.keyframe_insert("location", frame=1)
    action = other.animation_data_create().action = obj.animation_data.action
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    mine = obj.animation_data.action
    assert mine != action and other.animation_data.action == action
    driven, paths = playing(obj)
    assert paths == ["location"] * 3 + ['["Life"]'] and len(driven) == samples.FRAMES
    bpy.context.scene.frame_set(1)
    assert smile.value == 0.25
    assert [curve.data_path for curve in curves.there(obj.data.shape_keys)] == ['key_blocks["Smile"].value']


def test_an_action_that_only_a_fake_user_keeps_is_written_to():
    obj = samples.grid()
    obj.keyframe_insert("location", frame=1)
    action = obj.animation_data.action
    action.use_fake_user = True
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    assert obj.animation_data.action == action and len(bpy.data.actions) == 1


def test_a_shared_mesh_becomes_the_objects_own():
    obj = samples.grid()
    twin = bpy.data.objects.new("Twin", obj.data)
    bpy.context.scene.collection.objects.link(twin)
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    result, _ = imported(records, target)
    assert result.notes[0] == '"Grid" shared its mesh with other objects and now has its own'
    assert twin.data != obj.data and twin.data.shape_keys is None
    assert_plays(obj, records)


def test_moving_and_renaming_in_between_is_fine():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    obj.name = "Renamed"
    obj.location = (1, 2, 3)
    result, same = imported(records, target)
    assert same == obj and result.object_name == "Renamed"
    assert_plays(obj, records)


def test_a_result_finds_its_object_in_a_file_that_was_opened_again(tmp_path):
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    samples.grid()  # an object of this session with the id that the target had in the last one
    target = replace(target, uid=bpy.data.objects["Grid"].session_uid)
    _, same = imported(records, target)
    assert same.name == "Prism" and len(bpy.data.objects) == 2
    assert_plays(same, records)


# --- Import again


def test_importing_again_replaces_the_clip_and_nothing_else():
    obj = smiling_grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    before = samples.blocks()
    shorter = clip(record, arrays, frames=4, colour=True, seed=5)
    imported(shorter, target)
    assert key_names(obj) == ["Basis", "Smile", *(f"Anthesis {n:03d}" for n in range(1, 5))]
    assert playing(obj) == (key_names(obj)[2:], ['["Life"]'])
    assert_plays(obj, shorter)
    assert_coloured(obj, shorter)
    after = samples.blocks()
    assert {kind: len(names) for kind, names in after.items()} == {kind: len(names) for kind, names in before.items()}
    longer = clip(record, arrays, frames=9, seed=6)
    imported(longer, target)
    assert_plays(obj, longer)


def test_a_clip_without_colour_takes_the_colours_of_an_earlier_one_away():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays, colour=True), target)
    imported(clip(record, arrays), target)
    assert not obj.modifiers and not bpy.data.images and not bpy.data.node_groups


# --- Changed in between


def untouched(obj):
    return samples.positions(obj.data).tolist(), obj.data.shape_keys, obj.get("anthesis"), len(obj.modifiers)


def test_a_mesh_edited_in_between_is_left_alone_and_the_result_is_a_new_object():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    obj.data.vertices[2].co.z += 0.01
    before = untouched(obj)
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" was edited in between: the result is a new object, "Prism (Melt)"'
    assert new.name == "Prism (Melt)" and untouched(obj) == before
    assert tuple(new.location) == tuple(obj.location)
    assert_plays(new, records)
    assert_coloured(new, records)


@pytest.mark.parametrize("how", ["deleted", "unlinked"])
def test_an_object_deleted_in_between(how):
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    if how == "deleted":
        bpy.data.objects.remove(obj)
    else:
        bpy.context.scene.collection.objects.unlink(obj)
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" was deleted in between: the result is a new object, "Prism (Melt)"'
    assert tuple(new.location) == (7, -5, 3)
    assert_plays(new, records)


def test_an_object_being_edited_when_the_result_comes():
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    result, new = imported(records, target)
    assert result.notes[0] == '"Prism" is being edited: the result is a new object, "Prism (Melt)"'
    assert bpy.context.view_layer.objects.active == obj and obj.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert_plays(new, records)


def test_other_things_that_an_object_can_become():
    obj = samples.prism()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    obj.shape_key_add(name="Basis")
    obj.data.shape_keys.use_relative = False
    result, _ = imported(records, target)
    assert result.notes[0].startswith('"Prism" has absolute shape keys now: the result is a new object')
    bpy.data.objects.remove(obj)
    lamp = bpy.data.objects.new("Prism", bpy.data.lights.new("Prism", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    result, _ = imported(records, target)
    assert result.notes[0].startswith('"Prism" is no longer a mesh of this file: the result is a new object')


def delete(obj):
    mesh = obj.data
    bpy.data.objects.remove(obj)
    bpy.data.meshes.remove(mesh)


def enter_edit_mode(obj):
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")


def take_keys_away(obj):  # as an undo does
    obj.shape_key_clear()


def add_a_vertex(obj):
    obj.shape_key_clear()
    obj.data.vertices.add(1)


def open_another_file(obj):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    samples.prism()


@pytest.mark.parametrize("change", [delete, enter_edit_mode, take_keys_away, add_a_vertex, open_another_file])
@pytest.mark.parametrize("when", ["frames", "finish"])
@pytest.mark.parametrize("animate", [True, False])
def test_whatever_happens_while_frames_come_in_no_frame_is_lost(change, when, animate):
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target if animate else None)
    for number, (record, arrays) in enumerate(records):
        if number == 4 and when == "frames":
            change(bpy.data.objects[running.object_name])
        running.apply(record, arrays)
    for number, _ in enumerate(running.finish()):
        if number == 5 and when == "finish":
            change(bpy.data.objects[running.object_name])
    new = bpy.data.objects[running.object_name]
    assert running.notes[0].startswith('"Prism')
    assert " was changed or deleted while frames came in: the result is a new object, " in running.notes[0]
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    assert_plays(new, records)
    assert_coloured(new, records)


def move_all_in_edit_mode(obj):
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.translate(value=(5, 0, 0))
    bpy.ops.object.mode_set(mode="OBJECT")


def move_a_vertex(obj):
    obj.data.shape_keys.reference_key.points[3].co.x += 0.5


def spoil_the_newest_key(obj):
    obj.data.shape_keys.key_blocks[-1].points[0].co.z += 1


def delete_an_arriving_key(obj):
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["Anthesis 002"])


def leave_the_scene(obj):
    for collection in obj.users_collection:
        collection.objects.unlink(obj)


EDITS = [move_all_in_edit_mode, move_a_vertex, spoil_the_newest_key, delete_an_arriving_key, leave_the_scene]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("when", ["frames", "before the end", "finish"])
@pytest.mark.parametrize("animate", [True, False])
def test_an_edit_between_two_ticks_neither_tears_the_clip_nor_leaves_half_of_it(edit, when, animate):
    record, arrays, target = subject_of(turned_prism())
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target if animate else None)

    def edited():
        obj = bpy.data.objects[running.object_name]
        obj.use_fake_user = True  # unlinked it stays, as behind an undo
        edit(obj)
        basis = obj.data.shape_keys.reference_key.points
        was = np.array([tuple(point.co) for point in basis], np.float32)
        if when != "before the end":
            running.verify()
        return obj.name, was

    for number, (record, arrays) in enumerate(records):
        if number == 4 and when == "frames":
            name, was = edited()
        running.apply(record, arrays)
    if when == "before the end":
        name, was = edited()
    for number, _ in enumerate(running.finish()):
        if number == 11 and when == "finish":  # colours play already, nothing is signed
            name, was = edited()
    note = f'"{name}" was changed or deleted while frames came in: the result is a new object, "{running.object_name}"'
    assert running.notes.count(note) == 1 and running.object_name != name
    old, new = bpy.data.objects[name], bpy.data.objects[running.object_name]
    assert old.data.shape_keys is None and not old.modifiers
    np.testing.assert_array_equal(samples.positions(old.data), was)
    assert_plays(new, records)
    assert_coloured(new, records)
    assert keys.ARRIVING not in new.data.shape_keys


def test_what_is_no_edit_leaves_the_result_on_its_object():
    obj = smiling_grid()
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays, colour=True)
    running = writing.Import("a test", samples.MADE_BY, target)
    for number, each in enumerate(records):
        running.verify()
        running.apply(*each)
        if number == 4:
            enter_edit_mode(obj)
            bpy.ops.object.mode_set(mode="OBJECT")
            obj.active_shape_key_index = 3
            enter_edit_mode(obj)
            bpy.ops.object.mode_set(mode="OBJECT")
            obj.name, obj.location = "Elsewhere", (1, 2, 3)
            obj.data.shape_keys.key_blocks["Smile"].points[0].co.z += 1  # another shape of the artist's
    for _ in running.finish():
        running.verify()
    assert running.object_name == "Elsewhere" and len(bpy.data.objects) == 1
    assert_plays(obj, records)
    move_a_vertex(obj)  # of a result that is finished
    running.verify()
    assert running.object_name == "Elsewhere" and len(bpy.data.objects) == 1


def test_keys_of_the_artist_stay_on_the_object_that_was_edited():
    obj = smiling_grid()
    obj.show_only_shape_key = True
    record, arrays, target = subject_of(obj)
    records = clip(record, arrays)
    running = writing.Import("a test", samples.MADE_BY, target)
    for number, each in enumerate(records):
        running.apply(*each)
        if number == 4:
            move_a_vertex(obj)
            running.verify()
    assert key_names(obj) == ["Basis", "Smile"] and obj.show_only_shape_key
    assert keys.ARRIVING not in obj.data.shape_keys


def test_an_earlier_clip_that_an_undo_brought_back_is_left_alone():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    earlier = clip(record, arrays)
    imported(earlier, target)
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="Earlier")
    running = writing.Import("a test", samples.MADE_BY, target)
    records = clip(record, arrays, seed=8)
    for number, each in enumerate(records):
        running.apply(*each)
        if number == 4:
            bpy.ops.ed.undo_push(message="Something of the artist's")
            bpy.ops.ed.undo()
            running.verify()
    for _ in running.finish():
        pass
    assert running.object_name == "Grid (Melt)"
    assert_plays(bpy.data.objects["Grid"], earlier)
    assert_plays(bpy.data.objects["Grid (Melt)"], records)


def test_a_clip_that_replaces_another_says_so():
    obj = samples.grid()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    for kind, said in (("melt", 0), ("bloom", 1)):  # the first is the same job, imported again
        made_by = samples.MADE_BY | {"process": kind}
        result = samples.import_now("a test", made_by, target, clip(record, arrays))
        assert result.notes.count('It replaces the earlier melt of "Grid"') == said


# --- Refused before anything is written


def spoiled(**changes):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays, frames=4)
    header, frame = records[3]
    records[3] = (changes.get("header", header), frame | changes.get("arrays", {}))
    return records, target


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arrays": {"positions": np.full((36, 3), np.nan, np.float32)}}, "Frame 3 holds NaN or infinity"),
        ({"arrays": {"positions": np.full((36, 3), np.inf, np.float32)}}, "Frame 3 holds NaN or infinity"),
        ({"arrays": {"positions": np.zeros((35, 3), np.float32)}}, "Frame 3 has 35 vertices and its subject 36"),
        ({"header": protocol.FrameRecord(index=1, tau=0.5)}, "Frame 2 came after frame 2"),
    ],
)
def test_a_bad_frame_is_refused_and_the_frames_before_it_are_kept(changes, text):
    records, target = spoiled(**changes)
    running = writing.Import("a test", {}, target)
    for record, arrays in records[:3]:
        running.apply(record, arrays)
    with pytest.raises(BadResult, match=text):
        running.apply(*records[3])
    obj = bpy.data.objects["Grid"]
    assert key_names(obj) == ["Basis", "Anthesis 001", "Anthesis 002"]
    running.abandon()
    assert running.notes[-1] == '"Grid" keeps the 2 frames that came'
    for _ in running.finish():
        pass
    assert_plays(obj, records[:3])


def test_a_frame_without_its_subject_is_refused():
    record, arrays, _ = subject_of(samples.grid())
    running = writing.Import("a test", {}, None)
    with pytest.raises(BadResult, match="Frame 1 came before its subject"):
        running.apply(*clip(record, arrays)[1])


def test_polygons_that_blender_cannot_hold_are_refused():
    record, arrays, _ = subject_of(samples.grid())
    broken = arrays | {"corners": arrays["corners"].copy()}
    broken["corners"][3] = broken["corners"][0]  # its first and last corner
    with pytest.raises(BadResult, match="a polygon that uses a vertex twice"):
        writing.Import("a test", {}, None).apply(record, broken)
    broken["corners"][3] = 99
    with pytest.raises(protocol.BadMessage, match="The polygons do not fit the vertices"):
        writing.Import("a test", {}, None).apply(record, broken)


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("animate", [True, False])
def test_abandoned_early_the_scene_is_as_it_was(frames, animate):
    obj = smiling_grid()
    obj.data.materials.append(samples.principled("Red")[0])
    record, arrays, target = subject_of(obj)
    before = samples.blocks(), untouched(obj)[0], key_names(obj), bpy.context.scene.frame_end
    running = writing.Import("a test", {}, target if animate else None)
    for each in clip(record, arrays, colour=True)[: 1 + frames]:
        running.apply(*each)
    running.abandon()
    assert list(running.finish()) == []
    assert (samples.blocks(), untouched(obj)[0], key_names(obj), bpy.context.scene.frame_end) == before


# --- The scene


def test_an_untouched_scene_plays_just_the_clip():
    record, arrays, target = subject_of(samples.grid())
    result, _ = imported(clip(record, arrays), target)
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, samples.FRAMES)
    assert result.notes == ["The scene now plays frames 1 to 7"]


def test_a_scene_that_was_set_up_keeps_its_range_unless_the_clip_is_longer():
    scene = bpy.context.scene
    record, arrays, target = subject_of(samples.grid())
    scene.frame_end = 100
    result, _ = imported(clip(record, arrays), target)
    assert scene.frame_end == 100 and result.notes == []
    scene.frame_end = 5
    result, _ = imported(clip(record, arrays), target)
    assert scene.frame_end == samples.FRAMES and result.notes == ["The scene now plays frames 1 to 7"]


def test_a_scene_with_other_animation_keeps_the_default_range():
    other = samples.prism()
    other.keyframe_insert("location", frame=1)
    record, arrays, target = subject_of(samples.grid())
    imported(clip(record, arrays), target)
    assert bpy.context.scene.frame_end == 250


def test_another_frame_rate_is_said_and_left():
    bpy.context.scene.render.fps = 60
    record, arrays, target = subject_of(samples.grid())
    result, _ = imported(clip(record, arrays), target)
    assert bpy.context.scene.render.fps == 60
    assert result.notes[-1] == ("Made for 24 frames a second, and the scene plays 60: life passes 2.5 times as fast")


# --- A new object


def test_a_new_object_is_the_subject_where_it_was_asked_for():
    source = turned_prism()
    source.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2, 1.0)[0])
    record, arrays, _ = subject_of(source)
    collection = bpy.data.collections.new("Garden")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Garden"]
    _, obj = imported(clip(record, arrays), site=Site((1, 2, 3)))
    mesh = obj.data
    assert tuple(obj.location) == (1, 2, 3) and list(collection.objects) == [obj]
    assert obj.select_get() and bpy.context.view_layer.objects.active == obj and not source.select_get()
    assert samples.corner_vertices(mesh).tolist() == arrays["corners"].tolist()
    assert [polygon.loop_total for polygon in mesh.polygons] == arrays["sizes"].tolist()
    assert [layer.name for layer in mesh.uv_layers] == ["UVMap"]
    uv = np.empty((len(mesh.loops), 2), np.float32)
    mesh.uv_layers[0].uv.foreach_get("vector", uv.ravel())
    np.testing.assert_array_equal(uv, arrays["uv"])
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert not mesh.validate()  # true where it had to mend something
    assert mesh.color_attributes.active_color.name == "Albedo"
    assert (samples.colours(mesh) == (255, 0, 0)).all()
    shader = obj.material_slots[0].material.node_tree.nodes["Principled BSDF"]
    assert base_colour_source(obj.material_slots[0].material) == "Albedo"
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.2)
    assert shader.inputs["Metallic"].default_value == 1


def test_a_collection_of_another_file_does_not_stop_the_result(tmp_path):
    path, collection = str(tmp_path / "library.blend"), bpy.data.collections.new("Theirs")
    bpy.data.libraries.write(path, {collection})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = ["Theirs"]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    view_layer = bpy.context.view_layer
    view_layer.active_layer_collection = view_layer.layer_collection.children["Theirs"]
    record, arrays, _ = subject_of(samples.grid())
    _, obj = imported(clip(record, arrays))
    assert obj.visible_get() and list(obj.users_collection) == [bpy.context.scene.collection]


def test_roughness_that_changes_reaches_the_material_of_a_new_object():
    source = samples.grid()
    source.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    record, arrays, _ = subject_of(source)
    _, obj = imported(clip(record, arrays, colour=True))
    shader = obj.material_slots[0].material.node_tree.nodes["Principled BSDF"]
    assert shader.inputs["Roughness"].links[0].from_node.attribute_name == "Roughness"


# --- Provenance


def test_an_object_says_what_made_it(tmp_path):
    record, arrays, target = subject_of(samples.grid())
    imported(clip(record, arrays), target)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    facts = provenance.read(bpy.data.objects["Grid"])
    assert facts["made_by"] == samples.MADE_BY
    assert (facts["title"], facts["frames"], facts["first_frame"], facts["last_frame"]) == ("a test", 7, 1, 7)
    assert facts["measured"] == [["Volume drift", 0.5, "%"]]


def test_an_object_says_which_backend_and_which_groups_made_it():
    obj = samples.grid()
    for name in ("Root", "Soft"):
        obj.vertex_groups.new(name=name).add([0, 1], 0.5, "REPLACE")
    record, arrays, target = subject_of(obj, pin_group="Root", weight_group="Soft")
    imported(clip(msgspec.structs.replace(record, version="7.8.9"), arrays), target)
    made_by = provenance.read(obj)["made_by"]
    assert made_by == samples.MADE_BY | {"version": "7.8.9", "pin_group": "Root", "weight_group": "Soft"}
    assert samples.MADE_BY["version"] != "7.8.9"  # what was handed in is left as it is


def test_words_of_the_prompt_that_were_not_understood_are_said():
    record, arrays, _ = subject_of(samples.grid())
    result, _ = imported(clip(msgspec.structs.replace(record, passed_over=("on", "table")), arrays))
    assert result.notes[0] == 'Words of the prompt that were not understood and change nothing: "on", "table"'


STILL = "It hardly moved: raise the amount, subdivide the mesh, or look at its pin and weight groups"


@pytest.mark.parametrize(("kind", "moved", "said"), [("animate", 9e-4, 1), ("animate", 2e-3, 0), ("generate", 0.0, 0)])
def test_a_process_that_moved_next_to_nothing_says_so(kind, moved, said):
    record, arrays, target = subject_of(samples.grid())
    records = clip(record, arrays)
    records[-1] = protocol.Certificate(measured=((protocol.Certificate.DISPLACEMENT, moved, "of the size"),)), {}
    result = samples.import_now("a test", {"kind": kind}, target, records)
    assert result.notes.count(STILL) == said


@pytest.mark.parametrize("value", ["not JSON", "[1]", "{}", 3])
def test_a_property_that_is_not_ours_says_nothing(value):
    obj = samples.grid()
    obj["anthesis"] = value
    assert provenance.read(obj) is None


def test_reading_an_animated_mesh_again_gives_its_rest_shape():
    obj = turned_prism()
    record, arrays, target = subject_of(obj)
    imported(clip(record, arrays), target)
    bpy.context.scene.frame_set(4)
    again, second = reading.read_subject(obj)
    np.testing.assert_array_equal(protocol.unpack(again)[1]["vertices"], arrays["vertices"])
    assert second.notes == () and second.fingerprint == target.fingerprint
