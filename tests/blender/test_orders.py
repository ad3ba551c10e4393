"""From a wish to jobs: what one press of Generate asks for, and what the redo panel puts in its place."""

import msgspec
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.ordering import PROMPT, REQUEST, ROSE, adopt, grown, know, wish  # noqa: E402


def requests(script):
    return [job.request for job in script.session.jobs.values()]


def test_an_order_waits_for_its_prompt_to_be_read_and_then_says_what_the_words_say(script, orders):
    order = orders.place(wish(), (1, 2, 3))
    (job,) = script.session.jobs.values()
    assert job.held and not order.sent and script.session.reader._next() == PROMPT
    assert not orders.tick()
    know(script)
    assert orders.tick() and order.sent and not job.held and not orders.tick()
    assert job.request == msgspec.structs.replace(REQUEST, specimen=ROSE, count=1)


def test_a_bouquet_is_a_job_for_each_individual_with_a_seed_and_an_age_of_its_own(script, orders):
    know(script, count=8)
    orders.place(wish(variations=5), (0, 0, 0))
    assert [request.seed for request in requests(script)] == [protocol.child_seed(7, number) for number in range(5)]
    ages = [request.age for request in requests(script)]
    assert ages == protocol.ages_of(REQUEST, 5) and sorted(ages) == [-1, -0.5, 0, 0.5, 1]
    assert {(request.count, request.specimen) for request in requests(script)} == {(1, ROSE)}
    sites = [arrival.site for arrival in script.pump.arrivals.open.values()]
    assert sorted(slot for site in sites for slot in site.slots) == list(range(8))
    assert len({id(site.bed) for site in sites}) == 1


@pytest.mark.parametrize(("count", "variations", "jobs"), [(1, 3, 1), (2, 3, 2), (9, 3, 3), (9, 1, 1), (9, 12, 9)])
def test_there_are_no_more_individuals_than_objects(script, orders, count, variations, jobs):
    know(script, count=4)
    orders.place(wish(count, variations), (0, 0, 0))
    assert len(script.session.jobs) == jobs


def test_bouquets_of_neighbouring_seeds_share_no_individual(script, orders):
    know(script, count=12)
    for seed in (2**31 - 2, 2**31 - 1, 0, 1):
        orders.place(wish(variations=12, request=msgspec.structs.replace(REQUEST, seed=seed)), (0, 0, 0))
    assert len({request.seed for request in requests(script)}) == 4 * 12
    assert all(0 <= request.seed < 2**31 for request in requests(script))


def test_a_prompt_that_is_known_to_be_refused_is_answered_at_once_and_the_former_order_stays(script, orders):
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    before = dict(script.session.jobs)
    script.session.reader._answers[PROMPT] = protocol.Reading(refusal="Nobody can make this")
    with pytest.raises(ValueError, match="Nobody can make this"):
        orders.place(wish(), (0, 0, 0), replaced=order.id)
    assert script.session.jobs == before and orders.find(order.id) is order


def test_a_prompt_that_is_refused_later_fails_its_job_with_the_sentence(script, orders):
    orders.place(wish(), (0, 0, 0))
    know(script, said=protocol.Reading(refusal="Nobody can make this"))
    script.pump.tick(budget=1.0)
    (job,) = script.session.jobs.values()
    assert job.state == "failed" and job.failure.text == "Nobody can make this"
    assert not script.pump.arrivals.open and not bpy.data.objects


def test_a_backend_that_cannot_say_is_asked_all_the_same(script, orders):
    orders.place(wish(), (0, 0, 0))
    know(script, said=protocol.Reading())
    assert orders.tick()
    (job,) = script.session.jobs.values()
    assert not job.held and job.request == REQUEST


def test_an_order_that_is_cancelled_before_it_was_read_is_never_sent(script, orders):
    order = orders.place(wish(), (0, 0, 0))
    (job,) = script.session.jobs.values()
    script.session.cancel(job.id)
    know(script, count=3)
    script.pump.tick(budget=1.0)
    assert order.sent and job.held and job.state == "cancelled" and job.cancel is None
    assert len(script.session.jobs) == 1 and not script.pump.arrivals.open


def test_another_file_takes_an_order_away_that_was_not_sent(script, orders):
    orders.place(wish(), (0, 0, 0))
    bpy.ops.wm.read_homefile(use_empty=True)
    know(script)
    assert not script.session.jobs and not orders.tick()


def test_what_the_redo_panel_changes_takes_the_place_of_the_former_order(script, orders):
    know(script, count=3)
    order = orders.place(wish(), (0, 0, 0))
    former = set(script.session.jobs)
    wider = msgspec.structs.replace(REQUEST, specimen=protocol.SPECIES["rose"](petals=50), seed=70)
    second = orders.place(wish(2, request=wider), (0, 0, 0), replaced=order.id)
    third = orders.place(wish(2, request=msgspec.structs.replace(wider, seed=80)), (0, 0, 0), replaced=order.id)
    assert second.id == third.id == order.id
    (held,) = script.session.jobs.values()
    assert held.held and held.id not in former  # the slider still moves
    assert script.session._removing == former  # what was never sent need not be taken back
    third.due = 0.0
    orders.tick()
    seeds = [(request.specimen.petals, request.seed) for request in requests(script)]
    assert seeds == [(50, 80), (50, protocol.child_seed(80, 1))]
    assert set(script.pump.arrivals.open) == set(script.session.jobs)


def test_what_had_half_arrived_of_a_replaced_order_is_taken_away(script, orders):
    know(script)
    order = orders.place(wish(), (0, 0, 0))
    job = adopt(script, order.jobs[0], grown())
    before = samples.blocks()
    script.give(job, 3)
    assert len(bpy.data.objects) == 1 and bpy.data.objects[0].data.shape_keys
    orders.place(wish(), (0, 0, 0), replaced=order.id)
    script.pump.tick(budget=1.0)
    assert samples.blocks() == before
