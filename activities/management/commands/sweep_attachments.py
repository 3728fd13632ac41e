"""Remove stored files that no attachment names, and report attachments whose file is missing."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activities import sweeping
from activities.models import Attachment
from crm import commands
from crm.progress import progress

MOST_LINES = 100


class Command(commands.Command):
    """``manage.py sweep_attachments``"""

    help = (
        "Remove stored files that no attachment names and that are older than a day, and report attachments whose "
        "file is missing. Run it now and then, and after a backup was restored."
    )
    examples = """
examples:
  manage.py sweep_attachments --dry-run
  manage.py sweep_attachments

exit status: 0 every attachment has its file, 1 files are missing (the first 100 are printed), 2 wrong arguments or the
folder cannot be read
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="remove nothing, only say what would be")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet, dry_run = options["verbosity"] == 0, options["dry_run"]
        try:
            removed = self.sweep(dry_run=dry_run, quiet=quiet)
            if not quiet:
                self.stdout.write(_said(removed, dry_run=dry_run))
            lost = self.report_missing(quiet=quiet)
        except OSError as error:
            raise CommandError(
                _("The folder of attachments cannot be used: %(error)s") % {"error": error}, returncode=2
            ) from error
        if lost:
            raise CommandError(
                ngettext(
                    "%(n)d attachment has no file. Look for it in a backup.",
                    "%(n)d attachments have no file. Look for them in a backup.",
                    lost,
                )
                % {"n": lost}
            )

    def sweep(self, *, dry_run: bool, quiet: bool) -> int:
        """Remove what nothing names; returns how many files."""
        with progress(_("Folders swept"), len(sweeping.folders()), quiet=quiet) as advance:
            return sum(1 for _name in sweeping.sweep(dry_run=dry_run, advance=advance))

    def report_missing(self, *, quiet: bool) -> int:
        """Print the attachments without a file; returns how many."""
        lost = 0
        with progress(_("Attachments looked at"), Attachment.objects.count(), quiet=quiet) as advance:
            for row in sweeping.missing(advance=advance):
                lost += 1
                if lost <= MOST_LINES:
                    self.stdout.write(
                        _("Attachment %(key)d, “%(name)s”: %(file)s is missing.")
                        % {"key": row.pk, "name": row.name, "file": row.file.name}
                    )
        return lost


def _said(removed: int, *, dry_run: bool) -> str:
    if dry_run:
        text = ngettext("%(n)d file would be removed.", "%(n)d files would be removed.", removed)
    else:
        text = ngettext("%(n)d file removed.", "%(n)d files removed.", removed)
    return text % {"n": removed}
