"""Words: what is understood, what is passed over, what is refused."""

import pytest

from backend import protocol
from backend.pipelines.specimen import life, pace
from backend.prompt import NotUnderstood, understand
from backend.specimens import rose


@pytest.mark.parametrize(
    ("prompt", "colour", "stages", "passed_over"),
    [
        ("a red rose blooming, then wilting", "red", ("bloom", "wilt"), ()),
        ("A YELLOW ROSE", "yellow", (), ()),
        ("roses wither and open", None, ("wilt", "bloom"), ()),
        ("a pink rose closing on a table", "pink", ("close",), ("on", "table")),
        ("a red and white rose", "red", (), ("white",)),
        ("3 white roses dying", "white", ("wilt",), ("3",)),
        ("a rose opens, opening, closes and opens", None, ("bloom", "close", "bloom"), ()),
    ],
)
def test_what_a_prompt_names(prompt, colour, stages, passed_over):
    understood = understand(prompt)
    assert (understood.colour, understood.stages, understood.passed_over) == (colour, stages, passed_over)


@pytest.mark.parametrize("prompt", ["a blue dragon", "prose", "rosemary wilting", "42", "🌹", "x" * 5000])
def test_an_unknown_object_is_refused_with_what_there_is(prompt):
    with pytest.raises(NotUnderstood, match=r"a rose, in red.*Animate Selected") as refusal:
        understand(prompt)
    assert len(str(refusal.value).encode()) < protocol.TEXT_BYTES


@pytest.mark.parametrize("prompt", ["a rose that never wilts", "not a rose", "a red rose without wilting"])
def test_a_negation_is_refused_and_not_turned_round(prompt):
    with pytest.raises(NotUnderstood, match="does not understand"):
        understand(prompt)


def test_a_german_article_is_no_death():
    understood = understand("eine Rose, die aufblüht")
    assert understood.stages == () and "aufblüht" in understood.passed_over


@pytest.mark.parametrize(("prompt", "words"), [("", "empty"), ("  \n", "empty"), ("ä" * 5000, "10,000 bytes")])
def test_a_prompt_that_no_engine_should_see_is_refused_where_it_is_made(prompt, words):
    with pytest.raises(ValueError, match=words):
        protocol.Generate(prompt=prompt)


def test_a_prompt_that_is_no_text_is_refused_where_it_is_made():
    with pytest.raises(ValueError, match="not valid text"):
        protocol.Generate(prompt="a rose \udcff")


def test_life_goes_through_its_turning_points_at_an_even_pace():
    assert life(()) == life(("bloom", "wilt")) == [rose.BUD, rose.OPEN, rose.WILTING, rose.DEAD]
    assert life(("close",)) == [rose.OPEN, rose.BUD]
    taus = pace(life(("wilt", "close")), 101)
    assert taus[0] == pytest.approx(rose.WILTING) and taus[-1] == pytest.approx(rose.BUD)
    assert taus.max() == pytest.approx(rose.DEAD, abs=0.02)
    steps = abs(taus[1:] - taus[:-1])
    assert steps.max() <= 1.01 * sorted(steps)[len(steps) // 2]  # no jump where one stage meets the next
    assert list(pace(life(("bloom",)), 1)) == pytest.approx([rose.OPEN])
