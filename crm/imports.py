"""What every import command does the same way: options, rejects file, progress, counts and exit status.

Every row of the file ends in one of three ways (``Fate``). The rejects file has the line, the reason in words and
the original columns, so that it can be put right and imported by itself.
"""

import sys
from abc import abstractmethod
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError, transaction
from django.db.models import Model
from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from crm import commands
from crm.mapping import MappingError, RowRefused
from crm.models import NumberSeries
from crm.progress import progress
from crm.tables import LARGEST_FILE, MEGABYTE, Row, TableError, TableWriter, read_table, write_table

LINE_COLUMN = "rejected_line"
REASON_COLUMN = "rejected_reason"

ALL_IN, SOME_REJECTED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


class Fate(Enum):
    """How a row ends."""

    NEW = "new"
    THERE = "already there"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Result:
    """What became of a row, and why it was rejected."""

    row: Row
    fate: Fate
    reason: str = ""


class Importer(Protocol):
    """Imports a table row by row."""

    columns: list[str]

    def __len__(self) -> int:
        """The number of rows."""

    def run(self) -> Iterator[Result]:
        """Import row by row, telling what became of each."""

    def summary(self) -> Iterable[str]:
        """Lines that say what was imported, after the run."""


# Transactions ----------------------------------------------------------------------------------------------------


@contextmanager
def kept_or_not(*, dry_run: bool) -> Iterator[None]:
    """A transaction that is rolled back at the end of a dry run."""
    with transaction.atomic():
        yield
        if dry_run:
            transaction.set_rollback(True)


def lock_numbers(prefix: str) -> None:
    """Be the only one who gives numbers of a series until the transaction ends, and so the only one who adds."""
    NumberSeries.objects.get_or_create(prefix=prefix)
    NumberSeries.objects.select_for_update().get(prefix=prefix)


# Words -----------------------------------------------------------------------------------------------------------


def counted(number: int) -> str:
    """A number for a person: 8,800."""
    return str(number_format(number, use_l10n=True, force_grouping=True))


def in_words(error: ValidationError, model: type[Model]) -> str:
    """All that is wrong with a record, each message with the field it is about."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    parts = []
    for name, messages in error.message_dict.items():
        label = ""
        if name != NON_FIELD_ERRORS:
            with suppress(FieldDoesNotExist):
                label = f"{capfirst(str(getattr(model._meta.get_field(name), 'verbose_name', name)))}: "
        parts.append(label + " ".join(messages))
    return " ".join(parts)


# The rejects file ------------------------------------------------------------------------------------------------


class Rejects:
    """The file of the rejected rows. It appears when everything is over, and only if there is something in it."""

    def __init__(self, path: Path, source: Path, columns: list[str]) -> None:
        self.path = path
        self._columns = [name for name in columns if name not in (LINE_COLUMN, REASON_COLUMN)]
        self._writer: TableWriter | None = None
        self._open = ExitStack()
        if path.exists() and not self._is_ours():
            raise TableError(
                _("%(file)s exists and is no rejects file. Name another one with --rejects.") % {"file": path}
            )
        if path.exists() and source.exists() and path.samefile(source):
            raise TableError(
                _("The rejects would overwrite the file itself. Name another one with --rejects.")
            )
        if not path.absolute().parent.is_dir():
            raise TableError(_("There is no folder %(folder)s.") % {"folder": path.absolute().parent})

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if self._writer is None and kind is None:
            self.path.unlink(missing_ok=True)  # one of an earlier run would say what is no longer so
        self._open.__exit__(kind, error, trace)

    def add(self, row: Row, reason: str) -> None:
        """Write a row with the reason it was rejected."""
        if self._writer is None:
            self._writer = self._open.enter_context(
                write_table(self.path, [LINE_COLUMN, REASON_COLUMN, *self._columns])
            )
        self._writer.write([row.line, reason, *(row.cells[name] for name in self._columns)])

    def _is_ours(self) -> bool:
        try:
            return read_table(self.path).columns[:2] == [LINE_COLUMN, REASON_COLUMN]
        except TableError:
            return False


# The command -----------------------------------------------------------------------------------------------------


class ImportCommand(commands.Command):
    """A command that imports a file; a subclass says what into."""

    mapping_is_required = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, metavar="FILE", help=_("A CSV or XLSX file with a header row.")
        )
        parser.add_argument(
            "--mapping",
            type=Path,
            metavar="MAP.toml",
            required=self.mapping_is_required,
            help=_("What the columns mean; see docs/import.md."),
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=_(
                "Say what would happen, with the same counts and the same rejects file, and keep nothing."
            ),
        )
        parser.add_argument(
            "--by",
            default="",
            metavar="EMAIL",
            help=_("In whose name (default: a closed sign-in called Operator)."),
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="FILE",
            help=_("Where rejected rows go (default: NAME-rejects.csv in the current folder)."),
        )
        parser.add_argument(
            "--max-megabytes",
            type=int,
            default=LARGEST_FILE // MEGABYTE,
            metavar="N",
            help=_("The largest file that is read (default: %(default)s)."),
        )

    @abstractmethod
    def importer(self, **options: Any) -> Importer:
        """Get ready: everything that can be refused as a whole is refused here, before anything is written."""

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["file"]
        path = options["rejects"] or Path(f"{source.stem}-rejects.csv")
        quiet = options["verbosity"] == 0
        fates: Counter[Fate] = Counter()
        try:
            importer = self.importer(**options)
            with (
                Rejects(path, source, importer.columns) as rejects,
                progress(source.name, len(importer), quiet=quiet) as advance,
            ):
                for result in importer.run():
                    fates[result.fate] += 1
                    if result.fate == Fate.REJECTED:
                        rejects.add(result.row, result.reason)
                    advance(1)
        except (TableError, MappingError, RowRefused) as error:
            raise CommandError(str(error), returncode=COULD_NOT_RUN) from error
        except DatabaseError as error:
            raise CommandError(
                _("The database gave up: %(error)s What was imported stays; run it again to go on.")
                % {"error": str(error).strip()},
                returncode=COULD_NOT_RUN,
            ) from error
        except KeyboardInterrupt:
            self.stderr.write(_("Stopped. What was imported stays; run it again to go on."))
            sys.exit(INTERRUPTED)
        if not quiet:
            for line in self._told(source, path, fates, importer, dry_run=options["dry_run"]):
                self.stdout.write(line)
        if fates[Fate.REJECTED]:
            sys.exit(SOME_REJECTED)

    @staticmethod
    def _told(
        source: Path, path: Path, fates: Counter[Fate], importer: Importer, *, dry_run: bool
    ) -> Iterator[str]:
        """What is said at the end."""
        yield _(
            "%(file)s: %(read)s rows read, %(new)s new, %(there)s already there, %(rejected)s rejected."
        ) % {
            "file": source.name,
            "read": counted(fates.total()),
            "new": counted(fates[Fate.NEW]),
            "there": counted(fates[Fate.THERE]),
            "rejected": counted(fates[Fate.REJECTED]),
        }
        yield from importer.summary()
        if fates[Fate.REJECTED]:
            yield _("Rejected rows, with line and reason: %(file)s") % {"file": path}
        if dry_run:
            yield _("This was a dry run: nothing was kept.")
