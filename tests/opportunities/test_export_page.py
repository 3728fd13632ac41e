"""Exporting what the list shows: the page that says what there is, and the files."""

import csv
import io

import openpyxl
import pytest
from django.urls import reverse

from crm.tables import read_table
from opportunities import exporting
from opportunities.views import export
from tests.factories import CompanyFactory, OpportunityFactory, SalespersonFactory

LIST = reverse("opportunities:list")
PAGE = reverse("opportunities:export")
CSV = reverse("opportunities:export-csv")
XLSX = reverse("opportunities:export-xlsx")


def body(response):
    return b"".join(response.streaming_content)


def csv_rows(response):
    return list(csv.DictReader(io.StringIO(body(response).decode("utf-8-sig"))))


def workbook_rows(response):
    sheet = openpyxl.load_workbook(io.BytesIO(body(response))).active
    heading, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def numbers(rows):
    return [row["Number"] for row in rows]


# What the page says


def test_page_says_how_many_rows_and_what_is_in_them(as_seller, opportunity, won, lost):
    html = as_seller.get(PAGE, {"status": "WON"}).content.decode()

    assert "Export 1 opportunity" in html
    assert "Status: Won" in html
    assert f"{CSV}?status=WON" in html
    assert f"{XLSX}?status=WON" in html
    for heading in exporting.headings(entries=False):
        assert heading in html


def test_page_is_a_dialog_too(as_seller, opportunity):
    html = as_seller.get(PAGE, headers={"HX-Request": "true", "HX-Target": "dialog"}).content.decode()

    assert "<html" not in html
    assert "Export 1 opportunity" in html


def test_page_says_when_there_is_nothing(as_seller):
    html = as_seller.get(PAGE).content.decode()

    assert "There is nothing to write" in html
    assert CSV not in html


@pytest.mark.parametrize("url", [PAGE, CSV, XLSX])
@pytest.mark.parametrize(
    "query",
    [
        {"status": "FOO"},
        {"nonsense": "1"},
        {"stage": "9" * 40},
        {"chosen": "x"},
        {"chosen": "1,"},
        {"chosen": "9" * 40},
        {"chosen": "\x00"},
        {"chosen": ",".join(["1"] * 1001)},
    ],
)
def test_question_that_makes_no_sense_is_refused(as_seller, opportunity, url, query):
    response = as_seller.get(url, query)

    assert response.status_code == 422
    assert opportunity.number not in response.content.decode()
    assert 'role="alert"' in response.content.decode()


def test_export_is_for_readers(as_viewer, as_stranger, client, opportunity):
    for url in (PAGE, CSV, XLSX):
        response = as_viewer.get(url)
        assert response.status_code == 200
        assert not response.streaming or body(response)
        assert as_stranger.get(url).status_code == 403
        assert client.get(url).status_code == 302


# From the list


def test_what_was_chosen_on_the_list_gets_an_address(as_seller, opportunity, new_opportunity):
    chosen = as_seller.post(PAGE, {"chosen": [opportunity.pk, new_opportunity.pk], "query": "status=WON"})
    everything = as_seller.post(
        PAGE, {"chosen": [opportunity.pk], "all": "1", "query": "status=IN_PROGRESS&sort=-id"}
    )
    nothing = as_seller.post(PAGE, {"query": "q=ware&after=xyz"})

    assert chosen.url == f"{PAGE}?chosen={opportunity.pk},{new_opportunity.pk}"
    assert everything.url == f"{PAGE}?status=IN_PROGRESS&sort=-id"
    assert nothing.url == f"{PAGE}?q=ware"
    assert "Those that you chose." in as_seller.get(chosen.url).content.decode()


def test_more_than_an_address_holds_are_not_cut_short(as_seller, opportunity, monkeypatch):
    monkeypatch.setattr(export, "MOST_CHOSEN", 2)
    keys = [str(opportunity.pk), "424242", "424243"]

    posted = as_seller.post(PAGE, {"chosen": keys, "query": "q=ware&sort=-id"})
    asked = as_seller.get(PAGE, {"chosen": ",".join(keys)})

    for response in (posted, asked):
        html = response.content.decode()
        assert response.status_code == 422
        assert "3 are chosen, and at most 2 can be exported that way." in html
        assert CSV not in html
    assert f'href="{LIST}?q=ware&amp;sort=-id"' in posted.content.decode()
    fewer = as_seller.post(PAGE, {"chosen": keys[:2]})
    assert fewer.url == f"{PAGE}?chosen={opportunity.pk},424242"


def test_chosen_ones_are_written_and_no_others(as_seller, opportunity, new_opportunity, won):
    rows = csv_rows(as_seller.get(CSV, {"chosen": f"{won.pk},{opportunity.pk},424242"}))

    assert numbers(rows) == sorted([opportunity.number, won.number])


def test_chosen_ones_that_one_may_not_see_are_not_written(as_seller, opportunity, settings):
    settings.VISIBILITY = "own"
    foreign = OpportunityFactory(salesperson=SalespersonFactory(), started=True)

    chosen = {"chosen": f"{foreign.pk},{opportunity.pk}"}

    assert numbers(csv_rows(as_seller.get(CSV, chosen))) == [opportunity.number]
    assert numbers(csv_rows(as_seller.get(CSV))) == [opportunity.number]
    assert numbers(workbook_rows(as_seller.get(XLSX, chosen))) == [opportunity.number]
    assert foreign.number not in as_seller.get(PAGE, {"chosen": foreign.pk}).content.decode()


# The files


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"status": "ALL"},
        {"status": "WON"},
        {"q": "warehouse"},
        {"closed": "THIS_QUARTER"},
        {"whose": "ME", "sort": "-description", "columns": "number"},
    ],
)
def test_file_holds_exactly_what_the_list_shows(as_seller, opportunity, new_opportunity, won, lost, query):
    OpportunityFactory(started=True)
    listed = sorted(row.number for row in as_seller.get(LIST, query).context["page"].rows)

    assert listed
    assert numbers(csv_rows(as_seller.get(CSV, query))) == listed
    assert numbers(workbook_rows(as_seller.get(XLSX, query))) == listed


def test_file_names_the_day(as_seller, opportunity, time_machine):
    time_machine.move_to("2026-03-23 12:00", tick=False)
    as_seller.force_login(opportunity.salesperson.user, backend="django.contrib.auth.backends.ModelBackend")

    for url, name in [(CSV, "opportunities-2026-03-23.csv"), (XLSX, "opportunities-2026-03-23.xlsx")]:
        response = as_seller.get(url, {"status": "ALL"})
        body(response)
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'


def test_file_runs_no_formula(as_seller, seller, salesperson, cycle):
    nasty = "=HYPERLINK(1)"
    OpportunityFactory(
        description=nasty,
        contact=CompanyFactory(name="@cmd"),
        salesperson=salesperson,
        cycle=cycle,
        by=seller,
    )

    for row in (csv_rows(as_seller.get(CSV))[0], workbook_rows(as_seller.get(XLSX))[0]):
        assert row["Description"] == f"'{nasty}"
        assert row["Company"] == "'@cmd"


def test_file_can_be_read_as_it_was_written(as_seller, seller, salesperson, cycle, tmp_path):
    OpportunityFactory(
        description='Hôtel, "été"', salesperson=salesperson, cycle=cycle, by=seller, started=True
    )
    path = tmp_path / "opportunities.csv"
    path.write_bytes(body(as_seller.get(CSV)))

    table = read_table(path)

    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # by which spreadsheets know UTF-8
    assert table.columns == exporting.headings(entries=False)
    assert [row.cells["Description"] for row in table] == ['Hôtel, "été"']


def test_workbook_has_a_limit_and_csv_has_none(as_seller, opportunity, new_opportunity, monkeypatch):
    monkeypatch.setattr(export, "MOST_IN_A_WORKBOOK", 1)

    page = as_seller.get(PAGE).content.decode()
    refused = as_seller.get(XLSX)

    assert "A workbook takes at most 1 rows." in page
    assert XLSX not in page
    assert refused.status_code == 422
    assert "A workbook takes at most 1 rows." in refused.content.decode()
    assert len(csv_rows(as_seller.get(CSV))) == 2


def test_csv_is_sent_while_it_is_written(as_seller, seller, salesperson, cycle, company, monkeypatch):
    monkeypatch.setattr(export, "A_PIECE", 500)
    for _ in range(10):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller)

    pieces = list(as_seller.get(CSV).streaming_content)

    assert len(pieces) > 3
    assert len(list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"))))) == 11


@pytest.mark.parametrize("count", [1, 30])
def test_export_costs_the_same_for_any_number_of_rows(
    as_seller, seller, salesperson, cycle, company, count, django_assert_max_num_queries
):
    for _ in range(count):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller, started=True)

    for url in (PAGE, CSV, XLSX):
        with django_assert_max_num_queries(12):
            response = as_seller.get(url)
            if url == PAGE:
                assert f"Export {count} opportunit" in response.content.decode()
            else:
                rows = csv_rows(response) if url == CSV else workbook_rows(response)
                assert len(rows) == count
