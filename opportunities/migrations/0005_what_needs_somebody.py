"""Find quickly how long stays in a stage last, what was recorded since somebody looked, and what was won in a month."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("opportunities", "0004_trigrams")]

    operations = [
        migrations.AddIndex(
            model_name="opportunityentry",
            index=models.Index(fields=["previous_stage", "-changed_on", "-id"], name="entry_left_stage_idx"),
        ),
        migrations.AddIndex(
            model_name="opportunityentry",
            index=models.Index(fields=["recorded_at"], name="entry_recorded_idx"),
        ),
        migrations.AddIndex(
            model_name="opportunity",
            index=models.Index(fields=["closed_on", "id"], name="opportunity_closed_idx"),
        ),
    ]
