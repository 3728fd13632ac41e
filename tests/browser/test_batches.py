"""Changing many at once, as people do it: with the mouse, on a phone, from the keyboard, without JavaScript."""

import pytest
from playwright.sync_api import expect

from crm.dates import today
from opportunities import batches, ledger, operations
from opportunities.models import Batch, BatchStatus, Opportunity, OpportunityEntry, Status
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    TeamFactory,
    cycle_with_stages,
    user_with_role,
)

LIST = "/opportunities/"


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
    return cycle_with_stages("Qualify", "Present", "Propose", is_default=True, description="Existing")


def several(seller, cycle, count):
    company = CompanyFactory(name="Acme Logistics NV")
    return [
        OpportunityFactory(
            description=f"Lift {index:02}",
            salesperson=seller.salesperson,
            cycle=cycle,
            contact=company,
            by=seller,
            started=True,
        )
        for index in range(count)
    ]


def assert_ledger_is_right():
    assert list(ledger.verify(Opportunity.objects.all())) == []


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def batch_in_steps_of(monkeypatch, few):
    """Let there be several steps to watch."""
    monkeypatch.setattr(batches, "A_STEP", few)
    monkeypatch.setattr(batches, "A_LONG_STEP", few)


def new_address(action, chosen):
    return f"/opportunities/batches/new/?action={action}&chosen=" + ",".join(str(one.pk) for one in chosen)


def test_from_the_list_to_the_result(page, both_screens, sign_in, seller, cycle, axe, monkeypatch):
    batch_in_steps_of(monkeypatch, 2)
    chosen = several(seller, cycle, 5)
    CloseReasonFactory(outcome="LOST", description="Too expensive")
    sign_in(seller)

    page.goto(LIST)
    for one in chosen[:4]:
        box = page.locator("main").get_by_label(f"Choose {one.number}")
        box.check()
    page.get_by_role("button", name="Move…").click()
    expect(page.locator("main")).to_contain_text("4 opportunities are chosen.")
    axe()
    assert overflow(page) <= 0
    page.locator("main").get_by_label("Stage").select_option("Present")
    page.locator("main").get_by_label("Note").fill("New price list")
    operations.close(  # somebody is faster
        opportunity=chosen[3],
        outcome="LOST",
        reason=CloseReasonFactory(outcome="LOST"),
        by=seller,
        on=today(),
    )
    page.get_by_role("button", name="Check 4 opportunities").click()

    expect(page.locator("main").get_by_text("3 opportunities will be moved to Present.")).to_be_visible()
    expect(page.locator("main").get_by_text("1 will be left alone.")).to_be_visible()
    assert OpportunityEntry.objects.filter(stage__description="Present").count() == 0
    axe()
    assert overflow(page) <= 0
    page.get_by_role("link", name="Won or lost already 1").click()
    expect(page.get_by_role("link", name="Lift 03")).to_be_visible()
    axe()
    assert overflow(page) <= 0
    page.get_by_role("link", name="Back", exact=True).click()

    page.get_by_role("button", name="Move 3 opportunities").click()

    expect(page.locator("main").get_by_text("3 opportunities were moved to Present.")).to_be_visible()
    expect(page.locator("main").get_by_text("1 was left alone.")).to_be_visible()
    axe()
    assert overflow(page) <= 0
    assert OpportunityEntry.objects.filter(stage__description="Present", note="New price list").count() == 3
    page.get_by_role("link", name="Changes of many").click()
    expect(page.get_by_role("row", name="Move to Present")).to_contain_text("Done")
    axe()
    assert overflow(page) <= 0
    assert_ledger_is_right()


def test_the_check_is_watched_and_goes_on_by_itself(page, sign_in, seller, cycle, axe, monkeypatch):
    batch_in_steps_of(monkeypatch, 1)
    chosen = several(seller, cycle, 3)
    sign_in(seller)
    held = []
    page.route("**/step/", lambda route: held.append(route))

    page.goto(new_address("MOVE", chosen))
    page.locator("main").get_by_label("Stage").select_option("Present")
    page.get_by_role("button", name="Check 3 opportunities").click()

    for done in range(3):
        expect(page.locator("main").get_by_text(f"{done} of 3 checked")).to_be_visible()
        bar = page.get_by_role("progressbar", name=f"{done} of 3 checked")
        assert bar.evaluate("bar => [bar.value, bar.max]") == [done, 3]
        expect(page.get_by_role("button", name="Go on")).to_be_hidden()
        if done == 1:
            axe()
        while len(held) <= done:
            page.wait_for_timeout(20)
        held[done].continue_()

    expect(page.get_by_role("heading", name="Nothing has changed so far")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("3 opportunities will be moved to Present.")


def test_a_server_that_does_not_answer_stops_it_and_one_goes_on(
    page, sign_in, seller, cycle, axe, problems, monkeypatch
):
    batch_in_steps_of(monkeypatch, 2)
    chosen = several(seller, cycle, 3)
    sign_in(seller)
    page.route("**/step/", lambda route: route.abort(), times=1)

    page.goto(new_address("MOVE", chosen))
    page.locator("main").get_by_label("Stage").select_option("Present")
    page.get_by_role("button", name="Check 3 opportunities").press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("Nothing is lost; go on when you like.")
    axe()
    page.get_by_role("button", name="Go on").press("Enter")
    expect(page.locator("main").get_by_text("3 opportunities will be moved to Present.")).to_be_visible()
    # The button that was pressed is gone; the keyboard goes on from here.
    page.wait_for_function("document.activeElement.closest('#batch-panel') !== null")
    page.route("**/step/", lambda route: route.fulfill(status=500, body="no"), times=1)
    page.get_by_role("button", name="Move 3 opportunities").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("It has stopped")
    page.reload()
    expect(page.locator("main").get_by_text("3 opportunities were moved to Present.")).to_be_visible()

    assert problems  # the two answers that did not come
    problems.clear()
    assert_ledger_is_right()


def test_a_closed_tab_loses_nothing(page, context, sign_in, seller, cycle, problems, monkeypatch):
    batch_in_steps_of(monkeypatch, 1)
    chosen = several(seller, cycle, 3)
    sign_in(seller)
    batch = batches.make(
        action="MOVE",
        keys=[one.pk for one in chosen],
        by=seller,
        stage=cycle.stages.get(description="Present"),
    )
    batches.step(batch, by=seller, most=3)
    batches.carry_out(batch)
    page.route("**/step/", lambda route: route.abort())
    page.goto(batch.get_absolute_url())
    expect(page.get_by_role("alert")).to_be_visible()
    batches.step(batch, by=seller, most=1)
    page.close()
    problems.clear()  # the answer that did not come

    again = context.new_page()
    again.goto("/opportunities/batches/")
    expect(again.get_by_role("row", name="Move to Present")).to_contain_text("Being carried out")
    again.get_by_role("link", name="Move to Present").click()

    expect(again.locator("main").get_by_text("3 opportunities were moved to Present.")).to_be_visible()
    assert OpportunityEntry.objects.filter(stage__description="Present").count() == 3


def test_two_tabs_do_everything_once(page, context, sign_in, seller, cycle, monkeypatch):
    batch_in_steps_of(monkeypatch, 1)
    chosen = several(seller, cycle, 8)
    sign_in(seller)
    batch = batches.make(
        action="MOVE",
        keys=[one.pk for one in chosen],
        by=seller,
        stage=cycle.stages.get(description="Present"),
    )
    batches.step(batch, by=seller, most=8)
    other = context.new_page()
    other.goto(batch.get_absolute_url())
    page.goto(batch.get_absolute_url())

    page.get_by_role("button", name="Move 8 opportunities").click()
    other.get_by_role("button", name="Move 8 opportunities").click()

    for tab in (page, other):
        expect(tab.locator("main").get_by_text("8 opportunities were moved to Present.")).to_be_visible()
    assert OpportunityEntry.objects.filter(stage__description="Present").count() == 8
    assert_ledger_is_right()


def test_from_the_keyboard_alone(page, sign_in, manager, seller, cycle):
    chosen = several(seller, cycle, 2)
    colleague = SalespersonFactory(name="Lies Vos", team=seller.salesperson.team)
    sign_in(manager)
    page.goto(LIST)

    page.locator("main").get_by_label(f"Choose {chosen[0].number}").press("Space")
    page.get_by_role("button", name="Reassign…").press("Enter")
    page.locator("main").get_by_label("Salesperson").press("L")  # types ahead to Lies Vos
    page.locator("main").get_by_label("Salesperson").press("Tab")
    expect(page.locator("main").get_by_role("checkbox")).to_be_focused()  # whether open tasks follow
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Reassign 1 opportunity").press("Enter")

    expect(page.locator("main").get_by_text("1 opportunity was given to Lies Vos.")).to_be_visible()
    chosen[0].refresh_from_db()
    assert chosen[0].salesperson == colleague


def test_stop_and_cancel(page, phone, sign_in, seller, cycle):
    chosen = several(seller, cycle, 2)
    CloseReasonFactory(outcome="LOST", description="Too expensive")
    sign_in(seller)
    page.goto(new_address("LOSE", chosen))
    page.locator("main").get_by_label("Reason").select_option("Too expensive")
    page.get_by_role("button", name="Check 2 opportunities").tap()
    expect(page.get_by_role("button", name="Close 2 opportunities as lost")).to_be_visible()

    page.get_by_role("button", name="Cancel").tap()

    expect(page.locator("main").get_by_text("Nothing was changed.")).to_be_visible()
    assert Batch.objects.get().status == BatchStatus.CANCELLED
    assert not Opportunity.objects.filter(status=Status.LOST).exists()


def test_without_javascript(new_context, base_url, seller, cycle, client, monkeypatch):
    batch_in_steps_of(monkeypatch, 2)
    chosen = several(seller, cycle, 3)
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()

    page.goto(LIST)
    for one in chosen:
        page.locator("main").get_by_label(f"Choose {one.number}").check()
    page.get_by_role("button", name="Change closing date…").click()
    page.get_by_role("button", name="Check 3 opportunities").click()
    expect(page.get_by_role("alert")).to_contain_text("An estimated closing date is needed.")
    page.locator("main").get_by_label("Estimated close").fill(f"{today().year + 1}-01-15")
    page.get_by_role("button", name="Check 3 opportunities").click()
    expect(page.locator("main").get_by_text("0 of 3 checked")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("main").get_by_text("2 of 3 checked")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Change the date of 3 opportunities").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("main").get_by_text("2 of 3 done")).to_be_visible()
    page.get_by_role("button", name="Go on").click()

    expect(page.locator("main").get_by_text("3 opportunities are now expected to close on")).to_be_visible()
    assert_ledger_is_right()
