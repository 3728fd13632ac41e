"""The demo as rows: the plan of ``history`` carried out, every opportunity through the operations.

Tasks are the exception: thousands of them are behind somebody, so they are written at once as they are now, each with
the ledger entry that it came with or was cancelled with, as the operations would have left them one by one.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Model
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from activities.models import Activity, ActivityStep, Interaction, Task, TaskKind, TaskPriority
from activities.operations import KIND_OF_OUTCOME
from contacts.models import Contact, IndustryGroup
from crm.dates import today
from crm.progress import Advance, no_progress
from opportunities import operations
from opportunities.demo import manifest
from opportunities.demo.errands import Errand, errands
from opportunities.demo.history import OPPORTUNITIES, Deal, Event, Party, Plan, make_plan
from opportunities.demo.setup import (
    ACTIVITIES,
    ADMINISTRATOR,
    CYCLES,
    LEAVER,
    MANAGERS,
    PASSWORD,
    REASONS,
    SELLERS,
    SIGN_INS,
    TEAMS,
    VIEWER,
)
from opportunities.demo.talk import parts, sayings
from opportunities.demo.words import INDUSTRIES
from opportunities.models import CloseReason, Opportunity, OpportunityContact, OpportunityEntry, Outcome
from opportunities.operations import Estimate
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Role, Salesperson, Team, User, group_of


class DemoRefused(Exception):
    """The demo cannot be made here; the text says why and what to do."""


def make_the_plan(opportunities: int = OPPORTUNITIES) -> Plan:
    """What ``build`` will make today."""
    return make_plan(today(), opportunities=opportunities)


def build(plan: Plan, *, advance: Advance = no_progress) -> None:
    """Make the whole demo in one transaction, so that it is there or not; ``advance`` hears of every event.

    Raises ``DemoRefused`` when a code or an e-mail address of the demo is taken.
    """
    with transaction.atomic():
        _check_free()
        _Builder(plan).build(advance)


def sign_ins() -> list[tuple[str, str, str]]:
    """Role, e-mail address and password of the demo's sign-ins that still work with it."""
    if not manifest.is_there():
        return []
    users = {user.email: user for user in User.objects.filter(email__in=[email for _role, email in SIGN_INS])}
    return [
        (role, email, PASSWORD)
        for role, email in SIGN_INS
        if email in users and users[email].is_active and users[email].check_password(PASSWORD)
    ]


def _check_free() -> None:
    """Refuse to stand in somebody's way."""
    emails = [seller.email for seller in SELLERS] + [VIEWER[0], ADMINISTRATOR[0]]
    wanted: list[tuple[Any, str, list[str]]] = [
        (User, "email", emails),
        (Salesperson, "code", [seller.code for seller in SELLERS]),
        (Team, "code", [team[0] for team in TEAMS]),
        (SalesCycle, "code", [cycle.code for cycle in CYCLES]),
        (Activity, "code", [activity[0] for activity in ACTIVITIES]),
    ]
    taken = [
        f"{model._meta.verbose_name} {value}"
        for model, field, values in wanted
        for value in model.objects.filter(**{f"{field}__in": values}).values_list(field, flat=True)
    ]
    if taken:
        raise DemoRefused(
            _("The demo needs these for itself, but they are taken: %(taken)s. Use an empty database.")
            % {"taken": ", ".join(taken)}
        )


class _Builder:
    """Carries out one plan and keeps what it made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.made: dict[type[Model], list[int]] = {model: [] for model in manifest.WATCHED}
        self.sellers: dict[str, Salesperson] = {}
        self.users: dict[str, User] = {}
        self.cycles: dict[str, SalesCycle] = {}
        self.stages: dict[str, list[SalesCycleStage]] = {}
        self.reasons: dict[str, CloseReason] = {}
        self.industries: dict[str, IndustryGroup] = {}
        self.contacts: list[Contact] = []
        self.opportunities: dict[int, Opportunity] = {}
        self.entries: list[int] = []  # by the place of their event
        self.activities: dict[str, Activity] = {}
        self.teams: dict[str, Team] = {}

    def build(self, advance: Advance) -> None:
        operator = self._operator()
        self._make_people()
        self._make_cycles()
        self._make_reasons()
        for party in self.plan.parties:
            self._make_contact(party)
        for event in self.plan.events:
            self.entries.append(self._carry_out(event).pk)
            advance(1)
        self._say()
        self._plan_tasks()
        self._involve()
        Salesperson.objects.filter(code=LEAVER).update(is_blocked=True)
        self._block_for_privacy()
        self.made[Opportunity] = [opportunity.pk for opportunity in self.opportunities.values()]
        manifest.write_down(self.made, operator)

    def _operator(self) -> User:
        there = set(User.objects.values_list("pk", flat=True))
        operator = User.objects.for_commands()
        if operator.pk not in there:
            self.made[User].append(operator.pk)
        return operator

    def _keep(self, row: Any) -> Any:
        """Check a new row as a form would, save it, and remember that it is the demo's."""
        row.full_clean()
        row.save()
        self.made[type(row)].append(row.pk)
        return row

    def _or_the_one_there(self, model: Any, code: str, **fields: Any) -> Any:
        """A row with that code that somebody has made serves as well."""
        there = model.objects.filter(code=code).first()
        return there or self._keep(model(code=code, **fields))

    # People

    def _make_people(self) -> None:
        self.teams = {code: self._keep(Team(code=code, name=name)) for code, name, *_rest in TEAMS}
        managers = set(MANAGERS.values())
        for seller in SELLERS:
            role = Role.SALES_MANAGER if seller.code in managers else Role.SALESPERSON
            user = self._make_user(seller.email, seller.name, role)
            self.users[seller.code] = user
            self.sellers[seller.code] = self._keep(
                Salesperson(
                    code=seller.code,
                    name=seller.name,
                    job_title=seller.job_title,
                    email=seller.email,
                    team=self.teams[seller.team],
                    user=user,
                )
            )
        for code, manager in MANAGERS.items():
            Team.objects.filter(code=code).update(manager=self.sellers[manager])
        self._make_user(*VIEWER, Role.VIEWER)
        self._make_user(*ADMINISTRATOR, None)

    def _make_user(self, email: str, name: str, role: Role | None) -> User:
        """A sign-in; only those that are told have the demo's password, the others none."""
        user = User(email=email, name=name, is_staff=role is None, is_superuser=role is None)
        user.set_password(PASSWORD if email in [known for _role, known in SIGN_INS] else None)
        self._keep(user)
        if role is not None:
            user.groups.add(group_of(role))
        return user

    # Set-up tables

    def _make_cycles(self) -> None:
        for code, description, steps in ACTIVITIES:
            self.activities[code] = self._keep(Activity(code=code, description=description))
            for position, (kind, text, due_in) in enumerate(steps, start=1):
                self._keep(
                    ActivityStep(
                        activity=self.activities[code],
                        position=position * 10,
                        kind=kind,
                        description=text,
                        priority=TaskPriority.NORMAL,
                        due_in=due_in,
                    )
                )
        no_default = not SalesCycle.objects.filter(is_default=True).exists()
        for cycle in CYCLES:
            row = self._keep(
                SalesCycle(
                    code=cycle.code,
                    description=cycle.description,
                    probability_method=cycle.method,
                    is_default=no_default and cycle is CYCLES[0],
                )
            )
            self.cycles[cycle.code] = row
            self.stages[cycle.code] = [
                self._keep(
                    SalesCycleStage(
                        cycle=row,
                        position=position * 10,
                        description=stage.description,
                        completed_percent=stage.completed,
                        chance_percent=stage.chance,
                        close_in=stage.close_in,
                        requires_quote=stage.requires_quote,
                        allows_skip=stage.allows_skip,
                        activity=self.activities.get(stage.activity),
                    )
                )
                for position, stage in enumerate(cycle.stages, start=1)
            ]

    def _make_reasons(self) -> None:
        for code, outcome, description, _weight in REASONS:
            reason = self._or_the_one_there(CloseReason, code, outcome=outcome, description=description)
            if reason.outcome != outcome or not reason.is_active:
                raise DemoRefused(
                    _("The demo needs the close reason %(code)s for itself. Use an empty database.")
                    % {"code": code}
                )
            self.reasons[code] = reason
        for code, (description, _trades) in INDUSTRIES.items():
            self.industries[code] = self._or_the_one_there(IndustryGroup, code, description=description)

    def _make_contact(self, party: Party) -> None:
        contact = Contact(
            kind=party.kind,
            name=party.name,
            first_name=party.first_name,
            last_name=party.last_name,
            company=None if party.company is None else self.contacts[party.company],
            salesperson=self.sellers[party.seller],
            job_title=party.job_title,
            email=party.email,
            phone=party.phone,
            mobile=party.mobile,
            website=party.website,
            address=party.address,
            postcode=party.postcode,
            city=party.city,
            country=party.country,
            language=party.language,
        )
        contact.save()  # full_clean would ask the database five questions for every one of them; a test asks once
        contact.industry_groups.set([self.industries[code] for code in party.industries])
        self.made[Contact].append(contact.pk)
        self.contacts.append(contact)

    def _block_for_privacy(self) -> None:
        blocked = [
            contact.pk
            for contact, party in zip(self.contacts, self.plan.parties, strict=True)
            if party.is_privacy_blocked
        ]
        Contact.objects.filter(pk__in=blocked).update(is_privacy_blocked=True)

    # History

    def _carry_out(self, event: Event) -> OpportunityEntry:
        """One event, one operation."""
        by = self.users[event.by]
        if event.kind == "create":
            created = self._create(self.plan.deals[event.deal], event, by)
            self.opportunities[event.deal] = created.opportunity
            return created
        opportunity = self.opportunities[event.deal]
        ask: dict[str, Any] = {"opportunity": opportunity, "by": by, "on": event.on, "note": event.note}
        act: dict[str, Callable[[], OpportunityEntry]] = {
            "start": lambda: operations.start(estimate=_estimate(event), tasks=(), **ask),
            "revise": lambda: operations.revise(estimate=_estimate(event), **ask),
            "reassign": lambda: operations.reassign(salesperson=self.sellers[event.seller], **ask),
            "contact": lambda: operations.reassign(contact=self.contacts[event.contact or 0], **ask),
            "won": lambda: self._close(event, Outcome.WON, ask),
            "lost": lambda: self._close(event, Outcome.LOST, ask),
            "reopen": lambda: operations.reopen(**ask),
            "undo": lambda: operations.undo(**ask),
            **dict.fromkeys(("move", "skip", "back"), lambda: self._move(event, ask)),
        }
        return act[event.kind]()

    def _create(self, deal: Deal, event: Event, by: User) -> OpportunityEntry:
        return operations.create(
            description=deal.description,
            contact=self.contacts[deal.contact],
            salesperson=self.sellers[deal.seller],
            cycle=self.cycles[deal.cycle],
            priority=deal.priority,
            estimate=_estimate(event),
            by=by,
            on=event.on,
            note=event.note,
        )

    def _move(self, event: Event, ask: dict[str, Any]) -> OpportunityEntry:
        stages = self.stages[self.plan.deals[event.deal].cycle]
        return operations.move(to=stages[event.stage], estimate=_estimate(event), tasks=(), **ask)

    def _close(self, event: Event, outcome: Outcome, ask: dict[str, Any]) -> OpportunityEntry:
        amount: Decimal | None = event.amount
        return operations.close(outcome=outcome, reason=self.reasons[event.reason], amount=amount, **ask)

    # What is said, and who has a say

    def _say(self) -> None:
        said = Interaction.objects.bulk_create(
            [
                Interaction(
                    kind=saying.kind,
                    text=saying.text,
                    happened_on=saying.on,
                    opportunity=self.opportunities[saying.deal],
                    contact=self.opportunities[saying.deal].contact,
                    recorded_by=self.users[saying.by],
                )
                for saying in sayings(self.plan)
            ]
        )
        self.made[Interaction] = [row.pk for row in said]

    # What there is to do

    def _plan_tasks(self) -> None:
        """Write all tasks at once, with what came of them."""
        planned = list(errands(self.plan, today()))
        outcomes = self._note_outcomes(planned)
        tasks = [self._task(errand, outcomes.get(place)) for place, errand in enumerate(planned)]
        self.made[Task] = [task.pk for task in Task.objects.bulk_create(tasks, batch_size=manifest.BATCH)]
        for batch in manifest.batches(self.made[Task]):
            rows = Task.objects.filter(pk__in=batch)
            rows.update(created_at=F("changed_at"))  # nobody closed anything before it was there
            rows.update(changed_at=Coalesce("closed_at", "created_at"))

    def _note_outcomes(self, planned: list[Errand]) -> dict[int, Interaction]:
        """What came of some of them, by their place."""
        outcomes = {
            place: Interaction(
                kind=KIND_OF_OUTCOME[TaskKind(errand.kind)],
                text=errand.outcome,
                happened_on=errand.closed_on or errand.due_on,
                opportunity=self.opportunities[errand.deal or 0],
                contact=self.opportunities[errand.deal or 0].contact,
                recorded_by=self.users[errand.seller],
            )
            for place, errand in enumerate(planned)
            if errand.outcome
        }
        noted = Interaction.objects.bulk_create(outcomes.values())
        self.made[Interaction] += [row.pk for row in noted]
        return outcomes

    def _task(self, errand: Errand, outcome: Interaction | None) -> Task:
        opportunity = None if errand.deal is None else self.opportunities[errand.deal]
        contact = opportunity.contact if opportunity else None
        doer = self.users[errand.seller or MANAGERS[errand.team]]
        task = Task(
            kind=errand.kind,
            description=errand.description,
            priority=errand.priority,
            status=errand.status,
            salesperson=self.sellers.get(errand.seller),
            team=self.teams.get(errand.team),
            contact=contact if errand.party is None else self.contacts[errand.party],
            opportunity=opportunity,
            activity=self.activities.get(errand.activity),
            made_by_id=None if errand.made_by is None else self.entries[errand.made_by],
            cancelled_by_id=None if errand.cancelled_by is None else self.entries[errand.cancelled_by],
            repeats=errand.repeats,
            series_began_on=errand.due_on if errand.repeats else None,
            outcome=outcome,
            created_by=doer,
            closed_at=None if errand.closed_on is None else _moment(errand.closed_on, time(12)),
            closed_by=None if errand.closed_on is None else doer,
            changed_at=_moment(errand.made_on, time(8)),
        )
        task.set_due(errand.due_on, errand.due_time, doer.time_zone)
        return task

    def _involve(self) -> None:
        self.made[OpportunityContact] = [
            operations.involve(
                opportunity=self.opportunities[part.deal],
                contact=self.contacts[part.contact],
                role=part.role,
                by=self.users[part.by],
            ).pk
            for part in parts(self.plan)
        ]


def _moment(day: date, at: time) -> datetime:
    """A time of a day, unless that is still to come."""
    return min(timezone.make_aware(datetime.combine(day, at)), timezone.now())


def _estimate(event: Event) -> Estimate:
    return Estimate(event.value, event.chance, event.closes_on)
