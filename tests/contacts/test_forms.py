"""What the forms about contacts accept, refuse and offer."""

import pytest

from contacts.forms import CompanyForm, ContactFilterForm, PersonForm, initial_for
from contacts.models import Contact, ContactKind
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    user_with_role,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return user_with_role(Role.SALESPERSON)


def saved(form):
    assert form.errors == {}
    return Contact.objects.get(pk=form.save().pk)


# --- a company ------------------------------------------------------------------------------------------------


def test_company_form_makes_a_company(user):
    group = IndustryGroupFactory()

    company = saved(
        CompanyForm(
            {
                "name": " Acme ",
                "vat_number": "be 0123.456.749",
                "industry_groups": [group.pk],
                "email": "info@acme.example",
                "phone": "02 222 22 22",
                "website": "acme.example",
                "city": "Gent",
                "country": "BE",
                "language": "nl",
                "salesperson": user.own_salesperson.pk,
            },
            user=user,
        )
    )

    assert (company.kind, company.name, company.vat_number) == (ContactKind.COMPANY, "Acme", "BE0123456749")
    assert (str(company.phone), company.website) == ("+32 2 222 22 22", "https://acme.example")
    assert list(company.industry_groups.all()) == [group]
    assert company.number.startswith("C-")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "Ensure this value has at most 100 characters (it has 101)."),
        ("name", "A\0cme", "Null characters are not allowed."),
        ("email", "nonsense", "Enter a valid email address."),
        ("website", "not a site", "Enter a valid URL."),
        ("country", "XX", "Select a valid choice. XX is not one of the available choices."),
        ("language", "tlh", "Select a valid choice. tlh is not one of the available choices."),
        (
            "salesperson",
            "99999999999999999999999",
            "Select a valid choice. That choice is not one of the available choices.",
        ),
        (
            "vat_number",
            "BE123",
            "“BE123” cannot be a VAT number. Write it with its country, such as BE0123456749.",
        ),
    ],
)
def test_company_form_says_at_the_field_what_is_wrong(user, field, value, message):
    form = CompanyForm({"name": "Acme", field: value}, user=user)

    assert form.errors == {field: [message]}


@pytest.mark.parametrize("phone", ["call me", "123", "+32 2 222 22 22 22 22", "0\0"])
def test_company_form_refuses_what_is_no_phone_number(user, phone):
    form = CompanyForm({"name": "Acme", "phone": phone}, user=user)

    assert list(form.errors) == ["phone"]


@pytest.mark.parametrize(
    ("country", "phone", "stored"),
    [
        ("", "02 222 22 22", "+3222222222"),
        ("FR", "01 42 68 53 00", "+33142685300"),
        ("FR", "+32 2 222 22 22", "+3222222222"),
        ("AQ", "02 222 22 22", "+3222222222"),
    ],
)
def test_company_form_reads_phone_numbers_in_the_country(user, country, phone, stored):
    form = CompanyForm({"name": "Acme", "country": country, "phone": phone}, user=user)

    assert saved(form).phone.as_e164 == stored


@pytest.mark.parametrize(
    ("typed", "accepted"),
    [
        ("BE0123456749", True),
        ("BE 0123.456.749", True),
        ("BE0123456740", False),
        ("BE123456749", False),
        ("NL123456789B01", True),
        ("EL123456789", True),
        ("123456789", True),
        ("QQ123456789", False),
        ("BE", False),
        ("none", False),
        ("٣٣٣٣٣٣", False),
    ],
)
def test_company_form_knows_the_shape_of_a_vat_number(user, typed, accepted):
    form = CompanyForm({"name": "Acme", "vat_number": typed}, user=user)

    assert form.is_valid() is accepted


def test_company_form_shows_industry_groups_only_when_there_are_any(user):
    assert "industry_groups" not in CompanyForm(user=user).fields

    IndustryGroupFactory()

    assert "industry_groups" in CompanyForm(user=user).fields


def test_company_form_keeps_a_blocked_salesperson_but_offers_no_other(user):
    present = SalespersonFactory(is_blocked=True)
    SalespersonFactory(is_blocked=True)
    company = CompanyFactory(salesperson=present)

    offered = CompanyForm(user=user, instance=company).fields["salesperson"].queryset

    assert list(offered) == [present, user.own_salesperson]


# --- a person -------------------------------------------------------------------------------------------------


def test_person_form_makes_the_name_of_its_parts(user):
    company = CompanyFactory(name="Acme")

    person = saved(
        PersonForm({"first_name": "Ann", "last_name": "Peeters", "company": company.label}, user=user)
    )

    assert (person.kind, person.name, person.company) == (ContactKind.PERSON, "Ann Peeters", company)


@pytest.mark.parametrize(("first", "last", "name"), [("Ann", "", "Ann"), ("", "Peeters", "Peeters")])
def test_person_form_is_content_with_half_a_name(user, first, last, name):
    assert saved(PersonForm({"first_name": first, "last_name": last}, user=user)).name == name


def test_person_form_needs_a_name(user):
    form = PersonForm({}, user=user)

    assert form.errors == {"last_name": ["Give a first name, a last name, or both."]}


def test_person_form_refuses_a_name_that_does_not_fit(user):
    form = PersonForm({"first_name": "x" * 50, "last_name": "y" * 50}, user=user)

    assert form.errors == {"last_name": ["First and last name together have at most 99 characters."]}


def test_person_form_says_what_the_company_could_be(user):
    CompanyFactory(name="Acme", number="C-00001")
    CompanyFactory(name="Acme", number="C-00002")

    form = PersonForm({"last_name": "Peeters", "company": "Acme"}, user=user)

    assert form.errors == {
        "company": ["“Acme” could be C-00001 · Acme or C-00002 · Acme. Type the number of the one you mean."]
    }


def test_person_form_changes_and_clears_the_company(user):
    person = PersonFactory(company=CompanyFactory())
    other = CompanyFactory()

    moved = saved(PersonForm({"last_name": "Peeters", "company": other.number}, user=user, instance=person))
    assert moved.company == other

    assert saved(PersonForm({"last_name": "Peeters"}, user=user, instance=moved)).company is None


def test_person_form_keeps_a_company_that_the_user_does_not_see(user, settings):
    settings.VISIBILITY = "own"
    company = CompanyFactory(salesperson=SalespersonFactory())
    person = PersonFactory(company=company, salesperson=user.own_salesperson)
    drawn = PersonForm(user=user, instance=person)

    form = PersonForm(
        {"last_name": "Peeters", "company": drawn["company"].value()}, user=user, instance=person
    )

    assert saved(form).company == company


def test_person_form_offers_the_parts_of_a_name_that_came_whole(user):
    person = PersonFactory(name="Ann Marie Peeters", first_name="", last_name="")

    form = PersonForm(user=user, instance=person)

    assert (form["first_name"].value(), form["last_name"].value()) == ("Ann Marie", "Peeters")


def test_person_form_leaves_the_website_alone(user):
    person = PersonFactory(website="https://ann.example")

    assert saved(PersonForm({"last_name": "Peeters"}, user=user, instance=person)).website == (
        "https://ann.example"
    )


# --- another kind ---------------------------------------------------------------------------------------------


def test_person_form_makes_a_person_of_an_unused_company(user):
    company = CompanyFactory(name="Ann Peeters")
    form = PersonForm({"first_name": "Ann", "last_name": "Peeters"}, user=user, instance=company)

    person = saved(form)

    assert form.changes_kind
    assert (person.kind, person.name, person.number) == (ContactKind.PERSON, "Ann Peeters", company.number)


def test_company_form_makes_a_company_of_an_unused_person(user):
    person = PersonFactory(company=CompanyFactory(), job_title="Buyer")

    company = saved(CompanyForm({"name": "Peeters NV"}, user=user, instance=person))

    assert (company.kind, company.name, company.company) == (ContactKind.COMPANY, "Peeters NV", None)
    assert (company.first_name, company.last_name, company.job_title) == ("", "", "")


def test_person_form_refuses_a_company_that_is_needed_as_one(user):
    company = CompanyFactory(name="Acme", vat_number="BE0123456749")
    PersonFactory(company=company)
    company.industry_groups.add(IndustryGroupFactory())

    form = PersonForm({"last_name": "Acme"}, user=user, instance=company)

    assert form.errors == {
        "__all__": [
            "Acme stays a company, because of: 1 contact, VAT number BE0123456749, its industry groups."
        ]
    }
    company.refresh_from_db()
    assert company.kind == ContactKind.COMPANY


def test_person_form_refuses_a_customer(user):
    company = CompanyFactory(name="Acme", customer_number="CU-00001", customer_since="2026-03-23")

    form = PersonForm({"last_name": "Acme"}, user=user, instance=company)

    assert form.errors == {"__all__": ["Acme stays a company, because of: customer number CU-00001."]}


def test_company_form_refuses_a_person_with_opportunities(user):
    person = PersonFactory(name="Ann Peeters", company=CompanyFactory())
    OpportunityFactory(contact=person)

    form = CompanyForm({"name": "Peeters NV"}, user=user, instance=person)

    assert form.errors == {
        "__all__": ["Ann Peeters stays a person, because of: 1 opportunity, 1 opportunity entry."]
    }


def test_person_form_refuses_a_company_in_itself(user):
    company = CompanyFactory(name="Acme")

    form = PersonForm({"last_name": "Acme", "company": company.number}, user=user, instance=company)

    assert form.errors == {"company": ["A contact cannot be its own company."]}


# --- what a new one begins with, and what a list shows --------------------------------------------------------


def test_initial_is_the_users_own_salesperson(user):
    assert initial_for(user, None) == {"salesperson": user.own_salesperson}


def test_initial_is_nobody_for_who_does_not_sell_or_is_blocked(user):
    user.own_salesperson.is_blocked = True

    assert initial_for(user, None) == {"salesperson": None}
    assert initial_for(user_with_role(Role.SALES_MANAGER), None) == {"salesperson": None}


def test_initial_in_a_company_takes_its_salesperson_address_country_and_language(user):
    theirs = SalespersonFactory()
    company = CompanyFactory(
        salesperson=theirs, address="Kaai 1", postcode="9000", city="Gent", country="BE", language="nl"
    )

    initial = initial_for(user, company)

    assert initial == {
        "company": company,
        "salesperson": theirs,
        "address": "Kaai 1",
        "address_2": "",
        "postcode": "9000",
        "city": "Gent",
        "region": "",
        "country": "BE",
        "language": "nl",
    }


def test_initial_in_a_company_of_a_blocked_salesperson_is_ones_own(user):
    company = CompanyFactory(salesperson=SalespersonFactory(is_blocked=True))

    assert initial_for(user, company)["salesperson"] == user.own_salesperson


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["Acme", "Ann", "Beta"]),
        ({"kind": "COMPANY"}, ["Acme", "Beta"]),
        ({"kind": "PERSON"}, ["Ann"]),
        ({"kind": "DOG"}, ["Acme", "Ann", "Beta"]),
        ({"q": "ACM"}, ["Acme", "Ann"]),
        ({"q": "a\0"}, ["Acme", "Ann", "Beta"]),
        ({"company": "acme"}, ["Ann"]),
        ({"company": "999999999999999999999"}, ["Acme", "Ann", "Beta"]),
        ({"salesperson": "bea"}, ["Beta"]),
    ],
)
def test_filter_form_narrows_to_what_it_understands(user, params, found):
    acme = CompanyFactory(name="Acme")
    PersonFactory(name="Ann", company=acme)
    bea = SalespersonFactory()
    CompanyFactory(name="Beta", salesperson=bea)
    keys = {"acme": str(acme.pk), "bea": str(bea.pk)}

    form = ContactFilterForm({name: keys.get(value, value) for name, value in params.items()}, user=user)
    form_found = form.filter(Contact.objects.order_by("name"))

    assert [contact.name for contact in form_found] == found
