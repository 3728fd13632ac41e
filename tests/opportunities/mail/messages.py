"""Messages to file, built in code: ordinary ones, and those that other programmes get wrong."""

from email.message import EmailMessage
from itertools import count

NUMBERS = count()


def message(
    text="When can you come by?",
    *,
    sender="Ann Peeters <ann@acme.example>",
    to="sofie@kansen.example",
    **headers,
):
    """An ordinary message; ``headers`` with an underscore for each hyphen, None for a header that is missing."""
    mail = EmailMessage()
    headers = {
        "From": sender,
        "To": to,
        "Subject": "A question",
        "Date": "Fri, 20 Nov 2026 10:15:00 +0100",
        "Message-ID": f"<{next(NUMBERS)}@acme.example>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    for name, value in headers.items():
        if value is not None:
            mail[name] = value
    mail.set_content(text)
    return mail


def with_file(mail, name="offer.pdf", content=b"%PDF-1.7", kind="application/pdf", **parameters):
    """The same with a file."""
    main, _slash, sub = kind.partition("/")
    mail.add_attachment(content, maintype=main, subtype=sub, filename=name, **parameters)
    return mail


def written(mail):
    """A message as it travels."""
    if isinstance(mail, str):
        mail = mail.encode()
    return mail if isinstance(mail, bytes) else mail.as_bytes()
