"""A task: what somebody, or a team, is to do by when."""

from datetime import date, datetime, time
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from activities.models.templates import Activity, TaskKind, TaskPriority
from contacts.models import Contact
from crm.fields import DateFormulaField
from salespeople.models import Salesperson, Team, User

LONGEST_DESCRIPTION = 200
LAST_OF_DAY = time(23, 59, 59)  # until when a task without a time can be done


class TaskStatus(models.TextChoices):
    """Where a task stands. One that waits for somebody else is an open one with a later date."""

    OPEN = "OPEN", _("Open")
    DONE = "DONE", _("Done")
    CANCELLED = "CANCELLED", _("Cancelled")


class RepeatsFrom(models.TextChoices):
    """From which date the next task of a series is counted."""

    DUE = "DUE", _("the day it was due")
    DONE = "DONE", _("the day it is done")


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day where a clock shows that zone's time."""
    return datetime.combine(day, LAST_OF_DAY, zone)


class TaskQuerySet(models.QuerySet["Task"]):
    """Tasks in business words."""

    def visible_to(self, user: User) -> "TaskQuerySet":
        """Those a user may see: of people and teams that the user sees, and about opportunities of theirs."""
        if user.sees_everything():
            return self.all()
        if not user.may_sell():
            return self.none()
        return self._of(user, Salesperson.objects.seen_by(user))

    def workable_by(self, user: User) -> "TaskQuerySet":
        """Those a user may change: own ones, those of own teams, and those about opportunities the user works on."""
        if user.is_superuser and user.is_active:
            return self.all()
        if not user.may_sell():
            return self.none()
        return self._of(user, Salesperson.objects.worked_by(user))

    def _of(self, user: User, people: "models.QuerySet[Salesperson]") -> "TaskQuerySet":
        own = Team.objects.filter(Q(members__user=user) | Q(manager__user=user))
        return self.filter(
            Q(salesperson__in=people.values("pk"))
            | Q(team__in=own.values("pk"))
            | Q(opportunity__salesperson__in=people.values("pk"))
        )

    def open(self) -> "TaskQuerySet":
        """Those that are still to be done."""
        return self.filter(status=TaskStatus.OPEN)

    def closed(self) -> "TaskQuerySet":
        """Done or cancelled."""
        return self.exclude(status=TaskStatus.OPEN)

    def closed_as(self, status: str) -> "TaskQuerySet":
        """Done ones, or cancelled ones; that each was closed at some time is said in the words of the index."""
        return self.filter(status=status, closed_at__isnull=False)

    def of_salesperson(self, salesperson: Salesperson | None) -> "TaskQuerySet":
        """Those that somebody is to do: own ones, and those of the team that anybody in it may take."""
        if salesperson is None:
            return self.none()
        own = Q(salesperson=salesperson)
        return self.filter(own | Q(team=salesperson.team_id)) if salesperson.team_id else self.filter(own)

    def of_contact(self, contact: Contact) -> "TaskQuerySet":
        """Those about a person, or about a company and everybody in it."""
        concerned = Contact.objects.filter(Q(pk=contact.pk) | Q(company=contact))
        return self.filter(contact__in=concerned.values("pk"))

    def due_by(self, at: datetime) -> "TaskQuerySet":
        """Those whose time has come by then."""
        return self.filter(due_at__lte=at)

    def overdue(self, at: datetime) -> "TaskQuerySet":
        """Those that were to be done before."""
        return self.filter(due_at__lt=at)

    def soonest_first(self) -> "TaskQuerySet":
        """In the order they are due."""
        return self.order_by("due_at", "pk")

    def with_names(self) -> "TaskQuerySet":
        """With all that a line of a list names."""
        return self.select_related("salesperson", "team", "contact", "opportunity", "closed_by")


class Task(models.Model):
    """Something to do by a day, or by a time of it, for one salesperson or for a team."""

    uid = models.UUIDField(
        _("uid"),
        default=uuid4,
        unique=True,
        editable=False,
        error_messages={"unique": _("Another task has this uid.")},
    )
    kind = models.CharField(_("kind"), max_length=7, choices=TaskKind, default=TaskKind.TODO)
    description = models.CharField(_("description"), max_length=LONGEST_DESCRIPTION)
    priority = models.CharField(
        _("priority"), max_length=6, choices=TaskPriority, default=TaskPriority.NORMAL
    )
    status = models.CharField(_("status"), max_length=9, choices=TaskStatus, default=TaskStatus.OPEN)
    due_on = models.DateField(_("due on"))
    due_time = models.TimeField(_("at"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, help_text=_("Where the date and time hold."))
    due_at = models.DateTimeField(
        _("due at"), editable=False, help_text=_("Date and time as one; without a time, the end of the day.")
    )
    salesperson = models.ForeignKey(
        Salesperson,
        verbose_name=_("salesperson"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="tasks",
    )
    team = models.ForeignKey(
        Team,
        verbose_name=_("team"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="tasks",
    )
    contact = models.ForeignKey(
        Contact,
        verbose_name=_("contact"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="tasks",
    )
    opportunity = models.ForeignKey(
        "opportunities.Opportunity",
        verbose_name=_("opportunity"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,  # one of those below begins with it
        related_name="tasks",
    )
    activity = models.ForeignKey(
        Activity,
        verbose_name=_("activity"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tasks",
    )
    made_by = models.ForeignKey(
        "opportunities.OpportunityEntry",
        verbose_name=_("made by"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tasks_made",
        help_text=_("The change of the opportunity that this task came with."),
    )
    cancelled_by = models.ForeignKey(
        "opportunities.OpportunityEntry",
        verbose_name=_("cancelled by"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tasks_cancelled",
        help_text=_("The change of the opportunity that this task was cancelled with."),
    )
    reopened_by = models.ForeignKey(
        "opportunities.OpportunityEntry",
        verbose_name=_("reopened by"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tasks_reopened",
        help_text=_("The change of the opportunity that took back its cancelling."),
    )
    handed_over_by = models.ForeignKey(
        "opportunities.OpportunityEntry",
        verbose_name=_("handed over by"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tasks_handed_over",
        help_text=_("The change of the opportunity that gave this task to its salesperson."),
    )
    repeats = DateFormulaField(_("repeats after"), help_text=_("Such as 1W or 1M; empty if it does not."))
    repeats_from = models.CharField(
        _("counted from"), max_length=4, choices=RepeatsFrom, default=RepeatsFrom.DUE
    )
    series_began_on = models.DateField(
        _("series began on"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("The due date that the series is counted from, so that the 31st stays the 31st."),
    )
    outcome = models.OneToOneField(
        "activities.Interaction",
        verbose_name=_("outcome"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="task",
        error_messages={"unique": _("This is the outcome of another task.")},
    )
    follows = models.OneToOneField(
        "self",
        verbose_name=_("follows"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="followed_by",
        error_messages={"unique": _("Another task follows that one already.")},
        help_text=_("The one before it in the series."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        db_index=False,  # nobody asks for it
        related_name="+",
    )
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("closed by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # nobody asks for it
        editable=False,
        related_name="+",
    )
    changed_at = models.DateTimeField(_("changed at"), editable=False)
    version = models.PositiveIntegerField(
        _("version"), default=1, editable=False, help_text=_("How often it was written.")
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            # what somebody, a team or everybody is to do, in the order it is due
            models.Index(
                fields=["salesperson", "due_at", "id"],
                condition=Q(status="OPEN"),
                name="task_person_open_idx",
            ),
            models.Index(
                fields=["team", "due_at", "id"], condition=Q(status="OPEN"), name="task_team_open_idx"
            ),
            models.Index(fields=["due_at", "id"], condition=Q(status="OPEN"), name="task_open_idx"),
            # the next step of an opportunity, and what is to do with a contact
            models.Index(
                fields=["opportunity", "due_at", "id"],
                condition=Q(status="OPEN"),
                name="task_next_step_idx",
            ),
            models.Index(fields=["contact", "due_at", "id"], name="task_contact_idx"),
            # what was done or cancelled, newest first: by everybody, about an opportunity, by somebody
            models.Index(
                fields=["status", "-closed_at", "-id"],
                condition=Q(closed_at__isnull=False),
                name="task_closed_idx",
            ),
            models.Index(
                fields=["opportunity", "status", "-closed_at", "-id"], name="task_opportunity_closed_idx"
            ),
            models.Index(fields=["salesperson", "-closed_at", "-id"], name="task_person_closed_idx"),
            # the calendar and its feed, open or closed: of everybody, of somebody, of a team
            models.Index(fields=["due_on", "id"], name="task_day_idx"),
            models.Index(fields=["salesperson", "due_on", "id"], name="task_person_day_idx"),
            models.Index(fields=["team", "due_on", "id"], name="task_team_day_idx"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(description=""),
                name="task_description_given",
                violation_error_message=_("A task needs a description."),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=TaskKind.values),
                name="task_kind_known",
                violation_error_message=_("A task is a call, a meeting, an e-mail or a to-do."),
            ),
            models.CheckConstraint(
                condition=Q(priority__in=TaskPriority.values),
                name="task_priority_known",
                violation_error_message=_("The priority of a task is low, normal or high."),
            ),
            models.CheckConstraint(
                condition=Q(salesperson__isnull=False, team__isnull=True)
                | Q(salesperson__isnull=True, team__isnull=False),
                name="task_has_one_doer",
                violation_error_message=_("A task is for a salesperson or for a team, and not for both."),
            ),
            models.CheckConstraint(
                condition=Q(status=TaskStatus.OPEN, closed_at__isnull=True, closed_by__isnull=True)
                | Q(
                    status__in=[TaskStatus.DONE, TaskStatus.CANCELLED],
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                ),
                name="task_closed_by_somebody",
                violation_error_message=_("A task is open, or somebody closed it at some time."),
            ),
            models.CheckConstraint(
                condition=~Q(time_zone=""),
                name="task_time_zone_given",
                violation_error_message=_("A task needs a time zone."),
            ),
            models.CheckConstraint(
                condition=Q(repeats_from__in=RepeatsFrom.values),
                name="task_repeats_from_known",
                violation_error_message=_(
                    "A task repeats from the day it was due or from the day it is done."
                ),
            ),
            models.CheckConstraint(
                condition=Q(repeats="", series_began_on__isnull=True)
                | (~Q(repeats="") & Q(series_began_on__isnull=False)),
                name="task_series_has_a_beginning",
                violation_error_message=_("A task that repeats has a day from which the series is counted."),
            ),
            models.CheckConstraint(
                condition=Q(cancelled_by__isnull=True) | Q(status=TaskStatus.CANCELLED),
                name="task_cancelled_by_change",
                violation_error_message=_("Only a cancelled task was cancelled by a change."),
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1),
                name="task_version_from_one",
                violation_error_message=_("Versions begin at 1."),
            ),
        ]

    def __str__(self) -> str:
        return self.description

    def get_absolute_url(self) -> str:
        return reverse("opportunities:task", args=[self.pk])

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.status == TaskStatus.OPEN

    @property
    def doer(self) -> Salesperson | Team:
        """Who is to do it."""
        doer = self.salesperson or self.team
        assert doer is not None  # the database says so
        return doer

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which date and time hold."""
        return ZoneInfo(self.time_zone)

    def due_in(self, zone: ZoneInfo) -> tuple[date, time | None]:
        """Date and time at which it is due on a clock of that zone; a day without a time is the same everywhere."""
        if self.due_time is None:
            return self.due_on, None
        there = self.due_at.astimezone(zone)
        return there.date(), there.time()

    @property
    def due_here(self) -> datetime | None:
        """When it is due on the clock of the reader; None without a time."""
        return timezone.localtime(self.due_at) if self.due_time is not None else None

    @property
    def due_day(self) -> date:
        """The day it is due, in the reader's time zone if it has a time."""
        here = self.due_here
        return here.date() if here else self.due_on

    @property
    def is_overdue(self) -> bool:
        """Whether it should have been done by now."""
        return self.is_open and self.due_at < timezone.now()

    def set_due(self, due_on: date, due_time: time | None, zone: str) -> None:
        """Put date and time, as they hold in a time zone, and the instant they mean."""
        self.due_on, self.due_time, self.time_zone = due_on, due_time, zone
        self.due_at = due_instant(due_on, due_time, ZoneInfo(zone))


def due_instant(due_on: date, due_time: time | None, zone: ZoneInfo) -> datetime:
    """The instant of a date and time; without a time, the end of the day.

    A time that the clock skips in spring is read as the one an hour later, one that it shows twice in autumn as the
    first of both (PEP 495).
    """
    if due_time is None:
        return day_end(due_on, zone)
    return datetime.combine(due_on, due_time, zone)
