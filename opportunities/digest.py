"""The plan of the day: one e-mail each morning to whoever has something to do, with what it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activities.models import Notice, Task, TaskQuerySet
from activities.notices import Letter, NoticeKind, letter, readers_of, speaking_to
from activities.telling import about, link, with_what_is_seen
from activities.templatetags.tasks import due_words
from crm.dates import today
from crm.templatetags.kansen import day
from opportunities import tasks
from opportunities.attention import Attention
from opportunities.forms.filters import ANYTHING, ME
from opportunities.models import Opportunity
from salespeople.models import User

FIRST_HOUR = 6  # on the clock of the reader
LONGEST_DAY = timedelta(hours=25)
MOST_LINES = 10
KEY = "digest "


@dataclass(frozen=True)
class Line:
    """One thing to do, and where."""

    title: str
    text: str
    link: str


@dataclass(frozen=True)
class Part:
    """The first things of one sort, and how many there are in all."""

    heading: str
    lines: Sequence[Line]
    total: int
    link: str

    @property
    def more(self) -> int:
        """How many are not told."""
        return self.total - len(self.lines)


@dataclass(frozen=True)
class Digest:
    """Somebody's day begins."""

    user: User
    on: date
    keeps_empty: ClassVar[bool] = True  # a day that begins with nothing to do gets no plan later on

    @property
    def key(self) -> str:
        """The day."""
        return f"{KEY}{self.on.isoformat()}"

    def write(self) -> Letter | None:
        """The plan; None if there is nothing in it, or the reader stopped it."""
        user = readers_of(NoticeKind.DIGEST).filter(pk=self.user.pk).first()
        if user is None:
            return None
        with speaking_to(user):
            parts = [part for part in (*_of_tasks(user), _of_opportunities(user)) if part.total]
            return _letter(user, parts) if parts else None


def due_digests(now: datetime) -> list[Digest]:
    """Those of people whose morning has come, that nobody has written yet."""
    found = []
    lately = Notice.objects.filter(claimed_at__gte=now - LONGEST_DAY, key__startswith=KEY)
    written = set(lately.values_list("user_id", "key"))
    for user in readers_of(NoticeKind.DIGEST):
        here = now.astimezone(ZoneInfo(user.time_zone))
        digest = Digest(user, here.date())
        if here.hour >= FIRST_HOUR and (user.pk, digest.key) not in written:
            found.append(digest)
    return found


def _letter(user: User, parts: Sequence[Part]) -> Letter:
    subject = _("%(day)s: %(parts)s") % {
        "day": day(today()),
        "parts": ", ".join(part.heading for part in parts),
    }
    context = {"title": subject, "parts": parts}
    return letter(user, NoticeKind.DIGEST, subject, "opportunities/mail/digest", context)


def _of_tasks(user: User) -> list[Part]:
    mine = Task.objects.of_salesperson(user.own_salesperson)
    overdue = tasks.in_state(mine, tasks.OVERDUE)
    still = tasks.in_state(mine, tasks.TODAY).exclude(due_at__lt=timezone.now())
    return [
        _task_part(user, overdue, tasks.OVERDUE, _overdue_heading),
        _task_part(user, still, tasks.TODAY, _today_heading),
    ]


def _task_part(user: User, rows: TaskQuerySet, state: str, heading: Callable[[int], str]) -> Part:
    first, total = _first(with_what_is_seen(rows, user).soonest_first())
    lines = [Line(str(task), ". ".join([due_words(task), *about(task)]), link(task)) for task in first]
    return Part(heading(total), lines, total, _address("opportunities:tasks", state=state))


def _of_opportunities(user: User) -> Part:
    attention = Attention(user)
    mine = Opportunity.objects.visible_to(user).filter(salesperson=user.own_salesperson)
    total, _counts = attention.count(mine)
    lines = [
        Line(
            f"{line.opportunity}, {line.opportunity.contact}",
            ". ".join(reason.text for reason in line.reasons),
            f"{settings.SITE_URL}{line.opportunity.get_absolute_url()}",
        )
        for line in (attention.first(mine.with_names(), MOST_LINES) if total else [])
    ]
    heading = ngettext("%(n)d opportunity needs you", "%(n)d opportunities need you", total) % {"n": total}
    return Part(heading, lines, total, _address("opportunities:list", whose=ME, needs=ANYTHING))


def _first(rows: "QuerySet[Task]") -> tuple[list[Task], int]:
    """The first that are told, and the number of all, which is only counted when there are more."""
    found = list(rows[: MOST_LINES + 1])
    return found[:MOST_LINES], len(found) if len(found) <= MOST_LINES else rows.count()


def _overdue_heading(count: int) -> str:
    return ngettext("%(n)d task overdue", "%(n)d tasks overdue", count) % {"n": count}


def _today_heading(count: int) -> str:
    return ngettext("%(n)d task today", "%(n)d tasks today", count) % {"n": count}


def _address(name: str, **query: Any) -> str:
    return f"{settings.SITE_URL}{reverse(name, query=query)}"
