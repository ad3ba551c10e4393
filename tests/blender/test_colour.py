"""Colour and matter over life: of each frame on the evaluated mesh, beside what the artist had."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import colour, material, strip  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.plays import (  # noqa: E402
    assert_coloured,
    assert_plays,
    base_colour_source,
    mirrored_monkey,
    plain_grid,
    turned_prism,
    values,
)
from tests.blender.samples import clip, frames_of, imported, subject_of  # noqa: E402


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
