"""E-mail that came in, until it is filed as an interaction."""

import functools
import operator
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from activities.models.interactions import Interaction
from salespeople.models import User

KEPT_ASIDE = timedelta(days=30)  # how long what was set aside can be put back


class EmailState(models.TextChoices):
    """What became of an e-mail."""

    WAITING = "WAITING", _("Waiting for somebody to place it")
    FILED = "FILED", _("Filed")
    SET_ASIDE = "SET_ASIDE", _("Set aside")


def _names(address: str) -> Q:
    """Whether an address is the sender's or one of the recipients', each on a line of its own."""
    return (
        Q(sender=address)
        | Q(recipients=address)
        | Q(recipients__startswith=f"{address}\n")
        | Q(recipients__endswith=f"\n{address}")
        | Q(recipients__contains=f"\n{address}\n")
    )


class EmailQuerySet(models.QuerySet["Email"]):
    """E-mails by what became of them, and by reader."""

    def visible_to(self, user: User) -> "EmailQuerySet":
        """Those that a user may place: who sells sees all, or those to and from their own addresses.

        The second is so where the visibility setting hides contacts from each other's salespeople.
        """
        if not user.may_sell():
            return self.none()
        if user.is_manager() or user.sees_everything():
            return self.all()
        person = user.own_salesperson
        addresses = {user.email.lower(), person.email.lower() if person else ""} - {""}
        return self.filter(functools.reduce(operator.or_, map(_names, addresses)))

    def waiting(self) -> "EmailQuerySet":
        """Those that nobody has placed yet."""
        return self.filter(state=EmailState.WAITING)

    def aside(self) -> "EmailQuerySet":
        """Those that were set aside and can be put back."""
        return self.filter(state=EmailState.SET_ASIDE, placed_at__gt=timezone.now() - KEPT_ASIDE)

    def long_aside(self) -> "EmailQuerySet":
        """Those that were set aside so long ago that nobody puts them back."""
        return self.filter(state=EmailState.SET_ASIDE, placed_at__lte=timezone.now() - KEPT_ASIDE)


class Email(models.Model):
    """An e-mail that came in: kept so that it is filed only once, with its text until that is filed or forgotten."""

    message_key = models.CharField(
        _("message key"),
        max_length=64,
        unique=True,
        error_messages={"unique": _("This e-mail came in before.")},
        editable=False,
        help_text=_("SHA-256 of the Message-ID, or of the whole message if it has none."),
    )
    state = models.CharField(_("state"), max_length=9, choices=EmailState, default=EmailState.WAITING)
    sender = models.CharField(_("from"), max_length=320, blank=True)
    recipients = models.TextField(_("to"), blank=True, help_text=_("Addresses, one on each line."))
    subject = models.CharField(_("subject"), max_length=500, blank=True)
    text = models.TextField(_("text"), blank=True)
    sent_at = models.DateTimeField(_("sent at"))
    received_at = models.DateTimeField(_("received at"), auto_now_add=True)
    reason = models.CharField(_("why it waits"), max_length=300, blank=True)
    interaction = models.OneToOneField(
        Interaction,
        verbose_name=_("interaction"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="email",
        error_messages={"unique": _("Another e-mail is filed as this interaction.")},
    )
    placed_at = models.DateTimeField(_("placed at"), null=True, blank=True)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("placed by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )

    objects = EmailQuerySet.as_manager()

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        indexes = [
            models.Index(fields=["-sent_at", "-id"], condition=Q(state="WAITING"), name="email_waiting_idx"),
            models.Index(
                fields=["-placed_at", "-id"], condition=Q(state="SET_ASIDE"), name="email_aside_idx"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=EmailState.values),
                name="email_state_known",
                violation_error_message=_("An e-mail waits, is filed or is set aside."),
            ),
            models.CheckConstraint(
                condition=Q(interaction__isnull=True) | Q(state=EmailState.FILED),
                name="email_filed_with_interaction",
                violation_error_message=_("Only an e-mail that is filed has an interaction."),
            ),
            models.CheckConstraint(
                condition=~Q(state=EmailState.FILED) | Q(text=""),
                name="email_text_until_filed",
                violation_error_message=_("The text of an e-mail that is filed is that of its interaction."),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.sender
