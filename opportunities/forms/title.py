"""What an opportunity is called and how urgent it is, changed in place: one of the two at a time."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from opportunities.forms.changes import DescribeForm
from opportunities.models import Opportunity, Priority


class TitleForm(DescribeForm):
    """The part of ``DescribeForm`` that was sent; ``seen_description`` is what was on screen."""

    def __init__(self, *args: Any, opportunity: Opportunity, **kwargs: Any) -> None:
        super().__init__(*args, opportunity=opportunity, auto_id="title_%s", **kwargs)
        del self.fields["priority" if "priority" not in self.data else "description"]
        if "priority" in self.fields:
            self.fields["priority"] = forms.ChoiceField(
                choices=Priority.choices,
                error_messages={"invalid_choice": gettext_lazy("A priority is low, normal or high.")},
            )
        else:
            self.fields["description"].widget.attrs |= {"class": "form-control", "data-focus": True}
