"""What the tests of both import commands need: running one, and comparing all that is stored."""

import csv
from io import StringIO
from pathlib import Path

from django.apps import apps
from django.core.management import CommandError, call_command

IN_ALL, SOME_REJECTED, COULD_NOT_RUN = 0, 1, 2


class Outcome:
    """What a command did: exit status, what it printed, and the rejects file as line and reason."""

    def __init__(self, status, out, rejects):
        self.status = status
        self.out = out
        self.rejects_file = rejects

    @property
    def counts(self):
        """Rows read, new, already there, rejected: the figures of the first line."""
        return tuple(
            int(word.replace(",", ""))
            for word in self.out.splitlines()[0].split(": ")[1].split()
            if word[0].isdigit()
        )

    @property
    def rejects(self):
        if not self.rejects_file.exists():
            return {}
        with self.rejects_file.open(newline="") as file:
            return {int(row["rejected_line"]): row["rejected_reason"] for row in csv.DictReader(file)}


def run(command, file, **options):
    """Run an import command on a file; messages of a command that could not run are what it printed."""
    out = StringIO()
    status = IN_ALL
    try:
        call_command(command, str(file), stdout=out, stderr=StringIO(), **options)
    except SystemExit as ended:
        status = ended.code
    except CommandError as error:
        return Outcome(error.returncode, str(error), Path("no rejects"))
    return Outcome(status, out.getvalue(), Path(options.get("rejects") or f"{Path(file).stem}-rejects.csv"))


def everything():
    """All rows of all tables."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
    }
