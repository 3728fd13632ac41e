"""The shape of what people type about sales cycles and their stages."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.forms.models import construct_instance
from django.forms.renderers import get_default_renderer
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities.models import Activity
from crm.deletion import what_uses
from crm.seen import Memory, Texts, as_texts, differences, merge, plain
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salescycles.preview import EXAMPLE_VALUE, StageFacts

CYCLE_FIELDS = ("code", "description", "probability_method", "is_default", "is_blocked")
STAGE_FIELDS = (
    "position",
    "description",
    "completed_percent",
    "chance_percent",
    "close_in",
    "requires_quote",
    "allows_skip",
    "activity",
    "is_active",
)
TICKS = ("requires_quote", "allows_skip", "is_active", "is_default", "is_blocked")
LAST_POSITION = 9_999
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


class StageForm(forms.ModelForm[SalesCycleStage]):
    """One row of the stage table."""

    id = forms.IntegerField(required=False, widget=forms.HiddenInput)
    position = forms.IntegerField(
        label=gettext_lazy("Position"),
        min_value=1,
        max_value=LAST_POSITION,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
        error_messages={
            "invalid": gettext_lazy("A position is a whole number."),
            "min_value": gettext_lazy("Positions begin at 1."),
        },
    )

    class Meta:
        model = SalesCycleStage
        fields = list(STAGE_FIELDS)
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

    def __init__(self, *args: Any, instance: SalesCycleStage, activities: Sequence[Activity], **kwargs: Any):
        is_new = instance.pk is None
        initial = {"completed_percent": None, "chance_percent": None} if is_new else {"id": instance.pk}
        super().__init__(*args, **{**kwargs, "instance": instance, "initial": initial})
        label = self.fields["activity"].label
        self.fields["activity"] = ActivityChoice(activities=activities, label=label)
        self.fields["activity"].initial = None
        for name, field in self.fields.items():
            field.help_text = ""
            shape = "form-check-input" if name in TICKS else "form-control"
            field.widget.attrs["class"] = "form-select" if name == "activity" else shape

    def name_fields(self) -> None:
        """Say for every field whose it is: the table's headings are far away for somebody who listens."""
        stage = self.stage_name()
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = _("%(field)s of %(stage)s") % {
                "field": field.label,
                "stage": stage,
            }

    def stage_name(self) -> str:
        """What to call the stage of this row: as typed, else as stored."""
        typed = str(self["description"].value() or "").strip()
        return typed or self.initial.get("description") or _("the new stage")

    def clean_position(self) -> int | None:
        """A stage that stands somewhere cannot stand nowhere; a new one may leave it to the table."""
        position: int | None = self.cleaned_data["position"]
        if position is None and self.instance.pk:
            raise ValidationError(_("Type a position, a whole number from 1."))
        return position

    def clean_description(self) -> str:
        """One line, without needless blanks."""
        return " ".join(self.cleaned_data["description"].split())

    def _post_clean(self) -> None:
        # As the base class, but without a query for every constraint of every row: the fields say each law
        # themselves, and the table those between rows.
        self.instance = construct_instance(self, self.instance, STAGE_FIELDS)
        try:
            self.instance.clean_fields(exclude=self._get_validation_exclusions())  # type: ignore[attr-defined]
        except ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined]

    def facts(self) -> StageFacts:
        """What can be read of the row, for the preview."""
        cleaned = self.cleaned_data
        return StageFacts(
            description=self.stage_name(),
            completed_percent=cleaned.get("completed_percent"),
            chance_percent=cleaned.get("chance_percent"),
            close_in=cleaned.get("close_in"),
            is_active=bool(cleaned.get("is_active")),
        )


class StageFormSet(forms.BaseFormSet[StageForm]):
    """The stages of one cycle as a table: no two on one position, none deleted that is in use."""

    form = StageForm
    renderer = get_default_renderer()
    extra = min_num = 0
    max_num = absolute_max = MOST_STAGES
    can_delete = can_delete_extra = validate_max = True
    can_order = validate_min = False

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        cycle: SalesCycle,
        stages: Sequence[SalesCycleStage],
        **kwargs: Any,
    ) -> None:
        self.cycle = cycle
        self.stages = stages
        self.by_key = {str(stage.pk): stage for stage in stages}
        self.refused: set[StageForm] = set()
        chosen = {stage.activity_id for stage in stages}
        activities = list(
            Activity.objects.filter(Q(is_active=True) | Q(pk__in=chosen)).order_by("description")
        )
        super().__init__(data, prefix="stages", form_kwargs={"activities": activities}, **kwargs)

    def initial_form_count(self) -> int:
        """The rows that stand for a stored stage come first when the table is drawn."""
        return super().initial_form_count() if self.is_bound else len(self.stages)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Give every row its stage."""
        return {**super().get_form_kwargs(index), "instance": self._stage_of(index)}

    def add_fields(self, form: StageForm, index: int | None) -> None:
        """A row without a stage may stay blank."""
        super().add_fields(form, index)
        form.empty_permitted = form.instance.pk is None
        form.fields["DELETE"].widget.attrs["class"] = "form-check-input"
        form.name_fields()

    def __iter__(self) -> Iterator[StageForm]:
        """The rows as they are drawn: by position, and those without one at the end."""

        def place(form: StageForm) -> tuple[int, int]:
            typed = str(form["position"].value() or "").strip()
            return (0, int(typed)) if typed.isdecimal() and len(typed) < 10 else (1, 0)

        return iter(sorted(self.forms, key=place))

    def clean(self) -> None:
        """The laws between rows."""
        self._check_keys()
        taken = self._positions_of_absent_stages()
        without: list[StageForm] = []
        for form in self.rows_in_play():
            position = form.cleaned_data.get("position")
            if position is None:
                without.append(form)
            elif position in taken:
                form.add_error(
                    "position",
                    _("Position %(n)d is taken by “%(stage)s”. Give each stage its own.")
                    % {"n": position, "stage": taken[position]},
                )
            else:
                taken[position] = form.stage_name()
        self._put_last(without, taken)
        for form in self.forms:
            if self._should_delete_form(form):
                form.errors.clear()  # what is wrong in a row that goes is nobody's concern
                self._check_may_go(form)

    def total_error_count(self) -> int:
        """All that is wrong, the rows that may not go included."""
        return len(self.non_form_errors()) + sum(len(form.errors) for form in self.forms)

    def rows_in_play(self) -> list[StageForm]:
        """The rows that say something and are not to be deleted, as they are drawn."""
        return [
            form
            for form in self
            if hasattr(form, "cleaned_data")
            and not self._should_delete_form(form)
            and (form.instance.pk or form.has_changed())
        ]

    def facts(self) -> list[StageFacts]:
        """What can be read of the rows, saved or not, for the preview."""
        self.full_clean()
        return [form.facts() for form in self.rows_in_play()]

    def _should_delete_form(self, form: StageForm) -> bool:
        """A row that may not go is a row with a mistake, not one to leave out."""
        return form not in self.refused and bool(super()._should_delete_form(form))  # type: ignore[misc]

    def _stage_of(self, index: int | None) -> SalesCycleStage:
        if index is not None and self.is_bound:
            key = str(self.data.get(f"{self.prefix}-{index}-id", "")).strip()
            if key in self.by_key:
                return copy(self.by_key[key])  # a form writes into its instance, even when it is not valid
        elif index is not None and index < len(self.stages):
            return self.stages[index]
        return SalesCycleStage(cycle=self.cycle)

    def _check_keys(self) -> None:
        keys = [key for form in self.forms if (key := form.data.get(form.add_prefix("id"), ""))]
        if len(keys) > len(set(keys)) or not set(keys) <= self.by_key.keys():
            raise ValidationError(_("A row of the table is not of this cycle. Open the page anew."))

    def _positions_of_absent_stages(self) -> dict[int, str]:
        present = {form.instance.pk for form in self.forms}
        return {stage.position: str(stage) for stage in self.stages if stage.pk not in present}

    def _put_last(self, forms_without: list[StageForm], taken: dict[int, str]) -> None:
        """New stages without a position come after the others, in steps as the table has them."""
        step = 10 if taken and min(taken) >= 10 else 1
        last = max(taken, default=0)
        for form in forms_without:
            if form.instance.pk or "position" in form.errors:
                continue
            last += step
            if last > LAST_POSITION:
                form.add_error("position", _("There is no position left after the last one. Type one."))
            else:
                form.cleaned_data["position"] = form.instance.position = last

    def _check_may_go(self, form: StageForm) -> None:
        uses = what_uses(form.instance) if form.instance.pk else []
        if uses:
            self.refused.add(form)
            form.add_error(
                "DELETE",
                _(
                    "“%(stage)s” cannot be deleted: %(uses)s name it. "
                    "Take “In use” away instead; then nothing new enters it."
                )
                % {"stage": form.initial["description"], "uses": _(" and ").join(uses)},
            )


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


def texts_of_stages(stages: Sequence[SalesCycleStage]) -> dict[str, Texts]:
    """What the table of stages is drawn from."""
    return {str(stage.pk): as_texts(stage, STAGE_FIELDS) for stage in stages}


def typed_stages(data: QueryDict) -> list[Texts]:
    """The rows of the table as they were sent, with the key of their stage (or none) and the mark to delete."""
    total = data.get("stages-TOTAL_FORMS", "")
    rows = min(int(total), MOST_STAGES) if total.isdecimal() and len(total) < 5 else 0
    return [
        {name: _typed(data, f"stages-{row}-{name}", name) for name in (*STAGE_FIELDS, "id", "DELETE")}
        for row in range(rows)
    ]


def merge_stages(
    typed: list[Texts], memory: Memory | None, now: dict[str, Texts]
) -> tuple[dict[str, str], list[str]]:
    """The data of a table that holds both what is stored now and what was typed, and what was changed in words.

    A row whose stage somebody deleted stays as a new row if something was typed in it.
    """
    before = memory.rows if memory else {}
    mine = {row["id"]: row for row in typed if row["id"]}
    rows: list[Texts] = []
    what: list[str] = []
    for key, stored in now.items():
        old, row = before.get(key, {}), mine.get(key)
        if row is None:
            rows.append({**stored, "id": key, "DELETE": ""})
        else:
            fields = {name: row[name] for name in STAGE_FIELDS}
            rows.append({**merge(fields, before=old, now=stored), "id": key, "DELETE": row["DELETE"]})
        if memory and not old:
            what.append(_("“%(stage)s” was added.") % {"stage": stored["description"]})
        elif memory:
            changes = differences(old, stored, row or old, model=SalesCycleStage, show=show_stage_text)
            what += [f"“{old['description']}”: {change}." for change in changes]
    for key in before.keys() - now.keys():
        row = mine.get(key)
        what.append(_("“%(stage)s” was deleted.") % {"stage": before[key]["description"]})
        if row and not row["DELETE"] and any(row[name] != before[key][name] for name in STAGE_FIELDS):
            rows.append({**row, "id": ""})
            what[-1] += " " + _("What you typed for it is kept as a new stage.")
    rows += [row for row in typed if not row["id"]]
    return _table_data(rows), what


def show_stage_text(name: str, text: str) -> str:
    """A field of a stage as a person reads it."""
    if name in TICKS:
        return _("yes") if text else _("no")
    if name == "activity" and text.isdecimal():
        return str(Activity.objects.filter(pk=text).first() or "–")
    return text or "–"


def show_cycle_text(name: str, text: str) -> str:
    """A field of a cycle as a person reads it."""
    if name == "probability_method" and text in ProbabilityMethod.values:
        return str(ProbabilityMethod(text).label)
    return show_stage_text(name, text)


def typed_cycle(data: QueryDict) -> Texts:
    """The fields of a cycle as they were sent."""
    return {name: _typed(data, name, name) for name in CYCLE_FIELDS}


def with_one_more_row(data: QueryDict) -> dict[str, str]:
    """The table as it was sent, and a blank row below."""
    return _table_data([*typed_stages(data), {"is_active": "on"}])


def _typed(data: QueryDict, key: str, name: str) -> str:
    text = str(data.get(key, ""))
    return ("on" if text else "") if name in (*TICKS, "DELETE") else text


def _table_data(rows: list[Texts]) -> dict[str, str]:
    count = str(len(rows))
    data = {"stages-TOTAL_FORMS": count, "stages-INITIAL_FORMS": "0"}
    for index, row in enumerate(rows):
        data.update({f"stages-{index}-{name}": text for name, text in row.items()})
    return data
