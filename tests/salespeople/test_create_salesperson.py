"""``manage.py create_salesperson``: with and without a sign-in, and what it refuses."""

import io
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from salespeople.management.commands import create_salesperson as module
from salespeople.models import Role, Salesperson, User
from tests.factories import SalespersonFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "kestrel-over-the-dunes"


@pytest.fixture(autouse=True)
def nobody_types(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


def create(*arguments, stdin=None, monkeypatch=None, **options):
    """What the command prints."""
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    out = StringIO()
    call_command("create_salesperson", *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def at_a_terminal(monkeypatch, *passwords):
    """Somebody types these passwords."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    typed = iter(passwords)
    monkeypatch.setattr(module, "getpass", lambda _prompt: next(typed))


def test_a_salesperson_without_a_sign_in():
    team = TeamFactory(code="NORTH")
    printed = create(
        "jane",
        "Jane  Doe",
        "--team",
        "north",
        "--email",
        "jane@example.com",
        "--job-title",
        "Account manager",
    )
    jane = Salesperson.objects.get()
    assert (jane.code, jane.name, jane.team, jane.email) == ("JANE", "Jane Doe", team, "jane@example.com")
    assert jane.job_title == "Account manager"
    assert jane.user is None
    assert not User.objects.exists()
    assert "JANE Jane Doe is made, without a sign-in" in printed


@pytest.mark.parametrize(
    ("arguments", "role"),
    [
        ([], Role.SALESPERSON),
        (["--role", "salesperson"], Role.SALESPERSON),
        (["--role", "manager"], Role.SALES_MANAGER),
        (["--role", "viewer"], Role.VIEWER),
    ],
)
def test_a_salesperson_who_signs_in(monkeypatch, arguments, role):
    printed = create(
        "JANE",
        "Jane Doe",
        "--sign-in",
        "Jane@Example.com",
        "--password-stdin",
        *arguments,
        stdin=f"{PASSWORD}\n",
        monkeypatch=monkeypatch,
    )
    jane = Salesperson.objects.get()
    assert jane.user.email == "jane@example.com"
    assert jane.user.name == "Jane Doe"
    assert jane.user.check_password(PASSWORD)
    assert jane.user.role_names == {role.value}
    assert not jane.user.is_staff
    assert "signs in as jane@example.com" in printed
    assert PASSWORD not in printed


def test_the_password_is_asked_for_twice(monkeypatch):
    at_a_terminal(monkeypatch, PASSWORD, PASSWORD)
    create("JANE", "Jane Doe", "--sign-in", "jane@example.com")
    assert User.objects.get().check_password(PASSWORD)


def test_two_different_passwords_are_refused(monkeypatch):
    at_a_terminal(monkeypatch, PASSWORD, "something-else")
    with pytest.raises(CommandError, match="not the same"):
        create("JANE", "Jane Doe", "--sign-in", "jane@example.com")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["JANE", "Jane Doe", "--role", "manager"], "", "--sign-in"),
        (["JANE", "Jane Doe", "--password-stdin"], PASSWORD, "--sign-in"),
        (["JANE", "Jane Doe", "--sign-in", "j@example.com"], "", "--password-stdin"),
        (["JANE", "Jane Doe", "--sign-in", "j@example.com", "--password-stdin"], "", "password"),
        (["JANE", "Jane Doe", "--sign-in", "j@example.com", "--password-stdin"], "12345\n", "too short"),
        (["JANE", "Jane Doe", "--sign-in", "nonsense", "--password-stdin"], PASSWORD, "e-mail address: "),
        (["JANE", "Jane Doe", "--sign-in", "taken@example.com", "--password-stdin"], PASSWORD, "already"),
        (["TAKEN", "Jane Doe"], "", "code: Another salesperson has this code"),
        (["taken", "Jane Doe"], "", "code: Another salesperson has this code"),
        (["", "Jane Doe"], "", "code: "),
        (["JANE", "  "], "", "name: "),
        (["JANE", "J" * 51], "", "name: .*50"),
        (["JANE" * 6, "Jane Doe"], "", "code: .*20"),
        (["JANE", "Jane Doe", "--email", "nonsense"], "", "e-mail address: "),
        (["JANE", "Jane Doe", "--phone", "12"], "", "phone: "),
        (["JANE", "Jane Doe", "--team", "NOWHERE"], "", "There is no team NOWHERE. The teams: NORTH"),
        (["JANE", "Jane Doe", "--team", "N\0"], "", "There is no team"),
        (["JANE", "Jane Doe", "--role", "boss"], "", "invalid choice"),
        (["JANE"], "", "NAME"),
    ],
)
def test_refusals_say_why_and_make_nothing(monkeypatch, arguments, stdin, words):
    TeamFactory(code="NORTH")
    SalespersonFactory(code="TAKEN")
    UserFactory(email="taken@example.com")
    with pytest.raises(CommandError, match=words) as refusal:
        create(*arguments, stdin=stdin, monkeypatch=monkeypatch)
    assert refusal.value.returncode == 1
    assert Salesperson.objects.count() == 1
    assert User.objects.count() == 1


def test_somebody_else_at_the_same_moment_is_no_traceback(monkeypatch):
    def too_late(*_arguments):
        raise IntegrityError

    monkeypatch.setattr(module, "_make", too_late)
    with pytest.raises(CommandError, match="Try again"):
        create("JANE", "Jane Doe")


def test_quiet_says_nothing():
    assert create("JANE", "Jane Doe", verbosity=0) == ""
