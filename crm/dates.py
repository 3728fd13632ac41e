"""Today, and the small language of date formulas.

A date formula is a chain of signed numbers with a unit: ``2D`` (days), ``1W``, ``1M``, ``1Q``, ``1Y``,
``1W-2D``; or it begins with ``C`` and a unit, the end of the current one: ``CM`` is the last day of this
month, ``CM+10D`` ten days after it. Month arithmetic clips to the last day (31 January + 1M is the last of
February). Blank means the same day. The notation is that of Microsoft Dynamics 365 Business Central.
"""

import calendar
import re
from datetime import date, timedelta
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MONTHS_IN = {"M": 1, "Q": 3, "Y": 12}
DAYS_IN = {"D": 1, "W": 7}
BEGUN = r"(?P<sign>[+-]?)(?:(?P<current>C)|(?P<count>[0-9]{1,4}))"
TERM = re.compile(rf"{BEGUN}(?P<unit>[DWMQY])")
AS_FAR_AS_IT_IS_RIGHT = re.compile(rf"(?:{BEGUN}|[+-]?)")


class Term(NamedTuple):
    """One step of a formula: ``amount`` units on, or to the end of the current unit when ``amount`` is None."""

    amount: int | None
    unit: str


class DateFormulaError(ValueError):
    """A text that is not a date formula; its words name the position of the mistake, counted from 1."""


def today() -> date:
    """Today in the time zone of the person at work: the one source of the business date."""
    return timezone.localdate()


def parse_formula(formula: str) -> list[Term]:
    """The terms of a formula, in order. Raises ``DateFormulaError`` with the position of the mistake."""
    typed = [(place, letter) for place, letter in enumerate(formula, start=1) if not letter.isspace()]
    text = "".join(letter.upper() if letter.isascii() else letter for _place, letter in typed)
    # Where each letter of the text stands in what was typed, and where the next one would stand.
    places = [*(place for place, _letter in typed), len(formula) + 1]
    terms: list[Term] = []
    position = 0
    while position < len(text):
        match = TERM.match(text, position)
        if match is None:
            right = AS_FAR_AS_IT_IS_RIGHT.match(text, position)
            raise DateFormulaError(
                _(
                    "“%(formula)s” is not a date formula: it goes wrong at position %(position)d. "
                    "Write for example 2D, 1W, 1M, 1W-2D or CM+10D."
                )
                % {"formula": formula, "position": places[right.end() if right else position]}
            )
        if terms and not match["sign"]:
            raise DateFormulaError(
                _("“%(formula)s” needs a + or - at position %(position)d.")
                % {"formula": formula, "position": places[position]}
            )
        if match["current"]:
            if terms or match["sign"] == "-":
                mistake = match.start("current") if terms else position
                raise DateFormulaError(
                    _(
                        "“%(formula)s” goes wrong at position %(position)d: "
                        "C, for the current period, may only come first and without a minus."
                    )
                    % {"formula": formula, "position": places[mistake]}
                )
            terms.append(Term(None, match["unit"]))
        else:
            count = int(match["count"])
            terms.append(Term(-count if match["sign"] == "-" else count, match["unit"]))
        position = match.end()
    return terms


def apply_formula(formula: str, start: date) -> date:
    """The date that ``formula`` gives from ``start``, kept between the first and last date there is.

    Raises ``DateFormulaError`` when the formula cannot be read.
    """
    result = start
    for term in parse_formula(formula):
        try:
            result = _apply(term, result)
        except (OverflowError, ValueError):
            return date.min if term.amount is not None and term.amount < 0 else date.max
    return result


def add_months(start: date, months: int) -> date:
    """The same day ``months`` later, or the last day of that month when it is shorter."""
    index = start.year * 12 + start.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


def _apply(term: Term, start: date) -> date:
    if term.amount is None:
        return _end_of(term.unit, start)
    if term.unit in DAYS_IN:
        return start + timedelta(days=term.amount * DAYS_IN[term.unit])
    return add_months(start, term.amount * MONTHS_IN[term.unit])


def _end_of(unit: str, start: date) -> date:
    """The last day of the current day, week (Sunday), month, quarter or year."""
    match unit:
        case "D":
            return start
        case "W":
            return start + timedelta(days=6 - start.weekday())
        case "M":
            last_month = start.month
        case "Q":
            last_month = (start.month + 2) // 3 * 3
        case _:
            last_month = 12
    return date(start.year, last_month, calendar.monthrange(start.year, last_month)[1])


PERIODS = {
    "THIS_WEEK": gettext_lazy("This week"),
    "NEXT_WEEK": gettext_lazy("Next week"),
    "LAST_MONTH": gettext_lazy("Last month"),
    "THIS_MONTH": gettext_lazy("This month"),
    "NEXT_MONTH": gettext_lazy("Next month"),
    "LAST_QUARTER": gettext_lazy("Last quarter"),
    "THIS_QUARTER": gettext_lazy("This quarter"),
    "NEXT_QUARTER": gettext_lazy("Next quarter"),
    "THIS_YEAR": gettext_lazy("This year"),
}


def period(name: str, around: date) -> tuple[date, date]:
    """First and last day of a period named in ``PERIODS``, as seen from a day; weeks begin on Monday."""
    which, _blank, unit = name.partition("_")
    step = {"LAST": -1, "THIS": 0, "NEXT": 1}[which]
    if unit == "WEEK":
        monday = around - timedelta(days=around.weekday()) + timedelta(weeks=step)
        return monday, monday + timedelta(days=6)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
    first = add_months(date(around.year, (around.month - 1) // months * months + 1, 1), step * months)
    return first, add_months(first, months) - timedelta(days=1)
