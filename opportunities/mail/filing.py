"""E-mails filed as interactions, each in one transaction and only once, by the command or by a person.

``Email.message_key`` is unique, so whoever comes second with the same message, also at the same moment, is told that
it is there already. What cannot be matched waits with its text and files until somebody places it or sets it aside.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from activities.attachments import FileRefused, forget_files, keep_file
from activities.models import Attachment, Email, EmailState, Interaction, InteractionKind
from contacts.models import Contact
from crm.imports import kept_or_not
from opportunities.mail.matching import (
    Addressed,
    Colleagues,
    Match,
    blocked_reason,
    blocked_unnamed,
    is_blocked,
    match,
)
from opportunities.mail.reading import LONGEST_TEXT, IncomingEmail, IncomingFile, shortened
from opportunities.models import Opportunity
from salespeople.models import User

LONGEST_REASON = 300
FORGOTTEN_AT_ONCE = 500
LONGEST_HEAD = 2_000  # characters of an interaction before the text of its e-mail
NAMED_AT_MOST = 5  # recipients in an interaction


class Fate(Enum):
    """What became of a message."""

    FILED = "filed"
    WAITING = "waiting"
    THERE = "already there"


class NoLongerWaiting(Exception):
    """Somebody else has placed the e-mail, or set it aside; ``email`` is as it is now."""

    def __init__(self, email: Email) -> None:
        super().__init__(str(email))
        self.email = email


class PlaceRefused(Exception):
    """An e-mail that cannot be placed so; ``message`` says why, ``field`` where in a form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


# What comes in ---------------------------------------------------------------------------------------------------


def file_message(message: IncomingEmail, *, dry_run: bool = False) -> Fate:
    """File a message, or let it wait."""
    with kept_or_not(dry_run=dry_run):
        email, is_new = Email.objects.get_or_create(message_key=message.key, defaults=_columns(message))
        if not is_new:
            return Fate.THERE
        colleagues = Colleagues(addressed := _addressed(message))
        by = colleagues.first_user() or User.objects.for_commands()
        found = _held(_judged(message, addressed, colleagues))
        files = [] if dry_run else message.files
        if found.reason:
            _wait(email, message, found.reason, files, by)
            return Fate.WAITING
        _file(email, message, found, files, by)
        return Fate.FILED


def _addressed(message: IncomingEmail) -> Addressed:
    return Addressed(message.subject, message.sender, message.recipients, message.delivered_to)


def _columns(message: IncomingEmail) -> dict[str, object]:
    return {
        "sender": message.sender,
        "recipients": "\n".join(message.recipients),
        "subject": message.subject,
        "sent_at": message.sent_at,
    }


def _judged(message: IncomingEmail, addressed: Addressed, colleagues: Colleagues) -> Match:
    if message.is_automatic:
        return Match(reason=_("A machine sent it: an automatic answer, a report or a mailing to many."))
    if not message.is_whole:
        return Match(reason=_("It is built too oddly to be read as a whole."))
    return match(addressed, colleagues)


def _held(found: Match) -> Match:
    """The same with its contact locked, unless that was merged or blocked at this moment."""
    if found.contact is None or found.reason:
        return found
    contact = _locked(found.contact)
    if is_blocked(contact):
        return Match(reason=blocked_unnamed())
    return Match(contact, found.opportunity)


def _locked(contact: Contact) -> Contact:
    """The contact, or the one that carries on for it, that nobody merges or blocks until the transaction ends."""
    return Contact.objects.locked().carrying_on(contact.pk)


def _wait(email: Email, message: IncomingEmail, reason: str, files: Iterable[IncomingFile], by: User) -> None:
    refused = _keep(files, by, email=email)
    email.reason = reason[:LONGEST_REASON]
    email.text = shortened(_with_notices([*message.left_out, *refused], message.text), LONGEST_TEXT)
    email.save(update_fields=["reason", "text"])


def _file(
    email: Email, message: IncomingEmail, found: Match, files: Iterable[IncomingFile], by: User
) -> None:
    interaction = _new_interaction(email, found, by)
    refused = _keep(files, by, interaction=interaction)
    interaction.text = _whole_text(email, _with_notices([*message.left_out, *refused], message.text))
    interaction.save(update_fields=["text"])
    _mark_filed(email, interaction, timezone.now(), None)


def _keep(
    files: Iterable[IncomingFile],
    by: User,
    *,
    email: Email | None = None,
    interaction: Interaction | None = None,
) -> list[str]:
    """Keep what may be kept; returns the reasons for the rest."""
    refused = []
    for file in files:
        try:
            content = ContentFile(file.content, name=file.name)
            keep_file(name=file.name, content=content, by=by, email=email, interaction=interaction)
        except FileRefused as refusal:
            refused.append(refusal.message)
    return refused


def _new_interaction(email: Email, found: Match, by: User) -> Interaction:
    return Interaction.objects.create(
        kind=InteractionKind.EMAIL,
        text=_whole_text(email, email.text),
        happened_on=timezone.localdate(email.sent_at, ZoneInfo(by.time_zone)),
        contact=found.contact,
        opportunity=found.opportunity,
        recorded_by=by,
    )


def _mark_filed(email: Email, interaction: Interaction, at: datetime, by: User | None) -> None:
    email.state = EmailState.FILED
    email.interaction = interaction
    email.text = ""
    email.reason = ""
    email.placed_at = at
    email.placed_by = by
    email.save(update_fields=["state", "interaction", "text", "reason", "placed_at", "placed_by"])


# Its text --------------------------------------------------------------------------------------------------------


def _with_notices(notices: Sequence[str], text: str) -> str:
    """The text below what has to be said about files that did not come along."""
    if not notices:
        return text
    return "\n".join([_("Left out:"), *(f"- {notice}" for notice in notices), "", text]).rstrip()


def _head(email: Email) -> str:
    """Subject, and from whom to whom."""
    recipients = email.recipients.splitlines()
    to = ", ".join([*recipients[:NAMED_AT_MOST], *(["…"] if len(recipients) > NAMED_AT_MOST else [])])
    line = _("From %(sender)s to %(recipients)s") if to else _("From %(sender)s")
    words = {"sender": email.sender or _("an unknown sender"), "recipients": to}
    return shortened(f"{email.subject or _('(no subject)')}\n{line % words}", LONGEST_HEAD)


def _whole_text(email: Email, text: str) -> str:
    """What the interaction says: the head and the text of an e-mail, as far as there is room."""
    return shortened(f"{_head(email)}\n\n{text}".rstrip(), LONGEST_TEXT)


# What a person does with those that wait -------------------------------------------------------------------------


def place(email: Email, *, contact: Contact | None, opportunity: Opportunity | None, by: User) -> Interaction:
    """File an e-mail that waits where a person says, with its files. Raises ``NoLongerWaiting``, ``PlaceRefused``."""
    with transaction.atomic():
        held = _waiting(email)
        for field, concerned in (
            ("contact", contact),
            ("opportunity", opportunity.contact if opportunity else None),
        ):
            if concerned is not None and is_blocked(concerned):
                raise PlaceRefused(blocked_reason(concerned), field=field)
        found = Match(_locked(contact) if contact else None, opportunity)
        interaction = _new_interaction(held, found, by)
        held.attachments.update(email=None, interaction=interaction)
        _mark_filed(held, interaction, timezone.now(), by)
    return interaction


def set_aside(email: Email, *, by: User) -> None:
    """Be done with an e-mail that waits; for a while it can be put back. Raises ``NoLongerWaiting``."""
    with transaction.atomic():
        held = _waiting(email)
        held.state = EmailState.SET_ASIDE
        held.placed_at, held.placed_by = timezone.now(), by
        held.save(update_fields=["state", "placed_at", "placed_by"])


def put_back(email: Email) -> None:
    """Let an e-mail wait again that was set aside not long ago. Raises ``NoLongerWaiting`` where that is not so."""
    with transaction.atomic():
        held: Email = Email.objects.select_for_update().get(pk=email.pk)
        if not Email.objects.aside().filter(pk=held.pk).exists():
            raise NoLongerWaiting(held)
        held.state, held.placed_at, held.placed_by = EmailState.WAITING, None, None
        held.save(update_fields=["state", "placed_at", "placed_by"])


def forget_set_aside() -> None:
    """Delete the text and files of what was set aside so long ago that nobody puts it back, some at a time.

    The row stays, so that the same message is not taken again.
    """
    files = Attachment.objects.filter(email__in=Email.objects.long_aside().values("pk"))
    with_something = Email.objects.long_aside().filter(
        ~Q(text="") | Exists(files.filter(email=OuterRef("pk")))
    )
    with transaction.atomic():
        keys = list(
            with_something.select_for_update().order_by("pk").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]
        )
        gone = Attachment.objects.filter(email__in=keys)
        forget_files(gone)
        gone.delete()
        Email.objects.filter(pk__in=keys).update(text="")


def take_back(email: Email, *, by: User) -> None:
    """Let an e-mail wait again, with its text and files, that one has placed wrongly and nobody has edited since.

    Raises ``NoLongerWaiting`` where that is not so.
    """
    with transaction.atomic():
        held: Email = Email.objects.select_for_update().get(pk=email.pk)
        rows = Interaction.objects.select_for_update()
        interaction = rows.filter(pk=held.interaction_id).first() if held.interaction_id else None
        if interaction is None or held.placed_by_id != by.pk or interaction.edited_at is not None:
            raise NoLongerWaiting(held)
        Attachment.objects.filter(interaction=interaction).update(email=held, interaction=None)
        held.state, held.interaction = EmailState.WAITING, None
        held.text = interaction.text.removeprefix(_head(held)).strip()
        held.reason = _("%(name)s placed it and took it back.") % {"name": by}
        held.placed_at = held.placed_by = None
        held.save()
        interaction.delete()


def _waiting(email: Email) -> Email:
    """The e-mail, locked, if it still waits."""
    held: Email = Email.objects.select_for_update().get(pk=email.pk)
    if held.state != EmailState.WAITING:
        raise NoLongerWaiting(held)
    return held
