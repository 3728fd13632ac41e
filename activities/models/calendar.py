"""What leaves the house by itself: the personal calendar, and what somebody was reminded of."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CalendarFeed(models.Model):
    """The address under which somebody's calendar programme reads the tasks; only its fingerprint is kept."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="calendar_feed",
        error_messages={"unique": _("This user has a calendar feed already.")},
    )
    key_hash = models.CharField(
        _("fingerprint of the key"),
        max_length=64,
        unique=True,
        error_messages={"unique": _("Another feed has this key.")},
    )
    made_at = models.DateTimeField(_("made at"))
    read_at = models.DateTimeField(_("last read at"), null=True, blank=True)

    class Meta:
        verbose_name = _("calendar feed")
        verbose_name_plural = _("calendar feeds")
        constraints = [
            models.CheckConstraint(
                condition=~Q(key_hash=""),
                name="calendar_feed_key_given",
                violation_error_message=_("A calendar feed needs a key."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}"


class Notice(models.Model):
    """An e-mail that Kansen wrote to somebody: claimed before it is sent, so that nobody gets it twice."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        db_index=False,  # the index of the constraint below begins with it
        related_name="notices",
    )
    key = models.CharField(
        _("what it is about"), max_length=100, help_text=_("A task and its due time, or the day of a digest.")
    )
    claimed_at = models.DateTimeField(_("begun at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    settled_at = models.DateTimeField(
        _("settled at"),
        null=True,
        blank=True,
        help_text=_("There was nothing to write, or it was told that it was begun and never finished."),
    )

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index(fields=["claimed_at"], name="notice_claimed_idx"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "key"],
                name="notice_sent_once",
                violation_error_message=_("Somebody was told this already."),
            ),
            models.CheckConstraint(
                condition=~Q(key=""),
                name="notice_key_given",
                violation_error_message=_("A notice is about something."),
            ),
        ]

    def __str__(self) -> str:
        return self.key
