"""Rules that hold for every model, address, module and template, found by looking for them."""

import ast
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
from django.urls import URLPattern, URLResolver, get_resolver

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


def parents(tree):
    """Each node of a module's syntax tree with the names of the functions and classes around it."""

    def walk(node, names):
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            yield child, inner
            yield from walk(child, inner)

    yield from walk(tree, ())


PAST_THE_GUARD = re.compile(
    r"\b(?:models\.)?(?:Model\.(?:save|delete|save_base|asave|adelete)"
    r"|QuerySet\.(?:update|delete|create|bulk_create|bulk_update|get_or_create|update_or_create))\b"
    r"|\b(?:save_base|_raw_delete|_update|_insert|_do_update|_do_insert)\("
)
WRITES_SQL = re.compile(
    r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\b[^\n]*opportunities_opportunity", re.IGNORECASE
)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_the_operations_go_past_the_guard(path):
    if path == ROOT / "opportunities" / "operations.py":
        return
    text = path.read_text()

    assert PAST_THE_GUARD.findall(text) == []
    assert WRITES_SQL.findall(text) == []


ROWS_OF_THE_LEDGER = re.compile(
    r"^(opportunity|opportunities|entry|entries|newest|current|Opportunity|OpportunityEntry)$"
)
WRITE_METHODS = {*WRITES_OF_A_SET, "save", "asave", "bulk_create"}


TASKS = re.compile(r"^(task|tasks|following|Task)$")
WRITERS_OF_TASKS = {
    ROOT / "activities" / "operations.py",
    ROOT / "opportunities" / "demo" / "build.py",  # what was done long ago, as no operation would write it
}


def writes(code, rows):
    """Best effort, by the names things go by: ``opportunity.save()``, ``Opportunity.objects.update()`` and the like."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        chain = ast.unparse(node.func).split(".")
        if node.func.attr in WRITE_METHODS and rows.match(chain[0].split("(")[0]):
            found.append(f"line {node.lineno}: {ast.unparse(node)[:80]}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nobody_else_writes_opportunities_or_entries(path):
    if path == ROOT / "opportunities" / "operations.py":
        return

    # operations.create() is no write of a row; a name such as ``opportunity`` never stands for that module
    assert writes(path.read_text(), ROWS_OF_THE_LEDGER) == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nobody_else_writes_tasks(path):
    if path in WRITERS_OF_TASKS:
        return

    assert writes(path.read_text(), TASKS) == []


def test_the_search_for_writers_finds_one():
    guilty = ["QuerySet.update(rows, status='WON')", "models.Model.save(opportunity)", "row.save_base()"]

    assert all(PAST_THE_GUARD.search(text) for text in guilty)
    assert WRITES_SQL.search('cursor.execute("update opportunities_opportunity set version = 7")')
    assert not PAST_THE_GUARD.search("class ContactQuerySet(models.QuerySet): def update_all(self)")
    assert writes("Task.objects.filter(pk=1).update(team=None); task.save()", TASKS)
    assert not writes("tasks.in_state(rows); operations.create_task(facts=facts)", TASKS)


# Addresses -------------------------------------------------------------------------------------------------------

PUBLIC = {
    "sign-in",
    "admin:login",
    "admin:jsi18n",  # the texts of the admin's scripts are no secret
    "activities:calendar-feed",  # whoever knows the secret address reads it
    "activities:unsubscribe",  # a signed link stops one kind of e-mail
}
SAMPLES = {
    r"(?<!P)<(?:int:)?\w+>": "1",
    r"<(?:path|str|slug):\w+>": "1",
    r"\^?\(\?P<app_label>[^)]*\)/\$": "contacts/",
    r"\(\?P<url>\.\*\)\$": "anything/",
}


def addresses(patterns=None, prefix="/", namespaces=()):
    """(name, address, view) of everything that answers, below every include."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from addresses(pattern.url_patterns, route, inner)
        elif isinstance(pattern, URLPattern):
            for written, sample in SAMPLES.items():
                route = re.sub(written, sample, route)
            yield ":".join([*namespaces, pattern.name or "(no name)"]), route, pattern.callback


ADDRESSES = list(addresses())


def test_addresses_are_found_and_can_be_asked_for():
    names = {name for name, _address, _view in ADDRESSES}

    assert {"home", "sign-in", "opportunities:move", "contacts:detail", "admin:index"} <= names
    assert len(ADDRESSES) > 100
    assert [address for _name, address, _view in ADDRESSES if re.search(r"[<>()^$?]", address)] == []


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "head", "put", "delete"])
def test_every_address_demands_a_sign_in(client, method):
    open_doors = set()
    for name, address, _view in ADDRESSES:
        response = getattr(client, method)(address)
        to = response.get("Location", "")
        if response.status_code != 302 or not to.startswith(("/sign-in/", "/admin/login/")):
            open_doors.add(name)

    assert open_doors <= PUBLIC


def test_views_open_to_everybody_are_named_here():
    marked = {name for name, _address, view in ADDRESSES if not getattr(view, "login_required", True)}

    assert marked <= PUBLIC
    assert {name for name in marked if not name.startswith("admin:")} == {
        "sign-in",
        "activities:calendar-feed",
        "activities:unsubscribe",
    }


def test_names_of_addresses_are_kebab_case_and_unique():
    own = [name for name, _address, _view in ADDRESSES if not name.startswith("admin:")]

    assert len(own) == len(set(own))
    assert [name for name in own if not re.fullmatch(r"(?:[a-z]+:)?[a-z]+(?:-[a-z]+)*", name)] == []


# Templates -------------------------------------------------------------------------------------------------------

FORBIDDEN = {
    "a style attribute": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "a script without a file": r"<script(?![^>]*\ssrc=)[^>]*>",
    "an event attribute": r"<[a-z][^<>]*\son[a-z]+\s*=",
    "htmx's event attribute": r"\shx-on",
    "a javascript: address": r"javascript:",
    "a file from elsewhere": r"""(?:src|href|srcset|action)\s*=\s*["']?(?:https?:)?//""",
    "an import in CSS": r"@import",
    "text that is not escaped": r"\|\s*safe\b|{%\s*autoescape\s+off|\|\s*safeseq\b",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_template_keeps_the_content_security_policy(path):
    text = re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", path.read_text(), flags=re.DOTALL)

    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ('<p style="color: red">', "a style attribute"),
        ("<script>alert(1)</script>", "a script without a file"),
        ('<button type="button" onclick="x()">', "an event attribute"),
        ('<script src="https://cdn.example.com/x.js"></script>', "a file from elsewhere"),
        ('<link href="//cdn.example.com/x.css">', "a file from elsewhere"),
        ("{{ note|safe }}", "text that is not escaped"),
    ],
)
def test_the_search_in_templates_finds_it(html, what):
    assert re.search(FORBIDDEN[what], html, re.IGNORECASE)


@pytest.mark.parametrize(
    "path", [*(ROOT / "static").rglob("*.js"), *(ROOT / "static").rglob("*.css")], ids=relative
)
def test_static_file_asks_nobody_else(path):
    text = re.sub(r"http://www\.w3\.org/\S+", "", path.read_text())

    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}/\S*", text) == []
    assert re.findall(r"\beval\(|new Function\(|innerHTML\s*=|document\.write\(", text) == []


FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL | re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_form_that_changes_something_carries_the_token(path):
    for form in FORM.findall(path.read_text()):
        if re.search(r'method="post"', form.split(">")[0], re.IGNORECASE):
            assert "{% csrf_token %}" in form, form[:120]


# Code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_today_has_one_source(path):
    if path == ROOT / "crm" / "dates.py":
        return
    found = re.findall(
        r"\bdate\.today\(|\bdatetime\.(?:now|today|utcnow)\(|\blocaldate\(\)", path.read_text()
    )

    assert found == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_public_function_has_a_docstring(path):
    missing = []
    for node, names in parents(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        is_inner = len(names) > 1
        if is_inner or node.name.startswith("_") or node.name in ("Meta", "Command"):
            continue
        if not ast.get_docstring(node):
            missing.append(node.name)

    assert missing == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_what_a_subclass_must_say_is_abstract(path):
    assert "raise NotImplementedError" not in path.read_text()


def test_no_module_is_a_drawer_for_everything():
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}

    assert names & {"utils", "services", "helpers", "common", "misc"} == set()


def test_views_take_no_whole_table():
    """Best effort: lists in views are bounded, so no ``.all()`` is turned into a list or drawn as it is."""
    for path in MODULES:
        if "views" in path.parts or path.stem == "views":
            text = path.read_text()
            assert re.findall(r"list\(\s*\w+\.objects\.all\(\)\s*\)", text) == [], relative(path)
            assert re.findall(r'"\w+":\s*\w+\.objects\.all\(\)\s*[,}]', text) == [], relative(path)
