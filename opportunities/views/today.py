"""The page of the day: what needs somebody, and what one's opportunities are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from activities.models import Task
from crm.access import readers_only
from crm.dates import period, today
from crm.http import CrmRequest, page
from crm.templatetags.kansen import clock, money
from opportunities import tasks
from opportunities.attention import Attention, Line, Need
from opportunities.due import DueTasks, TaskLine, read_due
from opportunities.forms.filters import ALL, ANYTHING, ME, TEAM, OpportunityFilter
from opportunities.forms.seen import ChangesSeenForm
from opportunities.models import Opportunity, OpportunityQuerySet, Status
from opportunities.operations import reachable_from
from opportunities.totals import IS_OPEN, IS_WON, calculated, estimated, number
from salespeople.models import User

SIZE = 25
MOST_TASKS = 15  # of these lines, as long as there are opportunities to fill the others
EVERYONE = "EVERYONE"
WHOSE = {
    ME: gettext_lazy("Mine"),
    TEAM: gettext_lazy("My team’s"),
    EVERYONE: gettext_lazy("Everyone I see"),
}
TASKS_OF = {ME: tasks.MINE, TEAM: tasks.TEAM, EVERYONE: tasks.ALL}
RANKS = {need: rank if need == Need.OVERDUE else rank + 1 for rank, need in enumerate(Need)}
DUE_TODAY = 1  # the rank of tasks due today; overdue ones stand with overdue closing dates, before them


@dataclass(frozen=True)
class Figure:
    """A figure and the list that it adds up, with what it is compared to."""

    label: str
    value: str
    url: str
    note: str
    note_url: str = ""


@dataclass(frozen=True)
class Action:
    """The one thing to do about a line."""

    label: str
    url: str
    is_dialog: bool = True


@require_GET
@readers_only
def today_page(request: CrmRequest) -> HttpResponse:
    """What needs the reader, ranked, with the reasons in words."""
    return _draw(request, request.GET.get("whose", ""))


@require_POST
@readers_only
def see_changes(request: CrmRequest) -> HttpResponse:
    """Take what was on the screen as seen."""
    form = ChangesSeenForm(request.POST)
    whose = request.POST.get("whose", "")
    if not form.is_valid():
        messages.error(request, _("That is no moment that has been, so nothing counts as seen. Try again."))
        return _draw(request, whose, status=422)
    seen_at = form.save(request.user, since=Attention(request.user).since)
    messages.success(
        request, _("What others changed before %(time)s counts as seen.") % {"time": clock(seen_at)}
    )
    offered = whose in _offered(request.user)
    return redirect(reverse("opportunities:today", query={"whose": whose} if offered else None))


def _draw(request: CrmRequest, asked: str, *, status: int = 200) -> HttpResponse:
    drawn_at = timezone.now()  # before anything is read: what is recorded meanwhile is shown again
    offered = _offered(request.user)
    whose = asked if asked in offered else offered[0]
    if asked and asked != whose:
        messages.error(request, _("There is no such choice here, so this is the usual page."))
        status = 422
    rows = _rows(request, whose)
    sums = _sums(rows)
    context = {
        "whose": whose,
        "offered": [(key, WHOSE[key]) for key in offered] if len(offered) > 1 else [],
        "today": today(),
        "drawn_at": drawn_at.isoformat(),
        "figures": _figures(sums, whose),
        "has_open": bool(sums["open"]),
        "this_month_url": list_url(whose, closes="THIS_MONTH"),
        **_needs(request, rows, whose),
    }
    return page(request, "opportunities/today.html", context, status=status)


def _needs(request: CrmRequest, rows: OpportunityQuerySet, whose: str) -> dict[str, Any]:
    """The first that need somebody, each with what to do, and how many there are for each reason."""
    attention = Attention(request.user)
    total, counts = attention.count(rows)
    lines = attention.first(_with_rights(rows, request.user), SIZE) if total else []
    due = _due_tasks(request.user, whose)
    shown = _ranked(due.lines, lines)
    back = request.get_full_path()
    return {
        "total": total,
        "due": due,
        "needing": total + due.total,
        "all_url": list_url(whose, needs=ANYTHING),
        "tasks_url": tasks_url(whose, tasks.TODAY),
        "task_counts": _task_counts(due, whose),
        "counts": [(need, counts[need], list_url(whose, needs=need.value)) for need in Need if counts[need]],
        "has_changes": bool(counts[Need.CHANGED]),
        "since": {"day": timezone.localdate(attention.since), "clock": clock(attention.since)},
        "lines": [
            (line, _action(line, attention, back=back) if isinstance(line, Line) else None) for line in shown
        ],
        "back": back,
    }


def _due_tasks(user: User, whose: str) -> DueTasks:
    """The tasks of the same people as the opportunities."""
    return read_due(tasks.of_whom(Task.objects.visible_to(user), user, TASKS_OF[whose]), user, SIZE)


def _ranked(due: Sequence[TaskLine], lines: Sequence[Line]) -> list[TaskLine | Line]:
    """Tasks and opportunities as one list, neither crowding the other out."""
    some = due[: SIZE - min(len(lines), SIZE - MOST_TASKS)]
    together: list[TaskLine | Line] = [*some, *lines[: SIZE - len(some)]]
    return sorted(together, key=_rank)


def _rank(line: TaskLine | Line) -> int:
    """How pressing it is; of two alike the task comes first."""
    if isinstance(line, TaskLine):
        return RANKS[Need.OVERDUE] if line.is_overdue else DUE_TODAY
    return RANKS[line.need]


def _task_counts(due: DueTasks, whose: str) -> list[tuple[int, str, str]]:
    """How many tasks are overdue, and how many are due by today with those, each with its list."""
    found = [
        (due.overdue, _("Tasks overdue"), tasks_url(whose, tasks.OVERDUE)),
        (due.total, _("Tasks due by today"), tasks_url(whose, tasks.TODAY)),
    ]
    return [one for one in found if one[0]]


def tasks_url(whose: str, state: str) -> str:
    """The list of tasks that this page is about, in one state."""
    return reverse("opportunities:tasks", query={"whose": TASKS_OF[whose], "state": state})


def list_url(whose: str, **asked: str) -> str:
    """The list of opportunities that this page is about, narrowed."""
    mine = {} if whose == EVERYONE else {"whose": whose}
    return f"{reverse('opportunities:list')}?{urlencode({**mine, **asked})}"


def _offered(user: User) -> Sequence[str]:
    """Whose day one may look at, the usual one first."""
    if user.own_salesperson is None or not user.may_sell():
        return (EVERYONE,)
    return (ME, TEAM, EVERYONE) if user.is_manager() else (ME,)


def _rows(request: CrmRequest, whose: str) -> OpportunityQuerySet:
    """The opportunities, open and closed, as the list understands the same words."""
    asked = QueryDict(urlencode({"status": ALL} | ({} if whose == EVERYONE else {"whose": whose})))
    visible = Opportunity.objects.visible_to(request.user)
    return OpportunityFilter(asked, visible, request=request).rows


def _with_rights(rows: OpportunityQuerySet, user: User) -> OpportunityQuerySet:
    """With names, and whether the reader may work on each; who sells nothing only reads this page."""
    workable = Opportunity.objects.workable_by(user) if user.own_salesperson else Opportunity.objects.none()
    found: OpportunityQuerySet = rows.with_names().annotate(
        is_workable=Exists(workable.filter(pk=OuterRef("pk")))
    )
    return found


# Figures


def _figures(sums: dict[str, Any], whose: str) -> list[Figure]:
    """What is open, what has not begun and what was won; each stands alone."""
    won_last_month = _("%(amount)s in the whole of last month") % {"amount": money(sums["last_month"])}
    return [
        Figure(
            _("Open value"),
            money(sums["value"]),
            list_url(whose, sort="-estimated_value"),
            _("%(n)d open, %(waiting)d of them not started")
            % {"n": sums["open"], "waiting": sums["not_started"]},
        ),
        Figure(
            _("Weighted value"),
            money(sums["weighted"]),
            list_url(whose, sort="-calculated_value"),
            _("each value times its probability"),
        ),
        Figure(
            _("Not started"),
            str(sums["not_started"]),
            list_url(whose, status=Status.NOT_STARTED.value),
            _("%(amount)s estimated") % {"amount": money(sums["not_started_value"])},
        ),
        Figure(
            _("Won this month"),
            money(sums["this_month"]),
            list_url(whose, status=Status.WON.value, closed="THIS_MONTH"),
            won_last_month,
            list_url(whose, status=Status.WON.value, closed="LAST_MONTH"),
        ),
    ]


def _sums(rows: OpportunityQuerySet) -> dict[str, Any]:
    """All of them in one query."""
    waiting = Q(status=Status.NOT_STARTED)
    last_month, this_month, next_month = (
        period(name, today())[0] for name in ("LAST_MONTH", "THIS_MONTH", "NEXT_MONTH")
    )
    won_lately = IS_WON & Q(closed_on__gte=last_month, closed_on__lt=next_month)
    found: dict[str, Any] = rows.filter(IS_OPEN | won_lately).aggregate(
        open=number(IS_OPEN),
        value=estimated(IS_OPEN),
        weighted=calculated(IS_OPEN),
        not_started=number(waiting),
        not_started_value=estimated(waiting),
        this_month=calculated(IS_WON & Q(closed_on__gte=this_month)),
        last_month=calculated(IS_WON & Q(closed_on__lt=this_month)),
    )
    return found


# What to do


def _action(line: Line, attention: Attention, *, back: str) -> Action | None:
    """The thing to do about the most pressing reason, for somebody who may; done, one is ``back`` here."""
    row = line.opportunity
    there: dict[str, Any] = {"next": back}
    if not getattr(row, "is_workable", False):
        return None
    match line.need:
        case Need.OVERDUE:
            return Action(_("Update estimate"), reverse("opportunities:revise", args=[row.pk], query=there))
        case Need.SLOW:
            return _way_on(row, attention, there)
        case Need.START:
            return Action(_("Start"), reverse("opportunities:start", args=[row.pk], query=there))
        case Need.CHANGED:
            return Action(_("Look"), row.get_absolute_url(), is_dialog=False)
        case Need.NO_STEP:
            return Action(
                _("Add a task"), reverse("opportunities:task-new", query={"opportunity": row.pk, **there})
            )
        case Need.QUIET:
            return Action(_("Add a note"), reverse("opportunities:note-new", args=[row.pk]))


def _way_on(row: Opportunity, attention: Attention, there: dict[str, Any]) -> Action:
    """To the next stage; from the last one, to the end."""
    stages = [
        stage
        for stage in attention.stages
        if stage.cycle_id == row.cycle_id and (stage.is_active or stage.pk == row.stage_id)
    ]
    assert row.stage is not None
    ahead = [stage for stage in reachable_from(stages, row.stage) if stage.position > row.stage.position]
    if not ahead:
        return Action(_("Close…"), reverse("opportunities:close", args=[row.pk], query=there))
    return Action(
        _("Move to %(stage)s") % {"stage": ahead[0]},
        reverse("opportunities:move", args=[row.pk], query={"to": ahead[0].pk, **there}),
    )
