"""The feed that calendar programmes read, and the page on which somebody makes its address."""

import hashlib

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from activities import calendars
from activities.feed import calendar_of
from activities.models import CalendarFeed
from crm.access import readers_only
from crm.http import CrmRequest


@login_not_required
@require_safe
def calendar_feed(request: HttpRequest, key: str) -> HttpResponse:
    """The tasks of whoever made this address, for a programme that has no other way to sign in."""
    feed = calendars.feed_of(key)
    if feed is None:
        raise Http404
    now = timezone.now()
    body = calendar_of(feed.user, now)
    calendars.note_reading(feed, now)
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    answer = HttpResponse(body, content_type="text/calendar; charset=utf-8", headers={"ETag": etag})
    answer.headers["Content-Disposition"] = 'attachment; filename="kansen.ics"'
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers["Referrer-Policy"] = "no-referrer"
    patch_cache_control(answer, private=True, no_cache=True)
    conditional = get_conditional_response(request, etag=etag, response=answer)
    assert conditional is not None  # there is an answer, so there is one back
    return conditional


@require_GET
@readers_only
def calendar(request: CrmRequest) -> HttpResponse:
    """Whether there is an address, since when, and when it was last read; and how to use one."""
    return _page(request)


@require_POST
@readers_only
def make_calendar_address(request: CrmRequest) -> HttpResponse:
    """A new address, shown in this answer and never again; the one before stops."""
    key = calendars.make_key(request.user, timezone.now())
    return _page(request, address=request.build_absolute_uri(reverse("activities:calendar-feed", args=[key])))


@require_POST
@readers_only
def revoke_calendar_address(request: CrmRequest) -> HttpResponse:
    """No address opens the calendar any more."""
    if calendars.revoke_key(request.user):
        messages.success(request, _("The address was revoked. Calendars that read it get nothing more."))
    else:
        messages.info(request, _("There is no address, so there is nothing to revoke."))
    return redirect("activities:calendar")


def _page(request: CrmRequest, address: str = "") -> HttpResponse:
    feed = CalendarFeed.objects.filter(user=request.user).first()
    context = {
        "title": _("Your calendar elsewhere"),
        "feed": feed,
        "made_on": feed and timezone.localdate(feed.made_at),
        "read_on": feed and feed.read_at and timezone.localdate(feed.read_at),
        "address": address,
        "webcal": f"webcal:{address.partition(':')[2]}" if address else "",
        "salesperson": request.user.own_salesperson,
    }
    answer = render(request, "activities/calendar.html", context)
    if address:
        answer.headers["Cache-Control"] = "private, no-store"  # shown once: not kept for the way back either
    return answer
