"""The list of opportunities: filtered, sorted, added up; the address is the view."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from crm.access import readers_only
from crm.http import CrmRequest, page
from crm.pages import keyset_page
from opportunities import columns
from opportunities.forms.filters import OpportunityFilter
from opportunities.models import Opportunity, OpportunityQuerySet, SavedView
from opportunities.totals import totals
from opportunities.views.tabs import address_of, tabs_for


@require_GET
@readers_only
def opportunity_list(request: CrmRequest) -> HttpResponse:
    """Opportunities, filtered and sorted; opened without any question, with the view that the reader has first."""
    base_url = reverse("opportunities:list")
    choice = columns.chosen(request.GET.getlist("columns"))
    asked = OpportunityFilter(request.GET, _rows(request, choice), request=request)
    asked.recognise_reader()
    if not request.GET and (first := SavedView.objects.opening_for(request.user)):
        return redirect(address_of(first, base_url))
    context = {
        "filter": asked,
        "base_url": base_url,
        "tabs": tabs_for(request, asked, base_url),
        "page": keyset_page(
            asked.rows, sorts=columns.SORTS, params=request.GET, default="estimated_close_on"
        ),
        "totals": totals(asked.rows, asked.statuses),
        "choice": choice,
        "columns_to_choose": columns.to_choose(choice),
        "keep": _kept(request, "sort", "columns", "view"),
        "keep_beside_columns": _kept(request, *asked.filters, "sort", "view"),
        "may_choose": request.user.may_sell(),
    }
    is_understood = asked.form.is_valid() and not choice.unknown
    return page(request, "opportunities/opportunity_list.html", context, status=200 if is_understood else 422)


def _rows(request: CrmRequest, choice: columns.Choice) -> OpportunityQuerySet:
    """What the reader may see, with all that the columns name."""
    rows = Opportunity.objects.visible_to(request.user).with_names()
    if columns.NEXT_STEP in choice.names:
        rows = rows.with_next_step()
    return rows.select_related(*choice.reads) if choice.reads else rows


def _kept(request: CrmRequest, *names: str) -> list[tuple[str, str]]:
    """What a form of the page carries on from the address, so that it changes nothing but its own part."""
    values = ((name, ",".join(request.GET.getlist(name))) for name in names)
    return [(name, value) for name, value in values if value]
