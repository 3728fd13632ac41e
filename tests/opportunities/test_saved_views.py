"""Views: keeping what the list is asked, sharing it, putting it in order, opening with it."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from opportunities.models import Audience, SavedView, ViewPlace
from salespeople.models import Role
from tests.factories import (
    OpportunityFactory,
    SalespersonFactory,
    SavedViewFactory,
    TeamFactory,
    ViewPlaceFactory,
    user_with_role,
)
from tests.opportunities.conftest import signed_in

LIST = reverse("opportunities:list")
VIEWS = reverse("opportunities:view-list")
NEW = reverse("opportunities:view-new")
MINE = {"name": "Large ones", "audience": Audience.OWNER}


def address(name, view):
    return reverse(f"opportunities:view-{name}", args=[view.pk])


def labels(client, query=None):
    return [tab.label for tab in client.get(LIST, query or {"view": "open"}).context["tabs"].items]


def messages(response):
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def view(seller):
    return SavedViewFactory(owner=seller, name="Large ones", query="value_from=5000&sort=-estimated_value")


@pytest.fixture
def colleague(salesperson):
    """Another salesperson of the same team."""
    user = user_with_role(Role.SALESPERSON, name="Tess Colleague")
    user.salesperson.team = salesperson.team
    user.salesperson.save()
    return user


@pytest.fixture
def as_colleague(colleague, client_class):
    return signed_in(client_class, colleague)


# Keeping


def test_view_keeps_filter_order_and_columns_and_no_place(as_seller, seller, opportunity):
    asked = "columns=number&columns=value&sort=-id&after=xyz&q=ware&status=&view=open&value_from=10"

    response = as_seller.post(f"{NEW}?{asked}", MINE, follow=True)

    kept = SavedView.objects.get()
    assert (kept.owner, kept.name, kept.audience) == (seller, "Large ones", "OWNER")
    assert kept.query == "q=ware&value_from=10&sort=-id&columns=number,value"
    assert messages(response) == ["Saved as “Large ones”."]
    tabs = response.context["tabs"]
    assert [tab.label for tab in tabs.items if tab.is_current] == ["Large ones"]
    assert not tabs.is_changed
    assert response.context["page"].sort == "-id"
    assert [row.number for row in response.context["page"].rows] == [opportunity.number]


def test_view_of_the_open_ones_can_be_kept_too(as_seller):
    as_seller.post(NEW, MINE)

    view = SavedView.objects.get()
    assert view.query == ""
    assert as_seller.get(LIST, {"view": view.pk}).context["tabs"].view == view


def test_dialog_says_what_is_kept(as_seller):
    html = as_seller.get(f"{NEW}?status=WON&columns=number", headers={"HX-Request": "true"}).content.decode()

    assert "Status: Won" in html
    assert "2 columns" in html
    assert "<html" not in html


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "  "}, "name", "This field is required."),
        ({"name": "x" * 51}, "name", "at most 50 characters"),
        ({"name": "a\x00"}, "name", "Null characters are not allowed."),
        ({"name": "LARGE  ones"}, "name", "You have a view of this name already."),
        ({"audience": "WORLD"}, "audience", "WORLD is not one of the available choices."),
        ({"audience": ""}, "audience", "This field is required."),
    ],
)
def test_view_that_is_not_as_it_should_be_is_not_kept(as_seller, view, form, field, message):
    response = as_seller.post(f"{NEW}?status=WON", {"name": "Other", "audience": "OWNER", **form})

    assert response.status_code == 422
    assert message in " ".join(response.context["form"].errors[field])
    assert SavedView.objects.get() == view


def test_two_people_may_use_one_name(as_colleague, view):
    as_colleague.post(NEW, MINE)

    assert SavedView.objects.filter(name="Large ones").count() == 2


def test_only_who_has_a_team_can_share_with_it(as_viewer):
    response = as_viewer.post(NEW, {"name": "Ours", "audience": "TEAM"})

    assert response.status_code == 422
    assert not SavedView.objects.exists()
    assert "My team" not in as_viewer.get(NEW).content.decode()


@pytest.mark.parametrize(
    "asked", ["stage=424242", "nonsense=1", "columns=secrets", "value_from=x", "q=" + "%F0%9F%8E%82" * 200]
)
def test_question_that_makes_no_sense_is_not_kept(as_seller, asked):
    assert as_seller.get(f"{NEW}?{asked}").status_code == 200
    response = as_seller.post(f"{NEW}?{asked}", MINE)

    assert response.status_code == 422
    assert "makes no sense" in response.content.decode()
    assert not SavedView.objects.exists()


def test_question_that_is_too_long_is_not_kept(as_seller):
    columns = ",".join(["number"] * 400)

    response = as_seller.post(f"{NEW}?columns={columns}", MINE)

    assert response.status_code == 422
    assert "too long" in response.content.decode()


# The tab of a view


def test_tab_asks_all_that_is_kept(as_seller, view):
    tab = as_seller.get(LIST).context["tabs"].items[-1]

    assert tab.url == f"{LIST}?value_from=5000&sort=-estimated_value&view={view.pk}"
    page = as_seller.get(tab.url)
    assert [chip.name for chip in page.context["filter"].chips] == ["value_from"]
    assert page.context["page"].sort == "-estimated_value"


def test_change_is_seen_and_can_be_kept_or_left(as_seller, view):
    changed = as_seller.get(LIST, {"view": view.pk, "value_from": "9000"})
    html = changed.content.decode()
    assert "This differs from the view “Large ones”." in html
    assert f"{address('update', view)}?value_from=9000" in html

    response = as_seller.post(f"{address('update', view)}?value_from=9000", follow=True)

    view.refresh_from_db()
    assert view.query == "value_from=9000"
    assert not response.context["tabs"].is_changed
    assert messages(response) == ["“Large ones” now asks for this."]


def test_question_that_makes_no_sense_does_not_replace_another(as_seller, view):
    response = as_seller.post(f"{address('update', view)}?stage=424242")

    assert response.status_code == 422
    assert SavedView.objects.get().query == view.query


def test_view_that_is_gone_is_told_and_its_question_stays(as_seller, opportunity, won, view):
    gone = view.pk
    view.delete()

    for named in (gone, "9" * 30, "nonsense", "\x00", "-1"):
        response = as_seller.get(LIST, {"view": named, "status": "WON"})
        assert response.status_code == 200
        assert "is not there any more, or it is not shared with you" in response.content.decode()
        assert [row.number for row in response.context["page"].rows] == [won.number]


def test_view_that_asks_for_what_is_gone_says_so(as_seller, seller, cycle):
    stage = cycle.stages.create(position=99, description="Celebrate", completed_percent=90, chance_percent=90)
    view = SavedViewFactory(owner=seller, name="Parties", query=f"stage={stage.pk}")
    stage.delete()

    response = as_seller.get(f"{LIST}?{view.query}&view={view.pk}")

    html = response.content.decode()
    assert response.status_code == 422
    assert "“Parties” asks for something that is not there any more" in html
    assert "This is not there any more, or not for you to see. Choose another, or all." in html
    assert not response.context["tabs"].is_changed


def test_more_views_than_fit_are_on_their_page(as_seller, seller):
    views = [SavedViewFactory(owner=seller, name=f"View {n:02}") for n in range(15)]

    response = as_seller.get(LIST, {"view": views[14].pk, "status": "WON"})

    tabs = response.context["tabs"]
    assert tabs.has_more
    assert [tab.label for tab in tabs.items[6:]] == [*(f"View {n:02}" for n in range(12)), "View 14"]
    assert tabs.items[-1].is_current


# Sharing


@pytest.mark.parametrize(
    ("audience", "seen_by"),
    [
        ("OWNER", {"owner"}),
        ("TEAM", {"owner", "colleague"}),
        ("EVERYONE", {"owner", "colleague", "viewer", "other"}),
    ],
)
def test_view_is_seen_by_those_with_whom_it_is_shared(
    as_seller, as_colleague, as_viewer, client_class, view, audience, seen_by
):
    other = user_with_role(Role.SALESPERSON)
    other.salesperson.team = TeamFactory()
    other.salesperson.save()
    as_seller.post(address("edit", view), {"name": view.name, "audience": audience})

    clients = {
        "owner": as_seller,
        "colleague": as_colleague,
        "viewer": as_viewer,
        "other": signed_in(client_class, other),
    }
    assert {who for who, client in clients.items() if "Large ones" in labels(client)} == seen_by
    assert {
        who for who, client in clients.items() if "Large ones" in client.get(VIEWS).content.decode()
    } == seen_by


def test_shared_view_says_whose_it_is_and_cannot_be_changed_by_others(as_colleague, seller, view):
    SavedView.objects.update(audience="TEAM")
    html = as_colleague.get(LIST, {"view": view.pk, "status": "WON"}).content.decode()
    assert seller.name in html
    assert address("update", view) not in html

    for name in ("edit", "delete", "update"):
        assert as_colleague.post(address(name, view), MINE).status_code == 403
    assert as_colleague.get(address("edit", view)).status_code == 403
    assert (
        "Only the person who keeps a view can change it."
        in as_colleague.get(address("edit", view)).content.decode()
    )
    assert SavedView.objects.get().query == view.query


@pytest.mark.parametrize("name", ["edit", "delete", "update", "shift", "open"])
def test_view_of_somebody_else_is_not_found(as_colleague, view, name):
    assert as_colleague.post(address(name, view), MINE).status_code == 404
    assert SavedView.objects.filter(pk=view.pk).exists()


@pytest.mark.parametrize("name", ["update", "shift", "open"])
def test_view_is_not_changed_by_looking(as_seller, view, name):
    before = SavedView.objects.values().get()

    assert as_seller.get(address(name, view)).status_code == 405
    assert SavedView.objects.values().get() == before
    assert not ViewPlace.objects.exists()


def test_views_are_for_those_with_a_role(as_stranger, client, view):
    for url in (VIEWS, NEW, address("edit", view)):
        assert as_stranger.get(url).status_code == 403
        assert client.get(url).status_code == 302


def test_shared_view_shows_each_reader_their_own(as_seller, as_colleague, colleague, opportunity, cycle):
    theirs = OpportunityFactory(salesperson=colleague.salesperson, cycle=cycle, started=True)
    as_seller.post(f"{NEW}?whose=ME", {"name": "My week", "audience": "TEAM"})
    view = SavedView.objects.get()

    for client, number in [(as_seller, opportunity.number), (as_colleague, theirs.number)]:
        tab = client.get(LIST, {"view": "open"}).context["tabs"].items[-1]
        assert tab.label == "My week"
        assert [row.number for row in client.get(tab.url).context["page"].rows] == [number]
    assert view.query == "whose=ME"


# Renaming and deleting


def test_view_is_renamed(as_seller, view):
    assert 'value="Large ones"' in as_seller.get(address("edit", view)).content.decode()

    response = as_seller.post(address("edit", view), {"name": "Big ones", "audience": "OWNER"}, follow=True)

    assert messages(response) == ["Saved “Big ones”."]
    assert labels(as_seller)[-1] == "Big ones"
    view.refresh_from_db()
    assert view.query == "value_from=5000&sort=-estimated_value"


def test_view_is_not_renamed_to_another(as_seller, seller, view):
    SavedViewFactory(owner=seller, name="Small ones")

    response = as_seller.post(address("edit", view), {"name": "Small ones", "audience": "OWNER"})

    assert response.status_code == 422
    assert "You have a view of this name already." in response.content.decode()
    assert 'value="Small ones"' in response.content.decode()


def test_view_is_deleted_after_a_question(as_seller, view):
    SavedView.objects.update(audience="TEAM")
    question = as_seller.get(address("delete", view)).content.decode()
    assert "Delete “Large ones”?" in question
    assert "It also goes from the tabs of those with whom you share it." in question
    assert SavedView.objects.exists()

    response = as_seller.post(address("delete", view), follow=True)

    assert messages(response) == ["Deleted “Large ones”. No opportunity was touched."]
    assert not SavedView.objects.exists()
    assert as_seller.post(address("delete", view)).status_code == 404
    assert as_seller.post(address("edit", view), MINE).status_code == 404
    assert not SavedView.objects.exists()


# Order, and what opens first


def test_views_are_put_in_order_by_each_reader(as_seller, as_colleague, seller):
    for name in ("A", "B", "C"):
        SavedViewFactory(owner=seller, name=name, audience="EVERYONE")
    last = SavedView.objects.get(name="C")

    for _ in range(3):  # once more than there are places
        response = as_seller.post(address("shift", last), {"direction": "up"}, follow=True)
    assert labels(as_seller)[-3:] == ["C", "A", "B"]
    assert messages(response) == []
    assert labels(as_colleague)[-3:] == ["A", "B", "C"]

    as_seller.post(address("shift", last), {"direction": "down"})
    SavedViewFactory(owner=seller, name="0 is new")
    assert labels(as_seller)[-4:] == ["A", "C", "B", "0 is new"]


def test_list_opens_with_the_view_that_the_reader_has_first(as_seller, seller, view, opportunity, won):
    other = SavedViewFactory(owner=seller, name="Won ones", query="status=WON")
    as_seller.post(address("open", view))

    response = as_seller.post(address("open", other), follow=True)
    assert messages(response)[-1] == "The list opens with “Won ones”."
    assert ViewPlace.objects.filter(is_default=True).count() == 1

    assert as_seller.get(LIST).url == f"{LIST}?status=WON&view={other.pk}"
    opened = as_seller.get(LIST, follow=True)
    assert [row.number for row in opened.context["page"].rows] == [won.number]
    open_tab = opened.context["tabs"].items[0]
    assert [row.number for row in as_seller.get(open_tab.url).context["page"].rows] == [opportunity.number]

    as_seller.post(address("open", other), {"not": "1"})
    assert as_seller.get(LIST).status_code == 200


def test_list_opens_plainly_when_that_view_is_no_longer_shared(as_colleague, colleague, view):
    SavedView.objects.update(audience="EVERYONE")
    as_colleague.post(address("open", view))
    assert as_colleague.get(LIST).status_code == 302

    SavedView.objects.update(audience="OWNER")

    response = as_colleague.get(LIST)
    assert response.status_code == 200
    assert view.name not in [tab.label for tab in response.context["tabs"].items]


def test_view_opens_first_from_its_form(as_seller, view):
    form = {"name": view.name, "audience": "OWNER"}
    as_seller.post(address("edit", view), {**form, "opens_first": "on"})
    assert as_seller.get(LIST).status_code == 302
    assert as_seller.get(address("edit", view)).context["form"]["opens_first"].value() is True

    as_seller.post(address("edit", view), form)
    assert as_seller.get(LIST).status_code == 200

    as_seller.post(f"{NEW}?status=WON", {"name": "First", "audience": "OWNER", "opens_first": "on"})
    assert as_seller.get(LIST).status_code == 302


def test_opening_first_keeps_the_order(as_seller, seller):
    for name in ("A", "B", "C"):
        SavedViewFactory(owner=seller, name=name)

    as_seller.post(address("open", SavedView.objects.get(name="C")))

    assert labels(as_seller)[-3:] == ["A", "B", "C"]


def test_database_allows_one_view_to_open_first(seller):
    ViewPlaceFactory(user=seller, is_default=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        ViewPlaceFactory(user=seller, is_default=True)


def test_views_go_with_their_owner_s_team(as_colleague, seller, salesperson, view):
    SavedView.objects.update(audience="TEAM")
    assert "Large ones" in labels(as_colleague)

    salesperson.team = TeamFactory()
    salesperson.save()

    assert "Large ones" not in labels(as_colleague)


# The page of views


def test_page_of_views_teaches_when_there_are_none(as_seller):
    assert "it becomes a tab" in as_seller.get(VIEWS).content.decode()


@pytest.mark.parametrize("count", [1, 30])
def test_page_of_views_costs_the_same_for_any_number(as_seller, seller, count, django_assert_num_queries):
    SavedViewFactory.create_batch(count, owner=seller)

    with django_assert_num_queries(6):
        response = as_seller.get(VIEWS)

    assert len(response.context["views"]) == count


def test_page_of_views_is_bounded(as_seller, seller):
    SavedViewFactory.create_batch(101, owner=seller)

    response = as_seller.get(VIEWS)

    assert len(response.context["views"]) == 100
    assert "These are the first 100." in response.content.decode()


def test_view_shared_with_a_blocked_out_reader_is_not_shown(client_class, view):
    SavedView.objects.update(audience="EVERYONE")
    nobody = user_with_role(None)
    SalespersonFactory(user=nobody)

    assert list(SavedView.objects.visible_to(nobody)) == []
