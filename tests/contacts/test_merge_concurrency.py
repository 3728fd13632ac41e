"""Merging while others merge, sell, add people or edit: somebody waits, nobody is lost, and nothing hangs in the air."""

import pytest

from contacts import operations as contacts
from contacts.forms import PersonForm
from contacts.models import Contact, ContactMerge
from crm.dates import today
from crm.forms import saved
from opportunities import ledger, operations
from opportunities.models import Opportunity, Outcome
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
    user_with_role,
)
from tests.threads import at_once, while_uncommitted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by():
    return UserFactory()


@pytest.fixture
def kept():
    return CompanyFactory(name="Acme")


@pytest.fixture
def merged():
    return CompanyFactory(name="Acme NV")


def merging(kept, merged, by):
    return lambda: contacts.merge(kept=kept, merged=merged, chosen={}, by=by)


def assert_nothing_hangs_on(contact):
    assert [count.text for count in contacts.what_hangs_on(contact)] == []
    assert [str(difference) for difference in ledger.verify(Opportunity.objects.all())] == []


@pytest.mark.parametrize("run", [at_once, while_uncommitted])
def test_of_two_merges_of_one_contact_one_is_made(run, by, kept, merged):
    OpportunityFactory(contact=merged)
    other = CompanyFactory(name="Globex")

    results = run(merging(kept, merged, by), merging(other, merged, by))

    assert sorted(type(result).__name__ for result in results) == ["CannotMerge", "ContactMerge"]
    assert ContactMerge.objects.count() == 1
    assert_nothing_hangs_on(merged)


def test_two_that_are_merged_into_each_other_do_not_both_go(by, kept, merged):
    results = at_once(merging(kept, merged, by), merging(merged, kept, by))

    assert sorted(type(result).__name__ for result in results) == ["CannotMerge", "ContactMerge"]
    assert Contact.objects.standing().count() == 1


def test_an_opportunity_made_while_its_contact_is_merged_is_with_the_kept_one(by, kept, merged):
    person, salesperson = PersonFactory(company=merged), SalespersonFactory()
    cycle = cycle_with_stages("Qualify")

    def create(contact):
        return lambda: operations.create(
            description="Lifts", contact=contact, salesperson=salesperson, cycle=cycle, by=by, on=today()
        )

    results = while_uncommitted(merging(kept, merged, by), create(merged), create(person))

    assert [result for result in results if isinstance(result, Exception)] == []
    assert set(Opportunity.objects.values_list("company", flat=True)) == {kept.pk}
    assert_nothing_hangs_on(merged)


def test_a_merge_waits_for_an_opportunity_that_is_made(by, kept, merged):
    salesperson, cycle = SalespersonFactory(), cycle_with_stages("Qualify")

    def create():
        return operations.create(
            description="Lifts", contact=merged, salesperson=salesperson, cycle=cycle, by=by, on=today()
        )

    results = while_uncommitted(create, merging(kept, merged, by))

    assert [result for result in results if isinstance(result, Exception)] == []
    assert Opportunity.objects.get().contact == kept
    assert_nothing_hangs_on(merged)


@pytest.mark.parametrize("first", ["merge", "change"])
def test_an_opportunity_changed_meanwhile_is_changed_and_moved(first, by, kept, merged):
    opportunity = OpportunityFactory(contact=merged, started=True)
    reason = CloseReasonFactory(outcome=Outcome.WON)

    def close():
        return operations.close(
            opportunity=Opportunity.objects.get(pk=opportunity.pk),
            outcome=Outcome.WON,
            reason=reason,
            amount=9000,
            by=by,
            on=today(),
        )

    pieces = [merging(kept, merged, by), close]
    results = while_uncommitted(*(pieces if first == "merge" else reversed(pieces)))

    assert [result for result in results if isinstance(result, Exception)] == []
    now = Opportunity.objects.get()
    assert (now.status, now.company) == ("WON", kept)
    assert Contact.objects.get(pk=kept.pk).is_customer
    assert_nothing_hangs_on(merged)


def test_a_person_added_while_the_company_is_merged_is_in_the_kept_one(by, kept, merged):
    user = user_with_role(Role.SALES_MANAGER)

    def add():
        form = PersonForm({"last_name": "Peeters", "company": merged.label}, user=user)
        return form.is_valid() and saved(form)

    results = while_uncommitted(merging(kept, merged, by), add)

    assert results[1] is True or not Contact.objects.persons().exists()
    assert not Contact.objects.filter(company=merged).exists()


def test_of_two_who_undo_one_merge_one_does(by, kept, merged):
    OpportunityFactory(contact=merged)
    done = contacts.merge(kept=kept, merged=merged, chosen={}, by=by)

    def undo():
        return contacts.unmerge(merge=ContactMerge.objects.get(pk=done.pk), by=by)

    results = at_once(undo, undo)

    assert sorted(str(type(result).__name__) for result in results) == ["CannotUnmerge", "list"]
    assert Opportunity.objects.get().contact == merged
    assert_nothing_hangs_on(kept)
