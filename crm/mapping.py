"""What a mapping file (TOML) says about the columns of a table that is imported.

A mapping has one section per field. Each says where its text comes from: ``column``, or ``text`` with columns in
braces; then ``translate`` (this value means that one), ``lookup`` (take it from a second file) and ``default``
(when it is empty). ``[translate.COLUMN]`` translates a column wherever it is used. Paths are relative to the
imported file. Whatever is wrong with a mapping is a ``MappingError`` that names the key.
"""

import codecs
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from crm.tables import DELIMITERS, LARGEST_FILE, Row, Table, TableError, as_text, read_table

Parsed = TypeVar("Parsed")
LARGEST_MAPPING = 1_000_000
LARGEST_LOOKUP = 100_000  # rows of a second file, which is kept in memory
EARLIEST_YEAR = 1900
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
ISO_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")


class MappingError(Exception):
    """A mistake in a mapping; the text names the key."""


class RowRefused(Exception):
    """A row that cannot be imported; the text is the reason in words."""


# The sections of a mapping ---------------------------------------------------------------------------------------


class Section:
    """A table of the mapping. Every key is asked for by name; ``done`` refuses those that nobody asked for."""

    def __init__(self, values: dict[str, Any], name: str = "") -> None:
        self.name = name
        self._values = values
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> list[str]:
        """The keys that are there."""
        return list(self._values)

    def error(self, key: str, problem: str) -> MappingError:
        """A mistake at a key of this section."""
        return MappingError(f"{self.path_of(key)}: {problem}")

    def path_of(self, key: str) -> str:
        """The key as one finds it in the file."""
        return f"{self.name}.{key}" if self.name and key else self.name or key

    def _take(self, key: str, kinds: tuple[type, ...], wanted: str) -> Any:
        self._asked.append(key)
        value = self._values.get(key)
        if value is not None and (
            not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        ):
            raise self.error(key, _("%(wanted)s is expected here.") % {"wanted": wanted})
        return value

    def text(
        self, key: str, *, required: bool = False, choices: Iterable[str] = (), default: str = ""
    ) -> str:
        """A text; empty counts as missing."""
        value = str(self._take(key, (str,), _("A text in quotation marks")) or "")
        if required and not value.strip():
            raise self.error(key, self._missing(key))
        if value and choices and value not in choices:
            raise self.error(
                key,
                _("“%(value)s” is not known. Choose one of: %(choices)s.")
                % {"value": value, "choices": ", ".join(choices)},
            )
        return value or default

    def _missing(self, key: str) -> str:
        """That a key is needed, and which one there may be a slip of the pen for it."""
        others = [other for other in self._values if other not in self._asked]
        if close := get_close_matches(key, others, n=1):
            return _("This is needed. Is “%(other)s” meant to be it?") % {"other": close[0]}
        return _("This is needed.")

    def scalar(self, key: str) -> str:
        """A text, number, date or truth value, as text."""
        kinds = (str, int, Decimal, bool, date)
        return as_text(self._take(key, kinds, _("A text, a number or a date")))

    def number(self, key: str, default: Decimal) -> Decimal:
        """A number."""
        value = self._take(key, (int, Decimal), _("A number"))
        return default if value is None else Decimal(value)

    def flag(self, key: str) -> bool:
        """True or false; false when it is not there."""
        return bool(self._take(key, (bool,), _("true or false")))

    def section(self, key: str) -> "Section":
        """A table inside this one; empty when it is not there."""
        values = self._take(key, (dict,), _("A table, such as [%(key)s],") % {"key": self.path_of(key)})
        return Section(values or {}, self.path_of(key))

    def sections(self, key: str) -> list["Section"]:
        """A list of tables inside this one."""
        values = self._take(key, (list,), _("A list of tables")) or []
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, _("%(wanted)s is expected here.") % {"wanted": _("A list of tables")})
        return [
            Section(value, f"{self.path_of(key)}[{index}]") for index, value in enumerate(values, start=1)
        ]

    def translation(self, key: str) -> dict[str, str]:
        """A table of texts for texts."""
        section = self.section(key)
        return {word: section.scalar(word) for word in section.keys()}  # noqa: SIM118  (not a dict)

    def done(self) -> None:
        """Refuse the keys that nothing has asked for."""
        if unknown := [key for key in self._values if key not in self._asked]:
            raise self.error(
                unknown[0],
                _("There is no such key. There are: %(keys)s.")
                % {"keys": ", ".join(dict.fromkeys(self._asked))},
            )


def read_mapping(path: Path) -> Section:
    """The whole of a mapping file."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_MAPPING + 1)
    except OSError as error:
        raise MappingError(
            _("The mapping %(file)s cannot be read: %(error)s.") % {"file": path, "error": error.strerror}
        ) from error
    if len(content) > LARGEST_MAPPING:
        raise MappingError(_("%(file)s is too large for a mapping.") % {"file": path.name})
    try:
        return Section(tomllib.loads(content.decode(), parse_float=Decimal))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MappingError(
            _("%(file)s is not valid TOML: %(error)s.") % {"file": path.name, "error": error}
        ) from error


# How the file is read --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileStyle:
    """How the imported file writes its cells."""

    delimiter: str = ""
    encoding: str = ""
    sheet: str = ""
    date_format: str = ""
    decimal: str = "."
    thousands: str = ""

    @classmethod
    def from_section(cls, section: Section) -> "FileStyle":
        """What ``[file]`` says."""
        style = cls(
            delimiter=section.text("delimiter", choices=list(DELIMITERS)),
            encoding=section.text("encoding"),
            sheet=section.text("sheet"),
            date_format=section.text("date_format"),
            decimal=section.text("decimal", choices=[".", ","], default="."),
            thousands=section.text("thousands", choices=[".", ",", " ", "'"]),
        )
        section.done()
        if style.thousands == style.decimal:
            raise section.error("thousands", _("This is the decimal sign as well."))
        try:
            if style.encoding:
                b"".decode(style.encoding)
                "".encode(style.encoding)
                codecs.getincrementaldecoder(style.encoding)
        except LookupError:
            raise section.error(
                "encoding", _("“%(value)s” is not a known encoding.") % {"value": style.encoding}
            ) from None
        if style.date_format:
            try:
                sample = datetime(2001, 2, 3)
                if datetime.strptime(sample.strftime(style.date_format), style.date_format) != sample:
                    raise ValueError
            except ValueError:
                raise section.error(
                    "date_format",
                    _("“%(value)s” does not name day, month and year, as in %%d/%%m/%%Y.")
                    % {"value": style.date_format},
                ) from None
        return style

    def open(self, path: Path, largest: int = LARGEST_FILE) -> Table:
        """The imported file. Raises ``TableError``."""
        return read_table(
            path, delimiter=self.delimiter, encoding=self.encoding, sheet=self.sheet, largest=largest
        )

    def for_table(self, table: Table) -> "FileStyle":
        """The same; but a workbook's numbers are numbers, so that its decimal sign is none of our business."""
        return FileStyle(date_format=self.date_format) if table.is_workbook else self

    def date_in(self, text: str) -> date | None:
        """The date that a cell says, None when it is empty. Raises ``RowRefused``."""
        if not text:
            return None
        found = None
        try:
            if self.date_format:
                found = datetime.strptime(text, self.date_format).date()
        except ValueError:
            pass  # a date cell of a workbook has no format of its own
        try:
            if found is None and (match := ISO_DATE.fullmatch(text)):
                found = date.fromisoformat(match[1])
        except ValueError:
            pass
        if found is None:
            raise RowRefused(
                _("“%(text)s” is not a date such as %(sample)s.")
                % {
                    "text": shortened(text),
                    "sample": date(2026, 3, 23).strftime(self.date_format or "%Y-%m-%d"),
                }
            )
        if found.year < EARLIEST_YEAR:
            raise RowRefused(
                _("“%(text)s” lies before %(year)d.") % {"text": shortened(text), "year": EARLIEST_YEAR}
            )
        return found

    def number_in(self, text: str) -> Decimal | None:
        """The number that a cell says, None when it is empty. Raises ``RowRefused``."""
        if not text:
            return None
        plain = "".join(
            " " if sign.isspace() else sign for sign in text if unicodedata.category(sign) != "Sc"
        )
        plain = plain.strip()
        whole = r"\d+"
        if self.thousands:
            whole = rf"(?:\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+|\d+)"
        if len(plain) > 60 or not re.fullmatch(
            rf"[+-]?{whole}(?:{re.escape(self.decimal)}\d*)?", plain, re.ASCII
        ):
            raise RowRefused(_("“%(text)s” is not a number.") % {"text": shortened(text)})
        if self.thousands:
            plain = plain.replace(self.thousands, "")
        try:
            return Decimal(plain.replace(self.decimal, "."))
        except InvalidOperation:
            raise RowRefused(_("“%(text)s” is not a number.") % {"text": shortened(text)}) from None


PLAIN = FileStyle()


def shortened(text: str) -> str:
    """A text to be quoted in a message."""
    return text if len(text) <= 60 else f"{text[:59]}…"


# Where a field comes from ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lookup:
    """A second file, by the column that is matched."""

    file: str
    rows: dict[str, dict[str, str]]

    @classmethod
    def from_section(cls, section: Section, folder: Path) -> "Lookup":
        """The file that ``file`` and ``match`` name."""
        name = section.text("file", required=True)
        match = section.text("match", required=True)
        try:
            table = read_table(folder / name)
        except TableError as error:
            raise section.error("file", str(error)) from error
        if len(table) > LARGEST_LOOKUP:
            raise section.error("file", _("At most %(n)d rows can be looked up in.") % {"n": LARGEST_LOOKUP})
        check_column(section, "match", match, table.columns)
        rows: dict[str, dict[str, str]] = {}
        for row in table:
            key = clean(row.cells[match])
            if row.problem or key in rows:
                problem = row.problem or _("“%(value)s” is there twice.") % {"value": key}
                raise section.error("file", f"{table.path.name}, {row.line}: {problem}")
            if key:
                rows[key] = {column: clean(value) for column, value in row.cells.items()}
        return cls(file=table.path.name, rows=rows)

    @property
    def columns(self) -> list[str]:
        """The columns of the file (of one without rows there are none to speak of)."""
        return list(next(iter(self.rows.values()), {}))


def clean(text: str) -> str:
    """A cell without needless spaces, within or around."""
    return " ".join(text.split())


def check_column(section: Section, key: str, column: str, columns: Iterable[str]) -> None:
    """Refuse a column that the file does not have."""
    if column not in columns:
        raise section.error(
            key,
            _("The file has no column “%(column)s”. Its columns: %(columns)s.")
            % {"column": column, "columns": ", ".join(columns)},
        )


def check_template(section: Section, key: str, text: str, columns: Iterable[str]) -> None:
    """Refuse a text whose braces name a column that the file does not have."""
    for column in PLACEHOLDER.findall(text):
        check_column(section, key, column, columns)


def fill_in(text: str, cells: dict[str, str]) -> str:
    """A text with the columns in braces replaced by their cells."""
    return clean(PLACEHOLDER.sub(lambda match: cells[match[1]], text))


@dataclass(frozen=True)
class FieldSource:
    """Where the text of one field comes from."""

    name: str = ""
    column: str = ""
    template: str = ""
    words: dict[str, str] = field(default_factory=dict)
    lookup: Lookup | None = None
    take: str = ""
    default: str = ""

    @property
    def is_mapped(self) -> bool:
        """Whether the mapping says anything about this field."""
        return bool(self.column or self.template or self.default)

    def given(self, cells: dict[str, str]) -> str:
        """What the row says for this field, "" when it says nothing. Raises ``RowRefused``."""
        text = fill_in(self.template, cells) if self.template else clean(cells.get(self.column, ""))
        text = self.words.get(text, text)
        if text and self.lookup is not None:
            if text not in self.lookup.rows:
                raise RowRefused(
                    _("%(file)s has no “%(value)s”.") % {"file": self.lookup.file, "value": shortened(text)}
                )
            text = self.lookup.rows[text][self.take]
        return text

    def text(self, cells: dict[str, str]) -> str:
        """What the row says, else the default."""
        return self.given(cells) or self.default

    def choice(self, cells: dict[str, str], choices: Iterable[str]) -> str:
        """One of a few words, in whatever case; "" when there is none."""
        text = self.text(cells)
        if not text:
            return ""
        found = {choice.casefold(): choice for choice in choices}
        known = found.get(text.casefold().replace(" ", "_"))
        if known is None:
            raise RowRefused(
                _("%(field)s: “%(text)s” is not known. It is one of: %(choices)s.")
                % {"field": self.name, "text": shortened(text), "choices": ", ".join(found.values())}
            )
        return known

    def day(self, cells: dict[str, str], style: FileStyle) -> date | None:
        """The date it says, else the default."""
        return self._parsed(cells, style.date_in, PLAIN.date_in)

    def number(self, cells: dict[str, str], style: FileStyle) -> Decimal | None:
        """The number it says, else the default."""
        return self._parsed(cells, style.number_in, PLAIN.number_in)

    def _parsed(
        self, cells: dict[str, str], parse: Callable[[str], Parsed], parse_default: Callable[[str], Parsed]
    ) -> Parsed:
        """What is made of the text; a default is written as TOML writes it. A refusal names the field."""
        given = self.given(cells)
        try:
            return parse(given) if given else parse_default(self.default)
        except RowRefused as refusal:
            raise RowRefused(f"{self.name}: {refusal}") from refusal


def field_source(section: Section, columns: Iterable[str], folder: Path) -> FieldSource:
    """The part of a section that says where a field comes from, checked against the columns of the file."""
    column, template = section.text("column"), section.text("text")
    if column and template:
        raise section.error("text", _("Name a column or a text, not both."))
    if column:
        check_column(section, "column", column, columns)
    check_template(section, "text", template, columns)
    lookup, take = None, ""
    if "lookup" in section:
        inner = section.section("lookup")
        lookup = Lookup.from_section(inner, folder)
        take = inner.text("take", required=True)
        if lookup.rows:
            check_column(inner, "take", take, lookup.columns)
        inner.done()
    return FieldSource(
        name=section.name,
        column=column,
        template=template,
        words=section.translation("translate"),
        lookup=lookup,
        take=take,
        default=clean(section.scalar("default")),
    )


class Translations:
    """``[translate.COLUMN]``: what a column's words mean, wherever the column is used."""

    def __init__(self, section: Section, columns: Iterable[str]) -> None:
        self._words = {}
        for column in section.keys():  # noqa: SIM118  (not a dict)
            check_column(section, column, column, columns)
            self._words[column] = section.translation(column)

    def cells(self, row: Row) -> dict[str, str]:
        """The cells of a row, translated."""
        cells = row.cells
        for column, words in self._words.items():
            text = clean(cells[column])
            if text in words:
                cells = {**cells, column: words[text]}
        return cells
