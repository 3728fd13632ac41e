"""Delete closed and not started opportunities, after writing the whole of each to an archive."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import commands
from crm.progress import progress
from opportunities import deleting, selecting
from opportunities.models import OpportunityQuerySet

MOST_LINES = 20


class Command(commands.Command):
    """``manage.py delete_opportunities``"""

    help = (
        "Delete opportunities that are closed or not started, with their ledger entries. The whole of each is written "
        "to an archive (JSON Lines, one opportunity a line) before it is deleted. Those in progress are refused."
    )
    examples = """
examples:
  manage.py delete_opportunities --closed-before 2020-01-01 --dry-run
  manage.py delete_opportunities --closed-before 2020-01-01 --status lost --archive lost-until-2019.jsonl
  manage.py delete_opportunities --number OP-00012 --number OP-00013 --yes

exit status: 0 all were deleted (or would be), 1 some were refused or nothing was done, 2 wrong arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and do nothing")
        parser.add_argument(
            "--archive",
            metavar="FILE",
            help="a new file for what is deleted (default: deleted-opportunities-TIME.jsonl in this directory)",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask (needed where nobody can answer)")
        selecting.add_by_option(parser)
        selecting.add_options(
            parser,
            "number",
            "status",
            "cycle",
            "salesperson",
            "team",
            "contact",
            "created-to",
            "closed-from",
            "closed-to",
            "closed-before",
            statuses=selecting.DELETABLE,
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not selecting.given(options):
            raise CommandError(
                _("Say which ones: give at least one filter, such as --closed-before 2020-01-01."),
                returncode=2,
            )
        rows = selecting.selected(options)
        total = rows.count()
        if not total:
            self._say(options, _("No opportunity matches. Nothing was done."))
            return
        by = selecting.user_named(options["by"])
        if options["dry_run"]:
            with progress(_("Checking"), total, quiet=options["verbosity"] == 0) as advance:
                outcome = deleting.try_out(rows, by=by, advance=advance)
            self._tell_refused(outcome)
            self._say(
                options,
                ngettext(
                    "%(n)d opportunity would be deleted, %(refused)d refused. Nothing was done.",
                    "%(n)d opportunities would be deleted, %(refused)d refused. Nothing was done.",
                    outcome.deleted,
                )
                % {"n": outcome.deleted, "refused": outcome.refused},
            )
        else:
            path = _archive_path(options["archive"])
            if not options["yes"]:
                self._ask(rows, path)
            outcome = self._delete(options, rows, path, by)
        if outcome.refused:
            raise CommandError(
                ngettext(
                    "%(n)d opportunity was refused. Close it first, or narrow the filters.",
                    "%(n)d opportunities were refused. Close them first, or narrow the filters.",
                    outcome.refused,
                )
                % {"n": outcome.refused}
            )

    def _delete(
        self, options: dict[str, Any], rows: OpportunityQuerySet, path: Path, by: Any
    ) -> deleting.Outcome:
        opened = False
        try:
            with (
                deleting.new_archive(path) as archive,
                progress(_("Deleting"), rows.count(), quiet=options["verbosity"] == 0) as advance,
            ):
                opened = True
                outcome = deleting.delete_all(rows, archive, by=by, advance=advance)
        except OSError as error:
            done = _("Whatever is deleted is in it.") if opened else _("Nothing was done.")
            raise CommandError(
                _("%(file)s cannot be written: %(error)s. %(done)s")
                % {"file": path, "error": error.strerror or error, "done": done}
            ) from error
        self._tell_refused(outcome)
        if outcome.deleted:
            self._say(
                options,
                ngettext(
                    "%(n)d opportunity deleted. It is kept in %(file)s.",
                    "%(n)d opportunities deleted. They are kept in %(file)s.",
                    outcome.deleted,
                )
                % {"n": outcome.deleted, "file": path.resolve()},
            )
        else:
            path.unlink()
        return outcome

    def _ask(self, rows: OpportunityQuerySet, path: Path) -> None:
        """Go on only if somebody says so."""
        if not sys.stdin.isatty():
            raise CommandError(
                _("Nobody is here to be asked. Look at it with --dry-run, then give --yes."), returncode=2
            )
        total = rows.count()
        self.stdout.write(
            ngettext(
                "%(n)d opportunity matches. What is closed or not started will be deleted for good;\n"
                "the whole of it goes to %(file)s first.",
                "%(n)d opportunities match. Those closed or not started will be deleted for good;\n"
                "the whole of each goes to %(file)s first.",
                total,
            )
            % {"n": total, "file": path.resolve()}
        )
        self.stdout.write(_("Type yes to delete: "), ending="")
        self.stdout.flush()
        if sys.stdin.readline().strip().lower() not in {"yes", _("yes")}:
            raise CommandError(_("Nothing was done."))

    def _tell_refused(self, outcome: deleting.Outcome) -> None:
        for reason in outcome.reasons[:MOST_LINES]:
            self.stdout.write(reason)
        if outcome.refused > MOST_LINES:
            self.stdout.write(_("… and %(n)d more.") % {"n": outcome.refused - MOST_LINES})

    def _say(self, options: dict[str, Any], text: str) -> None:
        if options["verbosity"]:
            self.stdout.write(text, self.style.SUCCESS)


def _archive_path(name: str | None) -> Path:
    if name and "\0" in name:
        raise CommandError(_("A file name cannot contain a NUL character."))
    return Path(name or f"deleted-opportunities-{timezone.localtime():%Y%m%d-%H%M%S}.jsonl")
