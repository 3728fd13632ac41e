"""Writing the ordered parts of something: no two ever stand on one position, whatever they swap."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Case, QuerySet, Value, When


def reorder(rows: QuerySet[Any], positions: dict[int, int]) -> None:
    """Give rows (by primary key) new positions in one step, whatever they swap.

    They first step aside to positions that nobody has or wants, so that no two ever stand on the same one.
    Raises ``IntegrityError`` when two end on one position.
    """
    if not positions:
        return
    with transaction.atomic():
        wanted = {*positions.values(), *rows.values_list("position", flat=True)}
        aside = (position for position in count(1) if position not in wanted)
        moving = rows.filter(pk__in=positions)
        for places in (dict(zip(positions, aside, strict=False)), positions):
            moving.update(position=Case(*[When(pk=pk, then=Value(place)) for pk, place in places.items()]))


def write_rows(
    rows: QuerySet[Any],
    *,
    name: str,
    kept: Sequence[tuple[Any, Sequence[str]]],
    removed: Sequence[Any],
) -> list[dict[str, Any]]:
    """Write the parts of something as they were typed; what was done, in the format of Django's change log.

    ``kept`` holds new and existing parts with the names of the columns that changed, ``removed`` those to delete,
    ``name`` is what the log calls one. The caller holds the transaction and has locked what they are part of.
    """
    done: list[dict[str, Any]] = []
    for row in removed:
        done.append({"deleted": {"name": name, "object": str(row)}})
        row.delete()
    existing = [(row, changed) for row, changed in kept if changed and not row._state.adding]
    for row, changed in existing:
        done.append({"changed": {"name": name, "object": str(row), "fields": list(changed)}})
        if rest := set(changed) - {"position"}:
            row.save(update_fields=rest)
    reorder(rows, {row.pk: row.position for row, changed in existing if "position" in changed})
    for row, _changed in kept:
        if row._state.adding:
            row.save(force_insert=True)
            done.append({"added": {"name": name, "object": str(row)}})
    return done
