"""Processes at once and one after another: what each leaves to the next, and what each adds to those before it."""

from itertools import pairwise

import numpy as np
import pytest

from backend import protocol
from backend.geometry.anatomy import Anatomy
from backend.geometry.body import FULL, Body
from backend.pipelines import stages
from backend.pipelines.processes.process import Posed, Process
from backend.protocol import Stage
from backend.report import silent
from tests.shapes import body_of, column

TAUS = np.linspace(0.0, 1.0, 13)


class Shifts(Process):
    """A solver of its own: everything goes to the side, by 1 over its life."""

    moves, doing = True, "Shifting"
    way = np.array([1.0, 0.0, 0.0])

    def motion(self, taus, report):
        for tau in taus:
            yield Posed(self.body.vertices + self.amount * tau * self.way, 0.1 * tau)

    def look(self, tau, look):
        return look.toward(self.strength * tau, roughness=1.0)


class Rises(Shifts):
    """By half of the height that it finds: so that it shows which body it was given."""

    def motion(self, taus, report):
        for tau in taus:
            yield Posed(self.body.vertices + 0.5 * tau * self.body.vertices * [0.0, 0.0, 1.0])


class Doubles(Shifts):
    """By as far to the side as it finds itself there already."""

    def motion(self, taus, report):
        for tau in taus:
            yield Posed(self.body.vertices + tau * self.body.vertices * [1.0, 0.0, 0.0])


class Swells(Process):
    elastic, doing = True, "Swelling"

    def rest(self, tau, rest):
        rest.grow(1.0 + 0.3 * self.strength * tau, 1.0 + 0.3 * self.strength * tau)


class Loses(Process):
    elastic, doing = True, "Shrinking"

    def rest(self, tau, rest):
        rest.grow(1.0 / (1.0 + 0.3 * self.strength * tau), 1.0 / (1.0 + 0.3 * self.strength * tau))


class Bends(Process):
    elastic, doing = True, "Bending"

    def rest(self, tau, rest):
        rest.bend(droop=0.3 * self.strength * tau)
        rest.weigh(self.strength * tau)


FAKES = {
    protocol.Melt: Shifts,
    protocol.Grow: Rises,
    protocol.Rust: Doubles,
    protocol.Swell: Swells,
    protocol.Shrivel: Loses,
    protocol.Wilt: Bends,
}


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(stages, "make", lambda settings, told: FAKES[type(settings)](settings, told))


def stage(kind, start=0.0, end=1.0, amount=1.0) -> Stage:
    return Stage(process=kind(), start=start, end=end, amount=amount)


def body() -> Body:
    return body_of(*column())


def lived(*asked: Stage, taus=TAUS, seed=4):
    return list(stages.live(Anatomy(body()), asked, seed, taus, FULL, silent))


def test_a_comma_opens_a_chapter_and_a_plus_does_not():
    asked = protocol.from_words("wilt, melt + swell, rust", {"swell.start": 0.5})
    assert [[protocol.name_of(one.process) for one in chapter] for chapter in stages.chapters(asked)] == [
        ["wilt"],
        ["melt", "swell"],
        ["rust"],
    ]
    late = protocol.from_words("wilt + melt", {"melt.start": 0.5})
    assert len(stages.chapters(late)) == 1
    assert len(stages.chapters((stage(protocol.Wilt, 0.0, 0.4), stage(protocol.Melt, 0.4, 1.0)))) == 2


def test_the_next_chapter_acts_on_what_the_last_one_left():
    start = body().vertices
    moments = lived(stage(protocol.Melt, 0.0, 0.5), stage(protocol.Rust, 0.5, 1.0))
    for moment in moments:
        first, second = min(moment.tau / 0.5, 1.0), max(moment.tau - 0.5, 0.0) / 0.5
        shifted = start + [first, 0.0, 0.0]
        np.testing.assert_allclose(moment.poses[0], shifted, atol=1e-12)
        np.testing.assert_allclose(moment.positions, shifted * [1.0 + second, 1.0, 1.0], atol=1e-12)


def test_in_one_chapter_motions_add_up_and_each_pose_is_one_process_more():
    start = body().vertices
    for moment in lived(stage(protocol.Melt, amount=0.25), stage(protocol.Rust), stage(protocol.Grow)):
        shifts = [[0.25, 0.0, 0.0], start * [1.0, 0.0, 0.0], start * [0.0, 0.0, 0.5]]
        pose = start
        for under, shift in zip(moment.poses, shifts, strict=True):
            pose = pose + moment.tau * np.asarray(shift)
            np.testing.assert_allclose(under, pose, atol=1e-12)


def test_the_first_pose_is_the_first_process_alone():
    both, alone = lived(stage(protocol.Wilt), stage(protocol.Swell)), lived(stage(protocol.Wilt))
    for one, other in zip(both, alone, strict=True):
        np.testing.assert_array_equal(one.poses[0], other.positions)
    assert np.abs(both[-1].positions - both[-1].poses[0]).max() > 0.02


def test_rest_states_combine_before_anything_moves():
    """Growing by a third while shrinking by as much is nothing at all, also half way."""
    moments = lived(stage(protocol.Swell), stage(protocol.Shrivel))
    for moment in moments:
        np.testing.assert_allclose(moment.positions, body().vertices, atol=1e-6)
    assert np.abs(moments[-1].poses[0] - body().vertices).max() > 0.05


def test_a_motion_rides_on_what_is_bent():
    both, bent = lived(stage(protocol.Wilt), stage(protocol.Melt)), lived(stage(protocol.Wilt))
    for one, other in zip(both, bent, strict=True):
        np.testing.assert_allclose(one.positions, other.positions + [one.tau, 0.0, 0.0], atol=1e-12)


def test_a_motion_says_how_much_is_kept_of_what_is_bent(monkeypatch):
    class Thaws(Shifts):
        def motion(self, taus, report):
            for posed in super().motion(taus, report):
                yield posed._replace(keeps=np.where(self.body.vertices[:, 2] > 0.5, 0.25, 1.0))

    monkeypatch.setitem(FAKES, protocol.Melt, Thaws)
    both, bent = lived(stage(protocol.Wilt), stage(protocol.Melt)), lived(stage(protocol.Wilt))
    share = np.where(body().vertices[:, 2:] > 0.5, 0.25, 1.0)
    for one, other in zip(both, bent, strict=True):
        expected = body().vertices + share * (other.positions - body().vertices) + [one.tau, 0.0, 0.0]
        np.testing.assert_allclose(one.positions, expected, atol=1e-12)
        np.testing.assert_array_equal(one.poses[0], other.positions)


@pytest.mark.parametrize("other", ["wilt", "burn"])
def test_what_melts_ends_as_a_pool_whatever_else_it_does(monkeypatch, other):
    monkeypatch.undo()  # the processes themselves
    asked = protocol.from_words(f"melt + {other}", {})
    start, end = stages.live(Anatomy(body()), asked, 3, np.array([0.0, 1.0]), FULL, silent)
    assert volume(end.positions) == pytest.approx(volume(start.positions), rel=0.05)
    assert np.ptp(end.positions[:, 2]) < 0.4 * np.ptp(start.positions[:, 2])
    assert np.mean(end.positions[:, 2] <= 0.0) < 0.4  # and not as a decal


def volume(points):
    a, b, c = (points[body().faces[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6.0)


def test_a_short_stage_does_not_make_all_others_slow():
    heard = []
    asked = stage(protocol.Wilt), stage(protocol.Swell, 0.5, 0.501)
    moments = list(stages.live(Anatomy(body()), asked, 1, TAUS, FULL, lambda done, text: heard.append(done)))
    assert len(heard) <= 2 * stages.MANY
    assert np.abs(moments[-1].poses[1] - moments[-1].poses[0]).max() > 0.02


@pytest.mark.parametrize("kind", [protocol.Wilt, protocol.Melt])
def test_before_its_start_a_process_does_nothing_and_after_its_end_no_more(kind):
    moments = lived(stage(kind, 0.25, 0.75))
    for moment in moments:
        if moment.tau <= 0.25:
            np.testing.assert_array_equal(moment.positions, body().vertices)
            np.testing.assert_array_equal(moment.look.roughness, body().roughness)
        if moment.tau >= 0.75:
            np.testing.assert_array_equal(moment.positions, moments[-1].positions)
    assert np.abs(moments[-1].positions - body().vertices).max() > 0.1


def test_nothing_jumps_where_chapters_meet():
    fine = np.linspace(0.0, 1.0, 97)
    moments = lived(stage(protocol.Wilt, 0.0, 0.5), stage(protocol.Swell, 0.5, 1.0), taus=fine)
    steps = [np.abs(b.positions - a.positions).max() for a, b in pairwise(moments)]
    assert max(steps[46:52]) < 1.5 * max(steps[:46] + steps[52:])
    np.testing.assert_allclose(moments[48].positions, moments[48].poses[0], atol=1e-12)


@pytest.mark.parametrize(
    "asked",
    [
        (stage(protocol.Wilt),),
        (stage(protocol.Wilt, 0.0, 0.5), stage(protocol.Melt, 0.5, 1.0)),
        (stage(protocol.Melt, 0.0, 0.7), stage(protocol.Swell, 0.2, 1.0)),
    ],
    ids=["one", "then", "while"],
)
def test_a_part_of_life_is_the_same_moments_of_the_whole(asked):
    whole = lived(*asked, taus=np.linspace(0.0, 1.0, 13))
    for part in (whole[:5], whole[4:9], whole[8:], whole[6:7]):
        alone = lived(*asked, taus=np.array([moment.tau for moment in part]))
        for one, other in zip(part, alone, strict=True):
            assert [pose.tobytes() for pose in one.poses] == [pose.tobytes() for pose in other.poses]
            assert one.look.roughness.tobytes() == other.look.roughness.tobytes()


def test_the_look_passes_through_all_that_has_begun():
    moments = lived(stage(protocol.Melt, 0.0, 0.5), stage(protocol.Melt, 0.5, 1.0, amount=0.5))
    assert moments[6].look.roughness == pytest.approx(1.0)
    half = lived(stage(protocol.Melt, 0.0, 0.5, amount=0.5), stage(protocol.Melt, 0.5, 1.0, amount=0.5))
    np.testing.assert_allclose(half[6].look.roughness, 0.7)
    np.testing.assert_allclose(half[-1].look.roughness, 0.85)


def test_what_was_put_back_is_summed():
    moments = lived(stage(protocol.Melt, 0.0, 0.5), stage(protocol.Melt, 0.5, 1.0))
    assert [moments[k].corrected for k in (0, 3, 6, 12)] == pytest.approx([0.0, 0.05, 0.1, 0.2])


def test_each_stage_has_chances_of_its_own(monkeypatch):
    seeds = []
    monkeypatch.setattr(stages, "make", lambda settings, told: seeds.append(told.seed) or Shifts(settings, told))
    lived(stage(protocol.Melt), stage(protocol.Melt), stage(protocol.Melt, 1.0 - 1e-9, 1.0))
    assert len(set(seeds)) == 3


def test_nothing_goes_through_the_floor():
    class Sinks(Shifts):
        way = np.array([0.0, 0.0, -0.3])

    FAKES[protocol.Burn] = Sinks
    assert min(moment.positions[:, 2].min() for moment in lived(stage(protocol.Burn))) == 0.0


def test_progress_never_goes_back():
    heard = []
    asked = (stage(protocol.Wilt, 0.0, 0.4), stage(protocol.Swell, 0.1, 0.4), stage(protocol.Swell, 0.4, 1.0))
    list(stages.live(Anatomy(body()), asked, 1, TAUS, FULL, lambda done, text: heard.append(done)))
    assert heard == sorted(heard)
    assert heard[0] == 0.0 and 0.9 < heard[-1] <= 1.0
    assert any(0.1 < done < 0.4 for done in heard)


# --- the words for it


@pytest.mark.parametrize("words", ["wilt", "bloom, wilt, rot", "wilt + burn", "bloom, wilt + burn, rot", "melt, melt"])
def test_words_and_stages_are_one(words):
    asked = protocol.from_words(words, {})
    assert protocol.in_words(asked) == words
    assert protocol.Animate(stages=asked).stages == asked


def test_what_a_comma_parts_has_equal_shares_and_settings_reach_their_process():
    asked = protocol.from_words("Bloom,wilt+ burn", {"burn.start": 0.75, "burn.curl": 0.9, "bloom.order": 0.1}, 0.5)
    assert [(one.start, one.end, one.amount) for one in asked] == [(0.0, 0.5, 0.5), (0.5, 1.0, 0.5), (0.75, 1.0, 0.5)]
    assert asked[2].process == protocol.Burn(curl=0.9)
    assert asked[0].process == protocol.Bloom(order=0.1)
    assert asked[1].process == protocol.Wilt()


def test_a_setting_that_one_process_has_needs_no_name_before_it():
    wilt, burn = protocol.from_words("wilt + burn", {"droop": 0.3, "ember": 0.9, "burn.curl": 0.1})
    assert (wilt.process, burn.process) == (protocol.Wilt(droop=0.3), protocol.Burn(ember=0.9, curl=0.1))
    (alone,) = protocol.from_words("wilt", {"start": 0.25, "curl": 0.1})
    assert (alone.start, alone.process.curl) == (0.25, 0.1)


REFUSED = {
    "unknown": ("wilt, fly", {}, 'no process "fly": choose from wilt'),
    "empty": ("", {}, "No process is named: choose from wilt"),
    "nothing between": ("wilt,,melt", {}, 'In "wilt,,melt" a process is missing'),
    "nothing after": ("wilt +", {}, 'In "wilt \\+" a process is missing'),
    "five": ("wilt, melt + rot, burn, rust", {}, "at most 4 processes, and here are 5"),
    "of two": ("wilt + burn", {"curl": 0.5}, "write wilt.curl or burn.curl"),
    "of none": ("wilt", {"colour": 0.5}, "There are wilt.droop, wilt.curl".lower()),
    "of a process that is not there": ("wilt", {"gloss": 0.5}, '"gloss" is a setting of melt, which was not asked for'),
    "too much, short": ("wilt", {"droop": 1.5}, "wilt.droop is a number from 0 to 1, not 1.5"),
    "slider of another": ("wilt", {"burn.curl": 0.5}, '"burn.curl" sets a process that was not asked for'),
    "no such slider": ("wilt", {"wilt.colour": 0.5}, 'no setting "colour": it has droop, curl'),
    "too much": ("wilt", {"wilt.droop": 1.5}, "wilt.droop is a number from 0 to 1, not 1.5"),
    "no amount": ("wilt", {"wilt.amount": 0.0}, "wilt.amount is a number from 0.01 to 1, not 0"),
    "ends before it starts": ("wilt", {"wilt.end": 0.5, "wilt.start": 0.5}, "not after its start"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_words_that_make_no_sense_are_refused_in_a_sentence(case):
    words, settings, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        protocol.from_words(words, settings)


def test_stages_out_of_order_and_late_births_are_refused():
    with pytest.raises(ValueError, match="in the order in which they start"):
        protocol.Animate(stages=(stage(protocol.Wilt, 0.5, 1.0), stage(protocol.Melt, 0.0, 0.4)))
    with pytest.raises(ValueError, match="Bloom ends with your mesh as it is"):
        protocol.Animate(stages=protocol.from_words("wilt, bloom", {}))
    protocol.Animate(stages=protocol.from_words("wilt + bloom", {}))
    with pytest.raises(ValueError, match="tick Reverse"):
        protocol.Animate(first=0.6, last=0.4)
