"""The shape of what people type about sales cycles and their stages."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Activity
from crm.deletion import what_uses
from crm.rows import RowForm, RowFormSet, Words, as_sent
from crm.seen import Texts, plain
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salescycles.preview import EXAMPLE_VALUE, StageFacts

CYCLE_FIELDS = ("code", "description", "probability_method", "is_default", "is_blocked")
CYCLE_TICKS = ("is_default", "is_blocked")
MOST_STAGES = 80


class SalesCycleForm(forms.ModelForm[SalesCycle]):
    """A sales cycle's own facts; ticking the default takes it away from the cycle that has it."""

    class Meta:
        model = SalesCycle
        fields = list(CYCLE_FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["probability_method"] = forms.ChoiceField(
            label=gettext_lazy("How the probability is computed"),
            choices=ProbabilityMethod.choices,
            initial=ProbabilityMethod.MULTIPLY,
            widget=forms.RadioSelect,
        )
        self.fields["is_default"].help_text = _(
            "Offered first on a new opportunity; the cycle that was the default until now no longer is."
        )
        if self.instance.pk:
            self.fields["probability_method"].help_text = _(
                "A change counts for what is entered from now on: older entries keep their probability."
            )

    def clean(self) -> dict[str, Any]:
        """A default that is blocked would be offered to nobody."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("is_default") and cleaned.get("is_blocked"):
            self.add_error(
                "is_blocked",
                _("The default sales cycle cannot be blocked. Make another one the default first."),
            )
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        # That only one cycle is the default is not for the person to see to: saving moves it.
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc]


class CleanPercent(forms.DecimalField):
    """A percentage, shown without needless zeros."""

    widget = forms.TextInput(attrs={"inputmode": "decimal"})

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value


class ActivityChoice(forms.TypedChoiceField):
    """One of the activities given; they are read once for all rows of the table."""

    def __init__(self, *, activities: Sequence[Activity], **kwargs: Any) -> None:
        by_key = {str(activity.pk): activity for activity in activities}
        super().__init__(
            choices=[("", "–"), *((key, str(activity)) for key, activity in by_key.items())],
            coerce=lambda key: by_key.get(str(key)),
            empty_value=None,
            required=False,
            **kwargs,
        )


class StageForm(RowForm[SalesCycleStage]):
    """One row of the stage table."""

    words = Words(
        new_row=gettext_lazy("the new stage"),
        taken=gettext_lazy("Position %(n)d is taken by “%(name)s”. Give each stage its own."),
        not_of_this=gettext_lazy("A row of the table is not of this cycle. Open the page anew."),
        kept_as_new=gettext_lazy("What you typed for it is kept as a new stage."),
    )
    ticks = ("requires_quote", "allows_skip", "is_active")
    choices = ("activity",)
    unset = ("completed_percent", "chance_percent")

    class Meta:
        model = SalesCycleStage
        fields = [
            "position",
            "description",
            "completed_percent",
            "chance_percent",
            "close_in",
            "requires_quote",
            "allows_skip",
            "activity",
            "is_active",
        ]
        field_classes = {"completed_percent": CleanPercent, "chance_percent": CleanPercent}
        labels = {
            "completed_percent": gettext_lazy("Completed %"),
            "chance_percent": gettext_lazy("Chance %"),
        }
        error_messages = {
            "description": {"required": gettext_lazy("A stage needs a description.")},
            "completed_percent": {
                "required": gettext_lazy("Type a percentage from 0 to 100."),
                "invalid": gettext_lazy("Type a percentage from 0 to 100."),
            },
            "chance_percent": {
                "required": gettext_lazy("Type a percentage from 0 to 100."),
                "invalid": gettext_lazy("Type a percentage from 0 to 100."),
            },
        }

    def __init__(self, *args: Any, activities: Sequence[Activity], **kwargs: Any) -> None:
        self.activities = activities
        super().__init__(*args, **kwargs)

    def prepare(self) -> None:
        """Fill in what can be chosen."""
        label = self.fields["activity"].label
        self.fields["activity"] = ActivityChoice(activities=self.activities, label=label)

    def facts(self) -> StageFacts:
        """What can be read of the row, for the preview."""
        cleaned = self.cleaned_data
        return StageFacts(
            description=self.row_name(),
            completed_percent=cleaned.get("completed_percent"),
            chance_percent=cleaned.get("chance_percent"),
            close_in=cleaned.get("close_in"),
            is_active=bool(cleaned.get("is_active")),
        )


class StageFormSet(RowFormSet):
    """The stages of one cycle as a table: none is deleted that is in use."""

    form = StageForm
    rows_prefix = "stages"
    most = MOST_STAGES

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        cycle: SalesCycle,
        stages: Sequence[SalesCycleStage],
        **kwargs: Any,
    ) -> None:
        chosen = {stage.activity_id for stage in stages}
        activities = list(
            Activity.objects.filter(Q(is_active=True) | Q(pk__in=chosen)).order_by("description")
        )
        super().__init__(data, parent=cycle, rows=stages, form_kwargs={"activities": activities}, **kwargs)

    def new_row(self) -> SalesCycleStage:
        return SalesCycleStage(cycle=self.parent)

    def facts(self) -> list[StageFacts]:
        """What can be read of the rows, saved or not, for the preview."""
        self.full_clean()
        return [form.facts() for form in self.rows_in_play()]

    def why_it_stays(self, row: SalesCycleStage) -> str:
        uses = what_uses(row)
        if not uses:
            return ""
        return _(
            "“%(stage)s” cannot be deleted: %(uses)s name it. "
            "Take “In use” away instead; then nothing new enters it."
        ) % {"stage": self.by_key[str(row.pk)].description, "uses": _(" and ").join(uses)}

    @classmethod
    def show(cls, name: str, text: str) -> str:
        """A field of a stage as a person reads it."""
        if name == "activity" and text.isdecimal():
            return str(Activity.objects.filter(pk=text).first() or "–")
        return super().show(name, text)


class ExampleForm(forms.Form):
    """The value for which the preview computes."""

    value = forms.DecimalField(
        label=gettext_lazy("Example value"),
        min_value=0,
        max_digits=14,
        decimal_places=2,
        initial=EXAMPLE_VALUE,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-control w-auto", "size": "10"}),
        error_messages={"invalid": gettext_lazy("Type an amount.")},
    )

    def amount(self) -> Decimal | None:
        """The value typed, the usual one when nothing was asked, or None when it cannot be read."""
        if not self.is_bound:
            return EXAMPLE_VALUE
        self.is_valid()
        amount: Decimal | None = self.cleaned_data.get("value")
        return amount


# Two people at once --------------------------------------------------------------------------------------------


def show_cycle_text(name: str, text: str) -> str:
    """A field of a cycle as a person reads it."""
    if name == "probability_method" and text in ProbabilityMethod.values:
        return str(ProbabilityMethod(text).label)
    if name in CYCLE_TICKS:
        return _("yes") if text else _("no")
    return text or "–"


def typed_cycle(data: QueryDict) -> Texts:
    """The fields of a cycle as they were sent."""
    return {name: as_sent(data, name, is_tick=name in CYCLE_TICKS) for name in CYCLE_FIELDS}
