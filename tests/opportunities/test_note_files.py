"""Files with a note: added, listed, handed out, taken away; and what is refused loses nothing that was typed."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from activities.attachments import MOST_FILES
from activities.models import Attachment, Interaction
from activities.models.attachments import attachment_storage
from crm.dates import today
from opportunities import operations
from tests.factories import (
    AttachmentFactory,
    CloseReasonFactory,
    EmailFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    UserFactory,
)
from tests.opportunities.conftest import signed_in

ON_TIMELINE = {"HX-Request": "true", "HX-Target": "timeline"}
IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}
AGAIN = "Nothing was kept yet. Choose the files again."


def new(opportunity):
    return reverse("opportunities:note-new", args=[opportunity.pk])


def edit(note):
    return reverse("opportunities:note-edit", args=[note.pk])


def file(name="offer.pdf", data=b"%PDF-1.7"):
    return SimpleUploadedFile(name, data)


def typed(*files, text="Called about the visit", **fields):
    return {"text": text, "kind": "CALL", "happened_on": today().isoformat(), "attach": list(files), **fields}


def is_stored(attachment):
    return attachment_storage().exists(attachment.file.name)


@pytest.fixture
def note(opportunity, seller):
    return InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller, text="First words")


@pytest.fixture
def attachment(note, seller):
    return AttachmentFactory(interaction=note, added_by=seller)


# Adding


@pytest.mark.parametrize("headers", [ON_TIMELINE, {}])
def test_note_with_files_lists_them_on_the_timeline(as_seller, seller, opportunity, headers):
    sent = typed(file(), file("notes.txt", b"Twelve"))

    response = as_seller.post(new(opportunity), sent, headers=headers, follow=True)

    html = response.content.decode()
    kept = list(Interaction.objects.get().attachments.order_by("pk"))
    assert [(one.name, one.size, one.added_by) for one in kept] == [
        ("offer.pdf", 8, seller),
        ("notes.txt", 6, seller),
    ]
    for one in kept:
        assert f'<a href="/attachments/{one.pk}/" download>{one.name}</a>' in html
    assert "8\xa0bytes" in html


def test_files_are_on_the_timelines_of_contact_and_company(as_seller, opportunity, company):
    person = PersonFactory(company=company)
    one = AttachmentFactory(interaction=InteractionFactory(contact=person))
    other = AttachmentFactory(
        interaction=InteractionFactory(opportunity=OpportunityFactory(contact=person), contact=None)
    )

    for contact in (person, company):
        url = reverse("opportunities:contact-timeline", args=[contact.pk])
        html = as_seller.get(url, headers=ON_TIMELINE).content.decode()
        assert one.get_absolute_url() in html
        assert other.get_absolute_url() in html


def test_note_about_a_contact_takes_files(as_seller, company):
    as_seller.post(reverse("opportunities:contact-note-new", args=[company.pk]), typed(file()))

    assert Attachment.objects.get().interaction.contact == company


def test_name_of_a_file_is_text_and_nothing_else(as_seller, opportunity):
    name = '"><img src=x onerror=alert(1)>\u202e.pdf'
    html = as_seller.post(new(opportunity), typed(file(name)), headers=ON_TIMELINE).content.decode()

    assert "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;.pdf" in html
    assert "<img src=x" not in html


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([file("page.html")], "“page.html” is not of a kind that is kept."),
        ([file("logo.svg"), file()], "“logo.svg” is not of a kind that is kept."),
        ([file(data=b"")], "“offer.pdf” is empty."),
        ([file(data=b"x" * 2000)], "“offer.pdf” is larger than 1.0\xa0KB."),
        ([file(f"{n}.txt") for n in range(MOST_FILES + 1)], "“10.txt” is one too many: at most 10 files"),
        ([file(data=b"x" * 2000, name=f"{n}.txt") for n in range(MOST_FILES + 20)], "one too many"),
    ],
)
@pytest.mark.parametrize("headers", [ON_TIMELINE, {}])
def test_file_refused_says_so_at_the_field_and_keeps_what_was_typed(
    as_seller, opportunity, settings, files, words, headers
):
    settings.LARGEST_ATTACHMENT = 1024
    for one in files:
        one.seek(0)

    response = as_seller.post(new(opportunity), typed(*files), headers=headers)

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert AGAIN in html
    assert "Called about the visit</textarea>" in html
    assert not Interaction.objects.exists()
    assert not Attachment.objects.exists()
    if headers:
        assert html.count("data-focus") == 1


def test_text_refused_asks_for_the_files_again(as_seller, opportunity):
    with_files = as_seller.post(new(opportunity), typed(file(), text=""), headers=ON_TIMELINE)
    without = as_seller.post(new(opportunity), typed(text=""), headers=ON_TIMELINE)

    assert AGAIN in with_files.content.decode()
    assert AGAIN not in without.content.decode()
    assert not Attachment.objects.exists()


def test_request_that_is_far_too_large_is_answered_on_the_form(as_seller, opportunity, settings, tmp_path):
    settings.LARGEST_ATTACHMENT = 100_000
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    large = file("film.pdf", b"x" * 5_000_000)

    response = as_seller.post(new(opportunity), typed(large, file()), headers=ON_TIMELINE)

    html = response.content.decode()
    assert response.status_code == 422
    assert "“film.pdf” is larger than 97.7\xa0KB." in html
    assert "Called about the visit</textarea>" in html
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["a." + "x" * 250, "\u00e9" * 300 + ".pdf", "a\x00b.pdf", "..", "a\r\nb.pdf", "&#0;.pdf", "C:evil.pdf"],
)
def test_odd_names_never_break_the_form(as_seller, opportunity, name):
    one = file()
    one._name = name

    assert as_seller.post(new(opportunity), typed(one), headers=ON_TIMELINE).status_code in (200, 422)


def test_more_parts_than_are_read_are_no_server_error(as_seller, opportunity):
    files = [file(f"{n}.txt") for n in range(101)]

    assert as_seller.post(new(opportunity), typed(*files)).status_code == 400
    assert not Interaction.objects.exists()


def test_storage_that_fails_is_said_on_the_form(as_seller, opportunity, note, monkeypatch, caplog):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attachment_storage(), "_save", full)
    for url, headers in ((new(opportunity), ON_TIMELINE), (edit(note), IN_DIALOG)):
        response = as_seller.post(url, typed(file(), seen=note.text), headers=headers)

        html = response.content.decode()
        assert response.status_code == 422
        assert "“offer.pdf” could not be stored." in html
        assert AGAIN in html
        assert "Called about the visit</textarea>" in html
    assert Interaction.objects.get().text == "First words"
    assert "No space left on device" in caplog.text


def test_those_who_only_read_add_nothing(as_viewer, opportunity):
    assert as_viewer.post(new(opportunity), typed(file())).status_code == 403
    assert not Attachment.objects.exists()


# Changing


def test_edit_page_removes_and_adds(as_seller, note, attachment, django_capture_on_commit_callbacks):
    other = AttachmentFactory(interaction=note, name="kept.pdf")
    form = as_seller.get(edit(note), headers=IN_DIALOG).content.decode()
    assert 'enctype="multipart/form-data"' in form
    assert "offer.pdf (8\xa0bytes)" in form
    assert "kept.pdf (8\xa0bytes)" in form

    with django_capture_on_commit_callbacks(execute=True):
        sent = typed(file("new.pdf"), seen=note.text, remove=[attachment.pk])
        response = as_seller.post(edit(note), sent, headers=IN_DIALOG)

    assert response.status_code == 204
    assert list(note.attachments.order_by("pk").values_list("name", flat=True)) == ["kept.pdf", "new.pdf"]
    assert not is_stored(attachment)
    assert is_stored(other)
    note.refresh_from_db()
    assert note.edited_at is not None


def test_a_file_alone_is_a_change(as_seller, note):
    same = typed(file(), text=note.text, kind=note.kind, seen=note.text)
    as_seller.post(edit(note), same)

    note.refresh_from_db()
    assert note.edited_at is not None
    assert note.attachments.count() == 1


@pytest.mark.parametrize("remove", ["other", 0, 2**70, "x", "-1"])
def test_files_of_others_cannot_be_removed(as_seller, note, attachment, remove):
    elsewhere = AttachmentFactory()
    key = elsewhere.pk if remove == "other" else remove

    response = as_seller.post(edit(note), typed(seen=note.text, remove=[key]))

    assert response.status_code == 422
    assert "One of the files with a tick is not there any more." in response.content.decode()
    assert Attachment.objects.count() == 2


def test_there_is_a_most_of_files_over_all_changes(as_seller, note, seller):
    kept = [AttachmentFactory(interaction=note) for _ in range(MOST_FILES)]

    full = as_seller.post(edit(note), typed(file("more.pdf"), seen=note.text))
    assert full.status_code == 422
    assert "“more.pdf” is one too many" in full.content.decode()
    assert AGAIN in full.content.decode()

    swapped = as_seller.post(edit(note), typed(file("more.pdf"), seen=note.text, remove=[kept[0].pk]))
    assert swapped.status_code == 302
    assert note.attachments.count() == MOST_FILES


def test_overtaken_edit_keeps_the_ticks_and_asks_for_the_files_again(as_seller, note, attachment):
    other = AttachmentFactory(interaction=note, name="other.pdf")
    sent = typed(file(), text="Mine", seen="Older words", remove=[attachment.pk, other.pk])

    response = as_seller.post(edit(note), sent, headers=IN_DIALOG)

    html = response.content.decode()
    assert response.status_code == 409
    assert AGAIN in html
    assert "Mine</textarea>" in html
    assert html.count(" checked") == 2
    assert Attachment.objects.count() == 2


def test_only_author_or_manager_changes_files(as_manager, as_stranger, as_viewer, note, attachment):
    sent = typed(text="Another word", seen=note.text, remove=[attachment.pk])

    for client in (as_stranger, as_viewer):
        assert client.post(edit(note), sent).status_code == 403
        assert client.get(edit(note)).status_code == 403
    assert note.attachments.exists()
    assert as_manager.post(edit(note), sent).status_code == 302
    assert not note.attachments.exists()


def test_deleting_a_note_names_its_files_and_takes_them_along(
    as_seller, note, attachment, django_capture_on_commit_callbacks
):
    url = reverse("opportunities:note-delete", args=[note.pk])
    assert "offer.pdf" in as_seller.get(url, headers=IN_DIALOG).content.decode()
    assert is_stored(attachment)

    with django_capture_on_commit_callbacks(execute=True):
        as_seller.post(url)

    assert not Attachment.objects.exists()
    assert not is_stored(attachment)


def test_deleting_an_opportunity_takes_the_files_of_its_notes_along(
    as_manager, opportunity, manager, attachment, django_capture_on_commit_callbacks
):
    elsewhere = AttachmentFactory()
    reason = CloseReasonFactory(outcome="LOST")
    operations.close(opportunity=opportunity, outcome="LOST", reason=reason, by=manager, on=today())

    with django_capture_on_commit_callbacks(execute=True):
        operations.delete(opportunity=opportunity, by=manager, on=today())

    assert list(Attachment.objects.all()) == [elsewhere]
    assert not is_stored(attachment)
    assert is_stored(elsewhere)


# Handing out


def body(response):
    return b"".join(response.streaming_content)


def test_file_is_a_download_and_nothing_else(as_viewer, attachment):
    response = as_viewer.get(attachment.get_absolute_url())

    assert body(response) == b"%PDF-1.7"
    assert dict(response.headers) | {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": 'attachment; filename="offer.pdf"',
        "Content-Length": "8",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    } == dict(response.headers)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ('a"b\\c.pdf', 'attachment; filename="c.pdf"'),
        ('say "hi".pdf', 'attachment; filename="say \\"hi\\".pdf"'),
        ("r\u00e9sum\u00e9.pdf", "attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", 'attachment; filename="a Set-Cookie: x=1.pdf"'),
        ("a\x00\u202e.pdf; filename=b.exe", 'attachment; filename="a.pdf; filename=b.exe"'),
    ],
)
def test_a_name_is_never_more_than_a_name(as_viewer, attachment, name, header):
    Attachment.objects.update(name=name.replace("\x00", "\x01"))

    response = as_viewer.get(attachment.get_absolute_url())

    assert response["Content-Disposition"] == header
    assert "Set-Cookie" not in response.headers
    assert body(response)


def test_file_of_what_one_may_not_see_is_not_found(settings, as_seller, as_manager, attachment):
    hidden = AttachmentFactory(interaction=InteractionFactory(opportunity=OpportunityFactory(), contact=None))
    about_contact = AttachmentFactory(interaction=InteractionFactory(contact=PersonFactory()))
    settings.VISIBILITY = "own"

    assert as_seller.get(attachment.get_absolute_url()).status_code == 200
    assert as_seller.get(hidden.get_absolute_url()).status_code == 404
    seen = as_seller.get(about_contact.interaction.contact.get_absolute_url()).status_code
    assert as_seller.get(about_contact.get_absolute_url()).status_code == seen


def test_file_of_an_email_that_waits_is_for_those_who_place_it(as_seller, as_manager, as_viewer):
    attachment = AttachmentFactory(interaction=None, email=EmailFactory())

    assert as_seller.get(attachment.get_absolute_url()).status_code == 200
    assert as_manager.get(attachment.get_absolute_url()).status_code == 200
    assert as_viewer.get(attachment.get_absolute_url()).status_code == 404


def test_file_needs_a_role_a_sign_in_and_a_get(client, as_seller, attachment):
    url = attachment.get_absolute_url()

    assert client.get(url).url.startswith(reverse("sign-in"))
    assert signed_in(Client, UserFactory()).get(url).status_code == 403
    assert as_seller.post(url).status_code == 405
    for pk in (0, 987654, 2**63, 10**30):
        assert as_seller.get(f"/attachments/{pk}/").status_code == 404


def test_file_that_is_missing_is_a_page_that_says_so(as_viewer, attachment, caplog):
    attachment_storage().delete(attachment.file.name)

    response = as_viewer.get(attachment.get_absolute_url())

    assert response.status_code == 404
    assert "The file is not there any more" in response.content.decode()
    assert f"attachment {attachment.pk}" in caplog.text


@pytest.mark.parametrize("many", [1, 30])
def test_handing_out_costs_the_same(as_seller, attachment, many, django_assert_num_queries):
    for _ in range(many):
        AttachmentFactory(interaction=attachment.interaction)

    with django_assert_num_queries(5):  # session, user, groups, attachment, whether it is seen
        as_seller.get(attachment.get_absolute_url())


@pytest.mark.parametrize("many", [1, MOST_FILES])
def test_pages_of_a_note_cost_the_same_with_many_files(as_seller, note, many, django_assert_num_queries):
    for _ in range(many):
        AttachmentFactory(interaction=note)

    with django_assert_num_queries(5):
        as_seller.get(reverse("opportunities:note", args=[note.pk]), headers=IN_DIALOG)
    with django_assert_num_queries(7):
        as_seller.get(edit(note), headers=IN_DIALOG)


# One key for each kind


def test_each_kind_has_a_key_and_a_button(as_seller, opportunity):
    html = as_seller.get(opportunity.get_absolute_url()).content.decode()

    for kind, key in (("NOTE", "q"), ("CALL", "c"), ("MEETING", "h"), ("EMAIL", "y")):
        assert f'type="radio" name="kind" value="{kind}"' in html
        assert html.count(f'data-key="{key}"') == 1
