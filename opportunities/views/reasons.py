"""The close reasons: why opportunities are won and lost."""

from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from crm.access import managers_only, readers_only
from crm.deletion import delete_unless_used, what_uses
from crm.forms import saved
from crm.http import CrmRequest, dialog, done
from crm.seen import kept, status_of
from opportunities.forms.reasons import CloseReasonForm
from opportunities.models import CloseReason, Opportunity, OpportunityEntry, Outcome


@require_GET
@readers_only
def reason_list(request: CrmRequest) -> HttpResponse:
    """The reasons for won and those for lost, with how many of the opportunities one sees were closed for each."""
    visible = Opportunity.objects.visible_to(request.user)
    closed = visible.closed().order_by().values_list("close_reason")
    uses = dict(closed.annotate(count=Count("pk")))
    groups: dict[str, list[tuple[CloseReason, int]]] = {outcome.value: [] for outcome in Outcome}
    for reason in CloseReason.objects.order_by("-is_active", "description", "pk"):
        groups[reason.outcome].append((reason, uses.get(reason.pk, 0)))
    context = {
        "groups": [(outcome, groups[outcome.value]) for outcome in Outcome],
        "may_change": request.user.is_manager(),
    }
    return render(request, "opportunities/closereason_list.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def new_reason(request: CrmRequest) -> HttpResponse:
    """A new reason; ``?outcome=LOST`` chooses the outcome."""
    if request.method == "POST":
        form = CloseReasonForm(request.POST)
        if form.is_valid() and saved(form):
            messages.success(request, _("Added “%(reason)s”.") % {"reason": form.instance})
            return done(request, reverse("opportunities:reason-list"))
    else:
        asked = request.GET.get("outcome", "")
        form = CloseReasonForm(initial={"outcome": asked if asked in Outcome.values else Outcome.WON})
    return _answer(request, form, _("New close reason"))


@require_http_methods(["GET", "POST"])
@managers_only
def edit_reason(request: CrmRequest, pk: int) -> HttpResponse:
    """Change a reason; ``retire`` or ``restore`` in the form changes only whether it is offered."""
    with transaction.atomic():
        reason = get_object_or_404(CloseReason.objects.select_for_update(), pk=pk)
        if "retire" in request.POST or "restore" in request.POST:
            return _offer(request, reason, offered="restore" in request.POST)
        uses = OpportunityEntry.objects.filter(close_reason=reason).count()
        form = CloseReasonForm(request.POST or None, instance=reason, uses=uses)
        if request.method == "POST" and form.is_valid() and kept(request, form):
            messages.success(request, _("Saved “%(reason)s”.") % {"reason": reason})
            return done(request, reverse("opportunities:reason-list"))
    return _answer(request, form, _("Edit close reason"))


@require_http_methods(["GET", "POST"])
@managers_only
def delete_reason(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete a reason that was never given, after a question."""
    reason = get_object_or_404(CloseReason, pk=pk)
    uses = delete_unless_used(reason) if request.method == "POST" else what_uses(reason)
    if request.method == "POST" and not uses:
        messages.success(request, _("Deleted “%(reason)s”.") % {"reason": reason})
        return done(request, reverse("opportunities:reason-list"))
    context = {
        "title": _("Delete “%(reason)s”?") % {"reason": reason},
        "text": "" if uses else _("Nobody can close an opportunity with it any more."),
        "uses": uses,
        "way_out": _("Retire it instead: what is closed keeps it, and it is offered no more.")
        if uses
        else "",
        "cancel_url": reverse("opportunities:reason-list"),
        "up_url": reverse("opportunities:reason-list"),
        "up_label": _("Close reasons"),
    }
    return dialog(request, "generic/confirm.html", context, status=422 if request.method == "POST" else 200)


def _offer(request: CrmRequest, reason: CloseReason, *, offered: bool) -> HttpResponse:
    """Retire a reason, or take it into use again."""
    reason.is_active = offered
    reason.save(update_fields=["is_active"])
    text = (
        _("“%(reason)s” is offered again.") if offered else _("Retired “%(reason)s”: it is offered no more.")
    )
    messages.success(request, text % {"reason": reason})
    return redirect("opportunities:reason-list")


def _answer(request: CrmRequest, form: CloseReasonForm, title: str) -> HttpResponse:
    """The form, new or with what is wrong with it."""
    reason_list_url = reverse("opportunities:reason-list")
    context = {
        "title": title,
        "form": form,
        "cancel_url": reason_list_url,
        "up_url": reason_list_url,
        "up_label": _("Close reasons"),
    }
    if form.instance.pk:
        context["delete_url"] = reverse("opportunities:reason-delete", args=[form.instance.pk])
    return dialog(request, "generic/form.html", context, status=status_of(form))
