"""Fill what searches read."""

from django.db import migrations
from django.db.models import QuerySet

from crm.text import normalised

AT_A_TIME = 1_000


def fill(apps, schema_editor):
    opportunities = QuerySet(apps.get_model("opportunities", "Opportunity"))
    batch = []
    for opportunity in opportunities.only("number", "description").iterator(chunk_size=AT_A_TIME):
        opportunity.search_text = normalised(f"{opportunity.number} {opportunity.description}")
        batch.append(opportunity)
        if len(batch) == AT_A_TIME:
            opportunities.bulk_update(batch, ["search_text"])
            batch = []
    opportunities.bulk_update(batch, ["search_text"])


class Migration(migrations.Migration):
    dependencies = [("opportunities", "0002_views_batches_and_people")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
