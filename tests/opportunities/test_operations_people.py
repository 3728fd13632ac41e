"""Who is involved beside the contact: adding them, giving them another part, taking them out; and what goes with it all."""

import json
from datetime import date

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity, OpportunityContact
from tests.factories import (
    BatchItemFactory,
    CompanyFactory,
    InteractionFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    UserFactory,
    won_opportunity,
)
from tests.snapshots import untouched
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def opportunity():
    return OpportunityFactory(started=True)


@pytest.fixture
def ann():
    return PersonFactory(first_name="Ann", last_name="Peeters")


@pytest.fixture
def by():
    return UserFactory(name="Sofie Claes")


def people(opportunity):
    return list(opportunity.people.order_by("pk").values_list("contact__name", "role"))


def told():
    """What the change log says last."""
    line = LogEntry.objects.order_by("-pk")[0]
    [change] = json.loads(line.change_message)
    assert line.action_flag == CHANGE
    return change["changed"]["old"]["people"], change["changed"]["new"]["people"]


def test_involve_adds_them_in_their_part_and_says_so_in_the_log(opportunity, ann, by):
    person = operations.involve(opportunity=opportunity, contact=ann, role="DECISION_MAKER", by=by)

    assert person.pk
    assert people(opportunity) == [("Ann Peeters", "DECISION_MAKER")]
    assert told() == ("", f"{ann.label} (DECISION_MAKER)")
    assert LogEntry.objects.get().user == by
    assert LogEntry.objects.get().get_change_message() == "Changed people."


def test_those_involved_are_no_fact_of_the_ledger(opportunity, ann, by):
    version = opportunity.version

    operations.involve(opportunity=opportunity, contact=ann, role="USER", by=by)
    operations.change_role(opportunity=opportunity, contact=ann, role="OTHER", by=by)
    operations.release(opportunity=opportunity, contact=ann, by=by)

    opportunity.refresh_from_db()
    assert opportunity.version == version == opportunity.entries.count()


def test_people_stay_people_when_it_is_closed(ann, by):
    won = won_opportunity()

    operations.involve(opportunity=won, contact=ann, role="USER", by=by)
    operations.change_role(opportunity=won, contact=ann, role="PARTNER", by=by)
    assert people(won) == [("Ann Peeters", "PARTNER")]

    operations.release(opportunity=won, contact=ann, by=by)
    assert people(won) == []


@pytest.mark.parametrize(
    ("whom", "words"),
    [
        ("nobody", "A contact is needed"),
        ("blocked", "is blocked for privacy"),
        ("of a blocked company", "is blocked for privacy"),
        ("its own contact", "is the contact of OP-00001 already. Choose somebody else."),
        ("involved already", "is involved already, as Partner. Change the role there."),
    ],
)
def test_involve_refuses(opportunity, by, whom, words):
    blocked = CompanyFactory(is_privacy_blocked=True)
    contact = {
        "nobody": lambda: None,
        "blocked": lambda: blocked,
        "of a blocked company": lambda: PersonFactory(company=blocked),
        "its own contact": lambda: opportunity.contact,
        "involved already": lambda: (
            OpportunityContactFactory(opportunity=opportunity, role="PARTNER").contact
        ),
    }[whom]()

    with untouched(), pytest.raises(operations.ContactRefused) as refused:
        operations.involve(opportunity=opportunity, contact=contact, role="USER", by=by)

    assert words in refused.value.message
    assert refused.value.field == "contact"


def test_involve_refuses_a_crowd(opportunity, ann, by, monkeypatch):
    monkeypatch.setattr(operations, "MOST_PEOPLE", 2)
    OpportunityContactFactory(opportunity=opportunity)
    OpportunityContactFactory(opportunity=opportunity)

    with untouched(), pytest.raises(operations.ContactRefused, match="2 contacts are involved"):
        operations.involve(opportunity=opportunity, contact=ann, role="USER", by=by)


@pytest.mark.parametrize("role", ["", "KING", "\0", "decision_maker"])
def test_a_role_that_is_none_is_refused(opportunity, ann, by, role):
    involved = OpportunityContactFactory(opportunity=opportunity).contact

    with untouched():
        for change, contact in ((operations.involve, ann), (operations.change_role, involved)):
            with pytest.raises(operations.RoleRefused) as refused:
                change(opportunity=opportunity, contact=contact, role=role, by=by)
            assert refused.value.field == "role"


def test_change_role_keeps_both_parts_in_the_log(opportunity, ann, by):
    OpportunityContactFactory(opportunity=opportunity, contact=ann, role="USER")

    operations.change_role(opportunity=opportunity, contact=ann, role="INFLUENCER", by=by)

    assert people(opportunity) == [("Ann Peeters", "INFLUENCER")]
    assert told() == (f"{ann.label} (USER)", f"{ann.label} (INFLUENCER)")


def test_the_same_part_again_writes_nothing(opportunity, ann, by):
    OpportunityContactFactory(opportunity=opportunity, contact=ann, role="USER")

    with untouched():
        operations.change_role(opportunity=opportunity, contact=ann, role="USER", by=by)


def test_release_takes_out_one_and_leaves_the_others(opportunity, ann, by):
    OpportunityContactFactory(opportunity=opportunity, contact=ann, role="USER")
    stays = OpportunityContactFactory(opportunity=opportunity, role="OTHER")
    elsewhere = OpportunityContactFactory(contact=ann)

    gone = operations.release(opportunity=opportunity, contact=ann, by=by)

    assert gone.contact == ann
    assert set(OpportunityContact.objects.all()) == {stays, elsewhere}
    assert told() == (f"{ann.label} (USER)", "")


@pytest.mark.parametrize("change", [operations.change_role, operations.release])
def test_somebody_who_is_not_involved_any_more(opportunity, ann, by, change):
    more = {"role": "USER"} if change is operations.change_role else {}

    with untouched(), pytest.raises(operations.ContactRefused, match="Ann Peeters is not involved any more"):
        change(opportunity=opportunity, contact=ann, by=by, **more)


def test_dry_runs_say_the_same_and_write_nothing(opportunity, ann, by):
    involved = OpportunityContactFactory(opportunity=opportunity, role="USER").contact
    at = {"opportunity": opportunity, "by": by, "dry_run": True}

    with untouched():
        assert operations.involve(contact=ann, role="USER", **at).contact == ann
        assert operations.change_role(contact=involved, role="OTHER", **at).role == "OTHER"
        assert operations.release(contact=involved, **at).contact == involved
        with pytest.raises(operations.ContactRefused):
            operations.involve(contact=involved, role="USER", **at)


def test_of_one_that_was_deleted_meanwhile(opportunity, ann, by):
    stale = Opportunity.objects.get(pk=opportunity.pk)
    won = won_opportunity()
    operations.delete(opportunity=Opportunity.objects.get(pk=won.pk), by=by, on=today())

    with pytest.raises(operations.Gone):
        operations.involve(opportunity=won, contact=ann, role="USER", by=by)
    assert operations.involve(opportunity=stale, contact=ann, role="USER", by=by).pk


@pytest.mark.django_db(transaction=True)
def test_two_who_involve_the_same_contact_at_one_moment(opportunity, ann, by):
    def involve(role):
        own = Opportunity.objects.get(pk=opportunity.pk)
        return lambda: operations.involve(opportunity=own, contact=ann, role=role, by=by)

    results = at_once(involve("USER"), involve("PARTNER"))

    assert sorted(type(result).__name__ for result in results) == ["ContactRefused", "OpportunityContact"]
    assert opportunity.people.count() == LogEntry.objects.count() == 1


# What goes with an opportunity ------------------------------------------------------------------------------------


def test_archive_holds_people_interactions_and_parts_in_batches(by):
    won = won_opportunity()
    key = won.pk
    ann = PersonFactory(first_name="Ann", last_name="Peeters")
    person = OpportunityContactFactory(opportunity=won, contact=ann, role="DECISION_MAKER")
    note = InteractionFactory(
        opportunity=won, contact=None, text="Likes blue", recorded_by=by, happened_on=date(2026, 3, 1)
    )
    call = InteractionFactory(opportunity=won, contact=ann, kind="CALL")
    item = BatchItemFactory(opportunity=won)

    archive = json.loads(
        json.dumps(operations.delete(opportunity=won, by=by, on=today()), cls=DjangoJSONEncoder)
    )

    assert archive["people"] == [
        {
            "id": person.pk,
            "opportunity_id": key,
            "contact_id": ann.pk,
            "role": "DECISION_MAKER",
            "contact": "Ann Peeters",
        }
    ]
    assert [line["id"] for line in archive["interactions"]] == [note.pk, call.pk]
    first, second = archive["interactions"]
    assert (first["text"], first["happened_on"], first["kind"]) == ("Likes blue", "2026-03-01", "NOTE")
    assert (first["recorded_by"], first["contact"]) == (by.email, "")
    assert (second["contact"], second["contact_id"]) == ("Ann Peeters", ann.pk)
    assert [line["batch_id"] for line in archive["batch_items"]] == [item.batch_id]
    for model in (OpportunityContact, type(note), type(item)):
        assert not model.objects.exists()


def test_whatever_goes_with_an_opportunity_is_in_its_archive():
    archive = operations.archive_of(OpportunityFactory())
    goes_with_it = {
        relation.related_model._meta.model_name
        for relation in Opportunity._meta.get_fields(include_hidden=True)
        if getattr(relation, "on_delete", None) is models.CASCADE and relation.auto_created
    }

    assert goes_with_it == {"opportunityentry", "opportunitycontact", "interaction", "batchitem", "task"}
    assert {"entries", "people", "interactions", "attachments", "batch_items", "tasks"} <= set(archive)
