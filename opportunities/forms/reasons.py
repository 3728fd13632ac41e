"""The shape of a close reason."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.seen import SeenForm
from opportunities.models import CloseReason, Outcome


class CloseReasonForm(SeenForm[CloseReason]):
    """A close reason; what it means for the past cannot change once the ledger names it."""

    class Meta:
        model = CloseReason
        fields = ["code", "outcome", "description", "is_active"]

    def __init__(self, *args: Any, uses: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.uses = uses
        outcome = self.fields["outcome"]
        assert isinstance(outcome, forms.ChoiceField)
        outcome.choices = Outcome.choices
        outcome.widget = forms.RadioSelect(choices=Outcome.choices)
        if uses:
            outcome.help_text = _("Fixed, because the reason is in use.")

    def clean_outcome(self) -> str:
        """Refuse another outcome while the ledger says that opportunities ended this way."""
        outcome: str = self.cleaned_data["outcome"]
        before: str = self.initial.get("outcome", outcome)
        if self.uses and outcome != before:
            raise ValidationError(
                ngettext(
                    "%(n)d ledger entry names this as a reason for %(outcome)s, so it stays one. "
                    "Retire it and make a new reason instead.",
                    "%(n)d ledger entries name this as a reason for %(outcome)s, so it stays one. "
                    "Retire it and make a new reason instead.",
                    self.uses,
                )
                % {"n": self.uses, "outcome": Outcome(before).label.lower()}
            )
        return outcome
