"""Time zones as calendar programmes read them: the VTIMEZONE of RFC 5545.

Where a zone changes its clocks by the same rule every year, it is told as that rule, which is what Outlook
understands; else change by change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
YEARS_BEFORE, YEARS_AFTER = 1, 3  # around the year that is asked for
STEP = timedelta(days=7)  # no zone changes its clocks and back again in less


@dataclass(frozen=True)
class Change:
    """A moment at which clocks are put on or back."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def on_the_clock(self) -> datetime:
        """What the clock showed at that moment, before it was put on or back."""
        return (self.at + self.before).replace(tzinfo=None)

    @property
    def kind(self) -> tuple[timedelta, timedelta, str]:
        """What the changes of a rule have in common."""
        return self.before, self.after, self.name


@lru_cache(maxsize=64)
def time_zone(name: str, year: int) -> Timezone:
    """The zone, right from the year before ``year`` to the second one after it. It is shared: do not change it."""
    zone = ZoneInfo(name)
    first, last = (
        datetime(year - YEARS_BEFORE, 1, 1, tzinfo=UTC),
        datetime(year + YEARS_AFTER, 1, 1, tzinfo=UTC),
    )
    changes = list(_changes(zone, first, last))
    told = Timezone()
    told.add("TZID", name)
    rules = _rules(changes, years=YEARS_BEFORE + YEARS_AFTER)
    if rules is None:
        start = (first + _offset(zone, first)).replace(tzinfo=None)
        _add(told, Change(first, _offset(zone, first), _offset(zone, first), _name(zone, first)), start)
        for change in changes:
            _add(told, change, change.on_the_clock)
    else:
        for change, rule in rules:
            _add(told, change, change.on_the_clock, rule)
    return told


def _changes(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[Change]:
    """Every change of the clocks between two moments, to the second."""
    at = first
    while at < last:
        following = min(at + STEP, last)
        if _offset(zone, at) != _offset(zone, following):
            before, after = at, following
            while after - before > timedelta(seconds=1):
                middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
                before, after = (
                    (middle, after) if _offset(zone, middle) == _offset(zone, at) else (before, middle)
                )
            yield Change(after, _offset(zone, at), _offset(zone, after), _name(zone, after))
        at = following


def _rules(changes: Sequence[Change], years: int) -> list[tuple[Change, vRecur]] | None:
    """The first change of each kind with its yearly rule; None where the years are not alike."""
    found = []
    by_kind = sorted(changes, key=lambda change: (change.kind, change.at))
    for _kind, group in groupby(by_kind, key=lambda change: change.kind):
        alike = list(group)
        days = _same_day([change.on_the_clock for change in alike])
        if len(alike) != years or days is None:
            return None
        rule = vRecur({"FREQ": "YEARLY", "BYMONTH": alike[0].on_the_clock.month, "BYDAY": days})
        found.append((alike[0], rule))
    return found or None


def _same_day(moments: Sequence[datetime]) -> str | None:
    """The day that all have in common, such as ``-1SU`` for the last Sunday; None if there is none."""
    if len({(at.month, at.weekday(), at.time()) for at in moments}) > 1:
        return None
    weekday = WEEKDAYS[moments[0].weekday()]
    if all((at + timedelta(days=7)).month != at.month for at in moments):
        return f"-1{weekday}"
    weeks = {(at.day - 1) // 7 + 1 for at in moments}
    return f"{weeks.pop()}{weekday}" if len(weeks) == 1 else None


def _add(told: Timezone, change: Change, start: datetime, rule: vRecur | None = None) -> None:
    part = TimezoneDaylight() if change.after > change.before else TimezoneStandard()
    part.add("DTSTART", start)
    part.add("TZOFFSETFROM", change.before)
    part.add("TZOFFSETTO", change.after)
    part.add("TZNAME", change.name)
    if rule is not None:
        part.add("RRULE", rule)
    told.add_component(part)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _name(zone: ZoneInfo, at: datetime) -> str:
    return at.astimezone(zone).tzname() or str(zone)
