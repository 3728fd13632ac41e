"""An activity and its steps, as managers type them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Activity, ActivityStep, TaskKind, TaskPriority
from activities.models.templates import MOST_STEPS
from crm.dates import DateFormulaError, apply_formula
from crm.rows import RowForm, RowFormSet, Words, as_sent
from crm.seen import Texts

ACTIVITY_FIELDS = ("description", "code", "is_active")
ACTIVITY_TICKS = ("is_active",)


class ActivityForm(forms.ModelForm[Activity]):
    """What an activity is called, and whether it is offered."""

    class Meta:
        model = Activity
        fields = list(ACTIVITY_FIELDS)
        error_messages = {
            "code": {"required": gettext_lazy("Type a short code, such as DEMO.")},
            "description": {"required": gettext_lazy("Say what the activity is called.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_active"].help_text = _(
            "Without this mark the activity is retired: it is offered no more, and kept where it is."
        )

    def clean_description(self) -> str:
        """One line, without needless blanks."""
        return " ".join(self.cleaned_data["description"].split())


class StepForm(RowForm[ActivityStep]):
    """One row of the table of steps."""

    words = Words(
        new_row=gettext_lazy("the new step"),
        taken=gettext_lazy("Position %(n)d is taken by “%(name)s”. Give each step its own."),
        not_of_this=gettext_lazy("A row of the table is not of this activity. Open the page anew."),
        kept_as_new=gettext_lazy("What you typed for it is kept as a new step."),
    )
    choices = ("kind", "priority")

    class Meta:
        model = ActivityStep
        fields = ["position", "kind", "description", "priority", "due_in"]
        error_messages = {
            "description": {"required": gettext_lazy("A step needs a description.")},
            "kind": {"invalid_choice": gettext_lazy("Choose a call, a meeting, an e-mail or a to-do.")},
            "priority": {"invalid_choice": gettext_lazy("Choose low, normal or high.")},
        }


@dataclass(frozen=True)
class StepPreview:
    """A step and the day it would be due, None where the formula cannot be read."""

    kind: str
    description: str
    due_on: date | None


class StepFormSet(RowFormSet):
    """The steps of one activity as a table."""

    form = StepForm
    rows_prefix = "steps"
    most = MOST_STEPS

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        activity: Activity,
        steps: Sequence[ActivityStep] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(data, parent=activity, rows=steps, **kwargs)

    def new_row(self) -> ActivityStep:
        return ActivityStep(activity=self.parent)

    def preview(self, on: date) -> list[StepPreview]:
        """When each step would be due if the activity began on a day; the rows as typed, saved or not."""
        self.full_clean()
        return [self._preview(form, on) for form in self.rows_in_play()]

    def _preview(self, form: StepForm, on: date) -> StepPreview:
        cleaned = form.cleaned_data
        return preview_of(
            ActivityStep(
                kind=cleaned.get("kind") or "", description=form.row_name(), due_in=cleaned.get("due_in", "?")
            ),
            on,
        )

    @classmethod
    def show(cls, name: str, text: str) -> str:
        """A field of a step as a person reads it."""
        labels = {"kind": dict(TaskKind.choices), "priority": dict(TaskPriority.choices)}
        return str(labels.get(name, {}).get(text) or super().show(name, text))


def preview_of(step: ActivityStep, on: date) -> StepPreview:
    """When a step would be due if its activity began on a day."""
    kind = step.get_kind_display()
    try:
        return StepPreview(kind, step.description, apply_formula(step.due_in, on))
    except DateFormulaError:
        return StepPreview(kind, step.description, None)


# Two people at once ----------------------------------------------------------------------------------------------


def typed_activity(data: QueryDict) -> Texts:
    """The fields of an activity as they were sent."""
    return {name: as_sent(data, name, is_tick=name in ACTIVITY_TICKS) for name in ACTIVITY_FIELDS}


def show_activity_text(name: str, text: str) -> str:
    """A field of an activity as a person reads it."""
    if name in ACTIVITY_TICKS:
        return _("yes") if text else _("no")
    return text or "–"
