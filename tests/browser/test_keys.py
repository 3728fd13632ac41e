"""The keyboard: single keys and their list, where they stay silent, and focus that is never lost."""

import re

import pytest
from playwright.sync_api import expect

from opportunities import operations
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    cycle_with_stages,
    user_with_role,
)


@pytest.fixture
def seller(sign_in):
    return sign_in(user_with_role(Role.SALES_MANAGER, name="Tom Maes"))


@pytest.fixture
def company(seller):
    return CompanyFactory(name="Acme Logistics NV")


@pytest.fixture
def opportunity(seller, company):
    CloseReasonFactory(outcome="WON")
    return OpportunityFactory(
        description="Dock scheduling",
        cycle=cycle_with_stages("Qualify", "Present", "Propose", is_default=True),
        contact=company,
        by=seller,
        started=True,
    )


def heading(page):
    return page.locator("main").get_by_role("heading", level=1)


def keys(page):
    return page.get_by_role("dialog", name="Keys")


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("n", "New opportunity"),
        ("m", "Move to Present"),
        ("u", "Update the estimate"),
        ("w", "Close as won"),
        ("l", "Close as lost"),
        ("z", "Undo"),
        ("a", "Reassign"),
    ],
)
def test_a_key_opens_what_its_button_opens(page, opportunity, key, title):
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press(key)

    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_contain_text(title)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(":focus")).to_have_attribute("data-key", key)


def test_e_changes_the_heading_in_place(page, opportunity):
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("e")
    expect(page.get_by_label("Description")).to_be_focused()
    page.keyboard.press("Escape")

    expect(heading(page)).to_have_text("Dock scheduling")
    expect(page.locator("body:focus")).to_have_count(0)


def test_o_reopens_a_closed_one(page, seller, opportunity):
    reason = CloseReasonFactory(outcome="LOST")
    operations.close(
        opportunity=opportunity, outcome="LOST", reason=reason, by=seller, on=opportunity.changed_on
    )
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("o")

    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_contain_text("Reopen")


@pytest.mark.parametrize(
    ("pressed", "path"),
    [("go", "/opportunities/"), ("gc", "/contacts/"), ("gb", "/board/"), ("gd", "/today/")],
)
def test_g_and_a_letter_go_to_a_page(page, opportunity, pressed, path):
    page.goto("/preferences/")

    for key in pressed:
        page.keyboard.press(key)

    expect(page).to_have_url(re.compile(rf"^http://[^/]+{path}$"))


def test_rows_are_walked_and_opened(page, opportunity, seller, company):
    OpportunityFactory(
        description="Dock doors", contact=company, by=seller, cycle=opportunity.cycle, started=True
    )
    page.goto("/opportunities/")

    page.keyboard.press("j")
    first = page.locator("[data-rows] :focus").get_attribute("href")
    page.keyboard.press("k")
    expect(page.locator(":focus")).to_have_attribute("href", first)
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("[data-rows] :focus").get_attribute("href")
    assert second != first
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(rf"{second}$"))


def test_keys_are_silent_where_one_types_or_chooses(page, opportunity):
    page.goto("/contacts/")
    search = page.locator("main input[name=q]")
    search.focus()
    page.keyboard.type("new gc?/")
    expect(search).to_have_value("new gc?/")

    page.goto("/opportunities/new/")
    page.locator("main select").first.focus()
    for key in ("n", "?", "g", "o"):
        page.keyboard.press(key)

    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page).to_have_url(re.compile("/opportunities/new/$"))


def test_keys_are_silent_with_another_key_or_while_composing(page, opportunity):
    page.goto(opportunity.get_absolute_url())

    for combination in ("Control+m", "Alt+u", "Meta+e", "Shift+W"):
        page.keyboard.press(combination)
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', isComposing: true, bubbles: true}));"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', keyCode: 229, bubbles: true}))"
    )

    expect(page.locator("dialog[open]")).to_have_count(0)


def test_keys_are_silent_in_a_dialog(page, opportunity):
    page.goto(opportunity.get_absolute_url())
    page.keyboard.press("u")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Close").focus()

    for key in ("n", "m", "?", "g", "c"):
        page.keyboard.press(key)

    expect(page.locator("dialog[open]")).to_have_count(1)
    expect(dialog.get_by_role("heading", level=1)).to_contain_text("Update the estimate")


def test_the_second_key_is_not_waited_for_long(page, opportunity):
    page.clock.install()
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("g")
    page.clock.run_for(2000)
    page.keyboard.press("o")

    expect(heading(page)).to_have_text("Dock scheduling")


# The list of keys


def test_the_list_of_keys_is_a_dialog(page, opportunity):
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Update estimate").focus()

    page.keyboard.press("?")
    expect(keys(page)).to_be_visible()
    expect(keys(page).get_by_role("button", name="Close")).to_be_focused()
    assert keys(page).get_by_role("heading", level=3).all_inner_texts() == [
        "On this page",
        "Anywhere",
        "In lists",
    ]
    here = keys(page).get_by_role("region", name="On this page")
    expect(here.get_by_text("Move to Present")).to_be_visible()
    anywhere = keys(page).get_by_role("region", name="Anywhere")
    expect(anywhere.get_by_text("New opportunity")).to_be_visible()
    expect(anywhere.get_by_text("Ctrl K")).to_be_visible()

    page.keyboard.press("Escape")
    expect(keys(page)).to_be_hidden()
    expect(page.get_by_role("link", name="Update estimate")).to_be_focused()


def test_the_list_of_keys_has_a_button(page, opportunity):
    page.goto(opportunity.get_absolute_url())
    button = page.get_by_role("navigation").get_by_role("button", name="Keys")

    button.press("Enter")
    expect(keys(page)).to_be_visible()
    keys(page).get_by_role("button", name="Close").press("Enter")

    expect(keys(page)).to_be_hidden()
    expect(button).to_be_focused()


def test_the_list_of_keys_is_in_order(page, both_screens, opportunity, axe):
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("?")

    expect(keys(page)).to_be_visible()
    axe()


def test_every_key_of_the_list_is_there_once(page, opportunity):
    page.goto(opportunity.get_absolute_url())
    page.keyboard.press("?")

    lines = keys(page).locator("dd").all_inner_texts()

    assert len(lines) == len(set(lines))


def test_whoever_switched_single_keys_off_keeps_the_rest(page, opportunity, seller):
    seller.allows_shortcuts = False
    seller.save()
    page.goto(opportunity.get_absolute_url())

    for key in ("n", "m", "?", "/", "g", "c"):
        page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(heading(page)).to_have_text("Dock scheduling")

    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)

    page.get_by_role("navigation").get_by_role("button", name="Keys").click()
    expect(keys(page).get_by_text("Single keys are switched off.")).to_be_visible()
    expect(keys(page).get_by_text("Ctrl K")).to_be_visible()
    expect(keys(page).get_by_text("Move to Present")).to_have_count(0)


# Focus and news


def fetch_again(page, region):
    """Let htmx fetch a region of the page anew."""
    page.evaluate(
        "([url, target]) => htmx.ajax('GET', url, {target, swap: 'innerHTML'})",
        [page.locator(region).get_attribute("hx-get"), region],
    )


def test_focus_stays_on_the_same_link_when_its_region_comes_anew(page, opportunity, company):
    page.goto(company.get_absolute_url())
    region = "#contact-opportunities"
    link = page.locator(region).get_by_role("link", name="Dock scheduling")
    link.focus()

    with page.expect_response("**/for-contact/**"):
        fetch_again(page, region)

    expect(page.locator(region).get_by_role("link", name="Dock scheduling")).to_be_focused()


def test_focus_goes_to_the_nearest_heading_when_what_had_it_is_gone(page, seller, opportunity, company):
    gone = OpportunityFactory(description="Dock doors", contact=company, by=seller, cycle=opportunity.cycle)
    page.goto(company.get_absolute_url())
    region = "#contact-opportunities"
    page.locator(region).get_by_role("link", name="Dock doors").focus()
    operations.delete(opportunity=gone, by=seller, on=gone.changed_on)

    with page.expect_response("**/for-contact/**"):
        fetch_again(page, region)

    expect(page.get_by_role("link", name="Dock doors")).to_have_count(0)
    expect(page.get_by_role("heading", name="Opportunities", exact=True)).to_be_focused()


def test_what_happened_is_read_out(page, opportunity):
    page.goto(opportunity.get_absolute_url())
    page.keyboard.press("m")
    page.get_by_role("dialog").get_by_role("button", name="Move to Present").click()

    expect(page.locator("#announce")).to_contain_text("Moved to Present")


def test_pages_that_are_asked_for_can_say_something(page, opportunity):
    PersonFactory()
    page.goto(opportunity.get_absolute_url())

    page.evaluate("htmx.trigger(document.body, 'announce', {value: '3 selected.'})")

    expect(page.locator("#announce")).to_have_text("3 selected.")
