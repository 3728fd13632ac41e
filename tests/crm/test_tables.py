"""Reading and writing tables: what is accepted, what is refused and where, and what a spreadsheet may not run."""

import warnings
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import tables
from crm.tables import CsvWriter, TableError, as_text, neutral, read_table, write_table


@pytest.fixture
def table(tmp_path):
    """Write bytes (or text, as UTF-8) to a file and read it as a table."""

    def read(content, name="file.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, **options)

    return read


@pytest.fixture
def workbook(tmp_path):
    """Write rows to an XLSX workbook and read it as a table."""

    def read(*rows, **options):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.create_sheet("Second").append(["other"])
        book.save(tmp_path / "file.xlsx")
        return read_table(tmp_path / "file.xlsx", **options)

    return read


def cells(table):
    return [list(row.cells.values()) for row in table]


def problems(table):
    return {row.line: row.problem for row in table if row.problem}


# Reading CSV


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,é\n",
        "a;b\r\n1;é\r\n",
        "a\tb\n1\té\n",
        "a|b\n1|é",
        "\ufeffa,b\n1,é\n",
        '"a","b"\n"1","é"\n',
        "a;b\n1;é\n".encode("utf-16"),
        "\n\na,b\n\n1,é\n,,\n\n",
    ],
)
def test_reads_what_programs_write(table, content):
    read = table(content)
    assert read.columns == ["a", "b"]
    assert cells(read) == [["1", "é"]]
    assert len(read) == 1


def test_reads_another_encoding_when_told(table):
    assert cells(table("a,b\n1,é\n".encode("latin-1"), encoding="latin-1")) == [["1", "é"]]


def test_a_delimiter_can_be_given(table):
    assert table("a;b,c\n1;2,3\n", delimiter=",").columns == ["a;b", "c"]


def test_rows_know_the_line_they_begin_on(table):
    read = table('a,b\n1,"two\nlines"\n\n2,x\n')
    assert [row.line for row in read] == [2, 5]
    assert cells(read)[0] == ["1", "two\nlines"]


def test_short_rows_are_filled_up_and_long_ones_are_a_problem(table):
    read = table("a,b\n1\n1,2,3\n1,2,,\n")
    assert cells(read) == [["1", ""], ["1", "2"], ["1", "2"]]
    assert problems(read) == {3: "The row has 3 cells, but there are 2 columns."}


def test_columns_without_a_name_get_one(table):
    assert table("a,,c\n1,2,3\n").columns == ["a", "(column 2)", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file.csv is empty. Its first row has to name the columns."),
        (b"\n , \n", "file.csv is empty."),
        (b"a,b,a\n", "more than one column called “a”"),
        (b"a,b\n1,2\nca\xe9,1\n", "file.csv, line 3 is not UTF-8 (byte 0xE9). Save the file as UTF-8"),
        (b"a\xe9,b\n", "line 1 is not UTF-8"),
        (b'a,b\n1,2\n"x,3\n4,5\n', "file.csv, line 3: unexpected end of data. A quotation mark"),
        (b'a,b\n"x"y,3\n', "file.csv, line 2: ',' expected after '\"'"),
        (b"a\0,b\n", "header: “” contains a NUL character."),
        (b"\xff\xfea", "file.csv is not utf-16."),
        (b",".join(b"c%d" % n for n in range(301)), "more than 300 columns"),
        (b"\xd0\xcf\x11\xe0old", "old or encrypted Excel file"),
        (b"PK\x03\x04nothing", "cannot be read as an XLSX workbook"),
    ],
)
def test_refuses_what_is_no_table(table, content, message):
    with pytest.raises(TableError) as refused:
        table(content)
    assert message in str(refused.value)


def test_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TableError, match="No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(TableError, match="Is a directory"):
        read_table(tmp_path)


def test_refuses_a_file_that_is_too_large(table):
    with pytest.raises(TableError, match="has 1 MB; at most 0 MB are read"):
        table("a\n1\n", largest=3)


def test_damaged_cells_are_the_problem_of_their_row(table):
    read = table("a,b\nx\0y,1\n" + "z" * 40_000 + ",2\n3,4\n")
    assert problems(read) == {
        2: "“a” contains a NUL character.",
        3: "“a” has 40000 characters; a cell has at most 32767.",
    }


def test_a_cell_without_end_is_refused_before_it_fills_the_memory(table):
    with pytest.raises(TableError, match="line 2: field larger than field limit"):
        table('a,b\n"' + "z" * 1_100_000)


# Reading XLSX


def test_reads_dates_numbers_and_texts_of_a_workbook(workbook):
    read = workbook(
        ["day", "moment", "number", "half", "yes", "text"],
        [date(2026, 3, 23), datetime(2026, 3, 23, 14, 5), 1054, 0.5, True, "é"],
        [datetime(2026, 3, 23), None, 1e15, 1e-7, False, "  x "],
    )
    assert read.is_workbook
    assert cells(read) == [
        ["2026-03-23", "2026-03-23 14:05:00", "1054", "0.5", "true", "é"],
        ["2026-03-23", "", "1000000000000000", "0.0000001", "false", "  x "],
    ]


def test_blank_rows_of_a_workbook_are_passed_over(workbook):
    read = workbook(["a"], ["1"], [None], [" "], ["2"])
    assert [(row.line, row.cells["a"]) for row in read] == [(2, "1"), (5, "2")]
    assert len(read) == 2


def test_a_sheet_can_be_named(workbook):
    assert workbook(["a"], sheet="Second").columns == ["other"]
    with pytest.raises(TableError, match=r"no sheet “Third”\. Its sheets: Sheet, Second"):
        workbook(["a"], sheet="Third")


def test_a_formula_without_a_result_and_an_error_are_problems(workbook):
    read = workbook(["a", "b"], ["=1+1", 2], ["#N/A", 1], [3, 4])
    assert list(problems(read)) == [2, 3]
    assert "formula without its result" in problems(read)[2]
    assert problems(read)[3] == "A cell holds the error #N/A."


def edit(path, part, old, new):
    """Replace text in one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


SHEET = "xl/worksheets/sheet1.xml"


def test_the_stored_result_of_a_formula_is_read(workbook, tmp_path):
    workbook(["a", "b"], ["=1+1", '=""'])
    edit(tmp_path / "file.xlsx", SHEET, b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
    edit(tmp_path / "file.xlsx", SHEET, b'<c r="B2"><f>""</f><v />', b'<c r="B2" t="str"><f>""</f><v></v>')
    read = read_table(tmp_path / "file.xlsx")
    assert cells(read) == [["2", ""]]
    assert not problems(read)


def test_a_workbook_that_unpacks_too_far_is_refused(workbook, tmp_path, monkeypatch):
    workbook(["a"])
    monkeypatch.setattr(tables, "LARGEST_WORKBOOK", 1000)
    with pytest.raises(TableError, match="unpacks to more than can be read"):
        read_table(tmp_path / "file.xlsx")


def test_a_workbook_with_broken_parts_is_refused(workbook, tmp_path):
    workbook(["a"], [1])
    edit(tmp_path / "file.xlsx", SHEET, b"</row>", b"<row>")
    with pytest.raises(TableError, match="cannot be read as an XLSX workbook"):
        read_table(tmp_path / "file.xlsx")


def test_a_workbook_with_too_many_columns_is_refused(workbook):
    with pytest.raises(TableError, match="more than 300 columns"):
        workbook([f"c{number}" for number in range(400)])


def test_reading_a_workbook_warns_of_nothing(workbook):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        workbook(["a"], ["1"])


# Writing


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_what_is_written_is_read_again(tmp_path, name):
    rows = [["=1+1", "x;\n“y”"], ["-5", "-x"], ["'=x", "+32 2"], ["", "@a"], ["'a", "\tb"]]
    with write_table(tmp_path / name, ["=a", "b"]) as writer:
        for row in rows:
            writer.write(row)
    read = read_table(tmp_path / name)
    assert read.columns == ["=a", "b"]
    assert cells(read) == rows
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_line_ends_within_a_cell_stay_within_it(tmp_path):
    with write_table(tmp_path / "out.csv", ["a", "b"]) as writer:
        writer.write(["x\ry", "x\ny"])
    assert cells(read_table(tmp_path / "out.csv")) == [["x\ry", "x\ny"]]


def test_values_are_written_as_what_they_are(tmp_path):
    values = [date(2026, 3, 23), Decimal("-10.50"), 3, True, None]
    with write_table(tmp_path / "out.csv", list("abcde")) as writer:
        writer.write(values)
    assert (tmp_path / "out.csv").read_text() == "a,b,c,d,e\n2026-03-23,-10.50,3,true,\n"
    with write_table(tmp_path / "out.xlsx", list("abcde"), title="Rows") as writer:
        writer.write(values)
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["Rows"]
    assert [cell.value for cell in sheet[2]] == [datetime(2026, 3, 23), -10.5, 3, True, None]
    assert sheet.freeze_panes == "A2"


@pytest.mark.parametrize("sign", list("=+-@\t\r\n"))
def test_no_text_runs_as_a_formula(tmp_path, sign):
    evil = f"{sign}cmd|' /C calc'!A1"
    assert neutral(evil) == f"'{evil}"
    with write_table(tmp_path / "out.xlsx", ["a"]) as writer:
        writer.write([evil])
    cell = openpyxl.load_workbook(tmp_path / "out.xlsx").active["A2"]
    assert cell.data_type == "s"
    assert cell.value.startswith("'")


def test_plain_negative_numbers_need_no_apostrophe():
    assert [neutral(text) for text in ("-5", "-5,25", "-5.25", "5")] == ["-5", "-5,25", "-5.25", "5"]
    assert neutral("-5+1") == "'-5+1"


def test_a_workbook_takes_text_that_xml_cannot_hold(tmp_path):
    with write_table(tmp_path / "out.xlsx", ["a"]) as writer:
        writer.write(["x\x01y" + "z" * 40_000])
    assert cells(read_table(tmp_path / "out.xlsx"))[0][0].startswith("x\N{REPLACEMENT CHARACTER}yz")


def test_csv_can_go_to_any_open_file(tmp_path):
    with (tmp_path / "out").open("w") as file:
        CsvWriter(file, ["a"]).write(["=b"])
    assert (tmp_path / "out").read_text() == "a\n'=b\n"


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_a_file_is_replaced_only_when_it_is_complete(tmp_path, name):
    (tmp_path / name).write_text("before")

    def fail():
        with write_table(tmp_path / name, ["a"]) as writer:
            writer.write(["1"])
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert (tmp_path / name).read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(TableError, match="No such file"), write_table(tmp_path / "none" / name, ["a"]):
        pass
    with pytest.raises(TableError, match="is not a file that can be written"), write_table(tmp_path, ["a"]):
        pass


# Text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (Decimal("1E+3"), "1000"),
        (1.5, "1.5"),
        (timedelta(hours=2), "2:00:00"),
        (datetime(2026, 3, 23).time(), "00:00:00"),
        (7, "7"),
        ("'=x", "'=x"),
    ],
)
def test_values_as_text(value, text):
    assert as_text(value) == text


@given(st.text())
def test_whatever_is_neutralised_comes_back(text):
    assert tables._restored(neutral(text)) == text
    assert not neutral(text).startswith(("=", "+", "@", "\t", "\r", "\n"))
