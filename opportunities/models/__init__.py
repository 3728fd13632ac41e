"""Opportunities and their ledger, and what surrounds them.

An ``Opportunity`` is what is true now, in one row. An ``OpportunityEntry`` is a full copy of what was true from
one date to the next; entries are only ever added. Both share ``Facts``. ``operations.py`` is the only writer:
saving or deleting either model any other way raises ``OnlyThroughOperations``.
"""

from opportunities.models.batches import Batch as Batch
from opportunities.models.batches import BatchAction as BatchAction
from opportunities.models.batches import BatchItem as BatchItem
from opportunities.models.batches import BatchItemQuerySet as BatchItemQuerySet
from opportunities.models.batches import BatchStatus as BatchStatus
from opportunities.models.batches import ItemRule as ItemRule
from opportunities.models.batches import ItemState as ItemState
from opportunities.models.entries import OpportunityEntry as OpportunityEntry
from opportunities.models.entries import OpportunityEntryQuerySet as OpportunityEntryQuerySet
from opportunities.models.entries import ended_seal as ended_seal
from opportunities.models.facts import CLOSED_STATUSES as CLOSED_STATUSES
from opportunities.models.facts import FACT_LAWS as FACT_LAWS
from opportunities.models.facts import FACTS as FACTS
from opportunities.models.facts import MOVES as MOVES
from opportunities.models.facts import OPEN_STATUSES as OPEN_STATUSES
from opportunities.models.facts import Action as Action
from opportunities.models.facts import Facts as Facts
from opportunities.models.facts import GuardedModel as GuardedModel
from opportunities.models.facts import GuardedQuerySet as GuardedQuerySet
from opportunities.models.facts import OnlyThroughOperations as OnlyThroughOperations
from opportunities.models.facts import Priority as Priority
from opportunities.models.facts import Status as Status
from opportunities.models.facts import overdue as overdue
from opportunities.models.opportunity import Opportunity as Opportunity
from opportunities.models.opportunity import OpportunityQuerySet as OpportunityQuerySet
from opportunities.models.people import ContactRole as ContactRole
from opportunities.models.people import OpportunityContact as OpportunityContact
from opportunities.models.reasons import CloseReason as CloseReason
from opportunities.models.reasons import Outcome as Outcome
from opportunities.models.steps import with_task_due as with_task_due
from opportunities.models.steps import without_next_step as without_next_step
from opportunities.models.views import Audience as Audience
from opportunities.models.views import SavedView as SavedView
from opportunities.models.views import ViewPlace as ViewPlace
