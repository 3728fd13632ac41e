"""What the views of tasks share: which task, where one came from, and how a change is answered."""

import json
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Task
from activities.operations import Completed, TaskChangedMeanwhile, TaskGone, TaskRefused
from crm.http import CrmRequest, dialog, done, next_url
from crm.templatetags.kansen import days_from_today
from opportunities.tasks import lines_of

CHANGED = "tasks-changed"  # the event that panels and counts listen to
PANEL = "tasks-panel"  # the part of another page that lists its tasks
NOT_TO_DO = gettext_lazy("This needs whoever is to do it, or who works on what it is about.")


def visible_task(request: CrmRequest, pk: int) -> Task:
    """The task, if the reader sees it; else 404."""
    rows = (
        Task.objects.visible_to(request.user)
        .with_names()
        .select_related("contact__company", "created_by", "outcome")
    )
    task: Task = get_object_or_404(rows, pk=pk)
    return task


def workable_task(request: CrmRequest, pk: int) -> Task:
    """The task, if the user sees it (else 404) and may change it (else 403)."""
    task = visible_task(request, pk)
    if not Task.objects.workable_by(request.user).filter(pk=pk).exists():
        raise PermissionDenied(NOT_TO_DO)
    return task


def sent(request: CrmRequest) -> QueryDict | None:
    """What was typed; an empty form counts as typed too."""
    return request.POST if request.method == "POST" else None


def back_url(request: CrmRequest, task: Task | None = None) -> str:
    """Where one came from; else the page of the task, or the list."""
    default = task.get_absolute_url() if task is not None and task.pk else reverse("opportunities:tasks")
    return next_url(request, default)


def back_if_visible(request: CrmRequest, task: Task) -> str:
    """Where one came from; the list, when that is the page of a task which one does not see any more."""
    back = back_url(request, task)
    is_its_page = urlsplit(back).path == task.get_absolute_url()
    if is_its_page and not Task.objects.visible_to(request.user).filter(pk=task.pk).exists():
        return reverse("opportunities:tasks")
    return back


def changed(request: CrmRequest, url: str) -> HttpResponse:
    """Go on after a change, and let everything that lists tasks know."""
    answer = done(request, url)
    answer["HX-Trigger"] = CHANGED
    return answer


def after_closing(request: CrmRequest, completed: Completed, words: str, back: str) -> HttpResponse:
    """Say that it is closed, what comes next, and offer the way back; a row or a panel is answered in place."""
    task, following = completed.task, completed.following
    said = [words % {"task": task}]
    if following is not None:
        said.append(_("The next one is due %(when)s.") % {"when": days_from_today(following.due_day)})
    text = " ".join(said)
    if request.htmx.target == row_id(task):
        return draw_row(request, task, text, back)
    if request.htmx.target == PANEL:
        return _quietly({CHANGED: True, "announce": text})
    undo = reverse("opportunities:task-reopen", args=[task.pk], query={"seen": task.version, "next": back})
    messages.success(request, text, extra_tags=undo)
    return changed(request, _without_hash(back))


def row_id(task: Task) -> str:
    """The id of a task's row in the list."""
    return f"task-{task.pk}"


def draw_row(
    request: CrmRequest, task: Task, text: str, back: str, *, is_refused: bool = False, status: int = 200
) -> HttpResponse:
    """The row of the list as the task is now, with what happened to it."""
    task = visible_or_same(request, task)
    context = {
        "line": lines_of([task], request.user)[0],
        "said": text,
        "is_refused": is_refused,
        "may_choose": request.user.may_sell(),
        "back": back,
    }
    answer = render(request, "opportunities/_task_row.html", context, status=status)
    answer["HX-Trigger"] = CHANGED
    return answer


def visible_or_same(request: CrmRequest, task: Task) -> Task:
    """The task as it is stored now, with all that a row names."""
    return Task.objects.visible_to(request.user).with_names().filter(pk=task.pk).first() or task


def refused_in_place(request: CrmRequest, task: Task, refusal: TaskRefused, back: str) -> HttpResponse | None:
    """A rule said no to a button in a row or in a panel: the row says it, or the page is drawn anew with it."""
    if request.htmx.target == row_id(task):
        return draw_row(request, task, refusal.message, back, is_refused=True, status=status_of(refusal))
    if request.htmx.target == PANEL:
        messages.error(request, refusal.message)
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return None


def status_of(refusal: TaskRefused) -> int:
    """How a refusal is answered: somebody was faster, or a rule says no."""
    return 409 if isinstance(refusal, TaskChangedMeanwhile) else 422


def found_or_gone(refusal: TaskRefused) -> TaskRefused:
    """The same refusal, unless there is nothing left to talk about. Raises ``Http404``."""
    if isinstance(refusal, TaskGone):
        raise Http404(refusal.message) from refusal
    return refusal


def draw_form(
    request: CrmRequest, task: Task, form: Any, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A small form about one task, as a dialog or a page."""
    drawn = {
        "lead": str(task),
        "form": form,
        "cancel_url": back_url(request, task),
        "up_url": task.get_absolute_url(),
        "up_label": str(task),
        **context,
    }
    return dialog(request, "generic/form.html", drawn, status=status)


def _quietly(events: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})


def _without_hash(url: str) -> str:
    return urlsplit(url)._replace(fragment="").geturl()
