"""Tasks as a person meets them: the list by key and by tap, the dialog, the calendar, the card, and without script."""

from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from activities.models import Interaction, Task
from crm.dates import today
from salespeople.models import Role
from tests.factories import CompanyFactory, OpportunityFactory, TaskFactory, cycle_with_stages, user_with_role

LIST = reverse("opportunities:tasks")


@pytest.fixture
def seller(sign_in):
    return sign_in(user_with_role(Role.SALESPERSON, name="Sofie Claes"))


@pytest.fixture
def tasks(seller):
    """Three that are open, the first of them late."""
    company = CompanyFactory(name="Acme Logistics NV")
    return [
        TaskFactory(
            description=description,
            due_on=today() + timedelta(days=days),
            salesperson=seller.salesperson,
            contact=company,
        )
        for description, days in [("Call Ann", -2), ("Send the drawings", 0), ("Visit the site", 3)]
    ]


@pytest.fixture
def opportunity(seller):
    return OpportunityFactory(
        description="Warehouse automation",
        salesperson=seller.salesperson,
        by=seller,
        cycle=cycle_with_stages("Qualify", "Present"),
        started=True,
    )


def row(page, name):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name))


def test_keys_go_through_the_list(page, tasks, axe):
    page.goto(LIST)
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Call Ann")).to_be_focused()

    page.keyboard.press("d")

    expect(row(page, "Call Ann").get_by_role("button", name="Undo")).to_be_visible()
    expect(page.get_by_role("link", name="Call Ann")).to_be_focused()
    expect(page.locator("#announce")).to_contain_text("Done: Call Ann.")
    assert Task.objects.get(pk=tasks[0].pk).status == "DONE"

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Send the drawings")).to_be_visible()
    axe()
    page.keyboard.type("Sent them by mail.")
    dialog.get_by_role("button", name="Done").press("Enter")

    message = page.locator(".message").filter(has_text="Done: Send the drawings.")
    expect(message).to_be_visible()
    assert Interaction.objects.get().text == "Sent them by mail."
    message.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Open again: Send the drawings.").first).to_be_visible()
    assert Task.objects.get(pk=tasks[1].pk).is_open


def test_taps_do_one_and_many(page, both_screens, tasks):
    page.goto(LIST)
    row(page, "Call Ann").get_by_role("button", name="Done: Call Ann").click()
    row(page, "Call Ann").get_by_role("button", name="Undo").click()
    expect(row(page, "Call Ann").get_by_role("button", name="Done: Call Ann")).to_be_visible()

    for name in ("Call Ann", "Visit the site"):
        row(page, name).get_by_role("checkbox").check()
    expect(page.get_by_role("status").filter(has_text="Chosen: 2")).to_be_visible()
    page.get_by_role("button", name="Postpone…").click()
    page.get_by_label("To").fill((today() + timedelta(days=20)).isoformat())
    page.get_by_role("button", name="Postpone 2 tasks").click()

    expect(page.get_by_text("2 tasks were changed.").first).to_be_visible()
    page.get_by_role("link", name="Back to the tasks").click()
    expect(row(page, "Call Ann")).to_contain_text("in 20 days")
    expect(page.get_by_text("Chosen:")).to_be_hidden()


def test_day_of_the_calendar_takes_a_new_task(page, seller, opportunity, tasks, axe):
    page.goto(reverse("opportunities:task-month"))
    page.keyboard.press("]")
    page.wait_for_url("**on=*")
    day = page.locator(".day:not(.outside)").nth(14)
    day.click(position={"x": 30, "y": 80})

    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is to be done").fill("Meet the board")
    dialog.get_by_label("Opportunity").fill("wareh")
    dialog.get_by_role("option", name="Warehouse automation").click()
    dialog.get_by_label("Repeats after").fill("1M")
    expect(dialog.get_by_text("Then due")).to_be_visible()
    axe()
    dialog.get_by_role("button", name="Add").click()

    expect(day.get_by_role("link", name="Meet the board")).to_be_visible()
    task = Task.objects.get(description="Meet the board")
    assert (task.opportunity, task.due_on.day, task.repeats) == (opportunity, 15, "1M")


def test_card_on_an_opportunity(page, both_screens, opportunity, axe):
    TaskFactory(description="Ring them up", opportunity=opportunity, salesperson=opportunity.salesperson)
    page.goto(opportunity.get_absolute_url())
    card = page.get_by_role("region", name="Tasks")

    card.get_by_role("link", name="Add a task").click()
    page.get_by_role("dialog").get_by_label("What is to be done").fill("Send the offer")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(card.get_by_role("link", name="Send the offer")).to_be_visible()

    card.get_by_role("button", name="Done: Ring them up").click()
    expect(card.get_by_role("button", name="Done: Ring them up")).to_have_count(0)
    expect(page.locator("#announce")).to_contain_text("Done: Ring them up.")
    card.locator("summary").click()
    expect(card.get_by_text("done today")).to_be_visible()
    axe()


def test_a_dialog_opened_while_the_page_is_drawn_anew_stays(page, opportunity):
    TaskFactory(description="Ring them up", opportunity=opportunity, salesperson=opportunity.salesperson)
    page.goto(opportunity.get_absolute_url())
    held = []  # the page as it is after Done is slow to come
    page.route(f"**{opportunity.get_absolute_url()}", lambda route: held.append(route), times=1)
    step = page.get_by_role("region", name="Next step")
    step.get_by_role("button", name="Done").click()
    expect(step.get_by_role("button", name="Done")).to_have_count(0)

    page.get_by_role("region", name="Tasks").get_by_role("link", name="Add a task").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is to be done").fill("Send the offer")
    held.pop().continue_()

    expect(page.locator(".message")).to_contain_text("Done: Ring them up.")
    expect(dialog.get_by_label("What is to be done")).to_have_value("Send the offer")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".message")).to_contain_text("Added “Send the offer”")


def test_all_of_it_without_script(new_context, base_url, seller, tasks, context):
    plain = new_context(java_script_enabled=False)
    plain.add_cookies(context.cookies())
    page = plain.new_page()
    page.goto(base_url + LIST)

    row(page, "Call Ann").get_by_role("button", name="Done: Call Ann").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Open again: Call Ann.").first).to_be_visible()

    page.get_by_role("link", name="Call Ann").click()
    page.get_by_role("button", name="Tomorrow").click()
    expect(page.get_by_text("Postponed to").first).to_be_visible()
    assert Task.objects.get(pk=tasks[0].pk).due_on == today() + timedelta(days=1)

    page.get_by_role("link", name="New task").click()
    page.get_by_label("What is to be done").fill("Write it down")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Added “Write it down”, due today.").first).to_be_visible()
