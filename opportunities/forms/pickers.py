"""Choosing one open opportunity out of very many, as contacts are chosen: by number, description or its beginning."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from opportunities.models import Opportunity, OpportunityQuerySet
from salespeople.models import User

LABEL_MARK = " · "  # between number and description
NAMED_AT_MOST = 5  # opportunities in an error message
LONGEST = 250


def label_of(opportunity: Opportunity) -> str:
    """How an opportunity stands in the field."""
    return f"{opportunity.number}{LABEL_MARK}{opportunity.description}"


class OpportunityPicker(forms.TextInput):
    """A text field that htmx feeds with suggestions, as ARIA's combobox describes it."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        attrs = {**(attrs or {})}
        options = f"{attrs.get('id') or name}_options"
        attrs |= {
            "role": "combobox",
            "aria-autocomplete": "list",
            "aria-expanded": "false",
            "aria-controls": options,
            "autocomplete": "off",
            "autocapitalize": "off",
            "spellcheck": "false",
            "maxlength": LONGEST,
            "data-picker": True,
            "hx-get": reverse("opportunities:task-suggest"),
            "hx-trigger": "input changed delay:150ms",
            "hx-target": f"#{options}",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }
        field = super().render(name, value, attrs, renderer)
        return field + render_to_string("contacts/_picker_options.html", {"id": options})


class OpportunityChoiceField(forms.Field):
    """An open opportunity that the user works on; ``current`` is one that stays accepted all the same.

    With ``keep`` one that the user does not see stands there by its number alone.
    """

    widget = OpportunityPicker

    def __init__(
        self, *, user: User | None = None, current: Opportunity | None = None, **kwargs: Any
    ) -> None:
        self.user = user
        self.current = current
        self.names_current = True
        kwargs.setdefault("label", gettext_lazy("Opportunity"))
        super().__init__(**kwargs)

    def keep(self, current: Opportunity | None) -> None:
        """Go on accepting an opportunity, and say what it is called only to a user who sees it."""
        self.current = current
        seen = Opportunity.objects.visible_to(self._user)
        self.names_current = current is None or seen.filter(pk=current.pk).exists()

    def prepare_value(self, value: Any) -> Any:
        """What the text field shows: the label of an opportunity, or again what was typed."""
        return self._label_of(value) if isinstance(value, Opportunity) else value

    def to_python(self, value: Any) -> Opportunity | None:
        """The one opportunity that is meant, or an error that says what was found instead."""
        text = str(value or "").strip()
        if not text:
            return None
        if self.current is not None and text == self._label_of(self.current):
            return self.current
        if "\0" in text or len(text) > LONGEST:
            raise _no_match(text[:20].replace("\0", ""), near=[])
        return self._by_number(text) or self._by_description(text)

    def _label_of(self, opportunity: Opportunity) -> str:
        is_named = self.names_current or opportunity != self.current
        return label_of(opportunity) if is_named else opportunity.number

    @property
    def _user(self) -> User:
        if self.user is None:
            raise TypeError("An OpportunityChoiceField needs its user.")
        return self.user

    def _workable(self) -> OpportunityQuerySet:
        rows = Opportunity.objects.workable_by(self._user).open()
        return rows.select_related("contact__company", "salesperson")

    def _by_number(self, text: str) -> Opportunity | None:
        """The opportunity with a number; what is written beside it is for the eye."""
        number = text.partition(LABEL_MARK)[0].strip().upper()
        return self._workable().filter(number=number).first()

    def _by_description(self, text: str) -> Opportunity:
        """The only one of that description, or the only one whose description begins so."""
        for condition in ({"description__iexact": text}, {"description__istartswith": text}):
            found = list(self._workable().filter(**condition).order_by("pk")[: NAMED_AT_MOST + 1])
            if len(found) == 1:
                only: Opportunity = found[0]
                return only
            if found:
                raise ValidationError(
                    _("“%(text)s” could be %(opportunities)s. Type the number of the one you mean.")
                    % {"text": text, "opportunities": _named(found)},
                    code="ambiguous",
                )
        near = self._workable().matching(text).order_by("pk")
        raise _no_match(text, near=list(near[:NAMED_AT_MOST]))


def _no_match(text: str, *, near: list[Opportunity]) -> ValidationError:
    known = {"text": text, "opportunities": _named(near)}
    if near:
        sentence = _("No open opportunity of yours is called “%(text)s”. Do you mean %(opportunities)s?")
    else:
        sentence = _(
            "No open opportunity of yours is called “%(text)s”. Type its number, or the beginning of its description."
        )
    return ValidationError(sentence % known, code="unknown")


def _named(opportunities: list[Opportunity]) -> str:
    """At most five of them by label."""
    labels = [label_of(opportunity) for opportunity in opportunities[:NAMED_AT_MOST]]
    if len(opportunities) > NAMED_AT_MOST:
        labels.append(_("yet another one"))
    return ", ".join(labels)
