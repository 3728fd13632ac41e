"""Companies, persons and the lines of business they are in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, ContactKind, IndustryGroup
from crm.admin import WORK, RoleAdmin, person
from crm.deletion import what_uses


@admin.register(IndustryGroup)
class IndustryGroupAdmin(RoleAdmin):
    """Lines of business."""

    managers_may = WORK
    list_display = ["code", "description"]
    search_fields = ["code", "description"]
    ordering = ["code"]


class ContactAdminForm(forms.ModelForm[Contact]):
    """A contact; the name of a person is made of the first and the last name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].required = False
            self.fields["name"].help_text = _("Of a person: made of the first and the last name, if given.")

    def clean(self) -> dict[str, Any] | None:
        typed = super().clean() or {}
        kind = typed.get("kind", self.instance.kind)
        parts = [typed.get("first_name"), typed.get("last_name")]
        if kind == ContactKind.PERSON and any(parts):
            typed["name"] = " ".join(filter(None, parts))
        if not typed.get("name") and "name" not in self.errors:
            self.add_error("name", _("A contact needs a name."))
        return typed


@admin.register(Contact)
class ContactAdmin(RoleAdmin):
    """Companies and persons."""

    managers_may = WORK
    form = ContactAdminForm
    list_display = ["name", "number", "kind", "company", "salesperson", "customer_number", "merged"]
    list_select_related = ["company", "salesperson", "merged_into"]
    list_filter = [
        "kind",
        "is_privacy_blocked",
        ("merged_into", admin.EmptyFieldListFilter),
        ("customer_number", admin.EmptyFieldListFilter),
        "industry_groups",
        "salesperson",
    ]
    search_fields = ["number", "name", "company__name", "email", "customer_number", "vat_number"]
    search_help_text = _("Number, name, company, e-mail address, customer or VAT number.")
    ordering = ["name", "pk"]
    autocomplete_fields = ["company", "salesperson", "industry_groups"]
    readonly_fields = ["number", "external_id", "customer_number", "customer_since", "merged"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "merged",
                    "number",
                    "kind",
                    "name",
                    ("first_name", "last_name"),
                    "company",
                    "job_title",
                ]
            },
        ),
        (_("Whose"), {"fields": ["salesperson", "industry_groups", "is_privacy_blocked"]}),
        (_("How to reach"), {"fields": ["email", "phone", "mobile", "website", "language"]}),
        (_("Address"), {"fields": ["address", "address_2", ("postcode", "city"), "region", "country"]}),
        (_("Customer"), {"fields": ["vat_number", "customer_number", "customer_since", "external_id"]}),
    ]
    instead_of_deleting = _("Block it for privacy instead: what is there stays, nothing new is made with it.")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Contact]:
        """Those that the person may see, and those that were merged."""
        return Contact.objects.known_to(person(request)).order_by(*self.get_ordering(request))

    @admin.display(description=_("merged into"), ordering="merged_into__name", empty_value="–")
    def merged(self, contact: Contact) -> str | None:
        """Which contact carries on for this one."""
        into = contact.merged_into
        if into is None:
            return None
        url = reverse("admin:contacts_contact_change", args=[into.pk])
        return format_html('<a href="{}">{}</a>', url, into.label)

    def has_change_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """One that was merged is there to be read."""
        return super().has_change_permission(request, obj) and (obj is None or obj.merged_into_id is None)

    def has_delete_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """One that was merged stays, so that the merge can be undone."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.merged_into_id is None)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Contact], search_term: str
    ) -> tuple[models.QuerySet[Contact], bool]:
        """Merged contacts are found in the list, and offered nowhere."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if request.path.endswith("/autocomplete/"):
            found = found.filter(merged_into__isnull=True)
        return found, may_repeat

    def get_readonly_fields(self, request: HttpRequest, obj: Contact | None = None) -> list[str]:
        """What people or opportunities count on to be a company, or a person, stays one."""
        stands = ["kind"] if obj is not None and what_uses(obj) else []
        return [*self.readonly_fields, *stands]

    def get_form(
        self, request: HttpRequest, obj: Contact | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Contact]]:
        """A form whose company is one that the person may see, or the one that is there."""
        form = super().get_form(request, obj, change, **kwargs)
        if "company" in form.base_fields:
            seen = Contact.objects.visible_to(person(request)).values("pk")
            present = obj.company_id if obj else None
            companies = Contact.objects.companies().filter(Q(pk__in=seen) | Q(pk=present))
            field = form.base_fields["company"]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = companies
        return form
