"""Activities and the tasks they make, interactions with their files, e-mail that came in, calendars and notices."""

from activities.models.attachments import Attachment
from activities.models.calendar import CalendarFeed, Notice
from activities.models.emails import Email, EmailQuerySet, EmailState
from activities.models.interactions import Interaction, InteractionKind, InteractionQuerySet
from activities.models.tasks import RepeatsFrom, Task, TaskQuerySet, TaskStatus, due_instant
from activities.models.templates import Activity, ActivityQuerySet, ActivityStep, TaskKind, TaskPriority

__all__ = [
    "Activity",
    "ActivityQuerySet",
    "ActivityStep",
    "Attachment",
    "CalendarFeed",
    "Email",
    "EmailQuerySet",
    "EmailState",
    "Interaction",
    "InteractionKind",
    "InteractionQuerySet",
    "Notice",
    "RepeatsFrom",
    "Task",
    "TaskKind",
    "TaskPriority",
    "TaskQuerySet",
    "TaskStatus",
    "due_instant",
]
