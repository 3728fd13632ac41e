"""Every change of a task is made here.

The life of a task::

    create_task    → open, for one salesperson or for one team, by a day or a time of it
    change_task    → another description, date, doer …
    postpone_task  → another date; a series stays on its own
    reassign_task  → another salesperson or team
    complete_task  → done, perhaps with an outcome that becomes an interaction; a series goes on with the next task
    cancel_task    → cancelled; a series ends, or goes on with the next task
    reopen_task    → open again; the untouched next task of its series goes
    assign_activity → the tasks of an activity, all counted from one day

Every operation takes ``by`` (who does it), is atomic, locks the task, and either returns it or raises a ``TaskRefused``
whose text a person can act on. ``seen`` is the version that the person looked at; a task that was written since is left
alone. A task that a change of an opportunity made or cancelled names the ledger entry of that change.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import (
    Activity,
    Interaction,
    InteractionKind,
    RepeatsFrom,
    Task,
    TaskKind,
    TaskPriority,
    TaskQuerySet,
    TaskStatus,
)
from activities.models.tasks import LONGEST_DESCRIPTION
from activities.series import NotRepeating, check_repeats, next_in_series
from contacts.models import Contact
from crm.dates import apply_formula, today
from crm.text import can_be_stored
from salespeople.models import Salesperson, Team, User

LONGEST_OUTCOME = 10_000
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)  # Business Central's bounds of a task's date
MOST_AT_ONCE = 50  # tasks that are made together
KIND_OF_OUTCOME = {
    TaskKind.CALL: InteractionKind.CALL,
    TaskKind.MEETING: InteractionKind.MEETING,
    TaskKind.EMAIL: InteractionKind.EMAIL,
    TaskKind.TODO: InteractionKind.NOTE,
}

DESCRIPTION_NEEDED = gettext_lazy("A description is needed. Say in a few words what is to be done.")
DUE_NEEDED = gettext_lazy("A date is needed. Say by when it is to be done.")
DOER_NEEDED = gettext_lazy("Choose who is to do it: a salesperson or a team.")


# What can be refused ---------------------------------------------------------------------------------------------


class TaskRefused(Exception):
    """A rule says no. ``message`` names the rule and the way out; ``field`` is the form field it is about, or ""."""

    field = ""

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = str(message)


class TaskGone(TaskRefused):
    """It has been deleted."""


class TaskChangedMeanwhile(TaskRefused):
    """Somebody wrote it after the person looked; ``task`` is how it stands now."""

    def __init__(self, message: str, task: Task) -> None:
        super().__init__(message)
        self.task = task


class TaskClosed(TaskRefused):
    """It is done or cancelled, and only reopening changes that."""


class TaskOpen(TaskRefused):
    """It is open, so there is nothing to reopen."""


class DescriptionRefused(TaskRefused):
    """The description is missing, too long, or cannot be stored."""

    field = "description"


class DueRefused(TaskRefused):
    """The date is missing or out of bounds."""

    field = "due_on"


class DoerRefused(TaskRefused):
    """Nobody is to do it, or somebody who is blocked."""

    field = "doer"


class TaskContactRefused(TaskRefused):
    """The contact is blocked for privacy."""

    field = "contact"


class RepeatsRefused(TaskRefused):
    """The formula cannot be read or does not lead to a later day."""

    field = "repeats"


class OutcomeRefused(TaskRefused):
    """The outcome has nothing to be noted about, is too long, or cannot be stored."""

    field = "outcome"


class ActivityRefused(TaskRefused):
    """The activity is missing, retired, or has no steps."""

    field = "activity"


# What operations are asked with ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskFacts:
    """What a person says about a task; date and time hold in that person's time zone."""

    kind: str
    description: str
    due_on: date | None
    due_time: time | None = None
    priority: str = TaskPriority.NORMAL
    salesperson: Salesperson | None = None
    team: Team | None = None
    contact: Contact | None = None
    opportunity: Any = None  # an Opportunity, which is of an app above this one
    repeats: str = ""
    repeats_from: str = RepeatsFrom.DUE


@dataclass(frozen=True)
class PlannedTask:
    """A step of an activity with the day it is due, before it is a task."""

    kind: str
    description: str
    priority: str
    due_on: date


@dataclass(frozen=True)
class Completed:
    """A task that was closed, what was noted about it, and the next one of its series."""

    task: Task
    interaction: Interaction | None = None
    following: Task | None = None


def planned(activity: Activity | None, on: date) -> list[PlannedTask]:
    """The tasks that an activity makes from a day on: each step counted from that day, not from the step before."""
    if activity is None:
        return []
    return [
        PlannedTask(
            step.kind, step.description, step.priority, _within_bounds(apply_formula(step.due_in, on))
        )
        for step in activity.steps.order_by("position")
    ]


def _within_bounds(day: date) -> date:
    """The nearest day that a task may have: a formula can lead beyond."""
    return min(max(day, FIRST_DAY), LAST_DAY)


def next_due(task: Task, done_on: date) -> date | None:
    """When the next task of a series is due if this one is closed on a day; None when the series ends there.

    Counted from the due dates of the series, and then later than this task's own date too, or from the day it is done;
    always later than the day it is closed.
    """
    if not task.repeats:
        return None
    if task.repeats_from == RepeatsFrom.DONE:
        following = next_in_series(task.repeats, began_on=done_on, beyond=done_on)
    else:
        assert task.series_began_on is not None  # the database says so
        beyond = max(done_on, task.due_on)
        following = next_in_series(task.repeats, began_on=task.series_began_on, beyond=beyond)
    return following if following <= LAST_DAY else None


# The operations --------------------------------------------------------------------------------------------------


def create_task(*, facts: TaskFacts, by: User, dry_run: bool = False) -> Task:
    """Make an open task. About an opportunity without naming a contact it is about the opportunity's contact.

    Raises ``DescriptionRefused``, ``DueRefused``, ``DoerRefused``, ``TaskContactRefused`` or ``RepeatsRefused``.
    """
    with transaction.atomic():
        _hold(facts.opportunity.pk if facts.opportunity else None)
        task = Task(created_by=by)
        _take_over(task, facts, by, is_new=True)
        if not dry_run:
            _write(task)
        return task


def change_task(*, task: Task, facts: TaskFacts, by: User, seen: int | None = None) -> Task:
    """Say something else about an open task; a series is counted anew when its date or formula changes.

    Raises what ``create_task`` raises, ``TaskGone``, ``TaskClosed`` or ``TaskChangedMeanwhile``.
    """
    contact = _contact_of(facts)
    with _opened(task, seen, contacts=[task.contact_id, contact.pk if contact else None]) as current:
        _take_over(current, facts, by, is_new=False)
        _write(current)
    return task


def postpone_task(*, task: Task, due_on: date, by: User, seen: int | None = None) -> Task:
    """Put an open task off to another day, at the same time of day.

    A series stays on its own dates. Raises ``TaskGone``, ``TaskClosed``, ``TaskChangedMeanwhile`` or ``DueRefused``.
    """
    with _opened(task, seen) as current:
        _check_due(due_on)
        day, _time = current.due_in(ZoneInfo(by.time_zone))
        later = due_on - day  # as many days where the time holds, so that it stays the same there
        current.set_due(current.due_on + later, current.due_time, current.time_zone)
        _write(current)
    return task


def reassign_task(
    *,
    task: Task,
    by: User,
    salesperson: Salesperson | None = None,
    team: Team | None = None,
    seen: int | None = None,
) -> Task:
    """Give an open task to another salesperson or team.

    Raises ``TaskGone``, ``TaskClosed``, ``TaskChangedMeanwhile`` or ``DoerRefused``.
    """
    with _opened(task, seen) as current:
        _give(current, salesperson, team)
        _write(current)
    return task


def complete_task(*, task: Task, by: User, outcome: str = "", seen: int | None = None) -> Completed:
    """Say that a task is done. An ``outcome`` becomes an interaction of the task's kind; a series goes on.

    Raises ``TaskGone``, ``TaskClosed``, ``TaskChangedMeanwhile`` or ``OutcomeRefused``.
    """
    outcome = outcome.strip()
    with _opened(task, seen, contacts=[task.contact_id]) as current:
        interaction = _note(current, outcome, by) if outcome else None
        following = _close(current, TaskStatus.DONE, by, outcome=interaction)
    return Completed(task, interaction, following)


def cancel_task(*, task: Task, by: User, seen: int | None = None, ends_series: bool = True) -> Completed:
    """Say that a task need not be done any more; its series ends with it, or goes on with the next one.

    Raises ``TaskGone``, ``TaskClosed`` or ``TaskChangedMeanwhile``.
    """
    with _opened(task, seen, contacts=[task.contact_id]) as current:
        following = _close(current, TaskStatus.CANCELLED, by, ends_series=ends_series)
    return Completed(task, None, following)


def reopen_task(*, task: Task, by: User, seen: int | None = None) -> Task:
    """Take a closed task back. The next one of its series goes if nobody has touched it; what was noted stays.

    Raises ``TaskGone``, ``TaskOpen`` or ``TaskChangedMeanwhile``.
    """
    with _locked(task, seen) as current:
        if current.is_open:
            raise TaskOpen(_("“%(task)s” is open already.") % {"task": current})
        following = Task.objects.filter(follows=current).select_for_update().first()
        if following is not None and _is_untouched(following, current):
            following.delete()
        current.status, current.closed_at, current.closed_by = TaskStatus.OPEN, None, None
        current.cancelled_by = None
        _write(current)
    return task


def assign_activity(
    *,
    activity: Activity | None,
    on: date,
    by: User,
    salesperson: Salesperson | None = None,
    team: Team | None = None,
    contact: Contact | None = None,
    opportunity: Any = None,
    steps: Sequence[PlannedTask] | None = None,
    dry_run: bool = False,
) -> list[Task]:
    """Make the tasks of an activity from a day on; ``steps`` are those that a person kept and perhaps edited.

    Raises ``ActivityRefused`` and what ``create_task`` raises; either all tasks are made or none.
    """
    with transaction.atomic():
        _hold(opportunity.pk if opportunity else None)
        activity = activity and Activity.objects.filter(pk=activity.pk).first()
        if activity is None:
            raise ActivityRefused(_("Choose an activity."))
        if not activity.is_active:
            raise ActivityRefused(
                _("“%(activity)s” is retired. Choose another activity.") % {"activity": activity}
            )
        _check_due(on)
        wanted = planned(activity, on) if steps is None else steps
        if not wanted:
            raise ActivityRefused(_("Nothing is left to do: keep at least one step."))
        like = Task(opportunity=opportunity, activity=activity)
        _give(like, salesperson, team)
        like.contact = _usable_contact(contact or (opportunity and opportunity.contact), kept=None, by=by)
        tasks = make_tasks(wanted, like=like, by=by)
        return tasks if dry_run else store_tasks(tasks)


def make_tasks(steps: Sequence[PlannedTask], *, like: Task, by: User) -> list[Task]:
    """Tasks of these steps, not stored yet; who is to do them and what they are about is as in ``like``.

    Raises ``ActivityRefused`` (too many), ``DescriptionRefused`` or ``DueRefused``.
    """
    if len(steps) > MOST_AT_ONCE:
        raise ActivityRefused(_("At most %(n)d tasks are made at once.") % {"n": MOST_AT_ONCE})
    tasks = []
    for step in steps:
        task = Task(
            **{name: getattr(like, name) for name in _SHARED}, created_by=by, changed_at=timezone.now()
        )
        task.kind, task.priority = TaskKind(step.kind), TaskPriority(step.priority)
        task.description = _checked_description(step.description)
        _check_due(step.due_on)
        task.set_due(step.due_on, None, by.time_zone)
        tasks.append(task)
    return tasks


_SHARED = ("salesperson", "team", "contact", "opportunity", "activity")


def store_tasks(tasks: Sequence[Task], *, made_by: Any = None) -> list[Task]:
    """Store what ``make_tasks`` made; ``made_by`` is the ledger entry of the change they come with, if any."""
    for task in tasks:
        task.made_by = made_by
    return Task.objects.bulk_create(tasks)


def follow_contact(keys: Collection[int], *, old: Contact, new: Contact) -> None:
    """Let those of the tasks (by key) that name one contact name another, since the two are one, or two again.

    Each is one version on, so that whoever has one open is told.
    """
    Task.objects.filter(pk__in=keys, contact=old).update(
        contact=new, version=F("version") + 1, changed_at=timezone.now()
    )


def cancel_tasks_of(opportunity: Any, keys: Collection[int] | None, *, by: User, cancelled_by: Any) -> int:
    """Cancel open tasks of an opportunity with a change of it, series and all: those with the keys, or all (None).

    ``cancelled_by`` is the ledger entry of that change. Returns how many; keys of other tasks change nothing.
    """
    tasks = Task.objects.open().filter(opportunity=opportunity)
    if keys is not None:
        tasks = tasks.filter(pk__in=keys)
    rows = list(tasks.select_for_update().order_by("pk"))
    now = timezone.now()
    for task in rows:
        task.status, task.closed_at, task.closed_by = TaskStatus.CANCELLED, now, by
        task.cancelled_by, task.changed_at = cancelled_by, now
        task.version += 1
    Task.objects.bulk_update(rows, _CLOSING)
    return len(rows)


def undo_tasks_of(entry: Any, *, by: User, cancelled_by: Any) -> tuple[int, int]:
    """Take back what a change of an opportunity did to tasks: cancel what it made or reopened, reopen what it cancelled.

    What it handed over goes to the salesperson of ``cancelled_by``, the entry that undoes it. Returns how many were
    cancelled and how many reopened. A task that was done or cancelled by hand since stays as it is.
    """
    now = timezone.now()
    tasks = Task.objects.filter(opportunity=entry.opportunity_id)
    back = list(tasks.filter(cancelled_by=entry).select_for_update().order_by("pk"))
    for task in back:
        task.status, task.closed_at, task.closed_by, task.cancelled_by = TaskStatus.OPEN, None, None, None
        task.reopened_by, task.changed_at = cancelled_by, now
        task.version += 1
    made = tasks.open().filter(Q(made_by=entry) | Q(reopened_by=entry)).values_list("pk", flat=True)
    gone = cancel_tasks_of(entry.opportunity_id, list(made), by=by, cancelled_by=cancelled_by)
    Task.objects.bulk_update(back, [*_CLOSING, "reopened_by"])
    _hand_over(tasks.filter(handed_over_by=entry, salesperson=entry.salesperson_id), cancelled_by)
    return gone, len(back)


def reassign_tasks_of(opportunity: Any, *, old: Salesperson, handed_over_by: Any) -> int:
    """Give the open tasks that somebody has with an opportunity to whom a change of it names; returns how many.

    ``handed_over_by`` is the ledger entry of that change.
    """
    return _hand_over(Task.objects.filter(opportunity=opportunity, salesperson=old), handed_over_by)


def _hand_over(tasks: TaskQuerySet, entry: Any) -> int:
    """Let the open ones of tasks be those of an entry's salesperson."""
    rows = list(tasks.open().select_for_update().order_by("pk"))
    now = timezone.now()
    for task in rows:
        task.salesperson, task.handed_over_by, task.changed_at = entry.salesperson, entry, now
        task.version += 1
    Task.objects.bulk_update(rows, ["salesperson", "handed_over_by", "changed_at", "version"])
    return len(rows)


_CLOSING = ["status", "closed_at", "closed_by", "cancelled_by", "changed_at", "version"]


# How they write --------------------------------------------------------------------------------------------------


@contextmanager
def _locked(task: Task, seen: int | None, contacts: Iterable[int | None] = ()) -> Iterator[Task]:
    """The task as it is stored now, its row locked until the operation is over.

    Its opportunity is locked before it, as every change of that does, and then the contacts (by key) that something
    new will name, as a merge does: so nobody waits for each other, a series sees whether the opportunity is closed, and
    nothing is left behind with a contact that is merged meanwhile.
    """
    with transaction.atomic():
        _hold(task.opportunity_id)
        keys = [key for key in contacts if key]
        if keys:
            list(Contact.objects.filter(pk__in=keys).locked())
        current = Task.objects.select_for_update().filter(pk=task.pk).first()
        if current is None:
            raise TaskGone(_("Somebody deleted it meanwhile."))
        if seen is not None and seen != current.version:
            raise TaskChangedMeanwhile(
                _("Somebody changed “%(task)s” meanwhile. Look again, then decide.") % {"task": current},
                current,
            )
        yield current
    task.__dict__.update(current.__dict__)  # the caller's object says what is stored now


def _hold(opportunity: int | None) -> None:
    """Lock the opportunity with this key; rows that only name it can still be added meanwhile."""
    if opportunity is not None:
        opportunities = Task._meta.get_field("opportunity").remote_field.model._base_manager
        list(opportunities.filter(pk=opportunity).select_for_update(no_key=True).values_list("pk"))


@contextmanager
def _opened(task: Task, seen: int | None, contacts: Iterable[int | None] = ()) -> Iterator[Task]:
    """The same, refused when it is closed."""
    with _locked(task, seen, contacts) as current:
        if not current.is_open:
            raise TaskClosed(
                _("“%(task)s” is %(status)s already. Reopen it to change it.")
                % {"task": current, "status": current.get_status_display().lower()}
            )
        yield current


def _write(task: Task) -> None:
    """Store it, as one more version."""
    task.changed_at = timezone.now()
    if task._state.adding:
        task.save(force_insert=True)
    else:
        task.version += 1
        task.save(force_update=True)


def _take_over(task: Task, facts: TaskFacts, by: User, *, is_new: bool) -> None:
    """Make the task say what a person says, after all checks."""
    due_on = facts.due_on
    if due_on is None:
        raise DueRefused(DUE_NEEDED)
    _check_due(due_on)
    description = _checked_description(facts.description)
    is_same_due = not is_new and task.due_in(ZoneInfo(by.time_zone)) == (due_on, facts.due_time)
    is_same_series = not is_new and is_same_due and task.repeats == facts.repeats
    if facts.repeats and not is_same_series:
        _check_repeats(facts.repeats, due_on)
    _give(task, facts.salesperson, facts.team)
    task.contact = _usable_contact(_contact_of(facts), kept=task.contact_id, by=by)
    _put_about(task, facts.opportunity)
    task.kind, task.priority = TaskKind(facts.kind), TaskPriority(facts.priority)
    task.description = description
    if not is_same_due:
        task.set_due(due_on, facts.due_time, by.time_zone)
    if not is_same_series:
        task.repeats, task.series_began_on = facts.repeats, task.due_on if facts.repeats else None
    task.repeats_from = RepeatsFrom(facts.repeats_from)


def _put_about(task: Task, opportunity: Any) -> None:
    """Put the opportunity it is about; it has nothing to do any more with changes of the one it was about before."""
    if task.opportunity_id != (opportunity and opportunity.pk):
        task.made_by = task.reopened_by = task.handed_over_by = None
    task.opportunity = opportunity


def _give(task: Task, salesperson: Salesperson | None, team: Team | None) -> None:
    """Put who is to do it: one of the two, and nobody who is blocked unless it was theirs before."""
    if (salesperson is None) == (team is None):
        raise DoerRefused(DOER_NEEDED)
    if salesperson is not None and salesperson.pk != task.salesperson_id:
        salesperson = Salesperson.objects.get(pk=salesperson.pk)
        if salesperson.is_blocked:
            raise DoerRefused(
                _("%(salesperson)s is blocked. Choose somebody else.") % {"salesperson": salesperson}
            )
    task.salesperson, task.team = salesperson, team


def _contact_of(facts: TaskFacts) -> Contact | None:
    """The contact that is named, or that of the opportunity."""
    if facts.contact is not None or facts.opportunity is None:
        return facts.contact
    contact: Contact = facts.opportunity.contact
    return contact


def _usable_contact(contact: Contact | None, *, kept: int | None, by: User) -> Contact | None:
    """The contact, or the one it was merged into; one that is kept may have been blocked since.

    A refusal names a contact only to whom sees it, and says the number to everybody else.
    """
    if contact is None or contact.pk == kept:
        return contact
    contact = Contact.objects.locked().carrying_on(contact.pk)
    if contact.is_privacy_blocked or (contact.company is not None and contact.company.is_privacy_blocked):
        is_seen = Contact.objects.visible_to(by).filter(pk=contact.pk).exists()
        raise TaskContactRefused(
            _("%(contact)s is blocked for privacy. Choose another contact.")
            % {"contact": contact if is_seen else contact.number}
        )
    return contact


def _close(
    task: Task, status: TaskStatus, by: User, *, outcome: Interaction | None = None, ends_series: bool = False
) -> Task | None:
    """Close a task and make the next one of its series."""
    task.status, task.closed_at, task.closed_by = status, timezone.now(), by
    if outcome is not None:
        task.outcome = outcome
    _write(task)
    due_on = None if ends_series or _is_over(task) else next_due(task, today())
    if due_on is None or hasattr(task, "followed_by"):
        return None
    following = Task(**{name: getattr(task, name) for name in _CARRIED_ON}, follows=task, created_by=by)
    following.set_due(due_on, task.due_time, task.time_zone)
    if task.repeats_from == RepeatsFrom.DONE:
        following.series_began_on = due_on
    _write(following)
    return following


def _is_over(task: Task) -> bool:
    """Whether the opportunity it is about is closed, so that its series ends."""
    return task.opportunity is not None and task.opportunity.is_closed


def _is_untouched(following: Task, task: Task) -> bool:
    """Whether the next one of a series is still as it was made; a contact that was merged touches nothing."""
    assert task.closed_at is not None
    return (
        following.is_open
        and following.due_on == next_due(task, timezone.localdate(task.closed_at))
        and following.due_time == task.due_time
        and all(getattr(following, name) == getattr(task, name) for name in _SAME_IN_A_SERIES)
    )


_SAME_IN_A_SERIES = (
    "kind",
    "description",
    "priority",
    "salesperson_id",
    "team_id",
    "opportunity_id",
    "repeats",
)
_CARRIED_ON = (
    "kind",
    "description",
    "priority",
    "salesperson",
    "team",
    "contact",
    "opportunity",
    "activity",
    "repeats",
    "repeats_from",
    "series_began_on",
)


def _note(task: Task, outcome: str, by: User) -> Interaction:
    """What came of it, as something said or written about its opportunity or contact."""
    if task.opportunity_id is None and task.contact_id is None:
        raise OutcomeRefused(
            _(
                "This task is about no contact and no opportunity, so there is nothing to note the outcome about."
            )
        )
    if len(outcome) > LONGEST_OUTCOME:
        raise OutcomeRefused(_("An outcome has at most %(n)d characters.") % {"n": LONGEST_OUTCOME})
    if not can_be_stored(outcome):
        raise OutcomeRefused(_("The outcome holds a character that cannot be stored. Take it out."))
    return Interaction.objects.create(
        kind=KIND_OF_OUTCOME[TaskKind(task.kind)],
        text=outcome,
        happened_on=today(),
        opportunity=task.opportunity,
        contact=task.contact if task.opportunity_id is None else None,
        recorded_by=by,
    )


# What they check -------------------------------------------------------------------------------------------------


def _check_due(due_on: date) -> None:
    if not FIRST_DAY <= due_on <= LAST_DAY:
        raise DueRefused(_("The date lies too far away. Check the year."))


def _check_repeats(formula: str, due_on: date) -> None:
    try:
        check_repeats(formula, due_on)
    except NotRepeating as error:
        raise RepeatsRefused(str(error)) from error


def _checked_description(description: str) -> str:
    description = " ".join(description.split())
    if not description:
        raise DescriptionRefused(DESCRIPTION_NEEDED)
    if len(description) > LONGEST_DESCRIPTION:
        raise DescriptionRefused(
            _("A description has at most %(n)d characters.") % {"n": LONGEST_DESCRIPTION}
        )
    if not can_be_stored(description):
        raise DescriptionRefused(_("The description holds a character that cannot be stored. Take it out."))
    return description
