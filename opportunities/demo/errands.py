"""What there is to do in the demo: the tasks that came with the stages, and those that people wrote down themselves.

Most are behind somebody: done, perhaps with a word about what came of it, or cancelled when the opportunity went on.
Of what is still open most have something ahead, a few have nothing, and now and then somebody is late. The dice here
are others than those of ``history``, so that what is to be done changes nothing that happens.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from random import Random

from activities.models import TaskKind, TaskPriority, TaskStatus
from activities.operations import KIND_OF_OUTCOME
from crm.dates import apply_formula
from opportunities.demo.history import SEED, Deal, Event, Plan, workday
from opportunities.demo.setup import (
    ACTIVITIES,
    BY_CODE,
    CYCLE_BY_CODE,
    LEAVER,
    MANAGERS,
    TEAMS,
)
from opportunities.demo.talk import SAYINGS

STEPS = {code: steps for code, _description, steps in ACTIVITIES}
ENTERING = ("start", "move", "skip", "back")
LEAVING = ("move", "skip", "back", "won", "lost")
DONE_IN_TIME = 0.85  # of what was to be done in a stage, before it was left; the rest was cancelled with that
FORGOTTEN = 0.2  # of what was due lately, what nobody has done yet
LATELY = 14  # days
HAS_NEXT = 0.82  # of what is open with nothing left to do, the share in which somebody planned something
STARTS_SOON = 0.6  # of what is not started, the share in which somebody planned a first call
REPEATING = 0.07
HAS_OUTCOME = 0.2
SERVICE_CALLS = 40
DAYS_AHEAD = (-8, -4, -2, -1, 0, 0, 0, 1, 1, 2, 2, 3, 3, 5, 6, 8, 9, 12, 15, 20, 28)
HOURS = (time(9, 0), time(10, 0), time(10, 30), time(11, 15), time(14, 0), time(15, 30), time(16, 0))

FOLLOW_UPS = {
    TaskKind.CALL: (
        "Call about the decision",
        "Ask when the board meets",
        "Ask whether the budget has come through",
        "Call their IT department about the connection",
        "Call back about delivery times",
    ),
    TaskKind.EMAIL: (
        "Send the references they asked for",
        "Send the changed price",
        "Confirm in writing what was agreed",
        "Answer the questions of purchasing",
    ),
    TaskKind.MEETING: (
        "Meet the plant manager",
        "Visit with an engineer",
        "Go through the contract together",
    ),
    TaskKind.TODO: (
        "Calculate the second hall",
        "Ask support for the service hours",
        "Find out who signs",
    ),
}
KEEP_IN_TOUCH = (
    ("Ask how far they are", "2W"),
    ("Keep in touch", "1M"),
    ("Ask about the budget round", "1M"),
)


@dataclass(frozen=True)
class Errand:
    """One task to be. ``made_by`` and ``cancelled_by`` are places in the events of the plan."""

    kind: TaskKind
    description: str
    due_on: date
    made_on: date
    seller: str = ""
    team: str = ""
    due_time: time | None = None
    priority: TaskPriority = TaskPriority.NORMAL
    deal: int | None = None
    party: int | None = None
    activity: str = ""
    made_by: int | None = None
    status: TaskStatus = TaskStatus.OPEN
    closed_on: date | None = None
    cancelled_by: int | None = None
    outcome: str = ""
    repeats: str = ""


def errands(plan: Plan, today: date) -> Iterator[Errand]:
    """Everything that was and is to be done, in a steady order."""
    rng = Random(SEED + 3)
    history: dict[int, list[tuple[int, Event]]] = defaultdict(list)
    for place, event in enumerate(plan.events):
        history[event.deal].append((place, event))
    for number, deal in enumerate(plan.deals):
        yield from _Course(rng, today, number, deal, history[number]).errands()
    yield from _of_teams(today)
    yield from _of_customers(rng, plan, today)


@dataclass
class _Course:
    """What was to be done for one opportunity."""

    rng: Random
    today: date
    number: int
    deal: Deal
    events: Sequence[tuple[int, Event]]
    undone: dict[int, tuple[int, Event]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set aside what was taken back at once."""
        self.stands: list[tuple[int, Event]] = []
        for place, event in self.events:
            if event.kind == "undo":
                self.undone[self.stands.pop()[0]] = (place, event)
            else:
                self.stands.append((place, event))

    def errands(self) -> Iterator[Errand]:
        """The tasks of every stage it stood in, then what somebody planned."""
        has_next = False
        for place, event in self.events:
            if event.kind in ENTERING:
                for errand in self._of_stage(place, event):
                    has_next |= errand.status == TaskStatus.OPEN
                    yield errand
        if not has_next and self._is_open():
            yield from self._planned_by_hand()

    def _of_stage(self, place: int, event: Event) -> Iterator[Errand]:
        activity = CYCLE_BY_CODE[self.deal.cycle].stages[event.stage].activity
        for kind, description, due_in in STEPS.get(activity, ()):
            errand = Errand(
                kind,
                description,
                apply_formula(due_in, event.on),
                made_on=event.on,
                seller=self._owner(event.on),
                deal=self.number,
                activity=activity,
                made_by=place,
            )
            yield self._carried_out(errand, place)

    def _carried_out(self, errand: Errand, place: int) -> Errand:
        """What became of it: undone with the change it came with, done, cancelled, forgotten, or still ahead."""
        if place in self.undone:
            return self._cancelled(errand, *self.undone[place])
        left = next(
            ((other, event) for other, event in self.stands if other > place and event.kind in LEAVING), None
        )
        if left is not None:
            is_done = self.rng.random() < DONE_IN_TIME
            return self._done(errand, left[1].on) if is_done else self._cancelled(errand, *left)
        late = (self.today - errand.due_on).days
        if late > LATELY or (late > 0 and self.rng.random() > FORGOTTEN):
            return self._done(errand, self.today)
        is_meeting = errand.kind == TaskKind.MEETING
        return replace(
            errand,
            seller=self._owner(self.today),
            due_time=self.rng.choice(HOURS) if is_meeting else None,
        )

    def _done(self, errand: Errand, latest: date) -> Errand:
        """Done about when it was due, and by whoever had it then."""
        on = min(
            max(errand.due_on + timedelta(days=self.rng.choice((-1, 0, 0, 0, 1))), errand.made_on), latest
        )
        outcome = ""
        if self.rng.random() < HAS_OUTCOME:
            outcome = self.rng.choice(SAYINGS[KIND_OF_OUTCOME[errand.kind]])
        return replace(errand, status=TaskStatus.DONE, closed_on=on, seller=self._owner(on), outcome=outcome)

    def _cancelled(self, errand: Errand, place: int, event: Event) -> Errand:
        owner = self._owner(event.on)
        return replace(
            errand, status=TaskStatus.CANCELLED, closed_on=event.on, cancelled_by=place, seller=owner
        )

    def _planned_by_hand(self) -> Iterator[Errand]:
        """Something that somebody wrote down, for most of what is open."""
        rng = self.rng
        is_started = any(event.kind == "start" for _place, event in self.stands)
        due_on = workday(self.today + timedelta(days=rng.choice(DAYS_AHEAD)))
        began = max(self.stands[-1][1].on, min(due_on, self.today) - timedelta(days=9))
        shared = {"made_on": began, "seller": self._owner(self.today), "deal": self.number}
        if not is_started:
            if rng.random() < STARTS_SOON:
                yield Errand(TaskKind.CALL, "Call to make an appointment", max(due_on, began), **shared)  # type: ignore[arg-type]
            return
        if rng.random() > HAS_NEXT:
            return
        kind = rng.choices(list(FOLLOW_UPS), (5, 3, 2, 2))[0]
        description, repeats = rng.choice(FOLLOW_UPS[kind]), ""
        if rng.random() < REPEATING:
            kind, (description, repeats) = TaskKind.CALL, rng.choice(KEEP_IN_TOUCH)
        yield Errand(
            kind,
            description,
            max(due_on, began),
            due_time=rng.choice(HOURS) if kind == TaskKind.MEETING or rng.random() < 0.2 else None,
            priority=rng.choices(list(TaskPriority), (1, 8, 2))[0],
            repeats=repeats,
            **shared,  # type: ignore[arg-type]
        )

    def _owner(self, on: date) -> str:
        """Whose it was at the end of a day."""
        owner = self.deal.seller
        for _place, event in self.stands:
            if event.kind == "reassign" and event.on <= on:
                owner = event.seller
        return owner

    def _is_open(self) -> bool:
        last = [event.kind for _place, event in self.stands if event.kind in ("won", "lost", "reopen")]
        return not last or last[-1] == "reopen"


def _of_teams(today: date) -> Iterator[Errand]:
    """What a whole team is to do."""
    monday = today + timedelta(days=7 - today.weekday())
    for code, name, *_rest in TEAMS:
        yield Errand(
            TaskKind.MEETING,
            f"Go through the week, {name}",
            monday,
            made_on=today - timedelta(days=today.weekday()),
            team=code,
            due_time=time(9, 0),
            repeats="1W",
        )
    for code, description, days in (
        ("BENELUX", "Agree who visits the spring fair", 0),
        ("BENELUX", "Collect photos for the case study", -4),
        ("DACH", "Divide what Emil left behind", -2),
        ("NORDIC", "Translate the price list", 6),
    ):
        due_on = workday(today + timedelta(days=days))
        yield Errand(TaskKind.TODO, description, due_on, made_on=due_on - timedelta(days=14), team=code)


def _of_customers(rng: Random, plan: Plan, today: date) -> Iterator[Errand]:
    """Calls to people who have bought, once a quarter, by whoever looks after them."""
    bought = sorted({plan.deals[event.deal].contact for event in plan.events if event.kind == "won"})
    for party in rng.sample(bought, min(SERVICE_CALLS, len(bought))):
        seller = plan.parties[party].seller
        yield Errand(
            TaskKind.CALL,
            "Ask whether everything runs well",
            workday(today + timedelta(days=rng.randint(-3, 60))),
            made_on=today - timedelta(days=30),
            seller=MANAGERS[BY_CODE[LEAVER].team] if seller == LEAVER else seller,
            party=party,
            repeats="1Q",
        )
