"""The same rule says the same words on every route: operation, page, change of many, admin, import and command."""

import contextlib
import csv
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from crm.dates import today
from opportunities import operations
from opportunities.models import Opportunity, OpportunityEntry
from tests.factories import OpportunityFactory
from tests.importing import everything, run

ADMIN = reverse("admin:opportunities_opportunity_changelist")


def page_says(client, name, opportunity, **typed):
    """What the page's form answers, below its fields and above them."""
    url = reverse(f"opportunities:{name}", args=[opportunity.pk])
    filled = {"seen": opportunity.version, "on": today().isoformat(), "note": "", **typed}
    response = client.post(url, filled)
    assert response.status_code in (409, 422)
    return response.content.decode()


def admin_says(client, action, opportunity, **typed):
    """What the admin's action reports after the page in between."""
    filled = {"action": action, "_selected_action": [opportunity.pk], "index": 0, "confirmed": "yes", **typed}
    return client.post(ADMIN, filled, follow=True).content.decode()


def batch_says(client, action, opportunity, **typed):
    """What the check of a change of many finds; nothing is carried out."""
    filled = {"action": action, "chosen": [opportunity.pk], "confirmed": "1", "note": "", **typed}
    batch_page = client.post(reverse("opportunities:batch-new"), filled).url
    client.post(f"{batch_page}step/")
    return client.post(f"{batch_page}cancel/", follow=True).content.decode()


def import_says(tmp_path, monkeypatch, mapping, **row):
    """The reason in the rejects file of an import of one row."""
    monkeypatch.chdir(tmp_path)
    Path("map.toml").write_text(mapping)
    with Path("file.csv").open("w", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])
    return "\n".join(run("import_opportunities", "file.csv", mapping=Path("map.toml")).rejects.values())


def command_says(*arguments):
    """What a command prints."""
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command(*arguments, stdout=out, stderr=out)
    return " ".join(out.getvalue().split())


@pytest.fixture
def nothing_changes(db):
    """Fail when the test wrote an opportunity or an entry after it was set up."""

    def rows():
        return list(Opportunity.objects.order_by("pk").values()), list(
            OpportunityEntry.objects.order_by("pk").values()
        )

    watched = {}
    yield lambda: watched.update(before=rows())
    assert watched["before"] == rows()


def refusal_of(operation, **arguments):
    with pytest.raises(operations.Refused) as refused:
        operation(**arguments, dry_run=True)
    return refused.value.message


def test_closing_what_is_closed(as_manager, manager, lost, lost_reason, nothing_changes):
    message = refusal_of(
        operations.close, opportunity=lost, outcome="LOST", reason=lost_reason, by=manager, on=today()
    )
    nothing_changes()

    assert message in page_says(as_manager, "close", lost, outcome="LOST", reason=lost_reason.pk)
    assert message in batch_says(as_manager, "LOSE", lost, reason=lost_reason.pk)
    assert message in admin_says(as_manager, "close_as_lost", lost, reason=lost_reason.pk, note="")


def test_deleting_what_is_in_progress(
    as_manager, manager, opportunity, nothing_changes, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    message = refusal_of(operations.delete, opportunity=opportunity, by=manager, on=today())
    nothing_changes()

    assert message in page_says(as_manager, "delete", opportunity)
    assert message in admin_says(as_manager, "delete_finished", opportunity)
    assert message in command_says("delete_opportunities", "--number", opportunity.number, "--yes")


def test_changing_before_the_last_change(
    as_manager, manager, won_reason, opportunity, nothing_changes, tmp_path, monkeypatch
):
    yesterday = today() - timedelta(days=1)
    message = refusal_of(
        operations.close,
        opportunity=opportunity,
        outcome="WON",
        reason=won_reason,
        amount=1,
        by=manager,
        on=yesterday,
    )
    nothing_changes()

    typed = {"outcome": "WON", "reason": won_reason.pk, "amount": "1", "on": yesterday.isoformat()}
    assert message in page_says(as_manager, "close", opportunity, **typed)
    assert message in import_says(
        tmp_path,
        monkeypatch,
        MAPPING.format(cycle=opportunity.cycle.code, salesperson=opportunity.salesperson.name),
        id="1",
        what="Lifts",
        company=opportunity.contact.name,
        started=today().isoformat(),
        closed=yesterday.isoformat(),
        outcome="Won",
        amount="1",
        value="5",
    )


def new_one_is_refused_alike(client, by, tmp_path, monkeypatch, *, contact, salesperson, cycle):
    """The same words from the operation, the page and the import."""
    message = refusal_of(
        operations.create,
        description="Lifts",
        contact=contact,
        salesperson=salesperson,
        cycle=cycle,
        by=by,
        on=today(),
    )
    before = everything()
    response = client.post(
        reverse("opportunities:new"),
        {
            "description": "Lifts",
            "contact": contact.number,
            "salesperson": salesperson.pk,
            "cycle": cycle.pk,
            "priority": "NORMAL",
            "on": today().isoformat(),
        },
    )
    assert response.status_code == 422
    assert message in response.content.decode()
    assert message in import_says(
        tmp_path,
        monkeypatch,
        MAPPING.format(cycle=cycle.code, salesperson=salesperson.name),
        id="1",
        what="Lifts",
        company=contact.name,
        started="",
        closed="",
        outcome="",
        amount="",
        value="",
    )
    after = everything()
    for table in ("opportunities.Opportunity", "opportunities.OpportunityEntry", "contacts.Contact"):
        assert before[table] == after[table]


MAPPING = """
[external_id]
column = "id"
[description]
column = "what"
[company]
column = "company"
when_unknown = "refuse"
[salesperson]
default = "{salesperson}"
when_unknown = "refuse"
[created_on]
default = 2026-01-02
[started_on]
column = "started"
[closed_on]
column = "closed"
[outcome]
column = "outcome"
[amount]
column = "amount"
[value]
column = "value"
[close_reason]
won = {{ code = "W", description = "Won it" }}
lost = {{ code = "L", description = "Lost it" }}
[cycle]
code = "{cycle}"
"""


def test_new_for_a_contact_blocked_for_privacy(
    as_manager, manager, company, salesperson, cycle, tmp_path, monkeypatch
):
    company.is_privacy_blocked = True
    company.save()

    new_one_is_refused_alike(
        as_manager, manager, tmp_path, monkeypatch, contact=company, salesperson=salesperson, cycle=cycle
    )


def test_new_for_a_blocked_salesperson(
    as_manager, manager, company, salesperson, cycle, tmp_path, monkeypatch
):
    salesperson.is_blocked = True
    salesperson.save()

    new_one_is_refused_alike(
        as_manager, manager, tmp_path, monkeypatch, contact=company, salesperson=salesperson, cycle=cycle
    )


def test_reassigning_what_is_closed(as_manager, manager, won, salesperson, nothing_changes):
    colleague = OpportunityFactory().salesperson
    message = refusal_of(operations.reassign, opportunity=won, salesperson=colleague, by=manager, on=today())
    nothing_changes()

    typed = {"salesperson": colleague.pk, "contact": won.contact.number}
    assert message in page_says(as_manager, "reassign", won, **typed)
    assert message in batch_says(as_manager, "REASSIGN", won, salesperson=colleague.pk)
    assert message in admin_says(as_manager, "reassign", won, salesperson=colleague.pk)


def test_moving_and_revising_what_is_not_started(
    as_manager, manager, opportunity, new_opportunity, nothing_changes
):
    stage = opportunity.cycle.stages.get(description="Present")
    estimate = operations.present_estimate(opportunity)
    asked = {"opportunity": new_opportunity, "by": manager, "on": today()}
    message = refusal_of(operations.move, to=stage, **asked)
    assert message == refusal_of(operations.revise, estimate=estimate, **asked)
    nothing_changes()

    day = estimate.closes_on.isoformat()
    typed = {"value": "5", "chance_percent": "50", "closes_on": day}
    assert message in page_says(as_manager, "move", new_opportunity, to=stage.pk, **typed)
    assert message in page_says(as_manager, "revise", new_opportunity, **typed)
    assert message in batch_says(as_manager, "MOVE", new_opportunity, stage=stage.pk)
    assert message in batch_says(as_manager, "POSTPONE", new_opportunity, closes_on=day)


def test_moving_where_one_cannot_go(as_manager, manager, opportunity, nothing_changes):
    stages = opportunity.cycle.stages
    far, here = stages.get(description="Propose"), opportunity.stage
    for stage in (far, here):
        message = refusal_of(operations.move, opportunity=opportunity, to=stage, by=manager, on=today())
        nothing_changes()

        assert message in batch_says(as_manager, "MOVE", opportunity, stage=stage.pk)
