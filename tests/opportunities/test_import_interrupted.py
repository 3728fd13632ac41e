"""An import that is killed half-way, and two at once: real processes on a database of their own."""

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings

from tests.opportunities.test_import import HEADER, LOST, MAPPING, OPEN, WON, changed

ROOT = Path(__file__).parents[2]
ROWS = 150
KILLED_AFTER = 20
LIMIT = 120  # seconds, for a machine that is busy

# What was imported, told by the business's own keys: times, seals and running keys are those of the run.
TOLD = {
    "opportunities": """
        SELECT o.number, o.external_id, o.description, o.status, o.created_on, o.changed_on, o.version,
               o.estimated_value, o.calculated_value, o.closed_on, c.number, b.number, s.code
        FROM opportunities_opportunity o
        JOIN contacts_contact c ON c.id = o.contact_id
        JOIN contacts_contact b ON b.id = o.company_id
        JOIN salespeople_salesperson s ON s.id = o.salesperson_id ORDER BY o.number""",
    "entries": """
        SELECT o.number, e.sequence, e.action, e.changed_on, e.ended_on, e.stage_description, e.status
        FROM opportunities_opportunityentry e
        JOIN opportunities_opportunity o ON o.id = e.opportunity_id ORDER BY o.number, e.sequence""",
    "contacts": "SELECT number, kind, name, customer_number, customer_since FROM contacts_contact ORDER BY number",
    "salespeople": """
        SELECT s.code, s.name, t.name FROM salespeople_salesperson s
        LEFT JOIN salespeople_team t ON t.id = s.team_id ORDER BY s.code""",
    "numbers": "SELECT prefix, last_number FROM crm_numberseries ORDER BY prefix",
    "stages": "SELECT description, position FROM salescycles_salescyclestage ORDER BY position",
    "reasons": "SELECT code, outcome FROM opportunities_closereason ORDER BY code",
}


class Sqlite:
    """A database file."""

    def __init__(self, folder, name):
        self.path = folder / f"{name}.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def copy_from(self, template):
        shutil.copy(template.path, self.path)

    def rows(self, query):
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def drop(self):
        pass  # it goes with its folder


class Postgresql:
    """A database of the server that the tests run on."""

    def __init__(self, folder, name):
        self.server = os.environ["DATABASE_URL"]
        self.name = f"kansen_{name}_{os.getpid()}"
        self.url = urlsplit(self.server)._replace(path=f"/{self.name}").geturl()
        self._on_server(f"CREATE DATABASE {self.name}")

    def _on_server(self, statement):
        with closing(psycopg2.connect(self.server)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def copy_from(self, template):
        self.drop()
        self._on_server(f"CREATE DATABASE {self.name} TEMPLATE {template.name}")

    def rows(self, query):
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def drop(self):
        self._on_server(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def command(database, *arguments, **options):
    """Start a command on a database, as somebody would in a shell."""
    environment = {
        **os.environ,
        "DATABASE_URL": database.url,
        "DJANGO_SETTINGS_MODULE": "crm.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only-for-tests",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(process):
    """Wait for a command: exit status and what it printed."""
    out, error = process.communicate(timeout=LIMIT)
    return process.returncode, out or error


@pytest.fixture(scope="module")
def make_database(tmp_path_factory):
    """Make migrated databases, and drop them in the end."""
    kind = Sqlite if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") else Postgresql
    folder = tmp_path_factory.mktemp("databases")
    template = kind(folder, "template")
    made = [template]
    try:
        status, said = finished(command(template, "migrate", "--verbosity", "0"))
        assert status == 0, said

        def make(name):
            database = kind(folder, name)
            made.append(database)
            database.copy_from(template)
            return database

        yield make
    finally:
        for database in reversed(made):
            database.drop()


@pytest.fixture
def pipeline(tmp_path):
    """The arguments of an import of many rows, one of which cannot be."""
    samples = [WON, LOST, OPEN, changed(WON, company="Late"), changed(OPEN, value="-1")]
    rows = [
        changed(
            samples[4] if number == ROWS // 2 else samples[number % 4],
            id=str(number),
            company=f"Company {number // 7}",
            who=f"Seller {number // 11}",
        )
        for number in range(ROWS)
    ]
    with (tmp_path / "file.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    (tmp_path / "map.toml").write_text(MAPPING)
    return "import_opportunities", str(tmp_path / "file.csv"), "--mapping", str(tmp_path / "map.toml")


def folder(parent, name):
    """An empty folder for a process to work in."""
    (parent / name).mkdir()
    return parent / name


def told(database):
    return {name: database.rows(query) for name, query in TOLD.items()}


def count(database):
    return database.rows("SELECT count(*) FROM opportunities_opportunity")[0][0]


def test_a_run_that_was_killed_and_run_again_gives_what_one_run_gives(make_database, pipeline, tmp_path):
    whole, killed = make_database("whole"), make_database("killed")
    here = folder(tmp_path, "whole")
    status, said = finished(command(whole, *pipeline, cwd=here))
    assert (status, said.splitlines()[0]) == (
        1, "file.csv: 150 rows read, 149 new, 0 already there, 1 rejected."
    )  # fmt: skip

    there = folder(tmp_path, "killed")
    process = command(killed, *pipeline, cwd=there)
    started = time.monotonic()
    while count(killed) < KILLED_AFTER:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() - started < LIMIT
        time.sleep(0.002)
    process.kill()
    process.communicate()
    half = count(killed)
    assert process.returncode == -9
    assert KILLED_AFTER <= half < ROWS - 1
    incomplete = killed.rows(
        "SELECT o.id FROM opportunities_opportunity o WHERE o.version <> "
        "(SELECT count(*) FROM opportunities_opportunityentry e WHERE e.opportunity_id = o.id)"
    )
    assert not incomplete, "a row is imported whole or not at all"

    status, again = finished(command(killed, *pipeline, cwd=there))
    assert status == 1
    assert again.splitlines()[0] == (
        f"file.csv: 150 rows read, {149 - half} new, {half} already there, 1 rejected."
    )
    assert again.splitlines()[1:5] == said.splitlines()[1:5]
    assert told(killed) == told(whole)
    rejects = "file-rejects.csv"
    assert (there / rejects).read_text() == (here / rejects).read_text()
    status, clean = finished(command(killed, "verify_ledger"))
    assert status == 0, clean


def test_two_imports_at_once_import_every_row_once(make_database, pipeline, tmp_path):
    database = make_database("together")
    folders = [folder(tmp_path, "left"), folder(tmp_path, "right")]
    processes = [command(database, *pipeline, cwd=here) for here in folders]
    ended = [finished(process) for process in processes]
    assert [status for status, _said in ended] == [1, 1], ended
    new = 0
    for _status, said in ended:
        words = said.splitlines()[0].split()
        assert words[1] == "150"
        assert words[-2] == "1"
        assert int(words[4]) + int(words[6]) == 149
        new += int(words[4])
    assert (new, count(database)) == (149, 149)
    names = [name for (name,) in database.rows("SELECT name FROM contacts_contact")]
    assert len(names) == len(set(names)) == (ROWS - 1) // 7 + 1
    sellers = [name for (name,) in database.rows("SELECT name FROM salespeople_salesperson")]
    assert len(sellers) == len(set(sellers))
    assert finished(command(database, "verify_ledger"))[0] == 0
