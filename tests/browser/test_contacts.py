"""Duplicates and merging as a person meets them: by mouse, touch and keyboard, and without script."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from contacts.models import Contact
from contacts.operations import merge
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    user_with_role,
)

PASSWORD = "a long enough sentence"


@pytest.fixture
def seller(sign_in):
    return sign_in(user_with_role(Role.SALESPERSON, name="Sem Seller"))


@pytest.fixture
def pair():
    """A company that is twice in here, with something of everything."""
    kept = CompanyFactory(
        name="Acme Logistics NV",
        address="Kaai 1",
        postcode="9000",
        city="Gent",
        country="BE",
        phone="+3292334455",
    )
    merged = CompanyFactory(
        name="Acme Logistics",
        email="information.about.everything@acme-logistics.example",
        address="Grote Markt 12",
        postcode="2000",
        city="Antwerpen",
        country="BE",
        phone="+3292334455",
        vat_number="BE0123456749",
    )
    for contact, group in [(kept, "Transport"), (merged, "Warehouses")]:
        contact.industry_groups.add(IndustryGroupFactory(description=group))
    person = PersonFactory(name="Ann Peeters", company=merged)
    OpportunityFactory(contact=person, started=True)
    InteractionFactory(contact=merged)
    return kept, merged


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def compare_url(kept, merged):
    return reverse("contacts:merge-with", args=[kept.pk, merged.pk])


def test_pages_are_accessible_and_fit_both_screens(page, axe, seller, pair, both_screens):
    kept, merged = pair
    done = merge(kept=kept, merged=CompanyFactory(name="Acme"), chosen={}, by=seller)

    for path in [
        reverse("contacts:merge", args=[kept.pk]),
        f"{reverse('contacts:merge', args=[kept.pk])}?other=nobody",
        compare_url(kept, merged),
        compare_url(kept, PersonFactory()),
        reverse("contacts:unmerge", args=[kept.pk, done.pk]),
        kept.get_absolute_url(),
    ]:
        page.goto(path)
        expect(page.locator(".htmx-request")).to_have_count(0)
        axe()
        assert fits(page), f"{path} is wider than the screen"


def test_the_warning_is_accessible_on_both_screens(page, axe, seller, pair, both_screens):
    page.goto(reverse("contacts:new"))
    page.get_by_label("Name", exact=False).first.fill("Acme Logistic")

    expect(page.locator(".may-be-same")).to_contain_text("Acme Logistics NV")
    axe()
    assert fits(page)


def test_a_duplicate_is_seen_while_typing_and_saved_beside_by_keyboard(page, seller, pair):
    page.goto(reverse("contacts:new"))
    page.get_by_label("VAT number").press_sequentially("BE 0123.456.749")
    warning = page.locator(".may-be-same")
    expect(warning).to_contain_text("same VAT number")
    page.get_by_label("Name", exact=False).first.fill("Something Else")
    page.get_by_label("Name", exact=False).first.press("Enter")
    expect(page.locator(".may-be-same[role=alert]")).to_contain_text("Not saved yet")

    another = page.get_by_label("It is another one")
    another.focus()
    page.keyboard.press("Space")
    expect(another).to_be_checked()
    expect(another).to_be_focused()
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(another).to_be_checked()
    expect(another).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Something Else")


def test_the_warning_goes_when_it_is_corrected(page, seller, pair):
    page.goto(reverse("contacts:new"))
    name = page.get_by_label("Name", exact=False).first
    name.fill("Acme Logistics")
    expect(page.locator(".may-be-same")).to_be_visible()

    name.fill("Umbrella")

    expect(page.locator(".may-be-same")).to_have_count(0)


def test_two_contacts_are_merged_by_mouse_and_brought_back(page, seller, pair):
    kept, merged = pair
    page.goto(kept.get_absolute_url())
    page.get_by_role("link", name="Merge with…").click()
    page.get_by_role("link", name=f"Compare {merged.label}").click()
    page.get_by_role("group", name="Address").get_by_text("Grote Markt 12").click()
    expect(page.get_by_role("group", name="Name").get_by_role("radio").first).to_be_checked()
    page.get_by_role("button", name=f"Merge into {kept.number}").click()

    expect(page.get_by_text(f"Merged {merged.label} into {kept.label}.").first).to_be_visible()
    expect(page.get_by_text("Grote Markt 12").first).to_be_visible()
    expect(page.get_by_role("link", name="Ann Peeters").first).to_be_visible()

    page.get_by_role("link", name=f"Undo… {merged.label}").click()
    page.get_by_role("button", name="Undo the merge").click()

    expect(page.get_by_text(f"{merged.label} stands for itself again").first).to_be_visible()
    expect(page.get_by_text("Kaai 1").first).to_be_visible()


def test_two_contacts_are_merged_by_keyboard(page, seller, pair):
    kept, merged = pair
    page.goto(reverse("contacts:merge", args=[kept.pk]))
    other = page.get_by_role("combobox", name="The same company")
    expect(other).to_be_focused()
    other.press_sequentially("acme logistics")
    expect(page.locator("[data-options] [role=option]")).not_to_have_count(0)
    other.fill(merged.number)
    other.press("Escape")
    other.press("Enter")
    page.wait_for_url(f"**{compare_url(kept, merged)}")
    page.get_by_role("group", name="Name").get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Acme Logistics")
    assert Contact.objects.get(pk=merged.pk).merged_into == kept


def test_two_contacts_are_merged_by_touch(page, seller, pair, phone):
    kept, merged = pair
    page.goto(compare_url(kept, merged))

    targets = page.locator(".merge-value, .merge .moves a, .merge .button-bar .btn")
    assert min(box["height"] for box in (each.bounding_box() for each in targets.all())) >= 44
    page.get_by_role("group", name="Name").locator(".merge-value").last.tap()
    page.get_by_role("button", name=f"Merge into {kept.number}").tap()

    expect(page.get_by_role("heading", level=1)).to_have_text("Acme Logistics")


def test_the_other_one_can_be_kept(page, seller, pair):
    kept, merged = pair
    page.goto(compare_url(kept, merged))

    page.get_by_role("link", name="Keep the other one").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Merge Acme Logistics NV into Acme Logistics")


def test_what_was_chosen_stays_when_somebody_was_faster(page, axe, seller, pair):
    kept, merged = pair
    page.goto(compare_url(kept, merged))
    page.get_by_role("group", name="Name").get_by_role("radio").last.check()
    Contact.objects.filter(pk=kept.pk).update(email="new@acme.example")

    page.get_by_role("button", name=f"Merge into {kept.number}").click()

    expect(page.get_by_text("Somebody changed one of the two first.").first).to_be_visible()
    expect(page.get_by_role("group", name="Name").get_by_role("radio").last).to_be_checked()
    expect(page.get_by_text("new@acme.example").first).to_be_visible()
    axe()


def test_two_who_edit_one_contact_are_told(page, axe, seller, pair):
    kept, _merged = pair
    page.goto(reverse("contacts:edit", args=[kept.pk]))
    page.get_by_label("City").fill("Mine")
    Contact.objects.filter(pk=kept.pk).update(city="Theirs", email="theirs@acme.example")

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert").first).to_contain_text("it is now “Theirs”, and you typed “Mine”")
    expect(page.get_by_label("City")).to_have_value("Mine")
    expect(page.get_by_label("E-mail address")).to_have_value("theirs@acme.example")
    axe()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Acme Logistics NV")
    kept.refresh_from_db()
    assert (kept.city, kept.email) == ("Mine", "theirs@acme.example")


def test_it_all_works_without_script(new_context, pair):
    kept, _merged = pair
    user = user_with_role(Role.SALESPERSON)
    user.set_password(PASSWORD)
    user.save()
    page = new_context(java_script_enabled=False).new_page()
    page.goto(reverse("contacts:new"))
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_label("Name", exact=False).first.fill("Acme Logistics")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("May be the same as")
    page.get_by_label("It is another one").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme Logistics")

    page.get_by_role("link", name="Merge with…").click()
    page.get_by_label("The same company").fill(kept.label)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Merge into").click()
    expect(page.get_by_text(f"into {Contact.objects.latest('pk').label}").first).to_be_visible()
    page.get_by_role("link", name="Undo… ").click()
    page.get_by_role("button", name="Undo the merge").click()
    expect(page.get_by_text("stands for itself again").first).to_be_visible()
