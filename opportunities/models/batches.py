"""One change of many opportunities: what was asked, and what became of each.

A batch is checked first, then carried out, both a bounded number of items at a time, so that it can be watched,
left and taken up again. The changes themselves are those of ``operations.py``, one opportunity at a time.
"""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from opportunities.models.opportunity import Opportunity
from opportunities.models.reasons import CloseReason
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson, User


class BatchAction(models.TextChoices):
    """What can be done to many at once."""

    REASSIGN = "REASSIGN", _("Reassign")
    MOVE = "MOVE", _("Move to a stage")
    POSTPONE = "POSTPONE", _("Change the closing date")
    LOSE = "LOSE", _("Close as lost")


class BatchStatus(models.TextChoices):
    """How far a batch has come."""

    CHECKING = "CHECKING", _("Being checked")
    CHECKED = "CHECKED", _("Checked")
    RUNNING = "RUNNING", _("Being carried out")
    DONE = "DONE", _("Done")
    CANCELLED = "CANCELLED", _("Cancelled")


class ItemState(models.TextChoices):
    """What became of one opportunity in a batch."""

    WAITING = "WAITING", _("Waiting")
    READY = "READY", _("Will change")
    UNFIT = "UNFIT", _("Will be left alone")
    DONE = "DONE", _("Changed")
    REFUSED = "REFUSED", _("Left alone")


class Batch(models.Model):
    """One action on many opportunities."""

    action = models.CharField(_("action"), max_length=8, choices=BatchAction)
    status = models.CharField(_("status"), max_length=9, choices=BatchStatus, default=BatchStatus.CHECKING)
    made_by = models.ForeignKey(User, verbose_name=_("asked by"), on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    salesperson = models.ForeignKey(
        Salesperson,
        verbose_name=_("salesperson"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    stage = models.ForeignKey(
        SalesCycleStage,
        verbose_name=_("stage"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    closes_on = models.DateField(_("estimated close"), null=True, blank=True)
    reason = models.ForeignKey(
        CloseReason,
        verbose_name=_("close reason"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    note = models.TextField(_("note"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("change of many")
        verbose_name_plural = _("changes of many")
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=BatchStatus.values),
                name="batch_status_known",
                violation_error_message=_("This is not a status of a change of many."),
            ),
            models.CheckConstraint(
                condition=Q(action=BatchAction.REASSIGN, salesperson__isnull=False)
                | Q(action=BatchAction.MOVE, stage__isnull=False)
                | Q(action=BatchAction.POSTPONE, closes_on__isnull=False)
                | Q(action=BatchAction.LOSE, reason__isnull=False),
                name="batch_says_what_to_do",
                violation_error_message=_("Say to whom, to which stage, to which date, or why."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.pk})"

    def get_absolute_url(self) -> str:
        return reverse("opportunities:batch", args=[self.pk])


class BatchItem(models.Model):
    """One opportunity in a batch."""

    batch = models.ForeignKey(Batch, verbose_name=_("batch"), on_delete=models.CASCADE, related_name="items")
    opportunity = models.ForeignKey(
        Opportunity, verbose_name=_("opportunity"), on_delete=models.CASCADE, related_name="+"
    )
    seen = models.PositiveIntegerField(
        _("version"), null=True, blank=True, help_text=_("The version that was checked.")
    )
    state = models.CharField(_("state"), max_length=7, choices=ItemState, default=ItemState.WAITING)
    message = models.CharField(_("what the rule says"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("opportunity in a batch")
        verbose_name_plural = _("opportunities in a batch")
        indexes = [
            models.Index(fields=["batch", "state", "id"], name="batch_item_state_idx"),  # the next few to do
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "opportunity"],
                name="batch_item_unique",
                violation_error_message=_("An opportunity is in a batch once."),
            ),
            models.CheckConstraint(
                condition=Q(state__in=ItemState.values),
                name="batch_item_state_known",
                violation_error_message=_("This is not a state of an item."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opportunity_id}: {self.get_state_display()}"
