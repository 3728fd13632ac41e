from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class ActivitiesConfig(AppConfig):
    """Tasks and their templates, and what was said, written and done."""

    name = "activities"
    verbose_name = _("Activities")

    def ready(self) -> None:
        """Interactions and tasks follow a contact that is merged; files lie where nobody hands them out."""
        from activities.checks import attachments_are_not_served
        from activities.merging import InteractionsFollow, TasksFollow
        from contacts.operations import on_merge

        on_merge(InteractionsFollow())
        on_merge(TasksFollow())
        checks.register(attachments_are_not_served, checks.Tags.security)
