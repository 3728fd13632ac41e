"""Date formulas and today."""

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from crm.dates import DateFormulaError, add_months, apply_formula, parse_formula, today

MONDAY = date(2026, 3, 23)


@pytest.mark.parametrize(
    ("formula", "start", "expected"),
    [
        ("", date(2026, 3, 23), date(2026, 3, 23)),
        ("   ", date(2026, 3, 23), date(2026, 3, 23)),
        # days and weeks
        ("0D", date(2026, 3, 23), date(2026, 3, 23)),
        ("2D", date(2026, 3, 23), date(2026, 3, 25)),
        ("+2D", date(2026, 3, 23), date(2026, 3, 25)),
        ("-2D", date(2026, 3, 1), date(2026, 2, 27)),
        ("1W", date(2026, 12, 28), date(2027, 1, 4)),
        ("9999D", date(2000, 1, 1), date(2027, 5, 18)),
        ("2d", date(2026, 3, 23), date(2026, 3, 25)),
        (" 1 w - 2 d ", date(2026, 3, 23), date(2026, 3, 28)),
        # months clip to the last day
        ("1M", date(2026, 1, 15), date(2026, 2, 15)),
        ("1M", date(2026, 1, 31), date(2026, 2, 28)),
        ("1M", date(2028, 1, 31), date(2028, 2, 29)),
        ("1M", date(2026, 3, 31), date(2026, 4, 30)),
        ("-1M", date(2026, 3, 31), date(2026, 2, 28)),
        ("-1M", date(2026, 1, 10), date(2025, 12, 10)),
        ("12M", date(2026, 12, 1), date(2027, 12, 1)),
        ("1Q", date(2026, 11, 30), date(2027, 2, 28)),
        ("-1Q", date(2026, 5, 31), date(2026, 2, 28)),
        ("1Y", date(2028, 2, 29), date(2029, 2, 28)),
        ("4Y", date(2028, 2, 29), date(2032, 2, 29)),
        ("-1Y", date(2028, 2, 29), date(2027, 2, 28)),
        ("1Y", date(2099, 2, 28), date(2100, 2, 28)),
        ("1D", date(2100, 2, 28), date(2100, 3, 1)),  # 2100 is no leap year
        ("1D", date(2000, 2, 28), date(2000, 2, 29)),  # 2000 is one
        # a chain is worked from left to right, and clips at each step
        ("1W-2D", date(2026, 3, 23), date(2026, 3, 28)),
        ("1M-1D", date(2026, 1, 31), date(2026, 2, 27)),
        ("1M+1M", date(2026, 1, 31), date(2026, 3, 28)),
        ("2M", date(2026, 1, 31), date(2026, 3, 31)),
        ("1Y+1Q-1M+2W-3D", date(2026, 1, 31), date(2027, 4, 10)),
        # to the end of the current one
        ("CD", date(2026, 3, 23), date(2026, 3, 23)),
        ("CW", date(2026, 3, 23), date(2026, 3, 29)),  # Monday to Sunday
        ("CW", date(2026, 3, 29), date(2026, 3, 29)),
        ("CW", date(2026, 12, 31), date(2027, 1, 3)),
        ("CM", date(2026, 2, 1), date(2026, 2, 28)),
        ("CM", date(2028, 2, 1), date(2028, 2, 29)),
        ("+CM", date(2026, 4, 30), date(2026, 4, 30)),
        ("CQ", date(2026, 1, 1), date(2026, 3, 31)),
        ("CQ", date(2026, 5, 5), date(2026, 6, 30)),
        ("CQ", date(2026, 9, 30), date(2026, 9, 30)),
        ("CQ", date(2026, 10, 1), date(2026, 12, 31)),
        ("CY", date(2026, 1, 1), date(2026, 12, 31)),
        ("CM+10D", date(2026, 3, 23), date(2026, 4, 10)),
        ("CM+1M", date(2026, 1, 5), date(2026, 2, 28)),
        ("cm-1w", date(2026, 3, 23), date(2026, 3, 24)),
        # what lies outside the calendar stops at its edge
        ("1D", date.max, date.max),
        ("9999Y", MONDAY, date.max),
        ("9999Y-1D", MONDAY, date.max),
        ("-9999Y", MONDAY, date.min),
        ("-1D", date.min, date.min),
        ("-1M", date.min, date.min),
        ("CW", date.max, date.max),
        ("CM", date.max, date.max),
        ("CQ", date.max, date.max),
        ("CY", date.max, date.max),
    ],
)
def test_formula_gives_the_date(formula, start, expected):
    assert apply_formula(formula, start) == expected


@pytest.mark.parametrize(
    ("formula", "position"),
    [
        ("soon", 1),
        ("2", 2),
        ("D", 1),
        ("2X", 2),
        ("1W-2X", 5),
        ("1W 2D", 4),
        ("1W2D", 3),
        ("1W-", 4),
        ("+", 2),
        ("--1D", 2),
        ("1.5D", 2),
        ("12345D", 5),
        ("CX", 2),
        ("C", 2),
        ("-CM", 1),
        ("1M+CM", 4),
        ("CM+CM", 4),
        ("  2X", 4),
        ("1W  -  2X", 9),
        ("2D;", 3),
        ("<2D>", 1),
        ("٣D", 1),  # a digit, but not one of ours
        ("²D", 1),
        ("ßD", 1),
        ("2D\x00", 3),
        ("2D\N{NO-BREAK SPACE}x", 4),
    ],
)
def test_mistake_is_refused_with_its_position(formula, position):
    with pytest.raises(DateFormulaError) as refusal:
        parse_formula(formula)

    assert f"position {position}" in str(refusal.value)
    assert f"“{formula}”" in str(refusal.value)


@given(st.text(alphabet=st.one_of(st.sampled_from("0123456789+-CDWMQYcdwmqy \t\n."), st.characters())))
@example("9" * 5000 + "D")
@example("\ud800")
def test_any_text_is_a_formula_or_refused(text):
    try:
        terms = parse_formula(text)
    except DateFormulaError:
        return
    assert date.min <= apply_formula(text, MONDAY) <= date.max
    assert parse_formula(text.lower()) == parse_formula(text.upper()) == terms
    assert parse_formula(" ".join(text)) == terms


FORMULAS = st.lists(
    st.tuples(st.sampled_from("+-"), st.integers(0, 9999), st.sampled_from("DWMQY")), min_size=1, max_size=5
)


@given(FORMULAS, st.dates())
def test_signed_terms_read_back_as_written(terms, start):
    text = "".join(f"{sign}{count}{unit}" for sign, count, unit in terms)

    assert [tuple(term) for term in parse_formula(text)] == [
        (-count if sign == "-" else count, unit) for sign, count, unit in terms
    ]
    assert date.min <= apply_formula(text, start) <= date.max


@given(st.dates(date(1900, 1, 1), date(2200, 12, 31)), st.integers(-600, 600))
def test_months_keep_the_day_or_clip_to_the_last(start, months):
    moved = add_months(start, months)

    assert (moved.year * 12 + moved.month) - (start.year * 12 + start.month) == months
    last = calendar.monthrange(moved.year, moved.month)[1]
    assert moved.day == min(start.day, last)


@given(st.dates(date(1900, 1, 1), date(2200, 12, 31)), st.sampled_from("DWMQY"))
def test_end_of_period_is_not_before_the_day_and_the_day_after_begins_another(start, unit):
    end = apply_formula(f"C{unit}", start)
    after = end + timedelta(days=1)

    assert end >= start
    assert apply_formula(f"C{unit}", end) == end
    begins = {
        "D": True,
        "W": after.weekday() == 0,
        "M": after.day == 1,
        "Q": after.day == 1 and after.month in (1, 4, 7, 10),
        "Y": after.day == 1 and after.month == 1,
    }
    assert begins[unit]
    longest = {"D": 0, "W": 6, "M": 30, "Q": 91, "Y": 365}
    assert (end - start).days <= longest[unit]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Brussels", date(2026, 3, 24)),
        ("UTC", date(2026, 3, 23)),
        ("America/New_York", date(2026, 3, 23)),
        ("Pacific/Kiritimati", date(2026, 3, 24)),
        ("Pacific/Pago_Pago", date(2026, 3, 23)),
    ],
)
@time_machine.travel(datetime(2026, 3, 23, 23, 30, tzinfo=UTC), tick=False)
def test_today_is_the_date_where_the_person_is(zone, expected):
    with timezone.override(ZoneInfo(zone)):
        assert today() == expected
