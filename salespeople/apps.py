from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SalespeopleConfig(AppConfig):
    """Who signs in, who sells and in which team."""

    name = "salespeople"
    verbose_name = _("Salespeople")
