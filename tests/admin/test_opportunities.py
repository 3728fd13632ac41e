"""Opportunities in the admin: reading, describing, deleting, and changing many through the operations."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact
from crm.dates import today
from opportunities import operations
from opportunities.models import CloseReason, Opportunity, OpportunityEntry, Outcome, Status
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    lost_opportunity,
    won_opportunity,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/opportunities/opportunity/"


def change_url(opportunity):
    return f"{LIST}{opportunity.pk}/change/"


def delete_url(opportunity):
    return f"{LIST}{opportunity.pk}/delete/"


def stored(opportunity):
    """Everything there is of an opportunity, to see that nothing changed."""
    return (
        Opportunity.objects.filter(pk=opportunity.pk).values().get(),
        list(OpportunityEntry.objects.filter(opportunity=opportunity.pk).order_by("sequence").values()),
    )


def told(response):
    """The messages of a response: level and text."""
    return [(message.level_tag, str(message)) for message in get_messages(response.wsgi_request)]


def theirs(**fields):
    """An opportunity of a team that the manager neither leads nor is in."""
    return OpportunityFactory(salesperson=SalespersonFactory(name="Stranger", team=TeamFactory()), **fields)


# Finding


def numbers(response):
    return {row.number for row in response.context["cl"].result_list}


@pytest.mark.parametrize("words", ["OP-00001", "Fleet", "Peeters", "Acme", "fleet acme"])
def test_search_finds_by_number_description_and_names(manager, words):
    acme = CompanyFactory(name="Acme")
    found = OpportunityFactory(
        description="Fleet of vans", contact=PersonFactory(last_name="Peeters", company=acme)
    )
    OpportunityFactory(description="Other", contact=CompanyFactory(name="Bolt"))

    words = words.replace("OP-00001", found.number)

    assert numbers(manager.get(LIST, {"q": words})) == {found.number}


def test_filters_narrow_the_list(manager):
    started, waiting = OpportunityFactory(started=True), OpportunityFactory(priority="HIGH")

    for query, expected in [
        ({"status__exact": "IN_PROGRESS"}, started),
        ({"cycle__id__exact": waiting.cycle_id}, waiting),
        ({"stage__id__exact": started.stage_id}, started),
        ({"salesperson__id__exact": waiting.salesperson_id}, waiting),
        ({"priority__exact": "HIGH"}, waiting),
    ]:
        assert numbers(manager.get(LIST, query)) == {expected.number}


def test_stages_to_filter_by_are_those_of_the_chosen_cycle(manager):
    one, other = OpportunityFactory(started=True), OpportunityFactory(started=True)

    text = manager.get(LIST, {"cycle__id__exact": one.cycle_id}).text

    assert f"{one.cycle.code}: Qualify" in text
    assert f"{other.cycle.code}: Qualify" not in text


def test_dates_lead_down_to_a_day(manager):
    old = OpportunityFactory(on=today() - timedelta(days=800))
    OpportunityFactory()
    year = old.created_on.year

    assert numbers(manager.get(LIST, {"created_on__year": year})) == {old.number}
    assert f"created_on__year={year}" in manager.get(LIST).text


def test_list_has_what_the_manager_sees(manager, settings):
    settings.VISIBILITY = "own"
    mine, other = OpportunityFactory(), theirs()

    assert numbers(manager.get(LIST)) == {mine.number}
    for url in (change_url(other), delete_url(other), f"{LIST}{other.pk}/history/"):
        assert manager.get(url).url == "/admin/"


# Reading one


def test_page_shows_the_ledger_newest_first(manager):
    opportunity = won_opportunity()

    text = manager.get(change_url(opportunity)).text

    assert text.index(">Won<") < text.index("Started in Qualify") < text.index(">Created<")
    assert "€9,000" in text


def test_page_shows_the_newest_entries_only(manager, monkeypatch):
    monkeypatch.setattr("crm.admin.ShownFormSet.shown", 2)
    opportunity = won_opportunity()

    text = manager.get(change_url(opportunity)).text

    assert "3 entries, the newest 2 of them below" in text
    assert "Started in Qualify" in text
    assert ">Created<" not in text


def test_page_asks_the_same_of_the_database_with_a_longer_ledger(manager, django_assert_num_queries):
    opportunity = OpportunityFactory(started=True)
    manager.get(change_url(opportunity))
    with CaptureQueriesContext(connection) as with_two:
        manager.get(change_url(opportunity))
    for value in range(3):
        operations.revise(
            opportunity=opportunity,
            estimate=operations.Estimate(Decimal(100 + value), Decimal(50), today()),
            by=UserFactory(),
            on=today(),
        )

    with django_assert_num_queries(len(with_two)):
        manager.get(change_url(opportunity))


# Describing


def described(opportunity, **changes):
    """What the form of an opportunity sends, with what a browser says of the entries."""
    return {
        "description": opportunity.description,
        "priority": opportunity.priority,
        "seen_description": opportunity.description,
        "entries-TOTAL_FORMS": 1,
        "entries-INITIAL_FORMS": 1,
        **changes,
    }


def test_description_and_priority_are_changed_by_the_operation(manager):
    opportunity = OpportunityFactory(started=True)

    response = manager.post(
        change_url(opportunity), described(opportunity, description="Better words", priority="HIGH")
    )

    assert response.url == LIST
    opportunity = Opportunity.objects.get(pk=opportunity.pk)
    assert (opportunity.description, opportunity.priority, opportunity.version) == ("Better words", "HIGH", 2)
    line = LogEntry.objects.get(object_id=str(opportunity.pk))
    assert line.user == manager.user
    assert '"new": {"description": "Better words", "priority": "HIGH"}' in line.change_message


def test_change_log_is_shown(manager):
    opportunity = OpportunityFactory()
    manager.post(change_url(opportunity), described(opportunity, description="Better words"))

    text = manager.get(f"{LIST}{opportunity.pk}/history/").text

    assert "Better words" in text
    assert opportunity.description in text


def test_nothing_else_is_taken_from_what_was_sent(manager):
    opportunity = OpportunityFactory(started=True)
    entry = opportunity.entries.newest_first()[0]
    before = stored(opportunity)

    response = manager.post(
        change_url(opportunity),
        described(
            opportunity,
            number="OP-9",
            status="WON",
            estimated_value="1",
            chance_percent="100",
            salesperson=SalespersonFactory().pk,
            contact=CompanyFactory().pk,
            version="99",
            **{
                "entries-0-id": entry.pk,
                "entries-0-note": "forged",
                "entries-0-estimated_value": "1",
                "entries-0-DELETE": "on",
                "entries-1-sequence": "3",
                "entries-TOTAL_FORMS": 2,
            },
        ),
    )

    assert response.status_code == 302
    assert stored(opportunity) == before


def test_form_without_the_table_of_entries_is_saved(manager):
    opportunity = OpportunityFactory()
    data = described(opportunity, description="Better words")
    del data["entries-TOTAL_FORMS"]

    response = manager.post(change_url(opportunity), data)

    assert response.status_code == 302
    assert Opportunity.objects.get(pk=opportunity.pk).description == "Better words"


def test_form_that_does_not_say_what_it_saw_is_shown_again(manager):
    opportunity = OpportunityFactory()
    before = stored(opportunity)
    data = described(opportunity, description="Better words")
    del data["seen_description"]

    response = manager.post(change_url(opportunity), data)

    assert "meanwhile. Look again, then save." in response.text
    assert 'value="Better words"' in response.text
    assert stored(opportunity) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"description": ""}, "description"),
        ({"description": "x" * 101}, "description"),
        ({"description": " \t"}, "description"),
        ({"priority": "URGENT"}, "priority"),
        ({"seen_description": "What it said before"}, "__all__"),
    ],
)
def test_refusal_is_told_on_the_form(manager, changes, field):
    opportunity = OpportunityFactory()
    before = stored(opportunity)

    response = manager.post(change_url(opportunity), described(opportunity, **changes))

    assert field in response.context["adminform"].form.errors
    assert stored(opportunity) == before


def test_refusal_at_the_last_moment_is_told_too(manager, monkeypatch):
    opportunity = OpportunityFactory()
    describe = operations.describe

    def closed_meanwhile(*, dry_run=False, **kwargs):
        if not dry_run:
            raise operations.AlreadyClosed("It was won a second ago.")
        return describe(dry_run=True, **kwargs)

    monkeypatch.setattr(operations, "describe", closed_meanwhile)

    response = manager.post(change_url(opportunity), described(opportunity, priority="HIGH"))

    assert response.status_code == 302
    assert told(response) == [("error", "It was won a second ago.")]


def test_priority_of_a_closed_one_stands(manager):
    opportunity = lost_opportunity()

    response = manager.post(
        change_url(opportunity), described(opportunity, description="New", priority="HIGH")
    )

    opportunity = Opportunity.objects.get(pk=opportunity.pk)
    assert (response.status_code, opportunity.description, opportunity.priority) == (302, "New", "NORMAL")


def test_opportunity_of_another_team_can_be_read_only(manager):
    opportunity = theirs()
    before = stored(opportunity)

    page = manager.get(change_url(opportunity))
    answer = manager.post(change_url(opportunity), described(opportunity, description="Mine"))
    deletion = manager.post(delete_url(opportunity), {"post": "yes"})

    assert page.status_code == 200
    assert 'name="_save"' not in page.text
    assert (answer.status_code, deletion.status_code) == (403, 403)
    assert stored(opportunity) == before


def test_superuser_works_on_every_team(superuser):
    opportunity = theirs()

    superuser.post(change_url(opportunity), described(opportunity, description="Mine"))

    assert Opportunity.objects.get().description == "Mine"


# Deleting one


@pytest.mark.parametrize("make", [OpportunityFactory, lost_opportunity, won_opportunity])
def test_deletes_what_is_not_in_progress(manager, make):
    opportunity = make()

    page = manager.get(delete_url(opportunity))
    response = manager.post(delete_url(opportunity), {"post": "yes"})

    assert "Yes, I’m sure" in page.text
    assert response.url == LIST
    assert not Opportunity.objects.exists()
    assert not OpportunityEntry.objects.exists()
    (line,) = LogEntry.objects.filter(action_flag=DELETION)
    assert line.object_repr == str(opportunity)


def test_does_not_delete_what_is_in_progress(manager):
    opportunity = OpportunityFactory(started=True)

    assert "deletelink" not in manager.get(change_url(opportunity)).text
    assert manager.post(delete_url(opportunity), {"post": "yes"}).status_code == 403
    assert Opportunity.objects.exists()


def test_deletion_that_is_refused_at_the_last_moment_is_told(manager, monkeypatch):
    opportunity = OpportunityFactory()

    def started_meanwhile(**kwargs):
        raise operations.StillInProgress("It was started a second ago.")

    monkeypatch.setattr(operations, "delete", started_meanwhile)

    response = manager.post(delete_url(opportunity), {"post": "yes"})

    assert response.status_code == 302
    assert told(response) == [("error", "It was started a second ago.")]
    assert Opportunity.objects.exists()


# Changing many


def choose(client, action, *opportunities, across=False, query="", **typed):
    """Tick rows and pick an action, as the list sends it."""
    keys = [opportunity.pk for opportunity in opportunities]
    return client.post(
        f"{LIST}{query}",
        {"action": action, "_selected_action": keys, "select_across": int(across), "index": 0, **typed},
    )


def confirm(client, page, **typed):
    """Send the page between, with everything that it carries."""
    carried = {"action": page.context["action"], "confirmed": "yes"}
    for name, value in page.context["selection"].hidden:
        carried.setdefault(name, []).append(value) if name == "_selected_action" else carried.update(
            {name: value}
        )
    return client.post(page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"], {**carried, **typed})


def lost_reason():
    return CloseReasonFactory(outcome=Outcome.LOST, description="Too dear")


def test_page_between_changes_nothing_and_carries_the_selection(manager):
    opportunities = [OpportunityFactory() for _ in range(3)]
    before = [stored(opportunity) for opportunity in opportunities]

    for action in ("reassign", "close_as_lost", "delete_finished"):
        page = choose(manager, action, *opportunities[:2])

        assert page.status_code == 200
        keys = [value for name, value in page.context["selection"].hidden if name == "_selected_action"]
        assert keys == [str(opportunity.pk) for opportunity in opportunities[:2]]
        for opportunity in opportunities[:2]:
            assert str(opportunity) in page.text
    assert [stored(opportunity) for opportunity in opportunities] == before


def test_reassigns_each(manager):
    opportunities = [OpportunityFactory(started=True), OpportunityFactory()]
    sofie = SalespersonFactory(name="Sofie")

    page = choose(manager, "reassign", *opportunities)
    response = confirm(manager, page, salesperson=sofie.pk, note="Holiday")

    assert response.status_code == 302
    assert told(response) == [("success", "Reassigned 2 opportunities.")]
    for opportunity in Opportunity.objects.all():
        entry = opportunity.entries.newest_first()[0]
        assert opportunity.salesperson == sofie
        assert (entry.action, entry.recorded_by, entry.changed_on, entry.note) == (
            "REASSIGNED",
            manager.user,
            today(),
            "Holiday",
        )


def test_reassigning_tells_per_row_what_was_refused(manager):
    sofie = SalespersonFactory(name="Sofie")
    good, closed, hers = OpportunityFactory(), lost_opportunity(), OpportunityFactory(salesperson=sofie)
    other = theirs()
    before = [stored(row) for row in (closed, hers, other)]

    page = choose(manager, "reassign", good, closed, hers, other)
    response = confirm(manager, page, salesperson=sofie.pk)

    success, (level, refused) = told(response)
    assert success == ("success", "Reassigned 1 opportunity.")
    assert level == "warning"
    assert "3 opportunities were left as they are:" in refused
    assert f"<li>{closed.number}: {closed.number} was lost on" in refused
    assert f"<li>{hers.number}: Choose another salesperson or another contact.</li>" in refused
    assert f"<li>{other.number}: It belongs to Stranger, for whom you do not work.</li>" in refused
    assert [stored(row) for row in (closed, hers, other)] == before
    assert Opportunity.objects.get(pk=good.pk).salesperson == sofie


def test_what_was_refused_is_bounded(manager, monkeypatch):
    monkeypatch.setattr("opportunities.admin.SHOWN", 2)
    closed = [lost_opportunity() for _ in range(4)]

    page = choose(manager, "reassign", *closed)
    response = confirm(manager, page, salesperson=SalespersonFactory().pk)

    ((level, text),) = told(response)
    assert level == "error"
    assert "4 opportunities were left as they are:" in text
    assert text.count("<li>") == 3
    assert "<li>and 2 more</li>" in text


def test_names_are_escaped_in_what_was_refused(manager):
    other = theirs()
    other.salesperson.name = "<script>alert(1)</script>"
    other.salesperson.save()

    page = choose(manager, "reassign", other)
    response = confirm(manager, page, salesperson=SalespersonFactory().pk)

    assert "<script>alert" not in told(response)[0][1]
    assert "<script>alert" not in manager.get(LIST).text


@pytest.mark.parametrize("kind", ["blocked", "unknown", "nonsense", "none"])
def test_reassigning_to_nobody_who_can_be_chosen_asks_again(manager, kind):
    opportunity = OpportunityFactory()
    blocked = SalespersonFactory(is_blocked=True, name="Blocked Bob")
    chosen = {"blocked": blocked.pk, "unknown": 10**30, "nonsense": "x\x00", "none": ""}[kind]
    before = stored(opportunity)

    page = choose(manager, "reassign", opportunity)
    response = confirm(manager, page, salesperson=chosen)

    assert "Blocked Bob" not in page.text
    assert response.status_code == 422
    assert "salesperson" in response.context["form"].errors
    assert ("_selected_action", str(opportunity.pk)) in response.context["selection"].hidden
    assert stored(opportunity) == before


def test_closes_each_as_lost(manager):
    opportunities = [OpportunityFactory(started=True), OpportunityFactory()]
    reason = lost_reason()

    page = choose(manager, "close_as_lost", *opportunities)
    response = confirm(manager, page, reason=reason.pk, note="They closed down")

    assert told(response) == [("success", "Closed 2 opportunities as lost.")]
    for opportunity in Opportunity.objects.all():
        assert (opportunity.status, opportunity.close_reason, opportunity.closed_on) == (
            Status.LOST,
            reason,
            today(),
        )
        assert opportunity.entries.newest_first()[0].note == "They closed down"


@pytest.mark.parametrize("kind", ["won", "retired", "none"])
def test_closing_takes_only_reasons_for_lost_in_use(manager, kind):
    opportunity = OpportunityFactory(started=True)
    reasons = {
        "won": CloseReasonFactory(outcome=Outcome.WON).pk,
        "retired": CloseReasonFactory(outcome=Outcome.LOST, is_active=False).pk,
        "none": "",
    }

    page = choose(manager, "close_as_lost", opportunity)
    response = confirm(manager, page, reason=reasons[kind])

    assert response.status_code == 422
    assert "reason" in response.context["form"].errors
    assert not Opportunity.objects.get().is_closed


def test_closing_refuses_a_note_that_is_too_long(manager):
    page = choose(manager, "close_as_lost", OpportunityFactory())

    response = confirm(manager, page, reason=lost_reason().pk, note="x" * 2001)

    assert "note" in response.context["form"].errors


def test_closing_leaves_the_closed_ones(manager):
    won, running = won_opportunity(), OpportunityFactory(started=True)
    before = stored(won)

    page = choose(manager, "close_as_lost", won, running)
    response = confirm(manager, page, reason=lost_reason().pk)

    success, refused = told(response)
    assert success == ("success", "Closed 1 opportunity as lost.")
    assert f"{won.number} was won on" in refused[1]
    assert stored(won) == before


def test_deletion_is_rehearsed_first(manager):
    closed, waiting, running = lost_opportunity(), OpportunityFactory(), OpportunityFactory(started=True)
    other = theirs()

    page = choose(manager, "delete_finished", closed, waiting, running, other)

    assert "2 opportunities will be deleted" in page.text
    assert f"{running.number} is in progress. Close it first" in page.text
    assert "It belongs to Stranger" in page.text
    assert Opportunity.objects.count() == 4


def test_deletes_each_that_can_be(manager):
    closed, waiting, running = lost_opportunity(), OpportunityFactory(), OpportunityFactory(started=True)

    page = choose(manager, "delete_finished", closed, waiting, running)
    response = confirm(manager, page)

    success, refused = told(response)
    assert success == ("success", "Deleted 2 opportunities with their entries.")
    assert running.number in refused[1]
    assert list(Opportunity.objects.all()) == [running]
    assert LogEntry.objects.filter(action_flag=DELETION, user=manager.user).count() == 2


def test_deletion_of_what_cannot_be_deleted_offers_no_button(manager):
    page = choose(manager, "delete_finished", OpportunityFactory(started=True))

    assert "None of these can be deleted." in page.text
    assert 'type="submit"' not in page.text.split('id="content"')[1]


def test_deletion_by_django_is_not_there(superuser):
    opportunity = OpportunityFactory()

    page = superuser.get(LIST)
    choose(superuser, "delete_selected", opportunity, post="yes")

    assert "delete_selected" not in page.text
    assert Opportunity.objects.exists()


def test_whole_list_is_carried_as_such(manager, monkeypatch):
    monkeypatch.setattr("opportunities.admin.OpportunityAdmin.list_per_page", 2)
    hers = SalespersonFactory()
    wanted = [OpportunityFactory(salesperson=hers) for _ in range(5)]
    left = OpportunityFactory()
    query = f"?salesperson__id__exact={hers.pk}"

    page = choose(manager, "close_as_lost", wanted[0], across=True, query=query)
    response = confirm(manager, page, reason=lost_reason().pk)

    assert len(page.context["selection"].keys) == 5
    assert told(response) == [("success", "Closed 5 opportunities as lost.")]
    assert response.url == f"{LIST}{query}"
    assert not Opportunity.objects.get(pk=left.pk).is_closed


def test_whole_list_that_has_changed_since_is_asked_again(manager):
    opportunity = OpportunityFactory()

    page = choose(manager, "delete_finished", opportunity, across=True)
    added = OpportunityFactory()
    asked_again = confirm(manager, page)

    assert asked_again.status_code == 422
    assert "The list has changed since you selected all of it." in asked_again.text
    assert str(added) in asked_again.text
    assert Opportunity.objects.count() == 2
    confirm(manager, asked_again)
    assert not Opportunity.objects.exists()


def test_ticked_rows_stay_ticked_when_they_leave_the_list(manager):
    opportunity = OpportunityFactory()
    query = "?status__exact=NOT_STARTED"

    page = choose(manager, "reassign", opportunity, query=query)
    operations.close(
        opportunity=opportunity, outcome="LOST", reason=lost_reason(), by=UserFactory(), on=today()
    )
    response = confirm(manager, page, salesperson=SalespersonFactory().pk)

    assert f"{opportunity.number} was lost on" in told(response)[0][1]


def test_row_that_somebody_deleted_meanwhile_is_told(manager, monkeypatch):
    gone, there = OpportunityFactory(), OpportunityFactory()
    reassign = operations.reassign

    def delete_first(*, opportunity, **kwargs):
        if opportunity.pk == gone.pk:
            operations.delete(opportunity=gone, by=UserFactory(), on=today())
        return reassign(opportunity=opportunity, **kwargs)

    monkeypatch.setattr(operations, "reassign", delete_first)

    page = choose(manager, "reassign", gone, there)
    response = confirm(manager, page, salesperson=SalespersonFactory().pk)

    success, refused = told(response)
    assert success == ("success", "Reassigned 1 opportunity.")
    assert f"{gone.number}: Somebody deleted it meanwhile." in refused[1]


def test_rows_are_changed_in_bounded_batches(manager, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("opportunities.admin.BATCH", 2)
    opportunities = [OpportunityFactory() for _ in range(5)]

    page = choose(manager, "reassign", *opportunities)
    response = confirm(manager, page, salesperson=SalespersonFactory().pk)

    assert told(response) == [("success", "Reassigned 5 opportunities.")]


@pytest.mark.parametrize("across", [True, False])
def test_too_many_rows_are_refused(manager, monkeypatch, across):
    monkeypatch.setattr("opportunities.admin.MOST_AT_ONCE", 2)
    opportunities = [OpportunityFactory() for _ in range(3)]

    response = choose(manager, "delete_finished", *opportunities, across=across, confirmed="yes")

    assert told(response) == [
        ("warning", "At most 2 opportunities can be changed at a time. Narrow the list with a filter.")
    ]
    assert Opportunity.objects.count() == 3


def test_row_that_the_manager_does_not_see_is_left_out(manager, settings):
    settings.VISIBILITY = "own"
    hidden = theirs()

    page = choose(manager, "reassign", hidden)
    response = confirm(manager, page, salesperson=SalespersonFactory().pk, _selected_action=hidden.pk)

    assert str(hidden) not in page.text
    assert Opportunity.objects.get().salesperson == hidden.salesperson
    assert not told(response)


@pytest.mark.parametrize("name", ["salesperson", "viewer", "staff", "anonymous"])
def test_actions_are_for_managers(client_of, name):
    opportunity = OpportunityFactory()

    response = choose(client_of(name), "delete_finished", opportunity, confirmed="yes")

    assert response.status_code == (302 if name == "anonymous" else 403)
    assert Opportunity.objects.exists()


# What uses them


def test_deleting_what_opportunities_use_is_refused_not_crashed(superuser):
    opportunity = won_opportunity(contact=CompanyFactory(name="Acme"))

    page = superuser.get(f"/admin/contacts/contact/{opportunity.contact_id}/delete/")
    superuser.post(f"/admin/opportunities/closereason/{opportunity.close_reason_id}/delete/", {"post": "yes"})

    assert "“Acme” cannot be deleted, because it is used by:" in page.text
    assert "<li>1 opportunity</li>" in page.text
    assert "<li>3 opportunity entries</li>" in page.text
    assert Contact.objects.exists()
    assert CloseReason.objects.filter(pk=opportunity.close_reason_id).exists()
