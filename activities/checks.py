"""What must hold before files are kept: that they lie where no web server hands them out."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.files.storage import FileSystemStorage
from django.utils.translation import gettext as _

from activities.models.attachments import attachment_storage


def attachments_are_not_served(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """An error when attachments would lie in a folder of static files, or such a folder among them."""
    storage = attachment_storage()
    if not isinstance(storage, FileSystemStorage):
        return []
    place = Path(storage.location).resolve()
    served = [Path(folder).resolve() for folder in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS)]
    return [
        Error(
            _(
                "Attachments would lie in “%(place)s”, which shares a folder with static files in “%(folder)s”."
            )
            % {"place": place, "folder": folder},
            hint=_("Let ATTACHMENTS name a folder that no web server hands out."),
            id="activities.E001",
        )
        for folder in served
        if place.is_relative_to(folder) or folder.is_relative_to(place)
    ]
