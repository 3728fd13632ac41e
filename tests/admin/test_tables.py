"""The set-up tables, contacts, teams and salespeople: lists, forms, rows within a page, deletions."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activities.models import Activity
from contacts.models import Contact, IndustryGroup
from opportunities.models import CloseReason, Opportunity
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Role, Salesperson, Team, User
from tests.factories import (
    ActivityFactory,
    ActivityStepFactory,
    CloseReasonFactory,
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    cycle_with_stages,
    lost_opportunity,
    user_with_role,
)

pytestmark = pytest.mark.django_db


def path(model, *parts):
    options = model._meta
    return "/".join(["/admin", options.app_label, options.model_name, *map(str, parts), ""])


def a_full_contact():
    contact = PersonFactory(company=CompanyFactory(), salesperson=SalespersonFactory())
    contact.industry_groups.add(IndustryGroupFactory())
    return contact


def a_full_salesperson():
    return SalespersonFactory(team=TeamFactory(manager=SalespersonFactory()), user=UserFactory())


def a_full_opportunity():
    return OpportunityFactory(contact=PersonFactory(company=CompanyFactory()), started=True)


FULL_ROWS = {
    Activity: lambda: ActivityStepFactory().activity,
    CloseReason: CloseReasonFactory,
    Contact: a_full_contact,
    IndustryGroup: IndustryGroupFactory,
    Opportunity: a_full_opportunity,
    SalesCycle: lambda: cycle_with_stages("Qualify", "Propose"),
    Salesperson: a_full_salesperson,
    Team: lambda: a_full_salesperson().team,
    User: lambda: user_with_role(Role.SALESPERSON),
}


@pytest.mark.parametrize("name", ["superuser", "manager"])
@pytest.mark.parametrize("model", FULL_ROWS, ids=lambda model: model._meta.model_name)
def test_list_asks_the_same_of_the_database_with_more_rows(client_of, name, model, django_assert_num_queries):
    client = client_of(name)
    FULL_ROWS[model]()
    client.get(path(model))  # content types are read once per process
    with CaptureQueriesContext(connection) as with_one:
        client.get(path(model))
    FULL_ROWS[model]()
    FULL_ROWS[model]()

    with django_assert_num_queries(len(with_one)):
        response = client.get(path(model))

    assert response.context["cl"].result_count >= 3


@pytest.mark.parametrize("model", [Contact, Opportunity], ids=lambda model: model._meta.model_name)
def test_list_of_a_large_table_does_not_count_all_of_it(superuser, model):
    FULL_ROWS[model]()

    listed = superuser.get(path(model)).context["cl"]

    assert listed.full_result_count is None
    assert listed.list_per_page == 50


# Forms


def test_contact_gets_its_number_when_saved(manager):
    response = manager.post(path(Contact, "add"), {"kind": "COMPANY", "name": "Acme", "number": "C-77777"})

    contact = Contact.objects.get(name="Acme")
    assert response.status_code == 302
    assert contact.number != "C-77777"
    assert LogEntry.objects.get(object_id=contact.pk).user == manager.user


def test_contact_form_changes_neither_number_nor_customer(manager):
    contact = CompanyFactory()

    manager.post(
        path(Contact, contact.pk, "change"),
        {"kind": "COMPANY", "name": "New", "number": "C-9", "customer_number": "CU-1", "external_id": "x"},
    )

    before = contact.number
    contact.refresh_from_db()
    assert (contact.name, contact.number, contact.customer_number, contact.external_id) == (
        "New",
        before,
        "",
        "",
    )


def test_name_of_a_person_is_made_of_its_parts(manager):
    manager.post(path(Contact, "add"), {"kind": "PERSON", "first_name": "Ann", "last_name": "Peeters"})
    manager.post(path(Contact, "add"), {"kind": "PERSON", "name": "Prince"})

    assert set(Contact.objects.values_list("name", flat=True)) == {"Ann Peeters", "Prince"}


@pytest.mark.parametrize(
    "typed",
    [
        {"kind": "COMPANY"},
        {"kind": "PERSON"},
        {"kind": "PERSON", "first_name": "x" * 50, "last_name": "y" * 50},
    ],
)
def test_contact_without_a_name_that_fits_is_refused(manager, typed):
    response = manager.post(path(Contact, "add"), typed)

    assert "name" in response.context["adminform"].form.errors


def test_company_with_people_stays_a_company(manager):
    company = PersonFactory(company=CompanyFactory()).company

    manager.post(path(Contact, company.pk, "change"), {"kind": "PERSON", "name": "New name"})

    company.refresh_from_db()
    assert (company.kind, company.name) == ("COMPANY", "New name")


def test_contact_form_says_why_a_person_is_no_company(manager):
    person = PersonFactory()

    response = manager.post(path(Contact, "add"), {"kind": "PERSON", "name": "Jan", "company": person.pk})

    assert "company" in response.context["adminform"].form.errors


def test_contact_form_takes_no_company_that_the_manager_does_not_see(manager, settings):
    settings.VISIBILITY = "own"
    theirs = CompanyFactory(salesperson=SalespersonFactory(team=TeamFactory()))

    response = manager.post(path(Contact, "add"), {"kind": "PERSON", "name": "Jan", "company": theirs.pk})

    assert "company" in response.context["adminform"].form.errors


def test_contact_form_keeps_a_company_that_the_manager_does_not_see(manager, settings):
    settings.VISIBILITY = "own"
    theirs = CompanyFactory(salesperson=SalespersonFactory(team=TeamFactory()))
    person = PersonFactory(company=theirs, salesperson=SalespersonFactory(user=manager.user))

    response = manager.post(
        path(Contact, person.pk, "change"), {"kind": "PERSON", "name": "Jan", "company": theirs.pk}
    )

    person.refresh_from_db()
    assert (response.status_code, person.name, person.company) == (302, "Jan", theirs)


def test_contacts_that_the_manager_does_not_see_are_not_there(manager, settings):
    settings.VISIBILITY = "own"
    theirs = CompanyFactory(salesperson=SalespersonFactory(team=TeamFactory()), name="Hidden company")

    found = manager.get(
        "/admin/autocomplete/",
        {"app_label": "contacts", "model_name": "contact", "field_name": "company", "term": "Hidden"},
    )

    assert found.json()["results"] == []
    assert "Hidden company" not in manager.get(path(Contact)).text
    assert manager.get(path(Contact, theirs.pk, "change")).url == "/admin/"
    assert manager.post(path(Contact, theirs.pk, "delete"), {"post": "yes"}).url == "/admin/"
    assert Contact.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize(
    ("app_label", "model_name", "field_name"),
    [
        ("contacts", "contact", "company"),
        ("contacts", "contact", "salesperson"),
        ("contacts", "contact", "industry_groups"),
        ("salespeople", "team", "manager"),
        ("salespeople", "salesperson", "team"),
        ("salespeople", "salesperson", "user"),
        ("salescycles", "salescyclestage", "activity"),
    ],
)
def test_autocomplete_is_for_those_who_work_here(client_of, app_label, model_name, field_name):
    query = {"app_label": app_label, "model_name": model_name, "field_name": field_name, "term": "a"}

    answers = {
        name: client_of(name).get("/admin/autocomplete/", query).status_code
        for name in ("superuser", "manager", "staff", "salesperson", "viewer", "anonymous")
    }

    assert answers == {
        "superuser": 200,
        "manager": 200,
        "staff": 403,
        "salesperson": 403,
        "viewer": 403,
        "anonymous": 302,
    }


def test_second_default_cycle_is_refused_in_words(manager):
    cycle_with_stages("Qualify", is_default=True)

    response = manager.post(
        path(SalesCycle, "add"),
        {
            "code": "NEW",
            "description": "New",
            "probability_method": "ADD",
            "is_default": "on",
            **stage_rows([]),
        },
    )

    assert "Another sales cycle is the default. Take it away there first." in response.text


def test_outcome_of_a_used_reason_stands(manager):
    reason = lost_opportunity().close_reason

    manager.post(
        path(CloseReason, reason.pk, "change"),
        {"code": reason.code, "description": "New words", "outcome": "WON", "is_active": "on"},
    )

    reason.refresh_from_db()
    assert (reason.description, reason.outcome) == ("New words", "LOST")


# Stages in their cycle


def stage_rows(rows, *, initial=0):
    """What the table of stages sends; each row is a dict."""
    data = {
        "stages-TOTAL_FORMS": len(rows),
        "stages-INITIAL_FORMS": initial,
        "stages-MIN_NUM_FORMS": 0,
        "stages-MAX_NUM_FORMS": 1000,
    }
    for index, row in enumerate(rows):
        filled = {"completed_percent": "20", "chance_percent": "40", "is_active": "on", **row}
        data.update({f"stages-{index}-{name}": value for name, value in filled.items()})
    return data


def post_stages(client, cycle, rows, *, initial=None):
    data = {
        "code": cycle.code,
        "description": cycle.description,
        "probability_method": cycle.probability_method,
        **stage_rows(rows, initial=cycle.stages.count() if initial is None else initial),
    }
    return client.post(path(SalesCycle, cycle.pk, "change"), data)


def row_of(stage, **changes):
    return {
        "id": stage.pk,
        "cycle": stage.cycle_id,
        "position": stage.position,
        "description": stage.description,
        **changes,
    }


def order_of(cycle):
    return list(cycle.stages.values_list("position", "description"))


def test_stages_stand_in_their_order(manager):
    cycle = cycle_with_stages("Qualify", "Present", "Propose")
    cycle.stages.filter(description="Qualify").update(position=99)

    text = manager.get(path(SalesCycle, cycle.pk, "change")).text

    assert text.index('value="Present"') < text.index('value="Propose"') < text.index('value="Qualify"')


def test_stages_are_added_with_their_cycle(manager):
    rows = [{"position": 10, "description": "Qualify"}, {"position": 20, "description": "Propose"}]

    manager.post(
        path(SalesCycle, "add"),
        {"code": "new", "description": "New", "probability_method": "ADD", **stage_rows(rows)},
    )

    assert order_of(SalesCycle.objects.get(code="NEW")) == [(10, "Qualify"), (20, "Propose")]


def test_stages_swap_positions(manager):
    cycle = cycle_with_stages("Qualify", "Present", "Propose")
    first, second, third = cycle.stages.all()

    response = post_stages(
        manager, cycle, [row_of(first, position=30), row_of(second), row_of(third, position=10)]
    )

    assert response.status_code == 302
    assert order_of(cycle) == [(10, "Propose"), (20, "Present"), (30, "Qualify")]
    assert list(cycle.stages.values_list("pk", flat=True)) == [third.pk, second.pk, first.pk]


def test_freed_position_is_taken_at_once(manager):
    cycle = cycle_with_stages("Qualify", "Present")
    first, second = cycle.stages.all()

    response = post_stages(
        manager,
        cycle,
        [row_of(first, DELETE="on"), row_of(second, position=10), {"position": 20, "description": "Close"}],
    )

    assert response.status_code == 302
    assert order_of(cycle) == [(10, "Present"), (20, "Close")]


def test_same_position_twice_is_refused(manager):
    cycle = cycle_with_stages("Qualify", "Present")
    first, second = cycle.stages.all()

    response = post_stages(manager, cycle, [row_of(first), row_of(second, position=10)])

    assert "Two rows cannot have the same position." in response.text
    assert order_of(cycle) == [(10, "Qualify"), (20, "Present")]


@pytest.mark.parametrize("position", ["0", "-1", "", "x", "2147483648", "9" * 30])
def test_impossible_position_is_refused(manager, position):
    cycle = cycle_with_stages("Qualify")
    (stage,) = cycle.stages.all()

    response = post_stages(manager, cycle, [row_of(stage, position=position)])

    assert response.status_code == 200
    assert order_of(cycle) == [(10, "Qualify")]


def test_position_taken_meanwhile_is_refused(manager):
    cycle = cycle_with_stages("Qualify")
    (stage,) = cycle.stages.all()
    SalesCycleStage.objects.create(cycle=cycle, position=20, description="Added by a colleague")

    response = post_stages(
        manager, cycle, [row_of(stage), {"position": 20, "description": "Mine"}], initial=1
    )

    assert response.status_code == 302
    assert "Somebody else changed something" in manager.get(response.url).text
    assert order_of(cycle) == [(10, "Qualify"), (20, "Added by a colleague")]


def test_stage_in_use_is_not_deleted(manager):
    cycle = cycle_with_stages("Qualify")
    OpportunityFactory(cycle=cycle, started=True)
    (stage,) = cycle.stages.all()

    response = post_stages(manager, cycle, [row_of(stage, DELETE="on")])

    assert "Qualify cannot be deleted, it is used by 1 opportunity" in response.text
    assert order_of(cycle) == [(10, "Qualify")]


def test_stage_of_another_cycle_is_not_taken_over(manager):
    cycle, other = cycle_with_stages("Qualify"), cycle_with_stages("Theirs")
    (stage,) = other.stages.all()

    post_stages(manager, cycle, [row_of(stage, description="Mine", cycle=cycle.pk)])

    assert order_of(other) == [(10, "Theirs")]


def test_steps_swap_positions(manager):
    activity = ActivityFactory()
    first = ActivityStepFactory(activity=activity, position=1, description="Call")
    second = ActivityStepFactory(activity=activity, position=2, description="Meet")
    data = {"code": activity.code, "description": activity.description, "is_active": "on"}
    data |= {"steps-TOTAL_FORMS": 2, "steps-INITIAL_FORMS": 2}
    for index, (step, position) in enumerate([(first, 2), (second, 1)]):
        row = {
            "id": step.pk,
            "activity": activity.pk,
            "position": position,
            "kind": step.kind,
            "priority": step.priority,
            "description": step.description,
            "due_in": "1w",
        }
        data |= {f"steps-{index}-{name}": value for name, value in row.items()}

    response = manager.post(path(Activity, activity.pk, "change"), data)

    assert response.status_code == 302
    assert list(activity.steps.values_list("position", "description", "due_in")) == [
        (1, "Meet", "1W"),
        (2, "Call", "1W"),
    ]


# Deletions


def used_rows():
    opportunity = lost_opportunity(contact=CompanyFactory())
    activity = ActivityFactory()
    opportunity.cycle.stages.update(activity=activity)
    team = TeamFactory()
    SalespersonFactory(team=team)
    return [
        opportunity.close_reason,
        opportunity.cycle,
        opportunity.salesperson,
        opportunity.contact,
        activity,
        team,
    ]


def test_what_is_in_use_is_not_deleted(manager):
    for row in used_rows():
        model = type(row)

        page = manager.get(path(model, row.pk, "delete"))
        answer = manager.post(path(model, row.pk, "delete"), {"post": "yes"})

        assert "cannot be deleted, because it is used by:" in page.text, model
        assert "Yes, I’m sure" not in page.text
        assert answer.status_code == 200
        assert model.objects.filter(pk=row.pk).exists()


def test_what_is_in_use_is_not_deleted_in_bulk_either(manager):
    for row in used_rows():
        model = type(row)

        answer = manager.post(
            path(model), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
        )

        assert answer.status_code == 200
        assert "protected related objects" in answer.text
        assert model.objects.filter(pk=row.pk).exists()


def test_page_of_a_used_row_does_not_load_what_uses_it(manager, django_assert_num_queries):
    salesperson = SalespersonFactory()
    CompanyFactory(salesperson=salesperson)
    manager.get(path(Salesperson, salesperson.pk, "delete"))
    with CaptureQueriesContext(connection) as with_one:
        manager.get(path(Salesperson, salesperson.pk, "delete"))
    CompanyFactory.create_batch(30, salesperson=salesperson)

    with django_assert_num_queries(len(with_one)):
        response = manager.get(path(Salesperson, salesperson.pk, "delete"))

    assert "31 contacts" in response.text


def test_what_is_not_in_use_is_deleted(manager):
    rows = [CloseReasonFactory(), cycle_with_stages("Qualify"), SalespersonFactory(), CompanyFactory()]
    rows += [ActivityStepFactory().activity, TeamFactory(), IndustryGroupFactory()]

    for row in rows:
        model = type(row)
        response = manager.post(path(model, row.pk, "delete"), {"post": "yes"})
        assert response.status_code == 302
        assert not model.objects.filter(pk=row.pk).exists()


def test_contacts_are_deleted_in_bulk(manager):
    contacts = CompanyFactory.create_batch(3)
    data = {"action": "delete_selected", "_selected_action": [contact.pk for contact in contacts]}

    page = manager.post(path(Contact), data)
    manager.post(path(Contact), {**data, "post": "yes"})

    assert "Contacts: 3" in page.text
    assert not Contact.objects.exists()


def test_bulk_deletion_is_bounded(manager, monkeypatch):
    monkeypatch.setattr("crm.admin.MOST_DELETED", 2)
    contacts = CompanyFactory.create_batch(3)

    response = manager.post(
        path(Contact),
        {
            "action": "delete_selected",
            "_selected_action": contacts[0].pk,
            "select_across": "1",
            "index": "0",
            "post": "yes",
        },
        follow=True,
    )

    assert "At most 2 can be deleted at a time. Select fewer." in response.text
    assert Contact.objects.count() == 3
