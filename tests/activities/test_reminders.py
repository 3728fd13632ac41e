"""Reminders: who gets which when, in whose words, never twice, and how to stop them."""

import os
import smtplib
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail
from django.core.mail.backends import locmem
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from activities import notices
from activities.models import Notice, TaskKind, TaskPriority, TaskStatus
from activities.notices import NoticeKind, unsubscribe_url
from activities.reminders import Reminder
from activities.sending import NoticeCommand
from salespeople.models import Role, User
from tests.factories import (
    CompanyFactory,
    NoticeFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    UserFactory,
    user_with_role,
)
from tests.threads import at_once

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 23, 9, 0, tzinfo=UTC)  # 10:00 in Brussels
LIMIT = 120  # seconds, for a machine that is busy


@pytest.fixture
def now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def user(now, db):
    return user_with_role(Role.SALESPERSON, name="Sofie Claes", email="sofie@example.com")


def task_of(user, in_minutes=20, **fields):
    """A task with a time, so many minutes from now."""
    return TaskFactory(**{"salesperson": user.salesperson, **due_in(in_minutes), **fields})


def due_in(minutes):
    here = (timezone.now() + timedelta(minutes=minutes)).astimezone(timezone.get_default_timezone())
    return {"due_on": here.date(), "due_time": here.time().replace(second=0, microsecond=0)}


def run(*arguments):
    call_command("send_reminders", *arguments)


def subjects():
    return [message.subject for message in mail.outbox]


# Who gets which, and when


@pytest.mark.parametrize(
    ("before", "minutes", "told"),
    [
        (30, 31, False),
        (30, 30, True),
        (30, 1, True),
        (30, 0, True),
        (30, -59, True),
        (30, -60, False),
        (10, 11, False),
        (10, 10, True),
        (60, 60, True),
        (1440, 1440, True),
        (1440, 1441, False),
    ],
)
def test_it_comes_so_long_before_as_the_person_chose(user, before, minutes, told):
    user.reminded_before = before
    user.save()
    task_of(user, minutes)

    run()

    assert len(mail.outbox) == told


def test_it_comes_once(user):
    task_of(user, description="Call Ann")

    run()
    run()

    assert subjects() == ["Today at 10:20: Call Ann"]
    notice = Notice.objects.get()
    assert (notice.user, notice.sent_at) == (user, NOW)


def test_a_task_that_is_put_off_is_reminded_of_anew(user):
    task = task_of(user)
    run()
    task.set_due(task.due_on, time(10, 25), task.time_zone)
    task.save()

    run()
    run()

    assert len(mail.outbox) == 2


@pytest.mark.parametrize("status", [TaskStatus.DONE, TaskStatus.CANCELLED])
def test_what_is_closed_needs_no_reminder(user, status):
    task_of(user, status=status, closed_at=NOW, closed_by=user)

    run()

    assert mail.outbox == []


def test_a_task_without_a_time_is_not_reminded_of(user):
    with time_machine.travel(datetime(2026, 3, 23, 22, 50, tzinfo=UTC), tick=False):
        TaskFactory(salesperson=user.salesperson, due_on=date(2026, 3, 23))

        run()

    assert mail.outbox == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"gets_reminders": False}])
def test_who_may_not_or_will_not_gets_none(user, change):
    User.objects.filter(pk=user.pk).update(**change)
    task_of(user)

    run()

    assert mail.outbox == []


def test_who_has_no_role_gets_none(user):
    user.groups.clear()
    task_of(user)

    run()

    assert mail.outbox == []


def test_everybody_of_the_team_hears_of_its_tasks(user):
    team = TeamFactory()
    other = user_with_role(Role.SALES_MANAGER, email="tom@example.com")
    SalespersonFactory(user=other, team=team)
    SalespersonFactory(team=team)  # does not sign in
    user.salesperson.team = team
    user.salesperson.save()
    elsewhere = user_with_role(Role.SALESPERSON)
    task_of(user, salesperson=None, team=team)

    run()
    run()

    assert sorted(message.to[0] for message in mail.outbox) == ["sofie@example.com", "tom@example.com"]
    assert not Notice.objects.filter(user=elsewhere).exists()


def test_one_that_was_given_away_reminds_who_has_it_now(user):
    other = user_with_role(Role.SALESPERSON, email="jan@example.com")
    task = task_of(user)
    run()
    task.salesperson = other.salesperson
    task.save()

    run()

    assert [message.to for message in mail.outbox] == [["sofie@example.com"], ["jan@example.com"]]


@pytest.mark.parametrize("change", [{"status": "DONE"}, {"due_time": time(18)}, {"salesperson": None}])
def test_what_changes_while_a_run_is_under_way_is_not_told(user, change):
    task = task_of(user)
    reminder = Reminder(user, task.pk, task.due_at)
    if "status" in change:
        change |= {"closed_at": NOW, "closed_by": user}
    if "salesperson" in change:
        change["salesperson"] = SalespersonFactory()
    for name, value in change.items():
        setattr(task, name, value)
    task.set_due(task.due_on, task.due_time, task.time_zone)
    task.save()

    assert notices.deliver(reminder) is False

    assert mail.outbox == []
    assert not Notice.objects.exists()  # if it is changed back, the reminder comes after all


def test_who_stops_them_while_a_run_is_under_way_gets_none(user):
    task = task_of(user)
    User.objects.filter(pk=user.pk).update(gets_reminders=False)

    assert notices.deliver(Reminder(user, task.pk, task.due_at)) is False
    assert mail.outbox == []


@pytest.mark.parametrize("count", [1, 30])
def test_looking_costs_the_same_however_many_there_are(user, count, django_assert_num_queries):
    for _number in range(count):
        task_of(user)
    run()

    with django_assert_num_queries(7):  # two of them look for migrations
        run()

    assert len(mail.outbox) == count


# What it says


def test_it_says_what_when_and_where(user):
    person = PersonFactory(first_name="Ann", last_name="Peeters", company=CompanyFactory(name="Acme"))
    opportunity = OpportunityFactory(salesperson=user.salesperson, contact=person, description="Robots")
    task = task_of(
        user,
        kind=TaskKind.CALL,
        description="Ring <b>Ann</b> & Bob",
        contact=person,
        opportunity=opportunity,
        priority=TaskPriority.HIGH,
    )

    run()

    (message,) = mail.outbox
    link = f"{django_settings.SITE_URL}{task.get_absolute_url()}"
    assert message.subject == "Today at 10:20: Ring <b>Ann</b> & Bob"
    assert message.body.startswith(
        "Call: Ring <b>Ann</b> & Bob\n"
        "23 Mar 2026, 10:20 (Europe/Brussels). Due in 20 minutes.\n"
        "High priority\n"
        "Contact: Ann Peeters, Acme\n"
        f"Opportunity: {opportunity.number} Robots\n"
        "\n"
        f"{link}\n"
    )
    ((html, kind),) = message.alternatives
    assert kind == "text/html"
    assert "Ring &lt;b&gt;Ann&lt;/b&gt; &amp; Bob" in html
    assert f'href="{link}"' in html
    assert "src=" not in html
    assert "<style" not in html


def test_it_says_nothing_of_what_the_reader_may_not_see(user, settings):
    settings.VISIBILITY = "own"
    company = CompanyFactory(name="Secret", salesperson=SalespersonFactory())
    opportunity = OpportunityFactory(
        salesperson=company.salesperson, contact=company, description="Very secret"
    )
    task_of(user, contact=company, opportunity=opportunity)

    run()

    assert "ecret" not in mail.outbox[0].message().as_string()


@pytest.mark.parametrize(
    ("zone", "language", "minutes", "subject", "in_full"),
    [
        ("Europe/Brussels", "en-gb", 20, "Today at 10:20: X", "23 Mar 2026, 10:20 (Europe/Brussels)"),
        ("Asia/Kolkata", "en-gb", 20, "Today at 14:50: X", "23 Mar 2026, 14:50 (Asia/Kolkata)"),
        ("Pacific/Auckland", "en-gb", 20, "Today at 22:20: X", "23 Mar 2026, 22:20 (Pacific/Auckland)"),
        ("Pacific/Auckland", "en-gb", 150, "Tomorrow at 00:30: X", "24 Mar 2026, 00:30 (Pacific/Auckland)"),
        (
            "Pacific/Kiritimati",
            "en-gb",
            1439,
            "Tomorrow at 22:59: X",
            "24 Mar 2026, 22:59 (Pacific/Kiritimati)",
        ),
        (
            "America/New_York",
            "en-us",
            20,
            "Today at 5:20 AM: X",
            "Mar 23, 2026, 5:20\N{NARROW NO-BREAK SPACE}AM (America/New_York)",
        ),
        (
            "Europe/Brussels",
            "en-gb",
            -20,
            "Was due 20 minutes ago: X",
            "23 Mar 2026, 09:40 (Europe/Brussels). Was due 20 minutes ago.",
        ),
        ("Europe/Brussels", "en-gb", 0, "Due now: X", "23 Mar 2026, 10:00 (Europe/Brussels). Due now."),
    ],
)
def test_times_and_words_are_those_of_the_reader(user, zone, language, minutes, subject, in_full):
    User.objects.filter(pk=user.pk).update(time_zone=zone, language=language, reminded_before=1440)
    task_of(user, minutes, description="X")

    run()

    assert subjects() == [subject]
    assert in_full in mail.outbox[0].body


def test_after_the_clocks_change_the_hour_is_still_right(user):
    User.objects.filter(pk=user.pk).update(reminded_before=1440)
    with time_machine.travel(datetime(2026, 3, 28, 8, 0, tzinfo=UTC), tick=False):
        TaskFactory(salesperson=user.salesperson, description="X", due_on=date(2026, 3, 29), due_time=time(9))

        run()

    assert subjects() == ["Tomorrow at 09:00: X"]
    assert "Due in 23 hours." in mail.outbox[0].body


def test_a_day_that_is_an_hour_short_is_passed_over(user):
    User.objects.filter(pk=user.pk).update(reminded_before=1440)
    with time_machine.travel(datetime(2026, 3, 28, 22, 30, tzinfo=UTC), tick=False):  # half past eleven
        TaskFactory(
            salesperson=user.salesperson, description="X", due_on=date(2026, 3, 30), due_time=time(0, 30)
        )

        run()

    assert subjects() == ["30 Mar 2026 at 00:30: X"]


def test_a_task_of_several_lines_makes_one_subject(user):
    task_of(user, description="One\r\nBcc: everybody@example.com\nTwo")

    run()

    assert subjects() == ["Today at 10:20: One Bcc: everybody@example.com Two"]
    assert mail.outbox[0].recipients() == ["sofie@example.com"]


def test_mail_programmes_can_stop_it_with_one_click(user, settings):
    settings.SITE_URL = "https://kansen.example"
    task_of(user)

    run()

    headers = mail.outbox[0].message()
    address = headers["List-Unsubscribe"]
    assert address.startswith("<https://kansen.example/unsubscribe/")
    assert address.endswith("/>")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Message-ID"].endswith("@kansen.example>")
    assert address[1:-1] in mail.outbox[0].body


def test_without_https_no_one_click_is_promised(user):
    task_of(user)

    run()

    headers = mail.outbox[0].message()
    assert headers["List-Unsubscribe"].startswith("<http://127.0.0.1:8000/unsubscribe/")
    assert "List-Unsubscribe-Post" not in headers


# What the command says


def test_a_dry_run_says_who_would_get_what_and_does_nothing(user, capsys):
    task_of(user, description="Call Ann")
    NoticeFactory(claimed_at=NOW - timedelta(days=100))
    NoticeFactory(claimed_at=NOW - timedelta(hours=1))

    run("--dry-run")

    assert capsys.readouterr().out == (
        "sofie@example.com: Today at 10:20: Call Ann\n1 e-mail would be sent.\n"
    )
    assert mail.outbox == []
    assert Notice.objects.filter(settled_at__isnull=True).count() == 2


def test_it_says_how_many_left(user, capsys):
    task_of(user)

    run()
    run("--verbosity", "0")

    assert capsys.readouterr().out == "1 e-mail sent.\n"


def test_old_notices_are_forgotten(user):
    NoticeFactory(claimed_at=NOW - timedelta(days=91), sent_at=NOW)
    kept = NoticeFactory(claimed_at=NOW - timedelta(days=89), sent_at=NOW)

    run()

    assert Notice.objects.get() == kept


def test_one_that_was_begun_and_never_finished_is_told_once(user, capsys):
    NoticeFactory(user=user, key="task 7 20260323T090000Z", claimed_at=NOW - timedelta(minutes=11))
    NoticeFactory(key="task 8 20260323T090000Z", claimed_at=NOW - timedelta(minutes=9))

    run()
    first = capsys.readouterr().err
    run()

    assert "2026-03-23 09:49:00+01:00" in first
    assert "sofie@example.com, task 7 20260323T090000Z" in first
    assert "task 8" not in first
    assert capsys.readouterr().err == ""


# When the mail server is against it


class Broken(locmem.EmailBackend):
    """A mail server that has something against some people, or is not there."""

    against = {}
    unreachable = False

    def open(self):
        if Broken.unreachable:
            raise ConnectionRefusedError(111, "Connection refused")

    def send_messages(self, messages):
        for message in messages:
            if error := Broken.against.get(message.to[0]):
                raise error
        return super().send_messages(messages)


@pytest.fixture
def server(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    Broken.against, Broken.unreachable = {}, False
    yield Broken
    Broken.against, Broken.unreachable = {}, False


def test_what_is_refused_is_tried_again_and_holds_up_nobody(user, server, capsys):
    other = user_with_role(Role.SALESPERSON, email="jan@example.com")
    task_of(user)
    task_of(other, 25)
    server.against = {"sofie@example.com": smtplib.SMTPRecipientsRefused({"sofie@example.com": (550, b"No")})}

    with pytest.raises(CommandError, match="1 e-mail went wrong"):
        run()
    said = capsys.readouterr()
    assert "sofie@example.com, task" in said.err
    assert "550" in said.err
    assert [message.to for message in mail.outbox] == [["jan@example.com"]]
    assert Notice.objects.get().user == other

    server.against = {}
    run()
    run()
    assert [message.to for message in mail.outbox] == [["jan@example.com"], ["sofie@example.com"]]


def test_a_server_that_is_not_there_ends_the_run_and_loses_nothing(user, server, capsys):
    task_of(user)
    task_of(user, 25)
    server.unreachable = True

    with pytest.raises(CommandError):
        run()
    assert capsys.readouterr().err.count("The mail server cannot be reached") == 1
    assert not Notice.objects.exists()

    server.unreachable = False
    run()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("error", [TimeoutError("timed out"), smtplib.SMTPServerDisconnected("gone")])
def test_where_nobody_knows_whether_it_was_sent_it_is_not_sent_again(user, server, capsys, error):
    task_of(user)
    server.against = {"sofie@example.com": error}

    with pytest.raises(CommandError):
        run()
    assert "perhaps sent, and not tried again" in capsys.readouterr().err

    server.against = {}
    run()
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        run()
    assert mail.outbox == []
    assert capsys.readouterr().err == ""  # it was told


def test_a_server_that_takes_it_for_nobody_has_not_taken_it(user, settings):
    task_of(user)
    settings.EMAIL_BACKEND = f"{__name__}.Deaf"

    with pytest.raises(CommandError):
        run()

    assert not Notice.objects.exists()


class Deaf(locmem.EmailBackend):
    """A mail server that takes nothing and says nothing."""

    def send_messages(self, messages):
        return 0


class WithoutDatabase:
    """An occasion on which the database goes away."""

    keeps_empty = False
    key = "task 0"

    def __init__(self, user):
        self.user = user

    def write(self):
        raise OperationalError("server closed the connection unexpectedly")


def test_a_run_that_loses_its_database_ends_at_once(user):
    task = task_of(user)

    class Command(NoticeCommand):
        def occasions(self, now):
            return [WithoutDatabase(user), Reminder(user, task.pk, task.due_at)]

    with pytest.raises(OperationalError):
        call_command(Command())

    assert mail.outbox == []


# Two at once


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_each_reminder_once(now):
    users = [user_with_role(Role.SALESPERSON, email=f"seller{number}@example.com") for number in range(5)]
    for user in users:
        for minutes in (5, 10, 15):
            task_of(user, minutes)

    assert at_once(run, run, run) == [None, None, None]

    told = sorted((message.to[0], message.subject.split(":")[1]) for message in mail.outbox)
    assert len(told) == 15
    assert Notice.objects.filter(sent_at=NOW).count() == 15
    assert len({message["Message-ID"] for message in (m.message() for m in mail.outbox)}) == 15


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_there_for_others_before_anything_is_sent(now):
    user = user_with_role(Role.SALESPERSON)
    task = task_of(user)
    reminder = Reminder(user, task.pk, task.due_at)

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        notices.deliver(reminder)

    assert mail.outbox == []
    assert notices.deliver(reminder) is True


# Killed half-way

KILLED = """
import os
from django.core.mail.backends import filebased

class EmailBackend(filebased.EmailBackend):
    def send_messages(self, messages):
        if messages[0].to == [os.environ["KILLED_AT"]]:
            os._exit(9)
        return super().send_messages(messages)
"""


@pytest.fixture
def send(tmp_path):
    """Start ``send_reminders`` in a process of its own, which may be made to die when it writes to an address."""
    (tmp_path / "killed.py").write_text(KILLED)
    (tmp_path / "letters").mkdir()
    (tmp_path / "with_files.py").write_text(
        "from tests.settings import *\n"
        "EMAIL_BACKEND = 'killed.EmailBackend'\n"
        f"EMAIL_FILE_PATH = {str(tmp_path / 'letters')!r}\n"
        f"DATABASES = {{'default': {connection_settings()!r}}}\n"
    )

    def send(killed_at=""):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "with_files",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "KILLED_AT": killed_at,
        }
        command = [sys.executable, ROOT / "manage.py", "send_reminders"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)

    return send


def ended(process):
    """Wait for a process: exit status and what it said."""
    out, error = process.communicate(timeout=LIMIT)
    return process.returncode, out, error


def connection_settings():
    """Those of the database that this test runs on."""
    return {
        name: value
        for name, value in connection.settings_dict.items()
        if name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    }


def letters(folder):
    """To whom the letters in a folder are."""
    found = []
    for file in (folder / "letters").iterdir():
        for part in file.read_bytes().split(b"-" * 79):
            if part.strip():
                message = message_from_bytes(part.strip(), policy=policy.default)
                found.append(message["To"])
    return sorted(found)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_killed_after_the_claim_sends_nothing_twice(send, tmp_path, capsys):
    first, second, third = (
        user_with_role(Role.SALESPERSON, email=f"{name}@example.com", reminded_before=60)
        for name in ("first", "second", "third")
    )
    for user, minutes in ((first, 20), (second, 30), (third, 40)):
        task_of(user, minutes)

    assert ended(send(killed_at="second@example.com"))[0] == 9
    assert letters(tmp_path) == ["first@example.com"]
    assert Notice.objects.filter(sent_at__isnull=True).get().user == second

    assert ended(send()) == (0, "1 e-mail sent.\n", "")
    assert letters(tmp_path) == ["first@example.com", "third@example.com"]

    Notice.objects.filter(user=second).update(claimed_at=timezone.now() - timedelta(minutes=11))
    run()
    said = capsys.readouterr()
    assert said.out == "0 e-mails sent.\n"
    assert "second@example.com" in said.err
    assert "never finished" in said.err


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_send_each_reminder_once(send, tmp_path):
    addresses = sorted(f"seller{number}@example.com" for number in range(12))
    for address in addresses:
        task_of(user_with_role(Role.SALESPERSON, email=address))

    both = [send(), send()]
    answers = [ended(process) for process in both]

    assert [(status, error) for status, _out, error in answers] == [(0, ""), (0, "")]
    assert sum(int(out.split()[0]) for _status, out, _error in answers) == len(addresses)
    assert letters(tmp_path) == addresses


# Stopping


@pytest.mark.parametrize("kind", NoticeKind)
def test_one_button_stops_it_without_signing_in(user, kind):
    address = unsubscribe_url(user, kind).removeprefix(django_settings.SITE_URL)
    client = Client(enforce_csrf_checks=True)

    shown = client.get(address)
    user.refresh_from_db()
    assert (shown.status_code, getattr(user, kind.value)) == (200, True)
    assert "Send no more of these" in shown.content.decode()

    for _time in range(2):
        stopped = client.post(address, {"List-Unsubscribe": "One-Click"})
        assert stopped.status_code == 200
        assert "sends no more of these to sofie@example.com" in stopped.content.decode()
        assert reverse("salespeople:preferences") in stopped.content.decode()

    user.refresh_from_db()
    other = next(other for other in NoticeKind if other != kind)
    assert (getattr(user, kind.value), getattr(user, other.value)) == (False, True)
    assert "Send no more of these" not in client.get(address).content.decode()


def test_signed_in_as_somebody_else_it_stops_only_what_the_link_says(client, user):
    other = user_with_role(Role.SALESPERSON)
    client.force_login(other)

    client.post(unsubscribe_url(user, NoticeKind.REMINDERS).removeprefix(django_settings.SITE_URL))

    user.refresh_from_db()
    other.refresh_from_db()
    assert (user.gets_reminders, other.gets_reminders) == (False, True)


def test_a_link_that_we_did_not_write_is_not_found(user):
    good = unsubscribe_url(user, NoticeKind.REMINDERS).removeprefix(django_settings.SITE_URL)
    tokens = [
        good.replace("/unsubscribe/", "/unsubscribe/x"),
        good[:-2] + "/",
        "/unsubscribe/x/",
        "/unsubscribe/%00/",
        "/unsubscribe/%ED%A0%80/",
        f"/unsubscribe/{django_signed([user.pk, 'is_superuser'])}/",
        f"/unsubscribe/{django_signed([10**30, 'gets_digest'])}/",
        f"/unsubscribe/{django_signed(['x', 'gets_digest'])}/",
        f"/unsubscribe/{django_signed('x')}/",
        f"/unsubscribe/{django_signed([user.pk, 'gets_reminders'], salt='other')}/",
    ]

    for token in tokens:
        for method in (Client().get, Client().post):
            assert method(token).status_code == 404, token

    user.refresh_from_db()
    assert (user.gets_reminders, user.gets_digest) == (True, True)


def django_signed(value, salt=notices.SALT):
    return notices.signing.dumps(value, salt=salt)


def test_a_user_who_is_gone_has_nothing_to_stop(now, db):
    user = UserFactory()
    address = unsubscribe_url(user, NoticeKind.DIGEST).removeprefix(django_settings.SITE_URL)
    user.delete()

    assert Client().post(address).status_code == 404


def test_only_looking_and_posting(user):
    address = unsubscribe_url(user, NoticeKind.DIGEST).removeprefix(django_settings.SITE_URL)

    assert Client().head(address).status_code == 200
    for method in ("put", "delete", "patch", "options"):
        assert getattr(Client(), method)(address).status_code == 405
    user.refresh_from_db()
    assert user.gets_digest is True
