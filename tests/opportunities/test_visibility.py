"""Which opportunities and contacts somebody sees and works on, by role, team and the visibility setting."""

from types import SimpleNamespace

import pytest

from contacts.models import Contact
from opportunities import operations
from opportunities.models import Opportunity
from salespeople.models import Role, User
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    cycle_with_stages,
    lost_opportunity,
    won_opportunity,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm():
    """Anna and Bert in North, which Nora leads without being in it; Carl in South; Dora in no team."""
    north, south = TeamFactory(), TeamFactory()
    people = {}
    for name, role, team in (
        ("anna", Role.SALESPERSON, north),
        ("bert", Role.SALESPERSON, north),
        ("carl", Role.SALESPERSON, south),
        ("dora", Role.SALESPERSON, None),
        ("nora", Role.SALES_MANAGER, None),
    ):
        people[name] = SalespersonFactory(name=name, team=team, user=UserFactory(name=name, role=role))
    north.manager = people["nora"]
    north.save()
    UserFactory(name="vera", role=Role.VIEWER)
    UserFactory(name="stranger")
    UserFactory(name="root", is_superuser=True)
    cycle, company = cycle_with_stages("Qualify"), CompanyFactory()
    for name, person in people.items():
        OpportunityFactory(description=f"{name} new", salesperson=person, cycle=cycle, contact=company)
        won_opportunity(description=f"{name} won", salesperson=person, cycle=cycle, contact=company)
        lost_opportunity(description=f"{name} lost", salesperson=person, cycle=cycle, contact=company)
        OpportunityFactory(
            description=f"{name} open", salesperson=person, cycle=cycle, contact=company, started=True
        )
    return SimpleNamespace(**people, company=company)


def owners(queryset):
    """Whose they are; each of them has four."""
    names = list(queryset.values_list("salesperson__name", flat=True))
    assert all(names.count(name) == 4 for name in names)
    return " ".join(sorted(set(names)))


ALL = "anna bert carl dora nora"
WORK = {
    "anna": "anna",
    "bert": "bert",
    "carl": "carl",
    "dora": "dora",
    "nora": "anna bert dora nora",
    "vera": "",
    "stranger": "",
    "root": ALL,
}
SEE = {
    "own": {**WORK, "vera": ALL},
    "team": {**WORK, "anna": "anna bert", "bert": "anna bert", "vera": ALL},
    "all": {**dict.fromkeys(WORK, ALL), "stranger": ""},
}


@pytest.mark.parametrize("setting", SEE)
def test_opportunities_somebody_sees_and_works_on(firm, settings, setting):
    settings.VISIBILITY = setting
    for user in User.objects.filter(name__in=WORK):
        seen, workable = Opportunity.objects.visible_to(user), Opportunity.objects.workable_by(user)

        assert owners(seen) == SEE[setting][user.name], user
        assert owners(workable) == WORK[user.name], user
        assert set(workable.values_list("pk", flat=True)) <= set(seen.values_list("pk", flat=True))


def test_somebody_who_was_shut_out_sees_and_does_nothing(firm, settings):
    for name in ("anna", "nora", "vera", "root"):
        user = User.objects.get(name=name)
        user.is_active = False
        for settings.VISIBILITY in SEE:
            assert owners(Opportunity.objects.visible_to(user)) == ""
            assert list(Contact.objects.visible_to(user)) == []
            assert owners(Opportunity.objects.workable_by(user)) == ""


def test_reassigned_opportunity_changes_hands_at_once(firm, settings):
    settings.VISIBILITY = "own"
    opportunity = Opportunity.objects.get(description="anna open")
    anna, carl = (User.objects.get(name=name) for name in ("anna", "carl"))

    operations.reassign(opportunity=opportunity, salesperson=firm.carl, by=anna, on=opportunity.changed_on)

    assert not Opportunity.objects.visible_to(anna).filter(pk=opportunity.pk).exists()
    assert Opportunity.objects.visible_to(carl).filter(pk=opportunity.pk).exists()
    assert Opportunity.objects.workable_by(carl).filter(pk=opportunity.pk).exists()


@pytest.mark.parametrize("name", ["anna", "nora", "root"])
@pytest.mark.parametrize("setting", SEE)
def test_what_one_sees_is_asked_in_one_question(firm, settings, setting, name, django_assert_num_queries):
    settings.VISIBILITY = setting
    user = User.objects.get(name=name)
    assert user.role_names is not None  # read once per request

    with django_assert_num_queries(1):
        rows = list(Opportunity.objects.visible_to(user).with_names().order_by("pk"))
        names = [(row.contact.name, row.salesperson.name, row.cycle.code, str(row.company)) for row in rows]

    assert len(names) == 4 * len(SEE[setting][name].split())


@pytest.mark.parametrize("setting", SEE)
def test_sets_narrow_what_is_seen(firm, settings, setting):
    settings.VISIBILITY = setting
    for user in User.objects.filter(name__in=WORK):
        seen = Opportunity.objects.visible_to(user)
        names = SEE[setting][user.name].split()

        assert (seen.open().count(), seen.closed().count()) == (2 * len(names), 2 * len(names))
        assert seen.of_contact(firm.company).count() == 4 * len(names)
        assert seen.of_salesperson(firm.anna).count() == (4 if "anna" in names else 0)


def test_company_has_the_opportunities_of_its_people(firm):
    company = CompanyFactory()
    people = [PersonFactory(company=company), PersonFactory(company=company)]
    made = [OpportunityFactory(contact=contact) for contact in (company, *people)]
    OpportunityFactory(contact=PersonFactory())

    assert set(Opportunity.objects.of_contact(company)) == set(made)
    assert list(Opportunity.objects.of_contact(people[0])) == [made[1]]


# Contacts --------------------------------------------------------------------------------------------------------

CONTACTS = {
    # contact: whose it is, and whose its company is
    "anna's": ("anna", None),
    "carl's": ("carl", None),
    "nobody's": (None, None),
    "anna's at carl's": ("anna", "carl"),
    "carl's at anna's": ("carl", "anna"),
    "nobody's at carl's": (None, "carl"),
}
CONTACTS_SEEN_BY_ANNA = {
    "own": ["anna's", "anna's at carl's", "carl's at anna's", "nobody's", "nobody's at carl's"],
    "all": list(CONTACTS),
}


@pytest.mark.parametrize("setting", CONTACTS_SEEN_BY_ANNA)
def test_contacts_somebody_sees(firm, settings, setting):
    settings.VISIBILITY = setting
    for name, (owner, company_owner) in CONTACTS.items():
        company = CompanyFactory(salesperson=getattr(firm, company_owner)) if company_owner else None
        PersonFactory(name=name, salesperson=getattr(firm, owner) if owner else None, company=company)

    seen = Contact.objects.persons().visible_to(User.objects.get(name="anna"))

    assert sorted(seen.values_list("name", flat=True)) == sorted(CONTACTS_SEEN_BY_ANNA[setting])


@pytest.mark.parametrize(("name", "expected"), [("stranger", 0), ("vera", 2), ("root", 2), ("nora", 1)])
def test_contacts_by_role(firm, settings, name, expected):
    settings.VISIBILITY = "own"
    Contact.objects.exclude(pk=firm.company.pk).update(salesperson=firm.carl)
    PersonFactory(salesperson=firm.carl)

    assert Contact.objects.visible_to(User.objects.get(name=name)).count() == expected


def test_usable_contacts_are_not_blocked_nor_is_their_company():
    free, blocked = CompanyFactory(), CompanyFactory(is_privacy_blocked=True)
    person, lone = PersonFactory(company=free), PersonFactory()
    PersonFactory(company=blocked)
    PersonFactory(is_privacy_blocked=True)

    assert set(Contact.objects.usable()) == {free, person, lone}
