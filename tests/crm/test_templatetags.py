"""How amounts, percentages and days read in the two languages."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation

from crm.templatetags import kansen
from crm.templatetags.kansen import NBSP, prose

THIN = "\N{THIN SPACE}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        (0, "€0"),
        (Decimal("0.00"), "€0"),
        (Decimal(1200), "€1,200"),
        (Decimal("1200.0000000000"), "€1,200"),
        (Decimal("1234567.89"), "€1,234,567.89"),
        (Decimal("1234.5"), "€1,234.50"),
        (Decimal("1234.567"), "€1,234.57"),
        (Decimal("0.004"), "€0"),
        (Decimal("999999999999.99"), "€999,999,999,999.99"),
        (-5, "-€5"),
    ],
)
@pytest.mark.parametrize("language", ["en-gb", "en-us"])
def test_money(language, value, expected):
    with translation.override(language):
        assert kansen.money(value) == expected


def test_money_in_another_currency(settings):
    settings.CURRENCY = "JPY"

    with translation.override("en-gb"):
        assert kansen.money(Decimal(1500)) == "JP¥1,500"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        (0, f"0{NBSP}%"),
        (Decimal("10.890000"), f"10.89{NBSP}%"),
        (Decimal("33.50"), f"33.5{NBSP}%"),
        (Decimal("12.345678"), f"12.35{NBSP}%"),
        (Decimal("100.00"), f"100{NBSP}%"),
        (Decimal("0.004"), f"0{NBSP}%"),
    ],
)
@pytest.mark.parametrize("language", ["en-gb", "en-us"])
def test_percent(language, value, expected):
    with translation.override(language):
        assert kansen.percent(value) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en-gb", "23 Mar 2026"), ("en-us", "Mar 23, 2026"), ("xx", "23 Mar 2026"), (None, "23 Mar 2026")],
)
def test_day(language, expected):
    with translation.override(language):
        assert kansen.day(date(2026, 3, 23)) == expected
        assert kansen.day(None) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (date(2026, 3, 23), "today"),
        (date(2026, 3, 24), "tomorrow"),
        (date(2026, 3, 25), "in 2 days"),
        (date(2027, 3, 23), "in 365 days"),
        (date(2026, 3, 22), "yesterday"),
        (date(2026, 3, 21), "2 days ago"),
        (date(2025, 3, 23), "365 days ago"),
        (None, ""),
    ],
)
@time_machine.travel("2026-03-23T12:00Z", tick=False)
def test_distance_of_a_day(value, words):
    assert kansen.days_from_today(value) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 days"), (1, "1 day"), (2, "2 days")])
def test_days_in_words(count, words):
    assert kansen.days(count) == words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (Decimal("1234.49"), "€1,234"),
        (Decimal("1234.51"), "€1,235"),
        (0, "€0"),
        (Decimal("0.4"), "€0"),
    ],
)
def test_whole_money(value, expected):
    assert kansen.whole_money(value) == expected


@time_machine.travel("2026-03-23", tick=False)
@pytest.mark.parametrize(
    ("value", "words"), [(None, ""), (date(2026, 4, 3), "3 Apr"), (date(2027, 4, 3), "3 Apr 2027")]
)
def test_short_day(value, words):
    assert kansen.short_day(value) == words


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (date(2026, 3, 29), "23–29 Mar 2026"),
        (date(2026, 4, 3), f"23 Mar{THIN}–{THIN}3 Apr 2026"),
        (date(2027, 1, 3), f"23 Mar 2026{THIN}–{THIN}3 Jan 2027"),
    ],
)
def test_days_between_say_what_they_share_once(last, words):
    assert kansen.days_between(date(2026, 3, 23), last) == words


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ann Peeters", "AP"),
        ("Ann Marie van den Berg", "AB"),
        ("Ann", "A"),
        ("ann peeters", "AP"),
        ("  ", ""),
        ("", ""),
    ],
)
def test_initials(name, letters):
    assert kansen.initials(name) == letters


def test_query_with_changes_drops_and_goes_to_page_one():
    request = RequestFactory().get("/", {"sort": "name", "status": "open", "after": "abc", "before": "def"})
    template = Template("{% load kansen %}{% query_with sort='-name' status=nothing q='a & b' %}")

    html = template.render(Context({"request": request, "nothing": None}))

    assert html == "?sort=-name&amp;q=a+%26+b"


def test_filters_escape_what_they_are_given():
    template = Template("{% load kansen %}{{ name|initials }}")

    assert template.render(Context({"name": "<b> >x"})) == "&lt;&gt;"


def linked(address):
    return f'<a href="{address}" rel="noopener noreferrer nofollow">{address}</a>'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("one\ntwo\r\nthree", "one<br>two<br>three"),
        ('<b> & "quotes"', "&lt;b&gt; &amp; &quot;quotes&quot;"),
        ("see https://a.example/x.", f"see {linked('https://a.example/x')}."),
        ("(http://a.example/x_(y))", f"({linked('http://a.example/x_(y)')})"),
        ("HTTPS://A.example", linked("HTTPS://A.example")),
        (
            "https://a.example https://b.example",
            f"{linked('https://a.example')} {linked('https://b.example')}",
        ),
        ("https://a.example/?q=<script>", f"{linked('https://a.example/?q=')}&lt;script&gt;"),
        ("https://a.example/'onclick='x", linked("https://a.example/&#x27;onclick=&#x27;x")),
        ("javascript:alert(1) data:text/html,x www.a.example ftp://a.example", None),
        ("https://", None),
        ("xhttps://a.example", None),
    ],
)
def test_prose_keeps_lines_and_links_only_web_addresses(text, html):
    assert prose(text) == (text if html is None else html)
