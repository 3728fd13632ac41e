"""What many opportunities come to: open, won and lost ones apart, never in one number."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from opportunities.models import OPEN_STATUSES, OpportunityQuerySet, Status

NOTHING = Decimal(0)


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
    is_open, is_won, is_lost = Q(status__in=OPEN_STATUSES), Q(status=Status.WON), Q(status=Status.LOST)
    figures = opportunities.order_by().aggregate(
        open=Count("pk", filter=is_open),
        open_value=Sum("estimated_value", filter=is_open, default=NOTHING),
        weighted=Sum("calculated_value", filter=is_open, default=NOTHING),
        without_estimate=Count("pk", filter=is_open & Q(estimated_value__isnull=True)),
        won=Count("pk", filter=is_won),
        sold=Sum("calculated_value", filter=is_won, default=NOTHING),
        lost=Count("pk", filter=is_lost),
        lost_value=Sum("estimated_value", filter=is_lost, default=NOTHING),
    )
    return Totals(frozenset(statuses), figures)
