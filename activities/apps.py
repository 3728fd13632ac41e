from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ActivitiesConfig(AppConfig):
    """Tasks and their templates, and what was said, written and done."""

    name = "activities"
    verbose_name = _("Activities")

    def ready(self) -> None:
        """Interactions and tasks follow a contact that is merged into another."""
        from activities.merging import InteractionsFollow, TasksFollow
        from contacts.operations import on_merge

        on_merge(InteractionsFollow())
        on_merge(TasksFollow())
