"""What the demo made, written down where it can be found again: in the change log.

Every row of the demo has one line there, "Added", with a fingerprint of what the row said. By that line a row is
known to be the demo's, and by the fingerprint whether somebody has changed it since.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet

from activities.models import Activity, ActivityStep, Interaction, Task
from contacts.models import Contact, IndustryGroup
from opportunities.models import CloseReason, Opportunity, OpportunityContact
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.models import Salesperson, Team, User

MARK = '[{"added": {}, "demo": "'
BATCH = 500

# What a row is watched for. A field that is not named may change, and the row is the demo's all the same; so a field
# that is added to a model later does not make every row of an older demo look changed.
WATCHED: dict[type[Model], tuple[str, ...]] = {
    User: ("email", "name"),
    Team: ("code", "name", "manager_id"),
    Salesperson: ("code", "name", "job_title", "email", "phone", "team_id", "user_id", "is_blocked"),
    IndustryGroup: ("code", "description"),
    Contact: (
        "external_id",
        "kind",
        "name",
        "first_name",
        "last_name",
        "company_id",
        "salesperson_id",
        "job_title",
        "email",
        "phone",
        "mobile",
        "website",
        "address",
        "address_2",
        "postcode",
        "city",
        "region",
        "country",
        "language",
        "vat_number",
        "is_privacy_blocked",
    ),
    Activity: ("code", "description", "is_active"),
    ActivityStep: ("activity_id", "position", "kind", "description", "priority", "due_in"),
    SalesCycle: ("code", "description", "probability_method", "is_blocked", "is_default"),
    SalesCycleStage: (
        "cycle_id",
        "position",
        "description",
        "completed_percent",
        "chance_percent",
        "close_in",
        "requires_quote",
        "allows_skip",
        "activity_id",
        "is_active",
    ),
    CloseReason: ("code", "outcome", "description", "is_active"),
    Opportunity: ("version", "description", "priority", "external_id"),
    Interaction: ("kind", "text", "happened_on", "opportunity_id", "contact_id"),
    Task: (
        "kind",
        "description",
        "priority",
        "status",
        "due_on",
        "due_time",
        "salesperson_id",
        "team_id",
        "opportunity_id",
        "contact_id",
        "repeats",
    ),
    OpportunityContact: ("opportunity_id", "contact_id", "role"),
}


def rows_of(model: type[Model], keys: Iterable[int]) -> Iterator[Any]:
    """The rows with these keys that are there, read in batches, with what a fingerprint needs."""
    rows: QuerySet[Any] = model._base_manager.order_by("pk")
    if model is Contact:
        rows = rows.prefetch_related("industry_groups")
    for some in batches(keys):
        yield from rows.filter(pk__in=some)


def batches(keys: Iterable[int], size: int = BATCH) -> Iterator[list[int]]:
    """Keys in order, so many at a time that any database takes them in one question."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def fingerprint(row: Model) -> str:
    """What a row says, in sixteen characters."""
    said = [str(getattr(row, name)) for name in WATCHED[type(row)]]
    if isinstance(row, Contact):
        said += sorted(group.code for group in row.industry_groups.all())
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def write_down(made: dict[type[Model], list[int]], by: User) -> None:
    """Add the line of every row that was made, as it is stored now."""
    for model, keys in made.items():
        content_type = ContentType.objects.get_for_model(model)
        LogEntry.objects.bulk_create(
            [
                LogEntry(
                    user=by,
                    content_type=content_type,
                    object_id=str(row.pk),
                    object_repr=str(row)[:200],
                    action_flag=ADDITION,
                    change_message=f'{MARK}{fingerprint(row)}"}}]',
                )
                for row in rows_of(model, keys)
            ],
            batch_size=BATCH,
        )


def lines() -> QuerySet[LogEntry]:
    """The demo's lines in the change log."""
    return LogEntry.objects.filter(action_flag=ADDITION, change_message__startswith=MARK)


def is_there() -> bool:
    """Whether anything of the demo is written down."""
    return lines().exists()


def written_down() -> dict[type[Model], dict[int, str]]:
    """The keys of all that the demo made, with their fingerprints; also of what somebody has deleted since."""
    found: dict[type[Model], dict[int, str]] = {model: {} for model in WATCHED}
    types = {ContentType.objects.get_for_model(model).pk: model for model in WATCHED}
    for type_id, key, message in lines().values_list("content_type_id", "object_id", "change_message"):
        if type_id in types:
            found[types[type_id]][int(key or 0)] = json.loads(message)[0]["demo"]
    return found
