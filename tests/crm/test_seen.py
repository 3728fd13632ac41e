"""Two people edit one record: a field left alone follows the other, a collision is said, and nothing typed is lost."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from contacts.models import Contact, ContactKind
from salespeople.models import Role, Salesperson, Team
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    IndustryGroupFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    user_with_role,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    user = user_with_role(Role.SALES_MANAGER, name="Mia Manager")
    client.force_login(user)
    return user


@pytest.fixture
def colleague(db):
    client = Client()
    client.force_login(user_with_role(Role.SALES_MANAGER, name="Tom Maes"))
    return client


def drawn(client, url):
    """What the form on the page would send as it stands."""
    form = client.get(url).context["form"]
    sent = {}
    for name in form.fields:
        value = form[name].value()
        if value in (None, False, []):
            continue
        if name == "industry_groups":
            value = [group.pk if hasattr(group, "pk") else group for group in value]
        sent[name] = (
            "on" if value is True else str(value) if name in ("phone", "mobile", "country") else value
        )
    return sent


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def contact_url(contact):
    return reverse("contacts:edit", args=[contact.pk])


THINGS = [
    (lambda: CompanyFactory(name="Acme"), "contacts:edit", "name", "city"),
    (lambda: PersonFactory(first_name="Ann"), "contacts:edit", "first_name", "job_title"),
    (lambda: SalespersonFactory(name="Bob"), "salespeople:edit", "name", "job_title"),
    (lambda: TeamFactory(name="North"), "salespeople:team-edit", "name", "code"),
    (lambda: CloseReasonFactory(description="Price"), "opportunities:reason-edit", "description", "code"),
]


@pytest.mark.parametrize(("make", "route", "field", "other"), THINGS)
def test_the_same_field_is_not_overwritten_and_what_was_typed_stays(
    client, manager, colleague, make, route, field, other
):
    thing = make()
    url = reverse(route, args=[thing.pk])
    mine, theirs = drawn(client, url), drawn(colleague, url)
    assert colleague.post(url, {**theirs, field: "Theirs"}).status_code == 302

    response = client.post(url, {**mine, field: "Mine"})

    html = response.content.decode()
    assert response.status_code == 409
    assert 'value="Mine"' in html
    assert "it is now “Theirs”, and you typed “Mine”" in html
    assert "Tom Maes saved it while you had it open" in html
    thing.refresh_from_db()
    assert getattr(thing, field) == "Theirs"

    form = response.context["form"]
    again = client.post(url, {**mine, field: "Mine", "seen": form["seen"].value()})
    assert again.status_code == 302
    thing.refresh_from_db()
    assert getattr(thing, field) == "Mine"


@pytest.mark.parametrize(("make", "route", "field", "other"), THINGS)
def test_another_field_is_kept_with_mine(client, manager, colleague, make, route, field, other):
    thing = make()
    url = reverse(route, args=[thing.pk])
    mine, theirs = drawn(client, url), drawn(colleague, url)
    colleague.post(url, {**theirs, other: "THEIRS"})

    response = client.post(url, {**mine, field: "Mine"})

    assert response.status_code == 302
    assert said(response)[0].startswith("Somebody else changed this meanwhile, and it is kept:")
    thing.refresh_from_db()
    assert (getattr(thing, field), getattr(thing, other)) == ("Mine", "THEIRS")


def test_the_same_change_by_both_is_no_collision(client, manager, colleague):
    company = CompanyFactory(name="Acme")
    mine = drawn(client, contact_url(company))
    Contact.objects.filter(pk=company.pk).update(city="Gent")

    response = client.post(contact_url(company), {**mine, "city": "Gent", "name": "Mine"})

    assert response.status_code == 302
    company.refresh_from_db()
    assert (company.name, company.city) == ("Mine", "Gent")


def test_every_kind_of_field_follows(client, manager):
    salesperson, group, boss = SalespersonFactory(), IndustryGroupFactory(), CompanyFactory(name="Globex")
    company = CompanyFactory(name="Acme", country="BE")
    person = PersonFactory(name="Ann Peeters", last_name="Peeters")
    urls = [contact_url(company), contact_url(person)]
    mine = [drawn(client, url) for url in urls]
    changed = {
        "phone": "+3292334455",
        "country": "NL",
        "language": "nl",
        "salesperson": salesperson,
        "is_privacy_blocked": True,
    }
    Contact.objects.update(**changed)
    Contact.objects.filter(pk=person.pk).update(company=boss)
    company.industry_groups.add(group)

    answers = [client.post(url, {**sent, "city": "Gent"}) for url, sent in zip(urls, mine, strict=True)]

    assert [answer.status_code for answer in answers] == [302, 302]
    for contact in (company, person):
        contact.refresh_from_db()
        now = {name: getattr(contact, name) for name in changed}
        assert now == changed
        assert contact.city == "Gent"
    assert list(company.industry_groups.all()) == [group]
    assert person.company == boss


def test_every_kind_of_field_collides_in_words(client, manager):
    ours, theirs = SalespersonFactory(name="Ours"), SalespersonFactory(name="Theirs")
    group, other = IndustryGroupFactory(description="Food"), IndustryGroupFactory(description="Steel")
    company = CompanyFactory(name="Acme")
    mine = drawn(client, contact_url(company))
    Contact.objects.filter(pk=company.pk).update(salesperson=theirs, country="NL", is_privacy_blocked=True)
    company.industry_groups.add(group)

    response = client.post(
        contact_url(company),
        {**mine, "salesperson": ours.pk, "country": "BE", "industry_groups": [other.pk, "9" * 99]},
    )

    assert response.status_code == 409
    assert response.context["form"].change.what == [
        "Country: it is now “Netherlands”, and you typed “Belgium”.",
        "Salesperson: it is now “Theirs”, and you typed “Ours”.",
        "Industry groups: it is now “Food”, and you typed “Steel”.",
    ]


def test_another_kind_meanwhile_is_said(client, manager):
    company = CompanyFactory(name="Ann Peeters")
    mine = drawn(client, contact_url(company))
    Contact.objects.filter(pk=company.pk).update(kind=ContactKind.PERSON)

    response = client.post(contact_url(company), {**mine, "email": "ann@example.com"})

    assert response.status_code == 409
    assert response.context["form"].change.what == ["Kind: “Company” is now “Person”."]
    assert 'value="ann@example.com"' in response.content.decode()


@pytest.mark.parametrize("seen", ["", "x", "\0", "a" * 9999])
def test_a_form_that_does_not_say_what_it_was_drawn_from_overwrites_nothing(client, manager, seen):
    company = CompanyFactory(name="Acme")

    response = client.post(contact_url(company), {"name": "Mine", "seen": seen})

    company.refresh_from_db()
    assert response.status_code == 409
    assert company.name == "Acme"
    assert 'value="Mine"' in response.content.decode()


def test_the_mark_of_another_record_counts_for_nothing(client, manager):
    company, other = CompanyFactory(name="Acme"), CompanyFactory(name="Globex")
    seen = drawn(client, contact_url(other))["seen"]

    assert client.post(contact_url(company), {"name": "Mine", "seen": seen}).status_code == 409
    company.refresh_from_db()
    assert company.name == "Acme"


def test_what_is_wrong_is_said_beside_the_collision(client, manager):
    team = TeamFactory(name="North", code="N")
    url = reverse("salespeople:team-edit", args=[team.pk])
    mine = drawn(client, url)
    Team.objects.filter(pk=team.pk).update(name="Theirs")

    response = client.post(url, {**mine, "name": "Mine", "code": ""})

    assert response.status_code == 409
    assert response.context["form"].errors["code"]


def test_the_change_log_names_who_saved(client, manager):
    url = reverse("salespeople:edit", args=[SalespersonFactory(name="Bob", code="B").pk])

    client.post(url, {**drawn(client, url), "name": "Bob Claes"})

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.get_change_message()) == (
        manager,
        "Bob Claes",
        "Changed Name.",
    )
    assert Salesperson.objects.get(code="B").name == "Bob Claes"
