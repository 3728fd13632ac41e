"""A random walk over all operations, beside a model of the rules that shares no code with them.

Each step is predicted by the model: which refusal, or which new state. It is tried as a dry run first, which must
say the same and write nothing. Meanwhile somebody renames, reorders and retires stages, changes the method of a
cycle, blocks people, does tasks by hand and lets days pass. At the end of each walk the whole ledger, and every task,
is compared with the model.

``WALK=10000`` walks (at least) that many operations; the normal run is shorter. The number walked is printed
with ``-s``.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import Q, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contacts import operations as contacts
from contacts.models import Contact, ContactMerge
from crm.positions import reorder
from opportunities import ledger, operations
from opportunities.models import CloseReason, Opportunity, OpportunityEntry, Outcome
from opportunities.operations import Estimate
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    PersonFactory,
    SalesCycleFactory,
    SalesCycleStageFactory,
    SalespersonFactory,
    UserFactory,
)
from tests.opportunities.walking_tasks import Tasks

OPERATIONS_IN_ALL = int(os.environ.get("WALK", "250"))
STEPS = 50
WALKED = Counter()

# The model -------------------------------------------------------------------------------------------------------

DAYS_OF = {"": 0, "5D": 5, "2W": 14, "-3D": -3}  # the formulas in use here, worked out by hand
METHODS = {
    "MULTIPLY": lambda c, p: c * p / 100,
    "ADD": lambda c, p: (c + p) / 2,
    "CHANCE": lambda c, p: c,
    "COMPLETED": lambda c, p: p,
}
OPEN = ("NOT_STARTED", "IN_PROGRESS")


@dataclass
class Stage:
    key: int
    position: int
    name: str
    completed: Fraction
    chance: Fraction
    close_in: str = ""
    allows_skip: bool = False
    requires_quote: bool = False
    active: bool = True


@dataclass
class Person:
    key: int
    company: int | None
    is_company: bool
    blocked: bool = False
    customer: str = ""
    since: date | None = None
    merged: int | None = None

    @property
    def buys_for(self):
        return self.company or self.key


@dataclass(frozen=True)
class State:
    """What is true of one opportunity, in exact numbers."""

    status: str
    cycle: int
    contact: int
    company: int | None
    salesperson: int
    method: str
    stage: int | None = None
    since: date | None = None
    value: Fraction | None = None
    chance: Fraction | None = None
    completed: Fraction = Fraction(0)
    probability: Fraction = Fraction(0)
    worth: Fraction = Fraction(0)
    closes: date | None = None
    closed: date | None = None
    reason: int | None = None


@dataclass(frozen=True)
class Entry:
    action: str
    on: date
    state: State
    by: int
    note: str
    stage_name: str
    previous_stage: int | None


@dataclass
class Modelled:
    """An opportunity: its history, and what its card says beside the ledger."""

    number: str
    description: str
    priority: str
    history: list[Entry] = field(default_factory=list)
    has_quote: bool = False
    seen_on: dict[date, State] = field(default_factory=dict)

    @property
    def now(self):
        return self.history[-1].state

    @property
    def version(self):
        return len(self.history)

    @property
    def changed(self):
        return self.history[-1].on

    def as_of(self, day):
        states = [entry.state for entry in self.history if entry.on <= day]
        return states[-1] if states else None


@dataclass
class Merged:
    """Two contacts made one: what both were before, what came of it, and who moved."""

    key: int
    kept: Person
    merged: Person
    before: tuple[Person, Person]
    after: Person
    people: list[int]
    moved: dict[int, tuple[int, int | None]]
    tasks: list[int]


class No(Exception):
    """The model refuses; the name is that of the refusal."""


def state_of(row):
    """The stored facts in the model's terms."""

    def exact(number):
        return None if number is None else Fraction(number)

    return State(
        status=row.status,
        cycle=row.cycle_id,
        contact=row.contact_id,
        company=row.company_id,
        salesperson=row.salesperson_id,
        method=row.probability_method,
        stage=row.stage_id,
        since=row.stage_entered_on,
        value=exact(row.estimated_value),
        chance=exact(row.chance_percent),
        completed=exact(row.completed_percent),
        probability=exact(row.probability_percent),
        worth=exact(row.calculated_value),
        closes=row.estimated_close_on,
        closed=row.closed_on,
        reason=row.close_reason_id,
    )


class Walk(Tasks, RuleBasedStateMachine):
    """The people, and what they do."""

    walked = WALKED

    # Beginning and end

    def __init__(self):
        super().__init__()
        self.clock = time_machine.travel("2026-01-05T12:00Z", tick=False)
        self.traveller = self.clock.start()
        self.today = date(2026, 1, 5)
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.things: dict[int, Modelled] = {}
        self.logged = Counter()
        self.merges: list[Merged] = []
        self.created = self.customers = 0
        self.deleted = set()
        operations.answer_quote_question(lambda o: self.things[o.pk].has_quote)

    def teardown(self):
        try:
            self.check_everything()
        finally:
            operations.answer_quote_question(None)
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)
            self.clock.stop()

    @initialize()
    def people_and_cycles(self):
        self.users = [UserFactory().pk for _each in range(2)]
        self.by_key = dict(
            zip(self.users, UserFactory._meta.model.objects.in_bulk(self.users).values(), strict=True)
        )
        self.sellers = {SalespersonFactory().pk: False for _each in range(3)}  # blocked?
        self.contacts: dict[int, Person] = {}
        for _each in range(2):
            company = CompanyFactory()
            self.contacts[company.pk] = Person(company.pk, None, True)
            for _person in range(2):
                key = PersonFactory(company=company).pk
                self.contacts[key] = Person(key, company.pk, False)
        for _lone in range(2):
            key = PersonFactory().pk
            self.contacts[key] = Person(key, None, False)
        self.cycles: dict[int, list[Stage]] = {}
        self.method, self.cycle_blocked = {}, {}
        for letters in ("ABCDE", "XYZ", ""):
            cycle = SalesCycleFactory()
            self.method[cycle.pk], self.cycle_blocked[cycle.pk] = "MULTIPLY", False
            self.cycles[cycle.pk] = []
            for index, letter in enumerate(letters, start=1):
                stage = SalesCycleStageFactory(
                    cycle=cycle,
                    position=index * 10,
                    description=letter,
                    completed_percent=Decimal(index * 15),
                    chance_percent=Decimal(index * 10),
                    close_in="2W",
                    allows_skip=letter in "BCY",
                )
                self.cycles[cycle.pk].append(
                    Stage(
                        stage.pk,
                        index * 10,
                        letter,
                        Fraction(index * 15),
                        Fraction(index * 10),
                        "2W",
                        allows_skip=letter in "BCY",
                    )
                )
        self.begin_tasks()
        self.reasons = {}
        for outcome in (Outcome.WON, Outcome.WON, Outcome.LOST, Outcome.LOST):
            self.reasons[CloseReasonFactory(outcome=outcome).pk] = [str(outcome), True]

    # What goes on around the opportunities

    @rule(days=st.integers(1, 9))
    def days_pass(self, days):
        for thing in self.things.values():
            thing.seen_on[self.today] = thing.now
        self.today += timedelta(days=days)
        self.traveller.shift(timedelta(days=days))

    @rule(data=st.data())
    def somebody_changes_a_stage(self, data):
        cycle = data.draw(st.sampled_from([key for key, stages in self.cycles.items() if stages]))
        stages = self.cycles[cycle]
        stage = data.draw(st.sampled_from(stages))
        what = data.draw(
            st.sampled_from(["order", "order", "active", "name", "figures", "formula", "skip", "quote"])
        )
        match what:
            case "order":
                places = data.draw(st.permutations([each.position for each in stages]))
                shift = data.draw(st.integers(0, 3))
                for each, place in zip(stages, places, strict=True):
                    each.position = place + shift
                reorder(
                    SalesCycle.objects.get(pk=cycle).stages.all(),
                    {each.key: each.position for each in stages},
                )
                return
            case "active":
                stage.active = not stage.active
            case "name":
                stage.name = f"{stage.name[:1]}{data.draw(st.integers(0, 99))}"
            case "figures":
                stage.completed = Fraction(data.draw(st.integers(0, 100)))
                stage.chance = Fraction(data.draw(st.integers(0, 100)))
            case "formula":
                stage.close_in = data.draw(st.sampled_from(sorted(DAYS_OF)))
            case "skip":
                stage.allows_skip = not stage.allows_skip
            case "quote":
                stage.requires_quote = not stage.requires_quote
        SalesCycleStage.objects.filter(pk=stage.key).update(
            is_active=stage.active,
            description=stage.name,
            completed_percent=int(stage.completed),
            chance_percent=int(stage.chance),
            close_in=stage.close_in,
            allows_skip=stage.allows_skip,
            requires_quote=stage.requires_quote,
        )

    @rule(data=st.data())
    def somebody_changes_the_set_up(self, data):
        match data.draw(
            st.sampled_from(["method", "method", "cycle", "seller", "contact", "company", "reason", "quote"])
        ):
            case "method":
                key = data.draw(st.sampled_from(sorted(self.cycles)))
                self.method[key] = data.draw(st.sampled_from(sorted(METHODS)))
                SalesCycle.objects.filter(pk=key).update(probability_method=self.method[key])
            case "cycle":
                key = data.draw(st.sampled_from(sorted(self.cycles)))
                self.cycle_blocked[key] = not self.cycle_blocked[key]
                SalesCycle.objects.filter(pk=key).update(is_blocked=self.cycle_blocked[key])
            case "seller":
                key = data.draw(st.sampled_from(sorted(self.sellers)))
                self.sellers[key] = not self.sellers[key]
                Salesperson.objects.filter(pk=key).update(is_blocked=self.sellers[key])
            case "contact":
                person = self.contacts[data.draw(st.sampled_from(self.standing()))]
                person.blocked = not person.blocked
                Contact.objects.filter(pk=person.key).update(is_privacy_blocked=person.blocked)
            case "company":
                companies, people = self.standing(True), self.standing(False)
                person = self.contacts[data.draw(st.sampled_from(people))]
                person.company = data.draw(st.sampled_from([None, *companies]))
                Contact.objects.filter(pk=person.key).update(company=person.company)
            case "reason":
                key = data.draw(st.sampled_from(sorted(self.reasons)))
                self.reasons[key][1] = not self.reasons[key][1]
                CloseReason.objects.filter(pk=key).update(is_active=self.reasons[key][1])
            case "quote" if self.things:
                thing = self.things[data.draw(st.sampled_from(sorted(self.things)))]
                thing.has_quote = not thing.has_quote

    @rule(data=st.data(), undo=st.booleans())
    def somebody_merges_contacts(self, data, undo):
        by = self.by_key[data.draw(st.sampled_from(self.users))]
        if self.merges and undo:
            self.undo_merge(self.merges.pop(), by)
            return
        pool = self.standing(data.draw(st.booleans()))
        if len(pool) < 2:
            return
        kept, merged = (self.contacts[key] for key in data.draw(st.permutations(pool))[:2])
        before = (replace(kept), replace(merged))
        people = [key for key, each in self.contacts.items() if each.company == merged.key]
        done = contacts.merge(
            kept=Contact.objects.get(pk=kept.key), merged=Contact.objects.get(pk=merged.key), chosen={}, by=by
        )
        kept.company = kept.company or merged.company
        kept.blocked = kept.blocked or merged.blocked
        older = min((each.since or date.max, each.key) for each in before)
        if merged.since and older[1] == merged.key:
            kept.customer, merged.customer = merged.customer, kept.customer
            kept.since, merged.since = merged.since, kept.since
        merged.merged = kept.key
        for key in people:
            self.contacts[key].company = kept.key
        moved = self.follow(merged.key, kept.key, by, "{0} was merged into {1}.")
        tasks = [number for number, chore in self.chores.items() if chore.contact == merged.key]
        self.put(tasks, contact=kept.key)
        self.merges.append(Merged(done.pk, kept, merged, before, replace(kept), people, moved, tasks))

    def undo_merge(self, it, by):
        was, after = it.before[0], it.after
        contacts.unmerge(merge=ContactMerge.objects.get(pk=it.key), by=by)
        if it.kept.customer == after.customer != was.customer:
            it.kept.customer, it.kept.since = was.customer, was.since
        if it.kept.blocked == after.blocked != was.blocked:
            it.kept.blocked = was.blocked
        if it.kept.company == after.company != was.company:
            it.kept.company = self.carrying_on(was.company)
        vars(it.merged).update(vars(it.before[1]), company=self.carrying_on(it.before[1].company))
        for key in it.people:
            if self.contacts[key].company == it.kept.key:
                self.contacts[key].company = it.merged.key
        untouched = [
            key
            for key, there in it.moved.items()
            if key in self.things and (self.things[key].now.contact, self.things[key].now.company) == there
        ]
        words = "The merge of {1} into {0} was undone."
        self.follow(it.kept.key, it.merged.key, by, words, untouched)
        there = [number for number in it.tasks if number in self.chores]
        self.put([n for n in there if self.chores[n].contact == it.kept.key], contact=it.merged.key)

    def follow(self, old, new, by, words, only=None):
        """Every opportunity of one contact gets an entry that puts the other in its place; returns whose they are."""
        labels = [Contact.objects.get(pk=key).label for key in (old, new)]
        moved = {}
        for key, thing in self.things.items():
            now = thing.now
            if old not in (now.contact, now.company) or (only is not None and key not in only):
                continue
            given = {name: new for name in ("contact", "company") if getattr(now, name) == old}
            state, on = replace(now, **given), max(self.today, thing.changed)
            names = {stage.key: stage.name for stage in self.cycles[now.cycle]}
            entry = Entry(
                "MERGED", on, state, by.pk, words.format(*labels), names.get(now.stage, ""), now.stage
            )
            thing.history.append(entry)
            for day in [day for day in thing.seen_on if day >= on]:
                del thing.seen_on[day]
            moved[key] = (state.contact, state.company)
            self.check_ledger(key)
            WALKED["done: MERGED"] += 1
        return moved

    def standing(self, is_company=None):
        return sorted(
            key
            for key, each in self.contacts.items()
            if each.merged is None and is_company in (None, each.is_company)
        )

    def carrying_on(self, key):
        while key is not None and self.contacts[key].merged is not None:
            key = self.contacts[key].merged
        return key

    # What the rules say, in the model's own words

    def stages_of(self, state):
        stages = sorted(self.cycles[state.cycle], key=lambda stage: stage.position)
        return [stage for stage in stages if stage.active or stage.key == state.stage]

    def buyer_of(self, state):
        return self.contacts[state.company or self.contacts[state.contact].buys_for]

    def forward_from(self, state):
        """The stages ahead that may be reached: every one up to there may be skipped."""
        stages = self.stages_of(state)
        here = next(index for index, stage in enumerate(stages) if stage.key == state.stage)
        ahead = stages[here + 1 :]
        return [stage for index, stage in enumerate(ahead) if all(s.allows_skip for s in ahead[:index])]

    def check_open(self, thing, seen):
        if thing.now.status not in OPEN:
            raise No("AlreadyClosed")
        self.check_seen(thing, seen)

    def check_seen(self, thing, seen):
        if seen is not None and seen != thing.version:
            raise No("MovedMeanwhile")

    def check_date(self, thing, on):
        if on < thing.changed or (on > self.today and on > thing.changed):
            raise No("DateRefused")

    def check_estimate(self, estimate, on):
        value, chance, closes = estimate
        if value is None or value <= 0:
            raise No("ValueRefused")
        if chance is None or chance <= 0 or chance > 100:
            raise No("ChanceRefused")
        if closes is None or closes < on:
            raise No("ClosingDateRefused")

    def check_note(self, note):
        if len(note) > 2000:
            raise No("NoteRefused")

    def check_words(self, note):
        if not note.strip() or len(note) > 2000:
            raise No("NoteRefused")

    def check_contact(self, key):
        person = self.contacts[self.carrying_on(key)]
        if person.blocked or (person.company and self.contacts[person.company].blocked):
            raise No("ContactRefused")
        return person

    def offered(self, state, stage, on):
        chance, closes = state.chance, state.closes
        fresh = state.status == "NOT_STARTED"
        if chance is None or (stage.chance > 0 and not fresh):
            chance = stage.chance
        if closes is None or closes < on or (stage.close_in and not fresh):
            closes = on + timedelta(days=DAYS_OF[stage.close_in])
        return state.value, chance, closes

    def estimated(self, state, estimate, completed):
        value, chance, closes = estimate
        method = self.method[state.cycle]
        probability = METHODS[method](chance or Fraction(0), completed)
        return replace(
            state,
            method=method,
            value=value,
            chance=chance,
            closes=closes,
            completed=completed,
            probability=probability,
            worth=(value or Fraction(0)) * probability / 100,
        )

    def in_stage(self, state, stage, estimate, on):
        entered = replace(state, status="IN_PROGRESS", stage=stage.key)
        if state.stage != stage.key:
            entered = replace(entered, since=on)
        return self.estimated(entered, estimate, stage.completed)

    def check_planned(self, tasks):
        if self.are_wrong(tasks):
            raise No("TasksRefused")

    def expect_start(self, thing, estimate, seen, on, note, tasks, **_more):
        self.check_open(thing, seen)
        if thing.now.status == "IN_PROGRESS":
            raise No("AlreadyStarted")
        self.check_date(thing, on)
        stages = self.stages_of(thing.now)
        if not stages:
            raise No("CycleRefused")
        estimate = estimate or self.offered(thing.now, stages[0], on)
        self.check_estimate(estimate, on)
        self.check_note(note)
        self.check_planned(tasks)
        return "STARTED", self.in_stage(thing.now, stages[0], estimate, on)

    def expect_move(self, thing, to, estimate, seen, on, note, tasks, **_more):
        self.check_open(thing, seen)
        if thing.now.status == "NOT_STARTED":
            raise No("NotStarted")
        self.check_date(thing, on)
        stages = self.stages_of(thing.now)
        keys = [stage.key for stage in stages]
        here = keys.index(thing.now.stage)
        there = keys.index(to) if to in keys else None
        ahead = [stage.key for stage in self.forward_from(thing.now)]
        if there is None or there == here or (there > here and to not in ahead):
            raise No("StageRefused")
        if there > here and any(s.requires_quote for s in stages[here : there + 1]) and not thing.has_quote:
            raise No("QuoteNeeded")
        estimate = estimate or self.offered(thing.now, stages[there], on)
        self.check_estimate(estimate, on)
        self.check_note(note)
        self.check_planned(tasks)
        action = {1: "NEXT", -1: "PREVIOUS"}.get(there - here, "SKIPPED" if there > here else "JUMPED")
        return action, self.in_stage(thing.now, stages[there], estimate, on)

    def expect_revise(self, thing, estimate, seen, on, note, **_more):
        self.check_open(thing, seen)
        if thing.now.status == "NOT_STARTED":
            raise No("NotStarted")
        self.check_date(thing, on)
        self.check_estimate(estimate, on)
        self.check_note(note)
        stage = next(s for s in self.cycles[thing.now.cycle] if s.key == thing.now.stage)
        return "UPDATED", self.in_stage(thing.now, stage, estimate, on)

    def expect_close(self, thing, outcome, reason, amount, seen, on, note, **_more):
        self.check_open(thing, seen)
        self.check_date(thing, on)
        if reason is None or self.reasons[reason][0] != outcome or not self.reasons[reason][1]:
            raise No("ReasonRefused")
        self.check_note(note)
        if outcome == "WON":
            if amount is None or amount <= 0:
                raise No("AmountRefused")
            if self.buyer_of(thing.now).blocked:
                raise No("ContactRefused")
        sure = Fraction(100 if outcome == "WON" else 0)
        return outcome, replace(
            thing.now,
            status=outcome,
            completed=Fraction(100),
            chance=sure,
            probability=sure,
            worth=amount if outcome == "WON" else Fraction(0),
            closes=on,
            closed=on,
            reason=reason,
        )

    def expect_reopen(self, thing, seen, on, note, **_more):
        if thing.now.status in OPEN:
            raise No("NotClosed")
        self.check_seen(thing, seen)
        self.check_date(thing, on)
        self.check_words(note)
        last_open = next(e.state for e in reversed(thing.history) if e.state.status in OPEN)
        opened = replace(thing.now, status=last_open.status, closed=None, reason=None)
        estimate = (last_open.value, last_open.chance, last_open.closes)
        return "REOPENED", self.estimated(opened, estimate, last_open.completed)

    def expect_undo(self, thing, seen, on, note, **_more):
        if thing.version == 1:
            raise No("NothingToUndo")
        self.check_seen(thing, seen)
        self.check_date(thing, on)
        self.check_words(note[:2000])  # whether it is too long is asked last
        before = thing.history[-2].state
        if any(key != self.carrying_on(key) for key in (before.contact, before.company)):
            raise No("ContactRefused")
        if before.salesperson != thing.now.salesperson and self.sellers[before.salesperson]:
            raise No("SalespersonRefused")
        if before.contact != thing.now.contact:
            self.check_contact(before.contact)
        self.check_note(note)
        return "UNDONE", before

    def expect_reassign(self, thing, salesperson, contact, seen, on, note, **_more):
        self.check_open(thing, seen)
        self.check_date(thing, on)
        self.check_note(note)
        given = thing.now
        if salesperson not in (None, thing.now.salesperson):
            if self.sellers[salesperson]:
                raise No("SalespersonRefused")
            given = replace(given, salesperson=salesperson)
        if contact not in (None, thing.now.contact):
            person = self.check_contact(contact)
            if thing.now.status != "NOT_STARTED" and person.buys_for != self.buyer_of(thing.now).key:
                raise No("ContactRefused")
            company = person.key if person.is_company else person.company
            given = replace(given, contact=person.key, company=company)
        if given == thing.now:
            raise No("NothingToChange")
        return "REASSIGNED", given

    def expect_create(self, contact, salesperson, cycle, estimate, on, note, description, **_more):
        if not description.strip():
            raise No("DescriptionRefused")
        if contact is None:
            raise No("ContactRefused")
        person = self.check_contact(contact)
        if salesperson is None or self.sellers[salesperson]:
            raise No("SalespersonRefused")
        if cycle is None or self.cycle_blocked[cycle]:
            raise No("CycleRefused")
        if on > self.today:
            raise No("DateRefused")
        value, chance, closes = estimate or (None, None, None)
        if value is not None and value <= 0:
            raise No("ValueRefused")
        if chance is not None and not 0 < chance <= 100:
            raise No("ChanceRefused")
        if closes is not None and closes < on:
            raise No("ClosingDateRefused")
        self.check_note(note)
        state = State(
            status="NOT_STARTED",
            cycle=cycle,
            contact=person.key,
            company=person.key if person.is_company else person.company,
            salesperson=salesperson,
            method=self.method[cycle],
        )
        return "CREATED", self.estimated(state, (value, chance, closes), Fraction(0))

    # What somebody might try

    def some_estimate(self, data, on, *, may_be_none):
        kind = data.draw(st.sampled_from([*(["none"] * 3 if may_be_none else []), *["good"] * 12, "any"]))
        if kind == "none":
            return None
        values = st.integers(1, 9_999_999)  # cents
        chances = st.integers(1, 1000)  # tenths of a percent
        days = st.integers(0, 60)
        if kind == "any":
            values = st.one_of(st.none(), st.integers(-1, 1), values)
            chances = st.one_of(st.none(), st.integers(-1, 1), st.integers(995, 1005), chances)
            days = st.one_of(st.none(), st.integers(-2, 1))
        value, chance, later = data.draw(st.tuples(values, chances, days))
        return (
            None if value is None else Fraction(value, 100),
            None if chance is None else Fraction(chance, 10),
            None if later is None else on + timedelta(days=later),
        )

    def some_day(self, data, thing=None):
        last = thing.changed if thing else self.today - timedelta(days=3)
        days = [max(self.today, last)] * 16 + [last, last, self.today]
        odd = [last - timedelta(days=1), self.today + timedelta(days=1), self.today - timedelta(days=1)]
        return data.draw(st.sampled_from(days + odd))

    def some_version(self, data, thing):
        return data.draw(st.sampled_from([*[None, thing.version] * 7, thing.version - 1, 99]))

    def some_note(self, data):
        return data.draw(st.sampled_from(["Because"] * 12 + ["", " ", " Spaced ", "é€😀", "x" * 2001]))

    def arguments_for(self, name, data, key, thing):
        on = self.some_day(data, thing)
        common = {"on": on, "note": self.some_note(data)}
        if thing:
            common["seen"] = self.some_version(data, thing)
        match name:
            case "create":
                return {
                    **common,
                    "description": data.draw(st.sampled_from(["New roof"] * 9 + [" "])),
                    "contact": data.draw(st.sampled_from([*sorted(self.contacts), None])),
                    "salesperson": data.draw(st.sampled_from([*sorted(self.sellers) * 3, None])),
                    "cycle": data.draw(st.sampled_from([*list(self.cycles)[:2] * 5, *self.cycles, None])),
                    "estimate": self.some_estimate(data, on, may_be_none=True),
                }
            case "start":
                first = self.stages_of(thing.now)[:1]
                return {
                    **common,
                    "estimate": self.some_estimate(data, on, may_be_none=True),
                    "tasks": self.some_tasks(data, first[0].key if first else None, on),
                }
            case "move":
                good = []
                if thing.now.status == "IN_PROGRESS":
                    stages = [stage.key for stage in self.stages_of(thing.now)]
                    back = stages[: stages.index(thing.now.stage)]
                    good = [*back, *(stage.key for stage in self.forward_from(thing.now))]
                anything = [stage.key for stages in self.cycles.values() for stage in stages]
                pool = [*good * 6, *good * 6, *anything, None] if good else [*anything, None]
                to = data.draw(st.sampled_from(pool))
                return {
                    **common,
                    "to": to,
                    "estimate": self.some_estimate(data, on, may_be_none=True),
                    "tasks": self.some_tasks(data, to, on),
                    "cancel_tasks": self.some_to_cancel(data, key),
                }
            case "revise":
                return {**common, "estimate": self.some_estimate(data, on, may_be_none=False)}
            case "close":
                outcome = data.draw(st.sampled_from(["WON", "LOST"]))
                good = [key for key, (of, active) in self.reasons.items() if of == outcome and active]
                amount = data.draw(st.sampled_from([None, 0, *[1, 99, 12_345_67] * 4]))
                return {
                    **common,
                    "outcome": outcome,
                    "reason": data.draw(st.sampled_from([*good * 4, *self.reasons, None])),
                    "amount": None if amount is None else Fraction(amount, 100),
                    "cancel_tasks": self.some_to_cancel(data, key),
                }
            case "reassign":
                return {
                    **common,
                    "salesperson": data.draw(st.sampled_from([None, *sorted(self.sellers)])),
                    "contact": data.draw(st.sampled_from([None, None, *sorted(self.contacts)])),
                    "with_tasks": data.draw(st.booleans()),
                }
        return common

    def stored_arguments(self, arguments):
        """The same arguments as the operations want them."""

        def number(value):
            return None if value is None else Decimal(value.numerator) / Decimal(value.denominator)

        models = {
            "contact": Contact,
            "salesperson": Salesperson,
            "cycle": SalesCycle,
            "to": SalesCycleStage,
            "reason": CloseReason,
        }
        found = self.stored_tasks(arguments)
        for name, model in models.items():
            if found.get(name) is not None:
                found[name] = model.objects.get(pk=found[name])
        if found.get("estimate") is not None:
            value, chance, closes = found["estimate"]
            found["estimate"] = Estimate(number(value), number(chance), closes)
        if "amount" in found:
            found["amount"] = number(found["amount"])
        return found

    # The steps

    LIKELY = {
        "NOT_STARTED": ["start", "start", "start", "reassign", "close"],
        "IN_PROGRESS": ["move", "move", "move", "move", "revise", "reassign", "close", "undo"],
        "WON": ["reopen", "undo"],
        "LOST": ["reopen", "reopen", "undo"],
    }
    ALL = ("start", "move", "revise", "close", "reopen", "undo", "reassign")

    @rule(data=st.data())
    def somebody_creates(self, data):
        if len(self.things) < 6:
            self.operate("create", None, None, data)

    @rule(data=st.data())
    def somebody_acts(self, data):
        self.act(data)

    @rule(data=st.data())
    def somebody_acts_again(self, data):
        self.act(data)

    @rule(data=st.data())
    def somebody_acts_once_more(self, data):
        self.act(data)

    def act(self, data):
        if not self.things:
            return self.operate("create", None, None, data)
        key = data.draw(st.sampled_from(sorted(self.things)))
        thing = self.things[key]
        pool = self.LIKELY[thing.now.status] * 6 + list(self.ALL)
        return self.operate(data.draw(st.sampled_from(pool)), key, thing, data)

    def operate(self, name, key, thing, data):
        """Predict, try dry, do, compare."""
        WALKED["operations"] += 1
        arguments = self.arguments_for(name, data, key, thing)
        by = data.draw(st.sampled_from(self.users))
        try:
            expected = getattr(self, f"expect_{name}")(**({"thing": thing} if thing else {}), **arguments)
        except No as no:
            expected = str(no)
        real = {**self.stored_arguments(arguments), "by": self.by_key[by]}
        if thing:
            real["opportunity"] = Opportunity.objects.get(pk=key)
        operation = getattr(operations, name)

        dry = self.dry_run(operation, real)
        if isinstance(expected, str):
            assert (type(dry).__name__, expected) == (expected, expected), (name, arguments, dry)
            with pytest.raises(operations.Refused) as refused, transaction.atomic():
                operation(**real)
            assert (type(refused.value), refused.value.message) == (type(dry), dry.message)
            WALKED[f"refused: {expected}"] += 1
            return
        assert isinstance(dry, OpportunityEntry), (name, arguments, dry, expected)
        entry = operation(**real)

        action, state = expected
        for written in (dry, entry):
            assert (written.action, state_of(written)) == (action, state)
        assert (dry.sequence, dry.stage_description) == (entry.sequence, entry.stage_description)
        WALKED[f"done: {action}"] += 1
        before = thing and thing.now
        self.remember(name, key, thing, entry, arguments, by, action, state)
        self.change_tasks(name, entry.opportunity_id, arguments, before, state, entry.sequence)
        stored = Opportunity.objects.get(pk=entry.opportunity_id)
        assert (state_of(stored), stored.version, stored.changed_on) == (
            state,
            entry.sequence,
            arguments["on"],
        )
        if thing:
            assert real["opportunity"].facts() == entry.facts()  # the caller's object knows
        self.check_ledger(stored.pk)
        self.check_tasks(stored.pk)

    def dry_run(self, operation, arguments):
        """What a dry run says, having written nothing and left the caller's object alone."""
        opportunity = arguments.get("opportunity")
        before = dict(opportunity.__dict__) if opportunity else None
        verbs = set()

        def note_verb(execute, sql, *rest):
            verbs.add(sql.split(maxsplit=1)[0])
            return execute(sql, *rest)

        with connection.execute_wrapper(note_verb):
            try:
                said = operation(**arguments, dry_run=True)
            except operations.Refused as refusal:
                said = refusal
        assert verbs <= {"SELECT"}
        if opportunity:
            assert {k: v for k, v in opportunity.__dict__.items() if k in before and k != "_state"} == {
                k: v for k, v in before.items() if k != "_state"
            }
        return said

    def remember(self, name, key, thing, entry, arguments, by, action, state):
        if name == "create":
            self.created += 1
            key = entry.opportunity_id
            number = f"OP-{self.created:05d}"
            self.things[key] = thing = Modelled(number, arguments["description"], "NORMAL")
            previous = None
        else:
            previous = thing.now.stage
        names = {stage.key: stage.name for stage in self.cycles[state.cycle]}
        on = arguments["on"]
        thing.history.append(
            Entry(action, on, state, by, arguments["note"].strip(), names.get(state.stage, ""), previous)
        )
        for day in [day for day in thing.seen_on if day >= on]:
            del thing.seen_on[day]  # somebody entered later what was true on that day
        if action == "WON":
            buyer = self.buyer_of(state)
            if not buyer.customer:
                self.customers += 1
                buyer.customer, buyer.since = f"CU-{self.customers:05d}", on

    @rule(data=st.data())
    def somebody_describes(self, data):
        if not self.things:
            return
        WALKED["operations"] += 1
        key = data.draw(st.sampled_from(sorted(self.things)))
        thing = self.things[key]
        description = data.draw(st.sampled_from([*[None, "New roof", "Old  roof "] * 3, "", "x" * 101]))
        priority = data.draw(st.sampled_from([None, "LOW", "HIGH"]))
        seen = data.draw(st.sampled_from([*[None, thing.description] * 4, "Something else"]))
        new = thing.description if description is None else " ".join(description.split())
        refusal = None
        if not 0 < len(new) <= 100:
            refusal = "DescriptionRefused"
        elif thing.now.status not in OPEN and priority not in (None, thing.priority):
            refusal = "AlreadyClosed"
        elif seen not in (None, thing.description):
            refusal = "MovedMeanwhile"
        arguments: dict[str, Any] = {
            "opportunity": Opportunity.objects.get(pk=key),
            "description": description,
            "priority": priority,
            "seen_description": seen,
            "by": self.by_key[self.users[0]],
        }
        dry = self.dry_run(operations.describe, arguments)
        if refusal:
            assert type(dry).__name__ == refusal
            with pytest.raises(operations.Refused) as refused, transaction.atomic():
                operations.describe(**arguments)
            assert (type(refused.value), refused.value.message) == (type(dry), dry.message)
            WALKED[f"refused: {refusal}"] += 1
            return
        operations.describe(**arguments)
        changed = (new, priority or thing.priority) != (thing.description, thing.priority)
        self.logged["described"] += changed
        thing.description, thing.priority = new, priority or thing.priority
        stored = Opportunity.objects.get(pk=key)
        assert (stored.description, stored.priority) == (thing.description, thing.priority)
        WALKED["done: described"] += 1

    @rule(data=st.data(), really=st.sampled_from([False, False, True]))
    def somebody_deletes(self, data, really):
        if not self.things or (not really and len(self.things) < 4):
            return
        WALKED["operations"] += 1
        key = data.draw(st.sampled_from(sorted(self.things)))
        thing = self.things[key]
        arguments = {
            "opportunity": Opportunity.objects.get(pk=key),
            "by": self.by_key[self.users[0]],
            "on": self.today,
            "seen": data.draw(st.sampled_from([*[None, thing.version] * 3, 99])),
        }
        refusal = None
        if thing.now.status == "IN_PROGRESS":
            refusal = "StillInProgress"
        elif arguments["seen"] == 99 and thing.version != 99:
            refusal = "MovedMeanwhile"
        dry = self.dry_run(operations.delete, arguments)
        if refusal:
            assert type(dry).__name__ == refusal
            with pytest.raises(operations.Refused) as refused, transaction.atomic():
                operations.delete(**arguments)
            assert (type(refused.value), refused.value.message) == (type(dry), dry.message)
            WALKED[f"refused: {refusal}"] += 1
            return
        archive = operations.delete(**arguments)
        assert archive == dry
        assert len(archive["entries"]) == thing.version
        tasks = [number for number, chore in self.chores.items() if chore.thing == key]
        assert [task["id"] for task in archive["tasks"]] == sorted(tasks)
        for number in tasks:
            del self.chores[number]
        del self.things[key]
        self.deleted.add(key)
        self.logged["deleted"] += 1
        WALKED["done: deleted"] += 1

    # What always holds

    def check_ledger(self, key):
        assert [str(d) for d in ledger.verify(Opportunity.objects.filter(pk=key))] == []

    @invariant()
    def one_entry_of_each_is_open_ended(self):
        open_ended = OpportunityEntry.objects.filter(ended_on__isnull=True)
        assert sorted(open_ended.values_list("opportunity_id", flat=True)) == sorted(self.things)

    def check_everything(self):
        """The whole database against the model."""
        assert [str(d) for d in ledger.verify(Opportunity.objects.all())] == []
        assert set(Opportunity.objects.values_list("pk", flat=True)) == set(self.things)
        assert not OpportunityEntry.objects.filter(opportunity__in=self.deleted).exists()
        for key, thing in self.things.items():
            row = Opportunity.objects.get(pk=key)
            assert (row.number, row.description, row.priority) == (
                thing.number,
                thing.description,
                thing.priority,
            )
            assert row.created_on == thing.history[0].on
            entries = list(OpportunityEntry.objects.filter(opportunity=key).order_by("sequence"))
            ends = [entry.on for entry in thing.history[1:]] + [None]
            assert [
                (
                    e.action,
                    e.changed_on,
                    state_of(e),
                    e.recorded_by_id,
                    e.note,
                    e.stage_description,
                    e.previous_stage_id,
                    e.ended_on,
                )
                for e in entries
            ] == [
                (m.action, m.on, m.state, m.by, m.note, m.stage_name, m.previous_stage, end)
                for m, end in zip(thing.history, ends, strict=True)
            ]
        self.check_as_of()
        self.check_sums()
        self.check_around()
        self.check_all_tasks()

    def check_as_of(self):
        days = {self.today} | {day for thing in self.things.values() for day in thing.seen_on}
        days |= {entry.on for thing in self.things.values() for entry in thing.history}
        for day in days:
            then = OpportunityEntry.objects.filter(changed_on__lte=day).filter(
                Q(ended_on__isnull=True) | Q(ended_on__gt=day)
            )
            found = {entry.opportunity_id: state_of(entry) for entry in then}
            assert len(found) == len(then)
            expected = {key: thing.as_of(day) for key, thing in self.things.items() if thing.as_of(day)}
            assert found == expected
            for key, thing in self.things.items():
                if day in thing.seen_on:
                    assert found[key] == thing.seen_on[day]

    def check_sums(self):
        for statuses in (OPEN, ("WON",), ("LOST",)):
            rows = Opportunity.objects.filter(status__in=statuses)
            entries = OpportunityEntry.objects.filter(ended_on__isnull=True, status__in=statuses)
            expected = sum(
                (t.now.worth for t in self.things.values() if t.now.status in statuses), Fraction(0)
            )
            for queryset in (rows, entries):
                total = queryset.aggregate(total=Sum("calculated_value"))["total"] or 0
                if connection.vendor == "sqlite":  # adds in floating point
                    assert abs(Fraction(total) - expected) < Fraction(1, 10**6)
                else:
                    assert Fraction(total) == expected

    def check_around(self):
        numbers = dict(Contact.objects.filter(pk__in=self.contacts).values_list("pk", "customer_number"))
        assert numbers == {key: person.customer for key, person in self.contacts.items()}
        lead = dict(Contact.objects.filter(pk__in=self.contacts).values_list("pk", "merged_into"))
        assert lead == {key: person.merged for key, person in self.contacts.items()}
        companies = dict(Contact.objects.filter(pk__in=self.contacts).values_list("pk", "company"))
        assert companies == {key: person.company for key, person in self.contacts.items()}
        assert LogEntry.objects.count() == self.logged["described"] + self.logged["deleted"]


@pytest.mark.django_db
def test_random_walk():
    WALKED.clear()
    profile = settings(stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck))
    while WALKED["operations"] < OPERATIONS_IN_ALL:
        left = OPERATIONS_IN_ALL - WALKED["operations"]
        # The first walk of each round is empty, the others make about two operations in three steps.
        walks = 10 + left * 3 // (STEPS * 2)
        run_state_machine_as_test(Walk, settings=settings(profile, max_examples=walks))
    print(f"\n{connection.vendor}: {dict(sorted(WALKED.items()))}")

    done = {name.removeprefix("done: ") for name in WALKED if name.startswith("done: ")}
    if OPERATIONS_IN_ALL >= 5_000:  # long enough to have met everything
        everything = {*operations.Action.values, "described", "deleted"}
        assert done == everything
