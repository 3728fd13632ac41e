"""Who opens the admin."""

import pytest
from django.test import Client

from salespeople.models import Role
from tests.factories import UserFactory, user_with_role

ROLES = {
    "manager": Role.SALES_MANAGER,
    "salesperson": Role.SALESPERSON,
    "viewer": Role.VIEWER,
}


@pytest.fixture
def user_of():
    """Return ``user_of(name)``: a superuser, a manager, a salesperson, a viewer, or staff without a role."""

    def user_of(name):
        if name == "superuser":
            return UserFactory(is_superuser=True, is_staff=True, name="Root")
        if name == "staff":
            return UserFactory(is_staff=True)
        return user_with_role(ROLES[name])

    return user_of


@pytest.fixture
def client_of(user_of):
    """Return ``client_of(name)``: a client signed in as one of those, with the user at ``client.user``."""

    def client_of(name):
        client = Client()
        if name != "anonymous":
            client.user = user_of(name)
            client.force_login(client.user)
        return client

    return client_of


@pytest.fixture
def superuser(client_of):
    """Open the admin as a superuser."""
    return client_of("superuser")


@pytest.fixture
def manager(client_of):
    """Open the admin as a sales manager."""
    return client_of("manager")
