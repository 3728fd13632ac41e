"""Mappings: how cells become dates and numbers, and that every mistake names its key."""

from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.mapping import (
    FieldSource,
    FileStyle,
    MappingError,
    RowRefused,
    Section,
    Translations,
    field_source,
    read_mapping,
)
from crm.tables import Row


def style(**values):
    return FileStyle.from_section(Section(values, "file"))


# Dates and numbers


@pytest.mark.parametrize(
    "text", ["2026-03-23", "2026-03-23 00:00:00", "2026-03-23T14:05Z", "2026-03-23T14:05:07.5+01:00"]
)
def test_iso_dates_with_or_without_a_time(text):
    assert style().date_in(text) == date(2026, 3, 23)


def test_dates_in_the_format_of_the_file_and_in_that_of_a_workbook():
    belgian = style(date_format="%d/%m/%Y")
    assert belgian.date_in("23/03/2026") == belgian.date_in("2026-03-23") == date(2026, 3, 23)
    assert belgian.date_in("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("23/03/2026", "“23/03/2026” is not a date such as 2026-03-23."),
        ("2026-02-30", "“2026-02-30” is not a date"),
        ("20260323", "is not a date"),
        ("2026-W10-1", "is not a date"),
        ("soon" * 30, "…” is not a date"),
        ("0026-03-23", "“0026-03-23” lies before 1900."),
    ],
)
def test_what_is_no_date(text, message):
    with pytest.raises(RowRefused) as refused:
        style().date_in(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("options", "text", "number"),
    [
        ({}, "1054", "1054"),
        ({}, " -3.50 ", "-3.50"),
        ({}, "€ 1054.5", "1054.5"),
        ({}, "+7.", "7"),
        ({"decimal": ",", "thousands": "."}, "1.234.567,89", "1234567.89"),
        ({"decimal": ",", "thousands": "."}, "1234,5", "1234.5"),
        ({"thousands": ","}, "$1,234.50", "1234.50"),
        ({"decimal": ",", "thousands": " "}, "1\N{NARROW NO-BREAK SPACE}234,5", "1234.5"),
        ({"thousands": "'"}, "1'234", "1234"),
    ],
)
def test_numbers_as_the_file_writes_them(options, text, number):
    assert style(**options).number_in(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["1,5", "1.2.3", "1e5", "NaN", "Infinity", "12 EUR", "--1", "9" * 70, "٣", "1 2"]
)
def test_what_is_no_number(text):
    with pytest.raises(RowRefused, match="is not a number"):
        style().number_in(text)


def test_thousands_stand_in_their_places():
    with pytest.raises(RowRefused, match="is not a number"):
        style(decimal=",", thousands=".").number_in("12.34,5")
    assert style().number_in("") is None


@given(st.text())
def test_any_text_is_a_date_a_number_or_refused(text):
    for parse in (style(date_format="%d/%m/%Y").date_in, style(decimal=",", thousands=".").number_in):
        with suppress(RowRefused):
            parse(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"delimiter": "x"}, "file.delimiter: “x” is not known. Choose one of: ,, ;"),
        ({"encoding": "latin-99"}, "file.encoding: “latin-99” is not a known encoding."),
        ({"encoding": "base64"}, "file.encoding: “base64” is not a known encoding."),
        ({"date_format": "%d of %m"}, "file.date_format: “%d of %m” does not name day, month and year"),
        ({"date_format": "%Q"}, "file.date_format:"),
        ({"decimal": ",", "thousands": ","}, "file.thousands: This is the decimal sign as well."),
        ({"decimal": 1}, "file.decimal: A text in quotation marks is expected here."),
        ({"delimitre": ";"}, "file.delimitre: There is no such key. There are: delimiter, encoding"),
    ],
)
def test_mistakes_in_the_file_section(values, message):
    with pytest.raises(MappingError) as refused:
        style(**values)
    assert message in str(refused.value)


# Sections


def test_sections_name_the_place_of_a_mistake():
    section = Section({"a": 1, "b": "x", "c": {"d": 2}, "e": [1], "f": True, "g": "", "h": 1.5}, "top")
    assert section.scalar("a") == "1"
    assert section.scalar("f") == "true"
    for ask, key, message in [
        (section.text, "a", "top.a: A text in quotation marks is expected here."),
        (section.number, "b", "top.b: A number is expected here."),
        (section.flag, "a", "top.a: true or false is expected here."),
        (section.section, "b", "top.b: A table, such as [top.b], is expected here."),
        (section.section("c").text, "d", "top.c.d: A text"),
        (section.sections, "e", "top.e: A list of tables is expected here."),
        (section.scalar, "c", "top.c: A text, a number or a date is expected here."),
    ]:
        with pytest.raises(MappingError) as refused:
            ask(key, Decimal(0)) if ask == section.number else ask(key)
        assert message in str(refused.value)
    with pytest.raises(MappingError, match=r"top\.f: A number is expected"):
        section.number("f", Decimal(0))
    with pytest.raises(MappingError, match=r"top\.g: This is needed\."):
        section.text("g", required=True)
    with pytest.raises(MappingError, match=r"top\.h: There is no such key"):
        section.done()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = ", "map.toml is not valid TOML: Invalid value"),
        (b"a = \xff", "map.toml is not valid TOML"),
        (b"a = 1\na = 2", "map.toml is not valid TOML: Cannot overwrite a value"),
        (b"# " + b"x" * 1_000_001, "map.toml is too large for a mapping."),
        (b"a = " + b"[" * 100_000, "map.toml is not valid TOML"),
    ],
)
def test_files_that_are_no_mapping(tmp_path, content, message):
    (tmp_path / "map.toml").write_bytes(content)
    with pytest.raises(MappingError) as refused:
        read_mapping(tmp_path / "map.toml")
    assert message in str(refused.value)
    with pytest.raises(MappingError, match=r"none\.toml cannot be read: No such file"):
        read_mapping(tmp_path / "none.toml")


# Where a field comes from

COLUMNS = ["product", "who"]
LOOKUP = {"file": "prices.csv", "match": "name", "take": "price"}
CELLS = {"product": " GTX  Pro", "who": ""}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "prices.csv").write_text("name;price\nGTX Pro;10,5\nMG;3\n")
    return lambda **values: field_source(Section(values, "value"), COLUMNS, tmp_path)


def test_a_column_translated_looked_up_or_by_default(source):
    assert source(column="product").text(CELLS) == "GTX Pro"
    assert source(column="product", translate={"GTX Pro": "MG"}, lookup=LOOKUP).text(CELLS) == "3"
    assert source(column="who", default=5).text(CELLS) == "5"
    assert source(default=date(2026, 3, 23)).day(CELLS, style(date_format="%d/%m/%Y")) == date(2026, 3, 23)
    assert source(column="product", lookup=LOOKUP).number(CELLS, style(decimal=",")) == Decimal("10.5")
    assert source(column="who", default=Decimal("1.5")).number(CELLS, style(decimal=",")) == Decimal("1.5")
    assert source(text="{product} for {who}!").text(CELLS) == "GTX Pro for !"
    assert source(column="who", lookup=LOOKUP).text(CELLS) == ""
    assert not source().is_mapped
    assert source(default="x").is_mapped


def test_refusals_name_the_field(source):
    with pytest.raises(RowRefused, match="value: “GTX Pro” is not a number"):
        source(column="product").number(CELLS, style())
    with pytest.raises(RowRefused, match=r"prices\.csv has no “Other”\."):
        source(
            default="",
            column="product",
            translate={"GTX Pro": "Other"},
            lookup=LOOKUP,
        ).text(CELLS)
    with pytest.raises(RowRefused, match=r"value: “GTX Pro” is not known\. It is one of: WON, LOST\."):
        source(column="product").choice(CELLS, ["WON", "LOST"])


def test_choices_in_any_case():
    source = FieldSource(name="outcome", column="who")
    assert source.choice({"who": "won"}, ["WON"]) == "WON"
    assert source.choice({"who": ""}, ["WON"]) == ""
    assert source.choice({"who": "not started"}, ["NOT_STARTED"]) == "NOT_STARTED"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"column": "produkt"}, "value.column: The file has no column “produkt”. Its columns: product, who."),
        ({"text": "{produkt}"}, "value.text: The file has no column “produkt”."),
        ({"text": "x", "column": "who"}, "value.text: Name a column or a text, not both."),
        ({"column": "who", "translate": {"a": [1]}}, "value.translate.a: A text, a number or a date"),
        ({"lookup": LOOKUP | {"file": ""}}, "value.lookup.file: This is needed."),
        ({"lookup": LOOKUP | {"file": "none.csv"}}, "value.lookup.file: "),
        ({"lookup": LOOKUP | {"match": "a"}}, "value.lookup.match: The file has no column “a”"),
        ({"lookup": LOOKUP | {"take": "b"}}, "value.lookup.take: The file has no column “b”"),
        ({"lookup": LOOKUP | {"x": 1}}, "value.lookup.x: There is no such key."),
        ({"lookup": LOOKUP | {"file": "twice.csv"}}, "value.lookup.file: twice.csv, 3: “a” is there twice."),
        ({"lookup": LOOKUP | {"file": "nul.csv"}}, "value.lookup.file: nul.csv, 2: “price” contains a NUL"),
    ],
)
def test_mistakes_in_a_field(source, tmp_path, values, message):
    (tmp_path / "twice.csv").write_text("name,price\na,1\na,2\n")
    (tmp_path / "nul.csv").write_text("name,price\na,\0\n")
    with pytest.raises(MappingError) as refused:
        source(**values)
    assert message in str(refused.value)


def test_a_lookup_has_a_limit(source, tmp_path, monkeypatch):
    monkeypatch.setattr("crm.mapping.LARGEST_LOOKUP", 1)
    with pytest.raises(MappingError, match=r"value\.lookup\.file: At most 1 rows"):
        source(lookup=LOOKUP)


def test_an_empty_lookup_knows_nothing(source, tmp_path):
    (tmp_path / "empty.csv").write_text("name,price\n")
    with pytest.raises(RowRefused, match=r"empty\.csv has no “GTX Pro”"):
        source(column="product", lookup=LOOKUP | {"file": "empty.csv"}).text(CELLS)


def test_columns_are_translated_wherever_they_are_used():
    translations = Translations(Section({"product": {"GTX Pro": "GTX"}}, "translate"), COLUMNS)
    assert translations.cells(Row(2, CELLS)) == {"product": "GTX", "who": ""}
    with pytest.raises(MappingError, match=r"translate\.x: The file has no column “x”"):
        Translations(Section({"x": {}}, "translate"), COLUMNS)


def test_key_that_is_missing_names_its_misspelling():
    with pytest.raises(
        MappingError, match=r"opportunity\.column: This is needed\. Is “colunm” meant to be it\?"
    ):
        Section({"colunm": "Deal"}, "opportunity").text("column", required=True)

    with pytest.raises(MappingError, match=r"opportunity\.column: This is needed\.$"):
        Section({"text": "Deal"}, "opportunity").text("column", required=True)
