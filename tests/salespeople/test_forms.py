import pytest

from salespeople.forms import SalespersonFilterForm, SalespersonForm, TeamForm, time_zone_choices
from salespeople.models import Salesperson
from tests.factories import SalespersonFactory, TeamFactory, UserFactory


def test_time_zone_choices_are_grouped_and_readable():
    groups = dict(time_zone_choices("Europe/Brussels"))

    assert ("Europe/Brussels", "Brussels") in groups["Europe"]
    assert ("America/Argentina/Buenos_Aires", "Argentina, Buenos Aires") in groups["America"]
    assert groups["Other"] == [("UTC", "UTC")]


@pytest.mark.django_db
def test_salesperson_form_offers_only_free_sign_ins():
    free = UserFactory()
    UserFactory(is_active=False)
    SalespersonFactory(user=UserFactory())

    form = SalespersonForm(by=UserFactory(is_active=False))

    assert list(form.fields["user"].queryset) == [free]


@pytest.mark.django_db
def test_team_form_offers_managers_who_are_not_blocked():
    boss = SalespersonFactory()
    SalespersonFactory(is_blocked=True)

    assert list(TeamForm().fields["manager"].queryset) == [boss]


@pytest.mark.django_db
def test_filter_form_knows_whether_it_narrows():
    team = TeamFactory()
    empty = SalespersonFilterForm({})
    narrowed = SalespersonFilterForm({"team": str(team.pk)})

    assert list(empty.filter(Salesperson.objects.all())) == []
    assert list(narrowed.filter(Salesperson.objects.all())) == []
    assert (empty.is_narrowed, narrowed.is_narrowed) == (False, True)
