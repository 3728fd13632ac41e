"""Running numbers."""

import pytest
from django.db import connection, transaction

from crm.models import NumberSeries
from crm.numbering import next_number
from tests.factories import CompanyFactory


@pytest.mark.django_db
def test_numbers_run_from_one_in_each_series():
    assert [next_number("X"), next_number("X"), next_number("Y"), next_number("X")] == [
        "X-00001",
        "X-00002",
        "Y-00001",
        "X-00003",
    ]


@pytest.mark.django_db
def test_number_of_more_than_five_digits_is_written_in_full():
    NumberSeries.objects.create(prefix="X", last_number=99_999)

    assert next_number("X") == "X-100000"


@pytest.mark.django_db
def test_number_is_not_lost_when_the_record_is_not_kept():
    assert next_number("X") == "X-00001"

    with transaction.atomic():
        assert next_number("X") == "X-00002"
        transaction.set_rollback(True)

    assert next_number("X") == "X-00002"


@pytest.mark.django_db(transaction=True)
def test_number_outside_a_transaction_is_refused():
    assert connection.in_atomic_block is False

    with pytest.raises(RuntimeError, match="inside a transaction"):
        next_number("X")

    assert not NumberSeries.objects.filter(prefix="X").exists()


@pytest.mark.django_db
def test_contact_is_numbered_once():
    contact = CompanyFactory()
    number = contact.number

    contact.name = "Renamed"
    contact.save()
    contact.refresh_from_db()

    assert contact.number == number
    assert CompanyFactory().number == f"C-{int(number.removeprefix('C-')) + 1:05d}"
