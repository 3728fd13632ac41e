"""When the next task of a series is due, over short months, leap years and long absences."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models import due_instant
from activities.series import NotRepeating, after, check_repeats, next_in_series
from crm.dates import add_months

DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 12, 31))
COUNTED = st.builds(lambda n, unit: f"{n}{unit}", st.integers(1, 30), st.sampled_from("DWMQY"))
ENDS = st.builds(
    lambda unit, days: f"C{unit}" + (f"+{days}D" if days else ""), st.sampled_from("WMQY"), st.integers(0, 20)
)


@pytest.mark.parametrize(
    ("formula", "began_on", "beyond", "expected"),
    [
        ("1W", date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 9)),
        ("1W", date(2026, 3, 2), date(2026, 3, 20), date(2026, 3, 23)),  # three weeks late: not made up for
        ("1M", date(2026, 1, 31), date(2026, 1, 31), date(2026, 2, 28)),
        ("1M", date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)),  # the 31st stays the 31st
        ("1M", date(2028, 1, 31), date(2028, 1, 31), date(2028, 2, 29)),  # a leap year
        ("1Y", date(2024, 2, 29), date(2024, 2, 29), date(2025, 2, 28)),
        ("1Y", date(2024, 2, 29), date(2027, 3, 1), date(2028, 2, 29)),
        ("1Q", date(2025, 11, 30), date(2025, 11, 30), date(2026, 2, 28)),
        ("1M+1D", date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 1)),
        ("CM", date(2026, 1, 31), date(2026, 1, 31), date(2026, 2, 28)),
        ("CM", date(2026, 1, 10), date(2026, 1, 10), date(2026, 1, 31)),
        ("CM+10D", date(2026, 1, 10), date(2026, 1, 10), date(2026, 2, 10)),
        ("CW", date(2026, 11, 22), date(2026, 11, 22), date(2026, 11, 29)),  # a Sunday
        ("1D", date(9999, 12, 30), date(9999, 12, 31), date.max),
    ],
)
def test_next_in_series(formula, began_on, beyond, expected):
    assert next_in_series(formula, began_on=began_on, beyond=beyond) == expected


@pytest.mark.parametrize("formula", ["", "0D", "-1W", "1W-7D", "CM-40D", "1X", "9999Y"])
def test_formula_that_does_not_lead_on_is_refused(formula):
    with pytest.raises(NotRepeating):
        check_repeats(formula, date(2026, 3, 31))


def test_series_that_turns_back_has_an_end():
    check_repeats(
        "2M-61D", date(2026, 7, 1)
    )  # July and August have 62 days, and no other two months after them

    assert next_in_series("2M-61D", began_on=date(2026, 7, 1), beyond=date(2027, 7, 1)) == date.max


@given(formula=st.one_of(COUNTED, ENDS), began_on=DAYS, late=st.integers(0, 1500))
def test_next_is_the_first_of_the_series_that_lies_beyond(formula, began_on, late):
    check_repeats(formula, began_on)
    beyond = began_on + timedelta(days=late)

    found = next_in_series(formula, began_on=began_on, beyond=beyond)

    assert found > beyond
    whole = [began_on]
    while whole[-1] <= beyond:
        whole.append(next_in_series(formula, began_on=began_on, beyond=whole[-1]))
    assert whole[-1] == found


@given(began_on=DAYS, months=st.integers(1, 40))
def test_monthly_series_keeps_its_day(began_on, months):
    found = [began_on]
    for _month in range(months):
        found.append(next_in_series("1M", began_on=began_on, beyond=found[-1]))

    assert found == [add_months(began_on, n) for n in range(months + 1)]


@given(formula=ENDS, start=DAYS)
def test_after_an_end_comes_the_next_end(formula, start):
    assert after(formula, after(formula, start)) > after(formula, start) > start


ZONES = st.sampled_from(
    [
        "Europe/Brussels",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Pacific/Apia",
        "America/St_Johns",
        "UTC",
    ]
)


@given(
    zone=ZONES, day=DAYS, at=st.times(timezones=st.none()).map(lambda at: at.replace(microsecond=0, fold=0))
)
def test_clock_shows_the_time_that_was_typed_unless_it_skips_it(zone, day, at):
    zone = ZoneInfo(zone)

    due = due_instant(day, at, zone)

    there = due.astimezone(UTC).astimezone(zone)
    again = datetime.combine(day, at, zone).replace(fold=1)
    skipped = due.utcoffset() < again.utcoffset()  # in spring the later offset is the larger one
    if skipped:
        assert there.replace(tzinfo=None) - due.replace(tzinfo=None) == again.utcoffset() - due.utcoffset()
    else:
        assert (there.date(), there.time()) == (day, at)
        assert due.fold == 0  # of a time that the clock shows twice, the first


@given(zone=ZONES, began_on=DAYS, at=st.times(timezones=st.none()), weeks=st.integers(1, 60))
def test_series_stays_at_its_time_of_day_over_changes_of_the_clock(zone, began_on, at, weeks):
    zone = ZoneInfo(zone)
    beyond = began_on + timedelta(weeks=weeks - 1)

    following = next_in_series("1W", began_on=began_on, beyond=beyond)

    assert following == began_on + timedelta(weeks=weeks)
    assert due_instant(following, at, zone).replace(tzinfo=None) == datetime.combine(following, at)
