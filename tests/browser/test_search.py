"""Search anywhere, by keyboard, mouse and touch, and without script."""

import re

import pytest
from playwright.sync_api import expect

from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    cycle_with_stages,
    user_with_role,
)


@pytest.fixture
def seller(sign_in):
    return sign_in(user_with_role(Role.SALESPERSON, name="Sofie Claes"))


@pytest.fixture
def world(seller):
    """Two open opportunities with a dock in their name, and a company with a person."""
    company = CompanyFactory(name="Acme Logistics NV", city="Gent")
    PersonFactory(first_name="Ann", last_name="Peeters", company=company)
    shared = {
        "salesperson": seller.salesperson,
        "cycle": cycle_with_stages("Qualify", "Present", is_default=True),
        "contact": company,
        "by": seller,
        "started": True,
    }
    return {
        "company": company,
        "scheduling": OpportunityFactory(description="Dock scheduling", **shared),
        "doors": OpportunityFactory(description="Dock doors", **shared),
        "robot": OpportunityFactory(description="Robot palletiser", **shared),
    }


def palette(page):
    return page.get_by_role("dialog", name="Search")


def field(page):
    return palette(page).get_by_role("combobox")


def options(page):
    return palette(page).get_by_role("option")


def chosen(page):
    return palette(page).get_by_role("option", selected=True)


def heading(page):
    return page.locator("main").get_by_role("heading", level=1)


def test_keyboard_alone_finds_and_opens(page, world):
    page.goto("/contacts/")

    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    expect(palette(page).get_by_text("Your latest", exact=True)).to_be_visible()
    page.keyboard.type("dock")
    expect(palette(page).get_by_role("status")).to_have_text("2 results.")
    expect(chosen(page)).to_contain_text("Dock doors")
    expect(field(page)).to_have_attribute("aria-activedescendant", chosen(page).get_attribute("id"))

    page.keyboard.press("ArrowDown")
    expect(chosen(page)).to_contain_text("Dock scheduling")
    page.keyboard.press("ArrowDown")
    expect(chosen(page)).to_contain_text("Dock doors")
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_contain_text("Dock scheduling")
    expect(field(page)).to_be_focused()
    page.keyboard.press("Enter")

    expect(heading(page)).to_have_text("Dock scheduling")
    expect(palette(page)).to_be_hidden()


def test_enter_before_the_answer_opens_what_was_meant(page, world):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")

    page.keyboard.type("robot")
    page.keyboard.press("Enter")

    expect(heading(page)).to_have_text("Robot palletiser")


def test_a_number_and_enter_open_the_record(page, world):
    page.goto("/contacts/")
    page.keyboard.press("/")
    page.keyboard.type(world["scheduling"].number.removeprefix("OP-").lstrip("0"))
    page.keyboard.press("Enter")

    expect(heading(page)).to_have_text("Dock scheduling")


def test_escape_closes_and_focus_goes_back(page, world):
    page.goto("/opportunities/")
    page.keyboard.press("j")
    row = page.locator("[data-rows] :focus")
    where = row.get_attribute("href")

    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type("dock")
    page.keyboard.press("Escape")

    expect(palette(page)).to_be_hidden()
    expect(page.locator(":focus")).to_have_attribute("href", where)
    page.keyboard.press("Control+k")
    expect(field(page)).to_have_value("")
    page.keyboard.type("dock")
    expect(palette(page).get_by_role("status")).to_have_text("2 results.")


def test_mouse_opens_follows_and_closes(page, world):
    page.goto("/contacts/")

    page.get_by_role("button", name="Find a contact, opportunity or task").click()
    expect(options(page).first).to_be_visible()
    page.mouse.click(5, 400)
    expect(palette(page)).to_be_hidden()

    page.get_by_role("button", name="Find a contact, opportunity or task").click()
    field(page).fill("acme")
    options(page).filter(has_text="C-").first.click()

    expect(heading(page)).to_have_text("Acme Logistics NV")


def test_a_result_opens_in_another_tab_with_the_control_key(page, context, world):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")
    field(page).fill("robot")
    expect(chosen(page)).to_contain_text("Robot palletiser")

    with context.expect_page() as other:
        chosen(page).click(modifiers=["Control"])

    expect(heading(other.value)).to_have_text("Robot palletiser")
    expect(palette(page)).to_be_visible()


def test_touch_finds_and_opens(page, phone, world):
    page.goto("/opportunities/")
    button = page.get_by_role("button", name="Find a contact, opportunity or task")
    assert min(button.bounding_box()["width"], button.bounding_box()["height"]) >= 44

    button.tap()
    field(page).fill("scheduling")
    expect(chosen(page)).to_contain_text("Dock scheduling")
    box = chosen(page).bounding_box()
    assert box["height"] >= 44
    assert box["width"] <= 360
    chosen(page).tap()

    expect(heading(page)).to_have_text("Dock scheduling")


def test_touch_closes(page, phone, world):
    page.goto("/opportunities/")
    page.get_by_role("button", name="Find a contact, opportunity or task").tap()
    close = palette(page).get_by_role("button", name="Close")
    assert min(close.bounding_box()["width"], close.bounding_box()["height"]) >= 44

    close.tap()

    expect(palette(page)).to_be_hidden()


def test_wrong_letters_are_forgiven_and_said(page, world):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")

    page.keyboard.type("paletiser")

    expect(chosen(page)).to_contain_text("Robot palletiser")
    expect(palette(page).get_by_role("status")).to_contain_text("similar")


def test_nothing_found_is_said(page, world):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")
    page.keyboard.type("zzzzzz")

    expect(palette(page).get_by_role("status")).to_have_text("Nothing found.")
    expect(field(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(palette(page)).to_be_visible()


def test_an_old_answer_that_comes_late_is_dropped(page, world):
    held, shown = [], []
    page.expose_function("shown", lambda text: shown.append(text))
    page.route(re.compile(r"/search/\?q=dock$"), lambda route: held.append(route))
    page.goto("/contacts/")
    page.evaluate(
        "new MutationObserver(() => window.shown(document.getElementById('palette-status').textContent))"
        ".observe(document.getElementById('palette-status'), {childList: true})"
    )
    page.keyboard.press("Control+k")
    with page.expect_request(re.compile(r"/search/\?q=dock$")):
        field(page).fill("dock")

    field(page).fill("robot")
    held[0].continue_()

    expect(chosen(page)).to_contain_text("Robot palletiser")
    expect(options(page)).to_have_count(1)
    assert "2 results." not in shown


def test_a_server_that_does_not_answer_is_said_and_enter_asks_for_the_page(page, world, problems):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")
    expect(options(page).first).to_be_visible()
    page.route("**/search/**", lambda route: route.abort())
    field(page).fill("robot")
    expect(palette(page).get_by_role("status")).to_contain_text("did not answer")
    page.unroute("**/search/**")

    field(page).press("Enter")

    expect(heading(page)).to_have_text("Search")
    expect(page.locator("main").get_by_role("link", name="Robot palletiser")).to_be_visible()
    problems[:] = [problem for problem in problems if "htmx" not in problem and "/search/" not in problem]


def test_a_new_opportunity_opens_over_the_page(page, world):
    page.goto("/contacts/")
    page.keyboard.press("Control+k")
    page.keyboard.type("new opp")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog", name="New opportunity")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="New opportunity")).to_be_hidden()
    expect(page.locator("body:focus")).to_have_count(0)


def test_the_palette_opens_over_a_form_and_leaves_it_as_it_was(page, world):
    page.goto(world["robot"].get_absolute_url())
    page.keyboard.press("u")
    form = page.get_by_role("dialog").filter(has=page.get_by_label("Estimated value"))
    form.get_by_label("Estimated value").fill("4711")

    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    page.keyboard.press("Escape")

    expect(palette(page)).to_be_hidden()
    expect(form.get_by_label("Estimated value")).to_have_value("4711")
    expect(form.get_by_label("Estimated value")).to_be_focused()


def test_a_session_that_ended_leads_to_the_sign_in_page(page, context, world):
    page.goto("/contacts/")
    context.clear_cookies()

    page.keyboard.press("Control+k")

    expect(page.get_by_label("Password")).to_be_visible()


def test_the_rest_of_the_results_is_one_step_away(page, seller, world):
    shared = {"salesperson": seller.salesperson, "cycle": world["robot"].cycle, "by": seller}
    for number in range(8):
        OpportunityFactory(description=f"Dock {number}", contact=world["company"], **shared)
    page.goto("/contacts/")
    page.keyboard.press("Control+k")
    page.keyboard.type("dock")
    expect(palette(page).get_by_role("status")).to_have_text("The first 6 results.")

    options(page).filter(has_text="All opportunities with these words").click()

    expect(heading(page)).to_have_text("Opportunities")
    expect(page.locator("[data-rows] tr")).to_have_count(10)


@pytest.mark.parametrize("width", [1360, 360])
def test_without_script_it_is_a_form_and_a_page(new_context, base_url, client, seller, world, width):
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": width, "height": 740})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()
    page.goto("/contacts/")

    if width > 1000:
        page.get_by_role("searchbox", name="Find a contact, opportunity or task").fill("dock")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("banner").get_by_role("button", name="Search").click()
        page.get_by_label("Name, number, description").fill("dock")
        page.locator("main").get_by_role("button", name="Search").click()

    expect(page.locator("main").get_by_text("2 results.")).to_be_visible()
    page.locator("main").get_by_role("link", name="Dock doors").click()
    expect(heading(page)).to_have_text("Dock doors")


def test_palette_and_page_are_in_order(page, both_screens, world, axe):
    page.goto("/contacts/")
    page.get_by_role("button", name="Find a contact, opportunity or task").click()
    expect(options(page).first).to_be_visible()
    axe()
    field(page).fill("acme")
    expect(chosen(page)).to_be_visible()
    axe()
    field(page).fill("zzzzzz")
    expect(palette(page).get_by_role("status")).to_have_text("Nothing found.")
    axe()

    for text in ("", "dock", "zzzzzz"):
        page.goto(f"/search/?q={text}")
        axe()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0


def test_rows_of_the_page_are_reached_by_j_and_k(page, world):
    page.goto("/search/?q=acme")

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("main :focus")).to_contain_text("Robot palletiser")
    page.keyboard.press("Enter")

    expect(heading(page)).to_have_text("Robot palletiser")
