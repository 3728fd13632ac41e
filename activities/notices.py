"""E-mails that Kansen writes by itself, so that nobody gets the same one twice.

Each is claimed before it is sent: a row of its own that only one can add, committed at once. A run that dies between
the claim and the e-mail leaves the claim behind, so nobody is told twice, and a later run tells the operator. Only
when it is certain that nothing left is the claim given back, and the next run tries again.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import IntegrityError, models, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Notice
from salespeople.models import Role, User

logger = logging.getLogger(__name__)

UNFINISHED_AFTER = timedelta(minutes=10)
KEPT = timedelta(days=90)
SALT = "activities.unsubscribe"
PERHAPS_TAKEN = (TimeoutError, SMTPServerDisconnected)  # the server may have the e-mail and could not say so


class NoticeKind(models.TextChoices):
    """What one gets e-mail about; the value is the field that turns it on."""

    REMINDERS = "gets_reminders", gettext_lazy("Reminders")
    DIGEST = "gets_digest", gettext_lazy("The plan of the day")


class NoRoute(Exception):
    """The mail server cannot be reached, or lets nobody in: there is no point in trying the next e-mail."""


class PerhapsSent(Exception):
    """The e-mail was handed over, and then there was no answer."""


class NotTaken(Exception):
    """The mail server took the e-mail for nobody."""


@dataclass(frozen=True)
class Letter:
    """An e-mail, ready to go."""

    user: User
    kind: NoticeKind
    subject: str
    text: str
    html: str


class Occasion(Protocol):
    """A reason to write to somebody."""

    keeps_empty: ClassVar[bool]  # whether there is nothing more to say on it once there was nothing to say

    @property
    def user(self) -> User:
        """Whom to write to."""

    @property
    def key(self) -> str:
        """What makes it the same occasion, so that it is written about once."""

    def write(self) -> Letter | None:
        """The e-mail, with what is true now; None if there is nothing to say."""


# Who gets e-mail


def readers_of(kind: NoticeKind) -> "models.QuerySet[User]":
    """Salespeople who want this kind, may sign in and have a role."""
    has_role = models.Q(is_superuser=True) | models.Q(
        pk__in=User.objects.filter(groups__name__in=Role.values).values("pk")
    )
    wanted = User.objects.filter(has_role, is_active=True, salesperson__isnull=False, **{kind.value: True})
    return wanted.select_related("salesperson").order_by("pk")


@contextmanager
def speaking_to(user: User) -> Iterator[None]:
    """Words and times as this user reads them."""
    with timezone.override(user.time_zone), translation.override(user.language):
        yield


def letter(user: User, kind: NoticeKind, subject: str, template: str, context: dict[str, Any]) -> Letter:
    """An e-mail from a pair of templates, with how to stop getting it."""
    context = {
        **context,
        "user": user,
        "unsubscribe_url": unsubscribe_url(user, kind),
        "preferences_url": f"{settings.SITE_URL}{reverse('salespeople:preferences')}",
    }
    return Letter(
        user,
        kind,
        " ".join(subject.split()),
        render_to_string(f"{template}.txt", context),
        render_to_string(f"{template}.html", context),
    )


# Stopping


def unsubscribe_url(user: User, kind: NoticeKind) -> str:
    """Where this user, signed in or not, stops this kind of e-mail."""
    token = signing.dumps([user.pk, kind.value], salt=SALT)
    return f"{settings.SITE_URL}{reverse('activities:unsubscribe', args=[token])}"


def unsubscriber(token: str) -> tuple[User, NoticeKind] | None:
    """Who wants to stop what; None if we did not write this token, or the user is gone."""
    try:
        pk, kind = signing.loads(token, salt=SALT)
        user = User.objects.filter(pk=pk).first()
        return (user, NoticeKind(kind)) if user else None
    except (signing.BadSignature, ValueError, TypeError):
        return None


def unsubscribe(user: User, kind: NoticeKind) -> None:
    """Send this user no more of this kind."""
    User.objects.filter(pk=user.pk).update(**{kind.value: False})


# Claiming and sending


def claim(user: User, key: str) -> Notice | None:
    """Take it on oneself to write to the user about this; None if somebody has."""
    try:
        with transaction.atomic(durable=True):
            return Notice.objects.create(user=user, key=key, claimed_at=timezone.now())
    except IntegrityError:
        return None


def deliver(occasion: Occasion) -> bool:
    """Write about it unless somebody has; says whether an e-mail left.

    Raises ``NoRoute``, ``PerhapsSent``, or whatever the mail server had against this e-mail.
    """
    notice = claim(occasion.user, occasion.key)
    if notice is None:
        return False
    try:
        written = occasion.write()
        if written is None:
            _nothing_to_say(notice, occasion)
            return False
        _send(written, notice)
    except PerhapsSent:
        _mark(notice, settled_at=timezone.now())  # it is told now, by whoever catches this
        raise
    except Exception:
        notice.delete()
        raise
    _mark(notice, sent_at=timezone.now())
    return True


def _nothing_to_say(notice: Notice, occasion: Occasion) -> None:
    if occasion.keeps_empty:
        _mark(notice, settled_at=timezone.now())
    else:
        notice.delete()


def _mark(notice: Notice, **fields: datetime) -> None:
    Notice.objects.filter(pk=notice.pk).update(**fields)


def _send(written: Letter, notice: Notice) -> None:
    """Hand the e-mail over on a connection of its own: what goes wrong with one does not touch the next."""
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:  # smtplib's own exceptions are such, too
        raise NoRoute(str(error)) from error
    try:
        taken = connection.send_messages([_message(written, notice)])
    except PERHAPS_TAKEN as error:
        raise PerhapsSent(str(error)) from error
    finally:
        with suppress(Exception):  # a farewell that fails undoes nothing
            connection.close()
    if not taken:
        raise NotTaken(_("The mail server took it for nobody."))


def _message(written: Letter, notice: Notice) -> EmailMultiAlternatives:
    stop = unsubscribe_url(written.user, written.kind)
    once = hashlib.sha256(f"{settings.SITE_URL} {notice.user_id} {notice.key}".encode()).hexdigest()[:32]
    headers = {
        "Message-ID": f"<{once}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}>",
        "List-Unsubscribe": f"<{stop}>",
        "Auto-Submitted": "auto-generated",
    }
    if stop.startswith("https:"):  # RFC 8058 has it so
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message = EmailMultiAlternatives(written.subject, written.text, to=[written.user.email], headers=headers)
    message.attach_alternative(written.html, "text/html")
    return message


# Afterwards


def unfinished(at: datetime) -> list[Notice]:
    """Those that were begun some time ago and never finished; each is told once."""
    begun = Notice.objects.filter(
        sent_at__isnull=True, settled_at__isnull=True, claimed_at__lt=at - UNFINISHED_AFTER
    )
    found = begun.select_related("user").order_by("pk")
    return [notice for notice in found if begun.filter(pk=notice.pk).update(settled_at=at)]


def forget_old(at: datetime) -> int:
    """Delete the notices that are too old to be written again; says how many."""
    return Notice.objects.filter(claimed_at__lt=at - KEPT).delete()[0]
