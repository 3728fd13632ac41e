"""Changing an opportunity: every view shapes a form, and the form calls one operation."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import readers_only
from crm.http import CrmRequest, dialog, done, next_url, page
from opportunities import operations
from opportunities.access import allowed, require
from opportunities.forms.changes import (
    TICKED,
    ChangeForm,
    CloseForm,
    DeleteForm,
    DescribeForm,
    ReasonedForm,
    ReassignForm,
    ReopenForm,
    ReviseForm,
    UndoForm,
)
from opportunities.forms.entering import MoveForm, StartForm
from opportunities.ledger import changes
from opportunities.models import Opportunity, OpportunityEntry

TEMPLATE = "opportunities/opportunity_change.html"
form_methods = require_http_methods(["GET", "POST"])


@form_methods
@readers_only
def start_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Enter the first stage."""
    return _change(request, pk, StartForm)


@form_methods
@readers_only
def move_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Go to another stage."""
    return _change(request, pk, MoveForm)


@form_methods
@readers_only
def revise_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Give a new estimate."""
    return _change(request, pk, ReviseForm)


@form_methods
@readers_only
def close_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Win or lose."""
    return _change(request, pk, CloseForm)


@form_methods
@readers_only
def reopen_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Take a closed one back."""
    return _change(request, pk, ReopenForm)


@form_methods
@readers_only
def undo_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Restore the state before the last change."""
    return _change(request, pk, UndoForm)


@form_methods
@readers_only
def reassign_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Another salesperson, another contact."""
    return _change(request, pk, ReassignForm)


@form_methods
@readers_only
def describe_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Change description and priority."""
    opportunity = _workable(request, pk, "describe")
    form = DescribeForm(request.POST or None, opportunity=opportunity)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                operations.describe(opportunity=opportunity, by=request.user, **form.cleaned_data)
            except operations.Gone as gone:
                raise Http404(gone.message) from gone
            except operations.Refused as refusal:
                status = _refuse(form, refusal)
                form.redraw()
            else:
                messages.success(request, _("Saved."))
                return done(request, opportunity.get_absolute_url())
    context = {
        "title": _("Edit %(number)s") % {"number": opportunity.number},
        "form": form,
        "cancel_url": opportunity.get_absolute_url(),
        "up_url": opportunity.get_absolute_url(),
        "up_label": opportunity.number,
    }
    return dialog(request, "generic/form.html", context, status=status)


@form_methods
@readers_only
def delete_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """Ask, then delete."""
    opportunity = _workable(request, pk, "delete")
    form = DeleteForm(request.POST or None, initial={"seen": opportunity.version})
    context: dict[str, Any] = {
        "title": _("Delete %(number)s?") % {"number": opportunity.number},
        "text": _("“%(description)s” goes with its whole history. This cannot be undone.")
        % {"description": opportunity.description},
        "form": form,
        "cancel_url": opportunity.get_absolute_url(),
        "up_url": opportunity.get_absolute_url(),
        "up_label": opportunity.number,
    }
    seen = form.cleaned_data["seen"] if request.method == "POST" and form.is_valid() else None
    try:
        operations.delete(
            opportunity=opportunity,
            by=request.user,
            on=operations.default_date(opportunity),
            seen=seen,
            dry_run=seen is None,
        )
    except operations.Gone as gone:
        raise Http404(gone.message) from gone
    except operations.MovedMeanwhile as refusal:
        return _moved_first(request, opportunity, refusal.entry)
    except operations.Refused as refusal:
        context |= {"refusal": refusal.message, "text": "", "form": None}
        return dialog(request, "generic/confirm.html", context, status=422)
    if seen is None:
        return dialog(
            request, "generic/confirm.html", context, status=422 if request.method == "POST" else 200
        )
    messages.success(request, _("Deleted %(what)s.") % {"what": opportunity})
    return done(request, reverse("opportunities:list"))


def _moved_first(request: CrmRequest, opportunity: Opportunity, entry: OpportunityEntry) -> HttpResponse:
    """Somebody was faster, and nothing was typed that could be kept."""
    context = {
        "thing": opportunity.number,
        "thing_url": opportunity.get_absolute_url(),
        "again_url": request.path,
        "who": entry.recorded_by,
        "what": entry.headline,
        "when": entry.recorded_at,
    }
    return dialog(request, "moved_first.html", context, status=409)


def _change(request: CrmRequest, pk: int, form_class: type[ChangeForm]) -> HttpResponse:
    """The life of every dialog: draw it, preview what it would do, do it, or say why not.

    What is typed so far may also be posted, since it can be long: for the preview, or to be drawn anew (``redraw``).
    """
    opportunity = _workable(request, pk, form_class.operation)
    sent = request.POST if request.method == "POST" else request.GET
    told: dict[str, Any] = {"opportunity": opportunity, "user": request.user}
    if request.htmx.target == "preview":
        return _preview(request, form_class(sent, initial=_typed(sent), **told))
    if request.method == "GET" or "redraw" in sent:
        return _draw(request, form_class(initial=_typed(sent), **told))
    form = form_class(sent, initial=_typed(request.GET), **told)
    if not form.is_valid():
        return _draw(request, form, status=422)
    try:
        entry = form.perform()
    except operations.Refused as refusal:
        form.opportunity = opportunity = get_object_or_404(_visible(request), pk=pk)
        stale = form.cleaned_data["seen"] != opportunity.version
        if not isinstance(refusal, operations.MovedMeanwhile):
            _refuse(form, refusal)
        form.redraw()
        return _draw(request, form, status=409 if stale else 422, stale=stale)
    messages.success(request, form.done_message(entry))
    return done(request, next_url(request, opportunity.get_absolute_url()))


def _draw(request: CrmRequest, form: ChangeForm, *, status: int = 200, stale: bool = False) -> HttpResponse:
    """The dialog, or the page, with the form in it."""
    newest = form.opportunity.entries.select_related("recorded_by").newest_first()[0] if stale else None
    context = {
        "form": form,
        "opportunity": form.opportunity,
        "moved_by": newest,
        "cancel_url": next_url(request, form.opportunity.get_absolute_url()),
    }
    region = "coming" if request.htmx.target == "coming" else "dialog"
    return page(request, TEMPLATE, context, region=region, status=status)


def _preview(request: CrmRequest, form: ChangeForm) -> HttpResponse:
    """What the change would make true, or the rule that says no, as the operation itself answers."""
    context: dict[str, Any] = {"opportunity": form.opportunity}
    if isinstance(form, ReasonedForm):
        form.fields["note"].required = False  # the reason in words may still come
    if not form.is_valid():
        context["refusal"] = form.mistake
    else:
        try:
            entry = form.perform(dry_run=True)
        except operations.Refused as refusal:
            context["refusal"] = refusal.message
        else:
            context |= {
                "entry": entry,
                "changes": changes(form.opportunity, entry),
                "task_lines": form.task_lines(),
            }
    return page(request, TEMPLATE, context, region="outcome")


def _typed(sent: QueryDict) -> dict[str, Any]:
    """What fills in a form that is drawn: a stage, an outcome, what was typed so far."""
    return {
        key: sent.getlist(key) if key in TICKED else value for key, value in sent.items() if key != "seen"
    }


def _refuse(form: ChangeForm | DescribeForm, refusal: operations.Refused) -> int:
    """Say at the field what the rule says; the status to answer with."""
    if isinstance(refusal, operations.MovedMeanwhile):
        form.add_error(None, refusal.message)
        return 409
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    return 422


def _visible(request: CrmRequest) -> Any:
    return Opportunity.objects.visible_to(request.user).select_related(
        "cycle", "stage", "contact", "company", "salesperson"
    )


def _workable(request: CrmRequest, pk: int, operation: str) -> Opportunity:
    """The opportunity, if the user sees it (else 404) and may do this with it (else 403)."""
    opportunity: Opportunity = get_object_or_404(_visible(request), pk=pk)
    require(operation, allowed(request.user, opportunity))
    return opportunity
