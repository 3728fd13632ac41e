"""The import itself: every row becomes an opportunity with its history, through the operations.

Each row is a transaction of its own: names that are made for it, the opportunity and all of its entries are kept
together or not at all. So a run that is killed has imported whole rows, the next run goes on after them, and the
numbers given are those of one run. A dry run does the same work and takes every row back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from contacts.importing import ContactBook
from contacts.models import Contact
from crm.imports import Fate, Result, counted, kept_or_not
from crm.mapping import RowRefused, shortened
from crm.tables import Row, Table
from crm.templatetags.kansen import money
from opportunities import operations
from opportunities.importing.plan import CREATE, FALLBACK, REFUSE, History, Plan
from opportunities.models import CloseReason, Opportunity, Outcome, Status
from opportunities.operations import Estimate, Refused
from salescycles.models import SalesCycle, SalesCycleStage
from salespeople.importing import SalespersonBook, recorder, saved
from salespeople.models import Salesperson, User

LOOK_AHEAD = 100  # rows whose external ids are looked up with one query
ATTEMPTS = 3


@dataclass(frozen=True)
class SetUp:
    """What every row needs."""

    by: User
    cycle: SalesCycle
    stages: list[SalesCycleStage]
    reasons: dict[str, CloseReason]


class OpportunityImporter:
    """Imports opportunities row by row."""

    def __init__(self, table: Table, plan: Plan, *, by: str = "", dry_run: bool = False) -> None:
        self.columns = table.columns
        self._table = table
        self._plan = plan
        self._by = recorder(by)
        self._dry_run = dry_run
        self._contacts = ContactBook(dry_run=dry_run)
        self._salespeople = SalespersonBook(plan.teams)
        self._seen: dict[str, int] = {}
        self._statuses: Counter[str] = Counter()
        self._estimates: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._won = Decimal(0)

    def __len__(self) -> int:
        return len(self._table)

    # The rows

    def run(self) -> Iterator[Result]:
        """Import row by row, telling what became of each."""
        rows, set_up = iter(self._table), None
        while batch := list(islice(rows, LOOK_AHEAD)):
            if self._dry_run:
                # What is set up lasts for one batch, so that nobody waits for long.
                with kept_or_not(dry_run=True):
                    results = list(self._batch(batch, self._set_up()))
                yield from results
            else:
                set_up = set_up or self._set_up()
                yield from self._batch(batch, set_up)

    def _batch(self, rows: list[Row], set_up: SetUp) -> Iterator[Result]:
        cells = {row.line: self._plan.translations.cells(row) for row in rows}
        there = self._there(cells.values())
        for row in rows:
            try:
                yield Result(row, self._import(row, cells[row.line], there, set_up))
            except (RowRefused, Refused) as refusal:
                yield Result(row, Fate.REJECTED, str(refusal))

    def _there(self, rows: Iterable[dict[str, str]]) -> dict[str, Opportunity]:
        """The opportunities of these rows that have been imported before."""
        keys = []
        for cells in rows:
            try:
                keys.append(self._plan.external_id(cells))
            except RowRefused:
                continue  # said when it is the row's turn
        keys = [key for key in keys if "\0" not in key]
        return {found.external_id: found for found in Opportunity.objects.filter(external_id__in=keys)}

    def _import(self, row: Row, cells: dict[str, str], there: dict[str, Opportunity], set_up: SetUp) -> Fate:
        if row.problem:
            raise RowRefused(row.problem)
        key = self._plan.external_id(cells)
        line = self._seen.setdefault(key, row.line)
        if line != row.line:
            raise RowRefused(
                _("The external id “%(key)s” is on line %(line)d already.")
                % {"key": shortened(key), "line": line}
            )
        if key in there:
            self._count(there[key])
            return Fate.THERE
        history = self._plan.history(cells)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with kept_or_not(dry_run=self._dry_run):
                    opportunity = self._write(history, set_up)
                self._keep(opportunity)
                return Fate.NEW
            except (RowRefused, Refused, IntegrityError, ObjectDoesNotExist) as error:
                is_refused = isinstance(error, RowRefused | Refused)
                self._drop(forget=not is_refused)  # else somebody changed what was looked up
                if found := Opportunity.objects.filter(external_id=key).first():  # another import was quicker
                    self._count(found)
                    return Fate.THERE
                if is_refused:
                    raise
                if attempt == ATTEMPTS:
                    raise RowRefused(str(error)) from error
        raise AssertionError("the last attempt returns or raises")

    def _keep(self, opportunity: Opportunity) -> None:
        self._contacts.kept()
        self._salespeople.kept(dry_run=self._dry_run)
        self._count(opportunity)

    def _drop(self, *, forget: bool = False) -> None:
        self._contacts.dropped(forget=forget)
        self._salespeople.dropped(forget=forget)

    # One history

    def _write(self, history: History, set_up: SetUp) -> Opportunity:
        """Create, start, move next by next up to the stage, close: each on its day.

        What came to be done in a stage is cancelled when the stage is left: only where it stands now something is
        to be done, and of what is closed nothing.
        """
        by = set_up.by
        created = operations.create(
            description=history.description,
            contact=self._contact(history),
            salesperson=self._salesperson(history),
            cycle=set_up.cycle,
            by=by,
            on=history.created_on,
            priority=history.priority,
            estimate=Estimate(history.value, history.chance_percent, history.estimated_close_on),
            external_id=history.external_id,
            note=history.note,
        )
        with operations.in_hand(created) as opportunity:
            if history.started_on is not None:
                operations.start(opportunity=opportunity, by=by, on=history.started_on)
                for stage in self._path(history.stage, set_up):
                    on = history.entered_on.get(stage.description) or opportunity.changed_on
                    operations.move(
                        opportunity=opportunity, to=stage, cancel_tasks=operations.ALL_TASKS, by=by, on=on
                    )
            if history.outcome and history.closed_on is not None:
                operations.close(
                    opportunity=opportunity,
                    outcome=history.outcome,
                    reason=self._reason(history, set_up),
                    amount=history.amount,
                    cancel_tasks=operations.ALL_TASKS,
                    by=by,
                    on=history.closed_on,
                )
        return opportunity

    @staticmethod
    def _path(name: str, set_up: SetUp) -> list[SalesCycleStage]:
        """The stages after the first, up to the one named."""
        if not name:
            return []
        names = [stage.description for stage in set_up.stages]
        if name not in names:
            raise RowRefused(
                _("The sales cycle has no stage “%(stage)s”. Its stages: %(stages)s.")
                % {"stage": shortened(name), "stages": ", ".join(names)}
            )
        return set_up.stages[1 : names.index(name) + 1]

    def _contact(self, history: History) -> Contact:
        """The person of the row, else its company."""
        company = self._company(history)
        when_unknown = self._plan.person.when_unknown
        if history.person:
            person = self._contacts.person(history.person, company, make=when_unknown == CREATE)
            if person is not None:
                return person
        if company is None or (history.person and when_unknown == REFUSE):
            raise RowRefused(_("There is no person “%(name)s”.") % {"name": shortened(history.person)})
        return company

    def _company(self, history: History) -> Contact | None:
        rule = self._plan.company
        if not history.company:
            if rule.when_empty == FALLBACK:
                return self._contacts.company(rule.fallback, make=True)
            if history.person:
                return None
            raise RowRefused(_("The row names no company."))
        if self._plan.company_match != "name":
            named = Contact.objects.companies().filter(**{self._plan.company_match: history.company}).first()
            found = Contact.objects.carrying_on(named.pk) if named else None
        else:
            found = self._contacts.company(history.company, make=rule.when_unknown == CREATE)
        if found is None and rule.when_unknown == FALLBACK:
            found = self._contacts.company(rule.fallback, make=True)
        if found is None:
            raise RowRefused(_("There is no company “%(name)s”.") % {"name": shortened(history.company)})
        return found

    def _salesperson(self, history: History) -> Salesperson:
        rule = self._plan.salesperson
        if not history.salesperson:
            if rule.when_empty == FALLBACK:
                return self._salespeople.find_or_make(rule.fallback)
            raise RowRefused(_("The row names no salesperson."))
        if rule.when_unknown == CREATE:
            return self._salespeople.find_or_make(history.salesperson)
        found = self._salespeople.find(history.salesperson)
        if found is None and rule.when_unknown == FALLBACK:
            found = self._salespeople.find_or_make(rule.fallback)
        if found is None:
            raise RowRefused(
                _("There is no salesperson “%(name)s”.") % {"name": shortened(history.salesperson)}
            )
        return found

    @staticmethod
    def _reason(history: History, set_up: SetUp) -> CloseReason:
        """The reason the row names, by code or description, else that of the mapping."""
        if history.close_reason:
            reasons = CloseReason.objects.filter(outcome=history.outcome)
            found = (
                reasons.filter(code=history.close_reason.upper()).first()
                or reasons.filter(description__iexact=history.close_reason).order_by("pk").first()
            )
            if found is None:
                raise RowRefused(
                    _("There is no reason “%(reason)s” for %(outcome)s.")
                    % {
                        "reason": shortened(history.close_reason),
                        "outcome": Outcome(history.outcome).label.lower(),
                    }
                )
            return found
        if history.outcome not in set_up.reasons:
            raise RowRefused(_("The row gives no reason for its outcome."))
        return set_up.reasons[history.outcome]

    # What there has to be first

    def _set_up(self) -> SetUp:
        """The cycle, the reasons and the recorder, made where they are missing."""
        try:
            with transaction.atomic():
                return self._find_or_make()
        except (IntegrityError, RowRefused):  # another import has made them at this moment
            with transaction.atomic():
                return self._find_or_make()

    def _find_or_make(self) -> SetUp:
        plan = self._plan.cycle
        if plan.code:
            cycle = SalesCycle.objects.filter(code=plan.code).first() or self._make_cycle()
        else:
            cycle = SalesCycle.objects.get(is_default=True)
        reasons = {}
        for outcome, reason in self._plan.reasons.items():
            reasons[outcome] = CloseReason.objects.filter(code=reason.code).first() or saved(
                CloseReason(code=reason.code, outcome=outcome, description=reason.description)
            )
        return SetUp(
            by=self._by or User.objects.for_commands(),
            cycle=cycle,
            stages=list(cycle.stages.active()),
            reasons=reasons,
        )

    def _make_cycle(self) -> SalesCycle:
        plan = self._plan.cycle
        cycle = saved(
            SalesCycle(
                code=plan.code, description=plan.description, probability_method=plan.probability_method
            )
        )
        for stage in plan.stages:
            stage.pk, stage._state.adding, stage.cycle = None, True, cycle
            saved(stage)
        return cycle

    # What is said at the end

    def _count(self, opportunity: Opportunity) -> None:
        self._statuses[opportunity.status] += 1
        if opportunity.status == Status.WON:
            self._won += opportunity.calculated_value
        else:
            self._estimates[opportunity.status] += opportunity.estimated_value or 0

    def summary(self) -> Iterator[str]:
        """Where the opportunities of the file stand, those that were there already included, and what was made."""
        for status in Status:
            if status == Status.WON:
                amount = _("sold for %(amount)s") % {"amount": money(self._won)}
            else:
                amount = _("estimated at %(amount)s") % {"amount": money(self._estimates[status])}
            number = counted(self._statuses[status])
            yield f"  {status.label:<12} {number:>9}  {amount}"
        made = [*self._contacts.summary(), *self._salespeople.summary()]
        if made:
            yield _("New on the way: %(what)s.") % {"what": ", ".join(made)}
