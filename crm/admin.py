"""The admin site, and what every table in it has in common.

Superusers run the site. Sales managers work on the tables that say so; everybody else is shown the door. Who may
do what follows from the role alone: Django's permission rows are not read anywhere in the admin.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import BaseModelAdmin, IncorrectLookupParameters
from django.contrib.admin.widgets import (
    AutocompleteSelect,
    AutocompleteSelectMultiple,
    RelatedFieldWidgetWrapper,
)
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from crm.deletion import what_uses
from crm.forms import KeyedMultipleChoiceField, is_key

if TYPE_CHECKING:
    from salespeople.models import User

WORK = frozenset({"view", "add", "change", "delete"})
MOST_DELETED = 100  # rows that one bulk deletion looks at
LAST_POSITION = 1_000_000_000  # twice this still fits the column


def person(request: HttpRequest) -> "User":
    """Who asks; nobody gets into the admin without signing in."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user


# Permissions -----------------------------------------------------------------------------------------------------


class ByRole:
    """Permissions by role: superusers may do all that anybody may, sales managers what ``managers_may`` names."""

    managers_may: frozenset[str] = frozenset()
    nobody_may: frozenset[str] = frozenset()

    def may(self, request: HttpRequest, act: str) -> bool:
        """Whether who asks may view, add, change or delete here at all."""
        user = request.user
        if act in self.nobody_may or not user.is_authenticated or not user.is_active:
            return False
        return user.is_superuser or (act in self.managers_may and user.is_manager())

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "delete")


class ForSuperusers(BaseModelAdmin[Any]):
    """What an installed app brings is for superusers, as far as it lets them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return person(request).is_superuser and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return person(request).is_superuser and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return person(request).is_superuser and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return person(request).is_superuser and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return person(request).is_superuser and super().has_delete_permission(request, obj)


# The site --------------------------------------------------------------------------------------------------------


class KansenAdminSite(admin.AdminSite):
    """The admin for superusers and sales managers, behind the sign-in page that everybody uses."""

    site_title = gettext_lazy("Kansen admin")
    site_header = gettext_lazy("Kansen admin")
    index_title = gettext_lazy("Tables")

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # tables bring their own, which stays bounded

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register a table; one that says nothing about roles (an installed app's) is for superusers."""
        admin_class = admin_class or admin.ModelAdmin
        if not issubclass(admin_class, ByRole):
            admin_class = type(admin_class.__name__, (ForSuperusers, admin_class), {})
        super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return user.is_authenticated and user.is_active and (user.is_staff or user.is_manager())

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """A page of the admin; who is signed in but has no business here gets 403 instead of a sign-in page."""
        inner = super().admin_view(view, cacheable)

        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            return inner(request, *args, **kwargs)

        page.__dict__.update(inner.__dict__)
        return page

    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send to the one sign-in page, and from there back to where the person wanted to go."""
        return never_cache(self._send_to_sign_in)(request)

    def _send_to_sign_in(self, request: HttpRequest) -> HttpResponse:
        index = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return redirect(index)
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or index, settings.LOGIN_URL)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Send to the page where everybody changes their own password."""
        return redirect("password-change")

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Nothing ends here: the password is changed on the site."""
        return redirect("admin:index")


# Choices that survive nonsense -----------------------------------------------------------------------------------


class KeyedSelect(AutocompleteSelect):
    """A choice by typing; drawn again with a key that cannot be one, it is empty."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if key == "" or is_key(str(key))], attr)


class KeyedSelectMultiple(AutocompleteSelectMultiple):
    """Choices by typing; the same."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if is_key(str(key))], attr)


class KeyedChoices(BaseModelAdmin[Any]):
    """Forms that answer a made-up key with the form again."""

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KeyedSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("form_class", KeyedMultipleChoiceField)
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KeyedSelectMultiple(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


# Tables ----------------------------------------------------------------------------------------------------------


class RoleAdmin(ByRole, KeyedChoices, admin.ModelAdmin[Any]):
    """A table with permissions by role, bounded pages, and deletions that say what stands in the way."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    actions: Any = ["delete_selected"]
    instead_of_deleting: str | Promise = ""

    def get_queryset(self, request: HttpRequest) -> Any:
        """The rows of the table that the person may see."""
        rows: Any = super().get_queryset(request)
        return rows.visible_to(person(request)) if hasattr(rows, "visible_to") else rows

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete selected %(verbose_name_plural)s"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Django's own action, on as many rows as one page can show."""
        if queryset.count() > MOST_DELETED:
            self.message_user(
                request,
                _("At most %(most)d can be deleted at a time. Select fewer.") % {"most": MOST_DELETED},
                messages.WARNING,
            )
            return None
        return delete_selected(self, request, queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """What would go, or, counted and not loaded, what keeps it from going."""
        found = list(objs)
        uses = [(obj, what_uses(obj)) for obj in found]
        protected: list[Any] = [
            format_html("{}: {}", self._link_to(obj), ", ".join(words)) for obj, words in uses if words
        ]
        if len(found) == 1:
            protected = uses[0][1]
        if protected:
            return [], {}, set(), protected
        return super().get_deleted_objects(objs, request)

    def _link_to(self, obj: models.Model) -> str:
        options = obj._meta
        name = f"{self.admin_site.name}:{options.app_label}_{options.model_name}_change"
        try:
            return format_html('<a href="{}">{}</a>', reverse(name, args=[obj.pk]), obj)
        except NoReverseMatch:
            return str(obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row; one that is about to be changed is locked and read again, so nobody's write is lost."""
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST":
            return row
        return self.model._base_manager.select_for_update().filter(pk=row.pk).first()

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"instead_of_deleting": self.instead_of_deleting, **(extra_context or {})}
        return self._unless_changed_meanwhile(request, super().delete_view, object_id, context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self._unless_changed_meanwhile(
            request, super().changeform_view, object_id, form_url, extra_context
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._unless_changed_meanwhile(request, super().changelist_view, extra_context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list; a number or a date in the address that no row can have is answered with the whole list."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error

    def _unless_changed_meanwhile(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any
    ) -> HttpResponse:
        """The answer of a view; when the database finds that somebody was quicker, the page again, saying so."""
        try:
            return view(request, *args)
        except IntegrityError:
            if request.method != "POST":
                raise
            self.message_user(
                request,
                _("Somebody else changed something that this depends on. Nothing was saved: look again."),
                messages.ERROR,
            )
            return redirect(request.get_full_path())

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Act on the selected rows, if what was sent are keys of rows."""
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(is_key(key) for key in selected):
            self.message_user(request, _("These rows do not exist."), messages.WARNING)
            return None
        return super().response_action(request, queryset, *args, **kwargs)


# Rows within a page ----------------------------------------------------------------------------------------------


class PositionFormSet(BaseInlineFormSet[Any, Any, Any]):
    """Rows that stand in an order: they may swap positions, and a freed position may be taken at once."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = _("Delete")

    def save(self, commit: bool = True) -> list[Any]:
        if not commit:
            return super().save(commit=False)
        with transaction.atomic():
            self.save_in_order()
        return [*self.new_objects, *(obj for obj, _fields in self.changed_objects)]

    def save_in_order(self) -> None:
        """Delete, then let what stays step aside and take its new places, then save what was typed."""
        self.save(commit=False)
        for gone in self.deleted_objects:
            gone.delete()
        staying = {
            form.instance.pk: form.instance.position
            for form in self.initial_forms
            if form.instance.pk and form not in self.deleted_forms
        }
        rows = self.get_queryset().model._base_manager.filter(pk__in=staying)
        if any("position" in fields for _obj, fields in self.changed_objects):
            rows.update(position=F("position") + LAST_POSITION)
            rows.update(position=Case(*[When(pk=pk, then=Value(place)) for pk, place in staying.items()]))
        for obj in [*(obj for obj, _fields in self.changed_objects), *self.new_objects]:
            obj.save()
        self.save_m2m()

    def get_unique_error_message(self, unique_check: Any) -> str:
        return _("Two rows cannot have the same position.")

    def get_form_error(self) -> str:
        return _("Another row has this position.")


class PositionInline(ByRole, KeyedChoices, admin.TabularInline[Any, Any]):
    """The ordered parts of something, edited with it."""

    formset = PositionFormSet
    ordering = ["position"]
    extra = 0
    managers_may = WORK

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> forms.Field | None:
        if db_field.name == "position":
            kwargs.update(min_value=1, max_value=LAST_POSITION)
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if formfield and isinstance(formfield.widget, RelatedFieldWidgetWrapper):
            formfield.widget = formfield.widget.widget  # no room in a row for the buttons beside it
        if formfield:
            formfield.widget.attrs["aria-label"] = str(formfield.label or db_field.verbose_name)
        return formfield

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The rows; one that is in use says by how much it is, without loading what uses it."""
        formset = super().get_formset(request, obj, **kwargs)
        form: Any = formset.form

        def refuse_deletion(row: Any) -> None:
            if not row.cleaned_data.get("DELETE") or row.instance._state.adding:
                return
            if uses := what_uses(row.instance):
                raise forms.ValidationError(
                    _("%(name)s cannot be deleted, it is used by %(uses)s. Take “in use” away instead.")
                    % {"name": row.instance, "uses": ", ".join(uses)}
                )

        form.hand_clean_DELETE = refuse_deletion
        return formset


class ShownFormSet(BaseInlineFormSet[Any, Any, Any]):
    """Rows that are shown and never taken from what was sent; at most ``shown`` of them."""

    shown = 50

    def __init__(self, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(None, None, **kwargs)

    def get_queryset(self) -> Any:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[: self.shown]
        return self._queryset

    def is_valid(self) -> bool:
        return True

    def save(self, commit: bool = True) -> list[Any]:
        self.new_objects, self.changed_objects, self.deleted_objects = [], [], []
        return []


class ShownInline(ByRole, admin.TabularInline[Any, Any]):
    """Rows to read: nothing is added, changed or deleted here."""

    formset = ShownFormSet
    nobody_may = WORK - {"view"}
    managers_may = frozenset({"view"})
    can_delete = False
    extra = 0
    max_num = 0
