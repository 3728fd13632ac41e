"""Rules that hold for every model, address, module and template, found by looking for them."""

import inspect
import re
from pathlib import Path

import factory
import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models, transaction

from opportunities.models import OnlyThroughOperations, Opportunity, OpportunityEntry
from tests import factories
from tests.factories import OpportunityFactory

ROOT = Path(settings.BASE_DIR)
APPS = ("crm", "salespeople", "contacts", "activities", "salescycles", "opportunities")
MODELS = [model for model in apps.get_models() if model._meta.app_label in APPS]
CONSTRAINTS = [(model, constraint) for model in MODELS for constraint in model._meta.constraints]
MODULES = [
    path
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in path.parts and "__pycache__" not in path.parts
]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def relative(path):
    return str(path.relative_to(ROOT))


# Models ----------------------------------------------------------------------------------------------------------


def factories_by_model():
    found = {}
    for _name, made in inspect.getmembers(factories, inspect.isclass):
        if issubclass(made, factory.Factory) and made.__module__ == factories.__name__:
            found.setdefault(made._meta.model, []).append(made)
    return found


# Rows that are written by others: the counter by numbering, the entry by operations.
WITHOUT_FACTORY = {"NumberSeries", "OpportunityEntry"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_has_a_factory_a_docstring_and_a_name(model):
    if model.__name__ not in WITHOUT_FACTORY:
        assert model in factories_by_model()
    assert model.__doc__
    assert not model.__doc__.startswith(f"{model.__name__}(")  # what Django writes where there is none
    assert model.__str__ is not models.Model.__str__
    assert str(model._meta.verbose_name) == str(model._meta.verbose_name).lower()


@pytest.mark.parametrize(
    ("model", "constraint"), CONSTRAINTS, ids=[constraint.name for _model, constraint in CONSTRAINTS]
)
def test_constraint_has_a_name_of_its_own_and_a_message_for_people(model, constraint):
    assert [other.name for _model, other in CONSTRAINTS].count(constraint.name) == 1
    assert len(constraint.name) <= 63  # PostgreSQL cuts longer names
    message = str(constraint.violation_error_message)
    assert message != str(models.BaseConstraint.default_violation_error_message)
    assert constraint.name not in message
    assert re.fullmatch(r"[A-Z].*[.]", message)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_relation_says_its_reverse_name(model):
    for field in model._meta.get_fields():
        if field.is_relation and field.concrete and field.model is model:
            assert field.remote_field.related_name, f"{model.__name__}.{field.name}"


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


# The one door ----------------------------------------------------------------------------------------------------

GUARDED = (Opportunity, OpportunityEntry)
WRITES_OF_A_SET = (
    "create",
    "acreate",
    "bulk_create",
    "abulk_create",
    "bulk_update",
    "abulk_update",
    "get_or_create",
    "aget_or_create",
    "update_or_create",
    "aupdate_or_create",
    "update",
    "aupdate",
    "delete",
    "adelete",
)
ARGUMENTS = {
    **dict.fromkeys(["create", "acreate", "get_or_create", "aget_or_create"], ((), {"status": "WON"})),
    **dict.fromkeys(["update_or_create", "aupdate_or_create"], ((), {"defaults": {"status": "WON"}})),
    **dict.fromkeys(["bulk_create", "abulk_create"], (([],), {})),
    **dict.fromkeys(["bulk_update", "abulk_update"], (([], ["status"]), {})),
    **dict.fromkeys(["update", "aupdate"], ((), {"status": "WON"})),
    **dict.fromkeys(["delete", "adelete"], ((), {})),
}


def attempt(write, *args, **kwargs):
    """Call a write method, and wait for it if it is asynchronous."""

    async def finish(awaitable):
        return await awaitable

    result = write(*args, **kwargs)
    return async_to_sync(finish)(result) if inspect.isawaitable(result) else result


def test_every_write_method_of_django_is_known_here():
    names = {
        name
        for name, method in inspect.getmembers(models.QuerySet, inspect.isfunction)
        if not name.startswith("_") and re.search("create|update|delete", name)
    }

    assert names - {"select_for_update"} == set(WRITES_OF_A_SET)


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITES_OF_A_SET)
@pytest.mark.parametrize("model", GUARDED, ids=lambda model: model.__name__)
def test_set_refuses_to_write(model, write):
    opportunity = OpportunityFactory()
    args, kwargs = ARGUMENTS[write]
    sets = [
        model.objects,
        model.objects.all(),
        model.objects.filter(pk=1),
        model._default_manager,
        model._base_manager,
        model._base_manager.all(),
    ]
    if model is OpportunityEntry:
        sets.append(opportunity.entries)

    for rows in sets:
        if isinstance(rows, models.Manager) and not hasattr(rows, write):
            assert write in ("delete", "adelete")  # managers of Django have no such method
            continue
        with pytest.raises(OnlyThroughOperations):
            attempt(getattr(rows, write), *args, **kwargs)

    assert Opportunity.objects.get().version == 1
    assert OpportunityEntry.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("write", ["save", "asave", "delete", "adelete"])
@pytest.mark.parametrize("model", GUARDED, ids=lambda model: model.__name__)
def test_row_refuses_to_be_written(model, write):
    OpportunityFactory()
    row = model.objects.get()

    with pytest.raises(OnlyThroughOperations):
        attempt(getattr(row, write))

    assert model.objects.count() == 1


@pytest.mark.django_db
def test_entry_cannot_be_added_to_another_opportunity():
    first, second = OpportunityFactory(), OpportunityFactory()
    entry = first.entries.get()

    writes = [
        lambda: second.entries.add(entry),
        lambda: second.entries.add(entry, bulk=False),
        lambda: second.entries.set([entry]),
        lambda: second.entries.set([entry], bulk=False),
    ]
    for write in writes:
        with pytest.raises(OnlyThroughOperations), transaction.atomic():
            write()

    assert first.entries.count() == second.entries.count() == 1
