"""The forms of tasks: each shapes what was typed and calls one operation, which holds the rules."""

from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities import operations
from activities.models import RepeatsFrom, Task, TaskKind, TaskPriority
from activities.models.tasks import LONGEST_DESCRIPTION
from activities.operations import Completed, TaskFacts
from contacts.pickers import ContactChoiceField
from crm.dates import today
from crm.fields import validate_formula
from crm.seen import Change, Texts, merge, recall, remember
from crm.templatetags.kansen import day
from opportunities.forms.fields import DateInput, needed
from opportunities.forms.pickers import OpportunityChoiceField
from opportunities.forms.task_filters import TaskFilter
from salespeople.models import Salesperson, Team, User

PERSON, TEAM = "person", "team"  # what stands before the key of who is to do it
Doer = Salesperson | Team
REMEMBERED = "opportunities.task"


def seen_field() -> forms.IntegerField:
    """The version of a task that was looked at."""
    return forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**31 - 1)


class DoerField(forms.ChoiceField):
    """Who is to do it: one choice among salespeople and teams. The cleaned value is one of them."""

    def __init__(self, **kwargs: Any) -> None:
        self.rows: dict[str, Doer] = {}
        kwargs.setdefault("label", gettext_lazy("For whom"))
        kwargs.setdefault("error_messages", needed(operations.DOER_NEEDED))
        super().__init__(**kwargs)

    def offer(self, user: User, *, current: Doer | None = None) -> None:
        """Salespeople who are not blocked, the user first, then the teams; whoever has it already stays."""
        kept = current.pk if isinstance(current, Salesperson) else None
        people = list(Salesperson.objects.offered(kept))
        people.sort(key=lambda person: person.user_id != user.pk)
        teams = list(Team.objects.order_by("name", "pk"))
        rows: Sequence[Doer] = [*people, *teams]
        self.rows = {key_of(row): row for row in rows}
        self.choices = [
            ("", "–"),
            (_("Salespeople"), [(key_of(row), str(row)) for row in people]),
            *([(_("Teams"), [(key_of(row), str(row)) for row in teams])] if teams else []),
        ]

    def clean(self, value: Any) -> Doer | None:
        """The salesperson or team."""
        return self.rows.get(str(super().clean(value)))

    def prepare_value(self, value: Any) -> Any:
        """A row by its key."""
        return key_of(value) if isinstance(value, (Salesperson, Team)) else value


def key_of(doer: Doer) -> str:
    """The value of a choice."""
    return f"{PERSON if isinstance(doer, Salesperson) else TEAM}-{doer.pk}"


def split(doer: Doer) -> dict[str, Any]:
    """Who is to do it, as the operations take it."""
    return {"salesperson": doer} if isinstance(doer, Salesperson) else {"team": doer}


class TaskForm(forms.Form):
    """Make a task, or say something else about one."""

    description = forms.CharField(
        label=gettext_lazy("What is to be done"),
        max_length=LONGEST_DESCRIPTION,
        error_messages=needed(operations.DESCRIPTION_NEEDED),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=TaskKind.choices)
    priority = forms.ChoiceField(label=gettext_lazy("Priority"), choices=TaskPriority.choices)
    due_on = forms.DateField(
        label=gettext_lazy("Due on"), widget=DateInput(), error_messages=needed(operations.DUE_NEEDED)
    )
    due_time = forms.TimeField(
        label=gettext_lazy("At"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    doer = DoerField()
    contact = ContactChoiceField(required=False)
    opportunity = OpportunityChoiceField(required=False)
    repeats = forms.CharField(
        label=gettext_lazy("Repeats after"),
        required=False,
        max_length=32,
        help_text=gettext_lazy(
            "1D, 1W, 2W, 1M, 1Q or 1Y; CM is the end of every month. Empty if it does not."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
    repeats_from = forms.ChoiceField(
        label=gettext_lazy("Counted from"), choices=RepeatsFrom.choices, required=False
    )
    seen = seen_field()
    before = forms.CharField(widget=forms.HiddenInput, required=False)  # what the form was drawn from

    def __init__(self, *args: Any, user: User, task: Task | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.task = task
        self.change: Change | None = None  # what somebody else did meanwhile
        self.initial = {**(as_initial(task) if task else {}), **self.initial}
        doer = self.fields["doer"]
        assert isinstance(doer, DoerField)
        doer.offer(user, current=task.doer if task else None)
        self._keep_what_it_is_about()
        if task is not None:
            self.initial |= {"seen": task.version, "before": self._remember()}

    def _keep_what_it_is_about(self) -> None:
        """Contact and opportunity may stay, and are named as far as the user sees them."""
        contact, opportunity = self.fields["contact"], self.fields["opportunity"]
        assert isinstance(contact, ContactChoiceField)
        assert isinstance(opportunity, OpportunityChoiceField)
        contact.user, opportunity.user = self.user, self.user
        contact.keep(self.task.contact if self.task else None)
        opportunity.keep(self.task.opportunity if self.task else None)

    def clean_due_time(self) -> time | None:
        """The time to the minute, as the form shows it."""
        typed: time | None = self.cleaned_data["due_time"]
        return typed and typed.replace(second=0)

    def clean_repeats(self) -> str:
        """The formula as it is stored."""
        formula = "".join(str(self.cleaned_data["repeats"]).split()).upper()
        validate_formula(formula)
        return formula

    def clean_repeats_from(self) -> str:
        """Without a word from the due date."""
        return self.cleaned_data["repeats_from"] or RepeatsFrom.DUE

    def facts(self) -> TaskFacts:
        """What was typed, as the operations take it."""
        typed = self.cleaned_data
        names = ("kind", "description", "due_on", "due_time", "priority", "contact", "opportunity")
        return TaskFacts(
            **{name: typed[name] for name in names},
            **split(typed["doer"]),
            repeats=typed["repeats"],
            repeats_from=typed["repeats_from"],
        )

    def save(self) -> Task:
        """Make it, or change it. Raises ``TaskRefused``."""
        if self.task is None:
            return operations.create_task(facts=self.facts(), by=self.user)
        seen = self.cleaned_data["seen"]
        return operations.change_task(task=self.task, facts=self.facts(), by=self.user, seen=seen)

    def redraw(self, task: Task) -> None:
        """Show the task as somebody else left it, with what was typed here still in it."""
        memory = recall(str(self.data.get("before", "")), of=REMEMBERED)
        self.task = task
        self._keep_what_it_is_about()
        now = self._texts()
        typed = {name: str(self.data.get(name, "")) for name in now}
        before: Texts = memory.rows[""] if memory else {}
        news = [
            _("%(field)s is now %(value)s.") % {"field": self.fields[name].label, "value": _shown(now[name])}
            for name in now
            if name in before and before[name] != now[name]
        ]
        self.change = Change("", None, news)
        merged = merge(typed, before=before, now=now)
        self.data = {
            **dict(self.data.items()),
            **merged,
            "seen": str(task.version),
            "before": self._remember(),
        }

    def _remember(self) -> str:
        return remember({"": self._texts()}, of=REMEMBERED)

    def _texts(self) -> Texts:
        """The stored task as a browser would send it."""
        assert self.task is not None
        shown = {
            name: self.fields[name].prepare_value(value) for name, value in as_initial(self.task).items()
        }
        return {name: _text(value) for name, value in shown.items()}


def as_initial(task: Task) -> dict[str, Any]:
    """What the form of a task begins with."""
    names = ("description", "kind", "priority", "contact", "opportunity", "repeats", "repeats_from")
    here = task.due_here  # a time is shown, and typed, on the clock of the reader
    due = {"due_on": task.due_day, "due_time": here.time() if here else None}
    return {**{name: getattr(task, name) for name in names}, **due, "doer": task.doer}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:%H:%M}" if hasattr(value, "hour") else str(value)


def _shown(text: str) -> str:
    return f"“{text}”" if text else _("empty")


class OutcomeForm(forms.Form):
    """Say that a task is done, and what came of it."""

    outcome = forms.CharField(
        label=gettext_lazy("Outcome"),
        required=False,
        max_length=operations.LONGEST_OUTCOME,
        help_text=gettext_lazy("If you write something, it stands in the history as well."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    seen = seen_field()

    def perform(self, task: Task, by: User) -> Completed:
        """Complete it. Raises ``TaskRefused``."""
        typed = self.cleaned_data
        return operations.complete_task(task=task, by=by, outcome=typed["outcome"], seen=typed["seen"])


class CancelForm(forms.Form):
    """Say that a task need not be done any more."""

    SERIES, THIS = "SERIES", "THIS"

    ends = forms.ChoiceField(
        label=gettext_lazy("It repeats. Cancel"),
        choices=[
            (THIS, gettext_lazy("only this one")),
            (SERIES, gettext_lazy("this one and all that follow")),
        ],
        initial=THIS,
        required=False,
        widget=forms.RadioSelect,
    )
    seen = seen_field()

    def __init__(self, *args: Any, task: Task, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.task = task
        if not task.repeats:
            del self.fields["ends"]

    def perform(self, by: User) -> Completed:
        """Cancel it. Raises ``TaskRefused``."""
        ends = self.cleaned_data.get("ends") != self.THIS
        return operations.cancel_task(task=self.task, by=by, seen=self.cleaned_data["seen"], ends_series=ends)


class PostponeForm(forms.Form):
    """Put a task off to another day."""

    due_on = forms.DateField(
        label=gettext_lazy("To"), widget=DateInput(), error_messages=needed(operations.DUE_NEEDED)
    )
    seen = seen_field()

    def perform(self, task: Task, by: User, seen: int | None = None) -> str:
        """Postpone it, and say so. Raises ``TaskRefused``."""
        due_on: date = self.cleaned_data["due_on"]
        words = _("Postponed to %(day)s.") if due_on >= task.due_day else _("Due again on %(day)s.")
        operations.postpone_task(task=task, due_on=due_on, by=by, seen=seen or self.cleaned_data["seen"])
        return words % {"day": day(due_on)}


class HandOverForm(forms.Form):
    """Give a task to somebody else."""

    doer = DoerField(label=gettext_lazy("To"))
    seen = seen_field()

    def __init__(self, *args: Any, user: User, current: Doer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["doer"]
        assert isinstance(field, DoerField)
        field.offer(user, current=current)

    def perform(self, task: Task, by: User, seen: int | None = None) -> str:
        """Reassign it, and say so. Raises ``TaskRefused``."""
        doer: Doer = self.cleaned_data["doer"]
        operations.reassign_task(task=task, by=by, seen=seen or self.cleaned_data["seen"], **split(doer))
        return _("It is now for %(doer)s.") % {"doer": doer}


class SeenTaskForm(forms.Form):
    """The version of a task that was looked at, and nothing else."""

    seen = seen_field()


class RepeatsPreviewForm(forms.Form):
    """What is typed so far about a series, to say which dates follow."""

    repeats = forms.CharField(max_length=32, validators=[validate_formula])
    due_on = forms.DateField(required=False)
    repeats_from = forms.ChoiceField(choices=RepeatsFrom.choices, required=False)

    def clean_repeats(self) -> str:
        """The formula as it is stored."""
        return "".join(str(self.cleaned_data["repeats"]).split()).upper()


def snooze_days(task: Task) -> list[tuple[str, date]]:
    """The days a task is usually put off to, all later than the day it is due now."""
    now = today()
    if task.due_day > now:
        return [
            (_("1 day later"), task.due_day + timedelta(days=1)),
            (_("3 days later"), task.due_day + timedelta(days=3)),
            (_("1 week later"), task.due_day + timedelta(days=7)),
        ]
    monday = now + timedelta(days=7 - now.weekday())
    return [
        (_("Tomorrow"), now + timedelta(days=1)),
        (_("In 3 days"), now + timedelta(days=3)),
        (_("Next week"), monday),
    ]


class CompleteManyForm(forms.Form):
    """Say that many tasks are done; there is nothing else to say."""

    def perform(self, task: Task, by: User, seen: int | None = None) -> Completed:
        """Complete one of them. Raises ``TaskRefused``."""
        return operations.complete_task(task=task, by=by, seen=seen)


class TickedTasksForm(forms.Form):
    """Some tasks, each by its key and the version that was looked at."""

    MOST = 200

    def wanted(self, typed: dict[str, Any]) -> dict[int, int]:
        """The version that was seen of each task. Raises ``ValidationError``."""
        assert isinstance(self.data, QueryDict)
        values = self.data.getlist("chosen")
        found: dict[int, int] = {}
        for value in values[: self.MOST + 1]:
            key, _mark, version = str(value).partition(".")
            if not (_is_number(key) and _is_number(version)):
                raise ValidationError(_("Something was chosen that is no task of this list."))
            found[int(key)] = int(version)
        return found

    def clean(self) -> dict[str, Any]:
        """At least one task, and no more than are changed at once."""
        typed: dict[str, Any] = super().clean() or {}
        typed["chosen"] = self.wanted(typed)
        if not typed["chosen"]:
            raise ValidationError(_("Nothing is chosen. Tick the tasks that are meant."))
        if len(typed["chosen"]) > self.MOST:
            raise ValidationError(
                _("At most %(n)d tasks are changed at once. Choose fewer.") % {"n": self.MOST}
            )
        return typed


class ChosenTasksForm(TickedTasksForm):
    """The rows that were ticked, or all that a list shows, and what to do with them."""

    COMPLETE, POSTPONE, REASSIGN = "COMPLETE", "POSTPONE", "REASSIGN"

    action = forms.ChoiceField(choices=[(name, name) for name in (COMPLETE, POSTPONE, REASSIGN)])
    all = forms.BooleanField(required=False)
    query = forms.CharField(required=False, max_length=2000)

    def __init__(self, *args: Any, request: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def wanted(self, typed: dict[str, Any]) -> dict[int, int]:
        """All that match if that was ticked, else the rows that were. Raises ``ValidationError``."""
        wants_all = typed.get("all") and "query" in typed
        return self._all_that_match(typed["query"]) if wants_all else super().wanted(typed)

    def _all_that_match(self, query: str) -> dict[int, int]:
        """The version of each task that the list shows, and of one more than are changed at once."""
        rows = Task.objects.visible_to(self.request.user)
        asked = TaskFilter(QueryDict(query), rows, request=self.request)
        return dict(asked.rows.soonest_first().values_list("pk", "version")[: self.MOST + 1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
