"""An opportunity as it is now, in one row."""

from functools import cached_property

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.lookups import Lookup
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from activities.models import Task
from contacts.models import Contact
from crm.text import words_of
from opportunities.models.facts import (
    CLOSED_STATUSES,
    FACT_LAWS,
    OPEN_STATUSES,
    Facts,
    GuardedQuerySet,
    Priority,
)
from opportunities.models.steps import first_open_task, next_step_from
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, User


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

    def in_cycle(self, cycle: SalesCycle | None) -> "OpportunityQuerySet":
        """Those that are sold in one sales cycle."""
        return self.filter(cycle=cycle) if cycle else self.none()

    def in_stage(self, stage: SalesCycleStage | None) -> "OpportunityQuerySet":
        """Those that stand in a stage, or in none yet."""
        return self.filter(stage=stage) if stage else self.filter(stage__isnull=True)

    def of_contact(self, contact: Contact) -> "OpportunityQuerySet":
        """Those of a person, or of a company and everybody in it."""
        if contact.is_company:
            return self.filter(company=contact)
        return self.filter(contact=contact)

    def with_contact(self, contact: Contact) -> "OpportunityQuerySet":
        """Those of a contact, and those in which it is involved."""
        involved = Opportunity.objects.filter(people__contact=contact).values("pk")
        return self.filter(pk__in=Opportunity.objects.of_contact(contact).values("pk").union(involved))

    def of_salesperson(self, salesperson: Salesperson) -> "OpportunityQuerySet":
        """Those that belong to a salesperson now."""
        return self.filter(salesperson=salesperson)

    def matching(self, text: str) -> "OpportunityQuerySet":
        """Those in which every word of a search occurs: in the number, the description, the contact or the company."""
        found = self
        for word in words_of(text):
            found = found.having(Q(search_text__contains=word))
        return found

    def having(self, condition: Q | Lookup[bool]) -> "OpportunityQuerySet":
        """Those whose own text to search, or whose contact’s or company’s, meets a condition.

        Three sets are put together, because each can be found by an index, and either-or cannot.
        """
        contacts = Contact.objects.filter(condition).values("pk")
        everything = Opportunity.objects.all()
        own = everything.filter(condition).values("pk")
        through = [
            everything.filter(**{f"{name}__in": contacts}).values("pk") for name in ("contact", "company")
        ]
        return self.filter(pk__in=own.union(*through))

    def marked_workable_by(self, user: User) -> "OpportunityQuerySet":
        """With ``is_workable``: whether the user may change it."""
        mine = Opportunity.objects.workable_by(user).filter(pk=OuterRef("pk"))
        marked: OpportunityQuerySet = self.annotate(is_workable=Exists(mine))
        return marked

    def with_names(self) -> "OpportunityQuerySet":
        """With all that a row of a list names."""
        return self.select_related("contact__company", "company", "salesperson", "stage", "cycle")

    def with_next_step(self) -> "OpportunityQuerySet":
        """With the earliest open task, to be read as ``next_step``."""
        found: OpportunityQuerySet = self.annotate(first_task=first_open_task())
        return found


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
    search_text = models.TextField(
        _("text to search"), blank=True, editable=False, help_text=_("Number and description, normalised.")
    )

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
            # what was won or lost in a period
            models.Index(fields=["closed_on", "id"], name="opportunity_closed_idx"),
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

    @cached_property
    def next_step(self) -> Task | None:
        """What is to be done next: the earliest open task, for rows that were read ``with_next_step``."""
        return next_step_from(getattr(self, "first_task"))  # noqa: B009  # an annotation
