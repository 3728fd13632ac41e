"""Every check of the project, one after the other: ``make test``.

Runs all steps even when one fails and sums up at the end; the exit status is 0 only if nothing failed.
``make test STEPS="mypy sqlite"`` runs only the steps named. pytest's own options go into PYTEST_ADDOPTS:
``PYTEST_ADDOPTS="-k move" make test STEPS=postgresql``.

The Debian packages it needs (a browser, PostgreSQL, an IMAP server) it installs itself where it may: as root, or with a
sudo that asks no password. Elsewhere it leaves those steps or tests out and ends by saying so; with CI=true what is
left out is a failure. PostgreSQL is a throwaway cluster of its own, or the server that DATABASE_URL names.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
LEDGER = "opportunities/operations.py"  # every branch of it must be run by a test


class LeftOut(Exception):
    """A step that this machine cannot run; the text says why."""


# The machine


def postgresql_bin() -> Path | None:
    """Find the server's own programs, which Debian keeps off the PATH (a wrapper there may be anything)."""
    homes = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[4]) if path.parts[4].isdigit() else 0,
    )
    if homes:
        return homes[-1].parent
    if shutil.which("apt-get") is None and (config := shutil.which("pg_config")):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folder = Path(answer.stdout.strip())
        return folder if (folder / "initdb").exists() else None
    return None


def packages_missing_for_postgresql() -> list[str]:
    """Name what ``postgresql`` still needs from Debian."""
    return [] if given_database() or postgresql_bin() else ["postgresql"]


def packages_missing_for_imap() -> list[str]:
    """Name what the tests of incoming e-mail still need from Debian, in every step with a database."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    missing = [] if shutil.which("dovecot", path=path) else ["dovecot-imapd"]
    return missing if shutil.which("openssl") else [*missing, "openssl"]


def packages_missing_for_browser() -> list[str]:
    """Name what ``browser`` still needs from Debian."""
    browsers = ("chromium-headless-shell", "chromium", "google-chrome")  # the first has no window
    is_there = os.environ.get("CHROMIUM") or any(map(shutil.which, browsers))
    missing = [] if is_there else ["chromium-headless-shell"]
    if sys.platform == "linux" and not any(Path("/usr/lib").glob("*/libatomic.so.1")):
        missing.append("libatomic1")  # Playwright's driver does not start without it
    if sys.platform == "linux" and not any(Path("/usr/share/fonts").rglob("*.ttf")):
        missing.append("fonts-dejavu-core")
    return missing


def install_command(packages: list[str]) -> str:
    """Return the one command that installs what is missing."""
    return f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


def install(packages: list[str]) -> None:
    """Install Debian packages if this user may; otherwise do nothing: the steps will say what they lack."""
    if shutil.which("apt-get") is None:
        return
    if os.geteuid() == 0:
        root = []
    elif shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        root = ["sudo", "-n"]
    else:
        return
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    add = [*apt, "install", "-y", "--no-install-recommends"]
    heading(f"installing {' '.join(packages)}")
    with (
        contextlib.suppress(subprocess.CalledProcessError),  # said by quietly(); the steps say the rest
        services_not_started(root) if "dovecot-imapd" in packages else contextlib.nullcontext(),
    ):
        quietly([*apt, "update"])
        if "postgresql" not in packages:
            quietly([*add, *packages])
            return
        # Debian would make a server of its own and start it on port 5432. Only the programs are wanted, so
        # the package is told not to, for as long as this takes.
        quietly([*add, "postgresql-common"])
        setting = "/etc/postgresql-common/createcluster.conf"
        quietly([*root, "sed", "-i.kansen", "1i create_main_cluster = false", setting])
        try:
            quietly([*add, *packages])
        finally:
            quietly([*root, "mv", f"{setting}.kansen", setting])


@contextlib.contextmanager
def services_not_started(root: list[str]) -> Iterator[None]:
    """Keep Debian from starting the servers it installs: only their programs are wanted."""
    policy = "/usr/sbin/policy-rc.d"
    if Path(policy).exists():  # somebody else's, which says so already
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="kansen-policy-") as script:
        script.write("#!/bin/sh\nexit 101\n")
        script.flush()
        quietly([*root, "install", "-m", "755", script.name, policy])
    try:
        yield
    finally:
        quietly([*root, "rm", "-f", policy])


def quietly(command: list[str]) -> None:
    """Run a command and show what it said only if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stdout}")
    done.check_returncode()


def given_database() -> str:
    """Return the PostgreSQL address in DATABASE_URL, or nothing."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith(("postgres", "psql", "pgsql")) else ""


@contextlib.contextmanager
def throwaway_postgresql() -> Iterator[str]:
    """Run a PostgreSQL server of our own for a while; yields its DATABASE_URL, and nothing of it stays."""
    binaries = postgresql_bin()
    if binaries is None:
        raise LeftOut("PostgreSQL is not installed")
    # The server refuses to run as root.
    owner = None
    if os.geteuid() == 0:
        users = {entry.pw_name for entry in pwd.getpwall()}
        owner = "postgres" if "postgres" in users else "nobody"
    group = pwd.getpwnam(owner).pw_gid if owner else None
    extra_groups: list[int] | None = [] if owner else None
    password = secrets.token_urlsafe(24)
    folder = Path(tempfile.mkdtemp(prefix="kansen-postgresql-"))
    data, log, secret = folder / "data", folder / "log", folder / "password"
    server = None
    try:
        secret.write_text(password)
        if owner:
            for path in (folder, secret):
                shutil.chown(path, owner, group)
        made = subprocess.run(
            [
                binaries / "initdb",
                *("--pgdata", data, "--username", "kansen", "--pwfile", secret),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            cwd=folder,
            user=owner,
            group=group,
            extra_groups=extra_groups,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise SystemExit(f"initdb failed:\n{made.stdout}{made.stderr}")
        for _attempt in range(3):  # between our choice of a port and its use, somebody may take it
            port = free_port()
            quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60")
            options = [
                *quick,
                f"port={port}",
                "listen_addresses=127.0.0.1",
                f"unix_socket_directories={folder}",
            ]
            with log.open("wb") as output:
                server = subprocess.Popen(
                    [
                        binaries / "postgres",
                        "-D",
                        data,
                        *(part for option in options for part in ("-c", option)),
                    ],
                    cwd=folder,
                    user=owner,
                    group=group,
                    extra_groups=extra_groups,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C ends the tests first, then this
                )
            if is_answering(server, binaries, port):
                break
        else:
            raise SystemExit(f"PostgreSQL did not start:\n{log.read_text()}")
        yield f"postgres://kansen:{password}@127.0.0.1:{port}/postgres"
    finally:
        if server and server.poll() is None:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)
                server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_answering(server: subprocess.Popen[bytes], binaries: Path, port: int) -> bool:
    """Wait until the server takes connections; False if it gave up or needs more than 30 seconds."""
    for _tenth in range(300):
        if server.poll() is not None:
            return False
        ready = subprocess.run(
            [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
        )
        if ready.returncode == 0:
            return True
        time.sleep(0.1)
    server.kill()
    return False


# The steps


def run(command: list[str | Path], **environment: str) -> bool:
    """Run a command from the project's root; an empty variable is taken away. True if it succeeded."""
    variables = {name: value for name, value in (os.environ | environment).items() if value}
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode == 0


def tool(name: str, *arguments: str, **environment: str) -> bool:
    """Run a program of the environment in .venv."""
    return run([BIN / name, *arguments], **environment)


def manage(*arguments: str, **environment: str) -> bool:
    """Run a management command with the tests' settings."""
    return tool(
        "python", "manage.py", *arguments, **{"DJANGO_SETTINGS_MODULE": "tests.settings", **environment}
    )


def pytest(*arguments: str, **environment: str) -> bool:
    """Run pytest on two processors, which is what a small machine has."""
    return tool("pytest", "-q", "-n", "2", "--tb=short", *arguments, **environment)


def templates() -> list[str]:
    """Return the paths of all templates."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "templates").rglob("*.html"))


def check_lint() -> bool:
    """ruff: mistakes, imports, modern Python."""
    return tool("ruff", "check")


def check_format() -> bool:
    """ruff format: nothing left to reformat."""
    return tool("ruff", "format", "--check")


def check_types() -> bool:
    """mypy, strict."""
    return tool("mypy")


def check_imports() -> bool:
    """import-linter: who may import whom."""
    return tool("lint-imports", "--no-cache", "--no-logo")


def check_templates() -> bool:
    """djlint and djade: omissions and old syntax in templates."""
    names = templates()
    linted = tool("djlint", "--lint", "--quiet", *names)
    modern = tool("djade", "--check", "--target-version", "5.2", *names)
    return linted and modern


def check_migrations() -> bool:
    """No change of a model without its migration."""
    return manage("makemigrations", "--check", "--dry-run", DATABASE_URL="sqlite://:memory:")


def check_deploy() -> bool:
    """Django's own checks under production settings: no warning."""
    production = {"ENV_FILE": os.devnull, "SECRET_KEY": secrets.token_urlsafe(60), "DEBUG": "0", "HTTPS": "1"}
    return manage(
        *("check", "--deploy", "--fail-level", "WARNING"), DJANGO_SETTINGS_MODULE="crm.settings", **production
    )


def run_on_sqlite() -> bool:
    """All tests but the browser's, on SQLite; measures how much of the ledger its own tests run."""
    covering = (f"--cov={LEDGER.removesuffix('.py').replace('/', '.')}", "--cov-branch", "--cov-report=")
    return pytest("-m", "not browser", *covering, DATABASE_URL="")


def run_on_postgresql() -> bool:
    """The same tests on PostgreSQL, but those that use no database."""
    chosen = ("-m", "not browser", "--only-with-database")
    if url := given_database():
        return pytest(*chosen, DATABASE_URL=url)
    with throwaway_postgresql() as url:
        return pytest(*chosen, DATABASE_URL=url)


def run_in_browser() -> bool:
    """The pages in Chromium."""
    if missing := packages_missing_for_browser():
        raise LeftOut(f"{', '.join(missing)} not installed")
    return pytest("-m", "browser", DATABASE_URL="")


def check_coverage() -> bool:
    """Every branch of the ledger's operations is run by a test of them."""
    if not (ROOT / ".coverage").exists():
        raise LeftOut("the tests on SQLite did not run")
    return tool("coverage", "report", f"--include={LEDGER}", "--fail-under=100", "--precision=2")


STEPS: dict[str, Callable[[], bool]] = {
    "lint": check_lint,
    "format": check_format,
    "types": check_types,
    "imports": check_imports,
    "templates": check_templates,
    "migrations": check_migrations,
    "deploy": check_deploy,
    "sqlite": run_on_sqlite,
    "postgresql": run_on_postgresql,
    "browser": run_in_browser,
    "coverage": check_coverage,
}


WITH_IMAP = ("sqlite", "postgresql")
NEEDS: dict[str, list[Callable[[], list[str]]]] = {
    "sqlite": [packages_missing_for_imap],
    "postgresql": [packages_missing_for_postgresql, packages_missing_for_imap],
    "browser": [packages_missing_for_browser],
}


def packages_missing_for(steps: list[str]) -> list[str]:
    """Name what some steps still need from Debian, each once."""
    found = (package for name in steps for need in NEEDS.get(name, []) for package in need())
    return list(dict.fromkeys(found))


def heading(text: str) -> None:
    """Announce what comes."""
    print(f"\n── {text} {'─' * (76 - len(text))}", flush=True)


def main(names: list[str]) -> int:
    """Run the steps named, or all; return the exit status."""
    if unknown := set(names) - set(STEPS):
        print(f"No such step: {', '.join(sorted(unknown))}. There are: {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    chosen = [name for name in STEPS if not names or name in names]
    if missing := packages_missing_for(chosen):
        install(missing)
    if "sqlite" in chosen:
        (ROOT / ".coverage").unlink(missing_ok=True)

    results: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name in chosen:
        step = STEPS[name]
        heading(f"{name}: {step.__doc__}")
        started = time.monotonic()
        try:
            results[name] = "ok" if step() else "FAILED"
            if name in WITH_IMAP and (missing := packages_missing_for_imap()):
                left_out[name] = (
                    f"without the tests against an IMAP server, {', '.join(missing)} not installed"
                )
        except LeftOut as missing_part:
            left_out[name] = str(missing_part)
            results[name] = "left out"
            print(f"Left out: {missing_part}.")
        took = time.monotonic() - started
        results[name] += f" ({took:.0f} s)"

    heading("summary")
    for name, result in results.items():
        print(f"{name:12} {result}")
    has_failed = any(result.startswith("FAILED") for result in results.values())
    if left_out:
        still_missing = packages_missing_for(list(left_out))
        print(f"\n{'FAILED: l' if CI else 'L'}eft out:")
        for name, reason in left_out.items():
            print(f"  {name}: {reason}")
        if still_missing:
            print(f"To run everything: {install_command(still_missing)}")
    return 1 if has_failed or (CI and left_out) else 0


def stop(_signal: int, _frame: object) -> NoReturn:
    """End by an exception, so that what was started is stopped."""
    raise SystemExit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
