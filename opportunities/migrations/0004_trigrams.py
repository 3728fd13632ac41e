"""Let PostgreSQL find any part of the text to search quickly."""

from django.db import migrations

from crm.text import add_trigram_index, drop_trigram_index


def index(apps, schema_editor):
    add_trigram_index(schema_editor, table="opportunities_opportunity", column="search_text")


def unindex(apps, schema_editor):
    drop_trigram_index(schema_editor, table="opportunities_opportunity", column="search_text")


class Migration(migrations.Migration):
    dependencies = [("opportunities", "0003_searchable")]

    operations = [migrations.RunPython(index, unindex)]
