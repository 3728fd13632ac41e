"""The board in the hand: dragged with mouse and finger, moved from the keyboard, and used without scripts."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from crm.dates import today
from opportunities import ledger, operations
from opportunities.models import Opportunity, Status
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    cycle_with_stages,
    user_with_role,
)

BOARD = reverse("opportunities:board")


@pytest.fixture
def seller():
    return user_with_role(Role.SALESPERSON, name="Sofie Claes")


@pytest.fixture
def cycle():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", "Agree", is_default=True)
    cycle.stages.filter(description="Present").update(allows_skip=True)
    return cycle


@pytest.fixture
def cards(seller, cycle):
    """Return ``cards(*descriptions)``, which puts a card for each into the first column."""
    company = CompanyFactory(name="Acme Logistics NV")

    def cards(*descriptions, **fields):
        shared = {"salesperson": seller.salesperson, "cycle": cycle, "contact": company, "by": seller}
        return [
            OpportunityFactory(description=description, **{**shared, "started": True, **fields})
            for description in descriptions
        ]

    return cards


@pytest.fixture
def opportunity(cards):
    return cards("Warehouse automation")[0]


@pytest.fixture
def open_board(page, sign_in, seller):
    """Return ``open_board()``, which signs the salesperson in and shows the board."""

    def open_board(user=seller, query=""):
        sign_in(user)
        page.goto(f"{BOARD}{query}")
        page.locator("#board").wait_for()

    return open_board


def column(page, name):
    heading = page.get_by_role("heading", name=name, exact=True, level=2)
    return page.locator("[data-column]").filter(has=heading)


def card(page, description):
    return page.locator("#board [data-in]").filter(has=page.get_by_role("link", name=description, exact=True))


def link(page, description):
    return page.locator("#board").get_by_role("link", name=description, exact=True)


def middle(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 200)


def lift(page, locator):
    """Take a card with the mouse."""
    x, y = middle(locator)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 5, steps=3)
    expect(page.locator(".board-ghost")).to_be_visible()


def carry(page, locator):
    page.mouse.move(*middle(locator), steps=5)


def said(page):
    return page.locator("#board-said")


def assert_in(opportunity, name):
    opportunity.refresh_from_db()
    assert opportunity.stage.description == name
    assert list(ledger.verify(Opportunity.objects.all())) == []


# With the mouse


def test_dragging_moves_a_card_and_the_sums(page, open_board, opportunity):
    open_board()

    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Present"))
    page.mouse.up()

    expect(said(page)).to_contain_text("Warehouse automation: moved to Present. Chance 50")
    expect(column(page, "Present")).to_contain_text("Warehouse automation")
    expect(column(page, "Present").locator("header")).to_contain_text("weighted €2,000")
    expect(column(page, "Qualify").locator("header")).to_contain_text("€0 · weighted €0")
    expect(page.locator("#board-total")).to_contain_text("1 open · €10,000 · weighted €2,000")
    expect(page.locator("#announce")).to_contain_text("moved to Present")
    expect(link(page, "Warehouse automation")).to_be_focused()
    expect(page.locator(".board-ghost")).to_have_count(0)
    assert page.url.endswith(BOARD)  # the drop opened nothing
    assert_in(opportunity, "Present")


def test_a_move_can_be_undone_from_where_it_is_said(page, open_board, opportunity):
    open_board()
    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Present"))
    page.mouse.up()

    said(page).get_by_role("link", name="Undo…").click()
    page.get_by_role("dialog").get_by_label("Why").fill("The wrong one")
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()

    expect(column(page, "Qualify")).to_contain_text("Warehouse automation")
    expect(link(page, "Warehouse automation")).to_be_focused()
    assert_in(opportunity, "Qualify")


def test_columns_say_whether_a_card_may_go_there(page, open_board, opportunity, axe):
    open_board()

    lift(page, card(page, "Warehouse automation"))

    for name, state in [
        ("Present", "can"),
        ("Propose", "can"),
        ("Agree", "cannot"),
        ("Not started", "cannot"),
    ]:
        expect(column(page, name)).to_have_class(re.compile(rf"\b{state}\b"))
    expect(column(page, "Agree").locator(".no")).to_have_text("Propose may not be skipped.")
    expect(column(page, "Not started").locator(".no")).to_have_text("What is started stays started.")
    expect(page.locator(".board-ends")).to_be_visible()

    carry(page, column(page, "Agree"))
    page.mouse.up()

    expect(said(page)).to_have_text("Propose may not be skipped.")
    expect(page.locator("#announce")).to_have_text("Propose may not be skipped.")
    expect(column(page, "Qualify")).to_contain_text("Warehouse automation")
    expect(column(page, "Agree").locator(".no")).to_be_hidden()
    expect(page.locator(".board-ends")).to_be_hidden()
    axe()
    assert_in(opportunity, "Qualify")


def test_escape_puts_the_card_back(page, open_board, opportunity):
    open_board()
    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Present"))

    page.keyboard.press("Escape")
    page.mouse.up()

    expect(page.locator(".board-ghost")).to_have_count(0)
    expect(said(page)).to_have_text("Put back. Nothing was moved.")
    expect(column(page, "Qualify")).to_contain_text("Warehouse automation")
    assert_in(opportunity, "Qualify")


def test_a_rule_made_meanwhile_puts_the_card_back(page, open_board, opportunity, cycle):
    open_board()
    cycle.stages.filter(description="Propose").update(requires_quote=True)

    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Propose"))
    page.mouse.up()

    expect(said(page)).to_contain_text("Propose needs a quote. Create one, or choose a stage before it.")
    expect(column(page, "Qualify")).to_contain_text("Warehouse automation")
    expect(link(page, "Warehouse automation")).to_be_focused()
    assert_in(opportunity, "Qualify")


def test_somebody_moved_it_first(page, open_board, opportunity, cycle):
    manager = user_with_role(Role.SALES_MANAGER, name="Tom Maes")
    open_board()
    operations.move(
        opportunity=opportunity, to=cycle.stages.get(description="Propose"), by=manager, on=today()
    )

    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Present"))
    page.mouse.up()

    expect(said(page)).to_contain_text("Tom Maes changed this meanwhile")
    expect(said(page)).to_contain_text("Skipped to Propose")
    expect(column(page, "Propose")).to_contain_text("Warehouse automation")
    expect(column(page, "Propose").locator("header")).to_contain_text("€10,000")
    expect(link(page, "Warehouse automation")).to_be_focused()
    assert_in(opportunity, "Propose")


def test_no_answer_puts_the_card_back(page, open_board, opportunity, problems):
    open_board()
    page.route("**/move/", lambda route: route.abort())
    page.route("**/move/?**", lambda route: route.abort())

    lift(page, card(page, "Warehouse automation"))
    carry(page, column(page, "Present"))
    page.mouse.up()

    expect(said(page)).to_have_text("The server did not answer, so nothing was moved. Try again.")
    expect(column(page, "Qualify")).to_contain_text("Warehouse automation")
    assert_in(opportunity, "Qualify")
    problems.clear()  # the browser reports the request that failed


def test_what_is_missing_is_asked_for_in_the_dialog(page, open_board, cards):
    [new] = cards("Cold storage", started=False)
    open_board()

    lift(page, card(page, "Cold storage"))
    carry(page, column(page, "Qualify"))
    page.mouse.up()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Start in Qualify")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link(page, "Cold storage")).to_be_focused()
    expect(said(page)).to_contain_text("An estimated value above 0 is needed.")

    said(page).get_by_role("link", name="Fill it in").click()
    dialog.get_by_label("Estimated value").fill("9000")
    dialog.get_by_role("button", name="Start in Qualify").click()

    expect(column(page, "Qualify")).to_contain_text("Cold storage")
    expect(link(page, "Cold storage")).to_be_focused()
    assert_in(new, "Qualify")


def test_dropping_on_lost_opens_the_dialog(page, open_board, cards):
    CloseReasonFactory(outcome="LOST", description="Too expensive")
    gone, _stays = cards("Going", "Staying")
    open_board()

    lift(page, card(page, "Going"))
    carry(page, page.locator("[data-outcome=LOST]"))
    page.mouse.up()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Close as lost")).to_be_visible()
    dialog.get_by_label("Reason").select_option("Too expensive")
    dialog.get_by_role("button", name="Close as lost").click()

    expect(page.locator("main")).to_contain_text("Closed as lost.")
    expect(card(page, "Going")).to_have_count(0)
    expect(link(page, "Staying")).to_be_focused()
    gone.refresh_from_db()
    assert gone.status == Status.LOST


def test_the_board_scrolls_while_a_card_is_held_at_its_edge(page, open_board, opportunity, cycle):
    for index in range(5):
        cycle.stages.create(position=100 + index, description=f"Later {index}")
    open_board()
    assert page.locator("#board").evaluate("board => board.scrollLeft") == 0

    lift(page, card(page, "Warehouse automation"))
    box = page.locator("#board").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 100, steps=4)

    page.wait_for_function("() => document.getElementById('board').scrollLeft > 200")
    page.keyboard.press("Escape")
    page.mouse.up()


def test_more_cards_come_as_one_scrolls(page, open_board, cards):
    cards(*[f"Card {index}" for index in range(45)])
    open_board()
    expect(column(page, "Qualify").locator("[data-in]")).to_have_count(20)

    column(page, "Qualify").locator(".more").scroll_into_view_if_needed()
    expect(column(page, "Qualify").locator("[data-in]")).to_have_count(40)
    column(page, "Qualify").locator(".more").scroll_into_view_if_needed()
    expect(column(page, "Qualify").locator("[data-in]")).to_have_count(45)
    expect(column(page, "Qualify").locator(".more")).to_have_count(0)


def test_cards_of_others_stay_where_they_are(page, open_board, opportunity):
    open_board(user_with_role(Role.VIEWER))

    x, y = middle(card(page, "Warehouse automation"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=5)

    expect(page.locator(".board-ghost")).to_have_count(0)
    page.mouse.up()
    expect(page.locator("#board .dots")).to_have_count(0)


def test_a_pen_drags_like_a_mouse(page, open_board, opportunity):
    open_board()
    session = page.context.new_cdp_session(page)

    def pen(kind, x, y):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        session.send("Input.dispatchMouseEvent", {**event, "pointerType": "pen"})

    start, end = middle(card(page, "Warehouse automation")), middle(column(page, "Present"))
    pen("mousePressed", *start)
    pen("mouseMoved", start[0] + 30, start[1])
    pen("mouseMoved", *end)
    pen("mouseReleased", *end)

    expect(said(page)).to_contain_text("moved to Present")
    assert_in(opportunity, "Present")


# With the finger


class Finger:
    """One finger on the screen, in the browser's own protocol."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)

    def _send(self, kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def down(self, x, y):
        self._send("touchStart", (x, y))

    def move(self, x, y):
        self._send("touchMove", (x, y))

    def up(self):
        self._send("touchEnd")


def test_a_long_press_drags_with_a_finger(page, phone, open_board, opportunity, cycle):
    cycle.stages.update(allows_skip=True)
    open_board()
    column(page, "Qualify").scroll_into_view_if_needed()
    page.locator("#board").evaluate("board => board.scrollIntoView()")
    finger = Finger(page)
    x, y = middle(card(page, "Warehouse automation"))

    finger.down(x, y)
    expect(card(page, "Warehouse automation")).to_have_class(re.compile("lifted"))
    for step in range(1, 8):
        finger.move(x + (355 - x) * step / 7, y)
    page.wait_for_function(  # it follows the finger to the last column
        "() => { const { scrollLeft, clientWidth, scrollWidth } = document.getElementById('board');"
        " return scrollLeft + clientWidth > scrollWidth - 2; }"
    )
    finger.move(180, y)
    expect(column(page, "Agree")).to_have_class(re.compile("can over"))
    finger.up()

    expect(said(page)).to_contain_text("skipped to Agree")
    expect(page.locator(".board-ghost")).to_have_count(0)
    assert_in(opportunity, "Agree")


def test_a_short_touch_scrolls_and_moves_nothing(page, phone, open_board, cards):
    cards(*[f"Card {index}" for index in range(12)])
    open_board()
    column(page, "Qualify").scroll_into_view_if_needed()
    page.locator("#board").evaluate("board => board.scrollIntoView()")
    finger = Finger(page)
    x, y = middle(card(page, "Card 3"))

    finger.down(x, y)
    for step in range(1, 12):
        finger.move(x, y - step * 15)
    finger.up()

    page.wait_for_function(
        "() => [...document.querySelectorAll('#board ul')].some((list) => list.scrollTop > 20) || scrollY > 400"
    )
    expect(page.locator(".lifted")).to_have_count(0)
    expect(page.locator(".board-ghost")).to_have_count(0)


def test_a_finger_uses_the_menu(page, phone, open_board, opportunity, axe):
    open_board()

    page.get_by_label("Menu of Warehouse automation").tap()
    axe()
    page.get_by_role("menuitem", name="Move to Present").tap()

    expect(column(page, "Present")).to_contain_text("Warehouse automation")
    expect(said(page)).to_contain_text("moved to Present")
    assert_in(opportunity, "Present")


def test_on_the_phone_columns_come_one_by_one(page, phone, open_board, cards):
    cards("A", "B")
    open_board()

    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    box = column(page, "Not started").bounding_box()
    assert 280 <= box["width"] <= 330
    for target in page.locator("#board .dots, #board header a").all():
        size = target.bounding_box()
        assert size["width"] >= 44
        assert size["height"] >= 44


# From the keyboard


def test_keys_alone_move_a_card(page, open_board, opportunity, axe):
    open_board()

    page.keyboard.press("j")
    expect(link(page, "Warehouse automation")).to_be_focused()
    page.keyboard.press("m")
    expect(page.get_by_role("menuitem", name="Move to Present")).to_be_focused()
    axe()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Move to Propose")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Open")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Move to Present")).to_be_focused()
    page.keyboard.press("Enter")

    expect(said(page)).to_contain_text("moved to Present")
    expect(column(page, "Present")).to_contain_text("Warehouse automation")
    expect(link(page, "Warehouse automation")).to_be_focused()
    assert_in(opportunity, "Present")


def test_escape_leaves_the_menu_for_the_card(page, open_board, opportunity):
    open_board()
    page.get_by_label("Menu of Warehouse automation").click()
    expect(page.get_by_role("menu")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.get_by_role("menu")).to_be_hidden()
    expect(page.locator("#board .dots")).to_be_focused()


def test_arrows_and_letters_go_from_card_to_card(page, open_board, cards, seller, cycle):
    _, _, third = cards("First", "Second", "Third")
    operations.move(opportunity=third, to=cycle.stages.get(description="Propose"), by=seller, on=today())
    open_board()

    page.keyboard.press("j")
    expect(link(page, "First")).to_be_focused()
    for key, expected in [
        ("ArrowDown", "Second"),
        ("ArrowDown", "Second"),
        ("ArrowRight", "Third"),
        ("h", "First"),
        ("j", "Second"),
        ("k", "First"),
        ("l", "Third"),
    ]:
        page.keyboard.press(key)
        expect(link(page, expected)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Third")).to_be_visible()


def test_won_from_the_menu_comes_back_to_the_board(page, open_board, cards):
    CloseReasonFactory(outcome="WON", description="Best offer")
    cards("First", "Second")
    open_board()

    page.get_by_label("Menu of First").click()
    page.get_by_role("menuitem", name="Won…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").select_option("Best offer")
    dialog.get_by_role("button", name="Close as won").click()

    expect(page.locator("main")).to_contain_text("is customer")
    expect(page.locator("#board-total")).to_contain_text("1 open")
    expect(link(page, "Second")).to_be_focused()


def test_single_keys_can_be_switched_off(page, open_board, opportunity, seller):
    seller.allows_shortcuts = False
    seller.save()
    open_board()

    page.keyboard.press("j")
    expect(link(page, "Warehouse automation")).not_to_be_focused()
    link(page, "Warehouse automation").focus()
    page.keyboard.press("m")
    expect(page.get_by_role("menu")).to_be_hidden()


# Without scripts, and on every screen


def test_everything_but_dragging_works_without_javascript(
    new_context, base_url, client, seller, cards, cycle
):
    other = cycle_with_stages("Spot", description="Small things")
    cards("Elsewhere", cycle=other)
    [opportunity] = cards("Warehouse automation")
    cards(*[f"Card {index}" for index in range(25)])
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": 1360, "height": 860})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()

    page.goto(BOARD)
    page.get_by_label("Menu of Warehouse automation").click()
    page.get_by_role("link", name="Move to Present").click()
    page.get_by_role("button", name="Move to Present").click()
    expect(page.get_by_role("heading", level=1, name="Board")).to_be_visible()
    expect(column(page, "Present")).to_contain_text("Warehouse automation")
    expect(page.locator("main")).to_contain_text("Moved to Present.")

    page.get_by_role("link", name="More", exact=True).click()
    expect(column(page, "Qualify").locator("[data-in]")).to_have_count(5)

    page.get_by_label("Sales cycle").first.select_option("Small things")
    page.locator(".board-head > form").get_by_role("button", name="Show").click()
    expect(column(page, "Spot")).to_contain_text("Elsewhere")
    assert_in(opportunity, "Present")


def test_board_is_in_order_on_both_screens(page, both_screens, open_board, cards, cycle, seller, axe):
    cards("Old one", on=today() - timedelta(days=100))
    cards("Not yet", started=False)
    OpportunityFactory(
        description="Of a colleague", cycle=cycle, salesperson=SalespersonFactory(), started=True
    )
    cycle.stages.filter(description="Qualify").update(is_active=False)
    open_board()

    axe()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.get_by_label("Menu of Old one").click()
    expect(page.get_by_role("menu")).to_be_visible()
    axe()
    page.keyboard.press("Escape")
    page.get_by_text("Filter", exact=True).click()
    axe()
    page.goto(f"{BOARD}?status=WON")
    axe()
    page.goto(f"{BOARD}?nonsense=1")
    axe()
