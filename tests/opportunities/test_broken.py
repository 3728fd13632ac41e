"""What somebody tried to break once, and what now holds."""

import pytest
from django.db import connection
from django.urls import reverse

from contacts.models import Contact
from crm.dates import today
from opportunities import ledger
from opportunities.forms.changes import ReopenForm
from opportunities.models import Opportunity, OpportunityEntry
from salespeople.models import Salesperson
from tests.factories import IndustryGroupFactory, SalespersonFactory, UserFactory
from tests.seen import post_seen


def test_a_change_of_what_was_deleted_meanwhile_is_not_found(as_manager, won, monkeypatch):
    def delete_first(form, **fields):
        connection.cursor().execute("DELETE FROM opportunities_opportunityentry")
        connection.cursor().execute("DELETE FROM opportunities_opportunity")
        return original(form, **fields)

    original = ReopenForm.perform
    monkeypatch.setattr(ReopenForm, "perform", delete_first)

    response = as_manager.post(
        reverse("opportunities:reopen", args=[won.pk]),
        {"seen": won.version, "on": today().isoformat(), "note": "again"},
    )

    assert response.status_code == 404


@pytest.mark.parametrize("name", ["contacts:edit", "salespeople:edit"])
def test_editing_keeps_what_others_wrote_elsewhere(as_manager, company, salesperson, name):
    """A customer number given while a form is open stays: the form's row is read when it is written."""
    row = company if name == "contacts:edit" else salesperson
    drawn = as_manager.get(reverse(name, args=[row.pk])).context["form"]
    typed = {key: drawn[key].value() or "" for key in drawn.fields}
    company.make_customer(on=today())

    response = as_manager.post(reverse(name, args=[row.pk]), {**typed, "name": "New name"})

    assert response.status_code == 302
    assert Contact.objects.get(pk=company.pk).customer_number == "CU-00001"


@pytest.mark.parametrize("key", ["9" * 19, "9" * 5000, "-1", "x"])
def test_made_up_industry_groups_are_refused(as_seller, company, key):
    IndustryGroupFactory()
    response = post_seen(
        as_seller, reverse("contacts:edit", args=[company.pk]), {"name": "Acme", "industry_groups": key}
    )

    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["industry_groups"]
    assert not company.industry_groups.exists()


@pytest.mark.parametrize("key", ["9" * 5000, "9" * 19])
def test_made_up_keys_in_the_admin_are_no_crash(as_manager, opportunity, key):
    url = reverse("admin:opportunities_opportunity_changelist")

    response = as_manager.post(url, {"action": "delete_finished", "_selected_action": key, "index": 0})

    assert response.status_code < 500
    assert Opportunity.objects.exists()


def test_a_manager_cannot_take_the_sign_in_of_who_runs_the_site(as_manager):
    root = UserFactory(is_superuser=True, name="Root")
    boss = SalespersonFactory(user=root, code="BOSS", name="Boss")

    response = post_seen(
        as_manager, reverse("salespeople:edit", args=[boss.pk]), {"name": "Boss", "code": "BOSS", "user": ""}
    )
    offered = as_manager.get(reverse("salespeople:new")).content.decode()

    assert response.status_code == 302
    assert Salesperson.objects.get(pk=boss.pk).user == root
    assert "Root" not in offered


def test_a_contact_deleted_while_it_is_edited_stays_deleted(as_seller, company):
    url = reverse("contacts:edit", args=[company.pk])
    company.delete()

    assert as_seller.post(url, {"name": "Back again"}).status_code == 404
    assert not Contact.objects.filter(name="Back again").exists()


def test_pages_are_not_kept_by_the_browser(as_seller, opportunity):
    assert "no-cache" in as_seller.get(opportunity.get_absolute_url()).headers["Cache-Control"]


def test_verify_finds_entries_without_an_opportunity(opportunity):
    rows = list(OpportunityEntry.objects.values_list("pk", flat=True))
    assert list(ledger.orphans()) == []
    if connection.vendor == "postgresql":
        return  # its foreign keys cannot be switched off by an ordinary role

    with connection.constraint_checks_disabled():
        connection.cursor().execute("UPDATE opportunities_opportunityentry SET opportunity_id = 4711")
        found = [str(difference) for difference in ledger.orphans()]
        connection.cursor().execute(
            "UPDATE opportunities_opportunityentry SET opportunity_id = %s", [opportunity.pk]
        )

    assert found == ["#4711: is gone, but its entries are there"]
    assert len(rows) == 2


def test_verify_goes_on_after_what_cannot_be_read(opportunity, won):
    if connection.vendor != "sqlite":
        return  # PostgreSQL holds only numbers in a number
    connection.cursor().execute(
        "UPDATE opportunities_opportunity SET stage_entered_on = '2020-02-30' WHERE id = %s", [opportunity.pk]
    )

    found = [str(difference) for difference in ledger.verify(Opportunity.objects.all())]

    connection.cursor().execute(
        "UPDATE opportunities_opportunity SET stage_entered_on = %s WHERE id = %s",
        [today().isoformat(), opportunity.pk],
    )
    assert found == [f"{opportunity.number}: holds a value that cannot be read"]
