"""Text made comparable: what people type and what is stored, without case, accents and spaces that do not matter."""

import unicodedata
from collections.abc import Iterable
from itertools import islice
from typing import Any

LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})


MOST_WORDS = 8  # of a search that are looked for


def words_of(text: str) -> list[str]:
    """The different words of a search, comparable; no more than a search needs."""
    return list(dict.fromkeys(normalised(text).split()))[:MOST_WORDS]


def normalised(text: str) -> str:
    """Lower case, without accents, with single spaces: “Hôtel  ÉTOILE” becomes “hotel etoile”."""
    folded = unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS)
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return " ".join(plain.replace("\0", "").split())


def can_be_stored(text: str) -> bool:
    """Whether every database takes the text: none stores NUL, nor half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def quoted(names: Iterable[str], *, most: int = 5) -> str:
    """What somebody wrote, in quotation marks and fit to be shown: the first few, none of them long."""
    shown = (
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name[:50])
        for name in names
    )
    return ", ".join(f"“{name}”" for name in islice(shown, most))


def add_trigram_index(schema_editor: Any, *, table: str, column: str) -> None:
    """For migrations: let PostgreSQL find any part of a column quickly (pg_trgm); other databases need nothing."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    schema_editor.execute(f"CREATE INDEX {table}_{column}_trgm ON {table} USING gin ({column} gin_trgm_ops)")


def drop_trigram_index(schema_editor: Any, *, table: str, column: str) -> None:
    """The way back of ``add_trigram_index``."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {table}_{column}_trgm")
