"""The board: the open opportunities of one sales cycle in a column per stage, each column read a page at a time.

The number of queries does not depend on the number of columns or cards: one adds up all columns, one brings the
first cards of each, and where a card may go is worked out from the stages that have been read already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import F, OrderBy, Window
from django.db.models.functions import RowNumber
from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.dates import today
from crm.pages import KeysetPage, address_after, keyset_page
from opportunities import operations
from opportunities.models import Opportunity, OpportunityQuerySet
from opportunities.norms import usual_days
from opportunities.stage_path import unreachable
from opportunities.totals import NOTHING, calculated, estimated, number
from salescycles.models import SalesCycleStage
from salespeople.models import User

COLUMN_SIZE = 20
LONG = 30  # days in a stage where nothing is known to be usual
ORDER = "estimated_close_on"  # within a column; those without a date last
NOT_STARTED = 0  # the key of the column of those that stand in no stage yet


@dataclass(frozen=True)
class Sums:
    """How many, what they may bring, and that times their probability."""

    count: int = 0
    value: Decimal = NOTHING
    weighted: Decimal = NOTHING

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.count + other.count, self.value + other.value, self.weighted + other.weighted)


@dataclass(frozen=True)
class Card:
    """An opportunity on the board, and the stages (by key) that this reader may put it into."""

    opportunity: Opportunity
    reach: list[int]
    days: int | None  # in this stage, when that is long
    is_workable: bool


@dataclass
class Column:
    """A stage, or None for those that are not started, with its sums and one page of its cards."""

    stage: SalesCycleStage | None
    sums: Sums = Sums()
    cards: list[Card] = field(default_factory=list)
    next_url: str | None = None
    previous_url: str | None = None
    notice: str = ""

    @property
    def key(self) -> int:
        """The primary key of the stage, or 0."""
        return _key(self.stage)

    @property
    def name(self) -> str:
        """What stands above it."""
        return str(self.stage) if self.stage else _("Not started")


class Board:
    """The columns of a sales cycle for one reader, drawn from the rows of a filter."""

    def __init__(self, rows: OpportunityQuerySet, stages: Sequence[SalesCycleStage], *, user: User) -> None:
        self.rows = rows
        self.stages = stages
        self.user = user
        sums = column_sums(rows)
        self.columns = [
            Column(stage, sums.get(_key(stage), Sums()))
            for stage in (None, *stages)
            if stage is None or stage.is_active or stage.pk in sums
        ]

    @property
    def total(self) -> Sums:
        """All columns together."""
        return sum((column.sums for column in self.columns), Sums())

    @property
    def not_started(self) -> int:
        """How many of them stand in no stage yet."""
        return self.columns[0].sums.count

    def column(self, key: str) -> Column | None:
        """The column of a stage, by its key as it stands in an address."""
        return next((column for column in self.columns if str(column.key) == key), None)

    def read_cards(self, params: QueryDict) -> None:
        """Fill each column with its first cards, and the one that the address names with the page asked for."""
        named = self.column(params.get("column", ""))
        found: dict[int, list[Opportunity]] = {}
        for opportunity in self._drawn(self.rows.filter(pk__in=first_of_each(self.rows))):
            found.setdefault(opportunity.stage_id or NOT_STARTED, []).append(opportunity)
        for column in self.columns:
            if column is named:
                self.read_page(column, params)
                continue
            first = found.get(column.key, [])
            column.cards = self.cards(first)
            if first and column.sums.count > len(first):
                column.next_url = address_after(_of_column(params, column), ORDER, first[-1])

    def read_page(self, column: Column, params: QueryDict) -> None:
        """Fill a column with the page of cards that the address asks for."""
        page: KeysetPage[Opportunity] = keyset_page(
            self._drawn(self.rows.in_stage(column.stage)),
            sorts=(ORDER,),
            params=_of_column(params, column, keep_place=True),
            default=ORDER,
            size=COLUMN_SIZE,
        )
        column.cards = self.cards(page.rows)
        column.next_url, column.previous_url = page.next_url, page.previous_url
        column.notice = page.notice

    def card(self, pk: int) -> Card | None:
        """The card of one opportunity, if it is among those that are asked for."""
        return next(iter(self.cards(self._drawn(self.rows.filter(pk=pk)))), None)

    def cards(self, opportunities: Iterable[Opportunity]) -> list[Card]:
        """Opportunities with what a card says of them."""
        return [self._card(one, self.long.get(one.stage_id or NOT_STARTED, LONG)) for one in opportunities]

    @cached_property
    def long(self) -> dict[int, int]:
        """After how many days a stay in each stage, by key, is longer than four in five were."""
        norms = usual_days([stage.pk for stage in self.stages])
        return {key: norm.four_in_five or LONG for key, norm in norms.items()}

    @cached_property
    def refusals(self) -> dict[int, dict[int, str]]:
        """For each stage, by key, where a card in it cannot go without a quote, and the rule that says so."""
        places: list[SalesCycleStage | None] = [None, *self.stages]
        return {
            _key(here): {
                _key(to): why for to in places if to != here and (why := refusal(self.stages, here, to))
            }
            for here in places
        }

    @cached_property
    def reachable(self) -> dict[int, list[SalesCycleStage]]:
        """For each stage, by key, where a card in it may go if it has whatever quote is needed."""
        return {
            _key(here): operations.reachable_from(operations.in_play(self.stages, _key(here)), here)
            for here in (None, *self.stages)
        }

    def reach(self, opportunity: Opportunity) -> list[SalesCycleStage]:
        """Where an opportunity may go; whether it has a quote is asked only where that makes a difference."""
        key = opportunity.stage_id or NOT_STARTED
        reachable, why = self.reachable.get(key, []), self.refusals.get(key, {})
        free = [stage for stage in reachable if stage.pk not in why]
        return reachable if len(free) < len(reachable) and operations.has_quote(opportunity) else free

    def _card(self, opportunity: Opportunity, long: int) -> Card:
        workable = bool(getattr(opportunity, "is_workable", False))
        since = opportunity.stage_entered_on
        days = (today() - since).days if since else 0
        reach = [stage.pk for stage in self.reach(opportunity)] if workable else []
        return Card(opportunity, reach, days if days > long else None, workable)

    def _drawn(self, rows: OpportunityQuerySet) -> OpportunityQuerySet:
        """In the order of a column, with all that a card names."""
        named = rows.select_related("contact__company", "company", "salesperson")
        drawn: OpportunityQuerySet = named.with_next_step().marked_workable_by(self.user).order_by(*_order())
        return drawn


def column_sums(rows: OpportunityQuerySet) -> dict[int, Sums]:
    """The sums of each column that holds anything, by key, in one query."""
    by_stage = rows.order_by().values("stage")
    added = by_stage.annotate(count=number(), value=estimated(), weighted=calculated())
    return {row["stage"] or NOT_STARTED: Sums(row["count"], row["value"], row["weighted"]) for row in added}


def first_of_each(rows: OpportunityQuerySet) -> Any:
    """The keys of the first cards of every column, as one subquery."""
    place = Window(RowNumber(), partition_by=F("stage"), order_by=_order())
    return rows.order_by().annotate(place=place).filter(place__lte=COLUMN_SIZE).values("pk")


def refusal(
    stages: Sequence[SalesCycleStage], here: SalesCycleStage | None, to: SalesCycleStage | None
) -> str:
    """Why one cannot go from one stage to another without a quote, or nothing when one can."""
    if to is None:
        return _("What is started stays started.")
    why = unreachable(stages, here, to)
    if why or here is None:
        return why
    gate = operations.quote_gate(operations.in_play(stages, here.pk), here, to)
    if gate is None:
        return ""
    if gate == here:
        return _("%(stage)s cannot be left forward without a quote.") % {"stage": gate}
    return _("%(stage)s needs a quote.") % {"stage": gate}


def ways_on(opportunity: Opportunity) -> list[tuple[SalesCycleStage, str]]:
    """The stages one opportunity may go to, each with the rule that a missing quote breaks, if it does. Runs queries."""
    stages = list(opportunity.cycle.stages.order_by("position"))
    ways = [
        (stage, refusal(stages, opportunity.stage, stage))
        for stage in operations.reachable_stages(opportunity)
    ]
    if any(why for _stage, why in ways) and operations.has_quote(opportunity):
        return [(stage, "") for stage, _why in ways]
    return ways


def _key(stage: SalesCycleStage | None) -> int:
    return stage.pk if stage else NOT_STARTED


def _order() -> list[OrderBy]:
    return [F(ORDER).asc(nulls_last=True), F("pk").asc()]


def _of_column(params: QueryDict, column: Column, *, keep_place: bool = False) -> QueryDict:
    """The address of the same board with one of its columns on another page."""
    query = params.copy()
    for name in ("sort",) if keep_place else ("sort", "after", "before"):
        query.pop(name, None)
    query["column"] = str(column.key)
    return query
