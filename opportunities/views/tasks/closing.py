"""What is done with one task: complete, cancel, reopen, postpone and hand over."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from activities import operations
from activities.models import Task
from activities.operations import TaskChangedMeanwhile, TaskRefused
from crm.access import readers_only
from crm.http import CrmRequest, dialog
from opportunities.forms.tasks import (
    CancelForm,
    HandOverForm,
    OutcomeForm,
    PostponeForm,
    SeenTaskForm,
    key_of,
)
from opportunities.views.tasks.answers import (
    after_closing,
    back_if_visible,
    back_url,
    changed,
    draw_form,
    draw_row,
    found_or_gone,
    refused_in_place,
    row_id,
    sent,
    status_of,
    workable_task,
)
from salespeople.models import Salesperson

form_methods = require_http_methods(["GET", "POST"])


@form_methods
@readers_only
def complete_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Say that a task is done, perhaps with what came of it."""
    task = workable_task(request, pk)
    back = back_url(request, task)
    form = OutcomeForm(sent(request), initial={"seen": task.version})
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            completed = form.perform(task, request.user)
        except TaskRefused as refusal:
            status = _refuse(form, refusal)
            if (answer := refused_in_place(request, task, refusal, back)) is not None:
                return answer
        else:
            return after_closing(request, completed, _("Done: %(task)s."), back)
    if not (task.contact_id or task.opportunity_id or form["outcome"].value()):
        del form.fields["outcome"]
    return draw_form(request, task, form, {"title": _("Done"), "submit_label": _("Done")}, status=status)


@form_methods
@readers_only
def cancel_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Say that a task need not be done any more; of a series this one, or all that follow."""
    task = workable_task(request, pk)
    form = CancelForm(sent(request), task=task, initial={"seen": task.version})
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            completed = form.perform(request.user)
        except TaskRefused as refusal:
            status = _refuse(form, refusal)
        else:
            return after_closing(request, completed, _("Cancelled: %(task)s."), back_url(request, task))
    context: dict[str, Any] = {
        "title": _("Cancel this task?"),
        "text": _("“%(task)s” need not be done any more. It stays in the list of cancelled ones.")
        % {"task": task},
        "submit_label": _("Cancel the task"),
        "form": form,
        "cancel_url": back_url(request, task),
        "cancel_label": _("Keep it"),
        "up_url": task.get_absolute_url(),
        "up_label": str(task),
    }
    return dialog(request, "generic/confirm.html", context, status=status)


@form_methods
@readers_only
def reopen_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Take a closed task back."""
    task = workable_task(request, pk)
    form = SeenTaskForm(_sent_or_asked(request), initial={"seen": task.version})
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            operations.reopen_task(task=task, by=request.user, seen=form.cleaned_data["seen"])
        except TaskRefused as refusal:
            status = _refuse(form, refusal)
            if (answer := refused_in_place(request, task, refusal, back_url(request, task))) is not None:
                return answer
        else:
            return _reopened(request, task)
    context = {"title": _("Reopen this task"), "submit_label": _("Reopen")}
    return draw_form(request, task, form, context, status=status)


def _reopened(request: CrmRequest, task: Task) -> HttpResponse:
    words = _("Open again: %(task)s.") % {"task": task}
    if request.htmx.target == row_id(task):
        return draw_row(request, task, words, back_url(request, task))
    messages.success(request, words)
    return changed(request, back_url(request, task))


@form_methods
@readers_only
def postpone_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Put a task off to another day; the message takes it back."""
    task = workable_task(request, pk)
    former = task.due_day
    form = PostponeForm(_sent_or_asked(request), initial={"seen": task.version, "due_on": former})
    return _change(request, task, form, _("Postpone"), undo={"due_on": former})


@form_methods
@readers_only
def reassign_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Give a task to another salesperson or team; the message takes it back."""
    task = workable_task(request, pk)
    former = task.doer
    form = HandOverForm(
        _sent_or_asked(request),
        user=request.user,
        current=former,
        initial={"seen": task.version, "doer": former},
    )
    is_blocked = isinstance(former, Salesperson) and former.is_blocked  # then nobody can give it back
    undo = {} if is_blocked else {"doer": key_of(former)}
    return _change(request, task, form, _("Reassign"), undo=undo)


def _change(
    request: CrmRequest,
    task: Task,
    form: PostponeForm | HandOverForm,
    title: str,
    *,
    undo: dict[str, Any],
) -> HttpResponse:
    """Draw a small form, do what it says, or say why not. ``undo`` is what the same form takes it back with."""
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            words = form.perform(task, request.user)
        except TaskRefused as refusal:
            status = _refuse(form, refusal)
        else:
            back = back_if_visible(request, task)
            may_undo = undo and Task.objects.workable_by(request.user).filter(pk=task.pk).exists()
            query = {"seen": task.version, **undo, "next": back}
            way_back = f"{request.path}?{urlencode(query)}" if may_undo else ""
            messages.success(request, f"{task}: {words}", extra_tags=way_back)
            return changed(request, back)
    return draw_form(request, task, form, {"title": title, "submit_label": title}, status=status)


def _sent_or_asked(request: CrmRequest) -> dict[str, Any] | None:
    """What was typed, with what the address of a way back says; nothing before anything was sent."""
    return {**request.GET.dict(), **request.POST.dict()} if request.method == "POST" else None


def _refuse(form: Any, refusal: TaskRefused) -> int:
    """Say at the field what the rule says, and carry the version there is now; the status to answer with."""
    found_or_gone(refusal)
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    if isinstance(refusal, TaskChangedMeanwhile):
        form.data = {**dict(form.data.items()), "seen": str(refusal.task.version)}
    return status_of(refusal)
