"""Activities with their steps."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from activities.models import Activity, ActivityStep
from crm.admin import WORK, PositionInline, RoleAdmin


class ActivityStepInline(PositionInline):
    """The steps, in their order."""

    model = ActivityStep
    fields = ["position", "kind", "description", "priority", "due_in"]


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
