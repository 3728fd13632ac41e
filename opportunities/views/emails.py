"""E-mails that could not be matched: somebody places each, or sets it aside."""

from typing import Any

from django.contrib import messages
from django.db.models import Prefetch
from django.db.models.functions import Left
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from activities.models import Attachment, Email, EmailState, Interaction
from activities.models.emails import KEPT_ASIDE
from contacts.models import Contact
from crm.access import sellers_only
from crm.http import CrmRequest, dialog, done, next_url, page
from crm.pages import keyset_page
from opportunities.forms.emails import PlaceForm
from opportunities.mail import filing
from opportunities.mail.matching import Addressed, Colleagues, match
from opportunities.models import Opportunity

SORTS = ("sent_at",)
ASIDE_SORTS = ("placed_at",)
EXCERPT = 240  # characters of the text in the list
LATELY = 5  # e-mails that one has placed today and may take back
form_methods = require_http_methods(["GET", "POST"])


@require_GET
@sellers_only
def email_list(request: CrmRequest) -> HttpResponse:
    """Those that wait, newest first, and those that one has just placed."""
    files = Prefetch("attachments", Attachment.objects.order_by("pk"))
    waiting = (
        Email.objects.visible_to(request.user)
        .waiting()
        .defer("text")
        .annotate(beginning=Left("text", EXCERPT))
        .prefetch_related(files)
    )
    shown = keyset_page(waiting, sorts=SORTS, params=request.GET, default="-sent_at")
    context = {"page": shown, "emails": shown.rows, "placed": _placed_today(request), "excerpt": EXCERPT}
    return page(request, "opportunities/email_list.html", context, status=422 if shown.notice else 200)


@require_GET
@sellers_only
def emails_set_aside(request: CrmRequest) -> HttpResponse:
    """Those that were set aside and can be put back, the latest first."""
    aside = Email.objects.visible_to(request.user).aside().defer("text").select_related("placed_by")
    shown = keyset_page(aside, sorts=ASIDE_SORTS, params=request.GET, default="-placed_at")
    context = {"page": shown, "emails": shown.rows, "days": KEPT_ASIDE.days}
    return page(request, "opportunities/email_aside.html", context, status=422 if shown.notice else 200)


@form_methods
@sellers_only
def place_email(request: CrmRequest, pk: int) -> HttpResponse:
    """Show an e-mail, and file it where somebody says."""
    email = get_object_or_404(Email.objects.visible_to(request.user).select_related("placed_by"), pk=pk)
    if email.state != EmailState.WAITING:
        return _placed_first(request, email)
    if request.method == "GET":
        return _draw(request, email, PlaceForm(user=request.user, initial=_likely(request, email)))
    form = PlaceForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            interaction = form.place(email)
        except filing.NoLongerWaiting as late:
            return _placed_first(request, late.email)
        except filing.PlaceRefused as refusal:
            form.add_error(refusal.field, refusal.message)
        else:
            messages.success(request, _("Filed with %(where)s.") % {"where": _where(interaction)})
            return done(request, reverse("opportunities:emails"))
    return _draw(request, email, form, status=422)


@form_methods
@sellers_only
def set_email_aside(request: CrmRequest, pk: int) -> HttpResponse:
    """Ask, then be done with one that belongs nowhere."""
    email = get_object_or_404(Email.objects.visible_to(request.user).select_related("placed_by"), pk=pk)
    if email.state != EmailState.WAITING:
        return _placed_first(request, email)
    if request.method == "POST":
        try:
            filing.set_aside(email, by=request.user)
        except filing.NoLongerWaiting as late:
            return _placed_first(request, late.email)
        undo = reverse("opportunities:email-put-back", args=[email.pk])
        messages.success(request, _("Set aside: %(subject)s.") % {"subject": email}, extra_tags=undo)
        return done(request, reverse("opportunities:emails"))
    context = {
        **_around(),
        "title": _("Set this e-mail aside?"),
        "text": _(
            "“%(subject)s” is filed nowhere. When it comes again it is not taken. For %(n)d days it can be put back; "
            "then its text and files are deleted."
        )
        % {"subject": email, "n": KEPT_ASIDE.days},
        "submit_label": _("Set aside"),
    }
    return dialog(request, "generic/confirm.html", context)


@require_POST
@sellers_only
def put_email_back(request: CrmRequest, pk: int) -> HttpResponse:
    """Let one wait again that somebody has set aside."""
    email = get_object_or_404(Email.objects.visible_to(request.user), pk=pk)
    try:
        filing.put_back(email)
    except filing.NoLongerWaiting:
        context = {
            **_around(),
            "title": _("It cannot be put back"),
            "refusal": _("It waits already, was filed, or was set aside more than %(n)d days ago.")
            % {"n": KEPT_ASIDE.days},
        }
        return dialog(request, "generic/confirm.html", context, status=409)
    messages.success(request, _("It waits again: %(subject)s.") % {"subject": email})
    return done(request, next_url(request, reverse("opportunities:emails")))


@require_POST
@sellers_only
def take_email_back(request: CrmRequest, pk: int) -> HttpResponse:
    """Let one wait again that one has placed wrongly."""
    email = get_object_or_404(Email.objects.visible_to(request.user), pk=pk)
    try:
        filing.take_back(email, by=request.user)
    except filing.NoLongerWaiting:
        context = {
            **_around(),
            "title": _("It stays where it is"),
            "refusal": _(
                "Only who placed an e-mail takes it back, and only as long as nobody has changed it."
            ),
        }
        return dialog(request, "generic/confirm.html", context, status=409)
    messages.success(request, _("It waits again."))
    return done(request, reverse("opportunities:emails"))


def _placed_today(request: CrmRequest) -> list[tuple[Email, str]]:
    """The last few that the user has placed today and may take back, each with where it went."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = (
        Email.objects.filter(
            placed_by=request.user,
            placed_at__gte=midnight,
            state=EmailState.FILED,
            interaction__edited_at__isnull=True,
        )
        .select_related("interaction__contact", "interaction__opportunity")
        .order_by("-placed_at", "-pk")
    )
    return [(email, _where(email.interaction)) for email in rows[:LATELY] if email.interaction is not None]


def _where(interaction: Interaction) -> str:
    names = [interaction.contact.label] if interaction.contact else []
    if interaction.opportunity:
        names.append(str(interaction.opportunity))
    return ", ".join(names)


def _likely(request: CrmRequest, email: Email) -> dict[str, Any]:
    """Where it seems to belong, as far as the user may place it there."""
    mail = Addressed(email.subject, email.sender, email.recipients.splitlines())
    found = match(mail, Colleagues(mail))
    likely: dict[str, Any] = {}
    seen = Contact.objects.visible_to(request.user)
    if found.contact and (request.user.sees_everything() or seen.filter(pk=found.contact.pk).exists()):
        likely["contact"] = found.contact
    workable = Opportunity.objects.workable_by(request.user).open()
    if found.opportunity and workable.filter(pk=found.opportunity.pk).exists():
        likely["opportunity"] = found.opportunity
    return likely


def _draw(request: CrmRequest, email: Email, form: PlaceForm, *, status: int = 200) -> HttpResponse:
    context = {
        **_around(),
        "email": email,
        "form": form,
        "title": email.subject or _("(no subject)"),
        "files": email.attachments.order_by("pk"),
    }
    return dialog(request, "opportunities/email_place.html", context, status=status)


def _around() -> dict[str, str]:
    url = reverse("opportunities:emails")
    return {"cancel_url": url, "up_url": url, "up_label": _("E-mail to place")}


def _placed_first(request: CrmRequest, email: Email) -> HttpResponse:
    """Somebody else was faster, or nobody: then the e-mail was filed when it came in."""
    context = {
        "thing": _("this e-mail"),
        "who": email.placed_by or _("Kansen"),
        "what": _("Filed") if email.state == EmailState.FILED else _("Set aside"),
        "when": email.placed_at,
        "thing_url": reverse("opportunities:emails"),
    }
    return dialog(request, "moved_first.html", context, status=409)
