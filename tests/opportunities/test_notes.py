"""Notes, calls, meetings and e-mails: who writes them, what is refused, and that nothing typed is lost."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from activities.models import Interaction
from crm.dates import today
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TeamFactory,
    user_with_role,
)
from tests.opportunities.conftest import signed_in

ON_TIMELINE = {"HX-Request": "true", "HX-Target": "timeline"}
IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def new(opportunity):
    return reverse("opportunities:note-new", args=[opportunity.pk])


def edit(note):
    return reverse("opportunities:note-edit", args=[note.pk])


def delete(note):
    return reverse("opportunities:note-delete", args=[note.pk])


def typed(text="Called about the visit", **fields):
    return {"text": text, "kind": "CALL", "happened_on": today().isoformat(), **fields}


@pytest.fixture
def note(opportunity, seller):
    return InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller, text="First words")


# Writing


def test_note_is_kept_and_the_timeline_drawn_again_in_place(as_seller, seller, opportunity):
    response = as_seller.post(new(opportunity), typed(), headers=ON_TIMELINE)

    note = Interaction.objects.get()
    assert (note.opportunity, note.contact, note.recorded_by) == (opportunity, None, seller)
    assert (note.kind, note.text, note.happened_on) == ("CALL", "Called about the visit", today())
    html = response.content.decode()
    assert "<html" not in html
    assert "Called about the visit" in html
    assert 'data-announce="Added to the history."' in html
    assert html.count("data-focus") == 1
    assert f'id="note-{note.pk}" tabindex="-1" data-focus' in html


def test_note_without_script_leads_back_to_the_timeline(as_seller, opportunity):
    response = as_seller.post(new(opportunity), typed(), follow=True)

    assert response.redirect_chain == [(f"{opportunity.get_absolute_url()}#timeline", 302)]
    assert "Added to the history." in response.content.decode()


def test_note_while_only_stages_are_shown_is_shown(as_seller, opportunity):
    url = new(opportunity)

    among_stages = as_seller.post(f"{url}?show=STAGES", typed(), headers=ON_TIMELINE).content.decode()
    among_notes = as_seller.post(f"{url}?show=NOTES", typed(), headers=ON_TIMELINE).content.decode()

    assert "Called about the visit" in among_stages
    assert "Started in Qualify" not in among_notes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "Write a few words."),
        ({"text": " \n "}, "Write a few words."),
        ({"text": "nul\0"}, "Null characters are not allowed."),
        ({"text": "x" * 10_001}, "At most 10000 characters are kept."),
        ({"kind": "GOSSIP"}, "Choose a note, a call, a meeting or an e-mail."),
        ({"kind": ""}, "required"),
        ({"happened_on": (today() + timedelta(days=2)).isoformat()}, "That day has not come yet."),
        ({"happened_on": "soon"}, "This is not a day."),
        ({"happened_on": "2026-02-30"}, "This is not a day."),
        ({"happened_on": ""}, "Say on which day."),
    ],
)
@pytest.mark.parametrize("headers", [ON_TIMELINE, {}])
def test_note_refused_says_so_at_the_field_and_loses_nothing(as_seller, opportunity, fields, words, headers):
    response = as_seller.post(new(opportunity), typed(**fields), headers=headers)

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert not Interaction.objects.exists()
    if "text" not in fields:
        assert "Called about the visit</textarea>" in html
    if headers:
        assert html.count("data-focus") == 1
        assert 'aria-invalid="true"' in html


def test_an_empty_answer_is_refused_like_an_empty_form(as_seller, opportunity, note):
    for url in (new(opportunity), edit(note), reverse("opportunities:person-new", args=[opportunity.pk])):
        response = as_seller.post(url, {})
        assert response.status_code == 422
        assert response.context["form"].errors


def test_line_ends_count_as_one_character(as_seller, opportunity):
    text = "x\r\n" * 5_000

    as_seller.post(new(opportunity), typed(text=text))

    assert Interaction.objects.get().text == "\n".join("x" * 5_000)


def test_note_of_a_closed_one_is_kept(as_seller, won):
    as_seller.post(new(won), typed())

    assert won.interactions.count() == 1


@pytest.mark.parametrize("headers", [ON_TIMELINE, {}])
def test_note_by_those_who_only_read_is_forbidden(as_viewer, as_stranger, as_seller, opportunity, headers):
    foreign = OpportunityFactory()

    for client, thing in ((as_viewer, opportunity), (as_stranger, opportunity), (as_seller, foreign)):
        assert client.post(new(thing), typed(), headers=headers).status_code == 403
    assert not Interaction.objects.exists()


def test_note_about_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"

    assert as_seller.post(new(OpportunityFactory()), typed()).status_code == 404


@pytest.mark.parametrize("pk", [0, 987654, 2**63, 10**30])
@pytest.mark.parametrize("path", ["{}/notes/new/", "notes/{}/", "notes/{}/edit/", "notes/{}/delete/"])
def test_unknown_keys_are_not_found(as_seller, path, pk):
    assert as_seller.get(f"/opportunities/{path.format(pk)}").status_code == 404


def test_note_anonymous_is_sent_to_sign_in(client, opportunity):
    assert client.post(new(opportunity), typed()).url.startswith(reverse("sign-in"))
    assert not Interaction.objects.exists()


def test_form_is_for_those_who_may_write(as_seller, as_viewer, opportunity):
    assert 'id="note_text"' in as_seller.get(opportunity.get_absolute_url()).content.decode()
    assert 'id="note_text"' not in as_viewer.get(opportunity.get_absolute_url()).content.decode()


# About a contact


def test_note_about_a_contact(as_seller, seller, company):
    url = reverse("opportunities:contact-note-new", args=[company.pk])

    response = as_seller.post(url, typed(), headers=ON_TIMELINE)

    note = Interaction.objects.get()
    assert (note.contact, note.opportunity, note.recorded_by) == (company, None, seller)
    assert "Called about the visit" in response.content.decode()
    assert as_seller.post(url, typed()).url == f"{company.get_absolute_url()}#timeline"
    assert as_seller.post(url, typed(text=""), headers=ON_TIMELINE).status_code == 422


@pytest.mark.parametrize("blocked", ["contact", "company", "merged"])
def test_nothing_is_noted_about_a_contact_that_is_blocked_or_merged(as_seller, company, blocked):
    contact = PersonFactory(company=company, is_privacy_blocked=blocked == "contact")
    if blocked == "company":
        company.is_privacy_blocked = True
        company.save()
    if blocked == "merged":
        contact.merged_into = PersonFactory()
        contact.save()

    response = as_seller.post(reverse("opportunities:contact-note-new", args=[contact.pk]), typed())

    assert response.status_code == (404 if blocked == "merged" else 403)
    assert not Interaction.objects.exists()
    panel = as_seller.get(reverse("opportunities:contact-timeline", args=[contact.pk]), headers=ON_TIMELINE)
    assert "note_text" not in panel.content.decode()


def test_note_about_a_contact_by_a_viewer_is_forbidden(as_viewer, company):
    url = reverse("opportunities:contact-note-new", args=[company.pk])

    assert as_viewer.post(url, typed()).status_code == 403


# Changing


def test_author_changes_a_note_which_says_so(as_seller, note, opportunity):
    response = as_seller.post(
        edit(note), typed("Better words", kind="MEETING", seen="First words"), follow=True
    )

    note.refresh_from_db()
    assert (note.text, note.kind) == ("Better words", "MEETING")
    assert (timezone.now() - note.edited_at).total_seconds() < 60
    assert response.redirect_chain == [(f"{opportunity.get_absolute_url()}#timeline", 302)]
    assert "· edited" in response.content.decode()


def test_note_saved_as_it_is_was_not_edited(as_seller, note):
    as_seller.post(edit(note), typed("First words", kind="NOTE", seen="First words"))

    note.refresh_from_db()
    assert note.edited_at is None


def test_note_of_several_lines_can_be_changed_twice(as_seller, note):
    as_seller.post(edit(note), typed("One\r\ntwo", seen="First words"))
    response = as_seller.post(edit(note), typed("One\r\ntwo\r\nthree", seen="One\r\ntwo"))

    note.refresh_from_db()
    assert response.status_code == 302
    assert note.text == "One\ntwo\nthree"


def test_note_that_somebody_else_changed_meanwhile_is_left_alone(as_seller, note):
    Interaction.objects.update(text="What the manager wrote")

    response = as_seller.post(edit(note), typed("Mine", seen="First words"), headers=IN_DIALOG)

    html = response.content.decode()
    assert response.status_code == 409
    assert "Meanwhile it was changed to: “What the manager wrote” Look again, then save." in html
    assert "Mine</textarea>" in html
    assert 'name="seen" value="What the manager wrote"' in html
    note.refresh_from_db()
    assert note.text == "What the manager wrote"


def test_note_changed_into_nothing_is_refused(as_seller, note):
    response = as_seller.post(edit(note), typed("", seen="First words"), headers=IN_DIALOG)

    note.refresh_from_db()
    assert response.status_code == 422
    assert "Write a few words." in response.content.decode()
    assert note.text == "First words"


def test_one_returns_to_where_one_came_from_but_not_to_elsewhere(as_seller, note, company):
    home = as_seller.post(
        f"{edit(note)}?next=/contacts/{company.pk}/%23timeline", typed("1", seen="First words")
    )
    away = as_seller.post(f"{edit(note)}?next=https://evil.example/", typed("2", seen="1"))

    assert home.url == f"/contacts/{company.pk}/#timeline"
    assert away.url == f"{note.opportunity.get_absolute_url()}#timeline"


# Deleting


def test_delete_asks_first(as_seller, note):
    response = as_seller.get(delete(note), headers=IN_DIALOG)

    assert "“First words” is gone for good." in response.content.decode()
    assert Interaction.objects.exists()


def test_author_deletes_a_note(as_seller, note, opportunity):
    response = as_seller.post(delete(note), follow=True)

    assert not Interaction.objects.exists()
    assert "Deleted." in response.content.decode()
    assert response.redirect_chain == [(f"{opportunity.get_absolute_url()}#timeline", 302)]


def test_long_note_is_named_by_its_beginning(as_seller, opportunity, seller):
    note = InteractionFactory(
        opportunity=opportunity, contact=None, recorded_by=seller, text="many words " * 50
    )

    html = as_seller.get(delete(note), headers=IN_DIALOG).content.decode()

    assert "many words ma…”" in html


# Who may


@pytest.mark.parametrize("change", [edit, delete])
def test_manager_of_the_team_may_change_it_and_others_may_not(
    change, as_manager, as_viewer, as_stranger, client_class, note, salesperson
):
    colleague = user_with_role(Role.SALESPERSON)
    colleague.salesperson.team = salesperson.team
    colleague.salesperson.save()
    foreign_manager = user_with_role(Role.SALES_MANAGER)
    SalespersonFactory(user=foreign_manager, team=TeamFactory())

    for user in (colleague, foreign_manager):
        assert signed_in(client_class, user).post(change(note), typed()).status_code == 403
    for client in (as_viewer, as_stranger):
        assert client.post(change(note), typed()).status_code == 403
    assert as_manager.get(change(note)).status_code == 200
    note.refresh_from_db()
    assert note.text == "First words"


def test_author_who_sells_no_more_only_reads(note, seller, client_class):
    seller.groups.clear()
    seller.groups.add(*user_with_role(Role.VIEWER).groups.all())
    client = signed_in(client_class, type(seller).objects.get(pk=seller.pk))

    assert client.post(delete(note)).status_code == 403
    assert reverse("opportunities:note-edit", args=[note.pk]) not in (
        client.get(note.opportunity.get_absolute_url()).content.decode()
    )


def test_note_about_what_one_may_no_longer_see_is_not_found(as_seller, settings, seller):
    settings.VISIBILITY = "own"
    note = InteractionFactory(opportunity=OpportunityFactory(), contact=None, recorded_by=seller)
    of_contact = InteractionFactory(
        contact=CompanyFactory(salesperson=SalespersonFactory()), recorded_by=seller
    )

    for gone in (note, of_contact):
        assert as_seller.get(edit(gone)).status_code == 404
        assert as_seller.get(reverse("opportunities:note", args=[gone.pk])).status_code == 404
        assert as_seller.post(delete(gone)).status_code == 404


def test_manager_changes_notes_about_contacts_of_the_team(as_manager, salesperson):
    foreign = SalespersonFactory(team=TeamFactory())
    of_team = InteractionFactory(contact=CompanyFactory(salesperson=salesperson))
    of_nobody = InteractionFactory(contact=CompanyFactory(salesperson=None))
    of_others = InteractionFactory(contact=CompanyFactory(salesperson=foreign))

    assert [as_manager.get(edit(note)).status_code for note in (of_team, of_nobody, of_others)] == [
        200,
        200,
        403,
    ]


def test_page_offers_to_change_only_what_one_may_change(as_seller, as_manager, opportunity, seller, manager):
    own = InteractionFactory(opportunity=opportunity, contact=None, recorded_by=seller)
    other = InteractionFactory(opportunity=opportunity, contact=None, recorded_by=manager)

    html = as_seller.get(opportunity.get_absolute_url()).content.decode()
    assert edit(own) in html
    assert edit(other) not in html

    html = as_manager.get(opportunity.get_absolute_url()).content.decode()
    assert delete(own) in html
    assert delete(other) in html


def test_whole_note_offers_its_author_to_change_it(as_seller, as_viewer, note):
    url = reverse("opportunities:note", args=[note.pk])

    assert edit(note) in as_seller.get(url, headers=IN_DIALOG).content.decode()
    assert edit(note) not in as_viewer.get(url).content.decode()
