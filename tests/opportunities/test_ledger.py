"""The ledger finds what somebody changed behind the operations' back, whatever it is."""

import re
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
import time_machine
from django.db import IntegrityError, connection, models, transaction

from opportunities import ledger, operations
from opportunities.models import (
    FACTS,
    Action,
    CloseReason,
    Opportunity,
    OpportunityEntry,
    Outcome,
    Status,
)
from opportunities.operations import Estimate
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)

pytestmark = pytest.mark.django_db

ENTRIES = OpportunityEntry._meta.db_table
ROWS = Opportunity._meta.db_table
DAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def fixed_day():
    with time_machine.travel("2026-03-23T12:00Z", tick=False):
        yield


class MadeWhenNamed(dict):
    """Opportunities by state, each made when a test first names it."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, state):
        self[state] = self.make(state)
        return self[state]


@pytest.fixture
def world():
    """Opportunities in every state, with a history of nearly every action, and others of everything they name."""
    cycle, other_cycle = cycle_with_stages("Qualify", "Present", "Propose"), cycle_with_stages("Other")
    company, elsewhere = CompanyFactory(), CompanyFactory()
    people = [PersonFactory(company=company), PersonFactory(company=company)]
    by, other_by = UserFactory(), UserFactory()
    salesperson, other = SalespersonFactory(), SalespersonFactory()
    won, lost = (CloseReasonFactory(outcome=outcome) for outcome in (Outcome.WON, Outcome.LOST))
    CloseReasonFactory(outcome=Outcome.WON)
    CloseReasonFactory(outcome=Outcome.LOST)
    stages = list(cycle.stages.all())

    def make(last):
        """created, started, moved, revised, reassigned, and so on until the ``last`` one."""
        opportunity = operations.create(
            description="New roof",
            contact=people[0],
            salesperson=salesperson,
            cycle=cycle,
            by=by,
            on=DAY,
            estimate=Estimate(Decimal(5_000), Decimal(10), date(2026, 9, 1)),
        ).opportunity
        act = {"opportunity": opportunity, "by": by}
        days = iter(DAY + timedelta(days=2 * n) for n in range(1, 20))
        if last == "created":
            return opportunity
        operations.start(
            **act, on=next(days), estimate=Estimate(Decimal(10_000), Decimal(40), date(2026, 6, 30))
        )
        operations.move(**act, on=next(days), to=stages[1], note="Well received")
        operations.revise(
            **act, on=next(days), estimate=Estimate(Decimal(12_000), Decimal("33.33"), date(2026, 7, 1))
        )
        operations.reassign(**act, on=next(days), salesperson=other, contact=people[1])
        if last == "in progress":
            return opportunity
        outcome, reason = (Outcome.WON, won) if last == "won" else (Outcome.LOST, lost)
        operations.close(**act, on=next(days), outcome=outcome, reason=reason, amount=Decimal(11_000))
        if last in ("reopened", "undone"):
            operations.reopen(**act, on=next(days), note="They called")
        if last == "undone":
            operations.undo(**act, on=next(days), note="They did not")
        return opportunity

    return SimpleNamespace(
        cycle=cycle,
        other_cycle=other_cycle,
        company=company,
        elsewhere=elsewhere,
        other_by=other_by,
        opportunities=MadeWhenNamed(make),
    )


def differences(*opportunities):
    """What verification says of these, or of all."""
    rows = Opportunity.objects.all()
    if opportunities:
        rows = rows.filter(pk__in=[opportunity.pk for opportunity in opportunities])
    return [str(difference) for difference in ledger.verify(rows)]


def all_states(world):
    return [world.opportunities[state] for state in STATES]


def sql(statement, *values):
    """Run a statement past Django and every guard; returns how many rows it touched."""
    values = [str(value) if isinstance(value, Decimal | date) else value for value in values]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def accepted(statement, *values):
    """Whether the database takes a statement; if not it is as if it had not been tried."""
    try:
        with transaction.atomic():
            sql(statement, *values)
            if connection.vendor == "postgresql":
                sql("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError:
        return False
    return True


def other_values(field, value):
    """Values of a column that are not the present one and could pass for one."""
    return [other for other in near_values(field, value) if other != value]


def near_values(field, value):
    if field.name in ("probability_percent", "calculated_value"):
        return [value + Decimal("0.000001"), value + 1, value / 2]
    if isinstance(field, models.DecimalField):
        candidates = [Decimal("0.01"), Decimal(1), Decimal(50), None]
        return [*([value + Decimal("0.01"), value - Decimal("0.01")] if value else []), *candidates]
    if isinstance(field, models.ForeignKey):
        keys = field.related_model._base_manager.exclude(pk=value).values_list("pk", flat=True)
        return [*keys, *([None] if value is not None else [])]
    if field.choices:
        return [choice for choice, _label in field.choices if choice != value]
    if isinstance(field, models.DateTimeField):
        return [value + timedelta(microseconds=1), value - timedelta(days=1)]
    if isinstance(field, models.DateField):
        near = [value + timedelta(days=1), value - timedelta(days=1)] if value else [date(2026, 3, 10)]
        return [*near, *([None] if value else [])]
    if isinstance(field, models.IntegerField):
        return [value + 1, value - 1, value + 100]
    if field.name == "seal":
        return ["0" * 64, value.swapcase() if value.swapcase() != value else value[::-1], ""]
    return [f"{value}x", value[:-1], "Something else"]


# What verification leaves alone, because it is no fact of the ledger.
NOT_OF_THE_ENTRY = {"id"}  # a key without a meaning, named by nothing
NOT_OF_THE_ROW = {
    "id",  # named by its entries, whose seals hold it
    "number",  # a name, given once
    "external_id",  # a name in another system
    "description",  # changed by describe, which keeps old and new in the change log
    "priority",  # the same
    "search_text",  # follows from number and description
}
STATES = ("created", "in progress", "won", "lost", "reopened", "undone")
ENTRY_FIELDS = [f for f in OpportunityEntry._meta.concrete_fields if f.attname not in NOT_OF_THE_ENTRY]
ROW_FIELDS = [f for f in Opportunity._meta.concrete_fields if f.attname not in NOT_OF_THE_ROW]


def test_untouched_ledger_adds_up(world):
    all_states(world)

    assert differences() == []
    actions = set(OpportunityEntry.objects.values_list("action", flat=True))
    assert actions >= {"CREATED", "STARTED", "NEXT", "UPDATED", "REASSIGNED", "WON", "LOST", "REOPENED"}


def test_every_column_is_watched_or_named_as_left_alone():
    assert {field.attname for field in ENTRY_FIELDS} == (
        set(FACTS)
        | {"opportunity_id", "sequence", "action", "changed_on", "ended_on", "recorded_at", "recorded_by_id"}
        | {"note", "previous_stage_id", "stage_description", "seal"}
    )
    assert {field.attname for field in ROW_FIELDS} == {*FACTS, "created_on", "changed_on", "version"}


@pytest.mark.parametrize("field", ENTRY_FIELDS, ids=lambda field: field.attname)
def test_changed_column_of_an_entry_is_found(world, field):
    statement = f"UPDATE {ENTRIES} SET {field.column} = %s WHERE id = %s"
    for opportunity in [world.opportunities[state] for state in ("won", "lost", "undone")]:
        for entry in opportunity.entries.order_by("sequence"):
            for value in other_values(field, getattr(entry, field.attname))[:3]:
                with transaction.atomic():
                    if accepted(statement, value, entry.pk):
                        assert differences(opportunity) != [], (entry, value)
                    transaction.set_rollback(True)
        assert differences(opportunity) == []


@pytest.mark.parametrize("field", ROW_FIELDS, ids=lambda field: field.attname)
def test_changed_column_of_the_row_is_found(world, field):
    statement = f"UPDATE {ROWS} SET {field.column} = %s WHERE id = %s"
    for opportunity in all_states(world):
        for value in other_values(field, getattr(opportunity, field.attname)):
            with transaction.atomic():
                if accepted(statement, value, opportunity.pk):
                    found = differences(opportunity)
                    assert found != [], value
                    assert all(text.startswith(opportunity.number) for text in found)
                transaction.set_rollback(True)


@pytest.mark.parametrize("name", FACTS)
def test_fact_changed_in_row_and_newest_entry_alike_is_found(world, name):
    field = next(field for field in ROW_FIELDS if field.attname == name)
    newest = f"UPDATE {ENTRIES} SET {name} = %s WHERE opportunity_id = %s AND ended_on IS NULL"
    row = f"UPDATE {ROWS} SET {name} = %s WHERE id = %s"
    for opportunity in all_states(world):
        for value in other_values(field, getattr(opportunity, name)):
            with transaction.atomic():
                if accepted(newest, value, opportunity.pk) and accepted(row, value, opportunity.pk):
                    assert differences(opportunity) != [], value
                transaction.set_rollback(True)


# No single one of these can be changed: the laws of the database tie them to others.
REFUSED_BY_THE_DATABASE = ["status"]


def test_values_tried_get_as_far_as_the_database(world):
    """The tests above would show nothing if constraints refused every value they try."""
    taken = dict.fromkeys((field.attname for field in ENTRY_FIELDS), False)
    for opportunity in all_states(world):
        for entry in opportunity.entries.all():
            for field in ENTRY_FIELDS:
                for value in other_values(field, getattr(entry, field.attname)):
                    if taken[field.attname]:
                        break
                    with transaction.atomic():
                        statement = f"UPDATE {ENTRIES} SET {field.column} = %s WHERE id = %s"
                        taken[field.attname] = accepted(statement, value, entry.pk)
                        transaction.set_rollback(True)

    assert [name for name, was_taken in taken.items() if not was_taken] == REFUSED_BY_THE_DATABASE


def test_win_made_a_loss_with_all_that_belongs_to_it_is_found(world):
    opportunity = world.opportunities["won"]
    lost = CloseReason.objects.filter(outcome=Outcome.LOST)[0].pk
    change = (
        "SET status = 'LOST', chance_percent = 0, probability_percent = 0, calculated_value = 0, "
        "close_reason_id = %s"
    )
    assert sql(f"UPDATE {ROWS} {change} WHERE id = %s", lost, opportunity.pk) == 1
    newest = f"UPDATE {ENTRIES} {change}, action = 'LOST' WHERE opportunity_id = %s AND ended_on IS NULL"
    assert sql(newest, lost, opportunity.pk) == 1

    assert any("seal is broken" in text for text in differences())


# Entries that go, come and change places -------------------------------------------------------------------------


def columns():
    return [field.column for field in OpportunityEntry._meta.concrete_fields if field.column != "id"]


def entry_of(opportunity, sequence):
    return opportunity.entries.get(sequence=sequence)


@pytest.mark.parametrize("sequence", [1, 2, 3, 5, 6])
def test_deleted_entry_is_found(world, sequence):
    opportunity = world.opportunities["won"]

    sql(f"DELETE FROM {ENTRIES} WHERE id = %s", entry_of(opportunity, sequence).pk)

    found = differences()
    assert found != []
    assert all(text.startswith(opportunity.number) for text in found)


def test_opportunity_without_entries_is_found(world):
    opportunity = world.opportunities["won"]
    sql(f"DELETE FROM {ENTRIES} WHERE opportunity_id = %s", opportunity.pk)

    assert differences() == [f"{opportunity.number}: has no entries"]


def test_newest_entry_deleted_and_the_one_before_opened_again_is_found(world):
    opportunity = world.opportunities["won"]
    sql(f"DELETE FROM {ENTRIES} WHERE id = %s", entry_of(opportunity, 6).pk)
    sql(f"UPDATE {ENTRIES} SET ended_on = NULL WHERE id = %s", entry_of(opportunity, 5).pk)

    found = differences()

    assert f"{opportunity.number}: version is 6, but its entries say 5" in found
    assert f"{opportunity.number}: status is WON, but its entries say IN_PROGRESS" in found


@pytest.mark.parametrize("state", ["in progress", "won", "lost", "undone"])
@pytest.mark.parametrize("kept", [1, 2, 4])
def test_history_cut_short_with_the_row_set_back_is_found(world, state, kept):
    """As if what came later had never been: nothing is left that contradicts anything, but for the seal."""
    opportunity = world.opportunities[state]
    last = entry_of(opportunity, kept)
    sql(f"DELETE FROM {ENTRIES} WHERE opportunity_id = %s AND sequence > %s", opportunity.pk, kept)
    sql(f"UPDATE {ENTRIES} SET ended_on = NULL WHERE id = %s", last.pk)
    names = ", ".join(f"{name} = %s" for name in FACTS)
    facts = [getattr(last, name) for name in FACTS]
    sql(
        f"UPDATE {ROWS} SET {names}, version = %s, changed_on = %s WHERE id = %s",
        *facts,
        kept,
        last.changed_on,
        opportunity.pk,
    )

    assert [text.split(" is ")[0] for text in differences()] == [f"{opportunity.number}/{kept}: the seal"]


@pytest.mark.parametrize("gone", [2, 3, 5])
def test_deleted_entry_with_the_rest_moved_up_is_found(world, gone):
    opportunity = world.opportunities["won"]
    before, after = entry_of(opportunity, gone - 1), entry_of(opportunity, gone + 1)
    sql(f"DELETE FROM {ENTRIES} WHERE id = %s", entry_of(opportunity, gone).pk)
    sql(f"UPDATE {ENTRIES} SET ended_on = %s WHERE id = %s", after.changed_on, before.pk)
    for sequence in range(gone + 1, 7):
        sql(
            f"UPDATE {ENTRIES} SET sequence = %s WHERE opportunity_id = %s AND sequence = %s",
            sequence - 1,
            opportunity.pk,
            sequence,
        )
    sql(f"UPDATE {ROWS} SET version = 5 WHERE id = %s", opportunity.pk)

    assert any("seal" in text for text in differences())


@pytest.mark.parametrize("where", [0, 1, 3, 6])
def test_inserted_entry_is_found(world, where):
    """A copy of an entry, put in as number ``where`` + 1, with the others pushed on and every date mended."""
    opportunity = world.opportunities["won"]
    model = entry_of(opportunity, max(where, 1))
    sql(f"UPDATE {ENTRIES} SET sequence = sequence + 100 WHERE opportunity_id = %s", opportunity.pk)
    if where == 6:
        sql(f"UPDATE {ENTRIES} SET ended_on = changed_on WHERE id = %s", model.pk)
    names = ", ".join(columns())
    values = ", ".join(
        {
            "sequence": str(where + 1),
            "ended_on": "NULL" if where == 6 else "changed_on",
            "changed_on": "changed_on",
        }.get(name, name)
        for name in columns()
    )
    sql(f"INSERT INTO {ENTRIES} ({names}) SELECT {values} FROM {ENTRIES} WHERE id = %s", model.pk)
    for sequence in range(1, 7):
        sql(
            f"UPDATE {ENTRIES} SET sequence = %s WHERE opportunity_id = %s AND sequence = %s",
            sequence if sequence <= where else sequence + 1,
            opportunity.pk,
            sequence + 100,
        )
    sql(f"UPDATE {ROWS} SET version = 7 WHERE id = %s", opportunity.pk)
    assert opportunity.entries.count() == 7

    assert any("seal" in text for text in differences())


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (3, 5), (4, 5), (5, 6)])
def test_swapped_entries_are_found(world, one, other):
    opportunity = world.opportunities["won"]
    first, second = entry_of(opportunity, one), entry_of(opportunity, other)
    for key, sequence in ((first.pk, 1000), (second.pk, one), (first.pk, other)):
        sql(f"UPDATE {ENTRIES} SET sequence = %s WHERE id = %s", sequence, key)

    found = differences()

    assert any(text.startswith(f"{opportunity.number}/{one}: the seal is broken") for text in found)


@pytest.mark.parametrize(("one", "other"), [(2, 3), (3, 5), (5, 6)])
def test_swapped_entries_with_their_dates_in_order_are_found(world, one, other):
    """Everything but keys, sequence and dates changes places."""
    opportunity = world.opportunities["won"]
    first, second = entry_of(opportunity, one), entry_of(opportunity, other)
    stay = {"opportunity_id", "sequence", "changed_on", "ended_on"}
    moving = [name for name in columns() if name not in stay]
    settings = ", ".join(f"{name} = %s" for name in moving)
    for target, source in ((first, second), (second, first)):
        values = [
            getattr(source, field.attname)
            for field in OpportunityEntry._meta.concrete_fields
            if field.column in moving
        ]
        sql(f"UPDATE {ENTRIES} SET {settings} WHERE id = %s", *values, target.pk)

    assert any("seal is broken" in text for text in differences())


@pytest.mark.parametrize("sequence", [1, 2, 5, 6])
def test_entry_moved_to_another_opportunity_is_found(world, sequence):
    source, target = world.opportunities["won"], world.opportunities["created"]
    entry = entry_of(source, sequence)
    newest = entry_of(target, 1)
    sql(f"UPDATE {ENTRIES} SET ended_on = changed_on WHERE id = %s", newest.pk)
    sql(f"UPDATE {ENTRIES} SET opportunity_id = %s, sequence = 2 WHERE id = %s", target.pk, entry.pk)

    found = differences()

    assert any(text.startswith(f"{target.number}/2: the seal is broken") for text in found)
    assert any(text.startswith(source.number) for text in found)


def test_histories_of_two_opportunities_exchanged_are_found(world):
    first, second = OpportunityFactory(), OpportunityFactory()
    keys = entry_of(first, 1).pk, entry_of(second, 1).pk
    sql(f"UPDATE {ENTRIES} SET sequence = 2, ended_on = changed_on WHERE id = %s", keys[0])
    sql(f"UPDATE {ENTRIES} SET opportunity_id = %s WHERE id = %s", second.pk, keys[0])
    sql(f"UPDATE {ENTRIES} SET opportunity_id = %s WHERE id = %s", first.pk, keys[1])
    sql(f"UPDATE {ENTRIES} SET sequence = 1, ended_on = NULL WHERE id = %s", keys[0])

    found = differences()

    assert {text.split("/")[0] for text in found if "seal" in text} == {first.number, second.number}


@pytest.mark.parametrize("days", [-1, 1])
@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_shifted_end_is_found(world, sequence, days):
    opportunity = world.opportunities["won"]
    entry = entry_of(opportunity, sequence)
    shifted = entry.ended_on + timedelta(days=days)

    sql(f"UPDATE {ENTRIES} SET ended_on = %s WHERE id = %s", shifted, entry.pk)

    found = differences()

    assert f"{opportunity.number}/{sequence}: ends on {shifted} instead of {entry.ended_on}" in found
    assert any(text.startswith(f"{opportunity.number}/{sequence}: the seal is broken") for text in found)


def test_end_of_the_newest_entry_is_found(world):
    opportunity = world.opportunities["won"]
    entry = entry_of(opportunity, 6)

    sql(f"UPDATE {ENTRIES} SET ended_on = changed_on WHERE id = %s", entry.pk)

    assert f"{opportunity.number}/6: ends on {entry.changed_on} instead of staying open" in differences()


@pytest.mark.parametrize("days", [-1, 1])
def test_whole_history_shifted_is_found(world, days):
    opportunity = world.opportunities["created"]
    shifted = DAY + timedelta(days=days)

    sql(f"UPDATE {ENTRIES} SET changed_on = %s WHERE opportunity_id = %s", shifted, opportunity.pk)
    sql(f"UPDATE {ROWS} SET changed_on = %s, created_on = %s WHERE id = %s", shifted, shifted, opportunity.pk)

    assert any("seal" in text for text in differences())


# Rows around the ledger ------------------------------------------------------------------------------------------


def test_stage_taken_to_another_cycle_is_found(world):
    assert differences(world.opportunities["won"]) == []
    stage = SalesCycleStage.objects.get(description="Qualify")
    sql(
        "UPDATE salescycles_salescyclestage SET cycle_id = %s, position = 99 WHERE id = %s",
        world.other_cycle.pk,
        stage.pk,
    )

    assert any("the stage belongs to another sales cycle" in text for text in differences())


def test_close_reason_turned_round_is_found(world):
    reason = world.opportunities["won"].close_reason
    sql("UPDATE opportunities_closereason SET outcome = 'LOST' WHERE id = %s", reason.pk)

    assert any("the close reason is for the other outcome" in text for text in differences())


@pytest.mark.parametrize("change", ["method", "percentages", "name", "order"])
def test_set_up_changed_by_people_is_no_difference(world, change):
    stages = SalesCycleStage.objects.filter(cycle=world.cycle)
    all_states(world)
    match change:
        case "method":
            SalesCycle.objects.update(probability_method=ProbabilityMethod.CHANCE)
        case "percentages":
            stages.update(completed_percent=1, chance_percent=1, close_in="9Y", is_active=False)
        case "name":
            for stage in stages:
                stage.description = f"Once {stage.description}"
                stage.save()
        case _:
            stages.filter(description="Propose").update(position=1)
    CloseReason.objects.update(is_active=False, description="x")

    assert differences() == []


# Its words and its ways ------------------------------------------------------------------------------------------


def test_difference_is_said_in_words(world):
    opportunity = world.opportunities["in progress"]
    sql(f"UPDATE {ROWS} SET estimated_value = 12000.01 WHERE id = %s", opportunity.pk)
    sql(f"UPDATE {ENTRIES} SET probability_percent = 13 WHERE id = %s", entry_of(opportunity, 4).pk)

    found = differences()

    assert f"{opportunity.number}: estimated_value is 12000.01, but its entries say 12000.00" in found
    # 33.33 × 40 ÷ 100 = 13.332
    assert f"{opportunity.number}/4: the probability is 13.000000, computed 13.3320" in found


def recompute_seals(opportunity):
    """What somebody could do who knows how seals are made."""
    before = ""
    for entry in opportunity.entries.order_by("sequence"):
        before = entry.compute_seal(before)
        sql(f"UPDATE {ENTRIES} SET seal = %s WHERE id = %s", before, entry.pk)


STEPS = [
    # what the entry would have to be to be wrong although its seal is right: (sequence, columns, message)
    ("won", 1, {"action": "STARTED"}, "the first entry does not create it"),
    ("won", 3, {"action": "CREATED"}, "it is created a second time"),
    ("won", 3, {"previous_stage_id": None}, "the previous stage is not the one it was in"),
    ("won", 3, {"action": "UNDONE"}, "it does not restore the state before the last entry"),
    ("won", 2, {"action": "UNDONE"}, "it does not restore the state before the last entry"),
    ("won", 3, {"action": "STARTED"}, "Started cannot lead from In progress to In progress"),
    ("won", 4, {"action": "REASSIGNED"}, "Reassigned changed"),
    ("won", 5, {"action": "UPDATED"}, "Estimate updated changed contact_id, salesperson_id"),
    ("won", 4, {"action": "NEXT"}, "it moved to the stage it was in"),
    ("won", 3, {"stage_entered_on": DAY}, "it is not in its stage since the day it entered"),
    ("won", 6, {"closed_on": date(2026, 3, 20)}, "it is not closed on the day of the change"),
    ("won", 3, {"changed_on": DAY}, "holds from before the entry it follows"),
    ("won", 6, {"sequence": 9}, "the sequence should be 6"),
    ("won", 4, {"estimated_value": 1}, "the calculated value is"),
]


@pytest.mark.parametrize(("state", "sequence", "change", "message"), STEPS)
def test_history_that_cannot_be_is_found_even_with_new_seals(world, state, sequence, change, message):
    opportunity = world.opportunities[state]
    settings = ", ".join(f"{name} = %s" for name in change)
    sql(
        f"UPDATE {ENTRIES} SET {settings} WHERE id = %s",
        *change.values(),
        entry_of(opportunity, sequence).pk,
    )
    recompute_seals(opportunity)

    found = differences()

    assert not any("seal" in text for text in found)
    assert any(message in text for text in found), found


def test_every_opportunity_is_read_in_batches(world, monkeypatch):
    monkeypatch.setattr(ledger, "BATCH", 2)
    all_states(world)
    sql(f"UPDATE {ROWS} SET version = version + 1")

    found = differences()

    assert len(found) == 6
    assert [text.split(":")[0] for text in found] == sorted(
        opportunity.number for opportunity in world.opportunities.values()
    )


@pytest.mark.parametrize("batch", [1, 4, 500])
def test_number_of_queries_depends_on_batches_only(world, monkeypatch, django_assert_num_queries, batch):
    monkeypatch.setattr(ledger, "BATCH", batch)
    batches = -(-len(all_states(world)) // batch)

    with django_assert_num_queries(2 * batches + 1):
        assert differences() == []


def test_only_the_opportunities_asked_for_are_read(world):
    won, _other = world.opportunities["won"], world.opportunities["created"]
    sql(f"UPDATE {ROWS} SET version = version + 1")

    found = list(ledger.verify(Opportunity.objects.filter(pk=won.pk)))

    assert [(difference.number, difference.sequence) for difference in found] == [(won.number, None)]


@pytest.mark.django_db(transaction=True)
def test_change_made_while_it_reads_is_no_difference():
    opportunity = OpportunityFactory(started=True)
    to = opportunity.cycle.stages.get(position=20)
    by = UserFactory()
    changed = []

    def change_before_entries_are_read(execute, query, params, many, context):
        if not changed and re.search(rf'FROM "{ENTRIES}"', query):
            changed.append(True)
            operations.move(
                opportunity=Opportunity.objects.get(pk=opportunity.pk),
                to=to,
                by=by,
                on=opportunity.changed_on,
            )
        return execute(query, params, many, context)

    with connection.execute_wrapper(change_before_entries_are_read):
        assert differences() == []

    assert changed == [True]


# What changed ----------------------------------------------------------------------------------------------------


def changed_in(opportunity, sequence):
    entries = list(opportunity.entries.with_names().order_by("sequence"))
    before = entries[sequence - 2] if sequence > 1 else None
    return [(c.name, c.kind, c.old, c.new) for c in ledger.changes(before, entries[sequence - 1])]


def test_changes_are_told_in_the_order_one_reads_them(world):
    opportunity = world.opportunities["won"]
    entries = {entry.sequence: entry for entry in opportunity.entries.with_names()}

    assert changed_in(opportunity, 1) == [
        ("Value", "money", None, 5_000),
        ("Chance", "percent", None, 10),
        ("Close", "day", None, date(2026, 9, 1)),
    ]
    assert changed_in(opportunity, 2) == [
        ("Value", "money", 5_000, 10_000),
        ("Chance", "percent", 10, 40),
        ("Close", "day", date(2026, 9, 1), date(2026, 6, 30)),
    ]
    assert changed_in(opportunity, 5) == [
        ("Salesperson", "text", entries[4].salesperson, entries[5].salesperson),
        ("Contact", "text", entries[4].contact, entries[5].contact),
    ]
    assert changed_in(opportunity, 6) == [
        ("Sale", "money", None, 11_000),
        ("Chance", "percent", Decimal("33.33"), 100),
        ("Close", "day", date(2026, 7, 1), date(2026, 3, 12)),
        ("Reason", "text", None, entries[6].close_reason),
    ]


def test_entry_that_changes_nothing_told_has_no_changes(world):
    opportunity = OpportunityFactory(started=True)
    estimate = operations.present_estimate(opportunity)
    operations.revise(opportunity=opportunity, estimate=estimate, by=UserFactory(), on=opportunity.changed_on)

    assert changed_in(opportunity, 3) == []


def test_headline_of_every_action_is_written():
    for action in Action:
        entry = OpportunityEntry(action=action, stage_description="Present", status=Status.IN_PROGRESS)

        assert entry.headline
        assert ("Present" in entry.headline) == (
            action in ("STARTED", "NEXT", "SKIPPED", "PREVIOUS", "JUMPED", "UPDATED")
        )
