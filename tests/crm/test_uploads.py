"""Files of a form, on their way in: bounded on disk, and only from people who are signed in."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from crm.uploads import MOST_FILES
from tests.factories import UserFactory


def sent(user, *files, **fields):
    request = RequestFactory().post("/", {"file": list(files), **fields})
    request.user = user
    return request


@pytest.fixture
def someone():
    return UserFactory.build()


def test_a_file_arrives_as_it_was_sent(someone):
    request = sent(someone, SimpleUploadedFile("a.txt", b"Twelve"), SimpleUploadedFile("none.txt", b""))

    first, second = request.FILES.getlist("file")
    assert (first.name, first.size, first.read()) == ("a.txt", 6, b"Twelve")
    assert (second.name, second.size, second.read()) == ("none.txt", 0, b"")
    request.close()
    assert first.closed


def test_of_a_file_that_is_too_large_only_its_name_and_size_are_known(someone, settings):
    settings.LARGEST_ATTACHMENT = 100_000
    files = [SimpleUploadedFile("film.txt", b"x" * 1_000_000), SimpleUploadedFile("a.txt", b"x" * 100_000)]
    request = sent(someone, *files, text="typed")

    film, other = request.FILES.getlist("file")
    assert (film.name, film.size) == ("film.txt", 1_000_000)
    with pytest.raises(ValueError, match="closed file"):
        film.read()
    assert len(other.read()) == 100_000
    assert request.POST["text"] == "typed"
    request.close()


def test_files_beyond_the_most_are_not_written(someone):
    request = sent(someone, *(SimpleUploadedFile(f"{n}.txt", b"x") for n in range(MOST_FILES + 2)))

    files = request.FILES.getlist("file")
    assert [file.closed for file in files] == [False] * MOST_FILES + [True] * 2
    request.close()


@pytest.mark.parametrize("user", [AnonymousUser(), None])
def test_files_of_strangers_are_not_written(user):
    request = sent(user, SimpleUploadedFile("a.txt", b"x"), text="typed")

    assert request.FILES["file"].closed
    assert request.POST["text"] == "typed"


def test_a_request_that_ends_in_the_middle_leaves_nothing(someone):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nTwel'
    request = RequestFactory().post("/", body, content_type="multipart/form-data; boundary=b")
    request.user = someone

    assert request.POST == {}
    assert not request.FILES
    assert request.upload_handlers[0].file.closed
    request.close()
