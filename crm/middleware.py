"""Dates in the time zone of whoever is signed in, text in their language; and what two people at once are told."""

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.db import IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control

logger = logging.getLogger(__name__)


def user_locale(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Activate the time zone and language of the person for the length of the request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return get_response(request)
        language = request.user.language  # asked now: after signing out there is no user
        with timezone.override(ZoneInfo(request.user.time_zone)), translation.override(language):
            response = get_response(request)
            response.headers.setdefault("Content-Language", language)
            if not response.has_header("Cache-Control"):
                patch_cache_control(response, private=True, no_cache=True)
            return response

    return middleware


class TwoAtOnce:
    """The last net: where the database had to give up one of two changes, its author is asked to look again.

    Forms and operations say in words what they foresee. This is for a row that is deleted while another one that
    names it is stored, and for two transactions that wait for each other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page instead of an error, for changes only; the log has the whole of it."""
        is_conflict = isinstance(exception, IntegrityError) or (
            isinstance(exception, OperationalError) and "deadlock" in str(exception)
        )
        if request.method != "POST" or not is_conflict:
            return None
        logger.warning("Two at once at %s", request.path, exc_info=exception)
        return render(request, "409.html", status=409)
