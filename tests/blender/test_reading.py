"""What leaves Blender: the selected mesh as a Subject, or one sentence that says why not."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

import msgspec  # noqa: E402

from blender_addon.scene import reading, sway  # noqa: E402
from blender_addon.scene.reading import Unusable  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402
from tests.blender import lives, samples, swaying  # noqa: E402


def volume(arrays):
    a, b, c = arrays["vertices"].astype(np.float64)[arrays["corners"][arrays["triangles"]]].transpose(1, 0, 2)
    return np.einsum("ij,ij->", a, np.cross(b, c)) / 6


def corner_set(vertices, uv):
    return {(int(vertex), *np.round(at, 5).tolist()) for vertex, at in zip(vertices, uv, strict=True)}


# --- Shape


def test_polygons_stay_what_the_artist_drew():
    _, arrays, _ = samples.subject_of(samples.prism())
    assert arrays["sizes"].tolist() == [6, 6, 4, 4, 4, 4, 4, 4]
    assert arrays["corners"][:6].tolist() == [5, 4, 3, 2, 1, 0]


def test_triangles_cover_polygons_that_are_not_convex():
    _, arrays, _ = samples.subject_of(samples.prism())
    assert volume(arrays) == pytest.approx(samples.PRISM_VOLUME)
    polygon_of = np.repeat(np.arange(8), arrays["sizes"])
    assert (polygon_of[arrays["triangles"]] == polygon_of[arrays["triangles"][:, :1]]).all()


def test_positions_travel_in_world_orientation_and_scale_about_the_origin():
    obj = samples.prism()
    samples.place(obj, scale=(2, 0.5, 3), rotation=(0.3, -1.1, 2.0), location=(7, -5, 3))
    _, arrays, target = samples.subject_of(obj)
    expected = [obj.matrix_world @ vertex.co - obj.matrix_world.translation for vertex in obj.data.vertices]
    np.testing.assert_allclose(arrays["vertices"], np.array(expected), atol=1e-5)
    assert target.location == pytest.approx((7, -5, 3))


@pytest.mark.parametrize("scale", [(-2, 1, 1), (-1, -1, -1), (1, 1, -0.5)])
def test_a_mirroring_scale_does_not_turn_the_surface_inside_out(scale):
    obj = samples.prism()
    samples.place(obj, scale=scale, rotation=(0.4, 0.1, 0))
    _, arrays, _ = samples.subject_of(obj)
    assert volume(arrays) == pytest.approx(samples.PRISM_VOLUME * abs(np.prod(scale)), rel=1e-5)


@pytest.mark.parametrize("scale", [(1, 2, 1), (1, -2, 1)])
def test_every_corner_keeps_its_own_uv(scale):
    obj = samples.prism()
    uv = np.empty((len(obj.data.loops), 2), np.float32)
    obj.data.uv_layers.active.uv.foreach_get("vector", uv.ravel())
    before = corner_set(samples.corner_vertices(obj.data), uv)
    samples.place(obj, scale=scale)
    _, arrays, _ = samples.subject_of(obj)
    assert corner_set(arrays["corners"], arrays["uv"]) == before


def test_without_a_uv_map_there_is_no_uv():
    obj = samples.add("Bare", [(0, 0, 0), (1, 0, 0), (0, 1, 0)], [[0, 1, 2]])
    assert "uv" not in samples.subject_of(obj)[1]


def test_with_shape_keys_the_subject_is_the_basis():
    obj = samples.grid()
    rest = samples.positions(obj.data)
    obj.shape_key_add(name="Basis")
    smile = obj.shape_key_add(name="Smile")
    smile.points.foreach_set("co", (rest + 1).ravel())
    smile.value = 0
    obj.active_shape_key_index = 1
    _, arrays, target = samples.subject_of(obj)
    np.testing.assert_array_equal(arrays["vertices"], rest)
    assert target.notes == ()


def test_what_shall_sway_goes_as_its_life_shows_it_and_without_its_sway():
    obj, _, start = lives.living(processes=3)
    sway.put(obj, swaying.windy(obj))
    lives.at(4.5)
    with_sway = samples.shown(obj)
    sway.remove(obj)
    bpy.context.view_layer.update()
    shown = samples.shown(obj)
    sway.put(obj, swaying.windy(obj))
    lives.at(4.5)
    sent, _ = reading.sent_shape(obj, as_shown=True)
    np.testing.assert_allclose(sent, shown, atol=1e-5)
    assert np.abs(with_sway - shown).max() > 0.01 and np.abs(sent - start).max() > 0.01
    packed, _ = reading.read_subject(obj, as_shown=True)
    np.testing.assert_array_equal(protocol.unpack(packed)[1]["vertices"], sent)
    np.testing.assert_allclose(reading.sent_shape(obj)[0], start, atol=1e-5)  # where another life shall begin


def test_the_parts_of_a_specimen_are_kept_and_sent():
    record, arrays, _ = samples.subject_of(samples.prism())
    assert "parts" not in arrays and record.part_names == ()
    numbers = (np.arange(len(arrays["vertices"])) % 2).astype(np.int32)
    known = msgspec.structs.replace(record, part_names=("soil", "stem")), arrays | {"parts": numbers}
    samples.imported(samples.clip(*known))
    obj = bpy.context.object
    again, sent, _ = samples.subject_of(obj)
    assert again.part_names == ("soil", "stem", "other")
    np.testing.assert_array_equal(sent["parts"], numbers)
    obj.data.attributes[".anthesis_part"].data[3].value = 0  # as of what another object that was joined to it brings
    assert samples.subject_of(obj)[1]["parts"].tolist() == [*numbers[:3], 2, *numbers[4:]]
    samples.place(obj, scale=(1, 1, 1))
    del obj.data["anthesis_parts"]
    assert "parts" not in samples.subject_of(obj)[1]


def test_modifiers_are_left_out_and_named():
    obj = samples.grid()
    obj.modifiers.new("Subdivision", "SUBSURF")
    _, arrays, target = samples.subject_of(obj)
    assert len(arrays["vertices"]) == 36
    assert target.notes == ('The modifiers of "Grid" stay: the mesh under them is animated',)


def test_loose_doubled_and_non_manifold_vertices_are_taken_as_they_are():
    vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, 0), (9, 9, 9)]
    obj = samples.add("Odd", vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4], [5, 2, 3]])  # 0-1 has three faces
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1))[0])
    _, arrays, _ = samples.subject_of(obj)
    np.testing.assert_array_equal(arrays["vertices"], np.array(vertices, np.float32))
    assert arrays["albedo"].tolist() == [[255, 0, 0]] * 7


# --- Material of the start


def test_a_mesh_without_material_brings_the_look_of_blenders_new_material():
    plain, dressed = samples.grid(), samples.grid()
    dressed.data.materials.append(bpy.data.materials.new("New"))
    if dressed.data.materials[0].node_tree is None:  # before Blender 5.0
        dressed.data.materials[0].use_nodes = True
    for name in ("albedo", "roughness", "metallic"):
        of_plain, of_dressed = (samples.subject_of(obj)[1][name] for obj in (plain, dressed))
        np.testing.assert_array_equal(of_plain, of_dressed)


def test_a_name_longer_than_a_record_may_hold_is_cut():
    obj = samples.grid()
    obj.name = "n" * 300  # Blender keeps what it can, 5.0 and later more than 200
    record, _, target = samples.subject_of(obj)
    assert record.name == obj.name[:200] and target.object_name == obj.name


def test_each_slot_gives_its_polygons_its_base_colour_roughness_and_metallic():
    obj = samples.add("Two", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (5, 0, 0), (6, 0, 0), (5, 1, 0)], [[0, 1, 2], [3, 4, 5]])
    obj.data.materials.append(samples.principled("A", (0.2158605, 0, 1, 1), 0.2, 1.0)[0])
    obj.data.materials.append(samples.principled("B", (0, 0.5, 0, 1), 0.6, 0.0)[0])
    obj.data.polygons[1].material_index = 1
    _, arrays, _ = samples.subject_of(obj)
    assert arrays["albedo"][0].tolist() == [128, 0, 255]  # 0.2158605 linear is 128 / 255 encoded
    assert arrays["albedo"][5].tolist() == [0, 188, 0]
    assert arrays["roughness"].tolist() == [51] * 3 + [153] * 3
    assert arrays["metallic"].tolist() == [255] * 3 + [0] * 3


def test_an_image_texture_is_sampled_where_the_uv_points():
    obj = samples.add("Quad", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [[0, 1, 2, 3]])
    layer = obj.data.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", [0.25, 0.25, 1.75, 0.25, 0.75, -0.25, 0.25, 0.75])  # the image repeats
    image = bpy.data.images.new("Texture", 2, 2)
    texels = np.array([[10, 20, 30], [200, 100, 50], [0, 0, 255], [128, 128, 128]])
    image.pixels.foreach_set(np.column_stack([texels / 255, np.ones(4)]).astype(np.float32).ravel())
    material, shader = samples.principled("Painted")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    mix = material.node_tree.nodes.new("ShaderNodeHueSaturation")
    material.node_tree.links.new(texture.outputs["Color"], mix.inputs["Color"])
    material.node_tree.links.new(mix.outputs["Color"], shader.inputs["Base Color"])
    obj.data.materials.append(material)
    _, arrays, _ = samples.subject_of(obj)
    assert arrays["albedo"].tolist() == texels[[0, 1, 3, 2]].tolist()


@pytest.mark.parametrize("kind", ["FLOAT_COLOR", "BYTE_COLOR"])
@pytest.mark.parametrize("domain", ["POINT", "CORNER"])
def test_the_active_colour_attribute_goes_before_the_material(kind, domain):
    obj = samples.grid(4)
    obj.data.materials.append(samples.principled("Red", (1, 0, 0, 1), 0.2)[0])
    colours = np.random.default_rng(1).integers(0, 256, (16, 3))
    attribute = obj.data.color_attributes.new("Paint", kind, domain)
    of = np.arange(16) if domain == "POINT" else samples.corner_vertices(obj.data)
    rgba = np.column_stack([colours[of] / 255, np.ones(len(of))]).astype(np.float32)
    attribute.data.foreach_set("color_srgb", rgba.ravel())
    obj.data.color_attributes.active_color = attribute
    _, arrays, _ = samples.subject_of(obj)
    assert np.abs(arrays["albedo"].astype(int) - colours).max() <= 1
    assert set(arrays["roughness"]) == {51}


# --- Groups


def test_vertex_groups_become_weights():
    obj = samples.grid(3)
    pin, weight = obj.vertex_groups.new(name="Root"), obj.vertex_groups.new(name="Soft")
    pin.add([0, 4], 1.0, "REPLACE")
    weight.add([4, 8], 0.25, "REPLACE")
    _, arrays, _ = samples.subject_of(obj, pin_group="Root", weight_group="Soft")
    assert arrays["pin"].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    assert arrays["weight"].tolist() == [0, 0, 0, 0, 0.25, 0, 0, 0, 0.25]


def test_one_group_may_be_both():
    obj = samples.grid(2)
    obj.vertex_groups.new(name="Root").add([3], 0.5, "REPLACE")
    _, arrays, _ = samples.subject_of(obj, pin_group="Root", weight_group="Root")
    assert arrays["pin"].tolist() == arrays["weight"].tolist() == [0, 0, 0, 0.5]


# --- Refused, each with its sentence


def refusal(obj, **groups):
    with pytest.raises(Unusable) as caught:
        reading.read_subject(obj, reading.Part(**groups))
    return str(caught.value)


def test_nothing_selected():
    assert refusal(None) == "Nothing is selected: click a mesh object and try again"


def test_not_a_mesh():
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    assert refusal(lamp) == '"Lamp" is not a mesh: select a mesh, or convert it with Object > Convert > Mesh'


def test_edit_mode():
    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    assert refusal(obj) == '"Grid" is being edited: go back to Object Mode and try again'


def test_no_faces():
    assert refusal(samples.add("Wire", [(0, 0, 0), (1, 0, 0)], [])) == (
        '"Wire" has no faces: fill it with faces, only surfaces can be animated'
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(value):
    obj = samples.grid()
    obj.data.vertices[7].co.y = value
    assert refusal(obj) == (
        '"Grid" has vertices at NaN or infinity (1): delete them in Edit Mode, or undo what made them'
    )


def test_two_million_vertices():
    obj = samples.grid()
    obj.data.vertices.add(2_000_000)
    assert refusal(obj) == (
        f'"Grid" has 2,000,036 vertices and {protocol.MAX_VERTICES:,} are allowed: '
        "reduce it with a Decimate modifier and apply that"
    )


@pytest.mark.parametrize("scale", [(0, 1, 1), (0, 0, 0)])
def test_zero_scale(scale):
    obj = samples.grid()
    samples.place(obj, scale=scale)
    assert refusal(obj) == '"Grid" is scaled to zero: give it a scale other than 0 on X, Y and Z'


def test_a_transform_that_is_not_a_number():
    obj = samples.grid()
    obj.scale.x = np.nan
    assert refusal(obj) == '"Grid" has a NaN or infinite transform: clear it with Object > Clear'


def test_only_what_is_selected_takes_part():
    obj = samples.grid()
    obj.vertex_groups.new(name="Soft").add([0], 0.5, "REPLACE")
    chosen = np.zeros(36, bool)
    chosen[[3, 20, 35]] = True
    obj.data.vertices.foreach_set("select", chosen)
    _, arrays, target = samples.subject_of(obj, weight_group="Soft", only_selected=True)
    assert arrays["weight"].tolist() == chosen.tolist()
    assert target.groups == (("only_selected", "True"),)
    assert samples.subject_of(obj, weight_group="Not There", only_selected=True)[1]["weight"].sum() == 3
    _, arrays, target = samples.subject_of(obj, weight_group="Soft")
    assert arrays["weight"][0] == 0.5 and target.groups == (("weight_group", "Soft"),)


def test_what_was_selected_in_edit_mode_counts_after_it():
    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    assert refusal(obj, only_selected=True) == (
        'No vertex of "Grid" is selected: select the part that shall live in Edit Mode, or untick '
        "Only Selected Vertices"
    )


def test_missing_group():
    obj = samples.grid()
    obj.vertex_groups.new(name="Root")
    assert refusal(obj, pin_group="Rot") == (
        '"Grid" has no vertex group "Rot": clear Pin in the panel Sway, or in Animate Selected, Part of the Mesh, '
        'or choose one of its groups ("Root")'
    )
    assert refusal(samples.prism(), weight_group="Soft") == (
        '"Prism" has no vertex group "Soft": clear Effect in the panel Sway, or in Animate Selected, Part of the Mesh'
    )


def test_everything_pinned():
    obj = samples.grid(2)
    obj.vertex_groups.new(name="All").add([0, 1, 2, 3], 1.0, "REPLACE")
    assert refusal(obj, pin_group="All") == 'Every vertex of "Grid" is pinned by "All": leave some of them free to move'


def test_a_shape_key_that_is_switched_on():
    """What would be animated is the Basis, and that is not what the artist sees."""
    obj = samples.grid()
    obj.shape_key_add(name="Basis")
    tall = obj.shape_key_add(name="Tall")
    tall.points[3].co.z += 1
    tall.value = 0.5
    assert refusal(obj) == (
        '"Grid" is seen with its shape key "Tall" switched on, and the shape without it would be animated: '
        "set its shape keys to 0, or apply them, then animate it"
    )
    tall.mute = True
    samples.subject_of(obj)


def test_absolute_shape_keys():
    obj = samples.grid()
    obj.shape_key_add(name="Basis")
    obj.data.shape_keys.use_relative = False
    assert refusal(obj) == '"Grid" uses absolute shape keys: tick Relative in Object Data > Shape Keys'


@pytest.mark.parametrize("override", [False, True])
def test_linked_library_objects(tmp_path, override):
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {samples.grid()})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Grid"]
    obj = wanted.objects[0]
    if override:
        obj = obj.override_create()
    bpy.context.scene.collection.objects.link(obj)
    assert refusal(obj) == ('"Grid" comes from another file: make it local with Object > Relations > Make Local > All')


# --- The way back


def test_the_fingerprint_notices_edits_and_nothing_else():
    obj = samples.grid()
    before = reading.fingerprint(obj.data)
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Smile").points[0].co.z += 1
    obj.data.materials.append(samples.principled("Red")[0])
    samples.place(obj, location=(1, 2, 3))
    assert reading.fingerprint(obj.data) == before
    obj.data.shape_keys.reference_key.points[3].co.z += 1e-4
    assert reading.fingerprint(obj.data) != before
    flipped = samples.grid(name="Flipped")
    flipped.data.flip_normals()
    assert reading.fingerprint(flipped.data) != before


def test_a_target_is_plain_data():
    import json
    from dataclasses import asdict

    target = samples.subject_of(samples.grid())[2]
    again = json.loads(json.dumps(asdict(target)))
    assert reading.Target(**{k: tuple(v) if isinstance(v, list) else v for k, v in again.items()}) == target
