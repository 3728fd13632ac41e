"""``manage.py delete_opportunities``: what goes, what stays, and that what is gone is in the archive."""

import io
import json
import os
import stat
import sys
from datetime import date
from io import StringIO

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.core.management import CommandError, call_command

from crm.dates import today
from opportunities import deleting, operations
from opportunities.models import Opportunity, OpportunityEntry
from salespeople.models import User
from tests.factories import OpportunityFactory, UserFactory, lost_opportunity, won_opportunity

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A directory of its own, and nobody to answer questions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


def delete(*arguments, **options):
    """What the command prints."""
    out = StringIO()
    call_command("delete_opportunities", *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def archived(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answer(monkeypatch, text):
    """Somebody sits at the terminal and types."""
    typed = io.StringIO(text)
    typed.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", typed)


@pytest.fixture
def old():
    """Closed and not started ones, of some years ago."""
    return {
        "won": won_opportunity(on=date(2020, 3, 1)),
        "lost": lost_opportunity(on=date(2021, 3, 1)),
        "new": OpportunityFactory(on=date(2019, 3, 1)),
    }


def test_what_matches_is_archived_and_deleted(old, here):
    path = here / "gone.jsonl"
    gone = old["won"]
    whole = operations.archive_of(Opportunity.objects.get(pk=gone.pk))
    printed = delete("--closed-before", "2020-12-31", "--archive", str(path), "--yes")
    assert "1 opportunity deleted" in printed
    assert str(path) in printed
    assert set(Opportunity.objects.all()) == {old["lost"], old["new"]}
    assert not OpportunityEntry.objects.filter(opportunity_id=gone.pk).exists()
    (line,) = archived(path)
    assert line["number"] == gone.number
    assert line["calculated_value"] == str(whole["calculated_value"])
    assert [entry["seal"] for entry in line["entries"]] == [entry["seal"] for entry in whole["entries"]]
    assert [entry["recorded_at"] for entry in line["entries"]] == [
        entry["recorded_at"].isoformat() for entry in whole["entries"]
    ]
    assert set(line) == set(whole)


def test_the_archive_is_private_and_named_by_the_time(old, here):
    printed = delete("--status", "won", "--yes")
    (path,) = here.iterdir()
    assert path.name.startswith("deleted-opportunities-")
    assert path.suffix == ".jsonl"
    assert str(path) in printed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dry_run_does_nothing(old, here):
    running = OpportunityFactory(started=True, salesperson=old["won"].salesperson)
    out = StringIO()
    with pytest.raises(CommandError, match="1 opportunity was refused"):
        call_command(
            "delete_opportunities",
            "--dry-run",
            "--salesperson",
            running.salesperson.code,
            stdout=out,
            stderr=StringIO(),
        )
    assert "1 opportunity would be deleted, 1 refused" in out.getvalue()
    assert f"{running.number} is in progress" in out.getvalue()
    assert Opportunity.objects.count() == 4
    assert list(here.iterdir()) == []
    assert "would be deleted, 0 refused" in delete("--dry-run", "--status", "won")


def test_running_ones_are_refused_and_the_others_go(old, here):
    running = OpportunityFactory(started=True, salesperson=old["won"].salesperson)
    with pytest.raises(CommandError, match="1 opportunity was refused") as refusal:
        delete("--salesperson", running.salesperson.code, "--yes")
    assert refusal.value.returncode == 1
    assert set(Opportunity.objects.all()) == {old["lost"], old["new"], running}


def test_when_all_are_refused_there_is_no_archive(here):
    running = OpportunityFactory(started=True)
    with pytest.raises(CommandError, match="refused"):
        delete("--number", running.number, "--yes")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["--status", "not-started"], "new"),
        (["--status", "lost"], "lost"),
        (["--number", "@won"], "won"),
        (["--contact", "@contact"], "lost"),
        (["--cycle", "@cycle"], "new"),
        (["--closed-from", "2021-01-01", "--closed-to", "2021-12-31"], "lost"),
        (["--created-to", "2019-12-31"], "new"),
    ],
)
def test_filters(old, arguments, gone):
    names = {
        "@won": old["won"].number,
        "@contact": old["lost"].contact.number,
        "@cycle": old["new"].cycle.code,
    }
    delete(*[names.get(text, text) for text in arguments], "--yes")
    assert set(old) - {
        name for name, row in old.items() if Opportunity.objects.filter(pk=row.pk).exists()
    } == {gone}


def test_a_filter_is_needed(old):
    with pytest.raises(CommandError, match="at least one filter") as refusal:
        delete("--yes")
    assert refusal.value.returncode == 2
    assert Opportunity.objects.count() == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--salesperson", "NOBODY"], "no salesperson NOBODY"),
        (["--contact", "C-99"], "no contact C-99"),
        (["--status", "in-progress"], "invalid choice"),
        (["--closed-before", "31-12-2020"], "not a date"),
        (["--status", "won", "--by", "nobody@example.com"], "Nobody signs in"),
        (["--status", "won", "--archive", "no/such/place.jsonl"], "cannot be written.*Nothing was done"),
        (["--status", "won", "--archive", "bad\0name"], "NUL"),
    ],
)
def test_refusals_say_why_and_do_nothing(old, arguments, words):
    with pytest.raises(CommandError, match=words):
        delete(*arguments, "--yes")
    assert Opportunity.objects.count() == 3


def test_an_archive_that_is_there_is_not_touched(old, here):
    path = here / "gone.jsonl"
    path.write_text("precious")
    with pytest.raises(CommandError, match="cannot be written"):
        delete("--status", "won", "--archive", str(path), "--yes")
    assert path.read_text() == "precious"
    assert Opportunity.objects.count() == 3


def test_without_anybody_to_ask_it_needs_yes(old):
    with pytest.raises(CommandError, match="--yes") as refusal:
        delete("--status", "won")
    assert refusal.value.returncode == 2
    assert Opportunity.objects.count() == 3


def test_on_a_terminal_it_asks(old, here, monkeypatch):
    answer(monkeypatch, "no\n")
    with pytest.raises(CommandError, match="Nothing was done"):
        delete("--status", "won")
    assert Opportunity.objects.count() == 3
    assert list(here.iterdir()) == []
    answer(monkeypatch, "yes\n")
    assert "1 opportunity matches" in delete("--status", "won")
    assert Opportunity.objects.count() == 2


def test_nothing_that_matches_is_no_mistake(here):
    assert "Nothing was done" in delete("--status", "won", "--yes")
    assert list(here.iterdir()) == []


def test_it_is_recorded_in_somebodys_name(old):
    boss = UserFactory(email="boss@example.com")
    delete("--status", "won", "--yes", "--by", "Boss@example.com")
    delete("--status", "lost", "--yes", "--archive", "second.jsonl")
    users = LogEntry.objects.filter(action_flag=DELETION).order_by("pk").values_list("user", flat=True)
    assert list(users) == [boss.pk, User.objects.for_commands().pk]


def test_what_is_deleted_is_in_the_archive_when_it_breaks_down(here, monkeypatch):
    monkeypatch.setattr(deleting, "BATCH", 2)
    numbers = [OpportunityFactory().number for _ in range(5)]
    path = here / "gone.jsonl"
    fsync, calls = os.fsync, []

    def break_down(handle):
        calls.append(handle)
        if len(calls) == 3:  # the directory, the first batch, and half of the second
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", break_down)
    with pytest.raises(CommandError, match=r"No space left on device.*is in it"):
        delete("--status", "not-started", "--archive", str(path), "--yes")
    left = set(Opportunity.objects.values_list("number", flat=True))
    assert left == set(numbers[2:])
    assert set(numbers) - left <= {line["number"] for line in archived(path)}


def test_what_changes_meanwhile_stays(old, monkeypatch):
    changed, gone = old["new"], old["lost"]
    batches = deleting._batches

    def meanwhile(rows):
        for batch in batches(rows):
            operations.reassign(
                opportunity=changed, salesperson=gone.salesperson, by=UserFactory(), on=changed.changed_on
            )
            operations.delete(opportunity=gone, by=UserFactory(), on=today())
            yield batch

    monkeypatch.setattr(deleting, "_batches", meanwhile)
    with pytest.raises(CommandError, match="1 opportunity was refused"):
        delete("--created-to", "2026-01-01", "--yes")
    assert list(Opportunity.objects.all()) == [changed]


def test_only_so_many_refusals_are_printed():
    for _ in range(23):
        OpportunityFactory(started=True)
    out = StringIO()
    with pytest.raises(CommandError, match="23 opportunities were refused"):
        call_command(
            "delete_opportunities",
            "--created-to",
            today().isoformat(),
            "--dry-run",
            stdout=out,
            stderr=StringIO(),
        )
    assert out.getvalue().count("is in progress") == 20
    assert "… and 3 more." in out.getvalue()
