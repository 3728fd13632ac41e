"""The tasks that come with something (a stage, an activity given by hand), and those that are left behind.

They are shown beforehand: each that comes can be dropped or edited, each that is left can be cancelled.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.forms.renderers import get_default_renderer
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from activities.models import Task, TaskKind, TaskPriority, TaskQuerySet
from activities.models.tasks import LONGEST_DESCRIPTION
from activities.operations import (
    DESCRIPTION_NEEDED,
    DUE_NEEDED,
    MOST_AT_ONCE,
    PlannedTask,
)
from crm.forms import is_key
from crm.seen import Texts, merge
from crm.templatetags.kansen import day
from opportunities.forms.fields import DateInput, needed, to_date
from opportunities.models import Opportunity

PREFIX = "planned"
MOST_SHOWN = 50  # of the tasks that are open already
MOST_KEPT = 30  # plans that were looked at
THE_REST = "rest"

Plan = Callable[[date], Sequence[PlannedTask]]


class PlannedTaskForm(forms.Form):
    """A task that is to come: it may be left out, and said or dated otherwise."""

    take = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=TaskKind.choices, widget=forms.HiddenInput)
    priority = forms.ChoiceField(choices=TaskPriority.choices, widget=forms.HiddenInput)
    description = forms.CharField(
        label=gettext_lazy("What is to be done"),
        max_length=LONGEST_DESCRIPTION,
        error_messages=needed(DESCRIPTION_NEEDED),
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )
    due_on = forms.DateField(
        label=gettext_lazy("Due on"),
        widget=DateInput(attrs={"class": "form-control"}),
        error_messages=needed(DUE_NEEDED),
    )

    def __init__(self, *args: Any, there: Collection[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = str(self["description"].value() or "")
        self.is_there = name in there  # a task that says the same is open already
        if self.is_there:
            self.fields["take"].widget.attrs["aria-describedby"] = self.there_id
        self.fields["take"].widget.attrs |= {
            "class": "form-check-input",
            "aria-label": _("Make the task “%(task)s”") % {"task": name},
        }
        self.fields["description"].widget.attrs["aria-label"] = _("Description of “%(task)s”") % {
            "task": name
        }
        self.fields["due_on"].widget.attrs["aria-label"] = _("Due date of “%(task)s”") % {"task": name}

    def full_clean(self) -> None:
        """What is wrong in a row that is left out is nobody's concern."""
        super().full_clean()
        if not self["take"].value():
            self.errors.clear()

    @property
    def there_id(self) -> str:
        """The id of the words that say that such a task is open already."""
        return f"{self.prefix}-there"

    @property
    def kind_label(self) -> str:
        """What kind of task it is, for a person."""
        kind = str(self["kind"].value())
        return str(TaskKind(kind).label) if kind in TaskKind.values else ""


class PlannedTasks(forms.BaseFormSet[PlannedTaskForm]):
    """The tasks of a plan as they are offered, or as they were typed over.

    What was typed belongs to one plan (``of``) and to the day it was drawn for. Drawn for another day, a date that was
    left as offered follows; drawn for another plan, what was typed is no concern of this one, and is ``outdated``. It
    is kept for when that plan is looked at again. What the opportunity has open already is offered too, but not ticked.
    """

    form = PlannedTaskForm
    renderer = get_default_renderer()
    extra = min_num = 0
    max_num = absolute_max = MOST_AT_ONCE
    can_delete = can_order = validate_min = False
    validate_max = True

    def __init__(
        self,
        sent: Mapping[str, Any],
        *,
        of: str,
        plan: Plan,
        on: date,
        opportunity: Opportunity | None,
    ) -> None:
        self.of, self.on = of, on
        drawn_of = str(sent.get(f"{PREFIX}-of", ""))
        offered = [_texts(task) for task in plan(on)]
        self.there = _open_already(opportunity, [row["description"] for row in offered])
        for row in offered:
            row["take"] = "" if row["description"] in self.there else "on"
        self.was_drawn = drawn_of == of
        kept = _kept(sent)
        typed = kept.pop(of, None)
        self.kept_for_later = urlencode(
            {other: urlencode(rows) for other, rows in kept.items() if _sent_rows(rows)}
        )
        rows = offered if typed is None else self._typed(typed, plan, offered)
        self.outdated = bool(drawn_of) and drawn_of != of and bool(offered)
        super().__init__(_data(rows), prefix=PREFIX)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Tell each row what is open already."""
        return {**super().get_form_kwargs(index), "there": self.there}

    def planned(self) -> list[PlannedTask] | None:
        """The tasks to make, as a person left them; None, which is all of the plan, when none was shown."""
        if not (self.was_drawn and self.forms):
            return None
        names = ("kind", "description", "priority", "due_on")
        taken = [form.cleaned_data for form in self.forms if form.cleaned_data.get("take")]
        return [PlannedTask(**{name: row[name] for name in names}) for row in taken]

    @property
    def count(self) -> int:
        """How many are to come."""
        return sum(1 for form in self.forms if form["take"].value())

    def _typed(self, sent: Mapping[str, Any], plan: Plan, offered: list[Texts]) -> list[Texts]:
        drawn_on = to_date(sent.get(f"{PREFIX}-on")) or self.on
        before = offered if drawn_on == self.on else [_texts(task) for task in plan(drawn_on)]
        rows = _sent_rows(sent)
        if len(before) != len(rows) or len(offered) != len(rows):
            return rows  # somebody changed the activity: what was seen stands
        return [
            merge(row, before={"due_on": old["due_on"]}, now={**row, "due_on": new["due_on"]})
            for row, old, new in zip(rows, before, offered, strict=True)
        ]


def _open_already(opportunity: Opportunity | None, descriptions: Sequence[str]) -> set[str]:
    """Those of the descriptions with which an opportunity has an open task."""
    if opportunity is None or not descriptions:
        return set()
    tasks = Task.objects.open().filter(opportunity=opportunity, description__in=descriptions)
    return set(tasks.order_by().values_list("description", flat=True).distinct())


def _texts(task: PlannedTask) -> Texts:
    return {
        "take": "on",
        "kind": task.kind,
        "priority": task.priority,
        "description": task.description,
        "due_on": str(task.due_on),
    }


def _kept(sent: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """What was typed for each plan that was looked at, as it was sent; that for the plan which was drawn is the last."""
    earlier = QueryDict(str(sent.get(f"{PREFIX}-kept", "")))
    kept: dict[str, Mapping[str, str]] = {of: QueryDict(str(rows)) for of, rows in earlier.items() if rows}
    if drawn_of := str(sent.get(f"{PREFIX}-of", "")):
        kept.pop(drawn_of, None)
        kept[drawn_of] = {f"{PREFIX}-on": str(sent.get(f"{PREFIX}-on", "")), **_data(_sent_rows(sent))}
    return dict(list(kept.items())[-MOST_KEPT:])


def _sent_rows(sent: Mapping[str, Any]) -> list[Texts]:
    total = str(sent.get(f"{PREFIX}-TOTAL_FORMS", ""))
    rows = min(int(total), MOST_AT_ONCE) if total.isdecimal() and len(total) < 5 else 0
    names = PlannedTaskForm.base_fields
    return [{name: str(sent.get(f"{PREFIX}-{row}-{name}", "")) for name in names} for row in range(rows)]


def _data(rows: list[Texts]) -> dict[str, str]:
    data = {f"{PREFIX}-TOTAL_FORMS": str(len(rows)), f"{PREFIX}-INITIAL_FORMS": "0"}
    for index, row in enumerate(rows):
        data |= {f"{PREFIX}-{index}-{name}": text for name, text in row.items() if text}
    return data


class TaskKeysField(forms.MultipleChoiceField):
    """Open tasks of which some are ticked. One that was closed meanwhile is no mistake: it is closed already."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
        super().__init__(**{"required": False, "widget": widget, **kwargs})
        self.tasks: TaskQuerySet = Task.objects.none()
        self.shown: list[int] = []
        self.all_ticked: list[str] = []  # the value in which every task is ticked

    def offer(self, tasks: TaskQuerySet) -> None:
        """The tasks to choose from: the first of them by name, the others together."""
        self.tasks = tasks
        rows = list(tasks[: MOST_SHOWN + 1])
        shown = rows[:MOST_SHOWN]
        self.shown = [task.pk for task in shown]
        choices = [(str(task.pk), _named(task)) for task in shown]
        if len(rows) > MOST_SHOWN:
            more = tasks.count() - MOST_SHOWN
            label = ngettext("%(n)d more task", "%(n)d more tasks", more) % {"n": more}
            choices.append((THE_REST, label))
        self.choices = choices
        self.all_ticked = [value for value, _label in choices]

    def valid_value(self, value: str) -> bool:
        return value == THE_REST or is_key(value)

    def clean(self, value: Any) -> list[int]:
        """The keys of the tasks that are ticked."""
        ticked = super().clean(value)
        keys = [int(key) for key in ticked if key != THE_REST]
        if THE_REST in ticked:
            keys += self.tasks.exclude(pk__in=self.shown).values_list("pk", flat=True)
        return keys


def _named(task: Task) -> str:
    return _("%(task)s, due %(day)s") % {"task": task, "day": day(task.due_day)}


def lists_of(data: Mapping[str, Any], *names: str) -> dict[str, list[str]]:
    """The fields of which several values were sent, as lists."""
    return {
        name: data.getlist(name) if isinstance(data, QueryDict) else list(data[name])
        for name in names
        if name in data
    }
