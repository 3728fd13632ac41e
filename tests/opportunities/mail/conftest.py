"""A Dovecot of our own, as Debian brings it, and a mailbox on it that is empty at the beginning of every test."""

import contextlib
import grp
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.opportunities.mail.messages import written

DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = 'päss ’ "word'
# The server runs until its input ends, and that ends with the tests, also when they are killed.
WATCHED = '"$0" -F -c "$1" & read -r _; kill $!; wait'
PATIENCE = 30  # seconds for the server to start
CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = {uid}
first_valid_gid = {gid}
mail_location = maildir:~/mail
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
ssl_dh =
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=one {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/homes/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


@dataclass
class Dovecot:
    """Where the server listens, and whom one has to trust to talk to it in secret."""

    port: int
    tls_port: int
    certificate: Path


class Mailbox:
    """Somebody's mailbox on the server."""

    def __init__(self, server, user):
        self.server = server
        self.user = user
        self.password = PASSWORD

    def url(self, *, port=0, folder="INBOX"):
        """The address without encryption, which is for this machine only."""
        return f"imap://{quote(self.user)}@127.0.0.1:{port or self.server.port}/{quote(folder)}"

    def tls_url(self, host="localhost"):
        return f"imaps://{quote(self.user)}@{host}:{self.server.tls_port}/INBOX"

    @contextlib.contextmanager
    def open(self, folder="INBOX"):
        with imaplib.IMAP4("127.0.0.1", self.server.port) as connection:
            secret = f"\0{self.user}\0{self.password}".encode()
            connection.authenticate("PLAIN", lambda _challenge: secret)
            connection.select(folder)
            yield connection

    def deliver(self, *messages, folder="INBOX"):
        with self.open() as connection:
            for message in messages:
                kind, said = connection.append(folder, "", None, written(message))
                assert kind == "OK", said

    def unread(self):
        with self.open() as connection:
            return len(connection.search(None, "UNSEEN")[1][0].split())

    def size(self):
        with self.open() as connection:
            return len(connection.search(None, "ALL")[1][0].split())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def who_runs_it():
    """The server gives nobody's mail to root, so root starts it as somebody else."""
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return entry, grp.getgrgid(entry.pw_gid).gr_name


def make_certificate(folder):
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


def is_answering(process, port):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, imaplib.IMAP4.error), imaplib.IMAP4("127.0.0.1", port, timeout=5):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="session")
def dovecot():
    """Run a server on free ports in a folder of its own, of which nothing stays."""
    if DOVECOT is None or shutil.which("openssl") is None:
        pytest.skip("dovecot-imapd or openssl is not installed")
    account, group = who_runs_it()
    folder = Path(tempfile.mkdtemp(prefix="kansen-dovecot-"))
    process = None
    try:
        make_certificate(folder)
        server = Dovecot(free_port(), free_port(), folder / "certificate.pem")
        (folder / "passwords").write_text(f"one:{{PLAIN}}{PASSWORD}\n")
        (folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                user=account.pw_name,
                group=group,
                uid=account.pw_uid,
                gid=account.pw_gid,
                port=server.port,
                tls_port=server.tls_port,
            )
        )
        (folder / "homes").mkdir()
        owned = {}
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, account.pw_uid, account.pw_gid)
            owned = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        process = subprocess.Popen(
            ["sh", "-c", WATCHED, DOVECOT, folder / "dovecot.conf"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C ends the tests first, then this
            cwd=folder,
            **owned,
        )
        assert is_answering(process, server.port), (folder / "log").read_text()
        yield server
    finally:
        if process:
            process.stdin.close()
            process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


USERS = count()


@pytest.fixture
def mailbox(dovecot, monkeypatch):
    """A new, empty mailbox, whose password is where the command looks for it."""
    monkeypatch.setenv("KANSEN_IMAP_PASSWORD", PASSWORD)
    return Mailbox(dovecot, f"crm{next(USERS)}@kansen.example")
