"""A picture as a plane that sways: its vertices against the motion of the picture, records, what cannot be."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
import torch
import xxhash

from backend import pipelines, protocol, spectral, wire
from backend.learned import NotInstalled
from backend.pipelines.expected import Still, UnusableSetting
from backend.pipelines.plane import plane
from backend.pipelines.still import UnusablePicture
from backend.pipelines.trained import NoModel
from backend.priors.dynamics import Sampling
from backend.priors.dynamics.normal import as_slices, displacements
from backend.report import Cancelled, Varying, silent
from tests.learned import tiny
from tests.learned.tiny import HIGH, WIDE, blocks, expecting
from tests.played import synthesise
from tests.service_client import Client, Server


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return tiny.saved(tmp_path_factory.mktemp("model"))


def motion(size=0.25) -> spectral.SpectralVolume:
    """Another one in each bin and place, as `predict` gives it: at t = 0 all is where the picture has it."""
    rng = np.random.default_rng(3)
    found = size * (rng.normal(size=(5, HIGH, WIDE, 2)) + 1j * rng.normal(size=(5, HIGH, WIDE, 2)))
    found[0] = -found[1:].real.sum(axis=0)
    return spectral.SpectralVolume(found.astype(np.complex64))


def records(request, pixels, report=silent) -> list[tuple]:
    made = pipelines.carry_out(request, bytes(wire.pack_picture(pixels)), report)
    return [protocol.unpack(bytes(record)) for record in made]


def put_together(found: list[tuple]) -> tuple[np.ndarray, spectral.SpectralVolume]:
    """What a client makes of the records: rest (V, 3) and volume (K, V, 3)."""
    shapes = np.stack([arrays["shape"] for record, arrays in found if isinstance(record, protocol.ModeRecord)])
    (seen,) = (each for each in found if isinstance(each[0], protocol.SeenRecord))
    amplitudes = seen[1]["amplitudes"][..., 0] + 1j * seen[1]["amplitudes"][..., 1]
    return found[0][1]["vertices"], spectral.lifted(amplitudes, shapes, seen[0].base)


def sampled(textures: torch.Tensor, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(T, 2, H, W) at shares of the picture (V,), (T, V, 2), by torch."""
    places = torch.from_numpy(np.stack([across, down], axis=1)).float() * 2 - 1
    grid = places[None, None].expand(len(textures), 1, -1, 2)
    found = torch.nn.functional.grid_sample(textures, grid, padding_mode="border", align_corners=False)
    return found[:, :, 0].movedim(1, 2).numpy()


# --- what comes of it


def test_the_records_are_a_plane_its_modes_and_how_they_move(model, monkeypatch):
    asked = expecting(monkeypatch, motion())
    found = records(protocol.Plane(model=model, size=3.0, detail=25, damping=0.1, fps=30.0, seed=7, steps=20), blocks())
    kinds = [type(record) for record, _ in found]
    assert kinds == [protocol.Subject, *[protocol.ModeRecord] * 8, protocol.SeenRecord, protocol.Certificate]
    subject, arrays = found[0]
    assert (subject.loop, subject.fps, subject.windblown, subject.version) == (True, 30.0, False, protocol.VERSION)
    assert arrays.keys() == {"vertices", "corners", "sizes", "triangles", "uv"}
    assert len(arrays["vertices"]) == 25 * 17
    modes = [record for record, _ in found[1:9]]
    assert [mode.index for mode in modes] == list(range(8))
    np.testing.assert_allclose([mode.frequency for mode in modes], np.repeat([0.2, 0.4, 0.6, 0.8], 2))
    assert {mode.damping for mode in modes} == {0.1}
    assert (found[9][0].explained, found[9][0].pixels, found[9][0].base) == (None, HIGH * WIDE, 0.2)
    measured = {name: value for name, value, _ in found[-1][0].measured}
    assert measured["frames"] == 24 and measured[protocol.Certificate.DISPLACEMENT] > 0.01
    ((picture, seed, how),) = asked
    assert (tuple(picture.shape), seed, how) == ((3, HIGH, WIDE), 7, replace(Sampling(), steps=20))


def test_how_much_of_it_holds_together_is_told_and_the_motion_is_left_as_it_is(model, monkeypatch):
    near, far = motion(0.25), motion(1.0)
    for volume, amplitude, share in ((near, 1.0, 1.0), (far, 1.0, None), (near, 4.0, None)):
        expecting(monkeypatch, volume)
        found = records(protocol.Plane(model=model, detail=25, amplitude=amplitude), blocks())
        seen = found[9][0]
        _, moving = put_together(found)
        whole = plane(blocks(), protocol.Plane(model=model, detail=25, amplitude=amplitude), silent)
        np.testing.assert_allclose(moving.coefficients, whole.volume.coefficients, atol=1e-5)
        if share is not None:
            assert seen.advised == share and not seen.said
            continue
        reach = amplitude * spectral.farthest(volume) / HIGH
        assert seen.advised * reach == pytest.approx(0.15, rel=0.35) and seen.advised < 1
        assert seen.said[-1].endswith(f"an amplitude of {seen.advised * amplitude:.1g}")


def test_its_modes_and_how_they_move_are_of_one_attempt(model):
    """A GPU gives others each time, and a second attempt must not go on with them."""
    made = pipelines.carry_out(
        protocol.Plane(model=model, steps=2, detail=8), bytes(wire.pack_picture(blocks())), silent
    )
    assert [isinstance(record, Varying) for record in made] == [*[False] * 10, True]


def test_vertices_move_as_the_picture_does(model, monkeypatch):
    volume = motion(0.12)
    expecting(monkeypatch, volume)
    found = records(protocol.Plane(model=model, size=3.0, detail=40), blocks())
    rest, moving = put_together(found)
    turns = np.array([0.0, 0.13, 0.5, 0.77])
    moved = synthesise(moving, turns * moving.period)
    assert np.abs(moved[0]).max() < 1e-6
    across, up = rest[:, 0] / 3 + 0.5, rest[:, 2] / 2
    textures = displacements(as_slices(volume), torch.from_numpy(turns).float())
    pixels = sampled(textures, across, 1 - up)
    # a margin is five times as wide as what is next to the outline goes across it
    reach = np.abs(displacements(as_slices(volume), torch.arange(80) / 80).numpy())
    margins = 5 * np.array([reach[:, 0][:, :, [0, -1]].max() / WIDE, reach[:, 1][:, [0, -1]].max() / HIGH]) + 0.01
    assert margins.max() < 0.45
    inside = (np.abs(across - 0.5) < 0.5 - margins[0]) & (np.abs(up - 0.5) < 0.5 - margins[1])
    assert inside.sum() > 30
    expected = np.stack([pixels[..., 0] * 3 / WIDE, np.zeros(pixels.shape[:2]), -pixels[..., 1] * 2 / HIGH], axis=2)
    np.testing.assert_allclose(moved[:, inside], expected[:, inside], atol=1e-5)
    assert np.abs(moved[1:]).max() > 0.02
    outline = np.isclose(across, 0) | np.isclose(across, 1)
    assert np.abs(moved[:, outline, 0]).max() == 0 < np.abs(moved[:, outline, 2]).max()


def test_its_amplitude_is_how_far_all_goes(model, monkeypatch):
    expecting(monkeypatch, motion(0.01))  # so little that no margin has to be wider
    moved = {}
    for amplitude in (1.0, 2.0):
        found = plane(blocks(), protocol.Plane(model=model, detail=12, amplitude=amplitude), silent)
        moved[amplitude] = found.volume.coefficients
    assert np.abs(moved[1.0]).max() > 0
    np.testing.assert_allclose(moved[2.0], 2 * moved[1.0], rtol=1e-5, atol=1e-12)


def test_what_was_done_to_the_picture_is_said(model):
    pixels = blocks(channels=4)
    pixels[..., 3] = 255
    pixels[:16, :, 3] = 0
    found = records(protocol.Plane(model=model, steps=2, detail=8), pixels)
    assert found[-2][0].said[0] == "25% of the picture is transparent, where the model sees a mid grey"


def test_it_goes_through_the_service(model, tmp_path):
    data = bytes(wire.pack_picture(blocks()))
    request = protocol.Plane(model=model, steps=2, detail=8, seed=3)
    blob, job = xxhash.xxh3_128_hexdigest(data), uuid.uuid4().hex
    with Server(tmp_path, runner="backend.pipelines") as server, Client(server.connection) as client:
        client.put(data)
        submit = protocol.Submit(job=job, request=request, title="Photo", blob=blob)
        assert isinstance(client.ask(submit, protocol.Accepted), protocol.Accepted)
        assert client.wait(job, seconds=240).state == "done"
        come, end = client.fetch(job)
    assert (end.state, end.records) == ("done", 11)
    here = [protocol.unpack(bytes(record)) for record in pipelines.carry_out(request, data, silent)]
    for number, (record, arrays) in enumerate(here[:10]):
        arrived, its = protocol.unpack(come[number])
        assert arrived == record and its.keys() == arrays.keys()
        for name, array in arrays.items():  # not to the bit: a worker may add in another order, on other threads
            np.testing.assert_allclose(its[name], array, rtol=1e-4, atol=1e-6, err_msg=f"{name} of {record}")
    assert isinstance(protocol.unpack(come[10])[0], protocol.Certificate)


def test_steps_are_told_in_order_and_a_job_that_is_cancelled_stops_there(model):
    told = []
    request = protocol.Plane(model=model, steps=4, detail=8)
    records(request, blocks(), lambda *reported: told.append(reported))
    assert [text for _, text in told if text.startswith("Drawing")] == [
        f"Drawing the motion, step {step} of 4" for step in (1, 2, 3, 4)
    ]
    assert [done for done, _ in told] == sorted(done for done, _ in told)

    def report(done, text):
        if text.startswith("Drawing the motion, step 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        records(request, blocks(), report)


# --- what cannot be


def test_what_cannot_be_a_plane_is_refused_in_a_sentence(model, monkeypatch, tmp_path):
    usual = protocol.Plane(model=model)
    for request, pixels, error, sentence in (
        (usual, np.full((64, 64, 3), 9, np.uint8), UnusablePicture, "of one colour"),
        (usual, blocks(20, 96), UnusablePicture, "at least 32 a side"),
        (
            protocol.Plane(model=model, fps=1.0),
            blocks(),
            UnusableSetting,
            "1 frames a second: raise the frame rate",
        ),
        (protocol.Plane(model=str(tmp_path / "none")), blocks(), NoModel, "No model lies in"),
        (protocol.Plane(model=tiny.saved(tmp_path / "many", bins=26)), blocks(), NoModel, "26 frequencies, and 25 can"),
    ):
        with pytest.raises(error, match=sentence):
            records(request, pixels)
    expecting(monkeypatch, motion(1e-3))
    with pytest.raises(Still, match=r"moves by 0\.0\d+ pixels at most: try another seed or another view, or"):
        records(usual, blocks())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotInstalled):
        records(usual, blocks())


def test_a_motion_that_is_not_of_numbers_is_told_of(model, monkeypatch):
    bad = motion()
    bad.coefficients[2, 3, 4, 0] = np.nan
    expecting(monkeypatch, bad)
    with pytest.raises(wire.NotFinite, match="its weights are broken"):
        plane(blocks(), protocol.Plane(model=model), silent)
