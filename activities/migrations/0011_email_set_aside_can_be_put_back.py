from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("activities", "0010_file_of_one_attachment")]

    operations = [
        migrations.RemoveConstraint(model_name="email", name="email_text_only_while_waiting"),
        migrations.AddConstraint(
            model_name="email",
            constraint=models.CheckConstraint(
                condition=~Q(state="FILED") | Q(text=""),
                name="email_text_until_filed",
                violation_error_message="The text of an e-mail that is filed is that of its interaction.",
            ),
        ),
        migrations.AddIndex(
            model_name="email",
            index=models.Index(
                fields=["-placed_at", "-id"], condition=Q(state="SET_ASIDE"), name="email_aside_idx"
            ),
        ),
    ]
