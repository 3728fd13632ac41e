"""Pages of salespeople and teams, signing in, and preferences."""

import pytest
from django.urls import reverse

from salespeople.models import Role, Salesperson, Team, Theme
from tests.factories import (
    CompanyFactory,
    OpportunityFactory,
    SalespersonFactory,
    TeamFactory,
    UserFactory,
    user_with_role,
)
from tests.seen import post_seen

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough sentence"
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "dialog"}


@pytest.fixture
def manager(client):
    user = user_with_role(Role.SALES_MANAGER, name="Mia Manager")
    client.force_login(user)
    return user


@pytest.fixture
def viewer(client):
    user = user_with_role(Role.VIEWER)
    client.force_login(user)
    return user


def user_with_password(**fields):
    user = UserFactory(role=Role.VIEWER, **fields)
    user.set_password(PASSWORD)
    user.save()
    return user


# --- for every page -------------------------------------------------------------------------------------------

GET_PAGES = ["list", "team-list"]
CHANGES = ["new", "edit", "delete", "team-new", "team-edit", "team-delete"]


def url_of(name):
    match name:
        case "list" | "new" | "team-list" | "team-new" | "preferences" | "theme":
            return reverse(f"salespeople:{name}")
        case "detail" | "edit" | "delete":
            return reverse(f"salespeople:{name}", args=[SalespersonFactory().pk])
        case _:
            return reverse(f"salespeople:{name}", args=[TeamFactory().pk])


@pytest.mark.parametrize("name", [*GET_PAGES, *CHANGES, "detail", "preferences", "theme"])
def test_page_sends_strangers_to_sign_in(client, name):
    url = url_of(name)

    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('sign-in')}?next={url}"


@pytest.mark.parametrize("name", [*GET_PAGES, "detail"])
def test_page_that_only_shows_refuses_post(client, manager, name):
    assert client.post(url_of(name)).status_code == 405


@pytest.mark.parametrize("name", [*CHANGES, "preferences"])
def test_form_refuses_put(client, manager, name):
    assert client.put(url_of(name)).status_code == 405


@pytest.mark.parametrize("role", [Role.SALESPERSON, Role.VIEWER])
@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_for_managers(client, name, role):
    client.force_login(user_with_role(role))
    url = url_of(name)

    assert client.get(url).status_code == 403
    assert client.post(url, {"name": "Other", "code": "O"}).status_code == 403
    assert not Salesperson.objects.filter(name="Other").exists()
    assert not Team.objects.filter(name="Other").exists()


@pytest.mark.parametrize("name", ["detail", "edit", "delete", "team-edit", "team-delete"])
@pytest.mark.parametrize("pk", [404_404, 99999999999999999999999999])
def test_page_of_nobody_is_not_found(client, manager, name, pk):
    assert client.get(reverse(f"salespeople:{name}", args=[pk])).status_code == 404


@pytest.mark.parametrize("name", GET_PAGES)
def test_list_tells_somebody_without_a_role_to_ask_for_one(client, name):
    client.force_login(UserFactory())

    response = client.get(url_of(name))

    assert response.status_code == 403
    assert "Ask a sales manager for a role" in response.content.decode()


def test_detail_is_hidden_from_somebody_without_a_role(client):
    client.force_login(UserFactory())

    assert client.get(url_of("detail")).status_code == 404


# --- salespeople ----------------------------------------------------------------------------------------------


def test_list_shows_everybody_to_a_viewer_without_buttons(client, viewer):
    team = TeamFactory(name="North")
    SalespersonFactory(
        name="Ann Peeters",
        code="AP",
        job_title="Account manager",
        email="ann@example.com",
        phone="+3222222222",
        team=team,
        is_blocked=True,
    )

    html = client.get(reverse("salespeople:list")).content.decode()

    for text in [
        "Ann Peeters",
        "AP",
        "Account manager",
        "ann@example.com",
        "+32 2 222 22 22",
        "North",
        "Blocked",
    ]:
        assert text in html
    assert reverse("salespeople:new") not in html


def test_list_offers_managers_a_new_one(client, manager):
    assert reverse("salespeople:new") in client.get(reverse("salespeople:list")).content.decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Ann", "Bob", "Cas"]),
        ("?q=bo", ["Bob"]),
        ("?q=c1", ["Cas"]),
        ("?team={team}", ["Ann"]),
        ("?team=nonsense", ["Ann", "Bob", "Cas"]),
        ("?team=99999999999999999999999", ["Ann", "Bob", "Cas"]),
        ("?q=%00", ["Ann", "Bob", "Cas"]),
        ("?sort=-name", ["Cas", "Bob", "Ann"]),
        ("?sort=code", ["Bob", "Cas", "Ann"]),
        ("?sort=team__name", ["Ann", "Bob", "Cas"]),
        ("?sort=nonsense&after=nonsense", ["Ann", "Bob", "Cas"]),
    ],
)
def test_list_searches_filters_and_sorts(client, viewer, query, names):
    team = TeamFactory()
    SalespersonFactory(name="Ann", code="Z", team=team)
    SalespersonFactory(name="Bob", code="B1")
    SalespersonFactory(name="Cas", code="C1")

    page = client.get(reverse("salespeople:list") + query.format(team=team.pk)).context["page"]

    assert [salesperson.name for salesperson in page.rows] == names


def test_list_goes_on_to_the_next_page(client, viewer):
    for number in range(30):
        SalespersonFactory(name=f"Name {number:02}")

    first = client.get(reverse("salespeople:list")).context["page"]
    second = client.get(reverse("salespeople:list") + first.next_url).context["page"]

    assert [len(first.rows), len(second.rows)] == [25, 5]
    assert second.rows[0].name == "Name 25"
    assert second.next_url is None


@pytest.mark.parametrize("rows", [1, 4])
def test_list_asks_as_many_queries_for_one_as_for_several(client, viewer, rows, django_assert_num_queries):
    for _number in range(rows):
        SalespersonFactory(team=TeamFactory())

    with django_assert_num_queries(5):  # session, user, groups, people, teams of the filter
        client.get(reverse("salespeople:list"))


def test_detail_shows_facts_and_asks_for_the_opportunities(client, viewer):
    boss = SalespersonFactory(name="Bea Boss")
    salesperson = SalespersonFactory(name="Ann Peeters", team=TeamFactory(name="North", manager=boss))

    html = client.get(salesperson.get_absolute_url()).content.decode()

    panel = reverse("opportunities:for-salesperson", args=[salesperson.pk])
    assert f'hx-get="{panel}"' in html
    assert f'href="{panel}"' in html
    assert "Bea Boss" in html
    assert "North" in html
    assert reverse("salespeople:edit", args=[salesperson.pk]) not in html
    assert f"?salesperson={salesperson.pk}" not in html.replace(
        f"/contacts/?salesperson={salesperson.pk}", ""
    )


def test_detail_offers_a_new_opportunity_to_those_who_work_for_the_salesperson(client):
    user = user_with_role(Role.SALESPERSON)
    client.force_login(user)
    colleague = SalespersonFactory()
    new = reverse("opportunities:new")

    own_page = client.get(user.own_salesperson.get_absolute_url()).content.decode()
    other_page = client.get(colleague.get_absolute_url()).content.decode()

    assert f"{new}?salesperson={user.own_salesperson.pk}" in own_page
    assert f"{new}?salesperson={colleague.pk}" not in other_page


def test_detail_offers_nothing_new_for_a_blocked_salesperson(client, manager):
    blocked = SalespersonFactory(is_blocked=True)

    html = client.get(blocked.get_absolute_url()).content.decode()

    assert f"?salesperson={blocked.pk}" not in html.replace(f"/contacts/?salesperson={blocked.pk}", "")
    assert "Blocked" in html


def test_new_adds_a_salesperson(client, manager):
    user = UserFactory()
    team = TeamFactory()

    response = client.post(
        reverse("salespeople:new"),
        {"name": "Ann Peeters", "code": "ap", "team": team.pk, "user": user.pk, "phone": "02 222 22 22"},
    )

    salesperson = Salesperson.objects.get(code="AP")
    assert response["Location"] == salesperson.get_absolute_url()
    assert (salesperson.team, salesperson.user, str(salesperson.phone)) == (team, user, "+32 2 222 22 22")


def test_new_in_a_dialog_answers_with_the_place_to_go(client, manager):
    response = client.post(reverse("salespeople:new"), {"name": "Ann", "code": "AP"}, **HTMX)

    assert response.status_code == 204
    assert Salesperson.objects.get().get_absolute_url() in response["HX-Location"]


def test_new_in_a_dialog_is_only_the_form(client, manager):
    html = client.get(reverse("salespeople:new"), **HTMX).content.decode()

    assert "<html" not in html
    assert "New salesperson" in html


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "Ann", "code": "TAKEN"}, "Another salesperson has this code."),
        ({"name": "Ann", "code": "taken "}, "Another salesperson has this code."),
        ({"name": "", "code": "AP"}, "This field is required."),
        ({"name": "Ann", "code": "AP", "email": "nonsense"}, "Enter a valid email address."),
        ({"name": "Ann", "code": "AP", "phone": "call me"}, "Enter a valid phone number"),
        ({"name": "Ann", "code": "AP", "team": "99999999999999999999999"}, "Select a valid choice."),
        ({"name": "A\0nn", "code": "AP"}, "Null characters are not allowed."),
    ],
)
def test_new_says_what_is_wrong(client, manager, data, message):
    SalespersonFactory(code="TAKEN")

    response = client.post(reverse("salespeople:new"), data)

    assert response.status_code == 422
    assert message in response.content.decode()
    assert Salesperson.objects.count() == 1


def test_edit_changes_a_salesperson_and_keeps_the_sign_in(client, manager):
    user = UserFactory()
    salesperson = SalespersonFactory(name="Ann", user=user)
    url = reverse("salespeople:edit", args=[salesperson.pk])

    offered = client.get(url).context["form"].fields["user"].queryset
    post_seen(client, url, {"name": "Ann Peeters", "code": "AP", "user": user.pk, "is_blocked": "on"})

    salesperson.refresh_from_db()
    assert user in offered
    assert (salesperson.name, salesperson.user, salesperson.is_blocked) == ("Ann Peeters", user, True)


def test_edit_offers_no_sign_in_that_another_salesperson_uses(client, manager):
    other = SalespersonFactory(user=UserFactory())
    url = reverse("salespeople:edit", args=[SalespersonFactory().pk])

    response = post_seen(client, url, {"name": "Ann", "code": "AP", "user": other.user.pk})

    assert response.status_code == 422
    assert other.user not in response.context["form"].fields["user"].queryset


def test_edit_that_is_refused_keeps_the_old_name_in_the_title(client, manager):
    salesperson = SalespersonFactory(name="Ann")

    response = post_seen(
        client, reverse("salespeople:edit", args=[salesperson.pk]), {"name": "Bob", "code": ""}
    )

    assert response.status_code == 422
    assert response.context["title"] == "Edit Ann"
    assert 'value="Bob"' in response.content.decode()


def test_delete_asks_first_and_then_deletes(client, manager):
    salesperson = SalespersonFactory(name="Ann")
    url = reverse("salespeople:delete", args=[salesperson.pk])

    question = client.get(url)
    response = client.post(url)

    assert "Delete Ann?" in question.content.decode()
    assert response["Location"] == reverse("salespeople:list")
    assert not Salesperson.objects.exists()


def test_delete_refuses_what_is_used_and_names_it(client, manager):
    salesperson = SalespersonFactory()
    for _number in range(2):
        OpportunityFactory(salesperson=salesperson)
    CompanyFactory.create_batch(3, salesperson=salesperson)
    url = reverse("salespeople:delete", args=[salesperson.pk])

    question = client.get(url)
    response = client.post(url)

    for answer in (question, response):
        html = answer.content.decode()
        assert "2 opportunities" in html
        assert "3 contacts" in html
        assert "Block them instead" in html
    assert (question.status_code, response.status_code) == (200, 422)
    assert Salesperson.objects.filter(pk=salesperson.pk).exists()


# --- teams ----------------------------------------------------------------------------------------------------


def test_team_list_shows_manager_and_members_to_a_viewer_without_buttons(client, viewer):
    team = TeamFactory(name="North", manager=SalespersonFactory(name="Bea Boss"))
    SalespersonFactory(name="Ann Peeters", team=team)

    html = client.get(reverse("salespeople:team-list")).content.decode()

    for text in ["North", "Bea Boss", "Ann Peeters"]:
        assert text in html
    assert reverse("salespeople:team-edit", args=[team.pk]) not in html
    assert reverse("salespeople:team-new") not in html


def test_team_list_teaches_when_it_is_empty(client, manager):
    html = client.get(reverse("salespeople:team-list")).content.decode()

    assert "No teams yet" in html
    assert reverse("salespeople:team-new") in html


@pytest.mark.parametrize("rows", [1, 3])
def test_team_list_asks_as_many_queries_for_one_as_for_several(
    client, viewer, rows, django_assert_num_queries
):
    for _number in range(rows):
        SalespersonFactory(team=TeamFactory(manager=SalespersonFactory()))

    with django_assert_num_queries(5):  # session, user, groups, teams, members
        client.get(reverse("salespeople:team-list"))


def test_team_new_adds_a_team(client, manager):
    boss = SalespersonFactory()

    response = client.post(
        reverse("salespeople:team-new"), {"name": "North", "code": "n", "manager": boss.pk}
    )

    team = Team.objects.get()
    assert response["Location"] == reverse("salespeople:team-list")
    assert (team.name, team.code, team.manager) == ("North", "N", boss)


def test_team_new_says_what_is_wrong(client, manager):
    TeamFactory(code="N")

    response = client.post(reverse("salespeople:team-new"), {"name": "North", "code": "N"})

    assert response.status_code == 422
    assert "Another team has this code." in response.content.decode()


def test_team_edit_changes_a_team_and_keeps_a_blocked_manager(client, manager):
    boss = SalespersonFactory(is_blocked=True)
    team = TeamFactory(manager=boss)

    post_seen(
        client,
        reverse("salespeople:team-edit", args=[team.pk]),
        {"name": "South", "code": "S", "manager": boss.pk},
    )

    team.refresh_from_db()
    assert (team.name, team.code, team.manager) == ("South", "S", boss)


def test_team_edit_says_what_is_wrong(client, manager):
    team = TeamFactory(name="North")

    response = post_seen(client, reverse("salespeople:team-edit", args=[team.pk]), {"name": "", "code": ""})

    assert response.status_code == 422
    assert response.context["title"] == "Edit team North"


def test_team_delete_deletes_an_empty_team(client, manager):
    team = TeamFactory()

    response = client.post(reverse("salespeople:team-delete", args=[team.pk]))

    assert response["Location"] == reverse("salespeople:team-list")
    assert not Team.objects.exists()


def test_team_delete_refuses_a_team_with_members(client, manager):
    team = TeamFactory()
    SalespersonFactory.create_batch(2, team=team)

    response = client.post(reverse("salespeople:team-delete", args=[team.pk]))

    assert response.status_code == 422
    assert "2 salespeople" in response.content.decode()
    assert Team.objects.exists()


# --- signing in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["ann@example.com", "Ann@Example.COM", " ann@example.com "])
def test_sign_in_takes_the_address_in_any_case(client, typed):
    user = user_with_password(email="ann@example.com")

    response = client.post(reverse("sign-in"), {"username": typed, "password": PASSWORD})

    assert response["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(user.pk)


def test_sign_in_does_not_tell_whether_the_address_exists(client):
    user_with_password(email="ann@example.com")
    user_with_password(email="gone@example.com", is_active=False)

    answers = [
        client.post(reverse("sign-in"), {"username": address, "password": password})
        for address, password in [
            ("ann@example.com", "wrong"),
            ("nobody@example.com", "wrong"),
            ("gone@example.com", PASSWORD),
        ]
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert len({tuple(answer.context["form"].non_field_errors()) for answer in answers}) == 1
    assert "do not belong together" in answers[0].content.decode()


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/contacts/?q=acme", "/contacts/?q=acme"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_sign_in_goes_on_to_pages_of_this_site_only(client, target, place):
    user_with_password(email="ann@example.com")

    page = client.get(reverse("sign-in"), {"next": target}).content.decode()
    response = client.post(
        reverse("sign-in"), {"username": "ann@example.com", "password": PASSWORD, "next": target}
    )

    assert response["Location"] == place
    assert ('name="next"' in page) is (target == place)


def test_sign_in_goes_on_when_signed_in_already(client, viewer):
    assert client.get(reverse("sign-in"))["Location"] == reverse("home")


@pytest.mark.parametrize("username", ["", "nonsense", "a\0@example.com", "a" * 300 + "@example.com"])
def test_sign_in_refuses_what_is_no_address(client, username):
    response = client.post(reverse("sign-in"), {"username": username, "password": PASSWORD})

    assert response.status_code == 422
    assert "username" in response.context["form"].errors
    assert "_auth_user_id" not in client.session


def test_sign_in_closes_after_ten_wrong_passwords_whatever_the_case(client):
    user_with_password(email="ann@example.com")
    url = reverse("sign-in")

    answers = [
        client.post(url, {"username": address, "password": "wrong"})
        for address in ["ann@example.com", "ANN@example.com"] * 5
    ]
    right = client.post(url, {"username": "ann@example.com", "password": PASSWORD})

    assert [answer.status_code for answer in answers] == [422] * 9 + [429]
    assert right.status_code == 429
    assert "Too many attempts" in right.content.decode()


def test_sign_out_needs_a_post(client, viewer):
    assert client.get(reverse("sign-out")).status_code == 405
    assert "_auth_user_id" in client.session

    response = client.post(reverse("sign-out"))

    assert response["Location"] == reverse("sign-in")
    assert "_auth_user_id" not in client.session


def test_password_change_needs_the_old_password(client):
    user = user_with_password()
    client.force_login(user)
    new = "another long sentence"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    refused = client.post(reverse("password-change"), {**data, "old_password": "wrong"})
    response = client.post(reverse("password-change"), data)

    user.refresh_from_db()
    assert refused.status_code == 422
    assert response["Location"] == reverse("password-changed")
    assert user.check_password(new)
    assert client.get(response["Location"]).status_code == 200


# --- preferences ----------------------------------------------------------------------------------------------


PREFERENCES = {
    "name": "Ann",
    "time_zone": "Europe/Brussels",
    "language": "en-gb",
    "theme": "AUTO",
    "density": "COMFORTABLE",
    "start_page": "TODAY",
    "allows_shortcuts": "on",
    "gets_reminders": "on",
    "reminded_before": "30",
}


def test_preferences_are_saved(client, viewer):
    response = client.post(
        reverse("salespeople:preferences"),
        {**PREFERENCES, "time_zone": "America/New_York", "language": "en-us", "theme": "DARK"},
    )

    viewer.refresh_from_db()
    assert response["Location"] == reverse("salespeople:preferences")
    assert (viewer.name, viewer.time_zone, viewer.language, viewer.theme) == (
        "Ann",
        "America/New_York",
        "en-us",
        Theme.DARK,
    )


def test_preferences_are_for_everybody_who_signs_in(client):
    client.force_login(UserFactory())

    assert client.get(reverse("salespeople:preferences")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"time_zone": "Mars/Olympus"},
        {"language": "tlh"},
        {"theme": "PINK"},
        {"name": "x" * 101},
        {"name": "\0"},
    ],
)
def test_preferences_refuse_unknown_choices(client, viewer, change):
    response = client.post(reverse("salespeople:preferences"), {**PREFERENCES, **change})

    viewer.refresh_from_db()
    assert response.status_code == 422
    assert viewer.name != "Ann"


def test_preferences_keep_an_old_name_of_a_time_zone(client):
    user = UserFactory(time_zone="Europe/Brussels")
    type(user).objects.update(time_zone="US/Eastern")
    client.force_login(user)

    html = client.get(reverse("salespeople:preferences")).content.decode()

    assert '<option value="US/Eastern" selected>' in html


def test_theme_is_switched_and_goes_back(client, viewer):
    response = client.post(reverse("salespeople:theme"), {"theme": "DARK", "next": "/contacts/?q=x"})

    viewer.refresh_from_db()
    assert response["Location"] == "/contacts/?q=x"
    assert viewer.theme == Theme.DARK
    assert 'data-bs-theme="dark"' in client.get(reverse("salespeople:preferences")).content.decode()


@pytest.mark.parametrize("theme", ["PINK", ""])
def test_theme_refuses_unknown_ones(client, viewer, theme):
    response = client.post(reverse("salespeople:theme"), {"theme": theme, "next": "https://evil.example"})

    viewer.refresh_from_db()
    assert response["Location"] == reverse("salespeople:preferences")
    assert viewer.theme == Theme.AUTO


def test_theme_needs_a_post(client, viewer):
    assert client.get(reverse("salespeople:theme")).status_code == 405
