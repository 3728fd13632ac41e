"""What hangs on contacts here follows them when two become one: opportunities, and those involved in them."""

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.models import Contact
from contacts.operations import Count, in_batches
from opportunities import operations
from opportunities.models import Opportunity, OpportunityContact
from salespeople.models import User


class OpportunitiesFollow:
    """Opportunities of a contact, each by an entry of its own, and the places of people involved."""

    key = "opportunities"

    def counts(self, contact: Contact) -> list[Count]:
        """How many opportunities are with the contact, and in how many it is involved."""
        number = Opportunity.objects.filter(_with(contact)).count()
        involved = OpportunityContact.objects.filter(contact=contact).count()
        return [
            Count(
                number,
                ngettext("%(n)d opportunity", "%(n)d opportunities", number) % {"n": number},
                reverse("opportunities:for-contact", args=[contact.pk]),
            ),
            _involved(involved),
        ]

    def is_hidden(self, contact: Contact, user: User) -> bool:
        """Whether an opportunity of the contact, or one in which it is involved, is out of the user's sight."""
        if user.sees_everything():
            return False
        theirs = Opportunity.objects.with_contact(contact)
        return theirs.exclude(pk__in=Opportunity.objects.visible_to(user).values("pk")).exists()

    def hold(self, contact: Contact) -> None:
        """Lock the opportunities that are with the contact, or in which it is involved."""
        involved = OpportunityContact.objects.filter(contact=contact).values("opportunity")
        rows = Opportunity.objects.filter(_with(contact) | Q(pk__in=involved)).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk", flat=True))

    def move(self, merged: Contact, kept: Contact, by: User) -> dict[str, Any]:
        """Every opportunity gets an entry that says who carries on."""
        moved: dict[str, list[int | None]] = {}
        for opportunity in Opportunity.objects.filter(_with(merged)).order_by("pk"):
            before = _contacts(opportunity)
            _put(opportunity, merged, kept, by, _("%(merged)s was merged into %(kept)s."))
            moved[str(opportunity.pk)] = [*before, *_contacts(opportunity)]
        return {"moved": moved, **_move_people(merged, kept)}

    def counts_back(self, record: dict[str, Any], merged: Contact, kept: Contact) -> list[Count]:
        """How many opportunities are still as the merge left them, and how many people involved."""
        number = len(_untouched(record))
        people = sum(
            OpportunityContact.objects.filter(pk__in=keys, contact=kept).count()
            for keys in in_batches(record["people"])
        )
        text = ngettext("%(n)d opportunity", "%(n)d opportunities", number) % {"n": number}
        return [Count(number, text), _involved(people + len(record["removed"]))]

    def move_back(self, record: dict[str, Any], merged: Contact, kept: Contact, by: User) -> list[str]:
        """Every opportunity that is still as the merge left it gets an entry that says that it is undone."""
        untouched = _untouched(record)
        for opportunity in untouched:
            _put(opportunity, kept, merged, by, _("The merge of %(kept)s into %(merged)s was undone."))
        for keys in in_batches(record["people"]):
            OpportunityContact.objects.filter(pk__in=keys, contact=kept).update(contact=merged)
        _involve_again(record["removed"])
        left = len(record["moved"]) - len(untouched)
        words = ngettext("%(n)d opportunity", "%(n)d opportunities", left) % {"n": left}
        return [words] if left else []


def _with(contact: Contact) -> Q:
    return Q(contact=contact) | Q(company=contact)


def _contacts(opportunity: Opportunity) -> list[int | None]:
    return [opportunity.contact_id, opportunity.company_id]


def _involved(number: int) -> Count:
    return Count(
        number, ngettext("%(n)d place beside others", "%(n)d places beside others", number) % {"n": number}
    )


def _put(opportunity: Opportunity, old: Contact, new: Contact, by: User, note: str) -> None:
    operations.merge_contact(
        opportunity=opportunity,
        merged=old,
        kept=new,
        by=by,
        on=operations.default_date(opportunity),
        note=note % {"merged": old.label, "kept": new.label},
    )


def _untouched(record: dict[str, Any]) -> list[Opportunity]:
    """Those whose contact and company are what the merge made of them."""
    return [
        opportunity
        for keys in in_batches(int(key) for key in record["moved"])
        for opportunity in Opportunity.objects.filter(pk__in=keys).order_by("pk")
        if _contacts(opportunity) == record["moved"][str(opportunity.pk)][2:]
    ]


def _move_people(merged: Contact, kept: Contact) -> dict[str, Any]:
    """Who was involved is so as the kept contact, unless that is involved already or is the one it is with.

    Not through ``operations.involve`` and ``release``: nobody comes or goes, so that no rule is asked and the change
    log of each opportunity says nothing; the record of the merge does.
    """
    rows = OpportunityContact.objects.filter(contact__in=[merged, kept]).select_related("opportunity")
    taken = {row.opportunity_id for row in rows if row.contact_id == kept.pk}
    without_room = {
        row.pk: [row.opportunity_id, row.contact_id, row.role]
        for row in rows
        if row.opportunity.contact_id == kept.pk
        or (row.contact_id == merged.pk and row.opportunity_id in taken)
    }
    people = [row.pk for row in rows if row.contact_id == merged.pk and row.pk not in without_room]
    for keys in in_batches(without_room):
        OpportunityContact.objects.filter(pk__in=keys).delete()
    for keys in in_batches(people):
        OpportunityContact.objects.filter(pk__in=keys).update(contact=kept)
    return {"people": people, "removed": list(without_room.values())}


def _involve_again(removed: list[tuple[int, int, str]]) -> None:
    """Give everybody the place back that the merge left no room for, where there is room now."""
    main_contacts: dict[int, int] = {}
    for keys in in_batches(opportunity for opportunity, _contact, _role in removed):
        main_contacts |= dict(Opportunity.objects.filter(pk__in=keys).values_list("pk", "contact"))
    OpportunityContact.objects.bulk_create(
        [
            OpportunityContact(opportunity_id=opportunity, contact_id=contact, role=role)
            for opportunity, contact, role in removed
            if opportunity in main_contacts and main_contacts[opportunity] != contact
        ],
        ignore_conflicts=True,  # with those who were involved again since
    )
