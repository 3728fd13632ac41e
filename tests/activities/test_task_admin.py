"""Tasks in the admin: to read only."""

import pytest
from django.test import Client
from django.urls import reverse

from activities.models import Task
from salespeople.models import Role
from tests.factories import TaskFactory, UserFactory, user_with_role

LIST = reverse("admin:activities_task_changelist")

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["superuser", "manager"])
def client(request):
    client = Client()
    superuser = request.param == "superuser"
    client.force_login(
        UserFactory(is_superuser=True, is_staff=True) if superuser else user_with_role(Role.SALES_MANAGER)
    )
    return client


def test_tasks_are_found_and_read(client):
    task = TaskFactory(description="Call about the crane")
    TaskFactory(description="Another")

    found = client.get(LIST, {"q": "crane"}).content.decode()
    page = client.get(reverse("admin:activities_task_change", args=[task.pk]))

    assert "Call about the crane" in found
    assert "Another" not in found
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


def test_nobody_writes_them_past_the_operations(client):
    task = TaskFactory()

    assert client.get(reverse("admin:activities_task_add")).status_code == 403
    assert (
        client.post(reverse("admin:activities_task_change", args=[task.pk]), {"description": "x"}).status_code
        == 403
    )
    assert (
        client.post(reverse("admin:activities_task_delete", args=[task.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert Task.objects.get().version == 1


@pytest.mark.parametrize("many", [1, 30])
def test_list_is_read_in_few_queries(client, many, django_assert_max_num_queries):
    for _number in range(many):
        TaskFactory()

    with django_assert_max_num_queries(12):
        client.get(LIST)
