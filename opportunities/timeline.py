"""What happened, as one list, newest first: the ledger's entries, and what was said, written and noted between them.

Each kind is read by its own index, a page of it at a time, and the pages are merged. A ``Place`` is how far one has
read in each kind; so whatever shares one day, nothing is shown twice and nothing is left out. Files are read for a page
at once.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    TextChoices,
    Value,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from activities.models import Attachment, Interaction, InteractionQuerySet, Task, TaskQuerySet
from contacts.models import Contact
from crm.text import quoted
from opportunities.ledger import Change, changes
from opportunities.models import (
    MOVES,
    Action,
    Opportunity,
    OpportunityEntry,
    OpportunityEntryQuerySet,
)
from salespeople.models import User

PAGE = 20
TASKS_NAMED = 3  # of those that a change made, cancelled or opened again
PLACE = re.compile(r"([0-9]{1,9})?\.(?:([0-9]{4}-[0-9]{2}-[0-9]{2})\.([0-9]{1,18}))?")
OF_STAGES = (
    Action.CREATED,
    Action.STARTED,
    *MOVES,
    Action.WON,
    Action.LOST,
    Action.REOPENED,
    Action.UNDONE,
)


class Show(TextChoices):
    """What of a timeline one wants to see."""

    ALL = "ALL", _("All")
    STAGES = "STAGES", _("Stages")
    ESTIMATES = "ESTIMATES", _("Estimates")
    NOTES = "NOTES", _("Notes")


@dataclass(frozen=True)
class Place:
    """How far one has read: down to an entry, and down to an interaction; None where nothing was read yet."""

    sequence: int | None = None
    interaction: tuple[date, int] | None = None

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """The place in an address; None when it is none."""
        parts = PLACE.fullmatch(text)
        if parts is None or text == ".":
            return None
        sequence, day, key = parts.groups()
        try:
            interaction = (date.fromisoformat(day), int(key)) if day else None
        except ValueError:
            return None
        return cls(int(sequence) if sequence else None, interaction)

    def __str__(self) -> str:
        day, key = self.interaction or ("", "")
        return f"{self.sequence or ''}.{day}{'.' if day else ''}{key}"


@dataclass(frozen=True)
class Line:
    """One thing that happened: an entry with what it changed and what became of tasks, or an interaction."""

    on: date
    entry: OpportunityEntry | None = None
    changes: Sequence[Change] = ()
    tasks: Sequence[str] = ()
    interaction: Interaction | None = None


@dataclass(frozen=True)
class Timeline:
    """A page of what happened, newest first, and the place from which older things follow, if there are any."""

    lines: Sequence[Line]
    older: Place | None


def of_opportunity(
    opportunity: Opportunity, *, show: Show = Show.ALL, place: Place | None = None, size: int = PAGE
) -> Timeline:
    """What happened with an opportunity, below a place. At most four queries, whatever its history."""
    place = place or Place()
    entries: list[OpportunityEntry] = []
    if show != Show.NOTES:
        rows = _shown(opportunity.entries.all(), show).with_names().newest_first()
        if place.sequence is not None:
            rows = rows.filter(sequence__lt=place.sequence)
        entries = list(_with_tasks(rows)[: size + 1])
    interactions: list[Interaction] = []
    if show in (Show.ALL, Show.NOTES):
        noted: InteractionQuerySet = opportunity.interactions.with_names()
        noted = _with_task(noted, Task.objects.filter(opportunity=opportunity))
        interactions = _below(noted, place, size)
    return _page(entries, interactions, place, size, lambda shown: _changes(opportunity, entries, shown))


def of_contact(contact: Contact, user: User, *, place: Place | None = None, size: int = PAGE) -> Timeline:
    """What was said and noted about a contact and its people, and about the opportunities of theirs that a user sees.

    Those in which the contact is only involved count too. Four queries.
    """
    place = place or Place()
    seen = Opportunity.objects.visible_to(user)
    whom = Contact.objects.visible_to(user).filter(Q(pk=contact.pk) | Q(company=contact.pk))
    named = Interaction.objects.with_names().select_related("opportunity", "recorded_by", "contact")
    named = _with_task(named, Task.objects.visible_to(user))
    about = named.filter(contact__in=whom.values("pk")).filter(
        Q(opportunity__isnull=True) | Exists(seen.filter(pk=OuterRef("opportunity")))
    )
    theirs = named.filter(opportunity__in=seen.of_contact(contact).values("pk"))
    involved = named.filter(opportunity__in=seen.filter(people__contact=contact).values("pk"))
    found = {row.pk: row for rows in (about, theirs, involved) for row in _below(rows, place, size)}
    newest = sorted(found.values(), key=lambda row: (row.happened_on, row.pk), reverse=True)
    return _page([], newest, place, size, lambda shown: {})


def _shown(entries: OpportunityEntryQuerySet, show: Show) -> OpportunityEntryQuerySet:
    """The entries that somebody wants to see."""
    if show == Show.STAGES:
        return entries.filter(action__in=OF_STAGES)
    return _with_another_estimate(entries) if show == Show.ESTIMATES else entries


def _with_another_estimate(entries: OpportunityEntryQuerySet) -> OpportunityEntryQuerySet:
    """Those whose value, chance or closing date is not that of the entry before; the first one if it has any."""
    none: dict[str, Value] = {
        "estimated_value": Value(Decimal(-1)),
        "chance_percent": Value(Decimal(-1)),
        "estimated_close_on": Value(date.min),
    }
    outer: Any = OuterRef  # a reference to the entry itself
    before = OpportunityEntry.objects.filter(opportunity=outer("opportunity"), sequence=outer("sequence") - 1)
    fields = {name: OpportunityEntry._meta.get_field(name) for name in none}
    for name, empty in none.items():
        kind: Any = fields[name]
        before = before.annotate(
            **{
                f"own_{name}": Coalesce(F(name), empty, output_field=kind),
                f"next_{name}": Coalesce(outer(name), empty, output_field=kind),
            }
        ).filter(**{f"own_{name}": F(f"next_{name}")})
    unknown = Q(sequence=1, **{f"{name}__isnull": True for name in none})
    return entries.exclude(unknown).exclude(Exists(before))


def _with_task(rows: InteractionQuerySet, tasks: TaskQuerySet) -> InteractionQuerySet:
    """With the task whose outcome each is, if it is one of ``tasks``, without a question more."""
    done = tasks.filter(outcome=OuterRef("pk")).order_by()
    return rows.annotate(
        task_key=Subquery(done.values("pk")[:1]), task_name=Subquery(done.values("description")[:1])
    )


def _with_tasks(entries: OpportunityEntryQuerySet) -> OpportunityEntryQuerySet:
    """With how many tasks each made, cancelled or opened again, and the first few names, without a question more."""
    for what in ("made_by", "cancelled_by", "reopened_by"):
        tasks = Task.objects.filter(opportunity=OuterRef("opportunity"), **{what: OuterRef("pk")})
        names = tasks.order_by("due_at", "pk").values("description")
        number = tasks.order_by().values(what).annotate(number=Count("pk")).values("number")
        entries = entries.annotate(
            **{f"{what}_number": Subquery(number)},
            **{f"{what}_{index}": Subquery(names[index : index + 1]) for index in range(TASKS_NAMED)},
        )
    return entries


def _task_words(entry: OpportunityEntry) -> list[str]:
    """What became of tasks with a change, one sentence for each thing."""
    told = []
    for what in ("made_by", "cancelled_by", "reopened_by"):
        if number := getattr(entry, f"{what}_number"):
            found = (getattr(entry, f"{what}_{index}") for index in range(TASKS_NAMED))
            names = quoted(name for name in found if name)
            if number > TASKS_NAMED:
                more = gettext("%(names)s and %(n)d more")
                names = more % {"names": names, "n": number - TASKS_NAMED}
            told.append(f"{_how_many(what, number)} {names}")
    return told


def _how_many(what: str, number: int) -> str:
    words = {
        "made_by": ngettext("%(n)d task came:", "%(n)d tasks came:", number),
        "cancelled_by": ngettext("%(n)d task was cancelled:", "%(n)d tasks were cancelled:", number),
        "reopened_by": ngettext("%(n)d task is open again:", "%(n)d tasks are open again:", number),
    }
    return words[what] % {"n": number}


def _below(rows: InteractionQuerySet, place: Place, size: int) -> list[Interaction]:
    """The next interactions, and one more to know whether others follow."""
    if place.interaction is not None:
        day, key = place.interaction
        rows = rows.filter(Q(happened_on__lt=day) | Q(happened_on=day, pk__lt=key))
    return list(rows.newest_first()[: size + 1])


def _page(
    entries: Iterable[OpportunityEntry],
    interactions: Iterable[Interaction],
    place: Place,
    size: int,
    changes_of: Callable[[Sequence[OpportunityEntry]], dict[int, Sequence[Change]]],
) -> Timeline:
    """The newest of both, and how far that reads in each.

    Only the next of either kind are ever compared, so a page that begins at a place goes on exactly as one long
    list would.
    """
    streams: list[Iterable[OpportunityEntry | Interaction]] = [entries, interactions]
    merged = list(heapq.merge(*streams, key=_when, reverse=True))
    shown = merged[:size]
    read = [row for row in shown if isinstance(row, OpportunityEntry)]
    noted = [row for row in shown if isinstance(row, Interaction)]
    prefetch_related_objects(noted, Prefetch("attachments", Attachment.objects.order_by("pk")))
    changed = changes_of(read)
    lines = [
        Line(on=row.changed_on, entry=row, changes=changed[row.sequence], tasks=_task_words(row))
        if isinstance(row, OpportunityEntry)
        else Line(on=row.happened_on, interaction=row)
        for row in shown
    ]
    older = Place(
        sequence=read[-1].sequence if read else place.sequence,
        interaction=(noted[-1].happened_on, noted[-1].pk) if noted else place.interaction,
    )
    return Timeline(lines=lines, older=older if len(merged) > size else None)


def _when(row: OpportunityEntry | Interaction) -> tuple[date, datetime]:
    """The day something happened on; of two on one day, what was recorded later is newer."""
    day = row.changed_on if isinstance(row, OpportunityEntry) else row.happened_on
    return day, row.recorded_at


def _changes(
    opportunity: Opportunity, loaded: Sequence[OpportunityEntry], shown: Sequence[OpportunityEntry]
) -> dict[int, Sequence[Change]]:
    """What each entry changed, by its sequence; entries before that are not at hand are read at once."""
    by_sequence = {entry.sequence: entry for entry in loaded}
    before = {entry.sequence - 1 for entry in shown} - by_sequence.keys() - {0}
    if before:
        rows = opportunity.entries.filter(sequence__in=before).with_names()
        by_sequence |= {entry.sequence: entry for entry in rows}
    return {entry.sequence: changes(by_sequence.get(entry.sequence - 1), entry) for entry in shown}
