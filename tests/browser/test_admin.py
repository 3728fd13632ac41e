"""The admin under the strict content security policy: nothing inline, and everything works."""

import re

import pytest
from playwright.sync_api import expect

from opportunities.models import Opportunity, Outcome
from salespeople.models import Role
from tests.factories import (
    ActivityFactory,
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    cycle_with_stages,
    user_with_role,
)


@pytest.fixture
def manager(sign_in):
    """Be signed in as a sales manager."""
    return sign_in(user_with_role(Role.SALES_MANAGER))


@pytest.mark.usefixtures("manager", "both_screens")
def test_pages_break_no_policy(page):
    opportunity = OpportunityFactory(started=True)
    paths = [
        "",
        "opportunities/opportunity/",
        f"opportunities/opportunity/{opportunity.pk}/change/",
        f"opportunities/opportunity/{opportunity.pk}/history/",
        f"contacts/contact/{opportunity.contact_id}/change/",
        f"contacts/contact/{opportunity.contact_id}/delete/",
        f"salescycles/salescycle/{opportunity.cycle_id}/change/",
        "salespeople/user/add/",
        "salespeople/team/",
    ]

    for path in paths:
        answer = page.goto(f"/admin/{path}")
        assert answer.status == 200
        expect(page.locator("#content")).to_be_visible()


@pytest.mark.usefixtures("manager")
def test_stage_is_added_and_its_activity_found_by_typing(page):
    ActivityFactory(description="Demonstration")
    cycle = cycle_with_stages("Qualify")

    page.goto(f"/admin/salescycles/salescycle/{cycle.pk}/change/")
    page.locator(".add-row a").click()
    page.locator("#id_stages-1-position").fill("5")
    page.locator("#id_stages-1-description").fill("Screen")
    page.locator("#stages-1 .select2-selection").click()
    page.locator(".select2-dropdown .select2-search__field").fill("demo")
    page.get_by_role("option", name="Demonstration").click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".messagelist .success")).to_be_visible()
    first, second = cycle.stages.all()
    assert (first.description, first.activity.description) == ("Screen", "Demonstration")
    assert second.description == "Qualify"


@pytest.mark.usefixtures("manager")
def test_company_is_found_by_typing(page):
    acme, person = CompanyFactory(name="Acme"), PersonFactory()

    page.goto(f"/admin/contacts/contact/{person.pk}/change/")
    page.locator(".field-company .select2-selection").click()
    page.locator(".select2-dropdown .select2-search__field").fill("acm")
    page.get_by_role("option", name="Acme").click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".messagelist .success")).to_be_visible()
    person.refresh_from_db()
    assert person.company == acme


@pytest.mark.usefixtures("manager")
def test_whole_list_is_closed_as_lost(page, monkeypatch):
    monkeypatch.setattr("opportunities.admin.OpportunityAdmin.list_per_page", 2)
    for _index in range(3):
        OpportunityFactory()
    CloseReasonFactory(outcome=Outcome.LOST, description="Too dear")

    page.goto("/admin/opportunities/opportunity/?status__exact=NOT_STARTED")
    page.locator("#action-toggle").check()
    page.get_by_text(re.compile("Select all 3")).click()
    page.locator("select[name=action]").select_option("close_as_lost")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="3 selected")).to_be_visible()
    page.get_by_label("Close reason").select_option("Too dear")
    page.get_by_role("button", name="Close as lost").click()

    expect(page.locator(".messagelist .success")).to_have_text("Closed 3 opportunities as lost.")
    assert set(Opportunity.objects.values_list("status", flat=True)) == {"LOST"}


@pytest.mark.usefixtures("manager")
def test_what_was_refused_is_listed_with_the_reason(page):
    OpportunityFactory(started=True)
    OpportunityFactory()

    page.goto("/admin/opportunities/opportunity/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("delete_finished")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("1 opportunity will be deleted").first).to_be_visible()
    page.get_by_role("button", name="Delete").click()

    expect(page.locator(".messagelist .warning li")).to_have_text(
        re.compile("is in progress. Close it first")
    )
    assert Opportunity.objects.count() == 1
