"""The stages of an opportunity as a path: how long it was in each, and where it may go from here."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.dates import today
from opportunities import operations
from opportunities.ledger import days_in_stages
from opportunities.models import Opportunity, Status
from salescycles.models import SalesCycleStage

STAYS_READ = 500


@dataclass(frozen=True)
class Step:
    """One stage on the path. ``url`` moves there, if that is possible; else ``why`` says why not."""

    label: str
    note: str
    state: str
    stage: SalesCycleStage
    url: str = ""
    why: str = ""


class StagePath:
    """Where an opportunity stands among the stages of its cycle, all of which are given in their order."""

    def __init__(self, opportunity: Opportunity, stages: Sequence[SalesCycleStage]) -> None:
        self.opportunity = opportunity
        self.stages = stages
        in_play = operations.in_play(stages, opportunity.stage_id)
        self.reachable = (
            [] if opportunity.is_closed else operations.reachable_from(in_play, opportunity.stage)
        )
        here = opportunity.stage
        self.ahead = [stage for stage in self.reachable if here and stage.position > here.position]

    @property
    def next_stage(self) -> SalesCycleStage | None:
        """The stage a move leads to unless one says otherwise."""
        return self.ahead[0] if self.ahead else None

    @property
    def other_stage(self) -> SalesCycleStage | None:
        """Another stage one may want to move to: further on, else the last one back."""
        if not self.opportunity.is_in_progress:
            return None
        others = [*self.ahead[1:], *reversed(self.reachable)]
        return next((stage for stage in others if stage not in self.ahead[:1]), None)

    @property
    def first_stage(self) -> SalesCycleStage | None:
        """Where it is started, if it is not."""
        return next(iter(self.reachable), None) if self.opportunity.is_not_started else None

    def steps(self, may: frozenset[str]) -> list[Step]:
        """The path for somebody who may do this and that; stages no longer in use only if it was in them. One query."""
        days = self._days()
        return [self._step(stage, days, may) for stage in self.stages if stage.is_active or stage.pk in days]

    def _step(self, stage: SalesCycleStage, days: dict[int, int], may: frozenset[str]) -> Step:
        state = self._state(stage, days)
        url = self._url(stage, may)
        return Step(
            label=str(stage),
            note=_note(stage, state, days.get(stage.pk, 0), this_stay=self._this_stay()),
            state=state,
            stage=stage,
            url=url,
            why="" if url else self._why_not(stage, may),
        )

    def _days(self) -> dict[int, int]:
        """Whole days in each stage ever entered, from the newest entries."""
        entries = self.opportunity.entries.filter(stage__isnull=False).newest_first()
        rows = entries.values_list("stage_id", "stage_entered_on", "changed_on", "closed_on")[:STAYS_READ]
        return days_in_stages(reversed(rows), today())

    def _this_stay(self) -> int:
        """Whole days since the present stage was entered for the last time."""
        since = self.opportunity.stage_entered_on
        return max((today() - since).days, 0) if since else 0

    def _state(self, stage: SalesCycleStage, days: dict[int, int]) -> str:
        here = self.opportunity.stage
        if here is not None and stage.pk == here.pk:
            return {Status.WON.value: "won", Status.LOST.value: "lost"}.get(self.opportunity.status, "now")
        if here is None or stage.position > here.position:
            return "next"
        return "done" if stage.pk in days else "skipped"

    def _url(self, stage: SalesCycleStage, may: frozenset[str]) -> str:
        """The form that moves there; not started, only the first stage can be entered."""
        if stage not in self.reachable:
            return ""
        if self.opportunity.is_not_started:
            return reverse("opportunities:start", args=[self.opportunity.pk]) if "start" in may else ""
        if "move" not in may:
            return ""
        return f"{reverse('opportunities:move', args=[self.opportunity.pk])}?to={stage.pk}"

    def _why_not(self, stage: SalesCycleStage, may: frozenset[str]) -> str:
        """Why it cannot be moved there; nothing for those who do not move it anyway."""
        here = self.opportunity.stage
        if here is not None and stage.pk == here.pk:
            return ""
        if not may & {"move", "reopen"}:
            return ""
        if self.opportunity.is_closed:
            return _("Closed. Reopen it to move it.")
        return unreachable(self.stages, here, stage)


def unreachable(stages: Sequence[SalesCycleStage], here: SalesCycleStage | None, to: SalesCycleStage) -> str:
    """Why one of all stages of a cycle cannot be entered from where one stands, quotes apart, or nothing if it can."""
    in_play = operations.in_play(stages, here.pk if here else None)
    free = operations.reachable_from(in_play, here)
    if to in free:
        return ""
    if to not in in_play:
        return _("Nothing new enters a retired stage.")
    if here is None:
        return _("Start it in %(stage)s first.") % {"stage": free[0]}
    return _("%(stage)s may not be skipped.") % {"stage": free[-1]}


def _note(stage: SalesCycleStage, state: str, days: int, *, this_stay: int) -> str:
    if state in ("done", "won", "lost"):
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    if state == "now":
        so_far = ngettext("%(n)d day so far", "%(n)d days so far", this_stay) % {"n": this_stay}
        return so_far if days <= this_stay else _("%(so_far)s, %(n)d in all") % {"so_far": so_far, "n": days}
    if state == "skipped":
        return _("skipped")
    if stage.requires_quote:
        return _("quote required")
    return _("may be skipped") if stage.allows_skip else ""
