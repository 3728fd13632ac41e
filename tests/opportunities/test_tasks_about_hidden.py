"""Tasks about an opportunity and a contact that whoever is to do them may not see: nothing of those is told."""

from datetime import time

import pytest
from django.urls import reverse

from activities.models import Interaction, TaskStatus
from crm.dates import today
from salespeople.models import Role
from tests.factories import CompanyFactory, OpportunityFactory, PersonFactory, TaskFactory, user_with_role

SECRETS = ("Hush", "Secret Company", "secretmail")
PAGES = ["task", "task-edit", "task-complete", "task-cancel", "task-postpone", "task-reassign"]


@pytest.fixture
def colleague(db):
    return user_with_role(Role.SALESPERSON, name="Carl Other")


@pytest.fixture
def secret(colleague):
    return CompanyFactory(
        name="Secret Company", salesperson=colleague.salesperson, email="boss@secretmail.example"
    )


@pytest.fixture
def hidden(colleague, secret):
    return OpportunityFactory(
        description="Hush hush project", contact=secret, salesperson=colleague.salesperson, started=True
    )


@pytest.fixture
def task(settings, salesperson, secret, hidden):
    settings.VISIBILITY = "own"
    return TaskFactory(
        description="Help them", kind="CALL", salesperson=salesperson, contact=secret, opportunity=hidden
    )


def url(name, task):
    return reverse(f"opportunities:{name}", args=[task.pk])


def told(page):
    text = page.content.decode()
    return [word for word in SECRETS if word in text]


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_task_tell_numbers_alone(as_seller, task, name):
    page = as_seller.get(url(name, task))

    assert page.status_code == 200
    assert told(page) == []


@pytest.mark.parametrize("about", ["opportunity and contact", "contact"])
@pytest.mark.parametrize("address", ["/tasks/", "/tasks/week/", "/tasks/month/", "/"])
def test_lists_tell_numbers_alone(as_seller, task, address, about):
    if about == "contact":
        task.opportunity = None
        task.save()

    page = as_seller.get(address, follow=True)

    assert "Help them" in page.content.decode()
    assert told(page) == []


def test_what_one_sees_is_named(as_seller, task, secret, salesperson):
    secret.salesperson = salesperson
    secret.save()

    for address in ("/tasks/", "/", url("task", task)):
        assert "Secret Company" in as_seller.get(address, follow=True).content.decode()


def test_today_says_the_kind_and_the_number(as_seller, task, secret):
    task.opportunity = None
    task.save()

    page = as_seller.get(reverse("opportunities:today"))

    assert [line.text for line, _action in page.context["lines"] if line.task] == ["call, today"]
    assert secret.number in page.content.decode()


def test_card_of_a_company_does_not_name_a_person_one_may_not_see(
    as_seller, colleague, salesperson, settings
):
    settings.VISIBILITY = "own"
    person = PersonFactory(
        name="Hush Person", company=CompanyFactory(salesperson=None), salesperson=colleague.salesperson
    )
    TaskFactory(description="Help them", salesperson=salesperson, contact=person)

    card = as_seller.get(reverse("opportunities:tasks-for-contact", args=[person.company.pk]))

    assert person.number in card.content.decode()
    assert told(card) == []


def test_card_of_a_salesperson_names_no_hidden_contact(as_seller, task, salesperson, secret):
    card = as_seller.get(reverse("opportunities:tasks-for-salesperson", args=[salesperson.pk]))

    assert secret.number in card.content.decode()
    assert told(card) == []


@pytest.mark.parametrize("word", ["secretmail", "secret", "hush"])
def test_hidden_things_are_not_searched(as_seller, task, word):
    assert "Help them" not in as_seller.get("/tasks/", {"q": word}).content.decode()


def test_whoever_sees_everything_searches_everything(as_viewer, task):
    assert "Help them" in as_viewer.get("/tasks/", {"q": "secretmail"}).content.decode()


# Changing it


def test_form_shows_the_numbers(as_seller, task, hidden, secret):
    page = as_seller.get(url("task-edit", task)).content.decode()
    assert f'value="{hidden.number}"' in page
    assert f'value="{secret.number}"' in page


def test_numbers_are_accepted_as_they_were_shown(as_seller, task, hidden, secret, salesperson):
    data = {
        "kind": "CALL",
        "description": "Help them more",
        "due_on": today().isoformat(),
        "priority": "NORMAL",
        "doer": f"person-{salesperson.pk}",
        "contact": secret.number,
        "opportunity": hidden.number,
    }

    answer = as_seller.post(url("task-edit", task), data, follow=True)

    task.refresh_from_db()
    assert answer.status_code == 200
    assert task.description == "Help them more"
    assert (task.opportunity, task.contact) == (hidden, secret)
    assert told(answer) == []


@pytest.mark.parametrize(("field", "said"), [("opportunity", "description"), ("contact", "name")])
def test_names_are_not_confirmed_to_whoever_guesses(
    as_seller, task, hidden, secret, salesperson, field, said
):
    row = {"opportunity": hidden, "contact": secret}[field]
    data = {
        "kind": "CALL",
        "description": "Help them",
        "due_on": today().isoformat(),
        "priority": "NORMAL",
        "doer": f"person-{salesperson.pk}",
        field: f"{row.number} · {getattr(row, said)}",
    }

    answer = as_seller.post(url("task-edit", task), data)

    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_somebody_who_was_faster_tells_no_names(as_seller, task, colleague, hidden, salesperson):
    form = as_seller.get(url("task-edit", task)).context["form"]
    data = {
        "kind": "CALL",
        "description": "Mine",
        "due_on": today().isoformat(),
        "priority": "NORMAL",
        "doer": f"person-{salesperson.pk}",
        "contact": "",
        "opportunity": "",
        "seen": form["seen"].value(),
        "before": form["before"].value(),
    }
    other = OpportunityFactory(
        description="Hush again", salesperson=colleague.salesperson, contact=hidden.contact, started=True
    )
    task.opportunity, task.version = other, task.version + 1
    task.save()

    answer = as_seller.post(url("task-edit", task), data)

    assert answer.status_code == 409
    assert other.number in answer.content.decode()
    assert told(answer) == []


# Doing it


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_outcome_is_noted_and_nothing_is_told(as_seller, seller, task, hidden, headers):
    if headers:
        headers = {**headers, "HX-Target": f"task-{task.pk}"}

    answer = as_seller.post(
        url("task-complete", task), {"outcome": "They are glad", "seen": 1}, headers=headers, follow=True
    )

    task.refresh_from_db()
    assert task.status == TaskStatus.DONE
    assert told(answer) == []
    note = Interaction.objects.get()
    assert (note.opportunity, note.recorded_by, note.text) == (hidden, seller, "They are glad")
    assert "They are glad" not in as_seller.get(url("task", task)).content.decode()
    assert told(as_seller.get("/tasks/", {"state": "DONE"})) == []


def test_task_of_somebody_else_about_it_is_not_found(as_seller, task, colleague):
    task.salesperson = colleague.salesperson
    task.save()

    answer = as_seller.post(url("task-complete", task), {"outcome": "Mine now", "seen": 1})

    assert answer.status_code == 404
    assert not Interaction.objects.exists()


# The time of day


@pytest.mark.parametrize(("text", "stored"), [("10:00", time(10)), ("10:00:30", time(10))])
def test_time_is_stored_without_seconds(as_seller, salesperson, text, stored):
    task = TaskFactory(salesperson=salesperson)
    data = {
        "kind": "CALL",
        "description": "Ring",
        "due_on": today().isoformat(),
        "due_time": text,
        "priority": "NORMAL",
        "doer": f"person-{salesperson.pk}",
    }

    as_seller.post(url("task-edit", task), data)

    task.refresh_from_db()
    assert task.due_time == stored


@pytest.mark.parametrize("is_merged", [False, True])
def test_a_refusal_does_not_name_whom_one_may_not_see(
    settings, as_seller, salesperson, seller, secret, colleague, is_merged
):
    """An opportunity of one's own may be with a contact that is not; what that was merged into is out of sight, too."""
    opportunity = OpportunityFactory(contact=secret, salesperson=salesperson, by=seller, started=True)
    number = secret.number
    if is_merged:
        hidden = CompanyFactory(name="Hush Holding", salesperson=colleague.salesperson)
        opportunity.contact = CompanyFactory(name="Public NV", salesperson=salesperson, merged_into=hidden)
        number, secret = hidden.number, hidden
        type(opportunity).save_base(opportunity)
    secret.is_privacy_blocked = True
    secret.save()
    settings.VISIBILITY = "own"
    typed = {"description": "Help them", "kind": "CALL", "priority": "NORMAL", "due_on": today().isoformat()}
    doer = {"doer": f"person-{salesperson.pk}", "opportunity": opportunity.number, "repeats_from": "DUE"}

    refused = as_seller.post(reverse("opportunities:task-new"), typed | doer)

    assert refused.status_code == 422
    assert f"{number} is blocked for privacy. Choose another contact." in refused.text
    assert told(refused) == []
