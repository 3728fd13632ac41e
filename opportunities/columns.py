"""What the list of opportunities can show of each: the columns, by the names that its address knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.text import quoted


@dataclass(frozen=True)
class Column:
    """One column: its heading, the field one can sort by, and the rows that have to be read with it."""

    name: str
    label: Any
    sort: str = ""
    is_number: bool = False
    reads: str = ""  # a relation that the list does not read anyway


NAME = "description"  # says which opportunity a row is, so it is always there
NEXT_STEP = "step"
COLUMNS = {
    column.name: column
    for column in (
        Column("number", _("No."), "id"),
        Column("description", _("Description"), "description"),
        Column("company", _("Company"), "company__name"),
        Column("contact", _("Contact"), "contact__name"),
        Column("status", _("Status"), "status"),
        Column("stage", _("Stage"), "stage__position"),
        Column("entered", _("In stage since"), "stage_entered_on"),
        Column("chance", _("Chance"), "chance_percent", is_number=True),
        Column("completed", _("Completed"), "completed_percent", is_number=True),
        Column("probability", _("Probability"), "probability_percent", is_number=True),
        Column("value", _("Estimated value"), "estimated_value", is_number=True),
        Column("calculated", _("Calculated"), "calculated_value", is_number=True),
        Column("closes", _("Est. close"), "estimated_close_on"),
        Column(NEXT_STEP, _("Next step")),  # found for the rows of a page, so there is no order by it
        Column("closed", _("Closed on"), "closed_on"),
        Column("reason", _("Close reason"), "close_reason__description", reads="close_reason"),
        Column("salesperson", _("Salesperson"), "salesperson__name"),
        Column("team", _("Team"), "salesperson__team__name", reads="salesperson__team"),
        Column("cycle", _("Sales cycle"), "cycle__description"),
        Column("priority", _("Priority"), "priority"),
        Column("created", _("Created on"), "created_on"),
        Column("changed", _("Changed on"), "changed_on"),
    )
}
USUAL = (
    "number",
    "description",
    "company",
    "stage",
    "value",
    "calculated",
    "closes",
    NEXT_STEP,
    "salesperson",
)
SORTS = tuple(column.sort for column in COLUMNS.values() if column.sort)


@dataclass(frozen=True)
class Choice:
    """The columns that an address names, those it names in vain, and whether it names any."""

    columns: tuple[Column, ...]
    unknown: tuple[str, ...] = ()
    is_own: bool = False

    @property
    def names(self) -> set[str]:
        """The names of the columns shown."""
        return {column.name for column in self.columns}

    @property
    def unknown_names(self) -> str:
        """The names that mean nothing, in quotation marks."""
        return quoted(self.unknown)

    @property
    def reads(self) -> list[str]:
        """The relations that have to be read for them."""
        return [column.reads for column in self.columns if column.reads]


def chosen(values: Iterable[str]) -> Choice:
    """The columns that ``columns=`` asks for, comma-separated or one at a time, each once and in that order."""
    names = list(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))
    known = [name for name in names if name in COLUMNS]
    unknown = tuple(name for name in names if name not in COLUMNS)
    if not known:
        return Choice(tuple(COLUMNS[name] for name in USUAL), unknown)
    if NAME not in known:
        known.insert(1 if known[0] == "number" else 0, NAME)
    return Choice(tuple(COLUMNS[name] for name in known), unknown, is_own=True)


def to_choose(choice: Choice) -> list[tuple[Column, bool]]:
    """All columns with whether they are shown: those that are first, in their order."""
    others = [column for column in COLUMNS.values() if column.name not in choice.names]
    return [*((column, True) for column in choice.columns), *((column, False) for column in others)]
