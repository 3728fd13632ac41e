"""Those involved in an opportunity: adding somebody, another part, taking somebody out."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from contacts.models import Contact
from crm.access import readers_only
from crm.forms import is_key
from crm.http import CrmRequest, dialog, done
from opportunities import operations
from opportunities.access import allowed, require
from opportunities.forms.people import InvolveForm, RoleForm
from opportunities.models import ContactRole, Opportunity, OpportunityContact
from salespeople.models import User

form_methods = require_http_methods(["GET", "POST"])


def people_of(opportunity: Opportunity, user: User) -> list[OpportunityContact]:
    """Those involved, in the order of their parts; ``is_seen`` says whether the user sees the contact's own page."""
    seen = Contact.objects.visible_to(user).filter(pk=OuterRef("contact"))
    rows = opportunity.people.select_related("contact__company").annotate(is_seen=Exists(seen))
    parts = list(ContactRole)
    found = list(rows.order_by("pk")[: operations.MOST_PEOPLE])
    return sorted(found, key=lambda person: parts.index(ContactRole(person.role)))


@form_methods
@readers_only
def new_person(request: CrmRequest, pk: int) -> HttpResponse:
    """Involve somebody."""
    opportunity = _workable(request, pk)
    form = InvolveForm(_sent(request), opportunity=opportunity, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            person = form.involve()
        except operations.Gone as gone:
            raise Http404(gone.message) from gone
        except operations.Refused as refusal:
            form.add_error(refusal.field, refusal.message)
        else:
            return _told(request, opportunity, _("%(who)s is involved as %(role)s."), person)
    context = {"title": _("Involve somebody"), "lead": str(opportunity), "submit_label": _("Add")}
    return _draw(request, opportunity, form, context)


@form_methods
@readers_only
def change_person(request: CrmRequest, pk: int, contact: int) -> HttpResponse:
    """Give somebody another part."""
    opportunity = _workable(request, pk)
    person = _person(opportunity, contact)
    form = RoleForm(_sent(request), opportunity=opportunity, user=request.user, initial={"role": person.role})
    if request.method == "POST" and form.is_valid():
        try:
            person = form.change(person.contact)
        except operations.Refused as refusal:
            raise Http404(refusal.message) from refusal
        return _told(request, opportunity, _("%(who)s is involved as %(role)s."), person)
    context = {"title": _("Role of %(name)s") % {"name": person.contact}, "lead": str(opportunity)}
    return _draw(request, opportunity, form, context)


@form_methods
@readers_only
def remove_person(request: CrmRequest, pk: int, contact: int) -> HttpResponse:
    """Ask, then take somebody out."""
    opportunity = _workable(request, pk)
    person = _person(opportunity, contact)
    if request.method == "POST":
        try:
            operations.release(opportunity=opportunity, contact=person.contact, by=request.user)
        except operations.Refused as refusal:
            raise Http404(refusal.message) from refusal
        return _told(request, opportunity, _("%(who)s is not involved any more."), person)
    context = {
        **_around(opportunity),
        "title": _("Remove %(name)s?") % {"name": person.contact},
        "text": _("%(name)s is then not involved in %(number)s any more. The contact stays.")
        % {"name": person.contact, "number": opportunity.number},
        "submit_label": _("Remove"),
    }
    return dialog(request, "generic/confirm.html", context)


def _sent(request: CrmRequest) -> QueryDict | None:
    """What was typed; an empty form counts as typed too."""
    return request.POST if request.method == "POST" else None


def _told(
    request: CrmRequest, opportunity: Opportunity, words: str, person: OpportunityContact
) -> HttpResponse:
    messages.success(request, words % {"who": person.contact, "role": person.get_role_display()})
    return done(request, opportunity.get_absolute_url())


def _draw(
    request: CrmRequest, opportunity: Opportunity, form: RoleForm, context: dict[str, Any]
) -> HttpResponse:
    context = {**_around(opportunity), **context, "form": form}
    return dialog(request, "generic/form.html", context, status=422 if form.is_bound else 200)


def _around(opportunity: Opportunity) -> dict[str, str]:
    url = opportunity.get_absolute_url()
    return {"cancel_url": url, "up_url": url, "up_label": opportunity.number}


def _workable(request: CrmRequest, pk: int) -> Opportunity:
    """The opportunity, if the user sees it (else 404) and may say who is involved (else 403)."""
    opportunity: Opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=pk)
    require("involve", allowed(request.user, opportunity))
    return opportunity


def _person(opportunity: Opportunity, contact: int) -> OpportunityContact:
    """Somebody who is involved, else 404."""
    if not is_key(str(contact)):
        raise Http404
    person: OpportunityContact = get_object_or_404(
        opportunity.people.select_related("contact"), contact=contact
    )
    return person
