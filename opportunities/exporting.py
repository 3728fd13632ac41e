"""Opportunities and their entries as rows of a table, for spreadsheets and other systems.

Headings, their order and the words for status and outcome are fixed: they do not follow anybody's language, so
that what reads the file today reads it tomorrow. Numbers keep every digit that is stored.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import OuterRef, Subquery

from opportunities.models import (
    Action,
    Opportunity,
    OpportunityEntry,
    OpportunityQuerySet,
    Status,
)

AT_A_TIME = 1_000


class Column(NamedTuple):
    """A heading, and what stands under it."""

    heading: str
    value: Callable[[Any], object]


def _of(path: str) -> Callable[[Any], object]:
    """The attribute at the end of a dotted path, or nothing where the path breaks off."""
    names = path.split(".")

    def value(row: Any) -> object:
        for name in names:
            row = getattr(row, name, None)
        return row

    return value


def _outcome(row: Opportunity | OpportunityEntry) -> str:
    return row.status if row.is_closed else ""


def _amount(row: Opportunity | OpportunityEntry) -> Decimal | None:
    """What was sold, to the cent."""
    return row.calculated_value.quantize(Decimal("0.01")) if row.status == Status.WON else None


ESTIMATE = [
    Column("Estimated value", _of("estimated_value")),
    Column("Chance %", _of("chance_percent")),
    Column("Completed %", _of("completed_percent")),
    Column("Probability %", _of("probability_percent")),
    Column("Calculated value", _of("calculated_value")),
    Column("Currency", lambda _row: settings.CURRENCY),
    Column("Estimated close", _of("estimated_close_on")),
]
PARTIES = [
    Column("Contact number", _of("contact.number")),
    Column("Contact", _of("contact.name")),
    Column("Company number", _of("company.number")),
    Column("Company", _of("company.name")),
    Column("Salesperson code", _of("salesperson.code")),
    Column("Salesperson", _of("salesperson.name")),
    Column("Team code", _of("salesperson.team.code")),
]
ENDING = [
    Column("Closed on", _of("closed_on")),
    Column("Outcome", _outcome),
    Column("Amount", _amount),
    Column("Close reason code", _of("close_reason.code")),
    Column("Close reason", _of("close_reason.description")),
]
OPPORTUNITY_COLUMNS = [
    Column("Number", _of("number")),
    Column("External id", _of("external_id")),
    Column("Description", _of("description")),
    Column("Status", _of("status")),
    Column("Priority", _of("priority")),
    *PARTIES,
    Column("Sales cycle code", _of("cycle.code")),
    Column("Sales cycle", _of("cycle.description")),
    Column("Stage", _of("stage.description")),
    Column("In stage since", _of("stage_entered_on")),
    Column("Created on", _of("created_on")),
    Column("Started on", _of("started_on")),
    Column("Changed on", _of("changed_on")),
    *ESTIMATE,
    *ENDING,
    Column("Version", _of("version")),
    Column("Next step", _of("next_step.description")),
    Column("Next step kind", _of("next_step.kind")),
    Column("Next step due", _of("next_step.due_on")),
]
ENTRY_COLUMNS = [
    Column("Number", _of("opportunity.number")),
    Column("External id", _of("opportunity.external_id")),
    Column("Description", _of("opportunity.description")),
    Column("Sequence", _of("sequence")),
    Column("Action", _of("action")),
    Column("Holds from", _of("changed_on")),
    Column("Until", _of("ended_on")),
    Column("Status", _of("status")),
    *PARTIES,
    Column("Sales cycle code", _of("cycle.code")),
    Column("Stage", _of("stage_description")),
    Column("Previous stage", _of("previous_stage.description")),
    Column("In stage since", _of("stage_entered_on")),
    Column("Probability method", _of("probability_method")),
    *ESTIMATE,
    *ENDING,
    Column("Recorded at", lambda row: row.recorded_at.isoformat(timespec="seconds")),
    Column("Recorded by", _of("recorded_by.email")),
    Column("Note", _of("note")),
]


def headings(*, entries: bool) -> list[str]:
    """The first row."""
    return [column.heading for column in (ENTRY_COLUMNS if entries else OPPORTUNITY_COLUMNS)]


def count(opportunities: OpportunityQuerySet, *, entries: bool) -> int:
    """How many rows there will be, if nobody adds one meanwhile."""
    rows: int = _rows(opportunities, entries=entries).count()
    return rows


def export_rows(opportunities: OpportunityQuerySet, *, entries: bool) -> Iterator[list[object]]:
    """The rows in the order of their keys, never many in memory; one question to the database, so one moment."""
    columns = ENTRY_COLUMNS if entries else OPPORTUNITY_COLUMNS
    for row in _rows(opportunities, entries=entries).iterator(chunk_size=AT_A_TIME):
        values = [column.value(row) for column in columns]
        yield ["" if value is None else value for value in values]


def _rows(opportunities: OpportunityQuerySet, *, entries: bool) -> Any:
    if entries:
        return (
            OpportunityEntry.objects.filter(opportunity__in=opportunities.values("pk"))
            .with_names()
            .select_related("opportunity", "cycle", "salesperson__team")
            .order_by("opportunity_id", "sequence")
        )
    started = OpportunityEntry.objects.filter(opportunity=OuterRef("pk"), action=Action.STARTED)
    return (
        opportunities.with_names()
        .with_next_step()
        .select_related("salesperson__team", "close_reason")
        .annotate(started_on=Subquery(started.order_by("sequence").values("changed_on")[:1]))
        .order_by("pk")
    )
