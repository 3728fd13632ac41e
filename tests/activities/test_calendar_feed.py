"""The calendar that other programmes read: who gets it, what is in it, and that RFC 5545 is kept."""

import re
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
import time_machine
from dateutil.tz import tzical
from django.conf import settings
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from activities import calendars
from activities.models import CalendarFeed, TaskKind, TaskPriority, TaskStatus
from activities.zones import time_zone
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    user_with_role,
)

PAGE = reverse("activities:calendar")
MAKE = reverse("activities:calendar-make")
REVOKE = reverse("activities:calendar-revoke")
NOW = datetime(2026, 3, 23, 9, 0, tzinfo=UTC)
ODD_ZONES = [
    "Europe/Brussels",
    "America/New_York",
    "America/Santiago",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "UTC",
]


@pytest.fixture(autouse=True)
def _on_a_monday():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def user(db):
    return user_with_role(Role.SALESPERSON, name="Sofie Claes")


@pytest.fixture
def url(user):
    return reverse("activities:calendar-feed", args=[calendars.make_key(user, NOW)])


@pytest.fixture
def read(url):
    """Read the calendar as a programme does: without a session."""

    def read():
        response = Client().get(url)
        assert response.status_code == 200
        return Calendar.from_ical(response.content)

    return read


def task_of(user, **fields):
    return TaskFactory(salesperson=user.salesperson, created_by=user, **fields)


def the_event(calendar):
    (event,) = calendar.events
    return event


def lines_of(body):
    """The content lines, unfolded."""
    return body.decode().replace("\r\n ", "").split("\r\n")


# Who gets it


def test_nobody_needs_to_sign_in_but_the_address_must_be_right(user, url):
    response = Client().get(url)

    assert response.status_code == 200
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert "private" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]
    assert "default-src" in response["Content-Security-Policy"]
    assert Client().get(url.replace(".ics", "x.ics")).status_code == 404


@pytest.mark.parametrize("key", ["x", "0" * 64, "%00", "%ED%A0%80", "é" * 500])
def test_odd_addresses_are_not_found(db, key):
    assert Client().get(f"/calendar/{key}.ics").status_code == 404


def test_an_address_that_was_revoked_is_not_found(client, user, url):
    client.force_login(user)

    client.post(REVOKE)

    assert Client().get(url).status_code == 404
    assert not CalendarFeed.objects.exists()


def test_a_new_address_ends_the_old_one(user, url):
    key = calendars.make_key(user, NOW)

    assert Client().get(url).status_code == 404
    assert Client().get(reverse("activities:calendar-feed", args=[key])).status_code == 200
    assert CalendarFeed.objects.count() == 1


def test_who_may_not_sign_in_any_more_has_no_calendar(user, url):
    user.is_active = False
    user.save()

    assert Client().get(url).status_code == 404


def test_who_has_no_role_any_more_has_no_calendar(user, url):
    user.groups.clear()

    assert Client().get(url).status_code == 404


def test_a_superuser_needs_no_role(db):
    user = user_with_role(is_superuser=True)
    key = calendars.make_key(user, NOW)

    assert Client().get(reverse("activities:calendar-feed", args=[key])).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_it_is_only_read(url, method):
    assert getattr(Client(), method)(url).status_code == 405


def test_the_head_is_that_of_the_whole(url):
    head, whole = Client().head(url), Client().get(url)

    assert head.status_code == 200
    assert head.content == b""
    assert head["ETag"] == whole["ETag"]


def test_the_key_is_not_kept(user):
    key = calendars.make_key(user, NOW)

    assert key not in str(CalendarFeed.objects.values().get())
    assert len(key) >= 43


# Reading again


def test_what_has_not_changed_is_not_sent_again(user, url):
    task = task_of(user)
    etag = Client().get(url)["ETag"]

    again = Client().get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert "private" in again["Cache-Control"]

    task.description, task.version = "Something else", 2
    task.save()
    assert Client().get(url, headers={"If-None-Match": etag}).status_code == 200


def test_the_same_tasks_give_the_same_bytes_later(user, url):
    task_of(user, due_on=date(2026, 3, 25), due_time=time(9))
    first = Client().get(url).content

    with time_machine.travel(NOW + timedelta(hours=5), tick=False):
        assert Client().get(url).content == first


def test_the_last_reading_is_kept_but_not_each(url):
    Client().get(url)
    assert CalendarFeed.objects.get().read_at == NOW

    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        Client().get(url)
    assert CalendarFeed.objects.get().read_at == NOW

    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        Client().get(url)
    assert CalendarFeed.objects.get().read_at == NOW + timedelta(minutes=6)


# What is in it


def test_tasks_of_ones_own_and_of_the_team_and_of_nobody_else(user, read):
    team = TeamFactory()
    user.salesperson.team = team
    user.salesperson.save()
    mine = task_of(user)
    ours = TaskFactory(salesperson=None, team=team)
    TaskFactory(salesperson=SalespersonFactory(team=team))
    TaskFactory(for_team=True)

    assert {event["UID"] for event in read().events} == {f"{mine.uid}@kansen", f"{ours.uid}@kansen"}


def test_one_that_was_given_to_somebody_else_is_gone(user, read):
    task = task_of(user)
    assert len(read().events) == 1

    task.salesperson = SalespersonFactory()
    task.save()

    assert read().events == []


def test_somebody_without_a_salesperson_gets_a_valid_empty_calendar(db):
    key = calendars.make_key(user_with_role(Role.VIEWER), NOW)
    TaskFactory()

    calendar = Calendar.from_ical(Client().get(reverse("activities:calendar-feed", args=[key])).content)

    assert calendar.events == []
    assert len(calendar.timezones) == 1  # RFC 5545 wants one component at least


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [(TaskKind.CALL, 30), (TaskKind.MEETING, 60), (TaskKind.EMAIL, 30), (TaskKind.TODO, 30)],
)
def test_a_task_with_a_time_is_an_event_of_its_usual_length(user, read, kind, minutes):
    task = task_of(user, kind=kind, due_on=date(2026, 3, 25), due_time=time(14, 30), version=3)

    event = the_event(read())

    assert event.start == datetime(2026, 3, 25, 14, 30, tzinfo=ZoneInfo("Europe/Brussels"))
    assert event["DTSTART"].params["TZID"] == "Europe/Brussels"
    assert event.end - event.start == timedelta(minutes=minutes)
    assert event["TRANSP"] == "OPAQUE"
    assert event["SEQUENCE"] == 2
    assert event["DTSTAMP"].dt == task.changed_at.astimezone(UTC)
    assert event["LAST-MODIFIED"].dt == task.changed_at.astimezone(UTC)


def test_a_task_without_a_time_is_a_day_that_blocks_nothing(user, read):
    task_of(user, due_on=date(2026, 2, 28))

    event = the_event(read())

    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2026, 2, 28), date(2026, 3, 1))
    assert event["TRANSP"] == "TRANSPARENT"


def test_what_is_done_stays_and_says_so(user, read):
    task_of(user, description="Call Ann", closed=True)

    event = the_event(read())

    assert event["SUMMARY"] == "✓ Call Ann"
    assert event["STATUS"] == "CONFIRMED"


def test_what_was_cancelled_says_so_for_a_while(user, read):
    lately, long_ago = NOW - timedelta(days=59), NOW - timedelta(days=61)
    for description, closed_at in [("Lately", lately), ("Long ago", long_ago)]:
        task_of(
            user,
            description=description,
            status=TaskStatus.CANCELLED,
            closed_at=closed_at,
            closed_by=user,
            due_on=date(2026, 3, 30),
        )

    event = the_event(read())

    assert (event["SUMMARY"], event["STATUS"]) == ("Lately", "CANCELLED")


@pytest.mark.parametrize(("days", "seen"), [(-60, 1), (-61, 0), (400, 1), (401, 0)])
def test_it_looks_so_far_back_and_ahead(user, read, days, seen):
    task_of(user, due_on=date(2026, 3, 23) + timedelta(days=days))

    assert len(read().events) == seen


def test_where_there_are_too_many_the_next_ones_stay(user, read, monkeypatch):
    monkeypatch.setattr("activities.feed.MOST_EVENTS", 3)
    for day in (25, 24, 26, 27):
        task_of(user, description=str(day), due_on=date(2026, 3, day))
    task_of(user, description="over", due_on=date(2026, 3, 1), closed=True)

    assert [event["SUMMARY"] for event in read().events] == ["24", "25", "26"]


@pytest.mark.parametrize(
    ("priority", "number"), [(TaskPriority.HIGH, 1), (TaskPriority.NORMAL, 5), (TaskPriority.LOW, 9)]
)
def test_priority_in_the_numbers_of_the_standard(user, read, priority, number):
    task_of(user, priority=priority)

    assert the_event(read())["PRIORITY"] == number


def test_it_says_whom_it_is_about_and_where_to_change_it(user, read):
    person = PersonFactory(first_name="Ann", last_name="Peeters", company=CompanyFactory(name="Acme"))
    opportunity = OpportunityFactory(salesperson=user.salesperson, contact=person, description="Robots")
    task = task_of(user, contact=person, opportunity=opportunity)

    event = the_event(read())

    link = f"{settings.SITE_URL}{task.get_absolute_url()}"
    assert event["URL"] == link
    assert event["DESCRIPTION"].split("\n") == [
        "Contact: Ann Peeters, Acme",
        f"Opportunity: {opportunity.number} Robots",
        link,
    ]


def test_it_says_nothing_of_what_the_reader_may_not_see(user, read, settings):
    settings.VISIBILITY = "own"
    company = CompanyFactory(name="Secret", salesperson=SalespersonFactory())
    opportunity = OpportunityFactory(
        salesperson=company.salesperson, contact=company, description="Very secret"
    )
    task = task_of(user, contact=company, opportunity=opportunity)

    assert the_event(read())["DESCRIPTION"] == f"{settings.SITE_URL}{task.get_absolute_url()}"


def test_it_has_a_name_and_says_how_often_to_read_it(user, read):
    calendar = read()

    assert calendar["X-WR-CALNAME"] == "Kansen: Sofie Claes"
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(hours=1)
    assert calendar["X-PUBLISHED-TTL"] == "PT1H"


@pytest.mark.parametrize("count", [1, 30])
def test_it_costs_a_few_queries_however_many_tasks(user, url, count, django_assert_max_num_queries):
    person = PersonFactory()
    opportunity = OpportunityFactory(salesperson=user.salesperson, contact=person)
    for number in range(count):
        task_of(user, contact=person, opportunity=opportunity, closed=bool(number % 2))

    with django_assert_max_num_queries(7):
        assert len(Calendar.from_ical(Client().get(url).content).events) == count


# RFC 5545


def test_lines_end_and_fold_and_escape_as_the_standard_says(user, url):
    description = "Ask Ann, Bob; and “Zoë” about C:\\robots " + "né" * 70
    task_of(user, description=description, due_time=time(9))

    body = Client().get(url).content

    physical = body.split(b"\r\n")
    assert b"\n" not in b"".join(physical)
    assert b"\r" not in b"".join(physical)
    assert max(len(line) for line in physical) <= 75
    assert all(line.decode() is not None for line in physical)  # no letter is cut in two
    assert body.endswith(b"END:VCALENDAR\r\n")
    assert r"SUMMARY:Ask Ann\, Bob\; and “Zoë” about C:\\robots " in body.decode().replace("\r\n ", "")
    assert the_event(Calendar.from_ical(body))["SUMMARY"] == description


def test_letters_that_no_calendar_may_hold_are_left_out(user, url):
    task_of(user, description="Bell \x07, tab \t, escape \x1b[0m, line \r\nBEGIN:VALARM")

    body = Client().get(url).content

    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", body)
    assert the_event(Calendar.from_ical(body))["SUMMARY"] == (
        "Bell  , tab \t, escape  [0m, line \nBEGIN:VALARM"
    )
    assert "BEGIN:VALARM" not in lines_of(body)


def test_all_that_the_standard_demands_is_there_once(user, url):
    for zone in ODD_ZONES:
        task_of(user, due_time=time(9), time_zone=zone)
    task_of(user)

    body = Client().get(url).content
    calendar = Calendar.from_ical(body)

    assert lines_of(body)[0] == "BEGIN:VCALENDAR"
    assert [name for name, _ in calendar.property_items(recursive=False)].count("VERSION") == 1
    assert calendar["VERSION"] == "2.0"
    assert calendar["PRODID"]
    assert "METHOD" not in calendar  # a publication would need an organiser for every event
    assert len(calendar.events) == len(ODD_ZONES) + 1
    assert len({event["UID"] for event in calendar.events}) == len(calendar.events)
    for event in calendar.events:
        names = [name for name, _ in event.property_items() if name not in ("BEGIN", "END")]
        assert sorted(names) == sorted(set(names))
        assert {"UID", "DTSTAMP", "DTSTART", "SUMMARY"} <= set(names)
        assert not {"DTEND", "DURATION"} <= set(names)
        assert event["DTSTAMP"].to_ical().endswith(b"Z")
    assert calendar.errors == []
    assert all(component.errors == [] for component in calendar.walk())


def test_every_zone_that_is_named_is_explained(user, url):
    for zone in ODD_ZONES:
        task_of(user, due_time=time(9), time_zone=zone)

    body = Client().get(url).content
    calendar = Calendar.from_ical(body)

    named = set(re.findall(r"TZID=([^:;]+):", body.decode()))
    explained = [str(zone["TZID"]) for zone in calendar.timezones]
    assert named <= set(explained)
    assert sorted(explained) == sorted(set(explained))
    for zone in calendar.timezones:
        assert zone.subcomponents
        for part in zone.subcomponents:
            assert {"DTSTART", "TZOFFSETFROM", "TZOFFSETTO"} <= set(part)
            assert part["DTSTART"].dt.tzinfo is None


@pytest.mark.parametrize("name", [*ODD_ZONES, "America/Sao_Paulo", "Asia/Gaza", "Pacific/Apia"])
@pytest.mark.parametrize("year", [2026, 2027])
def test_a_zone_as_told_shows_the_same_clock_all_through_the_window(name, year):
    """Read with another library that knows the zone from these lines alone."""
    told = Calendar()
    told.add_component(time_zone(name, year))
    as_told = tzical(StringIO(told.to_ical().decode())).get(name)
    at = datetime(year, 1, 1, 0, 15, tzinfo=UTC) - timedelta(days=61)

    while at.year < year + 2 or at.month < 3:
        real = at.astimezone(ZoneInfo(name))
        wall = real.replace(tzinfo=as_told)
        if not _is_shown_twice(real):
            assert wall.utcoffset() == real.utcoffset(), real
        at += timedelta(hours=3)


def _is_shown_twice(at):
    return at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Europe/Brussels", date(2026, 3, 28), time(9), datetime(2026, 3, 28, 8, tzinfo=UTC)),
        ("Europe/Brussels", date(2026, 3, 29), time(9), datetime(2026, 3, 29, 7, tzinfo=UTC)),
        # the hour that is skipped is the one an hour later, the one that comes twice is the first
        ("Europe/Brussels", date(2026, 3, 29), time(2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("Europe/Brussels", date(2026, 10, 25), time(2, 45), datetime(2026, 10, 25, 0, 45, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("Asia/Kolkata", date(2026, 3, 29), time(9), datetime(2026, 3, 29, 3, 30, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 3, 29), time(9), datetime(2026, 3, 29, 3, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        ("Pacific/Kiritimati", date(2026, 3, 30), time(9), datetime(2026, 3, 29, 19, tzinfo=UTC)),
        ("Pacific/Pago_Pago", date(2026, 3, 29), time(9), datetime(2026, 3, 29, 20, tzinfo=UTC)),
    ],
)
def test_an_event_happens_when_the_task_is_due(user, read, zone, day, at, instant):
    task = task_of(user, kind=TaskKind.MEETING, due_on=day, due_time=at, time_zone=zone)
    assert task.due_at.astimezone(UTC) == instant

    event = the_event(read())

    assert event["DTSTART"].params["TZID"] == zone
    assert event.start.astimezone(UTC) == instant
    assert event["DURATION"].dt == timedelta(hours=1)


# The page


def test_the_address_is_shown_once(client, user):
    client.force_login(user)

    response = client.post(MAKE)

    (address,) = re.findall(r'value="(http://testserver/calendar/[\w-]+\.ics)"', response.content.decode())
    assert response["Cache-Control"] == "private, no-store"
    assert Client().get(address).status_code == 200
    assert "calendar/" + address.rpartition("/")[2] not in client.get(PAGE).content.decode()


def test_the_page_says_when_it_was_last_read(client, user, url):
    client.force_login(user)
    assert "Not yet" in client.get(PAGE).content.decode()

    Client().get(url)

    html = client.get(PAGE).content.decode()
    assert "23 Mar 2026" in html
    assert "10:00" in html  # in Brussels


def test_one_can_only_make_and_revoke_by_post(client, user, url):
    client.force_login(user)

    assert client.get(MAKE).status_code == 405
    assert client.get(REVOKE).status_code == 405
    assert Client().get(url).status_code == 200


def test_revoking_nothing_says_so(client, user):
    client.force_login(user)

    response = client.post(REVOKE, follow=True)

    assert "There is no address, so there is nothing to revoke." in response.content.decode()


def test_nobody_touches_the_address_of_somebody_else(client, user, url):
    client.force_login(user_with_role(Role.SALES_MANAGER))

    client.post(REVOKE)
    client.post(MAKE)

    assert Client().get(url).status_code == 200


def test_who_has_no_role_is_told_to_ask_for_one(client, db):
    client.force_login(user_with_role())

    assert client.get(PAGE).status_code == 403
    assert client.post(MAKE).status_code == 403
    assert not CalendarFeed.objects.exists()


def test_the_page_is_a_few_queries(client, user, url, django_assert_max_num_queries):
    client.force_login(user)

    with django_assert_max_num_queries(8):
        client.get(PAGE)


@pytest.mark.parametrize(
    "name",
    ["salespeople:preferences", "opportunities:tasks", "opportunities:task-week", "opportunities:task-month"],
)
def test_preferences_and_the_pages_of_tasks_lead_there(client, user, name):
    client.force_login(user)

    assert f'href="{PAGE}"' in client.get(reverse(name)).content.decode()
