"""The page of an opportunity in the browser: timeline, notes, people and the heading, by mouse, touch and keyboard."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import expect

from activities.models import Interaction
from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    InteractionFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
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
    SalespersonFactory(user=user, name="Tom Maes", team=seller.salesperson.team)
    return user


@pytest.fixture
def company(seller):
    return CompanyFactory(name="Acme Logistics NV", salesperson=seller.salesperson, phone="+3292334455")


@pytest.fixture
def ann(company):
    return PersonFactory(first_name="Ann", last_name="Peeters", company=company, email="ann@acme.example")


@pytest.fixture
def opportunity(seller, company):
    cycle = cycle_with_stages("Qualify", "Present", "Demo", "Propose", "Negotiate", is_default=True)
    cycle.stages.filter(description="Present").update(allows_skip=True)
    begun = today() - timedelta(days=16)
    thing = OpportunityFactory(
        description="Warehouse automation",
        salesperson=seller.salesperson,
        cycle=cycle,
        contact=company,
        by=seller,
        on=begun,
        started=True,
    )
    operations.move(
        opportunity=thing,
        to=cycle.stages.get(description="Demo"),
        by=seller,
        on=begun + timedelta(days=7),
        note="They want to see it at work.",
    )
    return thing


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def small_targets(page):
    """What one taps on that is less than 44 px high or wide, outside of running text."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main :is(a, button, input, select, textarea)")]
          .filter((e) => e.checkVisibility() && e.type !== "hidden" && !e.closest(".note, .lead-line, .visually-hidden"))
          .map((e) => [e.outerHTML.slice(0, 90), e.closest(".path li") ?? e])
          .map(([html, e]) => [html, e.getBoundingClientRect()])
          .filter(([, box]) => box.height < 43.5 || box.width < 24)
          .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
    )


def test_whole_page_is_in_order(page, both_screens, sign_in, axe, seller, opportunity, ann):
    for days, kind in enumerate(["CALL", "MEETING", "EMAIL", "NOTE"]):
        InteractionFactory(
            kind=kind,
            opportunity=opportunity,
            contact=None,
            recorded_by=seller,
            text="Long story. " * 80,
            happened_on=today() - timedelta(days=days),
        )
    OpportunityContactFactory(opportunity=opportunity, contact=ann, role="DECISION_MAKER")
    TaskFactory(opportunity=opportunity, salesperson=seller.salesperson)
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    expect(page.locator(".htmx-request")).to_have_count(0)

    axe()
    assert overflow(page) <= 0
    if "phone" in both_screens:
        assert small_targets(page) == []

    page.get_by_label("What was said or noted").fill("Half a")
    axe()
    page.get_by_role("link", name="Edit the description").click()
    expect(page.get_by_role("textbox", name="Description")).to_be_focused()
    axe()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Normal priority").click()
    expect(page.get_by_role("button", name="High")).to_be_visible()
    axe()
    assert overflow(page) <= 0


def test_pages_about_somebody_involved_are_in_order(
    page, both_screens, sign_in, axe, seller, opportunity, ann
):
    OpportunityContactFactory(opportunity=opportunity, contact=ann)
    sign_in(seller)

    for name in ("person-role", "person-remove"):
        page.goto(reverse(f"opportunities:{name}", args=[opportunity.pk, ann.pk]))
        axe()
        assert overflow(page) <= 0


def test_note_by_mouse_or_touch(page, both_screens, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.get_by_label("What was said or noted").click()
    page.get_by_label("What was said or noted").fill(
        "Spoke to Ann\nabout <the> visit: https://example.com/plan"
    )
    page.get_by_role("radio", name="Call").check()
    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()

    line = page.locator("#timeline li").first
    expect(line).to_contain_text("Call")
    expect(line).to_contain_text("about <the> visit")
    expect(line.get_by_role("link", name="https://example.com/plan")).to_be_visible()
    expect(line).to_be_focused()
    expect(page.locator("#announce")).to_have_text("Added to the history.")
    expect(page.get_by_label("What was said or noted")).to_have_value("")


def test_keyboard_alone_notes_edits_and_deletes(page, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("c")
    expect(page.get_by_label("What was said or noted")).to_be_focused()
    page.keyboard.type("A first word")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Meeting")).to_be_focused()
    for _ in ("text", "day", "month", "year", "calendar", "files", "button"):
        page.keyboard.press("Tab")
    expect(page.locator("#timeline").get_by_role("button", name="Add", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    line = page.locator("#timeline li").first
    expect(line).to_be_focused()
    expect(line).to_contain_text("Meeting")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What was said or noted")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(", and a second")
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(page.locator("#timeline li").first).to_contain_text("A first word, and a second")
    expect(page.locator("#timeline li").first).to_contain_text("edited")

    page.get_by_role("link", name=re.compile("^Delete: Meeting")).press("Enter")
    expect(dialog).to_contain_text("“A first word, and a second” is gone for good.")
    dialog.get_by_role("button", name="Delete").press("Enter")
    expect(page.locator("main")).to_contain_text("Deleted.")
    assert not Interaction.objects.exists()


def test_control_and_enter_sends_a_note(page, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.get_by_label("What was said or noted").fill("Quick")
    page.keyboard.press("Control+Enter")

    expect(page.locator("#timeline li").first).to_contain_text("Quick")


def test_note_refused_keeps_what_was_typed_and_says_where(
    page, both_screens, sign_in, seller, opportunity, axe
):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.get_by_label("What was said or noted").fill("From the future")
    page.get_by_label("Day").fill((today() + timedelta(days=3)).isoformat())
    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()

    expect(page.locator("#timeline")).to_contain_text(
        "That day has not come yet. Choose today or an earlier one."
    )
    expect(page.get_by_label("Day")).to_be_focused()
    expect(page.get_by_label("What was said or noted")).to_have_value("From the future")
    axe()
    page.get_by_label("Day").fill(today().isoformat())
    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#timeline li").first).to_contain_text("From the future")


def test_note_is_still_there_after_the_session_ended(page, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_label("What was said or noted").fill("Hours of work")
    page.get_by_role("radio", name="Meeting").check()
    page.get_by_label("Add files").set_input_files({"name": "a.pdf", "mimeType": "x/y", "buffer": b"%PDF"})
    Session.objects.all().delete()

    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    expect(page.get_by_label("What was said or noted")).to_have_value("Hours of work")
    expect(page.get_by_role("radio", name="Meeting")).to_be_checked()
    expect(page.locator("#timeline").get_by_role("alert")).to_have_text(
        "These files were not sent. Choose them again: a.pdf"
    )
    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#timeline li").first).to_contain_text("Hours of work")


def test_note_stays_in_the_field_when_nothing_answers(page, context, problems, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_label("What was said or noted").fill("On the train")
    context.set_offline(True)

    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()

    expect(page.locator("#timeline").get_by_role("alert")).to_contain_text("The server did not answer")
    expect(page.get_by_label("What was said or noted")).to_have_value("On the train")
    context.set_offline(False)
    problems.clear()  # the browser says that it is offline
    page.locator("#timeline").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#timeline li").first).to_contain_text("On the train")


def test_filters_are_links_with_an_address(page, both_screens, sign_in, seller, opportunity):
    InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller, text="Likes blue")
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    timeline = page.locator("#timeline")

    timeline.get_by_role("link", name="Notes").click()
    expect(timeline.locator("li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?show=NOTES$"))
    expect(timeline.get_by_role("link", name="Notes")).to_be_focused()
    expect(timeline.get_by_role("link", name="Notes")).to_have_attribute("aria-current", "true")

    timeline.get_by_role("link", name="Stages").click()
    expect(timeline.locator("li")).to_have_count(3)
    page.go_back()
    expect(timeline.locator("li")).to_have_count(1)
    page.reload()
    expect(timeline.locator("li")).to_have_count(1)


def test_older_lines_follow_in_place(page, sign_in, seller, opportunity):
    for days in range(50):
        InteractionFactory(
            opportunity=opportunity,
            contact=None,
            recorded_by=seller,
            text=f"Note {days}",
            happened_on=today() - timedelta(days=days // 10),
        )
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    lines = page.locator("#timeline li:not(.older)")
    expect(lines).to_have_count(20)

    page.get_by_role("link", name="Older").press("Enter")
    expect(lines).to_have_count(40)
    expect(lines.nth(20)).to_be_focused()
    page.get_by_role("link", name="Older").click()
    expect(lines).to_have_count(53)
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    texts = page.locator("#timeline li .note").all_inner_texts()
    assert len(set(texts)) == len(texts) == 51


def test_heading_by_keyboard(page, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    heading = page.locator("#title h1")

    page.keyboard.press("e")
    expect(page.get_by_role("textbox", name="Description")).to_be_focused()
    page.keyboard.type("Typed over")
    page.keyboard.press("Escape")
    expect(heading).to_have_text("Warehouse automation")
    expect(page.get_by_role("link", name="Edit the description")).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Description")).to_be_focused()
    page.keyboard.type("Warehouse, phase 2")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Warehouse, phase 2")
    expect(page).to_have_title("Warehouse, phase 2 · Kansen")
    expect(page.locator("#announce")).to_have_text("Saved.")
    expect(page.get_by_role("link", name="Edit the description")).to_be_focused()
    assert Opportunity.objects.get().description == "Warehouse, phase 2"


def test_heading_that_somebody_else_changed(page, both_screens, sign_in, seller, manager, opportunity, axe):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    page.get_by_role("link", name="Edit the description").click()
    page.get_by_role("textbox", name="Description").fill("Mine")
    operations.describe(opportunity=opportunity, description="By the manager", by=manager)

    page.get_by_role("button", name="Save").click()

    expect(page.locator("#title")).to_contain_text(
        "The description was changed to “By the manager” meanwhile."
    )
    expect(page.get_by_role("textbox", name="Description")).to_have_value("Mine")
    expect(page.get_by_role("textbox", name="Description")).to_be_focused()
    axe()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#title h1")).to_have_text("Mine")


def test_priority_by_mouse_and_keyboard(page, both_screens, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.get_by_role("button", name="Normal priority").click()
    page.get_by_role("button", name="High").click()
    pill = page.get_by_role("button", name="High priority")
    expect(pill).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Low")).to_be_focused()
    page.keyboard.press("Escape")
    expect(pill).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Low priority")).to_be_focused()
    assert Opportunity.objects.get().priority == "LOW"


def test_stage_on_the_path_opens_the_move(page, both_screens, sign_in, seller, opportunity):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    here = page.locator(".path .now")
    expect(here).to_be_in_viewport(ratio=0.9)
    expect(here).to_contain_text("9 days so far")

    page.locator(".path").get_by_role("link", name="Propose").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Move to Propose")
    dialog.get_by_role("button", name="Move to Propose").click()

    expect(page.locator(".path .now")).to_contain_text("Propose")
    expect(page.locator(".path .now")).to_be_in_viewport(ratio=0.9)
    expect(page.locator("#timeline li").first).to_contain_text("Moved to Propose")


def test_people_are_added_changed_and_removed(page, both_screens, sign_in, seller, opportunity, ann, axe):
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    card = page.locator(".people")
    dialog = page.get_by_role("dialog")

    page.get_by_role("link", name="Add somebody involved").click()
    dialog.get_by_label("Contact").fill("Ann")
    dialog.get_by_role("option", name="Ann Peeters").click()
    dialog.get_by_label("Role").select_option("Decision maker")
    axe()
    dialog.get_by_role("button", name="Add").click()
    expect(card).to_contain_text("Ann Peeters")
    expect(card).to_contain_text("Decision maker")

    page.get_by_role("link", name="Change the role of Ann Peeters").click()
    dialog.get_by_label("Role").select_option("Influencer")
    dialog.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("Influencer")

    page.get_by_role("link", name="Remove Ann Peeters").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator("main")).to_contain_text("Ann Peeters is not involved any more.")
    expect(card).not_to_contain_text("Ann Peeters")


def test_what_is_typed_while_a_dialog_opens_is_looked_up(page, sign_in, seller, opportunity, ann):
    """Somebody who types ahead is faster than the script that is called after the dialog has come."""
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    expect(page.locator(".htmx-request")).to_have_count(0)  # the card of tasks has come
    page.evaluate("""
        () => document.body.addEventListener("htmx:afterSwap", () => queueMicrotask(() => {
            const field = document.querySelector("#dialog [data-picker]");
            field.value = "Ann";
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }), { once: true })
    """)

    page.get_by_role("link", name="Add somebody involved").click()

    expect(page.get_by_role("dialog").get_by_role("option", name="Ann Peeters")).to_be_visible()


def test_somebody_who_cannot_be_involved_is_explained(page, sign_in, seller, opportunity, company, ann):
    OpportunityContactFactory(opportunity=opportunity, contact=ann, role="USER")
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())

    page.keyboard.press("p")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Contact")).to_be_focused()
    dialog.get_by_label("Contact").fill(ann.number)
    dialog.get_by_label("Role").select_option("Partner")
    dialog.get_by_role("button", name="Add").click()

    expect(dialog.get_by_role("alert").first).to_contain_text("Ann Peeters is involved already, as User.")
    expect(dialog.get_by_label("Role")).to_have_value("PARTNER")


def test_contact_page_has_the_timeline(page, both_screens, sign_in, seller, opportunity, company, ann, axe):
    InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller, text="About the warehouse")
    OpportunityContactFactory(contact=ann, opportunity=opportunity, role="DECISION_MAKER")
    sign_in(seller)
    page.goto(company.get_absolute_url())

    timeline = page.locator("#timeline")
    expect(timeline).to_contain_text("About the warehouse")
    expect(timeline.get_by_role("link", name="Warehouse automation")).to_be_visible()
    timeline.get_by_label("What was said or noted").fill("New address from May")
    timeline.get_by_role("button", name="Add", exact=True).click()
    expect(timeline.locator("li").first).to_contain_text("New address from May")
    axe()
    assert overflow(page) <= 0

    page.get_by_role("link", name=re.compile("^Edit: Note")).first.click()
    page.get_by_role("dialog").get_by_label("What was said or noted").fill("New address from June")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(company.get_absolute_url()))
    expect(timeline).to_contain_text("New address from June")

    page.goto(ann.get_absolute_url())
    expect(page.locator("#contact-opportunities")).to_contain_text("as Decision maker")
    expect(timeline).to_contain_text("About the warehouse")


def test_viewer_reads_and_has_no_button(page, both_screens, sign_in, opportunity, seller, ann, axe):
    InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller, text="Likes blue")
    OpportunityContactFactory(opportunity=opportunity, contact=ann)
    sign_in(user_with_role(Role.VIEWER))
    page.goto(opportunity.get_absolute_url())

    main = page.locator("main")
    expect(main).to_contain_text("Likes blue")
    expect(main).to_contain_text("Ann Peeters")
    expect(main.get_by_role("button")).to_have_count(0)
    expect(main.get_by_role("textbox")).to_have_count(0)
    axe()


def test_everything_works_without_javascript(new_context, base_url, seller, opportunity, ann, client):
    client.force_login(seller)
    context = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = context.new_page()
    page.goto(opportunity.get_absolute_url())

    page.get_by_label("What was said or noted").fill("By hand")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#timeline li").first).to_contain_text("By hand")
    page.get_by_role("link", name="Notes").click()
    expect(page.locator("#timeline li")).to_have_count(1)
    page.get_by_role("link", name=re.compile("^Edit: Note")).click()
    page.get_by_label("What was said or noted").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Write a few words.")
    page.get_by_label("What was said or noted").fill("By two hands")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#timeline li").first).to_contain_text("By two hands")
    page.get_by_role("link", name=re.compile("^Delete: Note")).click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#timeline")).to_contain_text("Nothing here yet.")

    page.get_by_role("link", name="Edit the description").click()
    page.get_by_role("textbox", name="Description").fill("Warehouse, phase 2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#title h1")).to_have_text("Warehouse, phase 2")
    page.get_by_role("button", name="Normal priority").click()
    page.get_by_role("button", name="High").click()
    expect(page.get_by_role("button", name="High priority")).to_be_visible()

    page.get_by_role("link", name="Add somebody involved").click()
    page.get_by_role("combobox", name="Contact").fill("Ann Peeters")
    page.get_by_label("Role").select_option("User")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".people")).to_contain_text("Ann Peeters")

    page.goto(ann.get_absolute_url())
    page.get_by_role("link", name="Show the notes and calls").click()
    page.get_by_label("What was said or noted").fill("Works on Mondays")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("main")).to_contain_text("Added to the history.")
