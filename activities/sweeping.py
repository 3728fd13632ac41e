"""Bringing stored files and the rows that name them back together, after a crash or a restored backup."""

import re
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from activities.attachments import without_row
from activities.models import Attachment
from activities.models.attachments import attachment_storage
from crm.progress import Advance, no_progress

FOLDER = re.compile(r"[0-9a-f]{2}")
KEY = re.compile(r"[0-9a-f]{32}")  # what else lies there is not ours
YOUNGEST = timedelta(days=1)  # a younger file may be one whose row is about to be stored
BATCH = 500


def folders() -> list[str]:
    """The folders of the storage that hold files of ours."""
    storage = attachment_storage()
    try:
        found, _files = storage.listdir("")
    except FileNotFoundError:  # nothing was ever stored
        return []
    return sorted(name for name in found if FOLDER.fullmatch(name))


def unnamed(folder: str) -> list[str]:
    """The stored files of a folder that no attachment names, and that have been there for longer than a day."""
    storage = attachment_storage()
    _folders, keys = storage.listdir(folder)
    names = [f"{folder}/{key}" for key in sorted(keys) if KEY.fullmatch(key)]
    before = timezone.now() - YOUNGEST
    old = [name for name in names if storage.get_modified_time(name) < before]
    return list(without_row(old))


def sweep(*, dry_run: bool = False, advance: Advance = no_progress) -> Iterator[str]:
    """Delete what no attachment names, folder by folder; gives the name of each file, also when nothing is deleted."""
    for folder in folders():
        for name in unnamed(folder):
            if not dry_run:
                attachment_storage().delete(name)
            yield name
        advance(1)


def missing(*, advance: Advance = no_progress) -> Iterator[Attachment]:
    """The attachments whose file is not there, in the order in which they were added."""
    storage, last = attachment_storage(), 0
    while batch := list(Attachment.objects.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield from (row for row in batch if not storage.exists(str(row.file.name)))
        last = batch[-1].pk
        advance(len(batch))
