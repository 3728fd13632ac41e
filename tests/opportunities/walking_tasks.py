"""Tasks in the random walk: a model of what changes of opportunities, and people by hand, do to them.

It shares no code with the operations, and knows an entry of the ledger only by its number.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import rule

from activities import operations as tasks
from activities.models import Activity, Task
from activities.operations import PlannedTask, TaskFacts, TaskRefused
from opportunities import operations
from opportunities.models import Opportunity
from opportunities.operations import ALL_TASKS
from salescycles.models import SalesCycleStage
from salespeople.models import Salesperson
from tests.factories import ActivityFactory, ActivityStepFactory

STEPS = {"A": [("Call", 5), ("Visit", 14)], "C": [("Offer", 0)], "X": [("Call", 5), ("Look back", -3)]}
FORMULAS = {0: "", 5: "5D", 14: "2W", -3: "-3D"}
TOO_FAR = date(3000, 1, 1)


@dataclass(frozen=True)
class Chore:
    """A task. ``made``, ``cancelled``, ``reopened`` and ``handed_over`` are numbers of entries of its opportunity."""

    thing: int
    words: str
    due: date
    seller: int
    contact: int | None
    status: str = "OPEN"
    made: int | None = None
    cancelled: int | None = None
    reopened: int | None = None
    handed_over: int | None = None

    @property
    def is_open(self):
        return self.status == "OPEN"


def stored(task):
    """A row in the model's terms; every entry it names is one of its own opportunity."""
    numbers = {}
    for name in ("made_by", "cancelled_by", "reopened_by", "handed_over_by"):
        entry = getattr(task, name)
        assert entry is None or entry.opportunity_id == task.opportunity_id, (task, name)
        numbers[name.removesuffix("_by")] = entry and entry.sequence
    return Chore(
        task.opportunity_id,
        task.description,
        task.due_on,
        task.salesperson_id,
        task.contact_id,
        task.status,
        **numbers,
    )


class Tasks:
    """What a walk knows of tasks; ``things``, ``contacts``, ``sellers`` and ``cycles`` are those of the walk."""

    def begin_tasks(self):
        self.chores: dict[int, Chore] = {}
        self.steps: dict[int, list[tuple[str, int]]] = {}  # by stage
        self.activities: dict[
            int, list[int | bool]
        ] = {}  # stage: key of its activity, and whether it is in use
        for stage in (stage for stages in self.cycles.values() for stage in stages):
            if stage.name not in STEPS:
                continue
            activity = ActivityFactory()
            for place, (words, days) in enumerate(STEPS[stage.name], start=1):
                ActivityStepFactory(
                    activity=activity, position=place, description=words, due_in=FORMULAS[days]
                )
            SalesCycleStage.objects.filter(pk=stage.key).update(activity=activity)
            self.steps[stage.key] = STEPS[stage.name]
            self.activities[stage.key] = [activity.pk, True]

    @rule(data=st.data())
    def somebody_retires_an_activity(self, data):
        activity = self.activities[data.draw(st.sampled_from(sorted(self.activities)))]
        activity[1] = not activity[1]
        Activity.objects.filter(pk=activity[0]).update(is_active=activity[1])

    # What comes with a stage, and what is left behind

    def coming(self, stage, on):
        """Words and date of what entering a stage brings."""
        if stage not in self.steps or not self.activities[stage][1]:
            return []
        return [(words, on + timedelta(days=days)) for words, days in self.steps[stage]]

    def some_tasks(self, data, stage, on):
        """None for all that come with the stage, or some of them, edited, or other ones."""
        offered = self.coming(stage, on)
        own = [("Something else", on), ("Call", on + timedelta(days=1))]
        chosen = st.lists(st.sampled_from([*offered * 3, *own]), max_size=3)
        kind = data.draw(st.sampled_from(["all"] * 6 + ["some"] * 6 + ["none", "blank", "far"]))
        match kind:
            case "all":
                return None
            case "some":
                return data.draw(chosen)
            case "blank":
                return [*data.draw(chosen), (" ", on)]
            case "far":
                return [("Call", TOO_FAR)]
        return []

    def some_to_cancel(self, data, key):
        mine = self.open_of(key)
        kind = data.draw(st.sampled_from(["none", "all", "some", "some"]))
        if kind == "some":
            pool = [*mine, *mine, *self.chores, 0]
            return frozenset(data.draw(st.lists(st.sampled_from(pool), max_size=3)))
        return "ALL" if kind == "all" else frozenset()

    @staticmethod
    def stored_tasks(arguments):
        """The same as the operations want them."""
        found = dict(arguments)
        if found.get("tasks") is not None:
            found["tasks"] = [PlannedTask("TODO", words, "NORMAL", due) for words, due in found["tasks"]]
        if found.get("cancel_tasks") == "ALL":
            found["cancel_tasks"] = ALL_TASKS
        return found

    @staticmethod
    def are_wrong(wanted):
        return any(not words.strip() or due == TOO_FAR for words, due in wanted or ())

    def open_of(self, key):
        return [number for number, chore in self.chores.items() if chore.thing == key and chore.is_open]

    # What a change of an opportunity does

    def change_tasks(self, name, key, arguments, before, after, sequence):
        """Bring the model to where a change of one opportunity, its entry with this number, leaves the tasks."""
        match name:
            case "start" | "move":
                self.cancel(key, arguments.get("cancel_tasks", ()), sequence)
                self.make(key, arguments, after, sequence)
            case "close":
                self.cancel(key, arguments["cancel_tasks"], sequence)
            case "reassign" if arguments["with_tasks"]:
                theirs = [
                    number for number in self.open_of(key) if self.chores[number].seller == before.salesperson
                ]
                self.put(theirs, seller=after.salesperson, handed_over=sequence)
            case "undo":
                self.take_back(key, before, after, sequence)

    def cancel(self, key, which, sequence):
        gone = [number for number in self.open_of(key) if which == "ALL" or number in which]
        self.put(gone, status="CANCELLED", cancelled=sequence)

    def make(self, key, arguments, state, sequence):
        wanted = arguments["tasks"]
        if wanted is None:
            wanted = self.coming(state.stage, arguments["on"])
        person = self.contacts[state.contact]
        is_hidden = person.blocked or (person.company and self.contacts[person.company].blocked)
        contact = None if is_hidden else state.contact
        new = Task.objects.filter(opportunity=key).exclude(pk__in=self.chores).order_by("pk")
        for number, (words, due) in zip(new.values_list("pk", flat=True), wanted, strict=True):
            self.chores[number] = Chore(key, words, due, state.salesperson, contact, made=sequence)

    def take_back(self, key, before, after, sequence):
        """The entry before this one is undone: what it made or reopened goes, what it cancelled comes back."""
        last = sequence - 1
        mine = {number: chore for number, chore in self.chores.items() if chore.thing == key}
        gone = [n for n, chore in mine.items() if chore.is_open and last in (chore.made, chore.reopened)]
        back = [n for n, chore in mine.items() if chore.cancelled == last]
        self.put(gone, status="CANCELLED", cancelled=sequence)
        self.put(back, status="OPEN", cancelled=None, reopened=sequence)
        handed = [
            number
            for number in self.open_of(key)
            if self.chores[number].handed_over == last and self.chores[number].seller == before.salesperson
        ]
        self.put(handed, seller=after.salesperson, handed_over=sequence)

    def put(self, numbers, **changes):
        for number in numbers:
            self.chores[number] = replace(self.chores[number], **changes)

    # What people do by hand

    @rule(data=st.data())
    def somebody_works_on_a_task(self, data):
        self.work(data)

    @rule(data=st.data())
    def somebody_works_on_another_task(self, data):
        self.work(data)

    def work(self, data):
        if not self.chores:
            return
        number = data.draw(st.sampled_from(sorted(self.chores)))
        chore = self.chores[number]
        usual = ["complete", "cancel", "postpone", "give", "about"] if chore.is_open else ["reopen"]
        what = data.draw(st.sampled_from([*usual * 3, "complete", "reopen"]))
        try:
            with transaction.atomic():
                change = getattr(self, f"{what}_by_hand")(data, chore, Task.objects.get(pk=number))
        except TaskRefused as refusal:
            refused = type(refusal).__name__
        else:
            refused = ""
            self.put([number], **change)
        assert refused == self.refusal_of(what, chore), (what, chore)
        self.walked[f"task: {refused or what}"] += 1
        self.check_tasks(chore.thing)

    def refusal_of(self, what, chore):
        if (what == "reopen") == chore.is_open:
            return "TaskOpen" if chore.is_open else "TaskClosed"
        return self.expected_refusal if what in ("give", "about") else ""

    def complete_by_hand(self, data, chore, task):
        outcome = data.draw(st.sampled_from(["", "They agree"]))
        tasks.complete_task(task=task, by=self.somebody(data), outcome=outcome)
        return {"status": "DONE"}

    def cancel_by_hand(self, data, chore, task):
        tasks.cancel_task(task=task, by=self.somebody(data))
        return {"status": "CANCELLED"}

    def reopen_by_hand(self, data, chore, task):
        tasks.reopen_task(task=task, by=self.somebody(data))
        return {"status": "OPEN", "cancelled": None}

    def postpone_by_hand(self, data, chore, task):
        due = chore.due + timedelta(days=data.draw(st.integers(-5, 30)))
        tasks.postpone_task(task=task, due_on=due, by=self.somebody(data))
        return {"due": due}

    def give_by_hand(self, data, chore, task):
        seller = data.draw(st.sampled_from(sorted(self.sellers)))
        self.expected_refusal = "DoerRefused" if self.sellers[seller] and seller != chore.seller else ""
        tasks.reassign_task(task=task, by=self.somebody(data), salesperson=Salesperson.objects.get(pk=seller))
        return {"seller": seller}

    def about_by_hand(self, data, chore, task):
        """Put it about another opportunity, or the same: it becomes a task with the contact of that one."""
        thing = data.draw(st.sampled_from(sorted(self.things)))
        contact = self.things[thing].now.contact
        person = self.contacts[contact]
        is_blocked = person.blocked or bool(person.company and self.contacts[person.company].blocked)
        self.expected_refusal = "TaskContactRefused" if is_blocked and contact != chore.contact else ""
        facts = TaskFacts(
            task.kind,
            task.description,
            task.due_on,
            salesperson=task.salesperson,
            opportunity=Opportunity.objects.get(pk=thing),
        )
        tasks.change_task(task=task, facts=facts, by=self.somebody(data))
        if thing == chore.thing:
            return {"contact": contact}
        self.walked["task: about another"] += 1
        return {"thing": thing, "contact": contact, "made": None, "reopened": None, "handed_over": None}

    def somebody(self, data):
        return self.by_key[data.draw(st.sampled_from(self.users))]

    # What always holds

    def check_tasks(self, key):
        """The tasks of an opportunity against the model, and its next step."""
        rows = Task.objects.filter(opportunity=key).select_related(
            "made_by", "cancelled_by", "reopened_by", "handed_over_by"
        )
        assert {row.pk: stored(row) for row in rows} == {
            number: chore for number, chore in self.chores.items() if chore.thing == key
        }
        first = min(((self.chores[number].due, number) for number in self.open_of(key)), default=None)
        step = Opportunity.objects.with_next_step().get(pk=key).next_step
        assert (step and (step.due_on, step.pk)) == first
        left = set(operations.left_tasks(Opportunity.objects.get(pk=key)).values_list("pk", flat=True))
        assert left == self.left_behind(key)

    def left_behind(self, key):
        """The open tasks that came with the stage it stands in."""
        history = self.things[key].history
        stage = history[-1].state.stage
        return {
            number
            for number in self.open_of(key)
            if stage and (made := self.chores[number].made) and history[made - 1].state.stage == stage
        }

    def check_all_tasks(self):
        for key in self.things:
            self.check_tasks(key)
        assert set(Task.objects.values_list("pk", flat=True)) == set(self.chores)
