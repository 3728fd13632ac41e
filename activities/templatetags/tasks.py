"""How templates say when a task is due."""

from datetime import time

from babel.dates import format_time
from django import template
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activities.models import Task, TaskStatus
from crm.dates import today
from crm.templatetags.kansen import days_from_today, reader_locale

register = template.Library()


@register.filter
def clock_time(value: time | None) -> str:
    """A time of day, as the reader writes it; nothing for none."""
    return str(format_time(value, "short", locale=reader_locale())) if value else ""


@register.filter
def due_words(task: Task) -> str:
    """When a task is due, from today: “in 3 days”, “today at 10:00”, “2 days overdue”; or when it was closed."""
    if not task.is_open:
        return _closed_words(task)
    here = task.due_here
    clock = clock_time(here.time()) if here else ""
    late = (today() - task.due_day).days
    if task.is_overdue and late > 0:
        return ngettext("%(n)d day overdue", "%(n)d days overdue", late) % {"n": late}
    if task.is_overdue:
        return _("overdue since %(time)s") % {"time": clock} if clock else _("overdue")
    when = days_from_today(task.due_day)
    return _("%(day)s at %(time)s") % {"day": when, "time": clock} if clock else when


@register.filter
def repeats_words(formula: str) -> str:
    """How often a task repeats: “every 2 weeks”; a formula that is seldom used as it was typed."""
    words = {
        "CM": _("at the end of every month"),
        "1D": _("every day"),
        "1W": _("every week"),
        "2W": _("every 2 weeks"),
        "1M": _("every month"),
        "1Q": _("every quarter"),
        "1Y": _("every year"),
    }
    return words.get(formula) or _("after %(formula)s") % {"formula": formula}


def _closed_words(task: Task) -> str:
    closed_on = timezone.localdate(task.closed_at) if task.closed_at else None
    words = {"when": days_from_today(closed_on)}
    return _("done %(when)s") % words if task.status == TaskStatus.DONE else _("cancelled %(when)s") % words
