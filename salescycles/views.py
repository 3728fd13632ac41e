"""Pages of sales cycles: the list, one cycle with its table of stages, and the preview of what they make."""

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods

from crm.access import managers_only, readers_only
from crm.dates import today
from crm.deletion import delete_unless_used, what_uses
from crm.http import CrmRequest, dialog, done, page
from crm.pages import keyset_page
from crm.seen import as_texts, change_of, differences, merge, recall, remember
from salescycles import operations
from salescycles.forms import (
    CYCLE_FIELDS,
    ExampleForm,
    SalesCycleForm,
    StageFormSet,
    show_cycle_text,
    typed_cycle,
)
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salescycles.preview import StageFacts, preview

BLANK_ROWS = 3  # offered for a cycle that has no stages yet


@require_GET
@readers_only
def sales_cycle_list(request: CrmRequest) -> HttpResponse:
    """All sales cycles by code."""
    cycles = SalesCycle.objects.annotate(
        stages_in_use=Count("stages", filter=Q(stages__is_active=True)),
        stages_retired=Count("stages", filter=Q(stages__is_active=False)),
    )
    found = keyset_page(cycles, sorts=["code"], params=request.GET, default="code", size=50)
    context: dict[str, Any] = {
        "title": _("Sales cycles"),
        "empty_title": _("No sales cycle yet"),
        "empty_text": _(
            "A sales cycle is the path from first contact to won or lost. "
            "Make one with its stages, and opportunities can begin."
        ),
        "items": found.rows,
        "page": found,
        "may_change": request.user.is_manager(),
    }
    if request.user.is_manager():
        context |= {"new_url": reverse("salescycles:new"), "new_label": _("New sales cycle")}
    return render(request, "salescycles/salescycle_list.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def new_sales_cycle(request: CrmRequest) -> HttpResponse:
    """A new cycle; its stages come next, on its own page."""
    is_first = not SalesCycle.objects.filter(is_default=True).exists()
    form = SalesCycleForm(request.POST or None, initial={"is_default": is_first})
    if request.method == "POST" and form.is_valid() and _save_cycle(request, form):
        text = _("Added “%(cycle)s”. Give it its stages.") % {"cycle": form.instance}
        messages.success(request, text)
        return done(request, form.instance.get_absolute_url())
    return _cycle_form(request, form, _("New sales cycle"), status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
@managers_only
@transaction.atomic
def edit_sales_cycle(request: CrmRequest, pk: int) -> HttpResponse:
    """Change what a cycle is called, how it computes, and whether it is the default or blocked."""
    cycle = operations.lock_cycles().get(pk) if request.method == "POST" else None
    cycle = cycle or get_object_or_404(SalesCycle, pk=pk)
    now, mark = as_texts(cycle, CYCLE_FIELDS), f"salescycles.cycle.{pk}"
    context: dict[str, Any] = {"seen": remember({"": now}, of=mark)}
    if request.method == "GET":
        return _cycle_form(request, SalesCycleForm(instance=cycle), _("Edit sales cycle"), **context)
    memory, typed = recall(request.POST.get("seen", ""), of=mark), typed_cycle(request.POST)
    before = memory.rows[""] if memory else {}
    if before != now:
        what = differences(before or now, now, typed, model=SalesCycle, show=show_cycle_text)
        form = SalesCycleForm(merge(typed, before=before, now=now), instance=cycle)
        context |= {"change": change_of(cycle, memory, [f"{change}." for change in what])}
        return _cycle_form(request, form, _("Edit sales cycle"), status=409, **context)
    form = SalesCycleForm(request.POST, instance=cycle)
    if form.is_valid() and _save_cycle(request, form):
        _say_what_changed(request, form)
        return done(request, cycle.get_absolute_url())
    return _cycle_form(request, form, _("Edit sales cycle"), status=422, **context)


@require_http_methods(["GET", "POST"])
@managers_only
def delete_sales_cycle(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete a cycle with its stages, unless an opportunity has ever been in it."""
    cycle = get_object_or_404(SalesCycle, pk=pk)
    uses = delete_unless_used(cycle) if request.method == "POST" else what_uses(cycle)
    if request.method == "POST" and not uses:
        messages.success(request, _("Deleted “%(cycle)s”.") % {"cycle": cycle})
        return done(request, reverse("salescycles:list"))
    stages = cycle.stages.count()
    context = {
        "title": _("Delete “%(cycle)s”?") % {"cycle": cycle},
        "uses": uses,
        "way_out": _("Block it instead: no new opportunity gets it, and running ones continue.")
        if uses
        else "",
        "losses": [ngettext("%(n)d stage", "%(n)d stages", stages) % {"n": stages}] if stages else [],
        "cancel_url": cycle.get_absolute_url(),
        "up_url": reverse("salescycles:list"),
        "up_label": _("Sales cycles"),
    }
    return dialog(request, "generic/confirm.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
@readers_only
def sales_cycle_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """A cycle with its stages and what they make of an example value; managers change the stages right there."""
    if request.method == "POST":
        try:
            return _change_stages(request, pk)
        except IntegrityError:
            # Somebody began to use a stage at the very moment it was deleted: now that can be said in words.
            return _change_stages(request, pk)
    cycle = get_object_or_404(SalesCycle, pk=pk)
    return _cycle_page(request, cycle, _stages_of(cycle))


@require_http_methods(["GET", "POST"])
@readers_only
def preview_probabilities(request: CrmRequest, pk: int) -> HttpResponse:
    """What the stages make of an example value: those stored (GET), or those in the form, unsaved (POST)."""
    cycle = get_object_or_404(SalesCycle, pk=pk)
    if request.method == "POST":
        return _preview_typed(request, cycle)
    return _cycle_page(request, cycle, _stages_of(cycle), region="preview")


@managers_only
def _preview_typed(request: CrmRequest, cycle: SalesCycle) -> HttpResponse:
    stages = _stages_of(cycle)
    formset = StageFormSet(request.POST, cycle=cycle, stages=stages)
    return _cycle_page(request, cycle, stages, formset, region="preview", quiet=True)


@managers_only
@transaction.atomic
def _change_stages(request: CrmRequest, pk: int) -> HttpResponse:
    """Save the table of stages as a whole, or nothing of it."""
    cycle = get_object_or_404(SalesCycle.objects.select_for_update(no_key=True), pk=pk)
    stages = _stages_of(cycle)
    if "add" in request.POST:
        formset = StageFormSet(
            StageFormSet.with_one_more_row(request.POST, is_active="on"), cycle=cycle, stages=stages
        )
        return _cycle_page(request, cycle, stages, formset, quiet=True)
    memory, now = recall(request.POST.get("seen", ""), of=_mark(cycle)), StageFormSet.texts(stages)
    if memory is None or memory.rows != now:
        data, what = StageFormSet.merged(request.POST, memory, now)
        formset = StageFormSet(data, cycle=cycle, stages=stages)
        change = change_of(cycle, memory, what)
        return _cycle_page(request, cycle, stages, formset, status=409, change=change, seen=None)
    formset = StageFormSet(request.POST, cycle=cycle, stages=stages)
    if not formset.is_valid():
        return _cycle_page(request, cycle, stages, formset, status=422)
    operations.write_stages(cycle=cycle, kept=formset.kept(), removed=formset.removed(), by=request.user)
    messages.success(request, _("Saved the stages."))
    return redirect(cycle)


def _cycle_page(
    request: CrmRequest,
    cycle: SalesCycle,
    stages: list[SalesCycleStage],
    formset: StageFormSet | None = None,
    *,
    region: str = "",
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    """The page of a cycle; ``formset`` is the table as it was typed."""
    typed = request.POST if request.method == "POST" else request.GET
    example = ExampleForm(typed if "value" in typed else None)
    facts = formset.facts() if formset is not None else [_facts(stage) for stage in stages]
    may_change = request.user.is_manager()
    if may_change and formset is None:
        formset = StageFormSet(cycle=cycle, stages=stages)
        formset.extra = 0 if stages else BLANK_ROWS
    fresh = remember(StageFormSet.texts(stages), of=_mark(cycle))
    seen = context.pop("seen", request.POST.get("seen")) or fresh
    context |= {
        "cycle": cycle,
        "stages": stages,
        "formset": formset,
        "seen": seen,
        "example": example,
        "methods": list(ProbabilityMethod),
        "preview": preview(facts, value=example.amount(), on=today()),
        "may_change": may_change,
    }
    return page(request, "salescycles/salescycle_detail.html", context, region=region, status=status)


def _stages_of(cycle: SalesCycle) -> list[SalesCycleStage]:
    return list(cycle.stages.select_related("activity").order_by("position"))


def _facts(stage: SalesCycleStage) -> StageFacts:
    return StageFacts(
        stage.description, stage.completed_percent, stage.chance_percent, stage.close_in, stage.is_active
    )


def _mark(cycle: SalesCycle) -> str:
    return f"salescycles.stages.{cycle.pk}"


def _save_cycle(request: CrmRequest, form: SalesCycleForm) -> bool:
    """Save a valid form; two new cycles of one code at the same moment are told, not stored."""
    try:
        operations.save_cycle(cycle=form.instance, changed=form.changed_data, by=request.user)
    except IntegrityError:
        form.add_error(None, _("Somebody else saved a sales cycle at this very moment. Save again."))
        return False
    return True


def _say_what_changed(request: CrmRequest, form: SalesCycleForm) -> None:
    messages.success(request, _("Saved “%(cycle)s”.") % {"cycle": form.instance})
    if "probability_method" in form.changed_data:
        text = _(
            "Probability is computed anew from now on: %(method)s. Older entries keep their probability."
        )
        messages.warning(request, text % {"method": form.instance.method.label})


def _cycle_form(
    request: CrmRequest, form: SalesCycleForm, title: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """The form of a cycle, new or with what is wrong with it."""
    is_new = form.instance.pk is None
    context |= {
        "title": title,
        "form": form,
        "cancel_url": reverse("salescycles:list") if is_new else form.instance.get_absolute_url(),
        "up_url": reverse("salescycles:list"),
        "up_label": _("Sales cycles"),
        "submit_label": _("Add sales cycle") if is_new else _("Save"),
    }
    return dialog(request, "salescycles/salescycle_form.html", context, status=status)
