"""Taking one's tasks elsewhere, and stopping an e-mail from the e-mail itself."""

from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from activities.notices import NoticeKind, unsubscribe_url
from salespeople.models import Role
from tests.factories import TaskFactory, user_with_role


def read(address):
    """Read a calendar as a programme does, without a session."""
    return Client().get("/" + address.split("/", 3)[3])


def test_the_address_is_made_copied_renewed_and_revoked(page, context, both_screens, sign_in, axe):
    user = sign_in(user_with_role(Role.SALESPERSON))
    TaskFactory(salesperson=user.salesperson, description="Call Ann")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(reverse("salespeople:preferences"))
    page.get_by_role("link", name="Your calendar elsewhere").click()
    expect(page.get_by_text("There is no address").first).to_be_visible()

    page.get_by_role("button", name="Make the address").click()
    field = page.get_by_label("Your new address, shown only this once")
    first = field.input_value()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == first
    axe()
    assert b"SUMMARY:Call Ann" in read(first).content

    page.goto(reverse("activities:calendar"))
    expect(field).to_have_count(0)
    expect(page.get_by_text("Not yet")).to_have_count(0)
    page.get_by_role("button", name="Make a new address").press("Enter")
    expect(field).to_be_visible()
    second = field.input_value()
    assert (read(first).status_code, read(second).status_code) == (404, 200)

    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The address was revoked.").first).to_be_visible()
    assert read(second).status_code == 404


def test_a_link_in_an_e_mail_stops_it_without_signing_in_or_scripts(new_context, base_url, both_screens):
    user = user_with_role(Role.SALESPERSON)
    is_phone = "phone" in both_screens
    context = new_context(
        java_script_enabled=False, viewport={"width": 360 if is_phone else 1360, "height": 740}
    )
    page = context.new_page()
    page.goto(base_url + unsubscribe_url(user, NoticeKind.REMINDERS).removeprefix(settings.SITE_URL))

    page.get_by_role("button", name="Send no more of these").click()

    expect(page.get_by_text(f"Kansen sends no more of these to {user.email}.").first).to_be_visible()
    user.refresh_from_db()
    assert (user.gets_reminders, user.gets_digest) == (False, True)
