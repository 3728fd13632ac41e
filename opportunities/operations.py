"""The one door: every change of an opportunity is made here, and leaves one ledger entry.

The life of an opportunity::

    create    → Not started: what, for whom, by whom, in which sales cycle
    start     → In progress, in the first stage, with a value, a chance and an estimated closing date
    move      → another stage: next, skipping, previous or jumping back, whichever the two stages make it
    revise    → the same stage, a new estimate
    reassign  → another salesperson, or another contact of the same company
    close     → Won or Lost, with a reason
    reopen    → back into the stage it was closed in
    undo      → the state before the last entry, written as a new entry
    merge_contact → the contact that carries on for one that was merged into it, closed or not
    describe  → another description or priority: no fact of the ledger, kept in the change log
    involve, change_role, release → who else plays a part on the buyer's side: kept in the change log as well
    delete    → gone with its entries, unless it is in progress

Every operation takes ``by`` (who does it) and ``on`` (from which date it holds), is atomic, locks the opportunity,
and either returns the new entry or raises a ``Refused`` whose text a salesperson can act on. ``seen`` is the version
that the person looked at; an opportunity that has moved on since is left alone. With ``dry_run=True`` an operation
makes every check, writes nothing, and returns the entry as it would be.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities import operations as task_operations
from activities.attachments import forget_files
from activities.models import Attachment, Task, TaskQuerySet
from activities.operations import PlannedTask
from contacts.models import Contact
from crm.dates import apply_formula, today
from crm.fields import HUNDRED
from crm.numbering import next_number
from crm.text import can_be_stored, normalised
from opportunities.models import (
    FACTS,
    OPEN_STATUSES,
    Action,
    BatchItem,
    CloseReason,
    ContactRole,
    Opportunity,
    OpportunityContact,
    OpportunityEntry,
    Outcome,
    Priority,
    Status,
    ended_seal,
)
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, User

LARGEST_VALUE = Decimal("999999999999.99")
LONGEST_DESCRIPTION = 100
LONGEST_EXTERNAL_ID = 100
LONGEST_NOTE = 2000
MOST_PEOPLE = 30


# What is needed, in the words that forms use too
DESCRIPTION_NEEDED = gettext_lazy("A description is needed. Say in a few words what it is about.")
CONTACT_NEEDED = gettext_lazy("A contact is needed. Choose whom it is for.")
SALESPERSON_NEEDED = gettext_lazy("A salesperson is needed. Choose who works on it.")
CYCLE_NEEDED = gettext_lazy("A sales cycle is needed. Choose how it will be sold.")
STAGE_NEEDED = gettext_lazy("Choose a stage.")
VALUE_NEEDED = gettext_lazy("An estimated value above 0 is needed. Type what it may bring.")
CHANCE_NEEDED = gettext_lazy("A chance of success above 0 is needed, up to 100.")
CLOSING_DATE_NEEDED = gettext_lazy("An estimated closing date is needed.")
AMOUNT_NEEDED = gettext_lazy("A sale needs an amount above 0. Type what was sold.")
WORDS_NEEDED = gettext_lazy("Say in a few words why.")
ROLE_NEEDED = gettext_lazy("A role is needed. Choose the part this contact plays.")


# What can be refused ---------------------------------------------------------------------------------------------


class Refused(Exception):
    """A rule says no. ``message`` names the rule and the way out; ``field`` is the form field it is about, or ""."""

    field = ""

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = str(message)


class Gone(Refused):
    """It has been deleted."""


class AlreadyClosed(Refused):
    """It is won or lost, and only reopening or undoing changes that."""


class NotClosed(Refused):
    """It is open, so there is nothing to reopen."""


class MovedMeanwhile(Refused):
    """Somebody changed it after the person looked; ``entry`` is the newest one."""

    def __init__(self, message: str, entry: OpportunityEntry) -> None:
        super().__init__(message)
        self.entry = entry


class NotStarted(Refused):
    """It stands in no stage yet."""


class AlreadyStarted(Refused):
    """It stands in a stage already."""


class DateRefused(Refused):
    """The date of change lies before the last change, or in the future."""

    field = "on"


class StageRefused(Refused):
    """The stage cannot be reached from here."""

    field = "to"


class QuoteNeeded(Refused):
    """A stage on the way forward requires a quote that is not there."""

    field = "to"


class ValueRefused(Refused):
    """The estimated value is missing, not above 0, or cannot be stored."""

    field = "value"


class ChanceRefused(Refused):
    """The chance of success is missing, not above 0, above 100, or cannot be stored."""

    field = "chance_percent"


class ClosingDateRefused(Refused):
    """The estimated closing date is missing or lies before the change."""

    field = "closes_on"


class ReasonRefused(Refused):
    """The close reason is missing, retired, or belongs to the other outcome."""

    field = "reason"


class AmountRefused(Refused):
    """A sale needs an amount above 0."""

    field = "amount"


class NoteRefused(Refused):
    """A reason in words is missing, longer than the ledger holds, or cannot be stored."""

    field = "note"


class DescriptionRefused(Refused):
    """The description is missing, too long, or cannot be stored."""

    field = "description"


class ExternalIdRefused(Refused):
    """The external id is taken, too long, or cannot be stored."""

    field = "external_id"


class SalespersonRefused(Refused):
    """The salesperson is blocked."""

    field = "salesperson"


class ContactRefused(Refused):
    """The contact is blocked for privacy, or belongs to another company."""

    field = "contact"


class RoleRefused(Refused):
    """The role is missing or not one of the roles."""

    field = "role"


class TasksRefused(Refused):
    """One of the tasks that come with a change has no description, or a date that cannot be."""

    field = "tasks"


class CycleRefused(Refused):
    """The sales cycle is blocked or has no stage in use."""

    field = "cycle"


class NothingToChange(Refused):
    """What was asked for is how it is already."""


class NothingToUndo(Refused):
    """Only the first entry is there."""


class StillInProgress(Refused):
    """It has to be closed before it can be deleted."""


# What operations are asked with ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """What somebody expects: a value in the company's currency, a chance in percent, and a closing date."""

    value: Decimal | None
    chance_percent: Decimal | None
    closes_on: date | None


class Which(Enum):
    """Which open tasks of an opportunity are cancelled with a change, other than those that are named."""

    ALL_TASKS = "all"


ALL_TASKS = Which.ALL_TASKS
TaskKeys = Collection[int] | Which


QuoteQuestion = Callable[[Opportunity], bool]
_quote_question: QuoteQuestion | None = None


def answer_quote_question(answer: QuoteQuestion | None) -> None:
    """Let an app above this one say whether an opportunity has a quote; until one does, the answer is no."""
    global _quote_question
    _quote_question = answer


def has_quote(opportunity: Opportunity) -> bool:
    """Whether the opportunity has the quote that a stage may require."""
    return _quote_question is not None and _quote_question(opportunity)


# Stages ----------------------------------------------------------------------------------------------------------


def stages_in_play(opportunity: Opportunity) -> list[SalesCycleStage]:
    """The stages of the opportunity's cycle in order: those in use, and the present one even when it is retired."""
    of_cycle = SalesCycleStage.objects.filter(cycle_id=opportunity.cycle_id)
    stages = of_cycle.select_related("activity").order_by("position")
    return in_play(stages, opportunity.stage_id)


def in_play(stages: Iterable[SalesCycleStage], current: int | None) -> list[SalesCycleStage]:
    """Of all stages of a cycle those in use, and the present one (by primary key) even when it is retired."""
    return [stage for stage in stages if stage.is_active or stage.pk == current]


def reachable_from(
    stages: Sequence[SalesCycleStage], current: SalesCycleStage | None
) -> list[SalesCycleStage]:
    """The stages a move may end in, in their order.

    From no stage only the first. Otherwise every one before, and forward the next ones up to and including the
    first that does not allow skipping (Business Central's Next, Skip, Previous and Jump).
    """
    if current is None:
        return list(stages[:1])
    here = [stage.pk for stage in stages].index(current.pk)
    reachable = list(stages[:here])
    for stage in stages[here + 1 :]:
        reachable.append(stage)
        if not stage.allows_skip:
            break
    return reachable


def reachable_stages(opportunity: Opportunity) -> list[SalesCycleStage]:
    """The stages this opportunity may go to now; none when it is closed."""
    if opportunity.is_closed:
        return []
    return reachable_from(stages_in_play(opportunity), opportunity.stage)


def action_between(
    stages: Sequence[SalesCycleStage], current: SalesCycleStage, to: SalesCycleStage
) -> Action:
    """What a move from ``current`` to ``to`` is called, from their places in the order."""
    order = [stage.pk for stage in stages]
    distance = order.index(to.pk) - order.index(current.pk)
    if distance == 1:
        return Action.NEXT
    if distance > 1:
        return Action.SKIPPED
    return Action.PREVIOUS if distance == -1 else Action.JUMPED


def quote_gate(
    stages: Sequence[SalesCycleStage], current: SalesCycleStage, to: SalesCycleStage
) -> SalesCycleStage | None:
    """The first stage that wants a quote on the way forward: left, passed over or entered. None on the way back."""
    order = [stage.pk for stage in stages]
    passed = stages[order.index(current.pk) : order.index(to.pk) + 1]
    return next((stage for stage in passed if stage.requires_quote), None)


def offered_estimate(opportunity: Opportunity, stage: SalesCycleStage, on: date) -> Estimate:
    """What to offer for entering ``stage`` on a date: the present value, and the stage's chance and closing date.

    What is there stands where the stage says nothing (no chance, or no date formula), and at the start, where it
    was typed on purpose; a closing date only if it does not lie before ``on``.
    """
    chance, closes_on = opportunity.chance_percent, opportunity.estimated_close_on
    typed = opportunity.is_not_started
    if chance is None or (stage.chance_percent and not typed):
        chance = stage.chance_percent
    if closes_on is None or closes_on < on or (stage.close_in and not typed):
        closes_on = apply_formula(stage.close_in, on)
    return Estimate(value=opportunity.estimated_value, chance_percent=chance, closes_on=closes_on)


def present_estimate(opportunity: Opportunity) -> Estimate:
    """The estimate as it stands."""
    return Estimate(
        value=opportunity.estimated_value,
        chance_percent=opportunity.chance_percent,
        closes_on=opportunity.estimated_close_on,
    )


def coming_tasks(stage: SalesCycleStage, on: date) -> list[PlannedTask]:
    """The tasks that entering a stage on a date makes: those of its activity, unless that is retired."""
    activity = stage.activity
    return task_operations.planned(activity, on) if activity is not None and activity.is_active else []


def left_tasks(opportunity: Opportunity) -> TaskQuerySet:
    """The open tasks that came with the stage the opportunity stands in, and that a move leaves behind."""
    tasks = Task.objects.open().filter(opportunity=opportunity, made_by__stage__isnull=False)
    return tasks.filter(made_by__stage=opportunity.stage_id).soonest_first()


def default_date(opportunity: Opportunity) -> date:
    """The date of change to offer: today, or that of the last change when it is later."""
    return max(today(), opportunity.changed_on)


# The operations --------------------------------------------------------------------------------------------------


def create(
    *,
    description: str,
    contact: Contact | None,
    salesperson: Salesperson | None,
    cycle: SalesCycle | None,
    by: User,
    on: date,
    priority: str = Priority.NORMAL,
    estimate: Estimate | None = None,
    external_id: str = "",
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Make an opportunity, Not started, with entry 1.

    The parts of ``estimate`` may wait until it is started; those that are given must be right. Raises
    ``DescriptionRefused``, ``ContactRefused``, ``SalespersonRefused``, ``CycleRefused``, ``DateRefused``,
    ``ValueRefused``, ``ChanceRefused``, ``ClosingDateRefused``, ``ExternalIdRefused`` or ``NoteRefused``.
    """
    with _transaction(dry_run):
        number = "" if dry_run else next_number("OP")  # before any contact is locked, as everybody does
        description = _checked_description(description)
        contact = _usable_contact(contact, dry_run=dry_run)
        salesperson = _assignable_salesperson(salesperson)
        cycle = _available_cycle(cycle)
        if on > today():
            raise DateRefused(_("The date lies in the future. Choose today or earlier."))
        estimate = estimate or Estimate(None, None, None)
        _check_given_estimate(estimate, on)
        _check_external_id(external_id)
        opportunity = Opportunity(
            number=number,
            external_id=external_id,
            description=description,
            priority=Priority(priority),
            created_on=on,
            changed_on=on,
            version=0,
            contact=contact,
            company=contact if contact.is_company else contact.company,
            salesperson=salesperson,
            cycle=cycle,
            probability_method=cycle.probability_method,
        )
        opportunity.search_text = normalised(f"{opportunity.number} {description}")
        entry = _next_entry(opportunity, Action.CREATED, by=by, on=on, note=note)
        _set_estimate(entry, cycle, estimate, completed=Decimal(0))
        return _record(opportunity, entry, dry_run=dry_run)


def start(
    *,
    opportunity: Opportunity,
    by: User,
    on: date,
    estimate: Estimate | None = None,
    tasks: Sequence[PlannedTask] | None = None,
    seen: int | None = None,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Enter the first stage in use of the cycle; without an ``estimate`` with the one offered.

    The tasks of the stage's activity come with it, or ``tasks`` in their place. A quote is not asked for, since one can
    only be made for an opportunity in progress; leaving such a first stage asks for it. Raises ``AlreadyClosed``,
    ``MovedMeanwhile``, ``AlreadyStarted``, ``DateRefused``, ``CycleRefused``, ``ValueRefused``, ``ChanceRefused``,
    ``ClosingDateRefused``, ``NoteRefused`` or ``TasksRefused``.
    """
    with _opened(opportunity, dry_run=dry_run) as current:
        _check_seen(current, seen)
        if current.is_in_progress:
            raise AlreadyStarted(_("%(number)s is in progress already.") % {"number": current.number})
        _check_date(current, on)
        first = reachable_stages(current)
        if not first:
            raise CycleRefused(
                _("The sales cycle %(cycle)s has no stage in use. Add one to the cycle, then start.")
                % {"cycle": current.cycle}
            )
        return _enter(
            current,
            first[0],
            Action.STARTED,
            estimate=estimate or offered_estimate(current, first[0], on),
            tasks=tasks,
            by=by,
            on=on,
            note=note,
            dry_run=dry_run,
        )


def move(
    *,
    opportunity: Opportunity,
    to: SalesCycleStage | None,
    by: User,
    on: date,
    estimate: Estimate | None = None,
    tasks: Sequence[PlannedTask] | None = None,
    cancel_tasks: TaskKeys = (),
    seen: int | None = None,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Go to another stage of the cycle; without an ``estimate`` with the one offered for that stage.

    The tasks of the stage's activity come with it, or ``tasks`` in their place; of the open ones those are cancelled
    that ``cancel_tasks`` names. Raises, in this order, ``AlreadyClosed``, ``MovedMeanwhile``, ``NotStarted``,
    ``DateRefused``, ``StageRefused``, ``QuoteNeeded``, ``ValueRefused``, ``ChanceRefused``, ``ClosingDateRefused``,
    ``NoteRefused`` or ``TasksRefused``.
    """
    with _opened(opportunity, dry_run=dry_run) as current:
        _check_seen(current, seen)
        stage = _present_stage(current)
        _check_date(current, on)
        stages = stages_in_play(current)
        to = _reachable(current, stages, stage, to)
        gate = quote_gate(stages, stage, to)
        if gate is not None and not has_quote(current):
            raise QuoteNeeded(
                _("%(stage)s needs a quote. Create one, or choose a stage before it.") % {"stage": gate}
                if gate != stage
                else _("%(stage)s cannot be left forward without a quote. Create one first.")
                % {"stage": gate}
            )
        return _enter(
            current,
            to,
            action_between(stages, stage, to),
            estimate=estimate or offered_estimate(current, to, on),
            tasks=tasks,
            cancel_tasks=cancel_tasks,
            by=by,
            on=on,
            note=note,
            dry_run=dry_run,
        )


def revise(
    *,
    opportunity: Opportunity,
    estimate: Estimate,
    by: User,
    on: date,
    seen: int | None = None,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Give a new estimate in the same stage (Business Central's Update); no tasks come with it.

    Raises ``AlreadyClosed``, ``MovedMeanwhile``, ``NotStarted``, ``DateRefused``, ``ValueRefused``,
    ``ChanceRefused``, ``ClosingDateRefused`` or ``NoteRefused``.
    """
    with _opened(opportunity, dry_run=dry_run) as current:
        _check_seen(current, seen)
        stage = _present_stage(current)
        _check_date(current, on)
        return _enter(
            current,
            stage,
            Action.UPDATED,
            estimate=estimate,
            tasks=(),
            by=by,
            on=on,
            note=note,
            dry_run=dry_run,
        )


def close(
    *,
    opportunity: Opportunity,
    outcome: str,
    reason: CloseReason | None,
    by: User,
    on: date,
    amount: Decimal | None = None,
    cancel_tasks: TaskKeys = (),
    seen: int | None = None,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Win or lose an opportunity, started or not. ``amount`` is the sale, in the company's currency, when won.

    Of the open tasks those are cancelled that ``cancel_tasks`` names; the others stay to be done. The stage it was
    closed in stays. Winning makes the company, or the person who has none, a customer; one who is a customer already
    keeps the number. Raises ``AlreadyClosed``, ``MovedMeanwhile``, ``DateRefused``, ``ReasonRefused``,
    ``AmountRefused``, ``ContactRefused`` or ``NoteRefused``.
    """
    outcome = Outcome(outcome)
    with _opened(opportunity, dry_run=dry_run) as current:
        _check_seen(current, seen)
        _check_date(current, on)
        reason = _reason_for(outcome, reason)
        entry = _next_entry(current, Action(outcome.value), by=by, on=on, note=note)
        entry.status = Status(outcome.value)
        entry.closed_on = entry.estimated_close_on = on
        entry.close_reason = reason
        entry.completed_percent = HUNDRED
        if outcome == Outcome.WON:
            _check_number(amount, AmountRefused, missing=AMOUNT_NEEDED)
            entry.chance_percent = entry.probability_percent = HUNDRED
            entry.calculated_value = Decimal(amount)  # type: ignore[arg-type]
            buyer = current.buyer
            if buyer.is_privacy_blocked:
                raise ContactRefused(
                    _("%(buyer)s is blocked for privacy and cannot become a customer.") % {"buyer": buyer}
                )
            if not dry_run:
                buyer.make_customer(on=on)
        else:
            entry.chance_percent = entry.probability_percent = entry.calculated_value = Decimal(0)
        _record(current, entry, dry_run=dry_run)
        _cancel_tasks(entry, cancel_tasks, dry_run=dry_run)
        return entry


def reopen(
    *,
    opportunity: Opportunity,
    note: str,
    by: User,
    on: date,
    seen: int | None = None,
    dry_run: bool = False,
) -> OpportunityEntry:
    """Take a closed opportunity back into the stage it was closed in, with its last estimate; ``note`` says why.

    A customer stays a customer. Raises ``NotClosed``, ``MovedMeanwhile``, ``DateRefused`` or ``NoteRefused``.
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        if not current.is_closed:
            raise NotClosed(_("%(number)s is open already.") % {"number": current.number})
        _check_seen(current, seen)
        _check_date(current, on)
        _check_reason_in_words(note)
        before = current.entries.filter(status__in=OPEN_STATUSES).newest_first()[0]
        entry = _next_entry(current, Action.REOPENED, by=by, on=on, note=note)
        entry.status = before.status
        entry.closed_on = entry.close_reason = None
        _set_estimate(entry, current.cycle, present_estimate(before), completed=before.completed_percent)
        return _record(current, entry, dry_run=dry_run)


def undo(
    *,
    opportunity: Opportunity,
    note: str,
    by: User,
    on: date,
    seen: int | None = None,
    dry_run: bool = False,
) -> OpportunityEntry:
    """Write an entry that restores the state before the last one; ``note`` says why.

    The tasks that the change made are cancelled, and those that it cancelled are open again. Undoing twice brings the
    change back. A customer stays a customer. Raises ``NothingToUndo``, ``MovedMeanwhile``,
    ``DateRefused``, ``NoteRefused``, ``SalespersonRefused`` or ``ContactRefused``.
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        if current.version == 1:
            raise NothingToUndo(
                _("%(number)s has only been created. Delete it if it should not be there.")
                % {"number": current.number}
            )
        _check_seen(current, seen)
        _check_date(current, on)
        _check_reason_in_words(note)
        before = current.entries.with_names().get(sequence=current.version - 1)
        _check_not_merged(before)
        if before.salesperson_id != current.salesperson_id:
            _assignable_salesperson(before.salesperson)
        if before.contact_id != current.contact_id:
            _usable_contact(before.contact, dry_run=dry_run)
        entry = _next_entry(current, Action.UNDONE, by=by, on=on, note=note)
        for name in FACTS:
            setattr(entry, name, getattr(before, name))
        _name_stage(entry, before.stage)
        undone = current.entries.get(sequence=current.version)
        _record(current, entry, dry_run=dry_run)
        if not dry_run:
            task_operations.undo_tasks_of(undone, by=by, cancelled_by=entry)
        return entry


def reassign(
    *,
    opportunity: Opportunity,
    by: User,
    on: date,
    salesperson: Salesperson | None = None,
    contact: Contact | None = None,
    with_tasks: bool = False,
    seen: int | None = None,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Give an opportunity to another salesperson, to another contact, or both; what is left out stays.

    ``with_tasks`` says that the open tasks which the old salesperson has with it follow to the new one. Once started,
    the contact may only change within the same company. Raises ``AlreadyClosed``, ``MovedMeanwhile``, ``DateRefused``,
    ``SalespersonRefused``, ``ContactRefused``, ``NothingToChange`` or ``NoteRefused``.
    """
    with _opened(opportunity, dry_run=dry_run) as current:
        _check_seen(current, seen)
        _check_date(current, on)
        entry = _next_entry(current, Action.REASSIGNED, by=by, on=on, note=note)
        if salesperson is not None and salesperson.pk != current.salesperson_id:
            entry.salesperson = _assignable_salesperson(salesperson)
        if contact is not None and contact.pk != current.contact_id:
            contact = _usable_contact(contact, dry_run=dry_run)
            _check_same_company(current, contact)
            entry.contact = contact
            entry.company_id = contact.company_key
        if entry.facts() == current.facts():
            raise NothingToChange(_("Choose another salesperson or another contact."))
        old = current.salesperson
        _record(current, entry, dry_run=dry_run)
        if with_tasks and not dry_run:
            task_operations.reassign_tasks_of(current, old=old, handed_over_by=entry)
        return entry


def merge_contact(
    *,
    opportunity: Opportunity,
    merged: Contact,
    kept: Contact,
    by: User,
    on: date,
    note: str = "",
    dry_run: bool = False,
) -> OpportunityEntry:
    """Put ``kept`` where ``merged`` stands, as contact, company or both: the two are one. Closed ones follow too.

    Undoing a merge is the same the other way round. Raises ``DateRefused``, ``NothingToChange`` or ``NoteRefused``.
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        _check_date(current, on)
        entry = _next_entry(current, Action.MERGED, by=by, on=on, note=note)
        if entry.contact_id == merged.pk:
            entry.contact = kept
        if entry.company_id == merged.pk:
            entry.company = kept
        if entry.facts() == current.facts():
            raise NothingToChange(
                _("%(number)s is not with %(contact)s.") % {"number": current.number, "contact": merged.label}
            )
        return _record(current, entry, dry_run=dry_run)


def describe(
    *,
    opportunity: Opportunity,
    by: User,
    description: str | None = None,
    priority: str | None = None,
    seen_description: str | None = None,
    dry_run: bool = False,
) -> Opportunity:
    """Change the description or the priority; what is left out stays, and old and new go into the change log.

    ``seen_description`` is the text the person looked at. Raises ``DescriptionRefused``, ``AlreadyClosed`` (the
    priority of a closed one) or ``MovedMeanwhile`` (somebody else changed the description).
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        new = {
            "description": current.description if description is None else _checked_description(description),
            "priority": current.priority if priority is None else Priority(priority).value,
        }
        if current.is_closed and new["priority"] != current.priority:
            raise AlreadyClosed(_("%(what)s, so its priority stands.") % {"what": _closed_how(current)})
        if seen_description is not None and seen_description != current.description:
            raise MovedMeanwhile(
                _("The description was changed to “%(description)s” meanwhile. Look again, then save.")
                % {"description": current.description},
                _newest_entry(current),
            )
        old = {name: getattr(current, name) for name in new}
        changed = {name: value for name, value in new.items() if value != old[name]}
        if changed and not dry_run:
            searched = normalised(f"{current.number} {new['description']}")
            QuerySet.update(Opportunity.objects.filter(pk=current.pk), **changed, search_text=searched)
            _log(
                current,
                CHANGE,
                by=by,
                message=[
                    {
                        "changed": {
                            "fields": list(changed),
                            "old": {name: old[name] for name in changed},
                            "new": changed,
                        }
                    }
                ],
            )
            for name, value in changed.items():
                setattr(current, name, value)
    return opportunity


def involve(
    *, opportunity: Opportunity, contact: Contact | None, role: str, by: User, dry_run: bool = False
) -> OpportunityContact:
    """Add a contact who plays a part in the decision, open or closed; kept in the change log, no fact of the ledger.

    Raises ``ContactRefused`` (none, blocked for privacy, the opportunity's own contact, involved already, or too
    many) or ``RoleRefused``.
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        contact = _usable_contact(contact, dry_run=dry_run)
        part = _checked_role(role)
        if contact.pk == current.contact_id:
            raise ContactRefused(
                _("%(contact)s is the contact of %(number)s already. Choose somebody else.")
                % {"contact": contact, "number": current.number}
            )
        involved = list(current.people.values_list("contact_id", "role"))
        if contact.pk in dict(involved):
            raise ContactRefused(
                _("%(contact)s is involved already, as %(role)s. Change the role there.")
                % {"contact": contact, "role": ContactRole(dict(involved)[contact.pk]).label}
            )
        if len(involved) >= MOST_PEOPLE:
            raise ContactRefused(
                _("%(n)d contacts are involved, and that is the most. Remove somebody first.")
                % {"n": len(involved)}
            )
        person = OpportunityContact(opportunity=current, contact=contact, role=part)
        if not dry_run:
            person.save()
            _log_people(current, old="", new=_in_part(person), by=by)
        return person


def change_role(
    *, opportunity: Opportunity, contact: Contact, role: str, by: User, dry_run: bool = False
) -> OpportunityContact:
    """Give a contact who is involved another part; the same part again changes nothing.

    Raises ``ContactRefused`` (not involved any more) or ``RoleRefused``.
    """
    with _locked(opportunity, dry_run=dry_run) as current:
        person = _involved(current, contact)
        old, person.role = _in_part(person), _checked_role(role)
        if not dry_run and _in_part(person) != old:
            person.save(update_fields=["role"])
            _log_people(current, old=old, new=_in_part(person), by=by)
        return person


def release(
    *, opportunity: Opportunity, contact: Contact, by: User, dry_run: bool = False
) -> OpportunityContact:
    """Take a contact out of those involved; returns what is gone. Raises ``ContactRefused`` (not involved any more)."""
    with _locked(opportunity, dry_run=dry_run) as current:
        person = _involved(current, contact)
        if not dry_run:
            OpportunityContact.objects.filter(pk=person.pk).delete()
            _log_people(current, old=_in_part(person), new="", by=by)
        return person


def delete(
    *, opportunity: Opportunity, by: User, on: date, seen: int | None = None, dry_run: bool = False
) -> dict[str, Any]:
    """Delete an opportunity with all that belongs to it, unless it is in progress; returns it whole (``archive_of``).

    Files of its interactions go when the transaction is over.

    Raises ``StillInProgress`` or ``MovedMeanwhile``.
    """
    with _locked(opportunity, dry_run=dry_run, is_going=True) as current:
        if current.is_in_progress:
            raise StillInProgress(
                _(
                    "%(number)s is in progress. Close it first; only closed and not started ones can be deleted."
                )
                % {"number": current.number}
            )
        _check_seen(current, seen)
        archive = archive_of(current)
        if not dry_run:
            _log(
                current,
                DELETION,
                by=by,
                message=[{"deleted": {"name": "opportunity", "object": str(current)}}],
            )
            forget_files(Attachment.objects.filter(interaction__opportunity=current))
            Model.delete(current)
        return archive


def archive_of(opportunity: Opportunity) -> dict[str, Any]:
    """All that is stored of an opportunity and goes with it, with the names behind the keys, ready for JSON."""
    entries = opportunity.entries.select_related("recorded_by", "salesperson", "contact", "close_reason")
    return {
        **_stored(opportunity),
        "contact": str(opportunity.contact),
        "company": str(opportunity.company or ""),
        "salesperson": opportunity.salesperson.code,
        "cycle": opportunity.cycle.code,
        "entries": [
            {
                **_stored(entry),
                "salesperson": entry.salesperson.code,
                "contact": entry.contact.name,
                "close_reason": entry.close_reason.code if entry.close_reason else "",
                "recorded_by": entry.recorded_by.email,
            }
            for entry in entries.order_by("sequence")
        ],
        "tasks": [
            {
                **_stored(task),
                "uid": str(task.uid),
                "doer": task.doer.code,
                "contact": str(task.contact or ""),
            }
            for task in opportunity.tasks.with_names().order_by("pk")
        ],
        "people": [
            {**_stored(person), "contact": str(person.contact)}
            for person in opportunity.people.select_related("contact").order_by("pk")
        ],
        "interactions": [
            {
                **_stored(interaction),
                "contact": str(interaction.contact or ""),
                "recorded_by": interaction.recorded_by.email,
            }
            for interaction in opportunity.interactions.with_names().order_by("pk")
        ],
        "attachments": [
            {**_stored(attachment), "file": attachment.file.name}
            for attachment in Attachment.objects.filter(interaction__opportunity=opportunity).order_by("pk")
        ],
        "batch_items": [
            _stored(item) for item in BatchItem.objects.filter(opportunity=opportunity).order_by("pk")
        ],
    }


def _stored(row: Model) -> dict[str, Any]:
    """Every column of a row."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


# How they write --------------------------------------------------------------------------------------------------


@contextmanager
def _transaction(dry_run: bool) -> Iterator[None]:
    """A transaction, unless nothing will be written."""
    if dry_run:
        yield
    else:
        with transaction.atomic():
            yield


@dataclass
class _Hand:
    """An opportunity that nobody else can see yet, and the seal of its newest entry."""

    opportunity: Opportunity
    seal: str


_hand: ContextVar[_Hand | None] = ContextVar("_hand", default=None)


@contextmanager
def in_hand(created: OpportunityEntry) -> Iterator[Opportunity]:
    """Write a whole history quickly: within, its opportunity is used as it is, neither locked nor read again.

    ``created`` is what ``create`` returned, in a transaction that is still open: nobody else can see the opportunity,
    let alone change it. If an operation refuses, the whole transaction has to be rolled back.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("in_hand() must be called in the transaction that created the opportunity.")
    token = _hand.set(_Hand(created.opportunity, created.seal))
    try:
        yield created.opportunity
    finally:
        _hand.reset(token)


def _in_hand(opportunity: Opportunity) -> _Hand | None:
    """What is in hand, if it is this one."""
    hand = _hand.get()
    return hand if hand is not None and hand.opportunity is opportunity else None


@contextmanager
def _locked(opportunity: Opportunity, *, dry_run: bool, is_going: bool = False) -> Iterator[Opportunity]:
    """The opportunity as it is stored now, its row locked until the operation is over.

    Rows that only name it can still be added meanwhile, unless it ``is_going``.
    """
    if not dry_run and _in_hand(opportunity):
        yield opportunity
        return
    rows = Opportunity.objects.all()
    with _transaction(dry_run):
        # The row alone: after a wait PostgreSQL re-reads the locked row, but not any that are joined to it. What it
        # points to is read when an operation needs it.
        rows = rows if dry_run else rows.select_for_update(no_key=not is_going)
        current = rows.filter(pk=opportunity.pk).first()
        if current is None:
            raise Gone(_("Somebody deleted it meanwhile."))
        yield current
    if not dry_run:
        opportunity.__dict__.update(current.__dict__)  # the caller's object says what is stored now


@contextmanager
def _opened(opportunity: Opportunity, *, dry_run: bool) -> Iterator[Opportunity]:
    """The same, refused when it is closed."""
    with _locked(opportunity, dry_run=dry_run) as current:
        if current.is_closed:
            raise AlreadyClosed(_("%(what)s. Reopen it to change it.") % {"what": _closed_how(current)})
        yield current


def _enter(
    current: Opportunity,
    stage: SalesCycleStage,
    action: Action,
    *,
    estimate: Estimate,
    tasks: Sequence[PlannedTask] | None,
    cancel_tasks: TaskKeys = (),
    by: User,
    on: date,
    note: str,
    dry_run: bool,
) -> OpportunityEntry:
    """Write that the opportunity stands in ``stage`` with a whole estimate, and what that changes in its tasks."""
    _check_number(
        estimate.value,
        ValueRefused,
        missing=VALUE_NEEDED,
    )
    _check_number(estimate.chance_percent, ChanceRefused, missing=CHANCE_NEEDED)
    _check_chance(estimate)
    if estimate.closes_on is None:
        raise ClosingDateRefused(CLOSING_DATE_NEEDED)
    _check_closing_date(estimate, on)
    entry = _next_entry(current, action, by=by, on=on, note=note)
    entry.status = Status.IN_PROGRESS
    if stage.pk != current.stage_id:
        entry.stage_entered_on = on
    entry.stage = stage
    _name_stage(entry, stage)
    _set_estimate(entry, current.cycle, estimate, completed=stage.completed_percent)
    made = _tasks_with(current, stage, coming_tasks(stage, on) if tasks is None else tasks, by=by)
    _record(current, entry, dry_run=dry_run)
    _cancel_tasks(entry, cancel_tasks, dry_run=dry_run)
    if not dry_run:
        current.stage = stage  # known already: the next operation need not read it
        task_operations.store_tasks(made, made_by=entry)
    return entry


def _tasks_with(
    current: Opportunity, stage: SalesCycleStage, steps: Sequence[PlannedTask], *, by: User
) -> list[Task]:
    """The tasks that come with entering a stage, not stored yet: for the salesperson, about the contact.

    A salesperson who is blocked by now keeps them, as the opportunity; a contact who is blocked for privacy is not named.
    """
    if not steps:
        return []
    contact = current.contact
    is_blocked = contact.is_privacy_blocked or (
        contact.company is not None and contact.company.is_privacy_blocked
    )
    like = Task(
        salesperson=current.salesperson,
        contact=None if is_blocked else contact,
        opportunity=current,
        activity=stage.activity,
    )
    try:
        return task_operations.make_tasks(steps, like=like, by=by)
    except task_operations.TaskRefused as refusal:
        raise TasksRefused(refusal.message) from refusal


def _cancel_tasks(entry: OpportunityEntry, which: TaskKeys, *, dry_run: bool) -> None:
    """Cancel open tasks of the opportunity together with a change of it."""
    if which and not dry_run:
        keys = None if which is ALL_TASKS else which
        assert not isinstance(keys, Which)  # there is only one
        task_operations.cancel_tasks_of(entry.opportunity_id, keys, by=entry.recorded_by, cancelled_by=entry)


def _set_estimate(
    entry: OpportunityEntry, cycle: SalesCycle, estimate: Estimate, *, completed: Decimal
) -> None:
    """Fill in the estimate and what follows from it: probability by the cycle's method, value × probability ÷ 100."""
    entry.estimated_value = estimate.value
    entry.chance_percent = estimate.chance_percent
    entry.estimated_close_on = estimate.closes_on
    entry.completed_percent = completed
    entry.probability_method = cycle.probability_method
    entry.probability_percent = cycle.method.probability(
        chance=estimate.chance_percent or Decimal(0), completed=completed
    )
    entry.calculated_value = (estimate.value or Decimal(0)) * entry.probability_percent / HUNDRED


def _name_stage(entry: OpportunityEntry, stage: SalesCycleStage | None) -> None:
    """Keep what the stage is called today."""
    entry.stage_description = stage.description if stage else ""


def _next_entry(current: Opportunity, action: Action, *, by: User, on: date, note: str) -> OpportunityEntry:
    """A new entry that says what is true now; the operation then changes what it changes."""
    if len(note) > LONGEST_NOTE:
        raise NoteRefused(_("A note has at most %(n)d characters.") % {"n": LONGEST_NOTE})
    if not can_be_stored(note):
        raise NoteRefused(_("The note holds a character that cannot be stored. Take it out."))
    entry = OpportunityEntry(
        opportunity=current,
        sequence=current.version + 1,
        action=action,
        changed_on=on,
        recorded_at=timezone.now(),
        recorded_by=by,
        note=note.strip(),
        previous_stage=current.stage,
        **current.facts(),
    )
    _name_stage(entry, current.stage)
    return entry


def _record(current: Opportunity, entry: OpportunityEntry, *, dry_run: bool) -> OpportunityEntry:
    """End the newest entry, add this one, and make the opportunity's row say the same."""
    if dry_run:
        return entry
    before, hand = "", _in_hand(current)
    if current.version == 0:  # not stored yet
        _take_over(current, entry)
        Model.save(current, force_insert=True)
    else:
        newest = current.entries.filter(ended_on__isnull=True)
        seal = hand.seal if hand else newest.values_list("seal", flat=True).get()
        before = ended_seal(seal, entry.changed_on)
        QuerySet.update(newest, ended_on=entry.changed_on, seal=before)
        _take_over(current, entry)
        Model.save(current, force_update=True)
    entry.opportunity = current
    entry.seal = entry.compute_seal(before)
    Model.save(entry, force_insert=True)
    if hand:
        hand.seal = entry.seal
    return entry


def _take_over(current: Opportunity, entry: OpportunityEntry) -> None:
    """Make the row of the opportunity say what the entry says."""
    for name in FACTS:
        setattr(current, name, getattr(entry, name))
    current.changed_on = entry.changed_on
    current.version = entry.sequence


def _log(current: Opportunity, flag: int, *, by: User, message: list[dict[str, Any]]) -> None:
    """A line in the change log, in Django's own format, with old and new values beside the names."""
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(Opportunity),
        object_id=str(current.pk),
        object_repr=str(current)[:200],
        action_flag=flag,
        change_message=json.dumps(message),
    )


def _log_people(current: Opportunity, *, old: str, new: str, by: User) -> None:
    """A line in the change log about somebody involved: who and in which part, before and after."""
    fields = {"fields": ["people"], "old": {"people": old}, "new": {"people": new}}
    _log(current, CHANGE, by=by, message=[{"changed": fields}])


def _in_part(person: OpportunityContact) -> str:
    """For example: “C-00012 · Ann Peeters (DECISION_MAKER)”; the log keeps what does not change with the language."""
    return f"{person.contact.label} ({person.role})"


# What they check -------------------------------------------------------------------------------------------------


def _check_seen(current: Opportunity, seen: int | None) -> None:
    if seen is not None and seen != current.version:
        entry = _newest_entry(current)
        raise MovedMeanwhile(
            _("%(who)s changed this meanwhile (%(day)s): %(what)s. Look again, then decide.")
            % {
                "who": entry.recorded_by,
                "what": entry.headline,
                "day": date_format(timezone.localtime(entry.recorded_at), "DATETIME_FORMAT"),
            },
            entry,
        )


def _newest_entry(current: Opportunity) -> OpportunityEntry:
    newest: OpportunityEntry = current.entries.select_related("recorded_by").newest_first()[0]
    return newest


def _check_date(current: Opportunity, on: date) -> None:
    if on < current.changed_on:
        raise DateRefused(
            _("The last change was on %(day)s. Choose that day or a later one.")
            % {"day": date_format(current.changed_on, "DATE_FORMAT")}
        )
    if on > max(today(), current.changed_on):
        raise DateRefused(_("The date lies in the future. Choose today or earlier."))


def _present_stage(current: Opportunity) -> SalesCycleStage:
    if current.stage is None:
        raise NotStarted(_("%(number)s is not started. Start it first.") % {"number": current.number})
    return current.stage


def _reachable(
    current: Opportunity,
    stages: Sequence[SalesCycleStage],
    stage: SalesCycleStage,
    to: SalesCycleStage | None,
) -> SalesCycleStage:
    """The stage as it is stored, if a move from ``stage`` may end there."""
    reachable = reachable_from(stages, stage)
    found = next((candidate for candidate in reachable if to is not None and candidate.pk == to.pk), None)
    if found is not None:
        return found
    if to is None:
        raise StageRefused(STAGE_NEEDED)
    if to.pk == stage.pk:
        raise StageRefused(
            _("%(number)s is in %(stage)s already.") % {"number": current.number, "stage": stage}
        )
    names = ", ".join(str(candidate) for candidate in reachable)
    raise StageRefused(
        _("%(to)s cannot be reached from %(stage)s. Choose one of: %(names)s.")
        % {"to": to, "stage": stage, "names": names or "–"}
    )


def _check_number(number: Decimal | None, refusal: type[Refused], *, missing: str | Promise) -> None:
    """Above 0, with at most two decimals, and not too large to store."""
    if number is None or not Decimal(number).is_finite() or number <= 0:
        raise refusal(missing)
    if number > LARGEST_VALUE:
        raise refusal(_("This is more than can be stored."))
    if number != round(number, 2):
        raise refusal(_("At most two decimals are stored. Round it."))


def _check_chance(estimate: Estimate) -> None:
    if estimate.chance_percent is not None and estimate.chance_percent > HUNDRED:
        raise ChanceRefused(_("A chance of success is at most 100 percent."))


def _check_closing_date(estimate: Estimate, on: date) -> None:
    if estimate.closes_on is not None and estimate.closes_on < on:
        raise ClosingDateRefused(
            _("The estimated closing date lies before the change on %(day)s. Choose that day or a later one.")
            % {"day": date_format(on, "DATE_FORMAT")}
        )


def _check_given_estimate(estimate: Estimate, on: date) -> None:
    """At creation: what is given must be right, what is not may wait."""
    if estimate.value is not None:
        _check_number(
            estimate.value,
            ValueRefused,
            missing=_("An estimated value is above 0. Leave it empty until you know it."),
        )
    if estimate.chance_percent is not None:
        _check_number(
            estimate.chance_percent,
            ChanceRefused,
            missing=_("A chance of success is above 0. Leave it empty until you know it."),
        )
    _check_chance(estimate)
    _check_closing_date(estimate, on)


def reason_needed(outcome: Outcome) -> str:
    """What is said when the reason is missing."""
    return _("A reason is needed. Choose why it was %(outcome)s.") % {"outcome": outcome.label.lower()}


def _reason_for(outcome: Outcome, reason: CloseReason | None) -> CloseReason:
    if reason is None:
        raise ReasonRefused(reason_needed(outcome))
    reason = CloseReason.objects.get(pk=reason.pk)
    if reason.outcome != outcome:
        raise ReasonRefused(
            _("“%(reason)s” is a reason for %(other)s. Choose one for %(outcome)s.")
            % {
                "reason": reason,
                "other": Outcome(reason.outcome).label.lower(),
                "outcome": outcome.label.lower(),
            }
        )
    if not reason.is_active:
        raise ReasonRefused(_("“%(reason)s” is retired. Choose another reason.") % {"reason": reason})
    return reason


def _check_reason_in_words(note: str) -> None:
    if not note.strip():
        raise NoteRefused(WORDS_NEEDED)


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


def _check_external_id(external_id: str) -> None:
    if len(external_id) > LONGEST_EXTERNAL_ID:
        raise ExternalIdRefused(
            _("An external id has at most %(n)d characters.") % {"n": LONGEST_EXTERNAL_ID}
        )
    if not can_be_stored(external_id):
        raise ExternalIdRefused(_("The external id holds a character that cannot be stored. Take it out."))
    taken = Opportunity.objects.filter(external_id=external_id).values_list("number", flat=True)[:1]
    if external_id and taken:
        raise ExternalIdRefused(
            _("%(number)s has the external id %(external_id)s already.")
            % {"number": taken[0], "external_id": external_id}
        )


def _usable_contact(contact: Contact | None, *, dry_run: bool) -> Contact:
    """The contact, or the one it was merged into: locked, so that nobody merges it while something is made for it."""
    if contact is None:
        raise ContactRefused(CONTACT_NEEDED)
    contacts = Contact.objects.all() if dry_run else Contact.objects.locked()
    contact = contacts.carrying_on(contact.pk)
    if contact.is_privacy_blocked or (contact.company is not None and contact.company.is_privacy_blocked):
        raise ContactRefused(
            _("%(contact)s is blocked for privacy. Choose another contact.") % {"contact": contact}
        )
    return contact


def _check_not_merged(before: OpportunityEntry) -> None:
    """Refuse to bring back a contact, or a company, that is another one by now."""
    for contact in (before.contact, before.company):
        if contact is not None and contact.merged_into is not None:
            raise ContactRefused(
                _(
                    "%(contact)s was merged into %(into)s meanwhile. Undo that on the page of %(into)s first, "
                    "or reassign the opportunity."
                )
                % {"contact": contact, "into": contact.merged_into}
            )


def _checked_role(role: str) -> str:
    if role not in ContactRole.values:
        raise RoleRefused(ROLE_NEEDED)
    return ContactRole(role).value


def _involved(current: Opportunity, contact: Contact) -> OpportunityContact:
    """The part a contact plays."""
    person = current.people.select_related("contact").filter(contact=contact.pk).first()
    if person is None:
        raise ContactRefused(_("%(contact)s is not involved any more.") % {"contact": contact})
    return person


def _assignable_salesperson(salesperson: Salesperson | None) -> Salesperson:
    if salesperson is None:
        raise SalespersonRefused(SALESPERSON_NEEDED)
    salesperson = Salesperson.objects.get(pk=salesperson.pk)
    if salesperson.is_blocked:
        raise SalespersonRefused(
            _("%(salesperson)s is blocked. Choose another salesperson.") % {"salesperson": salesperson}
        )
    return salesperson


def _available_cycle(cycle: SalesCycle | None) -> SalesCycle:
    if cycle is None:
        raise CycleRefused(CYCLE_NEEDED)
    cycle = SalesCycle.objects.get(pk=cycle.pk)
    if cycle.is_blocked:
        raise CycleRefused(_("The sales cycle %(cycle)s is blocked. Choose another one.") % {"cycle": cycle})
    return cycle


def _check_same_company(current: Opportunity, contact: Contact) -> None:
    """Once started, an opportunity stays with the company (or the lone person) it was started with."""
    if current.is_not_started:
        return
    if contact.buyer_key != current.buyer.buyer_key:
        raise ContactRefused(
            _(
                "%(contact)s belongs to another company than %(buyer)s. Choose somebody there, or make a new opportunity."
            )
            % {"contact": contact, "buyer": current.buyer}
        )


def _closed_how(current: Opportunity) -> str:
    """For example: OP-00012 was won on 3 March 2026."""
    sentence = (
        _("%(number)s was won on %(day)s")
        if current.status == Status.WON
        else _("%(number)s was lost on %(day)s")
    )
    return sentence % {
        "number": current.number,
        "day": date_format(current.closed_on, "DATE_FORMAT") if current.closed_on else "",
    }
