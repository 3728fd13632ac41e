"""The warning, while a contact is typed, that it may be there already."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from contacts.duplicates import Duplicate, duplicates_of
from contacts.forms import ContactForm, form_for
from contacts.models import Contact, ContactKind
from crm.access import sellers_only
from crm.http import CrmRequest

TELLING = {"name", "first_name", "last_name", "company", "email", "phone", "mobile", "vat_number"}


@require_POST
@sellers_only
def warn_of_duplicates(request: CrmRequest, pk: int | None = None) -> HttpResponse:
    """The contacts that may be the same as what stands in the form so far. Nothing is stored."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk) if pk else None
    kind = request.GET.get("kind")
    if kind not in ContactKind.values:
        kind = contact.kind if contact else ContactKind.COMPANY
    form = form_for(ContactKind(kind))(request.POST, user=request.user, instance=contact)
    form.is_valid()  # what is wrong is said when it is saved; what is right is compared
    found = duplicates_of(form.instance, user=request.user) if contact is None or is_telling(form) else []
    context = {"duplicates": found, "is_another": is_confirmed(request, found), "contact": form.instance}
    return render(request, "contacts/_duplicates.html", context)


def is_telling(form: ContactForm) -> bool:
    """Whether something was typed that may make the contact the same as another one."""
    return bool(TELLING & set(form.changed_data)) or form.changes_kind


def is_confirmed(request: CrmRequest, found: list[Duplicate]) -> bool:
    """Whether the person has said of all of these that the contact is another one."""
    confirmed = set(request.POST.get("is_another", "").split(","))
    return {str(duplicate.contact.pk) for duplicate in found} <= confirmed


def unconfirmed_duplicates(request: CrmRequest, form: ContactForm) -> list[Duplicate]:
    """Those to ask about before the contact is stored; none when the person has said that it is another one."""
    if form.instance.pk and not is_telling(form):
        return []
    found = duplicates_of(form.instance, user=request.user)
    return [] if is_confirmed(request, found) else found
