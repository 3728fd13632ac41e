"""Which opportunities a page is about: one checked query string for the list, the board, exports and views.

Everything that is asked for is shown as a chip, and the words (``whose=ME``, ``closes=THIS_MONTH``) are read anew
for every reader and every day, so an address that is kept or passed on keeps its meaning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import django_filters as filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.forms.models import ModelChoiceIterator
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Contact
from crm.dates import PERIODS, period, today
from crm.forms import TypedDecimalField
from crm.templatetags.kansen import day, money
from crm.text import quoted
from opportunities import columns
from opportunities.attention import Attention, Need
from opportunities.due import end_of_today
from opportunities.models import (
    OPEN_STATUSES,
    CloseReason,
    Opportunity,
    OpportunityQuerySet,
    Priority,
    Status,
    overdue,
    with_task_due,
    without_next_step,
)
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team, User

OPEN, ALL = "OPEN", "ALL"
ME, TEAM = "ME", "TEAM"
PASSED = "PASSED"
ANYTHING = "ANY"
NO_STEP, LATE_STEP, STEP_TODAY = "NONE", "OVERDUE", "TODAY"
STEPS = {
    NO_STEP: gettext_lazy("None"),
    LATE_STEP: gettext_lazy("Overdue"),
    STEP_TODAY: gettext_lazy("Due by today"),
}
LARGEST = Decimal("999999999999.99")
OF_THE_PAGE = frozenset(
    {"sort", "after", "before", "columns", "view", "chosen", "column"}
)  # what an address says besides the filter
OF_A_VIEW = ("sort", "columns")  # of that, what is kept with a view
OPEN_ONES = "view=open"  # the address of a page that asks for nothing, said in so many words
USUAL = ("q", "status", "whose", "salesperson", "stage", "closes")  # in reach at once; the others on demand
SPANS = (
    ("value_from", "value_to"),
    ("closes_from", "closes_to"),
    ("closed_from", "closed_to"),
    ("created_from", "created_to"),
)


@dataclass(frozen=True)
class Chip:
    """One thing that is asked for, and the address of the page without it."""

    name: str
    label: str
    value: str
    url: str


class RowIterator(ModelChoiceIterator[Any]):
    """The rows of a ``RowField`` as choices, under the names of their groups if they have any."""

    field: "RowField"

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        yield "", self.field.empty_label
        groups: dict[str, list[tuple[int, str]]] = {}
        for row in self.field.rows.values():
            if self.field.group:
                groups.setdefault(self.field.group(row), []).append((row.pk, str(row)))
            else:
                yield row.pk, str(row)
        yield from groups.items()


class RowField(forms.ModelChoiceField[Any]):
    """A choice among the rows of a small table, which are read once, for the list and for the check."""

    iterator = RowIterator

    def __init__(self, *args: Any, group: Callable[[Any], str] | None = None, **kwargs: Any) -> None:
        kwargs.pop("null_label", None)  # what django-filter says to its own fields
        kwargs.pop("null_value", None)
        self.group = group
        self.source: Callable[[], Iterable[Model]] | None = None
        super().__init__(*args, **kwargs)
        self.error_messages["invalid_choice"] = _(
            "This is not there any more, or not for you to see. Choose another, or all."
        )

    @cached_property
    def rows(self) -> dict[str, Model]:
        """The rows by primary key, in order."""
        return {str(row.pk): row for row in (self.source() if self.source else self.queryset or ())}

    def to_python(self, value: Any) -> Model | None:
        """The row that is chosen."""
        if value in self.empty_values:
            return None
        if str(value) not in self.rows:
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        return self.rows[str(value)]


class RowFilter(filters.ModelChoiceFilter):  # type: ignore[misc]
    """Equal to one row of a small table."""

    field_class = RowField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, empty_label=gettext_lazy("All"), **kwargs)


class AmountFilter(filters.NumberFilter):  # type: ignore[misc]
    """An amount of money, as people write it."""

    field_class = TypedDecimalField


def _amount(label: Any, comparison: str) -> AmountFilter:
    return AmountFilter(
        label=label,
        field_name="estimated_value",
        lookup_expr=comparison,
        min_value=Decimal(0),
        max_value=LARGEST,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _day(label: Any, field: str, comparison: str) -> filters.DateFilter:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return filters.DateFilter(label=label, field_name=field, lookup_expr=comparison, widget=widget)


class OpportunityFilter(filters.FilterSet):  # type: ignore[misc]
    """The filter of every page about opportunities; without a status the open ones."""

    q = filters.CharFilter(label=gettext_lazy("Search"), method="search", max_length=100)
    status = filters.ChoiceFilter(
        label=gettext_lazy("Status"),
        choices=[*Status.choices, (ALL, gettext_lazy("Open and closed"))],
        empty_label=gettext_lazy("Open"),
        method="of_status",
    )
    whose = filters.ChoiceFilter(
        label=gettext_lazy("Whose"),
        choices=[(ME, gettext_lazy("Mine")), (TEAM, gettext_lazy("My team’s"))],
        empty_label=gettext_lazy("Everyone’s"),
        method="of_whom",
    )
    salesperson = RowFilter(
        label=gettext_lazy("Salesperson"),
        queryset=lambda request: seen_by(request.user).select_related("team"),
    )
    team = RowFilter(
        label=gettext_lazy("Team"), field_name="salesperson__team", queryset=Team.objects.order_by("name")
    )
    cycle = RowFilter(label=gettext_lazy("Sales cycle"), queryset=SalesCycle.objects.order_by("description"))
    stage = RowFilter(
        label=gettext_lazy("Stage"),
        queryset=SalesCycleStage.objects.select_related("cycle").order_by("cycle__description", "position"),
        group=lambda stage: str(stage.cycle),
    )
    priority = filters.ChoiceFilter(
        label=gettext_lazy("Priority"), choices=Priority.choices, empty_label=gettext_lazy("All")
    )
    value_from = _amount(gettext_lazy("Value from"), "gte")
    value_to = _amount(gettext_lazy("Value to"), "lte")
    closes = filters.ChoiceFilter(
        label=gettext_lazy("Closing"),
        choices=[(PASSED, gettext_lazy("Overdue")), *PERIODS.items()],
        empty_label=gettext_lazy("Whenever"),
        method="closing_in",
    )
    needs = filters.ChoiceFilter(
        label=gettext_lazy("Needs somebody because"),
        choices=[(ANYTHING, gettext_lazy("Any reason")), *Need.choices],
        empty_label=gettext_lazy("Whether or not"),
        method="needing",
    )
    step = filters.ChoiceFilter(
        label=gettext_lazy("Next step"),
        choices=list(STEPS.items()),
        empty_label=gettext_lazy("Whatever it is"),
        method="with_step",
    )
    closes_from = _day(gettext_lazy("Closing from"), "estimated_close_on", "gte")
    closes_to = _day(gettext_lazy("Closing to"), "estimated_close_on", "lte")
    closed = filters.ChoiceFilter(
        label=gettext_lazy("Closed"),
        choices=list(PERIODS.items()),
        empty_label=gettext_lazy("Whenever"),
        method="closed_in",
    )
    closed_from = _day(gettext_lazy("Closed from"), "closed_on", "gte")
    closed_to = _day(gettext_lazy("Closed to"), "closed_on", "lte")
    created_from = _day(gettext_lazy("Created from"), "created_on", "gte")
    created_to = _day(gettext_lazy("Created to"), "created_on", "lte")
    reason = RowFilter(
        label=gettext_lazy("Close reason"),
        field_name="close_reason",
        queryset=CloseReason.objects.order_by("outcome", "description"),
        group=lambda reason: str(reason.get_outcome_display()),
    )
    contact = filters.ModelChoiceFilter(
        label=gettext_lazy("Contact"),
        queryset=lambda request: Contact.objects.visible_to(request.user),
        widget=forms.HiddenInput,
        method="of_contact",
    )

    class Meta:
        model = Opportunity
        fields: list[str] = []

    def __init__(self, data: QueryDict, queryset: OpportunityQuerySet, *, request: Any) -> None:
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

    def recognise_reader(self) -> None:
        """Who reads is among the people that a page with this filter names, and need not be asked for again."""
        people = self.form.fields["salesperson"]
        assert isinstance(people, RowField)
        for row in people.rows.values():
            if isinstance(row, Salesperson) and row.user_id == self.user.pk:
                self.user.__dict__.setdefault("own_salesperson", row)

    def _check(self) -> None:
        """Refuse names that mean nothing, and spans that end before they begin."""
        self.form.full_clean()
        if self.unknown:
            names = quoted(self.unknown)
            self.form.add_error(
                None, _("%(names)s is no filter of this page. Take it out of the address.") % {"names": names}
            )
        asked = self.form.cleaned_data
        for first, last in SPANS:
            begins, ends = asked.get(first), asked.get(last)
            if begins is not None and ends is not None and ends < begins:
                self.form.add_error(
                    last,
                    _("This lies below “%(name)s”, so nothing can fit.")
                    % {"name": self.form.fields[first].label}
                    if isinstance(begins, Decimal)
                    else _("This day lies before “%(name)s”, so nothing can fit.")
                    % {"name": self.form.fields[first].label},
                )

    @cached_property
    def unknown(self) -> list[str]:
        """Names in the address that mean nothing here."""
        return sorted(set(self.data) - set(self.filters) - OF_THE_PAGE)

    @cached_property
    def rows(self) -> OpportunityQuerySet:
        """What is asked for; nothing when the question makes no sense."""
        found: OpportunityQuerySet = self.qs if self.form.is_valid() else self.queryset.none()
        return found

    def filter_queryset(self, queryset: OpportunityQuerySet) -> OpportunityQuerySet:
        """Without a status the open ones, then all that is asked for."""
        if not self.form.cleaned_data.get("status"):
            queryset = queryset.filter(status__in=self.default_statuses)
        narrowed: OpportunityQuerySet = super().filter_queryset(queryset)
        return narrowed

    @property
    def default_statuses(self) -> Iterable[str]:
        """Open ones; who asks for a day or a reason of closing means closed ones too."""
        asked = self.form.cleaned_data
        if any(asked.get(name) for name in ("closed", "closed_from", "closed_to", "reason")):
            return tuple(Status)
        if asked.get("needs") in (ANYTHING, Need.CHANGED):  # somebody else may have closed it
            return tuple(Status)
        return OPEN_STATUSES

    @property
    def statuses(self) -> tuple[str, ...]:
        """Where the opportunities that are asked for can stand."""
        if not self.form.is_valid():
            return ()
        asked = self.form.cleaned_data["status"]
        if asked == ALL:
            return tuple(Status)
        return (asked,) if asked else tuple(self.default_statuses)

    @property
    def query_string(self) -> str:
        """What was asked as a view keeps it."""
        return kept(self.data)

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
    def asks_for_own(self) -> bool:
        """Whether the reader's own are asked for, or those of the reader's team."""
        return bool(self.data.get("whose"))

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for."""
        return any(self.data.get(name) for name in self.filters)

    @cached_property
    def chips(self) -> list[Chip]:
        """Everything that is asked for and understood."""
        asked: Mapping[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        chips = []
        for name, value in asked.items():
            if value in (None, ""):
                continue
            query = self.data.copy()
            for key in (name, "after", "before"):
                query.pop(key, None)
            label = str(self.form.fields[name].label)
            rest = query.urlencode() or OPEN_ONES
            chips.append(Chip(name, label, self._said(name, value), f"?{rest}"))
        return chips

    def _said(self, name: str, value: Any) -> str:
        field = self.form.fields[name]
        if isinstance(field, forms.ModelChoiceField):
            return str(value)
        if isinstance(field, forms.ChoiceField):
            return str(dict(field.choices)[value])  # type: ignore[arg-type]
        if isinstance(field, forms.DecimalField):
            return money(value)
        return day(value) if isinstance(field, forms.DateField) else f"“{value}”"

    # How each is understood; ``name`` is what django-filter calls the field

    def search(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """Every word occurs in the number, the description, the contact or the company."""
        return queryset.matching(value)

    def of_status(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """One status, or all."""
        return queryset if value == ALL else queryset.filter(status=value)

    def of_whom(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """The reader's own, or those of the teams the reader is in or manages."""
        own = self.user.own_salesperson
        if own is None:
            return queryset.none()
        mine = Q(salesperson=own)
        if value == TEAM:
            mine |= Q(salesperson__team__manager=own)
            if own.team_id is not None:
                mine |= Q(salesperson__team=own.team_id)
        return queryset.filter(mine)

    def closing_in(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """Expected to close in a period, or overdue."""
        if value == PASSED:
            return queryset.filter(overdue(today()))
        first, last = period(value, today())
        return queryset.filter(estimated_close_on__gte=first, estimated_close_on__lte=last)

    def needing(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """What the page of the day shows for this reason."""
        attention = Attention(self.user)
        if value == ANYTHING:
            return attention.needing_anything(queryset)
        return attention.needing(queryset, Need(value))

    def with_step(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """Open ones by their next step: none at all, or one that is due."""
        if value == NO_STEP:
            return queryset.open().filter(without_next_step())
        return queryset.open().filter(with_task_due(timezone.now() if value == LATE_STEP else end_of_today()))

    def closed_in(self, queryset: OpportunityQuerySet, name: str, value: str) -> OpportunityQuerySet:
        """Closed in a period."""
        first, last = period(value, today())
        return queryset.filter(closed_on__gte=first, closed_on__lte=last)

    def of_contact(self, queryset: OpportunityQuerySet, name: str, value: Contact) -> OpportunityQuerySet:
        """Of a person or of everybody in a company, and those in which that contact is involved."""
        return queryset.with_contact(value)


def kept(data: QueryDict) -> str:
    """What an address asks for, in a steady order: filter, sort and columns, without what is empty or of one page."""
    query = QueryDict(mutable=True)
    for name in (*OpportunityFilter.base_filters, *OF_A_VIEW):
        value = ",".join(data.getlist(name)) if name == "columns" else data.get(name, "")
        if name == "sort" and value.removeprefix("-") not in columns.SORTS:
            continue
        if value.strip():
            query[name] = value
    return query.urlencode(safe=",")


def seen_by(user: User) -> Any:
    """The salespeople whose opportunities a user sees, by name."""
    return Salesperson.objects.seen_by(user).order_by("name")
