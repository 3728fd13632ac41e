"""Giving an activity by hand: about an opportunity, about a contact, or to a salesperson."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from activities.operations import TaskRefused
from contacts.models import Contact
from crm.access import sellers_only
from crm.http import CrmRequest, next_url, page
from opportunities.access import NOT_YOURS, may_note_on
from opportunities.forms.assigning import AssignForm
from opportunities.models import Opportunity
from opportunities.views.tasks.answers import changed
from salespeople.models import Salesperson

TEMPLATE = "opportunities/activity_assign.html"
form_methods = require_http_methods(["GET", "POST"])


@form_methods
@sellers_only
def assign_to_opportunity(request: CrmRequest, pk: int) -> HttpResponse:
    """An activity about an open opportunity, for its salesperson unless somebody else is named."""
    visible = Opportunity.objects.visible_to(request.user).select_related(
        "salesperson", "contact", "contact__company"
    )
    opportunity = get_object_or_404(visible, pk=pk)
    if opportunity.is_closed:
        raise PermissionDenied(_("It is closed. Reopen it, then give it an activity."))
    if not Opportunity.objects.workable_by(request.user).filter(pk=pk).exists():
        raise PermissionDenied(NOT_YOURS)
    return _assign(request, opportunity, doer=opportunity.salesperson, opportunity=opportunity)


@form_methods
@sellers_only
def assign_to_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """An activity about a contact, for whoever gives it or looks after the contact."""
    visible = Contact.objects.visible_to(request.user).select_related("company", "salesperson")
    contact = get_object_or_404(visible, pk=pk)
    if not may_note_on(request.user, contact):
        raise PermissionDenied(_("This contact is blocked or merged, so there is nothing to do about it."))
    own = Salesperson.objects.filter(user=request.user).first()
    return _assign(request, contact, doer=own or contact.salesperson, contact=contact)


@form_methods
@sellers_only
def assign_to_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """An activity that is about nobody, for a salesperson."""
    salesperson = get_object_or_404(Salesperson.objects.visible_to(request.user), pk=pk)
    if salesperson.is_blocked:
        raise PermissionDenied(_("This salesperson is blocked. Give the activity to somebody else."))
    return _assign(request, salesperson, doer=salesperson)


def _assign(request: CrmRequest, about: Any, **told: Any) -> HttpResponse:
    """Draw the form, redraw what the activity brings, make the tasks, or say why not."""
    sent = request.POST
    if request.method == "GET" or "redraw" in sent:
        typed = (sent if request.method == "POST" else request.GET).items()
        return _draw(request, about, AssignForm(initial=dict(typed), user=request.user, **told))
    form = AssignForm(sent, user=request.user, **told)
    if not form.is_valid():
        return _draw(request, about, form, status=422)
    try:
        tasks = form.perform()
    except TaskRefused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        return _draw(request, about, form, status=422)
    text = ngettext("Added %(n)d task of “%(activity)s”.", "Added %(n)d tasks of “%(activity)s”.", len(tasks))
    messages.success(request, text % {"n": len(tasks), "activity": form.cleaned_data["activity"]})
    return changed(request, next_url(request, about.get_absolute_url()))


def _draw(request: CrmRequest, about: Any, form: AssignForm, *, status: int = 200) -> HttpResponse:
    region = "coming" if request.htmx.target == "coming" else "dialog"
    url = about.get_absolute_url()
    context = {
        "title": _("Assign an activity"),
        "lead": str(about),
        "form": form,
        "cancel_url": next_url(request, url),
        "up_url": url,
        "up_label": str(about),
    }
    return page(request, TEMPLATE, context, region=region, status=status)
