"""Why opportunities end."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.fields import CodeField


class Outcome(models.TextChoices):
    """How an opportunity ends; the values are those of ``Status``."""

    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")


class CloseReason(models.Model):
    """Why an opportunity was won or lost."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another close reason has this code.")},
    )
    outcome = models.CharField(_("outcome"), max_length=4, choices=Outcome)
    description = models.CharField(_("description"), max_length=100)
    is_active = models.BooleanField(
        _("in use"), default=True, help_text=_("A retired reason keeps its history, but is offered no more.")
    )

    class Meta:
        verbose_name = _("close reason")
        verbose_name_plural = _("close reasons")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="close_reason_code_given",
                violation_error_message=_("A close reason needs a code."),
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values),
                name="close_reason_outcome_known",
                violation_error_message=_("A close reason is for won or for lost."),
            ),
        ]

    def __str__(self) -> str:
        return self.description

    def get_absolute_url(self) -> str:
        return reverse("opportunities:reason-edit", args=[self.pk])
