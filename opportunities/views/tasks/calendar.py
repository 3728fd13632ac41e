"""Tasks in a week and in a month: every day shows its first few, and leads to the list of all of them."""

import calendar
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, F, When, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from activities.models import Task, TaskStatus
from crm.access import readers_only
from crm.dates import add_months, today
from crm.http import CrmRequest, page
from crm.templatetags.kansen import days_between
from opportunities.tasks import PLANNED, TaskLine, in_state, lines_of, of_whom, whose_offered, with_day
from opportunities.views.tasks.listing import around

DAYS_IN_WEEK = 7
OF_A_DAY = {"week": 20, "month": 4}  # shown on each day: never more than 168 on a page
FIRST_YEAR, LAST_YEAR = 1901, 2998


@dataclass
class Day:
    """A day with the first of its tasks."""

    date: date
    is_today: bool
    is_outside: bool  # of another month than the page is about
    list_url: str
    new_url: str
    lines: list[TaskLine] = field(default_factory=list)
    total: int = 0

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.lines)


@require_GET
@readers_only
def task_week(request: CrmRequest) -> HttpResponse:
    """Seven days, from Monday."""
    on, notice = _day_asked_for(request)
    monday = on - timedelta(days=on.weekday())
    last = monday + timedelta(days=6)
    beside = {"previous": monday - timedelta(days=7), "following": monday + timedelta(days=7)}
    title = days_between(monday, last)
    return _draw(request, "week", monday, last, on, {"title": title, "notice": notice, **beside})


@require_GET
@readers_only
def task_month(request: CrmRequest) -> HttpResponse:
    """A month in whole weeks."""
    on, notice = _day_asked_for(request)
    first = on.replace(day=1)
    month_ends = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    monday = first - timedelta(days=first.weekday())
    last = month_ends + timedelta(days=6 - month_ends.weekday())
    title = date_format(first, "YEAR_MONTH_FORMAT")
    beside = {"previous": add_months(first, -1), "following": add_months(first, 1)}
    return _draw(request, "month", monday, last, on, {"title": title, "notice": notice, **beside})


def _draw(
    request: CrmRequest, span: str, first: date, last: date, on: date, context: dict[str, Any]
) -> HttpResponse:
    offered = whose_offered(request.user)
    asked = request.GET.get("whose", "")
    whose = asked if asked in offered else offered[0]
    if asked and asked != whose:
        context["notice"] = _("There is no such choice here, so this is the usual page.")
    days = _days(request, first, last, on, whose)
    _fill(request, days, span, whose)
    context |= {
        "span": span,
        "days": list(days.values()),
        "weekdays": [date_format(day, "D") for day in list(days)[:DAYS_IN_WEEK]],
        "on": on,
        "today": today(),
        "has_today": today() in days,
        "back": request.get_full_path(),
        "may_add": request.user.may_sell(),
        **around(request, offered, whose),
    }
    status = 422 if context["notice"] else 200
    return page(request, "opportunities/task_calendar.html", context, status=status)


def _days(request: CrmRequest, first: date, last: date, on: date, whose: str) -> dict[date, Day]:
    """Every day of the page, empty as yet."""
    days = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        there = urlencode({"on": day, "state": PLANNED, "whose": whose})
        new = urlencode({"due_on": day, "next": request.get_full_path()})
        days[day] = Day(
            date=day,
            is_today=day == today(),
            is_outside=(last - first).days >= DAYS_IN_WEEK and day.month != on.month,
            list_url=f"{reverse('opportunities:tasks')}?{there}",
            new_url=f"{reverse('opportunities:task-new')}?{new}",
        )
    return days


def _fill(request: CrmRequest, days: dict[date, Day], span: str, whose: str) -> None:
    """Put the first few tasks of every day, open ones first, and how many there are, in one query."""
    visible = Task.objects.visible_to(request.user).with_names()
    planned = in_state(of_whom(visible, request.user, whose), PLANNED)
    rows: Any = with_day(planned, min(days), max(days))
    open_first = Case(When(status=TaskStatus.OPEN, then=0), default=1)
    order = [open_first.asc(), F("due_at").asc(), F("pk").asc()]
    ranked = rows.annotate(
        place=Window(RowNumber(), partition_by=[F("day")], order_by=order),
        total=Window(Count("pk"), partition_by=[F("day")]),
    ).filter(place__lte=OF_A_DAY[span])
    for line in lines_of(list(ranked.order_by("day", "place")), request.user):
        there: Any = line.task  # the two annotations
        days[there.day].lines.append(line)
        days[there.day].total = there.total


def _day_asked_for(request: CrmRequest) -> tuple[date, str]:
    """The day in the address, else today, and why it is not what was asked for."""
    text = request.GET.get("on", "")
    if not text:
        return today(), ""
    try:
        on = date.fromisoformat(text)
    except ValueError:
        on = date.min
    if FIRST_YEAR <= on.year <= LAST_YEAR:
        return on, ""
    return today(), _("That is no day that a calendar shows, so this is today. Write it as 2026-11-23.")
