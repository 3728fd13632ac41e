"""The close reasons: their list, retiring, and what stays as it is once the ledger names them."""

import pytest
from django.urls import reverse

from opportunities import operations
from opportunities.models import CloseReason, Outcome
from salespeople.models import Role
from tests.factories import (
    CloseReasonFactory,
    UserFactory,
    lost_opportunity,
    user_with_role,
    won_opportunity,
)
from tests.seen import post_seen

pytestmark = pytest.mark.django_db
LIST = "/close-reasons/"
NEW = "/close-reasons/new/"
HTMX = {"HX-Request": "true", "HX-Target": "dialog"}
PRICE = {"code": "price", "outcome": "LOST", "description": "Price too high", "is_active": "on"}


@pytest.fixture
def manager(client):
    client.force_login(user_with_role(Role.SALES_MANAGER))
    return client


@pytest.fixture
def viewer(client):
    client.force_login(user_with_role(Role.VIEWER))
    return client


def edit_url(reason):
    return reverse("opportunities:reason-edit", args=[reason.pk])


def delete_url(reason):
    return reverse("opportunities:reason-delete", args=[reason.pk])


def grouped(response):
    return {
        outcome.value: [(reason.description, uses) for reason, uses in reasons]
        for outcome, reasons in response.context["groups"]
    }


# The list


def test_list_groups_reasons_by_outcome_and_counts_their_use(viewer):
    CloseReason.objects.all().delete()
    lost = lost_opportunity().close_reason
    won = won_opportunity().close_reason
    CloseReasonFactory(outcome=Outcome.LOST, description="A retired one", is_active=False)

    response = viewer.get(LIST)

    assert grouped(response) == {
        "WON": [(won.description, 1)],
        "LOST": [(lost.description, 1), ("A retired one", 0)],
    }
    content = response.content.decode()
    assert content.index("Why opportunities are won") < content.index("Why opportunities are lost")
    assert "Retired" in content
    assert NEW not in content
    assert edit_url(lost) not in content


def test_list_counts_no_closing_that_was_taken_back(viewer):
    opportunity = lost_opportunity()
    reason = opportunity.close_reason
    by = opportunity.entries.newest_first()[0].recorded_by
    operations.reopen(opportunity=opportunity, note="They called", by=by, on=opportunity.changed_on)

    assert (reason.description, 0) in grouped(viewer.get(LIST))["LOST"]


def test_list_offers_managers_the_buttons(manager):
    reason = CloseReasonFactory()

    content = manager.get(LIST).content.decode()

    for text in (NEW, edit_url(reason), delete_url(reason), 'name="retire"'):
        assert text in content


def test_list_teaches_where_it_is_empty(manager):
    CloseReason.objects.all().delete()

    content = manager.get(LIST).content.decode()

    assert "No reason for won yet" in content
    assert f"{NEW}?outcome=LOST" in content


def test_list_asks_the_same_questions_for_one_reason_and_for_many(viewer, django_assert_num_queries):
    CloseReasonFactory()
    with django_assert_num_queries(5):
        viewer.get(LIST)

    CloseReasonFactory.create_batch(3)
    lost_opportunity()
    with django_assert_num_queries(5):
        viewer.get(LIST)


# A new one


def test_add_a_reason(manager):
    response = manager.post(NEW, PRICE)

    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    reason = CloseReason.objects.get(code="PRICE")
    assert (reason.outcome, reason.description, reason.is_active) == ("LOST", "Price too high", True)


def test_add_a_reason_in_the_dialog(manager):
    response = manager.post(NEW, PRICE, headers=HTMX)

    assert response.status_code == 204
    assert LIST in response.headers["HX-Location"]


@pytest.mark.parametrize(
    ("asked", "chosen"), [("LOST", "LOST"), ("WON", "WON"), ("", "WON"), ("MAYBE", "WON")]
)
def test_new_form_chooses_the_outcome_that_was_asked_for(manager, asked, chosen):
    response = manager.get(NEW, {"outcome": asked})

    assert response.context["form"]["outcome"].value() == chosen


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"code": "taken"}, "code", "Another close reason has this code."),
        ({"code": " "}, "code", "This field is required."),
        ({"code": "A\x00"}, "code", "Null characters are not allowed."),
        ({"code": "x" * 11}, "code", "Ensure this value has at most 10 characters"),
        ({"description": " "}, "description", "This field is required."),
        ({"outcome": ""}, "outcome", "This field is required."),
        ({"outcome": "MAYBE"}, "outcome", "Select a valid choice."),
    ],
)
def test_add_a_reason_refuses_what_is_wrong(manager, change, field, message):
    CloseReasonFactory(code="TAKEN")
    before = CloseReason.objects.count()

    response = manager.post(NEW, PRICE | change, headers=HTMX)

    assert response.status_code == 422
    [text] = response.context["form"].errors[field]
    assert message in text
    assert response.content.decode().strip().startswith('<div class="sheet">')
    assert CloseReason.objects.count() == before


# Changing one


def test_change_a_reason(manager):
    reason = CloseReasonFactory(outcome=Outcome.WON)

    response = post_seen(manager, edit_url(reason), PRICE)

    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    reason.refresh_from_db()
    assert (reason.code, reason.outcome, reason.description) == ("PRICE", "LOST", "Price too high")


def test_change_the_outcome_of_a_reason_in_use_is_refused(manager):
    reason = won_opportunity().close_reason

    response = post_seen(manager, edit_url(reason), PRICE)

    assert response.status_code == 422
    assert response.context["form"].errors == {
        "outcome": [
            (
                "1 ledger entry names this as a reason for won, so it stays one. "
                "Retire it and make a new reason instead."
            )
        ]
    }
    reason.refresh_from_db()
    assert reason.outcome == Outcome.WON


def test_change_the_words_of_a_reason_in_use(manager):
    reason = lost_opportunity().close_reason

    assert post_seen(manager, edit_url(reason), PRICE).status_code == 302
    reason.refresh_from_db()
    assert reason.description == "Price too high"


def test_edit_form_says_that_the_outcome_of_a_used_reason_is_fixed(manager):
    assert (
        b"Fixed, because the reason is in use."
        in manager.get(edit_url(lost_opportunity().close_reason)).content
    )
    assert b"Fixed, because" not in manager.get(edit_url(CloseReasonFactory())).content


@pytest.mark.parametrize(("button", "offered"), [("retire", False), ("restore", True)])
def test_retire_a_reason_and_take_it_into_use_again(manager, button, offered):
    reason = CloseReasonFactory(is_active=not offered, description="Price")

    response = manager.post(edit_url(reason), {button: "1"}, follow=True)

    reason.refresh_from_db()
    assert reason.is_active == offered
    assert response.redirect_chain == [(LIST, 302)]
    [message] = response.context["messages"]
    assert "Price" in str(message)


def test_change_a_reason_refuses_what_is_wrong(manager):
    reason = CloseReasonFactory(description="Old")

    response = post_seen(manager, edit_url(reason), PRICE | {"description": ""})

    assert response.status_code == 422
    reason.refresh_from_db()
    assert reason.description == "Old"


# Deleting one


def test_ask_before_deleting_a_reason(manager):
    reason = CloseReasonFactory()

    response = manager.get(delete_url(reason), headers=HTMX)

    assert b"Nobody can close an opportunity with it any more." in response.content
    assert CloseReason.objects.filter(pk=reason.pk).exists()


def test_delete_a_reason(manager):
    reason = CloseReasonFactory()

    response = manager.post(delete_url(reason))

    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    assert not CloseReason.objects.filter(pk=reason.pk).exists()


def test_delete_a_reason_in_use_is_refused_in_words(manager):
    reason = lost_opportunity().close_reason

    response = manager.post(delete_url(reason))

    assert response.status_code == 422
    assert sorted(response.context["uses"]) == ["1 opportunity", "1 opportunity entry"]
    assert "Retire it instead" in response.content.decode()
    assert CloseReason.objects.filter(pk=reason.pk).exists()


# Who may, and how


@pytest.mark.parametrize("role", [Role.SALESPERSON, Role.VIEWER])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["new", "edit", "delete"])
def test_only_managers_change_reasons(client, role, method, name):
    reason = CloseReasonFactory(description="Old")
    client.force_login(user_with_role(role))
    url = NEW if name == "new" else reverse(f"opportunities:reason-{name}", args=[reason.pk])

    response = getattr(client, method)(url, PRICE | {"retire": "1"})

    assert response.status_code == 403
    reason.refresh_from_db()
    assert (reason.description, reason.is_active) == ("Old", True)
    assert not CloseReason.objects.filter(code="PRICE").exists()


def test_list_is_for_people_with_a_role(client):
    client.force_login(UserFactory())

    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("name", ["", "new/", "1/edit/", "1/delete/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_reasons_demand_login(client, name, method):
    response = getattr(client, method)(LIST + name)

    assert (response.status_code, response.headers["Location"]) == (
        302,
        f"{reverse('sign-in')}?next={LIST}{name}",
    )


@pytest.mark.parametrize("pk", [4_711, 99_999_999_999_999_999_999])
@pytest.mark.parametrize("name", ["edit", "delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_reason_is_not_found(manager, pk, name, method):
    assert getattr(manager, method)(f"{LIST}{pk}/{name}/").status_code == 404


@pytest.mark.parametrize("name", ["", "new/", "1/edit/", "1/delete/"])
def test_reasons_refuse_other_methods(manager, name):
    assert manager.put(LIST + name).status_code == 405


def test_list_refuses_to_be_posted_to(manager):
    assert manager.post(LIST).status_code == 405
