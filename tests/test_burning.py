"""Burning, and the fronts it shares with frost and rust: closed forms, invariances and what an artist was promised."""

import numpy as np
import pytest
import trimesh

from backend import protocol
from backend.geometry import fields, front
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import PREVIEW, Body
from backend.geometry.rest import Rest
from backend.pipelines.processes.burn import Burn
from backend.pipelines.processes.process import Circumstances
from backend.pipelines.stages import live
from backend.report import silent
from tests import flowers
from tests.shapes import standing


def paper(columns=25, rows=41, width=0.6) -> trimesh.Trimesh:
    """An upright, slightly bowed sheet of height 1."""
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows), indexing="ij")
    vertices = np.stack([width * (u - 0.5), 0.05 * np.sin(3 * u + v), v], axis=-1).reshape(-1, 3)
    corner = (np.arange(columns - 1)[:, None] * rows + np.arange(rows - 1)).ravel()[:, None]
    faces = np.concatenate([corner + [0, rows, rows + 1], corner + [0, rows + 1, 1]])
    return trimesh.Trimesh(vertices, faces, process=False)


def pear() -> trimesh.Trimesh:
    """A closed body with a thin neck, 642 vertices."""
    mesh = trimesh.creation.icosphere(3)
    x, y, z = mesh.vertices.T
    narrow = 0.5 - 0.42 * np.tanh(3.0 * z)
    return trimesh.Trimesh(np.stack([x * narrow, y * narrow, 1.4 * z], axis=1), mesh.faces, process=False)


def burning(subject: Body, amount=1.0, seed=3, **settings) -> Burn:
    return Burn(protocol.Burn(**settings), Circumstances(Anatomy(subject), amount, seed, PREVIEW))


def burnt(subject: Body, seed=3, taus=(0.0, 0.5, 1.0), amount=1.0, **settings):
    stage = protocol.Stage(process=protocol.Burn(**settings), amount=amount)
    return list(live(Anatomy(subject), (stage,), seed, np.array(taus), PREVIEW, silent))


# --- fronts -----------------------------------------------------------------------------------------------------------


def test_a_front_at_speed_1_arrives_after_the_distance():
    subject = standing(paper())
    foot = np.flatnonzero(subject.vertices[:, 2] == 0.0)
    reached = front.arrival(Anatomy(subject), foot, np.zeros(len(foot)), np.ones(len(subject.vertices)))
    # the sheet is bowed by little, and shortest ways along edges and across them are at most a few percent too long
    np.testing.assert_allclose(reached, subject.vertices[:, 2], rtol=0.01, atol=1e-6)


def test_a_late_source_is_overtaken_and_slowness_counts():
    subject = standing(paper())
    height = subject.vertices[:, 2]
    foot, top = np.flatnonzero(height == 0.0), np.flatnonzero(height == 1.0)
    delay = np.concatenate([np.zeros(len(foot)), np.full(len(top), 0.4)])
    slowness = np.full(len(height), 2.0)
    reached = front.arrival(Anatomy(subject), np.concatenate([foot, top]), delay, slowness)
    np.testing.assert_allclose(reached, np.minimum(2.0 * height, 0.4 + 2.0 * (1.0 - height)), rtol=0.02, atol=1e-6)


def test_climbing_costs_more_upwards_and_less_downwards():
    subject = standing(paper())
    height = subject.vertices[:, 2]
    middle = np.flatnonzero(height == 0.5)
    reached = front.arrival(Anatomy(subject), middle, np.zeros(len(middle)), np.ones(len(height)), climbing=1.0)
    expected = np.where(height > 0.5, 2.0 * (height - 0.5), 0.5 * (0.5 - height))
    np.testing.assert_allclose(reached, expected, rtol=0.02, atol=1e-6)


def test_a_front_jumps_to_a_part_that_is_near_and_not_to_one_that_is_far():
    for gap, crosses in ((0.03, True), (0.3, False)):
        low, high = trimesh.creation.icosphere(3, 0.2), trimesh.creation.icosphere(3, 0.2)
        low.apply_translation([0.0, 0.0, 0.2])
        high.apply_translation([0.4 + gap, 0.0, 0.2])  # both stand on the floor: no bridge between them
        both = trimesh.util.concatenate([low, high])
        subject = standing(both.apply_scale(1.0 / np.ptp(both.vertices[:, 0])))
        reached = front.arrival(Anatomy(subject), np.array([0]), np.zeros(1), np.ones(len(subject.vertices)))
        assert np.isfinite(reached[: len(low.vertices)]).all()
        assert np.isfinite(reached[len(low.vertices) :]).all() == crosses


def test_a_front_sweeps_the_share_of_the_surface_that_it_is_told():
    subject = standing(pear())
    area = fields.areas_around(subject.vertices, subject.faces)
    assert area.sum() == pytest.approx(trimesh.Trimesh(subject.vertices, subject.faces).area)
    swept = front.Front((subject.vertices @ [0.3, 0.5, 0.9] + 0.5) ** 3, area)
    for share in (0.1, 0.37, 0.8):
        assert area[swept.behind(share) > 0.0].sum() / area.sum() == pytest.approx(share, abs=0.01)
        assert area[swept.share < share].sum() / area.sum() == pytest.approx(share, abs=0.01)
    assert (swept.behind(0.0) <= 0.0).all()
    np.testing.assert_allclose(swept.behind(1.0), swept.arrival.max() - swept.arrival, atol=1e-9)
    assert (swept.behind(1.3) > swept.behind(1.1)).all()


def test_peaks_are_apart_and_every_part_has_one():
    low, high = trimesh.creation.box((1, 1, 0.1)).subdivide_loop(3), trimesh.creation.icosphere(2, 0.05)
    both = trimesh.util.concatenate([low, high.apply_translation([0.2, 0.3, 0.4])])
    subject = standing(both)
    anatomy = Anatomy(subject)
    height = np.sin(9.0 * subject.vertices[:, 0]) + np.cos(7.0 * subject.vertices[:, 1])
    found = front.peaks(subject.vertices, height, anatomy.labels, 0.25)
    assert set(anatomy.labels[found]) == {0, 1}
    for one in found:
        near = np.linalg.norm(subject.vertices - subject.vertices[one], axis=1) < 0.25
        near &= anatomy.labels == anatomy.labels[one]
        assert set(found[near[found]]) == {one}
    highest = int(np.argmax(height))
    assert np.linalg.norm(subject.vertices[found] - subject.vertices[highest], axis=1).min() < 0.25


def test_cells_are_as_large_as_asked_whatever_the_triangles():
    coarse, fine = (standing(trimesh.creation.icosphere(level)).vertices for level in (3, 4))
    few, many = front.Cells(coarse, 0.2, 5), front.Cells(fine, 0.2, 5)
    assert len(np.unique(many.label)) == pytest.approx(len(np.unique(few.label)), rel=0.1)
    assert 0.5 * np.pi / 0.2**2 < len(np.unique(many.label)) < 2.5 * np.pi / 0.2**2
    # the vertices that both meshes have lie in the same cells, as far from their borders
    near = np.linalg.norm(fine[:, None] - coarse[None, :100], axis=2).argmin(axis=0)
    np.testing.assert_allclose(many.centre[near], few.centre[:100])
    np.testing.assert_allclose(many.border[near], few.border[:100], atol=1e-6)
    assert np.abs(many.mean(fine[:, 0]) - fine[:, 0]).max() < 0.3
    assert np.unique(many.chance(1)).size == len(np.unique(many.label))


def test_cells_keep_to_their_part_and_parts_that_lie_on_each_other_are_not_cut_alike():
    one = standing(paper()).vertices
    points, parts = np.concatenate([one, one]), np.repeat([0, 1], len(one))
    cells = front.Cells(points, 0.2, 5, parts)
    assert not set(cells.label[parts == 0]) & set(cells.label[parts == 1])
    assert np.abs(cells.border[parts == 0] - cells.border[parts == 1]).mean() > 0.1
    assert np.linalg.norm(cells.centre - points, axis=1).max() < 0.2 * np.sqrt(3.0)


def test_what_bears_others_outlasts_them():
    strip = standing(paper())
    height = strip.vertices[:, 2]
    cells = front.Cells(strip.vertices, 0.08, 2)
    level = cells.mean(height)
    weak = np.abs(level - 0.5) < 0.05  # a band across it would go first
    values = np.where(weak, 1.0, 5.0 + cells.chance(4))
    sides, foot = fields.edges(strip.faces), height == 0.0
    when = cells.tips_first(values, sides, foot, pause=0.25)
    assert (when >= values).all()
    assert when[weak].max() > when[level > 0.6].max()
    # at any time, what has not gone is joined to the foot
    for now in np.unique(when):
        there = when > now
        joined = sides[there[sides].all(axis=1)]
        for group in trimesh.graph.connected_components(joined, nodes=np.flatnonzero(there)):
            assert foot[group].any()
    # and a chain of cells goes one after another
    chain = cells.tips_first(np.where(level > 0.85, 9.0, 0.0), sides, foot, pause=0.25)
    assert len(np.unique(chain[chain > 9.0])) > 5
    np.testing.assert_allclose(np.diff(np.unique(chain[chain > 9.0])), 0.25)
    apart = cells.tips_first(values, sides, np.zeros(len(height), bool), pause=0.25)
    np.testing.assert_array_equal(apart, values)  # what nothing holds bears nothing


# --- burning ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["paper", "pear"])
def life(request):
    subject = standing({"paper": paper, "pear": pear}[request.param]())
    return subject, burnt(subject, taus=(0.0, 0.1, 0.4, 0.7, 0.85, 1.0))


def test_it_begins_with_the_subject_and_stays_finite_within_bounds(life):
    subject, moments = life
    np.testing.assert_allclose(moments[0].positions, subject.vertices, atol=1e-9)
    for name in ("albedo", "roughness", "metallic", "opacity", "emission"):
        np.testing.assert_array_equal(getattr(moments[0].look, name), getattr(subject.look, name))
        for moment in moments:
            values = getattr(moment.look, name)
            assert np.isfinite(values).all()
            assert 0.0 <= values.min() <= values.max() <= 1.0
    for moment in moments:
        assert np.isfinite(moment.positions).all()
        assert np.abs(moment.positions).max() < 1.5


def test_it_chars_from_the_tips_to_the_root_and_every_moment_shows_more(life):
    subject, moments = life
    burning_now = [np.abs(moment.look.roughness - 0.4) > 0.3 for moment in moments]
    shares = np.array([one.mean() for one in burning_now])
    assert np.all(np.diff(shares[:4]) > 0.05)
    assert shares[-1] == 1.0
    height = subject.vertices[:, 2]
    assert height[burning_now[1]].mean() > height.mean() + 0.1
    assert (moments[-1].look.albedo.max(axis=1) < 0.4).all()  # char and ash: nothing glows at the end
    np.testing.assert_allclose(moments[-1].look.metallic, 0.0, atol=1e-9)
    late = np.abs(moments[-1].look.albedo - moments[-2].look.albedo).max()
    assert late > 0.02


def test_the_edge_of_the_fire_glows_and_is_thin(life):
    _, moments = life
    for moment in moments[1:4]:
        red, _, blue = moment.look.albedo.T
        glowing = (red > 0.6) & (blue < 0.5 * red)
        assert 0.002 < glowing.mean() < 0.25


def test_what_glows_sends_out_light_and_ember_says_how_much(life):
    subject, moments = life
    for moment in moments[1:4]:
        light, albedo = moment.look.emission, moment.look.albedo
        assert 0.002 < (light > 0.3).mean() < 0.25
        assert (albedo[light > 0.3, 0] > 2.0 * albedo[light > 0.3, 2]).all()  # red to yellow, never the char beside it
    np.testing.assert_array_equal(moments[-1].look.emission, 0.0)
    dark, half, bright = (burning(subject, ember=ember).look(0.5, subject.look) for ember in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(dark.emission, 0.0)
    assert 0.9 < bright.emission.max() <= 1.0
    assert half.emission.max() == pytest.approx(0.5, abs=0.1)


def test_it_shrinks_and_more_so_with_time(life):
    subject, moments = life
    surface = [trimesh.Trimesh(moment.positions, subject.faces, process=False).area for moment in moments]
    assert np.all(np.diff(surface[1:]) < 0.0)
    assert 0.25 < surface[-1] / surface[0] < 0.8


def test_char_folds_less_where_there_is_no_room_for_folds():
    thin = trimesh.creation.box((0.02, 0.6, 1.0)).subdivide_loop(4)
    excess, all_of_it = (burning(standing(mesh)).excess for mesh in (thin, pear()))
    assert np.median(excess) < 0.3 * np.median(all_of_it)


def test_a_stalk_of_one_sheet_warps_less_than_a_flat_one_whatever_lies_next_to_it():
    sheet, stalk = paper(), paper()
    angle = 2.0 * np.pi * (stalk.vertices[:, 0] / 0.6 + 0.5)
    stalk.vertices = np.column_stack([0.03 * np.cos(angle), 0.03 * np.sin(angle) + 0.09, stalk.vertices[:, 2]])
    alone = burning(standing(sheet))
    both = burning(standing(trimesh.util.concatenate([sheet, stalk])))
    assert both.anatomy.is_sheet.all()
    flat = np.arange(len(both.strength)) < len(sheet.vertices)
    assert np.median(both._room()[~flat]) == pytest.approx(0.06, rel=0.05)
    assert np.abs(both.bow[~flat]).max() < 0.6 * np.abs(both.bow[flat]).max()
    np.testing.assert_allclose(both._room()[flat], alone._room(), rtol=0.05)


def test_islands_go_for_good_the_root_stays_and_crumble_says_how_much(life):
    subject, moments = life
    opacity = np.array([moment.look.opacity for moment in moments])
    assert np.all(np.diff(opacity, axis=0) <= 0.0)
    np.testing.assert_array_equal(opacity[:2], 1.0)
    gone = (opacity[-1] < 0.5).mean()
    assert gone > (0.4 if Anatomy(subject).is_sheet.all() else 0.0)
    assert (opacity[-1][subject.vertices[:, 2] < 0.02] == 1.0).mean() > 0.3
    none, most = (burning(subject, crumble=crumble).look(1.0, subject.look) for crumble in (0.0, 1.0))
    np.testing.assert_array_equal(none.opacity, 1.0)
    assert (most.opacity < 0.5).mean() > gone + 0.01


def test_half_islands_are_rare_at_any_moment(life):
    subject, _ = life
    process = burning(subject)
    for tau in np.linspace(0.1, 1.0, 10):
        opacity = process.look(tau, subject.look).opacity
        assert ((opacity > 0.02) & (opacity < 0.98)).mean() < 0.12


def test_what_is_left_hangs_together():
    subject = standing(paper())
    process = burning(subject, crumble=0.6)
    for tau in (0.6, 0.8, 1.0):
        there = process.look(tau, subject.look).opacity >= 0.5
        sides = fields.edges(subject.faces)
        sides = sides[there[sides].all(axis=1)]
        groups = trimesh.graph.connected_components(sides, nodes=np.flatnonzero(there))
        for group in groups:
            if len(group) > 3:
                assert (process.anatomy.held[group] > 0.5).any()


def test_a_flower_of_many_petals_falls_to_ash_piece_by_piece():
    daisy = flowers.daisy()
    process = burning(daisy)
    area = fields.areas_around(daisy.vertices, daisy.faces)
    there = [process.look(tau, daisy.look).opacity >= 0.5 for tau in np.linspace(0.0, 1.0, 48)]
    gone = 1.0 - np.array([area[one].sum() for one in there]) / area.sum()
    assert gone[-1] > 0.35
    assert np.diff(gone).max() < 0.08
    # no petal goes as a whole: some of each is there while some of it has gone
    labels = process.anatomy.labels
    petals = [label for label in range(labels.max() + 1) if (labels == label).sum() > 100]
    for label in petals:
        share = np.array([one[labels == label].mean() for one in there])
        assert share[-1] > 0.9 or ((share > 0.02) & (share < 0.98)).any()


def test_weight_0_does_not_burn_and_half_of_the_amount_stops_half_way():
    mesh = paper()
    high = mesh.vertices[:, 2] > 0.5
    subject = standing(mesh, weight=high * 1.0)
    end = burnt(subject, taus=(0.0, 1.0))[-1]
    np.testing.assert_allclose(end.positions[~high], subject.vertices[~high], atol=1e-9)
    np.testing.assert_array_equal(end.look.albedo[~high], subject.albedo[~high])
    assert (end.look.roughness[high] > 0.95).mean() > 0.9
    half = burning(standing(mesh), amount=0.4).look(1.0, standing(mesh).look)
    assert (half.roughness > 0.7).mean() == pytest.approx(0.5, abs=0.06)
    assert ((half.albedo[:, 0] > 0.4) & (half.albedo[:, 2] < 0.2)).sum() == 0  # where it stopped it went out


@pytest.mark.parametrize("side", [1, -1])
def test_paper_that_lies_on_the_floor_curls_up_where_it_has_charred(side):
    mesh = paper()
    flat = trimesh.Trimesh(mesh.vertices[:, [0, 2, 1]] * [1, 1, 0], mesh.faces[:, ::side], process=False)
    subject = standing(flat)
    half = burnt(subject, taus=(0.0, 0.6), crumble=0.0)[-1]
    charred = half.look.albedo.max(axis=1) < 0.05
    assert 0.2 < charred.mean() < 0.9
    assert np.percentile(half.positions[charred, 2], 90) > 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_fire():
    subject = standing(paper())
    first, again, other = (burnt(subject, seed, taus=(0.6,))[0] for seed in (3, 3, 4))
    assert first.positions.tobytes() == again.positions.tobytes()
    assert first.look.albedo.tobytes() == again.look.albedo.tobytes()
    assert np.abs(first.look.albedo - other.look.albedo).mean() > 0.02


def test_the_fire_runs_the_same_way_on_a_finer_mesh():
    coarse, fine = paper(25, 41), paper(49, 81)
    one, other = (burning(standing(mesh)).front.share for mesh in (coarse, fine))
    shared = np.arange(49 * 81).reshape(49, 81)[::2, ::2].ravel()
    assert np.abs(one - other[shared]).mean() < 0.07


def test_it_adds_to_what_another_process_does():
    subject = standing(paper())
    process = burning(subject)
    rest = Rest.of(len(subject.vertices))
    rest.grow(along=0.5, across=1.0)
    rest.bend(bow=1.0)
    alone = Rest.of(len(subject.vertices))
    process.rest(0.7, rest)
    process.rest(0.7, alone)
    np.testing.assert_allclose(rest.along, 0.5 * alone.along)
    np.testing.assert_allclose(rest.bow, 1.0 + alone.bow)


HARD = {
    "box of 8 vertices": trimesh.creation.box(),
    "lying sheet": paper(6, 8).apply_transform(trimesh.transformations.rotation_matrix(1.57, [1, 0, 0])),
    "two bodies apart": trimesh.util.concatenate(
        [trimesh.creation.icosphere(1), trimesh.creation.icosphere(1).apply_translation([5, 0, 3])]
    ),
    "inside out": trimesh.Trimesh(pear().vertices, pear().faces[:, ::-1], process=False),
    "three sheets at one edge": trimesh.Trimesh(
        [[0, 0, 0], [0, 0, 1], [1, 0, 0.5], [-1, 0.2, 0.5], [0, 1, 0.5]],
        [[0, 1, 2], [0, 1, 3], [0, 1, 4]],
        process=False,
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_a_hard_mesh_burns_without_losing_its_footing(name):
    subject = standing(HARD[name])
    start, _, end = burnt(subject)
    np.testing.assert_allclose(start.positions, subject.vertices, atol=1e-9)
    assert np.isfinite(end.positions).all()
    assert np.abs(end.positions - subject.vertices).max() > 0.02
    assert end.look.roughness.min() > 0.95
