"""The list of opportunities: filters, chips, tabs, order, totals, columns, choosing rows."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from crm.pages import keyset_page
from opportunities.columns import COLUMNS, SORTS
from tests.factories import (
    CompanyFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    SavedViewFactory,
    TeamFactory,
    ViewPlaceFactory,
    lost_opportunity,
    won_opportunity,
)

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


def test_overdue_are_those_that_the_list_marks_so(seller, salesperson, cycle, client, time_machine):
    told = {"salesperson": salesperson, "cycle": cycle, "by": seller}
    late = OpportunityFactory(started=True, on=date(2026, 3, 2), **told)  # closes a month later
    OpportunityFactory(started=True, on=date(2026, 3, 3), **told)
    OpportunityFactory(on=date(2026, 3, 2), **told)
    won_opportunity(on=date(2026, 3, 2), **told)
    lost_opportunity(on=date(2026, 3, 2), **told)
    time_machine.move_to("2026-04-03 12:00", tick=False)
    client.force_login(seller, backend="django.contrib.auth.backends.ModelBackend")

    everything = client.get(LIST, {"status": "ALL"})
    asked = client.get(LIST, {"status": "ALL", "closes": "PASSED"})
    needing = client.get(LIST, {"status": "ALL", "needs": "OVERDUE"})

    marked = re.findall(r'2 Apr 2026 <span class="overdue">', everything.content.decode())
    assert len(numbers(everything)) == 5
    assert len(marked) == everything.content.decode().count("overdue</span>") == 1
    assert numbers(asked) == numbers(needing) == [late.number]


def test_list_of_a_company_holds_its_people(as_seller, company, opportunity, cycle):
    person = PersonFactory(company=company)
    theirs = OpportunityFactory(contact=person, cycle=cycle)

    assert set(numbers(as_seller.get(LIST, {"contact": company.pk}))) == {opportunity.number, theirs.number}
    assert numbers(as_seller.get(LIST, {"contact": person.pk})) == [theirs.number]


def test_list_of_a_contact_holds_what_it_is_involved_in(as_seller, company, opportunity, cycle):
    person = PersonFactory(company=CompanyFactory())
    OpportunityContactFactory(opportunity=opportunity, contact=person)
    theirs = OpportunityFactory(contact=person, cycle=cycle)
    OpportunityFactory(cycle=cycle)

    assert set(numbers(as_seller.get(LIST, {"contact": person.pk}))) == {opportunity.number, theirs.number}


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
    monkeypatch.setitem(keyset_page.__kwdefaults__, "size", 3)

    for order in (sort, f"-{sort}"):
        seen = []
        url = f"{LIST}?sort={order}"
        while url:
            response = as_seller.get(url)
            seen += numbers(response)
            following = response.context["page"].next_url
            url = f"{LIST}{following}" if following else None
        assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("count", [1, 30])
def test_list_costs_the_same_for_any_number_of_rows(
    as_seller, seller, salesperson, cycle, count, django_assert_num_queries
):
    for _ in range(count):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, by=seller, started=True)

    with django_assert_num_queries(12):
        response = as_seller.get(LIST)

    assert len(numbers(response)) == min(count, 25)


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


def test_search_finds_number_description_contact_and_company(as_seller, opportunity, cycle):
    person = PersonFactory(
        first_name="Zoë", last_name="Janssens", company=CompanyFactory(name="Hôtel Étoile")
    )
    theirs = OpportunityFactory(description="Dock scheduling", contact=person, cycle=cycle)

    for words in (theirs.number, "dock sched", "zoe janssens", "hotel ETOILE", "etoile dock"):
        assert numbers(as_seller.get(LIST, {"q": words})) == [theirs.number], words
    assert numbers(as_seller.get(LIST, {"q": "etoile warehouse"})) == []


def test_team_is_that_of_the_people_one_manages_or_works_with(
    as_seller, as_manager, opportunity, salesperson
):
    colleague = OpportunityFactory(salesperson=SalespersonFactory(team=salesperson.team), started=True)
    OpportunityFactory(salesperson=SalespersonFactory(team=TeamFactory()), started=True)

    for client in (as_seller, as_manager):
        assert set(numbers(client.get(LIST, {"whose": "TEAM"}))) == {opportunity.number, colleague.number}
    assert numbers(as_seller.get(LIST, {"whose": "ME"})) == [opportunity.number]


# What makes no sense


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"value_from": "abc"}, "value_from", "Enter a number."),
        ({"value_to": "-1"}, "value_to", "greater than or equal to 0"),
        ({"stage": "424242"}, "stage", "This is not there any more"),
        ({"team": "x"}, "team", "This is not there any more"),
        ({"reason": "9" * 40}, "reason", "This is not there any more"),
        ({"closes_from": "2026-02-31"}, "closes_from", "Enter a valid date."),
        ({"closes": "SOMEDAY"}, "closes", "SOMEDAY is not one of the available choices."),
        ({"q": "a\x00b"}, "q", "Null characters are not allowed."),
        ({"q": "x" * 101}, "q", "at most 100 characters"),
        ({"value_from": "9", "value_to": "8"}, "value_to", "This lies below “Value from”"),
        ({"closed_from": "2026-03-02", "closed_to": "2026-03-01"}, "closed_to", "before “Closed from”"),
        ({"status": "FOO", "created_from": "2026-03-02", "created_to": "2026-03-01"}, "created_to", "before"),
    ],
)
def test_mistake_is_told_at_its_field_and_stays_there(as_seller, opportunity, query, field, message):
    response = as_seller.get(LIST, query)
    html = response.content.decode()

    assert response.status_code == 422
    assert numbers(response) == []
    assert message in " ".join(response.context["filter"].form.errors[field])
    assert html.count('class="mistake"') == len(response.context["filter"].form.errors)
    if field in ("value_from", "value_to"):
        assert f'value="{query[field]}"' in html


@pytest.mark.parametrize("query", [{"nonsense": "1"}, {"status": "WON", "state": "x"}])
def test_name_that_means_nothing_is_refused(as_seller, opportunity, query):
    response = as_seller.get(LIST, query)

    assert response.status_code == 422
    assert "is no filter of this page" in response.content.decode()
    assert numbers(response) == []


def test_order_that_is_not_there_is_told(as_seller, opportunity):
    html = as_seller.get(LIST, {"sort": "password"}).content.decode()

    assert "One cannot sort by “password”" in html


# Chips and panel


def test_chips_say_all_that_is_asked_and_lead_to_the_list_without_it(as_seller, opportunity, cycle):
    query = {"status": "IN_PROGRESS", "cycle": cycle.pk, "value_from": "5000", "sort": "-id", "view": "open"}
    chips = as_seller.get(LIST, query).context["filter"].chips

    assert [(chip.label, chip.value) for chip in chips] == [
        ("Status", "In progress"),
        ("Sales cycle", str(cycle)),
        ("Value from", "€5,000"),
    ]
    without = as_seller.get(f"{LIST}{chips[1].url}")
    assert [chip.name for chip in without.context["filter"].chips] == ["status", "value_from"]
    assert without.context["page"].sort == "-id"


def test_last_chip_leads_to_the_open_ones_and_not_to_the_first_view(as_seller, seller, opportunity):
    view = SavedViewFactory(owner=seller)
    ViewPlaceFactory(user=seller, view=view, is_default=True)

    chip = as_seller.get(LIST, {"status": "WON"}).context["filter"].chips[0]

    assert numbers(as_seller.get(f"{LIST}{chip.url}")) == [opportunity.number]


def test_panel_has_every_filter_and_carries_on_what_is_not_its_own(as_seller, opportunity):
    response = as_seller.get(
        LIST, {"sort": "-id", "columns": "number,value", "contact": opportunity.contact_id}
    )
    html = response.content.decode()

    for name in response.context["filter"].filters:
        assert f'name="{name}"' in html, name
    panel = html[html.index('<form class="filters') :].partition("</form>")[0]
    assert '<input type="hidden" name="sort" value="-id">' in panel
    assert '<input type="hidden" name="columns" value="number,value">' in panel


# Tabs


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ({}, "Open"),
        ({"view": "open"}, "Open"),
        ({"whose": "ME"}, "Mine"),
        ({"closes": "THIS_MONTH"}, "Closing this month"),
        ({"closes": "PASSED", "sort": "-estimated_value"}, "Overdue"),
        ({"closed": "THIS_QUARTER", "status": "WON", "q": ""}, "Won this quarter"),
        ({"whose": "TEAM"}, "My team"),
        ({"priority": "HIGH"}, None),
    ],
)
def test_tab_of_what_is_asked_is_marked(as_seller, query, label):
    tabs = as_seller.get(LIST, query).context["tabs"]

    assert [tab.label for tab in tabs.items if tab.is_current] == ([label] if label else [])


def test_every_tab_leads_to_what_it_says(as_seller, opportunity, won, lost):
    tabs = as_seller.get(LIST).context["tabs"].items

    listed = {tab.label: numbers(as_seller.get(tab.url)) for tab in tabs}

    assert listed == {
        "Open": [opportunity.number],
        "Mine": [opportunity.number],
        "Closing this month": [],
        "Overdue": [],
        "Won this quarter": [won.number],
        "My team": [opportunity.number],
    }


def test_who_sells_nothing_has_no_tab_for_it(as_viewer):
    response = as_viewer.get(LIST, {"whose": "ME"})

    assert {"Mine", "My team"}.isdisjoint(tab.label for tab in response.context["tabs"].items)
    assert "You sell nothing yourself" in response.content.decode()


# Totals


def test_totals_are_of_all_that_match_and_keep_open_won_and_lost_apart(
    as_seller, seller, salesperson, cycle, won, lost, new_opportunity, monkeypatch
):
    monkeypatch.setitem(keyset_page.__kwdefaults__, "size", 2)
    for value in (10_000, 20_000, 30_000):
        OpportunityFactory(
            salesperson=salesperson, cycle=cycle, by=seller, started=True, value=Decimal(value)
        )

    totals = as_seller.get(LIST, {"status": "ALL"}).context["totals"]

    assert totals.count == 6
    assert totals.figures == {
        "open": 4,
        "open_value": 60_000,
        "weighted": 6_000,  # 20 % completed with a chance of 50 %
        "without_estimate": 1,
        "without_step": 4,
        "won": 1,
        "sold": 9_000,
        "lost": 1,
        "lost_value": 10_000,
    }


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"Open"}),
        ({"status": "NOT_STARTED"}, {"Open"}),
        ({"status": "WON"}, {"Won"}),
        ({"status": "LOST"}, {"Lost"}),
        ({"status": "ALL"}, {"Open", "Won", "Lost"}),
        ({"closed": "THIS_YEAR"}, {"Open", "Won", "Lost"}),
    ],
)
def test_totals_show_what_the_filter_can_hold(
    as_seller, opportunity, new_opportunity, won, lost, query, shown
):
    html = as_seller.get(LIST, query).content.decode()

    assert {label for label in ("Open", "Won", "Lost") if f'<dl aria-label="{label}">' in html} == shown


# Columns


def test_columns_are_those_that_the_address_names_in_that_order(as_seller, opportunity):
    response = as_seller.get(LIST, {"columns": "contact,created,description,team"})

    assert [column.name for column in response.context["choice"].columns] == [
        "contact",
        "created",
        "description",
        "team",
    ]
    assert f'data-label="Team">{opportunity.salesperson.team}<' in response.content.decode()


def test_every_column_can_be_shown_and_description_always_is(
    as_seller, won, lost, opportunity, new_opportunity
):
    every = as_seller.get(LIST, {"columns": ",".join(COLUMNS), "status": "ALL"})
    number = as_seller.get(LIST, {"columns": ["number", "value"]})

    html = every.content.decode()
    assert all(
        html.count(f'data-label="{column.label}"') == 4
        for column in COLUMNS.values()
        if column.name != "description"
    )
    assert [column.name for column in number.context["choice"].columns] == ["number", "description", "value"]


def test_column_that_is_not_there_is_refused_in_words(as_seller, opportunity):
    response = as_seller.get(LIST, {"columns": "number,secrets,\x00"})

    assert response.status_code == 422
    assert "“secrets”" in response.content.decode()
    assert numbers(response) == [opportunity.number]


@pytest.mark.parametrize("sort", SORTS)
def test_list_sorts_by_every_column(as_seller, opportunity, new_opportunity, won, lost, sort):
    everything = {"status": "ALL", "columns": ",".join(COLUMNS)}

    up = as_seller.get(LIST, {**everything, "sort": sort})
    down = as_seller.get(LIST, {**everything, "sort": f"-{sort}"})

    assert up.context["page"].notice == down.context["page"].notice == ""
    assert len(numbers(up)) == len(numbers(down)) == 4
    assert 'aria-sort="ascending"' in up.content.decode()
    assert 'aria-sort="descending"' in down.content.decode()


# Rows to choose


def test_rows_can_be_chosen_by_those_who_work(as_seller, as_manager, as_viewer, opportunity):
    for client, buttons in [
        (as_seller, ["MOVE", "POSTPONE", "LOSE"]),
        (as_manager, ["REASSIGN", "MOVE", "POSTPONE", "LOSE"]),
        (as_viewer, []),
    ]:
        html = client.get(LIST, {"status": "IN_PROGRESS"}).content.decode()
        assert re.findall(r'name="action" value="(\w+)"', html) == buttons
        assert html.count('name="chosen"') == (1 if buttons else 0)
        assert html.count('name="query" value="status=IN_PROGRESS"') == (1 if buttons else 0)


def test_chosen_rows_go_to_the_page_for_many(as_seller, opportunity):
    one = as_seller.post(
        reverse("opportunities:batch-new"), {"chosen": opportunity.pk, "query": "", "action": "LOSE"}
    )
    all_of_them = as_seller.post(
        reverse("opportunities:batch-new"),
        {"all": "1", "query": "status=IN_PROGRESS&sort=-id", "action": "LOSE"},
    )

    for response in (one, all_of_them):
        assert "1 opportunity is chosen." in response.content.decode()
        assert "Check 1 opportunity" in response.content.decode()


# Empty, and large


def test_empty_list_teaches(as_seller, opportunity):
    nothing_fits = as_seller.get(LIST, {"q": "no such thing"}).content.decode()

    assert "No opportunity fits" in nothing_fits
    assert f'href="{LIST}?view=open"' in nothing_fits


def test_empty_list_without_any_question_teaches(as_seller, as_viewer):
    assert "An opportunity is a chance to sell something" in as_seller.get(LIST).content.decode()
    assert "New opportunity" not in as_viewer.get(LIST).content.decode()  # who may not, gets no button


@pytest.mark.parametrize("count", [1, 30])
def test_list_with_all_its_parts_costs_at_most_twelve_questions(
    as_seller, seller, salesperson, cycle, company, count, django_assert_max_num_queries
):
    for _ in range(count):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller, started=True)
    views = SavedViewFactory.create_batch(count, owner=seller)
    query = {
        "view": views[0].pk,
        "salesperson": salesperson.pk,
        "team": salesperson.team_id,
        "cycle": cycle.pk,
        "stage": cycle.stages.get(position=10).pk,
        "contact": company.pk,
        "columns": ",".join(COLUMNS),
        "q": "acme",
    }

    with django_assert_max_num_queries(12):
        response = as_seller.get(LIST, query)

    assert len(numbers(response)) == min(count, 25)


def test_page_of_25_rows_is_light(as_seller, seller, salesperson, cycle, company):
    for _ in range(25):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller, started=True)

    assert len(as_seller.get(LIST).content) < 100_000
