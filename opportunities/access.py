"""Who may do what with an opportunity: the one place that pages, admin and bulk actions ask."""

from django.utils import timezone

from crm.dates import today
from opportunities.models import Opportunity
from salespeople.models import User

SALESPERSON_MAY = frozenset({"start", "move", "revise", "close", "reassign", "describe"})
MANAGER_MAY = SALESPERSON_MAY | {"reopen", "undo", "delete"}


def allowed(user: User, opportunity: Opportunity) -> frozenset[str]:
    """The operations this user may call on this opportunity; what its state permits, the operations say themselves.

    A salesperson works on their own, a manager on those of the teams they work for. A salesperson may undo what
    they did themselves, a closing only on the day they recorded it; reopening and deleting is for managers, and so
    is giving the opportunity to another salesperson. Runs queries.
    """
    if not Opportunity.objects.workable_by(user).filter(pk=opportunity.pk).exists():
        return frozenset()
    if user.is_manager():
        return MANAGER_MAY
    newest = opportunity.entries.newest_first().first()
    if newest is None or newest.recorded_by_id != user.pk:
        return SALESPERSON_MAY
    if timezone.localdate(newest.recorded_at) == today() or not opportunity.is_closed:
        return SALESPERSON_MAY | {"undo"}
    return SALESPERSON_MAY
