from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ActivitiesConfig(AppConfig):
    """Templates of the steps that follow when a stage is entered."""

    name = "activities"
    verbose_name = _("Activities")
