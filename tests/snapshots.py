"""Everything that an operation could write, to compare before and after."""

from contextlib import contextmanager
from typing import Any

from django.contrib.admin.models import LogEntry

from contacts.models import Contact
from crm.models import NumberSeries
from opportunities.models import Opportunity, OpportunityEntry

WRITTEN_BY_OPERATIONS = (Opportunity, OpportunityEntry, Contact, NumberSeries, LogEntry)


def stored() -> dict[str, list[dict[str, Any]]]:
    """Every row and column of those tables."""
    return {
        model.__name__: list(model._base_manager.order_by("pk").values()) for model in WRITTEN_BY_OPERATIONS
    }


@contextmanager
def untouched():
    """Assert that nothing is written meanwhile."""
    before = stored()
    yield
    assert stored() == before
