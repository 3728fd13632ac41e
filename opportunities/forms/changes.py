"""One form for each operation: it shapes what was typed and calls the operation, which holds the rules."""

from copy import copy
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from contacts.pickers import ContactChoiceField
from crm.forms import TypedDecimalField, is_key
from crm.seen import Texts, merge, plain
from crm.templatetags.kansen import day, money, percent
from opportunities import operations
from opportunities.forms.fields import DateInput, amount_field, needed, to_date
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
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson, User

CHOSEN = ("to", "offered_for", "outcome")  # decides what a form offers in its other fields


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


class ChangeForm(forms.Form):
    """A change of one opportunity, drawn from the version in ``seen``."""

    operation = ""
    title: StrOrPromise = ""
    submit_label: StrOrPromise = ""
    danger = False
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

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        """Call the operation. Raises ``operations.Refused``."""
        raise NotImplementedError

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
        data = {**dict(self.data.items()), "seen": str(self.opportunity.version)}
        entry = self.opportunity.entries.filter(sequence=self.cleaned_data["seen"]).first()
        if entry is not None and entry.sequence != self.opportunity.version:
            before, now = _offers(self._drawn_for(entry)), _offers(self._drawn_for(None))
            typed = {name: text for name, text in data.items() if now.get(name)}
            data |= merge(typed, before=before, now=now)
        self.data = data

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
    values = {name: form[name].value() for name in form.fields if name not in (*CHOSEN, "seen")}
    return {name: "" if value is None else str(value) for name, value in values.items()}


class StartForm(EstimateFields, ChangeForm):
    """Enter the first stage."""

    operation = "start"

    def prepare(self) -> None:
        first = operations.reachable_stages(self.opportunity)
        self.title = _("Start in %(stage)s") % {"stage": first[0]} if first else _("Start")
        self.submit_label = self.title
        if first:
            self.offer(operations.offered_estimate(self.opportunity, first[0], self.initial["on"]))

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.start(estimate=self.estimate(), **self.common(dry_run))


class MoveForm(EstimateFields, ChangeForm):
    """Go to another stage. Chance and date of the chosen stage are offered; what was typed stays as typed."""

    operation = "move"

    to = forms.ModelChoiceField(
        label=gettext_lazy("Stage"),
        queryset=SalesCycleStage.objects.none(),
        empty_label=None,
        error_messages=needed(operations.STAGE_NEEDED),
    )
    offered_for = forms.IntegerField(required=False, widget=forms.HiddenInput)

    field_order = ("to", "value", "chance_percent", "closes_on")

    def prepare(self) -> None:
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        # Any stage of the cycle can be chosen; the operation says in words why one cannot be reached.
        field.queryset = SalesCycleStage.objects.filter(cycle=self.opportunity.cycle_id)
        reachable = operations.reachable_stages(self.opportunity)
        field.choices = [(stage.pk, str(stage)) for stage in reachable]
        chosen = self._chosen(reachable)
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
        present = operations.present_estimate(self.opportunity)
        if present.chance_percent != offer.chance_percent:
            self.fields["chance_percent"].help_text = _("Now %(now)s. %(stage)s suggests %(offer)s.") % {
                "now": percent(present.chance_percent) or "–",
                "stage": chosen,
                "offer": percent(offer.chance_percent) or "–",
            }
        if present.closes_on != offer.closes_on:
            self.fields["closes_on"].help_text = _("Now %(now)s. %(stage)s suggests %(offer)s.") % {
                "now": day(present.closes_on) or "–",
                "stage": chosen,
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
        return operations.move(to=self.cleaned_data["to"], estimate=self.estimate(), **self.common(dry_run))


def _whole(text: object) -> int:
    """The number in a text, or 0."""
    return int(str(text)) if is_key(str(text)) else 0


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

    def _reason_label(self, reason: CloseReason, fixed: bool) -> str:
        return str(reason) if fixed else f"{reason.get_outcome_display()}: {reason}"

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.close(
            outcome=self.cleaned_data["outcome"],
            reason=self.cleaned_data["reason"],
            amount=self.cleaned_data.get("amount"),
            **self.common(dry_run),
        )

    def done_message(self, entry: OpportunityEntry) -> str:
        if entry.status == Status.LOST:
            return _("Closed as lost.")
        buyer = self.opportunity.buyer
        return _("Won: %(amount)s. %(buyer)s is customer %(number)s.") % {
            "amount": money(entry.calculated_value),
            "buyer": buyer,
            "number": type(buyer).objects.values_list("customer_number", flat=True).get(pk=buyer.pk),
        }


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
        newest = self.opportunity.entries.with_names().newest_first()[0]
        return _("%(what)s, recorded by %(who)s. History keeps both.") % {
            "what": newest.headline,
            "who": newest.recorded_by,
        }

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.undo(**self.common(dry_run))


class ReassignForm(ChangeForm):
    """Give it to somebody else, or to another contact."""

    operation = "reassign"

    salesperson = forms.ModelChoiceField(
        label=gettext_lazy("Salesperson"), queryset=Salesperson.objects.none(), empty_label=None
    )

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
        else:
            del self.fields["salesperson"]
            self.title = self.submit_label = _("Change the contact")
        self.order_fields(["salesperson", "contact", "on", "note"])

    def perform(self, *, dry_run: bool = False) -> OpportunityEntry:
        return operations.reassign(
            salesperson=self.cleaned_data.get("salesperson"),
            contact=self.cleaned_data["contact"],
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
