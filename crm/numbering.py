"""Numbers such as OP-00001, given once and never twice, also to those who ask at the same moment."""

from django.db import transaction
from django.db.models import F

from crm.models import NumberSeries


def next_number(prefix: str) -> str:
    """The next number of a series, for example ``OP-00413``.

    The counter's row is locked until the surrounding transaction ends, so two people can never be given
    the same number and a number is not lost when the record is not kept. Must run inside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("next_number() must be called inside a transaction.")
    series = NumberSeries.objects.filter(prefix=prefix)
    if not series.update(last_number=F("last_number") + 1):
        NumberSeries.objects.get_or_create(prefix=prefix)
        series.update(last_number=F("last_number") + 1)
    return str(series.get())
