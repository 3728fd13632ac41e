"""``manage.py import_opportunities``: the history it makes, what it refuses and how it counts."""

import csv
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from activities.models import Task, TaskStatus
from contacts.models import Contact, ContactKind
from opportunities import ledger, operations
from opportunities.importing import run as importing
from opportunities.models import Action, CloseReason, Opportunity, Outcome, Priority, Status
from salescycles.models import SalesCycle
from salespeople.models import Salesperson, Team, User
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CloseReasonFactory,
    CompanyFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    cycle_with_stages,
)
from tests.importing import COULD_NOT_RUN, IN_ALL, SOME_REJECTED, everything, run

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADER = ["id", "what", "company", "who", "started", "closed", "outcome", "amount", "stage", "value"]
WON = ["1", "Lifts", "Acme", "Ann", "2025-01-06", "2025-03-03", "Won", "900", "Propose", "1000"]
LOST = ["2", "Doors", "Acme", "Ann", "2025-01-07", "2025-02-03", "Lost", "0", "", "500"]
OPEN = ["3", "Gates", "Bolt", "Bob", "2025-02-10", "", "", "", "Present", "250"]
IDLE = ["4", "Locks", "Bolt", "Bob", "", "", "", "", "", ""]
MAPPING = """
[external_id]
column = "id"
prefix = "X-"
[description]
column = "what"
[company]
column = "company"
when_unknown = "create"
[salesperson]
column = "who"
when_unknown = "create"
[created_on]
default = 2025-01-02
[started_on]
column = "started"
[closed_on]
column = "closed"
[outcome]
column = "outcome"
[amount]
column = "amount"
[stage]
column = "stage"
[value]
column = "value"
[close_reason]
won = { code = "W", description = "Won it" }
lost = { code = "L", description = "Lost it" }
[cycle]
code = "NEW"
probability_method = "ADD"
stages = [
  { description = "Qualify", completed_percent = 10, chance_percent = 20, close_in = "1M" },
  { description = "Present", completed_percent = 40, chance_percent = 50, close_in = "2W", allows_skip = true },
  { description = "Propose", completed_percent = 80, chance_percent = 70 },
]
"""


@pytest.fixture(autouse=True)
def here(db, tmp_path, monkeypatch):
    """A folder of its own, on one day."""
    monkeypatch.chdir(tmp_path)
    with time_machine.travel("2026-03-23 12:00", tick=False):
        yield


def write(*rows, name="file.csv", header=HEADER):
    """A file with these rows."""
    with Path(name).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return name


def mapped(mapping=MAPPING, **changes):
    """The mapping, with whole sections replaced (``company="..."``) or left out (``company=None``)."""
    sections = {part.partition("]")[0]: part for part in mapping.split("\n[") if part.strip()}
    for name, text in changes.items():
        if text is None:
            del sections[name]
        else:
            sections[name] = f"{name}]\n{text}"
    Path("map.toml").write_text("\n".join(f"[{part}" for part in sections.values()))
    return Path("map.toml")


def import_rows(*rows, header=HEADER, options=None, **changes):
    """Import rows with the mapping above, changed."""
    return run(
        "import_opportunities", write(*rows, header=header), mapping=mapped(**changes), **(options or {})
    )


def changed(row, **values):
    """A row with some cells changed."""
    return [values.get(name, cell) for name, cell in zip(HEADER, row, strict=True)]


def history(external_id):
    """The entries of an opportunity: action, date, stage."""
    entries = Opportunity.objects.get(external_id=external_id).entries.order_by("sequence")
    return [(entry.action, str(entry.changed_on), entry.stage_description) for entry in entries]


def ledger_is_clean():
    return not list(ledger.verify(Opportunity.objects.all()))


# The history


def test_imports_the_history_that_must_have_been():
    done = import_rows(WON, LOST, OPEN, IDLE)
    assert (done.status, done.counts, done.rejects) == (IN_ALL, (4, 4, 0, 0), {})
    assert history("X-1") == [
        (Action.CREATED, "2025-01-06", ""),
        (Action.STARTED, "2025-01-06", "Qualify"),
        (Action.NEXT, "2025-01-06", "Present"),
        (Action.NEXT, "2025-01-06", "Propose"),
        (Action.WON, "2025-03-03", "Propose"),
    ]
    assert history("X-2") == [
        (Action.CREATED, "2025-01-07", ""),
        (Action.STARTED, "2025-01-07", "Qualify"),
        (Action.LOST, "2025-02-03", "Qualify"),
    ]
    assert history("X-3")[-1] == (Action.NEXT, "2025-02-10", "Present")
    assert history("X-4") == [(Action.CREATED, "2025-01-02", "")]
    assert ledger_is_clean()


def test_what_stands_in_the_opportunities():
    import_rows(WON, LOST, OPEN, IDLE)
    won, lost, in_progress, idle = Opportunity.objects.order_by("external_id")
    assert [o.number for o in (won, lost, in_progress, idle)] == [
        "OP-00001",
        "OP-00002",
        "OP-00003",
        "OP-00004",
    ]
    assert (won.status, won.calculated_value, won.estimated_value) == (Status.WON, 900, 1000)
    assert (won.close_reason.code, won.close_reason.description) == ("W", "Won it")
    assert won.contact.is_customer
    assert won.contact.customer_since == date(2025, 3, 3)
    assert (lost.status, lost.calculated_value, lost.estimated_value) == (Status.LOST, 0, 500)
    assert (in_progress.status, in_progress.chance_percent) == (Status.IN_PROGRESS, 50)
    assert in_progress.estimated_close_on == date(2025, 2, 24)
    assert in_progress.probability_percent == 45
    assert (idle.status, idle.estimated_value) == (Status.NOT_STARTED, None)
    assert {o.priority for o in Opportunity.objects.all()} == {Priority.NORMAL}
    assert won.entries.first().recorded_by == User.objects.for_commands()
    assert SalesCycle.objects.get().description == "NEW"
    assert [s.position for s in SalesCycle.objects.get().stages.all()] == [10, 20, 30]
    assert Contact.objects.companies().count() == 2
    assert sorted(Salesperson.objects.values_list("code", "name")) == [("ANN", "Ann"), ("BOB", "Bob")]


def test_says_at_the_end_where_everything_stands():
    done = import_rows(WON, LOST, OPEN, IDLE, changed(WON, id="5", amount="100.50"))
    assert done.out.splitlines() == [
        "file.csv: 5 rows read, 5 new, 0 already there, 0 rejected.",
        "  Not started          1  estimated at €0",
        "  In progress          1  estimated at €250",
        "  Won                  2  sold for €1,000.50",
        "  Lost                 1  estimated at €500",
        "New on the way: 2 companies, 2 salespeople.",
    ]


def test_says_nothing_when_asked_to_be_quiet(capsys):
    assert import_rows(WON, options={"verbosity": 0}).out == ""
    assert capsys.readouterr() == ("", "")


def test_every_part_can_be_mapped():
    CloseReasonFactory(code="PRICE", outcome=Outcome.WON, description="Good price")
    SalespersonFactory(code="AP", name="Ann Peeters", email="ann@example.com")
    header = [*HEADER, "person", "created", "since", "presented", "chance", "close", "why", "prio", "note"]
    extra = [
        "Eva Vos",
        "2025-01-03",
        "2025-02-20",
        "2025-01-30",
        "35.5",
        "2025-06-30",
        "good PRICE",
        "high",
        "Hi",
    ]
    done = import_rows(
        [*changed(WON, who="ANN@example.com"), *extra],
        header=header,
        person='column = "person"\nwhen_unknown = "create"',
        created_on='column = "created"',
        stage='column = "stage"\nentered_on = { Present = "presented" }',
        stage_entered_on='column = "since"',
        chance_percent='column = "chance"',
        estimated_close_on='column = "close"',
        close_reason='column = "why"',
        priority='column = "prio"',
        note='column = "note"',
        description='text = "{what} for {company}"',
        salesperson='column = "who"',
    )
    assert done.status == IN_ALL, done.rejects
    won = Opportunity.objects.get()
    assert (won.description, won.priority, won.close_reason.code) == (
        "Lifts for Acme",
        Priority.HIGH,
        "PRICE",
    )
    assert (won.contact.name, won.contact.last_name, won.company.name) == ("Eva Vos", "Vos", "Acme")
    assert won.salesperson.code == "AP"
    assert [(day, stage) for _action, day, stage in history("X-1")] == [
        ("2025-01-03", ""),
        ("2025-01-06", "Qualify"),
        ("2025-01-30", "Present"),
        ("2025-02-20", "Propose"),
        ("2025-03-03", "Propose"),
    ]
    entries = won.entries.order_by("sequence")
    assert (entries[0].note, entries[1].chance_percent) == ("Hi", Decimal("35.5"))
    assert entries[1].estimated_close_on == date(2025, 6, 30)
    assert ledger_is_clean()


def test_the_one_in_whose_name_it_is_imported():
    UserFactory(email="boss@example.com")
    import_rows(WON, options={"by": "Boss@Example.com"})
    assert {entry.recorded_by.email for entry in Opportunity.objects.get().entries.all()} == {
        "boss@example.com"
    }
    nobody = import_rows(WON, options={"by": "nobody@example.com"})
    assert (nobody.status, nobody.out) == (COULD_NOT_RUN, "--by: nobody signs in as nobody@example.com.")


def test_a_cycle_and_reasons_that_are_there_are_used_as_they_are():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", code="NEW")
    CloseReasonFactory(code="W", description="My own words")
    import_rows(WON)
    assert SalesCycle.objects.get() == cycle
    assert cycle.stages.count() == 3
    assert Opportunity.objects.get().close_reason.description == "My own words"


def test_there_is_something_to_do_only_in_the_stage_where_it_stands():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", code="OURS")
    for stage in cycle.stages.all():
        stage.activity = ActivityFactory()
        stage.save()
        ActivityStepFactory(activity=stage.activity, description=f"Call in {stage}", due_in="3D")

    import_rows(WON, LOST, OPEN, IDLE, cycle='code = "OURS"')

    (task,) = Task.objects.open()
    assert (task.opportunity, task.description) == (
        Opportunity.objects.get(external_id="X-3"),
        "Call in Present",
    )
    assert task.salesperson == task.opportunity.salesperson
    assert Task.objects.filter(status=TaskStatus.CANCELLED).count() == 5


def test_the_default_cycle_when_none_is_named():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    assert import_rows(WON, cycle=None).status == IN_ALL
    assert Opportunity.objects.get().cycle == cycle


def test_closed_without_ever_starting():
    assert import_rows(changed(WON, started="", stage="")).status == IN_ALL
    assert history("X-1") == [(Action.CREATED, "2025-03-03", ""), (Action.WON, "2025-03-03", "")]


# Names


def test_known_names_are_used():
    company, ann = CompanyFactory(name="Acme"), SalespersonFactory(code="A1", name="Ann")
    import_rows(WON, changed(LOST, who="a1"))
    assert {o.contact for o in Opportunity.objects.all()} == {company}
    assert {o.salesperson for o in Opportunity.objects.all()} == {ann}


REFUSED = 'column = "{}"\nwhen_unknown = "refuse"'


def test_unknown_names_are_refused():
    CompanyFactory(name="Acme")
    SalespersonFactory(name="Bob")
    done = import_rows(
        WON, OPEN, IDLE, changed(OPEN, id="5", company=""), changed(WON, id="6", who=""),
        company=REFUSED.format("company"), salesperson=REFUSED.format("who"),
    )  # fmt: skip
    assert done.status == SOME_REJECTED
    assert done.rejects == {
        2: "There is no salesperson “Ann”.",
        3: "There is no company “Bolt”.",
        4: "There is no company “Bolt”.",
        5: "The row names no company.",
        6: "The row names no salesperson.",
    }
    assert not Opportunity.objects.exists()


def test_unknown_and_missing_names_fall_back():
    CompanyFactory(name="Bolt")
    done = import_rows(
        WON, OPEN, changed(OPEN, id="5", company="", who=""),
        company='column = "company"\nwhen_unknown = "fallback"\nwhen_empty = "fallback"\nfallback = "Somebody"',
        salesperson='column = "who"\nwhen_unknown = "fallback"\nwhen_empty = "fallback"\nfallback = "House"',
    )  # fmt: skip
    assert done.status == IN_ALL
    assert [o.contact.name for o in Opportunity.objects.order_by("external_id")] == [
        "Somebody",
        "Bolt",
        "Somebody",
    ]
    assert {o.salesperson.name for o in Opportunity.objects.all()} == {"House"}
    assert Salesperson.objects.count() == 1


@pytest.mark.parametrize("match", ["external_id", "number"])
def test_companies_by_their_key(match):
    company = CompanyFactory(external_id="77")
    key = getattr(company, match)
    done = import_rows(changed(WON, company=key), LOST, company=f'column = "company"\nmatch = "{match}"')
    assert done.rejects == {3: "There is no company “Acme”."}
    assert Opportunity.objects.get().contact == company


def test_persons():
    acme = CompanyFactory(name="Acme")
    eva, lone = PersonFactory(name="Eva", company=acme), PersonFactory(name="Leo")
    header = [*HEADER, "person"]
    rows = [
        [*WON, "Eva"],
        [*changed(LOST, company=""), "Leo"],
        [*OPEN, "Bolt"],
        [*changed(IDLE, id="5"), "Zoe"],
        [*changed(IDLE, id="6", company=""), "Zoe"],
        [*changed(IDLE, id="7", company=""), ""],
    ]
    done = import_rows(*rows, header=header, person='column = "person"\nwhen_unknown = "ignore"')
    assert done.rejects == {6: "There is no person “Zoe”.", 7: "The row names no company."}
    assert [o.contact for o in Opportunity.objects.order_by("external_id")] == [
        eva, lone, bolt := Contact.objects.get(name="Bolt"), bolt,
    ]  # fmt: skip
    done = import_rows(*rows, header=header, person='column = "person"')
    assert done.rejects[6] == "There is no person “Zoe”."
    done = import_rows(*rows, header=header, person='column = "person"\nwhen_unknown = "create"')
    assert done.rejects == {7: "The row names no company."}
    assert Opportunity.objects.get(external_id="X-6").contact.kind == ContactKind.PERSON


def test_names_that_mean_several_are_refused():
    CompanyFactory.create_batch(2, name="Acme")
    SalespersonFactory.create_batch(2, name="Bob")
    done = import_rows(WON, OPEN)
    assert done.rejects == {
        2: "More than one contact is called “Acme”.",
        3: "More than one salesperson is called “Bob”. Use the code.",
    }


TEAM = """column = "who"
when_unknown = "create"
team = { file = "teams.csv", match = "name", name = "{region} {boss}", manager = "boss" }"""


def test_new_salespeople_join_the_team_of_the_second_file():
    Path("teams.csv").write_text(
        "name;region;boss\nAnn;East;Dirk De Boss\nBob;East;Dirk De Boss\nCas;;\nDirk De Boss;East;Dirk De Boss\n"
    )
    done = import_rows(
        WON, OPEN, changed(IDLE, id="5", who="Cas"), changed(IDLE, id="6", who="Dan"),
        changed(IDLE, id="7", who="Dirk De Boss"), salesperson=TEAM,
    )  # fmt: skip
    assert done.status == IN_ALL, done.rejects
    team = Team.objects.get()
    assert (team.code, team.name, team.manager.name) == ("EAST-DIRK", "East Dirk De Boss", "Dirk De Boss")
    assert sorted(team.members.values_list("code", flat=True)) == ["ANN", "BOB", "DIRK-DE-BOSS"]
    assert Salesperson.objects.count() == 5
    assert "New on the way: 2 companies, 5 salespeople, 1 team." in done.out


def test_who_manages_the_own_team_is_made_once():
    Path("teams.csv").write_text("name;region;boss\nAnn;East;Ann\n")
    assert import_rows(WON, salesperson=TEAM).status == IN_ALL
    assert Team.objects.get().manager == Salesperson.objects.get()


def test_a_team_that_is_there_is_joined_and_two_of_a_name_are_refused():
    Path("teams.csv").write_text("name;region;boss\nAnn;East;Boss\n")
    team = Team.objects.create(code="E", name="East Boss")
    import_rows(WON, salesperson=TEAM)
    assert list(team.members.values_list("name", flat=True)) == ["Ann"]
    Team.objects.create(code="E2", name="East Boss")
    Path("teams.csv").write_text("name;region;boss\nBob;East;Boss\n")
    assert import_rows(OPEN, salesperson=TEAM).rejects == {2: "More than one team is called “East Boss”."}


def test_codes_of_salespeople_are_short_and_not_given_twice():
    names = ["Maximiliaan Vandenberghe", "Maximiliaan Vandenberg", "Ελένη", "Ann!"]
    SalespersonFactory(code="ANN", name="Another Ann")
    done = import_rows(*(changed(IDLE, id=str(n), who=name) for n, name in enumerate(names)))
    assert done.status == IN_ALL, done.rejects
    codes = [Salesperson.objects.get(name=name).code for name in names]
    assert codes == ["MAXIMILIAAN-VANDENBE", "MAXIMILIAAN-VANDEN-2", "X", "ANN-2"]


# What is refused


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (changed(WON, id=""), "The row has no external id."),
        (changed(WON, id="x" * 99), "An external id has at most 100 characters."),
        (changed(WON, what=""), "A description is needed. Say in a few words what it is about."),
        (changed(WON, what="x" * 101), "A description has at most 100 characters."),
        (changed(WON, company="x" * 101), "Name: Ensure this value has at most 100 characters (it has 101)."),
        (changed(WON, who="x" * 51), "Name: Ensure this value has at most 50 characters (it has 51)."),
        (changed(WON, started="6/1/2025"), "started_on: “6/1/2025” is not a date such as 2026-03-23."),
        (changed(WON, started="2025-03-04"), "The last change was on 4 Mar 2025. Choose that day or a later one."),
        (changed(WON, closed="2026-03-24"), "The date lies in the future. Choose today or earlier."),
        (changed(OPEN, started="2026-03-24"), "The date lies in the future. Choose today or earlier."),
        (changed(WON, closed=""), "It is won or lost, but there is no closing date."),
        (changed(WON, outcome=""), "There is a closing date, but it is neither won nor lost."),
        (changed(WON, outcome="Gone"), "outcome: “Gone” is not known. It is one of: WON, LOST."),
        (changed(WON, amount="0"), "A sale needs an amount above 0. Type what was sold."),
        (changed(WON, amount=""), "A sale needs an amount above 0. Type what was sold."),
        (changed(WON, amount="1.234"), "At most two decimals are stored. Round it."),
        (changed(WON, amount="9" * 40), "This is more than can be stored."),
        (changed(WON, amount="a lot"), "amount: “a lot” is not a number."),
        (changed(OPEN, value=""), "An estimated value above 0 is needed. Type what it may bring."),
        (changed(OPEN, value="-5"), "An estimated value is above 0. Leave it empty until you know it."),
        (changed(OPEN, stage="Nowhere"), "The sales cycle has no stage “Nowhere”. Its stages: Qualify, Present, Propose."),
        (changed(OPEN, started=""), "It is in the stage “Present”, but there is no date on which it started."),
        ([*WON, "too", "much"], "The row has 12 cells, but there are 10 columns."),
        (changed(WON, what="nul\0"), "“what” contains a NUL character."),
    ],
)  # fmt: skip
def test_rows_that_cannot_be(row, reason):
    before = everything()
    done = import_rows(row, OPEN if row[0] != OPEN[0] else WON)
    assert (done.status, done.counts, done.rejects) == (SOME_REJECTED, (2, 1, 0, 1), {2: reason})
    assert Opportunity.objects.count() == 1
    assert Contact.objects.count() == 1, "what was made for the row went with it"
    assert len(before["contacts.Contact"]) == 0


def test_a_quote_is_asked_for_as_everywhere():
    cycle = cycle_with_stages("Qualify", "Present", "Propose", code="NEW")
    cycle.stages.filter(description="Present").update(requires_quote=True)
    assert import_rows(WON).rejects == {2: "Present needs a quote. Create one, or choose a stage before it."}


def test_no_date_at_all():
    assert import_rows(IDLE, created_on=None).rejects == {
        2: "There is no date at all, so nothing says when it was created."
    }


def test_a_reason_that_is_not_known():
    header = [*HEADER, "why"]
    done = import_rows([*WON, "Magic"], [*LOST, ""], header=header, close_reason='column = "why"')
    assert done.rejects == {
        2: "There is no reason “Magic” for won.",
        3: "The row gives no reason for its outcome.",
    }


def test_an_external_id_counts_once_and_always_the_first_time():
    rows = [changed(OPEN, id="9", value="-1"), changed(OPEN, id="9"), OPEN, changed(OPEN, what="Again")]
    first = import_rows(*rows)
    assert first.rejects == {
        2: "An estimated value is above 0. Leave it empty until you know it.",
        3: "The external id “X-9” is on line 2 already.",
        5: "The external id “X-3” is on line 4 already.",
    }
    again = import_rows(*rows)
    assert (again.counts, again.rejects) == ((4, 0, 1, 3), first.rejects)


# The rejects file


def test_the_rejects_file_has_line_reason_and_the_row_as_it_was():
    done = import_rows(changed(WON, amount="=1+1", what="-x", who="@Ann"), OPEN)
    text = done.rejects_file.read_text()
    assert text.splitlines() == [
        "rejected_line,rejected_reason," + ",".join(HEADER),
        "2,amount: “=1+1” is not a number.,1,'-x,Acme,'@Ann,2025-01-06,2025-03-03,Won,'=1+1,Propose,1000",
    ]
    assert "Rejected rows, with line and reason: file-rejects.csv" in done.out


def test_the_rejects_file_can_be_mended_and_imported():
    done = import_rows(changed(WON, amount="", what="-x"), changed(LOST, closed=""))
    mended = done.rejects_file.read_text().replace("Won,,", "Won,900,")
    done.rejects_file.write_text(mended)
    again = run("import_opportunities", done.rejects_file, mapping=Path("map.toml"))
    assert again.counts == (2, 1, 0, 1)
    assert Opportunity.objects.get().description == "-x"
    rejects = Path("file-rejects-rejects.csv").read_text().splitlines()
    assert rejects[0] == "rejected_line,rejected_reason," + ",".join(HEADER)
    assert rejects[1].startswith("3,")


def test_the_rejects_go_where_one_says_and_an_old_file_goes_when_all_is_well():
    first = import_rows(changed(WON, amount=""), options={"rejects": Path("mine.csv")})
    assert list(first.rejects) == [2]
    import_rows(WON, options={"rejects": Path("mine.csv")})
    assert not Path("mine.csv").exists()


def test_nothing_precious_is_overwritten():
    Path("customers.csv").write_text("name\nAcme\n")
    before = everything()
    done = import_rows(WON, options={"rejects": Path("customers.csv")})
    assert (done.status, done.out) == (
        COULD_NOT_RUN,
        "customers.csv exists and is no rejects file. Name another one with --rejects.",
    )
    Path("own.csv").write_text("rejected_line,rejected_reason,id\n2,x,1\n")
    done = run(
        "import_opportunities", "own.csv", rejects=Path("own.csv"),
        mapping=mapped(**dict.fromkeys(["started_on", "closed_on", "outcome", "amount", "stage", "value"]),
                       description='default = "x"', company='default = "x"', salesperson='default = "x"'),
    )  # fmt: skip
    assert (done.status, done.out) == (
        COULD_NOT_RUN,
        "The rejects would overwrite the file itself. Name another one with --rejects.",
    )
    done = import_rows(WON, options={"rejects": Path("none/mine.csv")})
    assert done.status == COULD_NOT_RUN
    assert "There is no folder" in done.out
    assert everything() == before


# Again, and without keeping


def test_a_second_run_changes_nothing():
    Path("teams.csv").write_text("name;region;boss\nAnn;East;Boss\n")
    rows = [WON, LOST, OPEN, IDLE, changed(WON, id="5", amount="")]
    first = import_rows(*rows, salesperson=TEAM)
    before = everything()
    again = import_rows(*rows, salesperson=TEAM)
    assert again.counts == (5, 0, 4, 1)
    assert (again.status, again.rejects) == (first.status, first.rejects)
    assert again.out.splitlines()[1:5] == first.out.splitlines()[1:5], "the totals are those of the file"
    assert everything() == before


def test_what_somebody_did_meanwhile_stays():
    import_rows(OPEN)
    opportunity = Opportunity.objects.get()
    operations.describe(opportunity=opportunity, description="Better words", by=UserFactory())
    import_rows(changed(OPEN, what="From the file"), WON)
    opportunity.refresh_from_db()
    assert opportunity.description == "Better words"


@pytest.mark.parametrize("batch", [2, 100])
def test_a_dry_run_says_the_same_and_keeps_nothing(monkeypatch, batch):
    monkeypatch.setattr(importing, "LOOK_AHEAD", batch)
    Path("teams.csv").write_text("name;region;boss\nAnn;East;Boss\nBob;East;Boss\n")
    CompanyFactory(name="Twin")
    rows = [
        WON, LOST, OPEN, IDLE, changed(WON, id="5", amount=""), changed(OPEN, id="6"), changed(OPEN, id="6"),
        changed(OPEN, id="7", company="Twin"),
    ]  # fmt: skip
    before = everything()
    dry = import_rows(*rows, salesperson=TEAM, options={"dry_run": True})
    assert everything() == before
    wet = import_rows(*rows, salesperson=TEAM)
    assert dry.out.splitlines() == [*wet.out.splitlines(), "This was a dry run: nothing was kept."]
    assert (dry.status, dry.rejects) == (wet.status, wet.rejects) == (SOME_REJECTED, wet.rejects)
    assert Opportunity.objects.earliest("pk").number == "OP-00001", "a dry run takes no number"
    after = import_rows(*rows, salesperson=TEAM, options={"dry_run": True})
    assert after.counts == (8, 0, 6, 2)


def test_a_dry_run_makes_a_person_once_for_all_rows():
    header = [*HEADER, "person"]
    rows = [[*WON, "Eva"], [*LOST, "Eva"], [*OPEN, "Eva"]]
    person = 'column = "person"\nwhen_unknown = "create"'
    dry = import_rows(*rows, header=header, person=person, options={"dry_run": True})
    wet = import_rows(*rows, header=header, person=person)
    assert "2 companies, 2 persons, 2 salespeople" in wet.out
    assert dry.out.splitlines()[:-1] == wet.out.splitlines()


# Others at work


def test_a_row_that_somebody_else_imports_at_this_moment_is_already_there(monkeypatch):
    import_rows(WON, OPEN)
    before = everything()
    monkeypatch.setattr(
        importing.OpportunityImporter, "_there", lambda *args: {}
    )  # it looked a moment earlier
    assert import_rows(WON, OPEN).counts == (2, 0, 2, 0)
    assert everything() == before


def test_what_somebody_else_sets_up_at_this_moment_is_used(monkeypatch):
    make_cycle, calls = importing.OpportunityImporter._make_cycle, []

    def make_late(importer):
        calls.append(make_cycle(importer))
        if len(calls) == 1:
            raise IntegrityError("Another sales cycle has this code.")
        return calls[-1]

    monkeypatch.setattr(importing.OpportunityImporter, "_make_cycle", make_late)
    assert import_rows(WON).status == IN_ALL
    assert SalesCycle.objects.count() == 1


def test_an_opportunity_is_in_hand_only_in_the_transaction_that_made_it(monkeypatch):
    created = operations.create(
        description="x", contact=CompanyFactory(), salesperson=SalespersonFactory(), by=UserFactory(),
        cycle=cycle_with_stages("Qualify"), on=date(2025, 1, 6),
    )  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(transaction.get_connection(), "in_atomic_block", False)
        with (
            pytest.raises(RuntimeError, match="in the transaction that created"),
            operations.in_hand(created),
        ):
            pass


def test_what_is_in_hand_is_one_opportunity_and_others_are_read_anew():
    import_rows(OPEN)
    other = Opportunity.objects.get()
    stale = Opportunity.objects.get()
    by, on = UserFactory(), date(2025, 6, 1)
    with transaction.atomic():
        created = operations.create(
            description="x",
            contact=other.contact,
            salesperson=other.salesperson,
            cycle=other.cycle,
            by=by,
            on=on,
        )
        with operations.in_hand(created) as opportunity:
            operations.move(opportunity=other, to=other.cycle.stages.last(), by=by, on=on)
            operations.close(
                opportunity=opportunity,
                outcome="LOST",
                reason=CloseReason.objects.get(code="L"),
                by=by,
                on=on,
            )
            with pytest.raises(operations.MovedMeanwhile):
                operations.revise(
                    opportunity=stale,
                    estimate=operations.present_estimate(stale),
                    by=by,
                    on=on,
                    seen=stale.version,
                )
    assert ledger_is_clean()


def test_names_that_go_away_meanwhile_are_looked_up_again(monkeypatch):
    real, calls = importing.OpportunityImporter._contact, []

    def contact(importer, history):
        found = real(importer, history)
        calls.append(found)
        if len(calls) == 2:
            Contact.objects.filter(pk=found.pk).delete()  # before anything points to it
        return found

    monkeypatch.setattr(importing.OpportunityImporter, "_contact", contact)
    CompanyFactory(name="Acme")
    done = import_rows(changed(IDLE, company="Bolt"), changed(OPEN, company="Acme"))
    assert done.status == IN_ALL, done.rejects
    assert len(calls) == 3


def test_what_keeps_going_wrong_rejects_the_row(monkeypatch):
    def contact(importer, history):
        raise Contact.DoesNotExist("The company is gone.")

    monkeypatch.setattr(importing.OpportunityImporter, "_contact", contact)
    assert import_rows(WON).rejects == {2: "The company is gone."}


def test_a_database_that_gives_up_ends_the_run_with_a_word(monkeypatch):
    def give_up(*args):
        raise OperationalError("database is locked")

    monkeypatch.setattr(importing.OpportunityImporter, "_write", give_up)
    done = import_rows(WON)
    assert done.status == COULD_NOT_RUN
    assert done.out == (
        "The database gave up: database is locked What was imported stays; run it again to go on."
    )


def test_it_can_be_stopped(monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(importing.OpportunityImporter, "_write", stop)
    assert import_rows(changed(WON, amount="x"), OPEN).status == 130
    assert [path.name for path in Path().iterdir() if "rejects" in path.name] == []


# Mistakes in the mapping


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"external_id": None}, "external_id: This is needed."),
        ({"description": None}, "description: This is needed."),
        ({"company": None}, "company: This is needed."),
        ({"salesperson": ""}, "salesperson: This is needed."),
        ({"colour": 'column = "id"'}, "colour: There is no such key. There are: file, external_id, description"),
        ({"amount": 'colum = "amount"'}, "amount.colum: There is no such key. There are: column, text"),
        ({"amount": 'column = "price"'}, "amount.column: The file has no column “price”. Its columns: id, what"),
        ({"amount": "column = 5"}, "amount.column: A text in quotation marks is expected here."),
        ({"amount": 'column = "amount"\ndefault = "a lot"'}, "amount.default: “a lot” is not a number."),
        ({"started_on": 'default = "soon"'}, "started_on.default: “soon” is not a date"),
        ({"outcome": 'column = "outcome"\ntranslate = { Won = "Wun" }'},
         "outcome.translate.Won: “Wun” is not known. Choose one of: WON, LOST."),
        ({"priority": 'default = "urgent"'}, "priority.default: “urgent” is not known."),
        ({"stage": 'column = "stage"\ntranslate = { A = "Nowhere" }'},
         "stage.translate.A: The sales cycle has no stage “Nowhere”. Its stages: Qualify, Present, Propose."),
        ({"stage": 'column = "stage"\ndefault = "Nowhere"'}, "stage.default: The sales cycle has no stage"),
        ({"stage": 'column = "stage"\nentered_on = { Nowhere = "id" }'}, "stage.entered_on.Nowhere: The sales"),
        ({"stage": 'column = "stage"\nentered_on = { Present = "x" }'}, "stage.entered_on.Present: The file has no"),
        ({"company": 'column = "company"\nwhen_unknown = "ask"'},
         "company.when_unknown: “ask” is not known. Choose one of: refuse, create, fallback."),
        ({"company": 'column = "company"\nwhen_empty = "fallback"'},
         "company.fallback: This is needed: the name to fall back on."),
        ({"company": 'column = "company"\nmatch = "number"\nwhen_unknown = "create"'},
         "company.when_unknown: A company can be created by its name only, not by number."),
        ({"salesperson": 'column = "who"\nteam = { file = "none.csv", match = "a", name = "b" }'},
         "salesperson.team.file: "),
        ({"salesperson": 'column = "who"\nteam = { file = "teams.csv", match = "name", name = "{x}" }'},
         "salesperson.team.name: The file has no column “x”. Its columns: name, boss."),
        ({"salesperson": 'column = "who"\nteam = { file = "teams.csv", match = "name", name = "n", manager = "x" }'},
         "salesperson.team.manager: The file has no column “x”."),
        ({"salesperson": 'column = "who"\nteam = { file = "teams.csv", match = "name" }'},
         "salesperson.team.name: This is needed."),
        ({"cycle": None}, "cycle.code: This is needed, since no sales cycle is the default."),
        ({"cycle": 'description = "x"'}, "cycle.code: This is needed."),
        ({"cycle": 'code = "NONE"'}, "cycle.code: There is no sales cycle NONE. Create it, or name its stages here."),
        ({"cycle": 'code = "MUCHTOOLONG"\nstages = [{ description = "A" }]'},
         "cycle: Code: Ensure this value has at most 10 characters"),
        ({"cycle": 'code = "C"\nprobability_method = "GUESS"'}, "cycle.probability_method: “GUESS” is not known."),
        ({"cycle": 'code = "C"\nstages = [{ completed_percent = 1 }]'}, "cycle.stages[1].description: This is needed."),
        ({"cycle": 'code = "C"\nstages = [{ description = "A", chance_percent = 101 }]'},
         "cycle.stages[1]: Chance of success %: A percentage lies between 0 and 100."),
        ({"cycle": 'code = "C"\nstages = [{ description = "A", close_in = "soon" }]'},
         "cycle.stages[1]: Closes in: “SOON” is not a date formula"),
        ({"cycle": 'code = "C"\nstages = [{ description = "A" }, { description = "A" }]'},
         "cycle.stages: Two stages have the same description."),
        ({"cycle": 'code = "C"\nstages = [{ description = "A", steps = 1 }]'}, "cycle.stages[1].steps: There is no such"),
        ({"close_reason": ""}, "close_reason.won.code: This is needed."),
        ({"close_reason": 'won = { code = "W" }'},
         "close_reason.won.code: There is no close reason W. Create it, or give its description here."),
        ({"close_reason": 'won = { code = "LOSTALREADY", description = "x" }'}, "close_reason.won: Code: Ensure"),
        ({"close_reason": 'won = { code = "OTHER" }'}, "close_reason.won.code: OTHER is a reason for the other outcome."),
        ({"file": 'delimiter = "x"'}, "file.delimiter: “x” is not known."),
        ({"translate": 'x = { a = "b" }'}, "translate.x: The file has no column “x”."),
    ],
)  # fmt: skip
def test_every_mistake_in_a_mapping_names_its_key_before_anything_is_written(changes, message):
    CloseReasonFactory(code="OTHER", outcome=Outcome.LOST)
    Path("teams.csv").write_text("name,boss\nAnn,Dirk\n")
    before = everything()
    done = import_rows(WON, **changes)
    assert done.status == COULD_NOT_RUN, done.out
    assert done.out.startswith(message)
    assert everything() == before


def test_files_that_cannot_be_read():
    assert run("import_opportunities", "none.csv", mapping=mapped()).status == COULD_NOT_RUN
    assert run("import_opportunities", write(WON), mapping=Path("none.toml")).status == COULD_NOT_RUN
    large = run("import_opportunities", write(WON), mapping=mapped(), max_megabytes=0)
    assert "at most 0 MB are read" in large.out


# Other kinds of file


@pytest.mark.parametrize(
    ("encode", "section"),
    [
        (lambda text: text.encode("utf-8-sig"), ""),
        (lambda text: text.replace(",", ";").encode(), ""),
        (lambda text: text.encode("cp1252"), 'encoding = "cp1252"'),
        (lambda text: text.replace(",", "|").encode("utf-16"), ""),
    ],
)
def test_files_as_other_programs_write_them(encode, section):
    write(changed(WON, company="Café"))
    text = Path("file.csv").read_text()
    Path("file.csv").write_bytes(encode(text))
    done = run("import_opportunities", "file.csv", mapping=mapped(file=section))
    assert done.counts == (1, 1, 0, 0)
    assert Contact.objects.get().name == "Café"


def test_a_file_in_the_belgian_manner():
    row = changed(WON, started="06/01/2025", closed="03/03/2025", amount="1.900,50", value="€ 2.000")
    done = import_rows(row, file='date_format = "%d/%m/%Y"\ndecimal = ","\nthousands = "."')
    assert done.status == IN_ALL, done.rejects
    won = Opportunity.objects.get()
    assert (won.calculated_value, won.estimated_value) == (Decimal("1900.5"), 2000)
    assert won.closed_on == date(2025, 3, 3)


def test_a_bad_byte_is_found_before_anything_is_written():
    write(WON, *(changed(IDLE, id=str(n)) for n in range(10, 20)))
    with Path("file.csv").open("ab") as file:
        file.write(b"20,Caf\xe9\n")
    before = everything()
    done = run("import_opportunities", "file.csv", mapping=mapped())
    assert done.status == COULD_NOT_RUN
    assert done.out.startswith("file.csv, line 13 is not UTF-8 (byte 0xE9). Save the file as UTF-8, or name")
    assert everything() == before


def test_a_workbook():
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active.append(
        [1, "Lifts", "Acme", "Ann", date(2025, 1, 6), date(2025, 3, 3), "Won", 900.5, None, 1000]
    )
    book.active.append([2, "Lifts", "Acme", "Ann", date(2025, 1, 6), None, None, None, None, "=500*2"])
    book.save("file.xlsx")
    belgian = 'date_format = "%d/%m/%Y"\ndecimal = ","'  # says nothing about numbers and dates that are cells
    done = run("import_opportunities", "file.xlsx", mapping=mapped(file=belgian))
    assert done.counts == (2, 1, 0, 1)
    assert list(done.rejects) == [3]
    assert "formula without its result" in done.rejects[3]
    won = Opportunity.objects.get()
    assert (won.external_id, won.calculated_value, won.closed_on) == (
        "X-1",
        Decimal("900.5"),
        date(2025, 3, 3),
    )


def test_an_empty_file_imports_nothing():
    done = import_rows()
    assert (done.status, done.counts) == (IN_ALL, (0, 0, 0, 0))


# The shipped mappings


def test_the_shipped_mappings_are_valid_toml():
    for path in EXAMPLES.glob("*.toml"):
        assert tomllib.loads(path.read_text()), path


def test_the_maven_mapping_on_a_file_of_that_shape():
    Path("products.csv").write_text("product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n")
    Path("sales_teams.csv").write_text(
        "sales_agent,manager,regional_office\nMoses Frase,Dustin Brinkmann,Central\n"
    )
    Path("sales_pipeline.csv").write_text(
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        "A1,Moses Frase,GTXPro,Isdom,Won,2016-10-25,2017-03-11,4514\n"
        "A2,Moses Frase,MG Special,Isdom,Lost,2016-10-25,2017-03-11,0\n"
        "A3,Moses Frase,MG Special,,Engaging,2016-10-25,,\n"
        "A4,Moses Frase,MG Special,,Prospecting,,,\n"
        "A5,Moses Frase,MG Missing,,Prospecting,,,\n"
    )
    done = run("import_opportunities", "sales_pipeline.csv", mapping=EXAMPLES / "maven-crm.toml")
    assert done.rejects == {6: "products.csv has no “MG Missing”."}
    won, lost, engaging, prospecting = Opportunity.objects.order_by("external_id")
    assert (won.external_id, won.description, won.estimated_value) == ("MAVEN-A1", "GTX Pro", 4821)
    assert (won.status, won.calculated_value) == (Status.WON, 4514)
    assert lost.status == Status.LOST
    assert (engaging.status, engaging.contact.name) == (Status.IN_PROGRESS, "Account not named (Maven CRM)")
    assert (prospecting.status, prospecting.created_on) == (Status.NOT_STARTED, date(2017, 12, 31))
    team = Team.objects.get()
    assert (team.name, team.manager.name) == ("Dustin Brinkmann (Central)", "Dustin Brinkmann")
    assert won.salesperson.team == team
    assert CloseReason.objects.filter(code__startswith="MAVEN").count() == 2
    assert ledger_is_clean()


@pytest.mark.parametrize("name", ["export.csv", "export.xlsx"])
def test_what_was_exported_is_imported_elsewhere(name):
    cycle_with_stages("Qualify", "Present", "Propose", is_default=True)
    first = import_rows(WON, LOST, changed(OPEN, company="Zoë & =Co"), IDLE, cycle=None)
    assert first.status == IN_ALL, first.rejects
    call_command("export_opportunities", name, verbosity=0)
    done = run("import_opportunities", name, mapping=EXAMPLES / "kansen-export.toml")
    assert done.counts == (4, 4, 0, 0), done.rejects
    assert done.out.splitlines()[1:5] == first.out.splitlines()[1:5]
    facts = (
        "description",
        "status",
        "contact",
        "salesperson",
        "stage",
        "created_on",
        "changed_on",
        "closed_on",
    )
    old, new = (
        list(
            Opportunity.objects.filter(external_id__startswith=prefix).order_by("number").values_list(*facts)
        )
        for prefix in ("X-", "OLD-")
    )
    assert old == new
    assert ledger_is_clean()


# Any file at all

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
days = st.one_of(
    st.dates(date(2024, 6, 1), date(2026, 6, 1)).map(str),
    st.sampled_from(["", "2025-02-30", "1/2/2025"]),
)
rows = st.tuples(
    st.one_of(st.integers(0, 6).map(str), words),
    st.one_of(st.just("Lifts"), words),
    st.one_of(st.sampled_from(["Acme", "Bolt", "Twin", ""]), words),
    st.one_of(st.sampled_from(["Ann", "Bob"]), words),
    days,
    days,
    st.sampled_from(["", "Won", "Lost", "won", "?"]),
    st.one_of(st.integers(-1, 10**14).map(str), words),
    st.sampled_from(["", "", "Qualify", "Present", "Propose", "Nowhere"]),
    st.one_of(st.integers(-1, 10**14).map(str), st.just("100")),
)


@given(st.lists(rows, max_size=8))
@settings(
    max_examples=30,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_counts_add_up_for_any_file(some_rows):
    with transaction.atomic():
        CompanyFactory.create_batch(2, name="Twin")
        before = everything()
        dry = import_rows(*some_rows, options={"dry_run": True})
        assert everything() == before
        first = import_rows(*some_rows)
        read, new, there, rejected = first.counts
        assert read == new + there + rejected
        assert (new, there) == (Opportunity.objects.count(), 0)
        assert rejected == len(first.rejects)
        assert (dry.counts, dry.rejects, dry.status) == (first.counts, first.rejects, first.status)
        assert dry.out.splitlines()[:-1] == first.out.splitlines()
        after = everything()
        again = import_rows(*some_rows)
        assert (again.counts, again.rejects) == ((read, 0, new, rejected), first.rejects)
        assert everything() == after
        assert ledger_is_clean()
        transaction.set_rollback(True)
