"""Activities in the hand: set up with keys, looked at before a move, given by touch, and all of it without a script."""

from datetime import timedelta

import pytest
from django.conf import settings
from playwright.sync_api import expect

from activities.models import Activity, Task
from crm.dates import today
from salespeople.models import Role
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CloseReasonFactory,
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
    cycle_with_stages,
    user_with_role,
)


@pytest.fixture
def seller():
    return user_with_role(Role.SALESPERSON, name="Sofie Claes")


@pytest.fixture
def opportunity(seller):
    """In Qualify; Present brings a call and a letter, and Propose, which can be reached at once, a meeting."""
    cycle = cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    cycle.stages.update(allows_skip=True)
    for name, steps in {
        "Present": [("CALL", "Call", "2D"), ("EMAIL", "Write", "1W")],
        "Propose": [("MEETING", "Meet", "")],
    }.items():
        activity = ActivityFactory(description=f"{name} it")
        for number, (kind, description, due_in) in enumerate(steps, start=1):
            ActivityStepFactory(
                activity=activity, position=number, kind=kind, description=description, due_in=due_in
            )
        cycle.stages.filter(description=name).update(activity=activity)
    last_week = today() - timedelta(days=7)
    return OpportunityFactory(
        cycle=cycle, salesperson=seller.salesperson, by=seller, on=last_week, started=True
    )


def test_set_up_an_activity_from_the_keyboard(page, sign_in, both_screens, axe):
    sign_in(user_with_role(Role.SALES_MANAGER, name="Marie Maes"))
    page.goto("/activities/")
    page.get_by_role("link", name="New activity").press("Enter")

    page.locator("#id_description").fill("Product demo")
    page.locator("#id_code").fill("demo")
    page.locator("[name=steps-0-description]").fill("Call")
    page.locator("[name=steps-0-due_in]").fill("2d")
    page.locator("[name=steps-1-description]").fill("Meet")
    page.locator("[name=steps-1-due_in]").fill("2x")
    expect(page.locator("#preview")).to_contain_text("No date: see its row")
    page.get_by_role("button", name="Add a step").press("Enter")
    page.keyboard.type("Thank them")
    page.get_by_role("button", name="Save activity").press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("it goes wrong at position 2")
    axe()
    page.locator("[name=steps-1-due_in]").fill("1w")
    page.locator("[data-up]").nth(1).press("Enter")
    expect(page.locator("#announce")).to_have_text("Meet is now number 1.")
    expect(page.locator("#preview li").first).to_contain_text("Meet")
    page.get_by_role("button", name="Save activity").press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Saved “Product demo”.")
    steps = Activity.objects.get(code="DEMO").steps.values_list("description", "due_in")
    assert list(steps) == [("Meet", "1W"), ("Call", "2D"), ("Thank them", "")]


def test_move_shows_its_tasks_and_follows_stage_and_date(
    page, sign_in, both_screens, axe, seller, opportunity
):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Move to Present").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Description of “Write”")).to_have_value("Write")
    expect(dialog.locator("#preview")).to_contain_text("2 tasks come with it.")
    axe()
    page.set_viewport_size({"width": page.viewport_size["width"], "height": 680})
    move = dialog.get_by_role("button", name="Move to Present")
    move.scroll_into_view_if_needed()
    box = dialog.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= page.viewport_size["height"]
    expect(move).to_be_in_viewport(ratio=1)

    dialog.get_by_label("Stage").select_option(label="Propose")
    expect(dialog.get_by_label("Description of “Meet”")).to_have_value("Meet")
    dialog.get_by_label("Stage").select_option(label="Present")
    dialog.get_by_label("Make the task “Call”").uncheck()
    expect(dialog.locator("#preview")).to_contain_text("1 task comes with it.")
    dialog.get_by_label("Description of “Write”").fill("Write to Ann")
    yesterday = today() - timedelta(days=1)
    dialog.get_by_label("Date of change").fill(yesterday.isoformat())
    dialog.get_by_label("Note").focus()
    due = (yesterday + timedelta(days=7)).isoformat()
    expect(dialog.get_by_label("Due date of “Write to Ann”")).to_have_value(due)
    expect(dialog.get_by_label("Make the task “Call”")).not_to_be_checked()
    dialog.get_by_role("button", name="Move to Present").click()

    expect(page.get_by_role("status").first).to_contain_text("1 task came with it.")
    expect(page.locator("#tasks-panel")).to_contain_text("Write to Ann")
    assert list(Task.objects.values_list("description", flat=True)) == ["Write to Ann"]


def test_assign_by_touch_then_close_and_keep_one(page, sign_in, phone, dark, axe, seller, opportunity):
    sign_in(seller)
    SalespersonFactory(name="Ann Peeters")
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Assign an activity…").tap()
    dialog = page.get_by_role("dialog")
    dialog.locator("#id_activity").select_option(label="Present it")
    dialog.get_by_label("Description of “Call”").fill("Ring")
    axe()
    dialog.get_by_role("button", name="Assign").tap()

    expect(page.locator("#tasks-panel")).to_contain_text("Ring")
    page.get_by_role("link", name="Lost…").tap()
    expect(dialog.get_by_label("Ring, due")).to_be_checked()
    dialog.get_by_label("Ring, due").uncheck()
    dialog.get_by_label("Reason").select_option(index=0)
    dialog.get_by_role("button", name="Close as lost").tap()
    expect(dialog.get_by_role("alert")).to_contain_text("A reason is needed.")
    expect(dialog.get_by_label("Ring, due")).not_to_be_checked()
    expect(dialog.get_by_label("Write, due")).to_be_checked()
    axe()


def test_menu_counts_anew_after_a_dialog(page, sign_in, seller, opportunity):
    TaskFactory(salesperson=seller.salesperson, opportunity=opportunity)
    CloseReasonFactory(outcome="LOST", description="Too expensive")
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    expect(page.locator("#tasks-due")).to_have_text(", 1 due")

    page.get_by_role("link", name="Lost…").click()
    page.get_by_role("dialog").get_by_label("Reason").select_option(label="Too expensive")
    page.get_by_role("dialog").get_by_role("button", name="Close as lost").click()

    expect(page.locator("#tasks-due")).to_have_text("")


def test_everything_works_without_a_script(new_context, base_url, client, seller, opportunity):
    client.force_login(seller)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base_url}])
    page = context.new_page()
    page.goto(f"{opportunity.get_absolute_url()}move/")
    page.get_by_label("Stage").select_option(label="Propose")
    page.get_by_role("button", name="Show what this stage offers").click()
    page.get_by_label("Description of “Meet”").fill("Meet Ann")
    page.get_by_role("button", name="Move to Propose").click()
    expect(page.get_by_text("1 task came with it.").first).to_be_visible()

    page.goto(f"{opportunity.get_absolute_url()}assign/")
    page.locator("#id_activity").select_option(label="Present it")
    page.get_by_role("button", name="Show its tasks").click()
    page.get_by_label("Make the task “Write”").uncheck()
    page.get_by_role("button", name="Assign", exact=True).click()

    expect(page.get_by_text("Added 1 task of “Present it”.").first).to_be_visible()
    assert sorted(Task.objects.values_list("description", flat=True)) == ["Call", "Meet Ann"]
