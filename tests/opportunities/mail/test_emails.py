"""The page of e-mails that wait: who sees which, where each goes, and two people at once."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from activities.attachments import attachment_storage
from activities.models import Attachment, Email, EmailState, Interaction
from opportunities.mail import filing
from opportunities.mail.tokens import token
from salespeople.models import Role
from tests.factories import (
    AttachmentFactory,
    CompanyFactory,
    EmailFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    user_with_role,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db
LIST = "/emails/"
ASIDE = "/emails/set-aside/"
IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


@pytest.fixture
def email():
    return EmailFactory(
        subject="An offer please",
        recipients="sofie@kansen.example\ntom@kansen.example",
        reason="No contact has one of its addresses.",
    )


@pytest.fixture
def file(email):
    return AttachmentFactory(email=email, interaction=None)


def place(email):
    return reverse("opportunities:email-place", args=[email.pk])


def aside(email):
    return reverse("opportunities:email-set-aside", args=[email.pk])


def back(email):
    return reverse("opportunities:email-take-back", args=[email.pk])


def put_back(email):
    return reverse("opportunities:email-put-back", args=[email.pk])


def read(response):
    return response.content.decode()


# The list --------------------------------------------------------------------------------------------------------


def test_list_says_what_waits_and_why(as_seller, email, file):
    EmailFactory(state=EmailState.SET_ASIDE, text="", subject="Set aside before")

    html = read(as_seller.get(LIST))

    for words in ("An offer please", "When can you come by?", "ann@acme.example", email.reason, "offer.pdf"):
        assert words in html
    assert "Set aside before" not in html


def test_newest_comes_first_and_pages_go_on(as_seller):
    for number in range(30):
        EmailFactory(subject=f"Number {number:02}", sent_at=timezone.now() - timedelta(hours=number))

    first = as_seller.get(LIST)
    second = as_seller.get(LIST + first.context["page"].next_url)

    assert [row.subject for row in first.context["emails"]] == [f"Number {n:02}" for n in range(25)]
    assert [row.subject for row in second.context["emails"]] == [f"Number {n:02}" for n in range(25, 30)]
    assert as_seller.get(f"{LIST}?after=nonsense").status_code == 422


def test_empty_list_says_so(as_seller):
    assert "Nothing waits" in read(as_seller.get(LIST))


@pytest.mark.parametrize("rows", [1, 30])
def test_list_takes_few_queries(as_seller, django_assert_num_queries, rows):
    for _number in range(rows):
        AttachmentFactory(email=EmailFactory(), interaction=None)

    with django_assert_num_queries(7):
        as_seller.get(LIST)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("url", [place, aside, put_back, back])
def test_only_who_sells_sees_it(as_viewer, as_stranger, client, email, url, method):
    for somebody in (as_viewer, as_stranger):
        assert getattr(somebody, method)(url(email)).status_code in (403, 405)
        assert somebody.get(LIST).status_code == 403
    assert getattr(client, method)(url(email)).status_code == 302


def test_where_contacts_are_hidden_each_sees_what_is_theirs(
    settings, as_seller, as_manager, seller, email, file
):
    settings.VISIBILITY = "own"
    file_url = file.get_absolute_url()
    assert "An offer please" not in read(as_seller.get(LIST))
    assert as_seller.get(place(email)).status_code == 404
    assert as_seller.get(file_url).status_code == 404
    assert "An offer please" in read(as_manager.get(LIST))

    for recipients in (seller.email, f"{seller.email}\nx@y.example", f"x@y.example\n{seller.email}"):
        Email.objects.update(recipients=recipients)
        assert "An offer please" in read(as_seller.get(LIST))
        assert as_seller.get(file_url).status_code == 200
    Email.objects.update(recipients=f"not{seller.email}")
    assert "An offer please" not in read(as_seller.get(LIST))
    seller.salesperson.email = "ann@acme.example"
    seller.salesperson.save()
    assert "An offer please" in read(as_seller.get(LIST))


# Placing ---------------------------------------------------------------------------------------------------------


def test_page_shows_the_e_mail_as_text(as_seller, email):
    Email.objects.update(text="<b>bold</b>\nsecond line", sender="<script>@x.example")

    html = read(as_seller.get(place(email), headers=IN_DIALOG))

    assert "&lt;b&gt;bold&lt;/b&gt;<br>second line" in html
    assert "<script>@x" not in html
    assert "<html" not in html


def test_an_e_mail_without_a_sender_says_so(as_seller, email):
    Email.objects.update(sender="")

    assert "without a sender" in as_seller.get(reverse("opportunities:emails")).text


def test_placed_with_a_contact_it_becomes_an_interaction(as_seller, seller, email, file, company):
    response = as_seller.post(place(email), {"contact": company.label, "opportunity": ""}, follow=True)

    interaction = Interaction.objects.get()
    assert (interaction.contact, interaction.opportunity, interaction.recorded_by) == (company, None, seller)
    assert interaction.text == (
        "An offer please\nFrom ann@acme.example to sofie@kansen.example, tom@kansen.example\n\n"
        "When can you come by?"
    )
    file.refresh_from_db()
    assert (file.interaction, file.email) == (interaction, None)
    email.refresh_from_db()
    assert (email.state, email.text, email.placed_by) == (EmailState.FILED, "", seller)
    html = read(response)
    assert f"Filed with {company.label}." in html
    assert "What you placed today" in html


def test_placed_with_an_opportunity(as_seller, email, opportunity):
    as_seller.post(place(email), {"contact": "", "opportunity": opportunity.number})

    interaction = Interaction.objects.get()
    assert (interaction.contact, interaction.opportunity) == (None, opportunity)


def test_placed_with_both(as_seller, email, opportunity, company):
    ann = PersonFactory(company=company)
    as_seller.post(place(email), {"contact": ann.number, "opportunity": opportunity.number})

    interaction = Interaction.objects.get()
    assert (interaction.contact, interaction.opportunity) == (ann, opportunity)


def test_with_htmx_the_list_comes_in_place(as_seller, email, company):
    response = as_seller.post(place(email), {"contact": company.number}, headers=IN_DIALOG)

    assert response.status_code == 204
    assert "/emails/" in response.headers["HX-Location"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Choose a contact, an opportunity, or both."),
        ({"contact": "Nobody\0"}, "No contact is called"),
        ({"contact": "C-99999"}, "No contact is called"),
        ({"opportunity": "OP-99999"}, "No open opportunity"),
        ({"contact": "Stranger NV", "opportunity": "Warehouse"}, "plays no part in"),
        ({"contact": "Blocked NV"}, "is blocked for privacy."),
        ({"opportunity": "Not mine"}, "No open opportunity"),
    ],
)
def test_place_that_is_refused(as_seller, email, opportunity, typed, said):
    CompanyFactory(name="Stranger NV")
    CompanyFactory(name="Blocked NV", is_privacy_blocked=True)
    OpportunityFactory(description="Not mine")

    response = as_seller.post(place(email), typed)

    assert response.status_code == 422
    assert said in read(response)
    assert Email.objects.get().state == EmailState.WAITING
    assert not Interaction.objects.exists()


def test_opportunity_of_somebody_blocked_is_refused(as_seller, email, opportunity, company):
    company.is_privacy_blocked = True
    company.save()

    response = as_seller.post(place(email), {"opportunity": opportunity.number})

    assert response.status_code == 422
    assert f"{company.label} is blocked for privacy." in read(response)


def test_likely_place_is_offered(as_seller, seller, email, company, opportunity):
    ann = PersonFactory(email="ann@acme.example", company=company)
    form = as_seller.get(place(email)).context["form"]
    assert form.initial == {"contact": ann, "opportunity": opportunity}

    Email.objects.update(subject=f"Re: [{token(OpportunityFactory().number)}]")
    form = as_seller.get(place(email)).context["form"]
    assert "opportunity" not in form.initial, "it belongs to somebody else"


@pytest.mark.parametrize("visibility", ["all", "own"])
def test_placing_takes_few_queries(
    settings, as_seller, seller, django_assert_max_num_queries, email, file, opportunity, visibility
):
    settings.VISIBILITY = visibility
    Email.objects.update(recipients=seller.email)
    PersonFactory(email="ann@acme.example", company=opportunity.company)
    with django_assert_max_num_queries(12):
        as_seller.get(place(email))


# Setting aside, taking back --------------------------------------------------------------------------------------


def test_set_aside_it_is_listed_and_put_back(as_seller, as_manager, seller, email, file):
    html = read(as_seller.get(aside(email)))
    assert "An offer please" in html
    assert "For 30 days it can be put back" in html

    html = read(as_seller.post(aside(email), follow=True))

    assert "Set aside: An offer please." in html
    assert f'action="{put_back(email)}"' in html
    email.refresh_from_db()
    assert (email.state, email.placed_by) == (EmailState.SET_ASIDE, seller)
    html = read(as_manager.get(ASIDE))
    assert "An offer please" in html
    assert "by Sofie Claes" in html
    response = as_manager.post(put_back(email), {"next": ASIDE})
    assert response["Location"] == ASIDE
    html = read(as_seller.get(LIST))
    for words in ("An offer please", "When can you come by?", email.reason, "offer.pdf"):
        assert words in html
    assert "Nothing was set aside" in read(as_seller.get(ASIDE))


def test_what_waits_or_is_filed_is_not_put_back(as_seller, email, company):
    assert as_seller.post(put_back(email)).status_code == 409
    as_seller.post(place(email), {"contact": company.label})

    response = as_seller.post(put_back(email))

    assert response.status_code == 409
    assert "It cannot be put back" in read(response)
    assert Interaction.objects.count() == 1
    assert as_seller.get(put_back(email)).status_code == 405


def test_after_a_month_its_text_and_files_are_gone(
    as_seller, email, file, seller, django_capture_on_commit_callbacks
):
    stored = file.file.name
    filing.set_aside(email, by=seller)
    recent = AttachmentFactory(email=EmailFactory(subject="Lately"), interaction=None).email
    filing.set_aside(recent, by=seller)
    filed = AttachmentFactory(email=None, interaction=InteractionFactory())
    Email.objects.filter(pk=email.pk).update(placed_at=timezone.now() - timedelta(days=31))

    assert "An offer please" not in read(as_seller.get(ASIDE))
    assert as_seller.post(put_back(email)).status_code == 409
    with django_capture_on_commit_callbacks(execute=True):
        filing.forget_set_aside()

    email.refresh_from_db()
    recent.refresh_from_db()
    assert (email.text, recent.text, recent.attachments.count()) == ("", "When can you come by?", 1)
    assert set(Attachment.objects.all()) == {recent.attachments.get(), filed}
    assert not attachment_storage().exists(stored)
    filing.forget_set_aside()


@pytest.mark.parametrize("rows", [1, 30])
def test_list_of_those_set_aside_takes_few_queries(as_seller, seller, django_assert_num_queries, rows):
    for number in range(rows):
        EmailFactory(subject=f"No {number}", state="SET_ASIDE", placed_by=seller, placed_at=timezone.now())

    with django_assert_num_queries(5):
        shown = as_seller.get(ASIDE)

    assert len(shown.context["emails"]) == min(rows, 25)
    assert as_seller.get(f"{ASIDE}?after=nonsense").status_code == 422


def test_where_contacts_are_hidden_others_put_nothing_back(settings, as_seller, as_viewer, seller, email):
    filing.set_aside(email, by=seller)
    assert as_viewer.get(ASIDE).status_code == 403
    settings.VISIBILITY = "own"

    assert "An offer please" not in read(as_seller.get(ASIDE))
    assert as_seller.post(put_back(email)).status_code == 404


def test_taken_back_it_waits_again(as_seller, seller, email, file, company):
    as_seller.post(place(email), {"contact": company.label})

    response = as_seller.post(back(email), follow=True)

    html = read(response)
    assert "It waits again." in html
    assert "What you placed today" not in html
    assert not Interaction.objects.exists()
    email.refresh_from_db()
    assert (email.state, email.text, email.interaction) == (EmailState.WAITING, "When can you come by?", None)
    assert email.reason == "Sofie Claes placed it and took it back."
    file.refresh_from_db()
    assert (file.email, file.interaction) == (email, None)


def test_what_was_edited_or_placed_by_another_stays(as_seller, as_manager, email, company):
    as_seller.post(place(email), {"contact": company.label})
    assert as_manager.post(back(email)).status_code == 409
    Interaction.objects.update(edited_at=timezone.now())

    response = as_seller.post(back(email))

    assert response.status_code == 409
    assert "It stays where it is" in read(response)
    assert Interaction.objects.count() == 1
    assert "What you placed today" not in read(as_seller.get(LIST))


# Two at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [place, aside])
@pytest.mark.parametrize("method", ["get", "post"])
def test_second_one_is_told(as_seller, as_manager, email, company, url, method):
    as_manager.post(place(email), {"contact": company.label})

    response = getattr(as_seller, method)(url(email), {"contact": company.label})

    assert response.status_code == 409
    html = read(response)
    assert "<b>Tom Maes</b> acted first: Filed" in html
    assert Interaction.objects.count() == 1


def test_what_was_filed_when_it_came_in_is_not_placed_again(as_seller):
    email = EmailFactory(
        state=EmailState.FILED, text="", interaction=InteractionFactory(), placed_at=timezone.now()
    )

    assert as_seller.get(place(email)).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_two_who_place_one_at_the_same_moment():
    email = EmailFactory()
    users = [user_with_role(Role.SALESPERSON) for _ in range(2)]
    company = CompanyFactory()

    results = at_once(
        *(lambda user=user: filing.place(email, contact=company, opportunity=None, by=user) for user in users)
    )

    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["Interaction", "NoLongerWaiting"], results
    assert Interaction.objects.count() == 1


# The address of an opportunity -----------------------------------------------------------------------------------


def test_opportunity_shows_where_to_send_e_mail(settings, as_seller, as_viewer, opportunity):
    url = opportunity.get_absolute_url()
    assert "Send e-mail to" not in read(as_seller.get(url))
    settings.MAIL_IN = "crm@kansen.example"

    assert f"crm+{token(opportunity.number)}@kansen.example" in read(as_seller.get(url))
    assert "Send e-mail to" not in read(as_viewer.get(url))


def test_link_stands_in_the_sidebar_for_those_who_sell(as_seller, as_viewer):
    home = reverse("contacts:list")
    assert 'href="/emails/"' in read(as_seller.get(home))
    assert 'href="/emails/"' not in read(as_viewer.get(home))
