"""``manage.py file_email`` as cron and mail servers run it: against a Dovecot, Maildirs and standard input."""

import io
import os
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from activities.models import Email, Interaction
from opportunities.mail.mailboxes import account_at, imap_mailbox
from opportunities.mail.reading import read
from tests.factories import EmailFactory, PersonFactory
from tests.opportunities.mail.messages import message, with_file, written

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[3]
TOO_LARGE = b"From: ann@acme.example\r\n\r\n" + b"x" * (25 * 1024 * 1024)


@pytest.fixture
def ann(db):
    return PersonFactory(email="ann@acme.example")


def file_email(*arguments, **options):
    """Run the command: exit status, and what it said."""
    out = io.StringIO()
    try:
        call_command("file_email", *arguments, stdout=out, **options)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def counted(**numbers):
    """What the command says of a run."""
    total = sum(numbers.values())
    words = ["filed", "waiting", "there", "refused"]
    filed, waiting, there, refused = (numbers.get(word, 0) for word in words)
    return (
        f"{total} message{'' if total == 1 else 's'}: {filed} filed, {waiting} to be placed, "
        f"{there} already there, {refused} not taken.\n"
    )


# IMAP ------------------------------------------------------------------------------------------------------------


def test_unread_messages_of_an_account_are_filed_and_marked_as_read(mailbox, ann):
    mailbox.deliver(message(), with_file(message()), message(sender="x@y.example"))

    assert file_email("--imap", mailbox.url()) == (0, counted(filed=2, waiting=1))

    assert (mailbox.unread(), mailbox.size()) == (0, 3)
    assert Interaction.objects.filter(contact=ann).count() == 2
    assert file_email("--imap", mailbox.url()) == (0, counted())


def test_dry_run_marks_nothing(mailbox, ann):
    mail = message()
    mailbox.deliver(mail, mail)

    status, said = file_email("--imap", mailbox.url(), "--dry-run")

    assert (status, said) == (0, counted(filed=1, there=1) + "This was a dry run: nothing was kept.\n")
    assert mailbox.unread() == 2
    assert not Email.objects.exists()


def test_one_bad_message_does_not_stop_the_rest(mailbox, ann):
    mailbox.deliver(message(), TOO_LARGE, message())

    status, said = file_email("--imap", mailbox.url())

    assert (status, said) == (
        1, counted(filed=2, refused=1) + "2: It is larger than 25 MB, so it is not taken.",
    )  # fmt: skip
    assert mailbox.unread() == 1, "what was not taken stays unread"


def test_odd_message_is_settled_and_does_not_stop_the_rest(mailbox, ann):
    odd = b"From: ann@acme.example\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n\n" * 200_000
    mailbox.deliver(odd, message())

    assert file_email("--imap", mailbox.url()) == (0, counted(filed=1, waiting=1))

    assert mailbox.unread() == 0
    assert Email.objects.waiting().get().reason == "It is built too oddly to be read as a whole."
    assert file_email("--imap", mailbox.url()) == (0, counted())


def test_more_messages_than_are_asked_for_together(mailbox, ann, monkeypatch):
    monkeypatch.setattr("opportunities.mail.mailboxes.MESSAGES_AT_ONCE", 2)
    monkeypatch.setattr("opportunities.mail.mailboxes.MESSAGES_SEARCHED", 3)
    mailbox.deliver(*(message() for _ in range(7)))

    assert file_email("--imap", mailbox.url()) == (0, counted(filed=7))
    assert mailbox.unread() == 0


def test_a_folder_with_an_odd_name(mailbox, ann):
    name = 'À "classer" & rangé'
    encoded = '"&AMA- \\"classer\\" &- rang&AOk-"'
    with mailbox.open() as connection:
        connection.create(encoded)
    mailbox.deliver(message(), folder=encoded)

    assert file_email("--imap", mailbox.url(folder=name)) == (0, counted(filed=1))


def test_a_message_that_is_deleted_meanwhile_is_passed_over(mailbox, ann):
    mailbox.deliver(message(), message())
    account = account_at(mailbox.url())

    with imap_mailbox(account, mailbox.password, read_only=False) as opened:
        letters = opened.letters()
        assert read(next(letters).read()).sender == "ann@acme.example"
        with mailbox.open() as connection:
            connection.store("2", "+FLAGS", r"(\Deleted)")
            connection.expunge()
        assert next(letters).read() is None


def test_the_certificate_has_to_be_trusted(mailbox, ann, monkeypatch):
    mailbox.deliver(message())

    status, said = file_email("--imap", mailbox.tls_url())
    assert (status, said) == (
        75, "The certificate of localhost is not to be trusted: self-signed certificate.",
    )  # fmt: skip

    monkeypatch.setenv("SSL_CERT_FILE", str(mailbox.server.certificate))
    status, said = file_email("--imap", mailbox.tls_url(host="127.0.0.1"))
    assert status == 75
    assert "IP address mismatch" in said
    assert mailbox.unread() == 1

    assert file_email("--imap", mailbox.tls_url()) == (0, counted(filed=1))


def test_wrong_password(mailbox, monkeypatch):
    monkeypatch.setenv("KANSEN_IMAP_PASSWORD", "wrong")

    status, said = file_email("--imap", mailbox.url())

    assert status == 2
    assert said.startswith(f"127.0.0.1 does not let {mailbox.user} in: ")
    assert "wrong" not in said


def test_no_such_folder(mailbox):
    status, said = file_email("--imap", mailbox.url(folder="Nowhere"))

    assert status == 2
    assert said.startswith("There is no mailbox “Nowhere”: ")


def test_server_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("KANSEN_IMAP_PASSWORD", "secret")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        status, said = file_email("--imap", f"imap://me@127.0.0.1:{taken.getsockname()[1]}/INBOX")

    assert (status, said) == (
        75, "127.0.0.1: Connection refused. What was filed stays; run it again to go on.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("imap://me@mail.example.com/INBOX", "imap:// sends the password readably"),
        ("imaps://me:secret@mail.example.com/INBOX", "Leave the password out of the address"),
        ("https://me@mail.example.com/INBOX", "is no address of an account"),
        ("imaps://mail.example.com/INBOX", "is no address of an account"),
        ("imaps://me@mail.example.com:port/INBOX", "is no address of an account"),
        ("imaps://me%0A@mail.example.com/INBOX", "is no address of an account"),
        ("imaps://[/INBOX", "is no address of an account"),
        ("", "is no address of an account"),
    ],
)
def test_address_that_is_not_taken(monkeypatch, url, said):
    monkeypatch.setenv("KANSEN_IMAP_PASSWORD", "secret")

    status, answer = file_email("--imap", url)

    assert status == 2
    assert said in answer
    assert "secret" not in answer


def test_password_is_needed(monkeypatch):
    monkeypatch.delenv("KANSEN_IMAP_PASSWORD", raising=False)

    assert file_email("--imap", "imaps://me@mail.example.com/INBOX") == (
        2, "The password is missing. Put it into the environment variable KANSEN_IMAP_PASSWORD.",
    )  # fmt: skip


# Killed between the commit and the mark --------------------------------------------------------------------------


class Gate:
    """Stands between the command and the server, and calls ``at_store`` instead of letting a mark through."""

    def __init__(self, port, at_store):
        self._target = port
        self._at_store = at_store
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        client, _address = self._listener.accept()
        with self._listener, client, socket.create_connection(("127.0.0.1", self._target)) as server:
            threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                if b" STORE " in data:
                    self._at_store()
                    return
                server.sendall(data)

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass  # the other side is gone


def url_of_the_database():
    """The address of the database that this test writes to."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    parts = connection.settings_dict
    return f"postgres://{parts['USER']}:{parts['PASSWORD']}@{parts['HOST']}:{parts['PORT']}/{parts['NAME']}"


@pytest.mark.django_db(transaction=True)
def test_killed_before_the_mark_it_files_nothing_twice(mailbox):
    PersonFactory(email="ann@acme.example")
    mailbox.deliver(message(), message(), message())
    killed = threading.Event()
    gate = Gate(mailbox.server.port, lambda: (process.kill(), killed.set()))
    process = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "file_email", "--imap", mailbox.url(port=gate.port)],
        env={
            **os.environ,
            "DATABASE_URL": url_of_the_database(),
            "DJANGO_SETTINGS_MODULE": "crm.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "only-for-tests",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.communicate(timeout=120)[0]
    assert (process.returncode, killed.is_set()) == (-9, True), said
    assert (Interaction.objects.count(), mailbox.unread()) == (1, 3)

    assert file_email("--imap", mailbox.url()) == (0, counted(filed=2, there=1))

    assert (Interaction.objects.count(), Email.objects.count(), mailbox.unread()) == (3, 3, 0)


def test_connection_lost_before_the_mark(mailbox, ann):
    mailbox.deliver(message(), message())

    status, said = file_email("--imap", mailbox.url(port=Gate(mailbox.server.port, lambda: None).port))
    assert status == 75
    assert said.endswith("What was filed stays; run it again to go on.")

    assert file_email("--imap", mailbox.url()) == (0, counted(filed=1, there=1))
    assert mailbox.unread() == 0


# Maildir ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def maildir(tmp_path):
    for part in ("new", "cur", "tmp"):
        (tmp_path / part).mkdir()
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_maildir_is_filed_and_moved(maildir, ann):
    (maildir / "new" / "1.a").write_bytes(written(message()))
    (maildir / "new" / "2.b:2,F").write_bytes(written(message(sender="x@y.example")))
    (maildir / "new" / "3.c").write_bytes(TOO_LARGE)
    (maildir / "new" / "4.d").write_bytes(b"")
    (maildir / "new" / "5.folder").mkdir()
    (maildir / "new" / "6.link").symlink_to("/etc/hostname")
    (maildir / "cur" / "0.old").write_bytes(written(message()))

    status, said = file_email("--maildir", str(maildir))

    assert status == 1
    assert said == counted(filed=1, waiting=1, refused=2) + (
        "3.c: It is larger than 25 MB, so it is not taken.\n4.d: There is no message: it is empty."
    )
    assert names(maildir / "new") == ["3.c", "4.d", "5.folder", "6.link"]
    assert names(maildir / "cur") == ["0.old", "1.a:2,S", "2.b:2,FS"]


def test_dry_run_moves_nothing(maildir, ann):
    (maildir / "new" / "1.a").write_bytes(written(message()))

    assert file_email("--maildir", str(maildir), "--dry-run")[0] == 0
    assert names(maildir / "new") == ["1.a"]
    assert not Email.objects.exists()


def test_folder_that_is_no_maildir(tmp_path):
    assert file_email("--maildir", str(tmp_path)) == (
        2, f"{tmp_path} is no Maildir: it has no folder “new”.",
    )  # fmt: skip


# Standard input --------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe(monkeypatch):
    """Give the command bytes on standard input."""

    def pipe(raw):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return file_email("--stdin")

    return pipe


def test_message_on_standard_input(pipe, ann):
    mail = written(message())

    assert pipe(mail) == (0, counted(filed=1))
    assert pipe(mail) == (0, counted(there=1))


@pytest.mark.parametrize("raw", [b"", TOO_LARGE])
def test_standard_input_that_is_refused(pipe, raw):
    status, said = pipe(raw)

    assert status == 1
    assert "Standard input: " in said
    assert not Email.objects.exists()


def database_gives_up(*, at):
    """From the moment ``at`` a text stands in a statement, the database answers nothing any more."""
    is_away = False

    def answer(execute, sql, *rest):
        nonlocal is_away
        is_away = is_away or at in f"{sql} {rest}"
        if is_away:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    return connection.execute_wrapper(answer)


def test_database_that_is_away_lets_the_mail_server_try_again(pipe):
    """Postfix takes 75 as “later”; anything else sends the message back."""
    with database_gives_up(at="django_migrations"):
        status, said = pipe(written(message()))

    assert status == 75
    assert "server closed the connection" in said


@pytest.mark.django_db(transaction=True)
def test_database_that_goes_away_stops_the_run_and_loses_nothing(mailbox):
    mailbox.deliver(message(), message(Subject="The second"), message())

    with database_gives_up(at="The second"):
        assert file_email("--imap", mailbox.url())[0] == 75

    assert mailbox.unread() == 2
    assert file_email("--imap", mailbox.url()) == (0, counted(waiting=2))


class Deadlock(Exception):
    """What the driver of PostgreSQL says of the one of two that has to give way."""

    sqlstate = "40P01"


def gives_way(*, times):
    """The database ends the transaction of a message that often in favour of another."""
    left = times

    def answer(execute, sql, params, *rest):
        nonlocal left
        if left and "The second" in f"{params}":
            left -= 1
            if connection.vendor == "sqlite":
                raise OperationalError("database is locked")
            raise OperationalError("deadlock detected") from Deadlock()
        return execute(sql, params, *rest)

    return connection.execute_wrapper(answer)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("times", "status", "unread"), [(1, 0, 0), (2, 0, 0), (3, 75, 1)])
def test_message_that_gives_way_to_another_is_tried_again(maildir, ann, times, status, unread):
    (maildir / "new" / "1").write_bytes(written(message(Subject="The second")))

    with gives_way(times=times):
        assert file_email("--maildir", maildir)[0] == status

    assert len(names(maildir / "new")) == unread
    assert Interaction.objects.count() == Email.objects.count() == 1 - unread


def test_one_source_is_needed():
    with pytest.raises(CommandError, match="one of the arguments --stdin --maildir --imap is required"):
        call_command("file_email")


def test_a_run_forgets_what_was_set_aside_long_ago(maildir, ann):
    long_ago = timezone.now() - timedelta(days=31)
    email = EmailFactory(subject="Win a car", state="SET_ASIDE", placed_at=long_ago)

    file_email("--maildir", str(maildir), "--dry-run")
    email.refresh_from_db()
    assert email.text
    file_email("--maildir", str(maildir))

    email.refresh_from_db()
    assert (email.subject, email.text) == ("Win a car", "")
