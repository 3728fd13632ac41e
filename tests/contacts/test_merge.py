"""Two contacts made one, and brought back: what moves, who may, what is refused, and what others did meanwhile."""

from datetime import date

import pytest
from django.apps import apps
from django.contrib.messages import get_messages
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts import operations
from contacts.models import Contact, ContactKind, ContactMerge
from salespeople.models import Role
from tests.factories import (
    CompanyFactory,
    IndustryGroupFactory,
    InteractionFactory,
    OpportunityFactory,
    PersonFactory,
    SalespersonFactory,
    UserFactory,
    user_with_role,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return UserFactory()


@pytest.fixture
def seller(client):
    user = user_with_role(Role.SALESPERSON)
    client.force_login(user)
    return user


@pytest.fixture
def kept():
    return CompanyFactory(name="Acme", city="Gent", country="BE")


@pytest.fixture
def merged():
    return CompanyFactory(name="Acme NV", email="info@acme.example", phone="+3292334455", city="Gent")


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def merge_url(kept, merged):
    return reverse("contacts:merge-with", args=[kept.pk, merged.pk])


def undo_url(done):
    return reverse("contacts:unmerge", args=[done.kept_id, done.pk])


def form_of(client, url):
    """What the page's form would send."""
    form = client.get(url).context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value is not None}


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


# Merging ---------------------------------------------------------------------------------------------------------


def test_merging_fills_what_the_kept_one_lacks(by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    now = fresh(kept)
    assert (now.name, now.email, now.phone, now.city) == ("Acme", "info@acme.example", "+3292334455", "Gent")
    assert fresh(merged).merged_into == kept
    assert (done.kept, done.merged, done.made_by, done.record["chosen"]["email"]) == (
        kept,
        merged,
        by,
        "merged",
    )


def test_merging_takes_what_was_chosen(by, kept, merged):
    Contact.objects.filter(pk=merged.pk).update(address="Kaai 1", city="Brugge")
    chosen = {"name": "merged", "address": "merged", "email": "kept"}

    operations.merge(kept=kept, merged=merged, chosen=chosen, by=by)

    now = fresh(kept)
    assert (now.name, now.address, now.city, now.country, now.email) == (
        "Acme NV",
        "Kaai 1",
        "Brugge",
        "",
        "",
    )
    assert now.name_key == "acme"
    assert "acme nv" in now.search_text


def test_merging_keeps_the_older_customer_number_and_loses_none(by, kept, merged):
    kept.make_customer(on=date(2026, 5, 1))
    older = merged.make_customer(on=date(2025, 5, 1))
    young = fresh(kept)

    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    assert (fresh(kept).customer_number, fresh(kept).customer_since) == (
        older.customer_number,
        date(2025, 5, 1),
    )
    assert fresh(merged).customer_number == young.customer_number


@pytest.mark.parametrize(("chosen", "on_kept", "on_merged"), [("kept", "A", "B"), ("merged", "B", "A")])
def test_no_external_id_is_lost(by, kept, merged, chosen, on_kept, on_merged):
    Contact.objects.filter(pk=kept.pk).update(external_id="A")
    Contact.objects.filter(pk=merged.pk).update(external_id="B")

    operations.merge(kept=kept, merged=merged, chosen={"external_id": chosen}, by=by)

    assert (fresh(kept).external_id, fresh(merged).external_id) == (on_kept, on_merged)


def test_merging_unites_industry_groups_and_privacy(by, kept, merged):
    both, only = IndustryGroupFactory(), IndustryGroupFactory()
    kept.industry_groups.add(both)
    merged.industry_groups.add(both, only)
    Contact.objects.filter(pk=merged.pk).update(is_privacy_blocked=True)

    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    assert set(kept.industry_groups.all()) == {both, only}
    assert fresh(kept).is_privacy_blocked
    operations.unmerge(merge=done, by=by)
    assert list(kept.industry_groups.all()) == [both]
    assert not fresh(kept).is_privacy_blocked


def test_people_move_with_the_company(by, kept, merged):
    person, gone = PersonFactory(company=merged), PersonFactory(company=merged)
    operations.merge(kept=person, merged=gone, chosen={}, by=by)

    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    assert {fresh(person).company, fresh(gone).company} == {kept}

    operations.unmerge(merge=done, by=by)
    assert {fresh(person).company, fresh(gone).company} == {merged}


def test_everything_that_points_at_contacts_is_accounted_for():
    """Whoever adds a foreign key to contacts decides here whether it moves."""
    moves = {
        "contacts.Contact.company",
        "opportunities.Opportunity.contact",
        "opportunities.Opportunity.company",
        "opportunities.OpportunityContact.contact",
        "activities.Interaction.contact",
        "activities.Task.contact",
    }
    stays = {
        "contacts.Contact.merged_into",
        "contacts.ContactMerge.kept",
        "contacts.ContactMerge.merged",
        "opportunities.OpportunityEntry.contact",  # the ledger says what was true then
        "opportunities.OpportunityEntry.company",
    }

    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is Contact
    }

    assert found == moves | stays


# What is refused -------------------------------------------------------------------------------------------------


def test_a_contact_is_not_merged_with_itself(by, kept):
    with pytest.raises(operations.CannotMerge, match="the same contact"):
        operations.merge(kept=kept, merged=kept, chosen={}, by=by)


def test_a_company_is_not_merged_with_a_person(by, kept):
    with pytest.raises(operations.CannotMerge, match="change its kind first"):
        operations.merge(kept=kept, merged=PersonFactory(), chosen={}, by=by)


def test_a_merged_contact_is_not_merged_again(by, kept, merged):
    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    for first, second in [(kept, merged), (merged, kept), (merged, CompanyFactory())]:
        with pytest.raises(operations.CannotMerge, match=r"was merged into .* Acme already"):
            operations.merge(kept=first, merged=second, chosen={}, by=by)


def test_a_contact_that_was_deleted_is_not_merged(by, kept, merged):
    Contact.objects.filter(pk=merged.pk).delete()

    with pytest.raises(operations.CannotMerge, match="deleted meanwhile"):
        operations.merge(kept=kept, merged=merged, chosen={}, by=by)


@pytest.mark.parametrize(
    "change",
    [
        lambda contact: Contact.objects.filter(pk=contact.pk).update(city="Brugge"),
        lambda contact: PersonFactory(company=contact),
        lambda contact: OpportunityFactory(contact=contact),
        lambda contact: InteractionFactory(contact=contact),
        lambda contact: contact.industry_groups.add(IndustryGroupFactory()),
    ],
)
def test_merging_is_refused_after_a_change_by_somebody_else(by, kept, merged, change):
    seen = operations.look(kept, merged).mark
    change(merged)

    with pytest.raises(operations.ChangedMeanwhile):
        operations.merge(kept=kept, merged=merged, chosen={}, by=by, seen=seen)

    assert fresh(merged).merged_into is None


# Taking it back --------------------------------------------------------------------------------------------------


def test_undoing_keeps_what_somebody_changed_since(by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    Contact.objects.filter(pk=kept.pk).update(phone="+3291111111")

    stays = operations.unmerge(merge=done, by=by)

    assert stays == ["Phone"]
    assert (fresh(kept).phone, fresh(kept).email) == ("+3291111111", "")
    assert (fresh(merged).phone, fresh(merged).merged_into) == ("+3292334455", None)
    assert (fresh(done).undone_by, fresh(done).undone_at is None) == (by, False)


def test_a_merge_is_undone_once(by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    operations.unmerge(merge=done, by=by)

    with pytest.raises(operations.CannotUnmerge, match="undone already"):
        operations.unmerge(merge=done, by=by)


def test_what_was_merged_further_is_undone_first(by, kept, merged):
    last = CompanyFactory(name="Acme Group")
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    further = operations.merge(kept=last, merged=kept, chosen={}, by=by)

    with pytest.raises(operations.CannotUnmerge, match="Undo that first"):
        operations.unmerge(merge=done, by=by)

    operations.unmerge(merge=further, by=by)
    operations.unmerge(merge=ContactMerge.objects.get(pk=done.pk), by=by)
    assert fresh(merged).merged_into is None


def test_undoing_is_refused_when_a_number_is_taken(by, kept, merged):
    Contact.objects.filter(pk=merged.pk).update(external_id="B")
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    Contact.objects.filter(pk=kept.pk).update(external_id="")
    CompanyFactory(name="Other", external_id="B")

    with pytest.raises(operations.CannotUnmerge, match=r"external id B belongs to .* Other"):
        operations.unmerge(merge=done, by=by)


def test_undoing_is_refused_when_the_kept_one_has_taken_the_number_on_purpose(by, kept, merged):
    Contact.objects.filter(pk=merged.pk).update(external_id="B")
    Contact.objects.filter(pk=kept.pk).update(external_id="A")
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    Contact.objects.filter(pk=merged.pk).update(external_id="")
    Contact.objects.filter(pk=kept.pk).update(external_id="B")

    with pytest.raises(operations.CannotUnmerge, match=r"external id B belongs to .* Acme"):
        operations.unmerge(merge=done, by=by)


def test_undoing_is_refused_after_a_change_by_somebody_else(by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    seen = operations.look(fresh(merged), fresh(kept)).mark
    Contact.objects.filter(pk=kept.pk).update(city="Brugge")

    with pytest.raises(operations.ChangedMeanwhile):
        operations.unmerge(merge=done, by=by, seen=seen)


def test_undoing_leaves_a_salesperson_who_is_gone(by, kept, merged):
    gone, there = SalespersonFactory(), SalespersonFactory()
    Contact.objects.filter(pk=kept.pk).update(salesperson=gone)
    Contact.objects.filter(pk=merged.pk).update(salesperson=there)
    done = operations.merge(kept=kept, merged=merged, chosen={"salesperson": "merged"}, by=by)
    gone.delete()

    assert operations.unmerge(merge=done, by=by) == ["Salesperson"]
    assert (fresh(kept).salesperson, fresh(merged).salesperson) == (there, there)


def test_undoing_leaves_a_company_that_is_gone(by, kept):
    gone, there = CompanyFactory(), CompanyFactory()
    person, other = PersonFactory(company=gone), PersonFactory(company=there)
    done = operations.merge(kept=person, merged=other, chosen={"company": "merged"}, by=by)
    gone.delete()

    assert operations.unmerge(merge=done, by=by) == ["Company"]
    assert (fresh(person).company, fresh(other).company) == (there, there)


def test_undoing_follows_a_company_that_was_merged_since(by, kept, merged):
    person, gone = PersonFactory(), PersonFactory(company=merged)
    done = operations.merge(kept=person, merged=gone, chosen={}, by=by)
    further = operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    operations.unmerge(merge=done, by=by)
    assert (fresh(gone).company, fresh(person).company) == (kept, kept)

    operations.unmerge(merge=further, by=by)
    assert fresh(gone).company == merged


def test_merging_into_one_that_goes_out_of_sight_ends_at_the_list(client, seller, settings, kept, merged):
    settings.VISIBILITY = "own"
    company = CompanyFactory(salesperson=seller.own_salesperson)
    mine = PersonFactory(name="Ann", company=company, salesperson=SalespersonFactory())
    other = PersonFactory(name="Anne", company=CompanyFactory(salesperson=SalespersonFactory()))
    Contact.objects.filter(pk=other.pk).update(salesperson=seller.own_salesperson)
    url = merge_url(mine, other)

    response = client.post(url, {**form_of(client, url), "company": "merged", "salesperson": "kept"})

    assert response["Location"] == reverse("contacts:list")


TEXTS = st.sampled_from(["", "One", "Two"])
CONTACTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Acme", "Acme NV"]),
        "email": st.sampled_from(["", "a@example.com", "b@example.com"]),
        "phone": st.sampled_from(["", "+3292334455", "+3291111111"]),
        "mobile": st.sampled_from(["", "+32470123456"]),
        "city": TEXTS,
        "address": TEXTS,
        "vat_number": st.sampled_from(["", "BE0123456749"]),
        "is_privacy_blocked": st.booleans(),
    }
)
IDS = st.sampled_from(["", "X", "Y"])
SINCE = st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2026, 1, 1)))


class TestThereAndBack(TestCase):
    """Undoing restores everything, whatever was there and whatever was chosen."""

    @given(
        both=st.tuples(CONTACTS, CONTACTS),
        ids=st.tuples(IDS, IDS),
        since=st.tuples(SINCE, SINCE),
        groups=st.tuples(st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2))),
        chosen=st.dictionaries(
            st.sampled_from(sorted(operations.PARTS)), st.sampled_from(["kept", "merged"])
        ),
    )
    def test_there_and_back(self, both, ids, since, groups, chosen):
        pool = [IndustryGroupFactory() for _n in range(3)]
        pair = [CompanyFactory(**{**facts, "is_privacy_blocked": False}) for facts in both]
        for index, contact in enumerate(pair):
            if since[index]:
                contact.make_customer(on=since[index])
            if ids[0] != ids[1]:
                Contact.objects.filter(pk=contact.pk).update(external_id=ids[index])
            contact.industry_groups.set([pool[number] for number in groups[index]])
            PersonFactory(company=contact)
            OpportunityFactory(contact=contact)
            InteractionFactory(contact=contact)
            is_blocked = both[index]["is_privacy_blocked"]
            Contact.objects.filter(pk=contact.pk).update(is_privacy_blocked=is_blocked)
        before = self.everything(pair)

        kept, merged = map(fresh, pair)
        done = operations.merge(kept=kept, merged=merged, chosen=chosen, by=UserFactory())
        assert operations.what_hangs_on(merged) == []
        operations.unmerge(merge=done, by=UserFactory())

        assert self.everything(pair) == before

    @staticmethod
    def everything(pair):
        rows = Contact.objects.filter(pk__in=[contact.pk for contact in pair]).order_by("pk")
        return [
            list(rows.values()),
            [set(contact.industry_groups.all()) for contact in pair],
            [set(contact.people.all()) for contact in pair],
            [operations.what_hangs_on(contact) for contact in pair],
        ]


# Where merged contacts are left out, and where they lead ---------------------------------------------------------


def test_merged_contacts_are_not_shown_and_lead_to_the_kept_one(client, seller, by, kept, merged):
    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    listed = client.get(reverse("contacts:list"))
    suggested = client.get(reverse("contacts:suggest"), {"q": "acme"})
    detail = client.get(merged.get_absolute_url())

    assert [row.pk for row in listed.context["page"].rows] == [kept.pk]
    assert merged.number not in suggested.content.decode()
    assert detail.status_code == 302
    assert detail["Location"] == kept.get_absolute_url()
    assert said(detail) == [f"{merged.label} was merged into this contact."]


def test_what_was_typed_about_one_that_was_merged_meanwhile_is_shown_again(client, seller, by, kept, merged):
    url = reverse("contacts:edit", args=[merged.pk])
    sent = form_of(client, url)
    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    response = client.post(url, {**sent, "city": "Brugge", "language": "nl"})

    html = response.content.decode()
    assert response.status_code == 409
    assert "Brugge" in html
    assert f"Merged into {kept.label}" in html
    assert reverse("contacts:edit", args=[kept.pk]) in html
    assert client.get(url)["Location"] == kept.get_absolute_url()
    assert client.post(reverse("contacts:edit", args=[424242]), {}).status_code == 404


def test_the_page_of_one_that_never_was_is_not_found(client, seller):
    assert client.get(reverse("contacts:detail", args=[424242])).status_code == 404


# The pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_who_does_not_sell_merges_nothing(client, by, kept, merged, role):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    client.force_login(user_with_role(role))

    for url in [reverse("contacts:merge", args=[kept.pk]), merge_url(kept, CompanyFactory()), undo_url(done)]:
        assert client.get(url).status_code == 403
        assert client.post(url).status_code in (403, 405)

    assert fresh(merged).merged_into == kept


def test_contacts_of_others_are_not_found(client, seller, settings, by, kept, merged):
    settings.VISIBILITY = "own"
    hidden = CompanyFactory(name="Acme BV", salesperson=SalespersonFactory())
    done = operations.merge(kept=hidden, merged=merged, chosen={}, by=by)

    assert client.get(merge_url(kept, hidden)).status_code == 404
    assert client.get(merge_url(hidden, kept)).status_code == 404
    assert client.get(merge_url(kept, merged)).status_code == 404
    assert client.get(undo_url(done)).status_code == 404
    assert client.get(merged.get_absolute_url()).status_code == 404


def test_the_other_one_is_chosen_by_typing_or_from_those_alike(client, seller, kept, merged):
    url = reverse("contacts:merge", args=[kept.pk])

    page = client.get(url)
    chosen = client.get(url, {"other": merged.label})

    assert [found.contact for found in page.context["duplicates"]] == [merged]
    assert chosen["Location"] == merge_url(kept, merged)


@pytest.mark.parametrize("typed", ["", "nobody", "\0", "C-99999999"])
def test_a_contact_that_is_not_there_is_not_chosen(client, seller, kept, typed):
    response = client.get(reverse("contacts:merge", args=[kept.pk]), {"other": typed})

    assert response.status_code == 422
    assert response.context["form"].errors["other"]


def test_itself_is_not_chosen(client, seller, kept):
    response = client.get(reverse("contacts:merge", args=[kept.pk]), {"other": kept.label})

    assert response.status_code == 422
    assert "the same contact" in response.content.decode()


def test_both_are_shown_side_by_side_with_what_moves(client, seller, kept, merged):
    PersonFactory(company=merged)
    OpportunityFactory(contact=merged)
    InteractionFactory(contact=merged)

    page = client.get(merge_url(kept, merged))

    form = page.context["form"]
    assert {name: field.initial for name, field in form.fields.items() if name != "seen"} == {
        "name": "kept",
        "email": "merged",
        "phone": "merged",
        "address": "kept",
    }
    assert [count.text for count in page.context["moves"]] == [
        "1 person of the company",
        "1 interaction",
        "1 opportunity",
    ]


def test_merging_by_the_form(client, seller, kept, merged):
    PersonFactory(company=merged)
    url = merge_url(kept, merged)

    response = client.post(url, {**form_of(client, url), "name": "merged"})

    assert response["Location"] == kept.get_absolute_url()
    assert said(response) == [f"Merged {merged.label} into {kept.label}. Moved: 1 person of the company."]
    assert (fresh(kept).name, fresh(kept).email) == ("Acme NV", "info@acme.example")


@pytest.mark.parametrize("choice", ["", "both", "\0"])
def test_a_choice_that_is_none_is_refused(client, seller, kept, merged, choice):
    url = merge_url(kept, merged)

    response = client.post(url, {**form_of(client, url), "name": choice})

    assert response.status_code == 422
    assert response.context["form"].errors["name"]
    assert fresh(merged).merged_into is None


def test_what_was_chosen_stays_when_somebody_was_faster(client, seller, kept, merged):
    url = merge_url(kept, merged)
    typed = {**form_of(client, url), "name": "merged", "email": "kept"}
    Contact.objects.filter(pk=kept.pk).update(city="Brugge", mobile="+32470123456")

    response = client.post(url, typed)

    assert response.status_code == 409
    form = response.context["form"]
    assert (form["name"].value(), form["email"].value(), form["address"].value()) == (
        "merged",
        "kept",
        "kept",
    )
    assert "Brugge" in response.content.decode()
    assert fresh(merged).merged_into is None

    again = client.post(url, {name: form[name].value() for name in form.fields})
    assert again.status_code == 302
    assert fresh(kept).name == "Acme NV"


def test_a_form_without_a_mark_is_answered_with_the_form(client, seller, kept, merged):
    url = merge_url(kept, merged)

    response = client.post(url, {**form_of(client, url), "seen": ""})

    assert response.status_code == 409
    assert 'name="seen"' in response.content.decode()
    assert fresh(merged).merged_into is None


def test_two_kinds_are_refused_with_the_way_out(client, seller, kept):
    person = PersonFactory()

    for response in [client.get(merge_url(kept, person)), client.post(merge_url(kept, person))]:
        assert response.status_code == 422
        assert "change its kind first" in response.content.decode()


def test_merging_one_that_was_merged_leads_to_the_kept_one(client, seller, by, kept, merged):
    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    response = client.post(merge_url(CompanyFactory(), merged), {"seen": "x"})

    assert response["Location"] == kept.get_absolute_url()


def test_a_merge_is_undone_from_the_page_of_the_kept_one(client, seller, by, kept, merged):
    person = PersonFactory(company=merged)
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    Contact.objects.filter(pk=kept.pk).update(phone="+3291111111")

    detail = client.get(kept.get_absolute_url())
    page = client.get(undo_url(done))
    response = client.post(undo_url(done), {"seen": page.context["seen"]})

    assert undo_url(done) in detail.content.decode()
    assert (page.context["restored"], page.context["stays"]) == (["E-mail address"], ["Phone"])
    assert [count.text for count in page.context["plan"].counts] == ["1 person of the company"]
    assert response["Location"] == kept.get_absolute_url()
    assert said(response) == [
        f"{merged.label} stands for itself again, beside {kept.label}.",
        f"Changed since, so it stays with {kept.label}: Phone.",
    ]
    assert fresh(person).company == merged


def test_undoing_what_somebody_changed_meanwhile_is_asked_again(client, seller, by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    seen = client.get(undo_url(done)).context["seen"]
    Contact.objects.filter(pk=kept.pk).update(email="other@example.com")

    response = client.post(undo_url(done), {"seen": seen})

    assert response.status_code == 409
    assert response.context["stays"] == ["E-mail address"]
    assert client.post(undo_url(done), {"seen": response.context["seen"]}).status_code == 302


def test_undoing_what_cannot_be_undone_says_why(client, seller, by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)
    operations.merge(kept=CompanyFactory(), merged=kept, chosen={}, by=by)

    for response in [client.get(undo_url(done)), client.post(undo_url(done), {"seen": ""})]:
        assert response.status_code == 422
        assert "Undo that first" in response.content.decode()


def test_a_merge_of_other_contacts_is_not_found(client, seller, by, kept, merged):
    done = operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    assert client.get(reverse("contacts:unmerge", args=[CompanyFactory().pk, done.pk])).status_code == 404


@pytest.mark.parametrize("size", [1, 30])
def test_pages_ask_the_database_a_fixed_number_of_times(
    client, seller, django_assert_max_num_queries, by, kept, merged, size
):
    for _n in range(size):
        person = PersonFactory(company=merged)
        OpportunityFactory(contact=person)
        operations.merge(kept=kept, merged=CompanyFactory(), chosen={}, by=by)
    client.get(kept.get_absolute_url())

    for url in (reverse("contacts:merge", args=[kept.pk]), merge_url(kept, merged), kept.get_absolute_url()):
        with django_assert_max_num_queries(12):
            response = client.get(url)
        assert kept.name in response.content.decode()


def test_companies_and_persons_have_labels_for_all_parts():
    for part in [*operations.PARTS, "customer", "privacy"]:
        assert operations.part_label(part)
    assert set(ContactKind.values) == {"COMPANY", "PERSON"}


# Out of sight ----------------------------------------------------------------------------------------------------


def test_nobody_moves_or_counts_what_they_do_not_see(settings, client, seller, kept, merged, by):
    settings.VISIBILITY = "own"
    OpportunityFactory(contact=merged)
    done = operations.merge(kept=CompanyFactory(), merged=CompanyFactory(), chosen={}, by=by)
    OpportunityFactory(contact=done.kept)

    for url in (merge_url(kept, merged), merge_url(merged, kept), undo_url(done)):
        for answer in (client.get(url), client.post(url)):
            assert answer.status_code == 403
            assert "Ask a sales manager to do it." in answer.content.decode()
            assert "1 opportunity" not in answer.content.decode()

    assert fresh(merged).merged_into is None
    assert fresh(done).undone_at is None


def test_what_one_sees_moves_as_ever(settings, client, seller, kept, merged):
    settings.VISIBILITY = "own"
    OpportunityFactory(contact=merged, salesperson=seller.salesperson)

    client.post(merge_url(kept, merged), form_of(client, merge_url(kept, merged)))

    assert fresh(merged).merged_into == kept


@pytest.mark.parametrize("key", [2**63, 10**30])
def test_keys_that_no_contact_has_are_not_found(client, seller, kept, key):
    for url in (f"/contacts/{kept.pk}/merge/{key}/", f"/contacts/{key}/merge/{kept.pk}/"):
        assert client.get(url).status_code == 404
    for url in (f"/contacts/{kept.pk}/unmerge/{key}/", f"/contacts/{key}/unmerge/1/"):
        assert client.post(url).status_code == 404


def test_the_one_that_carries_on_becomes_the_customer(by, kept, merged):
    operations.merge(kept=kept, merged=merged, chosen={}, by=by)

    customer = merged.make_customer(on=date(2026, 3, 23))

    assert customer == kept
    assert (fresh(kept).is_customer, fresh(merged).is_customer) == (True, False)
