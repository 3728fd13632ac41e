"""Reading opportunities, and making new ones."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from contacts.models import Contact
from crm.access import readers_only, sellers_only
from crm.forms import is_key
from crm.http import CrmRequest, done, page
from opportunities import operations
from opportunities.access import allowed
from opportunities.forms.creation import NewOpportunityForm
from opportunities.mail.tokens import filing_address
from opportunities.models import Opportunity, OpportunityContact, OpportunityQuerySet, Priority
from opportunities.norms import time_in_stage
from opportunities.stage_path import StagePath
from opportunities.views.people import people_of
from opportunities.views.timeline import panel_of_opportunity
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson

PANEL_SIZE = 10


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
    seen = Opportunity.objects.visible_to(request.user).with_names().with_next_step()
    row = seen.marked_workable_by(request.user).select_related("close_reason")
    opportunity = get_object_or_404(row, pk=pk)
    may = allowed(request.user, opportunity)
    stages = list(SalesCycleStage.objects.filter(cycle=opportunity.cycle_id).order_by("position"))
    path = StagePath(opportunity, stages)
    people = people_of(opportunity, request.user)
    panel = panel_of_opportunity(request, opportunity, may=may)
    context = {
        "opportunity": opportunity,
        "may": may,
        "next_stage": path.next_stage,
        "other_stage": path.other_stage,
        "first_stage": path.first_stage,
        "steps": path.steps(may),
        "stay": time_in_stage(opportunity),
        "people": [person for person in people if person.contact_id != opportunity.contact_id],
        "own_part": next((one for one in people if one.contact_id == opportunity.contact_id), None),
        "panel": panel,
        "priorities": Priority.choices,
        "filing_address": filing_address(opportunity.number) if may else "",
    }
    return page(
        request, "opportunities/opportunity_detail.html", context, status=422 if panel.notice else 200
    )


@require_GET
@readers_only
def opportunities_for_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """The panel on a contact's page."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    seen = Opportunity.objects.visible_to(request.user)
    involved = OpportunityContact.objects.filter(contact=contact, opportunity__in=seen.values("pk"))
    parts = {
        person.opportunity_id: person
        for person in involved.order_by("-opportunity__created_on", "-opportunity")[: PANEL_SIZE + 1]
    }
    context = {"contact": contact, "who": contact, "query": f"contact={contact.pk}"}
    return _panel(request, [seen.of_contact(contact), seen.filter(pk__in=parts)], context, parts)


@require_GET
@readers_only
def opportunities_for_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """The panel on a salesperson's page."""
    salesperson = get_object_or_404(Salesperson.objects.visible_to(request.user), pk=pk)
    rows = Opportunity.objects.visible_to(request.user).of_salesperson(salesperson)
    return _panel(
        request,
        [rows],
        {"salesperson": salesperson, "who": salesperson, "query": f"salesperson={salesperson.pk}"},
    )


def _panel(
    request: CrmRequest,
    sources: list[OpportunityQuerySet],
    context: dict[str, Any],
    parts: dict[int, OpportunityContact] | None = None,
) -> HttpResponse:
    """The newest few out of one or two sets, and a link to all of them; ``parts`` says what a contact is in some."""
    found: dict[int, Opportunity] = {}
    for rows in sources:
        newest = rows.select_related("stage", "contact", "salesperson").order_by("-created_on", "-pk")
        found |= {row.pk: row for row in newest[: PANEL_SIZE + 1]}
    shown = sorted(found.values(), key=lambda row: (row.created_on, row.pk), reverse=True)
    context |= {
        "rows": [(row, (parts or {}).get(row.pk)) for row in shown[:PANEL_SIZE]],
        "has_more": len(shown) > PANEL_SIZE,
    }
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
    return queryset.filter(pk=int(text)).first() if is_key(text) else None
