"""The stage table in the hand: keyboard, mouse, touch, the live preview, and no script at all."""

import pytest
from playwright.sync_api import expect

from salespeople.models import Role
from tests.factories import CloseReasonFactory, cycle_with_stages, user_with_role


@pytest.fixture
def cycle():
    return cycle_with_stages("Qualify", "Present", "Propose", description="Accounts", is_default=True)


@pytest.fixture
def manager(sign_in):
    return sign_in(user_with_role(Role.SALES_MANAGER, name="Marie Maes"))


def drawn(page):
    """The rows as they stand on the page: position and description."""
    rows = page.locator("[data-stages] [data-stage]")
    return [
        (
            row.locator("[name$='-position']").input_value(),
            row.locator("[name$='-description']").input_value(),
        )
        for row in rows.all()
    ]


def stored(cycle):
    return [(str(stage.position), stage.description) for stage in cycle.stages.order_by("position")]


def save(page):
    page.get_by_role("button", name="Save stages").click()
    expect(page.get_by_role("status")).to_contain_text("Saved the stages.")


def test_reader_page_is_accessible(page, sign_in, both_screens, cycle, axe):
    sign_in(user_with_role(Role.VIEWER))

    page.goto(cycle.get_absolute_url())
    axe()
    page.get_by_label("Example value").fill("200")

    expect(page.locator("#preview tbody tr").first).to_contain_text("€20")
    assert page.get_by_role("button", name="Save stages").count() == 0


def test_mistakes_are_accessible(page, manager, both_screens, cycle, axe):
    page.goto(cycle.get_absolute_url())
    page.locator("[name=stages-0-close_in]").fill("soon")
    page.get_by_role("button", name="Save stages").click()

    expect(page.get_by_role("alert")).to_contain_text("is not a date formula: it goes wrong at position 1")
    axe()


def test_move_stages_from_the_keyboard(page, manager, cycle):
    page.goto(cycle.get_absolute_url())

    page.get_by_role("button", name="Move Propose up").press("Enter")
    page.get_by_role("button", name="Move Propose up").press("Enter")

    expect(page.get_by_role("button", name="Move Propose up")).to_be_focused()
    expect(page.locator("#announce")).to_have_text("Propose is now number 1.")
    assert drawn(page) == [("10", "Propose"), ("20", "Qualify"), ("30", "Present")]
    page.get_by_role("button", name="Move Qualify down").press("Space")
    save(page)
    assert stored(cycle) == [("10", "Propose"), ("20", "Present"), ("30", "Qualify")]


def test_move_stages_by_typing_positions(page, manager, cycle):
    page.goto(cycle.get_absolute_url())

    page.get_by_label("Position of Propose").fill("15")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Saved the stages.")
    assert drawn(page) == [("10", "Qualify"), ("15", "Propose"), ("20", "Present")]
    assert stored(cycle) == drawn(page)


def test_drag_a_stage_with_the_mouse(page, manager, cycle):
    page.goto(cycle.get_absolute_url())
    handle = page.locator("[data-handle]").nth(0).bounding_box()
    target = page.locator("[data-stage]").nth(2).bounding_box()

    page.mouse.move(handle["x"] + 5, handle["y"] + 5)
    page.mouse.down()
    page.mouse.move(handle["x"] + 5, target["y"] + target["height"] - 4, steps=12)
    page.mouse.up()

    assert drawn(page) == [("10", "Present"), ("20", "Propose"), ("30", "Qualify")]
    expect(page.locator("#announce")).to_have_text("Qualify is now number 3.")
    expect(page.locator("#preview tbody tr").first).to_contain_text("Present")
    save(page)
    assert stored(cycle) == [("10", "Present"), ("20", "Propose"), ("30", "Qualify")]


def test_escape_puts_a_dragged_stage_back(page, manager, cycle):
    page.goto(cycle.get_absolute_url())
    before = drawn(page)
    handle = page.locator("[data-handle]").nth(2).bounding_box()

    page.mouse.move(handle["x"] + 5, handle["y"] + 5)
    page.mouse.down()
    page.mouse.move(handle["x"] + 5, handle["y"] - 90, steps=8)
    page.keyboard.press("Escape")
    page.mouse.up()

    assert drawn(page) == before


def test_drag_a_stage_by_touch(page, phone, manager, cycle, context):
    page.goto(cycle.get_absolute_url())
    page.locator("[data-handle]").nth(1).scroll_into_view_if_needed()
    handle = page.locator("[data-handle]").nth(1).bounding_box()
    target = page.locator("[data-stage]").nth(0).bounding_box()
    x, y, end = handle["x"] + 8, handle["y"] + 8, max(target["y"] + 10, 60)
    touch = context.new_cdp_session(page)

    def send(kind, *points):
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": point} for point in points]},
        )

    send("touchStart", y)
    for step in range(1, 13):
        send("touchMove", y + (end - y) * step / 12)
    send("touchEnd")

    assert [name for _position, name in drawn(page)] == ["Present", "Qualify", "Propose"]
    save(page)
    assert [name for _position, name in stored(cycle)] == ["Present", "Qualify", "Propose"]


def test_add_a_stage_and_see_what_it_makes(page, manager, cycle):
    page.goto(cycle.get_absolute_url())

    page.get_by_role("button", name="Add a stage").click()
    page.keyboard.type("Negotiate")
    row = page.locator("[data-stage]").last
    row.locator("[name$='-completed_percent']").fill("30")
    row.locator("[name$='-chance_percent']").fill("40")
    page.get_by_label("Example value").fill("20000")

    last = page.locator("#preview tbody tr").last
    for figures in ("12 % €2,400", "35 % €7,000", "40 % €8,000", "30 % €6,000"):
        expect(last).to_contain_text(figures)
    row.locator("[name$='-chance_percent']").fill("much")
    expect(last).to_contain_text("– –")
    row.locator("[name$='-chance_percent']").fill("40")
    save(page)
    assert stored(cycle)[-1] == ("40", "Negotiate")


def test_typed_stages_are_not_left_without_a_question(page, manager, cycle):
    page.goto(cycle.get_absolute_url())
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

    page.get_by_label("Description of Propose").fill("Typed")
    page.get_by_role("link", name="Edit", exact=True).click()

    page.wait_for_timeout(200)
    assert asked == ["beforeunload"]
    assert drawn(page)[2] == ("30", "Typed")
    save(page)


def test_change_a_cycle_in_the_dialog(page, manager, cycle):
    page.goto(cycle.get_absolute_url())

    page.get_by_role("link", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Completed", exact=True).check()
    dialog.get_by_label("Blocked").check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The default sales cycle cannot be blocked.")
    dialog.get_by_label("Blocked").uncheck()
    dialog.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Older entries keep their probability.").first).to_be_visible()
    expect(page.get_by_text("Probability: Completed").first).to_be_visible()


def test_new_cycle_leads_to_a_table_that_works(page, manager):
    page.goto("/sales-cycles/")

    page.get_by_role("link", name="New sales cycle").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Code").fill("bid")
    dialog.get_by_label("Description").fill("Bids")
    dialog.get_by_role("button", name="Add sales cycle").click()
    expect(page.get_by_role("heading", name="Bids")).to_be_visible()
    page.locator("[name=stages-0-description]").fill("Announce")
    expect(page.locator("[name=stages-0-position]")).to_have_value("1")
    page.locator("[name=stages-0-completed_percent]").fill("50")
    page.locator("[name=stages-0-chance_percent]").fill("50")

    expect(page.locator("#preview tbody tr").first).to_contain_text("25 % €2,500")
    save(page)


def test_somebody_else_changed_it_first(page, manager, cycle, axe):
    page.goto(cycle.get_absolute_url())
    page.get_by_label("Chance % of Qualify").fill("77")
    cycle.stages.filter(description="Present").update(description="Show")

    page.get_by_role("button", name="Save stages").click()

    expect(page.get_by_role("alert")).to_contain_text("“Present”: description: Present is now Show.")
    expect(page.get_by_label("Chance % of Qualify")).to_have_value("77")
    axe()
    save(page)
    assert stored(cycle)[1] == ("20", "Show")


def test_everything_works_without_a_script(new_context, sign_in, cycle, base_url, context):
    sign_in(user_with_role(Role.SALES_MANAGER))
    plain = new_context(java_script_enabled=False)
    plain.add_cookies(context.cookies())
    page = plain.new_page()
    page.goto(base_url + cycle.get_absolute_url())

    page.locator("[name=stages-0-position]").fill("25")
    page.get_by_role("button", name="Add a stage").click()
    page.locator("[name=stages-3-description]").fill("Negotiate")
    page.locator("[name=stages-3-completed_percent]").fill("30")
    page.locator("[name=stages-3-chance_percent]").fill("40")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview tbody tr").last).to_contain_text("12 %")
    assert not page.locator("[data-up]").first.is_visible()
    save(page)

    assert stored(cycle) == [("20", "Present"), ("25", "Qualify"), ("30", "Propose"), ("40", "Negotiate")]


def test_retire_a_close_reason(page, manager, both_screens):
    CloseReasonFactory(description="Price")
    page.goto("/close-reasons/")

    page.get_by_role("button", name="Retire Price").click()

    expect(page.get_by_role("status")).to_contain_text("Retired “Price”: it is offered no more.")
    expect(page.get_by_role("button", name="Use Price again")).to_be_visible()
