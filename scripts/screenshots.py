"""Pictures of the pages with the demo's data, into ``docs/pictures``: ``make screenshots``.

Makes a database of its own, serves it on a free port, and lets Chromium look as the demo's people do.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright
from test import BIN, ROOT, free_port, install, install_command, packages_missing_for_browser

PICTURES = ROOT / "docs" / "pictures"
DESKTOP, PHONE = {"width": 1360, "height": 860}, {"width": 360, "height": 740}
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--lang=en-GB"]
PAGES = {"today": "/today/", "board": "/board/", "list": "/opportunities/?whose=ME", "opportunity": ""}
SECONDS_TO_START = 30
LAUNCHES = ("chromium", "google-chrome", "chromium-headless-shell")


@contextmanager
def served() -> Iterator[tuple[str, str, str]]:
    """Kansen with demo data: its address, and e-mail address and password of the demo's salesperson."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = {
            **os.environ,
            "ENV_FILE": os.devnull,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "HTTPS": "0",
            "PORT": str(port),
            "DATABASE_URL": f"sqlite:///{folder}/pictures.sqlite3",
        }
        manage = [BIN / "python", ROOT / "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], env=settings, check=True, cwd=ROOT)
        told = subprocess.run([*manage, "demo"], env=settings, check=True, cwd=ROOT, capture_output=True)
        sign_in = re.search(r"Salesperson +(\S+@\S+) +(\S+)", told.stdout.decode())
        assert sign_in, "The demo names no salesperson"
        server = subprocess.Popen(
            [BIN / "gunicorn", "--config", ROOT / "scripts" / "gunicorn.conf.py", "crm.wsgi"],
            env=settings,
            cwd=ROOT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address)
            yield address, sign_in[1], sign_in[2]
        finally:
            server.terminate()
            server.wait()


def wait_for(address: str) -> None:
    """Return as soon as the server answers."""
    give_up = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < give_up:
        try:
            urllib.request.urlopen(f"{address}/sign-in/", timeout=2)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit("The server did not answer.")


def signed_in(browser: Browser, address: str, email: str, password: str, **screen: object) -> Page:
    """A page of somebody who has just signed in."""
    page = browser.new_page(base_url=address, locale="en-GB", reduced_motion="reduce", **screen)  # type: ignore[arg-type]
    page.goto("/sign-in/")
    page.locator("input[name=username]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.locator("#main h1").wait_for()
    return page


def take(page: Page, name: str) -> None:
    """One picture of what is on the screen."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / f"{name}.png")
    print(f"docs/pictures/{name}.png")


def busiest(page: Page) -> str:
    """The address of an opportunity of the salesperson's with some history: their most valuable one in progress."""
    page.goto("/opportunities/?status=IN_PROGRESS&whose=ME&sort=-calculated_value")
    return str(page.locator("[data-rows] .row-link").first.get_attribute("href"))


def move(page: Page) -> None:
    """Begin to move an opportunity to a stage that brings tasks along, and see what would come of it."""
    page.goto("/opportunities/?status=IN_PROGRESS&whose=ME")
    page.locator("[data-rows] tr", has_text="Demonstrate").first.locator(".row-link").click()
    page.get_by_role("link", name=re.compile("^Move to")).first.click()
    page.get_by_role("dialog").locator(".planned-task").first.wait_for()
    page.get_by_role("dialog").locator("#preview > *").first.wait_for()


def look(page: Page, kind: str, opportunity: str) -> None:
    """The pages that somebody lives in; ``kind`` says in the name of the picture what is special about them."""
    for name, path in PAGES.items():
        page.goto(path or opportunity)
        take(page, f"{name}{kind}")


def main() -> None:
    """All the pictures."""
    if missing := packages_missing_for_browser():
        install(missing)
    if missing := packages_missing_for_browser():
        sys.exit(f"A browser is needed:\n  {install_command(missing)}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with served() as (address, email, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM)
        page = signed_in(browser, address, email, password, viewport=DESKTOP)
        opportunity = busiest(page)
        look(page, "", opportunity)
        move(page)
        take(page, "move")
        page.goto("/tasks/week/")
        take(page, "week")
        page.goto("/today/")
        page.keyboard.press("Control+k")
        page.keyboard.type("lo")
        page.get_by_role("option").first.wait_for()
        take(page, "search")
        dark = signed_in(browser, address, email, password, viewport=DESKTOP, color_scheme="dark")
        dark.goto("/board/")
        take(dark, "board-dark")
        phone = signed_in(browser, address, email, password, viewport=PHONE, has_touch=True)
        look(phone, "-phone", opportunity)
        browser.close()


def chromium() -> str:
    """The browser that this machine has."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, LAUNCHES)), None)
    return found or sys.exit("No Chromium was found.")


if __name__ == "__main__":
    main()
