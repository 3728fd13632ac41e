"""Opportunities and contacts whose words are nearly those that were typed, for when the very words find next to nothing.

PostgreSQL compares groups of three letters (pg_trgm), along the indexes that searches use. Other databases look
through the newest records only, for words that differ by one letter: one too many, one missing, another one, or two
in the wrong order; the word may be unfinished.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import islice
from operator import add
from typing import Any, TypeVar

from django.contrib.postgres.lookups import TrigramWordSimilar
from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest
from rapidfuzz.distance import OSA

from contacts.models import Contact, ContactQuerySet
from opportunities.models import Opportunity, OpportunityQuerySet

SIMILAR = 0.4  # how much of its groups of three letters a word shares with one that is near, out of 1
LEAST_LETTERS = 4  # shorter words are near to too many
NEWEST_READ = 2_000

Row = TypeVar("Row", bound=models.Model)


def is_worth_it(words: Iterable[str]) -> bool:
    """Whether any of these words is long enough to be nearly another one."""
    return bool(_long(words))


@contextmanager
def comparing() -> Iterator[None]:
    """While similar words are looked for: what counts as near is said to PostgreSQL, whatever its settings are."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Comparing costs far more than the planner believes, so it is told to take the index.
            cursor.execute(
                "SELECT set_config('pg_trgm.word_similarity_threshold', %s, true),"
                " set_config('enable_seqscan', 'off', true)",
                [str(SIMILAR)],
            )
        yield


def opportunities(seen: OpportunityQuerySet, words: Sequence[str], most: int) -> list[Opportunity]:
    """Those in whose number, description, contact or company each word is nearly a part, the nearest first."""
    texts = ("search_text", "contact__search_text", "company__search_text")
    if connection.vendor != "postgresql":
        return in_order(seen.with_names(), _nearest(seen, texts, words, most))
    for word in words:
        seen = seen.having(_is_near(word))
    return _by_similarity(seen.with_names(), texts, words, most)


def contacts(seen: ContactQuerySet, words: Sequence[str], most: int) -> list[Contact]:
    """Those in whose number, name, e-mail address or company each word is nearly a part, the nearest first."""
    texts = ("search_text", "company__search_text")
    if connection.vendor != "postgresql":
        return in_order(seen.with_names(), _nearest(seen, texts, words, most))
    for word in words:
        seen = seen.having(_is_near(word))
    return _by_similarity(seen.with_names(), texts, words, most)


def in_order(queryset: models.QuerySet[Row], keys: Sequence[int]) -> list[Row]:
    """The rows with these keys, in the order of the keys; those that are not in the queryset are left out."""
    if not keys:
        return []
    rows = {row.pk: row for row in queryset.filter(pk__in=keys)}
    return [rows[key] for key in keys if key in rows]


def _long(words: Iterable[str]) -> list[str]:
    return [word for word in words if len(word) >= LEAST_LETTERS]


# PostgreSQL ------------------------------------------------------------------------------------------------------


def _is_near(word: str) -> TrigramWordSimilar | Q:
    """Whether a text has a word like this one; a short word has to be a part of it."""
    if len(word) < LEAST_LETTERS:
        return Q(search_text__contains=word)
    return TrigramWordSimilar(F("search_text"), Value(word))


def _by_similarity(
    queryset: models.QuerySet[Row], texts: Sequence[str], words: Sequence[str], most: int
) -> list[Row]:
    """The nearest few."""
    zero = Value(0.0, output_field=models.FloatField())
    near = [[Coalesce(TrigramWordSimilarity(word, text), zero) for text in texts] for word in _long(words)]
    similarity = reduce(add, [Greatest(*parts) for parts in near])
    return list(queryset.alias(similarity=similarity).order_by("-similarity", "-pk")[:most])


# Other databases -------------------------------------------------------------------------------------------------


def _nearest(seen: models.QuerySet[Any], texts: Sequence[str], words: Sequence[str], most: int) -> list[int]:
    """The keys of those among the newest in which each word is a part, or nearly a word."""
    rows = [
        (key, text, set(re.findall(r"\w+", text)))
        for key, *parts in seen.order_by("-pk").values_list("pk", *texts)[:NEWEST_READ]
        if (text := " ".join(filter(None, parts)))
    ]
    known = set().union(*(row[2] for row in rows))
    near = {word: _near_words(word, known) for word in words}
    found = (key for key, text, these in rows if all(word in text or near[word] & these for word in words))
    return list(islice(found, most))


def _near_words(word: str, known: set[str]) -> set[str]:
    """The known words that differ from a word, or begin with something that differs from it, by one letter."""
    if len(word) < LEAST_LETTERS:
        return set()
    lengths = (len(word) - 1, len(word), len(word) + 1)
    return {
        other
        for other in known
        if any(OSA.distance(word, other[:length], score_cutoff=1) <= 1 for length in lengths)
    }
