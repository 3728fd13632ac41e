"""Which files are kept, under which names, and when they go."""

import pytest
from django.core.files.base import ContentFile
from django.db import transaction

from activities.attachments import (
    ENDINGS,
    LONGEST_NAME,
    MOST_FILES,
    FileRefused,
    clean_name,
    forget_files,
    keep_file,
)
from activities.models import Attachment
from activities.models.attachments import attachment_storage
from tests.factories import AttachmentFactory, EmailFactory, InteractionFactory, UserFactory

pytestmark = pytest.mark.django_db


def kept(name="offer.pdf", data=b"%PDF-1.7", **about):
    return keep_file(name=name, content=ContentFile(data), by=UserFactory(), **about)


def is_stored(attachment):
    return attachment_storage().exists(attachment.file.name)


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("C:\\Users\\ann\\offer.pdf", "offer.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("Q3 \u2013 \u00e9tude.PDF", "Q3 \u2013 \u00e9tude.PDF"),
        ("e\u0301tude.pdf", "\u00e9tude.pdf"),
        ("a\u202efdp.txt", "afdp.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "a Set-Cookie: x=1.txt"),
        ("nothing\x00here\x7f.txt", "nothinghere.txt"),
        ("half\ud800.txt", "half.txt"),
        ("offer.pdf. ", "offer.pdf"),
        ("..pdf", "file.pdf"),
        (".pdf", "file.pdf"),
        ("", "file"),
        ("\u2028", "file"),
    ],
)
def test_a_name_keeps_what_can_be_seen_of_its_last_part(given, clean):
    assert clean_name(given) == clean


def test_a_long_name_is_cut_before_its_ending():
    assert clean_name("x" * 500 + ".docx") == "x" * (LONGEST_NAME - 5) + ".docx"
    assert clean_name("a." + "x" * 500) == ("a." + "x" * 500)[:LONGEST_NAME]


def test_a_file_is_kept_as_it_came_under_a_name_that_says_nothing():
    note = InteractionFactory()
    attachment = kept("r\u00e9sum\u00e9.pdf", interaction=note)
    assert (attachment.name, attachment.size, attachment.interaction) == ("r\u00e9sum\u00e9.pdf", 8, note)
    with Attachment.objects.get().file.open() as stored:
        assert stored.read() == b"%PDF-1.7"
    assert "." not in attachment.file.name
    assert "sum" not in attachment.file.name


def test_a_file_of_an_email_waits_with_it():
    email = EmailFactory()
    assert kept(email=email).email == email


@pytest.mark.parametrize(
    "name",
    [
        "page.html",
        "page.htm",
        "logo.svg",
        "run.js",
        "all.zip",
        "setup.exe",
        "run.sh",
        "a.docm",
        "pdf",
        "a.pdf.exe",
        "x.pdf\u202e.exe",
        "x.url",
        "x.p\u0501f",
    ],
)
def test_what_could_run_is_refused(name):
    with pytest.raises(FileRefused, match="is not of a kind that is kept"):
        kept(name, interaction=InteractionFactory())
    assert not Attachment.objects.exists()


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_what_people_send_each_other_is_kept(ending):
    assert kept(f"it.{ending.upper()}", interaction=InteractionFactory()).pk


def test_a_file_that_is_empty_or_too_large_is_refused(settings):
    settings.LARGEST_ATTACHMENT = 1024
    note = InteractionFactory()
    with pytest.raises(FileRefused, match="is empty"):
        kept(data=b"", interaction=note)
    with pytest.raises(FileRefused, match=r"is larger than 1\.0"):
        kept(data=b"x" * 1025, interaction=note)
    assert kept(data=b"x" * 1024, interaction=note).size == 1024


def test_there_is_a_most_of_files():
    note = InteractionFactory()
    for _again in range(MOST_FILES):
        kept(interaction=note)
    with pytest.raises(FileRefused, match="one too many: at most 10 files"):
        kept(interaction=note)
    assert note.attachments.count() == MOST_FILES


def test_files_go_when_the_rows_are_gone_for_good(django_capture_on_commit_callbacks):
    going, staying = AttachmentFactory(), AttachmentFactory()
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        forget_files(Attachment.objects.filter(pk=going.pk))
        going.interaction.delete()
        assert is_stored(going)
    assert not is_stored(going)
    assert is_stored(staying)


def test_a_file_whose_row_stays_is_left_alone(django_capture_on_commit_callbacks):
    attachment = AttachmentFactory()
    with django_capture_on_commit_callbacks(execute=True):
        forget_files(Attachment.objects.all())
    assert is_stored(attachment)


def test_forgetting_none_takes_one_query(django_assert_num_queries, django_capture_on_commit_callbacks):
    with django_assert_num_queries(1), django_capture_on_commit_callbacks() as callbacks:
        forget_files(Attachment.objects.all())
    assert callbacks == []


def test_a_file_that_no_row_can_name_is_not_left_behind():
    note = InteractionFactory()
    gone = InteractionFactory()
    before = stored()
    attachment_of_nobody = UserFactory.build()
    with pytest.raises(ValueError, match="unsaved related object"):
        keep_file(name="a.pdf", content=ContentFile(b"x"), by=attachment_of_nobody, interaction=note)
    assert stored() == before
    assert gone.attachments.count() == 0


def stored():
    folders, _files = attachment_storage().listdir("") if attachment_storage().exists("") else ([], [])
    return {name for folder in folders for name in attachment_storage().listdir(folder)[1]}
