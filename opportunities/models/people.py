"""Who else is involved on the buyer's side."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from opportunities.models.opportunity import Opportunity


class ContactRole(models.TextChoices):
    """What part a contact plays in a decision."""

    DECISION_MAKER = "DECISION_MAKER", _("Decision maker")
    INFLUENCER = "INFLUENCER", _("Influencer")
    USER = "USER", _("User")
    PURCHASING = "PURCHASING", _("Purchasing")
    PARTNER = "PARTNER", _("Partner")
    OTHER = "OTHER", _("Other")


class OpportunityContact(models.Model):
    """A contact beside the one the opportunity is with, and the part they play."""

    opportunity = models.ForeignKey(
        Opportunity, verbose_name=_("opportunity"), on_delete=models.CASCADE, related_name="people"
    )
    contact = models.ForeignKey(
        Contact, verbose_name=_("contact"), on_delete=models.PROTECT, related_name="+"
    )
    role = models.CharField(_("role"), max_length=14, choices=ContactRole)

    class Meta:
        verbose_name = _("contact involved")
        verbose_name_plural = _("contacts involved")
        constraints = [
            models.UniqueConstraint(
                fields=["opportunity", "contact"],
                name="opportunity_contact_unique",
                violation_error_message=_("This contact is involved already."),
            ),
            models.CheckConstraint(
                condition=Q(role__in=ContactRole.values),
                name="opportunity_contact_role_known",
                violation_error_message=_("Choose one of the roles."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} ({self.get_role_display()})"
