"""Probability methods, cycles and the order of their stages."""

from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.positions import reorder
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from tests.factories import SalesCycleFactory, SalesCycleStageFactory, cycle_with_stages

LARGEST = 2_147_483_647  # what a position can hold


@pytest.mark.parametrize(
    ("method", "chance", "completed", "probability"),
    [
        ("MULTIPLY", 40, 30, "12"),
        ("ADD", 40, 30, "35"),
        ("CHANCE", 40, 30, "40"),
        ("COMPLETED", 40, 30, "30"),
        ("MULTIPLY", 33, 33, "10.89"),
        ("MULTIPLY", "0.01", "0.01", "0.000001"),
        ("ADD", "0.01", 0, "0.005"),
        ("ADD", 33, 34, "33.5"),
        ("MULTIPLY", 100, 100, "100"),
        ("ADD", 100, 100, "100"),
        ("MULTIPLY", 0, 100, "0"),
    ],
)
def test_probability_of_each_method(method, chance, completed, probability):
    result = ProbabilityMethod(method).probability(chance=Decimal(chance), completed=Decimal(completed))

    assert result == Decimal(probability)


PERCENT = st.integers(0, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)


@given(PERCENT, PERCENT)
def test_probability_is_exact_and_fits_its_column(chance, completed):
    c, p = Fraction(chance), Fraction(completed)
    expected = {"MULTIPLY": c * p / 100, "ADD": (c + p) / 2, "CHANCE": c, "COMPLETED": p}

    for method in ProbabilityMethod:
        probability = method.probability(chance=chance, completed=completed)
        assert Fraction(probability) == expected[method]
        assert 0 <= probability <= 100
        assert round(probability, 6) == probability


def test_every_method_has_a_label_and_fits_its_column():
    assert set(ProbabilityMethod) == {"MULTIPLY", "ADD", "CHANCE", "COMPLETED"}
    assert all(method.label for method in ProbabilityMethod)
    assert SalesCycle(probability_method="ADD").method is ProbabilityMethod.ADD


@pytest.mark.django_db
def test_available_cycles_are_those_not_blocked():
    free, _blocked = SalesCycleFactory(), SalesCycleFactory(is_blocked=True)

    assert list(SalesCycle.objects.available()) == [free]


@pytest.mark.django_db
def test_cycle_and_stage_are_called_by_their_descriptions():
    cycle = SalesCycleFactory(code="new", description="New business")
    stage = SalesCycleStageFactory(cycle=cycle, description="Qualify")

    assert (str(cycle), str(stage)) == ("New business", "Qualify")
    assert str(SalesCycleFactory(code="bare", description="")) == "BARE"


@pytest.mark.django_db
def test_stages_come_in_the_order_of_their_positions():
    cycle = SalesCycleFactory()
    for position, name in ((30, "C"), (5, "A"), (1000, "D"), (7, "B")):
        SalesCycleStageFactory(cycle=cycle, position=position, description=name, is_active=name != "B")

    assert [stage.description for stage in cycle.stages.all()] == list("ABCD")
    assert [stage.description for stage in cycle.stages.active()] == list("ACD")


def order_of(cycle):
    return [(stage.description, stage.position) for stage in SalesCycleStage.objects.filter(cycle=cycle)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ({}, [("A", 10), ("B", 20), ("C", 30)]),
        ({"A": 20, "B": 10}, [("B", 10), ("A", 20), ("C", 30)]),
        ({"A": 30, "B": 10, "C": 20}, [("B", 10), ("C", 20), ("A", 30)]),
        ({"A": 1, "B": 2, "C": 3}, [("A", 1), ("B", 2), ("C", 3)]),
        ({"A": 40, "B": 50, "C": 60}, [("A", 40), ("B", 50), ("C", 60)]),
        ({"A": 15}, [("A", 15), ("B", 20), ("C", 30)]),
        ({"C": 1}, [("C", 1), ("A", 10), ("B", 20)]),
        ({"A": LARGEST}, [("B", 20), ("C", 30), ("A", LARGEST)]),
        ({"A": LARGEST, "B": LARGEST - 1, "C": 1}, [("C", 1), ("B", LARGEST - 1), ("A", LARGEST)]),
    ],
)
def test_reorder(positions, expected):
    cycle, other = cycle_with_stages("A", "B", "C"), cycle_with_stages("A", "B", "C")
    keys = {stage.description: stage.pk for stage in cycle.stages.all()}

    reorder(cycle.stages.all(), {keys[name]: position for name, position in positions.items()})

    assert order_of(cycle) == expected
    assert order_of(other) == [("A", 10), ("B", 20), ("C", 30)]


@pytest.mark.django_db
def test_reorder_back_from_the_largest_positions():
    cycle = SalesCycleFactory()
    stages = [
        SalesCycleStageFactory(cycle=cycle, position=LARGEST - n, description="ABC"[n]) for n in range(3)
    ]

    reorder(cycle.stages.all(), {stages[0].pk: LARGEST - 2, stages[2].pk: LARGEST})

    assert order_of(cycle) == [("A", LARGEST - 2), ("B", LARGEST - 1), ("C", LARGEST)]


@pytest.mark.django_db
@pytest.mark.parametrize("positions", [{"A": 20}, {"A": 5, "B": 5}, {"A": 0}])
def test_reorder_that_cannot_be_changes_nothing(positions):
    cycle = cycle_with_stages("A", "B", "C")
    keys = {stage.description: stage.pk for stage in cycle.stages.all()}

    with pytest.raises(IntegrityError), transaction.atomic():
        reorder(cycle.stages.all(), {keys[name]: position for name, position in positions.items()})

    assert order_of(cycle) == [("A", 10), ("B", 20), ("C", 30)]


@pytest.mark.django_db
def test_reorder_leaves_a_stage_of_another_cycle_alone():
    cycle, other = cycle_with_stages("A", "B"), cycle_with_stages("C")

    reorder(cycle.stages.all(), {other.stages.get().pk: 99})

    assert order_of(cycle) == [("A", 10), ("B", 20)]
    assert order_of(other) == [("C", 10)]


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    before=st.lists(st.integers(1, 12), min_size=1, max_size=6, unique=True),
)
def test_any_reorder_gives_each_stage_its_position(data, before):
    after = data.draw(st.lists(st.integers(1, 12), min_size=len(before), max_size=len(before), unique=True))
    with transaction.atomic():
        cycle = SalesCycleFactory()
        stages = [SalesCycleStageFactory(cycle=cycle, position=position) for position in before]

        reorder(cycle.stages.all(), {stage.pk: place for stage, place in zip(stages, after, strict=True)})

        assert [stage.position for stage in cycle.stages.order_by("pk")] == after
        transaction.set_rollback(True)
