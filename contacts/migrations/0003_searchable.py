"""Fill what searches and the warning about duplicates read."""

from django.db import migrations

from contacts.names import name_key
from crm.text import normalised

AT_A_TIME = 1_000


def fill(apps, schema_editor):
    contacts = apps.get_model("contacts", "Contact").objects
    batch = []
    for contact in contacts.only("number", "name", "email").iterator(chunk_size=AT_A_TIME):
        contact.search_text = normalised(f"{contact.number} {contact.name} {contact.email}")
        contact.name_key = name_key(contact.name)
        batch.append(contact)
        if len(batch) == AT_A_TIME:
            contacts.bulk_update(batch, ["search_text", "name_key"])
            batch = []
    contacts.bulk_update(batch, ["search_text", "name_key"])


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_merging_and_searching")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
