"""The next step of an opportunity: its earliest open task, read with the opportunity itself."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject

from activities.models import Task, TaskQuerySet
from crm.fields import column_of

SAID = (
    "id",
    "version",
    "kind",
    "description",
    "priority",
    "due_on",
    "due_time",
    "time_zone",
    "due_at",
    "salesperson_id",
    "team_id",
)  # what a page says of a next step, or does with it


def open_tasks() -> TaskQuerySet:
    """The open tasks of the opportunity that a query around this one is about."""
    return Task.objects.open().filter(opportunity=OuterRef("pk"))


def first_open_task() -> Subquery:
    """Its earliest one as one value: the database looks once for each row, at the very row of the index."""
    said = JSONObject(**{name: name for name in SAID})
    return Subquery(open_tasks().soonest_first().values(said=said)[:1])


def without_next_step() -> Q:
    """No open task."""
    return ~Q(Exists(open_tasks()))


def with_task_due(by: datetime) -> Q:
    """An open task that is due by then."""
    return Q(Exists(open_tasks().due_by(by)))


def next_step_from(said: dict[str, Any] | None) -> Task | None:
    """The task that ``first_open_task`` found; nothing else of it has been read, so it is to look at only."""
    if said is None:
        return None
    values = {name: column_of(Task, name.removesuffix("_id")).to_python(said[name]) for name in SAID}
    if values["due_at"].tzinfo is None:  # SQLite keeps UTC without saying so
        values["due_at"] = values["due_at"].replace(tzinfo=UTC)
    return Task(**values)
