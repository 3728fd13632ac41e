"""What is told of a task outside Kansen, in a calendar or an e-mail: only what its reader may see here."""

from django.conf import settings
from django.db.models import BooleanField, Case, Q, Value, When
from django.utils.translation import gettext as _

from activities.models import Task, TaskQuerySet
from contacts.models import Contact
from salespeople.models import Salesperson, User


def with_what_is_seen(tasks: TaskQuerySet, user: User) -> TaskQuerySet:
    """With whom each is about, and which of that the user may see."""
    whose = Salesperson.objects.seen_by(user).values("pk")
    contacts = Contact.objects.visible_to(user).values("pk")
    return tasks.select_related("contact__company", "opportunity", "team").annotate(
        shows_opportunity=_is(Q(opportunity__salesperson__in=whose)),
        shows_contact=_is(Q(contact__in=contacts)),
    )


def about(task: Task) -> list[str]:
    """A line each for contact, opportunity and team, of a task that ``with_what_is_seen`` read."""
    lines = []
    if task.contact is not None and getattr(task, "shows_contact", False):
        lines.append(_("Contact: %(contact)s") % {"contact": _named(task.contact)})
    if task.opportunity is not None and getattr(task, "shows_opportunity", False):
        lines.append(_("Opportunity: %(opportunity)s") % {"opportunity": task.opportunity})
    if task.team is not None:
        lines.append(_("For anybody in team %(team)s") % {"team": task.team})
    return lines


def link(task: Task) -> str:
    """The address of its page, for somebody who is not there yet."""
    return f"{settings.SITE_URL}{task.get_absolute_url()}"


def _named(contact: Contact) -> str:
    company = contact.company
    return f"{contact}, {company}" if company is not None and company != contact else str(contact)


def _is(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())
