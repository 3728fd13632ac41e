"""Who may do what with an opportunity: the one place that pages, admin and bulk actions ask."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from activities.models import Interaction, InteractionQuerySet
from contacts.models import Contact
from crm.dates import today
from opportunities.models import Opportunity
from salespeople.models import Salesperson, User

SALESPERSON_MAY = frozenset({"start", "move", "revise", "close", "reassign", "describe", "involve", "note"})
MANAGER_MAY = SALESPERSON_MAY | {"reopen", "undo", "delete"}
NOT_YOURS = gettext_lazy("This needs the salesperson it belongs to, or a sales manager of the team.")


def allowed(user: User, opportunity: Opportunity) -> frozenset[str]:
    """The operations this user may call on this opportunity; what its state permits, the operations say themselves.

    A salesperson works on their own, a manager on those of the teams they work for. Only they write in its history and
    say who is involved; others who see it read. A salesperson may undo what they did themselves, a closing only on the
    day they recorded it; reopening and deleting is for managers, and so is giving the opportunity to another
    salesperson. Runs queries.
    """
    is_workable = getattr(opportunity, "is_workable", None)  # of a row that was marked_workable_by
    if is_workable is None:
        is_workable = Opportunity.objects.workable_by(user).filter(pk=opportunity.pk).exists()
    if not is_workable:
        return frozenset()
    if user.is_manager():
        return MANAGER_MAY
    newest = opportunity.entries.newest_first().first()
    if newest is None or newest.recorded_by_id != user.pk:
        return SALESPERSON_MAY
    if timezone.localdate(newest.recorded_at) == today() or not opportunity.is_closed:
        return SALESPERSON_MAY | {"undo"}
    return SALESPERSON_MAY


def require(operation: str, may: frozenset[str]) -> None:
    """Refuse a page about an operation that is not among those ``allowed``. Raises ``PermissionDenied``."""
    if operation not in may:
        raise PermissionDenied(NOT_YOURS)


def may_note_on(user: User, contact: Contact) -> bool:
    """Whether a user who sees a contact may note something about it: who sells may, unless it is blocked or merged."""
    company = contact.company
    is_blocked = contact.is_privacy_blocked or (company is not None and company.is_privacy_blocked)
    return user.may_sell() and not is_blocked and contact.merged_into_id is None


def seen_interactions(user: User) -> InteractionQuerySet:
    """The interactions about what a user sees."""
    return Interaction.objects.seen_with(
        Opportunity.objects.visible_to(user), Contact.objects.visible_to(user)
    )


def allowed_to_change(
    user: User, interactions: Sequence[Interaction], *, worked: frozenset[int] = frozenset()
) -> frozenset[int]:
    """The keys of those interactions that a user who sees them may change or delete.

    One's own, as long as one sells; a manager also those about what the manager works on: the opportunities of the
    team, and the contacts that somebody of the team or nobody looks after. ``worked`` are opportunities of which it is
    known already that the user works on them. At most two queries.
    """
    if not user.may_sell():
        return frozenset()
    own = frozenset(row.pk for row in interactions if row.recorded_by_id == user.pk)
    others = [row for row in interactions if row.pk not in own]
    if not others or not user.is_manager():
        return own
    unknown = {row.opportunity_id for row in others} - worked
    worked |= _keys(Opportunity.objects.workable_by(user), unknown)
    managed = Salesperson.objects.managed_by(user).values("pk")
    looked_after = Contact.objects.filter(Q(salesperson__isnull=True) | Q(salesperson__in=managed))
    contacts = _keys(looked_after, {row.contact_id for row in others if row.opportunity_id is None})
    return own | {
        row.pk
        for row in others
        if (row.opportunity_id in worked if row.opportunity_id else row.contact_id in contacts)
    }


def _keys(rows: QuerySet[Any], wanted: set[int | None]) -> set[int]:
    """Those of the keys that are among the rows."""
    keys = wanted - {None}
    return set(rows.filter(pk__in=keys).values_list("pk", flat=True)) if keys else set()
