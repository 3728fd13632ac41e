"""An activity that somebody gives by hand: which, from when, for whom, and which of its tasks."""

from functools import cached_property, partial
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from activities import operations
from activities.models import Activity, Task
from contacts.models import Contact
from crm.dates import today
from crm.forms import is_key
from opportunities.forms.fields import DateInput, needed, to_date
from opportunities.forms.planned import PlannedTasks
from opportunities.forms.tasks import Doer, DoerField, split
from opportunities.models import Opportunity
from salespeople.models import User


class AssignForm(forms.Form):
    """Make the tasks of an activity, about an opportunity, about a contact, or only for somebody."""

    activity = forms.ModelChoiceField(
        label=gettext_lazy("Activity"),
        queryset=Activity.objects.none(),
        empty_label="–",
        error_messages=needed(gettext_lazy("Choose an activity.")),
    )
    on = forms.DateField(
        label=gettext_lazy("Begins on"),
        widget=DateInput(),
        error_messages=needed(gettext_lazy("Say on which day it begins.")),
    )
    doer = DoerField()

    def __init__(
        self,
        *args: Any,
        user: User,
        doer: Doer | None,
        opportunity: Opportunity | None = None,
        contact: Contact | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.opportunity, self.contact = user, opportunity, contact
        activity, to_do = self.fields["activity"], self.fields["doer"]
        assert isinstance(activity, forms.ModelChoiceField)
        assert isinstance(to_do, DoerField)
        activity.queryset = Activity.objects.offered()
        if not activity.queryset:
            activity.help_text = _("There is no activity yet. A sales manager adds them under Activities.")
        to_do.offer(user, current=doer)
        self.initial = {"on": today(), "doer": doer, **self.initial}

    @cached_property
    def coming(self) -> PlannedTasks | None:
        """The tasks of the chosen activity, each to be kept, edited or left out."""
        sent = self.data if self.is_bound else self.initial
        key = str(sent.get("activity") or "")
        activity = Activity.objects.offered().filter(pk=key).first() if is_key(key) else None
        if activity is None:
            return None
        on = to_date(sent.get("on")) or today()
        plan = partial(operations.planned, activity)
        of = f"activity-{activity.pk}"
        return PlannedTasks(sent, of=of, plan=plan, on=on, opportunity=self.opportunity)

    def is_valid(self) -> bool:
        """Whether everything can be read, the tasks included."""
        return all([super().is_valid(), self.coming is None or self.coming.is_valid()])

    def perform(self) -> list[Task]:
        """Make the tasks. Raises ``TaskRefused``."""
        typed = self.cleaned_data
        if self.coming is not None and self.coming.outdated:
            raise operations.ActivityRefused(
                _("“%(activity)s” brings tasks that you have not seen yet. Look at them below, then go on.")
                % {"activity": typed["activity"]}
            )
        return operations.assign_activity(
            activity=typed["activity"],
            on=typed["on"],
            by=self.user,
            contact=self.contact,
            opportunity=self.opportunity,
            steps=self.coming.planned() if self.coming is not None else None,
            **split(typed["doer"]),
        )
