"""The queries that pages make of large tables walk an index; nothing is read whole, or sorted, to show its beginning."""

import re

import pytest
from django.db import connection

from activities.attachments import BATCH
from activities.models import Attachment, Email, Interaction, Notice, Task

pytestmark = pytest.mark.django_db


def done_about(opportunity):
    return Task.objects.filter(opportunity=opportunity).closed_as("DONE").order_by("-closed_at", "-pk")


OPEN = Task.objects.open().soonest_first()
QUERIES = {
    "task_person_open_idx": lambda: OPEN.filter(salesperson=1)[:26],
    "task_team_open_idx": lambda: OPEN.filter(team=1)[:26],
    "task_open_idx": lambda: OPEN[:26],
    "task_next_step_idx": lambda: OPEN.filter(opportunity=1)[:1],
    "task_contact_idx": lambda: Task.objects.filter(contact=1).soonest_first()[:26],
    "task_closed_idx": lambda: Task.objects.closed_as("DONE").order_by("-closed_at", "-pk")[:26],
    "task_opportunity_closed_idx": lambda: done_about(1)[:26],
    "task_person_closed_idx": lambda: Task.objects.filter(salesperson=1).order_by("-closed_at", "-pk")[:6],
    "task_day_idx": lambda: Task.objects.filter(due_on="2026-11-23").order_by("due_on", "pk"),
    "task_person_day_idx": lambda: Task.objects.filter(salesperson=1).order_by("due_on", "pk"),
    "task_team_day_idx": lambda: Task.objects.filter(team=1).order_by("due_on", "pk"),
    "interaction_opportunity_idx": lambda: Interaction.objects.filter(opportunity=1).newest_first()[:26],
    "interaction_contact_idx": lambda: Interaction.objects.filter(contact=1).newest_first()[:26],
    "email_waiting_idx": lambda: Email.objects.waiting().order_by("-sent_at", "-pk")[:26],
    "email_aside_idx": lambda: Email.objects.aside().order_by("-placed_at", "-pk")[:26],
    "notice_claimed_idx": lambda: Notice.objects.filter(claimed_at__lt="2026-11-23T00:00Z"),
    "notice_sent_once": lambda: Notice.objects.filter(user=1),
    "attachment_file_once": lambda: Attachment.objects.filter(file__in=[f"00/{n}" for n in range(BATCH)]),
}
NAMELESS = {  # what SQLite calls the indexes of constraints
    "notice_sent_once": "sqlite_autoindex_activities_notice_1",
    "attachment_file_once": "sqlite_autoindex_activities_attachment_1",
}
TABLES = (Task, Interaction, Email, Notice, Attachment)


def test_every_index_has_a_query_here():
    known = {index.name for model in TABLES for index in model._meta.indexes}

    assert known <= set(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
def test_index_is_walked_and_nothing_is_sorted(name):
    if connection.vendor == "postgresql":  # on a table this small it would rather read all and sort
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
            )

    plan = QUERIES[name]().explain()

    if connection.vendor == "sqlite":  # PostgreSQL may take another one as long as all are empty
        assert NAMELESS.get(name, name) in plan
    assert not re.search(r"\bSCAN activities_\w+$|Seq Scan|TEMP B-TREE|Sort", plan, re.MULTILINE)
