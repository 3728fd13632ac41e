"""Pages of activities: the list, and one activity with the table of its steps and the days they would be due."""

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from activities import setup
from activities.forms.templates import (
    ACTIVITY_FIELDS,
    ActivityForm,
    StepFormSet,
    preview_of,
    show_activity_text,
    typed_activity,
)
from activities.models import Activity, ActivityStep
from crm.access import managers_only, readers_only
from crm.dates import today
from crm.deletion import delete_unless_used, what_uses
from crm.http import CrmRequest, dialog, done, page
from crm.pages import keyset_page
from crm.seen import Change, Memory, as_texts, change_of, differences, merge, recall, remember

TEMPLATE = "activities/activity_form.html"
BLANK_ROWS = 3  # offered for an activity that has no steps yet


@require_GET
@readers_only
def activity_list(request: CrmRequest) -> HttpResponse:
    """All activities by code."""
    activities = Activity.objects.annotate(
        step_count=Count("steps", distinct=True), stage_count=Count("stages", distinct=True)
    )
    found = keyset_page(activities, sorts=["code"], params=request.GET, default="code", size=50)
    context: dict[str, Any] = {
        "title": _("Activities"),
        "empty_title": _("No activity yet"),
        "empty_text": _(
            "An activity is a list of steps, such as “call within two days”. "
            "A stage can name one: whoever enters the stage gets the steps as tasks."
        ),
        "items": found.rows,
        "page": found,
        "may_change": request.user.is_manager(),
    }
    return render(request, "activities/activity_list.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def new_activity(request: CrmRequest) -> HttpResponse:
    """A new activity with its steps."""
    activity = Activity()
    if request.method == "GET":
        return _draw(request, activity, [])
    return _save_or_say_why(request, activity, [])


@require_http_methods(["GET", "POST"])
@readers_only
def edit_activity(request: CrmRequest, pk: int) -> HttpResponse:
    """An activity with its steps; managers change both right there."""
    if request.method == "POST":
        return _change_activity(request, pk)
    activity = get_object_or_404(Activity, pk=pk)
    steps = _steps_of(activity)
    if request.user.is_manager():
        return _draw(request, activity, steps)
    preview = [preview_of(step, today()) for step in steps]
    context = {"activity": activity, "steps": zip(steps, preview, strict=True)}
    return render(request, "activities/activity_detail.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def delete_activity(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete an activity with its steps, unless a stage names it or a task came of it."""
    activity = get_object_or_404(Activity, pk=pk)
    uses = delete_unless_used(activity) if request.method == "POST" else what_uses(activity)
    if request.method == "POST" and not uses:
        messages.success(request, _("Deleted “%(activity)s”.") % {"activity": activity})
        return done(request, reverse("activities:list"))
    retire = _("Retire it instead: take the mark “In use” away. It is offered no more, and kept where it is.")
    context = {
        "title": _("Delete “%(activity)s”?") % {"activity": activity},
        "text": _("It goes with its steps."),
        "uses": uses,
        "way_out": retire if uses else "",
        "cancel_url": activity.get_absolute_url(),
        "up_url": reverse("activities:list"),
        "up_label": _("Activities"),
    }
    if uses:
        context["text"] = ""
    return dialog(request, "generic/confirm.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@managers_only
def preview_steps(request: CrmRequest) -> HttpResponse:
    """When the steps in the form would be due, saved or not."""
    formset = StepFormSet(request.POST, activity=Activity())
    return render(request, f"{TEMPLATE}#preview", _preview_context(formset))


@managers_only
@transaction.atomic
def _change_activity(request: CrmRequest, pk: int) -> HttpResponse:
    """Save the activity and the table of steps as a whole, or nothing of it."""
    activity = get_object_or_404(Activity.objects.select_for_update(no_key=True), pk=pk)
    return _save_or_say_why(request, activity, _steps_of(activity))


def _save_or_say_why(request: CrmRequest, activity: Activity, steps: list[ActivityStep]) -> HttpResponse:
    if "add" in request.POST or "preview" in request.POST:
        return _redraw_as_typed(request, activity, steps)
    memory, now = recall(request.POST.get("seen", ""), of=_mark(activity)), _texts(activity, steps)
    if activity.pk and (memory is None or memory.rows != now):
        return _say_who_was_first(request, activity, steps, memory)
    form = ActivityForm(request.POST, instance=activity)
    formset = StepFormSet(request.POST, activity=activity, steps=steps)
    if not all([form.is_valid(), formset.is_valid()]) or not _save(request, form, formset):
        return _draw(request, activity, steps, form, formset, status=422)
    messages.success(request, _("Saved “%(activity)s”.") % {"activity": activity})
    return redirect("activities:list")


def _redraw_as_typed(request: CrmRequest, activity: Activity, steps: list[ActivityStep]) -> HttpResponse:
    """The page as it was typed, with one more row or with the days that follow; for want of a script."""
    data = request.POST
    table = StepFormSet.with_one_more_row(data, kind="TODO", priority="NORMAL") if "add" in data else data
    form = ActivityForm(initial=typed_activity(data), instance=activity)
    formset = StepFormSet(table, activity=activity, steps=steps)
    return _draw(request, activity, steps, form, formset, quiet=True)


def _say_who_was_first(
    request: CrmRequest, activity: Activity, steps: list[ActivityStep], memory: Memory | None
) -> HttpResponse:
    """The page with what is stored by now, what was typed, and what somebody else changed, in words."""
    now, typed = as_texts(activity, ACTIVITY_FIELDS), typed_activity(request.POST)
    rows = dict(memory.rows) if memory else {}
    before = rows.pop("", {})
    known = Memory(rows, memory.at) if memory else None
    table, what = StepFormSet.merged(request.POST, known, StepFormSet.texts(steps))
    own = differences(before or now, now, typed, model=Activity, show=show_activity_text)
    change = change_of(activity, memory, [*(f"{line}." for line in own), *what])
    form = ActivityForm(merge(typed, before=before, now=now), instance=activity)
    formset = StepFormSet(table, activity=activity, steps=steps)
    return _draw(request, activity, steps, form, formset, status=409, change=change)


def _save(request: CrmRequest, form: ActivityForm, formset: StepFormSet) -> bool:
    """Write a valid form; a code that somebody else took at the same moment is said, not stored."""
    try:
        setup.save_activity(
            activity=form.instance,
            changed=form.changed_data,
            kept=formset.kept(),
            removed=formset.removed(),
            by=request.user,
        )
    except IntegrityError:
        form.add_error(None, _("Somebody else saved an activity at this very moment. Save again."))
        return False
    return True


def _draw(
    request: CrmRequest,
    activity: Activity,
    steps: list[ActivityStep],
    form: ActivityForm | None = None,
    formset: StepFormSet | None = None,
    *,
    status: int = 200,
    change: Change | None = None,
    quiet: bool = False,
) -> HttpResponse:
    """The page of an activity as it is stored, or as it was typed."""
    stored = Activity.objects.filter(pk=activity.pk).first() or Activity()  # a form writes into its instance
    seen = remember(_texts(stored, steps), of=_mark(stored))
    if formset is None:
        formset = StepFormSet(activity=activity, steps=steps)
        formset.extra = 0 if steps else BLANK_ROWS
    context = {
        "activity": stored,
        "title": str(stored) if stored.pk else _("New activity"),
        "form": form or ActivityForm(instance=activity),
        "formset": formset,
        "change": change,
        "quiet": quiet,
        "seen": (quiet and request.POST.get("seen")) or seen,
        "is_guarded": request.method == "POST",
        **_preview_context(formset, steps),
    }
    return page(request, TEMPLATE, context, status=status)


def _preview_context(formset: StepFormSet, steps: list[ActivityStep] | None = None) -> dict[str, Any]:
    on = today()
    rows = formset.preview(on) if formset.is_bound else [preview_of(step, on) for step in steps or []]
    return {"preview": rows, "on": on}


def _steps_of(activity: Activity) -> list[ActivityStep]:
    return list(activity.steps.order_by("position"))


def _texts(activity: Activity, steps: list[ActivityStep]) -> dict[str, dict[str, str]]:
    return {"": as_texts(activity, ACTIVITY_FIELDS), **StepFormSet.texts(steps)}


def _mark(activity: Activity) -> str:
    return f"activities.activity.{activity.pk}"
