"""Those involved, on the page: who adds, changes and removes them, and what is refused."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from opportunities.models import OpportunityContact
from tests.factories import (
    CompanyFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
)

IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def add(opportunity):
    return reverse("opportunities:person-new", args=[opportunity.pk])


def role(person):
    return reverse("opportunities:person-role", args=[person.opportunity_id, person.contact_id])


def remove(person):
    return reverse("opportunities:person-remove", args=[person.opportunity_id, person.contact_id])


@pytest.fixture
def ann(company):
    return PersonFactory(first_name="Ann", last_name="Peeters", company=company)


@pytest.fixture
def involved(opportunity, ann):
    return OpportunityContactFactory(opportunity=opportunity, contact=ann, role="USER")


def test_page_names_the_contact_first_then_those_involved_by_their_parts(as_seller, opportunity, company):
    for number, part in enumerate(["OTHER", "DECISION_MAKER", "PURCHASING"]):
        person = PersonFactory(first_name="Person", last_name=str(number))
        OpportunityContactFactory(opportunity=opportunity, contact=person, role=part)

    html = as_seller.get(opportunity.get_absolute_url()).content.decode()
    card = html[html.index('id="people-title"') :]

    places = [card.index(name) for name in ("Acme Logistics NV", "Person 1", "Person 2", "Person 0")]
    assert places == sorted(places)
    assert "Decision maker" in card


def test_contact_of_the_opportunity_is_named_once_with_its_part(as_seller, opportunity, company):
    OpportunityContactFactory(opportunity=opportunity, contact=company, role="PARTNER")

    response = as_seller.get(opportunity.get_absolute_url())

    assert response.context["people"] == []
    assert "Partner" in response.content.decode()


def test_contact_one_may_not_see_is_named_without_address(as_seller, settings, opportunity, company, seller):
    settings.VISIBILITY = "own"
    company.salesperson = seller.salesperson
    company.save()
    hidden = PersonFactory(
        first_name="Hidden", last_name="Person", email="hidden@example.com", salesperson=SalespersonFactory()
    )
    OpportunityContactFactory(opportunity=opportunity, contact=hidden)

    html = as_seller.get(opportunity.get_absolute_url()).content.decode()

    assert "Hidden Person" in html
    assert "hidden@example.com" not in html
    assert f'href="{hidden.get_absolute_url()}"' not in html


def test_somebody_is_involved(as_seller, opportunity, ann):
    response = as_seller.post(
        add(opportunity), {"contact": ann.number, "role": "DECISION_MAKER"}, follow=True
    )

    assert list(opportunity.people.values_list("contact", "role")) == [(ann.pk, "DECISION_MAKER")]
    assert response.redirect_chain == [(opportunity.get_absolute_url(), 302)]
    assert "Ann Peeters is involved as Decision maker." in response.content.decode()
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"contact": ""}, "A contact is needed. Choose whom it is for."),
        ({"contact": "nobody there"}, "No contact is called “nobody there”."),
        ({"contact": "Acme Logistics NV"}, "is the contact of OP-00001 already. Choose somebody else."),
        ({"contact": "Ann Peeters"}, "Ann Peeters is involved already, as User. Change the role there."),
        ({"contact": "\0"}, "No contact is called"),
        ({"role": ""}, "A role is needed. Choose the part this contact plays."),
        ({"role": "KING"}, "A role is needed. Choose the part this contact plays."),
    ],
)
def test_what_is_refused_is_said_at_the_field(as_seller, opportunity, involved, typed, words):
    PersonFactory(first_name="Bert", last_name="Claes")

    response = as_seller.post(
        add(opportunity), {"contact": "Bert Claes", "role": "PARTNER", **typed}, headers=IN_DIALOG
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    (field,) = typed
    assert list(response.context["form"].errors) == [field]
    if field == "role":
        assert 'value="Bert Claes"' in html
    assert OpportunityContact.objects.get() == involved


def test_somebody_blocked_for_privacy_is_refused(as_seller, opportunity):
    blocked = CompanyFactory(is_privacy_blocked=True)

    response = as_seller.post(add(opportunity), {"contact": blocked.number, "role": "USER"})

    assert response.status_code == 422
    assert "is blocked for privacy" in response.content.decode()


def test_role_is_changed(as_seller, involved):
    response = as_seller.post(role(involved), {"role": "INFLUENCER"}, follow=True)

    involved.refresh_from_db()
    assert involved.role == "INFLUENCER"
    assert "Ann Peeters is involved as Influencer." in response.content.decode()


def test_role_is_offered_as_it_is(as_seller, involved):
    html = as_seller.get(role(involved), headers=IN_DIALOG).content.decode()

    assert '<option value="USER" selected>' in html
    assert "Role of Ann Peeters" in html


def test_role_left_out_is_refused(as_seller, involved):
    assert as_seller.post(role(involved), {"role": ""}).status_code == 422
    involved.refresh_from_db()
    assert involved.role == "USER"


def test_removing_asks_first(as_seller, involved):
    html = as_seller.get(remove(involved), headers=IN_DIALOG).content.decode()

    assert "Ann Peeters is then not involved in OP-00001 any more. The contact stays." in html
    assert OpportunityContact.objects.exists()


def test_somebody_is_removed(as_seller, involved, ann):
    response = as_seller.post(remove(involved), follow=True)

    assert not OpportunityContact.objects.exists()
    assert "Ann Peeters is not involved any more." in response.content.decode()
    ann.refresh_from_db()


def test_closed_ones_keep_their_people(as_seller, won, ann):
    as_seller.post(add(won), {"contact": ann.number, "role": "USER"})

    assert won.people.count() == 1


@pytest.mark.parametrize("address", [role, remove])
def test_somebody_who_is_not_involved_is_not_found(as_seller, opportunity, involved, address):
    url = address(OpportunityContact(opportunity=opportunity, contact=PersonFactory()))

    assert as_seller.get(url).status_code == 404
    assert as_seller.post(url, {"role": "USER"}).status_code == 404


@pytest.mark.parametrize("pk", [0, 987654, 2**63, 10**30])
def test_unknown_keys_are_not_found(as_seller, opportunity, pk):
    for path in (
        f"{pk}/people/new/",
        f"{opportunity.pk}/people/{pk}/role/",
        f"{opportunity.pk}/people/{pk}/remove/",
    ):
        assert as_seller.get(f"/opportunities/{path}").status_code == 404


def test_those_who_only_read_see_people_and_no_button(as_viewer, as_stranger, as_seller, involved):
    foreign = OpportunityContactFactory(opportunity=OpportunityFactory())

    for client, person in ((as_viewer, involved), (as_stranger, involved), (as_seller, foreign)):
        for url in (add(person.opportunity), role(person), remove(person)):
            assert client.get(url).status_code == 403
            assert client.post(url, {"role": "OTHER"}).status_code == 403
    html = as_viewer.get(involved.opportunity.get_absolute_url()).content.decode()
    assert "Ann Peeters" in html
    assert "/people/" not in html
    assert set(OpportunityContact.objects.values_list("role", flat=True)) == {"USER"}


def test_of_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"
    foreign = OpportunityContactFactory()

    for url in (add(foreign.opportunity), role(foreign), remove(foreign)):
        assert as_seller.get(url).status_code == 404


def test_anonymous_is_sent_to_sign_in(client, involved):
    for url in (add(involved.opportunity), role(involved), remove(involved)):
        assert client.post(url).url.startswith(reverse("sign-in"))


def test_admin_tells_who_was_involved(as_manager, involved, manager):
    as_manager.post(role(involved), {"role": "PARTNER"})

    url = reverse("admin:opportunities_opportunity_history", args=[involved.opportunity_id])
    html = as_manager.get(url).content.decode()

    assert "Changed people." in html or "(USER)" in html
