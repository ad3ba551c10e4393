"""From words to a specimen and its way through life; test_parser.py holds what the words themselves mean."""

import numpy as np
import pytest

from backend import protocol
from backend.pipelines import specimen
from backend.pipelines.specimen import _standing, aged, ask, grow, loops
from backend.prompt import NotUnderstood, backwards, path_of, record_of, understand
from backend.prompt.path import processes_of
from backend.prompt.vocabulary import objects, processes
from backend.report import silent
from backend.species import SPECIES
from backend.specimens import grow as grown
from backend.specimens.bouquet import Place, spiral
from tests.parses import written as written_prompts


def test_every_process_and_part_that_words_know_is_of_a_specimen():
    assert list(objects.NAMES) == list(protocol.SPECIES)
    for name, kind in protocol.SPECIES.items():
        life = kind.life
        assert set(objects.PROCESSES_OF[name]) <= set(processes.SAID), name
        assert set(objects.PARAMETERS_OF.get(name, ())) <= set(kind.__struct_fields__), name
        assert set(kind.needs) <= set(life.stretches)


def test_words_set_the_record():
    rose = record_of(understand("a huge dark blue rose without thorns, with 40 petals, losing five petals"))
    assert (rose.thorns, rose.petals, rose.fallen) == (0, 40, 5)
    assert rose.height == pytest.approx(2 * protocol.SPECIES["rose"]().height)
    assert rose.colour[2] > 3 * rose.colour[0] and rose.leaves == protocol.SPECIES["rose"]().leaves
    assert record_of(understand("a candle, 50 cm tall")).height == 0.5
    assert record_of(understand("a rose loses half of its petals")).fallen == 16
    assert record_of(understand("a leaf turning yellow")).colour == record_of(understand("a yellow leaf")).colour


def test_processes_that_exclude_each_other_are_refused_and_those_within_another_are_not():
    assert record_of(understand("an apple drying")).damp == 0.0
    assert record_of(understand("a candle melting")).flame == 0.0
    with pytest.raises(NotUnderstood, match="cannot rot and dry in one life"):
        record_of(understand("an apple rotting, then drying"))
    both = understand("while burning, a candle melts")
    assert processes_of(both) == ("burn",) and record_of(both).flame == 1.0


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a rose with 200 petals", "it has 12 to 60"),
        ("a rose with 12 petals losing 13 petals", "it has 12"),
        ("a candle 900 m tall", "0.005 m to 20 m"),
    ],
)
def test_a_number_out_of_range_is_refused_and_not_clipped(prompt, words):
    with pytest.raises(NotUnderstood, match=words) as refusal:
        record_of(understand(prompt))
    assert refusal.value.kind == "parameter"


def test_no_colour_is_more_than_a_surface_sends_back():
    for name in ("white", "yellow", "black", "lime", "alice blue"):
        colour = record_of(understand(f"a {name} rose")).colour
        assert min(colour) > 0.005 and max(colour) < 0.83


def way(prompt: str) -> list[float]:
    return list(path_of(understand(prompt)).taus)


def test_life_goes_through_its_stages_in_their_order():
    (bud, opened), (fading, dead) = (SPECIES["rose"].life.stretches[name] for name in ("bloom", "wilt"))
    assert way("a rose") == [0, 1]
    assert way("a rose swaying") == [SPECIES["rose"].life.prime] * 2
    there = path_of(understand("a rose blooming, then wilting"))
    assert list(there.taus) == [bud, opened, fading, dead]
    assert there.shares == pytest.approx([0, opened, fading, dead])  # an even pace, also on the way to the next
    assert way("a rose wilting and blooming") == [fading, dead, bud, opened]
    assert way("a rose opens halfway, then closes") == [bud, opened / 2, bud]
    assert way("a rose opens, closes and opens") == [bud, opened, bud, opened]


def test_what_happens_within_another_stage_has_happened_with_it():
    fading, dead = SPECIES["rose"].life.stretches["wilt"]
    fallen = SPECIES["rose"].life.stretches["drop"].end
    for prompt in ("a rose wilting, then dropping two petals", "a rose wilts and drops two petals at the same time"):
        assert way(prompt) == [fading, dead], prompt
    assert way("a rose dropping two petals, then wilting") == [fading, fallen, dead]


def test_a_flower_that_loses_many_petals_takes_all_of_wilting_for_it():
    life = SPECIES["rose"].life
    (start, soon), dead = life.stretches["drop"], life.stretches["wilt"].end
    for few in ("a rose dropping two petals", f"a rose dropping {life.few} petals", "a rose dropping petals"):
        assert way(few) == [start, soon], few
    for many in (
        "a rose loses all its petals",
        "a rose loses half of its petals",
        f"a rose dropping {life.few + 1} petals",
    ):
        assert way(many) == [start, dead], many


def test_the_record_says_how_many_petals_fall():
    """As the redo panel and --set change it."""
    life = SPECIES["rose"].life
    understood = understand("a rose dropping its petals")
    for fallen, end in ((3, life.stretches["drop"].end), (20, life.stretches["wilt"].end)):
        request = protocol.Generate(prompt="a rose dropping its petals", specimen=SPECIES["rose"](fallen=fallen))
        assert specimen.ask(request, understood).path.taus[-1] == end, fallen


def test_stages_in_the_order_of_life_never_lead_back():
    """Of all written prompts whose stages come in the order of their specimen's life."""
    seen = 0
    for written in written_prompts("written"):
        try:
            understood = understand(written["prompt"])
            taus = path_of(understood).taus
        except NotUnderstood:
            continue
        stretches = SPECIES[understood.specimen].life.stretches
        named = [stretches[name] for name in processes_of(understood) if name in stretches]
        if named == sorted(named) and all(start < end for start, end in named):
            seen += len(named) > 1
            assert list(taus) == sorted(taus), written["prompt"]
    assert seen > 20


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a rose opens halfway, then wilts", "has to bloom all the way before it can wilt"),
        ("a rose blooming while wilting", "cannot bloom and wilt at once"),
        ("an oak leaf dropping while curling up", "cannot fall and dry at once"),
    ],
)
def test_what_one_line_of_life_cannot_do_is_refused(prompt, words):
    with pytest.raises(NotUnderstood, match=words):
        way(prompt)


def test_a_slow_stage_takes_four_times_as_long_as_a_fast_one_of_the_same_length():
    even, slow = (path_of(understand(f"a sprout grows{how}")) for how in (", then wilts", " slowly, then wilts fast"))
    assert slow.taus == even.taus
    long, short = np.diff(slow.shares)[[0, -1]] / np.diff(even.shares)[[0, -1]]
    assert long == pytest.approx(4 * short)


def test_what_is_fast_throughout_stands_still_at_its_end():
    there = path_of(understand("a sprout growing fast"))
    grown = SPECIES["sprout"].life.stretches["grow"].end
    assert there.taus == (0, grown, grown) and there.shares == (0, 0.5, 1)
    assert [there.at(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx(
        [0, grown / 2, grown, grown, grown]
    )


def test_a_stage_told_twice_at_two_paces_changes_its_pace_halfway():
    start, end = SPECIES["sprout"].life.stretches["grow"]
    there = path_of(understand("a sprout growing slowly, then quickly"))
    assert there.taus == (start, (start + end) / 2, end)
    slow, fast = np.diff(there.shares)
    assert slow == pytest.approx(4 * fast)
    assert way("a candle burning fast, then slowly, then fast") == pytest.approx([0, 1 / 3, 2 / 3, 1])
    opened = SPECIES["rose"].life.prime
    assert way("a rose opens halfway, then completely") == pytest.approx([0, opened / 2, opened])


def test_one_frame_alone_shows_a_life_at_its_best_or_what_the_first_stage_comes_to():
    for prompt, tau in (("a rose", SPECIES["rose"].life.prime), ("a rose wilting", 1.0), ("bread", 1.0)):
        understood, request = understand(prompt), protocol.Generate(prompt=prompt, frames=1)
        path = path_of(understood)
        assert [path.at(share) for share in specimen.shares_of(request, understood, path)] == [tau], prompt


def test_what_is_asked_for_in_reverse_begins_at_its_end():
    block = protocol.SPECIES["ice_block"](detail=0.3)
    forwards, backwards = (
        [frame.positions for frame in grow(asked, understand(asked.prompt), silent).frames]
        for how in ("", " in reverse")
        for asked in [protocol.Generate(prompt=f"an ice block melting{how}", frames=4, specimen=block)]
    )
    assert not np.allclose(forwards[0], forwards[-1], atol=0.1 * block.height)
    assert all(np.array_equal(one, other) for one, other in zip(forwards, backwards[::-1], strict=True))


def test_a_little_wind_bends_less():
    request = protocol.Generate(prompt="a rose swaying")
    little, usual, much = (
        specimen.breeze_of(understand(f"a rose swaying{how}"), request).strength for how in (" a little", "", " fully")
    )
    assert little == pytest.approx(0.6) and (usual, much) == (1.0, 2.0)


def test_of_a_bouquet_some_are_ahead_of_others():
    """Each is one of its own seed at an age of its own; the ages are even and are not in the order of the places."""
    block = protocol.SPECIES["ice_block"](detail=0.3)
    asked = protocol.Generate(prompt="five ice blocks melting", frames=3, seed=3, specimen=block)
    _, frames, _, _ = grow(asked, understand(asked.prompt), silent)
    heights = np.array([frame.positions[:, 2].reshape(5, -1).max(axis=1) for frame in frames])
    alone = [grown(block, protocol.child_seed(3, number)) for number in range(5)]
    for share, together in zip((0.0, 0.5, 1.0), heights, strict=True):
        ages = (-1, -0.5, 0, 0.5, 1)
        each = np.array([[one.at(aged(share, age)).positions[:, 2].max() for age in ages] for one in alone])
        chosen = np.abs(each - together[:, None]).argmin(axis=1)
        assert np.allclose(each[range(5), chosen], together, atol=1e-6)
        if share == 0.5:
            assert sorted(chosen) == [0, 1, 2, 3, 4]


def test_a_leaf_has_the_colour_that_it_turns_to():
    for prompt in ("a green leaf turning red", "ein grünes Blatt wird rot"):
        red, green, _ = record_of(understand(prompt)).colour
        assert red > 3 * green


def test_the_older_is_ahead_and_all_begin_and_end_together():
    share = np.linspace(0, 1, 101)
    older, younger = (np.array([aged(s, age) for s in share]) for age in (1.0, -1.0))
    assert older[[0, -1]] == pytest.approx([0, 1]) and younger[[0, -1]] == pytest.approx([0, 1])
    assert (np.diff(older) > 0).all() and (np.diff(younger) > 0).all()
    assert older[50] - younger[50] == pytest.approx(0.2)


def test_a_record_that_comes_with_the_request_counts_and_must_fit_the_words():
    rose = protocol.SPECIES["rose"](petals=20)
    asked = ask(protocol.Generate(prompt="a red rose with 40 petals", specimen=rose), understand("a red rose"))
    assert asked.record is rose
    with pytest.raises(NotUnderstood, match="names a candle and the parameters are those of a rose"):
        ask(protocol.Generate(prompt="a candle", specimen=rose), understand("a candle"))
    damp = protocol.SPECIES["apple"](damp=1.0)
    with pytest.raises(NotUnderstood, match="needs damp 0 to dry"):
        ask(protocol.Generate(prompt="an apple drying", specimen=damp), understand("an apple drying"))


def test_several_stand_apart_all_their_life():
    """Each stays within a circle about its foot, and no two of the circles share ground."""
    block = protocol.SPECIES["ice_block"](detail=0.3)
    asked = protocol.Generate(prompt="five ice blocks melting", frames=4, seed=3, specimen=block)
    _, frames, _, reach = grow(asked, understand(asked.prompt), silent)
    feet = np.array([place[:2] for place in spiral(5, reach, np.random.default_rng(3))])
    apart = np.linalg.norm(feet[:, None] - feet[None], axis=2)[~np.eye(5, dtype=bool)]
    assert apart.min() >= reach
    for frame in frames:
        away = np.linalg.norm(frame.positions[:, :2].reshape(5, -1, 2) - feet[:, None], axis=2)
        assert away.max() <= 1.02 * reach / 2


def test_one_wind_blows_all_one_way():
    """Headings differ; the way the top leans does not."""
    sprout = protocol.SPECIES["sprout"](detail=0.3)
    asked = ask(protocol.Generate(prompt="sprouts swaying", specimen=sprout), understand("sprouts swaying"))
    specimen, leans = grown(sprout, 4), []
    for heading in (0.0, 1.3, 4.0):
        place = Place(0.2, -0.1, heading)
        bent, still = (
            _standing(one, specimen, place, 0.1, 0.0).positions for one in (asked, asked._replace(breeze=None))
        )
        top = still[:, 2] > 0.9 * still[:, 2].max()
        leans.append((bent - still)[top, :2].mean(axis=0))
    assert np.linalg.norm(leans[0]) > 0.01 * sprout.height
    assert np.allclose(leans, leans[0], atol=0.1 * np.linalg.norm(leans[0]))


def test_neighbouring_seeds_share_no_individual():
    seeds = [{protocol.child_seed(seed, number) for number in range(50)} for seed in range(40)]
    assert all(len(own) == 50 for own in seeds) and len(set.union(*seeds)) == 50 * 40
    assert protocol.child_seed(7, 0) == 7 and max(set.union(*seeds)) < 2**31


def test_ages_are_spread_evenly_and_any_of_them_may_stand_in_the_middle():
    orders = [protocol.ages_of(protocol.Generate(prompt="a rose", seed=seed), 5) for seed in range(60)]
    assert all(sorted(ages) == [-1, -0.5, 0, 0.5, 1] for ages in orders)
    assert {ages[0] for ages in orders} == {ages[4] for ages in orders} == {-1, -0.5, 0, 0.5, 1}
    assert protocol.ages_of(protocol.Generate(prompt="a rose", seed=3), 5) == orders[3]
    assert protocol.ages_of(protocol.Generate(prompt="a rose", age=0.3), 1) == [0.3]


def test_too_many_vertices_are_refused_before_they_are_grown():
    asked = protocol.Generate(prompt="50 ice creams")
    with pytest.raises(NotUnderstood, match="more than one mesh may have: ask for fewer"):
        grow(asked, understand(asked.prompt), silent)


def test_only_wind_alone_loops():
    assert loops(understand("a rose swaying")) and not loops(understand("a rose blooming while it sways"))
    assert not loops(understand("a rose"))


@pytest.mark.parametrize(("prompt", "words"), [("", "empty"), ("  \n", "empty"), ("ä" * 5000, "10,000 bytes")])
def test_a_prompt_that_no_engine_should_see_is_refused_where_it_is_made(prompt, words):
    with pytest.raises(ValueError, match=words):
        protocol.Generate(prompt=prompt)


def test_a_prompt_that_is_no_text_is_refused_where_it_is_made():
    with pytest.raises(ValueError, match="not valid text"):
        protocol.Generate(prompt="a rose \udcff")


def test_what_runs_backwards_is_told():
    assert backwards(understand("a rose wilting, then blooming")) == "; its life runs back from wilting to blooming"
    assert "their lives run back from baking to rising" in backwards(understand("two loaves baking then rising"))
    for forwards in ("a rose blooming, then wilting", "a rose blooming then closing", "a rose wilting in reverse"):
        assert backwards(understand(forwards)) == ""
