"""The tasks of a change: shown beforehand, dropped, edited, cancelled, and made by every route."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activities.models import Task, TaskStatus
from crm.dates import today
from opportunities import batches, operations
from opportunities.models import BatchAction, BatchStatus, Opportunity
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CloseReasonFactory,
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    cycle_with_stages,
)
from tests.opportunities.conftest import signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def url(name, opportunity):
    return reverse(f"opportunities:{name}", args=[opportunity.pk])


@pytest.fixture
def cycle():
    """Present brings a call after two days and a letter after a week; Propose a meeting at once."""
    cycle = cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    for name, steps in {
        "Present": [("CALL", "Call", "2D"), ("EMAIL", "Write", "1W")],
        "Propose": [("MEETING", "Meet", "")],
    }.items():
        activity = ActivityFactory(description=f"{name} it")
        for number, (kind, description, due_in) in enumerate(steps, start=1):
            ActivityStepFactory(
                activity=activity, position=number, kind=kind, description=description, due_in=due_in
            )
        cycle.stages.filter(description=name).update(activity=activity)
    cycle.stages.update(allows_skip=True)
    return cycle


@pytest.fixture
def opportunity(cycle, salesperson, seller):
    on = date(2026, 1, 5)
    return OpportunityFactory(cycle=cycle, salesperson=salesperson, by=seller, on=on, started=True)


def stage(opportunity, name):
    return opportunity.cycle.stages.get(description=name)


def to_present(opportunity, seller, **told):
    return operations.move(
        opportunity=opportunity, to=stage(opportunity, "Present"), by=seller, on=today(), **told
    )


def drawn(response):
    """What the form of an answer would send, ticks included."""
    form = response.context["form"]
    data = {}
    for field in form:
        value = field.value()
        if value not in (None, "", False):
            data[field.html_name] = [str(each) for each in value] if isinstance(value, list) else str(value)
    planned = form.coming
    if planned is None:
        return data
    data |= {"planned-of": planned.of, "planned-on": planned.on.isoformat()}
    data |= {"planned-kept": planned.kept_for_later} if planned.kept_for_later else {}
    data |= {"planned-TOTAL_FORMS": str(len(planned.forms)), "planned-INITIAL_FORMS": "0"}
    for row in planned:
        for field in row:
            value = field.value()
            if value:
                data[field.html_name] = "on" if value is True else str(value)
    return data


def coming(response):
    """The tasks a form shows: whether they come, what and by when."""
    return [
        (row["take"].value(), row["description"].value(), row["due_on"].value())
        for row in response.context["form"].coming
    ]


def tasks_of(opportunity):
    rows = Task.objects.filter(opportunity=opportunity).order_by("pk")
    return [(task.description, task.due_on, task.status) for task in rows]


# Moving and starting


@time_machine.travel("2026-03-02 12:00", tick=False)
def test_move_shows_what_comes_and_makes_what_was_kept_and_edited(client_class, seller, opportunity):
    client = signed_in(client_class, seller)
    present = stage(opportunity, "Present")
    page = client.get(url("move", opportunity), {"to": present.pk})

    assert coming(page) == [(True, "Call", "2026-03-04"), (True, "Write", "2026-03-09")]

    data = drawn(page) | {"planned-1-description": " Write  to Ann ", "planned-1-due_on": "2026-03-12"}
    del data["planned-0-take"]
    done = client.post(url("move", opportunity), data, follow=True)

    assert "1 task came with it." in done.text
    assert tasks_of(opportunity) == [("Write to Ann", date(2026, 3, 12), TaskStatus.OPEN)]
    task = Task.objects.get()
    assert (task.kind, task.salesperson, task.contact) == (
        "EMAIL",
        opportunity.salesperson,
        opportunity.contact,
    )
    assert task.made_by.stage == present


def test_move_without_a_word_about_tasks_makes_all(as_seller, opportunity):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = {name: text for name, text in drawn(page).items() if not name.startswith("planned")}

    as_seller.post(url("move", opportunity), data)

    assert [task[0] for task in tasks_of(opportunity)] == ["Call", "Write"]


def test_all_can_be_dropped(as_seller, opportunity):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = {name: text for name, text in drawn(page).items() if not name.endswith("-take")}

    assert as_seller.post(url("move", opportunity), data).status_code == 302
    assert tasks_of(opportunity) == []


def test_start_makes_the_tasks_of_the_first_stage(as_seller, cycle, salesperson, seller):
    cycle.stages.filter(description="Qualify").update(activity=stage_activity(cycle, "Propose"))
    new = OpportunityFactory(cycle=cycle, salesperson=salesperson, by=seller)
    data = drawn(as_seller.get(url("start", new))) | {"value": "100", "planned-0-description": "See them"}

    as_seller.post(url("start", new), data)

    assert [task[0] for task in tasks_of(new)] == ["See them"]


def stage_activity(cycle, name):
    return cycle.stages.get(description=name).activity


def test_update_of_an_estimate_makes_none(as_seller, opportunity, seller):
    to_present(opportunity, seller, tasks=())
    page = as_seller.get(url("revise", opportunity))

    assert page.context["form"].coming is None
    assert as_seller.post(url("revise", opportunity), drawn(page) | {"value": "1"}).status_code == 302
    assert tasks_of(opportunity) == []


@pytest.mark.parametrize("sent_by", ["get", "post"])
def test_another_stage_brings_other_tasks(as_seller, opportunity, sent_by):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"planned-0-description": "Mine", "to": stage(opportunity, "Propose").pk}
    ask = getattr(as_seller, sent_by)

    other = ask(url("move", opportunity), data | {"redraw": "1"})

    assert [row[1] for row in coming(other)] == ["Meet"]
    assert tasks_of(opportunity) == []


@time_machine.travel("2026-03-02 12:00", tick=False)
def test_what_was_typed_for_a_stage_is_there_again_after_a_look_at_others(client_class, seller, opportunity):
    client, move = signed_in(client_class, seller), url("move", opportunity)
    present, propose = (stage(opportunity, name).pk for name in ("Present", "Propose"))
    data = drawn(client.get(move, {"to": present})) | {
        "planned-0-description": "Ring",
        "planned-0-due_on": "",
    }
    del data["planned-1-take"]

    other = drawn(client.post(move, data | {"to": propose, "redraw": "1"}))
    another_day = {"planned-0-description": "See them", "on": "2026-03-01"}
    back = client.post(move, other | another_day | {"to": present, "redraw": "1"})
    there = client.post(move, drawn(back) | {"to": propose, "redraw": "1"})

    assert coming(back) == [(True, "Ring", None), (False, "Write", "2026-03-08")]
    assert coming(there) == [(True, "See them", "2026-03-01")]
    client.post(move, drawn(back) | {"planned-0-due_on": "2026-03-20"})
    assert [task[:2] for task in tasks_of(opportunity)] == [("Ring", date(2026, 3, 20))]


@pytest.mark.parametrize(
    "kept", ["%", "stage-1", "=&=&", "stage-{pk}=%00", "[" * 9999, "stage-{pk}=planned-0-kind%3D1"]
)
def test_what_is_said_to_be_kept_can_be_anything(as_seller, opportunity, kept):
    present = stage(opportunity, "Present").pk
    data = {"to": present, "redraw": "1", "planned-kept": kept.format(pk=present)}

    assert as_seller.post(url("move", opportunity), data).status_code == 200


def test_another_stage_chosen_without_a_script_shows_its_tasks_first(as_seller, opportunity):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"to": stage(opportunity, "Propose").pk}

    refused = as_seller.post(url("move", opportunity), data)

    assert refused.status_code == 422
    assert "Propose brings tasks that you have not seen yet." in refused.text
    assert [row[1] for row in coming(refused)] == ["Meet"]
    assert tasks_of(opportunity) == []
    as_seller.post(url("move", opportunity), drawn(refused))
    assert [task[0] for task in tasks_of(opportunity)] == ["Meet"]


@time_machine.travel("2026-03-02 12:00", tick=False)
def test_another_date_of_change_moves_the_dates_that_were_left_alone(client_class, seller, opportunity):
    client = signed_in(client_class, seller)
    page = client.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"planned-0-due_on": "2026-05-05", "on": "2026-03-01"}
    data["planned-1-description"] = "Mine"

    shown = client.post(
        url("move", opportunity), data | {"redraw": "1"}, headers={**HTMX, "HX-Target": "coming"}
    )
    client.post(url("move", opportunity), data)

    assert shown.text.lstrip().startswith('<div id="coming"')
    for text in ("2026-05-05", "2026-03-08", 'value="Mine"'):
        assert text in shown.text
    assert [task[:2] for task in tasks_of(opportunity)] == [
        ("Call", date(2026, 5, 5)),
        ("Mine", date(2026, 3, 8)),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planned-0-description": ""}, "A description is needed."),
        ({"planned-0-description": "x" * 201}, "at most 200 characters"),
        ({"planned-0-description": "a\x00b"}, "Null characters are not allowed."),
        ({"planned-0-due_on": "soon"}, "Enter a valid date."),
        ({"planned-0-due_on": "9999-01-01"}, "The date lies too far away."),
        ({"planned-0-kind": "PARTY"}, "Select a valid choice."),
        ({"value": "-1"}, "Type a value"),
    ],
)
def test_a_refusal_keeps_what_was_edited(as_seller, opportunity, changes, message):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"planned-1-description": "Write to Ann"} | changes

    refused = as_seller.post(url("move", opportunity), data)

    assert refused.status_code == 422
    if "value" not in changes:
        assert message in refused.text
    assert coming(refused)[1][1] == "Write to Ann"
    assert Opportunity.objects.get(pk=opportunity.pk).stage.description == "Qualify"
    assert tasks_of(opportunity) == []


def test_what_is_wrong_in_a_dropped_task_is_no_mistake(as_seller, opportunity):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"planned-0-description": ""}
    del data["planned-0-take"]

    assert as_seller.post(url("move", opportunity), data).status_code == 302
    assert [task[0] for task in tasks_of(opportunity)] == ["Write"]


def test_somebody_was_first_and_the_edited_tasks_are_kept(as_seller, opportunity, manager):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    data = drawn(page) | {"planned-0-description": "Ring them", "value": "7"}
    del data["planned-1-take"]
    operations.revise(
        opportunity=Opportunity.objects.get(pk=opportunity.pk),
        estimate=operations.Estimate(Decimal(9), Decimal(50), today()),
        by=manager,
        on=today(),
    )

    refused = as_seller.post(url("move", opportunity), data)

    assert refused.status_code == 409
    assert [row[:2] for row in coming(refused)] == [(True, "Ring them"), (False, "Write")]
    as_seller.post(url("move", opportunity), drawn(refused))
    assert [task[0] for task in tasks_of(opportunity)] == ["Ring them"]


def test_preview_says_how_many_come_and_go(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Propose").pk})
    left = [str(task.pk) for task in Task.objects.all()]

    preview = as_seller.post(
        url("move", opportunity),
        drawn(page) | {"cancel_tasks": left},
        headers={**HTMX, "HX-Target": "preview"},
    )

    assert "1 task comes with it." in preview.text
    assert "2 open tasks are cancelled." in preview.text
    assert Task.objects.open().count() == 2
    assert Opportunity.objects.get(pk=opportunity.pk).stage.description == "Present"


def test_preview_names_a_mistake_in_a_task(as_seller, opportunity):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})

    preview = as_seller.post(
        url("move", opportunity),
        drawn(page) | {"planned-0-description": ""},
        headers={**HTMX, "HX-Target": "preview"},
    )

    assert "A description is needed." in preview.text


def test_open_tasks_of_the_stage_left_are_kept_or_cancelled(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    by_hand = TaskFactory(opportunity=opportunity, salesperson=opportunity.salesperson, description="Own")
    call = Task.objects.get(description="Call")
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Propose").pk})

    assert page.text.count('name="cancel_tasks"') == 2
    assert "Own, due" not in page.text
    as_seller.post(url("move", opportunity), drawn(page) | {"cancel_tasks": [str(call.pk)]})

    states = dict(Task.objects.values_list("description", "status"))
    assert states == {"Call": "CANCELLED", "Write": "OPEN", "Own": "OPEN", "Meet": "OPEN"}
    by_hand.refresh_from_db()
    assert by_hand.is_open


def test_ticks_survive_a_refusal_and_another_stage(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    call = Task.objects.get(description="Call")
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Propose").pk})
    data = drawn(page) | {"cancel_tasks": [str(call.pk)]}

    refused = as_seller.post(url("move", opportunity), data | {"closes_on": ""})
    redrawn = as_seller.post(url("move", opportunity), data | {"redraw": "1"})

    for answer in (refused, redrawn):
        assert answer.context["form"]["cancel_tasks"].value() == [str(call.pk)]


def test_a_task_that_is_not_there_or_of_somebody_else_is_left_alone(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    other = TaskFactory()
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Propose").pk})

    answer = as_seller.post(
        url("move", opportunity), drawn(page) | {"cancel_tasks": [str(other.pk), str(2**62)]}
    )
    odd = as_seller.post(url("move", opportunity), drawn(page) | {"cancel_tasks": ["9" * 40, "x\x00"]})

    other.refresh_from_db()
    assert (answer.status_code, odd.status_code) == (302, 422)
    assert other.is_open


def test_dialog_asks_as_much_for_one_task_as_for_thirty(as_seller, opportunity, seller):
    activity = stage(opportunity, "Present").activity
    target = {"to": stage(opportunity, "Present").pk}
    TaskFactory(opportunity=opportunity, made_by=opportunity.entries.first())
    as_seller.get(url("move", opportunity), target)

    with CaptureQueriesContext(connection) as few:
        as_seller.get(url("move", opportunity), target)
    for number in range(3, 31):
        ActivityStepFactory(activity=activity, position=number)
        TaskFactory(opportunity=opportunity, made_by=opportunity.entries.first())
    with CaptureQueriesContext(connection) as many:
        page = as_seller.get(url("move", opportunity), target)

    assert len(coming(page)) == 30
    assert len(few) == len(many) <= 12


# Closing


def test_closing_offers_to_cancel_what_is_open(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    reason = CloseReasonFactory(outcome="LOST")
    page = as_seller.get(url("close", opportunity), {"outcome": "LOST"})
    call, write = Task.objects.order_by("pk")

    assert page.context["form"]["cancel_tasks"].value() == [str(call.pk), str(write.pk)]
    data = drawn(page) | {"reason": reason.pk, "cancel_tasks": [str(write.pk)]}
    as_seller.post(url("close", opportunity), data)

    assert dict(Task.objects.values_list("description", "status")) == {"Call": "OPEN", "Write": "CANCELLED"}


def test_closing_with_more_than_fifty_open_tasks(as_seller, opportunity):
    reason = CloseReasonFactory(outcome="LOST")
    tasks = [TaskFactory(opportunity=opportunity, due_on=today()) for _number in range(55)]
    page = as_seller.get(url("close", opportunity), {"outcome": "LOST"})

    assert page.text.count('name="cancel_tasks"') == 51
    assert "5 more tasks" in page.text
    data = drawn(page) | {"reason": reason.pk}
    data["cancel_tasks"].remove(str(tasks[0].pk))
    as_seller.post(url("close", opportunity), data)

    assert list(Task.objects.open()) == [tasks[0]]


def test_a_refused_closing_keeps_the_ticks(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    page = as_seller.get(url("close", opportunity), {"outcome": "LOST"})
    data = drawn(page)
    del data["cancel_tasks"]

    refused = as_seller.post(url("close", opportunity), data)

    assert refused.status_code == 422
    assert not refused.context["form"]["cancel_tasks"].value()


@pytest.mark.parametrize(("outcome", "begins"), [("LOST", "Closed as lost. "), ("WON", "Won: ")])
def test_closing_says_how_many_tasks_were_cancelled(as_seller, opportunity, seller, outcome, begins):
    to_present(opportunity, seller)
    reason = CloseReasonFactory(outcome=outcome)
    page = as_seller.get(url("close", opportunity), {"outcome": outcome})

    done = as_seller.post(url("close", opportunity), drawn(page) | {"reason": reason.pk}, follow=True)

    (said,) = map(str, done.context["messages"])
    assert said.startswith(begins)
    assert said.endswith(" 2 tasks were cancelled with it.")


# Undoing


def test_undo_says_what_goes_and_what_comes_back(as_seller, opportunity, seller):
    to_present(opportunity, seller)
    call = Task.objects.get(description="Call")
    operations.move(
        opportunity=opportunity,
        to=stage(opportunity, "Propose"),
        by=seller,
        on=today(),
        cancel_tasks=[call.pk],
    )

    page = as_seller.get(url("undo", opportunity))
    form = page.context["form"]

    assert [str(task) for task in form.tasks_that_go] == ["Meet"]
    assert [str(task) for task in form.tasks_that_come_back] == ["Call"]
    assert "These open tasks will be cancelled:" in page.text
    assert "These tasks will be open again:" in page.text
    as_seller.post(url("undo", opportunity), drawn(page) | {"note": "A mistake"})
    states = dict(Task.objects.values_list("description", "status"))
    assert states == {"Call": "OPEN", "Write": "OPEN", "Meet": "CANCELLED"}

    again = as_seller.get(url("undo", opportunity))

    assert [str(task) for task in again.context["form"].tasks_that_go] == ["Call"]
    assert [str(task) for task in again.context["form"].tasks_that_come_back] == ["Meet"]
    as_seller.post(url("undo", opportunity), drawn(again) | {"note": "No mistake"})
    states = dict(Task.objects.values_list("description", "status"))
    assert states == {"Call": "CANCELLED", "Write": "OPEN", "Meet": "OPEN"}


# Reassigning


@pytest.mark.parametrize("with_tasks", [True, False])
def test_open_tasks_follow_if_asked(client_class, opportunity, manager, salesperson, seller, with_tasks):
    to_present(opportunity, seller)
    other = SalespersonFactory(team=salesperson.team)
    client = signed_in(client_class, manager)
    page = client.get(url("reassign", opportunity))
    data = drawn(page) | {"salesperson": other.pk}
    if not with_tasks:
        del data["with_tasks"]

    assert "2 open tasks of Sofie Claes follow" in page.text
    client.post(url("reassign", opportunity), data)

    doers = set(Task.objects.values_list("salesperson", flat=True))
    assert doers == {other.pk if with_tasks else salesperson.pk}


def test_nothing_is_asked_about_tasks_when_there_are_none(client_class, opportunity, manager):
    client = signed_in(client_class, manager)

    assert "with_tasks" not in client.get(url("reassign", opportunity)).context["form"].fields
    assert "cancel_tasks" not in client.get(url("close", opportunity)).context["form"].fields


# Open already


def test_a_task_that_is_open_already_is_offered_without_a_tick(as_seller, opportunity):
    TaskFactory(opportunity=opportunity, description="Call")
    TaskFactory(opportunity=opportunity, description="Write", closed=True)
    present = stage(opportunity, "Present")

    move = as_seller.get(url("move", opportunity), {"to": present.pk})
    assign = as_seller.get(f"{opportunity.get_absolute_url()}assign/", {"activity": present.activity_id})

    for page in (move, assign):
        assert [(take, task) for take, task, _due in coming(page)] == [(False, "Call"), (True, "Write")]
        assert page.text.count("Open already") == 1
    as_seller.post(url("move", opportunity), drawn(move))
    assert sorted(Task.objects.open().values_list("description", flat=True)) == ["Call", "Write"]


# By every route


def route_form(opportunity, seller, client):
    page = client.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    client.post(url("move", opportunity), drawn(page))


def route_board(opportunity, seller, client):
    data = {"to": stage(opportunity, "Present").pk, "seen": opportunity.version}
    answer = client.post(url("board-move", opportunity), data, headers={**HTMX, "HX-Target": "board-said"})
    assert "2 tasks came with it." in answer.text
    assert answer["HX-Trigger"] == "tasks-changed"


def route_batch(opportunity, seller, client):
    batch = batches.make(
        action=BatchAction.MOVE, keys=[opportunity.pk], by=seller, stage=stage(opportunity, "Present")
    )
    carried_out(batch, seller)


def carried_out(batch, user):
    batches.step(batch, by=user)
    batches.carry_out(batch)
    batches.step(batch, by=user)
    assert batch.status == BatchStatus.DONE


@pytest.mark.parametrize("route", [route_form, route_board, route_batch])
def test_every_route_makes_the_tasks_of_the_stage(as_seller, opportunity, seller, route):
    route(opportunity, seller, as_seller)

    assert [task[:2] for task in tasks_of(opportunity)] == [
        ("Call", today() + timedelta(days=2)),
        ("Write", today() + timedelta(days=7)),
    ]


def test_import_makes_the_tasks_of_the_stages(cycle, tmp_path, monkeypatch):
    from tests.opportunities.test_import import OPEN, WON, import_rows

    monkeypatch.chdir(tmp_path)
    cycle.code = "NEW"
    cycle.save()
    import_rows(OPEN, WON)
    in_present, won = Opportunity.objects.order_by("pk")

    assert [(task[0], task[2]) for task in tasks_of(in_present)] == [("Call", "OPEN"), ("Write", "OPEN")]
    assert {task[2] for task in tasks_of(won)} == {"CANCELLED"}


def test_demo_makes_tasks():
    call_command("demo", "--size", "10", stdout=StringIO())

    assert Task.objects.filter(made_by__isnull=False).exists()


# Many at once


@pytest.mark.parametrize("cancels", [True, False])
def test_many_are_lost_with_or_without_their_tasks(opportunity, seller, cancels):
    TaskFactory(opportunity=opportunity)
    batch = batches.make(
        action=BatchAction.LOSE,
        keys=[opportunity.pk],
        by=seller,
        reason=CloseReasonFactory(outcome="LOST"),
        cancels_tasks=cancels,
    )

    carried_out(batch, seller)

    assert Task.objects.open().exists() is not cancels
    assert ("Their open tasks are cancelled." in batches.change_of(batch).will(1)) is cancels


@pytest.mark.parametrize("follow", [True, False])
def test_many_are_reassigned_with_or_without_their_tasks(opportunity, manager, salesperson, follow):
    TaskFactory(opportunity=opportunity, salesperson=salesperson)
    other = SalespersonFactory(team=salesperson.team)
    batch = batches.make(
        action=BatchAction.REASSIGN,
        keys=[opportunity.pk],
        by=manager,
        salesperson=other,
        tasks_follow=follow,
    )

    carried_out(batch, manager)

    assert (Task.objects.get().salesperson == other) is follow


@pytest.mark.parametrize(("action", "name"), [("LOSE", "cancels_tasks"), ("REASSIGN", "tasks_follow")])
def test_the_dialog_of_many_has_the_tick_set(client_class, opportunity, manager, action, name):
    client = signed_in(client_class, manager)

    page = client.post(reverse("opportunities:batch-new"), {"action": action, "chosen": opportunity.pk})

    assert page.context["form"][name].value() is True


# By hand


@time_machine.travel("2026-03-02 12:00", tick=False)
def test_assign_an_activity_to_an_opportunity(client_class, opportunity, seller, cycle):
    client = signed_in(client_class, seller)
    activity = stage_activity(cycle, "Present")
    assign = url("assign-opportunity", opportunity)
    shown = client.post(
        assign,
        drawn(client.get(assign)) | {"activity": activity.pk, "on": "2026-03-10", "redraw": "1"},
    )

    assert coming(shown) == [(True, "Call", "2026-03-12"), (True, "Write", "2026-03-17")]
    data = drawn(shown) | {"planned-0-description": "Ring", "planned-1-due_on": "2026-04-01"}
    done = client.post(assign, data, follow=True)

    assert "Added 2 tasks of “Present it”." in done.text
    assert [task[:2] for task in tasks_of(opportunity)] == [
        ("Ring", date(2026, 3, 12)),
        ("Write", date(2026, 4, 1)),
    ]
    other = data | {"activity": stage_activity(cycle, "Propose").pk, "redraw": "1"}
    back = drawn(client.post(assign, other)) | {"activity": activity.pk, "redraw": "1"}
    assert coming(client.post(assign, back))[0] == (True, "Ring", "2026-03-12")
    task = Task.objects.first()
    assert (task.salesperson, task.contact, task.activity, task.made_by) == (
        opportunity.salesperson,
        opportunity.contact,
        activity,
        None,
    )


def test_assign_to_a_team(as_seller, opportunity, cycle):
    team = TeamFactory()
    assign = url("assign-opportunity", opportunity)
    data = drawn(as_seller.get(assign)) | {
        "activity": stage_activity(cycle, "Propose").pk,
        "doer": f"team-{team.pk}",
    }

    as_seller.post(assign, data)

    assert Task.objects.get().team == team


def test_assign_about_a_contact_and_to_a_salesperson(as_seller, opportunity, cycle, salesperson):
    activity = stage_activity(cycle, "Propose")
    for name, pk in (("assign-contact", opportunity.contact_id), ("assign-salesperson", salesperson.pk)):
        assign = reverse(f"opportunities:{name}", args=[pk])
        answer = as_seller.post(assign, drawn(as_seller.get(assign)) | {"activity": activity.pk})
        assert answer.status_code == 302

    about, alone = Task.objects.order_by("pk")
    assert (about.contact, about.opportunity, about.salesperson) == (opportunity.contact, None, salesperson)
    assert (alone.contact, alone.opportunity, alone.salesperson) == (None, None, salesperson)


def test_assign_refuses_in_words_and_keeps_what_was_typed(as_seller, opportunity, cycle):
    activity = stage_activity(cycle, "Present")
    assign = url("assign-opportunity", opportunity)
    shown = as_seller.get(assign, {"activity": activity.pk})
    typed = drawn(shown) | {"planned-0-description": "Ring"}
    none = {name: text for name, text in typed.items() if not name.endswith("-take")}
    answers = {
        "Nothing is left to do": as_seller.post(assign, none),
        "Choose an activity.": as_seller.post(assign, typed | {"activity": ""}),
        "Say on which day it begins.": as_seller.post(assign, typed | {"on": ""}),
        "Choose who is to do it": as_seller.post(assign, typed | {"doer": ""}),
        "brings tasks that you have not seen yet": as_seller.post(
            assign, typed | {"activity": stage_activity(cycle, "Propose").pk}
        ),
    }

    for message, answer in answers.items():
        assert answer.status_code == 422, message
        assert message in answer.text
    assert coming(answers["Say on which day it begins."])[0][1] == "Ring"
    assert not Task.objects.exists()


def test_a_retired_activity_is_not_offered_by_hand(as_seller, opportunity, cycle):
    activity = stage_activity(cycle, "Present")
    activity.is_active = False
    activity.save()
    assign = url("assign-opportunity", opportunity)

    page = as_seller.get(assign)
    answer = as_seller.post(assign, drawn(page) | {"activity": activity.pk})

    assert "Present it" not in page.text
    assert answer.status_code == 422
    assert not Task.objects.exists()


def test_assign_is_for_those_who_work_on_it(client_class, opportunity, viewer, manager, cycle):
    other = OpportunityFactory(cycle=cycle)
    seller = signed_in(client_class, opportunity.salesperson.user)
    blocked = SalespersonFactory(is_blocked=True)

    assert signed_in(client_class, viewer).get(url("assign-opportunity", opportunity)).status_code == 403
    assert seller.get(url("assign-opportunity", other)).status_code == 403
    assert seller.get(reverse("opportunities:assign-opportunity", args=[2**63])).status_code == 404
    salesperson = reverse("opportunities:assign-salesperson", args=[blocked.pk])
    assert signed_in(client_class, manager).get(salesperson).status_code == 403


def test_a_change_of_the_activity_meanwhile_leaves_what_was_seen(as_seller, opportunity, cycle):
    page = as_seller.get(url("move", opportunity), {"to": stage(opportunity, "Present").pk})
    stage_activity(cycle, "Present").steps.filter(description="Write").delete()

    as_seller.post(url("move", opportunity), drawn(page) | {"on": (today() - timedelta(days=1)).isoformat()})

    assert [task[0] for task in tasks_of(opportunity)] == ["Call", "Write"]


def test_nothing_is_assigned_about_a_blocked_contact(as_seller, opportunity):
    contact = opportunity.contact
    contact.is_privacy_blocked = True
    contact.save()

    answer = as_seller.get(reverse("opportunities:assign-contact", args=[contact.pk]))

    assert answer.status_code == 403


def test_without_any_activity_the_form_says_who_adds_one(as_seller, seller, salesperson):
    answer = as_seller.get(reverse("opportunities:assign-salesperson", args=[salesperson.pk]))

    assert "A sales manager adds them under Activities." in answer.text


def test_nothing_is_assigned_to_what_is_closed(as_seller, opportunity, seller):
    operations.close(
        opportunity=opportunity,
        outcome="LOST",
        reason=CloseReasonFactory(outcome="LOST"),
        by=seller,
        on=today(),
    )

    answer = as_seller.get(url("assign-opportunity", opportunity))

    assert answer.status_code == 403
    assert "It is closed." in answer.text
