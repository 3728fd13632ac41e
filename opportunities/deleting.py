"""Deleting many opportunities, each of them written to an archive first.

A batch is one transaction: its opportunities are deleted by the operation, what they were is written to the
archive and forced to the disk, and only then is the transaction committed. Whatever happens in between, what is
gone from the database is in the archive.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from django.db import transaction

from activities.models.attachments import attachment_storage
from crm.dates import today
from crm.progress import Advance, no_progress
from opportunities import operations
from opportunities.models import Opportunity, OpportunityQuerySet
from opportunities.operations import Gone, Refused
from salespeople.models import User

BATCH = 100
MOST_REASONS = 100


@dataclass
class Outcome:
    """How many went, how many were refused, and why the first of those were."""

    deleted: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        """Count one more that stays."""
        self.refused += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(reason)


def try_out(rows: OpportunityQuerySet, *, by: User, advance: Advance = no_progress) -> Outcome:
    """What ``delete_all`` would do, by the operation's dry run."""
    outcome = Outcome()
    for batch in _batches(rows):
        for opportunity in batch:
            try:
                operations.delete(opportunity=opportunity, by=by, on=today(), dry_run=True)
            except Refused as refusal:
                outcome.refuse(refusal.message)
            else:
                outcome.deleted += 1
        advance(len(batch))
    return outcome


def delete_all(
    rows: OpportunityQuerySet, archive: IO[str], *, by: User, advance: Advance = no_progress
) -> Outcome:
    """Archive and delete, batch by batch; one that is refused, or changed meanwhile, stays."""
    outcome = Outcome()
    for batch in _batches(rows):
        with transaction.atomic():
            lines, refusals = _delete(batch, by)
            archive.writelines(lines)
            archive.flush()
            os.fsync(archive.fileno())
        outcome.deleted += len(lines)
        for reason in refusals:
            outcome.refuse(reason)
        advance(len(batch))
    return outcome


@contextmanager
def new_archive(path: Path) -> Iterator[IO[str]]:
    """A file that was not there before and that only its owner may read; its name is on the disk too."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        directory = os.open(path.resolve().parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        yield file


def _delete(batch: list[Opportunity], by: User) -> tuple[list[str], list[str]]:
    """Delete a batch; what was deleted as lines of JSON, and why the others were not."""
    lines, refusals = [], []
    for opportunity in batch:
        try:
            gone = operations.delete(opportunity=opportunity, by=by, on=today(), seen=opportunity.version)
        except Gone:
            pass  # somebody else has deleted it a moment ago
        except Refused as refusal:
            refusals.append(refusal.message)
        else:
            lines.append(json.dumps(_with_files(gone), default=_plain, ensure_ascii=False) + "\n")
    return lines, refusals


def _with_files(gone: dict[str, Any]) -> dict[str, Any]:
    """The same with the bytes of its files, in Base64; the files themselves go when the transaction is over."""
    for attachment in gone["attachments"]:
        try:
            with attachment_storage().open(attachment["file"]) as file:
                attachment["content"] = base64.b64encode(file.read()).decode()
        except FileNotFoundError:
            attachment["content"] = None  # it was lost before
    return gone


def _plain(value: object) -> str:
    """Dates, times with every digit, and exact numbers as text."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be archived.")


def _batches(rows: OpportunityQuerySet) -> Iterator[list[Opportunity]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        yield batch
