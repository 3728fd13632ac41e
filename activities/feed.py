"""Somebody's tasks as an iCalendar (RFC 5545), for Google Calendar, Outlook, Apple Calendar and the like.

A calendar programme that subscribes takes the file for the whole truth: it draws what is in it and forgets what is
not. So a task that was given to somebody else simply is not here any more, and vanishes there. One that was
cancelled stays for a while and says so, because some programmes otherwise keep showing what they have.
"""

import re
from datetime import datetime, timedelta
from itertools import chain

from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from icalendar import Calendar, Event

from activities.models import Task, TaskKind, TaskPriority, TaskStatus
from activities.telling import about, link, with_what_is_seen
from activities.zones import time_zone
from salespeople.models import User

DAYS_BACK = 60
DAYS_AHEAD = 400
CANCELLED_DAYS = 60  # how long one that was cancelled still says so
MOST_EVENTS = 2_000
READ_EVERY = timedelta(hours=1)  # what we ask of the programmes that read
USUAL_MINUTES = {TaskKind.MEETING: 60}
OTHER_MINUTES = 30
PRIORITIES = {TaskPriority.HIGH: 1, TaskPriority.NORMAL: 5, TaskPriority.LOW: 9}
NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # what RFC 5545 allows in no text


def calendar_of(user: User, now: datetime) -> bytes:
    """The whole calendar, in the user's language; the same bytes as long as nothing in it changes."""
    with timezone.override(user.time_zone), translation.override(user.language):
        tasks = _tasks(user, now)
        calendar = _empty(user)
        zones = {user.time_zone, *(task.time_zone for task in tasks if task.due_time is not None)}
        for name in sorted(zones):
            calendar.add_component(time_zone(name, now.year))
        for task in tasks:
            calendar.add_component(_event(task))
        return bytes(calendar.to_ical())


def _empty(user: User) -> Calendar:
    calendar = Calendar()
    calendar.add("PRODID", "-//Kansen//Tasks//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("CALSCALE", "GREGORIAN")
    name = _text(_("Kansen: %(who)s") % {"who": user})
    calendar.add("NAME", name)
    calendar.add("X-WR-CALNAME", name)
    calendar.add("X-WR-TIMEZONE", user.time_zone)
    calendar.add("REFRESH-INTERVAL", READ_EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("X-PUBLISHED-TTL", "PT1H")
    return calendar


# Which tasks


def _tasks(user: User, now: datetime) -> list[Task]:
    """Those of the window, in order; where they are too many, the open ones that come first and what was closed last."""
    today = timezone.localdate(now)
    window = (today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD))
    rows = with_what_is_seen(Task.objects.of_salesperson(user.own_salesperson), user).filter(
        due_on__range=window
    )
    coming = list(rows.open().order_by("due_on", "pk")[:MOST_EVENTS])
    cancelled_long_ago = Q(status=TaskStatus.CANCELLED, closed_at__lt=now - timedelta(days=CANCELLED_DAYS))
    over = rows.closed().exclude(cancelled_long_ago).order_by("-due_on", "-pk")
    return sorted(chain(coming, over[: MOST_EVENTS - len(coming)]), key=lambda task: (task.due_on, task.pk))


# What an event says


def _event(task: Task) -> Event:
    event = Event()
    event.add("UID", f"{task.uid}@kansen")
    event.add("SEQUENCE", task.version - 1)
    for name in ("DTSTAMP", "LAST-MODIFIED"):
        event.add(name, task.changed_at)
    event.add("CREATED", task.created_at)
    _add_time(event, task)
    event.add("SUMMARY", _text(f"✓ {task}" if task.status == TaskStatus.DONE else str(task)))
    event.add("DESCRIPTION", _text("\n".join([*about(task), link(task)])))
    event.add("URL", link(task))
    event.add("CATEGORIES", [_text(task.get_kind_display())])
    event.add("STATUS", "CANCELLED" if task.status == TaskStatus.CANCELLED else "CONFIRMED")
    event.add("PRIORITY", PRIORITIES[TaskPriority(task.priority)])
    return event


def _add_time(event: Event, task: Task) -> None:
    """A whole day that blocks nothing, or a time in the zone it was given in.

    How long it takes is told as a duration, so that the hour which the clock shows twice in autumn cannot make it
    end before it begins.
    """
    if task.due_time is None:
        event.add("DTSTART", task.due_on)
        event.add("DTEND", task.due_on + timedelta(days=1))
        event.add("TRANSP", "TRANSPARENT")
        return
    event.add("DTSTART", task.due_at.astimezone(task.zone))
    event.add("DURATION", timedelta(minutes=USUAL_MINUTES.get(TaskKind(task.kind), OTHER_MINUTES)))
    event.add("TRANSP", "OPAQUE")


def _text(text: str) -> str:
    """A text without the characters that a calendar may not hold; its lines end as the library expects."""
    return NOT_IN_TEXT.sub(" ", re.sub(r"\r\n?", "\n", text))
