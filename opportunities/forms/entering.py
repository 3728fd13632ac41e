"""Coming into a stage: an estimate, and the tasks of the stage's activity, which are shown beforehand."""

from collections.abc import Sequence
from functools import cached_property, partial

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from activities.operations import PlannedTask
from crm.forms import is_key
from crm.seen import plain
from crm.templatetags.kansen import day, percent
from opportunities import operations
from opportunities.forms.changes import ChangeForm, EstimateFields
from opportunities.forms.fields import needed, to_date
from opportunities.forms.planned import PlannedTasks, TaskKeysField
from opportunities.models import OpportunityEntry
from opportunities.operations import Estimate
from salescycles.models import SalesCycleStage


def tasks_made(entry: OpportunityEntry) -> str:
    """How many tasks came with a change, as a sentence; nothing when there were none."""
    made = entry.tasks_made.count()
    if not made:
        return ""
    return ngettext("%(n)d task came with it.", "%(n)d tasks came with it.", made) % {"n": made}


class EnterForm(EstimateFields, ChangeForm):
    """Come into a stage: an estimate, and the tasks of the stage's activity."""

    entered: SalesCycleStage | None = None

    @cached_property
    def coming(self) -> PlannedTasks | None:  # type: ignore[override]
        """The tasks that come with the stage, each to be kept, edited or left out."""
        stage, sent = self.entered, self.data if self.is_bound else self.initial
        if stage is None:
            return None
        on = to_date(sent.get("on")) or operations.default_date(self.opportunity)
        plan = partial(operations.coming_tasks, stage)
        return PlannedTasks(sent, of=f"stage-{stage.pk}", plan=plan, on=on, opportunity=self.opportunity)

    def is_valid(self) -> bool:
        """Whether everything can be read, the tasks included."""
        return all([super().is_valid(), self.coming is None or self.coming.is_valid()])

    @property
    def mistake(self) -> str:
        """The first thing that is wrong with what was typed."""
        rows = self.coming.forms if self.coming is not None else []
        in_rows = (str(errors[0]) for row in rows for errors in row.errors.values())
        return super().mistake or next(in_rows, "")

    def tasks(self, stage: SalesCycleStage | None, *, dry_run: bool) -> Sequence[PlannedTask] | None:
        """The tasks to make in a stage; None is what its activity says.

        Those of one stage are not made in another: then they are shown first. Raises ``operations.TasksRefused``.
        """
        if self.coming is None or stage != self.entered:
            return None
        if self.coming.outdated and not dry_run:
            raise operations.TasksRefused(
                _("%(stage)s brings tasks that you have not seen yet. Look at them below, then go on.")
                % {"stage": stage}
            )
        return self.coming.planned()

    def task_lines(self) -> list[str]:
        coming = self.coming.count if self.coming is not None else 0
        if not coming:
            return super().task_lines()
        text = ngettext("%(n)d task comes with it.", "%(n)d tasks come with it.", coming) % {"n": coming}
        return [text, *super().task_lines()]

    def done_message(self, entry: OpportunityEntry) -> str:
        return f"{super().done_message(entry)} {tasks_made(entry)}".rstrip()


class StartForm(EnterForm):
    """Enter the first stage."""

    operation = "start"

    def prepare(self) -> None:
        first = operations.reachable_stages(self.opportunity)
        self.title = _("Start in %(stage)s") % {"stage": first[0]} if first else _("Start")
        self.submit_label = self.title
        if first:
            self.entered = first[0]
            self.offer(operations.offered_estimate(self.opportunity, first[0], self.initial["on"]))

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        tasks = self.tasks(self.entered, dry_run=dry_run)
        return operations.start(estimate=self.estimate(), tasks=tasks, **self.common(dry_run))


class MoveForm(EnterForm):
    """Go to another stage. Chance and date of the chosen stage are offered; what was typed stays as typed."""

    operation = "move"

    to = forms.ModelChoiceField(
        label=gettext_lazy("Stage"),
        queryset=SalesCycleStage.objects.none(),
        empty_label=None,
        error_messages=needed(operations.STAGE_NEEDED),
    )
    offered_for = forms.IntegerField(required=False, widget=forms.HiddenInput)
    cancel_tasks = TaskKeysField()

    field_order = ("to", "value", "chance_percent", "closes_on")

    def prepare(self) -> None:
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        # Any stage of the cycle can be chosen; the operation says in words why one cannot be reached.
        field.queryset = SalesCycleStage.objects.filter(cycle=self.opportunity.cycle_id)
        reachable = operations.reachable_stages(self.opportunity)
        field.choices = [(stage.pk, str(stage)) for stage in reachable]
        self.entered = chosen = self._chosen(reachable)
        label = _("Still open from %(stage)s: tick what is to be cancelled") % {
            "stage": self.opportunity.stage
        }
        self.offer_to_cancel(operations.left_tasks(self.opportunity), label=label)
        if not self.is_bound:
            self._forget_earlier_offer()
        self.title = _("Move to %(stage)s") % {"stage": chosen} if chosen else _("Move")
        self.submit_label = self.title
        if chosen is None:
            return
        offer = operations.offered_estimate(self.opportunity, chosen, self.initial["on"])
        self.initial["to"] = chosen.pk
        self.initial["offered_for"] = chosen.pk
        self.offer(offer)
        self._suggest(chosen, offer)

    def _suggest(self, stage: SalesCycleStage, offer: Estimate) -> None:
        """Say beside chance and date what stands there now and what the stage offers."""
        present = operations.present_estimate(self.opportunity)
        words = _("Now %(now)s. %(stage)s suggests %(offer)s.")
        if present.chance_percent != offer.chance_percent:
            self.fields["chance_percent"].help_text = words % {
                "now": percent(present.chance_percent) or "–",
                "stage": stage,
                "offer": percent(offer.chance_percent) or "–",
            }
        if present.closes_on != offer.closes_on:
            self.fields["closes_on"].help_text = words % {
                "now": day(present.closes_on) or "–",
                "stage": stage,
                "offer": day(offer.closes_on),
            }

    def _chosen(self, reachable: list[SalesCycleStage]) -> SalesCycleStage | None:
        wanted = str((self.data if self.is_bound else self.initial).get("to") or "")
        here = self.opportunity.stage
        ahead = [stage for stage in reachable if here is not None and stage.position > here.position]
        default = ahead[0] if ahead else (reachable[-1] if reachable else None)
        return next((stage for stage in reachable if str(stage.pk) == wanted), default)

    def _forget_earlier_offer(self) -> None:
        """After another stage was chosen: what still is as it was offered makes room for the new offer."""
        earlier = SalesCycleStage.objects.filter(
            cycle=self.opportunity.cycle_id, pk=_whole(self.initial.pop("offered_for", None))
        ).first()
        if earlier is None:
            return
        offer = operations.offered_estimate(self.opportunity, earlier, self.initial["on"])
        offered = {"chance_percent": plain(offer.chance_percent), "closes_on": str(offer.closes_on)}
        for name, value in offered.items():
            if self.initial.get(name) == value:
                del self.initial[name]

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        to = self.cleaned_data["to"]
        return operations.move(
            to=to,
            estimate=self.estimate(),
            tasks=self.tasks(to, dry_run=dry_run),
            cancel_tasks=self.cleaned_data.get("cancel_tasks") or (),
            **self.common(dry_run),
        )


def _whole(text: object) -> int:
    """The number in a text, or 0."""
    return int(str(text)) if is_key(str(text)) else 0
