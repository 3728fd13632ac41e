"""The tasks of an opportunity, a contact or a salesperson, as a card on its page."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from activities.models import Task, TaskQuerySet
from contacts.models import Contact
from crm.access import readers_only
from crm.http import CrmRequest, page
from opportunities.models import Opportunity
from opportunities.tasks import ALL, DONE, lines_of
from salespeople.models import Salesperson

OPEN_SHOWN = 10
CLOSED_SHOWN = 5


@require_GET
@readers_only
def tasks_for_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """What is to do, and was done, about an opportunity."""
    seen = Opportunity.objects.visible_to(request.user)
    opportunity = get_object_or_404(seen, pk=pk)
    tasks = Task.objects.visible_to(request.user).filter(opportunity=opportunity)
    is_theirs = Opportunity.objects.workable_by(request.user).open().filter(pk=pk).exists()
    return _panel(request, tasks, opportunity, "opportunity", may_add=request.user.may_sell() and is_theirs)


@require_GET
@readers_only
def tasks_for_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """What is to do, and was done, about a contact, and with a company about everybody in it."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user).select_related("company"), pk=pk)
    company = contact.company
    is_blocked = contact.is_privacy_blocked or (company is not None and company.is_privacy_blocked)
    tasks = Task.objects.visible_to(request.user).of_contact(contact)
    may_add = request.user.may_sell() and not is_blocked and contact.merged_into_id is None
    return _panel(request, tasks, contact, "contact", may_add=may_add)


@require_GET
@readers_only
def tasks_for_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """What a salesperson is to do."""
    salesperson = get_object_or_404(Salesperson.objects.visible_to(request.user), pk=pk)
    tasks = Task.objects.visible_to(request.user).filter(salesperson=salesperson)
    may_add = request.user.may_sell() and not salesperson.is_blocked
    return _panel(request, tasks, salesperson, "salesperson", may_add=may_add)


def _panel(request: CrmRequest, tasks: TaskQuerySet, about: Any, name: str, *, may_add: bool) -> HttpResponse:
    """The open ones as they are due and the last that were closed; links lead to all of both."""
    rows = tasks.with_names()
    open_tasks = list(rows.open().soonest_first()[: OPEN_SHOWN + 1])
    closed = list(rows.closed().order_by("-closed_at", "-pk")[: CLOSED_SHOWN + 1])
    lines = lines_of([*open_tasks[:OPEN_SHOWN], *closed[:CLOSED_SHOWN]], request.user)
    shown = min(len(open_tasks), OPEN_SHOWN)
    context = {
        "about": about,
        "name": name,
        "title": _("Tasks: %(about)s") % {"about": about},
        "open_lines": lines[:shown],
        "closed_lines": lines[shown:],
        "has_more": len(open_tasks) > OPEN_SHOWN,
        "has_more_closed": len(closed) > CLOSED_SHOWN,
        "may_add": may_add,
        **_addresses(about, name),
    }
    return page(request, "opportunities/task_panel.html", context, region="panel")


def _addresses(about: Any, name: str) -> dict[str, str]:
    """The card, the lists of what is open and done, the forms for a task and an activity, and the page around it."""
    url = about.get_absolute_url()
    query = {name: about.pk, "whose": ALL}
    return {
        "panel_url": reverse(f"opportunities:tasks-for-{name}", args=[about.pk]),
        "list_url": reverse("opportunities:tasks", query=query),
        "done_url": reverse("opportunities:tasks", query={**query, "state": DONE}),
        "new_url": reverse("opportunities:task-new", query={name: about.pk, "next": url}),
        "assign_url": reverse(f"opportunities:assign-{name}", args=[about.pk]),
        "back": url,
    }
