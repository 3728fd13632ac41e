"""The list of tasks: whose, in which state, filtered; done from the list, one by one and many at once."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from activities import operations
from activities.models import RepeatsFrom, Task, TaskKind, TaskStatus
from activities.templatetags.tasks import due_words
from crm.dates import today
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
)

LIST = reverse("opportunities:tasks")
BATCH = reverse("opportunities:task-batch")
UNDO = reverse("opportunities:task-batch-undo")
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Europe/Brussels"))


def shown(response):
    return [line.task.description for line in response.context["lines"]]


def due(**fields):
    """A task that is due some days from today."""
    return TaskFactory(due_on=today() + timedelta(days=fields.pop("days", 0)), **fields)


# Whose


def test_mine_are_my_own_and_those_of_my_team(as_seller, salesperson):
    TaskFactory(description="Mine", salesperson=salesperson)
    TaskFactory(description="Of my team", for_team=True, team=salesperson.team)
    TaskFactory(description="Of somebody else")
    TaskFactory(description="Of another team", for_team=True)

    assert set(shown(as_seller.get(LIST))) == {"Mine", "Of my team"}


def test_team_shows_those_of_everybody_in_it(as_manager, salesperson):
    TaskFactory(description="Of a member", salesperson=salesperson)
    TaskFactory(description="Of the team", for_team=True, team=salesperson.team)
    TaskFactory(description="Of somebody else")

    assert set(shown(as_manager.get(LIST, {"whose": "TEAM"}))) == {"Of a member", "Of the team"}
    assert len(shown(as_manager.get(LIST, {"whose": "ALL"}))) == 3


def test_everyone_means_what_one_sees(as_seller, salesperson, settings):
    settings.VISIBILITY = "own"
    TaskFactory(description="Mine", salesperson=salesperson)
    TaskFactory(description="Of somebody else")

    assert shown(as_seller.get(LIST, {"whose": "ALL"})) == ["Mine"]


def test_viewer_reads_all_without_buttons(as_viewer):
    TaskFactory(description="Of somebody")

    html = as_viewer.get(LIST).content.decode()

    assert "Of somebody" in html
    assert "/complete/" not in html
    assert 'name="chosen"' not in html
    assert "New task" not in html


def test_viewer_has_no_tasks_of_their_own(as_viewer):
    response = as_viewer.get(LIST, {"whose": "ME"})

    assert response.status_code == 422
    assert "You sell nothing yourself" in response.content.decode()


def test_stranger_is_turned_away(as_stranger):
    assert as_stranger.get(LIST).status_code == 403


# In which state


@time_machine.travel(MONDAY, tick=False)
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("", ["late", "today", "sunday", "next week"]),
        ("OVERDUE", ["late"]),
        ("TODAY", ["late", "today"]),
        ("WEEK", ["late", "today", "sunday"]),
        ("LATER", ["next week"]),
        ("DONE", ["done"]),
        ("CANCELLED", ["cancelled"]),
        ("PLANNED", ["late", "today", "done", "sunday", "next week"]),
    ],
)
def test_state_narrows_the_list(as_seller, salesperson, state, expected):
    for description, days in [("late", -1), ("today", 0), ("sunday", 6), ("next week", 7)]:
        due(description=description, days=days, salesperson=salesperson)
    due(description="done", days=0, salesperson=salesperson, closed=True)
    due(description="cancelled", salesperson=salesperson, closed=True, status=TaskStatus.CANCELLED)

    assert shown(as_seller.get(LIST, {"state": state})) == expected


@time_machine.travel(MONDAY, tick=False)
@pytest.mark.parametrize(
    ("days", "at", "words"),
    [
        (-2, None, "2 days overdue"),
        (-1, time(10), "1 day overdue"),
        (0, time(8, 30), "overdue since 08:30"),
        (0, None, "today"),
        (0, time(10), "today at 10:00"),
        (1, time(10), "tomorrow at 10:00"),
        (3, None, "in 3 days"),
    ],
)
def test_due_is_said_in_words(db, days, at, words):
    assert due_words(due(days=days, due_time=at)) == words


@time_machine.travel(MONDAY, tick=False)
@pytest.mark.parametrize(
    ("state", "heading"), [("OPEN", "Due"), ("DONE", "When"), ("CANCELLED", "When"), ("PLANNED", "Due")]
)
def test_column_is_called_by_what_it_says(as_seller, salesperson, state, heading):
    TaskFactory(salesperson=salesperson)
    TaskFactory(salesperson=salesperson, closed=True)
    TaskFactory(salesperson=salesperson, closed=True, status=TaskStatus.CANCELLED)

    html = as_seller.get(LIST, {"state": state}).content.decode()

    assert f'<th scope="col">{heading}</th>' in html
    assert ('data-label="When"' in html) == (state != "OPEN")


def test_closed_is_said_in_words(db):
    assert due_words(TaskFactory(closed=True)) == "done today"
    assert due_words(TaskFactory(closed=True, status=TaskStatus.CANCELLED)) == "cancelled today"


# Filters


def test_filters_narrow_each_other(as_seller, salesperson):
    TaskFactory(description="Right", kind=TaskKind.CALL, priority="HIGH", salesperson=salesperson)
    TaskFactory(description="Wrong kind", kind=TaskKind.EMAIL, priority="HIGH", salesperson=salesperson)
    TaskFactory(description="Wrong priority", kind=TaskKind.CALL, salesperson=salesperson)

    assert shown(as_seller.get(LIST, {"kind": "CALL", "priority": "HIGH"})) == ["Right"]


def test_list_of_an_opportunity_names_everybodys(as_seller, opportunity):
    TaskFactory(description="About it", opportunity=opportunity)
    TaskFactory(description="About something else", opportunity=OpportunityFactory())

    response = as_seller.get(LIST, {"opportunity": opportunity.pk})

    assert shown(response) == ["About it"]
    assert "Warehouse automation" in response.content.decode()


def test_list_of_a_company_has_those_of_its_people(as_seller, company):
    TaskFactory(description="With the company", contact=company)
    TaskFactory(description="With somebody there", contact=PersonFactory(company=company))
    TaskFactory(description="With another", contact=CompanyFactory())

    found = shown(as_seller.get(LIST, {"contact": company.pk}))

    assert set(found) == {"With the company", "With somebody there"}


def test_salesperson_and_team_narrow(as_manager, salesperson):
    TaskFactory(description="Person", salesperson=salesperson)
    TaskFactory(description="Team", for_team=True, team=salesperson.team)
    TaskFactory(description="Other")

    assert shown(as_manager.get(LIST, {"salesperson": salesperson.pk})) == ["Person"]
    assert set(shown(as_manager.get(LIST, {"team": salesperson.team_id}))) == {"Person", "Team"}


def test_search_finds_description_contact_and_opportunity(as_seller, salesperson, opportunity):
    mine = {"salesperson": salesperson}
    TaskFactory(description="Call about the crane", **mine)
    TaskFactory(description="One", contact=CompanyFactory(name="Crane Builders NV"), **mine)
    TaskFactory(description="Two", opportunity=opportunity, **mine)

    assert set(shown(as_seller.get(LIST, {"q": "crane"}))) == {"Call about the crane", "One"}
    assert shown(as_seller.get(LIST, {"q": "warehouse"})) == ["Two"]


def test_search_does_not_tell_what_opportunity_one_may_not_see_is_called(as_seller, salesperson, settings):
    settings.VISIBILITY = "own"
    secret = OpportunityFactory(description="Secret takeover")
    TaskFactory(description="Help a colleague", salesperson=salesperson, opportunity=secret)

    assert shown(as_seller.get(LIST, {"q": "takeover"})) == []
    html = as_seller.get(LIST).content.decode()
    assert "Help a colleague" in html
    assert "Secret takeover" not in html
    assert secret.number in html


def test_day_of_a_time_is_that_of_the_reader(as_seller, salesperson):
    TaskFactory(
        description="Late in New York",
        salesperson=salesperson,
        due_on=date(2026, 11, 24),
        due_time=time(20),
        time_zone="America/New_York",
    )

    assert shown(as_seller.get(LIST, {"on": "2026-11-24"})) == []
    assert shown(as_seller.get(LIST, {"on": "2026-11-25"})) == ["Late in New York"]


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "SONG"},
        {"state": "ASLEEP"},
        {"whose": "NOBODY"},
        {"on": "tomorrow"},
        {"contact": "99999999999999999999999999"},
        {"contact": "0"},
        {"opportunity": "x"},
        {"salesperson": "424242"},
        {"q": "a\0b"},
        {"colour": "red"},
    ],
)
def test_question_that_makes_no_sense_is_refused(as_seller, query):
    assert as_seller.get(LIST, query).status_code == 422


@pytest.mark.parametrize("query", [{"after": "nonsense"}, {"sort": "salesperson__user__password"}])
def test_place_that_is_not_there_gives_the_first_page(as_seller, salesperson, query):
    TaskFactory(description="Mine", salesperson=salesperson)

    response = as_seller.get(LIST, query)

    assert shown(response) == ["Mine"]
    assert response.context["page"].notice


@pytest.mark.parametrize("first", ["0001-01-01", "9999-12-31"])
def test_first_and_last_day_there_is_are_empty(as_seller, first):
    assert as_seller.get(LIST, {"on": first}).status_code == 200


def test_pages_follow_each_other(as_seller, salesperson):
    for number in range(30):
        due(days=number, salesperson=salesperson, description=f"Day {number}")

    first = as_seller.get(LIST)
    second = as_seller.get(LIST + first.context["page"].next_url)

    assert [*shown(first), *shown(second)] == [f"Day {number}" for number in range(30)]


def test_empty_list_teaches(as_seller):
    assert "A task says who is to do what by when" in as_seller.get(LIST).content.decode()
    assert "No task fits" in as_seller.get(LIST, {"q": "nothing"}).content.decode()
    assert "can be reopened" in as_seller.get(LIST, {"state": "DONE"}).content.decode()


@pytest.mark.parametrize("many", [1, 30])
def test_list_is_read_in_few_queries(
    as_seller, salesperson, opportunity, many, django_assert_max_num_queries
):
    for _number in range(many):
        TaskFactory(salesperson=salesperson, opportunity=opportunity, contact=PersonFactory())
    as_seller.get(LIST)

    with django_assert_max_num_queries(11):
        as_seller.get(LIST)


# Many at once


def chosen(*tasks):
    return [f"{task.pk}.{task.version}" for task in tasks]


def test_chosen_ones_are_completed_and_the_rest_is_said(as_seller, salesperson):
    first, second, closed, others = (
        TaskFactory(salesperson=salesperson, description="First"),
        TaskFactory(salesperson=salesperson, description="Second"),
        TaskFactory(salesperson=salesperson, description="Closed already", closed=True),
        TaskFactory(description="Of somebody else"),
    )
    stale = TaskFactory(salesperson=salesperson, description="Changed meanwhile", version=2)

    response = as_seller.post(
        BATCH,
        {
            "action": "COMPLETE",
            "asked": "1",
            "chosen": [*chosen(first, second, closed, others), f"{stale.pk}.1", "424242.1"],
        },
    )

    html = response.content.decode()
    assert response.status_code == 200
    assert "2 tasks are done." in html
    assert "is done already" in html
    assert "This needs whoever is to do it" in html
    assert "changed “Changed meanwhile” meanwhile" in html
    assert "One is not there any more" in html
    assert set(Task.objects.filter(status="DONE").values_list("description", flat=True)) == {
        "First",
        "Second",
        "Closed already",
    }


def test_all_that_match_are_completed(as_seller, salesperson):
    for number in range(30):
        TaskFactory(salesperson=salesperson, description=f"Call {number}")
    TaskFactory(salesperson=salesperson, description="Something else")
    assert "All 30 that match" in as_seller.get(LIST, {"q": "call"}).content.decode()

    asked = as_seller.post(BATCH, {"action": "COMPLETE", "all": "1", "query": "q=call"})
    assert "Complete 30 tasks?" in asked.content.decode()
    assert Task.objects.open().count() == 31

    carried = re.findall(r'name="chosen" value="([\d.]+)"', asked.content.decode())
    response = as_seller.post(BATCH, {"action": "COMPLETE", "asked": "1", "chosen": carried})

    assert "30 tasks are done." in response.content.decode()
    assert Task.objects.open().get().description == "Something else"


def test_completing_many_asks_first_and_says_which_repeat(as_seller, salesperson):
    single = TaskFactory(salesperson=salesperson)
    weekly = TaskFactory(salesperson=salesperson, repeats="1W", series_began_on=today())

    html = as_seller.post(BATCH, {"action": "COMPLETE", "chosen": chosen(single, weekly)}).content.decode()

    assert "Complete 2 tasks?" in html
    assert "One of them repeats and goes on." in html
    assert ">Complete 2 tasks<" in html
    assert all(f'value="{key}"' in html for key in chosen(single, weekly))
    assert Task.objects.open().count() == 2


def test_completing_a_single_one_asks_nothing(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson)

    html = as_seller.post(BATCH, {"action": "COMPLETE", "chosen": chosen(task)}).content.decode()

    assert "1 task is done." in html
    assert not Task.objects.open().exists()


def test_completing_many_can_be_taken_back(as_seller, seller, salesperson):
    single = TaskFactory(salesperson=salesperson, description="Single")
    weekly = TaskFactory(salesperson=salesperson, repeats="1W", series_began_on=today())
    again = TaskFactory(salesperson=salesperson, description="Done again")
    earlier = TaskFactory(salesperson=salesperson, description="Earlier", closed=True)
    keys = chosen(single, weekly, again, earlier)
    html = as_seller.post(BATCH, {"action": "COMPLETE", "asked": "1", "chosen": keys}).content.decode()
    assert "The next one of 1 that repeats was made." in html
    undo = html.partition(f'action="{UNDO}"')[2]
    carried = re.findall(r'name="chosen" value="([\d.]+)"', undo)
    assert sorted(carried) == sorted(f"{task.pk}.2" for task in (single, weekly, again))
    again.refresh_from_db()
    operations.reopen_task(task=again, by=seller)
    operations.complete_task(task=again, by=seller)

    html = as_seller.post(UNDO, {"chosen": carried}).content.decode()

    assert "2 tasks are open again." in html
    assert "changed “Done again” meanwhile" in html
    assert set(Task.objects.open()) == {single, weekly}


@pytest.mark.parametrize("data", [{}, {"chosen": ["x"]}, {"chosen": [f"{n}.1" for n in range(1, 202)]}])
def test_taking_back_what_makes_no_sense_is_refused(as_seller, data):
    assert as_seller.post(UNDO, data).status_code == 422


def test_taking_back_is_for_those_who_sell(as_viewer):
    task = TaskFactory(closed=True)

    assert as_viewer.post(UNDO, {"chosen": chosen(task)}).status_code == 403
    assert as_viewer.get(UNDO).status_code == 405
    assert not Task.objects.get().is_open


def test_all_that_match_are_not_more_than_can_be_changed(as_seller, salesperson):
    Task.objects.bulk_create(
        TaskFactory.build_batch(
            201, salesperson=salesperson, created_by=salesperson.user, due_at=timezone.now()
        )
    )
    assert "data-choose-all" not in as_seller.get(LIST).content.decode()

    assert as_seller.post(BATCH, {"action": "COMPLETE", "all": "1", "query": ""}).status_code == 422
    assert as_seller.post(BATCH, {"action": "COMPLETE", "all": "1", "query": "kind=SONG"}).status_code == 422
    assert Task.objects.open().count() == 201


def test_postponing_many_asks_for_the_day_first(as_seller, salesperson):
    tasks = [TaskFactory(salesperson=salesperson) for _number in range(2)]
    to = today() + timedelta(days=10)

    asked = as_seller.post(BATCH, {"action": "POSTPONE", "chosen": chosen(*tasks)})
    assert asked.status_code == 200
    assert "Postpone 2 tasks" in asked.content.decode()
    assert all(f'value="{key}"' in asked.content.decode() for key in chosen(*tasks))

    wrong = as_seller.post(
        BATCH, {"action": "POSTPONE", "chosen": chosen(*tasks), "asked": "1", "due_on": "x"}
    )
    assert wrong.status_code == 422

    far = {"action": "POSTPONE", "chosen": chosen(*tasks), "asked": "1", "due_on": "9999-12-31"}
    assert "The date lies too far away" in as_seller.post(BATCH, far).content.decode()

    as_seller.post(
        BATCH, {"action": "POSTPONE", "chosen": chosen(*tasks), "asked": "1", "due_on": to.isoformat()}
    )
    assert set(Task.objects.values_list("due_on", flat=True)) == {to}


def test_reassigning_many_to_a_team(as_seller, salesperson):
    team = TeamFactory(name="Nordics")
    task = TaskFactory(salesperson=salesperson)

    as_seller.post(
        BATCH, {"action": "REASSIGN", "chosen": chosen(task), "asked": "1", "doer": f"team-{team.pk}"}
    )

    task.refresh_from_db()
    assert (task.salesperson, task.team) == (None, team)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"action": "COMPLETE"}, "Nothing is chosen"),
        ({"action": "SING", "chosen": ["1.1"]}, "Select a valid choice"),
        ({"action": "COMPLETE", "chosen": ["1"]}, "no task of this list"),
        ({"action": "COMPLETE", "chosen": ["x.y"]}, "no task of this list"),
        ({"action": "COMPLETE", "chosen": ["1.1\0"]}, "no task of this list"),
        ({"action": "COMPLETE", "chosen": [f"{n}.1" for n in range(1, 202)]}, "At most 200"),
    ],
)
def test_choice_that_makes_no_sense_is_refused(as_seller, data, words):
    response = as_seller.post(BATCH, data)

    assert response.status_code == 422
    assert words in response.content.decode()


def test_viewer_changes_nothing(as_viewer):
    task = TaskFactory()

    assert as_viewer.post(BATCH, {"action": "COMPLETE", "chosen": chosen(task)}).status_code == 403
    assert Task.objects.get().is_open


# One of them, in place


def test_row_is_answered_in_place(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson, repeats="1W", series_began_on=today())
    url = reverse("opportunities:task-complete", args=[task.pk])
    htmx = {"HX-Request": "true", "HX-Target": f"task-{task.pk}"}

    response = as_seller.post(url, {"seen": 1, "next": LIST}, headers=htmx)

    html = response.content.decode()
    assert html.lstrip().startswith("<tr")
    assert "The next one is due in 7 days." in html
    assert "Undo" in html
    assert response["HX-Trigger"] == "tasks-changed"

    again = as_seller.post(url, {"seen": 1, "next": LIST}, headers=htmx)
    assert again.status_code == 409
    assert "meanwhile" in again.content.decode()

    undo = reverse("opportunities:task-reopen", args=[task.pk])
    back = as_seller.post(undo, {"seen": 2, "next": LIST}, headers=htmx)
    assert "Open again" in back.content.decode()
    assert Task.objects.get().is_open


def test_series_from_the_day_it_is_done(as_seller, salesperson):
    task = due(
        days=-3,
        salesperson=salesperson,
        repeats="1W",
        repeats_from=RepeatsFrom.DONE,
        series_began_on=today() - timedelta(days=3),
    )

    as_seller.post(reverse("opportunities:task-complete", args=[task.pk]), {"seen": 1})

    assert Task.objects.open().get().due_on == today() + timedelta(days=7)


def test_doer_who_is_gone_from_the_choices_is_refused(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson)
    blocked = SalespersonFactory(is_blocked=True)

    response = as_seller.post(
        BATCH, {"action": "REASSIGN", "chosen": chosen(task), "asked": "1", "doer": f"person-{blocked.pk}"}
    )

    assert response.status_code == 422
    assert Task.objects.get().salesperson == salesperson
