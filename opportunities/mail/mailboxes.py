"""Where messages are read from: standard input, a Maildir, an account on an IMAP server.

Each gives one ``Letter`` after the other, and ``settle`` marks one as done. That is called only after what was made of
it is committed: when everything stops half-way, the message comes again and is known already.
"""

import base64
import imaplib
import ipaddress
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext as _

from opportunities.mail.reading import LARGEST_MESSAGE, MessageRefused, check_size

PATIENCE = 60  # seconds for one answer of a server
MESSAGES_AT_ONCE = 100  # whose sizes are asked for together
MESSAGES_SEARCHED = 10_000  # at once
SEEN = ":2,"  # what begins the flags in the name of a file in a Maildir
FETCHED = re.compile(rb"\bUID (\d+)\b.*?\bRFC822\.SIZE (\d+)|\bRFC822\.SIZE (\d+)\b.*?\bUID (\d+)", re.DOTALL)
NOT_ASCII = re.compile(r"[^\x20-\x7e]+")


class MailboxError(Exception):
    """A mailbox that cannot be read; ``is_lasting`` when trying again later does not help."""

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


@dataclass(frozen=True)
class Letter:
    """A message that lies in a mailbox: its name there, and how to read it; None when somebody took it meanwhile."""

    name: str
    read: Callable[[], bytes | None]


class Mailbox(Protocol):
    """Gives its messages one after the other."""

    def __len__(self) -> int:
        """How many there are."""

    def letters(self) -> Iterator[Letter]:
        """The messages that nobody has settled."""

    def settle(self, letter: Letter) -> None:
        """Mark a message as done."""


class Stream:
    """One message that is written to this command."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __len__(self) -> int:
        return 1

    def letters(self) -> Iterator[Letter]:
        """The one message."""
        yield Letter(_("Standard input"), self._read)

    def settle(self, letter: Letter) -> None:
        """It is gone already."""

    def _read(self) -> bytes:
        raw = self._stream.read(LARGEST_MESSAGE + 1)
        check_size(len(raw))
        return raw


class Maildir:
    """A folder with new messages in ``new``; those that are done are moved to ``cur``, marked as seen."""

    def __init__(self, folder: Path) -> None:
        self._new, self._done = folder / "new", folder / "cur"
        for part in (self._new, self._done):
            if not part.is_dir():
                raise MailboxError(
                    _("%(folder)s is no Maildir: it has no folder “%(part)s”.")
                    % {"folder": folder, "part": part.name},
                    is_lasting=True,
                )
        try:
            files = [path for path in self._new.iterdir() if path.is_file() and not path.is_symlink()]
        except OSError as error:
            raise MailboxError(
                _("%(folder)s cannot be read: %(error)s.")
                % {"folder": self._new, "error": error.strerror or error}
            ) from error
        self._names = sorted(path.name for path in files if not path.name.startswith("."))

    def __len__(self) -> int:
        return len(self._names)

    def letters(self) -> Iterator[Letter]:
        """The files in ``new``, in the order of their names, which is that of their arrival."""
        for name in self._names:
            yield Letter(name, lambda name=name: self._read(name))  # type: ignore[misc]

    def settle(self, letter: Letter) -> None:
        """Move it to ``cur`` with the flag S."""
        unique, _mark, flags = letter.name.partition(SEEN)
        done = self._done / f"{unique}{SEEN}{''.join(sorted({*flags, 'S'}))}"
        try:
            (self._new / letter.name).rename(done)
        except FileNotFoundError:
            pass  # another run has moved it
        except OSError as error:
            raise MailboxError(
                _("%(file)s is filed, but cannot be moved to “cur”: %(error)s.")
                % {"file": letter.name, "error": error.strerror or error}
            ) from error

    def _read(self, name: str) -> bytes | None:
        try:
            with (self._new / name).open("rb") as file:
                raw = file.read(LARGEST_MESSAGE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MessageRefused(_("It cannot be read: %(error)s.") % {"error": error.strerror}) from error
        check_size(len(raw))
        return raw


# IMAP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """Where an IMAP server is, and whose mailbox is read there."""

    is_encrypted: bool
    host: str
    port: int
    user: str
    mailbox: str


def account_at(url: str) -> Account:
    """The account that an address such as ``imaps://user@host/INBOX`` names. Raises ``MailboxError``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _no_address(url) from error
    host, user = parts.hostname or "", unquote(parts.username or "")
    if parts.scheme not in ("imap", "imaps") or not host or not user or parts.query or parts.fragment:
        raise _no_address(url)
    if parts.password is not None:
        raise MailboxError(
            _("Leave the password out of the address, where everybody on this machine can read it."),
            is_lasting=True,
        )
    if parts.scheme == "imap" and not _is_this_machine(host):
        raise MailboxError(
            _("imap:// sends the password readably, so it is only for this machine. Use imaps://."),
            is_lasting=True,
        )
    mailbox = unquote(parts.path.strip("/")) or "INBOX"
    if any(not letter.isprintable() for letter in user + mailbox):
        raise _no_address(url)
    is_encrypted = parts.scheme == "imaps"
    return Account(is_encrypted, host, port or (993 if is_encrypted else 143), user, mailbox)


def _no_address(url: str) -> MailboxError:
    shown = re.sub(r":[^@/]*@", ":…@", url)
    return MailboxError(
        _(
            "“%(url)s” is no address of an account. Write imaps://user@host/INBOX, with %%40 for an @ in the user."
        )
        % {"url": shown},
        is_lasting=True,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def imap_mailbox(account: Account, password: str, *, read_only: bool) -> Iterator["ImapMailbox"]:
    """A mailbox on an IMAP server, open for a while. Raises ``MailboxError``."""
    try:
        connection = _connection(account)
        try:
            _sign_in(connection, account, password)
            yield ImapMailbox(connection, account.mailbox, read_only=read_only)
        finally:
            _leave(connection)
    except ssl.SSLCertVerificationError as error:
        raise MailboxError(
            _("The certificate of %(host)s is not to be trusted: %(error)s.")
            % {"host": account.host, "error": error.verify_message}
        ) from error
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(
            _("%(host)s: %(error)s. What was filed stays; run it again to go on.")
            % {"host": account.host, "error": _said(error)}
        ) from error


def _connection(account: Account) -> imaplib.IMAP4:
    if not account.is_encrypted:
        return imaplib.IMAP4(account.host, account.port, timeout=PATIENCE)
    trusted = ssl.create_default_context()
    return imaplib.IMAP4_SSL(account.host, account.port, ssl_context=trusted, timeout=PATIENCE)


def _sign_in(connection: imaplib.IMAP4, account: Account, password: str) -> None:
    try:
        if "AUTH=PLAIN" in connection.capabilities:
            secret = f"\0{account.user}\0{password}".encode()
            connection.authenticate("PLAIN", lambda _challenge: secret)
        else:
            connection.login(account.user, password)
    except (imaplib.IMAP4.error, UnicodeError) as error:
        if isinstance(error, imaplib.IMAP4.abort):
            raise
        raise MailboxError(
            _("%(host)s does not let %(user)s in: %(error)s")
            % {"host": account.host, "user": account.user, "error": _said(error)},
            is_lasting=True,
        ) from error


def _leave(connection: imaplib.IMAP4) -> None:
    """Say good-bye, or at least close a connection that was lost."""
    try:
        connection.logout()
    except (OSError, imaplib.IMAP4.error):
        with suppress(OSError):
            connection.shutdown()


class ImapMailbox:
    """The unread messages of a mailbox, found by their UIDs; one that is done is marked as read."""

    def __init__(self, connection: imaplib.IMAP4, name: str, *, read_only: bool) -> None:
        self._connection = connection
        kind, answer = connection.select(_quoted(name), readonly=read_only)
        if kind != "OK":
            raise MailboxError(
                _("There is no mailbox “%(name)s”: %(error)s") % {"name": name, "error": _text(answer)},
                is_lasting=True,
            )
        self._uids = self._unread(int(answer[0] or 0))

    def __len__(self) -> int:
        return len(self._uids)

    def letters(self) -> Iterator[Letter]:
        """The unread messages, oldest first; the size of each is asked for before it is read."""
        for start in range(0, len(self._uids), MESSAGES_AT_ONCE):
            some = self._uids[start : start + MESSAGES_AT_ONCE]
            sizes = self._sizes(some)
            for uid in some:
                if uid in sizes:
                    yield Letter(str(uid), lambda uid=uid, size=sizes[uid]: self._read(uid, size))  # type: ignore[misc]

    def settle(self, letter: Letter) -> None:
        """Mark it as read."""
        self._ask("STORE", letter.name, "+FLAGS.SILENT", r"(\Seen)")

    def _unread(self, there: int) -> list[int]:
        """The UIDs of what is unread, asked for in parts: a line of an answer may not be too long."""
        found: set[int] = set()
        for first in range(1, there + 1, MESSAGES_SEARCHED):
            answer = self._ask("SEARCH", f"{first}:{min(first + MESSAGES_SEARCHED - 1, there)}", "UNSEEN")
            found.update(int(uid) for line in answer if isinstance(line, bytes) for uid in line.split())
        return sorted(found)

    def _sizes(self, uids: list[int]) -> dict[int, int]:
        answer = self._ask("FETCH", ",".join(map(str, uids)), "(UID RFC822.SIZE)")
        found = {}
        for line in answer:
            if isinstance(line, bytes) and (parts := FETCHED.search(line)):
                found[int(parts[1] or parts[4])] = int(parts[2] or parts[3])
        return found

    def _read(self, uid: int, size: int) -> bytes | None:
        """The message, of which no more is read than can be taken; None when it is gone."""
        check_size(size)
        try:
            answer = self._ask("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{LARGEST_MESSAGE + 1}>)")
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise MessageRefused(
                _("The server does not give it: %(error)s") % {"error": _said(error)}
            ) from error
        for line in answer:
            if isinstance(line, tuple) and b"BODY[]" in line[0]:
                raw = bytes(line[1])
                check_size(len(raw))
                return raw
        return None

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        kind, answer = self._connection.uid(command, *arguments)
        if kind != "OK":
            raise imaplib.IMAP4.error(_text(answer))
        return answer


def _quoted(name: str) -> str:
    """The name of a mailbox as IMAP wants it: in quotation marks, and in its own kind of UTF-7."""
    encoded = NOT_ASCII.sub(_in_utf7, name.replace("&", "&-"))
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_utf7(letters: re.Match[str]) -> str:
    packed = base64.b64encode(letters[0].encode("utf-16-be")).decode().rstrip("=")
    return f"&{packed.replace('/', ',')}-"


def _text(answer: list[Any]) -> str:
    return " ".join(line.decode("utf-8", "replace") for line in answer if isinstance(line, bytes))


def _said(error: BaseException) -> str:
    """What an error says, in words rather than in bytes."""
    words = [part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in error.args]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(words) or type(error).__name__
