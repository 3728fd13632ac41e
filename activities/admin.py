"""Activities with their steps; tasks, calendar feeds and notices to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from activities.models import Activity, ActivityStep, CalendarFeed, Notice, Task
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


@admin.register(Task)
class TaskAdmin(RoleAdmin):
    """Tasks to search and to read: every change of one is made on its page, where the rules of a series hold."""

    managers_may = frozenset({"view"})
    nobody_may = WORK - {"view"}
    actions: Any = []
    list_display = ["description", "kind", "status", "priority", "due_on", "due_time", "salesperson", "team"]
    list_filter = ["status", "kind", "priority", "due_on", "team"]
    list_select_related = ["salesperson", "team"]
    search_fields = ["description", "contact__name", "opportunity__number"]
    ordering = ["-due_at", "-pk"]


@admin.register(CalendarFeed)
class CalendarFeedAdmin(RoleAdmin):
    """Who has a calendar address and when it was last read; deleting one revokes it. The key is shown to nobody."""

    nobody_may = frozenset({"add", "change"})
    fields = ["user", "made_at", "read_at"]
    list_display = ["user", "made_at", "read_at"]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email"]
    ordering = ["user__name", "pk"]


@admin.register(Notice)
class NoticeAdmin(RoleAdmin):
    """What Kansen wrote to whom: begun, sent, or settled without a word."""

    nobody_may = WORK - {"view"}
    actions: Any = []
    list_display = ["key", "user", "claimed_at", "sent_at", "settled_at"]
    list_filter = [
        ("sent_at", admin.EmptyFieldListFilter),
        ("settled_at", admin.EmptyFieldListFilter),
        "claimed_at",
    ]
    list_select_related = ["user"]
    search_fields = ["key", "user__name", "user__email"]
    ordering = ["-claimed_at", "-pk"]
