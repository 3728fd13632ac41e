"""Parts of pages that say what is due, for those that are on a screen while tasks change."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET

from crm.access import readers_only
from crm.http import CrmRequest
from opportunities.access import allowed
from opportunities.models import Opportunity


@require_GET
@readers_only
def tasks_due(request: CrmRequest) -> HttpResponse:
    """The number in the menu; opened directly, the tasks."""
    if not request.htmx:
        return redirect("opportunities:tasks")
    return render(request, "_components/tasks_due.html")


@require_GET
@readers_only
def next_step(request: CrmRequest, pk: int) -> HttpResponse:
    """The strip on the page of an opportunity that says what is to be done next; opened directly, that page."""
    seen = Opportunity.objects.visible_to(request.user).with_next_step().marked_workable_by(request.user)
    opportunity = get_object_or_404(seen, pk=pk)
    if not request.htmx:
        return redirect(opportunity)
    context = {"opportunity": opportunity, "may": allowed(request.user, opportunity)}
    return render(request, "opportunities/_next_step.html", context)
