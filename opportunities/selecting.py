"""Which opportunities a command is about: the options for it, and the query they make."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Model, Q
from django.utils.translation import gettext as _

from contacts.models import Contact
from crm.commands import day
from opportunities.models import Opportunity, OpportunityQuerySet, Status
from salescycles.models import SalesCycle
from salespeople.models import Salesperson, Team, User

STATUSES = {status.value.lower().replace("_", "-"): status for status in Status}
DELETABLE = [text for text, status in STATUSES.items() if status != Status.IN_PROGRESS]


def add_options(parser: ArgumentParser, *names: str, statuses: Sequence[str] = tuple(STATUSES)) -> None:
    """Give a command these filters, and of the statuses these."""
    group = parser.add_argument_group(
        "which opportunities", "Filters narrow each other; one given twice means either."
    )
    for name in names:
        kwargs, _narrow = OPTIONS[name]
        if name == "status":
            kwargs = {**kwargs, "choices": statuses, "help": _("one of %s") % ", ".join(statuses)}
        group.add_argument(f"--{name}", **kwargs)


def given(options: dict[str, Any]) -> list[str]:
    """The filters that were given."""
    return [f"--{name}" for name in OPTIONS if options.get(_destination(name))]


def selected(options: dict[str, Any]) -> OpportunityQuerySet:
    """The opportunities that the filters leave; an unknown code or number is refused with a ``CommandError``."""
    rows: OpportunityQuerySet = Opportunity.objects.all()
    for name, (_kwargs, narrow) in OPTIONS.items():
        if value := options.get(_destination(name)):
            rows = rows.filter(narrow(value))
    return rows


def add_by_option(parser: ArgumentParser) -> None:
    """Let somebody say in whose name the command works."""
    parser.add_argument(
        "--by", metavar="EMAIL", help="in whose name it is recorded (default: the operator of the commands)"
    )


def user_named(email: str | None) -> User:
    """The user with that e-mail address, or the operator when none is given."""
    if not email:
        return User.objects.for_commands()
    try:
        return User.objects.get_by_natural_key(email)
    except User.DoesNotExist:
        raise CommandError(_("Nobody signs in as %(email)s.") % {"email": email}) from None


def _known(model: type[Model], field: str) -> Callable[[Iterable[str]], list[int]]:
    """Look up what was typed, refusing what is not there with a few of those that are."""

    def look_up(typed: Iterable[str]) -> list[int]:
        found = []
        for text in typed:
            rows = model._default_manager
            row = rows.filter(**{field: text.strip().upper()}).first() if "\0" not in text else None
            if row is None:
                some = list(rows.order_by(field).values_list(field, flat=True)[:10])
                missing = _("There is no %(what)s %(text)s.") % {
                    "what": model._meta.verbose_name,
                    "text": text,
                }
                others = _("There are for example: %(some)s.") % {"some": ", ".join(some)} if some else ""
                raise CommandError(f"{missing} {others}".strip())
            found.append(row.pk)
        return found

    return look_up


def _of_contacts(typed: Iterable[str]) -> Q:
    keys = _known(Contact, "number")(typed)
    return Q(contact__in=keys) | Q(company__in=keys)


def _destination(name: str) -> str:
    return name.replace("-", "_")


def _several(metavar: str, help_text: str) -> dict[str, Any]:
    return {"action": "append", "metavar": metavar, "help": help_text}


def _one_day(help_text: str) -> dict[str, Any]:
    return {"type": day, "metavar": "DATE", "help": help_text}


def _on(field: str, comparison: str) -> Callable[[date], Q]:
    return lambda value: Q(**{f"{field}__{comparison}": value})


OPTIONS: dict[str, tuple[dict[str, Any], Callable[[Any], Q]]] = {
    "number": (
        _several("NUMBER", "such as OP-00012"),
        lambda typed: Q(pk__in=_known(Opportunity, "number")(typed)),
    ),
    "status": (
        _several("STATUS", ""),
        lambda typed: Q(status__in=[STATUSES[text] for text in typed]),
    ),
    "cycle": (
        _several("CODE", "sales cycle"),
        lambda typed: Q(cycle__in=_known(SalesCycle, "code")(typed)),
    ),
    "salesperson": (
        _several("CODE", "to whom they belong now"),
        lambda typed: Q(salesperson__in=_known(Salesperson, "code")(typed)),
    ),
    "team": (
        _several("CODE", "the team of the salesperson"),
        lambda typed: Q(salesperson__team__in=_known(Team, "code")(typed)),
    ),
    "contact": (
        _several("NUMBER", "such as C-00012; a company means everybody in it"),
        _of_contacts,
    ),
    "created-from": (_one_day("created on that day or later"), _on("created_on", "gte")),
    "created-to": (_one_day("created on that day or earlier"), _on("created_on", "lte")),
    "closed-from": (_one_day("won or lost on that day or later"), _on("closed_on", "gte")),
    "closed-to": (_one_day("won or lost on that day or earlier"), _on("closed_on", "lte")),
    "closed-before": (_one_day("won or lost before that day"), _on("closed_on", "lt")),
}
