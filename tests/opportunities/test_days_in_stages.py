"""Days in stages, counted by hand."""

from datetime import date

import pytest

from opportunities.ledger import days_in_stages

A, B = 1, 2
JAN = {day: date(2026, 1, day) for day in range(1, 32)}


@pytest.mark.parametrize(
    ("entries", "days"),
    [
        ([(A, 1, 1, None)], {A: 30}),
        ([(A, 1, 1, None), (A, 1, 5, None)], {A: 30}),  # an update is the same stay
        ([(A, 1, 1, None), (B, 11, 11, None)], {A: 10, B: 20}),
        ([(A, 1, 1, None), (B, 11, 11, None), (A, 13, 13, None)], {A: 28, B: 2}),  # two stays in A
        ([(A, 1, 1, None), (B, 11, 11, None), (A, 1, 21, None)], {A: 30}),  # undone: never in B
        (
            [(A, 1, 1, None), (B, 11, 11, None), (A, 1, 21, None), (B, 11, 25, None)],
            {A: 10, B: 20},
        ),  # and redone
        ([(A, 1, 1, None), (B, 1, 1, None)], {A: 0, B: 30}),  # both on one day
        ([(A, 1, 1, None), (A, 1, 11, 11)], {A: 10}),  # closed on the 11th
    ],
)
def test_days_in_stages(entries, days):
    rows = [(s, JAN[entered], JAN[changed], JAN.get(closed)) for s, entered, changed, closed in entries]

    assert days_in_stages(rows, until=JAN[31]) == days
