"""How long stays in a stage usually last, worked out from lives that the operations wrote."""

import re
from datetime import date, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from opportunities import operations
from opportunities.models import Outcome
from opportunities.norms import NEWEST, Norm, newest_stays, norm_of, time_in_stage, usual_days
from tests.factories import CloseReasonFactory, OpportunityFactory, cycle_with_stages
from tests.opportunities.conftest import signed_in

BEGIN = date(2026, 3, 2)


@pytest.fixture
def stages(cycle):
    return list(cycle.stages.order_by("position"))


@pytest.fixture
def begun(seller, salesperson, cycle, company):
    """``begun(n)``: so many opportunities that entered the first stage on the same day."""

    def make(count=1):
        shared = {"salesperson": salesperson, "cycle": cycle, "contact": company, "by": seller}
        return [OpportunityFactory(started=True, on=BEGIN, **shared) for _ in range(count)]

    return make


def go(opportunity, stage, days, by):
    """Move after so many days since the beginning, with an estimate that suits the day."""
    on = BEGIN + timedelta(days=days)
    estimate = operations.offered_estimate(opportunity, stage, on)
    return operations.move(opportunity=opportunity, to=stage, estimate=estimate, by=by, on=on)


def close(opportunity, outcome, days, by):
    return operations.close(
        opportunity=opportunity,
        outcome=outcome,
        reason=CloseReasonFactory(outcome=outcome),
        amount=1000 if outcome == Outcome.WON else None,
        by=by,
        on=BEGIN + timedelta(days=days),
    )


def asked_anew(stages):
    cache.clear()
    return usual_days(stage.pk for stage in stages)


def test_half_and_four_in_five_of_those_that_went_on(begun, stages, seller):
    for opportunity, days in zip(begun(10), [2, 4, 6, 6, 6, 8, 9, 11, 20, 40], strict=True):
        go(opportunity, stages[1], days, seller)

    assert asked_anew(stages) == {
        stages[0].pk: Norm(10, median=6, four_in_five=11),
        stages[1].pk: Norm(0),
        stages[2].pk: Norm(0),
    }


def test_winning_skipping_and_going_on_count_and_nothing_else(begun, stages, seller, cycle):
    cycle.stages.filter(pk=stages[1].pk).update(allows_skip=True)
    next_one, skipping, winner, loser, running = begun(5)
    go(next_one, stages[1], 1, seller)
    go(skipping, stages[2], 2, seller)
    close(winner, Outcome.WON, 3, seller)
    close(loser, Outcome.LOST, 4, seller)

    assert asked_anew(stages)[stages[0].pk].count == 3
    assert running.stage == stages[0]


def test_going_back_ends_no_stay_well_and_a_second_stay_is_counted_by_itself(begun, stages, seller):
    (opportunity,) = begun()
    go(opportunity, stages[1], 5, seller)
    go(opportunity, stages[0], 9, seller)
    go(opportunity, stages[1], 20, seller)

    norms = asked_anew(stages)

    assert norms[stages[0].pk].count == 2
    assert norms[stages[1].pk].count == 0


def test_a_stay_is_counted_from_entering_however_many_entries_it_has(begun, stages, seller):
    opportunities = begun(5)
    for opportunity in opportunities:
        on = BEGIN + timedelta(days=4)
        estimate = operations.Estimate(5000, 40, on + timedelta(days=30))
        operations.revise(opportunity=opportunity, estimate=estimate, by=seller, on=on)
        go(opportunity, stages[1], 7, seller)

    assert asked_anew(stages)[stages[0].pk] == Norm(5, median=7, four_in_five=7)


def test_what_was_taken_back_does_not_count(begun, stages, seller):
    undone, reopened = begun(2)
    go(undone, stages[1], 3, seller)
    close(reopened, Outcome.WON, 3, seller)
    assert asked_anew(stages)[stages[0].pk].count == 2

    on = BEGIN + timedelta(days=4)
    operations.undo(opportunity=undone, note="A slip", by=seller, on=on)
    operations.reopen(opportunity=reopened, note="Not signed", by=seller, on=on)

    assert asked_anew(stages)[stages[0].pk].count == 0


def test_below_five_nothing_is_usual(begun, stages, seller):
    opportunities = begun(5)
    for opportunity in opportunities[:4]:
        go(opportunity, stages[1], 3, seller)
    assert asked_anew(stages)[stages[0].pk] == Norm(4)

    go(opportunities[4], stages[1], 3, seller)
    assert asked_anew(stages)[stages[0].pk] == Norm(5, median=3, four_in_five=3)


def test_only_the_newest_count(begun, stages, seller, monkeypatch):
    monkeypatch.setattr("opportunities.norms.NEWEST", 5)
    for place, opportunity in enumerate(begun(8)):
        go(opportunity, stages[1], 10 * place, seller)

    assert asked_anew(stages)[stages[0].pk] == Norm(5, median=50, four_in_five=60)
    assert NEWEST == 200


def test_one_query_for_all_stages_and_none_a_little_later(stages, django_assert_num_queries):
    others = list(cycle_with_stages("One", "Two", "Three", "Four").stages.all())

    with django_assert_num_queries(1):
        usual_days(stage.pk for stage in stages)
    with django_assert_num_queries(1):
        usual_days(stage.pk for stage in [*stages, *others])
    with django_assert_num_queries(0):
        usual_days(stage.pk for stage in [*stages, *others])
    with django_assert_num_queries(0):
        assert usual_days([]) == {}


def test_more_stages_than_one_query_takes(begun, stages, seller, monkeypatch):
    monkeypatch.setattr("opportunities.norms.STAGES_AT_A_TIME", 2)
    go(begun()[0], stages[1], 3, seller)

    with CaptureQueriesContext(connection) as queries:
        norms = asked_anew(stages)

    assert len(queries) == 2
    assert [norms[stage.pk].count for stage in stages] == [1, 0, 0]


def test_the_index_is_walked_and_no_more_is_read_than_is_looked_at(stages):
    if connection.vendor == "postgresql":  # on a table this small it would rather read all and sort
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")

    plan = newest_stays(stages[0].pk).explain()

    assert "entry_left_stage_idx" in plan
    assert not re.search(r"\bSCAN\b|Seq Scan|TEMP B-TREE|Sort", plan)


@given(st.lists(st.integers(0, 400), min_size=5, max_size=60))
def test_norms_say_the_least_days_within_which_half_and_four_in_five_left(days):
    norm = norm_of(days)

    for share, within in [(0.5, norm.median), (0.8, norm.four_in_five)]:
        assert sum(length <= within for length in days) >= share * len(days)
        assert sum(length < within for length in days) < share * len(days)


# On the page of an opportunity


def test_the_present_stay(begun, stages, seller):
    (opportunity,) = begun()

    with time_machine.travel(BEGIN + timedelta(days=9), tick=False):
        stay = time_in_stage(opportunity)

    assert (stay.stage, stay.days, stay.norm, stay.is_slow) == (stages[0], 9, Norm(0), False)


def test_longer_than_four_in_five_is_slow(begun, stages, seller):
    opportunity, *others = begun(6)
    for other in others:
        go(other, stages[1], 3, seller)

    with time_machine.travel(BEGIN + timedelta(days=3), tick=False):
        assert not time_in_stage(opportunity).is_slow
    with time_machine.travel(BEGIN + timedelta(days=4), tick=False):
        assert time_in_stage(opportunity).is_slow


def test_no_stay_without_a_stage_or_after_the_end(new_opportunity, won):
    assert time_in_stage(new_opportunity) is None
    assert time_in_stage(won) is None


def words(client, opportunity):
    """The card about the time in the stage, as one reads it."""
    html = client.get(opportunity.get_absolute_url()).content.decode()
    card = re.search(r'<section[^>]*aria-labelledby="stay-title">(.*?)</section>', html, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", card[1]).split()) if card else ""


def test_the_page_says_how_long_and_what_is_usual(begun, stages, seller):
    opportunity, *others = begun(11)
    for other, days in zip(others, [2, 4, 6, 6, 6, 8, 9, 11, 20, 40], strict=True):
        go(other, stages[1], days, seller)

    with time_machine.travel(BEGIN + timedelta(days=9), tick=False):
        client = signed_in(Client, seller)
        assert words(client, opportunity) == (
            "Time in Qualify n = 10 9 days here. "
            "Half of those that went on or were won left Qualify within 6 days , four in five within 11 days ."
        )
    with time_machine.travel(BEGIN + timedelta(days=12), tick=False):
        client = signed_in(Client, seller)
        assert "12 days here, longer than usual." in words(client, opportunity)


def test_the_page_says_when_too_few_went_on(as_seller, opportunity):
    assert words(as_seller, opportunity) == (
        "Time in Qualify 0 days here. "
        "0 opportunities have gone on from here so far; that is too few to say what is usual."
    )


def test_the_page_says_nothing_where_there_is_no_stay(as_seller, new_opportunity, won):
    assert words(as_seller, new_opportunity) == words(as_seller, won) == ""
