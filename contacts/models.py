"""Companies and persons one can sell to.

A company is a contact of kind COMPANY; a person may belong to one company, or to none. Whoever buys becomes a
customer: the company, or the person who has none.
"""

from datetime import date
from typing import Any

from django.conf.global_settings import LANGUAGES
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Length, Lower, Substr
from django.db.models.lookups import Lookup
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField
from phonenumber_field.modelfields import PhoneNumberField

from contacts.names import name_key
from crm.fields import CodeField, WebsiteField, column_of
from crm.numbering import next_number
from crm.text import normalised, words_of
from salespeople.models import Salesperson, User

LABEL_MARK = " · "  # between number and name


def all_languages() -> list[tuple[str, str]]:
    """Every language a contact may prefer."""
    return LANGUAGES


def stored_phone(number: Any) -> str:
    """A phone number as the database keeps it: +3292334455."""
    return str(column_of(Contact, "phone").get_prep_value(number) or "")


class ContactKind(models.TextChoices):
    """What a contact is."""

    COMPANY = "COMPANY", _("Company")
    PERSON = "PERSON", _("Person")


class IndustryGroup(models.Model):
    """A line of business that companies are in."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another industry group has this code.")},
    )
    description = models.CharField(_("description"), max_length=100)

    class Meta:
        verbose_name = _("industry group")
        verbose_name_plural = _("industry groups")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="industry_group_code_given",
                violation_error_message=_("An industry group needs a code."),
            ),
        ]

    def __str__(self) -> str:
        return self.description


class ContactQuerySet(models.QuerySet["Contact"]):
    """Contacts by kind, use and reader."""

    def visible_to(self, user: User) -> "ContactQuerySet":
        """The contacts a user may see: all, or those of the salespeople the visibility setting allows.

        One that was merged into another is seen no more: the other stands for both.
        """
        return self.known_to(user).standing()

    def known_to(self, user: User) -> "ContactQuerySet":
        """The same with those that were merged."""
        if user.sees_everything():
            return self.all()
        if not user.may_read():
            return self.none()
        seen = Salesperson.objects.seen_by(user).values("pk")
        return self.filter(
            Q(salesperson__in=seen) | Q(salesperson__isnull=True) | Q(company__salesperson__in=seen)
        )

    def standing(self) -> "ContactQuerySet":
        """Those that stand for themselves: they were not merged into another one."""
        return self.filter(merged_into__isnull=True)

    def locked(self) -> "ContactQuerySet":
        """Locked until the end of the transaction, in the one order that everybody locks them in.

        Rows that only name a contact can still be added meanwhile.
        """
        return self.select_for_update(no_key=True).order_by("pk")

    def carrying_on(self, pk: int) -> "Contact":
        """The contact with this key, or the one it was merged into, however often. Raises ``Contact.DoesNotExist``."""
        contact = self.get(pk=pk)
        while contact.merged_into_id is not None:
            contact = self.get(pk=contact.merged_into_id)
        return contact

    def companies(self) -> "ContactQuerySet":
        """Companies only."""
        return self.filter(kind=ContactKind.COMPANY)

    def persons(self) -> "ContactQuerySet":
        """Persons only."""
        return self.filter(kind=ContactKind.PERSON)

    def in_company(self, company: "Contact") -> "ContactQuerySet":
        """The people of a company."""
        return self.filter(company=company)

    def of_salesperson(self, salesperson: Salesperson) -> "ContactQuerySet":
        """Those a salesperson looks after."""
        return self.filter(salesperson=salesperson)

    def with_names(self) -> "ContactQuerySet":
        """With the company and the salesperson that a row of a list names."""
        return self.select_related("company", "salesperson")

    def matching(self, text: str) -> "ContactQuerySet":
        """Those in which every word of a search occurs: in the name, number, e-mail address or company."""
        found = self
        for word in words_of(text):
            found = found.having(Q(search_text__contains=word))
        return found

    def having(self, condition: Q | Lookup[bool]) -> "ContactQuerySet":
        """Those whose own text to search, or whose company’s, meets a condition.

        Two sets are put together, because each can be found by an index, and either-or cannot.
        """
        own = Contact.objects.filter(condition).values("pk")
        people = Contact.objects.filter(company__in=own.filter(kind=ContactKind.COMPANY)).values("pk")
        return self.filter(pk__in=own.union(people))

    def beginning_with(self, text: str) -> "ContactQuerySet":
        """Those whose name begins with a text, whatever its case and accents."""
        begun = normalised(text)
        name = Substr("search_text", Length("number") + 2)  # after the number and a blank
        # The first condition can be answered by an index; the second says where in the text it must be.
        return (
            self.alias(searched_name=name)
            .filter(search_text__contains=f" {begun}")
            .filter(searched_name__startswith=begun)
        )

    def usable(self) -> "ContactQuerySet":
        """Those one may start something new with: neither they nor their company is blocked for privacy."""
        return self.filter(is_privacy_blocked=False).exclude(company__is_privacy_blocked=True)


class Contact(models.Model):
    """A company or a person one can sell to."""

    number = models.CharField(_("number"), max_length=20, unique=True, editable=False)
    external_id = models.CharField(
        _("external id"),
        max_length=100,
        blank=True,
        help_text=_("The key of this contact in the system it was imported from."),
    )
    kind = models.CharField(_("kind"), max_length=7, choices=ContactKind, default=ContactKind.COMPANY)
    name = models.CharField(_("name"), max_length=100)
    first_name = models.CharField(_("first name"), max_length=50, blank=True)
    last_name = models.CharField(_("last name"), max_length=50, blank=True)
    company = models.ForeignKey(
        "self",
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="people",
        limit_choices_to={"kind": ContactKind.COMPANY},
    )
    salesperson = models.ForeignKey(
        Salesperson,
        verbose_name=_("salesperson"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="contacts",
    )
    job_title = models.CharField(_("job title"), max_length=50, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    mobile = PhoneNumberField(_("mobile"), blank=True)
    website = WebsiteField(_("website"), blank=True)
    address = models.CharField(_("address"), max_length=100, blank=True)
    address_2 = models.CharField(_("address, second line"), max_length=100, blank=True)
    postcode = models.CharField(_("postcode"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=50, blank=True)
    region = models.CharField(_("region"), max_length=50, blank=True)
    country = CountryField(_("country"), blank=True)
    language = models.CharField(_("language"), max_length=10, choices=all_languages, blank=True)
    vat_number = models.CharField(_("VAT number"), max_length=20, blank=True)
    industry_groups = models.ManyToManyField(
        IndustryGroup, verbose_name=_("industry groups"), blank=True, related_name="companies"
    )
    is_privacy_blocked = models.BooleanField(
        _("blocked for privacy"), default=False, help_text=_("May not be used for anything new.")
    )
    customer_number = models.CharField(_("customer number"), max_length=20, blank=True, editable=False)
    customer_since = models.DateField(_("customer since"), null=True, blank=True, editable=False)
    search_text = models.TextField(
        _("text to search"),
        blank=True,
        editable=False,
        help_text=_("Number, name and e-mail address, normalised."),
    )
    name_key = models.CharField(
        _("name to compare"),
        max_length=200,
        blank=True,
        editable=False,
        help_text=_("The name without legal form, accents and punctuation."),
    )
    merged_into = models.ForeignKey(
        "self",
        verbose_name=_("merged into"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text=_("This contact turned out to be another one, which carries on for both."),
    )

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        indexes = [
            models.Index(fields=["name", "id"], name="contact_name_idx"),  # the list, by name
            models.Index(fields=["kind", "name", "id"], name="contact_kind_name_idx"),  # one kind, by name
            # the warning about duplicates while somebody types
            models.Index(fields=["name_key", "id"], name="contact_name_key_idx"),
            models.Index(Lower("email"), name="contact_email_idx"),
            models.Index(fields=["phone"], name="contact_phone_idx"),
            models.Index(fields=["mobile"], name="contact_mobile_idx"),
            models.Index(fields=["vat_number"], name="contact_vat_number_idx"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=ContactKind.values),
                name="contact_kind_known",
                violation_error_message=_("A contact is a company or a person."),
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="contact_name_given",
                violation_error_message=_("A contact needs a name."),
            ),
            models.CheckConstraint(
                condition=~Q(number=""),
                name="contact_number_given",
                violation_error_message=_("A contact needs a number."),
            ),
            models.CheckConstraint(
                condition=Q(kind=ContactKind.PERSON) | Q(company__isnull=True),
                name="contact_company_has_no_company",
                violation_error_message=_(
                    "A company cannot belong to another company. Make it a person, or leave the company out."
                ),
            ),
            models.CheckConstraint(
                condition=Q(company__isnull=True) | ~Q(company=F("id")),
                name="contact_not_its_own_company",
                violation_error_message=_("A contact cannot be its own company."),
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="contact_not_merged_into_itself",
                violation_error_message=_("A contact cannot be merged into itself."),
            ),
            models.CheckConstraint(
                condition=Q(customer_number="", customer_since__isnull=True)
                | (~Q(customer_number="") & Q(customer_since__isnull=False)),
                name="contact_customer_number_and_date",
                violation_error_message=_(
                    "A customer has both a number and a date since when; others have neither."
                ),
            ),
            models.UniqueConstraint(
                fields=["customer_number"],
                condition=~Q(customer_number=""),
                name="contact_customer_number_unique",
                violation_error_message=_("Another contact has this customer number."),
            ),
            models.UniqueConstraint(
                fields=["external_id"],
                condition=~Q(external_id=""),
                name="contact_external_id_unique",
                violation_error_message=_("Another contact has this external id."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, giving a new contact its number in the same transaction, and its name and number to searches."""
        with transaction.atomic():
            if not self.number:
                self.number = next_number("C")
            self.search_text = normalised(f"{self.number} {self.name} {self.email}")
            self.name_key = name_key(self.name)
            super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("contacts:detail", args=[self.pk])

    @property
    def label(self) -> str:
        """How forms name this contact so that no other can be meant: “C-00012 · Acme”."""
        return f"{self.number}{LABEL_MARK}{self.name}"

    def clean(self) -> None:
        super().clean()
        if self.company is not None and self.company.kind != ContactKind.COMPANY:
            raise ValidationError(
                {"company": _("%(name)s is a person. Choose a company.") % {"name": self.company}}
            )
        if self.pk and self.kind == ContactKind.PERSON and self.people.exists():
            raise ValidationError({"kind": _("People belong to this company, so it cannot become a person.")})

    @property
    def is_company(self) -> bool:
        """Whether this is a company."""
        return self.kind == ContactKind.COMPANY

    @property
    def is_customer(self) -> bool:
        """Whether this contact itself is a customer."""
        return self.customer_number != ""

    @property
    def address_lines(self) -> list[str]:
        """The address as it is written on an envelope, without the lines that are not known."""
        town = " ".join(filter(None, (self.postcode, self.city)))
        return [
            line for line in (self.address, self.address_2, town, self.region, str(self.country.name)) if line
        ]

    @property
    def company_key(self) -> int | None:
        """The primary key of the company this contact stands for: itself, its company, or none."""
        return self.pk if self.is_company else self.company_id

    @property
    def buyer_key(self) -> int:
        """The primary key of the contact that buys: the company, or the person who has none."""
        return self.company_id or self.pk

    def make_customer(self, *, on: date) -> "Contact":
        """Make this contact a customer since ``on`` unless it is one; the number comes from its own series.

        The row is locked, so two sales closed at one moment give one number; of a contact that was merged meanwhile
        the one that carries on becomes the customer. Returns that contact as it is stored.
        """
        with transaction.atomic():
            locked = Contact.objects.locked().carrying_on(self.pk)
            if not locked.is_customer:
                locked.customer_number = next_number("CU")
                locked.customer_since = on
                locked.save(update_fields=["customer_number", "customer_since"])
            return locked


class ContactMerge(models.Model):
    """Two contacts made one: all that is needed to look at it again, and to undo it."""

    kept = models.ForeignKey(Contact, verbose_name=_("kept"), on_delete=models.PROTECT, related_name="merges")
    merged = models.ForeignKey(Contact, verbose_name=_("merged"), on_delete=models.PROTECT, related_name="+")
    made_by = models.ForeignKey(User, verbose_name=_("made by"), on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(_("made at"), auto_now_add=True)
    record = models.JSONField(
        _("record"), help_text=_("The fields of both before, those chosen, and what moved."), default=dict
    )
    undone_by = models.ForeignKey(
        User, verbose_name=_("undone by"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)

    class Meta:
        verbose_name = _("merge of contacts")
        verbose_name_plural = _("merges of contacts")
        constraints = [
            models.CheckConstraint(
                condition=~Q(kept=F("merged")),
                name="contact_merge_of_two",
                violation_error_message=_("A contact cannot be merged with itself."),
            ),
            models.CheckConstraint(
                condition=Q(undone_by__isnull=True, undone_at__isnull=True)
                | Q(undone_by__isnull=False, undone_at__isnull=False),
                name="contact_merge_undone_by_and_when",
                violation_error_message=_("A merge that was undone says by whom and when."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged} → {self.kept}"
