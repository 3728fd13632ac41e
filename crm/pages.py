"""Keyset pages: the next page costs the same wherever one is, and nothing is counted.

A cursor is the field sorted by, with its value and the primary key of the row at the edge, so the database walks
an index from there. Rows without a value come last in either direction.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import DecimalField, F, Field, Model, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.fields import column_of
from crm.forms import LARGEST_KEY

Row = TypeVar("Row", bound=Model)
PAGE_SIZE = 25


@dataclass(frozen=True)
class KeysetPage(Generic[Row]):
    """One page of rows, the addresses of its neighbours (None where there is none), and how it is sorted."""

    rows: Sequence[Row]
    previous_url: str | None
    next_url: str | None
    sort: str
    notice: str = ""  # why this is not the page that the address asked for

    def __len__(self) -> int:
        return len(self.rows)


def keyset_page(
    queryset: QuerySet[Row],
    *,
    sorts: Sequence[str],
    params: QueryDict,
    default: str,
    size: int = PAGE_SIZE,
    filled: Collection[str] = (),
) -> KeysetPage[Row]:
    """The page of ``queryset`` that the query string asks for.

    ``sorts`` are the fields one may sort by; ``?sort=-name`` sorts down. An unknown sort gives the ``default``
    order, a cursor that cannot be read or belongs to another order the first page; both with a ``notice``. A place
    after which nothing is left gives the first page. ``filled`` are fields that may be empty in the table and are not
    in these rows: without rows that come last, an index gives their order.
    """
    sort = params.get("sort") or default
    notice = ""
    if sort.lstrip("-") not in sorts or sort.startswith("--"):
        notice = _("One cannot sort by “%(sort)s”, so the usual order is shown.") % {"sort": sort[:50]}
        sort = default
    field, falling = sort.lstrip("-"), sort.startswith("-")
    backwards = "before" in params
    place = params.get("before") or params.get("after") or ""
    is_filled = field in filled or not _may_be_empty(queryset.model, field)
    cursor = _read(queryset, field, place)
    if cursor is not None and cursor[0] is None and is_filled:
        cursor = None
    if place and cursor is None:
        notice = notice or _("That place is not in this order, so the first page is shown.")
    down = falling != (backwards and cursor is not None)
    rows = queryset.order_by(*(_plain_order(field, down) if is_filled else _order(field, down, falling)))
    if cursor is not None:
        beyond = _further(field, cursor, down) if is_filled else _beyond(field, cursor, down, backwards)
        rows = rows.filter(beyond)
    found = list(rows[: size + 1])
    if cursor is not None and not found:
        first = params.copy()
        first.pop("before", None)
        first.pop("after", None)
        return keyset_page(queryset, sorts=sorts, params=first, default=default, size=size, filled=filled)
    more = len(found) > size
    found = found[:size]
    if cursor is not None and backwards:
        found.reverse()
        has_previous, has_next = more, True
    else:
        has_previous, has_next = cursor is not None, more
    return KeysetPage(
        rows=found,
        previous_url=_url(params, "before", field, found[0]) if found and has_previous else None,
        next_url=_url(params, "after", field, found[-1]) if found and has_next else None,
        sort=sort,
        notice=notice,
    )


def address_after(params: QueryDict, field: str, row: Model) -> str:
    """The query string of the page that begins after ``row``, for rows that were not read by ``keyset_page``."""
    return _url(params, "after", field, row)


def _may_be_empty(model: type[Model], field: str) -> bool:
    """Whether a row can be without a value; True for what is no column, too."""
    for name in field.split("__"):
        try:
            column = column_of(model, name)
        except FieldDoesNotExist:
            return True
        if column.null:
            return True
        model = column.related_model if isinstance(column.related_model, type) else model
    return False


def _plain_order(field: str, down: bool) -> list[Any]:
    return [f"-{field}", "-pk"] if down else [field, "pk"]


def _order(field: str, down: bool, falling: bool) -> list[Any]:
    """The same with the rows without a value last; read backwards, they come first."""
    last = {"nulls_last": True} if down == falling else {"nulls_first": True}
    first = F(field).desc(**last) if down else F(field).asc(**last)
    return [first, "-pk" if down else "pk"]


def _further(field: str, cursor: tuple[Any, int], down: bool) -> Q:
    value, pk = cursor
    than = "lt" if down else "gt"
    return Q(**{f"{field}__{than}": value}) | Q(**{field: value, f"pk__{than}": pk})


def _beyond(field: str, cursor: tuple[Any, int], down: bool, backwards: bool) -> Q:
    """The same where rows without a value come last."""
    value, pk = cursor
    empty = Q(**{f"{field}__isnull": True})
    if value is None:
        rest = empty & Q(**{"pk__lt" if down else "pk__gt": pk})
        return rest | ~empty if backwards else rest
    further = _further(field, cursor, down)
    return further if backwards else further | empty


def _url(params: QueryDict, key: str, field: str, row: Model) -> str:
    value: Any = row
    for name in field.split("__"):
        value = getattr(value, name, None)
    text = json.dumps([field, value, row.pk], default=str)
    query = params.copy()
    query.pop("before", None)
    query.pop("after", None)
    query[key] = urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"?{query.urlencode()}"


def _read(queryset: QuerySet[Row], field: str, text: str) -> tuple[Any, int] | None:
    """The value and key in a cursor, or None when there is none, it is of another order, or somebody changed it."""
    if not text:
        return None
    try:
        of, value, pk = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if of != field:
            return None
        model: type[Model] = queryset.model
        *through, name = field.split("__")
        for step in through:
            related = model._meta.get_field(step).related_model
            assert isinstance(related, type)
            model = related
        column = column_of(model, name)
        value = None if value is None else column.to_python(value)
        is_fit = _is_fit(column, value)
    except (ValueError, TypeError, OverflowError, RecursionError, ValidationError, AssertionError):
        return None
    if not isinstance(pk, int) or isinstance(pk, bool) or not 0 <= pk <= LARGEST_KEY:
        return None
    return (value, pk) if is_fit else None


def _is_fit(field: "Field[Any, Any]", value: Any) -> bool:
    """Whether every database takes the value in a comparison; may raise instead of answering no."""
    if isinstance(value, str):
        value.encode()  # half a surrogate pair has no bytes
        return "\x00" not in value
    if isinstance(value, Decimal) and isinstance(field, DecimalField):
        places = field.decimal_places or 0
        fits = value.is_finite() and abs(value) < 10 ** ((field.max_digits or 0) - places)
        return fits and round(value, places) == value
    if isinstance(value, datetime):
        return value.tzinfo is not None and value.astimezone(UTC) is not None
    return True
