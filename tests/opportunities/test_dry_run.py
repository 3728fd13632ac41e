"""A dry run says what would happen, or refuses in the same words, and writes nothing."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opportunities import operations
from opportunities.models import Opportunity, OpportunityEntry, Outcome, Status
from opportunities.operations import Estimate
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.snapshots import stored, untouched

pytestmark = pytest.mark.django_db

CREATED, STARTED, CLOSED, TODAY = (date(2026, 3, day) for day in (2, 9, 16, 23))
GOOD = Estimate(Decimal(10_000), Decimal(40), date(2026, 6, 30))


@pytest.fixture(autouse=True)
def fixed_day():
    with time_machine.travel("2026-03-23T12:00Z", tick=False):
        yield


@pytest.fixture
def world():
    return make_world()


def make_world():
    cycle = cycle_with_stages("Qualify", "Present", "Propose")
    company = CompanyFactory()
    return SimpleNamespace(
        cycle=cycle,
        stages=list(cycle.stages.all()),
        company=company,
        person=PersonFactory(company=company),
        lone=PersonFactory(),
        salesperson=SalespersonFactory(),
        other=SalespersonFactory(),
        won=CloseReasonFactory(outcome=Outcome.WON),
        lost=CloseReasonFactory(outcome=Outcome.LOST),
        by=UserFactory(),
    )


def opportunity_in(world, status):
    opportunity = operations.create(
        description="New roof",
        contact=world.person,
        salesperson=world.salesperson,
        cycle=world.cycle,
        by=world.by,
        on=CREATED,
    ).opportunity
    act = {"opportunity": opportunity, "by": world.by}
    if status != Status.NOT_STARTED:
        operations.start(**act, estimate=GOOD, on=STARTED)
    if status in (Status.WON, Status.LOST):
        reason = world.won if status == Status.WON else world.lost
        operations.close(**act, outcome=status, reason=reason, amount=Decimal(9), on=CLOSED)
    return opportunity


def both(operation, arguments):
    """What the dry run says and what the operation does then; the dry run writes nothing, not even to its caller."""
    opportunity = arguments.get("opportunity")
    loaded = dict(opportunity.__dict__) if opportunity else {}
    with untouched(), CaptureQueriesContext(connection) as queries:
        dry = said(operation, {**arguments, "dry_run": True})
    verbs = {query["sql"].split(maxsplit=1)[0] for query in queries}
    assert verbs <= {"SELECT"}
    if opportunity:
        assert {name: opportunity.__dict__[name] for name in loaded} == loaded
    before = stored()
    real = said(operation, arguments)
    if isinstance(real, operations.Refused):
        assert stored() == before
    return dry, real


def said(operation, arguments):
    try:
        return operation(**arguments)
    except operations.Refused as refusal:
        return refusal


TOLD = ("sequence", "action", "changed_on", "ended_on", "recorded_at", "recorded_by_id", "note")


def assert_alike(dry, real):
    assert type(dry) is type(real), (dry, real)
    match real:
        case operations.Refused():
            assert dry.message == real.message
            assert dry.field == real.field
        case OpportunityEntry():
            assert dry.facts() == real.facts()
            for name in (*TOLD, "stage_description", "previous_stage_id"):
                assert getattr(dry, name) == getattr(real, name)
            assert dry.headline == real.headline
            assert dry.pk is None
        case _:
            assert dry == real


OPERATIONS = {
    "start": lambda w: (operations.start, {"estimate": GOOD}),
    "start as offered": lambda w: (operations.start, {}),
    "move": lambda w: (operations.move, {"to": w.stages[1]}),
    "move too far": lambda w: (operations.move, {"to": w.stages[2]}),
    "move nowhere": lambda w: (operations.move, {"to": None}),
    "revise": lambda w: (operations.revise, {"estimate": Estimate(Decimal(5), Decimal(5), TODAY)}),
    "revise to nothing": lambda w: (operations.revise, {"estimate": Estimate(None, None, None)}),
    "win": lambda w: (operations.close, {"outcome": "WON", "reason": w.won, "amount": Decimal(7)}),
    "win for nothing": lambda w: (operations.close, {"outcome": "WON", "reason": w.won}),
    "lose": lambda w: (operations.close, {"outcome": "LOST", "reason": w.lost}),
    "lose for a reason to win": lambda w: (operations.close, {"outcome": "LOST", "reason": w.won}),
    "reopen": lambda w: (operations.reopen, {"note": "They called"}),
    "reopen without a word": lambda w: (operations.reopen, {"note": ""}),
    "undo": lambda w: (operations.undo, {"note": "A mistake"}),
    "reassign": lambda w: (operations.reassign, {"salesperson": w.other, "contact": w.company}),
    "reassign elsewhere": lambda w: (operations.reassign, {"contact": w.lone}),
    "reassign to the same": lambda w: (operations.reassign, {}),
    "delete": lambda w: (operations.delete, {}),
    "delete another version": lambda w: (operations.delete, {"seen": 77}),
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", OPERATIONS)
def test_dry_run_says_what_the_operation_does(world, name, status):
    operation, arguments = OPERATIONS[name](world)
    opportunity = opportunity_in(world, status)

    dry, real = both(operation, {**arguments, "opportunity": opportunity, "by": world.by, "on": TODAY})

    assert_alike(dry, real)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize(
    "change",
    [{"description": "Old roof"}, {"priority": "HIGH"}, {"description": ""}, {"seen_description": "x"}],
)
def test_dry_run_of_describe(world, change, status):
    opportunity = opportunity_in(world, status)
    copy = Opportunity.objects.get(pk=opportunity.pk)

    dry, real = both(operations.describe, {**change, "opportunity": opportunity, "by": world.by})

    assert type(dry) is type(real)
    if isinstance(dry, Opportunity):
        assert dry is real is opportunity
        assert (copy.description, copy.priority) == ("New roof", "NORMAL")
    else:
        assert dry.message == real.message


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"description": ""},
        {"contact": None},
        {"salesperson": None},
        {"cycle": None},
        {"on": date(2026, 3, 24)},
        {"estimate": GOOD},
        {"estimate": Estimate(Decimal(-1), None, None)},
        {"external_id": "X-1"},
        {"external_id": "taken"},
        {"note": "x" * 2001},
    ],
)
def test_dry_run_of_create(world, change):
    arguments = {
        "description": "New roof",
        "contact": world.person,
        "salesperson": world.salesperson,
        "cycle": world.cycle,
        "by": world.by,
        "on": TODAY,
    }
    operations.create(**arguments, external_id="taken")

    dry, real = both(operations.create, {**arguments, **change})

    assert_alike(dry, real)
    if isinstance(real, OpportunityEntry):
        assert (dry.opportunity.number, real.opportunity.number) == ("", "OP-00002")
        assert dry.opportunity.company_id == real.opportunity.company_id


def test_dry_run_of_a_win_makes_no_customer_and_takes_no_number(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    entry = operations.close(
        opportunity=opportunity,
        outcome="WON",
        reason=world.won,
        amount=Decimal(1),
        by=world.by,
        on=TODAY,
        dry_run=True,
    )

    assert (entry.status, opportunity.status) == (Status.WON, Status.IN_PROGRESS)
    world.company.refresh_from_db()
    assert not world.company.is_customer


@pytest.mark.django_db(transaction=True)
def test_dry_run_begins_no_transaction(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    for name in OPERATIONS:
        operation, arguments = OPERATIONS[name](world)
        with CaptureQueriesContext(connection) as queries:
            said(
                operation,
                {**arguments, "opportunity": opportunity, "by": world.by, "on": TODAY, "dry_run": True},
            )
        assert {query["sql"].split(maxsplit=1)[0] for query in queries} == {"SELECT"}, name


ODD_NUMBERS = st.sampled_from(
    [None, *map(Decimal, ("0", "-0", "0.001", "0.01", "-1", "NaN", "sNaN", "Infinity", "-Infinity"))]
    + [Decimal(text) for text in ("99.99", "100", "100.01", "999999999999.99", "1e12", "1e-30", "1e30")]
)
NUMBERS = st.one_of(ODD_NUMBERS, st.decimals(allow_nan=False, allow_infinity=False, places=2))
DAYS = st.one_of(
    st.none(), st.sampled_from([CREATED, STARTED, CLOSED, TODAY, date.min, date.max]), st.dates()
)
ESTIMATES = st.builds(Estimate, NUMBERS, NUMBERS, DAYS)
WORDS = st.one_of(st.sampled_from(["Because", "", " ", "x" * 2001, "\x00", "\ud800"]), st.text(max_size=20))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    status=st.sampled_from(list(Status)),
    name=st.sampled_from(["start", "move", "revise", "win", "lose", "reopen", "undo", "create"]),
    estimate=ESTIMATES,
    amount=NUMBERS,
    on=st.one_of(st.sampled_from([CREATED, STARTED, CLOSED, TODAY]), st.dates()),
    seen=st.one_of(st.none(), st.integers(-1, 4)),
    note=WORDS,
)
def test_dry_run_of_anything_says_what_the_operation_does(status, name, estimate, amount, on, seen, note):
    with transaction.atomic():
        world = make_world()
        common = {"by": world.by, "on": on, "note": note}
        opportunity = opportunity_in(world, status)
        operation, arguments = {
            "start": (operations.start, {"estimate": estimate}),
            "move": (operations.move, {"to": world.stages[1], "estimate": estimate}),
            "revise": (operations.revise, {"estimate": estimate}),
            "win": (operations.close, {"outcome": "WON", "reason": world.won, "amount": amount}),
            "lose": (operations.close, {"outcome": "LOST", "reason": world.lost, "amount": amount}),
            "reopen": (operations.reopen, {}),
            "undo": (operations.undo, {}),
            "create": (
                operations.create,
                {
                    "description": "New roof",
                    "contact": world.person,
                    "salesperson": world.salesperson,
                    "cycle": world.cycle,
                    "estimate": estimate,
                },
            ),
        }[name]
        if name != "create":
            common.update(opportunity=opportunity, seen=seen)

        dry, real = both(operation, {**common, **arguments})

        assert_alike(dry, real)
        transaction.set_rollback(True)
