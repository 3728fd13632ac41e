from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OpportunitiesConfig(AppConfig):
    """Opportunities, their ledger and the operations that change them."""

    name = "opportunities"
    verbose_name = _("Opportunities")

    def ready(self) -> None:
        """Opportunities follow a contact that is merged into another."""
        from contacts.operations import on_merge
        from opportunities.merging import OpportunitiesFollow

        on_merge(OpportunitiesFollow())
