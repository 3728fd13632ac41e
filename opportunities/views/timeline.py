"""The timeline: what happened with an opportunity, and what was said to a contact, as a panel that is asked for alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from activities.forms.interactions import InteractionForm, KindChoice
from activities.models import Interaction
from contacts.models import Contact
from crm.access import readers_only
from crm.http import CrmRequest
from opportunities import timeline
from opportunities.access import allowed, allowed_to_change, may_note_on
from opportunities.models import Opportunity
from opportunities.timeline import Line, Place, Show, Timeline

TEMPLATE = "opportunities/timeline.html"
PANEL = "opportunities/_timeline.html"
OLDER = "opportunities/_timeline_lines.html"


@dataclass
class Panel:
    """All that the panel draws. ``page_url`` is where it stands, ``url`` answers with the panel alone."""

    timeline: Timeline
    about: Opportunity | Contact
    title: str
    page_url: str
    url: str
    show: Show
    notice: str = ""
    form: InteractionForm | None = None
    form_url: str = ""
    changeable: frozenset[int] = frozenset()  # interactions that the reader may change
    has_filters: bool = True
    names_opportunity: bool = False
    focus: str = (
        ""  # what gets the focus when the panel is put in place: "filter", "field", or the key of a line
    )

    @property
    def filters(self) -> list[tuple[Show, str]]:
        """What one may ask for, each with its part of the address."""
        if not self.has_filters:
            return []
        return [(show, f"?show={show}" if show != Show.ALL else "") for show in Show]

    @property
    def back(self) -> str:
        """The part of an address that says where one returns to after a line was changed; "" where that is known."""
        if isinstance(self.about, Opportunity) and not self.query:
            return ""
        return "?" + urlencode({"next": f"{self.about.get_absolute_url()}{self.query}#timeline"})

    @property
    def contact_key(self) -> int | None:
        """The contact that the lines need not name."""
        return self.about.pk if isinstance(self.about, Contact) else self.about.contact_id

    @property
    def query(self) -> str:
        """The part of the address that shows what is shown now."""
        return f"?show={self.show}" if self.show != Show.ALL else ""

    @property
    def older(self) -> str:
        """The part of the address that leads to what is older, if there is anything."""
        if self.timeline.older is None:
            return ""
        shown = {"show": str(self.show)} if self.show != Show.ALL else {}
        return "?" + urlencode({**shown, "before": str(self.timeline.older)})


@require_GET
@readers_only
def opportunity_timeline(request: CrmRequest, pk: int) -> HttpResponse:
    """The history of an opportunity; opened directly it is a part of the opportunity's page."""
    opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=pk)
    if not request.htmx:
        return redirect(f"{opportunity.get_absolute_url()}?{request.GET.urlencode()}#timeline")
    panel = panel_of_opportunity(request, opportunity, may=allowed(request.user, opportunity))
    return draw(request, panel)


@require_GET
@readers_only
def contact_timeline(request: CrmRequest, pk: int) -> HttpResponse:
    """What was said to a contact and noted about their opportunities: a panel on the contact's page."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user).select_related("company"), pk=pk)
    return draw(request, panel_of_contact(request, contact))


def panel_of_opportunity(
    request: CrmRequest,
    opportunity: Opportunity,
    *,
    may: frozenset[str],
    form: InteractionForm | None = None,
    show: Show | None = None,
) -> Panel:
    """The panel of an opportunity, as the address asks for it, with the form for those who may note something."""
    asked, place, notice = _asked(request) if show is None else (show, None, "")
    found = timeline.of_opportunity(opportunity, show=asked, place=place)
    worked = frozenset({opportunity.pk} if "note" in may else ())
    return Panel(
        timeline=found,
        about=opportunity,
        title=_("History"),
        page_url=opportunity.get_absolute_url(),
        url=reverse("opportunities:timeline", args=[opportunity.pk]),
        show=asked,
        notice=notice,
        form=(form or new_form()) if "note" in may else None,
        form_url=reverse("opportunities:note-new", args=[opportunity.pk]),
        changeable=allowed_to_change(request.user, _interactions(found.lines), worked=worked),
        focus="filter" if request.htmx and request.method == "GET" else "",
    )


def panel_of_contact(request: CrmRequest, contact: Contact, *, form: InteractionForm | None = None) -> Panel:
    """The panel of a contact. What is noted here is about the contact; about an opportunity one notes on its page."""
    _show, place, notice = _asked(request)
    url = reverse("opportunities:contact-timeline", args=[contact.pk])
    found = timeline.of_contact(contact, request.user, place=place)
    return Panel(
        timeline=found,
        about=contact,
        title=_("Notes and calls"),
        page_url=url,
        url=url,
        show=Show.ALL,
        notice=notice,
        form=(form or new_form()) if may_note_on(request.user, contact) else None,
        form_url=reverse("opportunities:contact-note-new", args=[contact.pk]),
        changeable=allowed_to_change(request.user, _interactions(found.lines)),
        has_filters=False,
        names_opportunity=True,
    )


def new_form(data: Any = None, files: Any = None) -> InteractionForm:
    """The form on the timeline; its fields have names of their own on the page."""
    form = InteractionForm(data, files, auto_id="note_%s")
    kind: Any = form.fields["kind"]
    kind.widget = KindChoice(choices=kind.choices)
    for name in ("text", "happened_on", "attach"):
        form.fields[name].widget.attrs["class"] = "form-control"
    form.fields["text"].widget.attrs |= {
        "rows": 2,
        "placeholder": _("Note what was said, agreed or noticed"),
    }
    return form


def draw(
    request: CrmRequest, panel: Panel, *, status: int | None = None, announced: str = ""
) -> HttpResponse:
    """The panel alone for htmx, only the older lines when those are asked for, or a page of its own."""
    template = TEMPLATE
    if request.htmx and request.htmx.target != "main":
        template = OLDER if request.htmx.target == "older" else PANEL
    context = {"panel": panel, "announced": announced, "is_swapped": bool(request.htmx)}
    return render(request, template, context, status=status or (422 if panel.notice else 200))


def _asked(request: CrmRequest) -> tuple[Show, Place | None, str]:
    """What the address asks to see, from which place, and what is wrong with it."""
    show, before = request.GET.get("show", ""), request.GET.get("before", "")
    if show and show not in Show.values:
        names = ", ".join(Show.values)
        notice = _("One cannot ask to see “%(show)s”, so all is shown. Choose one of: %(names)s.")
        return Show.ALL, None, notice % {"show": show[:50], "names": names}
    place = Place.read(before) if before else None
    if before and place is None:
        return Show(show or Show.ALL), None, _("That place is not in this history, so the newest is shown.")
    return Show(show or Show.ALL), place, ""


def _interactions(lines: Sequence[Line]) -> list[Interaction]:
    return [line.interaction for line in lines if line.interaction is not None]
