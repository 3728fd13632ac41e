"""One change of many opportunities: checked first, then carried out, a bounded number at a time.

The life of a batch::

    CHECKING  → every opportunity in it is asked, as a dry run, whether the change would be refused
    CHECKED   → its maker reads what would happen, and says yes or no
    RUNNING   → one opportunity after the other is changed by its operation, each in a transaction of its own
    DONE      → what was changed, and what was left alone and why; CANCELLED when its maker said no, or stop

A step may end anywhere, by a kill or by a closed tab: an item and what the operation wrote are stored together,
so that going on neither repeats nor skips any. Several tabs may go on with the same batch at the same time.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from time import monotonic
from typing import Any, ClassVar

from django.db import transaction
from django.utils.formats import date_format, number_format
from django.utils.functional import cached_property
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from opportunities import operations
from opportunities.access import NOT_YOURS, allowed
from opportunities.models import (
    Batch,
    BatchAction,
    BatchItem,
    BatchStatus,
    CloseReason,
    ItemRule,
    ItemState,
    Opportunity,
    OpportunityEntry,
    Outcome,
)
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson, User

MOST_AT_ONCE = 10_000
A_STEP = 50  # opportunities that one request checks or changes while somebody watches
A_LONG_STEP = 1_000  # the same where every request needs the press of a button
SECONDS = 2.0  # after which a step ends in any case
ITEMS_IN_ONE_INSERT = 1_000


class NoRight(operations.Refused):
    """It belongs to somebody for whom the person does not work."""


# What is done to each --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change(ABC):
    """What a batch does to one opportunity, and how that is said of many."""

    batch: Batch
    operation: ClassVar[str]

    @abstractmethod
    def make(self, opportunity: Opportunity, **told: Any) -> OpportunityEntry:
        """Call the operation. Raises ``operations.Refused``."""

    def is_allowed(self, opportunity: Opportunity, by: User) -> bool:
        """Whether somebody may do this with it."""
        return self.operation in allowed(by, opportunity)

    @property
    @abstractmethod
    def title(self) -> str:
        """What is done."""

    @abstractmethod
    def offer(self, count: int) -> str:
        """What the button says."""

    @abstractmethod
    def will(self, count: int) -> str:
        """What is going to happen to so many."""

    @abstractmethod
    def did(self, count: int) -> str:
        """What happened to so many."""

    def _say(self, one: str, many: str, count: int) -> str:
        return ngettext(one, many, count) % {"n": grouped(count), "what": self._what}

    @property
    def _what(self) -> str:
        return ""


class ReassignMany(Change):
    """Give them to another salesperson."""

    operation = "reassign"

    def is_allowed(self, opportunity: Opportunity, by: User) -> bool:
        """To whom an opportunity belongs is for sales managers to say."""
        return by.is_manager() and super().is_allowed(opportunity, by)

    def make(self, opportunity: Opportunity, **told: Any) -> OpportunityEntry:
        salesperson = self.batch.salesperson
        try:
            return operations.reassign(
                opportunity=opportunity,
                salesperson=salesperson,
                with_tasks=self.batch.tasks_follow,
                **told,
            )
        except operations.NothingToChange:
            raise operations.NothingToChange(
                _("%(number)s belongs to %(salesperson)s already.")
                % {"number": opportunity.number, "salesperson": salesperson}
            ) from None

    @property
    def _what(self) -> str:
        return str(self.batch.salesperson)

    @property
    def title(self) -> str:
        return _("Reassign to %(what)s") % {"what": self._what}

    def offer(self, count: int) -> str:
        return self._say("Reassign %(n)s opportunity", "Reassign %(n)s opportunities", count)

    def will(self, count: int) -> str:
        text = self._say(
            "%(n)s opportunity will be given to %(what)s.",
            "%(n)s opportunities will be given to %(what)s.",
            count,
        )
        return f"{text} {_('Their open tasks follow.')}" if self.batch.tasks_follow else text

    def did(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity was given to %(what)s.",
            "%(n)s opportunities were given to %(what)s.",
            count,
        )


class MoveMany(Change):
    """Bring them into a stage, each with the chance and closing date that the stage offers."""

    operation = "move"

    def make(self, opportunity: Opportunity, **told: Any) -> OpportunityEntry:
        return operations.move(opportunity=opportunity, to=self.batch.stage, **told)

    @property
    def _what(self) -> str:
        return str(self.batch.stage)

    @property
    def title(self) -> str:
        return _("Move to %(what)s") % {"what": self._what}

    def offer(self, count: int) -> str:
        return self._say("Move %(n)s opportunity", "Move %(n)s opportunities", count)

    def will(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity will be moved to %(what)s.",
            "%(n)s opportunities will be moved to %(what)s.",
            count,
        )

    def did(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity was moved to %(what)s.",
            "%(n)s opportunities were moved to %(what)s.",
            count,
        )


class PostponeMany(Change):
    """Expect them to close on another day; value and chance stand."""

    operation = "revise"

    def make(self, opportunity: Opportunity, **told: Any) -> OpportunityEntry:
        estimate = operations.present_estimate(opportunity)
        revised = replace(estimate, closes_on=self.batch.closes_on)
        if opportunity.is_in_progress and revised == estimate:
            raise operations.NothingToChange(
                _("%(number)s is expected to close on that day already.") % {"number": opportunity.number}
            )
        return operations.revise(opportunity=opportunity, estimate=revised, **told)

    @property
    def _what(self) -> str:
        return date_format(self.batch.closes_on, "DATE_FORMAT") if self.batch.closes_on else ""

    @property
    def title(self) -> str:
        return _("Expect to close on %(what)s") % {"what": self._what}

    def offer(self, count: int) -> str:
        return self._say(
            "Change the date of %(n)s opportunity", "Change the date of %(n)s opportunities", count
        )

    def will(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity will be expected to close on %(what)s.",
            "%(n)s opportunities will be expected to close on %(what)s.",
            count,
        )

    def did(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity is now expected to close on %(what)s.",
            "%(n)s opportunities are now expected to close on %(what)s.",
            count,
        )


class LoseMany(Change):
    """Close them as lost."""

    operation = "close"

    def make(self, opportunity: Opportunity, **told: Any) -> OpportunityEntry:
        return operations.close(
            opportunity=opportunity,
            outcome=Outcome.LOST,
            reason=self.batch.reason,
            cancel_tasks=operations.ALL_TASKS if self.batch.cancels_tasks else (),
            **told,
        )

    @property
    def _what(self) -> str:
        return str(self.batch.reason)

    @property
    def title(self) -> str:
        return _("Close as lost: %(what)s") % {"what": self._what}

    def offer(self, count: int) -> str:
        return self._say("Close %(n)s opportunity as lost", "Close %(n)s opportunities as lost", count)

    def will(self, count: int) -> str:
        text = self._say(
            "%(n)s opportunity will be closed as lost (%(what)s).",
            "%(n)s opportunities will be closed as lost (%(what)s).",
            count,
        )
        return f"{text} {_('Their open tasks are cancelled.')}" if self.batch.cancels_tasks else text

    def did(self, count: int) -> str:
        return self._say(
            "%(n)s opportunity was closed as lost (%(what)s).",
            "%(n)s opportunities were closed as lost (%(what)s).",
            count,
        )


CHANGES: dict[str, type[Change]] = {
    BatchAction.REASSIGN: ReassignMany,
    BatchAction.MOVE: MoveMany,
    BatchAction.POSTPONE: PostponeMany,
    BatchAction.LOSE: LoseMany,
}


def change_of(batch: Batch) -> Change:
    """What a batch does."""
    return CHANGES[batch.action](batch)


def grouped(count: int) -> str:
    """A count as the reader writes it: 10,000."""
    return number_format(count, use_l10n=True, force_grouping=True)


# How far it is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How many of a batch's opportunities are in each state; those that were deleted meanwhile are none of them."""

    states: dict[str, int]

    def _in(self, *states: ItemState) -> int:
        return sum(self.states.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def checked(self) -> int:
        return self.total - self._in(ItemState.WAITING)

    @property
    def ready(self) -> int:
        return self._in(ItemState.READY)

    @property
    def changed(self) -> int:
        return self._in(ItemState.DONE)

    @property
    def left_alone(self) -> int:
        return self._in(ItemState.UNFIT, ItemState.REFUSED)

    @property
    def to_change(self) -> int:
        """All that were found fit, whatever became of them since."""
        return self._in(ItemState.READY, ItemState.DONE, ItemState.REFUSED)

    @property
    def tried(self) -> int:
        return self._in(ItemState.DONE, ItemState.REFUSED)

    @cached_property
    def not_reached(self) -> int:
        """Neither changed nor refused, because somebody said stop."""
        return self._in(ItemState.WAITING, ItemState.READY)


def progress_of(batch: Batch) -> Progress:
    """How far a batch is."""
    return Progress(batch.items.by_state())


# What happens to a batch -----------------------------------------------------------------------------------------


@transaction.atomic
def make(
    *,
    action: str,
    keys: Sequence[int],
    by: User,
    salesperson: Salesperson | None = None,
    stage: SalesCycleStage | None = None,
    closes_on: date | None = None,
    reason: CloseReason | None = None,
    note: str = "",
    cancels_tasks: bool = False,
    tasks_follow: bool = False,
) -> Batch:
    """A batch of the opportunities with these keys; nothing of them changes yet."""
    batch = Batch.objects.create(
        action=action,
        made_by=by,
        salesperson=salesperson,
        stage=stage,
        closes_on=closes_on,
        reason=reason,
        note=note,
        cancels_tasks=cancels_tasks,
        tasks_follow=tasks_follow,
    )
    for start in range(0, len(keys), ITEMS_IN_ONE_INSERT):
        BatchItem.objects.bulk_create(
            BatchItem(batch=batch, opportunity_id=key) for key in keys[start : start + ITEMS_IN_ONE_INSERT]
        )
    return batch


def step(batch: Batch, *, by: User, most: int = A_STEP, seconds: float = SECONDS) -> None:
    """Check or change the next few, at most so many and for about so long, whichever the batch is at."""
    deadline = monotonic() + seconds
    if batch.status == BatchStatus.CHECKING:
        _check_some(batch, by=by, most=most, deadline=deadline)
    elif batch.status == BatchStatus.RUNNING:
        for _turn in range(most):
            if not _change_next(batch, by=by) or monotonic() > deadline:
                break
        _end(batch)


def carry_out(batch: Batch) -> bool:
    """Its maker has read what would happen, and says yes; False when it is past that."""
    return _turn(batch, (BatchStatus.CHECKED,), BatchStatus.RUNNING)


def cancel(batch: Batch) -> bool:
    """Its maker says no, or stop: what is done stays, the rest stays as it is; False when it is over already."""
    before = (BatchStatus.CHECKING, BatchStatus.CHECKED, BatchStatus.RUNNING)
    return _turn(batch, before, BatchStatus.CANCELLED)


def _turn(batch: Batch, before: Sequence[BatchStatus], after: BatchStatus) -> bool:
    with transaction.atomic():
        if _held(batch) not in before:
            return False
        _set_status(batch, after)
    return True


def _held(batch: Batch) -> str:
    """The status as it is stored, the batch's row locked until the transaction is over."""
    batch.status = Batch.objects.select_for_update().values_list("status", flat=True).get(pk=batch.pk)
    return batch.status


def _set_status(batch: Batch, status: BatchStatus) -> None:
    batch.status = status
    batch.save(update_fields=["status"])


def _check_some(batch: Batch, *, by: User, most: int, deadline: float) -> None:
    """Ask the next few, then write down what they answered, unless another tab has done so meanwhile.

    A dry run locks nothing and writes nothing, so that nobody waits while many are checked.
    """
    waiting = batch.items.waiting()
    checked = list(_checked(batch, waiting.order_by("pk")[:most], by=by, deadline=deadline))
    with transaction.atomic():
        if _held(batch) != BatchStatus.CHECKING:
            return
        waiting.bulk_update(checked, ["state", "seen", "rule", "message"])
        if not waiting.exists():
            _set_status(batch, BatchStatus.CHECKED)


def _checked(batch: Batch, items: Any, *, by: User, deadline: float) -> Iterator[BatchItem]:
    change = change_of(batch)
    for item in items.select_related("opportunity"):
        try:
            entry = _make(change, item, by=by, dry_run=True)
        except operations.Refused as refusal:
            _refuse(item, ItemState.UNFIT, refusal)
        else:
            item.state, item.seen = ItemState.READY, entry.sequence - 1
        yield item
        if monotonic() > deadline:
            return


@transaction.atomic
def _change_next(batch: Batch, *, by: User) -> bool:
    """Change the next one and write down that it is done, together; False when there is none left."""
    if _held(batch) != BatchStatus.RUNNING:
        return False
    item = batch.items.ready().select_related("opportunity").order_by("pk").first()
    if item is None:
        return False
    try:
        _make(change_of(batch), item, by=by)
        item.state = ItemState.DONE
    except operations.Refused as refusal:
        _refuse(item, ItemState.REFUSED, refusal)
    # An update, not a save: an opportunity that was deleted a moment ago has taken its item with it.
    batch.items.filter(pk=item.pk).update(state=item.state, rule=item.rule, message=item.message)
    return True


@transaction.atomic
def _end(batch: Batch) -> None:
    """It is over when none is left."""
    if _held(batch) == BatchStatus.RUNNING and not batch.items.ready().exists():
        _set_status(batch, BatchStatus.DONE)


def _make(change: Change, item: BatchItem, *, by: User, dry_run: bool = False) -> OpportunityEntry:
    """Call the operation for one, if the person may."""
    opportunity = item.opportunity
    if not change.is_allowed(opportunity, by):
        raise NoRight(NOT_YOURS)
    return change.make(
        opportunity,
        by=by,
        on=operations.default_date(opportunity),
        seen=item.seen,
        note=change.batch.note,
        dry_run=dry_run,
    )


RULES: dict[type[operations.Refused], ItemRule] = {
    NoRight: ItemRule.NO_RIGHT,
    operations.AlreadyClosed: ItemRule.CLOSED,
    operations.NotStarted: ItemRule.NOT_STARTED,
    operations.NothingToChange: ItemRule.SO_ALREADY,
    operations.StageRefused: ItemRule.STAGE,
    operations.QuoteNeeded: ItemRule.QUOTE,
    operations.MovedMeanwhile: ItemRule.CHANGED,
    operations.DateRefused: ItemRule.DATE,
    operations.ClosingDateRefused: ItemRule.DATE,
}
LONGEST_MESSAGE = 500


def _refuse(item: BatchItem, state: ItemState, refusal: operations.Refused) -> None:
    """Write down what the rule says, and what kind of rule it is."""
    item.state = state
    item.message = Truncator(refusal.message).chars(LONGEST_MESSAGE)
    item.rule = RULES.get(type(refusal), ItemRule.OTHER)
    stage = item.batch.stage
    if item.rule == ItemRule.STAGE and stage is not None:
        if stage.cycle_id != item.opportunity.cycle_id:
            item.rule = ItemRule.OTHER_CYCLE
        elif stage.pk == item.opportunity.stage_id:
            item.rule = ItemRule.SO_ALREADY
