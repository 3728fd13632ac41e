"""Stopping an e-mail that Kansen writes by itself: from a link in it, without signing in."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from activities.notices import unsubscribe, unsubscriber


@login_not_required
@csrf_exempt  # a mail programme posts here by itself (RFC 8058), and can do nothing but stop an e-mail
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """A page with one button, so that a programme that only follows links stops nothing; the button stops it."""
    found = unsubscriber(token)
    if found is None:
        raise Http404
    user, kind = found
    if request.method == "POST":
        unsubscribe(user, kind)
        user.refresh_from_db()
    with translation.override(user.language):
        context = {"kind": kind, "address": user.email, "is_on": getattr(user, kind.value)}
        return render(request, "activities/unsubscribe.html", context)
