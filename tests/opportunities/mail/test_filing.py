"""Where a message goes, what is kept of it, and what waits, with which reason."""

from datetime import date

import pytest
from django.db import connection

from activities.models import Attachment, Email, EmailState, Interaction
from contacts.models import Contact
from opportunities.mail.filing import Fate, file_message
from opportunities.mail.reading import read
from opportunities.mail.tokens import filing_address, token
from salespeople.models import User
from tests.factories import (
    CompanyFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
)
from tests.opportunities.mail.messages import message, with_file, written
from tests.threads import at_once

pytestmark = pytest.mark.django_db
MAIL_IN = "crm@kansen.example"
BLOCKED = "A contact it is about is blocked for privacy."


@pytest.fixture(autouse=True)
def address(settings):
    settings.MAIL_IN = MAIL_IN


@pytest.fixture
def ann(company):
    return PersonFactory(first_name="Ann", last_name="Peeters", company=company, email="Ann@Acme.example")


def filed(mail, **options):
    return file_message(read(written(mail)), **options)


def the_interaction(mail):
    assert filed(mail) == Fate.FILED
    email = Email.objects.get()
    assert (email.state, email.text, email.reason) == (EmailState.FILED, "", "")
    return email.interaction


def why_it_waits(mail):
    assert filed(mail) == Fate.WAITING
    assert not Interaction.objects.exists()
    return Email.objects.waiting().get().reason


# By address ------------------------------------------------------------------------------------------------------


def test_mail_of_a_contact_goes_to_the_contact(ann, settings):
    interaction = the_interaction(message("When can you come by?"))

    assert interaction.kind == "EMAIL"
    assert interaction.contact == ann
    assert interaction.opportunity is None
    assert interaction.happened_on == date(2026, 11, 20)
    assert interaction.recorded_by == User.objects.for_commands()
    assert interaction.text == (
        "A question\nFrom ann@acme.example to sofie@kansen.example\n\nWhen can you come by?"
    )


def test_mail_of_a_colleague_goes_to_whom_it_was_written(ann, seller):
    interaction = the_interaction(message(sender=seller.email, to="ann@acme.example, crm@kansen.example"))

    assert interaction.contact == ann
    assert interaction.recorded_by == seller


def test_day_is_that_of_the_colleague(ann):
    UserFactory(email="kim@kansen.example", time_zone="Asia/Tokyo")

    interaction = the_interaction(message(to="kim@kansen.example", Date="Fri, 20 Nov 2026 23:30:00 +0100"))

    assert interaction.happened_on == date(2026, 11, 21)
    assert interaction.recorded_by.email == "kim@kansen.example"


def test_colleague_is_known_by_the_address_of_the_salesperson(ann, seller, salesperson):
    salesperson.email = "Sofie@Kansen.example"
    salesperson.save()

    assert the_interaction(message()).recorded_by == seller


def test_addresses_of_colleagues_are_no_contacts(seller, salesperson):
    salesperson.email = "sofie@kansen.example"
    salesperson.save()
    for email in (seller.email, "sofie@kansen.example", MAIL_IN, "crm+x@kansen.example"):
        CompanyFactory(email=email)

    reason = why_it_waits(
        message(sender=seller.email, to=f"sofie@kansen.example, {MAIL_IN}, crm+x@kansen.example")
    )

    assert reason == "It names nobody but colleagues."


def test_sender_goes_before_recipients_and_these_in_order(ann, seller):
    bob, eva = PersonFactory(email="bob@beta.example"), PersonFactory(email="eva@gamma.example")

    for sender, to, contact in [
        ("ann@acme.example", "bob@beta.example", ann),
        (seller.email, "eva@gamma.example, bob@beta.example", eva),
    ]:
        filed(message(sender=sender, to=to))
        assert Interaction.objects.latest("pk").contact == contact
    filed(message(sender=seller.email, to=MAIL_IN, Cc="bob@beta.example"))
    assert Interaction.objects.latest("pk").contact == bob


@pytest.mark.parametrize("sender", ["evil@stranger.example", MAIL_IN, "no address at all"])
@pytest.mark.parametrize("to", ["ann@acme.example", "ann@acme.example, sofie@kansen.example"])
def test_stranger_does_not_write_into_the_story_of_a_contact(ann, seller, sender, to):
    PersonFactory(email="")
    OpportunityFactory(contact=ann)

    assert why_it_waits(message(sender=sender, to=to)) == "Its sender is neither a contact nor a colleague."


def test_unknown_sender_waits_with_text(seller):
    assert why_it_waits(message("Hello?")) == "No contact has one of its addresses."

    email = Email.objects.get()
    assert (email.sender, email.recipients, email.subject, email.text) == (
        "ann@acme.example", "sofie@kansen.example", "A question", "Hello?",
    )  # fmt: skip


def test_merged_contact_is_the_one_that_carries_on(ann):
    kept = PersonFactory()
    Contact.objects.filter(pk=ann.pk).update(merged_into=kept)

    assert the_interaction(message()).contact == kept


@pytest.mark.parametrize("who", ["ann", "company"])
def test_nothing_is_filed_on_somebody_blocked_for_privacy(ann, company, who):
    blocked = {"ann": ann, "company": company}[who]
    blocked.is_privacy_blocked = True
    blocked.save()

    assert why_it_waits(message()) == BLOCKED


def test_blocked_one_of_two_with_an_address_waits(ann):
    PersonFactory(email=ann.email, is_privacy_blocked=True)

    assert why_it_waits(message()) == BLOCKED


def test_two_with_one_address_wait_and_are_not_named(ann):
    PersonFactory(email="ANN@acme.example")

    assert why_it_waits(message()) == "2 contacts have the address ann@acme.example."


def test_of_two_with_one_address_the_one_in_use_is_meant(ann):
    other = PersonFactory(email=ann.email)
    opportunity = OpportunityFactory(contact=other)

    interaction = the_interaction(message())

    assert (interaction.contact, interaction.opportunity) == (other, opportunity)


# The opportunity -------------------------------------------------------------------------------------------------


def test_only_open_opportunity_of_the_contact_is_meant(ann, lost):
    opportunity = OpportunityFactory(contact=ann)

    assert the_interaction(message()).opportunity == opportunity


def test_opportunity_in_which_the_contact_is_involved_is_meant(ann):
    involved = OpportunityContactFactory(contact=ann)

    assert the_interaction(message()).opportunity == involved.opportunity


def test_only_open_opportunity_of_the_company_is_meant_when_the_person_has_none(ann, opportunity, lost):
    assert the_interaction(message()).opportunity == opportunity


def test_own_opportunity_goes_before_the_company_s(ann, opportunity):
    own = OpportunityContactFactory(contact=ann).opportunity

    assert the_interaction(message()).opportunity == own


def test_of_several_open_opportunities_none_is_guessed(ann):
    OpportunityFactory(contact=ann)
    OpportunityContactFactory(contact=ann)

    interaction = the_interaction(message())

    assert (interaction.contact, interaction.opportunity) == (ann, None)


# By the mark -----------------------------------------------------------------------------------------------------


def test_mark_in_the_subject_names_the_opportunity(ann, opportunity, lost):
    interaction = the_interaction(message(Subject=f"Re: [{token(lost.number).lower()}] the offer"))

    assert (interaction.opportunity, interaction.contact) == (lost, ann)


@pytest.mark.parametrize("header", ["To", "Cc", "Delivered-To", "X-Original-To"])
def test_mark_in_an_address_names_the_opportunity(opportunity, header):
    mail = message(
        sender="nobody@else.example",
        to=None,
        **{header.replace("-", "_"): filing_address(opportunity.number)},
    )

    interaction = the_interaction(mail)

    assert (interaction.opportunity, interaction.contact) == (opportunity, None)


@pytest.mark.parametrize("seal", ["0123456789", "", "0" * 9])
def test_mark_with_a_wrong_seal_names_nothing(opportunity, seal):
    why_it_waits(
        message(
            Subject=f"[{opportunity.number}.{seal}]", to=f"crm+{opportunity.number}.{seal}@kansen.example"
        )
    )


def test_mark_of_another_secret_key_holds_as_long_as_the_key_is_kept(settings, opportunity):
    old, mark = settings.SECRET_KEY, token(opportunity.number)
    settings.SECRET_KEY = "another"
    why_it_waits(message(Subject=f"[{mark}]"))
    settings.SECRET_KEY_FALLBACKS = [old]

    assert filed(message(Subject=f"[{mark}]")) == Fate.FILED


def test_mark_of_an_opportunity_that_is_gone_leaves_the_addresses(ann):
    assert the_interaction(message(Subject=f"[{token('OP-99999')}]")).contact == ann


def test_nothing_is_filed_in_an_opportunity_with_somebody_blocked(opportunity, company):
    company.is_privacy_blocked = True
    company.save()

    reason = why_it_waits(message(Subject=f"[{token(opportunity.number)}]"))

    assert reason == BLOCKED


def test_somebody_blocked_who_writes_to_an_opportunity_is_not_filed(opportunity):
    PersonFactory(email="ann@acme.example", is_privacy_blocked=True)

    reason = why_it_waits(message(Subject=f"[{token(opportunity.number)}]"))

    assert reason == BLOCKED


def test_without_an_address_for_mail_there_is_no_filing_address(settings, opportunity):
    assert filing_address(opportunity.number) == f"crm+{token(opportunity.number)}@kansen.example"
    settings.MAIL_IN = ""
    assert filing_address(opportunity.number) == ""


# Machines, files, copies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}])
def test_what_a_machine_sent_waits(ann, opportunity, header):
    reason = why_it_waits(message(Subject=f"[{token(opportunity.number)}] Away", **header))

    assert reason == "A machine sent it: an automatic answer, a report or a mailing to many."


def test_files_come_along_and_those_refused_are_named(ann):
    mail = with_file(
        with_file(message("See both."), "offer.pdf"), "run.exe", b"MZ", "application/x-msdownload"
    )

    interaction = the_interaction(mail)

    file = interaction.attachments.get()
    assert (file.name, file.size, file.file.read()) == ("offer.pdf", 8, b"%PDF-1.7")
    assert "Left out:\n- “run.exe” is not of a kind that is kept." in interaction.text
    assert interaction.text.endswith("\n\nSee both.")


def test_file_that_is_too_large_does_not_stop_the_message(ann, settings):
    settings.LARGEST_ATTACHMENT = 4

    interaction = the_interaction(with_file(message()))

    assert not interaction.attachments.exists()
    assert "“offer.pdf” is larger than 4" in interaction.text


def test_what_waits_keeps_its_files():
    why_it_waits(with_file(with_file(message()), "run.exe", b"MZ"))

    email = Email.objects.get()
    assert [file.name for file in email.attachments.all()] == ["offer.pdf"]
    assert email.text.startswith("Left out:\n- “run.exe”")


def test_long_text_fits(ann):
    interaction = the_interaction(message("word " * 20_000, Subject="s" * 3_000))

    assert len(interaction.text) <= 10_000
    assert interaction.text.endswith("[The rest was left out: it is too long.]")
    interaction.full_clean()


def test_copies_are_filed_once(ann):
    mail = message()

    assert [filed(mail), filed(mail)] == [Fate.FILED, Fate.THERE]
    assert Interaction.objects.count() == Email.objects.count() == 1


def test_dry_run_keeps_nothing(ann):
    assert filed(with_file(message()), dry_run=True) == Fate.FILED
    assert filed(with_file(message(sender="x@y.example")), dry_run=True) == Fate.WAITING

    assert not Interaction.objects.exists()
    assert not Email.objects.exists()
    assert not Attachment.objects.exists()
    assert not User.objects.filter(email="operator@localhost").exists()


def test_message_without_anything_is_kept(company):
    company.email = "ann@acme.example"
    company.save()

    interaction = the_interaction(b"From: ann@acme.example\r\n\r\n")

    assert interaction.text == "(no subject)\nFrom ann@acme.example"


def test_many_addresses_cost_few_queries(ann, django_assert_max_num_queries):
    SalespersonFactory.create_batch(3)
    mail = read(written(message(to=", ".join(f"p{n}@x.example" for n in range(90)))))

    with django_assert_max_num_queries(25):
        file_message(mail)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_file_a_message_once():
    PersonFactory(email="ann@acme.example")
    mail = read(written(with_file(message())))

    results = at_once(lambda: file_message(mail), lambda: file_message(mail))

    assert sorted(fate.value for fate in results) == ["already there", "filed"], results
    assert Interaction.objects.count() == Attachment.objects.count() == 1
    assert connection.vendor
