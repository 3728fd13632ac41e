"""``manage.py export_opportunities``: what is in the file, and what it refuses."""

import csv
import io
import os
import stat
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from io import StringIO

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from crm.tables import read_table
from opportunities import exporting, operations
from opportunities.models import Opportunity
from opportunities.operations import Estimate
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    cycle_with_stages,
    lost_opportunity,
    won_opportunity,
)

pytestmark = pytest.mark.django_db
FIRST = date(2026, 3, 2)


def export(*arguments, **options):
    """What the command prints on standard output."""
    out = StringIO()
    call_command("export_opportunities", *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers_in(text):
    return [row["Number"] for row in csv.DictReader(io.StringIO(text))]


@pytest.fixture
def won(seller):
    """Won, with a percentage that has many digits."""
    company = CompanyFactory(name="Acme Logistics NV")
    opportunity = OpportunityFactory(
        description="Warehouse automation, phase 2",
        external_id="crm-7",
        contact=PersonFactory(company=company, first_name="Joke", last_name="Maes"),
        salesperson=seller.salesperson,
        by=seller,
        on=FIRST,
        started=True,
        value=Decimal("1234.56"),
    )
    operations.revise(
        opportunity=opportunity,
        estimate=Estimate(Decimal("1234.56"), Decimal("33.33"), date(2026, 4, 1)),
        by=seller,
        on=date(2026, 3, 5),
    )
    operations.close(
        opportunity=opportunity,
        outcome="WON",
        reason=CloseReasonFactory(code="BEST", description="Best offer"),
        amount=Decimal("999.90"),
        by=seller,
        on=date(2026, 3, 9),
        note="Signed",
    )
    return opportunity


def test_csv_has_every_column_in_a_fixed_order(won, tmp_path):
    path = tmp_path / "out.csv"
    assert "1 row written" in export(str(path))
    (row,) = rows_of(path)
    assert list(row) == exporting.headings(entries=False)
    assert row == {
        "Number": won.number,
        "External id": "crm-7",
        "Description": "Warehouse automation, phase 2",
        "Status": "WON",
        "Priority": "NORMAL",
        "Contact number": won.contact.number,
        "Contact": "Joke Maes",
        "Company number": won.company.number,
        "Company": "Acme Logistics NV",
        "Salesperson code": won.salesperson.code,
        "Salesperson": "Sofie Claes",
        "Team code": won.salesperson.team.code,
        "Sales cycle code": won.cycle.code,
        "Sales cycle": won.cycle.description,
        "Stage": "Qualify",
        "In stage since": "2026-03-02",
        "Created on": "2026-03-02",
        "Started on": "2026-03-02",
        "Changed on": "2026-03-09",
        "Estimated value": "1234.56",
        "Chance %": "100.00",
        "Completed %": "100.00",
        "Probability %": "100.000000",
        "Calculated value": "999.9000000000",
        "Currency": "EUR",
        "Estimated close": "2026-03-09",
        "Closed on": "2026-03-09",
        "Outcome": "WON",
        "Amount": "999.90",
        "Close reason code": "BEST",
        "Close reason": "Best offer",
        "Version": "4",
        "Next step": "",
        "Next step kind": "",
        "Next step due": "",
    }


def test_numbers_keep_every_digit_that_is_stored(won, tmp_path):
    path = tmp_path / "out.csv"
    export(str(path), "--entries")
    revised = rows_of(path)[2]
    # 33.33 % of 20 %, and that of 1234.56
    assert Decimal(revised["Probability %"]) == Decimal("6.666")
    assert Decimal(revised["Calculated value"]) == Decimal("82.2957696")


def test_entries_are_a_row_each(won, tmp_path):
    path = tmp_path / "out.csv"
    export(str(path), "--entries")
    rows = rows_of(path)
    assert list(rows[0]) == exporting.headings(entries=True)
    assert [row["Action"] for row in rows] == ["CREATED", "STARTED", "UPDATED", "WON"]
    assert [row["Until"] for row in rows] == ["2026-03-02", "2026-03-05", "2026-03-09", ""]
    assert rows[-1]["Note"] == "Signed"
    assert rows[-1]["Recorded by"] == won.entries.all()[0].recorded_by.email
    assert rows[-1]["Amount"] == "999.90"


def test_xlsx_has_real_numbers_and_dates(won, tmp_path):
    path = tmp_path / "out.xlsx"
    export(str(path))
    header, row = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    cells = dict(zip(header, row, strict=True))
    assert list(header) == exporting.headings(entries=False)
    assert cells["Amount"] == pytest.approx(999.9)
    assert cells["Estimated value"] == pytest.approx(1234.56)
    assert cells["Closed on"] == datetime(2026, 3, 9)
    assert cells["Version"] == 4


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_text_that_a_spreadsheet_would_run_is_made_harmless_and_reads_back(seller, tmp_path, ending):
    OpportunityFactory(description="=HYPERLINK(1)", by=seller)
    path = tmp_path / f"out.{ending}"
    export(str(path))
    if ending == "csv":
        assert rows_of(path)[0]["Description"] == "'=HYPERLINK(1)"
    else:
        sheet = openpyxl.load_workbook(path).active
        assert [cell.data_type for cell in sheet[2]][2] == "s"
    (row,) = read_table(path)
    assert row.cells["Description"] == "=HYPERLINK(1)"


def test_what_is_not_there_is_empty(seller, tmp_path):
    OpportunityFactory(by=seller, on=FIRST)
    path = tmp_path / "out.csv"
    export(str(path))
    (row,) = rows_of(path)
    for heading in ("Started on", "Stage", "Estimated value", "Chance %", "Closed on", "Outcome", "Amount"):
        assert row[heading] == ""
    assert row["Status"] == "NOT_STARTED"


@pytest.fixture
def several(seller):
    """Four opportunities that differ in all that can be filtered; the numbers by name."""
    north, south = TeamFactory(code="N"), TeamFactory(code="S")
    anna, bert = SalespersonFactory(code="ANNA", team=north), SalespersonFactory(code="BERT", team=south)
    big, small = cycle_with_stages("A", "B", code="BIG"), cycle_with_stages("A", code="SMALL")
    company = CompanyFactory()
    made = {
        "new": OpportunityFactory(salesperson=anna, cycle=big, on=date(2026, 1, 5)),
        "running": OpportunityFactory(
            salesperson=bert,
            cycle=small,
            on=date(2026, 2, 5),
            started=True,
            contact=PersonFactory(company=company),
        ),
        "won": won_opportunity(salesperson=anna, cycle=small, on=date(2026, 3, 5), contact=company),
        "lost": lost_opportunity(salesperson=bert, cycle=big, on=date(2026, 4, 5)),
    }
    assert company.number
    return {name: opportunity.number for name, opportunity in made.items()} | {"company": company.number}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ["new", "running", "won", "lost"]),
        (["--status", "won"], ["won"]),
        (["--status", "won", "--status", "not-started"], ["new", "won"]),
        (["--cycle", "big"], ["new", "lost"]),
        (["--salesperson", "BERT"], ["running", "lost"]),
        (["--salesperson", "BERT", "--cycle", "BIG"], ["lost"]),
        (["--team", "N"], ["new", "won"]),
        (["--created-from", "2026-02-05", "--created-to", "2026-03-05"], ["running", "won"]),
        (["--closed-from", "2026-03-05", "--closed-to", "2026-04-04"], ["won"]),
        (["--number", "@new", "--number", "@lost"], ["new", "lost"]),
        (["--contact", "@company"], ["running", "won"]),
    ],
)
def test_filters(several, arguments, found):
    arguments = [several[text[1:]] if text[0] == "@" else text for text in arguments]
    assert numbers_in(export("-", *arguments)) == [several[name] for name in found]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.txt"], r"neither in \.csv nor in \.xlsx"),
        (["-", "--cycle", "NOPE"], "no sales cycle NOPE"),
        (["-", "--number", "OP-9"], "no opportunity OP-9"),
        (["-", "--salesperson", "A\0B"], "no salesperson"),
        (["-", "--status", "maybe"], "invalid choice"),
        (["-", "--closed-from", "yesterday"], "not a date"),
        (["no/such/directory/out.csv"], "cannot be written"),
        (["out\0.csv"], "NUL"),
    ],
)
def test_refusals_say_why(seller, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    OpportunityFactory(by=seller)
    with pytest.raises(CommandError, match=words):
        export(*arguments)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_replaced_only_by_force(won, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("precious")
    with pytest.raises(CommandError, match="--force"):
        export(str(path))
    assert path.read_text() == "precious"
    export(str(path), "--force")
    assert "Number" in path.read_text()


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_broken_export_leaves_nothing_behind(won, tmp_path, monkeypatch, ending):
    path = tmp_path / f"out.{ending}"
    path.write_text("precious")

    def break_down(*_arguments, **_options):
        yield ["half a row"]
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "export_rows", break_down)
    with pytest.raises(KeyboardInterrupt):
        export(str(path), "--force")
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "precious"


def test_more_rows_than_a_sheet_holds_are_refused_beforehand(won, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "count", lambda *_arguments, **_options: 1_048_576)
    with pytest.raises(CommandError, match="more than a sheet can hold"):
        export(str(tmp_path / "out.xlsx"))
    export(str(tmp_path / "out.csv"))


@pytest.mark.parametrize("entries", [False, True])
def test_it_asks_once_however_many_there_are(seller, django_assert_num_queries, entries):
    arguments = ["-", *(["--entries"] if entries else [])]
    OpportunityFactory(by=seller, started=True)
    with django_assert_num_queries(4):  # are the tables there, the number of rows, and the rows
        export(*arguments)
    for _ in range(3):
        OpportunityFactory(by=seller, started=True)
    with django_assert_num_queries(4):
        export(*arguments)


def test_standard_output_has_nothing_but_the_table(won, capsys):
    call_command("export_opportunities", "-", verbosity=1)
    out, err = capsys.readouterr()
    assert numbers_in(out) == [won.number]
    assert "1 row written" in err


def test_no_opportunities_make_a_file_with_a_header(tmp_path):
    path = tmp_path / "out.csv"
    assert "0 rows written" in export(str(path))
    assert rows_of(path) == []
    assert not Opportunity.objects.exists()


def test_the_file_is_made_with_usual_rights(won, tmp_path):
    path = tmp_path / "out.csv"
    export(str(path))
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0o666 & 0o077 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


READ_BY_SOMEBODY = """
import django
django.setup()
from opportunities.management.commands.export_opportunities import standard_output
with standard_output():
    for line in range(100_000):
        print(line)
"""


def test_a_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-c", READ_BY_SOMEBODY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        text=True,
    ) as process:
        process.stdout.close()  # as head does
        errors = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert errors == ""
