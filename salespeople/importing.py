"""Salespeople and teams by name, for imports: found, or made when the mapping says so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.imports import counted, in_words
from crm.mapping import Lookup, MappingError, RowRefused, fill_in, shortened
from salespeople.models import Salesperson, Team, User

CODE_LENGTH = 20
TEAM_CODE_LENGTH = 10
Found = TypeVar("Found", bound=Model)


def code_from(name: str, length: int, is_taken: Callable[[str], bool]) -> str:
    """A code made from a name (Mei-Mei Johns → MEI-MEI-JOHNS), with a number behind it if it is taken."""
    base = slugify(name).upper().strip("-") or "X"
    code, number = base[:length].rstrip("-"), 1
    while is_taken(code):
        number += 1
        ending = f"-{number}"
        code = base[: length - len(ending)].rstrip("-") + ending
    return code


def saved(record: Found) -> Found:
    """A new record, checked as a form would and stored. Raises ``RowRefused``."""
    try:
        record.full_clean(exclude=["number"])
    except ValidationError as error:
        raise RowRefused(in_words(error, type(record))) from error
    record.save()
    return record


@dataclass(frozen=True)
class TeamFile:
    """A second file that says in which team a new salesperson is, and who manages it."""

    lookup: Lookup
    team_name: str  # with columns in braces
    manager: str = ""  # a column


class SalespersonBook:
    """Salespeople by name, code or e-mail address.

    What a row needed or made is remembered for the next rows only when the row was ``kept``; ``dropped`` forgets it.
    ``made`` counts what was kept.
    """

    def __init__(self, teams: TeamFile | None = None) -> None:
        self._teams = teams
        self._known: dict[str, Salesperson] = {}
        self._new: dict[str, Salesperson] = {}
        self._new_teams: set[str] = set()
        self._taken_back: dict[str, str] = {}  # made in a dry run: the codes by name
        self.made: set[str] = set()
        self.made_teams: set[str] = set()

    def find(self, name: str) -> Salesperson | None:
        """The salesperson of that name, code or e-mail address. Raises ``RowRefused`` when there are several."""
        if known := self._new.get(name) or self._known.get(name):
            return known
        if name in self._taken_back:  # a stand-in for the one that was checked
            self._new[name] = Salesperson.objects.create(code=self._taken_back[name], name=name)
            return self._new[name]
        found = list(Salesperson.objects.filter(name=name)[:2])
        if not found:
            found = list(Salesperson.objects.filter(Q(code=name.upper()) | Q(email__iexact=name))[:2])
        if len(found) > 1:
            raise RowRefused(
                _("More than one salesperson is called “%(name)s”. Use the code.") % {"name": shortened(name)}
            )
        if found:
            self._known[name] = found[0]
        return found[0] if found else None

    def find_or_make(self, name: str) -> Salesperson:
        """The same; one who is not there is made, in the team that the second file names."""
        found = self.find(name)
        if found is None:
            team = self._team_of(name)
            found = self.find(name) or self._make(name, team)  # who manages the team is there by now
        return found

    def kept(self, *, dry_run: bool) -> None:
        """The row was kept: remember what it made. After a dry run only how much, since it is gone."""
        self.made |= self._new.keys()
        self.made_teams |= self._new_teams
        if dry_run:
            self._taken_back |= {name: person.code for name, person in self._new.items()}
        else:
            self._known |= self._new
        self.dropped()

    def dropped(self, *, forget: bool = False) -> None:
        """The row was not kept; ``forget`` to look everything up anew."""
        self._new, self._new_teams = {}, set()
        if forget:
            self._known = {}

    def summary(self) -> Iterator[str]:
        """How many were made, in words."""
        if people := len(self.made):
            yield ngettext("%(n)s salesperson", "%(n)s salespeople", people) % {"n": counted(people)}
        if teams := len(self.made_teams):
            yield ngettext("%(n)s team", "%(n)s teams", teams) % {"n": counted(teams)}

    def _make(self, name: str, team: Team | None) -> Salesperson:
        code = code_from(name, CODE_LENGTH, lambda code: Salesperson.objects.filter(code=code).exists())
        self._new[name] = saved(Salesperson(code=code, name=name, team=team))
        return self._new[name]

    def _team_of(self, name: str) -> Team | None:
        """The team of somebody new, made with its manager when it is missing."""
        if self._teams is None or name not in self._teams.lookup.rows:
            return None
        cells = self._teams.lookup.rows[name]
        team_name = fill_in(self._teams.team_name, cells)
        if not team_name:
            return None
        found = list(Team.objects.filter(name=team_name)[:2])
        if len(found) > 1:
            raise RowRefused(_("More than one team is called “%(name)s”.") % {"name": shortened(team_name)})
        if found:
            return found[0]
        code = code_from(team_name, TEAM_CODE_LENGTH, lambda code: Team.objects.filter(code=code).exists())
        team = saved(Team(code=code, name=team_name))
        self._new_teams.add(team_name)
        if manager := cells.get(self._teams.manager, ""):
            team.manager = self.find(manager) or self._make(manager, team)
            team.save(update_fields=["manager"])
        return team


def recorder(email: str) -> User | None:
    """The user with that address, in whose name an import works; None when none is given.

    Raises ``MappingError`` when nobody signs in with the address.
    """
    if not email:
        return None
    try:
        return User.objects.get_by_natural_key(email)
    except User.DoesNotExist:
        raise MappingError(_("--by: nobody signs in as %(email)s.") % {"email": shortened(email)}) from None
