"""The three groups that Kansen knows."""

from django.db import migrations

ROLES = ["Salesperson", "Sales manager", "Viewer"]


def make_groups(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("salespeople", "0001_tables")]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
