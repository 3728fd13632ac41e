"""Salespeople, teams, and who signs in with which role.

A sales manager gives and takes the roles Salesperson and Viewer and nothing above them: superusers stay out of
sight, and other sales managers (and oneself) can be read, not changed. Nobody deletes a user; taking away
"may sign in" closes the door and keeps the name in the history.
"""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, SetUnusablePasswordMixin, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from crm.admin import WORK, RoleAdmin, person
from salespeople.models import Role, Salesperson, Team, User

GIVEN_BY_MANAGERS = frozenset({Role.SALESPERSON.value, Role.VIEWER.value})

admin.site.unregister(Group)  # the roles are three, known by name; one is given on the page of a user


@admin.register(Team)
class TeamAdmin(RoleAdmin):
    """Teams and their managers."""

    managers_may = WORK
    list_display = ["code", "name", "manager", "member_count"]
    list_select_related = ["manager"]
    search_fields = ["code", "name"]
    ordering = ["code"]
    autocomplete_fields = ["manager"]
    instead_of_deleting = _("Give its members another team first.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(member_count=Count("members"))

    @admin.display(description=_("members"), ordering="member_count")
    def member_count(self, team: Any) -> int:
        """How many people are in it."""
        return int(team.member_count)


@admin.register(Salesperson)
class SalespersonAdmin(RoleAdmin):
    """The people who sell."""

    managers_may = WORK
    list_display = ["code", "name", "job_title", "team", "user", "is_blocked"]
    list_select_related = ["team", "user"]
    list_filter = ["is_blocked", "team"]
    search_fields = ["code", "name", "email"]
    ordering = ["code"]
    autocomplete_fields = ["team", "user"]
    fields = ["code", "name", "job_title", "email", "phone", "team", "user", "is_blocked"]
    instead_of_deleting = _("Block this salesperson instead: what is there stays, nothing new is given.")

    def get_readonly_fields(self, request: HttpRequest, obj: Salesperson | None = None) -> list[str]:
        """The sign-in of a superuser is changed by superusers only."""
        belongs_to_superuser = obj is not None and obj.user is not None and obj.user.is_superuser
        return ["user"] if belongs_to_superuser and not person(request).is_superuser else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = users_seen_by(person(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def users_seen_by(user: User) -> QuerySet[User]:
    """The sign-ins in the admin: superusers are seen by superusers only."""
    return User.objects.all() if user.is_superuser else User.objects.filter(is_superuser=False)


class UserAddForm(AdminUserCreationForm[User]):
    """A new sign-in, with a password or without."""

    usable_password = SetUnusablePasswordMixin.create_usable_password_field(
        _("Without a password one cannot sign in until a manager sets one.")
    )

    class Meta:
        model = User
        fields = ["email", "name"]
        field_classes: dict[str, type[forms.Field]] = {}


class UserForm(UserChangeForm[User]):
    """A sign-in; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type[forms.Field]] = {}


@admin.register(User)
class UserAdmin(RoleAdmin, DjangoUserAdmin[User]):
    """Who signs in, and with which role."""

    managers_may = WORK
    nobody_may = frozenset({"delete"})
    form = UserForm
    add_form = UserAddForm
    actions = []
    list_display = ["email", "name", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "groups"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined"]
    add_fieldsets = (
        (None, {"fields": ["email", "name", "groups"]}),
        (_("Password"), {"fields": ["usable_password", "password1", "password2"]}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        seen = users_seen_by(person(request)).values("pk")
        return super().get_queryset(request).filter(pk__in=seen).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """What there is of a user; what raises privileges is there for superusers only."""
        if obj is None:
            return self.add_fieldsets
        sign_in = ["email", "password"] if self.has_change_permission(request, obj) else ["email"]
        role = ["is_active", "groups"]
        if person(request).is_superuser:
            role += ["is_staff", "is_superuser"]
        return [
            (None, {"fields": sign_in}),
            (_("Person"), {"fields": ["name", "time_zone", "language", "theme"]}),
            (_("What this person may do"), {"fields": role}),
            (_("Dates"), {"fields": ["last_login", "date_joined"]}),
        ]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Sales managers change those below them: nobody who has another role, not even a sign-in that is closed."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or person(request).is_superuser:
            return True
        return not obj.is_superuser and not obj.is_staff and obj.role_names <= GIVEN_BY_MANAGERS

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "time_zone":
            names = sorted(available_timezones())
            return forms.ChoiceField(
                label=capfirst(db_field.verbose_name),
                choices=[(name, name) for name in names],
                initial=db_field.default,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The roles that the person may give."""
        if db_field.name == "groups":
            roles = Group.objects.order_by("name")
            is_superuser = person(request).is_superuser
            kwargs["queryset"] = roles if is_superuser else roles.filter(name__in=GIVEN_BY_MANAGERS)
            kwargs["widget"] = forms.CheckboxSelectMultiple
            kwargs["label"] = _("Roles")
            kwargs["help_text"] = _("Without a role one can sign in, but sees nothing.")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        """The names of the user's roles."""
        names = sorted(group.name for group in user.groups.all())
        return ", ".join(["Superuser", *names] if user.is_superuser else names)
