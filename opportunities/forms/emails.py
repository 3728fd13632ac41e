"""Where an e-mail belongs that nobody could match; filing it holds the rules."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Email, Interaction
from contacts.pickers import ContactChoiceField
from opportunities.forms.pickers import OpportunityChoiceField
from opportunities.mail import filing
from opportunities.mail.matching import has_part_in
from salespeople.models import User


class PlaceForm(forms.Form):
    """A contact, an open opportunity, or both."""

    contact = ContactChoiceField(
        required=False, help_text=gettext_lazy("Who wrote it, or to whom it was written.")
    )
    opportunity = OpportunityChoiceField(
        required=False, help_text=gettext_lazy("Number or beginning of the description.")
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        for name in ("contact", "opportunity"):
            field = self.fields[name]
            assert isinstance(field, (ContactChoiceField, OpportunityChoiceField))
            field.user = user

    def clean(self) -> dict[str, Any]:
        """Something is chosen, and the two belong together."""
        chosen = super().clean() or {}
        contact, opportunity = chosen.get("contact"), chosen.get("opportunity")
        if not self.errors and contact is None and opportunity is None:
            raise ValidationError(_("Choose a contact, an opportunity, or both."))
        if contact and opportunity and not has_part_in(contact, opportunity):
            words = {"contact": contact.label, "number": opportunity.number}
            self.add_error(
                "contact",
                _("%(contact)s plays no part in %(number)s. Leave one out, or involve the contact first.")
                % words,
            )
        return chosen

    def place(self, email: Email) -> Interaction:
        """File the e-mail. Raises ``filing.NoLongerWaiting`` and ``filing.PlaceRefused``."""
        return filing.place(
            email,
            contact=self.cleaned_data["contact"],
            opportunity=self.cleaned_data["opportunity"],
            by=self.user,
        )
