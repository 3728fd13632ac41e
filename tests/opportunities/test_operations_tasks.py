"""What a change of an opportunity does to its tasks, in the same transaction."""

import json
from base64 import b64decode
from datetime import date, timedelta
from decimal import Decimal

import pytest

from activities import operations as task_operations
from activities.models import Task, TaskStatus
from activities.operations import PlannedTask, TaskFacts
from crm.dates import today
from opportunities import deleting, operations
from opportunities.models import Opportunity, Outcome
from opportunities.operations import ALL_TASKS, Estimate
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    AttachmentFactory,
    CloseReasonFactory,
    CompanyFactory,
    InteractionFactory,
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
    UserFactory,
    cycle_with_stages,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return UserFactory(time_zone="Europe/Brussels")


@pytest.fixture
def cycle():
    """Three stages, of which the first two have an activity with two steps each."""
    cycle = cycle_with_stages("Qualify", "Present", "Propose")
    for stage in cycle.stages.all()[:2]:
        stage.activity = ActivityFactory(description=f"On {stage}")
        stage.save()
        ActivityStepFactory(
            activity=stage.activity, position=1, kind="CALL", description=f"Call in {stage}", due_in="2D"
        )
        ActivityStepFactory(
            activity=stage.activity, position=2, kind="MEETING", description=f"Meet in {stage}", due_in="1W"
        )
    return cycle


@pytest.fixture
def opportunity(cycle, by):
    return OpportunityFactory(cycle=cycle, by=by)


@pytest.fixture
def started(opportunity, by):
    operations.start(opportunity=opportunity, by=by, on=today(), estimate=estimate())
    return opportunity


def estimate():
    return Estimate(Decimal(5000), Decimal(40), today() + timedelta(days=30))


def stages(opportunity):
    return list(opportunity.cycle.stages.order_by("position"))


def open_tasks(opportunity):
    return [task.description for task in Task.objects.open().filter(opportunity=opportunity).order_by("pk")]


def test_entering_a_stage_makes_the_tasks_of_its_activity(opportunity, by):
    entry = operations.start(opportunity=opportunity, by=by, on=today(), estimate=estimate())

    call, meeting = Task.objects.order_by("pk")
    assert (call.kind, call.description, call.due_on) == (
        "CALL",
        "Call in Qualify",
        today() + timedelta(days=2),
    )
    assert (meeting.kind, meeting.due_on) == ("MEETING", today() + timedelta(weeks=1))
    for task in (call, meeting):
        assert (task.opportunity, task.made_by, task.created_by) == (opportunity, entry, by)
        assert (task.salesperson, task.contact) == (opportunity.salesperson, opportunity.contact)
        assert task.activity == opportunity.stage.activity


def test_tasks_are_counted_from_the_date_of_change(cycle, by):
    long_ago = today() - timedelta(days=40)
    opportunity = OpportunityFactory(cycle=cycle, by=by, on=long_ago)

    operations.start(opportunity=opportunity, by=by, on=long_ago, estimate=estimate())

    assert Task.objects.order_by("pk").first().due_on == long_ago + timedelta(days=2)


def test_moving_on_and_back_makes_tasks_each_time_and_leaves_the_others(started, by):
    qualify, present, propose = stages(started)

    operations.move(opportunity=started, to=present, by=by, on=today())
    operations.move(opportunity=started, to=propose, by=by, on=today())
    operations.move(opportunity=started, to=qualify, by=by, on=today())

    assert open_tasks(started) == [
        "Call in Qualify",
        "Meet in Qualify",
        "Call in Present",
        "Meet in Present",
        "Call in Qualify",
        "Meet in Qualify",
    ]


def test_new_estimate_makes_no_tasks(started, by):
    operations.revise(opportunity=started, estimate=estimate(), by=by, on=today())

    assert len(open_tasks(started)) == 2


def test_tasks_may_be_dropped_and_edited_before(started, by):
    steps = [PlannedTask("EMAIL", "Send the deck", "HIGH", today() + timedelta(days=3))]

    operations.move(opportunity=started, to=stages(started)[1], tasks=steps, by=by, on=today())
    assert open_tasks(started) == ["Call in Qualify", "Meet in Qualify", "Send the deck"]
    operations.move(opportunity=started, to=stages(started)[0], tasks=[], by=by, on=today())

    assert len(open_tasks(started)) == 3


@pytest.mark.parametrize(
    "step",
    [PlannedTask("CALL", "  ", "LOW", date(2026, 1, 1)), PlannedTask("CALL", "Call", "LOW", date(1, 1, 1))],
)
def test_task_that_cannot_be_refuses_the_whole_change(started, by, step):
    for dry_run in (True, False):
        with pytest.raises(operations.TasksRefused) as refused:
            operations.move(
                opportunity=started, to=stages(started)[1], tasks=[step], by=by, on=today(), dry_run=dry_run
            )
        assert refused.value.field == "tasks"

    started.refresh_from_db()
    assert (started.version, len(open_tasks(started))) == (2, 2)


def test_dry_run_makes_and_cancels_nothing(started, by):
    keys = list(Task.objects.values_list("pk", flat=True))

    operations.move(
        opportunity=started, to=stages(started)[1], cancel_tasks=keys, by=by, on=today(), dry_run=True
    )

    assert len(open_tasks(started)) == 2


def test_retired_activity_makes_nothing(started, by):
    present = stages(started)[1]
    present.activity.is_active = False
    present.activity.save()

    assert operations.coming_tasks(present, today()) == []
    operations.move(opportunity=started, to=present, by=by, on=today())

    assert len(open_tasks(started)) == 2


def test_contact_blocked_for_privacy_is_not_named_by_tasks(started, by):
    started.contact.is_privacy_blocked = True
    started.contact.save()

    operations.move(opportunity=started, to=stages(started)[1], by=by, on=today())

    assert {task.contact for task in Task.objects.filter(description__endswith="Present")} == {None}


def test_tasks_of_the_stage_left_behind(started, by):
    by_hand = TaskFactory(opportunity=started)

    assert [task.description for task in operations.left_tasks(started)] == [
        "Call in Qualify",
        "Meet in Qualify",
    ]
    assert by_hand not in operations.left_tasks(started)
    operations.move(opportunity=started, to=stages(started)[1], by=by, on=today())

    assert [task.description for task in operations.left_tasks(started)] == [
        "Call in Present",
        "Meet in Present",
    ]
    assert list(operations.left_tasks(OpportunityFactory())) == []


def test_move_cancels_what_is_named_and_nothing_else(started, by):
    call, _meeting = operations.left_tasks(started)
    elsewhere = TaskFactory(opportunity=OpportunityFactory())

    entry = operations.move(
        opportunity=started,
        to=stages(started)[2 - 1],
        cancel_tasks=[call.pk, elsewhere.pk, 424242],
        tasks=[],
        by=by,
        on=today(),
    )

    call.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (call.status, call.closed_by, call.cancelled_by) == (TaskStatus.CANCELLED, by, entry)
    assert elsewhere.is_open
    assert open_tasks(started) == ["Meet in Qualify"]


@pytest.mark.parametrize(("which", "left"), [((), 3), (ALL_TASKS, 0)])
def test_closing_cancels_what_is_asked(started, by, which, left):
    TaskFactory(opportunity=started, repeats="1W", series_began_on=today())

    operations.close(
        opportunity=started,
        outcome=Outcome.LOST,
        reason=CloseReasonFactory(outcome=Outcome.LOST),
        cancel_tasks=which,
        by=by,
        on=today(),
    )

    assert len(open_tasks(started)) == left


def test_undo_takes_back_what_the_move_did_to_tasks(started, by):
    operations.move(opportunity=started, to=stages(started)[1], cancel_tasks=ALL_TASKS, by=by, on=today())
    assert open_tasks(started) == ["Call in Present", "Meet in Present"]

    operations.undo(opportunity=started, note="Wrong one", by=by, on=today())
    assert open_tasks(started) == ["Call in Qualify", "Meet in Qualify"]
    operations.undo(opportunity=started, note="It was right", by=by, on=today())

    assert open_tasks(started) == ["Call in Present", "Meet in Present"]


def test_undo_leaves_what_was_done_or_cancelled_by_hand(started, by):
    call, meeting = operations.left_tasks(started)
    task_operations.cancel_task(task=meeting, by=by)
    operations.move(opportunity=started, to=stages(started)[1], by=by, on=today())
    done, _other = operations.left_tasks(started)
    task_operations.complete_task(task=done, by=by)

    operations.undo(opportunity=started, note="Wrong one", by=by, on=today())

    assert open_tasks(started) == [call.description]
    done.refresh_from_db()
    assert done.status == TaskStatus.DONE


def test_task_that_is_about_another_opportunity_by_now_is_nothing_of_the_first_any_more(started, by):
    another = OpportunityFactory()
    call, meeting = Task.objects.order_by("pk")
    facts = TaskFacts(
        kind=call.kind,
        description=call.description,
        due_on=call.due_on,
        salesperson=call.salesperson,
        opportunity=another,
    )

    task_operations.change_task(task=call, facts=facts, by=by)
    operations.undo(opportunity=started, by=by, on=today(), note="Too early")
    operations.delete(opportunity=started, by=by, on=today())

    assert open_tasks(another) == [call.description]
    assert not Task.objects.filter(pk=meeting.pk).exists()


def test_open_tasks_follow_to_a_new_salesperson_if_that_is_said(started, by):
    old, new, another = started.salesperson, SalespersonFactory(), SalespersonFactory()
    of_another = TaskFactory(opportunity=started, salesperson=another)
    done, waiting = operations.left_tasks(started)
    task_operations.complete_task(task=done, by=by)

    operations.reassign(opportunity=started, salesperson=new, by=by, on=today())
    waiting.refresh_from_db()
    assert waiting.salesperson == old
    operations.reassign(opportunity=started, salesperson=old, by=by, on=today())
    operations.reassign(opportunity=started, salesperson=new, with_tasks=True, by=by, on=today())

    for task in (waiting, done, of_another):
        task.refresh_from_db()
    assert (waiting.salesperson, done.salesperson, of_another.salesperson) == (new, old, another)


def test_undo_gives_tasks_back_to_the_old_salesperson_and_undoing_that_hands_them_over_again(started, by):
    old, new = started.salesperson, SalespersonFactory()
    operations.reassign(opportunity=started, salesperson=new, with_tasks=True, by=by, on=today())
    taken_since = Task.objects.first()
    task_operations.reassign_task(task=taken_since, salesperson=SalespersonFactory(), by=by)

    for owner in (old, new):
        operations.undo(opportunity=started, note="Wrong one", by=by, on=today())
        assert [task.salesperson for task in Task.objects.exclude(pk=taken_since.pk)] == [owner]

    assert Task.objects.get(pk=taken_since.pk).salesperson not in (old, new)


def test_deleting_takes_the_tasks_along_and_archives_them(opportunity, by):
    task_operations.create_task(
        facts=TaskFacts(
            "CALL", "Call Ann", today(), salesperson=opportunity.salesperson, opportunity=opportunity
        ),
        by=by,
    )

    archive = operations.delete(opportunity=opportunity, by=by, on=today())

    assert [task["description"] for task in archive["tasks"]] == ["Call Ann"]
    assert archive["tasks"][0]["doer"] == opportunity.salesperson.code
    assert Task.objects.count() == 0


def test_deleting_takes_the_files_of_its_interactions_along(
    opportunity, by, django_capture_on_commit_callbacks, tmp_path
):
    kept = AttachmentFactory(name="elsewhere.pdf")
    attachment = AttachmentFactory(
        interaction=InteractionFactory(opportunity=opportunity, contact=None, recorded_by=by)
    )
    archive = tmp_path / "archive.jsonl"

    with django_capture_on_commit_callbacks(execute=True), archive.open("w") as file:
        deleting.delete_all(Opportunity.objects.filter(pk=opportunity.pk), file, by=by)

    [line] = [json.loads(line) for line in archive.read_text().splitlines()]
    [archived] = line["attachments"]
    assert (archived["name"], b64decode(archived["content"])) == ("offer.pdf", b"%PDF-1.7")
    assert not attachment.file.storage.exists(attachment.file.name)
    assert kept.file.storage.exists(kept.file.name)


def test_merged_contacts_tasks_follow_and_come_back(by):
    from contacts.operations import merge, unmerge

    kept, merged = CompanyFactory(), CompanyFactory()
    task = TaskFactory(contact=merged)
    by.is_superuser = True
    by.save()

    made = merge(kept=kept, merged=merged, chosen={}, by=by)
    task.refresh_from_db()
    assert (task.contact, task.version) == (kept, 2)
    unmerge(merge=made, by=by)
    task.refresh_from_db()

    assert task.contact == merged
