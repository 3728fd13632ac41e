"""What many opportunities come to: open, won and lost ones apart, never in one number."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from opportunities.models import OPEN_STATUSES, OpportunityQuerySet, Status, without_next_step

NOTHING = Decimal(0)
IS_OPEN, IS_WON, IS_LOST = Q(status__in=OPEN_STATUSES), Q(status=Status.WON), Q(status=Status.LOST)


def number(those: Q | None = None) -> Count:
    """How many there are, or how many of a sort."""
    return Count("pk", filter=those)


def estimated(those: Q | None = None) -> Sum:
    """What they were thought to bring; who has no estimate brings nothing."""
    return Sum("estimated_value", filter=those, default=NOTHING)


def calculated(those: Q | None = None) -> Sum:
    """What they come to: an open one its value times its probability, a won one what it was sold for."""
    return Sum("calculated_value", filter=those, default=NOTHING)


@dataclass(frozen=True)
class Totals:
    """How many there are of each sort and what they are worth; a sort that was not asked for is left out."""

    statuses: frozenset[str]
    figures: dict[str, Any]

    @property
    def count(self) -> int:
        """All of them."""
        count: int = self.figures["open"] + self.figures["won"] + self.figures["lost"]
        return count

    @property
    def shows_open(self) -> bool:
        """Whether open ones were asked for."""
        return not self.statuses.isdisjoint(OPEN_STATUSES)

    @property
    def shows_won(self) -> bool:
        """Whether won ones were asked for."""
        return Status.WON in self.statuses

    @property
    def shows_lost(self) -> bool:
        """Whether lost ones were asked for."""
        return Status.LOST in self.statuses


def totals(opportunities: OpportunityQuerySet, statuses: Iterable[str]) -> Totals:
    """Add all of them up in one question to the database."""
    figures = opportunities.order_by().aggregate(
        open=number(IS_OPEN),
        open_value=estimated(IS_OPEN),
        weighted=calculated(IS_OPEN),
        without_estimate=number(IS_OPEN & Q(estimated_value__isnull=True)),
        without_step=number(IS_OPEN & without_next_step()),
        won=number(IS_WON),
        sold=calculated(IS_WON),
        lost=number(IS_LOST),
        lost_value=estimated(IS_LOST),
    )
    return Totals(frozenset(statuses), figures)
