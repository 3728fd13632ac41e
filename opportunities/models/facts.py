"""What is true of an opportunity at one moment, the laws it obeys, and the guard before every write."""

from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from crm.dates import today
from crm.fields import ExactMoneyField, MoneyField, PercentField, ProbabilityField, between
from opportunities.models.reasons import CloseReason
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salespeople.models import Salesperson


class Status(models.TextChoices):
    """Where an opportunity stands."""

    NOT_STARTED = "NOT_STARTED", _("Not started")
    IN_PROGRESS = "IN_PROGRESS", _("In progress")
    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")


OPEN_STATUSES = (Status.NOT_STARTED, Status.IN_PROGRESS)
CLOSED_STATUSES = (Status.WON, Status.LOST)


class Priority(models.TextChoices):
    """How much attention an opportunity deserves."""

    LOW = "LOW", _("Low")
    NORMAL = "NORMAL", _("Normal")
    HIGH = "HIGH", _("High")


class Action(models.TextChoices):
    """What a ledger entry records; computed by the operation, never chosen."""

    CREATED = "CREATED", _("Created")
    STARTED = "STARTED", _("Started")
    NEXT = "NEXT", _("Moved to the next stage")
    SKIPPED = "SKIPPED", _("Moved forward, skipping")
    PREVIOUS = "PREVIOUS", _("Moved to the previous stage")
    JUMPED = "JUMPED", _("Moved back")
    UPDATED = "UPDATED", _("Estimate updated")
    REASSIGNED = "REASSIGNED", _("Reassigned")
    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")
    REOPENED = "REOPENED", _("Reopened")
    UNDONE = "UNDONE", _("Undone")
    MERGED = "MERGED", _("Contact merged")


MOVES = (Action.NEXT, Action.SKIPPED, Action.PREVIOUS, Action.JUMPED)


class OnlyThroughOperations(RuntimeError):
    """Somebody tried to write an opportunity or an entry past ``opportunities.operations``."""


class GuardedQuerySet(models.QuerySet[Any]):
    """Reads freely and refuses every bulk write."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OnlyThroughOperations(f"{self.model.__name__} is written by opportunities.operations alone.")

    update = delete = bulk_create = bulk_update = _refuse
    update_or_create = get_or_create = create = _refuse


class GuardedModel(models.Model):
    """A model that only ``operations.py`` saves and deletes (through ``models.Model`` itself)."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: call an operation."""
        raise OnlyThroughOperations(f"{type(self).__name__} is written by opportunities.operations alone.")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: call an operation."""
        raise OnlyThroughOperations(f"{type(self).__name__} is deleted by opportunities.operations alone.")


FACTS = (
    "status",
    "cycle_id",
    "stage_id",
    "stage_entered_on",
    "contact_id",
    "company_id",
    "salesperson_id",
    "probability_method",
    "estimated_value",
    "chance_percent",
    "completed_percent",
    "probability_percent",
    "calculated_value",
    "estimated_close_on",
    "closed_on",
    "close_reason_id",
)

NOT_CLOSED = Q(closed_on__isnull=True, close_reason__isnull=True)
FACT_LAWS: list[models.BaseConstraint] = [
    models.CheckConstraint(
        condition=Q(status__in=Status.values),
        name="%(class)s_status_known",
        violation_error_message=_("A status is not started, in progress, won or lost."),
    ),
    models.CheckConstraint(
        condition=Q(probability_method__in=ProbabilityMethod.values),
        name="%(class)s_method_known",
        violation_error_message=_("A probability is computed in one of four ways."),
    ),
    models.CheckConstraint(
        condition=Q(estimated_value__gte=0),
        name="%(class)s_value_not_negative",
        violation_error_message=_("An estimated value cannot be negative."),
    ),
    models.CheckConstraint(
        condition=Q(calculated_value__gte=0),
        name="%(class)s_calculated_not_negative",
        violation_error_message=_("A calculated value cannot be negative."),
    ),
    models.CheckConstraint(
        condition=between("chance_percent"),
        name="%(class)s_chance_0_to_100",
        violation_error_message=_("The chance of success lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=between("completed_percent"),
        name="%(class)s_completed_0_to_100",
        violation_error_message=_("Completed lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=between("probability_percent"),
        name="%(class)s_probability_0_to_100",
        violation_error_message=_("A probability lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=Q(stage__isnull=True, stage_entered_on__isnull=True)
        | Q(stage__isnull=False, stage_entered_on__isnull=False),
        name="%(class)s_stage_and_since_when",
        violation_error_message=_("An opportunity in a stage has the date it entered; others have neither."),
    ),
    models.CheckConstraint(
        condition=(Q(status__in=OPEN_STATUSES) & NOT_CLOSED)
        | Q(status__in=CLOSED_STATUSES, closed_on__isnull=False, close_reason__isnull=False),
        name="%(class)s_closed_with_date_and_reason",
        violation_error_message=_(
            "A closed opportunity has a closing date and a reason; an open one has neither."
        ),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.NOT_STARTED) | Q(stage__isnull=True),
        name="%(class)s_not_started_has_no_stage",
        violation_error_message=_("An opportunity that is not started is in no stage."),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.IN_PROGRESS)
        | Q(
            stage__isnull=False,
            estimated_value__isnull=False,
            estimated_value__gt=0,
            chance_percent__isnull=False,
            chance_percent__gt=0,
            estimated_close_on__isnull=False,
        ),
        name="%(class)s_in_progress_is_estimated",
        violation_error_message=_(
            "An opportunity in progress has a stage, a value above 0, a chance above 0 and an estimated closing date."
        ),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.WON)
        | Q(
            completed_percent=100,
            chance_percent__isnull=False,
            chance_percent=100,
            probability_percent=100,
            calculated_value__gt=0,
        ),
        name="%(class)s_won_is_certain",
        violation_error_message=_("A won opportunity is certain and has a sale amount above 0."),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.LOST)
        | Q(
            completed_percent=100,
            chance_percent__isnull=False,
            chance_percent=0,
            probability_percent=0,
            calculated_value=0,
        ),
        name="%(class)s_lost_is_worth_nothing",
        violation_error_message=_("A lost opportunity has no chance and no calculated value."),
    ),
]


def overdue(on: date) -> Q:
    """In progress on a day although the estimated closing date has passed; read rows say it by ``is_overdue``."""
    return Q(status=Status.IN_PROGRESS, estimated_close_on__lt=on)


class Facts(GuardedModel):
    """What is true of an opportunity at one moment: the part that an opportunity and its entries share."""

    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.NOT_STARTED)
    cycle = models.ForeignKey(
        SalesCycle, verbose_name=_("sales cycle"), on_delete=models.PROTECT, related_name="+"
    )
    stage = models.ForeignKey(
        SalesCycleStage,
        verbose_name=_("stage"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    stage_entered_on = models.DateField(_("in this stage since"), null=True, blank=True)
    contact = models.ForeignKey(
        Contact, verbose_name=_("contact"), on_delete=models.PROTECT, related_name="+"
    )
    company = models.ForeignKey(
        Contact,
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    salesperson = models.ForeignKey(
        Salesperson, verbose_name=_("salesperson"), on_delete=models.PROTECT, related_name="+"
    )
    probability_method = models.CharField(
        _("probability computed as"), max_length=9, choices=ProbabilityMethod
    )
    estimated_value = MoneyField(_("estimated value"), null=True, blank=True)
    chance_percent = PercentField(_("chance of success %"), null=True, blank=True)
    completed_percent = PercentField(_("completed %"), default=Decimal(0))
    probability_percent = ProbabilityField(_("probability %"), default=Decimal(0))
    calculated_value = ExactMoneyField(_("calculated value"), default=Decimal(0))
    estimated_close_on = models.DateField(_("estimated close"), null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    close_reason = models.ForeignKey(
        CloseReason,
        verbose_name=_("close reason"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        abstract = True

    @property
    def is_closed(self) -> bool:
        """Whether it is won or lost."""
        return self.status in CLOSED_STATUSES

    @property
    def is_in_progress(self) -> bool:
        """Whether it stands in a stage and can move."""
        return self.status == Status.IN_PROGRESS

    @property
    def is_not_started(self) -> bool:
        """Whether it has never entered a stage."""
        return self.status == Status.NOT_STARTED

    @property
    def has_estimate(self) -> bool:
        """Whether value, chance and closing date are all known."""
        return None not in (self.estimated_value, self.chance_percent, self.estimated_close_on)

    @property
    def is_overdue(self) -> bool:
        """Whether its estimated closing date has passed while it is in progress; ``overdue`` asks that of a table."""
        closes_on = self.estimated_close_on
        return self.is_in_progress and closes_on is not None and closes_on < today()

    def facts(self) -> dict[str, Any]:
        """The shared part by attribute name, to copy or compare."""
        return {name: getattr(self, name) for name in FACTS}
