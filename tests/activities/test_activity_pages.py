"""The set-up of activities: read by all, changed by managers as a whole, retired instead of deleted when in use."""

from datetime import date

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from activities.forms.templates import ActivityForm
from activities.models import Activity
from activities.models.templates import MOST_STEPS
from salespeople.models import Role
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    TaskFactory,
    cycle_with_stages,
    user_with_role,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    """A browser in which a sales manager is signed in."""
    client.force_login(user_with_role(Role.SALES_MANAGER, name="Marie Maes"))
    return client


@pytest.fixture
def viewer(client):
    """A browser in which somebody is signed in who may only read."""
    client.force_login(user_with_role(Role.VIEWER))
    return client


@pytest.fixture
def activity():
    activity = ActivityFactory(code="DEMO", description="Demo")
    ActivityStepFactory(activity=activity, position=10, kind="CALL", description="Call", due_in="2D")
    ActivityStepFactory(activity=activity, position=20, kind="MEETING", description="Meet", due_in="1W")
    return activity


def typed(response, *, rows=0, **changes):
    """What the page of an activity would send, with ``rows`` blank rows more and some fields typed over."""
    form, formset = response.context["form"], response.context["formset"]
    data = {"seen": response.context["seen"]}
    for field in form:
        data |= as_sent(field.name, field.value())
    forms = [*formset.forms, *[formset.empty_form] * rows]
    for index, row in enumerate(forms):
        for field in row:
            data |= as_sent(f"steps-{index}-{field.name}", field.value())
    data["steps-TOTAL_FORMS"] = str(len(forms))
    data["steps-INITIAL_FORMS"] = "0"
    for name, value in changes.items():
        key = f"steps-{name}" if name[0].isdecimal() else name
        data[key] = value
        if value is None:
            del data[key]
    return data


def as_sent(name, value):
    if value in (None, "", False):
        return {}
    return {name: "on" if value is True else str(value)}


def save(client, activity, *, rows=0, **changes):
    url = activity.get_absolute_url()
    return client.post(url, typed(client.get(url), rows=rows, **changes))


def steps_of(activity):
    return list(activity.steps.values_list("position", "kind", "description", "priority", "due_in"))


# Reading


def test_everybody_with_a_role_reads_the_list_and_the_steps(viewer, activity):
    cycle_with_stages("Qualify", "Present").stages.update(activity=activity)
    ActivityFactory(code="OLD", is_active=False)

    page = viewer.get(reverse("activities:list"))
    steps = viewer.get(activity.get_absolute_url())

    assert [(item.code, item.step_count, item.stage_count) for item in page.context["items"]] == [
        ("DEMO", 2, 2),
        ("OLD", 0, 0),
    ]
    assert "Retired" in page.text
    assert "New activity" not in page.text
    assert "Meet" in steps.text
    assert "<form method" not in steps.text.split('id="main"')[1]


def test_list_is_in_the_sidebar(viewer):
    page = viewer.get(reverse("opportunities:list"))

    assert f'href="{reverse("activities:list")}"' in page.text


def test_somebody_without_a_role_reads_nothing(client, activity):
    client.force_login(user_with_role(None))

    assert client.get(reverse("activities:list")).status_code == 403
    assert client.get(activity.get_absolute_url()).status_code == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALESPERSON])
def test_only_managers_change(client, activity, role):
    client.force_login(user_with_role(role))
    before = steps_of(activity)

    answers = [
        client.get(reverse("activities:new")),
        client.post(reverse("activities:new"), {"code": "X", "description": "X"}),
        client.post(activity.get_absolute_url(), {"code": "X", "description": "X"}),
        client.post(reverse("activities:preview"), {}),
        client.get(reverse("activities:delete", args=[activity.pk])),
        client.post(reverse("activities:delete", args=[activity.pk])),
    ]

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert steps_of(Activity.objects.get(code="DEMO")) == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALES_MANAGER])
@pytest.mark.parametrize("name", ["list", "edit"])
def test_as_many_questions_for_one_as_for_thirty(client, role, name):
    client.force_login(user_with_role(role))
    activity = ActivityFactory()
    ActivityStepFactory(activity=activity, position=1)
    url = reverse("activities:list") if name == "list" else activity.get_absolute_url()
    client.get(url)

    with CaptureQueriesContext(connection) as one:
        client.get(url)
    for position in range(2, 31):
        ActivityStepFactory(activity=activity, position=position)
        ActivityFactory(description=f"Number {position}")
    with CaptureQueriesContext(connection) as thirty:
        page = client.get(url)

    assert len(one) == len(thirty) <= 12
    assert page.text.count("Number " if name == "list" else "Step ") >= 29


def test_an_activity_that_is_not_there(manager):
    assert manager.get(reverse("activities:edit", args=[2**63 - 1])).status_code == 404
    assert manager.post(reverse("activities:edit", args=[2**63 - 1])).status_code == 404


# Saving


def test_new_activity_with_steps(manager):
    page = manager.get(reverse("activities:new"))
    assert '<a class="btn btn-quiet" href="/activities/">Cancel</a>' in page.text
    assert '<p class="muted">Type a step above to see when it is due.</p>' in page.text
    data = typed(
        page,
        code=" demo ",
        description="  Product   demo ",
        **{"0-description": "Call", "0-kind": "CALL", "0-priority": "HIGH", "0-due_in": " 2d "},
        **{"1-description": "Meet", "1-kind": "MEETING", "1-due_in": "cm + 10d"},
    )

    answer = manager.post(reverse("activities:new"), data, follow=True)

    activity = Activity.objects.get()
    assert [str(message) for message in answer.context["messages"]] == ["Saved “Product demo”."]
    assert (activity.code, activity.description, activity.is_active) == ("DEMO", "Product demo", True)
    assert steps_of(activity) == [
        (1, "CALL", "Call", "HIGH", "2D"),
        (2, "MEETING", "Meet", "NORMAL", "CM+10D"),
    ]


def test_steps_swap_go_and_come_in_one_save(manager, activity):
    ActivityStepFactory(activity=activity, position=30, description="Write")

    answer = save(
        manager,
        activity,
        rows=1,
        **{"0-position": "30", "1-DELETE": "on", "2-position": "10"},
        **{"3-description": "Thank", "3-kind": "EMAIL", "3-priority": "NORMAL"},
    )

    assert answer.status_code == 302
    assert [(step[0], step[2]) for step in steps_of(activity)] == [(10, "Write"), (30, "Call"), (40, "Thank")]


def test_save_leaves_a_line_in_the_change_log(manager, activity):
    save(manager, activity, description="Show it", **{"0-due_in": "3D", "1-DELETE": "on"})

    entry = LogEntry.objects.get()
    assert (entry.user.name, entry.object_id) == ("Marie Maes", str(activity.pk))
    assert entry.get_change_message() == (
        "Changed description. Deleted step “Meet”. Changed due_in for step “Call”."
    )


def test_save_without_a_change_logs_nothing(manager, activity):
    assert save(manager, activity).status_code == 302
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0-due_in": "2X"}, "it goes wrong at position 2"),
        ({"0-position": "20"}, "Position 20 is taken by “Call”. Give each step its own."),
        ({"0-description": ""}, "A step needs a description."),
        ({"0-kind": "PARTY"}, "Choose a call, a meeting, an e-mail or a to-do."),
        ({"0-id": "999999"}, "A row of the table is not of this activity."),
        ({"0-description": "a\x00b"}, "Null characters are not allowed."),
        ({"description": ""}, "Say what the activity is called."),
        ({"code": "TAKEN"}, "Another activity has this code."),
    ],
)
def test_a_mistake_is_said_and_nothing_is_saved(manager, activity, changes, message):
    ActivityFactory(code="TAKEN")
    before = steps_of(activity)

    answer = save(manager, activity, **{"1-description": "Typed over", **changes})

    assert answer.status_code == 422
    assert message in answer.text
    assert "Typed over" in answer.text
    assert steps_of(activity) == before


def test_at_most_thirty_steps(manager, activity):
    page = manager.get(activity.get_absolute_url())
    data = typed(page, rows=MOST_STEPS - 1)
    data |= {f"steps-{row}-description": "One more" for row in range(2, MOST_STEPS + 1)}

    answer = manager.post(activity.get_absolute_url(), data)

    assert answer.status_code == 422
    assert "Please submit at most 30 forms." in answer.text
    assert activity.steps.count() == 2


def test_add_a_row_without_a_script_keeps_what_was_typed(manager, activity):
    answer = save(manager, activity, add="1", **{"0-description": "Ring"})

    rows = [row["description"].value() for row in answer.context["formset"]]
    assert (answer.status_code, rows) == (200, ["Ring", "Meet", None])
    assert answer.context["formset"].forms[-1]["priority"].value() == "NORMAL"
    assert activity.steps.get(position=10).description == "Call"


@time_machine.travel("2028-02-28", tick=False)
def test_preview_says_when_each_step_would_be_due(client, activity):
    client.force_login(user_with_role(Role.SALES_MANAGER))
    page = client.get(activity.get_absolute_url())
    data = typed(page, **{"0-due_in": "1m", "1-due_in": "soon"})

    answer = client.post(reverse("activities:preview"), data, headers={"HX-Request": "true"})

    assert [(step.description, step.due_on) for step in page.context["preview"]] == [
        ("Call", date(2028, 3, 1)),
        ("Meet", date(2028, 3, 6)),
    ]
    assert "28 Mar 2028" in answer.text
    assert "No date: see its row" in answer.text
    assert answer.text.lstrip().startswith('<div id="preview"')
    for headers in ({}, {"HX-Request": "true", "HX-Target": "main"}):
        again = client.post(reverse("activities:preview"), data, headers=headers)
        assert (again.status_code, again.text) == (200, answer.text)


# Somebody was first


def test_somebody_was_first_and_nothing_of_either_is_lost(manager, activity):
    page = manager.get(activity.get_absolute_url())
    save(manager, activity, description="Theirs", **{"0-due_in": "5D", "1-description": "Theirs too"})

    mine = typed(page, rows=1, **{"0-description": "Mine", "1-description": "Mine too"})
    mine |= {"steps-2-description": "My new step"}
    answer = manager.post(activity.get_absolute_url(), mine)

    assert answer.status_code == 409
    for text in (
        "Somebody changed this first.",
        "description: Demo is now Theirs",
        "“Call”: due in: 2D is now 5D.",
        "“Meet”: description: Meet is now Theirs too, and you typed Mine too.",
        "My new step",
    ):
        assert text in answer.text
    rows = [(row["description"].value(), row["due_in"].value()) for row in answer.context["formset"]]
    assert rows[:2] == [("Mine", "5D"), ("Mine too", "1W")]
    assert activity.steps.get(position=10).description == "Call"

    again = manager.post(activity.get_absolute_url(), typed(answer))
    activity.refresh_from_db()
    assert (again.status_code, activity.description) == (302, "Theirs")
    assert [step[2] for step in steps_of(activity)] == ["Mine", "Mine too", "My new step"]


def test_what_somebody_else_added_and_deleted_is_said(manager, activity):
    page = manager.get(activity.get_absolute_url())
    save(manager, activity, rows=1, **{"1-DELETE": "on", "2-description": "Thank", "0-kind": "EMAIL"})

    answer = manager.post(activity.get_absolute_url(), typed(page, **{"1-description": "Meet Ann"}))

    assert answer.status_code == 409
    for text in (
        "“Thank” was added.",
        "“Meet” was deleted. What you typed for it is kept as a new step.",
        "“Call”: kind: Call is now E-mail.",
    ):
        assert text in answer.text
    manager.post(activity.get_absolute_url(), typed(answer))
    assert [step[2] for step in steps_of(activity)] == ["Call", "Thank", "Meet Ann"]


def test_who_retired_it_first_is_said(manager, activity):
    page = manager.get(activity.get_absolute_url())
    save(manager, activity, is_active=None)

    answer = manager.post(activity.get_absolute_url(), typed(page, description="Mine"))

    assert answer.status_code == 409
    assert "in use: yes is now no." in answer.text
    assert not answer.context["form"]["is_active"].value()
    assert answer.context["form"]["description"].value() == "Mine"


def test_a_code_taken_at_the_same_moment_is_said(manager, activity, monkeypatch):
    ActivityFactory(code="TAKEN")
    monkeypatch.setattr(ActivityForm, "validate_unique", lambda form: None)

    answer = save(manager, activity, code="TAKEN")

    assert answer.status_code == 422
    assert "Somebody else saved an activity at this very moment." in answer.text
    assert Activity.objects.filter(code="DEMO").exists()


def test_a_form_that_does_not_say_what_it_was_drawn_from_saves_nothing(manager, activity):
    answer = save(manager, activity, seen="made up", **{"0-description": "Mine"})

    assert answer.status_code == 409
    assert activity.steps.get(position=10).description == "Call"


# Deleting and retiring


def test_delete_what_nobody_uses(manager, activity):
    answer = manager.post(reverse("activities:delete", args=[activity.pk]))

    assert answer.status_code == 302
    assert not Activity.objects.exists()


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda activity: cycle_with_stages("One").stages.update(activity=activity), "1 stage"),
        (lambda activity: TaskFactory(activity=activity), "1 task"),
    ],
)
def test_what_is_used_is_retired_instead(manager, activity, use, words):
    use(activity)

    page = manager.get(reverse("activities:delete", args=[activity.pk]))
    answer = manager.post(reverse("activities:delete", args=[activity.pk]))
    save(manager, activity, is_active=None)

    assert words in page.text
    assert "Retire it instead" in page.text
    assert answer.status_code == 422
    activity.refresh_from_db()
    assert not activity.is_active


def test_a_retired_activity_stays_where_it_is_and_is_offered_no_more(manager, activity):
    one, _two = cycle_with_stages("One", "Two").stages.order_by("position")
    one.activity = activity
    one.save()
    save(manager, activity, is_active=None)

    new = manager.get(cycle_with_stages("Other").get_absolute_url())
    same = manager.get(one.cycle.get_absolute_url())

    assert "Demo</option>" not in new.text
    assert "Demo</option>" in same.text
    one.refresh_from_db()
    assert one.activity == activity


def test_admin_takes_no_more_steps_than_the_page(manager, activity):
    data = {"code": "DEMO", "description": "Demo", "steps-TOTAL_FORMS": "31", "steps-INITIAL_FORMS": "0"}
    for row in range(31):
        facts = {"position": row + 1, "kind": "CALL", "priority": "LOW", "description": "x"}
        data |= {f"steps-{row}-{name}": str(value) for name, value in facts.items()}

    answer = manager.post(reverse("admin:activities_activity_add"), data)

    assert answer.status_code == 200
    assert "at most 30" in answer.text
    assert Activity.objects.count() == 1
