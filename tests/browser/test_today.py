"""The page of the day as people use it: by mouse, by touch, by keyboard, and without JavaScript."""

from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from crm.dates import today
from opportunities import operations
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
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
def make(seller):
    """``make(days, **what)``: an opportunity of the seller, begun so many days ago, with something far ahead."""
    cycle = cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    company = CompanyFactory(name="Acme Logistics NV")
    shared = {"salesperson": seller.salesperson, "cycle": cycle, "contact": company, "by": seller}

    def make(days, **fields):
        opportunity = OpportunityFactory(
            **{**shared, "started": True, "on": today() - timedelta(days=days), **fields}
        )
        ahead = today() + timedelta(days=200)
        TaskFactory(opportunity=opportunity, salesperson=seller.salesperson, due_on=ahead)
        return opportunity

    return make


@pytest.fixture
def day(make, manager):
    """One opportunity for each reason that needs no norm."""
    changed = make(0, description="Robot palletiser", value=40_000)
    estimate = operations.Estimate(Decimal(5000), Decimal(30), today() + timedelta(days=40))
    found = {
        "overdue": make(60, description="Warehouse automation", value=20_000),
        "changed": changed,
        "quiet": make(20, description="Dock scheduling"),
        "waiting": make(10, description="Label printing", started=False),
        "fresh": make(0, description="Fleet lease"),
    }
    operations.revise(opportunity=changed, estimate=estimate, by=manager, on=today())
    return found


def rows(page):
    return page.locator("tbody[data-rows] tr")


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_the_day_on_both_screens(page, both_screens, sign_in, seller, manager, day, axe):
    sign_in(seller)
    page.goto("/")

    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Today")
    expect(page.get_by_role("heading", name="4 opportunities need somebody")).to_be_visible()
    expect(rows(page).locator(".row-link")).to_have_text(
        ["Warehouse automation", "Robot palletiser", "Dock scheduling", "Label printing"]
    )
    expect(rows(page).nth(1)).to_contain_text("Tom Maes, today at")
    expect(rows(page).nth(2)).to_contain_text("Nothing has happened for 20 days")
    axe()
    assert overflow(page) <= 0

    sign_in(manager)
    page.goto("/today/?whose=TEAM")
    expect(page.get_by_role("link", name="My team’s")).to_have_attribute("aria-current", "page")
    axe()
    assert overflow(page) <= 0


def test_nothing_needs_you(page, both_screens, sign_in, seller, make, axe):
    make(0)
    sign_in(seller)
    page.goto("/today/")

    expect(page.get_by_role("heading", name="Nothing needs you today")).to_be_visible()
    axe()

    page.get_by_role("link", name="See what closes this month").click()
    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Opportunities")


def test_an_overdue_one_is_given_a_new_date_with_the_mouse(page, sign_in, seller, day):
    sign_in(seller)
    page.goto("/today/")

    rows(page).first.get_by_role("link", name="Update estimate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Estimated close").fill((today() + timedelta(days=30)).isoformat())
    dialog.get_by_role("button", name="Update the estimate").click()
    expect(dialog).to_be_hidden()
    expect(rows(page).locator(".row-link")).to_have_text(
        ["Robot palletiser", "Dock scheduling", "Label printing"]
    )


def test_a_task_is_done_on_both_screens_and_taken_back(page, both_screens, sign_in, seller, make, axe):
    opportunity = make(0, description="Robot palletiser")
    late = TaskFactory(
        description="Send the proposal",
        kind="EMAIL",
        opportunity=opportunity,
        contact=opportunity.contact,
        salesperson=seller.salesperson,
        due_on=today() - timedelta(days=2),
    )
    TaskFactory(description="Order samples", salesperson=seller.salesperson)
    sign_in(seller)
    page.goto("/today/")
    due = page.locator("#tasks-due")

    expect(page.get_by_role("heading", name="2 tasks are due")).to_be_visible()
    expect(rows(page).first).to_contain_text("Write to Acme Logistics NV, 2 days overdue")
    expect(due).to_have_text(", 2 due")
    axe()
    assert overflow(page) <= 0

    rows(page).first.get_by_role("button", name="Send the proposal").click()
    expect(rows(page).locator(".row-link")).to_have_text(["Order samples"])
    expect(page.get_by_role("heading", name="1 task is due")).to_be_visible()
    expect(due).to_have_text(", 1 due")
    expect(page.locator("#announce")).to_contain_text("Send the proposal")
    assert page.evaluate("document.activeElement !== document.body")
    axe()

    page.get_by_role("button", name="Undo").click()
    expect(due).to_have_text(", 2 due")
    page.goto("/today/")
    expect(rows(page).locator(".row-link")).to_have_text(["Send the proposal", "Order samples"])
    late.refresh_from_db()
    assert late.is_open


def test_the_next_step_is_done_with_one_key_and_another_planned_with_another(page, sign_in, seller, make):
    opportunity = make(0, description="Robot palletiser")
    opportunity.tasks.update(description="Call Ann")
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    strip = page.get_by_role("region", name="Next step")
    expect(strip).to_contain_text("Call Ann")

    page.keyboard.press("d")
    expect(page.locator(".message")).to_contain_text("Done: Call Ann.")
    expect(strip).to_contain_text("Nobody has anything to do for it")
    page.keyboard.press("t")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is to be done").fill("Visit the site")
    dialog.get_by_role("button", name="Add", exact=True).click()

    expect(dialog).to_be_hidden()
    expect(strip).to_contain_text("Visit the site")
    expect(page.locator("#tasks-due")).to_have_text(", 1 due")
    page.goto("/opportunities/")
    expect(rows(page)).to_contain_text(["Visit the site"])


def test_a_count_opens_what_it_counts(page, sign_in, seller, day):
    sign_in(seller)
    page.goto("/today/")

    page.get_by_role("link", name="1 Closing date passed").click()

    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Opportunities")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Warehouse automation")


def test_by_keyboard_alone(page, sign_in, seller, day):
    sign_in(seller)
    page.goto("/contacts/")

    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Today")

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Warehouse automation", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    action = rows(page).first.get_by_role("link", name="Update estimate")
    expect(action).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Estimated value")).to_be_focused()
    page.keyboard.press("Escape")
    expect(action).to_be_focused()

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("main").get_by_role("heading", level=1)).to_contain_text("Robot palletiser")


def test_seen_up_to_here_by_touch(page, phone, sign_in, seller, day):
    sign_in(seller)
    page.goto("/today/")
    button = page.get_by_role("button", name="Seen up to here")
    assert button.bounding_box()["height"] >= 44

    button.tap()

    expect(page.get_by_text("counts as seen").first).to_be_visible()
    expect(rows(page).locator(".row-link")).to_have_text(
        ["Warehouse automation", "Dock scheduling", "Label printing"]
    )
    expect(button).to_be_hidden()
    action = rows(page).first.get_by_role("link", name="Update estimate")
    assert action.bounding_box()["height"] >= 44
    action.tap()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_what_came_in_while_one_read_is_still_there(page, sign_in, seller, manager, make, day):
    sign_in(seller)
    page.goto("/today/")
    fresh = day["fresh"]
    estimate = operations.Estimate(Decimal(7000), Decimal(30), today() + timedelta(days=40))
    operations.revise(opportunity=fresh, estimate=estimate, by=manager, on=today())

    page.get_by_role("button", name="Seen up to here").click()

    expect(rows(page).locator(".row-link")).to_have_text(
        ["Warehouse automation", "Fleet lease", "Dock scheduling", "Label printing"]
    )


def test_without_javascript(new_context, base_url, client, seller, day):
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()

    page.goto("/")
    page.get_by_role("button", name="Seen up to here").click()
    expect(rows(page)).to_have_count(3)
    rows(page).first.get_by_role("link", name="Update estimate").click()
    page.get_by_label("Estimated close").fill((today() + timedelta(days=30)).isoformat())
    page.get_by_role("button", name="Update the estimate").click()

    expect(rows(page).locator(".row-link")).to_have_text(["Dock scheduling", "Label printing"])


def test_compact_rows_take_less_room_on_a_large_screen(page, sign_in, seller, day):
    sign_in(seller)
    page.goto("/today/")
    comfortable = rows(page).first.bounding_box()["height"]

    page.goto("/preferences/")
    page.get_by_label("Density").select_option("Compact")
    page.get_by_label("First page").select_option("Opportunities")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved your preferences.").first).to_be_visible()

    page.goto("/today/")
    assert rows(page).first.bounding_box()["height"] < comfortable
    page.goto("/")
    expect(page.locator("main").get_by_role("heading", level=1)).to_have_text("Opportunities")


def test_compact_rows_are_as_large_as_ever_on_the_phone(page, phone, sign_in, seller, day, axe):
    seller.density = "COMPACT"
    seller.save()
    sign_in(seller)
    page.goto("/today/")

    assert rows(page).first.get_by_role("link", name="Update estimate").bounding_box()["height"] >= 44
    axe()
