"""Pictures of what sways, with motion that is known: its geometry against closed forms, its pictures against it."""

import itertools

import cv2
import numpy as np
import pytest
import torch

from backend.geometry.modes import Modes, Rigid
from backend.render.cameras import orbit
from backend.species import SPECIES
from backend.spectral import Loop, Scales, SpectralVolume
from backend.training.dynamics import corpus, samples
from backend.training.dynamics.corpus import Recipe, drawn, kind_of, make, make_shard, opened, sample
from backend.training.dynamics.objects import Object, gather, record, without_scraps
from backend.training.dynamics.samples import Batch, Corpus, Sample
from backend.training.dynamics.views import Camera, Light, Size, paths, shoot
from backend.training.shading import encoded
from backend.training.shards import OtherRecipe
from tests.played import synthesise

SIZE = Size(48, 64)
RECIPE = Recipe(height=48, width=64, bins=30, detail=0.3, objects=1, winds=2, views=2)
FOVY, DISTANCE = 0.6, 4.0
FOCAL = SIZE.height / 2 / np.tan(FOVY / 2)  # pixels


def front(size=SIZE):
    """From -Y towards +Y: x is to the right, z up."""
    return Camera(
        orbit(torch.zeros(1, dtype=torch.float64), 0.0, DISTANCE, FOVY, aspect=size.width / size.height), size
    )


def board(shapes):
    """A square of 1.2 m in the plane y = 0 that moves with the shapes (M, 4, 3)."""
    points = 0.6 * np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], float)
    colours = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.6, 0.6]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Object("board", points, faces, colours, np.full(4, 0.5), np.zeros(4), np.asarray(shapes, np.float32), ())


def seen_from(thing, swing, camera):
    rng = np.random.default_rng(0)
    return shoot(thing, swing, camera, Light.somewhere(rng), np.full((camera.size.height, camera.size.width, 3), 0.2))


def centres(mask):
    rows, columns = np.nonzero(mask)
    return np.stack([columns + 0.5, rows + 0.5], axis=1)


@pytest.fixture(scope="module")
def leaf():
    return Object.grown("oak_leaf", 0.3, 2, 6.0, np.random.default_rng(4))


@pytest.fixture(scope="module")
def blown(leaf):
    """Several views of which none stands quite still."""
    rng = np.random.default_rng(5)
    return [sample([leaf], RECIPE, rng) for _ in range(6)]


def test_what_slides_across_moves_alike_everywhere():
    swing = 0.1 * np.cos(np.linspace(0, 2, 7))[:, None]
    thing = board(np.broadcast_to([0.6, 0.0, 0.8], (1, 4, 3)))
    shot = seen_from(thing, swing, front())
    moved = paths(thing, swing, front(), shot)
    gone = (swing - swing[0])[:, :, None] * [0.6, -0.8] * FOCAL / DISTANCE
    assert 250 < shot.mask.sum() < SIZE.height * SIZE.width
    np.testing.assert_allclose(moved, np.broadcast_to(gone, moved.shape), atol=1e-4)


def test_what_comes_nearer_spreads_from_the_middle():
    swing = np.array([[0.0], [1.0], [-0.5]])
    thing = board(np.broadcast_to([0.0, -1.0, 0.0], (1, 4, 3)))
    shot = seen_from(thing, swing, front())
    moved = paths(thing, swing, front(), shot)
    offset = centres(shot.mask) - [32, 24]
    for path, (nearer,) in zip(moved, swing, strict=True):
        np.testing.assert_allclose(path, offset * (DISTANCE / (DISTANCE - nearer) - 1), atol=1e-3)


def test_the_surface_point_of_a_pixel_is_seen_in_its_middle(leaf):
    rng = np.random.default_rng(6)
    for _ in range(3):
        swing = leaf.swing(150, 1.0, rng)[:1]
        camera = Camera.somewhere(leaf.moved(swing)[0], SIZE, rng)
        shot = seen_from(leaf, swing, camera)
        points = np.einsum("pc,pci->pi", shot.weights, leaf.moved(swing)[0][shot.corners])
        assert len(points) > 50
        np.testing.assert_allclose(camera.pixels(points), centres(shot.mask), atol=0.01)


def test_the_board_is_where_the_camera_sees_it_and_in_its_colours():
    shot = seen_from(board(np.zeros((0, 4, 3))), np.zeros((1, 0)), front())
    half = 0.6 * FOCAL / DISTANCE
    rows, columns = np.nonzero(shot.mask)
    assert abs(columns.min() + 0.5 - (32 - half)) <= 0.5 and abs(rows.max() + 0.5 - (24 + half)) <= 0.5
    lower_left, upper_right = (shot.frames[0, :, row, column] for row, column in ((34, 22), (13, 42)))
    assert lower_left.argmax() == 0 and upper_right.argmax() == 2
    behind = encoded(np.array(0.2))
    assert (shot.frames[0, :, 2, 2] == behind).all()


def test_an_edge_is_as_bright_as_the_share_that_it_covers():
    thing = board(np.zeros((0, 4, 3)))
    black = Object(**{**thing.__dict__, "albedo": np.zeros((4, 3)), "roughness": np.ones(4)})
    shot = shoot(black, np.zeros((1, 0)), front(), Light.somewhere(np.random.default_rng(0)), np.ones((48, 64, 3)))
    linear = (shot.frames[0, 0] / 255.0) ** 2.2
    area = (2 * 0.6 * FOCAL / DISTANCE) ** 2
    assert (1 - linear).sum() == pytest.approx(area, rel=0.03)


def test_coefficients_are_those_of_the_motion(blown):
    for one in blown:
        moved = synthesise(one.volume, 5.0 * one.turns)  # every bin of the wind is kept
        np.testing.assert_allclose(moved, np.moveaxis(one.flows, 1, -1), atol=0.02 + 0.02 * np.abs(one.flows).max())
        assert np.abs(one.slices[:, :, ~one.mask]).sum() == 0


def test_motion_begins_at_the_picture_and_the_lean_takes_up_what_the_swings_leave(leaf):
    rng = np.random.default_rng(7)
    one = max((sample([leaf], RECIPE, rng) for _ in range(8)), key=lambda one: np.abs(one.flows).max())
    coefficients = one.volume.coefficients
    swings = coefficients[1:].sum(axis=0).real
    assert np.abs(swings).max() > 0.3
    np.testing.assert_allclose(coefficients[0].real, -swings, atol=0.02 * np.abs(coefficients[0]).max() + 0.01)
    np.testing.assert_allclose(coefficients[0].imag, 0, atol=1e-3)


def test_fewer_bins_are_the_first_of_more(leaf):
    few, many = (sample([leaf], Recipe(**{**RECIPE.__dict__, "bins": k}), np.random.default_rng(8)) for k in (5, 30))
    np.testing.assert_array_equal(few.slices, many.slices[:5])
    np.testing.assert_array_equal(few.later, many.later)


def test_later_pictures_show_what_the_motion_says(blown):
    x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(48, dtype=np.float32))
    followed, ignored = [], []
    for one in blown:
        for picture, flow in zip(one.later, one.flows.astype(np.float32), strict=True):
            chosen = one.mask & (np.linalg.norm(flow, axis=0) > 1.0)
            image = np.ascontiguousarray(np.moveaxis(picture, 0, 2)).astype(np.float32)
            at = cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_LINEAR)
            first = np.moveaxis(one.picture, 0, 2).astype(np.float32)
            followed.append(np.abs(at - first)[chosen])
            ignored.append(np.abs(image - first)[chosen])
    followed, ignored = np.concatenate(followed), np.concatenate(ignored)
    assert len(followed) > 100
    assert np.median(followed) < 0.5 * np.median(ignored)


def test_what_stands_together_moves_each_for_itself(leaf):
    still = board(np.zeros((0, 4, 3)))
    scene = gather([still, leaf, leaf], 20, np.random.default_rng(15))
    moved = scene.thing.moved(scene.swing)
    assert scene.swing.shape == (20, 32)
    np.testing.assert_allclose(np.ptp(moved[:, :4], axis=0), 0, atol=1e-6)
    first, second = (np.ptp(part, axis=0).max() for part in np.split(moved[:, 4:], 2, axis=1))
    assert min(first, second) > 1e-3 and abs(first - second) > 1e-6
    colours = scene.thing.albedo[scene.thing.faces]
    np.testing.assert_array_equal(colours[2:].reshape(2, -1, 3, 3)[1], leaf.albedo[leaf.faces])


def test_what_is_placed_swings_as_before_turned_with_its_wind(leaf):
    turn, shift = 0.7, np.array([0.3, -0.2])
    there = leaf.placed(turn, 2.0, shift)
    c, s = np.cos(turn), np.sin(turn)
    swing = leaf.swing(5, 0.4, np.random.default_rng(16))
    x, y, z = np.moveaxis(2 * leaf.moved(swing).astype(float), -1, 0)
    expected = np.stack([c * x - s * y + 0.3, s * x + c * y - 0.2, z], axis=-1)
    np.testing.assert_allclose(there.moved(swing), expected, atol=1e-5)


def test_a_storm_is_calmed_where_it_would_blow_things_across_the_picture(leaf):
    wild = Object(**{**vars(leaf), "shapes": 60 * leaf.shapes})
    rng = np.random.default_rng(17)
    gone = [np.linalg.norm(sample([wild], RECIPE, rng).flows, axis=1).max() for _ in range(4)]
    assert max(gone) > 5.0 and max(gone) <= 0.25 * 64


def test_a_wart_does_not_set_the_pace():
    areas = np.array([*np.full(99, 1.0), 1.0])
    wart, half, whole = np.zeros((3, 100, 3))
    wart[99], half[:50], whole[:] = [0, 0, 9], [1, 0, 0], [0, 1, 1]
    modes = without_scraps(Modes(np.array([0.5, 2.0, 3.0]), np.stack([wart, half, whole])), areas)
    np.testing.assert_array_equal(modes.frequencies, [2.0, 3.0])
    np.testing.assert_array_equal(modes.shapes, [half, whole])
    with pytest.raises(Rigid):
        without_scraps(Modes(np.array([0.5]), wart[None]), areas)


def test_what_is_still_is_still():
    rng = np.random.default_rng(9)
    one = sample([Object.grown("apple", 0.3, 2, 6.0, rng)], RECIPE, rng)
    assert one.mask.sum() > 100 and not one.slices.any() and not one.flows.any()
    assert all(np.array_equal(picture, one.picture) for picture in one.later)


@pytest.mark.parametrize("seed", range(3))
def test_the_soil_stands_still(seed):
    sprout = Object.grown("sprout", 0.4, 1, 6.0, np.random.default_rng(seed))
    soil = sprout.points[:, 2] < 0.1 * np.ptp(sprout.points[:, 2])
    swings = np.abs(sprout.shapes).max(axis=(0, 2), initial=0.0)
    assert soil.sum() > 50 and np.median(swings[soil]) == 0  # the foot of the stem is down there too
    assert len(sprout.shapes) == 0 or swings.max() > 0


def test_every_kind_can_be_grown_and_no_parameter_leaves_its_range():
    rng = np.random.default_rng(10)
    for kind in (*corpus.SWAYING, *corpus.STILL, *itertools.chain(*corpus.HELD_OUT)):
        for _ in range(20):
            individual = record(SPECIES[kind], 0.3, rng)
            assert corpus_is_valid(individual)


def corpus_is_valid(individual):
    import msgspec

    return msgspec.convert(msgspec.to_builtins(individual), type(individual)) == individual


def test_held_out_kinds_are_never_trained_on():
    rng = np.random.default_rng(11)
    kinds = {split: {kind_of(split, rng) for _ in range(300)} for split in corpus.SPLITS}
    assert kinds["train"] == kinds["seeds"] == {*corpus.SWAYING, *corpus.STILL}
    assert kinds["kinds"] == {*itertools.chain(*corpus.HELD_OUT)} and not kinds["kinds"] & kinds["train"]


def test_a_shard_is_made_again_to_the_byte_and_no_two_are_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "kind_of", lambda split, rng: "oak_leaf")
    one, again = (make_shard(tmp_path / name, RECIPE, "train", 3).read_bytes() for name in ("one", "again"))
    assert one == again
    other, held = (next(drawn(RECIPE, *which)).picture for which in (("train", 4), ("seeds", 3)))
    first = opened(tmp_path / "one", "train")[0].picture
    assert not (np.array_equal(first, other) or np.array_equal(first, held) or np.array_equal(other, held))


def fake(rng, moving=True):
    mask = rng.random((8, 12)) < 0.4
    slices = np.where(mask, rng.normal(0, 2.0, (5, 4, 8, 12)) * moving, 0).astype(np.float16)
    flows = np.where(mask, rng.normal(0, 2.0, (2, 2, 8, 12)) * moving, 0).astype(np.float16)
    picture, later = rng.integers(0, 256, (3, 8, 12), np.uint8), rng.integers(0, 256, (2, 3, 8, 12), np.uint8)
    return Sample(picture, slices, mask, np.float32([0.2, 0.7]), later, flows, f"kind {rng.integers(9)}")


def test_what_is_stored_comes_back(tmp_path):
    rng = np.random.default_rng(12)
    made = [fake(rng, moving=n != 3) for n in range(7)]
    samples.write(tmp_path / "b.safetensors", made[4:], {"number": 2})
    samples.write(tmp_path / "a.safetensors", made[:4], {"number": 1})
    (tmp_path / "c.safetensors.17.partial").write_bytes(b"cut off")
    stored = Corpus(tmp_path)
    assert len(stored) == 7 and stored.origins == [one.origin for one in made]
    for one, other in zip(made, (stored[n] for n in (6, 5, 4, 3, 2, 1, 0)[::-1]), strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(getattr(other, name), value)
    with pytest.raises(IndexError):
        stored[7]
    assert samples.about(tmp_path / "b.safetensors") == {"number": 2}
    batch = stored.batch([5, 0])
    assert batch.picture.shape == (2, 3, 8, 12) and batch.picture.min() >= -1 and batch.picture.max() <= 1
    np.testing.assert_array_equal(batch.slices[0].numpy(), made[5].slices.astype(np.float32))
    assert isinstance(batch, Batch) and batch.mask.shape == (2, 1, 8, 12) and batch.flows.shape == (2, 2, 2, 8, 12)


def test_scales_are_those_of_all_that_moves(tmp_path):
    rng = np.random.default_rng(13)
    made = [fake(rng, moving=n != 3) for n in range(6)]
    samples.write(tmp_path / "a.safetensors", made, {})
    moving = [one for n, one in enumerate(made) if n != 3]
    expected = Scales.of([SpectralVolume(one.volume.coefficients[:, one.mask]) for one in moving])
    np.testing.assert_allclose(Corpus(tmp_path).scales().sizes, expected.sizes, rtol=1e-6)


def test_a_folder_of_another_recipe_is_refused_and_no_samples_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No samples lie in"):
        Corpus(tmp_path)
    path = tmp_path / "train" / "00000.safetensors"
    samples.write(path, [fake(np.random.default_rng(14))], {"seed": 1})
    with pytest.raises(OtherRecipe, match="another recipe"):
        make(tmp_path, RECIPE, {"train": 1})
    assert path.exists()


def test_the_wind_has_more_bins_than_are_kept(leaf):
    assert {answer.loop for answer in leaf.answers} == {Loop(bins=30)}
    assert Recipe().bins < 24 < 30  # the ablation with the most bins, and the wind
