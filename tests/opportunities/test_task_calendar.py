"""Tasks in a week and in a month."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse

from tests.factories import OpportunityFactory, SalespersonFactory, TaskFactory

WEEK = reverse("opportunities:task-week")
MONTH = reverse("opportunities:task-month")
WEDNESDAY = datetime(2026, 11, 25, 9, 0, tzinfo=ZoneInfo("Europe/Brussels"))

pytestmark = pytest.mark.django_db


def on(response, day):
    """What stands on a day, and how many are not shown."""
    found = next(one for one in response.context["days"] if one.date == day)
    return [line.task.description for line in found.lines], found.more


@time_machine.travel(WEDNESDAY, tick=False)
def test_week_begins_on_monday_and_shows_each_day(as_seller, salesperson):
    monday, sunday = date(2026, 11, 23), date(2026, 11, 29)
    TaskFactory(description="Later", due_on=monday, due_time=time(16), salesperson=salesperson)
    TaskFactory(description="Early", due_on=monday, due_time=time(9), salesperson=salesperson)
    TaskFactory(description="Done", due_on=sunday, salesperson=salesperson, closed=True)
    TaskFactory(
        description="Cancelled", due_on=sunday, salesperson=salesperson, closed=True, status="CANCELLED"
    )
    TaskFactory(description="Next week", due_on=date(2026, 11, 30), salesperson=salesperson)
    TaskFactory(description="Of somebody else", due_on=monday)

    response = as_seller.get(WEEK)

    assert len(response.context["days"]) == 7
    assert on(response, monday) == (["Early", "Later"], 0)
    assert on(response, sunday) == (["Done"], 0)
    assert "?whose=ME&amp;on=2026-11-30" in response.content.decode()


@time_machine.travel(WEDNESDAY, tick=False)
def test_month_is_made_of_whole_weeks(as_seller):
    days = as_seller.get(MONTH).context["days"]

    assert (days[0].date, days[-1].date) == (date(2026, 10, 26), date(2026, 12, 6))
    assert [day.date for day in days if day.is_today] == [date(2026, 11, 25)]
    assert days[0].is_outside
    assert not days[6].is_outside


def test_task_with_a_time_stands_on_the_day_of_the_reader(as_seller, salesperson):
    TaskFactory(
        description="Call New York",
        salesperson=salesperson,
        due_on=date(2026, 11, 29),
        due_time=time(20),
        time_zone="America/New_York",
    )
    TaskFactory(
        description="All day",
        salesperson=salesperson,
        due_on=date(2026, 11, 29),
        time_zone="America/New_York",
    )

    assert on(as_seller.get(WEEK, {"on": "2026-11-29"}), date(2026, 11, 29)) == (["All day"], 0)
    assert on(as_seller.get(WEEK, {"on": "2026-11-30"}), date(2026, 11, 30)) == (["Call New York"], 0)


@pytest.mark.parametrize(("address", "shown"), [(WEEK, 20), (MONTH, 4)])
def test_full_day_leads_to_its_list(as_seller, salesperson, address, shown):
    day = date(2026, 11, 25)
    for _number in range(30):
        TaskFactory(due_on=day, salesperson=salesperson)

    response = as_seller.get(address, {"on": day.isoformat()})

    assert len(on(response, day)[0]) == shown
    assert f"and {30 - shown} more" in response.content.decode()
    found = next(one for one in response.context["days"] if one.date == day)
    assert len(as_seller.get(found.list_url).context["lines"]) == 25
    assert as_seller.get(found.list_url).context["page"].next_url


@pytest.mark.parametrize("address", [WEEK, MONTH])
def test_done_ones_are_the_first_to_be_left_out(as_seller, salesperson, address):
    day = date(2026, 11, 25)
    for number in range(20):
        TaskFactory(description=f"Done {number}", due_on=day, salesperson=salesperson, closed=True)
    TaskFactory(description="Open", due_on=day, due_time=time(20), salesperson=salesperson)

    shown, more = on(as_seller.get(address, {"on": day.isoformat()}), day)

    assert shown[0] == "Open"
    assert more == 21 - len(shown)


def test_task_says_whom_and_what_it_is_about(as_seller, opportunity, salesperson):
    day = date(2026, 11, 25)
    TaskFactory(due_on=day, salesperson=salesperson, opportunity=opportunity, contact=opportunity.contact)

    week = as_seller.get(WEEK, {"on": day.isoformat()}).content.decode()
    month = as_seller.get(MONTH, {"on": day.isoformat()}).content.decode()

    assert f"{opportunity.contact} · {opportunity.description}</span>" in week
    assert f"{opportunity.contact}</span>" in month
    assert opportunity.description not in month


def test_task_does_not_name_what_the_reader_may_not_see(as_seller, salesperson, settings):
    settings.VISIBILITY = "own"
    day = date(2026, 11, 25)
    hidden = OpportunityFactory(salesperson=SalespersonFactory(), description="Hidden deal")
    TaskFactory(due_on=day, salesperson=salesperson, opportunity=hidden)

    assert "Hidden deal" not in as_seller.get(WEEK, {"on": day.isoformat()}).content.decode()


@time_machine.travel(WEDNESDAY, tick=False)
@pytest.mark.parametrize("address", [WEEK, MONTH])
def test_today_is_jumped_to(as_seller, address):
    here = as_seller.get(address).content.decode()
    elsewhere = as_seller.get(address, {"on": "2027-03-01"}).content.decode()

    assert 'href="#today"' in here
    assert here.count('id="today"') == 1
    assert 'href="?whose=ME#today"' in elsewhere
    assert 'id="today"' not in elsewhere


def test_click_on_a_day_makes_a_task_on_it(as_seller):
    html = as_seller.get(WEEK, {"on": "2026-11-25"}).content.decode()

    assert "/tasks/new/?due_on=2026-11-25&amp;next=" in html


def test_viewer_sees_everybodys_and_adds_nothing(as_viewer):
    TaskFactory(description="Of somebody", due_on=date(2026, 11, 25))

    response = as_viewer.get(MONTH, {"on": "2026-11-25"})

    assert on(response, date(2026, 11, 25)) == (["Of somebody"], 0)
    assert "/tasks/new/" not in response.content.decode()


def test_team_and_everyone(as_manager, salesperson):
    day = date(2026, 11, 25)
    TaskFactory(description="Of a member", due_on=day, salesperson=salesperson)
    TaskFactory(description="Of somebody else", due_on=day)

    team = as_manager.get(WEEK, {"on": "2026-11-25", "whose": "TEAM"})
    everyone = as_manager.get(WEEK, {"on": "2026-11-25", "whose": "ALL"})

    assert on(team, day)[0] == ["Of a member"]
    assert on(everyone, day)[0] == ["Of a member", "Of somebody else"]


@pytest.mark.parametrize("address", [WEEK, MONTH])
@pytest.mark.parametrize(
    "query",
    [{"on": "soon"}, {"on": "0001-01-01"}, {"on": "9999-12-31"}, {"on": "2026-02-30"}, {"whose": "NOBODY"}],
)
def test_date_that_makes_no_sense_shows_today_and_says_so(as_seller, address, query):
    response = as_seller.get(address, query)

    assert response.status_code == 422
    assert any(day.is_today for day in response.context["days"])
    assert response.context["notice"]


@pytest.mark.parametrize("address", [WEEK, MONTH])
@pytest.mark.parametrize("day", ["1901-01-01", "2998-12-31", "2028-02-29"])
def test_far_away_days_have_a_calendar(as_seller, address, day):
    assert as_seller.get(address, {"on": day}).status_code == 200


def test_stranger_is_turned_away(as_stranger):
    assert as_stranger.get(WEEK).status_code == 403
    assert as_stranger.get(MONTH).status_code == 403


@pytest.mark.parametrize("many", [1, 30])
@pytest.mark.parametrize("address", [WEEK, MONTH])
def test_calendar_is_read_in_few_queries(
    as_seller, salesperson, opportunity, address, many, django_assert_max_num_queries
):
    for number in range(many):
        day = date(2026, 11, 23) + timedelta(days=number % 7)
        TaskFactory(due_on=day, salesperson=salesperson, opportunity=opportunity)

    with django_assert_max_num_queries(8):
        as_seller.get(address, {"on": "2026-11-25"})
