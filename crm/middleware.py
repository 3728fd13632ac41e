"""Whoever is signed in reads dates in their own time zone and text in their own language."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control


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
