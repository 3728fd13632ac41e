"""``manage.py sweep_attachments``: what nothing names goes, what is missing is told, and nothing else is touched."""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone

from activities.management.commands import sweep_attachments
from activities.models import Attachment
from activities.models.attachments import attachment_storage
from tests.factories import AttachmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    """A storage on disk, of this test alone."""
    settings.STORAGES = settings.STORAGES | {
        "attachments": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "attachments"},
        }
    }
    monkeypatch.setattr(Attachment._meta.get_field("file"), "storage", storages["attachments"])
    return tmp_path / "attachments"


def swept(*arguments, **options):
    """What the command prints, and the mistake it ends with; a day and an hour from now."""
    out, mistake = StringIO(), None
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        try:
            call_command("sweep_attachments", *arguments, stdout=out, stderr=StringIO(), **options)
        except CommandError as error:
            mistake = error
    return out.getvalue(), mistake


def left_behind():
    key = uuid4().hex
    return attachment_storage().save(f"{key[:2]}/{key}", ContentFile(b"left behind"))


def test_a_file_that_nothing_names_goes():
    kept, orphan = AttachmentFactory(), left_behind()

    assert swept() == ("1 file removed.\n", None)

    assert attachment_storage().exists(kept.file.name)
    assert not attachment_storage().exists(orphan)


def test_a_dry_run_removes_nothing():
    orphans = [left_behind(), left_behind()]

    assert swept("--dry-run") == ("2 files would be removed.\n", None)

    assert all(attachment_storage().exists(name) for name in orphans)


def test_a_young_file_may_be_about_to_get_its_row():
    orphan = left_behind()

    call_command("sweep_attachments", verbosity=0)

    assert attachment_storage().exists(orphan)


def test_files_that_are_not_ours_are_left_alone(folder):
    for name in ("photo.jpg", "ab/notes.txt", "documents/abcdef"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not ours")

    assert swept() == ("0 files removed.\n", None)

    assert (folder / "photo.jpg").exists()
    assert (folder / "ab/notes.txt").exists()


def test_a_missing_file_is_named_and_ends_with_status_1(monkeypatch):
    AttachmentFactory()
    lost = [AttachmentFactory(name="lost.pdf") for _ in range(3)]
    for row in lost:
        attachment_storage().delete(row.file.name)
    monkeypatch.setattr(sweep_attachments, "MOST_LINES", 2)

    out, mistake = swept()

    assert out.count("“lost.pdf”") == 2
    assert f"Attachment {lost[0].pk}, “lost.pdf”: {lost[0].file.name} is missing." in out
    assert mistake.returncode == 1
    assert "3 attachments have no file" in str(mistake)


def test_where_nothing_was_ever_stored_all_is_well():
    assert swept() == ("0 files removed.\n", None)
    assert swept(verbosity=0) == ("", None)


def test_a_folder_that_cannot_be_read_is_said(folder):
    folder.write_text("a file in the place of the folder")

    _out, mistake = swept()

    assert mistake.returncode == 2
    assert "The folder of attachments cannot be used" in str(mistake)


@pytest.mark.parametrize("many", [1, 30])
def test_queries_do_not_grow_with_the_files(many, django_assert_max_num_queries):
    for _ in range(many):
        AttachmentFactory()

    with django_assert_max_num_queries(many + 10):  # one for each folder, of which there are at most 256
        swept()
