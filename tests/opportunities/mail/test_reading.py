"""Whatever a programme sends, reading ends with something that can be stored, and what can be understood is."""

import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from django.utils import timezone
from hypothesis import example, given, strategies

from crm.text import can_be_stored
from opportunities.mail.markup import text_of_html
from opportunities.mail.reading import LARGEST_MESSAGE, MessageRefused, read
from tests.opportunities.mail.messages import message, with_file, written


def read_written(mail):
    """Read a message, and see that it can be stored."""
    found = read(written(mail))
    words = [found.subject, found.text, found.sender, *found.recipients, *found.delivered_to, *found.left_out]
    assert all(can_be_stored(word) for word in words)
    assert "\n" not in found.subject
    assert len(found.subject) <= 500
    assert len(found.text) <= 10_000
    assert len(found.sender) <= 320
    assert datetime(1990, 1, 1, tzinfo=UTC) <= found.sent_at <= timezone.now()
    assert len(found.key) == 64
    return found


def test_an_ordinary_message_is_read():
    found = read_written(
        with_file(
            message(
                "Dear Sofie,\nwhen can you come by?\n\nAnn\n",
                to="Sofie <Sofie@Kansen.example>, tom@kansen.example",
                Cc="crm@kansen.example",
                Delivered_To="crm+x@kansen.example",
                Subject="Offre n° 12 – März",
            )
        )
    )

    assert found.sender == "ann@acme.example"
    assert found.recipients == ["sofie@kansen.example", "tom@kansen.example", "crm@kansen.example"]
    assert found.delivered_to == ["crm+x@kansen.example"]
    assert found.subject == "Offre n° 12 – März"
    assert found.text == "Dear Sofie,\nwhen can you come by?\n\nAnn"
    assert found.sent_at == datetime(2026, 11, 20, 9, 15, tzinfo=UTC)
    assert [(file.name, file.content) for file in found.files] == [("offer.pdf", b"%PDF-1.7")]
    assert not found.is_automatic


def test_copies_of_a_message_have_one_key_and_others_another():
    first, second = message(), message()
    copy = message_from_bytes(written(first))
    copy["Received"] = "from elsewhere"

    assert read(written(first)).key == read(copy.as_bytes()).key
    assert read(written(first)).key != read(written(second)).key


def test_without_message_id_the_whole_message_counts():
    mail = written(message(Message_ID=None))

    assert read(mail).key == read(mail).key
    assert read(mail).key != read(mail + b"\nPS").key
    assert read(mail.replace(b"Subject:", b"Message-ID: <>\nSubject:")).key != read(mail).key


# The corpus ------------------------------------------------------------------------------------------------------

HEAD = b"From: Ann <ann@acme.example>\r\nTo: crm@kansen.example\r\nMIME-Version: 1.0\r\n"


def raw(body, *headers):
    """A message put together by hand, as no good programme would."""
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def parts(*pieces, kind=b"mixed", boundary=b"b"):
    lines = b"".join(b"--" + boundary + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return raw(
        lines + b"--" + boundary + b"--\r\n",
        b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"',
    )


def nested(depth):
    inner = b"Content-Type: text/plain\r\n\r\ndeep down"
    for level in range(depth):
        boundary = b"level%d" % level
        inner = (
            b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
            b"--" + boundary + b"\r\n" + inner + b"\r\n--" + boundary + b"--"
        )
    return HEAD + inner


def forwarded():
    mail = message("See below.")
    mail.add_attachment(message("The original.", Subject="Offer 1/2"))
    return mail


PLAIN = b"Content-Type: text/plain; charset=utf-8"
CORPUS = {
    "unknown character set": (raw(b"caf\xc3\xa9", b"Content-Type: text/plain; charset=klingon"), "café", []),
    "a codec that is no character set": (raw(b"text", b"Content-Type: text/plain; charset=rot13"), "text", []),
    "a codec that takes long": (raw(b"a.b", b"Content-Type: text/plain; charset=idna"), "a.b", []),
    "latin-1 that says it is UTF-8": (raw(b"caf\xe9", PLAIN), "caf\N{REPLACEMENT CHARACTER}", []),
    "eight bits without a word": (raw(b"caf\xe9"), "café", []),
    "UTF-16": (raw("é".encode("utf-16"), b"Content-Type: text/plain; charset=utf-16"), "é", []),
    "wrong base64": (
        raw(b"SGVsbG8=*#!\r\n\x00=====", PLAIN, b"Content-Transfer-Encoding: base64"), "Hello", [],
    ),
    "an unknown packing": (raw(b"as it came", PLAIN, b"Content-Transfer-Encoding: x-rot"), "as it came", []),
    "broken quoted-printable": (
        raw(b"caf=C3=A9 =ZZ =", PLAIN, b"Content-Transfer-Encoding: quoted-printable"), "café =ZZ", [],
    ),
    "broken uuencode": (raw(b"begin 644 x\r\n!!!!\xff", PLAIN, b"Content-Transfer-Encoding: uuencode"), None, []),
    "NUL and other controls": (raw(b"a\x00b\x07c", PLAIN), "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c", []),
    "half a surrogate pair": (raw(b"+2AA-", b"Content-Type: text/plain; charset=utf-7"), None, []),
    "no body": (raw(b""), "", []),
    "nothing but a body": (b"\r\nonly words", "only words", []),
    "no headers that are any": (b"only words", None, []),
    "a multipart without a boundary": (raw(b"words", b"Content-Type: multipart/mixed"), "words", []),
    "a multipart that never ends": (
        raw(b"--b\r\n\r\nwords", b"Content-Type: multipart/mixed; boundary=b"), "words", [],
    ),
    "a multipart of nothing": (raw(b"--b--", b"Content-Type: multipart/mixed; boundary=b"), "", []),
    "HTML alone": (
        raw(b"<style>p{}</style><p>Dear&nbsp;Sofie,<br>look <a href='https://a.example/x'>here</a></p>",
            b"Content-Type: text/html; charset=utf-8"),
        "Dear Sofie,\nlook here (https://a.example/x)", [],
    ),
    "HTML beside text": (
        parts(b"Content-Type: text/plain\r\n\r\nplain", b"Content-Type: text/html\r\n\r\n<b>rich</b>",
              kind=b"alternative"),
        "plain", [],
    ),
    "HTML beside an empty text": (
        parts(b"Content-Type: text/plain\r\n\r\n ", b"Content-Type: text/html\r\n\r\n<b>rich</b>",
              kind=b"alternative"),
        "rich", [],
    ),
    "HTML with the footer of a mailing list": (
        parts(b"Content-Type: text/html\r\n\r\n<b>rich</b>", b"Content-Type: text/plain\r\n\r\nfooter"),
        "rich\n\nfooter", [],
    ),
    "nested as deep as it goes": (nested(12), "deep down", []),
    "nested deeper": (nested(40), "", []),
    "nested without end": (nested(400), None, []),
    "a message in a message": (forwarded(), "See below.", ["Offer 1-2.eml"]),
    "a report of delivery": (
        parts(b"Content-Type: text/plain\r\n\r\nUndelivered",
              b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\nStatus: 5.1.1\r\n",
              kind=b"report"),
        "Undelivered", ["message-1.txt"],
    ),
    "winmail.dat": (
        with_file(message("See the file."), "winmail.dat", b"\x78\x9f\x3e\x22", "application/ms-tnef"),
        "See the file.", ["winmail.dat"],
    ),
    "a name in pieces (RFC 2231)": (
        parts(b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename*0*=utf-8''Off%C3%A9;"
              b' filename*1=" 12.pdf"\r\n\r\n%PDF'),
        "", ["Offé 12.pdf"],
    ),
    "a name in pieces that do not fit": (
        parts(b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename*1*=utf-8''x;"
              b" filename*=klingon''%FF%FE; filename*0\r\n\r\n%PDF"),
        "", None,
    ),
    "a name as Outlook writes it": (
        parts(b"Content-Type: application/pdf\r\nContent-Disposition: attachment;"
              b' filename="=?utf-8?Q?Off=C3=A9.pdf?="\r\n\r\n%PDF'),
        "", ["Offé.pdf"],
    ),
    "a file without a name": (
        parts(b"Content-Type: image/png\r\n\r\nPNG", b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR"),
        "", ["image-1.png", "text-2.ics"],
    ),
    "a text that is a file": (
        parts(b"Content-Type: text/plain\r\n\r\nwords",
              b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: inline\r\n\r\nmore"),
        "words", ["a.txt"],
    ),
    "a header that injects another": (
        raw(b"words", b"Subject: =?utf-8?Q?Hello=0D=0ABcc:_victim@example.com?="), "words", [],
    ),
    "headers in raw bytes": (raw(b"words", b"Subject: caf\xe9 \xff", b"Reply-To: \xe9@\xff"), "words", []),
    "a header without end": (raw(b"words", b"Subject: " + b"x" * 100_000), "words", []),
    "thousands of headers": (raw(b"words", *[b"X-Y: z"] * 5_000), "words", []),
    "line ends of a Macintosh": (raw(b"one\rtwo", PLAIN), "one\ntwo", []),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_odd_message_is_read(name):
    mail, text, files = CORPUS[name]

    found = read_written(mail)

    if text is not None:
        assert found.text == text
    if files is not None:
        assert [file.name for file in found.files] == files
    if written(mail).startswith(b"From: Ann"):
        assert found.sender == "ann@acme.example"


def test_the_injected_header_stays_in_the_subject():
    found = read_written(CORPUS["a header that injects another"][0])

    assert found.subject == "Hello Bcc: victim@example.com"
    assert found.recipients == ["crm@kansen.example"]


def test_what_is_nested_too_deeply_is_said():
    assert read(nested(40)).left_out == ["What is nested more deeply was left out."]
    assert read(nested(400)).left_out == [ODD]


def test_a_forwarded_message_is_kept_as_it_was():
    (file,) = read(written(forwarded())).files

    assert message_from_bytes(file.content)["Subject"] == "Offer 1/2"
    assert b"The original." in file.content


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("undisclosed-recipients:;", []),
        ("Team: a@x.example, b@x.example;", ["a@x.example", "b@x.example"]),
        ('"Peeters, Ann" <a@x.example>, b@x.example', ["a@x.example", "b@x.example"]),
        ("A@X.example, a@x.EXAMPLE", ["a@x.example"]),
        ("nobody", []),
        ("a@x.example <b@y.example>", ["b@y.example"]),
        ('"a@x.example" <b@y.example>', ["b@y.example"]),
        ('"\\"" <b@y.example>', ["b@y.example"]),
        ("b@y.example (a@x.example)", ["b@y.example"]),
        ("(a (b) \\) c@x.example) b@y.example", ["b@y.example"]),
        ("<" + "x" * 400 + "@x.example>", []),
        ("(" * 5_000, []),
        ("a@x.example\r\n (with a comment)", ["a@x.example"]),
    ],
)
def test_addresses_are_read(value, found):
    assert read_written(raw(b"words", b"Cc: " + value.encode())).recipients[1:] == found


def test_a_message_to_a_thousand_names_the_first_hundred():
    many = ", ".join(f"person{n}@x.example" for n in range(1_000))

    assert len(read_written(raw(b"words", b"Cc: " + many.encode())).recipients) == 100


@pytest.mark.parametrize(
    "date",
    [None, "", "yesterday", "Fri, 99 Nov 2026 10:15:00 +0100", "1 Jan 0001 00:00:00 +2400", "1 Jan 1970 00:00:00 +0000",
     "Fri, 20 Nov 99999 10:15:00 +0100", "Fri, 20 Nov 2026 10:15:00 +9999999999"],
)  # fmt: skip
def test_without_a_date_that_can_be_it_is_now(date):
    header = [] if date is None else [b"Date: " + date.encode()]

    assert timezone.now() - read_written(raw(b"words", *header)).sent_at < timedelta(minutes=1)


def test_a_message_from_the_future_was_sent_now():
    found = read_written(raw(b"words", b"Date: Fri, 20 Nov 2099 10:15:00 +0100"))

    assert timezone.now() - found.sent_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("header", "is_automatic"),
    [
        (b"Auto-Submitted: auto-replied (vacation)", True),
        (b"Auto-Submitted: no", False),
        (b"Precedence: bulk", True),
        (b"Return-Path: <>", True),
        (b"Return-Path: <ann@acme.example>", False),
        (b"List-Id: news <news.acme.example>", True),
        (b"X-Autoreply: yes", True),
        (b"Content-Type: multipart/report; boundary=b", True),
    ],
)
def test_what_a_machine_sent_is_known(header, is_automatic):
    assert read_written(raw(b"words", header)).is_automatic is is_automatic


def test_a_long_text_is_cut_with_a_mark():
    found = read_written(message("word " * 20_000))

    assert len(found.text) == pytest.approx(10_000, abs=5)
    assert found.text.endswith("\n\n[The rest was left out: it is too long.]")


def test_files_beyond_the_bound_are_named_or_counted():
    mail = message()
    for number in range(45):
        with_file(mail, f"{number}.pdf")

    found = read_written(mail)

    assert len(found.files) == 30
    assert found.left_out[0] == "“30.pdf” is one file too many."
    assert found.left_out[-1] == "5 more were left out."


# Size and time ---------------------------------------------------------------------------------------------------


def test_twenty_megabytes_are_read_soon():
    content = bytes(range(256)) * (4 * 1024 * 15)
    mail = b"".join(
        [
            HEAD,
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n",
            b"Content-Type: application/pdf; name=large.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            b64encode(content),
            b"\r\n--b--\r\n",
        ]
    )
    assert len(mail) > 20 * 1024 * 1024

    found = read(mail)

    assert found.text == "See the file."
    assert found.files[0].content == content


SLOW_TO_READ = [
    raw(b"<" * 300_000, b"Content-Type: text/html"),
    raw(b"<!" * 150_000, b"Content-Type: text/html"),
    raw(b"<a " * 100_000, b"Content-Type: text/html"),
    raw(b"<!--" * 80_000, b"Content-Type: text/html"),
    raw(b"&#" * 150_000, b"Content-Type: text/html"),
    raw(b"<![" * 100_000, b"Content-Type: text/html"),
    raw((b"<a " + b"a='" * 650 + b">") * 150, b"Content-Type: text/html"),
    raw((b"<a " + b"=a " * 650 + b">") * 150, b"Content-Type: text/html"),
    raw((b"<a " + b"/" * 1_990 + b">") * 150, b"Content-Type: text/html"),
    raw((b"<a " + b" a" * 990 + b">") * 150, b"Content-Type: text/html"),
    raw((b"</" + b"a " * 990 + b">") * 150, b"Content-Type: text/html"),
    raw(b"<script>" + b"</ " * 100_000, b"Content-Type: text/html"),
    raw(b"<a>" * 100_000, b"Content-Type: text/html"),
    raw(b"<a href=http://x>" * 17_000 + b"</a>" * 10, b"Content-Type: text/html"),
    raw(b"words", b"Subject: " + b"=?utf-8?Q?" * 10_000),
    raw(b"words", b"Subject: " + b"(" * 50_000),
    raw(b"words", b"Content-Type: text/plain" + b"; a*0*=x" * 5_000),
    raw(b"words", b"Content-Disposition: attachment; filename=" + b'"\\' * 10_000),
    raw(b"words", b"To: " + b'"' * 20_000),
    raw(b"words", b"To: " + b"<" * 20_000),
    raw(b"words", b"To: " + b"a@b," * 5_000),
    raw(b"words", b"Date: " + b"1 " * 10_000),
    raw(b"a" * 5_000_000),
    raw(b"=" * 2_000_000, b"Content-Transfer-Encoding: quoted-printable"),
    nested(99),
]


@pytest.mark.parametrize("mail", SLOW_TO_READ, ids=range(len(SLOW_TO_READ)))
def test_nothing_hangs(mail):
    """A minute is far more than any machine needs, and far less than work that grows with the square."""
    started = time.monotonic()
    read_written(mail)

    assert time.monotonic() - started < 60


ODD = "The message is built too oddly, so it is shown as it came."
MANY = 5 * 1024 * 1024
MIXED = b"Content-Type: multipart/mixed; boundary=x"
TOO_ODD = {
    "tiny parts": raw(b"--x\n\n\n" * (MANY // 6), MIXED),
    "tiny files": raw(b"--x\nContent-Disposition: attachment\n\nq\n" * (MANY // 40), MIXED),
    "short headers": HEAD + b"X-A: b\n" * (MANY // 7) + b"\nwords",
    "short headers of a part": raw(b"--x\n" + b"X-A: b\n" * (MANY // 7) + b"\nwords", MIXED),
    "headers without a name": HEAD + b":\n" * (MANY // 2) + b"\nwords",
    "one header in many lines": HEAD + b"Subject: b\n" + b" b\n" * (MANY // 3) + b"\nwords",
    "lines": raw(b" \n" * (MANY // 2)),
    "lines of a Macintosh": raw(b" \r" * (MANY // 2)),
    "nesting": nested(120).replace(b"Content-Type: ", b"Content-Type:\r\n "),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_ODD)
def test_what_is_built_too_oddly_is_not_taken_apart(name):
    found = read_written(TOO_ODD[name])

    assert (found.sender, found.files, found.left_out) == ("ann@acme.example", [], [ODD])
    assert not found.is_whole


def test_many_lines_that_only_look_like_parts_and_headers_are_read():
    script = b"-- a comment\r\nINFO: done\r\n\r\n" * 20_000

    found = read_written(parts(b"\r\nwords", b"Content-Type: application/sql; name=a.sql\r\n\r\n" + script))

    assert (found.text, found.is_whole) == ("words", True)
    assert found.files[0].content == script.removesuffix(b"\r\n") + b"\r\n"


@pytest.mark.parametrize("packing", [b"x-uuencode", b"uuencode", b"uue", b"X-UUE "])
def test_uuencoded_bytes_stay_as_they_are(packing):
    lines = b"begin 666 x\n" + b"M\n" * 200_000
    mail = raw(lines, b"Content-Type: application/pdf", b"Content-Transfer-Encoding: " + packing)

    (file,) = read_written(mail).files

    assert file.content == lines


@pytest.mark.parametrize("mail", [b"", b" \r\n\n"])
def test_an_empty_message_is_refused(mail):
    with pytest.raises(MessageRefused, match="There is no message"):
        read(mail)


def test_a_message_that_is_too_large_is_refused():
    with pytest.raises(MessageRefused, match="It is larger than 25 MB"):
        read(b"x" * (LARGEST_MESSAGE + 1))


# Anything --------------------------------------------------------------------------------------------------------

HEADERS = [
    b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Content-Type", b"Content-Disposition",
    b"Content-Transfer-Encoding", b"Auto-Submitted", b"MIME-Version", b"Delivered-To", b"Return-Path",
]  # fmt: skip
SNIPPETS = [
    b"multipart/mixed; boundary=b", b"message/rfc822", b"text/html; charset=utf-7", b"base64", b"=?utf-8?B?w",
    b"=?", b"?=", b"a@b", b"<", b">", b"(", b'"', b";", b"*0*=", b"charset=utf-16", b"--b", b"--b--", b"\0", b"\xff",
    b"filename*=", b"\r\n", b"\n", b" ", b":", b"multipart/alternative; boundary=b", b"message/external-body",
]  # fmt: skip
pieces = strategies.lists(strategies.sampled_from(SNIPPETS) | strategies.binary(max_size=8), max_size=8).map(
    b"".join
)
headers = strategies.lists(
    strategies.tuples(strategies.sampled_from(HEADERS), pieces).map(b": ".join), max_size=6
).map(b"\r\n".join)
messages = strategies.lists(headers | pieces, max_size=6).map(b"\r\n\r\n".join) | strategies.binary(
    max_size=300
)


@given(messages)
@example(b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\r\n--")
def test_any_bytes_are_read(mail):
    if not mail.strip():
        return
    read_written(mail)


@given(
    strategies.text()
    | strategies.lists(
        strategies.sampled_from(["<p>", "</p>", "<![", "<!--", "&#", "<a href=", "<head>", ">", "x"])
    ).map("".join)
)
def test_any_page_becomes_text(page):
    assert isinstance(text_of_html(page), str)


def test_a_page_becomes_what_a_person_would_read():
    page = """<html><head><title>No</title><style>x</style></head><body>
        <h1>Offer</h1><p>Dear <b>Sofie</b>,</p><ul><li>one</li><li>two</li></ul>
        <table><tr><td>a</td><td>b</td></tr></table><script>no()</script>
        <a href="javascript:no()">click</a> <a href="https://a.example">https://a.example</a></body></html>"""

    text = text_of_html(page)

    assert [line.strip() for line in text.splitlines() if line.strip()] == [
        "Offer", "Dear Sofie,", "- one", "- two", "a b", "click https://a.example",
    ]  # fmt: skip
