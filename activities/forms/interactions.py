"""What was said, written or noted, as people type it."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.attachments import forget_files, keep_file, too_many
from activities.forms.files import FilesField, KeptFilesField
from activities.models import Attachment, Interaction, InteractionKind
from crm.dates import today
from crm.uploads import MOST_FILES
from salespeople.models import User

KEYS = {  # that open the form for this kind
    InteractionKind.NOTE: "q",
    InteractionKind.CALL: "c",
    InteractionKind.MEETING: "h",
    InteractionKind.EMAIL: "y",
}


class ProseField(forms.CharField):
    """A text of several lines, whose ends count and are kept as one character."""

    def to_python(self, value: Any) -> str:
        """What was typed, with plain line ends."""
        return _lines(super().to_python(value) or "")


class KindChoice(forms.RadioSelect):
    """The kinds side by side, each with its key; where there is a mistake, focus goes to the first."""

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """One kind."""
        option = super().create_option(name, value, label, *args, **kwargs)
        option["key"] = KEYS[InteractionKind(value)]
        option["attrs"] |= {
            "data-key": option["key"],
            "data-key-label": log_label(value),
            "aria-keyshortcuts": option["key"],
        }
        if option["index"] != "0":
            option["attrs"].pop("data-focus", None)
        return option


class InteractionForm(forms.ModelForm[Interaction]):
    """A note, a call, a meeting or an e-mail: what kind, on which day, what was said, and the files that came with it.

    While one is edited, ``seen`` holds the text it had when the form was drawn, so that nobody writes over what
    somebody else wrote meanwhile.
    """

    seen = ProseField(required=False, strip=False, widget=forms.HiddenInput)
    remove = KeptFilesField(
        queryset=Attachment.objects.none(), required=False, label=gettext_lazy("Remove files")
    )
    attach = FilesField(label=gettext_lazy("Add files"))

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
        self._offer_kept_files()

    def _offer_kept_files(self) -> None:
        kept = self.instance.attachments.order_by("pk") if self.instance.pk else Attachment.objects.none()
        self.kept = list(kept)
        if self.kept:
            choice: Any = self.fields["remove"]
            choice.queryset = kept
        else:
            del self.fields["remove"]

    def full_clean(self) -> None:
        """Check everything; files are never carried over to the next attempt, so a refused form asks for them again."""
        super().full_clean()
        if self.is_bound and self.errors:
            self.ask_for_files_again()

    def ask_for_files_again(self) -> None:
        """Say that files were chosen, and that the browser has let go of them."""
        if self.files.getlist(self.add_prefix("attach")):
            self.add_error("attach", _("Nothing was kept yet. Choose the files again."))

    def clean_happened_on(self) -> date:
        """No day to come."""
        happened_on: date = self.cleaned_data["happened_on"]
        if happened_on > today():
            raise ValidationError(_("That day has not come yet. Choose today or an earlier one."))
        return happened_on

    def clean(self) -> dict[str, Any] | None:
        """No more files than are kept together."""
        cleaned = super().clean()
        files = self.cleaned_data.get("attach", [])
        room = MOST_FILES - len(self.kept) + len(self.cleaned_data.get("remove", []))
        if len(files) > max(room, 0):
            self.add_error("attach", too_many(files[max(room, 0)].name))
        return cleaned

    def keep_files(self, by: User) -> None:
        """Take away the files that were ticked, and keep the new ones, now that the rest is stored.

        Raises ``FileRefused``; so this is a part of a transaction.
        """
        if removed := self.cleaned_data.get("remove"):
            forget_files(removed)
            removed.delete()
        for file in self.cleaned_data["attach"]:
            keep_file(name=file.name, content=file, by=by, interaction=self.instance)

    def was_overtaken(self, stored: str) -> bool:
        """Whether somebody else has written ``stored`` since the form was drawn."""
        return _lines(self.data.get("seen", "")) != _lines(stored)

    def redraw(self, stored: str) -> None:
        """Carry the text there is now, so that the next attempt is made on what the person now sees."""
        kept: Any = self.data
        data = kept.copy()
        data["seen"] = stored
        self.data = data


def _lines(text: str) -> str:
    """A text with the line ends that a browser does not turn into others."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def log_label(kind: str) -> str:
    """What the key of a kind does."""
    return {
        InteractionKind.NOTE: _("Note something"),
        InteractionKind.CALL: _("Log a call"),
        InteractionKind.MEETING: _("Log a meeting"),
        InteractionKind.EMAIL: _("Log an e-mail"),
    }[InteractionKind(kind)]
