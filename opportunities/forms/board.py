"""What the board is asked: the filter of the list in one sales cycle, and a card that is put in another column."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy

from crm.forms import LARGEST_KEY
from opportunities import operations
from opportunities.forms.fields import needed
from opportunities.forms.filters import Chip, OpportunityFilter, RowField, kept
from opportunities.models import (
    CLOSED_STATUSES,
    Opportunity,
    OpportunityEntry,
    OpportunityQuerySet,
)
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import User

NOT_HERE = ("cycle", "closed", "closed_from", "closed_to", "reason")


class BoardFilter(OpportunityFilter):
    """The filter of the list, for the open opportunities of one sales cycle."""

    @cached_property
    def cycles(self) -> list[SalesCycle]:
        """All sales cycles by name."""
        return [cycle for cycle in self._rows_of("cycle") if isinstance(cycle, SalesCycle)]

    @cached_property
    def sales_cycle(self) -> SalesCycle | None:
        """The cycle that is asked for, or that of the stage asked for, else the default one, else the first in use."""
        if "cycle" in self.form.errors:
            return None
        asked, stage = self.form.cleaned_data.get("cycle"), self.form.cleaned_data.get("stage")
        if isinstance(asked, SalesCycle):
            return asked
        if isinstance(stage, SalesCycleStage):
            return stage.cycle
        in_use = [cycle for cycle in self.cycles if not cycle.is_blocked] or self.cycles
        first = in_use[0] if in_use else None
        return next((cycle for cycle in in_use if cycle.is_default), first)

    @cached_property
    def stages(self) -> list[SalesCycleStage]:
        """All stages of the cycle in their order, the retired ones too."""
        stages = [stage for stage in self._rows_of("stage") if isinstance(stage, SalesCycleStage)]
        return [
            stage
            for stage in stages
            if self.sales_cycle is not None and stage.cycle_id == self.sales_cycle.pk
        ]

    @cached_property
    def rows(self) -> OpportunityQuerySet:
        """The open ones of the cycle among those that are asked for."""
        return super().rows.in_cycle(self.sales_cycle).open()

    @property
    def asks_for_closed(self) -> bool:
        """Whether closed ones are asked for, which no board shows."""
        return any(status in self.statuses for status in CLOSED_STATUSES)

    @property
    def is_narrowed_here(self) -> bool:
        """Whether anything is asked for besides the sales cycle."""
        return any(self.data.get(name) for name in self.filters if name != "cycle")

    @cached_property
    def chips(self) -> list[Chip]:
        """What is asked for besides the sales cycle, which is chosen above the board."""
        return [chip for chip in super().chips if chip.name != "cycle"]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """The fields shown on demand, without those about closing, which say nothing of open ones, and the cycle."""
        return [field for field in super().other_fields if field.name not in NOT_HERE or field.errors]

    @property
    def query_string(self) -> str:
        """What is asked for within the cycle."""
        query = self.data.copy()
        query.pop("cycle", None)
        return kept(query)

    @property
    def whole_query_string(self) -> str:
        """What is asked for with the cycle, as the list understands it."""
        query = QueryDict(self.query_string, mutable=True)
        if self.sales_cycle is not None:
            query["cycle"] = str(self.sales_cycle.pk)
        return query.urlencode()

    def _rows_of(self, name: str) -> Any:
        field = self.form.fields[name]
        assert isinstance(field, RowField)
        return field.rows.values()


class CardForm(forms.Form):
    """A card that is put into the column of another stage, and the version of it that was on the screen."""

    to = forms.IntegerField(
        min_value=0, max_value=LARGEST_KEY, error_messages=needed(operations.STAGE_NEEDED)
    )
    seen = forms.IntegerField(min_value=1, max_value=2**31 - 1)

    def perform(self, opportunity: Opportunity, *, by: User) -> OpportunityEntry:
        """Start or move it with the estimate that is offered. Raises ``operations.Refused``."""
        to = SalesCycleStage.objects.filter(pk=self.cleaned_data["to"]).first()
        told: dict[str, Any] = {
            "opportunity": opportunity,
            "by": by,
            "on": operations.default_date(opportunity),
            "seen": self.cleaned_data["seen"],
        }
        if opportunity.is_not_started and to in operations.reachable_stages(opportunity):
            return operations.start(**told)
        return operations.move(to=to, **told)

    @property
    def mistake(self) -> str:
        """What is wrong with it, in one sentence."""
        return next((str(errors[0]) for errors in self.errors.values()), "")


CARD_NOT_THERE = gettext_lazy("This opportunity is not there any more.")
