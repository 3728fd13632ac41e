"""Making one contact of two, and taking that back.

``merge`` leaves one contact, the kept one, with the fields that were chosen and with all that hung on both. The other
one stays as a row that points to it, since the ledger still names it, and is shown and offered no more. ``unmerge``
brings both back as they were, except for what somebody changed since, which it leaves and names.

What hangs on contacts in apps above this one moves too: such an app registers a ``Follower``. Everything that was
moved is in the record of the merge, by key.

Both are atomic, and lock first what will move, then the two contacts: everybody else who locks an opportunity and
its contact does it in that order.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.models import Contact, ContactMerge, IndustryGroup, stored_phone
from salespeople.models import Salesperson, User

KEPT, MERGED = "kept", "merged"
# What is chosen together: half of one name or address with half of another would be nobody's.
PARTS: dict[str, tuple[str, ...]] = {
    "name": ("name", "first_name", "last_name"),
    "job_title": ("job_title",),
    "company": ("company_id",),
    "email": ("email",),
    "phone": ("phone",),
    "mobile": ("mobile",),
    "website": ("website",),
    "address": ("address", "address_2", "postcode", "city", "region", "country"),
    "salesperson": ("salesperson_id",),
    "language": ("language",),
    "vat_number": ("vat_number",),
    "external_id": ("external_id",),
}
CUSTOMER = ("customer_number", "customer_since")
UNIQUE = ("external_id", "customer_number")
FACTS = (*[name for part in PARTS.values() for name in part], "is_privacy_blocked", *CUSTOMER)
AT_A_TIME = 500  # keys in one query

Facts = dict[str, Any]


# What can be refused ---------------------------------------------------------------------------------------------


class Refused(Exception):
    """A rule says no; ``message`` names the rule and the way out."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = str(message)


class CannotMerge(Refused):
    """The two cannot become one."""


class CannotUnmerge(Refused):
    """The merge cannot be undone."""


class ChangedMeanwhile(Refused):
    """Somebody changed one of the two, or what hangs on it, after the person looked."""


CHANGED = gettext_lazy("Somebody changed one of the two meanwhile. Look again, then decide.")


# What hangs on a contact -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """How much of one kind moves, in words, and where to look at it."""

    number: int
    text: str
    url: str = ""


class Follower(Protocol):
    """What an app above this one hangs on contacts; it moves when two of them become one.

    ``move`` returns what it moved, ready for JSON. ``move_back`` gets that again, moves back what still hangs where
    it was moved to, and returns in words what it left; ``counts_back`` says how much that would be.
    """

    key: str

    def counts(self, contact: Contact) -> list[Count]:
        """How much hangs on a contact."""

    def is_hidden(self, contact: Contact, user: User) -> bool:
        """Whether something hangs on a contact that the user does not see."""

    def hold(self, contact: Contact) -> None:
        """Lock what hangs on a contact."""

    def move(self, merged: Contact, kept: Contact, by: User) -> Any:
        """Move everything from one to the other."""

    def counts_back(self, record: Any, merged: Contact, kept: Contact) -> list[Count]:
        """How much would move back."""

    def move_back(self, record: Any, merged: Contact, kept: Contact, by: User) -> list[str]:
        """Move back what was moved."""


_followers: dict[str, Follower] = {}


def _hold(contact: Contact) -> None:
    """Lock what hangs on a contact, from the highest app down: who deletes an opportunity locks in that order too."""
    for follower in reversed(_followers.values()):
        follower.hold(contact)


def is_partly_hidden(contact: Contact, user: User) -> bool:
    """Whether something would move that the user does not see."""
    return any(follower.is_hidden(contact, user) for follower in _followers.values())


def on_merge(follower: Follower) -> None:
    """Let what an app hangs on contacts move with them; each key once."""
    _followers[follower.key] = follower


def what_hangs_on(contact: Contact) -> list[Count]:
    """Everything that would move to another contact, with nothing that is not there."""
    people = Contact.objects.standing().in_company(contact).count()
    own = Count(
        people,
        ngettext("%(n)d person of the company", "%(n)d people of the company", people) % {"n": people},
        f"{reverse('contacts:list')}?company={contact.pk}",
    )
    counts = [own, *(count for follower in _followers.values() for count in follower.counts(contact))]
    return [count for count in counts if count.number]


def facts_of(contact: Contact) -> Facts:
    """The fields that a merge chooses from, ready for JSON."""
    return {name: _plain(name, getattr(contact, name)) for name in FACTS}


def _plain(name: str, value: Any) -> Any:
    if name in ("phone", "mobile"):
        return stored_phone(value)
    if name == "country":
        return str(value.code or "")
    return value.isoformat() if isinstance(value, date) else value


@dataclass(frozen=True)
class Look:
    """What a person sees of two contacts before one is merged into the other, and a mark that changes with it."""

    moves: list[Count]
    groups: list[IndustryGroup]
    mark: str


def look(kept: Contact, merged: Contact) -> Look:
    """All of both that matters to a merge, or to undoing it; both as they were just read."""
    places = Contact.industry_groups.through.objects.filter(contact__in=[kept, merged])
    groups = list(places.select_related("industrygroup").order_by("contact_id", "industrygroup_id"))
    moves = what_hangs_on(merged)
    said = [
        [[contact.pk, contact.merged_into_id, facts_of(contact)] for contact in (kept, merged)],
        [[place.contact_id, place.industrygroup_id] for place in groups],
        [[count.text, count.number] for count in moves],
    ]
    mark = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return Look(moves, list(dict.fromkeys(place.industrygroup for place in groups)), mark)


# Merging ---------------------------------------------------------------------------------------------------------


def default_choices(kept: Contact, merged: Contact) -> dict[str, str]:
    """For each part whose it is: the kept one's, or the other's where the kept one has nothing."""
    return {
        part: MERGED if not _has(kept, part) and _has(merged, part) else KEPT
        for part in PARTS
        if _has(kept, part) or _has(merged, part)
    }


def _has(contact: Contact, part: str) -> bool:
    return any(getattr(contact, name) for name in PARTS[part])


def older_customer(first: Contact, second: Contact) -> Contact | None:
    """Whose customer number stays: of the one who has been a customer for longer."""
    customers = [contact for contact in (first, second) if contact.is_customer]
    return min(customers, key=lambda each: (each.customer_since or date.max, each.pk), default=None)


def check_mergeable(kept: Contact, merged: Contact) -> None:
    """Raise ``CannotMerge`` when the two cannot become one."""
    if kept.pk == merged.pk:
        raise CannotMerge(_("This is the same contact. Choose another one."))
    for contact in (kept, merged):
        if contact.merged_into is not None:
            raise CannotMerge(
                _("%(contact)s was merged into %(into)s already. Choose that one.")
                % {"contact": contact.label, "into": contact.merged_into.label}
            )
    if kept.kind != merged.kind:
        raise CannotMerge(
            _(
                "%(kept)s is a %(kind)s and %(merged)s is a %(other)s. Only two of a kind can be merged: "
                "edit one of them and change its kind first."
            )
            % {
                "kept": kept.label,
                "kind": kept.get_kind_display().lower(),
                "merged": merged.label,
                "other": merged.get_kind_display().lower(),
            }
        )


@transaction.atomic
def merge(
    *, kept: Contact, merged: Contact, chosen: Mapping[str, str], by: User, seen: str | None = None
) -> ContactMerge:
    """Make one contact of two: ``kept`` carries on for ``merged``.

    ``seen`` is the mark of what the person looked at. ``chosen`` says for parts (``PARTS``) whose they are, ``KEPT``
    or ``MERGED``; for the others ``default_choices`` holds. Industry groups are united, the customer number is that
    of the older customer, and one who is blocked for privacy stays blocked. An external id or customer number that is
    not chosen stays with the merged row, so that an import finds it there. Raises ``CannotMerge`` or
    ``ChangedMeanwhile``.
    """
    _hold(merged)
    kept, merged = _locked(kept, merged)
    check_mergeable(kept, merged)
    if seen is not None and seen != look(kept, merged).mark:
        raise ChangedMeanwhile(CHANGED)
    choices = {**default_choices(kept, merged), **chosen}
    before = {KEPT: facts_of(kept), MERGED: facts_of(merged)}
    after = _facts_after(kept, merged, before, choices)
    _write({kept: after[KEPT], merged: after[MERGED]})
    Contact.objects.filter(pk=merged.pk).update(merged_into=kept)
    return ContactMerge.objects.create(
        kept=kept,
        merged=merged,
        made_by=by,
        record={
            "before": before,
            "after": after,
            "chosen": choices,
            "groups": _unite_groups(kept, merged),
            "people": _move_people(merged, kept),
            **{key: follower.move(merged, kept, by) for key, follower in _followers.items()},
        },
    )


def _locked(*contacts: Contact) -> list[Contact]:
    """The contacts as they are stored now, locked. Raises ``CannotMerge`` when one is gone."""
    found = {row.pk: row for row in Contact.objects.locked().filter(pk__in=[c.pk for c in contacts])}
    if len(found) < len({contact.pk for contact in contacts}):
        raise CannotMerge(_("One of the two was deleted meanwhile."))
    return [found[contact.pk] for contact in contacts]


def _facts_after(
    kept: Contact, merged: Contact, before: dict[str, Facts], choices: Mapping[str, str]
) -> dict[str, Facts]:
    """The fields of both once they are merged."""
    after = {KEPT: {**before[KEPT]}, MERGED: {**before[MERGED]}}
    for part, whose in choices.items():
        if whose == MERGED:
            for name in PARTS[part]:
                after[KEPT][name] = before[MERGED][name]
    if older_customer(kept, merged) == merged:
        for name in CUSTOMER:
            after[KEPT][name], after[MERGED][name] = before[MERGED][name], before[KEPT][name]
    if choices.get("external_id") == MERGED:
        after[MERGED]["external_id"] = before[KEPT]["external_id"]
    after[KEPT]["is_privacy_blocked"] = kept.is_privacy_blocked or merged.is_privacy_blocked
    return after


def _write(facts: Mapping[Contact, Facts]) -> None:
    """Store the fields of contacts; what has to be unique is taken from all of them before any gets it."""
    keys = [contact.pk for contact in facts]
    Contact.objects.filter(pk__in=keys).update(external_id="", customer_number="", customer_since=None)
    for contact, values in facts.items():
        for name, value in values.items():
            setattr(contact, name, value)
        if contact.customer_since is not None:
            contact.customer_since = date.fromisoformat(str(contact.customer_since))
        contact.save()


def _unite_groups(kept: Contact, merged: Contact) -> list[int]:
    """Put the kept one into all industry groups of the other, and say which are new to it."""
    present = set(kept.industry_groups.values_list("pk", flat=True))
    new = sorted(set(merged.industry_groups.values_list("pk", flat=True)) - present)
    kept.industry_groups.add(*new)
    return new


def _move_people(merged: Contact, kept: Contact) -> list[int]:
    """Put everybody of one company into the other, those who were merged themselves too."""
    people = list(Contact.objects.in_company(merged).order_by("pk").values_list("pk", flat=True))
    Contact.objects.in_company(merged).update(company=kept)
    return people


# Taking it back --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WayBack:
    """What undoing a merge would do: the fields of both afterwards, what moves back, and what stays as it is."""

    facts: dict[str, Facts]
    restored: list[str] = field(default_factory=list)  # parts, by key
    stays: list[str] = field(default_factory=list)  # parts that somebody changed since
    counts: list[Count] = field(default_factory=list)


def way_back(merge: ContactMerge) -> WayBack:
    """What undoing would do. Raises ``CannotUnmerge``, which says why it cannot be undone now."""
    _check_unmergeable(merge)
    record, facts = merge.record, {KEPT: facts_of(merge.kept), MERGED: facts_of(merge.merged)}
    restored, stays = [], []
    for part, names in {**PARTS, "customer": CUSTOMER, "privacy": ("is_privacy_blocked",)}.items():
        changed = [name for name in names if record["after"][KEPT][name] != record["before"][KEPT][name]]
        untouched = all(facts[KEPT][name] == record["after"][KEPT][name] for name in names)
        if changed and untouched and not _is_gone(part, record["before"][KEPT]):
            restored.append(part)
            facts[KEPT].update({name: record["before"][KEPT][name] for name in names})
        elif changed:
            stays.append(part)
    facts[MERGED] = {**record["before"][MERGED]}
    for values in facts.values():
        if values["company_id"] is not None:
            values["company_id"] = Contact.objects.carrying_on(values["company_id"]).pk
    _check_unique(merge, facts)
    return WayBack(facts, restored, stays, [count for count in _counts_back(merge) if count.number])


def _is_gone(part: str, facts: Facts) -> bool:
    """Whether the salesperson or the company to give back was deleted since."""
    if part == "salesperson":
        rows: models.QuerySet[Any] = Salesperson.objects.filter(pk=facts["salesperson_id"])
    elif part == "company":
        rows = Contact.objects.filter(pk=facts["company_id"])
    else:
        return False
    return facts[f"{part}_id"] is not None and not rows.exists()


def _check_unmergeable(merge: ContactMerge) -> None:
    if merge.undone_at is not None:
        raise CannotUnmerge(_("This merge is undone already."))
    if merge.kept.merged_into is not None:
        raise CannotUnmerge(
            _("%(kept)s was itself merged into %(into)s. Undo that first.")
            % {"kept": merge.kept.label, "into": merge.kept.merged_into.label}
        )


def _check_unique(merge: ContactMerge, facts: dict[str, Facts]) -> None:
    """Refuse when a number that one of the two would get back belongs to somebody else by now."""
    both = [merge.kept_id, merge.merged_id]
    for name in UNIQUE:
        values = [facts[whose][name] for whose in (KEPT, MERGED) if facts[whose][name]]
        other = Contact.objects.exclude(pk__in=both).filter(**{f"{name}__in": values}).first()
        taken = other or (merge.kept if len(values) > len(set(values)) else None)
        if taken is not None:
            raise CannotUnmerge(
                _("The %(name)s %(value)s belongs to %(contact)s by now, so it cannot be given back.")
                % {
                    "name": getattr(Contact._meta.get_field(name), "verbose_name", name),
                    "value": values[0] if other is None else getattr(other, name),
                    "contact": taken.label,
                }
            )


def _counts_back(merge: ContactMerge) -> Iterator[Count]:
    people = sum(len(found) for found in _still_in(merge.kept, merge.record["people"]))
    yield Count(
        people, ngettext("%(n)d person of the company", "%(n)d people of the company", people) % {"n": people}
    )
    for follower, record in _followed(merge):
        yield from follower.counts_back(record, merge.merged, merge.kept)


def _followed(merge: ContactMerge) -> list[tuple[Follower, Any]]:
    """Who followed then, each with what it moved; who registers later has moved nothing."""
    return [(follower, merge.record[key]) for key, follower in _followers.items() if key in merge.record]


@transaction.atomic
def unmerge(*, merge: ContactMerge, by: User, seen: str | None = None) -> list[str]:
    """Bring both contacts back; returns in words what stays with the kept one because somebody changed it since.

    Raises ``CannotUnmerge`` or ``ChangedMeanwhile``.
    """
    _hold(merge.kept)
    kept, merged = _locked(merge.kept, merge.merged)
    merge = ContactMerge.objects.select_for_update().get(pk=merge.pk)
    merge.kept, merge.merged = kept, merged
    plan = way_back(merge)
    if seen is not None and seen != look(merged, kept).mark:
        raise ChangedMeanwhile(CHANGED)
    _write({kept: plan.facts[KEPT], merged: plan.facts[MERGED]})
    Contact.objects.filter(pk=merged.pk).update(merged_into=None)
    kept.industry_groups.remove(*IndustryGroup.objects.filter(pk__in=merge.record["groups"]))
    for keys in _still_in(kept, merge.record["people"]):
        Contact.objects.filter(pk__in=keys).update(company=merged)
    stays = [part_label(part) for part in plan.stays]
    for follower, record in _followed(merge):
        stays += follower.move_back(record, merged, kept, by)
    ContactMerge.objects.filter(pk=merge.pk).update(undone_by=by, undone_at=timezone.now())
    return stays


def _still_in(company: Contact, people: Iterable[int]) -> Iterator[list[int]]:
    """The keys of those people who are in the company, some at a time."""
    for keys in in_batches(people):
        yield list(Contact.objects.filter(pk__in=keys, company=company).values_list("pk", flat=True))


def in_batches(keys: Iterable[int]) -> Iterator[list[int]]:
    """Keys in portions that fit into one query."""
    keys = list(keys)
    for start in range(0, len(keys), AT_A_TIME):
        yield keys[start : start + AT_A_TIME]


def part_label(part: str) -> str:
    """What a part is called on pages."""
    name = {"customer": "customer_number", "privacy": "is_privacy_blocked"}.get(part, part)
    label = str(getattr(Contact._meta.get_field(name), "verbose_name", name))
    return label[:1].upper() + label[1:]


def merges_of(contact: Contact) -> "list[ContactMerge]":
    """The merges that this contact carries on, the newest first; those that were undone are left out."""
    merges = ContactMerge.objects.filter(kept=contact, undone_at__isnull=True)
    return list(merges.select_related("merged", "made_by").order_by("-pk")[:20])
