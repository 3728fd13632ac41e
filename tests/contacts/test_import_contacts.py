"""``manage.py import_contacts``: what it reads, whom it recognises and what it refuses."""

import csv
from pathlib import Path

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts import importing
from contacts.models import Contact, ContactKind, IndustryGroup
from contacts.operations import merge
from salespeople.models import User
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
)
from tests.importing import COULD_NOT_RUN, IN_ALL, SOME_REJECTED, everything, run

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADER = ["kind", "name", "company"]
ACME = ["company", "Acme", ""]
EVA = ["person", "Eva Vos", "Acme"]


@pytest.fixture(autouse=True)
def here(db, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(*rows, header=HEADER, name="file.csv"):
    with Path(name).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return name


def import_rows(*rows, header=HEADER, mapping="", **options):
    """Import rows, with the text of a mapping or without any."""
    if mapping:
        Path("map.toml").write_text(mapping)
        options["mapping"] = Path("map.toml")
    return run("import_contacts", write(*rows, header=header), **options)


# What is read


def test_every_field_by_its_name():
    SalespersonFactory(code="ANN", name="Ann")
    IndustryGroupFactory(code="IT", description="Software")
    IndustryGroupFactory(code="FOOD", description="Food")
    values = {
        "kind": "Person", "external_id": "77", "name": "Eva Vos", "first_name": "Eva", "last_name": "Vos",
        "company": "Acme", "salesperson": "ann", "job_title": "Buyer", "email": "eva@acme.example",
        "phone": "02 555 12 12", "mobile": "+32 475 12 34 56", "website": "acme.example", "address": "Street 1",
        "address_2": "Box 2", "postcode": "1000", "city": "Brussels", "region": "Brussels", "country": "Belgium",
        "language": "Dutch", "vat_number": "BE0123456789", "industry_groups": "software; FOOD",
    }  # fmt: skip
    assert set(values) == set(importing.FIELDS)
    done = import_rows(values.values(), header=values.keys())
    assert (done.status, done.counts) == (IN_ALL, (1, 1, 0, 0)), done.rejects
    eva = Contact.objects.get(kind=ContactKind.PERSON)
    assert (eva.number, eva.company.number) == ("C-00002", "C-00001")
    assert (eva.name, eva.external_id, eva.company.name, eva.salesperson.code) == (
        "Eva Vos",
        "77",
        "Acme",
        "ANN",
    )
    assert (str(eva.phone), str(eva.mobile)) == ("+32 2 555 12 12", "+32 475 12 34 56")
    assert (eva.website, eva.country.code, eva.language) == ("https://acme.example", "BE", "nl")
    assert sorted(eva.industry_groups.values_list("code", flat=True)) == ["FOOD", "IT"]
    assert (eva.email, eva.vat_number, eva.postcode) == ("eva@acme.example", "BE0123456789", "1000")
    assert "New: 1 company, 1 person." in done.out


def test_columns_in_words_and_in_any_case():
    done = import_rows(
        ["Eva", "Vos", "eva@x.example", "!"], header=["First name", "LAST NAME", "E-mail address", "Colour"]
    )
    assert "Columns not used: Colour." in done.out
    eva = Contact.objects.get()
    assert (eva.kind, eva.name, eva.email) == (ContactKind.PERSON, "Eva Vos", "eva@x.example")


def test_without_a_kind_the_other_columns_tell():
    import_rows(["Acme", ""], ["Eva Maria Vos", "Acme"], header=["name", "company"])
    acme, eva = Contact.objects.order_by("number")
    assert (acme.kind, acme.first_name) == (ContactKind.COMPANY, "")
    assert (eva.kind, eva.company, eva.first_name, eva.last_name) == (
        ContactKind.PERSON,
        acme,
        "Eva Maria",
        "Vos",
    )


def test_companies_come_before_the_persons_who_name_them():
    done = import_rows([*EVA, "eva@x.example"], [*ACME, "info@x.example"], header=[*HEADER, "email"])
    assert done.counts == (2, 2, 0, 0)
    assert Contact.objects.get(name="Eva Vos").company.email == "info@x.example"


def test_who_imported_it_stands_in_the_change_log():
    boss = UserFactory(email="boss@example.com")
    import_rows(ACME, by="boss@example.com")
    import_rows(["company", "Bolt", ""])
    logged = LogEntry.objects.order_by("pk")
    assert [(log.user, log.get_change_message()) for log in logged] == [
        (boss, "Imported from file.csv, line 2."),
        (User.objects.for_commands(), "Imported from file.csv, line 2."),
    ]
    nobody = import_rows(ACME, by="nobody@example.com")
    assert (nobody.status, nobody.out) == (COULD_NOT_RUN, "--by: nobody signs in as nobody@example.com.")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("be", "BE"),
        ("BEL", "BE"),
        ("belgium", "BE"),
        ("United States", "US"),
        ("South Korea", "KR"),
        ("", ""),
    ],
)
def test_countries(text, code):
    assert importing.country_of(text) == code


@pytest.mark.parametrize(("text", "code"), [("nl", "nl"), ("dutch", "nl"), ("EN-GB", "en-gb"), ("", "")])
def test_languages(text, code):
    assert importing.language_of(text) == code


def test_a_workbook():
    book = openpyxl.Workbook()
    book.active.append(["name", "postcode"])
    book.active.append(["Acme", 1000])
    book.save("file.xlsx")
    assert run("import_contacts", "file.xlsx").counts == (1, 1, 0, 0)
    assert Contact.objects.get().postcode == "1000"


# A mapping


MAPPING = """
[file]
delimiter = ","
[translate.type]
"B" = "COMPANY"
[kind]
column = "type"
default = "PERSON"
[name]
column = "title"
[external_id]
column = "key"
prefix = "OLD-"
[company]
column = "firm"
when_unknown = "refuse"
[salesperson]
column = "owner"
when_unknown = "ignore"
[industry_groups]
column = "sector"
when_unknown = "create"
"""
MAPPED_HEADER = ["type", "title", "key", "firm", "owner", "sector"]


def test_a_mapping():
    done = import_rows(
        ["B", "Acme", "1", "", "", "medical;telecommunications"],
        ["", "Eva Vos", "2", "Acme", "Gone", ""],
        ["", "Leo", "3", "Bolt", "", ""],
        header=MAPPED_HEADER, mapping=MAPPING,
    )  # fmt: skip
    assert done.rejects == {4: "There is no company “Bolt”."}
    acme, eva = Contact.objects.order_by("number")
    assert (acme.external_id, eva.company, eva.salesperson) == ("OLD-1", acme, None)
    assert sorted(IndustryGroup.objects.values_list("code", "description")) == [
        ("MEDICAL", "medical"),
        ("TELECOMMUN", "telecommunications"),
    ]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ('[kind]\ncolumn = "type"', "name: The mapping does not say where the name comes from."),
        ('[name]\ncolumn = "x"', "name.column: The file has no column “x”."),
        ('[name]\ncolumn = "title"\n[nickname]', "nickname: There is no such key."),
        ('[name]\ncolumn = "title"\nprefix = "x"', "name.prefix: There is no such key."),
        (
            '[name]\ncolumn = "title"\n[company]\nwhen_unknown = "x"',
            "company.when_unknown: “x” is not known.",
        ),
        ("[name", "map.toml is not valid TOML"),
    ],
)
def test_mistakes_in_a_mapping_name_their_key(mapping, message):
    before = everything()
    done = import_rows(["B", "Acme", "1", "", "", ""], header=MAPPED_HEADER, mapping=mapping)
    assert done.status == COULD_NOT_RUN
    assert done.out.startswith(message)
    assert everything() == before


def test_a_file_without_a_name_is_refused():
    done = import_rows(["x"], header=["title"])
    assert (done.status, done.out) == (
        COULD_NOT_RUN,
        "file.csv has no column “name”. Its columns: title. Name them in a mapping (--mapping).",
    )


def test_the_accounts_mapping_on_a_file_of_that_shape():
    Path("accounts.csv").write_text(
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of\n"
        "Acme,technolgy,1996,1100.04,2822,United States,\n"
        "Bio,medical,2012,587.34,1356,Philipines,Acme\n"
        "Hot,technolgy,1997,8170.38,16499,Korea,\n"
    )
    done = run("import_contacts", "accounts.csv", mapping=EXAMPLES / "maven-accounts.toml")
    assert done.counts == (3, 3, 0, 0), done.rejects
    assert [c.country.code for c in Contact.objects.order_by("number")] == ["US", "PH", "KR"]
    assert sorted(IndustryGroup.objects.values_list("description", flat=True)) == ["medical", "technology"]


# Who is there already


def test_a_second_run_changes_nothing():
    first = import_rows(
        ACME, EVA, ["person", "Leo", ""], ["person", "Leo", "Bolt"], ["", "", ""], ["dog", "Rex", ""]
    )
    assert first.counts == (5, 4, 0, 1)
    before = everything()
    again = import_rows(
        ACME, EVA, ["person", "Leo", ""], ["person", "Leo", "Bolt"], ["", "", ""], ["dog", "Rex", ""]
    )
    assert again.counts == (5, 0, 4, 1)
    assert again.rejects == first.rejects
    assert everything() == before


def test_who_is_there_is_recognised_and_left_alone():
    acme = CompanyFactory(name="Acme", city="Ghent")
    PersonFactory(name="Eva Vos", company=acme)
    CompanyFactory(name="Old name", external_id="9")
    done = import_rows(
        ["COMPANY", "Acme", "", "", "Bruges"],
        ["PERSON", "Eva Vos", "Acme", "", ""],
        ["PERSON", "Eva Vos", "", "", ""],
        ["COMPANY", "New name", "", "9", ""],
        header=[*HEADER, "external_id", "city"],
    )
    assert done.counts == (4, 1, 3, 0)
    acme.refresh_from_db()
    assert acme.city == "Ghent"


def test_two_of_one_name_with_different_keys_are_two():
    CompanyFactory(name="Acme")
    rows = [["Acme", "1"], ["Acme", "2"], ["Acme", "3"]]
    first = import_rows(*rows, header=["name", "external_id"])
    assert first.counts == (3, 2, 1, 0)
    assert sorted(Contact.objects.values_list("external_id", flat=True)) == ["", "2", "3"]
    assert import_rows(*rows, header=["name", "external_id"]).counts == (3, 0, 3, 0)


def test_the_same_contact_twice_in_a_file_counts_once():
    done = import_rows(ACME, ACME, ["company", "Bolt", ""])
    assert done.counts == (3, 2, 0, 1)
    assert done.rejects == {3: "The same contact is on line 2 already."}


# What is refused


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (HEADER, ["dog", "Rex", ""], "kind: “dog” is not known. It is one of: COMPANY, PERSON."),
        (HEADER, ["company", "", ""], "Name: This field cannot be blank."),
        (HEADER, ["company", "x" * 101, ""], "Name: Ensure this value has at most 100 characters (it has 101)."),
        (HEADER, ["company", "Bolt", "Acme"],
         "A company cannot belong to another company. Make it a person, or leave the company out."),
        (["name", "email"], ["Bolt", "nobody"], "E-mail address: Enter a valid email address."),
        (["name", "phone"], ["Bolt", "12"], "Phone: The phone number entered is not valid."),
        (["name", "country"], ["Bolt", "Atlantis"],
         "“Atlantis” is not a country. Write its English name or two letters, such as BE."),
        (["name", "language"], ["Bolt", "Elvish"],
         "“Elvish” is not a language. Write its English name or its code, such as nl."),
        (["name", "salesperson"], ["Bolt", "Nobody"], "There is no salesperson “Nobody”."),
        (["name", "industry_groups"], ["Bolt", "Magic"], "There is no industry group “Magic”."),
        (["name", "city"], ["Bolt", "nul\0"], "“city” contains a NUL character."),
        (["name", "city"], ["Bolt", "x", "y"], "The row has 3 cells, but there are 2 columns."),
    ],
)  # fmt: skip
def test_rows_that_cannot_be(header, row, reason):
    good = [{"kind": "company", "name": "Acme"}.get(name, "") for name in header]
    done = import_rows(row, good, header=header)
    assert (done.status, done.counts, done.rejects) == (SOME_REJECTED, (2, 1, 0, 1), {2: reason})
    assert [contact.name for contact in Contact.objects.all()] == ["Acme"]


def test_a_company_whose_name_is_there_twice_cannot_be_meant():
    CompanyFactory.create_batch(2, name="Acme")
    assert import_rows(EVA).rejects == {2: "More than one contact is called “Acme”."}


def test_rejected_cells_cannot_run_as_formulas():
    done = import_rows(["dog", "=cmd()", "@Acme"])
    assert done.rejects_file.read_text().splitlines()[1].endswith(",dog,'=cmd(),'@Acme")


# Without keeping, and others at work


def test_a_dry_run_says_the_same_and_keeps_nothing():
    CompanyFactory(name="Twin")
    rows = [
        ["COMPANY", "Acme", "", "1"], ["PERSON", "Eva", "Acme", ""], ["PERSON", "Leo", "Bolt", ""],
        ["PERSON", "Zoe", "Bolt", ""], ["COMPANY", "Twin", "", "2"], ["COMPANY", "Twin", "", "3"],
        ["PERSON", "Tom", "Twin", ""], ["dog", "Rex", "", ""],
    ]  # fmt: skip
    header = [*HEADER, "external_id"]
    before = everything()
    dry = import_rows(*rows, header=header, dry_run=True)
    assert everything() == before
    wet = import_rows(*rows, header=header)
    assert dry.out.splitlines() == [*wet.out.splitlines(), "This was a dry run: nothing was kept."]
    assert dry.rejects == wet.rejects
    assert list(wet.rejects) == [9, 8]
    assert Contact.objects.get(name="Acme").number == "C-00002", "a dry run takes no number"


def test_a_company_made_for_the_first_is_refused_or_found_in_a_dry_run_as_well():
    rows = [["B", "Acme", "1", "", "", ""], ["", "Eva", "2", "Acme", "", ""]]
    dry = import_rows(*rows, header=MAPPED_HEADER, mapping=MAPPING, dry_run=True)
    assert dry.counts == (2, 2, 0, 0), dry.rejects


def test_what_changes_meanwhile_is_looked_up_again(monkeypatch):
    add, calls = importing.ContactImporter._add, []

    def add_late(importer, *args):
        calls.append(args)
        if len(calls) == 1:
            raise IntegrityError("somebody was quicker")
        return add(importer, *args)

    monkeypatch.setattr(importing.ContactImporter, "_add", add_late)
    assert import_rows(ACME).counts == (1, 1, 0, 0)

    def fail(importer, *args):
        raise IntegrityError("broken for good")

    monkeypatch.setattr(importing.ContactImporter, "_add", fail)
    assert import_rows(["company", "Bolt", ""]).rejects == {2: "broken for good"}


def test_one_that_somebody_adds_at_this_moment_is_already_there(monkeypatch):
    lock, others = importing.lock_numbers, []

    def lock_late(prefix):
        if not others:
            others.append(CompanyFactory(name="Acme"))  # committed while we waited for the lock
        lock(prefix)

    monkeypatch.setattr(importing, "lock_numbers", lock_late)
    assert import_rows(ACME).counts == (1, 0, 1, 0)
    assert Contact.objects.get() == others[0]


# Any file at all

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
rows = st.tuples(
    st.one_of(st.sampled_from(["company", "person", ""]), words),
    st.one_of(st.sampled_from(["Acme", "Bolt", "Eva"]), words),
    st.one_of(st.sampled_from(["", "", "Acme", "Bolt", "New"]), words),
    st.one_of(st.sampled_from(["", "1", "2"]), words),
    st.one_of(st.sampled_from(["", "BE", "x@y.example"]), words),
)


@given(st.lists(rows, max_size=8))
@example([("company", "Acme", "", "", ""), ("company", "Acme", "", "2", "BE")])
@example(
    [("company", "Acme", "", "", ""), ("company", "Acme", "", "2", ""), ("company", "Acme", "", "1", "")]
)
@example([("company", "Acme", "", "1", ""), ("company", "Acme", "", "", "BE")])
@example([("person", "Eva", "New", "", ""), ("person", "Eva", "New", "1", "")])
@example(
    [("person", "Eva", "New", "1", ""), ("person", "Eva", "New", "2", ""), ("person", "Eva", "New", "", "")]
)
@example([("person", "Eva", "Acme", "", ""), ("person", "Eva", "", "1", "")])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_counts_add_up_for_any_file(some_rows):
    header = [*HEADER, "external_id", "email"]
    with transaction.atomic():
        CompanyFactory(name="Bolt")
        before = everything()
        dry = import_rows(*some_rows, header=header, dry_run=True)
        assert everything() == before
        first = import_rows(*some_rows, header=header)
        read, new, there, rejected = first.counts
        assert read == new + there + rejected
        assert rejected == len(first.rejects)
        assert (dry.counts, dry.rejects, dry.status) == (first.counts, first.rejects, first.status)
        assert dry.out.splitlines()[:-1] == first.out.splitlines()
        after = everything()
        again = import_rows(*some_rows, header=header)
        # A company whose own row was refused may be there by now, because a person's row named it.
        assert (again.counts[:2], set(again.rejects) <= set(first.rejects)) == ((read, 0), True)
        assert again.counts[2] >= new + there
        assert everything() == after
        transaction.set_rollback(True)


# Contacts that were merged


def merged_into(kept, merged):
    merge(kept=kept, merged=merged, chosen={}, by=UserFactory())
    return kept


def test_a_merged_company_is_the_one_that_carries_on():
    last = CompanyFactory(name="Acme Group")
    merged_into(last, merged_into(CompanyFactory(name="Acme"), CompanyFactory(name="Acme NV")))

    done = import_rows(["company", "Acme NV", ""], ["person", "Eva Vos", "Acme NV"])

    assert done.counts == (2, 1, 1, 0), done.rejects
    assert Contact.objects.get(name="Eva Vos").company == last


def test_a_person_of_a_merged_company_is_there():
    gone = CompanyFactory(name="Acme NV")
    PersonFactory(name="Eva Vos", company=gone)
    merged_into(CompanyFactory(name="Acme"), gone)

    assert import_rows(["person", "Eva Vos", "Acme NV"]).counts == (1, 0, 1, 0)


def test_a_merged_person_is_there_by_name_and_by_external_id():
    company = CompanyFactory(name="Acme")
    kept = PersonFactory(name="Eva Vos", company=company, external_id="1")
    merged_into(kept, PersonFactory(name="Eva Fos", company=company, external_id="2"))

    header = [*HEADER, "external_id"]
    done = import_rows(["person", "Eva Fos", "Acme", "2"], ["person", "Somebody", "Acme", "1"], header=header)

    assert done.counts == (2, 0, 2, 0)


def test_one_that_stands_for_itself_comes_before_a_merged_one_of_its_name():
    merged_into(CompanyFactory(name="Globex"), CompanyFactory(name="Acme"))
    standing = CompanyFactory(name="Acme")

    import_rows(EVA)

    assert Contact.objects.get(name="Eva Vos").company == standing


def test_a_name_that_leads_to_two_contacts_is_refused():
    merged_into(CompanyFactory(name="Globex"), CompanyFactory(name="Acme"))
    merged_into(CompanyFactory(name="Initech"), CompanyFactory(name="Acme"))

    assert import_rows(EVA).rejects == {2: "More than one contact is called “Acme”."}


def test_a_dry_run_knows_a_merged_company_under_both_names():
    merged_into(CompanyFactory(name="Acme"), CompanyFactory(name="Acme NV"))
    rows = (["person", "Eva Vos", "Acme"], ["person", "Eva Vos", "Acme NV"])

    dry = import_rows(*rows, dry_run=True)

    assert dry.counts == import_rows(*rows).counts == (2, 1, 1, 0)
