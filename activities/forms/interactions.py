"""What was said, written or noted, as people type it."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Interaction
from crm.dates import today


class ProseField(forms.CharField):
    """A text of several lines, whose ends count and are kept as one character."""

    def to_python(self, value: Any) -> str:
        """What was typed, with plain line ends."""
        return _lines(super().to_python(value) or "")


class InteractionForm(forms.ModelForm[Interaction]):
    """A note, a call, a meeting or an e-mail: what kind, on which day, and what was said.

    While one is edited, ``seen`` holds the text it had when the form was drawn, so that nobody writes over what
    somebody else wrote meanwhile.
    """

    seen = ProseField(required=False, strip=False, widget=forms.HiddenInput)

    class Meta:
        model = Interaction
        fields = ["text", "kind", "happened_on"]
        field_classes = {"text": ProseField}
        labels = {
            "text": gettext_lazy("What was said or noted"),
            "happened_on": gettext_lazy("Day"),
        }
        widgets = {
            "text": forms.Textarea(attrs={"rows": 4, "maxlength": 10_000}),
            "happened_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }
        error_messages = {
            "text": {
                "required": gettext_lazy("Write a few words."),
                "max_length": gettext_lazy("At most %(limit_value)d characters are kept."),
            },
            "kind": {"invalid_choice": gettext_lazy("Choose a note, a call, a meeting or an e-mail.")},
            "happened_on": {
                "required": gettext_lazy("Say on which day."),
                "invalid": gettext_lazy("This is not a day."),
            },
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["happened_on"] = self.initial.get("happened_on") or today()
        self.initial["seen"] = _lines(self.instance.text)
        if not self.instance.pk:
            del self.fields["seen"]

    def clean_happened_on(self) -> date:
        """No day to come."""
        happened_on: date = self.cleaned_data["happened_on"]
        if happened_on > today():
            raise ValidationError(_("That day has not come yet. Choose today or an earlier one."))
        return happened_on

    def was_overtaken(self, stored: str) -> bool:
        """Whether somebody else has written ``stored`` since the form was drawn."""
        return _lines(self.data.get("seen", "")) != _lines(stored)

    def redraw(self, stored: str) -> None:
        """Carry the text there is now, so that the next attempt is made on what the person now sees."""
        self.data = {**dict(self.data.items()), "seen": stored}


def _lines(text: str) -> str:
    """A text with the line ends that a browser does not turn into others."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
