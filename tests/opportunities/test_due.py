"""The number in the menu: how many tasks the reader has to do today."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from crm.dates import today
from opportunities.due import number_due
from tests.factories import SalespersonFactory, TaskFactory, TeamFactory

DUE = reverse("opportunities:tasks-due")
HTMX = {"HX-Request": "true"}


def said(response):
    """What the menu says of its tasks, as it is read out."""
    link = re.search(r'<a href="/tasks/"[^>]*>(.*?)</a>', response.content.decode(), re.S)[1]
    return " ".join(re.sub(r"<[^>]+>", "", link).split())


def test_own_tasks_and_those_of_the_own_team_count_when_they_are_due(seller, salesperson, as_seller):
    TaskFactory(salesperson=salesperson, due_on=today() - timedelta(days=3))
    TaskFactory(salesperson=salesperson)
    TaskFactory(for_team=True, team=salesperson.team)
    TaskFactory(salesperson=salesperson, due_on=today() + timedelta(days=1))
    TaskFactory(salesperson=salesperson, closed=True)
    TaskFactory(salesperson=SalespersonFactory(team=salesperson.team))
    TaskFactory(for_team=True, team=TeamFactory())

    assert number_due(seller) == 3
    assert said(as_seller.get(reverse("contacts:list"))) == "Tasks, 3 due"


def test_nothing_due_is_not_said(as_seller):
    assert said(as_seller.get(reverse("contacts:list"))) == "Tasks"


def test_more_than_99_are_not_counted(seller, salesperson, as_seller):
    TaskFactory.create_batch(101, salesperson=salesperson, created_by=seller)

    assert number_due(seller) == 100
    assert said(as_seller.get(reverse("contacts:list"))) == "Tasks, 99+ due"


def test_who_is_in_no_team_and_who_sells_nothing(seller, salesperson, viewer, django_assert_num_queries):
    TaskFactory(for_team=True)
    salesperson.team = None
    salesperson.save()

    with django_assert_num_queries(2):  # the groups and the tasks, whatever else is known of the reader
        assert number_due(seller) == 0
    with django_assert_num_queries(1):
        assert number_due(viewer) == 0


@pytest.mark.parametrize("count", [1, 30])
def test_it_is_one_question_on_a_whole_page_and_none_in_a_part(
    as_seller, salesperson, opportunity, count, django_assert_num_queries
):
    TaskFactory.create_batch(count, salesperson=salesperson)

    with django_assert_num_queries(4):  # session, user, groups, tasks
        as_seller.get(DUE, headers=HTMX)
    with django_assert_num_queries(5) as asked:  # the opportunity and its newest entry instead of the tasks
        as_seller.get(reverse("opportunities:next-step", args=[opportunity.pk]), headers=HTMX)
    assert "LIMIT 100" not in str(asked.captured_queries)


def test_it_is_read_again_alone(as_seller, as_stranger, salesperson):
    TaskFactory(salesperson=salesperson)

    html = as_seller.get(DUE, headers=HTMX).content.decode()

    assert html.lstrip().startswith('<span id="tasks-due"')
    assert 'hx-trigger="tasks-changed from:body"' in html
    assert as_seller.get(DUE)["Location"] == reverse("opportunities:tasks")
    assert as_seller.post(DUE).status_code == 405
    assert as_stranger.get(DUE, headers=HTMX).status_code == 403
