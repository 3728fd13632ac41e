"""The ledger: what was true of an opportunity, from one date to the next."""

import hashlib
import json
from datetime import UTC, date
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from opportunities.models.facts import FACT_LAWS, Action, Facts, GuardedQuerySet, Status
from opportunities.models.opportunity import Opportunity
from salescycles.models import SalesCycleStage
from salespeople.models import User


class OpportunityEntryQuerySet(GuardedQuerySet):
    """Ledger entries in business words."""

    def newest_first(self) -> "OpportunityEntryQuerySet":
        """The history as one reads it."""
        return self.order_by("-sequence")

    def with_names(self) -> "OpportunityEntryQuerySet":
        """With all that a line of the history names."""
        return self.select_related(
            "stage", "previous_stage", "contact", "company", "salesperson", "close_reason", "recorded_by"
        )


class OpportunityEntry(Facts):
    """What was true of an opportunity from one date to the next; added by an operation, never changed."""

    opportunity = models.ForeignKey(
        Opportunity, verbose_name=_("opportunity"), on_delete=models.CASCADE, related_name="entries"
    )
    sequence = models.PositiveIntegerField(_("sequence"))
    action = models.CharField(_("action"), max_length=10, choices=Action)
    changed_on = models.DateField(_("holds from"))
    ended_on = models.DateField(_("until"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.ForeignKey(
        User, verbose_name=_("recorded by"), on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(_("note"), max_length=2000, blank=True)
    previous_stage = models.ForeignKey(
        SalesCycleStage,
        verbose_name=_("previous stage"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    stage_description = models.CharField(_("stage as it was called"), max_length=100, blank=True)
    seal = models.CharField(
        _("seal"), max_length=64, help_text=_("A hash over this entry and the seal of the one before.")
    )

    objects = OpportunityEntryQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("opportunity entry")
        verbose_name_plural = _("opportunity entries")
        indexes = [
            # the newest that left a stage: how long people usually stay in it
            models.Index(fields=["previous_stage", "-changed_on", "-id"], name="entry_left_stage_idx"),
            # what was recorded since somebody looked
            models.Index(fields=["recorded_at"], name="entry_recorded_idx"),
        ]
        constraints = [
            *FACT_LAWS,
            models.CheckConstraint(
                condition=Q(action__in=Action.values),
                name="entry_action_known",
                violation_error_message=_("This is not something a ledger entry can record."),
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=1),
                name="entry_sequence_from_one",
                violation_error_message=_("Entries are counted from 1."),
            ),
            models.UniqueConstraint(
                fields=["opportunity", "sequence"],
                name="entry_sequence_unique",
                violation_error_message=_("Two entries of an opportunity cannot have the same sequence."),
            ),
            models.UniqueConstraint(
                fields=["opportunity"],
                condition=Q(ended_on__isnull=True),
                name="entry_one_open_ended",
                violation_error_message=_("Only the newest entry of an opportunity is open-ended."),
            ),
            models.CheckConstraint(
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=F("changed_on")),
                name="entry_ends_after_it_begins",
                violation_error_message=_("An entry cannot end before it begins."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opportunity_id}/{self.sequence} {self.get_action_display()}"

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        stage = self.stage_description
        match Action(self.action):
            case Action.CREATED:
                return gettext("Created")
            case Action.STARTED:
                return gettext("Started in %(stage)s") % {"stage": stage}
            case Action.NEXT:
                return gettext("Moved to %(stage)s") % {"stage": stage}
            case Action.SKIPPED:
                return gettext("Skipped to %(stage)s") % {"stage": stage}
            case Action.PREVIOUS | Action.JUMPED:
                return gettext("Moved back to %(stage)s") % {"stage": stage}
            case Action.UPDATED:
                return gettext("Estimate updated in %(stage)s") % {"stage": stage}
            case Action.REASSIGNED:
                return gettext("Reassigned")
            case Action.WON:
                return gettext("Won")
            case Action.LOST:
                return gettext("Lost")
            case Action.REOPENED:
                return gettext("Reopened")
            case Action.UNDONE:
                return gettext("Last change undone")
            case Action.MERGED:
                return gettext("Contact merged")

    def compute_seal(self, before: str) -> str:
        """SHA-256 over what this entry says and the ``before`` seal, in hexadecimal; an ended one has a second seal on it.

        What follows by arithmetic (probability, calculated value of an open opportunity) is left out; the ledger's
        verification recomputes it.
        """
        amount = self.calculated_value if self.status == Status.WON else None
        said = [
            before,
            self.opportunity_id,
            self.sequence,
            self.action,
            self.changed_on.isoformat(),
            self.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.recorded_by_id,
            self.note,
            self.status,
            self.cycle_id,
            self.stage_id,
            self.stage_entered_on,
            self.previous_stage_id,
            self.stage_description,
            self.contact_id,
            self.company_id,
            self.salesperson_id,
            self.probability_method,
            _fixed(self.estimated_value),
            _fixed(self.chance_percent),
            _fixed(self.completed_percent),
            _fixed(amount),
            self.estimated_close_on,
            self.closed_on,
            self.close_reason_id,
        ]
        text = json.dumps(["" if part is None else str(part) for part in said], ensure_ascii=False)
        seal = hashlib.sha256(text.encode()).hexdigest()
        return seal if self.ended_on is None else ended_seal(seal, self.ended_on)


def ended_seal(seal: str, ended_on: date) -> str:
    """The seal of an entry once another follows it: the first one is gone then, so nobody can make it the newest again."""
    return hashlib.sha256(f"{seal} {ended_on.isoformat()}".encode()).hexdigest()


def _fixed(number: Decimal | None) -> str:
    """A number with two decimals, the same before and after it was stored."""
    return "" if number is None else f"{number:.2f}"
