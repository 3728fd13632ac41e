"""The warning that a contact may be there already: what it finds, why, and that it never stands in the way."""

import pytest
from django.urls import reverse

from contacts.duplicates import Typed, likely_duplicates
from contacts.models import Contact, ContactKind
from contacts.operations import merge
from salespeople.models import Role
from tests.factories import CompanyFactory, PersonFactory, SalespersonFactory, UserFactory, user_with_role
from tests.seen import post_seen

pytestmark = pytest.mark.django_db

COMPANY, PERSON = ContactKind.COMPANY, ContactKind.PERSON


@pytest.fixture
def seller(client):
    user = user_with_role(Role.SALESPERSON)
    client.force_login(user)
    return user


def found(user, kind=COMPANY, **typed):
    return {
        duplicate.contact.name: duplicate.reasons
        for duplicate in likely_duplicates(Typed(kind=kind, **typed), user=user)
    }


def stored_as(contact, **fields):
    Contact.objects.filter(pk=contact.pk).update(**fields)
    return contact


# What is found, and why ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "typed", "reason"),
    [
        ({"email": "Info@Acme.example"}, {"email": "info@acme.EXAMPLE"}, "same e-mail address"),
        ({"phone": "+3292334455"}, {"phone": "+3292334455"}, "same phone"),
        ({"mobile": "+32470123456"}, {"phone": "+32470123456"}, "same phone"),
        ({"phone": "+32470123456"}, {"mobile": "+32470123456"}, "same phone"),
        ({"mobile": "+32470123456"}, {"mobile": "+32470123456"}, "same mobile"),
        ({"vat_number": "BE0123456749"}, {"vat_number": "BE0123456749"}, "same VAT number"),
    ],
)
def test_what_is_the_same_to_the_letter_is_found(seller, stored, typed, reason):
    CompanyFactory(name="Globex", **stored)
    CompanyFactory(name="Initech", email="other@example.com", phone="+3291111111", vat_number="BE0000000097")

    assert found(seller, name="Acme", **typed) == {"Globex": [reason]}


@pytest.mark.parametrize(
    ("stored", "typed", "reason"),
    [
        ("Acme N.V.", "ACME", "same name"),
        ("The Été Company", "ete bvba", "same name"),
        ("Acme Logistics", "Acme Logistiks", "similar name"),
        ("Acme Logistics", "Acmé Logistic SA", "similar name"),
        ("Logistics Acme", "Acme Logistics", "similar name"),
        ("Vandenbroucke Transport", "Vandenbrouke Transport", "similar name"),
    ],
)
def test_nearly_the_same_name_is_found(seller, stored, typed, reason):
    CompanyFactory(name=stored)
    for name in ("Acer Laptops", "Vandermeersch Bakery", "Umbrella"):
        CompanyFactory(name=name)

    assert found(seller, name=typed) == {stored: [reason]}


def test_a_name_far_away_in_the_order_is_found_by_its_first_letters(seller):
    for number in range(300):
        CompanyFactory(name=f"Acme {number:03}")
    CompanyFactory(name="Zenith Acme Trading")

    assert "Zenith Acme Trading" in found(seller, name="Acme Trading Zenith")


def test_a_person_in_the_same_company_comes_first(seller):
    company = CompanyFactory(name="Acme")
    PersonFactory(name="Ann Peeters", company=CompanyFactory(name="Globex"))
    colleague = PersonFactory(name="Ann Peeters", company=company)

    rows = likely_duplicates(Typed(kind=PERSON, name="Ann Peeters", company_id=company.pk), user=seller)

    assert rows[0].contact == colleague
    assert rows[0].reasons == ["same name", "same company"]
    assert rows[1].reasons == ["same name"]


def test_the_phone_of_a_colleague_and_the_company_itself_say_nothing(seller):
    company = CompanyFactory(name="Acme", phone="+3292334455", email="info@acme.example")
    PersonFactory(name="Bob Claes", company=company, phone="+3292334455")

    typed = {"name": "Ann Peeters", "phone": "+3292334455", "email": "info@acme.example"}

    assert found(seller, PERSON, company_id=company.pk, **typed) == {}
    assert set(found(seller, PERSON, **typed)) == {"Acme", "Bob Claes"}


def test_the_people_of_a_company_are_not_the_company(seller):
    company = CompanyFactory(name="Acme")
    PersonFactory(company=company, email="info@acme.example")

    assert found(seller, pk=company.pk, name="Acme", email="info@acme.example") == {}


def test_a_person_is_not_a_company_of_that_name(seller):
    PersonFactory(name="Ann Peeters")

    assert found(seller, COMPANY, name="Ann Peeters") == {}


def test_itself_is_no_duplicate(seller):
    company = CompanyFactory(name="Acme", email="info@acme.example")

    assert found(seller, pk=company.pk, name="Acme", email="info@acme.example") == {}


def test_merged_and_hidden_contacts_are_never_shown(seller, settings):
    settings.VISIBILITY = "own"
    kept, merged = CompanyFactory(name="Umbrella"), CompanyFactory(name="Acme")
    merge(kept=kept, merged=merged, chosen={}, by=UserFactory())
    CompanyFactory(name="Acme", salesperson=SalespersonFactory())

    assert found(seller, name="Acme") == {}


def test_at_most_five_are_shown_the_likeliest_first(seller):
    for _n in range(7):
        CompanyFactory(name="Acme")
    best = CompanyFactory(name="Acme NV", email="info@acme.example")

    rows = likely_duplicates(Typed(kind=COMPANY, name="Acme", email="info@acme.example"), user=seller)

    assert len(rows) == 5
    assert rows[0].contact == best


def test_nothing_typed_finds_nothing(seller):
    CompanyFactory(name="Acme")

    assert found(seller) == {}


@pytest.mark.parametrize("size", [1, 30])
def test_at_most_four_questions_to_the_database(seller, django_assert_max_num_queries, size):
    for number in range(size):
        CompanyFactory(name=f"Acme {number}", email="info@acme.example", salesperson=SalespersonFactory())
    seller.__dict__.pop("role_names", None)

    with django_assert_max_num_queries(4):
        typed = Typed(kind=COMPANY, name="Acme", email="info@acme.example", phone="+3292334455")
        rows = likely_duplicates(typed, user=seller)
        assert [str(row.contact.salesperson) for row in rows]


# While one types -------------------------------------------------------------------------------------------------


def warning(client, contact=None, kind="COMPANY", **typed):
    url = reverse("contacts:duplicates-of", args=[contact.pk]) if contact else reverse("contacts:duplicates")
    return client.post(f"{url}?kind={kind}", typed)


def test_the_warning_reads_what_is_typed_as_the_form_does(client, seller):
    CompanyFactory(name="Globex", phone="+3292334455", vat_number="BE0123456749")

    response = warning(client, name="", phone="09 233 44 55", country="BE", vat_number="be 0123.456.749")

    assert response.context["duplicates"][0].reasons == ["same VAT number", "same phone"]
    assert "Globex" in response.content.decode()


def test_the_warning_about_a_person_reads_both_names(client, seller):
    PersonFactory(name="Ann Peeters")

    response = warning(client, kind="PERSON", first_name="Ann", last_name="Peters")

    assert [found.contact.name for found in response.context["duplicates"]] == ["Ann Peeters"]


def test_the_warning_says_nothing_about_an_edit_that_tells_nothing(client, seller):
    company = CompanyFactory(name="Acme")
    CompanyFactory(name="Acme")

    assert warning(client, company, name="Acme", city="Gent").context["duplicates"] == []
    assert warning(client, company, name="Acme NV").context["duplicates"]


@pytest.mark.parametrize("kind", ["COMPANY", "PERSON", "NOBODY"])
@pytest.mark.parametrize(
    "typed", ["name=%00", f"email={'x' * 9999}", "phone=%ED%A0%80", "last_name=%00", "pk=x"]
)
def test_the_warning_survives_nonsense(client, seller, kind, typed):
    url = f"{reverse('contacts:duplicates')}?kind={kind}"

    assert client.post(url, typed, content_type="application/x-www-form-urlencoded").status_code == 200


def test_the_warning_is_for_who_may_add_contacts(client):
    client.force_login(user_with_role(Role.VIEWER))

    assert warning(client, name="Acme").status_code == 403
    assert client.get(reverse("contacts:duplicates")).status_code == 405


def test_the_warning_about_a_hidden_contact_is_not_found(client, seller, settings):
    settings.VISIBILITY = "own"

    hidden = CompanyFactory(salesperson=SalespersonFactory())

    assert warning(client, hidden, name="Acme").status_code == 404


def test_the_warning_asks_a_fixed_number_of_times(client, seller, django_assert_max_num_queries):
    for _n in range(30):
        CompanyFactory(name="Acme", salesperson=SalespersonFactory())

    with django_assert_max_num_queries(12):
        response = warning(client, name="Acme", phone="+3292334455")

    assert len(response.context["duplicates"]) == 5


# When it is saved ------------------------------------------------------------------------------------------------


def test_saving_asks_once_whether_it_is_another_one(client, seller):
    there = CompanyFactory(name="Acme")

    asked = client.post(reverse("contacts:new"), {"name": "Acme NV"})
    saved = client.post(reverse("contacts:new"), {"name": "Acme NV", "is_another": str(there.pk)})

    assert asked.status_code == 422
    assert 'value="Acme NV"' in asked.content.decode()
    assert f'value="{there.pk}"' in asked.content.decode()
    assert saved.status_code == 302
    assert Contact.objects.count() == 2


def test_what_was_said_of_one_does_not_hold_for_another(client, seller):
    there, new = CompanyFactory(name="Acme"), CompanyFactory(name="Acme BV")

    response = client.post(reverse("contacts:new"), {"name": "Acme", "is_another": str(there.pk)})

    assert response.status_code == 422
    assert f'value="{there.pk},{new.pk}"' in response.content.decode()


def test_editing_asks_only_about_what_may_make_it_the_same(client, seller):
    company, other = CompanyFactory(name="Acme"), CompanyFactory(name="Acme")
    url = reverse("contacts:edit", args=[company.pk])

    quiet = post_seen(client, url, {"name": "Acme", "city": "Gent"})
    asked = post_seen(client, url, {"name": "Acme NV", "city": "Gent"})
    saved = post_seen(client, url, {"name": "Acme NV", "city": "Gent", "is_another": str(other.pk)})

    assert (quiet.status_code, asked.status_code, saved.status_code) == (302, 422, 302)
    assert reverse("contacts:merge-with", args=[company.pk, other.pk]) in asked.content.decode()


@pytest.mark.parametrize("confirmed", ["x", "9" * 5000, ",,", "\0"])
def test_nonsense_confirms_nothing(client, seller, confirmed):
    CompanyFactory(name="Acme")

    response = client.post(reverse("contacts:new"), {"name": "Acme", "is_another": confirmed})

    assert response.status_code == 422
    assert Contact.objects.count() == 1
