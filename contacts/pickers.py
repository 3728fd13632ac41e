"""Choosing one contact out of very many: a text field with suggestions, and a plain text field without script.

What is typed is resolved on the server: the label of a suggestion, a number, a name, or the beginning of one.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import LABEL_MARK, Contact, ContactKind, ContactQuerySet
from salespeople.models import User

NAMED_AT_MOST = 5  # contacts in an error message
LONGEST = 200


class ContactPicker(forms.TextInput):
    """A text field that htmx feeds with suggestions, as ARIA's combobox describes it."""

    def __init__(self, attrs: dict[str, Any] | None = None, *, kind: ContactKind | None = None) -> None:
        self.kind = kind
        super().__init__(attrs)

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        attrs = {**(attrs or {})}
        options = f"{attrs.get('id') or name}_options"
        url = reverse("contacts:suggest")
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
            "hx-get": f"{url}?kind={self.kind}" if self.kind else url,
            "hx-trigger": "input changed delay:150ms",
            "hx-target": f"#{options}",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }
        field = super().render(name, value, attrs, renderer)
        return field + render_to_string("contacts/_picker_options.html", {"id": options})


class ContactChoiceField(forms.Field):
    """A contact the user may see, chosen by typing; ``kind`` narrows it to companies or to persons.

    ``current`` is a contact that stays accepted although the user may not see it; with ``keep`` it then stands there
    by its number alone. ``initial`` may be a contact or a primary key. When the field is declared in a class, give it
    its ``user`` in ``__init__`` of the form.
    """

    widget = ContactPicker
    default_error_messages = {
        "required": gettext_lazy("Choose a contact."),
    }

    def __init__(
        self,
        *,
        user: User | None = None,
        kind: ContactKind | None = None,
        current: Contact | None = None,
        **kwargs: Any,
    ) -> None:
        self.user = user
        self.kind = kind
        self.current = current
        self.names_current = True
        kwargs.setdefault("label", gettext_lazy("Contact"))
        kwargs.setdefault("widget", ContactPicker(kind=kind))
        super().__init__(**kwargs)

    def keep(self, current: Contact | None) -> None:
        """Go on accepting a contact, and name it only to a user who sees it."""
        self.current = current
        self.names_current = current is None or self._seen().filter(pk=current.pk).exists()

    def prepare_value(self, value: Any) -> Any:
        """What the text field shows: the label of a contact, or again what was typed."""
        if isinstance(value, int):
            value = self._seen().filter(pk=value).first() or self._current_with(value)
        return self._label_of(value) if isinstance(value, Contact) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial) or "") != (data or "").strip()

    def to_python(self, value: Any) -> Contact | None:
        """The one contact that is meant, or an error that says what was found instead."""
        text = str(value or "").strip()
        if not text:
            return None
        if self.current is not None and text == self._label_of(self.current):
            return self.current
        if "\0" in text or len(text) > LONGEST:
            raise self._no_match(text[:20].replace("\0", ""), near=[])
        return self._by_number(text) or self._by_name(text)

    def _label_of(self, contact: Contact) -> str:
        return contact.label if self.names_current or contact != self.current else contact.number

    def _seen(self) -> ContactQuerySet:
        if self.user is None:
            raise TypeError("A ContactChoiceField needs its user.")
        return Contact.objects.visible_to(self.user).select_related("company")

    def _of_kind(self) -> ContactQuerySet:
        return self._seen().filter(kind=self.kind) if self.kind else self._seen()

    def _current_with(self, pk: int) -> Contact | None:
        return self.current if self.current is not None and self.current.pk == pk else None

    def _by_number(self, text: str) -> Contact | None:
        """The contact with a number, provided that the name written beside it is its name."""
        number, _mark, name = text.partition(LABEL_MARK)
        contact = self._seen().filter(number=number.strip().upper()).first()
        if contact is None:
            return None
        if self.kind and contact.kind != self.kind:
            asked = _("a company") if self.kind == ContactKind.COMPANY else _("a person")
            raise ValidationError(
                _("%(contact)s is not %(asked)s.") % {"contact": contact.label, "asked": asked}, code="kind"
            )
        if name and name.strip().casefold() != contact.name.casefold():
            raise ValidationError(
                _("%(number)s is %(name)s, not %(typed)s. Type only the one you mean.")
                % {"number": contact.number, "name": contact.name, "typed": name.strip()},
                code="mismatch",
            )
        return contact

    def _by_name(self, text: str) -> Contact:
        """The only contact of that name, or the only one whose name begins so."""
        for condition in ({"name": text}, {"name__iexact": text}, {"name__istartswith": text}):
            found = list(self._of_kind().filter(**condition).order_by("name", "pk")[: NAMED_AT_MOST + 1])
            if len(found) == 1:
                return found[0]
            if found:
                raise ValidationError(
                    _("“%(text)s” could be %(contacts)s. Type the number of the one you mean.")
                    % {"text": text, "contacts": _named(found)},
                    code="ambiguous",
                )
        near = self._of_kind().matching(text).order_by("name", "pk")
        raise self._no_match(text, near=list(near[:NAMED_AT_MOST]))

    def _no_match(self, text: str, *, near: list[Contact]) -> ValidationError:
        asked = {ContactKind.COMPANY: _("company"), ContactKind.PERSON: _("person"), None: _("contact")}
        known = {"asked": asked[self.kind], "text": text, "contacts": _named(near)}
        if near:
            sentence = _("No %(asked)s is called “%(text)s”. Do you mean %(contacts)s?")
        else:
            sentence = _("No %(asked)s is called “%(text)s”. Type the beginning of a name, or a number.")
        return ValidationError(sentence % known, code="unknown")


def _named(contacts: list[Contact]) -> str:
    """At most five contacts by label, with an “or” before the last."""
    labels = [contact.label for contact in contacts[:NAMED_AT_MOST]]
    if len(contacts) > NAMED_AT_MOST:
        labels.append(_("yet another one"))
    if len(labels) < 2:
        return "".join(labels)
    return _("%(all_but_last)s or %(last)s") % {"all_but_last": ", ".join(labels[:-1]), "last": labels[-1]}
