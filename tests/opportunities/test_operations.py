"""What every operation does, from every status, in numbers worked out by hand."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from crm.models import NumberSeries
from opportunities import ledger, operations
from opportunities.models import Action, Opportunity, OpportunityEntry, Outcome, Priority, Status
from opportunities.operations import Estimate
from salescycles.models import ProbabilityMethod, SalesCycleStage
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalesCycleFactory,
    SalesCycleStageFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.snapshots import untouched

pytestmark = pytest.mark.django_db

DAY_1, DAY_2, DAY_3, DAY_4, DAY_5 = (date(2026, 3, day) for day in (2, 9, 16, 20, 23))
TODAY = DAY_5


@pytest.fixture(autouse=True)
def fixed_day():
    with time_machine.travel("2026-03-23T12:00Z", tick=False):
        yield


@pytest.fixture(autouse=True)
def ledger_adds_up():
    """Whatever a test did, the ledger is clean after it."""
    yield
    assert [str(difference) for difference in ledger.verify(Opportunity.objects.all())] == []


@pytest.fixture(autouse=True)
def no_quotes():
    yield
    operations.answer_quote_question(None)


@pytest.fixture
def world():
    """A cycle with stages Qualify 20 %, Present 40 %, Propose 60 %; two people of one company; a lone person."""
    cycle = cycle_with_stages("Qualify", "Present", "Propose")
    company = CompanyFactory(name="Acme")
    stages = {stage.description: stage for stage in cycle.stages.all()}
    return SimpleNamespace(
        cycle=cycle,
        stages=stages,
        qualify=stages["Qualify"],
        present=stages["Present"],
        propose=stages["Propose"],
        company=company,
        person=PersonFactory(company=company),
        colleague=PersonFactory(company=company),
        lone=PersonFactory(),
        elsewhere=CompanyFactory(name="Elsewhere"),
        salesperson=SalespersonFactory(),
        other=SalespersonFactory(),
        won=CloseReasonFactory(outcome=Outcome.WON),
        lost=CloseReasonFactory(outcome=Outcome.LOST),
        by=UserFactory(name="Anna"),
    )


def opportunity_in(world, status, **fields):
    """An opportunity created on day 1 and, if so, started on day 2 and closed on day 3."""
    opportunity = operations.create(
        **{
            "description": "New roof",
            "contact": world.person,
            "salesperson": world.salesperson,
            "cycle": world.cycle,
            "by": world.by,
            "on": DAY_1,
            **fields,
        }
    ).opportunity
    if status != Status.NOT_STARTED:
        operations.start(
            opportunity=opportunity,
            estimate=Estimate(Decimal(10_000), Decimal(40), date(2026, 6, 30)),
            by=world.by,
            on=DAY_2,
        )
    if status in (Status.WON, Status.LOST):
        operations.close(
            opportunity=opportunity,
            outcome=status,
            reason=world.won if status == Status.WON else world.lost,
            amount=Decimal(9_500),
            by=world.by,
            on=DAY_3,
        )
    return opportunity


def facts_of(opportunity):
    """What the opportunity's row says, as it is stored."""
    return Opportunity.objects.get(pk=opportunity.pk).facts()


# The matrix ------------------------------------------------------------------------------------------------------

NOT_STARTED, IN_PROGRESS, WON, LOST = Status.NOT_STARTED, Status.IN_PROGRESS, Status.WON, Status.LOST
CLOSED = operations.AlreadyClosed

OPERATIONS = {
    "start": lambda o, w: operations.start(
        opportunity=o, estimate=Estimate(Decimal(1), Decimal(1), TODAY), by=w.by, on=TODAY
    ),
    "move on": lambda o, w: operations.move(opportunity=o, to=w.present, by=w.by, on=TODAY),
    "revise": lambda o, w: operations.revise(
        opportunity=o, estimate=Estimate(Decimal(8_000), Decimal(25), TODAY), by=w.by, on=TODAY
    ),
    "win": lambda o, w: operations.close(
        opportunity=o, outcome=Outcome.WON, reason=w.won, amount=Decimal(100), by=w.by, on=TODAY
    ),
    "lose": lambda o, w: operations.close(
        opportunity=o, outcome=Outcome.LOST, reason=w.lost, by=w.by, on=TODAY
    ),
    "reopen": lambda o, w: operations.reopen(opportunity=o, note="They called", by=w.by, on=TODAY),
    "undo": lambda o, w: operations.undo(opportunity=o, note="A mistake", by=w.by, on=TODAY),
    "reassign salesperson": lambda o, w: operations.reassign(
        opportunity=o, salesperson=w.other, by=w.by, on=TODAY
    ),
    "reassign contact": lambda o, w: operations.reassign(
        opportunity=o, contact=w.colleague, by=w.by, on=TODAY
    ),
}
# What comes of it, by status: the action of the new entry and the status after it, or the refusal.
MATRIX = {
    "start": {
        NOT_STARTED: (Action.STARTED, IN_PROGRESS),
        IN_PROGRESS: operations.AlreadyStarted,
        WON: CLOSED,
        LOST: CLOSED,
    },
    "move on": {
        NOT_STARTED: operations.NotStarted,
        IN_PROGRESS: (Action.NEXT, IN_PROGRESS),
        WON: CLOSED,
        LOST: CLOSED,
    },
    "revise": {
        NOT_STARTED: operations.NotStarted,
        IN_PROGRESS: (Action.UPDATED, IN_PROGRESS),
        WON: CLOSED,
        LOST: CLOSED,
    },
    "win": {
        NOT_STARTED: (Action.WON, WON),
        IN_PROGRESS: (Action.WON, WON),
        WON: CLOSED,
        LOST: CLOSED,
    },
    "lose": {
        NOT_STARTED: (Action.LOST, LOST),
        IN_PROGRESS: (Action.LOST, LOST),
        WON: CLOSED,
        LOST: CLOSED,
    },
    "reopen": {
        NOT_STARTED: operations.NotClosed,
        IN_PROGRESS: operations.NotClosed,
        WON: (Action.REOPENED, IN_PROGRESS),
        LOST: (Action.REOPENED, IN_PROGRESS),
    },
    "undo": {
        NOT_STARTED: operations.NothingToUndo,
        IN_PROGRESS: (Action.UNDONE, NOT_STARTED),
        WON: (Action.UNDONE, IN_PROGRESS),
        LOST: (Action.UNDONE, IN_PROGRESS),
    },
    "reassign salesperson": {
        NOT_STARTED: (Action.REASSIGNED, NOT_STARTED),
        IN_PROGRESS: (Action.REASSIGNED, IN_PROGRESS),
        WON: CLOSED,
        LOST: CLOSED,
    },
    "reassign contact": {
        NOT_STARTED: (Action.REASSIGNED, NOT_STARTED),
        IN_PROGRESS: (Action.REASSIGNED, IN_PROGRESS),
        WON: CLOSED,
        LOST: CLOSED,
    },
}
CELLS = [(name, status, result) for name, row in MATRIX.items() for status, result in row.items()]


def test_matrix_leaves_nothing_out():
    assert set(MATRIX) == set(OPERATIONS)
    assert all(set(row) == set(Status) for row in MATRIX.values())


@pytest.mark.parametrize(("name", "status", "result"), CELLS)
def test_operation_from_each_status(world, name, status, result):
    opportunity = opportunity_in(world, status)
    version = opportunity.version

    if isinstance(result, type):
        with untouched(), pytest.raises(result):
            OPERATIONS[name](opportunity, world)
        return
    entry = OPERATIONS[name](opportunity, world)

    action, status_after = result
    assert (entry.action, entry.status) == (action, status_after)
    assert (entry.sequence, entry.changed_on, entry.ended_on) == (version + 1, TODAY, None)
    assert (entry.recorded_by, entry.recorded_at) == (world.by, timezone.now())
    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.version, stored.changed_on, stored.status) == (version + 1, TODAY, status_after)
    assert stored.facts() == OpportunityEntry.objects.get(pk=entry.pk).facts()
    assert stored.created_on == DAY_1
    history = opportunity.entries.order_by("sequence")
    assert [row.ended_on for row in history] == [row.changed_on for row in history[1:]] + [None]
    # the caller's object says what is stored
    assert opportunity.facts() == entry.facts()
    assert (opportunity.version, opportunity.changed_on) == (version + 1, TODAY)


@pytest.mark.parametrize("status", Status)
def test_describe_from_each_status(world, status):
    opportunity = opportunity_in(world, status)
    version = opportunity.version

    operations.describe(opportunity=opportunity, description="  Old \n roof ", by=world.by)

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.description, opportunity.description, stored.version) == ("Old roof", "Old roof", version)


@pytest.mark.parametrize("status", Status)
def test_priority_from_each_status(world, status):
    opportunity = opportunity_in(world, status)

    if status in (Status.WON, Status.LOST):
        with untouched(), pytest.raises(operations.AlreadyClosed, match="so its priority stands"):
            operations.describe(opportunity=opportunity, priority=Priority.HIGH, by=world.by)
        return
    operations.describe(opportunity=opportunity, priority=Priority.HIGH, by=world.by)

    assert Opportunity.objects.get(pk=opportunity.pk).priority == Priority.HIGH


@pytest.mark.parametrize("status", Status)
def test_delete_from_each_status(world, status):
    opportunity, kept = opportunity_in(world, status), opportunity_in(world, Status.NOT_STARTED)
    key, number = opportunity.pk, opportunity.number

    if status == Status.IN_PROGRESS:
        with untouched(), pytest.raises(operations.StillInProgress, match=r"Close it first"):
            operations.delete(opportunity=opportunity, by=world.by, on=TODAY)
        return
    operations.delete(opportunity=opportunity, by=world.by, on=TODAY)

    assert list(Opportunity.objects.all()) == [kept]
    assert list(OpportunityEntry.objects.values_list("opportunity", flat=True)) == [kept.pk]
    line = LogEntry.objects.get()
    assert (line.action_flag, line.object_id, line.user) == (DELETION, str(key), world.by)
    assert line.object_repr == f"{number} New roof"
    assert line.get_change_message() == f"Deleted opportunity “{number} New roof”."


# Creating --------------------------------------------------------------------------------------------------------


def test_create_writes_the_first_entry(world):
    entry = operations.create(
        description="  New   roof ",
        contact=world.person,
        salesperson=world.salesperson,
        cycle=world.cycle,
        by=world.by,
        on=DAY_1,
        priority=Priority.HIGH,
        external_id="X-1",
        note=" Met at the fair ",
    )

    opportunity = Opportunity.objects.get()
    assert entry.opportunity == opportunity
    assert opportunity.number == "OP-00001"
    assert (opportunity.description, opportunity.priority) == ("New roof", Priority.HIGH)
    assert opportunity.external_id == "X-1"
    assert (opportunity.created_on, opportunity.changed_on, opportunity.version) == (DAY_1, DAY_1, 1)
    assert opportunity.facts() == {
        "status": Status.NOT_STARTED,
        "cycle_id": world.cycle.pk,
        "stage_id": None,
        "stage_entered_on": None,
        "contact_id": world.person.pk,
        "company_id": world.company.pk,
        "salesperson_id": world.salesperson.pk,
        "probability_method": ProbabilityMethod.MULTIPLY,
        "estimated_value": None,
        "chance_percent": None,
        "completed_percent": Decimal(0),
        "probability_percent": Decimal(0),
        "calculated_value": Decimal(0),
        "estimated_close_on": None,
        "closed_on": None,
        "close_reason_id": None,
    }
    stored = OpportunityEntry.objects.get()
    assert stored.facts() == opportunity.facts()
    assert (stored.sequence, stored.action, stored.changed_on) == (1, Action.CREATED, DAY_1)
    assert (stored.stage_description, stored.previous_stage, stored.note) == ("", None, "Met at the fair")
    assert not opportunity.has_estimate


@pytest.mark.parametrize(
    ("contact", "company"), [("person", "company"), ("company", "company"), ("lone", None)]
)
def test_create_takes_the_company_from_the_contact(world, contact, company):
    opportunity = opportunity_in(world, Status.NOT_STARTED, contact=getattr(world, contact))

    assert opportunity.company == (getattr(world, company) if company else None)
    assert opportunity.buyer == (world.company if company else world.lone)


@pytest.mark.parametrize(
    ("estimate", "method", "probability", "value"),
    [
        # nothing is completed yet, so: 40 × 0 ÷ 100; (40 + 0) ÷ 2; 40; 0
        (Estimate(Decimal(10_000), Decimal(40), TODAY), "MULTIPLY", "0", "0"),
        (Estimate(Decimal(10_000), Decimal(40), TODAY), "ADD", "20", "2000"),
        (Estimate(Decimal(10_000), Decimal(40), TODAY), "CHANCE", "40", "4000"),
        (Estimate(Decimal(10_000), Decimal(40), TODAY), "COMPLETED", "0", "0"),
        (Estimate(None, Decimal(40), None), "CHANCE", "40", "0"),
        (Estimate(Decimal(10_000), None, None), "CHANCE", "0", "0"),
    ],
)
def test_create_with_parts_of_an_estimate(world, estimate, method, probability, value):
    world.cycle.probability_method = method
    world.cycle.save()

    opportunity = opportunity_in(world, Status.NOT_STARTED, estimate=estimate)

    opportunity = Opportunity.objects.get(pk=opportunity.pk)
    assert operations.present_estimate(opportunity) == estimate
    assert opportunity.probability_percent == Decimal(probability)
    assert opportunity.calculated_value == Decimal(value)
    assert opportunity.has_estimate == (None not in (estimate.value, estimate.chance_percent))


def test_longest_texts_are_kept_whole(world):
    texts = {"description": "é" * 100, "external_id": "ü" * 100, "note": "€" * 2000}

    opportunity = opportunity_in(world, Status.NOT_STARTED, **texts)

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.description, stored.external_id) == (texts["description"], texts["external_id"])
    assert stored.entries.get().note == texts["note"]


def test_external_id_of_nobody_may_be_shared(world):
    opportunity_in(world, Status.NOT_STARTED)
    opportunity_in(world, Status.NOT_STARTED)

    assert Opportunity.objects.filter(external_id="").count() == 2


# Probability -----------------------------------------------------------------------------------------------------


def cycle_by(method, *, chance, completed, close_in=""):
    """A cycle of one stage."""
    cycle = SalesCycleFactory(probability_method=method)
    SalesCycleStageFactory(
        cycle=cycle,
        position=1,
        chance_percent=Decimal(chance),
        completed_percent=Decimal(completed),
        close_in=close_in,
    )
    return cycle


@pytest.mark.parametrize(
    ("method", "chance", "completed", "probability", "value"),
    [
        # the example of the specification: 10 000, C 40, P 30
        ("MULTIPLY", 40, 30, "12", "1200"),
        ("ADD", 40, 30, "35", "3500"),
        ("CHANCE", 40, 30, "40", "4000"),
        ("COMPLETED", 40, 30, "30", "3000"),
        # nothing is rounded: 33 % of 33 % is 10.89 %
        ("MULTIPLY", 33, 33, "10.89", "1089"),
        ("MULTIPLY", "33.33", "33.33", "11.108889", "1110.8889"),
        ("ADD", "33.33", "33.34", "33.335", "3333.5"),
        ("MULTIPLY", "0.01", "0.01", "0.000001", "0.0001"),
        ("MULTIPLY", "99.99", "99.99", "99.980001", "9998.0001"),
        ("COMPLETED", 40, 0, "0", "0"),
        ("MULTIPLY", 100, 100, "100", "10000"),
    ],
)
def test_probability_and_value_of_each_method(world, method, chance, completed, probability, value):
    cycle = cycle_by(method, chance=chance, completed=completed)
    opportunity = opportunity_in(world, Status.NOT_STARTED, cycle=cycle)

    operations.start(
        opportunity=opportunity,
        estimate=Estimate(Decimal(10_000), Decimal(chance), TODAY),
        by=world.by,
        on=TODAY,
    )

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert stored.completed_percent == Decimal(completed)
    assert stored.probability_percent == Decimal(probability)
    assert stored.calculated_value == Decimal(value)
    assert stored.probability_method == method


@pytest.mark.parametrize("value", ["0.01", "0.03", "12345678.91"])
def test_calculated_value_keeps_every_decimal(world, value):
    cycle = cycle_by("MULTIPLY", chance="33.33", completed="66.67")  # 22.221111 %
    opportunity = opportunity_in(world, Status.NOT_STARTED, cycle=cycle)

    operations.start(
        opportunity=opportunity,
        estimate=Estimate(Decimal(value), Decimal("33.33"), TODAY),
        by=world.by,
        on=TODAY,
    )

    expected = {"0.01": "0.0022221111", "0.03": "0.0066663333", "12345678.91": "2743347.0142946901"}
    stored = Opportunity.objects.get(pk=opportunity.pk)
    digits = 15 if stored.calculated_value > 1 and not keeps_every_digit() else 28
    assert stored.calculated_value == round_to(digits, Decimal(expected[value]))


def keeps_every_digit():
    from django.db import connection

    return connection.vendor != "sqlite"


def round_to(digits, number):
    from decimal import Context

    return Context(prec=digits).plus(number)


def test_largest_value_can_be_stored_in_every_way(world):
    opportunity = opportunity_in(world, Status.NOT_STARTED)
    most = Decimal("999999999999.99")

    operations.start(
        opportunity=opportunity, estimate=Estimate(most, Decimal(100), date.max), by=world.by, on=TODAY
    )
    operations.close(
        opportunity=opportunity, outcome=Outcome.WON, reason=world.won, amount=most, by=world.by, on=TODAY
    )

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.estimated_value, stored.calculated_value) == (most, most)


def test_new_method_leaves_old_entries_alone_and_the_next_one_uses_it(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)  # 10 000, C 40, P 20, multiplied: 8 %
    before = opportunity.entries.get(sequence=2)
    assert (before.probability_percent, before.calculated_value) == (8, 800)

    world.cycle.probability_method = ProbabilityMethod.ADD
    world.cycle.save()

    assert facts_of(opportunity)["probability_percent"] == 8
    assert [str(d) for d in ledger.verify(Opportunity.objects.all())] == []
    operations.reassign(opportunity=opportunity, salesperson=world.other, by=world.by, on=TODAY)
    assert facts_of(opportunity)["probability_percent"] == 8  # no new estimate, so no new probability
    operations.revise(
        opportunity=opportunity,
        estimate=Estimate(Decimal(10_000), Decimal(40), date(2026, 6, 30)),
        by=world.by,
        on=TODAY,
    )
    after = Opportunity.objects.get(pk=opportunity.pk)
    assert (after.probability_method, after.probability_percent, after.calculated_value) == ("ADD", 30, 3000)
    old = opportunity.entries.get(sequence=2)
    assert (old.probability_method, old.probability_percent, old.calculated_value) == ("MULTIPLY", 8, 800)


# Stages ----------------------------------------------------------------------------------------------------------


def stages_from(letters):
    """Stages by letter; a small one allows skipping."""
    return [
        SalesCycleStage(
            pk=index * 7, position=index * 10, description=letter.upper(), allows_skip=letter.islower()
        )
        for index, letter in enumerate(letters, start=1)
    ]


@pytest.mark.parametrize(
    ("letters", "current", "reachable"),
    [
        ("", None, ""),
        ("A", None, "A"),
        ("abc", None, "A"),  # only the first, whatever may be skipped
        ("A", "A", ""),
        ("ABCD", "A", "B"),
        ("ABCD", "B", "AC"),
        ("ABCD", "C", "ABD"),
        ("ABCD", "D", "ABC"),
        ("AbCD", "A", "BC"),  # over b, up to and including the first that must not be skipped
        ("AbcD", "A", "BCD"),
        ("AbcDe", "A", "BCD"),
        ("Abcd", "A", "BCD"),  # up to the last
        ("ABcd", "A", "B"),  # B stops it
        ("aBCD", "A", "B"),  # what the present stage allows does not matter
        ("Abcd", "B", "ACD"),
        ("AbcD", "D", "ABC"),  # back to all of them
        ("AbCdE", "A", "BC"),
        ("AbCdE", "C", "ABDE"),
    ],
)
def test_reachable_stages(letters, current, reachable):
    stages = stages_from(letters)
    here = next((stage for stage in stages if stage.description == current), None)

    found = operations.reachable_from(stages, here)

    assert "".join(stage.description for stage in found) == reachable


@pytest.mark.parametrize(
    ("current", "to", "action"),
    [
        ("A", "B", Action.NEXT),
        ("C", "D", Action.NEXT),
        ("A", "C", Action.SKIPPED),
        ("A", "E", Action.SKIPPED),
        ("B", "A", Action.PREVIOUS),
        ("E", "D", Action.PREVIOUS),
        ("C", "A", Action.JUMPED),
        ("E", "A", Action.JUMPED),
    ],
)
def test_action_follows_from_the_two_stages(current, to, action):
    stages = stages_from("ABCDE")
    by_letter = {stage.description: stage for stage in stages}

    assert operations.action_between(stages, by_letter[current], by_letter[to]) == action


def long_cycle(world, letters="AbcDe", **fields):
    """A cycle with these stages, at 1, 101, 201 …"""
    cycle = SalesCycleFactory()
    made = {}
    for index, letter in enumerate(letters):
        made[letter.upper()] = SalesCycleStageFactory(
            cycle=cycle,
            position=1 + index * 100,
            description=letter.upper(),
            allows_skip=letter.islower(),
            completed_percent=Decimal(index * 10),
            **fields,
        )
    opportunity = opportunity_in(world, Status.IN_PROGRESS, cycle=cycle)
    return opportunity, made


def letters_of(stages):
    return "".join(stage.description for stage in stages)


def move(opportunity, to, world, on=TODAY, **more):
    return operations.move(opportunity=opportunity, to=to, by=world.by, on=on, **more)


def test_every_kind_of_move_over_gaps(world):
    opportunity, stages = long_cycle(world)
    path = [("C", "SKIPPED"), ("D", "NEXT"), ("E", "NEXT"), ("D", "PREVIOUS"), ("A", "JUMPED"), ("B", "NEXT")]

    for letter, action in path:
        before = opportunity.stage
        entry = move(opportunity, stages[letter], world)

        assert (entry.action, entry.stage, entry.previous_stage) == (action, stages[letter], before)
        assert entry.stage_description == letter
        assert entry.completed_percent == stages[letter].completed_percent


def test_first_stage_is_the_lowest_position_in_use(world):
    cycle = SalesCycleFactory()
    SalesCycleStageFactory(cycle=cycle, position=30, description="Third")
    SalesCycleStageFactory(cycle=cycle, position=20, description="Second")
    SalesCycleStageFactory(cycle=cycle, position=10, description="Retired", is_active=False)

    opportunity = opportunity_in(world, Status.IN_PROGRESS, cycle=cycle)

    assert opportunity.stage.description == "Second"


def test_retired_stage_between_is_neither_entered_nor_counted(world):
    opportunity, stages = long_cycle(world, "ABCD")
    stages["B"].is_active = False
    stages["B"].save()

    assert letters_of(operations.reachable_stages(opportunity)) == "C"
    assert move(opportunity, stages["C"], world).action == Action.NEXT
    assert letters_of(operations.reachable_stages(opportunity)) == "AD"
    assert move(opportunity, stages["A"], world).action == Action.PREVIOUS


def test_stage_retired_while_standing_there_can_be_revised_and_left_both_ways(world):
    opportunity, stages = long_cycle(world, "ABCD")
    move(opportunity, stages["B"], world)
    move(opportunity, stages["C"], world)
    for letter in "BC":
        stages[letter].is_active = False
        stages[letter].save()
    opportunity.refresh_from_db()

    assert letters_of(operations.stages_in_play(opportunity)) == "ACD"
    assert letters_of(operations.reachable_stages(opportunity)) == "AD"
    entry = operations.revise(
        opportunity=opportunity, estimate=Estimate(Decimal(5), Decimal(5), TODAY), by=world.by, on=TODAY
    )
    assert entry.stage == stages["C"]
    assert move(opportunity, stages["D"], world).action == Action.NEXT
    assert letters_of(operations.reachable_stages(opportunity)) == "A"  # C is not entered again
    operations.undo(opportunity=opportunity, note="Too early", by=world.by, on=TODAY)  # but undo restores
    assert opportunity.stage == stages["C"]
    assert move(opportunity, stages["A"], world).action == Action.PREVIOUS


def test_reordered_stages_count_from_then_on(world):
    opportunity, stages = long_cycle(world, "ABCD")
    move(opportunity, stages["B"], world)
    history = list(opportunity.entries.order_by("sequence").values())

    # D A C B
    for letter, position in (("D", 1000), ("C", 1002), ("A", 1001), ("B", 1003)):
        SalesCycleStage.objects.filter(pk=stages[letter].pk).update(position=position)

    assert list(opportunity.entries.order_by("sequence").values()) == history
    assert letters_of(operations.reachable_stages(opportunity)) == "DAC"
    assert move(opportunity, stages["C"], world).action == Action.PREVIOUS
    assert move(opportunity, stages["D"], world).action == Action.JUMPED
    assert move(opportunity, stages["A"], world).action == Action.NEXT


def test_renamed_stage_keeps_its_old_name_in_the_history(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    world.qualify.description = "Explore"
    world.qualify.save()

    operations.revise(
        opportunity=opportunity, estimate=Estimate(Decimal(5), Decimal(5), TODAY), by=world.by, on=TODAY
    )
    operations.undo(opportunity=opportunity, note="No", by=world.by, on=TODAY)

    names = opportunity.entries.order_by("sequence").values_list("stage_description", flat=True)
    assert list(names) == ["", "Qualify", "Explore", "Explore"]


def test_changed_completed_percent_counts_from_the_next_entry(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    world.qualify.completed_percent = Decimal(90)
    world.qualify.save()
    assert facts_of(opportunity)["completed_percent"] == 20

    estimate = operations.present_estimate(opportunity)
    operations.revise(opportunity=opportunity, estimate=estimate, by=world.by, on=TODAY)

    assert facts_of(opportunity)["completed_percent"] == 90
    assert facts_of(opportunity)["probability_percent"] == 36  # 40 × 90 ÷ 100


def test_closed_opportunity_reaches_no_stage(world):
    assert operations.reachable_stages(opportunity_in(world, Status.WON)) == []
    assert operations.reachable_stages(opportunity_in(world, Status.LOST)) == []


def test_not_started_opportunity_reaches_the_first_stage(world):
    opportunity = opportunity_in(world, Status.NOT_STARTED)

    assert operations.reachable_stages(opportunity) == [world.qualify]


def test_blocked_cycle_and_salesperson_do_not_stop_what_is_running(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    waiting = opportunity_in(world, Status.NOT_STARTED)
    world.cycle.is_blocked = world.salesperson.is_blocked = True
    world.cycle.save()
    world.salesperson.save()

    move(opportunity, world.present, world)
    operations.start(
        opportunity=waiting, estimate=Estimate(Decimal(5), Decimal(5), TODAY), by=world.by, on=TODAY
    )
    operations.close(opportunity=opportunity, outcome=Outcome.LOST, reason=world.lost, by=world.by, on=TODAY)
    operations.reopen(opportunity=opportunity, note="Again", by=world.by, on=TODAY)

    assert (opportunity.stage, waiting.status) == (world.present, Status.IN_PROGRESS)


# Quotes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "wants", "at", "to", "gate"),
    [
        ("ABCD", "B", "A", "B", "B"),  # next into it
        ("AbCD", "B", "A", "C", "B"),  # over it
        ("AbcD", "C", "A", "D", "C"),
        ("AbcD", "BC", "A", "D", "B"),  # the first one is named
        ("AbcD", "D", "A", "D", "D"),  # landing on it
        ("ABCD", "A", "A", "B", "A"),  # leaving it
        ("ABCD", "C", "A", "B", None),  # it lies further on
        ("ABCD", "A", "B", "A", None),  # back into it
        ("ABCD", "BC", "D", "A", None),  # back over it
        ("ABCD", "D", "D", "C", None),  # back out of it
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_quote_rule(world, letters, wants, at, to, gate, quoted):
    opportunity, stages = long_cycle(world, letters)
    operations.answer_quote_question(lambda _opportunity: True)
    for letter in letters.upper()[1 : letters.upper().index(at) + 1]:
        move(opportunity, stages[letter], world)
    for letter in wants:
        stages[letter].requires_quote = True
        stages[letter].save()
    asked = []
    operations.answer_quote_question(lambda about: (asked.append(about), quoted)[1])

    if gate and not quoted:
        words = "cannot be left forward without a quote" if gate == at else "needs a quote"
        with untouched(), pytest.raises(operations.QuoteNeeded, match=f"^{gate} {words}"):
            move(opportunity, stages[to], world)
    else:
        assert move(opportunity, stages[to], world).stage == stages[to]

    assert asked == ([opportunity] if gate else [])


def test_until_somebody_answers_there_is_no_quote(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    assert operations.has_quote(opportunity) is False


def test_quote_is_not_asked_for_at_the_start_nor_for_a_new_estimate_nor_at_the_end(world):
    world.qualify.requires_quote = True
    world.qualify.save()

    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    operations.revise(
        opportunity=opportunity, estimate=Estimate(Decimal(5), Decimal(5), TODAY), by=world.by, on=TODAY
    )
    operations.close(
        opportunity=opportunity,
        outcome=Outcome.WON,
        reason=world.won,
        amount=Decimal(1),
        by=world.by,
        on=TODAY,
    )

    assert opportunity.status == Status.WON


def test_retired_stage_between_wants_no_quote(world):
    opportunity, stages = long_cycle(world, "ABC", requires_quote=False)
    SalesCycleStage.objects.filter(pk=stages["B"].pk).update(is_active=False, requires_quote=True)

    assert move(opportunity, stages["C"], world).action == Action.NEXT


# What is offered, and what is typed ------------------------------------------------------------------------------

CLOSE = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("present", "chance", "close_in", "expected"),
    [
        # in progress: the stage's chance and date are offered; the value stands
        ((10_000, 40, CLOSE), 55, "1M", (10_000, 55, date(2026, 4, 23))),
        ((10_000, 40, CLOSE), 55, "CM+10D", (10_000, 55, date(2026, 4, 10))),
        # the stage says nothing: what is there stands
        ((10_000, 40, CLOSE), 0, "", (10_000, 40, CLOSE)),
        ((10_000, 40, CLOSE), 55, "", (10_000, 55, CLOSE)),
        ((10_000, 40, CLOSE), 0, "1M", (10_000, 40, date(2026, 4, 23))),
        # a date that has passed is not offered again
        ((10_000, 40, date(2026, 3, 22)), 0, "", (10_000, 40, TODAY)),
        ((10_000, 40, TODAY), 0, "", (10_000, 40, TODAY)),
    ],
)
def test_estimate_offered_for_a_stage(world, present, chance, close_in, expected):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    value, has_chance, closes_on = present
    operations.revise(
        opportunity=opportunity,
        estimate=Estimate(Decimal(value), Decimal(has_chance), closes_on),
        by=world.by,
        on=DAY_4,
    )
    world.present.chance_percent, world.present.close_in = Decimal(chance), close_in

    assert operations.offered_estimate(opportunity, world.present, TODAY) == Estimate(*expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), (None, 50, date(2026, 4, 23))),  # Qualify: 50 %, 1M
        ((7_000, None, None), (7_000, 50, date(2026, 4, 23))),
        ((7_000, 15, CLOSE), (7_000, 15, CLOSE)),  # typed at creation, so it stands
        ((None, 15, date(2026, 3, 22)), (None, 15, date(2026, 4, 23))),
    ],
)
def test_estimate_offered_at_the_start_keeps_what_was_typed(world, given, expected):
    value, chance, closes_on = given
    estimate = Estimate(Decimal(value) if value else None, Decimal(chance) if chance else None, closes_on)
    opportunity = opportunity_in(world, Status.NOT_STARTED, estimate=estimate)

    assert operations.offered_estimate(opportunity, world.qualify, TODAY) == Estimate(*expected)


def test_estimate_offered_where_the_stage_says_nothing_at_all(world):
    world.qualify.chance_percent, world.qualify.close_in = Decimal(0), ""
    opportunity = opportunity_in(world, Status.NOT_STARTED)

    assert operations.offered_estimate(opportunity, world.qualify, TODAY) == Estimate(None, Decimal(0), TODAY)


def test_move_without_an_estimate_takes_the_one_offered(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    move(opportunity, world.present, world)

    assert operations.present_estimate(opportunity) == Estimate(10_000, 50, date(2026, 4, 23))
    assert opportunity.probability_percent == 20  # 50 × 40 ÷ 100
    assert opportunity.calculated_value == 2_000


@pytest.mark.parametrize("to", ["A", "B", "D", "E"])
def test_typed_estimate_is_stored_as_typed_whatever_the_move(world, to):
    opportunity, stages = long_cycle(world, "ABCdE", close_in="1M", chance_percent=Decimal(70))
    move(opportunity, stages["B"], world)
    move(opportunity, stages["C"], world)
    typed = Estimate(Decimal("123.45"), Decimal("1.5"), TODAY)  # closing today, though the stage says 1M

    entry = move(opportunity, stages[to], world, estimate=typed)

    expected = {"A": Action.JUMPED, "B": Action.PREVIOUS, "D": Action.NEXT, "E": Action.SKIPPED}
    assert entry.action == expected[to]
    assert operations.present_estimate(Opportunity.objects.get(pk=opportunity.pk)) == typed


def test_revise_keeps_the_stage_and_since_when(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    entry = operations.revise(
        opportunity=opportunity,
        estimate=Estimate(Decimal(20_000), Decimal("12.5"), TODAY),
        by=world.by,
        on=TODAY,
        note="They want two",
    )

    assert (entry.stage, entry.previous_stage, entry.stage_entered_on) == (
        world.qualify,
        world.qualify,
        DAY_2,
    )
    assert (entry.probability_percent, entry.calculated_value) == (Decimal("2.5"), 500)  # 12.5 × 20 ÷ 100
    assert entry.note == "They want two"


# Closing and reopening -------------------------------------------------------------------------------------------


def test_win(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    operations.close(
        opportunity=opportunity,
        outcome="WON",
        reason=world.won,
        amount=Decimal("9500.50"),
        by=world.by,
        on=DAY_4,
        note="In the end",
    )

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.completed_percent, stored.chance_percent, stored.probability_percent) == (100, 100, 100)
    assert (stored.estimated_value, stored.calculated_value) == (10_000, Decimal("9500.50"))
    assert (stored.closed_on, stored.estimated_close_on, stored.changed_on) == (DAY_4, DAY_4, DAY_4)
    assert (stored.stage, stored.stage_entered_on) == (world.qualify, DAY_2)  # where it was won
    assert stored.close_reason == world.won
    assert stored.is_closed
    assert opportunity.entries.get(sequence=3).stage_description == "Qualify"


def test_lose(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    operations.close(
        opportunity=opportunity,
        outcome=Outcome.LOST,
        reason=world.lost,
        amount=Decimal(5),  # means nothing here
        by=world.by,
        on=DAY_4,
    )

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.completed_percent, stored.chance_percent, stored.probability_percent) == (100, 0, 0)
    assert (stored.estimated_value, stored.calculated_value) == (10_000, 0)
    assert (stored.closed_on, stored.estimated_close_on) == (DAY_4, DAY_4)
    assert (stored.stage, stored.close_reason) == (world.qualify, world.lost)
    world.company.refresh_from_db()
    assert not world.company.is_customer


@pytest.mark.parametrize("outcome", Outcome)
def test_closing_without_ever_starting_and_reopening(world, outcome):
    opportunity = opportunity_in(
        world, Status.NOT_STARTED, estimate=Estimate(Decimal(700), Decimal(20), CLOSE)
    )
    before = facts_of(opportunity)

    operations.close(
        opportunity=opportunity,
        outcome=outcome,
        reason=world.won if outcome == Outcome.WON else world.lost,
        amount=Decimal(650),
        by=world.by,
        on=DAY_4,
    )

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.stage, stored.stage_entered_on, stored.closed_on) == (None, None, DAY_4)
    assert stored.calculated_value == (650 if outcome == Outcome.WON else 0)
    operations.reopen(opportunity=opportunity, note="They called", by=world.by, on=TODAY)
    assert facts_of(opportunity) == before
    operations.start(opportunity=opportunity, by=world.by, on=TODAY)
    assert operations.present_estimate(opportunity) == Estimate(700, 20, CLOSE)


def test_closing_without_an_estimate_and_reopening(world):
    opportunity = opportunity_in(world, Status.NOT_STARTED)
    before = facts_of(opportunity)

    operations.close(opportunity=opportunity, outcome=Outcome.LOST, reason=world.lost, by=world.by, on=DAY_4)
    assert facts_of(opportunity)["estimated_value"] is None
    operations.reopen(opportunity=opportunity, note="They called", by=world.by, on=TODAY)

    assert facts_of(opportunity) == before


@pytest.mark.parametrize("status", [Status.WON, Status.LOST])
def test_reopen_returns_to_the_stage_and_the_estimate(world, status):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    before = facts_of(opportunity)
    operations.close(
        opportunity=opportunity,
        outcome=status,
        reason=world.won if status == Status.WON else world.lost,
        amount=Decimal(1),
        by=world.by,
        on=DAY_4,
    )

    entry = operations.reopen(opportunity=opportunity, note=" They called ", by=world.by, on=TODAY)

    assert facts_of(opportunity) == before
    assert (entry.note, entry.previous_stage, entry.stage_entered_on) == ("They called", world.qualify, DAY_2)
    move(opportunity, world.present, world)


def test_reopen_after_an_undone_reopen_finds_the_last_open_estimate(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    before = facts_of(opportunity)
    close = {"opportunity": opportunity, "by": world.by, "on": TODAY}
    operations.close(**close, outcome=Outcome.LOST, reason=world.lost)
    operations.reopen(**close, note="They called")
    operations.undo(**close, note="They did not")
    assert opportunity.status == Status.LOST

    operations.reopen(**close, note="They did")

    assert facts_of(opportunity) == before


def test_reopen_uses_the_method_of_the_day(world):
    opportunity = opportunity_in(world, Status.LOST)  # 10 000, C 40, P 20
    world.cycle.probability_method = ProbabilityMethod.CHANCE
    world.cycle.save()

    operations.reopen(opportunity=opportunity, note="They called", by=world.by, on=TODAY)

    assert facts_of(opportunity)["probability_percent"] == 40
    assert facts_of(opportunity)["calculated_value"] == 4_000


@pytest.mark.parametrize(
    ("contact", "buyer"), [("person", "company"), ("company", "company"), ("lone", "lone")]
)
def test_win_makes_the_buyer_a_customer(world, contact, buyer):
    opportunity = opportunity_in(world, Status.IN_PROGRESS, contact=getattr(world, contact))

    operations.close(
        opportunity=opportunity,
        outcome=Outcome.WON,
        reason=world.won,
        amount=Decimal(1),
        by=world.by,
        on=DAY_4,
    )

    for name in ("company", "person", "colleague", "lone", "elsewhere"):
        someone = getattr(world, name)
        someone.refresh_from_db()
        expected = ("CU-00001", DAY_4) if name == buyer else ("", None)
        assert (someone.customer_number, someone.customer_since) == expected


@pytest.mark.parametrize("blocked", ["lone", "elsewhere"])
def test_lone_person_who_joined_a_company_buys_for_it(world, blocked):
    opportunity = opportunity_in(world, Status.IN_PROGRESS, contact=world.lone)
    world.lone.company = world.elsewhere
    world.lone.save()
    type(world.lone).objects.filter(pk=getattr(world, blocked).pk).update(is_privacy_blocked=True)
    win = {"outcome": "WON", "reason": world.won, "amount": Decimal(1), "by": world.by, "on": TODAY}

    if blocked == "elsewhere":
        with untouched(), pytest.raises(operations.ContactRefused, match=r"^Elsewhere is blocked"):
            operations.close(opportunity=opportunity, **win)
        return
    operations.close(opportunity=opportunity, **win)

    world.lone.refresh_from_db()
    world.elsewhere.refresh_from_db()
    assert (world.lone.customer_number, world.elsewhere.customer_number) == ("", "CU-00001")


def test_win_reuses_a_customer_and_reopening_keeps_one(world):
    first = opportunity_in(world, Status.WON)
    world.company.refresh_from_db()
    assert (world.company.customer_number, world.company.customer_since) == ("CU-00001", DAY_3)

    opportunity_in(world, Status.WON, contact=world.colleague)
    operations.reopen(opportunity=first, note="Not yet", by=world.by, on=TODAY)
    operations.undo(opportunity=first, note="Yes", by=world.by, on=TODAY)
    opportunity_in(world, Status.WON, contact=world.lone)

    world.company.refresh_from_db()
    world.lone.refresh_from_db()
    assert (world.company.customer_number, world.company.customer_since) == ("CU-00001", DAY_3)
    assert world.lone.customer_number == "CU-00002"
    assert NumberSeries.objects.get(prefix="CU").last_number == 2


def test_customer_cards_in_hand_do_not_hide_what_is_stored(world):
    """The number is given to the row as it is stored, not to a copy that somebody loaded before."""
    stale = type(world.company).objects.get(pk=world.company.pk)
    world.company.make_customer(on=DAY_1)

    assert stale.make_customer(on=TODAY).customer_number == "CU-00001"
    assert stale.make_customer(on=TODAY).customer_since == DAY_1


# Reassigning -----------------------------------------------------------------------------------------------------


def test_reassign_both_at_once_is_one_entry(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    before = facts_of(opportunity)

    entry = operations.reassign(
        opportunity=opportunity,
        salesperson=world.other,
        contact=world.colleague,
        by=world.by,
        on=TODAY,
        note="Bert is away",
    )

    assert facts_of(opportunity) == {
        **before,
        "salesperson_id": world.other.pk,
        "contact_id": world.colleague.pk,
    }
    assert (entry.note, entry.stage_description, entry.previous_stage) == (
        "Bert is away",
        "Qualify",
        world.qualify,
    )
    history = opportunity.entries.order_by("sequence").values_list("salesperson", flat=True)
    assert list(history) == [world.salesperson.pk, world.salesperson.pk, world.other.pk]


@pytest.mark.parametrize(
    ("start", "to"),
    [
        ("person", "colleague"),
        ("person", "company"),
        ("company", "person"),
    ],
)
def test_running_opportunity_stays_with_its_company(world, start, to):
    opportunity = opportunity_in(world, Status.IN_PROGRESS, contact=getattr(world, start))

    operations.reassign(opportunity=opportunity, contact=getattr(world, to), by=world.by, on=TODAY)

    assert (opportunity.contact, opportunity.company) == (getattr(world, to), world.company)


@pytest.mark.parametrize("to", ["elsewhere", "lone", "company"])
def test_opportunity_that_is_not_started_may_go_to_anybody(world, to):
    opportunity = opportunity_in(world, Status.NOT_STARTED)

    operations.reassign(opportunity=opportunity, contact=getattr(world, to), by=world.by, on=TODAY)

    expected = {"elsewhere": world.elsewhere, "lone": None, "company": world.company}[to]
    assert (opportunity.contact, opportunity.company) == (getattr(world, to), expected)


def test_lone_person_who_joined_a_company_may_be_followed_there(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS, contact=world.lone)
    world.lone.company = world.elsewhere
    world.lone.save()

    operations.reassign(opportunity=opportunity, contact=world.elsewhere, by=world.by, on=TODAY)

    assert (opportunity.contact, opportunity.company) == (world.elsewhere, world.elsewhere)


def test_reassign_ignores_the_part_that_stays(world):
    world.salesperson.is_blocked = True  # only new ones are refused
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    world.salesperson.save()

    operations.reassign(
        opportunity=opportunity,
        salesperson=world.salesperson,
        contact=world.colleague,
        by=world.by,
        on=TODAY,
    )

    assert (opportunity.salesperson, opportunity.contact) == (world.salesperson, world.colleague)


# Describing ------------------------------------------------------------------------------------------------------


def test_describe_keeps_old_and_new_in_the_change_log(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    result = operations.describe(
        opportunity=opportunity,
        description="New roof and gutter",
        priority=Priority.HIGH,
        seen_description="New roof",
        by=world.by,
    )

    assert result is opportunity
    line = LogEntry.objects.get()
    assert (line.user, line.action_flag, line.object_id) == (world.by, CHANGE, str(opportunity.pk))
    assert json.loads(line.change_message) == [
        {
            "changed": {
                "fields": ["description", "priority"],
                "old": {"description": "New roof", "priority": "NORMAL"},
                "new": {"description": "New roof and gutter", "priority": "HIGH"},
            }
        }
    ]
    assert line.get_change_message() == "Changed description and priority."
    assert opportunity.entries.count() == 2


@pytest.mark.parametrize(
    "same", [{}, {"description": "New roof"}, {"description": " New  roof "}, {"priority": "NORMAL"}]
)
def test_describe_as_it_is_writes_nothing(world, same):
    opportunity = opportunity_in(world, Status.WON)

    with untouched():
        operations.describe(opportunity=opportunity, by=world.by, **same)


def test_describe_one_thing_logs_one_thing(world):
    opportunity = opportunity_in(world, Status.NOT_STARTED)

    operations.describe(opportunity=opportunity, priority="LOW", by=world.by)

    [change] = json.loads(LogEntry.objects.get().change_message)
    assert change["changed"]["old"] == {"priority": "NORMAL"}
    assert change["changed"]["new"] == {"priority": "LOW"}


# Undoing ---------------------------------------------------------------------------------------------------------

LAST_ACTIONS = {
    "start": (Status.NOT_STARTED, OPERATIONS["start"]),
    "move": (Status.IN_PROGRESS, OPERATIONS["move on"]),
    "revise": (Status.IN_PROGRESS, OPERATIONS["revise"]),
    "reassign": (Status.IN_PROGRESS, OPERATIONS["reassign salesperson"]),
    "reassign not started": (Status.NOT_STARTED, OPERATIONS["reassign contact"]),
    "win": (Status.IN_PROGRESS, OPERATIONS["win"]),
    "lose": (Status.IN_PROGRESS, OPERATIONS["lose"]),
    "win not started": (Status.NOT_STARTED, OPERATIONS["win"]),
    "lose not started": (Status.NOT_STARTED, OPERATIONS["lose"]),
    "reopen won": (Status.WON, OPERATIONS["reopen"]),
    "reopen lost": (Status.LOST, OPERATIONS["reopen"]),
}


@pytest.mark.parametrize("name", LAST_ACTIONS)
def test_undo_restores_the_state_before_and_undoing_that_the_state_after(world, name):
    status, act = LAST_ACTIONS[name]
    opportunity = opportunity_in(world, status)
    before = facts_of(opportunity)
    act(opportunity, world)
    after = facts_of(opportunity)
    assert after != before
    undo = {"opportunity": opportunity, "by": world.by, "on": TODAY}

    entry = operations.undo(**undo, note=" Wrong one ")

    assert facts_of(opportunity) == before
    assert (entry.action, entry.note) == (Action.UNDONE, "Wrong one")
    assert entry.previous_stage_id == after["stage_id"]
    assert entry.stage_description == (entry.stage.description if entry.stage else "")
    operations.undo(**undo, note="It was right")
    assert facts_of(opportunity) == after
    operations.undo(**undo, note="No")
    assert facts_of(opportunity) == before


def test_undo_takes_back_only_the_last_change(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    change = {"opportunity": opportunity, "by": world.by, "on": TODAY}
    move(opportunity, world.present, world)
    in_present = facts_of(opportunity)
    operations.reassign(**change, salesperson=world.other)
    given = facts_of(opportunity)
    operations.undo(**change, note="No")
    assert facts_of(opportunity) == in_present
    move(opportunity, world.propose, world)

    operations.undo(**change, note="Not yet")

    assert facts_of(opportunity) == in_present
    operations.undo(**change, note="Now")
    assert facts_of(opportunity)["stage_id"] == world.propose.pk
    assert given["salesperson_id"] == world.other.pk
    actions = list(opportunity.entries.order_by("sequence").values_list("action", flat=True))
    assert actions == [
        "CREATED",
        "STARTED",
        "NEXT",
        "REASSIGNED",
        "UNDONE",
        "NEXT",
        "UNDONE",
        "UNDONE",
    ]


def test_undo_of_a_close_keeps_the_closing_date_of_the_time_when_it_comes_back(world):
    opportunity = opportunity_in(world, Status.WON)  # on day 3
    operations.reopen(opportunity=opportunity, note="They called", by=world.by, on=DAY_4)

    operations.undo(opportunity=opportunity, note="They did not", by=world.by, on=TODAY)

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.status, stored.closed_on, stored.changed_on) == (Status.WON, DAY_3, TODAY)


def test_undo_of_a_start_forgets_stage_and_estimate(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    operations.undo(opportunity=opportunity, note="Not yet", by=world.by, on=TODAY)

    stored = Opportunity.objects.get(pk=opportunity.pk)
    assert (stored.stage, stored.estimated_value, stored.chance_percent) == (None, None, None)
    operations.start(
        opportunity=opportunity, estimate=Estimate(Decimal(1), Decimal(1), TODAY), by=world.by, on=TODAY
    )
    assert opportunity.stage_entered_on == TODAY


# Staying in a stage ----------------------------------------------------------------------------------------------


def test_since_when_in_a_stage_counts_the_stay(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)  # Qualify since day 2
    since = []

    def note_since(entry):
        since.append((entry.action, entry.stage_description, entry.stage_entered_on))

    act = {"opportunity": opportunity, "by": world.by}
    estimate = Estimate(Decimal(5), Decimal(5), CLOSE)
    note_since(operations.revise(**act, estimate=estimate, on=DAY_3))
    note_since(operations.reassign(**act, salesperson=world.other, on=DAY_3))
    note_since(operations.move(**act, to=world.present, on=DAY_4))
    note_since(operations.undo(**act, note="No", on=DAY_4))  # as if it had never left
    note_since(operations.move(**act, to=world.present, on=DAY_4))
    note_since(operations.close(**act, outcome="LOST", reason=world.lost, on=DAY_4))
    note_since(operations.reopen(**act, note="Yes", on=DAY_5))
    note_since(operations.move(**act, to=world.qualify, on=DAY_5))  # a stay of its own

    assert since == [
        ("UPDATED", "Qualify", DAY_2),
        ("REASSIGNED", "Qualify", DAY_2),
        ("NEXT", "Present", DAY_4),
        ("UNDONE", "Qualify", DAY_2),
        ("NEXT", "Present", DAY_4),
        ("LOST", "Present", DAY_4),
        ("REOPENED", "Present", DAY_4),
        ("PREVIOUS", "Qualify", DAY_5),
    ]


# Deleting --------------------------------------------------------------------------------------------------------


def test_archive_holds_every_column_and_becomes_json(world):
    opportunity = opportunity_in(world, Status.WON, external_id="X-7", note="First words")
    columns = {field.attname for field in Opportunity._meta.concrete_fields}
    entry_columns = {field.attname for field in OpportunityEntry._meta.concrete_fields}
    entries = list(opportunity.entries.order_by("sequence").values())
    row = Opportunity.objects.filter(pk=opportunity.pk).values().get()

    archive = operations.delete(opportunity=opportunity, by=world.by, on=TODAY)

    assert columns <= set(archive)
    assert {name: archive[name] for name in columns} == row
    assert [{name: entry[name] for name in entry_columns} for entry in archive["entries"]] == entries
    read_back = json.loads(json.dumps(archive, cls=DjangoJSONEncoder))
    assert read_back["number"] == row["number"]
    assert (read_back["company"], read_back["contact"]) == ("Acme", world.person.name)
    assert (read_back["salesperson"], read_back["cycle"]) == (world.salesperson.code, world.cycle.code)
    assert [entry["sequence"] for entry in read_back["entries"]] == [1, 2, 3]
    assert [entry["close_reason"] for entry in read_back["entries"]] == ["", "", world.won.code]
    assert read_back["entries"][0]["note"] == "First words"
    assert read_back["entries"][2]["recorded_by"] == world.by.email
    assert read_back["entries"][2]["calculated_value"].startswith("9500")


def test_archive_of_a_lone_person_names_no_company(world):
    archive = operations.archive_of(opportunity_in(world, Status.NOT_STARTED, contact=world.lone))

    assert (archive["company"], archive["company_id"]) == ("", None)


def test_number_of_a_deleted_opportunity_is_not_given_again(world):
    opportunity = opportunity_in(world, Status.NOT_STARTED)
    operations.delete(opportunity=opportunity, by=world.by, on=TODAY)

    assert opportunity_in(world, Status.NOT_STARTED).number == "OP-00002"


# Dates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Brussels", date(2026, 3, 24)),
        ("America/New_York", date(2026, 3, 23)),
        ("Pacific/Kiritimati", date(2026, 3, 24)),
    ],
)
def test_today_is_the_day_where_the_person_is(world, zone, day):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    tomorrow = date(2026, 3, day.day + 1)

    with (
        time_machine.travel(datetime(2026, 3, 23, 23, 30, tzinfo=UTC), tick=False),
        timezone.override(ZoneInfo(zone)),
    ):
        assert operations.default_date(opportunity) == day
        with untouched(), pytest.raises(operations.DateRefused):
            move(opportunity, world.present, world, on=tomorrow)
        assert move(opportunity, world.present, world, on=day).changed_on == day


def test_colleague_further_east_may_already_have_changed_it_tomorrow(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    ahead = date(2026, 3, 24)

    with time_machine.travel(datetime(2026, 3, 23, 12, 0, tzinfo=UTC), tick=False):
        with timezone.override(ZoneInfo("Pacific/Kiritimati")):
            move(opportunity, world.present, world, on=ahead)
        with timezone.override(ZoneInfo("America/New_York")):
            assert operations.default_date(opportunity) == ahead
            with untouched(), pytest.raises(operations.DateRefused, match="last change was on 24 Mar"):
                move(opportunity, world.propose, world, on=TODAY)
            assert move(opportunity, world.propose, world, on=ahead).changed_on == ahead
            with untouched(), pytest.raises(operations.DateRefused, match="in the future"):
                move(opportunity, world.qualify, world, on=date(2026, 3, 25))


def test_default_date_is_today_or_the_later_last_change(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    assert operations.default_date(opportunity) == TODAY

    with time_machine.travel("2026-03-08T12:00Z", tick=False):
        assert operations.default_date(opportunity) == DAY_2


def test_several_changes_on_one_day_are_kept_apart(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    for to in (world.present, world.propose, world.qualify):
        move(opportunity, to, world)

    days = opportunity.entries.order_by("sequence").values_list("changed_on", "ended_on")
    assert list(days) == [
        (DAY_1, DAY_2),
        (DAY_2, TODAY),
        (TODAY, TODAY),
        (TODAY, TODAY),
        (TODAY, None),
    ]


# Versions --------------------------------------------------------------------------------------------------------


def test_version_seen_lets_the_change_through(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)

    entry = move(opportunity, world.present, world, seen=2)

    assert entry.sequence == opportunity.version == 3


def test_copy_that_somebody_loaded_long_ago_is_not_believed(world):
    opportunity = opportunity_in(world, Status.IN_PROGRESS)
    old_copy = Opportunity.objects.get(pk=opportunity.pk)
    move(opportunity, world.present, world)

    entry = move(old_copy, world.propose, world)

    assert (entry.action, entry.previous_stage) == (Action.NEXT, world.present)
    assert old_copy.version == 4


def test_factory_states_are_made_by_the_operations():
    opportunity = OpportunityFactory(started=True, value=Decimal(123))

    assert (opportunity.status, opportunity.estimated_value) == (Status.IN_PROGRESS, 123)


# A history written at once ---------------------------------------------------------------------------------------


def write_history(world, opportunity):
    """Every kind of change, one after another."""
    act = {"opportunity": opportunity, "by": world.by}
    operations.start(**act, on=DAY_2, estimate=Estimate(Decimal(10_000), Decimal("33.33"), date(2026, 6, 30)))
    operations.move(**act, on=DAY_2, to=world.present)
    operations.revise(
        **act, on=DAY_3, estimate=Estimate(Decimal("99.99"), Decimal("0.01"), date(2026, 6, 30))
    )
    operations.undo(**act, on=DAY_3, note="No")
    operations.reassign(**act, on=DAY_3, salesperson=world.other, contact=world.colleague)
    operations.describe(opportunity=opportunity, by=world.by, priority="HIGH")
    operations.close(**act, on=DAY_3, outcome="LOST", reason=world.lost)
    operations.reopen(**act, on=DAY_4, note="They called")
    operations.move(**act, on=DAY_4, to=world.propose)
    operations.close(**act, on=DAY_5, outcome="WON", reason=world.won, amount=Decimal("0.01"))


def written(opportunity):
    """All that is stored, but for the keys and what follows from them."""
    own = {"id", "opportunity_id", "number", "search_text", "seal"}
    row = Opportunity.objects.filter(pk=opportunity.pk).values().get()
    entries = OpportunityEntry.objects.filter(opportunity=opportunity).order_by("sequence").values()
    return [{name: value for name, value in each.items() if name not in own} for each in (row, *entries)]


def test_history_written_in_hand_is_the_same(world):
    slowly = opportunity_in(world, Status.NOT_STARTED)
    write_history(world, slowly)
    create = {"description": "New roof", "contact": world.person, "by": world.by, "on": DAY_1}
    created = operations.create(**create, salesperson=world.salesperson, cycle=world.cycle)

    with operations.in_hand(created) as opportunity:
        write_history(world, opportunity)

    assert written(opportunity) == written(slowly)
    assert opportunity.version == 10
    operations.reopen(opportunity=opportunity, note="And on", by=world.by, on=TODAY)  # as always
    assert opportunity.version == 11


def test_another_opportunity_is_read_as_always_while_one_is_in_hand(world):
    other = opportunity_in(world, Status.IN_PROGRESS)
    stale = Opportunity.objects.get(pk=other.pk)
    move(other, world.present, world)
    created = opportunity_in(world, Status.NOT_STARTED).entries.get()

    with operations.in_hand(created) as opportunity:
        assert move(stale, world.propose, world).previous_stage == world.present
        copy = Opportunity.objects.get(pk=opportunity.pk)
        operations.start(
            opportunity=copy, estimate=Estimate(Decimal(1), Decimal(1), TODAY), by=world.by, on=TODAY
        )

    assert (stale.version, copy.version) == (4, 2)


def test_opportunity_in_hand_is_refused_what_others_are(world):
    created = opportunity_in(world, Status.NOT_STARTED).entries.get()

    with operations.in_hand(created) as opportunity:
        for dry_run in (True, False):
            with untouched(), pytest.raises(operations.NotStarted):
                move(opportunity, world.present, world, dry_run=dry_run)
            with untouched(), pytest.raises(operations.MovedMeanwhile):
                operations.start(opportunity=opportunity, seen=7, by=world.by, on=TODAY, dry_run=dry_run)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_taken_in_hand_outside_its_transaction(world):
    created = opportunity_in(world, Status.NOT_STARTED).entries.get()

    with pytest.raises(RuntimeError, match="in the transaction that created"), operations.in_hand(created):
        pass
