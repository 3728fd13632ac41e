"""The list of opportunities: filtered, sorted, added up; the address is the view."""

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from crm.access import readers_only
from crm.http import CrmRequest, page
from crm.pages import keyset_page
from opportunities.forms.filters import OpportunityFilter
from opportunities.models import Opportunity
from opportunities.views.tabs import tabs_for

SORTS = (
    "id",
    "description",
    "company__name",
    "stage__position",
    "chance_percent",
    "estimated_value",
    "calculated_value",
    "estimated_close_on",
    "salesperson__name",
)


@require_GET
@readers_only
def opportunity_list(request: CrmRequest) -> HttpResponse:
    """Opportunities, filtered and sorted; the address is the view."""
    asked = OpportunityFilter(
        request.GET, Opportunity.objects.visible_to(request.user).with_names(), request=request
    )
    base_url = reverse("opportunities:list")
    context = {
        "filter": asked,
        "base_url": base_url,
        "tabs": tabs_for(request, asked, base_url),
        "keep": [(name, request.GET[name]) for name in ("sort", "columns", "view") if request.GET.get(name)],
        "page": keyset_page(asked.rows, sorts=SORTS, params=request.GET, default="estimated_close_on"),
        "is_filtered": asked.is_narrowed,
    }
    return page(
        request, "opportunities/opportunity_list.html", context, status=200 if asked.form.is_valid() else 422
    )
