"""Words of anything at all: what it is, and what it lives through."""

import pytest

from backend import protocol
from backend.prompt import NotUnderstood, in_its_stages, life_of


def lived(prompt: str) -> tuple[str, str]:
    """The thing, and its stages with the share of life in which each acts."""
    found = life_of(prompt)
    stages = [
        f"{protocol.name_of(one.process)} {100 * one.start:.0f}-{100 * one.end:.0f}"
        + (f" {100 * one.amount:.0f} %" if one.amount < 1 else "")
        for one in found.stages
    ]
    return found.thing, ", ".join(stages) + (" reversed" if found.reverse else "")


@pytest.mark.parametrize(
    ("prompt", "thing", "stages"),
    [
        ("a red mushroom, growing, then melting", "a red mushroom", "grow 0-50, melt 50-100"),
        ("a red mushroom growing slowly and then melting.", "a red mushroom", "grow 0-67, melt 67-100"),
        ("A Blue ceramic Dog, burning", "A Blue ceramic Dog", "burn 0-100"),
        ("a corgi, that starts to rot and crumples", "a corgi", "rot 0-50, crumple 50-100"),
        ("a robot rusting on a wooden table", "a robot on a wooden table", "rust 0-100"),
        ("a mushroom growing while it burns", "a mushroom", "grow 0-100, burn 0-100"),
        ("a mushroom -> growing -> melting", "a mushroom", "grow 0-50, melt 50-100"),
        ("a loaf of bread rising, then burning a little", "a loaf of bread", "swell 0-50, burn 50-100 30 %"),
        ("a dragon that shrivels, then swells", "a dragon", "shrivel 0-50, swell 50-100"),
        ("red mushroom growing, in reverse", "red mushroom", "grow 0-100 reversed"),
        ("eine rote Rose, die aufblüht und dann welkt", "eine rote Rose", "bloom 0-50, wilt 50-100"),
        ("une rose rouge qui fane", "une rose rouge", "wilt 0-100"),
        # What it looks like stays with the thing.
        ("a wilted rose", "a wilted rose", ""),
        ("a blooming red rose, wilting", "a blooming red rose", "wilt 0-100"),
        ("a rose in bloom", "a rose in bloom", ""),
        ("a match, burnt", "a match, burnt", ""),
        ("a candle beside a melting ice cream", "a candle beside a melting ice cream", ""),
        ("a rose swaying in the wind", "a rose swaying in the wind", ""),
        ("  a   baby dragon ,  made of glass .", "a baby dragon, made of glass", ""),
        ("melting", "melting", ""),
    ],
)
def test_words_part_into_a_thing_and_its_life(prompt, thing, stages):
    assert lived(prompt) == (thing, stages)


def test_what_was_understood_is_said():
    found = life_of("a robot rusting quickly while it crumples a little, then melting, in reverse")
    assert found.words() == (
        "a robot", "rusting quickly", "and crumpling 30 %", "then melting", "in reverse",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("", "names nothing"),
        ("?!, ...", "names nothing"),
        ("a robot, melting, then growing", "Grow ends with your mesh as it is"),
        ("a robot rusting, then melting, then rotting, then burning, then freezing", "at most 4 processes, and .* 5:"),
    ],
)
def test_what_cannot_be_lived_is_refused(prompt, sentence):
    with pytest.raises(NotUnderstood, match=sentence):
        life_of(prompt)


def test_chosen_stages_win_over_the_words():
    words = life_of("a robot, rusting, then melting")
    assert in_its_stages(words, ()) is words
    chosen = (protocol.Stage(process=protocol.Melt(spread=0.9)), protocol.Stage(process=protocol.Burn(), start=0.5))
    found = in_its_stages(words, chosen)
    assert (found.thing, found.stages, found.words()) == ("a robot", chosen, ("a robot", "melt + burn"))
    assert found.passed_over == ("rusting",)
