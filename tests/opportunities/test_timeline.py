"""The timeline: one list of entries and interactions, newest first, in pages that leave nothing out."""

import random
from datetime import date, timedelta

import pytest
from django.urls import reverse

from activities import operations as task_operations
from activities.models import Interaction
from crm.dates import today
from opportunities import operations, timeline
from opportunities.operations import Estimate
from opportunities.timeline import Place, Show
from tests.factories import (
    AttachmentFactory,
    CloseReasonFactory,
    CompanyFactory,
    InteractionFactory,
    OpportunityContactFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    TaskFactory,
    UserFactory,
    cycle_with_stages,
)

HTMX = {"HX-Request": "true", "HX-Target": "timeline"}


def noted(opportunity, *days_ago, **fields):
    """Notes about an opportunity, so many days ago."""
    by = UserFactory()
    return Interaction.objects.bulk_create(
        Interaction(
            opportunity=opportunity,
            text=f"Note {index}",
            happened_on=today() - timedelta(days=days),
            recorded_by=by,
            **fields,
        )
        for index, days in enumerate(days_ago)
    )


def revised(opportunity, times, *, on=None):
    """So many new estimates on one day."""
    on = on or today()
    for value in range(1, times + 1):
        operations.revise(
            opportunity=opportunity,
            estimate=Estimate(value, 50, today() + timedelta(days=30)),
            by=opportunity.entries.newest_first()[0].recorded_by,
            on=on,
        )


def names(found):
    """What the lines are, in a form that compares."""
    return [("entry", line.entry.sequence) if line.entry else ("said", line.interaction.pk) for line in found]


def read_all(read, size):
    """All lines, page by page, each page from the place where the one before ended, as an address carries it."""
    lines, place = [], None
    while True:
        page = read(place=place, size=size)
        assert len(page.lines) <= size
        lines += page.lines
        if page.older is None:
            return lines
        place = Place.read(str(page.older))
        assert place == page.older


# The list


def test_one_list_newest_first(opportunity, seller):
    begun = operations.create(
        description="Dock scheduling",
        contact=opportunity.contact,
        salesperson=opportunity.salesperson,
        cycle=opportunity.cycle,
        by=seller,
        on=today() - timedelta(days=9),
    ).opportunity
    late, early = noted(begun, 3, 20)
    operations.start(
        opportunity=begun, estimate=Estimate(5, 5, today()), by=seller, on=today() - timedelta(days=5)
    )

    found = timeline.of_opportunity(begun)

    assert names(found.lines) == [("said", late.pk), ("entry", 2), ("entry", 1), ("said", early.pk)]
    assert found.older is None


def test_of_two_on_one_day_the_one_recorded_later_is_newer(opportunity):
    (note,) = noted(opportunity, 0)
    revised(opportunity, 1)

    assert names(timeline.of_opportunity(opportunity).lines) == [
        ("entry", 3),
        ("said", note.pk),
        ("entry", 2),
        ("entry", 1),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("seed", range(4))
def test_pages_leave_nothing_out_and_repeat_nothing_whatever_shares_a_day(seed, size, seller, salesperson):
    chance = random.Random(seed)
    days = range(3)
    thing = OpportunityFactory(
        salesperson=salesperson, by=seller, on=today() - timedelta(days=3), started=True
    )
    for days_ago in reversed(days):
        noted(thing, *chance.choices(days, k=chance.randrange(6)))
        revised(thing, chance.randrange(6), on=today() - timedelta(days=days_ago))
    noted(thing, *chance.choices(days, k=8))

    whole = timeline.of_opportunity(thing, size=1000).lines
    paged = read_all(lambda **page: timeline.of_opportunity(thing, **page), size)

    assert names(paged) == names(whole)
    assert len(set(names(whole))) == len(whole) == thing.version + thing.interactions.count()
    assert [line.on for line in whole] == sorted((line.on for line in whole), reverse=True)
    assert [line.changes for line in paged] == [line.changes for line in whole]


def test_a_place_stays_right_while_others_write_and_delete(opportunity):
    rows = noted(opportunity, *[0] * 6)
    keys = [row.pk for row in rows]
    first = timeline.of_opportunity(opportunity, show=Show.NOTES, size=3)

    noted(opportunity, 0, 0)
    rows[3].delete()  # where the first page ended
    second = timeline.of_opportunity(opportunity, show=Show.NOTES, size=3, place=first.older)

    assert names(first.lines) == [("said", key) for key in keys[:2:-1]]
    assert names(second.lines) == [("said", key) for key in keys[2::-1]]


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        (Show.ALL, ["said", 7, 6, 5, 4, 3, 2, 1]),
        (Show.STAGES, [7, 5, 2, 1]),
        (Show.ESTIMATES, [5, 3, 2]),
        (Show.NOTES, ["said"]),
    ],
)
def test_what_one_wants_to_see(show, expected, seller, salesperson, company):
    cycle = cycle_with_stages("Qualify", "Present")
    thing = OpportunityFactory(salesperson=salesperson, by=seller, contact=company, cycle=cycle, started=True)
    at = {"opportunity": thing, "by": seller, "on": today()}
    same = operations.present_estimate(thing)
    operations.revise(estimate=Estimate(5, 50, same.closes_on), **at)
    operations.reassign(contact=PersonFactory(company=company), **at)
    present = cycle.stages.get(description="Present")
    operations.move(to=present, estimate=Estimate(6, 50, same.closes_on), **at)
    operations.reassign(contact=company, **at)
    operations.move(
        to=cycle.stages.get(description="Qualify"), estimate=Estimate(6, 50, same.closes_on), **at
    )
    noted(thing, 0)

    found = timeline.of_opportunity(thing, show=show).lines

    assert [line.entry.sequence if line.entry else "said" for line in found] == expected


def test_what_changed_is_told_also_when_the_entry_before_is_not_shown(opportunity, seller):
    operations.reassign(
        opportunity=opportunity, contact=PersonFactory(company=opportunity.contact), by=seller, on=today()
    )
    revised(opportunity, 1)

    (line, *_rest) = timeline.of_opportunity(opportunity, show=Show.ESTIMATES).lines

    assert next((change.name, change.old, change.new) for change in line.changes) == ("Value", 10_000, 1)
    assert "Contact" not in [change.name for change in line.changes]


# Places in addresses


@pytest.mark.parametrize(
    "place",
    [
        Place(sequence=12),
        Place(interaction=(date(2026, 3, 4), 55)),
        Place(12, (date(2026, 3, 4), 55)),
        Place(999_999_999, (date.max, 10**18 - 1)),
    ],
)
def test_a_place_can_be_written_and_read(place):
    assert Place.read(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "x",
        "12",
        "-1.",
        "12.2026-03-04",
        "12.2026-02-30.5",
        "9999999999.",
        "1.\x00",
        "\u0661.",
        "1.2026-03-04.5.6",
    ],
)
def test_what_is_no_place(text):
    assert Place.read(text) is None


# On the page


def test_page_shows_what_is_asked_for(as_seller, opportunity):
    noted(opportunity, 0)

    everything = as_seller.get(opportunity.get_absolute_url()).content.decode()
    notes = as_seller.get(opportunity.get_absolute_url(), {"show": "NOTES"}).content.decode()

    assert "Started in Qualify" in everything
    assert "Note 0" in everything
    assert "Started in Qualify" not in notes
    assert "Note 0" in notes


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"show": "GOSSIP"}, "One cannot ask to see “GOSSIP”, so all is shown"),
        ({"show": "\x00"}, "One cannot ask to see"),
        ({"before": "yesterday"}, "That place is not in this history, so the newest is shown."),
        ({"before": "9" * 40}, "That place is not in this history"),
        ({"show": "NOTES", "before": "12.2026-02-30.1"}, "That place is not in this history"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_what_one_cannot_ask_for_is_said_in_words(as_seller, opportunity, query, words, alone):
    url = (
        reverse("opportunities:timeline", args=[opportunity.pk]) if alone else opportunity.get_absolute_url()
    )

    response = as_seller.get(url, query, headers=HTMX if alone else {})

    assert response.status_code == 422
    assert words in response.content.decode()


def test_panel_alone_is_for_htmx_and_opened_directly_leads_to_the_page(as_seller, opportunity):
    url = reverse("opportunities:timeline", args=[opportunity.pk])

    alone = as_seller.get(url, {"show": "STAGES"}, headers=HTMX).content.decode()
    direct = as_seller.get(url, {"show": "STAGES"})

    assert "<html" not in alone
    assert 'id="timeline"' in alone
    assert direct.url == f"{opportunity.get_absolute_url()}?show=STAGES#timeline"


def test_older_lines_come_alone_and_are_announced_by_focus(as_seller, opportunity):
    noted(opportunity, *[0] * 30)
    first = as_seller.get(opportunity.get_absolute_url())
    url = reverse("opportunities:timeline", args=[opportunity.pk]) + first.context["panel"].older

    response = as_seller.get(url, headers={**HTMX, "HX-Target": "older"})

    html = response.content.decode()
    assert html.strip().startswith("<li")
    assert html.count("<li") == 12
    assert html.count("data-focus") == 1
    assert 'id="older"' not in html


def test_what_people_write_is_escaped_and_only_web_addresses_become_links(as_seller, opportunity):
    text = (
        "<b>bold</b>\njavascript:alert(1) www.example.com a@b.example\nsee (https://example.com/a?b=1&c=2)."
    )
    InteractionFactory(opportunity=opportunity, contact=None, text=text)

    html = as_seller.get(opportunity.get_absolute_url()).content.decode()

    assert "&lt;b&gt;bold&lt;/b&gt;<br>javascript:alert(1) www.example.com a@b.example<br>" in html
    link = '<a href="https://example.com/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">'
    assert "(" + link in html
    assert "b=1&amp;c=2</a>)." in html


def test_a_long_text_is_cut_and_can_be_read_whole(as_viewer, opportunity):
    note = InteractionFactory(opportunity=opportunity, contact=None, text="word " * 1900 + "the end")

    page = as_viewer.get(opportunity.get_absolute_url()).content.decode()
    whole = as_viewer.get(reverse("opportunities:note", args=[note.pk])).content.decode()

    assert "the end" not in page
    assert "Read all of it" in page
    assert "the end" in whole


@pytest.mark.parametrize("many", [1, 30])
def test_page_costs_the_same_whatever_its_history(
    as_manager, as_seller, opportunity, many, django_assert_num_queries
):
    revised(opportunity, many)
    entry = opportunity.entries.newest_first()[0]
    for note in noted(opportunity, *[0] * many):
        AttachmentFactory(interaction=note)
        TaskFactory(opportunity=opportunity, outcome=note, made_by=entry, closed=True)
        OpportunityContactFactory(
            opportunity=opportunity, contact=PersonFactory(company=CompanyFactory(), phone="+3292334455")
        )

    url = opportunity.get_absolute_url()
    for client, expected in ((as_manager, 11), (as_seller, 12)):
        client.get(url)  # how long a stay usually lasts is kept for a while
        with django_assert_num_queries(expected):
            client.get(url)


def test_page_stays_small(as_seller, opportunity, seller):
    for index in range(40):
        InteractionFactory(
            opportunity=opportunity, contact=None, text=f"{index} " + "long story " * 900, recorded_by=seller
        )
        OpportunityContactFactory(
            opportunity=opportunity, contact=PersonFactory(email=f"ann{index}@example.com", job_title="Buyer")
        )

    response = as_seller.get(opportunity.get_absolute_url())

    assert len(response.content) < 100_000


@pytest.mark.parametrize(("who", "status"), [("viewer", 200), ("stranger", 403)])
def test_panel_by_role(who, status, as_viewer, as_stranger, opportunity):
    client = {"viewer": as_viewer, "stranger": as_stranger}[who]

    response = client.get(reverse("opportunities:timeline", args=[opportunity.pk]), headers=HTMX)

    assert response.status_code == status
    assert "note_text" not in response.content.decode()


def test_panel_of_what_one_may_not_see_is_not_found(as_seller, settings):
    settings.VISIBILITY = "own"
    foreign = OpportunityFactory()

    assert (
        as_seller.get(reverse("opportunities:timeline", args=[foreign.pk]), headers=HTMX).status_code == 404
    )


# Of a contact


def said_to(contact, user, **page):
    return [line.interaction for line in timeline.of_contact(contact, user, **page).lines]


def test_contact_has_its_own_and_those_of_its_opportunities(opportunity, company, seller):
    person = PersonFactory(company=company)
    own = InteractionFactory(contact=company)
    of_person = InteractionFactory(contact=person)
    (of_opportunity,) = noted(opportunity, 1)
    involving = OpportunityContactFactory(contact=company).opportunity
    (of_involving,) = noted(involving, 2)
    InteractionFactory()  # of somebody else

    assert said_to(company, seller) == [of_person, own, of_opportunity, of_involving]
    assert said_to(person, seller) == [of_person]


def test_contact_tells_once_what_is_about_both(opportunity, company, seller):
    both = InteractionFactory(contact=company, opportunity=opportunity)
    OpportunityContactFactory(contact=company, opportunity=opportunity)

    assert said_to(company, seller) == [both]


def test_contact_tells_nothing_of_opportunities_one_may_not_see(settings, company, seller):
    settings.VISIBILITY = "own"
    foreign = OpportunityFactory(contact=company, salesperson=SalespersonFactory())
    noted(foreign, 1)
    InteractionFactory(contact=company, opportunity=foreign)
    own = InteractionFactory(contact=company)
    hidden = PersonFactory(company=company, salesperson=SalespersonFactory())
    company.salesperson = SalespersonFactory()
    company.save()
    InteractionFactory(contact=hidden)

    assert said_to(company, seller) == []
    company.salesperson = seller.salesperson
    company.save()
    assert len(said_to(company, seller)) == 2
    assert own in said_to(company, seller)


@pytest.mark.parametrize("size", [1, 3, 20])
def test_pages_of_a_contact_leave_nothing_out(size, opportunity, company, seller):
    noted(opportunity, 0, 0, 0, 1, 1)
    Interaction.objects.bulk_create(
        Interaction(
            contact=company, text="x", recorded_by=seller, happened_on=today() - timedelta(days=index // 3)
        )
        for index in range(6)
    )

    whole = timeline.of_contact(company, seller, size=100).lines
    paged = read_all(lambda **page: timeline.of_contact(company, seller, **page), size)

    assert names(paged) == names(whole)
    assert len(whole) == 11


def test_panel_of_a_contact_names_the_opportunity_and_is_a_page_of_its_own(as_seller, opportunity, company):
    noted(opportunity, 1)
    url = reverse("opportunities:contact-timeline", args=[company.pk])

    alone = as_seller.get(url, headers=HTMX).content.decode()
    page = as_seller.get(url).content.decode()

    assert "<html" not in alone
    assert "<html" in page
    for html in (alone, page):
        assert opportunity.get_absolute_url() in html
        assert "Note 0" in html


@pytest.mark.parametrize("many", [1, 30])
def test_panel_of_a_contact_costs_the_same(
    as_manager, manager, company, cycle, many, django_assert_num_queries
):
    for index in range(many):
        thing = OpportunityFactory(contact=company, cycle=cycle)
        noted(thing, index)
        AttachmentFactory(
            interaction=InteractionFactory(contact=company, happened_on=today() - timedelta(days=index))
        )

    with django_assert_num_queries(10):
        as_manager.get(reverse("opportunities:contact-timeline", args=[company.pk]), headers=HTMX)


def test_contact_page_asks_for_the_panel(as_seller, company):
    html = as_seller.get(company.get_absolute_url()).content.decode()

    assert (
        html.count(reverse("opportunities:contact-timeline", args=[company.pk])) == 2
    )  # htmx, and a plain link


# What a contact is only involved in


def test_panel_lists_what_a_contact_is_only_involved_in(as_seller, opportunity, company):
    person = PersonFactory()
    OpportunityContactFactory(opportunity=opportunity, contact=person, role="DECISION_MAKER")

    html = as_seller.get(reverse("opportunities:for-contact", args=[person.pk])).content.decode()

    assert opportunity.number in html
    assert "as Decision maker" in html


def test_panel_hides_what_one_may_not_see_although_a_contact_is_involved(settings, as_seller):
    settings.VISIBILITY = "own"
    part = OpportunityContactFactory()

    html = as_seller.get(reverse("opportunities:for-contact", args=[part.contact.pk])).content.decode()

    assert part.opportunity.number not in html


@pytest.mark.parametrize("many", [1, 12])
def test_panel_of_a_contact_with_parts_is_bounded(as_seller, cycle, many, django_assert_num_queries):
    person = PersonFactory()
    for _ in range(many):
        OpportunityContactFactory(opportunity=OpportunityFactory(cycle=cycle), contact=person)
        OpportunityFactory(cycle=cycle, contact=person)

    with django_assert_num_queries(8):
        response = as_seller.get(reverse("opportunities:for-contact", args=[person.pk]))

    assert len(response.context["rows"]) == min(many * 2, 10)


# Tasks


@pytest.fixture
def call(opportunity, salesperson):
    return TaskFactory(description="Call <Ann>", opportunity=opportunity, salesperson=salesperson)


def test_what_came_of_a_task_names_the_task(as_seller, seller, opportunity, call):
    task_operations.complete_task(task=call, by=seller, outcome="She agrees.")
    noted(opportunity, 1)

    panel = as_seller.get(reverse("opportunities:timeline", args=[opportunity.pk]), headers=HTMX).text

    assert (
        f'Outcome of the task <a href="{call.get_absolute_url()}" data-dialog>Call &lt;Ann&gt;</a>' in panel
    )
    assert panel.count("Outcome of the task") == 1


@pytest.mark.parametrize("sees", [True, False])
def test_a_contact_names_the_task_only_to_whom_sees_it(settings, as_seller, salesperson, company, sees):
    settings.VISIBILITY = "own" if not sees else settings.VISIBILITY
    company.salesperson = salesperson
    company.save()
    note = InteractionFactory(contact=company, opportunity=None, text="She agrees.")
    TaskFactory(description="Call Ann", contact=company, outcome=note, closed=True)

    panel = as_seller.get(reverse("opportunities:contact-timeline", args=[company.pk]), headers=HTMX).text

    assert ("She agrees." in panel, "Call Ann" in panel) == (True, sees)


def test_a_change_tells_which_tasks_came_and_which_were_cancelled(as_seller, seller, opportunity, call):
    entry = opportunity.entries.newest_first()[0]
    for index in range(5):
        TaskFactory(description=f"Step {index}", opportunity=opportunity, made_by=entry)
    elsewhere = OpportunityFactory()
    TaskFactory(description="Elsewhere", opportunity=elsewhere, made_by=entry)
    operations.close(
        opportunity=opportunity,
        outcome="LOST",
        reason=CloseReasonFactory(outcome="LOST"),
        amount=None,
        cancel_tasks=[call.pk],
        by=seller,
        on=today(),
    )

    panel = as_seller.get(reverse("opportunities:timeline", args=[opportunity.pk]), headers=HTMX).text

    assert "5 tasks came: “Step 0”, “Step 1”, “Step 2” and 2 more" in panel
    assert "1 task was cancelled: “Call &lt;Ann&gt;”" in panel
    assert "Elsewhere" not in panel
    operations.undo(opportunity=opportunity, by=seller, on=today(), note="By mistake.")
    (line, *_rest) = timeline.of_opportunity(opportunity).lines
    assert line.tasks == ["1 task is open again: “Call <Ann>”"]
