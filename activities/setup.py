"""What managers set up: an activity and its steps are written together."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from activities.models import Activity, ActivityStep
from crm.positions import write_rows
from salespeople.models import User


@transaction.atomic
def save_activity(
    *,
    activity: Activity,
    changed: Sequence[str],
    kept: Sequence[tuple[ActivityStep, Sequence[str]]],
    removed: Sequence[ActivityStep],
    by: User,
) -> None:
    """Save a new or changed activity with its steps, and leave a line in the change log.

    Whoever changes one has locked it and compared what the form was drawn from. Raises ``IntegrityError`` when
    somebody else takes its code at the same moment.
    """
    is_new = activity._state.adding
    done: list[dict[str, Any]] = []
    if is_new:
        done.append({"added": {}})
    elif changed:
        done.append({"changed": {"fields": list(changed)}})
    if is_new or changed:
        activity.save()
    for step, _changed in kept:
        step.activity = activity
    done += write_rows(activity.steps.all(), name="step", kept=kept, removed=removed)
    if done:
        _log(activity, ADDITION if is_new else CHANGE, by=by, message=done)


def _log(activity: Activity, flag: int, *, by: User, message: list[dict[str, Any]]) -> None:
    """A line in the change log, in Django's own format, so that the admin shows it too."""
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(Activity),
        object_id=str(activity.pk),
        object_repr=str(activity)[:200],
        action_flag=flag,
        change_message=json.dumps(message),
    )
