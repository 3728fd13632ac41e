"""The list of tasks, and one task."""

from typing import Any

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_GET

from activities.models import Task
from crm.access import readers_only
from crm.http import CrmRequest, dialog, page
from crm.pages import keyset_page
from opportunities.forms.task_filters import TaskFilter
from opportunities.forms.tasks import ChosenTasksForm, snooze_days
from opportunities.tasks import CANCELLED, DONE, OPEN, PLANNED, STATES, WHOSE, TaskLine, lines_of
from opportunities.views.tasks.answers import back_url, visible_task

SORTS = ("due_at", "closed_at")
OPEN_STATES = frozenset(STATES) - {DONE, CANCELLED}


@require_GET
@readers_only
def task_list(request: CrmRequest) -> HttpResponse:
    """Tasks in the order they are due: one's own, the team's or everybody's."""
    rows = Task.objects.visible_to(request.user).with_names()
    asked = TaskFilter(request.GET, rows, request=request)
    filled = ["closed_at"] if asked.chosen_state in (DONE, CANCELLED) else []
    found = keyset_page(
        asked.rows, sorts=SORTS, params=request.GET, default=asked.default_sort, filled=filled
    )
    context = {
        "filter": asked,
        "base_url": reverse("opportunities:tasks"),
        "page": found,
        "lines": lines_of(found.rows, request.user),
        "states": _choices(request, "state", _states_offered(asked), STATES, asked.chosen_state),
        "all_url": _address(request.GET, keep=("whose", "state")),
        "all_open_url": _address(request.GET, keep=("whose",)),
        "back": request.get_full_path(),
        "may_choose": request.user.may_sell() and asked.chosen_state in OPEN_STATES,
        "new_query": _about(request.GET),
        "count": _count(asked) if found.next_url and request.user.may_sell() else 0,
        "query": request.GET.urlencode(),
        **around(request, asked.offered, asked.chosen_whose),
    }
    status = 200 if asked.form.is_valid() else 422
    return page(request, "opportunities/task_list.html", context, status=status)


@require_GET
@readers_only
def task_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """One task, with all that can be done with it."""
    task = visible_task(request, pk)
    line = lines_of([task], request.user)[0]
    context = {
        "task": task,
        "line": line,
        "snooze_days": snooze_days(task) if line.may_work and task.is_open else [],
        "back": back_url(request, task),
        "outcome": task.outcome.text if task.outcome and _sees_outcome(line) else "",
    }
    return dialog(request, "opportunities/task_detail.html", context)


def _count(asked: TaskFilter) -> int:
    """How many there are, as far as they can be changed at once; 0 when there are more."""
    count = len(asked.rows.order_by().values_list("pk")[: ChosenTasksForm.MOST + 1])
    return count if count <= ChosenTasksForm.MOST else 0


def _sees_outcome(line: TaskLine) -> bool:
    """Whether the reader sees what the outcome was noted about."""
    return bool(line.opportunity_url if line.task.opportunity_id else line.contact_url)


def around(request: CrmRequest, offered: list[str], whose: str) -> dict[str, Any]:
    """The tabs that list and calendar share: whose tasks, and how they are shown."""
    return {
        "whose": whose,
        "tabs": _choices(request, "whose", offered, WHOSE, whose) if len(offered) > 1 else [],
        "whose_query": f"whose={whose}",
    }


def _choices(
    request: CrmRequest, name: str, offered: Any, labels: dict[str, Any], chosen: str
) -> list[dict[str, Any]]:
    """Links that change one word of the address."""
    links = []
    for value in offered:
        query = request.GET.copy()
        for key in ("after", "before", "sort"):
            query.pop(key, None)
        query[name] = value
        links.append({"url": f"?{query.urlencode()}", "label": labels[value], "is_current": value == chosen})
    return links


def _states_offered(asked: TaskFilter) -> list[str]:
    """All but “open and done”, which only the calendar leads to."""
    return [state for state in STATES if state != PLANNED or asked.chosen_state == PLANNED]


def _address(params: QueryDict, *, keep: tuple[str, ...]) -> str:
    query = QueryDict(mutable=True)
    for name in keep:
        if params.get(name):
            query[name] = params.get(name, "")
    return f"?{query.urlencode()}" if query else f"?state={OPEN}"


def _about(params: QueryDict) -> str:
    """What a new task takes over from the list that it is added to."""
    query = QueryDict(mutable=True)
    for name, wanted in (("contact", "contact"), ("opportunity", "opportunity"), ("on", "due_on")):
        if params.get(name):
            query[wanted] = params.get(name, "")
    return query.urlencode()
