"""Taking the demo away again, and nothing else.

A row goes when it is written down as the demo's, nobody has changed it since, and nothing that stays points at
it. Everything else stays, and is told: what people added, what they changed, and what either of those needs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from activities.models import Activity, ActivityStep, Interaction, Task
from contacts.models import Contact, ContactKind, IndustryGroup
from crm.dates import today
from crm.progress import Advance, no_progress
from opportunities import operations
from opportunities.demo import manifest
from opportunities.demo.setup import PASSWORD, SIGN_INS
from opportunities.models import CloseReason, Opportunity, OpportunityContact, OpportunityEntry, Outcome
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team, User

BATCH = 100
Keys = dict[type[Model], set[int]]

# Rows that go with the row they belong to: by model, the field that points there.
PARTS: dict[type[Model], tuple[str, type[Model]]] = {
    OpportunityEntry: ("opportunity_id", Opportunity),
    Contact.industry_groups.through: ("contact_id", Contact),
    User.groups.through: ("user_id", User),
    User.user_permissions.through: ("user_id", User),
}
# Rows that stay when the row they belong to stays: half a sales cycle is of no use, nor half a story.
MEMBERS: tuple[tuple[type[Model], str, type[Model]], ...] = (
    (SalesCycleStage, "cycle_id", SalesCycle),
    (ActivityStep, "activity_id", Activity),
    (Interaction, "opportunity_id", Opportunity),
    (Task, "opportunity_id", Opportunity),
    (OpportunityContact, "opportunity_id", Opportunity),
)
# Everything else goes after the opportunities, in this order.
ORDER: tuple[type[Model], ...] = (
    Task,
    Interaction,
    OpportunityContact,
    Contact,
    SalesCycleStage,
    SalesCycle,
    ActivityStep,
    Activity,
    CloseReason,
    IndustryGroup,
    Salesperson,
    Team,
    User,
)


class Kept(NamedTuple):
    """A row of the demo that stays, and why."""

    row: Model
    why: str


@dataclass
class Cleared:
    """What went, by the name of the model; what stays; and which sign-ins were closed instead."""

    removed: Counter[str] = field(default_factory=Counter)
    kept: list[Kept] = field(default_factory=list)
    closed_sign_ins: list[str] = field(default_factory=list)


def count() -> int:
    """How many opportunities of the demo are there."""
    keys = manifest.written_down()[Opportunity]
    return sum(Opportunity.objects.filter(pk__in=some).count() for some in manifest.batches(keys))


def clear(*, advance: Advance = no_progress) -> Cleared:
    """Take the demo away; ``advance`` hears of every opportunity.

    Opportunities go in batches, each its own transaction, the rest in one at the end. When it is interrupted, doing
    it again finishes it.
    """
    cleared = Cleared()
    census = _Census()
    by = manifest.lines().select_related("user")[:1].get().user
    for batch in manifest.batches(census.going[Opportunity], size=BATCH):
        _clear_opportunities(batch, census, by)
        advance(len(batch))
    with transaction.atomic():
        _forget(census)
        _clear_the_rest(census.going)
        for model, keys in census.going.items():
            cleared.removed[str(model._meta.verbose_name_plural)] += len(keys)
        cleared.kept = [
            Kept(row, census.why[model].get(row.pk, ""))
            for model in census.going
            for row in manifest.rows_of(model, census.there[model] - census.going[model])
        ]
        cleared.closed_sign_ins = _close_sign_ins(cleared.kept)
    return cleared


# What goes -------------------------------------------------------------------------------------------------------


class _Census:
    """Which of the rows that the demo made are there, which of them go, and why the others stay."""

    def __init__(self) -> None:
        self.written = manifest.written_down()
        self.there: Keys = {}
        self.going: Keys = {}
        self.why: dict[type[Model], dict[int, str]] = {}
        for model, prints in self.written.items():
            rows = {row.pk: row for row in manifest.rows_of(model, prints)}
            changed = {key for key, row in rows.items() if self.is_changed(row)}
            self.there[model] = set(rows)
            self.going[model] = self.there[model] - changed
            self.why[model] = dict.fromkeys(changed, _("changed since"))
        while self._keep_what_is_needed():
            pass

    def is_changed(self, row: Model) -> bool:
        """Whether a row says something else than when it was made, or a sign-in has another password."""
        if manifest.fingerprint(row) != self.written[type(row)][row.pk]:
            return True
        if not isinstance(row, User):
            return False
        if row.email in [email for _role, email in SIGN_INS]:
            return not row.check_password(PASSWORD)
        return row.has_usable_password()

    def _keep_what_is_needed(self) -> bool:
        """Keep what something that stays points at; False when there was nothing more to keep."""
        found = False
        for model, going in self.going.items():
            for key, reason in self._needed(model):
                if key in going:
                    going.discard(key)
                    self.why[model][key] = reason
                    found = True
        return found

    def _needed(self, model: type[Model]) -> Iterator[tuple[int, str]]:
        for member, owner_field, owner in MEMBERS:
            if member is model:
                reason = _("part of a %(what)s that stays") % {"what": owner._meta.verbose_name}
                for batch in manifest.batches(self.going[model]):
                    rows = member._base_manager.filter(pk__in=batch).values_list("pk", owner_field)
                    yield from (
                        (key, reason)
                        for key, owner_key in rows
                        if owner_key is not None and owner_key not in self.going[owner]
                    )
        for other, name in _pointing_at(model):
            reason = _("used by a %(what)s that stays") % {"what": other._meta.verbose_name}
            for batch in manifest.batches(self.going[model]):
                rows = other._base_manager.filter(**{f"{name}__in": batch})
                yield from ((key, reason) for key in self._from_outside(rows, other, name))

    def _from_outside(self, rows: Any, other: type[Model], name: str) -> Iterator[int]:
        """The keys that ``rows`` point at, of those rows that do not go themselves."""
        if other is LogEntry:
            types = {ContentType.objects.get_for_model(model).pk: model for model in self.written}
            for user, type_id, key in rows.values_list(name, "content_type_id", "object_id"):
                if not self._is_forgotten(types.get(type_id), key):
                    yield user
        elif other in PARTS:
            owner_field, owner = PARTS[other]
            for target, owner_key in rows.values_list(name, owner_field):
                if owner_key not in self.going[owner]:
                    yield target
        else:
            inside = self.going.get(other, set())
            yield from (target for target, key in rows.values_list(name, "pk") if key not in inside)

    def _is_forgotten(self, model: type[Model] | None, key: str | None) -> bool:
        """Whether a line of the change log is about a row of the demo that goes, or has gone."""
        if model is None or not key or not key.isdigit() or int(key) not in self.written[model]:
            return False
        return int(key) in self.going[model] or int(key) not in self.there[model]


def _pointing_at(model: type[Model]) -> Iterator[tuple[type[Model], str]]:
    """Every model with a foreign key to this one, and the name of that key; of all apps, also later ones."""
    for relation in model._meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ManyToOneRel) and relation.field.concrete:
            yield relation.related_model, relation.field.attname


# How it goes -----------------------------------------------------------------------------------------------------


@transaction.atomic
def _clear_opportunities(keys: list[int], census: _Census, by: User) -> None:
    """Delete opportunities by the operation, the running ones after losing them, and leave no line about it.

    One that somebody has changed at this very moment is left alone; the end then fails, and the next time says so.
    """
    reason = CloseReason.objects.create(code="DEMO-CLEAR", outcome=Outcome.LOST, description="–")
    for opportunity in Opportunity.objects.filter(pk__in=keys).order_by("pk"):
        if census.is_changed(opportunity):
            continue
        if opportunity.is_in_progress:
            operations.close(
                opportunity=opportunity,
                outcome=Outcome.LOST,
                reason=reason,
                by=by,
                on=operations.default_date(opportunity),
                seen=opportunity.version,
            )
        operations.delete(opportunity=opportunity, by=by, on=today(), seen=opportunity.version)
        _forget_lines(Opportunity, [opportunity.pk])
    reason.delete()


def _forget(census: _Census) -> None:
    """Remove the lines about rows that go; of rows that somebody has deleted, only the demo's own line."""
    for model, prints in census.written.items():
        content_type = ContentType.objects.get_for_model(model)
        _forget_lines(model, census.going[model])
        for batch in manifest.batches(set(prints) - census.there[model]):
            manifest.lines().filter(
                content_type=content_type, object_id__in=[str(key) for key in batch]
            ).delete()


def _forget_lines(model: type[Model], keys: Any) -> None:
    content_type = ContentType.objects.get_for_model(model)
    for batch in manifest.batches(keys):
        LogEntry.objects.filter(content_type=content_type, object_id__in=[str(key) for key in batch]).delete()


def _clear_the_rest(going: Keys) -> None:
    """Delete what nothing points at any more, each before what it points at itself."""
    Team.objects.filter(pk__in=going[Team]).update(manager=None)
    people, everybody = Contact.objects.filter(kind=ContactKind.PERSON), Contact.objects.all()
    for model in ORDER:
        for rows in (people, everybody) if model is Contact else (model._base_manager.all(),):
            for batch in manifest.batches(going[model]):
                rows.filter(pk__in=batch).delete()


def _close_sign_ins(kept: list[Kept]) -> list[str]:
    """Nobody goes on signing in with a password that is printed in the manual."""
    closed = []
    for user in (row for row, _why in kept if isinstance(row, User)):
        if user.is_active and user.check_password(PASSWORD):
            user.is_active = False
            user.set_unusable_password()
            user.save(update_fields=["is_active", "password"])
            closed.append(user.email)
    return closed
