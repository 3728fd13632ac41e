"""Tables in files: CSV and XLSX, read and written row by row.

Reading goes over the file twice. The first pass (``read_table``) refuses what cannot be read at all, with the
line it is on, before anybody has acted on a single row; the second (iterating) hands out rows of plain text. A
row that is damaged by itself comes with its ``problem`` in words, so that the others can go on. Nothing is ever
held in memory as a whole, and the limits below keep a hostile file small.

Writing replaces the target only when it is complete. Text that a spreadsheet would run as a formula is written
with an apostrophe before it, and reading takes that apostrophe off again.
"""

import csv
import os
import re
import secrets
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Protocol

import openpyxl
from django.utils.translation import gettext as _
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

MEGABYTE = 1024 * 1024
LARGEST_FILE = 200 * MEGABYTE
LARGEST_WORKBOOK = 600 * MEGABYTE  # an XLSX file unpacked
LARGEST_TEXTS = 100 * MEGABYTE  # its shared texts, the one part that a reader keeps in memory
MOST_COLUMNS = 300
LONGEST_CELL = 32_767  # what a spreadsheet cell can hold
LONGEST_FIELD = 1_000_000  # beyond it a quotation mark was surely never closed
DELIMITERS = ",;\t|"

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
FORMULA_START = re.compile(r"'*[=+\-@\t\r\n]")
PLAIN_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


class TableError(Exception):
    """A file that cannot be read or written as a table; the text says why and where."""


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on, its cells as text by column, and what is wrong with it ("" if nothing)."""

    line: int
    cells: dict[str, str]
    problem: str = ""


# Reading ---------------------------------------------------------------------------------------------------------


@dataclass
class Table:
    """A file with a header row. ``len()`` is the number of rows that are not blank; iterating reads it anew."""

    path: Path
    delimiter: str = ""
    encoding: str = ""
    sheet: str = ""
    columns: list[str] = field(default_factory=list)
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Row]:
        lines = self._lines()
        next(lines, None)  # the header
        for line, values, problem in lines:
            if not problem and len(values) > len(self.columns):
                problem = _("The row has %(n)d cells, but there are %(columns)d columns.") % {
                    "n": len(values),
                    "columns": len(self.columns),
                }
            cells = dict(zip_longest(self.columns, values[: len(self.columns)], fillvalue=""))
            yield Row(line, cells, problem or _problem_in(cells))

    def _lines(self) -> Iterator[tuple[int, list[str], str]]:
        """The rows that are not blank, the header first: line, cells, and a problem of the row itself."""
        lines = _xlsx_lines(self.path, self.sheet) if self.is_workbook else self._csv_lines()
        for line, values, problem in lines:
            while values and not values[-1].strip():
                values.pop()
            if values or problem:
                yield line, values, problem

    @property
    def is_workbook(self) -> bool:
        """Whether the file is an XLSX workbook, by its content."""
        with self.path.open("rb") as file:
            return file.read(4) == ZIP

    def _csv_lines(self) -> Iterator[tuple[int, list[str], str]]:
        csv.field_size_limit(LONGEST_FIELD)
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            line = 1
            try:
                for values in reader:
                    yield line, [_restored(value) for value in values], ""
                    line = reader.line_num + 1
            except csv.Error as error:
                raise TableError(
                    _("%(file)s, line %(line)d: %(error)s. A quotation mark may be missing or out of place.")
                    % {"file": self.path.name, "line": line, "error": error}
                ) from error
            except UnicodeError as error:
                raise TableError(_undecodable(self.path, self.encoding)) from error


def read_table(
    path: Path, *, delimiter: str = "", encoding: str = "", sheet: str = "", largest: int = LARGEST_FILE
) -> Table:
    """Open a table, having read it once: its columns are known, its rows counted, its structure is sound.

    Without a ``delimiter`` the header tells it; without an ``encoding`` the file is UTF-8 (or UTF-16 with its
    mark). Raises ``TableError``.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise TableError(
            _("%(file)s cannot be read: %(error)s.") % {"file": path, "error": error.strerror}
        ) from error
    if size > largest:
        raise TableError(
            _("%(file)s has %(size)d MB; at most %(limit)d MB are read. Split it.")
            % {"file": path.name, "size": size // MEGABYTE + 1, "limit": largest // MEGABYTE}
        )
    if start == OLD_EXCEL:
        raise TableError(
            _("%(file)s is an old or encrypted Excel file. Save it as XLSX without a password, or as CSV.")
            % {"file": path.name}
        )
    table = Table(path=path, sheet=sheet)
    if start != ZIP:
        table.encoding = encoding or ("utf-16" if start[:2] in UTF_16 else "utf-8")
        if table.encoding.lower().replace("_", "-") in {"utf-8", "utf8"}:
            table.encoding = "utf-8-sig"
        table.delimiter = delimiter or _delimiter_of(path, table.encoding)
    lines = table._lines()
    header = next(lines, None)
    if header is None:
        raise TableError(_("%(file)s is empty. Its first row has to name the columns.") % {"file": path.name})
    table.columns = _header(path, header[1])
    table.count = sum(1 for _line in lines)
    return table


def _header(path: Path, values: list[str]) -> list[str]:
    """The names of the columns: each once, and not too many."""
    if len(values) > MOST_COLUMNS:
        raise TableError(
            _("%(file)s has more than %(n)d columns. Leave out what is not needed.")
            % {"file": path.name, "n": MOST_COLUMNS}
        )
    columns = [
        " ".join(value.split()) or _("(column %(n)d)") % {"n": index}
        for index, value in enumerate(values, start=1)
    ]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise TableError(
            _("%(file)s has more than one column called “%(name)s”. Each needs its own name.")
            % {"file": path.name, "name": twice[0]}
        )
    for name in columns:
        if problem := _problem_in({"": name}):
            raise TableError(_("%(file)s, header: %(problem)s") % {"file": path.name, "problem": problem})
    return columns


def _problem_in(cells: dict[str, str]) -> str:
    """What makes a row unusable whatever it means."""
    for name, value in cells.items():
        if "\0" in value:
            return _("“%(column)s” contains a NUL character.") % {"column": name}
        if len(value) > LONGEST_CELL:
            return _("“%(column)s” has %(n)d characters; a cell has at most %(limit)d.") % {
                "column": name,
                "n": len(value),
                "limit": LONGEST_CELL,
            }
    return ""


def _delimiter_of(path: Path, encoding: str) -> str:
    """What separates the names in the header; a comma when there is only one name."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            header = next(
                (line for line in iter(lambda: file.readline(LONGEST_FIELD), "") if line.strip()), ""
            )
    except (UnicodeError, LookupError) as error:
        raise TableError(_undecodable(path, encoding)) from error
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=outside_quotes.count)


def _undecodable(path: Path, encoding: str) -> str:
    """Say which line cannot be read in an encoding."""
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    advice = _("Save the file as UTF-8, or name its encoding in the mapping, such as cp1252.")
    if not encoding.lower().startswith("utf-16"):  # there a line does not end in one byte
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode(encoding)
                except UnicodeDecodeError as error:
                    return _("%(file)s, line %(line)d is not %(encoding)s (byte %(byte)s). %(advice)s") % {
                        "file": path.name,
                        "line": number,
                        "encoding": name,
                        "byte": f"0x{line[error.start]:02X}",
                        "advice": advice,
                    }
                except LookupError:
                    break
    return _("%(file)s is not %(encoding)s. %(advice)s") % {
        "file": path.name,
        "encoding": name,
        "advice": advice,
    }


# XLSX ------------------------------------------------------------------------------------------------------------


def _xlsx_lines(path: Path, sheet: str) -> Iterator[tuple[int, list[str], str]]:
    """The rows of a sheet. It is read twice in step: once for values, once to know which of them are formulas."""
    _check_unpacked_size(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles that do not matter here
        try:
            values = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
            formulas = openpyxl.load_workbook(path, read_only=True, keep_links=False)
        except Exception as error:  # whatever a damaged file makes the reader stumble over
            raise TableError(_damaged(path, error)) from error
        try:
            pages = [_worksheet(book, path, sheet) for book in (values, formulas)]
            rows = zip(*(page.iter_rows(max_col=MOST_COLUMNS + 1) for page in pages), strict=True)
            for line in range(1, 2**31):
                try:
                    row = next(rows, None)
                except Exception as error:
                    raise TableError(_damaged(path, error)) from error
                if row is None:
                    return
                yield line, *_texts(*row)
        finally:
            values.close()
            formulas.close()


def _worksheet(book: Any, path: Path, sheet: str) -> Any:
    names = [page.title for page in book.worksheets]
    if sheet and sheet not in names:
        raise TableError(
            _("%(file)s has no sheet “%(sheet)s”. Its sheets: %(names)s.")
            % {"file": path.name, "sheet": sheet, "names": ", ".join(names)}
        )
    if not names:
        raise TableError(_("%(file)s has no sheet with cells.") % {"file": path.name})
    page = book[sheet or names[0]]
    page.reset_dimensions()  # the file's own word for its size may be wrong
    return page


def _texts(values: Sequence[Any], formulas: Sequence[Any]) -> tuple[list[str], str]:
    """The cells of a row as text, and what is wrong with them."""
    texts, problem = [], ""
    for cell, formula in zip(values, formulas, strict=True):
        if formula.data_type == "f" and cell.value is None and cell.data_type == "n":
            problem = problem or _(
                "A cell holds a formula without its result. "
                "Open the file in a spreadsheet program, save it there, and import it again."
            )
        if cell.data_type == "e":
            problem = problem or _("A cell holds the error %(error)s.") % {"error": cell.value}
        texts.append(_restored(as_text(cell.value)))
    return texts, problem


def _check_unpacked_size(path: Path) -> None:
    """Refuse a small file that unpacks into a huge one; the unpacker never gives more than is declared here."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {part.filename: part.file_size for part in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise TableError(_damaged(path, error)) from error
    texts = sum(size for name, size in sizes.items() if name.lower().endswith("sharedstrings.xml"))
    if sum(sizes.values()) > LARGEST_WORKBOOK or texts > LARGEST_TEXTS:
        raise TableError(
            _("%(file)s unpacks to more than can be read. Save it as CSV, or split it.") % {"file": path.name}
        )


def _damaged(path: Path, error: Exception) -> str:
    return _("%(file)s cannot be read as an XLSX workbook: %(error)s.") % {
        "file": path.name,
        "error": error or type(error).__name__,
    }


# Text and values -------------------------------------------------------------------------------------------------


def as_text(value: object) -> str:
    """A value as a cell says it: dates as 2026-03-23, numbers without exponent or needless decimals."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return (
                str(value.date()) if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
            )
        case date() | timedelta() | time():
            return str(value)
        case float():
            return f"{int(value)}" if value.is_integer() else f"{Decimal(repr(value)):f}"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def neutral(text: str) -> str:
    """Text that no spreadsheet runs as a formula; a plain number such as -5 stays as it is."""
    if FORMULA_START.match(text) and not PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _restored(text: str) -> str:
    """What ``neutral`` was given."""
    return text[1:] if text.startswith("'") and FORMULA_START.match(text) else text


# Writing ---------------------------------------------------------------------------------------------------------


class TableWriter(Protocol):
    """Takes the rows of a table one by one."""

    def write(self, values: Iterable[object]) -> None:
        """Add a row: text is made harmless, numbers and dates stay what they are."""


class CsvWriter:
    """Writes CSV to an open text file, the header at once."""

    def __init__(self, file: IO[str], columns: Iterable[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")  # so that either sign is quoted within a cell
        self.write(columns)

    def write(self, values: Iterable[object]) -> None:
        self._writer.writerow(
            neutral(value) if isinstance(value, str) else as_text(value) for value in values
        )


class XlsxWriter:
    """Writes one sheet of an XLSX workbook; ``save`` puts it into a file."""

    def __init__(self, columns: Iterable[str], title: str = "") -> None:
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet(title or None)
        self._sheet.freeze_panes = "A2"
        self.write(columns)

    def write(self, values: Iterable[object]) -> None:
        self._sheet.append([self._cell(value) for value in values])

    def save(self, path: Path) -> None:
        """Finish the workbook."""
        self._book.save(path)

    def discard(self) -> None:
        """Close what is open of a workbook that will not be saved."""
        self._sheet.close()

    @staticmethod
    def _cell(value: object) -> object:
        if isinstance(value, str):
            return neutral(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value))[:LONGEST_CELL]
        return value


@contextmanager
def write_table(path: Path, columns: Iterable[str], *, title: str = "") -> Iterator[TableWriter]:
    """Write a table to ``path``: XLSX when it ends in .xlsx, else CSV in UTF-8.

    The target appears, or is replaced, when the block ends well; when it raises, nothing has happened. Raises
    ``TableError`` where the file cannot be written.
    """
    if path.exists() and not path.is_file():
        raise TableError(_("%(file)s is not a file that can be written.") % {"file": path})
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            if path.suffix.lower() == ".xlsx":
                part.touch(exist_ok=False)  # fails now rather than after the work
                workbook = XlsxWriter(columns, title)
                try:
                    yield workbook
                except BaseException:
                    workbook.discard()
                    raise
                workbook.save(part)
            else:
                with part.open("x", encoding="utf-8", newline="") as file:
                    yield CsvWriter(file, columns)
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise TableError(
                _("%(file)s cannot be written: %(error)s.") % {"file": path, "error": error.strerror or error}
            ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
