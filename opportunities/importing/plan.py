"""What a mapping says about a file of opportunities; everything wrong with it is found here, before any row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.imports import in_words
from crm.mapping import (
    PLAIN,
    FieldSource,
    FileStyle,
    Lookup,
    MappingError,
    RowRefused,
    Section,
    Translations,
    check_column,
    check_template,
    clean,
    field_source,
    read_mapping,
    shortened,
)
from crm.tables import Table
from opportunities.models import CloseReason, Outcome, Priority
from salescycles.models import ProbabilityMethod, SalesCycle, SalesCycleStage
from salespeople.importing import TeamFile

REFUSE, CREATE, FALLBACK, IGNORE = "refuse", "create", "fallback", "ignore"
LONGEST_EXTERNAL_ID = 100

# The sections that say where one field comes from, in the order of docs/import.md.
FIELDS = (
    "external_id",
    "description",
    "company",
    "person",
    "salesperson",
    "created_on",
    "started_on",
    "closed_on",
    "outcome",
    "amount",
    "stage",
    "stage_entered_on",
    "value",
    "chance_percent",
    "estimated_close_on",
    "close_reason",
    "priority",
    "note",
)


@dataclass(frozen=True)
class Unknown:
    """What to do about a name that is not known, and about a row that gives none."""

    when_unknown: str = REFUSE
    when_empty: str = REFUSE
    fallback: str = ""


@dataclass(frozen=True)
class ReasonPlan:
    """The close reason of an outcome, made if it is missing and has a description here."""

    code: str
    description: str = ""


@dataclass(frozen=True)
class CyclePlan:
    """The sales cycle: the default one (no code), one that is there, or one that is made with its stages."""

    code: str = ""
    description: str = ""
    probability_method: str = ProbabilityMethod.MULTIPLY
    stages: tuple[SalesCycleStage, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Where every part of an opportunity comes from."""

    style: FileStyle
    translations: Translations
    sources: dict[str, FieldSource]
    prefix: str
    company: Unknown
    company_match: str
    person: Unknown
    salesperson: Unknown
    teams: TeamFile | None
    cycle: CyclePlan
    entered_on: dict[str, FieldSource]  # by stage
    reasons: dict[str, ReasonPlan]  # by outcome

    def external_id(self, cells: dict[str, str]) -> str:
        """The key of the row, with the prefix. Raises ``RowRefused``."""
        given = self.sources["external_id"].text(cells)
        if not given:
            raise RowRefused(_("The row has no external id."))
        if len(self.prefix + given) > LONGEST_EXTERNAL_ID:
            raise RowRefused(_("An external id has at most %(n)d characters.") % {"n": LONGEST_EXTERNAL_ID})
        return self.prefix + given

    def history(self, cells: dict[str, str]) -> "History":
        """What the row says. Raises ``RowRefused``."""
        started_on = self._day("started_on", cells)
        closed_on = self._day("closed_on", cells)
        created_on = self._created_on(cells, [started_on, closed_on])
        outcome = self.sources["outcome"].choice(cells, Outcome.values)
        stage, company, person = (self._text(name, cells) for name in ("stage", "company", "person"))
        if outcome and closed_on is None:
            raise RowRefused(_("It is won or lost, but there is no closing date."))
        if closed_on is not None and not outcome:
            raise RowRefused(_("There is a closing date, but it is neither won nor lost."))
        if stage and started_on is None:
            raise RowRefused(
                _("It is in the stage “%(stage)s”, but there is no date on which it started.")
                % {"stage": shortened(stage)}
            )
        since = self._day("stage_entered_on", cells)
        return History(
            external_id=self.external_id(cells),
            description=self._text("description", cells),
            company=company,
            person="" if person == company else person,  # how an export says that the contact is the company
            salesperson=self._text("salesperson", cells),
            created_on=created_on,
            started_on=started_on,
            closed_on=closed_on,
            outcome=outcome,
            amount=self._number("amount", cells) if outcome == Outcome.WON else None,
            stage=stage,
            value=self._number("value", cells),
            chance_percent=self._number("chance_percent", cells),
            estimated_close_on=self._day("estimated_close_on", cells),
            close_reason=self._text("close_reason", cells),
            priority=self.sources["priority"].choice(cells, Priority.values) or Priority.NORMAL,
            note=self._text("note", cells),
            entered_on={
                **{name: source.day(cells, self.style) for name, source in self.entered_on.items()},
                **({stage: since} if since else {}),
            },
        )

    def _text(self, name: str, cells: dict[str, str]) -> str:
        return self.sources[name].text(cells)

    def _day(self, name: str, cells: dict[str, str]) -> date | None:
        return self.sources[name].day(cells, self.style)

    def _number(self, name: str, cells: dict[str, str]) -> Decimal | None:
        return self.sources[name].number(cells, self.style)

    def _created_on(self, cells: dict[str, str], others: list[date | None]) -> date:
        """The day the row names, else the first day anything happened, else the default."""
        source = self.sources["created_on"]
        known = [day for day in others if day is not None]
        if known and not source.given(cells):
            return min(known)
        created_on = source.day(cells, self.style)
        if created_on is None:
            raise RowRefused(_("There is no date at all, so nothing says when it was created."))
        return created_on


@dataclass(frozen=True)
class History:
    """What one row says of an opportunity."""

    external_id: str
    description: str
    company: str
    person: str
    salesperson: str
    created_on: date
    started_on: date | None
    closed_on: date | None
    outcome: str
    amount: Decimal | None
    stage: str
    value: Decimal | None
    chance_percent: Decimal | None
    estimated_close_on: date | None
    close_reason: str
    priority: str
    note: str
    entered_on: dict[str, date | None] = field(default_factory=dict)


# Reading the mapping ---------------------------------------------------------------------------------------------


def read_plan(path: Path, file: Path, largest: int) -> tuple[Plan, Table]:
    """What a mapping says, and the file it was checked against. Raises ``MappingError`` or ``TableError``."""
    mapping = read_mapping(path)
    style = FileStyle.from_section(mapping.section("file"))
    table = style.open(file, largest)
    sections = {name: mapping.section(name) for name in FIELDS}
    sources = {name: field_source(sections[name], table.columns, file.parent) for name in FIELDS}
    for name in ("external_id", "description", "salesperson"):
        if not sources[name].is_mapped:
            raise MappingError(_("%(key)s: This is needed.") % {"key": name})
    if not (sources["company"].is_mapped or sources["person"].is_mapped):
        raise MappingError(_("%(key)s: This is needed.") % {"key": "company"})
    cycle = _cycle_plan(mapping.section("cycle"))
    stages = _stage_names(cycle)
    plan = Plan(
        style=style.for_table(table),
        translations=Translations(mapping.section("translate"), table.columns),
        sources=sources,
        prefix=sections["external_id"].text("prefix"),
        company=_unknown(sections["company"], [REFUSE, CREATE, FALLBACK]),
        company_match=sections["company"].text(
            "match", choices=["name", "external_id", "number"], default="name"
        ),
        person=_unknown(sections["person"], [REFUSE, CREATE, IGNORE]),
        salesperson=_unknown(sections["salesperson"], [REFUSE, CREATE, FALLBACK]),
        teams=_team_file(sections["salesperson"], file.parent),
        cycle=cycle,
        entered_on=_entered_on(sections["stage"], table.columns, stages),
        reasons=_reasons(sections["close_reason"], sources),
    )
    if plan.company_match != "name" and plan.company.when_unknown == CREATE:
        raise sections["company"].error(
            "when_unknown",
            _("A company can be created by its name only, not by %(match)s.") % {"match": plan.company_match},
        )
    _check_stage_names(sections["stage"], sources["stage"], stages)
    _check_words(sections, sources)
    for section in sections.values():
        section.done()
    mapping.done()
    return plan, table


def _unknown(section: Section, choices: list[str]) -> Unknown:
    unknown = Unknown(
        when_unknown=section.text("when_unknown", choices=choices, default=REFUSE),
        when_empty=section.text("when_empty", choices=[REFUSE, FALLBACK], default=REFUSE)
        if FALLBACK in choices
        else REFUSE,
        fallback=clean(section.text("fallback")) if FALLBACK in choices else "",
    )
    if FALLBACK in (unknown.when_unknown, unknown.when_empty) and not unknown.fallback:
        raise section.error("fallback", _("This is needed: the name to fall back on."))
    return unknown


def _team_file(section: Section, folder: Path) -> TeamFile | None:
    """``[salesperson.team]``: a second file with the team of each salesperson."""
    if "team" not in section:
        section.section("team")
        return None
    team = section.section("team")
    lookup = Lookup.from_section(team, folder)
    name, manager = team.text("name", required=True), team.text("manager")
    if lookup.rows:
        check_template(team, "name", name, lookup.columns)
        if manager:
            check_column(team, "manager", manager, lookup.columns)
    team.done()
    return TeamFile(lookup=lookup, team_name=name, manager=manager)


def _cycle_plan(section: Section) -> CyclePlan:
    """``[cycle]``: the code, and what the cycle is like if it has to be made."""
    code = section.text("code").strip().upper()
    cycle = SalesCycle(
        code=code,
        description=section.text("description", default=code),
        probability_method=section.text(
            "probability_method", choices=ProbabilityMethod.values, default=ProbabilityMethod.MULTIPLY
        ),
    )
    stages = tuple(_stage(inner, index) for index, inner in enumerate(section.sections("stages"), start=1))
    section.done()
    if not code:
        if section.keys():
            raise section.error("code", _("This is needed."))
        if not SalesCycle.objects.filter(is_default=True).exists():
            raise section.error("code", _("This is needed, since no sales cycle is the default."))
    elif not SalesCycle.objects.filter(code=code).exists():
        if not stages:
            raise section.error(
                "code",
                _("There is no sales cycle %(code)s. Create it, or name its stages here.") % {"code": code},
            )
        _check(section, cycle, cycle.full_clean)
        names = [stage.description for stage in stages]
        if len(set(names)) < len(names):
            raise section.error("stages", _("Two stages have the same description."))
    return CyclePlan(code, cycle.description, cycle.probability_method, stages)


def _stage(section: Section, index: int) -> SalesCycleStage:
    stage = SalesCycleStage(
        position=index * 10,
        description=clean(section.text("description", required=True)),
        completed_percent=section.number("completed_percent", Decimal(0)),
        chance_percent=section.number("chance_percent", Decimal(0)),
        close_in=section.text("close_in"),
        requires_quote=section.flag("requires_quote"),
        allows_skip=section.flag("allows_skip"),
    )
    section.done()
    _check(section, stage, lambda: stage.clean_fields(exclude=["cycle"]))
    return stage


def _check(
    section: Section, record: SalesCycle | SalesCycleStage | CloseReason, check: Callable[[], None]
) -> None:
    """Run a check of a model and say what it refuses as a mistake in the mapping."""
    try:
        check()
    except ValidationError as error:
        raise section.error("", in_words(error, type(record))) from error


def _stage_names(cycle: CyclePlan) -> list[str]:
    """The stages in use of the cycle that will be used, in order."""
    code = {"code": cycle.code} if cycle.code else {"is_default": True}
    there = SalesCycle.objects.filter(**code).first()
    if there is None:
        return [stage.description for stage in cycle.stages]
    return list(there.stages.active().values_list("description", flat=True))


def _entered_on(section: Section, columns: list[str], stages: list[str]) -> dict[str, FieldSource]:
    """``[stage.entered_on]``: for a stage the column with the day on which it was entered."""
    sources = {}
    inner = section.section("entered_on")
    for stage, column in section.translation("entered_on").items():
        check_column(inner, stage, column, columns)
        if stage not in stages:
            raise inner.error(stage, _no_such_stage(stage, stages))
        sources[stage] = FieldSource(name=inner.path_of(stage), column=column)
    return sources


def _no_such_stage(stage: str, stages: list[str]) -> str:
    return _("The sales cycle has no stage “%(stage)s”. Its stages: %(stages)s.") % {
        "stage": shortened(stage),
        "stages": ", ".join(stages),
    }


def _check_stage_names(section: Section, source: FieldSource, stages: list[str]) -> None:
    for key, stage in [
        ("default", source.default),
        *((f"translate.{k}", v) for k, v in source.words.items()),
    ]:
        if stage and stage not in stages:
            raise section.error(key, _no_such_stage(stage, stages))


def _check_words(sections: dict[str, Section], sources: dict[str, FieldSource]) -> None:
    """Defaults and translations that no row could ever use are mistakes in the mapping, not in the rows."""
    for name, choices in (("outcome", Outcome.values), ("priority", Priority.values)):
        source = sources[name]
        for key, word in [
            ("default", source.default),
            *((f"translate.{k}", v) for k, v in source.words.items()),
        ]:
            if word and word.upper() not in choices:
                raise sections[name].error(
                    key,
                    _("“%(value)s” is not known. Choose one of: %(choices)s.")
                    % {"value": word, "choices": ", ".join(choices)},
                )
    parsers: dict[str, Callable[[str], object]] = {
        **dict.fromkeys(
            ("created_on", "started_on", "closed_on", "stage_entered_on", "estimated_close_on"), PLAIN.date_in
        ),
        **dict.fromkeys(("amount", "value", "chance_percent"), PLAIN.number_in),
    }
    for name, parse in parsers.items():
        try:
            parse(sources[name].default)
        except RowRefused as refusal:
            raise sections[name].error("default", str(refusal)) from refusal


def _reasons(section: Section, sources: dict[str, FieldSource]) -> dict[str, ReasonPlan]:
    """``[close_reason.won]`` and ``[close_reason.lost]``."""
    reasons = {}
    for outcome in Outcome:
        inner = section.section(outcome.value.lower())
        code = inner.text("code").strip().upper()
        description = inner.text("description")
        inner.done()
        there = CloseReason.objects.filter(code=code).first()
        if not code:
            if sources["outcome"].is_mapped and not sources["close_reason"].is_mapped:
                raise inner.error("code", _("This is needed."))
            continue
        if there is not None and there.outcome != outcome:
            raise inner.error("code", _("%(code)s is a reason for the other outcome.") % {"code": code})
        if there is None:
            if not description:
                raise inner.error(
                    "code",
                    _("There is no close reason %(code)s. Create it, or give its description here.")
                    % {"code": code},
                )
            reason = CloseReason(code=code, outcome=outcome, description=description)
            _check(inner, reason, reason.full_clean)
        reasons[outcome.value] = ReasonPlan(code, description)
    return reasons
