"""What was said, written and done with a contact, and the files that came with it."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact


class InteractionKind(models.TextChoices):
    """How somebody was in touch."""

    NOTE = "NOTE", _("Note")
    CALL = "CALL", _("Call")
    MEETING = "MEETING", _("Meeting")
    EMAIL = "EMAIL", _("E-mail")


class InteractionQuerySet(models.QuerySet["Interaction"]):
    """Interactions as a timeline reads them."""

    def newest_first(self) -> "InteractionQuerySet":
        """As one reads a timeline."""
        return self.order_by("-happened_on", "-pk")

    def with_names(self) -> "InteractionQuerySet":
        """With all that a line of the timeline names."""
        return self.select_related("recorded_by", "contact")

    def seen_with(
        self, opportunities: "models.QuerySet[Any]", contacts: "models.QuerySet[Contact]"
    ) -> "InteractionQuerySet":
        """Those about something that is seen: about one of the opportunities, or else about one of the contacts."""
        about_opportunity = Exists(opportunities.filter(pk=OuterRef("opportunity")))
        about_contact = Q(opportunity__isnull=True) & Exists(contacts.filter(pk=OuterRef("contact")))
        return self.filter(about_opportunity | about_contact)


class Interaction(models.Model):
    """Something said, written or noted about an opportunity or a contact."""

    kind = models.CharField(_("kind"), max_length=7, choices=InteractionKind, default=InteractionKind.NOTE)
    text = models.TextField(_("text"), max_length=10_000)
    happened_on = models.DateField(_("on"))
    opportunity = models.ForeignKey(
        "opportunities.Opportunity",
        verbose_name=_("opportunity"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="interactions",
    )
    contact = models.ForeignKey(
        Contact,
        verbose_name=_("contact"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="interactions",
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("recorded by"),
        on_delete=models.PROTECT,
        db_index=False,  # nobody asks for it
        related_name="+",
    )
    recorded_at = models.DateTimeField(_("recorded at"), auto_now_add=True)
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)

    objects = InteractionQuerySet.as_manager()

    class Meta:
        verbose_name = _("interaction")
        verbose_name_plural = _("interactions")
        indexes = [
            models.Index(fields=["opportunity", "-happened_on", "-id"], name="interaction_opportunity_idx"),
            models.Index(fields=["contact", "-happened_on", "-id"], name="interaction_contact_idx"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=InteractionKind.values),
                name="interaction_kind_known",
                violation_error_message=_("An interaction is a note, a call, a meeting or an e-mail."),
            ),
            models.CheckConstraint(
                condition=~Q(text=""),
                name="interaction_text_given",
                violation_error_message=_("Write a few words."),
            ),
            models.CheckConstraint(
                condition=Q(opportunity__isnull=False) | Q(contact__isnull=False),
                name="interaction_is_about_something",
                violation_error_message=_("An interaction is about an opportunity or a contact."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text[:50]}"
