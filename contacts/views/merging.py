"""Making one contact of two: choosing the other one, comparing both, doing it, and taking it back."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from contacts import operations
from contacts.duplicates import duplicates_of
from contacts.forms import MergeForm, OtherContactForm, form_for
from contacts.models import Contact, ContactKind, ContactMerge
from crm.access import sellers_only
from crm.forms import is_key
from crm.http import CrmRequest, dialog

TYPED_AS_READ = {
    *("name", "first_name", "last_name", "job_title", "company", "email", "phone", "mobile", "website"),
    *("address", "address_2", "postcode", "city", "region", "vat_number"),
}  # fields of the form of contacts in which stands what a person reads


@require_http_methods(["GET"])
@sellers_only
def choose_other(request: CrmRequest, pk: int) -> HttpResponse:
    """Which contact is the same as this one: chosen by typing, or from those that look like it."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user).with_names(), pk=pk)
    form = OtherContactForm(
        request.GET if "other" in request.GET else None, user=request.user, contact=contact
    )
    if form.is_bound and form.is_valid():
        return redirect("contacts:merge-with", pk, form.cleaned_data["other"].pk)
    found = duplicates_of(contact, user=request.user)
    context = {
        "contact": contact,
        "form": form,
        "duplicates": [found for found in found if found.contact.kind == contact.kind],
    }
    return render(request, "contacts/contact_merge.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@sellers_only
def merge_contacts(request: CrmRequest, pk: int, other: int) -> HttpResponse:
    """Both side by side; a POST makes one of them, the first, with what was chosen."""
    if not (is_key(str(pk)) and is_key(str(other))):
        raise Http404
    visible = Contact.objects.visible_to(request.user).with_names().in_bulk([pk, other])
    for key in (pk, other):
        if key not in visible:
            return to_the_one_that_carries_on(request, key)
    kept, merged = visible[pk], visible[other]
    _refuse_the_unseen(request, kept, merged)
    try:
        operations.check_mergeable(kept, merged)
    except operations.Refused as refusal:
        return _refused(request, kept, merged, refusal)
    look = operations.look(kept, merged)
    form = MergeForm(request.POST or None, kept=kept, merged=merged, seen=look.mark)
    if request.method == "GET":
        return _compare(request, form, look)
    if request.POST.get("seen") != look.mark:
        return _compare(request, form.redrawn(look.mark), look, status=409)
    if not form.is_valid():
        return _compare(request, form, look, status=422)
    return _merge(request, form, look)


def _merge(request: CrmRequest, form: MergeForm, look: operations.Look) -> HttpResponse:
    """Do it, or say what stands in the way with what was chosen still chosen."""
    kept, merged = form.kept, form.merged
    try:
        operations.merge(kept=kept, merged=merged, chosen=form.chosen, by=request.user, seen=look.mark)
    except operations.ChangedMeanwhile:  # at this very moment: read it again
        return merge_contacts(request, kept.pk, merged.pk)
    except IntegrityError:
        return _refused(request, kept, merged, operations.ChangedMeanwhile(operations.CHANGED), status=409)
    except operations.Refused as refusal:
        return _refused(request, kept, merged, refusal, status=409)
    text = _("Merged %(merged)s into %(kept)s.") % {"merged": merged.label, "kept": kept.label}
    if look.moves:
        text += " " + _("Moved: %(what)s.") % {"what": ", ".join(count.text for count in look.moves)}
    messages.success(request, text)
    return _to_contact(request, kept)


def _compare(
    request: CrmRequest, form: MergeForm, look: operations.Look, *, status: int = 200
) -> HttpResponse:
    kept, merged = form.kept, form.merged
    context = {
        "form": form,
        "kept": kept,
        "merged": merged,
        "moves": look.moves,
        "groups": ", ".join(str(group) for group in look.groups),
        "older": operations.older_customer(kept, merged),
        "both_customers": kept.is_customer and merged.is_customer,
        "is_blocked": kept.is_privacy_blocked or merged.is_privacy_blocked,
        "has_changed": status == 409,
    }
    return render(request, "contacts/contact_merge_compare.html", context, status=status)


def _refused(
    request: CrmRequest, kept: Contact, merged: Contact, refusal: operations.Refused, *, status: int = 422
) -> HttpResponse:
    context = {"kept": kept, "merged": merged, "refusal": refusal.message}
    return render(request, "contacts/contact_merge_compare.html", context, status=status)


@require_http_methods(["GET", "POST"])
@sellers_only
def undo_merge(request: CrmRequest, pk: int, merge: int) -> HttpResponse:
    """What undoing would bring back and what it would leave; a POST does it."""
    if not (is_key(str(pk)) and is_key(str(merge))):
        raise Http404
    done = get_object_or_404(
        ContactMerge.objects.select_related("kept", "merged", "made_by"), pk=merge, kept=pk
    )
    if not _may_see(request, done):
        raise Http404
    _refuse_the_unseen(request, done.kept, done.merged)
    context: dict[str, Any] = {"merge": done, "kept": done.kept, "merged": done.merged}
    status, mark = 200, request.POST.get("seen", "")
    try:
        if request.method == "POST":
            with transaction.atomic():
                stays = operations.unmerge(merge=done, by=request.user, seen=mark)
            return _undone(request, done, stays)
    except (operations.ChangedMeanwhile, IntegrityError):
        status, context["has_changed"] = 409, True
    except operations.Refused as refusal:
        status, context["refusal"] = 422, refusal.message
    try:
        plan = operations.way_back(done)
        context |= {
            "plan": plan,
            "restored": [operations.part_label(part) for part in plan.restored],
            "stays": [operations.part_label(part) for part in plan.stays],
            "seen": operations.look(done.merged, done.kept).mark,
        }
    except operations.Refused as refusal:
        status, context["refusal"] = max(status, 422), refusal.message
    return render(request, "contacts/contact_merge_undo.html", context, status=status)


def _refuse_the_unseen(request: CrmRequest, *contacts: Contact) -> None:
    """A salesperson moves nothing, and learns of nothing, that belongs to others and is out of sight."""
    user = request.user
    if not user.is_manager() and any(operations.is_partly_hidden(contact, user) for contact in contacts):
        raise PermissionDenied(
            _("Some of what hangs on these contacts is not yours to see. Ask a sales manager to do it.")
        )


def _to_contact(request: CrmRequest, contact: Contact) -> HttpResponse:
    """Its page, or the list when it now belongs to somebody whose contacts the user does not see."""
    if Contact.objects.visible_to(request.user).filter(pk=contact.pk).exists():
        return redirect(contact)
    return redirect("contacts:list")


def _may_see(request: CrmRequest, merge: ContactMerge) -> bool:
    """Whether the user sees the contact that carries on; the other is seen with it."""
    carries_on = Contact.objects.carrying_on(merge.kept_id)
    return Contact.objects.visible_to(request.user).filter(pk=carries_on.pk).exists()


def _undone(request: CrmRequest, merge: ContactMerge, stays: list[str]) -> HttpResponse:
    kept, merged = merge.kept.label, merge.merged.label
    text = _("%(merged)s stands for itself again, beside %(kept)s.") % {"merged": merged, "kept": kept}
    messages.success(request, text)
    if stays:
        text = _("Changed since, so it stays with %(kept)s: %(what)s.")
        messages.warning(request, text % {"kept": kept, "what": ", ".join(stays)})
    return _to_contact(request, merge.kept)


def _carried_on(request: CrmRequest, pk: int) -> Contact | None:
    """The contact that carries on for a merged one, if the user sees it; None for one that was not merged."""
    if not Contact.objects.filter(pk=pk, merged_into__isnull=False).exists():
        return None
    carries_on = Contact.objects.carrying_on(pk)
    return Contact.objects.visible_to(request.user).filter(pk=carries_on.pk).first()


def _say_merged(request: CrmRequest, merged: Contact, carries_on: Contact) -> HttpResponse:
    text = _("%(merged)s was merged into this contact.") % {"merged": merged.label}
    messages.info(request, text)
    return redirect(carries_on)


def to_the_one_that_carries_on(request: CrmRequest, pk: int) -> HttpResponse:
    """The way from a merged contact's page to the one that stands for it now; 404 for what is no merged contact."""
    carries_on = _carried_on(request, pk)
    if carries_on is None:
        raise Http404
    return _say_merged(request, Contact.objects.get(pk=pk), carries_on)


def merged_meanwhile(request: CrmRequest, pk: int) -> HttpResponse:
    """Somebody merged the contact while it was edited: what was typed is shown, and where it can be typed again."""
    if request.method == "GET" or (carries_on := _carried_on(request, pk)) is None:
        return to_the_one_that_carries_on(request, pk)
    merge = ContactMerge.objects.filter(merged=pk, undone_at__isnull=True).latest("pk")
    form = form_for(ContactKind(merge.merged.kind))(user=request.user)
    sent = [(form[name], request.POST.get(name, "")) for name in form.fields if name in TYPED_AS_READ]
    context = {
        "thing": merge.merged.label,
        "thing_url": carries_on.get_absolute_url(),
        "again_url": reverse("contacts:edit", args=[carries_on.pk]),
        "who": merge.made_by,
        "what": _("Merged into %(contact)s") % {"contact": carries_on.label},
        "when": merge.made_at,
        "typed": [(field.label, text) for field, text in sent if text],
    }
    return dialog(request, "moved_first.html", context, status=409)
