"""Contacts that may be the same as one that is typed: same e-mail address, phone, VAT number, or nearly the same name.

Three questions to the database, each answered by indexes and bounded:

* the same e-mail address in any case, phone or mobile (either way round), VAT number, or name without legal form,
  accents and punctuation;
* names that may be similar: on PostgreSQL those whose words share 60 % of their groups of three letters with it
  (``pg_trgm``), on other databases its neighbours in the order of names and those that begin with the first letters
  of one of its words. So a mistake in the first letters of both is found on PostgreSQL alone. Of these, at most
  ``MOST_READ``, rapidfuzz keeps those that agree to ``SIMILAR`` percent, in whatever order their words stand;
* the few that are shown.

For a person the company counts: the same name in the same company comes first, and a phone that is only shared with
a colleague says nothing. Contacts that the user does not see, and those that were merged, are never shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.lookups import TrigramWordSimilar
from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection
from django.db.models import F, Q, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from rapidfuzz import fuzz

from contacts.models import Contact, ContactQuerySet, stored_phone
from contacts.names import name_key
from salespeople.models import User

SHOWN = 5
SIMILAR = 88  # percent, by rapidfuzz's token_sort_ratio
SHARED = 0.6  # of the groups of three letters; what pg_trgm asks for, too
MOST_READ = 500  # names compared
MOST_SAME = 50  # contacts with the same e-mail address, phone, VAT number or name
NEIGHBOURS = 120  # names before and after it in their order
BEGINNING = 3  # letters of a word
MOST_WORDS = 4
LAST_CHARACTER = "\uffff"  # sorts after whatever may follow the beginning of a name


@dataclass(frozen=True)
class Typed:
    """What is known of a contact so far; phones as they are stored, the VAT number as the form makes it."""

    kind: str
    name: str = ""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    vat_number: str = ""
    company_id: int | None = None
    pk: int | None = None

    @property
    def phones(self) -> list[str]:
        """Every number it can be called by."""
        return [number for number in {self.phone, self.mobile} if number]


@dataclass(frozen=True)
class Duplicate:
    """A contact that may be the same, and why."""

    contact: Contact
    reasons: list[str] = field(default_factory=list)


def duplicates_of(contact: Contact, *, user: User) -> list[Duplicate]:
    """The contacts that may be the same as one that is stored."""
    return likely_duplicates(typed_from(contact), user=user)


def typed_from(contact: Contact) -> Typed:
    """What a contact, stored or not, says of itself."""
    return Typed(
        kind=contact.kind,
        name=contact.name,
        email=contact.email,
        phone=stored_phone(contact.phone),
        mobile=stored_phone(contact.mobile),
        vat_number=contact.vat_number,
        company_id=contact.company_id,
        pk=contact.pk,
    )


def likely_duplicates(typed: Typed, *, user: User) -> list[Duplicate]:
    """The few contacts that are most likely the same, the likeliest first, each with its reasons."""
    visible = Contact.objects.visible_to(user).exclude(pk=typed.pk or 0)
    found: dict[int, tuple[int, list[str]]] = {}
    for pk, score, reason in [*_same(visible, typed), *_similar(visible, typed)]:
        present, reasons = found.get(pk, (0, []))
        found[pk] = (present + score, reasons if reason in reasons else [*reasons, reason])
    best = sorted(found, key=lambda pk: (-found[pk][0], pk))[:SHOWN]
    rows = Contact.objects.with_names().in_bulk(best) if best else {}
    return [Duplicate(rows[pk], found[pk][1]) for pk in best if pk in rows]


def _same(visible: ContactQuerySet, typed: Typed) -> Iterator[tuple[int, int, str]]:
    """Key, weight and reason for every contact that has something in common to the letter."""
    key = name_key(typed.name)
    has_same = Q()
    if typed.email:
        has_same |= Q(email_in_lower_case=typed.email.lower())
    if typed.phones:
        has_same |= Q(phone__in=typed.phones) | Q(mobile__in=typed.phones)
    if typed.vat_number:
        has_same |= Q(vat_number=typed.vat_number)
    if key:
        has_same |= Q(name_key=key, kind=typed.kind)
    if not has_same:
        return
    rows = visible.alias(email_in_lower_case=Lower("email")).filter(has_same)
    names = ("pk", "kind", "company_id", "email", "phone", "mobile", "vat_number", "name_key")
    for row in rows.order_by("pk").values(*names)[:MOST_SAME]:
        if not _belongs_to(row, typed):
            yield from _reasons(row, typed, key)


def _belongs_to(row: dict[str, Any], typed: Typed) -> bool:
    """Whether the contact is the company of the one that is typed, or one of its people."""
    return row["pk"] == typed.company_id or (typed.pk is not None and row["company_id"] == typed.pk)


def _reasons(row: dict[str, Any], typed: Typed, key: str) -> Iterator[tuple[int, int, str]]:
    pk, is_colleague = row["pk"], bool(typed.company_id) and row["company_id"] == typed.company_id
    if typed.email and row["email"].lower() == typed.email.lower():
        yield pk, 100, _("same e-mail address")
    if typed.vat_number and row["vat_number"] == typed.vat_number:
        yield pk, 100, _("same VAT number")
    if row["kind"] == typed.kind and key and row["name_key"] == key:
        yield pk, 80, _("same name")
        if is_colleague:
            yield pk, 20, _("same company")
    phone, mobile = stored_phone(row["phone"]), stored_phone(row["mobile"])
    if typed.mobile and mobile == typed.mobile:
        yield pk, 90, _("same mobile")
    elif {phone, mobile} & set(typed.phones) and not is_colleague:
        yield pk, 60, _("same phone")


def _similar(visible: ContactQuerySet, typed: Typed) -> Iterator[tuple[int, int, str]]:
    """The same for every contact of that kind whose name is nearly the same."""
    key = name_key(typed.name)
    if not key:
        return
    of_kind = visible.filter(kind=typed.kind).exclude(name_key=key)
    near = (
        _near_by_letters(of_kind, key) if connection.vendor == "postgresql" else _near_by_order(of_kind, key)
    )
    for pk, other, company in near.values_list("pk", "name_key", "company_id")[:MOST_READ]:
        if fuzz.token_sort_ratio(key, other) >= SIMILAR:
            yield pk, 50, _("similar name")
            if typed.company_id and company == typed.company_id:
                yield pk, 20, _("same company")


def _near_by_letters(contacts: ContactQuerySet, key: str) -> ContactQuerySet:
    """PostgreSQL: along the trigram index, the most similar first."""
    text = F("search_text")
    similarity = TrigramWordSimilarity(key, text)
    found = contacts.filter(TrigramWordSimilar(text, Value(key))).alias(similarity=similarity)
    return found.filter(similarity__gte=SHARED).order_by("-similarity", "pk")


def _near_by_order(contacts: ContactQuerySet, key: str) -> ContactQuerySet:
    """Other databases: along the index of names, before and after it, and from where each of its words would begin."""
    after = contacts.filter(name_key__gte=key).order_by("name_key", "pk")[:NEIGHBOURS]
    before = contacts.filter(name_key__lt=key).order_by("-name_key", "-pk")[:NEIGHBOURS]
    near = Q(pk__in=after.values("pk")) | Q(pk__in=before.values("pk"))
    words = key.split()[:MOST_WORDS]
    for word in words:
        begin = word[:BEGINNING]
        found = contacts.filter(name_key__gte=begin, name_key__lt=begin + LAST_CHARACTER)
        most = (MOST_READ - 2 * NEIGHBOURS) // len(words)
        near |= Q(pk__in=found.order_by("name_key", "pk")[:most].values("pk"))
    return Contact.objects.filter(near)
