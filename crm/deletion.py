"""What keeps a record from being deleted, in words that a person can act on.

``PROTECT`` refuses by loading every row that uses the record. Here the same foreign keys are counted
instead, so that a company with a million entries is answered as quickly as one with three.
"""

from collections import defaultdict
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _

PROTECTING = (models.PROTECT, models.RESTRICT)


def what_uses(instance: models.Model) -> list[str]:
    """What would be left hanging without ``instance``: ``["12 opportunities", "3 contacts"]``.

    The most come first, parts of other things (entries of opportunities) last. Rows that go with the instance (a
    stage with its cycle) are no obstacle, but what uses those rows is. Empty when nothing stands in the way.
    """
    counts = []
    for model, condition in _protecting(type(instance), instance.pk, path="").items():
        count = model._base_manager.filter(condition).count()
        if count:
            counts.append((_is_part(model), -count, model._meta.label, _in_words(count, model)))
    return [words for *_order, words in sorted(counts)]


def delete_unless_used(instance: models.Model) -> list[str]:
    """Delete ``instance`` and return nothing, or leave it and return what uses it.

    Somebody may begin to use it between the question and the answer; that is refused in the same words.
    """
    uses = what_uses(instance)
    if uses:
        return uses
    pk = instance.pk
    try:
        with transaction.atomic():
            instance.delete()
    except (models.ProtectedError, models.RestrictedError, IntegrityError):
        instance.pk = pk
        return what_uses(instance) or [_("something that was added a moment ago")]
    return []


def _protecting(
    model: type[models.Model], pk: Any, *, path: str, seen: tuple[type[models.Model], ...] = ()
) -> dict[type[models.Model], Q]:
    """For each model that protects the record, the condition that picks its rows; each row counts once."""
    found: dict[type[models.Model], Q] = defaultdict(Q)
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ForeignObjectRel) or not hasattr(relation, "on_delete"):
            continue
        user, lookup = relation.related_model, f"{relation.field.name}{path}"
        if relation.on_delete in PROTECTING:
            found[user] |= Q(**{lookup: pk})
        elif relation.on_delete is models.CASCADE and user not in (model, *seen):
            parts = _protecting(user, pk, path=f"__{lookup}", seen=(model, *seen))
            for part, condition in parts.items():
                found[part] |= condition
    return found


def _is_part(model: type[models.Model]) -> bool:
    """Whether rows of this model live and die with a row of another."""
    keys = (field.remote_field for field in model._meta.concrete_fields)
    return any(getattr(key, "on_delete", None) is models.CASCADE for key in keys)


def _in_words(count: int, model: type[models.Model]) -> str:
    name = model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural
    return f"{number_format(count, force_grouping=True)} {name}"
