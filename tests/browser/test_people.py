"""Contacts, salespeople and teams as a person meets them: every screen, by keyboard, and without script."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from contacts.models import Contact
from salespeople.models import Role, Salesperson, Theme
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    user_with_role,
)

PASSWORD = "a long enough sentence"


@pytest.fixture
def manager(sign_in):
    return sign_in(user_with_role(Role.SALES_MANAGER, name="Mia Manager"))


@pytest.fixture
def seller(sign_in):
    return sign_in(user_with_role(Role.SALESPERSON, name="Sem Seller"))


@pytest.fixture
def world():
    """A company with a person, a team with a member, and an opportunity between them."""
    boss = SalespersonFactory(name="Bea Boss")
    salesperson = SalespersonFactory(
        name="Ann Peeters",
        team=TeamFactory(name="North", manager=boss),
        email="ann.peeters.with.a.long.address@north.example",
        phone="+3222222222",
        is_blocked=True,
    )
    company = CompanyFactory(
        name="Acme Belgium",
        salesperson=salesperson,
        email="information.about.everything@acme-belgium.example",
        website="https://www.acme-belgium.example/about/us/and/everything/else",
        address="Kaai 1",
        city="Gent",
        country="BE",
        is_privacy_blocked=False,
    )
    company.industry_groups.add(IndustryGroupFactory())
    PersonFactory(name="Cas Claes", company=company, email="cas@acme.example", is_privacy_blocked=True)
    OpportunityFactory(contact=company, salesperson=boss, started=True)
    return {"company": company, "salesperson": salesperson}


def suggestions(page):
    return page.locator("[data-options] [role=option]")


def test_sign_in_is_accessible_and_goes_on(page, axe, both_screens):
    user = UserFactory(role=Role.VIEWER, email="ann@example.com")
    user.set_password(PASSWORD)
    user.save()

    page.goto(reverse("contacts:list"))
    axe()
    page.get_by_label("E-mail address").fill("Ann@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    axe()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{page.url.split('/contacts')[0]}{reverse('contacts:list')}")


def test_person_is_added_to_a_company_by_keyboard(page, seller):
    CompanyFactory(name="Acme Belgium")
    wanted = CompanyFactory(name="Acme Holland", city="Breda")

    page.goto(f"{reverse('contacts:new')}?kind=PERSON")
    page.get_by_label("Last name").fill("Peeters")
    company = page.get_by_role("combobox", name="Company")
    company.press_sequentially("acme")
    expect(suggestions(page)).to_have_count(2)
    company.press("ArrowDown")
    company.press("ArrowDown")
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text("Acme Holland")
    company.press("Enter")
    expect(company).to_have_value(wanted.label)
    company.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Peeters")
    assert Contact.objects.persons().get().company == wanted


def test_suggestions_are_accessible_and_leave_by_escape(page, axe, seller):
    CompanyFactory(name="Acme Belgium")

    page.goto(f"{reverse('contacts:new')}?kind=PERSON")
    company = page.get_by_role("combobox", name="Company")
    company.press_sequentially("acm")
    expect(company).to_have_attribute("aria-expanded", "true")
    company.press("ArrowDown")
    axe()
    company.press("Escape")

    expect(suggestions(page)).not_to_be_visible()
    expect(company).to_have_attribute("aria-expanded", "false")
    expect(company).to_have_value("acm")


def test_suggestions_in_a_dialog_are_chosen_by_touch(page, seller, phone):
    wanted = CompanyFactory(name="Acme Belgium")

    page.goto(seller.own_salesperson.get_absolute_url())
    page.locator("main").get_by_role("link", name="New opportunity").click()
    contact = page.get_by_role("dialog").get_by_role("combobox", name="Contact")
    contact.press_sequentially("belg")
    page.get_by_role("option", name="Acme Belgium").tap()

    expect(contact).to_have_value(wanted.label)
    expect(contact).to_be_focused()
    contact.fill("acme")
    expect(suggestions(page)).to_have_count(1)
    contact.press("Escape")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_salesperson_is_made_in_a_dialog(page, axe, manager):
    page.goto(reverse("salespeople:list"))
    page.get_by_role("link", name="New salesperson").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Not saved yet")
    axe()
    dialog.get_by_label("Name").fill("Ann Peeters")
    dialog.get_by_label("Code").fill("ap")
    dialog.get_by_role("button", name="Save").click()

    expect(page.locator("#main h1")).to_have_text("Ann Peeters")
    expect(dialog).not_to_be_visible()
    assert Salesperson.objects.get().code == "AP"


def test_salesperson_in_use_stays(page, manager, world):
    page.goto(world["salesperson"].get_absolute_url())
    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")

    expect(dialog).to_contain_text("1 contact")
    expect(dialog).to_contain_text("Block them instead")
    dialog.get_by_role("link", name="Back").click()
    expect(dialog).not_to_be_visible()


def test_theme_is_chosen_in_the_menu(page, seller):
    page.goto(reverse("contacts:list"))
    page.get_by_role("button", name="Menu of Sem Seller").click()
    page.get_by_role("button", name="Dark").click()

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    seller.refresh_from_db()
    assert seller.theme == Theme.DARK


def test_contacts_work_without_script(new_context, world):
    user = user_with_role(Role.SALES_MANAGER)
    user.set_password(PASSWORD)
    user.save()
    page = new_context(java_script_enabled=False).new_page()

    page.goto(reverse("contacts:list"))
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#main").get_by_label("Search").first.fill("acme")
    page.locator("#main").get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Acme Belgium").first.click()
    page.get_by_role("link", name="Show the opportunities").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Acme Belgium")
    page.goto(f"{reverse('contacts:new')}?kind=PERSON")
    page.get_by_label("Last name").fill("Peeters")
    page.get_by_label("Company").fill("acme")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Peeters")
    assert Contact.objects.get(last_name="Peeters").company == world["company"]
