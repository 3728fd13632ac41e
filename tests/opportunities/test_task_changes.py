"""One task: making it, reading it, saying something else, doing, cancelling, postponing, handing over, reopening."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse

from activities import operations
from activities.models import Interaction, RepeatsFrom, Task, TaskStatus
from contacts.models import Contact
from crm.dates import today
from opportunities.models import Opportunity
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
from tests.opportunities.conftest import signed_in

NEW = reverse("opportunities:task-new")
SUGGEST = reverse("opportunities:task-suggest")
SERIES = reverse("opportunities:task-series")
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}
ACTS = ["edit", "complete", "cancel", "reopen", "postpone", "reassign"]


@pytest.fixture
def task(salesperson, company):
    return TaskFactory(description="Call about the offer", salesperson=salesperson, contact=company)


def url(name, task):
    return reverse(f"opportunities:task-{name}", args=[task.pk])


def typed(whom, **fields):
    """What the form sends."""
    key = f"team-{whom.pk}" if hasattr(whom, "members") else f"person-{whom.pk}"
    return {
        "kind": "CALL",
        "description": "Call about the offer",
        "due_on": today().isoformat(),
        "due_time": "",
        "priority": "NORMAL",
        "doer": key,
        "contact": "",
        "opportunity": "",
        "repeats": "",
        "repeats_from": "DUE",
        **fields,
    }


# Making one


def test_new_task_is_made(as_seller, seller, salesperson, opportunity):
    response = as_seller.post(
        NEW,
        typed(
            salesperson,
            due_time="10:30",
            opportunity=opportunity.number.lower(),
            repeats=" 1w ",
            priority="HIGH",
        ),
    )

    assert response.status_code == 302
    task = Task.objects.get()
    assert (task.due_time, task.repeats, task.priority) == (time(10, 30), "1W", "HIGH")
    assert (task.opportunity, task.contact) == (opportunity, opportunity.contact)
    assert (task.created_by, task.time_zone) == (seller, seller.time_zone)


def test_new_task_for_a_team(as_seller, salesperson):
    as_seller.post(NEW, typed(salesperson.team))

    assert Task.objects.get().team == salesperson.team


def test_form_is_filled_in_from_where_one_came(as_manager, salesperson, opportunity):
    html = as_manager.get(NEW, {"opportunity": opportunity.pk, "due_on": "2026-12-24"}).content.decode()

    assert "Warehouse automation" in html
    assert "Acme Logistics NV" in html
    assert 'value="2026-12-24"' in html
    assert f'<option value="person-{salesperson.pk}" selected>' in html


def test_form_says_why_it_is_not_about_the_opportunity(as_seller, won, settings):
    html = as_seller.get(NEW, {"opportunity": won.pk}).content.decode()
    assert f"{won.number} is closed, so the task is about no opportunity." in html
    assert "Reopen it first, or choose another." in html
    assert "Acme Logistics NV" in html
    assert f"{won.number} · " not in html

    other = OpportunityFactory(salesperson=SalespersonFactory())
    html = as_seller.get(NEW, {"opportunity": other.pk}).content.decode()
    assert f"You do not work on {other.number}, so the task is about no opportunity." in html

    settings.VISIBILITY = "own"
    html = as_seller.get(NEW, {"opportunity": other.pk}).content.decode()
    assert other.number not in html
    assert "about no opportunity" not in html


def test_form_for_a_contact_and_for_a_salesperson(as_seller, company):
    colleague = SalespersonFactory(name="Tom Maes")

    html = as_seller.get(NEW, {"contact": company.pk, "salesperson": colleague.pk}).content.decode()

    assert "Acme Logistics NV" in html
    assert f'<option value="person-{colleague.pk}" selected>' in html


@pytest.mark.parametrize("value", ["x", "0", "424242", "9" * 30, "\0"])
def test_address_that_names_nothing_fills_in_nothing(as_seller, value):
    query = dict.fromkeys(("opportunity", "contact", "salesperson", "due_on", "kind"), value)

    assert as_seller.get(NEW, query).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("description", "", "A description is needed"),
        ("description", "   ", "A description is needed"),
        ("description", "x" * 201, "at most 200"),
        ("description", "a\0b", "Null characters"),
        ("due_on", "", "A date is needed"),
        ("due_on", "31 February", "Enter a valid date"),
        ("due_on", "9999-12-31", "The date lies too far away"),
        ("due_time", "25:99", "Enter a valid time"),
        ("kind", "SONG", "Select a valid choice"),
        ("priority", "", "required"),
        ("doer", "", "Choose who is to do it"),
        ("doer", "person-424242", "Select a valid choice"),
        ("doer", "person-\0", "Select a valid choice"),
        ("contact", "Nobody at all", "No contact is called"),
        ("opportunity", "Nothing at all", "No open opportunity of yours is called"),
        ("opportunity", "OP-\0", "No open opportunity of yours is called"),
        ("repeats", "often", "is not a date formula"),
        ("repeats", "-1W", "does not lead to a later day"),
        ("repeats_from", "NOON", "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(as_seller, salesperson, field, value, words):
    response = as_seller.post(NEW, typed(salesperson, **{"description": "Ring them up", field: value}))

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert field == "description" or "Ring them up" in html
    assert not Task.objects.exists()


def test_blocked_contact_is_refused(as_seller, salesperson, company):
    Contact.objects.filter(pk=company.pk).update(is_privacy_blocked=True)

    response = as_seller.post(NEW, typed(salesperson, contact=company.number))

    assert response.status_code == 422
    assert "is blocked for privacy" in response.content.decode()


def test_opportunity_is_found_by_its_description(as_seller, salesperson, opportunity):
    as_seller.post(NEW, typed(salesperson, opportunity="warehouse auto"))

    assert Task.objects.get().opportunity == opportunity


def test_two_opportunities_alike_are_named(as_seller, seller, salesperson, opportunity, cycle, company):
    OpportunityFactory(
        description="Warehouse lighting", salesperson=salesperson, cycle=cycle, contact=company, by=seller
    )

    response = as_seller.post(NEW, typed(salesperson, opportunity="Warehouse"))

    html = response.content.decode()
    assert response.status_code == 422
    assert "Warehouse automation" in html
    assert "Warehouse lighting" in html


def test_opportunity_of_somebody_else_or_closed_is_no_choice(as_seller, salesperson, won):
    for number in (OpportunityFactory().number, won.number):
        assert as_seller.post(NEW, typed(salesperson, opportunity=number)).status_code == 422


def test_opportunities_are_suggested(as_seller, opportunity):
    OpportunityFactory(description="Warehouse of somebody else")

    html = as_seller.get(SUGGEST, {"q": "wareh"}).content.decode()

    assert "Warehouse automation" in html
    assert "somebody else" not in html
    assert "Warehouse automation" in as_seller.get(SUGGEST, {"q": opportunity.number}).content.decode()
    assert "is called “zzz”" in as_seller.get(SUGGEST, {"q": "zzz"}).content.decode()
    assert as_seller.get(SUGGEST, {"q": "\0"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"repeats": "1M", "due_on": "2026-01-31"}, ["28 Feb 2026", "31 Mar 2026", "30 Apr 2026"]),
        ({"repeats": "1w", "due_on": "2026-12-24"}, ["31 Dec 2026", "7 Jan 2027", "14 Jan 2027"]),
        (
            {"repeats": "1M", "due_on": "2026-01-31", "repeats_from": "DONE"},
            ["28 Feb 2026", "28 Mar 2026", "28 Apr 2026"],
        ),
        ({"repeats": "never"}, ["is not a date formula"]),
        ({"repeats": "-1D", "due_on": "2026-12-24"}, ["does not lead to a later day"]),
    ],
)
def test_next_dates_of_a_series_are_shown(as_seller, query, expected):
    html = as_seller.get(SERIES, query).content.decode()

    assert [text for text in expected if text not in html] == []


def test_no_series_says_nothing(as_seller):
    assert as_seller.get(SERIES, {"repeats": ""}).content.decode().strip() == ""


# Reading one


def test_task_says_what_and_who(as_seller, task):
    html = as_seller.get(task.get_absolute_url()).content.decode()

    assert "Call about the offer" in html
    assert "Acme Logistics NV" in html
    assert "Postpone to" in html


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("CM", "at the end of every month"),
        ("1D", "every day"),
        ("1W", "every week"),
        ("2W", "every 2 weeks"),
        ("1M", "every month"),
        ("1Q", "every quarter"),
        ("1Y", "every year"),
        ("1M+3D", "after 1M+3D"),
    ],
)
def test_series_is_said_in_words(as_seller, salesperson, formula, words):
    task = TaskFactory(salesperson=salesperson, repeats=formula, series_began_on=today())

    html = as_seller.get(task.get_absolute_url()).content.decode()

    assert f"<dd>{words}, counted from the day it was due</dd>" in html


def test_dialog_is_only_the_dialog(as_seller, task):
    html = as_seller.get(task.get_absolute_url(), headers=DIALOG).content.decode()

    assert "<html" not in html
    assert 'hx-target="#dialog"' in html


def test_viewer_reads_a_task_and_has_no_button(as_viewer, task):
    html = as_viewer.get(task.get_absolute_url()).content.decode()

    assert "Call about the offer" in html
    assert [name for name in ACTS if url(name, task) in html] == []


def test_task_of_somebody_else_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"
    task = TaskFactory()

    assert as_seller.get(task.get_absolute_url()).status_code == 404
    for name in ACTS:
        assert as_seller.post(url(name, task), {"seen": 1}).status_code == 404


def test_task_that_one_sees_but_does_not_work_on_is_refused(as_seller, as_viewer, as_stranger):
    task = TaskFactory()

    for client in (as_seller, as_viewer):
        for name in ACTS:
            assert client.get(url(name, task)).status_code == 403
            assert client.post(url(name, task), {"seen": 1}).status_code == 403
    assert as_stranger.get(task.get_absolute_url()).status_code == 403
    assert as_viewer.get(NEW).status_code == 403
    assert Task.objects.get().version == 1


@pytest.mark.parametrize("pk", [424242, 10**30])
def test_task_that_is_not_there(as_seller, pk):
    assert as_seller.get(f"/tasks/{pk}/").status_code == 404
    assert as_seller.post(f"/tasks/{pk}/complete/").status_code == 404


# Saying something else


def test_edit_changes_it(as_seller, salesperson, task):
    form = as_seller.get(url("edit", task)).context["form"]

    response = as_seller.post(
        url("edit", task),
        typed(
            TeamFactory(name="Nordics"),
            description="Visit them",
            seen=1,
            before=form.initial["before"],
        ),
    )

    assert response.status_code == 302
    task.refresh_from_db()
    assert (task.description, str(task.team), task.salesperson, task.version) == (
        "Visit them",
        "Nordics",
        None,
        2,
    )


def test_somebody_was_faster(as_seller, seller, salesperson, task):
    form = as_seller.get(url("edit", task)).context["form"]
    before = typed(salesperson, contact=task.contact.label, kind="TODO")
    facts = operations.TaskFacts(
        kind="MEETING", description="Call about the offer", due_on=today(), salesperson=salesperson
    )
    operations.change_task(task=task, facts=facts, by=seller)

    response = as_seller.post(
        url("edit", task),
        {**before, "description": "What I typed", "seen": 1, "before": form.initial["before"]},
    )

    html = response.content.decode()
    assert response.status_code == 409
    assert "Somebody changed this first." in html
    assert "What I typed" in html
    assert '<option value="MEETING" selected>' in html  # theirs, where I typed nothing
    assert response.context["form"].data["seen"] == "2"
    assert Task.objects.get().description == "Call about the offer"

    again = response.context["form"].data
    assert as_seller.post(url("edit", task), dict(again)).status_code == 302
    assert Task.objects.get().description == "What I typed"
    assert Task.objects.get().kind == "MEETING"


def test_form_that_says_nothing_of_what_it_was_drawn_from_keeps_all_that_was_typed(
    as_seller, seller, salesperson, task
):
    operations.postpone_task(task=task, due_on=today() + timedelta(days=1), by=seller)

    response = as_seller.post(
        url("edit", task), typed(salesperson, description="Mine", seen=1, before="made up")
    )

    assert response.status_code == 409
    assert "Mine" in response.content.decode()


def test_time_is_shown_and_typed_on_the_clock_of_the_reader(as_seller, salesperson):
    task = TaskFactory(
        kind="CALL",
        salesperson=salesperson,
        due_on=date(2026, 11, 24),
        due_time=time(20),
        time_zone="America/New_York",
    )
    form = as_seller.get(url("edit", task)).context["form"]

    assert (form["due_on"].value(), form["due_time"].value()) == (date(2026, 11, 25), time(2))

    as_seller.post(
        url("edit", task), typed(salesperson, kind="TODO", due_on="2026-11-25", due_time="02:00", seen=1)
    )
    before = task.due_at
    task.refresh_from_db()
    assert (task.due_at, task.time_zone, task.kind) == (before, "America/New_York", "TODO")


def test_closed_task_is_not_edited(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson, closed=True)

    response = as_seller.post(url("edit", task), typed(salesperson, seen=1))

    assert response.status_code == 422
    assert "Reopen it to change it" in response.content.decode()


def test_after_giving_it_away_one_is_not_led_to_what_one_cannot_see(as_seller, task, settings):
    settings.VISIBILITY = "own"

    response = as_seller.post(
        url("edit", task), typed(SalespersonFactory(), seen=1, next=task.get_absolute_url())
    )

    assert response["Location"] == reverse("opportunities:tasks")


# Doing it


def test_done_with_an_outcome_goes_into_the_history(as_seller, task, company):
    response = as_seller.post(url("complete", task), {"seen": 1, "outcome": "They want it by May."})

    assert response.status_code == 302
    note = Interaction.objects.get()
    assert (note.text, note.contact) == ("They want it by May.", company)
    html = as_seller.get(task.get_absolute_url()).content.decode()
    assert "They want it by May." in html
    assert "Reopen" in html


def test_message_takes_it_back(as_seller, task):
    list_url = reverse("opportunities:tasks")
    as_seller.post(url("complete", task), {"seen": 1, "next": list_url})
    html = as_seller.get(list_url).content.decode()
    undo = f"{url('reopen', task)}?seen=2&amp;next=%2Ftasks%2F"

    assert "Done: Call about the offer." in html
    assert f'action="{undo}"' in html

    response = as_seller.post(undo.replace("&amp;", "&"))
    assert response["Location"] == list_url
    assert Task.objects.get().is_open


def test_undo_of_what_was_changed_since_is_refused(as_seller, seller, task):
    as_seller.post(url("complete", task), {"seen": 1})
    operations.reopen_task(task=task, by=seller)

    response = as_seller.post(f"{url('reopen', task)}?seen=2")

    assert response.status_code == 409
    assert Task.objects.get().is_open


def test_stale_version_is_not_completed(as_seller, seller, task):
    operations.postpone_task(task=task, due_on=today() + timedelta(days=1), by=seller)

    response = as_seller.post(url("complete", task), {"seen": 1, "outcome": "I wrote this"})

    html = response.content.decode()
    assert response.status_code == 409
    assert "I wrote this" in html
    assert 'name="seen" value="2"' in html
    assert Task.objects.get().is_open


def test_outcome_without_anything_it_is_about_is_refused(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson)

    response = as_seller.post(url("complete", task), {"seen": 1, "outcome": "Nice"})

    assert response.status_code == 422
    assert "is about no contact and no opportunity" in response.content.decode()


@pytest.mark.parametrize("data", [{"seen": "x"}, {"seen": "0"}, {"seen": "9" * 30}, {"outcome": "a\0b"}])
def test_what_nobody_types_changes_nothing(as_seller, task, data):
    assert as_seller.post(url("complete", task), data).status_code == 422
    assert Task.objects.get().is_open


def test_cancel_of_a_repeating_one_asks_how_far(as_seller, salesperson):
    task = TaskFactory(salesperson=salesperson, repeats="1W", series_began_on=today())
    assert "only this one" in as_seller.get(url("cancel", task)).content.decode()

    as_seller.post(url("cancel", task), {"seen": 1, "ends": "THIS"})
    following = Task.objects.open().get()
    assert following.due_on == today() + timedelta(days=7)

    as_seller.post(url("cancel", following), {"seen": 1, "ends": "SERIES"})
    assert not Task.objects.open().exists()


def test_cancel_of_a_single_one(as_seller, task):
    html = as_seller.get(url("cancel", task)).content.decode()
    assert "only this one" not in html
    assert ">Keep it<" in html
    assert ">Cancel<" not in html

    as_seller.post(url("cancel", task), {"seen": 1})

    assert Task.objects.get().status == TaskStatus.CANCELLED


def test_cancel_of_a_stale_one_says_so(as_seller, seller, task):
    operations.postpone_task(task=task, due_on=today() + timedelta(days=1), by=seller)

    response = as_seller.post(url("cancel", task), {"seen": 1})

    assert response.status_code == 409
    assert "meanwhile" in response.content.decode()


def test_postpone_and_reassign(as_seller, task):
    day = today() + timedelta(days=3)
    as_seller.post(url("postpone", task), {"seen": 1, "due_on": day.isoformat()})
    other = SalespersonFactory(name="Tom Maes")
    as_seller.post(url("reassign", task), {"seen": 2, "doer": f"person-{other.pk}"})

    task.refresh_from_db()
    assert (task.due_on, task.salesperson) == (day, other)


def test_postponing_is_taken_back_by_the_message(as_seller, task):
    list_url = reverse("opportunities:tasks")
    later = today() + timedelta(days=5)
    as_seller.post(url("postpone", task), {"seen": 1, "due_on": later.isoformat(), "next": list_url})
    html = as_seller.get(list_url).content.decode()
    undo = f"{url('postpone', task)}?seen=2&due_on={today().isoformat()}&next=%2Ftasks%2F"
    assert "Postponed to" in html
    assert f'action="{undo.replace("&", "&amp;")}"' in html

    response = as_seller.post(undo)

    assert response["Location"] == list_url
    task.refresh_from_db()
    assert task.due_on == today()
    assert "Due again on" in as_seller.get(list_url).content.decode()
    assert as_seller.post(undo).status_code == 409


@pytest.mark.parametrize("former", ["person", "team"])
def test_reassigning_is_taken_back_by_the_message(as_manager, opportunity, former):
    who = {"salesperson": opportunity.salesperson} if former == "person" else {"team": TeamFactory()}
    task = TaskFactory(opportunity=opportunity, **{"salesperson": None, **who})
    list_url = reverse("opportunities:tasks")
    other = SalespersonFactory(name="Tom Maes")
    as_manager.post(url("reassign", task), {"seen": 1, "doer": f"person-{other.pk}", "next": list_url})
    html = as_manager.get(list_url).content.decode()
    undo = f"{url('reassign', task)}?seen=2&doer={former}-{task.doer.pk}&next=%2Ftasks%2F"
    assert "It is now for Tom Maes." in html
    assert f'action="{undo.replace("&", "&amp;")}"' in html

    response = as_manager.post(undo)

    assert response["Location"] == list_url
    assert Task.objects.get().doer == task.doer
    assert f"It is now for {task.doer}." in as_manager.get(list_url).content.decode()
    assert as_manager.post(undo).status_code == 409


def test_reassigning_offers_no_way_back_that_nobody_can_go(
    as_seller, as_manager, task, salesperson, settings
):
    settings.VISIBILITY = "own"
    given = as_seller.post(
        url("reassign", task), {"doer": f"person-{SalespersonFactory(name='Tom Maes').pk}"}
    )
    html = as_seller.get(given["Location"]).content.decode()
    assert (given["Location"], "It is now for Tom Maes." in html) == (reverse("opportunities:tasks"), True)
    assert "Undo" not in html

    was_blocked = TaskFactory(salesperson=SalespersonFactory(is_blocked=True))
    given = as_manager.post(url("reassign", was_blocked), {"doer": f"person-{salesperson.pk}"})
    html = as_manager.get(given["Location"]).content.decode()
    assert (f"It is now for {salesperson}." in html, "Undo" in html) == (True, False)


@pytest.mark.parametrize(
    ("days", "offered"),
    [(-3, [1, 3, 7]), (0, [1, 3, 7]), (1, [2, 4, 8]), (30, [31, 33, 37])],
)
@time_machine.travel(datetime(2026, 11, 23, 9, tzinfo=ZoneInfo("Europe/Brussels")), tick=False)
def test_quick_choices_never_bring_a_task_forward(as_seller, salesperson, days, offered):
    task = TaskFactory(salesperson=salesperson, due_on=today() + timedelta(days=days))

    html = as_seller.get(task.get_absolute_url()).content.decode()

    found = re.findall(r'name="due_on" value="([-\d]+)"', html)
    assert found == [(today() + timedelta(days=day)).isoformat() for day in offered]


@pytest.mark.parametrize(("name", "data"), [("postpone", {"due_on": ""}), ("reassign", {"doer": "team-x"})])
def test_small_forms_refuse_what_makes_no_sense(as_seller, task, name, data):
    assert as_seller.get(url(name, task)).status_code == 200
    assert as_seller.post(url(name, task), {"seen": 1, **data}).status_code == 422


def test_reopening_an_open_one_is_refused(as_seller, task):
    assert as_seller.get(url("reopen", task)).status_code == 200

    response = as_seller.post(url("reopen", task), {"seen": 1})

    assert response.status_code == 422
    assert "is open already" in response.content.decode()


def test_changes_from_a_dialog_put_the_page_in_place(as_seller, task):
    response = as_seller.post(
        f"{url('postpone', task)}?next=/tasks/",
        {"seen": 1, "due_on": today().isoformat()},
        headers=DIALOG,
    )

    assert response.status_code == 204
    assert '"path": "/tasks/"' in response["HX-Location"]
    assert response["HX-Trigger"] == "tasks-changed"


def test_next_leads_nowhere_else(as_seller, task):
    response = as_seller.post(url("complete", task), {"seen": 1, "next": "https://evil.example/"})

    assert response["Location"] == task.get_absolute_url()


def test_button_in_a_card_is_answered_without_a_page(as_seller, task):
    panel = {"HX-Request": "true", "HX-Target": "tasks-panel"}

    done = as_seller.post(url("complete", task), {"seen": 1}, headers=panel)
    assert done.status_code == 204
    assert "tasks-changed" in done["HX-Trigger"]
    assert "Done: Call about the offer." in done["HX-Trigger"]

    again = as_seller.post(url("complete", task), {"seen": 1}, headers=panel)
    assert again["HX-Refresh"] == "true"
    assert "meanwhile" in as_seller.get(reverse("opportunities:tasks")).content.decode()


# The cards on other pages


@pytest.mark.parametrize("name", ["opportunity", "contact", "salesperson"])
def test_card_lists_open_ones_and_a_few_closed(as_seller, salesperson, company, opportunity, name):
    about = {"salesperson": salesperson, "contact": company, "opportunity": opportunity}
    for number in range(12):
        due_on = today() + timedelta(days=number)
        TaskFactory(description=f"Open {number}", due_on=due_on, **about)
    for number in range(6):
        TaskFactory(description=f"Closed {number}", closed=True, **about)

    panel = reverse(f"opportunities:tasks-for-{name}", args=[about[name].pk])
    html = as_seller.get(panel, headers={"HX-Request": "true", "HX-Target": ""}).content.decode()

    assert html.count("Done: Open") == 10
    assert "More open tasks" in html
    assert html.count("Closed ") == 5
    assert "More that is done" in html
    assert "<summary>Done or cancelled</summary>" in html
    assert "a task" in html
    assert reverse(f"opportunities:assign-{name}", args=[about[name].pk]) in html
    assert panel in as_seller.get(about[name].get_absolute_url()).content.decode()
    assert "<html" in as_seller.get(panel).content.decode()


@pytest.mark.parametrize("name", ["opportunity", "contact", "salesperson"])
def test_card_as_a_page_leads_back(as_seller, salesperson, company, opportunity, name):
    about = {"salesperson": salesperson, "contact": company, "opportunity": opportunity}[name]

    html = as_seller.get(reverse(f"opportunities:tasks-for-{name}", args=[about.pk])).content.decode()

    crumbs = html.partition('<nav class="crumbs"')[2].partition("</nav>")[0]
    assert f'<a href="{about.get_absolute_url()}">' in crumbs


def test_card_offers_a_viewer_nothing(as_viewer, opportunity):
    TaskFactory(opportunity=opportunity)

    html = as_viewer.get(
        reverse("opportunities:tasks-for-opportunity", args=[opportunity.pk])
    ).content.decode()

    assert "/complete/" not in html
    assert NEW not in html


def test_card_of_a_blocked_contact_or_a_closed_opportunity_takes_no_new_one(as_seller, company, won):
    Contact.objects.filter(pk=company.pk).update(is_privacy_blocked=True)

    for name, thing in [("contact", company), ("opportunity", won)]:
        html = as_seller.get(reverse(f"opportunities:tasks-for-{name}", args=[thing.pk])).content.decode()
        assert NEW not in html
        assert "Nothing to do." in html


def test_card_of_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"
    opportunity = OpportunityFactory()

    for name, pk in [("opportunity", opportunity.pk), ("contact", 424242), ("salesperson", 424242)]:
        assert as_seller.get(reverse(f"opportunities:tasks-for-{name}", args=[pk])).status_code == 404


@pytest.mark.parametrize("many", [1, 30])
@pytest.mark.parametrize("name", ["opportunity", "contact", "salesperson"])
def test_card_is_read_in_few_queries(
    as_seller, salesperson, company, opportunity, name, many, django_assert_max_num_queries
):
    about = {"salesperson": salesperson, "contact": company, "opportunity": opportunity}
    for _number in range(many):
        TaskFactory(**{**about, "contact": PersonFactory(company=company)})

    with django_assert_max_num_queries(11):
        as_seller.get(
            reverse(f"opportunities:tasks-for-{name}", args=[about[name].pk]), headers={"HX-Request": "true"}
        )


def test_pages_of_one_task_are_read_in_few_queries(as_seller, task, django_assert_max_num_queries):
    for address in (task.get_absolute_url(), url("edit", task), url("reassign", task)):
        with django_assert_max_num_queries(11):
            as_seller.get(address)


def test_task_about_an_opportunity_is_worked_on_by_whoever_works_on_that(
    salesperson, opportunity, client_class
):
    other = user_with_role(Role.SALESPERSON, name="Ann Peeters")
    task = TaskFactory(salesperson=other.salesperson, opportunity=opportunity)

    response = signed_in(client_class, salesperson.user).post(url("complete", task), {"seen": 1})

    assert response.status_code == 302
    assert Opportunity.objects.count() == 1
    assert Task.objects.get().repeats_from == RepeatsFrom.DUE


def test_company_card_names_the_person(as_seller, salesperson):
    company = CompanyFactory()
    TaskFactory(salesperson=salesperson, contact=PersonFactory(company=company, last_name="Janssens"))

    html = as_seller.get(reverse("opportunities:tasks-for-contact", args=[company.pk])).content.decode()

    assert "Ann Janssens" in html


@pytest.mark.django_db
def test_postponing_begins_with_the_day_on_the_readers_clock(client):
    reader = user_with_role(Role.SALESPERSON, time_zone="Asia/Tokyo")
    client.force_login(reader)
    late = TaskFactory(
        salesperson=reader.salesperson,
        due_on=date(2030, 3, 4),
        due_time=time(23),
        due_at=datetime(2030, 3, 4, 23, tzinfo=ZoneInfo("Europe/Brussels")),
    )

    page = client.get(url("postpone", late)).content.decode()
    choices = client.get(late.get_absolute_url()).content.decode()
    client.post(url("postpone", late), {"due_on": "2030-03-07", "seen": late.version})

    assert 'value="2030-03-05"' in page
    assert 'value="2030-03-06" title="6 Mar 2030">1 day later' in choices
    late.refresh_from_db()
    assert (late.due_on, late.due_time) == (date(2030, 3, 6), time(23))
