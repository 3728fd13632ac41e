"""``manage.py verify_ledger``: clean, tampered with, wrong use."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from opportunities import ledger
from opportunities.management.commands import verify_ledger
from opportunities.models import OpportunityEntry
from tests.factories import OpportunityFactory, won_opportunity

pytestmark = pytest.mark.django_db


def verify(*arguments, **options):
    """What the command prints, and the mistake it ends with."""
    out = StringIO()
    mistake = None
    try:
        call_command("verify_ledger", *arguments, stdout=out, stderr=StringIO(), **options)
    except CommandError as error:
        mistake = error
    return out.getvalue(), mistake


def tamper(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_a_clean_ledger_is_verified():
    won_opportunity()
    OpportunityFactory()
    assert verify() == ("2 opportunities verified: their entries add up.\n", None)


def test_an_empty_ledger_is_clean():
    out, mistake = verify()
    assert "0 opportunities verified" in out
    assert mistake is None


def test_a_difference_is_printed_and_ends_with_status_1():
    clean, changed = OpportunityFactory(started=True), OpportunityFactory(started=True)
    tamper("UPDATE opportunities_opportunity SET estimated_value = 1 WHERE id = %s", changed.pk)
    out, mistake = verify()
    assert f"{changed.number}: estimated_value is 1" in out
    assert clean.number not in out
    assert mistake.returncode == 1
    assert "1 difference in 1 of 2 opportunities" in str(mistake)


def test_only_the_numbers_that_are_named_are_verified():
    clean, changed = OpportunityFactory(started=True), OpportunityFactory(started=True)
    tamper("UPDATE opportunities_opportunityentry SET note = 'x' WHERE opportunity_id = %s", changed.pk)
    assert verify("--number", clean.number)[1] is None
    assert verify("--number", clean.number, "--number", changed.number)[1].returncode == 1
    assert verify("--number", changed.number.lower())[1].returncode == 1


def test_an_unknown_number_is_wrong_use():
    OpportunityFactory()
    _out, mistake = verify("--number", "OP-99999")
    assert mistake.returncode == 2
    assert "There are for example: OP-" in str(mistake)


def test_only_so_many_differences_are_printed(monkeypatch):
    monkeypatch.setattr(verify_ledger, "MOST_LINES", 3)
    for _ in range(3):
        OpportunityFactory(started=True)
    tamper("UPDATE opportunities_opportunityentry SET seal = ''")
    assert OpportunityEntry.objects.count() == 6
    out, mistake = verify()
    assert out.count("seal") == 3
    assert "… and 3 more." in out
    assert "6 differences in 3 of 3 opportunities" in str(mistake)


def test_many_are_read_in_batches(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(ledger, "BATCH", 2)
    made = [OpportunityFactory(started=True) for _ in range(5)]
    tamper("UPDATE opportunities_opportunityentry SET seal = '' WHERE sequence = 2")
    out, _mistake = verify()
    assert [line.split("/")[0] for line in out.splitlines()] == [row.number for row in made]


def test_it_asks_as_often_for_many_as_for_few(django_assert_num_queries):
    OpportunityFactory(started=True)
    with django_assert_num_queries(9):
        verify()
    for _ in range(4):
        OpportunityFactory(started=True)
    with django_assert_num_queries(9):
        verify()


def test_quiet_says_nothing_when_all_is_well():
    OpportunityFactory()
    assert verify(verbosity=0) == ("", None)
