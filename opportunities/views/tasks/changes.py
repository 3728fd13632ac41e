"""Making a task and saying something else about one."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from activities.models import RepeatsFrom, Task, TaskKind
from activities.operations import LAST_DAY, TaskChangedMeanwhile, TaskRefused
from activities.series import after, next_in_series
from contacts.models import Contact
from crm.access import readers_only, sellers_only
from crm.dates import today
from crm.forms import is_key
from crm.http import CrmRequest, dialog
from crm.templatetags.kansen import days_from_today
from opportunities.forms.pickers import label_of
from opportunities.forms.tasks import RepeatsPreviewForm, TaskForm
from opportunities.models import Opportunity
from opportunities.views.tasks.answers import (
    back_url,
    changed,
    found_or_gone,
    sent,
    status_of,
    workable_task,
)
from salespeople.models import Salesperson

TEMPLATE = "opportunities/task_form.html"
SUGGESTED = 10
LONGEST_SEARCH = 200
form_methods = require_http_methods(["GET", "POST"])


@form_methods
@sellers_only
def new_task(request: CrmRequest) -> HttpResponse:
    """A new task, from the list, a day of the calendar, an opportunity, a contact or a salesperson."""
    form = TaskForm(sent(request), user=request.user, initial=_prefilled(request))
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            task = form.save()
        except TaskRefused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        else:
            words = _("Added “%(task)s”, due %(when)s.")
            messages.success(request, words % {"task": task, "when": days_from_today(task.due_day)})
            return changed(request, back_url(request))
    context = {
        "title": _("New task"),
        "form": form,
        "notice": _why_not_about(request) if request.method == "GET" else "",
        "submit_label": _("Add"),
        "cancel_url": back_url(request),
    }
    return dialog(request, TEMPLATE, context, status=status)


@form_methods
@readers_only
def edit_task(request: CrmRequest, pk: int) -> HttpResponse:
    """Say something else about an open task."""
    task = workable_task(request, pk)
    form = TaskForm(sent(request), user=request.user, task=task)
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            form.save()
        except TaskRefused as refusal:
            status = _refuse(form, refusal)
        else:
            messages.success(request, _("Saved “%(task)s”.") % {"task": task})
            return changed(request, _after_edit(request, task))
    context = {
        "title": _("Edit task"),
        "form": form,
        "cancel_url": back_url(request, task),
        "up_url": task.get_absolute_url(),
        "up_label": str(task),
    }
    return dialog(request, TEMPLATE, context, status=status)


@require_GET
@sellers_only
def suggest_opportunities(request: CrmRequest) -> HttpResponse:
    """The few open opportunities of one's own that what is typed may mean."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    rows = Opportunity.objects.workable_by(request.user).open().with_names()
    found: list[Any] = []
    if text:
        number = text.partition(" ")[0].upper()
        found = list(rows.filter(number=number)[:1]) or list(rows.matching(text).order_by("-pk")[:SUGGESTED])
    options = [(label_of(row), row) for row in found]
    return render(request, "opportunities/_opportunity_options.html", {"options": options, "text": text})


@require_GET
@sellers_only
def preview_series(request: CrmRequest) -> HttpResponse:
    """The next three dates of a series, while it is typed."""
    form = RepeatsPreviewForm(request.GET)
    context: dict[str, Any] = {"days": [], "is_typed": bool(request.GET.get("repeats", "").strip())}
    if form.is_valid():
        typed = form.cleaned_data
        is_from_done = typed["repeats_from"] == RepeatsFrom.DONE
        context |= {"days": _next_days(typed["repeats"], typed["due_on"] or today(), is_from_done)}
    else:
        context["mistake"] = next(iter(form.errors.get("repeats", [])), "")
    return render(request, "opportunities/_task_series.html", context)


def _next_days(formula: str, due_on: date, is_from_done: bool) -> list[date]:
    """Three dates after the first one, as the series counts them when each task is done on its day."""
    found: list[date] = []
    day = due_on
    for _times in range(3):
        day = after(formula, day) if is_from_done else next_in_series(formula, began_on=due_on, beyond=day)
        if not day > (found[-1] if found else due_on) or day > LAST_DAY:
            break
        found.append(day)
    return found


def _refuse(form: TaskForm, refusal: TaskRefused) -> int:
    """Say at the field what the rule says; after somebody was faster, show their state and what was typed."""
    found_or_gone(refusal)
    if isinstance(refusal, TaskChangedMeanwhile):
        form.redraw(refusal.task)
    else:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    return status_of(refusal)


def _after_edit(request: CrmRequest, task: Task) -> str:
    """Where one came from; the list when the task is now somebody's whose tasks one does not see."""
    if Task.objects.visible_to(request.user).filter(pk=task.pk).exists():
        return back_url(request, task)
    return reverse("opportunities:tasks")


# What the page one came from already says


def _prefilled(request: CrmRequest) -> dict[str, Any]:
    """The day, the kind, the opportunity with its contact and salesperson, the contact, the salesperson."""
    own = request.user.own_salesperson
    initial: dict[str, Any] = {"due_on": _day(request), "kind": TaskKind.TODO, "priority": "NORMAL"}
    if request.GET.get("kind") in TaskKind.values:
        initial["kind"] = request.GET["kind"]
    if own is not None and not own.is_blocked:
        initial["doer"] = own
    usable = Contact.objects.visible_to(request.user).usable()
    contact = _from_address(request, "contact", usable)
    opportunity = _from_address(request, "opportunity", _open_opportunities(request))
    salesperson = _from_address(request, "salesperson", Salesperson.objects.assignable())
    if opportunity is not None:
        initial["opportunity"] = opportunity
        salesperson = salesperson or opportunity.salesperson
    about = opportunity or _unfit_opportunity(request)
    if about is not None:
        contact = contact or usable.filter(pk=about.contact_id).first()
    if contact is not None:
        initial["contact"] = contact
    if salesperson is not None and not salesperson.is_blocked:
        initial["doer"] = salesperson
    return initial


def _open_opportunities(request: CrmRequest) -> QuerySet[Any]:
    return Opportunity.objects.workable_by(request.user).open().select_related("contact", "salesperson")


def _unfit_opportunity(request: CrmRequest) -> Opportunity | None:
    """The opportunity in the address, if the reader sees it and yet cannot make a task about it."""
    opportunity: Opportunity | None = _from_address(
        request, "opportunity", Opportunity.objects.visible_to(request.user)
    )
    fits = opportunity is not None and _open_opportunities(request).filter(pk=opportunity.pk).exists()
    return None if fits else opportunity


def _why_not_about(request: CrmRequest) -> str:
    """Why the opportunity in the address is not in the form; nothing if it is, or if none is there."""
    opportunity = _unfit_opportunity(request)
    if opportunity is None:
        return ""
    if opportunity.is_closed:
        words = _(
            "%(number)s is closed, so the task is about no opportunity. Reopen it first, or choose another."
        )
    else:
        words = _("You do not work on %(number)s, so the task is about no opportunity. Choose another.")
    return words % {"number": opportunity.number}


def _day(request: CrmRequest) -> date:
    """The day in the address, else today."""
    try:
        return date.fromisoformat(request.GET.get("due_on", ""))
    except ValueError:
        return today()


def _from_address(request: CrmRequest, name: str, queryset: QuerySet[Any]) -> Any:
    """The row that ``?name=`` points at, if it is one of ``queryset``."""
    text = request.GET.get(name, "")
    return queryset.filter(pk=int(text)).first() if is_key(text) else None
