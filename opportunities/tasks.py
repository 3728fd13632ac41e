"""Reading tasks: whose they are, when they are due on the clock of the reader, and what the reader may do with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, DateField, F, Q, QuerySet, When
from django.db.models.functions import TruncDate
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone
from django.utils.translation import gettext_lazy

from activities.models import Task, TaskQuerySet, TaskStatus
from activities.models.tasks import day_end
from contacts.models import Contact
from crm.dates import apply_formula, today
from opportunities.models import Opportunity
from salespeople.models import User

MINE, TEAM, ALL = "ME", "TEAM", "ALL"
WHOSE = {
    MINE: gettext_lazy("Mine"),
    TEAM: gettext_lazy("My team’s"),
    ALL: gettext_lazy("Everyone’s"),
}
OPEN, OVERDUE, TODAY, WEEK, LATER = "OPEN", "OVERDUE", "TODAY", "WEEK", "LATER"
PLANNED, DONE, CANCELLED = "PLANNED", "DONE", "CANCELLED"
STATES = {
    OPEN: gettext_lazy("All open"),
    OVERDUE: gettext_lazy("Overdue"),
    TODAY: gettext_lazy("Due by today"),
    WEEK: gettext_lazy("Due this week"),
    LATER: gettext_lazy("Later"),
    DONE: gettext_lazy("Done"),
    CANCELLED: gettext_lazy("Cancelled"),
    PLANNED: gettext_lazy("Open and done"),
}


@dataclass(frozen=True)
class TaskLine:
    """A task with what the reader may do and see; an address is empty where there is nothing to see."""

    task: Task
    may_work: bool
    contact_url: str = ""
    opportunity_url: str = ""

    @property
    def contact_name(self) -> str:
        """Whom it is about: by name to a reader who sees that contact, else by number; nothing for nobody."""
        contact: Contact | None = self.task.contact
        if contact is None:
            return ""
        return str(contact) if self.contact_url else contact.number


def whose_offered(user: User) -> list[str]:
    """Whose tasks one may ask for, the usual one first."""
    return [MINE, TEAM, ALL] if user.own_salesperson is not None else [ALL]


def of_whom(tasks: TaskQuerySet, user: User, whose: str) -> TaskQuerySet:
    """The reader's own (with those of the own team), those of the teams one is in or manages, or all."""
    own = user.own_salesperson
    if whose == ALL:
        return tasks
    if own is None or whose == MINE:
        return tasks.of_salesperson(own)
    near = Q(salesperson=own) | Q(salesperson__team__manager=own) | Q(team__manager=own)
    if own.team_id is not None:
        near |= Q(salesperson__team=own.team_id) | Q(team=own.team_id)
    return tasks.filter(near)


def in_state(tasks: TaskQuerySet, state: str) -> TaskQuerySet:
    """Those in one of the ``STATES``; “by today” and “this week” include what is overdue."""
    day, zone, now = today(), timezone.get_current_timezone(), timezone.now()
    week_ends = day_end(apply_formula("CW", day), zone)
    match state:
        case "OVERDUE":
            return tasks.open().overdue(now)
        case "TODAY":
            return tasks.open().due_by(day_end(day, zone))
        case "WEEK":
            return tasks.open().due_by(week_ends)
        case "LATER":
            return tasks.open().filter(due_at__gt=week_ends)
        case "DONE" | "CANCELLED":
            return tasks.closed_as(state)
        case "PLANNED":
            return tasks.filter(status__in=[TaskStatus.OPEN, TaskStatus.DONE])
        case _:
            return tasks.open()


def with_day(tasks: TaskQuerySet, first: date, last: date) -> TaskQuerySet:
    """Those of some days, each with its ``day``: by the reader's clock if it has a time."""
    here = TruncDate("due_at", tzinfo=timezone.get_current_timezone())
    day = Case(When(due_time__isnull=True, then=F("due_on")), default=here, output_field=DateField())
    around = tasks.filter(due_on__gte=_shifted(first, -1), due_on__lte=_shifted(last, 1))
    found: TaskQuerySet = around.annotate(day=day).filter(GreaterThanOrEqual(F("day"), first))
    return found.filter(LessThanOrEqual(F("day"), last))


def lines_of(tasks: Sequence[Task], user: User) -> list[TaskLine]:
    """Each with what the reader may do and see. At most three queries, however many there are."""
    workable = _keys(Task.objects.workable_by(user), (task.pk for task in tasks if user.may_sell()))
    contacts = _keys(Contact.objects.visible_to(user), (task.contact_id for task in tasks))
    seen = _keys(Opportunity.objects.visible_to(user), (task.opportunity_id for task in tasks))
    return [
        TaskLine(
            task,
            may_work=task.pk in workable,
            contact_url=task.contact.get_absolute_url()
            if task.contact and task.contact_id in contacts
            else "",
            opportunity_url=task.opportunity.get_absolute_url()
            if task.opportunity and task.opportunity_id in seen
            else "",
        )
        for task in tasks
    ]


def _keys(rows: "QuerySet[Any]", wanted: Any) -> set[int]:
    keys = {key for key in wanted if key is not None}
    return set(rows.filter(pk__in=keys).values_list("pk", flat=True)) if keys else set()


def _shifted(day: date, days: int) -> date:
    """Some days on, kept between the first and last date there is."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day
