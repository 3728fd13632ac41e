"""Opportunities follow a contact that is merged into another: one entry each, and the ledger adds up."""

from datetime import timedelta

import pytest

from contacts.operations import merge, unmerge
from crm.dates import today
from opportunities import operations
from opportunities.ledger import verify
from opportunities.merging import OpportunitiesFollow
from opportunities.models import Action, Opportunity, OpportunityContact
from tests.factories import (
    CompanyFactory,
    InteractionFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    lost_opportunity,
    won_opportunity,
)
from tests.snapshots import untouched

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return UserFactory()


@pytest.fixture
def kept():
    return CompanyFactory(name="Acme")


@pytest.fixture
def merged():
    return CompanyFactory(name="Acme NV")


def differences():
    return [str(difference) for difference in verify(Opportunity.objects.all())]


def fresh(row):
    return type(row).objects.get(pk=row.pk)


# The operation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [OpportunityFactory, won_opportunity, lost_opportunity])
def test_merging_replaces_contact_and_company_in_any_status(make, by, kept, merged):
    opportunity = make(contact=merged)
    before = opportunity.facts()

    entry = operations.merge_contact(
        opportunity=opportunity, merged=merged, kept=kept, by=by, on=today(), note="They are one."
    )

    assert (entry.action, entry.note, entry.recorded_by) == (Action.MERGED, "They are one.", by)
    assert entry.facts() == {**before, "contact_id": kept.pk, "company_id": kept.pk}
    assert fresh(opportunity).facts() == entry.facts()
    assert differences() == []


def test_merging_a_company_leaves_the_person_the_opportunity_is_with(by, kept, merged):
    person = PersonFactory(company=merged)
    opportunity = OpportunityFactory(contact=person)

    entry = operations.merge_contact(
        opportunity=opportunity, merged=merged, kept=kept, by=by, on=today(), dry_run=True
    )

    assert (entry.contact_id, entry.company_id) == (person.pk, kept.pk)
    assert fresh(opportunity).version == 1


def test_merging_a_person_leaves_the_company(by):
    company = CompanyFactory()
    kept, merged = PersonFactory(company=CompanyFactory()), PersonFactory(company=company)
    opportunity = OpportunityFactory(contact=merged)

    entry = operations.merge_contact(opportunity=opportunity, merged=merged, kept=kept, by=by, on=today())

    assert (entry.contact_id, entry.company_id) == (kept.pk, company.pk)
    assert differences() == []


def test_merging_is_refused_when_the_opportunity_is_with_somebody_else(by, kept, merged):
    opportunity = OpportunityFactory()

    with untouched(), pytest.raises(operations.NothingToChange, match=r"is not with .* Acme NV"):
        operations.merge_contact(opportunity=opportunity, merged=merged, kept=kept, by=by, on=today())


def test_merging_is_refused_before_the_last_change(by, kept, merged):
    opportunity = OpportunityFactory(contact=merged)

    with untouched(), pytest.raises(operations.DateRefused):
        operations.merge_contact(
            opportunity=opportunity, merged=merged, kept=kept, by=by, on=today() - timedelta(days=1)
        )


# Other operations and contacts that were merged ------------------------------------------------------------------


def test_create_for_a_merged_contact_uses_the_one_that_carries_on(by, kept, merged):
    last = CompanyFactory(name="Acme Group")
    merge(kept=kept, merged=merged, chosen={}, by=by)
    merge(kept=last, merged=kept, chosen={}, by=by)

    opportunity = OpportunityFactory(contact=merged)

    assert (opportunity.contact, opportunity.company) == (last, last)


def test_reassign_to_a_merged_contact_uses_the_one_that_carries_on(by, kept, merged):
    merge(kept=kept, merged=merged, chosen={}, by=by)
    opportunity = OpportunityFactory()

    entry = operations.reassign(opportunity=opportunity, contact=merged, by=by, on=today())

    assert (entry.contact_id, entry.company_id) == (kept.pk, kept.pk)


def test_undo_does_not_bring_back_a_merged_contact(by, kept, merged):
    opportunity = OpportunityFactory(contact=merged)
    merge(kept=kept, merged=merged, chosen={}, by=by)

    with untouched(), pytest.raises(operations.ContactRefused, match="Acme NV was merged into Acme"):
        operations.undo(opportunity=opportunity, note="No.", by=by, on=today())


def test_undo_does_not_bring_back_a_merged_company(by, kept, merged):
    opportunity = OpportunityFactory(contact=PersonFactory(company=merged))
    merge(kept=kept, merged=merged, chosen={}, by=by)

    with pytest.raises(operations.ContactRefused, match="Acme NV was merged into Acme"):
        operations.undo(opportunity=opportunity, note="No.", by=by, on=today(), dry_run=True)


def test_undo_of_a_later_change_is_possible_after_merging(by, kept, merged):
    opportunity = OpportunityFactory(contact=merged)
    merge(kept=kept, merged=merged, chosen={}, by=by)
    operations.reassign(opportunity=opportunity, salesperson=SalespersonFactory(), by=by, on=today())

    operations.undo(opportunity=opportunity, note="No.", by=by, on=today())

    assert fresh(opportunity).contact == kept
    assert differences() == []


# All of them, when contacts are merged ---------------------------------------------------------------------------


def test_merging_contacts_moves_opportunities_and_unmerging_brings_them_back(by, kept, merged):
    person = PersonFactory(company=merged)
    opportunities = [
        OpportunityFactory(contact=merged),
        OpportunityFactory(contact=person, started=True),
        won_opportunity(contact=merged),
        lost_opportunity(contact=person),
    ]
    other = OpportunityFactory()
    before = [fresh(row).facts() for row in opportunities]

    done = merge(kept=kept, merged=merged, chosen={}, by=by)

    assert [fresh(row).company for row in opportunities] == [kept] * 4
    assert [fresh(row).contact for row in opportunities] == [kept, person, kept, person]
    assert [row.entries.newest_first()[0].action for row in opportunities] == [Action.MERGED] * 4
    assert fresh(other).version == 1
    assert differences() == []

    assert unmerge(merge=done, by=by) == []

    assert [fresh(row).facts() for row in opportunities] == before
    assert [row.entries.newest_first()[0].note for row in opportunities] == [
        f"The merge of {merged.label} into {kept.label} was undone."
    ] * 4
    assert differences() == []


def test_unmerging_leaves_an_opportunity_that_went_to_somebody_else(by, kept, merged):
    opportunity = OpportunityFactory(contact=merged)
    done = merge(kept=kept, merged=merged, chosen={}, by=by)
    other = CompanyFactory()
    operations.reassign(opportunity=opportunity, contact=other, by=by, on=today())

    assert unmerge(merge=done, by=by) == ["1 opportunity"]

    assert fresh(opportunity).contact == other


def test_an_entry_of_the_future_moves_on_its_own_day(by, kept, merged):
    opportunity = OpportunityFactory(contact=merged, on=today() - timedelta(days=3))

    merge(kept=kept, merged=merged, chosen={}, by=by)

    assert fresh(opportunity).changed_on == today()


def test_people_involved_follow_and_come_back(by, kept, merged):
    opportunity, shared = OpportunityFactory(), OpportunityFactory()
    alone = OpportunityContactFactory(opportunity=opportunity, contact=merged, role="PARTNER")
    OpportunityContactFactory(opportunity=shared, contact=merged, role="INFLUENCER")
    OpportunityContactFactory(opportunity=shared, contact=kept, role="USER")
    main = OpportunityFactory(contact=kept)
    OpportunityContactFactory(opportunity=main, contact=merged, role="PURCHASING")
    becomes_main = OpportunityFactory(contact=merged)
    OpportunityContactFactory(opportunity=becomes_main, contact=kept, role="DECISION_MAKER")

    def places():
        rows = OpportunityContact.objects.order_by("opportunity", "contact")
        return list(rows.values_list("opportunity", "contact", "role"))

    before = places()
    done = merge(kept=kept, merged=merged, chosen={}, by=by)

    assert places() == [(opportunity.pk, kept.pk, "PARTNER"), (shared.pk, kept.pk, "USER")]
    assert fresh(alone).contact == kept

    unmerge(merge=done, by=by)

    assert places() == before


def test_a_place_for_which_there_is_no_room_any_more_stays_gone(by, kept, merged):
    shared = OpportunityFactory()
    OpportunityContactFactory(opportunity=shared, contact=merged)
    OpportunityContactFactory(opportunity=shared, contact=kept)
    done = merge(kept=kept, merged=merged, chosen={}, by=by)
    operations.delete(opportunity=shared, by=by, on=today())

    unmerge(merge=done, by=by)

    assert not OpportunityContact.objects.exists()


def test_a_place_that_was_given_again_since_stays_as_it_was_given(by, kept, merged):
    moved, shared = OpportunityFactory(), OpportunityFactory()
    for opportunity in (moved, shared):
        OpportunityContactFactory(opportunity=opportunity, contact=merged, role="INFLUENCER")
    OpportunityContactFactory(opportunity=shared, contact=kept, role="USER")
    done = merge(kept=kept, merged=merged, chosen={}, by=by)
    OpportunityContactFactory(opportunity=shared, contact=merged, role="PARTNER")

    unmerge(merge=done, by=by)

    rows = OpportunityContact.objects.order_by("opportunity", "role")
    assert list(rows.values_list("opportunity", "contact", "role")) == [
        (moved.pk, merged.pk, "INFLUENCER"),
        (shared.pk, merged.pk, "PARTNER"),
        (shared.pk, kept.pk, "USER"),
    ]


@pytest.mark.parametrize("many", [1, 15])
def test_places_follow_in_the_same_number_of_queries_however_many(
    by, kept, merged, many, django_assert_num_queries
):
    for _ in range(many):
        shared, alone = OpportunityFactory(), OpportunityFactory()
        OpportunityContactFactory(opportunity=alone, contact=merged)
        OpportunityContactFactory(opportunity=shared, contact=merged)
        OpportunityContactFactory(opportunity=shared, contact=kept)
    follow = OpportunitiesFollow()

    with django_assert_num_queries(4):
        record = follow.move(merged, kept, by)
    with django_assert_num_queries(3):
        follow.move_back(record, merged, kept, by)

    assert OpportunityContact.objects.filter(contact=merged).count() == many * 2
    assert OpportunityContact.objects.filter(contact=kept).count() == many


def test_interactions_follow_and_come_back(by, kept, merged):
    ours, theirs = InteractionFactory(contact=merged), InteractionFactory(contact=kept)

    done = merge(kept=kept, merged=merged, chosen={}, by=by)
    assert (fresh(ours).contact, fresh(theirs).contact) == (kept, kept)

    unmerge(merge=done, by=by)
    assert (fresh(ours).contact, fresh(theirs).contact) == (merged, kept)
