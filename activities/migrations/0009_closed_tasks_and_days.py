from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("activities", "0008_no_index_twice")]

    operations = [
        migrations.RemoveIndex(model_name="task", name="task_opportunity_closed_idx"),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["opportunity", "status", "-closed_at", "-id"], name="task_opportunity_closed_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False)),
                fields=["status", "-closed_at", "-id"],
                name="task_closed_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["due_on", "id"], name="task_day_idx"),
        ),
    ]
