"""The shortest valid objects, and opportunities brought to their states by the operations."""

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from activities.models import (
    Activity,
    ActivityStep,
    Attachment,
    CalendarFeed,
    Email,
    Interaction,
    Notice,
    Task,
    TaskStatus,
    due_instant,
)
from contacts.models import Contact, ContactKind, ContactMerge, IndustryGroup
from crm.dates import today
from opportunities import operations
from opportunities.models import (
    Batch,
    BatchAction,
    BatchItem,
    CloseReason,
    ContactRole,
    Opportunity,
    OpportunityContact,
    Outcome,
    SavedView,
    ViewPlace,
)
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Role, Salesperson, Team, User, group_of


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    name = factory.Sequence(lambda n: f"User {n}")

    @factory.post_generation
    def role(self, create, role):
        if role:
            self.groups.add(group_of(role))


class TeamFactory(DjangoModelFactory):
    class Meta:
        model = Team

    code = factory.Sequence(lambda n: f"T{n}")
    name = factory.Sequence(lambda n: f"Team {n}")


class SalespersonFactory(DjangoModelFactory):
    class Meta:
        model = Salesperson

    code = factory.Sequence(lambda n: f"SP{n}")
    name = factory.Sequence(lambda n: f"Salesperson {n}")


def user_with_role(role=None, **fields):
    """A user in a role; a salesperson's user also has the salesperson."""
    user = UserFactory(role=role, **fields)
    if role == Role.SALESPERSON:
        SalespersonFactory(user=user, name=user.name)
    return user


class IndustryGroupFactory(DjangoModelFactory):
    class Meta:
        model = IndustryGroup

    code = factory.Sequence(lambda n: f"IG{n}")
    description = factory.Sequence(lambda n: f"Industry {n}")


class CompanyFactory(DjangoModelFactory):
    class Meta:
        model = Contact

    kind = ContactKind.COMPANY
    name = factory.Sequence(lambda n: f"Company {n}")


class PersonFactory(DjangoModelFactory):
    class Meta:
        model = Contact

    kind = ContactKind.PERSON
    first_name = "Ann"
    last_name = factory.Sequence(lambda n: f"Peeters {n}")
    name = factory.LazyAttribute(lambda person: f"{person.first_name} {person.last_name}")


class ContactMergeFactory(DjangoModelFactory):
    class Meta:
        model = ContactMerge

    kept = factory.SubFactory(CompanyFactory)
    merged = factory.SubFactory(CompanyFactory)
    made_by = factory.SubFactory(UserFactory)


class ActivityFactory(DjangoModelFactory):
    class Meta:
        model = Activity

    code = factory.Sequence(lambda n: f"A{n}")
    description = factory.Sequence(lambda n: f"Activity {n}")


class ActivityStepFactory(DjangoModelFactory):
    class Meta:
        model = ActivityStep

    activity = factory.SubFactory(ActivityFactory)
    position = factory.Sequence(lambda n: n + 1)
    description = factory.Sequence(lambda n: f"Step {n}")


class InteractionFactory(DjangoModelFactory):
    class Meta:
        model = Interaction

    text = "Called, and will call again."
    happened_on = factory.LazyFunction(today)
    contact = factory.SubFactory(CompanyFactory)
    recorded_by = factory.SubFactory(UserFactory)


class TaskFactory(DjangoModelFactory):
    """An open task, due at the end of today."""

    class Meta:
        model = Task

    description = factory.Sequence(lambda n: f"Task {n}")
    due_on = factory.LazyFunction(today)
    time_zone = "Europe/Brussels"
    due_at = factory.LazyAttribute(
        lambda task: due_instant(task.due_on, getattr(task, "due_time", None), ZoneInfo(task.time_zone))
    )
    salesperson = factory.SubFactory(SalespersonFactory)
    created_by = factory.SubFactory(UserFactory)
    changed_at = factory.LazyFunction(timezone.now)

    class Params:
        closed = factory.Trait(
            status=TaskStatus.DONE,
            closed_at=factory.LazyFunction(timezone.now),
            closed_by=factory.SelfAttribute("created_by"),
        )
        for_team = factory.Trait(salesperson=None, team=factory.SubFactory(TeamFactory))


class EmailFactory(DjangoModelFactory):
    class Meta:
        model = Email

    message_key = factory.Sequence(lambda n: f"{n:064d}")
    sender = "ann@acme.example"
    subject = factory.Sequence(lambda n: f"Message {n}")
    text = "When can you come by?"
    sent_at = factory.LazyFunction(timezone.now)


class AttachmentFactory(DjangoModelFactory):
    class Meta:
        model = Attachment

    interaction = factory.SubFactory(InteractionFactory)
    name = "offer.pdf"
    size = 8
    file = factory.django.FileField(data=b"%PDF-1.7")
    added_by = factory.SubFactory(UserFactory)


class CalendarFeedFactory(DjangoModelFactory):
    class Meta:
        model = CalendarFeed

    user = factory.SubFactory(UserFactory)
    key_hash = factory.Sequence(lambda n: f"{n:064d}")
    made_at = factory.LazyFunction(timezone.now)


class NoticeFactory(DjangoModelFactory):
    class Meta:
        model = Notice

    user = factory.SubFactory(UserFactory)
    key = factory.Sequence(lambda n: f"task {n}")
    claimed_at = factory.LazyFunction(timezone.now)


class SalesCycleFactory(DjangoModelFactory):
    class Meta:
        model = SalesCycle

    code = factory.Sequence(lambda n: f"SC{n}")
    description = factory.Sequence(lambda n: f"Cycle {n}")


class SalesCycleStageFactory(DjangoModelFactory):
    class Meta:
        model = SalesCycleStage

    cycle = factory.SubFactory(SalesCycleFactory)
    position = factory.Sequence(lambda n: n + 1)
    description = factory.Sequence(lambda n: f"Stage {n}")
    completed_percent = Decimal(20)
    chance_percent = Decimal(40)


class CloseReasonFactory(DjangoModelFactory):
    class Meta:
        model = CloseReason

    code = factory.Sequence(lambda n: f"CR{n}")
    outcome = Outcome.WON
    description = factory.Sequence(lambda n: f"Reason {n}")


def cycle_with_stages(*names, **fields):
    """A cycle whose stages stand at 10, 20, 30 …, completed 20, 40, 60 … %, with a chance of 50 %."""
    cycle = SalesCycleFactory(**fields)
    for index, name in enumerate(names, start=1):
        SalesCycleStageFactory(
            cycle=cycle,
            position=index * 10,
            description=name,
            completed_percent=Decimal(min(index * 20, 100)),
            chance_percent=Decimal(50),
            close_in="1M",
        )
    return cycle


class OpportunityFactory(factory.Factory):
    """An opportunity made by the operations: Not started, or with ``started=True`` in its first stage."""

    class Meta:
        model = Opportunity

    description = factory.Sequence(lambda n: f"Opportunity {n}")
    contact = factory.SubFactory(CompanyFactory)
    salesperson = factory.SubFactory(SalespersonFactory)
    cycle = factory.LazyFunction(lambda: cycle_with_stages("Qualify", "Present", "Propose"))
    by = factory.SubFactory(UserFactory)
    on = factory.LazyFunction(today)
    started = False
    value = Decimal(10_000)

    @classmethod
    def _create(cls, model_class, *, started, value, **fields):
        opportunity = operations.create(**fields).opportunity
        if started:
            by, on = fields["by"], fields["on"]
            offered = operations.offered_estimate(
                opportunity, operations.reachable_stages(opportunity)[0], on
            )
            operations.start(
                opportunity=opportunity,
                estimate=operations.Estimate(value, offered.chance_percent, offered.closes_on),
                by=by,
                on=on,
            )
        return opportunity


def won_opportunity(*, amount=Decimal(9_000), on: date | None = None, **fields):
    """A started opportunity, closed as won."""
    opportunity = OpportunityFactory(started=True, **({"on": on} if on else {}), **fields)
    operations.close(
        opportunity=opportunity,
        outcome=Outcome.WON,
        reason=CloseReasonFactory(outcome=Outcome.WON),
        amount=amount,
        by=opportunity.entries.newest_first()[0].recorded_by,
        on=opportunity.changed_on,
    )
    return opportunity


def lost_opportunity(*, on: date | None = None, **fields):
    """A started opportunity, closed as lost."""
    opportunity = OpportunityFactory(started=True, **({"on": on} if on else {}), **fields)
    operations.close(
        opportunity=opportunity,
        outcome=Outcome.LOST,
        reason=CloseReasonFactory(outcome=Outcome.LOST),
        by=opportunity.entries.newest_first()[0].recorded_by,
        on=opportunity.changed_on,
    )
    return opportunity


class OpportunityContactFactory(DjangoModelFactory):
    class Meta:
        model = OpportunityContact

    opportunity = factory.SubFactory(OpportunityFactory)
    contact = factory.SubFactory(PersonFactory)
    role = ContactRole.USER


class SavedViewFactory(DjangoModelFactory):
    class Meta:
        model = SavedView

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"View {n}")
    query = "status=WON"


class ViewPlaceFactory(DjangoModelFactory):
    class Meta:
        model = ViewPlace

    user = factory.SubFactory(UserFactory)
    view = factory.SubFactory(SavedViewFactory)


class BatchFactory(DjangoModelFactory):
    class Meta:
        model = Batch

    action = BatchAction.REASSIGN
    salesperson = factory.SubFactory(SalespersonFactory)
    made_by = factory.SubFactory(UserFactory)


class BatchItemFactory(DjangoModelFactory):
    class Meta:
        model = BatchItem

    batch = factory.SubFactory(BatchFactory)
    opportunity = factory.SubFactory(OpportunityFactory)
