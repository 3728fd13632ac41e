"""The request every view receives, and the answers they share."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

if TYPE_CHECKING:
    from salespeople.models import User


class CrmRequest(HttpRequest):
    """A request of somebody who is signed in, seen by django-htmx."""

    user: "User"
    htmx: HtmxDetails


def page(
    request: CrmRequest, template: str, context: dict[str, Any], *, region: str = "", status: int = 200
) -> HttpResponse:
    """The page, or only its ``region`` when htmx asks and a region is named; ``#main`` is taken from a whole page."""
    part = region and request.htmx and request.htmx.target != "main"
    name = f"{template}#{region}" if part else template
    return render(request, name, context, status=status)


def dialog(request: CrmRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A form that is a page of its own, or the region ``dialog`` of it when htmx asks."""
    return page(request, template, context, region="dialog", status=status)


def done(request: CrmRequest, url: str) -> HttpResponse:
    """Go to ``url`` after a change: a redirect, or for htmx the new ``#main`` and what the menu counts, in place."""
    if request.htmx:
        where = {
            "path": url,
            "target": "#main",
            "select": "#main",
            "selectOOB": "#tasks-due",
            "swap": "outerHTML show:window:top",
        }
        return HttpResponse(status=204, headers={"HX-Location": json.dumps(where)})
    return redirect(url)


def next_url(request: HttpRequest, default: str) -> str:
    """Where the form wants to return to, if that is a path of this site; else ``default``."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if safe and urlsplit(url).path.startswith("/") else default
