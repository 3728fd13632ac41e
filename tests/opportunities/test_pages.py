"""The page of one opportunity, the panels, and making new ones."""

from datetime import timedelta

import pytest
from django.urls import reverse

from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity, Status
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    SalesCycleFactory,
    SalespersonFactory,
    user_with_role,
)
from tests.opportunities.conftest import signed_in

LIST = reverse("opportunities:list")
NEW = reverse("opportunities:new")


# One opportunity


def test_detail_shows_where_it_stands(as_seller, opportunity):
    html = as_seller.get(opportunity.get_absolute_url()).content.decode()

    assert "Warehouse automation" in html
    assert "Move to Present" in html
    assert "€10,000" in html
    assert "Started in Qualify" in html


def test_detail_offers_a_viewer_no_button(as_viewer, opportunity):
    html = as_viewer.get(opportunity.get_absolute_url()).content.decode()

    assert "Move to Present" not in html
    assert "/move/" not in html
    assert "/edit/" not in html


def test_detail_of_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"

    assert as_seller.get(OpportunityFactory().get_absolute_url()).status_code == 404


def test_detail_of_a_won_one(as_manager, won):
    html = as_manager.get(won.get_absolute_url()).content.decode()

    assert "€9,000" in html
    assert "Reopen…" in html
    assert "Update estimate" not in html


def test_detail_escapes_what_people_type(as_seller, seller, salesperson, cycle):
    nasty = OpportunityFactory(
        description="<script>alert(1)</script>",
        contact=CompanyFactory(name='"><img src=x>'),
        salesperson=salesperson,
        cycle=cycle,
        by=seller,
    )

    html = as_seller.get(nasty.get_absolute_url()).content.decode()

    assert "<script>alert" not in html
    assert "<img src=x>" not in html


@pytest.mark.parametrize("moves", [0, 3])
def test_detail_costs_the_same_for_any_history(
    as_seller, seller, opportunity, moves, django_assert_num_queries
):
    for index in range(moves):
        target = "Present" if index % 2 == 0 else "Qualify"
        operations.move(
            opportunity=opportunity,
            to=opportunity.cycle.stages.get(description=target),
            by=seller,
            on=today(),
        )

    with django_assert_num_queries(12):
        as_seller.get(opportunity.get_absolute_url())


def test_detail_pages_a_long_history(as_seller, seller, opportunity):
    for value in range(1, 40):
        operations.revise(
            opportunity=opportunity,
            estimate=operations.Estimate(value, 50, today() + timedelta(days=3)),
            by=seller,
            on=today(),
        )

    first = as_seller.get(opportunity.get_absolute_url())
    sequences = []
    pages = [first]
    while older := pages[-1].context["panel"].older:
        pages.append(as_seller.get(opportunity.get_absolute_url() + older))
    for response in pages:
        sequences += [line.entry.sequence for line in response.context["panel"].timeline.lines]
    assert sequences == list(range(41, 0, -1))
    assert len(pages) == 3


def test_days_in_a_stage_count_stays_and_not_entries(as_seller, seller, salesperson, cycle, company):
    begun = today() - timedelta(days=20)
    one = OpportunityFactory(
        salesperson=salesperson, cycle=cycle, contact=company, by=seller, on=begun, started=True
    )
    present = cycle.stages.get(description="Present")
    qualify = cycle.stages.get(description="Qualify")
    estimate = operations.Estimate(5000, 50, today())
    operations.revise(opportunity=one, estimate=estimate, by=seller, on=begun + timedelta(days=3))
    operations.move(opportunity=one, to=present, estimate=estimate, by=seller, on=begun + timedelta(days=10))
    operations.move(opportunity=one, to=qualify, estimate=estimate, by=seller, on=begun + timedelta(days=12))

    steps = {step.label: step for step in as_seller.get(one.get_absolute_url()).context["steps"]}

    assert steps["Qualify"].note == "8 days so far, 18 in all"  # 10 days, then 8 until today
    assert steps["Present"].state == "next"


# The panels


def test_panel_of_a_contact(as_seller, company, opportunity, won):
    response = as_seller.get(
        reverse("opportunities:for-contact", args=[company.pk]), headers={"HX-Request": "true"}
    )

    html = response.content.decode()
    assert "<html" not in html
    assert all(one.number in html and one.get_absolute_url() in html for one in (opportunity, won))


def test_panel_of_a_salesperson_is_bounded(as_seller, seller, salesperson, cycle, company):
    for _ in range(12):
        OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller)

    response = as_seller.get(reverse("opportunities:for-salesperson", args=[salesperson.pk]))

    assert len(response.context["rows"]) == 10
    assert response.context["has_more"]


def test_panel_of_an_unknown_contact_is_not_found(as_seller):
    assert as_seller.get(reverse("opportunities:for-contact", args=[424242])).status_code == 404


# New ones


def new(company, person, sold_by, /, **fields):
    return {
        "description": "Dock scheduling",
        "contact": company.number,
        "salesperson": person.pk,
        "cycle": sold_by.pk,
        "priority": "NORMAL",
        "on": today().isoformat(),
        "value": "",
        "chance_percent": "",
        "closes_on": "",
        **fields,
    }


def test_new_is_created_not_started(as_seller, company, salesperson, cycle):
    response = as_seller.post(NEW, new(company, salesperson, cycle))

    made = Opportunity.objects.get()
    assert response.url == made.get_absolute_url()
    assert (made.number, made.status, made.version) == ("OP-00001", Status.NOT_STARTED, 1)


def test_new_is_started_at_once_with_what_the_stage_offers(as_seller, company, salesperson, cycle):
    as_seller.post(NEW, new(company, salesperson, cycle, value="5000", starts_now="on"))

    made = Opportunity.objects.get()
    assert made.status == Status.IN_PROGRESS
    assert made.chance_percent == 50
    assert made.version == 2


def test_new_started_without_value_creates_nothing(as_seller, company, salesperson, cycle):
    response = as_seller.post(NEW, new(company, salesperson, cycle, starts_now="on"))

    assert response.status_code == 422
    assert "value" in response.context["form"].errors
    assert response.context["form"]["description"].value() == "Dock scheduling"
    assert not Opportunity.objects.exists()


@pytest.mark.parametrize("field", ["description", "contact", "salesperson", "cycle"])
def test_new_needs_the_four_facts(as_seller, company, salesperson, cycle, field):
    response = as_seller.post(NEW, new(company, salesperson, cycle, **{field: ""}))

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Opportunity.objects.exists()


def test_new_from_a_contact_is_filled_in(as_seller, salesperson, cycle):
    contact = CompanyFactory(name="Port of Zeebrugge", salesperson=salesperson)

    form = as_seller.get(NEW, {"contact": contact.pk}).context["form"]

    assert form.initial["contact"] == contact
    assert form.initial["salesperson"] == salesperson.pk
    assert form.initial["cycle"] == cycle.pk


def test_new_from_a_salesperson_is_filled_in(as_manager, salesperson):
    form = as_manager.get(NEW, {"salesperson": salesperson.pk}).context["form"]

    assert form.initial["salesperson"] == salesperson.pk


@pytest.mark.parametrize("query", [{"contact": "x"}, {"contact": "9" * 40}, {"salesperson": "\x00"}])
def test_new_from_nonsense_is_an_empty_form(as_seller, query):
    asked, empty = as_seller.get(NEW, query), as_seller.get(NEW)

    assert asked.status_code == 200
    assert asked.context["form"].initial == empty.context["form"].initial


def test_new_for_a_colleague_is_refused(as_seller, company, cycle):
    response = as_seller.post(NEW, new(company, SalespersonFactory(), cycle))

    assert response.status_code == 422
    assert "salesperson" in response.context["form"].errors


def test_new_in_a_blocked_cycle_is_refused(as_seller, company, salesperson):
    response = as_seller.post(NEW, new(company, salesperson, SalesCycleFactory(is_blocked=True)))

    assert response.status_code == 422
    assert "cycle" in response.context["form"].errors


def test_new_for_a_privacy_blocked_contact_is_refused(as_seller, company, salesperson, cycle):
    company.is_privacy_blocked = True
    company.save()

    response = as_seller.post(NEW, new(company, salesperson, cycle))

    assert response.status_code == 422
    assert not Opportunity.objects.exists()


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (None, 403), (Role.SALES_MANAGER, 200)])
def test_new_by_role(role, status, client_class, db):
    assert signed_in(client_class, user_with_role(role)).get(NEW).status_code == status


def test_new_anonymous_is_sent_to_sign_in(client, db):
    assert client.get(NEW).status_code == 302
