from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SalescyclesConfig(AppConfig):
    """Sales cycles and their ordered stages."""

    name = "salescycles"
    verbose_name = _("Sales cycles")
