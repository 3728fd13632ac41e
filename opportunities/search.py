"""Find anything by what one remembers of it: an opportunity, a contact, an open task, or a page to go to.

What is typed is compared without case and accents, word by word, with the normalised text that is stored beside
each record; with the description of a task as it was typed, or without accents. An exact number comes first, then
those in which every word begins a word, then those in which every word is a part of one. Where that finds next to
nothing, words that are nearly the same are looked for as well.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from activities.models import Task
from contacts.models import Contact, ContactQuerySet
from crm.text import MOST_WORDS, normalised, words_of
from opportunities import similarity, tasks
from opportunities.models import CLOSED_STATUSES, Opportunity, OpportunityEntry, OpportunityQuerySet
from salespeople.models import User

MOST_LETTERS = 100  # what the search of the lists takes, too
LEAST_LETTERS = 2
HANDFUL = 3  # with fewer found, similar ones are welcome
ENTRIES_READ = 60  # of one's own, to find what one worked on last
NUMBER = re.compile(r"(?:(?P<prefix>[a-z]{1,4})[ -]*)?0*(?P<digits>[0-9]{1,10})")


@dataclass(frozen=True)
class Question:
    """What somebody typed, as it is looked for."""

    typed: str

    @cached_property
    def text(self) -> str:
        """As it was typed, on one line and of reasonable length."""
        return " ".join(self.typed.replace("\0", "").split())[:MOST_LETTERS].rstrip()

    @cached_property
    def is_cut(self) -> bool:
        """Whether more was typed than is looked for."""
        return len(" ".join(self.typed.replace("\0", "").split())) > MOST_LETTERS

    @cached_property
    def words(self) -> list[str]:
        """The different words, comparable; none when there is no word worth looking for."""
        words = words_of(self.text)
        return words if any(len(word) >= LEAST_LETTERS for word in words) else []

    @cached_property
    def written(self) -> list[str]:
        """The words as they were typed, for what is not stored in a comparable way."""
        return self.text.split()[:MOST_WORDS] if self.words else []

    @cached_property
    def number(self) -> re.Match[str] | None:
        """The parts of a number, if that is what was typed: “OP-00412”, “op 412” or only “412”."""
        return NUMBER.fullmatch(normalised(self.text))

    def numbers(self, prefix: str) -> list[str]:
        """What a record of a series may be called by what was typed."""
        numbers = [self.text.upper()]
        if self.number and self.number["prefix"] in (None, prefix.lower()):
            numbers.append(f"{prefix}-{int(self.number['digits']):05d}")
        return numbers


@dataclass(frozen=True)
class Place:
    """A page one can go to, or something one can begin."""

    label: str | Promise
    name: str
    icon: str
    may: Callable[[User], bool] = User.may_read
    query: str = ""
    key: str = ""

    @property
    def url(self) -> str:
        """Its address."""
        return reverse(self.name) + self.query


def _may_open_the_admin(user: User) -> bool:
    return user.is_staff or user.is_manager()


PLACES = [
    Place(gettext_lazy("New opportunity"), "opportunities:new", "plus-lg", User.may_sell, key="n"),
    Place(gettext_lazy("New task"), "opportunities:task-new", "plus-lg", User.may_sell),
    Place(gettext_lazy("New company"), "contacts:new", "building-add", User.may_sell, "?kind=COMPANY"),
    Place(gettext_lazy("New person"), "contacts:new", "person-add", User.may_sell, "?kind=PERSON"),
    Place(gettext_lazy("Today"), "opportunities:today", "sun", key="g d"),
    Place(gettext_lazy("Tasks"), "opportunities:tasks", "check2-square", key="g t"),
    Place(gettext_lazy("Tasks of the week"), "opportunities:task-week", "calendar-week"),
    Place(gettext_lazy("Tasks of the month"), "opportunities:task-month", "calendar-month"),
    Place(gettext_lazy("Board"), "opportunities:board", "kanban", key="g b"),
    Place(gettext_lazy("Opportunities"), "opportunities:list", "bullseye", key="g o"),
    Place(gettext_lazy("Contacts"), "contacts:list", "person-rolodex", key="g c"),
    Place(gettext_lazy("Preferences"), "salespeople:preferences", "gear"),
    Place(gettext_lazy("Change password"), "password-change", "key"),
    Place(gettext_lazy("Sales cycles"), "salescycles:list", "signpost-split"),
    Place(gettext_lazy("Salespeople"), "salespeople:list", "person-badge"),
    Place(gettext_lazy("Teams"), "salespeople:team-list", "people"),
    Place(gettext_lazy("Close reasons"), "opportunities:reason-list", "flag"),
    Place(gettext_lazy("Admin"), "admin:index", "sliders", _may_open_the_admin),
    Place(gettext_lazy("New sales cycle"), "salescycles:new", "signpost-split", User.is_manager),
    Place(gettext_lazy("New salesperson"), "salespeople:new", "person-badge", User.is_manager),
    Place(gettext_lazy("New team"), "salespeople:team-new", "people", User.is_manager),
    Place(gettext_lazy("New close reason"), "opportunities:reason-new", "flag", User.is_manager),
]


@dataclass
class Found:
    """What there is of one kind."""

    kind: str
    title: str
    rows: list[Any] = field(default_factory=list)
    all_url: str = ""  # where all of them are listed, when there are more than these
    all_label: str = ""


@dataclass
class Answer:
    """Everything that was found, kind by kind, the likeliest first."""

    question: Question
    found: list[Found]
    is_similar: bool = False  # some were only nearly what was asked for

    @property
    def groups(self) -> list[Found]:
        """The kinds of which there is something."""
        return [found for found in self.found if found.rows]

    @property
    def count(self) -> int:
        """How many are shown."""
        return sum(len(found.rows) for found in self.found)

    @property
    def summary(self) -> str:
        """How many were found, in words."""
        if not self.count:
            return _("Nothing found.")
        if not self.question.text:
            return _("Your latest opportunities, and where you can go.")
        words = ngettext("%(n)d result.", "%(n)d results.", self.count) % {"n": self.count}
        if any(found.all_url for found in self.found):
            words = _("The first %(n)d results.") % {"n": self.count}
        if self.is_similar:
            words += " " + _("Some have only similar words.")
        return words


def search(typed: str, *, user: User, most: int) -> Answer:
    """Whatever ``typed`` may mean to a user, at most so many of each kind; without it, what they worked on last."""
    question = Question(typed)
    places = Found("places", _("Go to"), _places(question, user)[: most * 2])
    if not question.text:
        return Answer(question, [Found("opportunities", _("Your latest"), recent(user, most)), places])
    opportunities = Found("opportunities", _("Opportunities"), _opportunities(question, user, most + 1))
    contacts = Found("contacts", _("Contacts"), _contacts(question, user, most + 1))
    to_do = Found("tasks", _("Open tasks"), _tasks(question, user, most + 1))
    answer = Answer(question, [opportunities, contacts, to_do, places])
    is_little = len(opportunities.rows) + len(contacts.rows) < HANDFUL
    if is_little and not question.number and similarity.is_worth_it(question.words):
        _add_similar(answer, opportunities, contacts, user, most)
    query = {"q": question.text}
    if _cut(opportunities, most):
        opportunities.all_label = _("All opportunities with these words")
        opportunities.all_url = f"{reverse('opportunities:list')}?{urlencode(query | {'status': 'ALL'})}"
    if _cut(contacts, most):
        contacts.all_label = _("All contacts with these words")
        contacts.all_url = f"{reverse('contacts:list')}?{urlencode(query)}"
    if _cut(to_do, most):
        to_do.all_label = _("All open tasks with these words")
        to_do.all_url = f"{reverse('opportunities:tasks')}?{urlencode(query | {'whose': tasks.ALL})}"
    return answer


def recent(user: User, most: int) -> list[Opportunity]:
    """The opportunities a user changed last, newest first."""
    entries = OpportunityEntry.objects.filter(recorded_by=user).order_by("-pk")
    keys = list(dict.fromkeys(entries.values_list("opportunity_id", flat=True)[:ENTRIES_READ]))
    return similarity.in_order(Opportunity.objects.visible_to(user).with_names(), keys[:most])


def _opportunities(question: Question, user: User, most: int) -> list[Opportunity]:
    """Those with this number or with all these words, open ones first, those changed last first."""
    exact = Q(number__in=question.numbers("OP"))
    begun = _all(
        _begins("search_text", word)
        | _begins("contact__search_text", word)
        | _begins("company__search_text", word)
        for word in question.words
    )
    found = _found(Opportunity.objects.all(), exact, question)
    seen = Opportunity.objects.visible_to(user).with_names().filter(pk__in=found)
    is_closed = Case(When(status__in=CLOSED_STATUSES, then=1), default=0)
    return list(seen.order_by(_rank(exact, begun), is_closed, "-changed_on", "-pk")[:most])


def _contacts(question: Question, user: User, most: int) -> list[Contact]:
    """Those with this number or with all these words, by name; the people of a company after the company."""
    exact = Q(number__in=question.numbers("C")) | Q(customer_number__in=question.numbers("CU"))
    found = _found(Contact.objects.all(), exact, question)
    seen = Contact.objects.visible_to(user).with_names().filter(pk__in=found)
    begun = _all(_begins("search_text", word) for word in question.words)
    return list(seen.order_by(_rank(exact, begun), "name", "pk")[:most])


def _tasks(question: Question, user: User, most: int) -> list[Task]:
    """The open ones with all these words in the description, those due soonest first."""
    if not question.words:
        return []
    has_them = _all(_says(word, "description__icontains", "%s") for word in question.written)
    begun = _all(
        _says(word, "description__istartswith", "%s") | _says(word, "description__icontains", " %s")
        for word in question.written
    )
    seen = Task.objects.visible_to(user).open().filter(has_them).select_related("salesperson", "team")
    rank = Case(When(begun, then=0), default=1, output_field=IntegerField())
    return list(seen.order_by(rank, "due_at", "pk")[:most])


def _says(word: str, lookup: str, pattern: str) -> Q:
    """Whether a word stands there as it was typed, or without its accents."""
    return Q(**{lookup: pattern % word}) | Q(**{lookup: pattern % normalised(word)})


def _found(
    everything: OpportunityQuerySet | ContactQuerySet, exact: Q, question: Question
) -> QuerySet[Any, Any]:
    """The keys of those with this number, and of those with all these words."""
    numbered = everything.filter(exact).values("pk")
    if not question.words:
        return numbered
    return numbered.union(everything.matching(" ".join(question.words)).values("pk"))


def _rank(exact: Q, begun: Q) -> Case:
    """0 for the number that was typed, 1 where every word begins a word, 2 for the rest."""
    return Case(When(exact, then=0), When(begun or exact, then=1), default=2, output_field=IntegerField())


def _begins(text: str, word: str) -> Q:
    """Whether a word begins one of those in a text."""
    return Q(**{f"{text}__startswith": word}) | Q(**{f"{text}__contains": f" {word}"})


def _all(conditions: Iterable[Q]) -> Q:
    return reduce(and_, conditions, Q())


def _places(question: Question, user: User) -> list[Place]:
    """The pages a user may open in whose name every word begins a word; all of them when nothing is asked."""
    words = normalised(question.text).split()
    return [
        place
        for place in PLACES
        if place.may(user) and all(f" {word}" in f" {normalised(str(place.label))}" for word in words)
    ]


def _add_similar(answer: Answer, opportunities: Found, contacts: Found, user: User, most: int) -> None:
    """Put those with similar words after the few that have the very words."""
    words = answer.question.words
    with similarity.comparing():
        near_opportunities = similarity.opportunities(Opportunity.objects.visible_to(user), words, most)
        near_contacts = similarity.contacts(Contact.objects.visible_to(user), words, most)
    before = answer.count
    for found, rows in ((opportunities, near_opportunities), (contacts, near_contacts)):
        found.rows += [row for row in rows if row not in found.rows]
        del found.rows[most:]
    answer.is_similar = answer.count > before


def _cut(found: Found, most: int) -> bool:
    """Leave at most so many; whether there were more."""
    more = len(found.rows) > most
    del found.rows[most:]
    return more
