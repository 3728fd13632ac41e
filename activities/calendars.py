"""The address under which a calendar programme reads somebody's tasks: made, renewed, revoked and looked up.

The address is the only key to the feed, so it is drawn at random, shown once and kept only as its SHA-256: whoever
reads the database, or a copy of it, cannot open a calendar with what is there.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from activities.models import CalendarFeed
from salespeople.models import User

BYTES = 32
READ_AGAIN_AFTER = timedelta(minutes=5)  # a calendar that reads more often is not noted each time


def fingerprint(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def make_key(user: User, at: datetime) -> str:
    """A new key for the user's calendar; the one there was opens nothing any more."""
    key = secrets.token_urlsafe(BYTES)
    with transaction.atomic():
        CalendarFeed.objects.update_or_create(
            user=user, defaults={"key_hash": fingerprint(key), "made_at": at, "read_at": None}
        )
    return key


def revoke_key(user: User) -> bool:
    """Let no key open the user's calendar; says whether one did."""
    return bool(CalendarFeed.objects.filter(user=user).delete()[0])


def feed_of(key: str) -> CalendarFeed | None:
    """The calendar that a key opens: of somebody who may still sign in and still has a role."""
    found = CalendarFeed.objects.select_related("user").filter(
        key_hash=fingerprint(key), user__is_active=True
    )
    feed = found.first()
    return feed if feed is not None and feed.user.may_read() else None


def note_reading(feed: CalendarFeed, at: datetime) -> None:
    """Keep when the calendar was last read, without a write for each of many readings."""
    not_lately = Q(read_at__isnull=True) | Q(read_at__lt=at - READ_AGAIN_AFTER)
    CalendarFeed.objects.filter(not_lately, pk=feed.pk).update(read_at=at)
