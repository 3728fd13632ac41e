"""What somebody prefers: kept, obeyed by every page, and refused at the field when it makes no sense."""

import pytest
from django.urls import reverse

from salespeople.models import Density, StartPage, Theme, User
from tests.factories import UserFactory

PREFERENCES = reverse("salespeople:preferences")
PASSWORD_CHANGE = reverse("password-change")  # a page that everybody may see
TYPED = {
    "name": "Ann Peeters",
    "time_zone": "Europe/Brussels",
    "language": "en-gb",
    "theme": "AUTO",
    "density": "COMFORTABLE",
    "start_page": "TODAY",
    "allows_shortcuts": "on",
    "gets_reminders": "on",
    "reminded_before": "30",
    "gets_digest": "on",
}


@pytest.fixture
def user(client, db):
    user = UserFactory(name="Ann")
    client.force_login(user)
    return user


def root(client):
    """The opening tag of any page."""
    return client.get(PASSWORD_CHANGE).content.decode().partition("<html")[2].partition(">")[0]


def test_all_is_kept(client, user):
    response = client.post(
        PREFERENCES,
        {
            **TYPED,
            "theme": "DARK",
            "density": "COMPACT",
            "start_page": "OPPORTUNITIES",
            "allows_shortcuts": "",
        },
        follow=True,
    )

    user.refresh_from_db()
    assert (user.name, user.theme, user.density, user.start_page, user.allows_shortcuts) == (
        "Ann Peeters",
        Theme.DARK,
        Density.COMPACT,
        StartPage.OPPORTUNITIES,
        False,
    )
    assert "Saved your preferences." in response.content.decode()


def test_e_mail_is_chosen(client, user):
    assert (user.gets_reminders, user.reminded_before, user.gets_digest) == (True, 30, True)

    client.post(PREFERENCES, {**TYPED, "gets_reminders": "", "reminded_before": "1440", "gets_digest": ""})

    user.refresh_from_db()
    assert (user.gets_reminders, user.reminded_before, user.gets_digest) == (False, 1440, False)


def test_compact_rows_are_said_to_every_page(client, user):
    assert "data-density" not in root(client)

    client.post(PREFERENCES, {**TYPED, "density": "COMPACT"})

    assert 'data-density="compact"' in root(client)


def test_single_keys_off_is_said_to_every_page(client, user):
    assert "data-keys" not in root(client)

    client.post(PREFERENCES, {**TYPED, "allows_shortcuts": ""})

    assert 'data-keys="off"' in root(client)


def test_who_is_not_signed_in_has_no_preferences(client, db):
    html = client.get(reverse("sign-in")).content.decode()

    assert "data-density" not in html
    assert "data-keys=" not in html


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 101),
        ("name", "\0"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("language", "tlh"),
        ("theme", "PINK"),
        ("density", "SOLID"),
        ("density", ""),
        ("start_page", "MOON"),
        ("start_page", "/admin/"),
        ("start_page", ""),
        ("start_page", "x" * 10_000),
        ("reminded_before", ""),
        ("reminded_before", "31"),
        ("reminded_before", "-30"),
        ("reminded_before", "9" * 400),
        ("reminded_before", "\0"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(client, user, field, value):
    before = User.objects.values().get(pk=user.pk)

    response = client.post(PREFERENCES, {**TYPED, "density": "COMPACT", field: value})

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert User.objects.values().get(pk=user.pk) == before


def test_nothing_typed_is_lost_in_a_refusal(client, user):
    response = client.post(PREFERENCES, {**TYPED, "start_page": "MOON", "density": "COMPACT"})

    html = response.content.decode()
    assert 'value="Ann Peeters"' in html
    assert '<option value="COMPACT" selected>' in html


def test_nobody_changes_more_than_their_preferences(client, user):
    client.post(
        PREFERENCES,
        {
            **TYPED,
            "is_superuser": "on",
            "is_staff": "on",
            "email": "other@example.com",
            "changes_seen_at": "2030-01-01",
        },
    )

    address = user.email
    user.refresh_from_db()
    assert (user.name, user.is_superuser, user.is_staff, user.email, user.changes_seen_at) == (
        "Ann Peeters",
        False,
        False,
        address,
        None,
    )


def test_the_default_view_is_chosen_where_the_views_are_kept(client, user):
    html = client.get(PREFERENCES).content.decode()

    assert f'href="{reverse("opportunities:view-list")}"' in html


def test_preferences_cost_little(client, user, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        response = client.get(PREFERENCES)

    assert response.status_code == 200
