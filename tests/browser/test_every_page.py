"""Every page at 1360 and 360 px, light and dark: axe finds nothing, nothing runs off the side, no complaint."""

from datetime import date

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from crm.dates import today
from opportunities import operations
from opportunities.models import BatchStatus, ItemRule, ItemState
from salespeople.models import Role
from tests.factories import (
    ActivityStepFactory,
    AttachmentFactory,
    BatchFactory,
    BatchItemFactory,
    CloseReasonFactory,
    CompanyFactory,
    EmailFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    SavedViewFactory,
    TaskFactory,
    TeamFactory,
    cycle_with_stages,
    lost_opportunity,
    user_with_role,
    won_opportunity,
)


@pytest.fixture
def world():
    """A small company with something of everything, seen by its sales manager."""
    user = user_with_role(Role.SALES_MANAGER, name="Tom Maes")
    team = TeamFactory(name="Benelux")
    person = SalespersonFactory(user=user, name="Tom Maes", team=team, phone="+3292334455")
    company = CompanyFactory(name="Acme Logistics NV", city="Gent", salesperson=person)
    shared = {"salesperson": person, "contact": company, "by": user}
    cycle = cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    step = ActivityStepFactory(position=1, kind="CALL", description="Call to find out more", due_in="1W")
    cycle.stages.update(activity=step.activity)
    CloseReasonFactory(outcome="WON")
    checked, done = batches_of_two(user, won_opportunity(cycle=cycle, **shared))
    email = EmailFactory(reason="No contact has one of its addresses.", recipients="sofie@kansen.example")
    AttachmentFactory(email=email, interaction=None)
    return {
        "email": email,
        "view": SavedViewFactory(owner=user, name="Large ones"),
        "checked": checked,
        "done": done,
        "user": user,
        "team": team,
        "salesperson": person,
        "company": company,
        "person": PersonFactory(company=company, email="ann@acme.example"),
        "cycle": cycle,
        "activity": step.activity,
        "reason": CloseReasonFactory(outcome="LOST", description="Too expensive"),
        "new": OpportunityFactory(cycle=cycle, **shared),
        "open": OpportunityFactory(cycle=cycle, started=True, description="Warehouse automation", **shared),
        "won": won_opportunity(cycle=cycle, **shared),
        "lost": lost_opportunity(cycle=cycle, **shared),
        "task": TaskFactory(salesperson=person, contact=company, repeats="1W", series_began_on=today()),
        "late": TaskFactory(for_team=True, team=team, due_on=date(2026, 1, 5), priority="HIGH"),
        "over": TaskFactory(salesperson=person, contact=company, closed=True),
        "note": AttachmentFactory(
            interaction=InteractionFactory(contact=company, recorded_by=user, text="A long story. " * 100)
        ).interaction,
    }


def batches_of_two(user, won):
    """A change of many that waits for a yes, and one that is over, each with one that is left alone."""
    reason = CloseReasonFactory(outcome="LOST")
    for status in (BatchStatus.CHECKED, BatchStatus.DONE):
        batch = BatchFactory(action="LOSE", salesperson=None, reason=reason, made_by=user, status=status)
        BatchItemFactory(batch=batch, state=ItemState.READY)
        BatchItemFactory(
            batch=batch, opportunity=won, state=ItemState.UNFIT, rule=ItemRule.CLOSED, message="It was won."
        )
        yield batch


PAGES = [
    ("opportunities:today", None),
    ("opportunities:list", None),
    ("opportunities:search", None),
    ("opportunities:new", None),
    ("opportunities:export", None),
    ("opportunities:view-list", None),
    ("opportunities:view-new", None),
    ("opportunities:view-edit", "view"),
    ("opportunities:view-delete", "view"),
    ("opportunities:board", None),
    ("opportunities:board-menu", "open"),
    *[("opportunities:detail", state) for state in ("new", "open", "won", "lost")],
    *[(f"opportunities:{name}", "open") for name in ("move", "revise", "close", "undo", "reassign", "edit")],
    ("opportunities:start", "new"),
    ("opportunities:reopen", "lost"),
    ("opportunities:delete", "won"),
    ("opportunities:for-contact", "company"),
    ("opportunities:contact-timeline", "company"),
    ("opportunities:contact-note-new", "company"),
    ("opportunities:note-new", "open"),
    ("opportunities:note", "note"),
    ("opportunities:note-edit", "note"),
    ("opportunities:note-delete", "note"),
    ("opportunities:person-new", "open"),
    ("opportunities:for-salesperson", "salesperson"),
    ("opportunities:batches", None),
    *[("opportunities:batch", state) for state in ("checked", "done")],
    ("opportunities:emails", None),
    ("opportunities:emails-set-aside", None),
    ("opportunities:email-place", "email"),
    ("opportunities:email-set-aside", "email"),
    *[(f"opportunities:{name}", None) for name in ("tasks", "task-new", "task-week", "task-month")],
    ("opportunities:task", "task"),
    ("opportunities:task", "over"),
    *[
        (f"opportunities:task-{act}", "task")
        for act in ("edit", "complete", "cancel", "postpone", "reassign")
    ],
    ("opportunities:tasks-for-contact", "company"),
    ("opportunities:reason-list", None),
    ("opportunities:reason-new", None),
    ("opportunities:reason-edit", "reason"),
    ("opportunities:reason-delete", "reason"),
    ("contacts:list", None),
    ("contacts:new", None),
    ("contacts:detail", "company"),
    ("contacts:detail", "person"),
    ("contacts:edit", "company"),
    ("contacts:edit", "person"),
    ("contacts:delete", "company"),
    ("contacts:merge", "company"),
    ("salespeople:list", None),
    ("salespeople:new", None),
    ("salespeople:detail", "salesperson"),
    ("salespeople:edit", "salesperson"),
    ("salespeople:delete", "salesperson"),
    ("salespeople:team-list", None),
    ("salespeople:team-new", None),
    ("salespeople:team-edit", "team"),
    ("salespeople:team-delete", "team"),
    ("salespeople:preferences", None),
    ("activities:calendar", None),
    ("activities:list", None),
    ("activities:new", None),
    ("activities:edit", "activity"),
    ("activities:delete", "activity"),
    ("opportunities:assign-opportunity", "open"),
    ("opportunities:assign-contact", "company"),
    ("opportunities:assign-salesperson", "salesperson"),
    ("password-change", None),
    ("salescycles:list", None),
    ("salescycles:new", None),
    ("salescycles:detail", "cycle"),
    ("salescycles:edit", "cycle"),
    ("salescycles:delete", "cycle"),
]
ADMIN_PAGES = [
    ("admin:index", None),
    ("admin:opportunities_opportunity_changelist", None),
    ("admin:opportunities_opportunity_change", "open"),
    ("admin:contacts_contact_change", "company"),
    ("admin:salescycles_salescycle_change", "cycle"),
    ("admin:salespeople_user_changelist", None),
]


def other_theme(page, screen):
    """Show the page in the theme that this screen does not have, until the next page is opened."""
    page.evaluate(
        "theme => document.documentElement.setAttribute('data-bs-theme', theme)",
        "light" if "dark" in screen else "dark",
    )


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_every_page_is_in_order(page, both_screens, sign_in, world, axe):
    sign_in(world["user"])

    for name, key in PAGES:
        page.goto(reverse(name, args=[world[key].pk] if key else []))
        expect(page.locator(".htmx-request")).to_have_count(0)  # its panels have come
        axe()
        assert overflow(page) <= 0, f"{name} runs off the side"
        other_theme(page, both_screens)
        axe(options={"runOnly": ["color-contrast"]})  # all that the theme changes are the colours


def test_the_admin_is_in_order(page, sign_in, world, axe):
    sign_in(world["user"])
    # The law, WCAG 2.1 AA; axe's advice beyond it meets Django's own markup, as do its help icons and its
    # Select2 fields, which give their parts no name.
    by_law = {
        "preload": False,
        "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
        "rules": {"aria-prohibited-attr": {"enabled": False}},
    }

    for name, key in ADMIN_PAGES:
        page.goto(reverse(name, args=[world[key].pk] if key else []))
        axe(options=by_law, context={"exclude": [[".select2"]]})


def test_dialogs_and_menus_are_in_order(page, every_screen, sign_in, world, axe):
    sign_in(world["user"])
    page.goto(world["open"].get_absolute_url())

    for name in ("Move to Present", "Won…", "Reassign…", "Add somebody involved"):
        page.locator(".actions, .card-k").get_by_role("link", name=name).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").or_(
            page.get_by_role("dialog").get_by_role("link", name="Cancel")
        ).wait_for()
        expect(page.locator(".htmx-request")).to_have_count(0)
        axe()
        page.keyboard.press("Escape")


def test_sign_in_and_errors_are_in_order(page, every_screen, sign_in, axe, world):
    page.goto(reverse("sign-in"))
    axe()

    sign_in(user_with_role(Role.VIEWER))
    for path, heading in [
        (reverse("opportunities:detail", args=[424242]), "404"),
        (reverse("opportunities:new"), "403"),
    ]:
        page.goto(path)
        assert heading in page.locator("main").inner_text()
        axe()
        assert overflow(page) <= 0


def test_empty_lists_teach(page, every_screen, sign_in, axe):
    sign_in(user_with_role(Role.SALES_MANAGER))

    for name in ("opportunities:list", "contacts:list", "salescycles:list", "salespeople:list"):
        page.goto(reverse(name))
        axe()
        assert overflow(page) <= 0


def test_moved_first_page_is_in_order(page, sign_in, world, axe):
    won, user = world["won"], world["user"]
    sign_in(user)
    page.goto(reverse("opportunities:delete", args=[won.pk]))
    operations.reopen(opportunity=won, note="again", by=user, on=won.changed_on)
    operations.undo(opportunity=won, note="no", by=user, on=won.changed_on)

    page.get_by_role("button", name="Delete").click()

    page.get_by_role("heading", name="Somebody moved this first").wait_for()
    axe()
