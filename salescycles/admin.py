"""Sales cycles with their stages."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from crm.admin import WORK, PositionInline, RoleAdmin
from salescycles.models import SalesCycle, SalesCycleStage


class SalesCycleStageInline(PositionInline):
    """The stages, in their order."""

    model = SalesCycleStage
    fields = [
        "position",
        "description",
        "completed_percent",
        "chance_percent",
        "close_in",
        "requires_quote",
        "allows_skip",
        "activity",
        "is_active",
    ]
    autocomplete_fields = ["activity"]


@admin.register(SalesCycle)
class SalesCycleAdmin(RoleAdmin):
    """Ways of selling."""

    managers_may = WORK
    list_display = ["code", "description", "probability_method", "stage_count", "is_default", "is_blocked"]
    list_filter = ["is_blocked", "probability_method"]
    search_fields = ["code", "description"]
    ordering = ["code"]
    inlines = [SalesCycleStageInline]
    instead_of_deleting = _("Block it instead: running opportunities continue, new ones do not get it.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(stage_count=Count("stages"))

    @admin.display(description=_("stages"), ordering="stage_count")
    def stage_count(self, cycle: Any) -> int:
        """How many stages it has."""
        return int(cycle.stage_count)
