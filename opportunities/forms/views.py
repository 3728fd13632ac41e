"""The name of a view, and with whom it is shared."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from opportunities.models import Audience, SavedView
from salespeople.models import User

LONGEST_QUERY = 2000


class SavedViewForm(forms.ModelForm[SavedView]):
    """A view as its owner names it and shares it; what it asks comes from the page it is made on."""

    opens_first = forms.BooleanField(label=gettext_lazy("The list opens with it"), required=False)

    class Meta:
        model = SavedView
        fields = ["name", "audience"]

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if self.instance._state.adding:
            self.instance.owner = user
        own = user.own_salesperson
        has_team = own is not None and own.team is not None
        audience = self.fields["audience"]
        assert isinstance(audience, forms.ChoiceField)
        choices = [choice for choice in Audience.choices if has_team or choice[0] != Audience.TEAM]
        audience.choices = choices
        audience.widget = forms.RadioSelect(choices=choices)
        audience.initial = Audience.OWNER
        if not has_team and self.initial.get("audience") == Audience.TEAM:
            self.initial["audience"] = Audience.OWNER
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        self.fields["name"].help_text = _("As it stands on the tab.")

    def clean_name(self) -> str:
        """Refuse a name that the owner has given to another view."""
        name = " ".join(self.cleaned_data["name"].split())
        if not name:
            raise ValidationError(_("A view needs a name."), code="required")
        others = SavedView.objects.changeable_by(self.user).exclude(pk=self.instance.pk)
        if others.filter(name__iexact=name).exists():
            raise ValidationError(_("You have a view of this name already."), code="unique")
        return name
