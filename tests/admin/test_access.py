"""Every page of the admin, opened by everybody."""

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from activities.models import Activity, Task
from contacts.models import Contact, IndustryGroup
from opportunities.models import CloseReason, Opportunity, OpportunityEntry
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team, User
from tests.factories import (
    ActivityFactory,
    CloseReasonFactory,
    CompanyFactory,
    IndustryGroupFactory,
    OpportunityFactory,
    SalesCycleFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

WORKED_ON = {
    Activity: ActivityFactory,
    CloseReason: CloseReasonFactory,
    Contact: CompanyFactory,
    IndustryGroup: IndustryGroupFactory,
    SalesCycle: SalesCycleFactory,
    Salesperson: SalespersonFactory,
    Team: TeamFactory,
    User: UserFactory,
}
FACTORIES = {**WORKED_ON, Opportunity: OpportunityFactory}
MODELS = pytest.mark.parametrize("model", FACTORIES, ids=lambda model: model._meta.model_name)


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def statuses(client, model):
    """What the list, the form for a new one, and the pages of one row answer."""
    row = FACTORIES[model]()
    pages = {
        "changelist": (),
        "add": (),
        "change": (row.pk,),
        "delete": (row.pk,),
        "history": (row.pk,),
    }
    return {page: client.get(url(model, page, *args)).status_code for page, args in pages.items()}


ALL = {"changelist": 200, "add": 200, "change": 200, "delete": 200, "history": 200}
NONE = dict.fromkeys(ALL, 403)
EXCEPT = {Opportunity: {"add": 403}, User: {"delete": 403}}


@MODELS
@pytest.mark.parametrize("name", ["superuser", "manager"])
def test_tables_open_for_superusers_and_managers(client_of, name, model):
    assert statuses(client_of(name), model) == {**ALL, **EXCEPT.get(model, {})}


@MODELS
@pytest.mark.parametrize("name", ["salesperson", "viewer", "staff"])
def test_tables_are_closed_for_everybody_else(client_of, name, model):
    answers = statuses(client_of(name), model)

    if (
        name == "staff" and answers["history"] == 302
    ):  # of a row that they do not see, they hear that it is not there
        answers["history"] = 403
    assert answers == NONE


@MODELS
def test_tables_ask_a_stranger_to_sign_in(client_of, model):
    client, page = client_of("anonymous"), url(model, "changelist")

    response = client.get(page, follow=True)

    assert response.redirect_chain[-1] == (f"{reverse('sign-in')}?next={page}", 302)
    assert set(statuses(client, model).values()) == {302}


@pytest.mark.parametrize(
    ("name", "status"),
    [("superuser", 200), ("manager", 200), ("staff", 200), ("salesperson", 403), ("viewer", 403)],
)
def test_index_opens_for_whoever_may_enter(client_of, name, status):
    assert client_of(name).get(reverse("admin:index")).status_code == status


def models_on_index(client):
    apps = client.get(reverse("admin:index")).context["app_list"]
    return {model["model"] for app in apps for model in app["models"]}


def test_index_shows_a_manager_the_tables_of_the_trade(manager):
    assert models_on_index(manager) == {*FACTORIES, Task}


def test_index_shows_a_superuser_also_what_installed_apps_bring(superuser):
    assert models_on_index(superuser) > {*FACTORIES, AccessAttempt}


def test_what_an_installed_app_refuses_stays_refused(superuser):
    assert superuser.get(reverse("admin:axes_accessattempt_changelist")).status_code == 200
    assert superuser.get(reverse("admin:axes_accessattempt_add")).status_code == 403


def test_index_shows_staff_without_a_role_nothing(client_of):
    client = client_of("staff")
    client.user.user_permissions.set(Permission.objects.all())

    assert models_on_index(client) == set()


def test_permission_rows_open_nothing(client_of):
    client = client_of("staff")
    client.user.user_permissions.set(Permission.objects.all())

    assert client.get(reverse("admin:axes_accessattempt_changelist")).status_code == 403
    assert client.get(url(Contact, "changelist")).status_code == 403


def test_permission_rows_close_nothing_to_a_manager(manager):
    assert not manager.user.get_all_permissions()

    assert manager.get(url(Contact, "add")).status_code == 200


def test_manager_does_not_see_the_sign_in_attempts(manager):
    assert manager.get(reverse("admin:axes_accessattempt_changelist")).status_code == 403


def test_manager_who_may_no_longer_sign_in_is_out(manager):
    User.objects.filter(pk=manager.user.pk).update(is_active=False)

    assert manager.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize("model", [Group, Permission, OpportunityEntry, SalesCycleStage])
def test_tables_without_a_page_of_their_own(model):
    assert not admin.site.is_registered(model)


@pytest.mark.parametrize("method", ["get", "post"])
def test_sign_in_page_is_the_one_of_the_site(client, method):
    response = getattr(client, method)(reverse("admin:login"), {"username": "a", "password": "b"})

    assert response.status_code == 302
    assert response.url == f"{reverse('sign-in')}?next={reverse('admin:index')}"


def test_sign_in_page_keeps_where_one_wanted_to_go(client):
    wanted = f"{url(Contact, 'changelist')}?kind__exact=PERSON"

    response = client.get(reverse("admin:login"), {"next": wanted})

    assert response.url.startswith(f"{reverse('sign-in')}?next=/admin/contacts/contact/%3Fkind__exact")


def test_sign_in_page_sends_who_is_signed_in_to_the_index(manager):
    assert manager.get(reverse("admin:login")).url == reverse("admin:index")


def test_sign_in_page_refuses_who_is_signed_in_without_the_right(client_of):
    assert client_of("viewer").get(reverse("admin:login")).status_code == 403


def test_signing_out_ends_on_the_sign_in_page(manager):
    response = manager.post(reverse("admin:logout"))

    assert response.url == reverse("sign-in")
    assert "_auth_user_id" not in manager.session


def test_password_is_changed_on_the_site(manager):
    assert manager.get(reverse("admin:password_change")).url == reverse("password-change")


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "p=abc",
        "p=99999999999999999999999",
        "o=99999.1",
        "e=1",
        "all=",
        "nonsense=1",
        "salesperson__id__exact=99999999999999999999999",
        "salesperson__id__exact=abc",
        "cycle__id__exact=%00",
        "stage__id__exact=-1",
        "status__exact=%00",
        "status__exact=NONE",
        "created_on__year=99999999999999999999",
        "created_on__year=9999",
        "created_on__year=2026&created_on__month=13",
        "created_on__year=2026&created_on__month=2&created_on__day=abc",
        "created_on__year=0",
        "contact__name__startswith=A",
        "contact__salesperson__user__password__startswith=a",
    ],
)
def test_list_survives_a_nonsense_address(superuser, query):
    OpportunityFactory()

    response = superuser.get(f"{url(Opportunity, 'changelist')}?{query}")

    if query.startswith("contact__"):  # nobody asks around through relations
        assert response.status_code == 400
    elif response.status_code == 302:
        assert response["Location"] == f"{url(Opportunity, 'changelist')}?e=1"
    else:
        is_none = query.startswith(("stage", "status"))
        assert len(response.context["cl"].result_list) == (0 if is_none else 1)


@pytest.mark.parametrize("key", ["99999999999999999999999", "abc", "0", "%00", "_5F"])
@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_page_of_an_unknown_row_leads_back(superuser, key, page):
    response = superuser.get(f"/admin/opportunities/opportunity/{key}/{page}/")

    assert (response.status_code, response.get("Location")) == (302, reverse("admin:index"))


@pytest.mark.parametrize("key", ["99999999999999999999999", "abc", "", "-1", "\x00"])
def test_action_on_an_unknown_row_changes_nothing(superuser, key):
    OpportunityFactory()

    for action in ("reassign", "delete_finished"):
        response = superuser.post(
            url(Opportunity, "changelist"), {"action": action, "_selected_action": key, "index": 0}
        )
        assert response.status_code in (200, 302)
    assert Opportunity.objects.count() == 1


@pytest.mark.parametrize("value", [str(10**30), "abc", "\x00", "-1"])
def test_forms_survive_keys_that_no_row_can_have(superuser, value):
    before = User.objects.count()

    for path, data in [
        (url(Contact, "add"), {"kind": "COMPANY", "name": "Acme", "industry_groups": [value]}),
        (url(Contact, "add"), {"kind": "PERSON", "name": "Ann", "company": value}),
        (url(User, "add"), {"email": "a@example.com", "usable_password": "false", "groups": [value]}),
        (url(Salesperson, "add"), {"code": "A", "name": "Ann", "team": value}),
    ]:
        assert superuser.post(path, data).status_code == 200
    assert (Contact.objects.count(), User.objects.count(), Salesperson.objects.count()) == (0, before, 0)
