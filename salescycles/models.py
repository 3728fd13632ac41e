"""Sales cycles: the stages an opportunity passes, and how its probability is computed."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from activities.models import Activity
from crm.fields import HUNDRED, CodeField, DateFormulaField, PercentField, between


class ProbabilityMethod(models.TextChoices):
    """How a probability follows from the chance of success (C) and the completed percentage (P).

    The four methods and their formulas are those of Dynamics 365 Business Central.
    """

    MULTIPLY = "MULTIPLY", _("Chance × completed")
    ADD = "ADD", _("Average of chance and completed")
    CHANCE = "CHANCE", _("Chance of success")
    COMPLETED = "COMPLETED", _("Completed")

    def probability(self, *, chance: Decimal, completed: Decimal) -> Decimal:
        """The probability in percent, exact: C × P ÷ 100, (C + P) ÷ 2, C, or P."""
        match self:
            case ProbabilityMethod.MULTIPLY:
                return chance * completed / HUNDRED
            case ProbabilityMethod.ADD:
                return (chance + completed) / 2
            case ProbabilityMethod.CHANCE:
                return chance
            case ProbabilityMethod.COMPLETED:
                return completed


class SalesCycleQuerySet(models.QuerySet["SalesCycle"]):
    """Sales cycles by what they may be used for."""

    def available(self) -> "SalesCycleQuerySet":
        """Those a new opportunity may be given."""
        return self.filter(is_blocked=False)


class SalesCycle(models.Model):
    """A way of selling: ordered stages and a method for the probability."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another sales cycle has this code.")},
    )
    description = models.CharField(_("description"), max_length=100)
    probability_method = models.CharField(
        _("probability"),
        max_length=9,
        choices=ProbabilityMethod,
        default=ProbabilityMethod.MULTIPLY,
        help_text=_("Read when an entry is written; a change leaves older entries alone."),
    )
    is_blocked = models.BooleanField(
        _("blocked"), default=False, help_text=_("Not for new opportunities; running ones continue.")
    )
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Offered first on a new opportunity.")
    )

    objects = SalesCycleQuerySet.as_manager()

    class Meta:
        verbose_name = _("sales cycle")
        verbose_name_plural = _("sales cycles")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="cycle_code_given",
                violation_error_message=_("A sales cycle needs a code."),
            ),
            models.CheckConstraint(
                condition=Q(probability_method__in=ProbabilityMethod.values),
                name="cycle_method_known",
                violation_error_message=_("Choose one of the four ways to compute a probability."),
            ),
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="cycle_default_unique",
                violation_error_message=_("Another sales cycle is the default. Take it away there first."),
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(is_blocked=False),
                name="cycle_default_not_blocked",
                violation_error_message=_(
                    "The default sales cycle cannot be blocked. Make another one the default first."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.code

    def get_absolute_url(self) -> str:
        return reverse("salescycles:detail", args=[self.pk])

    @property
    def method(self) -> ProbabilityMethod:
        """The probability method as an enum."""
        return ProbabilityMethod(self.probability_method)


class SalesCycleStageQuerySet(models.QuerySet["SalesCycleStage"]):
    """Stages in their order."""

    def active(self) -> "SalesCycleStageQuerySet":
        """Those new moves may use."""
        return self.filter(is_active=True)


class SalesCycleStage(models.Model):
    """A step of a sales cycle; the position gives the order, and gaps are fine."""

    cycle = models.ForeignKey(
        SalesCycle, verbose_name=_("sales cycle"), on_delete=models.CASCADE, related_name="stages"
    )
    position = models.PositiveIntegerField(_("position"))
    description = models.CharField(_("description"), max_length=100)
    completed_percent = PercentField(_("completed %"), default=Decimal(0))
    chance_percent = PercentField(_("chance of success %"), default=Decimal(0))
    close_in = DateFormulaField(
        _("closes in"), help_text=_("Estimated closing date from the date of change, such as 2W or CM.")
    )
    requires_quote = models.BooleanField(_("quote required"), default=False)
    allows_skip = models.BooleanField(_("may be skipped"), default=False)
    activity = models.ForeignKey(
        Activity,
        verbose_name=_("activity"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="stages",
    )
    is_active = models.BooleanField(
        _("in use"),
        default=True,
        help_text=_("A retired stage keeps its history, but nothing new enters it."),
    )

    objects = SalesCycleStageQuerySet.as_manager()

    class Meta:
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["cycle", "position"],
                name="stage_position_unique",
                violation_error_message=_("Two stages of a sales cycle cannot have the same position."),
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1),
                name="stage_position_from_one",
                violation_error_message=_("Positions begin at 1."),
            ),
            models.CheckConstraint(
                condition=~Q(description=""),
                name="stage_description_given",
                violation_error_message=_("A stage needs a description."),
            ),
            models.CheckConstraint(
                condition=between("completed_percent"),
                name="stage_completed_0_to_100",
                violation_error_message=_("Completed lies between 0 and 100 percent."),
            ),
            models.CheckConstraint(
                condition=between("chance_percent"),
                name="stage_chance_0_to_100",
                violation_error_message=_("The chance of success lies between 0 and 100 percent."),
            ),
        ]

    def __str__(self) -> str:
        return self.description
