"""A message as it was sent (RFC 5322), read into what is kept of it.

Whoever wrote it may have written anything: whatever the bytes are, reading ends with something that can be stored.
What cannot be understood is left out or shown as it is, and nothing takes long: headers, parts and texts are bounded.
That matters beyond the one message: it is marked as done only after it is kept, so one that brings a run down would
meet every run.
"""

import codecs
import hashlib
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import EmailPolicy, compat32
from email.utils import parsedate_to_datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from opportunities.mail.markup import text_of_html, tidy

LARGEST_MESSAGE = 25 * 1024 * 1024  # bytes
LONGEST_TEXT = 10_000  # characters
LONGEST_SUBJECT = 500
LONGEST_ADDRESS = 320
LONGEST_HEADER = 4_000  # characters that are looked at
LONGEST_LIST_OF_ADDRESSES = 20_000
LONGEST_PAYLOAD = 400_000  # bytes of a text that are looked at
MOST_ADDRESSES = 100
MOST_FILES = 30
MOST_LEFT_OUT = 10  # that are named
MOST_NESTED = 100  # parts that have parts
MOST_PARTS = 1_000
MOST_HEADERS = 10_000  # lines of them, in all parts
MOST_TOP_HEADERS = 500  # lines that are looked at in a message that is not taken apart
LONGEST_BEGINNING = 100_000  # bytes that are looked at in such a message
MOST_LINES = 600_000  # 25 MB in base64 are 350,000
DEEPEST = 20
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

NESTING = re.compile(r"content-type:.*\b(?:multipart|message)/", re.IGNORECASE | re.DOTALL)
ADDRESS = re.compile(r"[^\s@<>\"(),;:]+@[^\s@<>\"(),;:]+")
BRACKETED = re.compile(r"<([^<>]*)>")
UNSTORABLE = re.compile(r"[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")
NO_PERSON_WRITES = frozenset(["bulk", "junk", "list", "auto_reply"])  # values of Precedence
# Codecs of Python that are no character sets, or that take very long.
NO_CHARSETS = frozenset(["idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"])


class MessageRefused(Exception):
    """A message that is not taken; ``message`` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class IncomingFile:
    """A file that came with a message."""

    name: str
    content: bytes


@dataclass(frozen=True)
class IncomingEmail:
    """What is kept of a message. Addresses are in small letters."""

    key: str
    sender: str
    recipients: list[str]
    delivered_to: list[str]
    subject: str
    sent_at: datetime
    text: str
    files: list[IncomingFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    is_automatic: bool = False
    is_whole: bool = True  # not one that could not be taken apart


class _TooOdd(Exception):
    """A message of more parts, headers or lines than anybody means."""


class _ForgivingPolicy(EmailPolicy):
    """Reads headers as the standard says, and as plain text where that fails."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        try:
            return super().header_fetch_parse(name, value[:LONGEST_HEADER])
        except Exception:  # the parser of the standard library stumbles in many ways
            return one_line(value[:LONGEST_HEADER])


class _BoundedPolicy(_ForgivingPolicy):
    """Counts what the parser finds, and stops it with ``_TooOdd`` when that is too much."""

    found: Counter[str] | None = None  # given for each message; the policy itself cannot be changed

    def message_factory(self, policy: EmailPolicy) -> EmailMessage:  # type: ignore[override]
        """A part."""
        self._count("parts", 1, MOST_PARTS)
        return EmailMessage(policy)

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        self._count("headers", len(sourcelines), MOST_HEADERS)
        if NESTING.match("".join(sourcelines)):
            self._count("nested", 1, MOST_NESTED)
        return super().header_source_parse(sourcelines)

    def _count(self, what: str, number: int, most: int) -> None:
        if self.found is not None:
            self.found[what] += number
            if self.found[what] > most:
                raise _TooOdd(what)


POLICY = _ForgivingPolicy()


def read(raw: bytes) -> IncomingEmail:
    """Read a message. Raises ``MessageRefused`` when there is none, or when it is too large."""
    check_size(len(raw))
    if not raw.strip():
        raise MessageRefused(_("There is no message: it is empty."))
    message, is_whole = _parsed(raw)
    body = _Body()
    if is_whole:
        text = body.text_of(message).text
    else:
        text = _as_it_came(message)
        body.left_out.append(_("The message is built too oddly, so it is shown as it came."))
    return IncomingEmail(
        key=_key(message, raw),
        sender=next(iter(_addresses(message, "from", "sender")), ""),
        recipients=_addresses(message, "to", "cc"),
        delivered_to=_addresses(message, "delivered-to", "x-original-to", "x-envelope-to"),
        subject=one_line(_header(message, "subject"))[:LONGEST_SUBJECT],
        sent_at=_sent_at(message),
        text=shortened(text, LONGEST_TEXT),
        files=body.files,
        left_out=body.named(),
        is_automatic=_is_automatic(message),
        is_whole=is_whole,
    )


def check_size(size: int) -> None:
    """Refuse a message that is too large. Raises ``MessageRefused``."""
    if size > LARGEST_MESSAGE:
        raise MessageRefused(
            _("It is larger than %(most)d MB, so it is not taken.") % {"most": LARGEST_MESSAGE // 1024**2}
        )


# Text ------------------------------------------------------------------------------------------------------------


def storable(text: str) -> str:
    """Text that every database takes, with plain line ends."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """A storable text without line ends."""
    return " ".join(storable(text).split())


def shortened(text: str, longest: int) -> str:
    """A text with a mark at its end if it had to be cut."""
    if len(text) <= longest:
        return text
    mark = _("[The rest was left out: it is too long.]")
    return f"{text[: longest - len(mark) - 2].rstrip()}\n\n{mark}"


# Headers ---------------------------------------------------------------------------------------------------------


def _parsed(raw: bytes) -> tuple[Message, bool]:
    """The message, and whether it could be taken apart; else there are only its headers, and a text."""
    try:
        if _lines_in(raw) <= MOST_LINES:
            policy = _BoundedPolicy(found=Counter())  # type: ignore[call-overload]
            return BytesParser(policy=policy).parsebytes(raw), True
    except Exception:  # too much or too deep for the parser, or too odd
        pass
    beginning = _beginning(raw)
    try:
        return BytesParser(policy=POLICY).parsebytes(beginning, headersonly=True), False
    except Exception:
        message = EmailMessage(POLICY)
        message.set_payload(beginning.decode("ascii", "surrogateescape"))
        return message, False


def _lines_in(raw: bytes) -> int:
    """How many lines the parser sees, whatever ends them."""
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


def _beginning(raw: bytes) -> bytes:
    """The first headers and the first of the text."""
    lines = raw[:LONGEST_BEGINNING].splitlines(keepends=True)
    first = lines[:MOST_TOP_HEADERS]
    end = next((number for number, line in enumerate(first) if not line.strip(b"\r\n")), len(first))
    return b"".join([*lines[:end], b"\n", *lines[end:]])


def _raw_values(message: Message, name: str) -> list[str]:
    """A header as it was sent, each time it occurs."""
    return [str(value) for key, value in message.raw_items() if key.lower() == name]


def _header(message: Message, name: str) -> str:
    """A header decoded, or nothing."""
    return str(message.get(name, ""))


def _key(message: Message, raw: bytes) -> str:
    """What makes two copies of a message one."""
    given = "".join(next(iter(_raw_values(message, "message-id")), "").split())
    counted = given.encode("utf-8", "surrogateescape") if given.strip("<>") else raw
    return hashlib.sha256(counted).hexdigest()


def _addresses(message: Message, *names: str) -> list[str]:
    """The addresses in some headers, in their order, each once."""
    found: dict[str, None] = {}
    for name in names:
        for value in _raw_values(message, name)[:MOST_ADDRESSES]:
            found |= dict.fromkeys(_addresses_in(value[:LONGEST_LIST_OF_ADDRESSES]))
    return list(found)[:MOST_ADDRESSES]


def _addresses_in(value: str) -> Iterator[str]:
    """The addresses of a list, without the names beside them, which may be anything: another address, too."""
    for entry in re.split(r"[,;:]", _without_quotations(value)):
        inside = BRACKETED.search(entry)
        address = storable(inside[1] if inside else entry).strip().lower()
        if ADDRESS.fullmatch(address) and len(address) <= LONGEST_ADDRESS:
            yield address


def _without_quotations(value: str) -> str:
    """A header without what stands in quotation marks and in comments, however deep."""
    left: list[str] = []
    depth, is_quoted, is_escaped = 0, False, False
    for letter in value:
        if is_escaped:
            is_escaped = False
        elif letter == "\\" and (is_quoted or depth):
            is_escaped = True
        elif is_quoted or (letter == '"' and not depth):
            is_quoted = letter != '"' if is_quoted else True
        elif letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth:
            left.append(letter)
    return "".join(left)


def _sent_at(message: Message) -> datetime:
    """When it was sent; now, if it does not say so, or says what cannot be."""
    now = timezone.now()
    try:
        sent = parsedate_to_datetime(next(iter(_raw_values(message, "date")), "")[:200])
        sent = (sent if sent.tzinfo else sent.replace(tzinfo=UTC)).astimezone(UTC)
    except Exception:  # the parser raises whatever it meets
        return now
    return min(sent, now) if sent >= EARLIEST else now


def _is_automatic(message: Message) -> bool:
    """Whether a machine sent it: an answer while somebody is away, a report of delivery, a mailing to many."""
    submitted = _header(message, "auto-submitted").split(";")[0].strip().lower()
    precedence = _header(message, "precedence").strip().lower()
    return (
        submitted not in ("", "no")
        or precedence in NO_PERSON_WRITES
        or "".join(_header(message, "return-path").split()) == "<>"
        or bool(_raw_values(message, "list-id") or _raw_values(message, "x-autoreply"))
        or message.get_content_type() == "multipart/report"
    )


# Body ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """Part of the text, and whether it was written as plain text."""

    text: str = ""
    is_plain: bool = False


class _Body:
    """Takes a message apart into its text and its files."""

    def __init__(self) -> None:
        self.files: list[IncomingFile] = []
        self.left_out: list[str] = []

    def named(self) -> list[str]:
        """What was left out, the first few by name."""
        more = len(self.left_out) - MOST_LEFT_OUT
        if more <= 0:
            return self.left_out
        rest = ngettext("%(n)d more was left out.", "%(n)d more were left out.", more) % {"n": more}
        return [*self.left_out[:MOST_LEFT_OUT], rest]

    def text_of(self, part: Message, depth: int = 0) -> _Piece:
        """The text of a part and of all that is in it; files on the way are kept."""
        kind = part.get_content_maintype()
        if part.is_multipart() and kind != "message":
            return self._text_of_parts(part, depth)
        is_text = part.get_content_type() in ("text/plain", "text/html") or kind == "multipart"
        if is_text and not _is_file(part):
            return _text(part)
        self._keep(part)
        return _Piece()

    def _text_of_parts(self, part: Message, depth: int) -> _Piece:
        if depth >= DEEPEST:
            self.left_out.append(_("What is nested more deeply was left out."))
            return _Piece()
        payload: Any = part.get_payload()
        found = [self.text_of(child, depth + 1) for child in payload]
        pieces = [piece for piece in found if piece.text]
        if part.get_content_type() == "multipart/alternative":
            plain = [piece for piece in pieces if piece.is_plain]
            return next(iter(plain or pieces), _Piece())
        return _Piece("\n\n".join(piece.text for piece in pieces), any(piece.is_plain for piece in pieces))

    def _keep(self, part: Message) -> None:
        name = _file_name(part, len(self.files) + 1)
        if len(self.files) >= MOST_FILES:
            self.left_out.append(_("“%(name)s” is one file too many.") % {"name": name})
            return
        try:
            content = _content(part)
        except Exception:  # a part that cannot even be written as it was read
            self.left_out.append(_("“%(name)s” cannot be read.") % {"name": name})
            return
        self.files.append(IncomingFile(name, content))


def _is_file(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_given_name(part))


def _text(part: Message) -> _Piece:
    payload = _decoded(part)[:LONGEST_PAYLOAD]
    text = storable(_as_text(payload, str(part.get_param("charset", "") or "")))
    if part.get_content_type() == "text/html":
        return _Piece(text_of_html(text))
    return _Piece(tidy(text), is_plain=True)


def _as_it_came(message: Message) -> str:
    """The text of a message that was not taken apart, whatever it is."""
    payload = str(message.get_payload()).encode("utf-8", "surrogateescape")
    return tidy(storable(_as_text(payload, "")))


def _as_text(payload: bytes, charset: str) -> str:
    """Bytes as text: in the character set they claim to be in, else in the likely ones."""
    for name, errors in ((charset, "replace"), ("utf-8", "strict"), ("cp1252", "replace")):
        try:
            if codecs.lookup(name).name.replace("-", "_") not in NO_CHARSETS:
                return payload.decode(name, errors)
        except (LookupError, ValueError):
            continue
    return payload.decode("latin-1")


def _decoded(part: Message) -> bytes:
    """The bytes of a part, however they were packed, but for uuencode: it grows to twenty times its size."""
    packing = _header(part, "content-transfer-encoding").lower()
    try:
        payload: Any = None if "uu" in packing else part.get_payload(decode=True)
    except Exception:  # packed wrongly: shown as it came
        payload = None
    if payload is None:
        payload = str(part.get_payload()).encode("utf-8", "surrogateescape")
    return bytes(payload)


def _content(part: Message) -> bytes:
    """The bytes of a file; a message in a message as it was sent."""
    if not part.is_multipart():
        return _decoded(part)
    payload: Any = part.get_payload()
    return b"\n".join(inner.as_bytes(policy=compat32) for inner in payload)


def _given_name(part: Message) -> str:
    try:
        return one_line(part.get_filename() or "")
    except Exception:  # an RFC 2231 name in pieces that do not fit together
        return ""


def _file_name(part: Message, number: int) -> str:
    """The name a file was given, or one that says what it is."""
    if name := _given_name(part):
        return name
    if part.get_content_type() == "message/rfc822":
        payload: Any = part.get_payload()
        inner = payload[0] if part.is_multipart() else EmailMessage()
        title = re.sub(r"[/\\]", "-", one_line(_header(inner, "subject")))[:80]
        return f"{title or _('message')}.eml"
    if part.get_content_maintype() in ("message", "text"):
        ending = ".ics" if part.get_content_type() == "text/calendar" else ".txt"
    else:
        ending = mimetypes.guess_extension(part.get_content_type()) or ""
    return f"{part.get_content_maintype()}-{number}{ending}"
