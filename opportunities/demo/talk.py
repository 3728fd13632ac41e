"""What is said in the demo, and by whom else: notes, calls, meetings and e-mails on opportunities, and who is involved.

The dice here are others than those of ``history``, so that what is told changes nothing that happens.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from activities.models import InteractionKind
from opportunities.demo.history import SEED, Event, Plan
from opportunities.models import ContactRole

SAYINGS = {
    InteractionKind.CALL: (
        "Called about the site visit; they prefer a Tuesday.",
        "Not in. Left a message with the front desk.",
        "Short call: budget is confirmed for this year.",
        "They ask for references in their own trade.",
        "Went through the open questions. Delivery time matters most.",
        "Wants to think it over until after the holidays.",
    ),
    InteractionKind.EMAIL: (
        "Sent the brochure and two cases.",
        "Answered their list of technical questions.",
        "They sent the floor plan and last year's figures.",
        "Asked who else decides. No answer yet.",
        "Terms of payment sent, as they asked.",
    ),
    InteractionKind.MEETING: (
        "Walked through the hall with the plant manager.\nTwo lines first, the third one next year.",
        "Showed the product to five people. The operators liked it, finance asked about service costs.",
        "Met purchasing. They compare three suppliers on price, delivery and support.",
        "Workshop on site: requirements are clear now.",
    ),
    InteractionKind.NOTE: (
        "Knows us from the trade fair.",
        "Their present supplier's contract ends this year.",
        "Careful: the last delivery was late, and they remember.",
        "Decision is made by two people; both have to agree.",
    ),
}
KINDS = (InteractionKind.CALL, InteractionKind.EMAIL, InteractionKind.MEETING, InteractionKind.NOTE)
HOW_OFTEN = (5, 4, 3, 2)
SPOKEN_OF = 0.3  # of what happens, the share that somebody writes a line about
WITH_COLLEAGUES = 0.35  # of the opportunities, the share in which somebody else has a say
ROLES = (
    ContactRole.DECISION_MAKER,
    ContactRole.USER,
    ContactRole.PURCHASING,
    ContactRole.INFLUENCER,
)


@dataclass(frozen=True)
class Saying:
    """One interaction to be, on the day of something that happened."""

    deal: int
    on: date
    kind: InteractionKind
    text: str
    by: str


@dataclass(frozen=True)
class Part:
    """Somebody of the buyer's who has a say, added by the salesperson."""

    deal: int
    contact: int
    role: ContactRole
    by: str


def sayings(plan: Plan) -> Iterator[Saying]:
    """What is said, in the order in which things happen."""
    rng = Random(SEED + 1)
    for event in plan.events:
        if event.kind != "undo" and rng.random() < SPOKEN_OF:
            kind = rng.choices(KINDS, HOW_OFTEN)[0]
            yield Saying(event.deal, event.on, kind, rng.choice(SAYINGS[kind]), event.by)


def parts(plan: Plan) -> Iterator[Part]:
    """Who else is involved: colleagues of the contact whom the opportunity was never with."""
    rng = Random(SEED + 2)
    colleagues = defaultdict(list)
    for index, party in enumerate(plan.parties):
        if party.company is not None and not party.is_privacy_blocked:
            colleagues[party.company].append(index)
    history: dict[int, list[Event]] = defaultdict(list)
    for event in plan.events:
        history[event.deal].append(event)
    for number, deal in enumerate(plan.deals):
        party = plan.parties[deal.contact]
        company = deal.contact if party.kind == "COMPANY" else party.company
        dealt_with = {deal.contact, *(event.contact for event in history[number])}
        others = [
            one for one in colleagues.get(-1 if company is None else company, []) if one not in dealt_with
        ]
        if not others or rng.random() > WITH_COLLEAGUES:
            continue
        chosen = rng.sample(others, min(len(others), rng.choice((1, 1, 2))))
        for contact, role in zip(chosen, rng.sample(ROLES, len(chosen)), strict=True):
            yield Part(number, contact, role, deal.seller)
