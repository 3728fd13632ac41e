"""What somebody is told when the database had to give up their change for another one."""

import pytest
from django.db import IntegrityError, OperationalError
from django.http import HttpResponse

from crm.middleware import TwoAtOnce
from salespeople.models import Role
from tests.factories import user_with_role


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "exception", "status"),
    [
        ("post", IntegrityError("FOREIGN KEY constraint failed"), 409),
        ("post", OperationalError("deadlock detected"), 409),
        ("post", OperationalError("no such table"), None),
        ("post", ValueError("a mistake"), None),
        ("get", IntegrityError("FOREIGN KEY constraint failed"), None),
    ],
)
def test_conflict_is_said_in_words(rf, method, exception, status):
    request = getattr(rf, method)("/opportunities/")
    request.user = user_with_role(Role.SALESPERSON)
    net = TwoAtOnce(lambda _request: HttpResponse())

    answer = net.process_exception(request, exception)

    assert (answer.status_code if answer else None) == status
    if answer:
        assert "Somebody changed this at the same moment" in answer.content.decode()
