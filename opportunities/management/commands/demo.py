"""Make a company with eighteen months of business to try Kansen with, or take it away again."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from crm import commands
from crm.progress import progress
from opportunities import operations
from opportunities.demo import build, clear, manifest
from opportunities.demo.clear import Cleared
from opportunities.demo.history import OPPORTUNITIES
from opportunities.models import Opportunity

MOST_LINES = 20
SMALLEST, LARGEST = 10, 20_000


class Command(commands.Command):
    """``manage.py demo``"""

    help = (
        "Make a demo: 25 salespeople in teams, 400 contacts, three sales cycles and 1,200 opportunities with eighteen "
        "months of history that ends today. The same day always gives the same demo. Either all of it is made or "
        "nothing. It makes sign-ins with passwords that everybody can know, so it is for trying only."
    )
    examples = """
examples:
  manage.py demo              make it (on a database without opportunities)
  manage.py demo --sign-ins   print who can sign in, if the demo is there
  manage.py demo --clear      take it away; what people added or changed stays, with what it needs

exit status: 0 done (also when the demo is there already), 1 refused, 2 wrong arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--clear", action="store_true", help="remove what the demo made, and nothing else")
        what.add_argument("--sign-ins", action="store_true", help="only print who can sign in")
        parser.add_argument(
            "--force", action="store_true", help="make it although there are opportunities already"
        )
        parser.add_argument(
            "--size",
            type=int,
            default=OPPORTUNITIES,
            metavar="N",
            help="make so many opportunities (default: %(default)s), with contacts to match",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.quiet = options["verbosity"] == 0
        if options["clear"]:
            self._clear()
        elif options["sign_ins"]:
            self._print(build.sign_ins())
        elif manifest.is_there():
            self._say_it_is_there()
        else:
            self._build(options["size"], force=options["force"])

    # Making it

    def _build(self, size: int, *, force: bool) -> None:
        if not SMALLEST <= size <= LARGEST:
            raise CommandError(
                _("--size is a number from %(least)d to %(most)d.") % {"least": SMALLEST, "most": LARGEST}
            )
        if not force and Opportunity.objects.exists():
            raise CommandError(
                _(
                    "There are opportunities in this database, so it may be in use; the demo would mix with them in "
                    "every list and sum, and add sign-ins with known passwords. Nothing was made. Use an empty "
                    "database, or give --force if you are sure; demo --clear takes it away again."
                )
            )
        plan = build.make_the_plan(size)
        try:
            with progress(_("Making the demo"), len(plan.events), quiet=self.quiet) as advance:
                build.build(plan, advance=advance)
        except build.DemoRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self._say(
            _("The demo is made: %(contacts)d contacts, %(deals)d opportunities, %(entries)d entries.")
            % {"contacts": len(plan.parties), "deals": len(plan.deals), "entries": len(plan.events)}
        )
        self._print(build.sign_ins())

    def _say_it_is_there(self) -> None:
        """All well if the demo is whole; what is left of an old one stands in the way of a new one."""
        sign_ins = build.sign_ins()
        if not sign_ins and not clear.count():
            raise CommandError(
                _(
                    "Parts of an earlier demo are still here, because something uses them. Delete or change what uses "
                    "them, and run demo --clear again (it says what); then a new demo can be made."
                )
            )
        self._say(_("The demo is already there. Take it away with demo --clear."))
        self._print(sign_ins)

    def _print(self, rows: list[tuple[str, str, str]]) -> None:
        if not rows:
            return
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        self.stdout.write(_("Sign in to the demo as:"))
        for role, email, password in rows:
            self.stdout.write(f"  {role:<{widths[0]}}  {email:<{widths[1]}}  {password}")

    # Taking it away

    def _clear(self) -> None:
        if not manifest.is_there():
            self._say(_("There is no demo here. Nothing was done."))
            return
        try:
            with progress(_("Clearing the demo"), clear.count(), quiet=self.quiet) as advance:
                cleared = clear.clear(advance=advance)
        except (operations.Refused, ProtectedError, IntegrityError) as error:
            raise CommandError(
                _("Somebody is working with the demo at this moment. Run demo --clear again.")
            ) from error
        self._tell(cleared)

    def _tell(self, cleared: Cleared) -> None:
        for name, number in cleared.removed.items():
            if number:
                self._say(_("Removed: %(n)d %(what)s") % {"n": number, "what": name})
        kept = Counter(str(row._meta.verbose_name_plural) for row, _why in cleared.kept)
        for name, number in kept.items():
            self._say(_("Kept: %(n)d %(what)s") % {"n": number, "what": name})
        for row, why in cleared.kept[:MOST_LINES]:
            self._say(f"  {row._meta.verbose_name} {row}: {why}")
        if len(cleared.kept) > MOST_LINES:
            self._say(_("  … and %(n)d more.") % {"n": len(cleared.kept) - MOST_LINES})
        for email in cleared.closed_sign_ins:
            self._say(
                _("%(email)s stays as the author of what is kept, but can no longer sign in.")
                % {"email": email}
            )
        if not cleared.kept:
            self._say(_("The demo is gone."))

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.stdout.write(text)
