"""The next step of an opportunity: its earliest open task, wherever opportunities are shown."""

import csv
import re
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.urls import reverse

from activities.models import TaskKind
from opportunities.models import Opportunity
from tests.factories import (
    OpportunityFactory,
    SalespersonFactory,
    TaskFactory,
    lost_opportunity,
)

LIST = reverse("opportunities:list")
BOARD = reverse("opportunities:board")
NOON = datetime(2026, 3, 4, 11, 0, tzinfo=UTC)  # a Wednesday, noon in Brussels


@pytest.fixture(autouse=True)
def noon(time_machine):
    time_machine.move_to(NOON, tick=False)


def numbers(response):
    return {row.number for row in response.context["page"].rows}


def cell(response):
    """What the list says of the next step of its only row, in words."""
    html = re.search(r'data-label="Next step"[^>]*>(.*?)</td>', response.content.decode(), re.S)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def step_of(opportunity):
    return Opportunity.objects.with_next_step().get(pk=opportunity.pk).next_step


# Which one it is


def test_it_is_the_earliest_open_task(opportunity):
    assert step_of(opportunity) is None
    later = TaskFactory(opportunity=opportunity, due_on=date(2026, 3, 9))
    first = TaskFactory(opportunity=opportunity, due_on=date(2026, 3, 6), due_time=time(9, 30))
    TaskFactory(opportunity=opportunity, due_on=date(2026, 3, 6))  # by the end of that day
    TaskFactory(opportunity=opportunity, due_on=date(2026, 3, 1), closed=True)
    TaskFactory(due_on=date(2026, 3, 1))  # about nothing

    assert step_of(opportunity) == first
    first.status, first.closed_at, first.closed_by = "DONE", NOON, first.created_by
    first.save()
    assert step_of(opportunity).due_on == date(2026, 3, 6)
    assert step_of(opportunity) != later


def test_it_says_what_the_task_says(opportunity):
    task = TaskFactory(
        opportunity=opportunity,
        kind=TaskKind.CALL,
        description="Ask for “the” site plan, and how Zoë is",
        due_on=date(2026, 3, 4),
        due_time=time(8, 15),
        time_zone="America/New_York",
    )

    step = step_of(opportunity)

    for name in ("kind", "description", "priority", "due_on", "due_time", "time_zone", "due_at", "version"):
        assert getattr(step, name) == getattr(task, name), name
    assert step.salesperson_id == task.salesperson_id
    assert step.due_here.time() == time(14, 15)


def test_it_is_read_with_the_rows(opportunity, new_opportunity, django_assert_num_queries):
    TaskFactory.create_batch(3, opportunity=opportunity)

    with django_assert_num_queries(1):
        rows = {row.pk: row.next_step for row in Opportunity.objects.with_next_step()}

    assert [step is None for _pk, step in sorted(rows.items())] == [
        row.pk == new_opportunity.pk for row in sorted([opportunity, new_opportunity], key=lambda row: row.pk)
    ]


# The list


@pytest.mark.parametrize(
    ("due_on", "due_time", "words"),
    [
        (date(2026, 3, 2), None, "2 days overdue"),
        (date(2026, 3, 4), time(9, 0), "overdue since 09:00"),
        (date(2026, 3, 4), time(14, 0), "today at 14:00"),
        (date(2026, 3, 4), None, "today"),
        (date(2026, 3, 7), None, "in 3 days"),
    ],
)
def test_the_list_says_what_and_when(as_seller, opportunity, due_on, due_time, words):
    TaskFactory(opportunity=opportunity, kind="CALL", description="Ask Ann", due_on=due_on, due_time=due_time)

    response = as_seller.get(LIST)

    assert cell(response) == f"Call: Ask Ann {words}"
    assert ('<small class="overdue">' in response.content.decode()) == ("overdue" in words)


def test_the_list_marks_those_without_one(as_seller, opportunity, new_opportunity, lost):
    response = as_seller.get(LIST, {"status": "ALL"})

    html = response.content.decode()
    assert html.count('warn-text">No next step</span>') == 2  # a closed one needs none
    assert cell(as_seller.get(LIST, {"status": "LOST"})) == "–"


def test_the_column_can_be_left_out_and_is_not_read_then(as_seller, opportunity):
    response = as_seller.get(LIST, {"columns": "number,value"})

    assert "No next step</span>" not in response.content.decode()
    assert not hasattr(response.context["page"].rows[0], "first_task")


def test_one_cannot_sort_by_it(as_seller, opportunity):
    html = as_seller.get(LIST).content.decode()

    assert '<th scope="col">Next step</th>' in html


def test_those_without_one_are_counted_and_one_click_away(as_seller, seller, salesperson, cycle, company):
    made = [
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller, started=started)
        for started in (True, True, False, True)
    ]
    TaskFactory(opportunity=made[0])
    TaskFactory(opportunity=made[1], closed=True)
    lost_opportunity(salesperson=salesperson, cycle=cycle, by=seller)

    html = as_seller.get(LIST, {"status": "ALL", "salesperson": salesperson.pk}).content.decode()

    chip = re.search(r'<a class="chip warn" href="([^"]+)">.*?<b class="num">(\d+)</b> without', html, re.S)
    assert chip[2] == "3"
    response = as_seller.get(LIST + chip[1].replace("&amp;", "&"))
    assert numbers(response) == {one.number for one in made[1:]}
    assert response.context["totals"].figures["without_step"] == 3
    assert 'class="chip warn"' not in response.content.decode()
    assert [chip.value for chip in response.context["filter"].chips if chip.name == "step"] == ["None"]


def test_nothing_is_counted_when_every_one_has_a_next_step(as_seller, opportunity):
    TaskFactory(opportunity=opportunity)

    assert "without a next step" not in as_seller.get(LIST).content.decode()


def test_the_list_can_ask_for_what_is_due(as_seller, seller, salesperson, cycle, company):
    made = {
        days: OpportunityFactory(
            salesperson=salesperson, cycle=cycle, contact=company, by=seller, started=True
        )
        for days in (-1, 0, 1)
    }
    for days, opportunity in made.items():
        TaskFactory(opportunity=opportunity, due_on=NOON.date() + timedelta(days=days))

    assert numbers(as_seller.get(LIST, {"step": "OVERDUE"})) == {made[-1].number}
    assert numbers(as_seller.get(LIST, {"step": "TODAY"})) == {made[-1].number, made[0].number}
    assert numbers(as_seller.get(LIST, {"step": "NONE"})) == set()
    assert as_seller.get(LIST, {"step": "SOMETIME"}).status_code == 422


# The board


def test_a_card_says_it_in_one_line(as_seller, opportunity, new_opportunity):
    TaskFactory(opportunity=opportunity, kind="MEETING", description="Walk through the site")

    html = as_seller.get(BOARD).content.decode()

    card = html.partition(f'id="card-{opportunity.pk}"')[2].partition("</li>")[0]
    assert "Walk through the site" in card
    assert "today" in card
    other = html.partition(f'id="card-{new_opportunity.pk}"')[2].partition("</li>")[0]
    assert "No next step" in other


# The page of an opportunity


def strip(response):
    return response.content.decode().partition('<section id="next-step"')[2].partition("</section>")[0]


def test_the_page_says_it_with_a_key_to_complete_it(as_seller, opportunity):
    task = TaskFactory(opportunity=opportunity, description="Send the brochure", due_on=date(2026, 3, 3))

    html = strip(as_seller.get(opportunity.get_absolute_url()))

    assert "Send the brochure" in html
    assert "1 day overdue" in html
    assert f'action="{reverse("opportunities:task-complete", args=[task.pk])}"' in html
    assert f'name="seen" value="{task.version}"' in html
    assert 'data-key="d"' in html


def test_the_page_offers_to_add_one_where_there_is_none(as_seller, as_viewer, opportunity):
    html = strip(as_seller.get(opportunity.get_absolute_url()))

    assert "Nobody has anything to do for it" in html
    assert f"{reverse('opportunities:task-new')}?opportunity={opportunity.pk}" in html
    assert 'data-key="t"' in html
    read = strip(as_viewer.get(opportunity.get_absolute_url()))
    assert "Nobody has anything to do for it" in read
    assert "task-new" not in read
    assert "<button" not in read


def test_a_closed_one_needs_no_next_step(as_seller, won):
    assert 'id="next-step"' not in as_seller.get(won.get_absolute_url()).content.decode()


def test_a_closed_one_with_a_task_left_takes_no_other(as_seller, won):
    TaskFactory(opportunity=won, description="Send the bill", salesperson=won.salesperson)

    html = strip(as_seller.get(won.get_absolute_url()))

    assert "Send the bill" in html
    assert "/complete/" in html
    assert reverse("opportunities:task-new") not in html


def test_the_next_step_opens_as_a_dialog_that_comes_back(as_seller, opportunity):
    task = TaskFactory(opportunity=opportunity)
    here = opportunity.get_absolute_url()

    html = strip(as_seller.get(here))

    assert f'<a href="{task.get_absolute_url()}?next={quote(here, safe="")}" data-dialog>' in html


def test_completing_it_from_the_page_shows_the_next_one(as_seller, opportunity):
    first = TaskFactory(opportunity=opportunity, description="Call", salesperson=opportunity.salesperson)
    TaskFactory(opportunity=opportunity, description="Visit", due_on=date(2026, 3, 20))

    response = as_seller.post(
        reverse("opportunities:task-complete", args=[first.pk]),
        {"seen": first.version, "next": opportunity.get_absolute_url()},
        follow=True,
    )

    assert response.redirect_chain[-1][0] == opportunity.get_absolute_url()
    assert "Visit" in strip(response)


def test_the_strip_alone_is_read_again_when_tasks_change(as_seller, as_stranger, opportunity, settings):
    url = reverse("opportunities:next-step", args=[opportunity.pk])
    TaskFactory(opportunity=opportunity, description="Call Ann")

    html = as_seller.get(url, headers={"HX-Request": "true"}).content.decode()

    assert html.lstrip().startswith('<section id="next-step"')
    assert "Call Ann" in html
    assert as_seller.get(url)["Location"] == opportunity.get_absolute_url()
    assert as_stranger.get(url, headers={"HX-Request": "true"}).status_code == 403
    settings.VISIBILITY = "own"
    other = OpportunityFactory(salesperson=SalespersonFactory())
    foreign = reverse("opportunities:next-step", args=[other.pk])
    assert as_seller.get(foreign, headers={"HX-Request": "true"}).status_code == 404
    assert as_seller.post(url).status_code == 405


# The export


def test_the_export_tells_it(opportunity, new_opportunity):
    TaskFactory(opportunity=opportunity, kind="EMAIL", description="Send it", due_on=date(2026, 3, 6))
    out = StringIO()

    call_command("export_opportunities", "-", stdout=out, stderr=StringIO())

    rows = {row["Number"]: row for row in csv.DictReader(StringIO(out.getvalue()))}
    told = [list(rows[one.number].values())[-3:] for one in (opportunity, new_opportunity)]
    assert told == [["Send it", "EMAIL", "2026-03-06"], ["", "", ""]]
