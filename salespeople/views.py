"""Pages of salespeople and teams, signing in, and one's own preferences."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.access import managers_only, readers_only
from crm.deletion import delete_unless_used, what_uses
from crm.forms import in_one_transaction, saved, to_change
from crm.http import CrmRequest, dialog, done, next_url
from crm.pages import keyset_page
from crm.seen import kept, status_of
from salespeople.forms import (
    PreferencesForm,
    SalespersonFilterForm,
    SalespersonForm,
    SignInForm,
    TeamForm,
    ThemeForm,
)
from salespeople.models import Salesperson, StartPage, Team, User

FIRST_PAGES: dict[str, str] = {
    StartPage.TODAY: "opportunities:today",
    StartPage.BOARD: "opportunities:board",
    StartPage.OPPORTUNITIES: "opportunities:list",
}
SORTS = ("name", "code", "job_title", "team__name", "email")


class SignIn(LoginView):
    """Sign in by e-mail address; whoever is signed in already goes on."""

    template_name = "registration/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


class PasswordChange(PasswordChangeView):
    """Choose another password."""

    success_url = reverse_lazy("password-changed")

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


@require_GET
def home(request: CrmRequest) -> HttpResponse:
    """Go on to the page that the user wants to see first; to the list if the row names none that there is."""
    return redirect(FIRST_PAGES.get(request.user.start_page, "opportunities:list"))


@require_http_methods(["GET", "POST"])
def preferences(request: CrmRequest) -> HttpResponse:
    """One's own name, language and time zone, how pages look, which one comes first, single keys, and e-mail."""
    # The form fills the instance it is given, and the page around a refused form shows the user as stored.
    stored = User.objects.get(pk=request.user.pk)
    form = PreferencesForm(request.POST or None, instance=stored)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved your preferences."))
        return redirect("salespeople:preferences")
    context = {"form": form, "title": _("Preferences"), "cancel_url": reverse("home")}
    return render(request, "salespeople/preferences.html", context, status=422 if form.is_bound else 200)


@require_POST
def choose_theme(request: CrmRequest) -> HttpResponse:
    """Light, dark, or as the system: the switch in the user's menu."""
    form = ThemeForm(request.POST, instance=request.user)
    if form.is_valid():
        form.save()
    else:
        messages.error(request, _("There is no such appearance. Choose light, dark, or as the system."))
    return redirect(next_url(request, reverse("salespeople:preferences")))


@require_GET
@readers_only
def salesperson_list(request: CrmRequest) -> HttpResponse:
    """Everybody who sells."""
    form = SalespersonFilterForm(request.GET)
    salespeople = form.filter(Salesperson.objects.visible_to(request.user)).select_related("team")
    page = keyset_page(salespeople, sorts=SORTS, params=request.GET, default="name")
    context = {"form": form, "asked": form.cleaned_data, "page": page, "items": page.rows}
    if form.is_narrowed:
        context |= {
            "empty_title": _("No salesperson fits"),
            "empty_text": _("Try fewer letters, or another team."),
        }
    else:
        context |= {
            "empty_title": _("No salespeople yet"),
            "empty_text": _("Every opportunity belongs to one of them. They need not sign in."),
        }
    return render(request, "salespeople/salesperson_list.html", context)


@require_GET
def salesperson_detail(request: CrmRequest, pk: int) -> HttpResponse:
    """One salesperson: facts, team and opportunities."""
    visible = Salesperson.objects.visible_to(request.user).select_related("team__manager", "user")
    salesperson = get_object_or_404(visible, pk=pk)
    may_sell_as = Salesperson.objects.worked_by(request.user).assignable()
    context = {
        "salesperson": salesperson,
        "may_change": request.user.is_manager(),
        "may_start": may_sell_as.filter(pk=pk).exists(),
    }
    return render(request, "salespeople/salesperson_detail.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def new_salesperson(request: CrmRequest) -> HttpResponse:
    """Somebody new who sells."""
    form = SalespersonForm(request.POST or None, by=request.user)
    if request.method == "POST" and form.is_valid() and saved(form):
        messages.success(request, _("Added %(name)s.") % {"name": form.instance})
        return done(request, form.instance.get_absolute_url())
    return _answer(request, form, _("New salesperson"), up=_up_to_salespeople())


@require_http_methods(["GET", "POST"])
@managers_only
@in_one_transaction
def edit_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """Change a salesperson."""
    salesperson = get_object_or_404(to_change(request, Salesperson.objects.visible_to(request.user)), pk=pk)
    name = salesperson.name
    form = SalespersonForm(request.POST or None, by=request.user, instance=salesperson)
    if request.method == "POST" and form.is_valid() and kept(request, form):
        messages.success(request, _("Saved %(name)s.") % {"name": salesperson})
        return done(request, salesperson.get_absolute_url())
    up = {"up_url": salesperson.get_absolute_url(), "up_label": name}
    return _answer(request, form, _("Edit %(name)s") % {"name": name}, up=up)


@require_http_methods(["GET", "POST"])
@managers_only
def delete_salesperson(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete a salesperson whom nothing names, after a question."""
    salesperson = get_object_or_404(Salesperson.objects.visible_to(request.user), pk=pk)
    uses = delete_unless_used(salesperson) if request.method == "POST" else what_uses(salesperson)
    if request.method == "POST" and not uses:
        messages.success(request, _("Deleted %(name)s.") % {"name": salesperson})
        return done(request, reverse("salespeople:list"))
    context = {
        "title": _("Delete %(name)s?") % {"name": salesperson},
        "text": "" if uses else _("Nothing is under this name, so nothing else goes with it."),
        "uses": uses,
        "way_out": _("Block them instead: they keep what is theirs and get nothing new.") if uses else "",
        "cancel_url": salesperson.get_absolute_url(),
        "up_url": salesperson.get_absolute_url(),
        "up_label": salesperson.name,
    }
    return dialog(request, "generic/confirm.html", context, status=_status(request))


@require_GET
@readers_only
def team_list(request: CrmRequest) -> HttpResponse:
    """Teams, their manager and their members."""
    teams = Team.objects.with_people().order_by("name", "pk")
    context = {
        "items": teams,
        "may_change": request.user.is_manager(),
        "empty_title": _("No teams yet"),
        "empty_text": _("Salespeople of a team work under one manager, who may act for all of them."),
    }
    return render(request, "salespeople/team_list.html", context)


@require_http_methods(["GET", "POST"])
@managers_only
def new_team(request: CrmRequest) -> HttpResponse:
    """A new team."""
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and saved(form):
        messages.success(request, _("Added team %(name)s.") % {"name": form.instance})
        return done(request, reverse("salespeople:team-list"))
    return _answer(request, form, _("New team"), up=_up_to_teams())


@require_http_methods(["GET", "POST"])
@managers_only
@in_one_transaction
def edit_team(request: CrmRequest, pk: int) -> HttpResponse:
    """Change a team."""
    team = get_object_or_404(to_change(request, Team.objects.all()), pk=pk)
    name = team.name
    form = TeamForm(request.POST or None, instance=team)
    if request.method == "POST" and form.is_valid() and kept(request, form):
        messages.success(request, _("Saved team %(name)s.") % {"name": team})
        return done(request, reverse("salespeople:team-list"))
    delete_url = reverse("salespeople:team-delete", args=[pk])
    return _answer(
        request, form, _("Edit team %(name)s") % {"name": name}, up=_up_to_teams(), delete_url=delete_url
    )


@require_http_methods(["GET", "POST"])
@managers_only
def delete_team(request: CrmRequest, pk: int) -> HttpResponse:
    """Delete a team without members, after a question."""
    team = get_object_or_404(Team, pk=pk)
    uses = delete_unless_used(team) if request.method == "POST" else what_uses(team)
    if request.method == "POST" and not uses:
        messages.success(request, _("Deleted team %(name)s.") % {"name": team})
        return done(request, reverse("salespeople:team-list"))
    context = {
        "title": _("Delete team %(name)s?") % {"name": team},
        "text": "" if uses else _("Nobody is in it."),
        "uses": uses,
        "way_out": _("Give its members another team first.") if uses else "",
        "cancel_url": reverse("salespeople:team-list"),
        **_up_to_teams(),
    }
    return dialog(request, "generic/confirm.html", context, status=_status(request))


def _answer(
    request: CrmRequest,
    form: SalespersonForm | TeamForm,
    title: str,
    *,
    up: dict[str, str],
    delete_url: str = "",
) -> HttpResponse:
    context = {
        "title": title,
        "form": form,
        "fields_layout": "two",
        "cancel_url": up["up_url"],
        "delete_url": delete_url,
        **up,
    }
    return dialog(request, "generic/form.html", context, status=status_of(form))


def _status(request: CrmRequest) -> int:
    """A form that is shown again after a POST was refused."""
    return 422 if request.method == "POST" else 200


def _up_to_salespeople() -> dict[str, str]:
    return {"up_url": reverse("salespeople:list"), "up_label": _("Salespeople")}


def _up_to_teams() -> dict[str, str]:
    return {"up_url": reverse("salespeople:team-list"), "up_label": _("Teams")}
