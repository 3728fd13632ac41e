"""The board: columns and their sums, pages of cards, who may move what, and a card put into another column."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.urls import reverse

from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity, Status
from opportunities.operations import Estimate
from salescycles.models import SalesCycle
from salespeople.models import Role
from tests.factories import (
    OpportunityFactory,
    SalesCycleFactory,
    SalespersonFactory,
    cycle_with_stages,
    user_with_role,
)
from tests.opportunities.conftest import signed_in

BOARD = reverse("opportunities:board")
COLUMN = reverse("opportunities:board-column")
HTMX = {"HX-Request": "true", "HX-Target": "board-said"}


def columns(response):
    """Names and descriptions of the cards, column by column."""
    return {
        column.name: [card.opportunity.description for card in column.cards]
        for column in response.context["board"].columns
    }


def column(response, name):
    return next(column for column in response.context["board"].columns if column.name == name)


def stage(cycle, name):
    return cycle.stages.get(description=name)


def move(client, opportunity, to, *, seen=None, query="", **headers):
    address = reverse("opportunities:board-move", args=[opportunity.pk])
    data = {"to": getattr(to, "pk", to), "seen": opportunity.version if seen is None else seen}
    return client.post(f"{address}{query}", data, headers=headers or HTMX)


def place_of(opportunity):
    return Opportunity.objects.get(pk=opportunity.pk).stage


@pytest.fixture
def many(seller, salesperson, cycle, company):
    """Return ``many(count)``, which puts so many cards into the first column."""

    def many(count, **fields):
        shared = {"salesperson": salesperson, "cycle": cycle, "contact": company, "by": seller}
        return [
            OpportunityFactory(description=f"Card {index}", started=True, **{**shared, **fields})
            for index in range(count)
        ]

    return many


# What is on it


def test_board_has_a_column_for_each_stage_and_one_for_those_not_started(
    as_seller, opportunity, new_opportunity, won, lost
):
    response = as_seller.get(BOARD)

    assert columns(response) == {
        "Not started": [new_opportunity.description],
        "Qualify": ["Warehouse automation"],
        "Present": [],
        "Propose": [],
    }
    assert response.status_code == 200
    assert response.context["board"].total.count == 2
    assert "(1 not started)" in response.content.decode()


def test_columns_add_up_all_that_is_in_them_not_what_is_shown(as_seller, many, monkeypatch):
    monkeypatch.setattr("opportunities.board.COLUMN_SIZE", 3)
    many(5)

    response = as_seller.get(BOARD)

    qualify = column(response, "Qualify")
    assert len(qualify.cards) == 3
    assert (qualify.sums.count, qualify.sums.value, qualify.sums.weighted) == (5, 50_000, 5_000)
    assert "€50,000 · weighted €5,000" in response.content.decode()


def test_cards_stand_by_closing_date(as_seller, seller, many):
    soon, late = many(2)
    operations.revise(
        opportunity=late,
        estimate=Estimate(Decimal(1), Decimal(1), today() + timedelta(days=400)),
        by=seller,
        on=today(),
    )
    operations.revise(
        opportunity=soon,
        estimate=Estimate(Decimal(1), Decimal(1), today() + timedelta(days=1)),
        by=seller,
        on=today(),
    )

    assert columns(as_seller.get(BOARD))["Qualify"] == [soon.description, late.description]


def test_card_says_what_matters(as_seller, seller, salesperson, cycle, company):
    long_ago = today() - timedelta(days=100)
    it = OpportunityFactory(
        description="Old one",
        salesperson=salesperson,
        cycle=cycle,
        contact=company,
        by=seller,
        on=long_ago,
        started=True,
    )

    html = as_seller.get(BOARD).content.decode()

    assert it.get_absolute_url() in html
    for words in ("Old one", "Acme Logistics NV", "€10,000", "10\N{NO-BREAK SPACE}%", "overdue", ">SC<"):
        assert words in html
    assert "100 days here" in html


def test_a_card_without_estimate_says_so(as_seller, new_opportunity):
    assert "no estimate" in as_seller.get(BOARD).content.decode()


def test_a_retired_stage_is_a_column_only_while_something_is_in_it(as_seller, seller, opportunity, cycle):
    cycle.stages.filter(description="Qualify").update(is_active=False)
    cycle.stages.filter(description="Propose").update(is_active=False)

    response = as_seller.get(BOARD)

    assert columns(response) == {"Not started": [], "Qualify": ["Warehouse automation"], "Present": []}
    assert "Retired" in response.content.decode()


# Which cycle


def test_board_opens_with_the_default_cycle_and_shows_the_one_asked_for(as_seller, opportunity):
    other = OpportunityFactory(started=True, description="Elsewhere")

    assert columns(as_seller.get(BOARD))["Qualify"] == ["Warehouse automation"]
    assert columns(as_seller.get(BOARD, {"cycle": other.cycle_id}))["Qualify"] == ["Elsewhere"]
    assert columns(as_seller.get(BOARD, {"stage": other.stage_id}))["Qualify"] == ["Elsewhere"]


def test_without_a_default_the_first_cycle_that_is_not_blocked(as_seller, opportunity):
    SalesCycle.objects.update(is_default=False)
    cycle_with_stages("A", is_blocked=True, description="AAA")

    assert columns(as_seller.get(BOARD))["Qualify"] == ["Warehouse automation"]


def test_board_of_a_blocked_cycle_can_be_asked_for(as_seller, opportunity, cycle):
    SalesCycle.objects.update(is_default=False)
    SalesCycle.objects.update(is_blocked=True)

    assert columns(as_seller.get(BOARD, {"cycle": cycle.pk}))["Qualify"] == ["Warehouse automation"]


@pytest.mark.parametrize(
    "query",
    [
        {"cycle": "424242"},
        {"cycle": "x"},
        {"cycle": "9" * 40},
        {"cycle": "\x00"},
        {"nonsense": "1"},
        {"status": "NONSENSE"},
        {"closes_from": "yesterday"},
        {"salesperson": "0"},
        {"reason": "0"},
        {"q": "\x00"},
    ],
)
def test_a_question_that_makes_no_sense_is_answered_in_words(as_seller, opportunity, query):
    response = as_seller.get(BOARD, query)

    assert response.status_code == 422
    assert response.context["filter"].form.errors
    assert "mistake" in response.content.decode() or "form-errors" in response.content.decode()
    assert "Warehouse automation" not in response.content.decode()


# Filters and views are those of the list


def test_board_obeys_the_filter_of_the_list(as_seller, many, cycle):
    [mine] = many(1)
    OpportunityFactory(description="Of a colleague", cycle=cycle, started=True)

    assert columns(as_seller.get(BOARD, {"whose": "ME"}))["Qualify"] == [mine.description]
    assert columns(as_seller.get(BOARD, {"q": "colleague"}))["Qualify"] == ["Of a colleague"]


def test_tabs_and_chips_stay_on_the_board_and_in_the_cycle(as_seller, opportunity, cycle):
    response = as_seller.get(BOARD, {"cycle": cycle.pk, "whose": "ME"})

    assert [chip.name for chip in response.context["filter"].chips] == ["whose"]
    assert all(f"cycle={cycle.pk}" in chip.url for chip in response.context["filter"].chips)
    for tab in response.context["tabs"].items:
        assert tab.url.startswith(BOARD)
        assert f"cycle={cycle.pk}" in tab.url
    assert [tab.label for tab in response.context["tabs"].items if tab.is_current] == ["Mine"]


@pytest.mark.parametrize(("status", "shown"), [("WON", 0), ("LOST", 0), ("ALL", 1)])
def test_closed_ones_are_said_to_be_in_the_list(as_seller, opportunity, won, lost, status, shown):
    response = as_seller.get(BOARD, {"status": status})

    assert "The board shows open opportunities." in response.content.decode()
    assert f"{reverse('opportunities:list')}?status={status}" in response.content.decode()
    assert response.context["board"].total.count == shown


def test_not_started_alone_can_be_asked_for(as_seller, opportunity, new_opportunity):
    response = as_seller.get(BOARD, {"status": Status.NOT_STARTED})

    assert columns(response)["Not started"] == [new_opportunity.description]
    assert columns(response)["Qualify"] == []


# How much is read


@pytest.mark.parametrize("count", [1, 30])
def test_board_costs_the_same_for_any_number_of_cards(
    as_seller, seller, many, cycle, count, django_assert_num_queries
):
    for index, it in enumerate(many(count)):
        if index % 2:
            operations.move(opportunity=it, to=stage(cycle, "Present"), by=seller, on=today())
    cache.clear()  # what is usual in a stage is known for a few minutes

    with django_assert_num_queries(11):
        response = as_seller.get(BOARD)

    assert sum(len(cards) for cards in columns(response).values()) == count


@pytest.mark.parametrize("count", [1, 30])
def test_a_page_of_a_column_costs_the_same_for_any_number_of_cards(
    as_seller, many, cycle, count, django_assert_max_num_queries
):
    many(count)
    cache.clear()

    with django_assert_max_num_queries(10):
        response = as_seller.get(COLUMN, {"column": stage(cycle, "Qualify").pk}, headers=HTMX)

    assert len(response.context["column"].cards) == min(count, 20)


def test_every_card_comes_once_page_by_page(as_seller, many, cycle, monkeypatch):
    monkeypatch.setattr("opportunities.board.COLUMN_SIZE", 3)
    made = {it.description for it in many(8)}

    first = column(as_seller.get(BOARD), "Qualify")
    seen, following = [card.opportunity.description for card in first.cards], first.next_url
    while following:
        response = as_seller.get(f"{COLUMN}{following}", headers=HTMX)
        page = response.context["column"]
        seen += [card.opportunity.description for card in page.cards]
        following = page.next_url

    assert len(seen) == len(made)
    assert set(seen) == made


def test_without_scripts_a_column_pages_on_the_board_itself(as_seller, many, monkeypatch):
    monkeypatch.setattr("opportunities.board.COLUMN_SIZE", 3)
    many(5)
    following = column(as_seller.get(BOARD), "Qualify").next_url

    response = as_seller.get(f"{BOARD}{following}")

    assert len(column(response, "Qualify").cards) == 2
    assert column(response, "Qualify").sums.count == 5
    assert "From the first one" in response.content.decode()
    assert as_seller.get(f"{COLUMN}{following}").url == BOARD


@pytest.mark.parametrize(
    "query",
    [{"column": "x"}, {"column": "424242"}, {"after": "garbage"}, {"column": "0", "after": "WyJ4Il0"}],
)
def test_a_place_that_is_not_there_shows_the_first_cards(as_seller, opportunity, query):
    response = as_seller.get(BOARD, query)

    assert response.status_code == 200
    assert columns(response)["Qualify"] == ["Warehouse automation"]
    assert as_seller.get(COLUMN, query, headers=HTMX).status_code in (200, 302)


def test_html_of_a_full_board_is_lean(as_seller, seller, many, cycle):
    for index, it in enumerate(many(60)):
        for name in ("Present", "Propose")[: index % 3]:
            operations.move(opportunity=it, to=stage(cycle, name), by=seller, on=today())

    response = as_seller.get(BOARD)

    assert sum(len(cards) for cards in columns(response).values()) == 60
    assert len(response.content) < 80_000


# Nothing there


def test_without_a_cycle_the_board_teaches(as_manager):
    html = as_manager.get(BOARD).content.decode()

    assert "No sales cycle yet" in html
    assert reverse("salescycles:new") in html


def test_without_a_stage_the_board_leads_to_the_cycle(as_manager):
    cycle = SalesCycleFactory(is_default=True)

    html = as_manager.get(BOARD).content.decode()

    assert "This sales cycle has no stages" in html
    assert cycle.get_absolute_url() in html


def test_without_opportunities_the_board_teaches(as_seller, cycle):
    assert "No open opportunities in this sales cycle" in as_seller.get(BOARD).content.decode()
    assert "No open opportunity fits" in as_seller.get(BOARD, {"q": "nothing"}).content.decode()


# Who sees and may do what


@pytest.mark.parametrize(("visibility", "seen"), [("own", 1), ("team", 2), ("all", 3)])
def test_board_shows_only_what_the_setting_allows(
    settings, as_seller, seller, opportunity, cycle, visibility, seen
):
    colleague = SalespersonFactory(team=seller.salesperson.team)
    OpportunityFactory(salesperson=colleague, cycle=cycle, started=True)
    OpportunityFactory(cycle=cycle, started=True)
    settings.VISIBILITY = visibility

    response = as_seller.get(BOARD)

    assert len(columns(response)["Qualify"]) == seen
    assert response.context["board"].total.count == seen


def test_only_cards_one_may_work_on_can_be_moved(as_seller, as_viewer, opportunity, cycle):
    OpportunityFactory(description="Of a colleague", cycle=cycle, started=True)

    cards = {card.opportunity.description: card for card in column(as_seller.get(BOARD), "Qualify").cards}

    assert cards["Warehouse automation"].is_workable
    assert cards["Warehouse automation"].reach == [stage(cycle, "Present").pk]
    assert not cards["Of a colleague"].is_workable
    html = as_viewer.get(BOARD).content.decode()
    assert "Warehouse automation" in html
    assert "data-reach" not in html
    assert "/menu/" not in html


def test_somebody_without_a_role_is_told_to_ask(as_stranger, client, opportunity):
    assert as_stranger.get(BOARD).status_code == 403
    assert client.get(BOARD).status_code == 302


def test_cards_know_where_they_may_go(as_seller, seller, opportunity, cycle):
    present, propose = stage(cycle, "Present"), stage(cycle, "Propose")
    assert column(as_seller.get(BOARD), "Qualify").cards[0].reach == [present.pk]

    cycle.stages.filter(description="Present").update(allows_skip=True)
    assert column(as_seller.get(BOARD), "Qualify").cards[0].reach == [present.pk, propose.pk]

    cycle.stages.filter(description="Propose").update(requires_quote=True)
    board = as_seller.get(BOARD).context["board"]
    assert board.columns[1].cards[0].reach == [present.pk]
    assert board.refusals[stage(cycle, "Qualify").pk][propose.pk] == "Propose needs a quote."


def test_a_quote_opens_the_way(as_seller, opportunity, cycle):
    cycle.stages.filter(description="Present").update(requires_quote=True)
    operations.answer_quote_question(lambda opportunity: True)
    try:
        assert column(as_seller.get(BOARD), "Qualify").cards[0].reach == [stage(cycle, "Present").pk]
    finally:
        operations.answer_quote_question(None)


def test_every_column_says_why_a_card_cannot_go_there(as_seller, seller, opportunity, cycle):
    cycle.stages.filter(description="Qualify").update(requires_quote=True)
    keys = {name: stage(cycle, name).pk for name in ("Qualify", "Present", "Propose")}

    why = as_seller.get(BOARD).context["board"].refusals

    assert why[0] == {keys[name]: "Start it in Qualify first." for name in ("Present", "Propose")}
    assert why[keys["Qualify"]] == {
        0: "What is started stays started.",
        keys["Present"]: "Qualify cannot be left forward without a quote.",
        keys["Propose"]: "Present may not be skipped.",
    }
    cycle.stages.filter(description="Propose").update(is_active=False)
    why = as_seller.get(BOARD).context["board"].refusals
    assert why[keys["Present"]][keys["Propose"]] == "Nothing new enters a retired stage."


# Putting a card into another column


def test_a_move_goes_through_with_the_estimate_that_is_offered(as_seller, opportunity, cycle):
    present = stage(cycle, "Present")
    offered = operations.offered_estimate(opportunity, present, today())

    response = move(as_seller, opportunity, present)

    opportunity.refresh_from_db()
    assert (response.status_code, opportunity.stage) == (200, present)
    assert operations.present_estimate(opportunity) == offered
    html = response.content.decode()
    assert "Warehouse automation: moved to Present. Chance 50\N{NO-BREAK SPACE}%, close date " in html
    assert f'id="card-{opportunity.pk}" hx-swap-oob="true" data-in="{present.pk}" data-seen="3"' in html
    assert f'id="head-{present.pk}" hx-swap-oob="true"' in html
    assert 'id="board-total"' in html
    assert f"{reverse('opportunities:undo', args=[opportunity.pk])}?next=%2Fboard%2F" in html


def test_a_card_starts_in_the_first_stage(as_seller, seller, salesperson, cycle, company):
    it = OpportunityFactory(
        salesperson=salesperson,
        cycle=cycle,
        contact=company,
        by=seller,
        estimate=Estimate(Decimal(500), Decimal(50), today()),
    )

    response = move(as_seller, it, stage(cycle, "Qualify"))

    assert response.status_code == 200
    assert place_of(it) == stage(cycle, "Qualify")
    assert "started in Qualify." in response.content.decode()


def test_what_is_missing_is_asked_for(as_seller, new_opportunity, cycle):
    response = move(as_seller, new_opportunity, stage(cycle, "Qualify"), query="?whose=ME")

    html = response.content.decode()
    assert response.status_code == 422
    assert "An estimated value above 0 is needed." in html
    assert (
        f"{reverse('opportunities:start', args=[new_opportunity.pk])}?next=%2Fboard%2F%3Fwhose%3DME" in html
    )
    assert f'id="card-{new_opportunity.pk}" hx-swap-oob="true" data-in="0"' in html


def test_a_date_that_must_be_decided_is_asked_for_with_the_stage(as_seller, opportunity, cycle):
    cycle.stages.filter(description="Present").update(close_in="-1W")
    present = stage(cycle, "Present")

    html = move(as_seller, opportunity, present).content.decode()

    assert (
        f"{reverse('opportunities:move', args=[opportunity.pk])}?to={present.pk}&amp;next=%2Fboard%2F" in html
    )
    assert place_of(opportunity) == stage(cycle, "Qualify")


def test_only_the_first_stage_starts(as_seller, new_opportunity, cycle):
    response = move(as_seller, new_opportunity, stage(cycle, "Present"))

    assert response.status_code == 422
    assert "is not started. Start it first." in response.content.decode()


def test_a_stage_that_cannot_be_reached_is_refused_in_words(as_seller, opportunity, cycle):
    response = move(as_seller, opportunity, stage(cycle, "Propose"))

    assert response.status_code == 422
    assert "Propose cannot be reached from Qualify." in response.content.decode()
    assert f'data-in="{opportunity.stage_id}"' in response.content.decode()
    assert place_of(opportunity) == opportunity.stage


@pytest.mark.parametrize("to", ["", "0", "-1", "x", "424242", "9" * 40, "\x00"])
def test_a_forged_stage_moves_nothing(as_seller, opportunity, to):
    response = move(as_seller, opportunity, to)

    assert response.status_code == 422
    assert "message error" in response.content.decode()
    assert Opportunity.objects.get(pk=opportunity.pk).version == opportunity.version


def test_a_stage_of_another_cycle_moves_nothing(as_seller, opportunity):
    elsewhere = cycle_with_stages("Qualify", "Elsewhere")

    response = move(as_seller, opportunity, stage(elsewhere, "Elsewhere"))

    assert response.status_code == 422
    assert "Elsewhere cannot be reached" in response.content.decode()


@pytest.mark.parametrize("seen", ["0", "x", "", "9" * 30])
def test_a_forged_version_moves_nothing(as_seller, opportunity, cycle, seen):
    assert move(as_seller, opportunity, stage(cycle, "Present"), seen=seen).status_code == 422
    assert place_of(opportunity) == opportunity.stage


def test_a_card_that_somebody_moved_is_drawn_where_it_is(as_seller, manager, opportunity, cycle):
    version = opportunity.version
    operations.move(opportunity=opportunity, to=stage(cycle, "Present"), by=manager, on=today())

    response = move(as_seller, opportunity, stage(cycle, "Present"), seen=version)

    html = response.content.decode()
    assert response.status_code == 409
    assert "Tom Maes changed this meanwhile" in html
    assert "Moved to Present" in html
    assert f'data-in="{stage(cycle, "Present").pk}"' in html


def test_a_card_that_was_closed_leaves_the_board(as_seller, manager, opportunity, cycle, lost_reason):
    version = opportunity.version
    operations.close(opportunity=opportunity, outcome="LOST", reason=lost_reason, by=manager, on=today())

    response = move(as_seller, opportunity, stage(cycle, "Present"), seen=version)

    assert response.status_code == 409
    assert "was lost on" in response.content.decode()
    assert f'id="card-{opportunity.pk}" hx-swap-oob="delete"' in response.content.decode()


def test_a_card_that_no_longer_fits_the_filter_leaves_the_board(as_seller, opportunity, cycle):
    response = move(
        as_seller, opportunity, stage(cycle, "Present"), query=f"?stage={stage(cycle, 'Qualify').pk}"
    )

    assert "no longer among those the filter asks for" in response.content.decode()
    assert 'hx-swap-oob="delete"' in response.content.decode()


def test_moving_needs_the_right(as_viewer, as_seller, opportunity, cycle, settings):
    other = OpportunityFactory(cycle=cycle, started=True)
    present = stage(cycle, "Present")

    assert move(as_viewer, opportunity, present).status_code == 403
    assert move(as_seller, other, present).status_code == 403
    settings.VISIBILITY = "own"
    hidden = move(as_seller, other, present)
    assert hidden.status_code == 404
    assert other.description not in hidden.content.decode()
    assert place_of(other) == other.stage
    assert as_seller.get(reverse("opportunities:board-move", args=[opportunity.pk])).status_code == 405


def test_a_move_says_what_the_stage_changed(as_seller, opportunity, cycle):
    present = stage(cycle, "Present")
    present.chance_percent, present.close_in = Decimal(75), "3M"
    present.save()

    html = move(as_seller, opportunity, present).content.decode()

    assert "Chance 75\N{NO-BREAK SPACE}% (was 50\N{NO-BREAK SPACE}%), close date" in html
    assert re.search(r"close date \S+ \w+ \d{4} \(was \S+ \w+ \d{4}\)", html)


def test_without_htmx_a_move_comes_back_to_the_board_with_a_message(as_seller, opportunity, cycle):
    address = reverse("opportunities:board-move", args=[opportunity.pk])
    data = {"to": stage(cycle, "Present").pk, "seen": opportunity.version}

    done = as_seller.post(f"{address}?whose=ME", data, follow=True)
    refused = as_seller.post(address, data, follow=True)

    assert done.redirect_chain == [(f"{BOARD}?whose=ME", 302)]
    assert "moved to Present." in done.content.decode()
    assert "changed this meanwhile" in refused.content.decode()


# The menu of a card


def test_menu_offers_every_stage_in_reach_and_closing(as_seller, opportunity, cycle):
    menu = reverse("opportunities:board-menu", args=[opportunity.pk])

    html = as_seller.get(f"{menu}?whose=ME").content.decode()

    back = "next=%2Fboard%2F%3Fwhose%3DME"
    assert (
        f"{reverse('opportunities:move', args=[opportunity.pk])}?to={stage(cycle, 'Present').pk}&amp;{back}"
        in html
    )
    assert f"{reverse('opportunities:close', args=[opportunity.pk])}?outcome=WON&amp;{back}" in html
    assert f"{reverse('opportunities:close', args=[opportunity.pk])}?outcome=LOST&amp;{back}" in html
    assert "Move to Propose" not in html
    assert "<h1>" in html
    assert "<h1>" not in as_seller.get(menu, headers={**HTMX, "HX-Target": "card-menu"}).content.decode()


def test_menu_says_when_a_quote_is_missing(as_seller, opportunity, cycle):
    cycle.stages.filter(description="Present").update(requires_quote=True)
    menu = reverse("opportunities:board-menu", args=[opportunity.pk])

    assert "Present needs a quote." in as_seller.get(menu).content.decode()

    operations.answer_quote_question(lambda opportunity: True)
    try:
        assert "Move to Present" in as_seller.get(menu).content.decode()
    finally:
        operations.answer_quote_question(None)


def test_menu_of_one_not_started_starts_it(as_seller, new_opportunity):
    html = as_seller.get(reverse("opportunities:board-menu", args=[new_opportunity.pk])).content.decode()

    assert "Start in Qualify" in html
    assert reverse("opportunities:start", args=[new_opportunity.pk]) in html


def test_menu_without_the_right_only_opens(as_viewer, opportunity, won, settings):
    for it in (opportunity, won):
        html = as_viewer.get(reverse("opportunities:board-menu", args=[it.pk])).content.decode()
        assert "Move to" not in html
        assert "outcome=" not in html
    settings.VISIBILITY = "own"
    somebody = signed_in(type(as_viewer), user_with_role(Role.SALESPERSON))
    assert somebody.get(reverse("opportunities:board-menu", args=[opportunity.pk])).status_code == 404


def test_a_dialog_that_was_opened_from_the_board_comes_back_to_it(as_seller, opportunity, lost_reason):
    close = reverse("opportunities:close", args=[opportunity.pk])
    data = {"outcome": "LOST", "reason": lost_reason.pk, "seen": opportunity.version, "on": today()}

    response = as_seller.post(f"{close}?outcome=LOST&next=%2Fboard%2F%3Fwhose%3DME", data)

    assert response.url == f"{BOARD}?whose=ME"
    opportunity.refresh_from_db()
    assert opportunity.status == Status.LOST


def test_a_dialog_never_leads_to_another_site(as_seller, opportunity, lost_reason):
    close = reverse("opportunities:close", args=[opportunity.pk])
    data = {"outcome": "LOST", "reason": lost_reason.pk, "seen": opportunity.version, "on": today()}

    response = as_seller.post(f"{close}?outcome=LOST&next=https://elsewhere.example/", data)

    assert response.url == opportunity.get_absolute_url()
