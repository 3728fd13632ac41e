"""Calendar feeds and notices in the admin: operators look, and revoke a feed; nobody changes anything else."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from activities.models import CalendarFeed, Notice
from tests.factories import CalendarFeedFactory, NoticeFactory, UserFactory

pytestmark = pytest.mark.django_db


def url(model, page, *args):
    return reverse(f"admin:activities_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def feed():
    return CalendarFeedFactory(user=UserFactory(name="Sofie Claes"), key_hash="f1" * 32)


@pytest.fixture
def notice():
    return NoticeFactory(user=UserFactory(name="Sofie Claes"), key="task 12 at nine")


def test_a_feed_is_shown_without_its_key_and_revoked(client_of, feed):
    superuser = client_of("superuser")
    for page in (
        superuser.get(url(CalendarFeed, "changelist"), {"q": "sofie"}),
        superuser.get(url(CalendarFeed, "change", feed.pk)),
    ):
        assert "Sofie Claes" in page.text
        assert feed.key_hash not in page.text

    superuser.post(url(CalendarFeed, "delete", feed.pk), {"post": "yes"})

    assert not CalendarFeed.objects.exists()


def test_it_is_seen_whether_a_notice_was_begun_or_sent(client_of, notice):
    sent = NoticeFactory(key="digest of Monday", sent_at=timezone.now() - timedelta(hours=1))
    superuser = client_of("superuser")

    unsent = superuser.get(url(Notice, "changelist"), {"sent_at__isempty": "1"}).text

    assert (notice.key in unsent, sent.key in unsent) == (True, False)
    one = superuser.get(url(Notice, "change", notice.pk))
    assert "task 12 at nine" in one.text
    assert 'name="_save"' not in one.text


@pytest.mark.parametrize(
    ("model", "row", "closed"),
    [(CalendarFeed, "feed", ["add"]), (Notice, "notice", ["add", "delete"])],
)
def test_nothing_else_is_done_with_them(client_of, request, model, row, closed):
    key = request.getfixturevalue(row).pk
    superuser = client_of("superuser")

    for page in closed:
        args = () if page == "add" else (key,)
        assert superuser.post(url(model, page, *args), {"post": "yes"}).status_code == 403
    assert superuser.post(url(model, "change", key), {"user": "1"}).status_code == 403
    assert model.objects.count() == 1


@pytest.mark.parametrize("name", ["manager", "salesperson", "viewer", "staff"])
@pytest.mark.parametrize("model", [CalendarFeed, Notice])
def test_they_are_for_superusers_alone(client_of, name, model):
    assert client_of(name).get(url(model, "changelist")).status_code == 403


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize(("model", "make"), [(CalendarFeed, CalendarFeedFactory), (Notice, NoticeFactory)])
def test_the_lists_take_few_queries(client_of, model, make, rows, django_assert_max_num_queries):
    superuser = client_of("superuser")
    make.create_batch(rows)

    with django_assert_max_num_queries(8):
        superuser.get(url(model, "changelist"))
