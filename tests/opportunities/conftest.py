"""Somebody who sells, their client, and an opportunity of theirs in each state."""

import pytest

from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    TeamFactory,
    cycle_with_stages,
    lost_opportunity,
    user_with_role,
    won_opportunity,
)


def signed_in(client_class, user):
    client = client_class()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def seller(db):
    """A user with the role of salesperson, who is one, in a team."""
    user = user_with_role(Role.SALESPERSON, name="Sofie Claes")
    user.salesperson.team = TeamFactory(name="Benelux")
    user.salesperson.save()
    return user


@pytest.fixture
def salesperson(seller):
    return seller.salesperson


@pytest.fixture
def manager(salesperson):
    """A sales manager who manages the salesperson's team."""
    user = user_with_role(Role.SALES_MANAGER, name="Tom Maes")
    salesperson.team.manager = SalespersonFactory(user=user, name="Tom Maes")
    salesperson.team.save()
    return user


@pytest.fixture
def viewer(db):
    return user_with_role(Role.VIEWER, name="Vera Viewer")


@pytest.fixture
def stranger(db):
    """Signed in, without any role."""
    return user_with_role(None, name="Nobody")


@pytest.fixture
def as_seller(seller, client_class):
    return signed_in(client_class, seller)


@pytest.fixture
def as_manager(manager, client_class):
    return signed_in(client_class, manager)


@pytest.fixture
def as_viewer(viewer, client_class):
    return signed_in(client_class, viewer)


@pytest.fixture
def as_stranger(stranger, client_class):
    return signed_in(client_class, stranger)


@pytest.fixture
def client_class():
    from django.test import Client

    return Client


@pytest.fixture
def cycle(db):
    return cycle_with_stages("Qualify", "Present", "Propose", is_default=True)


@pytest.fixture
def company(db):
    return CompanyFactory(name="Acme Logistics NV")


@pytest.fixture
def new_opportunity(seller, salesperson, cycle, company):
    """Not started."""
    return OpportunityFactory(salesperson=salesperson, cycle=cycle, contact=company, by=seller)


@pytest.fixture
def opportunity(seller, salesperson, cycle, company):
    """In progress, in its first stage."""
    return OpportunityFactory(
        description="Warehouse automation",
        salesperson=salesperson,
        cycle=cycle,
        contact=company,
        by=seller,
        started=True,
    )


@pytest.fixture
def won(seller, salesperson, cycle, company):
    return won_opportunity(salesperson=salesperson, cycle=cycle, contact=company, by=seller)


@pytest.fixture
def lost(seller, salesperson, cycle, company):
    return lost_opportunity(salesperson=salesperson, cycle=cycle, contact=company, by=seller)


@pytest.fixture
def won_reason(db):
    return CloseReasonFactory(outcome="WON", description="Best offer")


@pytest.fixture
def lost_reason(db):
    return CloseReasonFactory(outcome="LOST", description="Too expensive")
