"""Sign-ins: what a sales manager may do with them, and everything that must not work."""

import pytest
from django.contrib.auth.models import Group

from salespeople.models import Role, Salesperson, User, group_of
from tests.factories import SalespersonFactory, UserFactory, user_with_role

pytestmark = pytest.mark.django_db

CHANGELIST = "/admin/salespeople/user/"


def change_url(user):
    return f"{CHANGELIST}{user.pk}/change/"


def password_url(user):
    return f"{CHANGELIST}{user.pk}/password/"


def posted(user, **changes):
    """What the form of a user sends."""
    return {
        "email": user.email,
        "name": user.name,
        "time_zone": user.time_zone,
        "language": user.language,
        "theme": user.theme,
        "is_active": "on",
        "groups": [group.pk for group in user.groups.all()],
        **changes,
    }


NEW_PASSWORD = {"password1": "a-Long-one-42", "password2": "a-Long-one-42", "usable_password": "true"}


# What works


def test_manager_changes_a_salesperson(manager):
    user = user_with_role(Role.SALESPERSON)

    response = manager.post(
        change_url(user), posted(user, name="Sofie Claes", groups=[group_of(Role.VIEWER).pk])
    )

    assert response.status_code == 302
    user = User.objects.get(pk=user.pk)
    assert (user.name, user.role_names) == ("Sofie Claes", {"Viewer"})


def test_manager_closes_a_sign_in(manager):
    user = user_with_role(Role.SALESPERSON)
    data = posted(user)
    del data["is_active"]

    manager.post(change_url(user), data)

    user.refresh_from_db()
    assert not user.is_active


def test_manager_adds_a_viewer_with_a_password(manager):
    data = {"email": "New@Example.com", "name": "New", "groups": [group_of(Role.VIEWER).pk], **NEW_PASSWORD}

    response = manager.post(f"{CHANGELIST}add/", data)

    user = User.objects.get(email="new@example.com")
    assert response.url == change_url(user)
    assert user.role_names == {"Viewer"}
    assert user.check_password("a-Long-one-42")
    assert not user.is_staff
    assert not user.is_superuser


def test_manager_adds_a_sign_in_without_a_password(manager):
    manager.post(f"{CHANGELIST}add/", {"email": "new@example.com", "usable_password": "false"})

    assert not User.objects.get(email="new@example.com").has_usable_password()


def test_adding_an_address_that_is_there_in_other_letters_is_refused(manager):
    UserFactory(email="ann@example.com")

    response = manager.post(f"{CHANGELIST}add/", {"email": "Ann@Example.com", **NEW_PASSWORD})

    assert "Somebody signs in with this e-mail address already." in response.text


def test_adding_asks_for_a_password_that_is_not_common(manager):
    response = manager.post(
        f"{CHANGELIST}add/",
        {"email": "new@example.com", **NEW_PASSWORD, "password1": "password12", "password2": "password12"},
    )

    assert response.context["adminform"].form.errors["password2"] == ["This password is too common."]


def test_manager_sets_the_password_of_a_salesperson(manager):
    user = user_with_role(Role.SALESPERSON)

    response = manager.post(password_url(user), {**NEW_PASSWORD, "set-password": "1"})

    assert response.url == change_url(user)
    user.refresh_from_db()
    assert user.check_password("a-Long-one-42")


def test_superuser_gives_every_right(superuser):
    user = user_with_role(Role.SALESPERSON)

    superuser.post(
        change_url(user),
        posted(user, is_staff="on", is_superuser="on", groups=[group_of(Role.SALES_MANAGER).pk]),
    )

    user = User.objects.get(pk=user.pk)
    assert (user.is_staff, user.is_superuser, user.role_names) == (True, True, {"Sales manager"})


def test_superuser_keeps_a_group_that_kansen_does_not_know(superuser):
    user = UserFactory()
    user.groups.add(Group.objects.create(name="Choir"))

    superuser.post(change_url(user), posted(user, name="Other"))

    assert User.objects.get(pk=user.pk).role_names == {"Choir"}


def test_superuser_sets_the_password_of_a_manager(superuser):
    user = user_with_role(Role.SALES_MANAGER)

    assert superuser.post(password_url(user), {**NEW_PASSWORD, "set-password": "1"}).status_code == 302
    assert User.objects.get(pk=user.pk).check_password(NEW_PASSWORD["password1"])


def test_time_zones_are_chosen_from_a_list(manager):
    user = user_with_role(Role.SALESPERSON)

    response = manager.post(change_url(user), posted(user, time_zone="Mars/Olympus"))

    assert "time_zone" in response.context["adminform"].form.errors


# What must not


def test_manager_does_not_see_superusers(manager):
    root = UserFactory(is_superuser=True, email="root@example.com")

    assert "root@example.com" not in manager.get(CHANGELIST).text
    assert "root@example.com" not in manager.get(f"{CHANGELIST}?is_superuser__exact=1").text
    for url in (change_url(root), f"{CHANGELIST}{root.pk}/history/", f"{CHANGELIST}{root.pk}/delete/"):
        assert manager.get(url).status_code in (302, 403)
    assert "root@example.com" not in manager.get(change_url(root), follow=True).text


@pytest.mark.parametrize("is_active", [True, False])
def test_manager_cannot_touch_a_superuser(manager, is_active):
    root = UserFactory(is_superuser=True, is_active=is_active)

    changed = manager.post(change_url(root), posted(root, name="Mine"))
    password = manager.post(password_url(root), {**NEW_PASSWORD, "set-password": "1"})

    assert (changed.status_code, changed.url) == (302, "/admin/")
    assert password.status_code in (403, 404)
    before = root.password
    root.refresh_from_db()
    assert (root.name != "Mine", root.password) == (True, before)


@pytest.mark.parametrize("is_active", [True, False])
def test_manager_cannot_touch_another_manager(manager, is_active):
    other = user_with_role(Role.SALES_MANAGER, is_active=is_active)

    assert manager.get(change_url(other)).status_code == 200
    assert manager.post(change_url(other), posted(other, name="Mine")).status_code == 403
    assert manager.get(password_url(other)).status_code == 403
    assert manager.post(password_url(other), {**NEW_PASSWORD, "set-password": "1"}).status_code == 403
    before = other.password
    other.refresh_from_db()
    assert (other.name != "Mine", other.password, other.is_active) == (True, before, is_active)


def test_manager_cannot_touch_staff_nor_somebody_in_an_unknown_group(manager):
    staff, singer = UserFactory(is_staff=True), UserFactory()
    singer.groups.add(Group.objects.create(name="Choir"))

    for user in (staff, singer):
        assert manager.post(change_url(user), posted(user, name="Mine")).status_code == 403
        assert manager.post(password_url(user), {**NEW_PASSWORD, "set-password": "1"}).status_code == 403


def test_manager_cannot_change_own_rights(manager):
    data = posted(manager.user, is_superuser="on", is_staff="on")

    assert manager.post(change_url(manager.user), data).status_code == 403
    assert not User.objects.get(pk=manager.user.pk).is_superuser


def test_manager_sees_no_password_of_another_manager(manager):
    other = user_with_role(Role.SALES_MANAGER)
    other.set_password("a-Long-one-42")
    other.save()

    response = manager.get(change_url(other))

    assert "md5" not in response.text
    assert "password/" not in response.text.replace("password_change/", "")


def test_manager_cannot_raise_anybody(manager):
    user = user_with_role(Role.SALESPERSON)

    response = manager.post(
        change_url(user),
        posted(user, is_superuser="on", is_staff="on", user_permissions=["1", "2"], password="plain"),
    )

    assert response.status_code == 302
    before = user.password
    user = User.objects.get(pk=user.pk)
    assert (user.is_superuser, user.is_staff, user.password) == (False, False, before)
    assert not user.user_permissions.exists()


@pytest.mark.parametrize("where", ["add", "change"])
def test_manager_cannot_give_the_role_of_manager(manager, where):
    user = user_with_role(Role.SALESPERSON)
    role = group_of(Role.SALES_MANAGER)

    if where == "add":
        response = manager.post(
            f"{CHANGELIST}add/", {"email": "new@example.com", "groups": [role.pk], **NEW_PASSWORD}
        )
    else:
        response = manager.post(change_url(user), posted(user, groups=[role.pk]))

    assert "groups" in response.context["adminform"].form.errors
    assert list(role.user_set.all()) == [manager.user]


def test_manager_cannot_add_a_superuser(manager):
    data = {"email": "new@example.com", "is_superuser": "on", "is_staff": "on", **NEW_PASSWORD}

    manager.post(f"{CHANGELIST}add/", data)

    user = User.objects.get(email="new@example.com")
    assert (user.is_superuser, user.is_staff) == (False, False)


def test_manager_cannot_link_a_salesperson_to_a_superuser(manager):
    root, salesperson = UserFactory(is_superuser=True), SalespersonFactory()

    response = manager.post(
        f"/admin/salespeople/salesperson/{salesperson.pk}/change/",
        {"code": salesperson.code, "name": "Ann", "user": root.pk},
    )

    assert "user" in response.context["adminform"].form.errors
    assert not Salesperson.objects.filter(user=root).exists()


def test_manager_cannot_take_the_salesperson_of_a_superuser_away(manager):
    root = UserFactory(is_superuser=True)
    salesperson = SalespersonFactory(user=root)

    response = manager.post(
        f"/admin/salespeople/salesperson/{salesperson.pk}/change/",
        {"code": salesperson.code, "name": "Ann", "user": ""},
    )

    assert response.status_code == 302
    salesperson.refresh_from_db()
    assert (salesperson.name, salesperson.user) == ("Ann", root)


def test_manager_finds_no_superuser_by_autocomplete(manager):
    UserFactory(is_superuser=True, email="root@example.com")
    UserFactory(email="ann@example.com", name="Ann")

    found = manager.get(
        "/admin/autocomplete/",
        {"app_label": "salespeople", "model_name": "salesperson", "field_name": "user", "term": "example"},
    ).json()["results"]

    assert {row["text"] for row in found} == {"Ann", manager.user.name}


@pytest.mark.parametrize("name", ["manager", "superuser"])
def test_nobody_deletes_a_user(client_of, name):
    client, user = client_of(name), UserFactory()

    alone = client.post(f"{CHANGELIST}{user.pk}/delete/", {"post": "yes"})
    many = client.post(CHANGELIST, {"action": "delete_selected", "_selected_action": user.pk, "post": "yes"})

    assert alone.status_code == 403
    assert "delete_selected" not in many.text
    assert User.objects.filter(pk=user.pk).exists()
