"""What the commands of ``manage.py`` have in common: help that a person can read."""

import argparse
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _


class HelpFormatter(DjangoHelpFormatter):
    """Wraps text, but keeps the lines of examples as they were written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("\n") else super()._fill_text(text, width, indent)


class Command(BaseCommand):
    """A command whose ``--help`` says what is its own, and ends with ``examples``."""

    examples = ""
    not_ready_status = 2  # how it ends when the tables are not there
    suppressed_base_arguments = {
        "--version",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
        "--skip-checks",
    }

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run, if the tables are there."""
        if waiting_migrations():
            raise CommandError(
                _("The database is not ready. Run “manage.py migrate” first, or “make run”."),
                returncode=self.not_ready_status,
            )
        return super().execute(*args, **options)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            **{"epilog": self.examples, "formatter_class": HelpFormatter, **kwargs},
        )


def waiting_migrations() -> int:
    """How many migrations the database has not had yet."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def day(text: str) -> date:
    """A date typed as 2026-03-23, for ``type=`` of an argument."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            _("“%(text)s” is not a date. Write it as 2026-03-23.") % {"text": text}
        ) from error
