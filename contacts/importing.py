"""Companies and persons from a file, and contacts by name for other imports.

Without a mapping the columns are called as the fields are, in code (``job_title``) or in words (``Job title``).
Companies are imported before persons, so that a person's company is there with all that the file says of it. A
contact that is there already (by its external id, else by kind, name and company) is left alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from babel import Locale
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, models
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_countries import countries

from contacts.models import Contact, ContactKind, IndustryGroup, all_languages
from crm.imports import Fate, Result, counted, kept_or_not, lock_numbers
from crm.mapping import (
    FieldSource,
    FileStyle,
    MappingError,
    RowRefused,
    Section,
    Translations,
    clean,
    field_source,
    read_mapping,
    shortened,
)
from crm.tables import LARGEST_FILE, Row, Table
from salespeople.importing import SalespersonBook, code_from, recorder, saved
from salespeople.models import User

REFUSE, CREATE, IGNORE = "refuse", "create", "ignore"
TEXT_FIELDS = (
    "external_id",
    "name",
    "first_name",
    "last_name",
    "job_title",
    "email",
    "phone",
    "mobile",
    "website",
    "address",
    "address_2",
    "postcode",
    "city",
    "region",
    "vat_number",
)
FIELDS = ("kind", *TEXT_FIELDS, "company", "salesperson", "country", "language", "industry_groups")
GROUP_CODE_LENGTH = 10
ATTEMPTS = 3
MERGED_READ = 20  # contacts of one name that were merged


# Contacts by name ------------------------------------------------------------------------------------------------


class ContactBook:
    """Contacts by name, found or made.

    What a row made is remembered for the next ones only when the row was ``kept``. A dry run takes everything back,
    so it remembers what would be there by now, and makes it anew for each row that needs it.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._known: dict[tuple[str, str, int | None], Contact] = {}
        self._new: list[Contact] = []
        self._promised: Counter[tuple[str, str, str]] = Counter()
        self.made: Counter[str] = Counter()  # by kind

    def company(self, name: str, *, make: bool) -> Contact | None:
        """The company of that name; made if it is missing and may be. Raises ``RowRefused``."""
        return self._find(ContactKind.COMPANY, name, None, make=make)

    def person(self, name: str, company: Contact | None, *, make: bool) -> Contact | None:
        """The person of that name in a company, or in none; made if missing and allowed. Raises ``RowRefused``."""
        return self._find(ContactKind.PERSON, name, company, make=make)

    def _find(self, kind: str, name: str, company: Contact | None, *, make: bool) -> Contact | None:
        key = (kind, name, company.pk if company else None)
        if key in self._known:
            return self._known[key]
        promised = self._promised[kind, name, company.name if company else ""]
        found = matching(kind, name, company)
        if not found and promised == 1:
            made = new_contact(kind=kind, name=name, company=company)
            made.save()  # a stand-in for the one that was checked and taken back
            self._new.append(made)
            return made
        if not found and not promised and make:
            lock_numbers("C")  # nobody else can add the same one from here on
            found = matching(kind, name, company)
            if not found:
                found = [saved(new_contact(kind=kind, name=name, company=company))]
                self._new += found
                return found[0]
        if len(found) + promised > 1:
            raise RowRefused(_("More than one contact is called “%(name)s”.") % {"name": shortened(name)})
        if found:
            self._known[key] = found[0]
        return found[0] if found else None

    def kept(self, own: Contact | None = None) -> None:
        """The row was kept, with what it made on the way and, as the case may be, its ``own`` new contact."""
        for contact in self._new:
            if not self._promised[_promise(contact)]:
                self._count(contact)
            if not self._dry_run:
                self._known[contact.kind, contact.name, contact.company_id] = contact
        if own is not None:
            self._count(own)
        self._new = []

    def _count(self, contact: Contact) -> None:
        self.made[contact.kind] += 1
        if self._dry_run:
            self._promised[_promise(contact)] += 1

    def dropped(self, *, forget: bool = False) -> None:
        """The row was not kept; ``forget`` to look everything up anew."""
        self._new = []
        if forget:
            self._known = {}

    def summary(self) -> Iterator[str]:
        """How many were made, in words."""
        if companies := self.made[ContactKind.COMPANY]:
            yield ngettext("%(n)s company", "%(n)s companies", companies) % {"n": counted(companies)}
        if persons := self.made[ContactKind.PERSON]:
            yield ngettext("%(n)s person", "%(n)s persons", persons) % {"n": counted(persons)}


def _promise(contact: Contact) -> tuple[str, str, str]:
    return contact.kind, contact.name, contact.company.name if contact.company else ""


def matching(kind: str, name: str, company: Contact | None) -> list[Contact]:
    """The contacts of exactly that kind, name and company, two at most; for a merged one the one that carries on."""
    found = Contact.objects.filter(kind=kind, name=name, company=company).select_related("company")
    standing = list(found.standing().order_by("pk")[:2])
    if standing:
        return standing
    merged = found.filter(merged_into__isnull=False).order_by("pk")[:MERGED_READ]
    return list(dict.fromkeys(Contact.objects.carrying_on(contact.pk) for contact in merged))[:2]


def new_contact(*, kind: str, name: str, company: Contact | None) -> Contact:
    """A contact that is not stored yet, with all of its names."""
    contact = Contact(kind=kind, name=name, company=company)
    complete_names(contact)
    return contact


def complete_names(contact: Contact) -> None:
    """A person's name from its parts, or the parts from the name, whose last word is the last name."""
    if contact.kind != ContactKind.PERSON:
        return
    if not contact.name:
        contact.name = clean(f"{contact.first_name} {contact.last_name}")
    elif not contact.first_name and not contact.last_name:
        first, _space, last = contact.name.rpartition(" ")
        if max(len(first), len(last)) <= 50:
            contact.first_name, contact.last_name = first, last


# What the columns mean -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContactPlan:
    """Where every field of a contact comes from."""

    style: FileStyle
    translations: Translations
    sources: dict[str, FieldSource]
    prefix: str = ""
    unknown_company: str = CREATE
    unknown_salesperson: str = REFUSE
    unknown_group: str = REFUSE
    unused: list[str] = field(default_factory=list)


def plan_from_mapping(path: Path, file: Path, largest: int) -> tuple[ContactPlan, Table]:
    """What a mapping says, and the file it was checked against. Raises ``MappingError`` or ``TableError``."""
    mapping = read_mapping(path)
    style = FileStyle.from_section(mapping.section("file"))
    table = style.open(file, largest)
    sources, unknown, prefix = {}, {}, ""
    for name in FIELDS:
        section = mapping.section(name)
        sources[name] = field_source(section, table.columns, file.parent)
        if name == "external_id":
            prefix = section.text("prefix")
        if name in ("company", "industry_groups"):
            unknown[name] = section.text("when_unknown", choices=[REFUSE, CREATE])
        if name == "salesperson":
            unknown[name] = section.text("when_unknown", choices=[REFUSE, IGNORE])
        section.done()
    translations = Translations(mapping.section("translate"), table.columns)
    mapping.done()
    if not (sources["name"].is_mapped or sources["last_name"].is_mapped or sources["first_name"].is_mapped):
        raise MappingError(_("name: The mapping does not say where the name comes from."))
    plan = ContactPlan(
        style=style,
        translations=translations,
        sources=sources,
        prefix=prefix,
        unknown_company=unknown["company"] or CREATE,
        unknown_salesperson=unknown["salesperson"] or REFUSE,
        unknown_group=unknown["industry_groups"] or REFUSE,
    )
    return plan, table


def plan_from_header(file: Path, largest: int = LARGEST_FILE) -> tuple[ContactPlan, Table]:
    """The plan for a file whose columns are called as the fields are. Raises ``MappingError`` or ``TableError``."""
    style = FileStyle()
    table = style.open(file, largest)
    named = {column.casefold(): column for column in table.columns}
    sources, used = {}, set()
    for name in FIELDS:
        label = str(getattr(Contact._meta.get_field(name), "verbose_name", "")).casefold()
        column = named.get(name) or named.get(name.replace("_", " ")) or named.get(label) or ""
        sources[name] = FieldSource(name=name, column=column)
        used.add(column)
    if not (sources["name"].column or sources["last_name"].column or sources["first_name"].column):
        raise MappingError(
            _("%(file)s has no column “name”. Its columns: %(columns)s. Name them in a mapping (--mapping).")
            % {"file": file.name, "columns": ", ".join(table.columns)}
        )
    unused = [column for column in table.columns if column not in used]
    plan = ContactPlan(style, Translations(Section({}), []), sources, unused=unused)
    return plan, table


# The import ------------------------------------------------------------------------------------------------------


class ContactImporter:
    """Imports contacts row by row, each in a transaction of its own."""

    def __init__(self, table: Table, plan: ContactPlan, *, by: str = "", dry_run: bool = False) -> None:
        recorder(by)  # refuses an unknown address before anything is written
        self.columns = table.columns
        self._table = table
        self._plan = plan
        self._by = by
        self._dry_run = dry_run
        self._book = ContactBook(dry_run=dry_run)
        self._salespeople = SalespersonBook()
        self._seen: dict[tuple[str, ...], int] = {}
        self._claimed: set[int] = set()
        self._taken_back: defaultdict[tuple[str, str], list[TakenBack]] = defaultdict(
            list
        )  # by kind and name

    def __len__(self) -> int:
        return len(self._table)

    def run(self) -> Iterator[Result]:
        """Import companies, then persons, telling what became of each row."""
        for kind in (ContactKind.COMPANY, ContactKind.PERSON):
            for row in self._table:
                cells = self._plan.translations.cells(row)
                its_kind = ContactKind.COMPANY.value  # of a row that does not say it
                try:
                    its_kind = self._kind(cells)
                    if row.problem:
                        raise RowRefused(row.problem)
                    fate, reason = (self._import(row, cells, kind) if its_kind == kind else None), ""
                except RowRefused as refusal:
                    fate, reason = Fate.REJECTED, str(refusal)
                if its_kind == kind and fate is not None:
                    yield Result(row, fate, reason)

    def summary(self) -> Iterable[str]:
        """What was made, and which columns nobody read."""
        if made := ", ".join(self._book.summary()):
            yield _("New: %(what)s.") % {"what": made}
        if self._plan.unused:
            yield _("Columns not used: %(names)s.") % {"names": ", ".join(self._plan.unused)}

    def _text(self, name: str, cells: dict[str, str]) -> str:
        return self._plan.sources[name].text(cells)

    def _kind(self, cells: dict[str, str]) -> str:
        """Company or person; without a word on it, somebody with a first or last name or a company is a person."""
        if kind := self._plan.sources["kind"].choice(cells, ContactKind.values):
            return kind
        is_person = any(self._text(name, cells) for name in ("first_name", "last_name", "company"))
        return ContactKind.PERSON if is_person else ContactKind.COMPANY

    def _contact(self, cells: dict[str, str], kind: str) -> Contact:
        """What the row says of the contact itself."""
        texts = {name: self._text(name, cells) for name in TEXT_FIELDS}
        contact = Contact(kind=kind, **texts)
        complete_names(contact)
        if contact.external_id:
            contact.external_id = self._plan.prefix + contact.external_id
        if contact.website and "://" not in contact.website:
            contact.website = f"https://{contact.website}"
        contact.country = country_of(self._text("country", cells))
        contact.language = language_of(self._text("language", cells))
        return contact

    def _import(self, row: Row, cells: dict[str, str], kind: str) -> Fate:
        company = self._text("company", cells)
        contact = self._contact(cells, kind)
        self._refuse_twice(row, contact, company)
        if self._is_there(contact, company):
            return Fate.THERE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with kept_or_not(dry_run=self._dry_run):
                    lock_numbers("C")  # another import may add the same one at this moment
                    contact = self._contact(cells, kind)
                    if self._is_there(contact, company):
                        return Fate.THERE
                    self._add(row, contact, company, cells)
                self._book.kept(own=contact)
                if self._dry_run:
                    self._taken_back[contact.kind, contact.name].append(TakenBack(contact))
                return Fate.NEW
            except (IntegrityError, ObjectDoesNotExist) as error:  # somebody changed what was looked up
                self._book.dropped(forget=True)
                self._salespeople.dropped(forget=True)
                if attempt == ATTEMPTS:
                    raise RowRefused(str(error)) from error
            except RowRefused:
                self._book.dropped()
                raise
        raise AssertionError("the last attempt returns or raises")

    def _refuse_twice(self, row: Row, contact: Contact, company: str) -> None:
        """Refuse a contact that an earlier row of the file named, whatever became of that row."""
        key = (contact.external_id,) if contact.external_id else (contact.kind, contact.name, company)
        line = self._seen.setdefault(key, row.line)
        if line != row.line:
            raise RowRefused(_("The same contact is on line %(line)d already.") % {"line": line})

    def _is_there(self, contact: Contact, company: str) -> bool:
        """Whether the contact is in the address book: by its external id, else by kind, name and company."""
        found = Contact.objects.filter(kind=contact.kind, name=contact.name)
        found = found.filter(_in_company_named(company)) if company else found.filter(company=None)
        if contact.external_id:
            if Contact.objects.filter(external_id=contact.external_id).exists():
                return True
            found = found.filter(external_id="").exclude(pk__in=self._claimed)
        there = found.order_by("pk").first()
        if there is None:
            return self._would_be_there(contact, company)
        if contact.external_id:
            self._claimed.add(there.pk)  # the next one of the same name with another id is somebody else
        return True

    def _would_be_there(self, contact: Contact, company: str) -> bool:
        """Whether an earlier row of a dry run added the contact, by the same rules as for what is there."""
        for earlier in self._taken_back[contact.kind, contact.name]:
            if earlier.is_in(company) and not (contact.external_id and earlier.is_claimed):
                earlier.is_claimed |= bool(contact.external_id)
                return True
        return False

    def _add(self, row: Row, contact: Contact, company: str, cells: dict[str, str]) -> None:
        if company:
            contact.company = self._book.company(company, make=self._plan.unknown_company == CREATE)
            if contact.company is None:
                raise RowRefused(_("There is no company “%(name)s”.") % {"name": shortened(company)})
        if salesperson := self._text("salesperson", cells):
            contact.salesperson = self._salespeople.find(salesperson)
            if contact.salesperson is None and self._plan.unknown_salesperson == REFUSE:
                raise RowRefused(_("There is no salesperson “%(name)s”.") % {"name": shortened(salesperson)})
        saved(contact)
        groups = self._text("industry_groups", cells)
        contact.industry_groups.set([self._group(name) for name in map(clean, groups.split(";")) if name])
        LogEntry.objects.create(
            user=recorder(self._by) or User.objects.for_commands(),
            content_type=ContentType.objects.get_for_model(Contact),
            object_id=str(contact.pk),
            object_repr=str(contact)[:200],
            action_flag=ADDITION,
            change_message=_("Imported from %(file)s, line %(line)d.")
            % {"file": self._table.path.name, "line": row.line},
        )

    def _group(self, name: str) -> IndustryGroup:
        """The industry group of that description or code."""
        by_name = models.Q(description__iexact=name) | models.Q(code=name.upper())
        group = IndustryGroup.objects.filter(by_name).order_by("pk").first()
        if group is None and self._plan.unknown_group == CREATE:
            code = code_from(
                name, GROUP_CODE_LENGTH, lambda code: IndustryGroup.objects.filter(code=code).exists()
            )
            group = saved(IndustryGroup(code=code, description=name))
        if group is None:
            raise RowRefused(_("There is no industry group “%(name)s”.") % {"name": shortened(name)})
        return group


class TakenBack:
    """A contact that a dry run added and took back, which later rows may mean."""

    def __init__(self, contact: Contact) -> None:
        self._company = contact.company
        self.is_claimed = bool(contact.external_id)  # the next one with another id is somebody else

    def is_in(self, company: str) -> bool:
        """Whether it is in a company of that name, or in the one that carries on for it; without a name in none."""
        if self._company is None or not company:
            return self._company is None and not company
        return self._company.name == company or self._company.pk in _carrying_on_for(company)


def _in_company_named(name: str) -> models.Q:
    """In a company of that name, or in the one that carries on for it."""
    return models.Q(company__name=name) | models.Q(company__in=_carrying_on_for(name))


def _carrying_on_for(name: str) -> set[int]:
    """The keys of the companies that carry on for merged ones of that name."""
    merged = Contact.objects.companies().filter(name=name, merged_into__isnull=False).order_by("pk")
    return {Contact.objects.carrying_on(pk).pk for pk in merged.values_list("pk", flat=True)[:MERGED_READ]}


def country_of(text: str) -> str:
    """The two letters of a country, given by them, by three, or by its English name. Raises ``RowRefused``."""
    code = (
        countries.alpha2(text)
        or countries.by_name(text, insensitive=True)
        or _everyday_names().get(text.casefold())
    )
    if text and not code:
        raise RowRefused(
            _("“%(text)s” is not a country. Write its English name or two letters, such as BE.")
            % {"text": shortened(text)}
        )
    return str(code or "")


@cache
def _everyday_names() -> dict[str, str]:
    """What people call countries in English: United States, South Korea."""
    names = Locale("en").territories.items()
    return {name.casefold(): code for code, name in names if code in countries.countries}


def language_of(text: str) -> str:
    """The code of a language, given by it or by its English name. Raises ``RowRefused``."""
    for code, name in all_languages():
        if text and text.casefold() in (code, name.casefold()):
            return code
    if text:
        raise RowRefused(
            _("“%(text)s” is not a language. Write its English name or its code, such as nl.")
            % {"text": shortened(text)}
        )
    return ""
