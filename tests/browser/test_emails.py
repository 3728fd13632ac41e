"""E-mail that could not be matched is placed, taken back, set aside and put back: with the mouse and on the phone."""

from playwright.sync_api import expect

from activities.models import Email, EmailState, Interaction
from salespeople.models import Role
from tests.factories import AttachmentFactory, CompanyFactory, EmailFactory, user_with_role


def test_e_mail_is_placed_and_set_aside(page, both_screens, sign_in, axe):
    sign_in(user_with_role(Role.SALESPERSON, name="Sofie Claes"))
    company = CompanyFactory(name="Acme Logistics NV")
    offer = EmailFactory(
        subject="An offer please",
        recipients="sofie@kansen.example",
        text="Dear Sofie,\nwhen can you come by? Our page is https://acme.example/visit",
        reason="No contact has one of its addresses.",
    )
    AttachmentFactory(email=offer, interaction=None)
    EmailFactory(subject="Win a car", sender="spam@x.example", reason="No contact has one of its addresses.")

    page.goto("/emails/")
    page.get_by_role("link", name="An offer please", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("when can you come by?")).to_be_visible()
    expect(dialog.get_by_role("link", name="offer.pdf")).to_be_visible()
    axe()
    dialog.get_by_role("button", name="File it").click()
    expect(dialog.get_by_text("Choose a contact, an opportunity, or both.").first).to_be_visible()
    dialog.get_by_label("Contact").press_sequentially("acme")
    page.get_by_role("option", name="Acme Logistics NV").click()
    dialog.get_by_role("button", name="File it").click()

    expect(page.get_by_text(f"Filed with {company.label}.").first).to_be_visible()
    expect(page.get_by_role("table").get_by_text("An offer please")).to_have_count(0)
    assert Interaction.objects.get().attachments.count() == 1
    axe()

    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("table").get_by_text("An offer please").first).to_be_visible()
    assert not Interaction.objects.exists()

    page.get_by_role("link", name="Set aside… Win a car").click()
    expect(dialog.get_by_text("“Win a car” is filed nowhere.")).to_be_visible()
    dialog.get_by_role("button", name="Set aside").click()
    message = page.locator(".message").filter(has_text="Set aside: Win a car.")
    expect(message).to_be_visible()
    expect(page.get_by_role("table").get_by_text("Win a car")).to_have_count(0)
    assert Email.objects.get(subject="Win a car").state == EmailState.SET_ASIDE

    message.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("table").get_by_text("Win a car").first).to_be_visible()
    assert Email.objects.get(subject="Win a car").state == EmailState.WAITING
