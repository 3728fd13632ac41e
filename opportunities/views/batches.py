"""Changing many opportunities at once: ask, check a few at a time, say yes, change a few at a time, read the result."""

from io import StringIO
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.access import sellers_only
from crm.http import CrmRequest, dialog, done, page
from crm.pages import KeysetPage, keyset_page
from crm.tables import CsvWriter
from opportunities import batches
from opportunities.forms.batches import FORMS, BatchForm, SelectionForm
from opportunities.models import (
    Batch,
    BatchAction,
    BatchItem,
    BatchItemQuerySet,
    ItemRule,
    ItemState,
)

NEW = "opportunities/batch_new.html"
DETAIL = "opportunities/batch_detail.html"
READY = "READY"  # beside the rules: what will change


@require_http_methods(["GET", "POST"])
@sellers_only
def new_batch(request: CrmRequest) -> HttpResponse:
    """What to do with the opportunities that a list names; saying it makes a batch, and changes nothing yet."""
    asked = request.POST if request.method == "POST" else request.GET
    selection = SelectionForm(asked, request=request)
    if not selection.is_valid():
        return _draw_new(request, selection, None, status=422)
    action = selection.cleaned_data["action"]
    if action == BatchAction.REASSIGN and not request.user.is_manager():
        raise PermissionDenied(_("A sales manager says to whom opportunities belong. Ask one."))
    is_confirmed = request.method == "POST" and "confirmed" in request.POST
    form = FORMS[action](request.POST if is_confirmed else None, selection=selection, user=request.user)
    if is_confirmed and form.is_valid():
        return done(request, form.make().get_absolute_url())
    return _draw_new(request, selection, form, status=422 if is_confirmed else 200)


def _draw_new(
    request: CrmRequest, selection: SelectionForm, form: BatchForm | None, *, status: int
) -> HttpResponse:
    """The form, or why there is none."""
    count = len(selection.keys)
    many = {"n": batches.grouped(count)}
    context = {
        "selection": selection,
        "form": form,
        "title": form.title if form else _("Change many"),
        "lead": ngettext("%(n)s opportunity is chosen.", "%(n)s opportunities are chosen.", count) % many,
        "submit_label": ngettext("Check %(n)s opportunity", "Check %(n)s opportunities", count) % many,
        "back_url": reverse("opportunities:list") + selection.list_query,
    }
    return dialog(request, NEW, context, status=status)


@require_GET
@sellers_only
def batch_list(request: CrmRequest) -> HttpResponse:
    """One's own batches, the newest first, to take up what was left."""
    made = Batch.objects.made_by(request.user).with_names()
    found = keyset_page(made, sorts=("id",), params=request.GET, default="-id")
    counted = BatchItem.objects.by_batch(found.rows)
    rows = []
    for batch in found.rows:
        progress = batches.Progress(counted.get(batch.pk, {}))
        counts = (progress.total, progress.changed, progress.left_alone)
        rows.append((batch, batches.change_of(batch).title, *map(batches.grouped, counts)))
    context = {"page": found, "rows": rows}
    return page(request, "opportunities/batch_list.html", context)


@require_GET
@sellers_only
def batch_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """How far it is, what would happen, or what happened."""
    return _draw(request, _own(request, pk))


@require_POST
@sellers_only
def step_batch(request: CrmRequest, pk: int) -> HttpResponse:
    """Check or change the next few: a short step while somebody watches, a long one for the press of a button."""
    batch = _own(request, pk)
    watched = bool(request.htmx)
    batches.step(batch, by=request.user, most=batches.A_STEP if watched else batches.A_LONG_STEP)
    return _draw(request, batch) if watched else done(request, batch.get_absolute_url())


@require_POST
@sellers_only
def run_batch(request: CrmRequest, pk: int) -> HttpResponse:
    """Say yes."""
    batch = _own(request, pk)
    if not batches.carry_out(batch):
        messages.info(request, _("Nothing was begun anew. This is where it stands."))
    return done(request, batch.get_absolute_url())


@require_POST
@sellers_only
def cancel_batch(request: CrmRequest, pk: int) -> HttpResponse:
    """Say no, or stop."""
    batch = _own(request, pk)
    if not batches.cancel(batch):
        messages.info(request, _("It was over already."))
    return done(request, batch.get_absolute_url())


@require_GET
@sellers_only
def batch_items(request: CrmRequest, pk: int) -> HttpResponse:
    """The opportunities that will change, or that one kind of rule leaves alone."""
    batch = _own(request, pk)
    what = request.GET.get("what") or ""
    if what == READY:
        items, title = batch.items.ready(), ItemState.READY.label
    elif what in ItemRule.values:
        items, title = batch.items.for_rule(what), ItemRule(what).label
    else:
        raise Http404(what)
    context = {
        "batch": batch,
        "change": batches.change_of(batch),
        "title": title,
        "says_why": what != READY,
        "page": _items_page(request, items),
    }
    return page(request, "opportunities/batch_items.html", context)


@require_GET
@sellers_only
def batch_refusals(request: CrmRequest, pk: int) -> HttpResponse:
    """What was left alone and why, as a table for a spreadsheet."""
    batch = _own(request, pk)
    file = StringIO(newline="")
    table = CsvWriter(file, ["Number", "Description", "Contact", "Salesperson", "Rule", "Why"])
    for item in batch.items.left_alone().for_reader(request.user).order_by("pk"):
        about = item.opportunity
        named = [about.number, about.description, about.contact.name, about.salesperson.name]
        is_visible = item.is_visible  # type: ignore[attr-defined]
        table.write([*(named if is_visible else [""] * 4), item.get_rule_display(), item.message])
    name = f"left-alone-{batch.pk}.csv"
    return HttpResponse(
        file.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _own(request: CrmRequest, pk: int) -> Batch:
    """The batch, if the user made it."""
    return get_object_or_404(Batch.objects.made_by(request.user).with_names(), pk=pk)


def _draw(request: CrmRequest, batch: Batch) -> HttpResponse:
    """The page, or only its panel for a step that somebody watches."""
    change, progress = batches.change_of(batch), batches.progress_of(batch)
    context: dict[str, Any] = {
        "batch": batch,
        "change": change,
        "progress": progress,
        "offer": change.offer(progress.ready),
        "will": change.will(progress.ready),
        "did": change.did(progress.changed),
        "left_alone": _left_alone(batch, progress.left_alone),
        "announcement": _announcement(batch, change, progress),
    }
    if not batch.is_going:
        context["reasons"] = [
            (ItemRule(rule), batches.grouped(count))
            for rule, count in sorted(batch.items.by_rule().items(), key=lambda pair: -pair[1])
        ]
    if batch.is_over:
        context["page"] = _items_page(request, batch.items.left_alone())
        context["not_reached"] = _not_reached(progress.not_reached)
    return page(request, DETAIL, context, region="panel")


def _left_alone(batch: Batch, count: int) -> str:
    if not count:
        return ""
    many = {"n": batches.grouped(count)}
    if batch.is_over:
        return ngettext("%(n)s was left alone.", "%(n)s were left alone.", count) % many
    return ngettext("%(n)s will be left alone.", "%(n)s will be left alone.", count) % many


def _not_reached(count: int) -> str:
    """What somebody's stop has spared."""
    if not count:
        return ""
    return ngettext(
        "%(n)s was not reached and stays as it is.", "%(n)s were not reached and stay as they are.", count
    ) % {"n": batches.grouped(count)}


def _announcement(batch: Batch, change: batches.Change, progress: batches.Progress) -> str:
    """What the page says of itself to those who do not see it."""
    many = {"n": batches.grouped(progress.tried), "of": batches.grouped(progress.to_change)}
    match batch.status:
        case "CHECKING":
            checked = {"n": batches.grouped(progress.checked), "of": batches.grouped(progress.total)}
            return _("%(n)s of %(of)s checked") % checked
        case "CHECKED":
            return f"{change.will(progress.ready)} {_left_alone(batch, progress.left_alone)}".strip()
        case "RUNNING":
            return _("%(n)s of %(of)s done") % many
        case _:
            return f"{change.did(progress.changed)} {_left_alone(batch, progress.left_alone)}".strip()


def _items_page(request: CrmRequest, items: BatchItemQuerySet) -> KeysetPage[BatchItem]:
    return keyset_page(items.for_reader(request.user), sorts=("id",), params=request.GET, default="id")
