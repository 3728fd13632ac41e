"""Codes, money, percentages and formulas as model fields."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from contacts.models import Contact
from crm.fields import (
    CodeField,
    DateFormulaField,
    ExactMoneyField,
    MoneyField,
    PercentField,
    ProbabilityField,
    WebsiteField,
)
from opportunities.models import Opportunity
from salescycles.models import SalesCycleStage
from salespeople.models import Team
from tests.factories import TeamFactory


@pytest.mark.parametrize("typed", ["north", " North ", "NORTH", "\tnorth\n"])
@pytest.mark.django_db
def test_code_is_kept_trimmed_and_in_upper_case(typed):
    team = TeamFactory(code=typed)

    assert team.code == "NORTH"
    assert Team.objects.get(code=" north ") == team
    assert list(Team.objects.filter(code__in=["north", "south"])) == [team]
    assert Team(code=typed, name="Other").code == typed  # until it is cleaned or saved


@pytest.mark.django_db
def test_code_differing_only_in_case_is_refused_as_a_second_one():
    TeamFactory(code="NORTH")

    with pytest.raises(ValidationError) as refusal:
        Team(code="north", name="Other").full_clean()

    assert refusal.value.message_dict == {"code": ["Another team has this code."]}


def test_code_that_grows_in_upper_case_is_refused_when_too_long():
    with pytest.raises(ValidationError):
        CodeField(max_length=10).clean("ß" * 6, None)

    assert CodeField(max_length=10).clean("ß" * 5, None) == "SSSSSSSSSS"


@pytest.mark.parametrize("value", [None, 12])
def test_code_takes_what_is_not_text(value):
    assert CodeField(max_length=10, null=True).to_python(value) == (None if value is None else "12")


def test_website_without_a_scheme_is_https():
    assert WebsiteField().formfield().clean("example.com") == "https://example.com"
    assert WebsiteField().formfield().clean("http://example.com") == "http://example.com"
    assert isinstance(Contact._meta.get_field("website"), WebsiteField)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (MoneyField(), "0", "-0.01"),
        (MoneyField(), "999999999999.99", "1000000000000"),
        (MoneyField(), "0.01", "0.001"),
        (ExactMoneyField(), "0.0000000001", "-0.0000000001"),
        (ExactMoneyField(), "99999999999999.9999999999", "100000000000000"),
        (PercentField(), "0", "-0.01"),
        (PercentField(), "100", "100.01"),
        (PercentField(), "33.33", "33.333"),
        (ProbabilityField(), "10.890001", "10.8900001"),
        (ProbabilityField(), "100.000000", "100.000001"),
    ],
)
def test_number_within_its_limits(field, good, bad):
    assert field.clean(good, None) == Decimal(good)
    for nonsense in (bad, "NaN", "Infinity", "ten"):
        with pytest.raises(ValidationError):
            field.clean(nonsense, None)


@pytest.mark.parametrize(
    ("name", "digits", "places"),
    [
        ("estimated_value", 14, 2),
        ("chance_percent", 5, 2),
        ("completed_percent", 5, 2),
        ("probability_percent", 9, 6),
        ("calculated_value", 24, 10),
    ],
)
def test_precision_loses_no_digit_of_a_product(name, digits, places):
    field = Opportunity._meta.get_field(name)

    assert (field.max_digits, field.decimal_places) == (digits, places)


def test_formula_is_kept_without_blanks_in_upper_case():
    assert DateFormulaField().clean(" 1 w - 2 d ", None) == "1W-2D"
    assert DateFormulaField().clean("", None) == ""
    assert DateFormulaField(null=True).to_python(None) is None


@pytest.mark.parametrize("text", ["soon", "1", "1W2D", "x" * 33, "+1D" * 11])
def test_formula_that_cannot_be_read_or_stored_is_refused(text):
    with pytest.raises(ValidationError):
        DateFormulaField().clean(text, None)


def test_refused_formula_names_the_position():
    stage = SalesCycleStage(close_in="1W-2X")

    with pytest.raises(ValidationError) as refusal:
        stage.clean_fields(exclude=["cycle", "position", "description"])

    assert "position 5" in refusal.value.message_dict["close_in"][0]
