"""Several people at the same task, its opportunity and its contact at the same moment."""

import pytest

from activities import operations as tasks
from activities.models import Interaction, Task, TaskStatus
from contacts import operations as contacts
from crm.dates import today
from opportunities import operations
from opportunities.operations import ALL_TASKS
from salescycles.models import SalesCycleStage
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    TaskFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.threads import at_once, while_uncommitted

pytestmark = pytest.mark.django_db(transaction=True)
both_ways = pytest.mark.parametrize("run", [at_once, while_uncommitted])


@pytest.fixture
def by():
    return UserFactory()


def own_copy(task):
    """The task as another request would have loaded it."""
    return Task.objects.get(pk=task.pk)


def names(results):
    return sorted(type(result).__name__ for result in results)


@both_ways
def test_task_that_two_complete_is_done_once_and_goes_on_once(run, by):
    task = TaskFactory(repeats="1W", series_began_on=today(), contact=CompanyFactory())

    def complete():
        return tasks.complete_task(task=own_copy(task), by=by, outcome="Reached her.")

    assert names(run(complete, complete)) == ["Completed", "TaskClosed"]
    assert Task.objects.filter(follows=task).count() == 1
    assert Interaction.objects.count() == 1


@both_ways
def test_of_two_who_looked_at_one_version_the_second_is_told(run, by):
    task = TaskFactory()

    results = run(
        lambda: tasks.postpone_task(task=own_copy(task), due_on=today(), by=by, seen=1),
        lambda: tasks.cancel_task(task=own_copy(task), by=by, seen=1),
    )

    assert "TaskChangedMeanwhile" in names(results)
    assert own_copy(task).version == 2


@both_ways
@pytest.mark.parametrize("merge_is_first", [True, False])
def test_nothing_stays_with_a_contact_that_is_merged_while_its_task_is_completed(run, by, merge_is_first):
    kept, merged = CompanyFactory(), CompanyFactory()
    task = TaskFactory(contact=merged, repeats="1W", series_began_on=today())
    both = [
        lambda: contacts.merge(kept=kept, merged=merged, chosen={}, by=by),
        lambda: tasks.complete_task(task=own_copy(task), by=by, outcome="Reached her."),
    ]

    results = run(*(both if merge_is_first else reversed(both)))

    assert names(results) == ["Completed", "ContactMerge"]
    assert {row.contact for row in Task.objects.all()} == {kept}
    assert {row.contact for row in Interaction.objects.all()} == {kept}
    assert Task.objects.count() == 2


@both_ways
@pytest.mark.parametrize("move_is_first", [True, False])
def test_move_that_cancels_a_task_which_somebody_completes(run, by, move_is_first):
    opportunity, to = with_activity(by)
    task = Task.objects.get()
    both = [
        lambda: (
            operations.move(opportunity=opportunity, to=to, cancel_tasks=ALL_TASKS, by=by, on=today()).action
        ),
        lambda: tasks.complete_task(task=own_copy(task), by=by),
    ]

    results = run(*(both if move_is_first else reversed(both)))

    assert not [result for result in results if isinstance(result, Exception)] or "TaskClosed" in names(
        results
    )
    assert own_copy(task).status in (TaskStatus.DONE, TaskStatus.CANCELLED)
    assert opportunity.entries.count() == 3


@both_ways
def test_merge_while_an_opportunity_moves_leaves_no_task_behind(run, by):
    opportunity, to = with_activity(by)
    kept, merged = CompanyFactory(), opportunity.contact

    results = run(
        lambda: operations.move(opportunity=opportunity, to=to, by=by, on=today()),
        lambda: contacts.merge(kept=kept, merged=merged, chosen={}, by=by),
    )

    assert names(results) == ["ContactMerge", "OpportunityEntry"]
    assert Task.objects.count() == 2
    assert {task.contact for task in Task.objects.all()} == {kept}


@both_ways
@pytest.mark.parametrize("is_first", [True, False])
def test_series_ends_with_an_opportunity_that_is_closed_at_the_same_time(run, by, is_first):
    opportunity = OpportunityFactory(by=by, started=True)
    task = TaskFactory(opportunity=opportunity, repeats="1W", series_began_on=today())
    both = [
        lambda: tasks.complete_task(task=own_copy(task), by=by, outcome="Reached her."),
        lambda: operations.close(
            opportunity=opportunity,
            outcome="LOST",
            reason=CloseReasonFactory(outcome="LOST"),
            cancel_tasks=ALL_TASKS,
            by=by,
            on=today(),
        ),
    ]

    results = run(*(both if is_first else reversed(both)))

    assert set(names(results)) <= {"Completed", "OpportunityEntry", "TaskClosed"}
    assert opportunity.entries.filter(action="LOST").exists()
    assert not Task.objects.open().exists()


@both_ways
def test_next_one_that_somebody_closes_stays_when_the_one_before_is_reopened(run, by):
    task = TaskFactory(repeats="1W", series_began_on=today())
    following = tasks.complete_task(task=own_copy(task), by=by).following

    run(
        lambda: tasks.cancel_task(task=own_copy(following), by=by),
        lambda: tasks.reopen_task(task=own_copy(task), by=by),
    )

    assert own_copy(task).is_open
    if run is while_uncommitted:
        assert own_copy(following).status == TaskStatus.CANCELLED


@both_ways
def test_new_task_waits_for_the_closing_of_its_opportunity_or_is_cancelled_with_it(run, by):
    opportunity = OpportunityFactory(by=by, started=True)
    facts = tasks.TaskFacts(
        "CALL", "Call", today(), salesperson=opportunity.salesperson, opportunity=opportunity
    )

    results = run(
        lambda: tasks.create_task(facts=facts, by=by),
        lambda: operations.close(
            opportunity=opportunity,
            outcome="LOST",
            reason=CloseReasonFactory(outcome="LOST"),
            cancel_tasks=ALL_TASKS,
            by=by,
            on=today(),
        ),
    )

    assert names(results) == ["OpportunityEntry", "Task"]
    if run is while_uncommitted:
        assert not Task.objects.open().exists()


def with_activity(by):
    """An opportunity in a stage that made a task, and the next stage, which makes one too."""
    cycle = cycle_with_stages("Qualify", "Present")
    activity = ActivityFactory()
    ActivityStepFactory(activity=activity)
    cycle.stages.update(activity=activity)
    opportunity = OpportunityFactory(cycle=cycle, by=by, started=True)
    return opportunity, SalesCycleStage.objects.filter(cycle=cycle).order_by("position")[1]
