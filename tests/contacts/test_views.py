"""Pages of companies and persons."""

import pytest
from django.urls import reverse

from contacts.models import Contact, ContactKind
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    user_with_role,
)
from tests.seen import post_seen

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "dialog"}
PAGES = ["list", "detail", "suggest"]
CHANGES = ["new", "edit", "delete"]


@pytest.fixture
def seller(client):
    user = user_with_role(Role.SALESPERSON)
    client.force_login(user)
    return user


@pytest.fixture
def viewer(client):
    user = user_with_role(Role.VIEWER)
    client.force_login(user)
    return user


def url_of(name, contact=None):
    if name in ("detail", "edit", "delete"):
        return reverse(f"contacts:{name}", args=[(contact or CompanyFactory()).pk])
    return reverse(f"contacts:{name}")


# --- for every page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PAGES, *CHANGES])
def test_page_sends_strangers_to_sign_in(client, name):
    url = url_of(name)

    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('sign-in')}?next={url}"


@pytest.mark.parametrize("name", PAGES)
def test_page_that_only_shows_refuses_post(client, seller, name):
    assert client.post(url_of(name)).status_code == 405


@pytest.mark.parametrize("name", CHANGES)
def test_form_refuses_put(client, seller, name):
    assert client.put(url_of(name)).status_code == 405


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_not_for_viewers(client, viewer, name):
    url = url_of(name)

    assert client.get(url).status_code == 403
    assert client.post(url, {"name": "Other"}).status_code == 403
    assert not Contact.objects.filter(name="Other").exists()


@pytest.mark.parametrize("name", ["detail", "edit", "delete"])
@pytest.mark.parametrize("pk", [404_404, 99999999999999999999999999])
def test_page_of_nobody_is_not_found(client, seller, name, pk):
    assert client.get(reverse(f"contacts:{name}", args=[pk])).status_code == 404


@pytest.mark.parametrize("name", ["detail", "edit", "delete"])
def test_page_of_a_contact_of_somebody_else_is_not_found(client, seller, settings, name):
    settings.VISIBILITY = "own"
    contact = CompanyFactory(salesperson=SalespersonFactory())

    assert client.get(url_of(name, contact)).status_code == 404
    assert client.post(url_of(name, contact), {"name": "Other"}).status_code in (404, 405)
    assert Contact.objects.filter(name=contact.name).exists()


def test_list_tells_somebody_without_a_role_to_ask_for_one(client):
    client.force_login(UserFactory())

    response = client.get(reverse("contacts:list"))

    assert response.status_code == 403
    assert "Ask a sales manager for a role" in response.content.decode()


# --- the list -------------------------------------------------------------------------------------------------


def test_list_shows_what_a_row_names(client, viewer):
    company = CompanyFactory(name="Acme", city="Gent", phone="+3222222222", is_privacy_blocked=True)
    company.make_customer(on="2026-03-23")
    PersonFactory(name="Ann Peeters", company=company, salesperson=SalespersonFactory(name="Bea Boss"))

    html = client.get(reverse("contacts:list")).content.decode()

    for text in ["Acme", "Gent", "+32 2 222 22 22", "Customer</span>", "Blocked", "Ann Peeters", "Bea Boss"]:
        assert text in html
    assert reverse("contacts:new") not in html


def test_list_offers_sellers_a_new_contact(client, seller):
    assert f"{reverse('contacts:new')}?kind=PERSON" in client.get(reverse("contacts:list")).content.decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Acme", "Ann Peeters", "Beta"]),
        ("?kind=COMPANY", ["Acme", "Beta"]),
        ("?kind=PERSON", ["Ann Peeters"]),
        ("?company={acme}", ["Ann Peeters"]),
        ("?q=acme", ["Acme", "Ann Peeters"]),
        ("?sort=-name", ["Beta", "Ann Peeters", "Acme"]),
        ("?sort=-number", ["Ann Peeters", "Beta", "Acme"]),
        ("?sort=city", ["Beta", "Ann Peeters", "Acme"]),
        ("?sort=company__name", ["Ann Peeters", "Acme", "Beta"]),
        ("?sort=salesperson__name", ["Beta", "Acme", "Ann Peeters"]),
        ("?sort=password&after=%00&q=%00&kind=%00&company=x&salesperson=-1", ["Acme", "Ann Peeters", "Beta"]),
    ],
)
def test_list_searches_filters_and_sorts(client, viewer, query, names):
    acme = CompanyFactory(name="Acme", city="Gent")
    CompanyFactory(name="Beta", city="Aalst", salesperson=SalespersonFactory())
    PersonFactory(name="Ann Peeters", company=acme, city="Brugge")

    page = client.get(reverse("contacts:list") + query.format(acme=acme.pk)).context["page"]

    assert [contact.name for contact in page.rows] == names


def test_list_goes_on_to_the_next_page_within_the_filter(client, viewer):
    for number in range(28):
        CompanyFactory(name=f"Acme {number:02}")
    CompanyFactory(name="Beta")

    first = client.get(reverse("contacts:list"), {"q": "acme"}).context["page"]
    second = client.get(reverse("contacts:list") + first.next_url).context["page"]

    assert [len(first.rows), len(second.rows)] == [25, 3]
    assert "q=acme" in first.next_url


@pytest.mark.parametrize("visibility", ["own", "team", "all"])
def test_list_starts_from_what_the_user_sees(client, seller, settings, visibility):
    settings.VISIBILITY = visibility
    CompanyFactory(name="Mine", salesperson=seller.own_salesperson)
    CompanyFactory(name="Theirs", salesperson=SalespersonFactory())

    page = client.get(reverse("contacts:list")).context["page"]

    seen = ["Mine", "Theirs"] if visibility == "all" else ["Mine"]
    assert [contact.name for contact in page.rows] == seen


@pytest.mark.parametrize("rows", [1, 4])
def test_list_asks_as_many_queries_for_one_as_for_several(client, viewer, rows, django_assert_num_queries):
    for _number in range(rows):
        PersonFactory(company=CompanyFactory(), salesperson=SalespersonFactory())

    with django_assert_num_queries(5):  # session, user, groups, contacts, salespeople of the filter
        client.get(reverse("contacts:list"))


def test_list_teaches_when_it_is_empty_and_when_nothing_fits(client, seller):
    empty = client.get(reverse("contacts:list")).content.decode()
    nothing = client.get(reverse("contacts:list"), {"q": "xyz"}).content.decode()

    assert "No contacts yet" in empty
    assert "No contact fits" in nothing


# --- one contact ----------------------------------------------------------------------------------------------


def test_detail_shows_the_facts_of_a_company(client, viewer):
    company = CompanyFactory(
        name="Acme",
        email="info@acme.example",
        website="https://acme.example",
        address="Kaai 1",
        postcode="9000",
        city="Gent",
        country="BE",
        language="nl",
        vat_number="BE0123456749",
        salesperson=SalespersonFactory(name="Bea Boss"),
    )
    company.industry_groups.add(IndustryGroupFactory(description="Breweries"))
    company.make_customer(on="2026-03-23")
    person = PersonFactory(name="Ann Peeters", company=company)

    html = client.get(company.get_absolute_url()).content.decode()

    for text in [
        company.number,
        "info@acme.example",
        "https://acme.example",
        "Kaai 1<br>9000 Gent<br>Belgium",
        "Dutch",
        "BE0123456749",
        "Bea Boss",
        "Breweries",
        "CU-00001",
        "since 23 Mar 2026",
        person.get_absolute_url(),
    ]:
        assert text in html


def test_detail_asks_for_the_opportunities(client, viewer):
    company = CompanyFactory()

    html = client.get(company.get_absolute_url()).content.decode()

    panel = reverse("opportunities:for-contact", args=[company.pk])
    assert f'hx-get="{panel}"' in html
    assert f'href="{panel}"' in html


def test_detail_has_buttons_for_sellers_only(client):
    company = CompanyFactory()
    buttons = [
        f"{reverse('opportunities:new')}?contact={company.pk}",
        reverse("contacts:edit", args=[company.pk]),
        reverse("contacts:delete", args=[company.pk]),
        f"company={company.pk}",
    ]

    shown = {}
    for role in (Role.SALESPERSON, Role.VIEWER):
        client.force_login(user_with_role(role))
        html = client.get(company.get_absolute_url()).content.decode()
        shown[role] = [button in html for button in buttons]

    assert shown == {Role.SALESPERSON: [True] * 4, Role.VIEWER: [False] * 4}


def test_detail_marks_blocked_contacts_and_starts_nothing_with_them(client, seller):
    company = CompanyFactory(is_privacy_blocked=True)
    person = PersonFactory(company=company)

    for contact, mark in [(company, "Blocked for privacy"), (person, "Company blocked for privacy")]:
        html = client.get(contact.get_absolute_url()).content.decode()
        assert mark in html
        assert f"?contact={contact.pk}" not in html


def test_detail_shows_a_bounded_number_of_people(client, viewer):
    company = CompanyFactory()
    for _number in range(27):
        PersonFactory(company=company)

    response = client.get(company.get_absolute_url())

    assert len(response.context["people"]) == 25
    assert "The first 25 are shown" in response.content.decode()


def test_detail_names_a_company_without_a_link_when_the_user_does_not_see_it(client, seller, settings):
    settings.VISIBILITY = "own"
    company = CompanyFactory(name="Acme", salesperson=SalespersonFactory())
    person = PersonFactory(company=company, salesperson=seller.own_salesperson)

    html = client.get(person.get_absolute_url()).content.decode()

    assert "Acme" in html
    assert company.get_absolute_url() not in html


def test_detail_makes_no_link_of_a_website_that_is_none(client, viewer):
    company = CompanyFactory(website="javascript:alert(1)")

    assert 'href="javascript' not in client.get(company.get_absolute_url()).content.decode()


@pytest.mark.parametrize("people", [1, 4])
def test_detail_asks_as_many_queries_for_one_person_as_for_several(
    client, viewer, people, django_assert_num_queries
):
    company = CompanyFactory(salesperson=SalespersonFactory())
    for _number in range(people):
        PersonFactory(company=company)

    with django_assert_num_queries(7):  # session, user, groups, contact, industry groups, people, merges
        client.get(company.get_absolute_url())


# --- new ------------------------------------------------------------------------------------------------------


def test_new_adds_a_company_of_ones_own(client, seller):
    form = client.get(reverse("contacts:new")).context["form"]
    response = client.post(
        reverse("contacts:new"), {"name": "Acme", "salesperson": seller.own_salesperson.pk}
    )

    company = Contact.objects.get()
    assert form["salesperson"].value() == seller.own_salesperson.pk
    assert response["Location"] == company.get_absolute_url()
    assert (company.kind, company.salesperson) == (ContactKind.COMPANY, seller.own_salesperson)


def test_new_adds_a_person_to_the_company_it_began_with(client, seller):
    company = CompanyFactory(city="Gent", salesperson=SalespersonFactory())
    url = f"{reverse('contacts:new')}?kind=PERSON&company={company.pk}"

    form = client.get(url).context["form"]
    client.post(url, {"last_name": "Peeters", "company": form["company"].value()})

    assert (form["city"].value(), form["salesperson"].value()) == ("Gent", company.salesperson_id)
    assert Contact.objects.persons().get().company == company


@pytest.mark.parametrize(
    "query", ["?kind=DOG&company=x", "?company=99999999999999999999999", "?company=%00", "?company={hidden}"]
)
def test_new_begins_empty_when_it_cannot_understand(client, seller, settings, query):
    settings.VISIBILITY = "own"
    hidden = CompanyFactory(city="Gent", salesperson=SalespersonFactory())

    form = client.get(reverse("contacts:new") + query.format(hidden=hidden.pk)).context["form"]

    assert form.kind == ContactKind.COMPANY
    assert form["city"].value() in (None, "")


def test_new_says_what_is_wrong_and_keeps_what_was_typed(client, seller):
    response = client.post(f"{reverse('contacts:new')}?kind=PERSON", {"first_name": "", "city": "Gent"})

    html = response.content.decode()
    assert response.status_code == 422
    assert "Give a first name, a last name, or both." in html
    assert 'value="Gent"' in html
    assert not Contact.objects.exists()


def test_new_in_a_dialog_is_only_the_form(client, seller):
    html = client.get(reverse("contacts:new"), **HTMX).content.decode()

    assert "<html" not in html
    assert "New company" in html


def test_new_goes_to_the_list_when_the_contact_is_out_of_sight(client, seller, settings):
    settings.VISIBILITY = "own"

    response = client.post(reverse("contacts:new"), {"name": "Acme", "salesperson": SalespersonFactory().pk})

    assert response["Location"] == reverse("contacts:list")
    assert client.get(response["Location"]).status_code == 200


# --- edit -----------------------------------------------------------------------------------------------------


def test_edit_changes_a_contact(client, seller):
    company = CompanyFactory(name="Acme")

    response = post_seen(client, url_of("edit", company), {"name": "Acme Belgium", "city": "Gent"})

    company.refresh_from_db()
    assert response["Location"] == company.get_absolute_url()
    assert (company.name, company.city) == ("Acme Belgium", "Gent")


def test_edit_that_is_refused_keeps_the_old_name_in_the_title(client, seller):
    company = CompanyFactory(name="Acme")

    response = post_seen(client, url_of("edit", company), {"name": "", "city": "Gent"})

    assert response.status_code == 422
    assert response.context["title"] == "Edit Acme"


def test_edit_in_a_dialog_answers_with_the_place_to_go(client, seller):
    company = CompanyFactory()

    response = post_seen(client, url_of("edit", company), {"name": "Acme"}, **HTMX)

    assert response.status_code == 204
    assert company.get_absolute_url() in response["HX-Location"]


def test_edit_makes_a_person_of_a_company_when_asked(client, seller):
    company = CompanyFactory(name="Ann Peeters")
    url = f"{url_of('edit', company)}?kind=PERSON"

    html = client.get(url).content.decode()
    post_seen(client, url, {"first_name": "Ann", "last_name": "Peeters"})

    company.refresh_from_db()
    assert "Saving makes this company a person." in html
    assert company.kind == ContactKind.PERSON


def test_edit_refuses_another_kind_in_words(client, seller):
    company = CompanyFactory(name="Acme")
    OpportunityFactory(contact=company)

    response = post_seen(client, f"{url_of('edit', company)}?kind=PERSON", {"last_name": "Acme"})

    assert response.status_code == 422
    assert "Acme stays a company, because of: 1 opportunity" in response.content.decode()


# --- delete ---------------------------------------------------------------------------------------------------


def test_delete_asks_first_and_then_deletes(client, seller):
    company = CompanyFactory(name="Acme")

    question = client.get(url_of("delete", company))
    response = client.post(url_of("delete", company))

    assert f"Delete {company.label}?" in question.content.decode()
    assert response["Location"] == reverse("contacts:list")
    assert not Contact.objects.exists()


def test_delete_refuses_what_is_used_and_names_it(client, seller):
    company = CompanyFactory()
    PersonFactory(company=company)
    OpportunityFactory(contact=company)

    question = client.get(url_of("delete", company))
    response = client.post(url_of("delete", company))

    for answer in (question, response):
        html = answer.content.decode()
        assert "1 opportunity" in html
        assert "1 contact" in html
        assert "Block it for privacy instead" in html
    assert (question.status_code, response.status_code) == (200, 422)
    assert Contact.objects.filter(pk=company.pk).exists()


# --- suggestions ----------------------------------------------------------------------------------------------


def suggested(client, **params):
    return [contact.name for contact in client.get(reverse("contacts:suggest"), params).context["contacts"]]


def test_suggest_shows_those_that_begin_so_first(client, seller):
    CompanyFactory(name="The Acme")
    acme = CompanyFactory(name="Acme")
    PersonFactory(name="Ann", company=acme)
    CompanyFactory(name="Beta")

    assert suggested(client, q="acm") == ["Acme", "Ann", "The Acme"]
    assert suggested(client, q="acm", kind="PERSON") == ["Ann"]
    assert suggested(client, q="acme the") == ["The Acme"]
    assert suggested(client, q=acme.number.lower()) == ["Acme"]


def test_suggest_gives_at_most_ten(client, seller):
    CompanyFactory.create_batch(12)

    assert len(suggested(client, q="company")) == 10
    assert len(suggested(client, q="ompany")) == 10


@pytest.mark.parametrize(
    "params", [{}, {"q": ""}, {"q": " "}, {"q": "\0"}, {"q": "x" * 201}, {"q": "a", "kind": "DOG"}]
)
def test_suggest_has_nothing_for_what_it_cannot_understand(client, seller, params):
    CompanyFactory(name="a x")

    assert suggested(client, **params) == []


def test_suggest_keeps_to_what_the_user_sees_and_may_use(client, seller, settings):
    settings.VISIBILITY = "own"
    CompanyFactory(name="Acme of mine", salesperson=seller.own_salesperson)
    CompanyFactory(name="Acme of theirs", salesperson=SalespersonFactory())
    CompanyFactory(name="Acme blocked", is_privacy_blocked=True)

    assert suggested(client, q="acme") == ["Acme of mine"]


def test_suggest_has_nothing_for_somebody_without_a_role(client):
    client.force_login(UserFactory())
    CompanyFactory(name="Acme")

    assert client.get(reverse("contacts:suggest"), {"q": "acme"}).status_code == 403


@pytest.mark.parametrize("rows", [1, 5])
def test_suggest_asks_as_many_queries_for_one_as_for_several(client, viewer, rows, django_assert_num_queries):
    for number in range(rows):
        PersonFactory(name=f"Ann {number}", company=CompanyFactory(), salesperson=SalespersonFactory())

    with django_assert_num_queries(
        6
    ):  # session, user, groups, that number, those beginning so, those containing it
        client.get(reverse("contacts:suggest"), {"q": "ann"})
