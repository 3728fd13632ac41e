"""Two people change one thing at once: the second is told, and nothing of either is lost.

A form carries what it was drawn from (``remember``). When that is no longer what is stored, ``merge`` puts what
the first one saved and what the second one typed together: a field the second left alone follows the first.
What was typed wrongly is kept as well.

A form of one record takes part by being a ``SeenForm``. What a form of several rows needs is here in pieces, which
work on texts as they stand in its fields.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.fields import column_of
from crm.forms import is_key, saved
from crm.http import CrmRequest

Row = TypeVar("Row", bound=models.Model)

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


def plain(value: Decimal | None) -> str:
    """A number as one types it, 50 instead of 50.00; nothing for none."""
    if value is None:
        return ""
    return f"{value.normalize():f}" if value else "0"


def as_texts(instance: models.Model, fields: Sequence[str]) -> Texts:
    """The fields of a record as a form shows them; a ticked box is ``on``."""
    return {name: _as_text(getattr(instance, column_of(type(instance), name).attname)) for name in fields}


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
            "field": str(column_of(model, name).verbose_name),
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


# Forms of one record ---------------------------------------------------------------------------------------------


class SeenField(forms.CharField):
    """What the form was drawn from, out of sight; it is nothing that a person changes."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class SeenForm(forms.ModelForm[Row]):
    """A form of a record that somebody else may save while it is open.

    A field that was left alone follows what is stored by now. When both changed one field to different things the
    form ``is_stale``: it is not valid, shows what was typed and says what the other one did. Saving it again saves
    what was typed, since that was seen then. The record must be locked while the form is validated and saved.
    """

    also_seen: tuple[str, ...] = ()  # what decides what the form asks, but is no field of it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.change: Change | None = None  # what somebody else did that collides with what was typed
        self.followed: list[str] = []  # labels of the fields that somebody else changed, and that are kept
        self._stored: dict[str, Any] | None = None
        if self.instance.pk:
            self.fields["seen"] = SeenField(required=False, initial=self._remember)

    @property
    def is_stale(self) -> bool:
        """Whether somebody else changed what was changed here."""
        return self.change is not None

    def is_valid(self) -> bool:
        """Whether it can be saved: nothing is wrong, and nobody was faster."""
        return super().is_valid() and not self.is_stale

    def full_clean(self) -> None:
        if self.is_bound and self.instance.pk and self._stored is None:
            self._stored = self._now()
            self._follow(recall(str(self["seen"].data or ""), of=self._mark()))
        super().full_clean()

    def say_changed(self, by: Any) -> None:
        """Leave a line in the change log, which tells the next one who was faster."""
        names = [name for name in self.changed_data if name in self.fields]
        if names:
            LogEntry.objects.create(
                user=by,
                content_type=ContentType.objects.get_for_model(self.instance),
                object_id=str(self.instance.pk),
                object_repr=str(self.instance)[:200],
                action_flag=CHANGE,
                change_message=json.dumps([{"changed": {"fields": [self._label(name) for name in names]}}]),
            )

    def _mark(self) -> str:
        return f"{self.instance._meta.label}.{self.instance.pk}"

    def _remember(self) -> str:
        return remember({"": self._stored or self._now()}, of=self._mark())

    def _now(self) -> dict[str, Any]:
        """What is stored, in the shape of the fields, ready for JSON."""
        many = {field.name: field for field in self.instance._meta.many_to_many}
        one = {field.name: field for field in self.instance._meta.concrete_fields}
        now: dict[str, Any] = {}
        for name in [*self.fields, *self.also_seen]:
            if name in many:
                now[name] = sorted(getattr(self.instance, name).values_list("pk", flat=True))
            elif name in one:
                value = one[name].get_prep_value(one[name].value_from_object(self.instance))
                now[name] = value if value is None or isinstance(value, (bool, int)) else str(value)
        return now

    def _follow(self, memory: Memory | None) -> None:
        """Put theirs where nothing was typed, and notice where both did."""
        now = self._stored or {}
        before: dict[str, Any] = dict(memory.rows[""]) if memory else {}
        posted: Any = self.data
        data, collisions = posted.copy(), []
        for name in (name for name in now if memory is None or before.get(name) != now[name]):
            field = self.fields.get(name)
            raw = self[name].data if field else None
            if memory is not None and field and not field.has_changed(before.get(name), raw):
                _put(data, self.add_prefix(name), field, now[name])
                self.followed.append(self._label(name))
            elif field is None and memory is None:
                continue
            elif field is None or field.has_changed(now[name], raw):
                collisions.append(self._collision(name, before.get(name), now[name], raw))
        self.data = data
        if collisions:
            self.change = change_of(self.instance, memory, collisions)
            data[self.add_prefix("seen")] = self._remember()

    def _collision(self, name: str, before: Any, now: Any, raw: Any) -> str:
        words = {
            "field": self._label(name),
            "old": self._words(name, before),
            "new": self._words(name, now),
            "mine": self._words(name, raw),
        }
        if name not in self.fields:
            return _("%(field)s: %(old)s is now %(new)s.") % words
        return _("%(field)s: it is now %(new)s, and you typed %(mine)s.") % words

    def _label(self, name: str) -> str:
        if name in self.fields:
            return str(self.fields[name].label)
        label = str(getattr(self.instance._meta.get_field(name), "verbose_name", name))
        return label[:1].upper() + label[1:]

    def _words(self, name: str, value: Any) -> str:
        """A value as a person reads it, stored or typed."""
        field = self.fields.get(name)
        if isinstance(field, forms.ModelChoiceField):
            values = value if isinstance(value, list) else [value]
            keys = [key for key in values if is_key(str(key))]
            rows = (
                field.queryset.model._base_manager.filter(pk__in=keys) if field.queryset is not None else ()
            )
            text = ", ".join(str(row) for row in rows)
        elif isinstance(field, forms.BooleanField):
            text = _("yes") if value else _("no")
        else:
            choices: Iterable[Any] = getattr(self.instance._meta.get_field(name), "flatchoices", ())
            shown = field.prepare_value(value) if field else value
            text = str(dict(choices).get(value, shown if shown is not None else ""))
        return f"“{text}”" if text else _("empty")


def kept(request: CrmRequest, form: SeenForm[Any]) -> bool:
    """Save a valid form, note who did it, and tell them what somebody else changed meanwhile and is kept, too."""
    if not saved(form):
        return False
    form.say_changed(request.user)
    if form.followed:
        text = _("Somebody else changed this meanwhile, and it is kept: %(fields)s.")
        messages.info(request, text % {"fields": ", ".join(form.followed)})
    return True


def status_of(form: SeenForm[Any]) -> int:
    """How a form is answered that is shown, or shown again."""
    if form.is_stale:
        return 409
    return 422 if form.is_bound else 200


def _put(data: Any, name: str, field: forms.Field, value: Any) -> None:
    """Write into what was posted what the field would send for a value."""
    if isinstance(field, forms.BooleanField):
        data.pop(name, None)
        if value:
            data[name] = "on"
    elif isinstance(field, forms.ModelMultipleChoiceField):
        data.setlist(name, [str(key) for key in value])
    else:
        shown = field.prepare_value(value)
        data[name] = "" if shown is None else str(shown)
