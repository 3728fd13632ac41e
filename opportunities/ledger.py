"""The ledger read back: what changed between entries, and the proof that all of it adds up.

``verify`` replays every opportunity from its entries. It recomputes what follows (order, dates, percentages,
values, who follows whom), checks each entry's seal, and compares the result with the opportunity's own row, so
that a number changed behind the operations' back is found.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from crm.fields import HUNDRED
from opportunities.models import (
    CLOSED_STATUSES,
    FACTS,
    MOVES,
    OPEN_STATUSES,
    Action,
    Facts,
    Opportunity,
    OpportunityEntry,
    Status,
)
from salescycles.models import ProbabilityMethod

BATCH = 500
UNREADABLE = (TypeError, ValueError, ArithmeticError)  # what SQLite lets somebody write into a typed column
ESTIMATE = {
    "probability_method",
    "estimated_value",
    "chance_percent",
    "completed_percent",
    "probability_percent",
    "calculated_value",
    "estimated_close_on",
}
CLOSING = {"closed_on", "close_reason_id"}
STAGE = {"stage_id", "stage_entered_on"}
# Which facts an action may change.
MAY_CHANGE: dict[str, set[str]] = {
    Action.STARTED: {"status", *STAGE, *ESTIMATE},
    **{action: {*STAGE, *ESTIMATE} for action in MOVES},
    Action.UPDATED: ESTIMATE,
    Action.REASSIGNED: {"salesperson_id", "contact_id", "company_id"},
    Action.WON: {"status", *CLOSING, *ESTIMATE},
    Action.LOST: {"status", *CLOSING, *ESTIMATE},
    Action.REOPENED: {"status", *CLOSING, *ESTIMATE},
    Action.UNDONE: set(FACTS),
    Action.MERGED: {"contact_id", "company_id"},
}
# The status an action needs before, and leaves behind.
STATUS_AROUND: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    Action.STARTED: ((Status.NOT_STARTED,), (Status.IN_PROGRESS,)),
    **dict.fromkeys((*MOVES, Action.UPDATED), ((Status.IN_PROGRESS,), (Status.IN_PROGRESS,))),
    Action.REASSIGNED: (OPEN_STATUSES, OPEN_STATUSES),
    Action.WON: (OPEN_STATUSES, (Status.WON,)),
    Action.LOST: (OPEN_STATUSES, (Status.LOST,)),
    Action.REOPENED: (CLOSED_STATUSES, OPEN_STATUSES),
    Action.MERGED: (tuple(Status), tuple(Status)),
}


@dataclass(frozen=True)
class Difference:
    """Something in the ledger that cannot be; ``sequence`` is None where it is about the opportunity's row."""

    number: str
    sequence: int | None
    message: str

    def __str__(self) -> str:
        where = self.number if self.sequence is None else f"{self.number}/{self.sequence}"
        return f"{where}: {self.message}"


def verify(opportunities: QuerySet[Opportunity]) -> Iterator[Difference]:
    """Every difference in the ledger of ``opportunities``, read in batches of bounded size, in the order of keys.

    People may go on working: what differs is read again while its row is locked, and reported if it still does.
    """
    last = 0
    while True:
        window = opportunities.filter(pk__gt=last).order_by("pk")[:BATCH]
        try:
            batch = list(window)
            keys = [row.pk for row in batch]
            differences = _verify_batch(batch)
        except UNREADABLE:
            keys = list(window.values_list("pk", flat=True))
            differences = [difference for key in keys for difference in _verify_unreadable(key)]
        if not keys:
            return
        yield from differences
        last = keys[-1]


def orphans() -> Iterator[Difference]:
    """A difference for every opportunity that is gone while entries of it are there."""
    gone = OpportunityEntry.objects.filter(~Exists(Opportunity.objects.filter(pk=OuterRef("opportunity_id"))))
    for key in gone.order_by("opportunity_id").values_list("opportunity_id", flat=True).distinct():
        yield Difference(f"#{key}", None, _("is gone, but its entries are there"))


def _verify_batch(batch: Sequence[Opportunity]) -> list[Difference]:
    by_opportunity = {
        pk: list(group) for pk, group in groupby(_entries_of(batch), key=lambda e: e.opportunity_id)
    }
    return [
        difference
        for opportunity in batch
        if any(verify_one(opportunity, by_opportunity.get(opportunity.pk, [])))
        for difference in _verify_again(opportunity.pk)
    ]


def _verify_unreadable(key: int) -> list[Difference]:
    """The differences of one opportunity, of which something may not even be a number or a date."""
    try:
        return _verify_batch(list(Opportunity.objects.filter(pk=key)))
    except UNREADABLE:
        number = Opportunity.objects.values_list("number", flat=True).get(pk=key)
        return [Difference(number, None, _("holds a value that cannot be read"))]


def _entries_of(opportunities: Sequence[Opportunity]) -> list[OpportunityEntry]:
    entries = OpportunityEntry.objects.filter(opportunity__in=[row.pk for row in opportunities])
    return list(entries.select_related("stage", "close_reason").order_by("opportunity_id", "sequence"))


def _verify_again(key: int) -> list[Difference]:
    """The differences of one opportunity as it is stored now; none when it is gone."""
    with transaction.atomic():
        row = Opportunity.objects.select_for_update().filter(pk=key).first()
        return list(verify_one(row, _entries_of([row]))) if row else []


def verify_one(opportunity: Opportunity, entries: Sequence[OpportunityEntry]) -> Iterator[Difference]:
    """The differences of one opportunity; ``entries`` are all of its entries in the order of their sequence."""
    if not entries:
        yield Difference(opportunity.number, None, _("has no entries"))
        return
    for index, entry in enumerate(entries):
        for message in _wrong_with(opportunity, entries, index, entry):
            yield Difference(opportunity.number, entry.sequence, message)
    newest = entries[-1]
    row: dict[str, tuple[Any, Any]] = {
        name: (getattr(opportunity, name), getattr(newest, name)) for name in FACTS
    }
    row["changed_on"] = (opportunity.changed_on, newest.changed_on)
    row["version"] = (opportunity.version, newest.sequence)
    row["created_on"] = (opportunity.created_on, entries[0].changed_on)
    for name, (has, should) in row.items():
        if has != should:
            yield Difference(
                opportunity.number,
                None,
                _("%(name)s is %(has)s, but its entries say %(should)s")
                % {"name": name, "has": has, "should": should},
            )


def _wrong_with(
    opportunity: Opportunity, entries: Sequence[OpportunityEntry], index: int, entry: OpportunityEntry
) -> Iterator[str]:
    """What is wrong with one entry, in words."""
    before = entries[index - 1] if index else None
    after = entries[index + 1] if index + 1 < len(entries) else None
    if entry.sequence != index + 1:
        yield _("the sequence should be %(n)d") % {"n": index + 1}
    if entry.seal != entry.compute_seal(before.seal if before else ""):
        yield _("the seal is broken: the entry, or the one before it, is not as it was written")
    if entry.ended_on != (after.changed_on if after else None):
        yield _("ends on %(has)s instead of %(should)s") % {
            "has": entry.ended_on,
            "should": after.changed_on if after else _("staying open"),
        }
    yield from _wrong_arithmetic(entry)
    if before is None:
        if entry.action != Action.CREATED or entry.status != Status.NOT_STARTED:
            yield _("the first entry does not create it")
        return
    if entry.changed_on < before.changed_on:
        yield _("holds from before the entry it follows")
    yield from _wrong_step(entries, index, before, entry)


def _wrong_arithmetic(entry: OpportunityEntry) -> Iterator[str]:
    """Percentages and values that do not follow from each other, and keys that do not belong together."""
    if entry.stage is not None and entry.stage.cycle_id != entry.cycle_id:
        yield _("the stage belongs to another sales cycle")
    if entry.close_reason is not None and entry.close_reason.outcome != entry.status:
        yield _("the close reason is for the other outcome")
    if entry.status == Status.WON and entry.calculated_value != round(entry.calculated_value, 2):
        yield _("the sale amount %(has)s has more than two decimals") % {"has": entry.calculated_value}
    if entry.is_closed:
        return  # constraints of the database hold the percentages and values of closed ones
    probability = ProbabilityMethod(entry.probability_method).probability(
        chance=entry.chance_percent or Decimal(0), completed=entry.completed_percent
    )
    if not _same(entry.probability_percent, probability):
        yield _("the probability is %(has)s, computed %(should)s") % {
            "has": entry.probability_percent,
            "should": probability,
        }
    value = (entry.estimated_value or Decimal(0)) * probability / HUNDRED
    if not _same(entry.calculated_value, value):
        yield _("the calculated value is %(has)s, computed %(should)s") % {
            "has": entry.calculated_value,
            "should": value,
        }


def _wrong_step(
    entries: Sequence[OpportunityEntry], index: int, before: OpportunityEntry, entry: OpportunityEntry
) -> Iterator[str]:
    """Whether the entry can follow from the one before by its action."""
    if entry.action == Action.CREATED:
        yield _("it is created a second time")
        return
    if entry.previous_stage_id != before.stage_id:
        yield _("the previous stage is not the one it was in")
    if entry.action == Action.UNDONE:
        restored = entries[index - 2] if index >= 2 else None
        if restored is None or restored.facts() != entry.facts():
            yield _("it does not restore the state before the last entry")
        return
    comes_from, leads_to = STATUS_AROUND[entry.action]
    if before.status not in comes_from or entry.status not in leads_to:
        yield _("%(action)s cannot lead from %(before)s to %(after)s") % {
            "action": entry.get_action_display(),
            "before": before.get_status_display(),
            "after": entry.get_status_display(),
        }
    changed = {name for name in FACTS if getattr(before, name) != getattr(entry, name)}
    if foreign := sorted(changed - MAY_CHANGE[entry.action]):
        yield _("%(action)s changed %(names)s") % {
            "action": entry.get_action_display(),
            "names": ", ".join(foreign),
        }
    if entry.action in MOVES and entry.stage_id == before.stage_id:
        yield _("it moved to the stage it was in")
    if "stage_id" in changed and entry.stage_entered_on != entry.changed_on:
        yield _("it is not in its stage since the day it entered")
    if entry.action in (Action.WON, Action.LOST) and entry.closed_on != entry.changed_on:
        yield _("it is not closed on the day of the change")


def _same(stored: Decimal, computed: Decimal) -> bool:
    """Equal to the last digit that the database keeps (SQLite keeps fifteen significant ones)."""
    if connection.vendor == "sqlite":
        fifteen = Context(prec=15)
        return fifteen.plus(stored.normalize()) == fifteen.plus(computed.normalize())
    return stored == computed


@dataclass(frozen=True)
class Change:
    """One fact that an entry changed; ``kind`` says how to write it: text, money, percent or day."""

    name: str
    kind: str
    old: Any
    new: Any


def changes(before: Facts | None, after: Facts) -> list[Change]:
    """What is different in ``after``, in the order one reads it; everything it says when there is nothing before.

    Loads no rows beyond the names of stage, salesperson, contact, company and close reason.
    """
    watched: list[tuple[str, str, str]] = [
        (_("Value"), "money", "estimated_value"),
        (_("Chance"), "percent", "chance_percent"),
        (_("Close"), "day", "estimated_close_on"),
        (_("Salesperson"), "text", "salesperson"),
        (_("Contact"), "text", "contact"),
        (_("Company"), "text", "company"),
        (_("Reason"), "text", "close_reason"),
    ]
    found = []
    for label, kind, name in watched:
        key = name if kind != "text" else f"{name}_id"
        old_key, new_key = getattr(before, key, None), getattr(after, key)
        if old_key != new_key and (before is not None or kind != "text"):
            old, new = getattr(before, name, None), getattr(after, name)
            if getattr(after, "action", "") == Action.MERGED:  # both may have the same name
                old, new = (contact and contact.label for contact in (old, new))
            found.append(Change(label, kind, old, new))
    if after.status == Status.WON and (before is None or before.status != Status.WON):
        found.insert(0, Change(_("Sale"), "money", None, after.calculated_value))
    return found


def days_in_stages(entries: Iterable[tuple[int, date, date, date | None]], until: date) -> dict[int, int]:
    """Whole days in each stage over all stays, for every stage that was ever entered.

    ``entries`` are (stage, in this stage since, holds from, closed on), oldest first. The time since an entry's
    stage was entered belongs to that stage, so a move that was undone takes no days from the stage it returned to.
    A stay lasts until the next entry, or ``until``; a closed opportunity's until it was closed.
    """
    stays: list[tuple[int, date, date]] = []
    before: tuple[int, date, date | None] | None = None
    for stage, entered_on, changed_on, closed_on in entries:
        if before is not None:
            stays.append((before[0], before[1], before[2] or changed_on))
        stays = [
            (other, begin, min(end, entered_on))
            for other, begin, end in stays
            if begin < entered_on or (begin == entered_on and other != stage)
        ]
        before = (stage, entered_on, closed_on)
    if before is not None:
        stays.append((before[0], before[1], before[2] or until))
    days: dict[int, int] = {}
    for in_stage, begin, end in stays:
        days[in_stage] = days.get(in_stage, 0) + max((end - begin).days, 0)
    return days
