"""Who else is involved: a contact and the part they play; the operations hold the rules."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from contacts.models import Contact
from contacts.pickers import ContactChoiceField
from opportunities import operations
from opportunities.forms.fields import needed
from opportunities.models import ContactRole, Opportunity, OpportunityContact
from salespeople.models import User


class RoleForm(forms.Form):
    """Another part for somebody who is involved."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=[("", gettext_lazy("Choose")), *ContactRole.choices],
        error_messages={"required": operations.ROLE_NEEDED, "invalid_choice": operations.ROLE_NEEDED},
    )

    def __init__(self, *args: Any, opportunity: Opportunity, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opportunity = opportunity
        self.user = user

    def change(self, contact: Contact) -> OpportunityContact:
        """Call the operation. Raises ``operations.Refused``."""
        return operations.change_role(
            opportunity=self.opportunity, contact=contact, role=self.cleaned_data["role"], by=self.user
        )


class InvolveForm(RoleForm):
    """Somebody who plays a part, chosen by typing."""

    contact = ContactChoiceField(error_messages=needed(operations.CONTACT_NEEDED))

    field_order = ("contact", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["contact"]
        assert isinstance(field, ContactChoiceField)
        field.user = self.user

    def involve(self) -> OpportunityContact:
        """Call the operation. Raises ``operations.Refused``."""
        return operations.involve(
            opportunity=self.opportunity,
            contact=self.cleaned_data["contact"],
            role=self.cleaned_data["role"],
            by=self.user,
        )
