"""Many tasks at once: what is ticked in the list is completed, postponed or handed over, each by its own operation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from activities import operations
from activities.models import Task
from activities.operations import Completed, TaskRefused
from crm.access import sellers_only
from crm.http import CrmRequest, dialog
from opportunities.forms.tasks import (
    ChosenTasksForm,
    CompleteManyForm,
    HandOverForm,
    PostponeForm,
    TickedTasksForm,
)
from opportunities.tasks import lines_of
from opportunities.views.tasks.answers import CHANGED, NOT_TO_DO, back_url

TEMPLATE = "opportunities/task_batch.html"
TITLES = {
    ChosenTasksForm.COMPLETE: gettext_lazy("Tasks completed"),
    ChosenTasksForm.POSTPONE: gettext_lazy("Tasks postponed"),
    ChosenTasksForm.REASSIGN: gettext_lazy("Tasks reassigned"),
}
Do = Callable[[Task, int], Any]
Question = CompleteManyForm | PostponeForm | HandOverForm


@dataclass
class Outcome:
    """What became of many tasks: with what the operation answered, or left alone with the reason."""

    changed: list[tuple[Task, Any]] = field(default_factory=list)
    left: list[tuple[Task, str]] = field(default_factory=list)
    missing: int = 0


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
    form = _question(request, action, len(versions))
    if not form.is_valid():
        context |= {"form": form, **_asked(request, action, versions)}
        return _draw(request, context, status=422 if form.is_bound else 200)
    outcome = _carry_out(request, versions, lambda task, seen: form.perform(task, request.user, seen))
    context |= {"title": TITLES[action], "said": _said(action, outcome), "outcome": outcome}
    if action == ChosenTasksForm.COMPLETE:
        context["undo"] = [f"{task.pk}.{task.version}" for task, _completed in outcome.changed]
    return _answer(request, context)


@require_POST
@sellers_only
def undo_completion(request: CrmRequest) -> HttpResponse:
    """Reopen what was completed at once, each as it was left then, and say which were left alone and why."""
    chosen = TickedTasksForm(request.POST)
    context: dict[str, Any] = {"chosen": chosen, "back": back_url(request), "title": _("Tasks reopened")}
    if not chosen.is_valid():
        return _draw(request, context, status=422)
    outcome = _carry_out(
        request,
        chosen.cleaned_data["chosen"],
        lambda task, seen: operations.reopen_task(task=task, by=request.user, seen=seen),
    )
    words = ngettext("%(n)d task is open again.", "%(n)d tasks are open again.", len(outcome.changed))
    return _answer(request, {**context, "outcome": outcome, "said": words % {"n": len(outcome.changed)}})


def _asked(request: CrmRequest, action: str, versions: dict[int, int]) -> dict[str, str]:
    """What is about to be done, with how many, and how many of those go on."""
    count = {"n": len(versions)}
    if action == ChosenTasksForm.POSTPONE:
        title = ngettext("Postpone %(n)d task", "Postpone %(n)d tasks", count["n"]) % count
    elif action == ChosenTasksForm.REASSIGN:
        title = ngettext("Reassign %(n)d task", "Reassign %(n)d tasks", count["n"]) % count
    else:
        title = ngettext("Complete %(n)d task", "Complete %(n)d tasks", count["n"]) % count
        return {"title": f"{title}?", "submit_label": title, "text": _which_repeat(request, versions)}
    return {"title": title, "submit_label": title}


def _which_repeat(request: CrmRequest, versions: dict[int, int]) -> str:
    """How many of them are made anew when they are done; nothing if none is."""
    rows = Task.objects.visible_to(request.user).open().filter(pk__in=versions).exclude(repeats="")
    count = rows.count()
    words = ngettext("One of them repeats and goes on.", "%(n)d of them repeat and go on.", count)
    return words % {"n": count} if count else ""


def _question(request: CrmRequest, action: str, count: int) -> Question:
    """What has to be said besides; the first time nothing has been typed yet. To complete one needs no question."""
    data = request.POST if "asked" in request.POST else None
    if action == ChosenTasksForm.POSTPONE:
        return PostponeForm(data)
    if action == ChosenTasksForm.REASSIGN:
        return HandOverForm(data, user=request.user)
    return CompleteManyForm(request.POST if count == 1 else data)


def _said(action: str, outcome: Outcome) -> str:
    """How many were changed, and what follows from it."""
    count = len(outcome.changed)
    if action != ChosenTasksForm.COMPLETE:
        words = ngettext("%(n)d task was changed.", "%(n)d tasks were changed.", count)
        return words % {"n": count}
    words = ngettext("%(n)d task is done.", "%(n)d tasks are done.", count) % {"n": count}
    followed = sum(isinstance(done, Completed) and done.following is not None for _t, done in outcome.changed)
    if not followed:
        return words
    more = ngettext(
        "The next one of %(n)d that repeats was made.",
        "The next ones of %(n)d that repeat were made.",
        followed,
    )
    return f"{words} {more % {'n': followed}}"


def _carry_out(request: CrmRequest, versions: dict[int, int], do: Do) -> Outcome:
    """One operation for each; what a rule leaves alone is listed with the rule."""
    rows = Task.objects.visible_to(request.user).with_names().filter(pk__in=versions)
    tasks = list(rows.order_by("due_at", "pk"))
    outcome = Outcome(missing=len(versions) - len(tasks))
    for line in lines_of(tasks, request.user):
        try:
            if not line.may_work:
                raise TaskRefused(NOT_TO_DO)
            outcome.changed.append((line.task, do(line.task, versions[line.task.pk])))
        except TaskRefused as refusal:
            outcome.left.append((line.task, refusal.message))
    return outcome


def _answer(request: CrmRequest, context: dict[str, Any]) -> HttpResponse:
    """Say what became of them, and let everything that lists tasks know."""
    answer = _draw(request, context)
    answer["HX-Trigger"] = CHANGED
    return answer


def _draw(request: CrmRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return dialog(request, TEMPLATE, context, status=status)
