"""With whom, and about which opportunity, an e-mail is: by its mark, else by the addresses in it.

What is not certain is not guessed: the e-mail waits, with the reason, until somebody places it. Without a mark, only
what a contact wrote, or a colleague to a contact, is filed: a stranger cannot write into the story of a customer. A
contact that is blocked for privacy gets nothing filed. Answers of machines wait too: that somebody is away, or that an
offer could not be delivered, is worth a look, but it is no conversation.

A reason names no contact, for not everybody who reads it may see every contact.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from contacts.models import Contact, ContactQuerySet
from opportunities.mail.tokens import numbers_in, own_address
from opportunities.models import Opportunity, OpportunityContact
from salespeople.models import Salesperson, User

LOOKED_AT = 20  # contacts with one address


@dataclass(frozen=True)
class Addressed:
    """What of an e-mail says where it belongs. Addresses are in small letters."""

    subject: str
    sender: str
    recipients: Sequence[str]
    delivered_to: Sequence[str] = ()

    @property
    def people(self) -> list[str]:
        """Whose addresses are looked up: the sender's first, then the recipients' in order."""
        return list(dict.fromkeys(filter(None, [self.sender, *self.recipients])))


@dataclass(frozen=True)
class Match:
    """Where an e-mail belongs, or why that is not certain; beside a reason, the place is only a likely one."""

    contact: Contact | None = None
    opportunity: Opportunity | None = None
    reason: str = ""


class Colleagues:
    """Who of those in an e-mail works here: by the address of a sign-in, or of a salesperson."""

    def __init__(self, mail: Addressed) -> None:
        users = User.objects.filter(email__in=mail.people).annotate(rank=Value(0))
        people = Salesperson.objects.annotate(mailbox=Lower("email"), rank=Value(1))
        rows = users.values_list("rank", "email", "pk").union(
            people.filter(mailbox__in=mail.people).values_list("rank", "mailbox", "user")
        )
        self._people = mail.people
        self._keys: dict[str, int | None] = {}
        for _rank, address, key in sorted(rows, key=lambda row: (row[0], row[2] is None, row[2])):
            self._keys.setdefault(address, key)

    @property
    def addresses(self) -> Collection[str]:
        """Their addresses."""
        return self._keys.keys()

    def first_user(self) -> User | None:
        """The user who sent it, else the first one who got it."""
        keys = [self._keys.get(address) for address in self._people]
        key = next((key for key in keys if key is not None), None)
        return User.objects.filter(pk=key).first() if key is not None else None


def match(mail: Addressed, colleagues: Colleagues) -> Match:
    """Where an e-mail belongs."""
    outside = [address for address in mail.people if not _is_own(address, colleagues)]
    for number in numbers_in(mail.subject, [*mail.recipients, *mail.delivered_to]):
        opportunity = Opportunity.objects.with_names().filter(number=number).first()
        if opportunity is not None:
            return _about(opportunity, outside)
    return _with_somebody(outside, mail.sender, colleagues)


def is_blocked(contact: Contact) -> bool:
    """Whether a contact, or the company it belongs to, is blocked for privacy."""
    return contact.is_privacy_blocked or (contact.company is not None and contact.company.is_privacy_blocked)


def has_part_in(contact: Contact, opportunity: Opportunity) -> bool:
    """Whether a contact is on the buyer's side of an opportunity: its contact, its company's, or involved."""
    if opportunity.company_id is not None and contact.company_key == opportunity.company_id:
        return True
    if contact.pk == opportunity.contact_id:
        return True
    return OpportunityContact.objects.filter(opportunity=opportunity, contact=contact).exists()


def blocked_reason(contact: Contact) -> str:
    """Why nothing is filed on a contact."""
    return _("%(contact)s is blocked for privacy.") % {"contact": contact.label}


def blocked_unnamed() -> str:
    """The same for everybody who sees the e-mail."""
    return _("A contact it is about is blocked for privacy.")


def _is_own(address: str, colleagues: Colleagues) -> bool:
    """Whether an address is a colleague's, or that of this installation, with or without a plus."""
    mailbox, _at, domain = address.partition("@")
    plain = f"{mailbox.partition('+')[0]}@{domain}"
    ours = {own_address(), parseaddr(settings.DEFAULT_FROM_EMAIL)[1].lower()}
    return address in colleagues.addresses or address in ours or plain in ours


def _about(opportunity: Opportunity, outside: Sequence[str]) -> Match:
    """A mark names the opportunity; who of the buyer's side wrote or got it is added if that is certain."""
    for concerned in (opportunity.contact, opportunity.company):
        if concerned is not None and is_blocked(concerned):
            return Match(reason=blocked_unnamed())
    for address in outside:
        found = _contacts_at(address)
        if any(is_blocked(contact) for contact in found):
            return Match(reason=blocked_unnamed())
        concerned_here = [contact for contact in found if has_part_in(contact, opportunity)]
        if len(concerned_here) == 1:
            return Match(concerned_here[0], opportunity)
    return Match(None, opportunity)


def _with_somebody(outside: Sequence[str], sender: str, colleagues: Colleagues) -> Match:
    """The first address that contacts have decides, if its contact wrote it, or a colleague did."""
    for address in outside:
        found = _contacts_at(address)
        if not found:
            continue
        if any(is_blocked(contact) for contact in found):
            return Match(reason=blocked_unnamed())
        chosen = _in_use(found)
        if chosen is None:
            return Match(reason=_ambiguous(address, found))
        is_known = sender == address or sender in colleagues.addresses
        reason = "" if is_known else _("Its sender is neither a contact nor a colleague.")
        return Match(chosen, _only_open_one(chosen), reason)
    if not outside:
        return Match(reason=_("It names nobody but colleagues."))
    return Match(reason=_("No contact has one of its addresses."))


def _contacts_at(address: str) -> list[Contact]:
    """The contacts with an address; one that was merged is the one that carries on for it."""
    rows: ContactQuerySet = Contact.objects.alias(mailbox=Lower("email")).filter(mailbox=address)
    found: dict[int, Contact] = {}
    for contact in rows.select_related("company").order_by("pk")[:LOOKED_AT]:
        if contact.merged_into_id is not None:
            contact = Contact.objects.select_related("company").carrying_on(contact.pk)
        found[contact.pk] = contact
    return list(found.values())


def _in_use(found: Sequence[Contact]) -> Contact | None:
    """Of several contacts with one address, the only one with which something is going on."""
    if len(found) == 1:
        return found[0]
    busy = [contact for contact in found if _own_open_ones(contact)]
    return busy[0] if len(busy) == 1 else None


def _own_open_ones(contact: Contact) -> list[Opportunity]:
    """One or two open opportunities that a contact has, or is involved in."""
    return list(Opportunity.objects.open().with_contact(contact).order_by("pk")[:2])


def _only_open_one(contact: Contact) -> Opportunity | None:
    """The one open opportunity of a contact; where it has none, the one of its company."""
    rows = Opportunity.objects.open()
    own = rows.with_contact(contact).values("pk")
    company = rows.with_contact(contact.company).values("pk") if contact.company else rows.none().values("pk")
    both = rows.filter(pk__in=own.union(company)).annotate(is_own=Exists(own.filter(pk=OuterRef("pk"))))
    found = list(both.order_by("-is_own", "pk")[:2])  # the own ones first
    if len(found) == 2 and found[0].is_own == found[1].is_own:
        return None
    return found[0] if found else None


def _ambiguous(address: str, found: Sequence[Contact]) -> str:
    return _("%(n)d contacts have the address %(address)s.") % {"n": len(found), "address": address}
