"""The table of stages: saved as a whole or not at all, in any order, and never over somebody else's change."""

import threading
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from salescycles import views
from salescycles.models import SalesCycleStage
from salespeople.models import Role
from tests.factories import (
    ActivityFactory,
    OpportunityFactory,
    SalesCycleFactory,
    SalesCycleStageFactory,
    cycle_with_stages,
    lost_opportunity,
    user_with_role,
)
from tests.salescycles.pages import filled_in, form_data

pytestmark = pytest.mark.django_db


def order(cycle):
    """The stages as position and name, in their order."""
    return [(stage.position, stage.description) for stage in cycle.stages.order_by("position")]


def save(client, cycle, *, rows=0, **changes):
    return client.post(cycle.get_absolute_url(), form_data(client, cycle, rows=rows, **changes))


def mistakes(response):
    """What is wrong, by row as drawn and field."""
    formset = response.context["formset"]
    return {
        (number, field): list(messages)
        for number, form in enumerate(formset)
        for field, messages in form.errors.items()
    }


@pytest.fixture
def cycle():
    return cycle_with_stages("One", "Two", "Three")


# Saving


def test_save_changes_every_field(manager, cycle):
    activity = ActivityFactory()

    response = save(
        manager,
        cycle,
        **{
            "1-position": "25",
            "1-description": "  Second   stage ",
            "1-completed_percent": "33.33",
            "1-chance_percent": "66.6",
            "1-close_in": " cm + 10d ",
            "1-requires_quote": "on",
            "1-allows_skip": "on",
            "1-activity": str(activity.pk),
            "1-is_active": None,
        },
    )

    assert (response.status_code, response.headers["Location"]) == (302, cycle.get_absolute_url())
    stage = cycle.stages.get(position=25)
    assert (stage.description, stage.completed_percent, stage.chance_percent, stage.close_in) == (
        "Second stage",
        Decimal("33.33"),
        Decimal("66.6"),
        "CM+10D",
    )
    assert (stage.requires_quote, stage.allows_skip, stage.activity, stage.is_active) == (
        True,
        True,
        activity,
        False,
    )
    assert order(cycle) == [(10, "One"), (25, "Second stage"), (30, "Three")]


def test_save_says_so(manager, cycle):
    response = manager.post(cycle.get_absolute_url(), form_data(manager, cycle), follow=True)

    assert [str(message) for message in response.context["messages"]] == ["Saved the stages."]


def test_save_logs_what_was_done(manager, cycle):
    save(
        manager,
        cycle,
        rows=1,
        **{
            "0-description": "First",
            "2-DELETE": "on",
            "3-description": "New",
            "3-completed_percent": "1",
            "3-chance_percent": "1",
        },
    )

    entry = LogEntry.objects.get()
    assert (entry.user.name, entry.object_id) == ("Marie Maes", str(cycle.pk))
    assert entry.get_change_message() == (
        "Deleted stage “Three”. Changed description for stage “First”. Added stage “New”."
    )


def test_save_without_a_change_logs_nothing(manager, cycle):
    save(manager, cycle)

    assert not LogEntry.objects.exists()


def test_add_several_rows_at_once(manager, cycle):
    new = {"completed_percent": "80", "chance_percent": "75"}
    rows = {f"{row}-{name}": value for row in (3, 4) for name, value in new.items()}

    save(
        manager,
        cycle,
        rows=3,
        **rows,
        **{"3-description": "Five", "3-position": "50", "4-description": "Fifteen", "4-position": "15"},
    )

    assert order(cycle) == [(10, "One"), (15, "Fifteen"), (20, "Two"), (30, "Three"), (50, "Five")]
    assert all(stage.is_active for stage in cycle.stages.all())


@pytest.mark.parametrize(
    ("positions", "expected"), [((10, 20, 30), [40, 50]), ((1, 2, 5), [6, 7]), ((), [1, 2])]
)
def test_new_stages_without_a_position_come_last(manager, positions, expected):
    cycle = SalesCycleFactory()
    for position in positions:
        SalesCycleStageFactory(cycle=cycle, position=position, description="Old")
    first = len(positions)
    rows = 0 if not positions else 2  # an empty table offers blank rows itself
    new = {
        f"{row}-{name}": value
        for row in (first, first + 1)
        for name, value in {
            "description": f"New {row}",
            "completed_percent": "1",
            "chance_percent": "1",
        }.items()
    }

    response = save(manager, cycle, rows=rows, **new)

    assert response.status_code == 302
    assert order(cycle)[first:] == [
        (expected[0], f"New {first}"),
        (expected[1], f"New {first + 1}"),
    ]


def test_blank_rows_are_left_out(manager, cycle):
    assert save(manager, cycle, rows=3).status_code == 302
    assert len(order(cycle)) == 3


def test_delete_rows_and_take_over_their_positions(manager, cycle):
    save(manager, cycle, **{"0-DELETE": "on", "2-position": "10"})

    assert order(cycle) == [(10, "Three"), (20, "Two")]


def test_delete_a_row_whatever_is_wrong_in_it(manager, cycle):
    response = save(manager, cycle, **{"0-DELETE": "on", "0-description": "", "0-chance_percent": "x"})

    assert response.status_code == 302
    assert order(cycle) == [(20, "Two"), (30, "Three")]


def test_retire_a_stage_in_use(manager):
    cycle = cycle_with_stages("One", "Two")
    OpportunityFactory(cycle=cycle, started=True)

    assert save(manager, cycle, **{"0-is_active": None}).status_code == 302
    assert not cycle.stages.get(position=10).is_active


# Order


def test_swap_two_positions(manager, cycle):
    save(manager, cycle, **{"0-position": "30", "2-position": "10"})

    assert order(cycle) == [(10, "Three"), (20, "Two"), (30, "One")]


def test_rotate_positions_and_fill_a_gap(manager, cycle):
    save(
        manager,
        cycle,
        rows=1,
        **{
            "0-position": "20",
            "1-position": "30",
            "2-position": "7",
            "3-position": "10",
            "3-description": "New",
            "3-completed_percent": "1",
            "3-chance_percent": "1",
        },
    )

    assert order(cycle) == [(7, "Three"), (10, "New"), (20, "One"), (30, "Two")]


def test_gaps_stay_as_typed(manager, cycle):
    save(manager, cycle, **{"0-position": "3", "1-position": "700", "2-position": "9999"})

    assert order(cycle) == [(3, "One"), (700, "Two"), (9_999, "Three")]


def test_reordering_leaves_opportunities_where_they_are(manager, cycle):
    opportunity = OpportunityFactory(cycle=cycle, started=True)

    save(manager, cycle, **{"0-position": "99"})

    opportunity.refresh_from_db()
    assert str(opportunity.stage) == "One"
    assert order(cycle) == [(20, "Two"), (30, "Three"), (99, "One")]


class TestAnyOrder(TestCase):
    """Whatever permutation or spread of positions is typed, the table ends exactly so."""

    @given(positions=st.lists(st.integers(1, 9_999), min_size=5, max_size=5, unique=True))
    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    def test_positions_end_as_typed(self, positions):
        client = Client()
        client.force_login(user_with_role(Role.SALES_MANAGER))
        cycle = cycle_with_stages(*"ABCDE")
        typed = {f"{row}-position": str(position) for row, position in enumerate(positions)}

        response = save(client, cycle, **typed)

        assert response.status_code == 302
        assert order(cycle) == sorted(zip(positions, "ABCDE", strict=True))


# What is refused


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"1-position": "10"}, (1, "position"), "Position 10 is taken by “Typed”. Give each stage its own."),
        ({"1-position": "0"}, (0, "position"), "Positions begin at 1."),
        ({"1-position": "-5"}, (2, "position"), "Positions begin at 1."),
        ({"1-position": ""}, (2, "position"), "Type a position, a whole number from 1."),
        ({"1-position": "1.5"}, (2, "position"), "A position is a whole number."),
        ({"1-position": "9" * 30}, (2, "position"), "Ensure this value is less than or equal to 9999."),
        ({"1-description": "  "}, (1, "description"), "A stage needs a description."),
        ({"1-description": "x" * 101}, (1, "description"), "Ensure this value has at most 100 characters"),
        ({"1-description": "a\x00b"}, (1, "description"), "Null characters are not allowed."),
        ({"1-completed_percent": "101"}, (1, "completed_percent"), "A percentage lies between 0 and 100."),
        ({"1-completed_percent": "-0.01"}, (1, "completed_percent"), "A percentage lies between 0 and 100."),
        ({"1-completed_percent": ""}, (1, "completed_percent"), "Type a percentage from 0 to 100."),
        ({"1-chance_percent": "half"}, (1, "chance_percent"), "Type a percentage from 0 to 100."),
        ({"1-chance_percent": "NaN"}, (1, "chance_percent"), "Type a percentage from 0 to 100."),
        ({"1-chance_percent": "33.333"}, (1, "chance_percent"), "no more than 2 decimal places"),
        (
            {"1-close_in": "1W+X"},
            (1, "close_in"),
            "“1W+X” is not a date formula: it goes wrong at position 4. Write for example 2D, 1W, 1M, 1W-2D",
        ),
        ({"1-activity": "4711"}, (1, "activity"), "Select a valid choice."),
        ({"1-activity": "9" * 40}, (1, "activity"), "Select a valid choice."),
    ],
)
def test_save_refuses_what_is_wrong_and_keeps_what_was_typed(manager, cycle, change, field, message):
    before = list(cycle.stages.values_list())

    response = save(manager, cycle, **{"0-description": "Typed"}, **change)

    assert response.status_code == 422
    [(where, [text])] = mistakes(response).items()
    assert where == field
    assert message in text
    assert list(cycle.stages.values_list()) == before
    content = response.content.decode()
    assert 'value="Typed"' in content
    [(name, typed)] = change.items()
    formset = response.context["formset"]
    row, _dash, column = name.partition("-")
    assert formset.forms[int(row)][column].value() == typed
    assert f'href="#id_stages-{row}-{column}"' in content


def test_save_refuses_a_new_row_without_a_description(manager, cycle):
    response = save(manager, cycle, rows=1, **{"3-chance_percent": "50"})

    assert mistakes(response) == {
        (3, "description"): ["A stage needs a description."],
        (3, "completed_percent"): ["Type a percentage from 0 to 100."],
    }


def test_mistakes_are_drawn_in_the_order_that_was_typed(manager, cycle):
    response = save(manager, cycle, **{"0-position": "99", "1-chance_percent": "x"})

    assert [form.row_name() for form in response.context["formset"]] == ["Two", "Three", "One"]
    assert "Row 1" in response.content.decode()


@pytest.mark.parametrize("make", [OpportunityFactory, lost_opportunity])
def test_delete_a_stage_in_use_is_refused_in_words(manager, cycle, make):
    make(cycle=cycle, **({"started": True} if make is OpportunityFactory else {}))
    entries = 1 if make is OpportunityFactory else 2

    response = save(manager, cycle, **{"0-DELETE": "on", "1-description": "Typed"})

    assert response.status_code == 422
    [(where, [text])] = mistakes(response).items()
    assert where == (0, "DELETE")
    assert text.startswith("“One” cannot be deleted: ")
    assert ("1 opportunity entry" if entries == 1 else "2 opportunity entries") in text
    assert text.endswith("name it. Take “In use” away instead; then nothing new enters it.")
    assert order(cycle) == [(10, "One"), (20, "Two"), (30, "Three")]
    assert "cannot be deleted" in response.content.decode()
    assert b"Not saved yet." in response.content


def test_a_stage_that_somebody_begins_to_use_at_the_last_moment_is_refused(manager, cycle, monkeypatch):
    """Nobody uses it when we ask; somebody starts an opportunity; only the database refuses to delete it."""
    honest = views._change_stages

    def meet_somebody(request, pk):
        try:
            return honest(request, pk)
        except IntegrityError:
            OpportunityFactory(cycle=cycle, started=True)
            raise

    def meet_the_database(**stages):
        raise IntegrityError("FOREIGN KEY constraint failed")

    monkeypatch.setattr(views, "_change_stages", meet_somebody)
    monkeypatch.setattr(views.operations, "write_stages", meet_the_database)

    response = save(manager, cycle, **{"0-DELETE": "on"})

    assert response.status_code == 422
    assert mistakes(response)[0, "DELETE"][0].startswith("“One” cannot be deleted: ")
    assert order(cycle)[0] == (10, "One")


def test_save_refuses_a_row_of_another_cycle(manager, cycle):
    other = cycle_with_stages("Other").stages.get()

    response = save(manager, cycle, **{"0-id": str(other.pk)})

    assert response.status_code == 422
    assert "not of this cycle" in response.content.decode()
    other.refresh_from_db()
    assert other.description == "Other"


def test_save_refuses_one_stage_in_two_rows(manager, cycle):
    first = cycle.stages.get(position=10)

    response = save(manager, cycle, **{"1-id": str(first.pk)})

    assert response.status_code == 422
    assert order(cycle) == [(10, "One"), (20, "Two"), (30, "Three")]


def test_save_a_part_of_the_table_leaves_the_rest(manager, cycle):
    data = form_data(manager, cycle, **{"0-description": "Uno"})
    data["stages-TOTAL_FORMS"] = "1"

    manager.post(cycle.get_absolute_url(), data)

    assert order(cycle) == [(10, "Uno"), (20, "Two"), (30, "Three")]


def test_save_a_part_of_the_table_minds_the_rest(manager, cycle):
    data = form_data(manager, cycle, **{"0-position": "20"})
    data["stages-TOTAL_FORMS"] = "1"

    response = manager.post(cycle.get_absolute_url(), data)

    assert mistakes(response) == {
        (0, "position"): ["Position 20 is taken by “Two”. Give each stage its own."]
    }


@pytest.mark.parametrize("total", ["81", "9999", "x", "", "-1", "99999999999999999999"])
def test_save_a_table_of_an_impossible_size(manager, cycle, total):
    response = save(manager, cycle, TOTAL="x", **{"stages-TOTAL_FORMS": total})

    assert response.status_code in (302, 422)
    assert order(cycle) == [(10, "One"), (20, "Two"), (30, "Three")]


def test_last_position_leaves_no_room_for_more(manager):
    cycle = SalesCycleFactory()
    SalesCycleStageFactory(cycle=cycle, position=9_999)
    new = {"1-description": "New", "1-completed_percent": "1", "1-chance_percent": "1"}

    response = save(manager, cycle, rows=1, **new)

    assert mistakes(response) == {
        (1, "position"): ["There is no position left after the last one. Type one."]
    }


# One more row, without a script


def test_add_a_row_keeps_what_was_typed_and_saves_nothing(manager, cycle):
    response = save(manager, cycle, add="1", **{"0-description": "Typed", "1-is_active": None})

    assert response.status_code == 200
    formset = response.context["formset"]
    assert [form["description"].value() for form in formset] == ["Typed", "Two", "Three", None]
    assert [form["is_active"].value() for form in formset] == [True, False, True, True]
    assert b"Not saved yet." not in response.content
    assert order(cycle)[0] == (10, "One")

    again = manager.post(cycle.get_absolute_url(), filled_in(response, add="1"))
    assert len(again.context["formset"].forms) == 5
    last = filled_in(again, **{"3-description": "New", "3-completed_percent": "1", "3-chance_percent": "2"})
    assert manager.post(cycle.get_absolute_url(), last).status_code == 302
    assert order(cycle) == [(10, "Typed"), (20, "Two"), (30, "Three"), (40, "New")]


def test_a_cycle_without_stages_offers_blank_rows_and_teaches(manager):
    cycle = SalesCycleFactory()

    response = manager.get(cycle.get_absolute_url())

    assert len(response.context["formset"].forms) == 3
    assert b"The stages are the steps from first contact to won or lost." in response.content


def test_retired_activity_is_offered_only_where_it_is_chosen(manager, cycle):
    retired = ActivityFactory(is_active=False, description="Fax")
    other = cycle_with_stages("Other")
    other.stages.update(activity=retired)

    assert b"Fax" not in manager.get(cycle.get_absolute_url()).content
    assert b"Fax" in manager.get(other.get_absolute_url()).content
    assert save(manager, other).status_code == 302


# Two managers at once


def test_second_save_is_told_what_the_first_one_changed(manager, cycle):
    mine = form_data(
        manager, cycle, **{"0-description": "My one", "1-chance_percent": "55", "2-close_in": "1Y"}
    )
    theirs = {"0-description": "Their one", "1-completed_percent": "45", "2-requires_quote": "on"}
    save(manager, cycle, **theirs)

    response = manager.post(cycle.get_absolute_url(), mine)

    assert response.status_code == 409
    change = response.context["change"]
    assert (change.who, change.what) == (
        "Marie Maes",
        [
            "“One”: description: One is now Their one, and you typed My one.",
            "“Two”: completed %: 40 is now 45.",
            "“Three”: quote required: no is now yes.",
        ],
    )
    content = response.content.decode()
    assert "Somebody changed this first." in content
    assert "Marie Maes saved it while you had it open" in content
    assert [stage.chance_percent for stage in cycle.stages.all()] == [50, 50, 50]
    assert order(cycle)[0] == (10, "Their one")

    again = manager.post(cycle.get_absolute_url(), filled_in(response))

    assert again.status_code == 302
    one, two, three = cycle.stages.all()
    assert one.description == "My one"
    assert (two.completed_percent, two.chance_percent) == (45, 55)
    assert (three.close_in, three.requires_quote) == ("1Y", True)


def test_second_save_meets_added_and_deleted_stages(manager, cycle):
    mine = form_data(
        manager,
        cycle,
        rows=1,
        **{
            "0-description": "My one",
            "3-description": "Mine",
            "3-position": "35",
            "3-completed_percent": "1",
            "3-chance_percent": "1",
        },
    )
    theirs = {"0-DELETE": "on", "1-DELETE": "on"}
    save(
        manager,
        cycle,
        rows=1,
        **theirs,
        **{"3-description": "Theirs", "3-completed_percent": "1", "3-chance_percent": "1"},
    )

    response = manager.post(cycle.get_absolute_url(), mine)

    assert response.status_code == 409
    assert sorted(response.context["change"].what) == [
        "“One” was deleted. What you typed for it is kept as a new stage.",
        "“Theirs” was added.",
        "“Two” was deleted.",
    ]
    manager.post(cycle.get_absolute_url(), filled_in(response))
    assert order(cycle) == [(10, "My one"), (30, "Three"), (35, "Mine"), (40, "Theirs")]


def test_second_save_keeps_a_mistake_and_a_mark_to_delete(manager, cycle):
    mine = form_data(manager, cycle, **{"0-chance_percent": "x", "1-DELETE": "on"})
    save(manager, cycle, **{"1-description": "Their two"})

    response = manager.post(cycle.get_absolute_url(), mine)

    assert response.status_code == 409
    assert response.context["formset"].forms[0]["chance_percent"].value() == "x"
    again = manager.post(
        cycle.get_absolute_url(), filled_in(response, **{"0-chance_percent": "60", "1-DELETE": "on"})
    )
    assert again.status_code == 302
    assert order(cycle) == [(10, "One"), (30, "Three")]


def test_second_save_reads_activities_by_name(manager, cycle):
    activity = ActivityFactory(description="Call")
    mine = form_data(manager, cycle)
    save(manager, cycle, **{"0-activity": str(activity.pk)})

    response = manager.post(cycle.get_absolute_url(), mine)

    assert response.context["change"].what == ["“One”: activity: – is now Call."]
    assert response.context["formset"].forms[0]["activity"].value() == str(activity.pk)


def test_second_save_after_a_reordering_follows_it(manager, cycle):
    mine = form_data(manager, cycle, **{"0-chance_percent": "99"})
    save(manager, cycle, **{"0-position": "30", "2-position": "10"})

    response = manager.post(cycle.get_absolute_url(), mine)
    manager.post(cycle.get_absolute_url(), filled_in(response))

    assert order(cycle) == [(10, "Three"), (20, "Two"), (30, "One")]
    assert cycle.stages.get(position=30).chance_percent == 99


def test_change_from_elsewhere_is_told_without_a_name(manager, cycle):
    mine = form_data(manager, cycle)
    SalesCycleStage.objects.filter(cycle=cycle, position=10).update(description="Elsewhere")

    response = manager.post(cycle.get_absolute_url(), mine)

    assert response.status_code == 409
    assert response.context["change"].who == ""
    assert "It was saved while you had it open." in response.content.decode()


@pytest.mark.parametrize("seen", [None, "", "nonsense", "\x00"])
def test_form_that_does_not_say_what_it_saw_overwrites_nothing(manager, cycle, seen):
    response = save(manager, cycle, seen=seen, **{"0-description": "Mine"})

    assert response.status_code == 409
    assert order(cycle)[0] == (10, "One")
    assert response.context["formset"].forms[0]["description"].value() == "Mine"
    assert manager.post(cycle.get_absolute_url(), filled_in(response)).status_code == 302
    assert order(cycle)[0] == (10, "Mine")


def test_what_one_cycle_showed_does_not_open_another(manager, cycle):
    other = cycle_with_stages("One", "Two", "Three")
    seen = form_data(manager, other)["seen"]

    assert save(manager, cycle, seen=seen, **{"0-description": "Mine"}).status_code == 409
    assert order(cycle)[0] == (10, "One")


@pytest.mark.django_db(transaction=True)
def test_of_two_saves_at_the_very_same_time_one_is_told():
    cycle = cycle_with_stages("One", "Two", "Three")
    clients, forms, answers = [], [], []
    for name in ("Ann", "Bob"):
        client = Client()
        client.force_login(user_with_role(Role.SALES_MANAGER, name=name))
        clients.append(client)
        forms.append(
            form_data(client, cycle, **{"0-description": name, "0-position": "30", "2-position": "10"})
        )
    barrier = threading.Barrier(2)

    def post(client, data):
        barrier.wait()
        answers.append(client.post(cycle.get_absolute_url(), data).status_code)
        connection.close()

    threads = [
        threading.Thread(target=post, args=arguments) for arguments in zip(clients, forms, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [302, 409]
    assert [position for position, _name in order(cycle)] == [10, 20, 30]


# Who may


@pytest.mark.parametrize("role", [Role.SALESPERSON, Role.VIEWER])
def test_only_managers_save_stages(client, cycle, role):
    client.force_login(user_with_role(role))

    before = order(cycle)
    response = client.post(
        cycle.get_absolute_url(), {"stages-TOTAL_FORMS": "1", "stages-0-description": "Mine"}
    )

    assert response.status_code == 403
    assert order(cycle) == before


def test_save_in_an_unknown_cycle(manager):
    assert manager.post(reverse("salescycles:detail", args=[4_711]), {}).status_code == 404


def test_save_asks_the_same_questions_for_one_stage_and_for_many(manager, django_assert_num_queries):
    """Nothing is asked per row; only what changed is written."""
    for names in (["One"], ["One", "Two", "Three", "Four"]):
        cycle = cycle_with_stages(*names)
        data = form_data(manager, cycle, **{"0-description": "Uno"})
        with django_assert_num_queries(12):
            assert manager.post(cycle.get_absolute_url(), data).status_code == 302
