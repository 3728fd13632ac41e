"""How amounts, percentages, dates and days are written, in the locale of the reader."""

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_interval, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal
from django import template
from django.conf import settings
from django.template.defaultfilters import linebreaksbr
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext, to_locale
from django.utils.translation import gettext as _

from crm.dates import today

register = template.Library()
NBSP = "\N{NO-BREAK SPACE}"
WEB_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"]+", re.IGNORECASE)
AFTER_AN_ADDRESS = ".,;:!?'’”»"  # what follows an address in a sentence and is no part of it


def reader_locale() -> Locale:
    """The Babel locale of the active language, English where Babel does not know it."""
    try:
        return Locale.parse(to_locale(get_language() or settings.LANGUAGE_CODE))
    except (UnknownLocaleError, ValueError):
        return Locale("en", "GB")


def _to_cents(value: Decimal | int) -> Decimal:
    """To two decimals, a half upwards, as people round."""
    return Decimal(value).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@register.filter
def money(value: Decimal | int | None) -> str:
    """An amount with its currency, grouped; cents only when there are any; nothing for no amount."""
    if value is None or value == "":
        return ""
    cents = _to_cents(value)
    whole = cents == cents.to_integral_value()
    locale = reader_locale()
    pattern = locale.currency_formats["standard"].pattern
    if whole:
        pattern = pattern.replace("0.00", "0")
    return format_currency(cents, settings.CURRENCY, format=pattern, locale=locale, currency_digits=False)


@register.filter
def whole_money(value: Decimal | int | None) -> str:
    """An amount without cents, where only its size matters."""
    return "" if value is None else money(round(Decimal(value)))


@register.filter
def percent(value: Decimal | int | None) -> str:
    """A percentage with the decimals that carry meaning, at most two; nothing for no percentage."""
    if value is None or value == "":
        return ""
    return f"{format_decimal(_to_cents(value), format='0.##', locale=reader_locale())}{NBSP}%"


@register.filter
def day(value: date | None) -> str:
    """A date such as 23 Mar 2026, in the order and words of the reader."""
    return format_date(value, "medium", locale=reader_locale()) if value else ""


@register.filter
def clock(value: datetime | None) -> str:
    """The time of day of a moment, on the reader's clock and as the reader writes it."""
    return str(format_time(timezone.localtime(value), "short", locale=reader_locale())) if value else ""


@register.filter
def short_day(value: date | None) -> str:
    """A date where room is short: 23 Mar, with the year only when it is another one."""
    if not value or value.year != today().year:
        return day(value)
    return format_skeleton("MMMd", value, locale=reader_locale())


def days_between(first: date, last: date) -> str:
    """The first and the last of some days, with what they share said once: 16–22 Nov 2026."""
    return str(format_interval(first, last, "yMMMd", locale=reader_locale()))


@register.filter
def days_from_today(value: date | None) -> str:
    """The distance of a date in words: today, in 6 days, 3 days ago."""
    if not value:
        return ""
    distance = (value - today()).days
    if distance == 0:
        return _("today")
    if distance == 1:
        return _("tomorrow")
    if distance == -1:
        return _("yesterday")
    if distance > 0:
        return ngettext("in %(n)d day", "in %(n)d days", distance) % {"n": distance}
    return ngettext("%(n)d day ago", "%(n)d days ago", -distance) % {"n": -distance}


@register.filter
def days(count: int) -> str:
    """A number of days in words."""
    return ngettext("%(n)d day", "%(n)d days", count) % {"n": count}


@register.filter
def prose(text: str) -> SafeString:
    """What somebody wrote, escaped, with its lines; only what begins with http:// or https:// becomes a link."""
    return linebreaksbr(_with_links(str(text).rstrip("\r\n")))


def _with_links(text: str) -> SafeString:
    parts = []
    end = 0
    for found in WEB_ADDRESS.finditer(text):
        address = found[0].rstrip(AFTER_AN_ADDRESS)
        if address.count("(") < address.count(")"):
            address = address[: address.rindex(")")]
        link = '<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>'
        parts += [conditional_escape(text[end : found.start()]), format_html(link, address)]
        end = found.start() + len(address)
    return format_html_join("", "{}", ((part,) for part in [*parts, text[end:]]))


@register.filter
def initials(name: str) -> str:
    """The first letters of the first and last word of a name."""
    words = str(name).split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


@register.simple_tag(takes_context=True)
def query_with(context: dict[str, Any], **changes: Any) -> str:
    """The query string of this page with some parameters changed (or dropped, when None), from page one."""
    query = context["request"].GET.copy()
    for key in ("before", "after"):
        query.pop(key, None)
    for key, value in changes.items():
        if value is None:
            query.pop(key, None)
        else:
            query[key] = value
    return f"?{query.urlencode()}"
