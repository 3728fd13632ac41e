"""Files that come with an interaction or an e-mail: which are kept, under which name, and how they go again.

Nothing here looks into a file. What is kept lies outside everything that is served, under a name without an ending, and
is only ever handed out as a download.
"""

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from activities.models import Attachment, Email, Interaction
from activities.models.attachments import attachment_storage
from crm.uploads import MOST_FILES
from salespeople.models import User

logger = logging.getLogger(__name__)
LONGEST_NAME = 200  # characters
ENDINGS = frozenset(
    [
        *("pdf", "png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "heic", "heif", "avif"),
        *("doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "odt", "ods", "odp", "odg"),
        *("txt", "csv", "eml", "msg", "ics", "vcf"),
    ]
)
BATCH = 500
# Controls, marks that turn the direction or show nothing, halves of a character, private ones, and line ends.
UNSEEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])


class FileRefused(Exception):
    """A file that is not kept; ``message`` says why, to whoever brought it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def keep_file(
    *,
    name: str,
    content: File[bytes],
    by: User,
    interaction: Interaction | None = None,
    email: Email | None = None,
) -> Attachment:
    """Keep a file with an interaction or with an e-mail, in the transaction of the caller. Raises ``FileRefused``.

    When that transaction is rolled back, the file stays where no row names it, until ``sweep_attachments`` comes by.
    """
    clean = checked_name(name, content.size)
    belongs_to = interaction or email
    assert belongs_to is not None
    if belongs_to.attachments.count() >= MOST_FILES:
        raise FileRefused(too_many(clean))
    attachment = Attachment(interaction=interaction, email=email, name=clean, size=content.size, added_by=by)
    try:
        attachment.file.save(clean, content, save=False)
    except OSError as error:  # a full disk, or a folder that cannot be written
        logger.exception("A file could not be stored")
        raise FileRefused(
            _("“%(name)s” could not be stored. Try again later, or tell whoever runs Kansen.")
            % {"name": clean}
        ) from error
    try:
        attachment.save()
    except BaseException:
        attachment.file.delete(save=False)
        raise
    return attachment


def checked_name(name: str, size: int) -> str:
    """The name under which a file of this name and size is kept. Raises ``FileRefused``."""
    clean = clean_name(name)
    if ending_of(clean) not in ENDINGS:
        raise FileRefused(
            _("“%(name)s” is not of a kind that is kept. Kept are: %(kinds)s.")
            % {"name": clean, "kinds": kinds_kept()}
        )
    if not size:
        raise FileRefused(_("“%(name)s” is empty.") % {"name": clean})
    if size > settings.LARGEST_ATTACHMENT:
        raise FileRefused(too_large(clean))
    return clean


def clean_name(name: str) -> str:
    """A file's name without folders, without what cannot be seen, and no longer than is kept; its ending stays."""
    plain = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    seen = "".join(
        letter for letter in plain if unicodedata.category(letter) not in UNSEEN or letter in "\t\n"
    )
    stem, dot, ending = " ".join(seen.split()).rstrip(". ").rpartition(".")
    if not dot or len(ending) > LONGEST_NAME // 2:
        stem, dot, ending = f"{stem}{dot}{ending}", "", ""
    room = LONGEST_NAME - len(dot + ending)
    short = stem.strip(". ")[:room] or _("file")
    return f"{short}{dot}{ending}"


def ending_of(name: str) -> str:
    """What kind of file a name says it is, in small letters."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def kinds_kept() -> str:
    """The kinds of files that are kept, in words."""
    return _("PDF, images, office documents, text, tables, e-mails, appointments and contact cards")


def largest() -> str:
    """How large a file may be, in words."""
    megabytes, rest = divmod(settings.LARGEST_ATTACHMENT, 1024 * 1024)
    return filesizeformat(settings.LARGEST_ATTACHMENT) if rest else _("%(n)d MB") % {"n": megabytes}


def too_large(name: str) -> str:
    """Why a file that is too large is not kept."""
    return _("“%(name)s” is larger than %(most)s.") % {
        "name": name,
        "most": largest(),
    }


def too_many(name: str) -> str:
    """Why one file more is not kept."""
    return _("“%(name)s” is one too many: at most %(most)d files are kept together.") % {
        "name": name,
        "most": MOST_FILES,
    }


def forget_files(attachments: QuerySet[Attachment]) -> None:
    """Delete the stored files of these attachments once the transaction is over, if by then no row names them.

    To be called before the rows go; they go with what they belong to, or the caller deletes them. A file whose row is
    still there in the end is left alone.
    """
    names = list(attachments.order_by().values_list("file", flat=True))
    if names:
        transaction.on_commit(partial(_delete_files, names), robust=True)


def without_row(names: Sequence[str]) -> Iterator[str]:
    """Those names of stored files that no attachment has."""
    for start in range(0, len(names), BATCH):
        some = names[start : start + BATCH]
        named = set(Attachment.objects.filter(file__in=some).values_list("file", flat=True))
        yield from (name for name in some if name not in named)


def _delete_files(names: Sequence[str]) -> None:
    storage = attachment_storage()
    for name in without_row(names):
        storage.delete(name)
