"""Files that are chosen in a form."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.attachments import ENDINGS, FileRefused, checked_name, kinds_kept, largest, too_many
from activities.models import Attachment
from crm.forms import KeyedMultipleChoiceField
from crm.uploads import MOST_FILES

TAKEN_AWAY = gettext_lazy("One of the files with a tick is not there any more. Look again, then save.")


class FilesInput(forms.FileInput):
    """Chooses several files, of the kinds that are kept."""

    allow_multiple_selected = True

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        """With what the page needs to know to say at once that a file will be refused."""
        return super().build_attrs(base_attrs, extra_attrs) | {
            "accept": ",".join(f".{ending}" for ending in sorted(ENDINGS)),
            "data-largest": settings.LARGEST_ATTACHMENT,
            "data-most": MOST_FILES,
        }


class FilesField(forms.FileField):
    """Several files; the value is a list of those that were chosen."""

    widget = FilesInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "help_text": limits, **kwargs})

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        """The files. Raises ``ValidationError`` with a line for every file that is not kept."""
        files = list(data or [])
        refused = []
        for file in files:
            try:
                checked_name(file.name, file.size)
            except FileRefused as refusal:
                refused.append(refusal.message)
        if len(files) > MOST_FILES:
            refused.append(too_many(files[MOST_FILES].name))
        if refused:
            raise ValidationError(refused)
        return files

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether any file was chosen."""
        return bool(data)


class KeptFilesField(KeyedMultipleChoiceField):
    """The files that are there, of which those with a tick go."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_choice": TAKEN_AWAY, "invalid_pk_value": TAKEN_AWAY}

    def label_from_instance(self, obj: Attachment) -> str:
        """Name and size."""
        return f"{obj.name} ({filesizeformat(obj.size)})"


def limits() -> str:
    """Which files are kept, in words."""
    return _("At most %(most)d files of %(size)s each: %(kinds)s.") % {
        "most": MOST_FILES,
        "size": largest(),
        "kinds": kinds_kept(),
    }
