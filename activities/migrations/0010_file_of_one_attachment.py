from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("activities", "0009_closed_tasks_and_days")]

    operations = [
        migrations.AddConstraint(
            model_name="attachment",
            constraint=models.UniqueConstraint(
                fields=("file",),
                name="attachment_file_once",
                violation_error_message="A stored file belongs to one attachment.",
            ),
        ),
    ]
