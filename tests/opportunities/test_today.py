"""The page of the day: what needs somebody, why, and what one's opportunities are worth."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from activities.models import TaskStatus
from crm.dates import today
from opportunities import operations
from opportunities.attention import CONDITIONS, WORDS, Line, Need
from opportunities.due import TaskLine
from opportunities.models import Opportunity, Outcome
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    user_with_role,
)
from tests.opportunities.conftest import signed_in

TODAY = reverse("opportunities:today")
SEEN = reverse("opportunities:see-changes")
LIST = reverse("opportunities:list")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    """A clock that stands still: 2 March 2026, 10 o'clock in Brussels, until a test moves it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def make(clock, seller, salesperson, cycle, company):
    """``make(**what)``: an opportunity of the seller, started today unless said otherwise, with something far ahead."""

    def make(*, next_step=True, **fields):
        shared = {"salesperson": salesperson, "cycle": cycle, "contact": company, "by": seller}
        opportunity = OpportunityFactory(**{**shared, "started": True, **fields})
        if next_step:
            TaskFactory(opportunity=opportunity, salesperson=opportunity.salesperson, due_on=date(2027, 1, 1))
        return opportunity

    return make


def look(user, **query):
    """The page as the user sees it now; signed in anew, for sessions end while the clock moves."""
    return signed_in(Client, user).get(TODAY, query)


def days_later(clock, days, hours=0):
    clock.move_to(START + timedelta(days=days, hours=hours))


def shown(response):
    """What the page says: for each number the reasons, in order."""
    return {
        line.opportunity.number: [(reason.need, reason.text) for reason in line.reasons]
        for line, _action in response.context["lines"]
        if isinstance(line, Line)
    }


def needs(response):
    return {number: [need for need, _text in reasons] for number, reasons in shown(response).items()}


def listed(user, url):
    """The numbers that a link opens, in the list, all of them on one page."""
    page = signed_in(Client, user).get(url)
    assert page.status_code == 200
    assert page.context["page"].next_url is None
    return {row.number for row in page.context["page"].rows}


def make_usual(make, days, by, cycle):
    """Five opportunities that left the first stage after so many days, since won; today is then that many later."""
    first, second = cycle.stages.order_by("position")[:2]
    for _ in range(5):
        opportunity = make(on=today() - timedelta(days=days))
        estimate = operations.offered_estimate(opportunity, second, today())
        operations.move(opportunity=opportunity, to=second, estimate=estimate, by=by, on=today())
        reason = CloseReasonFactory(outcome=Outcome.WON)
        operations.close(
            opportunity=opportunity, outcome=Outcome.WON, reason=reason, amount=Decimal(1), by=by, on=today()
        )
    cache.clear()
    return first


# Why


def test_nothing_is_needed_of_what_is_fresh(make, seller):
    make()
    make(started=False)

    response = look(seller)

    assert shown(response) == {}
    html = response.content.decode()
    assert "Nothing needs you today" in html
    assert f'href="{LIST}?whose=ME&amp;closes=THIS_MONTH"' in html


def test_nothing_is_needed_of_who_has_nothing_open(seller, viewer, clock):
    assert "You have no open opportunity." in look(seller).content.decode()
    assert "See what closes this month" in look(viewer).content.decode()


def test_a_closing_date_that_has_passed(make, clock, seller):
    opportunity = make()  # closes on 2 April
    days_later(clock, 31)
    InteractionFactory(opportunity=opportunity, contact=None)
    assert shown(look(seller)) == {}

    days_later(clock, 32)
    assert shown(look(seller)) == {opportunity.number: [(Need.OVERDUE, "closing date passed yesterday")]}

    days_later(clock, 43)
    assert shown(look(seller))[opportunity.number][0] == (
        Need.OVERDUE,
        "closing date passed 12 days ago",
    )


def test_a_change_by_somebody_else(make, manager, clock, seller):
    opportunity = make(description="Robot palletiser")
    make()
    clock.move_to(START + timedelta(hours=2))
    estimate = operations.Estimate(Decimal(5000), Decimal(30), today() + timedelta(days=40))
    operations.revise(opportunity=opportunity, estimate=estimate, by=manager, on=today())

    assert shown(look(seller)) == {
        opportunity.number: [(Need.CHANGED, "Tom Maes, today at 12:00: Estimate updated in Qualify")]
    }

    days_later(clock, 3)
    assert shown(look(seller))[opportunity.number] == [
        (Need.CHANGED, "Tom Maes, 3 days ago: Estimate updated in Qualify")
    ]

    days_later(clock, 8)  # who never said what they saw is told of one week
    assert shown(look(seller)) == {}


def test_the_newest_change_is_told_until_one_does_something_oneself(make, manager, seller, cycle):
    opportunity = make()
    second = cycle.stages.order_by("position")[1]
    for by in (manager, seller, manager):
        change(opportunity, by)
    operations.move(opportunity=opportunity, to=second, by=manager, on=today())
    assert shown(look(seller)) == {
        opportunity.number: [(Need.CHANGED, "Tom Maes, today at 10:00: Moved to Present")]
    }

    change(opportunity, seller)
    assert shown(look(seller)) == {}


def test_what_somebody_else_closed_is_told_and_listed(seller, make, manager):
    opportunity = make()
    reason = CloseReasonFactory(outcome=Outcome.LOST)
    operations.close(opportunity=opportunity, outcome=Outcome.LOST, reason=reason, by=manager, on=today())

    response = look(seller)

    assert shown(response) == {opportunity.number: [(Need.CHANGED, "Tom Maes, today at 10:00: Lost")]}
    assert listed(seller, f"{LIST}?whose=ME&needs=CHANGED") == {opportunity.number}


def test_the_own_work_of_a_salesperson_is_no_news_to_others(manager, viewer, make, seller):
    make()
    ghost = SalespersonFactory(name="Without a sign-in")
    of_nobody = make(salesperson=ghost, by=seller)

    for user in (manager, viewer):
        assert needs(look(user, whose="EVERYONE")) == {of_nobody.number: [Need.CHANGED]}


def test_longer_in_its_stage_than_four_in_five(make, clock, seller, cycle):
    stage = make_usual(make, 11, seller, cycle)
    opportunity = make()
    days_later(clock, 11)
    assert shown(look(seller)) == {}

    days_later(clock, 12)
    assert shown(look(seller)) == {
        opportunity.number: [(Need.SLOW, f"12 days in {stage}, four in five leave within 11")]
    }


def test_no_stay_is_too_long_while_nothing_is_usual(make, clock, seller):
    make()
    days_later(clock, 13)

    assert shown(look(seller)) == {}


def test_nothing_has_happened(make, clock, company, seller):
    opportunity = make()
    days_later(clock, 13)
    assert shown(look(seller)) == {}

    days_later(clock, 23)
    assert shown(look(seller)) == {opportunity.number: [(Need.QUIET, "nothing has happened for 23 days")]}

    InteractionFactory(opportunity=opportunity, contact=None, happened_on=today() - timedelta(days=15))
    InteractionFactory(opportunity=opportunity, contact=None, happened_on=today() - timedelta(days=14))
    assert shown(look(seller))[opportunity.number] == [(Need.QUIET, "nothing has happened for 14 days")]

    InteractionFactory(opportunity=opportunity, contact=None, happened_on=today() - timedelta(days=13))
    assert shown(look(seller)) == {}


def test_waiting_to_be_started(make, clock, seller):
    bare = make(started=False)
    estimated = make(
        started=False,
        estimate=operations.Estimate(Decimal(100), Decimal(10), today() + timedelta(days=90)),
    )
    days_later(clock, 7)
    assert shown(look(seller)) == {}

    days_later(clock, 8)
    assert shown(look(seller)) == {
        bare.number: [(Need.START, "not started for 8 days, without an estimate")],
        estimated.number: [(Need.START, "not started for 8 days")],
    }


def test_every_need_has_its_condition_and_its_words():
    assert list(CONDITIONS) == list(WORDS) == list(Need)


# In which order, and what to do


def test_each_once_by_its_most_pressing_reason_then_by_what_it_is_worth(make, manager, clock, seller, cycle):
    make_usual(make, 11, seller, cycle)
    waiting = make(started=False)
    small, large = make(value=1_000), make(value=50_000)
    days_later(clock, 12)
    slow = make(value=99_000, on=today() - timedelta(days=12))
    days_later(clock, 33)
    estimate = operations.Estimate(Decimal(1), Decimal(1), today() + timedelta(days=1))
    operations.revise(opportunity=slow, estimate=estimate, by=manager, on=today())

    response = look(seller)

    assert list(needs(response).items()) == [
        (large.number, [Need.OVERDUE, Need.SLOW, Need.QUIET]),
        (small.number, [Need.OVERDUE, Need.SLOW, Need.QUIET]),
        (slow.number, [Need.CHANGED, Need.SLOW]),
        (waiting.number, [Need.START]),
    ]
    assert response.context["total"] == 4
    html = response.content.decode()
    assert html.index("Closing date passed 2 days ago") < html.index("nothing has happened for 33 days")


def and_back(name, opportunity):
    return f"{reverse(f'opportunities:{name}', args=[opportunity.pk])}?next=%2Ftoday%2F"


def test_one_action_for_the_most_pressing_reason(make, manager, clock, seller, cycle):
    make_usual(make, 11, seller, cycle)
    second, last = cycle.stages.order_by("position")[1:]
    overdue = make(description="Overdue")
    waiting = make(description="Waiting", started=False)
    days_later(clock, 20)
    slow, quiet = make(description="Slow"), make(description="Quiet")
    for stage in (second, last):  # nothing is usual in the last one
        operations.move(opportunity=quiet, to=stage, by=seller, on=today())
    days_later(clock, 34)
    changed = make(description="Changed")
    operations.move(opportunity=changed, to=second, by=manager, on=today())

    actions = {line.opportunity: action for line, action in look(seller).context["lines"]}

    assert {row: (action.label, action.url, action.is_dialog) for row, action in actions.items()} == {
        overdue: ("Update estimate", and_back("revise", overdue), True),
        changed: ("Look", changed.get_absolute_url(), False),
        slow: (
            "Move to Present",
            f"{reverse('opportunities:move', args=[slow.pk])}?to={second.pk}&next=%2Ftoday%2F",
            True,
        ),
        quiet: ("Add a note", reverse("opportunities:note-new", args=[quiet.pk]), True),
        waiting: ("Start", and_back("start", waiting), True),
    }


def test_too_long_in_the_last_stage_asks_for_an_end(make, clock, seller, cycle):
    last = cycle.stages.order_by("position").last()
    cycle.stages.filter(position__lt=last.position).update(is_active=False)
    make_slow = [make() for _ in range(6)]
    for opportunity in make_slow[:5]:
        reason = CloseReasonFactory(outcome=Outcome.WON)
        operations.close(
            opportunity=opportunity,
            outcome=Outcome.WON,
            reason=reason,
            amount=Decimal(1),
            by=seller,
            on=today(),
        )
    days_later(clock, 1)

    response = look(seller)

    assert shown(response) == {
        make_slow[5].number: [(Need.SLOW, "1 day in Propose, four in five leave within 0")]
    }
    (_line, action) = response.context["lines"][0]
    assert action.url == and_back("close", make_slow[5])


# Whose


def test_a_salesperson_sees_their_own(make, seller):
    make(description="Mine", on=today() - timedelta(days=20))
    make(description="Of a colleague", salesperson=SalespersonFactory(), on=today() - timedelta(days=20))

    response = look(seller)

    assert [line.opportunity.description for line, _action in response.context["lines"]] == ["Mine"]
    assert response.context["offered"] == []


def test_a_manager_chooses_whose(make, manager):
    twenty_days = today() - timedelta(days=20)
    make(description="Of the manager", salesperson=manager.salesperson, on=twenty_days)
    make(description="Of the team", on=twenty_days)
    make(description="Of another team", salesperson=SalespersonFactory(), on=twenty_days)

    def seen(**query):
        return {line.opportunity.description for line, _action in look(manager, **query).context["lines"]}

    assert seen() == seen(whose="ME") == {"Of the manager"}
    assert seen(whose="TEAM") == {"Of the manager", "Of the team"}
    assert seen(whose="EVERYONE") == {"Of the manager", "Of the team", "Of another team"}
    html = look(manager, whose="TEAM").content.decode()
    assert '<a href="?whose=TEAM" aria-current="page">My team’s</a>' in html


@pytest.mark.parametrize("whose", ["TEAM", "EVERYONE", "NOBODY", "\x00", "\ud800", "9" * 5000])
def test_a_choice_that_is_not_there_is_said_and_shows_the_usual_page(make, seller, whose):
    make(on=today() - timedelta(days=20))

    response = signed_in(Client, seller).get(
        TODAY, QUERY_STRING=f"whose={quote(whose, errors='surrogatepass')}"
    )

    assert response.status_code == 422
    assert len(shown(response)) == 1
    assert "There is no such choice here" in response.content.decode()


def test_who_only_reads_sees_everyones_without_anything_to_do(make, viewer):
    make(on=today() - timedelta(days=20))
    superuser = user_with_role(None, is_superuser=True)

    for user in (viewer, superuser):
        response = look(user)
        assert [action for _line, action in response.context["lines"]] == [None]
        assert response.context["offered"] == []
        assert "Everyone I see" not in response.content.decode()


def test_a_manager_has_nothing_to_do_where_they_may_not_work(make, manager):
    make(salesperson=SalespersonFactory(team=TeamFactory()), on=today() - timedelta(days=20))

    (_line, action) = look(manager, whose="EVERYONE").context["lines"][0]

    assert action is None


def test_what_one_may_not_see_is_not_there(make, seller, settings):
    settings.VISIBILITY = "own"
    make(salesperson=SalespersonFactory(team=TeamFactory()), on=today() - timedelta(days=20))
    manager_elsewhere = user_with_role(Role.SALES_MANAGER)
    SalespersonFactory(user=manager_elsewhere, team=TeamFactory())

    assert look(seller).context["total"] == 0
    assert look(manager_elsewhere, whose="EVERYONE").context["total"] == 0


def test_without_a_role_there_is_nothing_to_see(stranger):
    assert look(stranger).status_code == 403


# Every number opens the rows it counts


def test_each_count_opens_exactly_the_rows_it_counts(make, manager, seller, clock, cycle):
    make_usual(make, 11, seller, cycle)
    for place in range(20):
        days_later(clock, 2 * place)
        made = make(started=place % 4 != 0, value=1000 * place + 1, next_step=place % 3 > 0)
        if place % 5 == 1:
            operations.reassign(
                opportunity=made, contact=None, salesperson=manager.salesperson, by=manager, on=today()
            )
        if place % 7 == 3:
            reason = CloseReasonFactory(outcome=Outcome.LOST)
            operations.close(opportunity=made, outcome=Outcome.LOST, reason=reason, by=manager, on=today())
    days_later(clock, 40)

    met = set()
    for user, whose in [(seller, "ME"), (manager, "ME"), (manager, "TEAM"), (manager, "EVERYONE")]:
        response = look(user, **({"whose": whose} if user == manager else {}))
        assert response.context["total"] == len(shown(response))
        for need, count, url in response.context["counts"]:
            reasons = {number for number, found in needs(response).items() if need in found}
            assert listed(user, url) == reasons
            assert len(reasons) == count
            met.add(need)
    assert met == set(Need)


def test_figures_are_the_sums_of_the_lists_they_open(make, seller, clock, salesperson):
    days_later(clock, 14)  # 16 March
    make(value=40_000)
    make(value=10_000)
    make(started=False)
    make(started=False, estimate=operations.Estimate(Decimal(7000), None, None))
    for amount, on in [(100, (2026, 3, 1)), (20, (2026, 3, 16)), (3, (2026, 2, 28)), (4000, (2026, 1, 31))]:
        won = make(on=date(*on))
        reason = CloseReasonFactory(outcome=Outcome.WON)
        operations.close(
            opportunity=won,
            outcome=Outcome.WON,
            reason=reason,
            amount=Decimal(amount),
            by=seller,
            on=date(*on),
        )
    lost = make()
    reason = CloseReasonFactory(outcome=Outcome.LOST)
    operations.close(opportunity=lost, outcome=Outcome.LOST, reason=reason, by=seller, on=today())
    make(value=1_000_000, salesperson=SalespersonFactory())

    figures = {figure.label: figure for figure in look(seller).context["figures"]}

    assert [(figure.label, figure.value, figure.note) for figure in figures.values()] == [
        ("Open value", "€57,000", "4 open, 2 of them not started"),
        ("Weighted value", "€5,000", "each value times its probability"),  # 50 % of 20 %
        ("Not started", "2", "€7,000 estimated"),
        ("Won this month", "€120", "€3 in the whole of last month"),
    ]

    def total(url, field):
        rows = Opportunity.objects.filter(number__in=listed(seller, url))
        return sum(filter(None, rows.values_list(field, flat=True)))

    assert total(figures["Open value"].url, "estimated_value") == 57_000
    assert total(figures["Weighted value"].url, "calculated_value") == 5_000
    assert len(listed(seller, figures["Not started"].url)) == 2
    assert total(figures["Not started"].url, "estimated_value") == 7_000
    assert total(figures["Won this month"].url, "calculated_value") == 120
    assert total(figures["Won this month"].note_url, "calculated_value") == 3


def test_all_that_need_somebody_open_as_one_list(make, manager, clock, seller):
    make(description="Overdue"), make(description="Waiting", started=False)
    days_later(clock, 40)
    changed = make(description="Changed")
    change(changed, manager)
    make(description="Nothing wrong")

    response = look(seller)

    listed_now = listed(seller, response.context["all_url"])
    assert len(listed_now) == response.context["total"] == 3
    assert set(listed_now) == set(needs(response))


def test_figures_without_anything_are_nought(seller, clock):
    assert [figure.value for figure in look(seller).context["figures"]] == ["€0", "€0", "0", "€0"]


@pytest.mark.parametrize("value", ["NONSENSE", "\x00", "9" * 40])
def test_the_list_refuses_a_need_it_does_not_know(as_seller, value):
    assert as_seller.get(LIST, {"needs": value}).status_code == 422


# Seen up to here


def change(opportunity, by):
    estimate = operations.Estimate(Decimal(5000), Decimal(30), today() + timedelta(days=40))
    return operations.revise(opportunity=opportunity, estimate=estimate, by=by, on=today())


def drawn_at(response):
    return re.search(r'name="until" value="([^"]+)"', response.content.decode())[1]


def test_seen_up_to_here_takes_away_what_was_on_the_screen_and_no_more(make, manager, seller, clock):
    opportunity, other = make(), make()
    clock.move_to(START + timedelta(minutes=5))
    change(opportunity, manager)
    clock.move_to(START + timedelta(minutes=10))
    client = signed_in(Client, seller)
    on_screen = client.get(TODAY)
    clock.move_to(START + timedelta(minutes=11))
    change(other, manager)  # after the page was drawn
    clock.move_to(START + timedelta(minutes=12))

    response = client.post(SEEN, {"until": drawn_at(on_screen), "whose": "ME"}, follow=True)

    assert response.redirect_chain == [(f"{TODAY}?whose=ME", 302)]
    assert needs(on_screen) == {opportunity.number: [Need.CHANGED]}
    assert needs(response) == {other.number: [Need.CHANGED]}
    assert "What others changed before 10:10 counts as seen." in response.content.decode()
    seller.refresh_from_db()
    assert seller.changes_seen_at == START + timedelta(minutes=10)


def test_an_older_window_takes_nothing_back(make, manager, seller, clock):
    older = drawn_at_after(make, manager, seller, clock, 10)
    newer = drawn_at_after(make, manager, seller, clock, 20)
    client = signed_in(Client, seller)

    for until in (newer, older):
        client.post(SEEN, {"until": until, "whose": "ME"})

    seller.refresh_from_db()
    assert seller.changes_seen_at.isoformat() == newer


def drawn_at_after(make, manager, seller, clock, minutes):
    clock.move_to(START + timedelta(minutes=minutes - 1))
    change(make(), manager)
    clock.move_to(START + timedelta(minutes=minutes))
    return drawn_at(look(seller))


def test_seen_is_one_readers_own(make, manager, seller, clock):
    colleague = user_with_role(Role.SALESPERSON)
    of_colleague = make(salesperson=colleague.salesperson)
    clock.move_to(START + timedelta(minutes=5))
    change(of_colleague, manager)
    clock.move_to(START + timedelta(minutes=10))

    signed_in(Client, seller).post(SEEN, {"until": timezone.now().isoformat()})

    assert needs(look(colleague)) == {of_colleague.number: [Need.CHANGED]}


@pytest.mark.parametrize(
    "until",
    ["", "yesterday", "\x00", "9999-12-31T23:59:59Z", "2026-13-01", "9" * 4000, "2026-03-02T10:00:00+99:00"],
)
def test_a_moment_that_makes_no_sense_changes_nothing(make, manager, seller, clock, until):
    clock.move_to(START + timedelta(minutes=5))
    change(make(), manager)
    clock.move_to(START + timedelta(minutes=6))

    response = signed_in(Client, seller).post(SEEN, {"until": until, "whose": "NONSENSE"})

    seller.refresh_from_db()
    assert response.status_code == 422
    assert seller.changes_seen_at is None
    assert [Need.CHANGED] in needs(response).values()


def test_a_moment_long_ago_changes_nothing_to_speak_of(seller, clock):
    response = signed_in(Client, seller).post(SEEN, {"until": "0001-01-01T00:00:00+14:00"})

    seller.refresh_from_db()
    assert response.status_code == 302
    assert seller.changes_seen_at == START - timedelta(days=7)


def test_seen_needs_a_post_and_a_role(seller, stranger, clock):
    assert signed_in(Client, seller).get(SEEN).status_code == 405
    assert signed_in(Client, stranger).post(SEEN, {"until": timezone.now().isoformat()}).status_code == 403


# Bounded


def test_the_page_costs_the_same_with_one_row_and_with_thirty(make, manager, seller, clock, cycle):
    make_usual(make, 5, seller, cycle)
    costs, weights = [], []
    for more in (1, 29):
        for _ in range(more):
            made = make(description="x" * 100)
            InteractionFactory(opportunity=made, contact=None)
            change(made, manager)
            make(started=False)
            due(seller.salesperson, 40, opportunity=made, contact=made.contact)
        days_later(clock, 42)
        for user in (seller, manager):
            client = signed_in(Client, user)
            cache.clear()
            with CaptureQueriesContext(connection) as queries:
                response = client.get(TODAY, {"whose": "TEAM"} if user == manager else {})
            costs.append(len(queries))
            weights.append(len(response.content))
        clock.move_to(START)

    assert len(response.context["lines"]) == 25
    assert response.context["total"] == 60
    assert "the 25 most pressing ones of 90" in response.content.decode()
    assert costs[:2] == costs[2:]
    assert max(costs) <= 12
    assert max(weights) < 100_000


# Tasks, ranked together with the opportunities


def due(whose, days, description="Ask Ann", **fields):
    """A task of somebody, due so many days from now."""
    day = today() + timedelta(days=days)
    return TaskFactory(salesperson=whose, due_on=day, description=description, **fields)


def told(response):
    """What the page lists, in order: a task with its reason, an opportunity by its description."""
    return [
        line.text if isinstance(line, TaskLine) else line.opportunity.description
        for line, _action in response.context["lines"]
    ]


def test_tasks_and_opportunities_are_one_list_by_rank(make, manager, clock, seller, salesperson, cycle):
    make_usual(make, 11, seller, cycle)
    make(description="overdue")
    days_later(clock, 12)
    make(description="slow")
    days_later(clock, 30)
    make(description="no step", next_step=False)
    changed = make(description="changed")
    make(description="waiting", started=False, on=today() - timedelta(days=8))
    change(changed, manager)
    days_later(clock, 35)
    estimate = operations.Estimate(Decimal(5000), Decimal(30), today() + timedelta(days=40))
    slow = Opportunity.objects.get(description="slow")
    operations.revise(opportunity=slow, estimate=estimate, by=seller, on=today())
    ann = PersonFactory(first_name="Ann", last_name="Peeters")
    due(salesperson, -2, kind="CALL", contact=ann)
    due(salesperson, -3, kind="EMAIL", contact=ann)
    due(salesperson, 0, kind="MEETING", contact=ann, due_time=time(14, 0))
    due(salesperson, 0, kind="TODO")
    due(salesperson, 1)
    due(salesperson, -9, closed=True)

    assert told(look(seller)) == [
        "write to Ann Peeters, 3 days overdue",
        "call Ann Peeters, 2 days overdue",
        "overdue",
        "meet Ann Peeters, today at 14:00",
        "to do, today",
        "changed",
        "slow",
        "no step",
        "waiting",
    ]


def test_what_has_no_next_step_is_given_one(make, clock, seller):
    opportunity = make(next_step=False)
    make(next_step=False, started=False)  # to start it is the next step
    closed = make(next_step=False)
    TaskFactory(opportunity=closed, due_on=date(2027, 1, 1))

    response = look(seller)

    assert shown(response) == {opportunity.number: [(Need.NO_STEP, "no next step")]}
    ((_line, action),) = response.context["lines"]
    assert (action.label, action.url) == (
        "Add a task",
        f"{reverse('opportunities:task-new')}?opportunity={opportunity.pk}&next=%2Ftoday%2F",
    )
    assert listed(seller, f"{LIST}?needs=NO_STEP") == {opportunity.number}


def test_an_overdue_task_does_not_list_its_opportunity_as_well(make, clock, seller, salesperson):
    opportunity = make(description="Robot palletiser", next_step=False)
    due(salesperson, -1, kind="CALL", opportunity=opportunity, contact=opportunity.contact)

    response = look(seller)

    assert told(response) == ["call Acme Logistics NV, 1 day overdue"]
    html = response.content.decode()
    assert "Robot palletiser" in html
    assert "1 task is due</h2>" in html


def test_the_tasks_are_those_of_the_people_one_looks_at(make, clock, seller, manager, salesperson):
    due(salesperson, 0, "of Sofie")
    due(manager.salesperson, 0, "of Tom")
    TaskFactory(for_team=True, team=salesperson.team, description="of the team")
    TaskFactory(for_team=True, description="of another team")
    due(SalespersonFactory(), 0, "of somebody else")

    def seen(user, **query):
        return {line.task.description for line, _action in look(user, **query).context["lines"]}

    assert seen(seller) == {"of Sofie", "of the team"}
    assert seen(manager) == {"of Tom"}
    assert seen(manager, whose="TEAM") == {"of Sofie", "of Tom", "of the team"}
    assert len(seen(manager, whose="EVERYONE")) == 5


def test_the_counts_of_tasks_open_the_tasks_they_count(clock, seller, salesperson):
    for days in (-3, -1, 0, 2):
        due(salesperson, days)

    response = look(seller)

    counts = {label: (number, url) for number, label, url in response.context["task_counts"]}
    assert {label: number for label, (number, _url) in counts.items()} == {
        "Tasks overdue": 2,
        "Tasks due by today": 3,
    }
    for number, url in counts.values():
        listed_there = signed_in(Client, seller).get(url)
        assert listed_there.status_code == 200
        assert listed_there.content.decode().count('class="row-link"') == number


def test_a_task_is_done_from_here(clock, seller, salesperson):
    task, other = due(salesperson, -1), due(salesperson, 0)
    client = signed_in(Client, seller)
    html = client.get(TODAY).content.decode()
    complete = reverse("opportunities:task-complete", args=[task.pk])
    assert f'hx-post="{complete}"' in html
    assert 'name="next" value="/today/"' in html

    response = client.post(complete, {"seen": task.version, "next": TODAY}, follow=True)

    task.refresh_from_db()
    assert task.status == TaskStatus.DONE
    assert response.redirect_chain == [(TODAY, 302)]
    assert [line.task for line, _action in response.context["lines"]] == [other]
    assert reverse("opportunities:task-reopen", args=[task.pk]) in response.content.decode()  # undo


def test_who_may_not_do_a_task_has_no_button(clock, viewer, salesperson):
    due(salesperson, 0)

    response = look(viewer)

    assert len(response.context["lines"]) == 1
    assert "task-complete" not in response.content.decode()
    assert "/complete/" not in response.content.decode()


def test_an_opportunity_one_does_not_see_is_not_named(make, clock, seller, settings):
    settings.VISIBILITY = "own"
    foreign = make(description="Secret plan", salesperson=SalespersonFactory(team=TeamFactory()))
    TaskFactory(for_team=True, team=seller.salesperson.team, opportunity=foreign)

    response = look(seller)

    assert len(response.context["lines"]) == 1
    assert "Secret plan" not in response.content.decode()


def test_neither_tasks_nor_opportunities_crowd_the_others_out(make, clock, seller, salesperson):
    for _ in range(30):
        due(salesperson, -5)
    make(description="no step", next_step=False)
    assert told(look(seller))[-1] == "no step"
    assert len(told(look(seller))) == 25

    for _ in range(14):
        make(next_step=False)
    response = look(seller)
    assert [isinstance(line, TaskLine) for line, _action in response.context["lines"]].count(True) == 15
    assert "the 25 most pressing ones of 45" in response.content.decode()


# The front door, and the page of one opportunity


@pytest.mark.parametrize(
    ("start_page", "name"),
    [
        ("TODAY", "opportunities:today"),
        ("BOARD", "opportunities:board"),
        ("OPPORTUNITIES", "opportunities:list"),
    ],
)
def test_home_is_the_page_one_chose(seller, start_page, name):
    seller.start_page = start_page
    seller.save()

    assert signed_in(Client, seller).get("/")["Location"] == reverse(name)


def test_home_leads_somewhere_whatever_is_in_the_row(seller):
    type(seller).objects.filter(pk=seller.pk).update(start_page="MOON")

    assert signed_in(Client, seller).get("/")["Location"] == LIST


def test_home_needs_a_sign_in(client, db):
    assert client.get("/")["Location"].startswith(reverse("sign-in"))


def test_today_is_first_in_the_menu(as_seller):
    html = as_seller.get(TODAY).content.decode()

    assert '<li><a href="/today/" data-key="g d" aria-current="page">' in html
    assert html.index('href="/today/"') < html.index('href="/opportunities/"')
