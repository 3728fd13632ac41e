"""Who signs in, who sells, and in which team.

A ``User`` is a sign-in by e-mail address; what it may do follows from its groups (``Role``) and from the
``Salesperson`` it belongs to. A salesperson need not sign in, and somebody who signs in need not sell.
"""

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from crm.fields import CodeField


class Role(models.TextChoices):
    """The groups that Kansen knows; the value is the name of the group."""

    SALESPERSON = "Salesperson", _("Salesperson")
    SALES_MANAGER = "Sales manager", _("Sales manager")
    VIEWER = "Viewer", _("Viewer")


class Theme(models.TextChoices):
    """How the pages look; AUTO follows the system."""

    AUTO = "AUTO", _("As the system")
    LIGHT = "LIGHT", _("Light")
    DARK = "DARK", _("Dark")


class Density(models.TextChoices):
    """How much room a row takes."""

    COMFORTABLE = "COMFORTABLE", _("Comfortable")
    COMPACT = "COMPACT", _("Compact")


class StartPage(models.TextChoices):
    """Where somebody comes in."""

    TODAY = "TODAY", _("Today")
    BOARD = "BOARD", _("Board")
    OPPORTUNITIES = "OPPORTUNITIES", _("Opportunities")


def default_language() -> str:
    """The language of a new user."""
    return str(settings.LANGUAGE_CODE)


class ReminderLead(models.IntegerChoices):
    """How many minutes before a task is due its reminder is sent."""

    TEN_MINUTES = 10, _("10 minutes")
    HALF_HOUR = 30, _("30 minutes")
    HOUR = 60, _("1 hour")
    DAY = 1440, _("1 day")


def offered_languages() -> list[tuple[str, Any]]:
    """The languages that Kansen speaks."""
    return list(settings.LANGUAGES)


def default_time_zone() -> str:
    """The time zone of a new user."""
    return str(settings.TIME_ZONE)


def validate_time_zone(value: str) -> None:
    """Refuse a name that is not a time zone."""
    if value not in available_timezones():
        raise ValidationError(_("“%(value)s” is not a time zone."), params={"value": value})


class UserManager(BaseUserManager["User"]):
    """Makes users, their e-mail address in lower case."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user; without a password the sign-in is closed until one is set."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who runs the site."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())

    def without_salesperson(self, current: int | None = None) -> "models.QuerySet[User]":
        """The sign-ins a salesperson may still be given, and the present one."""
        free = Q(salesperson__isnull=True, is_active=True)
        return self.filter(free | Q(pk=current)).order_by("name", "email")

    def for_commands(self) -> "User":
        """The closed sign-in in whose name ``manage.py`` commands work when none is given."""
        user, _created = self.get_or_create(
            email="operator@localhost",
            defaults={"name": "Operator", "is_active": False, "password": "!"},
        )
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A sign-in, by e-mail address."""

    email = models.EmailField(
        _("e-mail address"),
        unique=True,
        error_messages={"unique": _("Somebody signs in with this e-mail address already.")},
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )
    language = models.CharField(
        _("language"), max_length=10, choices=offered_languages, default=default_language
    )
    theme = models.CharField(_("appearance"), max_length=5, choices=Theme, default=Theme.AUTO)
    density = models.CharField(_("density"), max_length=11, choices=Density, default=Density.COMFORTABLE)
    start_page = models.CharField(_("first page"), max_length=13, choices=StartPage, default=StartPage.TODAY)
    allows_shortcuts = models.BooleanField(
        _("single keys"), default=True, help_text=_("Keys such as n and m do something when pressed alone.")
    )
    gets_reminders = models.BooleanField(
        _("reminders"), default=True, help_text=_("An e-mail before a task with a time is due.")
    )
    reminded_before = models.PositiveSmallIntegerField(
        _("how long before"), choices=ReminderLead, default=ReminderLead.HALF_HOUR
    )
    gets_digest = models.BooleanField(
        _("plan of the day"), default=True, help_text=_("An e-mail every morning with what is to do.")
    )
    changes_seen_at = models.DateTimeField(
        _("changes of others seen until"), null=True, blank=True, editable=False
    )
    is_active = models.BooleanField(
        _("may sign in"), default=True, help_text=_("Take this away instead of deleting somebody.")
    )
    is_staff = models.BooleanField(
        _("may open the admin"), default=False, help_text=_("Sales managers always may.")
    )
    date_joined = models.DateTimeField(_("added at"), default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                violation_error_message=_("Somebody signs in with this e-mail address already."),
            ),
            models.CheckConstraint(
                condition=~Q(email=""),
                name="user_email_given",
                violation_error_message=_("A user needs an e-mail address."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)

    @cached_property
    def role_names(self) -> frozenset[str]:
        """The names of the user's groups, read once per request."""
        return frozenset(self.groups.values_list("name", flat=True))

    @cached_property
    def own_salesperson(self) -> "Salesperson | None":
        """The salesperson this user is, read once per request."""
        return Salesperson.objects.filter(user=self).select_related("team").first()

    def is_manager(self) -> bool:
        """Whether the user works for a whole team and on the set-up tables."""
        return self.is_active and (self.is_superuser or Role.SALES_MANAGER in self.role_names)

    def may_sell(self) -> bool:
        """Whether the user may create opportunities and contacts."""
        return self.is_manager() or (self.is_active and Role.SALESPERSON in self.role_names)

    def may_read(self) -> bool:
        """Whether the user has any role at all."""
        return self.may_sell() or (self.is_active and Role.VIEWER in self.role_names)

    def sees_everything(self) -> bool:
        """Whether no visibility setting narrows what the user sees."""
        return self.may_read() and (
            self.is_superuser or Role.VIEWER in self.role_names or settings.VISIBILITY == "all"
        )


def group_of(role: Role) -> Group:
    """The Django group of a role, made when it is missing."""
    return Group.objects.get_or_create(name=role.value)[0]


class TeamQuerySet(models.QuerySet["Team"]):
    """Teams with what a list names."""

    def with_people(self) -> "TeamQuerySet":
        """With their manager, and their members by name."""
        members = models.Prefetch("members", Salesperson.objects.order_by("name", "pk"))
        return self.select_related("manager").prefetch_related(members)


class Team(models.Model):
    """Salespeople who work under one manager."""

    code = CodeField(
        _("code"),
        max_length=10,
        unique=True,
        error_messages={"unique": _("Another team has this code.")},
    )
    name = models.CharField(_("name"), max_length=50)
    manager = models.ForeignKey(
        "salespeople.Salesperson",
        verbose_name=_("manager"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="managed_teams",
    )

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="team_code_given",
                violation_error_message=_("A team needs a code."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("salespeople:team-edit", args=[self.pk])


class SalespersonQuerySet(models.QuerySet["Salesperson"]):
    """Salespeople by what they may be used for and by whom."""

    def assignable(self) -> "SalespersonQuerySet":
        """Those who may be given new opportunities."""
        return self.filter(is_blocked=False)

    def in_team(self, team: Team) -> "SalespersonQuerySet":
        """The members of a team."""
        return self.filter(team=team)

    def offered(self, current: int | None = None) -> "SalespersonQuerySet":
        """The choices of a form: the assignable ones by name, and the present one even when blocked."""
        return self.filter(Q(is_blocked=False) | Q(pk=current)).order_by("name", "pk")

    def matching(self, text: str) -> "SalespersonQuerySet":
        """Those in whose name or code every word of a search occurs."""
        found = self
        for word in text.split():
            found = found.filter(Q(name__icontains=word) | Q(code__icontains=word))
        return found

    def managed_by(self, user: User) -> "SalespersonQuerySet":
        """Those for whom a manager acts: the user, the teams the user manages or is in, and people without a team."""
        if not user.is_manager():
            return self.none()
        if user.is_superuser:
            return self.all()
        return self.filter(
            Q(user=user) | Q(team__isnull=True) | Q(team__manager__user=user) | Q(team__members__user=user)
        ).distinct()

    def worked_by(self, user: User) -> "SalespersonQuerySet":
        """Those in whose name the user may work on opportunities."""
        if user.is_manager():
            return self.managed_by(user)
        return self.filter(user=user) if user.may_sell() else self.none()

    def seen_by(self, user: User) -> "SalespersonQuerySet":
        """Those whose opportunities and contacts the user sees under the visibility setting."""
        if user.sees_everything():
            return self.all()
        if not user.may_sell():
            return self.none()
        if user.is_manager():
            return self.managed_by(user)
        if settings.VISIBILITY == "team":
            return self.filter(Q(user=user) | Q(team__members__user=user)).distinct()
        return self.filter(user=user)

    def visible_to(self, user: User) -> "SalespersonQuerySet":
        """The people in the list of salespeople: names are no secret to anybody with a role."""
        return self.all() if user.may_read() else self.none()


class Salesperson(models.Model):
    """Somebody who sells: the one an opportunity belongs to."""

    code = CodeField(
        _("code"),
        max_length=20,
        unique=True,
        error_messages={"unique": _("Another salesperson has this code.")},
    )
    name = models.CharField(_("name"), max_length=50)
    job_title = models.CharField(_("job title"), max_length=50, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    team = models.ForeignKey(
        Team,
        verbose_name=_("team"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="members",
    )
    user = models.OneToOneField(
        User,
        verbose_name=_("sign-in"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="salesperson",
        error_messages={"unique": _("Another salesperson uses this sign-in.")},
    )
    is_blocked = models.BooleanField(
        _("blocked"), default=False, help_text=_("Gets no new opportunities; what is there stays.")
    )

    objects = SalespersonQuerySet.as_manager()

    class Meta:
        verbose_name = _("salesperson")
        verbose_name_plural = _("salespeople")
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""),
                name="salesperson_code_given",
                violation_error_message=_("A salesperson needs a code."),
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="salesperson_name_given",
                violation_error_message=_("A salesperson needs a name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("salespeople:detail", args=[self.pk])
