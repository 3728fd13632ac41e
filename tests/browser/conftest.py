"""Tests in Chromium, against the real pages on a live server.

Every test here is marked ``browser`` and gets a database that commits (the server runs in a thread of
its own); neither needs to be said. Open pages by path, wait with ``expect``::

    def test_moves_from_the_keyboard(page, sign_in, axe):
        opportunity = OpportunityFactory(...)
        sign_in(opportunity.salesperson.user)

        page.goto(opportunity.get_absolute_url())
        page.get_by_role("button", name="Move").press("Enter")

        expect(page.get_by_role("dialog")).to_be_visible()
        axe()

``page`` is 1360 px wide and light. Ask for ``phone`` (360 px) or ``dark`` beside it for another, for
``both_screens`` to run a journey on the wide light and on the narrow dark one, or for ``every_screen`` to look
at pages in all four. A test fails when the browser's console shows an error, a
script throws or a request fails. Answers 403, 404, 409 and 422 are part of the product and do not count;
a stylesheet or script that is not there does.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client

# Playwright keeps an event loop running in the test's thread, which Django would take for async code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

HERE = Path(__file__).parent
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")  # the first has no window
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 360, "height": 740}
EXPECTED_ANSWER = re.compile(
    r"Failed to load resource: the server responded with a status of (403|404|409|422)"
)
LEFT_BEHIND = re.compile("htmx:(sendAbort|afterRequest), ")  # the page was left while a request was under way


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is in this folder, so that nobody has to remember it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True, serialized_rollback=True))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Start Debian's Chromium: Playwright brings none."""
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    found = {"executable_path": CHROMIUM} if CHROMIUM else {}
    return {**browser_type_launch_args, "args": arguments, **found}


@pytest.fixture(scope="session")
def base_url(live_server):
    """Let tests name pages by path."""
    return live_server.url


@pytest.fixture
def phone():
    """Make the page of this test 360 px wide, with touch."""


@pytest.fixture
def dark():
    """Make the page of this test dark."""


@pytest.fixture(params=["desktop light", "phone dark"])
def both_screens(request):
    """Run this test at 1360 px, light, and at 360 px, dark; the value names the screen."""
    return request.param


@pytest.fixture(params=["desktop light", "desktop dark", "phone light", "phone dark"])
def every_screen(request):
    """Run this test at 1360 and 360 px, light and dark; the value names the screen."""
    return request.param


@pytest.fixture
def context(new_context, request):
    """Open a browser profile on the live server, on the screen that the test asked for."""
    names = request.fixturenames
    screens = [name for name in ("both_screens", "every_screen") if name in names]
    screen = request.getfixturevalue(screens[0]) if screens else ""
    is_phone = "phone" in names or "phone" in screen
    is_dark = "dark" in names or "dark" in screen
    return new_context(
        viewport=PHONE if is_phone else DESKTOP,
        has_touch=is_phone,
        color_scheme="dark" if is_dark else "light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id=settings.TIME_ZONE,
    )


@pytest.fixture
def problems(context):
    """Collect what the browser complains about; a test that expects a complaint takes it out of this list."""
    found = []

    def on_console(message):
        url = message.location["url"]
        is_expected = EXPECTED_ANSWER.match(message.text) and settings.STATIC_URL not in url
        is_expected = is_expected or LEFT_BEHIND.match(message.text)
        if message.type == "error" and not is_expected:
            found.append(f"console: {message.text} ({url})")

    def on_failed(request):
        if request.failure != "net::ERR_ABORTED":  # the browser's own doing: a download, or the page was left
            found.append(f"request: {request.method} {request.url}: {request.failure}")

    context.on("console", on_console)
    context.on("weberror", lambda error: found.append(f"script: {error.error}"))
    context.on("requestfailed", on_failed)
    return found


@pytest.fixture
def page(context, problems):
    """Open a page, and fail the test if the browser complained about anything by its end."""
    page = context.new_page()
    yield page
    assert problems == []


@pytest.fixture
def sign_in(context, base_url):
    """Return ``sign_in(user)``, which gives the browser a session without typing a password."""

    def sign_in(user):
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base_url}])
        return user

    return sign_in


@pytest.fixture
def axe(page):
    """Return ``axe(**options)``, which asserts that axe finds no accessibility violation on the page."""

    def axe(**options):
        results = Axe().run(page, **options)
        assert results.violations_count == 0, results.generate_report()

    return axe
