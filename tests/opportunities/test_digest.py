"""The plan of the day: who gets it when, what is in it, once a day."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import call_command
from django.urls import reverse

from activities import notices
from activities.models import Notice, TaskStatus
from opportunities.digest import Digest
from salespeople.models import Role, User
from tests.factories import (
    CompanyFactory,
    NoticeFactory,
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
    TeamFactory,
    user_with_role,
)
from tests.threads import at_once

NOW = datetime(2026, 3, 23, 9, 0, tzinfo=UTC)  # 10:00 in Brussels
TODAY = date(2026, 3, 23)


@pytest.fixture
def now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def user(now, db):
    return user_with_role(Role.SALESPERSON, name="Sofie Claes", email="sofie@example.com")


def task_of(user, days=0, **fields):
    return TaskFactory(**{"salesperson": user.salesperson, "due_on": TODAY + timedelta(days=days), **fields})


def run(*arguments):
    call_command("send_digest", *arguments)


def subjects():
    return [message.subject for message in mail.outbox]


def test_it_tells_what_there_is_to_do(user):
    company = CompanyFactory(name="Acme")
    with time_machine.travel(NOW - timedelta(days=30), tick=False):
        opportunity = OpportunityFactory(salesperson=user.salesperson, contact=company, description="Robots")
    late = task_of(user, -2, description="Send the <offer>", contact=company)
    soon = task_of(user, description="Call Ann", due_time=time(14, 30))
    task_of(user, 1, description="Not today")
    task_of(user, description="Done", status=TaskStatus.DONE, closed_at=NOW, closed_by=user)
    TaskFactory(description="Of somebody else", due_on=TODAY)

    run()

    (message,) = mail.outbox
    site = django_settings.SITE_URL
    assert message.to == ["sofie@example.com"]
    assert message.subject == "23 Mar 2026: 1 task overdue, 1 task today, 1 opportunity needs you"
    assert (
        "1 task overdue\n\n"
        "- Send the <offer>\n"
        "  2 days overdue. Contact: Acme\n"
        f"  {site}{late.get_absolute_url()}\n"
    ) in message.body
    assert (
        f"1 task today\n\n- Call Ann\n  today at 14:30\n  {site}{soon.get_absolute_url()}\n"
    ) in message.body
    assert f"- {opportunity.number} Robots, Acme\n" in message.body
    assert f"{site}{opportunity.get_absolute_url()}" in message.body
    for absent in ("Not today", "Done", "Of somebody else", " more:"):
        assert absent not in message.body
    ((html, _kind),) = message.alternatives
    assert "Send the &lt;offer&gt;" in html
    assert f'href="{site}{late.get_absolute_url()}"' in html
    assert "src=" not in html


def test_long_lists_are_cut_and_say_so(user):
    for number in range(13):
        task_of(user, -1, description=f"Late {number}")
    for number in range(11):
        task_of(user, description=f"Today {number}")

    run()

    body = mail.outbox[0].body
    assert subjects() == ["23 Mar 2026: 13 tasks overdue, 11 tasks today"]
    assert body.count("- Late ") == body.count("- Today ") == 10
    tasks = f"{django_settings.SITE_URL}{reverse('opportunities:tasks')}"
    assert f"and 3 more: {tasks}?state=OVERDUE\n" in body
    assert f"and 1 more: {tasks}?state=TODAY\n" in body


@pytest.mark.parametrize("state", ["OVERDUE", "TODAY"])
def test_the_addresses_behind_more_are_pages(client, user, state):
    client.force_login(user)

    assert client.get(reverse("opportunities:tasks", query={"state": state})).status_code == 200
    needing = reverse("opportunities:list", query={"whose": "ME", "needs": "ANY"})
    assert client.get(needing).status_code == 200


def test_it_comes_once_a_day(user):
    task_of(user)

    run()
    run()
    assert len(mail.outbox) == 1

    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        run()
        run()
    assert [message.subject[:11] for message in mail.outbox] == ["23 Mar 2026", "24 Mar 2026"]


def test_who_has_nothing_to_do_gets_nothing_that_day(user):
    run()
    task_of(user)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        run()

    assert mail.outbox == []
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.settled_at) == (None, NOW)


def test_that_there_was_nothing_to_say_is_no_unfinished_business(user, capsys):
    run()
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        run()

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("zone", "at", "told"),
    [
        ("Europe/Brussels", datetime(2026, 3, 23, 4, 59, tzinfo=UTC), None),
        ("Europe/Brussels", datetime(2026, 3, 23, 5, 0, tzinfo=UTC), "23 Mar 2026"),
        ("Europe/Brussels", datetime(2026, 3, 23, 22, 59, tzinfo=UTC), "23 Mar 2026"),
        ("Europe/Brussels", datetime(2026, 3, 23, 23, 0, tzinfo=UTC), None),
        ("Europe/Brussels", datetime(2026, 3, 30, 3, 59, tzinfo=UTC), None),  # summer time by then
        ("Europe/Brussels", datetime(2026, 3, 30, 4, 0, tzinfo=UTC), "30 Mar 2026"),
        ("Asia/Kolkata", datetime(2026, 3, 23, 0, 29, tzinfo=UTC), None),
        ("Asia/Kolkata", datetime(2026, 3, 23, 0, 30, tzinfo=UTC), "23 Mar 2026"),
        ("Pacific/Kiritimati", datetime(2026, 3, 23, 16, 0, tzinfo=UTC), "24 Mar 2026"),
        ("Pacific/Pago_Pago", datetime(2026, 3, 23, 16, 59, tzinfo=UTC), None),
        ("Pacific/Pago_Pago", datetime(2026, 3, 23, 17, 0, tzinfo=UTC), "23 Mar 2026"),
    ],
)
def test_it_comes_after_six_in_the_morning_of_the_reader(user, zone, at, told):
    User.objects.filter(pk=user.pk).update(time_zone=zone)
    task_of(user, -20)

    with time_machine.travel(at, tick=False):
        run()
        run()

    assert [message.subject[:11] for message in mail.outbox] == ([told] if told else [])


@pytest.mark.parametrize("change", [{"is_active": False}, {"gets_digest": False}])
def test_who_may_not_or_will_not_gets_none(user, change):
    User.objects.filter(pk=user.pk).update(**change)
    task_of(user)

    run()

    assert mail.outbox == []
    assert not Notice.objects.exists()


def test_who_stops_it_while_a_run_is_under_way_gets_none(user):
    task_of(user)
    User.objects.filter(pk=user.pk).update(gets_digest=False)

    assert notices.deliver(Digest(user, TODAY)) is False
    assert mail.outbox == []


def test_somebody_without_a_role_or_without_a_salesperson_gets_none(user):
    task_of(user)
    user.groups.clear()
    user_with_role(Role.VIEWER)
    user_with_role(Role.SALES_MANAGER)

    run()

    assert mail.outbox == []


def test_tasks_of_the_team_are_in_it(user):
    team = TeamFactory(name="Benelux")
    user.salesperson.team = team
    user.salesperson.save()
    TaskFactory(salesperson=None, team=team, due_on=TODAY, description="Anybody")

    run()

    assert "today. For anybody in team Benelux" in mail.outbox[0].body


def test_opportunities_of_others_are_not_in_it(user):
    with time_machine.travel(NOW - timedelta(days=30), tick=False):
        OpportunityFactory(salesperson=SalespersonFactory())

    run()

    assert mail.outbox == []


def test_a_dry_run_says_who_would_get_what_and_does_nothing(user, capsys):
    task_of(user)
    user_with_role(Role.SALESPERSON)  # has nothing to do

    run("--dry-run")

    assert (
        capsys.readouterr().out == "sofie@example.com: 23 Mar 2026: 1 task today\n1 e-mail would be sent.\n"
    )
    assert mail.outbox == []
    assert not Notice.objects.exists()


def test_old_notices_are_forgotten(user):
    NoticeFactory(claimed_at=NOW - timedelta(days=91), sent_at=NOW)

    run()

    assert [notice.key for notice in Notice.objects.all()] == ["digest 2026-03-23"]


def test_its_link_stops_the_plan_and_not_the_reminders(client, user):
    task_of(user)
    run()

    client.post(mail.outbox[0].message()["List-Unsubscribe"][1:-1].removeprefix(django_settings.SITE_URL))

    user.refresh_from_db()
    assert (user.gets_digest, user.gets_reminders) == (False, True)


@pytest.mark.parametrize("count", [1, 30])
def test_writing_costs_a_few_queries_however_much_there_is(user, count, django_assert_max_num_queries):
    company = CompanyFactory()
    with time_machine.travel(NOW - timedelta(days=30), tick=False):
        for _number in range(count):
            OpportunityFactory(salesperson=user.salesperson, contact=company)
            task_of(user, -1, contact=company)
            task_of(user, contact=company)

    with django_assert_max_num_queries(17):
        assert Digest(user, TODAY).write() is not None


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_one_each(now):
    for number in range(4):
        task_of(user_with_role(Role.SALESPERSON, email=f"seller{number}@example.com"))

    assert at_once(run, run, run) == [None, None, None]

    assert sorted(message.to[0] for message in mail.outbox) == [f"seller{n}@example.com" for n in range(4)]
