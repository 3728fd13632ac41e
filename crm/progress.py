"""Progress of a long command: a bar on a terminal, plain lines now and then in a log.

Both go to standard error, so that what a command prints on standard output can be piped.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from django.utils.formats import number_format
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
SECONDS_BETWEEN_LINES = 10.0


def no_progress(_steps: int) -> None:
    """For callers that want none."""


@contextmanager
def progress(
    title: str, total: int, *, stream: TextIO | None = None, quiet: bool = False
) -> Iterator[Advance]:
    """Give a function to call with every number of steps done, of ``total`` in all."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        yield no_progress
    elif stream.isatty():
        with _bar(title, total, stream) as advance:
            yield advance
    else:
        with _lines(title, total, stream) as advance:
            yield advance


@contextmanager
def _bar(title: str, total: int, stream: TextIO) -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def _lines(title: str, total: int, stream: TextIO) -> Iterator[Advance]:
    done, told_at = 0, time.monotonic()

    def tell() -> None:
        of = number_format(total, use_l10n=True, force_grouping=True)
        print(f"{title}: {number_format(done, force_grouping=True)} of {of}", file=stream, flush=True)

    def advance(steps: int) -> None:
        nonlocal done, told_at
        done += steps
        if time.monotonic() - told_at >= SECONDS_BETWEEN_LINES:
            told_at = time.monotonic()
            tell()

    yield advance
    tell()
