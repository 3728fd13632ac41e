"""The running numbers of records that people quote on the phone."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class NumberSeries(models.Model):
    """The last number given in a series, such as 412 for OP-00412."""

    prefix = models.CharField(_("prefix"), max_length=8, primary_key=True)
    last_number = models.PositiveBigIntegerField(_("last number given"), default=0)

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")

    def __str__(self) -> str:
        return f"{self.prefix}-{self.last_number:05d}"
