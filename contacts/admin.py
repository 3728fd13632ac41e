"""Companies, persons and the lines of business they are in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
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
    list_display = ["name", "number", "kind", "company", "salesperson", "customer_number"]
    list_select_related = ["company", "salesperson"]
    list_filter = [
        "kind",
        "is_privacy_blocked",
        ("customer_number", admin.EmptyFieldListFilter),
        "industry_groups",
        "salesperson",
    ]
    search_fields = ["number", "name", "company__name", "email", "customer_number", "vat_number"]
    search_help_text = _("Number, name, company, e-mail address, customer or VAT number.")
    ordering = ["name", "pk"]
    autocomplete_fields = ["company", "salesperson", "industry_groups"]
    readonly_fields = ["number", "external_id", "customer_number", "customer_since"]
    fieldsets = [
        (None, {"fields": ["number", "kind", "name", ("first_name", "last_name"), "company", "job_title"]}),
        (_("Whose"), {"fields": ["salesperson", "industry_groups", "is_privacy_blocked"]}),
        (_("How to reach"), {"fields": ["email", "phone", "mobile", "website", "language"]}),
        (_("Address"), {"fields": ["address", "address_2", ("postcode", "city"), "region", "country"]}),
        (_("Customer"), {"fields": ["vat_number", "customer_number", "customer_since", "external_id"]}),
    ]
    instead_of_deleting = _("Block it for privacy instead: what is there stays, nothing new is made with it.")

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
            form.base_fields["company"].queryset = companies  # type: ignore[attr-defined]
        return form
