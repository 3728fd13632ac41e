"""The heading and the priority, changed in place; and the path of stages above the figures."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity
from opportunities.operations import Estimate
from opportunities.stage_path import StagePath
from salescycles.models import SalesCycleStage
from tests.factories import OpportunityFactory, cycle_with_stages

IN_PLACE = {"HX-Request": "true", "HX-Target": "title"}


def url(opportunity):
    return reverse("opportunities:title", args=[opportunity.pk])


def description(opportunity):
    return Opportunity.objects.values_list("description", flat=True).get(pk=opportunity.pk)


# The heading


def test_heading_turns_into_a_field_and_back(as_seller, opportunity):
    field = as_seller.get(f"{url(opportunity)}?edit", headers=IN_PLACE).content.decode()
    heading = as_seller.get(url(opportunity), headers=IN_PLACE).content.decode()

    assert 'value="Warehouse automation"' in field
    assert field.count("data-focus") == 1
    assert "<h1>Warehouse automation</h1>" in heading
    assert "<input" not in heading.split("priority-menu")[0]
    assert heading.count("data-focus") == 1  # the pencil
    assert "<html" not in field + heading


def test_description_is_saved_in_place_and_said(as_seller, opportunity):
    response = as_seller.post(
        url(opportunity),
        {"description": "Warehouse, phase 2", "seen_description": "Warehouse automation"},
        headers=IN_PLACE,
    )

    html = response.content.decode()
    assert response.status_code == 200
    assert description(opportunity) == "Warehouse, phase 2"
    assert "<h1>Warehouse, phase 2</h1>" in html
    assert "<title>Warehouse, phase 2 · Kansen</title>" in html
    assert 'data-announce="Saved."' in html
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "A description is needed."),
        ("   ", "A description is needed."),
        ("x" * 101, "at most 100 characters"),
        ("nul\0", "Null characters are not allowed."),
    ],
)
def test_description_refused_stays_in_the_field(as_seller, opportunity, typed, words):
    response = as_seller.post(
        url(opportunity),
        {"description": typed, "seen_description": "Warehouse automation"},
        headers=IN_PLACE,
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert 'aria-invalid="true"' in html
    assert description(opportunity) == "Warehouse automation"
    if typed.strip("x") == "" and typed:
        assert f'value="{typed}"' in html


def test_description_that_somebody_else_changed_meanwhile(as_seller, opportunity, manager):
    operations.describe(opportunity=opportunity, description="By the manager", by=manager)

    response = as_seller.post(
        url(opportunity),
        {"description": "Mine", "seen_description": "Warehouse automation"},
        headers=IN_PLACE,
    )

    html = response.content.decode()
    assert response.status_code == 409
    assert "The description was changed to “By the manager” meanwhile. Look again, then save." in html
    assert 'value="Mine"' in html
    assert 'name="seen_description" value="By the manager"' in html
    assert description(opportunity) == "By the manager"

    again = as_seller.post(
        url(opportunity), {"description": "Mine", "seen_description": "By the manager"}, headers=IN_PLACE
    )
    assert again.status_code == 200
    assert description(opportunity) == "Mine"


def test_without_htmx_the_page_of_the_same_form_does_it(as_seller, opportunity):
    assert as_seller.get(url(opportunity)).url == reverse("opportunities:edit", args=[opportunity.pk])
    html = as_seller.get(opportunity.get_absolute_url()).content.decode()
    assert f'href="{reverse("opportunities:edit", args=[opportunity.pk])}"' in html


# The priority


def test_priority_is_saved_in_place(as_seller, opportunity):
    response = as_seller.post(
        url(opportunity),
        {"priority": "HIGH", "seen_description": "Warehouse automation"},
        headers=IN_PLACE,
    )

    opportunity.refresh_from_db()
    html = response.content.decode()
    assert opportunity.priority == "HIGH"
    assert "High priority" in html
    assert 'class="pill priority warn" popovertarget="priority-menu" data-focus' in html
    assert 'name="priority" value="HIGH" aria-pressed="true"' in html


def test_priority_without_script(as_seller, opportunity):
    response = as_seller.post(
        url(opportunity), {"priority": "LOW", "seen_description": "Warehouse automation"}
    )

    opportunity.refresh_from_db()
    assert response.url == opportunity.get_absolute_url()
    assert opportunity.priority == "LOW"


@pytest.mark.parametrize("headers", [IN_PLACE, {}])
@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ({"priority": "URGENT"}, 422, "A priority is low, normal or high."),
        (
            {"priority": "HIGH", "seen_description": "Something else"},
            409,
            "was changed to “Warehouse automation”",
        ),
    ],
)
def test_priority_refused(as_seller, opportunity, typed, status, words, headers):
    response = as_seller.post(
        url(opportunity), {"seen_description": "Warehouse automation", **typed}, headers=headers
    )

    opportunity.refresh_from_db()
    assert response.status_code == status
    assert words in response.content.decode()
    assert opportunity.priority == "NORMAL"


def test_priority_of_a_closed_one_stands(as_seller, won):
    response = as_seller.post(
        url(won), {"priority": "HIGH", "seen_description": won.description}, headers=IN_PLACE
    )

    assert response.status_code == 422
    assert "so its priority stands" in response.content.decode()
    assert "priority-menu" not in as_seller.get(won.get_absolute_url()).content.decode()


# Who may


@pytest.mark.parametrize("typed", [{"description": "Mine"}, {"priority": "HIGH"}])
def test_those_who_only_read_change_nothing(as_viewer, as_stranger, as_seller, opportunity, typed):
    foreign = OpportunityFactory()

    for client, thing in ((as_viewer, opportunity), (as_stranger, opportunity), (as_seller, foreign)):
        data = {**typed, "seen_description": thing.description}
        assert client.post(url(thing), data, headers=IN_PLACE).status_code == 403
    field = as_viewer.get(f"{url(opportunity)}?edit", headers=IN_PLACE).content.decode()
    assert "<form" not in field
    assert not LogEntry.objects.exists()


def test_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"

    assert as_seller.post(url(OpportunityFactory()), {"priority": "HIGH"}).status_code == 404


@pytest.mark.parametrize("pk", [0, 987654, 2**63, 10**30])
def test_unknown_keys_are_not_found(as_seller, pk):
    assert as_seller.post(f"/opportunities/{pk}/title/", {"priority": "HIGH"}).status_code == 404


def test_other_methods_and_anonymous(client, as_seller, opportunity):
    assert as_seller.delete(url(opportunity)).status_code == 405
    assert client.post(url(opportunity), {"priority": "HIGH"}).url.startswith(reverse("sign-in"))


# The path of stages

MAY = frozenset({"start", "move"})


def path_of(opportunity, may=MAY):
    stages = list(SalesCycleStage.objects.filter(cycle=opportunity.cycle).order_by("position"))
    opportunity = Opportunity.objects.with_names().get(pk=opportunity.pk)
    return {step.label: step for step in StagePath(opportunity, stages).steps(may)}


@pytest.fixture
def travelled(seller, salesperson, company):
    """Ten days in Qualify, Present skipped, four days so far in Demo; Propose, then Negotiate come after it."""
    cycle = cycle_with_stages("Qualify", "Present", "Demo", "Propose", "Negotiate")
    cycle.stages.filter(description="Present").update(allows_skip=True)
    begun = today() - timedelta(days=14)
    thing = OpportunityFactory(
        salesperson=salesperson, contact=company, by=seller, cycle=cycle, on=begun, started=True
    )
    operations.move(
        opportunity=thing,
        to=cycle.stages.get(description="Demo"),
        estimate=Estimate(5, 5, today()),
        by=seller,
        on=begun + timedelta(days=10),
    )
    return thing


def test_path_tells_the_days_and_where_one_may_go(travelled):
    steps = path_of(travelled)

    assert [(step.state, step.note) for step in steps.values()] == [
        ("done", "10 days"),
        ("skipped", "skipped"),
        ("now", "4 days so far"),
        ("next", ""),
        ("next", ""),
    ]
    move = reverse("opportunities:move", args=[travelled.pk])
    assert [bool(step.url) for step in steps.values()] == [True, True, False, True, False]
    assert steps["Propose"].url == f"{move}?to={steps['Propose'].stage.pk}"
    assert steps["Negotiate"].why == "Propose may not be skipped."
    assert steps["Demo"].why == ""


def test_path_on_the_page_links_and_explains(as_seller, travelled):
    html = as_seller.get(travelled.get_absolute_url()).content.decode()

    steps = path_of(travelled)
    assert f'href="{steps["Qualify"].url}" data-dialog title="Move to Qualify"' in html
    assert 'title="Propose may not be skipped."' in html


def test_path_for_those_who_only_read_has_no_link_and_no_excuse(as_viewer, travelled):
    assert not any(step.url or step.why for step in path_of(travelled, frozenset()).values())
    assert "/move/" not in as_viewer.get(travelled.get_absolute_url()).content.decode()


def test_path_of_one_that_is_not_started_begins_with_the_first_stage(new_opportunity):
    steps = path_of(new_opportunity)

    assert steps["Qualify"].url == reverse("opportunities:start", args=[new_opportunity.pk])
    assert steps["Present"].why == "Start it in Qualify first."


def test_path_of_a_closed_one(won):
    steps = path_of(won)

    assert [step.state for step in steps.values()] == ["won", "next", "next"]
    assert steps["Present"].why == "Closed. Reopen it to move it."
    assert not any(step.url for step in steps.values())


def test_path_shows_a_stage_no_longer_in_use_only_to_those_who_were_there(travelled):
    travelled.cycle.stages.filter(description__in=["Qualify", "Negotiate"]).update(is_active=False)

    steps = path_of(travelled)

    assert list(steps) == ["Qualify", "Present", "Demo", "Propose"]
    assert steps["Qualify"].why == "Nothing new enters a retired stage."
