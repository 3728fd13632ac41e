"""Files that came with an interaction, or with an e-mail that still waits."""

from pathlib import PurePath
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from activities.models.emails import Email
from activities.models.interactions import Interaction


def attachment_storage() -> Storage:
    """Where the files lie: outside everything that is served."""
    return storages["attachments"]


def stored_name(attachment: "Attachment", name: str) -> str:
    """Under which name a file lies there: one that says nothing and that no system runs."""
    key = uuid4().hex
    return str(PurePath(key[:2]) / key)


class Attachment(models.Model):
    """A file, kept as it came and only ever handed out as a download."""

    interaction = models.ForeignKey(
        Interaction,
        verbose_name=_("interaction"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="attachments",
    )
    email = models.ForeignKey(
        Email,
        verbose_name=_("e-mail"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="attachments",
    )
    name = models.CharField(_("name"), max_length=200)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("In bytes."))
    file = models.FileField(_("file"), storage=attachment_storage, upload_to=stored_name, max_length=100)
    added_at = models.DateTimeField(_("added at"), auto_now_add=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("added by"),
        on_delete=models.PROTECT,
        db_index=False,  # nobody asks for it
        related_name="+",
    )

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        constraints = [
            models.UniqueConstraint(
                fields=["file"],
                name="attachment_file_once",
                violation_error_message=_("A stored file belongs to one attachment."),
            ),
            models.CheckConstraint(
                condition=Q(interaction__isnull=False, email__isnull=True)
                | Q(interaction__isnull=True, email__isnull=False),
                name="attachment_belongs_to_one",
                violation_error_message=_("An attachment belongs to an interaction or to an e-mail."),
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="attachment_name_given",
                violation_error_message=_("An attachment needs a name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("opportunities:attachment", args=[self.pk])
