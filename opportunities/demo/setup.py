"""The demo's company: teams and people, sales cycles, activities, close reasons."""

from dataclasses import dataclass
from decimal import Decimal

from activities.models import TaskKind
from opportunities.models import Outcome
from salescycles.models import ProbabilityMethod

DOMAIN = "demo.example"
PASSWORD = "try-kansen-today"


@dataclass(frozen=True)
class Seller:
    """A salesperson of the demo; ``busy`` is how much of the team's work lands here, ``skill`` how often it is won."""

    code: str
    name: str
    team: str
    busy: float
    skill: float
    job_title: str = "Account manager"

    @property
    def email(self) -> str:
        """The address, in a domain that nobody can have."""
        plain = self.name.translate(PLAIN)
        return f"{plain.lower().replace(' ', '.')}@{DOMAIN}"


PLAIN = str.maketrans("áäåæéèêëíïóöøüúñçßÁÅÉÖØ", "aaaaeeeeiiooouuncsAAEOO")

TEAMS = (
    # code, name, manager, countries, share of the business
    ("BENELUX", "Benelux", "LOTTE", ("BE", "NL"), 0.36),
    ("DACH", "Germany and Austria", "JONAS", ("DE", "AT"), 0.24),
    ("SOUTH", "France and Iberia", "MARGOT", ("FR", "ES"), 0.16),
    ("ISLES", "Britain and Ireland", "RORY", ("GB", "IE"), 0.14),
    ("NORDIC", "Nordics", "INGRID", ("SE", "DK"), 0.10),
)

SELLERS = (
    Seller("LOTTE", "Lotte Janssens", "BENELUX", 0.6, 1.2, "Sales manager"),
    Seller("MATS", "Mats Verhoeven", "BENELUX", 3.4, 1.25, "Senior account manager"),
    Seller("NOOR", "Noor de Graaf", "BENELUX", 2.2, 1.1),
    Seller("TIBO", "Tibo Lambrecht", "BENELUX", 1.0, 0.8),
    Seller("EVI", "Evi Cornelis", "BENELUX", 0.7, 1.0),
    Seller("SJOERD", "Sjoerd Hoekstra", "BENELUX", 0.5, 0.9),
    Seller("JONAS", "Jonas Brandt", "DACH", 0.5, 1.1, "Sales manager"),
    Seller("KLARA", "Klara Vogel", "DACH", 2.8, 1.15, "Senior account manager"),
    Seller("EMIL", "Emil Rademacher", "DACH", 1.3, 0.85),
    Seller("PETRA", "Petra Lechner", "DACH", 0.9, 1.0),
    Seller("OTTO", "Otto Hartwig", "DACH", 0.6, 0.95),
    Seller("MARGOT", "Margot Delacroix", "SOUTH", 0.5, 1.05, "Sales manager"),
    Seller("HUGO", "Hugo Perrin", "SOUTH", 1.8, 1.0, "Senior account manager"),
    Seller("INES", "Inés Robles", "SOUTH", 1.2, 1.1),
    Seller("BASILE", "Basile Marchand", "SOUTH", 0.6, 0.75),
    Seller("PILAR", "Pilar Esteban", "SOUTH", 0.5, 0.95),
    Seller("RORY", "Rory Campbell", "ISLES", 0.4, 1.0, "Sales manager"),
    Seller("MEGAN", "Megan Foster", "ISLES", 1.9, 1.2, "Senior account manager"),
    Seller("DARRAGH", "Darragh Quinn", "ISLES", 1.1, 0.9),
    Seller("PIPPA", "Pippa Lawson", "ISLES", 0.6, 1.0),
    Seller("INGRID", "Ingrid Solberg", "NORDIC", 0.4, 1.1, "Sales manager"),
    Seller("AXEL", "Axel Norling", "NORDIC", 1.4, 1.0),
    Seller("TUVA", "Tuva Hedman", "NORDIC", 0.9, 1.05),
    Seller("LARS", "Lars Thomsen", "NORDIC", 0.6, 0.9),
    Seller("STINE", "Stine Overgaard", "NORDIC", 0.4, 1.0),
)
BY_CODE = {seller.code: seller for seller in SELLERS}
MANAGERS = {code: manager for code, _name, manager, _countries, _share in TEAMS}
LEAVER = "EMIL"  # left the company some weeks ago: colleagues took over what was open
LEFT_DAYS_AGO = 75

VIEWER = (f"viewer@{DOMAIN}", "Vera Lindt")
ADMINISTRATOR = (f"admin@{DOMAIN}", "Adam Beheer")
# Who may sign in with PASSWORD, and as what.
SIGN_INS = (
    ("Salesperson", BY_CODE["MATS"].email),
    ("Sales manager", BY_CODE["LOTTE"].email),
    ("Viewer", VIEWER[0]),
    ("Administrator", ADMINISTRATOR[0]),
)


@dataclass(frozen=True)
class Stage:
    """A stage, and how opportunities behave in it: days they stay, how many are lost here."""

    description: str
    completed: Decimal
    chance: Decimal
    close_in: str
    activity: str = ""
    allows_skip: bool = False
    requires_quote: bool = False
    days: float = 14
    lost: float = 0.2


@dataclass(frozen=True)
class Cycle:
    """A sales cycle with its stages; ``wins_from`` is the stage after which a deal is won."""

    code: str
    description: str
    method: ProbabilityMethod
    stages: tuple[Stage, ...]
    wins_from: int
    share: float


def _percent(number: int) -> Decimal:
    return Decimal(number)


CYCLES = (
    Cycle(
        "NEW",
        "New business",
        ProbabilityMethod.MULTIPLY,
        (
            Stage("Qualify", _percent(10), _percent(20), "3M", "FIRST", days=12, lost=0.24),
            Stage(
                "Understand needs",
                _percent(25),
                _percent(30),
                "10W",
                "VISIT",
                allows_skip=True,
                days=16,
                lost=0.17,
            ),
            Stage(
                "Demonstrate", _percent(45), _percent(45), "6W", "DEMO", allows_skip=True, days=16, lost=0.14
            ),
            Stage("Propose", _percent(70), _percent(60), "1M", "PROPOSAL", days=20, lost=0.2),
            Stage("Negotiate", _percent(90), _percent(80), "2W", "CLOSING", days=12, lost=0.16),
        ),
        wins_from=4,
        share=0.56,
    ),
    Cycle(
        "EXISTING",
        "Existing customers",
        ProbabilityMethod.ADD,
        (
            Stage("Spot", _percent(15), _percent(40), "1M", "FIRST", days=9, lost=0.12),
            Stage(
                "Offer", _percent(50), _percent(60), "3W", "PROPOSAL", allows_skip=True, days=13, lost=0.14
            ),
            Stage("Agree", _percent(85), _percent(85), "1W", "CLOSING", days=7, lost=0.08),
        ),
        wins_from=2,
        share=0.32,
    ),
    Cycle(
        "TENDER",
        "Public tender",
        ProbabilityMethod.CHANCE,
        (
            Stage("Screen", _percent(10), _percent(10), "6M", days=10, lost=0.3),
            Stage(
                "Ask questions",
                _percent(25),
                _percent(15),
                "5M",
                "VISIT",
                allows_skip=True,
                days=22,
                lost=0.12,
            ),
            Stage("Write the bid", _percent(50), _percent(25), "4M", "PROPOSAL", days=32, lost=0.12),
            Stage("Shortlisted", _percent(75), _percent(45), "CM+2M", "CLOSING", days=40, lost=0.42),
            Stage("Contract", _percent(95), _percent(90), "CM+1M", requires_quote=True),
        ),
        wins_from=3,
        share=0.12,
    ),
)
CYCLE_BY_CODE = {cycle.code: cycle for cycle in CYCLES}

ACTIVITIES = (
    # code, description, steps: kind, description, due in
    (
        "FIRST",
        "First contact",
        (
            (TaskKind.CALL, "Call to find out what they need", "2D"),
            (TaskKind.EMAIL, "Send the company brochure", "3D"),
            (TaskKind.TODO, "Look up who decides", "1W"),
        ),
    ),
    (
        "VISIT",
        "Visit on site",
        (
            (TaskKind.CALL, "Agree on a date", "3D"),
            (TaskKind.MEETING, "Walk through the site", "2W"),
            (TaskKind.EMAIL, "Send the report of the visit", "2W+2D"),
        ),
    ),
    (
        "DEMO",
        "Demonstration",
        (
            (TaskKind.TODO, "Prepare the demonstration with their articles", "1W"),
            (TaskKind.MEETING, "Demonstrate", "2W"),
            (TaskKind.CALL, "Ask what they thought of it", "2W+3D"),
        ),
    ),
    (
        "PROPOSAL",
        "Proposal",
        (
            (TaskKind.TODO, "Calculate the price", "3D"),
            (TaskKind.EMAIL, "Send the proposal", "1W"),
            (TaskKind.CALL, "Go through the proposal together", "1W+3D"),
        ),
    ),
    (
        "CLOSING",
        "Closing",
        (
            (TaskKind.MEETING, "Meet the one who signs", "1W"),
            (TaskKind.CALL, "Call about the signature", "CM"),
        ),
    ),
)

REASONS = (
    # code, outcome, description, weight
    ("BESTVALUE", Outcome.WON, "Best value for money", 30),
    ("RELATION", Outcome.WON, "Good experience with us", 28),
    ("DELIVERY", Outcome.WON, "Quickest delivery", 14),
    ("REFERENCE", Outcome.WON, "Recommended by a customer", 12),
    ("PRICE", Outcome.LOST, "Too expensive", 26),
    ("COMPETITOR", Outcome.LOST, "Chose a competitor", 24),
    ("NOBUDGET", Outcome.LOST, "No budget", 18),
    ("NOANSWER", Outcome.LOST, "Stopped answering", 18),
    ("NOFIT", Outcome.LOST, "Does not fit the need", 10),
    ("TIMING", Outcome.LOST, "Wrong moment", 10),
)
