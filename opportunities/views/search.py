"""Search anywhere: the page of all that was found, and the list in the palette."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from crm.access import readers_only
from crm.http import CrmRequest
from opportunities import search

IN_THE_PALETTE, ON_THE_PAGE = 6, 25
PALETTE = "palette-results"


@require_GET
@readers_only
def search_anywhere(request: CrmRequest) -> HttpResponse:
    """Opportunities, contacts and pages that what is typed may mean."""
    for_palette = request.htmx and request.htmx.target == PALETTE
    most = IN_THE_PALETTE if for_palette else ON_THE_PAGE
    answer = search.search(request.GET.get("q", ""), user=request.user, most=most)
    template = "opportunities/_search_results.html" if for_palette else "opportunities/search.html"
    return render(request, template, {"answer": answer, "is_palette": for_palette})
