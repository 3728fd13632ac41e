"""Which opportunities need somebody today, and why.

Every reason is a condition of the database, so that the page of the day, its counts and the list filtered by
``needs=…`` are about the same rows. To add a reason: a member of ``Need`` in its place (the order is the rank),
its condition in ``CONDITIONS``, and its words in ``WORDS``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, reduce
from operator import or_

from django.db import models
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from activities.models import Interaction
from crm.dates import today
from crm.templatetags.kansen import clock, days_from_today
from opportunities.models import (
    Opportunity,
    OpportunityEntry,
    OpportunityEntryQuerySet,
    OpportunityQuerySet,
    Status,
    overdue,
    without_next_step,
)
from opportunities.norms import Norm, usual_days
from salescycles.models import SalesCycleStage
from salespeople.models import User

FIRST_LOOK = timedelta(days=7)  # how far back changes are news to somebody who has never said what they saw
QUIET_DAYS = 14
WAITING_DAYS = 7  # an opportunity may stay Not started that long


class Need(models.TextChoices):
    """Why an opportunity needs somebody, the most pressing first."""

    OVERDUE = "OVERDUE", gettext_lazy("Closing date passed")
    CHANGED = "CHANGED", gettext_lazy("Changed by others")
    SLOW = "SLOW", gettext_lazy("Slow in its stage")
    NO_STEP = "NO_STEP", gettext_lazy("No next step")
    QUIET = "QUIET", gettext_lazy("Gone quiet")
    START = "START", gettext_lazy("Waiting to start")


@dataclass(frozen=True)
class Reason:
    """A need of one opportunity, in words."""

    need: Need
    text: str


@dataclass(frozen=True)
class Line:
    """An opportunity that needs somebody, and all its reasons, the most pressing first."""

    opportunity: Opportunity
    reasons: Sequence[Reason]

    @property
    def need(self) -> Need:
        """The most pressing one."""
        return self.reasons[0].need


class Attention:
    """What needs a reader today. Reads the stages and their norms once, when it is first asked."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.on = today()
        self.since: datetime = user.changes_seen_at or timezone.now() - FIRST_LOOK
        self.changes: dict[int, OpportunityEntry] = {}

    @cached_property
    def stages(self) -> list[SalesCycleStage]:
        """Every stage, in the order of its cycle."""
        return list(SalesCycleStage.objects.order_by("cycle", "position"))

    @cached_property
    def norms(self) -> dict[int, Norm]:
        """The norm of every stage."""
        return usual_days(stage.pk for stage in self.stages)

    @cached_property
    def conditions(self) -> dict[Need, Q]:
        """What has to be true of an opportunity for each need."""
        return {need: CONDITIONS[need](self) for need in Need}

    def needing(self, rows: OpportunityQuerySet, need: Need) -> OpportunityQuerySet:
        """Those of ``rows`` that need somebody for this reason, whatever other reasons they have."""
        return rows.filter(CONDITIONS[need](self))

    def needing_anything(self, rows: OpportunityQuerySet) -> OpportunityQuerySet:
        """Those of ``rows`` that need somebody, for whatever reason."""
        return rows.filter(self._any)

    def count(self, rows: OpportunityQuerySet) -> tuple[int, dict[Need, int]]:
        """How many of ``rows`` need somebody, and how many for each need, in one query."""
        counts = {need.value: Count("pk", filter=condition) for need, condition in self.conditions.items()}
        found = rows.filter(self._any).aggregate(any=Count("pk"), **counts)
        return found["any"], {need: found[need.value] for need in Need}

    def first(self, rows: OpportunityQuerySet, size: int) -> list[Line]:
        """The first of ``rows`` that need somebody: by the most pressing reason, then by calculated value."""
        flags = {_flag(need): _is(condition) for need, condition in self.conditions.items()}
        touched = Interaction.objects.filter(opportunity=OuterRef("pk")).order_by("-happened_on")
        rank = Case(
            *(When(condition, then=Value(place)) for place, condition in enumerate(self.conditions.values()))
        )
        found = list(
            rows.filter(self._any)
            .annotate(rank=rank, touched_on=Subquery(touched.values("happened_on")[:1]), **flags)
            .order_by("rank", "-calculated_value", "pk")[:size]
        )
        self._look_up(found)
        return [Line(row, [Reason(need, WORDS[need](self, row)) for need in _needs(row)]) for row in found]

    @property
    def _any(self) -> Q:
        return reduce(or_, self.conditions.values())

    def _look_up(self, found: Sequence[Opportunity]) -> None:
        """Read what the words of these rows need besides: the newest change of each."""
        changed = [row.pk for row in found if Need.CHANGED in _needs(row)]
        changes = changes_by_others(self).filter(opportunity__in=changed).with_names()
        self.changes = {entry.opportunity_id: entry for entry in changes}


def changes_by_others(attention: Attention) -> OpportunityEntryQuerySet:
    """The newest entries that were recorded since the reader looked, by neither the reader nor the salesperson.

    Whoever has done something with an opportunity after the others had its newest state on the screen, so there is
    nothing to tell.
    """
    by_its_own = Q(opportunity__salesperson__user=F("recorded_by"))
    nobodys_own = Q(opportunity__salesperson__user__isnull=True)
    found: OpportunityEntryQuerySet = OpportunityEntry.objects.filter(
        nobodys_own | ~by_its_own, ended_on__isnull=True, recorded_at__gt=attention.since
    ).exclude(recorded_by=attention.user)
    return found


# What has to be true


def _overdue(attention: Attention) -> Q:
    return overdue(attention.on)


def _changed(attention: Attention) -> Q:
    return Q(pk__in=changes_by_others(attention).values("opportunity"))


def _slow(attention: Attention) -> Q:
    """Entered its stage so long ago that four in five had left."""
    latest = [
        When(stage=stage, then=Value(attention.on - timedelta(days=norm.four_in_five)))
        for stage, norm in attention.norms.items()
        if norm.four_in_five is not None
    ]
    if not latest:
        return Q(pk__in=[])
    return Q(
        status=Status.IN_PROGRESS,
        stage_entered_on__lt=Case(*latest, output_field=models.DateField(null=True)),
    )


def _no_step(attention: Attention) -> Q:
    """In progress, without an open task; who has not started has that as the next step."""
    return Q(status=Status.IN_PROGRESS) & without_next_step()


def _quiet(attention: Attention) -> Q:
    """In progress, without an entry or anything said or written for two weeks."""
    before = attention.on - timedelta(days=QUIET_DAYS)
    in_touch = Interaction.objects.filter(opportunity=OuterRef("pk"), happened_on__gt=before)
    return Q(status=Status.IN_PROGRESS, changed_on__lte=before) & ~Q(Exists(in_touch))


def _start(attention: Attention) -> Q:
    before = attention.on - timedelta(days=WAITING_DAYS)
    return Q(status=Status.NOT_STARTED, created_on__lt=before)


CONDITIONS: dict[Need, Callable[[Attention], Q]] = {
    Need.OVERDUE: _overdue,
    Need.CHANGED: _changed,
    Need.SLOW: _slow,
    Need.NO_STEP: _no_step,
    Need.QUIET: _quiet,
    Need.START: _start,
}


# How it is said


def _overdue_in_words(attention: Attention, row: Opportunity) -> str:
    return _("closing date passed %(when)s") % {"when": days_from_today(row.estimated_close_on)}


def _changed_in_words(attention: Attention, row: Opportunity) -> str:
    entry = attention.changes.get(row.pk)
    if entry is None:  # taken away since the row was read
        return _("changed by somebody else")
    at = timezone.localtime(entry.recorded_at)
    when = _("today at %(time)s") % {"time": clock(at)} if at.date() == attention.on else ""
    return _("%(who)s, %(when)s: %(what)s") % {
        "who": entry.recorded_by,
        "when": when or days_from_today(at.date()),
        "what": entry.headline,
    }


def _slow_in_words(attention: Attention, row: Opportunity) -> str:
    assert row.stage is not None
    assert row.stage_entered_on is not None
    here = (attention.on - row.stage_entered_on).days
    return ngettext(
        "%(n)d day in %(stage)s, four in five leave within %(usual)d",
        "%(n)d days in %(stage)s, four in five leave within %(usual)d",
        here,
    ) % {"n": here, "stage": row.stage, "usual": attention.norms[row.stage.pk].four_in_five}


def _no_step_in_words(attention: Attention, row: Opportunity) -> str:
    return _("no next step")


def _quiet_in_words(attention: Attention, row: Opportunity) -> str:
    last = max(row.changed_on, getattr(row, "touched_on", None) or row.changed_on)
    quiet = (attention.on - last).days
    return ngettext("nothing has happened for %(n)d day", "nothing has happened for %(n)d days", quiet) % {
        "n": quiet
    }


def _start_in_words(attention: Attention, row: Opportunity) -> str:
    waiting = (attention.on - row.created_on).days
    text = ngettext("not started for %(n)d day", "not started for %(n)d days", waiting) % {"n": waiting}
    return text if row.has_estimate else _("%(waiting)s, without an estimate") % {"waiting": text}


WORDS: dict[Need, Callable[[Attention, Opportunity], str]] = {
    Need.OVERDUE: _overdue_in_words,
    Need.CHANGED: _changed_in_words,
    Need.SLOW: _slow_in_words,
    Need.NO_STEP: _no_step_in_words,
    Need.QUIET: _quiet_in_words,
    Need.START: _start_in_words,
}


def _flag(need: Need) -> str:
    return f"needs_{need.lower()}"


def _is(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=models.BooleanField())


def _needs(row: Opportunity) -> list[Need]:
    """The needs of a row that was read by ``Attention.first``."""
    return [need for need in Need if getattr(row, _flag(need))]
