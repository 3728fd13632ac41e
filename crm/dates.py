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

MONTHS_IN = {"M": 1, "Q": 3, "Y": 12}
DAYS_IN = {"D": 1, "W": 7}
TERM = re.compile(r"(?P<sign>[+-]?)(?:(?P<current>C)|(?P<count>\d{1,4}))(?P<unit>[DWMQY])")


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
    text = "".join(formula.split()).upper()
    terms: list[Term] = []
    position = 0
    while position < len(text):
        match = TERM.match(text, position)
        if match is None:
            raise DateFormulaError(
                _(
                    "“%(formula)s” is not a date formula: it goes wrong at position %(position)d. "
                    "Write for example 2D, 1W, 1M, 1W-2D or CM+10D."
                )
                % {"formula": formula, "position": position + 1}
            )
        if terms and not match["sign"]:
            raise DateFormulaError(
                _("“%(formula)s” needs a + or - at position %(position)d.")
                % {"formula": formula, "position": position + 1}
            )
        if match["current"]:
            if terms or match["sign"] == "-":
                raise DateFormulaError(
                    _("“%(formula)s”: C for the current period may only come first, at position 1.")
                    % {"formula": formula}
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
            return date.max if (term.amount or 0) > 0 else date.min
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
