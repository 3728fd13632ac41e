"""Numbers as people write them."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from crm.forms import TypedDecimalField

FIELD = TypedDecimalField(max_digits=14, decimal_places=2)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1000", "1000"),
        ("1000.5", "1000.5"),
        ("1000,50", "1000.50"),
        ("1,000.50", "1000.50"),
        ("1.000,50", "1000.50"),
        ("1 000,50", "1000.50"),
        ("€ 1\N{NARROW NO-BREAK SPACE}000", "1000"),
        ("1,234,567", "1234567"),
        ("1.234.567,8", "1234567.8"),
        ("12'500", "12500"),
        (",5", "0.5"),
        ("-3", "-3"),
    ],
)
def test_number_is_understood(typed, number):
    assert FIELD.clean(typed) == Decimal(number)


@pytest.mark.parametrize("typed", ["1.000", "1,000", "12,500", "100.000"])
def test_number_that_may_be_two_is_not_guessed(typed):
    with pytest.raises(ValidationError) as refused:
        FIELD.clean(typed)

    [message] = refused.value.messages
    assert message.startswith(
        f"“{typed}” may mean two numbers. Write {typed.replace('.', '').replace(',', '')}"
    )


@pytest.mark.parametrize("typed", ["1.2.3", "1,2,3", "a lot", "1..0", "\0", "NaN", "1,00,000.5.5", "--1"])
def test_what_is_no_number_is_refused(typed):
    with pytest.raises(ValidationError):
        FIELD.clean(typed)
