"""What an artist gave an object goes over to the mesh that takes the place of the former one."""

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon.scene import bouquet, carried, provenance, writing  # noqa: E402
from tests.blender import samples  # noqa: E402

RANDOM = np.random.default_rng(4)


def ball(subdivisions, radius=1.0, turn=0.3):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, radius=radius, rotation=(turn, 0.2, 0.1))
    bpy.ops.object.transform_apply(rotation=True)
    return bpy.context.object


def records_of(obj, frames=3, seed=0):
    record, arrays, _ = samples.subject_of(obj)
    return samples.clip(record, arrays, frames=frames, colour=True, seed=seed)


def still(records):
    """The same, but each frame is the subject's own shape."""
    shape = records[0][1]["vertices"]
    return [records[0], *((header, arrays | {"positions": shape}) for header, arrays in records[1:-1]), records[-1]]


def grouped(obj, weights, name="Bend"):
    group = obj.vertex_groups.new(name=name)
    for vertex, weight in enumerate(weights):
        if weight > 0:
            group.add([vertex], float(weight), "REPLACE")
    return obj


def weights_of(obj, name="Bend"):
    index, found = obj.vertex_groups[name].index, np.zeros(len(obj.data.vertices))
    for number, vertex in enumerate(obj.data.vertices):
        for element in vertex.groups:
            if element.group == index:
                found[number] = element.weight
    return found


def with_attribute(obj, name, kind, domain, values):
    attribute = obj.data.attributes.new(name, kind, domain)
    attribute.data.foreach_set(carried.KINDS[kind][0], np.ascontiguousarray(values).ravel())


def values_of(obj, name):
    attribute = obj.data.attributes[name]
    place, kind, width, _ = carried.KINDS[attribute.data_type]
    values = np.empty((len(attribute.data), width), kind)
    attribute.data.foreach_get(place, values.ravel())
    return values[:, 0] if width == 1 else values


def regrown(obj, records, **about):
    """The finished Import into the seat of an object."""
    site = bouquet.Site(seat=bouquet.Seat(obj.name, obj.session_uid))
    result, same = samples.imported(records, site=site, about=about)
    assert same == obj
    return result


def test_on_the_same_polygons_all_of_it_is_carried_as_it_is():
    obj = samples.grid()
    records = records_of(obj)
    first = RANDOM.uniform(0.1, 1, 36)
    grouped(obj, first)
    grouped(obj, np.arange(36) % 2, "Every Other")
    kept = {
        ("Bulge", "FLOAT", "POINT"): RANDOM.normal(size=36).astype(np.float32),
        ("Way", "FLOAT_VECTOR", "POINT"): RANDOM.normal(size=(36, 3)).astype(np.float32),
        ("Kind", "INT", "FACE"): np.arange(25, dtype=np.int32),
        ("Corner", "FLOAT2", "CORNER"): RANDOM.normal(size=(100, 2)).astype(np.float32),
        ("Crease", "FLOAT", "EDGE"): RANDOM.uniform(size=60).astype(np.float32),
        ("Mark", "BOOLEAN", "POINT"): np.arange(36) % 3 == 0,
    }
    for (name, kind, domain), values in kept.items():
        with_attribute(obj, name, kind, domain, values)
    result = regrown(obj, records)
    np.testing.assert_allclose(weights_of(obj), first, atol=1e-6)
    np.testing.assert_array_equal(weights_of(obj, "Every Other"), np.arange(36) % 2)
    for (name, _, domain), values in kept.items():
        assert obj.data.attributes[name].domain == domain
        np.testing.assert_array_equal(values_of(obj, name), values)
    (note,) = [note for note in result.notes if "arried" in note]
    assert note.startswith('Carried over vertex by vertex: vertex group "Bend", vertex group "Every Other", ')


def test_on_other_polygons_what_is_linear_in_space_stays_so():
    coarse = ball(4)
    at = samples.positions(coarse.data)
    old = still(records_of(coarse))
    finer = ball(5, turn=1.1)
    new = still(records_of(finer))
    bpy.data.objects.remove(finer)
    grouped(coarse, np.clip(0.5 + 0.5 * at[:, 2], 0, 1))
    with_attribute(coarse, "Place", "FLOAT_VECTOR", "POINT", at)
    with_attribute(coarse, "Upper", "BOOLEAN", "POINT", at[:, 2] > 0)
    centres = at[samples.corner_vertices(coarse.data).reshape(-1, 3)].mean(axis=1)
    with_attribute(coarse, "Side", "INT", "FACE", (centres[:, 0] > 0).astype(np.int32))
    assert len(old[0][1]["vertices"]) != len(new[0][1]["vertices"])
    result = regrown(coarse, new)
    at = samples.positions(coarse.data)
    np.testing.assert_allclose(values_of(coarse, "Place"), at, atol=0.012)  # the sag of a facet
    np.testing.assert_allclose(weights_of(coarse), 0.5 + 0.5 * at[:, 2], atol=0.012)
    clear = np.abs(at[:, 2]) > 0.1
    np.testing.assert_array_equal(values_of(coarse, "Upper")[clear], at[clear, 2] > 0)
    centres = at[samples.corner_vertices(coarse.data).reshape(-1, 3)].mean(axis=1)
    clear = np.abs(centres[:, 0]) > 0.1
    np.testing.assert_array_equal(values_of(coarse, "Side")[clear], centres[clear, 0] > 0)
    assert any(note.startswith("Carried over to the nearest points of the new surface") for note in result.notes)


def test_a_larger_specimen_is_compared_as_large_as_the_former_one():
    obj = ball(4)
    grouped(obj, np.clip(samples.positions(obj.data)[:, 0], 0, 1))
    provenance.write(obj, samples.MADE_BY, {"request": {"specimen": {"height": 0.2}}})
    larger = ball(3, radius=5.0)
    records = still(records_of(larger))
    bpy.data.objects.remove(larger)
    regrown(obj, records, request={"specimen": {"height": 1.0}})
    wanted = np.clip(samples.positions(obj.data)[:, 0] / 5, 0, 1)
    np.testing.assert_allclose(weights_of(obj), wanted, atol=0.02)


def test_what_has_no_place_in_the_new_mesh_is_named():
    obj = samples.grid()
    with_attribute(obj, "Crease", "FLOAT", "EDGE", np.ones(60, np.float32))
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Smile")
    other = samples.prism()
    records = records_of(other)
    bpy.data.objects.remove(other)
    result = regrown(obj, records)
    notes = [note for note in result.notes if "arried" in note]
    assert notes[0] == "Carried over to the nearest points of the new surface: flat and smooth faces"
    said, named = notes[1].split(": ")
    assert said == "Not carried over, for the new mesh has other edges and corners"
    assert sorted(named.split(", ")) == ['"Crease"', '"Mine"']
    assert notes[2].startswith('Shape keys of yours are not carried over: "Smile". They are shapes of the former mesh')
    assert len(notes) == 3
    assert "Crease" not in obj.data.attributes


def test_on_the_same_polygons_a_kind_that_cannot_be_copied_and_the_artists_keys_are_named_for_what_they_are():
    obj = samples.grid()
    records = records_of(obj)
    obj.data.attributes.new("Turn", "QUATERNION", "POINT")
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Smile")
    result = regrown(obj, records)
    notes = [note for note in result.notes if "arried" in note]
    assert 'Not carried over, for it is of a kind that Anthesis cannot copy: "Turn"' in notes
    assert any(note.startswith('Shape keys of yours are not carried over: "Smile"') for note in notes)
    assert not any("other edges" in note for note in notes)


def test_several_patches_and_chunks_carry_as_one_does(monkeypatch):
    """Each number is far below what the meshes have, and none divides it."""
    found = []
    for patch, looks, chunk in ((10**6, 10**6, 10**6), (37, 61, 23)):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        for name, value in (("PATCH", patch), ("LOOKS", looks), ("CHUNK", chunk)):
            monkeypatch.setattr(carried, name, value)
        obj = ball(3)
        at = samples.positions(obj.data)
        grouped(obj, np.clip(at[:, 0], 0, 1), "East")
        grouped(obj, np.clip(at[:, 2], 0, 1))
        with_attribute(obj, "Side", "INT", "FACE", np.arange(len(obj.data.polygons), dtype=np.int32))
        other = ball(4, turn=1.1)
        records = still(records_of(other))
        bpy.data.objects.remove(other)
        regrown(obj, records)
        found.append((weights_of(obj), weights_of(obj, "East"), values_of(obj, "Side")))
    (bend, east, side), (bends, easts, sides) = found
    np.testing.assert_allclose(bends, bend, atol=1e-5)  # on an edge either triangle is as near
    np.testing.assert_allclose(easts, east, atol=1e-5)
    assert (sides == side).mean() > 0.99
    assert bend.max() > 0.9 and east.max() > 0.9


def test_a_modifier_that_needs_a_group_finds_it():
    obj = grouped(samples.grid(), np.ones(36))
    modifier = obj.modifiers.new("Only There", "DISPLACE")
    modifier.vertex_group, modifier.strength, modifier.mid_level = "Bend", 0.5, 0.0
    other = samples.prism()
    records = still(records_of(other))
    bpy.data.objects.remove(other)
    regrown(obj, records)
    assert obj.modifiers["Only There"].vertex_group == "Bend"
    np.testing.assert_allclose(weights_of(obj), 1, atol=1e-6)
    moved = np.linalg.norm(samples.shown(obj) - records[0][1]["vertices"], axis=1)
    np.testing.assert_allclose(moved, 0.5, atol=0.01)


def test_growing_anew_that_ends_early_leaves_the_groups_where_they_were():
    obj = grouped(samples.grid(), np.linspace(0.1, 1, 36))
    before = weights_of(obj)
    other = samples.prism()
    records = records_of(other)
    bpy.data.objects.remove(other)
    site = bouquet.Site(seat=bouquet.Seat(obj.name, obj.session_uid))
    running = writing.Import("a test", samples.MADE_BY, None, site)
    for each in records[:2]:
        running.apply(*each)
    assert len(obj.data.vertices) == 12
    running.abandon()
    np.testing.assert_array_equal(weights_of(obj), before)


def test_a_life_that_begins_in_one_place_is_compared_where_it_reaches_widest():
    """As of what grows out of the ground: at first all of it is within a millimetre."""
    obj = ball(4)
    at = samples.positions(obj.data)
    other = ball(5, turn=1.1)
    records = still(records_of(other))
    bpy.data.objects.remove(other)
    seed = RANDOM.uniform(0, 1e-3, (len(at), 3)).astype(np.float32)
    obj.data.vertices.foreach_set("co", seed.ravel())
    obj.shape_key_add(name="Basis", from_mix=False)
    for number, share in enumerate((0.0, 0.5, 1.0, 0.7)):
        key = obj.shape_key_add(name=f"Anthesis {number + 1:03d}", from_mix=False)
        key.points.foreach_set("co", (seed + share * at).astype(np.float32).ravel())
    header, arrays = records[0]
    grown = arrays["vertices"]
    frames = [
        (protocol.FrameRecord(index=number, tau=number / 3), {"positions": share * grown})
        for number, share in enumerate((0.0, 0.5, 1.0, 0.7))
    ]
    first = msgspec.structs.replace(header, frames=4), arrays | {"vertices": grown * 0.0}
    grouped(obj, 0.5 + 0.4 * at[:, 2])
    regrown(obj, [first, *frames, records[-1]])
    np.testing.assert_allclose(weights_of(obj), 0.5 + 0.4 * grown[:, 2], atol=0.012)


def test_where_the_artist_gave_it_nothing_nothing_is_looked_for(monkeypatch):
    other = samples.prism()
    records = records_of(other)
    bpy.data.objects.remove(other)
    grown = samples.monkey()
    first = records_of(grown, seed=2)
    bpy.data.objects.remove(grown)
    _, obj = samples.imported(first)
    monkeypatch.setattr(carried.Carrying, "_set_out", None)
    result = regrown(obj, records)
    assert not [note for note in result.notes if "arried" in note]
