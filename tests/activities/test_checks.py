"""Attachments never lie where a web server hands out files."""

import pytest

from activities.checks import attachments_are_not_served


def keep_in(settings, folder):
    settings.STORAGES = settings.STORAGES | {
        "attachments": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder},
        }
    }


@pytest.mark.parametrize("folder", ["static", "static/files", ".", "assets/../static"])
def test_a_folder_that_is_handed_out_is_refused(settings, tmp_path, folder):
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "static", []
    keep_in(settings, tmp_path / folder)

    (error,) = attachments_are_not_served()

    assert error.id == "activities.E001"
    assert "Attachments would lie in" in error.msg
    assert "ATTACHMENTS" in error.hint


def test_a_folder_of_its_own_is_fine(settings, tmp_path):
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "static", [tmp_path / "sources"]
    keep_in(settings, tmp_path / "attachments")

    assert attachments_are_not_served() == []


def test_a_storage_without_folders_is_fine(settings):
    assert attachments_are_not_served() == []
