"""The list of opportunities: filters, chips, tabs, order, totals, columns, choosing rows."""

import pytest
from django.urls import reverse

from tests.factories import OpportunityFactory, PersonFactory, SalespersonFactory, TeamFactory

LIST = reverse("opportunities:list")


def numbers(response):
    return [row.number for row in response.context["page"].rows]


# What is listed


def test_list_shows_open_ones_first(as_seller, opportunity, new_opportunity, won, lost):
    assert set(numbers(as_seller.get(LIST))) == {opportunity.number, new_opportunity.number}
    assert numbers(as_seller.get(LIST, {"status": "WON"})) == [won.number]
    assert len(numbers(as_seller.get(LIST, {"status": "ALL"}))) == 4


def test_list_says_when_there_is_no_estimate(as_seller, new_opportunity):
    assert "no estimate" in as_seller.get(LIST).content.decode()


def test_list_filters(as_seller, opportunity):
    other = OpportunityFactory(started=True)

    for query, expected in [
        ({"salesperson": opportunity.salesperson_id}, opportunity),
        ({"cycle": other.cycle_id}, other),
        ({"stage": opportunity.stage_id}, opportunity),
        ({"contact": other.contact_id}, other),
    ]:
        assert numbers(as_seller.get(LIST, query)) == [expected.number]


def test_list_of_a_company_holds_its_people(as_seller, company, opportunity, cycle):
    person = PersonFactory(company=company)
    theirs = OpportunityFactory(contact=person, cycle=cycle)

    assert set(numbers(as_seller.get(LIST, {"contact": company.pk}))) == {opportunity.number, theirs.number}
    assert numbers(as_seller.get(LIST, {"contact": person.pk})) == [theirs.number]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "NONSENSE"},
        {"cycle": "x"},
        {"stage": "9" * 40},
        {"salesperson": "\x00"},
        {"contact": "-1"},
    ],
)
def test_list_with_a_question_that_makes_no_sense(as_seller, opportunity, query):
    response = as_seller.get(LIST, query)

    assert response.status_code == 422
    assert numbers(response) == []


@pytest.mark.parametrize(
    "query", [{"sort": "password"}, {"sort": "--id"}, {"after": "garbage"}, {"before": "WyJ4Il0"}]
)
def test_list_ignores_a_sort_or_cursor_it_does_not_know(as_seller, opportunity, query):
    assert numbers(as_seller.get(LIST, query)) == [opportunity.number]


@pytest.mark.parametrize(
    "sort",
    [
        "id",
        "description",
        "company__name",
        "stage__position",
        "chance_percent",
        "estimated_value",
        "calculated_value",
        "estimated_close_on",
        "salesperson__name",
    ],
)
def test_list_pages_by_every_column_both_ways(
    as_seller, seller, salesperson, cycle, company, sort, monkeypatch
):
    for index in range(7):
        OpportunityFactory(
            salesperson=salesperson,
            cycle=cycle,
            contact=company if index % 2 else PersonFactory(company=None),
            by=seller,
            started=index % 3 > 0,
            value=1000 * (index % 4 + 1),
        )
    monkeypatch.setattr("crm.pages.keyset_page.__kwdefaults__", {"size": 3})

    for order in (sort, f"-{sort}"):
        seen = []
        url = f"{LIST}?sort={order}"
        while url:
            response = as_seller.get(url)
            seen += numbers(response)
            following = response.context["page"].next_url
            url = f"{LIST}{following}" if following else None
        assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("count", [1, 3])
def test_list_costs_the_same_for_any_number_of_rows(
    as_seller, seller, salesperson, cycle, count, django_assert_num_queries
):
    for _ in range(count):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, by=seller, started=True)

    with django_assert_num_queries(12):
        as_seller.get(LIST)


def test_list_shows_only_what_the_setting_allows(settings, as_seller, seller, opportunity):
    colleague = SalespersonFactory(team=seller.salesperson.team)
    team = OpportunityFactory(salesperson=colleague, started=True)
    foreign = OpportunityFactory(salesperson=SalespersonFactory(team=TeamFactory()), started=True)

    for setting, seen in [
        ("own", {opportunity}),
        ("team", {opportunity, team}),
        ("all", {opportunity, team, foreign}),
    ]:
        settings.VISIBILITY = setting
        assert set(numbers(as_seller.get(LIST))) == {one.number for one in seen}


def test_list_without_a_role_is_forbidden(as_stranger, opportunity):
    assert as_stranger.get(LIST).status_code == 403


def test_list_anonymous_is_sent_to_sign_in(client, db):
    assert client.get(LIST).url == f"{reverse('sign-in')}?next={LIST}"
