"""Tasks whose time has come: the lines of the page of the day that are tasks, and the number in the menu."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Subquery, Value, Window
from django.utils import timezone
from django.utils.translation import gettext as _

from activities.models import Task, TaskKind, TaskQuerySet
from activities.models.tasks import day_end
from activities.templatetags.tasks import due_words
from contacts.models import Contact
from crm.dates import today
from opportunities.models import Opportunity
from salespeople.models import Salesperson, User

MOST_COUNTED = 99  # beyond that it is said that there are more


@dataclass(frozen=True)
class TaskLine:
    """A task that is overdue or due today, and why it is here, in words."""

    task: Task
    text: str

    @property
    def is_overdue(self) -> bool:
        """Whether it should have been done by now."""
        return self.task.is_overdue

    @property
    def is_workable(self) -> bool:
        """Whether the reader may do it."""
        return bool(getattr(self.task, "is_workable", False))

    @property
    def opportunity(self) -> Opportunity | None:
        """What it is about, if the reader sees that."""
        opportunity: Opportunity | None = self.task.opportunity
        return opportunity if getattr(self.task, "sees_opportunity", False) else None

    @property
    def contact(self) -> Contact | None:
        """Whom it is about, if the reader sees them."""
        return _seen_contact(self.task)


@dataclass(frozen=True)
class DueTasks:
    """The first tasks that are due, and how many there are in all."""

    lines: Sequence[TaskLine] = ()
    total: int = 0
    overdue: int = 0


def end_of_today() -> datetime:
    """Until when something can be done that is due today, on the clock of the reader."""
    return day_end(today(), timezone.get_current_timezone())


def due_today(tasks: TaskQuerySet) -> TaskQuerySet:
    """The open ones of these that are due by the end of the reader's day, the overdue ones included."""
    return tasks.open().due_by(end_of_today())


def read_due(tasks: TaskQuerySet, user: User, size: int) -> DueTasks:
    """The first of these tasks that are due, and how many are, in one query."""
    late = Q(due_at__lt=timezone.now())
    workable = Task.objects.workable_by(user) if user.own_salesperson else Task.objects.none()
    found = list(
        due_today(tasks)
        .with_names()
        .select_related("opportunity__contact__company", "opportunity__company", "contact__company")
        .annotate(
            total=Window(Count(Value(1))),
            overdue=Window(Count(Value(1), filter=late)),
            is_workable=Exists(workable.filter(pk=OuterRef("pk"))),
            sees_opportunity=Exists(Opportunity.objects.visible_to(user).filter(pk=OuterRef("opportunity"))),
            sees_contact=Exists(Contact.objects.visible_to(user).filter(pk=OuterRef("contact"))),
        )
        .soonest_first()[:size]
    )
    if not found:
        return DueTasks()
    counts: Any = found[0]
    return DueTasks([TaskLine(task, in_words(task)) for task in found], counts.total, counts.overdue)


def in_words(task: Task) -> str:
    """What is to be done with whom, if the reader sees them, and by when: “call Ann Peeters, 2 days overdue”."""
    who = _seen_contact(task)
    what = {"who": who, "when": due_words(task)}
    if who is None:
        return _("%(kind)s, %(when)s") % {**what, "kind": task.get_kind_display().lower()}
    match task.kind:
        case TaskKind.CALL:
            return _("call %(who)s, %(when)s") % what
        case TaskKind.MEETING:
            return _("meet %(who)s, %(when)s") % what
        case TaskKind.EMAIL:
            return _("write to %(who)s, %(when)s") % what
        case _:
            return _("for %(who)s, %(when)s") % what


def _seen_contact(task: Task) -> Contact | None:
    contact: Contact | None = task.contact
    return contact if getattr(task, "sees_contact", False) else None


def number_due(user: User) -> int:
    """How many tasks somebody is to do today, own ones and those of the own team; at most one more than is counted."""
    if not user.may_sell():
        return 0
    own = Salesperson.objects.filter(user=user)
    person, team = (Subquery(own.values(name)[:1]) for name in ("pk", "team"))
    mine = due_today(Task.objects.filter(Q(salesperson=person) | Q(team=team)))
    return mine.values("pk")[: MOST_COUNTED + 1].count()
