"""Which tasks a list is about: one checked query string."""

from datetime import date
from typing import Any

import django_filters as filters
from django import forms
from django.db.models import Model, Q
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Task, TaskKind, TaskPriority, TaskQuerySet
from contacts.models import Contact
from crm.templatetags.kansen import day
from crm.text import quoted, words_of
from opportunities import tasks
from opportunities.forms.filters import Chip, RowField, RowFilter, seen_by
from opportunities.models import Opportunity
from salespeople.models import Salesperson, Team, User

OF_THE_PAGE = frozenset({"sort", "after", "before", "view"})  # what an address says besides the filter
USUAL = ("q", "kind", "priority", "salesperson")
OF_THE_TABS = ("whose", "state")  # chosen above the list, so there is no chip for them


class TaskFilter(filters.FilterSet):  # type: ignore[misc]
    """The filter of the list of tasks; without a word about it the reader's own open ones."""

    q = filters.CharFilter(label=gettext_lazy("Search"), method="search", max_length=100)
    whose = filters.ChoiceFilter(
        label=gettext_lazy("Whose"),
        choices=list(tasks.WHOSE.items()),
        widget=forms.HiddenInput,
        method="of_whom",
    )
    state = filters.ChoiceFilter(
        label=gettext_lazy("State"),
        choices=list(tasks.STATES.items()),
        widget=forms.HiddenInput,
        method="in_state",
    )
    kind = filters.ChoiceFilter(
        label=gettext_lazy("Kind"), choices=TaskKind.choices, empty_label=gettext_lazy("All")
    )
    priority = filters.ChoiceFilter(
        label=gettext_lazy("Priority"), choices=TaskPriority.choices, empty_label=gettext_lazy("All")
    )
    salesperson = RowFilter(
        label=gettext_lazy("Salesperson"),
        queryset=lambda request: seen_by(request.user).select_related("team"),
    )
    team = RowFilter(label=gettext_lazy("Team"), queryset=Team.objects.order_by("name"), method="of_team")
    on = filters.DateFilter(
        label=gettext_lazy("Due on"),
        method="on_day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    contact = filters.ModelChoiceFilter(
        label=gettext_lazy("Contact"),
        queryset=lambda request: Contact.objects.visible_to(request.user),
        widget=forms.HiddenInput,
        method="of_contact",
    )
    opportunity = filters.ModelChoiceFilter(
        label=gettext_lazy("Opportunity"),
        queryset=lambda request: Opportunity.objects.visible_to(request.user),
        widget=forms.HiddenInput,
    )

    class Meta:
        model = Task
        fields: list[str] = []

    def __init__(self, data: QueryDict, queryset: TaskQuerySet, *, request: Any) -> None:
        super().__init__(data, queryset, request=request)
        self.user: User = request.user
        self.form.label_suffix = ""
        self.form.auto_id = "filter-%s"
        for field in self.form.fields.values():
            if not isinstance(field.widget, forms.HiddenInput):
                is_select = isinstance(field.widget, forms.Select)
                field.widget.attrs["class"] = "form-select" if is_select else "form-control"
        self._read_teams_with_people()
        self._check()

    def _read_teams_with_people(self) -> None:
        """The teams of the people one sees come with them; of others there is nothing to list."""
        people, teams = self.form.fields["salesperson"], self.form.fields["team"]
        assert isinstance(people, RowField)
        assert isinstance(teams, RowField)

        def of_people() -> list[Model]:
            found = {team for person in people.rows.values() if (team := getattr(person, "team", None))}
            return sorted(found, key=str)

        teams.source = of_people

    def _check(self) -> None:
        """Refuse names that mean nothing here, and what is asked of somebody who sells nothing."""
        self.form.full_clean()
        if unknown := sorted(set(self.data) - set(self.filters) - OF_THE_PAGE):
            self.form.add_error(
                None,
                _("%(names)s is no filter of this page. Take it out of the address.")
                % {"names": quoted(unknown)},
            )
        if self.form.cleaned_data.get("whose") not in ("", None, *self.offered):
            self.form.add_error(
                None, _("You sell nothing yourself, so no task is yours. Look at everyone’s.")
            )

    @cached_property
    def offered(self) -> list[str]:
        """Whose tasks may be asked for, the usual one first."""
        return tasks.whose_offered(self.user)

    @cached_property
    def chosen_whose(self) -> str:
        """Whose tasks are asked for; a list about one thing or one person is about everybody’s."""
        asked: dict[str, Any] = self.form.cleaned_data
        about = any(asked.get(name) for name in ("contact", "opportunity", "salesperson", "team"))
        return asked.get("whose") or (tasks.ALL if about else self.offered[0])

    @cached_property
    def chosen_state(self) -> str:
        """In which state they are asked for."""
        return self.form.cleaned_data.get("state") or tasks.OPEN

    @cached_property
    def rows(self) -> TaskQuerySet:
        """What is asked for; nothing when the question makes no sense."""
        found: TaskQuerySet = self.qs if self.form.is_valid() else self.queryset.none()
        return found

    def filter_queryset(self, queryset: TaskQuerySet) -> TaskQuerySet:
        """Whose and in which state, then all that is asked for."""
        queryset = tasks.in_state(tasks.of_whom(queryset, self.user, self.chosen_whose), self.chosen_state)
        narrowed: TaskQuerySet = super().filter_queryset(queryset)
        return narrowed

    @property
    def default_sort(self) -> str:
        """What is to do in the order it is due, what is over with the newest first."""
        return "-closed_at" if self.chosen_state in (tasks.DONE, tasks.CANCELLED) else "due_at"

    @property
    def usual_fields(self) -> list[forms.BoundField]:
        """The fields that are in reach at once."""
        return [field for field in self.form.visible_fields() if field.name in USUAL]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """The fields that are shown on demand."""
        return [field for field in self.form.visible_fields() if field.name not in USUAL]

    @property
    def has_hidden_mistake(self) -> bool:
        """Whether something is wrong with a field that is shown on demand only."""
        return any(field.errors for field in self.other_fields)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for beyond whose and which state."""
        return bool(self.chips)

    @cached_property
    def chips(self) -> list[Chip]:
        """Everything that is asked for and understood, but for what the tabs say."""
        asked: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        return [
            Chip(name, str(self.form.fields[name].label), self._said(name, value), self._without(name))
            for name, value in asked.items()
            if value not in (None, "") and name not in OF_THE_TABS
        ]

    def _without(self, name: str) -> str:
        query = self.data.copy()
        for key in (name, "after", "before"):
            query.pop(key, None)
        return f"?{query.urlencode()}"

    def _said(self, name: str, value: Any) -> str:
        field = self.form.fields[name]
        if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            return str(dict(field.choices)[value])  # type: ignore[arg-type]
        if isinstance(value, date):
            return day(value)
        return str(value) if isinstance(value, Model) else f"“{value}”"

    # How each is understood; ``name`` is what django-filter calls the field

    def search(self, queryset: TaskQuerySet, name: str, value: str) -> TaskQuerySet:
        """Every word occurs in the description, or in a contact or an opportunity that the reader sees."""
        opportunity = contact = Q()
        if not self.user.sees_everything():
            opportunity = Q(opportunity__salesperson__in=Salesperson.objects.seen_by(self.user).values("pk"))
            contact = Q(contact__in=Contact.objects.visible_to(self.user).values("pk"))
        for word in words_of(value):
            queryset = queryset.filter(
                Q(description__icontains=word)
                | contact & Q(contact__search_text__contains=word)
                | opportunity & Q(opportunity__search_text__contains=word)
            )
        return queryset

    def of_whom(self, queryset: TaskQuerySet, name: str, value: str) -> TaskQuerySet:
        """Said for all in ``filter_queryset``."""
        return queryset

    def in_state(self, queryset: TaskQuerySet, name: str, value: str) -> TaskQuerySet:
        """Said for all in ``filter_queryset``."""
        return queryset

    def of_team(self, queryset: TaskQuerySet, name: str, value: Team) -> TaskQuerySet:
        """For the team, or for somebody in it."""
        return queryset.filter(Q(team=value) | Q(salesperson__team=value))

    def on_day(self, queryset: TaskQuerySet, name: str, value: date) -> TaskQuerySet:
        """Due on one day."""
        return tasks.with_day(queryset, value, value)

    def of_contact(self, queryset: TaskQuerySet, name: str, value: Contact) -> TaskQuerySet:
        """About a person, or about a company and everybody in it."""
        return queryset.of_contact(value)
