"""Notes with files in the browser: one key for each kind, files chosen, dropped, refused, handed out and taken away."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from activities.models import Attachment, Interaction
from salespeople.models import Role
from tests.factories import (
    AttachmentFactory,
    CompanyFactory,
    InteractionFactory,
    OpportunityFactory,
    user_with_role,
)

PDF = {"name": "offer.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
PAGE = {"name": "page.html", "mimeType": "text/html", "buffer": b"<script>alert(1)</script>"}
LARGE = {"name": "film.pdf", "mimeType": "application/pdf", "buffer": b"x" * 2_000_000}
DROP = """(form, names) => {
    const dataTransfer = new DataTransfer();
    names.forEach((name) => dataTransfer.items.add(new File(["dropped"], name)));
    const send = (type) => form.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    send("dragover");
    send("drop");
}"""


@pytest.fixture
def seller(db):
    return user_with_role(Role.SALESPERSON, name="Sofie Claes")


@pytest.fixture
def opportunity(seller):
    return OpportunityFactory(salesperson=seller.salesperson, by=seller, started=True)


def test_files_by_mouse_or_touch(page, both_screens, sign_in, axe, settings, seller, opportunity):
    settings.LARGEST_ATTACHMENT = 1_000_000
    sign_in(seller)
    page.goto(opportunity.get_absolute_url())
    form = page.locator(".note-form")

    form.get_by_role("radio", name="Meeting").click()
    expect(form.get_by_label("What was said or noted")).to_be_focused()
    form.get_by_label("What was said or noted").fill("Walked through the offer")
    form.get_by_label("Add files").set_input_files([PDF, PAGE, LARGE])
    expect(form.get_by_role("alert")).to_have_text(
        "“page.html” is not of a kind that is kept, so it is left out. "
        "“film.pdf” is larger than 976.6 kB, so it is left out."
    )
    form.evaluate(DROP, ["minutes.txt", "twice.txt"])
    expect(form.get_by_role("listitem")).to_have_count(3)
    form.get_by_role("button", name="Leave out twice.txt").click()
    axe()
    form.get_by_role("button", name="Add", exact=True).click()

    line = page.locator("#timeline li.said").first
    expect(line).to_contain_text("Meeting")
    expect(line.get_by_role("list", name="Files").get_by_role("link")).to_have_text(
        ["offer.pdf", "minutes.txt"]
    )
    assert [one.size for one in Attachment.objects.order_by("pk")] == [8, 7]
    axe()
    with page.expect_download() as handed_out:
        line.get_by_role("link", name="offer.pdf").click()
    assert handed_out.value.suggested_filename == "offer.pdf"
    assert handed_out.value.path().read_bytes() == PDF["buffer"]


def test_one_key_for_each_kind_and_control_enter(page, sign_in, seller, opportunity):
    company = CompanyFactory(salesperson=seller.salesperson)
    sign_in(seller)
    for thing in (opportunity, company):
        page.goto(thing.get_absolute_url())
        for key, kind in (("c", "Call"), ("h", "Meeting"), ("y", "E-mail"), ("q", "Note")):
            expect(page.get_by_role("radio", name=kind)).to_be_visible()
            page.keyboard.press(key)
            expect(page.get_by_label("What was said or noted")).to_be_focused()
            page.keyboard.type(f"By {key}")
            page.keyboard.press("Control+Enter")
            line = page.locator("#timeline li.said").first
            expect(line).to_contain_text(f"By {key}")
            expect(line.locator("b").first).to_have_text(kind)
            expect(line).to_be_focused()
    assert Interaction.objects.count() == 8


def test_files_without_script(new_context, base_url, client, seller, opportunity):
    note = InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller)
    gone = AttachmentFactory(interaction=note, name="old.pdf", added_by=seller)
    client.force_login(seller)
    plain = new_context(java_script_enabled=False)
    plain.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base_url}])
    page = plain.new_page()

    page.goto(opportunity.get_absolute_url())
    page.get_by_label("What was said or noted").fill("By hand")
    page.get_by_label("Add files").set_input_files([PDF, PAGE])
    page.locator(".note-form").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was kept yet. Choose the files again.")
    page.get_by_label("Add files").set_input_files([PDF])
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("link", name="offer.pdf")).to_be_visible()

    page.goto(reverse("opportunities:note-edit", args=[note.pk]))
    page.get_by_label("old.pdf (8 bytes)").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#timeline")).not_to_contain_text("old.pdf")
    assert not Attachment.objects.filter(pk=gone.pk).exists()
