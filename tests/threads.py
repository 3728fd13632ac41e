"""Work done at the same moment, each piece in a thread and on a connection of its own."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

PATIENCE = 30  # seconds after which a test has hung


def at_once(*pieces: Callable[[], Any]) -> list[Any]:
    """Release all pieces together; returns what each returned, or the exception it raised."""
    barrier = threading.Barrier(len(pieces))
    return _run([lambda piece=piece: (barrier.wait(PATIENCE), piece())[1] for piece in pieces])


def while_uncommitted(first: Callable[[], Any], *others: Callable[[], Any]) -> list[Any]:
    """Run ``first`` in a transaction that commits only when all the others wait for it.

    On PostgreSQL they are seen to wait; SQLite cannot say who waits, so there they have only been let go.
    """
    written = threading.Event()
    let_go = threading.Barrier(len(others) + 1)

    def hold() -> Any:
        with transaction.atomic():
            result = first()
            written.set()
            let_go.wait(PATIENCE)
            if connection.vendor == "postgresql":
                _until_waiting(len(others))
            return result

    def follow(piece: Callable[[], Any]) -> Any:
        assert written.wait(PATIENCE)
        let_go.wait(PATIENCE)
        return piece()

    return _run([hold, *(lambda piece=piece: follow(piece) for piece in others)])


def _until_waiting(count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(waiting)
            if cursor.fetchone()[0] >= count:
                return
    raise AssertionError("Nobody waits for the uncommitted change")


def _run(pieces: list[Callable[[], Any]]) -> list[Any]:
    results: list[Any] = [None] * len(pieces)

    def work(index: int, piece: Callable[[], Any]) -> None:
        try:
            results[index] = piece()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(pieces)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    assert not any(thread.is_alive() for thread in threads), "A thread has hung"
    return results
