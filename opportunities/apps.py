from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OpportunitiesConfig(AppConfig):
    """Opportunities, their ledger and the operations that change them."""

    name = "opportunities"
    verbose_name = _("Opportunities")
