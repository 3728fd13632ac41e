from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    """The project package: number series, template filters and the leaf modules every app may use."""

    name = "crm"
    verbose_name = _("Kansen")
