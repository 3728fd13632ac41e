"""The marks that file an e-mail in one opportunity: ``[OP-00012.3f9a2c1b0d]`` in a subject, or in a plus-address.

A mark ends with a seal that only this installation can make, so that nobody outside can file into an opportunity
whose mark they were never sent.
"""

import re
from collections.abc import Iterable, Iterator
from email.utils import parseaddr

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "opportunities.mail.tokens"
SEAL_LENGTH = 10
TOKEN = r"(?P<number>[A-Z]{1,5}-[0-9]{1,14})\.(?P<seal>[0-9a-f]{10})"
IN_SUBJECT = re.compile(rf"\[{TOKEN}\]", re.IGNORECASE)
IN_ADDRESS = re.compile(rf"[^@]*\+{TOKEN}@[^@]+", re.IGNORECASE)


def token(number: str) -> str:
    """The mark of an opportunity."""
    return f"{number}.{_seal(number, settings.SECRET_KEY)}"


def filing_address(number: str) -> str:
    """Where to send what belongs to an opportunity; nothing when no address for incoming e-mail is set."""
    mailbox, at, domain = own_address().partition("@")
    return f"{mailbox}+{token(number)}@{domain}" if at else ""


def own_address() -> str:
    """The address for incoming e-mail, in small letters, or nothing."""
    return parseaddr(settings.MAIL_IN)[1].lower()


def numbers_in(subject: str, addresses: Iterable[str]) -> Iterator[str]:
    """The numbers of opportunities in the marks of a message whose seals are right: the subject's first."""
    found = [*IN_SUBJECT.finditer(subject), *filter(None, map(IN_ADDRESS.fullmatch, addresses))]
    for mark in found:
        number = mark["number"].upper()
        if _is_sealed(number, mark["seal"].lower()):
            yield number


def _is_sealed(number: str, seal: str) -> bool:
    """Marks made with an earlier secret key hold as long as that key is among the fallbacks."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(seal, _seal(number, key)) for key in keys)


def _seal(number: str, secret: str | bytes) -> str:
    return salted_hmac(SALT, number, secret=secret, algorithm="sha256").hexdigest()[:SEAL_LENGTH]
