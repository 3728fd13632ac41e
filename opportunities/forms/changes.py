"""One form for each operation: it shapes what was typed and calls the operation, which holds the rules."""

from abc import ABCMeta, abstractmethod
from copy import copy
from functools import cached_property
from typing import Any

from django import forms
from django.db.models import Q
from django.forms.forms import DeclarativeFieldsMetaclass
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_stubs_ext import StrOrPromise

from activities.models import Task, TaskQuerySet
from contacts.pickers import ContactChoiceField
from crm.forms import TypedDecimalField
from crm.seen import Texts, merge, plain
from crm.templatetags.kansen import day, money
from opportunities import operations
from opportunities.forms.fields import DateInput, amount_field, needed, to_date
from opportunities.forms.planned import MOST_SHOWN, PlannedTasks, TaskKeysField, lists_of
from opportunities.models import (
    FACTS,
    MOVES,
    Action,
    CloseReason,
    Opportunity,
    OpportunityEntry,
    Outcome,
    Priority,
    Status,
)
from opportunities.operations import Estimate
from salespeople.models import Salesperson, User

CHOSEN = ("to", "offered_for", "outcome")  # decides what a form offers in its other fields
TICKED = ("cancel_tasks", "with_tasks")  # as they were left, whoever was faster


class EstimateFields(forms.Form):
    """Value, chance and closing date."""

    value = amount_field(gettext_lazy("Estimated value"), operations.VALUE_NEEDED)
    chance_percent = TypedDecimalField(
        label=gettext_lazy("Chance of success %"),
        max_digits=5,
        decimal_places=2,
        error_messages=needed(operations.CHANCE_NEEDED),
    )
    closes_on = forms.DateField(
        label=gettext_lazy("Estimated close"),
        widget=DateInput(),
        error_messages=needed(operations.CLOSING_DATE_NEEDED),
    )

    def estimate(self) -> Estimate:
        """What was typed."""
        typed = self.cleaned_data
        return Estimate(typed["value"], typed["chance_percent"], typed["closes_on"])

    def offer(self, estimate: Estimate) -> None:
        """Fill in an estimate, where nothing was typed yet."""
        self.initial.setdefault("value", plain(estimate.value))
        self.initial.setdefault("chance_percent", plain(estimate.chance_percent))
        self.initial.setdefault("closes_on", estimate.closes_on)


class OperationForm(DeclarativeFieldsMetaclass, ABCMeta):
    """A kind of form that has to say what it performs."""


class ChangeForm(forms.Form, metaclass=OperationForm):
    """A change of one opportunity, drawn from the version in ``seen``."""

    operation = ""
    title: StrOrPromise = ""
    submit_label: StrOrPromise = ""
    danger = False
    coming: PlannedTasks | None = None  # the tasks that come with it
    field_order_last = ("on", "note")

    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    on = forms.DateField(label=gettext_lazy("Date of change"), widget=DateInput())
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=operations.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, opportunity: Opportunity, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opportunity = opportunity
        self.user = user
        self.initial["seen"] = opportunity.version
        self.initial["on"] = to_date(self.initial.get("on")) or operations.default_date(opportunity)
        self.order_fields([name for name in self.fields if name not in self.field_order_last])
        self.prepare()

    def prepare(self) -> None:
        """Fill in what can be offered."""

    @abstractmethod
    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        """Call the operation. Raises ``operations.Refused``."""

    @property
    def lead(self) -> str:
        """The line under the title."""
        return str(self.opportunity)

    def done_message(self, entry: OpportunityEntry) -> str:
        """What happened, for the person who did it."""
        if entry.action in (*MOVES, Action.STARTED, Action.UPDATED):
            return _("%(what)s. Close date is %(day)s.") % {
                "what": entry.headline,
                "day": day(entry.estimated_close_on),
            }
        return _("%(what)s.") % {"what": entry.headline}

    @property
    def mistake(self) -> str:
        """The first thing that is wrong with what was typed."""
        return next((str(errors[0]) for errors in self.errors.values()), "")

    def task_lines(self) -> list[str]:
        """What becomes of tasks, one sentence for each thing, for the preview."""
        cancelled = len(self.cleaned_data.get("cancel_tasks") or ())
        if not cancelled:
            return []
        return [
            ngettext("%(n)d open task is cancelled.", "%(n)d open tasks are cancelled.", cancelled)
            % {"n": cancelled}
        ]

    def offer_to_cancel(self, tasks: TaskQuerySet, *, label: StrOrPromise) -> TaskKeysField | None:
        """Show open tasks with a tick for each; the field goes when there is none."""
        field = self.fields["cancel_tasks"]
        assert isinstance(field, TaskKeysField)
        field.offer(tasks)
        field.label = label
        if field.shown:
            return field
        del self.fields["cancel_tasks"]
        return None

    def common(self, dry_run: bool) -> dict[str, Any]:
        """What every operation is told."""
        typed = self.cleaned_data
        return {
            "opportunity": self.opportunity,
            "seen": typed["seen"],
            "on": typed["on"],
            "note": typed["note"],
            "by": self.user,
            "dry_run": dry_run,
        }

    def redraw(self) -> None:
        """Carry the version there is now, so that the next attempt is made on what the person now sees.

        What was left as it had been offered makes room for what is offered now; what was typed stays.
        """
        data = {**dict(self.data.items()), **lists_of(self.data, "cancel_tasks")}
        data["seen"] = str(self.opportunity.version)
        entry = self.opportunity.entries.filter(sequence=self.cleaned_data["seen"]).first()
        if entry is not None and entry.sequence != self.opportunity.version:
            before, now = _offers(self._drawn_for(entry)), _offers(self._drawn_for(None))
            typed = {name: text for name, text in data.items() if now.get(name)}
            data |= merge(typed, before=before, now=now)
        self.data = data
        self.__dict__.pop("coming", None)  # drawn anew from what the form holds now

    def _drawn_for(self, entry: OpportunityEntry | None) -> "ChangeForm":
        """This form as it is drawn for the opportunity as it is, or as it was when an entry was the newest."""
        opportunity = copy(self.opportunity)
        if entry is not None:
            opportunity.version, opportunity.changed_on = entry.sequence, entry.changed_on
            for name in FACTS:
                setattr(opportunity, name, getattr(entry, name))
        chosen = {name: self.data[name] for name in CHOSEN if name in self.data}
        return type(self)(initial=chosen, opportunity=opportunity, user=self.user)


def _offers(form: ChangeForm) -> Texts:
    """What the fields of a form hold before anybody types, as a browser sends it."""
    values = {name: form[name].value() for name in form.fields if name not in (*CHOSEN, *TICKED, "seen")}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def tasks_cancelled(entry: OpportunityEntry) -> str:
    """How many tasks were cancelled with a change, as a sentence; nothing when there were none."""
    cancelled = Task.objects.filter(cancelled_by=entry).count()
    if not cancelled:
        return ""
    text = ngettext("%(n)d task was cancelled with it.", "%(n)d tasks were cancelled with it.", cancelled)
    return text % {"n": cancelled}


class ReviseForm(EstimateFields, ChangeForm):
    """Give a new estimate in the same stage; what is there stands until it is typed over."""

    operation = "revise"
    title = gettext_lazy("Update the estimate")
    submit_label = gettext_lazy("Update the estimate")

    def prepare(self) -> None:
        self.offer(operations.present_estimate(self.opportunity))

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.revise(estimate=self.estimate(), **self.common(dry_run))


class CloseForm(ChangeForm):
    """Win or lose it."""

    operation = "close"

    outcome = forms.ChoiceField(
        label=gettext_lazy("Outcome"), choices=Outcome.choices, widget=forms.RadioSelect
    )
    reason = forms.ModelChoiceField(
        label=gettext_lazy("Reason"), queryset=CloseReason.objects.all(), required=False, empty_label="–"
    )
    amount = amount_field(gettext_lazy("Sale amount"), operations.AMOUNT_NEEDED)
    cancel_tasks = TaskKeysField()

    field_order = ("outcome", "reason", "amount")

    def prepare(self) -> None:
        outcome = str(self.initial.get("outcome") or "")
        fixed = outcome in Outcome.values
        reasons = list(CloseReason.objects.filter(is_active=True).order_by("outcome", "description"))
        if fixed:
            reasons = [reason for reason in reasons if reason.outcome == outcome]
            self.fields["outcome"].widget = forms.HiddenInput()
        field = self.fields["reason"]
        assert isinstance(field, forms.ModelChoiceField)
        field.choices = [("", "–"), *((reason.pk, self._reason_label(reason, fixed)) for reason in reasons)]
        if len(reasons) == 1:
            self.initial.setdefault("reason", reasons[0].pk)
        if not reasons:
            field.help_text = _("There is no reason yet. A sales manager adds them under Close reasons.")
        self.initial.setdefault("amount", plain(self.opportunity.estimated_value))
        self.fields["on"].label = _("Closed on")
        self.fields["amount"].required = outcome == Outcome.WON
        if fixed:
            field.required = True
            field.error_messages["required"] = operations.reason_needed(Outcome(outcome))
        if outcome == Outcome.LOST:
            del self.fields["amount"]
            self.danger = True
        titles = {Outcome.WON.value: _("Close as won"), Outcome.LOST.value: _("Close as lost")}
        self.title = self.submit_label = titles.get(outcome, _("Close"))
        tasks = Task.objects.open().filter(opportunity=self.opportunity).soonest_first()
        open_tasks = self.offer_to_cancel(tasks, label=_("Still open: what is ticked is cancelled"))
        if open_tasks is not None:
            self.initial.setdefault("cancel_tasks", open_tasks.all_ticked)

    def _reason_label(self, reason: CloseReason, fixed: bool) -> str:
        return str(reason) if fixed else f"{reason.get_outcome_display()}: {reason}"

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.close(
            outcome=self.cleaned_data["outcome"],
            reason=self.cleaned_data["reason"],
            amount=self.cleaned_data.get("amount"),
            cancel_tasks=self.cleaned_data.get("cancel_tasks") or (),
            **self.common(dry_run),
        )

    def done_message(self, entry: OpportunityEntry) -> str:
        if entry.status == Status.LOST:
            return f"{_('Closed as lost.')} {tasks_cancelled(entry)}".rstrip()
        buyer = self.opportunity.buyer
        won = _("Won: %(amount)s. %(buyer)s is customer %(number)s.") % {
            "amount": money(entry.calculated_value),
            "buyer": buyer,
            "number": type(buyer).objects.values_list("customer_number", flat=True).get(pk=buyer.pk),
        }
        return f"{won} {tasks_cancelled(entry)}".rstrip()


class ReasonedForm(ChangeForm):
    """A change that needs a reason in words."""

    def prepare(self) -> None:
        self.fields["note"].label = _("Why")
        self.fields["note"].required = True
        self.fields["note"].error_messages["required"] = operations.WORDS_NEEDED

    def common(self, dry_run: bool) -> dict[str, Any]:
        """What the operation is told; a preview does not wait for the reason."""
        told = super().common(dry_run)
        if dry_run and not told["note"].strip():
            told["note"] = "–"
        return told


class ReopenForm(ReasonedForm):
    """Take a closed opportunity back."""

    operation = "reopen"
    title = gettext_lazy("Reopen")
    submit_label = gettext_lazy("Reopen")

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.reopen(**self.common(dry_run))


class UndoForm(ReasonedForm):
    """Restore the state before the last change."""

    operation = "undo"
    title = gettext_lazy("Undo the last change")
    submit_label = gettext_lazy("Undo")

    @property
    def lead(self) -> str:
        return _("%(what)s, recorded by %(who)s. History keeps both.") % {
            "what": self._last_entry.headline,
            "who": self._last_entry.recorded_by,
        }

    @property
    def tasks_that_go(self) -> list[Task]:
        """The open tasks that the last change made or opened again, which will be cancelled; the first few."""
        newest = Q(made_by=self._last_entry) | Q(reopened_by=self._last_entry)
        return list(self._tasks().open().filter(newest)[:MOST_SHOWN])

    @property
    def tasks_that_come_back(self) -> list[Task]:
        """The tasks that the last change cancelled, which will be open again; the first few."""
        return list(self._tasks().filter(cancelled_by=self._last_entry)[:MOST_SHOWN])

    @cached_property
    def _last_entry(self) -> OpportunityEntry:
        newest: OpportunityEntry = self.opportunity.entries.with_names().newest_first()[0]
        return newest

    def _tasks(self) -> TaskQuerySet:
        return Task.objects.filter(opportunity=self.opportunity).soonest_first()

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.undo(**self.common(dry_run))


class ReassignForm(ChangeForm):
    """Give it to somebody else, or to another contact."""

    operation = "reassign"

    salesperson = forms.ModelChoiceField(
        label=gettext_lazy("Salesperson"), queryset=Salesperson.objects.none(), empty_label=None
    )

    with_tasks = forms.BooleanField(required=False, initial=True)

    field_order = ("salesperson", "contact")

    def prepare(self) -> None:
        self.fields["contact"] = ContactChoiceField(
            user=self.user, current=self.opportunity.contact, label=_("Contact")
        )
        self.initial.setdefault("contact", self.opportunity.contact)
        self.title = self.submit_label = _("Reassign")
        field = self.fields["salesperson"]
        assert isinstance(field, forms.ModelChoiceField)
        if self.user.is_manager():
            field.queryset = Salesperson.objects.order_by("name")
            offered = Salesperson.objects.assignable().order_by("name")
            present = self.opportunity.salesperson
            mine = set(Salesperson.objects.managed_by(self.user).values_list("pk", flat=True))
            groups: dict[str, list[tuple[int, str]]] = {
                _("For whom you work"): [],
                _("Others: then it is theirs alone"): [],
            }
            near, far = groups.values()
            for person in offered:
                if person.pk != present.pk:
                    (near if person.pk in mine else far).append((person.pk, str(person)))
            field.choices = [
                (present.pk, str(present)),
                *((name, rows) for name, rows in groups.items() if rows),
            ]
            self.initial.setdefault("salesperson", present.pk)
            self._offer_tasks()
        else:
            del self.fields["salesperson"], self.fields["with_tasks"]
            self.title = self.submit_label = _("Change the contact")
        self.order_fields(["salesperson", "with_tasks", "contact", "on", "note"])

    def _offer_tasks(self) -> None:
        present = self.opportunity.salesperson
        tasks = Task.objects.open().filter(opportunity=self.opportunity, salesperson=present).count()
        if not tasks:
            del self.fields["with_tasks"]
            return
        label = ngettext(
            "%(n)d open task of %(salesperson)s follows",
            "%(n)d open tasks of %(salesperson)s follow",
            tasks,
        )
        self.fields["with_tasks"].label = label % {"n": tasks, "salesperson": present}

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.reassign(
            salesperson=self.cleaned_data.get("salesperson"),
            contact=self.cleaned_data["contact"],
            with_tasks=self.cleaned_data.get("with_tasks", False),
            **self.common(dry_run),
        )


class DescribeForm(forms.Form):
    """Change what an opportunity is called and how urgent it is."""

    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=operations.LONGEST_DESCRIPTION,
        error_messages=needed(operations.DESCRIPTION_NEEDED),
    )
    priority = forms.ChoiceField(label=gettext_lazy("Priority"), choices=Priority.choices)
    seen_description = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)

    def __init__(self, *args: Any, opportunity: Opportunity, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opportunity = opportunity
        self.initial = {
            "description": opportunity.description,
            "priority": opportunity.priority,
            "seen_description": opportunity.description,
        }

    def redraw(self) -> None:
        """Carry the description there is now."""
        self.data = {**dict(self.data.items()), "seen_description": self.opportunity.description}


class DeleteForm(forms.Form):
    """The version that the person who deletes has looked at."""

    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
