"""Fields and widgets that many forms share."""

from datetime import date
from typing import Any

from django import forms
from django_stubs_ext import StrOrPromise, StrPromise

from crm.forms import TypedDecimalField


class DateInput(forms.DateInput):
    """The browser's own date picker."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


def needed(message: StrPromise) -> dict[str, StrOrPromise]:
    """What an empty field says: the operation's own words."""
    return {"required": message}


def amount_field(label: StrOrPromise, message: StrPromise) -> TypedDecimalField:
    """An amount of money."""
    return TypedDecimalField(label=label, max_digits=14, decimal_places=2, error_messages=needed(message))


def to_date(text: object) -> date | None:
    """The date in a text, or None."""
    try:
        return text if isinstance(text, date) else date.fromisoformat(str(text))
    except ValueError:
        return None
