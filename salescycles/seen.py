"""Two people change one thing at once: the second is told, and nothing of either is lost.

A form carries what it was drawn from (``remember``). When that is no longer what is stored, ``merge`` puts what
the first one saved and what the second one typed together: a field the second left alone follows the first.
All values here are texts as they stand in the fields of a form, so that what was typed wrongly is kept as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

Texts = dict[str, str]  # field -> what stands in it
Show = Callable[[str, str], str]  # field and text -> how a person reads it


@dataclass(frozen=True)
class Change:
    """What somebody else did meanwhile: who and when, if the change log knows, and what in words."""

    who: str
    when: datetime | None
    what: list[str]


@dataclass(frozen=True)
class Memory:
    """What a form was drawn from, by the key of each row, and when."""

    rows: dict[str, Texts]
    at: datetime


def plain(value: Decimal) -> str:
    """A decimal number without needless zeros."""
    return f"{value.normalize():f}" if value else "0"


def as_texts(instance: models.Model, fields: Sequence[str]) -> Texts:
    """The fields of a record as a form shows them; a ticked box is ``on``."""
    return {name: _as_text(getattr(instance, instance._meta.get_field(name).attname)) for name in fields}  # type: ignore[union-attr]


def remember(rows: dict[str, Texts], *, of: str) -> str:
    """What a form is drawn from, sealed for a hidden field; ``of`` says which form it is."""
    return signing.dumps({"rows": rows, "at": timezone.now().isoformat()}, salt=of, compress=True)


def recall(text: str, *, of: str) -> Memory | None:
    """What the form was drawn from, or None when it does not say so."""
    try:
        found = signing.loads(text, salt=of)
    except signing.BadSignature:
        return None
    return Memory(found["rows"], datetime.fromisoformat(found["at"]))


def merge(typed: Texts, *, before: Texts, now: Texts) -> Texts:
    """What a form shows after somebody else saved: what was typed, and theirs where nothing was typed."""
    return {name: now[name] if text == before.get(name) else text for name, text in typed.items()}


def differences(
    before: Texts, now: Texts, typed: Texts, *, model: type[models.Model], show: Show
) -> list[str]:
    """The fields that somebody else changed, in words, and what was typed there if that is something else."""
    found = []
    for name, new in now.items():
        old, mine = before.get(name, ""), typed.get(name, "")
        if new == old:
            continue
        words = {
            "field": str(model._meta.get_field(name).verbose_name),  # type: ignore[union-attr]
            "old": show(name, old),
            "new": show(name, new),
            "mine": show(name, mine),
        }
        if mine in (old, new):
            found.append(_("%(field)s: %(old)s is now %(new)s") % words)
        else:
            found.append(_("%(field)s: %(old)s is now %(new)s, and you typed %(mine)s") % words)
    return found


def change_of(instance: models.Model, memory: Memory | None, what: list[str]) -> Change:
    """What was done to ``instance`` since the form was drawn, with the last person who did it."""
    entry = None
    if memory is not None:
        entry = (
            LogEntry.objects.filter(
                content_type=ContentType.objects.get_for_model(instance),
                object_id=str(instance.pk),
                action_time__gt=memory.at,
            )
            .select_related("user")
            .order_by("-action_time", "-pk")
            .first()
        )
    return Change(str(entry.user) if entry else "", entry.action_time if entry else None, what)


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else ""
        case Decimal():
            return plain(value)
        case None:
            return ""
        case _:
            return str(value)
