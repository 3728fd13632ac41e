"""Saying up to when one has seen what others changed."""

from datetime import datetime

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from salespeople.models import User


class ChangesSeenForm(forms.Form):
    """What others changed counts as seen, up to the moment the page was drawn: the rest was not on the screen."""

    until = forms.DateTimeField(widget=forms.HiddenInput)

    def clean_until(self) -> datetime:
        """A moment that has been; somebody may have made it up."""
        until: datetime = self.cleaned_data["until"]
        if until > timezone.now():
            raise forms.ValidationError(_("Nobody has seen what is still to come."))
        return until

    def save(self, user: User, *, since: datetime) -> datetime:
        """Keep it, unless the reader has seen more than that already, perhaps in another window."""
        seen_at: datetime = max(self.cleaned_data["until"], since)
        user.changes_seen_at = seen_at
        user.save(update_fields=["changes_seen_at"])
        return seen_at
