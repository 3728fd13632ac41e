"""Whole lives of opportunities in the browser, as the people who sell and manage live them."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from crm.dates import today
from opportunities import ledger, operations
from opportunities.models import Opportunity
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    cycle_with_stages,
    user_with_role,
)


@pytest.fixture
def seller():
    user = user_with_role(Role.SALESPERSON, name="Sofie Claes")
    user.salesperson.team = TeamFactory(name="Benelux")
    user.salesperson.save()
    return user


@pytest.fixture
def manager(seller):
    user = user_with_role(Role.SALES_MANAGER, name="Tom Maes")
    team = seller.salesperson.team
    team.manager = SalespersonFactory(user=user, name="Tom Maes", team=team)
    team.save()
    return user


@pytest.fixture
def cycle():
    cycle = cycle_with_stages(
        "Qualify", "Present", "Propose", "Negotiate", is_default=True, description="Existing"
    )
    cycle.stages.filter(description="Present").update(allows_skip=True)
    return cycle


@pytest.fixture
def company(seller):
    return CompanyFactory(name="Acme Logistics NV", salesperson=seller.salesperson)


@pytest.fixture
def opportunity(seller, cycle, company):
    return OpportunityFactory(
        description="Warehouse automation",
        salesperson=seller.salesperson,
        cycle=cycle,
        contact=company,
        by=seller,
        started=True,
    )


def assert_ledger_is_right():
    assert list(ledger.verify(Opportunity.objects.all())) == []


def test_from_contact_to_won(page, both_screens, sign_in, seller, cycle, company):
    CloseReasonFactory(outcome="WON", description="Best offer")
    sign_in(seller)

    page.goto(company.get_absolute_url())
    page.get_by_role("link", name="New opportunity").last.click()
    form = page.get_by_role("dialog").or_(page.locator("main"))
    expect(page.locator("[name=contact]")).to_have_value(f"{company.number} · Acme Logistics NV")
    page.get_by_label("Description").fill("Dock scheduling")
    page.get_by_label("Estimated value").fill("20000")
    page.get_by_label("Start at once").check()
    form.get_by_role("button", name="Create").click()

    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Dock scheduling")
    expect(page.locator("main")).to_contain_text("started in Qualify.")

    page.get_by_role("link", name="Move to Present").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to Present").click()
    expect(page.get_by_role("link", name="Move to Propose")).to_be_visible()

    page.get_by_role("link", name="Won…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Sale amount")).to_have_value("20000")
    dialog.get_by_label("Sale amount").fill("18500")
    expect(dialog.get_by_text("Acme Logistics NV")).to_be_visible()  # becomes a customer
    dialog.get_by_role("button", name="Close as won").click()

    expect(page.locator("main")).to_contain_text("Acme Logistics NV is customer CU-00001.")
    expect(page.locator("main")).to_contain_text("€18,500")
    assert_ledger_is_right()


def test_keyboard_alone_moves_and_loses(page, sign_in, opportunity, seller):
    CloseReasonFactory(outcome="LOST", description="Too expensive")
    sign_in(seller)
    page.goto("/opportunities/")

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Warehouse automation")

    page.keyboard.press("m")
    expect(page.get_by_role("dialog").get_by_label("Stage")).to_be_focused()
    page.get_by_role("dialog").get_by_label("Estimated value").press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("listitem").filter(has_text="Present").first).to_have_attribute(
        "aria-current", "step"
    )

    page.keyboard.press("l")
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_focused()
    page.get_by_role("dialog").get_by_label("Note").press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Closed as lost.")
    assert_ledger_is_right()


def test_dialog_closes_by_escape_and_gives_focus_back(page, sign_in, opportunity, seller):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("u")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Update estimate")).to_be_focused()


def test_preview_follows_what_one_types(page, sign_in, opportunity, seller):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Move to Present").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Estimated value").fill("50000")
    dialog.get_by_label("Chance of success").fill("30")

    expect(dialog.locator("#preview")).to_contain_text("12\N{NO-BREAK SPACE}%")  # 30 % of 40 %
    expect(dialog.locator("#preview")).to_contain_text("€6,000")

    dialog.get_by_label("Estimated value").fill("0")
    expect(dialog.locator("#preview")).to_contain_text("An estimated value above 0 is needed")


def test_another_stage_brings_its_offer_and_leaves_what_was_typed(page, sign_in, opportunity, seller, cycle):
    cycle.stages.filter(description="Propose").update(chance_percent=80)
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Other stage…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Estimated value").fill("4711")

    dialog.get_by_label("Stage").select_option("Propose")

    expect(dialog.get_by_role("heading")).to_have_text("Move to Propose")
    expect(dialog.get_by_label("Chance of success")).to_have_value("80")
    expect(dialog.get_by_label("Estimated value")).to_have_value("4711")
    dialog.get_by_role("button", name="Move to Propose").click()
    expect(page.get_by_text("Skipped to Propose").first).to_be_visible()
    assert_ledger_is_right()


def test_somebody_moved_it_first(page, sign_in, opportunity, seller, manager, cycle):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Update estimate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Estimated value").fill("77000")
    operations.move(
        opportunity=opportunity, to=cycle.stages.get(description="Present"), by=manager, on=today()
    )

    dialog.get_by_role("button", name="Update the estimate").click()

    expect(dialog.get_by_role("alert").first).to_contain_text("Tom Maes: Moved to Present")
    expect(dialog.get_by_label("Estimated value")).to_have_value("77000")
    dialog.get_by_role("button", name="Update the estimate").click()
    expect(page.get_by_text("Estimate updated in Present").first).to_be_visible()
    assert_ledger_is_right()


def test_a_rule_says_no_at_the_field(page, sign_in, opportunity, seller, axe):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Update estimate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Estimated close").fill((today() - timedelta(days=3)).isoformat())

    dialog.get_by_role("button", name="Update the estimate").click()

    expect(dialog.get_by_role("alert").first).to_contain_text("lies before the change")
    axe()


def test_manager_reopens_and_reassigns(page, sign_in, manager, seller, opportunity):
    reason = CloseReasonFactory(outcome="LOST")
    operations.close(opportunity=opportunity, outcome="LOST", reason=reason, by=seller, on=today())
    colleague = SalespersonFactory(name="Lies Vos", team=seller.salesperson.team)
    sign_in(manager)
    page.goto(opportunity.get_absolute_url())

    page.get_by_role("link", name="Reopen…").click()
    page.get_by_role("dialog").get_by_label("Why").fill("The budget came through")
    page.get_by_role("dialog").get_by_role("button", name="Reopen").click()
    expect(page.get_by_text("The budget came through").first).to_be_visible()

    page.get_by_role("link", name="Reassign…").click()
    page.get_by_role("dialog").get_by_label("Salesperson").select_option("Lies Vos")
    page.get_by_role("dialog").get_by_role("button", name="Reassign").click()
    expect(page.locator("main")).to_contain_text(re.compile(r"Sofie Claes\s*→.*Lies Vos", re.S))

    opportunity.refresh_from_db()
    assert opportunity.salesperson == colleague
    assert_ledger_is_right()


def test_everything_works_without_javascript(new_context, base_url, seller, cycle, company, client):
    CloseReasonFactory(outcome="WON", description="Best offer")
    PersonFactory(first_name="Ann", last_name="Peeters", company=company)
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()

    page.goto("/opportunities/")
    page.get_by_role("link", name="New opportunity").first.click()
    page.get_by_label("Description").fill("By hand")
    page.get_by_role("combobox", name="Contact").fill("Ann Peeters")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="Start in Qualify").click()
    page.get_by_label("Estimated value").fill("9000")
    page.get_by_role("button", name="Start in Qualify").click()
    page.get_by_role("link", name="Move to Present").click()
    page.get_by_role("button", name="Move to Present").click()
    page.get_by_role("link", name="Won…").click()
    page.get_by_role("button", name="Close as won").click()

    expect(page.get_by_text("is customer CU-00001").first).to_be_visible()
    assert_ledger_is_right()
