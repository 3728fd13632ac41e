import pytest

from salespeople.models import Role
from tests.factories import user_with_role


@pytest.fixture
def manager(client):
    """A browser in which a sales manager is signed in."""
    client.force_login(user_with_role(Role.SALES_MANAGER, name="Marie Maes"))
    return client


@pytest.fixture
def viewer(client):
    """A browser in which somebody is signed in who may only read."""
    client.force_login(user_with_role(Role.VIEWER))
    return client
