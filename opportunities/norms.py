"""How long a stay in a stage usually lasts, from the newest stays that ended well.

A stay is all the time without a break in one stage, however many entries were written in it. The ones that
count went on to a later stage or were won, and nobody took that back: stays that ended in a loss, or in going
back, say nothing about how long the work in a stage takes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.cache import cache
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery

from crm.dates import today
from opportunities.models import Action, Opportunity, OpportunityEntry
from salescycles.models import SalesCycleStage

ENDED_WELL = (Action.NEXT, Action.SKIPPED, Action.WON)
TAKEN_BACK = (Action.UNDONE, Action.REOPENED)
NEWEST = 200  # stays of one stage that are looked at
ENOUGH = 5  # below this many, nothing is called usual
STAGES_AT_A_TIME = 100  # in one query: databases limit how many parts it may have
KEPT_FOR = 300  # seconds


@dataclass(frozen=True)
class Norm:
    """How many stays were looked at, and within how many days half and four in five of them ended; None if too few."""

    count: int
    median: int | None = None
    four_in_five: int | None = None


@dataclass(frozen=True)
class TimeInStage:
    """How long an opportunity has been in its stage, beside what is usual there."""

    stage: SalesCycleStage
    days: int
    norm: Norm

    @property
    def is_slow(self) -> bool:
        """Whether four in five left sooner."""
        return self.norm.four_in_five is not None and self.days > self.norm.four_in_five


def time_in_stage(opportunity: Opportunity) -> TimeInStage | None:
    """The present stay of an opportunity in progress, and the norm of its stage; None for one in no stage or closed."""
    stage, since = opportunity.stage, opportunity.stage_entered_on
    if stage is None or since is None or not opportunity.is_in_progress:
        return None
    return TimeInStage(stage, max((today() - since).days, 0), usual_days([stage.pk])[stage.pk])


def usual_days(stages: Iterable[int]) -> dict[int, Norm]:
    """The norm of each stage, by its key; at most one query per hundred stages, and none for a few minutes after."""
    keys = {f"usual-days-{stage}": stage for stage in stages}
    known: dict[int, Norm] = {keys[key]: norm for key, norm in cache.get_many(keys).items()}
    asked = [stage for stage in keys.values() if stage not in known]
    for start in range(0, len(asked), STAGES_AT_A_TIME):
        batch = asked[start : start + STAGES_AT_A_TIME]
        lengths: dict[int, list[int]] = {stage: [] for stage in batch}
        for stage, began, ended in _stays(batch):
            if began is not None:
                lengths[stage].append(max((ended - began).days, 0))
        known |= {stage: norm_of(found) for stage, found in lengths.items()}
    cache.set_many({key: known[stage] for key, stage in keys.items() if stage in asked}, KEPT_FOR)
    return known


def norm_of(days: Sequence[int]) -> Norm:
    """The least number of days within which half, and four in five, of these stays ended."""
    count = len(days)
    if count < ENOUGH:
        return Norm(count)
    ordered = sorted(days)
    return Norm(count, ordered[(count + 1) // 2 - 1], ordered[(4 * count + 4) // 5 - 1])


def _stays(stages: Sequence[int]) -> "QuerySet[Any, tuple[int, date | None, date]]":
    """Stage, first and last day of the newest completed stays of each stage."""
    first, *others = [newest_stays(stage) for stage in stages]
    return first.union(*others, all=True) if others else first


def newest_stays(stage: int) -> "QuerySet[Any, tuple[int, date | None, date]]":
    """Those of one stage; the number is limited inside, since SQLite takes no limit in a part of a union."""
    left = OpportunityEntry.objects.filter(previous_stage=stage, action__in=ENDED_WELL)
    neighbour = OpportunityEntry.objects.filter(opportunity=OuterRef("opportunity"))
    before = neighbour.filter(sequence=OuterRef("sequence") - 1)
    after = neighbour.filter(sequence=OuterRef("sequence") + 1, action__in=TAKEN_BACK)
    found: QuerySet[Any, tuple[int, date | None, date]] = (
        OpportunityEntry.objects.filter(pk__in=left.order_by("-changed_on", "-pk").values("pk")[:NEWEST])
        .filter(~Exists(after))
        .annotate(began=Subquery(before.values("stage_entered_on")), ended=F("changed_on"))
        .values_list("previous_stage", "began", "ended")
    )
    return found
