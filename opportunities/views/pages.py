"""Reading opportunities, and making new ones."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods

from contacts.models import Contact
from crm.access import readers_only, sellers_only
from crm.dates import today
from crm.http import CrmRequest, done, page
from opportunities import operations
from opportunities.access import allowed
from opportunities.forms.creation import NewOpportunityForm
from opportunities.ledger import changes, days_in_stages
from opportunities.models import Opportunity, OpportunityEntry, Status
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson

HISTORY_SIZE = 30
PANEL_SIZE = 10
STAYS_READ = 500


@require_http_methods(["GET", "POST"])
@sellers_only
def new_opportunity(request: CrmRequest) -> HttpResponse:
    """A new opportunity, from the list, a contact or a salesperson."""
    if request.method == "GET":
        form = NewOpportunityForm(initial=_prefilled(request), user=request.user)
        return _draw_new(request, form)
    form = NewOpportunityForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            opportunity = form.create()
        except operations.Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        else:
            messages.success(
                request,
                _("Created %(number)s, started in %(stage)s.")
                % {"number": opportunity.number, "stage": opportunity.stage}
                if opportunity.stage
                else _("Created %(number)s.") % {"number": opportunity.number},
            )
            return done(request, opportunity.get_absolute_url())
    return _draw_new(request, form, status=422)


@require_GET
@readers_only
def opportunity_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """One opportunity: where it stands, what it is worth, and how that came about."""
    opportunity = get_object_or_404(
        Opportunity.objects.visible_to(request.user).with_names().select_related("close_reason"), pk=pk
    )
    may = allowed(request.user, opportunity)
    reachable = operations.reachable_stages(opportunity) if opportunity.is_in_progress else []
    here = opportunity.stage
    ahead = [stage for stage in reachable if here and stage.position > here.position]
    context = {
        "opportunity": opportunity,
        "may": may,
        "next_stage": ahead[0] if ahead else None,
        "other_stage": next(
            (stage for stage in [*ahead[1:], *reversed(reachable)] if stage not in ahead[:1]), None
        ),
        "first_stage": next(iter(operations.reachable_stages(opportunity)), None)
        if opportunity.is_not_started
        else None,
        "steps": _steps(opportunity),
        "history": _history(request, opportunity),
    }
    return page(request, "opportunities/opportunity_detail.html", context)


@require_GET
@readers_only
def opportunities_for_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """The panel on a contact's page."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    rows = Opportunity.objects.visible_to(request.user).of_contact(contact)
    return _panel(request, rows, {"contact": contact, "who": contact, "query": f"contact={contact.pk}"})


@require_GET
@readers_only
def opportunities_for_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """The panel on a salesperson's page."""
    salesperson = get_object_or_404(Salesperson.objects.visible_to(request.user), pk=pk)
    rows = Opportunity.objects.visible_to(request.user).of_salesperson(salesperson)
    return _panel(
        request,
        rows,
        {"salesperson": salesperson, "who": salesperson, "query": f"salesperson={salesperson.pk}"},
    )


def _panel(request: CrmRequest, rows: QuerySet[Opportunity], context: dict[str, Any]) -> HttpResponse:
    """The newest few, and a link to all of them."""
    found = list(
        rows.select_related("stage", "contact", "salesperson").order_by("-created_on", "-pk")[
            : PANEL_SIZE + 1
        ]
    )
    context |= {"opportunities": found[:PANEL_SIZE], "has_more": len(found) > PANEL_SIZE}
    return page(request, "opportunities/opportunity_panel.html", context, region="panel")


def _draw_new(request: CrmRequest, form: NewOpportunityForm, *, status: int = 200) -> HttpResponse:
    return page(request, "opportunities/opportunity_new.html", {"form": form}, region="dialog", status=status)


def _prefilled(request: CrmRequest) -> dict[str, Any]:
    """What the page one came from already says: the contact and its salesperson, or the salesperson."""
    initial: dict[str, Any] = {}
    contact = _from_address(request, "contact", Contact.objects.visible_to(request.user).usable())
    if contact is not None:
        initial["contact"] = contact
        if contact.salesperson_id and _worked_by(request).filter(pk=contact.salesperson_id).exists():
            initial["salesperson"] = contact.salesperson_id
    salesperson = _from_address(request, "salesperson", _worked_by(request))
    if salesperson is not None:
        initial["salesperson"] = salesperson.pk
    return initial


def _worked_by(request: CrmRequest) -> QuerySet[Salesperson]:
    return Salesperson.objects.worked_by(request.user).assignable()


def _from_address(request: CrmRequest, name: str, queryset: QuerySet[Any]) -> Any:
    """The row that ``?name=`` points at, if it is one of ``queryset``."""
    text = request.GET.get(name, "")
    return queryset.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 19 else None


def _steps(opportunity: Opportunity) -> list[dict[str, Any]]:
    """The stage path: for each stage its name, how long it was or is, and where it lies."""
    days = _days_in_stages(opportunity)
    reachable = {stage.pk for stage in operations.reachable_stages(opportunity)}
    steps = []
    for stage in SalesCycleStage.objects.filter(cycle=opportunity.cycle_id).order_by("position"):
        if not stage.is_active and stage.pk not in days:
            continue
        state = _state(opportunity, stage, days)
        steps.append(
            {
                "label": str(stage),
                "state": state,
                "note": _note(stage, state, days.get(stage.pk, 0)),
                "stage": stage,
                "is_reachable": stage.pk in reachable and not opportunity.is_not_started,
            }
        )
    return steps


def _state(opportunity: Opportunity, stage: SalesCycleStage, days: dict[int, int]) -> str:
    here = opportunity.stage
    if here is not None and stage.pk == here.pk:
        return {Status.WON.value: "won", Status.LOST.value: "lost"}.get(opportunity.status, "now")
    if here is None or stage.position > here.position:
        return "next"
    return "done" if stage.pk in days else "skipped"


def _note(stage: SalesCycleStage, state: str, days: int) -> str:
    if state in ("done", "won", "lost"):
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    if state == "now":
        return ngettext("%(n)d day so far", "%(n)d days so far", days) % {"n": days}
    if state == "skipped":
        return _("skipped")
    if stage.requires_quote:
        return _("quote required")
    return _("may be skipped") if stage.allows_skip else ""


def _days_in_stages(opportunity: Opportunity) -> dict[int, int]:
    """Whole days in each stage ever entered, from the newest entries."""
    entries = opportunity.entries.filter(stage__isnull=False).newest_first()
    rows = entries.values_list("stage_id", "stage_entered_on", "changed_on", "closed_on")[:STAYS_READ]
    return days_in_stages(reversed(rows), today())


def _history(request: CrmRequest, opportunity: Opportunity) -> dict[str, Any]:
    """One page of the ledger, newest first, each entry with what it changed."""
    entries = opportunity.entries.with_names().newest_first()
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 10:
        entries = entries.filter(sequence__lt=int(before))
    found: list[OpportunityEntry] = list(entries[: HISTORY_SIZE + 1])
    lines = [
        {"entry": entry, "changes": changes(found[index + 1] if index + 1 < len(found) else None, entry)}
        for index, entry in enumerate(found[:HISTORY_SIZE])
    ]
    more = len(found) > HISTORY_SIZE
    return {
        "lines": lines,
        "older_url": f"?before={found[HISTORY_SIZE - 1].sequence}#history" if more else None,
        "is_newest": not before,
    }
