from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ContactsConfig(AppConfig):
    """Companies and the people in them."""

    name = "contacts"
    verbose_name = _("Contacts")
