"""Opportunities and their ledger.

An ``Opportunity`` is what is true now, in one row. An ``OpportunityEntry`` is a full copy of what was true from
one date to the next; entries are only ever added. Both share ``Facts``. ``operations.py`` is the only writer:
saving or deleting either model any other way raises ``OnlyThroughOperations``.
"""

import hashlib
import json
from datetime import UTC, date
from decimal import Decimal
from typing import Any, NoReturn

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from crm.dates import today
from crm.fields import CodeField, ExactMoneyField, MoneyField, PercentField, ProbabilityField, between
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, User


class Status(models.TextChoices):
    """Where an opportunity stands."""

    NOT_STARTED = "NOT_STARTED", _("Not started")
    IN_PROGRESS = "IN_PROGRESS", _("In progress")
    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")


OPEN_STATUSES = (Status.NOT_STARTED, Status.IN_PROGRESS)
CLOSED_STATUSES = (Status.WON, Status.LOST)


class Outcome(models.TextChoices):
    """How an opportunity ends; the values are those of ``Status``."""

    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")


class Priority(models.TextChoices):
    """How much attention an opportunity deserves."""

    LOW = "LOW", _("Low")
    NORMAL = "NORMAL", _("Normal")
    HIGH = "HIGH", _("High")


class Action(models.TextChoices):
    """What a ledger entry records; computed by the operation, never chosen."""

    CREATED = "CREATED", _("Created")
    STARTED = "STARTED", _("Started")
    NEXT = "NEXT", _("Moved to the next stage")
    SKIPPED = "SKIPPED", _("Moved forward, skipping")
    PREVIOUS = "PREVIOUS", _("Moved to the previous stage")
    JUMPED = "JUMPED", _("Moved back")
    UPDATED = "UPDATED", _("Estimate updated")
    REASSIGNED = "REASSIGNED", _("Reassigned")
    WON = "WON", _("Won")
    LOST = "LOST", _("Lost")
    REOPENED = "REOPENED", _("Reopened")
    UNDONE = "UNDONE", _("Undone")


MOVES = (Action.NEXT, Action.SKIPPED, Action.PREVIOUS, Action.JUMPED)


class OnlyThroughOperations(RuntimeError):
    """Somebody tried to write an opportunity or an entry past ``opportunities.operations``."""


class GuardedQuerySet(models.QuerySet[Any]):
    """Reads freely and refuses every bulk write."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OnlyThroughOperations(f"{self.model.__name__} is written by opportunities.operations alone.")

    update = delete = bulk_create = bulk_update = _refuse
    update_or_create = get_or_create = create = _refuse


class GuardedModel(models.Model):
    """A model that only ``operations.py`` saves and deletes (through ``models.Model`` itself)."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: call an operation."""
        raise OnlyThroughOperations(f"{type(self).__name__} is written by opportunities.operations alone.")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: call an operation."""
        raise OnlyThroughOperations(f"{type(self).__name__} is deleted by opportunities.operations alone.")


class CloseReason(models.Model):
    """Why an opportunity was won or lost."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another close reason has this code.")},
    )
    outcome = models.CharField(_("outcome"), max_length=4, choices=Outcome)
    description = models.CharField(_("description"), max_length=100)
    is_active = models.BooleanField(
        _("in use"), default=True, help_text=_("A retired reason keeps its history, but is offered no more.")
    )

    class Meta:
        verbose_name = _("close reason")
        verbose_name_plural = _("close reasons")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="close_reason_code_given",
                violation_error_message=_("A close reason needs a code."),
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values),
                name="close_reason_outcome_known",
                violation_error_message=_("A close reason is for won or for lost."),
            ),
        ]

    def __str__(self) -> str:
        return self.description

    def get_absolute_url(self) -> str:
        return reverse("opportunities:reason-edit", args=[self.pk])


FACTS = (
    "status",
    "cycle_id",
    "stage_id",
    "stage_entered_on",
    "contact_id",
    "company_id",
    "salesperson_id",
    "probability_method",
    "estimated_value",
    "chance_percent",
    "completed_percent",
    "probability_percent",
    "calculated_value",
    "estimated_close_on",
    "closed_on",
    "close_reason_id",
)

NOT_CLOSED = Q(closed_on__isnull=True, close_reason__isnull=True)
FACT_LAWS: list[models.BaseConstraint] = [
    models.CheckConstraint(
        condition=Q(status__in=Status.values),
        name="%(class)s_status_known",
        violation_error_message=_("A status is not started, in progress, won or lost."),
    ),
    models.CheckConstraint(
        condition=Q(probability_method__in=ProbabilityMethod.values),
        name="%(class)s_method_known",
        violation_error_message=_("A probability is computed in one of four ways."),
    ),
    models.CheckConstraint(
        condition=Q(estimated_value__gte=0),
        name="%(class)s_value_not_negative",
        violation_error_message=_("An estimated value cannot be negative."),
    ),
    models.CheckConstraint(
        condition=Q(calculated_value__gte=0),
        name="%(class)s_calculated_not_negative",
        violation_error_message=_("A calculated value cannot be negative."),
    ),
    models.CheckConstraint(
        condition=between("chance_percent"),
        name="%(class)s_chance_0_to_100",
        violation_error_message=_("The chance of success lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=between("completed_percent"),
        name="%(class)s_completed_0_to_100",
        violation_error_message=_("Completed lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=between("probability_percent"),
        name="%(class)s_probability_0_to_100",
        violation_error_message=_("A probability lies between 0 and 100 percent."),
    ),
    models.CheckConstraint(
        condition=Q(stage__isnull=True, stage_entered_on__isnull=True)
        | Q(stage__isnull=False, stage_entered_on__isnull=False),
        name="%(class)s_stage_and_since_when",
        violation_error_message=_("An opportunity in a stage has the date it entered; others have neither."),
    ),
    models.CheckConstraint(
        condition=(Q(status__in=OPEN_STATUSES) & NOT_CLOSED)
        | Q(status__in=CLOSED_STATUSES, closed_on__isnull=False, close_reason__isnull=False),
        name="%(class)s_closed_with_date_and_reason",
        violation_error_message=_(
            "A closed opportunity has a closing date and a reason; an open one has neither."
        ),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.NOT_STARTED) | Q(stage__isnull=True),
        name="%(class)s_not_started_has_no_stage",
        violation_error_message=_("An opportunity that is not started is in no stage."),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.IN_PROGRESS)
        | Q(
            stage__isnull=False,
            estimated_value__isnull=False,
            estimated_value__gt=0,
            chance_percent__isnull=False,
            chance_percent__gt=0,
            estimated_close_on__isnull=False,
        ),
        name="%(class)s_in_progress_is_estimated",
        violation_error_message=_(
            "An opportunity in progress has a stage, a value above 0, a chance above 0 and an estimated closing date."
        ),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.WON)
        | Q(
            completed_percent=100,
            chance_percent__isnull=False,
            chance_percent=100,
            probability_percent=100,
            calculated_value__gt=0,
        ),
        name="%(class)s_won_is_certain",
        violation_error_message=_("A won opportunity is certain and has a sale amount above 0."),
    ),
    models.CheckConstraint(
        condition=~Q(status=Status.LOST)
        | Q(
            completed_percent=100,
            chance_percent__isnull=False,
            chance_percent=0,
            probability_percent=0,
            calculated_value=0,
        ),
        name="%(class)s_lost_is_worth_nothing",
        violation_error_message=_("A lost opportunity has no chance and no calculated value."),
    ),
]


class Facts(GuardedModel):
    """What is true of an opportunity at one moment: the part that an opportunity and its entries share."""

    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.NOT_STARTED)
    cycle = models.ForeignKey(
        SalesCycle, verbose_name=_("sales cycle"), on_delete=models.PROTECT, related_name="+"
    )
    stage = models.ForeignKey(
        SalesCycleStage,
        verbose_name=_("stage"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    stage_entered_on = models.DateField(_("in this stage since"), null=True, blank=True)
    contact = models.ForeignKey(
        Contact, verbose_name=_("contact"), on_delete=models.PROTECT, related_name="+"
    )
    company = models.ForeignKey(
        Contact,
        verbose_name=_("company"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    salesperson = models.ForeignKey(
        Salesperson, verbose_name=_("salesperson"), on_delete=models.PROTECT, related_name="+"
    )
    probability_method = models.CharField(
        _("probability computed as"), max_length=9, choices=ProbabilityMethod
    )
    estimated_value = MoneyField(_("estimated value"), null=True, blank=True)
    chance_percent = PercentField(_("chance of success %"), null=True, blank=True)
    completed_percent = PercentField(_("completed %"), default=Decimal(0))
    probability_percent = ProbabilityField(_("probability %"), default=Decimal(0))
    calculated_value = ExactMoneyField(_("calculated value"), default=Decimal(0))
    estimated_close_on = models.DateField(_("estimated close"), null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    close_reason = models.ForeignKey(
        CloseReason,
        verbose_name=_("close reason"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        abstract = True

    @property
    def is_closed(self) -> bool:
        """Whether it is won or lost."""
        return self.status in CLOSED_STATUSES

    @property
    def is_in_progress(self) -> bool:
        """Whether it stands in a stage and can move."""
        return self.status == Status.IN_PROGRESS

    @property
    def is_not_started(self) -> bool:
        """Whether it has never entered a stage."""
        return self.status == Status.NOT_STARTED

    @property
    def has_estimate(self) -> bool:
        """Whether value, chance and closing date are all known."""
        return None not in (self.estimated_value, self.chance_percent, self.estimated_close_on)

    @property
    def is_overdue(self) -> bool:
        """Whether its estimated closing date has passed while it is in progress."""
        return (
            self.is_in_progress and self.estimated_close_on is not None and self.estimated_close_on < today()
        )

    def facts(self) -> dict[str, Any]:
        """The shared part by attribute name, to copy or compare."""
        return {name: getattr(self, name) for name in FACTS}


class OpportunityQuerySet(GuardedQuerySet):
    """Opportunities in business words."""

    def visible_to(self, user: User) -> "OpportunityQuerySet":
        """Those a user may see under the visibility setting."""
        if user.sees_everything():
            return self.all()
        if not user.may_read():
            return self.none()
        return self.filter(salesperson__in=Salesperson.objects.seen_by(user).values("pk"))

    def workable_by(self, user: User) -> "OpportunityQuerySet":
        """Those a user may change."""
        if user.is_superuser and user.is_active:
            return self.all()
        return self.filter(salesperson__in=Salesperson.objects.worked_by(user).values("pk"))

    def open(self) -> "OpportunityQuerySet":
        """Not started or in progress."""
        return self.filter(status__in=OPEN_STATUSES)

    def closed(self) -> "OpportunityQuerySet":
        """Won or lost."""
        return self.filter(status__in=CLOSED_STATUSES)

    def of_contact(self, contact: Contact) -> "OpportunityQuerySet":
        """Those of a person, or of a company and everybody in it."""
        if contact.is_company:
            return self.filter(company=contact)
        return self.filter(contact=contact)

    def of_salesperson(self, salesperson: Salesperson) -> "OpportunityQuerySet":
        """Those that belong to a salesperson now."""
        return self.filter(salesperson=salesperson)

    def with_names(self) -> "OpportunityQuerySet":
        """With all that a row of a list names."""
        return self.select_related("contact__company", "company", "salesperson", "stage", "cycle")


class Opportunity(Facts):
    """A chance to sell something to a contact, as it is now."""

    number = models.CharField(_("number"), max_length=20, unique=True)
    external_id = models.CharField(
        _("external id"),
        max_length=100,
        blank=True,
        help_text=_("The key of this opportunity in the system it was imported from."),
    )
    description = models.CharField(_("description"), max_length=100)
    priority = models.CharField(_("priority"), max_length=6, choices=Priority, default=Priority.NORMAL)
    created_on = models.DateField(_("created on"))
    changed_on = models.DateField(_("changed on"))
    version = models.PositiveIntegerField(_("version"), help_text=_("The sequence of the newest entry."))

    objects = OpportunityQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"  # relations, too, read and refuse through it
        verbose_name = _("opportunity")
        verbose_name_plural = _("opportunities")
        indexes = [
            # the list: open ones by estimated close, for everybody and for one salesperson
            models.Index(fields=["status", "estimated_close_on", "id"], name="opportunity_status_close_idx"),
            models.Index(
                fields=["salesperson", "status", "estimated_close_on", "id"],
                name="opportunity_person_close_idx",
            ),
            # the panel on a company's page
            models.Index(fields=["company", "-created_on", "-id"], name="opportunity_company_idx"),
            # the list by date of creation, and the admin's date hierarchy
            models.Index(fields=["created_on", "id"], name="opportunity_created_idx"),
        ]
        constraints = [
            *FACT_LAWS,
            models.CheckConstraint(
                condition=~Q(number=""),
                name="opportunity_number_given",
                violation_error_message=_("An opportunity needs a number."),
            ),
            models.CheckConstraint(
                condition=~Q(description=""),
                name="opportunity_description_given",
                violation_error_message=_("An opportunity needs a description."),
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values),
                name="opportunity_priority_known",
                violation_error_message=_("A priority is low, normal or high."),
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1),
                name="opportunity_has_an_entry",
                violation_error_message=_("An opportunity has at least one ledger entry."),
            ),
            models.CheckConstraint(
                condition=Q(changed_on__gte=F("created_on")),
                name="opportunity_changed_after_created",
                violation_error_message=_("An opportunity cannot change before it was created."),
            ),
            models.CheckConstraint(
                condition=Q(closed_on__isnull=True) | Q(closed_on__gte=F("created_on")),
                name="opportunity_closed_after_created",
                violation_error_message=_("An opportunity cannot be closed before it was created."),
            ),
            models.UniqueConstraint(
                fields=["external_id"],
                condition=~Q(external_id=""),
                name="opportunity_external_id_unique",
                violation_error_message=_("Another opportunity has this external id."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.description}"

    def get_absolute_url(self) -> str:
        return reverse("opportunities:detail", args=[self.pk])

    @property
    def buyer(self) -> Contact:
        """Who buys: the company, which a lone person may have joined meanwhile, or the person who has none."""
        return self.company or self.contact.company or self.contact


class OpportunityEntryQuerySet(GuardedQuerySet):
    """Ledger entries in business words."""

    def newest_first(self) -> "OpportunityEntryQuerySet":
        """The history as one reads it."""
        return self.order_by("-sequence")

    def with_names(self) -> "OpportunityEntryQuerySet":
        """With all that a line of the history names."""
        return self.select_related(
            "stage", "previous_stage", "contact", "company", "salesperson", "close_reason", "recorded_by"
        )


class OpportunityEntry(Facts):
    """What was true of an opportunity from one date to the next; added by an operation, never changed."""

    opportunity = models.ForeignKey(
        Opportunity, verbose_name=_("opportunity"), on_delete=models.CASCADE, related_name="entries"
    )
    sequence = models.PositiveIntegerField(_("sequence"))
    action = models.CharField(_("action"), max_length=10, choices=Action)
    changed_on = models.DateField(_("holds from"))
    ended_on = models.DateField(_("until"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.ForeignKey(
        User, verbose_name=_("recorded by"), on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(_("note"), max_length=2000, blank=True)
    previous_stage = models.ForeignKey(
        SalesCycleStage,
        verbose_name=_("previous stage"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    stage_description = models.CharField(_("stage as it was called"), max_length=100, blank=True)
    seal = models.CharField(
        _("seal"), max_length=64, help_text=_("A hash over this entry and the seal of the one before.")
    )

    objects = OpportunityEntryQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("opportunity entry")
        verbose_name_plural = _("opportunity entries")
        constraints = [
            *FACT_LAWS,
            models.CheckConstraint(
                condition=Q(action__in=Action.values),
                name="entry_action_known",
                violation_error_message=_("This is not something a ledger entry can record."),
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=1),
                name="entry_sequence_from_one",
                violation_error_message=_("Entries are counted from 1."),
            ),
            models.UniqueConstraint(
                fields=["opportunity", "sequence"],
                name="entry_sequence_unique",
                violation_error_message=_("Two entries of an opportunity cannot have the same sequence."),
            ),
            models.UniqueConstraint(
                fields=["opportunity"],
                condition=Q(ended_on__isnull=True),
                name="entry_one_open_ended",
                violation_error_message=_("Only the newest entry of an opportunity is open-ended."),
            ),
            models.CheckConstraint(
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=F("changed_on")),
                name="entry_ends_after_it_begins",
                violation_error_message=_("An entry cannot end before it begins."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opportunity_id}/{self.sequence} {self.get_action_display()}"

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        stage = self.stage_description
        match Action(self.action):
            case Action.CREATED:
                return gettext("Created")
            case Action.STARTED:
                return gettext("Started in %(stage)s") % {"stage": stage}
            case Action.NEXT:
                return gettext("Moved to %(stage)s") % {"stage": stage}
            case Action.SKIPPED:
                return gettext("Skipped to %(stage)s") % {"stage": stage}
            case Action.PREVIOUS | Action.JUMPED:
                return gettext("Moved back to %(stage)s") % {"stage": stage}
            case Action.UPDATED:
                return gettext("Estimate updated in %(stage)s") % {"stage": stage}
            case Action.REASSIGNED:
                return gettext("Reassigned")
            case Action.WON:
                return gettext("Won")
            case Action.LOST:
                return gettext("Lost")
            case Action.REOPENED:
                return gettext("Reopened")
            case Action.UNDONE:
                return gettext("Last change undone")

    def compute_seal(self, before: str) -> str:
        """SHA-256 over what this entry says and the ``before`` seal, in hexadecimal; an ended one has a second seal on it.

        What follows by arithmetic (probability, calculated value of an open opportunity) is left out; the ledger's
        verification recomputes it.
        """
        amount = self.calculated_value if self.status == Status.WON else None
        said = [
            before,
            self.opportunity_id,
            self.sequence,
            self.action,
            self.changed_on.isoformat(),
            self.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.recorded_by_id,
            self.note,
            self.status,
            self.cycle_id,
            self.stage_id,
            self.stage_entered_on,
            self.previous_stage_id,
            self.stage_description,
            self.contact_id,
            self.company_id,
            self.salesperson_id,
            self.probability_method,
            _fixed(self.estimated_value),
            _fixed(self.chance_percent),
            _fixed(self.completed_percent),
            _fixed(amount),
            self.estimated_close_on,
            self.closed_on,
            self.close_reason_id,
        ]
        text = json.dumps(["" if part is None else str(part) for part in said], ensure_ascii=False)
        seal = hashlib.sha256(text.encode()).hexdigest()
        return seal if self.ended_on is None else ended_seal(seal, self.ended_on)


def ended_seal(seal: str, ended_on: date) -> str:
    """The seal of an entry once another follows it: the first one is gone then, so nobody can make it the newest again."""
    return hashlib.sha256(f"{seal} {ended_on.isoformat()}".encode()).hexdigest()


def _fixed(number: Decimal | None) -> str:
    """A number with two decimals, the same before and after it was stored."""
    return "" if number is None else f"{number:.2f}"
