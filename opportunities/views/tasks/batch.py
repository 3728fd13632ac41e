"""Many tasks at once: what is ticked in the list is completed, postponed or handed over, each by its own operation."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from activities import operations
from activities.models import Task
from activities.operations import TaskRefused
from crm.access import sellers_only
from crm.http import CrmRequest, dialog
from opportunities.forms.tasks import ChosenTasksForm, HandOverForm, PostponeForm
from opportunities.tasks import lines_of
from opportunities.views.tasks.answers import CHANGED, back_url

TEMPLATE = "opportunities/task_batch.html"
TITLES = {
    ChosenTasksForm.COMPLETE: gettext_lazy("Tasks completed"),
    ChosenTasksForm.POSTPONE: gettext_lazy("Tasks postponed"),
    ChosenTasksForm.REASSIGN: gettext_lazy("Tasks reassigned"),
}
Do = Callable[[Task, int], Any]


@require_POST
@sellers_only
def change_tasks(request: CrmRequest) -> HttpResponse:
    """Ask what is still to be said, then change each task, and say which were left alone and why."""
    chosen = ChosenTasksForm(request.POST, request=request)
    context: dict[str, Any] = {"chosen": chosen, "back": back_url(request), "title": _("Change many tasks")}
    if not chosen.is_valid():
        return _draw(request, context, status=422)
    action = chosen.cleaned_data["action"]
    versions: dict[int, int] = chosen.cleaned_data["chosen"]
    context["title"] = TITLES[action]
    if action == ChosenTasksForm.COMPLETE:
        return _carry_out(request, context, versions, lambda task, seen: _complete(request, task, seen))
    form = _question(request, action)
    if not form.is_valid():
        context |= {"form": form, "title": _what(action, len(versions))}
        return _draw(request, context, status=422 if form.is_bound else 200)
    return _carry_out(request, context, versions, lambda task, seen: form.perform(task, request.user, seen))


def _what(action: str, count: int) -> str:
    """What is about to be done, with how many."""
    if action == ChosenTasksForm.POSTPONE:
        return ngettext("Postpone %(n)d task", "Postpone %(n)d tasks", count) % {"n": count}
    return ngettext("Reassign %(n)d task", "Reassign %(n)d tasks", count) % {"n": count}


def _question(request: CrmRequest, action: str) -> PostponeForm | HandOverForm:
    """What has to be said besides; the first time nothing has been typed yet."""
    data = request.POST if "asked" in request.POST else None
    if action == ChosenTasksForm.POSTPONE:
        return PostponeForm(data)
    return HandOverForm(data, user=request.user)


def _complete(request: CrmRequest, task: Task, seen: int) -> None:
    operations.complete_task(task=task, by=request.user, seen=seen)


def _carry_out(
    request: CrmRequest, context: dict[str, Any], versions: dict[int, int], do: Do
) -> HttpResponse:
    """One operation for each; what a rule leaves alone is listed with the rule."""
    rows = Task.objects.visible_to(request.user).with_names().filter(pk__in=versions)
    tasks = list(rows.order_by("due_at", "pk"))
    left: list[tuple[Task, str]] = []
    count = 0
    for line in lines_of(tasks, request.user):
        try:
            if not line.may_work:
                raise TaskRefused(_("This needs whoever is to do it, or who works on what it is about."))
            do(line.task, versions[line.task.pk])
        except TaskRefused as refusal:
            left.append((line.task, refusal.message))
        else:
            count += 1
    missing = len(versions) - len(tasks)
    context |= {"count": count, "left": left, "missing": missing, "is_over": True}
    answer = _draw(request, context)
    answer["HX-Trigger"] = CHANGED
    return answer


def _draw(request: CrmRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return dialog(request, TEMPLATE, context, status=status)
