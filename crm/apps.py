from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    """The project package: number series, template filters and the leaf modules every app may use."""

    name = "crm"
    verbose_name = _("Kansen")


class KansenAdminConfig(admin_apps.AdminConfig):
    """Django's admin with Kansen's own site."""

    default = False  # settings name it; "crm" alone means the project package
    default_site = "crm.admin.KansenAdminSite"
