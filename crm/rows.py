"""The ordered parts of something (stages of a sales cycle, steps of an activity), edited together as one table.

Every part has a position and a description. The table is saved as a whole or not at all; rows may swap positions,
come and go; and nobody writes over what somebody else saved while the table was open.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.models import construct_instance
from django.forms.renderers import get_default_renderer
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crm.seen import Memory, Texts, as_texts, differences, merge

LAST_POSITION = 9_999
Row = TypeVar("Row", bound=models.Model)
AnyRow = Any  # a part: whatever it is, it has a position and a description


@dataclass(frozen=True)
class Words:
    """What a table calls its rows, in whole sentences, since languages bend words."""

    new_row: StrOrPromise
    taken: StrOrPromise  # with n and name
    not_of_this: StrOrPromise
    kept_as_new: StrOrPromise


class RowForm(forms.ModelForm[Row]):
    """One row of the table."""

    words: ClassVar[Words]
    ticks: ClassVar[Collection[str]] = ()
    choices: ClassVar[Collection[str]] = ()
    unset: ClassVar[
        Collection[str]
    ] = ()  # what a new row leaves to be typed, though the column has a default

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

    def __init__(self, *args: Any, instance: Row, **kwargs: Any) -> None:
        initial = dict.fromkeys(self.unset) if instance.pk is None else {"id": instance.pk}
        super().__init__(*args, **{**kwargs, "instance": instance, "initial": initial})
        self.prepare()
        for name, field in self.fields.items():
            field.help_text = ""
            shape = "form-check-input" if name in self.ticks else "form-control"
            field.widget.attrs["class"] = "form-select" if name in self.choices else shape

    def prepare(self) -> None:
        """Fill in what can be chosen."""

    def name_fields(self) -> None:
        """Say for every field whose it is: the table's headings are far away for somebody who listens."""
        row = self.row_name()
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = _("%(field)s of %(row)s") % {"field": field.label, "row": row}

    def row_name(self) -> str:
        """What to call the row: as typed, else as stored."""
        typed = str(self["description"].value() or "").strip()
        return typed or self.initial.get("description") or str(self.words.new_row)

    def clean_position(self) -> int | None:
        """A row that stands somewhere cannot stand nowhere; a new one may leave it to the table."""
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
        self.instance = construct_instance(self, self.instance, self._meta.fields)
        try:
            self.instance.clean_fields(exclude=self._get_validation_exclusions())  # type: ignore[attr-defined]
        except ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined]


class RowFormSet(forms.BaseFormSet[Any], ABC):
    """The rows of one thing as a table: no two on one position."""

    form: type[RowForm[Any]]
    rows_prefix: ClassVar[str]
    most: ClassVar[int]
    renderer = get_default_renderer()
    extra = min_num = 0
    can_delete = can_delete_extra = validate_max = True
    can_order = validate_min = False

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, parent: Any, rows: Sequence[AnyRow], **kwargs: Any
    ) -> None:
        self.parent = parent
        self.rows = rows
        self.by_key = {str(row.pk): row for row in rows}
        self.refused: set[RowForm[Any]] = set()
        self.max_num = self.absolute_max = self.most
        super().__init__(data, **kwargs)

    @classmethod
    def get_default_prefix(cls) -> str:
        """What the names of its fields begin with."""
        return cls.rows_prefix

    @abstractmethod
    def new_row(self) -> AnyRow:
        """A part that is not stored yet."""

    def why_it_stays(self, row: AnyRow) -> str:
        """Why a stored row cannot be deleted; nothing when it can."""
        return ""

    def initial_form_count(self) -> int:
        """The rows that are stored come first when the table is drawn."""
        return super().initial_form_count() if self.is_bound else len(self.rows)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Give every form its row."""
        return {**super().get_form_kwargs(index), "instance": self._row_of(index)}

    def add_fields(self, form: Any, index: int | None) -> None:
        """A new row may stay blank."""
        super().add_fields(form, index)
        form.empty_permitted = form.instance.pk is None
        form.fields["DELETE"].widget.attrs["class"] = "form-check-input"
        form.name_fields()

    def __iter__(self) -> Iterator[Any]:
        """The rows as they are drawn: by position, and those without one at the end."""

        def place(form: RowForm[Any]) -> tuple[int, int]:
            typed = str(form["position"].value() or "").strip()
            return (0, int(typed)) if typed.isdecimal() and len(typed) < 10 else (1, 0)

        return iter(sorted(self.forms, key=place))

    def clean(self) -> None:
        """The laws between rows."""
        self._check_keys()
        taken = self._positions_of_absent_rows()
        without: list[RowForm[Any]] = []
        for form in self.rows_in_play():
            position = form.cleaned_data.get("position")
            if position is None:
                without.append(form)
            elif position in taken:
                form.add_error("position", form.words.taken % {"n": position, "name": taken[position]})
            else:
                taken[position] = form.row_name()
        self._put_last(without, taken)
        for form in self.forms:
            if self._should_delete_form(form):
                form.errors.clear()  # what is wrong in a row that goes is nobody's concern
                self._check_may_go(form)

    def total_error_count(self) -> int:
        """All that is wrong, the rows that may not go included."""
        return len(self.non_form_errors()) + sum(len(form.errors) for form in self.forms)

    def rows_in_play(self) -> list[Any]:
        """The rows that say something and are not to be deleted, as they are drawn."""
        return [
            form
            for form in self
            if hasattr(form, "cleaned_data")
            and not self._should_delete_form(form)
            and (form.instance.pk or form.has_changed())
        ]

    def kept(self) -> list[tuple[AnyRow, list[str]]]:
        """The rows to store, each with the names of the columns that changed."""
        columns = self.columns()
        return [
            (form.instance, [name for name in form.changed_data if name in columns])
            for form in self.rows_in_play()
        ]

    def removed(self) -> list[AnyRow]:
        """The stored rows to delete."""
        return [form.instance for form in self.deleted_forms if form.instance.pk]

    def _should_delete_form(self, form: Any) -> bool:
        """A row that may not go is a row with a mistake, not one to leave out."""
        return form not in self.refused and bool(super()._should_delete_form(form))  # type: ignore[misc]

    def _row_of(self, index: int | None) -> AnyRow:
        if index is not None and self.is_bound:
            key = str(self.data.get(f"{self.prefix}-{index}-id", "")).strip()
            if key in self.by_key:
                return copy(self.by_key[key])  # a form writes into its instance, even when it is not valid
        elif index is not None and index < len(self.rows):
            return self.rows[index]
        return self.new_row()

    def _check_keys(self) -> None:
        keys = [key for form in self.forms if (key := form.data.get(form.add_prefix("id"), ""))]
        if len(keys) > len(set(keys)) or not set(keys) <= self.by_key.keys():
            raise ValidationError(str(self.form.words.not_of_this))

    def _positions_of_absent_rows(self) -> dict[int, str]:
        present = {form.instance.pk for form in self.forms}
        return {row.position: str(row) for row in self.rows if row.pk not in present}

    def _put_last(self, forms_without: list[RowForm[Any]], taken: dict[int, str]) -> None:
        """New rows without a position come after the others, in steps as the table has them."""
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

    def _check_may_go(self, form: RowForm[Any]) -> None:
        why = self.why_it_stays(form.instance) if form.instance.pk else ""
        if why:
            self.refused.add(form)
            form.add_error("DELETE", why)

    # Two people at once

    @classmethod
    def columns(cls) -> list[str]:
        """The columns that the table shows."""
        return list(cls.form._meta.fields or ())

    @classmethod
    def texts(cls, rows: Sequence[AnyRow]) -> dict[str, Texts]:
        """What the table is drawn from."""
        return {str(row.pk): as_texts(row, cls.columns()) for row in rows}

    @classmethod
    def show(cls, name: str, text: str) -> str:
        """A column as a person reads it."""
        if name in cls.form.ticks:
            return _("yes") if text else _("no")
        return text or "–"

    @classmethod
    def with_one_more_row(cls, data: QueryDict, **defaults: str) -> dict[str, str]:
        """The table as it was sent, and a blank row below."""
        return cls._data([*cls._typed(data), defaults])

    @classmethod
    def merged(
        cls, data: QueryDict, memory: Memory | None, now: dict[str, Texts]
    ) -> tuple[dict[str, str], list[str]]:
        """The data of a table that holds both what is stored now and what was typed, and what changed in words.

        A row that somebody deleted stays as a new one if something was typed in it.
        """
        before = memory.rows if memory else {}
        typed = cls._typed(data)
        mine = {row["id"]: row for row in typed if row["id"]}
        rows: list[Texts] = []
        what: list[str] = []
        for key, stored in now.items():
            old, row = before.get(key, {}), mine.get(key)
            rows.append(cls._merged_row(key, stored, old, row))
            if memory and not old:
                what.append(_("“%(row)s” was added.") % {"row": stored["description"]})
            elif memory:
                model = cls.form._meta.model
                changes = differences(old, stored, row or old, model=model, show=cls.show)
                what += [f"“{old['description']}”: {change}." for change in changes]
        for key in (key for key in before if key not in now):
            row = mine.get(key)
            what.append(_("“%(row)s” was deleted.") % {"row": before[key]["description"]})
            if row and not row["DELETE"] and any(row[name] != before[key][name] for name in cls.columns()):
                is_taken = any(row["position"] == stored["position"] for stored in now.values())
                rows.append({**row, "id": "", "position": "" if is_taken else row["position"]})
                what[-1] += f" {cls.form.words.kept_as_new}"
        rows += [row for row in typed if not row["id"]]
        return cls._data(rows), what

    @classmethod
    def _merged_row(cls, key: str, stored: Texts, old: Texts, row: Texts | None) -> Texts:
        if row is None:
            return {**stored, "id": key, "DELETE": ""}
        typed = {name: row[name] for name in cls.columns()}
        return {**merge(typed, before=old, now=stored), "id": key, "DELETE": row["DELETE"]}

    @classmethod
    def _typed(cls, data: QueryDict) -> list[Texts]:
        """The rows as they were sent, each with its key (or none) and the mark to delete it."""
        total = data.get(f"{cls.rows_prefix}-TOTAL_FORMS", "")
        rows = min(int(total), cls.most) if total.isdecimal() and len(total) < 5 else 0
        marks = (*cls.form.ticks, "DELETE")
        return [
            {
                name: as_sent(data, f"{cls.rows_prefix}-{row}-{name}", is_tick=name in marks)
                for name in (*cls.columns(), "id", "DELETE")
            }
            for row in range(rows)
        ]

    @classmethod
    def _data(cls, rows: list[Texts]) -> dict[str, str]:
        prefix = cls.rows_prefix
        data = {f"{prefix}-TOTAL_FORMS": str(len(rows)), f"{prefix}-INITIAL_FORMS": "0"}
        for index, row in enumerate(rows):
            data.update({f"{prefix}-{index}-{name}": text for name, text in row.items()})
        return data


def as_sent(data: QueryDict, key: str, *, is_tick: bool) -> str:
    """A field as a browser sent it; a ticked box is ``on``."""
    text = str(data.get(key, ""))
    return ("on" if text else "") if is_tick else text
