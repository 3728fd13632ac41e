"""What the operations refuse: by which rule, in which words, in which order, and with nothing written."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
import time_machine

from opportunities import operations
from opportunities.models import Opportunity, Outcome
from opportunities.operations import Estimate
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    PersonFactory,
    SalesCycleFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.snapshots import untouched

pytestmark = pytest.mark.django_db

CREATED, STARTED, TODAY, TOMORROW = (date(2026, 3, day) for day in (2, 9, 23, 24))
GOOD = Estimate(Decimal(10_000), Decimal(40), date(2026, 6, 30))


@pytest.fixture(autouse=True)
def fixed_day():
    with time_machine.travel("2026-03-23T12:00Z", tick=False):
        yield


@pytest.fixture
def world():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", "Sign")
    company = CompanyFactory(name="Acme")
    return SimpleNamespace(
        cycle=cycle,
        stages={stage.description: stage for stage in cycle.stages.all()},
        company=company,
        person=PersonFactory(company=company, first_name="Ann", last_name="Peeters"),
        lone=PersonFactory(first_name="Leo", last_name="Lone"),
        elsewhere=CompanyFactory(name="Elsewhere"),
        salesperson=SalespersonFactory(name="Sofie"),
        other=SalespersonFactory(name="Bert"),
        won=CloseReasonFactory(outcome=Outcome.WON, description="Best offer"),
        lost=CloseReasonFactory(outcome=Outcome.LOST, description="Too expensive"),
        by=UserFactory(name="Anna"),
    )


def new(world, **fields):
    return operations.create(
        **{
            "description": "New roof",
            "contact": world.person,
            "salesperson": world.salesperson,
            "cycle": world.cycle,
            "by": world.by,
            "on": CREATED,
            **fields,
        }
    ).opportunity


def running(world, **fields):
    opportunity = new(world, **fields)
    operations.start(opportunity=opportunity, estimate=GOOD, by=world.by, on=STARTED)
    return opportunity


def closed(world, outcome=Outcome.WON, **fields):
    opportunity = running(world, **fields)
    operations.close(
        opportunity=opportunity,
        outcome=outcome,
        reason=world.won if outcome == Outcome.WON else world.lost,
        amount=Decimal(9_000),
        by=world.by,
        on=STARTED,
    )
    return opportunity


def assert_refused(refusal, words, operation, **arguments):
    """Refused with this class and these words, for real and in a dry run, and nothing is written by either."""
    with untouched():
        with pytest.raises(refusal) as real:
            operation(**arguments)
        with pytest.raises(refusal) as dry:
            operation(**arguments, dry_run=True)

    assert type(real.value) is type(dry.value) is refusal
    assert real.value.message == dry.value.message == words
    assert str(real.value) == words


# Creating --------------------------------------------------------------------------------------------------------

CREATE = {
    "no description": (
        {"description": ""},
        operations.DescriptionRefused,
        "A description is needed. Say in a few words what it is about.",
    ),
    "blank description": (
        {"description": " \n\t "},
        operations.DescriptionRefused,
        "A description is needed. Say in a few words what it is about.",
    ),
    "long description": (
        {"description": "x" * 101},
        operations.DescriptionRefused,
        "A description has at most 100 characters.",
    ),
    "description that cannot be stored": (
        {"description": "New\x00roof"},
        operations.DescriptionRefused,
        "The description holds a character that cannot be stored. Take it out.",
    ),
    "half a surrogate": (
        {"description": "New \ud83d roof"},
        operations.DescriptionRefused,
        "The description holds a character that cannot be stored. Take it out.",
    ),
    "no contact": (
        {"contact": None},
        operations.ContactRefused,
        "A contact is needed. Choose whom it is for.",
    ),
    "no salesperson": (
        {"salesperson": None},
        operations.SalespersonRefused,
        "A salesperson is needed. Choose who works on it.",
    ),
    "no cycle": (
        {"cycle": None},
        operations.CycleRefused,
        "A sales cycle is needed. Choose how it will be sold.",
    ),
    "tomorrow": (
        {"on": TOMORROW},
        operations.DateRefused,
        "The date lies in the future. Choose today or earlier.",
    ),
    "value of nothing": (
        {"estimate": Estimate(Decimal(0), None, None)},
        operations.ValueRefused,
        "An estimated value is above 0. Leave it empty until you know it.",
    ),
    "value with three decimals": (
        {"estimate": Estimate(Decimal("0.001"), None, None)},
        operations.ValueRefused,
        "At most two decimals are stored. Round it.",
    ),
    "chance of nothing": (
        {"estimate": Estimate(None, Decimal(0), None)},
        operations.ChanceRefused,
        "A chance of success is above 0. Leave it empty until you know it.",
    ),
    "chance above 100": (
        {"estimate": Estimate(None, Decimal("100.01"), None)},
        operations.ChanceRefused,
        "A chance of success is at most 100 percent.",
    ),
    "closing before it is created": (
        {"estimate": Estimate(None, None, date(2026, 3, 1))},
        operations.ClosingDateRefused,
        "The estimated closing date lies before the change on 2 Mar 2026. Choose that day or a later one.",
    ),
    "long note": (
        {"note": "x" * 2001},
        operations.NoteRefused,
        "A note has at most 2000 characters.",
    ),
    "note that cannot be stored": (
        {"note": "x\x00"},
        operations.NoteRefused,
        "The note holds a character that cannot be stored. Take it out.",
    ),
    "long external id": (
        {"external_id": "x" * 101},
        operations.ExternalIdRefused,
        "An external id has at most 100 characters.",
    ),
    "external id that cannot be stored": (
        {"external_id": "x\x00"},
        operations.ExternalIdRefused,
        "The external id holds a character that cannot be stored. Take it out.",
    ),
}


@pytest.mark.parametrize("case", CREATE)
def test_create_refuses(world, case):
    change, refusal, words = CREATE[case]
    good = {
        "description": "New roof",
        "contact": world.person,
        "salesperson": world.salesperson,
        "cycle": world.cycle,
        "by": world.by,
        "on": CREATED,
    }

    assert_refused(refusal, words, operations.create, **{**good, **change})


def test_create_refuses_whoever_is_blocked(world):
    good = {
        "description": "New roof",
        "contact": world.person,
        "salesperson": world.salesperson,
        "cycle": world.cycle,
        "by": world.by,
        "on": CREATED,
    }
    type(world.salesperson).objects.update(is_blocked=True)
    assert_refused(
        operations.SalespersonRefused,
        "Sofie is blocked. Choose another salesperson.",
        operations.create,
        **good,
    )
    type(world.company).objects.filter(pk=world.company.pk).update(is_privacy_blocked=True)
    for contact, name in ((world.person, "Ann Peeters"), (world.company, "Acme")):
        assert_refused(
            operations.ContactRefused,
            f"{name} is blocked for privacy. Choose another contact.",
            operations.create,
            **{**good, "contact": contact},
        )
    type(world.salesperson).objects.update(is_blocked=False)
    type(world.cycle).objects.update(is_blocked=True)
    assert_refused(
        operations.CycleRefused,
        f"The sales cycle {world.cycle.description} is blocked. Choose another one.",
        operations.create,
        **{**good, "contact": world.lone},
    )


def test_create_refuses_an_external_id_that_is_taken(world):
    first = new(world, external_id="X-1")

    assert_refused(
        operations.ExternalIdRefused,
        f"{first.number} has the external id X-1 already.",
        operations.create,
        description="Another",
        contact=world.person,
        salesperson=world.salesperson,
        cycle=world.cycle,
        external_id="X-1",
        by=world.by,
        on=CREATED,
    )


# Numbers and dates of an estimate --------------------------------------------------------------------------------

NEEDS_VALUE = "An estimated value above 0 is needed. Type what it may bring."
NEEDS_CHANCE = "A chance of success above 0 is needed, up to 100."
TOO_MUCH, ROUND_IT = "This is more than can be stored.", "At most two decimals are stored. Round it."
ESTIMATES = [
    ({"value": None}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal(0)}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("-0")}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("-0.01")}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("NaN")}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("sNaN")}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("Infinity")}, operations.ValueRefused, NEEDS_VALUE),
    ({"value": Decimal("1000000000000")}, operations.ValueRefused, TOO_MUCH),
    ({"value": Decimal("1e99")}, operations.ValueRefused, TOO_MUCH),
    ({"value": Decimal("0.001")}, operations.ValueRefused, ROUND_IT),
    ({"value": Decimal("1e-99")}, operations.ValueRefused, ROUND_IT),
    ({"value": Decimal("999999999999.999")}, operations.ValueRefused, TOO_MUCH),
    ({"chance_percent": None}, operations.ChanceRefused, NEEDS_CHANCE),
    ({"chance_percent": Decimal(0)}, operations.ChanceRefused, NEEDS_CHANCE),
    ({"chance_percent": Decimal(-1)}, operations.ChanceRefused, NEEDS_CHANCE),
    ({"chance_percent": Decimal("NaN")}, operations.ChanceRefused, NEEDS_CHANCE),
    (
        {"chance_percent": Decimal("100.01")},
        operations.ChanceRefused,
        "A chance of success is at most 100 percent.",
    ),
    ({"chance_percent": Decimal("33.333")}, operations.ChanceRefused, ROUND_IT),
    ({"closes_on": None}, operations.ClosingDateRefused, "An estimated closing date is needed."),
    (
        {"closes_on": date(2026, 3, 22)},
        operations.ClosingDateRefused,
        "The estimated closing date lies before the change on 23 Mar 2026. Choose that day or a later one.",
    ),
]


@pytest.mark.parametrize(("change", "refusal", "words"), ESTIMATES)
@pytest.mark.parametrize("name", ["start", "move", "move back", "revise"])
def test_estimate_refused(world, name, change, refusal, words):
    opportunity = new(world) if name == "start" else running(world)
    if name == "move back":
        operations.move(opportunity=opportunity, to=world.stages["Present"], by=world.by, on=STARTED)
    arguments = {
        "opportunity": opportunity,
        "estimate": Estimate(**{**GOOD.__dict__, **change}),
        "by": world.by,
        "on": TODAY,
    }
    if name.startswith("move"):
        arguments["to"] = world.stages["Qualify" if name == "move back" else "Present"]

    assert_refused(refusal, words, getattr(operations, name.split()[0]), **arguments)


# The order of the checks -----------------------------------------------------------------------------------------


def assert_order(operation, broken, mended, expected):
    """With everything wrong the first rule speaks; as one thing after another is mended, the next one does.

    ``mended`` are (what to change in the arguments, or a function that mends the world) in the order of
    ``expected``.
    """
    arguments = dict(broken)
    for mend, refusal in zip(mended, expected, strict=True):
        with untouched(), pytest.raises(operations.Refused) as refused:
            operation(**arguments)
        assert type(refused.value) is refusal
        if callable(mend):
            mend()
        else:
            arguments.update(mend)
    return operation(**arguments)


def test_order_of_checks_of_a_move(world):
    opportunity = closed(world)
    stages = world.stages
    stages["Present"].requires_quote = True
    stages["Present"].save()
    estimate = Estimate(Decimal(0), Decimal(0), date(2026, 3, 1))

    def reopen():
        operations.reopen(opportunity=opportunity, note="Again", by=world.by, on=STARTED)

    entry = assert_order(
        operations.move,
        {
            "opportunity": opportunity,
            "to": stages["Sign"],
            "estimate": estimate,
            "seen": 1,
            "note": "x" * 2001,
            "by": world.by,
            "on": date(2026, 3, 8),
        },
        [
            reopen,
            {"seen": 4},
            {"on": TODAY},
            {"to": stages["Present"]},
            lambda: operations.answer_quote_question(lambda _opportunity: True),
            {"estimate": Estimate(Decimal(1), Decimal(0), date(2026, 3, 1))},
            {"estimate": Estimate(Decimal(1), Decimal(101), None)},
            {"estimate": Estimate(Decimal(1), Decimal(100), None)},
            {"estimate": Estimate(Decimal(1), Decimal(100), date(2026, 3, 22))},
            {"estimate": Estimate(Decimal(1), Decimal(100), TODAY)},
            {"note": ""},
        ],
        [
            operations.AlreadyClosed,
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.StageRefused,
            operations.QuoteNeeded,
            operations.ValueRefused,
            operations.ChanceRefused,
            operations.ChanceRefused,
            operations.ClosingDateRefused,
            operations.ClosingDateRefused,
            operations.NoteRefused,
        ],
    )

    operations.answer_quote_question(None)
    assert entry.action == "NEXT"


def test_order_of_checks_of_a_start(world):
    opportunity = closed(world)
    cycle = SalesCycleFactory()
    empty = new(world, cycle=cycle)
    nothing_right = {
        "estimate": Estimate(None, None, None),
        "note": "x" * 2001,
        "by": world.by,
        "on": date(2026, 3, 1),
    }

    with untouched(), pytest.raises(operations.AlreadyClosed):
        operations.start(opportunity=opportunity, seen=1, **nothing_right)
    operations.reopen(opportunity=opportunity, note="Again", by=world.by, on=STARTED)
    with untouched(), pytest.raises(operations.MovedMeanwhile):
        operations.start(opportunity=opportunity, seen=1, **nothing_right)
    with untouched(), pytest.raises(operations.AlreadyStarted):
        operations.start(opportunity=opportunity, seen=opportunity.version, **nothing_right)

    stage = world.stages["Qualify"]

    def add_a_stage():
        stage.cycle = cycle
        stage.pk = None
        stage.save(force_insert=True)

    assert_order(
        operations.start,
        {"opportunity": empty, **nothing_right},
        [
            {"on": TODAY},
            add_a_stage,
            {"estimate": Estimate(Decimal(1), None, None)},
            {"estimate": Estimate(Decimal(1), Decimal(1), None)},
            {"estimate": Estimate(Decimal(1), Decimal(1), TODAY)},
            {"note": ""},
        ],
        [
            operations.DateRefused,
            operations.CycleRefused,
            operations.ValueRefused,
            operations.ChanceRefused,
            operations.ClosingDateRefused,
            operations.NoteRefused,
        ],
    )


def test_order_of_checks_of_a_new_estimate(world):
    opportunity = new(world)

    assert_order(
        operations.revise,
        {
            "opportunity": opportunity,
            "estimate": Estimate(None, None, None),
            "seen": 7,
            "note": "x" * 2001,
            "by": world.by,
            "on": date(2026, 3, 1),
        },
        [
            {"seen": 1},
            lambda: operations.start(opportunity=opportunity, estimate=GOOD, by=world.by, on=STARTED),
            {"seen": 2},
            {"on": TODAY},
            {"estimate": Estimate(Decimal(1), None, None)},
            {"estimate": Estimate(Decimal(1), Decimal(1), None)},
            {"estimate": Estimate(Decimal(1), Decimal(1), TODAY)},
            {"note": ""},
        ],
        [
            operations.MovedMeanwhile,
            operations.NotStarted,
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.ValueRefused,
            operations.ChanceRefused,
            operations.ClosingDateRefused,
            operations.NoteRefused,
        ],
    )


def test_order_of_checks_of_a_win(world):
    opportunity = closed(world)
    company = type(world.company).objects.filter(pk=world.company.pk)
    company.update(is_privacy_blocked=True)

    assert_order(
        operations.close,
        {
            "opportunity": opportunity,
            "outcome": Outcome.WON,
            "reason": None,
            "amount": Decimal(0),
            "seen": 1,
            "note": "x" * 2001,
            "by": world.by,
            "on": date(2026, 3, 8),
        },
        [
            lambda: operations.reopen(opportunity=opportunity, note="Again", by=world.by, on=STARTED),
            {"seen": 4},
            {"on": TODAY},
            {"reason": world.lost},
            {"reason": world.won},
            {"note": ""},
            {"amount": Decimal(1)},
            lambda: company.update(is_privacy_blocked=False),
        ],
        [
            operations.AlreadyClosed,
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.ReasonRefused,
            operations.ReasonRefused,
            operations.NoteRefused,
            operations.AmountRefused,
            operations.ContactRefused,
        ],
    )


def test_order_of_checks_of_reopening_and_undoing(world):
    opportunity = running(world)
    nothing_right = {"opportunity": opportunity, "seen": 1, "note": " ", "by": world.by, "on": CREATED}

    assert_order(
        operations.reopen,
        nothing_right,
        [
            lambda: operations.close(
                opportunity=opportunity, outcome="LOST", reason=world.lost, by=world.by, on=STARTED
            ),
            {"seen": 3},
            {"on": TODAY},
            {"note": "x" * 2001},
            {"note": "Again"},
        ],
        [
            operations.NotClosed,
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.NoteRefused,
            operations.NoteRefused,
        ],
    )
    assert_order(
        operations.undo,
        {**nothing_right, "opportunity": opportunity},
        [{"seen": 4}, {"on": TODAY}, {"note": "x" * 2001}, {"note": "Again"}],
        [
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.NoteRefused,
            operations.NoteRefused,
        ],
    )


def test_order_of_checks_of_a_reassignment(world):
    opportunity = closed(world)
    type(world.other).objects.filter(pk=world.other.pk).update(is_blocked=True)
    elsewhere = type(world.elsewhere).objects.filter(pk=world.elsewhere.pk)
    elsewhere.update(is_privacy_blocked=True)

    assert_order(
        operations.reassign,
        {
            "opportunity": opportunity,
            "salesperson": world.other,
            "contact": world.elsewhere,
            "seen": 1,
            "by": world.by,
            "on": CREATED,
        },
        [
            lambda: operations.reopen(opportunity=opportunity, note="Again", by=world.by, on=STARTED),
            {"seen": 4},
            {"on": TODAY},
            {"salesperson": world.salesperson},
            lambda: elsewhere.update(is_privacy_blocked=False),
            {"contact": world.person},
            {"contact": world.company},
        ],
        [
            operations.AlreadyClosed,
            operations.MovedMeanwhile,
            operations.DateRefused,
            operations.SalespersonRefused,
            operations.ContactRefused,
            operations.ContactRefused,
            operations.NothingToChange,
        ],
    )


def test_order_of_checks_of_creating(world):
    type(world.elsewhere).objects.filter(pk=world.elsewhere.pk).update(is_privacy_blocked=True)
    new(world, external_id="X-1")

    assert_order(
        operations.create,
        {
            "description": " ",
            "contact": world.elsewhere,
            "salesperson": None,
            "cycle": None,
            "estimate": Estimate(Decimal(0), Decimal(0), CREATED),
            "external_id": "X-1",
            "note": "x" * 2001,
            "by": world.by,
            "on": TOMORROW,
        },
        [
            {"description": "New roof"},
            {"contact": world.person},
            {"salesperson": world.salesperson},
            {"cycle": world.cycle},
            {"on": TODAY},
            {"estimate": Estimate(None, Decimal(0), CREATED)},
            {"estimate": Estimate(None, None, CREATED)},
            {"estimate": None},
            {"external_id": "X-2"},
            {"note": "Hello"},
        ],
        [
            operations.DescriptionRefused,
            operations.ContactRefused,
            operations.SalespersonRefused,
            operations.CycleRefused,
            operations.DateRefused,
            operations.ValueRefused,
            operations.ChanceRefused,
            operations.ClosingDateRefused,
            operations.ExternalIdRefused,
            operations.NoteRefused,
        ],
    )


# Closed, not closed, started, not started ------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "word"), [(Outcome.WON, "won"), (Outcome.LOST, "lost")])
def test_closed_opportunity_says_when_it_was_closed(world, outcome, word):
    opportunity = closed(world, outcome)

    assert_refused(
        operations.AlreadyClosed,
        f"{opportunity.number} was {word} on 9 Mar 2026. Reopen it to change it.",
        operations.revise,
        opportunity=opportunity,
        estimate=GOOD,
        by=world.by,
        on=TODAY,
    )


def test_state_refusals_name_the_way_out(world):
    fresh, started = new(world), running(world)
    act = {"by": world.by, "on": TODAY}

    assert_refused(
        operations.NotStarted,
        f"{fresh.number} is not started. Start it first.",
        operations.move,
        opportunity=fresh,
        to=world.stages["Present"],
        **act,
    )
    assert_refused(
        operations.AlreadyStarted,
        f"{started.number} is in progress already.",
        operations.start,
        opportunity=started,
        estimate=GOOD,
        **act,
    )
    assert_refused(
        operations.NotClosed,
        f"{started.number} is open already.",
        operations.reopen,
        opportunity=started,
        note="Why",
        **act,
    )
    assert_refused(
        operations.NothingToUndo,
        f"{fresh.number} has only been created. Delete it if it should not be there.",
        operations.undo,
        opportunity=fresh,
        note="Why",
        **act,
    )
    assert_refused(
        operations.StillInProgress,
        f"{started.number} is in progress. Close it first; only closed and not started ones can be deleted.",
        operations.delete,
        opportunity=started,
        **act,
    )
    assert_refused(
        operations.NothingToChange,
        "Choose another salesperson or another contact.",
        operations.reassign,
        opportunity=started,
        salesperson=world.salesperson,
        contact=world.person,
        **act,
    )
    assert_refused(
        operations.NothingToChange,
        "Choose another salesperson or another contact.",
        operations.reassign,
        opportunity=started,
        **act,
    )


def test_cycle_without_a_stage_in_use(world):
    cycle = SalesCycleFactory(description="Renewals")
    opportunity = new(world, cycle=cycle)

    assert_refused(
        operations.CycleRefused,
        "The sales cycle Renewals has no stage in use. Add one to the cycle, then start.",
        operations.start,
        opportunity=opportunity,
        estimate=GOOD,
        by=world.by,
        on=TODAY,
    )


# Versions and dates ----------------------------------------------------------------------------------------------


def every_operation(world, opportunity):
    """(operation, its own arguments) that would work on an opportunity in progress, except for delete."""
    return {
        "move": (operations.move, {"to": world.stages["Present"]}),
        "revise": (operations.revise, {"estimate": GOOD}),
        "win": (operations.close, {"outcome": "WON", "reason": world.won, "amount": Decimal(1)}),
        "lose": (operations.close, {"outcome": "LOST", "reason": world.lost}),
        "undo": (operations.undo, {"note": "Why"}),
        "reassign": (operations.reassign, {"salesperson": world.other}),
    }


NAMES = ["move", "revise", "win", "lose", "undo", "reassign"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seen", [0, 1, 3, 10**30])
def test_other_version_is_refused(world, name, seen):
    opportunity = running(world)
    operation, arguments = every_operation(world, opportunity)[name]

    assert_refused(
        operations.MovedMeanwhile,
        "Anna changed this meanwhile (23 Mar 2026, 1 p.m.): Started in Qualify. Look again, then decide.",
        operation,
        opportunity=opportunity,
        seen=seen,
        by=world.by,
        on=TODAY,
        **arguments,
    )


@pytest.mark.parametrize("name", ["start", "reopen", "delete"])
def test_other_version_is_refused_in_other_states(world, name):
    opportunity = new(world) if name == "start" else closed(world)
    operation = getattr(operations, name)
    arguments = {"start": {"estimate": GOOD}, "reopen": {"note": "Why"}, "delete": {}}[name]
    what = "Created" if name == "start" else "Won"

    assert_refused(
        operations.MovedMeanwhile,
        f"Anna changed this meanwhile (23 Mar 2026, 1 p.m.): {what}. Look again, then decide.",
        operation,
        opportunity=opportunity,
        seen=2,
        by=world.by,
        on=TODAY,
        **arguments,
    )


def test_refusal_for_the_version_carries_the_newest_entry(world):
    opportunity = running(world)

    with pytest.raises(operations.MovedMeanwhile) as refused:
        operations.revise(opportunity=opportunity, estimate=GOOD, seen=1, by=world.by, on=TODAY)

    assert refused.value.entry == opportunity.entries.get(sequence=2)


@pytest.mark.parametrize("name", NAMES)
def test_date_before_the_last_change_or_in_the_future_is_refused(world, name):
    opportunity = running(world)
    operation, arguments = every_operation(world, opportunity)[name]
    arguments = {"opportunity": opportunity, "by": world.by, **arguments}

    early = "The last change was on 9 Mar 2026. Choose that day or a later one."
    for day in (date(2026, 3, 8), date(2000, 1, 1), date.min):
        assert_refused(operations.DateRefused, early, operation, on=day, **arguments)
    late = "The date lies in the future. Choose today or earlier."
    for day in (TOMORROW, date.max):
        assert_refused(operations.DateRefused, late, operation, on=day, **arguments)
    assert operation(on=STARTED, **arguments).changed_on == STARTED  # the same day is fine


@pytest.mark.parametrize("name", ["start", "reopen"])
def test_date_is_refused_in_other_states(world, name):
    opportunity = new(world) if name == "start" else closed(world)
    arguments = {
        "opportunity": opportunity,
        "by": world.by,
        **({"estimate": GOOD} if name == "start" else {"note": "Why"}),
    }
    operation = getattr(operations, name)

    for day in (date(2026, 3, 1), TOMORROW):
        with untouched(), pytest.raises(operations.DateRefused):
            operation(on=day, **arguments)


# Stages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (None, "Choose a stage."),
        ("Qualify", "{number} is in Qualify already."),
        ("Propose", "Propose cannot be reached from Qualify. Choose one of: Present."),
        ("Sign", "Sign cannot be reached from Qualify. Choose one of: Present."),
        ("elsewhere", "Other cannot be reached from Qualify. Choose one of: Present."),
    ],
)
def test_stage_refused(world, to, words):
    opportunity = running(world)
    world.stages["elsewhere"] = cycle_with_stages("Other").stages.get()

    assert_refused(
        operations.StageRefused,
        words.format(number=opportunity.number),
        operations.move,
        opportunity=opportunity,
        to=world.stages[to] if to else None,
        by=world.by,
        on=TODAY,
    )


def test_retired_stage_is_refused(world):
    opportunity = running(world)
    type(world.stages["Present"]).objects.filter(pk=world.stages["Present"].pk).update(is_active=False)

    assert_refused(
        operations.StageRefused,
        "Present cannot be reached from Qualify. Choose one of: Propose.",
        operations.move,
        opportunity=opportunity,
        to=world.stages["Present"],
        by=world.by,
        on=TODAY,
    )


def test_only_stage_leads_nowhere(world):
    cycle = cycle_with_stages("Only")
    opportunity = running(world, cycle=cycle)

    assert_refused(
        operations.StageRefused,
        "Qualify cannot be reached from Only. Choose one of: –.",
        operations.move,
        opportunity=opportunity,
        to=world.stages["Qualify"],
        by=world.by,
        on=TODAY,
    )


@pytest.mark.parametrize(
    ("stage", "to", "words"),
    [
        ("Present", "Present", "Present needs a quote. Create one, or choose a stage before it."),
        ("Present", "Propose", "Present needs a quote. Create one, or choose a stage before it."),
        ("Qualify", "Present", "Qualify cannot be left forward without a quote. Create one first."),
    ],
)
def test_quote_refused(world, stage, to, words):
    type(world.stages[stage]).objects.filter(pk=world.stages["Present"].pk).update(allows_skip=True)
    type(world.stages[stage]).objects.filter(pk=world.stages[stage].pk).update(requires_quote=True)
    opportunity = running(world)

    assert_refused(
        operations.QuoteNeeded,
        words,
        operations.move,
        opportunity=opportunity,
        to=world.stages[to],
        by=world.by,
        on=TODAY,
    )


# Closing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        ("WON", None, "A reason is needed. Choose why it was won."),
        ("LOST", None, "A reason is needed. Choose why it was lost."),
        ("WON", "lost", "“Too expensive” is a reason for lost. Choose one for won."),
        ("LOST", "won", "“Best offer” is a reason for won. Choose one for lost."),
        ("LOST", "retired", "“Old” is retired. Choose another reason."),
    ],
)
@pytest.mark.parametrize("start", [new, running])
def test_reason_refused(world, start, outcome, reason, words):
    world.retired = CloseReasonFactory(outcome=Outcome.LOST, description="Old", is_active=False)

    assert_refused(
        operations.ReasonRefused,
        words,
        operations.close,
        opportunity=start(world),
        outcome=outcome,
        reason=getattr(world, reason) if reason else None,
        amount=Decimal(1),
        by=world.by,
        on=TODAY,
    )


def test_reason_retired_since_it_was_loaded_is_refused(world):
    type(world.lost).objects.update(is_active=False)

    assert_refused(
        operations.ReasonRefused,
        "“Too expensive” is retired. Choose another reason.",
        operations.close,
        opportunity=new(world),
        outcome="LOST",
        reason=world.lost,
        by=world.by,
        on=TODAY,
    )


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "A sale needs an amount above 0. Type what was sold."),
        (Decimal(0), "A sale needs an amount above 0. Type what was sold."),
        (Decimal(-5), "A sale needs an amount above 0. Type what was sold."),
        (Decimal("NaN"), "A sale needs an amount above 0. Type what was sold."),
        (Decimal("0.005"), ROUND_IT),
        (Decimal("1e12"), TOO_MUCH),
    ],
)
def test_amount_refused(world, amount, words):
    assert_refused(
        operations.AmountRefused,
        words,
        operations.close,
        opportunity=running(world),
        outcome="WON",
        reason=world.won,
        amount=amount,
        by=world.by,
        on=TODAY,
    )


@pytest.mark.parametrize(
    ("contact", "blocked", "refused"),
    [
        ("person", "company", True),
        ("company", "company", True),
        ("lone", "lone", True),
        ("person", "person", False),  # the company buys
    ],
)
def test_buyer_blocked_for_privacy_becomes_no_customer(world, contact, blocked, refused):
    opportunity = running(world, contact=getattr(world, contact))
    buyer = getattr(world, blocked)
    type(buyer).objects.filter(pk=buyer.pk).update(is_privacy_blocked=True)
    win = {
        "opportunity": opportunity,
        "outcome": "WON",
        "reason": world.won,
        "amount": Decimal(1),
        "by": world.by,
        "on": TODAY,
    }

    if refused:
        words = f"{buyer} is blocked for privacy and cannot become a customer."
        assert_refused(operations.ContactRefused, words, operations.close, **win)
        operations.close(**{**win, "outcome": "LOST", "reason": world.lost})  # losing is always possible
    else:
        operations.close(**win)


# Reassigning, undoing, describing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "to", "words"),
    [
        ("person", "elsewhere", "Elsewhere belongs to another company than Acme."),
        ("person", "lone", "Leo Lone belongs to another company than Acme."),
        ("lone", "company", "Acme belongs to another company than Leo Lone."),
        ("lone", "person", "Ann Peeters belongs to another company than Leo Lone."),
    ],
)
def test_running_opportunity_cannot_change_company(world, start, to, words):
    assert_refused(
        operations.ContactRefused,
        f"{words} Choose somebody there, or make a new opportunity.",
        operations.reassign,
        opportunity=running(world, contact=getattr(world, start)),
        contact=getattr(world, to),
        by=world.by,
        on=TODAY,
    )


def test_reassign_refuses_whoever_is_blocked(world):
    opportunity = new(world)
    type(world.other).objects.filter(pk=world.other.pk).update(is_blocked=True)
    type(world.elsewhere).objects.filter(pk=world.elsewhere.pk).update(is_privacy_blocked=True)
    act = {"opportunity": opportunity, "by": world.by, "on": TODAY}

    assert_refused(
        operations.SalespersonRefused,
        "Bert is blocked. Choose another salesperson.",
        operations.reassign,
        salesperson=world.other,
        contact=world.lone,
        **act,
    )
    assert_refused(
        operations.ContactRefused,
        "Elsewhere is blocked for privacy. Choose another contact.",
        operations.reassign,
        salesperson=None,
        contact=world.elsewhere,
        **act,
    )


def test_undo_does_not_bring_back_whoever_was_blocked_since(world):
    opportunity = new(world)
    act = {"opportunity": opportunity, "by": world.by, "on": TODAY}
    operations.reassign(**act, salesperson=world.other)
    type(world.salesperson).objects.filter(pk=world.salesperson.pk).update(is_blocked=True)

    assert_refused(
        operations.SalespersonRefused,
        "Sofie is blocked. Choose another salesperson.",
        operations.undo,
        note="Why",
        **act,
    )
    operations.reassign(**act, contact=world.lone)
    operations.undo(**act, note="The salesperson stays, so it may be blocked or not")
    operations.undo(**act, note="And again")
    type(world.company).objects.filter(pk=world.company.pk).update(is_privacy_blocked=True)
    assert_refused(
        operations.ContactRefused,
        "Ann Peeters is blocked for privacy. Choose another contact.",
        operations.undo,
        note="Why",
        **act,
    )


@pytest.mark.parametrize("note", ["", "   ", "\n"])
def test_reopening_and_undoing_need_a_reason_in_words(world, note):
    for opportunity, operation in ((closed(world), operations.reopen), (running(world), operations.undo)):
        assert_refused(
            operations.NoteRefused,
            "Say in a few words why.",
            operation,
            opportunity=opportunity,
            note=note,
            by=world.by,
            on=TODAY,
        )


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("x" * 2001, "A note has at most 2000 characters."),
        ("\x00", "The note holds a character that cannot be stored. Take it out."),
        ("\udfff", "The note holds a character that cannot be stored. Take it out."),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_note_refused(world, name, note, words):
    opportunity = running(world)
    operation, arguments = every_operation(world, opportunity)[name]

    assert_refused(
        operations.NoteRefused,
        words,
        operation,
        **{**arguments, "note": note, "opportunity": opportunity, "by": world.by, "on": TODAY},
    )


@pytest.mark.parametrize(
    ("change", "refusal", "words"),
    [
        (
            {"description": ""},
            operations.DescriptionRefused,
            "A description is needed. Say in a few words what it is about.",
        ),
        (
            {"description": "x" * 101},
            operations.DescriptionRefused,
            "A description has at most 100 characters.",
        ),
        (
            {"description": "\x00"},
            operations.DescriptionRefused,
            "The description holds a character that cannot be stored. Take it out.",
        ),
        (
            {"description": "Mine", "seen_description": "Theirs"},
            operations.MovedMeanwhile,
            "The description was changed to “New roof” meanwhile. Look again, then save.",
        ),
        (
            {"priority": "HIGH", "description": "Mine"},
            operations.AlreadyClosed,
            "{number} was won on 9 Mar 2026, so its priority stands.",
        ),
    ],
)
def test_describe_refuses(world, change, refusal, words):
    opportunity = closed(world)

    assert_refused(
        refusal,
        words.format(number=opportunity.number),
        operations.describe,
        opportunity=opportunity,
        by=world.by,
        **change,
    )


# All of them -----------------------------------------------------------------------------------------------------


def refusals(cls=operations.Refused):
    return [sub for direct in cls.__subclasses__() for sub in (direct, *refusals(direct))]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.__name__)
def test_refusal_is_documented(refusal):
    assert refusal.__doc__
    assert isinstance(refusal.field, str)


def test_each_refusal_names_the_field_it_is_about():
    assert {refusal.__name__: refusal.field for refusal in refusals() if refusal.field} == {
        "AmountRefused": "amount",
        "ChanceRefused": "chance_percent",
        "ClosingDateRefused": "closes_on",
        "ContactRefused": "contact",
        "CycleRefused": "cycle",
        "TasksRefused": "tasks",
        "DateRefused": "on",
        "DescriptionRefused": "description",
        "ExternalIdRefused": "external_id",
        "NoteRefused": "note",
        "QuoteNeeded": "to",
        "ReasonRefused": "reason",
        "RoleRefused": "role",
        "SalespersonRefused": "salesperson",
        "StageRefused": "to",
        "ValueRefused": "value",
    }


@pytest.mark.parametrize("name", NAMES)
def test_opportunity_that_is_gone_cannot_be_changed(world, name):
    opportunity = running(world)
    copy = Opportunity.objects.get(pk=opportunity.pk)
    operations.close(opportunity=opportunity, outcome="LOST", reason=world.lost, by=world.by, on=TODAY)
    operations.delete(opportunity=opportunity, by=world.by, on=TODAY)
    operation, arguments = every_operation(world, copy)[name]

    assert_refused(
        operations.Gone,
        "Somebody deleted it meanwhile.",
        operation,
        **{**arguments, "opportunity": copy, "by": world.by, "on": TODAY},
    )


def test_unknown_outcome_and_priority_are_mistakes_of_the_caller(world):
    opportunity = new(world)

    with untouched(), pytest.raises(ValueError, match="WONT"):
        operations.close(opportunity=opportunity, outcome="WONT", reason=world.won, by=world.by, on=TODAY)
    with untouched(), pytest.raises(ValueError, match="URGENT"):
        operations.create(
            description="x",
            contact=world.person,
            salesperson=world.salesperson,
            cycle=world.cycle,
            priority="URGENT",
            by=world.by,
            on=TODAY,
        )
