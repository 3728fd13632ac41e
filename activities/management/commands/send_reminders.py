"""Write to people before their tasks are due."""

from collections.abc import Sequence
from datetime import datetime

from activities.notices import Occasion
from activities.reminders import due_reminders
from activities.sending import NoticeCommand


class Command(NoticeCommand):
    """``manage.py send_reminders``"""

    help = (
        "E-mail everybody whose open task with a time is due soon: so long before as they chose, in their language "
        "and time zone, once for each due time. One that was missed is still told for an hour after it was due. Run "
        "it every few minutes; two at once do no harm."
    )
    examples = """
examples:
  manage.py send_reminders
  manage.py send_reminders --dry-run
  */5 * * * *  manage.py send_reminders --verbosity 0      (in a crontab)

exit status: 0 all that was due is sent, 1 some e-mail went wrong (those are tried again), 2 wrong arguments
"""

    def occasions(self, now: datetime) -> Sequence[Occasion]:
        return due_reminders(now)
