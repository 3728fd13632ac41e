"""File e-mail that came in, from standard input, a Maildir or an IMAP account."""

import logging
import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import commands
from crm.imports import counted
from crm.progress import progress
from opportunities.mail.filing import Fate, file_message, forget_set_aside
from opportunities.mail.mailboxes import (
    Letter,
    Mailbox,
    MailboxError,
    Maildir,
    Stream,
    account_at,
    imap_mailbox,
)
from opportunities.mail.reading import IncomingEmail, MessageRefused, read

PASSWORD = "KANSEN_IMAP_PASSWORD"
SOME_REFUSED, COULD_NOT_RUN, TRY_LATER, INTERRUPTED = 1, 2, 75, 130  # 75 is what mail servers take as “later”
MOST_LINES = 20
MOST_TIMES = 3  # that a message is tried
DEADLOCK = "40P01"  # in PostgreSQL
logger = logging.getLogger(__name__)


class Command(commands.Command):
    """``manage.py file_email``"""

    help = (
        "File e-mail that came in as interactions on the right contact and open opportunity: by the mark of an "
        "opportunity in the subject or the address, else by the addresses in it. A message that is there already is "
        "left alone; what cannot be matched waits on the page “E-mail to place”. A message is marked as read only "
        "after it is kept, so nothing is lost or filed twice when a run is cut short."
    )
    examples = """
examples:
  manage.py file_email --stdin < message.eml
  manage.py file_email --maildir /var/mail/kansen --dry-run
  KANSEN_IMAP_PASSWORD=… manage.py file_email --imap imaps://crm%40example.com@imap.example.com/INBOX

exit status: 0 all done, 1 some messages could not be taken, 2 could not run, 75 try again later
"""
    not_ready_status = TRY_LATER

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--stdin", action="store_true", help=_("One message from standard input."))
        source.add_argument(
            "--maildir",
            type=Path,
            metavar="PATH",
            help=_("New messages of a Maildir; those that are done move to “cur”."),
        )
        source.add_argument(
            "--imap",
            metavar="URL",
            help=_(
                "Unread messages of an account, as imaps://user@host/INBOX; the password is in %(variable)s. "
                "imap:// without encryption is only for this machine."
            )
            % {"variable": PASSWORD},
        )
        parser.add_argument(
            "--dry-run", action="store_true", help=_("Say what would happen, and keep and mark nothing.")
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run; when the database is away, end so that whoever brings the message tries again."""
        try:
            return super().execute(*args, **options)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                _("The database gave up: %(error)s What was filed stays; run it again to go on.")
                % {"error": str(error).strip()},
                returncode=TRY_LATER,
            ) from error

    def handle(self, *args: Any, **options: Any) -> None:
        run = _Run(dry_run=options["dry_run"])
        try:
            with self._mailbox(options) as mailbox:
                quiet = options["verbosity"] == 0
                with progress(_("Filing e-mail"), len(mailbox), quiet=quiet or not mailbox) as advance:
                    for letter in mailbox.letters():
                        run.take(mailbox, letter)
                        advance(1)
            if not options["dry_run"]:
                forget_set_aside()
        except MailboxError as error:
            status = COULD_NOT_RUN if error.is_lasting else TRY_LATER
            raise CommandError(str(error), returncode=status) from error
        except KeyboardInterrupt:
            self.stderr.write(_("Stopped. What was filed stays; run it again to go on."))
            sys.exit(INTERRUPTED)
        if options["verbosity"]:
            for line in run.summary():
                self.stdout.write(line)
        if run.refused:
            raise CommandError("\n".join(run.refusals()), returncode=SOME_REFUSED)

    @contextmanager
    def _mailbox(self, options: dict[str, Any]) -> Iterator[Mailbox]:
        if options["stdin"]:
            yield Stream(sys.stdin.buffer)
        elif options["maildir"]:
            yield Maildir(options["maildir"])
        else:
            account = account_at(options["imap"])
            password = os.environ.get(PASSWORD)
            if not password:
                raise MailboxError(
                    _("The password is missing. Put it into the environment variable %(variable)s.")
                    % {"variable": PASSWORD},
                    is_lasting=True,
                )
            with imap_mailbox(account, password, read_only=options["dry_run"]) as mailbox:
                yield mailbox


class _Run:
    """Takes message after message, and remembers what became of each."""

    def __init__(self, *, dry_run: bool) -> None:
        self.refused: list[tuple[str, str]] = []
        self._dry_run = dry_run
        self._fates: Counter[Fate] = Counter()
        self._keys: set[str] = set()

    def take(self, mailbox: Mailbox, letter: Letter) -> None:
        """File a message and then mark it as done; one that cannot be taken does not stop the others."""
        try:
            raw = letter.read()
            if raw is None:
                return
            fate = self._filed(raw)
        except MessageRefused as refusal:
            self.refused.append((letter.name, refusal.message))
            return
        self._fates[fate] += 1
        if not self._dry_run:
            mailbox.settle(letter)

    def summary(self) -> Iterator[str]:
        """What became of the messages."""
        total = self._fates.total() + len(self.refused)
        yield ngettext(
            "%(total)s message: %(filed)s filed, %(waiting)s to be placed, %(there)s already there, "
            "%(refused)s not taken.",
            "%(total)s messages: %(filed)s filed, %(waiting)s to be placed, %(there)s already there, "
            "%(refused)s not taken.",
            total,
        ) % {
            "total": counted(total),
            "filed": counted(self._fates[Fate.FILED]),
            "waiting": counted(self._fates[Fate.WAITING]),
            "there": counted(self._fates[Fate.THERE]),
            "refused": counted(len(self.refused)),
        }
        if self._dry_run:
            yield _("This was a dry run: nothing was kept.")

    def refusals(self) -> Iterator[str]:
        """The messages that were not taken, and why."""
        for name, reason in self.refused[:MOST_LINES]:
            yield f"{name}: {reason}"
        if len(self.refused) > MOST_LINES:
            yield _("… and %(n)d more.") % {"n": len(self.refused) - MOST_LINES}

    def _filed(self, raw: bytes) -> Fate:
        message = read(raw)
        if self._dry_run and message.key in self._keys:
            return Fate.THERE
        self._keys.add(message.key)
        try:
            return self._tried(message)
        except (OperationalError, InterfaceError):
            raise  # nothing can be filed now
        except Exception as error:
            logger.exception("A message could not be filed")
            said = str(error).strip() or type(error).__name__
            raise MessageRefused(_("It could not be filed: %(error)s") % {"error": said}) from error

    def _tried(self, message: IncomingEmail, times: int = MOST_TIMES) -> Fate:
        """File a message, again if it had to give way to what others do at the same moment."""
        try:
            return file_message(message, dry_run=self._dry_run)
        except OperationalError as error:
            if times <= 1 or not _gave_way(error):
                raise
        return self._tried(message, times - 1)


def _gave_way(error: OperationalError) -> bool:
    """Whether the database ended a transaction in favour of another, so that the same may work now."""
    return getattr(error.__cause__, "sqlstate", "") == DEADLOCK or "database is locked" in str(error)
