import pytest

from contacts.models import Contact
from crm.deletion import delete_unless_used, what_uses
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team
from tests.factories import (
    ActivityFactory,
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    PersonFactory,
    SalesCycleStageFactory,
    SalespersonFactory,
    TeamFactory,
    cycle_with_stages,
)

pytestmark = pytest.mark.django_db


def test_what_uses_is_empty_for_an_unused_record():
    assert what_uses(SalespersonFactory()) == []


def test_what_uses_counts_by_kind_most_first():
    salesperson = SalespersonFactory()
    TeamFactory(manager=salesperson)
    CompanyFactory.create_batch(3, salesperson=salesperson)

    assert what_uses(salesperson) == ["3 contacts", "1 team"]


def test_what_uses_counts_a_row_once_that_points_twice():
    company = CompanyFactory()  # the contact of the opportunity and its company, too
    OpportunityFactory(contact=company)

    assert what_uses(company) == ["1 opportunity", "1 opportunity entry"]


def test_what_uses_names_parts_of_other_things_last():
    opportunity = OpportunityFactory(started=True)

    assert what_uses(opportunity.salesperson) == ["1 opportunity", "2 opportunity entries"]


def test_what_uses_looks_through_the_parts_that_go_with_it():
    cycle = cycle_with_stages("Qualify")
    OpportunityFactory(cycle=cycle, started=True)

    assert "1 opportunity" in what_uses(cycle)
    assert "1 opportunity" in what_uses(cycle.stages.get())


def test_what_uses_takes_parts_for_no_obstacle():
    cycle = cycle_with_stages("Qualify", "Propose")
    company = CompanyFactory()
    company.industry_groups.add(IndustryGroupFactory())

    assert what_uses(cycle) == []
    assert what_uses(company) == []


def test_what_uses_loads_no_rows(django_assert_num_queries):
    one, many = SalespersonFactory(), SalespersonFactory()
    CompanyFactory(salesperson=one)
    CompanyFactory.create_batch(5, salesperson=many)

    with django_assert_num_queries(6) as counted:
        what_uses(one)
    with django_assert_num_queries(6):
        what_uses(many)

    assert all("COUNT" in query["sql"] for query in counted.captured_queries)


def test_delete_unless_used_deletes():
    team = TeamFactory()

    assert delete_unless_used(team) == []
    assert not Team.objects.exists()


def test_delete_unless_used_leaves_what_is_used():
    company = CompanyFactory()
    PersonFactory(company=company)

    assert delete_unless_used(company) == ["1 contact"]
    assert Contact.objects.filter(pk=company.pk).exists()


def test_delete_unless_used_takes_the_parts_along():
    cycle = cycle_with_stages("Qualify")

    assert delete_unless_used(cycle) == []
    assert not SalesCycle.objects.exists()
    assert not SalesCycleStage.objects.exists()


def test_delete_unless_used_refuses_when_somebody_was_faster(monkeypatch):
    salesperson = SalespersonFactory()
    delete = Salesperson.delete

    def delete_after_a_colleague_saved(self):
        CompanyFactory(salesperson=self)
        return delete(self)

    monkeypatch.setattr(Salesperson, "delete", delete_after_a_colleague_saved)

    # Played in one transaction, the colleague's contact is rolled back with the attempt, so nothing can be counted.
    assert delete_unless_used(salesperson) == ["something that was added a moment ago"]
    assert Salesperson.objects.filter(pk=salesperson.pk).exists()


def test_what_uses_names_a_single_use_in_the_singular():
    activity = ActivityFactory()
    SalesCycleStageFactory(activity=activity)

    assert what_uses(activity) == ["1 stage"]
