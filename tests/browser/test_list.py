"""The list of opportunities as people use it: asking, choosing rows and columns, keeping views, exporting."""

import re

import pytest
from playwright.sync_api import expect

from opportunities.models import SavedView
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    SavedViewFactory,
    TeamFactory,
    ViewPlaceFactory,
    cycle_with_stages,
    user_with_role,
    won_opportunity,
)

LIST = "/opportunities/"


@pytest.fixture
def seller():
    user = user_with_role(Role.SALESPERSON, name="Sofie Claes")
    user.salesperson.team = TeamFactory(name="Benelux")
    user.salesperson.save()
    return user


@pytest.fixture
def opportunities(seller):
    """Thirty in progress and one won, of one salesperson and company."""
    shared = {
        "salesperson": seller.salesperson,
        "cycle": cycle_with_stages("Qualify", "Present", "Propose", is_default=True),
        "contact": CompanyFactory(name="Acme Logistics NV"),
        "by": seller,
    }
    CloseReasonFactory(outcome="LOST")
    won_opportunity(description="Robot palletiser", **shared)
    return [
        OpportunityFactory(
            description=f"{'Small w' if n < 10 else 'W'}arehouse {n:02}",
            started=True,
            value=1000 * n,
            **shared,
        )
        for n in range(1, 31)
    ]


@pytest.fixture
def without_script(new_context, base_url, context, problems):
    """A page of the same person in which no script runs."""
    cookies = context.cookies()
    plain = new_context(java_script_enabled=False, viewport={"width": 1360, "height": 900})
    plain.add_cookies(cookies)
    return plain.new_page()


def boxes(page):
    return page.locator("tbody input[name=chosen]")


def bar(page):
    return page.get_by_role("group", name="The opportunities that are chosen")


def rows(page):
    return page.locator("tbody[data-rows] tr")


def search(page):
    return page.get_by_role("textbox", name="Search")


def query(page):
    return page.evaluate("location.search")


# Asking


def test_filter_says_in_the_address_only_what_is_asked(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)

    search(page).fill("robot")
    page.locator("#filter-status").select_option("Open and closed")
    page.get_by_role("button", name="Show").first.click()

    expect(rows(page)).to_have_count(1)
    assert query(page) == "?q=robot&status=ALL"
    page.get_by_role("link", name="Search: “robot”").click()
    expect(search(page)).to_have_value("")
    assert query(page) == "?status=ALL"
    expect(rows(page)).to_have_count(25)


def test_filter_with_nothing_in_it_shows_the_open_ones(page, sign_in, seller, opportunities):
    view = SavedViewFactory(owner=seller, query="status=WON")
    ViewPlaceFactory(user=seller, view=view, is_default=True)
    sign_in(seller)
    page.goto(LIST)
    expect(page.get_by_role("link", name="Robot palletiser")).to_be_visible()

    page.get_by_role("link", name="Take all away").click()
    search(page).press("Enter")

    expect(rows(page)).to_have_count(25)
    assert query(page) == "?view=open"


def test_more_filters_by_keyboard(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)

    page.keyboard.press("f")
    page.get_by_label("Value from").fill("abc")
    page.get_by_label("Value from").press("Enter")
    expect(page.get_by_text("Enter a number.").first).to_be_visible()
    expect(page.get_by_label("Value from")).to_have_value("abc")
    expect(page.get_by_label("Value from")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Value from").fill("29000")
    page.get_by_label("Value from").press("Enter")
    expect(rows(page)).to_have_count(2)


def test_what_lies_over_the_list_closes_by_escape_and_by_a_click_beside(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)
    columns = page.locator("summary", has_text="Columns")

    columns.click()
    expect(page.get_by_role("checkbox", name="Close reason")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox", name="Close reason")).to_be_hidden()
    expect(columns).to_be_focused()

    page.locator("summary", has_text="More filters").click()
    expect(page.get_by_label("Value from")).to_be_visible()
    page.get_by_role("heading", name="Opportunities").click()
    expect(page.get_by_label("Value from")).to_be_hidden()


def test_order_and_pages(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)

    page.get_by_role("columnheader", name="Estimated value").get_by_role("link").click()
    page.get_by_role("columnheader", name="Estimated value").get_by_role("link").click()
    expect(rows(page).first).to_contain_text("Warehouse 30")
    page.get_by_role("link", name="Next", exact=True).click()
    expect(rows(page).last).to_contain_text("Small warehouse 01")
    expect(page.locator(".totals")).to_contain_text("€465,000")  # of all thirty


def test_columns_are_chosen(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(f"{LIST}?q=small")

    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Calculated").uncheck()
    page.get_by_role("checkbox", name="Created on").check()
    page.locator(".drop-body").get_by_role("button", name="Show").click()

    expect(page.get_by_role("columnheader", name="Created on")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Calculated")).to_have_count(0)
    expect(rows(page)).to_have_count(9)
    assert "columns=number,description,company,stage,value,closes,step,salesperson,created" in (
        page.evaluate("decodeURIComponent(location.search)")
    )
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("link", name="The usual columns").click()
    expect(page.get_by_role("columnheader", name="Calculated")).to_be_visible()
    assert query(page) == "?q=small"


# Choosing rows


def test_rows_are_chosen_with_the_mouse(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)
    expect(bar(page)).to_be_hidden()

    boxes(page).nth(2).click()
    boxes(page).nth(6).click(modifiers=["Shift"])
    expect(bar(page)).to_contain_text("Chosen: 5")
    page.get_by_role("checkbox", name="Choose this page").check()
    expect(bar(page)).to_contain_text("Chosen: 25")
    bar(page).get_by_role("checkbox", name="All 30 that match").check()
    expect(bar(page)).to_contain_text("All 30 that match are chosen.")
    bar(page).get_by_role("button", name="Choose none").click()
    expect(bar(page)).to_be_hidden()
    expect(page.locator("tbody input:checked")).to_have_count(0)


def test_rows_are_chosen_from_the_keyboard(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")

    expect(bar(page)).to_contain_text("Chosen: 2")
    expect(boxes(page).nth(0)).to_be_checked()
    expect(boxes(page).nth(1)).not_to_be_checked()
    expect(boxes(page).nth(2)).to_be_checked()
    page.keyboard.press("x")
    expect(bar(page)).to_contain_text("Chosen: 1")
    expect(rows(page).nth(2).get_by_role("link")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("Select the row")


def test_chosen_rows_are_taken_to_a_page_for_many(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(f"{LIST}?sort=-estimated_value")

    boxes(page).nth(0).check()
    boxes(page).nth(1).check()
    bar(page).get_by_role("button", name="Close as lost…").click()

    expect(page.locator("main")).to_contain_text("2 opportunities")
    page.go_back()
    expect(bar(page)).to_contain_text("Chosen: 2")  # what the browser ticks again is counted again


def test_rows_are_chosen_by_touch(page, phone, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(LIST)

    boxes(page).nth(0).tap()
    boxes(page).nth(1).tap()
    expect(bar(page)).to_contain_text("Chosen: 2")
    for button in bar(page).get_by_role("button").all():
        assert button.bounding_box()["height"] >= 44
    bar(page).get_by_role("button", name="Export…").tap()
    expect(page.get_by_role("heading", name="Export 2 opportunities")).to_be_visible()


def test_viewer_has_nothing_to_choose(page, sign_in, opportunities):
    sign_in(user_with_role(Role.VIEWER))
    page.goto(LIST)

    expect(rows(page)).to_have_count(25)
    expect(boxes(page)).to_have_count(0)
    expect(bar(page)).to_have_count(0)


# Views


def test_life_of_a_view(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(f"{LIST}?value_from=29000&sort=-estimated_value")

    page.keyboard.press("v")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    expect(dialog).to_contain_text("Value from: €29,000")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("This field is required.")
    dialog.get_by_label("Name").fill("Large ones")
    dialog.get_by_label("My team").check()
    dialog.get_by_role("button", name="Save").click()

    tab = page.get_by_role("navigation", name="Views").get_by_role("link", name="Large ones")
    expect(tab).to_have_attribute("aria-current", "page")
    expect(page.locator("main")).to_contain_text("Saved as “Large ones”.")
    expect(rows(page)).to_have_count(2)

    search(page).fill(opportunities[-1].number)
    search(page).press("Enter")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Save it in “Large ones”").click()
    expect(page.locator("main")).to_contain_text("“Large ones” now asks for this.")
    expect(page.get_by_text("This differs from")).to_have_count(0)

    page.get_by_role("link", name="Edit view").click()
    dialog.get_by_label("Name").fill("The largest")
    dialog.get_by_label("The list opens with it").check()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="The largest")).to_have_attribute("aria-current", "page")
    page.goto(LIST)
    expect(rows(page)).to_have_count(1)
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Open").click()
    expect(rows(page)).to_have_count(25)

    page.get_by_role("link", name="All views").click()
    page.get_by_role("link", name="Delete The largest").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No views yet")).to_be_visible()
    assert not SavedView.objects.exists()


def test_views_change_places(page, sign_in, seller):
    for name in ("Alpha", "Beta"):
        SavedViewFactory(owner=seller, name=name)
    sign_in(seller)
    page.goto("/opportunities/views/")

    page.get_by_role("button", name="Move Beta up").press("Enter")
    expect(rows(page).first).to_contain_text("Beta")
    expect(page.get_by_role("button", name="Move Beta up")).to_be_disabled()
    expect(page.get_by_role("button", name="Move Beta down")).to_be_focused()

    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text("Alpha")
    expect(page.get_by_role("button", name="Move Beta up")).to_be_focused()


# Exporting


def test_export_is_downloaded_from_its_dialog(page, sign_in, seller, opportunities):
    sign_in(seller)
    page.goto(f"{LIST}?status=ALL")

    page.get_by_role("link", name="Export").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Export 31 opportunities")
    for name, ending in [("CSV", "csv"), ("Excel (XLSX)", "xlsx")]:
        with page.expect_download() as download:
            dialog.get_by_role("link", name=name).click()
        assert re.fullmatch(rf"opportunities-\d{{4}}-\d\d-\d\d\.{ending}", download.value.suggested_filename)
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Export")).to_be_focused()


# Without a script


def test_all_of_it_without_a_script(sign_in, seller, opportunities, base_url, request):
    sign_in(seller)
    page = request.getfixturevalue("without_script")
    page.goto(f"{base_url}{LIST}")

    search(page).fill("small")
    page.get_by_role("button", name="Show").first.click()
    expect(rows(page)).to_have_count(9)
    page.locator("summary", has_text="More filters").click()
    page.get_by_label("Value from").fill("5000")
    page.locator(".more-fields").get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(5)

    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Calculated").uncheck()
    page.locator(".drop-body").get_by_role("button", name="Show").click()
    expect(page.get_by_role("columnheader", name="Calculated")).to_have_count(0)
    expect(rows(page)).to_have_count(5)

    page.get_by_role("link", name="Save view").click()
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Plain", exact=True)).to_have_attribute("aria-current", "page")

    boxes(page).nth(0).check()
    page.get_by_role("button", name="Export…").click()
    expect(page.get_by_role("heading", name="Export 1 opportunity")).to_be_visible()
    page.go_back()
    boxes(page).nth(1).check()
    page.get_by_role("button", name="Close as lost…").click()
    expect(page.locator("main")).to_contain_text("opportunit")

    page.goto(f"{base_url}/opportunities/views/")
    page.get_by_role("button", name="Open first").click()
    page.goto(f"{base_url}{LIST}")
    expect(page.get_by_role("link", name="Plain", exact=True)).to_have_attribute("aria-current", "page")


# In order on every screen


def test_every_state_of_the_list_is_in_order(page, both_screens, sign_in, seller, opportunities, axe):
    view = SavedViewFactory(owner=seller, name="Large ones", audience="TEAM")
    sign_in(seller)

    def in_order(what):
        expect(page.locator(".htmx-request")).to_have_count(0)
        axe()
        sideways = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert sideways <= 0, f"{what} runs off the side"

    page.goto(f"{LIST}?status=ALL&view={view.pk}")
    in_order("a view that is changed")
    page.locator("summary", has_text="More filters").click()
    in_order("the other filters")
    page.keyboard.press("Escape")
    page.locator("summary", has_text="Columns").click()
    in_order("the columns")
    page.keyboard.press("Escape")
    boxes(page).nth(0).check()
    in_order("chosen rows")
    page.get_by_role("link", name="Save view").click()
    page.get_by_role("dialog").get_by_label("Name").press("Enter")
    page.get_by_role("dialog").get_by_role("alert").wait_for()
    in_order("the dialog for a view")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("dialog").get_by_role("link", name="CSV").wait_for()
    in_order("the dialog for an export")
    for address in (
        "?status=FOO&value_from=abc&columns=x&nonsense=1&view=424242",
        "?q=nothing+like+this",
        "?status=ALL&columns=number,contact,status,entered,completed,probability,closed,reason,team,cycle,priority",
    ):
        page.goto(f"{LIST}{address}")
        in_order(address)
