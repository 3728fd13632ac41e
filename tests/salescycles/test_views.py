"""The pages of sales cycles: the list, a cycle's own facts, the default, and deleting."""

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse

from salescycles.forms import SalesCycleForm
from salescycles.models import ProbabilityMethod, SalesCycle
from salespeople.models import Role
from tests.factories import (
    OpportunityFactory,
    SalesCycleFactory,
    SalesCycleStageFactory,
    UserFactory,
    cycle_with_stages,
    lost_opportunity,
    user_with_role,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "dialog"}
UNKNOWN = [4_711, 99_999_999_999_999_999_999]


def edit_url(cycle):
    return reverse("salescycles:edit", args=[cycle.pk])


def delete_url(cycle):
    return reverse("salescycles:delete", args=[cycle.pk])


def cycle_data(client, cycle, **changes):
    """What the edit form of a cycle would send, some fields typed over (None clears a box)."""
    response = client.get(edit_url(cycle))
    form = response.context["form"]
    data = {field.name: field.value() for field in form} | {"seen": response.context["seen"]} | changes
    return {
        name: "on" if value is True else value for name, value in data.items() if value not in (None, False)
    }


def errors(response):
    return response.context["form"].errors


# The list


def test_list_shows_cycles_by_code_with_their_marks(viewer):
    SalesCycleFactory(code="B", description="Bids", is_blocked=True)
    default = cycle_with_stages("One", "Two", "Three", code="A", description="Accounts", is_default=True)
    default.stages.filter(description="Two").update(is_active=False)

    response = viewer.get(reverse("salescycles:list"))

    assert [
        (cycle.code, cycle.stages_in_use, cycle.stages_retired) for cycle in response.context["items"]
    ] == [
        ("A", 2, 1),
        ("B", 0, 0),
    ]
    content = response.content.decode()
    assert content.index("Default") < content.index("Bids") < content.index("Blocked")
    assert reverse("salescycles:new") not in content
    assert edit_url(default) not in content


def test_list_offers_managers_the_buttons(manager):
    cycle = SalesCycleFactory()

    content = manager.get(reverse("salescycles:list")).content.decode()

    for url in (reverse("salescycles:new"), edit_url(cycle), delete_url(cycle)):
        assert url in content


def test_list_teaches_when_it_is_empty(manager):
    content = manager.get(reverse("salescycles:list")).content.decode()

    assert "No sales cycle yet" in content
    assert content.count(reverse("salescycles:new")) == 2


def test_list_asks_the_same_questions_for_one_cycle_and_for_many(viewer, django_assert_num_queries):
    cycle_with_stages("One")
    with django_assert_num_queries(4):
        viewer.get(reverse("salescycles:list"))

    for _ in range(3):
        cycle_with_stages("One", "Two")
    with django_assert_num_queries(4):
        viewer.get(reverse("salescycles:list"))


def test_list_is_paged(viewer):
    for number in range(51):
        SalesCycleFactory(code=f"C{number:02}")

    first = viewer.get(reverse("salescycles:list"))
    second = viewer.get(reverse("salescycles:list") + first.context["page"].next_url)

    assert [cycle.code for cycle in second.context["items"]] == ["C50"]


# A new one


def test_add_a_cycle(manager):
    data = {"code": " bid ", "description": "Bids", "probability_method": "ADD"}

    response = manager.post(reverse("salescycles:new"), data)

    cycle = SalesCycle.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, cycle.get_absolute_url())
    assert (cycle.code, cycle.description, cycle.method) == ("BID", "Bids", ProbabilityMethod.ADD)
    assert not cycle.is_default
    assert LogEntry.objects.get().object_id == str(cycle.pk)


def test_add_a_cycle_in_the_dialog(manager):
    data = {"code": "BID", "description": "Bids", "probability_method": "ADD"}

    response = manager.post(reverse("salescycles:new"), data, headers=HTMX)

    assert response.status_code == 204
    assert SalesCycle.objects.get().get_absolute_url() in response.headers["HX-Location"]


def test_first_cycle_is_offered_as_the_default(manager):
    assert manager.get(reverse("salescycles:new")).context["form"]["is_default"].value() is True

    SalesCycleFactory(is_default=True)

    assert manager.get(reverse("salescycles:new")).context["form"]["is_default"].value() is False


def test_add_a_default_cycle_takes_the_default_over(manager):
    before = SalesCycleFactory(is_default=True)
    data = {"code": "BID", "description": "Bids", "probability_method": "ADD", "is_default": "on"}

    manager.post(reverse("salescycles:new"), data)

    before.refresh_from_db()
    assert not before.is_default
    assert SalesCycle.objects.get(is_default=True).code == "BID"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"code": "ex"}, "code", "Another sales cycle has this code."),
        ({"code": "  "}, "code", "This field is required."),
        ({"code": "A\x00"}, "code", "Null characters are not allowed."),
        ({"description": ""}, "description", "This field is required."),
        ({"probability_method": "MAGIC"}, "probability_method", "Select a valid choice. MAGIC is not one"),
        (
            {"is_default": "on", "is_blocked": "on"},
            "is_blocked",
            "The default sales cycle cannot be blocked. Make another one the default first.",
        ),
    ],
)
def test_add_a_cycle_refuses_what_is_wrong(manager, change, field, message):
    SalesCycleFactory(code="EX", is_default=True)
    data = {"code": "BID", "description": "Bids", "probability_method": "ADD", **change}

    response = manager.post(reverse("salescycles:new"), data)

    assert response.status_code == 422
    assert message in errors(response)[field][0]
    assert SalesCycle.objects.get().is_default


def test_add_a_cycle_whose_code_somebody_takes_at_the_last_moment(manager, monkeypatch):
    data = {"code": "BID", "description": "Bids", "probability_method": "ADD"}
    monkeypatch.setattr(SalesCycleForm, "validate_unique", lambda form: None)  # it was free when we asked
    monkeypatch.setattr(SalesCycleForm, "_get_validation_exclusions", lambda form: {"code", "is_default"})
    SalesCycleFactory(code="BID", description="Theirs")

    response = manager.post(reverse("salescycles:new"), data)

    assert response.status_code == 422
    assert "at this very moment" in errors(response)["__all__"][0]
    assert SalesCycle.objects.get().description == "Theirs"


def test_add_a_cycle_answers_the_dialog_with_its_region(manager):
    response = manager.post(reverse("salescycles:new"), {"code": ""}, headers=HTMX)

    assert response.status_code == 422
    assert response.content.decode().strip().startswith('<div class="sheet">')


# Changing it


def test_change_a_cycle(manager):
    cycle = SalesCycleFactory(code="EX", description="Old")

    response = manager.post(edit_url(cycle), cycle_data(manager, cycle, description="New"), follow=True)

    cycle.refresh_from_db()
    assert response.redirect_chain == [(cycle.get_absolute_url(), 302)]
    assert cycle.description == "New"
    assert [str(message) for message in response.context["messages"]] == ["Saved “New”."]


def test_change_of_the_method_warns_and_leaves_old_entries_alone(manager):
    cycle = cycle_with_stages("Qualify")
    opportunity = OpportunityFactory(cycle=cycle, started=True)

    response = manager.post(
        edit_url(cycle), cycle_data(manager, cycle, probability_method="COMPLETED"), follow=True
    )

    said = [str(message) for message in response.context["messages"]]
    assert "Older entries keep their probability." in said[1]
    opportunity.refresh_from_db()
    assert opportunity.probability_percent == 10
    assert opportunity.probability_method == ProbabilityMethod.MULTIPLY


def test_change_form_warns_of_what_a_new_method_means(manager):
    assert b"older entries keep their probability" in manager.get(edit_url(SalesCycleFactory())).content


def test_make_a_cycle_the_default_moves_it(manager):
    before, after = SalesCycleFactory(is_default=True), SalesCycleFactory()

    response = manager.post(edit_url(after), cycle_data(manager, after, is_default="on"))

    assert response.status_code == 302
    assert list(SalesCycle.objects.filter(is_default=True)) == [after]
    assert before != after


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_a_default_at_the_very_same_time_the_last_one_has_it():
    SalesCycleFactory(is_default=True)
    barrier, answers = threading.Barrier(2), []

    def make_default(client, url, data):
        barrier.wait()
        answers.append(client.post(url, data).status_code)
        connection.close()

    threads = []
    for cycle in SalesCycleFactory.create_batch(2):
        client = Client()
        client.force_login(user_with_role(Role.SALES_MANAGER))
        arguments = (client, edit_url(cycle), cycle_data(client, cycle, is_default="on"))
        threads.append(threading.Thread(target=make_default, args=arguments))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [302, 302]
    assert SalesCycle.objects.filter(is_default=True).count() == 1


def test_block_a_cycle(manager):
    cycle = SalesCycleFactory()

    manager.post(edit_url(cycle), cycle_data(manager, cycle, is_blocked="on"))

    cycle.refresh_from_db()
    assert cycle.is_blocked


def test_block_the_default_is_refused_with_the_way_out(manager):
    cycle = SalesCycleFactory(is_default=True)

    response = manager.post(edit_url(cycle), cycle_data(manager, cycle, is_blocked="on"))

    assert response.status_code == 422
    assert errors(response) == {
        "is_blocked": ["The default sales cycle cannot be blocked. Make another one the default first."]
    }
    cycle.refresh_from_db()
    assert not cycle.is_blocked


def test_hand_the_default_on_and_block_in_one_go(manager):
    cycle = SalesCycleFactory(is_default=True)

    manager.post(edit_url(cycle), cycle_data(manager, cycle, is_default=None, is_blocked="on"))

    cycle.refresh_from_db()
    assert (cycle.is_default, cycle.is_blocked) == (False, True)


def test_change_a_cycle_that_somebody_changed_first(manager):
    cycle = SalesCycleFactory(code="EX", description="Old", probability_method="MULTIPLY")
    mine = cycle_data(manager, cycle, description="Mine", is_blocked="on")
    manager.post(
        edit_url(cycle), cycle_data(manager, cycle, description="Theirs", probability_method="CHANCE")
    )

    response = manager.post(edit_url(cycle), mine)

    assert response.status_code == 409
    change = response.context["change"]
    assert change.who == "Marie Maes"
    assert change.what == [
        "description: Old is now Theirs, and you typed Mine.",
        "probability: Chance × completed is now Chance of success.",
    ]
    cycle.refresh_from_db()
    assert (cycle.description, cycle.probability_method, cycle.is_blocked) == ("Theirs", "CHANCE", False)
    form = response.context["form"]
    assert [form[name].value() for name in ("description", "probability_method", "is_blocked")] == [
        "Mine",
        "CHANCE",
        True,
    ]

    again = {"code": "EX", "description": "Mine", "probability_method": "CHANCE", "is_blocked": "on"}
    response = manager.post(edit_url(cycle), again | {"seen": response.context["seen"]})

    cycle.refresh_from_db()
    assert response.status_code == 302
    assert (cycle.description, cycle.probability_method, cycle.is_blocked) == ("Mine", "CHANCE", True)


@pytest.mark.parametrize("seen", [None, "", "nonsense", "\x00"])
def test_change_a_cycle_with_a_form_that_does_not_say_what_it_saw(manager, seen):
    cycle = SalesCycleFactory(description="Old")

    response = manager.post(edit_url(cycle), cycle_data(manager, cycle, description="New", seen=seen))

    assert response.status_code == 409
    assert response.context["form"]["description"].value() == "New"
    cycle.refresh_from_db()
    assert cycle.description == "Old"


# Deleting it


def test_ask_before_deleting_a_cycle(manager):
    cycle = cycle_with_stages("One", "Two")

    response = manager.get(delete_url(cycle))

    assert response.context["losses"] == ["2 stages"]
    assert SalesCycle.objects.filter(pk=cycle.pk).exists()


def test_delete_a_cycle_with_its_stages(manager):
    cycle = cycle_with_stages("One", "Two")

    response = manager.post(delete_url(cycle))

    assert (response.status_code, response.headers["Location"]) == (302, reverse("salescycles:list"))
    assert not SalesCycle.objects.exists()


@pytest.mark.parametrize("make", [OpportunityFactory, lost_opportunity])
def test_delete_a_cycle_in_use_is_refused_in_words(manager, make):
    cycle = cycle_with_stages("One")
    make(cycle=cycle)

    response = manager.post(delete_url(cycle))

    assert response.status_code == 422
    assert "1 opportunity" in response.context["uses"]
    assert "Block it instead" in response.content.decode()
    assert SalesCycle.objects.filter(pk=cycle.pk).exists()


def test_delete_dialog_names_what_uses_the_cycle(manager):
    cycle = cycle_with_stages("One")
    OpportunityFactory(cycle=cycle)

    response = manager.get(delete_url(cycle), headers=HTMX)

    assert "1 opportunity" in response.context["uses"]
    assert b"It is in use, so it stays" in response.content


# Who may, and how


@pytest.mark.parametrize("role", [Role.SALESPERSON, Role.VIEWER])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["new", "edit", "delete"])
def test_only_managers_change_cycles(client, role, method, name):
    cycle = SalesCycleFactory(description="Old")
    client.force_login(user_with_role(role))
    url = reverse(f"salescycles:{name}", args=[] if name == "new" else [cycle.pk])

    response = getattr(client, method)(url, {"description": "New"})

    assert response.status_code == 403
    assert [cycle.description for cycle in SalesCycle.objects.all()] == ["Old"]


@pytest.mark.parametrize("name", ["list", "new", "edit", "delete", "detail"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_cycles_demand_login(client, name, method):
    url = reverse(f"salescycles:{name}", args=[] if name in ("list", "new") else [SalesCycleFactory().pk])

    response = getattr(client, method)(url)

    assert (response.status_code, response.headers["Location"]) == (302, f"{reverse('sign-in')}?next={url}")


@pytest.mark.parametrize("name", ["list", "detail"])
def test_cycles_are_for_people_with_a_role(client, name):
    client.force_login(UserFactory())
    url = reverse(f"salescycles:{name}", args=[] if name == "list" else [SalesCycleFactory().pk])

    assert client.get(url).status_code == 403


@pytest.mark.parametrize("pk", UNKNOWN)
@pytest.mark.parametrize("name", ["", "edit/", "delete/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_cycle_is_not_found(manager, pk, name, method):
    assert getattr(manager, method)(f"/sales-cycles/{pk}/{name}").status_code == 404


@pytest.mark.parametrize("name", ["list", "new", "edit", "delete", "detail"])
def test_cycles_refuse_other_methods(manager, name):
    url = reverse(f"salescycles:{name}", args=[] if name in ("list", "new") else [SalesCycleFactory().pk])

    assert manager.delete(url).status_code == 405


# The page of a cycle, for those who read


def test_readers_see_the_stages_without_fields(viewer):
    cycle = cycle_with_stages("Qualify", "Propose")
    SalesCycleStageFactory(cycle=cycle, position=90, description="Legal", is_active=False)

    content = viewer.get(cycle.get_absolute_url()).content.decode()

    assert content.index("Qualify") < content.index("Propose") < content.index("Legal")
    assert "Retired" in content
    assert "stages-0" not in content
    assert edit_url(cycle) not in content
    assert delete_url(cycle) not in content


def test_page_of_a_cycle_without_stages_teaches_readers(viewer):
    assert b"No stages yet" in viewer.get(SalesCycleFactory().get_absolute_url()).content


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALES_MANAGER])
def test_page_asks_the_same_questions_for_one_stage_and_for_many(client, role, django_assert_num_queries):
    client.force_login(user_with_role(role))
    cycle = cycle_with_stages("One")
    count = 7 if role == Role.SALES_MANAGER else 5
    with django_assert_num_queries(count):
        client.get(cycle.get_absolute_url())

    for position in (91, 92, 93):
        SalesCycleStageFactory(cycle=cycle, position=position)
    with django_assert_num_queries(count):
        client.get(cycle.get_absolute_url())
