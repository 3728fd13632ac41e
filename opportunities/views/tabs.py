"""The tabs above the list and the board: questions that everybody asks, then the views that people keep."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.forms import is_key
from crm.http import CrmRequest
from opportunities.forms.filters import ME, OF_A_VIEW, OPEN_ONES, PASSED, TEAM, OpportunityFilter, kept
from opportunities.models import SavedView, Status
from salespeople.models import User

MOST_TABS = 12  # views beyond these are on the page of all views
NAMES_BUILT_IN = frozenset({"", "open"})  # what ``view=`` may say besides the key of a view


@dataclass(frozen=True)
class Tab:
    """One question, and the address that asks it."""

    label: str
    url: str
    is_current: bool
    note: str = ""  # by whom it is kept, when not by the reader


@dataclass(frozen=True)
class Tabs:
    """All tabs of a page, and what became of the view that the address names."""

    items: list[Tab]
    query: str  # what would be kept now
    view: SavedView | None  # the view that the address names
    view_url: str  # and the address of it as it is kept
    is_changed: bool  # whether the page asks for something else than that view
    is_own: bool
    notice: str  # why the view that the address names is not what it was
    has_more: bool


def tabs_for(request: CrmRequest, asked: OpportunityFilter, base_url: str) -> Tabs:
    """The tabs of the page at ``base_url``, the one that was asked for marked."""
    named = request.GET.get("view", "")
    views = list(SavedView.objects.visible_to(request.user).in_order_of(request.user)[: MOST_TABS + 1])
    has_more = len(views) > MOST_TABS
    view = _view(request.user, named, views)
    views = views[:MOST_TABS]
    if view is not None and view not in views:
        views.append(view)
    kept_tabs = [
        Tab(
            one.name,
            address_of(one, base_url),
            one == view,
            "" if one.owner == request.user else str(one.owner),
        )
        for one in views
    ]
    return Tabs(
        items=[*_built_in(asked, base_url, is_marked=view is None), *kept_tabs],
        query=asked.query_string,
        view=view,
        view_url=address_of(view, base_url) if view else "",
        is_changed=view is not None and asked.form.is_valid() and view.query != asked.query_string,
        is_own=view is not None and view.owner == request.user,
        notice=_notice(named, view, asked),
        has_more=has_more,
    )


def address_of(view: SavedView, base_url: str) -> str:
    """The whole question of a view, and its key, by which its tab is marked."""
    return f"{base_url}?{view.query}&view={view.pk}" if view.query else f"{base_url}?view={view.pk}"


def _built_in(asked: OpportunityFilter, base_url: str, *, is_marked: bool) -> Iterator[Tab]:
    """The questions that everybody asks; one is marked when the page asks just that, in whatever order."""
    filters = QueryDict(asked.query_string, mutable=True)
    for name in OF_A_VIEW:
        filters.pop(name, None)
    now = kept(filters)
    for label, query in _questions(asked.user, with_closed=base_url == reverse("opportunities:list")):
        address = query or OPEN_ONES
        yield Tab(label, f"{base_url}?{address}", is_marked and now == query)


def _questions(user: User, *, with_closed: bool) -> Iterator[tuple[str, str]]:
    """What everybody asks; a board holds nothing that is closed."""
    own = user.own_salesperson
    yield _("Open"), ""
    if own is not None:
        yield _("Mine"), f"whose={ME}"
    yield _("Closing this month"), "closes=THIS_MONTH"
    yield _("Overdue"), f"closes={PASSED}"
    if with_closed:
        yield _("Won this quarter"), f"status={Status.WON}&closed=THIS_QUARTER"
    if own is not None and (own.team_id is not None or user.is_manager()):
        yield _("My team"), f"whose={TEAM}"


def _view(user: User, named: str, views: list[SavedView]) -> SavedView | None:
    """The view that the address names, if it is there for this reader."""
    if not is_key(named):
        return None
    among = next((view for view in views if view.pk == int(named)), None)
    return among or SavedView.objects.visible_to(user).in_order_of(user).filter(pk=int(named)).first()


def _notice(named: str, view: SavedView | None, asked: OpportunityFilter) -> str:
    if view is None and named not in NAMES_BUILT_IN:
        return _(
            "The view in this address is not there any more, or it is not shared with you. "
            "What it asked for is still in the address, so you can save it as a view of your own."
        )
    if view is not None and not asked.form.is_valid():
        return _(
            "“%(view)s” asks for something that is not there any more, or not for you to see. "
            "Take that out of the filter below."
        ) % {"view": view}
    return ""
