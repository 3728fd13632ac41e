"""Forms for signing in, one's own preferences, salespeople and teams."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.seen import SeenForm
from salespeople.models import Salesperson, SalespersonQuerySet, Team, User

AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)  # what time zones are named after; the other names are older ones for the same zones


class SignInForm(AuthenticationForm):
    """E-mail address and password; a refusal does not tell which of the two is wrong."""

    username = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    error_messages = {
        "invalid_login": gettext_lazy(
            "This e-mail address and this password do not belong together. Check both, then try again."
        ),
        "inactive": gettext_lazy(
            "This e-mail address and this password do not belong together. Check both, then try again."
        ),
    }

    def clean_username(self) -> str:
        """The address as it is stored: in lower case."""
        return str(self.cleaned_data["username"]).lower()


def time_zone_choices(current: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Time zones by continent, UTC, and the present one even when its name is an old one."""
    names = sorted(name for name in available_timezones() if name.split("/")[0] in AREAS)
    groups = [
        (area, [(name, name.partition("/")[2].replace("_", " ").replace("/", ", ")) for name in zones])
        for area, zones in groupby(names, key=lambda name: name.split("/")[0])
    ]
    others = sorted({"UTC", current} - set(names))
    return [*groups, (_("Other"), [(name, name) for name in others])]


class PreferencesForm(forms.ModelForm[User]):
    """How somebody is called, reads times, words and pages, works with them, and gets e-mail."""

    class Meta:
        model = User
        fields = [
            "name",
            "language",
            "time_zone",
            "theme",
            "density",
            "start_page",
            "allows_shortcuts",
            "gets_reminders",
            "reminded_before",
            "gets_digest",
        ]
        help_texts = {
            "time_zone": gettext_lazy("“Today” begins at midnight here."),
            "density": gettext_lazy("Compact shows more rows on a large screen."),
            "start_page": gettext_lazy("What opens after signing in, and behind the mark of Kansen."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"] = forms.ChoiceField(
            label=self.fields["time_zone"].label,
            help_text=self.fields["time_zone"].help_text,
            choices=time_zone_choices(self.instance.time_zone),
        )


class ThemeForm(forms.ModelForm[User]):
    """The switch in the user's menu."""

    class Meta:
        model = User
        fields = ["theme"]


class SalespersonFilterForm(forms.Form):
    """What the list of salespeople is narrowed to."""

    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=100)
    team = forms.ModelChoiceField(
        Team.objects.order_by("name", "pk"),
        label=gettext_lazy("Team"),
        required=False,
        empty_label=gettext_lazy("All teams"),
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def filter(self, queryset: SalespersonQuerySet) -> SalespersonQuerySet:
        """The salespeople that are asked for; what cannot be understood narrows nothing."""
        self.is_valid()
        if self.cleaned_data.get("q"):
            queryset = queryset.matching(self.cleaned_data["q"])
        if self.cleaned_data.get("team"):
            queryset = queryset.in_team(self.cleaned_data["team"])
        return queryset

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for."""
        return any(self.cleaned_data.values())


class SalespersonForm(SeenForm[Salesperson]):
    """Somebody who sells."""

    class Meta:
        model = Salesperson
        fields = ["name", "code", "job_title", "team", "email", "phone", "user", "is_blocked"]
        help_texts = {
            "code": gettext_lazy("Short, and kept in capitals: the initials, for example."),
            "user": gettext_lazy(
                "The person who signs in and works under this name. Sign-ins are made in the admin."
            ),
        }

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        team, user = self.fields["team"], self.fields["user"]
        assert isinstance(team, forms.ModelChoiceField)
        assert isinstance(user, forms.ModelChoiceField)
        team.queryset = Team.objects.order_by("name", "pk")
        team.empty_label = _("No team")
        user.queryset = User.objects.without_salesperson(self.instance.user_id)
        user.empty_label = _("Does not sign in")
        if not by.is_superuser:  # who runs the site stays out of sight, and keeps the sign-in
            user.queryset = user.queryset.filter(is_superuser=False)
            if self.instance.user is not None and self.instance.user.is_superuser:
                del self.fields["user"]


class TeamForm(SeenForm[Team]):
    """Salespeople who work under one manager."""

    class Meta:
        model = Team
        fields = ["name", "code", "manager"]
        help_texts = {
            "code": gettext_lazy("Short, and kept in capitals."),
            "manager": gettext_lazy("A sales manager acts for everybody in the team."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manager = self.fields["manager"]
        assert isinstance(manager, forms.ModelChoiceField)
        manager.queryset = Salesperson.objects.offered(self.instance.manager_id)
        manager.empty_label = _("Nobody")
