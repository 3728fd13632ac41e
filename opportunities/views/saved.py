"""Views: what the list is asked, kept under a name, shared, put in order."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.access import readers_only
from crm.forms import in_one_transaction, saved, to_change
from crm.http import CrmRequest, dialog, done, next_url, page
from opportunities import arranging, columns
from opportunities.forms.filters import OPEN_ONES, OpportunityFilter
from opportunities.forms.views import LONGEST_QUERY, SavedViewForm
from opportunities.models import Audience, Opportunity, SavedView
from opportunities.views.tabs import address_of

FORM = "opportunities/savedview_form.html"
form_methods = require_http_methods(["GET", "POST"])


@require_GET
@readers_only
def view_list(request: CrmRequest) -> HttpResponse:
    """The reader's own views and those that others share, in the reader's order."""
    views = arranging.in_order(request.user)
    list_url = reverse("opportunities:list")
    context = {
        "views": [(view, address_of(view, list_url), view.owner == request.user) for view in views],
        "most": arranging.MOST_VIEWS if len(views) == arranging.MOST_VIEWS else 0,
        "list_url": list_url,
        "moved": request.GET.get("moved"),  # its button keeps the focus
        "direction": request.GET.get("direction"),
    }
    return page(request, "opportunities/savedview_list.html", context)


@form_methods
@readers_only
def new_view(request: CrmRequest) -> HttpResponse:
    """Keep what the address asks for under a name."""
    asked = _asked(request)
    form = SavedViewForm(request.POST or None, user=request.user)
    form.instance.query = asked.query_string
    problem = _problem(request, asked)
    if request.method == "POST" and not problem and form.is_valid() and saved(form):
        if form.cleaned_data["opens_first"]:
            arranging.open_with(form.instance, by=request.user)
        messages.success(request, _("Saved as “%(view)s”.") % {"view": form.instance})
        return done(request, _address(form.instance))
    return _draw(request, form, _("Save view"), problem, asked)


@form_methods
@readers_only
@in_one_transaction
def edit_view(request: CrmRequest, pk: int) -> HttpResponse:
    """Give a view another name, share it with others, let the list open with it."""
    view = _own(request, pk)
    opens_first = view == SavedView.objects.opening_for(request.user)
    form = SavedViewForm(
        request.POST or None, instance=view, user=request.user, initial={"opens_first": opens_first}
    )
    if request.method == "POST" and form.is_valid() and saved(form):
        if form.cleaned_data["opens_first"] != opens_first:
            arranging.open_with(None if opens_first else view, by=request.user)
        messages.success(request, _("Saved “%(view)s”.") % {"view": view})
        return done(request, next_url(request, _address(view)))
    return _draw(request, form, _("Edit view"))


@require_POST
@readers_only
@in_one_transaction
def update_view(request: CrmRequest, pk: int) -> HttpResponse:
    """Let a view ask what the address asks for."""
    view = _own(request, pk)
    asked = _asked(request)
    if problem := _problem(request, asked):
        return _draw(request, SavedViewForm(instance=view, user=request.user), _("Edit view"), problem)
    view.query = asked.query_string
    view.save(update_fields=["query"])
    messages.success(request, _("“%(view)s” now asks for this.") % {"view": view})
    return done(request, _address(view))


@form_methods
@readers_only
@in_one_transaction
def delete_view(request: CrmRequest, pk: int) -> HttpResponse:
    """Ask, then delete."""
    view = _own(request, pk)
    if request.method == "POST":
        view.delete()
        messages.success(request, _("Deleted “%(view)s”. No opportunity was touched.") % {"view": view.name})
        return done(request, reverse("opportunities:view-list"))
    shared = _("It also goes from the tabs of those with whom you share it.")
    context = {
        "title": _("Delete “%(view)s”?") % {"view": view},
        "text": "" if view.audience == Audience.OWNER else shared,
        "way_out": _("The opportunities that it shows stay as they are."),
        "cancel_url": reverse("opportunities:view-list"),
        "up_url": reverse("opportunities:view-list"),
        "up_label": _("Views"),
    }
    return dialog(request, "generic/confirm.html", context)


@require_POST
@readers_only
def shift_view(request: CrmRequest, pk: int) -> HttpResponse:
    """Put a view one place up or down; the others keep theirs."""
    view = get_object_or_404(SavedView.objects.visible_to(request.user), pk=pk)
    up = request.POST.get("direction") == "up"
    direction = "up" if up else "down"
    if arranging.shift(view, by=request.user, up=up):
        text = _("“%(view)s” is one place further up.") if up else _("“%(view)s” is one place further down.")
        messages.success(request, text % {"view": view})
    return redirect(f"{reverse('opportunities:view-list')}?moved={view.pk}&direction={direction}")


@require_POST
@readers_only
def open_with_view(request: CrmRequest, pk: int) -> HttpResponse:
    """Let the list open with a view, or (``not``) with the open ones again."""
    view = get_object_or_404(SavedView.objects.visible_to(request.user), pk=pk)
    if "not" in request.POST:
        arranging.open_with(None, by=request.user)
        messages.success(request, _("The list opens with all open opportunities."))
    else:
        arranging.open_with(view, by=request.user)
        messages.success(request, _("The list opens with “%(view)s”.") % {"view": view})
    return redirect("opportunities:view-list")


def _own(request: CrmRequest, pk: int) -> SavedView:
    """A view that the reader may change. One that is only shared with them is forbidden, another not found."""
    view = get_object_or_404(to_change(request, SavedView.objects.visible_to(request.user)), pk=pk)
    if not SavedView.objects.changeable_by(request.user).filter(pk=pk).exists():
        raise PermissionDenied(
            _("Only the person who keeps a view can change it. Save it under a name of your own.")
        )
    return view


def _asked(request: CrmRequest) -> OpportunityFilter:
    return OpportunityFilter(request.GET, Opportunity.objects.visible_to(request.user), request=request)


def _problem(request: CrmRequest, asked: OpportunityFilter) -> str:
    """Why what the address asks for cannot be kept."""
    if not asked.form.is_valid() or columns.chosen(request.GET.getlist("columns")).unknown:
        return _("What the list is asked makes no sense as it is. Mend the filter first, then keep it.")
    if len(asked.query_string) > LONGEST_QUERY:
        return _("This is too long to keep. Ask for less at once.")
    return ""


def _address(view: SavedView) -> str:
    return address_of(view, reverse("opportunities:list"))


def _draw(
    request: CrmRequest,
    form: SavedViewForm,
    title: str,
    problem: str = "",
    asked: OpportunityFilter | None = None,
) -> HttpResponse:
    view = form.instance
    list_url = reverse("opportunities:list")
    context = {
        "title": title,
        "form": form,
        "problem": problem,
        "asked": asked,
        "columns": columns.chosen(request.GET.getlist("columns")),
        "cancel_url": _address(view) if view.pk else f"{list_url}?{view.query or OPEN_ONES}",
        "delete_url": reverse("opportunities:view-delete", args=[view.pk]) if view.pk else None,
        "up_url": list_url,
        "up_label": _("Opportunities"),
    }
    is_refused = request.method == "POST"
    return dialog(request, FORM, context, status=422 if is_refused else 200)
