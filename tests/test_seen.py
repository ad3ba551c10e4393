"""What needs no torch of meshes and planes that move as a picture does: requests, records, the plane's grid."""

import importlib.util
import json

import msgspec
import numpy as np
import pytest

from backend import learned, pipelines, protocol, spectral, wire
from backend.clip import Mesh
from backend.pipelines import expected
from backend.pipelines.plane import on_grid, shares, upright
from backend.report import silent

NEAR, FAR = 0.1, 1000.0
VIEW = np.array([[0.8, 0.6, 0, -3], [-0.6, 0.8, 0, 2], [0, 0, 1, -1e5], [0, 0, 0, 1]])
LENS = np.array(
    [[2, 0, 0, 0], [0, 3, 0, 0], [0, 0, (NEAR + FAR) / (NEAR - FAR), 2 * NEAR * FAR / (NEAR - FAR)], [0, 0, -1, 0]]
)
PARALLEL = np.diag([0.5, 0.5, 2 / (NEAR - FAR), 1.0])


def camera(view=VIEW, projection=LENS) -> protocol.Camera:
    return protocol.Camera(view=tuple(view.ravel().tolist()), projection=tuple(projection.ravel().tolist()))


# --- what is asked for


@pytest.mark.parametrize(
    "request_", [protocol.SwayAsSeen(camera=camera(), modes=7, steps=20), protocol.Plane(size=3.0, detail=40, seed=2)]
)
def test_a_request_comes_back_from_the_wire_as_it_was(request_):
    call = protocol.Submit(id=1, job="0" * 32, request=request_, title="")
    assert protocol.decode_call(protocol.encode(call))[0].request == request_


def test_provenance_tells_what_was_asked_for():
    made = protocol.provenance(protocol.SwayAsSeen(camera=camera(), storm=0.7))
    assert (made["kind"], made["storm"]) == ("sway_as_seen", "0.7")
    assert json.loads(made["camera"]) == {"view": VIEW.ravel().tolist(), "projection": LENS.ravel().tolist()}
    made = protocol.provenance(protocol.Plane(detail=50))
    assert (made["kind"], made["detail"], made["size"]) == ("plane", "50", "2.0")


def test_a_sway_as_seen_has_the_settings_of_a_sway_but_those_that_are_the_models():
    ours, theirs = (
        {field.name: field.default for field in msgspec.structs.fields(kind)}
        for kind in (protocol.SwayAsSeen, protocol.Sway)
    )
    assert theirs.keys() - ours.keys() == {"engine", "direction", "frequencies", "lowest"}
    assert ours.keys() - theirs.keys() == {"camera", "steps", "model"}
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())
    with pytest.raises(msgspec.ValidationError, match="frequencies"):
        msgspec.convert({"camera": msgspec.to_builtins(camera()), "frequencies": 8}, protocol.SwayAsSeen)


@pytest.mark.parametrize("projection", [LENS, PARALLEL, LENS @ np.diag([1e-3, 1e3, 1, 1])])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_camera_may_be_far_away_and_in_any_unit(projection, scale):
    assert camera(VIEW @ np.diag([scale, scale, scale, 1]), projection).view[3] == -3


def changed(matrix: np.ndarray, at: tuple, value) -> np.ndarray:
    matrix = matrix.copy()
    matrix[at] = value
    return matrix


@pytest.mark.parametrize(
    ("view", "projection", "sentence"),
    [
        (changed(VIEW, (1, 2), np.nan), LENS, "view holds NaN or infinity"),
        (VIEW, changed(LENS, (0, 0), np.inf), "projection holds NaN or infinity"),
        (VIEW[:3], LENS, "16"),
        (VIEW, np.append(LENS, 0.0), "16"),
        (VIEW @ np.diag([1, 0, 1, 1]), LENS, "view makes all that it shows flat"),
        (changed(VIEW, 1, 2 * VIEW[0]), LENS, "view makes all that it shows flat"),
        (VIEW @ np.diag([1, 1e-300, 1e-300, 1]) * 0, LENS, "view makes"),
        (VIEW, changed(LENS, (0, 0), 0.0), "projection makes all that it shows flat"),
        (VIEW, changed(LENS, 3, LENS[2]), "projection makes all that it shows flat"),
    ],
)
def test_what_is_no_camera_is_refused(view, projection, sentence):
    numbers = {"view": view.ravel().tolist(), "projection": projection.ravel().tolist()}
    with pytest.raises(ValueError, match=sentence):
        msgspec.convert(numbers, protocol.Camera)
    with pytest.raises(ValueError, match=sentence):
        protocol.Camera(**{name: tuple(values) for name, values in numbers.items()})


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"size": 0.0}, ">= 0.01"), ({"size": 101.0}, "<= 100"), ({"detail": 7}, ">= 8"), ({"detail": 257}, "<= 256"),
        ({"steps": -1}, ">= 0"), ({"steps": 7}, "7 steps do not divide 1000"),
        ({"damping": 0.0}, ">= 0.005"), ({"amplitude": 0.0}, ">= 0.1"), ({"speed": 1.0}, "speed"),
    ],
)  # fmt: skip
def test_a_plane_that_cannot_be_asked_for_is_refused(asked, sentence):
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(asked, protocol.Plane)


@pytest.mark.parametrize("kind", [protocol.Picture, protocol.Plane, protocol.SwayAsSeen])
def test_steps_are_refused_where_they_are_asked_for(kind):
    rest = {"camera": camera()} if kind is protocol.SwayAsSeen else {}
    for steps in (0, 1, 50, 1000):
        assert kind(steps=steps, **rest).steps == steps
    with pytest.raises(ValueError, match=r"600 steps do not divide 1000, .* 500, 1000, or 0$"):
        kind(steps=600, **rest)


# --- records


def triangle() -> Mesh:
    return Mesh.from_triangles(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))


@pytest.mark.parametrize("channels", [3, 4])
def test_a_mesh_brings_its_picture(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    packed = wire.pack_mesh(triangle(), pixels, name="leaf")
    mesh, picture = wire.unpack_pictured(packed)
    np.testing.assert_array_equal(picture, pixels)
    np.testing.assert_array_equal(mesh.vertices, np.eye(3))
    plain, header = wire.unpack_mesh(packed)
    assert header.name == "leaf"
    np.testing.assert_array_equal(plain.faces, [[0, 1, 2]])


def test_a_mesh_without_its_picture_or_with_what_is_none_is_refused():
    with pytest.raises(protocol.BadMessage, match="A picture of the mesh is needed: choose a camera that sees it"):
        wire.unpack_pictured(wire.pack_mesh(triangle()))
    two = wire.pack_mesh(triangle(), np.zeros((5, 7, 2), np.uint8))
    for unpack in (wire.unpack_pictured, wire.unpack_mesh):
        with pytest.raises(protocol.BadMessage, match="3 or 4 values, not 2"):
            unpack(two)
    with pytest.raises(protocol.BadMessage, match="4,096 a side are allowed"):
        wire.pack_mesh(triangle(), np.zeros((1, 4097, 3), np.uint8))
    with pytest.raises(protocol.BadMessage, match=r"float64, not \|u1"):
        wire.pack_mesh(triangle(), np.zeros((5, 7, 3)))


def test_what_is_not_brought_is_asked_for():
    asked = protocol.SwayAsSeen(camera=camera())
    for request, subject, sentence in (
        (asked, None, "A mesh is needed"),
        (asked, bytes(wire.pack_mesh(triangle())), "A picture of the mesh is needed"),
        (asked, bytes(wire.pack_picture(np.zeros((40, 40, 3), np.uint8))), "Expected a mesh"),
        (protocol.Plane(), None, "A picture is needed"),
        (protocol.Plane(), bytes(wire.pack_mesh(triangle())), "Expected a picture"),
    ):
        with pytest.raises(protocol.BadMessage, match=sentence) as refused:
            list(pipelines.carry_out(request, subject, silent))
        assert pipelines.failure(refused.value).code == "bad_subject"


SEEN = protocol.SeenRecord(base=0.2, explained=0.75, pixels=300, advised=0.4, said=("a", "b"))


def test_what_is_seen_comes_back_as_it_was():
    rng = np.random.default_rng(1)
    amplitudes = (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))).astype(np.complex64)
    record, arrays = protocol.unpack(wire.pack_seen(SEEN, amplitudes))
    assert (record.base, record.explained, record.pixels) == (0.2, 0.75, 300)
    assert (record.advised, record.said) == (0.4, ("a", "b"))
    np.testing.assert_array_equal(arrays["amplitudes"][..., 0] + 1j * arrays["amplitudes"][..., 1], amplitudes)


def test_a_plane_has_no_modes_that_explain_a_part():
    packed = wire.pack_seen(msgspec.structs.replace(SEEN, explained=None), np.ones((2, 3), complex))
    assert protocol.unpack(packed)[0].explained is None


@pytest.mark.parametrize(("explained", "bad"), [(0.5, np.nan), (0.5, 1j * np.inf), (np.nan, 1.0), (0.5, 1e60)])
def test_what_is_seen_holds_numbers_only(explained, bad):
    amplitudes = np.ones((2, 3), complex)
    amplitudes[1, 2] = bad
    with pytest.raises(wire.NotFinite):
        wire.pack_seen(msgspec.structs.replace(SEEN, explained=explained), amplitudes)


def test_a_record_of_what_is_seen_has_its_limits():
    wrongs = ({"base": 0.0}, {"explained": 1.5}, {"pixels": -1}, {"advised": 0.0}, {"advised": 1.1})
    for wrong in (*wrongs, {"said": ("x" * 201,)}):
        packed = wire.pack_seen(msgspec.structs.replace(SEEN, **wrong), np.ones((2, 3), complex))
        with pytest.raises(protocol.BadMessage):
            protocol.unpack(packed)


# --- what the backend can do


def test_a_backend_says_why_it_brings_no_picture_to_life(monkeypatch, tmp_path):
    found, missing = importlib.util.find_spec, {"torch", "diffusers", "safetensors"}

    def find_spec(name):
        return None if name in missing else object() if name in ("torch", "diffusers", "safetensors") else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(expected, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(learned, "REQUIREMENTS", tmp_path / ("long" * 50) / "requirements.txt")
    engines = pipelines.capabilities()
    assert engines.lacking.startswith("Not installed: torch, diffusers, safetensors. Press Install Learned Engine in")
    assert msgspec.convert(msgspec.to_builtins(engines), protocol.Engines) == engines
    missing -= {"torch", "diffusers"}
    assert pipelines.capabilities().lacking.startswith("Not installed: safetensors.")
    missing.clear()
    engines = pipelines.capabilities()
    assert (engines.lacking, engines.no_model[:44]) == ("", "No trained model comes with this version: tr")
    (tmp_path / "weights").mkdir()
    engines = pipelines.capabilities()
    assert (engines.lacking, engines.no_model) == ("", "")


def test_the_model_is_a_folder():
    for kind in (protocol.Picture, protocol.Plane, protocol.SwayAsSeen):
        (model,) = (field for field in msgspec.inspect.type_info(kind).fields if field.name == "model")
        assert model.type.extra == {"path": "folder"}


# --- the grid


@pytest.mark.parametrize(
    ("width", "height", "columns", "rows"), [(300, 200, 31, 21), (200, 300, 21, 31), (9, 900, 2, 31)]
)
def test_the_plane_stands_upright_before_who_looks_along_y(width, height, columns, rows):
    share = shares(width, height, 31)
    metres = 3.0 * np.array([width, height]) / max(width, height)
    mesh = upright(share, metres)
    assert (len(mesh.vertices), len(mesh.sizes)) == (columns * rows, (columns - 1) * (rows - 1))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low, [-metres[0] / 2, 0, 0], atol=1e-6)
    np.testing.assert_allclose(high, [metres[0] / 2, 0, metres[1]], rtol=1e-6)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    assert (normals[:, 1] < 0).all()
    np.testing.assert_allclose(-normals[:, 1].sum() / 2, metres.prod(), rtol=1e-5)
    places = mesh.vertices[mesh.corners][:, [0, 2]]
    np.testing.assert_allclose(mesh.uv * metres - [metres[0] / 2, 0], places, atol=1e-6)


METRES = np.array([3.0, 2.0])


def still_but(across: np.ndarray, down: np.ndarray) -> spectral.SpectralVolume:
    """Of one swing; the lean is another one, and is not looked at."""
    swing = np.stack(np.broadcast_arrays(across, down), axis=2)
    return spectral.SpectralVolume(np.stack([np.full_like(swing, 9.0), swing]).astype(np.complex64))


def test_a_pixel_to_the_right_and_down_is_metres_along_x_and_against_z():
    flat = still_but(np.full((40, 60), 0.3 + 0.6j), np.full((40, 60), -0.2j))
    share = shares(60, 40, 25)
    moved = on_grid(flat, share, METRES)
    inside = ((share > 0.1) & (share < 0.9)).all(axis=1)
    expected_ = np.array([(0.3 + 0.6j) * 3 / 60, 0, 0.2j * 2 / 40])
    np.testing.assert_allclose(moved[0, inside], np.broadcast_to(expected_, (inside.sum(), 3)), rtol=1e-6)


def test_the_outline_stays_and_what_goes_along_it_goes():
    flat = still_but(np.full((40, 60), 0.3), np.full((40, 60), 0.2))
    share = shares(60, 40, 25)
    moved = on_grid(flat, share, METRES)[0]
    sides, ends = (np.isin(share[:, axis], (0.0, 1.0)) for axis in (0, 1))
    assert (moved[sides, 0] == 0).all() and (moved[ends, 2] == 0).all()
    inside = ends & (share[:, 0] > 0.1) & (share[:, 0] < 0.9)
    np.testing.assert_allclose(moved[inside, 0], 0.3 * 3 / 60, rtol=1e-6)


def test_between_pixels_motion_is_even_and_the_outermost_reach_the_outline():
    """A motion that grows by as much a pixel: at the outline, half a pixel further out, it is that of the last one."""
    x, y = np.meshgrid(np.arange(60) + 0.5, np.arange(40) + 0.5)
    share = shares(60, 40, 97)
    moved = on_grid(still_but(1e-3 * y, 1e-3 * x), share, METRES)[0]
    places = np.clip(share * [60, 40], 0.5, [59.5, 39.5])
    down = 40 - places[:, 1]
    across = (share[:, 0] > 0.02) & (share[:, 0] < 0.98)
    np.testing.assert_allclose(moved[across, 0], 1e-3 * down[across] * 3 / 60, rtol=1e-4)
    upward = (share[:, 1] > 0.02) & (share[:, 1] < 0.98)
    np.testing.assert_allclose(moved[upward, 2], -1e-3 * places[upward, 0] * 2 / 40, rtol=1e-4)


@pytest.mark.parametrize(("reach", "amplitude"), [(0.5, 3.0), (2.0, 3.0), (3.2, 3.0), (8.0, 1.0), (9.5, 1.0)])
def test_no_motion_of_the_whole_folds_the_grid_at_its_outline(reach, amplitude):
    """Of a picture of 60 pixels which all goes to and fro, twice `reach`: nothing passes anything else."""
    share = shares(60, 40, 121)
    moved = on_grid(still_but(np.full((40, 60), reach), np.full((40, 60), 0.5j * reach)), share, METRES)[0]
    mesh = upright(share, METRES)
    for turn in np.linspace(0, 2 * np.pi, 9):
        now = mesh.vertices + amplitude * (moved * np.exp(1j * turn) - moved).real
        a, b, c = (now[mesh.faces[:, k]] for k in range(3))
        assert (np.cross(b - a, c - a)[:, 1] < 0).all()
