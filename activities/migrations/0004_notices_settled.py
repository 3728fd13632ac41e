from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("activities", "0003_tasks_files_and_email")]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="settled_at",
            field=models.DateTimeField(
                blank=True,
                help_text="There was nothing to write, or it was told that it was begun and never finished.",
                null=True,
                verbose_name="settled at",
            ),
        ),
    ]
