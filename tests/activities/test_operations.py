"""What is done with tasks, and what is refused."""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from activities import operations
from activities.models import Activity, Interaction, InteractionKind, RepeatsFrom, Task, TaskKind, TaskStatus
from activities.operations import PlannedTask, TaskFacts
from contacts.operations import merge
from crm.dates import today
from salespeople.models import Role
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    lost_opportunity,
    user_with_role,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return user_with_role(Role.SALESPERSON, time_zone="Europe/Brussels")


@pytest.fixture
def sofie(by):
    return by.salesperson


@pytest.fixture
def facts(sofie):
    def facts(**changes):
        return TaskFacts(
            **{
                "kind": TaskKind.CALL,
                "description": "Call Ann",
                "due_on": date(2026, 3, 9),
                "salesperson": sofie,
                **changes,
            }
        )

    return facts


def stored():
    return list(Task.objects.order_by("pk").values())


# Making and changing ---------------------------------------------------------------------------------------------


def test_task_is_due_at_the_end_of_its_day(facts, by):
    task = operations.create_task(facts=facts(), by=by)

    assert task.is_open
    assert task.due_at.isoformat() == "2026-03-09T23:59:59+01:00"
    assert (task.version, task.created_by, task.time_zone) == (1, by, "Europe/Brussels")


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2026, 3, 9), time(10), "2026-03-09T09:00:00+00:00"),
        (date(2026, 7, 9), time(10), "2026-07-09T08:00:00+00:00"),
        (date(2026, 3, 29), time(2, 30), "2026-03-29T01:30:00+00:00"),  # skipped that night: half past three
        (date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00+00:00"),  # shown twice: the first
    ],
)
def test_time_of_day_is_that_of_the_person(facts, by, day, at, expected):
    task = operations.create_task(facts=facts(due_on=day, due_time=at), by=by)
    task.refresh_from_db()

    assert task.due_at.isoformat() == expected
    assert task.due_here.time() == (at if day != date(2026, 3, 29) else time(3, 30))


def test_task_about_an_opportunity_is_about_its_contact(facts, by):
    opportunity = OpportunityFactory()

    task = operations.create_task(facts=facts(opportunity=opportunity), by=by)

    assert task.contact == opportunity.contact


def test_task_about_a_merged_contact_is_about_the_one_that_carries_on(facts, by):
    kept = CompanyFactory()
    merged = CompanyFactory(merged_into=kept)

    assert operations.create_task(facts=facts(contact=merged), by=by).contact == kept


@pytest.mark.parametrize(
    ("changes", "refusal", "field"),
    [
        ({"description": "  "}, operations.DescriptionRefused, "description"),
        ({"description": "x" * 201}, operations.DescriptionRefused, "description"),
        ({"description": "a\0b"}, operations.DescriptionRefused, "description"),
        ({"description": "a\ud800b"}, operations.DescriptionRefused, "description"),
        ({"due_on": None}, operations.DueRefused, "due_on"),
        ({"due_on": date(1899, 12, 31)}, operations.DueRefused, "due_on"),
        ({"due_on": date(3000, 1, 1)}, operations.DueRefused, "due_on"),
        ({"salesperson": None}, operations.DoerRefused, "doer"),
        ({"repeats": "1X"}, operations.RepeatsRefused, "repeats"),
        ({"repeats": "-1W"}, operations.RepeatsRefused, "repeats"),
    ],
)
def test_what_is_wrong_is_refused_when_making_and_when_changing(facts, by, changes, refusal, field):
    with pytest.raises(refusal) as refused:
        operations.create_task(facts=facts(**changes), by=by)
    assert refused.value.field == field
    assert stored() == []

    task = operations.create_task(facts=facts(), by=by)
    before = stored()
    with pytest.raises(refusal):
        operations.change_task(task=task, facts=facts(**changes), by=by)
    assert stored() == before


def test_task_is_for_somebody_or_for_a_team_and_not_for_both(facts, by):
    with pytest.raises(operations.DoerRefused):
        operations.create_task(facts=facts(team=TeamFactory()), by=by)


def test_blocked_salesperson_gets_nothing_new_and_keeps_what_is_there(facts, by, sofie):
    task = operations.create_task(facts=facts(), by=by)
    sofie.is_blocked = True
    sofie.save()

    with pytest.raises(operations.DoerRefused):
        operations.create_task(facts=facts(), by=by)
    operations.change_task(task=task, facts=facts(description="Call Ann again"), by=by)

    assert Task.objects.get().description == "Call Ann again"


def test_contact_blocked_for_privacy_gets_no_task(facts, by):
    blocked = CompanyFactory(is_privacy_blocked=True)

    for contact in (blocked, PersonFactory(company=blocked)):
        with pytest.raises(operations.TaskContactRefused):
            operations.create_task(facts=facts(contact=contact), by=by)


def test_dry_run_writes_nothing(facts, by):
    task = operations.create_task(facts=facts(), by=by, dry_run=True)

    assert task.description == "Call Ann"
    assert stored() == []


def test_change_writes_a_version_more(facts, by):
    task = operations.create_task(facts=facts(), by=by)

    operations.change_task(
        task=task, facts=facts(description="Visit Ann", kind=TaskKind.MEETING), by=by, seen=1
    )

    task = Task.objects.get()
    assert (task.description, task.kind, task.version) == ("Visit Ann", "MEETING", 2)


def test_whoever_looked_at_an_older_version_is_told(facts, by):
    task = operations.create_task(facts=facts(), by=by)
    operations.postpone_task(task=task, due_on=date(2026, 3, 10), by=by)
    before = stored()
    again = {"task": task, "by": by, "seen": 1}

    for attempt in (
        lambda: operations.change_task(facts=facts(), **again),
        lambda: operations.postpone_task(due_on=date(2026, 3, 11), **again),
        lambda: operations.reassign_task(salesperson=SalespersonFactory(), **again),
        lambda: operations.complete_task(**again),
        lambda: operations.cancel_task(**again),
        lambda: operations.reopen_task(**again),
    ):
        with pytest.raises(operations.TaskChangedMeanwhile) as refused:
            attempt()
        assert refused.value.task == task
    assert stored() == before


def test_deleted_task_is_gone(facts, by):
    task = operations.create_task(facts=facts(), by=by)
    Task.objects.all().delete()

    with pytest.raises(operations.TaskGone):
        operations.complete_task(task=task, by=by)


def test_change_in_another_time_zone_leaves_the_time_alone_unless_it_is_changed(facts, by):
    task = operations.create_task(facts=facts(due_time=time(10)), by=by)
    other = user_with_role(Role.SALESPERSON, time_zone="Asia/Tokyo")

    operations.change_task(task=task, facts=facts(due_time=time(18), description="Call Ann back"), by=other)
    task.refresh_from_db()
    assert (task.time_zone, task.due_at.isoformat()) == ("Europe/Brussels", "2026-03-09T09:00:00+00:00")
    operations.change_task(task=task, facts=facts(due_time=time(11)), by=other)

    assert (task.time_zone, task.due_at.isoformat()) == ("Asia/Tokyo", "2026-03-09T11:00:00+09:00")


# Putting off, giving away, closing -------------------------------------------------------------------------------


def test_postponed_task_keeps_its_time_of_day(facts, by):
    task = operations.create_task(facts=facts(due_time=time(10)), by=by)

    operations.postpone_task(task=task, due_on=date(2026, 4, 1), by=by, seen=1)

    assert Task.objects.get().due_at.isoformat() == "2026-04-01T08:00:00+00:00"  # summer time by then


def test_reassigned_task_is_anothers_or_a_teams(facts, by):
    task, other, team = operations.create_task(facts=facts(), by=by), SalespersonFactory(), TeamFactory()

    operations.reassign_task(task=task, salesperson=other, by=by)
    assert Task.objects.get().doer == other
    operations.reassign_task(task=task, team=team, by=by)

    assert Task.objects.get().doer == team
    with pytest.raises(operations.DoerRefused):
        operations.reassign_task(task=task, by=by)


def test_done_task_says_who_and_when(facts, by):
    task = operations.create_task(facts=facts(), by=by)

    closed = operations.complete_task(task=task, by=by, seen=1)

    assert (closed.interaction, closed.following) == (None, None)
    task = Task.objects.get()
    assert (task.status, task.closed_by) == (TaskStatus.DONE, by)
    assert timezone.now() - task.closed_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("CALL", "CALL"), ("MEETING", "MEETING"), ("EMAIL", "EMAIL"), ("TODO", "NOTE")],
)
def test_outcome_becomes_an_interaction(facts, by, kind, expected):
    contact = CompanyFactory()
    task = operations.create_task(facts=facts(kind=kind, contact=contact), by=by)

    closed = operations.complete_task(task=task, by=by, outcome=" Wants an offer. ")

    interaction = Interaction.objects.get()
    assert closed.interaction == interaction == Task.objects.get().outcome
    assert (interaction.kind, interaction.text) == (expected, "Wants an offer.")
    assert (interaction.contact, interaction.recorded_by, interaction.happened_on) == (contact, by, today())


def test_outcome_of_a_task_about_an_opportunity_is_on_its_timeline(facts, by):
    opportunity = OpportunityFactory()
    task = operations.create_task(facts=facts(opportunity=opportunity), by=by)

    operations.complete_task(task=task, by=by, outcome="Wants an offer.")

    assert opportunity.interactions.get().text == "Wants an offer."


@pytest.mark.parametrize("outcome", ["x" * 10_001, "a\0b"])
def test_outcome_that_cannot_be_noted_leaves_the_task_open(facts, by, outcome):
    task = operations.create_task(facts=facts(contact=CompanyFactory()), by=by)
    before = stored()

    with pytest.raises(operations.OutcomeRefused):
        operations.complete_task(task=task, by=by, outcome=outcome)

    assert (stored(), Interaction.objects.count()) == (before, 0)


def test_outcome_needs_something_it_is_about(facts, by):
    task = operations.create_task(facts=facts(), by=by)

    with pytest.raises(operations.OutcomeRefused):
        operations.complete_task(task=task, by=by, outcome="Done.")

    assert Task.objects.get().is_open


def test_every_kind_of_outcome_is_known():
    assert set(operations.KIND_OF_OUTCOME) == set(TaskKind)
    assert set(operations.KIND_OF_OUTCOME.values()) == set(InteractionKind)


def test_closed_task_takes_no_change_until_it_is_reopened(facts, by):
    task = operations.create_task(facts=facts(), by=by)
    operations.cancel_task(task=task, by=by)
    before = stored()

    for attempt in (
        lambda: operations.change_task(task=task, facts=facts(), by=by),
        lambda: operations.postpone_task(task=task, due_on=today(), by=by),
        lambda: operations.reassign_task(task=task, salesperson=SalespersonFactory(), by=by),
        lambda: operations.complete_task(task=task, by=by),
        lambda: operations.cancel_task(task=task, by=by),
    ):
        with pytest.raises(operations.TaskClosed, match="cancelled already"):
            attempt()
    assert stored() == before
    operations.reopen_task(task=task, by=by)

    assert Task.objects.get().is_open
    with pytest.raises(operations.TaskOpen):
        operations.reopen_task(task=task, by=by)


# Series ----------------------------------------------------------------------------------------------------------


def weekly(facts, by, **changes):
    return operations.create_task(
        facts=facts(**{"due_on": today(), "repeats": "1W", "contact": CompanyFactory(), **changes}), by=by
    )


def test_series_goes_on_when_a_task_is_done(facts, by):
    task = weekly(facts, by, due_time=time(9, 30))

    following = operations.complete_task(task=task, by=by).following

    following.refresh_from_db()
    assert following.is_open
    assert following.follows == task
    for name in (
        "kind",
        "description",
        "salesperson",
        "contact",
        "priority",
        "repeats",
        "due_time",
        "time_zone",
    ):
        assert getattr(following, name) == getattr(task, name), name
    assert following.due_on == task.due_on + timedelta(weeks=1)
    assert following.uid != task.uid


def test_series_is_counted_from_its_own_dates_although_one_was_put_off(facts, by):
    task = weekly(facts, by)
    operations.postpone_task(task=task, due_on=today() + timedelta(days=2), by=by)

    following = operations.complete_task(task=task, by=by).following

    assert following.due_on == today() + timedelta(weeks=1)


def test_series_is_counted_from_the_day_it_is_done_if_that_was_said(facts, by):
    task = weekly(facts, by, due_on=today() - timedelta(days=3), repeats_from=RepeatsFrom.DONE)

    following = operations.complete_task(task=task, by=by).following

    assert following.due_on == following.series_began_on == today() + timedelta(weeks=1)


def test_series_ends_or_goes_on_when_a_task_is_cancelled(facts, by):
    assert operations.cancel_task(task=weekly(facts, by), by=by).following is None

    following = operations.cancel_task(task=weekly(facts, by), by=by, ends_series=False).following

    assert following.due_on == today() + timedelta(weeks=1)


def test_series_ends_with_its_opportunity(facts, by, sofie):
    opportunity = lost_opportunity()
    task = weekly(facts, by, opportunity=opportunity, contact=None)

    assert operations.complete_task(task=task, by=by).following is None


def test_reopening_takes_the_untouched_next_one_away(facts, by):
    task = weekly(facts, by)
    operations.complete_task(task=task, by=by)

    operations.reopen_task(task=task, by=by)

    assert list(Task.objects.all()) == [task]
    assert operations.complete_task(task=task, by=by).following is not None


def test_reopening_leaves_a_next_one_that_somebody_wrote(facts, by):
    task = weekly(facts, by)
    following = operations.complete_task(task=task, by=by).following
    operations.postpone_task(task=following, due_on=today() + timedelta(days=8), by=by)

    operations.reopen_task(task=task, by=by)
    assert Task.objects.count() == 2

    assert operations.complete_task(task=task, by=by).following is None  # there is one already
    assert Task.objects.count() == 2


def test_series_is_counted_anew_from_another_date(facts, by):
    task = operations.create_task(facts=facts(repeats="1M", due_on=date(2026, 1, 31)), by=by)

    operations.change_task(task=task, facts=facts(repeats="1M", due_on=date(2026, 2, 15)), by=by)
    assert task.series_began_on == date(2026, 2, 15)
    operations.change_task(task=task, facts=facts(due_on=date(2026, 2, 15)), by=by)

    assert (task.repeats, task.series_began_on) == ("", None)


def test_series_that_was_put_off_and_described_anew_keeps_its_beginning(facts, by):
    task = operations.create_task(facts=facts(repeats="1M", due_on=date(2026, 1, 31)), by=by)

    operations.change_task(
        task=task, facts=facts(repeats="1M", due_on=date(2026, 1, 31), description="Else"), by=by
    )

    assert task.series_began_on == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("America/Los_Angeles", date(2026, 3, 24), date(2026, 3, 25)),
        ("Asia/Tokyo", date(2026, 3, 24), date(2026, 3, 24)),
    ],
)
def test_task_is_put_off_to_the_day_that_the_reader_means(facts, by, zone, day, expected):
    task = operations.create_task(facts=facts(due_on=date(2026, 3, 23), due_time=time(7)), by=by)
    reader = user_with_role(Role.SALESPERSON, time_zone=zone)

    operations.postpone_task(task=task, due_on=day, by=reader)

    assert (task.due_on, task.due_time, task.time_zone) == (expected, time(7), "Europe/Brussels")
    assert task.due_in(ZoneInfo(zone))[0] == day


def test_series_that_somebody_begins_in_another_time_zone_keeps_its_weekday(facts, by):
    task = operations.create_task(facts=facts(due_on=date(2026, 3, 23), due_time=time(23)), by=by)
    reader = user_with_role(Role.SALESPERSON, time_zone="Asia/Tokyo")
    day, at = task.due_in(ZoneInfo("Asia/Tokyo"))

    operations.change_task(task=task, facts=facts(due_on=day, due_time=at, repeats="1W"), by=reader)

    assert task.series_began_on == task.due_on == date(2026, 3, 23)


def test_series_from_the_day_it_is_done_never_goes_back(facts, by):
    task = operations.create_task(
        facts=facts(repeats="1M-30D", repeats_from="DONE", due_on=date(2026, 7, 1)), by=by
    )

    assert operations.next_due(task, date(2026, 1, 31)) > date(2026, 1, 31)


def test_reopening_takes_the_next_one_away_although_its_contact_was_merged(facts, by):
    task = weekly(facts, by)
    kept = CompanyFactory()
    operations.complete_task(task=task, by=by)
    merge(kept=kept, merged=task.contact, chosen={}, by=by)

    operations.reopen_task(task=task, by=by)

    assert Task.objects.get().contact == kept


# Activities ------------------------------------------------------------------------------------------------------


@pytest.fixture
def activity():
    activity = ActivityFactory()
    ActivityStepFactory(activity=activity, position=2, description="Visit", kind="MEETING", due_in="1M")
    ActivityStepFactory(activity=activity, position=1, description="Call", kind="CALL", due_in="2D")
    return activity


def test_every_step_is_counted_from_the_same_day(activity):
    assert operations.planned(activity, date(2026, 1, 31)) == [
        PlannedTask("CALL", "Call", "NORMAL", date(2026, 2, 2)),
        PlannedTask("MEETING", "Visit", "NORMAL", date(2026, 2, 28)),
    ]
    assert operations.planned(None, date(2026, 1, 31)) == []


def test_assigned_activity_makes_its_tasks(activity, by, sofie):
    opportunity = OpportunityFactory()

    made = operations.assign_activity(
        activity=activity, on=date(2026, 3, 9), salesperson=sofie, opportunity=opportunity, by=by
    )

    assert [(task.description, task.due_on) for task in Task.objects.order_by("pk")] == [
        ("Call", date(2026, 3, 11)),
        ("Visit", date(2026, 4, 9)),
    ]
    assert {task.doer for task in made} == {sofie}
    assert {task.contact for task in made} == {opportunity.contact}
    assert {task.activity for task in made} == {activity}


def test_assigned_activity_takes_the_steps_as_they_were_edited(activity, by):
    team = TeamFactory()
    steps = [PlannedTask("CALL", "Call twice", "HIGH", date(2026, 3, 12))]

    [task] = operations.assign_activity(activity=activity, on=date(2026, 3, 9), team=team, steps=steps, by=by)

    assert (task.description, task.priority, task.doer) == ("Call twice", "HIGH", team)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [PlannedTask("CALL", " ", "LOW", date(2026, 3, 12))],
        [PlannedTask("CALL", "Call", "LOW", date(1800, 1, 1))],
        [PlannedTask("CALL", "Call", "LOW", date(2026, 3, 12))] * 51,
    ],
)
def test_activity_is_assigned_whole_or_not_at_all(activity, by, sofie, steps):
    with pytest.raises(operations.TaskRefused):
        operations.assign_activity(
            activity=activity, on=date(2026, 3, 9), salesperson=sofie, steps=steps, by=by
        )

    assert stored() == []


def test_retired_or_missing_activity_is_refused(activity, by, sofie):
    activity.is_active = False
    activity.save()

    gone = ActivityFactory()
    Activity.objects.filter(pk=gone.pk).delete()

    for wanted in (activity, None, gone, ActivityFactory()):
        with pytest.raises(operations.ActivityRefused):
            operations.assign_activity(activity=wanted, on=date(2026, 3, 9), salesperson=sofie, by=by)


def test_activity_on_trial_writes_nothing(activity, by, sofie):
    made = operations.assign_activity(
        activity=activity, on=date(2026, 3, 9), salesperson=sofie, by=by, dry_run=True
    )

    assert len(made) == 2
    assert stored() == []


# Who sees and changes them ---------------------------------------------------------------------------------------


def test_tasks_are_seen_and_changed_by_those_they_concern(settings, by, sofie):
    settings.VISIBILITY = "own"
    team = TeamFactory(name="Benelux")
    sofie.team = team
    sofie.save()
    own = TaskFactory(salesperson=sofie)
    of_team = TaskFactory(for_team=True, team=team)
    of_other_team = TaskFactory(for_team=True)
    about_own = TaskFactory(opportunity=OpportunityFactory(salesperson=sofie))
    of_others = TaskFactory()

    assert set(Task.objects.visible_to(by)) == {own, of_team, about_own}
    assert set(Task.objects.workable_by(by)) == {own, of_team, about_own}
    settings.VISIBILITY = "all"
    assert set(Task.objects.visible_to(by)) == {own, of_team, of_other_team, about_own, of_others}
    assert set(Task.objects.workable_by(by)) == {own, of_team, about_own}
    viewer = user_with_role(Role.VIEWER)
    assert Task.objects.visible_to(viewer).count() == 5
    assert Task.objects.workable_by(viewer).count() == 0
    assert Task.objects.visible_to(user_with_role()).count() == 0
    assert set(Task.objects.open().of_salesperson(sofie)) == {own, of_team}
