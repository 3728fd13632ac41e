"""Which reminders of tasks are to be written now, and what they say."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activities.models import Notice, Task, TaskPriority
from activities.notices import Letter, NoticeKind, letter, readers_of, speaking_to
from activities.telling import about, link, with_what_is_seen
from crm.dates import today
from crm.templatetags.kansen import clock, day
from salespeople.models import ReminderLead, User

GRACE = timedelta(hours=1)  # how long after a task was due a late run still tells
LONGEST_LEAD = timedelta(minutes=max(ReminderLead.values))
KEY = "task "


@dataclass(frozen=True)
class Reminder:
    """Somebody is to hear of a task before it is due."""

    user: User
    task_pk: int
    due_at: datetime
    keeps_empty: ClassVar[bool] = False  # a task that is reopened is reminded of after all

    @property
    def key(self) -> str:
        """The task and its due time: one that is put off is reminded of anew."""
        return f"{KEY}{self.task_pk} {self.due_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    def write(self) -> Letter | None:
        """The reminder; None if the task was done, put off or given away, or the reader stopped reminders."""
        user = readers_of(NoticeKind.REMINDERS).filter(pk=self.user.pk).first()
        if user is None:
            return None
        mine = Task.objects.open().of_salesperson(user.own_salesperson)
        task = with_what_is_seen(mine, user).filter(pk=self.task_pk, due_at=self.due_at).first()
        if task is None or task.due_time is None:
            return None
        with speaking_to(user):
            return _letter(user, task)


def due_reminders(now: datetime) -> list[Reminder]:
    """Those of open tasks with a time, that nobody has written yet, the most pressing first."""
    readers = list(readers_of(NoticeKind.REMINDERS))
    by_salesperson = {user.salesperson.pk: [user] for user in readers}
    by_team: dict[int | None, list[User]] = defaultdict(list)
    for user in readers:
        if user.salesperson.team_id is not None:
            by_team[user.salesperson.team_id].append(user)
    written = _written(now)
    found = []
    tasks = Task.objects.open().filter(
        due_time__isnull=False, due_at__gt=now - GRACE, due_at__lte=now + LONGEST_LEAD
    )
    for pk, due_at, salesperson, team in tasks.soonest_first().values_list(
        "pk", "due_at", "salesperson", "team"
    ):
        for user in by_salesperson.get(salesperson, ()) if salesperson else by_team.get(team, ()):
            reminder = Reminder(user, pk, due_at)
            is_time = due_at - timedelta(minutes=user.reminded_before) <= now
            if is_time and (user.pk, reminder.key) not in written:
                found.append(reminder)
    return found


def _written(now: datetime) -> set[tuple[int, str]]:
    """What was begun lately; nothing older can be about a task that is still to be reminded of."""
    since = now - LONGEST_LEAD - GRACE * 2
    lately = Notice.objects.filter(claimed_at__gte=since, key__startswith=KEY)
    return set(lately.values_list("user_id", "key"))


def _letter(user: User, task: Task) -> Letter:
    here = timezone.localtime(task.due_at)
    context = {
        "task": task,
        "when": _("%(day)s, %(time)s (%(zone)s)")
        % {"day": day(here.date()), "time": clock(here), "zone": user.time_zone},
        "how_soon": _how_soon(task),
        "is_urgent": task.priority == TaskPriority.HIGH,
        "about": about(task),
        "link": link(task),
    }
    subject = _("%(when)s: %(task)s") % {"when": _when(task), "task": task}
    return letter(user, NoticeKind.REMINDERS, subject, "activities/mail/reminder", context)


def _when(task: Task) -> str:
    """Day and time in as few words as will do; how long ago, if it is too late."""
    here, now = timezone.localtime(task.due_at), timezone.now()
    if task.due_at <= now:
        return _how_soon(task)
    match (here.date() - today()).days:
        case 0:
            return _("Today at %(time)s") % {"time": clock(here)}
        case 1:
            return _("Tomorrow at %(time)s") % {"time": clock(here)}
        case _:
            return _("%(day)s at %(time)s") % {"day": day(here.date()), "time": clock(here)}


def _how_soon(task: Task) -> str:
    """How far away it is, in words."""
    minutes = round((task.due_at - timezone.now()).total_seconds() / 60)
    if minutes == 0:
        return _("Due now")
    if minutes < 0:
        ago = ngettext("Was due %(n)d minute ago", "Was due %(n)d minutes ago", -minutes)
        return ago % {"n": -minutes}
    if minutes < 120:
        return ngettext("Due in %(n)d minute", "Due in %(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("Due in %(n)d hour", "Due in %(n)d hours", hours) % {"n": hours}
