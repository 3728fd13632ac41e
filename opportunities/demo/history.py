"""What happens in the demo: a plan of contacts and eighteen months of events, made from dice alone.

Nothing here touches the database. The dice are thrown in a fixed order from a fixed seed, so that the same day
always gives the same plan.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar

from phonenumber_field.phonenumber import PhoneNumber

from crm.dates import apply_formula
from opportunities.demo import words
from opportunities.demo.setup import (
    BY_CODE,
    CYCLE_BY_CODE,
    CYCLES,
    LEAVER,
    LEFT_DAYS_AGO,
    MANAGERS,
    REASONS,
    SELLERS,
    TEAMS,
    Cycle,
)
from opportunities.models import Outcome, Priority

SEED = 2_025
DAYS = 548  # eighteen months
OPPORTUNITIES = 1_200
CONTACTS = 400
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Party:
    """A contact to be made; ``company`` is the index of a person's company."""

    kind: str
    name: str
    seller: str
    country: str
    city: str
    postcode: str
    address: str
    email: str
    phone: str
    language: str
    first_name: str = ""
    last_name: str = ""
    job_title: str = ""
    mobile: str = ""
    website: str = ""
    company: int | None = None
    industries: tuple[str, ...] = ()
    is_privacy_blocked: bool = False


@dataclass(frozen=True)
class Deal:
    """What an opportunity is created with."""

    description: str
    contact: int
    seller: str
    cycle: str
    priority: str


@dataclass(frozen=True)
class Event:
    """One entry of the ledger to be: the operation ``kind``, and what it is asked with."""

    on: date
    deal: int
    kind: str
    by: str
    value: Decimal | None = None
    chance: Decimal | None = None
    closes_on: date | None = None
    stage: int = 0
    reason: str = ""
    amount: Decimal | None = None
    note: str = ""
    seller: str = ""
    contact: int | None = None


@dataclass
class Plan:
    """All that the demo will make, in the order in which it is made."""

    parties: list[Party]
    deals: list[Deal]
    events: list[Event]


def make_plan(today: date, *, opportunities: int = OPPORTUNITIES) -> Plan:
    """The plan for a demo that ends ``today``; a smaller one has fewer contacts too."""
    rng = Random(SEED)
    size = opportunities / OPPORTUNITIES
    parties = _parties(rng, companies=max(10, round(150 * size)), contacts=max(25, round(CONTACTS * size)))
    market = _Market(parties)
    deals: list[Deal] = []
    events: list[Event] = []
    for created_on in _creation_days(rng, today, opportunities):
        deal = market.deal(rng, created_on, today)
        life = _Life(rng, today, len(deals), deal, market)
        events += life.live(created_on)
        market.remember(deal, life.events)
        deals.append(deal)
    events.sort(key=lambda event: event.on)  # stable: what one deal does in a day stays in order
    return Plan(parties, deals, events)


# Contacts --------------------------------------------------------------------------------------------------------


def _parties(rng: Random, *, companies: int, contacts: int) -> list[Party]:
    """Companies first, then the people in them, then some people on their own."""
    taken: set[str] = set()
    parties = [_company(rng, taken) for _ in range(companies)]
    alone = max(3, contacts // 16)
    for index in range(companies, contacts - alone):
        company = index % companies if index < 2 * companies else _skewed(rng, range(companies))
        parties.append(_person(rng, taken, parties[company], company))
    parties += [_person(rng, taken, None, None) for _ in range(contacts - len(parties))]
    return parties


def _company(rng: Random, taken: set[str]) -> Party:
    country, seller = _somewhere(rng)
    industry = rng.choice(list(words.INDUSTRIES))
    city, postcode = rng.choice(country.cities)
    while True:
        trade = rng.choice(words.INDUSTRIES[industry][1])
        form = rng.choice(country.legal_forms)
        name = rng.choice(
            (
                f"{rng.choice(words.ROOTS)} {trade} {form}",
                f"{rng.choice(words.ROOTS)} {form}",
                f"{rng.choice(country.last_names)} {trade} {form}",
                f"{rng.choice(words.ROOTS)} {trade} {city}",
            )
        )
        domain = _slug(name.replace(form, ""))
        if _new(domain, taken):
            break
    return Party(
        kind="COMPANY",
        name=name,
        seller=seller,
        country=country.code,
        city=city,
        postcode=postcode,
        address=_address(rng, country),
        email=f"info@{domain}.example",
        phone=_phone(rng, country.phone),
        website=f"https://www.{domain}.example/",
        language=country.language,
        industries=(industry,) if rng.random() < 0.85 else (industry, rng.choice(list(words.INDUSTRIES))),
    )


def _person(rng: Random, taken: set[str], company: Party | None, index: int | None) -> Party:
    country, seller = (
        _somewhere(rng) if company is None else (words.COUNTRIES[company.country], company.seller)
    )
    city, postcode = rng.choice(country.cities) if company is None else (company.city, company.postcode)
    while True:
        first, last = rng.choice(country.first_names), rng.choice(country.last_names)
        if _new(f"{first} {last}", taken) or len(taken) > 5_000:
            break
        if rng.random() < 0.1:  # a small country's names run out: a double name
            last = f"{last}-{rng.choice(country.last_names)}"
            if _new(f"{first} {last}", taken):
                break
    host = "post.example" if company is None else company.email.partition("@")[2]
    return Party(
        kind="PERSON",
        name=f"{first} {last}",
        first_name=first,
        last_name=last,
        seller=seller,
        country=country.code,
        city=city,
        postcode=postcode,
        address=_address(rng, country) if company is None else company.address,
        email=f"{_slug(first)}.{_slug(last)}@{host}",
        phone=_phone(rng, country.phone) if rng.random() < 0.6 else "",
        mobile=_phone(rng, country.mobile) if rng.random() < 0.7 else "",
        language=country.language,
        job_title="Consultant" if company is None else rng.choice(words.JOB_TITLES),
        company=index,
        is_privacy_blocked=company is None and rng.random() < 0.1,
    )


def _somewhere(rng: Random) -> tuple[words.Country, str]:
    """A country and the salesperson who looks after a contact there."""
    team = rng.choices(TEAMS, weights=[team[4] for team in TEAMS])[0]
    country = words.COUNTRIES[rng.choice(team[3])]
    sellers = [seller for seller in SELLERS if seller.team == team[0]]
    return country, rng.choices(sellers, weights=[seller.busy for seller in sellers])[0].code


def _address(rng: Random, country: words.Country) -> str:
    return country.address.format(street=rng.choice(country.streets), number=rng.randint(1, 180))


def _phone(rng: Random, pattern: str) -> str:
    """A number of the pattern that could be dialled."""
    while True:
        digits = "".join(str(rng.randrange(10)) if mark == "x" else mark for mark in pattern)
        number = PhoneNumber.from_string(digits)
        if number.is_valid():
            return str(number.as_e164)


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(str.maketrans("øæß", "oas"))).encode(
        "ascii", "ignore"
    )
    return "-".join("".join(c if c.isalnum() else " " for c in plain.decode().lower()).split())


def _new(name: str, taken: set[str]) -> bool:
    if name in taken:
        return False
    taken.add(name)
    return True


# Deals -----------------------------------------------------------------------------------------------------------


class _Market:
    """Who buys what from whom, and who has bought before."""

    def __init__(self, parties: Sequence[Party]) -> None:
        self.parties = parties
        self.companies = [index for index, party in enumerate(parties) if party.kind == "COMPANY"]
        self.alone = [
            index
            for index, party in enumerate(parties)
            if party.kind == "PERSON" and party.company is None and not party.is_privacy_blocked
        ]
        self.people: dict[int, list[int]] = {index: [] for index in self.companies}
        for index, party in enumerate(parties):
            if party.company is not None:
                self.people[party.company].append(index)
        self.customers: dict[int, date] = {}
        self.said: set[tuple[int, str]] = set()

    def deal(self, rng: Random, created_on: date, today: date) -> Deal:
        """Something new to sell, on that day."""
        cycle = rng.choices(CYCLES, weights=[cycle.share for cycle in CYCLES])[0]
        buyers = [buyer for buyer, since in self.customers.items() if since < created_on]
        if cycle.code == "EXISTING" and len(buyers) >= 5:
            buyer = _skewed(rng, buyers)
        else:
            cycle = cycle if cycle.code == "TENDER" else CYCLES[0]
            buyer = rng.choice(self.alone) if rng.random() < 0.03 else _skewed(rng, self.companies, 1.4)
        people = self.people.get(buyer, [])
        contact = rng.choice(people) if people and rng.random() < 0.85 else buyer
        seller = self.parties[buyer].seller
        if rng.random() < 0.12 or (seller == LEAVER and has_left(created_on, today)):
            seller = self.colleague(rng, seller, created_on, today)
        return Deal(
            description=self.description(rng, cycle, buyer, created_on),
            contact=contact,
            seller=seller,
            cycle=cycle.code,
            priority=rng.choices(
                [Priority.NORMAL.value, Priority.HIGH.value, Priority.LOW.value], weights=[76, 14, 10]
            )[0],
        )

    def description(self, rng: Random, cycle: Cycle, buyer: int, created_on: date) -> str:
        """What it is about; one company is never offered the same thing twice in the same words."""
        goods, suffixes = {
            "NEW": (words.GOODS, words.SUFFIXES),
            "EXISTING": (words.MORE_OF_IT, words.RENEWAL_SUFFIXES),
            "TENDER": (words.TENDERS, words.SUFFIXES),
        }[cycle.code]
        for _attempt in range(40):
            suffix = rng.choice(suffixes).format(
                city=self.parties[buyer].city, year=created_on.year, next_year=created_on.year + 1
            )
            text = f"{rng.choice(goods)[0]}{suffix}"
            if (buyer, text) not in self.said:
                break
        self.said.add((buyer, text))
        return text

    def colleague(self, rng: Random, seller: str, on: date, today: date) -> str:
        """Somebody else of the team who is there on that day."""
        others = [
            other
            for other in SELLERS
            if other.team == BY_CODE[seller].team
            and other.code != seller
            and not (other.code == LEAVER and has_left(on, today))
        ]
        return rng.choices(others, weights=[other.busy for other in others])[0].code

    def remember(self, deal: Deal, events: Sequence[Event]) -> None:
        """A company that has bought can be sold more."""
        party = self.parties[deal.contact]
        buyer = deal.contact if party.company is None else party.company
        for event in events:
            if event.kind == "won":
                self.customers[buyer] = min(event.on, self.customers.get(buyer, event.on))


def _creation_days(rng: Random, today: date, count: int) -> list[date]:
    """Working days, more of them lately than long ago, few in August and between the years."""
    days: list[date] = []
    while len(days) < count:
        day = today - timedelta(days=int(DAYS * rng.random() ** 1.25))
        quiet = day.month == 8 or (day.month, day.day) > (12, 20)
        if day.weekday() < 5 and (not quiet or rng.random() < 0.45):
            days.append(day)
    return sorted(days)


def has_left(on: date, today: date) -> bool:
    """Whether the one who left had left by then."""
    return on >= left_on(today)


def left_on(today: date) -> date:
    """The day the one who left had left: a working day."""
    return workday(today - timedelta(days=LEFT_DAYS_AGO))


def workday(day: date) -> date:
    """The day, or the Monday after the weekend it falls in."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)


# A life ----------------------------------------------------------------------------------------------------------


@dataclass
class _Life:
    """One opportunity from its creation to today, thrown with dice."""

    rng: Random
    today: date
    index: int
    deal: Deal
    market: _Market
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cycle = CYCLE_BY_CODE[self.deal.cycle]
        self.seller = self.deal.seller
        self.contact = self.deal.contact
        self.skill = BY_CODE[self.seller].skill
        self.stage = 0
        self.chance = Decimal(0)
        self.closes_on = self.today
        self.is_open = True
        usual = next(
            value
            for goods in (words.GOODS, words.MORE_OF_IT, words.TENDERS)
            for text, value in goods
            if self.deal.description.startswith(text)
        )
        self.value = _rounded(usual * math.exp(self.rng.gauss(0, 0.45)))

    def live(self, created_on: date) -> list[Event]:
        """Every event in order; none lies after today."""
        if self._begin(created_on):
            while self._stay():
                pass
        self._hand_over_from_leaver(self.today)
        return self.events

    def _begin(self, created_on: date) -> bool:
        """Create it and start it, unless it waits (a few until they are given up)."""
        rng = self.rng
        estimated = rng.random() < 0.7
        self.closes_on = self._offer(created_on)
        self._add(
            created_on,
            "create",
            value=self.value if estimated else None,
            chance=self.cycle.stages[0].chance if estimated else None,
            closes_on=self.closes_on if estimated else None,
        )
        if rng.random() < 0.025:  # nobody ever began
            given_up = workday(created_on + timedelta(days=rng.randint(40, 140)))
            if given_up <= self.today:
                self._close(given_up, Outcome.LOST)
            return False
        starts_on = created_on if rng.random() < 0.45 else self._later(created_on, 9)
        if starts_on > self.today:
            return False
        self._enter(starts_on, "start", 0)
        return True

    def _stay(self) -> bool:
        """Spend time in a stage, and leave it; False when nothing more happens until today."""
        rng, stage = self.rng, self.cycle.stages[self.stage]
        began = self.events[-1].on
        leaves_on = self._later(began, stage.days * (1.3 - 0.3 * self.skill))
        if rng.random() < 0.03:
            return self._forgotten(began)
        between = workday(began + (leaves_on - began) / 2)
        if began < between <= min(leaves_on, self.today):
            self._meanwhile(between)
        if self.closes_on < min(leaves_on, self.today) and rng.random() < 0.75:
            late = workday(self.closes_on + timedelta(days=rng.randint(0, 6)))
            if self.events[-1].on <= late <= min(leaves_on, self.today):
                self._revise(late)
        leaves_on = max(leaves_on, self.events[-1].on)
        if leaves_on > self.today:
            return False
        return self._leave(leaves_on)

    def _forgotten(self, began: date) -> bool:
        """In a drawer, until somebody cleans up."""
        found_on = workday(began + timedelta(days=self.rng.randint(45, 110)))
        if found_on > self.today:
            return False
        return self._lose(found_on)

    def _meanwhile(self, on: date) -> None:
        """What can happen half-way: a new estimate, another owner, another contact."""
        rng = self.rng
        self._hand_over_from_leaver(on)
        dice = rng.random()
        if dice < 0.24:
            self._revise(on)
        elif dice < 0.28:
            to = self.market.colleague(rng, self.seller, on, self.today)
            self._add(on, "reassign", by=self._manager(), seller=to)
            self.seller = to
        elif dice < 0.31:
            party = self.market.parties[self.contact]
            others = [] if party.company is None else self.market.people[party.company]
            others = [other for other in others if other != self.contact]
            if others:
                self.contact = rng.choice(others)
                self._add(on, "contact", contact=self.contact)

    def _leave(self, on: date) -> bool:
        """Lost, won, back or on; a slip of the hand is undone the same day."""
        rng, cycle = self.rng, self.cycle
        if rng.random() < cycle.stages[self.stage].lost / self.skill:
            return self._lose(on)
        if self.stage == cycle.wins_from:
            self._close(on, Outcome.WON)
            return self._undone(on) if rng.random() < 0.02 else False
        if self.stage > 0 and rng.random() < 0.05:
            back = rng.randrange(self.stage) if rng.random() < 0.3 else self.stage - 1
            self._enter(on, "back", back)
            return True
        before = self.stage, self.chance, self.closes_on, self.value
        following = cycle.stages[self.stage + 1]
        if following.allows_skip and self.stage + 2 <= cycle.wins_from and rng.random() < 0.16:
            self._enter(on, "skip", self.stage + 2)
        else:
            self._enter(on, "move", self.stage + 1)
        if rng.random() < 0.012:
            self.stage, self.chance, self.closes_on, self.value = before
            self._add(on, "undo", note=rng.choice(words.NOTES["undo"]))
        return True

    def _lose(self, on: date) -> bool:
        """Lost; a few come back."""
        rng = self.rng
        self._close(on, Outcome.LOST)
        if rng.random() < 0.02:
            return self._undone(on)
        again = workday(on + timedelta(days=rng.randint(12, 60)))
        if rng.random() < 0.05 and again <= self.today:
            self._add(again, "reopen", by=self._manager(), note=rng.choice(words.NOTES["reopen"]))
            self.is_open = True
            self._revise(again)
            return True
        return False

    def _undone(self, on: date) -> bool:
        """Closed by mistake, and seen at once."""
        self._add(on, "undo", note=self.rng.choice(words.NOTES["undo"]))
        self.is_open = True
        return True

    def _enter(self, on: date, kind: str, stage: int) -> None:
        rng = self.rng
        self.stage = stage
        self.chance = self._typed(self.cycle.stages[stage].chance)
        self.closes_on = self._offer(on)
        if kind != "start" and rng.random() < 0.3:
            self.value = _rounded(float(self.value) * math.exp(rng.gauss(0.02, 0.15)))
        self._add(on, kind, value=self.value, chance=self.chance, closes_on=self.closes_on, stage=stage)

    def _revise(self, on: date) -> None:
        rng = self.rng
        self.value = _rounded(float(self.value) * math.exp(rng.gauss(0, 0.18)))
        self.chance = self._typed(self.chance)
        self.closes_on = workday(max(on, self.closes_on) + timedelta(days=rng.randint(5, 35)))
        self._add(on, "revise", value=self.value, chance=self.chance, closes_on=self.closes_on)

    def _close(self, on: date, outcome: Outcome) -> None:
        rng = self.rng
        reasons = [(code, weight) for code, kind, _text, weight in REASONS if kind == outcome]
        reason = rng.choices([code for code, _ in reasons], weights=[weight for _, weight in reasons])[0]
        amount = _rounded(float(self.value) * rng.uniform(0.84, 1.04)) if outcome == Outcome.WON else None
        self._add(on, outcome.value.lower(), reason=reason, amount=amount)
        self.is_open = False

    def _hand_over_from_leaver(self, on: date) -> None:
        """What the one who left had open went to a colleague, once that day had come."""
        if self.seller != LEAVER or not self.is_open or not self.events or not has_left(on, self.today):
            return
        self.seller = self.market.colleague(self.rng, LEAVER, on, self.today)
        self._add(
            max(left_on(self.today), self.events[-1].on),
            "reassign",
            by=MANAGERS[BY_CODE[LEAVER].team],
            seller=self.seller,
            note="Emil has left us.",
        )

    def _add(self, on: date, kind: str, *, by: str = "", note: str = "", **asked: object) -> None:
        """Write an event down, with a remark now and then."""
        self._hand_over_from_leaver(on)
        if not note and self.rng.random() < 0.3 and kind in words.NOTES:
            note = self.rng.choice(words.NOTES[kind])
        self.events.append(
            Event(on=on, deal=self.index, kind=kind, by=by or self.seller, note=note, **asked)  # type: ignore[arg-type]
        )

    def _offer(self, on: date) -> date:
        """The stage's closing date, a little earlier or later as people type it."""
        offered = apply_formula(self.cycle.stages[self.stage].close_in, on)
        return max(on, workday(offered + timedelta(days=self.rng.choice((-4, 0, 0, 0, 3, 7)))))

    def _typed(self, chance: Decimal) -> Decimal:
        return min(Decimal(95), max(Decimal(5), chance + self.rng.choice((-10, -5, 0, 0, 0, 0, 5, 10))))

    def _later(self, day: date, days: float) -> date:
        """Some working day after, by chance about that many days later."""
        return workday(day + timedelta(days=1 + int(self.rng.expovariate(1 / days))))

    def _manager(self) -> str:
        return MANAGERS[BY_CODE[self.seller].team]


def _skewed(rng: Random, choices: Sequence[Choice], power: float = 2.0) -> Choice:
    """One of them, the first ones far more often than the last."""
    return choices[int(len(choices) * rng.random() ** power)]


def _rounded(value: float) -> Decimal:
    """An amount as one would estimate it."""
    step = 50 if value < 10_000 else 500 if value < 100_000 else 1_000
    return Decimal(max(step, round(value / step) * step))
