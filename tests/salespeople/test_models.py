"""Who may do and see what, by role, team and visibility setting; sign-ins by e-mail address."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from salespeople.models import Role, Salesperson, User, group_of
from tests.factories import SalespersonFactory, TeamFactory, UserFactory, user_with_role

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm():
    """Two teams and two people without a team.

    North: its manager Nora, who sells too, and Ned. South: Sam, and Sue, who is a manager in the team but does not
    lead it. Alone: Al. Oda sells nothing of her own, and manages South from outside.
    """
    north, south = TeamFactory(code="NORTH"), TeamFactory(code="SOUTH")
    people = {}
    for name, role, team in (
        ("nora", Role.SALES_MANAGER, north),
        ("ned", Role.SALESPERSON, north),
        ("sam", Role.SALESPERSON, south),
        ("sue", Role.SALES_MANAGER, south),
        ("al", Role.SALESPERSON, None),
        ("oda", Role.SALES_MANAGER, None),
    ):
        user = UserFactory(name=name, role=role)
        people[name] = SalespersonFactory(code=name, name=name, user=user, team=team)
    north.manager, south.manager = people["nora"], people["oda"]
    north.save()
    south.save()
    SalespersonFactory(code="ghost", name="ghost")  # nobody signs in as this one, and it has no team
    UserFactory(name="vera", role=Role.VIEWER)
    UserFactory(name="mia", role=Role.SALES_MANAGER)  # a manager who is no salesperson
    UserFactory(name="nobody")
    UserFactory(name="root", is_superuser=True)
    return SimpleNamespace(north=north, south=south, **people)


def user(name):
    return User.objects.get(name=name)


def names(queryset):
    return " ".join(sorted(queryset.values_list("name", flat=True)))


EVERYBODY = "al ghost ned nora oda sam sue"
WORK = {
    "nora": "al ghost ned nora oda",  # her team, and everybody without one
    "ned": "ned",
    "sam": "sam",
    "sue": "al ghost oda sam sue",  # the team she is in
    "al": "al",
    "oda": "al ghost oda sam sue",  # the team she manages
    "vera": "",
    "mia": "al ghost oda",
    "nobody": "",
    "root": EVERYBODY,
}
SEE = {
    "own": {**WORK, "vera": EVERYBODY},
    "team": {**WORK, "ned": "ned nora", "sam": "sam sue", "vera": EVERYBODY},
    "all": {**dict.fromkeys(WORK, EVERYBODY), "nobody": ""},
    "nonsense": {**WORK, "vera": EVERYBODY},  # a mistyped setting shows less, not more
}


@pytest.mark.parametrize("name", WORK)
def test_in_whose_name_somebody_may_work(firm, settings, name):
    for setting in SEE:  # what one sees is not what one may do
        settings.VISIBILITY = setting
        assert names(Salesperson.objects.worked_by(user(name))) == WORK[name]


@pytest.mark.parametrize("setting", SEE)
@pytest.mark.parametrize("name", WORK)
def test_whose_work_somebody_sees(firm, settings, setting, name):
    settings.VISIBILITY = setting

    seen = Salesperson.objects.seen_by(user(name))

    assert names(seen) == SEE[setting][name]
    assert seen.count() == len(set(seen.values_list("pk", flat=True)))  # nobody twice


@pytest.mark.parametrize("name", WORK)
def test_names_are_no_secret_to_anybody_with_a_role(firm, settings, name):
    settings.VISIBILITY = "own"

    expected = "" if name == "nobody" else EVERYBODY
    assert names(Salesperson.objects.visible_to(user(name))) == expected


def test_assignable_are_those_not_blocked(firm):
    Salesperson.objects.filter(name="ned").update(is_blocked=True)

    assert names(Salesperson.objects.assignable()) == EVERYBODY.replace("ned ", "")


@pytest.mark.parametrize(
    ("role", "manages", "sells", "reads"),
    [
        (Role.SALES_MANAGER, True, True, True),
        (Role.SALESPERSON, False, True, True),
        (Role.VIEWER, False, False, True),
        (None, False, False, False),
    ],
)
def test_what_a_role_allows(role, manages, sells, reads):
    someone = user_with_role(role)

    assert (someone.is_manager(), someone.may_sell(), someone.may_read()) == (manages, sells, reads)
    gone = User.objects.get(pk=someone.pk)
    gone.is_active = False
    assert (gone.is_manager(), gone.may_sell(), gone.may_read(), gone.sees_everything()) == (False,) * 4


def test_superuser_may_all():
    root = UserFactory(is_superuser=True)

    assert root.is_manager()
    assert root.may_sell()
    assert root.sees_everything()


def test_viewer_who_also_sells_works_on_their_own_and_sees_everything(settings):
    settings.VISIBILITY = "own"
    someone = user_with_role(Role.SALESPERSON)
    someone.groups.add(group_of(Role.VIEWER))
    SalespersonFactory()

    assert list(Salesperson.objects.worked_by(someone)) == [someone.salesperson]
    assert Salesperson.objects.seen_by(someone).count() == 2


def test_roles_are_read_once_per_request(django_assert_num_queries):
    someone = User.objects.get(pk=user_with_role(Role.SALESPERSON).pk)

    with django_assert_num_queries(1):
        assert someone.may_sell()
        assert someone.may_read()
        assert not someone.is_manager()
    with django_assert_num_queries(1):
        assert someone.own_salesperson.user_id == someone.pk
        assert someone.own_salesperson.team is None


def test_every_role_has_its_group_from_the_start():
    assert set(Group.objects.values_list("name", flat=True)) >= set(Role.values)
    assert group_of(Role.VIEWER) == Group.objects.get(name="Viewer")


# Sign-ins --------------------------------------------------------------------------------------------------------


def test_email_is_kept_in_lower_case_and_found_in_any():
    someone = User.objects.create_user(" Ann@Example.COM ", "secret-words")

    assert someone.email == "ann@example.com"
    assert User.objects.get_by_natural_key("ANN@example.com ") == someone
    assert someone.check_password("secret-words")
    assert not someone.is_staff
    typed = User(email=" Bert@Example.com ")
    typed.clean()
    assert typed.email == "bert@example.com"


def test_email_is_unique_whatever_its_case():
    UserFactory(email="ann@example.com")

    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(email="Ann@Example.com")
    with pytest.raises(ValidationError) as refused:
        User(email="ANN@example.com", password="x").full_clean()
    assert "Somebody signs in with this e-mail address already." in str(refused.value)


def test_user_without_a_password_cannot_sign_in():
    assert not User.objects.create_user("ann@example.com").has_usable_password()


@pytest.mark.parametrize("email", ["", None])
def test_user_needs_an_email(email):
    with pytest.raises(ValueError, match="needs an e-mail address"):
        User.objects.create_user(email)


def test_superuser_runs_the_site():
    root = User.objects.create_superuser("root@example.com", "secret-words", is_staff=False)

    assert (root.is_superuser, root.is_staff) == (True, True)


def test_commands_work_in_a_closed_name():
    operator = User.objects.for_commands()

    assert operator == User.objects.for_commands()
    assert not operator.is_active
    assert not operator.has_usable_password()
    assert not operator.check_password("")
    assert not operator.check_password("!")


def test_user_is_called_by_name_or_email():
    assert str(UserFactory(name="Ann", email="ann@example.com")) == "Ann"
    nameless = UserFactory(name="", email="bert@example.com")
    assert (str(nameless), nameless.get_full_name(), nameless.get_short_name()) == ("bert@example.com",) * 3


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "europe/brussels\x00", "UTC "])
def test_time_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValidationError) as refused:
        UserFactory.build(time_zone=zone, password="x").full_clean()

    assert "time_zone" in refused.value.message_dict


def test_new_user_has_the_zone_and_language_of_the_site(settings):
    settings.TIME_ZONE, settings.LANGUAGE_CODE = "Asia/Tokyo", "en-us"

    someone = User()

    assert (someone.time_zone, someone.language, someone.theme) == ("Asia/Tokyo", "en-us", "AUTO")


def test_salesperson_and_team_are_called_by_name(firm):
    assert (str(firm.ned), str(firm.north)) == ("ned", firm.north.name)
