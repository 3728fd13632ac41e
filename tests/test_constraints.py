"""Every law of the database is broken once, past Django's own checks, and refuses in words for people."""

from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import QuerySet

from activities.models import Activity, ActivityStep, CalendarFeed, Email, Task
from contacts.models import Contact, IndustryGroup
from opportunities.models import CloseReason, Opportunity, OpportunityEntry
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team, User
from tests import factories

pytestmark = pytest.mark.django_db

APPS = ("crm", "salespeople", "contacts", "activities", "salescycles", "opportunities")
MODELS = [model for model in apps.get_models() if model._meta.app_label in APPS]
PAST = date(2000, 1, 1)


# Valid rows, one for each state that a law is about


def entry_of(opportunity):
    return opportunity.entries.newest_first()[0]


def won():
    return factories.won_opportunity()


def lost():
    return factories.lost_opportunity()


def started():
    return factories.OpportunityFactory(started=True)


def new():
    return factories.OpportunityFactory()


def closed_task():
    return factories.TaskFactory(closed=True)


def default_cycle():
    return factories.SalesCycleFactory(is_default=True)


def customer():
    contact = factories.CompanyFactory()
    return contact.make_customer(on=date(2026, 1, 1))


def second_default(place):
    factories.ViewPlaceFactory(user=place.user, is_default=True)
    return {"is_default": True}


# What breaks them: constraint → (valid row, the columns to change). A function gets the row and says the columns;
# it may make a second row that gets in the way.

FACTS = {
    "status_known": [(new, {"status": "MAYBE"})],
    "method_known": [(new, {"probability_method": "GUESS"})],
    "value_not_negative": [(new, {"estimated_value": Decimal("-0.01")})],
    "calculated_not_negative": [(new, {"calculated_value": Decimal("-0.01")})],
    "chance_0_to_100": [
        (new, {"chance_percent": Decimal("-0.01")}),
        (new, {"chance_percent": Decimal("100.01")}),
    ],
    "completed_0_to_100": [
        (new, {"completed_percent": Decimal("-0.01")}),
        (new, {"completed_percent": Decimal("100.01")}),
    ],
    "probability_0_to_100": [
        (new, {"probability_percent": Decimal("-0.000001")}),
        (new, {"probability_percent": Decimal("100.000001")}),
    ],
    "stage_and_since_when": [(new, {"stage_entered_on": PAST}), (started, {"stage_entered_on": None})],
    "closed_with_date_and_reason": [
        (started, {"closed_on": date(2030, 1, 1)}),
        (started, lambda row: {"close_reason": factories.CloseReasonFactory()}),
        (won, {"closed_on": None}),
        (won, {"close_reason": None}),
        (lost, {"closed_on": None, "close_reason": None}),
    ],
    "not_started_has_no_stage": [
        (new, lambda row: {"stage": row.cycle.stages.first(), "stage_entered_on": date(2026, 1, 1)})
    ],
    "in_progress_is_estimated": [
        (started, {"stage": None, "stage_entered_on": None}),
        (started, {"estimated_value": None}),
        (started, {"estimated_value": 0}),
        (started, {"chance_percent": None}),
        (started, {"chance_percent": 0}),
        (started, {"estimated_close_on": None}),
    ],
    "won_is_certain": [
        (won, {"completed_percent": 99}),
        (won, {"chance_percent": 99}),
        (won, {"chance_percent": None}),
        (won, {"probability_percent": 99}),
        (won, {"calculated_value": 0}),
    ],
    "lost_is_worth_nothing": [
        (lost, {"completed_percent": 99}),
        (lost, {"chance_percent": 1}),
        (lost, {"chance_percent": None}),
        (lost, {"probability_percent": 1}),
        (lost, {"calculated_value": 1}),
    ],
}


def of_entry(make):
    return lambda: entry_of(make())


def code_of(factory):
    return [(factory, {"code": ""})]


def older_entry():
    return started().entries.get(sequence=1)


BREAKS = {
    **{f"opportunity_{name}": breaks for name, breaks in FACTS.items()},
    **{
        f"opportunityentry_{name}": [(of_entry(make), change) for make, change in breaks]
        for name, breaks in FACTS.items()
    },
    # opportunities
    "opportunity_number_given": [(new, {"number": ""})],
    "opportunity_description_given": [(new, {"description": ""})],
    "opportunity_priority_known": [(new, {"priority": "URGENT"})],
    "opportunity_has_an_entry": [(new, {"version": 0})],
    "opportunity_changed_after_created": [(new, {"changed_on": PAST})],
    "opportunity_closed_after_created": [(won, {"closed_on": PAST})],
    "opportunity_external_id_unique": [
        (
            new,
            lambda row: {"external_id": factories.OpportunityFactory(external_id="X-1").external_id},
        )
    ],
    "entry_action_known": [(of_entry(new), {"action": "DREAMT"})],
    "entry_sequence_from_one": [(of_entry(new), {"sequence": 0})],
    "entry_sequence_unique": [(older_entry, {"sequence": 2})],
    "entry_one_open_ended": [(older_entry, {"ended_on": None})],
    "entry_ends_after_it_begins": [(older_entry, {"ended_on": PAST})],
    "close_reason_code_given": code_of(factories.CloseReasonFactory),
    "close_reason_outcome_known": [(factories.CloseReasonFactory, {"outcome": "DRAW"})],
    "opportunity_contact_unique": [
        (
            factories.OpportunityContactFactory,
            lambda row: {"contact": factories.OpportunityContactFactory(opportunity=row.opportunity).contact},
        )
    ],
    "opportunity_contact_role_known": [(factories.OpportunityContactFactory, {"role": "KING"})],
    "saved_view_name_unique": [
        (
            factories.SavedViewFactory,
            lambda row: {"name": factories.SavedViewFactory(owner=row.owner).name},
        )
    ],
    "saved_view_name_given": [(factories.SavedViewFactory, {"name": ""})],
    "saved_view_audience_known": [(factories.SavedViewFactory, {"audience": "MARS"})],
    "view_place_unique": [
        (factories.ViewPlaceFactory, lambda row: {"view": factories.ViewPlaceFactory(user=row.user).view})
    ],
    "view_place_one_default": [(factories.ViewPlaceFactory, second_default)],
    "batch_status_known": [(factories.BatchFactory, {"status": "LATE"})],
    "batch_says_what_to_do": [
        (factories.BatchFactory, {"salesperson": None}),
        (factories.BatchFactory, {"action": "MOVE"}),
        (factories.BatchFactory, {"action": "POSTPONE"}),
        (factories.BatchFactory, {"action": "LOSE"}),
        (factories.BatchFactory, {"action": "SING"}),
    ],
    "batch_item_unique": [
        (
            factories.BatchItemFactory,
            lambda row: {"opportunity": factories.BatchItemFactory(batch=row.batch).opportunity},
        )
    ],
    "batch_item_state_known": [(factories.BatchItemFactory, {"state": "LOST"})],
    "batch_item_rule_known": [(factories.BatchItemFactory, {"rule": "WHIM"})],
    # contacts
    "industry_group_code_given": code_of(factories.IndustryGroupFactory),
    "contact_kind_known": [(factories.CompanyFactory, {"kind": "ROBOT"})],
    "contact_name_given": [(factories.CompanyFactory, {"name": ""})],
    "contact_number_given": [(factories.CompanyFactory, {"number": ""})],
    "contact_company_has_no_company": [
        (factories.CompanyFactory, lambda row: {"company": factories.CompanyFactory()})
    ],
    "contact_not_its_own_company": [(factories.PersonFactory, lambda row: {"company": row})],
    "contact_customer_number_and_date": [
        (factories.CompanyFactory, {"customer_number": "CU-7"}),
        (factories.CompanyFactory, {"customer_since": PAST}),
        (customer, {"customer_number": ""}),
        (customer, {"customer_since": None}),
    ],
    "contact_customer_number_unique": [
        (
            factories.CompanyFactory,
            lambda row: {"customer_number": customer().customer_number, "customer_since": PAST},
        )
    ],
    "contact_external_id_unique": [
        (
            factories.CompanyFactory,
            lambda row: {"external_id": factories.PersonFactory(external_id="X-1").external_id},
        )
    ],
    "contact_not_merged_into_itself": [(factories.CompanyFactory, lambda row: {"merged_into": row})],
    "contact_merge_of_two": [(factories.ContactMergeFactory, lambda row: {"merged": row.kept})],
    "contact_merge_undone_by_and_when": [
        (factories.ContactMergeFactory, lambda row: {"undone_by": factories.UserFactory()})
    ],
    # activities
    "interaction_kind_known": [(factories.InteractionFactory, {"kind": "SMOKE"})],
    "interaction_text_given": [(factories.InteractionFactory, {"text": ""})],
    "interaction_is_about_something": [(factories.InteractionFactory, {"contact": None})],
    "task_description_given": [(factories.TaskFactory, {"description": ""})],
    "task_kind_known": [(factories.TaskFactory, {"kind": "NAP"})],
    "task_priority_known": [(factories.TaskFactory, {"priority": "URGENT"})],
    "task_has_one_doer": [
        (factories.TaskFactory, {"salesperson": None}),
        (factories.TaskFactory, lambda row: {"team": factories.TeamFactory()}),
    ],
    "task_closed_by_somebody": [
        (factories.TaskFactory, {"status": "DONE"}),
        (factories.TaskFactory, lambda row: {"closed_by": factories.UserFactory()}),
        (closed_task, {"closed_at": None}),
        (closed_task, {"status": "OPEN"}),
        (factories.TaskFactory, {"status": "LATE"}),
    ],
    "task_time_zone_given": [(factories.TaskFactory, {"time_zone": ""})],
    "task_repeats_from_known": [(factories.TaskFactory, {"repeats_from": "WHIM"})],
    "task_series_has_a_beginning": [
        (factories.TaskFactory, {"repeats": "1W"}),
        (factories.TaskFactory, {"series_began_on": PAST}),
    ],
    "task_cancelled_by_change": [(closed_task, lambda row: {"cancelled_by": entry_of(new())})],
    "task_version_from_one": [(factories.TaskFactory, {"version": 0})],
    "email_state_known": [(factories.EmailFactory, {"state": "LOST", "text": ""})],
    "email_filed_with_interaction": [
        (factories.EmailFactory, lambda row: {"interaction": factories.InteractionFactory()})
    ],
    "email_text_until_filed": [(factories.EmailFactory, {"state": "FILED"})],
    "attachment_belongs_to_one": [
        (factories.AttachmentFactory, {"interaction": None}),
        (factories.AttachmentFactory, lambda row: {"email": factories.EmailFactory()}),
    ],
    "attachment_file_once": [
        (factories.AttachmentFactory, lambda row: {"file": factories.AttachmentFactory().file.name})
    ],
    "attachment_name_given": [(factories.AttachmentFactory, {"name": ""})],
    "calendar_feed_key_given": [(factories.CalendarFeedFactory, {"key_hash": ""})],
    "notice_sent_once": [
        (factories.NoticeFactory, lambda row: {"key": factories.NoticeFactory(user=row.user).key})
    ],
    "notice_key_given": [(factories.NoticeFactory, {"key": ""})],
    "activity_code_given": code_of(factories.ActivityFactory),
    "activity_step_position_unique": [
        (
            factories.ActivityStepFactory,
            lambda row: {"position": factories.ActivityStepFactory(activity=row.activity).position},
        )
    ],
    "activity_step_position_from_one": [(factories.ActivityStepFactory, {"position": 0})],
    "activity_step_kind_known": [(factories.ActivityStepFactory, {"kind": "NAP"})],
    "activity_step_priority_known": [(factories.ActivityStepFactory, {"priority": "URGENT"})],
    # sales cycles
    "cycle_code_given": code_of(factories.SalesCycleFactory),
    "cycle_method_known": [(factories.SalesCycleFactory, {"probability_method": "GUESS"})],
    "cycle_default_unique": [
        (factories.SalesCycleFactory, lambda row: {"is_default": default_cycle().is_default})
    ],
    "cycle_default_not_blocked": [(default_cycle, {"is_blocked": True})],
    "stage_position_unique": [
        (
            factories.SalesCycleStageFactory,
            lambda row: {"position": factories.SalesCycleStageFactory(cycle=row.cycle).position},
        )
    ],
    "stage_position_from_one": [(factories.SalesCycleStageFactory, {"position": 0})],
    "stage_description_given": [(factories.SalesCycleStageFactory, {"description": ""})],
    "stage_completed_0_to_100": [
        (factories.SalesCycleStageFactory, {"completed_percent": Decimal("-0.01")}),
        (factories.SalesCycleStageFactory, {"completed_percent": Decimal("100.01")}),
    ],
    "stage_chance_0_to_100": [
        (factories.SalesCycleStageFactory, {"chance_percent": Decimal("-0.01")}),
        (factories.SalesCycleStageFactory, {"chance_percent": Decimal("100.01")}),
    ],
    # salespeople
    "user_email_unique": [
        (factories.UserFactory, lambda row: {"email": factories.UserFactory().email.upper()})
    ],
    "user_email_given": [(factories.UserFactory, {"email": ""})],
    "team_code_given": code_of(factories.TeamFactory),
    "salesperson_code_given": code_of(factories.SalespersonFactory),
    "salesperson_name_given": [(factories.SalespersonFactory, {"name": ""})],
}
# A status that is none of the four is no closed and no open one either, so two laws speak, each database's first.
SPEAKS_FIRST = {
    "opportunity_status_known": "opportunity_closed_with_date_and_reason",
    "opportunityentry_status_known": "opportunityentry_closed_with_date_and_reason",
}
CONSTRAINTS = {
    constraint.name: (model, constraint) for model in MODELS for constraint in model._meta.constraints
}
CASES = [(name, make, change) for name, breaks in BREAKS.items() for make, change in breaks]


def test_every_constraint_is_broken_by_a_test():
    assert set(BREAKS) == set(CONSTRAINTS)


def name_in(error, constraint, model):
    """Whether an error of the database names the constraint, or where SQLite does not, its columns."""
    text = str(error)
    names = {constraint.name, SPEAKS_FIRST.get(constraint.name, constraint.name)}
    if (
        connection.vendor == "sqlite"
        and isinstance(constraint, models.UniqueConstraint)
        and constraint.fields
    ):
        columns = [model._meta.get_field(field).column for field in constraint.fields]
        return (
            f"UNIQUE constraint failed: {', '.join(f'{model._meta.db_table}.{c}' for c in columns)}" == text
        )
    return any(name in text.replace('"', " ").replace("'", " ").split() for name in names)


@pytest.mark.parametrize(
    ("name", "make", "change"), CASES, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(CASES)]
)
def test_law_is_kept_by_the_database_and_said_by_the_model(name, make, change):
    model, constraint = CONSTRAINTS[name]
    row = model._base_manager.get(pk=make().pk)
    change = change(row) if callable(change) else change

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        QuerySet.update(model._base_manager.filter(pk=row.pk), **change)

    assert name_in(refused.value, constraint, model), refused.value
    row.refresh_from_db()
    row.validate_constraints()  # it was valid
    for attribute, value in change.items():
        setattr(row, attribute, value)
    with pytest.raises(ValidationError) as said:
        row.validate_constraints()
    messages = [text for texts in said.value.message_dict.values() for text in texts]
    assert str(constraint.violation_error_message) in messages


# Columns that are unique by themselves ---------------------------------------------------------------------------

UNIQUE = [
    (model, field)
    for model in MODELS
    for field in model._meta.local_fields
    if field.unique and not field.primary_key
]
FACTORIES = {
    Activity: factories.ActivityFactory,
    CalendarFeed: factories.CalendarFeedFactory,
    Email: lambda: factories.EmailFactory(interaction=factories.InteractionFactory(), state="FILED", text=""),
    Task: lambda: factories.TaskFactory(
        closed=True, outcome=factories.InteractionFactory(), follows=factories.TaskFactory()
    ),
    CloseReason: factories.CloseReasonFactory,
    Contact: factories.CompanyFactory,
    IndustryGroup: factories.IndustryGroupFactory,
    Opportunity: factories.OpportunityFactory,
    SalesCycle: factories.SalesCycleFactory,
    Salesperson: lambda: factories.SalespersonFactory(user=factories.UserFactory()),
    Team: factories.TeamFactory,
    User: factories.UserFactory,
}


@pytest.mark.parametrize(
    ("model", "field"), UNIQUE, ids=[f"{model.__name__}.{field.name}" for model, field in UNIQUE]
)
def test_unique_column_takes_no_value_twice(model, field):
    first, second = FACTORIES[model](), FACTORIES[model]()
    taken = getattr(first, field.attname)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        QuerySet.update(model._base_manager.filter(pk=second.pk), **{field.attname: taken})

    assert field.column in str(refused.value)
    setattr(second, field.attname, taken)
    if field.name != "number":  # which is given, not typed
        with pytest.raises(ValidationError) as said:
            second.validate_unique()
        [message] = said.value.message_dict[field.name]
        assert not message.startswith(str(model._meta.verbose_name).capitalize())  # Django's own words


@pytest.mark.parametrize("code", ["north", "North ", "NORTH"])
def test_code_is_unique_whatever_its_case(code):
    factories.TeamFactory(code="North")

    with pytest.raises(IntegrityError), transaction.atomic():
        factories.TeamFactory(code=code)


# Rows that others point to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cycle", "stage", "contact", "company", "salesperson", "close_reason"])
def test_what_an_opportunity_names_cannot_be_deleted(name):
    opportunity = factories.won_opportunity(
        contact=factories.PersonFactory(company=factories.CompanyFactory())
    )
    named = getattr(opportunity, name)

    with pytest.raises(models.ProtectedError):
        named.delete()

    assert type(named).objects.filter(pk=named.pk).exists() if hasattr(type(named), "objects") else True
    assert opportunity.entries.count() == 3


def test_who_recorded_an_entry_cannot_be_deleted():
    opportunity = factories.OpportunityFactory()

    with pytest.raises(models.ProtectedError):
        opportunity.entries.get().recorded_by.delete()


def test_stage_that_only_the_history_names_cannot_be_deleted():
    from opportunities import operations

    opportunity = factories.OpportunityFactory(started=True)
    stage = opportunity.stage
    operations.move(
        opportunity=opportunity,
        to=opportunity.cycle.stages.get(position=20),
        by=factories.UserFactory(),
        on=opportunity.changed_on,
    )

    with pytest.raises(models.ProtectedError):
        stage.delete()
    with pytest.raises(models.ProtectedError):
        opportunity.cycle.delete()


def test_stage_that_nothing_names_goes_with_its_cycle():
    cycle = factories.cycle_with_stages("Qualify", "Present")

    cycle.delete()

    assert not SalesCycleStage.objects.exists()


def test_what_the_whole_model_says_reaches_the_person():
    row = factories.CompanyFactory()
    row.company = factories.CompanyFactory()

    with pytest.raises(ValidationError) as said:
        row.full_clean()

    assert said.value.message_dict[NON_FIELD_ERRORS] == [
        "A company cannot belong to another company. Make it a person, or leave the company out."
    ]


def test_fields_of_the_database_are_those_of_the_models():
    """The entry is a full copy: every fact of the opportunity is one of the entry, of the same kind."""
    from opportunities.models import FACTS as NAMES

    for name in NAMES:
        ours, theirs = (
            next(field for field in model._meta.concrete_fields if field.attname == name)
            for model in (Opportunity, OpportunityEntry)
        )
        assert ours.deconstruct()[1:] == theirs.deconstruct()[1:]
    assert isinstance(ActivityStep._meta.get_field("position"), models.PositiveIntegerField)
