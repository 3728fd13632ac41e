"""The board: a sales cycle at a glance, and a card put into another column."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.access import readers_only
from crm.http import CrmRequest, page
from crm.templatetags.kansen import day, percent
from opportunities import operations
from opportunities.access import NOT_YOURS, allowed
from opportunities.board import Board, ways_on
from opportunities.forms.board import CARD_NOT_THERE, BoardFilter, CardForm
from opportunities.forms.entering import tasks_made
from opportunities.forms.filters import kept
from opportunities.models import Opportunity, OpportunityEntry, OpportunityQuerySet
from opportunities.views.tabs import Tabs, tabs_for
from opportunities.views.tasks.answers import CHANGED

KEPT = ("cycle", "sort", "columns", "view")  # what the address says besides the fields of the filter
TO_DECIDE = ("value", "chance_percent", "closes_on")  # what a refusal is about that a form can ask for


@require_GET
@readers_only
def opportunity_board(request: CrmRequest) -> HttpResponse:
    """The open opportunities of a sales cycle by stage; the address is the view."""
    asked = _asked(request)
    asked.recognise_reader()
    board = Board(asked.rows, asked.stages, user=request.user)
    board.read_cards(request.GET)
    context = {
        **_context(request, asked, board),
        "base_url": reverse("opportunities:board"),
        "tabs": _tabs(request, asked),
        "all_url": _address_of_cycle(asked),
        "keep": [(name, value) for name, value in request.GET.items() if name in KEPT],
        "others": [
            (name, value)
            for name, value in request.GET.items()
            if name not in ("cycle", "stage", "column", "after", "before")
        ],
    }
    status = 200 if asked.form.is_valid() else 422
    return page(request, "opportunities/board.html", context, status=status)


@require_GET
@readers_only
def board_column(request: CrmRequest) -> HttpResponse:
    """The next cards of one column, for a board that is on the screen; as a page of its own the board with them."""
    asked = _asked(request)
    if not request.htmx or not asked.form.is_valid():
        return redirect(_address(request))
    board = Board(asked.rows, asked.stages, user=request.user)
    column = board.column(request.GET.get("column", ""))
    if column is None:
        return redirect(_address(request))
    board.read_page(column, request.GET)
    return render(
        request, "opportunities/_board_cards.html", {**_context(request, asked, board), "column": column}
    )


@require_GET
@readers_only
def card_menu(request: CrmRequest, pk: int) -> HttpResponse:
    """What can be done with a card, as links: a menu on the board, or a page where there are no scripts."""
    opportunity = get_object_or_404(_visible(request), pk=pk)
    may: frozenset[str] = frozenset()
    if not opportunity.is_closed:
        may = allowed(request.user, opportunity)
    context = {
        "opportunity": opportunity,
        "may": may,
        "ways": ways_on(opportunity) if "move" in may else [],
        "next": urlencode({"next": _address(request)}),
        "board_url": _address(request),
    }
    return page(request, "opportunities/board_menu.html", context, region="menu")


@require_POST
@readers_only
def move_card(request: CrmRequest, pk: int) -> HttpResponse:
    """A card was put into another column: do it, or say why not and where the card is."""
    opportunity = _visible(request).filter(pk=pk).first()
    if opportunity is None:
        return _answer(request, pk, refusal=str(CARD_NOT_THERE), status=404)
    if "move" not in allowed(request.user, opportunity):
        return _answer(request, pk, refusal=str(NOT_YOURS), status=403)
    form = CardForm(request.POST)
    if not form.is_valid():
        return _answer(request, pk, refusal=form.mistake, status=422)
    before = operations.present_estimate(opportunity)
    try:
        entry = form.perform(opportunity, by=request.user)
    except operations.Refused as refusal:
        status = 409 if isinstance(refusal, (operations.MovedMeanwhile, operations.AlreadyClosed)) else 422
        ask_url = ""
        if refusal.field in TO_DECIDE:
            ask_url = _ask_url(request, opportunity, form.cleaned_data["to"])
        return _answer(request, pk, refusal=refusal.message, ask_url=ask_url, status=status)
    undo_url = ""
    if "undo" in allowed(request.user, opportunity):
        undo_url = _with_next(request, reverse("opportunities:undo", args=[pk]))
    answer = _answer(request, pk, message=_done_message(opportunity, entry, before), undo_url=undo_url)
    answer["HX-Trigger"] = CHANGED
    return answer


def _answer(request: CrmRequest, pk: int, *, status: int = 200, **said: str) -> HttpResponse:
    """The card where it is now, the sums above the columns, and what is said; without htmx a message on the board."""
    text = said.get("message") or said["refusal"]
    if not request.htmx:
        messages.add_message(request, messages.SUCCESS if status == 200 else messages.ERROR, text)
        return redirect(said.get("ask_url") or _address(request))
    asked = _asked(request)
    board = Board(asked.rows, asked.stages, user=request.user)
    card = board.card(pk)
    context = {**_context(request, asked, board), "card": card, "pk": pk, "text": text, **said}
    return render(request, "opportunities/_board_answer.html", context, status=status)


def _asked(request: CrmRequest) -> BoardFilter:
    return BoardFilter(request.GET, _visible(request), request=request)


def _visible(request: CrmRequest) -> OpportunityQuerySet:
    rows: OpportunityQuerySet = Opportunity.objects.visible_to(request.user)
    return rows


def _context(request: CrmRequest, asked: BoardFilter, board: Board) -> dict[str, Any]:
    """What every part of the board is drawn with."""
    return {
        "filter": asked,
        "board": board,
        "query": _address(request).partition("?")[2],
        "list_query": asked.whole_query_string,
        "next": urlencode({"next": _address(request)}),
    }


def _tabs(request: CrmRequest, asked: BoardFilter) -> Tabs:
    """The tabs of the list, which here keep the sales cycle that the address names."""
    tabs = tabs_for(request, asked, reverse("opportunities:board"))
    whole = kept(asked.data)
    cycle = request.GET.get("cycle", "")
    if not cycle:
        return tabs
    return replace(
        tabs,
        items=[
            tab if "cycle=" in tab.url else replace(tab, url=f"{tab.url}&{urlencode({'cycle': cycle})}")
            for tab in tabs.items
        ],
        query=whole,
        is_changed=tabs.view is not None and tabs.view.query not in (tabs.query, whole),
    )


def _address(request: CrmRequest) -> str:
    """The board that the address is about, from the first card on."""
    query = request.GET.copy()
    for name in ("column", "after", "before"):
        query.pop(name, None)
    board = reverse("opportunities:board")
    return f"{board}?{query.urlencode()}" if query else board


def _with_next(request: CrmRequest, url: str, **query: str | int) -> str:
    """A page that comes back to this board when it is done."""
    return f"{url}?{urlencode({**query, 'next': _address(request)})}"


def _ask_url(request: CrmRequest, opportunity: Opportunity, to: int) -> str:
    """The form that asks for what is missing."""
    if opportunity.is_not_started:
        return _with_next(request, reverse("opportunities:start", args=[opportunity.pk]))
    return _with_next(request, reverse("opportunities:move", args=[opportunity.pk]), to=to)


def _done_message(opportunity: Opportunity, entry: OpportunityEntry, before: operations.Estimate) -> str:
    """What happened, with the chance and date that the new stage brought beside those of before, and its tasks."""
    text = _("%(what)s: %(did)s. Chance %(chance)s, close date %(day)s.") % {
        "what": opportunity.description,
        "did": entry.headline[:1].lower() + entry.headline[1:],
        "chance": _now_and_before(percent(entry.chance_percent), percent(before.chance_percent)),
        "day": _now_and_before(day(entry.estimated_close_on), day(before.closes_on)),
    }
    return f"{text} {tasks_made(entry)}".rstrip()


def _now_and_before(now: str, before: str) -> str:
    return _("%(now)s (was %(before)s)") % {"now": now, "before": before} if before not in ("", now) else now


def _address_of_cycle(asked: BoardFilter) -> str:
    """The board of the same sales cycle without any question."""
    board = reverse("opportunities:board")
    return f"{board}?cycle={asked.sales_cycle.pk}" if asked.sales_cycle else board
