"""Write opportunities, or their ledger entries, to a CSV or XLSX file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import commands
from crm.progress import progress
from crm.tables import CsvWriter, TableError, TableWriter, write_table
from opportunities import exporting, selecting

MOST_ROWS_IN_A_SHEET = 1_048_575  # below the header


class Command(commands.Command):
    """``manage.py export_opportunities``"""

    help = (
        "Write opportunities to a CSV or XLSX file, one row each; with --entries one row per ledger entry. "
        "Dates in CSV are 2026-03-23, numbers have a point and every digit that is stored."
    )
    examples = """
examples:
  manage.py export_opportunities pipeline.xlsx
  manage.py export_opportunities won.csv --status won --closed-from 2026-01-01 --closed-to 2026-03-31
  manage.py export_opportunities history.csv --entries --team BENELUX
  manage.py export_opportunities - --status in-progress | head

exit status: 0 written, 1 not written, 2 wrong arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="ends in .csv or .xlsx; - writes CSV to standard output"
        )
        parser.add_argument("--entries", action="store_true", help="the ledger: a row per entry")
        parser.add_argument("--force", action="store_true", help="replace the file if it is there")
        selecting.add_options(
            parser,
            "number",
            "status",
            "cycle",
            "salesperson",
            "team",
            "contact",
            "created-from",
            "created-to",
            "closed-from",
            "closed-to",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        entries: bool = options["entries"]
        rows = selecting.selected(options)
        total = exporting.count(rows, entries=entries)
        with (
            self._writer(options["file"], total, force=options["force"], entries=entries) as table,
            progress(_("Exporting"), total, quiet=options["verbosity"] == 0) as advance,
        ):
            written = 0
            for values in exporting.export_rows(rows, entries=entries):
                table.write(values)
                written += 1
                advance(1)
        if options["verbosity"]:
            done = ngettext("%(n)d row written to %(file)s.", "%(n)d rows written to %(file)s.", written)
            out = self.stderr if options["file"] == "-" else self.stdout
            out.write(done % {"n": written, "file": options["file"]}, self.style.SUCCESS)

    @contextmanager
    def _writer(self, name: str, total: int, *, force: bool, entries: bool) -> Iterator[TableWriter]:
        """Something to write rows to: standard output, or a file that appears when all is written."""
        columns = exporting.headings(entries=entries)
        if name == "-":
            with standard_output():
                yield CsvWriter(self.stdout, columns)  # type: ignore[arg-type]
            return
        path = _checked_path(name, total, force=force)
        try:
            with write_table(path, columns, title=_("Entries") if entries else _("Opportunities")) as table:
                yield table
        except TableError as error:
            raise CommandError(str(error)) from error


@contextmanager
def standard_output() -> Iterator[None]:
    """Stop quietly when the program that reads has seen enough, as ``head`` has."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into it at exit
        raise SystemExit(0) from None


def _checked_path(name: str, total: int, *, force: bool) -> Path:
    if "\0" in name:
        raise CommandError(_("A file name cannot contain a NUL character."))
    path = Path(name)
    if path.suffix.lower() not in {".csv", ".xlsx"}:
        raise CommandError(
            _("%(file)s ends neither in .csv nor in .xlsx. The ending says what to write.") % {"file": name}
        )
    if path.exists() and not force:
        raise CommandError(_("%(file)s is there already. Give --force to replace it.") % {"file": name})
    if path.suffix.lower() == ".xlsx" and total > MOST_ROWS_IN_A_SHEET:
        raise CommandError(
            _("%(n)d rows are more than a sheet can hold. Write CSV, or narrow the filters.") % {"n": total}
        )
    return path
