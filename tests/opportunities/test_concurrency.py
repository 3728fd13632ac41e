"""Several people at the same opportunity, the same series and the same company at the same moment."""

from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact
from crm.dates import today
from crm.models import NumberSeries
from opportunities import ledger, operations
from opportunities.models import Opportunity, OpportunityEntry, Outcome, Status
from salescycles.models import SalesCycleStage
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.threads import at_once, while_uncommitted

pytestmark = pytest.mark.django_db(transaction=True)

ESTIMATE = operations.Estimate(Decimal(5000), Decimal(30), None)


@pytest.fixture(autouse=True)
def fixed_day():
    with time_machine.travel("2026-03-23T12:00Z", tick=True):
        yield


def own_copy(opportunity):
    """The opportunity as another request would have loaded it."""
    return Opportunity.objects.get(pk=opportunity.pk)


def stage(opportunity, position):
    return SalesCycleStage.objects.get(cycle=opportunity.cycle, position=position)


def estimate(value=5000):
    return operations.Estimate(Decimal(value), Decimal(30), today())


def assert_ledger_is_clean():
    assert [str(difference) for difference in ledger.verify(Opportunity.objects.all())] == []


def test_of_two_moves_from_one_version_one_wins():
    opportunity = OpportunityFactory(started=True)
    anna, bert = UserFactory(name="Anna"), UserFactory(name="Bert")
    to = stage(opportunity, 20)

    def move(by):
        return lambda: operations.move(opportunity=own_copy(opportunity), to=to, by=by, on=today(), seen=2)

    results = at_once(move(anna), move(bert))

    won = [result for result in results if isinstance(result, OpportunityEntry)]
    refused = [result for result in results if isinstance(result, operations.MovedMeanwhile)]
    assert (len(won), len(refused)) == (1, 1), results
    assert refused[0].entry == won[0]
    assert refused[0].message.startswith(f"{won[0].recorded_by.name} changed this meanwhile (23 Mar 2026, ")
    assert refused[0].message.endswith("): Moved to Present. Look again, then decide.")
    assert own_copy(opportunity).version == 3
    assert opportunity.entries.count() == 3
    assert_ledger_is_clean()


def test_ten_at_once_without_a_version_queue_and_all_are_kept():
    opportunity = OpportunityFactory(started=True)
    by = UserFactory()

    results = at_once(
        *(
            lambda value=value: operations.revise(
                opportunity=own_copy(opportunity), estimate=estimate(value), by=by, on=today()
            )
            for value in range(1, 11)
        )
    )

    assert sorted(entry.estimated_value for entry in results) == list(range(1, 11))
    assert sorted(entry.sequence for entry in results) == list(range(3, 13))
    newest = max(results, key=lambda entry: entry.sequence)
    assert own_copy(opportunity).estimated_value == newest.estimated_value
    assert_ledger_is_clean()


@pytest.mark.parametrize("has_been_used", [False, True])
def test_twenty_new_opportunities_get_twenty_numbers_without_a_gap(has_been_used):
    contact, salesperson, by = CompanyFactory(), SalespersonFactory(), UserFactory()
    cycle = cycle_with_stages("Only")
    first = 0
    if has_been_used:
        OpportunityFactory(contact=contact)
        first = 1

    results = at_once(
        *(
            lambda index=index: operations.create(
                description=f"Number {index}",
                contact=contact,
                salesperson=salesperson,
                cycle=cycle,
                by=by,
                on=today(),
            )
            for index in range(20)
        )
    )

    numbers = sorted(entry.opportunity.number for entry in results)
    assert numbers == [f"OP-{n:05d}" for n in range(first + 1, first + 21)]
    assert_ledger_is_clean()


def test_twenty_new_contacts_get_twenty_numbers_without_a_gap():
    results = at_once(*(lambda index=index: CompanyFactory(name=f"Company {index}") for index in range(20)))

    assert sorted(contact.number for contact in results) == [f"C-{n:05d}" for n in range(1, 21)]
    assert NumberSeries.objects.get(prefix="C").last_number == 20


@pytest.mark.parametrize("kind", ["company", "people of one company", "lone person"])
def test_two_wins_for_one_buyer_make_one_customer(kind):
    company = CompanyFactory()
    contacts = {
        "company": [company, company],
        "people of one company": [PersonFactory(company=company), PersonFactory(company=company)],
        "lone person": [PersonFactory()] * 2,
    }[kind]
    opportunities = [OpportunityFactory(started=True, contact=contact) for contact in contacts]
    reason, by = CloseReasonFactory(outcome=Outcome.WON), UserFactory()

    results = at_once(
        *(
            lambda opportunity=opportunity: operations.close(
                opportunity=own_copy(opportunity),
                outcome=Outcome.WON,
                reason=reason,
                amount=Decimal(100),
                by=by,
                on=today(),
            )
            for opportunity in opportunities
        )
    )

    assert [entry.status for entry in results] == [Status.WON, Status.WON]
    buyer = company if kind != "lone person" else contacts[0]
    assert list(Contact.objects.exclude(customer_number="").values_list("pk", "customer_number")) == [
        (buyer.pk, "CU-00001")
    ]
    assert NumberSeries.objects.get(prefix="CU").last_number == 1
    assert_ledger_is_clean()


@pytest.mark.parametrize("winner", ["start", "delete", "whoever"])
def test_start_against_delete_leaves_one_of_the_two(winner):
    opportunity = OpportunityFactory()
    by = UserFactory()

    # Both had it on screen before it went.
    to_start, to_delete, loaded = (own_copy(opportunity) for _ in range(3))

    def start():
        return operations.start(opportunity=to_start, estimate=estimate(), by=by, on=today())

    def delete():
        return operations.delete(opportunity=to_delete, by=by, on=today())

    if winner == "whoever":
        results = at_once(start, delete)
    elif winner == "start":
        results = while_uncommitted(start, lambda: operations.delete(opportunity=loaded, by=by, on=today()))
    else:
        results = while_uncommitted(
            delete,
            lambda: operations.start(opportunity=loaded, estimate=estimate(), by=by, on=today()),
        )

    if Opportunity.objects.filter(pk=opportunity.pk).exists():
        assert winner != "delete"
        assert [type(result) for result in results] == [OpportunityEntry, operations.StillInProgress]
        assert own_copy(opportunity).status == Status.IN_PROGRESS
    else:
        assert winner != "start"
        kinds = {type(result) for result in results}
        assert kinds == {dict, operations.Gone}
        assert not OpportunityEntry.objects.exists()
    assert_ledger_is_clean()


def reassign(opportunity, to, by):
    return lambda: operations.reassign(opportunity=own_copy(opportunity), salesperson=to, by=by, on=today())


def lose(opportunity, reason, by):
    return lambda: operations.close(
        opportunity=own_copy(opportunity), outcome=Outcome.LOST, reason=reason, by=by, on=today()
    )


def test_reassign_against_close_keeps_both_or_refuses_the_later_reassign():
    opportunity = OpportunityFactory(started=True)
    by, other = UserFactory(), SalespersonFactory()
    reason = CloseReasonFactory(outcome=Outcome.LOST)

    reassigned, closed = at_once(reassign(opportunity, other, by), lose(opportunity, reason, by))

    assert closed.status == Status.LOST
    now = own_copy(opportunity)
    if isinstance(reassigned, OpportunityEntry):
        assert (now.salesperson, now.version) == (other, 4)
    else:
        assert isinstance(reassigned, operations.AlreadyClosed)
        assert (now.salesperson, now.version) == (opportunity.salesperson, 3)
    assert_ledger_is_clean()


def test_close_that_waited_for_a_reassign_closes_what_it_finds():
    opportunity = OpportunityFactory(started=True)
    by, other = UserFactory(), SalespersonFactory()
    reason = CloseReasonFactory(outcome=Outcome.LOST)

    reassigned, closed = while_uncommitted(reassign(opportunity, other, by), lose(opportunity, reason, by))

    assert reassigned.sequence == 3
    assert closed.sequence == 4, closed
    assert (closed.salesperson, closed.status) == (other, Status.LOST)
    assert own_copy(opportunity).salesperson == other
    assert_ledger_is_clean()


def test_revise_that_waited_for_a_move_stands_in_the_new_stage():
    opportunity = OpportunityFactory(started=True)
    by = UserFactory()
    to = stage(opportunity, 20)

    moved, revised = while_uncommitted(
        lambda: operations.move(opportunity=own_copy(opportunity), to=to, by=by, on=today()),
        lambda: operations.revise(
            opportunity=own_copy(opportunity), estimate=estimate(777), by=by, on=today()
        ),
    )

    assert moved.sequence == 3
    assert revised.sequence == 4, revised
    assert (revised.stage, revised.previous_stage, revised.completed_percent) == (to, to, 40)
    assert_ledger_is_clean()


def test_reassign_that_waited_for_a_new_contact_knows_its_company():
    company = CompanyFactory()
    opportunity = OpportunityFactory(contact=company)
    person, other = PersonFactory(company=CompanyFactory()), SalespersonFactory()
    by = UserFactory()

    given, reassigned = while_uncommitted(
        lambda: operations.reassign(opportunity=own_copy(opportunity), contact=person, by=by, on=today()),
        reassign(opportunity, other, by),
    )

    assert given.sequence == 2
    assert reassigned.sequence == 3, reassigned
    assert (reassigned.contact, reassigned.company) == (person, person.company)
    assert_ledger_is_clean()


def test_description_and_move_at_once_are_both_kept():
    opportunity = OpportunityFactory(started=True)
    by, to = UserFactory(), stage(opportunity, 20)

    described, moved = at_once(
        lambda: operations.describe(opportunity=own_copy(opportunity), description="Renamed", by=by),
        lambda: operations.move(opportunity=own_copy(opportunity), to=to, by=by, on=today()),
    )

    assert isinstance(described, Opportunity)
    assert isinstance(moved, OpportunityEntry)
    now = own_copy(opportunity)
    assert (now.description, now.stage) == ("Renamed", to)
    assert_ledger_is_clean()


def test_undo_at_once_with_one_version_happens_once():
    opportunity = OpportunityFactory(started=True)
    by = UserFactory()

    def undo():
        return operations.undo(opportunity=own_copy(opportunity), note="Wrong one", by=by, on=today(), seen=2)

    results = at_once(undo, undo)

    assert sorted(type(result).__name__ for result in results) == ["MovedMeanwhile", "OpportunityEntry"]
    assert own_copy(opportunity).status == Status.NOT_STARTED
    assert_ledger_is_clean()


def test_dry_run_waits_for_nobody_and_begins_no_transaction():
    opportunity = OpportunityFactory(started=True)
    by, to = UserFactory(), stage(opportunity, 20)
    asked = []

    def hold_and_ask():
        with transaction.atomic():
            operations.move(opportunity=own_copy(opportunity), to=to, by=by, on=today())
            asked.extend(at_once(ask))

    def ask():
        with CaptureQueriesContext(connection) as queries:
            entry = operations.move(opportunity=own_copy(opportunity), to=to, by=by, on=today(), dry_run=True)
        return entry, [query["sql"].split()[0] for query in queries]

    assert at_once(hold_and_ask) == [None]

    [(entry, verbs)] = asked
    assert entry.sequence == 3  # it read what was committed
    assert set(verbs) == {"SELECT"}
    assert own_copy(opportunity).version == 3
