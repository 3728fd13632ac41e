"""Replay every opportunity from its ledger entries and report what does not add up."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import commands
from crm.progress import Advance, progress
from opportunities import ledger, selecting
from opportunities.ledger import Difference
from opportunities.models import OpportunityQuerySet

MOST_LINES = 100


class Command(commands.Command):
    """``manage.py verify_ledger``"""

    help = (
        "Replay every opportunity from its ledger entries: order, dates, seals, percentages, values, and whether "
        "the opportunity says what its entries say. Changes nothing."
    )
    examples = """
examples:
  manage.py verify_ledger
  manage.py verify_ledger --number OP-00012 --number OP-00013

exit status: 0 all is well, 1 differences were found (the first 100 are printed), 2 wrong arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        selecting.add_options(parser, "number")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rows = selecting.selected(options)
        except CommandError as error:
            raise CommandError(str(error), returncode=2) from error
        total = rows.count()
        found, wrong = 0, set()
        with progress(_("Verifying"), total, quiet=options["verbosity"] == 0) as advance:
            differences = verified(rows, advance)
            for difference in differences if options["number"] else chain(differences, ledger.orphans()):
                found += 1
                wrong.add(difference.number)
                if found <= MOST_LINES:
                    self.stdout.write(str(difference))
        if found:
            if found > MOST_LINES:
                self.stdout.write(_("… and %(n)d more.") % {"n": found - MOST_LINES})
            raise CommandError(
                ngettext(
                    "%(n)d difference in %(wrong)d of %(total)d opportunities.",
                    "%(n)d differences in %(wrong)d of %(total)d opportunities.",
                    found,
                )
                % {"n": found, "wrong": len(wrong), "total": total}
            )
        if options["verbosity"]:
            self.stdout.write(
                ngettext(
                    "%(total)d opportunity verified: its entries add up.",
                    "%(total)d opportunities verified: their entries add up.",
                    total,
                )
                % {"total": total},
                self.style.SUCCESS,
            )


def verified(rows: OpportunityQuerySet, advance: Advance) -> Iterator[Difference]:
    """The differences, batch by batch; ``advance`` hears how many opportunities each batch had."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[: ledger.BATCH]):
        yield from ledger.verify(rows.filter(pk__gt=last, pk__lte=batch[-1]))
        last = batch[-1]
        advance(len(batch))
