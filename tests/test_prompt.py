"""From words to a specimen and its way through life; test_parser.py holds what the words themselves mean."""

import numpy as np
import pytest

from backend import protocol
from backend.pipelines.specimen import aged, ask, loops, path
from backend.prompt import NotUnderstood, processes_of, record_of, understand
from backend.prompt.vocabulary import objects
from backend.specimens import module_of
from backend.specimens.core import Life, Stretch

FLOWER = Life(
    {"bloom": Stretch(0, 0.4), "close": Stretch(0.4, 0), "wilt": Stretch(0.6, 1), "drop": Stretch(0.6, 1)}, 0.5
)


def way(prompt: str, life: Life = FLOWER):
    return path(understand(prompt), life)


def test_every_process_and_part_that_words_know_is_of_a_specimen():
    assert list(objects.PROCESSES_OF) == list(protocol.SPECIES)
    for name, kind in protocol.SPECIES.items():
        life = module_of(kind).LIFE
        assert set(objects.PROCESSES_OF[name]) == set(life.stretches) | ({"sway"} if life.sways else set()), name
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


def test_life_goes_through_its_stages_in_their_order():
    assert list(way("a rose").taus) == [0, 1]
    assert list(way("a rose swaying").taus) == [0.5, 0.5]
    there = way("a rose blooming, then wilting")
    assert list(there.taus) == [0, 0.4, 0.6, 1]
    assert there.shares == pytest.approx([0, 0.4, 0.6, 1])  # an even pace, also on the way to the next
    assert list(way("a rose wilting and blooming").taus) == [0.6, 1, 0, 0.4]
    assert list(way("a rose opens halfway, then closes").taus) == [0, 0.2, 0]
    assert list(way("a rose dropping two petals while it wilts").taus) == [0.6, 1, 1]


def test_a_stage_that_cannot_go_on_from_half_of_another_is_refused():
    with pytest.raises(NotUnderstood, match="has to bloom all the way before it can wilt"):
        way("a rose opens halfway, then wilts")


def test_a_slow_stage_takes_four_times_as_long_as_a_fast_one_of_the_same_length():
    even, slow = way("a rose opens, then wilts"), way("a rose opens slowly, then wilts fast")
    took = np.diff(slow.shares)
    assert took[0] == pytest.approx(4 * took[2]) and np.diff(even.shares)[0] == pytest.approx(np.diff(even.shares)[2])


def test_what_is_fast_throughout_stands_still_at_its_end():
    there = way("a rose blooming fast")
    assert list(there.taus) == [0, 0.4, 0.4] and list(there.shares) == [0, 0.5, 1]
    assert there.at(np.array([0.25, 0.75])) == pytest.approx([0.2, 0.4])


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
    with pytest.raises(NotUnderstood):
        ask(protocol.Generate(prompt="a candle", specimen=rose), understand("a candle"))


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
