from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ActivitiesConfig(AppConfig):
    """Templates of the steps that follow when a stage is entered."""

    name = "activities"
    verbose_name = _("Activities")

    def ready(self) -> None:
        """Interactions follow a contact that is merged into another."""
        from activities.merging import InteractionsFollow
        from contacts.operations import on_merge

        on_merge(InteractionsFollow())
