"""What changes more than one row of a sales cycle: moving the default, and writing all stages at once.

Callers hold the transaction: they lock, compare what the form was drawn from, and then write.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from crm.positions import write_rows
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import User


@transaction.atomic
def save_cycle(*, cycle: SalesCycle, changed: Sequence[str], by: User) -> None:
    """Save a new or changed cycle; if it is to be the default, the present default no longer is."""
    is_new = cycle._state.adding
    if cycle.is_default:
        lock_cycles()
        SalesCycle.objects.filter(is_default=True).exclude(pk=cycle.pk).update(is_default=False)
    cycle.save()
    _log(
        cycle,
        ADDITION if is_new else CHANGE,
        by=by,
        message=[{"added": {}}] if is_new else [{"changed": {"fields": list(changed)}}],
    )


def lock_cycles() -> dict[int, SalesCycle]:
    """All cycles by primary key, locked in one order, so that two managers never wait for each other."""
    return {cycle.pk: cycle for cycle in SalesCycle.objects.select_for_update(no_key=True).order_by("pk")}


@transaction.atomic
def write_stages(
    *,
    cycle: SalesCycle,
    kept: Sequence[tuple[SalesCycleStage, Sequence[str]]],
    removed: Sequence[SalesCycleStage],
    by: User,
) -> None:
    """Write the stages of a cycle as they were typed, whatever positions they swap.

    ``kept`` holds new and existing stages with the names of the fields that changed, ``removed`` those to delete.
    """
    message = write_rows(cycle.stages.all(), name="stage", kept=kept, removed=removed)
    if message:
        _log(cycle, CHANGE, by=by, message=message)


def _log(cycle: SalesCycle, flag: int, *, by: User, message: list[dict[str, Any]]) -> None:
    """A line in the change log, in Django's own format, so that the admin shows it too."""
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(SalesCycle),
        object_id=str(cycle.pk),
        object_repr=str(cycle)[:200],
        action_flag=flag,
        change_message=json.dumps(message),
    )
