"""Notes, calls, meetings and e-mails: writing one on the timeline, reading a long one, changing and deleting them."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from activities.attachments import FileRefused, forget_files
from activities.forms.interactions import InteractionForm
from activities.models import Interaction
from contacts.models import Contact
from crm.access import readers_only
from crm.forms import in_one_transaction, to_change
from crm.http import CrmRequest, dialog, done, next_url
from opportunities.access import allowed, allowed_to_change, may_note_on, require, seen_interactions
from opportunities.models import Opportunity
from opportunities.timeline import Show
from opportunities.views.timeline import Panel, draw, new_form, panel_of_contact, panel_of_opportunity
from salespeople.models import User

LONGEST_EXCERPT = 200
form_methods = require_http_methods(["GET", "POST"])


@form_methods
@readers_only
def new_note(request: CrmRequest, pk: int) -> HttpResponse:
    """Note something about an opportunity."""
    opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=pk)
    may = allowed(request.user, opportunity)
    require("note", may)

    def panel(form: InteractionForm | None) -> Panel:
        show = Show.NOTES if request.GET.get("show") == Show.NOTES else Show.ALL
        return panel_of_opportunity(request, opportunity, may=may, form=form, show=show)

    return _write(request, {"opportunity": opportunity}, opportunity, panel)


@form_methods
@readers_only
def new_contact_note(request: CrmRequest, pk: int) -> HttpResponse:
    """Note something about a contact."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user).select_related("company"), pk=pk)
    if not may_note_on(request.user, contact):
        raise PermissionDenied(
            _("Those who sell note something here, unless the contact is blocked for privacy or was merged.")
        )
    return _write(
        request, {"contact": contact}, contact, lambda form: panel_of_contact(request, contact, form=form)
    )


@require_GET
@readers_only
def read_note(request: CrmRequest, pk: int) -> HttpResponse:
    """The whole of a long one."""
    note = get_object_or_404(
        seen_interactions(request.user).with_names().select_related("opportunity"), pk=pk
    )
    context: dict[str, Any] = {**_around(request, note), "note": note, "title": note.get_kind_display()}
    context["files"] = list(note.attachments.order_by("pk"))
    context["may_change"] = note.pk in allowed_to_change(request.user, [note])
    context["edit_url"] = _with_next(request, "opportunities:note-edit", note)
    return dialog(request, "opportunities/note.html", context)


@form_methods
@readers_only
@in_one_transaction
def edit_note(request: CrmRequest, pk: int) -> HttpResponse:
    """Change one; it is marked as edited."""
    note = _changeable(request, pk)
    stored = note.text
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = InteractionForm(*sent, instance=note)
    status = 422 if request.method == "POST" else 200
    if request.method == "POST" and form.is_valid():
        if form.was_overtaken(stored):
            _say_overtaken(form, stored)
            status = 409
        elif _changed(form, request.user):
            messages.success(request, _("Saved."))
            return done(request, _around(request, note)["cancel_url"])
    context = {**_around(request, note), "title": _("Edit"), "form": form}
    context["delete_url"] = _with_next(request, "opportunities:note-delete", note)
    return dialog(request, "generic/form.html", context, status=status)


@form_methods
@readers_only
@in_one_transaction
def delete_note(request: CrmRequest, pk: int) -> HttpResponse:
    """Ask, then delete one."""
    note = _changeable(request, pk)
    around = _around(request, note)
    if request.method == "POST":
        forget_files(note.attachments.all())
        note.delete()
        messages.success(request, _("Deleted."))
        return done(request, around["cancel_url"])
    context = {
        **around,
        "title": _("Delete this?"),
        "text": _("“%(text)s” is gone for good.") % {"text": _excerpt(note.text)},
        "losses": [str(attachment) for attachment in note.attachments.order_by("pk")],
    }
    return dialog(request, "generic/confirm.html", context)


def _write(
    request: CrmRequest,
    about: dict[str, Any],
    thing: Opportunity | Contact,
    panel: Callable[[InteractionForm | None], Panel],
) -> HttpResponse:
    """Keep what was typed: on the timeline for htmx, else on a page of its own that leads back to the timeline."""
    form = new_form(*(request.POST, request.FILES) if request.method == "POST" else ())
    url = f"{thing.get_absolute_url()}#timeline"
    on_timeline = request.htmx.target == "timeline"
    if form.is_valid() and _kept(form, about, request.user):
        if on_timeline:
            drawn = panel(None)
            drawn.focus = str(form.instance.pk)
            return draw(request, drawn, announced=_("Added to the history."))
        messages.success(request, _("Added to the history."))
        return done(request, url)
    if form.is_bound and on_timeline:
        _focus_on_mistake(form)
        return draw(request, panel(form), status=422)
    context = {"title": _("Note something"), "lead": str(thing), "form": form, "submit_label": _("Add")}
    context |= {"cancel_url": url, "up_url": thing.get_absolute_url(), "up_label": thing.number}
    return dialog(request, "generic/form.html", context, status=422 if form.is_bound else 200)


def _kept(form: InteractionForm, about: dict[str, Any], by: User) -> bool:
    """Store what was typed with its files, about what and by whom; False when a file is refused."""
    note = form.save(commit=False)
    note.recorded_by = by
    for name, value in about.items():
        setattr(note, name, value)

    def save() -> None:
        if note.contact is not None:  # one that was merged meanwhile carries on in another
            note.contact = Contact.objects.locked().carrying_on(note.contact.pk)
        note.save()

    return _with_files(form, save, by)


def _changed(form: InteractionForm, by: User) -> bool:
    """Store what was changed, which is marked as edited; False when a file is refused."""
    if not form.has_changed():
        return True
    form.instance.edited_at = timezone.now()
    return _with_files(form, form.save, by)


def _with_files(form: InteractionForm, save: Callable[[], Any], by: User) -> bool:
    """Store both what was typed and the files, or nothing and say at the field why a file is refused."""
    try:
        with transaction.atomic():
            save()
            form.keep_files(by)
    except FileRefused as refusal:
        form.add_error("attach", refusal.message)
        form.ask_for_files_again()
        return False
    return True


def _focus_on_mistake(form: InteractionForm) -> None:
    """Focus goes to the first field that is not right."""
    for name in form.fields:
        if name in form.errors:
            form.fields[name].widget.attrs["data-focus"] = True
            return


def _changeable(request: CrmRequest, pk: int) -> Interaction:
    """The interaction, if the user sees it (else 404) and may change it (else 403)."""
    note: Interaction = get_object_or_404(to_change(request, seen_interactions(request.user)), pk=pk)
    if note.pk not in allowed_to_change(request.user, [note]):
        raise PermissionDenied(_("This needs whoever wrote it, or a sales manager of the team."))
    return note


def _around(request: CrmRequest, note: Interaction) -> dict[str, str]:
    """Where one came from, and what the interaction is about."""
    about = note.opportunity or note.contact
    assert about is not None  # the database says so
    url = about.get_absolute_url()
    return {"cancel_url": next_url(request, f"{url}#timeline"), "up_url": url, "up_label": about.number}


def _with_next(request: CrmRequest, name: str, note: Interaction) -> str:
    query = request.GET.urlencode()
    return reverse(name, args=[note.pk]) + (f"?{query}" if query else "")


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_EXCERPT else f"{line[:LONGEST_EXCERPT]}…"


def _say_overtaken(form: InteractionForm, stored: str) -> None:
    """Somebody else changed the text meanwhile: say what it is now, and keep what was typed."""
    form.add_error(
        None, _("Meanwhile it was changed to: “%(text)s” Look again, then save.") % {"text": stored}
    )
    form.ask_for_files_again()
    form.redraw(stored)
