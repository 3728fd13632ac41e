"""Activities with their steps."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from activities.models import Activity, ActivityStep
from activities.models.templates import MOST_STEPS
from crm.admin import WORK, PositionInline, RoleAdmin


class ActivityStepInline(PositionInline):
    """The steps, in their order."""

    model = ActivityStep
    fields = ["position", "kind", "description", "priority", "due_in"]
    max_num = MOST_STEPS

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """At most as many as on the page of an activity."""
        return super().get_formset(request, obj, **{**kwargs, "validate_max": True})


@admin.register(Activity)
class ActivityAdmin(RoleAdmin):
    """Templates of steps."""

    managers_may = WORK
    list_display = ["code", "description", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["code", "description"]
    ordering = ["code"]
    inlines = [ActivityStepInline]
    instead_of_deleting = _("Take “in use” away instead: it is kept, but offered no more.")
