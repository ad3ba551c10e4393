"""Views of specimens: where the cameras say, what the words say, the front always in front; and splits that share
nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.priors.seedling import Seedling, Sizes
from backend.prompt import understand
from backend.render.orbits import RADIUS, VIEWS, Orbit
from backend.training.multiview import captions, corpus, sets
from backend.training.multiview.captions import COLOURS, KINDS, PLACES, Said, State, captions_of_two
from backend.training.multiview.corpus import Recipe, make, make_shard
from backend.training.multiview.sets import Corpus, ViewSet
from backend.training.multiview.stock import Data
from backend.training.multiview.things import ACROSS, FACES, Individual, Thing, beside, front
from backend.training.multiview.views import Light, seen
from backend.training.shards import OtherRecipe

PLAIN = Light(1.0, 1.0)
SMALL = Recipe(side=16, detail=0.3, individuals=6, each=2)


def ball(centre: tuple[float, float, float], size: float, colour: tuple[float, float, float]) -> tuple:
    """Points (V, 3), faces and colours of an octahedron."""
    points = np.array(centre) + size * np.concatenate([np.eye(3), -np.eye(3)])
    ends = [(a, b, c) for a in (0, 3) for b in (1, 4) for c in (2, 5)]
    faces = [(a, b, c) if (a + b + c) % 2 else (b, a, c) for a, b, c in ends]  # outwards
    return points, np.array(faces, np.int32), np.tile(colour, (6, 1))


def thing(*balls: tuple) -> Thing:
    """As it is: neither moved nor scaled."""
    points, faces, colours = (list(one) for one in zip(*balls, strict=True))
    faces = [one + 6 * number for number, one in enumerate(faces)]
    albedo = np.concatenate(colours).astype(float)
    return Thing(np.concatenate(points), np.concatenate(faces).astype(np.int32), albedo, np.zeros(len(albedo)))


RED, GREEN = (0.8, 0.0, 0.0), (0.0, 0.8, 0.0)


def middle(picture: np.ndarray, channel: int) -> np.ndarray:
    """(2,) x to the right and y up in [-1, 1]: where a colour of the picture (3, S, S) lies."""
    other = picture[[one for one in range(3) if one != channel]].astype(float).max(axis=0)
    weight = np.clip(picture[channel] - other, 0, None)
    assert weight.max() > 50
    y, x = (np.mgrid[: len(weight), : len(weight)] + 0.5) / len(weight) * 2 - 1
    return np.array([(weight * x).sum(), -(weight * y).sum()]) / weight.sum()


# --- cameras ---


def test_a_point_is_seen_where_its_camera_says():
    place = np.array([0.5, -0.2, 0.4])
    around = Orbit(0.7, 0.3, np.radians(40), 0.9 / np.tan(np.radians(20)))
    pictures = seen(thing(ball(place, 0.08, RED)), around.cameras, 64, PLAIN)
    for picture, to_world in zip(pictures, around.cameras.to_world.numpy(), strict=True):
        x, y, z = to_world[:3, :3].T @ (RADIUS * place - to_world[:3, 3])
        expected = np.array([x, y]) / -z / np.tan(np.radians(20))
        np.testing.assert_allclose(middle(picture, 0), expected, atol=0.02)


def test_four_views_are_a_quarter_of_a_turn_apart_and_as_high_and_far():
    for seed in range(20):
        around = Orbit.somewhere(np.random.default_rng(seed))
        eyes = around.cameras.to_world[:, :3, 3].numpy()
        azimuths = np.unwrap(np.arctan2(eyes[:, 0], -eyes[:, 1]))
        np.testing.assert_allclose(np.diff(azimuths), np.pi / 2, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(eyes, axis=1), around.distance, rtol=1e-9)
        heights = np.degrees(np.arcsin(eyes[:, 2] / around.distance))
        assert np.ptp(heights) < 1e-9
        assert -1e-9 < heights[0] < 30
        assert 0.8 <= around.distance * np.tan(around.fovy / 2) <= 1.0


def test_nothing_touches_the_border():
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(4000, 3))
    points = torch.from_numpy(RADIUS * ways / np.linalg.norm(ways, axis=1, keepdims=True))
    for elevation in (0.0, 0.5):
        widest = Orbit(0.0, elevation, np.radians(60), 0.8 / np.tan(np.radians(30)))
        clip = widest.cameras.project(points)
        assert (clip[..., :2] / clip[..., 3:]).abs().max() < 0.97


def test_the_light_stays_when_the_camera_goes_around():
    round_ = thing(ball((0, 0, 0), 0.6, (0.5, 0.5, 0.5)))
    pictures = seen(round_, Orbit(0.0, 0.2, 0.7, 3.0).cameras, 32, Light(1.0, 0.3)).astype(int)
    assert np.abs(pictures - pictures[:1]).max() <= 2
    assert pictures[0, 0, 13, 16] > pictures[0, 0, 18, 16] + 10  # lit from above


# --- the front ---


@pytest.mark.parametrize("kind", ["sunflower", "lily"])
@pytest.mark.parametrize("seed", [3, 4])
def test_the_face_of_a_flower_looks_to_the_front_all_its_life(kind, seed):
    one = Individual.grown(kind, 0.3, seed)
    own = np.isin(one.specimen.mesh.parts, [one.specimen.mesh.part_names.index(name) for name in FACES[kind]])
    for state in KINDS[kind].states:
        points = one.specimen.at(state.low).positions
        root = points[points[:, 2] < points[:, 2].min() + 0.05 * np.ptp(points[:, 2])].mean(axis=0)
        x, y = one.turn @ (points[own].mean(axis=0) - root)[:2]
        assert abs(np.arctan2(x, -y)) < np.pi / 3, state


@pytest.mark.parametrize("seed", [3, 4])
def test_the_leaf_of_an_apple_is_on_the_right(seed):
    one = Individual.grown("apple", 0.3, seed)
    own = one.specimen.mesh.parts == one.specimen.mesh.part_names.index("leaf")
    for tau in (0.0, 0.35, 0.7):
        x, y = one.turn @ one.specimen.at(tau).positions[own].mean(axis=0)[:2]
        assert abs(np.arctan2(y, x)) < 0.5


@pytest.mark.parametrize("kind", ACROSS)
def test_what_is_long_lies_across(kind):
    points = Individual.grown(kind, 0.3, 5).at(0.0 if kind == "ice_block" else 1.0).points
    assert np.ptp(points[:, 0]) > 1.15 * np.ptp(points[:, 1])


def test_the_turn_undoes_any_other():
    one = Individual.grown("apple", 0.3, 3)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])

    def at(tau):
        frame = one.specimen.at(tau)
        points = frame.positions.copy()
        points[:, :2] = points[:, :2] @ turn.T
        return replace(frame, positions=points)

    np.testing.assert_allclose(front("apple", replace(one.specimen, at=at)) @ turn, one.turn, atol=1e-4)


def test_the_first_of_two_stands_where_the_words_say():
    rng, one, other = np.random.default_rng(0), thing(ball((0, 0, 0), 1, RED)), thing(ball((0, 0, 0), 1, GREEN))
    for words, side in PLACES.items():
        pictures = seen(beside(one, other, side, rng), Orbit(0.0, 0.35, 0.6, 3.0).cameras, 64, PLAIN)
        front, right = pictures[0], pictures[1]
        if words in ("in front of", "behind"):
            # from +X the front is on the left
            assert np.sign((middle(right, 0) - middle(right, 1))[0]) == (-1 if words == "in front of" else 1)
        else:
            assert np.sign((middle(front, 0) - middle(front, 1))[0]) == (-1 if "left" in words else 1)


# --- words ---


def every_said():
    for kind, about in KINDS.items():
        for colour in (None, "red") if about.coloured else (None,):
            for state in about.states:
                yield Said(kind, colour, state)


def test_every_caption_of_one_thing_is_understood():
    for said in every_said():
        for text in said.captions():
            found = understand(text)
            assert found.specimen == said.kind, text
            assert "passed over" not in found.say(), text
            if said.colour and said.state.coloured:
                assert said.colour in text
                assert said.colour in found.say()


def test_a_seedling_reads_every_word():
    tiny = Sizes(side=16, widths=(8, 8), heads=1, groups=4, text=8)
    model = Seedling.fresh(tiny, captions.vocabulary())
    ones = list(every_said())
    bread = Said("bread", "yellow", State(0, 1, ("baked", "")))
    texts = [text for said in ones for text in said.captions()]
    texts += [text for said in ones for side in PLACES.values() for text in captions_of_two(bread, said, side)]
    assert len(texts) > 500
    assert all(model.unread(text) == [] for text in texts)
    assert "a red apple in front of a yellow loaf of bread" in captions_of_two(
        Said("apple", "red", KINDS["apple"].states[1]), bread, PLACES["in front of"]
    )


@pytest.mark.parametrize("colour", ["red", "blue", "yellow"])
def test_a_colour_is_that_of_its_name(colour, monkeypatch):
    monkeypatch.setattr("backend.training.multiview.captions.COLOURS", (colour,))
    monkeypatch.setattr("backend.training.multiview.captions.ANY", 1.0)
    one = Individual.grown("candle", 0.3, 7)
    assert colour in one.said.captions()[0]
    picture = seen(one.at(0.05), Orbit(0, 0.2, 0.7, 3.0).cameras, 16, PLAIN)[0]
    red, green, blue = picture[:, 8, 8].astype(int)
    hue = {"red": red - max(green, blue), "blue": blue - max(red, green), "yellow": min(red, green) - blue}
    assert hue[colour] > 60


def test_what_is_unseen_is_so_by_what_is_shown():
    apple = KINDS["apple"].states
    ripe, unripe = apple[1], apple[0]
    assert Said("apple", "blue", ripe).unseen
    assert not Said("apple", "blue", unripe).unseen  # it is green
    assert not Said("apple", "red", ripe).unseen
    assert not Said("candle", "blue", KINDS["candle"].states[0]).unseen
    assert Said("lily", None, KINDS["lily"].states[0]).unseen


# --- the corpus ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("corpus")
    make(where, SMALL, {"train": 24, "individuals": 12, "combinations": 12})
    return where


def test_splits_share_nothing(folder):
    known = set()
    for split in corpus.SPLITS:
        own = {one for origin in Corpus(folder / split).origins for one in origin.split(" and ")}
        assert {int(one.split()[-1]) % len(corpus.SPLITS) for one in own} == {corpus.SPLITS.index(split)}
        assert not own & known
        known |= own


def test_what_is_unseen_is_for_single_pictures_alone(folder):
    data = Data.of(folder, "specimens", captions.vocabulary())
    assert data.unseen is not None
    unseen = {f"{captions.UNSEEN_COLOUR} {noun}" for kind in captions.UNSEEN_WITH for noun in KINDS[kind].nouns}
    unseen.add(captions.UNSEEN_NOUN)

    def shows(one: ViewSet) -> bool:
        return any(words in text for words in unseen for text in one.captions)

    assert not any(shows(one) for one in data.sets.sets(range(len(data.sets))))
    assert not any(shows(one) for one in data.held_out.sets(range(len(data.held_out))))
    assert all(shows(one) for one in data.unseen.sets(range(len(data.unseen))))
    assert len(data.pictures) > len(data.sets) or not Corpus(folder / "train").flat.any()


def test_a_set_on_disk_is_what_was_made(folder, tmp_path):
    drawn = list(corpus.drawn(SMALL, "individuals", 0))
    found = Corpus(folder / "individuals")
    assert len(found) == len(drawn) == SMALL.shard
    for one, other in zip(found, drawn, strict=True):
        assert np.array_equal(one.pictures, other.pictures)
        assert np.array_equal(one.cameras, other.cameras)
        assert (one.captions, one.origin, one.flat) == (other.captions, other.origin, other.flat)
        assert one.pictures.shape == (VIEWS, 3, 16, 16)
        assert (one.pictures < 230).any(axis=(1, 2, 3)).all()  # something is seen from every side
        assert (one.pictures[:, :, [0, -1]] > 180).all()  # and nothing at the border
    about = sets.about(found.paths[0])
    assert (about["split"], about["side"]) == ("individuals", 16)


def test_another_recipe_is_refused(folder):
    with pytest.raises(OtherRecipe, match="another recipe"):
        make_shard(folder, replace(SMALL, detail=0.5), "train", 0)


def test_colours_are_all_drawn():
    rng = np.random.default_rng(0)
    state = KINDS["candle"].states[0]
    found = {captions.drawn("candle", state, rng).colour for _ in range(300)}
    assert found == {None, *COLOURS}
