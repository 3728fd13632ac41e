"""When the next task of a series is due.

A series repeats after a date formula (``crm.dates``), as Business Central's recurring tasks do, with two improvements:
a series that is counted from its due dates keeps its day (one that began on the 31st comes on the last day of a short
month and on the 31st again after it), and it never makes up for what was missed, but goes on in the future.
"""

from datetime import date, timedelta

from django.utils.translation import gettext as _

from crm.dates import DAYS_IN, MONTHS_IN, DateFormulaError, Term, add_months, apply_formula, parse_formula

MOST_STEPS = 50_000  # of one series between two tasks: a daily one that was left alone for a century


class NotRepeating(ValueError):
    """A formula that does not lead on; its words say so to the person who typed it."""


def check_repeats(formula: str, start: date) -> None:
    """Refuse a formula that cannot be read or does not lead to a later day. Raises ``NotRepeating``."""
    try:
        following = after(formula, start)
    except DateFormulaError as error:
        raise NotRepeating(str(error)) from error
    if following <= start or following == date.max:
        raise NotRepeating(
            _("“%(formula)s” does not lead to a later day. Write for example 1W or 1M.")
            % {"formula": formula}
        )


def after(formula: str, start: date) -> date:
    """The date one repetition after ``start``: “to the end of the month” from the last of a month is the next one.

    Raises ``DateFormulaError`` when the formula cannot be read.
    """
    following = apply_formula(formula, start)
    if following <= start < date.max and _goes_to_an_end(parse_formula(formula)):
        return apply_formula(formula, start + timedelta(days=1))
    return following


def next_in_series(formula: str, *, began_on: date, beyond: date) -> date:
    """The first date of a series that lies after ``beyond``; ``date.max`` when there is none.

    The dates are counted from the day it began: the third of “1M” from 31 January is 30 April, not 28.
    """
    terms = parse_formula(formula)
    found = began_on
    for times in range(1, MOST_STEPS):
        found = after(formula, found) if _goes_to_an_end(terms) else _times(terms, times, began_on)
        if found > beyond:
            return found
    return date.max


def _goes_to_an_end(terms: list[Term]) -> bool:
    """Whether a formula begins with the end of a period, such as CM."""
    return bool(terms) and terms[0].amount is None


def _times(terms: list[Term], times: int, start: date) -> date:
    """The date so many repetitions after ``start``: all months at once, so that no short month shortens the next."""
    months = sum((term.amount or 0) * MONTHS_IN.get(term.unit, 0) for term in terms) * times
    days = sum((term.amount or 0) * DAYS_IN.get(term.unit, 0) for term in terms) * times
    try:
        return add_months(start, months) + timedelta(days=days)
    except (OverflowError, ValueError):
        return date.max
