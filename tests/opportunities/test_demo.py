"""``manage.py demo``: what it makes, that it is the same every time, and that it goes without a trace."""

from collections import Counter
from io import StringIO

import pytest
import time_machine
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db.models import F, Model
from django.utils import timezone

from activities.models import Activity, ActivityStep, Interaction, InteractionKind, Task, TaskKind, TaskStatus
from activities.operations import complete_task
from contacts.models import Contact, IndustryGroup
from crm.dates import today
from crm.models import NumberSeries
from opportunities import ledger, operations
from opportunities.demo import build, clear, manifest
from opportunities.demo.errands import errands
from opportunities.demo.history import CONTACTS, OPPORTUNITIES, make_plan
from opportunities.demo.setup import PASSWORD, SELLERS, SIGN_INS
from opportunities.models import (
    Action,
    CloseReason,
    Opportunity,
    OpportunityContact,
    OpportunityEntry,
    Status,
    without_next_step,
)
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Role, Salesperson, Team, User
from tests.factories import OpportunityFactory, PersonFactory, SalesCycleStageFactory, UserFactory

pytestmark = pytest.mark.django_db
SIZE = 12


def demo(*arguments, **options):
    """What the command prints."""
    out = StringIO()
    call_command("demo", *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def make(size=SIZE):
    build.build(build.make_the_plan(size))


def everything():
    """All rows of all tables, but for the number series and the running keys of this process."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model is not NumberSeries
    }


def story():
    """What somebody sees of the demo: names, values and dates, without keys and running numbers."""
    return [
        list(
            Contact.objects.order_by("pk").values_list(
                "name", "company__name", "address", "phone", "customer_since"
            )
        ),
        list(
            Salesperson.objects.order_by("pk").values_list(
                "code", "name", "email", "team__code", "is_blocked"
            )
        ),
        list(
            OpportunityEntry.objects.order_by("pk").values_list(
                "opportunity__description",
                "action",
                "changed_on",
                "recorded_by__email",
                "note",
                "stage_description",
                "salesperson__code",
                "contact__name",
                "estimated_value",
                "chance_percent",
                "calculated_value",
                "estimated_close_on",
                "close_reason__code",
            )
        ),
        list(
            Task.objects.order_by("pk").values_list(
                "description",
                "due_at",
                "status",
                "salesperson__code",
                "opportunity__description",
                "outcome__text",
            )
        ),
    ]


# Making ----------------------------------------------------------------------------------------------------------


def test_it_makes_a_company_with_a_history():
    make(60)
    assert Opportunity.objects.count() == 60
    assert Salesperson.objects.count() == len(SELLERS) == 25
    assert SalesCycle.objects.count() == 3
    assert len(set(SalesCycle.objects.values_list("probability_method", flat=True))) == 3
    assert not Team.objects.filter(manager=None).exists()
    assert SalesCycleStage.objects.filter(requires_quote=True).count() == 1
    assert SalesCycleStage.objects.filter(allows_skip=True).exists()
    assert ActivityStep.objects.exclude(due_in="").exists()
    assert set(Opportunity.objects.values_list("status", flat=True)) == set(Status)
    assert list(ledger.verify(Opportunity.objects.all())) == []
    by = set(OpportunityEntry.objects.values_list("recorded_by__email", flat=True))
    assert by <= {seller.email for seller in SELLERS}
    assert len(by) > 5
    recorded = set(OpportunityEntry.objects.values_list("action", flat=True))
    assert {Action.CREATED, Action.STARTED, Action.NEXT, Action.SKIPPED, Action.UPDATED} <= recorded
    assert {Action.REASSIGNED, Action.WON, Action.LOST} <= recorded
    for model in (
        Contact,
        Salesperson,
        Team,
        SalesCycle,
        SalesCycleStage,
        Activity,
        CloseReason,
        IndustryGroup,
    ):
        for row in model.objects.all():
            row.full_clean()  # as a form would


def test_people_speak_and_colleagues_have_a_say():
    make(60)

    assert set(Interaction.objects.values_list("kind", flat=True)) == set(InteractionKind)
    assert OpportunityContact.objects.exists()
    for involved in OpportunityContact.objects.select_related("opportunity", "contact"):
        assert involved.contact.company_id == involved.opportunity.company_id
    for said in Interaction.objects.select_related("opportunity"):
        assert said.opportunity.created_on <= said.happened_on <= today()


def test_most_is_done_something_is_ahead_and_somebody_is_late():
    make(120)

    tasks, open_ones = Task.objects.all(), Task.objects.open()
    assert set(tasks.values_list("status", flat=True)) == set(TaskStatus)
    assert set(open_ones.values_list("kind", flat=True)) == set(TaskKind)
    assert tasks.exclude(status=TaskStatus.OPEN).count() > 3 * open_ones.count()
    assert open_ones.overdue(timezone.now()).exists()
    assert open_ones.exclude(team=None).exists()
    assert open_ones.exclude(repeats="").exists()
    assert open_ones.exclude(due_time=None).exists()
    assert not open_ones.filter(opportunity__status__in=[Status.WON, Status.LOST]).exists()
    assert tasks.filter(kind=TaskKind.CALL, outcome__kind=InteractionKind.CALL).exists()
    assert not tasks.filter(closed_at__lt=F("created_at")).exists()
    assert not tasks.filter(closed_at__gt=timezone.now()).exists()
    for task in tasks.select_related("made_by__stage", "cancelled_by"):
        task.full_clean()  # as a form would
        if task.made_by is not None:
            assert task.made_by.stage.activity_id == task.activity_id
            assert task.made_by.opportunity_id == task.opportunity_id
        assert (task.cancelled_by is None) == (task.status != TaskStatus.CANCELLED)
    running = Opportunity.objects.filter(status=Status.IN_PROGRESS)
    assert running.filter(without_next_step()).count() < 0.3 * running.count()


def test_the_whole_plan_has_a_next_step_for_most_of_what_is_open_and_not_for_all():
    plan = make_plan(today())
    last = {event.deal: event.kind for event in plan.events}
    running = {deal for deal, kind in last.items() if kind not in ("create", "won", "lost", "undo")}

    planned = list(errands(plan, today()))

    ahead = {errand.deal for errand in planned if errand.status == TaskStatus.OPEN}
    assert 0.03 < len(running - ahead) / len(running) < 0.25
    late = [errand for errand in planned if errand.status == TaskStatus.OPEN and errand.due_on < today()]
    assert 10 < len(late) < 100


def test_the_whole_plan_is_as_large_and_as_varied_as_promised():
    plan = make_plan(today())
    assert len(plan.deals) == OPPORTUNITIES == 1_200
    assert len(plan.parties) == CONTACTS == 400
    kinds = Counter(event.kind for event in plan.events)
    assert {"create", "start", "move", "skip", "back", "revise", "reassign", "contact", "won", "lost"} <= set(
        kinds
    )
    assert kinds["reopen"] > 5
    assert kinds["undo"] > 5
    assert 0.35 < kinds["won"] / (kinds["won"] + kinds["lost"]) < 0.55
    busiest = Counter(deal.seller for deal in plan.deals).most_common(5)
    assert sum(number for _seller, number in busiest) > 0.4 * len(plan.deals)
    assert (today() - plan.events[0].on).days > 500
    assert (today() - plan.events[-1].on).days <= 3
    last = {event.deal: event for event in plan.events}
    running = [event for event in last.values() if event.kind not in ("create", "won", "lost")]
    assert sum(event.closes_on is not None and event.closes_on < today() for event in running) > 5  # overdue
    assert sum((today() - event.on).days > 60 for event in running) > 5  # stale
    created = [event for event in last.values() if event.kind == "create"]
    assert any(event.value is None for event in created)


@pytest.mark.parametrize("day", ["2024-02-29", "2026-01-01", "2026-03-22"])  # a leap day, a holiday, a Sunday
def test_it_can_be_made_on_any_day(day):
    with time_machine.travel(f"{day} 12:00", tick=False):
        make()
        assert list(ledger.verify(Opportunity.objects.all())) == []
        assert Opportunity.objects.count() == SIZE


@time_machine.travel("2026-03-23 12:00", tick=False)
def test_the_same_day_gives_the_same_demo():
    make()
    first = story()
    clear.clear()
    make()
    assert story() == first


def test_it_is_made_whole_or_not_at_all(monkeypatch):
    calls = iter(range(10_000))
    move = operations.move

    def break_down(**kwargs):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return move(**kwargs)

    monkeypatch.setattr(operations, "move", break_down)
    before = everything()
    with pytest.raises(KeyboardInterrupt):
        make()
    assert everything() == before
    monkeypatch.undo()
    assert "The demo is made" in demo(size=SIZE)


def test_it_refuses_a_database_in_use_unless_forced():
    opportunity = OpportunityFactory()
    with pytest.raises(CommandError, match=r"may be in use.*--force"):
        demo(size=SIZE)
    assert list(Opportunity.objects.all()) == [opportunity]
    demo("--force", size=SIZE)
    assert Opportunity.objects.count() == SIZE + 1


def test_it_refuses_when_its_codes_are_taken():
    Team.objects.create(code="DACH", name="Ours")
    with pytest.raises(CommandError, match="team DACH"):
        demo(size=SIZE)
    assert not Salesperson.objects.exists()


def test_it_leaves_set_up_that_serves_as_well():
    reason = CloseReason.objects.create(code="PRICE", outcome="LOST", description="Ours")
    make()
    clear.clear()
    assert list(CloseReason.objects.filter(code="PRICE")) == [reason]


def test_it_refuses_a_close_reason_of_the_other_outcome():
    CloseReason.objects.create(code="PRICE", outcome="WON", description="Ours")
    with pytest.raises(CommandError, match="PRICE"):
        demo(size=SIZE)
    assert not Salesperson.objects.exists()


def test_another_default_cycle_stays_the_default():
    SalesCycle.objects.create(code="OURS", description="Ours", is_default=True)
    make()
    assert SalesCycle.objects.get(is_default=True).code == "OURS"


@pytest.mark.parametrize("size", [0, -5, 10**9])
def test_it_refuses_an_absurd_size(size):
    with pytest.raises(CommandError, match="--size"):
        demo(size=size)


def test_a_second_time_changes_nothing():
    demo(size=SIZE)
    before = everything()
    assert "already there" in demo()
    assert everything() == before


# Signing in ------------------------------------------------------------------------------------------------------


def test_the_sign_ins_are_told_and_work(client):
    printed = demo(size=SIZE)
    assert demo("--sign-ins") in printed
    roles = {
        "Salesperson": Role.SALESPERSON,
        "Sales manager": Role.SALES_MANAGER,
        "Viewer": Role.VIEWER,
    }
    for role, email in SIGN_INS:
        assert f"{email}" in printed
        user = User.objects.get(email=email)
        assert user.check_password(PASSWORD)
        assert user.is_superuser == (role == "Administrator")
        assert user.role_names == ({roles[role]} if role in roles else set())
    open_doors = [user.email for user in User.objects.all() if user.has_usable_password()]
    assert sorted(open_doors) == sorted(email for _role, email in SIGN_INS)


def test_no_sign_ins_are_told_without_a_demo():
    UserFactory(email="admin@demo.example")
    assert demo("--sign-ins") == ""


def test_a_sign_in_with_another_password_is_not_told():
    make()
    user = User.objects.get(email=SIGN_INS[0][1])
    user.set_password("something else")
    user.save()
    assert user.email not in demo("--sign-ins")


# Clearing --------------------------------------------------------------------------------------------------------


def test_clearing_leaves_every_table_as_it_was():
    OpportunityFactory()
    LogEntry.objects.create(user=UserFactory(), action_flag=2, object_repr="ours", change_message="[]")
    before = everything()
    make()
    assert everything() != before
    cleared = clear.clear()
    assert everything() == before
    assert cleared.kept == []
    assert cleared.removed["opportunities"] == SIZE


def test_clearing_an_operator_who_was_there_leaves_the_operator():
    operator = User.objects.for_commands()
    make()
    clear.clear()
    assert list(User.objects.all()) == [operator]


def test_clearing_twice_is_no_mistake():
    make()
    assert "The demo is gone." in demo("--clear")
    assert "no demo" in demo("--clear")


def test_clearing_when_it_was_interrupted_finishes(monkeypatch):
    before = everything()
    make()
    monkeypatch.setattr(clear, "BATCH", 8)
    batches = iter(range(10))
    delete = clear._clear_opportunities

    def break_down(*arguments):
        if next(batches) == 1:
            raise KeyboardInterrupt
        delete(*arguments)

    monkeypatch.setattr(clear, "_clear_opportunities", break_down)
    with pytest.raises(KeyboardInterrupt):
        clear.clear()
    assert Opportunity.objects.count() == SIZE - 8
    assert "already there" in demo()
    monkeypatch.undo()
    clear.clear()
    assert everything() == before


def kept_rows(cleared) -> dict[type[Model], set[int]]:
    found: dict[type[Model], set[int]] = {}
    for row, _why in cleared.kept:
        found.setdefault(type(row), set()).add(row.pk)
    return found


def test_what_people_added_stays_with_what_it_needs():
    make()
    person = Contact.objects.filter(company__isnull=False)[0]
    seller = Salesperson.objects.get(code="MATS")
    cycle = SalesCycle.objects.get(code="NEW")
    own = OpportunityFactory(
        contact=person,
        salesperson=seller,
        cycle=cycle,
        by=User.objects.get(email=SIGN_INS[0][1]),
        started=True,
    )
    printed = demo("--clear")
    own.refresh_from_db()
    assert list(Opportunity.objects.all()) == [own]
    assert list(ledger.verify(Opportunity.objects.all())) == []
    assert list(SalesCycle.objects.all()) == [cycle]
    assert cycle.stages.count() == 5  # half a cycle would be of no use
    assert own.contact == person
    assert set(Contact.objects.all()) == {person, person.company}
    assert seller in Salesperson.objects.all()
    assert Salesperson.objects.count() < 6  # also the manager of the team, and who looks after the contact
    assert "Kept: 2 contacts" in printed
    assert "used by a" in printed
    user = User.objects.get(email=SIGN_INS[0][1])
    assert f"{user.email} stays" in printed
    assert not user.is_active
    assert not user.check_password(PASSWORD)
    # the rest follows as soon as nothing needs it any more
    with pytest.raises(CommandError, match="Parts of an earlier demo"):
        demo()
    operations.close(
        opportunity=own,
        outcome="LOST",
        reason=CloseReason.objects.create(code="MINE", outcome="LOST", description="Mine"),
        by=user,
        on=today(),
    )
    operations.delete(opportunity=own, by=UserFactory(), on=today())
    demo("--clear")
    assert not Contact.objects.exists()
    assert not Salesperson.objects.exists()


def test_a_demo_opportunity_that_somebody_worked_on_stays():
    make()
    opportunity = Opportunity.objects.filter(status=Status.IN_PROGRESS)[0]
    operations.revise(
        opportunity=opportunity,
        estimate=operations.Estimate(opportunity.estimated_value + 1, opportunity.chance_percent, today()),
        by=User.objects.get(email=SIGN_INS[3][1]),
        on=today(),
    )
    cleared = clear.clear()
    assert list(Opportunity.objects.all()) == [opportunity]
    assert (opportunity, "changed since") in [(row, why) for row, why in cleared.kept]
    assert list(ledger.verify(Opportunity.objects.all())) == []


def test_a_demo_opportunity_stays_when_somebody_did_a_task_of_it():
    make()
    task = Task.objects.open().exclude(opportunity=None).order_by("pk")[0]
    complete_task(task=task, by=task.created_by, outcome="They said yes.")

    cleared = clear.clear()

    assert list(Opportunity.objects.all()) == [task.opportunity]
    assert Task.objects.filter(pk=task.pk, status=TaskStatus.DONE).exists()
    assert "task" in {str(kept.row._meta.verbose_name) for kept in cleared.kept}


def test_a_demo_opportunity_with_another_description_stays():
    make()
    opportunity = Opportunity.objects.all()[3]
    operations.describe(
        opportunity=opportunity,
        description="Mine now",
        by=UserFactory(),
    )
    clear.clear()
    assert [row.description for row in Opportunity.objects.all()] == ["Mine now"]


def test_demo_rows_that_somebody_changed_stay():
    make()
    lone = Contact.objects.filter(kind="PERSON", company=None)[0]
    lone.city = "Elsewhere"
    lone.save()
    stage = SalesCycleStage.objects.get(description="Shortlisted")
    stage.chance_percent = 77
    stage.save()
    kept = kept_rows(clear.clear())
    assert kept[Contact] == {lone.pk}
    assert kept[SalesCycle] == {stage.cycle_id}
    assert len(kept[SalesCycleStage]) == 5
    assert Activity.objects.count() == len(kept[Activity]) == 3  # those that the stages name
    assert not Opportunity.objects.exists()
    assert not CloseReason.objects.exists()


def test_a_stage_that_somebody_added_keeps_its_cycle():
    make()
    cycle = SalesCycle.objects.get(code="EXISTING")
    SalesCycleStageFactory(cycle=cycle, position=99)
    clear.clear()
    assert list(SalesCycle.objects.all()) == [cycle]
    assert cycle.stages.count() == 4


def test_a_group_that_an_own_contact_is_in_stays():
    make()
    group = IndustryGroup.objects.get(code="FOOD")
    own = PersonFactory()
    own.industry_groups.add(group)
    clear.clear()
    assert list(own.industry_groups.all()) == [group]
    assert list(IndustryGroup.objects.all()) == [group]


def test_a_sign_in_that_somebody_made_their_own_stays_open():
    make()
    user = User.objects.get(email="admin@demo.example")
    user.set_password("my own from now on")
    user.save()
    cleared = clear.clear()
    user.refresh_from_db()
    assert user.is_active
    assert user.check_password("my own from now on")
    assert cleared.closed_sign_ins == []
    assert user in [row for row, _why in cleared.kept]


def test_who_wrote_lines_of_the_change_log_about_other_things_stays():
    make()
    user = User.objects.get(email="admin@demo.example")
    line = LogEntry.objects.create(user=user, action_flag=2, object_repr="ours", change_message="[]")
    cleared = clear.clear()
    assert list(LogEntry.objects.filter(user=user)) == [line]
    assert cleared.closed_sign_ins == [user.email]


def test_demo_rows_that_somebody_deleted_are_no_trouble():
    make()
    opportunity = Opportunity.objects.exclude(status=Status.IN_PROGRESS)[0]
    operations.delete(opportunity=opportunity, by=User.objects.get(email="admin@demo.example"), on=today())
    clear.clear()
    assert not manifest.is_there()
    assert not LogEntry.objects.exists()


def test_a_demo_that_changes_while_it_is_cleared_is_left_for_the_next_time(monkeypatch):
    make()
    census = clear._Census

    class Meanwhile(census):
        def __init__(self):
            super().__init__()
            opportunity = Opportunity.objects.order_by("pk")[0]
            operations.describe(opportunity=opportunity, description="Mine now", by=UserFactory())

    monkeypatch.setattr(clear, "_Census", Meanwhile)
    with pytest.raises(CommandError, match="Run demo --clear again"):
        demo("--clear")
    monkeypatch.undo()
    demo("--clear")
    assert [row.description for row in Opportunity.objects.all()] == ["Mine now"]


def test_quiet_says_nothing():
    demo(size=SIZE, verbosity=0)
    assert demo("--clear", verbosity=0) == ""
