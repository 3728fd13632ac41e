"""Merged contacts in the admin: marked, readable, and offered nowhere."""

import pytest
from django.urls import reverse

from contacts.operations import merge
from tests.factories import CompanyFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(client):
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    kept, merged = CompanyFactory(name="Acme"), CompanyFactory(name="Acme NV")
    merge(kept=kept, merged=merged, chosen={}, by=UserFactory())
    return kept, merged


def test_a_merged_contact_is_marked_and_only_read(client, pair):
    kept, merged = pair
    listed = client.get(reverse("admin:contacts_contact_changelist")).content.decode()
    url = reverse("admin:contacts_contact_change", args=[merged.pk])

    page = client.get(url).content.decode()

    assert f">{kept.label}</a>" in listed
    assert f">{kept.label}</a>" in page
    assert 'name="_save"' not in page
    assert client.post(url, {"name": "Other"}).status_code == 403
    assert client.post(reverse("admin:contacts_contact_delete", args=[merged.pk])).status_code == 403


def test_a_merged_contact_is_not_offered_as_a_company(client, pair):
    kept, _merged = pair
    asked = {"app_label": "contacts", "model_name": "contact", "field_name": "company", "term": "Acme"}

    answer = client.get(reverse("admin:autocomplete"), asked).json()

    assert [row["id"] for row in answer["results"]] == [str(kept.pk)]
