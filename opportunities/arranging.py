"""How each reader arranges the views they find: their order, and the one that the list opens with."""

from collections.abc import Sequence

from django.db import transaction

from opportunities.models import SavedView, ViewPlace
from salespeople.models import User

MOST_VIEWS = 100  # that one reader can put in order


def in_order(reader: User) -> list[SavedView]:
    """The views that a reader finds, as they have arranged them."""
    return list(SavedView.objects.visible_to(reader).in_order_of(reader)[:MOST_VIEWS])


@transaction.atomic
def shift(view: SavedView, *, by: User, up: bool) -> bool:
    """Let a view change places with the one before or after it; whether there was one."""
    _one_at_a_time(by)
    views = in_order(by)
    if view not in views:
        return False
    place = views.index(view)
    other = place + (-1 if up else 1)
    if not 0 <= other < len(views):
        return False
    views[place], views[other] = views[other], views[place]
    _keep_order(views, by)
    return True


@transaction.atomic
def open_with(view: SavedView | None, *, by: User) -> None:
    """Let the list open with a view, or with nothing but the open ones."""
    _one_at_a_time(by)
    ViewPlace.objects.filter(user=by, is_default=True).update(is_default=False)
    if view is not None:
        views = in_order(by)
        _keep_order(views if view in views else [*views, view], by)
        ViewPlace.objects.filter(user=by, view=view).update(is_default=True)


def _one_at_a_time(reader: User) -> None:
    """Somebody who arranges in two windows does so one after the other."""
    User.objects.select_for_update().get(pk=reader.pk)


def _keep_order(views: Sequence[SavedView], reader: User) -> None:
    ViewPlace.objects.bulk_create(
        [ViewPlace(user=reader, view=view, position=index) for index, view in enumerate(views)],
        update_conflicts=True,
        unique_fields=["user", "view"],
        update_fields=["position"],
    )
