"""Opportunities in the admin: for reading, for correcting a description, and for three changes of many at once.

Whatever is changed here is changed by ``opportunities.operations``, one row after the other, each in a transaction
of its own; a row that is refused stays as it is and is named with the reason.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.admin import WORK, RoleAdmin, ShownFormSet, ShownInline, person
from crm.dates import today
from crm.templatetags.kansen import money, percent
from opportunities import operations
from opportunities.models import CloseReason, Opportunity, OpportunityContact, OpportunityEntry, Outcome
from salespeople.models import Salesperson, User

MOST_AT_ONCE = 500  # rows that one bulk action changes
BATCH = 100  # rows that are in memory at a time
SHOWN = 20  # rows that a page or a message names


@admin.register(CloseReason)
class CloseReasonAdmin(RoleAdmin):
    """Why opportunities are won or lost."""

    managers_may = WORK
    list_display = ["code", "description", "outcome", "is_active"]
    list_filter = ["outcome", "is_active"]
    search_fields = ["code", "description"]
    ordering = ["outcome", "code"]
    instead_of_deleting = gettext_lazy("Take “in use” away instead: it is kept, but offered no more.")

    def get_readonly_fields(self, request: HttpRequest, obj: CloseReason | None = None) -> list[str]:
        """A reason that closed something for won cannot turn into one for lost."""
        used = obj is not None and OpportunityEntry.objects.filter(close_reason=obj).exists()
        return ["outcome"] if used else []


# The ledger, to read ---------------------------------------------------------------------------------------------


class EntryInline(ShownInline):
    """The newest ledger entries; nobody writes them here."""

    model = OpportunityEntry
    verbose_name_plural = gettext_lazy("Ledger, newest first")
    ordering = ["-sequence"]
    fields = readonly_fields = (
        "changed_on",
        "what",
        "salesperson",
        "contact",
        "value",
        "chance",
        "probability",
        "weighted",
        "estimated_close_on",
        "reason",
        "recorded_by",
        "recorded_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = OpportunityEntry.objects.with_names().newest_first()
        return rows if self.has_view_permission(request) else rows.none()

    @admin.display(description=gettext_lazy("what happened"))
    def what(self, entry: OpportunityEntry) -> str:
        return entry.headline

    @admin.display(description=gettext_lazy("value"))
    def value(self, entry: OpportunityEntry) -> str:
        return money(entry.estimated_value)

    @admin.display(description=gettext_lazy("chance"))
    def chance(self, entry: OpportunityEntry) -> str:
        return percent(entry.chance_percent)

    @admin.display(description=gettext_lazy("probability"))
    def probability(self, entry: OpportunityEntry) -> str:
        return percent(entry.probability_percent)

    @admin.display(description=gettext_lazy("calculated value"))
    def weighted(self, entry: OpportunityEntry) -> str:
        return money(entry.calculated_value)

    @admin.display(description=gettext_lazy("reason and note"))
    def reason(self, entry: OpportunityEntry) -> str:
        return ": ".join(str(part) for part in (entry.close_reason, entry.note) if part)


# Changing many at once -------------------------------------------------------------------------------------------


class ReassignForm(forms.Form):
    """Who works on them from now on."""

    salesperson = forms.ModelChoiceField(
        Salesperson.objects.assignable().order_by("name", "pk"), label=gettext_lazy("Salesperson")
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=operations.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )


class CloseAsLostForm(forms.Form):
    """Why they were lost."""

    reason = forms.ModelChoiceField(
        CloseReason.objects.filter(outcome=Outcome.LOST, is_active=True).order_by("description", "pk"),
        label=gettext_lazy("Close reason"),
    )
    note = ReassignForm.base_fields["note"]


class DeleteForm(forms.Form):
    """Nothing to choose: a yes is enough."""


@dataclass(frozen=True)
class Selection:
    """The opportunities that were ticked, or all that the list shows, as one page hands them to the next."""

    keys: list[int]
    is_across: bool
    mark: str

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The hidden fields that carry it."""
        ticked = self.keys[:1] if self.is_across else self.keys
        return [
            ("select_across", str(int(self.is_across))),
            ("mark", self.mark),
            *((ACTION_CHECKBOX_NAME, str(key)) for key in ticked),
        ]


@dataclass
class Outcomes:
    """What became of each row."""

    done: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)

    @property
    def shown_refusals(self) -> list[tuple[str, str]]:
        """The refusals there is room for."""
        return self.refusals[:SHOWN]

    @property
    def unshown(self) -> int:
        """How many more there are."""
        return len(self.refusals) - len(self.shown_refusals)


class OpportunityForm(forms.ModelForm[Opportunity]):
    """The description and the priority, which are no facts of the ledger."""

    by: User  # set by the admin

    seen_description = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    class Meta:
        model = Opportunity
        fields = ["description", "priority"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_description"] = self.instance.description

    def describe(self, *, dry_run: bool = False) -> None:
        """Make the change. Raises ``operations.Refused``."""
        operations.describe(
            opportunity=self.instance,
            description=self.cleaned_data.get("description"),
            priority=self.cleaned_data.get("priority"),
            seen_description=self.cleaned_data.get("seen_description"),
            by=self.by,
            dry_run=dry_run,
        )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        try:
            self.describe(dry_run=True)
        except operations.Refused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)
        return cleaned


class StageFilter(admin.RelatedFieldListFilter):
    """The stages, each with its cycle; those of one cycle when the list is narrowed to it."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        stages = field.remote_field.model.objects.select_related("cycle").order_by("cycle__code", "position")
        cycle = request.GET.get("cycle__id__exact", "")
        return [
            (str(stage.pk), f"{stage.cycle.code}: {stage.description}")
            for stage in stages
            if cycle in ("", str(stage.cycle_id))
        ]


def _old_and_new(line: LogEntry) -> str:
    """What ``operations.describe`` wrote, in words: description: “Vans” → “Fleet”."""
    try:
        (change,) = json.loads(line.change_message)
        told = change["changed"]
        pairs = [(name, told["old"][name], told["new"][name]) for name in told["fields"]]
    except (ValueError, TypeError, KeyError):
        return ""
    return "; ".join(f"{_verbose_name(name)}: “{old}” → “{new}”" for name, old, new in pairs)


def _verbose_name(name: str) -> str:
    """What a field is called; those involved are no field of the opportunity's own row."""
    field = Opportunity._meta.get_field(name)
    return str(getattr(field, "verbose_name", None) or OpportunityContact._meta.verbose_name_plural)


@admin.register(Opportunity)
class OpportunityAdmin(RoleAdmin):
    """Opportunities, with the history that made them what they are."""

    managers_may = frozenset({"view", "change", "delete"})
    nobody_may = frozenset({"add"})
    actions = ["reassign", "close_as_lost", "delete_finished"]
    inlines = [EntryInline]
    form = OpportunityForm
    list_display = [
        "number",
        "description",
        "contact",
        "salesperson",
        "status",
        "stage",
        "value",
        "estimated_close_on",
    ]
    list_display_links = ["number", "description"]
    list_select_related = ["contact", "company", "salesperson", "stage", "cycle"]
    list_filter = ["status", "cycle", ("stage", StageFilter), "salesperson", "priority"]
    search_fields = ["number", "description", "contact__name", "company__name"]
    search_help_text = gettext_lazy("Number, description, contact or company.")
    date_hierarchy = "created_on"
    ordering = ["-created_on", "-pk"]
    fieldsets = [
        (None, {"fields": ["number", "description", "priority", "seen_description"]}),
        (gettext_lazy("Who"), {"fields": ["contact", "company", "salesperson"]}),
        (
            gettext_lazy("Now"),
            {
                "fields": [
                    "status",
                    "cycle",
                    "stage",
                    "stage_entered_on",
                    "value",
                    "chance",
                    "completed",
                    "probability",
                    "weighted",
                    "estimated_close_on",
                    "closed_on",
                    "close_reason",
                ]
            },
        ),
        (gettext_lazy("Record"), {"fields": ["created_on", "changed_on", "external_id", "ledger"]}),
    ]
    readonly_fields = [
        "number",
        "contact",
        "company",
        "salesperson",
        "status",
        "cycle",
        "stage",
        "stage_entered_on",
        "value",
        "chance",
        "completed",
        "probability",
        "weighted",
        "estimated_close_on",
        "closed_on",
        "close_reason",
        "created_on",
        "changed_on",
        "external_id",
        "ledger",
    ]

    # Columns and figures

    @admin.display(description=gettext_lazy("value"), ordering="estimated_value")
    def value(self, opportunity: Opportunity) -> str:
        """What it may bring."""
        return money(opportunity.estimated_value) or _("no estimate")

    @admin.display(description=gettext_lazy("chance"), ordering="chance_percent")
    def chance(self, opportunity: Opportunity) -> str:
        """The chance of success."""
        return percent(opportunity.chance_percent)

    @admin.display(description=gettext_lazy("completed"))
    def completed(self, opportunity: Opportunity) -> str:
        """How far it is."""
        return percent(opportunity.completed_percent)

    @admin.display(description=gettext_lazy("probability"))
    def probability(self, opportunity: Opportunity) -> str:
        """Chance and completed, by the method of the cycle."""
        return percent(opportunity.probability_percent)

    @admin.display(description=gettext_lazy("calculated value"))
    def weighted(self, opportunity: Opportunity) -> str:
        """The value weighted by the probability; the sale, when it is won."""
        return money(opportunity.calculated_value)

    @admin.display(description=gettext_lazy("ledger"))
    def ledger(self, opportunity: Opportunity) -> str:
        """How many entries there are, and where the whole of them is."""
        count = ngettext("%(n)d entry", "%(n)d entries", opportunity.version) % {"n": opportunity.version}
        if opportunity.version > ShownFormSet.shown:
            count = _("%(count)s, the newest %(n)d of them below") % {
                "count": count,
                "n": ShownFormSet.shown,
            }
        return count

    # One opportunity

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).with_names()

    def has_change_permission(self, request: HttpRequest, obj: Opportunity | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self._works_on(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Opportunity | None = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or (not obj.is_in_progress and self._works_on(request, obj))

    def _works_on(self, request: HttpRequest, opportunity: Opportunity) -> bool:
        """Whether the person works on it, asked once per request."""
        known: dict[int, bool] = request.__dict__.setdefault("works_on_opportunities", {})
        if opportunity.pk not in known:
            workable = Opportunity.objects.workable_by(person(request))
            known[opportunity.pk] = workable.filter(pk=opportunity.pk).exists()
        return known[opportunity.pk]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        form = super().get_form(request, obj, change, **kwargs)
        form.by = person(request)  # type: ignore[attr-defined]
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Opportunity | None = None) -> list[str]:
        """The priority of a closed one stands."""
        stands = ["priority"] if obj is not None and obj.is_closed else []
        return [*self.readonly_fields, *stands]

    def get_fieldsets(self, request: HttpRequest, obj: Opportunity | None = None) -> Any:
        """Without the hidden field where there is nothing to save."""
        if self.has_change_permission(request, obj):
            return self.fieldsets
        (title, first), *others = self.fieldsets
        return [
            (title, {"fields": [name for name in first["fields"] if name != "seen_description"]}),
            *others,
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.describe()

    def delete_model(self, request: HttpRequest, obj: Opportunity) -> None:
        operations.delete(opportunity=obj, by=person(request), on=today())

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The operation has written the change log, with old and new."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The operation writes the change log."""

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The change log, with what was there before and after."""
        response = super().history_view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse):
            for line in (response.context_data or {}).get("action_list", ()):
                line.change_message = _old_and_new(line) or line.change_message  # for this page, not saved
        return response

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._unless_refused(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._unless_refused(request, super().delete_view, *args, **kwargs)

    def _unless_refused(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The answer of a view; a rule that says no at the last moment is told on the page it was asked from."""
        try:
            return view(request, *args, **kwargs)
        except operations.Refused as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return redirect(request.get_full_path())

    # Many opportunities

    @admin.action(description=gettext_lazy("Give to another salesperson…"), permissions=["change"])
    def reassign(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a salesperson, then reassign each."""
        return self._change_many(
            request,
            queryset,
            action="reassign",
            form_class=ReassignForm,
            title=_("Give to another salesperson"),
            submit_label=_("Reassign"),
            change=lambda row, typed, by: operations.reassign(opportunity=row, by=by, on=today(), **typed),
            done=lambda n: ngettext("Reassigned %(n)d opportunity.", "Reassigned %(n)d opportunities.", n),
        )

    @admin.action(description=gettext_lazy("Close as lost…"), permissions=["change"])
    def close_as_lost(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then close each."""
        return self._change_many(
            request,
            queryset,
            action="close_as_lost",
            form_class=CloseAsLostForm,
            title=_("Close as lost"),
            submit_label=_("Close as lost"),
            change=lambda row, typed, by: operations.close(
                opportunity=row, outcome=Outcome.LOST, by=by, on=today(), **typed
            ),
            done=lambda n: ngettext(
                "Closed %(n)d opportunity as lost.", "Closed %(n)d opportunities as lost.", n
            ),
        )

    @admin.action(description=gettext_lazy("Delete, unless in progress…"), permissions=["delete"])
    def delete_finished(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Show how many can be deleted and which not, then delete each that can."""
        return self._change_many(
            request,
            queryset,
            action="delete_finished",
            form_class=DeleteForm,
            title=_("Delete opportunities"),
            submit_label=_("Delete"),
            change=lambda row, typed, by: operations.delete(opportunity=row, by=by, on=today()),
            rehearse=lambda row, by: operations.delete(opportunity=row, by=by, on=today(), dry_run=True),
            done=lambda n: ngettext(
                "Deleted %(n)d opportunity with its entries.",
                "Deleted %(n)d opportunities with their entries.",
                n,
            ),
        )

    def _change_many(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        action: str,
        form_class: type[forms.Form],
        title: str,
        submit_label: str,
        change: Callable[[Opportunity, dict[str, Any], User], object],
        done: Callable[[int], str],
        rehearse: Callable[[Opportunity, User], object] | None = None,
    ) -> HttpResponse | None:
        """The page between choosing an action and its being done; then the action, row by row, and the report."""
        selection = self._selected(request, queryset)
        if len(selection.keys) > MOST_AT_ONCE:
            self.message_user(
                request,
                _("At most %(most)d opportunities can be changed at a time. Narrow the list with a filter.")
                % {"most": MOST_AT_ONCE},
                messages.WARNING,
            )
            return None
        by = person(request)
        confirmed = "confirmed" in request.POST
        form = form_class(request.POST if confirmed else None)
        moved_on = confirmed and selection.is_across and request.POST.get("mark") != selection.mark
        if confirmed and not moved_on and form.is_valid():
            typed = form.cleaned_data
            self._report(request, self._each(request, selection, lambda row: change(row, typed, by)), done)
            return None
        outcomes = Outcomes(done=len(selection.keys))
        if rehearse is not None:
            outcomes = self._each(request, selection, lambda row: rehearse(row, by))
        return TemplateResponse(
            request,
            "admin/opportunities/opportunity/action.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "form": form,
                "action": action,
                "submit_label": submit_label,
                "is_deletion": rehearse is not None,
                "selection": selection,
                "moved_on": moved_on,
                "outcomes": outcomes,
                "rows": self.get_queryset(request).filter(pk__in=selection.keys[:SHOWN]).order_by("pk"),
                "unshown": max(len(selection.keys) - SHOWN, 0),
                "back_url": request.get_full_path(),
                "media": self.media + form.media,
            },
            status=422 if confirmed else 200,
        )

    def _selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> Selection:
        """The keys that were ticked, as far as they are seen by the person; or those of the whole list."""
        is_across = request.POST.get("select_across") == "1"
        if not is_across:
            ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)[: MOST_AT_ONCE + 1]
            queryset = self.get_queryset(request).filter(pk__in=ticked)
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        return Selection(keys, is_across, mark=f"{len(keys)}-{sum(keys)}")

    def _each(
        self, request: HttpRequest, selection: Selection, change: Callable[[Opportunity], object]
    ) -> Outcomes:
        """Do it with each row, a batch in memory at a time, and note what was refused."""
        outcomes = Outcomes()
        workable = Opportunity.objects.workable_by(person(request))
        for start in range(0, len(selection.keys), BATCH):
            keys = selection.keys[start : start + BATCH]
            rows = self.get_queryset(request).filter(pk__in=keys).order_by("pk")
            may = set(workable.filter(pk__in=keys).values_list("pk", flat=True))
            for row in list(rows):
                number = row.number
                try:
                    if row.pk not in may:
                        raise operations.Refused(
                            _("It belongs to %(salesperson)s, for whom you do not work.")
                            % {"salesperson": row.salesperson}
                        )
                    change(row)
                except operations.Refused as refusal:
                    outcomes.refusals.append((number, refusal.message))
                else:
                    outcomes.done += 1
        return outcomes

    def _report(self, request: HttpRequest, outcomes: Outcomes, done: Callable[[int], str]) -> None:
        """Say what was done, and for each row that was refused why."""
        if outcomes.done:
            self.message_user(request, done(outcomes.done) % {"n": outcomes.done}, messages.SUCCESS)
        if not outcomes.refusals:
            return
        lines: list[tuple[str | Promise]] = [
            (format_html("{}: {}", number, text),) for number, text in outcomes.shown_refusals
        ]
        if outcomes.unshown:
            lines.append(
                (ngettext("and %(n)d more", "and %(n)d more", outcomes.unshown) % {"n": outcomes.unshown},)
            )
        n = len(outcomes.refusals)
        title = ngettext(
            "%(n)d opportunity was left as it is:", "%(n)d opportunities were left as they are:", n
        ) % {"n": n}
        self.message_user(
            request,
            format_html("{}<ul>{}</ul>", title, format_html_join("", "<li>{}</li>", lines)),
            messages.WARNING if outcomes.done else messages.ERROR,
        )
