"""Files that come with a form: written to disk as they arrive, and never more of them than is kept."""

from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MOST_FILES = 10  # of one form, and of what the form is about


class BoundedUploads(FileUploadHandler):
    """Writes at most ``MOST_FILES`` files of ``LARGEST_ATTACHMENT`` to disk, and only for people who are signed in.

    What comes beyond is read and dropped, so that the rest of the form is known and the form can say which file it was:
    of such a file there are only name and size, and whoever tries to read it gets a ``ValueError``.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.files = 0
        self.file: IO[bytes] = BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Another file begins."""
        super().new_file(*args, **kwargs)
        self.files += 1
        self.file = TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  # closed with the request
        if self.files > MOST_FILES or not self._is_known():
            self.file.close()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """A part of the file, which begins after ``start`` bytes."""
        if start + len(raw_data) > settings.LARGEST_ATTACHMENT:
            self.file.close()
        if not self.file.closed:
            self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        """The file, or what is known of it."""
        if not self.file.closed:
            self.file.seek(0)
        return UploadedFile(self.file, self.file_name, self.content_type, file_size)

    def upload_interrupted(self) -> None:
        """The request ended in the middle of a file."""
        self.file.close()

    def _is_known(self) -> bool:
        user = getattr(self.request, "user", None)
        return user is not None and user.is_authenticated
