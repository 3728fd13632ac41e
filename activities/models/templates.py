"""Activities: templates of the steps that a sales cycle stage may name, or that somebody gives by hand."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.fields import CodeField, DateFormulaField

MOST_STEPS = 30


class TaskKind(models.TextChoices):
    """What a task, or a step of an activity, asks for."""

    CALL = "CALL", _("Call")
    MEETING = "MEETING", _("Meeting")
    EMAIL = "EMAIL", _("E-mail")
    TODO = "TODO", _("To do")


class TaskPriority(models.TextChoices):
    """How urgent a task or step is."""

    LOW = "LOW", _("Low")
    NORMAL = "NORMAL", _("Normal")
    HIGH = "HIGH", _("High")


class ActivityQuerySet(models.QuerySet["Activity"]):
    """Activities by what they may be used for."""

    def offered(self, current: int | None = None) -> "ActivityQuerySet":
        """The choices of a form: those in use by name, and the present one even when it is retired."""
        return self.filter(Q(is_active=True) | Q(pk=current)).order_by("description", "pk")


class Activity(models.Model):
    """A template of steps to take, for example when a stage is entered."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another activity has this code.")},
    )
    description = models.CharField(_("description"), max_length=100)
    is_active = models.BooleanField(
        _("in use"), default=True, help_text=_("A retired activity is kept, but offered no more.")
    )

    objects = ActivityQuerySet.as_manager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="activity_code_given",
                violation_error_message=_("An activity needs a code."),
            ),
        ]

    def __str__(self) -> str:
        return self.description

    def get_absolute_url(self) -> str:
        return reverse("activities:edit", args=[self.pk])


class ActivityStep(models.Model):
    """One step of an activity, due some time after the activity begins."""

    activity = models.ForeignKey(
        Activity, verbose_name=_("activity"), on_delete=models.CASCADE, related_name="steps"
    )
    position = models.PositiveIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=7, choices=TaskKind, default=TaskKind.TODO)
    description = models.CharField(_("description"), max_length=100)
    priority = models.CharField(
        _("priority"), max_length=6, choices=TaskPriority, default=TaskPriority.NORMAL
    )
    due_in = DateFormulaField(_("due in"), help_text=_("From the start of the activity, such as 2D or 1W."))

    class Meta:
        verbose_name = _("activity step")
        verbose_name_plural = _("activity steps")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["activity", "position"],
                name="activity_step_position_unique",
                violation_error_message=_("Two steps of an activity cannot have the same position."),
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1),
                name="activity_step_position_from_one",
                violation_error_message=_("Positions begin at 1."),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=TaskKind.values),
                name="activity_step_kind_known",
                violation_error_message=_("A step is a call, a meeting, an e-mail or a to-do."),
            ),
            models.CheckConstraint(
                condition=Q(priority__in=TaskPriority.values),
                name="activity_step_priority_known",
                violation_error_message=_("A priority is low, normal or high."),
            ),
        ]

    def __str__(self) -> str:
        return self.description
