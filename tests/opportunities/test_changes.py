"""The dialogs that change an opportunity, asked through the client."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from crm.dates import today
from opportunities import operations
from opportunities.models import Action, Opportunity, Status
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    won_opportunity,
)

CHANGES = ["start", "move", "revise", "close", "reopen", "undo", "reassign", "edit", "delete"]


def url(name, opportunity):
    return reverse(f"opportunities:{name}", args=[opportunity.pk])


def typed(opportunity, **fields):
    """A whole form, as a browser sends it."""
    return {
        "seen": opportunity.version,
        "on": today().isoformat(),
        "note": "",
        "value": "12000",
        "chance_percent": "60",
        "closes_on": (today() + timedelta(days=30)).isoformat(),
        **fields,
    }


def untouched(opportunity):
    stored = Opportunity.objects.get(pk=opportunity.pk)
    return stored.version == opportunity.version and stored.facts() == opportunity.facts()


def stage(opportunity, name):
    return opportunity.cycle.stages.get(description=name)


# The answers that every change shares


@pytest.mark.parametrize("name", CHANGES)
def test_change_anonymous_is_sent_to_sign_in(client, opportunity, name):
    response = client.post(url(name, opportunity), typed(opportunity))

    assert response.status_code == 302
    assert response.url.startswith(reverse("sign-in"))
    assert untouched(opportunity)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("pk", [0, 987654, 2**63, 10**30])
def test_change_unknown_opportunity_is_not_found(as_seller, name, pk):
    assert as_seller.post(f"/opportunities/{pk}/{name}/", {}).status_code == 404


@pytest.mark.parametrize("name", CHANGES)
def test_change_rejects_other_methods(as_seller, opportunity, name):
    assert as_seller.delete(url(name, opportunity)).status_code == 405
    assert untouched(opportunity)


@pytest.mark.parametrize("name", CHANGES)
def test_change_by_viewer_is_forbidden(as_viewer, opportunity, name):
    response = as_viewer.post(url(name, opportunity), typed(opportunity))

    assert response.status_code == 403
    assert untouched(opportunity)


@pytest.mark.parametrize("name", CHANGES)
def test_change_without_role_is_forbidden(as_stranger, opportunity, name):
    assert as_stranger.post(url(name, opportunity), typed(opportunity)).status_code == 403
    assert untouched(opportunity)


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_a_colleagues_opportunity_is_forbidden(as_seller, name):
    foreign = OpportunityFactory(started=True)

    assert as_seller.post(url(name, foreign), typed(foreign)).status_code == 403
    assert untouched(foreign)


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_what_one_may_not_see_is_not_found(as_seller, settings, name):
    settings.VISIBILITY = "own"
    foreign = OpportunityFactory(started=True)

    assert as_seller.post(url(name, foreign), typed(foreign)).status_code == 404
    assert untouched(foreign)


@pytest.mark.parametrize("name", ["reopen", "delete"])
def test_change_for_managers_is_forbidden_to_a_salesperson(as_seller, won, name):
    assert as_seller.post(url(name, won), typed(won, note="why")).status_code == 403
    assert untouched(won)


@pytest.mark.parametrize("name", ["start", "move", "revise", "close", "undo", "reassign"])
def test_change_with_nonsense_says_so_and_changes_nothing(as_manager, opportunity, name):
    nonsense = {
        "seen": "9" * 40,
        "on": "2026-02-31",
        "note": "x" * 5000,
        "value": "NaN",
        "chance_percent": "1e999",
        "closes_on": "soon",
        "to": "\x00",
        "reason": "-1",
        "outcome": "MAYBE",
        "amount": "1,2,3",
        "salesperson": "x",
        "contact": "\x00",
    }

    response = as_manager.post(url(name, opportunity), nonsense)

    assert response.status_code == 422
    assert untouched(opportunity)


# Start


def test_start_enters_the_first_stage(as_seller, new_opportunity):
    response = as_seller.post(url("start", new_opportunity), typed(new_opportunity), follow=True)

    new_opportunity.refresh_from_db()
    assert response.redirect_chain == [(new_opportunity.get_absolute_url(), 302)]
    assert "Started in Qualify" in response.content.decode()
    assert new_opportunity.status == Status.IN_PROGRESS
    assert new_opportunity.estimated_value == 12000
    assert new_opportunity.chance_percent == 60


def test_start_offers_chance_and_date_of_the_stage(as_seller, new_opportunity):
    form = as_seller.get(url("start", new_opportunity)).context["form"]

    assert form["chance_percent"].value() == "50"
    assert (
        form["closes_on"].value()
        == operations.offered_estimate(new_opportunity, stage(new_opportunity, "Qualify"), today()).closes_on
    )


def test_start_without_value_says_so_at_the_field(as_seller, new_opportunity):
    response = as_seller.post(url("start", new_opportunity), typed(new_opportunity, value=""))

    assert response.status_code == 422
    assert response.context["form"].errors["value"] == [
        "An estimated value above 0 is needed. Type what it may bring."
    ]
    assert response.context["form"]["chance_percent"].value() == "60"
    assert untouched(new_opportunity)


# Move


def test_move_to_the_next_stage(as_seller, opportunity):
    to = stage(opportunity, "Present")

    response = as_seller.post(url("move", opportunity), typed(opportunity, to=to.pk), follow=True)

    opportunity.refresh_from_db()
    assert opportunity.stage == to
    assert opportunity.probability_percent == Decimal(24)  # 60 % of 40 %
    assert opportunity.calculated_value == Decimal(2880)
    assert "Moved to Present" in response.content.decode()


def test_move_by_htmx_answers_with_the_place_to_go(as_seller, opportunity):
    to = stage(opportunity, "Present")

    response = as_seller.post(
        url("move", opportunity),
        typed(opportunity, to=to.pk),
        headers={"HX-Request": "true", "HX-Target": "dialog"},
    )

    assert response.status_code == 204
    assert json.loads(response.headers["HX-Location"])["path"] == opportunity.get_absolute_url()


def test_move_dialog_by_htmx_is_only_the_dialog(as_seller, opportunity):
    response = as_seller.get(url("move", opportunity), headers={"HX-Request": "true", "HX-Target": "dialog"})

    html = response.content.decode()
    assert "<html" not in html
    assert 'hx-post="' in html
    assert "Move to Present" in html


def test_move_keeps_what_was_typed_when_the_stage_suggests_something_else(as_seller, opportunity):
    to = stage(opportunity, "Propose")
    stage(opportunity, "Present").__class__.objects.update(allows_skip=True)

    as_seller.post(url("move", opportunity), typed(opportunity, to=to.pk, chance_percent="7"))

    opportunity.refresh_from_db()
    assert opportunity.chance_percent == 7


def test_move_to_an_unreachable_stage_names_the_way_out(as_seller, opportunity):
    to = stage(opportunity, "Propose")

    response = as_seller.post(url("move", opportunity), typed(opportunity, to=to.pk))

    assert response.status_code == 422
    assert response.context["form"].errors["to"] == [
        "Propose cannot be reached from Qualify. Choose one of: Present."
    ]
    assert untouched(opportunity)


def test_move_into_a_stage_that_requires_a_quote_is_refused(as_seller, opportunity):
    to = stage(opportunity, "Present")
    to.requires_quote = True
    to.save()

    response = as_seller.post(url("move", opportunity), typed(opportunity, to=to.pk))

    assert response.status_code == 422
    assert response.context["form"].errors["to"] == [
        "Present needs a quote. Create one, or choose a stage before it."
    ]


def test_move_after_somebody_else_moved_is_refused_with_what_was_typed(as_seller, manager, opportunity):
    seen = opportunity.version
    to = stage(opportunity, "Present")
    operations.move(opportunity=opportunity, to=to, by=manager, on=today())

    response = as_seller.post(
        url("move", opportunity), typed(opportunity, to=to.pk, seen=seen, chance_percent="77")
    )

    html = response.content.decode()
    assert response.status_code == 409
    assert "Somebody moved this first" in html
    assert "Tom Maes: Moved to Present" in html
    assert response.context["form"]["chance_percent"].value() == "77"
    assert response.context["form"]["seen"].value() == str(opportunity.version)
    assert untouched(opportunity)


def test_what_was_not_typed_follows_somebody_who_was_faster(as_seller, manager, opportunity):
    drawn = as_seller.get(url("revise", opportunity)).context["form"]
    posted = {name: str(drawn[name].value() or "") for name in drawn.fields}
    faster = operations.Estimate(Decimal(150_000), Decimal(60), today() + timedelta(days=90))
    operations.revise(opportunity=opportunity, estimate=faster, by=manager, on=today())

    response = as_seller.post(url("revise", opportunity), {**posted, "chance_percent": "12"})

    assert response.status_code == 409
    again = response.context["form"]
    shown = {name: str(again[name].value()) for name in ("value", "chance_percent", "closes_on")}
    assert shown == {"value": "150000", "chance_percent": "12", "closes_on": str(faster.closes_on)}
    posted = {name: str(again[name].value() or "") for name in again.fields}
    assert as_seller.post(url("revise", opportunity), posted).status_code == 302
    opportunity.refresh_from_db()
    assert (opportunity.estimated_value, opportunity.chance_percent) == (150_000, 12)


def test_contact_that_was_not_touched_follows_somebody_who_was_faster(as_manager, seller, opportunity):
    drawn = as_manager.get(url("reassign", opportunity)).context["form"]
    posted = {name: str(drawn[name].value() or "") for name in drawn.fields}
    person, colleague = PersonFactory(company=opportunity.contact), SalespersonFactory()
    operations.reassign(opportunity=opportunity, contact=person, by=seller, on=today())

    response = as_manager.post(url("reassign", opportunity), {**posted, "salesperson": colleague.pk})

    again = response.context["form"]
    assert (response.status_code, again["contact"].value()) == (409, person.label)
    assert str(again["salesperson"].value()) == str(colleague.pk)


def test_move_after_somebody_closed_it_says_so(as_seller, manager, opportunity, lost_reason):
    seen = opportunity.version
    operations.close(opportunity=opportunity, outcome="LOST", reason=lost_reason, by=manager, on=today())

    to = stage(opportunity, "Present")
    response = as_seller.post(url("move", opportunity), typed(opportunity, seen=seen, to=to.pk))

    assert response.status_code == 409
    assert f"{opportunity.number} was lost on" in response.content.decode()
    assert untouched(opportunity)


def test_choosing_another_stage_offers_its_estimate_and_keeps_what_was_typed(as_seller, opportunity):
    present, propose = stage(opportunity, "Present"), stage(opportunity, "Propose")
    present.allows_skip = True
    present.save()
    propose.chance_percent, propose.close_in = Decimal(80), "2M"
    propose.save()
    offered_close = operations.offered_estimate(opportunity, present, today()).closes_on

    response = as_seller.get(
        url("move", opportunity),
        {
            "to": propose.pk,
            "offered_for": present.pk,
            "value": "4711",
            "chance_percent": "50",  # as offered for Present
            "closes_on": offered_close.isoformat(),
            "on": today().isoformat(),
            "note": "keep me",
        },
    )

    form = response.context["form"]
    assert form["to"].value() == propose.pk
    assert form["value"].value() == "4711"
    assert form["note"].value() == "keep me"
    assert form["chance_percent"].value() == "80"
    assert form["closes_on"].value() == operations.offered_estimate(opportunity, propose, today()).closes_on


def test_preview_shows_the_operations_own_figures(as_seller, opportunity):
    to = stage(opportunity, "Present")

    response = as_seller.get(
        url("move", opportunity),
        typed(opportunity, to=to.pk),
        headers={"HX-Request": "true", "HX-Target": "preview"},
    )

    html = response.content.decode()
    assert "24\N{NO-BREAK SPACE}%" in html
    assert "€2,880" in html
    assert untouched(opportunity)


def test_preview_shows_the_rule_that_says_no(as_seller, opportunity):
    response = as_seller.get(
        url("revise", opportunity),
        typed(opportunity, value="0"),
        headers={"HX-Request": "true", "HX-Target": "preview"},
    )

    assert "An estimated value above 0 is needed" in response.content.decode()


# Revise


def test_revise_offers_the_present_estimate(as_seller, opportunity):
    form = as_seller.get(url("revise", opportunity)).context["form"]

    assert (form["value"].value(), form["chance_percent"].value(), form["closes_on"].value()) == (
        "10000",
        "50",
        opportunity.estimated_close_on,
    )


def test_revise_changes_the_estimate(as_seller, opportunity):
    as_seller.post(url("revise", opportunity), typed(opportunity))

    opportunity.refresh_from_db()
    assert opportunity.estimated_value == 12000
    assert opportunity.entries.newest_first()[0].action == Action.UPDATED


# Close


def test_close_as_won_makes_a_customer(as_seller, opportunity, won_reason):
    response = as_seller.post(
        url("close", opportunity) + "?outcome=WON",
        typed(opportunity, outcome="WON", reason=won_reason.pk, amount="9500.50"),
        follow=True,
    )

    opportunity.refresh_from_db()
    assert opportunity.status == Status.WON
    assert opportunity.calculated_value == Decimal("9500.50")
    assert "Acme Logistics NV is customer CU-00001." in response.content.decode()


def test_close_as_lost_needs_a_reason(as_seller, opportunity, lost_reason):
    response = as_seller.post(
        url("close", opportunity) + "?outcome=LOST", typed(opportunity, outcome="LOST", reason="")
    )

    assert response.status_code == 422
    assert response.context["form"].errors["reason"] == ["A reason is needed. Choose why it was lost."]
    assert untouched(opportunity)


def test_close_offers_only_reasons_of_the_outcome(as_seller, opportunity, won_reason, lost_reason):
    form = as_seller.get(url("close", opportunity) + "?outcome=LOST").context["form"]

    assert [label for _value, label in form.fields["reason"].choices] == ["–", "Too expensive"]
    assert form["reason"].value() == lost_reason.pk


def test_close_without_an_outcome_in_the_address_asks_for_it(as_seller, opportunity, won_reason, lost_reason):
    response = as_seller.post(
        url("close", opportunity), typed(opportunity, outcome="LOST", reason=lost_reason.pk, amount="")
    )

    opportunity.refresh_from_db()
    assert response.status_code == 302
    assert opportunity.status == Status.LOST


# Reopen, undo


def test_reopen_needs_words(as_manager, won):
    response = as_manager.post(url("reopen", won), typed(won, note="  "))

    assert response.status_code == 422
    assert response.context["form"].errors["note"] == ["Say in a few words why."]


def test_reopen_returns_to_the_stage(as_manager, won):
    as_manager.post(url("reopen", won), typed(won, note="The customer came back"))

    won.refresh_from_db()
    assert won.status == Status.IN_PROGRESS
    assert str(won.stage) == "Qualify"


def test_undo_of_ones_own_change(as_seller, seller, opportunity):
    operations.move(opportunity=opportunity, to=stage(opportunity, "Present"), by=seller, on=today())

    as_seller.post(url("undo", opportunity), typed(opportunity, note="Too early"))

    opportunity.refresh_from_db()
    assert str(opportunity.stage) == "Qualify"


def test_undo_of_somebody_elses_change_is_for_managers(as_seller, manager, opportunity):
    operations.move(opportunity=opportunity, to=stage(opportunity, "Present"), by=manager, on=today())

    assert as_seller.post(url("undo", opportunity), typed(opportunity, note="No")).status_code == 403


def test_undo_of_an_old_closing_is_for_managers(as_seller, as_manager, won, time_machine):
    time_machine.move_to(today() + timedelta(days=2))

    assert as_seller.post(url("undo", won), typed(won, note="Mistake")).status_code == 403
    assert as_manager.post(url("undo", won), typed(won, note="Mistake")).status_code == 302


# Reassign


def test_reassign_by_a_manager(as_manager, opportunity):
    colleague = SalespersonFactory(name="Lies Vos")

    as_manager.post(
        url("reassign", opportunity),
        typed(opportunity, salesperson=colleague.pk, contact=opportunity.contact.number),
    )

    opportunity.refresh_from_db()
    assert opportunity.salesperson == colleague
    assert opportunity.entries.newest_first()[0].action == Action.REASSIGNED


def test_reassign_by_a_salesperson_changes_only_the_contact(as_seller, opportunity, salesperson):
    person = PersonFactory(company=opportunity.company)

    as_seller.post(
        url("reassign", opportunity),
        typed(opportunity, salesperson=SalespersonFactory().pk, contact=person.number),
    )

    opportunity.refresh_from_db()
    assert opportunity.contact == person
    assert opportunity.salesperson == salesperson


def test_reassign_to_another_company_is_refused_at_the_field(as_manager, opportunity, salesperson):
    response = as_manager.post(
        url("reassign", opportunity),
        typed(opportunity, salesperson=salesperson.pk, contact=CompanyFactory(name="Other").number),
    )

    assert response.status_code == 422
    assert "Other belongs to another company" in response.context["form"].errors["contact"][0]


def test_reassign_to_a_blocked_salesperson_is_refused(as_manager, opportunity):
    blocked = SalespersonFactory(name="Gone Guy", is_blocked=True)

    response = as_manager.post(
        url("reassign", opportunity),
        typed(opportunity, salesperson=blocked.pk, contact=opportunity.contact.number),
    )

    assert response.context["form"].errors["salesperson"] == [
        "Gone Guy is blocked. Choose another salesperson."
    ]


# Describe, delete


def test_describe_is_kept_in_the_change_log(as_seller, opportunity):
    response = as_seller.post(
        url("edit", opportunity),
        {"description": "New name", "priority": "HIGH", "seen_description": "Warehouse automation"},
    )

    opportunity.refresh_from_db()
    change = json.loads(LogEntry.objects.get().change_message)[0]["changed"]
    assert response.status_code == 302
    assert (opportunity.description, opportunity.priority) == ("New name", "HIGH")
    assert change["old"] == {"description": "Warehouse automation", "priority": "NORMAL"}
    assert change["new"] == {"description": "New name", "priority": "HIGH"}


def test_describe_after_somebody_else_did_is_refused(as_seller, opportunity):
    response = as_seller.post(
        url("edit", opportunity),
        {"description": "Mine", "priority": "NORMAL", "seen_description": "Older text"},
    )

    assert response.status_code == 409
    assert response.context["form"]["description"].value() == "Mine"
    assert untouched(opportunity)


def test_delete_asks_first_and_then_deletes(as_manager, won):
    asked = as_manager.get(url("delete", won))
    assert asked.status_code == 200
    assert Opportunity.objects.filter(pk=won.pk).exists()

    response = as_manager.post(url("delete", won), {"seen": won.version}, follow=True)

    assert not Opportunity.objects.filter(pk=won.pk).exists()
    assert f"Deleted {won.number}" in response.content.decode()


def test_delete_in_progress_says_what_to_do_first(as_manager, opportunity):
    response = as_manager.post(url("delete", opportunity), {"seen": opportunity.version})

    assert response.status_code == 422
    assert "is in progress. Close it first" in response.content.decode()


def test_delete_after_a_change_asks_again(as_manager, manager, won):
    seen = won.version
    operations.reopen(opportunity=won, note="again", by=manager, on=today())
    operations.undo(opportunity=won, note="no", by=manager, on=today())

    response = as_manager.post(url("delete", won), {"seen": seen})

    assert response.status_code == 409
    assert "Somebody moved this first" in response.content.decode()
    assert Opportunity.objects.filter(pk=won.pk).exists()


def test_a_manager_of_another_team_may_not_change_it(as_manager):
    foreign = won_opportunity()
    foreign.salesperson.team = None
    assert (
        as_manager.post(url("reopen", foreign), typed(foreign, note="x")).status_code == 302
    )  # no team: any manager

    from tests.factories import TeamFactory

    other = won_opportunity(salesperson=SalespersonFactory(team=TeamFactory()))
    assert as_manager.post(url("reopen", other), typed(other, note="x")).status_code == 403
