"""What every test gets: no network, honest transactional tests, steady random data, no silent skip.

A test that depends on the day freezes it: ``@time_machine.travel("2026-03-23", tick=False)``.
One that needs real commits (threads, locks) says ``@pytest.mark.django_db(transaction=True)``.
"""

import ipaddress
import os
import socket

import pytest
from django.core.cache import cache
from django.core.files.storage import storages
from django.db import connection
from hypothesis import HealthCheck, settings

# Time limits per example say more about the machine than about the code.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in every run: a red run can be run again, and is red again.
settings.register_profile(
    "ci", settings.get_profile("here"), derandomize=True, print_blob=True, database=None
)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def is_local(address: object) -> bool:
    """Whether a socket address stays on this machine (a Unix socket is a string)."""
    if not isinstance(address, tuple):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Begin every test with an empty cache: what one test made usual is not usual in the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def one_storage(monkeypatch):
    """Let attachments lie where the settings say now: a test that changed them leaves Django with another storage."""
    from activities.models import Attachment

    monkeypatch.setattr(Attachment._meta.get_field("file"), "storage", storages["attachments"])


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let Django find out what the database can do before a test counts questions to it."""
    with django_db_blocker.unblock():
        assert connection.features.supports_json_field


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def connect_locally(self, address):
        if not is_local(address):
            raise OSError(f"A test tried to reach {address}: tests stay on this machine")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


def pytest_addoption(parser):
    """Let a run on a second database leave out what no database can change."""
    parser.addoption(
        "--only-with-database", action="store_true", help="run only the tests that use the database"
    )


def uses_database(item):
    """Whether a test asked for the database, by its mark or through a fixture."""
    asked = {"db", "transactional_db", "live_server"} & set(item.fixturenames)
    return bool(asked) or item.get_closest_marker("django_db") is not None


LEDGER = "opportunities.operations"
TESTS_OF_THE_LEDGER = ("test_operations", "test_dry_run")  # how their files begin


def measure_only_tests_of_the_ledger(items):
    """Let the operations' own tests cover them alone: pages that happen to pass by prove little, and cost time."""
    for item in items:
        if not item.path.name.startswith(TESTS_OF_THE_LEDGER):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Give back the rows that migrations made (groups, close reasons) to tests that empty the tables.

    A transactional test ends with every table flushed; with ``serialized_rollback`` the next transactional one
    finds the rows again. Others would not: they all run before (which ``--dist worksteal`` would not keep to).
    """
    if config.getoption("cov_source", None) == [LEDGER]:
        measure_only_tests_of_the_ledger(items)
    if config.getoption("--only-with-database"):
        left_out = [item for item in items if not uses_database(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if uses_database(item)]
    for item in items:
        mark = item.get_closest_marker("django_db")
        arguments = mark.kwargs if mark else {}
        needs_commits = arguments.get("transaction") or {"transactional_db", "live_server"} & set(
            item.fixturenames
        )
        if needs_commits:
            restored = {**arguments, "transaction": True, "serialized_rollback": True}
            item.add_marker(pytest.mark.django_db(**restored), append=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Fail a run in continuous integration that skipped a test: what is not run is not known to work."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_controller = not hasattr(session.config, "workerinput")
    if os.environ.get("CI") and is_controller and reporter and reporter.stats.get("skipped"):
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Say why a run without failures is red."""
    if os.environ.get("CI") and (skipped := terminalreporter.stats.get("skipped")):
        terminalreporter.write_line(f"{len(skipped)} skipped: not allowed when CI is set", red=True)
