"""Changing many at once: which opportunities, as a list says it, and one form for each action."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crm.dates import today
from crm.forms import is_key
from crm.http import CrmRequest
from opportunities import batches, operations
from opportunities.batches import MOST_AT_ONCE, grouped
from opportunities.forms.fields import DateInput, needed
from opportunities.forms.filters import OpportunityFilter
from opportunities.models import (
    Batch,
    BatchAction,
    CloseReason,
    Opportunity,
    OpportunityQuerySet,
    Outcome,
)
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson, User

LONGEST_QUERY = 4_000


class KeysInput(forms.HiddenInput):
    """Ticked rows: many parameters of one name from a list, one with commas between from a form."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str | None:
        return ",".join(data.getlist(name))


class SelectionForm(forms.Form):
    """Which opportunities: those that were ticked, or all that a list's filter leaves."""

    action = forms.ChoiceField(choices=BatchAction.choices, widget=forms.HiddenInput)
    chosen = forms.CharField(required=False, widget=KeysInput)
    all = forms.BooleanField(required=False, widget=forms.HiddenInput)
    query = forms.CharField(required=False, max_length=LONGEST_QUERY, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, request: CrmRequest) -> None:
        super().__init__(data, auto_id=False)
        self.request = request
        self.rows: OpportunityQuerySet = Opportunity.objects.none()
        self.keys: list[int] = []

    def clean(self) -> dict[str, Any]:
        """Find them, and refuse none at all, too many, and a question that makes no sense."""
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return asked
        self.rows = self._filtered(asked["query"]) if asked["all"] else self._ticked(asked["chosen"])
        if self.errors:
            return asked
        self.keys = list(self.rows.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if not self.keys:
            self.add_error(None, _("No opportunity is chosen. Choose some in the list first."))
        if len(self.keys) > MOST_AT_ONCE:
            self._refuse_so_many()
        return asked

    def _filtered(self, query: str) -> OpportunityQuerySet:
        visible = Opportunity.objects.visible_to(self.request.user)
        found = OpportunityFilter(QueryDict(query.removeprefix("?")), visible, request=self.request)
        for name, errors in found.form.errors.items():
            label = f"{found.form.fields[name].label}: " if name in found.form.fields else ""
            for error in errors:
                self.add_error(None, f"{label}{error}")
        return found.rows

    def _ticked(self, chosen: str) -> OpportunityQuerySet:
        keys = {int(key) for key in chosen.split(",") if is_key(key)}
        if len(keys) > MOST_AT_ONCE:
            self._refuse_so_many()
            return Opportunity.objects.none()
        return Opportunity.objects.visible_to(self.request.user).filter(pk__in=keys)

    def _refuse_so_many(self) -> None:
        self.add_error(
            None,
            _("More than %(most)s are chosen. Narrow the filter, and change them in several goes.")
            % {"most": grouped(MOST_AT_ONCE)},
        )

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong, in sentences."""
        if "action" in self.errors:
            return [_("Choose in the list what to do with them.")]
        return [str(error) for errors in self.errors.values() for error in errors]

    @property
    def list_query(self) -> str:
        """The query string that leads back to the list as it was."""
        query = str(self.data.get("query") or "")[:LONGEST_QUERY]
        return f"?{QueryDict(query.removeprefix('?')).urlencode()}" if query else ""


class BatchForm(forms.Form):
    """What to do with them, beside the selection."""

    title: StrOrPromise = ""

    confirmed = forms.BooleanField(widget=forms.HiddenInput, initial=True)
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=operations.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It stands in the history of each."),
    )

    def __init__(self, *args: Any, selection: SelectionForm, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.selection = selection
        self.user = user
        self.prepare()
        self.order_fields([name for name in self.fields if name != "note"])

    def prepare(self) -> None:
        """Fill in what can be chosen."""

    def choices_of(self, name: str) -> forms.ModelChoiceField[Any]:
        """A field in which one row is chosen."""
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        return field

    def make(self) -> Batch:
        """The batch; nothing is changed by that yet."""
        told = {name: value for name, value in self.cleaned_data.items() if name != "confirmed"}
        return batches.make(
            action=self.selection.cleaned_data["action"], keys=self.selection.keys, by=self.user, **told
        )


class ReassignManyForm(BatchForm):
    """To whom."""

    title = gettext_lazy("Reassign")

    salesperson = forms.ModelChoiceField(
        label=gettext_lazy("Salesperson"),
        queryset=Salesperson.objects.assignable().order_by("name", "pk"),
        empty_label="–",
        error_messages=needed(operations.SALESPERSON_NEEDED),
    )
    tasks_follow = forms.BooleanField(
        label=gettext_lazy("Their open tasks follow"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Those that the salesperson before had with them."),
    )

    def prepare(self) -> None:
        field = self.choices_of("salesperson")
        mine = set(Salesperson.objects.managed_by(self.user).values_list("pk", flat=True))
        near: list[tuple[int, str]] = []
        far: list[tuple[int, str]] = []
        for person in field.queryset or ():
            (near if person.pk in mine else far).append((person.pk, str(person)))
        groups = {_("For whom you work"): near, _("Others: then they are theirs alone"): far}
        field.choices = [("", "–"), *((name, rows) for name, rows in groups.items() if rows)]


class MoveManyForm(BatchForm):
    """To which stage."""

    title = gettext_lazy("Move to a stage")

    stage = forms.ModelChoiceField(
        label=gettext_lazy("Stage"),
        queryset=SalesCycleStage.objects.none(),
        empty_label="–",
        error_messages=needed(operations.STAGE_NEEDED),
        help_text=gettext_lazy("Each gets the chance and the closing date that this stage suggests."),
    )

    def prepare(self) -> None:
        field = self.choices_of("stage")
        cycles = self.selection.rows.order_by().values("cycle_id")
        field.queryset = (
            SalesCycleStage.objects.filter(cycle__in=cycles, is_active=True)
            .select_related("cycle")
            .order_by("cycle__description", "cycle_id", "position")
        )
        groups: dict[str, list[tuple[int, str]]] = {}
        for stage in field.queryset:
            groups.setdefault(str(stage.cycle), []).append((stage.pk, str(stage)))
        field.choices = [("", "–"), *groups.items()]


class PostponeManyForm(BatchForm):
    """To which day."""

    title = gettext_lazy("Change the closing date")

    closes_on = forms.DateField(
        label=gettext_lazy("Estimated close"),
        widget=DateInput(),
        error_messages=needed(operations.CLOSING_DATE_NEEDED),
        help_text=gettext_lazy("Value and chance stay as they are."),
    )

    def clean_closes_on(self) -> Any:
        """A day that no opportunity could be given is said here, before each of them says it."""
        typed = self.cleaned_data["closes_on"]
        if typed < today():
            raise forms.ValidationError(_("This day has passed. Choose today or a later one."))
        return typed


class LoseManyForm(BatchForm):
    """Why."""

    title = gettext_lazy("Close as lost")

    reason = forms.ModelChoiceField(
        label=gettext_lazy("Reason"),
        queryset=CloseReason.objects.filter(outcome=Outcome.LOST, is_active=True).order_by("description"),
        empty_label="–",
    )
    cancels_tasks = forms.BooleanField(
        label=gettext_lazy("Cancel their open tasks"), required=False, initial=True
    )

    def prepare(self) -> None:
        field = self.choices_of("reason")
        field.error_messages["required"] = operations.reason_needed(Outcome.LOST)
        if not field.queryset:
            field.help_text = _("There is no reason yet. A sales manager adds them under Close reasons.")


FORMS: dict[str, type[BatchForm]] = {
    BatchAction.REASSIGN: ReassignManyForm,
    BatchAction.MOVE: MoveManyForm,
    BatchAction.POSTPONE: PostponeManyForm,
    BatchAction.LOSE: LoseManyForm,
}
