"""Contacts by kind, use and reader, and what a contact knows about itself."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError

from contacts.models import Contact, ContactKind
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    user_with_role,
)

pytestmark = pytest.mark.django_db


def names(queryset):
    return sorted(contact.name for contact in queryset)


@pytest.fixture
def own(settings):
    """A salesperson's user, their colleague of the same team and a stranger, with a contact each."""
    user = user_with_role(Role.SALESPERSON)
    team = TeamFactory()
    user.own_salesperson.team = team
    user.own_salesperson.save()
    CompanyFactory(name="Mine", salesperson=user.own_salesperson)
    CompanyFactory(name="Of my colleague", salesperson=SalespersonFactory(team=team))
    others = CompanyFactory(name="Of a stranger", salesperson=SalespersonFactory())
    CompanyFactory(name="Of nobody")
    PersonFactory(name="In another's company", company=others, salesperson=user.own_salesperson)
    PersonFactory(name="Elsewhere", company=others, salesperson=others.salesperson)
    return user


@pytest.mark.parametrize(
    ("visibility", "seen"),
    [
        ("own", ["In another's company", "Mine", "Of nobody"]),
        ("team", ["In another's company", "Mine", "Of my colleague", "Of nobody"]),
        (
            "all",
            ["Elsewhere", "In another's company", "Mine", "Of a stranger", "Of my colleague", "Of nobody"],
        ),
    ],
)
def test_visible_to_follows_the_setting(own, settings, visibility, seen):
    settings.VISIBILITY = visibility

    assert names(Contact.objects.visible_to(own)) == seen


def test_visible_to_shows_the_people_of_a_company_one_looks_after(settings):
    settings.VISIBILITY = "own"
    user = user_with_role(Role.SALESPERSON)
    company = CompanyFactory(salesperson=user.own_salesperson)
    person = PersonFactory(company=company, salesperson=SalespersonFactory())

    assert person in Contact.objects.visible_to(user)


@pytest.mark.parametrize("visibility", ["own", "team", "all"])
def test_visible_to_shows_viewers_all_and_people_without_a_role_nothing(settings, visibility):
    settings.VISIBILITY = visibility
    contact = CompanyFactory(salesperson=SalespersonFactory())

    assert list(Contact.objects.visible_to(user_with_role(Role.VIEWER))) == [contact]
    assert list(Contact.objects.visible_to(UserFactory())) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("acme", ["Acme Belgium", "Ann Peeters"]),
        ("ACME bel", ["Acme Belgium", "Ann Peeters"]),
        ("ann acme", ["Ann Peeters"]),
        ("info@beta", ["Beta"]),
        ("c-90", ["Beta"]),
        ("100%", []),
        ("ÄCME  bél", ["Acme Belgium", "Ann Peeters"]),
        ("hotel etoile", ["Hôtel Étoile"]),
        ("étoi", ["Hôtel Étoile"]),
        ("", ["Acme Belgium", "Ann Peeters", "Beta", "Hôtel Étoile"]),
    ],
)
def test_matching_finds_every_word_in_name_number_address_or_company(text, found):
    acme = CompanyFactory(name="Acme Belgium")
    CompanyFactory(name="Beta", email="info@beta.example", number="C-90001")
    PersonFactory(name="Ann Peeters", company=acme)
    CompanyFactory(name="Hôtel Étoile")

    assert names(Contact.objects.matching(text)) == found


@pytest.mark.parametrize("text", ["ac", "AC", "aC", " äc", "acme b", "ACME  B", "Acmé Bel"])
def test_beginning_with_finds_every_spelling(text):
    acme = CompanyFactory(name="Acme Belgium")
    CompanyFactory(name="The Acme")
    CompanyFactory(name="Ab")

    assert list(Contact.objects.beginning_with(text)) == [acme]


def test_usable_leaves_out_the_blocked_and_those_in_blocked_companies():
    usable = PersonFactory(company=CompanyFactory())
    blocked = CompanyFactory(is_privacy_blocked=True)
    PersonFactory(company=blocked)

    assert list(Contact.objects.usable().persons()) == [usable]
    assert blocked not in Contact.objects.usable()


def test_save_gives_running_numbers_and_keeps_them():
    first, second = CompanyFactory(), PersonFactory()
    number = first.number

    first.save()

    assert (first.number, second.number) == (number, f"C-{int(number[2:]) + 1:05d}")


def test_clean_refuses_a_person_as_company():
    person = Contact(kind=ContactKind.PERSON, name="Ann", company=PersonFactory(name="Bob"))

    with pytest.raises(ValidationError, match="Bob is a person"):
        person.full_clean()


def test_clean_refuses_to_make_a_person_of_a_company_with_people():
    company = CompanyFactory()
    PersonFactory(company=company)
    company.kind = ContactKind.PERSON

    with pytest.raises(ValidationError, match="People belong to this company"):
        company.full_clean()


def test_make_customer_numbers_once():
    company = CompanyFactory()

    made = company.make_customer(on=date(2026, 3, 23))
    again = company.make_customer(on=date(2026, 4, 1))

    assert made.customer_number == again.customer_number == "CU-00001"
    assert again.customer_since == date(2026, 3, 23)
    assert again.is_customer


def test_company_and_buyer_are_the_company_or_the_lone_person():
    company, lone = CompanyFactory(), PersonFactory()
    person = PersonFactory(company=company)

    assert [company.company_key, person.company_key, lone.company_key] == [company.pk, company.pk, None]
    assert [company.buyer_key, person.buyer_key, lone.buyer_key] == [company.pk, company.pk, lone.pk]


def test_label_and_address_are_as_people_write_them():
    contact = CompanyFactory(
        name="Acme", number="C-00012", address="Kaai 1", postcode="9000", city="Gent", country="BE"
    )

    assert contact.label == "C-00012 · Acme"
    assert contact.address_lines == ["Kaai 1", "9000 Gent", "Belgium"]
    assert CompanyFactory().address_lines == []
