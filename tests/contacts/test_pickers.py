import pytest
from django import forms
from django.core.exceptions import ValidationError

from contacts.forms import ContactChoiceField
from contacts.models import ContactKind
from salespeople.models import Role
from tests.factories import CompanyFactory, PersonFactory, SalespersonFactory, user_with_role

pytestmark = pytest.mark.django_db


def reader():
    return user_with_role(Role.VIEWER)


def refusal(field, text):
    with pytest.raises(ValidationError) as caught:
        field.clean(text)
    return caught.value.code, caught.value.messages[0]


@pytest.mark.parametrize("form", ["{c.number} · {c.name}", "{c.number}", "  c-00001  ", "Acme", "aCME", "ac"])
def test_field_finds_the_contact_by_label_number_or_name(form):
    acme = CompanyFactory(name="Acme", number="C-00001")
    CompanyFactory(name="Beta", number="C-00002")

    assert ContactChoiceField(user=reader()).clean(form.format(c=acme)) == acme


def test_field_prefers_the_exact_name_to_a_longer_one():
    acme = CompanyFactory(name="Acme")
    CompanyFactory(name="Acme Belgium")

    assert ContactChoiceField(user=reader()).clean("acme") == acme


def test_field_finds_a_name_that_looks_like_a_label():
    company = CompanyFactory(name="Smith · Sons")

    assert ContactChoiceField(user=reader()).clean("Smith · Sons") == company


def test_field_names_the_contacts_that_share_a_name():
    CompanyFactory(name="Acme", number="C-00001")
    CompanyFactory(name="Acme", number="C-00002")

    assert refusal(ContactChoiceField(user=reader()), "Acme") == (
        "ambiguous",
        "“Acme” could be C-00001 · Acme or C-00002 · Acme. Type the number of the one you mean.",
    )


def test_field_names_at_most_five_contacts():
    for number in range(1, 9):
        CompanyFactory(name=f"Acme {number}", number=f"C-0000{number}")

    _code, message = refusal(ContactChoiceField(user=reader()), "Acme")

    assert message == (
        "“Acme” could be C-00001 · Acme 1, C-00002 · Acme 2, C-00003 · Acme 3, C-00004 · Acme 4, C-00005 · Acme 5"
        " or yet another one. Type the number of the one you mean."
    )


def test_field_suggests_what_contains_the_text():
    CompanyFactory(name="The Acme Company", number="C-00001")

    assert refusal(ContactChoiceField(user=reader()), "Acme") == (
        "unknown",
        "No contact is called “Acme”. Do you mean C-00001 · The Acme Company?",
    )


def test_field_says_that_nothing_is_known():
    assert refusal(ContactChoiceField(user=reader(), kind=ContactKind.COMPANY), "Acme") == (
        "unknown",
        "No company is called “Acme”. Type the beginning of a name, or a number.",
    )


@pytest.mark.parametrize("text", ["A\0cme", "A" * 201, "C-99999999999999999999999"])
def test_field_refuses_what_no_contact_can_be_called(text):
    assert refusal(ContactChoiceField(user=reader()), text)[0] == "unknown"


def test_field_refuses_a_number_with_the_name_of_another():
    CompanyFactory(name="Acme", number="C-00001")

    assert refusal(ContactChoiceField(user=reader()), "C-00001 · Beta") == (
        "mismatch",
        "C-00001 is Acme, not Beta. Type only the one you mean.",
    )


def test_field_refuses_the_other_kind():
    PersonFactory(name="Ann Peeters", number="C-00001")
    CompanyFactory(name="Acme", number="C-00002")
    companies = ContactChoiceField(user=reader(), kind=ContactKind.COMPANY)
    persons = ContactChoiceField(user=reader(), kind=ContactKind.PERSON)

    assert refusal(companies, "C-00001") == ("kind", "C-00001 · Ann Peeters is not a company.")
    assert refusal(persons, "C-00002") == ("kind", "C-00002 · Acme is not a person.")
    assert refusal(companies, "Ann Peeters")[0] == "unknown"


def test_field_is_required_unless_told_otherwise():
    assert refusal(ContactChoiceField(user=reader()), "  ") == ("required", "Choose a contact.")
    assert ContactChoiceField(user=reader(), required=False).clean("") is None


def test_field_finds_only_what_the_user_sees(settings):
    settings.VISIBILITY = "own"
    hidden = CompanyFactory(name="Acme", salesperson=SalespersonFactory())
    field = ContactChoiceField(user=user_with_role(Role.SALESPERSON))

    assert refusal(field, "Acme")[0] == "unknown"
    assert refusal(field, hidden.number)[0] == "unknown"
    assert field.prepare_value(hidden.pk) is None


def test_field_keeps_the_current_contact_that_the_user_does_not_see(settings):
    settings.VISIBILITY = "own"
    hidden = CompanyFactory(name="Acme", salesperson=SalespersonFactory())
    field = ContactChoiceField(user=user_with_role(Role.SALESPERSON), current=hidden)

    assert field.prepare_value(hidden.pk) == hidden.label
    assert field.clean(hidden.label) == hidden


def test_field_shows_contacts_keys_and_typed_text():
    acme = CompanyFactory()
    field = ContactChoiceField(user=reader())

    assert field.prepare_value(acme) == acme.label
    assert field.prepare_value(acme.pk) == acme.label
    assert field.prepare_value("Acm") == "Acm"
    assert field.prepare_value(None) is None


def test_field_knows_whether_it_has_changed():
    acme = CompanyFactory()
    field = ContactChoiceField(user=reader())

    assert not field.has_changed(acme, acme.label)
    assert not field.has_changed(None, "")
    assert field.has_changed(acme, "")


def test_field_needs_its_user():
    with pytest.raises(TypeError):
        ContactChoiceField().clean("Acme")


def test_picker_is_a_combobox_that_asks_for_suggestions_of_its_kind():
    class Form(forms.Form):
        company = ContactChoiceField(kind=ContactKind.COMPANY)

    form = Form()
    form.fields["company"].user = reader()
    html = str(form["company"])

    assert 'role="combobox"' in html
    assert 'hx-get="/contacts/suggest/?kind=COMPANY"' in html
    assert 'aria-controls="id_company_options"' in html
    assert 'id="id_company_options"' in html
