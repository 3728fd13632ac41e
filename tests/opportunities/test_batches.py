"""Changing many at once: what may be chosen, the check, the change, and what is left when it breaks off."""

import csv
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.dates import today
from opportunities import batches, ledger, operations
from opportunities.models import (
    Action,
    Batch,
    BatchItem,
    BatchStatus,
    CloseReason,
    ItemRule,
    ItemState,
    Opportunity,
    OpportunityEntry,
    Status,
)
from salespeople.models import Role, group_of
from tests.factories import (
    BatchFactory,
    BatchItemFactory,
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    cycle_with_stages,
    user_with_role,
)
from tests.snapshots import untouched
from tests.threads import at_once, while_uncommitted

NEW = reverse("opportunities:batch-new")
LIST = reverse("opportunities:batches")


@pytest.fixture
def several(seller, salesperson, cycle, company):
    """Five in progress, in the first stage."""
    return [
        OpportunityFactory(
            description=f"Lift {name}",
            salesperson=salesperson,
            cycle=cycle,
            contact=company,
            by=seller,
            started=True,
        )
        for name in ("alfa", "bravo", "charlie", "delta", "echo")
    ]


@pytest.fixture
def propose(cycle):
    return cycle.stages.get(description="Propose")


@pytest.fixture
def present(cycle):
    return cycle.stages.get(description="Present")


def keys(opportunities):
    return [opportunity.pk for opportunity in opportunities]


def page_of(name, batch):
    return reverse(f"opportunities:{name}", args=[batch.pk])


def ask(client, action, opportunities, **typed):
    """Choose in the list, fill in the form, and send it: the batch."""
    response = client.post(
        NEW, {"action": action, "chosen": keys(opportunities), "confirmed": "1", "note": "", **typed}
    )
    assert response.status_code == 302, response.content.decode()
    batch = Batch.objects.latest("pk")
    assert response.url == batch.get_absolute_url()
    return batch


def go_on(client, batch):
    """Press “Go on” until it waits for an answer or is over."""
    for _press in range(100):
        batch.refresh_from_db()
        if not batch.is_going:
            return batch
        assert client.post(page_of("batch-step", batch)).status_code == 302
    raise AssertionError("It does not come to an end")


def carry_out(client, batch):
    go_on(client, batch)
    assert client.post(page_of("batch-run", batch)).status_code == 302
    return go_on(client, batch)


def states(batch):
    return [item.state for item in batch.items.order_by("pk")]


def text(response):
    return " ".join(response.content.decode().split())


def assert_ledger_is_clean():
    assert [str(difference) for difference in ledger.verify(Opportunity.objects.all())] == []


# What may be chosen


def test_form_says_how_many_are_chosen(as_seller, several, present):
    for response in (
        as_seller.post(NEW, {"action": "MOVE", "chosen": keys(several[:3])}),
        as_seller.get(NEW, {"action": "MOVE", "chosen": keys(several[:3])}),
        as_seller.get(NEW, {"action": "MOVE", "all": "1", "query": "q=lift"}),
    ):
        assert response.status_code == 200
        assert "opportunities are chosen." in text(response)
        assert "Check " in text(response)
    assert not Batch.objects.exists()


def test_form_answers_a_dialog_with_its_region(as_seller, several):
    response = as_seller.post(
        NEW,
        {"action": "MOVE", "chosen": keys(several)},
        headers={"HX-Request": "true", "HX-Target": "dialog"},
    )

    assert "<html" not in response.content.decode()
    assert 'hx-target="#dialog"' in response.content.decode()


def test_all_means_what_the_filter_leaves(as_seller, several, won):
    typed = {"action": "POSTPONE", "all": "1", "query": "?q=lift+delta", "confirmed": "1"}

    as_seller.post(NEW, {**typed, "closes_on": today().isoformat()})

    assert list(Batch.objects.get().items.values_list("opportunity", flat=True)) == [several[3].pk]


def test_only_what_one_may_see_is_chosen(as_seller, several, settings):
    settings.VISIBILITY = "own"
    foreign = OpportunityFactory(started=True)

    batch = ask(as_seller, "POSTPONE", [several[0], foreign], closes_on=today().isoformat())

    assert list(batch.items.values_list("opportunity", flat=True)) == [several[0].pk]


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"chosen": ["", "x", "-1", "0", "9" * 30, str(2**63), "\x00", "²", "1 2"]},
        {"all": "1", "query": "q=nothing-is-called-like-this"},
        {"all": "", "query": "q=lift"},
    ],
)
def test_nothing_chosen_says_so_and_leads_back(as_seller, several, typed):
    response = as_seller.post(NEW, {"action": "MOVE", **typed})

    assert response.status_code == 422
    assert "No opportunity is chosen" in text(response) or "Null characters" in text(response)
    assert "Back to the list" in text(response)
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=NONSENSE", "Status: Select a valid choice. NONSENSE is not one of the available choices."),
        ("colour=blue", "“colour” is no filter of this page."),
        ("stage=" + "9" * 40, "Stage: "),
        ("q=%00", "Search: Null characters are not allowed."),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_with_its_words(as_seller, several, query, words):
    response = as_seller.post(NEW, {"action": "MOVE", "all": "1", "query": query})

    assert response.status_code == 422
    assert words in text(response)


@pytest.mark.parametrize("action", ["", "SING", "move", "\x00", "x" * 5000])
def test_an_unknown_action_is_refused(as_seller, several, action):
    response = as_seller.post(NEW, {"action": action, "chosen": keys(several)})

    assert response.status_code == 422
    assert "Choose in the list what to do with them." in text(response)


@pytest.mark.parametrize("how", [{"all": "1", "query": ""}, {"chosen": None}])
def test_too_many_are_refused_before_anything_is_made(as_seller, several, monkeypatch, how):
    monkeypatch.setattr("opportunities.forms.batches.MOST_AT_ONCE", 4)
    how = {"chosen": keys(several)} if "chosen" in how else how

    response = as_seller.post(NEW, {"action": "MOVE", "confirmed": "1", **how})

    assert response.status_code == 422
    assert "More than 4 are chosen. Narrow the filter" in text(response)
    assert not Batch.objects.exists()


def test_the_limit_is_ten_thousand():
    assert batches.MOST_AT_ONCE == 10_000
    assert batches.grouped(batches.MOST_AT_ONCE) == "10,000"


def test_more_keys_than_a_form_may_have_fields_travel_in_one(as_seller, several):
    many = ",".join(str(key) for key in [*keys(several), *range(10**6, 10**6 + 3000)])

    response = as_seller.post(NEW, {"action": "MOVE", "chosen": many})

    assert "5 opportunities are chosen." in text(response)


# The form of each action


def test_stages_are_those_of_the_cycles_that_occur(as_seller, several, cycle):
    other = cycle_with_stages("Elsewhere", description="Other")
    mixed = OpportunityFactory(cycle=cycle_with_stages("Called", description="New business"))
    cycle.stages.filter(description="Present").update(is_active=False)

    field = as_seller.get(NEW, {"action": "MOVE", "chosen": [several[0].pk, mixed.pk]}).context["form"]

    groups = {name: [label for _pk, label in rows] for name, rows in field.fields["stage"].choices[1:]}
    assert groups == {str(cycle): ["Qualify", "Propose"], "New business": ["Called"]}
    refused = as_seller.post(
        NEW,
        {
            "action": "MOVE",
            "chosen": several[0].pk,
            "confirmed": "1",
            "stage": other.stages.get().pk,
            "note": "kept",
        },
    )
    assert refused.status_code == 422
    assert "kept" in text(refused)


@pytest.mark.parametrize(
    ("action", "typed", "words"),
    [
        ("MOVE", {}, "Choose a stage."),
        ("MOVE", {"stage": "9" * 40}, "Select a valid choice."),
        ("POSTPONE", {"closes_on": "2026-02-31"}, "Enter a valid date."),
        ("POSTPONE", {"closes_on": "2001-01-01"}, "This day has passed. Choose today or a later one."),
        ("POSTPONE", {}, "An estimated closing date is needed."),
        ("LOSE", {}, "A reason is needed. Choose why it was lost."),
        ("LOSE", {"reason": "-1"}, "Select a valid choice."),
        ("REASSIGN", {}, "A salesperson is needed."),
        ("REASSIGN", {"salesperson": "x"}, "Select a valid choice."),
        ("POSTPONE", {"note": "x" * 2001}, "Ensure this value has at most 2000 characters"),
        ("POSTPONE", {"note": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_form_refuses_at_the_field(as_manager, several, action, typed, words):
    response = as_manager.post(NEW, {"action": action, "chosen": keys(several), "confirmed": "1", **typed})

    assert response.status_code == 422
    assert words in text(response)
    assert not Batch.objects.exists()


def test_form_without_a_reason_says_who_adds_one(as_seller, several):
    CloseReason.objects.all().delete()

    assert "There is no reason yet." in text(as_seller.get(NEW, {"action": "LOSE", "chosen": keys(several)}))


def test_blocked_salespeople_are_not_offered(as_manager, manager, several, salesperson):
    SalespersonFactory(name="Bea Blocked", is_blocked=True)
    SalespersonFactory(name="Alone")

    page = text(as_manager.get(NEW, {"action": "REASSIGN", "chosen": keys(several)}))

    assert "Bea Blocked" not in page
    assert "Sofie Claes" in page
    assert "Alone" in page


def test_reassigning_is_for_managers(as_seller, several):
    response = as_seller.post(NEW, {"action": "REASSIGN", "chosen": keys(several)})

    assert response.status_code == 403


# Checking


def test_check_changes_nothing_and_says_what_would_happen(
    as_seller, several, propose, won, new_opportunity, cycle
):
    cycle.stages.update(allows_skip=True)
    elsewhere = OpportunityFactory(started=True, salesperson=several[0].salesperson)
    foreign = OpportunityFactory(started=True, cycle=cycle)
    there = OpportunityFactory(started=True, cycle=cycle, salesperson=several[0].salesperson)
    operations.move(opportunity=there, to=propose, by=there.entries.first().recorded_by, on=today())
    chosen = [*several, won, new_opportunity, elsewhere, foreign, there]

    with untouched():
        batch = go_on(as_seller, ask(as_seller, "MOVE", chosen, stage=propose.pk))

    assert batch.status == BatchStatus.CHECKED
    found = {item.opportunity_id: item for item in batch.items.all()}
    assert all(found[key].state == ItemState.READY for key in keys(several))
    assert [found[key].seen for key in keys(several)] == [2] * 5
    assert {
        "won": found[won.pk].rule,
        "new": found[new_opportunity.pk].rule,
        "elsewhere": found[elsewhere.pk].rule,
        "foreign": found[foreign.pk].rule,
        "there": found[there.pk].rule,
    } == {
        "won": ItemRule.CLOSED,
        "new": ItemRule.NOT_STARTED,
        "elsewhere": ItemRule.OTHER_CYCLE,
        "foreign": ItemRule.NO_RIGHT,
        "there": ItemRule.SO_ALREADY,
    }
    page = text(as_seller.get(batch.get_absolute_url()))
    assert "5 opportunities will be moved to Propose." in page
    assert "5 will be left alone." in page
    assert "Move 5 opportunities" in page
    assert "Won or lost already" in page
    assert found[foreign.pk].message == (
        "This needs the salesperson it belongs to, or a sales manager of the team."
    )
    listed = text(as_seller.get(page_of("batch-items", batch), {"what": "CLOSED"}))
    assert won.description in listed
    assert "Reopen it to change it." in listed
    assert several[0].description not in listed
    assert several[0].description in text(as_seller.get(page_of("batch-items", batch), {"what": "READY"}))


def test_the_rule_of_the_operation_is_what_the_item_says(as_seller, several, cycle, seller):
    cycle.stages.filter(description="Present").update(requires_quote=True, allows_skip=True)
    cycle.stages.filter(description="Propose").update(allows_skip=False)
    present = cycle.stages.get(description="Present")

    batch = go_on(as_seller, ask(as_seller, "MOVE", several[:1], stage=present.pk))

    [item] = batch.items.all()
    with pytest.raises(operations.QuoteNeeded) as refused:
        operations.move(opportunity=several[0], to=present, by=seller, on=today(), dry_run=True)
    assert (item.rule, item.message) == (ItemRule.QUOTE, refused.value.message)
    assert "None of them can be changed like this." in text(as_seller.get(batch.get_absolute_url()))


def test_a_stage_that_cannot_be_reached(as_seller, several, propose):
    batch = go_on(as_seller, ask(as_seller, "MOVE", several[:1], stage=propose.pk))

    [item] = batch.items.all()
    assert item.rule == ItemRule.STAGE
    assert item.message == "Propose cannot be reached from Qualify. Choose one of: Present."


def test_a_very_long_refusal_is_shortened(as_seller, several, cycle, propose):
    cycle.stages.all().update(description="n" * 50)
    for position in range(100, 120):
        cycle.stages.create(position=position, description="m" * 50, completed_percent=1, allows_skip=True)
    last = cycle.stages.get(position=119)
    cycle.stages.filter(position__lt=110).update(allows_skip=True)
    cycle.stages.filter(position=118).update(allows_skip=False)

    batch = go_on(as_seller, ask(as_seller, "MOVE", several[:1], stage=last.pk))

    assert len(batch.items.get().message) == 500


def test_every_step_is_bounded(as_seller, seller, several, present):
    batch = ask(as_seller, "MOVE", several, stage=present.pk)

    batches.step(batch, by=seller, most=2)
    assert states(batch) == ["READY", "READY", "WAITING", "WAITING", "WAITING"]
    batches.step(batch, by=seller, most=4, seconds=0)
    assert states(batch) == ["READY", "READY", "READY", "WAITING", "WAITING"]
    assert "3 of 5 checked" in text(as_seller.get(batch.get_absolute_url()))
    batches.step(batch, by=seller)
    assert batch.status == BatchStatus.CHECKED

    batches.carry_out(batch)
    batches.step(batch, by=seller, most=2)
    assert states(batch) == ["DONE", "DONE", "READY", "READY", "READY"]
    batches.step(batch, by=seller, most=4, seconds=0)
    assert states(batch) == ["DONE", "DONE", "DONE", "READY", "READY"]
    assert "3 of 5 done" in text(as_seller.get(batch.get_absolute_url()))
    batches.step(batch, by=seller)
    assert batch.status == BatchStatus.DONE


def test_a_watched_step_answers_with_the_panel_alone(as_seller, several, present):
    batch = ask(as_seller, "MOVE", several, stage=present.pk)

    response = as_seller.post(
        page_of("batch-step", batch), headers={"HX-Request": "true", "HX-Target": "batch-panel"}
    )

    assert response.status_code == 200
    assert "<html" not in response.content.decode()
    assert "5 opportunities will be moved to Present." in text(response)


# Carrying out


def test_move(as_seller, several, present, seller):
    batch = carry_out(as_seller, ask(as_seller, "MOVE", several, stage=present.pk, note="New price list"))

    assert batch.status == BatchStatus.DONE
    assert states(batch) == ["DONE"] * 5
    for opportunity in several:
        entry = opportunity.entries.newest_first()[0]
        assert (entry.action, entry.stage, entry.note) == (Action.NEXT, present, "New price list")
        assert (entry.recorded_by, entry.changed_on) == (seller, today())
    assert "5 opportunities were moved to Present." in text(as_seller.get(batch.get_absolute_url()))
    assert_ledger_is_clean()


def test_reassign(as_manager, several, salesperson):
    colleague = SalespersonFactory(name="Lies Vos", team=salesperson.team)
    theirs = OpportunityFactory(salesperson=colleague)

    batch = carry_out(as_manager, ask(as_manager, "REASSIGN", [*several, theirs], salesperson=colleague.pk))

    assert states(batch) == ["DONE"] * 5 + ["UNFIT"]
    assert set(Opportunity.objects.values_list("salesperson__name", flat=True)) == {"Lies Vos"}
    assert batch.items.last().message == f"{theirs.number} belongs to Lies Vos already."
    page = text(as_manager.get(batch.get_absolute_url()))
    assert "5 opportunities were given to Lies Vos. " in page
    assert "1 was left alone." in page
    assert_ledger_is_clean()


def test_postpone_leaves_value_and_chance(as_seller, several, new_opportunity):
    day = today() + timedelta(days=90)
    one = several[0]
    so_already = several[1]
    operations.revise(
        opportunity=so_already,
        estimate=operations.Estimate(so_already.estimated_value, so_already.chance_percent, day),
        by=one.entries.first().recorded_by,
        on=today(),
    )
    before = (one.estimated_value, one.chance_percent, one.stage)

    batch = carry_out(
        as_seller,
        ask(as_seller, "POSTPONE", [one, so_already, new_opportunity], closes_on=day.isoformat()),
    )

    one.refresh_from_db()
    assert (one.estimated_value, one.chance_percent, one.stage) == before
    assert one.estimated_close_on == day
    assert [item.rule for item in batch.items.left_alone().order_by("pk")] == [
        ItemRule.SO_ALREADY,
        ItemRule.NOT_STARTED,
    ]
    assert "1 opportunity is now expected to close on" in text(as_seller.get(batch.get_absolute_url()))
    assert_ledger_is_clean()


def test_lose(as_seller, several, lost_reason, new_opportunity):
    batch = carry_out(as_seller, ask(as_seller, "LOSE", [*several, new_opportunity], reason=lost_reason.pk))

    assert states(batch) == ["DONE"] * 6
    assert set(Opportunity.objects.values_list("status", "close_reason")) == {(Status.LOST, lost_reason.pk)}
    assert "6 opportunities were closed as lost (Too expensive)." in text(
        as_seller.get(batch.get_absolute_url())
    )
    assert_ledger_is_clean()


def test_what_somebody_changed_after_the_check_is_left_alone(as_seller, several, present, manager):
    batch = go_on(as_seller, ask(as_seller, "MOVE", several, stage=present.pk))
    operations.revise(
        opportunity=several[2],
        estimate=operations.present_estimate(several[2]),
        by=manager,
        on=today(),
    )

    carry_out(as_seller, batch)

    assert states(batch) == ["DONE", "DONE", "REFUSED", "DONE", "DONE"]
    refused = batch.items.get(state=ItemState.REFUSED)
    assert refused.rule == ItemRule.CHANGED
    assert refused.message.startswith("Tom Maes changed this meanwhile")
    page = text(as_seller.get(batch.get_absolute_url()))
    assert "4 opportunities were moved to Present." in page
    assert several[2].get_absolute_url() in page
    assert "Tom Maes changed this meanwhile" in page
    assert several[2].entries.count() == 3


def test_who_lost_the_right_after_the_check_changes_nothing_more(
    as_manager, manager, several, present, salesperson
):
    batch = go_on(as_manager, ask(as_manager, "MOVE", several, stage=present.pk))
    as_manager.post(page_of("batch-run", batch))
    salesperson.team.manager = SalespersonFactory()
    salesperson.team.save()

    go_on(as_manager, batch)

    assert states(batch) == ["REFUSED"] * 5
    assert set(batch.items.values_list("rule", flat=True)) == {ItemRule.NO_RIGHT}
    assert all(opportunity.entries.count() == 2 for opportunity in several)


def test_who_is_no_manager_any_more_reassigns_nothing(as_manager, manager, several, salesperson):
    colleague = SalespersonFactory(team=salesperson.team)
    own = OpportunityFactory(started=True, salesperson=manager.salesperson)
    batch = go_on(as_manager, ask(as_manager, "REASSIGN", [own], salesperson=colleague.pk))
    as_manager.post(page_of("batch-run", batch))
    manager.groups.set([group_of(Role.SALESPERSON)])  # works on it, but no longer says to whom it belongs

    go_on(as_manager, batch)

    assert [(item.state, item.rule) for item in batch.items.all()] == [("REFUSED", "NO_RIGHT")]


def test_a_salesperson_blocked_after_the_check_gets_nothing(as_manager, several, salesperson):
    colleague = SalespersonFactory(team=salesperson.team, name="Lies Vos")
    batch = go_on(as_manager, ask(as_manager, "REASSIGN", several[:2], salesperson=colleague.pk))
    colleague.is_blocked = True
    colleague.save()

    carry_out(as_manager, batch)

    assert set(batch.items.values_list("rule", "message")) == {
        (ItemRule.OTHER, "Lies Vos is blocked. Choose another salesperson.")
    }


def test_saying_yes_twice_begins_once(as_seller, several, present):
    batch = carry_out(as_seller, ask(as_seller, "MOVE", several, stage=present.pk))

    response = as_seller.post(page_of("batch-run", batch), follow=True)

    assert "Nothing was begun anew. This is where it stands." in text(response)
    assert all(opportunity.entries.count() == 3 for opportunity in several)


def test_saying_yes_before_the_check_is_over_begins_nothing(as_seller, several, present):
    batch = ask(as_seller, "MOVE", several, stage=present.pk)

    as_seller.post(page_of("batch-run", batch))

    batch.refresh_from_db()
    assert batch.status == BatchStatus.CHECKING


def test_cancel_changes_nothing(as_seller, several, present):
    batch = go_on(as_seller, ask(as_seller, "MOVE", several, stage=present.pk))

    response = as_seller.post(page_of("batch-cancel", batch), follow=True)

    assert "Nothing was changed." in text(response)
    as_seller.post(page_of("batch-run", batch))
    as_seller.post(page_of("batch-step", batch))
    assert all(opportunity.entries.count() == 2 for opportunity in several)
    assert "It was over already." in text(as_seller.post(page_of("batch-cancel", batch), follow=True))


def test_stop_keeps_what_is_done(as_seller, seller, several, present):
    batch = go_on(as_seller, ask(as_seller, "MOVE", several, stage=present.pk))
    batches.carry_out(batch)
    batches.step(batch, by=seller, most=2)

    page = text(as_seller.post(page_of("batch-cancel", batch), follow=True))
    as_seller.post(page_of("batch-step", batch))

    assert "2 opportunities were moved to Present." in page
    assert "3 were not reached and stay as they are." in page
    assert states(batch) == ["DONE", "DONE", "READY", "READY", "READY"]
    assert [opportunity.entries.count() for opportunity in several] == [3, 3, 2, 2, 2]


def test_deleting_an_opportunity_takes_it_out(as_manager, manager, several, lost_reason, new_opportunity):
    batch = go_on(as_manager, ask(as_manager, "LOSE", [*several, new_opportunity], reason=lost_reason.pk))
    operations.delete(opportunity=new_opportunity, by=manager, on=today())

    carry_out(as_manager, batch)

    assert states(batch) == ["DONE"] * 5


def test_deleting_all_of_them_leaves_an_empty_batch(as_manager, manager, new_opportunity, lost_reason):
    batch = ask(as_manager, "LOSE", [new_opportunity], reason=lost_reason.pk)
    operations.delete(opportunity=new_opportunity, by=manager, on=today())

    go_on(as_manager, batch)

    assert batch.status == BatchStatus.CHECKED
    assert "None of them can be changed like this." in text(as_manager.get(batch.get_absolute_url()))


# Broken off


@pytest.mark.parametrize("fails_at", [0, 2, 4])
def test_killed_half_way_neither_repeats_nor_loses(
    as_seller, seller, several, present, fails_at, monkeypatch
):
    batch = go_on(as_seller, ask(as_seller, "MOVE", several, stage=present.pk))
    batches.carry_out(batch)
    real, calls = operations.move, []

    def killed(**told):
        entry = real(**told)
        calls.append(told["opportunity"].pk)
        if len(calls) == fails_at + 1:
            raise KeyboardInterrupt  # after the operation has written, before the item is
        return entry

    with monkeypatch.context() as patch:
        patch.setattr(operations, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            batches.step(batch, by=seller)

    assert states(batch) == ["DONE"] * fails_at + ["READY"] * (5 - fails_at)
    assert [opportunity.entries.count() for opportunity in several] == [3] * fails_at + [2] * (5 - fails_at)

    go_on(as_seller, batch)

    assert states(batch) == ["DONE"] * 5
    assert [opportunity.entries.count() for opportunity in several] == [3] * 5
    assert_ledger_is_clean()


def test_killed_while_checking_goes_on_where_it_was(as_seller, seller, several, present, monkeypatch):
    batch = ask(as_seller, "MOVE", several, stage=present.pk)
    batches.step(batch, by=seller, most=2)

    def killed(**_told):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(operations, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            batches.step(batch, by=seller)

    assert states(batch) == ["READY", "READY", "WAITING", "WAITING", "WAITING"]
    assert go_on(as_seller, batch).status == BatchStatus.CHECKED


# At the same moment


def moving(count):
    """A batch of so many, ready to be carried out, and who made it."""
    user = user_with_role(Role.SALESPERSON)
    cycle, contact = cycle_with_stages("Qualify", "Present"), CompanyFactory()
    chosen = [
        OpportunityFactory(started=True, salesperson=user.salesperson, cycle=cycle, contact=contact, by=user)
        for _index in range(count)
    ]
    batch = batches.make(
        action="MOVE", keys=keys(chosen), by=user, stage=cycle.stages.get(description="Present")
    )
    return batch, user


def own_copy(batch):
    return Batch.objects.get(pk=batch.pk)


def stepping(batch, user, most=100):
    return lambda: batches.step(own_copy(batch), by=user, most=most, seconds=60)


@pytest.mark.django_db(transaction=True)
def test_two_tabs_check_every_one_once():
    batch, user = moving(12)

    assert at_once(*[stepping(batch, user)] * 2) == [None, None]

    assert own_copy(batch).status == BatchStatus.CHECKED
    assert states(batch) == ["READY"] * 12
    assert OpportunityEntry.objects.count() == 24


@pytest.mark.django_db(transaction=True)
def test_three_tabs_change_every_one_once():
    batch, user = moving(12)
    stepping(batch, user)()
    batches.carry_out(own_copy(batch))

    assert at_once(*[stepping(batch, user)] * 3) == [None] * 3

    assert own_copy(batch).status == BatchStatus.DONE
    assert states(batch) == ["DONE"] * 12
    assert OpportunityEntry.objects.count() == 36
    assert_ledger_is_clean()


@pytest.mark.django_db(transaction=True)
def test_a_tab_waits_for_the_item_another_has_in_hand():
    batch, user = moving(2)
    stepping(batch, user)()
    batches.carry_out(own_copy(batch))

    assert while_uncommitted(stepping(batch, user, most=1), stepping(batch, user, most=1)) == [None, None]

    assert states(batch) == ["DONE", "DONE"]
    assert OpportunityEntry.objects.filter(action=Action.NEXT).count() == 2


@pytest.mark.django_db(transaction=True)
def test_yes_and_no_at_once_is_one_of_the_two():
    batch, user = moving(1)
    stepping(batch, user)()

    answers = at_once(lambda: batches.carry_out(own_copy(batch)), lambda: batches.carry_out(own_copy(batch)))
    assert sorted(answers) == [False, True]
    assert sorted(
        at_once(lambda: batches.cancel(own_copy(batch)), lambda: batches.cancel(own_copy(batch)))
    ) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_cancelled_while_it_is_checked_stays_cancelled(monkeypatch):
    batch, user = moving(2)
    real = operations.move

    def cancelled_meanwhile(**told):
        batches.cancel(own_copy(batch))
        return real(**told)

    monkeypatch.setattr(operations, "move", cancelled_meanwhile)
    stepping(batch, user)()

    assert own_copy(batch).status == BatchStatus.CANCELLED
    assert states(batch) == ["WAITING", "WAITING"]


# The result


def test_left_alone_as_a_table_that_runs_no_formula(as_seller, several, seller, lost_reason, won):
    operations.describe(opportunity=won, by=seller, description="=1+1")
    batch = carry_out(as_seller, ask(as_seller, "LOSE", [*several, won], reason=lost_reason.pk))

    response = as_seller.get(page_of("batch-refusals", batch))

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="left-alone-{batch.pk}.csv"'
    rows = list(csv.reader(response.content.decode().splitlines()))
    assert rows[0] == ["Number", "Description", "Contact", "Salesperson", "Rule", "Why"]
    assert rows[1][:5] == [won.number, "'=1+1", "Acme Logistics NV", "Sofie Claes", "Won or lost already"]
    assert rows[1][5].startswith(f"{won.number} was won on")
    assert len(rows) == 2


def test_what_one_does_not_see_any_more_is_not_named(as_seller, several, won, lost_reason, settings):
    batch = carry_out(as_seller, ask(as_seller, "LOSE", [won], reason=lost_reason.pk))
    settings.VISIBILITY = "own"
    several[0].salesperson.user = None
    several[0].salesperson.save()

    page = text(as_seller.get(batch.get_absolute_url()))
    table = as_seller.get(page_of("batch-refusals", batch)).content.decode()

    assert "You do not see this one any more" in page
    assert won.description not in page
    assert won.description not in table


def test_result_is_paged(as_seller, seller, salesperson, cycle, company, lost_reason):
    batch = BatchFactory(
        action="LOSE", salesperson=None, reason=lost_reason, made_by=seller, status=BatchStatus.DONE
    )
    for index in range(30):
        BatchItemFactory(
            batch=batch,
            opportunity=OpportunityFactory(
                description=f"Lift {index:02}", salesperson=salesperson, cycle=cycle, contact=company
            ),
            state=ItemState.REFUSED,
            rule=ItemRule.CHANGED,
            message="Changed",
        )

    first = as_seller.get(batch.get_absolute_url())
    second = as_seller.get(batch.get_absolute_url() + first.context["page"].next_url)

    assert len(first.context["page"].rows) == 25
    assert len(second.context["page"].rows) == 5
    assert "30 were left alone." in text(first)
    assert second.context["page"].next_url is None


@pytest.mark.parametrize("query", [{"after": "garbage"}, {"sort": "password"}, {"before": "\x00"}])
def test_a_place_that_makes_no_sense_gives_the_first_page(as_seller, seller, lost_reason, won, query):
    batch = BatchFactory(
        action="LOSE", salesperson=None, reason=lost_reason, made_by=seller, status=BatchStatus.DONE
    )
    BatchItemFactory(batch=batch, opportunity=won, state=ItemState.UNFIT, rule=ItemRule.CLOSED)

    for url in (batch.get_absolute_url(), page_of("batch-items", batch) + "?what=CLOSED", LIST):
        response = as_seller.get(url, query if "?" not in url else {**query, "what": "CLOSED"})
        assert response.status_code == 200
        assert len(response.context["page"].rows) == 1


@pytest.mark.parametrize("what", ["", "SING", "\x00", "DONE"])
def test_items_of_an_unknown_kind_are_not_found(as_seller, seller, what):
    batch = BatchFactory(made_by=seller)

    assert as_seller.get(page_of("batch-items", batch), {"what": what}).status_code == 404


def test_items_of_a_kind_that_does_not_occur(as_seller, seller):
    batch = BatchFactory(made_by=seller)

    page = text(as_seller.get(page_of("batch-items", batch), {"what": "QUOTE"}))

    assert "There is no such opportunity in this change of many." in page


# Whose it is


PAGES = ["batch", "batch-items", "batch-refusals"]
DOORS = ["batch-step", "batch-run", "batch-cancel"]


def test_only_its_maker_sees_it(as_manager, as_seller, several, present):
    batch = ask(as_seller, "MOVE", several, stage=present.pk)

    assert [as_manager.get(page_of(name, batch)).status_code for name in PAGES] == [404] * 3
    assert [as_manager.post(page_of(name, batch)).status_code for name in DOORS] == [404] * 3
    assert "Move to Present" not in text(as_manager.get(LIST))
    assert states(batch) == ["WAITING"] * 5


def test_viewers_and_strangers_may_not(as_viewer, as_stranger, viewer, several):
    batch = BatchFactory(made_by=viewer)

    for client in (as_viewer, as_stranger):
        assert client.get(LIST).status_code == 403
        assert client.get(NEW, {"action": "MOVE", "chosen": keys(several)}).status_code == 403
        assert client.post(NEW, {"action": "MOVE", "chosen": keys(several)}).status_code == 403
        assert [client.get(page_of(name, batch)).status_code for name in PAGES] == [403] * 3
        assert [client.post(page_of(name, batch)).status_code for name in DOORS] == [403] * 3


def test_methods(as_seller, seller):
    batch = BatchFactory(made_by=seller)

    assert [as_seller.get(page_of(name, batch)).status_code for name in DOORS] == [405] * 3
    assert [as_seller.post(page_of(name, batch)).status_code for name in PAGES] == [405] * 3
    assert as_seller.post(LIST).status_code == 405
    assert as_seller.delete(NEW).status_code == 405


@pytest.mark.parametrize("pk", [0, 987654, 2**63, 10**30])
def test_unknown_batch_is_not_found(as_seller, pk):
    assert as_seller.get(f"/opportunities/batches/{pk}/").status_code == 404
    assert as_seller.post(f"/opportunities/batches/{pk}/step/").status_code == 404


def test_list_takes_up_what_was_left(as_seller, several, present, lost_reason):
    assert "Nothing yet" in text(as_seller.get(LIST))
    left = ask(as_seller, "MOVE", several, stage=present.pk)
    done = carry_out(as_seller, ask(as_seller, "LOSE", several[:2], reason=lost_reason.pk))

    page = as_seller.get(LIST)

    assert page.context["rows"] == [
        (done, "Close as lost: Too expensive", "2", "2", "0"),
        (left, "Move to Present", "5", "0", "0"),
    ]
    assert "Being checked" in text(page)


# What it costs


def queries(act):
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def some(seller, cycle, company, count):
    return [
        OpportunityFactory(
            salesperson=seller.salesperson, cycle=cycle, contact=company, by=seller, started=True
        )
        for _index in range(count)
    ]


def test_making_a_batch_costs_the_same_for_one_and_thirty(seller, cycle, company):
    chosen = some(seller, cycle, company, 30)
    stage = cycle.stages.get(description="Present")

    def make(count):
        return queries(lambda: batches.make(action="MOVE", keys=keys(chosen[:count]), by=seller, stage=stage))

    assert make(1) == make(30) <= 6


@pytest.mark.parametrize("status", [BatchStatus.CHECKING, BatchStatus.CHECKED, BatchStatus.DONE])
def test_pages_cost_the_same_for_one_and_thirty(as_seller, seller, cycle, company, status):
    stage = cycle.stages.get(description="Present")
    costs = []
    for count in (1, 30):
        batch = batches.make(
            action="MOVE", keys=keys(some(seller, cycle, company, count)), by=seller, stage=stage
        )
        Batch.objects.filter(pk=batch.pk).update(status=status)
        batch.items.update(state=ItemState.UNFIT, rule=ItemRule.CLOSED)
        costs.append(
            [
                queries(lambda batch=batch: as_seller.get(batch.get_absolute_url())),
                queries(lambda: as_seller.get(LIST)),
                queries(lambda batch=batch: as_seller.get(page_of("batch-items", batch), {"what": "CLOSED"})),
                queries(
                    lambda batch=batch: as_seller.get(
                        NEW, {"action": "MOVE", "chosen": [item.opportunity_id for item in batch.items.all()]}
                    )
                )
                - 1,
            ]
        )

    assert costs[0] == costs[1]
    assert max(costs[0]) <= 12


def test_a_step_costs_the_same_for_each(as_seller, seller, cycle, company):
    stage = cycle.stages.get(description="Present")

    def cost(count):
        batch = batches.make(
            action="MOVE", keys=keys(some(seller, cycle, company, count)), by=seller, stage=stage
        )
        check = queries(lambda: batches.step(batch, by=seller))
        batches.carry_out(batch)
        change = queries(lambda: batches.step(batch, by=seller, most=count))
        return check, change

    seller.may_sell()  # the role is read once
    costs = {count: cost(count) for count in (1, 2, 50)}

    for kind, most in ((0, 8), (1, 24)):
        each = costs[2][kind] - costs[1][kind]
        assert costs[50][kind] == costs[1][kind] + 49 * each
        assert each <= most


def test_rows_say_what_they_are(db):
    assert str(BatchFactory()).startswith("Reassign (")
    assert str(BatchItem(opportunity_id=3)) == "3: Waiting"
