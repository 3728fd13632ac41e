"""Write to people in the morning what there is to do."""

from collections.abc import Sequence
from datetime import datetime

from activities.notices import Occasion
from activities.sending import NoticeCommand
from opportunities.digest import due_digests


class Command(NoticeCommand):
    """``manage.py send_digest``"""

    help = (
        "E-mail every salesperson once a day, at the first run after 06:00 in their own time zone, what there is to "
        "do: overdue tasks, the tasks of today and opportunities that need them. Who has nothing to do gets nothing. "
        "Run it as often as you like; two at once do no harm."
    )
    examples = """
examples:
  manage.py send_digest
  manage.py send_digest --dry-run
  */15 * * * *  manage.py send_digest --verbosity 0      (in a crontab)

exit status: 0 all that was due is sent, 1 some e-mail went wrong (those are tried again), 2 wrong arguments
"""

    def occasions(self, now: datetime) -> Sequence[Occasion]:
        return due_digests(now)
