"""One change of many opportunities: what was asked, and what became of each.

A batch is checked first, then carried out, both a bounded number of items at a time, so that it can be watched,
left and taken up again. The changes themselves are those of ``operations.py``, one opportunity at a time.
"""

from collections.abc import Iterable

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
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


class ItemRule(models.TextChoices):
    """What kind of rule says no, so that a thousand refusals can be read in a few lines."""

    NO_RIGHT = "NO_RIGHT", _("Not yours to change")
    CLOSED = "CLOSED", _("Won or lost already")
    NOT_STARTED = "NOT_STARTED", _("Not started yet")
    SO_ALREADY = "SO_ALREADY", _("Already as asked")
    OTHER_CYCLE = "OTHER_CYCLE", _("In another sales cycle")
    STAGE = "STAGE", _("The stage cannot be reached from where it is")
    QUOTE = "QUOTE", _("A quote is missing")
    CHANGED = "CHANGED", _("Changed meanwhile")
    DATE = "DATE", _("The date does not fit")
    OTHER = "OTHER", _("Another rule")


class BatchQuerySet(models.QuerySet["Batch"]):
    """Batches in words."""

    def made_by(self, user: User) -> "BatchQuerySet":
        """A batch is seen, carried out and cancelled by its maker alone."""
        return self.filter(made_by=user)

    def with_names(self) -> "BatchQuerySet":
        """With what was asked for."""
        return self.select_related("salesperson", "stage", "reason")


class BatchItemQuerySet(models.QuerySet["BatchItem"]):
    """Items by what became of them."""

    def waiting(self) -> "BatchItemQuerySet":
        """Still to be checked."""
        return self.filter(state=ItemState.WAITING)

    def ready(self) -> "BatchItemQuerySet":
        """Checked and fit, still to be changed."""
        return self.filter(state=ItemState.READY)

    def left_alone(self) -> "BatchItemQuerySet":
        """Refused by a rule, before or while it was carried out."""
        return self.filter(state__in=(ItemState.UNFIT, ItemState.REFUSED))

    def for_rule(self, rule: str) -> "BatchItemQuerySet":
        """Refused by one kind of rule."""
        return self.left_alone().filter(rule=rule)

    def for_reader(self, user: User) -> "BatchItemQuerySet":
        """With the opportunity, and whether the user may (still) see it."""
        visible = Opportunity.objects.visible_to(user).filter(pk=OuterRef("opportunity_id"))
        return self.select_related("opportunity__contact", "opportunity__salesperson").annotate(
            is_visible=Exists(visible)
        )

    def by_state(self) -> dict[str, int]:
        """How many there are in each state."""
        return dict(self.order_by().values_list("state").annotate(Count("pk")))

    def by_batch(self, batches: Iterable["Batch"]) -> dict[int, dict[str, int]]:
        """The same for several batches, by their keys."""
        found: dict[int, dict[str, int]] = {}
        rows = self.filter(batch__in=[batch.pk for batch in batches]).order_by()
        for pk, state, count in rows.values_list("batch", "state").annotate(Count("pk")):
            found.setdefault(pk, {})[state] = count
        return found

    def by_rule(self) -> dict[str, int]:
        """How many each kind of rule leaves alone."""
        return dict(self.left_alone().order_by().values_list("rule").annotate(Count("pk")))


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
    cancels_tasks = models.BooleanField(
        _("cancels open tasks"), default=False, help_text=_("Those of what is closed.")
    )
    tasks_follow = models.BooleanField(
        _("open tasks follow"), default=False, help_text=_("Those that the salesperson before had.")
    )

    objects = BatchQuerySet.as_manager()

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

    @property
    def is_going(self) -> bool:
        """Whether there is still something to check or to change."""
        return self.status in (BatchStatus.CHECKING, BatchStatus.RUNNING)

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in (BatchStatus.DONE, BatchStatus.CANCELLED)


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
    rule = models.CharField(_("rule"), max_length=11, choices=ItemRule, blank=True)
    message = models.CharField(_("what the rule says"), max_length=500, blank=True)

    objects = BatchItemQuerySet.as_manager()

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
            models.CheckConstraint(
                condition=Q(rule__in=["", *ItemRule.values]),
                name="batch_item_rule_known",
                violation_error_message=_("This is not a rule that leaves an item alone."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opportunity_id}: {self.get_state_display()}"
