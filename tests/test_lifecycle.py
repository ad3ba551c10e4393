"""A life for any mesh: what is refused, and that what comes back is the artist's own mesh, moved."""

from dataclasses import replace

import numpy as np
import pytest

from backend import pipelines, protocol, wire
from backend.clip import Mesh
from backend.geometry import proxy
from backend.geometry.body import Moment
from backend.pipelines import lifecycle
from backend.pipelines.lifecycle import Life, UnusableSubject, weld
from backend.pipelines.processes.process import NotForThis
from backend.protocol import Generate
from backend.report import Preview, Varying, silent
from tests import flowers
from tests.asking import animate as asked
from tests.bench.subjects import subjects
from tests.shapes import potted


def cone(sides=16, rings=12, height=0.8) -> Mesh:
    """An upright horn, curved so that it has no symmetry, its foot closed; 1.6 units tall, away from the origin."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    z = np.linspace(0, 1, rings)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    radius = (0.25 * (1 - z) + 0.02)[:, None, None]
    vertices = (ring[None] * radius + np.stack([0.3 * z**2, 0.1 * z, z], axis=1)[:, None]).reshape(-1, 3)
    i = np.arange(rings * sides).reshape(rings, sides)
    a, b = i[:-1], i[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    walls = [np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)]
    foot, top = len(vertices), len(vertices) + 1
    caps = [[foot, i[0, (k + 1) % sides], i[0, k]] for k in range(sides)]
    caps += [[top, i[-1, k], i[-1, (k + 1) % sides]] for k in range(sides)]
    vertices = np.concatenate([vertices, [[0, 0, 0], [0.3, 0.1, 1]]])
    return Mesh.from_triangles(vertices * height * 2 + [3.0, -2.0, 0.5], np.concatenate([*walls, caps]))


def lived(mesh, **settings):
    return list(Life(mesh, asked(**({"frames": 5, "seed": 2} | settings))).frames(silent))


def soup(mesh: Mesh) -> Mesh:
    """The same surface with three vertices to a triangle, none shared: what many importers make."""
    faces = mesh.faces
    return Mesh.from_triangles(mesh.vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3))


def flower() -> Mesh:
    """A tulip, away from the origin and not one unit large."""
    body = flowers.tulip()
    return Mesh.from_triangles(1.7 * body.vertices + [3.0, -2.0, 0.5], body.faces)


@pytest.mark.parametrize("stand_in", [False, True], ids=["itself", "stand-in"])
@pytest.mark.parametrize("process", protocol.PROCESSES)
def test_one_end_of_a_life_is_the_artists_mesh(monkeypatch, process, stand_in):
    if stand_in:
        monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=500, light=450))
    mesh = flower()
    frames = lived(mesh, process=process, frames=3)
    assert [frame.tau for frame in frames] == [0.0, 0.5, 1.0]
    own = frames[-1 if process in ("bloom", "grow") else 0]
    size = np.ptp(mesh.vertices, axis=0).max()
    assert own.positions.dtype == np.float32
    np.testing.assert_allclose(own.positions, mesh.vertices, atol=1e-5 * size)
    changed = np.abs(frames[1].positions - mesh.vertices).max() + np.abs(frames[1].albedo - protocol.GREY).max()
    assert changed > 0.01


def test_life_time_runs_from_nought_to_one():
    frames = lived(cone(), frames=5)
    np.testing.assert_allclose([frame.tau for frame in frames], [0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("reverse", [False, True])
def test_one_frame_is_the_end_of_the_process(monkeypatch, reverse):
    last = lived(cone(), frames=2)[-1]
    for heavy in (lifecycle.FULL.vertices, 100):
        monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=heavy, light=90))
        (only,) = lived(cone(), frames=1, reverse=reverse)
        assert only.tau == 1.0
        np.testing.assert_allclose(only.positions, last.positions, atol=0.3)  # a stand-in may have moved it
    np.testing.assert_array_equal(lived(cone(), frames=2)[0].positions, cone().vertices)


def test_frames_come_while_the_rest_is_still_unmade(monkeypatch):
    made = []

    def live(anatomy, stages, seed, taus, detail, report):
        for tau in taus:
            made.append(tau)
            yield Moment(float(tau), (anatomy.body.vertices,), anatomy.body.look)

    monkeypatch.setattr(lifecycle, "live", live)
    frames = Life(cone(), asked(frames=9)).frames(silent)
    next(frames)
    next(frames)
    assert len(made) == 2


def test_doubled_vertices_stay_together_and_move_like_the_welded_mesh():
    mesh = cone()
    doubled = soup(mesh)
    doubled.vertices[::2] = np.nextafter(doubled.vertices[::2], np.float32(9))  # and by a rounding apart
    apart = lived(doubled)
    whole = lived(mesh)
    for one, other in zip(whole, apart, strict=True):
        np.testing.assert_allclose(other.positions, one.positions[mesh.faces].reshape(-1, 3), atol=0.03)
    motion = apart[-1].positions - doubled.vertices
    first = np.unique(mesh.faces, return_index=True)[1]
    np.testing.assert_allclose(motion, motion[first][mesh.faces].reshape(-1, 3), atol=2e-6)


def test_vertices_come_back_in_the_artists_order():
    mesh = cone()
    order = np.random.default_rng(3).permutation(len(mesh.vertices))
    rank = np.argsort(order)
    shuffled = Mesh.from_triangles(mesh.vertices[order], rank[mesh.faces])
    straight, back = lived(mesh)[-1], lived(shuffled)[-1]
    np.testing.assert_allclose(back.positions[rank], straight.positions, atol=0.01)


def test_a_loose_vertex_rides_along_with_its_neighbour():
    mesh = cone()
    tip = int(np.argmax(mesh.vertices[:, 2]))
    loose = np.concatenate([mesh.vertices[:50], mesh.vertices[tip : tip + 1] + [0, 0, 0.02], mesh.vertices[50:]])
    shift = mesh.faces + (mesh.faces >= 50)
    with_loose = Mesh.from_triangles(loose, shift)
    moved = lived(with_loose)[-1].positions - with_loose.vertices
    tip += tip >= 50
    assert np.linalg.norm(moved[tip]) > 0.1
    np.testing.assert_allclose(moved[50], moved[tip], atol=1e-5)


def test_size_and_place_do_not_matter():
    mesh = cone()
    near, large = lived(mesh)[-1].positions, lived(mesh.at(mesh.vertices * np.float32(256)))[-1].positions
    np.testing.assert_allclose(large / 256, near, atol=1e-5)
    away = lived(mesh.at(mesh.vertices + np.float32([40, 70, -30])))[-1].positions  # and its rounding
    np.testing.assert_allclose(away - [40, 70, -30], near, atol=0.05)
    assert np.abs(near - mesh.vertices).max() > 0.2


def test_reverse_is_the_same_life_backwards():
    forward, backward = lived(cone()), lived(cone(), reverse=True)
    for one, other in zip(forward, backward[::-1], strict=True):
        assert one.tau == other.tau
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.albedo, other.albedo)


def test_colour_starts_from_the_meshs_own_or_from_grey():
    mesh = cone()
    painted = replace(mesh, albedo=np.random.default_rng(0).uniform(size=(len(mesh.vertices), 3)).astype(np.float32))
    np.testing.assert_allclose(lived(painted)[0].albedo, painted.albedo, atol=1e-6)
    np.testing.assert_allclose(lived(mesh)[0].albedo, protocol.GREY)
    np.testing.assert_allclose(lived(mesh)[0].roughness, protocol.MATT)


def test_the_first_frame_looks_like_the_subject_to_the_byte():
    """Also where vertices lie on one another and only the brightest of their colours is the body's."""
    mesh, random = soup(cone()), np.random.default_rng(4)
    albedo = protocol.srgb_to_linear(random.integers(0, 256, (len(mesh.vertices), 3)) / 255)
    roughness = (random.integers(0, 256, len(mesh.vertices)) / 255).astype(np.float32)
    subject = bytes(wire.pack_mesh(replace(mesh, albedo=albedo, roughness=roughness)))
    records = pipelines.carry_out(asked(frames=3), subject, silent)
    (_, sent), (_, first), (_, second), *_ = (protocol.unpack(record) for record in records)
    for name in ("albedo", "roughness"):
        np.testing.assert_array_equal(first[name], sent[name])
        assert np.abs(second[name].astype(int) - sent[name]).mean() > 5


@pytest.mark.parametrize("process", ["burn", "wilt", "freeze"])
def test_only_what_burns_sends_light(process):
    records = pipelines.carry_out(asked(process, frames=4), bytes(wire.pack_mesh(cone())), silent)
    frames = [arrays for head, arrays in map(protocol.unpack, records) if isinstance(head, protocol.FrameRecord)]
    lit = [frame["emission"].any() for frame in frames if "emission" in frame]
    assert len(frames) == 4
    assert lit == ([True, True] if process == "burn" else [])  # and neither what is cold yet, nor what is cold by now


def test_light_is_carried_to_a_heavy_mesh(monkeypatch):
    light = lived(cone(40, 30), process="burn", frames=3)[1].emission
    monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=800, light=400))
    carried = lived(cone(40, 30), process="burn", frames=3)[1].emission
    assert carried.max() > 0.15
    assert np.corrcoef(light, carried)[0, 1] > 0.3


def test_pin_and_weight_reach_the_process():
    mesh = cone()
    height = (mesh.vertices[:, 2] - 0.5) / 1.6
    pin = (height > 0.9).astype(np.float32)
    held = lived(replace(mesh, pin=pin))[-1].positions
    np.testing.assert_array_equal(held[pin == 1], mesh.vertices[pin == 1])
    weight = (height > 0.6).astype(np.float32)
    some, full = lived(replace(mesh, weight=weight))[-1].positions, lived(mesh)[-1].positions
    below = height < 0.4
    moved = [np.abs(positions - mesh.vertices)[below].max() for positions in (some, full)]
    assert moved[0] < 0.2 * moved[1]


def test_weight_nought_stays_where_a_stand_in_is_moved(monkeypatch):
    monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=500, light=450))
    mesh = cone(sides=40, rings=40)
    still = mesh.vertices[:, 2] < 1.0
    last = lived(replace(mesh, weight=np.where(still, 0.0, 1.0).astype(np.float32)))[-1]
    np.testing.assert_array_equal(last.positions[still], mesh.vertices[still])
    np.testing.assert_allclose(last.albedo[still], protocol.GREY)
    assert np.abs(last.positions - mesh.vertices)[~still].max() > 0.1


def test_what_cannot_be_simplified_as_far_as_asked_is_previewed_all_the_same():
    fern = subjects()["fern"]()  # of hundreds of leaflets
    (_, first), (_, last) = Life(fern, asked(frames=2)).preview(silent)
    assert np.linalg.norm(last.positions - first.positions, axis=1).max() > 0.1 * np.ptp(fern.vertices, axis=0).max()


def test_thousands_of_vertices_at_one_place_are_no_pairs_of_each_other(monkeypatch):
    mesh, seen = cone(), []

    class Counting(lifecycle.cKDTree):
        def query_pairs(self, *args, **rest):
            pairs = super().query_pairs(*args, **rest)
            seen.append(len(pairs))
            return pairs

    monkeypatch.setattr(lifecycle, "cKDTree", Counting)
    nudge = np.random.default_rng(1).uniform(-2e-7, 2e-7, (2000, 3))  # of a size of 1.6: within 1e-6 of it
    vertices = np.concatenate([mesh.vertices, mesh.vertices[[7]] + nudge])
    welded = weld(Mesh.from_triangles(vertices.astype(np.float64), mesh.faces))
    assert len(welded.body.vertices) == len(mesh.vertices)
    assert (welded.vertex[len(mesh.vertices) :] == welded.vertex[7]).all()
    assert sum(seen) < 1000


def test_doubled_and_folded_faces_and_mixed_parts_are_welded_away():
    mesh = cone()
    faces = np.concatenate([mesh.faces, mesh.faces[:10, ::-1], mesh.faces[:5, [0, 1, 1]]])
    body = weld(Mesh.from_triangles(mesh.vertices, faces)).body
    assert len(body.faces) == len(mesh.faces)
    assert np.ptp(body.vertices, axis=0).max() == pytest.approx(1.0)
    assert body.vertices[:, 2].min() == pytest.approx(0.0)
    np.testing.assert_allclose(body.vertices.min(axis=0)[:2], -body.vertices.max(axis=0)[:2], atol=1e-12)


def test_a_heavy_mesh_lives_like_its_light_self(monkeypatch):
    mesh = cone(sides=60, rings=60)
    exact = lived(mesh)
    monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=2000, light=900))
    carried = lived(mesh)
    np.testing.assert_array_equal(carried[0].positions, mesh.vertices)
    for one, other in zip(exact, carried, strict=True):
        assert np.linalg.norm(one.positions - other.positions, axis=1).mean() < 0.03
        np.testing.assert_allclose(one.albedo, other.albedo, atol=0.15)
    # no cracks: what was one edge long stays about that long
    sides = mesh.faces[:, :2].T
    before, after = (np.linalg.norm(p[sides[0]] - p[sides[1]], axis=1) for p in (mesh.vertices, carried[-1].positions))
    assert after.max() < 1.5 * before.max()


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        ([[0, 0, 0], [1, 0, 0], [0.3, 0.1, 1]], [[0, 1, 2]]),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
        # a fan of five on one edge, and a needle
        (
            [[0, 0, 0], [0, 0, 1], [1, 0, 0.5], [-1, 0.3, 0.5], [0, 1, 0.5], [0, -1, 0.4], [1, 1, 0], [0, 0, 1.0001]],
            [[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 1, 5], [0, 1, 6], [0, 1, 7], [1, 7, 2]],
        ),
    ],
    ids=["triangle", "triangle on the floor", "tetrahedron", "fan"],
)
def test_small_and_ugly_meshes_stay_finite(vertices, faces):
    mesh = Mesh.from_triangles(np.array(vertices, np.float32), np.array(faces))
    frames = lived(mesh, frames=9)
    assert all(np.isfinite(frame.positions).all() for frame in frames)
    assert max(np.abs(frame.positions).max() for frame in frames) < 3.0


def test_a_cloud_of_scraps_lives(monkeypatch):
    rng = np.random.default_rng(8)
    corners = rng.uniform(size=(700, 1, 3)) + 0.01 * rng.normal(size=(700, 3, 3))
    mesh = Mesh.from_triangles(corners.reshape(-1, 3), np.arange(2100).reshape(-1, 3))
    light = lived(mesh)
    monkeypatch.setattr(lifecycle, "FULL", replace(lifecycle.FULL, vertices=1000, light=30))
    for one, other in zip(light, lived(mesh), strict=True):
        assert np.isfinite(one.positions).all()
        np.testing.assert_array_equal(one.positions, other.positions)  # there was nothing to simplify


def broken(mesh, value):
    vertices = mesh.vertices.copy()
    vertices[7, 1] = value
    return mesh.at(vertices)


def pinned_where_weighed() -> dict[str, np.ndarray]:
    weight = (cone().vertices[:, 2] > 1.2).astype(np.float32)
    return {"pin": weight, "weight": weight}


REFUSED = {
    "no vertices": (lambda: Mesh.from_triangles(np.zeros((0, 3)), np.zeros((0, 3))), "no vertices"),
    "no faces": (lambda: Mesh.from_triangles(cone().vertices, np.zeros((0, 3))), "no faces"),
    "not a number": (lambda: broken(cone(), np.nan), "1 of the mesh's vertices"),
    "infinite": (lambda: broken(cone(), np.inf), "not numbers"),
    "no size": (lambda: cone().at(np.ones_like(cone().vertices)), "no size"),
    "a line": (lambda: cone().at(cone().vertices * np.float32([0, 0, 1])), "no area"),
    "all pinned": (lambda: replace(cone(), pin=np.ones(len(cone().vertices), np.float32)), "pinned"),
    "all that is weighed is pinned": (lambda: replace(cone(), **pinned_where_weighed()), "pinned too"),
    "nearly pinned": (lambda: replace(cone(), pin=np.full(len(cone().vertices), 0.999, np.float32)), "pinned"),
    "no weight": (lambda: replace(cone(), weight=np.zeros(len(cone().vertices), np.float32)), "weight"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_live_is_refused_in_words(case):
    make, words = REFUSED[case]
    with pytest.raises(UnusableSubject, match=words):
        Life(make(), asked(frames=3))


@pytest.mark.parametrize("case", ["no vertices", "no faces", "a line"])
def test_nothing_of_a_job_is_stored_whose_subject_is_refused(case):
    make, words = REFUSED[case]
    records = pipelines.carry_out(asked(frames=3), bytes(wire.pack_mesh(make())), silent)
    with pytest.raises(UnusableSubject, match=words):
        next(records)


def test_a_reverse_that_memory_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr(lifecycle, "REVERSIBLE", 7 * len(cone().vertices) * 40)
    with pytest.raises(UnusableSubject, match=r"8 frames of 194 vertices are too many .* at most 7, or take a lighter"):
        Life(cone(), asked(frames=8, reverse=True))
    Life(cone(), asked(frames=8))
    assert len(lived(cone(), frames=7, reverse=True)) == 7


def test_a_result_says_which_backend_made_it():
    subject = bytes(wire.pack_mesh(cone(), version="of a client"))
    for request, mesh in ((asked(frames=2), subject), (Generate(prompt="a rose", frames=2), None)):
        record, _ = protocol.unpack(next(pipelines.carry_out(request, mesh, silent)))
        assert record.version == protocol.VERSION


def test_simplifying_a_heavy_mesh_can_be_stopped_in_every_round(monkeypatch):
    heard = []
    mesh = cone(sides=60, rings=60)
    proxy.clusters(mesh.vertices, mesh.faces, 300, lambda done, text: heard.append(text))
    assert heard == ["Simplifying the mesh"] * 5


# --- previews


@pytest.mark.parametrize("process", ["wilt", "melt"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_preview_is_about_what_will_come(process, reverse):
    mesh = cone()
    life = Life(mesh, asked(process, frames=10, reverse=reverse, first=0.1, last=0.9))
    whole, coarse = list(life.frames(silent)), dict(life.preview(silent))
    assert list(coarse) == [0, 4, 8, 9]
    size = np.ptp(mesh.vertices, axis=0).max()
    for number, frame in coarse.items():
        assert frame.tau == whole[number].tau
        assert np.linalg.norm(frame.positions - whole[number].positions, axis=1).mean() < 0.12 * size
        np.testing.assert_allclose(frame.albedo, whole[number].albedo, atol=0.2)


def test_previews_come_first_and_are_marked():
    subject = bytes(wire.pack_mesh(cone()))
    for preview in (True, False):
        records = list(pipelines.carry_out(asked(frames=6, preview=preview), subject, silent))
        told = [protocol.unpack(record)[0] for record in records]
        frames = [(one.index, one.preview) for one in told if isinstance(one, protocol.FrameRecord)]
        marked = [isinstance(record, Preview) for record in records]
        early = [(0, True), (4, True), (5, True)] if preview else []
        assert frames == early + [(index, False) for index in range(6)]
        assert marked == [False, *[flag for _, flag in frames], False]


def test_what_a_second_attempt_makes_anew_is_marked_and_nothing_else_differs():
    subject = bytes(wire.pack_mesh(cone()))
    once, again = (list(pipelines.carry_out(asked(frames=3), subject, silent)) for _ in range(2))
    assert [one != other for one, other in zip(once, again, strict=True)] == [isinstance(one, Varying) for one in once]


def test_a_preview_that_fails_does_not_cost_the_life(monkeypatch):
    def fails(life, report):
        raise FloatingPointError("too coarse")
        yield

    monkeypatch.setattr(Life, "preview", fails)
    records = pipelines.carry_out(asked(frames=3, preview=True), bytes(wire.pack_mesh(cone())), silent)
    assert [type(protocol.unpack(record)[0]).__name__ for record in records] == [
        "Subject", *["FrameRecord"] * 3, "Certificate",
    ]  # fmt: skip


def test_a_solve_that_breaks_down_is_told_with_what_to_do(monkeypatch):
    def broken(*_):
        body = weld(cone()).body
        yield Moment(0.25, (np.full_like(body.vertices, np.nan),), body.look)

    monkeypatch.setattr(lifecycle, "live", broken)
    with pytest.raises(FloatingPointError) as error:
        list(pipelines.carry_out(asked(frames=3), bytes(wire.pack_mesh(cone())), silent))
    failure = pipelines.failure(error.value)
    assert failure.code == "nan_result" and "life time 0.25: choose a lower Amount" in failure.text


# --- the part of life that is shown, and its pace


def test_timing_changes_when_and_not_what():
    paces = {
        timing: lifecycle.life_times(asked(frames=9, first=0.2, last=0.7, timing=timing))
        for timing in ("even", "slow_start", "slow_end", "slow_both")
    }
    for times in paces.values():
        assert times[0] == pytest.approx(0.2) and times[-1] == pytest.approx(0.7)
        assert (np.diff(times) > 0).all()
    steps = {timing: np.diff(times) for timing, times in paces.items()}
    np.testing.assert_allclose(steps["even"], 0.5 / 8)
    assert steps["slow_start"][0] < 0.3 * steps["even"][0] < steps["slow_start"][-1]
    np.testing.assert_allclose(steps["slow_end"], steps["slow_start"][::-1])
    np.testing.assert_allclose(steps["slow_both"], steps["slow_both"][::-1])
    assert steps["slow_both"][0] < steps["even"][0] < steps["slow_both"][4]


def test_several_processes_bring_a_pose_each_in_the_artists_own_vertices():
    mesh = soup(cone())
    request = protocol.Animate(stages=protocol.from_words("wilt + melt", {}), frames=3, preview=False)
    alone = lived(mesh, process="wilt", frames=3, seed=0)
    for one, other in zip(Life(mesh, request).frames(silent), alone, strict=True):
        assert one.poses.shape == (1, len(mesh.vertices), 3)
        np.testing.assert_allclose(one.poses[0], other.positions, atol=1e-6)


def test_a_still_pot_keeps_still():
    vertices, faces = potted()
    pot = vertices[:, 2] < 0.26
    mesh = Mesh.from_triangles(vertices.astype(np.float32), faces, weight=np.where(pot, 0.0, 1.0).astype(np.float32))
    frames = lived(mesh)
    np.testing.assert_array_equal(frames[-1].positions[pot], mesh.vertices[pot])
    np.testing.assert_allclose(frames[-1].albedo[pot], protocol.GREY)
    assert np.abs(frames[-1].positions - mesh.vertices)[~pot].max() > 0.1


def test_a_process_that_can_do_nothing_with_a_mesh_says_so_before_anything_is_stored():
    for preview in (True, False):
        records = pipelines.carry_out(asked("bloom", preview=preview), bytes(wire.pack_mesh(cone())), silent)
        with pytest.raises(NotForThis, match="petals") as refused:
            next(records)
        assert pipelines.failure(refused.value).code == "bad_subject"


def test_a_later_process_that_can_do_nothing_says_so_before_the_first_frame():
    asked_for = protocol.Animate(stages=protocol.from_words("wilt, close", {}), frames=6)
    with pytest.raises(NotForThis, match="petals"):
        next(Life(cone(), asked_for).frames(silent))
