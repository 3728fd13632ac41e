"""The form for a new opportunity."""

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from contacts.pickers import ContactChoiceField
from crm.dates import today
from opportunities import operations
from opportunities.forms.changes import EstimateFields
from opportunities.forms.fields import DateInput, needed
from opportunities.models import Opportunity, Priority
from opportunities.operations import Estimate
from salescycles.models import SalesCycle
from salespeople.models import Salesperson, User


class NewOpportunityForm(EstimateFields):
    """A new opportunity; the estimate may wait, unless it is started at once."""

    description = forms.CharField(
        label=_("Description"),
        max_length=operations.LONGEST_DESCRIPTION,
        error_messages=needed(operations.DESCRIPTION_NEEDED),
        help_text=_("What may be sold, in a few words."),
    )
    salesperson = forms.ModelChoiceField(
        label=_("Salesperson"),
        queryset=Salesperson.objects.none(),
        error_messages=needed(operations.SALESPERSON_NEEDED),
    )
    cycle = forms.ModelChoiceField(
        label=_("Sales cycle"),
        queryset=SalesCycle.objects.none(),
        error_messages=needed(operations.CYCLE_NEEDED),
    )
    priority = forms.ChoiceField(label=_("Priority"), choices=Priority.choices, initial=Priority.NORMAL)
    on = forms.DateField(label=_("Created on"), widget=DateInput())
    starts_now = forms.BooleanField(
        label=_("Start at once, in the first stage"),
        required=False,
        help_text=_("An empty chance or closing date is then taken from the first stage."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        for name in ("value", "chance_percent", "closes_on"):
            self.fields[name].required = False
        self.fields["contact"] = ContactChoiceField(
            user=user, label=_("Contact"), error_messages=needed(operations.CONTACT_NEEDED)
        )
        people = Salesperson.objects.worked_by(user).order_by("name")
        cycles = SalesCycle.objects.available().order_by("-is_default", "description")
        # A blocked one is not offered; chosen all the same, the operation says in words why it cannot be.
        self._offer("salesperson", people, people.assignable())
        self._offer("cycle", SalesCycle.objects.all(), cycles)
        self.initial.setdefault("on", today())
        if user.own_salesperson is not None:
            self.initial.setdefault("salesperson", user.own_salesperson.pk)
        default = next(iter(cycles), None)
        if default is not None and default.is_default:
            self.initial.setdefault("cycle", default.pk)
        self.order_fields(["description", "contact", "salesperson", "cycle", "priority", "on"])

    def _offer(self, name: str, queryset: QuerySet[Any], offered: QuerySet[Any]) -> None:
        """Accept any of ``queryset``, and list those that are ``offered``."""
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = queryset
        field.choices = [("", "–"), *((row.pk, str(row)) for row in offered)]

    @transaction.atomic
    def create(self) -> Opportunity:
        """Make the opportunity, and start it if asked. Raises ``operations.Refused``."""
        typed = self.cleaned_data
        estimate = self.estimate()
        opportunity = operations.create(
            description=typed["description"],
            contact=typed["contact"],
            salesperson=typed["salesperson"],
            cycle=typed["cycle"],
            priority=typed["priority"],
            estimate=estimate,
            by=self.user,
            on=typed["on"],
        ).opportunity
        if typed["starts_now"]:
            first = operations.reachable_stages(opportunity)
            if first:
                offer = operations.offered_estimate(opportunity, first[0], typed["on"])
                estimate = Estimate(
                    estimate.value,
                    estimate.chance_percent or offer.chance_percent,
                    estimate.closes_on or offer.closes_on,
                )
            operations.start(opportunity=opportunity, estimate=estimate, by=self.user, on=typed["on"])
        return opportunity
