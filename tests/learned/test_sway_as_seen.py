"""A mesh that moves as a model expects of its picture: the whole job, against a motion that is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scipy.ndimage import gaussian_filter

from backend import pipelines, protocol, spectral, wind, wire
from backend.clip import Mesh
from backend.learned import NotInstalled
from backend.lifting import SHARP, Unseen, explained, look
from backend.pipelines import seen as seen_so
from backend.pipelines.expected import Still, UnusableSetting
from backend.pipelines.lifecycle import UnusableSubject
from backend.pipelines.seen import LEARNED
from backend.pipelines.still import UnusablePicture
from backend.pipelines.sway import sway
from backend.pipelines.trained import NoModel
from backend.priors.dynamics import Sampling
from backend.report import Cancelled, Varying, silent
from kernels.compiling import announce
from tests import filmed
from tests.learned import tiny
from tests.learned.tiny import blocks, expecting

SIZE = (64, 96)  # as the networks see it
MODES = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return tiny.saved(tmp_path_factory.mktemp("model"), height=SIZE[0], width=SIZE[1])


@pytest.fixture(scope="module")
def leaf():
    return filmed.specimen("oak_leaf", 0.2)


@pytest.fixture(scope="module")
def through(leaf):
    return filmed.portrait(leaf.vertices, np.array([0.7, 1.0, -0.4]), SIZE)


@pytest.fixture(scope="module")
def truth(leaf, through):
    """How another wind moves the leaf than the one that its sway knows, and what the camera sees of that."""
    swaying = sway(leaf, protocol.Sway(modes=MODES), silent)
    other = replace(swaying.answer.wind, seed=77)
    blown = wind.sway_both_ways(swaying.limber, other, spectral.Loop(bins=5)).towards(0.6)
    motion = spectral.lifted(2 * blown, swaying.modes.shapes)
    motion, shown = filmed.filmed(through, leaf.vertices, leaf.faces, motion, SIZE)
    parts = (softened(part, LEARNED.soft) for part in (shown.coefficients.real, shown.coefficients.imag))
    soft = next(parts) + 1j * next(parts)
    return motion, replace(shown, coefficients=soft)


def softened(coefficients, pixels):
    return gaussian_filter(coefficients, (0, pixels, pixels, 0))


def of(through, model, **rest) -> protocol.SwayAsSeen:
    matrices = {name: tuple(getattr(through, name)[0].flatten().tolist()) for name in ("view", "projection")}
    return protocol.SwayAsSeen(camera=protocol.Camera(**matrices), model=model, modes=MODES, **rest)


def records(request, mesh, pixels, report=silent) -> list[tuple]:
    made = pipelines.carry_out(request, bytes(wire.pack_mesh(mesh, pixels)), report)
    return [protocol.unpack(bytes(record)) for record in made]


def put_together(found: list[tuple]) -> spectral.SpectralVolume:
    """What a client makes of the records."""
    shapes = np.stack([arrays["shape"] for record, arrays in found if isinstance(record, protocol.ModeRecord)])
    (seen,) = (each for each in found if isinstance(each[0], protocol.SeenRecord))
    amplitudes = seen[1]["amplitudes"][..., 0] + 1j * seen[1]["amplitudes"][..., 1]
    return spectral.lifted(amplitudes, shapes, seen[0].base)


def test_the_mesh_moves_as_its_picture_does(leaf, through, truth, model, monkeypatch):
    motion, shown = truth
    asked, looked = expecting(monkeypatch, shown), []
    monkeypatch.setattr(seen_so, "look", lambda *given: looked.append(look(*given)) or looked[-1])
    pixels = blocks(channels=4) | np.uint8([0, 0, 0, 254])
    found = records(of(through, model, seed=4, steps=20, damping=0.1), leaf, pixels)
    kinds = [type(record) for record, _ in found]
    assert kinds == [protocol.Subject, *[protocol.ModeRecord] * MODES, protocol.SeenRecord, protocol.Certificate]
    assert (found[0][0].loop, found[0][0].fps, found[0][0].version) == (True, 24.0, protocol.VERSION)
    np.testing.assert_array_equal(found[0][1]["vertices"], leaf.vertices)
    assert "picture" not in found[0][1]
    frequencies = [record.frequency for record, _ in found[1 : MODES + 1]]
    assert frequencies == sorted(frequencies)
    assert all(record.damping > 0.1 for record, _ in found[1 : MODES + 1])  # the air's beside its own
    seen = found[-2][0]
    assert 0.6 < seen.explained <= 1 and 32 < seen.pixels < SIZE[0] * SIZE[1] and seen.base == 0.2
    assert seen.said[0].endswith("of the picture is wholly or partly transparent, where the model sees a mid grey")
    amplitudes = found[-2][1]["amplitudes"][..., 0] + 1j * found[-2][1]["amplitudes"][..., 1]
    assert seen.explained == pytest.approx(explained(looked[0], amplitudes), abs=1e-5)
    moving = put_together(found)
    assert filmed.apart(moving, motion) < 0.5
    assert np.abs(spectral.looped(moving, 1)).max() < 1e-5 * np.ptp(leaf.vertices, axis=0).max()
    measured = {name: value for name, value, _ in found[-1][0].measured}
    extent = np.ptp(leaf.vertices, axis=0).max()
    reach = np.linalg.norm(spectral.looped(moving, 24), axis=2).max() / extent
    assert measured[protocol.Certificate.DISPLACEMENT] == pytest.approx(reach, rel=0.05)
    ((picture, seed, how),) = asked
    assert (tuple(picture.shape), seed, how) == ((3, *SIZE), 4, replace(Sampling(), steps=20))


def test_the_motion_of_a_model_is_taken_to_be_as_soft_as_it_is(leaf, through, truth, model, monkeypatch):
    """Softened as LEARNED says, with errors that go together over 41 pixels, it is not taken for sharp."""
    motion, shown = truth
    rng = np.random.default_rng(0)
    there = (shown.coefficients != 0).any(axis=(0, 3))[..., None]
    parts = [softened(rng.normal(size=shown.coefficients.shape), 1.8) for _ in range(2)]
    errors = (parts[0] + 1j * parts[1]) / np.std(parts) * np.abs(shown.coefficients).mean(axis=(1, 2, 3), keepdims=True)
    expecting(monkeypatch, replace(shown, coefficients=shown.coefficients + there * errors))
    soft = put_together(records(of(through, model), leaf, blocks()))
    monkeypatch.setattr(seen_so, "LEARNED", SHARP)
    sharp = put_together(records(of(through, model), leaf, blocks()))
    assert filmed.apart(soft, motion) < 0.5 * filmed.apart(sharp, motion)


@pytest.fixture(scope="module")
def plant() -> Mesh:
    """A thick stem, and leaves of one layer that touch it: loose parts."""
    stem = trimesh.creation.cylinder(0.04, 1.6, sections=8)
    for _ in range(2):
        stem = stem.subdivide()
    parts = [stem.apply_translation([0, 0, 0.8])]
    across, along = np.meshgrid(np.linspace(-0.12, 0.12, 5), np.linspace(0.0, 0.5, 9))
    grid = np.arange(45).reshape(9, 5)
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4)
    for number in range(5):
        turn = 2.4 * number
        flat = np.stack([along.ravel(), across.ravel() * np.sin(np.pi * np.clip(along.ravel() / 0.5, 0.1, 0.95))])
        x, y = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ flat
        points = np.stack([x, y, 0.5 + 0.2 * number + 0.4 * along.ravel()], axis=1)
        parts.append(trimesh.Trimesh(points, np.concatenate([corners[:, :3], corners[:, [0, 2, 3]]]), process=False))
    whole = trimesh.util.concatenate(parts)
    return Mesh.from_triangles(whole.vertices, whole.faces)


def test_leaves_are_stiff_where_the_picture_moves_what_carries_them(plant, model, monkeypatch):
    """How thick they are is not known, and of thin ones the stem has no mode that could move so."""
    through = filmed.portrait(plant.vertices, np.array([0.7, 1.0, -0.2]), SIZE)
    height = plant.vertices[:, 2] / 1.6
    bent = np.zeros((5, len(height), 3), np.complex64)
    bent[2, :, 0] = 0.1 * height**2
    bent[0] = -bent[2].real
    _, picture = filmed.filmed(through, plant.vertices, plant.faces, spectral.SpectralVolume(bent), SIZE)
    expecting(monkeypatch, picture)
    told = []
    found = records(of(through, model), plant, blocks(), lambda done, _: told.append(done))
    seen = found[-2][0]
    assert seen.explained > 0.5 and seen_so.STURDY in seen.said and told == sorted(told)
    top = np.isclose(height, 1.0)
    assert np.abs(put_together(found).coefficients[2][top]).max() > 0.3 * np.abs(bent[2][top]).max()
    monkeypatch.setattr(seen_so, "THICK", seen_so.MATTER)
    with pytest.raises(Unseen, match=r"cannot move as the picture does.* press Sway Selected, which needs no picture"):
        records(of(through, model), plant, blocks())


def test_no_other_record_may_differ_in_a_second_attempt(leaf, through, truth, model, monkeypatch):
    """But what hangs on the networks alone, and the time: modes are the mesh's own."""
    expecting(monkeypatch, truth[1])
    made = pipelines.carry_out(of(through, model), bytes(wire.pack_mesh(leaf, blocks())), silent)
    assert [isinstance(record, Varying) for record in made] == [*[False] * (MODES + 1), True, True]


def test_what_a_cameras_matrix_is_multiplied_by_is_of_no_matter(leaf, through, truth, model, monkeypatch):
    """They are homogeneous."""
    expecting(monkeypatch, truth[1])
    scaled = through._replace(view=torch.diag(torch.tensor([4.0, 4, 4, 4])).double() @ through.view)
    one, other = (put_together(records(of(each, model), leaf, blocks())) for each in (through, scaled))
    np.testing.assert_allclose(other.coefficients, one.coefficients, atol=1e-6)


def test_all_that_is_done_is_told_in_order_and_compiling_too(leaf, through, truth, model, monkeypatch):
    told = []

    def predict(self, *_):
        announce()
        return truth[1]

    monkeypatch.setattr("backend.priors.dynamics.Dynamics.predict", predict)
    records(of(through, model), leaf, blocks(), lambda *reported: told.append(reported))
    texts = [text for _, text in told]
    assert any(text.startswith(pipelines.jobs.COMPILING) for text in texts)
    asked = (
        "Loading the model",
        "Finding its vibration modes",
        "Looking where the picture moves",
        "Moving the mesh as",
    )
    places = [next(n for n, text in enumerate(texts) if text.startswith(sentence)) for sentence in asked]
    assert places == sorted(places)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_drawing_is_told_and_can_be_cancelled(leaf, through, model):
    told = []

    def report(done, text):
        told.append((done, text))
        if text.startswith("Drawing the motion, step 2 of 4"):
            raise Cancelled

    with pytest.raises(Cancelled):
        records(of(through, model, steps=4), leaf, blocks(), report)
    assert told[-2:] == [
        (pytest.approx(0.3), "Drawing the motion, step 1 of 4"),
        (pytest.approx(0.45), "Drawing the motion, step 2 of 4"),
    ]


def refused(error: type, sentence: str, *job):
    with pytest.raises(error, match=sentence) as caught:
        records(*job)
    return pipelines.failure(caught.value).code


def test_what_cannot_be_seen_is_refused_in_a_sentence(leaf, through, truth, model, monkeypatch, tmp_path):
    usual = of(through, model)
    flat = np.full((64, 96, 3), 200, np.uint8)
    assert refused(UnusablePicture, "of one colour", usual, leaf, flat) == "bad_subject"
    assert refused(NoModel, "No model lies in", of(through, str(tmp_path)), leaf, blocks()) == "unsupported"
    told = []
    slow = of(through, model, fps=1.0), leaf, blocks(), lambda _, text: told.append(text)
    assert refused(UnusableSetting, "1 frames a second", *slow) == "unsupported"
    assert told == ["Loading the model"]  # and no modes were looked for first
    expecting(monkeypatch, spectral.magnified(truth[1], 1e-3))
    assert refused(Still, "Nothing in the picture is seen to move", usual, leaf, blocks()) == "bad_subject"
    expecting(monkeypatch, spectral.SpectralVolume(np.ones((5, *SIZE, 2), np.complex64)))
    assert refused(Unseen, "moves where the mesh is not", usual, leaf, blocks()) == "bad_subject"
    expecting(monkeypatch, truth[1])
    away = through._replace(view=torch.diag(torch.tensor([1.0, 1, -1, 1])).double() @ through.view)
    assert refused(Unseen, "Only 0 pixels", of(away, model), leaf, blocks()) == "bad_subject"
    pinned = replace(leaf, pin=np.ones(len(leaf.vertices), np.float32))
    assert refused(UnusableSubject, "Every vertex is pinned", usual, pinned, blocks()) == "bad_subject"


def test_without_torch_it_says_what_to_install(leaf, through, model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="Not installed: torch"):
        records(of(through, model), leaf, blocks())
