"""Pages of companies and persons."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from contacts.duplicates import Duplicate
from contacts.forms import ContactFilterForm, ContactForm, SuggestForm, form_for, initial_for
from contacts.models import Contact, ContactKind, ContactQuerySet
from contacts.operations import merges_of
from contacts.views.duplicates import unconfirmed_duplicates
from contacts.views.merging import merged_meanwhile, to_the_one_that_carries_on
from crm.access import readers_only, sellers_only
from crm.deletion import delete_unless_used, what_uses
from crm.forms import in_one_transaction, saved, to_change
from crm.http import CrmRequest, dialog, done
from crm.pages import keyset_page
from crm.seen import kept, status_of

SORTS = ("name", "number", "company__name", "salesperson__name", "city")
PEOPLE_SHOWN = 25
SUGGESTED = 10


@require_GET
@readers_only
def contact_list(request: CrmRequest) -> HttpResponse:
    """Companies and persons, searched, filtered and sorted as the query string says."""
    form = ContactFilterForm(request.GET, user=request.user)
    contacts = form.filter(Contact.objects.visible_to(request.user))
    page = keyset_page(contacts.with_names(), sorts=SORTS, params=request.GET, default="name")
    context = {
        "form": form,
        "asked": form.cleaned_data,
        "page": page,
        "may_add": request.user.may_sell(),
    }
    return render(request, "contacts/contact_list.html", context)


@require_GET
def contact_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """One contact: facts, the people of a company, and its opportunities."""
    visible = Contact.objects.visible_to(request.user)
    contact = visible.with_names().prefetch_related("industry_groups").filter(pk=pk).first()
    if contact is None:
        return to_the_one_that_carries_on(request, pk)
    people = list(visible.in_company(contact).order_by("name", "pk")[: PEOPLE_SHOWN + 1])
    may_change = request.user.may_sell()
    company = contact.company
    context = {
        "contact": contact,
        "company_url": company.get_absolute_url()
        if company and visible.filter(pk=company.pk).exists()
        else "",
        "people": people[:PEOPLE_SHOWN],
        "merges": merges_of(contact),
        "has_more_people": len(people) > PEOPLE_SHOWN,
        "may_change": may_change,
        "is_blocked": contact.is_privacy_blocked or (company is not None and company.is_privacy_blocked),
    }
    return render(request, "contacts/contact_detail.html", context)


@require_http_methods(["GET", "POST"])
@sellers_only
def new_contact(request: CrmRequest) -> HttpResponse:
    """A new company, or with ``?kind=PERSON`` a person; ``?company=`` puts them into a company."""
    company = ContactFilterForm(request.GET, user=request.user).company_asked_for()
    kind = _kind_asked_for(request) or (ContactKind.PERSON if company else ContactKind.COMPANY)
    form = form_for(kind)(request.POST or None, user=request.user, initial=initial_for(request.user, company))
    asked = unconfirmed_duplicates(request, form) if form.is_bound and form.is_valid() else []
    if request.method == "POST" and form.is_valid() and not asked and saved(form):
        messages.success(request, _("Added %(contact)s.") % {"contact": form.instance.label})
        return _to_contact(request, form.instance)
    title = _("New person") if kind == ContactKind.PERSON else _("New company")
    cancel = company.get_absolute_url() if company else reverse("contacts:list")
    return _answer(request, form, title, cancel=cancel, duplicates=asked)


@require_http_methods(["GET", "POST"])
@sellers_only
@in_one_transaction
def edit_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """Change a contact; ``?kind=`` makes a company of a person or the other way round."""
    rows = to_change(request, Contact.objects.visible_to(request.user).with_names())
    contact = rows.filter(pk=pk).first()
    if contact is None:
        return merged_meanwhile(request, pk)
    kind = _kind_asked_for(request) or ContactKind(contact.kind)
    form = form_for(kind)(request.POST or None, user=request.user, instance=contact)
    asked = unconfirmed_duplicates(request, form) if form.is_bound and form.is_valid() else []
    if request.method == "POST" and form.is_valid() and not asked and kept(request, form):
        messages.success(request, _("Saved %(contact)s.") % {"contact": contact.label})
        return _to_contact(request, contact)
    title = _("Edit %(name)s") % {"name": form.old_name}
    return _answer(request, form, title, cancel=contact.get_absolute_url(), duplicates=asked)


@require_http_methods(["GET", "POST"])
@sellers_only
def delete_contact(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete a contact that nothing uses, after a question."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    url, label, is_post = contact.get_absolute_url(), contact.label, request.method == "POST"
    uses = delete_unless_used(contact) if is_post else what_uses(contact)
    if is_post and not uses:
        messages.success(request, _("Deleted %(contact)s.") % {"contact": label})
        return done(request, reverse("contacts:list"))
    context = {
        "title": _("Delete %(contact)s?") % {"contact": label},
        "text": "" if uses else _("It is gone for good; nothing else is deleted with it."),
        "uses": uses,
        "way_out": _("Block it for privacy instead, and nothing new can be started with it.") if uses else "",
        "cancel_url": url,
        "up_url": url,
        "up_label": contact.name,
    }
    return dialog(request, "generic/confirm.html", context, status=422 if is_post else 200)


@require_GET
@readers_only
def suggest_contacts(request: CrmRequest) -> HttpResponse:
    """The few contacts that what is typed may mean, those beginning so first."""
    form = SuggestForm(request.GET)
    asked: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    text = asked.get("q", "")
    contacts: list[Contact] = []
    if text:
        usable = Contact.objects.visible_to(request.user).usable().with_names()
        if asked["kind"]:
            usable = usable.filter(kind=asked["kind"])
        contacts = _suggested(usable, text)
    return render(request, "contacts/_suggestions.html", {"contacts": contacts, "text": text})


def _suggested(usable: ContactQuerySet, text: str) -> list[Contact]:
    """The one with this number; else those whose name begins so, then those that contain the words."""
    numbered = usable.filter(number=text.upper())[:1]
    if numbered:
        return list(numbered)
    contacts = list(usable.beginning_with(text).order_by("name", "pk")[:SUGGESTED])
    if missing := SUGGESTED - len(contacts):
        others = usable.matching(text).exclude(pk__in=[contact.pk for contact in contacts])
        contacts += others.order_by("name", "pk")[:missing]
    return contacts


def _kind_asked_for(request: CrmRequest) -> ContactKind | None:
    kind = request.GET.get("kind")
    return ContactKind(kind) if kind in ContactKind.values else None


def _to_contact(request: CrmRequest, contact: Contact) -> HttpResponse:
    """Its page, or the list when it now belongs to somebody whose contacts the user does not see."""
    if Contact.objects.visible_to(request.user).filter(pk=contact.pk).exists():
        return done(request, contact.get_absolute_url())
    return done(request, reverse("contacts:list"))


def _answer(
    request: CrmRequest, form: ContactForm, title: str, *, cancel: str, duplicates: list[Duplicate]
) -> HttpResponse:
    contact = form.instance
    context = {
        "title": title,
        "name": form.old_name,
        "form": form,
        "other_kind": ContactKind.PERSON if form.kind == ContactKind.COMPANY else ContactKind.COMPANY,
        "cancel_url": cancel,
        "contact": contact,
        "duplicates": duplicates,
        "duplicates_url": f"{_duplicates_url(contact)}?kind={form.kind}",
        "delete_url": reverse("contacts:delete", args=[contact.pk]) if contact.pk else "",
    }
    return dialog(request, "contacts/contact_form.html", context, status=status_of(form))


def _duplicates_url(contact: Contact) -> str:
    """Where the form asks, while one types, which contacts may be the same."""
    if contact.pk:
        return reverse("contacts:duplicates-of", args=[contact.pk])
    return reverse("contacts:duplicates")
