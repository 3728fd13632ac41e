"""What stages would make of an opportunity: its probability and worth in each of them, by all four methods."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from crm.dates import DateFormulaError, apply_formula
from crm.fields import HUNDRED
from salescycles.models import ProbabilityMethod

EXAMPLE_VALUE = Decimal(10_000)


@dataclass(frozen=True)
class StageFacts:
    """What a preview needs of a stage, saved or only typed; None is what cannot be read."""

    description: str
    completed_percent: Decimal | None
    chance_percent: Decimal | None
    close_in: str | None
    is_active: bool = True


class Figure(NamedTuple):
    """A probability and what it makes of the value; None where there is nothing to compute it from."""

    method: ProbabilityMethod
    probability: Decimal | None
    value: Decimal | None


class PreviewRow(NamedTuple):
    """A stage, the day one would expect to close, and its figures in the order of the methods."""

    stage: StageFacts
    closes_on: date | None
    figures: list[Figure]


def preview(stages: Iterable[StageFacts], *, value: Decimal | None, on: date) -> list[PreviewRow]:
    """For every stage the four probabilities and calculated values of an opportunity of ``value`` entering on ``on``."""
    return [
        PreviewRow(
            stage, _closing_date(stage, on), [_figure(stage, method, value) for method in ProbabilityMethod]
        )
        for stage in stages
    ]


def _figure(stage: StageFacts, method: ProbabilityMethod, value: Decimal | None) -> Figure:
    if stage.chance_percent is None or stage.completed_percent is None:
        return Figure(method, None, None)
    probability = method.probability(chance=stage.chance_percent, completed=stage.completed_percent)
    return Figure(method, probability, None if value is None else value * probability / HUNDRED)


def _closing_date(stage: StageFacts, on: date) -> date | None:
    try:
        return None if stage.close_in is None else apply_formula(stage.close_in, on)
    except DateFormulaError:
        return None
