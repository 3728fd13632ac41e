"""What the commands that send e-mail have in common."""

from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activities import notices
from activities.notices import NoRoute, Occasion, PerhapsSent
from crm import commands
from crm.progress import progress

LONG = 20  # with fewer e-mails there is nothing to watch


class NoticeCommand(commands.Command, ABC):
    """Writes to whoever there is an occasion to write to; run again and again, by cron or a timer."""

    @abstractmethod
    def occasions(self, now: datetime) -> Sequence[Occasion]:
        """Whom to write to about what, as far as nobody has."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say who would get what; send nothing, keep nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        occasions = self.occasions(now)
        if options["dry_run"]:
            self._say_what_would_be_sent(occasions)
            return
        self._tell_unfinished(now)
        sent, refused = self._deliver(occasions, quiet=options["verbosity"] == 0 or len(occasions) < LONG)
        notices.forget_old(now)
        if options["verbosity"]:
            said = ngettext("%(n)d e-mail sent.", "%(n)d e-mails sent.", sent) % {"n": sent}
            self.stdout.write(said, self.style.SUCCESS)
        for line in refused:
            self.stderr.write(line)
        if refused:
            raise CommandError(
                ngettext("%(n)d e-mail went wrong.", "%(n)d e-mails went wrong.", len(refused))
                % {"n": len(refused)}
            )

    def _say_what_would_be_sent(self, occasions: Sequence[Occasion]) -> None:
        count = 0
        for occasion in occasions:
            written = occasion.write()
            if written is not None:
                count += 1
                self.stdout.write(f"{written.user.email}: {written.subject}")
        said = ngettext("%(n)d e-mail would be sent.", "%(n)d e-mails would be sent.", count)
        self.stdout.write(said % {"n": count})

    def _tell_unfinished(self, now: datetime) -> None:
        text = _(
            "Begun at %(when)s and never finished, so perhaps sent, and not tried again: %(who)s, %(what)s."
        )
        for notice in notices.unfinished(now):
            when = timezone.localtime(notice.claimed_at).isoformat(" ", "seconds")
            self.stderr.write(text % {"when": when, "who": notice.user.email, "what": notice.key})

    def _deliver(self, occasions: Sequence[Occasion], *, quiet: bool) -> tuple[int, list[str]]:
        """How many e-mails left, and what went wrong with the others."""
        sent, refused = 0, []
        with progress(_("Sending"), len(occasions), quiet=quiet) as advance:
            for occasion in occasions:
                who = {"who": occasion.user.email, "what": occasion.key}
                try:
                    sent += notices.deliver(occasion)
                except NoRoute as error:
                    text = _("The mail server cannot be reached, or lets nobody in: %(error)s")
                    refused.append(text % {"error": error})
                    break
                except PerhapsSent as error:
                    text = _("%(who)s, %(what)s: no answer, so perhaps sent, and not tried again: %(error)s")
                    refused.append(text % {**who, "error": error})
                except DatabaseError:
                    raise  # what was sent may not be kept, so going on would be wrong
                except Exception as error:  # one that cannot be sent keeps nobody else waiting
                    text = _("%(who)s, %(what)s: not sent, and tried again by the next run: %(error)r")
                    refused.append(text % {**who, "error": error})
                advance(1)
        return sent, refused
