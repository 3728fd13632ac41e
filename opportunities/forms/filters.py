"""The list's filter: page and address share one checked query string."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from opportunities.models import OPEN_STATUSES, Opportunity, Status
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, User

OPEN, ALL = "OPEN", "ALL"


class OpportunityFilterForm(forms.Form):
    """Which opportunities the list shows; without a status the open ones."""

    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[(OPEN, _("Open")), *Status.choices, (ALL, _("All"))],
    )
    cycle = forms.ModelChoiceField(
        label=_("Sales cycle"),
        queryset=SalesCycle.objects.order_by("description"),
        required=False,
        empty_label=_("All"),
    )
    stage = forms.ModelChoiceField(
        label=_("Stage"), queryset=SalesCycleStage.objects.none(), required=False, empty_label=_("All")
    )
    salesperson = forms.ModelChoiceField(
        label=_("Salesperson"), queryset=Salesperson.objects.none(), required=False, empty_label=_("All")
    )
    contact = forms.ModelChoiceField(
        label=_("Contact"), queryset=Contact.objects.none(), required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        stages = SalesCycleStage.objects.select_related("cycle").order_by("cycle__description", "position")
        self._choose_from("stage", stages)
        self._choose_from("salesperson", Salesperson.objects.seen_by(user).order_by("name"))
        self._choose_from("contact", Contact.objects.visible_to(user))
        for visible in self.visible_fields():
            visible.field.widget.attrs["class"] = "form-select"
        field = self.fields["stage"]
        assert isinstance(field, forms.ModelChoiceField)
        groups: dict[str, list[tuple[int, str]]] = {}
        for stage in stages:
            groups.setdefault(str(stage.cycle), []).append((stage.pk, str(stage)))
        field.choices = [("", _("All")), *groups.items()]

    def _choose_from(self, name: str, queryset: QuerySet[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = queryset

    @property
    def contact_shown(self) -> Contact | None:
        """The contact the list is narrowed to, if any."""
        return self.cleaned_data.get("contact") if self.is_valid() else None

    def filter(self, opportunities: QuerySet[Opportunity]) -> QuerySet[Opportunity]:
        """Those of ``opportunities`` that were asked for; none when the question makes no sense."""
        if not self.is_valid():
            return opportunities.none()
        asked = self.cleaned_data
        status = asked["status"] or OPEN
        if status == OPEN:
            opportunities = opportunities.filter(status__in=OPEN_STATUSES)
        elif status != ALL:
            opportunities = opportunities.filter(status=status)
        for name in ("cycle", "stage", "salesperson"):
            if asked[name]:
                opportunities = opportunities.filter(**{name: asked[name]})
        contact = asked["contact"]
        if contact is not None:
            opportunities = opportunities.filter(
                **({"company": contact} if contact.is_company else {"contact": contact})
            )
        return opportunities
