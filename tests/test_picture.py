"""What needs no torch of pictures that come to life: what is asked for, records, what a picture must be, ringing."""

import msgspec
import numpy as np
import pytest

from backend import pipelines, protocol, spectral, wire
from backend.pipelines.expected import Still
from backend.pipelines.picture import ring
from backend.pipelines.still import UnusablePicture, film_size, opaque
from backend.pipelines.trained import NoModel
from backend.report import silent

PULL = np.array([3.0, -1.0])


# --- what is asked for


def test_a_request_comes_back_from_the_wire_as_it_was():
    request = protocol.Picture(amplitude=2.0, speed=0.5, pull=(0.5, 0.2, 0.1, -0.1), model="/models/mine", loop=False)
    call = protocol.Submit(id=1, job="0" * 32, request=request, title="")
    assert protocol.decode_call(protocol.encode(call))[0].request == request
    assert protocol.provenance(request)["kind"] == "picture"
    assert protocol.Picture().pull is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"pull": (1.2, 0.5, 0.1, 0.0)}, "not in the picture"),
        ({"pull": (float("nan"), 0.5, 0.1, 0.0)}, "not in the picture"),
        ({"pull": (0.5, 0.5, 0.7, 0.0)}, "pull by up to 0.5"),
        ({"pull": (0.5, 0.5, 0.0, 0.0)}, "not by nothing"),
        ({"pull": (0.5, 0.5, float("nan"), 0.0)}, "pull by up to 0.5"),
        ({"amplitude": 11.0}, "<= 10"),
        ({"speed": 0.05}, ">= 0.1"),
        ({"size": 2000}, "<= 1024"),
        ({"steps": -1}, ">= 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        msgspec.convert(asked, protocol.Picture)


# --- records


def test_a_picture_and_a_frame_come_back_as_they_were():
    rng = np.random.default_rng(0)
    for channels in (3, 4):
        pixels = rng.integers(0, 256, (5, 7, channels), np.uint8)
        np.testing.assert_array_equal(wire.unpack_picture(wire.pack_picture(pixels)), pixels)
    record, arrays = protocol.unpack(wire.pack_film(pixels[..., :3], 8))
    assert (type(record), record.index) == (protocol.FilmRecord, 8)
    np.testing.assert_array_equal(arrays["pixels"], pixels[..., :3])


VOLUME = protocol.VolumeRecord(base=0.2, width=64, height=48, frames=9, fps=24.0, loop=True, farthest=3.0, said=("a",))


def test_a_volume_comes_back_as_far_as_half_floats_go():
    rng = np.random.default_rng(1)
    coefficients = (rng.normal(size=(3, 4, 5, 2)) + 1j * rng.normal(size=(3, 4, 5, 2))).astype(np.complex64)
    back, record = wire.unpack_volume(wire.pack_volume(VOLUME, coefficients))
    np.testing.assert_allclose(back, coefficients, atol=2e-3)
    assert (record.base, record.width, record.height, record.said) == (0.2, 64, 48, ("a",))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_a_volume_that_is_not_of_numbers_is_not_sent(bad):
    coefficients = np.zeros((2, 3, 3, 2), np.complex64)
    coefficients[1, 2, 0, 1] = 1j * bad
    with pytest.raises(wire.NotFinite):
        wire.pack_volume(VOLUME, coefficients)


def test_what_is_no_picture_is_refused():
    with pytest.raises(protocol.BadMessage, match="3 or 4 values, not 2"):
        wire.unpack_picture(wire.pack_picture(np.zeros((40, 40, 2), np.uint8)))
    with pytest.raises(protocol.BadMessage, match="Expected a picture, got a FilmRecord"):
        wire.unpack_picture(wire.pack_film(np.zeros((40, 40, 3), np.uint8), 0))
    with pytest.raises(protocol.BadMessage, match="Expected a motion"):
        wire.unpack_volume(wire.pack_film(np.zeros((40, 40, 3), np.uint8), 0))
    with pytest.raises(protocol.BadMessage, match="A picture is needed"):
        list(pipelines.carry_out(protocol.Picture(), None, silent))


def test_a_picture_that_is_too_large_is_refused_before_it_is_there():
    side = protocol.PICTURE_SIDE
    wire.pack_picture(np.zeros((1, side, 3), np.uint8))
    for shape in ((side + 1, 1, 3), (1, side + 1, 3)):
        with pytest.raises(protocol.BadMessage, match="4,096 a side are allowed"):
            wire.pack_picture(np.zeros(shape, np.uint8))
    for shape in ((4000, 4000, 1000), (2**31, 2**31, 4), (3, 3), (3, 3, 3, 3)):
        specs = (protocol.Array("pixels", "|u1", shape),)
        header = msgspec.msgpack.encode(protocol.PictureRecord(arrays=specs))
        with pytest.raises(protocol.BadMessage):
            protocol.unpack(b"ANR1" + len(header).to_bytes(4, "little") + header + bytes(64))


# --- what a picture must be


def noise(height=40, width=50, channels=3) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, channels), np.uint8)


def test_an_opaque_picture_stays_as_it_is():
    pixels = noise()
    same, said = opaque(pixels)
    assert said == ()
    np.testing.assert_array_equal(same, pixels)
    whole = np.concatenate([pixels, np.full((40, 50, 1), 255, np.uint8)], axis=-1)
    same, said = opaque(whole)
    assert said == ()
    np.testing.assert_array_equal(same, pixels)


def test_what_is_transparent_lies_before_a_mid_grey_and_that_is_said():
    pixels = noise(channels=4)
    pixels[..., 3] = 255
    pixels[:10, :, 3] = 0
    pixels[10:20, :, 3] = 51  # a fifth
    seen, said = opaque(pixels)
    assert (seen[:10] == 128).all()
    np.testing.assert_allclose(seen[10:20], pixels[10:20, :, :3] * 0.2 + 128 * 0.8, atol=0.51)
    np.testing.assert_array_equal(seen[20:], pixels[20:, :, :3])
    assert said == ("50% of the picture is wholly or partly transparent, where the model sees a mid grey",)
    pixels[10:20, :, 3] = 255
    assert opaque(pixels, "so it is")[1] == ("25% of the picture is transparent, so it is",)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (noise(31, 200), "has 200 x 31 pixels, and at least 32 a side"),
        (noise(10, 10), "has 10 x 10 pixels"),
        (np.full((64, 64, 3), 200, np.uint8), "of one colour"),
        (np.full((64, 64, 3), [10, 200, 30], np.uint8) + noise(64, 64) % 3, "of one colour"),
        (noise(channels=4) * np.uint8([1, 1, 1, 0]), "transparent everywhere"),
        (np.full((64, 64, 4), [9, 9, 9, 255], np.uint8), "of one colour"),
    ],
)
def test_a_picture_of_which_nothing_can_be_made_is_refused(pixels, sentence):
    with pytest.raises(UnusablePicture, match=sentence) as refused:
        opaque(pixels)
    assert ": take" in str(refused.value) or "take" in str(refused.value).split(":")[-1]
    assert pipelines.failure(refused.value).code == "bad_subject"


def test_the_films_size():
    assert film_size(1600, 1200, 512) == (512, 384)
    assert film_size(1200, 1600, 512) == (384, 512)
    assert film_size(100, 75, 512) == (100, 74)  # not enlarged, and even
    assert film_size(1023, 1023, 1024) == (1022, 1022)
    with pytest.raises(UnusablePicture, match="512 x 4 pixels"):
        film_size(4000, 46, 512)


# --- ringing


def one_mode(phase: float = 0.0, frequency: float = 1.0) -> spectral.SpectralVolume:
    """Of 1 Hz, along x and half as far along y; in the right half of the picture later by `phase`, above it nothing."""
    shape = np.zeros((2, 4, 6, 2), np.complex64)
    shape[1, 1:] = [1.0, 0.5]
    shape[1, :, 3:] *= np.exp(1j * phase)
    shape[0] = 7.0  # the lean: it takes no part
    return spectral.SpectralVolume(shape, frequency)


def swing(times, damping, frequency=1.0):
    """Of an oscillator that was held at 1 and let go."""
    w = 2 * np.pi * frequency
    turn = w * np.sqrt(1 - damping**2)
    return np.exp(-damping * w * times) * (np.cos(turn * times) + damping * w / turn * np.sin(turn * times))


def test_what_is_let_go_rings_down_as_an_oscillator_does():
    times, damping = np.linspace(0, 4, 200), 0.1
    along = np.array([1.0, 0.5])
    moved = ring(one_mode(), (0.2, 0.6), 4 * along, times, damping)
    held = 4 / 1.01  # by a hand that gives a hundredth
    expected = held * swing(times, damping)[:, None] * along
    np.testing.assert_allclose(moved[:, 2, 1], expected, atol=1e-4)
    np.testing.assert_allclose(moved[:, 3, 5], expected, atol=1e-4)
    np.testing.assert_allclose(moved[:, 0], 0)
    peaks = [abs(moved[np.argmin(abs(times - at / np.sqrt(1 - damping**2))), 2, 1, 0]) for at in (1, 2, 3)]
    left = np.exp(-2 * np.pi * damping / np.sqrt(1 - damping**2))
    np.testing.assert_allclose(np.divide(peaks[1:], peaks[:-1]), left, rtol=0.01)


def test_more_damping_stops_it_sooner():
    late = [np.abs(ring(one_mode(), (0.2, 0.6), PULL, [3.0, 3.25, 3.5], one)).max() for one in (0.02, 0.1, 0.4)]
    assert late[0] > 2 * late[1] > 40 * late[2]


def test_what_came_later_in_the_loop_comes_later_in_the_ringing():
    times = np.linspace(0, 1, 101)
    moved = ring(one_mode(phase=-np.pi / 2), (0.2, 0.6), [4.0, 2.0], times, 1e-6)
    here, there = moved[:, 2, 1, 0], moved[:, 2, 5, 0]
    np.testing.assert_allclose(there[25:], here[:-25], atol=1e-3)  # a quarter of a period


def test_twice_the_pull_twice_the_ringing_and_the_volumes_own_size_is_nothing():
    times = np.linspace(0, 1, 9)
    once = ring(one_mode(), (0.2, 0.6), PULL, times, 0.05)
    np.testing.assert_allclose(ring(one_mode(), (0.2, 0.6), 2 * PULL, times, 0.05), 2 * once, atol=1e-5)
    larger = spectral.magnified(one_mode(), 3.0)
    np.testing.assert_allclose(ring(larger, (0.2, 0.6), PULL, times, 0.05), once, atol=1e-5)


def test_a_faster_volume_rings_faster():
    times = np.linspace(0, 2, 9)
    fast = spectral.slowed(one_mode(), 0.5)
    np.testing.assert_allclose(
        ring(fast, (0.2, 0.6), PULL, times / 2, 0.05), ring(one_mode(), (0.2, 0.6), PULL, times, 0.05), atol=1e-5
    )


def test_of_many_modes_the_point_starts_where_a_spring_that_gives_a_hundredth_holds_it():
    rng = np.random.default_rng(4)
    shapes = rng.normal(size=(9, 6, 8, 2)) + 1j * rng.normal(size=(9, 6, 8, 2))
    moved = ring(spectral.SpectralVolume(shapes), (0.99, 0.0), PULL, [0.0, 300.0], 0.05)
    soft = (2 * np.pi * 0.2 * np.arange(1, 9)) ** -2.0
    there = sum(soft[k] * np.outer(s, s.conj()).real for k, s in enumerate(shapes[1:, 0, 7]))
    give = 0.01 * max((soft @ (np.abs(shapes[1:, y, x]) ** 2).sum(axis=-1)) for y in range(6) for x in range(8))
    np.testing.assert_allclose(moved[0, 0, 7], there @ np.linalg.solve(there + give * np.eye(2), PULL), rtol=1e-4)
    assert np.abs(moved[1]).max() < 1e-3


@pytest.mark.parametrize(
    ("point", "pull"),
    [((0.2, 0.1), PULL), ((0.2, 0.6), [-0.5, 1.0])],  # what stands still, and across what sways
)
def test_what_does_not_sway_cannot_be_pulled_and_it_is_said_where(point, pull):
    with pytest.raises(Still, match=r"what sways most is 0.08 across and 0.38 down"):
        ring(one_mode(), point, pull, [0.0], 0.05)
    nothing = spectral.SpectralVolume(np.zeros((3, 4, 4, 2), np.complex64))
    with pytest.raises(Still):
        ring(nothing, point, pull, [0.0], 0.05)


def test_each_refusal_has_words_for_its_reader():
    for error, code in ((NoModel("a"), "unsupported"), (Still("b"), "bad_subject")):
        failure = pipelines.failure(error)
        assert (failure.code, failure.text) == (code, str(error))
