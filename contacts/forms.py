"""Forms about contacts: the list's filters, companies, persons, what a search for one contact sends, and merging."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries
from phonenumbers import SUPPORTED_REGIONS

from contacts.models import Contact, ContactKind, ContactQuerySet, IndustryGroup
from contacts.operations import KEPT, MERGED, default_choices, part_label
from contacts.pickers import ContactChoiceField as ContactChoiceField
from contacts.pickers import ContactPicker as ContactPicker
from crm.deletion import what_uses
from crm.forms import KeyedMultipleChoiceField
from crm.seen import SeenForm
from salespeople.models import Salesperson, User

VAT_NUMBER = re.compile(r"(?:[A-Z]{2}(?=[A-Z]*[0-9])[0-9A-Z]{2,13}|[0-9]{4,15})")
EU_PREFIXES = {"EL": "GR", "XI": "GB"}  # where a VAT number does not begin with the code of its country
INHERITED = ("address", "address_2", "postcode", "city", "region", "country", "language")
LONGEST_NAME = 100


class ContactFilterForm(forms.Form):
    """What the list of contacts is narrowed to; the query string is the view."""

    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=100)
    kind = forms.ChoiceField(choices=[("", ""), *ContactKind.choices], required=False)
    salesperson = forms.ModelChoiceField(
        Salesperson.objects.none(),
        label=gettext_lazy("Salesperson"),
        required=False,
        empty_label=gettext_lazy("Everybody"),
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    company = forms.ModelChoiceField(Contact.objects.none(), required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self._field("salesperson").queryset = Salesperson.objects.visible_to(user).order_by("name", "pk")
        self._field("company").queryset = Contact.objects.visible_to(user).companies().with_names()
        self.fields["q"].widget = forms.TextInput(attrs={"placeholder": _("Name, company, number, e-mail")})
        self.fields["q"].widget.input_type = "search"

    def _field(self, name: str) -> "forms.ModelChoiceField[Any]":
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        return field

    def filter(self, queryset: ContactQuerySet) -> ContactQuerySet:
        """The contacts that are asked for; what cannot be understood narrows nothing."""
        self.is_valid()
        asked = self.cleaned_data
        if asked.get("q"):
            queryset = queryset.matching(asked["q"])
        if asked.get("kind"):
            queryset = queryset.filter(kind=asked["kind"])
        if asked.get("salesperson"):
            queryset = queryset.of_salesperson(asked["salesperson"])
        if asked.get("company"):
            queryset = queryset.in_company(asked["company"])
        return queryset

    def company_asked_for(self) -> Contact | None:
        """The company in the query string, if the user sees it."""
        self.is_valid()
        company: Contact | None = self.cleaned_data.get("company")
        return company

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for."""
        return any(self.cleaned_data.values())


class SuggestForm(forms.Form):
    """What somebody has typed so far to find a contact."""

    q = forms.CharField(required=False, max_length=200)
    kind = forms.ChoiceField(choices=[("", ""), *ContactKind.choices], required=False)


class ContactForm(SeenForm[Contact]):
    """What companies and persons share. The kind follows from the form, not from what is posted."""

    kind: ClassVar[ContactKind]
    also_seen = ("kind",)
    full_width = ("name", "address", "address_2", "industry_groups", "is_privacy_blocked")

    class Meta:
        model = Contact
        fields = [
            "email",
            "phone",
            "mobile",
            "website",
            "address",
            "address_2",
            "postcode",
            "city",
            "region",
            "country",
            "salesperson",
            "language",
            "is_privacy_blocked",
        ]
        labels = {"address": gettext_lazy("Street and number"), "address_2": gettext_lazy("Second line")}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.old_name = self.instance.name  # a refused form leaves what was typed in the instance
        self.was = ContactKind(self.instance.kind) if self.instance.pk else None
        salesperson = self.fields["salesperson"]
        assert isinstance(salesperson, forms.ModelChoiceField)
        salesperson.queryset = Salesperson.objects.offered(self.instance.salesperson_id)
        salesperson.empty_label = _("Nobody")
        self._read_phones_in(self["country"].value())

    def _read_phones_in(self, country: object) -> None:
        """Read numbers without a country code as numbers of the contact's own country."""
        region = str(country or "")
        if region in SUPPORTED_REGIONS:
            for name in ("phone", "mobile"):
                self.fields[name].region = region  # type: ignore[attr-defined]

    @property
    def changes_kind(self) -> bool:
        """Whether saving makes a company of a person, or a person of a company."""
        return self.was is not None and self.was != self.kind

    def clean(self) -> dict[str, Any] | None:
        """Refuse another kind where the old one is needed; else the contact is of this form's kind."""
        super().clean()
        reasons = self._reasons_to_stay() if self.changes_kind else []
        if reasons:
            self.add_error(None, self._refusal(reasons))
        else:
            self.instance.kind = self.kind
        return self.cleaned_data

    def _reasons_to_stay(self) -> list[str]:
        """What keeps the contact what it is, in words."""
        return what_uses(self.instance)

    def _refusal(self, reasons: list[str]) -> str:
        sentence = {
            ContactKind.COMPANY: _("%(name)s stays a person, because of: %(reasons)s."),
            ContactKind.PERSON: _("%(name)s stays a company, because of: %(reasons)s."),
        }[self.kind]
        return sentence % {"name": self.old_name, "reasons": ", ".join(reasons)}

    def sections(self) -> list[tuple[str, list[BoundField]]]:
        """The fields as the page groups them, each group with its title."""
        reach = ("email", "phone", "mobile", "website")
        address = ("address", "address_2", "postcode", "city", "region", "country")
        ours = ("salesperson", "language", "vat_number", "industry_groups", "is_privacy_blocked")
        known = {*reach, *address, *ours, "seen"}
        groups = [
            (self.title, [name for name in self.fields if name not in known]),
            (_("Reach"), reach),
            (_("Address"), address),
            (_("With us"), ours),
        ]
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in groups]

    @property
    def title(self) -> str:
        """The title of the group that names the contact."""
        return str(self.kind.label)


class CompanyForm(ContactForm):
    """A company."""

    kind = ContactKind.COMPANY

    class Meta(ContactForm.Meta):
        fields = ["name", *ContactForm.Meta.fields, "vat_number", "industry_groups"]
        widgets = {"industry_groups": forms.CheckboxSelectMultiple}
        field_classes = {"industry_groups": KeyedMultipleChoiceField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autofocus"] = True
        groups = self.fields["industry_groups"]
        assert isinstance(groups, forms.ModelMultipleChoiceField)
        groups.queryset = IndustryGroup.objects.order_by("description", "pk")
        if not groups.queryset.exists():
            del self.fields["industry_groups"]

    def clean_vat_number(self) -> str:
        """The VAT number without blanks, dots and dashes, refused when it cannot be one."""
        typed = self.cleaned_data["vat_number"]
        number = re.sub(r"[\s.\-/]", "", typed).upper()
        if number and not _may_be_vat_number(number):
            raise forms.ValidationError(
                _("“%(typed)s” cannot be a VAT number. Write it with its country, such as BE0123456749."),
                params={"typed": typed},
            )
        return number

    def clean(self) -> dict[str, Any] | None:
        """A person who becomes a company leaves their first name, last name, job and company behind."""
        cleaned = super().clean()
        if self.instance.kind == ContactKind.COMPANY:
            self.instance.company = None
            self.instance.first_name = self.instance.last_name = self.instance.job_title = ""
        return cleaned


class PersonForm(ContactForm):
    """A person, in a company or in none."""

    kind = ContactKind.PERSON

    class Meta(ContactForm.Meta):
        fields = [
            "first_name",
            "last_name",
            "job_title",
            *[name for name in ContactForm.Meta.fields if name != "website"],
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["company"] = ContactChoiceField(
            label=_("Company"),
            user=self.user,
            kind=ContactKind.COMPANY,
            current=self.instance.company,
            required=False,
            help_text=_("Type the beginning of its name, or its number."),
        )
        self.initial.setdefault("company", self.instance.company)
        self.order_fields(["first_name", "last_name", "company", "job_title"])
        self.fields["first_name"].widget.attrs["autofocus"] = True
        if not self.instance.first_name and not self.instance.last_name:
            first, _blank, last = self.instance.name.rpartition(" ")
            if last:
                self.initial.update(first_name=first, last_name=last)

    def clean(self) -> dict[str, Any] | None:
        """The first and last name make the name."""
        cleaned = super().clean() or {}
        if self.instance.pk and cleaned.get("company") == self.instance:
            self.add_error("company", _("A contact cannot be its own company."))
        self.instance.company = cleaned.get("company")
        name = " ".join(filter(None, (cleaned.get("first_name"), cleaned.get("last_name"))))
        if not name and not {"first_name", "last_name"} & set(self.errors):
            self.add_error("last_name", _("Give a first name, a last name, or both."))
        elif len(name) > LONGEST_NAME:
            self.add_error(
                "last_name",
                _("First and last name together have at most %(most)d characters.")
                % {"most": LONGEST_NAME - 1},
            )
        elif self.instance.kind == ContactKind.PERSON:
            self.instance.name = name
        return cleaned

    def save(self, commit: bool = True) -> Contact:
        """A company that was merged meanwhile is the one that carries on; its row is locked until this is stored."""
        if self.instance.company_id is not None and "company" in self.changed_data:
            self.instance.company = Contact.objects.locked().carrying_on(self.instance.company_id)
        return super().save(commit)

    def _reasons_to_stay(self) -> list[str]:
        company = self.instance
        groups = company.industry_groups.count()
        return [
            *super()._reasons_to_stay(),
            *(
                [_("customer number %(number)s") % {"number": company.customer_number}]
                if company.is_customer
                else []
            ),
            *([_("VAT number %(number)s") % {"number": company.vat_number}] if company.vat_number else []),
            *([_("its industry groups")] if groups else []),
        ]


def form_for(kind: ContactKind) -> type[ContactForm]:
    """The form that makes or changes a contact of a kind."""
    return CompanyForm if kind == ContactKind.COMPANY else PersonForm


def initial_for(user: User, company: Contact | None) -> dict[str, Any]:
    """What a new contact begins with: the company's salesperson, address, country and language, else one's own name."""
    own = user.own_salesperson
    salesperson = own if own is not None and not own.is_blocked else None
    if company is None:
        return {"salesperson": salesperson}
    inherited = {name: getattr(company, name) for name in INHERITED}
    theirs = company.salesperson
    if theirs is not None and not theirs.is_blocked:
        salesperson = theirs
    return {**inherited, "salesperson": salesperson, "company": company}


def _may_be_vat_number(number: str) -> bool:
    """Whether a number has the shape of one: a country and 2 to 13 characters, or digits alone; Belgian ones add up."""
    if not VAT_NUMBER.fullmatch(number):
        return False
    prefix, rest = number[:2], number[2:]
    if prefix.isdigit():
        return True
    if EU_PREFIXES.get(prefix, prefix) not in countries:
        return False
    if prefix != "BE":
        return True
    return len(rest) == 10 and rest.isdigit() and 97 - int(rest[:8]) % 97 == int(rest[8:])


class OtherContactForm(forms.Form):
    """Which contact another one is the same as."""

    def __init__(self, *args: Any, user: User, contact: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contact = contact
        asked = _("The same company") if contact.is_company else _("The same person")
        self.fields["other"] = ContactChoiceField(
            user=user,
            kind=ContactKind(contact.kind),
            label=asked,
            help_text=_("Type the beginning of the name, or the number."),
        )
        self.fields["other"].widget.attrs["autofocus"] = True

    def clean_other(self) -> Contact:
        """A contact cannot be merged with itself."""
        other: Contact = self.cleaned_data["other"]
        if other == self.contact:
            raise forms.ValidationError(_("This is the same contact. Choose another one."))
        return other


@dataclass(frozen=True)
class MergeRow:
    """One part of two contacts, side by side; without a field when both say the same."""

    label: str
    kept: list[str]
    merged: list[str]
    field: BoundField | None

    @property
    def options(self) -> list[tuple[Any, list[str]]]:
        """Both radio buttons, each with what it stands for."""
        return list(zip(self.field or (), (self.kept, self.merged), strict=False))


class MergeForm(forms.Form):
    """For each part in which two contacts differ, whose it is."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, kept: Contact, merged: Contact, seen: str) -> None:
        super().__init__(data, initial={"seen": seen})
        self.kept, self.merged = kept, merged
        self.defaults = default_choices(kept, merged)
        for part, whose in self.defaults.items():
            if texts_of(kept, part) != texts_of(merged, part):
                self.fields[part] = forms.ChoiceField(
                    label=part_label(part),
                    choices=[(KEPT, kept.label), (MERGED, merged.label)],
                    initial=whose,
                    widget=forms.RadioSelect,
                    error_messages={"required": _("Choose one of the two.")},
                )

    @property
    def chosen(self) -> dict[str, str]:
        """Whose each part is."""
        return {part: whose for part, whose in self.cleaned_data.items() if part != "seen"}

    def rows(self) -> list[MergeRow]:
        """Everything that either of the two has, in the order of the form of contacts."""
        return [
            MergeRow(
                part_label(part),
                texts_of(self.kept, part),
                texts_of(self.merged, part),
                self[part] if part in self.fields else None,
            )
            for part in self.defaults
        ]

    def redrawn(self, seen: str) -> "MergeForm":
        """The form on what is stored now, with what was chosen still chosen."""
        data = {**self.defaults, **{name: self.data[name] for name in self.fields if name in self.data}}
        return MergeForm({**data, "seen": seen}, kept=self.kept, merged=self.merged, seen=seen)


def texts_of(contact: Contact, part: str) -> list[str]:
    """What a contact has in a part, in lines as a person reads them."""
    match part:
        case "address":
            lines = contact.address_lines
        case "company":
            lines = [contact.company.label if contact.company else ""]
        case "language":
            lines = [contact.get_language_display()]
        case _:
            lines = [str(getattr(contact, part) or "")]
    return [line for line in lines if line]
