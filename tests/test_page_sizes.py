"""No page weighs more than 100 kB of HTML before compression, with the demo's data in it."""

import pytest
from django.urls import reverse

from contacts.models import Contact
from opportunities.columns import COLUMNS
from opportunities.demo import build
from opportunities.demo.setup import SIGN_INS
from opportunities.models import Opportunity, Status
from salescycles.models import SalesCycle
from salespeople.models import Salesperson, User

pytestmark = pytest.mark.django_db
MOST_BYTES = 100_000
DEMO_SIZE = 250  # opportunities: enough to fill every bounded list and column


def addresses(user):
    """Every page that shows many things, on the records that have most of them."""
    mine = Opportunity.objects.workable_by(user)
    longest = mine.filter(status=Status.IN_PROGRESS).order_by("-version")[0]
    closed = mine.closed().order_by("-version")[0]
    company = Contact.objects.companies().order_by("pk")[0]
    salesperson = Salesperson.objects.order_by("pk")[1]
    plain = [
        "opportunities:today",
        "opportunities:board",
        "opportunities:list",
        "opportunities:search",
        "opportunities:batches",
        "opportunities:view-list",
        "opportunities:export",
        "opportunities:new",
        "opportunities:emails",
        "opportunities:reason-list",
        "opportunities:tasks",
        "opportunities:task-week",
        "opportunities:task-month",
        "opportunities:task-new",
        "contacts:list",
        "contacts:new",
        "salespeople:list",
        "salespeople:team-list",
        "salespeople:preferences",
        "salescycles:list",
    ]
    return {
        **{name: reverse(name) for name in plain},
        "today of everyone": f"{reverse('opportunities:today')}?of=ALL",
        "list of all": f"{reverse('opportunities:list')}?status=ALL",
        "list with every column": f"{reverse('opportunities:list')}?status=ALL&columns={','.join(COLUMNS)}",
        "results": f"{reverse('opportunities:search')}?q=e",
        "opportunity": longest.get_absolute_url(),
        "closed opportunity": closed.get_absolute_url(),
        **{
            name: reverse(f"opportunities:{name}", args=[longest.pk])
            for name in ("move", "revise", "close", "undo", "reassign", "edit", "person-new")
        },
        "contact": company.get_absolute_url(),
        "contact's timeline": reverse("opportunities:contact-timeline", args=[company.pk]),
        "salesperson": salesperson.get_absolute_url(),
        "sales cycle": SalesCycle.objects.order_by("pk")[0].get_absolute_url(),
    }


def test_no_page_weighs_more_than_it_may(client):
    build.build(build.make_the_plan(DEMO_SIZE))
    user = User.objects.get(email=dict(SIGN_INS)["Sales manager"])
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    answers = {name: client.get(address) for name, address in addresses(user).items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 200} == {}
    weights = {name: len(answer.content) for name, answer in answers.items()}
    assert {name: weight for name, weight in weights.items() if weight > MOST_BYTES} == {}
