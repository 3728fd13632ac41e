"""The heading of an opportunity's page, which turns into a field, and the menu of its priority."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import readers_only
from crm.http import CrmRequest, dialog, done
from opportunities import operations
from opportunities.access import allowed, require
from opportunities.forms.title import TitleForm
from opportunities.models import Opportunity, Priority


@require_http_methods(["GET", "POST"])
@readers_only
def opportunity_title(request: CrmRequest, pk: int) -> HttpResponse:
    """The heading; with ``?edit`` as a field, by POST saved. Without htmx the page of the same form does it."""
    opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=pk)
    may = allowed(request.user, opportunity)
    if request.method == "GET":
        if not request.htmx:
            return redirect("opportunities:edit", pk)
        is_edited = "edit" in request.GET and "describe" in may
        return _draw(request, opportunity, may, TitleForm(opportunity=opportunity) if is_edited else None)
    require("describe", may)
    return _save(request, opportunity, may)


def _save(request: CrmRequest, opportunity: Opportunity, may: frozenset[str]) -> HttpResponse:
    """Describe it as asked, or say in place why not, with what was typed still there."""
    form = TitleForm(request.POST, opportunity=opportunity)
    status = 422
    if form.is_valid():
        try:
            operations.describe(opportunity=opportunity, by=request.user, **form.cleaned_data)
        except operations.Gone as gone:
            raise Http404(gone.message) from gone
        except operations.Refused as refusal:
            status = 409 if isinstance(refusal, operations.MovedMeanwhile) else 422
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
            opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=opportunity.pk)
            form.opportunity = opportunity
            form.redraw()
        else:
            if not request.htmx:
                return done(request, opportunity.get_absolute_url())
            focus = "priority" if "priority" in form.fields else "pencil"
            return _draw(request, opportunity, may, None, focus=focus, announced=_("Saved."))
    if not request.htmx:  # the menu of the priority works without script
        url = opportunity.get_absolute_url()
        context = {"title": _("Edit %(number)s") % {"number": opportunity.number}, "form": form}
        context |= {"cancel_url": url, "up_url": url, "up_label": opportunity.number}
        return dialog(request, "generic/form.html", context, status=status)
    return _draw(request, opportunity, may, form, status=status)


def _draw(
    request: CrmRequest,
    opportunity: Opportunity,
    may: frozenset[str],
    form: TitleForm | None,
    *,
    status: int = 200,
    focus: str = "pencil",
    announced: str = "",
) -> HttpResponse:
    context = {
        "opportunity": opportunity,
        "may": may,
        "form": form,
        "focus": focus,
        "announced": announced,
        "priorities": Priority.choices,
        "is_swapped": True,
    }
    return render(request, "opportunities/_title.html", context, status=status)
