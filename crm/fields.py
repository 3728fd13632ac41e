"""Model fields that every app spells the same way: codes, money, percentages, date formulas.

Precision is chosen so that nothing is ever rounded before it is stored. A chance and a completed
percentage have two decimals; their product over 100 needs six (``ProbabilityField``); an amount of
two decimals times that, over 100, needs ten (``ExactMoneyField``). PostgreSQL keeps every digit;
SQLite keeps fifteen significant ones.
"""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.dates import DateFormulaError, parse_formula

HUNDRED = Decimal(100)


class CodeField(models.CharField):  # type: ignore[type-arg]
    """A short key that people type, such as ``EXISTING``: kept trimmed and in upper case."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.strip().upper() if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class WebsiteField(models.URLField):  # type: ignore[type-arg]
    """A web address; typed without a scheme it is https."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in the company's currency, to the cent, never negative."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 14)
        kwargs.setdefault("decimal_places", 2)
        kwargs.setdefault("validators", [MinValueValidator(0, message=_("An amount cannot be negative."))])
        super().__init__(*args, **kwargs)


class ExactMoneyField(MoneyField):
    """An amount weighted by a probability, with all of its decimals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 24)
        kwargs.setdefault("decimal_places", 10)
        super().__init__(*args, **kwargs)


class PercentField(models.DecimalField):  # type: ignore[type-arg]
    """A percentage from 0 to 100 (33.5 means 33.5 %), with two decimals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 5)
        kwargs.setdefault("decimal_places", 2)
        kwargs.setdefault(
            "validators",
            [
                MinValueValidator(0, message=_("A percentage lies between 0 and 100.")),
                MaxValueValidator(100, message=_("A percentage lies between 0 and 100.")),
            ],
        )
        super().__init__(*args, **kwargs)


class ProbabilityField(PercentField):
    """A percentage computed from two others, with all of its decimals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 9)
        kwargs.setdefault("decimal_places", 6)
        super().__init__(*args, **kwargs)


def validate_formula(value: str) -> None:
    """Refuse text that is not a date formula, saying where it goes wrong."""
    try:
        parse_formula(value)
    except DateFormulaError as error:
        raise ValidationError(str(error), code="formula") from error


class DateFormulaField(models.CharField):  # type: ignore[type-arg]
    """A date formula as ``crm.dates`` reads it, in upper case; blank means the same day."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 32)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        kwargs.setdefault("validators", [validate_formula])
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return "".join(value.split()).upper() if isinstance(value, str) else value


def column_of(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """A field that a table has as a column."""
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def between(field: str) -> models.Q:
    """The condition that a percentage field lies between 0 and 100 (or is empty, where it may be)."""
    return models.Q(**{f"{field}__gte": 0, f"{field}__lte": 100})
