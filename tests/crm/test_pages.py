"""Keyset pages against a plain sorted list, and cursors that nobody gave out."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts.models import Contact
from crm.pages import keyset_page
from opportunities.models import Opportunity
from salescycles.models import ProbabilityMethod
from salespeople.models import User
from tests.factories import CompanyFactory, SalesCycleFactory, SalespersonFactory, UserFactory

SORTS = ("description", "estimated_value", "estimated_close_on", "version", "contact__salesperson__name")
LITTLE = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@contextmanager
def rolled_back():
    """What one example wrote is gone before the next."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def sorted_by(rows, sort):
    """The plain list: by value and key, both falling for ``-``, rows without a value last either way."""
    field, falling = sort.lstrip("-"), sort.startswith("-")

    def value(row):
        for name in field.split("__"):
            row = getattr(row, name, None)
        return row

    known = sorted((row for row in rows if value(row) is not None), key=lambda r: (value(r), r.pk))
    unknown = sorted((row for row in rows if value(row) is None), key=lambda r: r.pk)
    if falling:
        known.reverse()
        unknown.reverse()
    return known + unknown


def page_of(queryset, query, *, sorts=SORTS, default="description", size=3):
    return keyset_page(queryset, sorts=sorts, params=QueryDict(query), default=default, size=size)


def walk(queryset, sort, size):
    """All pages from the first to the last, then back again; checks one query a page."""
    page = page_of(queryset, f"sort={sort}&status=open", size=size)
    forward = [page]
    while page.next_url:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = page_of(queryset, page.next_url.lstrip("?"), size=size)
        assert len(queries) == 1
        assert QueryDict(forward[0].next_url.lstrip("?"))["status"] == "open"
        forward.append(page)
    backward = [page]
    while page.previous_url:
        page = page_of(queryset, page.previous_url.lstrip("?"), size=size)
        backward.append(page)
    return forward, backward


ROW = st.tuples(
    st.sampled_from(["a", "b", "c", "same"]),
    st.one_of(st.none(), st.sampled_from([Decimal("0.01"), Decimal(7), Decimal("999999999999.99")])),
    st.one_of(st.none(), st.dates(date(2026, 3, 1), date(2026, 3, 4))),
    st.integers(1, 3),
    st.integers(0, 2),
)


@pytest.mark.django_db
@LITTLE
@given(
    rows=st.lists(ROW, max_size=14), down=st.booleans(), sort=st.sampled_from(SORTS), size=st.integers(1, 5)
)
def test_pages_are_the_sorted_list_cut_up_in_both_directions(rows, down, sort, size):
    with rolled_back():
        salespeople = [SalespersonFactory(name=name) for name in ("anna", "bert")]
        contacts = [*(CompanyFactory(salesperson=person) for person in salespeople), CompanyFactory()]
        cycle = SalesCycleFactory()
        QuerySet.bulk_create(
            Opportunity.objects.all(),
            [
                Opportunity(
                    number=f"T-{index}",
                    description=description,
                    estimated_value=value,
                    estimated_close_on=close,
                    version=version,
                    created_on=date(2026, 1, 1),
                    changed_on=date(2026, 1, 1),
                    contact=contacts[contact],
                    salesperson=salespeople[0],
                    cycle=cycle,
                    probability_method=ProbabilityMethod.CHANCE,
                )
                for index, (description, value, close, version, contact) in enumerate(rows)
            ],
        )
        queryset = Opportunity.objects.select_related("contact__salesperson")
        sort = f"-{sort}" if down else sort
        expected = [row.pk for row in sorted_by(queryset, sort)]

        forward, backward = walk(queryset, sort, size)

        assert [row.pk for page in forward for row in page.rows] == expected
        assert [row.pk for page in reversed(backward) for row in page.rows] == expected
        assert all(len(page) == size for page in forward[:-1])
        assert {page.sort for page in [*forward, *backward]} == {sort}
        assert forward[0].previous_url is None
        assert backward[-1].previous_url is None


@pytest.mark.django_db
def test_moments_are_told_apart_to_the_microsecond():
    noon = datetime(2026, 3, 23, 12, tzinfo=ZoneInfo("Europe/Brussels"))
    for microseconds in (2, 4, 6, 8, 10):
        UserFactory(date_joined=noon + timedelta(microseconds=microseconds))

    seen, query = [], ""
    while len(seen) < 20:
        page = page_of(User.objects.all(), query, sorts=["date_joined"], default="date_joined", size=2)
        seen += [user.date_joined.microsecond for user in page.rows]
        if not page.next_url:
            break
        query = page.next_url.lstrip("?")

    assert seen == [2, 4, 6, 8, 10]


@pytest.mark.django_db
def test_page_whose_rows_are_gone_is_the_first_one():
    first, second, third = (CompanyFactory(name=name) for name in "abc")
    page = page_of(Contact.objects.all(), "", sorts=["name"], default="name", size=2)
    assert list(page.rows) == [first, second]

    third.delete()
    after_the_end = page_of(
        Contact.objects.all(), page.next_url.lstrip("?"), sorts=["name"], default="name", size=2
    )

    assert list(after_the_end.rows) == [first, second]
    assert (after_the_end.previous_url, after_the_end.next_url) == (None, None)


def cursor(value):
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


HOSTILE = [
    "",
    "%%%",
    "é",
    "\x00",
    "A",
    "////",
    cursor(b"\xff\xfe\x00"),
    cursor(b"[" * 3000),
    cursor(b"[" * 3000 + b"]" * 3000),
    cursor(b'{"a": 1, "b": 2}'),
    cursor(b'"ab"'),
    cursor(b"12"),
    cursor(b"null"),
    cursor(b"[]"),
    cursor(b"[1, 2, 3]"),
    cursor(b"[NaN, 1]"),
    cursor(b"[Infinity, 1]"),
    cursor(b"[-Infinity, 1]"),
    cursor(b"[1e400, 1]"),
    cursor(b'["NaN", 1]'),
    cursor(b'["sNaN", 1]'),
    cursor(b'["1e999999", 1]'),
    cursor(b'["-1e999999", 1]'),
    cursor(b'["1e-999999", 1]'),
    cursor(b'["99999999999999999999", 1]'),
    cursor(b"[" + b"9" * 400 + b", 1]"),
    cursor(b"[" + b"9" * 5000 + b", 1]"),
    cursor(b"[1, " + b"9" * 400 + b"]"),
    cursor(b"[1, 9223372036854775808]"),
    cursor(b"[1, 9223372036854775807]"),
    cursor(b"[1, -1]"),
    cursor(b"[1, 1.5]"),
    cursor(b"[1, true]"),
    cursor(b'[1, "1"]'),
    cursor(b"[1, null]"),
    cursor(b"[null, 1]"),
    cursor(b"[true, 1]"),
    cursor(b"[[], 1]"),
    cursor(b'[{"a": []}, 1]'),
    cursor(["a\x00b", 1]),
    cursor(["\x00", 1]),
    cursor(b'["\\ud800", 1]'),
    cursor(["x" * 5000, 1]),
    cursor(["2026-13-45", 1]),
    cursor(["0001-01-01", 1]),
    cursor(["9999-12-31", 1]),
    cursor(["2026-03-23T12:00:00", 1]),
    cursor(["0001-01-01T00:00:00+14:00", 1]),
    cursor(["9999-12-31T23:59:59-14:00", 1]),
    cursor([-(2**63) - 1, 1]),
    cursor([2**63, 1]),
    cursor(["' OR 1=1 --", 1]),
]


def of_order(sort):
    """Every hostile cursor as it is, and again as one that says it is of the order that is asked for."""
    yield from HOSTILE
    for text in HOSTILE:
        with suppress(ValueError):
            inside = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if inside.startswith(b"["):
                yield cursor(b'["' + sort.lstrip("-").encode() + b'", ' + inside[1:])


@pytest.mark.django_db
@pytest.mark.parametrize("sort", [*SORTS, "-estimated_value"])
@pytest.mark.parametrize("key", ["after", "before"])
def test_hostile_cursor_gives_a_page(sort, key):
    for text in of_order(sort):
        params = QueryDict(mutable=True)
        params["sort"] = sort
        params[key] = text

        page = keyset_page(Opportunity.objects.all(), sorts=SORTS, params=params, default="description")

        assert list(page.rows) == [], text
        assert page.sort == sort


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["after", "before"])
def test_hostile_cursor_over_moments_and_keys_gives_a_page(key):
    sorts = ["date_joined", "is_staff", "email"]
    for sort in sorts:
        for text in of_order(sort):
            params = QueryDict(mutable=True)
            params["sort"] = sort
            params[key] = text

            page = keyset_page(User.objects.all(), sorts=sorts, params=params, default="email")

            assert page.sort == sort


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.django_db
@settings(LITTLE, max_examples=150)
@given(value=JSON, pk=JSON, key=st.sampled_from(["after", "before"]), sort=st.sampled_from(SORTS))
@example(value=0, pk=2**64, key="after", sort="version")
def test_any_cursor_gives_a_page(value, pk, key, sort):
    params = QueryDict(mutable=True)
    params["sort"] = sort
    params[key] = cursor(json.dumps([sort, value, pk]).encode())

    keyset_page(Opportunity.objects.all(), sorts=SORTS, params=params, default="description")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sort",
    ["", "-", "--name", "password", "-salesperson__user__password", "name;", "pk", "?", "\x00", "name "],
)
def test_unknown_sort_gives_the_default(sort):
    params = QueryDict(mutable=True)
    params["sort"] = sort

    page = keyset_page(Contact.objects.all(), sorts=["name", "number"], params=params, default="-number")

    assert page.sort == "-number"


@pytest.mark.django_db
def test_cursor_that_cannot_be_read_gives_the_first_page():
    rows = [CompanyFactory(name=name) for name in "abc"]

    for query in ("after=%%%", "before=%%%", "after=", "before="):
        page = page_of(Contact.objects.all(), query, sorts=["name"], default="name", size=2)

        assert list(page.rows) == rows[:2]
        assert page.previous_url is None
        assert page.next_url is not None
